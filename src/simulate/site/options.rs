//! What the gateway of a site by chance is told, when its run begins, and how many people there are.

use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;
use jiff::tz::TimeZone;

use crate::demo::settings::{NoAccess, Settings};
use crate::demo::site::LOCATION;

/// Zones with daylight saving on either half of the globe, one with half an hour, one with none.
const ZONES: [&str; 10] = [
    "Europe/London",
    "Europe/London",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "America/Santiago",
    "Asia/Kolkata",
    "Australia/Sydney",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
];

fn one<T: Copy>(of: &[T], rng: &mut Rng) -> T {
    of[rng.usize(..of.len())]
}

/// Mostly small: days of small sites are cheap. One in a hundred has up to 2,000.
pub(super) fn size(rng: &mut Rng) -> usize {
    match rng.u8(..100) {
        0 => rng.usize(400..2_001),
        1..=5 => rng.usize(120..400),
        6..=25 => rng.usize(40..120),
        _ => rng.usize(10..40),
    }
}

pub(super) fn settings(rng: &mut Rng) -> Settings {
    let changes_s = one(&[5, 10, 15, 20, 30, 60], rng);
    Settings {
        site: "simulated".to_owned(),
        zone: one(&ZONES, rng).to_owned(),
        location: LOCATION,
        changes_s,
        refresh_s: one(&[60, 120, 300], rng),
        horizon_s: one(&[2, 7, 14], rng) * 86_400,
        events_s: one(&[5, 15, 30, 60], rng),
        state_s: one(&[60, 300], rng),
        roster_s: one(&[300, 600, 1_800], rng),
        requests_per_second: one(&[2, 4, 4, 5], rng),
        // What the twin takes is drawn with its other ways.
        kisi_answers_ms: 0,
        before_s: one(&[0, 300, 900, 900, 1_800], rng),
        after_s: one(&[0, 300, 900, 900], rng),
        prestage_s: one(&[0, 600, 3_600, 6 * 3_600, 86_400, 86_400], rng),
        no_access: one(&[NoAccess::Suspend, NoAccess::Suspend, NoAccess::Delete, NoAccess::Keep], rng),
        no_access_after_s: one(&[0, 600, 3_600, 7_200], rng),
        manage_existing: rng.bool(),
        never_touch: vec!["*@staff.example".to_owned()],
        tentative: rng.bool(),
        contract_ends_at_start: rng.bool(),
        topic_prefix: "gatehouse".to_owned(),
        links: Vec::new(),
    }
}

/// When the run begins: some time of 2027, or the hours before a night in which the zone's clock changes.
pub(super) fn start(zone: &str, rng: &mut Rng) -> DateTime<Utc> {
    const NEW_YEAR_S: i64 = 1_798_761_600;
    let any = NEW_YEAR_S + rng.i64(0..365 * 24 * 60) * 60;
    let Some(any) = DateTime::from_timestamp(any, 0) else { return DateTime::UNIX_EPOCH };
    if rng.u8(..3) > 0 {
        return any;
    }
    let from = jiff::Timestamp::from_second(any.timestamp()).unwrap_or_default();
    let change = TimeZone::get(zone).ok().and_then(|zone| zone.following(from).next().map(|change| change.timestamp()));
    let change = change.and_then(|change| DateTime::from_timestamp(change.as_second(), 0));
    change.map_or(any, |change| change - TimeDelta::minutes(rng.i64(60..20 * 60)))
}
