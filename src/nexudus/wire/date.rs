//! Dates as Nexudus writes them: with and without `Z`, 0 to 7 fractional digits, an offset that may be false
//! (Nexudus API notes, 5).

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Timelike};
use serde::de::{self, Deserialize, Deserializer};

use super::lenient::Scalar;
use crate::domain::Timestamp;
use crate::domain::snapshot::Stamp;

/// A date as written, and the instant that it is when taken as UTC or by the offset beside it.
pub fn parse(text: &str) -> Option<Stamp> {
    let text = text.trim();
    let time = text.find(['T', 't', ' ']);
    let sign = time.and_then(|t| text[t..].find(['Z', 'z', '+', '-']).map(|at| t + at));
    let (digits, offset) = sign.map_or((text, ""), |at| text.split_at(at));
    let literal = literal(digits.trim_end())?;
    let instant = DateTime::from_naive_utc_and_offset(literal.checked_sub_signed(offset_of(offset)?)?, chrono::Utc);
    Some(Stamp { literal, instant })
}

fn literal(digits: &str) -> Option<NaiveDateTime> {
    // The usual shape, by a parser made for it: pages hold thousands of dates.
    if let Ok(at) = DateTime::parse_from_rfc3339(&format!("{digits}Z")) {
        return Some(at.naive_utc());
    }
    if let Ok(day) = digits.parse::<NaiveDate>() {
        return day.and_hms_opt(0, 0, 0);
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let whole = whole.replacen(['t', ' '], "T", 1);
    let at = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"]
        .iter()
        .find_map(|shape| NaiveDateTime::parse_from_str(&whole, shape).ok())?;
    let nanos: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    at.with_nanosecond(nanos.parse().ok()?)
}

fn offset_of(text: &str) -> Option<TimeDelta> {
    let rest = match text.as_bytes().first() {
        None | Some(b'Z' | b'z') => return Some(TimeDelta::zero()),
        Some(_) => text[1..].replace(':', ""),
    };
    let (hours, minutes) = match rest.len() {
        2 => (rest.parse::<i64>().ok()?, 0),
        4 => (rest[..2].parse::<i64>().ok()?, rest[2..].parse::<i64>().ok()?),
        _ => return None,
    };
    let ahead = TimeDelta::minutes(hours * 60 + minutes);
    Some(if text.starts_with('-') { -ahead } else { ahead })
}

/// A date of a plain name, which is UTC, that must be there.
pub(super) fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    opt_stamp(deserializer)?.map(|stamp| stamp.instant).ok_or_else(|| de::Error::custom("no date"))
}

/// A date that may be absent.
pub(super) fn opt_stamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Stamp>, D::Error> {
    match Scalar::deserialize(deserializer)? {
        Scalar::Null => Ok(None),
        Scalar::Text(text) if text.trim().is_empty() => Ok(None),
        Scalar::Text(text) => parse(&text).map(Some).ok_or_else(|| de::Error::custom("text that is no date")),
        _ => Err(de::Error::custom("a number where a date is due")),
    }
}

/// A date of a plain name, which is UTC, that may be absent.
pub(super) fn opt_instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    Ok(opt_stamp(deserializer)?.map(|stamp| stamp.instant))
}

/// A date of a name that ends in `Local`: the digits alone, since the offset beside them may be false
/// (Nexudus API notes, 5).
pub(super) fn opt_local<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NaiveDateTime>, D::Error> {
    Ok(opt_stamp(deserializer)?.map(|stamp| stamp.literal))
}

/// A date as filters take it: minutes, no zone (Nexudus API notes, 2.3).
pub fn for_filter(at: NaiveDateTime) -> String {
    at.format("%Y-%m-%dT%H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_way_of_writing_one_instant_means_that_instant(
            seconds in 0i64..4_000_000_000, digits in 0usize..=7, nanos in 0u32..1_000_000_000,
            style in 0usize..5, offset_minutes in -14 * 60i32..=14 * 60,
        ) {
            let step = 10u32.pow(u32::try_from(9 - digits).expect("small"));
            let at = DateTime::from_timestamp(seconds, nanos / step * step).expect("in range");
            let shown = at.naive_utc() + TimeDelta::minutes(if style == 4 { offset_minutes.into() } else { 0 });
            let mut text = shown.format(if style == 3 { "%Y-%m-%d %H:%M:%S" } else { "%Y-%m-%dT%H:%M:%S" }).to_string();
            if digits > 0 {
                text += &format!(".{:0>9}", shown.nanosecond())[..=digits];
            }
            match style {
                0 => {}
                1 => text += "Z",
                2 => text += "+00:00",
                3 => text += " Z",
                _ => {
                    let sign = if offset_minutes < 0 { '-' } else { '+' };
                    text += &format!("{sign}{:02}:{:02}", offset_minutes.abs() / 60, offset_minutes.abs() % 60);
                }
            }
            let stamp = parse(&text);
            prop_assert_eq!(stamp, Some(Stamp { literal: shown, instant: at }), "{}", text);
        }

        #[test]
        fn no_text_is_too_strange(text in "\\PC{0,40}") {
            let _ = parse(&text);
        }
    }

    #[test]
    fn dates_without_seconds_or_hours_count_and_nonsense_does_not() {
        let at = |text: &str| parse(text).map(|stamp| stamp.instant.to_rfc3339());
        assert_eq!(at("2026-03-04").as_deref(), Some("2026-03-04T00:00:00+00:00"));
        assert_eq!(at("2026-03-04T05:06").as_deref(), Some("2026-03-04T05:06:00+00:00"));
        for nonsense in ["", "soon", "2026-13-04T00:00:00", "2026-03-04T25:00", "2026-03-04T00:00:00+1", "04/03/2026"] {
            assert_eq!(at(nonsense), None, "{nonsense}");
        }
    }
}
