//! Role assignments (Kisi API notes, 3.3).

use chrono::{DateTime, SubsecRound as _, Utc};
use serde_json::{Map, Value};

use super::KisiTwin;
use super::events::Happening;
use super::history::Notice;
use super::records::{Assignee, Assignment, Creator, Id, Moment, Scope};
use super::reply::{Limits, Page, Refused, Reply, body, id_param, id_value, ids_param, nothing, raw};
use super::rows::Row;
use super::switches::{Clash, Expired, Form, Honoured, Missing};
use super::users::flag;
use crate::twin::http::Request;

/// Every role, and what it applies to.
pub(super) const ROLES: [(&str, &str); 5] = [
    ("group_basic", "Group"),
    ("group_manager", "Group"),
    ("place_owner", "Place"),
    ("organization_administrator", "Organization"),
    ("organization_owner", "Organization"),
];

impl KisiTwin {
    /// Lets go what has ended by that moment, where Kisi does so.
    pub(super) fn settle(&mut self, now: Moment) {
        if self.switches.expired_rows == Expired::Stay {
            return;
        }
        for id in self.assignments.ended(now) {
            if let Some(gone) = self.assignments.remove(id) {
                let end = gone.valid_until.unwrap_or(now).max(gone.updated_at);
                self.history.assignment_ends(id, end);
                self.forget_holder(gone.assignee);
            }
        }
    }

    fn row_written<'a>(&'a self, row: &'a Row) -> &'a str {
        row.written(|assignment| self.assignment_json(assignment).to_string())
    }

    pub(super) fn one_assignment(&self, id: Id) -> Reply {
        let row = self.assignments.get(id).ok_or_else(|| Refused::not_found("role assignment"))?;
        Ok(raw(200, self.row_written(row).to_owned()))
    }

    pub(super) fn list_assignments(&self, request: &Request, caller: Id) -> Reply {
        let page = Page::read(request, Limits::OTHERS, self.switches.limit_above_max)?;
        let ids = ids_param(request);
        let user = self.user_param(request, caller);
        let group = id_param(request, "group_id");
        let place = id_param(request, "place_id");
        let role = request.param("role_id");
        let scope = request.param("scope");
        let query = request.param("query").map(str::to_lowercase);
        let holder = (request.param("assignee_type"), id_param(request, "assignee_id"));
        let target = (request.param("applies_to_type"), id_param(request, "applies_to_id"));
        let wanted = |row: &&Row| {
            let row = &row.assignment;
            ids.as_ref().is_none_or(|ids| ids.contains(&row.id))
                && user.is_none_or(|user| self.held_by(row, user))
                && group.is_none_or(|group| row.scope == Scope::Group(group))
                && place.is_none_or(|place| self.scope_place(row.scope) == Some(place))
                && role.is_none_or(|role| row.role_id == role)
                && scope.is_none_or(|scope| scope_name(row) == scope)
                && fits(holder, assignee_pair(row.assignee))
                && fits(target, self.scope_pair(row.scope))
                && query.as_ref().is_none_or(|query| self.holder_matches(row.assignee, query))
        };
        // The narrowest index first; the filters above decide.
        let held_by = if holder.0 == Some("User") { holder.1 } else { None };
        let within = group.or(if target.0 == Some("Group") { target.1 } else { None });
        let mut rows: Vec<&Row> = match (held_by, user, within) {
            (Some(id), _, _) => self.assignments.of(Assignee::User(id)).collect(),
            (None, Some(id), _) => self.rows_of(id).collect(),
            (None, None, Some(id)) => self.assignments.within(Scope::Group(id)).collect(),
            (None, None, None) => self.assignments.iter().collect(),
        };
        rows.retain(wanted);
        rows.sort_by_key(|row| row.assignment.id);
        if self.switches.newest_first {
            rows.reverse();
        }
        if request.param("sort") == Some("user.name") {
            rows.sort_by_key(|row| self.holder_name(row.assignment.assignee));
        }
        Ok(page.answer(rows.into_iter(), |row, out| out.push_str(self.row_written(row))))
    }

    fn held_by(&self, row: &Assignment, user: Id) -> bool {
        match row.assignee {
            Assignee::User(id) => id == user,
            Assignee::Team(id) => {
                self.switches.team_rows_by_user && self.teams.get(&id).is_some_and(|team| team.members.contains(&user))
            }
            Assignee::Guest(_) => false,
        }
    }

    fn scope_pair(&self, scope: Scope) -> (&'static str, Id) {
        match scope {
            Scope::Organization => ("Organization", self.organization.id),
            Scope::Place(id) => ("Place", id),
            Scope::Group(id) => ("Group", id),
        }
    }

