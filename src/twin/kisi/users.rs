//! Users (Kisi API notes, 3.1).

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use super::KisiTwin;
use super::events::Happening;
use super::records::{Assignee, Id, Moment, Scope, User};
use super::reply::{Limits, Page, Refused, Reply, body, id_param, ids_param, nothing, ok, raw};
use super::switches::{Clash, Honoured, Metadata};
use crate::twin::http::Request;

/// The limits of `metadata` (Kisi API notes, 3.1).
const METADATA_KEYS_MAX: usize = 50;
const METADATA_KEY_LENGTH_MAX: usize = 50;
const METADATA_VALUE_LENGTH_MAX: usize = 500;

#[derive(Debug)]
struct Kept {
    user: User,
    written: OnceCell<Box<str>>,
}

/// All users, found by id and by e-mail, each with its JSON kept once it has been written.
#[derive(Debug, Default)]
pub(super) struct Users {
    by_id: BTreeMap<Id, Kept>,
    by_email: HashMap<String, Id>,
}

impl Users {
    pub(super) fn get(&self, id: Id) -> Option<&User> {
        self.by_id.get(&id).map(|kept| &kept.user)
    }

    pub(super) fn by_email(&self, email: &str) -> Option<&User> {
        self.by_email.get(&email.to_lowercase()).and_then(|id| self.get(*id))
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &User> {
        self.by_id.values().map(|kept| &kept.user)
    }

    pub(super) fn insert(&mut self, user: User) {
        self.remove(user.id);
        self.by_email.insert(user.email.to_lowercase(), user.id);
        self.by_id.insert(user.id, Kept { user, written: OnceCell::new() });
    }

    pub(super) fn remove(&mut self, id: Id) -> Option<User> {
        let gone = self.by_id.remove(&id)?.user;
        self.by_email.remove(&gone.email.to_lowercase());
        Some(gone)
    }

    pub(super) fn forget_written(&mut self) {
        self.by_id.values_mut().for_each(|kept| kept.written = OnceCell::new());
    }

    pub(super) fn forget_written_of(&mut self, id: Id) {
        if let Some(kept) = self.by_id.get_mut(&id) {
            kept.written = OnceCell::new();
        }
    }

    fn written(&self, id: Id, write: impl FnOnce(&User) -> String) -> Option<&str> {
        let kept = self.by_id.get(&id)?;
        Some(kept.written.get_or_init(|| write(&kept.user).into_boxed_str()))
    }
}

impl KisiTwin {
    pub(super) fn user_written(&self, id: Id) -> Option<&str> {
        self.users.written(id, |user| self.user_json(user).to_string())
    }

    pub(super) fn own_user(&self, caller: Id) -> Reply {
        let user = self.users.get(caller).ok_or_else(|| Refused::not_found("user"))?;
        let mut shown = self.user_json(user);
        let whole = &self.organization;
        shown["organization"] = json!({ "id": whole.id, "name": whole.name, "domain": whole.domain });
        Ok(ok(200, &shown))
    }

    pub(super) fn one_user(&self, id: Id) -> Reply {
        let written = self.user_written(id).ok_or_else(|| Refused::not_found("user"))?;
        Ok(raw(200, written.to_owned()))
    }

