//! `demo` and `twins`: starts the gateway in the demo's world. What that world is, `demo` knows; what happened, its
//! checker.

mod carry;
mod live;
mod once;
mod record;
mod twins;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use twins::twins;

use super::args::{DemoArgs, Sabotage as Asked};
use super::{complain, run};
use crate::clock::Clock;
use crate::config::{Config, ProcessEnv};
use crate::demo::checker::{self, Evidence, Left, Published, Report};
use crate::demo::diary::Diary;
use crate::demo::settings::Settings;
use crate::demo::site::{self, Site};
use crate::demo::{Span, summary};
use crate::gateway::{self, Counter, Outside, Sabotage};
use crate::mqtt::broker::Broker;
use crate::net::Http;
use crate::store::{Opened, Store};
use crate::twin::kisi::KisiTwin;
use crate::twin::nexudus::NexudusTwin;

/// `demo`
pub fn demo(args: &DemoArgs) -> u8 {
    let done = match args.once {
        true => once::once(args),
        false => live::live(args),
    };
    match done {
        Ok(status) => status,
        Err(error) => complain(&format!("{error:#}")),
    }
}

/// Both twins, shared between whoever carries them and the script.
#[derive(Clone)]
struct World {
    nexudus: Arc<Mutex<NexudusTwin>>,
    kisi: Arc<Mutex<KisiTwin>>,
    site: Arc<Site>,
    settings: Arc<Settings>,
    /// The twins' own clock.
    clock: Clock,
}

impl World {
    fn build(clock: Clock) -> anyhow::Result<World> {
        let built = site::build()?;
        Ok(World {
            nexudus: Arc::new(Mutex::new(built.nexudus)),
            kisi: Arc::new(Mutex::new(built.kisi)),
            site: Arc::new(built.site),
            settings: Arc::new(site::settings()),
            clock,
        })
    }

    fn nexudus(&self) -> MutexGuard<'_, NexudusTwin> {
        self.nexudus.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kisi(&self) -> MutexGuard<'_, KisiTwin> {
        self.kisi.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the checker says of the day until now.
    fn judge(&self, diary: &Diary, published: &[Published], left: &[Left]) -> anyhow::Result<Report> {
        let kisi = self.kisi();
        let nexudus = self.nexudus();
        let evidence = Evidence {
            settings: &self.settings,
            day: Span::new(site::start(), self.clock.wall()),
            nexudus: nexudus.history(),
            kisi: &kisi,
            key_user: site::KEY_USER,
            ties: &self.site.ties,
            readers: &self.site.readers,
            diary,
            published,
            left,
            canaries: &site::canaries(),
        };
        Ok(checker::check(&evidence)?)
    }
}

/// Shows the report. 1 where a promise broke.
fn conclude(report: &Report, args: &DemoArgs) -> u8 {
    let broken = args.sabotage.map(name);
    let text = match args.json {
        true => format!("{}\n", summary::json(report, broken.as_deref())),
        false => summary::text(report, broken.as_deref(), 110),
    };
    super::print(&text);
    if report.kept() { super::WELL } else { super::FAILED }
}

/// A rule's name on the command line.
fn name(sabotage: Asked) -> String {
    use clap::ValueEnum;
    sabotage.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// The gateway of the demo, and how to end it.
struct Gateway {
    tasks: JoinSet<()>,
    stop: CancellationToken,
    engine: Arc<gateway::Engine>,
    clock: Clock,
}

/// What a gateway of the demo needs beside its configuration.
struct Start {
    clock: Clock,
    nexudus: Arc<dyn Http>,
    kisi: Arc<dyn Http>,
    broker: Arc<dyn Broker>,
    store: Store,
    opened: Opened,
    sabotage: Option<Asked>,
}

impl Gateway {
    fn start(config: &Config, start: Start) -> anyhow::Result<Gateway> {
        let outside = Outside {
            clock: start.clock.clone(),
            nexudus: start.nexudus,
            kisi: start.kisi,
            store: start.store,
            opened: start.opened,
            client_id: None,
            sabotage: start.sabotage.map(sabotage),
        };
        let engine = gateway::engine(config, outside)?;
        let stop = CancellationToken::new();
        let mut wiring = run::wiring(config, start.broker);
        wiring.seed = 7;
        let mut tasks = JoinSet::new();
        tasks.spawn(gateway::run(engine.clone(), wiring, stop.clone()));
        Ok(Gateway { tasks, stop, engine, clock: start.clock })
    }

    /// The page and the verbs' socket, for those who look on.
    fn counter(&self) -> Counter {
        Counter(self.engine.clone())
    }

    /// Ends it in order.
    async fn end(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }

    /// Takes its power: every task is dropped where it stands, and nothing more reaches the disk.
    async fn kill(mut self) {
        // A store that is dropped writes what would have gone along with the next change: a power cut does not.
        std::mem::forget(self.engine.store.clone());
        self.tasks.abort_all();
        while self.tasks.join_next().await.is_some() {}
    }
}

fn sabotage(asked: Asked) -> Sabotage {
    match asked {
        Asked::LateClosing => Sabotage::LateClosing,
        Asked::EarlyOpening => Sabotage::EarlyOpening,
        Asked::ForeignRow => Sabotage::ForeignRow,
        Asked::LostEvent => Sabotage::LostEvent,
        Asked::MassRemoval => Sabotage::MassRemoval,
    }
}

/// The configuration that was written for the demo.
fn load(path: &Path) -> anyhow::Result<Config> {
    Config::load(path, &ProcessEnv)
        .map_err(|errors| anyhow::anyhow!("the demo's own configuration is wrong:\n{errors}"))
}
