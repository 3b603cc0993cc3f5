//! How long to wait before a failed call is tried again: values in, a pause out.
//!
//! Knows no clock: where an HTTP date must be compared, it is compared with the answer's own `Date`.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::Response;
use crate::clock::Mono;

/// Pauses that double with each failure in a row, spread over their whole length so that boxes which failed together
/// don't come back together ("full jitter").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    floor: Duration,
    ceiling: Duration,
    patience: Duration,
    failures: u32,
}

impl Backoff {
    /// Pauses between `floor` and `ceiling`; a `Retry-After` is obeyed up to `patience`.
    pub fn new(floor: Duration, ceiling: Duration, patience: Duration) -> Backoff {
        Backoff { floor, ceiling: ceiling.max(floor), patience, failures: 0 }
    }

    /// Notes a failure and says how long to wait: a drawn time between the floor and the doubled one, or longer where
    /// the service asked for it.
    pub fn failed(&mut self, retry_after: Option<Duration>, rng: &mut fastrand::Rng) -> Duration {
        let top = doubled(self.floor, self.ceiling, self.failures);
        self.failures = self.failures.saturating_add(1);
        let drawn = self.floor + top.saturating_sub(self.floor).mul_f64(rng.f64());
        drawn.max(retry_after.unwrap_or_default().min(self.patience))
    }

    /// Notes a success: the next failure begins anew.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// How many failures there were in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

/// `floor`, doubled for each of `failures`, at most `ceiling`: where the exact pause is promised (rules 8).
pub fn doubled(floor: Duration, ceiling: Duration, failures: u32) -> Duration {
    let factor = 1u32.checked_shl(failures).filter(|factor| *factor != 0).unwrap_or(u32::MAX);
    floor.saturating_mul(factor).min(ceiling)
}

/// `span`, or as little as half of it, as the reading of a monotonic clock has it: boxes that failed together have
/// been running for different times, and don't come back together.
pub fn spread(span: Duration, at: Mono) -> Duration {
    let nanos = u64::try_from(at.0.as_nanos()).unwrap_or(u64::MAX);
    span.mul_f64(0.5 + fastrand::Rng::with_seed(nanos).f64() / 2.0)
}

/// What the answer's `Retry-After` asks for: seconds, or an HTTP date, which is taken against the answer's own `Date`
/// (RFC 9110, 10.2.3). `None` where there is none or it makes no sense.
pub fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.header("retry-after")?.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let until = http_date(value)?;
    (until - http_date(response.header("date")?)?).to_std().ok()
}

/// A date as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7).
pub fn http_date(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(text.trim()).ok().map(|at| at.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answer(headers: &[(&str, &str)]) -> Response {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Response { status: 409, headers, body: bytes::Bytes::new(), verified: true }
    }

    proptest! {
        #[test]
        fn a_pause_is_never_below_the_floor_nor_above_the_ceiling_unless_asked(
            seed: u64, failures in 1usize..70, asked in proptest::option::of(0u64..100_000)
        ) {
            let [floor, ceiling, patience] = [2, 60, 900].map(Duration::from_secs);
            let mut backoff = Backoff::new(floor, ceiling, patience);
            let mut rng = fastrand::Rng::with_seed(seed);
            let asked = asked.map(Duration::from_secs);
            for _ in 0..failures {
                let pause = backoff.failed(asked, &mut rng);
                prop_assert!(pause >= floor && pause <= patience);
                match asked {
                    Some(asked) => prop_assert!(pause >= asked.min(patience) && pause <= ceiling.max(asked)),
                    None => prop_assert!(pause <= ceiling),
                }
            }
        }
    }

    /// Boxes whose loops failed at different readings of their clocks come back at different times, and none later than
    /// the pause.
    #[test]
    fn pauses_are_spread_over_the_upper_half() {
        let spread_at = |ms: u64| spread(Duration::from_secs(60), Mono(Duration::from_millis(ms)));
        let pauses: std::collections::BTreeSet<Duration> = (0..100).map(spread_at).collect();
        assert!(pauses.len() > 90 && pauses.iter().all(|pause| (30..=60).contains(&pause.as_secs())));
        assert!(pauses.first().is_some_and(|least| *least < Duration::from_secs(33)));
        assert!(pauses.last().is_some_and(|most| *most > Duration::from_secs(57)));
    }

    #[test]
    fn rule_8_pauses_double_from_ten_seconds_to_five_minutes() {
        let pauses: Vec<u64> =
            (0..8).map(|n| doubled(Duration::from_secs(10), Duration::from_secs(300), n).as_secs()).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!(doubled(Duration::from_secs(10), Duration::from_secs(300), 99), Duration::from_secs(300));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_against_the_answers_own() {
        assert_eq!(retry_after(&answer(&[("retry-after", "17")])), Some(Duration::from_secs(17)));
        let dated =
            answer(&[("date", "Tue, 24 Nov 2026 10:00:00 GMT"), ("retry-after", "Tue, 24 Nov 2026 10:01:30 GMT")]);
        assert_eq!(retry_after(&dated), Some(Duration::from_secs(90)));
        assert_eq!(retry_after(&answer(&[("retry-after", "Tue, 24 Nov 2026 10:01:30 GMT")])), None);
        assert_eq!(retry_after(&answer(&[("retry-after", "-3")])), None);
        assert_eq!(retry_after(&answer(&[("retry-after", "soon")])), None);
        assert_eq!(retry_after(&answer(&[])), None);
    }
}
