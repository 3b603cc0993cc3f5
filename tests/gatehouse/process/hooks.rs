//! Webhooks, as the twins send them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use gatehouse::twin::kisi::{Integration, Signature, post_webhooks};
use gatehouse::twin::nexudus::hooks::action;

use super::rig::{BOARDROOM, LOCATION, ROOT, Rig};

const NEXUDUS_HOOK: &str = "nexudus-hook-0d41e7";
const KISI_HOOK: &str = "kisi-hook-92bb58";

/// A site at slow paces, with the secrets of both hooks.
async fn slow() -> Rig {
    let rig = Rig::new(|settings| {
        settings
            .set("nexudus.changes", r#""60s""#)
            .set("nexudus.refresh", r#""300s""#)
            .set("kisi.events", r#""60s""#)
            .set("kisi.roster", r#""300s""#)
            .set("kisi.state", r#""60s""#)
            .set("hooks.nexudus_secret", r#"{ file = "nexudus-hook" }"#)
            .set("hooks.kisi_secret", r#"{ file = "kisi-hook" }"#);
    })
    .await;
    rig.write("nexudus-hook", NEXUDUS_HOOK);
    rig.write("kisi-hook", KISI_HOOK);
    rig
}

/// Posts that, with whatever headers; the status of the answer.
fn post(rig: &Rig, path: &str, headers: &[(String, String)], body: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(("127.0.0.1", rig.web)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: box\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text.split(' ').nth(1).unwrap().parse().unwrap()
}

/// Sends what Nexudus has to send; the statuses of the answers.
fn send_nexudus(rig: &Rig) -> Vec<u16> {
    let calls = rig.nexudus(|site| site.pending_hooks());
    let sent = calls.into_iter().map(|call| {
        let status = post(rig, "/hooks/nexudus", &call.headers, &call.body);
        let result = if status == 200 { Ok(()) } else { Err("refused") };
        rig.nexudus(|site| site.hook_result(call.delivery, result));
        status
    });
    sent.collect()
}

fn watch_bookings(rig: &Rig) {
    rig.nexudus(|site| {
        site.set_hook_secret(Some(NEXUDUS_HOOK));
        for action in [action::BOOKING_CREATE, action::BOOKING_UPDATE, action::BOOKING_DELETE] {
            site.add_webhook(LOCATION, action, "https://gate.example/hooks/nexudus").unwrap();
        }
    });
}

/// At paces of a minute: what a hook tells of is in Kisi within three seconds, a booking of somebody new as well as its
/// move; a hook that is wrongly signed wakes nothing; and one that is sent again and again costs a few calls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_5_a_booking_made_with_a_hook_is_in_kisi_within_three_seconds_at_slow_paces() {
    let mut rig = slow().await;
    watch_bookings(&rig);
    rig.start_ready().await;
    let group = rig.boardroom.group;
    let (from, to) = (rig.in_min(-5), rig.in_min(60));
    let quarter = TimeDelta::minutes(15);

    rig.customer(90_210, "José");
    let booking = rig.book(90_210, BOARDROOM, from, to);
    let hooks = rig.nexudus(|site| site.pending_hooks());
    let [hook] = &hooks[..] else { panic!("one hook: {hooks:?}") };
    let mut forged = hook.headers.clone();
    forged.iter_mut().for_each(|(name, value)| {
        if name.ends_with("Signature") {
            *value = value.replace(|digit: char| digit.is_ascii_digit(), "7");
        }
    });
    let before = rig.nexudus_calls("");
    assert_eq!(post(&rig, "/hooks/nexudus", &forged, &hook.body), 401);
    assert_eq!(post(&rig, "/hooks/nexudus", &[], &hook.body), 401);
    rig.clock.sleep(Duration::from_secs(2)).await;
    assert_eq!(rig.nexudus_calls(""), before, "a wrong signature wakes nothing");
    assert_eq!(rig.row("José", group), None);

    assert_eq!(post(&rig, "/hooks/nexudus", &hook.headers, &hook.body), 200);
    rig.until_window("José", group, from - quarter, to + quarter, 3).await;
    rig.nexudus(|site| site.move_booking(booking, from, to + quarter)).unwrap();
    assert_eq!(send_nexudus(&rig), [200]);
    rig.until_window("José", group, from - quarter, to + quarter * 2, 3).await;

    let before = rig.nexudus_calls("");
    let began = rig.clock.mono();
    while rig.clock.mono().since(began) < Duration::from_secs(5) {
        post(&rig, "/hooks/nexudus", &hook.headers, &hook.body);
    }
    let calls = rig.nexudus_calls("") - before;
    assert!(calls <= 20, "{calls} calls for hooks that were sent again for 5 s");
    assert!(rig.row("José", group).is_some());
    rig.finish().await;
}

/// Kisi's hook, in both forms of its signature: the event is on MQTT within five seconds though the pace is a minute,
/// and what it says is read from the record, never from the hook.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_5_an_event_told_by_a_hook_is_published_at_once_at_a_slow_pace() {
    let mut rig = slow().await;
    rig.start_ready().await;
    let url = format!("http://127.0.0.1:{}/hooks/kisi", rig.web);
    rig.kisi(|kisi, _| {
        let integration = Integration {
            name: "Gatehouse".to_owned(),
            url,
            signature_key: KISI_HOOK.to_owned(),
            enabled: true,
            enabled_events: vec!["lock.unlock".to_owned()],
            ..Integration::default()
        };
        kisi.add_integration(integration);
    });
    let posting = tokio::spawn(post_webhooks(Arc::clone(&rig.kisi), rig.clock.clone(), Duration::from_millis(50)));
    rig.until("the first reading of the record", 30, |rig| (rig.kisi_calls("POST", "/event_sets") > 0).then_some(()))
        .await;
    let door = format!("{ROOT}/door/{}/event", rig.oak.lock);
    let (lock, office) = (rig.oak.lock, rig.office);
    for form in [Signature::Bare, Signature::Prefixed] {
        let before = rig.watcher.on_topic(&door).len();
        rig.kisi(|kisi, now| {
            kisi.switch(|switches| switches.webhook_signature = form);
            kisi.tap(office, lock, now);
        });
        rig.until("the event", 8, |rig| (rig.watcher.on_topic(&door).len() > before).then_some(())).await;
    }
    // Made up from end to end, but for its signature: nothing of it is believed.
    let before = rig.watcher.seen().iter().filter(|message| message.topic.ends_with("/event")).count();
    let body = br#"{"uuid":"made-up","type":"lock.unlock","object_type":"Lock","object_id":1}"#;
    let tag = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, KISI_HOOK.as_bytes()), body);
    let digits: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let polls = rig.kisi_calls("POST", "/event_sets");
    assert_eq!(post(&rig, "/hooks/kisi", &[("X-Signature".to_owned(), digits)], body), 200);
    rig.until("a reading", 5, |rig| (rig.kisi_calls("POST", "/event_sets") > polls).then_some(())).await;
    rig.clock.sleep(Duration::from_secs(1)).await;
    let after = rig.watcher.seen().iter().filter(|message| message.topic.ends_with("/event")).count();
    assert_eq!(after, before);
    posting.abort();
    rig.finish().await;
}
