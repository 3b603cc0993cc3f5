//! The Kisi twin's part of `/_twin/`.
//!
//! | call | does |
//! | --- | --- |
//! | `GET state` | every record |
//! | `GET history/<part>` | `assignments`, `access`, `notices`, `requests`, `events` |
//! | `POST <kind>` | adds a record, gives `{"id"}` |
//! | `PATCH <kind>/<id>` | changes keys of a record |
//! | `DELETE users/<id>`, `DELETE assignments/<id>` | removes it by hand; `?by=<user>` |
//! | `PUT keys/<secret>` | adds or turns a key: `{"user", "refused", "writes_refused"}` |
//! | `POST taps` | `{"user", "lock"}`: what came of it |
//! | `POST events` | puts an event into the record |
//! | `PUT internet` | `{"place", "up"}` |
//! | `POST deliveries` | takes the webhooks that are due |
//! | `faults`, `switches` | as for both twins |
//!
//! The kinds are `places`, `users`, `teams`, `groups`, `group_locks`, `locks`, `controllers`, `readers`, `integrations`
//! and `assignments`; their keys are those of the records in [`super`].

use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::KisiTwin;
use super::events::Happening;
use super::records::{Assignment, Id, Key, Moment, User};
use crate::twin::control::{self, PREFIX, json as answer, read, refusal};
use crate::twin::http::{Request, Response};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tap {
    user: Id,
    lock: Id,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Internet {
    place: Id,
    up: bool,
}

/// A steering request's outcome; both sides are answers.
type Steered = Result<Response, Response>;

impl KisiTwin {
    pub(super) fn steer(&mut self, request: &Request, now: Moment) -> Response {
        self.settle(now);
        if let Some(response) = control::faults(request, &mut self.faults) {
            return response;
        }
        if let Some(response) = control::switches(request, &mut self.switches) {
            self.forget_written();
            return response;
        }
        let path: Vec<&str> = request.path.strip_prefix(PREFIX).unwrap_or_default().split('/').collect();
        let steered = match (request.method.as_str(), path.as_slice()) {
            ("GET", ["state"]) => Ok(answer(200, &self.state())),
            ("GET", ["history", part]) => self.told_history(part),
            ("POST", ["taps"]) => read(request).map(|tap: Tap| answer(200, &self.tap(tap.user, tap.lock, now))),
            ("POST", ["events"]) => {
                read(request).map(|event: Happening| answer(200, &json!({ "uuid": self.emit(event, now) })))
            }
            ("POST", ["deliveries"]) => Ok(answer(200, &self.take_deliveries(now))),
            ("PUT", ["internet"]) => read(request).map(|internet: Internet| {
                self.set_internet(internet.place, internet.up, now);
                answer(200, &json!({ "up": internet.up }))
            }),
            ("PUT", ["keys", secret]) => read(request).map(|key: Key| {
                self.add_key(secret, key);
                answer(200, &json!({}))
            }),
            ("POST", [kind]) => self.add_record(kind, request, now),
            ("PATCH", [kind, id]) => self.edit_record(kind, id, request, now),
            ("DELETE", [kind, id]) => self.remove_record(kind, id, request, now),
            _ => Err(no_such(&request.path)),
        };
        steered.unwrap_or_else(|refused| refused)
    }

    fn add_record(&mut self, kind: &str, request: &Request, now: Moment) -> Steered {
        let id = match kind {
            "places" => self.add_place(read(request)?),
            "users" => self.add_user(read(request)?, now),
            "teams" => self.add_team(read(request)?),
            "groups" => self.add_group(read(request)?),
            "group_locks" => self.add_group_lock(read(request)?),
            "locks" => self.add_lock(read(request)?),
            "controllers" => self.add_controller(read(request)?),
            "readers" => self.add_reader(read(request)?),
            "integrations" => self.add_integration(read(request)?),
            "assignments" => self.add_assignment(read(request)?, now),
            _ => return Err(no_such(&request.path)),
        };
        Ok(answer(200, &json!({ "id": id })))
    }

    fn edit_record(&mut self, kind: &str, id: &str, request: &Request, now: Moment) -> Steered {
        let id: Id = id.parse().map_err(|_| no_such(&request.path))?;
        let gone = || no_such(&request.path);
        let id = match kind {
            "places" => self.add_place(edited(self.places.get(&id).ok_or_else(gone)?, request)?),
            "users" => {
                let user: User = edited(self.users.get(id).ok_or_else(gone)?, request)?;
                self.add_user(user, now)
            }
            "teams" => self.add_team(edited(self.teams.get(&id).ok_or_else(gone)?, request)?),
            "groups" => self.add_group(edited(self.groups.get(&id).ok_or_else(gone)?, request)?),
            "locks" => self.add_lock(edited(self.locks.get(&id).ok_or_else(gone)?, request)?),
            "controllers" => self.add_controller(edited(self.controllers.get(&id).ok_or_else(gone)?, request)?),
            "readers" => self.add_reader(edited(self.readers.get(&id).ok_or_else(gone)?, request)?),
            "integrations" => self.add_integration(edited(self.integrations.get(&id).ok_or_else(gone)?, request)?),
            "assignments" => {
                let row: Assignment = edited(&self.assignments.get(id).ok_or_else(gone)?.assignment, request)?;
                self.add_assignment(row, now)
            }
            _ => return Err(gone()),
        };
        Ok(answer(200, &json!({ "id": id })))
    }

    fn remove_record(&mut self, kind: &str, id: &str, request: &Request, now: Moment) -> Steered {
        let id: Id = id.parse().map_err(|_| no_such(&request.path))?;
        let by = request.param("by").and_then(|by| by.parse().ok());
        let gone = match kind {
            "users" => self.remove_user(id, by, now).is_some(),
            "assignments" => self.remove_assignment(id, by, now).is_some(),
            "group_locks" => self.group_locks.remove(&id).is_some(),
            _ => false,
        };
        if gone { Ok(answer(200, &json!({ "id": id }))) } else { Err(no_such(&request.path)) }
    }

    fn state(&self) -> Value {
        json!({
            "organization": self.organization,
            "places": self.places.values().collect::<Vec<_>>(), "users": self.users.iter().collect::<Vec<_>>(),
            "teams": self.teams.values().collect::<Vec<_>>(), "groups": self.groups.values().collect::<Vec<_>>(),
            "group_locks": self.group_locks.values().collect::<Vec<_>>(),
            "locks": self.locks.values().collect::<Vec<_>>(),
            "controllers": self.controllers.values().collect::<Vec<_>>(),
            "readers": self.readers.values().collect::<Vec<_>>(),
            "integrations": self.integrations.values().collect::<Vec<_>>(),
            "assignments": self.assignments().collect::<Vec<_>>(),
        })
    }

    fn told_history(&self, part: &str) -> Steered {
        let history = self.history();
        Ok(match part {
            "assignments" => answer(200, &history.assignments),
            "access" => answer(200, &history.access),
            "notices" => answer(200, &history.notices),
            "requests" => answer(200, &history.requests),
            "events" => answer(200, &history.events.values().collect::<Vec<_>>()),
            _ => return Err(no_such(part)),
        })
    }
}

fn no_such(what: &str) -> Response {
    refusal(404, &format!("{what}: there is nothing of the kind here"))
}

/// The record with the keys of the request's body in place of its own.
fn edited<T: Serialize + DeserializeOwned>(record: &T, request: &Request) -> Result<T, Response> {
    control::merged(record, read(request)?).map_err(|why| refusal(400, &why))
}
