//! The plan: wanted against held (rules 3 to 6).

use chrono::TimeDelta;
use gatehouse::domain::plan::{Action, Drift, Urgency};
use gatehouse::domain::snapshot::{Customer, Listing};
use gatehouse::domain::*;

use crate::world::*;

const MORNING: &str = "2026-12-01T08:00:00Z";

#[test]
fn rule_3_a_user_is_made_when_the_grant_is_first_seen_and_the_window_written_when_it_is_due() {
    let mut world = World::new(MORNING);
    let ada = world.customer(90210, "ada@example.org");
    world.booking(1, ada, "2026-12-05T09:00:00Z", "2026-12-05T10:00:00Z");
    assert_eq!(world.words(), ["invited"]);
    world.user(771, "ADA@example.org");
    assert!(world.words().is_empty(), "not due before prestage");
    let plan = world.plan();
    assert_eq!(plan.next_at, Some(at("2026-12-04T08:45:00Z")));
    world.now = at("2026-12-04T08:45:00Z");
    assert_eq!(world.words(), ["added 45901 771"]);
    assert_eq!(world.plan().changes[0].window(), Some(window("2026-12-05T08:45:00Z", "2026-12-05T10:15:00Z")));
}

#[test]
fn rule_3_a_row_is_moved_to_the_next_window_when_its_own_has_ended() {
    let mut world = World::new("2026-12-01T12:15:00Z");
    let ada = world.customer(90210, "ada@example.org");
    let user = world.user(771, "ada@example.org");
    world.own_row(user, GROUP, window("2026-12-01T08:45:00Z", "2026-12-01T12:15:00Z"), ada);
    world.booking(2, ada, "2026-12-01T15:00:00Z", "2026-12-01T16:00:00Z");
    assert_eq!(world.words(), ["moved 45901 771"]);
    world.now = at("2026-12-01T12:14:59Z");
    world.booking(1, ada, "2026-12-01T09:00:00Z", "2026-12-01T12:00:00Z");
    assert!(world.words().is_empty(), "a window in force stays until it ends");
    assert_eq!(world.plan().next_at, Some(at("2026-12-01T12:15:00Z")));
}

#[test]
fn rule_3_no_write_for_a_difference_that_changes_nobodys_access_from_now_on() {
    let mut world = World::new("2026-12-01T09:30:00Z");
    let ada = world.customer(90210, "ada@example.org");
    let user = world.user(771, "ada@example.org");
    world.booking(1, ada, "2026-12-01T09:00:00Z", "2026-12-01T12:00:00Z");
    world.own_row(user, GROUP, window("2026-12-01T09:10:00Z", "2026-12-01T12:15:00Z"), ada);
    assert!(world.words().is_empty());
}

#[test]
fn rule_3_the_next_window_goes_to_the_alternate_and_stays_there() {
    let mut world = World::new("2026-12-01T09:00:00Z");
    world.rules.links[0].alternate = Some(SECOND);
    let ada = world.customer(90210, "ada@example.org");
    let user = world.user(771, "ada@example.org");
    world.booking(1, ada, "2026-12-01T09:00:00Z", "2026-12-01T10:00:00Z");
    world.booking(2, ada, "2026-12-01T12:00:00Z", "2026-12-01T13:00:00Z");
    assert_eq!(world.words(), ["added 45901 771", "added 45911 771"]);
    let first = world.own_row(user, GROUP, window("2026-12-01T08:45:00Z", "2026-12-01T10:15:00Z"), ada);
    world.own_row(user, SECOND, window("2026-12-01T11:45:00Z", "2026-12-01T13:15:00Z"), ada);
    assert!(world.words().is_empty());
    world.now = at("2026-12-01T10:15:00Z");
    assert_eq!(world.words(), ["removed 45901 771"]);
    world.roster.assignments.remove(&first);
    world.ledger.owned.remove(&first);
    assert!(world.words().is_empty(), "the second stays where it was written");
}

