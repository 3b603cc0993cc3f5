//! The link to the broker: connects, says all that is retained, drains the outbox, obeys commands, and starts anew
//! whenever the connection ends (contract 3, promise 4).
//!
//! A row of the outbox is done only by its own acknowledgement in the connection that carried it. Whatever a
//! connection did not acknowledge is read from the outbox again by the next one, in the same order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Boxed;
use super::broker::{Broker, BrokerError, Hello, Message};
use super::commands::{CommandName, Commands, Ids};
use super::connection::Connection;
use super::discovery;
use super::intake::Intake;
use super::memberships::Memberships;
use super::payload::{self, OFFLINE};
use super::topics::{Root, Topic};
use crate::clock::{Clock, Mono};
use crate::domain::event::Event;
use crate::domain::{CustomerId, Timestamp, UserId};
use crate::report::{People, Retained, State};

/// How exactly the time of the last success is told: finer, each acknowledgement would change the status, whose
/// message would bring the next.
const SUCCESS_STEP: Duration = Duration::from_secs(10);
/// How long commands are not subscribed to after a packet larger than is taken.
const DEAF_AFTER_OVERSIZED: Duration = Duration::from_secs(600);

/// The outbox could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OutboxError(pub String);

/// The events that wait for the broker, on the disk.
pub trait Outbox: Send + Sync + 'static {
    /// The first rows whose number is above `after`, in order, at most `limit`. Numbers begin at 1 and rise in the
    /// order in which events are to be published.
    fn next(&self, after: u64, limit: usize) -> Boxed<'_, Result<Vec<(u64, Event)>, OutboxError>>;

    /// The broker has these: they may go. After an error the same rows come again.
    fn published(&self, rows: Vec<u64>) -> Boxed<'_, Result<(), OutboxError>>;

    /// This row can't be published, and never will be: it is to leave the outbox and be shown.
    fn set_aside(&self, row: u64, why: String) -> Boxed<'_, Result<(), OutboxError>>;

    /// Done when rows were added since it was last done. An addition while nobody waits is not forgotten (as with
    /// tokio's `Notify::notify_one`). Dropped before it is done, it has taken nothing.
    fn notified(&self) -> Boxed<'_, ()>;
}

/// The names of the retained topics that this gateway left at the broker, on the disk: a later run clears those of
/// things that went while nobody was there to see it.
pub trait Names: Send + Sync + 'static {
    /// Those that were noted.
    fn load(&self) -> Boxed<'_, Result<BTreeSet<String>, OutboxError>>;

    /// Notes these, in place of those before.
    fn keep(&self, topics: BTreeSet<String>) -> Boxed<'_, Result<(), OutboxError>>;
}

/// How the link is: what `status` says of `broker`.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkState {
    /// Online; degraded: commands are not heard; offline; refused.
    pub state: State,
    /// Since when.
    pub since: Mono,
    /// When the broker last acknowledged something, to 10 s.
    pub last_success: Option<Mono>,
    /// What is wrong.
    pub error: Option<BrokerError>,
}

impl LinkState {
    /// Before the first try.
    pub fn new(now: Mono) -> LinkState {
        LinkState { state: State::Offline, since: now, last_success: None, error: None }
    }
}

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// One try to connect.
    pub connect: Duration,
    /// One message's acknowledgement; beyond it the connection is given up.
    pub ack: Duration,
    /// The goodbye when stopped.
    pub stop: Duration,
    /// The pause after the first failure; it doubles with each.
    pub pause_first: Duration,
    /// The longest pause.
    pub pause_max: Duration,
    /// How long a connection must have stood for the pauses to begin anew.
    pub steady: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connect: Duration::from_secs(15),
            ack: Duration::from_secs(30),
            stop: Duration::from_secs(2),
            pause_first: Duration::from_secs(1),
            pause_max: Duration::from_secs(60),
            steady: Duration::from_secs(10),
        }
    }
}

