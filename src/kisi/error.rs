//! What can go wrong with a call to Kisi, classed where it arises: passing, permanent for one thing, or refused for all.

use crate::net::HttpError;

/// What Kisi said instead of doing what was asked (Kisi API notes, 2.3). Codes are opaque text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// Kisi's code, as `fcd8ef`, where there is one.
    pub code: Option<String>,
    /// Kisi's words, shortened; empty where it gave none.
    pub text: String,
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "status {}", self.status)?;
        if let Some(code) = &self.code {
            write!(f, ", code {code}")?;
        }
        if self.text.is_empty() { f.write_str(", no reason given") } else { write!(f, ": {}", self.text) }
    }
}

/// Why a call that may pass did not go through.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It never reached Kisi: nothing was done.
    #[error("it did not reach Kisi: {0}")]
    NotSent(HttpError),
    /// Kisi answered 429: it did nothing for now.
    #[error("Kisi has had too many calls: {0}")]
    Busy(ApiError),
    /// No answer came. Kisi may have done it, or may yet do it.
    #[error("{0}")]
    Lost(HttpError),
    /// A fault within Kisi, or on the way to it. Kisi may have done it.
    #[error("Kisi is in trouble: {0}")]
    Broken(ApiError),
    /// It was not sent: its turn came too long after Kisi's last answer for what it would have risked.
    #[error("its turn came too late")]
    Late,
    /// Kisi answered well, with something that could not be read. It has done it.
    #[error("the answer could not be read: {0}")]
    Garbled(String),
}

/// A call to Kisi that failed. `call` names it, as `PATCH /role_assignments/6600123`; it holds no address and no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KisiError {
    /// May pass by itself: try again later.
    #[error("{call}: {fault}; it is tried again later")]
    Passing {
        /// What was tried.
        call: String,
        /// Why it failed.
        fault: Fault,
    },
    /// Permanent for what was asked, and for that alone: trying again as it is would not help.
    #[error("{call}: {error}; look at this one item in Kisi")]
    Item {
        /// What was tried.
        call: String,
        /// What Kisi said.
        error: ApiError,
    },
    /// Kisi refuses this key (401 or 403). Nothing is written until a read has succeeded (rules 8).
    #[error(
        "{call}: Kisi refuses the key ({why}); for a right that is missing, mend the role of the key's user, then \
         'systemctl reload gatehouse'; for a new key, 'systemctl restart gatehouse'"
    )]
    Refused {
        /// What was tried, or would have been.
        call: String,
        /// What Kisi said, now or when the gate was shut.
        why: ApiError,
    },
}

impl KisiError {
    /// Whether Kisi may have done what was asked all the same.
    pub fn may_be_done(&self) -> bool {
        matches!(self, KisiError::Passing { fault: Fault::Lost(_) | Fault::Broken(_) | Fault::Garbled(_), .. })
    }

    /// The status of an answer that is permanent for its item.
    pub fn item_status(&self) -> Option<u16> {
        match self {
            KisiError::Item { error, .. } => Some(error.status),
            _ => None,
        }
    }

    /// Whether the thing asked for does not exist.
    pub fn is_missing(&self) -> bool {
        self.item_status() == Some(404)
    }
}

/// `Ok(None)` for a thing that does not exist.
pub(super) fn if_there<T>(result: Result<T, KisiError>) -> Result<Option<T>, KisiError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
    }
}
