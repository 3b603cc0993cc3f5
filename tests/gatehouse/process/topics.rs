//! Contract 3: what lies at the broker.

use chrono::TimeDelta;
use gatehouse::twin::faults::{Effect, Rule, Tamper};
use serde_json::Value;

use super::rig::{BOARDROOM, Moment, ROOT, Rig};
use super::shape::has_keys;

fn availability(rig: &Rig) -> Option<String> {
    rig.watcher.last(&format!("{ROOT}/availability")).map(|message| message.payload)
}

fn moment(value: &Value) -> Moment {
    let text = value.as_str().unwrap_or_else(|| panic!("no time: {value}"));
    assert!(text.ends_with('Z'), "in UTC: {text}");
    text.parse().unwrap()
}

/// Each key of the table, with a value of its kind.
fn status_is_whole(status: &Value) {
    has_keys(
        status,
        &[
            "version",
            "started_at",
            "time",
            "valid_until",
            "paused",
            "clock",
            "nexudus",
            "kisi",
            "broker",
            "pace",
            "counts",
            "next_change_at",
            "last_sync",
        ],
    );
    assert!(moment(&status["started_at"]) <= moment(&status["time"]));
    assert!(moment(&status["time"]) < moment(&status["valid_until"]));
    assert_eq!((&status["paused"], &status["clock"]["trusted"]), (&Value::Bool(false), &Value::Bool(true)));
    let offset = status["clock"]["offset_ms"].as_i64().unwrap();
    assert!(offset.abs() <= 2_000, "one machine, one clock: {offset} ms");
    for cloud in ["nexudus", "kisi", "broker"] {
        has_keys(&status[cloud], &["state", "since", "last_success", "error"]);
        assert_eq!(status[cloud]["state"], "online", "{status}");
        moment(&status[cloud]["since"]);
        moment(&status[cloud]["last_success"]);
    }
    assert!(status["pace"]["changes_s"].as_u64().unwrap() >= 2 && status["pace"]["refresh_s"].as_u64().unwrap() >= 10);
    for count in ["people", "grants", "open_now", "assignments", "pending", "held", "outbox"] {
        assert!(status["counts"][count].is_u64(), "{count} in {status}");
    }
    let did = ["at", "took_ms", "added", "moved", "removed", "suspended", "restored", "deleted"];
    has_keys(&status["last_sync"], &did);
    moment(&status["last_sync"]["at"]);
}

/// The last will, the goodbye, and all that is retained; once more after the broker has forgotten everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_3_what_is_retained_is_whole_and_is_there_again_after_the_broker_died() {
    let mut rig = Rig::new(|settings| {
        settings.set("kisi.state", r#""1s""#);
    })
    .await;
    rig.customer(90_210, "Ada");
    let end = rig.in_min(60);
    rig.book(90_210, BOARDROOM, rig.in_min(-5), end);
    // Something that has to be said in alert/links: a customer who can't be let in.
    rig.nexudus(|site| site.add_customer(5, "No Mail", None)).unwrap();
    rig.book(5, BOARDROOM, rig.in_min(-5), end);
    rig.start();
    rig.until("a hello", 10, |rig| availability(rig).filter(|said| said == "online")).await;
    let open = |rig: &mut Rig| rig.status().filter(|s| s["counts"]["open_now"] == 1 && s["counts"]["assignments"] == 1);
    let status = rig.until("a status with Ada in it", 20, open).await;
    status_is_whole(&status);
    assert_eq!(moment(&status["next_change_at"]), end + TimeDelta::minutes(15));
    let lock = rig.boardroom.lock;
    let door = rig.until("a door", 15, |rig| rig.said(&format!("door/{lock}/state"))).await;
    has_keys(&door, &["id", "name", "online", "unlocked", "open", "locked_down", "last_event"]);
    assert_eq!((&door["id"], &door["name"], &door["online"]), (&lock.into(), &"Boardroom".into(), &true.into()));
    // A door that goes offline with no event is seen so.
    rig.kisi(|kisi, _| kisi.edit_lock(lock, |lock| lock.online = None));
    let unknown = |rig: &mut Rig| rig.said(&format!("door/{lock}/state")).filter(|door| door["online"].is_null());
    rig.until("an unknown door to be null", 10, unknown).await;
    rig.until_alert("links", true, 15).await;

    // The broker forgets everything; a subscriber that comes later finds it.
    rig.gate.close();
    rig.broker.kill();
    rig.broker.run().await;
    rig.gate.open();
    let wanted = |rig: &Rig| {
        let seen = rig.watcher.seen();
        let there: Vec<&str> = seen.iter().filter(|m| m.retained).map(|m| m.topic.as_str()).collect();
        let with = |part: &str, end: &str| {
            let prefix = format!("{ROOT}/{part}");
            there.iter().any(|topic| topic.starts_with(&prefix) && topic.ends_with(end))
        };
        let all = with("availability", "") && with("status", "") && with("alert/links", "");
        let states = with("door/", "/state") && with("controller/", "/state") && with("reader/", "/state");
        all && states
    };
    let begun = rig.now();
    while !wanted(&rig) {
        assert!(rig.now() - begun < TimeDelta::seconds(20), "retained: {:?}", rig.watcher.seen());
        rig.watch_anew().await;
    }
    let seen = rig.watcher.seen();
    for message in seen.iter().filter(|message| message.retained && message.topic.starts_with(ROOT)) {
        assert!(!message.topic.ends_with("/event") && !message.topic.ends_with("membership"), "{message:?}");
        if message.topic.contains("/controller/") {
            has_keys(&message.json(), &["id", "name", "online", "model"]);
        } else if message.topic.contains("/reader/") {
            has_keys(&message.json(), &["id", "name", "online", "model", "door", "tampered"]);
        } else if message.topic.contains("/alert/") {
            has_keys(&message.json(), &["active", "since", "message", "detail"]);
        }
    }

    rig.kill();
    rig.until("the last will", 10, |rig| availability(rig).filter(|said| said == "offline")).await;
    rig.start_ready().await;
    rig.until("a hello", 10, |rig| availability(rig).filter(|said| said == "online")).await;
    rig.stop().await;
    rig.until("a goodbye", 5, |rig| availability(rig).filter(|said| said == "offline")).await;
    rig.finish().await;
}

