//! Contract 4: commands over MQTT.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::rig::{BOARDROOM, ROOT, Rig};
use super::shape::has_keys;

/// Sends a command and waits for the answer with its id.
async fn command(rig: &mut Rig, name: &str, payload: &Value) -> Value {
    command_with(rig, name, payload, &[]).await
}

/// The same, with more arguments for `mosquitto_pub`.
async fn command_with(rig: &mut Rig, name: &str, payload: &Value, more: &[&str]) -> Value {
    let topic = format!("{ROOT}/command/{name}");
    let before = rig.watcher.on_topic(&format!("{topic}/response")).len();
    rig.broker.publish(&topic, &payload.to_string(), more);
    let answer = rig
        .until(&format!("an answer to {payload}"), 15, |rig| {
            let answers = rig.watcher.on_topic(&format!("{topic}/response"));
            answers.into_iter().nth(before)
        })
        .await;
    assert!(!answer.retained);
    let answer = answer.json();
    assert!(answer["ok"] == true || answer["error"].is_string(), "{answer}");
    if let Some(id) = payload.get("id") {
        assert_eq!(answer["id"], *id, "{answer}");
    }
    answer
}

fn unlocks(rig: &Rig) -> usize {
    rig.kisi_calls("POST", "/locks/")
}

/// Each once, only those that are listed, none that is old or lay at the broker; over a restart too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_4_commands_are_obeyed_once_and_only_where_they_are_listed() {
    let mut rig = Rig::new(|settings| {
        settings.set("mqtt.commands", r#"["sync", "check", "unlock"]"#);
    })
    .await;
    rig.customer(90_210, "Ada");
    rig.book(90_210, BOARDROOM, rig.in_min(-5), rig.in_min(60));
    let lock = rig.boardroom.lock;
    let unlock = |rig: &Rig, id: &str, ago_s: i64| {
        let time = (rig.clock.wall() - TimeDelta::seconds(ago_s)).to_rfc3339();
        json!({"id": id, "door": lock, "time": time})
    };
    // One that lies at the broker as the gateway comes.
    let lying = unlock(&rig, "lying", 0).to_string();
    rig.broker.publish(&format!("{ROOT}/command/unlock"), &lying, &["-r"]);
    rig.start_ready().await;
    rig.until("Ada's row", 20, |rig| rig.row("Ada", rig.boardroom.group)).await;

    let check = command(&mut rig, "check", &json!({"id": "1", "person": "ada@example.org", "door": lock})).await;
    has_keys(&check, &["ok", "id", "allowed", "reason", "until", "as_of", "clock"]);
    assert_eq!((&check["ok"], &check["allowed"], &check["clock"]), (&json!(true), &json!(true), &json!("verified")));
    let elsewhere = json!({"id": "2", "person": 90_210, "group": rig.oak.group});
    let elsewhere = command(&mut rig, "check", &elsewhere).await;
    assert_eq!((&elsewhere["ok"], &elsewhere["allowed"]), (&json!(true), &json!(false)));

    assert_eq!(unlocks(&rig), 0, "what lies at the broker is not obeyed");
    let now = unlock(&rig, "3", 0);
    assert_eq!(command(&mut rig, "unlock", &now).await["ok"], true);
    assert_eq!(unlocks(&rig), 1);
    let old = unlock(&rig, "4", 11);
    assert_eq!(command(&mut rig, "unlock", &old).await["ok"], false, "older than 10 s");
    let again = unlock(&rig, "3", 0);
    assert_eq!(command(&mut rig, "unlock", &again).await["ok"], false, "an id counts once");
    assert_eq!(command(&mut rig, "sync", &json!({})).await["ok"], false, "an id is required");
    assert_eq!(command(&mut rig, "pause", &json!({"id": "5"})).await["ok"], false, "not listed");
    assert_eq!(command(&mut rig, "sync", &json!({"id": "6"})).await["ok"], true);
    rig.broker.publish(&format!("{ROOT}/command/sync"), "no JSON", &[]);

    rig.stop().await;
    rig.start_ready().await;
    let after = unlock(&rig, "3", 0);
    assert_eq!(command(&mut rig, "unlock", &after).await["ok"], false, "an id counts once, over restarts too");
    assert_eq!(unlocks(&rig), 1);
    assert_eq!(rig.status().map(|status| status["paused"] == true), Some(false));
    rig.finish().await;
}

/// Published with the retain flag while the gateway is there, which MQTT 3.1.1 does not show it: refused, nothing
/// happens at Kisi, and nothing does after a restart; the same without the flag is obeyed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_4_a_retained_message_is_never_obeyed() {
    let mut rig = Rig::new(|settings| {
        settings.set("mqtt.commands", r#"["unlock", "pause", "resume"]"#);
    })
    .await;
    rig.start_ready().await;
    let lock = rig.boardroom.lock;
    let unlock = |rig: &Rig, id: &str| json!({"id": id, "door": lock, "time": rig.clock.wall().to_rfc3339()});
    let kept = unlock(&rig, "kept");
    for (name, payload) in [("unlock", kept), ("pause", json!({"id": "kept too"}))] {
        let refused = command_with(&mut rig, name, &payload, &["-r"]).await;
        assert!(refused["error"].as_str().unwrap().contains("retain"), "{refused}");
    }
    let passing = unlock(&rig, "passing");
    assert_eq!(command(&mut rig, "unlock", &passing).await["ok"], true);
    assert_eq!(unlocks(&rig), 1);
    for name in ["pause", "resume"] {
        assert_eq!(command(&mut rig, name, &json!({ "id": name })).await["ok"], true, "{name}");
    }
    rig.until("work to go on", 10, |rig| (rig.status()?["paused"] == false).then_some(())).await;

    rig.stop().await;
    rig.start_ready().await;
    let passing = unlock(&rig, "passing, later");
    assert_eq!(command(&mut rig, "unlock", &passing).await["ok"], true, "commands are heard again");
    assert_eq!(unlocks(&rig), 2);
    assert_eq!(rig.status().map(|status| status["paused"] == true), Some(false));
    rig.finish().await;
}