#[test]
fn rule_6_most_urgent_first_closing_then_opening_then_what_begins_next() {
    let mut world = World::new("2026-12-01T09:00:00Z");
    let people: Vec<_> = (1..=4).map(|n| world.customer(n, &format!("p{n}@example.org"))).collect();
    let users: Vec<_> = (1..=4).map(|n| world.user(770 + n, &format!("p{n}@example.org"))).collect();
    world.own_row(users[0], GROUP, window("2026-12-01T08:00:00Z", "2026-12-01T20:00:00Z"), people[0]);
    world.booking(2, people[1], "2026-12-01T09:00:00Z", "2026-12-01T10:00:00Z");
    world.booking(3, people[2], "2026-12-01T14:00:00Z", "2026-12-01T15:00:00Z");
    world.booking(4, people[3], "2026-12-01T12:00:00Z", "2026-12-01T13:00:00Z");
    assert_eq!(world.words(), ["removed 45901 771", "added 45901 772", "added 45901 774", "added 45901 773"]);
    let urgencies: Vec<_> = world.plan().changes.iter().map(|change| change.urgency).collect();
    assert_eq!(urgencies, [Urgency::Close, Urgency::Open, Urgency::Later, Urgency::Later]);
}

#[test]
fn promise_3_a_row_of_another_hand_is_reported_and_left_alone_even_in_the_way() {
    let mut world = World::new(MORNING);
    let ada = world.customer(90210, "ada@example.org");
    let user = world.user(771, "ada@example.org");
    let row = world.foreign_row(user, GROUP, Window::ALWAYS);
    world.booking(1, ada, "2026-12-01T09:00:00Z", "2026-12-01T10:00:00Z");
    let plan = world.plan();
    assert!(plan.changes.is_empty());
    let created_by = Some(UserId(1));
    assert_eq!(plan.drift, [Drift::ForeignRow { row, user, group: GROUP, created_by, in_the_way: true }]);
}

#[test]
fn promise_3_a_row_of_the_ledger_that_somebody_else_made_is_not_ours() {
    let mut world = World::new(MORNING);
    let ada = world.customer(90210, "ada@example.org");
    let user = world.user(771, "ada@example.org");
    let bob = world.customer(90211, "bob@example.org");
    world.user(772, "bob@example.org");
    world.booking(2, bob, "2026-12-09T09:00:00Z", "2026-12-09T10:00:00Z");
    let row = world.own_row(user, GROUP, Window::ALWAYS, ada);
    assert_eq!(world.words(), ["removed 45901 771"]);
    world.roster.assignments.get_mut(&row).expect("the row").created_by = Some(UserId(1));
    let plan = world.plan();
    assert!(plan.changes.is_empty());
    assert!(matches!(plan.drift[..], [Drift::OtherMaker { .. }]));
}

#[test]
fn rule_5_rows_of_our_key_that_the_ledger_lost_are_candidates_unless_the_key_is_ours_alone() {
    let mut world = World::new(MORNING);
    let ada = world.customer(90210, "ada@example.org");
    let user = world.user(771, "ada@example.org");
    let row = world.own_row(user, GROUP, Window::ALWAYS, ada);
    world.ledger.owned.clear();
    assert_eq!(world.plan().drift, [Drift::Candidate { row, user, group: GROUP }]);
    assert!(world.words().is_empty());
    world.rules.key_is_ours_alone = true;
    assert!(matches!(world.plan().changes[..], [ref change] if matches!(change.action, Action::Adopted { .. })));
}

#[test]
fn rule_6_one_absence_is_not_believed_and_an_empty_list_never() {
    let mut world = World::new(MORNING);
    let ada = world.customer(90210, "ada@example.org");
    let user = world.user(771, "ada@example.org");
    let bob = world.customer(90211, "bob@example.org");
    world.booking(1, ada, "2026-12-01T09:00:00Z", "2026-12-01T10:00:00Z");
    world.booking(2, bob, "2026-12-01T09:00:00Z", "2026-12-01T10:00:00Z");
    world.user(772, "bob@example.org");
    world.own_row(user, GROUP, window("2026-12-01T08:45:00Z", "2026-12-01T10:15:00Z"), ada);
    let listing = |world: &World, ids: &[u64], seconds: i64| {
        let rows = world.snapshot.bookings.iter().filter(|row| ids.contains(&row.id.0)).cloned().collect();
        let began = world.now + TimeDelta::seconds(seconds);
        Listing { rows, aside: vec![], whole: Some(Window::ALWAYS), began }
    };
    let removals = |world: &World| world.words().iter().filter(|word| word.starts_with("removed")).count();
    for second in [1, 2, 3] {
        let empty = listing(&world, &[], second);
        world.snapshot.bookings.absorb(empty);
        assert_eq!(removals(&world), 0);
    }
    let without_ada = listing(&world, &[2], 4);
    world.snapshot.bookings.absorb(without_ada.clone());
    assert_eq!(removals(&world), 0, "one complete reading is not enough");
    world.snapshot.bookings.absorb(without_ada.clone());
    assert_eq!(removals(&world), 0, "the same reading told twice is one");
    world.snapshot.bookings.absorb(Listing { began: world.now + TimeDelta::seconds(5), ..without_ada });
    assert_eq!(removals(&world), 1, "a second, later one agrees");
}

