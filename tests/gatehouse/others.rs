//! Other hands in Kisi: told apart, adopted, compared (rules 5, promise 3).

use chrono::TimeDelta;
use gatehouse::domain::adopt::{Adoption, Left, adoption};
use gatehouse::domain::compare::compare;
use gatehouse::domain::hands::Hands;
use gatehouse::domain::ledger::Owned;
use gatehouse::domain::plan::{Action, Drift};
use gatehouse::domain::*;

use crate::world::*;

const MORNING: &str = "2026-12-01T08:00:00Z";
/// The Kisi user of another integration: what [`World::foreign_row`] names as its maker.
const OTHER: UserId = UserId(1);

/// Ada has a booking now, Ben none; both have a row that another integration made.
fn moving_in() -> (World, AssignmentId, AssignmentId) {
    let mut world = World::new(MORNING);
    let ada = world.customer(1, "ada@example.org");
    world.customer(2, "ben@example.org");
    let users = [world.user(771, "ada@example.org"), world.user(772, "ben@example.org")];
    world.booking(1, ada, "2026-12-01T07:00:00Z", "2026-12-01T10:00:00Z");
    let rows = users.map(|user| world.foreign_row(user, GROUP, Window::ALWAYS));
    (world, rows[0], rows[1])
}

/// As the gateway takes it in.
fn take(world: &mut World, adoption: Adoption) {
    for row in adoption.rows.into_values().flatten() {
        world.ledger.owned.insert(row.owned.id, row.owned);
    }
    for (_, account) in adoption.users {
        world.ledger.accounts.insert(account.user, account);
    }
}

#[test]
fn rule_5_adopted_rows_behave_as_our_own() {
    let (mut world, ada, ben) = moving_in();
    assert!(world.words().is_empty(), "not ours");
    let adopted = adoption(&world.known(), OTHER, false);
    let reasons: Vec<_> = adopted.rows[&GROUP].iter().map(|row| (row.owned.id, row.owned.reason)).collect();
    assert_eq!(reasons, [(ada, Reason::Booking(BookingId(1))), (ben, Reason::Policy)]);
    assert!(adoption(&world.known(), UserId(2), false).rows.is_empty(), "another's are not meant");
    take(&mut world, adopted);
    assert_eq!(world.words(), ["removed 45901 772", "moved 45901 771"]);
    assert!(world.plan().drift.is_empty());
    assert_eq!(adoption(&world.known(), OTHER, false), Adoption::default(), "ours already");
    // Its maker is cross-checked as it was adopted.
    world.roster.assignments.get_mut(&ben).expect("the row").created_by = Some(UserId(9));
    assert!(matches!(world.plan().drift[..], [Drift::OtherMaker { .. }]));
    // Whoever made it by Kisi's word can be adopted from, also what stood in the ledger as another's.
    let adopted = adoption(&world.known(), UserId(9), false);
    take(&mut world, adopted);
    assert!(world.plan().drift.is_empty());
}

/// What an adopted row came from was seen by its maker, not by us: one reading is not enough to take it away.
#[test]
fn rule_6_adopted_rows_belong_to_the_baseline() {
    let (mut world, ..) = moving_in();
    let (customers, bookings) = (world.snapshot.customers.clone(), world.snapshot.bookings.clone());
    world.snapshot = Default::default();
    customers.iter().for_each(|row| world.put_customer(row.clone()));
    bookings.iter().for_each(|row| world.put_booking(row.clone()));
    world.read_all(world.now);
    let adopted = adoption(&world.known(), OTHER, false);
    take(&mut world, adopted);
    assert!(world.words().is_empty(), "neither is removed nor cut after one reading");
    assert!(world.plan().waiting.is_some());
    world.now += TimeDelta::seconds(60);
    world.read_all(world.now);
    assert_eq!(world.words(), ["removed 45901 772", "moved 45901 771"]);
}

/// The same where the ledger was lost and the key is ours alone: rows are taken back before anything was read twice.
#[test]
fn rule_6_rows_that_are_taken_back_belong_to_the_baseline() {
    let mut world = World::new(MORNING);
    let ada = world.customer(1, "ada@example.org");
    let user = world.user(771, "ada@example.org");
    let row = world.own_row(user, GROUP, Window::ALWAYS, ada);
    let bob = world.customer(2, "bob@example.org");
    world.booking(2, bob, "2026-12-09T09:00:00Z", "2026-12-09T10:00:00Z");
    world.ledger.owned.clear();
    world.rules.key_is_ours_alone = true;
    world.snapshot.bookings = Default::default();
    world.booking(2, bob, "2026-12-09T09:00:00Z", "2026-12-09T10:00:00Z");
    world.read_all(world.now);
    let [change] = &world.plan().changes.iter().filter(|c| c.word() == "adopted").cloned().collect::<Vec<_>>()[..]
    else {
        panic!("{:?}", world.words())
    };
    let owned = Owned::adopted(&world.roster.assignments[&row], change.person.customer, change.reason, None);
    world.ledger.owned.insert(row, owned);
    assert!(!world.words().contains(&"removed 45901 771".to_owned()), "{:?}", world.words());
    assert!(world.plan().waiting.is_some());
}

