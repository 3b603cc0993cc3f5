//! What is only read, or read and opened: places, groups, doors, hardware (Kisi API notes, 3.2, 3.5 to 3.7).

use serde_json::{Value, json};

use super::KisiTwin;
use super::assignments::ROLES;
use super::door;
use super::events::{Happening, millis};
use super::records::{Assignee, GroupLock, Id, Moment, Scope};
use super::reply::{Limits, Page, Refused, Reply, body, bool_param, id_param, id_value, ids_param, nothing, ok};
use super::switches::Unlock;
use super::{User, no_endpoint};
use crate::twin::http::Request;

/// When the deprecated resources will be gone, as their headers say.
const SUNSET: &str = "Thu, 31 Dec 2026 23:59:59 GMT";

/// The filters that most lists share.
struct Asked {
    ids: Option<Vec<Id>>,
    query: Option<String>,
    place: Option<Id>,
    online: Option<bool>,
}

impl Asked {
    fn read(request: &Request) -> Asked {
        let status = request.param("status").map(|status| status == "online");
        Asked {
            ids: ids_param(request),
            query: request.param("query").map(str::to_lowercase),
            place: id_param(request, "place_id"),
            online: bool_param(request, "online").or(status),
        }
    }

    fn wants(&self, id: Id, name: &str, place: Option<Id>) -> bool {
        self.ids.as_ref().is_none_or(|ids| ids.contains(&id))
            && self.query.as_ref().is_none_or(|query| name.to_lowercase().contains(query))
            && (self.place.is_none() || self.place == place)
    }
}

impl KisiTwin {
    pub(super) fn list(&self, resource: &str, request: &Request) -> Reply {
        let limits = if resource == "locks" { Limits::LOCKS } else { Limits::OTHERS };
        let page = Page::read(request, limits, self.switches.limit_above_max);
        let asked = Asked::read(request);
        let lock = id_param(request, "lock_id");
        let online = |is: bool| asked.online.is_none_or(|wanted| wanted == is);
        match resource {
            "places" => {
                let rows = self.places.values().filter(|place| asked.wants(place.id, &place.name, Some(place.id)));
                Ok(page?.values(rows.map(|place| self.place_json(place))))
            }
            "groups" => {
                let scope = request.param("scope");
                let rows = self.groups.values().filter(|group| {
                    asked.wants(group.id, &group.name, group.place_id)
                        && scope.is_none_or(|scope| (scope == "place") == group.place_id.is_some())
                        && lock.is_none_or(|lock| self.is_tied(group.id, lock))
                });
                Ok(page?.values(rows.map(|group| self.group_json(group))))
            }
            "group_locks" => {
                let Some(group) = id_param(request, "group_id") else {
                    return Err(Refused::generic(400, "param is missing or the value is empty: group_id"));
                };
                let rows = self.group_locks.values().filter(|tie| tie.group_id == group);
                let rows = rows.filter(|tie| lock.is_none_or(|lock| lock == tie.lock_id));
                Ok(page?.values(rows.map(|tie| self.group_lock_json(tie))))
            }
            "locks" => {
                let state = |name: &str, is: bool| bool_param(request, name).is_none_or(|wanted| wanted == is);
                let rows = self.locks.values().filter(|lock| {
                    asked.wants(lock.id, &lock.name, Some(lock.place_id))
                        && (asked.online.is_none() || asked.online == self.lock_online(lock))
                        && state("configured", lock.configured)
                        && state("unlocked", lock.unlocked)
                        && state("locked_down", lock.locked_down)
                });
                Ok(page?.values(rows.map(|lock| self.lock_json(lock))))
            }
            "controllers" => {
                let rows = self.controllers.values().filter(|controller| {
                    asked.wants(controller.id, &controller.name, Some(controller.place_id))
                        && online(controller.online && self.reached(controller.place_id))
                });
                Ok(page?.values(rows.map(|controller| self.controller_json(controller))))
            }
            "readers" => {
                let rows = self.readers.values().filter(|reader| {
                    asked.wants(reader.id, &reader.name, Some(reader.place_id))
                        && online(reader.online && self.reached(reader.place_id))
                        && lock.is_none_or(|lock| reader.lock_id == Some(lock))
                });
                Ok(page?.values(rows.map(|reader| self.reader_json(reader))))
            }
            "integrations" => Ok(page?.values(self.integrations.values().map(|i| self.integration_json(i)))),
            "roles" => Ok(page?.values(ROLES.iter().map(|(role, applies)| {
                let name = role.replace('_', " ");
                json!({
                    "id": role, "resource_type": "Role", "applies_to": applies, "name": name,
                    "description": format!("The role {name}."),
                })
            }))),
            _ => Err(no_endpoint()),
        }
    }

