//! Steering the Nexudus twin from a shell: what stands under `/_twin/` beside the faults and switches of both twins.
//!
//! | request | does |
//! | --- | --- |
//! | `GET /_twin/records/{Entity}` | all ids; with `/{id}` that record |
//! | `POST /_twin/records/{Entity}` | makes a record, or with `Id` changes the named fields of one |
//! | `DELETE /_twin/records/{Entity}/{id}` | takes it away; a booking with `?cancel=true` is cancelled |
//! | `POST /_twin/zone` | `{"simple_time_zone": 4711, "iana": "Europe/London"}` |
//! | `GET /_twin/history` | all of it; `?entity=Booking&id=7` the versions of one record |
//! | `GET /_twin/hooks` | takes what waits to be sent |
//! | `POST /_twin/hooks/{delivery}` | `{"error": null}` or `{"error": "why"}`: what came of it |
//! | `PUT /_twin/hooks/secret` | `{"secret": "…"}` |
//! | `POST /_twin/revoke` | ends every token |

use serde::Deserialize;
use serde_json::{Value, json};

use super::NexudusTwin;
use super::rows::SetupError;
use super::shape::Entity;
use super::switches::Switches;
use crate::twin::control::{self, refusal};
use crate::twin::http::{Request, Response};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Zone {
    simple_time_zone: i64,
    iana: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HookResult {
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Secret {
    secret: Option<String>,
}

/// Answers a request below `/_twin/`.
pub(super) fn answer(twin: &mut NexudusTwin, request: &Request) -> Response {
    if let Some(answer) = control::faults(request, &mut twin.faults) {
        return answer;
    }
    let mut switches = twin.site.switches().clone();
    if let Some(answer) = control::switches::<Switches>(request, &mut switches) {
        twin.site.switch(|s| *s = switches);
        return answer;
    }
    let path: Vec<&str> = request.path.trim_start_matches(control::PREFIX).split('/').collect();
    let done = match (request.method.as_str(), path.as_slice()) {
        (_, ["records", entity, rest @ ..]) => match Entity::named(entity) {
            Some(entity) => records(twin, request, entity, rest),
            None => Err(refusal(404, &format!("there is no entity {entity}"))),
        },
        ("POST", ["zone"]) => control::read::<Zone>(request).and_then(|zone| {
            let done = twin.site.set_zone(zone.simple_time_zone, &zone.iana);
            done.map(|()| json!({})).map_err(|why| wrong(&why))
        }),
        ("GET", ["history"]) => Ok(history(twin, request)),
        ("GET", ["hooks"]) => Ok(json!(twin.site.pending_hooks())),
        ("PUT", ["hooks", "secret"]) => control::read::<Secret>(request).map(|secret| {
            twin.site.set_hook_secret(secret.secret.as_deref());
            json!({})
        }),
        ("POST", ["hooks", delivery]) => control::read::<HookResult>(request).map(|result| {
            let result = result.error.as_deref().map_or(Ok(()), Err);
            twin.site.hook_result(delivery.parse().unwrap_or_default(), result);
            json!({})
        }),
        ("POST", ["revoke"]) => {
            twin.auth.revoke_all();
            Ok(json!({}))
        }
        (method, _) => Err(refusal(404, &format!("the Nexudus twin has no {method} {}", request.path))),
    };
    done.map_or_else(|refused| refused, |value| control::json(200, &value))
}

fn records(twin: &mut NexudusTwin, request: &Request, entity: Entity, rest: &[&str]) -> Result<Value, Response> {
    let site = &mut twin.site;
    let id = match rest {
        [] => None,
        [id] => Some(id.parse::<i64>().map_err(|_| refusal(400, &format!("{id} is no id")))?),
        _ => return Err(refusal(404, "a record is /_twin/records/{Entity}/{id}")),
    };
    match (request.method.as_str(), id) {
        ("GET", None) => Ok(json!(site.ids(entity))),
        ("GET", Some(id)) => site.record(entity, id).ok_or_else(|| wrong(&SetupError::NoSuchRecord { entity, id })),
        ("POST" | "PUT", id) => {
            let fields = control::read::<Value>(request)?;
            site.upsert(entity, id, fields).map(|id| json!({ "Id": id })).map_err(|why| wrong(&why))
        }
        ("DELETE", Some(id)) => {
            let cancel = entity == Entity::Booking && request.param("cancel") == Some("true");
            let done = if cancel { site.cancel_booking(id) } else { site.delete(entity, id) };
            done.map(|()| json!({})).map_err(|why| wrong(&why))
        }
        (method, _) => Err(refusal(405, &format!("{method} does nothing here"))),
    }
}

fn history(twin: &NexudusTwin, request: &Request) -> Value {
    let entity = request.param("entity").and_then(Entity::named);
    let id = request.param("id").and_then(|id| id.parse().ok());
    match (entity, id) {
        (Some(entity), Some(id)) => json!(twin.history().versions(entity, id)),
        _ => twin.history().to_json(),
    }
}

fn wrong(why: &SetupError) -> Response {
    let status = if matches!(why, SetupError::NoSuchRecord { .. }) { 404 } else { 400 };
    refusal(status, &why.to_string())
}