#[test]
fn rule_5_not_adopted_is_who_is_never_touched_who_is_another_sites_and_what_is_more_than_plain() {
    let mut world = World::new(MORNING);
    for (n, email) in [(1, "boss@staff.example"), (2, "ada@example.org"), (3, "ben@example.org")] {
        world.customer(n, email);
        world.user(770 + n, email);
    }
    let rows: Vec<_> = (1..=3).map(|n| world.foreign_row(UserId(770 + n), GROUP, Window::ALWAYS)).collect();
    let ada = world.roster.users.get_mut(&UserId(772)).expect("Ada");
    ada.metadata.insert(roster::mark::SITE.to_owned(), "the-mill".into());
    world.roster.assignments.get_mut(&rows[2]).expect("the row").role = "group_manager".to_owned();
    let adopted = adoption(&world.known(), OTHER, false);
    assert_eq!((adopted.rows.len(), adopted.users.len()), (0, 0));
    assert_eq!(
        adopted.left,
        [
            Left::Role(rows[2], "group_manager".to_owned()),
            Left::NeverTouch(UserId(771)),
            Left::OtherSite(UserId(772), "the-mill".to_owned())
        ]
    );
}

#[test]
fn rule_5_a_suspended_user_that_is_adopted_is_enabled_with_a_grant_once() {
    let mut world = World::new(MORNING);
    let ada = world.customer(1, "ada@example.org");
    let ben = world.customer(2, "ben@example.org");
    let users = [
        world.user(771, "ada@example.org"),
        world.user(772, "ben@example.org"),
        world.user(773, "stranger@example.org"),
    ];
    users.iter().for_each(|user| world.roster.users.get_mut(user).expect("there").enabled = false);
    world.booking(2, ben, "2026-12-01T09:00:00Z", "2026-12-01T10:00:00Z");
    assert!(adoption(&world.known(), OTHER, false).users.is_empty());
    let adopted = adoption(&world.known(), OTHER, true);
    let who: Vec<_> = adopted.users.iter().map(|(_, account)| account.user).collect();
    assert_eq!(who, [users[0]], "Ben has a grant: another hand keeps him out; the stranger is not Nexudus'");
    take(&mut world, adopted);
    world.booking(1, ada, "2026-12-01T09:00:00Z", "2026-12-01T10:00:00Z");
    let words = world.words();
    assert!(words.contains(&"restored 771".to_owned()) && !words.contains(&"restored 772".to_owned()), "{words:?}");
    assert_eq!(world.plan().drift, [Drift::Suspended { user: users[1] }]);
    // Enabled, she is like anybody: whoever suspends her now means it.
    world.roster.users.get_mut(&users[0]).expect("Ada").enabled = true;
    for account in world.plan().accounts {
        world.ledger.accounts.insert(account.user, account);
    }
    world.roster.users.get_mut(&users[0]).expect("Ada").enabled = false;
    assert!(!world.words().contains(&"restored 771".to_owned()));
    assert!(world.plan().drift.contains(&Drift::Suspended { user: users[0] }));
}

#[test]
fn rule_5_a_key_that_made_rows_for_another_sites_users_is_not_ours_alone() {
    let mut world = World::new(MORNING);
    let ada = world.customer(1, "ada@example.org");
    let user = world.user(771, "ada@example.org");
    let row = world.own_row(user, GROUP, Window::ALWAYS, ada);
    world.ledger.owned.clear();
    world.rules.key_is_ours_alone = true;
    assert!(matches!(world.plan().changes[..], [ref change] if matches!(change.action, Action::Adopted { .. })));
    let kisi = world.roster.users.get_mut(&user).expect("Ada");
    kisi.metadata.insert(roster::mark::SITE.to_owned(), "the-mill".into());
    assert!(world.plan().changes.is_empty());
    assert_eq!(world.plan().drift, [Drift::Candidate { row, user, group: GROUP }]);
}

#[test]
fn rule_5_nobody_with_a_role_or_a_row_of_another_hand_is_even_planned_to_be_suspended() {
    let mut world = World::new(MORNING);
    for n in 1..=3 {
        let customer = world.customer(n, &format!("p{n}@example.org"));
        let user = world.user(770 + n, &format!("p{n}@example.org"));
        world.account(user, customer, &format!("p{n}@example.org"), true);
        world.ledger.accounts.get_mut(&user).expect("noted").no_access_since = Some(at("2026-11-01T00:00:00Z"));
    }
    assert_eq!(world.words(), ["suspended 771", "suspended 772", "suspended 773"]);
    world.roster.elevated.insert(UserId(771));
    world.foreign_row(UserId(772), GROUP, Window::ALWAYS);
    assert_eq!(world.words(), ["suspended 773"]);
}

