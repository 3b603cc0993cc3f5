//! The one place that builds HTTP clients, and how calls are paced and tried again.
//!
//! Knows no cloud. [`Http`] is the seam: a request in; status, headers and bytes out. Behind it stands a real client,
//! or a twin in a simulation, so that sign-in, paging, rate limits and retries run there too.

pub mod backoff;
pub mod client;
pub mod pace;
pub mod read_only;
pub mod watch;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;

/// A future that a trait object can return.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// HTTP's verbs, as far as we use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Makes.
    Post,
    /// Changes in part.
    Patch,
    /// Removes.
    Delete,
}

/// A request, whole.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is done.
    pub method: Method,
    /// To what: an absolute address with its query.
    pub url: url::Url,
    /// Headers; values may be secrets, so a request is never logged whole.
    pub headers: Vec<(&'static str, Secretive)>,
    /// The body, whole, and empty where there is none.
    pub body: Bytes,
    /// How long the answer may take, from the first byte sent to the last received.
    pub limit: Duration,
}

/// A header's value that is not shown when the request is printed.
#[derive(Clone)]
pub struct Secretive(pub String);

impl std::fmt::Debug for Secretive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// An answer, whole.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, at most as long as the client's limit.
    pub body: Bytes,
    /// Whether it came over verified TLS or from loopback: only then its `Date` may set the clock (rules 4).
    pub verified: bool,
}

impl Response {
    /// The first header of that lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// Why no answer came. All of it may pass.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// No connection: refused, unreachable, or the name was not found.
    #[error("no connection: {0}")]
    Connect(String),
    /// The certificate is not yet valid or has expired: perhaps the box's clock is wrong (rules 4).
    #[error("the certificate is not valid at this box's time: {0}")]
    CertificateTime(String),
    /// Another fault of TLS.
    #[error("TLS: {0}")]
    Tls(String),
    /// Nothing within the limit.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The connection ended within the answer.
    #[error("the answer was cut off: {0}")]
    Cut(String),
    /// The body is longer than is taken.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
}

/// Sends requests.
pub trait Http: Send + Sync + 'static {
    /// One request, once: nothing is tried again here.
    fn send(&self, request: Request) -> Boxed<'_, Result<Response, HttpError>>;
}
