//! What was true when: plain data that a checker can walk.
//!
//! All times are the twin's own clock. Spans are half open: what began at `since` held until just before `until`.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::Serialize;

use super::records::{Assignee, Assignment, Creator, Id, Moment, Scope};

/// The most versions, spans and notices that are kept; the oldest go first.
const SPANS_MAX: usize = 500_000;
/// The most requests that are kept; the oldest go first.
const REQUESTS_MAX: usize = 500_000;
/// The most events that are kept; the oldest go first.
const EVENTS_MAX: usize = 500_000;

/// One role assignment as it was for a while.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AssignmentVersion {
    /// The role assignment's id.
    pub id: Id,
    /// Who held it.
    pub assignee: Assignee,
    /// What it gave a right to.
    pub scope: Scope,
    /// The role.
    pub role_id: String,
    /// From when it was valid; open when absent.
    pub valid_from: Option<Moment>,
    /// Until when it was valid; open when absent.
    pub valid_until: Option<Moment>,
    /// Who made it.
    pub created_by: Creator,
    /// From when Kisi held this version.
    pub since: Moment,
    /// Until when; absent while it holds.
    pub until: Option<Moment>,
}

impl AssignmentVersion {
    /// Whether this version was held and its window open at that moment.
    pub fn valid_at(&self, at: Moment) -> bool {
        self.held_at(at) && self.valid_from.is_none_or(|f| f <= at) && self.valid_until.is_none_or(|u| at < u)
    }

    /// Whether Kisi held this version at that moment, whatever its window.
    pub fn held_at(&self, at: Moment) -> bool {
        self.since <= at && self.until.is_none_or(|u| at < u)
    }

    /// The part of the window that was open while this version was held; `None` where there was none.
    /// An end that is absent is open still.
    pub fn open(&self) -> Option<(Moment, Option<Moment>)> {
        let from = self.valid_from.map_or(self.since, |f| f.max(self.since));
        let until = [self.until, self.valid_until].into_iter().flatten().min();
        until.is_none_or(|u| from < u).then_some((from, until))
    }
}

/// One user's suspension or not, for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccessSpan {
    /// The user.
    pub user: Id,
    /// `access_enabled` and `scim_access_enabled`.
    pub enabled: bool,
    /// From when.
    pub since: Moment,
    /// Until when; absent while it holds.
    pub until: Option<Moment>,
}

/// One event of Kisi's record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// Its uuid.
    pub uuid: String,
    /// Its place in the order in which Kisi learnt of events.
    pub sequence: u64,
    /// Its type, as `lock.unlock`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it happened.
    pub created_at: Moment,
    /// From when it is to be seen; absent for one that Kisi hasn't learnt of.
    pub shown_at: Option<Moment>,
    /// The user who did it.
    pub actor: Option<Actor>,
    /// What it was done with, and its id.
    pub authenticated_by: Option<(String, Id)>,
    /// The role assignment that allowed it, and its role.
    pub authorized_by: Option<(Id, String)>,
    /// What it was done to: type, id, name.
    pub object: Option<(String, Id, String)>,
    /// Where.
    pub place: Option<Id>,
    /// Whether it succeeded.
    pub success: bool,
    /// Why not: Kisi's code and text.
    pub error: Option<(String, String)>,
}

/// The user of an event, with name and e-mail as they were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Actor {
    /// Its id.
    pub id: Id,
    /// Its name.
    pub name: Option<String>,
    /// Its e-mail.
    pub email: String,
}

/// One request that arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RequestRecord {
    /// When.
    pub at: Moment,
    /// Its method.
    pub method: Box<str>,
    /// Its path, without the query.
    pub path: Box<str>,
    /// The status of its answer.
    pub status: u16,
    /// Whether the answer was sent whole.
    pub delivered: bool,
}

/// The `notify` of a role assignment's `POST` or `PATCH`, as it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// When.
    pub at: Moment,
    /// The role assignment.
    pub assignment: Id,
    /// What was sent; absent when nothing was.
    pub notify: Option<bool>,
}

