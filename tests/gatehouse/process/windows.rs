//! At its second: promises 1 and 2, rules 4.

use chrono::TimeDelta;
use gatehouse::twin::kisi::AssignmentVersion;

use super::rig::{BOARDROOM, Moment, OAK, Rig};

/// How long after its moment a change may be in Kisi: Kisi's `Date` has whole seconds, and a call takes its time.
const SLACK: TimeDelta = TimeDelta::milliseconds(2_500);

/// Windows that were known before open and close at their seconds by Kisi's clock with Nexudus gone: no sooner, and
/// hardly later. A seam between two windows that touch is none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_2_a_window_opens_and_closes_at_its_second_without_nexudus() {
    let mut rig = Rig::new(|settings| {
        settings.set("access.before", r#""0s""#).set("access.after", r#""0s""#).set("access.prestage", r#""0s""#);
        settings.set("kisi.roster", r#""30s""#);
    })
    .await;
    let oak = rig.oak.group;
    rig.settings.link(&format!("resource = {OAK}, group = {oak}"));
    rig.write_settings();
    for (at, name) in ["Ada", "Ben", "Cleo"].iter().enumerate() {
        rig.customer(90_210 + at as i64, name);
        rig.kisi(|kisi, now| kisi.add_person(&format!("{}@example.org", name.to_lowercase()), name, now));
    }
    let start = rig.in_s(14);
    let end = start + TimeDelta::seconds(6);
    let group = rig.boardroom.group;
    rig.book(90_210, BOARDROOM, start, end);
    // Ben's two touch while the first is open; Cleo's one ends with Ada's beginning.
    rig.book(90_211, OAK, rig.in_min(-30), start);
    rig.book(90_211, OAK, start, end);
    rig.book(90_212, BOARDROOM, rig.in_min(-30), start);
    rig.start_ready().await;
    rig.until("what is open to be written", 12, |rig| rig.row("Ben", oak).and(rig.row("Cleo", group))).await;
    assert!(rig.now() < start, "too slow to test what it should");
    rig.nexudus.lock().unwrap().faults.down = true;

    rig.until_no_row("Cleo", group, 20).await;
    rig.until("Ada's window to open", 20, |rig| rig.row("Ada", group)).await;
    rig.until_no_row("Ada", group, 20).await;
    rig.until_no_row("Ben", oak, 5).await;
    let versions = |name: &str| -> Vec<AssignmentVersion> {
        let user = rig.user(name).unwrap();
        rig.kisi(|kisi, _| {
            let of = |version: &&AssignmentVersion| version.assignee == gatehouse::twin::kisi::Assignee::User(user);
            kisi.history().assignments.iter().filter(of).cloned().collect()
        })
    };
    let on_time = |what: &str, at: Moment, due: Moment| {
        assert!(at >= due, "{what} at {at}, {} before its time", due - at);
        assert!(at - due < SLACK, "{what} at {at}, {} late", at - due);
    };
    let [ada] = &versions("Ada")[..] else { panic!("{:?}", versions("Ada")) };
    assert_eq!((ada.valid_from, ada.valid_until), (Some(start), Some(end)));
    on_time("Ada's opening", ada.since, start);
    on_time("Ada's closing", ada.until.unwrap(), end);
    let [cleo] = &versions("Cleo")[..] else { panic!("{:?}", versions("Cleo")) };
    on_time("Cleo's closing", cleo.until.unwrap(), start);
    let [ben] = &versions("Ben")[..] else { panic!("nothing is written at a seam: {:?}", versions("Ben")) };
    assert_eq!(ben.valid_until, Some(end), "one window");
    on_time("Ben's closing", ben.until.unwrap(), end);
    rig.finish().await;
}

/// Where the first slot is taken, the next window waits for its end, and is then moved into that slot.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_3_the_one_slot_holds_the_window_that_is_open_and_then_the_next() {
    let mut rig = Rig::new(|settings| {
        settings.set("access.before", r#""0s""#).set("access.after", r#""0s""#);
    })
    .await;
    rig.customer(90_210, "Ada");
    let group = rig.boardroom.group;
    let (began, end) = (rig.in_min(-5), rig.in_s(12));
    let (from, to) = (rig.in_min(60), rig.in_min(120));
    rig.book(90_210, BOARDROOM, began, end);
    rig.book(90_210, BOARDROOM, from, to);
    rig.start_ready().await;
    let row = rig.until_window("Ada", group, began, end, 12).await;
    rig.until_window("Ada", group, from, to, 20).await;
    let closed = rig.kisi(|kisi, _| {
        let first = kisi.history().assignments.iter().find(|version| version.id == row.id).unwrap();
        first.until.unwrap()
    });
    assert!(closed >= end && closed - end < SLACK, "{closed} for {end}");
    rig.finish().await;
}
