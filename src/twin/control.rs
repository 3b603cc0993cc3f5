//! How a running twin is steered over HTTP: requests under `/_twin/`, which no cloud knows and no fault meets.
//!
//! Shared by both twins: `/_twin/faults` (`GET`, `PUT` all of them, `POST` one rule more, `DELETE` the rules) and
//! `/_twin/switches` (`GET`; `PUT` or `PATCH` the keys to change). Each twin adds its own records, state and history.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::faults::{Faults, Rule};
use super::http::{Request, Response};

/// What the path of a steering request begins with. It is answered while the twin is `down`, too.
pub const PREFIX: &str = "/_twin/";

/// An answer with a JSON body.
pub fn json(status: u16, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => Response {
            status,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: Bytes::from(body),
        },
        Err(why) => refusal(500, &format!("the answer can't be written as JSON: {why}")),
    }
}

/// An answer that says what was wrong with a steering request, as `{"error": "…"}`.
pub fn refusal(status: u16, why: &str) -> Response {
    json(status, &serde_json::json!({ "error": why }))
}

/// The request's JSON body, or the refusal to send.
pub fn read<T: DeserializeOwned>(request: &Request) -> Result<T, Response> {
    serde_json::from_slice(&request.body).map_err(|why| refusal(400, &format!("{} {why}", request.path)))
}

/// Answers `/_twin/faults`; `None` for any other path.
pub fn faults(request: &Request, faults: &mut Faults) -> Option<Response> {
    if request.path != "/_twin/faults" {
        return None;
    }
    let done = match request.method.as_str() {
        "PUT" => read::<Faults>(request).map(|new| *faults = new),
        "POST" => read::<Rule>(request).map(|rule| faults.add(rule)),
        "DELETE" => {
            faults.clear();
            Ok(())
        }
        _ => Ok(()),
    };
    Some(done.map_or_else(|refused| refused, |()| json(200, faults)))
}

/// Answers `/_twin/switches`: the keys of the body replace those of `switches`, one unknown key refuses them all.
/// `None` for any other path.
pub fn switches<T: Serialize + DeserializeOwned>(request: &Request, switches: &mut T) -> Option<Response> {
    if request.path != "/_twin/switches" {
        return None;
    }
    let answer = match request.method.as_str() {
        "PUT" | "PATCH" => read(request).and_then(|change| {
            *switches = merged(switches, change).map_err(|why| refusal(400, &why))?;
            Ok(json(200, switches))
        }),
        _ => Ok(json(200, switches)),
    };
    Some(answer.unwrap_or_else(|refused| refused))
}

/// `old` with the keys of `change` in place of its own; an unknown key or a wrong type refuses all.
pub fn merged<T: Serialize + DeserializeOwned>(
    old: &T,
    change: serde_json::Map<String, serde_json::Value>,
) -> Result<T, String> {
    let mut value = serde_json::to_value(old).map_err(|why| why.to_string())?;
    if let Some(keys) = value.as_object_mut() {
        keys.extend(change);
    }
    serde_json::from_value(value).map_err(|why| why.to_string())
}
