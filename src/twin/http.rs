//! What passes between a twin's core and whoever carries it: a request in, an answer and its fate out.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path, percent-decoded, without the query.
    pub path: String,
    /// The query's pairs in their order, decoded.
    pub query: Vec<(String, String)>,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, whole.
    pub body: Bytes,
}

impl Request {
    /// The first header of that lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The first query value of that name.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// What the twin says.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers, names in lower case. A `date` is added by the carrier where there is none.
    pub headers: Vec<(String, String)>,
    /// The body, whole.
    pub body: Bytes,
}

/// What becomes of an answer on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives.
    Deliver,
    /// Nothing ever arrives; the connection stays open.
    Hang,
    /// The connection ends after so many bytes of the body.
    Cut(usize),
    /// The work was done, the connection ends before any answer.
    Lose,
    /// No connection at all: as if nothing listened.
    Refuse,
}

/// An answer, when it comes and what becomes of it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What is said.
    pub response: Response,
    /// How long it takes.
    pub delay: Duration,
    /// What becomes of it.
    pub fate: Fate,
}

/// A twin's core.
pub trait Cloud: Send + 'static {
    /// Answers one request that arrived at `now`, which is the twin's own clock and never the caller's.
    fn handle(&mut self, request: &Request, now: DateTime<Utc>) -> Answer;

    /// Whether nothing listens at the moment: connections are refused and open ones cut.
    fn down(&self) -> bool;
}
