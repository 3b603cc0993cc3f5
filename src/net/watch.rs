//! Tells an observer what each call showed of the other side: its time and whether it answers.
//!
//! Stands around an [`Http`], so that the gateway can keep its trusted clock (rules 4) and the state of each
//! connection without the rooms that speak to the clouds knowing of either.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::backoff::http_date;
use super::{Boxed, Http, HttpError, Request, Response};
use crate::clock::{Clock, Mono};

/// What one call showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// When the request went out.
    pub sent: Mono,
    /// When the answer, or its absence, was complete: the answer's `Date` lies between the two.
    pub received: Mono,
    /// What came.
    pub outcome: Result<Seen, HttpError>,
}

/// What of an answer says something of the service as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The status code.
    pub status: u16,
    /// The `Date` header, where there is a readable one.
    pub date: Option<DateTime<Utc>>,
    /// Whether that date may set the clock (rules 4).
    pub verified: bool,
}

/// An [`Http`] that reports each call to an observer before it hands the answer on.
pub struct Watched {
    inner: Arc<dyn Http>,
    clock: Clock,
    observer: Box<dyn Fn(Observed) + Send + Sync>,
}

impl Watched {
    /// Wraps `inner`. The observer is called once for each call and must not wait for anything.
    pub fn new(inner: Arc<dyn Http>, clock: Clock, observer: impl Fn(Observed) + Send + Sync + 'static) -> Watched {
        Watched { inner, clock, observer: Box::new(observer) }
    }
}

impl Http for Watched {
    fn send(&self, request: Request) -> Boxed<'_, Result<Response, HttpError>> {
        Box::pin(async move {
            let sent = self.clock.mono();
            let result = self.inner.send(request).await;
            let outcome = match &result {
                Ok(answer) => Ok(Seen {
                    status: answer.status,
                    date: answer.header("date").and_then(http_date),
                    verified: answer.verified,
                }),
                Err(error) => Err(error.clone()),
            };
            (self.observer)(Observed { sent, received: self.clock.mono(), outcome });
            result
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;
    use crate::net::Method;

    struct Slow(Clock, Result<Response, HttpError>);

    impl Http for Slow {
        fn send(&self, _: Request) -> Boxed<'_, Result<Response, HttpError>> {
            Box::pin(async move {
                self.0.sleep(Duration::from_secs(3)).await;
                self.1.clone()
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn rule_4_each_answers_date_is_told_with_the_time_before_and_after() {
        let clock = Clock::system();
        let date = ("date".to_owned(), "Tue, 24 Nov 2026 10:00:00 GMT".to_owned());
        let answer = Response { status: 409, headers: vec![date], body: bytes::Bytes::new(), verified: true };
        let failure = HttpError::Connect("refused".to_owned());
        for outcome in [Ok(answer), Err(failure)] {
            let seen = Arc::new(Mutex::new(Vec::new()));
            let told = seen.clone();
            let inner = Arc::new(Slow(clock.clone(), outcome.clone()));
            let watched = Watched::new(inner, clock.clone(), move |one| told.lock().expect("seen").push(one));
            let url = url::Url::parse("https://api.example/").expect("a URL");
            let body = bytes::Bytes::new();
            let request = Request { method: Method::Get, url, headers: vec![], body, limit: Duration::from_secs(9) };
            let before = clock.mono();
            let got = watched.send(request).await;
            let seen = seen.lock().expect("seen");
            let [one] = &seen[..] else { panic!("{seen:?}") };
            assert_eq!((one.sent, one.received.since(one.sent)), (before, Duration::from_secs(3)));
            let date = "2026-11-24T10:00:00Z".parse().ok();
            let expected = outcome.map(|_| Seen { status: 409, date, verified: true });
            assert_eq!(one.outcome, expected);
            assert_eq!(got.map(|answer| answer.status), expected.map(|seen| seen.status));
        }
    }
}
