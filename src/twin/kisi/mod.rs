//! The Kisi twin: users, groups, role assignments, doors and events of one organization, as its API shows them.
//!
//! Built from the Kisi API notes alone, and checked by Kisi's own client. Where nobody outside knows what the real
//! one does, a [`Switches`] entry lets it do either. It reads no clock: windows are judged by the `now` that comes
//! with each request or tap, never by anything a caller says.

mod assignments;
mod control;
mod door;
mod event_sets;
mod events;
mod history;
mod post;
mod quota;
mod records;
mod render;
mod reply;
mod rows;
mod setup;
mod site;
mod switches;
mod users;
mod webhooks;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use chrono::TimeDelta;

pub use self::door::{Decision, JudgedBy};
pub use self::events::Happening;
pub use self::history::{AccessSpan, Actor, AssignmentVersion, Event, History, Notice, RequestRecord};
pub use self::post::post_webhooks;
pub use self::records::*;
pub use self::switches::*;
pub use self::webhooks::Delivery;

use self::quota::{Caller, Quota};
use self::reply::{Refused, Reply};
use super::control::PREFIX;
use super::faults::{Faults, imf_fixdate};
use super::http::{Answer, Cloud, Fate, Request, Response};

/// A Kisi organization in process.
#[derive(Debug)]
pub struct KisiTwin {
    /// The faults that its requests meet.
    pub faults: Faults,
    switches: Switches,
    organization: Organization,
    places: BTreeMap<Id, Place>,
    users: users::Users,
    teams: BTreeMap<Id, Team>,
    groups: BTreeMap<Id, Group>,
    group_locks: BTreeMap<Id, GroupLock>,
    locks: BTreeMap<Id, Lock>,
    controllers: BTreeMap<Id, Controller>,
    readers: BTreeMap<Id, Reader>,
    integrations: BTreeMap<Id, Integration>,
    assignments: rows::Rows,
    keys: BTreeMap<String, Key>,
    event_sets: BTreeMap<Id, event_sets::EventSet>,
    offline_events: Vec<(Moment, u64)>,
    caches: BTreeMap<Id, door::Cache>,
    deliveries: VecDeque<Delivery>,
    failures: BTreeMap<Id, u32>,
    quota: Quota,
    history: History,
    rng: fastrand::Rng,
    last_id: Id,
    last_sequence: u64,
    /// How much later than usual the answer in hand is to come.
    late: Duration,
}

impl KisiTwin {
    /// An organization with nothing in it. `seed` settles all that is drawn: uuids, order, delays.
    pub fn new(organization: Organization, seed: u64) -> KisiTwin {
        KisiTwin {
            faults: Faults::default(),
            switches: Switches::default(),
            organization,
            places: BTreeMap::new(),
            users: users::Users::default(),
            teams: BTreeMap::new(),
            groups: BTreeMap::new(),
            group_locks: BTreeMap::new(),
            locks: BTreeMap::new(),
            controllers: BTreeMap::new(),
            readers: BTreeMap::new(),
            integrations: BTreeMap::new(),
            assignments: rows::Rows::default(),
            keys: BTreeMap::new(),
            event_sets: BTreeMap::new(),
            offline_events: Vec::new(),
            caches: BTreeMap::new(),
            deliveries: VecDeque::new(),
            failures: BTreeMap::new(),
            quota: Quota::default(),
            history: History::default(),
            rng: fastrand::Rng::with_seed(seed),
            last_id: 1_000,
            last_sequence: 0,
            late: Duration::ZERO,
        }
    }

    /// What was true when.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The switches as they stand.
    pub fn switches(&self) -> &Switches {
        &self.switches
    }

    /// Sets switches.
    pub fn switch(&mut self, set: impl FnOnce(&mut Switches)) {
        set(&mut self.switches);
        self.forget_written();
    }

    /// Drops every row that has been written as JSON, so that each is written anew.
    fn forget_written(&mut self) {
        self.users.forget_written();
        self.assignments.forget_written();
    }

    fn next_id(&mut self, wanted: Id) -> Id {
        if wanted != 0 {
            self.last_id = self.last_id.max(wanted);
            return wanted;
        }
        self.last_id += 1;
        self.last_id
    }

    fn work(&mut self, request: &Request, now: Moment) -> Response {
        self.settle(now);
        match self.admit(request, now).and_then(|caller| self.route(request, caller, now)) {
            Ok(response) => response,
            Err(refused) => refused.response(),
        }
    }

