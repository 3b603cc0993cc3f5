//! What is new in a reading.

use super::*;
use crate::domain::event::Door;

fn at(second: i64) -> Timestamp {
    Timestamp::from_timestamp(1_796_115_600 + second, 0).expect("in range")
}

fn event(uuid: &str, second: i64, door: u64) -> Event {
    Event {
        uuid: uuid.to_owned(),
        time: at(second),
        kind: "lock.unlock".to_owned(),
        door: Some(Door { id: LockId(door), name: String::new() }),
        success: Some(true),
        error_code: None,
        error_message: None,
        actor: None,
        actor_name: None,
        by: None,
        object: None,
        received_at: at(second),
        replayed: false,
        late: false,
    }
}

#[test]
fn rule_7_an_event_is_taken_once_in_its_doors_order_and_a_late_one_is_marked() {
    let mark = Mark { began: at(0), watermark: at(1000) };
    let last_of_door = BTreeMap::from([(LockId(1), at(900))]);
    let known = Known { mark, seen: &|uuid| uuid == "known", last_of_door: &last_of_door };
    let polled = vec![
        event("b", 950, 1),
        event("late", 800, 1),
        event("known", 900, 1),
        event("other door", 700, 2),
        event("b", 950, 1),
        event("before the first start", -1, 2),
        event("a", 950, 1),
    ];
    let read = Interval { from: at(0), to: at(1060), more: false };
    let taken = take(&known, polled, read, true, true);
    let order: Vec<(&str, bool)> = taken.fresh.iter().map(|e| (e.uuid.as_str(), e.late)).collect();
    assert_eq!(order, [("other door", false), ("late", true), ("a", false), ("b", false)]);
    assert!(taken.fresh.iter().all(|event| event.replayed));
    assert_eq!(taken.watermark, at(1060));
    assert_eq!(taken.last_of_door, BTreeMap::from([(LockId(1), at(950)), (LockId(2), at(700))]));
    assert_eq!(take(&known, Vec::new(), read, false, false).watermark, at(1000), "not all of it came");
    let back = Interval { to: at(500), ..read };
    assert_eq!(take(&known, Vec::new(), back, true, false).watermark, at(1000), "the watermark never goes back");
}

#[test]
fn rule_7_polls_hours_and_nights_read_again_what_they_should() {
    let hours = |n: i64| n * 3600;
    let now = at(hours(100));
    let mark = Mark { began: at(0), watermark: now };
    let from = |kind| interval(mark, now, kind).from;
    assert_eq!(from(Kind::Poll), at(hours(100) - 120));
    assert_eq!(from(Kind::Hour), at(hours(99)));
    assert_eq!(from(Kind::Night { last: Some(at(hours(76))) }), at(hours(28)), "48 hours before the last night");
    assert_eq!(from(Kind::Night { last: Some(at(hours(70))) }), at(hours(22)), "a night was missed");
    assert_eq!(from(Kind::Night { last: None }), at(hours(28)));
    let young = Mark { began: at(hours(99) + 1800), watermark: now };
    assert_eq!(
        interval(young, now, Kind::Night { last: None }).from,
        young.began,
        "the record begins at the very first start"
    );
    assert_eq!(due(None, None, now), Kind::Night { last: None });
    assert_eq!(due(Some(at(hours(99))), Some(at(hours(77))), now), Kind::Hour);
    assert_eq!(due(Some(at(hours(99) + 1)), Some(at(hours(77))), now), Kind::Poll);
}

/// Proves it for every hour of lateness against nights that come a day apart, whenever the event happened: the night
/// after it was shown reads far enough back, and its `uuid` is remembered for as long.
#[test]
fn promise_4_whatever_is_shown_within_48_hours_is_read_by_the_next_night() {
    let hours = |n: i64| n * 3600;
    for happened in 100..124 {
        for shown in happened..=happened + 48 {
            let night = (0..20).map(|n| 24 * n).find(|night| *night >= shown).unwrap();
            let mark = Mark { began: at(0), watermark: at(hours(night)) };
            let last = Some(at(hours(night - 24)));
            let from = interval(mark, at(hours(night)), due(None, last, at(hours(night)))).from;
            assert!(from <= at(hours(happened)), "happened at {happened}, shown at {shown}, read from {from}");
            assert!(mark.watermark - REMEMBERED <= from);
        }
    }
}

#[test]
fn promise_4_a_long_outage_is_caught_up_in_steps_without_a_gap() {
    let now = at(10 * 86_400);
    let (mut mark, mut reached) = (Mark { began: at(0), watermark: at(60) }, at(60));
    for _ in 0..20 {
        let read = interval(mark, now, Kind::Poll);
        assert!(read.from <= reached && read.to > mark.watermark, "a gap, or no step: {read:?}");
        assert!(read.to - read.from <= TimeDelta::hours(25));
        let nothing = BTreeMap::new();
        let known = Known { mark, seen: &|_| false, last_of_door: &nothing };
        mark.watermark = take(&known, Vec::new(), read, true, true).watermark;
        reached = read.to;
        if !read.more {
            break;
        }
    }
    assert_eq!(reached, now);
}

#[test]
fn hints_name_what_another_hand_touched() {
    let of = |kind: &str, object: Option<(&str, u64)>, actor: u64| Event {
        kind: kind.to_owned(),
        object: object.map(|(kind, id)| (kind.to_owned(), id)),
        door: None,
        actor: Some(UserId(actor)),
        ..event("x", 0, 1)
    };
    let events = [
        of("role_assignment.destroy", Some(("RoleAssignment", 5)), 9),
        of("role_assignment.destroy", Some(("RoleAssignment", 5)), 9),
        of("role_assignment.create", Some(("RoleAssignment", 6)), 1),
        of("user.update", Some(("User", 7)), 9),
        of("group_lock.create", None, 9),
        of("card.create", Some(("Card", 1)), 9),
    ];
    let hints = hints(&events, Some(UserId(1)));
    assert_eq!(hints, [Hint::User(UserId(7)), Hint::Assignment(AssignmentId(5)), Hint::Roster]);
}

#[test]
fn promise_4_an_outage_is_read_again_thrice_and_a_second_one_within_keeps_the_first_ones_beginning() {
    let mut outage = Some(Outage::ended(None, at(0), at(3600)));
    let mut read_at = Vec::new();
    for second in (3600..6000).step_by(10) {
        if outage.is_some_and(|outage| outage.is_due(at(second))) {
            read_at.push(second);
            outage = outage.and_then(Outage::reread);
        }
    }
    assert_eq!(read_at, [3660, 3900, 4800]);
    assert_eq!(outage, None);
    let first = Outage::ended(None, at(0), at(3600));
    assert_eq!(Outage::ended(Some(first), at(3700), at(4000)), Outage { from: at(0), back: at(4000), rereads: 0 });
}