/// What the link works with.
pub struct Link {
    /// Where to connect to.
    pub broker: Arc<dyn Broker>,
    /// `mqtt.topic_prefix`.
    pub topic_prefix: String,
    /// `site.id`; the client id is `gatehouse-<site>`.
    pub site: String,
    /// `mqtt.people`.
    pub people: People,
    /// Events.
    pub outbox: Arc<dyn Outbox>,
    /// Everything retained but `availability`.
    pub retained: watch::Receiver<Retained>,
    /// The names of what was published so.
    pub names: Arc<dyn Names>,
    /// `mqtt.discovery_prefix`, where `mqtt.home_assistant` is on.
    pub discovery: Option<String>,
    /// Changes made in Kisi.
    pub memberships: Memberships,
    /// `mqtt.commands`.
    pub served: BTreeSet<CommandName>,
    /// Carries commands out.
    pub commands: Arc<dyn Commands>,
    /// Remembers their ids.
    pub ids: Arc<dyn Ids>,
    /// Whom a Kisi user is in Nexudus, where known.
    pub customer_of: Arc<dyn Fn(UserId) -> Option<CustomerId> + Send + Sync>,
    /// Kisi's time, where it is known (rules 4): an `unlock` is judged by it.
    pub trusted_now: Arc<dyn Fn() -> Option<Timestamp> + Send + Sync>,
    /// How long things may take.
    pub limits: Limits,
    /// Waits go by it.
    pub clock: Clock,
}

/// Keeps the link until `stop`, then says goodbye within [`Limits::stop`]. `state` is told of every change.
pub async fn run(link: Link, state: watch::Sender<LinkState>, stop: CancellationToken) {
    let (clock, limits) = (link.clock.clone(), link.limits);
    let mut keeper = Keeper::new(link, state);
    keeper.load_names().await;
    let mut failures = 0;
    while let Err(why) = keeper.connection(&stop).await {
        if why == BrokerError::Renewed {
            tracing::info!("the certificates for the broker were renewed: connecting anew");
            failures = 0;
            continue;
        }
        let stood = keeper.online_at.take().map(|at| clock.mono().since(at));
        failures = if stood.is_some_and(|stood| stood >= limits.steady) { 1 } else { failures + 1 };
        let pause = pause(failures, fastrand::f64(), &limits);
        keeper.lost(why, pause);
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = clock.sleep(pause) => {}
        }
    }
}

/// The pause after so many failures in a row: doubling, of which a random half is left out, so that the clients of a
/// broker that comes back don't all arrive at once. `random` from 0 to 1.
fn pause(failures: u32, random: f64, limits: &Limits) -> Duration {
    let doubled = limits.pause_first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
    doubled.min(limits.pause_max).mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
}

/// What outlives a connection.
pub(super) struct Keeper {
    pub(super) link: Link,
    pub(super) root: Root,
    pub(super) intake: Intake,
    /// Retained topics that this run has published: they may have to be cleared.
    pub(super) known: BTreeSet<String>,
    /// Those that an earlier run left. They join the known ones once it is known all that is there.
    left: BTreeSet<String>,
    /// Those that the broker acknowledged to have cleared.
    cleared: BTreeSet<String>,
    /// Those that are noted on the disk, and whether others are to be.
    noted: BTreeSet<String>,
    unnoted: bool,
    /// Retained topics as they should be.
    pub(super) wanted: BTreeMap<String, Bytes>,
    state: watch::Sender<LinkState>,
    /// Since when the connection has stood. One that was accepted and never acknowledged anything does not count.
    online_at: Option<Mono>,
    /// Until when commands are not subscribed to, and why: the broker would send again what ends the connection.
    deaf: Option<(Mono, BrokerError)>,
}

impl Keeper {
    fn new(link: Link, state: watch::Sender<LinkState>) -> Keeper {
        let root = Root::new(&link.topic_prefix, &link.site);
        let (served, commands, ids) = (link.served.clone(), Arc::clone(&link.commands), Arc::clone(&link.ids));
        let intake = Intake::new(served, commands, ids, link.clock.clone(), root.clone());
        Keeper {
            link,
            root,
            intake,
            known: BTreeSet::new(),
            left: BTreeSet::new(),
            cleared: BTreeSet::new(),
            noted: BTreeSet::new(),
            unnoted: false,
            wanted: BTreeMap::new(),
            state,
            online_at: None,
            deaf: None,
        }
    }

    async fn load_names(&mut self) {
        match self.link.names.load().await {
            Ok(names) => {
                self.left.clone_from(&names);
                self.noted = names;
            }
            Err(error) => tracing::warn!(%error, "which topics an earlier run left at the broker is not known"),
        }
    }

    /// Notes the names of what lies at the broker or is about to. Where that fails, it is tried with the next change.
    pub(super) async fn note_names(&mut self) {
        if !std::mem::take(&mut self.unnoted) {
            return;
        }
        let lying = self.known.iter().filter(|topic| !self.cleared.contains(*topic));
        let all: BTreeSet<String> = self.wanted.keys().chain(lying).chain(&self.left).cloned().collect();
        if all == self.noted {
            return;
        }
        match self.link.names.keep(all.clone()).await {
            Ok(()) => self.noted = all,
            Err(error) => tracing::warn!(%error, "the names of retained topics could not be noted"),
        }
    }

