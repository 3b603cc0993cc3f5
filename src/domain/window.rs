//! Windows of time: half open, `[from, until)`, either side may be absent (rules 1).

use chrono::{TimeDelta, Timelike};
use serde::{Deserialize, Serialize};

use super::Timestamp;

/// A span of time that is never empty and never inverted. An absent side is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Window {
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Window {
    /// All of time.
    pub const ALWAYS: Window = Window { from: None, until: None };

    /// `None` where nothing would be left between the two sides.
    pub fn new(from: Option<Timestamp>, until: Option<Timestamp>) -> Option<Window> {
        match (from, until) {
            (Some(from), Some(until)) if from >= until => None,
            _ => Some(Window { from, until }),
        }
    }

    /// When it begins; `None`: it always has.
    pub fn from(&self) -> Option<Timestamp> {
        self.from
    }

    /// The first moment that is no longer in it; `None`: it never ends.
    pub fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// Whether `at` is in it.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.begun(at) && !self.ended(at)
    }

    /// Whether it has begun by `at`.
    pub fn begun(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= at)
    }

    /// Whether it is over by `at`.
    pub fn ended(&self, at: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= at)
    }

    /// As Kisi takes it, in whole seconds: never longer by that. `None`: less than a second.
    pub fn whole_seconds(&self) -> Option<Window> {
        let down = |at: Timestamp| at.with_nanosecond(0).unwrap_or(at);
        let up = |at: Timestamp| if at.nanosecond() == 0 { at } else { down(at) + TimeDelta::seconds(1) };
        Window::new(self.from.map(up), self.until.map(down))
    }

    /// What lies in both.
    pub fn and(&self, other: &Window) -> Option<Window> {
        let from = self.from.max(other.from);
        Window::new(from, earlier_end(self.until, other.until))
    }

    /// What is left of it without `hole`: nothing, one part or two.
    pub fn without(&self, hole: &Window) -> Vec<Window> {
        if self.and(hole).is_none() {
            return vec![*self];
        }
        let before = hole.from.and_then(|from| self.and(&Window { from: None, until: Some(from) }));
        let after = hole.until.and_then(|until| self.and(&Window { from: Some(until), until: None }));
        before.into_iter().chain(after).collect()
    }

    /// Whether the two overlap or touch, so that nothing lies between them.
    pub fn meets(&self, other: &Window) -> bool {
        let reaches = |a: &Window, b: &Window| match (a.until, b.from) {
            (Some(until), Some(from)) => from <= until,
            _ => true,
        };
        reaches(self, other) && reaches(other, self)
    }

    /// The smallest window that holds both.
    pub fn hull(&self, other: &Window) -> Window {
        let from = match (self.from, other.from) {
            (Some(a), Some(b)) => Some(a.min(b)),
            _ => None,
        };
        Window { from, until: later_end(self.until, other.until) }
    }
}

/// The later of two ends, where `None` is no end at all.
pub fn later_end(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    Some(a?.max(b?))
}

/// The earlier of two ends, where `None` is no end at all.
pub fn earlier_end(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_timestamp(minute * 60, 0).expect("in range")
    }

    fn side() -> impl Strategy<Value = Option<Timestamp>> {
        proptest::option::weighted(0.8, (0i64..40).prop_map(at))
    }

    fn window() -> impl Strategy<Value = Window> {
        (side(), side()).prop_filter_map("empty", |(from, until)| Window::new(from, until))
    }

    proptest! {
        #[test]
        fn windows_mean_the_moments_in_them(a in window(), b in window()) {
            for minute in -1..42 {
                let t = at(minute);
                let (in_a, in_b) = (a.contains(t), b.contains(t));
                prop_assert_eq!(a.and(&b).is_some_and(|w| w.contains(t)), in_a && in_b);
                prop_assert_eq!(a.without(&b).iter().any(|w| w.contains(t)), in_a && !in_b);
                if a.meets(&b) {
                    prop_assert_eq!(a.hull(&b).contains(t), in_a || in_b);
                }
            }
        }
    }

    #[test]
    fn rule_1_a_window_is_never_empty_or_inverted() {
        assert_eq!(Window::new(Some(at(5)), Some(at(5))), None);
        assert_eq!(Window::new(Some(at(6)), Some(at(5))), None);
        assert!(Window::new(None, Some(at(5))).is_some());
    }
}
