//! The oracle's own calendar: whole minutes since 1970 and a hand-written table of the zones' changes in 2026.
//!
//! No date library and nothing of `gatehouse`: a mistake in theirs must not be a mistake here. One test holds the
//! table against the system's tzdata.

/// Whole minutes since 1970-01-01T00:00Z.
pub type Minute = i64;

/// Days since 1970-01-01.
pub type Day = i64;

/// Minutes in a day that has no change of daylight saving.
pub const DAY: Minute = 24 * 60;

/// A zone in the year 2026.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its IANA name.
    pub name: &'static str,
    /// How far it is ahead of UTC as the year begins.
    first: Minute,
    /// From when on it is how far ahead.
    pub changes: [(Minute, Minute); 2],
}

/// Zones with a change by an hour on either side of Greenwich, by half an hour, and at midnight.
pub const ZONES: [Table; 4] = [
    Table {
        name: "Europe/Berlin",
        first: 60,
        changes: [(minute(2026, 3, 29, 1, 0), 120), (minute(2026, 10, 25, 1, 0), 60)],
    },
    Table {
        name: "America/New_York",
        first: -300,
        changes: [(minute(2026, 3, 8, 7, 0), -240), (minute(2026, 11, 1, 6, 0), -300)],
    },
    Table {
        name: "Australia/Lord_Howe",
        first: 660,
        changes: [(minute(2026, 4, 4, 15, 0), 630), (minute(2026, 10, 3, 15, 30), 660)],
    },
    Table {
        name: "America/Santiago",
        first: -180,
        changes: [(minute(2026, 4, 5, 3, 0), -240), (minute(2026, 9, 6, 4, 0), -180)],
    },
];

impl Table {
    /// The zone of that name.
    pub fn named(name: &str) -> &'static Table {
        ZONES.iter().find(|zone| zone.name == name).expect("a zone of the oracle's table")
    }

    /// What the wall clock shows, as minutes since the wall clock's own 1970-01-01T00:00.
    pub fn wall(&self, at: Minute) -> Minute {
        let offset = self.changes.iter().rev().find(|(from, _)| *from <= at).map_or(self.first, |(_, offset)| *offset);
        at + offset
    }

    /// The date on the wall calendar.
    pub fn day(&self, at: Minute) -> Day {
        self.wall(at).div_euclid(DAY)
    }

    /// The first minute of that day, found by looking at each.
    pub fn first_minute_of(&self, day: Day) -> Minute {
        (day * DAY - DAY..).find(|at| self.day(*at) == day).expect("every day begins")
    }
}

/// The days from 1970-01-01 to that date of the Gregorian calendar.
pub const fn days(year: i64, month: i64, day: i64) -> Day {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// That moment of UTC.
pub const fn minute(year: i64, month: i64, day: i64, hour: i64, minute: i64) -> Minute {
    days(year, month, day) * DAY + hour * 60 + minute
}

/// A date as Nexudus writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The digits, whatever stands behind them.
    pub digits: Minute,
    /// The moment: by the offset behind the digits, else as UTC.
    pub instant: Minute,
}

impl Written {
    /// The date that the digits spell.
    pub fn literal_day(self) -> Day {
        self.digits.div_euclid(DAY)
    }
}

/// Reads `2026-03-04T11:00`, with or without seconds, fraction, `Z` or an offset.
pub fn read(text: &str) -> Written {
    let number = |from: usize, to: usize| text[from..to].parse::<i64>().expect("digits");
    let digits = minute(number(0, 4), number(5, 7), number(8, 10), number(11, 13), number(14, 16));
    let offset = match text[16..].find(['+', '-']) {
        Some(sign) => {
            let at = 16 + sign;
            let size = number(at + 1, at + 3) * 60 + number(at + 4, at + 6);
            if text[at..].starts_with('-') { -size } else { size }
        }
        None => 0,
    };
    Written { digits, instant: digits - offset }
}

/// The digits of that minute, `2026-03-04T11:00`.
pub fn write(at: Minute) -> String {
    let (day, rest) = (at.div_euclid(DAY), at.rem_euclid(DAY));
    let year = (1970..).find(|year| days(year + 1, 1, 1) > day).expect("a year");
    let month = (1..=12).rev().find(|month| days(year, *month, 1) <= day).expect("a month");
    let date = day - days(year, month, 1) + 1;
    format!("{year:04}-{month:02}-{date:02}T{:02}:{:02}", rest / 60, rest % 60)
}

/// The table is what tzdata says, for every minute of the year: else the oracle would judge by a mistake of its own.
#[test]
fn the_oracles_table_is_what_tzdata_says() {
    for zone in &ZONES {
        let tz = jiff::tz::TimeZone::get(zone.name).expect("in this system's tzdata");
        for at in minute(2026, 1, 2, 0, 0)..minute(2026, 12, 30, 0, 0) {
            let offset = tz.to_offset(jiff::Timestamp::from_second(at * 60).expect("in range")).seconds();
            assert_eq!(zone.wall(at) - at, i64::from(offset) / 60, "{} at {}Z", zone.name, write(at));
        }
    }
}

#[test]
fn the_oracle_reads_what_it_writes_and_every_ending() {
    for at in (minute(2023, 12, 30, 0, 0)..minute(2028, 3, 2, 0, 0)).step_by(7) {
        assert_eq!(read(&write(at)), Written { digits: at, instant: at });
    }
    let noon = minute(2026, 3, 4, 12, 0);
    for (text, instant) in [
        ("2026-03-04T12:00:00Z", noon),
        ("2026-03-04T12:00:00.1234567", noon),
        ("2026-03-04T12:00:00.1234567+01:00", noon - 60),
        ("2026-03-04T12:00-03:30", noon + 210),
    ] {
        assert_eq!(read(text), Written { digits: noon, instant });
    }
}
