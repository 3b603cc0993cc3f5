//! The checker's own reading of the rules, against windows written out by hand.

use chrono::TimeDelta;
use serde_json::json;

use crate::demo::Moment;
use crate::demo::checker::oracle::{Notice, changes, entitled, notice};
use crate::demo::checker::time::{EVER, Ms, NEVER, Wall, instant, ms};
use crate::demo::settings::{Item, Link, Settings};
use crate::demo::site;
use crate::twin::nexudus::switches::Snapshot;
use crate::twin::nexudus::{Entity, NexudusTwin, Site};

const LOCATION: i64 = 1;
const ROOM: i64 = 10;
const ADA: i64 = 100;
const BO: i64 = 101;

fn utc(text: &str) -> Moment {
    format!("2027-10-28T{text}Z").parse().unwrap()
}

fn wall() -> Wall {
    Wall(jiff::tz::TimeZone::get("Europe/London").unwrap())
}

fn settings() -> Settings {
    let links = vec![
        Link::new(Item::Resource(ROOM), 1),
        Link::new(Item::Pass(30), 2),
        Link { share_with_team: true, ..Link::new(Item::Pass(31), 3) },
        Link::new(Item::Desk(50), 4),
        Link { share_with_team: true, ..Link::new(Item::Plan(12), 5) },
    ];
    Settings { links, ..site::settings() }
}

fn twin() -> NexudusTwin {
    let mut twin = NexudusTwin::new("g@example.org", "p");
    let site = twin.at(utc("06:00:00"));
    site.add_location(LOCATION, "Here", "Europe/London").unwrap();
    site.add_resource(ROOM, LOCATION, "Room").unwrap();
    site.add_customer(ADA, "Ada", Some(" Ada@Example.org")).unwrap();
    site.add_customer(BO, "Bo", Some("bo@example.org")).unwrap();
    site.add_pass_kind(30, LOCATION, "Day", None).unwrap();
    site.add_pass_kind(31, LOCATION, "Hours", Some(60)).unwrap();
    site.add_plan(12, LOCATION, "Plan").unwrap();
    site.add_desk(50, LOCATION, "Desk").unwrap();
    twin
}

/// What somebody may use after a change.
fn windows(change: impl FnOnce(&mut Site), email: &str, group: u64) -> Vec<(Ms, Ms)> {
    let mut twin = twin();
    let at = utc("08:00:00");
    change(twin.at(at));
    let all = entitled(twin.history(), at, &settings(), &wall());
    all.get(&(email.to_owned(), group)).map(|windows| windows.iter().collect()).unwrap_or_default()
}

fn span(from: &str, until: &str) -> (Ms, Ms) {
    (ms(utc(from)), ms(utc(until)))
}

#[test]
fn rule_2_bookings_open_a_quarter_of_an_hour_on_either_side_and_those_that_touch_are_one() {
    let booked = |site: &mut Site| {
        for (from, to) in [("10:00:00", "11:00:00"), ("11:30:00", "12:00:00"), ("13:00:00", "14:00:00")] {
            site.book(Some(ADA), ROOM, utc(from), utc(to)).unwrap();
        }
    };
    let expected = [span("09:45:00", "12:15:00"), span("12:45:00", "14:15:00")];
    assert_eq!(windows(booked, "ada@example.org", 1), expected);
    let tentative = |site: &mut Site| {
        let id = site.book(Some(ADA), ROOM, utc("10:00:00"), utc("11:00:00")).unwrap();
        site.set(Entity::Booking, id, json!({"Tentative": true})).unwrap();
    };
    assert!(windows(tentative, "ada@example.org", 1).is_empty());
}

#[test]
fn rule_2_whoever_is_suspended_archived_or_never_to_be_touched_has_nothing() {
    for field in [json!({"Active": false}), json!({"Archived": true}), json!({"Email": "ada@staff.example"})] {
        let email = field["Email"].as_str().unwrap_or("ada@example.org").to_owned();
        let change = |site: &mut Site| {
            site.book(Some(ADA), ROOM, utc("10:00:00"), utc("11:00:00")).unwrap();
            site.set(Entity::Coworker, ADA, field).unwrap();
        };
        assert!(windows(change, &email, 1).is_empty());
    }
}

#[test]
fn rule_2_passes_end_with_their_expiry_their_day_or_their_minutes() {
    let pass = |kind: i64, fields: serde_json::Value| {
        move |site: &mut Site| {
            let id = site.give_pass(ADA, kind, None).unwrap();
            site.set(Entity::CoworkerTimePass, id, fields).unwrap();
        }
    };
    let ada = "ada@example.org";
    let day_end = instant("2027-10-28T23:00:00Z").unwrap();
    assert_eq!(windows(pass(30, json!({})), ada, 2), [(EVER, NEVER)]);
    let used = json!({"Used": true, "UsedDate": "2027-10-28T07:00:00Z"});
    assert_eq!(windows(pass(30, used.clone()), ada, 2), [(EVER, day_end)]);
    let both = json!({"Used": true, "UsedDate": "2027-10-28T07:00:00Z", "ExpireDate": "2027-10-28T12:00:00Z"});
    assert_eq!(windows(pass(30, both), ada, 2), [(EVER, ms(utc("12:00:00")))]);
    assert_eq!(windows(pass(31, json!({"RemainingUses": 1, "Used": true})), ada, 3), [(EVER, NEVER)]);
    assert!(windows(pass(31, json!({"RemainingUses": 0})), ada, 3).is_empty());
    let slots = |site: &mut Site| {
        site.give_pass(ADA, 30, None).unwrap();
        let slot = json!({"TimePassId": 30, "DayOfWeek": 1});
        site.upsert(Entity::TimePassTimeSlot, None, slot).unwrap();
    };
    assert!(windows(slots, ada, 2).is_empty());
}