    pub(super) fn list_users(&self, request: &Request, caller: Id) -> Reply {
        let page = Page::read(request, Limits::USERS, self.switches.limit_above_max)?;
        let email = request.param("email");
        let query = request.param("query").map(str::to_lowercase);
        let ids = ids_param(request);
        let only = self.user_param(request, caller);
        let group = id_param(request, "group_id");
        let place = id_param(request, "place_id");
        let wanted = |user: &&User| {
            email.is_none_or(|email| self.same_email(&user.email, email))
                && query.as_ref().is_none_or(|query| matches(user, query))
                && ids.as_ref().is_none_or(|ids| ids.contains(&user.id))
                && only.is_none_or(|only| only == user.id)
                && group.is_none_or(|group| self.holds(user.id, |scope| scope == Scope::Group(group)))
                && place.is_none_or(|place| self.holds(user.id, |scope| self.scope_place(scope) == Some(place)))
        };
        let mut rows: Vec<&User> = match email {
            Some(email) => self.users.by_email(email).into_iter().filter(wanted).collect(),
            None => self.users.iter().filter(wanted).collect(),
        };
        if self.switches.newest_first {
            rows.reverse();
        }
        let sort = request.param("sort").unwrap_or_default();
        match sort.trim_start_matches('-') {
            "name" => rows.sort_by(|a, b| a.name.cmp(&b.name)),
            "access_enabled" => rows.sort_by_key(|user| user.access_enabled),
            "unlock" => rows.sort_by_key(|user| user.last_accessed_at),
            _ => {}
        }
        if sort.starts_with('-') {
            rows.reverse();
        }
        Ok(page.answer(rows.into_iter(), |user, out| out.push_str(self.user_written(user.id).unwrap_or("null"))))
    }

    /// The `user_id` filter, where `me` is the caller.
    pub(super) fn user_param(&self, request: &Request, caller: Id) -> Option<Id> {
        if request.param("user_id") == Some("me") { Some(caller) } else { id_param(request, "user_id") }
    }

    fn same_email(&self, kept: &str, asked: &str) -> bool {
        kept == asked || (!self.switches.email_filter_case_sensitive && kept.to_lowercase() == asked.to_lowercase())
    }

    fn holds(&self, user: Id, wanted: impl Fn(Scope) -> bool) -> bool {
        self.assignments.of(Assignee::User(user)).any(|row| wanted(row.assignment.scope))
    }

    pub(super) fn scope_place(&self, scope: Scope) -> Option<Id> {
        match scope {
            Scope::Organization => None,
            Scope::Place(place) => Some(place),
            Scope::Group(group) => self.groups.get(&group).and_then(|group| group.place_id),
        }
    }

    pub(super) fn create_user(&mut self, request: &Request, caller: Id, now: Moment) -> Reply {
        let given = body(request, "user")?;
        let email = text(&given, "email").unwrap_or_default().trim().to_owned();
        if !email.contains('@') {
            return Err(Refused::field("email", "can't be blank or invalid"));
        }
        if self.users.by_email(&email).is_some() {
            return Err(match self.switches.known_email {
                Clash::Conflict => Refused::generic(409, "There is a user with this e-mail already."),
                Clash::Invalid => Refused::field("email", "has already been taken"),
            });
        }
        let name = match (self.switches.name_on_post, given.contains_key("name")) {
            (Honoured::Taken, _) => text(&given, "name"),
            (Honoured::Ignored, _) | (Honoured::Refused, false) => None,
            (Honoured::Refused, true) => return Err(Refused::field("name", "is not allowed")),
        };
        let metadata = match given.get("metadata") {
            None | Some(Value::Null) => Map::new(),
            Some(value) => checked_metadata(value)?,
        };
        let user = User {
            id: self.next_id(0),
            email,
            name,
            notes: text(&given, "notes"),
            metadata,
            access_enabled: flag(&given, "access_enabled").unwrap_or(true),
            scim_access_enabled: true,
            send_emails: flag(&given, "send_emails").unwrap_or(true),
            confirm: flag(&given, "confirm").unwrap_or(false),
            created_at: now,
            updated_at: now,
            last_accessed_at: None,
        };
        let id = user.id;
        self.put_user(user, Some(caller), now);
        self.one_user(id)
    }

