//! `alert.url`: each change of an alert, posted once.

use std::time::Duration;

use gatehouse::twin::faults::{Effect, Rule};
use serde_json::json;

use super::gateway::KISI_KEY;
use super::receiver::{Mood, Receiver};
use super::rig::{BOARDROOM, Rig};

/// A path as chats have it: whoever knows it may write there.
const PATH: &str = "services/T0F4/x7Kq-alert-token-51ce";

async fn posting(receiver: &Receiver) -> Rig {
    let url = format!("\"http://127.0.0.1:{}/{PATH}\"", receiver.port);
    let mut rig = Rig::new(|settings| {
        settings.set("alert.url", &url);
    })
    .await;
    rig.secrets.push(PATH.to_owned());
    rig
}

/// Raised and cleared, each is told once, though the receiver fails at first; while it takes calls and never answers,
/// doors go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_2_each_change_of_an_alert_is_posted_once_and_nothing_waits_for_it() {
    let receiver = Receiver::start().await;
    let mut rig = posting(&receiver).await;
    rig.customer(90_210, "Ada");
    rig.start_ready().await;
    receiver.is(Mood::Status(503));
    rig.nexudus.lock().unwrap().faults.add(Rule::on("", Effect::Refuse));
    rig.until("a letter that was not taken", 30, |_| (!receiver.letters().is_empty()).then_some(())).await;
    receiver.is(Mood::Status(200));
    rig.until("the alert's letter", 20, |_| (receiver.taken("nexudus") == [true]).then_some(())).await;
    let letter = receiver.letters().into_iter().find(|letter| letter.taken).unwrap();
    assert!(letter.head.starts_with(&format!("POST /{PATH} HTTP/1.1")), "{}", letter.head);
    assert!(letter.head.to_lowercase().contains("content-type: application/json"), "{}", letter.head);
    let (body, said) = (letter.body, rig.said("alert/nexudus").unwrap());
    assert_eq!(
        (&body["site"], &body["alert"], &body["active"]),
        (&json!("harbour-house"), &json!("nexudus"), &json!(true))
    );
    assert_eq!((&body["since"], body["detail"].is_object()), (&said["since"], true));
    let text = body["text"].as_str().unwrap();
    assert!(text.contains("harbour-house") && text.contains("Nexudus") && body["content"] == body["text"], "{text}");

    receiver.is(Mood::Silent);
    rig.nexudus.lock().unwrap().faults.clear();
    rig.until_alert("nexudus", false, 90).await;
    let before = receiver.letters().len();
    rig.until("a letter that gets no answer", 10, |_| (receiver.letters().len() >= before).then_some(())).await;
    rig.book(90_210, BOARDROOM, rig.in_min(-5), rig.in_min(60));
    rig.until("Ada's row", 20, |rig| rig.row("Ada", rig.boardroom.group)).await;
    receiver.is(Mood::Status(200));
    rig.until("the end of the alert", 40, |_| (receiver.taken("nexudus") == [true, false]).then_some(())).await;
    rig.finish().await;
}

/// What the receiver knows is not told again after a restart; one that says 'no such hook' is not asked for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_2_a_restart_posts_nothing_twice_and_a_refusal_is_final() {
    let receiver = Receiver::start().await;
    let mut rig = posting(&receiver).await;
    rig.kisi(|kisi, _| kisi.turn_key(KISI_KEY, Some(401), None));
    rig.start();
    rig.until("the letter", 30, |_| (receiver.taken("credentials") == [true]).then_some(())).await;
    rig.stop().await;
    rig.watch_anew().await;
    rig.start();
    rig.until_alert("kisi", true, 30).await;
    rig.clock.sleep(Duration::from_secs(3)).await;
    assert_eq!(receiver.taken("credentials"), [true], "told twice");
    receiver.is(Mood::Status(404));
    rig.nexudus.lock().unwrap().faults.add(Rule::on("", Effect::Refuse));
    rig.until("the refusal to be logged", 30, |rig| rig.logged().contains("does not take this alert").then_some(()))
        .await;
    rig.clock.sleep(Duration::from_secs(5)).await;
    let letters = receiver.letters();
    let mut refused: Vec<_> = letters.iter().filter(|letter| !letter.taken).map(|letter| &letter.body).collect();
    let tries = refused.len();
    refused.dedup();
    assert_eq!(tries, refused.len(), "a refusal is final: {refused:?}");
    rig.finish().await;
}