    /// A retained topic is about to be published or cleared.
    pub(super) fn touches(&mut self, topic: &str) {
        self.known.insert(topic.to_owned());
        self.cleared.remove(topic);
    }

    /// The broker has cleared a retained topic.
    pub(super) fn has_cleared(&mut self, topic: String) {
        if !self.wanted.contains_key(&topic) {
            self.cleared.insert(topic);
            self.unnoted = true;
        }
    }

    /// One connection from its beginning to its end: `Ok` where `stop` ended it.
    async fn connection(&mut self, stop: &CancellationToken) -> Result<(), BrokerError> {
        let hello = Hello {
            client_id: format!("gatehouse-{}", self.link.site),
            will: Message::retained(self.root.topic(&Topic::Availability), OFFLINE),
        };
        let (clock, limit) = (self.link.clock.clone(), self.link.limits.connect);
        let session = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            answer = clock.timeout(limit, self.link.broker.connect(hello)) => {
                answer.unwrap_or(Err(BrokerError::TimedOut(limit)))?
            }
        };
        let deaf = self.deaf.clone().filter(|(until, _)| clock.mono() < *until);
        let mut connection = Connection::new(session, deaf);
        let end = connection.serve(self, stop).await;
        let (session, unsent) = connection.close(self).await;
        self.link.memberships.put_back(unsent);
        match end {
            Ok(Some(left)) => _ = clock.timeout(left, session.disconnect()).await,
            // No last will: the next connection follows at once.
            Err(BrokerError::Renewed) => _ = clock.timeout(self.link.limits.stop, session.disconnect()).await,
            Ok(None) | Err(_) => {}
        }
        end.map(|_| ())
    }

    /// The connection stands: the broker has acknowledged something in it. `unheard`: why commands are not heard.
    pub(super) fn stands(&mut self, unheard: Option<BrokerError>) {
        match &unheard {
            None => tracing::info!("connected to the broker"),
            Some(why) => tracing::warn!(%why, "connected to the broker, but commands are not heard"),
        }
        self.online_at.get_or_insert(self.link.clock.mono());
        self.tell(if unheard.is_none() { State::Online } else { State::Degraded }, unheard);
    }

    /// The broker acknowledged something.
    pub(super) fn succeeded(&self, now: Mono) {
        self.state.send_if_modified(|state| {
            let stale = state.last_success.is_none_or(|last| now.since(last) >= SUCCESS_STEP);
            if stale {
                state.last_success = Some(now);
            }
            stale
        });
    }

    fn lost(&mut self, why: BrokerError, pause: Duration) {
        if let BrokerError::Oversized(_) = why {
            self.deaf = Some((self.link.clock.mono().plus(DEAF_AFTER_OVERSIZED), why.clone()));
        }
        let known = self.state.borrow().error.as_ref() == Some(&why);
        match known {
            true => tracing::debug!(%why, ?pause, "still not connected to the broker"),
            false => tracing::warn!(%why, ?pause, "not connected to the broker"),
        }
        let state = if matches!(why, BrokerError::Refused { .. }) { State::Refused } else { State::Offline };
        self.tell(state, Some(why));
    }

    fn tell(&self, state: State, error: Option<BrokerError>) {
        let now = self.link.clock.mono();
        self.state.send_if_modified(|told| {
            let changed = told.state != state || told.error != error;
            if told.state != state {
                told.since = now;
            }
            (told.state, told.error) = (state, error);
            changed
        });
    }

    /// Takes the retained state as it is now.
    pub(super) fn look_at_retained(&mut self) {
        let packet_size_max = self.link.broker.packet_size_max();
        let retained = self.link.retained.borrow_and_update();
        let mut wanted = payload::retained(&self.root, &retained, packet_size_max);
        if let Some(prefix) = &self.link.discovery {
            wanted.extend(discovery::entities(prefix, &self.link.site, &self.root, &retained.doors, &self.link.served));
        }
        if retained.whole {
            self.known.append(&mut self.left);
        }
        drop(retained);
        self.unnoted |= !wanted.keys().eq(self.wanted.keys());
        self.wanted = wanted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_limit_and_are_never_short() {
        let limits = Limits::default();
        let longest: Vec<u64> = (1..=8).map(|failures| pause(failures, 1.0, &limits).as_secs()).collect();
        assert_eq!(longest, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pause(u32::MAX, 0.0, &limits), Duration::from_secs(30));
    }
}
