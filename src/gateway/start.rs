//! From a configuration and what stands outside (clouds, broker, disk, clock) to an engine, as the store left it.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock, Weak};

use chrono::TimeDelta;

use super::alerts::Alerts;
use super::connection::Link;
use super::engine::{Cloud, Engine, Parts, Settings};
use super::kept::Refused;
use super::letters::{AllTold, Letters};
use super::state::{Decision, State};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::Timestamp;
use crate::domain::guard::Memory;
use crate::domain::ledger::Ledger;
use crate::domain::roster::{Assignment, Roster};
use crate::domain::time::Time;
use crate::kisi::record::REMEMBERED;
use crate::kisi::{self, KisiClient};
use crate::net::Http;
use crate::net::pace::Pace;
use crate::net::watch::Watched;
use crate::nexudus;
use crate::nexudus::client::NexudusClient;
use crate::nexudus::needs::Needs;
use crate::nexudus::read::Reader;
use crate::report::{self, Retained};
use crate::store::{Key, Opened, Opening, Part, Store, StoreError};

/// The longest that the first call to Kisi waits for what ran before.
const LONGEST_GAP: std::time::Duration = std::time::Duration::from_secs(2);

/// What an engine needs of the world.
pub struct Outside {
    /// Tells the time.
    pub clock: Clock,
    /// Reaches Nexudus.
    pub nexudus: Arc<dyn Http>,
    /// Reaches Kisi.
    pub kisi: Arc<dyn Http>,
    /// The disk, opened.
    pub store: Store,
    /// How it was found.
    pub opened: Opened,
    /// Another client id than the running gateway's, for a sign-in beside it.
    pub client_id: Option<String>,
    /// Which rule the demo breaks on purpose.
    #[cfg(feature = "demo")]
    pub sabotage: Option<super::Sabotage>,
}

/// Why no engine could be made.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The address of Nexudus is not the REST API's.
    #[error(transparent)]
    Nexudus(#[from] nexudus::client::WrongAddress),
}

/// Who is told what each call showed, once the engine stands.
#[derive(Clone, Default)]
struct Ear(Arc<OnceLock<Weak<Engine>>>);

impl Ear {
    fn watch(&self, http: Arc<dyn Http>, clock: &Clock, cloud: Cloud) -> Arc<dyn Http> {
        let ear = self.clone();
        Arc::new(Watched::new(http, clock.clone(), move |observed| {
            if let Some(engine) = ear.0.get().and_then(Weak::upgrade) {
                engine.observe(cloud, &observed);
            }
        }))
    }
}

/// An engine at rest, with what the store kept.
pub fn engine(config: &Config, outside: Outside) -> Result<Arc<Engine>, StartError> {
    let ear = Ear::default();
    let clock = outside.clock.clone();
    let nexudus_http = ear.watch(outside.nexudus, &clock, Cloud::Nexudus);
    let kisi_http = ear.watch(outside.kisi, &clock, Cloud::Kisi);
    let rules = config.rules();
    #[cfg(feature = "demo")]
    let rules = super::sabotage::bend(rules, outside.sabotage);
    let client = NexudusClient::new(nexudus_http, clock.clone(), nexudus_settings(config, outside.client_id))?;
    let needs = Needs::of(&rules.links);
    let nexudus = Reader::new(Arc::new(client), rules.zone.clone(), config.nexudus.location, needs);
    let pace = Pace::new(clock.clone(), config.kisi.requests_per_second);
    // Another run or verb may have ended a moment ago with a call.
    let gap = std::time::Duration::try_from_secs_f64(1.0 / config.kisi.requests_per_second).unwrap_or(LONGEST_GAP);
    pace.hold_until(clock.mono().plus(gap.min(LONGEST_GAP)));
    let kisi = KisiClient::new(kisi_http, clock.clone(), pace, kisi_settings(config));
    let state = restore(&outside.store, &outside.opened, config, &clock)?;
    let settings = Settings {
        write: config.access.write,
        people: config.mqtt.people,
        alert_after: config.alert.after,
        events: config.kisi.events,
        hardware: config.kisi.state,
        roster: config.kisi.roster,
        keep_events: config.store.keep_events,
        #[cfg(feature = "demo")]
        sabotage: outside.sabotage,
    };
    let parts = Parts { state, rules, settings, clock, store: outside.store, nexudus, kisi };
    let engine = Arc::new(Engine::new(parts));
    let _ = ear.0.set(Arc::downgrade(&engine));
    let knows = Arc::downgrade(&engine);
    engine.store.remember(move |part| knows.upgrade().map(|engine| engine.by_heart(part)).unwrap_or_default());
    engine.count_outbox();
    Ok(engine)
}

fn nexudus_settings(config: &Config, client_id: Option<String>) -> nexudus::client::Settings {
    nexudus::client::Settings {
        url: config.nexudus.url.clone(),
        username: config.nexudus.username.clone(),
        password: config.nexudus.password.clone(),
        client_id: client_id.unwrap_or_else(|| format!("gatehouse-{}", config.site.id)),
        requests_per_hour: config.nexudus.requests_per_hour,
    }
}

fn kisi_settings(config: &Config) -> kisi::client::Settings {
    kisi::client::Settings {
        url: config.kisi.url.clone(),
        api_key: config.kisi.api_key.clone(),
        place: config.kisi.place,
    }
}

