//! Promise 5: no mass lock-out by mistake.

use std::collections::BTreeSet;

use gatehouse::twin::faults::{Effect, Rule};
use gatehouse::twin::kisi::Creator;
use gatehouse::twin::nexudus::switches::ListFault;
use serde_json::{Value, json};

use super::rig::{BOARDROOM, ROOT, Rig};
use super::settings::Settings;
use super::shape::has_keys;

/// How Nexudus is asked for the whole window.
const WHOLE: &str = "from_Booking_ToTime";

const PEOPLE: [&str; 8] = ["Ada", "Ben", "Cleo", "Dan", "Eve", "Fay", "Gus", "Ida"];

/// Eight people in one room, who are in Kisi already.
async fn eight(settle: impl FnOnce(&mut Settings)) -> (Rig, Vec<i64>) {
    let mut rig = Rig::new(settle).await;
    rig.settings.unlink().link(&format!("resource = {BOARDROOM}, group = {}", rig.boardroom.group));
    rig.write_settings();
    let (from, to) = (rig.in_min(-10), rig.in_min(60));
    let mut bookings = Vec::new();
    for (id, name) in (90_210..).zip(PEOPLE) {
        rig.customer(id, name);
        rig.kisi(|kisi, now| kisi.add_person(&format!("{}@example.org", name.to_lowercase()), name, now));
        bookings.push(rig.book(id, BOARDROOM, from, to));
    }
    rig.start_ready().await;
    rig.until("eight rows", 25, |rig| (rows(rig) == PEOPLE.len()).then_some(())).await;
    (rig, bookings)
}

fn rows(rig: &Rig) -> usize {
    rig.kisi(|kisi, _| kisi.assignments().filter(|row| row.created_by == Creator::User(rig.me)).count())
}

/// The guard's alert with that many removals.
async fn held(rig: &mut Rig, removals: usize) -> Value {
    rig.until("the guard to hold", 25, |rig| {
        rig.said("alert/guard")
            .filter(|alert| alert["active"] == true)
            .filter(|alert| alert["detail"]["removals"].as_array().is_some_and(|list| list.len() == removals))
    })
    .await
}

