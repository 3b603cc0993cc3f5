//! Rules 2: what a pass grants, and to whom in a team.

use serde_json::{Value, json};

use super::*;
use crate::oracle::What;
use crate::oracle::sites::{plain, with};

/// Ada holds one pass of kind 31, a day pass, which is linked.
fn day() -> Site {
    Site { ties: vec![plain(What::Pass, 31, OAK)], kinds: vec![day_pass(31)], passes: vec![pass(7, 31, ADA)], ..site() }
}

/// The same, of a kind with minutes.
fn minutes(used: bool, left: Value) -> Site {
    let fields = [("Used", json!(used)), ("RemainingUses", left)];
    Site { kinds: vec![time_pass(31)], passes: vec![with(pass(7, 31, ADA), &fields)], ..day() }
}

fn used(on: &str) -> Site {
    Site { passes: vec![with(pass(7, 31, ADA), &[("Used", json!(true)), ("UsedDate", json!(on))])], ..day() }
}

#[test]
fn rule_2_an_unused_day_pass_opens_day_and_night_until_it_expires() {
    let mut site = day();
    assert_eq!(grants(&site, "2026-03-04T02:00"), ["90210 45901 .. pass 7"]);
    site.passes[0]["ExpireDate"] = json!("2026-03-31T22:00:00Z");
    assert_eq!(grants(&site, "2026-03-04T02:00"), ["90210 45901 ..03-31T22:00 pass 7"]);
    assert_eq!(inside(&site, "2026-03-31T21:59"), [(ADA, OAK)]);
    assert_eq!(inside(&site, "2026-03-31T22:00"), []);
    assert_eq!(inside(&site, "2026-04-02T00:00"), []);
}

#[test]
fn rule_2_a_day_pass_used_today_opens_until_the_end_of_that_day_on_the_sites_calendar() {
    let site = used("2026-03-04T09:00:00Z");
    assert_eq!(grants(&site, "2026-03-04T09:30"), ["90210 45901 ..03-04T23:00 pass 7"]);
    assert_eq!(inside(&site, "2026-03-04T22:59"), [(ADA, OAK)]);
    assert_eq!(inside(&site, "2026-03-04T23:00"), []);
}

#[test]
fn rule_2_a_day_pass_used_yesterday_opens_nothing_though_it_has_no_expiry() {
    assert_eq!(grants(&used("2026-03-03T09:00:00Z"), "2026-03-04T09:30"), [""; 0]);
}

#[test]
fn rule_2_a_day_pass_used_on_no_known_day_opens_nothing() {
    let mut site = used("2026-03-04T09:00:00Z");
    site.passes[0]["UsedDate"] = Value::Null;
    assert_eq!(grants(&site, "2026-03-04T09:30"), [""; 0]);
}

#[test]
fn rule_2_the_day_of_use_is_today_by_its_digits_or_by_its_instant() {
    // 23:30Z is the 4th by its digits and the 5th on Berlin's calendar: which Nexudus means is not known.
    let site = used("2026-03-04T23:30:00Z");
    assert_eq!(inside(&site, "2026-03-04T22:59"), [(ADA, OAK)], "the 4th in Berlin");
    assert_eq!(inside(&site, "2026-03-05T22:59"), [(ADA, OAK)], "the 5th in Berlin");
    assert_eq!(inside(&site, "2026-03-05T23:00"), [], "the 6th in Berlin");
    assert_eq!(inside(&site, "2026-03-03T22:59"), [], "the 3rd in Berlin");
}

#[test]
fn rule_2_a_used_day_ends_earlier_where_the_pass_expires_earlier() {
    let mut site = used("2026-03-04T09:00:00Z");
    site.passes[0]["ExpireDate"] = json!("2026-03-04T18:00:00Z");
    assert_eq!(grants(&site, "2026-03-04T09:30"), ["90210 45901 ..03-04T18:00 pass 7"]);
}