/// All that is remembered.
#[derive(Debug, Default)]
pub struct History {
    /// Every version of every role assignment, in the order in which they began.
    pub assignments: VecDeque<AssignmentVersion>,
    /// Every user's suspensions.
    pub access: VecDeque<AccessSpan>,
    /// The e-mail that every user there ever was had last.
    pub emails: BTreeMap<Id, String>,
    /// Every `notify` that came.
    pub notices: VecDeque<Notice>,
    /// Every request that arrived, but for those of `/_twin/`.
    pub requests: VecDeque<RequestRecord>,
    /// Every event, by the time at which it happened and its sequence.
    pub events: BTreeMap<(Moment, u64), Event>,
    /// Which entry of `assignments` holds now, counted from the very first.
    current: HashMap<Id, usize>,
    versions: HashMap<Id, Vec<usize>>,
    versions_gone: usize,
    spans: HashMap<Id, usize>,
    spans_gone: usize,
}

impl History {
    /// A role assignment came to be, or changed.
    pub(super) fn assignment(&mut self, row: &Assignment, now: Moment) {
        self.assignment_ends(row.id, now);
        if self.assignments.len() >= SPANS_MAX
            && let Some(oldest) = self.assignments.pop_front()
        {
            self.versions_gone += 1;
            let left = self.versions.get_mut(&oldest.id).map(|versions| {
                versions.retain(|n| *n >= self.versions_gone);
                versions.len()
            });
            if left == Some(0) {
                self.versions.remove(&oldest.id);
            }
        }
        let at = self.versions_gone + self.assignments.len();
        self.current.insert(row.id, at);
        self.versions.entry(row.id).or_default().push(at);
        self.assignments.push_back(AssignmentVersion {
            id: row.id,
            assignee: row.assignee,
            scope: row.scope,
            role_id: row.role_id.clone(),
            valid_from: row.valid_from,
            valid_until: row.valid_until,
            created_by: row.created_by,
            since: now,
            until: None,
        });
    }

    /// The version of a role assignment that holds ends.
    pub(super) fn assignment_ends(&mut self, id: Id, now: Moment) {
        let at = self.current.remove(&id).and_then(|at| at.checked_sub(self.versions_gone));
        if let Some(version) = at.and_then(|at| self.assignments.get_mut(at)) {
            version.until = Some(now);
        }
    }

    /// The version of a role assignment that Kisi held at that moment.
    pub fn assignment_at(&self, id: Id, at: Moment) -> Option<&AssignmentVersion> {
        let versions = self.versions.get(&id)?.iter().rev();
        let mut kept = versions.filter_map(|n| self.assignments.get(n.checked_sub(self.versions_gone)?));
        kept.find(|version| version.held_at(at))
    }

    /// A user came to be, or was suspended or restored. Nothing is noted where nothing changes.
    pub(super) fn access(&mut self, user: Id, enabled: bool, now: Moment) {
        if self.open_span(user).is_some_and(|span| span.enabled == enabled) {
            return;
        }
        self.access_ends(user, now);
        if self.access.len() >= SPANS_MAX {
            self.access.pop_front();
            self.spans_gone += 1;
        }
        self.spans.insert(user, self.spans_gone + self.access.len());
        self.access.push_back(AccessSpan { user, enabled, since: now, until: None });
    }

    /// A user is gone.
    pub(super) fn access_ends(&mut self, user: Id, now: Moment) {
        if let Some(span) = self.open_span(user) {
            span.until = Some(now);
        }
        self.spans.remove(&user);
    }

    fn open_span(&mut self, user: Id) -> Option<&mut AccessSpan> {
        let at = self.spans.get(&user)?.checked_sub(self.spans_gone)?;
        self.access.get_mut(at)
    }

    /// Whether a user was enabled at that moment; `None` where there was no such user.
    pub fn enabled_at(&self, user: Id, at: Moment) -> Option<bool> {
        let mut spans = self.access.iter().rev().filter(|span| span.user == user);
        spans.find(|s| s.since <= at && s.until.is_none_or(|u| at < u)).map(|s| s.enabled)
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        if self.notices.len() >= SPANS_MAX {
            self.notices.pop_front();
        }
        self.notices.push_back(notice);
    }

    pub(super) fn request(&mut self, request: RequestRecord) {
        if self.requests.len() >= REQUESTS_MAX {
            self.requests.pop_front();
        }
        self.requests.push_back(request);
    }

    pub(super) fn event(&mut self, event: Event) {
        if self.events.len() >= EVENTS_MAX {
            self.events.pop_first();
        }
        self.events.insert((event.created_at, event.sequence), event);
    }
}
