//! How Kisi answers: bodies, refusals, pages, times.

use std::fmt::Write as _;

use bytes::Bytes;
use serde_json::{Value, json};

use super::records::{Id, Moment};
use super::switches::{Above, Dates};
use crate::twin::http::{Request, Response};

/// The largest `offset` of any list (Kisi API notes, 2.1).
const OFFSET_MAX: usize = 20_000;

/// A refusal, in one of the two shapes that Kisi has.
#[derive(Clone, Debug)]
pub(super) enum Refused {
    /// `{"code", "error"}`.
    Code { status: u16, code: String, message: String },
    /// 422 `{"errors": {field: [text]}}`.
    Field { field: &'static str, message: &'static str },
    /// 429, in the general shape.
    TooMany { retry_after: Option<String> },
}

/// An answer, or a refusal.
pub(super) type Reply = Result<Response, Refused>;

impl Refused {
    /// A refusal with the generic code of its status (Kisi API notes, 2.3).
    pub(super) fn generic(status: u16, message: &str) -> Refused {
        Refused::Code { status, code: format!("{status:06}"), message: message.to_owned() }
    }

    pub(super) fn not_found(what: &str) -> Refused {
        Refused::generic(404, &format!("There is no such {what}."))
    }

    pub(super) fn field(field: &'static str, message: &'static str) -> Refused {
        Refused::Field { field, message }
    }

    pub(super) fn response(self) -> Response {
        match self {
            Refused::Code { status, code, message } => ok(status, &json!({ "code": code, "error": message })),
            Refused::Field { field, message } => ok(422, &json!({ "errors": { field: [message] } })),
            Refused::TooMany { retry_after } => {
                let mut response = Refused::generic(429, "Too many requests, please slow down.").response();
                response.headers.extend(retry_after.map(|when| ("retry-after".to_owned(), when)));
                response
            }
        }
    }
}

/// An answer with a JSON body.
pub(super) fn ok(status: u16, body: &Value) -> Response {
    raw(status, body.to_string())
}

/// An answer whose JSON is written already.
pub(super) fn raw(status: u16, body: String) -> Response {
    let headers = vec![("content-type".to_owned(), "application/json; charset=utf-8".to_owned())];
    Response { status, headers, body: Bytes::from(body) }
}

/// 204.
pub(super) fn nothing() -> Response {
    Response { status: 204, headers: Vec::new(), body: Bytes::new() }
}

/// Which rows of a list are asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    pub(super) limit: usize,
    pub(super) offset: usize,
}

/// A list's default and maximum of `limit` (Kisi API notes, 2.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) default: usize,
    pub(super) max: usize,
}

impl Limits {
    pub(super) const USERS: Limits = Limits { default: 50, max: 100 };
    pub(super) const LOCKS: Limits = Limits { default: 50, max: 250 };
    pub(super) const OTHERS: Limits = Limits { default: 10, max: 250 };

    /// The `limit` that a request asks for.
    pub(super) fn limit(self, request: &Request, above: Above) -> Result<usize, Refused> {
        let limit = number(request, "limit")?.unwrap_or(self.default);
        match above {
            _ if limit == 0 => Err(Refused::field("limit", "must be greater than 0")),
            Above::Refused if limit > self.max => Err(Refused::field("limit", "is above the maximum")),
            _ => Ok(limit.min(self.max)),
        }
    }
}

impl Page {
    pub(super) fn read(request: &Request, limits: Limits, above: Above) -> Result<Page, Refused> {
        let offset = number(request, "offset")?.unwrap_or(0);
        if offset > OFFSET_MAX {
            return Err(Refused::field("offset", "must be less than or equal to 20000"));
        }
        Ok(Page { limit: limits.limit(request, above)?, offset })
    }

    /// A bare array of the rows asked for; `write` appends one row's JSON.
    pub(super) fn answer<T>(self, rows: impl Iterator<Item = T>, mut write: impl FnMut(T, &mut String)) -> Response {
        let mut body = String::from("[");
        let mut total = 0;
        for row in rows {
            if (self.offset..self.offset + self.limit).contains(&total) {
                if body.len() > 1 {
                    body.push(',');
                }
                write(row, &mut body);
            }
            total += 1;
        }
        body.push(']');
        let range = match total {
            0 => "*/0".to_owned(),
            _ => format!("{}-{}/{total}", self.offset, self.offset + self.limit - 1),
        };
        let mut response = raw(200, body);
        response.headers.push(("x-collection-range".to_owned(), range));
        response
    }

    /// The same where each row is a JSON value.
    pub(super) fn values(self, rows: impl Iterator<Item = Value>) -> Response {
        self.answer(rows, |row, out| append(out, &row))
    }
}

fn append(out: &mut String, value: &Value) {
    // Writing to a String can't fail.
    let _written = write!(out, "{value}");
}

fn number(request: &Request, name: &'static str) -> Result<Option<usize>, Refused> {
    match request.param(name) {
        None => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| Refused::field(name, "is not a number")),
    }
}

/// A filter by id; anything that is no number finds nothing, as an id that nothing has.
pub(super) fn id_param(request: &Request, name: &str) -> Option<Id> {
    request.param(name).map(|text| text.parse().unwrap_or(0))
}

/// A filter by several ids, separated by commas or given as `ids[]` again and again.
pub(super) fn ids_param(request: &Request) -> Option<Vec<Id>> {
    let given: Vec<_> = request.query.iter().filter(|(name, _)| name == "ids" || name == "ids[]").collect();
    let ids = given.iter().flat_map(|(_, list)| list.split(',')).filter_map(|id| id.trim().parse().ok()).collect();
    (!given.is_empty()).then_some(ids)
}

/// A filter by yes or no.
pub(super) fn bool_param(request: &Request, name: &str) -> Option<bool> {
    request.param(name).map(|text| matches!(text, "true" | "1"))
}

/// An id in a body, as a number or as a string of digits.
pub(super) fn id_value(value: Option<&Value>) -> Option<Id> {
    value.and_then(|v| v.as_u64().or_else(|| v.as_str()?.parse().ok()))
}

/// The object under `name` in a request's body.
pub(super) fn body(request: &Request, name: &'static str) -> Result<serde_json::Map<String, Value>, Refused> {
    let whole: Value = serde_json::from_slice(&request.body)
        .map_err(|_| Refused::generic(400, "The body of the request is not valid JSON."))?;
    let found = whole.get(name).and_then(Value::as_object).cloned();
    found.ok_or_else(|| Refused::generic(400, &format!("param is missing or the value is empty: {name}")))
}

/// A moment as the switches say.
pub(super) fn stamp(at: Moment, dates: Dates) -> String {
    let form = match dates {
        Dates::Z => "%Y-%m-%dT%H:%M:%SZ",
        Dates::Fraction => "%Y-%m-%dT%H:%M:%S%.3fZ",
        Dates::Offset => "%Y-%m-%dT%H:%M:%S+00:00",
    };
    at.format(form).to_string()
}

/// The same for a moment that may be absent.
pub(super) fn stamped(at: Option<Moment>, dates: Dates) -> Value {
    at.map_or(Value::Null, |at| Value::String(stamp(at, dates)))
}
