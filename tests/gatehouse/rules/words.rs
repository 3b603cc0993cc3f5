//! Rules 1, and the rule of rules 2 that is about customers: persons, links, grants.

use serde_json::{Value, json};

use super::*;
use crate::oracle::sites::plain;
use crate::oracle::{Tie, What};

/// A day pass and a desk for Ada, a booking for Ben, all linked to groups of their own.
fn busy() -> Site {
    Site {
        ties: vec![plain(What::Pass, 31, OAK), plain(What::Desk, 801, ELM), plain(What::Resource, 555, 45_903)],
        kinds: vec![day_pass(31)],
        passes: vec![pass(7, 31, ADA)],
        contracts: vec![contract(3, ADA)],
        bookings: vec![booking(1, 555, BEN, "2026-03-04T09:00", "2026-03-04T10:00")],
        ..site()
    }
}

const NOW: &str = "2026-03-04T09:30";
const BENS: (u64, u64) = (BEN, 45_903);

#[test]
fn rule_2_a_suspended_or_archived_customer_has_no_grants() {
    for (field, value) in [("Active", false), ("Archived", true)] {
        let mut site = busy();
        assert_eq!(inside(&site, NOW), [(ADA, OAK), (ADA, ELM), BENS]);
        site.coworkers[0][field] = json!(value);
        assert_eq!(grants(&site, NOW).len(), 1, "only Ben's");
        assert_eq!(inside(&site, NOW), [BENS]);
    }
}

#[test]
fn rule_2_a_person_that_never_touch_covers_has_no_grants_in_any_spelling() {
    let mut site = busy();
    site.coworkers[0]["Email"] = json!(" Ada@STAFF.example ");
    site.never_touch = vec!["*@staff.example"];
    assert_eq!(grants(&site, NOW).len(), 1, "only Ben's");
    assert_eq!(inside(&site, NOW), [BENS]);
    site.never_touch = vec!["*@staff.example.org"];
    assert_eq!(inside(&site, NOW), [(ADA, OAK), (ADA, ELM), BENS]);
}

#[test]
fn rule_1_a_customer_with_no_email_is_reported_and_nothing_else_stops() {
    for email in [Value::Null, json!(""), json!("   ")] {
        let mut site = busy();
        site.coworkers[0]["Email"] = email;
        assert_eq!(inside(&site, NOW), [BENS]);
        assert!(!judged(&site, NOW).notes.is_empty(), "said, so that alert/links can show it");
    }
}

#[test]
fn rule_1_an_archived_duplicate_takes_nothing_from_the_active_one() {
    let mut site = busy();
    let mut duplicate = customer(90_299, "ADA@example.org ");
    duplicate["Archived"] = json!(true);
    site.coworkers.push(duplicate);
    site.passes.push(pass(8, 31, 90_299));
    assert_eq!(inside(&site, NOW), [(ADA, OAK), (ADA, ELM), BENS]);
}

#[test]
fn rule_1_what_has_no_link_plays_no_part() {
    let site = Site { ties: Vec::new(), ..busy() };
    assert_eq!(grants(&site, NOW), [""; 0]);
    // The same number as the item of another kind is another thing.
    let site = Site {
        ties: vec![plain(What::Plan, 31, OAK), plain(What::Resource, 801, OAK), plain(What::Pass, 555, OAK)],
        ..busy()
    };
    assert_eq!(grants(&site, NOW), [""; 0]);
}

#[test]
fn rule_1_one_item_may_have_several_links_and_several_items_one_group() {
    let ties = vec![plain(What::Pass, 31, OAK), plain(What::Pass, 31, ELM), plain(What::Desk, 801, OAK)];
    assert_eq!(
        grants(&Site { ties, ..busy() }, NOW),
        ["90210 45901 .. pass 7", "90210 45901 03-01T23:00.. contract 3", "90210 45902 .. pass 7"]
    );
}

#[test]
fn rule_1_a_pass_or_contract_sold_at_another_location_counts_if_its_item_is_linked() {
    let mut site = busy();
    site.passes[0]["BusinessId"] = json!(4799);
    site.contracts[0]["IssuedById"] = json!(4799);
    assert_eq!(inside(&site, NOW), [(ADA, OAK), (ADA, ELM), BENS]);
}

#[test]
fn rule_1_windows_are_half_open() {
    let tie = Tie { before: 0, after: 0, ..plain(What::Resource, 555, OAK) };
    let site = Site { ties: vec![tie], ..busy() };
    assert_eq!(inside(&site, "2026-03-04T08:59"), []);
    assert_eq!(inside(&site, "2026-03-04T09:00"), [(BEN, OAK)]);
    assert_eq!(inside(&site, "2026-03-04T09:59"), [(BEN, OAK)]);
    assert_eq!(inside(&site, "2026-03-04T10:00"), []);
}
