//! What is counted of a run, and how it is with the rest: what `/metrics` shows. By ids of nobody.

use std::collections::BTreeMap;
use std::time::Duration;

use super::engine::{Cloud, Engine};
use crate::domain::Timestamp;
use crate::net::watch::Observed;
use crate::report::desk::{Hook, Hooked};
use crate::report::metrics::{Family, Histogram, Kind, Value};
use crate::report::{Connection, State};

/// How long calls take.
const CALL_BOUNDS: &[f64] = &[0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 45.0];
/// How long passes take.
const SYNC_BOUNDS: &[f64] = &[0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0];
/// How late events are: seconds as a rule, days after an outage.
const LAG_BOUNDS: &[f64] = &[1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0, 21_600.0, 86_400.0];
/// How many events that wait for their acknowledgement are timed.
const TIMED_MAX: usize = 1_000;

impl Cloud {
    /// As in labels.
    pub fn name(self) -> &'static str {
        match self {
            Cloud::Nexudus => "nexudus",
            Cloud::Kisi => "kisi",
        }
    }
}

/// What is counted from the start of the process.
#[derive(Debug)]
pub struct Tallies {
    calls: BTreeMap<(Cloud, &'static str), u64>,
    took: BTreeMap<Cloud, Histogram>,
    changes: BTreeMap<&'static str, u64>,
    syncs: Histogram,
    read: u64,
    published: u64,
    lag: Histogram,
    /// When the events happened that the broker is being given, by their row.
    timed: BTreeMap<u64, Timestamp>,
    hooks: BTreeMap<(Hook, Hooked), u64>,
}

impl Default for Tallies {
    fn default() -> Tallies {
        Tallies {
            calls: BTreeMap::new(),
            took: BTreeMap::new(),
            changes: BTreeMap::new(),
            syncs: Histogram::new(SYNC_BOUNDS),
            read: 0,
            published: 0,
            lag: Histogram::new(LAG_BOUNDS),
            timed: BTreeMap::new(),
            hooks: BTreeMap::new(),
        }
    }
}

impl Tallies {
    /// A call to a cloud came to something, or not.
    pub fn call(&mut self, cloud: Cloud, observed: &Observed) {
        let outcome = match &observed.outcome {
            Ok(seen) => match seen.status {
                200..400 => "ok",
                401 | 403 => "refused",
                409 if cloud == Cloud::Nexudus => "throttled",
                429 => "throttled",
                400..500 => "client_error",
                _ => "server_error",
            },
            Err(_) => "no_answer",
        };
        *self.calls.entry((cloud, outcome)).or_default() += 1;
        let took = self.took.entry(cloud).or_insert_with(|| Histogram::new(CALL_BOUNDS));
        took.observe(observed.received.since(observed.sent).as_secs_f64());
    }

    /// A change was made in Kisi.
    pub fn change(&mut self, word: &'static str) {
        *self.changes.entry(word).or_default() += 1;
    }

    /// A pass that did something took so long.
    pub fn sync(&mut self, took: Duration) {
        self.syncs.observe(took.as_secs_f64());
    }