/// Issue 6: a door, a reader and a controller that were removed in Kisi while no gateway ran are cleared by the next
/// one; not by readings that came short.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_3_what_was_removed_while_no_gateway_ran_is_cleared() {
    let mut rig = Rig::new(|settings| {
        settings.set("kisi.state", r#""1s""#);
    })
    .await;
    rig.start_ready().await;
    let (gone, stays) = (rig.oak.lock, rig.club.lock);
    let state = |rig: &Rig, id| rig.watcher.last(&format!("{ROOT}/door/{id}/state")).map(|message| message.payload);
    rig.until("both doors", 15, |rig| state(rig, gone).and(state(rig, stays))).await;
    rig.until("a reader", 5, |rig| rig.watcher.seen().into_iter().find(|m| m.topic.contains("/reader/"))).await;
    let readers = |rig: &Rig| {
        let mut lying = std::collections::BTreeMap::new();
        let of_readers = rig.watcher.seen().into_iter().filter(|message| message.topic.contains("/reader/"));
        of_readers.for_each(|message| _ = lying.insert(message.topic, message.payload));
        lying.values().filter(|payload| !payload.is_empty()).count()
    };
    assert_eq!(readers(&rig), 5);
    rig.stop().await;
    rig.kisi(|kisi, _| kisi.remove_lock(gone));
    // The first row of each list is one that makes no sense: what it was is not known.
    let spoilt = Tamper { remove: vec!["id".to_owned()], row: Some(0), ..Tamper::default() };
    rig.kisi(|kisi, _| kisi.faults.add(Rule::on("/locks", Effect::Tamper(spoilt))));
    rig.start();
    rig.until("a status", 10, |rig| rig.status().filter(|status| status["nexudus"]["state"] == "online")).await;
    let before = rig.kisi_calls("GET", "/locks");
    rig.until("readings that came short", 20, |rig| (rig.kisi_calls("GET", "/locks") > before + 3).then_some(())).await;
    for room in [rig.boardroom, rig.oak, rig.club, rig.desks, rig.members] {
        assert_ne!(state(&rig, room.lock).as_deref(), Some(""), "not for a reading that came short");
    }
    rig.kisi(|kisi, _| kisi.faults.clear());
    rig.until("the door to be cleared", 20, |rig| state(rig, gone).filter(String::is_empty)).await;
    rig.until("its reader to be cleared", 5, |rig| (readers(rig) == 4).then_some(())).await;
    assert!(state(&rig, stays).is_some_and(|payload| !payload.is_empty()));
    rig.finish().await;
}