    pub(super) fn update_user(&mut self, request: &Request, id: Id, caller: Id, now: Moment) -> Reply {
        let given = body(request, "user")?;
        let mut user = self.users.get(id).cloned().ok_or_else(|| Refused::not_found("user"))?;
        if let Some(email) = text(&given, "email").filter(|email| *email != user.email) {
            match self.switches.email_in_patch {
                Honoured::Taken => user.email = email,
                Honoured::Ignored => {}
                Honoured::Refused => return Err(Refused::field("email", "can't be changed")),
            }
        }
        if given.contains_key("name") {
            user.name = text(&given, "name");
        }
        if given.contains_key("notes") {
            user.notes = text(&given, "notes");
        }
        user.access_enabled = flag(&given, "access_enabled").unwrap_or(user.access_enabled);
        if let Some(value) = given.get("metadata") {
            let new = checked_metadata(value)?;
            user.metadata = match self.switches.metadata {
                Metadata::Replaced => new,
                Metadata::Merged => {
                    let mut merged = std::mem::take(&mut user.metadata);
                    merged.extend(new);
                    checked_metadata(&Value::Object(merged))?
                }
            };
        }
        user.updated_at = now;
        self.put_user(user, Some(caller), now);
        Ok(nothing())
    }

    pub(super) fn delete_user(&mut self, id: Id, caller: Id, now: Moment) -> Reply {
        if id == caller {
            return Err(Refused::field("base", "is the user of this key"));
        }
        self.drop_user(id, Some(caller), now).map(|_| nothing()).ok_or_else(|| Refused::not_found("user"))
    }

    /// Keeps a user as it is now, new or changed, with history and event.
    pub(super) fn put_user(&mut self, user: User, actor: Option<Id>, now: Moment) {
        let id = user.id;
        let kind = if self.users.get(id).is_some() { "user.update" } else { "user.create" };
        self.history.access(id, user.access_enabled && user.scim_access_enabled, now);
        let name = user.name.clone().unwrap_or_else(|| user.email.clone());
        self.history.emails.insert(id, user.email.clone());
        self.users.insert(user);
        self.assignments.forget_written_of(Assignee::User(id));
        self.emit(Happening::of(kind, actor, ("User", id, &name)), now);
    }

    /// Removes a user with all that it holds.
    pub(super) fn drop_user(&mut self, id: Id, actor: Option<Id>, now: Moment) -> Option<User> {
        let held: Vec<_> = self.assignments.of(Assignee::User(id)).map(|row| row.assignment.id).collect();
        for row in held {
            self.drop_assignment(row, actor, now);
        }
        let gone = self.users.remove(id)?;
        self.history.access_ends(id, now);
        for team in self.teams.values_mut() {
            team.members.retain(|member| *member != id);
        }
        let name = gone.name.clone().unwrap_or_else(|| gone.email.clone());
        self.emit(Happening::of("user.destroy", actor, ("User", id, &name)), now);
        Some(gone)
    }
}

fn matches(user: &User, query: &str) -> bool {
    let texts = [Some(&user.email), user.name.as_ref(), user.notes.as_ref()];
    texts.into_iter().flatten().any(|text| text.to_lowercase().contains(query))
}

fn text(given: &Map<String, Value>, key: &str) -> Option<String> {
    given.get(key).and_then(Value::as_str).map(str::to_owned)
}

pub(super) fn flag(given: &Map<String, Value>, key: &str) -> Option<bool> {
    given.get(key).and_then(Value::as_bool)
}

fn checked_metadata(value: &Value) -> Result<Map<String, Value>, Refused> {
    let map = value.as_object().ok_or_else(|| Refused::field("metadata", "must be an object"))?;
    if map.len() > METADATA_KEYS_MAX {
        return Err(Refused::field("metadata", "has too many keys"));
    }
    for (key, value) in map {
        let length = match value {
            Value::Array(_) | Value::Object(_) => return Err(Refused::field("metadata", "must be flat")),
            Value::String(text) => text.chars().count(),
            other => other.to_string().len(),
        };
        if key.chars().count() > METADATA_KEY_LENGTH_MAX || length > METADATA_VALUE_LENGTH_MAX {
            return Err(Refused::field("metadata", "has a key or value that is too long"));
        }
    }
    Ok(map.clone())
}