    fn holder_name(&self, assignee: Assignee) -> Option<&str> {
        match assignee {
            Assignee::User(id) => self.users.get(id).and_then(|user| user.name.as_deref()),
            Assignee::Team(id) => self.teams.get(&id).map(|team| team.name.as_str()),
            Assignee::Guest(_) => None,
        }
    }

    fn holder_matches(&self, assignee: Assignee, query: &str) -> bool {
        let Assignee::User(id) = assignee else { return false };
        self.users.get(id).is_some_and(|user| {
            [Some(&user.email), user.name.as_ref()].into_iter().flatten().any(|t| t.to_lowercase().contains(query))
        })
    }

    pub(super) fn create_assignment(&mut self, request: &Request, caller: Id, now: Moment) -> Reply {
        let given = body(request, "role_assignment")?;
        let (assignee, scope) = self.parties(&given)?;
        let role_id = given.get("role_id").and_then(Value::as_str).unwrap_or_default();
        if !ROLES.iter().any(|(role, applies)| *role == role_id && *applies == self.scope_pair(scope).0) {
            return Err(Refused::field("role_id", "is not a role of this scope"));
        }
        self.must_exist(assignee, scope)?;
        let (valid_from, valid_until) = match scope {
            Scope::Group(_) => (moment(&given, "valid_from")?.flatten(), moment(&given, "valid_until")?.flatten()),
            Scope::Organization | Scope::Place(_) => (None, None),
        };
        must_be_a_window(valid_from, valid_until)?;
        if self.assignments.find(assignee, scope).is_some() {
            return Err(match self.switches.second_assignment {
                Clash::Conflict => Refused::generic(409, "There is such a role assignment already."),
                Clash::Invalid => Refused::field("user", "has a role here already"),
            });
        }
        let notify = flag(&given, "notify");
        let id = self.next_id(0);
        let row = Assignment {
            id,
            role_id: role_id.to_owned(),
            scope,
            assignee,
            created_by: Creator::User(caller),
            valid_from,
            valid_until,
            notify: notify.unwrap_or(self.switches.notify_default),
            created_at: now,
            updated_at: now,
        };
        self.history.notice(Notice { at: now, assignment: id, notify });
        self.put_assignment(row, Some(caller), now);
        self.one_assignment(id)
    }

    /// Who and what a body names, in the new form or the old one.
    fn parties(&self, given: &Map<String, Value>) -> Result<(Assignee, Scope), Refused> {
        let form = self.switches.assignment_form;
        let holder = (given.get("assignee_type").and_then(Value::as_str), id_value(given.get("assignee_id")));
        let target = (given.get("applies_to_type").and_then(Value::as_str), id_value(given.get("applies_to_id")));
        if form != Form::Old && (holder.0.is_some() || form == Form::New) {
            let assignee = match holder {
                (Some("User"), Some(id)) => Assignee::User(id),
                (Some("Team"), Some(id)) => Assignee::Team(id),
                (Some("Guest"), Some(id)) => Assignee::Guest(id),
                _ => return Err(Refused::field("assignee", "can't be blank")),
            };
            let scope = match target {
                (Some("Organization"), Some(_)) => Scope::Organization,
                (Some("Place"), Some(id)) => Scope::Place(id),
                (Some("Group"), Some(id)) => Scope::Group(id),
                _ => return Err(Refused::field("applies_to", "can't be blank")),
            };
            return Ok((assignee, scope));
        }
        let user = id_value(given.get("user_id")).ok_or_else(|| Refused::field("user", "can't be blank"))?;
        let group = id_value(given.get("group_id")).map(Scope::Group);
        let place = id_value(given.get("place_id")).map(Scope::Place);
        Ok((Assignee::User(user), group.or(place).unwrap_or(Scope::Organization)))
    }

    fn must_exist(&self, assignee: Assignee, scope: Scope) -> Result<(), Refused> {
        let holder = match assignee {
            Assignee::User(id) => self.users.get(id).is_some(),
            Assignee::Team(id) => self.teams.contains_key(&id),
            Assignee::Guest(_) => true,
        };
        let target = match scope {
            Scope::Organization => true,
            Scope::Place(id) => self.places.contains_key(&id),
            Scope::Group(id) => self.groups.contains_key(&id),
        };
        let what = match (holder, target) {
            (true, true) => return Ok(()),
            (false, _) => "user",
            (true, false) => "group",
        };
        Err(match self.switches.missing {
            Missing::NotFound => Refused::not_found(what),
            Missing::Invalid => Refused::field(what, "must exist"),
        })
    }

