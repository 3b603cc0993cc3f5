//! How often Nexudus may be called: a budget that no call goes around.
//!
//! Pure: it is told when calls are made and says when the next one may be.

use std::time::Duration;

use crate::clock::Mono;

/// The documented rates for all methods (Nexudus API notes, 2.4, the newer and stricter table). Its day (200,000) needs
/// no counting of its own: 24 such hours stay below it.
const PER_HOUR: u32 = 5_000;
const APART: Duration = Duration::from_millis(100);
const HOUR: Duration = Duration::from_secs(3600);

/// The most calls that may come at once (rules 8).
const BURST: u32 = 20;

/// A bucket that starts with at most 20 calls and fills at the lower of the documented rates and `requests_per_hour`,
/// less what it started with, so that a full bucket and an hour's filling together never exceed the hour (rules 8).
///
/// Within any 60 minutes it lets at most `min(requests_per_hour, 5,000)` calls through. The minute's 120 follows: 20
/// and the 83 that a minute fills at most are less.
#[derive(Clone, Debug)]
pub struct Budget {
    burst: u32,
    /// How long the bucket takes to gain one call.
    interval: Duration,
    /// When the bucket will be full again.
    full_at: Mono,
    last: Option<Mono>,
}

impl Budget {
    /// A full bucket. A `requests_per_hour` of 0 is taken as 1. The first call keeps apart from the beginning of this
    /// run: what ran before, until a moment ago, may just have made one.
    pub fn new(requests_per_hour: u32) -> Budget {
        let hourly = requests_per_hour.clamp(1, PER_HOUR);
        let burst = BURST.min(hourly.div_ceil(2));
        // Where nothing is left to fill with, the next call comes when the hour of the first is over.
        let interval = HOUR.checked_div(hourly - burst).unwrap_or(HOUR + Duration::from_secs(1));
        // Rounded up: a bucket that fills a nanosecond early would let one call too many into the hour.
        Budget {
            burst,
            interval: interval + Duration::from_nanos(1),
            full_at: Mono::default(),
            last: Some(Mono::default()),
        }
    }

    /// When the next call may be made: now, or later.
    pub fn next_at(&self, now: Mono) -> Mono {
        let tolerance = self.interval * (self.burst - 1);
        let filled = Mono(self.full_at.0.saturating_sub(tolerance));
        let apart = self.last.map_or(Mono::default(), |last| last.plus(APART));
        now.max(filled).max(apart)
    }

    /// Notes a call made now. To be asked [`next_at`](Self::next_at) first.
    pub fn take(&mut self, now: Mono) {
        self.full_at = self.full_at.max(now).plus(self.interval);
        self.last = Some(now);
    }

    /// Notes that a call was answered: Nexudus met it at some moment before, which may have been late on its way, so
    /// the next one keeps apart from the answer.
    pub fn answered(&mut self, now: Mono) {
        self.last = self.last.max(Some(now));
    }

    /// How many calls an hour can be kept up for ever: what the schedule may plan with.
    pub fn sustained_per_hour(&self) -> f64 {
        HOUR.as_secs_f64() / self.interval.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The most calls in any window of that length, both ends counted.
    fn most_in(calls: &[Mono], span: Duration) -> usize {
        let mut first = 0;
        let mut most = 0;
        for (n, call) in calls.iter().enumerate() {
            while call.since(calls[first]) > span {
                first += 1;
            }
            most = most.max(n - first + 1);
        }
        most
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn rule_8_no_sequence_of_calls_breaks_any_window(
            per_hour in prop_oneof![1u32..60, 4_000u32..5_200],
            idle_ms in proptest::collection::vec(
                prop_oneof![8 => Just(0u64), 2 => 0u64..2_000, 1 => 0u64..4_000_000], 1..40
            ),
        ) {
            let mut budget = Budget::new(per_hour);
            let mut now = Mono::default();
            let mut calls = Vec::new();
            for idle in idle_ms {
                now = now.plus(Duration::from_millis(idle));
                for _ in 0..160 {
                    now = budget.next_at(now);
                    budget.take(now);
                    calls.push(now);
                }
            }
            prop_assert!(most_in(&calls, HOUR) <= per_hour.min(5_000) as usize);
            prop_assert!(most_in(&calls, Duration::from_secs(60)) <= 120);
            prop_assert!(most_in(&calls, Duration::from_secs(86_400)) <= 200_000);
            prop_assert!(calls.windows(2).all(|pair| pair[1].since(pair[0]) >= APART));
        }
    }

    #[test]
    fn rule_8_the_bucket_starts_with_twenty_and_then_fills_at_the_hours_rate_less_these() {
        let mut budget = Budget::new(4_500);
        let mut now = Mono::default();
        for _ in 0..20 {
            now = budget.next_at(now);
            budget.take(now);
        }
        assert_eq!(now, Mono(Duration::from_millis(2_000)));
        for _ in 0..100 {
            now = budget.next_at(now);
            budget.take(now);
        }
        let expected = APART.as_secs_f64() + 100.0 * 3600.0 / 4_480.0;
        assert!((now.0.as_secs_f64() - expected).abs() < 0.01, "{now:?}");
    }
}