#[test]
fn rule_2_contracts_last_whole_days_of_the_sites_calendar_less_their_pause() {
    let day = |text: &str| text.parse().unwrap();
    let midnight = |text: &str| instant(text).unwrap();
    let ended = |site: &mut Site| {
        let id = site.sign_contract(ADA, 12, day("2027-10-01"), &[50]).unwrap();
        site.switch(|switches| switches.active_until = crate::twin::nexudus::switches::ActiveUntil::Ever);
        site.give_notice(id, day("2027-10-28")).unwrap();
    };
    let expected = [(midnight("2027-09-30T23:00:00Z"), midnight("2027-10-28T23:00:00Z"))];
    assert_eq!(windows(ended, "ada@example.org", 4), expected);
    assert_eq!(windows(ended, "ada@example.org", 5), expected);
    let paused = |site: &mut Site| {
        let id = site.sign_contract(ADA, 12, day("2027-10-01"), &[50]).unwrap();
        site.pause_contract(id, day("2027-10-20"), day("2027-11-03")).unwrap();
    };
    let expected = [
        (midnight("2027-09-30T23:00:00Z"), midnight("2027-10-19T23:00:00Z")),
        // The clocks have changed meanwhile.
        (midnight("2027-11-03T00:00:00Z"), NEVER),
    ];
    assert_eq!(windows(paused, "ada@example.org", 4), expected);
}

#[test]
fn rule_2_a_team_shares_what_the_link_shares_and_passes_only_where_the_team_does() {
    let signed = |shares: bool| {
        move |site: &mut Site| {
            site.add_team(7, "Team", &[ADA, BO], shares).unwrap();
            site.give_pass(ADA, 30, None).unwrap();
            site.give_pass(ADA, 31, None).unwrap();
            site.sign_contract(ADA, 12, "2027-10-01".parse().unwrap(), &[50]).unwrap();
        }
    };
    let has = |shares: bool, group: u64| !windows(signed(shares), "bo@example.org", group).is_empty();
    assert_eq!([2, 3, 4, 5].map(|group| has(true, group)), [false, true, false, true]);
    assert_eq!([2, 3, 4, 5].map(|group| has(false, group)), [false, false, false, true]);
}

/// What promise 2 asks for depends on how Nexudus shows a change.
#[test]
fn promise_2_a_change_is_as_urgent_as_nexudus_makes_it_known() {
    let mut twin = twin();
    twin.switch(|switches| {
        switches.snapshot = Snapshot::Late(45);
        switches.snapshot_of_deleted = Snapshot::Never;
    });
    let site = twin.at(utc("07:00:00"));
    let (first, second) = (
        site.book(Some(ADA), ROOM, utc("10:00:00"), utc("11:00:00")).unwrap(),
        site.book(Some(BO), ROOM, utc("12:00:00"), utc("13:00:00")).unwrap(),
    );
    let pass = site.give_pass(ADA, 30, None).unwrap();
    let mut at = utc("08:00:00");
    let mut told = |change: &dyn Fn(&mut Site)| {
        at += TimeDelta::minutes(1);
        change(twin.at(at));
        assert!(changes(twin.history(), at, at + TimeDelta::milliseconds(1)).contains(&at));
        (at, notice(twin.history(), at, &settings()))
    };
    let later = utc("14:00:00");
    assert_eq!(told(&|site| site.move_booking(first, utc("13:00:00"), later).unwrap()).1, Notice::Marked);
    let end = json!({"ExpireDate": "2027-10-30T12:00:00Z"});
    assert_eq!(told(&|site| site.set(Entity::CoworkerTimePass, pass, end.clone()).unwrap()).1, Notice::Slower);
    let used = json!({"Used": true, "UsedDate": "2027-10-28T07:00:00Z"});
    assert_eq!(told(&|site| site.slip(Entity::CoworkerTimePass, pass, used.clone()).unwrap()).1, Notice::Silent);
    let (when, shown) = told(&|site| site.cancel_booking(first).unwrap());
    assert_eq!(shown, Notice::Gone { shown: ms(when) + 45_000, listed: ms(when) });
    // Nothing is left in the list, and rules 6 believe no empty one.
    let (_, last) = told(&|site| site.delete(Entity::Booking, second).unwrap());
    assert_eq!(last, Notice::Gone { shown: NEVER, listed: NEVER });
}
