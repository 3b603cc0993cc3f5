//! Rules 2: what a booking grants.

use serde_json::{Value, json};

use super::*;
use crate::oracle::sites::{plain, with};
use crate::oracle::{Tie, What};

/// Ada has the boardroom, 11:00 to 13:00, and it is linked.
fn booked() -> Site {
    Site {
        ties: vec![plain(What::Resource, 555, OAK)],
        bookings: vec![booking(1, 555, ADA, "2026-03-04T11:00", "2026-03-04T13:00")],
        ..site()
    }
}

#[test]
fn rule_2_a_booking_opens_from_before_until_after_by_default_15_minutes_each() {
    let site = booked();
    assert_eq!(grants(&site, "2026-03-01T00:00"), ["90210 45901 03-04T10:45..03-04T13:15 booking 1"]);
    assert_eq!(inside(&site, "2026-03-04T10:44"), []);
    assert_eq!(inside(&site, "2026-03-04T10:45"), [(ADA, OAK)]);
    assert_eq!(inside(&site, "2026-03-04T13:14"), [(ADA, OAK)]);
    assert_eq!(inside(&site, "2026-03-04T13:15"), []);
}

#[test]
fn rule_2_before_and_after_are_those_of_the_link() {
    let mut site = booked();
    site.ties[0] = Tie { before: 30, after: 0, ..site.ties[0].clone() };
    assert_eq!(grants(&site, "2026-03-01T00:00"), ["90210 45901 03-04T10:30..03-04T13:00 booking 1"]);
    let wide = Tie { group: ELM, before: 60, after: 120, ..site.ties[0].clone() };
    site.ties.push(wide);
    assert_eq!(
        grants(&site, "2026-03-01T00:00"),
        ["90210 45901 03-04T10:30..03-04T13:00 booking 1", "90210 45902 03-04T10:00..03-04T15:00 booking 1"]
    );
}

#[test]
fn rule_2_a_booking_for_nobody_grants_nothing() {
    let mut site = booked();
    site.bookings[0]["CoworkerId"] = Value::Null;
    assert_eq!(grants(&site, "2026-03-04T12:00"), [""; 0]);
}

#[test]
fn rule_2_a_tentative_booking_grants_nothing_unless_told() {
    let mut site = booked();
    site.bookings[0]["Tentative"] = json!(true);
    assert_eq!(inside(&site, "2026-03-04T12:00"), []);
    site.tentative = true;
    assert_eq!(inside(&site, "2026-03-04T12:00"), [(ADA, OAK)]);
}

#[test]
fn rule_2_a_booking_that_moves_moves_its_grant() {
    let later = Site { bookings: vec![booking(1, 555, ADA, "2026-03-05T08:00", "2026-03-05T09:00")], ..booked() };
    assert_eq!(grants(&later, "2026-03-04T12:00"), ["90210 45901 03-05T07:45..03-05T09:15 booking 1"]);

    let mut elsewhere = booked();
    elsewhere.ties.push(plain(What::Resource, 556, ELM));
    elsewhere.bookings[0]["ResourceId"] = json!(556);
    assert_eq!(inside(&elsewhere, "2026-03-04T12:00"), [(ADA, ELM)]);

    let mut unlinked = booked();
    unlinked.bookings[0]["ResourceId"] = json!(557);
    assert_eq!(inside(&unlinked, "2026-03-04T12:00"), []);

    let mut handed_over = booked();
    handed_over.bookings[0]["CoworkerId"] = json!(BEN);
    assert_eq!(inside(&handed_over, "2026-03-04T12:00"), [(BEN, OAK)]);
}

#[test]
fn rule_2_a_series_is_its_single_bookings() {
    let series =
        [("RepeatSeriesUniqueId", json!("16fd2706-8baf-433b-82eb-8c7fada847da")), ("RepeatBooking", json!(true))];
    let site = Site {
        bookings: vec![
            with(booking(1, 555, ADA, "2026-03-04T11:00", "2026-03-04T13:00"), &series),
            with(booking(2, 555, ADA, "2026-03-05T11:00", "2026-03-05T13:00"), &series),
        ],
        ..booked()
    };
    assert_eq!(
        grants(&site, "2026-03-01T00:00"),
        ["90210 45901 03-04T10:45..03-04T13:15 booking 1", "90210 45901 03-05T10:45..03-05T13:15 booking 2"]
    );
}

#[test]
fn rule_2_a_team_shares_no_booking() {
    let mut site = booked();
    site.ties[0].team = true;
    site.teams.insert(5, team(&[ADA, BEN], true));
    assert_eq!(inside(&site, "2026-03-04T12:00"), [(ADA, OAK)]);
}

#[test]
fn rule_4_a_booking_through_the_repeated_hour_is_as_long_as_its_instants() {
    // In Berlin 02:00 to 03:00 comes twice on 25 October 2026: three hours by the wall, four by the clock.
    let bookings = vec![booking(1, 555, ADA, "2026-10-24T23:30", "2026-10-25T03:30")];
    let site = Site { bookings, ..booked() };
    assert_eq!(grants(&site, "2026-10-24T12:00"), ["90210 45901 10-24T23:15..10-25T03:45 booking 1"]);
}
