//! What is to be kept, together or not at all: a batch is data until it is committed.
//!
//! Values are encoded as they are added, on the caller's side, so that the writer only moves bytes.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde::Serialize;

use super::StoreError;
use super::tables::{self, Key, Part, RosterFacts, Table};
use crate::domain::event::Event;
use crate::domain::ledger::{Account, Intent, Ledger, Owned};
use crate::domain::roster::Roster;
use crate::domain::snapshot::{Absorbed, Entity, Record, Shelf, Snapshot};
use crate::domain::{AssignmentId, Timestamp, UserId};

/// For how long after the first complete reading of a list each later one is written at once: removals wait for two
/// that are `refresh` apart (rules 6), and a restart must not make them wait again while Nexudus is away.
const PROBATION: TimeDelta = TimeDelta::hours(1);

/// One step of a batch, in bytes.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// A row is put in place of any that is there. One that is there already, byte for byte, is no change.
    Put { table: Table, key: Vec<u8>, value: Vec<u8> },
    /// As [`Op::Put`], but no reason to write: it goes along with the next change.
    Along { table: Table, key: Vec<u8>, value: Vec<u8> },
    /// A row goes.
    Delete { table: Table, key: Vec<u8> },
    /// The table holds these rows and no others.
    Replace { table: Table, rows: BTreeMap<Vec<u8>, Vec<u8>> },
    /// Events not known yet get the next sequence numbers.
    Events(Vec<EncodedEvent>),
    /// Events before the one time and known uuids before the other go, but none that waits for the broker.
    Prune { events_before: Timestamp, seen_before: Timestamp },
}

/// An event and its row.
#[derive(Clone, Debug)]
pub(super) struct EncodedEvent {
    pub(super) event: Event,
    pub(super) row: Vec<u8>,
}

/// Changes to the store that belong together. [`Store::commit`](super::Store::commit) makes those to the ledger all or
/// none, and those to the cache all or none.
#[derive(Clone, Debug, Default)]
#[must_use = "a batch changes nothing until it is committed"]
pub struct Batch {
    pub(super) cache: Vec<Op>,
    pub(super) ledger: Vec<Op>,
    pub(super) refused: Option<StoreError>,
    /// Files that could not be written are tried again.
    pub(super) retry: bool,
}

impl Batch {
    /// A batch without changes.
    pub fn new() -> Batch {
        Batch::default()
    }

    /// Whether it changes nothing; to commit it costs nothing.
    pub fn is_empty(&self) -> bool {
        self.cache.is_empty() && self.ledger.is_empty() && self.refused.is_none() && !self.retry
    }

    /// What a reading changed in a list of Nexudus: changed records are put, gone ones go. Once the list has been read
    /// whole for an hour, the time of the last such reading goes along with the next change.
    pub fn shelf<T>(&mut self, entity: Entity, shelf: &Shelf<T>, absorbed: &Absorbed<T::Id>)
    where
        T: Record + Serialize,
        T::Id: Into<u64>,
    {
        let table = tables::shelf(entity);
        for id in &absorbed.changed {
            if let Some(held) = shelf.held(*id) {
                self.put(Part::Cache, table, tables::number((*id).into()), held);
            }
        }
        self.forget(entity, absorbed.gone.iter().copied());
        self.about(entity, shelf);
    }

    /// What is kept of a list beside its rows.
    fn about<T: Record>(&mut self, entity: Entity, shelf: &Shelf<T>) {
        if shelf.ever_filled() {
            self.put(Part::Cache, tables::VALUES, tables::about(entity, "filled"), &true);
        }
        if let Some((first, last)) = shelf.whole() {
            self.put(Part::Cache, tables::VALUES, tables::about(entity, "first"), &first);
            let key = tables::about(entity, "last");
            if last - first < PROBATION {
                self.put(Part::Cache, tables::VALUES, key, &last);
            } else {
                self.along(Part::Cache, key, &last);
            }
        }
    }