#[test]
fn rule_5_a_second_writer_is_told_from_a_row_made_by_hand() {
    let mut world = World::new(MORNING);
    let mut hands = Hands::default();
    let writers = |world: &World, hands: &mut Hands| {
        let drift = world.plan().drift;
        hands.observe(&world.known(), &drift);
        hands.writers(&world.known(), &drift)
    };
    // Rows made in one go, for people without a grant: somebody's hand.
    for n in 1..=5 {
        world.customer(n, &format!("p{n}@example.org"));
        let user = world.user(770 + n, &format!("p{n}@example.org"));
        if n < 5 {
            world.foreign_row(user, GROUP, Window::ALWAYS);
        }
    }
    assert!(writers(&world, &mut hands).is_empty());
    for minutes in [5, 10] {
        world.now += TimeDelta::minutes(minutes);
        let user = world.user(780 + minutes as u64, "another@example.org");
        world.foreign_row(user, GROUP, Window::ALWAYS);
        let known = serde_json::to_string(&hands).expect("JSON");
        hands = serde_json::from_str(&known).expect("kept over a restart");
        let found = writers(&world, &mut hands);
        assert_eq!(found.len(), usize::from(minutes == 10), "again and again: {found:?}");
    }
    let found = writers(&world, &mut hands);
    assert_eq!((found[0].created_by, found[0].assignments, found[0].own_key), (OTHER, 6, false));
    let text = found[0].to_string();
    assert!(text.contains("Nexudus' own Kisi integration") && text.contains("adopt --created-by 1"), "{text}");
    world.now += TimeDelta::hours(24);
    assert!(writers(&world, &mut hands).is_empty(), "it has stopped");
}

#[test]
fn rule_5_rows_for_many_who_have_a_grant_just_there_are_a_second_writers_at_once() {
    let (mut world, ..) = moving_in();
    for n in 3..=4 {
        let customer = world.customer(n, &format!("p{n}@example.org"));
        let user = world.user(770 + n, &format!("p{n}@example.org"));
        world.booking(n, customer, "2026-12-01T07:00:00Z", "2026-12-01T10:00:00Z");
        world.foreign_row(user, GROUP, Window::ALWAYS);
    }
    let drift = world.plan().drift;
    let found = Hands::default().writers(&world.known(), &drift);
    assert_eq!((found.len(), found[0].matching, found[0].assignments), (1, 3, 4));
    let marked = world.roster.users.get_mut(&UserId(772)).expect("Ben");
    marked.metadata.insert(roster::mark::SITE.to_owned(), "the-mill".into());
    let found = Hands::default().writers(&world.known(), &drift);
    assert_eq!(found[0].site.as_deref(), Some("the-mill"));
    assert!(found[0].to_string().contains("the Gatehouse of site 'the-mill'"), "{}", found[0]);
}

#[test]
fn rule_5_our_own_key_in_another_hand_is_a_second_writer_too() {
    let mut world = World::new(MORNING);
    let mut hands = Hands::default();
    for n in 1..=3 {
        let user = world.user(770 + n, &format!("p{n}@example.org"));
        let row = world.foreign_row(user, GROUP, Window::ALWAYS);
        world.roster.assignments.get_mut(&row).expect("the row").created_by = Some(KEY);
        world.now += TimeDelta::minutes(2);
        let drift = world.plan().drift;
        hands.observe(&world.known(), &drift);
        let found = hands.writers(&world.known(), &drift);
        assert_eq!(found.len(), usize::from(n == 3));
        assert!(found.iter().all(|writer| writer.own_key && writer.to_string().contains("a Kisi user of its own")));
    }
}

#[test]
fn contract_2_what_another_hand_holds_is_compared_with_what_we_would() {
    let (mut world, ada, ben) = moving_in();
    // Cleo's is the same from now on, Dan has none though he may come in, the boss is not compared.
    let people = [(3, "cleo@example.org"), (4, "dan@example.org"), (5, "boss@staff.example")];
    for (n, email) in people {
        let customer = world.customer(n, email);
        world.user(770 + n, email);
        world.booking(n, customer, "2026-12-01T07:00:00Z", "2026-12-01T10:00:00Z");
    }
    world.foreign_row(UserId(773), GROUP, window("2026-12-01T07:30:00Z", "2026-12-01T10:15:00Z"));
    world.foreign_row(UserId(775), GROUP, Window::ALWAYS);
    // What is to come is not missed yet.
    let eve = world.customer(6, "eve@example.org");
    world.booking(6, eve, "2026-12-01T12:00:00Z", "2026-12-01T14:00:00Z");
    let found = compare(&world.known());
    assert_eq!(found.same, 1);
    let differ: Vec<_> = found
        .differ
        .iter()
        .map(|of| {
            (of.person.user.map(|user| user.0), of.ours.map(|(_, why)| why), of.theirs.as_ref().map(|row| row.id))
        })
        .collect();
    let booking = |n| Some(Reason::Booking(BookingId(n)));
    assert_eq!(
        differ,
        [(Some(771), booking(1), Some(ada)), (Some(772), None, Some(ben)), (Some(774), booking(4), None)]
    );
    world.roster.assignments.clear();
    assert_eq!(compare(&world.known()).differ, [], "nobody else is there to compare with");
}
