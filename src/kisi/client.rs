//! One call to Kisi: its turn, its headers, its class of failure, and the gate that shuts after a refusal.
//!
//! Only reads are tried again here. A write goes out once: what to do about a lost answer is decided where the thing
//! can be read again ([`super::write`]).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::error::{ApiError, Fault, KisiError};
use super::gate::{Gate, Refusal};
use super::wire::{self, Row};
use crate::clock::{Clock, Mono};
use crate::domain::snapshot::Aside;
use crate::net::backoff::retry_after;
use crate::net::pace::{Class, Pace, Pair, Series};
use crate::net::{Http, HttpError, Method, Request, Response, Secretive};

/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// How often a read is sent in all before it is given up for now.
const READ_TRIES: u32 = 3;
/// Between the tries of a read.
const READ_PAUSE: Duration = Duration::from_secs(1);
/// After a 429 that does not say how long; doubles while there are more.
const FIRST_HOLD: Duration = Duration::from_secs(1);
/// No pause is longer, whatever `Retry-After` asks for.
const LONGEST_HOLD: Duration = Duration::from_secs(300);
/// `offset` is refused above this (Kisi API notes, 2.1).
const LAST_OFFSET: u64 = 20_000;

/// The way to Kisi.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The base of its API, as `https://api.kisi.io`.
    pub url: Url,
    /// The key.
    pub api_key: SecretString,
    /// The place whose events and hardware are read; none: the whole organization.
    pub place: Option<u64>,
}

#[derive(Debug, Default)]
struct State {
    gate: Gate,
    /// How long the next 429 without `Retry-After` holds everything.
    hold: Option<Duration>,
    answered: Option<Mono>,
    /// Calls that Kisi has called deprecated, so that each is logged once.
    deprecated: BTreeSet<String>,
}

/// Talks to Kisi. Share it in an [`Arc`]; all its calls share one pace and one gate.
pub struct KisiClient {
    http: Arc<dyn Http>,
    pub(super) clock: Clock,
    pub(super) pace: Pace,
    pub(super) settings: Settings,
    state: Mutex<State>,
    /// When the next event set may be made: a limit of its own (Kisi API notes, 2.2).
    pub(super) next_set: tokio::sync::Mutex<Mono>,
}

/// How a write comes to its turn.
pub(super) enum Turn {
    /// It waits for one.
    Wait(Class),
    /// The first of two that were claimed together.
    First,
    /// The second of two that were claimed together.
    Second(Pair),
}

/// What a read asks.
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
}

impl Ask {
    pub(super) fn get(path: impl Into<String>, query: Vec<(&'static str, String)>) -> Ask {
        Ask { method: Method::Get, path: path.into(), query, body: Bytes::new() }
    }
}

/// A whole list as far as its pages came.
pub(super) struct Listed<T> {
    pub(super) rows: Vec<T>,
    pub(super) aside: Vec<Aside>,
    /// What Kisi said last of the number of rows.
    pub(super) total: Option<u64>,
    /// The rows past [`LAST_OFFSET`] could not be asked for.
    pub(super) cut: bool,
}

impl KisiClient {
    /// Calls of that class that are made one after another: see [`Pace::series`].
    pub fn series(&self, class: Class) -> Series {
        self.pace.series(class)
    }

    /// A client. `pace` is shared with nobody who is not a call to Kisi.
    pub fn new(http: Arc<dyn Http>, clock: Clock, pace: Pace, settings: Settings) -> KisiClient {
        let next_set = tokio::sync::Mutex::new(Mono::default());
        KisiClient { http, clock, pace, settings, state: Mutex::default(), next_set }
    }

    /// Why nothing is written, if the gate is shut.
    pub fn refusal(&self) -> Option<Refusal> {
        self.state().gate.refusal().cloned()
    }

    /// The operator says that things have changed (SIGHUP): the next read tries at once.
    pub fn reset(&self) {
        let now = self.clock.mono();
        self.state().gate.reset(now);
    }

