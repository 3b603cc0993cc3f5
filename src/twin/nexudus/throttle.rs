//! The limits of both documented tables (Nexudus API notes, 2.4). A refused request does not count.

use std::collections::VecDeque;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};

use super::switches::Limits;
use crate::twin::http::Response;

/// At most so many requests in any span of that length.
struct Limit {
    span: TimeDelta,
    most: usize,
}

const fn limit(span: TimeDelta, most: usize) -> Limit {
    Limit { span, most }
}

const TICK: TimeDelta = TimeDelta::milliseconds(100);
const MINUTE: TimeDelta = TimeDelta::seconds(60);
const HOUR: TimeDelta = TimeDelta::hours(1);
const DAY: TimeDelta = TimeDelta::days(1);

const ALL: &[Limit] = &[limit(TICK, 1), limit(MINUTE, 120), limit(HOUR, 5_000), limit(DAY, 200_000)];
const READS_OLDER: &[Limit] = &[limit(TICK, 10)];
const WRITES: &[Limit] = &[limit(MINUTE, 60), limit(DAY, 2_500)];

/// The requests of the last day.
#[derive(Clone, Debug, Default)]
pub(super) struct Throttle {
    reads: VecDeque<DateTime<Utc>>,
    writes: VecDeque<DateTime<Utc>>,
    all: VecDeque<DateTime<Utc>>,
}

impl Throttle {
    /// Counts a request, or says how it is refused.
    pub fn admit(&mut self, write: bool, now: DateTime<Utc>, limits: Limits) -> Result<(), Response> {
        for times in [&mut self.reads, &mut self.writes, &mut self.all] {
            let old = times.partition_point(|at| *at <= now - DAY);
            times.drain(..old);
        }
        let waits = match limits {
            Limits::Off => [None, None],
            Limits::Strict => [wait(&self.all, ALL, now), write.then(|| wait(&self.writes, WRITES, now)).flatten()],
            Limits::Older if write => [wait(&self.writes, WRITES, now), None],
            Limits::Older => [wait(&self.reads, READS_OLDER, now), None],
        };
        if let Some(wait) = waits.into_iter().flatten().max() {
            return Err(refused(wait));
        }
        if limits != Limits::Off {
            self.all.push_back(now);
            if write { &mut self.writes } else { &mut self.reads }.push_back(now);
        }
        Ok(())
    }
}

/// How long until one more fits, if one more doesn't fit now.
fn wait(times: &VecDeque<DateTime<Utc>>, limits: &[Limit], now: DateTime<Utc>) -> Option<TimeDelta> {
    let longest = limits.iter().filter_map(|limit| {
        let start = times.partition_point(|at| *at <= now - limit.span);
        let within = times.len() - start;
        let frees = times.get(start + within.checked_sub(limit.most)?)?;
        Some(*frees + limit.span - now)
    });
    longest.max()
}

fn refused(wait: TimeDelta) -> Response {
    // Whole seconds, rounded up: none is too short.
    let seconds = (wait.num_milliseconds() + 999) / 1_000;
    let headers =
        vec![("retry-after".to_owned(), seconds.max(1).to_string()), ("content-length".to_owned(), "0".to_owned())];
    Response { status: 409, headers, body: Bytes::new() }
}
