//! `/hooks/nexudus` and `/hooks/kisi`: signed webhooks (contract 5).
//!
//! A right one wakes a reading and nothing else: its body is signed over and then dropped unread. So one that is sent
//! again, or made up by whoever has the secret, can bring about no more than a reading, as often as the schedules allow.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};

use super::signature;
use crate::clock::{Clock, Mono};
use crate::report::desk::{Desk, Hook, Hooked};

/// The longest body: the clouds send one record.
const BODY_BYTES: usize = 256 << 10;
/// How long a body may take to arrive.
const ARRIVES: Duration = Duration::from_secs(10);
/// How many may come at once to each path, and how often one in the long run. Beyond that nothing is even looked at.
const AT_ONCE: u32 = 100;
const PER_HOOK: Duration = Duration::from_millis(50);

/// The secrets that webhooks are signed with; a path without one is not there.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// Of `/hooks/nexudus`.
    pub nexudus: Option<SecretString>,
    /// Of `/hooks/kisi`.
    pub kisi: Option<SecretString>,
}

/// What the two paths need.
#[derive(Clone)]
pub(super) struct Hooks {
    desk: Arc<dyn Desk>,
    clock: Clock,
    nexudus: Option<Arc<Mailbox>>,
    kisi: Option<Arc<Mailbox>>,
}

struct Mailbox {
    secret: SecretString,
    room: Mutex<Room>,
    /// A wrong signature was told in the log already.
    told: AtomicBool,
}

/// A bucket of requests.
#[derive(Default)]
struct Room {
    full_at: Mono,
}

impl Room {
    fn takes(&mut self, now: Mono) -> bool {
        let full_at = self.full_at.max(now).plus(PER_HOOK);
        let taken = full_at.since(now) <= PER_HOOK * AT_ONCE;
        if taken {
            self.full_at = full_at;
        }
        taken
    }
}

impl Hooks {
    pub(super) fn new(secrets: Secrets, desk: Arc<dyn Desk>, clock: Clock) -> Hooks {
        let mailbox = |secret: Option<SecretString>| {
            secret.map(|secret| Arc::new(Mailbox { secret, room: Mutex::default(), told: AtomicBool::new(false) }))
        };
        Hooks { desk, clock, nexudus: mailbox(secrets.nexudus), kisi: mailbox(secrets.kisi) }
    }

    fn mailbox(&self, hook: Hook) -> Option<&Arc<Mailbox>> {
        match hook {
            Hook::Nexudus => self.nexudus.as_ref(),
            Hook::Kisi => self.kisi.as_ref(),
        }
    }
}

/// Takes any method: a path without a secret is not there, whatever is asked of it.
pub(super) async fn receive(
    State(hooks): State<Hooks>,
    Path(name): Path<String>,
    method: axum::http::Method,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let hook = match name.as_str() {
        "nexudus" => Hook::Nexudus,
        "kisi" => Hook::Kisi,
        _ => return not_there(),
    };
    let Some(mailbox) = hooks.mailbox(hook) else { return not_there() };
    if method != axum::http::Method::POST {
        return (StatusCode::METHOD_NOT_ALLOWED, [("allow", "POST")], "webhooks are posted\n").into_response();
    }
    let (hooked, answer) = judge(&hooks.clock, hook, mailbox, &headers, body).await;
    hooks.desk.hook(hook, hooked);
    answer
}

async fn judge(clock: &Clock, hook: Hook, mailbox: &Mailbox, headers: &HeaderMap, body: Body) -> (Hooked, Response) {
    let refused = |code: StatusCode, why: &'static str| (Hooked::Refused, (code, why).into_response());
    if !mailbox.room.lock().unwrap_or_else(PoisonError::into_inner).takes(clock.mono()) {
        return refused(StatusCode::TOO_MANY_REQUESTS, "too many webhooks at once\n");
    }
    let Some(signature) = only(headers, hook) else {
        return refused(StatusCode::UNAUTHORIZED, "the signature is missing\n");
    };
    let body = match clock.timeout(ARRIVES, axum::body::to_bytes(body, BODY_BYTES)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return refused(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long, or was cut off\n"),
        Err(_) => return refused(StatusCode::REQUEST_TIMEOUT, "the body did not come\n"),
    };
    let secret = mailbox.secret.expose_secret();
    let right = match hook {
        Hook::Nexudus => signature::nexudus(secret, &body, signature),
        Hook::Kisi => signature::kisi(secret, &body, signature),
    };
    if right {
        mailbox.told.store(false, Ordering::Relaxed);
        return (Hooked::Taken, (StatusCode::OK, "thank you\n").into_response());
    }
    if !mailbox.told.swap(true, Ordering::Relaxed) {
        let name = hook.name();
        tracing::warn!(
            "a webhook on /hooks/{name} is not signed with hooks.{name}_secret: set the same secret on both sides"
        );
    }
    refused(StatusCode::UNAUTHORIZED, "the signature is wrong\n")
}

/// The signature, where there is exactly one.
fn only(headers: &HeaderMap, hook: Hook) -> Option<&str> {
    const NEXUDUS: HeaderName = HeaderName::from_static("x-nexudus-hook-signature");
    const KISI: HeaderName = HeaderName::from_static("x-signature");
    let name = match hook {
        Hook::Nexudus => NEXUDUS,
        Hook::Kisi => KISI,
    };
    let mut all = headers.get_all(name).iter();
    let first = all.next()?.to_str().ok()?;
    all.next().is_none().then_some(first)
}

fn not_there() -> Response {
    (StatusCode::NOT_FOUND, super::http::NO_PAGE).into_response()
}