    /// Records of a list of Nexudus that are gone by other means than a reading: a cancellation, or past any use.
    pub fn forget<I: Into<u64>>(&mut self, entity: Entity, ids: impl IntoIterator<Item = I>) {
        for id in ids {
            self.cache.push(Op::Delete { table: tables::shelf(entity), key: tables::number(id.into()) });
        }
    }

    /// The roster as it is now; only what differs is written. When it was last read whole goes along.
    pub fn roster(&mut self, roster: &Roster) {
        self.replace(Part::Cache, tables::USERS, roster.users.iter().map(|(id, user)| (id.0, user)));
        self.replace(Part::Cache, tables::ASSIGNMENTS, roster.assignments.iter().map(|(id, row)| (id.0, row)));
        self.replace(Part::Cache, tables::GROUPS, roster.groups.iter().map(|(id, group)| (id.0, group)));
        let facts = RosterFacts { elevated: roster.elevated.clone(), places: roster.places };
        self.put(Part::Cache, tables::VALUES, tables::ROSTER.to_vec(), &facts);
        self.along(Part::Cache, tables::ROSTER_READ_AT.to_vec(), &roster.read_at);
    }

    /// An assignment is ours, or has moved.
    pub fn own(&mut self, owned: &Owned) {
        self.put(Part::Ledger, tables::OWNED, tables::number(owned.id.0), owned);
    }

    /// An assignment is no longer ours.
    pub fn disown(&mut self, id: AssignmentId) {
        self.ledger.push(Op::Delete { table: tables::OWNED, key: tables::number(id.0) });
    }

    /// A Kisi user as we know it now.
    pub fn account(&mut self, account: &Account) {
        self.put(Part::Ledger, tables::ACCOUNTS, tables::number(account.user.0), account);
    }

    /// A Kisi user is gone.
    pub fn drop_account(&mut self, user: UserId) {
        self.ledger.push(Op::Delete { table: tables::ACCOUNTS, key: tables::number(user.0) });
    }

    /// Something is about to be done to Kisi.
    pub fn intend(&mut self, intent: &Intent) {
        self.put(Part::Ledger, tables::INTENTS, tables::number(intent.id), intent);
    }

    /// Its outcome is known.
    pub fn settle(&mut self, intent: u64) {
        self.ledger.push(Op::Delete { table: tables::INTENTS, key: tables::number(intent) });
    }

    /// Whether a PATCH of a window is ignored by Kisi (rules 3).
    pub fn patch_ignored(&mut self, ignored: bool) {
        self.value(Key::PatchIgnored, &ignored);
    }

    /// Events that were read, in the order in which they are to be published, and up to when all were read. Each one
    /// whose `uuid` is not known yet gets the next sequence number and waits in the outbox; its `uuid` is known from
    /// then on, and it counts for the last time of its door. So the same events may be committed twice.
    ///
    /// Where none is new, the watermark goes along with the next change: an older one only makes Kisi's record be
    /// read again. `batch.value(Key::Watermark, &at)` writes it at once.
    pub fn events(&mut self, events: Vec<Event>, watermark: Timestamp) {
        let encoded: Vec<EncodedEvent> = events
            .into_iter()
            .filter_map(|event| self.encode("an event", &event).map(|row| EncodedEvent { event, row }))
            .collect();
        if !encoded.is_empty() {
            self.ledger.push(Op::Events(encoded));
        }
        self.value_along(Key::Watermark, &watermark);
    }

    /// The broker has acknowledged the events of these sequence numbers.
    pub fn published(&mut self, sequence: &[u64]) {
        for &number in sequence {
            self.ledger.push(Op::Delete { table: tables::OUTBOX, key: tables::number(number) });
        }
    }

    /// An event is known and need not be published, as those from before the first start. `time`: the event's.
    pub fn seen(&mut self, uuid: &str, time: Timestamp) {
        self.put(Part::Ledger, tables::SEEN, uuid.as_bytes().to_vec(), &time);
    }

    /// Events from before `events_before` go, and known uuids of events from before `seen_before`. An event that waits
    /// for the broker stays, however old it is.
    pub fn prune(&mut self, events_before: Timestamp, seen_before: Timestamp) {
        self.ledger.push(Op::Prune { events_before, seen_before });
    }

