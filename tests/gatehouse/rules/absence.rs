//! Rules 6: what counts as gone, of every kind of record; and what a lost cache does not take.

use std::fmt::Debug;

use chrono::TimeDelta;
use gatehouse::domain::guard::Memory;
use gatehouse::domain::snapshot::{Aside, Contract, Customer, Listing, Pass, PassKind, Record, Shelf, Team};
use gatehouse::domain::*;

use crate::world::{GROUP, World, at, window};

fn listing<T>(rows: Vec<T>, second: i64) -> Listing<T> {
    let began = at("2026-12-01T08:00:00Z") + TimeDelta::seconds(second);
    Listing { rows, aside: vec![], whole: Some(Window::ALWAYS), began }
}

/// Two records, of which the first goes.
fn goes<T: Record<Id: Debug> + Clone>(first: T, second: T) {
    let ids = |shelf: &Shelf<T>| shelf.iter().map(|row| format!("{:?}", row.id())).collect::<Vec<_>>();
    let both = [format!("{:?}", first.id()), format!("{:?}", second.id())];
    let mut shelf = Shelf::default();
    shelf.absorb(listing(vec![first.clone(), second.clone()], 0));
    for second in [1, 2, 3] {
        let said = shelf.absorb(listing(vec![], second));
        assert!(said.refused.is_some() && ids(&shelf) == both, "empty for the {second}. time in a row");
    }
    let part = Listing { whole: None, ..listing(vec![second.clone()], 4) };
    shelf.absorb(part.clone());
    shelf.absorb(Listing { began: part.began + TimeDelta::seconds(1), ..part });
    assert_eq!(ids(&shelf), both, "an incomplete reading removes nothing");
    let unreadable = Aside { id: None, why: "no id".to_owned() };
    let torn = Listing { aside: vec![unreadable], ..listing(vec![second.clone()], 6) };
    shelf.absorb(torn.clone());
    shelf.absorb(Listing { began: torn.began + TimeDelta::seconds(1), ..torn });
    assert_eq!(ids(&shelf), both, "one of the rows may have been it");
    shelf.absorb(listing(vec![second.clone()], 8));
    assert_eq!(ids(&shelf), both, "one complete reading is not enough");
    shelf.absorb(listing(vec![second.clone()], 8));
    assert_eq!(ids(&shelf), both, "nor is one that began no later");
    shelf.absorb(listing(vec![first.clone(), second.clone()], 9));
    shelf.absorb(listing(vec![second.clone()], 10));
    assert_eq!(ids(&shelf), both, "seen between, it is missed anew");
    let said = shelf.absorb(listing(vec![second], 11));
    assert!(said.matters && ids(&shelf) == both[1..], "a second, later one agrees");
    // An incomplete reading may add.
    let part = Listing { whole: None, ..listing(vec![first], 12) };
    assert!(shelf.absorb(part).matters);
    assert_eq!(ids(&shelf), both);
}

#[test]
fn rule_6_an_absence_of_any_kind_takes_two_complete_readings_and_an_empty_list_is_none() {
    let customer =
        |id| Customer { id: CustomerId(id), name: String::new(), email: None, active: true, archived: false };
    goes(customer(1), customer(2));
    let pass = |id| Pass {
        id: PassId(id),
        customer: CustomerId(1),
        kind: PassKindId(1),
        used: false,
        used_on: None,
        remaining: None,
        expires: None,
    };
    goes(pass(1), pass(2));
    let kind = |id| PassKind { id: PassKindId(id), name: String::new(), minutes: None, slots: false };
    goes(kind(1), kind(2));
    let contract = |id| Contract {
        id: ContractId(id),
        customer: CustomerId(1),
        plan: None,
        desks: vec![],
        active: true,
        start_day: None,
        cancellation_day: None,
        pause: None,
        runs: true,
    };
    goes(contract(1), contract(2));
    let team = |id| Team { id: TeamId(id), name: String::new(), share_passes: false, members: [CustomerId(1)].into() };
    goes(team(1), team(2));
}

/// The cache is lost and what comes back is short: our rows in Kisi are the baseline, and the guard counts over them.
#[test]
fn rule_6_with_the_cache_lost_the_guard_counts_over_the_rows_in_kisi() {
    let mut world = World::new("2026-12-01T08:00:00Z");
    let open = window("2026-12-01T07:45:00Z", "2026-12-01T12:15:00Z");
    for n in 1..=20 {
        let customer = world.customer(n, &format!("p{n}@example.org"));
        let user = world.user(1000 + n, &format!("p{n}@example.org"));
        world.own_row(user, GROUP, open, customer);
    }
    world.snapshot.bookings = Default::default();
    for n in 1..=10 {
        world.booking(n, CustomerId(n), "2026-12-01T08:00:00Z", "2026-12-01T12:00:00Z");
    }
    let mut memory = Memory::default();
    for second in [0, 60] {
        world.now = at("2026-12-01T08:00:00Z") + TimeDelta::seconds(second);
        world.read_all(world.now);
        let verdict = memory.judge(&world.known(), world.plan().changes);
        assert_eq!(verdict.go, []);
        assert_eq!((verdict.of, verdict.held.len()), (20, if second == 0 { 0 } else { 10 }));
    }
}

#[test]
fn rule_6_every_booking_that_gives_access_within_the_horizon_is_read() {
    let mut rules = crate::world::rules();
    let early = Link { before: std::time::Duration::from_secs(2 * 3600), ..rules.links[0].clone() };
    let late = Link { after: std::time::Duration::from_secs(3 * 3600), ..rules.links[0].clone() };
    rules.links.extend([early, late]);
    let reach = rules.reach(at("2026-12-01T08:00:00Z"));
    assert_eq!(reach, Some(window("2026-12-01T04:00:00Z", "2026-12-15T10:00:00Z")));
}
