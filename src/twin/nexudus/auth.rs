//! Who may call: tokens, Basic, roles (Nexudus API notes, 1).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::switches::Switches;
use crate::twin::control;
use crate::twin::http::{Request, Response};

/// The most access tokens that are kept; then the oldest go.
const TOKENS_MAX: usize = 10_000;

/// An access token: whose it is and how long it holds.
#[derive(Clone, Debug)]
struct Token {
    client: String,
    until: DateTime<Utc>,
}

/// The one user there is, and the tokens it holds.
#[derive(Clone, Debug)]
pub(super) struct Auth {
    email: String,
    password: String,
    access: BTreeMap<String, Token>,
    /// The one refresh token of each client.
    refresh: BTreeMap<String, String>,
    issued: u64,
    /// Accepted `Basic` headers, so that none is decoded twice.
    basic: BTreeSet<String>,
}

impl Auth {
    pub fn new(email: &str, password: &str) -> Auth {
        Auth {
            email: email.to_owned(),
            password: password.to_owned(),
            access: BTreeMap::new(),
            refresh: BTreeMap::new(),
            issued: 0,
            basic: BTreeSet::new(),
        }
    }

    /// Sets another password; `Basic` with the old one is refused from now on.
    pub fn set_password(&mut self, password: &str) {
        self.password = password.to_owned();
        self.basic.clear();
    }

    /// Ends every token, as a changed password or a long outage does.
    pub fn revoke_all(&mut self) {
        self.access.clear();
        self.refresh.clear();
    }

    /// Ends every access token; refresh tokens stay.
    pub fn revoke_access(&mut self) {
        self.access.clear();
    }

    /// Whether the request's `Authorization` is good.
    pub fn admits(&mut self, request: &Request, now: DateTime<Utc>, switches: &Switches) -> bool {
        if !switches.api_access {
            return false;
        }
        let Some((scheme, value)) = request.header("authorization").and_then(|h| h.split_once(' ')) else {
            return false;
        };
        if scheme.eq_ignore_ascii_case("bearer") {
            return self.access.get(value.trim()).is_some_and(|token| now < token.until);
        }
        scheme.eq_ignore_ascii_case("basic") && self.admits_basic(value.trim())
    }

    fn admits_basic(&mut self, value: &str) -> bool {
        if self.basic.contains(value) {
            return true;
        }
        let good = base64(format!("{}:{}", self.email, self.password).as_bytes()) == value;
        if good {
            self.basic.insert(value.to_owned());
        }
        good
    }

    /// Answers `POST /api/token`.
    pub fn token(&mut self, request: &Request, now: DateTime<Utc>, switches: &Switches) -> Response {
        let error = |status, what: &str| control::json(status, &json!({ "error": what }));
        let form = request
            .header("content-type")
            .is_some_and(|t| t.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded"));
        if !form {
            // The body is not looked at: no grant type is found in it (notes, 1).
            return error(400, "unsupported_grant_type");
        }
        let pairs: Vec<(String, String)> = url::form_urlencoded::parse(&request.body).into_owned().collect();
        let field = |name: &str| pairs.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let named = field("client_id").or_else(|| request.header("client_id")).map(str::to_owned);
        let client = match field("grant_type") {
            Some("password") => {
                let email = field("username").unwrap_or_default();
                let good = email.eq_ignore_ascii_case(&self.email) && field("password") == Some(self.password.as_str());
                if !(good && switches.api_access) {
                    return error(switches.refused_login, "invalid_grant");
                }
                named.unwrap_or_else(|| self.email.clone())
            }
            Some("refresh_token") => {
                let client = named.unwrap_or_else(|| self.email.clone());
                let held = self.refresh.get(&client);
                if held.is_none() || held.map(String::as_str) != field("refresh_token") || !switches.api_access {
                    return error(switches.refused_login, "invalid_grant");
                }
                client
            }
            _ => return error(400, "unsupported_grant_type"),
        };
        self.access.retain(|_, token| token.client != client && now < token.until);
        if self.access.len() >= TOKENS_MAX {
            self.access.pop_first();
        }
        self.issued += 1;
        let (access, refresh) = (format!("access-{:016x}", self.issued), format!("refresh-{:016x}", self.issued));
        let until = now + TimeDelta::seconds(i64::from(switches.token_seconds));
        self.access.insert(access.clone(), Token { client: client.clone(), until });
        self.refresh.insert(client, refresh.clone());
        control::json(
            200,
            &json!({"access_token": access, "token_type": "bearer", "expires_in": switches.token_seconds,
                "refresh_token": refresh}),
        )
    }
}

/// Base64 with padding (RFC 4648, 4).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().enumerate().fold(0_u32, |word, (i, byte)| word | u32::from(*byte) << (16 - 8 * i));
        for digit in 0..4 {
            let six = (word >> (18 - 6 * digit)) & 63;
            out.push(if digit <= chunk.len() { char::from(DIGITS[six as usize]) } else { '=' });
        }
    }
    out
}
