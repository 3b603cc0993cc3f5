//! Nexudus' twin: answers as Nexudus is known to answer, and in each of the ways in which it may (Nexudus API notes,
//! 7.1).
//!
//! [`NexudusTwin`] is a value: a request and the time in, an answer out. It keeps the true state of a site
//! ([`site::Site`]) and writes it by its [`switches::Switches`]; [`history::History`] says what it held at any moment.
//! It knows nothing of the gateway or of its client.
//!
//! A simulated day asks for some 100,000 lists, so a row is written once until it changes, and an answer is kept
//! until its table changes.

pub mod api;
mod auth;
mod dates;
mod derive;
mod entities;
pub mod history;
pub mod hooks;
mod query;
mod rows;
pub mod shape;
pub mod site;
mod steer;
pub mod switches;
mod throttle;
mod verbs;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};

pub use api::says;
pub use rows::SetupError;
pub use shape::Entity;
pub use site::Site;
pub use switches::Switches;

use self::auth::Auth;
use self::history::{History, Received};
use self::throttle::Throttle;
use super::control;
use super::faults::Faults;
use super::http::{Answer, Cloud, Fate, Request, Response};

/// The most answers that are kept for being asked again.
const ANSWERS_MAX: usize = 64;

/// The core of Nexudus' twin. Serves `/api/…` to one user, and `/_twin/…` to whoever steers it.
#[derive(Debug)]
pub struct NexudusTwin {
    site: Site,
    auth: Auth,
    throttle: Throttle,
    /// The faults that it has with every cloud in common.
    pub faults: Faults,
    /// Lists by what was asked, each with the version of the table it was made from.
    answers: HashMap<(Entity, String), (u64, Bytes)>,
}

impl NexudusTwin {
    /// An empty account with one user, who has every role.
    pub fn new(email: &str, password: &str) -> NexudusTwin {
        NexudusTwin {
            site: Site::new(),
            auth: Auth::new(email, password),
            throttle: Throttle::default(),
            faults: Faults::default(),
            answers: HashMap::new(),
        }
    }

    /// The site at that moment of the twin's own clock, to be changed. The clock never goes back.
    pub fn at(&mut self, now: DateTime<Utc>) -> &mut Site {
        self.site.advance(now);
        &mut self.site
    }

    /// The site as it was last seen.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// Turns switches.
    pub fn switch(&mut self, change: impl FnOnce(&mut Switches)) {
        self.site.switch(change);
    }

    /// What it said and heard.
    pub fn history(&self) -> &History {
        &self.site.history
    }

    /// Changes the user's password. Tokens stay good.
    pub fn set_password(&mut self, password: &str) {
        self.auth.set_password(password);
    }

    /// Ends every access and refresh token.
    pub fn revoke_tokens(&mut self) {
        self.auth.revoke_all();
    }

    /// Ends every access token; refresh tokens stay good.
    pub fn expire_tokens(&mut self) {
        self.auth.revoke_access();
    }

    fn work(&mut self, request: &Request, now: DateTime<Utc>) -> Response {
        let Some(path) = request.path.strip_prefix("/api/") else { return api::not_found() };
        let write = matches!(request.method.as_str(), "POST" | "PUT" | "DELETE");
        if let Err(refused) = self.throttle.admit(write, now, self.site.switches().limits) {
            return refused;
        }
        if path == "token" && request.method == "POST" {
            return self.auth.token(request, now, self.site.switches());
        }
        if !self.auth.admits(request, now, self.site.switches()) {
            return api::unauthorized();
        }
        match api::list_of(&self.site, request, path) {
            Some(entity) => api::listed(self.list(entity, request)),
            None => api::answer(&mut self.site, request, path),
        }
    }

    fn list(&mut self, entity: Entity, request: &Request) -> Bytes {
        let version = self.site.table(entity).version;
        let key = (entity, target(&request.query));
        if let Some((of, body)) = self.answers.get(&key)
            && *of == version
        {
            return body.clone();
        }
        let body = Bytes::from(self.site.list(entity, &request.query));
        if self.answers.len() >= ANSWERS_MAX {
            self.answers.clear();
        }
        self.answers.insert(key, (version, body.clone()));
        body
    }
}

impl Cloud for NexudusTwin {
    fn handle(&mut self, request: &Request, now: DateTime<Utc>) -> Answer {
        self.site.advance(now);
        if request.path.starts_with(control::PREFIX) {
            let response = steer::answer(self, request);
            return Answer { response, delay: std::time::Duration::ZERO, fate: Fate::Deliver };
        }
        let answer = self.faults.meet(request).answer(now, || self.work(request, now));
        let mut path = request.path.clone();
        if !request.query.is_empty() {
            path.push('?');
            path.push_str(&target(&request.query));
        }
        let (method, status) = (request.method.clone(), answer.response.status);
        self.site.history.received(Received { at: now, method, target: path, status });
        answer
    }

    fn down(&self) -> bool {
        self.faults.down
    }
}

/// The query as it may be read by people; it need not be split again.
fn target(query: &[(String, String)]) -> String {
    let mut out = String::new();
    for (name, value) in query {
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(name);
        out.push('=');
        out.push_str(value);
    }
    out
}