fn restore(store: &Store, opened: &Opened, config: &Config, clock: &Clock) -> Result<State, StoreError> {
    let trusted: Option<Timestamp> = store.value(Key::TrustedTime)?;
    let time = Time::starting(trusted);
    let now = time.guess(clock.mono().0, clock.wall());
    let ledger = store.load_ledger()?;
    let mut roster = store.load_roster()?;
    complete(&mut roster, &ledger);
    let mut refused = Refused::default();
    refused.note(&store.troubles(), clock.mono());
    let next_intent = ledger.intents.keys().next_back().copied().unwrap_or(0);
    Ok(State {
        snapshot: store.load_snapshot()?,
        roster,
        ledger,
        time,
        guard: store.value::<Memory>(Key::Guard)?.unwrap_or_default(),
        own_user: None,
        paused: store.value(Key::Paused)?.unwrap_or(false),
        alerts: Alerts::new(now),
        letters: Letters::new(store.value::<AllTold>(Key::Alerts)?.unwrap_or_default(), clock.mono()),
        nexudus: Link::new(now),
        kisi: Link::new(now),
        broker: Link::new(now).report(),
        retained: Retained::default(),
        decision: Decision::default(),
        pace: report::Pace { changes_s: config.nexudus.changes.as_secs(), refresh_s: config.nexudus.refresh.as_secs() },
        aside: Default::default(),
        doubted: Default::default(),
        strangers: Default::default(),
        doors_of_readers: Default::default(),
        hardware_seen: None,
        parked: Vec::new(),
        contests: Default::default(),
        hands: store.value(Key::Hands)?.unwrap_or_default(),
        since_roster: Vec::new(),
        events: recent(store)?,
        outbox: 0,
        outbox_since: None,
        last_sync: None,
        read_once: false,
        behind: Default::default(),
        next_intent,
        looked_up: Default::default(),
        asked_for: Default::default(),
        learnt: store.value(Key::Form)?.unwrap_or_default(),
        dirty: true,
        store_notes: store_notes(opened),
        ledger_lost: opened.ledger_lost(),
        refused,
        refusals: Default::default(),
        certificate_time: None,
        kisi_missed: None,
        link_notes: Default::default(),
    })
}

/// The roster is kept as it was last read whole; what was written since stands in the ledger. Who made these rows is
/// left open: before anything is done to one, that very row is read.
fn complete(roster: &mut Roster, ledger: &Ledger) {
    let slots: BTreeSet<_> = ledger.owned.values().map(|owned| (owned.user, owned.group)).collect();
    let kept = |row: &Assignment| ledger.owned.contains_key(&row.id) || !slots.contains(&(row.user, row.group));
    roster.assignments.retain(|_, row| kept(row));
    for owned in ledger.owned.values() {
        let known = roster.assignments.remove(&owned.id);
        let row = Assignment {
            id: owned.id,
            user: owned.user,
            group: owned.group,
            role: known.as_ref().map_or_else(|| "group_basic".to_owned(), |row| row.role.clone()),
            valid_from: owned.valid_from,
            valid_until: owned.valid_until,
            created_by: known.and_then(|row| row.created_by),
        };
        roster.assignments.insert(row.id, row);
    }
}

fn recent(store: &Store) -> Result<std::collections::VecDeque<crate::domain::event::Event>, StoreError> {
    let query = crate::store::EventQuery { after: None, since: None, door: None, limit: super::state::EVENTS_SHOWN };
    Ok(store.events(&query)?.into_iter().map(|(_, event)| event).collect())
}

fn store_notes(opened: &Opened) -> Vec<String> {
    let files = [
        (&opened.cache, "the cache", "it is read anew from the clouds; the first removals wait for two readings"),
        (
            &opened.ledger,
            "the ledger",
            "which assignments are ours is no longer known: those that our key made are left alone until 'gatehouse \
             adopt', unless kisi.key_is_ours_alone is true; events that had not been published are read again from Kisi",
        ),
    ];
    let mut notes: Vec<String> =
        files.into_iter().filter_map(|(opening, name, what)| set_aside(name, opening, what)).collect();
    if opened.ledger_lost() && matches!(opened.ledger, Opening::Fresh) {
        notes.push(
            "the ledger is gone though the cache is there: which assignments are ours is not known. Put a backup back, or \
             see 'gatehouse adopt'"
                .to_owned(),
        );
    }
    notes.extend(opened.aside.iter().map(|row| format!("a row of the store could not be read: {row:?}")));
    notes.truncate(super::state::STORE_NOTES_MAX);
    notes
}

/// What the operator is told of a file that was found damaged while it was in use.
pub(super) fn lost_in_use(part: Part, opening: &Opening) -> Option<String> {
    match part {
        Part::Cache => set_aside("the cache", opening, "it was written anew from memory, and nothing is lost"),
        Part::Ledger => set_aside(
            "the ledger",
            opening,
            "what is ours in Kisi was written anew from memory; events of the last 48 hours are read again from Kisi, \
             and those kept from before are in that file alone",
        ),
    }
}

fn set_aside(name: &str, opening: &Opening, what: &str) -> Option<String> {
    let Opening::SetAside { to, why } = opening else { return None };
    let (place, then) = match to {
        Some(to) => (format!(" as {}", to.display()), ". Take that file away when it is no longer of use"),
        None => (String::new(), ""),
    };
    Some(format!("{name} was damaged ({why}) and is set aside{place}; {what}{then}"))
}

/// How long events and their names are kept. Names are counted from how far the record was read: after a long time
/// without power it is read again from there.
pub fn prune_before(
    now: Timestamp,
    read_to: Option<Timestamp>,
    keep_events: std::time::Duration,
) -> (Timestamp, Timestamp) {
    let keep = TimeDelta::from_std(keep_events).unwrap_or(TimeDelta::days(30));
    (now - keep, read_to.map_or(now, |read_to| read_to.min(now)) - REMEMBERED)
}
