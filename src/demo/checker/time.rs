//! Time as the checker counts it: milliseconds, half-open windows, and a calendar of stretches that don't count.

use chrono::{DateTime, NaiveDate, Utc};
use jiff::tz::TimeZone;

use super::super::Moment;

/// Milliseconds since 1970, in UTC.
pub type Ms = i64;

/// Before everything.
pub const EVER: Ms = i64::MIN;
/// After everything.
pub const NEVER: Ms = i64::MAX;

/// A moment.
pub fn ms(at: Moment) -> Ms {
    at.timestamp_millis()
}

/// Seconds as milliseconds.
pub const fn seconds(n: i64) -> Ms {
    n.saturating_mul(1_000)
}

/// The site's wall clock.
#[derive(Clone, Debug)]
pub struct Wall(pub TimeZone);

impl Wall {
    /// The midnight with which a day begins.
    pub fn midnight(&self, day: NaiveDate) -> Option<Ms> {
        use chrono::Datelike as _;
        let (year, month, date) = (day.year(), day.month(), day.day());
        let (year, month, date) = (year.try_into().ok()?, month.try_into().ok()?, date.try_into().ok()?);
        let midnight = jiff::civil::Date::new(year, month, date).ok()?.at(0, 0, 0, 0);
        self.0.to_timestamp(midnight).ok().map(jiff::Timestamp::as_millisecond)
    }

    /// The date on the wall at that moment.
    pub fn date(&self, at: Ms) -> Option<NaiveDate> {
        let wall = self.civil(at)?.date();
        NaiveDate::from_ymd_opt(i32::from(wall.year()), wall.month().try_into().ok()?, wall.day().try_into().ok()?)
    }

    /// The time on the wall, for people.
    pub fn show(&self, at: Ms) -> String {
        match (at, self.civil(at)) {
            (EVER, _) => "ever".to_owned(),
            (NEVER, _) => "no end".to_owned(),
            (_, Some(wall)) => {
                format!("{:02}:{:02}:{:02}", wall.hour(), wall.minute(), wall.second())
            }
            (_, None) => at.to_string(),
        }
    }

    /// The same with its date.
    pub fn show_dated(&self, at: Ms) -> String {
        match self.civil(at).filter(|_| at != EVER && at != NEVER) {
            Some(wall) => format!("{} {}", wall.date(), self.show(at)),
            None => self.show(at),
        }
    }

    fn civil(&self, at: Ms) -> Option<jiff::civil::DateTime> {
        let instant = jiff::Timestamp::from_millisecond(at).ok()?;
        Some(self.0.to_datetime(instant))
    }
}

/// Reads an instant as Nexudus' twin writes it, in UTC.
pub fn instant(text: &str) -> Option<Ms> {
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.with_timezone(&Utc).timestamp_millis())
}

/// Windows that neither overlap nor touch, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Windows(Vec<(Ms, Ms)>);

impl Windows {
    /// Those windows, those made one that overlap, or of which the next begins by what `reach` makes of the end.
    pub fn joined(mut windows: Vec<(Ms, Ms)>, reach: impl Fn(Ms) -> Ms) -> Windows {
        windows.retain(|(from, until)| from < until);
        windows.sort_unstable();
        let mut out: Vec<(Ms, Ms)> = Vec::with_capacity(windows.len());
        for (from, until) in windows {
            match out.last_mut() {
                Some(last) if from <= reach(last.1) => last.1 = last.1.max(until),
                _ => out.push((from, until)),
            }
        }
        Windows(out)
    }

    /// Those windows, merged where they overlap or touch (rules 3).
    pub fn merged(windows: Vec<(Ms, Ms)>) -> Windows {
        Windows::joined(windows, |end| end)
    }

    /// The window that is open at that moment.
    pub fn at(&self, at: Ms) -> Option<(Ms, Ms)> {
        self.0.iter().copied().find(|(from, until)| *from <= at && at < *until)
    }

    /// Whether one is open at that moment.
    pub fn contains(&self, at: Ms) -> bool {
        self.at(at).is_some()
    }

    /// All of them.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Ms, Ms)> + '_ {
        self.0.iter().copied()
    }

    /// Whether any of them has a moment in common with `[from, until)`.
    pub fn meets(&self, from: Ms, until: Ms) -> bool {
        self.0.iter().any(|(f, u)| *f < until && from < *u)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What they have in common with others.
    pub fn and(&self, other: &Windows) -> Windows {
        let both = |(f, u): (Ms, Ms)| other.iter().map(move |(of, ou)| (f.max(of), u.min(ou)));
        Windows::merged(self.iter().flat_map(both).collect())
    }
}

/// Stretches in which nothing can be asked of the gateway.
#[derive(Clone, Debug, Default)]
pub struct Calendar(Windows);

impl Calendar {
    /// A calendar in which those stretches don't count.
    pub fn without(stretches: Vec<(Ms, Ms)>) -> Calendar {
        Calendar(Windows::merged(stretches))
    }

    /// The moment by which so much time that counts has gone by since `from`.
    pub fn after(&self, from: Ms, budget: Ms) -> Ms {
        let (mut at, mut left) = (from, budget);
        for (begins, ends) in self.0.iter().filter(|(_, ends)| *ends > from) {
            if begins > at {
                let free = begins - at;
                // What is due as a stretch begins is due before it.
                if left <= free {
                    break;
                }
                left -= free;
            }
            at = at.max(ends);
        }
        at.saturating_add(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_does_not_count_puts_a_deadline_off_by_as_much() {
        let calendar = Calendar::without(vec![(100, 200), (150, 250), (300, 310)]);
        assert_eq!(calendar.after(0, 50), 50);
        assert_eq!(calendar.after(90, 20), 260);
        assert_eq!(calendar.after(120, 20), 270);
        assert_eq!(calendar.after(240, 60), 320);
    }

    #[test]
    fn windows_that_touch_are_one_and_a_gap_of_one_is_a_gap() {
        let windows = Windows::merged(vec![(5, 6), (0, 2), (2, 4), (7, 7)]);
        assert_eq!(windows, Windows(vec![(0, 4), (5, 6)]));
        assert_eq!(windows.at(4), None);
        assert_eq!(Windows::joined(vec![(0, 4), (5, 6)], |end| end + 1), Windows(vec![(0, 6)]));
    }

    #[test]
    fn a_day_begins_at_the_walls_midnight_through_both_changes_of_the_clock() {
        let wall = Wall(TimeZone::get("Europe/London").unwrap());
        for (day, midnight) in [("2027-10-28", "2027-10-27T23:00:00Z"), ("2027-11-01", "2027-11-01T00:00:00Z")] {
            assert_eq!(wall.midnight(day.parse().unwrap()), instant(midnight));
            assert_eq!(wall.date(instant(midnight).unwrap()), day.parse().ok());
        }
    }
}
