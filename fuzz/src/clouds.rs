//! A cloud that answers what the fuzzer wants, before the real clients, in virtual time.

use std::sync::Mutex;

use bytes::Bytes;
use chrono::DateTime;
use gatehouse::clock::Clock;
use gatehouse::domain::Timestamp;
use gatehouse::net::{Boxed, Http, HttpError, Request, Response};

/// When everything happens.
pub fn now() -> Timestamp {
    DateTime::from_timestamp(1_772_614_800, 0).unwrap()
}

/// Runs it to its end: sleeps take no time, and nothing of it waits for anything else.
pub fn run<T>(work: impl AsyncFnOnce(Clock) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async { work(Clock::starting_at(now(), 1.0)).await })
}

/// Answers by a function of the request.
pub struct Cloud<F>(pub Mutex<F>);

impl<F: FnMut(&Request) -> Result<Response, HttpError> + Send + 'static> Http for Cloud<F> {
    fn send(&self, request: Request) -> Boxed<'_, Result<Response, HttpError>> {
        let answer = (self.0.lock().unwrap())(&request);
        Box::pin(std::future::ready(answer))
    }
}

/// An answer of that status with that body.
pub fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Response {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Response { status, headers, body: body.into(), verified: true }
}
