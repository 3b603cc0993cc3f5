//! The loops and their order. The only room that knows both clouds, the store and the broker.
//!
//! Every input says only 'look again': it wakes a loop, which works in batches at its own pace. [`reading`] brings what
//! Nexudus says, [`roster`] what Kisi holds; [`sync`] decides over the whole and carries out; [`events`] and
//! [`hardware`] bring what happens at the doors; [`keeper`] tells how things are, [`post`] posts alerts. What decides is in `domain`.

mod adopt;
pub mod alarm;
pub mod alerts;
mod answers;
mod behind;
mod catalog;
pub mod connection;
mod desk;
pub mod engine;
mod events;
mod examine;
mod hardware;
mod intents;
mod keeper;
mod kept;
pub mod letters;
pub mod metrics;
mod post;
mod reading;
mod roster;
#[cfg(feature = "demo")]
mod sabotage;
mod start;
pub mod state;
mod strangers;
mod sync;
mod wires;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use catalog::catalog;
pub use desk::Counter;
pub use engine::Engine;
pub use examine::{Found, examine};
pub use post::Receiver;
pub use reading::read_all as read_nexudus;
pub use roster::read as read_roster;
#[cfg(feature = "demo")]
pub use sabotage::Sabotage;
pub use start::{Outside, StartError, engine};

use crate::config::{self, Config};
use crate::mqtt::broker::Broker;
use crate::mqtt::commands::CommandName;
use crate::mqtt::link::{self, LinkState};
use crate::nexudus::limits::Budget;
use crate::nexudus::schedule::{Paces, Schedule};
use crate::store::Batch;
use wires::Wires;

/// How long the loops may take to end. A change that Kisi has not answered by then is in the ledger, and is looked up
/// at the next start.
const END_WITHIN: Duration = Duration::from_secs(3);

/// What the loops need beside the engine.
pub struct Wiring {
    /// Reaches the broker.
    pub broker: Arc<dyn Broker>,
    /// `mqtt.topic_prefix`.
    pub topic_prefix: String,
    /// `mqtt.discovery_prefix`, where `mqtt.home_assistant` is on.
    pub discovery: Option<String>,
    /// `mqtt.commands`.
    pub commands: BTreeSet<CommandName>,
    /// `nexudus.changes` and `nexudus.refresh`.
    pub paces: Paces,
    /// `nexudus.requests_per_hour`.
    pub requests_per_hour: u32,
    /// `alert.url`, where there is one.
    pub receiver: Option<Receiver>,
    /// Seeds the pauses between tries.
    pub seed: u64,
}

impl Wiring {
    /// What the configuration says of them; nothing is posted yet.
    pub fn new(config: &Config, broker: Arc<dyn Broker>, seed: u64) -> Wiring {
        Wiring {
            broker,
            topic_prefix: config.mqtt.topic_prefix.clone(),
            discovery: config.mqtt.home_assistant.then(|| config.mqtt.discovery_prefix.clone()),
            commands: config.mqtt.commands.iter().map(|command| command_name(*command)).collect(),
            paces: Paces { changes: config.nexudus.changes, refresh: config.nexudus.refresh },
            requests_per_hour: config.nexudus.requests_per_hour,
            receiver: None,
            seed,
        }
    }
}

fn command_name(command: config::Command) -> CommandName {
    match command {
        config::Command::Sync => CommandName::Sync,
        config::Command::Check => CommandName::Check,
        config::Command::Unlock => CommandName::Unlock,
        config::Command::Approve => CommandName::Approve,
        config::Command::Pause => CommandName::Pause,
        config::Command::Resume => CommandName::Resume,
    }
}

/// Runs every loop until `stop`, then ends them in order: the broker is told last.
pub async fn run(engine: Arc<Engine>, wiring: Wiring, stop: CancellationToken) {
    let wires = Wires::new(engine.clone());
    let customers = engine.clone();
    let times = engine.clone();
    let (link_state, link_seen) = watch::channel(LinkState::new(engine.clock.mono()));
    let link = link::Link {
        broker: wiring.broker,
        topic_prefix: wiring.topic_prefix,
        site: engine.rules().site.clone(),
        people: engine.settings.people,
        outbox: Arc::new(wires.clone()),
        retained: engine.retained(),
        names: Arc::new(wires.clone()),
        discovery: wiring.discovery,
        memberships: engine.memberships.clone(),
        served: wiring.commands,
        commands: Arc::new(wires.clone()),
        ids: Arc::new(wires),
        customer_of: Arc::new(move |user| customers.state().customer_of(user)),
        trusted_now: Arc::new(move || times.trusted_now()),
        limits: link::Limits::default(),
        clock: engine.clock.clone(),
    };
    let rng = fastrand::Rng::with_seed(wiring.seed);
    let sustained = Budget::new(wiring.requests_per_hour).sustained_per_hour();
    let schedule = Schedule::new(&engine.nexudus.needs(), wiring.paces, sustained, engine.clock.mono(), rng);
    // Dropped, the sets take their tasks with them: nothing of a run outlives it.
    let mut loops = JoinSet::new();
    loops.spawn(reading::run(engine.clone(), schedule, stop.clone()));
    loops.spawn(roster::run(engine.clone(), stop.clone()));
    loops.spawn(sync::run(engine.clone(), stop.clone()));
    loops.spawn(events::run(engine.clone(), stop.clone()));
    loops.spawn(hardware::run(engine.clone(), stop.clone()));
    loops.spawn(keeper::run(engine.clone(), link_seen, stop.clone()));
    if let Some(receiver) = wiring.receiver {
        loops.spawn(post::run(engine.clone(), receiver, stop.clone()));
    }
    let goodbye = CancellationToken::new();
    let mut broker = JoinSet::new();
    broker.spawn(link::run(link, link_state, goodbye.clone()));
    stop.cancelled().await;
    let ended = async { while loops.join_next().await.is_some() {} };
    if engine.clock.timeout(END_WITHIN, ended).await.is_err() {
        tracing::warn!("some loops did not end in time");
    }
    settle(&engine).await;
    goodbye.cancel();
    while broker.join_next().await.is_some() {}
}

/// Keeps what would have gone along with the next change.
pub async fn settle(engine: &Engine) {
    // A failure is told by the commit itself.
    let _ = engine.commit(Batch::new()).await;
}

/// Reads both clouds whole, once, for a verb.
pub async fn read_all(engine: &Engine) -> Result<(), String> {
    read_roster(engine).await?;
    read_nexudus(engine).await
}
