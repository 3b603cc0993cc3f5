//! What is read back: the values as the domain knows them. Blocking, some milliseconds each.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::sweep::table;
use super::tables::{self, Key, RosterFacts, Table};
use super::{Store, StoreError};
use crate::domain::event::Event;
use crate::domain::ledger::Ledger;
use crate::domain::roster::Roster;
use crate::domain::snapshot::{Entity, Held, Record, Shelf, Snapshot};
use crate::domain::{LockId, Timestamp};

/// Which of the kept events are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// Only those numbered higher: to follow on from the last one that was seen.
    pub after: Option<u64>,
    /// Only those that happened then or later.
    pub since: Option<Timestamp>,
    /// Only those of that door.
    pub door: Option<LockId>,
    /// At most so many.
    pub limit: usize,
}

impl EventQuery {
    fn covers(&self, event: &Event) -> bool {
        self.since.is_none_or(|since| event.time >= since)
            && self.door.is_none_or(|door| event.door.as_ref().is_some_and(|at| at.id == door))
    }
}

/// How the outbox is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxState {
    /// How many events wait for the broker.
    pub waiting: u64,
    /// When this box read the first of them.
    pub oldest: Option<Timestamp>,
}

impl Store {
    /// What is known of Nexudus.
    pub fn load_snapshot(&self) -> Result<Snapshot, StoreError> {
        self.cache().read(|txn| {
            Ok(Snapshot {
                customers: shelf(txn, Entity::Customers)?,
                bookings: shelf(txn, Entity::Bookings)?,
                passes: shelf(txn, Entity::Passes)?,
                pass_kinds: shelf(txn, Entity::PassKinds)?,
                contracts: shelf(txn, Entity::Contracts)?,
                paused_periods: shelf(txn, Entity::PausedPeriods)?,
                teams: shelf(txn, Entity::Teams)?,
                resources: shelf(txn, Entity::Resources)?,
                desks: shelf(txn, Entity::Desks)?,
            })
        })
    }

    /// What Kisi held when it was last kept. `read_at` is `None` where it never was.
    pub fn load_roster(&self) -> Result<Roster, StoreError> {
        self.cache().read(|txn| {
            let facts: RosterFacts = one(txn, tables::VALUES, tables::ROSTER)?.unwrap_or_default();
            Ok(Roster {
                users: by(all(txn, tables::USERS)?, |user| user.id),
                assignments: by(all(txn, tables::ASSIGNMENTS)?, |row| row.id),
                groups: by(all(txn, tables::GROUPS)?, |group| group.id),
                elevated: facts.elevated,
                places: facts.places,
                read_at: one(txn, tables::VALUES, tables::ROSTER_READ_AT)?.flatten(),
            })
        })
    }

    /// What is ours in Kisi and what is under way.
    pub fn load_ledger(&self) -> Result<Ledger, StoreError> {
        self.ledger().read(|txn| {
            Ok(Ledger {
                owned: by(all(txn, tables::OWNED)?, |owned| owned.id),
                accounts: by(all(txn, tables::ACCOUNTS)?, |account| account.user),
                intents: by(all(txn, tables::INTENTS)?, |intent| intent.id),
                patch_ignored: one(txn, tables::VALUES, Key::PatchIgnored.name().as_bytes())?.unwrap_or(false),
            })
        })
    }

    /// A small named value, as last put, written or waiting to be. `Ok(None)`: there is none.
    ///
    /// # Errors
    /// [`StoreError::Value`] where it is not a `T`: another version may have meant something else by that name.
    pub fn value<T: DeserializeOwned>(&self, key: Key) -> Result<Option<T>, StoreError> {
        let name = key.name();
        let waiting = self.ledger().waiting(tables::VALUES, name.as_bytes());
        let bytes = match waiting {
            Some(bytes) => Some(bytes),
            None => self.ledger().read(|txn| {
                let Some(rows) = table(txn, tables::VALUES)? else { return Ok(None) };
                Ok(rows.get(name.as_bytes())?.map(|row| row.value().to_vec()))
            })?,
        };
        let decoded = bytes.map(|bytes| serde_json::from_slice(&bytes)).transpose();
        decoded.map_err(|error| StoreError::Value { key: name, why: error.to_string() })
    }

    /// The first `limit` events that wait for the broker and are numbered higher than `after`, in order.
    pub fn outbox(&self, after: u64, limit: usize) -> Result<Vec<(u64, Event)>, StoreError> {
        self.ledger().read(|txn| {
            let (Some(outbox), Some(events)) = (table(txn, tables::OUTBOX)?, table(txn, tables::EVENTS)?) else {
                return Ok(Vec::new());
            };
            let mut found = Vec::new();
            let after = tables::number(after);
            for row in outbox.range::<&[u8]>((Bound::Excluded(after.as_slice()), Bound::Unbounded))? {
                if found.len() >= limit {
                    break;
                }
                let (key, _) = row?;
                let event = events.get(key.value())?.and_then(|row| decode(tables::EVENTS, key.value(), row.value()));
                found.extend(tables::as_number(key.value()).zip(event));
            }
            Ok(found)
        })
    }

