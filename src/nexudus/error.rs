//! Why Nexudus could not be read, sorted by what helps: waiting, the operator, or neither.

use std::fmt;
use std::time::Duration;

use crate::net::HttpError;

/// A reading that failed. Says what was tried on what and what to do; never carries a password or a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NexudusError {
    /// Passes by itself: it is tried again.
    #[error("{asked}: {why}; it is tried again")]
    Passing {
        /// What was asked for.
        asked: String,
        /// What happened.
        why: Passing,
        /// How long Nexudus asked us to wait.
        retry_after: Option<Duration>,
    },
    /// Nexudus will not have it until somebody changes something there.
    #[error("{0}")]
    Refused(Refusal),
    /// The answer makes no sense: another address, another API, or a fault of theirs or ours.
    #[error("{asked}: {why}")]
    Broken {
        /// What was asked for.
        asked: String,
        /// What is wrong with the answer, and what to do.
        why: String,
    },
    /// Nexudus has no such list (404).
    #[error(
        "{asked}: Nexudus knows no such list (HTTP 404); is nexudus.url the REST API, as https://spaces.nexudus.com/api?"
    )]
    NoSuchList {
        /// What was asked for.
        asked: String,
    },
    /// More than half of the linked rows disagree with the site's zone, so none of the reading is taken (rules 4).
    #[error(
        "{asked}: {wrong} of {linked} linked bookings have a local time that is not the time in {zone} (as booking \
         {sample}); set site.timezone to the zone of the Nexudus location, and nexudus.url to the REST API, not to the \
         members' portal"
    )]
    WrongZone {
        /// What was asked for.
        asked: String,
        /// The site's zone.
        zone: String,
        /// How many linked rows disagree.
        wrong: usize,
        /// How many there are.
        linked: usize,
        /// The id of one that disagrees.
        sample: u64,
    },
}

/// What passes by itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Passing {
    /// No answer at all.
    #[error("no answer from Nexudus ({0})")]
    NoAnswer(HttpError),
    /// Too many calls, by us or by another program of the same Nexudus user (Nexudus API notes, 2.4).
    #[error("Nexudus asks to wait (HTTP {0}); lower nexudus.requests_per_hour if this is often")]
    Throttled(u16),
    /// Nexudus has a fault.
    #[error("Nexudus failed with HTTP {status}{}", said(.message.as_deref()))]
    Failed {
        /// The status.
        status: u16,
        /// `Message`, where there is one.
        message: Option<String>,
    },
}

/// What only a person can mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// User name or password, or the user has no "API Access". Nothing can be read.
    #[error(
        "Nexudus refuses the sign-in of {user} ({said}); check nexudus.username and nexudus.password, and that the \
         user has \"API Access\" ticked in Nexudus"
    )]
    SignIn {
        /// The user name.
        user: String,
        /// What Nexudus said.
        said: String,
    },
    /// Signed in, but this is not allowed. The other lists go on.
    #[error("{asked}: Nexudus refuses it to this user (HTTP {status}); give the user a role with {role}")]
    Role {
        /// What was asked for.
        asked: String,
        /// The right that is missing, as `Booking-List`.
        role: String,
        /// The status.
        status: u16,
    },
}

impl NexudusError {
    /// How long Nexudus asked us to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            NexudusError::Passing { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether only a person can mend it.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            NexudusError::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// Whether Nexudus asks all of us to wait.
    pub fn is_throttle(&self) -> bool {
        matches!(self, NexudusError::Passing { why: Passing::Throttled(_), .. })
    }

    /// Whether the list does not exist there. Some are known from older documents alone.
    pub fn is_no_such_list(&self) -> bool {
        matches!(self, NexudusError::NoSuchList { .. })
    }

    /// Whether no answer came at all: the other lists would fare no better.
    pub fn is_no_answer(&self) -> bool {
        matches!(self, NexudusError::Passing { why: Passing::NoAnswer(_), .. })
    }
}

fn said(message: Option<&str>) -> impl fmt::Display {
    message.map(|text| format!(" ('{text}')")).unwrap_or_default()
}
