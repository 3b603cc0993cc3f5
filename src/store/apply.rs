//! The steps of a batch within one redb transaction.

use std::collections::{BTreeMap, BTreeSet};

use redb::{ReadableTable, ReadableTableMetadata, WriteTransaction};
use serde::Deserialize;

use super::batch::{EncodedEvent, Op};
use super::tables::{self, Table};
use crate::domain::Timestamp;

/// How many events are kept at most, whatever `store.keep_events` says: a file is looked through whole when it is
/// opened, and 100,000 events take about 60 ms. Those that wait for the broker come on top.
const EVENTS_MAX: u64 = 100_000;

/// Rows that wait for a reason to be written.
pub(super) type Along = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// What a transaction changed.
#[derive(Debug, Default)]
pub(super) struct Changed {
    /// Rows put or deleted.
    pub(super) rows: u64,
    /// Bytes of keys and values put.
    pub(super) bytes: u64,
    /// The number that the next event gets; 0: no event was added.
    pub(super) next_event: u64,
}

/// One transaction while it is being filled.
pub(super) struct Apply<'txn> {
    txn: &'txn WriteTransaction,
    changed: Changed,
}

type Done = Result<(), redb::Error>;

impl<'txn> Apply<'txn> {
    pub(super) fn new(txn: &'txn WriteTransaction) -> Apply<'txn> {
        Apply { txn, changed: Changed::default() }
    }

    /// Does the steps, then, where they changed anything or `anyway`, what waits in `along` too. Nothing changed:
    /// the transaction need not be committed.
    pub(super) fn run<'op>(
        mut self,
        ops: impl Iterator<Item = &'op Op>,
        along: &mut Along,
        anyway: bool,
    ) -> Result<Changed, redb::Error> {
        for op in ops {
            match op {
                Op::Put { table, key, value } => {
                    along.remove(&(*table, key.clone()));
                    self.put(*table, key, value)?;
                }
                Op::Along { table, key, value } => {
                    along.insert((*table, key.clone()), value.clone());
                }
                Op::Delete { table, key } => self.delete(*table, key)?,
                Op::Replace { table, rows } => self.replace(*table, rows)?,
                Op::Events(events) => self.events(events)?,
                Op::Prune { events_before, seen_before } => {
                    self.prune_events(*events_before)?;
                    self.prune_seen(*seen_before)?;
                }
            }
        }
        if self.changed.rows > 0 || anyway {
            for ((table, key), value) in std::mem::take(along) {
                self.put(table, &key, &value)?;
            }
        }
        Ok(self.changed)
    }

    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Done {
        let mut rows = self.txn.open_table(table.rows())?;
        if rows.get(key)?.is_some_and(|there| there.value() == value) {
            return Ok(());
        }
        rows.insert(key, value)?;
        self.changed.rows += 1;
        self.changed.bytes += (key.len() + value.len()) as u64;
        Ok(())
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Done {
        if self.txn.open_table(table.rows())?.remove(key)?.is_some() {
            self.changed.rows += 1;
        }
        Ok(())
    }

    fn replace(&mut self, table: Table, rows: &BTreeMap<Vec<u8>, Vec<u8>>) -> Done {
        for key in self.keys(table, |key, _| !rows.contains_key(key))? {
            self.delete(table, &key)?;
        }
        for (key, value) in rows {
            self.put(table, key, value)?;
        }
        Ok(())
    }

    fn events(&mut self, events: &[EncodedEvent]) -> Done {
        let stored: Option<u64> = self.read(tables::VALUES, tables::NEXT_EVENT)?;
        let last =
            self.txn.open_table(tables::EVENTS.rows())?.last()?.and_then(|(key, _)| tables::as_number(key.value()));
        // The numbers rise even where the last events are pruned, and even where the count itself was lost.
        let first = stored.unwrap_or(1).max(last.map_or(1, |last| last + 1));
        let mut next = first;
        for EncodedEvent { event, row } in events {
            let uuid = event.uuid.as_bytes();
            if self.txn.open_table(tables::SEEN.rows())?.get(uuid)?.is_some() {
                continue;
            }
            self.put(tables::EVENTS, &tables::number(next), row)?;
            self.put(tables::OUTBOX, &tables::number(next), &[])?;
            self.put(tables::SEEN, uuid, &json(event.time))?;
            if let Some(door) = &event.door {
                let key = tables::number(door.id.0);
                let last: Option<Timestamp> = self.read(tables::DOORS, &key)?;
                if last.is_none_or(|last| last < event.time) {
                    self.put(tables::DOORS, &key, &json(event.time))?;
                }
            }
            next += 1;
        }
        if next > first {
            self.changed.next_event = next;
            self.put(tables::VALUES, tables::NEXT_EVENT, next.to_string().as_bytes())?;
        }
        Ok(())
    }

    fn prune_events(&mut self, before: Timestamp) -> Done {
        #[derive(Deserialize)]
        struct Aged {
            time: Timestamp,
        }
        let waiting: BTreeSet<Vec<u8>> = self.keys(tables::OUTBOX, |_, _| true)?.into_iter().collect();
        let mut surplus = self.txn.open_table(tables::EVENTS.rows())?.len()?.saturating_sub(EVENTS_MAX);
        let old = self.keys(tables::EVENTS, |key, row| {
            if waiting.contains(key) {
                return false;
            }
            let beyond = surplus > 0;
            surplus = surplus.saturating_sub(1);
            // One that is no event, and waits for nobody, is of no use to anybody.
            beyond || serde_json::from_slice::<Aged>(row).map_or(true, |event| event.time < before)
        })?;
        old.iter().try_for_each(|key| self.delete(tables::EVENTS, key))
    }

    fn prune_seen(&mut self, before: Timestamp) -> Done {
        let old = self.keys(tables::SEEN, |_, time| {
            serde_json::from_slice::<Timestamp>(time).map_or(true, |time| time < before)
        })?;
        old.iter().try_for_each(|key| self.delete(tables::SEEN, key))
    }

    fn keys(&self, table: Table, mut which: impl FnMut(&[u8], &[u8]) -> bool) -> Result<Vec<Vec<u8>>, redb::Error> {
        let rows = self.txn.open_table(table.rows())?;
        let mut keys = Vec::new();
        for row in rows.iter()? {
            let (key, value) = row?;
            if which(key.value(), value.value()) {
                keys.push(key.value().to_vec());
            }
        }
        Ok(keys)
    }

    fn read<T: for<'de> Deserialize<'de>>(&self, table: Table, key: &[u8]) -> Result<Option<T>, redb::Error> {
        let rows = self.txn.open_table(table.rows())?;
        let row = rows.get(key)?;
        Ok(row.and_then(|row| serde_json::from_slice(row.value()).ok()))
    }
}

/// A time as JSON, as serde writes it.
fn json(time: Timestamp) -> Vec<u8> {
    serde_json::json!(time).to_string().into_bytes()
}