#[test]
fn rule_6_with_the_cache_lost_the_first_removal_needs_two_readings_a_refresh_apart() {
    let mut world = World::new(MORNING);
    world.snapshot = Default::default();
    let ada = world.customer(90210, "ada@example.org");
    let bob = world.customer(90211, "bob@example.org");
    world.booking(2, bob, "2026-12-01T09:00:00Z", "2026-12-01T10:00:00Z");
    let user = world.user(771, "ada@example.org");
    world.own_row(user, GROUP, window("2026-12-01T07:00:00Z", "2026-12-01T10:15:00Z"), ada);
    for (second, removed) in [(0, false), (30, false), (60, true)] {
        world.read_all(world.now + TimeDelta::seconds(second));
        assert_eq!(world.words().contains(&"removed 45901 771".to_owned()), removed, "after {second} s");
        assert!(world.plan().waiting.is_some() != removed);
    }
}

/// Else the first cancellations after an installation would wait for a whole `refresh` (promise 2).
#[test]
fn rule_6_a_row_written_since_the_lists_were_read_is_none_of_the_baseline() {
    let mut world = World::new(MORNING);
    world.snapshot = Default::default();
    let ada = world.customer(90210, "ada@example.org");
    world.read_all(world.now);
    let user = world.user(771, "ada@example.org");
    let row = world.own_row(user, GROUP, window("2026-12-01T07:00:00Z", "2026-12-01T10:15:00Z"), ada);
    assert!(!world.words().contains(&"removed 45901 771".to_owned()), "a row of before is");
    world.ledger.owned.get_mut(&row).unwrap().written_at = world.now;
    assert!(world.words().contains(&"removed 45901 771".to_owned()));
}

#[test]
fn rule_1_a_changed_email_gives_to_the_new_user_first_and_then_takes_from_the_old() {
    let mut world = World::new(MORNING);
    let ada = world.customer(90210, "ada@new.example");
    let old = world.user(771, "ada@old.example");
    world.account(old, ada, "ada@old.example", true);
    let span = window("2026-12-01T08:45:00Z", "2026-12-01T10:15:00Z");
    world.own_row(old, GROUP, span, ada);
    world.booking(1, ada, "2026-12-01T09:00:00Z", "2026-12-01T10:00:00Z");
    assert_eq!(world.words(), ["added 45901", "invited"]);
    let new = world.user(772, "ada@new.example");
    assert_eq!(world.words(), ["added 45901 772"]);
    world.own_row(new, GROUP, span, ada);
    assert_eq!(world.words(), ["removed 45901 771"]);
}

#[test]
fn rule_1_a_changed_email_onto_a_user_with_a_role_is_reported_and_not_followed() {
    let mut world = World::new(MORNING);
    let ada = world.customer(90210, "boss@example.org");
    let old = world.user(771, "ada@old.example");
    world.account(old, ada, "ada@old.example", true);
    let boss = world.user(772, "boss@example.org");
    world.roster.elevated.insert(boss);
    world.own_row(old, GROUP, window("2026-12-01T08:45:00Z", "2026-12-01T10:15:00Z"), ada);
    world.booking(1, ada, "2026-12-01T09:00:00Z", "2026-12-01T10:00:00Z");
    let plan = world.plan();
    assert!(plan.changes.is_empty());
    assert_eq!(plan.drift, [Drift::Elevated { user: boss, customer: Some(ada), was: old }]);
}

