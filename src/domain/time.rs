//! Whose time counts: Kisi's own, learnt from its answers and kept by the monotonic clock (rules 4, promise 6).
//!
//! A reading of the monotonic clock is a plain [`Duration`] since this run began. What is known of Kisi's time is an
//! interval: an answer's `Date` is cut to whole seconds, and was written somewhere between request and answer. `now`
//! is the interval's lower end, so that no row is closed before Kisi's own time has reached its end.

use std::time::Duration;

use chrono::TimeDelta;

use super::Timestamp;

/// How far Nexudus' time of the same minute may be from Kisi's.
const APART: TimeDelta = TimeDelta::minutes(2);
/// How far Kisi's time may jump against the monotonic clock.
const JUMP: TimeDelta = TimeDelta::seconds(2);
/// How long an offset holds while Kisi answers.
const FRESH: Duration = Duration::from_secs(600);
/// How long an answer of Nexudus can be compared with.
const SAME_MINUTE: Duration = Duration::from_secs(60);
/// How far a monotonic clock drifts: 200 parts in a million, more than any quartz.
const DRIFT: f64 = 200e-6;
/// How far below the ledger's time a `Date` may be by the cutting to whole seconds alone.
const CUT: TimeDelta = TimeDelta::seconds(1);

/// An answer's `Date`, and when by the monotonic clock it was asked for and came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// When the request went out.
    pub sent: Duration,
    /// When the answer came.
    pub came: Duration,
    /// What it said.
    pub date: Timestamp,
}

/// Why an answer's time is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disbelief {
    /// Earlier than the last trusted time in the ledger.
    BeforeLedger {
        /// What Kisi said.
        date: Timestamp,
        /// What the ledger knows.
        ledger: Timestamp,
    },
    /// More than two minutes from Nexudus' time of the same minute.
    AgainstNexudus {
        /// What Kisi said.
        date: Timestamp,
        /// What Nexudus' time is.
        nexudus: Timestamp,
    },
    /// A jump against the monotonic clock.
    Jump {
        /// What Kisi said.
        date: Timestamp,
        /// What was expected.
        expected: Timestamp,
    },
}

impl std::fmt::Display for Disbelief {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Disbelief::BeforeLedger { date, ledger } => {
                write!(f, "Kisi's time {date} is earlier than {ledger}, the last time known to be right")
            }
            Disbelief::AgainstNexudus { date, nexudus } => {
                write!(f, "Kisi's time {date} and Nexudus' time {nexudus} are more than two minutes apart")
            }
            Disbelief::Jump { date, expected } => {
                write!(f, "Kisi's time jumped to {date} where {expected} was expected")
            }
        }
    }
}

/// What is known of the time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Time {
    ledger: Option<Timestamp>,
    trust: Option<Trust>,
    /// A jump that a second answer may confirm.
    jumped: Option<Trust>,
    disbelief: Option<(Disbelief, u32)>,
    nexudus: Option<(Duration, Timestamp)>,
    answered: Option<Duration>,
    /// The trust as it last stood beside Nexudus' time of the same minute: what the ledger may know.
    agreed: Option<Trust>,
}

/// At the monotonic reading `mono`, Kisi's time was between `low` and `high`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Trust {
    mono: Duration,
    low: Timestamp,
    high: Timestamp,
    believed: Duration,
}

impl Trust {
    fn of(heard: &Heard) -> Trust {
        let round = delta(heard.came.saturating_sub(heard.sent));
        Trust {
            mono: heard.came,
            low: heard.date,
            high: heard.date + TimeDelta::seconds(1) + round,
            believed: heard.came,
        }
    }

    fn at(&self, mono: Duration) -> Trust {
        let gone = mono.saturating_sub(self.mono);
        let drift = delta(gone.mul_f64(DRIFT));
        Trust { mono, low: self.low + delta(gone) - drift, high: self.high + delta(gone) + drift, ..*self }
    }

    fn and(&self, other: &Trust) -> Option<Trust> {
        let (low, high) = (self.low.max(other.low), self.high.min(other.high));
        (low <= high).then_some(Trust { mono: other.mono, low, high, believed: other.believed })
    }

    /// How far apart the two are; zero where they overlap.
    fn gap(&self, other: &Trust) -> TimeDelta {
        (self.low - other.high).max(other.low - self.high).max(TimeDelta::zero())
    }
}