    /// When Kisi last answered anything but a fault of its own.
    pub fn answered_at(&self) -> Option<Mono> {
        self.state().answered
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A read, tried again where that may help. While the gate is shut only the one that is due goes out.
    pub(super) async fn read(&self, class: Class, ask: &Ask) -> Result<Response, KisiError> {
        let call = call_name(ask.method, &ask.path);
        let refused = |why| KisiError::Refused { call: call.clone(), why };
        for tried in 1.. {
            self.state().gate.may_read_soon(self.clock.mono()).map_err(refused)?;
            self.pace.claim(class).await;
            self.state().gate.may_read(self.clock.mono()).map_err(refused)?;
            let result = self.send(ask, &call, true).await;
            match &result {
                Err(KisiError::Passing { fault, .. }) if tried < READ_TRIES && helps_to_repeat(fault) => {
                    self.clock.sleep(READ_PAUSE * tried).await;
                }
                _ => return result,
            }
        }
        Err(KisiError::Passing { call, fault: Fault::Garbled("no try was made".to_owned()) })
    }

    /// A write, sent once. While the gate is shut it is not sent at all.
    pub(super) async fn write(
        &self,
        turn: Turn,
        method: Method,
        path: String,
        body: Bytes,
    ) -> Result<Response, KisiError> {
        let call = call_name(method, &path);
        let refused = |why| KisiError::Refused { call: call.clone(), why };
        self.state().gate.may_write().map_err(refused)?;
        match turn {
            Turn::Wait(class) => self.pace.claim(class).await,
            Turn::First => {}
            Turn::Second(pair) => pair.second().await,
        }
        self.state().gate.may_write().map_err(refused)?;
        self.send(&Ask { method, path, query: Vec::new(), body }, &call, false).await
    }

    /// One object.
    pub(super) async fn get<R: Row>(
        &self,
        class: Class,
        path: String,
        query: Vec<(&'static str, String)>,
    ) -> Result<R::Out, KisiError> {
        let response = self.read(class, &Ask::get(path.clone(), query)).await?;
        wire::one::<R>(&response.body).map_err(|why| garbled(Method::Get, &path, why))
    }

    /// A whole list, page by page. Rows may be skipped or repeated where others write meanwhile: an absence proves
    /// nothing (Kisi API notes, 2.1). `limit` must not pass the list's own maximum.
    pub(super) async fn list<R: Row>(
        &self,
        class: Class,
        path: &str,
        query: &[(&'static str, String)],
        limit: u64,
    ) -> Result<Listed<R::Out>, KisiError> {
        let mut listed = Listed { rows: Vec::new(), aside: Vec::new(), total: None, cut: false };
        let mut offset = 0;
        loop {
            let mut query = query.to_vec();
            query.extend([("limit", limit.to_string()), ("offset", offset.to_string())]);
            let response = self.read(class, &Ask::get(path, query)).await?;
            let (rows, aside) = wire::list::<R>(&response.body).map_err(|why| garbled(Method::Get, path, why))?;
            let came = (rows.len() + aside.len()) as u64;
            offset += came;
            listed.rows.extend(rows);
            listed.aside.extend(aside);
            listed.total = response.header("x-collection-range").and_then(wire::total);
            let last = listed.total.map_or(came < limit, |total| offset >= total);
            if came == 0 || last {
                return Ok(listed);
            }
            if offset > LAST_OFFSET {
                listed.cut = true;
                return Ok(listed);
            }
        }
    }

    async fn send(&self, ask: &Ask, call: &str, read: bool) -> Result<Response, KisiError> {
        let sent = self.clock.mono();
        let answer = self.http.send(self.request(ask)).await;
        let now = self.clock.mono();
        let key = self.settings.api_key.expose_secret();
        let error = fault_of(call, &answer, key);
        let mut state = self.state();
        if let Ok(response) = &answer {
            state.note_deprecation(call, response);
            if response.status < 500 {
                state.answered = Some(now);
            }
        }
        match &error {
            None => {
                state.hold = None;
                state.gate.succeeded(read, sent);
            }
            // 'There is none' is an answer too.
            Some(error) if read && error.is_missing() => state.gate.succeeded(read, sent),
            Some(KisiError::Refused { why, .. }) if !concerns_one_lock(&ask.path, why) => {
                state.gate.refused(why.clone(), read, sent, now);
            }
            Some(KisiError::Passing { fault: Fault::Busy(_), .. }) => {
                let unsaid = state.hold.map_or(FIRST_HOLD, |hold| (hold * 2).min(LONGEST_HOLD));
                let said = answer.as_ref().ok().and_then(retry_after);
                state.hold = Some(unsaid);
                self.pace.hold_until(now.plus(said.unwrap_or(unsaid).min(LONGEST_HOLD)));
            }
            Some(KisiError::Passing { fault: Fault::Broken(_), .. }) => {
                if let Some(said) = answer.as_ref().ok().and_then(retry_after) {
                    self.pace.hold_until(now.plus(said.min(LONGEST_HOLD)));
                }
            }
            Some(_) => {}
        }
        match (error, answer) {
            (None, Ok(response)) => Ok(response),
            (Some(error), _) => Err(error),
            (None, Err(error)) => Err(KisiError::Passing { call: call.to_owned(), fault: Fault::Lost(error) }),
        }
    }

    fn request(&self, ask: &Ask) -> Request {
        let mut url = self.settings.url.clone();
        url.set_path(&format!("{}{}", self.settings.url.path().trim_end_matches('/'), ask.path));
        url.set_query(None);
        if !ask.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&ask.query);
        }
        let headers = vec![
            ("authorization", Secretive(format!("KISI-LOGIN {}", self.settings.api_key.expose_secret()))),
            ("accept", Secretive("application/json".to_owned())),
            ("content-type", Secretive("application/json".to_owned())),
        ];
        Request { method: ask.method, url, headers, body: ask.body.clone(), limit: ANSWER_LIMIT }
    }
}

impl State {
    fn note_deprecation(&mut self, call: &str, response: &Response) {
        let (deprecation, sunset) = (response.header("deprecation"), response.header("sunset"));
        if deprecation.is_none() && sunset.is_none() {
            return;
        }
        let kind: String = call.chars().filter(|c| !c.is_ascii_digit()).collect();
        if self.deprecated.insert(kind) {
            tracing::warn!(call, deprecation, sunset, "Kisi is going to take this call away: look for a newer version");
        }
    }
}

fn call_name(method: Method, path: &str) -> String {
    let verb = match method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Patch => "PATCH",
        Method::Delete => "DELETE",
    };
    format!("{verb} {path}")
}

/// A good answer that could not be read.
pub(super) fn garbled(method: Method, path: &str, why: String) -> KisiError {
    KisiError::Passing { call: call_name(method, path), fault: Fault::Garbled(why) }
}

/// A refused unlock says something about its lock, unless the key itself is unknown (rules 8).
fn concerns_one_lock(path: &str, why: &ApiError) -> bool {
    why.status == 403 && path.ends_with("/unlock")
}

fn helps_to_repeat(fault: &Fault) -> bool {
    matches!(fault, Fault::Busy(_) | Fault::Broken(_) | Fault::Lost(HttpError::Cut(_)))
}

/// What is wrong with an answer, if anything is.
fn fault_of(call: &str, answer: &Result<Response, HttpError>, key: &str) -> Option<KisiError> {
    let call = call.to_owned();
    let response = match answer {
        Ok(response) if (200..300).contains(&response.status) => return None,
        Ok(response) => response,
        Err(error) => {
            let fault = match error {
                HttpError::Connect(_) | HttpError::CertificateTime(_) => Fault::NotSent(error.clone()),
                _ => Fault::Lost(error.clone()),
            };
            return Some(KisiError::Passing { call, fault });
        }
    };
    let mut said = wire::api_error(response.status, &response.body);
    if !key.is_empty() {
        said.text = said.text.replace(key, "…");
        said.code = said.code.map(|code| code.replace(key, "…"));
    }
    Some(match response.status {
        401 | 403 => KisiError::Refused { call, why: said },
        429 => KisiError::Passing { call, fault: Fault::Busy(said) },
        408 | 500.. => KisiError::Passing { call, fault: Fault::Broken(said) },
        _ => KisiError::Item { call, error: said },
    })
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
