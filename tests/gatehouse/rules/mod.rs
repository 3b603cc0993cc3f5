//! The rules, a sentence at a time: small sites written out by hand, and what must follow.
//!
//! Each test is named after the rule it keeps. Where a site is judged, the oracle must come to the same people.

mod absence;
mod assignments;
mod bookings;
mod contracts;
mod passes;
mod persons;
mod words;

use std::collections::BTreeSet;

use gatehouse::domain::Timestamp;
use gatehouse::domain::entitle::{Entitled, entitle};
use serde_json::{Value, json};

use crate::oracle::calendar::{self, Table};
use crate::oracle::sites::{booking_row, empty};
use crate::oracle::{Site, reading, who_is_in};

/// A customer.
const ADA: u64 = 90_210;
/// Another.
const BEN: u64 = 90_211;
/// A group.
const OAK: u64 = 45_901;
/// Another.
const ELM: u64 = 45_902;

/// A site in Berlin with two customers, and nothing that lets them in.
fn site() -> Site {
    let coworkers = vec![customer(ADA, "ada@example.org"), customer(BEN, "ben@example.org")];
    Site { coworkers, ..empty("Europe/Berlin") }
}

fn customer(id: u64, email: &str) -> Value {
    json!({ "Id": id, "FullName": "Ada Jones", "Email": email, "Active": true, "Archived": false })
}

/// A booking, with its times in UTC as `2026-03-04T11:00`.
fn booking(id: u64, resource: u64, customer: u64, from: &str, to: &str) -> Value {
    let zone = Table::named("Europe/Berlin");
    booking_row(zone, id, resource, Some(customer), minute(from), minute(to), false, 0)
}

fn pass(id: u64, kind: u64, customer: u64) -> Value {
    json!({
        "Id": id, "CoworkerId": customer, "TimePassId": kind, "Used": false, "UsedDate": null, "RemainingUses": null,
        "ExpireDate": null, "BusinessId": 4711,
    })
}

fn day_pass(id: u64) -> Value {
    json!({ "Id": id, "Name": "Day pass", "MinutesIncluded": null })
}

fn time_pass(id: u64) -> Value {
    json!({ "Id": id, "Name": "Ten hours", "MinutesIncluded": 600 })
}

/// A contract on desk 801 and plan 12 from 2 March 2026 on.
fn contract(id: u64, customer: u64) -> Value {
    json!({
        "Id": id, "IssuedById": 4711, "CoworkerId": customer, "TariffId": 12, "FloorPlanDeskIds": "801", "Active": true,
        "Cancelled": false, "StartDate": "2026-03-01T23:00:00Z", "StartDateLocal": "2026-03-02T00:00:00",
        "CancellationDate": null, "InPausedPeriod": false, "InPausedPeriodFrom": null, "InPausedPeriodUntil": null,
    })
}

fn team(members: &[u64], share_passes: bool) -> Value {
    json!({ "Id": 5, "Name": "Acme", "ShareTimePasses": share_passes, "TeamMembers": members })
}

fn minute(text: &str) -> calendar::Minute {
    calendar::read(text).instant
}

fn at(text: &str) -> Timestamp {
    reading::moment(minute(text))
}

fn judged(site: &Site, now: &str) -> Entitled {
    entitle(&reading::snapshot(site), &reading::rules(site), at(now))
}

/// Who is in at that moment, as (customer, group): by the program, which must agree with the oracle.
fn inside(site: &Site, now: &str) -> Vec<(u64, u64)> {
    let grants = judged(site, now).grants;
    let open = grants.iter().filter(|grant| grant.window.contains(at(now)));
    let inside: BTreeSet<(u64, u64)> = open.map(|grant| (grant.customer.0, grant.group.0)).collect();
    assert_eq!(inside, who_is_in(site, minute(now)), "the program (left) and the oracle (right) at {now}");
    inside.into_iter().collect()
}

/// Every grant as a line, `customer group from..until reason`, in order; an open side is empty.
fn grants(site: &Site, now: &str) -> Vec<String> {
    inside(site, now);
    let side = |at: Option<Timestamp>| at.map(|at| at.format("%m-%dT%H:%M").to_string()).unwrap_or_default();
    let line = |grant: &gatehouse::domain::Grant| {
        let (from, until) = (side(grant.window.from()), side(grant.window.until()));
        format!("{} {} {from}..{until} {}", grant.customer, grant.group, grant.reason)
    };
    let lines: BTreeSet<String> = judged(site, now).grants.iter().map(line).collect();
    lines.into_iter().collect()
}
