//! Rules 2: what a contract grants, and to whom in a team.

use serde_json::{Value, json};

use super::*;
use crate::oracle::What;
use crate::oracle::sites::{plain, with};

/// Ada's contract on desk 801 and plan 12 runs from 2 March 2026; the desk is linked.
fn desk() -> Site {
    Site { ties: vec![plain(What::Desk, 801, OAK)], contracts: vec![contract(3, ADA)], ..site() }
}

fn changed(fields: &[(&str, Value)]) -> Site {
    Site { contracts: vec![with(contract(3, ADA), fields)], ..desk() }
}

#[test]
fn rule_2_a_contract_opens_from_the_start_of_its_first_day_on_the_sites_calendar() {
    let site = desk();
    assert_eq!(grants(&site, "2026-03-04T09:30"), ["90210 45901 03-01T23:00.. contract 3"]);
    assert_eq!(inside(&site, "2026-03-01T22:59"), []);
    assert_eq!(inside(&site, "2026-03-01T23:00"), [(ADA, OAK)]);
}

#[test]
fn rule_2_a_contract_opens_by_its_desks_or_by_its_plan() {
    let mut site = changed(&[("FloorPlanDeskIds", json!("800, 801 ,802"))]);
    assert_eq!(inside(&site, "2026-03-04T09:30"), [(ADA, OAK)]);
    site.contracts[0]["FloorPlanDeskIds"] = json!("8010,80,1");
    assert_eq!(inside(&site, "2026-03-04T09:30"), [], "another desk whose number only looks like it");
    site.ties.push(plain(What::Plan, 12, ELM));
    assert_eq!(inside(&site, "2026-03-04T09:30"), [(ADA, ELM)]);
    site.contracts[0]["TariffId"] = json!(13);
    assert_eq!(inside(&site, "2026-03-04T09:30"), []);
}

#[test]
fn rule_2_an_inactive_contract_opens_nothing() {
    assert_eq!(grants(&changed(&[("Active", json!(false))]), "2026-03-04T09:30"), [""; 0]);
}

#[test]
fn rule_2_notice_alone_ends_nothing() {
    let site = changed(&[("Cancelled", json!(true)), ("CancellationDate", json!("2026-03-30T22:00:00Z"))]);
    assert_eq!(inside(&site, "2026-03-04T09:30"), [(ADA, OAK)]);
}

#[test]
fn rule_2_a_contract_ends_at_the_start_or_the_end_of_its_cancellation_day() {
    let mut site = changed(&[
        ("CancellationDate", json!("2026-03-30T22:00:00Z")),
        ("CancellationDateLocal", json!("2026-03-31T00:00:00")),
    ]);
    assert_eq!(grants(&site, "2026-03-04T09:30"), ["90210 45901 03-01T23:00..03-31T22:00 contract 3"]);
    site.last_day_counts = false;
    assert_eq!(grants(&site, "2026-03-04T09:30"), ["90210 45901 03-01T23:00..03-30T22:00 contract 3"]);
}

#[test]
fn rule_2_the_wall_clocks_date_counts_where_there_is_one() {
    // UTC's midnight and a twin with a false Z: the twin's digits are the date.
    let site = changed(&[
        ("StartDate", json!("2026-03-01T00:00:00Z")),
        ("StartDateLocal", json!("2026-03-02T00:00:00Z")),
        ("CancellationDate", json!("2026-03-05T23:30:00Z")),
        ("CancellationDateLocal", json!("2026-03-05T23:30:00+00:00")),
    ]);
    assert_eq!(grants(&site, "2026-03-04T09:30"), ["90210 45901 03-01T23:00..03-05T23:00 contract 3"]);
}

#[test]
fn rule_2_a_date_without_such_a_twin_is_that_of_its_instant_on_the_sites_calendar() {
    let site = changed(&[
        ("StartDate", json!("2026-03-01T23:00:00Z")),
        ("StartDateLocal", Value::Null),
        ("CancellationDate", json!("2026-03-05T22:59:00Z")),
    ]);
    assert_eq!(grants(&site, "2026-03-04T09:30"), ["90210 45901 03-01T23:00..03-05T23:00 contract 3"]);
}

#[test]
fn rule_2_a_pause_takes_its_days_out_of_a_contract_and_the_day_of_its_end_is_open_again() {
    let own = changed(&[
        ("InPausedPeriodFrom", json!("2026-03-09T23:00:00Z")),
        ("InPausedPeriodUntil", json!("2026-03-11T23:00:00Z")),
    ]);
    let pause = json!({ "Id": 600, "CoworkerContractId": 3, "PauseFrom": "2026-03-10T00:00:00Z", "PauseFromLocal": "2026-03-10T00:00:00", "PauseUntil": "2026-03-12T00:00:00Z", "PauseUntilLocal": "2026-03-12T00:00:00" });
    let listed = Site { pauses: vec![pause.clone()], ..desk() };
    let both = Site { pauses: vec![pause], ..own.clone() };
    for site in [own, listed, both] {
        assert_eq!(
            grants(&site, "2026-03-04T09:30"),
            ["90210 45901 03-01T23:00..03-09T23:00 contract 3", "90210 45901 03-11T23:00.. contract 3"]
        );
        assert_eq!(inside(&site, "2026-03-09T22:59"), [(ADA, OAK)]);
        assert_eq!(inside(&site, "2026-03-09T23:00"), []);
        assert_eq!(inside(&site, "2026-03-11T22:59"), []);
        assert_eq!(inside(&site, "2026-03-11T23:00"), [(ADA, OAK)]);
    }
}

#[test]
fn rule_2_the_pause_of_another_contract_takes_nothing() {
    let pause = json!({ "Id": 600, "CoworkerContractId": 4, "PauseFrom": "2026-03-01T00:00:00Z", "PauseUntil": "2026-03-12T00:00:00Z" });
    assert_eq!(inside(&Site { pauses: vec![pause], ..desk() }, "2026-03-04T09:30"), [(ADA, OAK)]);
}

#[test]
fn rule_2_the_team_of_a_desk_or_plan_holds_the_same_grant_each_for_themself() {
    let mut site = desk();
    site.ties[0].team = true;
    // Sharing passes is asked of a team for passes only.
    site.teams.insert(5, team(&[ADA, BEN], false));
    assert_eq!(
        grants(&site, "2026-03-04T09:30"),
        ["90210 45901 03-01T23:00.. contract 3", "90211 45901 03-01T23:00.. contract 3"]
    );
    site.coworkers[1]["Archived"] = json!(true);
    assert_eq!(inside(&site, "2026-03-04T09:30"), [(ADA, OAK)]);
}

#[test]
fn rule_2_a_suspended_holder_has_no_grant_to_share() {
    let mut site = desk();
    site.ties[0].team = true;
    site.teams.insert(5, team(&[ADA, BEN], true));
    site.coworkers[0]["Active"] = json!(false);
    assert_eq!(inside(&site, "2026-03-04T09:30"), []);
}

#[test]
fn rule_4_days_are_those_of_the_site_west_of_greenwich_and_where_midnight_is_skipped() {
    let dates = [
        ("StartDateLocal", json!("2026-09-06T00:00:00")),
        ("CancellationDate", json!("2026-09-06T12:00:00Z")),
        ("CancellationDateLocal", json!("2026-09-06T00:00:00")),
    ];
    let site = Site { zone: "America/Santiago", ..changed(&dates) };
    // The 6th begins at 01:00 there, and has 23 hours.
    assert_eq!(grants(&site, "2026-09-06T12:00"), ["90210 45901 09-06T04:00..09-07T03:00 contract 3"]);
}
