//! Changes made in Kisi that wait to be told: a bounded queue in memory.
//!
//! The contract promises only of events that none is lost; these are kept over an absence of the broker as far as the
//! queue goes, and not over a restart.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::report::Membership;

/// How many wait at most; beyond that the oldest are dropped, with a line in the log.
pub const PENDING_MAX: usize = 1000;

/// The queue. Cheap to clone; all clones are one queue.
#[derive(Clone, Debug, Default)]
pub struct Memberships(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    pending: Mutex<VecDeque<Membership>>,
    changed: Notify,
}

impl Memberships {
    /// An empty queue.
    pub fn new() -> Memberships {
        Memberships::default()
    }

    /// Queues a change to be told.
    pub fn push(&self, change: Membership) {
        let mut pending = self.pending();
        pending.push_back(change);
        let dropped = drop_oldest(&mut pending);
        drop(pending);
        if dropped > 0 {
            tracing::warn!(dropped, "the broker is away for long: the oldest membership messages are dropped");
        }
        self.0.changed.notify_one();
    }

    /// Takes the oldest.
    pub(super) fn take(&self) -> Option<Membership> {
        self.pending().pop_front()
    }

    /// Puts back what was taken and not acknowledged, oldest first, before all that came since.
    pub(super) fn put_back(&self, unsent: Vec<Membership>) {
        let mut pending = self.pending();
        for change in unsent.into_iter().rev() {
            pending.push_front(change);
        }
        let dropped = drop_oldest(&mut pending);
        drop(pending);
        if dropped > 0 {
            tracing::warn!(dropped, "the broker is away for long: the oldest membership messages are dropped");
        }
    }

    /// Waits until something was queued since the last wait.
    pub(super) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    fn pending(&self) -> MutexGuard<'_, VecDeque<Membership>> {
        self.0.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn drop_oldest(pending: &mut VecDeque<Membership>) -> usize {
    let excess = pending.len().saturating_sub(PENDING_MAX);
    pending.drain(..excess);
    excess
}
