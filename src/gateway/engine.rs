//! What every loop of the gateway holds: the state, the store, both clouds, and how to wake the others.
//!
//! The lock on the state is held for short spans of pure work alone, never over an await.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DurationRound, TimeDelta};
use tokio::sync::{Notify, watch};

use super::alarm::{self, Asked};
use super::alerts::Change;
use super::connection::Fault;
use super::metrics::Tallies;
use super::state::{Decision, State};
use crate::clock::{Clock, Mono};
use crate::domain::guard::Memory;
use crate::domain::reconcile::{Known, reconcile};
use crate::domain::time::Heard;
use crate::domain::{Rules, Timestamp};
use crate::kisi::KisiClient;
use crate::mqtt::memberships::Memberships;
use crate::net::HttpError;
use crate::net::watch::Observed;
use crate::nexudus::needs::Needs;
use crate::nexudus::read::Reader;
use crate::report::{ClockReport, Counts, People, Retained, Status};
use crate::store::Store;

/// How often a loop that waits shows that it lives.
const SIGN_OF_LIFE: Duration = Duration::from_secs(60);
/// How long a status holds: three heartbeats.
const VALID: TimeDelta = TimeDelta::seconds(90);

/// Which of the two clouds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cloud {
    /// Nexudus.
    Nexudus,
    /// Kisi.
    Kisi,
}

/// Settings that do not concern the rules.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `access.write`.
    pub write: bool,
    /// `mqtt.people`.
    pub people: People,
    /// `alert.after`.
    pub alert_after: Duration,
    /// `kisi.events`.
    pub events: Duration,
    /// `kisi.state`.
    pub hardware: Duration,
    /// `kisi.roster`.
    pub roster: Duration,
    /// `store.keep_events`.
    pub keep_events: Duration,
    /// The rules that the demo breaks on purpose.
    #[cfg(feature = "demo")]
    pub sabotage: Option<super::Sabotage>,
}

/// The gateway's inside.
pub struct Engine {
    state: Mutex<State>,
    rules: Mutex<Arc<Rules>>,
    /// The settings.
    pub settings: Settings,
    /// When this run began.
    pub started_at: Timestamp,
    /// The same, by the monotonic clock.
    pub began: Mono,
    /// The clock.
    pub clock: Clock,
    /// The disk.
    pub store: Store,
    /// Nexudus.
    pub nexudus: Reader,
    /// Kisi.
    pub kisi: Arc<KisiClient>,
    /// Changes for the `membership` topic.
    pub memberships: Memberships,
    /// Decides and applies again.
    pub sync: Notify,
    /// Reads Nexudus at once.
    pub read_nexudus: Notify,
    /// The same, with what failed or was refused forgotten.
    pub retry_nexudus: Notify,
    /// Nexudus said by a webhook that something changed.
    pub hint_nexudus: Notify,
    /// Kisi said by a webhook that something happened.
    pub hint_kisi: Notify,
    /// Reads the roster at once.
    pub read_roster: Notify,
    /// Rows were added to the outbox.
    pub outbox: Notify,
    /// Something of the status or an alert may have changed.
    pub told: Notify,
    /// An alert changed.
    pub post: Notify,
    /// Held through a pass.
    pub passing: tokio::sync::Mutex<()>,
    /// How many changes were made in Kisi in this run.
    pub made: AtomicU64,
    /// A verb's pass is to end.
    pub interrupted: AtomicBool,
    retained: watch::Sender<Retained>,
    beats: Mutex<BTreeMap<&'static str, Mono>>,
    tallies: Mutex<Tallies>,
}

/// What an engine is made of.
pub struct Parts {
    /// The state as the store kept it.
    pub state: State,
    /// The rules.
    pub rules: Rules,
    /// The settings.
    pub settings: Settings,
    /// The clock.
    pub clock: Clock,
    /// The disk.
    pub store: Store,
    /// Nexudus.
    pub nexudus: Reader,
    /// Kisi.
    pub kisi: KisiClient,
}

