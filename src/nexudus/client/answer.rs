//! What an answer's status means (Nexudus API notes, 2.4 and 2.5).

use std::time::Duration;

use crate::net::Response;
use crate::net::backoff::retry_after;
use crate::nexudus::error::Passing;
use crate::nexudus::wire::{message, shortened};

/// What to make of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// There is something to read.
    Body,
    /// Nothing of that address or id.
    NotFound,
    /// Not signed in, or a right is missing.
    Unauthorized,
    /// A right is missing.
    Forbidden,
    /// Passes, perhaps after the time that was asked for.
    Passing(Passing, Option<Duration>),
    /// Makes no sense, and what to do.
    Senseless(String),
}

pub(super) fn judge(answer: &Response) -> Verdict {
    let asked_to_wait = retry_after(answer);
    match answer.status {
        200..=299 => Verdict::Body,
        401 => Verdict::Unauthorized,
        403 => Verdict::Forbidden,
        404 => Verdict::NotFound,
        // A 409 is the throttle, with an empty body, and no conflict: nothing is written here (trap 5).
        status @ (409 | 429) => Verdict::Passing(Passing::Throttled(status), asked_to_wait),
        503 if asked_to_wait.is_some() => Verdict::Passing(Passing::Throttled(503), asked_to_wait),
        status @ (408 | 500..=599) => {
            Verdict::Passing(Passing::Failed { status, message: message(&answer.body) }, asked_to_wait)
        }
        status @ 300..=399 => {
            let to = answer.header("location").map(shortened).unwrap_or_else(|| "nowhere".to_owned());
            Verdict::Senseless(format!("the answer is a redirection (HTTP {status}) to {to}; correct nexudus.url"))
        }
        status => match message(&answer.body) {
            Some(text) => Verdict::Senseless(format!("Nexudus does not take it (HTTP {status}): {text}")),
            None => Verdict::Senseless(format!("Nexudus does not take it (HTTP {status}) and does not say why")),
        },
    }
}

impl Passing {
    /// The same with what Nexudus said passed through `scrub`.
    pub(super) fn scrubbed(self, scrub: impl Fn(&str) -> String) -> Passing {
        match self {
            Passing::Failed { status, message } => {
                Passing::Failed { status, message: message.map(|text| scrub(&text)) }
            }
            other => other,
        }
    }
}
