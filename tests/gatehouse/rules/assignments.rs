//! Rules 3: merging, the one slot, the alternate.

use std::time::Duration;

use gatehouse::domain::person::{Merged, merge, people};
use gatehouse::domain::slot::{Taken, same_from, slots};
use gatehouse::domain::{Email, Grant, GroupId, Reason, Window};
use serde_json::json;

use super::*;
use crate::oracle::What;
use crate::oracle::sites::plain;

/// `09:00..10:00` on 4 March; an open side is empty.
fn window(text: &str) -> Window {
    let (from, until) = text.split_once("..").expect("two sides");
    let side = |text: &str| (!text.is_empty()).then(|| at(&format!("2026-03-04T{text}")));
    Window::new(side(from), side(until)).expect("not empty")
}

fn time(text: &str) -> Timestamp {
    at(&format!("2026-03-04T{text}"))
}

fn granted(text: &str) -> Grant {
    Grant { customer: ADA.into(), group: OAK.into(), window: window(text), reason: Reason::Booking(1.into()) }
}

/// The windows that those grants become.
fn merged(texts: &[&str]) -> Vec<Window> {
    merge(texts.iter().map(|text| granted(text)).collect()).into_iter().map(|merged| merged.window).collect()
}

const MAIN: GroupId = GroupId(OAK);
const SPARE: GroupId = GroupId(46_901);

/// What the slots should hold, with a `prestage` of two hours.
fn chosen(windows: &[&str], main: Taken, spare: Option<Taken>, now: &str) -> Vec<(GroupId, Window)> {
    let windows: Vec<Merged> = merge(windows.iter().map(|text| granted(text)).collect());
    let spare = spare.map(|taken| (SPARE, taken));
    let chosen = slots(&windows, (MAIN, main), spare, Duration::from_secs(2 * 3600), time(now));
    chosen.into_iter().map(|(slot, merged)| (slot, merged.window)).collect()
}

fn ours(text: &str) -> Taken {
    Taken::Ours(window(text))
}

#[test]
fn rule_3_windows_that_overlap_or_touch_become_one() {
    assert_eq!(merged(&["09:00..10:00", "10:00..11:00"]), [window("09:00..11:00")], "touching");
    assert_eq!(merged(&["10:30..12:00", "09:00..11:00"]), [window("09:00..12:00")], "overlapping, in any order");
    assert_eq!(merged(&["09:00..12:00", "10:00..11:00"]), [window("09:00..12:00")], "one within the other");
    assert_eq!(merged(&["..10:00", "10:00..", "08:00..09:00"]), [Window::ALWAYS], "open sides");
    assert_eq!(
        merged(&["09:00..10:00", "10:01..11:00"]),
        [window("09:00..10:00"), window("10:01..11:00")],
        "a minute between"
    );
}

#[test]
fn rule_3_a_pass_that_covers_a_booking_leaves_no_seam() {
    let mut site = site();
    site.ties = vec![plain(What::Pass, 31, OAK), plain(What::Resource, 555, OAK)];
    site.kinds = vec![day_pass(31)];
    site.passes = vec![pass(7, 31, ADA)];
    site.passes[0]["ExpireDate"] = json!("2026-03-04T12:00:00Z");
    site.bookings = vec![booking(1, 555, ADA, "2026-03-04T11:00", "2026-03-04T13:00")];
    assert_eq!(windows(&site, "2026-03-04T09:00", "ada@example.org"), [window("..13:15")]);
}

#[test]
fn rule_1_grants_are_judged_for_each_customer_and_united_where_two_have_one_email() {
    let mut site = site();
    site.ties = vec![plain(What::Resource, 555, OAK)];
    site.coworkers[1]["Email"] = json!(" ADA@example.org");
    site.bookings = vec![
        booking(1, 555, ADA, "2026-03-04T11:00", "2026-03-04T13:00"),
        booking(2, 555, BEN, "2026-03-04T13:00", "2026-03-04T14:00"),
    ];
    assert_eq!(windows(&site, "2026-03-04T09:00", "ada@example.org"), [window("10:45..14:15")]);
    site.coworkers[1]["Archived"] = json!(true);
    assert_eq!(windows(&site, "2026-03-04T09:00", "ada@example.org"), [window("10:45..13:15")]);
}