impl Engine {
    /// An engine at rest.
    pub fn new(parts: Parts) -> Engine {
        let started_at = parts.state.time.guess(parts.clock.mono().0, parts.clock.wall());
        Engine {
            state: Mutex::new(parts.state),
            rules: Mutex::new(Arc::new(parts.rules)),
            settings: parts.settings,
            started_at,
            began: parts.clock.mono(),
            clock: parts.clock,
            store: parts.store,
            nexudus: parts.nexudus,
            kisi: Arc::new(parts.kisi),
            memberships: Memberships::new(),
            sync: Notify::new(),
            read_nexudus: Notify::new(),
            retry_nexudus: Notify::new(),
            hint_nexudus: Notify::new(),
            hint_kisi: Notify::new(),
            read_roster: Notify::new(),
            outbox: Notify::new(),
            told: Notify::new(),
            post: Notify::new(),
            passing: tokio::sync::Mutex::new(()),
            made: AtomicU64::new(0),
            interrupted: AtomicBool::new(false),
            retained: watch::Sender::new(Retained::default()),
            beats: Mutex::new(BTreeMap::new()),
            tallies: Mutex::default(),
        }
    }

    /// What is counted, for a moment.
    pub fn tallies(&self) -> MutexGuard<'_, Tallies> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A loop went round.
    pub fn beat(&self, name: &'static str) {
        let at = self.clock.mono();
        self.beats.lock().unwrap_or_else(PoisonError::into_inner).insert(name, at);
    }

    /// Waits that long, and shows on the way that the loop still lives: paces may be hours.
    pub async fn rest(&self, name: &'static str, span: Duration) {
        let end = self.clock.mono().plus(span);
        loop {
            let now = self.clock.mono();
            self.beat(name);
            if now >= end {
                return;
            }
            self.clock.sleep_until(end.min(now.plus(SIGN_OF_LIFE))).await;
        }
    }

    /// When each loop last went round.
    pub fn beats(&self) -> Vec<(&'static str, Mono)> {
        let beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        beats.iter().map(|(name, at)| (*name, *at)).collect()
    }

    /// Counts the events that wait for the broker.
    pub fn count_outbox(&self) {
        match self.store.outbox_state() {
            Ok(outbox) => {
                let mut state = self.state();
                state.outbox = usize::try_from(outbox.waiting).unwrap_or(usize::MAX);
                state.outbox_since = outbox.oldest;
            }
            Err(error) => tracing::error!(%error, "the outbox could not be counted"),
        }
    }

    /// The state, for a short span of pure work.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rules as they stand.
    pub fn rules(&self) -> Arc<Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// New rules: what their links need is read, and everything is decided anew. Site, zone and the pace of complete
    /// readings stay what they were: topics, marks and readings know them from the start.
    pub fn set_rules(&self, rules: Rules) {
        self.nexudus.set_needs(Needs::of(&rules.links));
        {
            let mut kept = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
            *kept =
                Arc::new(Rules { site: kept.site.clone(), zone: kept.zone.clone(), refresh: kept.refresh, ..rules });
        }
        self.look_again();
    }

    /// Kisi's time, where it is known.
    pub fn trusted_now(&self) -> Option<Timestamp> {
        self.state().time.now(self.clock.mono().0)
    }

    /// The best guess at it.
    pub fn guess(&self) -> Timestamp {
        self.clock_guess(&self.state())
    }

    /// As [`guess`](Engine::guess), for one who holds the state.
    pub fn clock_guess(&self, state: &State) -> Timestamp {
        let guess = state.time.guess(self.clock.mono().0, self.clock.wall());
        // What is told is told to the millisecond: the time is not known any better.
        guess.duration_trunc(TimeDelta::milliseconds(1)).unwrap_or(guess)
    }

    /// Everything that is published retained, as it changes.
    pub fn retained(&self) -> watch::Receiver<Retained> {
        self.retained.subscribe()
    }

    /// What would be decided at `now`; nothing is remembered of it, so that a pass under way is not disturbed.
    pub fn preview(&self, now: Timestamp) -> Decision {
        let rules = self.rules();
        let state = self.state();
        judged(&state.known(&rules, now), &mut state.guard.clone())
    }

