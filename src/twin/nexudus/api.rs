//! The API's paths and verbs: who may, what is found, what is written (Nexudus API notes, 2).

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::rows::{self, Row};
use super::shape::{CREATED_ON, Entity, ID, UNIQUE_ID};
use super::site::{self, Site};
use crate::twin::control;
use crate::twin::faults::Says;
use crate::twin::http::{Request, Response};

/// Answers that Nexudus gives on bad days, for [`crate::twin::faults`].
pub mod says {
    use super::{Says, Value, json};

    /// The throttle: 409, an empty body (notes, 2.4).
    pub fn throttled(retry_after_s: Option<u32>) -> Says {
        let says = Says::new(409, "").header("content-length", "0");
        retry_after_s.into_iter().fold(says, |says, s| says.header("retry-after", &s.to_string()))
    }

    /// A 429 or 5xx, with or without `Retry-After`.
    pub fn unwell(status: u16, retry_after_s: Option<u32>) -> Says {
        let says = Says::new(status, r#"{"Message":"An error has occurred."}"#);
        retry_after_s.into_iter().fold(says, |says, s| says.header("retry-after", &s.to_string()))
    }

    /// 200 around a failure (notes, 2.5).
    pub fn unsuccessful(message: &str) -> Says {
        Says::new(200, &super::envelope(500, message, Value::Null, json!([])).to_string())
    }

    /// A page for people instead of JSON.
    pub fn html(status: u16) -> Says {
        let page = "<!DOCTYPE html><html><head><title>Nexudus</title></head><body>We'll be back soon</body></html>";
        Says::new(status, page).header("content-type", "text/html; charset=utf-8")
    }
}

/// Where a request goes.
enum Target {
    List(Entity),
    One(Entity, i64),
}

fn target(path: &str) -> Option<Target> {
    let path = path.trim_end_matches('/');
    if let Some(entity) = Entity::at_path(path) {
        return Some(Target::List(entity));
    }
    let (path, id) = path.rsplit_once('/')?;
    Some(Target::One(Entity::at_path(path)?, id.parse().ok()?))
}

/// Answers a request whose sender is known; `path` is what stands after `/api/`.
pub(super) fn answer(site: &mut Site, request: &Request, path: &str) -> Response {
    let Some(target) = target(path) else { return not_found() };
    let (Target::List(entity) | Target::One(entity, _)) = target;
    let shape = entity.shape();
    let verb = match (request.method.as_str(), &target) {
        ("GET", Target::List(_)) => "List",
        ("GET", Target::One(..)) => "Read",
        ("POST", _) => "Create",
        ("PUT", _) => "Edit",
        ("DELETE", _) => "Delete",
        (method, _) => return no_such_method(method),
    };
    if !site.switches().has_role(shape.name, verb) {
        return unauthorized();
    }
    match (verb, target) {
        (_, Target::One(entity, id)) if verb == "Read" => read(site, entity, id),
        ("Create", Target::List(entity)) => write(site, entity, None, &request.body),
        ("Edit", Target::List(entity)) => write(site, entity, Some(None), &request.body),
        ("Edit", Target::One(entity, id)) => write(site, entity, Some(Some(id)), &request.body),
        // "No delete by API" (notes, 3.5).
        ("Delete", Target::One(entity, id)) if entity != Entity::Coworker => match site.delete(entity, id) {
            Ok(()) => done(shape.name, "deleted", id),
            Err(_) => absent(site, entity, id),
        },
        _ => no_such_method(&request.method),
    }
}

fn read(site: &Site, entity: Entity, id: i64) -> Response {
    match site.table(entity).rows.get(&id) {
        Some(row) => {
            let record = row.written(entity.shape(), site.zone_of(entity, row), site.switches(), false);
            control::json(200, &record)
        }
        None => absent(site, entity, id),
    }
}

/// Makes a record (`change` is none) or changes one, by the id in the path or the body. What is left out is cleared.
fn write(site: &mut Site, entity: Entity, change: Option<Option<i64>>, body: &[u8]) -> Response {
    let shape = entity.shape();
    let Ok(Value::Object(sent)) = serde_json::from_slice(body) else { return refused(None, "is not valid JSON") };
    let id = change.map(|id| id.or_else(|| sent.get("Id").and_then(Value::as_i64)).unwrap_or_default());
    let before = match id {
        None => None,
        Some(id) => match site.table(entity).rows.get(&id) {
            Some(row) => Some(row.clone()),
            None => return absent(site, entity, id),
        },
    };
    for field in shape.required {
        if sent.get(*field).is_none_or(|v| v.is_null() || v.as_str() == Some("")) {
            return refused(Some(field), "may not be null or empty");
        }
    }
    // What Nexudus doesn't know or can't take it ignores.
    let own = sent.into_iter().filter(|(name, value)| {
        let at = shape.index(name).filter(|at| *at > ID);
        at.and_then(|at| shape.field(at)).is_some_and(|field| rows::cell(entity, field, value).is_ok())
    });
    let fields = Value::Object(own.collect::<Map<_, _>>());
    let mut blank = Row::blank(shape);
    let id = match (&before, id) {
        (Some(before), Some(id)) => {
            for kept in [ID, UNIQUE_ID, CREATED_ON] {
                blank.cells[kept] = before.cells[kept].clone();
            }
            id
        }
        _ => {
            let id = site.fresh_id(entity);
            rows::stamp_new(&mut blank, entity, id, site.now());
            id
        }
    };
    let did = if before.is_some() { "updated" } else { "created" };
    match site::filled(entity, blank, fields) {
        Ok(row) => {
            site.keep(entity, id, row, before.is_some());
            done(shape.name, did, id)
        }
        Err(why) => refused(None, &why.to_string()),
    }
}

fn envelope(status: u16, message: &str, value: Value, errors: Value) -> Value {
    json!({"Status": status, "Message": message, "Value": value, "WasSuccessful": status == 200, "Errors": errors})
}

fn done(name: &str, what: &str, id: i64) -> Response {
    let message = format!("{name} was successfully {what}.");
    control::json(200, &envelope(200, &message, json!({ "Id": id }), Value::Null))
}

/// 400 with `Status` 500 inside (notes, 2.5).
fn refused(field: Option<&str>, why: &str) -> Response {
    let message = field.map_or_else(|| why.to_owned(), |field| format!("{field}: {why}"));
    let error = json!([{"AttemptedValue": null, "Message": why, "PropertyName": field}]);
    control::json(400, &envelope(500, &message, Value::Null, error))
}

/// A record that is not there: 500 where it once was, by the switch; 404 else (notes, 2.5).
fn absent(site: &Site, entity: Entity, id: i64) -> Response {
    if site.switches().dead_id_is_500 && site.table(entity).dead.contains(&id) {
        return control::json(500, &json!({"Message": "An error has occurred."}));
    }
    not_found()
}

/// 404, a JSON string.
pub(super) fn not_found() -> Response {
    control::json(404, &"Not found")
}

/// 401: not signed in, or a role is missing; nothing says which (notes, 1).
pub(super) fn unauthorized() -> Response {
    control::json(401, &json!({"Message": "Authorization has been denied for this request."}))
}

fn no_such_method(method: &str) -> Response {
    let message = format!("The requested resource does not support http method '{method}'.");
    control::json(405, &json!({ "Message": message }))
}

/// A list's text as an answer.
pub(super) fn listed(body: Bytes) -> Response {
    let headers = vec![("content-type".to_owned(), "application/json; charset=utf-8".to_owned())];
    Response { status: 200, headers, body }
}

/// The entity that a request lists, if it does and may.
pub(super) fn list_of(site: &Site, request: &Request, path: &str) -> Option<Entity> {
    let Some(Target::List(entity)) = target(path) else { return None };
    (request.method == "GET" && site.switches().has_role(entity.shape().name, "List")).then_some(entity)
}