/// The windows of the person of that address in `OAK`.
fn windows(site: &Site, now: &str, email: &str) -> Vec<Window> {
    let people = people(&reading::snapshot(site), &judged(site, now));
    let person = &people[&Email::parse(email).expect("an address")];
    person.windows[&MAIN].iter().map(|merged| merged.window).collect()
}

#[test]
fn rule_3_the_slot_holds_the_open_window_else_the_next_once_due_else_nothing() {
    let two = ["12:00..13:00", "14:00..15:00"];
    assert_eq!(chosen(&two, Taken::Free, None, "09:59"), [], "two hours before is not reached");
    assert_eq!(chosen(&two, Taken::Free, None, "10:00"), [(MAIN, window("12:00..13:00"))]);
    assert_eq!(chosen(&two, ours("12:00..13:00"), None, "12:59"), [(MAIN, window("12:00..13:00"))], "the next waits");
    assert_eq!(chosen(&two, ours("12:00..13:00"), None, "13:00"), [(MAIN, window("14:00..15:00"))], "and moves in");
    assert_eq!(chosen(&two, ours("14:00..15:00"), None, "15:00"), [], "nothing is left");
}

#[test]
fn rule_3_a_window_with_no_beginning_is_due_at_once() {
    assert_eq!(chosen(&["..13:00"], Taken::Free, None, "00:00"), [(MAIN, window("..13:00"))]);
}

#[test]
fn rule_3_an_alternate_takes_the_next_window_while_the_first_slot_is_taken_and_keeps_it_until_it_ends() {
    let three = ["09:00..10:00", "10:30..11:30", "11:45..12:00"];
    let free = Some(Taken::Free);
    let first = (MAIN, window("09:00..10:00"));
    assert_eq!(chosen(&three, Taken::Free, free, "08:00"), [first], "the second is not due");
    assert_eq!(chosen(&three, ours("09:00..10:00"), free, "08:30"), [first, (SPARE, window("10:30..11:30"))]);
    let there = Some(ours("10:30..11:30"));
    let second = (SPARE, window("10:30..11:30"));
    assert_eq!(chosen(&three, ours("09:00..10:00"), there, "09:45"), [first, second], "the third has no slot");
    for now in ["10:00", "10:30", "11:29"] {
        let chosen = chosen(&three, Taken::Free, there, now);
        assert!(chosen.contains(&second), "{now}: it stays where it was written, {chosen:?}");
        assert!(chosen.iter().all(|(slot, window)| *slot == SPARE || *window != second.1), "{now}: {chosen:?}");
    }
    assert_eq!(chosen(&three, ours("11:45..12:00"), there, "11:30"), [(MAIN, window("11:45..12:00"))]);
}

#[test]
fn rule_3_a_window_in_force_is_extended_in_place_in_whichever_slot_it_stands() {
    // 10:00..11:00 is open in the alternate and 12:00..13:00 is written ahead when a booking joins the two.
    let chosen = chosen(&["10:00..13:00"], ours("12:00..13:00"), Some(ours("10:00..11:00")), "10:30");
    assert_eq!(chosen, [(SPARE, window("10:00..13:00"))]);
}

#[test]
fn rule_3_a_beginning_that_has_passed_is_no_difference() {
    let same = |row: &str, wanted: &str, now: &str| same_from(Some(window(row)), &window(wanted), time(now));
    assert!(same("09:00..12:00", "08:00..12:00", "10:00"));
    assert!(same("09:00..12:00", "..12:00", "10:00"));
    assert!(same("09:00..12:00", "..12:00", "09:00"), "half open: at its beginning it has begun");
    assert!(!same("09:00..12:00", "08:00..12:00", "08:59"), "it would open too late");
    assert!(!same("09:00..12:00", "09:00..12:01", "10:00"));
    assert!(!same("09:00..12:00", "09:00..", "10:00"));
    assert!(!same("09:00..12:00", "11:00..12:00", "10:00"), "it is open too early");
    assert!(!same("09:00..10:00", "09:00..10:00", "10:00"), "a row that has ended opens nothing");
}