    /// A small named value. One that is there already is no change.
    pub fn value(&mut self, key: Key, value: &impl Serialize) {
        self.put(Part::Ledger, tables::VALUES, key.name().into(), value);
    }

    /// A small named value that is no reason to write: it goes along with the next change to the ledger, or with an
    /// orderly end. [`Store::value`](super::Store::value) shows it from then on.
    pub fn value_along(&mut self, key: Key, value: &impl Serialize) {
        self.along(Part::Ledger, key.name().into(), value);
    }

    /// All of the ledger that is known by heart, in place of what the file has of it.
    pub fn whole_ledger(&mut self, ledger: &Ledger) {
        self.replace(Part::Ledger, tables::OWNED, ledger.owned.iter().map(|(id, owned)| (id.0, owned)));
        self.replace(Part::Ledger, tables::ACCOUNTS, ledger.accounts.iter().map(|(id, account)| (id.0, account)));
        self.replace(Part::Ledger, tables::INTENTS, ledger.intents.iter().map(|(id, intent)| (*id, intent)));
        self.patch_ignored(ledger.patch_ignored);
    }

    /// All that is known of Nexudus, in place of what the file has of it.
    pub fn whole_snapshot(&mut self, snapshot: &Snapshot) {
        self.whole_shelf(Entity::Customers, &snapshot.customers);
        self.whole_shelf(Entity::Bookings, &snapshot.bookings);
        self.whole_shelf(Entity::Passes, &snapshot.passes);
        self.whole_shelf(Entity::PassKinds, &snapshot.pass_kinds);
        self.whole_shelf(Entity::Contracts, &snapshot.contracts);
        self.whole_shelf(Entity::PausedPeriods, &snapshot.paused_periods);
        self.whole_shelf(Entity::Teams, &snapshot.teams);
        self.whole_shelf(Entity::Resources, &snapshot.resources);
        self.whole_shelf(Entity::Desks, &snapshot.desks);
    }

    fn whole_shelf<T>(&mut self, entity: Entity, shelf: &Shelf<T>)
    where
        T: Record + Serialize,
        T::Id: Into<u64>,
    {
        let rows = shelf.iter().filter_map(|row| Some((row.id().into(), shelf.held(row.id())?)));
        self.replace(Part::Cache, tables::shelf(entity), rows);
        self.about(entity, shelf);
    }

    /// Its steps in one of the files, and nothing else.
    pub(super) fn into_ops(self, part: Part) -> Vec<Op> {
        match part {
            Part::Cache => self.cache,
            Part::Ledger => self.ledger,
        }
    }

    /// Its steps in one of the files.
    pub(super) fn ops_of(&self, part: Part) -> &[Op] {
        match part {
            Part::Cache => &self.cache,
            Part::Ledger => &self.ledger,
        }
    }

    fn ops(&mut self, part: Part) -> &mut Vec<Op> {
        match part {
            Part::Cache => &mut self.cache,
            Part::Ledger => &mut self.ledger,
        }
    }

    fn put(&mut self, part: Part, table: Table, key: Vec<u8>, value: &impl Serialize) {
        if let Some(value) = self.encode(table.0, value) {
            self.ops(part).push(Op::Put { table, key, value });
        }
    }

    fn along(&mut self, part: Part, key: Vec<u8>, value: &impl Serialize) {
        if let Some(value) = self.encode("a named value", value) {
            self.ops(part).push(Op::Along { table: tables::VALUES, key, value });
        }
    }

    fn replace<'a, T: Serialize + 'a>(&mut self, part: Part, table: Table, rows: impl Iterator<Item = (u64, &'a T)>) {
        let rows = rows.filter_map(|(id, row)| Some((tables::number(id), self.encode(table.0, row)?))).collect();
        self.ops(part).push(Op::Replace { table, rows });
    }

    fn encode(&mut self, what: &'static str, value: &impl Serialize) -> Option<Vec<u8>> {
        match serde_json::to_vec(value) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                self.refused.get_or_insert(StoreError::Encode { what, why: error.to_string() });
                None
            }
        }
    }
}
