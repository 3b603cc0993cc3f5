//! The site's time zone: the one place where days and wall clocks are reckoned, by the system's tzdata.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, Timelike};
use jiff::civil;
use jiff::tz::TimeZone;

use super::Timestamp;

/// An IANA time zone, through both changes of daylight saving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

/// Why a zone could not be had.
#[derive(Debug, thiserror::Error)]
#[error("time zone '{name}' is not in this system's tzdata: {why}")]
pub struct UnknownZone {
    name: String,
    why: String,
}

impl Zone {
    /// The zone of that IANA name, as `Europe/London`, from the system's tzdata.
    pub fn named(name: &str) -> Result<Zone, UnknownZone> {
        let zone = TimeZone::get(name).map_err(|e| UnknownZone { name: name.to_owned(), why: e.to_string() })?;
        Ok(Zone { name: name.to_owned(), zone })
    }

    /// UTC itself.
    pub fn utc() -> Zone {
        Zone { name: "UTC".to_owned(), zone: TimeZone::UTC }
    }

    /// Its IANA name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The date on the site's calendar at that moment.
    pub fn date_of(&self, at: Timestamp) -> NaiveDate {
        self.wall_clock(at).date()
    }

    /// What the clock on the site's wall shows at that moment.
    pub fn wall_clock(&self, at: Timestamp) -> NaiveDateTime {
        at.naive_utc() + self.offset_at(at)
    }

    /// The moment at which that day begins on the site: where midnight is skipped, the first moment after the gap.
    pub fn start_of(&self, day: NaiveDate) -> Timestamp {
        let fallback = || DateTime::from_naive_utc_and_offset(day.and_time(chrono::NaiveTime::MIN), chrono::Utc);
        let (Ok(year), Ok(month), Ok(d)) =
            (i16::try_from(day.year()), i8::try_from(day.month()), i8::try_from(day.day()))
        else {
            return fallback();
        };
        civil::Date::new(year, month, d)
            .and_then(|date| self.zone.to_ambiguous_timestamp(date.at(0, 0, 0, 0)).compatible())
            .ok()
            .and_then(|midnight| DateTime::from_timestamp(midnight.as_second(), 0))
            .unwrap_or_else(fallback)
    }

    /// The moment at which that day ends on the site: the start of the next.
    pub fn end_of(&self, day: NaiveDate) -> Timestamp {
        self.start_of(day.succ_opt().unwrap_or(day))
    }

    /// How far the site's wall clock is ahead of UTC at that moment.
    pub fn offset_at(&self, at: Timestamp) -> TimeDelta {
        let Ok(instant) = jiff::Timestamp::from_second(at.timestamp()) else { return TimeDelta::zero() };
        TimeDelta::seconds(self.zone.to_offset(instant).seconds().into())
    }

    /// Whether the wall clock can have shown `local` at `utc`. In the hour that is repeated when daylight saving
    /// ends both offsets are right (rules 4).
    pub fn agrees(&self, utc: Timestamp, local: NaiveDateTime) -> bool {
        let offset = local - utc.naive_utc();
        if offset == self.offset_at(utc) {
            return true;
        }
        let hours = [self.offset_at(utc - TimeDelta::hours(1)), self.offset_at(utc + TimeDelta::hours(1))];
        self.repeats(local) && hours.contains(&offset)
    }

    /// Whether the site's wall clock shows `local` twice.
    fn repeats(&self, local: NaiveDateTime) -> bool {
        let parts = (
            i16::try_from(local.year()),
            i8::try_from(local.month()),
            i8::try_from(local.day()),
            i8::try_from(local.hour()),
            i8::try_from(local.minute()),
            i8::try_from(local.second()),
        );
        let (Ok(year), Ok(month), Ok(day), Ok(hour), Ok(minute), Ok(second)) = parts else { return false };
        civil::DateTime::new(year, month, day, hour, minute, second, 0).is_ok_and(|at| {
            matches!(self.zone.to_ambiguous_timestamp(at).offset(), jiff::tz::AmbiguousOffset::Fold { .. })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("RFC 3339")
    }

    #[test]
    fn rule_4_days_are_those_of_the_site_through_both_nights_of_daylight_saving() {
        let zone = Zone::named("Europe/Berlin").expect("in tzdata");
        let day = |d| NaiveDate::from_ymd_opt(2026, 3, d).expect("a date");
        assert_eq!(zone.start_of(day(29)), at("2026-03-28T23:00:00Z"));
        assert_eq!(zone.end_of(day(29)), at("2026-03-29T22:00:00Z"));
        let autumn = NaiveDate::from_ymd_opt(2026, 10, 25).expect("a date");
        assert_eq!(zone.start_of(autumn), at("2026-10-24T22:00:00Z"));
        assert_eq!(zone.end_of(autumn), at("2026-10-25T23:00:00Z"));
        assert_eq!(zone.date_of(at("2026-10-25T22:59:59Z")), autumn);
    }

    #[test]
    fn rule_4_both_offsets_are_right_in_the_repeated_hour_and_nowhere_else() {
        let zone = Zone::named("Europe/Berlin").expect("in tzdata");
        let local: NaiveDateTime = "2026-10-25T02:30:00".parse().expect("local");
        assert!(zone.agrees(at("2026-10-25T00:30:00Z"), local));
        assert!(zone.agrees(at("2026-10-25T01:30:00Z"), local));
        assert!(!zone.agrees(at("2026-10-25T02:30:00Z"), local));
        let noon: NaiveDateTime = "2026-10-25T12:00:00".parse().expect("local");
        assert!(zone.agrees(at("2026-10-25T11:00:00Z"), noon));
        assert!(!zone.agrees(at("2026-10-25T10:00:00Z"), noon));
    }

    #[test]
    fn a_midnight_that_is_skipped_begins_after_the_gap() {
        let zone = Zone::named("America/Asuncion").expect("in tzdata");
        let day = NaiveDate::from_ymd_opt(2023, 10, 1).expect("a date");
        assert_eq!(zone.start_of(day), at("2023-10-01T04:00:00Z"));
    }
}