    /// Right after the start, with the clouds not read yet: what was held and what is to come are told by what the store
    /// kept. Nothing is done by it.
    pub fn foretell(&self) {
        let kept = {
            let state = self.state();
            state.roster.read_at.is_some() && state.snapshot.customers.whole().is_some()
        };
        if kept {
            let decision = Decision { at: None, ..self.preview(self.guess()) };
            self.state().decision = decision;
        }
    }

    /// Decides over the whole, by what is known at `now`.
    pub fn decide(&self, now: Timestamp) -> Decision {
        let rules = self.rules();
        let mut state = self.state();
        let state = &mut *state;
        state.dirty = false;
        #[cfg(feature = "demo")]
        super::sabotage::steal(state, &rules, self.settings.sabotage);
        let mut guard = std::mem::take(&mut state.guard);
        state.decision = judged(&state.known(&rules, now), &mut guard);
        state.guard = guard;
        let mut hands = std::mem::take(&mut state.hands);
        hands.observe(&state.known(&rules, now), &state.decision.plan.drift);
        state.hands = hands;
        state.unpark();
        state.decision.clone()
    }

    /// The operator says that things have changed: what was refused is tried again at once.
    pub fn try_again(self: &Arc<Self>) {
        self.kisi.reset();
        let engine = self.clone();
        tokio::spawn(async move {
            engine.nexudus.client().reset().await;
            engine.retry_nexudus.notify_one();
        });
        self.look_again();
    }

    /// What one call to a cloud showed of its time and of whether it answers.
    pub fn observe(&self, cloud: Cloud, observed: &Observed) {
        self.tallies().call(cloud, observed);
        let mut state = self.state();
        let before = state.time.now(observed.received.0).is_some();
        if cloud == Cloud::Kisi && observed.outcome.is_err() {
            state.kisi_missed = Some(self.clock_guess(&state));
        }
        match (&observed.outcome, cloud) {
            (Ok(seen), Cloud::Kisi) => {
                let date = seen.date.filter(|_| seen.verified);
                let heard = date.map(|date| Heard { sent: observed.sent.0, came: observed.received.0, date });
                state.time.hear_kisi(observed.received.0, heard);
                state.certificate_time = None;
            }
            (Ok(seen), Cloud::Nexudus) => {
                if let Some(date) = seen.date.filter(|_| seen.verified) {
                    state.time.hear_nexudus(Heard { sent: observed.sent.0, came: observed.received.0, date });
                }
            }
            (Err(HttpError::CertificateTime(why)), _) if self.wall_is_behind(&state) => {
                state.certificate_time = Some(why.clone());
            }
            (Err(_), _) => {}
        }
        let after = state.time.now(observed.received.0).is_some();
        state.dirty |= before != after;
        drop(state);
        if before != after {
            self.sync.notify_one();
            self.told.notify_one();
        }
    }

    /// Whether the system's clock is earlier than the ledger or than this build (rules 4).
    fn wall_is_behind(&self, state: &State) -> bool {
        let wall = self.clock.wall();
        let mono = self.clock.mono().0;
        let known = state.time.now(mono).max(state.time.last_trusted(mono));
        known.is_some_and(|known| wall < known) || wall.timestamp() < BUILT_AFTER
    }

    /// A kind of call succeeded.
    pub fn succeeded(&self, cloud: Cloud, call: &'static str) {
        let now = self.guess();
        let mut state = self.state();
        state.refusals.remove(&(cloud, call));
        let link = match cloud {
            Cloud::Nexudus => &mut state.nexudus,
            Cloud::Kisi => &mut state.kisi,
        };
        let before = link.state();
        link.succeeded(call, now);
        let changed = before != link.state();
        drop(state);
        if changed {
            tracing::info!(cloud = ?cloud, "online");
            self.told.notify_one();
            self.sync.notify_one();
        }
    }

