//! One user's conversation with Nexudus: signs in, keeps to the budget, and says what each answer means.
//!
//! Calls are strictly one after another, each takes from the [`Budget`] first, and none is tried again here except once
//! after a 401, with a new token. What is read, and when, is not known here.

mod answer;
mod session;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use url::Url;

use self::answer::{Verdict, judge};
use self::session::{Grant, Session, SignIn};
use super::error::{NexudusError, Passing, Refusal};
use super::limits::Budget;
use crate::clock::{Clock, Mono};
use crate::net::backoff::doubled;
use crate::net::{Http, Method, Request, Response, Secretive};

/// How long an answer may take: a page of 1,000 rows is slow work for them.
const ANSWER_WITHIN: Duration = Duration::from_secs(45);
/// Where the token endpoint is of no use and Basic serves, it is tried again after this.
const TOKEN_AGAIN: Duration = Duration::from_secs(15 * 60);
/// How long to wait when a throttle names no time (Nexudus API notes, 2.4), and the longest that is obeyed.
const THROTTLED: Duration = Duration::from_secs(15);
const THROTTLED_MAX: Duration = Duration::from_secs(15 * 60);
/// After a refused sign-in one read tries again after 10 s, then at doubling pauses up to 5 minutes (rules 8).
const REFUSED_FLOOR: Duration = Duration::from_secs(10);
const REFUSED_CEILING: Duration = Duration::from_secs(5 * 60);

/// As whom, and where.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `nexudus.url`: the REST API's base.
    pub url: Url,
    /// `nexudus.username`.
    pub username: String,
    /// `nexudus.password`.
    pub password: SecretString,
    /// What our tokens are kept apart by: two programs of one `client_id` end each other's tokens
    /// (Nexudus API notes, 1). As `gatehouse-<site>`.
    pub client_id: String,
    /// `nexudus.requests_per_hour`.
    pub requests_per_hour: u32,
}

/// An address that can't be the REST API's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "nexudus.url '{0}' is not the REST API: on a location's own host it is the members' portal, whose times mean \
     something else; set it to https://spaces.nexudus.com/api"
)]
pub struct WrongAddress(Url);

/// Which right a read needs (Nexudus API notes, 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// `-List`
    List,
    /// `-Read`
    Read,
}

/// One read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Behind the base: `spaces/bookings`.
    pub path: String,
    /// The query.
    pub query: Vec<(String, String)>,
    /// The entity in the names of filters and roles: `Booking`.
    pub entity: &'static str,
    /// Which right of it is needed.
    pub right: Right,
}

impl Ask {
    /// As errors name it: without the query, which may name people.
    fn named(&self) -> String {
        match self.query.iter().find(|(key, _)| key == "page") {
            Some((_, page)) => format!("GET {} (page {page})", self.path),
            None => format!("GET {}", self.path),
        }
    }

    fn role(&self) -> String {
        let right = match self.right {
            Right::List => "List",
            Right::Read => "Read",
        };
        format!("{}-{right}", self.entity)
    }
}

/// A signed-in user of Nexudus' REST API.
pub struct NexudusClient {
    http: Arc<dyn Http>,
    clock: Clock,
    settings: Settings,
    base: String,
    state: Mutex<State>,
    calls: AtomicU64,
}

struct State {
    budget: Budget,
    session: Session,
    /// Whether Basic has been accepted since it was last refused: then a 401 is a missing role.
    basic_proven: bool,
    refused: Option<Gate>,
    throttled: Option<(Mono, NexudusError)>,
}

/// No call passes before `until`.
struct Gate {
    until: Mono,
    pauses: u32,
    error: NexudusError,
}

impl NexudusClient {
    /// A client that has made no call yet.
    pub fn new(http: Arc<dyn Http>, clock: Clock, settings: Settings) -> Result<NexudusClient, WrongAddress> {
        let tenant = settings.url.host_str().is_some_and(|host| host.ends_with(".spaces.nexudus.com"));
        if tenant || settings.url.cannot_be_a_base() {
            return Err(WrongAddress(settings.url));
        }
        let base = settings.url.as_str().trim_end_matches('/').to_owned();
        let state = State {
            budget: Budget::new(settings.requests_per_hour),
            session: Session::None,
            basic_proven: false,
            refused: None,
            throttled: None,
        };
        Ok(NexudusClient { http, clock, settings, base, state: Mutex::new(state), calls: AtomicU64::new(0) })
    }