    pub(super) fn update_assignment(&mut self, request: &Request, id: Id, caller: Id, now: Moment) -> Reply {
        let given = body(request, "role_assignment")?;
        let known = self.assignments.get(id).ok_or_else(|| Refused::not_found("role assignment"))?;
        let mut row = known.assignment.clone();
        let notify = flag(&given, "notify");
        if let Some(role) = given.get("role_id").and_then(Value::as_str) {
            role.clone_into(&mut row.role_id);
        }
        row.notify = notify.unwrap_or(row.notify);
        let (from, until) = (moment(&given, "valid_from")?, moment(&given, "valid_until")?);
        match self.switches.patch_window {
            Honoured::Taken if matches!(row.scope, Scope::Group(_)) => {
                row.valid_from = from.unwrap_or(row.valid_from);
                row.valid_until = until.unwrap_or(row.valid_until);
                must_be_a_window(row.valid_from, row.valid_until)?;
            }
            Honoured::Refused if from.is_some() || until.is_some() => {
                return Err(Refused::field("valid_until", "is not allowed"));
            }
            _ => {}
        }
        self.history.notice(Notice { at: now, assignment: id, notify });
        row.updated_at = now;
        self.put_assignment(row, Some(caller), now);
        Ok(nothing())
    }

    pub(super) fn delete_assignment(&mut self, id: Id, caller: Id, now: Moment) -> Reply {
        let gone = self.drop_assignment(id, Some(caller), now);
        gone.map(|_| nothing()).ok_or_else(|| Refused::not_found("role assignment"))
    }

    /// Keeps a role assignment as it is now, new or changed, with history and event.
    pub(super) fn put_assignment(&mut self, row: Assignment, actor: Option<Id>, now: Moment) {
        let old = self.assignments.remove(row.id);
        let kind = if old.is_some() { "role_assignment.update" } else { "role_assignment.create" };
        if old.is_none_or(|old| Assignment { updated_at: row.updated_at, notify: row.notify, ..old } != row) {
            self.history.assignment(&row, now);
        }
        self.forget_holder(row.assignee);
        self.tell_assignment(kind, &row, actor, now);
        self.assignments.insert(row);
    }

    /// Removes a role assignment.
    pub(super) fn drop_assignment(&mut self, id: Id, actor: Option<Id>, now: Moment) -> Option<Assignment> {
        let gone = self.assignments.remove(id)?;
        self.history.assignment_ends(id, now);
        self.forget_holder(gone.assignee);
        self.tell_assignment("role_assignment.destroy", &gone, actor, now);
        Some(gone)
    }

    fn tell_assignment(&mut self, kind: &str, row: &Assignment, actor: Option<Id>, now: Moment) {
        let name = self.holder_name(row.assignee).unwrap_or_default().to_owned();
        let mut happening = Happening::of(kind, actor, ("RoleAssignment", row.id, &name));
        happening.place = self.scope_place(row.scope);
        self.emit(happening, now);
    }

    /// The holder's JSON counts its groups.
    fn forget_holder(&mut self, assignee: Assignee) {
        if let Assignee::User(id) = assignee {
            self.users.forget_written_of(id);
        }
    }
}

fn fits(asked: (Option<&str>, Option<Id>), has: (&'static str, Id)) -> bool {
    asked.0.is_none_or(|kind| kind == has.0) && asked.1.is_none_or(|id| id == has.1)
}

fn assignee_pair(assignee: Assignee) -> (&'static str, Id) {
    match assignee {
        Assignee::User(id) => ("User", id),
        Assignee::Team(id) => ("Team", id),
        Assignee::Guest(id) => ("Guest", id),
    }
}

fn scope_name(row: &Assignment) -> &'static str {
    match (row.assignee, row.scope) {
        (Assignee::Team(_), _) => "team",
        (_, Scope::Organization) => "organization",
        (_, Scope::Place(_)) => "place",
        (_, Scope::Group(_)) => "group",
    }
}

/// A date of a body: absent, null, or a moment in whole seconds.
fn moment(given: &Map<String, Value>, key: &'static str) -> Result<Option<Option<Moment>>, Refused> {
    let text = match given.get(key) {
        None => return Ok(None),
        Some(Value::Null) => return Ok(Some(None)),
        Some(value) => value.as_str().unwrap_or_default(),
    };
    let read = DateTime::parse_from_rfc3339(text).map_err(|_| Refused::field(key, "is not a valid date and time"))?;
    Ok(Some(Some(read.with_timezone(&Utc).trunc_subsecs(0))))
}

fn must_be_a_window(from: Option<Moment>, until: Option<Moment>) -> Result<(), Refused> {
    match (from, until) {
        (Some(from), Some(until)) if until <= from => Err(Refused::field("valid_until", "must be after valid_from")),
        _ => Ok(()),
    }
}
