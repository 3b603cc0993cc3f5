//! What the twin said and heard, as plain data that a checker can walk: every version of every record with the time
//! during which it held, every cancellation, every request.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use super::shape::Entity;

/// The most requests that are kept; then the oldest go, and `requests_dropped` counts them.
const REQUESTS_MAX: usize = 400_000;
/// The most versions that are kept of one record; then the oldest go.
const VERSIONS_MAX: usize = 4_096;

/// One state of a record. It held in `[from, until)`, by the twin's own clock.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Version {
    /// When it came to be.
    pub from: DateTime<Utc>,
    /// When it changed or went; absent while it holds.
    pub until: Option<DateTime<Utc>>,
    /// The record as a read by id writes it with every switch at its default.
    pub row: Value,
}

/// A booking that was cancelled or deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cancellation {
    /// When it went.
    pub at: DateTime<Utc>,
    /// The booking's id.
    pub booking: i64,
    /// Its `UniqueId`.
    pub unique_id: String,
    /// When `cancelledbookings` shows it; absent where it never does.
    pub shown_at: Option<DateTime<Utc>>,
}

/// A request that arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Received {
    /// When, by the twin's own clock.
    pub at: DateTime<Utc>,
    /// The method.
    pub method: String,
    /// Path and query, decoded.
    pub target: String,
    /// What was answered, whatever became of the answer.
    pub status: u16,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct History {
    versions: BTreeMap<Entity, BTreeMap<i64, Vec<Version>>>,
    cancellations: Vec<Cancellation>,
    requests: VecDeque<Received>,
    requests_dropped: u64,
}

impl History {
    /// The versions of one record, oldest first.
    pub fn versions(&self, entity: Entity, id: i64) -> &[Version] {
        self.versions.get(&entity).and_then(|of| of.get(&id)).map_or(&[], Vec::as_slice)
    }

    /// Every record of a kind that there ever was, with its versions.
    pub fn records(&self, entity: Entity) -> impl Iterator<Item = (i64, &[Version])> {
        self.versions.get(&entity).into_iter().flatten().map(|(id, versions)| (*id, versions.as_slice()))
    }

    /// The record as it stood at that moment; `None` where it was not there.
    pub fn at(&self, entity: Entity, id: i64, at: DateTime<Utc>) -> Option<&Value> {
        let held = |v: &&Version| v.from <= at && v.until.is_none_or(|until| at < until);
        self.versions(entity, id).iter().rfind(held).map(|v| &v.row)
    }

    /// All records of a kind as they stood at that moment.
    pub fn all_at(&self, entity: Entity, at: DateTime<Utc>) -> impl Iterator<Item = (i64, &Value)> {
        self.records(entity).filter_map(move |(id, _)| Some((id, self.at(entity, id, at)?)))
    }

    /// Every booking that went, in order.
    pub fn cancellations(&self) -> &[Cancellation] {
        &self.cancellations
    }

    /// Every request, in order; the oldest may be gone.
    pub fn requests(&self) -> impl DoubleEndedIterator<Item = &Received> + ExactSizeIterator {
        self.requests.iter()
    }

    /// How many requests are no longer kept.
    pub fn requests_dropped(&self) -> u64 {
        self.requests_dropped
    }

    /// Everything as one JSON object: `versions` by entity and id, `cancellations`, `requests`.
    pub fn to_json(&self) -> Value {
        let versions: serde_json::Map<String, Value> =
            self.versions.iter().map(|(entity, of)| (entity.shape().name.to_owned(), json!(of))).collect();
        json!({
            "versions": versions,
            "cancellations": self.cancellations,
            "requests": self.requests,
            "requests_dropped": self.requests_dropped,
        })
    }

    pub(super) fn record(&mut self, entity: Entity, id: i64, now: DateTime<Utc>, row: Value) {
        let versions = self.versions.entry(entity).or_default().entry(id).or_default();
        if let Some(last) = versions.last_mut() {
            if last.until.is_none() && last.row == row {
                return;
            }
            if last.from == now && last.until.is_none() {
                last.row = row;
                return;
            }
            last.until.get_or_insert(now);
        }
        if versions.len() >= VERSIONS_MAX {
            versions.remove(0);
        }
        versions.push(Version { from: now, until: None, row });
    }

    pub(super) fn gone(&mut self, entity: Entity, id: i64, now: DateTime<Utc>) {
        if let Some(last) = self.versions.get_mut(&entity).and_then(|of| of.get_mut(&id)).and_then(|v| v.last_mut()) {
            last.until.get_or_insert(now);
        }
    }

    pub(super) fn cancelled(&mut self, cancellation: Cancellation) {
        self.cancellations.push(cancellation);
    }

    pub(super) fn received(&mut self, request: Received) {
        if self.requests.len() >= REQUESTS_MAX {
            self.requests.pop_front();
            self.requests_dropped += 1;
        }
        self.requests.push_back(request);
    }
}
