//! Kisi's quotas: calls in any one second, each user for itself.

use std::collections::{BTreeMap, VecDeque};

use chrono::TimeDelta;

use super::records::{Id, Moment};

/// Whose calls are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Caller {
    /// All without a valid key: one address.
    Nobody,
    /// All keys of one user.
    User(Id),
    /// `POST /event_sets` of one user.
    EventSets(Id),
}

/// The calls of the last second.
#[derive(Debug, Default)]
pub(super) struct Quota {
    calls: BTreeMap<Caller, VecDeque<Moment>>,
}

impl Quota {
    /// Counts a call unless it is one too many: then `Err` says when the next one is free.
    pub(super) fn count(&mut self, caller: Caller, limit: usize, refused_too: bool, now: Moment) -> Result<(), Moment> {
        let second = TimeDelta::seconds(1);
        if limit == 0 {
            return Ok(());
        }
        let calls = self.calls.entry(caller).or_default();
        while calls.front().is_some_and(|oldest| now - *oldest >= second) {
            calls.pop_front();
        }
        let over = calls.len() >= limit;
        if over && refused_too {
            calls.pop_front();
        }
        if !over || refused_too {
            calls.push_back(now);
        }
        let free = calls.front().copied().unwrap_or(now) + second;
        if over { Err(free) } else { Ok(()) }
    }
}
