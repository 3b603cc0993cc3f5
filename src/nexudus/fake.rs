//! A scripted other side for this room's tests: a closure answers, and every request is noted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde_json::{Value, json};

use super::client::{NexudusClient, Settings};
use crate::clock::{Clock, Mono};
use crate::domain::Timestamp;
use crate::net::{Boxed, Http, HttpError, Request, Response};

pub type Answer = Result<Response, HttpError>;

/// A request as tests look at it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub at: Mono,
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Asked {
    pub fn query(&self, key: &str) -> &str {
        self.query.get(key).map_or("", String::as_str)
    }

    pub fn number(&self, key: &str) -> usize {
        self.query(key).parse().expect("a number")
    }

    pub fn header(&self, key: &str) -> &str {
        self.headers.get(key).map_or("", String::as_str)
    }
}

type Script = Box<dyn FnMut(&Asked) -> Answer + Send>;

pub struct Fake {
    clock: Clock,
    log: Arc<Mutex<Vec<Asked>>>,
    script: Mutex<Script>,
}

impl Http for Fake {
    fn send(&self, request: Request) -> Boxed<'_, Answer> {
        let asked = Asked {
            at: self.clock.mono(),
            path: request.url.path().trim_start_matches("/api/").to_owned(),
            query: request.url.query_pairs().into_owned().collect(),
            headers: request.headers.iter().map(|(name, value)| ((*name).to_owned(), value.0.clone())).collect(),
            body: String::from_utf8(request.body.to_vec()).expect("text"),
        };
        self.log.lock().expect("log").push(asked.clone());
        let answer = (self.script.lock().expect("script"))(&asked);
        Box::pin(async move {
            tokio::task::yield_now().await;
            answer
        })
    }
}

/// An answer of that status with that body.
pub fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Ok(Response { status, headers, body: body.into(), verified: true })
}

pub fn ok(body: Value) -> Answer {
    answer(200, &[], body.to_string())
}

pub fn token(access: &str) -> Answer {
    ok(json!({"access_token": access, "token_type": "bearer", "expires_in": 604_799, "refresh_token": "renew-me"}))
}

/// A list with these rows as one page among others.
pub fn page(rows: &[Value], total: usize) -> Answer {
    ok(json!({"Records": rows, "TotalItems": total, "HasNextPage": false, "CurrentSortDirection": 1}))
}

/// Serves `rows` by `page` and `size`, in that order.
pub fn paged(asked: &Asked, rows: &[Value]) -> Answer {
    let size = asked.number("size");
    let from = ((asked.number("page") - 1) * size).min(rows.len());
    page(&rows[from..(from + size).min(rows.len())], rows.len())
}

pub fn settings() -> Settings {
    Settings {
        url: "https://spaces.nexudus.example/api".parse().expect("a URL"),
        username: "gateway@example.org".to_owned(),
        password: "hunter-2".to_owned().into(),
        client_id: "gatehouse-harbour".to_owned(),
        requests_per_hour: 4_500,
    }
}

pub fn at(text: &str) -> Timestamp {
    text.parse().expect("RFC 3339")
}

pub type Log = Arc<Mutex<Vec<Asked>>>;

/// A client before that script, and what it asks. The clock is virtual where tokio's time is paused.
pub fn scripted(script: impl FnMut(&Asked) -> Answer + Send + 'static) -> (NexudusClient, Log) {
    let clock = Clock::starting_at(at("2026-03-04T09:00:00Z"), 1.0);
    let log = Log::default();
    let fake = Fake { clock: clock.clone(), log: log.clone(), script: Mutex::new(Box::new(script)) };
    (NexudusClient::new(Arc::new(fake), clock, settings()).expect("a client"), log)
}

/// The same, where the sign-in always works and only reads are scripted.
pub fn signed_in(mut script: impl FnMut(&Asked) -> Answer + Send + 'static) -> (NexudusClient, Log) {
    scripted(move |asked| if asked.path == "token" { token("t-1") } else { script(asked) })
}
