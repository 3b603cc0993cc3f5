//! Promise 4: no event lost, and each just as contract 3 has it.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use gatehouse::twin::kisi::{Assignment, Creator, DeniedAs, Happening, Id};
use serde_json::{Value, json};

use super::rig::{Moment, ROOT, Rig};
use super::shape::{has_keys, keys};

/// Every event's keys; `person` by `mqtt.people`.
const EVENT: [&str; 11] =
    ["uuid", "time", "type", "door", "success", "error", "person", "by", "received_at", "replayed", "late"];

/// The events of a door that have come, each once, in the order in which each came first.
fn came(rig: &Rig, lock: Id) -> Vec<Value> {
    let mut known = BTreeSet::new();
    let messages = rig.watcher.on_topic(&format!("{ROOT}/door/{lock}/event"));
    let events = messages.iter().map(|message| message.json());
    events.filter(|event| known.insert(event["uuid"].as_str().unwrap().to_owned())).collect()
}

async fn until_came(rig: &mut Rig, lock: Id, uuids: &[String], seconds: u64) {
    let all = |rig: &mut Rig| {
        let events = came(rig, lock);
        let has = |uuid: &String| events.iter().any(|event| event["uuid"] == **uuid);
        uuids.iter().all(has).then_some(())
    };
    rig.until("every event to come", seconds, all).await;
}

/// Those marked `late` apart, a door's events come in the order of their times.
fn in_order(events: &[Value]) {
    let times: Vec<Moment> = events
        .iter()
        .filter(|event| event["late"] == false)
        .map(|event| event["time"].as_str().unwrap().parse().unwrap())
        .collect();
    assert!(times.is_sorted(), "{times:?}");
}

fn tap(rig: &Rig, user: Id, lock: Id) -> String {
    rig.kisi(|kisi, now| kisi.tap(user, lock, now).event)
}

/// Opened, denied, denied at the reader, and what is no door's; of before the first start, nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_3_an_event_is_published_with_all_its_keys() {
    let mut rig = Rig::new(|_| ()).await;
    rig.customer(90_210, "Ada");
    rig.book(90_210, super::rig::BOARDROOM, rig.in_min(-5), rig.in_min(60));
    let stranger = rig.kisi(|kisi, now| kisi.add_person("eve@example.net", "Eve", now));
    let early = rig.kisi(|kisi, now| {
        let door = ("Lock", rig.boardroom.lock, "Boardroom");
        let hour_ago = Some(now - TimeDelta::minutes(1));
        kisi.emit(Happening { created_at: hour_ago, ..Happening::of("lock.unlock", None, door) }, now)
    });
    rig.start_ready().await;
    let lock = rig.boardroom.lock;
    rig.until("Ada's row", 20, |rig| rig.row("Ada", rig.boardroom.group)).await;
    let ada = rig.user("Ada").unwrap();
    let opened = tap(&rig, ada, lock);
    let denied = tap(&rig, stranger, lock);
    rig.kisi(|kisi, _| kisi.switch(|switches| switches.denied_as = DeniedAs::ReaderAccess));
    let at_reader = tap(&rig, stranger, lock);
    let uuids = [opened.clone(), denied.clone(), at_reader.clone()];
    until_came(&mut rig, lock, &uuids, 10).await;

    let events = came(&rig, lock);
    let event = |uuid: &str| events.iter().find(|event| event["uuid"] == uuid).unwrap();
    for event in &events {
        has_keys(event, &EVENT);
        assert_eq!(event["door"], json!({"id": lock, "name": "Boardroom"}));
        assert!(
            event["time"].as_str().unwrap().ends_with('Z') && event["received_at"].as_str().unwrap().ends_with('Z')
        );
        assert_eq!((&event["replayed"], &event["late"]), (&json!(false), &json!(false)));
        assert_eq!(event["by"], "card");
    }
    let ok = event(&opened);
    assert_eq!((&ok["type"], &ok["success"], &ok["error"]), (&json!("lock.unlock"), &json!(true), &Value::Null));
    assert_eq!(ok["person"], json!({"id": ada, "customer": 90_210}), "`people` is id: no name");
    let no = event(&denied);
    assert_eq!((&no["success"], &no["error"]["code"]), (&json!(false), &json!("fcd8ef")));
    assert!(no["error"]["message"].is_string());
    assert_eq!(no["person"], json!({"id": stranger}));
    assert_eq!(event(&at_reader)["type"], "reader.access", "a reader's event goes to its door");
    assert!(events.iter().all(|event| event["uuid"] != early), "the record begins at the first start");
    let messages = rig.watcher.seen();
    assert!(messages.iter().all(|m| !m.topic.ends_with("/event") || !m.retained));

    let other = rig.until("another event", 10, |rig| rig.said("event/role_assignment.create")).await;
    has_keys(&other, &["uuid", "time", "type", "success", "received_at", "replayed", "late"]);
    let verb = rig.verb(&["events", "--json"]).await;
    assert_eq!(verb.exit, 0, "{verb:?}");
    let lines: Vec<Value> = verb.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kept = lines.iter().find(|event| event["uuid"] == opened.as_str()).unwrap();
    assert_eq!(keys(kept), keys(ok), "a line is one event's payload");
    let of_oak = rig.verb(&["events", "--json", "--door", &rig.oak.lock.to_string()]).await;
    assert_eq!((of_oak.exit, of_oak.stdout.as_str()), (0, ""));
    rig.finish().await;
}

