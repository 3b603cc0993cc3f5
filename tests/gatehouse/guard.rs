//! Promise 5: no mass lock-out by mistake.

use chrono::TimeDelta;
use gatehouse::domain::guard::{Memory, Verdict, loses};
use gatehouse::domain::plan::Action;
use gatehouse::domain::*;

use crate::world::*;

const MORNING: &str = "2026-12-01T08:00:00Z";

/// So many people with a row of ours that is open, `gone` of whom have lost their booking.
fn site(people: u64, gone: u64) -> World {
    let mut world = World::new(MORNING);
    for n in 1..=people {
        let customer = world.customer(n, &format!("p{n}@example.org"));
        let user = world.user(1000 + n, &format!("p{n}@example.org"));
        world.own_row(user, GROUP, window("2026-12-01T07:45:00Z", "2026-12-01T12:15:00Z"), customer);
        if n > gone {
            world.booking(n, customer, "2026-12-01T08:00:00Z", "2026-12-01T12:00:00Z");
        }
    }
    world
}

fn judge(world: &World, memory: &mut Memory) -> Verdict {
    memory.judge(&world.known(), world.plan().changes)
}

/// Carries out what may go, as the gateway does.
fn carry_out(world: &mut World, memory: &mut Memory, verdict: &Verdict) {
    for change in &verdict.go {
        let loss = loses(&world.known(), change);
        memory.made(change, loss, world.now);
        if let Action::Removed { row, .. } = &change.action {
            world.roster.assignments.remove(row);
            world.ledger.owned.remove(row);
        }
    }
}

#[test]
fn promise_5_few_may_go_and_many_are_held_all_of_them() {
    let held = |people, gone| judge(&site(people, gone), &mut Memory::default()).held.len();
    assert_eq!(held(4, 2), 0, "two are never too many by share");
    assert_eq!(held(12, 3), 0, "a quarter is not more than a quarter");
    assert_eq!(held(11, 3), 3);
    assert_eq!(held(300, 50), 0);
    assert_eq!(held(300, 51), 51, "more than hold_after_removals");
}

#[test]
fn promise_5_everything_else_goes_on() {
    let mut world = site(11, 4);
    let eve = world.customer(99, "eve@example.org");
    world.booking(99, eve, "2026-12-01T08:00:00Z", "2026-12-01T09:00:00Z");
    let verdict = judge(&world, &mut Memory::default());
    let go: Vec<_> = verdict.go.iter().map(words).collect();
    assert_eq!(go, ["added 45901", "invited"]);
    assert_eq!(verdict.held.len(), 4);
}

#[test]
fn promise_5_a_slow_drain_over_many_passes_is_counted_over_the_hour() {
    let mut world = site(20, 0);
    let mut memory = Memory::default();
    judge(&world, &mut memory);
    let mut taken = 0;
    for minute in 1..=10 {
        world.now = at(MORNING) + TimeDelta::minutes(minute);
        world.snapshot.bookings.remove(BookingId(minute as u64));
        let verdict = judge(&world, &mut memory);
        taken += verdict.go.len();
        carry_out(&mut world, &mut memory, &verdict);
    }
    assert_eq!(taken, 5, "of 20, five are a quarter; the sixth is too many");
}

#[test]
fn promise_5_an_approval_covers_the_list_for_a_day_and_nothing_else() {
    let mut world = site(20, 10);
    let mut memory = Memory::default();
    let first = judge(&world, &mut memory);
    let plan = first.plan.expect("held");
    assert!(!memory.approve("another", world.now));
    assert!(memory.approve(&plan, world.now));
    let kept = serde_json::to_string(&memory).unwrap();
    assert_eq!(serde_json::from_str::<Memory>(&kept).unwrap(), memory, "an approval outlasts a restart");
    world.snapshot.bookings.remove(BookingId(11));
    world.snapshot.bookings.remove(BookingId(12));
    world.snapshot.bookings.remove(BookingId(13));
    world.snapshot.bookings.remove(BookingId(14));
    world.snapshot.bookings.remove(BookingId(15));
    world.snapshot.bookings.remove(BookingId(16));
    let second = judge(&world, &mut memory);
    assert_eq!((second.go.len(), second.held.len()), (10, 6), "only what was listed is released");
    world.now += TimeDelta::hours(24);
    let later = judge(&world, &mut memory);
    assert!(later.go.iter().all(|change| loses_nothing(&world, change)), "the approval has run out");
}

fn loses_nothing(world: &World, change: &gatehouse::domain::plan::Change) -> bool {
    !loses(&world.known(), change)
}

#[test]
fn promise_5_what_is_held_stays_held_until_it_is_no_longer_wanted() {
    let mut world = site(11, 4);
    let mut memory = Memory::default();
    let first = judge(&world, &mut memory);
    assert_eq!(first.held.len(), 4);
    let restored: Memory = serde_json::from_str(&serde_json::to_string(&memory).expect("json")).expect("the same");
    assert_eq!(restored, memory, "it survives a restart");
    world.booking(1, CustomerId(1), "2026-12-01T08:00:00Z", "2026-12-01T12:00:00Z");
    world.booking(2, CustomerId(2), "2026-12-01T08:00:00Z", "2026-12-01T12:00:00Z");
    let second = judge(&world, &mut memory);
    assert_eq!(second.held.len(), 2, "two alone would pass, but they were held");
    world.booking(3, CustomerId(3), "2026-12-01T08:00:00Z", "2026-12-01T12:00:00Z");
    world.booking(4, CustomerId(4), "2026-12-01T08:00:00Z", "2026-12-01T12:00:00Z");
    let third = judge(&world, &mut memory);
    assert_eq!((third.held.len(), third.plan), (0, None));
}

#[test]
fn promise_5_an_end_by_the_clock_does_not_count() {
    let mut world = site(20, 0);
    world.now = at("2026-12-01T12:15:00Z");
    let verdict = judge(&world, &mut Memory::default());
    assert_eq!((verdict.go.len(), verdict.held.len()), (20, 0));
}

#[test]
fn promise_5_a_bulk_edit_of_dates_into_the_past_or_to_the_next_seconds_is_held() {
    for to in ["2026-12-01T07:30:00Z", "2026-12-01T07:45:20Z"] {
        let mut world = site(20, 0);
        for n in 1..=20 {
            world.booking(n, CustomerId(n), "2026-12-01T07:00:00Z", to);
        }
        let verdict = judge(&world, &mut Memory::default());
        assert_eq!((verdict.go.len(), verdict.held.len()), (0, 20), "to {to}");
    }
    let mut world = site(20, 0);
    for n in 1..=20 {
        world.booking(n, CustomerId(n), "2026-12-01T08:00:00Z", "2026-12-01T11:00:00Z");
    }
    assert_eq!(judge(&world, &mut Memory::default()).held.len(), 0, "an hour less is an end known in time");
}

#[test]
fn promise_5_a_changed_email_is_no_loss() {
    let mut world = site(4, 0);
    for n in 1..=4 {
        world.account(UserId(1000 + n), CustomerId(n), &format!("p{n}@example.org"), true);
        world.customer(n, &format!("q{n}@example.org"));
        let user = world.user(2000 + n, &format!("q{n}@example.org"));
        world.own_row(user, GROUP, window("2026-12-01T07:45:00Z", "2026-12-01T12:15:00Z"), CustomerId(n));
    }
    let verdict = judge(&world, &mut Memory::default());
    assert_eq!((verdict.go.len(), verdict.held.len()), (4, 0));
}
