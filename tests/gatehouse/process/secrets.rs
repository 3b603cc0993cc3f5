//! Promise 8 on a run that has every secret there is, at the most talkative log: keys, passwords, tokens, the address of
//! the alerts' receiver, hooks' secrets, PINs and card numbers; and people where `mqtt.people` keeps them out.

use gatehouse::twin::nexudus::Entity;
use serde_json::json;

use super::gateway::KISI_KEY;
use super::receiver::Receiver;
use super::rig::{BOARDROOM, PASSWORD, Rig};
use super::sought::holds;

const ALERT_PATH: &str = "services/T0F4/x7Kq-alert-token-51ce?key=q9-alert-key";
const BROKER_PASSWORD: &str = "broker-password-1f6a";
const NEXUDUS_HOOK: &str = "nexudus-hook-0d41e7";
const KISI_HOOK: &str = "kisi-hook-92bb58";
const NEW_PASSWORD: &str = "another password 77";
const PIN: &str = "7351984620";
const CARD: &str = "AC-5519-0042-88";
const FOB: &str = "KF-0091-7712";
const PEOPLE: [&str; 3] = ["Ada Lovelace", "Lovelace", "ada@example.org"];

/// Through a revoked token, a crash, a refused key and a refused password: [`Rig::finish`] looks into log, topics and
/// store in every form, and here pages and verbs are looked at as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_8_secrets_and_people_are_nowhere_where_they_may_not_be() {
    let receiver = Receiver::start().await;
    let url = format!("\"http://127.0.0.1:{}/{ALERT_PATH}\"", receiver.port);
    let mut rig = Rig::new(|settings| {
        settings
            .set("mqtt.people", r#""none""#)
            .set("mqtt.username", r#""gateway""#)
            .set("mqtt.password", r#"{ file = "broker-password" }"#)
            .set("hooks.nexudus_secret", r#"{ file = "nexudus-hook" }"#)
            .set("hooks.kisi_secret", r#"{ file = "kisi-hook" }"#)
            .set("alert.url", &url);
    })
    .await;
    rig.write("broker-password", BROKER_PASSWORD);
    rig.write("nexudus-hook", NEXUDUS_HOOK);
    rig.write("kisi-hook", KISI_HOOK);
    let planted = [ALERT_PATH, "x7Kq-alert-token-51ce", "q9-alert-key", BROKER_PASSWORD, NEXUDUS_HOOK, KISI_HOOK];
    rig.secrets.extend(planted.into_iter().chain([NEW_PASSWORD, PIN, CARD, FOB]).map(str::to_owned));
    rig.logs = "trace";
    rig.customer(90_210, "Ada");
    rig.nexudus(|site| {
        let card = json!({"FullName": "Ada Lovelace", "AccessPincode": PIN, "AccessCardId": CARD, "KeyFobNumber": FOB});
        site.set(Entity::Coworker, 90_210, card).unwrap();
    });
    rig.book(90_210, BOARDROOM, rig.in_min(-5), rig.in_min(60));
    rig.start_ready().await;
    rig.until("Ada's row", 20, |rig| rig.row("Ada", rig.boardroom.group)).await;
    let (user, lock) = (rig.user("Ada").unwrap(), rig.boardroom.lock);
    rig.kisi(|kisi, now| kisi.tap(user, lock, now));
    let door = format!("{}/door/{lock}/event", super::rig::ROOT);
    rig.until("the event", 15, |rig| rig.watcher.last(&door)).await;
    rig.nexudus.lock().unwrap().revoke_tokens();
    let before = rig.nexudus_calls("/api/token");
    rig.until("a new sign-in", 15, |rig| (rig.nexudus_calls("/api/token") > before).then_some(())).await;
    rig.kill();
    rig.start_ready().await;

    let mut said = String::new();
    for verb in
        [&["status", "--json"][..], &["check", "--json"], &["plan"], &["events", "--json"], &["explain", "90210"]]
    {
        let output = rig.verb(verb).await;
        said.push_str(&format!("{verb:?}\n{}\n{}\n", output.stdout, output.stderr));
    }
    let mut pages = String::new();
    for path in ["/", "/healthz", "/readyz", "/metrics", "/nothing"] {
        pages.push_str(&rig.get(path).unwrap().1);
    }

    rig.kisi(|kisi, _| kisi.turn_key(KISI_KEY, Some(401), None));
    rig.nexudus.lock().unwrap().set_password(NEW_PASSWORD);
    rig.nexudus.lock().unwrap().revoke_tokens();
    rig.until_alert("credentials", true, 20).await;
    rig.until("its letter", 20, |_| receiver.taken("credentials").first().copied()).await;
    for path in ["/", "/healthz", "/metrics"] {
        pages.push_str(&rig.get(path).unwrap().1);
    }
    let refused = rig.verb(&["check", "--online"]).await;
    assert_eq!(refused.exit, 3, "{refused:?}");
    said.push_str(&format!("{}\n{}\n", refused.stdout, refused.stderr));
    let letters: String = receiver.letters().iter().map(|letter| letter.body.to_string()).collect();
    for secret in &rig.secrets {
        for (place, text) in [("a verb", &said), ("a page", &pages), ("a letter", &letters)] {
            assert!(!holds(text.as_bytes(), secret), "{place} holds {secret}");
        }
    }
    let topics: String = rig.watcher.seen().iter().map(|said| format!("{} {}\n", said.topic, said.payload)).collect();
    for person in PEOPLE {
        for (place, text) in [("a topic", &topics), ("a page", &pages), ("a letter", &letters)] {
            assert!(!holds(text.as_bytes(), person), "`people` is none, and {place} holds {person}");
        }
    }
    assert!(rig.logged().len() > 10_000, "the log is talkative");
    // A configuration that is wrong shows no more than one that is right.
    rig.settings
        .set("alert.url", &format!("\"http://hooks.example/{ALERT_PATH}\""))
        .set("kisi.api_key", "\"in clear 5a\"");
    rig.write("wrong.toml", &rig.settings.text());
    let path = rig.directory.path().join("wrong.toml");
    let wrong = rig.verb(&["check", "--config", path.to_str().unwrap()]).await;
    assert_eq!(wrong.exit, 2, "{wrong:?}");
    for secret in [ALERT_PATH, "x7Kq-alert-token-51ce", "in clear 5a", PASSWORD] {
        assert!(!holds(format!("{}{}", wrong.stdout, wrong.stderr).as_bytes(), secret), "{secret} in {wrong:?}");
    }
    rig.finish().await;
}