impl Time {
    /// What is known as a run begins: the last trusted time in the ledger.
    pub fn starting(ledger: Option<Timestamp>) -> Time {
        Time { ledger, ..Time::default() }
    }

    /// An answer of Kisi, with its `Date` where that may set the clock: over verified TLS, or from loopback.
    pub fn hear_kisi(&mut self, came: Duration, heard: Option<Heard>) {
        self.answered = Some(came);
        let Some(heard) = heard else { return };
        let new = Trust::of(&heard);
        if let Some(why) = self.disbelieve(&heard) {
            self.jumped = None;
            self.wonder(why);
            return;
        }
        let Some(old) = self.trust.map(|trust| trust.at(heard.came)) else {
            self.believe(new);
            return;
        };
        if old.gap(&new) <= JUMP {
            self.believe(old.and(&new).unwrap_or(new));
            return;
        }
        let agrees = self.jumped.is_some_and(|jumped| jumped.at(heard.came).gap(&new) <= JUMP);
        if agrees {
            self.believe(new);
        } else {
            self.jumped = Some(new);
            self.wonder(Disbelief::Jump { date: heard.date, expected: old.low });
        }
    }

    /// An answer of Nexudus. What Kisi said a moment before is compared with it, whichever of the two came first.
    pub fn hear_nexudus(&mut self, heard: Heard) {
        self.nexudus = Some((heard.came, heard.date));
        let Some(trust) = self.trust.filter(|trust| heard.came.saturating_sub(trust.believed) <= SAME_MINUTE) else {
            return;
        };
        let (date, nexudus) = (trust.at(heard.came).low, heard.date);
        if (date - nexudus).abs() > APART {
            // A doubt that stands is counted by Kisi's own answers.
            self.disbelief.get_or_insert((Disbelief::AgainstNexudus { date, nexudus }, 1));
        } else if self.disbelief.is_none() {
            self.agreed = Some(trust);
        }
    }

    fn disbelieve(&self, heard: &Heard) -> Option<Disbelief> {
        if let Some(ledger) = self.ledger
            && heard.date + CUT < ledger
        {
            return Some(Disbelief::BeforeLedger { date: heard.date, ledger });
        }
        let nexudus = self.nexudus_at(heard.came)?;
        ((heard.date - nexudus).abs() > APART).then_some(Disbelief::AgainstNexudus { date: heard.date, nexudus })
    }

    /// Nexudus' time, where it was told in the same minute.
    fn nexudus_at(&self, mono: Duration) -> Option<Timestamp> {
        let (came, said) = self.nexudus?;
        let since = mono.saturating_sub(came);
        (since <= SAME_MINUTE).then(|| said + delta(since))
    }

    fn believe(&mut self, trust: Trust) {
        self.trust = Some(trust);
        self.jumped = None;
        self.disbelief = None;
        if self.nexudus_at(trust.mono).is_some() {
            self.agreed = Some(trust);
        }
    }

    fn wonder(&mut self, why: Disbelief) {
        let times = self.disbelief.map_or(0, |(_, times)| times);
        self.disbelief = Some((why, times.saturating_add(1)));
    }

    /// Kisi's time, while it is known and not contradicted: nothing is written to Kisi without it.
    pub fn now(&self, mono: Duration) -> Option<Timestamp> {
        let trust = self.trust.filter(|_| self.disbelief.is_none())?;
        let stale = self.answered.is_some_and(|answered| answered.saturating_sub(trust.believed) > FRESH);
        (!stale).then(|| trust.at(mono).low)
    }

    /// Whether the last answer said another time than was expected: the next one settles which is right.
    pub fn doubted(&self) -> bool {
        self.disbelief.is_some()
    }

    /// What is not believed, once a second answer was not believed either: then it is an alert.
    pub fn contradicted(&self) -> Option<Disbelief> {
        self.disbelief.filter(|(_, times)| *times > 1).map(|(why, _)| why)
    }

    /// The best guess for those who only show things: the trusted time, else the ledger's last, else `wall`.
    pub fn guess(&self, mono: Duration, wall: Timestamp) -> Timestamp {
        let kept = self.trust.map(|trust| trust.at(mono).low);
        self.now(mono).or(kept).unwrap_or_else(|| self.ledger.map_or(wall, |ledger| ledger.max(wall)))
    }

    /// The last time known to be right, for the ledger: such as Nexudus agreed to, carried by the monotonic clock. What
    /// Kisi alone says would, where it is wrong and ahead, have every later answer disbelieved after a restart.
    pub fn last_trusted(&self, mono: Duration) -> Option<Timestamp> {
        self.agreed.map(|agreed| agreed.at(mono).low).into_iter().chain(self.ledger).max()
    }
}