    /// The clock by which it waits.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// How many calls were made so far, those for tokens included.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// How many calls an hour the budget sustains: what the schedule may plan with.
    pub fn sustained_per_hour(&self) -> f64 {
        Budget::new(self.settings.requests_per_hour).sustained_per_hour()
    }

    /// Forgets refusals and the session, so that the next read signs in at once (rules 8: on SIGHUP).
    pub async fn reset(&self) {
        let mut state = self.state.lock().await;
        state.refused = None;
        state.session = Session::None;
    }

    /// One read of a list: the body of a 200.
    pub async fn list(&self, ask: &Ask) -> Result<Bytes, NexudusError> {
        self.fetch(ask).await?.ok_or_else(|| NexudusError::NoSuchList { asked: ask.named() })
    }

    /// One read by id: the body of a 200, or `None` for a 404. A dead id may also fail with a 500, which says neither
    /// that it is there nor that it is gone (Nexudus API notes, 8, row 17).
    pub async fn record(&self, ask: &Ask) -> Result<Option<Bytes>, NexudusError> {
        self.fetch(ask).await
    }

    async fn fetch(&self, ask: &Ask) -> Result<Option<Bytes>, NexudusError> {
        let mut state = self.state.lock().await;
        state.gate(self.clock.mono())?;
        let result = self.signed(&mut state, ask).await;
        state.note(&result, self.clock.mono());
        result
    }

    /// The read with a session; after a 401 once more with a new one. A 401 to a session made just now is a missing
    /// role, for Nexudus says both in the same way (Nexudus API notes, 1).
    async fn signed(&self, state: &mut State, ask: &Ask) -> Result<Option<Bytes>, NexudusError> {
        let mut fresh = self.session(state).await?;
        loop {
            let request = self.read_request(state, ask)?;
            let answer = self.call(state, request, &ask.named()).await?;
            let basic = matches!(state.session, Session::Basic { .. });
            match judge(&answer) {
                Verdict::Unauthorized if !fresh => {
                    self.sign_in(state).await?;
                    fresh = true;
                }
                Verdict::Unauthorized if basic && !state.basic_proven => return Err(self.refused_sign_in("HTTP 401")),
                Verdict::Unauthorized | Verdict::Forbidden => {
                    state.basic_proven = false;
                    let (asked, role) = (ask.named(), ask.role());
                    return Err(NexudusError::Refused(Refusal::Role { asked, role, status: answer.status }));
                }
                Verdict::Body => {
                    state.basic_proven = basic;
                    return Ok(Some(answer.body));
                }
                Verdict::NotFound => return Ok(None),
                Verdict::Passing(why, retry_after) => {
                    let why = why.scrubbed(|text| self.scrub(state, text));
                    return Err(NexudusError::Passing { asked: ask.named(), why, retry_after });
                }
                Verdict::Senseless(why) => {
                    return Err(NexudusError::Broken { asked: ask.named(), why: self.scrub(state, &why) });
                }
            }
        }
    }

    /// Makes sure that there is a session. True: it was made just now with the password, so a 401 is no news of it.
    async fn session(&self, state: &mut State) -> Result<bool, NexudusError> {
        let now = self.clock.mono();
        match &state.session {
            Session::Token { renew_at, .. } if now < *renew_at => return Ok(false),
            Session::Basic { token_again_at } if now < *token_again_at => return Ok(false),
            Session::Token { refresh: Some(refresh), .. } => {
                let grant = Grant::Refresh(refresh.clone());
                if let SignIn::Session(session) = self.token(state, grant).await? {
                    state.session = session;
                    return Ok(false);
                }
            }
            _ => {}
        }
        self.sign_in(state).await?;
        Ok(true)
    }

    /// Signs in with the password: by token, or by Basic where the token endpoint is of no use.
    async fn sign_in(&self, state: &mut State) -> Result<(), NexudusError> {
        state.session = Session::None;
        match self.token(state, Grant::Password).await? {
            SignIn::Session(session) => state.session = session,
            SignIn::Refused(said) => return Err(self.refused_sign_in(&self.scrub(state, &said))),
            SignIn::Useless(why) => {
                tracing::warn!(why = %self.scrub(state, &why), "Nexudus gives no token; going on with HTTP Basic");
                state.session = Session::Basic { token_again_at: self.clock.mono().plus(TOKEN_AGAIN) };
            }
        }
        Ok(())
    }