#[test]
fn rule_4_the_day_of_use_is_23_hours_long_when_the_clocks_go_forward() {
    let site = used("2026-03-29T08:00:00Z");
    assert_eq!(grants(&site, "2026-03-29T09:00"), ["90210 45901 ..03-29T22:00 pass 7"]);
}

#[test]
fn rule_2_a_time_pass_opens_while_minutes_remain_used_or_not() {
    for used in [false, true] {
        assert_eq!(grants(&minutes(used, json!(90)), "2026-03-04T09:30"), ["90210 45901 .. pass 7"], "used: {used}");
        assert_eq!(grants(&minutes(used, json!(0)), "2026-03-04T09:30"), [""; 0], "used: {used}");
        assert_eq!(grants(&minutes(used, json!(-5)), "2026-03-04T09:30"), [""; 0], "used: {used}");
    }
}

#[test]
fn rule_2_a_time_pass_whose_rest_is_absent_opens_while_it_is_not_used() {
    assert_eq!(inside(&minutes(false, Value::Null), "2026-03-04T09:30"), [(ADA, OAK)]);
    assert_eq!(inside(&minutes(true, Value::Null), "2026-03-04T09:30"), []);
}

#[test]
fn rule_2_a_time_pass_used_today_has_no_day_of_its_own() {
    let mut site = minutes(true, json!(0));
    site.passes[0]["UsedDate"] = json!("2026-03-04T09:00:00Z");
    assert_eq!(inside(&site, "2026-03-04T09:30"), []);
}

#[test]
fn rule_2_a_pass_with_minutes_ends_at_its_expiry_too() {
    let mut site = minutes(true, json!(90));
    site.passes[0]["ExpireDate"] = json!("2026-03-04T10:00:00Z");
    assert_eq!(grants(&site, "2026-03-04T09:30"), ["90210 45901 ..03-04T10:00 pass 7"]);
    assert_eq!(inside(&site, "2026-03-04T10:00"), []);
}

#[test]
fn rule_2_a_pass_with_time_slots_is_linked_only_where_the_link_ignores_them() {
    let slot = json!({ "Id": 1, "TimePassId": 31, "DayOfWeek": 3, "FromTime": "1976-01-01T09:00:00Z", "ToTime": "1976-01-01T17:00:00Z" });
    let mut site = Site { slots: vec![slot], ..day() };
    assert_eq!(grants(&site, "2026-03-04T09:30"), [""; 0]);
    assert!(!judged(&site, "2026-03-04T09:30").notes.is_empty(), "the operator is told to put the hours on the group");
    site.ties[0].ignore_slots = true;
    assert_eq!(inside(&site, "2026-03-04T09:30"), [(ADA, OAK)]);
}

#[test]
fn rule_2_slots_of_another_kind_of_pass_do_not_count() {
    let slot = json!({ "Id": 1, "TimePassId": 32, "DayOfWeek": 3, "FromTime": "1976-01-01T09:00:00Z", "ToTime": "1976-01-01T17:00:00Z" });
    let site = Site { slots: vec![slot], kinds: vec![day_pass(31), day_pass(32)], ..day() };
    assert_eq!(inside(&site, "2026-03-04T09:30"), [(ADA, OAK)]);
}

#[test]
fn rule_2_a_pass_is_shared_only_where_link_and_team_both_share() {
    for (link_shares, team_shares, expected) in
        [(true, true, vec![(ADA, OAK), (BEN, OAK)]), (true, false, vec![(ADA, OAK)]), (false, true, vec![(ADA, OAK)])]
    {
        let mut site = day();
        site.ties[0].team = link_shares;
        site.teams.insert(5, team(&[ADA, BEN], team_shares));
        assert_eq!(inside(&site, "2026-03-04T09:30"), expected, "link {link_shares}, team {team_shares}");
    }
}

#[test]
fn rule_2_only_the_teams_of_the_holder_share() {
    let mut site = day();
    site.ties[0].team = true;
    site.coworkers.push(customer(90_212, "cleo@example.org"));
    site.teams.insert(5, team(&[BEN, 90_212], true));
    assert_eq!(inside(&site, "2026-03-04T09:30"), [(ADA, OAK)]);
}
