//! What of a reading of the record is new, and what is read next: pure (rules 7, promise 4).

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::domain::event::Event;
use crate::domain::{AssignmentId, GroupId, LockId, Timestamp, UserId};

/// Each poll reads this much again.
const POLL_OVERLAP: TimeDelta = TimeDelta::minutes(2);
/// Each hour reads this much again.
const HOUR: TimeDelta = TimeDelta::hours(1);
/// What Kisi shows within this of its time reaches the broker (promise 4), so each night reads from this long before
/// the night before it. Read from this long before itself, it would miss an event shown 30 hours late: too late for one
/// night, too old for the next.
const SHOWN_WITHIN: TimeDelta = TimeDelta::hours(48);
/// For how long before the watermark `uuid`s are kept: for longer than a night reads again.
pub const REMEMBERED: TimeDelta = TimeDelta::hours(96);
/// How long after an outage it is read again: readers that were cut off tell what they kept once they are back, and
/// a night is long to wait for that.
const AFTER_OUTAGE: [TimeDelta; 3] = [TimeDelta::minutes(1), TimeDelta::minutes(5), TimeDelta::minutes(20)];
/// Between two nights.
const DAY: TimeDelta = TimeDelta::hours(24);
/// After a long outage the record is read in steps, so that one reading stays small and the watermark gets on.
const LONGEST_STEP: TimeDelta = TimeDelta::days(1);

/// How far back a reading goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// From the watermark, and the 2 minutes before it.
    Poll,
    /// And at least the last hour.
    Hour,
    /// And from 48 hours before the last such reading.
    Night {
        /// When that was; `None`: never.
        last: Option<Timestamp>,
    },
}

/// A time in which the record could not be read: doors may have kept what happened in it, and tell it late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// When it began.
    pub from: Timestamp,
    /// When it was over.
    pub back: Timestamp,
    /// How often it has been read again since.
    pub rereads: usize,
}

impl Outage {
    /// The outage that a reading at `now` has ended, together with one that is still being read again.
    pub fn ended(earlier: Option<Outage>, from: Timestamp, now: Timestamp) -> Outage {
        let from = earlier.map_or(from, |earlier| earlier.from.min(from));
        Outage { from, back: now, rereads: 0 }
    }

    /// Whether it is to be read again at `now`.
    pub fn is_due(&self, now: Timestamp) -> bool {
        AFTER_OUTAGE.get(self.rereads).is_some_and(|span| self.back + *span <= now)
    }

    /// It was read again; `None`: for the last time.
    pub fn reread(self) -> Option<Outage> {
        let rereads = self.rereads + 1;
        (rereads < AFTER_OUTAGE.len()).then_some(Outage { rereads, ..self })
    }
}

/// What is read next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
    /// It does not reach now: read on at once.
    pub more: bool,
}

/// How far the record has been read. Kept in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When the very first start was: what came before is not ours to publish.
    pub began: Timestamp,
    /// Up to when the record has been read whole.
    pub watermark: Timestamp,
}

/// Which kind of reading is due, by when the last of each kind succeeded. A night that the box was off for is made up
/// for at the next start.
pub fn due(last_hour: Option<Timestamp>, last_night: Option<Timestamp>, now: Timestamp) -> Kind {
    let passed = |last: Option<Timestamp>, span| last.is_none_or(|last| last + span <= now);
    if passed(last_night, DAY) {
        Kind::Night { last: last_night }
    } else if passed(last_hour, HOUR) {
        Kind::Hour
    } else {
        Kind::Poll
    }
}

/// What a reading of that kind asks for at `now`, by Kisi's time.
pub fn interval(mark: Mark, now: Timestamp, kind: Kind) -> Interval {
    let from_watermark = mark.watermark - POLL_OVERLAP;
    let from = match kind {
        Kind::Poll => from_watermark,
        Kind::Hour => from_watermark.min(now - HOUR),
        Kind::Night { last } => from_watermark.min(last.unwrap_or(now).min(now - DAY) - SHOWN_WITHIN),
    };
    let from = from.max(mark.began);
    // A look back does not shorten the step: it would never reach the watermark.
    let step = mark.watermark.max(from) + LONGEST_STEP;
    Interval { from, to: step.min(now).max(from), more: step < now }
}

/// What is known of the record before a reading.
pub struct Known<'a> {
    /// How far it has been read.
    pub mark: Mark,
    /// The `uuid`s of events that are not older than [`REMEMBERED`] before the watermark.
    pub seen: &'a dyn Fn(&str) -> bool,
    /// The time of the latest event already queued, for each door.
    pub last_of_door: &'a BTreeMap<LockId, Timestamp>,
}

/// What a reading comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// The new events in the order in which they are to be queued, marked `late` and `replayed`.
    pub fresh: Vec<Event>,
    /// The new watermark; never earlier than the old one.
    pub watermark: Timestamp,
    /// The time of the latest event queued, for each door that has a new one.
    pub last_of_door: BTreeMap<LockId, Timestamp>,
}

/// Picks what is new from a reading of `read`. `whole`: all of it came. `replayed`: it is read after an outage.
pub fn take(known: &Known<'_>, polled: Vec<Event>, read: Interval, whole: bool, replayed: bool) -> Taken {
    let mut events = polled;
    events.sort_by(|a, b| (a.time, &a.uuid).cmp(&(b.time, &b.uuid)));
    let mut within: BTreeSet<String> = BTreeSet::new();
    let mut last_of_door = BTreeMap::new();
    let mut fresh = Vec::new();
    for mut event in events {
        let new = event.time >= known.mark.began && !(known.seen)(&event.uuid) && within.insert(event.uuid.clone());
        if !new {
            continue;
        }
        event.replayed = replayed;
        if let Some(door) = &event.door {
            let queued = last_of_door.get(&door.id).or_else(|| known.last_of_door.get(&door.id)).copied();
            event.late = queued.is_some_and(|queued| event.time < queued);
            if !event.late {
                last_of_door.insert(door.id, event.time);
            }
        }
        fresh.push(event);
    }
    let watermark = if whole { known.mark.watermark.max(read.to) } else { known.mark.watermark };
    Taken { fresh, watermark, last_of_door }
}

/// What an event says may have changed: a hint to read it again, never data to trust.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hint {
    /// That user.
    User(UserId),
    /// That assignment.
    Assignment(AssignmentId),
    /// That group, or its doors.
    Group(GroupId),
    /// Users or assignments, but the event does not say which.
    Roster,
}

/// What is to be read again, each thing once. What our own key's user did (`us`) is known already, unless others use
/// that user too: then pass `None`.
pub fn hints(events: &[Event], us: Option<UserId>) -> Vec<Hint> {
    let hint = |event: &Event| {
        if us.is_some() && event.actor == us {
            return None;
        }
        let family = event.kind.split_once('.').map_or(event.kind.as_str(), |(family, _)| family);
        let object = event.object.as_ref().map(|(kind, id)| (kind.as_str(), *id));
        match (family, object) {
            ("role_assignment", Some(("RoleAssignment", id))) => Some(Hint::Assignment(AssignmentId(id))),
            ("role_assignment" | "user", Some(("User", id))) => Some(Hint::User(UserId(id))),
            ("group" | "group_lock", Some(("Group", id))) => Some(Hint::Group(GroupId(id))),
            ("role_assignment" | "user" | "group" | "group_lock", _) => Some(Hint::Roster),
            _ => None,
        }
    };
    let hints: BTreeSet<Hint> = events.iter().filter_map(hint).collect();
    hints.into_iter().collect()
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