/// What many lose at once is held, told and released: by `approve`, and by `apply --yes` on the running gateway.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_5_a_mass_cancellation_waits_for_an_approval() {
    let (mut rig, bookings) = eight(|settings| {
        settings.set("mqtt.commands", r#"["approve"]"#);
    })
    .await;
    for booking in &bookings[..4] {
        rig.nexudus(|site| site.cancel_booking(*booking)).unwrap();
    }
    let alert = held(&mut rig, 4).await;
    has_keys(&alert, &["active", "since", "message", "detail"]);
    has_keys(&alert["detail"], &["plan", "people", "removals"]);
    assert_eq!(alert["detail"]["people"], 4);
    let mut customers = BTreeSet::new();
    for removal in alert["detail"]["removals"].as_array().unwrap() {
        has_keys(removal, &["change", "group", "person", "reason"]);
        assert_eq!(
            (removal["change"].as_str(), removal["group"].as_u64()),
            (Some("removed"), Some(rig.boardroom.group))
        );
        customers.insert(removal["person"]["customer"].as_i64().unwrap());
        let booking = removal["reason"]["id"].as_i64().unwrap();
        assert!(removal["reason"]["kind"] == "booking" && bookings.contains(&booking), "{removal}");
    }
    assert_eq!(customers, BTreeSet::from([90_210, 90_211, 90_212, 90_213]));
    // Everything else goes on.
    rig.customer(1, "Zoe");
    rig.book(1, BOARDROOM, rig.in_min(-1), rig.in_min(60));
    rig.until("openings go on", 20, |rig| rig.row("Zoe", rig.boardroom.group)).await;
    assert_eq!(rows(&rig), 9, "held");
    let refused = rig.verb(&["apply", "--json"]).await;
    assert_eq!(refused.exit, 4, "{refused:?}");
    let report = refused.json();
    has_keys(&report, &["id", "counts", "changes", "held"]);
    assert_eq!(report["held"].as_array().unwrap().len(), 4);
    assert_eq!(rows(&rig), 9, "held");

    let topic = format!("{ROOT}/command/approve");
    let answer = |rig: &Rig, id: &str| {
        let responses = rig.watcher.on_topic(&format!("{topic}/response"));
        responses.into_iter().find(|message| message.json()["id"] == id)
    };
    rig.broker.publish(&topic, &json!({"id": "one", "plan": "no such plan"}).to_string(), &[]);
    let wrong = rig.until("an answer", 10, |rig| answer(rig, "one")).await;
    assert!(wrong.json()["ok"] == false && wrong.json()["error"].is_string() && !wrong.retained, "{wrong:?}");
    let plan = rig.said("alert/guard").unwrap()["detail"]["plan"].clone();
    rig.broker.publish(&topic, &json!({"id": "two", "plan": plan}).to_string(), &[]);
    let right = rig.until("an answer", 10, |rig| answer(rig, "two")).await;
    assert_eq!(right.json()["ok"], true, "{right:?}");
    rig.until("the approved removals", 20, |rig| (rows(rig) == 5).then_some(())).await;
    rig.until_alert("guard", false, 10).await;

    for booking in &bookings[4..8] {
        rig.nexudus(|site| site.cancel_booking(*booking)).unwrap();
    }
    held(&mut rig, 4).await;
    let done = rig.verb(&["apply", "--yes", "--json"]).await;
    assert_eq!(done.exit, 0, "{done:?}");
    assert_eq!(rows(&rig), 1, "only Zoe is left");
    rig.until_alert("guard", false, 10).await;
    rig.finish().await;
}

/// A list that comes back empty, or short of rows that nothing says are gone, takes nothing from anybody; one that
/// has really silently gone takes two readings.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_5_a_list_that_comes_back_empty_takes_nothing() {
    let (mut rig, bookings) = eight(|settings| {
        settings.set("nexudus.changes", r#""10s""#).set("nexudus.refresh", r#""5s""#);
    })
    .await;
    rig.nexudus.lock().unwrap().switch(|switches| {
        switches.lists.insert("Booking".to_owned(), ListFault { keep: Some(0), ..ListFault::default() });
    });
    let readings = |rig: &Rig| rig.nexudus_calls(WHOLE);
    let before = readings(&rig);
    rig.until("three readings of nothing", 60, |rig| (readings(rig) >= before + 3).then_some(())).await;
    rig.until_roster_read(1, 20).await;
    assert_eq!(rows(&rig), 8, "an empty list is no reading");

    let gone = bookings[0];
    rig.nexudus.lock().unwrap().switch(|switches| {
        let hide = BTreeSet::from([gone]);
        switches.lists.insert("Booking".to_owned(), ListFault { hide, ..ListFault::default() });
    });
    let before = readings(&rig);
    rig.until_no_row("Ada", rig.boardroom.group, 60).await;
    assert!(readings(&rig) >= before + 2, "on the strength of one reading");
    assert_eq!(rows(&rig), 7);
    rig.finish().await;
}