#[test]
fn rule_1_an_archived_duplicate_takes_nothing_from_the_active_one() {
    let mut world = World::new(MORNING);
    let ada = world.customer(90210, "ada@example.org");
    let archived = Customer {
        id: CustomerId(1),
        name: "Ada, of old".to_owned(),
        email: Some(email("ADA@example.org")),
        active: true,
        archived: true,
    };
    world.put_customer(archived);
    world.user(771, "ada@example.org");
    world.booking(1, ada, "2026-12-01T09:00:00Z", "2026-12-01T10:00:00Z");
    world.booking(2, CustomerId(1), "2026-12-01T12:00:00Z", "2026-12-01T13:00:00Z");
    assert_eq!(world.words(), ["added 45901 771"]);
    assert_eq!(world.plan().people, 1);
}

#[test]
fn rule_5_a_managed_user_without_access_is_suspended_after_the_wait_and_restored_with_a_grant() {
    let mut world = World::new(MORNING);
    let ada = world.customer(90210, "ada@example.org");
    let user = world.user(771, "ada@example.org");
    world.account(user, ada, "ada@example.org", true);
    let noted = world.plan().accounts;
    assert_eq!(noted[0].no_access_since, Some(world.now));
    world.ledger.accounts.insert(user, noted[0].clone());
    assert_eq!(world.plan().next_at, Some(at("2026-12-02T08:00:00Z")));
    world.now = at("2026-12-02T08:00:00Z");
    assert_eq!(world.words(), ["suspended 771"]);
    let kisi = world.roster.users.get_mut(&user).expect("the user");
    kisi.enabled = false;
    kisi.metadata.insert(roster::mark::SUSPENDED_AT.to_owned(), "2026-12-02T08:00:00Z".into());
    assert!(world.words().is_empty());
    world.booking(1, ada, "2026-12-08T09:00:00Z", "2026-12-08T10:00:00Z");
    assert_eq!(world.words(), ["restored 771"]);
    let kisi = world.roster.users.get_mut(&user).expect("the user");
    kisi.metadata.insert(roster::mark::SUSPENDED_AT.to_owned(), "".into());
    assert!(world.words().is_empty(), "an empty mark is none: another hand did it");
    assert_eq!(world.plan().drift, [Drift::Suspended { user }]);
}

#[test]
fn rule_5_users_of_another_hand_and_of_organizations_with_two_writers_are_left_as_they_are() {
    let mut world = World::new(MORNING);
    let ada = world.customer(90210, "ada@example.org");
    let user = world.user(771, "ada@example.org");
    world.account(user, ada, "ada@example.org", false);
    world.ledger.accounts.get_mut(&user).expect("noted").no_access_since = Some(at("2026-11-01T00:00:00Z"));
    assert!(world.words().is_empty(), "existing_users = assign");
    world.rules.existing_users = ExistingUsers::Manage;
    assert_eq!(world.words(), ["suspended 771"]);
    world.rules.no_access = NoAccess::Delete;
    assert_eq!(world.words(), ["suspended 771"], "suspended where others would be deleted");
    world.roster.places = Some(2);
    assert!(world.words().is_empty());
    assert!(world.plan().keeping.is_some());
    world.rules.sole_writer = true;
    assert_eq!(world.words(), ["suspended 771"]);
}

#[test]
fn rule_5_whose_user_is_managed_need_not_have_had_a_grant_to_be_suspended() {
    let mut world = World::new(MORNING);
    world.customer(90210, "ada@example.org");
    let ada = world.user(771, "Ada@example.org");
    let nobody = world.user(772, "nobody@example.org");
    let marked = world.user(773, "gone@example.org");
    let marks = [(roster::mark::SITE, world.rules.site.clone()), (roster::mark::CUSTOMER, "17".to_owned())];
    let metadata = &mut world.roster.users.get_mut(&marked).expect("the user").metadata;
    metadata.extend(marks.map(|(key, value)| (key.to_owned(), value.into())));
    let noted = |world: &World| world.plan().accounts.iter().map(|account| account.user).collect::<Vec<_>>();
    assert_eq!(noted(&world), [marked], "made by us, of a customer who is gone; the ledger was lost");
    world.rules.existing_users = ExistingUsers::Manage;
    assert_eq!(noted(&world), [ada, marked], "user {nobody} is no customer's");
    for account in world.plan().accounts {
        assert_eq!(account.no_access_since, Some(world.now));
        world.ledger.accounts.insert(account.user, account);
    }
    assert!(world.words().is_empty());
    world.now = at("2026-12-02T08:00:00Z");
    assert_eq!(world.words(), ["suspended 771", "suspended 773"]);
    world.foreign_row(ada, GROUP, window("2026-12-01T08:45:00Z", "2026-12-31T10:15:00Z"));
    assert_eq!(world.words(), ["suspended 773"], "another hand gave her something");
}