/// The broker is killed, the gateway's power cut while it is away, Kisi's cloud too: what was tapped meanwhile comes,
/// each at least once and in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_4_no_event_is_lost_over_the_broker_the_box_and_the_internet() {
    let mut rig = Rig::new(|settings| {
        // The events alone, so that nothing but they has to be waited for.
        settings.set("nexudus.changes", r#""20s""#).set("kisi.roster", r#""60s""#);
    })
    .await;
    let lock = rig.oak.lock;
    let ben = rig.kisi(|kisi, now| {
        let ben = kisi.add_person("ben@example.org", "Ben", now);
        kisi.add_assignment(Assignment::in_group(ben, rig.oak.group, Creator::User(rig.office)), now);
        ben
    });
    rig.start_ready().await;
    let mut uuids = vec![tap(&rig, ben, lock)];
    until_came(&mut rig, lock, &uuids, 10).await;

    // The broker dies, with all that it had; what is read meanwhile is kept by the gateway.
    let kept = |rig: &Rig| rig.kisi_calls("POST", "/event_sets");
    rig.gate.close();
    rig.broker.kill();
    for _ in 0..3 {
        uuids.push(tap(&rig, ben, lock));
        let before = kept(&rig);
        rig.until("Kisi's events to be asked for", 10, |rig| (kept(rig) >= before + 2).then_some(())).await;
    }
    rig.kill();
    uuids.push(tap(&rig, ben, lock));
    rig.start_ready().await;
    uuids.push(tap(&rig, ben, lock));
    rig.broker.run().await;
    rig.watch_anew().await;
    rig.gate.open();
    let missed = uuids[1..].to_vec();
    until_came(&mut rig, lock, &missed, 20).await;
    in_order(&came(&rig, lock));

    // The internet goes, and Kisi uploads what its doors did.
    rig.until("all to be well", 15, |rig| rig.status().filter(|s| s["kisi"]["state"] == "online")).await;
    rig.kisi(|kisi, _| kisi.faults.down = true);
    rig.until("Kisi to be missed", 15, |rig| rig.status().filter(|s| s["kisi"]["state"] == "offline")).await;
    let during = tap(&rig, ben, lock);
    rig.until_alert("kisi", true, 15).await;
    rig.kisi(|kisi, _| kisi.faults.down = false);
    until_came(&mut rig, lock, std::slice::from_ref(&during), 20).await;
    let events = came(&rig, lock);
    in_order(&events);
    let late = events.iter().find(|event| event["uuid"] == during.as_str()).unwrap();
    assert_eq!(late["replayed"], true, "read after an outage: {late}");
    rig.finish().await;
}