    /// The user whose key came, if its quota allows one more call.
    fn admit(&mut self, request: &Request, now: Moment) -> Result<Id, Refused> {
        let secret = request.header("authorization").and_then(|value| value.strip_prefix("KISI-LOGIN "));
        let key = secret.and_then(|secret| self.keys.get(secret)).filter(|key| self.users.get(key.user).is_some());
        let Some(key) = key.cloned() else {
            self.count(Caller::Nobody, self.switches.requests_per_second, now)?;
            return Err(Refused::generic(401, "Please sign in first."));
        };
        self.count(Caller::User(key.user), self.switches.requests_per_second, now)?;
        let reads = request.method == "GET" || request.path.starts_with("/event_sets");
        match key.refused.or(key.writes_refused.filter(|_| !reads)) {
            Some(status) => Err(Refused::generic(status, "This key may not do that.")),
            None => Ok(key.user),
        }
    }

    fn count(&mut self, caller: Caller, limit: usize, now: Moment) -> Result<(), Refused> {
        let free = match self.quota.count(caller, limit, self.switches.refused_calls_count, now) {
            Ok(()) => return Ok(()),
            Err(free) => free,
        };
        let seconds = (free - now + TimeDelta::milliseconds(999)).num_seconds().max(1);
        Err(Refused::TooMany {
            retry_after: match self.switches.retry_after {
                RetryAfter::None => None,
                RetryAfter::Seconds => Some(seconds.to_string()),
                RetryAfter::Date => Some(imf_fixdate(now + TimeDelta::seconds(seconds))),
            },
        })
    }

    fn route(&mut self, request: &Request, caller: Id, now: Moment) -> Reply {
        let path: Vec<&str> = request.path.trim_matches('/').split('/').collect();
        let [resource, rest @ ..] = path.as_slice() else {
            return Err(no_endpoint());
        };
        let id = match rest {
            [] => None,
            [id, ..] => id.parse::<Id>().ok(),
        };
        // Whether the live API takes PUT is unknown; its own client has no PATCH (Kisi API notes, 7.2).
        let method = if request.method == "PUT" { "PATCH" } else { request.method.as_str() };
        match (method, *resource, rest.len(), id) {
            ("GET", "user", 0, _) => self.own_user(caller),
            ("GET", "users", 0, _) => self.list_users(request, caller),
            ("POST", "users", 0, _) => self.create_user(request, caller, now),
            ("GET", "users", 1, Some(id)) => self.one_user(id),
            ("PATCH", "users", 1, Some(id)) => self.update_user(request, id, caller, now),
            ("DELETE", "users", 1, Some(id)) => self.delete_user(id, caller, now),
            ("GET", "members", 0, _) => self.list_members(request),
            ("GET", "shares", 0, _) => self.list_shares(request),
            ("GET", "role_assignments", 0, _) => self.list_assignments(request, caller),
            ("POST", "role_assignments", 0, _) => self.create_assignment(request, caller, now),
            ("GET", "role_assignments", 1, Some(id)) => self.one_assignment(id),
            ("PATCH", "role_assignments", 1, Some(id)) => self.update_assignment(request, id, caller, now),
            ("DELETE", "role_assignments", 1, Some(id)) => self.delete_assignment(id, caller, now),
            ("POST", "event_sets", 0, _) => {
                self.count(Caller::EventSets(caller), usize::from(self.switches.requests_per_second > 0), now)?;
                self.create_event_set(request, now)
            }
            ("GET", "event_sets", 1, Some(id)) => self.one_event_set(request, id, now),
            ("GET", "events", 1, None) if rest == ["types"] => Ok(events::types()),
            ("POST", "locks", 2, Some(id)) if rest[1] == "unlock" => self.unlock(id, caller, now),
            ("POST", "group_locks", 0, _) => self.create_group_lock(request, caller, now),
            ("DELETE", "group_locks", 1, Some(id)) => self.delete_group_lock(id, caller, now),
            ("GET", _, 0, _) => self.list(resource, request),
            ("GET", _, 1, Some(id)) => self.one(resource, id),
            _ => Err(no_endpoint()),
        }
    }
}

fn no_endpoint() -> Refused {
    Refused::generic(404, "This endpoint is not there.")
}

impl Cloud for KisiTwin {
    fn handle(&mut self, request: &Request, now: Moment) -> Answer {
        if request.path.starts_with(PREFIX) {
            let response = self.steer(request, now);
            return Answer { response, delay: Duration::ZERO, fate: Fate::Deliver };
        }
        let met = self.faults.meet(request);
        let mut answer = met.answer(now, || self.work(request, now));
        answer.delay += std::mem::take(&mut self.late);
        self.history.request(RequestRecord {
            at: now,
            method: request.method.as_str().into(),
            path: request.path.as_str().into(),
            status: answer.response.status,
            delivered: answer.fate == Fate::Deliver,
        });
        answer
    }

    fn down(&self) -> bool {
        self.faults.down
    }
}