    /// A kind of call failed.
    pub fn failed(&self, cloud: Cloud, call: &'static str, fault: Fault, why: String) {
        let now = self.guess();
        let mut state = self.state();
        if fault == Fault::Refused {
            state.refusals.insert((cloud, call), why.clone());
        }
        let link = match cloud {
            Cloud::Nexudus => &mut state.nexudus,
            Cloud::Kisi => &mut state.kisi,
        };
        let before = link.state();
        link.failed(call, fault, why.clone(), now);
        let after = link.state();
        drop(state);
        if before != after {
            tracing::warn!(cloud = ?cloud, state = ?after, call, why, "connection");
        }
        self.told.notify_one();
    }

    /// The status as it is.
    pub fn status(&self) -> Status {
        let mono = self.clock.mono().0;
        let wall = self.clock.wall();
        let state = self.state();
        let trusted = state.time.now(mono);
        let now = self.clock_guess(&state);
        let plan = &state.decision.plan;
        let own = |id: &&crate::domain::AssignmentId| state.roster.assignments.contains_key(id);
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at,
            time: now,
            valid_until: now + VALID,
            paused: state.paused,
            clock: ClockReport {
                trusted: trusted.is_some(),
                offset_ms: trusted.map(|trusted| (wall - trusted).num_milliseconds()),
            },
            nexudus: state.nexudus.report(),
            kisi: state.kisi.report(),
            broker: state.broker.clone(),
            pace: state.pace,
            counts: Counts {
                people: plan.people,
                grants: plan.grants,
                open_now: plan.open_now,
                assignments: state.ledger.owned.keys().filter(own).count(),
                pending: state.decision.go.len(),
                held: state.decision.held.len(),
                outbox: state.outbox,
            },
            outbox_since: state.outbox_since,
            next_change_at: plan.next_at,
            last_sync: state.last_sync.clone(),
            alerts: state.alerts.told(),
        }
    }

    /// Judges the alerts and says what is retained, where anything of it changed. `beat`: also where only time passed.
    pub fn tell(&self, beat: bool) {
        let mut status = self.status();
        let rules = self.rules();
        let mut state = self.state();
        let asked = Asked {
            now: status.time,
            mono: self.clock.mono(),
            wall: self.clock.wall(),
            after: self.settings.alert_after,
            people: self.settings.people,
            rules: &rules,
        };
        for (kind, what) in alarm::standing(&state, &asked) {
            let change = state.alerts.set(kind, what, asked.now);
            if change != Change::Nothing
                && let Some(alert) = state.alerts.all().get(&kind).cloned()
            {
                match change {
                    Change::News => {
                        tracing::warn!(alert = kind.name(), active = alert.active, message = alert.message, "alert");
                    }
                    _ => tracing::debug!(alert = kind.name(), message = alert.message, "an alert in other words"),
                }
                state.letters.note(kind, &alert, asked.mono);
                self.post.notify_one();
            }
        }
        status.alerts = state.alerts.told();
        let before = self.retained.borrow().status.clone();
        let quiet = before.as_ref().is_some_and(|before| same_but_for_time(before, &status));
        let next = Retained {
            status: if quiet && !beat { before } else { Some(status) },
            alerts: state.alerts.all().clone(),
            ..state.retained.clone()
        };
        drop(state);
        self.retained.send_if_modified(|retained| {
            let changed = *retained != next;
            *retained = next;
            changed
        });
    }
}

fn judged(known: &Known<'_>, guard: &mut Memory) -> Decision {
    let plan = reconcile(*known);
    let verdict = guard.judge(known, plan.changes.clone());
    Decision {
        plan,
        go: verdict.go,
        held: verdict.held,
        held_id: verdict.plan,
        at: Some(known.now),
        losing: (verdict.losing, verdict.of),
    }
}

/// The day this version was made, in seconds since 1970: a clock that is earlier is wrong.
const BUILT_AFTER: i64 = 1_795_500_000;

/// Whether nothing but the time of saying differs.
fn same_but_for_time(a: &Status, b: &Status) -> bool {
    let plain = |status: &Status| {
        let mut plain = Status { time: a.time, valid_until: a.valid_until, ..status.clone() };
        plain.clock.offset_ms = plain.clock.offset_ms.map(|ms| ms / 1000);
        for link in [&mut plain.nexudus, &mut plain.kisi, &mut plain.broker] {
            link.last_success = None;
        }
        plain
    };
    plain(a) == plain(b)
}