    /// How many events wait for the broker, and for how long the first of them has.
    pub fn outbox_state(&self) -> Result<OutboxState, StoreError> {
        self.ledger().read(|txn| {
            let Some(outbox) = table(txn, tables::OUTBOX)? else { return Ok(OutboxState::default()) };
            let first = outbox.first()?.map(|(key, _)| key.value().to_vec());
            let oldest = match first {
                Some(key) => one::<Event>(txn, tables::EVENTS, &key)?.map(|event| event.received_at),
                None => None,
            };
            Ok(OutboxState { waiting: outbox.len()?, oldest })
        })
    }

    /// Kept events with their numbers, newest last. With `after`, the first `limit` that follow it; else the newest
    /// `limit`.
    pub fn events(&self, query: &EventQuery) -> Result<Vec<(u64, Event)>, StoreError> {
        self.ledger().read(|txn| {
            let Some(events) = table(txn, tables::EVENTS)? else { return Ok(Vec::new()) };
            let mut found = Vec::new();
            let mut take = |row: Result<_, redb::StorageError>| -> Result<bool, redb::Error> {
                let (key, value): (redb::AccessGuard<&[u8]>, redb::AccessGuard<&[u8]>) = row?;
                let event = decode::<Event>(tables::EVENTS, key.value(), value.value());
                let event = event.filter(|event| query.covers(event));
                found.extend(tables::as_number(key.value()).zip(event));
                Ok(found.len() < query.limit)
            };
            if query.limit == 0 {
                return Ok(Vec::new());
            }
            match query.after.map(tables::number) {
                Some(after) => {
                    let mut rows = events.range::<&[u8]>((Bound::Excluded(after.as_slice()), Bound::Unbounded))?;
                    while rows.next().map(&mut take).transpose()?.unwrap_or(false) {}
                }
                None => {
                    let mut rows = events.iter()?.rev();
                    while rows.next().map(&mut take).transpose()?.unwrap_or(false) {}
                    found.reverse();
                }
            }
            Ok(found)
        })
    }

    /// Whether an event of that `uuid` is known.
    pub fn seen(&self, uuid: &str) -> Result<bool, StoreError> {
        self.ledger().read(|txn| {
            Ok(match table(txn, tables::SEEN)? {
                Some(rows) => rows.get(uuid.as_bytes())?.is_some(),
                None => false,
            })
        })
    }

    /// Every known `uuid`: of the last 96 hours that were read, where [`Batch::prune`](super::Batch::prune) is kept up.
    pub fn seen_all(&self) -> Result<BTreeSet<String>, StoreError> {
        self.ledger().read(|txn| {
            let mut uuids = BTreeSet::new();
            let Some(rows) = table(txn, tables::SEEN)? else { return Ok(uuids) };
            for row in rows.iter()? {
                uuids.insert(String::from_utf8_lossy(row?.0.value()).into_owned());
            }
            Ok(uuids)
        })
    }

    /// The time of the last event of each door.
    pub fn door_times(&self) -> Result<BTreeMap<LockId, Timestamp>, StoreError> {
        self.ledger().read(|txn| {
            let mut times = BTreeMap::new();
            let Some(rows) = table(txn, tables::DOORS)? else { return Ok(times) };
            for row in rows.iter()? {
                let (key, value) = row?;
                let time = decode(tables::DOORS, key.value(), value.value());
                times.extend(tables::as_number(key.value()).map(LockId).zip(time));
            }
            Ok(times)
        })
    }
}

fn shelf<T>(txn: &ReadTransaction, entity: Entity) -> Result<Shelf<T>, redb::Error>
where
    T: Record + DeserializeOwned,
{
    let rows: Vec<Held<T>> = all(txn, tables::shelf(entity))?;
    let first: Option<Timestamp> = one(txn, tables::VALUES, &tables::about(entity, "first"))?;
    let last: Option<Timestamp> = one(txn, tables::VALUES, &tables::about(entity, "last"))?;
    let filled: Option<bool> = one(txn, tables::VALUES, &tables::about(entity, "filled"))?;
    Ok(Shelf::restore(rows, first.map(|first| (first, last.unwrap_or(first))), filled.unwrap_or(false)))
}

fn by<K: Ord, T>(rows: Vec<T>, key: impl Fn(&T) -> K) -> BTreeMap<K, T> {
    rows.into_iter().map(|row| (key(&row), row)).collect()
}

fn all<T: DeserializeOwned>(txn: &ReadTransaction, name: Table) -> Result<Vec<T>, redb::Error> {
    let Some(rows) = table(txn, name)? else { return Ok(Vec::new()) };
    let mut values = Vec::new();
    for row in rows.iter()? {
        let (key, value) = row?;
        values.extend(decode(name, key.value(), value.value()));
    }
    Ok(values)
}

fn one<T: DeserializeOwned>(txn: &ReadTransaction, name: Table, key: &[u8]) -> Result<Option<T>, redb::Error> {
    let Some(rows) = table(txn, name)? else { return Ok(None) };
    Ok(rows.get(key)?.and_then(|row| decode(name, key, row.value())))
}

/// A row that can't be decoded is left out and said: those there were at the start are set aside already.
fn decode<T: for<'de> Deserialize<'de>>(table: Table, key: &[u8], value: &[u8]) -> Option<T> {
    match serde_json::from_slice(value) {
        Ok(value) => Some(value),
        Err(error) => {
            tracing::warn!(table = table.0, key = tables::shown(key), %error, "a row of the store can't be decoded");
            None
        }
    }
}