    async fn token(&self, state: &mut State, grant: Grant) -> Result<SignIn, NexudusError> {
        let asked = "POST token";
        let request = session::token_request(&self.address("token", &[])?, &self.settings, &grant, ANSWER_WITHIN);
        let answer = self.call(state, request, asked).await?;
        if let Verdict::Passing(why @ Passing::Throttled(_), retry_after) = judge(&answer) {
            return Err(NexudusError::Passing { asked: asked.to_owned(), why, retry_after });
        }
        Ok(session::judge_token(&answer, self.clock.mono()))
    }

    /// One call, when the budget allows.
    async fn call(&self, state: &mut State, request: Request, asked: &str) -> Result<Response, NexudusError> {
        loop {
            let now = self.clock.mono();
            let at = state.budget.next_at(now);
            if at <= now {
                state.budget.take(now);
                break;
            }
            self.clock.sleep_until(at).await;
        }
        self.calls.fetch_add(1, Ordering::Relaxed);
        let answer = self.http.send(request).await;
        state.budget.answered(self.clock.mono());
        answer.map_err(|error| NexudusError::Passing {
            asked: asked.to_owned(),
            why: Passing::NoAnswer(error),
            retry_after: None,
        })
    }

    fn read_request(&self, state: &State, ask: &Ask) -> Result<Request, NexudusError> {
        let mut headers = vec![("accept", Secretive("application/json".to_owned()))];
        if let Some(value) = state.session.authorization(&self.settings) {
            headers.push(("authorization", Secretive(value)));
        }
        let url = self.address(&ask.path, &ask.query)?;
        Ok(Request { method: Method::Get, url, headers, body: Bytes::new(), limit: ANSWER_WITHIN })
    }

    fn address(&self, path: &str, query: &[(String, String)]) -> Result<Url, NexudusError> {
        let broken =
            |e: url::ParseError| NexudusError::Broken { asked: path.to_owned(), why: format!("no address: {e}") };
        let mut url = Url::parse(&format!("{}/{path}", self.base)).map_err(broken)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    fn refused_sign_in(&self, said: &str) -> NexudusError {
        let user = self.settings.username.clone();
        NexudusError::Refused(Refusal::SignIn { user, said: said.to_owned() })
    }

    /// Text from outside without our secrets, should it repeat them (promise 8).
    fn scrub(&self, state: &State, text: &str) -> String {
        let secrets = state.session.secrets().into_iter().chain([&self.settings.password]);
        secrets
            .filter(|secret| !secret.expose_secret().is_empty())
            .fold(text.to_owned(), |text, secret| text.replace(secret.expose_secret(), "…"))
    }
}

impl State {
    /// The stored error, as long as no call may be made.
    fn gate(&self, now: Mono) -> Result<(), NexudusError> {
        if let Some(gate) = &self.refused
            && now < gate.until
        {
            return Err(gate.error.clone());
        }
        if let Some((until, error)) = &self.throttled
            && now < *until
        {
            let mut error = error.clone();
            if let NexudusError::Passing { retry_after, .. } = &mut error {
                *retry_after = Some(until.since(now));
            }
            return Err(error);
        }
        Ok(())
    }

    /// Learns from what became of a read.
    fn note(&mut self, result: &Result<Option<Bytes>, NexudusError>, now: Mono) {
        match result {
            Err(error @ NexudusError::Refused(Refusal::SignIn { .. })) => {
                let pauses = self.refused.as_ref().map_or(0, |gate| gate.pauses);
                let until = now.plus(doubled(REFUSED_FLOOR, REFUSED_CEILING, pauses));
                self.refused = Some(Gate { until, pauses: pauses.saturating_add(1), error: error.clone() });
            }
            Err(error @ NexudusError::Passing { why: Passing::Throttled(_), retry_after, .. }) => {
                let pause = retry_after.unwrap_or(THROTTLED).min(THROTTLED_MAX);
                self.throttled = Some((now.plus(pause), error.clone()));
            }
            Ok(_) | Err(NexudusError::Refused(Refusal::Role { .. })) => {
                self.refused = None;
                self.throttled = None;
            }
            Err(_) => {}
        }
    }
}