    pub(super) fn one(&self, resource: &str, id: Id) -> Reply {
        let shown = match resource {
            "places" => self.places.get(&id).map(|place| self.place_json(place)),
            "groups" => self.groups.get(&id).map(|group| self.group_json(group)),
            "group_locks" => self.group_locks.get(&id).map(|tie| self.group_lock_json(tie)),
            "locks" => self.locks.get(&id).map(|lock| self.lock_json(lock)),
            "controllers" => self.controllers.get(&id).map(|controller| self.controller_json(controller)),
            "readers" => self.readers.get(&id).map(|reader| self.reader_json(reader)),
            "integrations" => self.integrations.get(&id).map(|integration| self.integration_json(integration)),
            _ => return Err(no_endpoint()),
        };
        shown.map(|shown| ok(200, &shown)).ok_or_else(|| Refused::not_found("record"))
    }

    /// Whether that door is in that group.
    pub(super) fn is_tied(&self, group: Id, lock: Id) -> bool {
        self.group_locks.values().any(|tie| tie.group_id == group && tie.lock_id == lock)
    }

    pub(super) fn create_group_lock(&mut self, request: &Request, caller: Id, now: Moment) -> Reply {
        let given = body(request, "group_lock")?;
        let named = (id_value(given.get("group_id")), id_value(given.get("lock_id")));
        let (Some(group_id), Some(lock_id)) = named else {
            return Err(Refused::field("group", "can't be blank"));
        };
        if !self.groups.contains_key(&group_id) || !self.locks.contains_key(&lock_id) {
            return Err(Refused::not_found("group or lock"));
        }
        let tie = GroupLock { id: self.next_id(0), group_id, lock_id, created_at: now };
        let shown = self.group_lock_json(&tie);
        self.emit(Happening::of("group_lock.create", Some(caller), ("GroupLock", tie.id, "")), now);
        self.group_locks.insert(tie.id, tie);
        Ok(ok(200, &shown))
    }

    pub(super) fn delete_group_lock(&mut self, id: Id, caller: Id, now: Moment) -> Reply {
        self.group_locks.remove(&id).ok_or_else(|| Refused::not_found("group lock"))?;
        self.emit(Happening::of("group_lock.destroy", Some(caller), ("GroupLock", id, "")), now);
        Ok(nothing())
    }

    /// Deprecated: a member wraps a user, and its id is another one (Kisi API notes, 3.1).
    pub(super) fn list_members(&self, request: &Request) -> Reply {
        let page = Page::read(request, Limits::USERS, self.switches.limit_above_max)?;
        let member = |user: &User| {
            json!({
                "id": user.id + 5_000_000, "resource_type": "Member", "user_id": user.id,
                "user": self.user_json(user), "access_enabled": user.access_enabled,
            })
        };
        Ok(deprecated(page.values(self.users.iter().map(member))))
    }

    /// Deprecated: what role assignments were before.
    pub(super) fn list_shares(&self, request: &Request) -> Reply {
        let page = Page::read(request, Limits::OTHERS, self.switches.limit_above_max)?;
        let share = |row: &super::rows::Row| {
            let mut shown: Value = self.assignment_json(&row.assignment);
            shown["resource_type"] = json!("Share");
            shown
        };
        Ok(deprecated(page.values(self.assignments.iter().map(share))))
    }

    /// `POST /locks/{id}/unlock`, attributed to the key's user (Kisi API notes, 3.5).
    pub(super) fn unlock(&mut self, id: Id, caller: Id, now: Moment) -> Reply {
        let lock = self.locks.get(&id).cloned().ok_or_else(|| door::refused(404, "fad10e"))?;
        let verdict = match &self.switches.unlock {
            Unlock::Refused { status, code } => Err(door::refused(*status, code)),
            _ if self.lock_online(&lock) == Some(false) => Err(door::refused(503, "fac001")),
            _ if lock.geofence_restriction_enabled == Some(true) => Err(door::refused(403, "bb4faa")),
            _ => {
                // Whoever runs the organization or the place opens its doors without a group.
                let runs = |scope| self.assignments.find(Assignee::User(caller), scope).is_some();
                let judged = self.judge(caller, id, now);
                match judged {
                    Ok(row) => Ok(Some(row)),
                    Err("fcd8ef" | "f358de" | "f35ade")
                        if runs(Scope::Organization) || runs(Scope::Place(lock.place_id)) =>
                    {
                        Ok(None)
                    }
                    Err(code) => Err(door::refused(403, code)),
                }
            }
        };
        let mut happening = Happening::of("lock.unlock", Some(caller), ("Lock", id, &lock.name));
        happening.place = Some(lock.place_id);
        happening.authenticated_by = Some(("Login".to_owned(), caller));
        match verdict {
            Ok(row) => {
                happening.authorized_by = row.map(|row| self.authorized_by(row));
                self.emit(happening, now);
                if let Unlock::Late { ms } = self.switches.unlock {
                    self.late = millis(ms).to_std().unwrap_or_default();
                }
                Ok(ok(200, &json!({ "message": "Unlocked!" })))
            }
            Err(refused) => {
                if let Refused::Code { code, message, .. } = &refused {
                    happening.error = Some((code.clone(), message.clone()));
                }
                self.emit(happening, now);
                Err(refused)
            }
        }
    }
}

fn deprecated(mut response: crate::twin::http::Response) -> crate::twin::http::Response {
    response.headers.push(("deprecation".to_owned(), "true".to_owned()));
    response.headers.push(("sunset".to_owned(), SUNSET.to_owned()));
    response
}
