//! Rows of ours that another hand removes or changes: put right, but in no endless fight (rules 5).

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::plan::Drift;
use super::{GroupId, Timestamp, UserId};

/// How long it is told and counted.
const TOLD: TimeDelta = TimeDelta::hours(24);
/// How long a row that was removed for the second time stays away; doubled each time, up to the longest.
const FIRST_WAIT: TimeDelta = TimeDelta::minutes(1);
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(1);
/// How many slots are remembered; beyond that the oldest are forgotten.
const SLOTS_MAX: usize = 1_000;

/// What another hand did to rows of ours within the last day, by their slots.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contests(BTreeMap<(UserId, GroupId), Contest>);

/// What was done to one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contest {
    /// How often the row was removed.
    pub removed: u32,
    /// How often its window was changed.
    pub changed: u32,
    /// When it was last done.
    pub last: Timestamp,
    /// When the row may be put back.
    pub back_at: Timestamp,
}

impl Contests {
    /// A row of ours was removed. The first time in a day it is put back at once; a hand that removes it again may
    /// mean it, or be a program: each time it is given twice as long.
    pub fn removed(&mut self, user: UserId, group: GroupId, now: Timestamp) {
        let contest = self.slot(user, group, now);
        contest.removed = contest.removed.saturating_add(1);
        contest.last = now;
        let wait = match contest.removed {
            0 | 1 => TimeDelta::zero(),
            times => FIRST_WAIT.checked_mul(1 << (times - 2).min(16)).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT),
        };
        contest.back_at = now + wait;
        self.limit();
    }

    /// The window of a row of ours was changed.
    pub fn changed(&mut self, user: UserId, group: GroupId, now: Timestamp) {
        let contest = self.slot(user, group, now);
        contest.changed = contest.changed.saturating_add(1);
        contest.last = now;
        self.limit();
    }

    /// Until when a row in that slot is not put back; `None`: it may be now.
    pub fn waits(&self, user: UserId, group: GroupId, now: Timestamp) -> Option<(Contest, Timestamp)> {
        let contest = self.0.get(&(user, group)).filter(|contest| contest.back_at > now)?;
        Some((*contest, contest.back_at))
    }

    /// The slots of that user whose rows are not put back yet.
    pub fn waiting(&self, user: UserId, now: Timestamp) -> impl Iterator<Item = (GroupId, Contest)> + '_ {
        let of_user = self.0.iter().filter(move |((of, _), contest)| *of == user && contest.back_at > now);
        of_user.map(|((_, group), contest)| (*group, *contest))
    }

    /// As it is told at `now`, the newest first.
    pub fn drift(&self, now: Timestamp) -> Vec<Drift> {
        let mut recent: Vec<_> = self.0.iter().filter(|(_, contest)| now - contest.last < TOLD).collect();
        recent.sort_by_key(|(slot, contest)| (std::cmp::Reverse(contest.last), **slot));
        let told = recent.into_iter().flat_map(|((user, group), contest)| {
            let (user, group) = (*user, *group);
            let back_at = (contest.removed > 1).then_some(contest.back_at);
            let removed = Drift::Removed { user, group, times: contest.removed, back_at };
            let changed = Drift::Changed { user, group };
            let removed = Some(removed).filter(|_| contest.removed > 0);
            removed.into_iter().chain(Some(changed).filter(|_| contest.changed > 0))
        });
        told.collect()
    }

    /// Forgets what is a day old.
    pub fn prune(&mut self, now: Timestamp) {
        self.0.retain(|_, contest| now - contest.last < TOLD);
    }

    fn slot(&mut self, user: UserId, group: GroupId, now: Timestamp) -> &mut Contest {
        self.prune(now);
        self.0.entry((user, group)).or_insert(Contest { removed: 0, changed: 0, last: now, back_at: now })
    }

    fn limit(&mut self) {
        while self.0.len() > SLOTS_MAX {
            let Some(oldest) = self.0.iter().min_by_key(|(_, contest)| contest.last).map(|(slot, _)| *slot) else {
                return;
            };
            self.0.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    #[test]
    fn rules_5_a_row_is_put_back_at_once_and_then_ever_more_slowly() {
        let (user, group) = (UserId(7), GroupId(9));
        let mut contests = Contests::default();
        let mut waits = Vec::new();
        for _ in 0..9 {
            contests.removed(user, group, at(0));
            waits.push(contests.waits(user, group, at(0)).map_or(0, |(_, back)| (back - at(0)).num_minutes()));
        }
        assert_eq!(waits, [0, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(contests.waits(user, group, at(60)), None);
        assert_eq!(contests.waits(UserId(8), group, at(0)), None);
        let told = Drift::Removed { user, group, times: 9, back_at: Some(at(60)) };
        assert_eq!(contests.drift(at(0)), [told]);
        assert_eq!(contests.drift(at(24 * 60)), [], "a day later it is over");
        contests.removed(user, group, at(25 * 60));
        assert_eq!(contests.waits(user, group, at(25 * 60)), None, "and forgotten");
    }

    #[test]
    fn rules_5_what_is_remembered_of_other_hands_has_a_limit() {
        let mut contests = Contests::default();
        for n in 0..3_000 {
            contests.removed(UserId(n), GroupId(9), at(0) + TimeDelta::milliseconds(n as i64));
        }
        assert_eq!(contests.drift(at(1)).len(), SLOTS_MAX);
        let newest = Drift::Removed { user: UserId(2_999), group: GroupId(9), times: 1, back_at: None };
        assert_eq!(contests.drift(at(1)).first(), Some(&newest));
    }
}