    /// So many events were new.
    pub fn events(&mut self, count: usize) {
        self.read = self.read.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// The broker is being given an event that happened then.
    pub fn handed(&mut self, row: u64, happened: Timestamp) {
        if self.timed.len() >= TIMED_MAX {
            self.timed.pop_first();
        }
        self.timed.insert(row, happened);
    }

    /// The broker has that event.
    pub fn published(&mut self, row: u64, now: Timestamp) {
        self.published = self.published.saturating_add(1);
        if let Some(happened) = self.timed.remove(&row) {
            self.lag.observe((now - happened).as_seconds_f64());
        }
    }

    /// A webhook came.
    pub fn hook(&mut self, hook: Hook, hooked: Hooked) {
        *self.hooks.entry((hook, hooked)).or_default() += 1;
    }

    fn families(&self) -> Vec<Family> {
        let mut calls =
            Family::new("gatehouse_calls_total", Kind::Counter, "Calls to each cloud, by what came of them.");
        for ((cloud, outcome), count) in &self.calls {
            calls.push(&[("cloud", cloud.name()), ("outcome", outcome)], number(*count));
        }
        let help = "How long calls to each cloud took.";
        let mut took = Family::new("gatehouse_call_duration_seconds", Kind::Histogram, help);
        for (cloud, histogram) in &self.took {
            took.push(&[("cloud", cloud.name())], Value::Spread(histogram.clone()));
        }
        let mut changes = Family::new("gatehouse_changes_total", Kind::Counter, "Changes made in Kisi, by kind.");
        for word in ["added", "moved", "removed", "suspended", "restored", "deleted", "invited", "adopted"] {
            changes.push(&[("change", word)], number(self.changes.get(word).copied().unwrap_or_default()));
        }
        let mut hooks =
            Family::new("gatehouse_hooks_total", Kind::Counter, "Webhooks that came, by what was made of them.");
        for ((hook, hooked), count) in &self.hooks {
            let outcome = match hooked {
                Hooked::Taken => "taken",
                Hooked::Refused => "refused",
            };
            hooks.push(&[("cloud", hook.name()), ("outcome", outcome)], number(*count));
        }
        let spread = |name, help, histogram: &Histogram| {
            let mut family = Family::new(name, Kind::Histogram, help);
            family.push(&[], Value::Spread(histogram.clone()));
            family
        };
        let counter = |name, help, count| {
            let mut family = Family::new(name, Kind::Counter, help);
            family.push(&[], number(count));
            family
        };
        vec![
            calls,
            took,
            changes,
            hooks,
            spread("gatehouse_sync_duration_seconds", "How long passes took that changed something.", &self.syncs),
            counter("gatehouse_events_read_total", "Events read from Kisi's record for the first time.", self.read),
            counter("gatehouse_events_published_total", "Events that the broker acknowledged.", self.published),
            spread(
                "gatehouse_event_lag_seconds",
                "From the time of an event until the broker acknowledged it.",
                &self.lag,
            ),
        ]
    }
}

#[expect(clippy::cast_precision_loss, reason = "metrics know no other numbers")]
fn number(count: u64) -> Value {
    Value::Number(count as f64)
}

/// Everything, as it is now.
pub fn families(engine: &Engine) -> Vec<Family> {
    let mut all = engine.tallies().families();
    let status = engine.status();
    let gauge = |name, help| Family::new(name, Kind::Gauge, help);
    let flag = |is: bool| if is { 1.0 } else { 0.0 };
    all.push(gauge("gatehouse_build_info", "The version that runs.").with(&[("version", &status.version)], 1.0));
    all.push(gauge("gatehouse_start_time_seconds", "When this run began.").with(&[], unix(status.started_at)));
    all.push(
        gauge("gatehouse_paused", "Whether nothing is written to Kisi until `resume`.").with(&[], flag(status.paused)),
    );
    all.push(gauge("gatehouse_clock_trusted", "Whether Kisi's time is known.").with(&[], flag(status.clock.trusted)));
    if let Some(ahead) = status.clock.offset_ms {
        let seconds = Duration::from_millis(ahead.unsigned_abs()).as_secs_f64() * if ahead < 0 { -1.0 } else { 1.0 };
        all.push(
            gauge("gatehouse_clock_offset_seconds", "How far this box is ahead of Kisi's time.").with(&[], seconds),
        );
    }
    let connections = [("nexudus", &status.nexudus), ("kisi", &status.kisi), ("broker", &status.broker)];
    all.extend(of_connections(&connections));
    let counts = &status.counts;
    for (name, help, count) in [
        ("gatehouse_people", "People with a grant now or to come.", counts.people),
        ("gatehouse_grants", "Grants now or to come.", counts.grants),
        ("gatehouse_open_now", "People and groups whose window is open now.", counts.open_now),
        ("gatehouse_assignments", "Assignments in Kisi that are ours.", counts.assignments),
        ("gatehouse_changes_pending", "Changes that wait to be made.", counts.pending),
        ("gatehouse_changes_held", "Changes that the guard holds.", counts.held),
        ("gatehouse_outbox_events", "Events that wait for the broker.", counts.outbox),
    ] {
        let mut family = gauge(name, help);
        family.push(&[], number(u64::try_from(count).unwrap_or(u64::MAX)));
        all.push(family);
    }
    let pace = gauge("gatehouse_pace_seconds", "The paces that are kept, after rate limits have stretched them.");
    let seconds = |span: u64| Duration::from_secs(span).as_secs_f64();
    all.push(
        pace.with(&[("pace", "changes")], seconds(status.pace.changes_s))
            .with(&[("pace", "refresh")], seconds(status.pace.refresh_s)),
    );
    if let Some(last) = &status.last_sync {
        let help = "When the last pass ended that changed something.";
        all.push(gauge("gatehouse_last_sync_timestamp_seconds", help).with(&[], unix(last.at)));
    }
    let mut alerts = gauge("gatehouse_alert_active", "Whether each alert stands.");
    for (kind, alert) in engine.state().alerts.all() {
        alerts.push(&[("alert", kind.name())], Value::Number(flag(alert.active)));
    }
    all.push(alerts);
    all.extend(of_store(engine, status.time));
    all
}

fn of_connections(connections: &[(&str, &Connection)]) -> [Family; 2] {
    let help = "Which state each connection is in.";
    let mut states = Family::new("gatehouse_connection_state", Kind::Gauge, help);
    let help = "When each connection last did what was asked.";
    let mut successes = Family::new("gatehouse_connection_last_success_timestamp_seconds", Kind::Gauge, help);
    for (name, connection) in connections {
        let all = [State::Online, State::Degraded, State::Offline, State::Refused];
        for (state, word) in all.into_iter().zip(["online", "degraded", "offline", "refused"]) {
            let is = if connection.state == state { 1.0 } else { 0.0 };
            states.push(&[("connection", name), ("state", word)], Value::Number(is));
        }
        if let Some(at) = connection.last_success {
            successes.push(&[("connection", name)], Value::Number(unix(at)));
        }
    }
    [states, successes]
}

fn of_store(engine: &Engine, now: Timestamp) -> Vec<Family> {
    let stats = engine.store.stats();
    let counter = |name, help, count| {
        let mut family = Family::new(name, Kind::Counter, help);
        family.push(&[], number(count));
        family
    };
    let mut size = Family::new("gatehouse_store_size_bytes", Kind::Gauge, "Bytes that each file takes.");
    for (file, bytes) in [("cache", stats.cache_bytes), ("ledger", stats.ledger_bytes)] {
        if let Some(bytes) = bytes {
            size.push(&[("file", file)], number(bytes));
        }
    }
    // Where the store can't be read, `alert/store` says so; the age is left out.
    let oldest =
        engine.store.outbox_state().ok().map(|outbox| outbox.oldest.map_or(0.0, |at| (now - at).as_seconds_f64()));
    let help = "How long ago the oldest event was read that waits for the broker.";
    let mut age = Family::new("gatehouse_outbox_oldest_age_seconds", Kind::Gauge, help);
    if let Some(oldest) = oldest {
        age.push(&[], Value::Number(oldest.max(0.0)));
    }
    vec![
        age,
        counter("gatehouse_store_syncs_total", "Transactions that were synced to the disk.", stats.commits),
        counter("gatehouse_store_written_bytes_total", "Bytes of keys and values written in them.", stats.bytes),
        counter("gatehouse_store_failures_total", "Transactions that failed.", stats.failures),
        size,
    ]
}

fn unix(at: Timestamp) -> f64 {
    (at - Timestamp::UNIX_EPOCH).as_seconds_f64()
}
