//! Which requests are obeyed, against a real mosquitto: none that was published with the retain flag.

use gatehouse::clock::Clock;
use gatehouse::domain::LockId;
use gatehouse::mqtt::commands::Command;
use serde_json::{Value, json};

use super::super::mosquitto::Subscriber;
use super::{House, Mosquitto, hasty, house, real, start, wait_for};

const ROOT: &str = "gatehouse/house/command";

/// The answers to that id on any command's topic.
fn answers(subscriber: &Subscriber, id: &str) -> Vec<Value> {
    let seen = subscriber.seen().into_iter().filter(|(topic, _)| topic.ends_with("/response"));
    let answers = seen.map(|(_, payload)| serde_json::from_str::<Value>(&payload).unwrap());
    answers.filter(|answer| answer["id"] == id).collect()
}

async fn online(broker: &Mosquitto) -> House {
    let house = house(real(broker.port), Clock::system(), hasty());
    wait_for("online", || (house.state.borrow().last_success).map(drop)).await;
    house
}

/// Publishes, and waits for the answer.
async fn ask(broker: &Mosquitto, subscriber: &Subscriber, name: &str, payload: &Value, more: &[&str]) -> Value {
    broker.publish(&format!("{ROOT}/{name}"), &payload.to_string(), more);
    let id = payload["id"].as_str().unwrap();
    wait_for("an answer", || answers(subscriber, id).pop()).await
}

/// MQTT 3.1.1 does not show the flag to one who is there already: the broker is asked. A request that lies there does
/// not keep others from being obeyed.
#[tokio::test(flavor = "multi_thread")]
async fn contract_4_a_request_with_the_retain_flag_is_refused_while_connected_and_later() {
    let broker = Mosquitto::start().await;
    let subscriber = broker.subscriber().await;
    let first = online(&broker).await;
    let unlock = |id: &str| json!({"id": id, "door": 1, "time": start()});
    for (name, payload) in [("unlock", unlock("kept")), ("pause", json!({"id": "kept too"}))] {
        let refused = ask(&broker, &subscriber, name, &payload, &["-r"]).await;
        assert!(refused["ok"] == false && refused["error"].as_str().unwrap().contains("retain"), "{refused}");
    }
    assert!(first.handler.asked.lock().unwrap().is_empty());
    for (name, payload) in [("unlock", unlock("passing")), ("pause", json!({"id": "passing too"}))] {
        assert_eq!(ask(&broker, &subscriber, name, &payload, &[]).await["ok"], true, "{name}");
    }
    let obeyed = [Command::Unlock { door: LockId(1), time: start() }, Command::Pause];
    assert_eq!(*first.handler.asked.lock().unwrap(), obeyed);
    first.stop.cancel();
    first.task.await.unwrap();

    let second = online(&broker).await;
    assert_eq!(ask(&broker, &subscriber, "sync", &json!({"id": "later"}), &[]).await["ok"], true);
    assert_eq!(*second.handler.asked.lock().unwrap(), [Command::Sync], "nothing that lay there");
}

/// While a topic is looked at, a message on it comes twice: it is answered once, and none is passed over.
#[tokio::test(flavor = "multi_thread")]
async fn contract_4_requests_close_together_are_answered_once_each() {
    let broker = Mosquitto::start().await;
    let subscriber = broker.subscriber().await;
    let house = online(&broker).await;
    let ids: Vec<String> = (0..16).map(|number| format!("{number}")).collect();
    let lines: Vec<String> = ids.iter().map(|id| json!({ "id": id }).to_string()).collect();
    let file = broker.directory.path().join("lines");
    std::fs::write(&file, lines.join("\n")).unwrap();
    let port = broker.port.to_string();
    let topic = format!("{ROOT}/sync");
    let mut publisher = std::process::Command::new("mosquitto_pub");
    publisher.args(["-h", "127.0.0.1", "-p", &port, "-q", "1", "-l", "-t", &topic]);
    assert!(publisher.stdin(std::fs::File::open(&file).unwrap()).status().unwrap().success());
    wait_for("all answers", || ids.iter().all(|id| !answers(&subscriber, id).is_empty()).then_some(())).await;
    // One more, so that a second answer to one of them would have come by now.
    ask(&broker, &subscriber, "pause", &json!({"id": "last"}), &[]).await;
    for id in &ids {
        let answers = answers(&subscriber, id);
        assert!(answers.len() == 1 && answers[0]["ok"] == true, "{answers:?}");
    }
    assert_eq!(house.handler.asked.lock().unwrap().len(), ids.len() + 1);
}

/// A broker that does not show the gateway what it keeps can't tell: what could do harm is not done.
#[tokio::test(flavor = "multi_thread")]
async fn contract_4_where_the_broker_does_not_tell_only_what_is_harmless_is_done() {
    let rights = "topic write gatehouse/#\ntopic read gatehouse/house/command/#\n";
    let lines = "allow_anonymous true\nacl_file {dir}/acl\n";
    let broker = Mosquitto::start_with(lines, |dir| std::fs::write(dir.join("acl"), rights).unwrap()).await;
    let subscriber = broker.subscriber().await;
    let house = online(&broker).await;
    let pause = ask(&broker, &subscriber, "pause", &json!({"id": "a"}), &[]).await;
    assert!(pause["ok"] == false && pause["error"].as_str().unwrap().contains("availability"), "{pause}");
    assert_eq!(ask(&broker, &subscriber, "sync", &json!({"id": "b"}), &[]).await["ok"], true);
    assert_eq!(*house.handler.asked.lock().unwrap(), [Command::Sync]);
}
