//! A Kisi of a few lines for the tests of this room: it holds users and rows, and can lose, refuse and ignore.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::client::{KisiClient, Settings};
use super::write::{Ctx, Form};
use crate::clock::Clock;
use crate::domain::ledger::Owned;
use crate::domain::plan::{Action, Change, PersonRef, Urgency};
use crate::domain::{AssignmentId, BookingId, CustomerId, Email, GroupId, NewUsers, Reason, Timestamp, UserId, Window};
use crate::net::pace::Pace;
use crate::net::{Boxed, Http, HttpError, Method, Request, Response};

pub const KEY: &str = "k-3f9c-secret";
pub const US: UserId = UserId(700_001);
pub const ADA: UserId = UserId(771_001);
pub const OAK: GroupId = GroupId(45_901);

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub call: String,
    pub query: BTreeMap<String, String>,
    pub body: Value,
    pub at: crate::clock::Mono,
}

/// What happens to a call instead of, or after, its work.
#[derive(Clone, Debug)]
pub enum Fate {
    /// It is answered so, and not done.
    Answer(u16, Value),
    /// It is answered so with these headers, and not done.
    Headers(u16, Vec<(&'static str, String)>, Value),
    /// It is done, and the answer is lost.
    DoneAndLost,
    /// It is neither done nor answered.
    Lost,
}

#[derive(Default)]
pub struct State {
    pub users: BTreeMap<u64, Value>,
    pub rows: BTreeMap<u64, Value>,
    pub seen: Vec<Seen>,
    /// For the n-th next call that begins with that text: what becomes of it.
    pub fates: Vec<(String, usize, Fate)>,
    pub patch_ignored: bool,
    pub only_old_form: bool,
    pub ignores_name: bool,
    next: u64,
}

/// The fake, shared with the client.
#[derive(Clone)]
pub struct Fake {
    pub clock: Clock,
    state: Arc<Mutex<State>>,
}

pub fn start() -> Timestamp {
    DateTime::from_timestamp(1_796_115_600, 0).expect("in range")
}

pub fn minute(at: i64) -> Timestamp {
    start() + TimeDelta::minutes(at)
}

pub fn window(from: i64, until: i64) -> Window {
    Window::new(Some(minute(from)), Some(minute(until))).expect("a window")
}

impl Fake {
    pub fn new() -> (Fake, Arc<KisiClient>) {
        let clock = Clock::starting_at(start(), 1.0);
        let fake = Fake { clock: clock.clone(), state: Arc::default() };
        fake.state().next = 6_600_000;
        let settings = Settings {
            url: url::Url::parse("https://kisi.test/base/").expect("an address"),
            api_key: SecretString::from(KEY),
            place: None,
        };
        let pace = Pace::new(clock.clone(), 5.0);
        let client = KisiClient::new(Arc::new(fake.clone()), clock, pace, settings);
        (fake, Arc::new(client))
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("lock")
    }

    /// The `nth` next call (from 0) that begins with `call` meets `fate`.
    pub fn fate(&self, call: &str, nth: usize, fate: Fate) {
        self.state().fates.push((call.to_owned(), nth, fate));
    }

    pub fn calls(&self) -> Vec<String> {
        self.state().seen.iter().map(|seen| seen.call.clone()).collect()
    }

    pub fn writes(&self) -> Vec<String> {
        self.calls().into_iter().filter(|call| !call.starts_with("GET")).collect()
    }

    pub fn user(&self, id: UserId, email: &str, enabled: bool, metadata: Value) {
        let user = json!({"id": id.0, "email": email, "name": "Ada Byron", "access_enabled": enabled,
                          "metadata": metadata});
        self.state().users.insert(id.0, user);
    }

    pub fn row(&self, id: u64, user: UserId, group: GroupId, window: Window, by: UserId) {
        let made = minute(-600).to_rfc3339();
        self.state().rows.insert(id, role(id, user.0, group.0, &window, by.0, &made));
    }
}

fn role(id: u64, user: u64, group: u64, window: &Window, by: u64, made: &str) -> Value {
    let text = |at: Option<Timestamp>| at.map(super::body::instant);
    json!({"id": id, "role_id": "group_basic", "applies_to_type": "Group", "applies_to_id": group,
           "assignee_type": "User", "assignee_id": user, "created_by_type": "User", "created_by_id": by,
           "user_id": user, "group_id": group, "assignee_team_id": null, "scope": "group", "created_at": made,
           "valid_from": text(window.from()), "valid_until": text(window.until()), "unheard_of": {"x": 1}})
}

impl Http for Fake {
    fn send(&self, request: Request) -> Boxed<'_, Result<Response, HttpError>> {
        Box::pin(async move {
            let header = |name: &str| request.headers.iter().find(|(n, _)| *n == name).map(|(_, v)| v.0.clone());
            assert_eq!(header("authorization"), Some(format!("KISI-LOGIN {KEY}")));
            assert_eq!(header("accept").as_deref(), Some("application/json"));
            let path = request.url.path().strip_prefix("/base").expect("the base of the address").to_owned();
            let verb = match request.method {
                Method::Get => "GET",
                Method::Post => "POST",
                Method::Patch => "PATCH",
                Method::Delete => "DELETE",
            };
            let call = format!("{verb} {path}");
            let body = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
            let query = request.url.query_pairs().into_owned().collect();
            let mut state = self.state();
            let seen = Seen { call: call.clone(), query, body, at: self.clock.mono() };
            state.seen.push(seen.clone());
            let mut fate = None;
            for (prefix, left, what) in &mut state.fates {
                if call.starts_with(prefix.as_str()) {
                    if *left == 0 && fate.is_none() {
                        fate = Some(what.clone());
                    }
                    *left = left.wrapping_sub(1);
                }
            }
            match fate {
                Some(Fate::Answer(status, body)) => Ok(answer(status, Vec::new(), &body)),
                Some(Fate::Headers(status, headers, body)) => Ok(answer(status, headers, &body)),
                Some(Fate::Lost) => Err(HttpError::TimedOut(request.limit)),
                Some(Fate::DoneAndLost) => {
                    state.handle(&seen, self.clock.wall());
                    Err(HttpError::TimedOut(request.limit))
                }
                None => Ok(state.handle(&seen, self.clock.wall())),
            }
        })
    }
}

pub fn answer(status: u16, headers: Vec<(&'static str, String)>, body: &Value) -> Response {
    let text = match body {
        Value::Null => String::new(),
        Value::String(raw) => raw.clone(),
        json => json.to_string(),
    };
    let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Response { status, headers, body: Bytes::from(text), verified: true }
}

impl State {
    fn handle(&mut self, seen: &Seen, now: Timestamp) -> Response {
        let (verb, path) = seen.call.split_once(' ').expect("a call");
        let mut parts = path.trim_start_matches('/').split('/');
        let (kind, id) = (parts.next().unwrap_or(""), parts.next().and_then(|id| id.parse::<u64>().ok()));
        let missing = || answer(404, Vec::new(), &json!({"code": "000404", "error": "not found"}));
        let things = if kind == "users" { &mut self.users } else { &mut self.rows };
        match (verb, id) {
            ("GET", Some(id)) => things.get(&id).map_or_else(missing, |thing| answer(200, Vec::new(), thing)),
            ("DELETE", Some(id)) => things.remove(&id).map_or_else(missing, |_| answer(204, Vec::new(), &Value::Null)),
            ("GET", None) => {
                let wanted = |name: &str, thing: &Value| {
                    let asked = seen.query.get(name);
                    asked.is_none_or(|asked| thing[name].to_string().trim_matches('"').eq_ignore_ascii_case(asked))
                };
                let names = ["email", "user_id", "applies_to_id", "assignee_id", "scope"];
                let found: Vec<_> = things.values().filter(|t| names.iter().all(|name| wanted(name, t))).collect();
                let number = |name: &str| seen.query[name].parse::<usize>().expect("a number");
                let (offset, limit) = (number("offset"), number("limit"));
                let range = if found.is_empty() {
                    "*/0".to_owned()
                } else {
                    format!("{offset}-{}/{}", offset + limit - 1, found.len())
                };
                let page: Vec<_> = found.into_iter().skip(offset).take(limit).collect();
                answer(200, vec![("x-collection-range", range)], &json!(page))
            }
            ("PATCH", Some(id)) => {
                let Some(thing) = things.get_mut(&id) else { return missing() };
                let inner = seen.body.as_object().and_then(|body| body.values().next()).cloned().unwrap_or_default();
                if !(kind == "role_assignments" && self.patch_ignored) {
                    for (key, value) in inner.as_object().expect("a map") {
                        thing[key] = value.clone();
                    }
                }
                answer(204, Vec::new(), &Value::Null)
            }
            _ => self.make(kind, &seen.body, now),
        }
    }

    fn make(&mut self, kind: &str, body: &Value, now: Timestamp) -> Response {
        self.next += 1;
        let id = self.next;
        if kind == "users" {
            let mut user = body["user"].clone();
            user["id"] = id.into();
            if self.ignores_name {
                user["name"] = "".into();
            }
            if self.users.values().any(|there| there["email"] == user["email"]) {
                return answer(422, Vec::new(), &json!({"errors": {"email": ["has already been taken"]}}));
            }
            self.users.insert(id, user.clone());
            return answer(200, Vec::new(), &user);
        }
        let row = &body["role_assignment"];
        let old = row["user_id"].as_u64().zip(row["group_id"].as_u64());
        let new = row["assignee_id"].as_u64().zip(row["applies_to_id"].as_u64()).filter(|_| !self.only_old_form);
        let Some((user, group)) = old.or(new) else { return answer(422, Vec::new(), &Value::Null) };
        if !self.users.contains_key(&user) {
            return answer(422, Vec::new(), &Value::Null);
        }
        if self.rows.values().any(|there| there["user_id"] == user && there["group_id"] == group) {
            return answer(409, Vec::new(), &json!({"code": "000409", "error": "Conflict"}));
        }
        let at = |side: &str| row[side].as_str().map(|text| text.parse::<Timestamp>().expect("a time"));
        let window = Window::new(at("valid_from"), at("valid_until")).expect("a window");
        let row = role(id, user, group, &window, US.0, &now.to_rfc3339());
        self.rows.insert(id, row.clone());
        answer(200, Vec::new(), &row)
    }
}

pub fn change(action: Action, urgency: Urgency) -> Change {
    let person = PersonRef {
        customer: Some(CustomerId(90_210)),
        user: Some(ADA),
        email: Email::parse("ada@example.org"),
        name: Some("Ada Byron".to_owned()),
    };
    Change { urgency, due: start(), action, person, reason: Reason::Booking(BookingId(1)) }
}

pub fn owned(row: u64, window: Window) -> Owned {
    Owned {
        id: AssignmentId(row),
        user: ADA,
        group: OAK,
        customer: Some(CustomerId(90_210)),
        valid_from: window.from(),
        valid_until: window.until(),
        reason: Reason::Booking(BookingId(1)),
        written_at: minute(-600),
        adopted_from: None,
    }
}

pub fn ctx() -> Ctx {
    Ctx {
        us: US,
        site: "mill-house".to_owned(),
        owned: Vec::new(),
        new_users: NewUsers::Regular,
        patch_ignored: false,
        form: Form::New,
        intent_at: start(),
        tried: false,
        adopted_suspended: false,
        now: start(),
    }
}
