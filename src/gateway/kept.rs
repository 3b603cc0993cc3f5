//! How the engine keeps what it learns, and what it does where the disk does not take it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::engine::Engine;
use super::start::lost_in_use;
use super::state::STORE_NOTES_MAX;
use crate::clock::Mono;
use crate::store::{Batch, Key, Part, StoreError, Trouble};

/// How long nothing of a file must be refused before it counts as well again: one and a half of the pauses between two
/// tries. On a full disk a small write may go through between two large ones that don't.
const WELL_AFTER: Duration = Duration::from_secs(45);

/// What the disk refused of each file. It stands until all has gone well for a while, so that one full disk is told
/// once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused(BTreeMap<Part, Failing>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Failing {
    /// What was said at first.
    why: String,
    failures: u64,
    last: Mono,
}

impl Refused {
    /// Takes in what each file's last use came to. Whether anything is to be told anew.
    pub fn note(&mut self, troubles: &[Trouble], now: Mono) -> bool {
        let before: Vec<Part> = self.0.keys().copied().collect();
        for Trouble { part, why, failures } in troubles {
            let new = || Failing { why: why.to_string(), failures: *failures, last: now };
            let failing = self.0.entry(*part).or_insert_with(new);
            if failing.failures != *failures {
                (failing.failures, failing.last) = (*failures, now);
            }
        }
        let stands = |part: &Part| troubles.iter().any(|trouble| trouble.part == *part);
        self.0.retain(|part, failing| stands(part) || now.since(failing.last) < WELL_AFTER);
        !self.0.keys().eq(&before)
    }

    /// Why each file was refused, the ledger first.
    pub fn why(&self) -> impl Iterator<Item = &str> {
        self.0.values().rev().map(|failing| failing.why.as_str())
    }
}

impl Engine {
    /// Keeps a batch, with the trusted time along. A failure is told in `alert/store`, and by the result.
    pub async fn commit(&self, mut batch: Batch) -> Result<(), StoreError> {
        if let Some(now) = self.state().time.last_trusted(self.clock.mono().0) {
            batch.value_along(Key::TrustedTime, &now);
        }
        let result = self.store.commit(batch).await;
        self.note_store();
        result
    }

    /// Tries again what the disk refused, where it did: it goes on by itself when there is room.
    pub async fn retry_store(&self) {
        if self.store.trouble().is_some() {
            self.store.retry().await;
        }
        self.note_store();
    }

    /// How the store is, for the alert; and what it lost, if it lost anything.
    pub(super) fn note_store(&self) {
        let failing = self.store.troubles();
        let losses = self.store.losses();
        let mut state = self.state();
        let changed = state.refused.note(&failing, self.clock.mono()) || !losses.is_empty();
        for (part, opening) in &losses {
            // The record of events was in there: it is read again as after the loss of a ledger.
            state.ledger_lost |= *part == Part::Ledger;
            state.store_notes.extend(lost_in_use(*part, opening));
        }
        state.store_notes.truncate(STORE_NOTES_MAX);
        drop(state);
        if !losses.is_empty() {
            self.count_outbox();
        }
        if changed {
            self.told.notify_one();
        }
    }

    /// All that is known of a file's content without reading it. The store asks for it where it can't trust the file.
    pub(super) fn by_heart(&self, part: Part) -> Batch {
        let mut batch = Batch::new();
        let state = self.state();
        match part {
            Part::Cache => {
                batch.whole_snapshot(&state.snapshot);
                batch.roster(&state.roster);
            }
            Part::Ledger => {
                batch.whole_ledger(&state.ledger);
                batch.value(Key::Guard, &state.guard);
                batch.value(Key::Paused, &state.paused);
                batch.value(Key::Form, &state.learnt);
                batch.value(Key::Hands, &state.hands);
            }
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(part: Part, failures: u64) -> Trouble {
        Trouble { part, why: StoreError::Damaged { part, why: "no room".to_owned() }, failures }
    }

    fn at(second: u64) -> Mono {
        Mono(Duration::from_secs(second))
    }

    /// Small writes go through on a full disk between large ones that do not: it is told once, the second file with the
    /// first, and no longer when nothing was refused for a while. A file that is not written meanwhile stays in trouble.
    #[test]
    fn promise_7_a_full_disk_is_one_trouble_until_all_goes_well_for_a_while() {
        let mut refused = Refused::default();
        assert!(!refused.note(&[], at(0)));
        assert!(refused.note(&[full(Part::Ledger, 1)], at(1)));
        for second in 2..200 {
            let failing = if second % 20 == 0 { vec![full(Part::Ledger, second)] } else { Vec::new() };
            assert!(!refused.note(&failing, at(second)), "told anew at {second}");
            assert_eq!(refused.why().count(), 1);
        }
        assert!(refused.note(&[full(Part::Cache, 1)], at(200)));
        assert_eq!(refused.why().count(), 2);
        assert!(refused.note(&[full(Part::Cache, 1)], at(225)), "the ledger is well");
        assert!(!refused.note(&[full(Part::Cache, 1)], at(300)), "nothing was written to the cache since");
        assert!(refused.note(&[], at(301)), "it was, and well");
        assert_eq!(refused.why().count(), 0);
    }
}