/// What is held is told after a restart too, with both clouds away, and is not carried out; an approval covers that
/// list alone, and what is no longer wanted is let go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_5_what_is_held_survives_a_restart_and_an_approval_covers_its_list_alone() {
    let (mut rig, bookings) = eight(|settings| {
        settings.set("access.no_access_after", r#""0s""#);
    })
    .await;
    let group = rig.boardroom.group;
    for booking in &bookings[..4] {
        rig.nexudus(|site| site.cancel_booking(*booking)).unwrap();
    }
    let alert = held(&mut rig, 4).await;
    let plan = alert["detail"]["plan"].clone();
    rig.stop().await;
    rig.kisi(|kisi, _| kisi.faults.down = true);
    rig.nexudus.lock().unwrap().faults.down = true;
    rig.watch_anew().await;
    rig.start();
    let told = rig
        .until("what is held to be told again", 15, |rig| {
            let messages = rig.watcher.on_topic(&format!("{ROOT}/alert/guard"));
            let mut told = messages.into_iter().filter(|message| !message.retained).map(|message| message.json());
            told.find(|alert| alert["active"] == true)
        })
        .await;
    assert_eq!(told["detail"]["plan"], plan, "under the same id");
    for removal in told["detail"]["removals"].as_array().unwrap() {
        assert!(
            removal["reason"]["kind"] == "booking" && removal["reason"]["id"].is_i64(),
            "with its reason: {removal}"
        );
    }
    let page = rig.get("/").unwrap().1;
    assert!(page.contains(plan.as_str().unwrap()), "and on the page");
    rig.kisi(|kisi, _| kisi.faults.down = false);
    rig.nexudus.lock().unwrap().faults.down = false;
    rig.gateway.as_ref().unwrap().signal("HUP");
    rig.ready().await;
    rig.until_roster_read(1, 60).await;
    assert_eq!(rows(&rig), 8, "still held");

    // One comes back: it is let go, and the rest has an id of its own.
    let (from, to) = (rig.in_min(-10), rig.in_min(60));
    rig.book(90_210, BOARDROOM, from, to);
    let three = held(&mut rig, 3).await;
    assert_ne!(three["detail"]["plan"], plan);
    let yes = rig.verb(&["apply", "--yes", "--json"]).await;
    assert_eq!(yes.exit, 0, "{yes:?}");
    assert_eq!(rows(&rig), 5);
    // Three more within the hour are judged anew.
    for booking in &bookings[4..7] {
        rig.nexudus(|site| site.cancel_booking(*booking)).unwrap();
    }
    let alert = held(&mut rig, 3).await;
    assert!(alert["message"].as_str().unwrap().contains("3 of"), "{alert}");
    assert_eq!(rows(&rig), 5);
    assert!(rig.row("Ada", group).is_some(), "who came back");
    rig.finish().await;
}

/// An approval that was answered holds, whatever comes right after the answer: killed at that moment, the next run
/// makes just what was approved, and the same command is not obeyed twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_7_an_approval_that_was_answered_outlives_a_kill() {
    let (mut rig, bookings) = eight(|settings| {
        settings.set("mqtt.commands", r#"["approve"]"#);
    })
    .await;
    for booking in &bookings[..4] {
        rig.nexudus(|site| site.cancel_booking(*booking)).unwrap();
    }
    let alert = held(&mut rig, 4).await;
    // Kisi is slow, so that nothing of it is done before the kill.
    rig.kisi(|kisi, _| kisi.faults.add(Rule::on("/role_assignments", Effect::Hang)));
    let command = json!({"id": "let-them-go", "plan": alert["detail"]["plan"]}).to_string();
    let topic = format!("{ROOT}/command/approve");
    rig.broker.publish(&topic, &command, &[]);
    let answer = rig.until("the answer", 10, |rig| rig.said("command/approve/response")).await;
    rig.kill();
    assert_eq!(answer["ok"], true, "{answer}");
    assert_eq!(rows(&rig), PEOPLE.len(), "killed before anything was done");
    rig.kisi(|kisi, _| kisi.faults.clear());
    rig.start_ready().await;
    rig.until("the approved removals", 30, |rig| (rows(rig) == PEOPLE.len() - 4).then_some(())).await;
    rig.watch_anew().await;
    rig.broker.publish(&topic, &command, &[]);
    let again = rig.until("an answer", 10, |rig| rig.said("command/approve/response")).await;
    assert_eq!(again["ok"], false, "{again}");
    rig.finish().await;
}