#[test]
fn rule_2_never_touch_means_no_grant_no_removal_no_suspension() {
    let mut world = World::new(MORNING);
    let boss = world.customer(90210, "boss@staff.example");
    let user = world.user(771, "boss@staff.example");
    world.account(user, boss, "boss@staff.example", true);
    world.ledger.accounts.get_mut(&user).expect("noted").no_access_since = Some(at("2026-11-01T00:00:00Z"));
    world.own_row(user, GROUP, window("2026-12-01T07:00:00Z", "2026-12-01T20:00:00Z"), boss);
    world.booking(1, boss, "2026-12-01T09:00:00Z", "2026-12-01T10:00:00Z");
    assert!(world.words().is_empty());
}

#[test]
fn rule_3_where_patch_is_ignored_a_window_in_force_is_extended_a_minute_before_its_end_and_cut_at_once() {
    let mut world = World::new("2026-12-01T09:00:00Z");
    world.ledger.patch_ignored = true;
    let ada = world.customer(90210, "ada@example.org");
    let user = world.user(771, "ada@example.org");
    world.own_row(user, GROUP, window("2026-12-01T08:45:00Z", "2026-12-01T10:15:00Z"), ada);
    world.booking(1, ada, "2026-12-01T09:00:00Z", "2026-12-01T12:00:00Z");
    assert!(world.words().is_empty());
    assert_eq!(world.plan().next_at, Some(at("2026-12-01T10:14:00Z")));
    world.now = at("2026-12-01T10:14:00Z");
    assert_eq!(world.words(), ["moved 45901 771"]);
    world.now = at("2026-12-01T09:00:00Z");
    world.booking(1, ada, "2026-12-01T09:00:00Z", "2026-12-01T09:30:00Z");
    assert_eq!(world.words(), ["moved 45901 771"]);
}

#[test]
fn rule_1_an_email_that_is_not_followed_leaves_a_shared_user_to_the_other_customer() {
    let mut world = World::new(MORNING);
    let ada = world.customer(1, "shared@example.org");
    let ben = world.customer(2, "boss@example.org");
    let shared = world.user(771, "shared@example.org");
    world.account(shared, ada, "shared@example.org", true);
    world.ledger.accounts.get_mut(&shared).expect("noted").customers.push(ben);
    let boss = world.user(772, "boss@example.org");
    world.roster.elevated.insert(boss);
    world.booking(1, ada, "2026-12-01T09:00:00Z", "2026-12-01T10:00:00Z");
    world.booking(2, ben, "2026-12-01T12:00:00Z", "2026-12-01T13:00:00Z");
    for _ in 0..2 {
        let plan = world.plan();
        assert_eq!(plan.drift, [Drift::Elevated { user: boss, customer: Some(ben), was: shared }]);
        assert_eq!(plan.changes.iter().map(words).collect::<Vec<_>>(), ["added 45901 771"]);
        for account in plan.accounts {
            world.ledger.accounts.insert(account.user, account);
        }
    }
}

#[test]
fn rule_3_windows_that_touch_within_a_second_leave_no_seam_and_are_written_in_whole_seconds() {
    let mut world = World::new(MORNING);
    world.rules.links[0].before = minutes(0);
    world.rules.links[0].after = minutes(0);
    let ada = world.customer(90210, "ada@example.org");
    world.user(771, "ada@example.org");
    world.booking(1, ada, "2026-12-01T09:00:00.25Z", "2026-12-01T09:59:59.5Z");
    world.booking(2, ada, "2026-12-01T09:59:59.5Z", "2026-12-01T11:00:00.75Z");
    let windows: Vec<_> = world.plan().changes.iter().filter_map(|change| change.window()).collect();
    assert_eq!(windows, [window("2026-12-01T09:00:01Z", "2026-12-01T11:00:00Z")]);
}
