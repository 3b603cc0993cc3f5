//! Who gets in: as Kisi judges, and as a reader's cache does without it (Kisi API notes, 7.1 and 9).

use std::collections::BTreeMap;

use chrono::{TimeDelta, Timelike};
use serde::Serialize;

use super::KisiTwin;
use super::events::{Happening, millis};
use super::records::{Assignee, Assignment, Id, Lock, Moment, Scope};
use super::reply::Refused;
use super::rows::Row;
use super::switches::{CacheSync, DeniedAs, OfflineEvents};

/// How many rights a place's readers hold; the one learnt first goes first.
const CACHED_MAX: usize = 1_000;
/// How long ago a right may have been used to be held still.
const CACHED_FOR: TimeDelta = TimeDelta::days(30);

/// Who judged a tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JudgedBy {
    /// Kisi, by what it knows at that moment.
    Kisi,
    /// The reader's cache, by what it remembers.
    Cache,
}

/// What came of a tap at a door.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// Whether the door opened.
    pub allowed: bool,
    /// Why not: Kisi's code.
    pub code: Option<String>,
    /// Who judged.
    pub judged_by: JudgedBy,
    /// The role assignment that allowed it.
    pub assignment: Option<Id>,
    /// The event that tells of it.
    pub event: String,
}

/// The rights that the readers of a place have learnt.
#[derive(Debug, Default)]
pub(super) struct Cache {
    rights: BTreeMap<(Id, Id), Right>,
}

/// A right that Kisi granted once.
#[derive(Clone, Copy, Debug)]
struct Right {
    assignment: Id,
    learnt_at: Moment,
}

impl Cache {
    fn learn(&mut self, user: Id, lock: Id, right: Right) {
        self.rights.insert((user, lock), right);
        if self.rights.len() > CACHED_MAX {
            let oldest = self.rights.iter().min_by_key(|(_, right)| right.learnt_at).map(|(key, _)| *key);
            oldest.and_then(|key| self.rights.remove(&key));
        }
    }
}

/// The text of a code (Kisi API notes, 2.3), in our own words.
fn text(code: &str) -> &'static str {
    match code {
        "fcd8ff" => "This user's access is disabled.",
        "f358de" => "This access has not begun yet.",
        "f35ade" => "This access has ended.",
        "fad001" => "This door is locked down.",
        "fad10e" => "There is no such door.",
        "fac001" => "The controller can't be reached.",
        "bb4faa" => "The caller's whereabouts are missing.",
        _ => "There is no access here.",
    }
}

/// A refusal to open.
pub(super) fn refused(status: u16, code: &str) -> Refused {
    Refused::Code { status, code: code.to_owned(), message: text(code).to_owned() }
}

impl KisiTwin {
    /// A user presents a card or a phone at a door. An unknown door is denied, too.
    pub fn tap(&mut self, user: Id, lock: Id, now: Moment) -> Decision {
        self.settle(now);
        let known = self.locks.get(&lock).cloned().unwrap_or_else(|| Lock { id: lock, ..Lock::default() });
        let reached = self.reached(known.place_id);
        let cached = if reached && self.switches.cache_sync == CacheSync::AtOnce {
            None
        } else {
            self.cached(user, &known, now)
        };
        let (judged_by, verdict) = match (cached, reached) {
            (Some(row), _) => (JudgedBy::Cache, Ok(row)),
            (None, true) => (JudgedBy::Kisi, self.judge(user, lock, now)),
            (None, false) => (JudgedBy::Cache, Err("fcd8ef")),
        };
        if let (JudgedBy::Kisi, Ok(assignment)) = (judged_by, verdict) {
            let cache = self.caches.entry(known.place_id).or_default();
            cache.learn(user, lock, Right { assignment, learnt_at: now });
        }
        let happening = self.told(user, &known, verdict);
        let event = self.record(happening, now, reached);
        if verdict.is_ok()
            && reached
            && let Some(mut seen) = self.users.remove(user)
        {
            seen.last_accessed_at = Some(now);
            self.users.insert(seen);
        }
        Decision {
            allowed: verdict.is_ok(),
            code: verdict.err().map(str::to_owned),
            judged_by,
            assignment: verdict.ok(),
            event,
        }
    }

