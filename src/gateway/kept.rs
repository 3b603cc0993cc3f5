//! How the engine keeps what it learns, and what it does where the disk does not take it.

use super::engine::Engine;
use super::start::lost_in_use;
use super::state::STORE_NOTES_MAX;
use crate::store::{Batch, Key, Part, StoreError};

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
            self.note_store();
        }
    }

    /// How the store is, for the alert; and what it lost, if it lost anything.
    fn note_store(&self) {
        let failing = self.store.trouble().map(|error| error.to_string());
        let losses = self.store.losses();
        let mut state = self.state();
        let changed = state.write_failed != failing || !losses.is_empty();
        state.write_failed = failing;
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
