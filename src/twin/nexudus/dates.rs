//! Instants as Nexudus writes and reads them (Nexudus API notes, 5), and the zones behind its wall clocks.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Timelike, Utc};
use jiff::tz::TimeZone;

use super::switches::{self, Switches};

/// The Windows names that Nexudus gives to zones, with the IANA zone of each (CLDR windowsZones). A location of the
/// twin lies in one of these.
const WINDOWS_ZONES: &[(&str, &str)] = &[
    ("UTC", "Etc/UTC"),
    ("GMT Standard Time", "Europe/London"),
    ("GMT Standard Time", "Europe/Dublin"),
    ("W. Europe Standard Time", "Europe/Berlin"),
    ("Romance Standard Time", "Europe/Paris"),
    ("FLE Standard Time", "Europe/Helsinki"),
    ("Eastern Standard Time", "America/New_York"),
    ("Central Standard Time", "America/Chicago"),
    ("Pacific Standard Time", "America/Los_Angeles"),
    ("Newfoundland Standard Time", "America/St_Johns"),
    ("Pacific SA Standard Time", "America/Santiago"),
    ("E. South America Standard Time", "America/Sao_Paulo"),
    ("Egypt Standard Time", "Africa/Cairo"),
    ("Middle East Standard Time", "Asia/Beirut"),
    ("India Standard Time", "Asia/Kolkata"),
    ("Tokyo Standard Time", "Asia/Tokyo"),
    ("AUS Eastern Standard Time", "Australia/Sydney"),
    ("Lord Howe Standard Time", "Australia/Lord_Howe"),
    ("New Zealand Standard Time", "Pacific/Auckland"),
    ("Samoa Standard Time", "Pacific/Apia"),
];

/// The Windows name of an IANA zone, or `None` where the twin knows none.
pub fn windows_name(iana: &str) -> Option<&'static str> {
    WINDOWS_ZONES.iter().find(|(_, zone)| *zone == iana).map(|(windows, _)| *windows)
}

/// How far the zone is ahead of UTC at that instant.
pub fn offset(zone: &TimeZone, at: DateTime<Utc>) -> TimeDelta {
    let instant = jiff::Timestamp::from_second(at.timestamp()).unwrap_or_default();
    TimeDelta::seconds(i64::from(zone.to_offset(instant).seconds()))
}

/// What the wall clock shows at that instant.
pub fn wall(zone: &TimeZone, at: DateTime<Utc>) -> NaiveDateTime {
    at.naive_utc() + offset(zone, at)
}

/// The instant of a wall clock: the earlier one where it comes twice, the first one after a gap.
pub fn instant(zone: &TimeZone, wall: NaiveDateTime) -> DateTime<Utc> {
    // Two guesses settle it: the offset at the wall clock read as UTC, then the offset at what came of that.
    let guess = wall.and_utc();
    let offsets = [offset(zone, guess - TimeDelta::hours(26)), offset(zone, guess + TimeDelta::hours(26))];
    let fits = offsets.iter().map(|o| guess - *o).filter(|at| at.naive_utc() + offset(zone, *at) == wall).min();
    fits.unwrap_or_else(|| guess - offsets[0])
}

/// A day as a date: local or UTC midnight, by the switch.
pub fn midnight(zone: &TimeZone, day: NaiveDate, how: switches::Days) -> DateTime<Utc> {
    let wall = day.and_time(chrono::NaiveTime::MIN);
    match how {
        switches::Days::LocalMidnight => instant(zone, wall),
        switches::Days::UtcMidnight => wall.and_utc(),
    }
}

/// How one kind of date is finished.
#[derive(Clone, Copy)]
enum End {
    Bare,
    Zulu,
    Offset,
}

/// A plain date. With the portal switch, one that has a `…Local` twin is the wall clock with a false `Z`.
pub fn plain(at: DateTime<Utc>, zone: &TimeZone, has_local: bool, switches: &Switches) -> String {
    if switches.portal && has_local {
        return written(wall(zone, at), switches.fraction, End::Zulu);
    }
    let end = match switches.utc {
        switches::Utc::Zulu => End::Zulu,
        switches::Utc::Bare => End::Bare,
        switches::Utc::Offset => End::Offset,
    };
    written(at.naive_utc(), switches.fraction, end)
}

/// A `…Local` date.
pub fn local(at: DateTime<Utc>, zone: &TimeZone, switches: &Switches) -> String {
    let end = match switches.local {
        switches::Local::Bare => End::Bare,
        switches::Local::FalseZ => End::Zulu,
        switches::Local::FalseOffset => End::Offset,
    };
    written(wall(zone, at), switches.fraction, end)
}

fn written(wall: NaiveDateTime, fraction: u8, end: End) -> String {
    let mut out = wall.format("%Y-%m-%dT%H:%M:%S").to_string();
    if fraction > 0 {
        // .NET has ticks of 100 ns: at most 7 digits.
        let nanos = format!("{:09}", wall.nanosecond());
        out.push('.');
        out.push_str(&nanos[..usize::from(fraction.min(7))]);
    }
    out.push_str(match end {
        End::Bare => "",
        End::Zulu => "Z",
        End::Offset => "+00:00",
    });
    out
}

/// A date of a record that someone writes: with an offset it is converted, without one it is UTC.
pub fn parsed(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.to_utc());
    }
    const FORMATS: [&str; 2] = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
    let naive = FORMATS.iter().find_map(|f| NaiveDateTime::parse_from_str(text, f).ok());
    naive
        .or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|d| d.and_time(chrono::NaiveTime::MIN)))
        .map(|wall| wall.and_utc())
}

/// A date of a filter, cut to the minute (notes, 2.3). `None` is unreadable, and what is unreadable is ignored.
/// `local`: it is compared with a `…Local` field.
pub fn filter(text: &str, zone: &TimeZone, switches: &Switches, local: bool) -> Option<DateTime<Utc>> {
    let digits = text.strip_suffix('Z').or_else(|| text.strip_suffix("+00:00"));
    if digits.is_some() && switches.filters_refuse_zone {
        return None;
    }
    let at = if switches.local_filters || local {
        instant(zone, parsed(digits.unwrap_or(text))?.naive_utc())
    } else {
        parsed(&text.replace("Z", "+00:00")).or_else(|| parsed(digits.unwrap_or(text)))?
    };
    at.with_second(0).and_then(|at| at.with_nanosecond(0))
}