    fn told(&self, user: Id, lock: &Lock, verdict: Result<Id, &'static str>) -> Happening {
        let reader = self.readers.values().find(|reader| reader.lock_id == Some(lock.id));
        let mut happening = match (verdict, self.switches.denied_as, reader) {
            (Err(_), DeniedAs::ReaderAccess, Some(reader)) => {
                Happening::of("reader.access", None, ("Reader", reader.id, &reader.name))
            }
            _ => Happening::of("lock.unlock", None, ("Lock", lock.id, &lock.name)),
        };
        happening.actor = self.users.get(user).map(|user| user.id);
        happening.place = Some(lock.place_id);
        happening.authenticated_by = Some(("Card".to_owned(), user + 40_000));
        happening.authorized_by = verdict.ok().map(|row| self.authorized_by(row));
        happening.error = verdict.err().map(|code| (code.to_owned(), text(code).to_owned()));
        happening
    }

    /// A role assignment as an event names it.
    pub(super) fn authorized_by(&self, row: Id) -> (Id, String) {
        (row, self.assignments.get(row).map(|row| row.assignment.role_id.clone()).unwrap_or_default())
    }

    /// As Kisi judges: the role assignment that opens that door for that user, or the code of why not.
    pub(super) fn judge(&self, user: Id, lock: Id, now: Moment) -> Result<Id, &'static str> {
        let door = self.locks.get(&lock).ok_or("fad10e")?;
        if door.locked_down {
            return Err("fad001");
        }
        let known = self.users.get(user).ok_or("fcd8ef")?;
        if !known.access_enabled || !known.scim_access_enabled {
            return Err("fcd8ff");
        }
        let mut why_not = "fcd8ef";
        for row in self.rows_of(user).map(|row| &row.assignment).filter(|row| self.opens(row, lock)) {
            if row.valid_from.is_some_and(|from| now < from) {
                why_not = "f358de";
            } else if row.valid_until.is_none_or(|until| self.before(now, until)) {
                return Ok(row.id);
            } else if why_not == "fcd8ef" {
                why_not = "f35ade";
            }
        }
        Err(why_not)
    }

    /// The role assignments of a user and of its teams.
    pub(super) fn rows_of(&self, user: Id) -> impl Iterator<Item = &Row> {
        let teams = self.teams.values().filter(move |team| team.members.contains(&user));
        let through_teams = teams.flat_map(|team| self.assignments.of(Assignee::Team(team.id)));
        self.assignments.of(Assignee::User(user)).chain(through_teams)
    }

    fn opens(&self, row: &Assignment, lock: Id) -> bool {
        matches!(row.scope, Scope::Group(group) if self.is_tied(group, lock))
    }

    fn before(&self, now: Moment, until: Moment) -> bool {
        now < until || (self.switches.until_inclusive && now == until)
    }

    /// The role assignment by which the readers' cache opens that door, with nobody asked.
    fn cached(&self, user: Id, lock: &Lock, now: Moment) -> Option<Id> {
        let right = self.caches.get(&lock.place_id)?.rights.get(&(user, lock.id))?;
        let offline_since = self.places.get(&lock.place_id).and_then(|place| place.offline_since);
        let cut_off = offline_since.unwrap_or(now);
        let too_long = now - cut_off > TimeDelta::hours(i64::from(self.switches.cache_hours));
        if too_long || now - right.learnt_at > CACHED_FOR {
            return None;
        }
        let known_at = self.synced(cut_off).max(right.learnt_at);
        let version = self.history.assignment_at(right.assignment, known_at)?;
        let suspended = || self.history.enabled_at(user, known_at) == Some(false);
        let begun = version.valid_from.is_none_or(|from| from <= now);
        let in_window = begun && version.valid_until.is_none_or(|until| self.before(now, until));
        let opens =
            (in_window || !self.switches.cache_keeps_windows) && !(self.switches.cache_keeps_suspension && suspended());
        opens.then_some(right.assignment)
    }

    /// Up to when the readers knew what Kisi knew, if they could reach it until that moment.
    fn synced(&self, reached_until: Moment) -> Moment {
        let into_the_day = i64::from(reached_until.num_seconds_from_midnight());
        let back = match self.switches.cache_sync {
            CacheSync::AtOnce => 0,
            CacheSync::Minutes(every) => into_the_day % (i64::from(every).max(1) * 60),
            CacheSync::Midnight => into_the_day,
        };
        reached_until - TimeDelta::seconds(back)
    }

    /// The internet of a place goes away or comes back: its doors go by their cache, Kisi shows its hardware offline,
    /// and what happened meanwhile is told afterwards. No event tells of the outage itself (Kisi API notes, 3.7).
    pub fn set_internet(&mut self, place: Id, up: bool, now: Moment) {
        let Some(known) = self.places.get_mut(&place) else { return };
        if !up {
            known.offline_since.get_or_insert(now);
            return;
        }
        if known.offline_since.take().is_some()
            && let OfflineEvents::Uploaded { after_ms } = self.switches.offline_events
        {
            self.upload(place, now + millis(after_ms));
        }
    }
}