fn delta(span: Duration) -> TimeDelta {
    TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "2026-03-01T07:00:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().expect("RFC 3339")
    }

    fn heard(second: f64, date: Timestamp) -> Heard {
        Heard { sent: Duration::from_secs_f64(second), came: Duration::from_secs_f64(second + 0.1), date }
    }

    fn tell(time: &mut Time, second: f64, date: Timestamp) {
        let heard = heard(second, date);
        time.hear_kisi(heard.came, Some(heard));
    }

    #[test]
    fn rule_4_nothing_is_known_before_kisi_answers_and_an_answer_without_a_date_tells_nothing() {
        let mut time = Time::starting(None);
        time.hear_kisi(Duration::from_secs(1), None);
        assert_eq!(time.now(Duration::from_secs(2)), None);
        tell(&mut time, 2.0, at(START));
        assert!(time.now(Duration::from_secs(3)).is_some());
    }

    #[test]
    fn rule_4_now_is_never_ahead_of_kisi_and_gets_within_the_round_trip() {
        let mut time = Time::starting(None);
        // Kisi's clock reads START + 0.73 s at mono 0; each Date is cut to whole seconds.
        let true_ms = |second: f64| 730 + (second * 1000.0) as i64;
        for i in 0..40 {
            let second = f64::from(i) * 1.37;
            let date = at(START) + TimeDelta::seconds(true_ms(second + 0.05) / 1000);
            tell(&mut time, second, date);
            let now = time.now(Duration::from_secs_f64(second + 0.1)).expect("trusted");
            assert!(now <= at(START) + TimeDelta::milliseconds(true_ms(second + 0.1)), "ahead of Kisi");
        }
        let mono = Duration::from_secs(60);
        let off = at(START) + TimeDelta::milliseconds(true_ms(60.0)) - time.now(mono).expect("trusted");
        assert!(off < TimeDelta::milliseconds(200), "still {off} behind");
    }

    #[test]
    fn rule_4_a_date_before_the_ledgers_is_not_believed_and_raised_at_the_second() {
        let mut time = Time::starting(Some(at(START)));
        tell(&mut time, 1.0, at("1970-01-01T00:00:00Z"));
        assert_eq!((time.now(Duration::from_secs(2)), time.contradicted()), (None, None));
        tell(&mut time, 2.0, at("1970-01-01T00:00:01Z"));
        assert!(matches!(time.contradicted(), Some(Disbelief::BeforeLedger { .. })));
        tell(&mut time, 3.0, at(START));
        assert!(time.now(Duration::from_secs(4)).is_some() && time.contradicted().is_none());
    }

    #[test]
    fn rule_4_a_jump_is_believed_when_a_second_answer_agrees() {
        let mut time = Time::starting(None);
        tell(&mut time, 0.0, at(START));
        let far = at(START) + TimeDelta::hours(3);
        tell(&mut time, 10.0, far);
        assert_eq!(time.now(Duration::from_secs(11)), None, "a jump is not believed at once");
        tell(&mut time, 20.0, far + TimeDelta::seconds(10));
        assert!(time.now(Duration::from_secs(21)).is_some_and(|now| now > far));
    }

    #[test]
    fn rule_4_a_jump_that_is_not_repeated_is_forgotten() {
        let mut time = Time::starting(None);
        tell(&mut time, 0.0, at(START));
        tell(&mut time, 10.0, at(START) + TimeDelta::hours(3));
        tell(&mut time, 20.0, at(START) + TimeDelta::seconds(20));
        let now = time.now(Duration::from_secs(30)).expect("trusted");
        assert!((now - at(START)).num_seconds() <= 30 && time.contradicted().is_none());
    }

    #[test]
    fn rule_4_kisi_against_nexudus_of_the_same_minute() {
        let mut time = Time::starting(None);
        time.hear_nexudus(heard(0.0, at(START)));
        tell(&mut time, 30.0, at(START) + TimeDelta::minutes(5));
        assert_eq!(time.now(Duration::from_secs(31)), None);
        // Nexudus has been silent for more than a minute: nothing to compare with.
        tell(&mut time, 90.0, at(START) + TimeDelta::minutes(6));
        assert!(time.now(Duration::from_secs(91)).is_some());
    }

    /// The order of the two answers is chance: a trust won a moment before Nexudus' word is in doubt by it.
    #[test]
    fn rule_4_nexudus_may_contradict_what_kisi_said_a_moment_before() {
        let mut time = Time::starting(None);
        tell(&mut time, 0.0, at(START) + TimeDelta::hours(3));
        time.hear_nexudus(heard(1.0, at(START) + TimeDelta::seconds(1)));
        assert_eq!((time.now(Duration::from_secs(2)), time.contradicted()), (None, None));
        time.hear_nexudus(heard(2.0, at(START) + TimeDelta::seconds(2)));
        assert_eq!(time.contradicted(), None, "only Kisi's answers count");
        tell(&mut time, 3.0, at(START) + TimeDelta::hours(3));
        assert!(matches!(time.contradicted(), Some(Disbelief::AgainstNexudus { .. })));
        for second in [4.0, 5.0] {
            tell(&mut time, second, at(START) + TimeDelta::seconds(second as i64));
        }
        assert!(time.now(Duration::from_secs(6)).is_some_and(|now| now < at(START) + TimeDelta::minutes(1)));
    }

    /// With Nexudus away, Kisi tells a time that is hours ahead, once or again and again, from the start or later; then
    /// the right one. Neither this run nor one that starts at any moment of it is kept from writing for longer than two
    /// answers.
    #[test]
    fn rule_4_a_time_ahead_that_kisi_alone_told_never_gets_into_the_ledger() {
        for (right_first, wrong, nexudus_first) in
            [(0, 1, false), (0, 7, false), (3, 1, false), (3, 2, false), (3, 7, true), (0, 7, true)]
        {
            let kept = at(START) - TimeDelta::hours(1);
            let mut time = Time::starting(Some(kept));
            let mut second = 0.0;
            let mut answer = |time: &mut Time, off: TimeDelta| {
                second += 65.0;
                tell(time, second, at(START) + TimeDelta::seconds(second as i64) + off);
                let mono = Duration::from_secs_f64(second + 0.1);
                let right = at(START) + TimeDelta::seconds(second as i64);
                let ledger = time.last_trusted(mono).expect("a time was kept before");
                assert!(ledger >= kept && ledger <= right + TimeDelta::seconds(1), "{ledger} is ahead of {right}");
                // The power goes now, and comes back with Kisi's time right.
                let mut restarted = Time::starting(Some(ledger));
                tell(&mut restarted, 1.0, right + TimeDelta::seconds(1));
                assert!(restarted.now(Duration::from_secs(2)).is_some(), "writes are blocked by {ledger} at {right}");
                time.now(mono)
            };
            if nexudus_first {
                time.hear_nexudus(heard(60.0, at(START) + TimeDelta::seconds(60)));
            }
            for _ in 0..right_first {
                answer(&mut time, TimeDelta::zero());
            }
            for _ in 0..wrong {
                answer(&mut time, TimeDelta::hours(30));
            }
            answer(&mut time, TimeDelta::zero());
            assert!(answer(&mut time, TimeDelta::zero()).is_some_and(|now| now < at(START) + TimeDelta::hours(1)));
        }
    }

    /// What both agreed to is kept, and goes on by the monotonic clock while Nexudus is away.
    #[test]
    fn rule_4_the_ledger_gets_the_time_that_nexudus_agrees_to() {
        for kisi_first in [true, false] {
            let mut time = Time::starting(None);
            let kisi = |time: &mut Time| tell(time, 1.0, at(START) + TimeDelta::seconds(1));
            if kisi_first {
                kisi(&mut time);
                assert_eq!(time.last_trusted(Duration::from_secs(2)), None);
            }
            time.hear_nexudus(heard(2.0, at(START) + TimeDelta::seconds(32)));
            if !kisi_first {
                kisi(&mut time);
            }
            let later = time.last_trusted(Duration::from_secs(3600)).expect("agreed");
            assert!((at(START) + TimeDelta::seconds(3600) - later).num_seconds().abs() <= 2, "{later}");
        }
    }

    #[test]
    fn rule_4_trust_is_kept_while_kisi_is_away_and_lost_when_it_answers_without_a_time() {
        let mut time = Time::starting(None);
        tell(&mut time, 0.0, at(START));
        let three_days = Duration::from_secs(72 * 3600);
        assert!(time.now(three_days).is_some());
        time.hear_kisi(Duration::from_secs(601), None);
        assert_eq!(time.now(Duration::from_secs(602)), None);
    }
}
