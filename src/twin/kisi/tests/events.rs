//! The traps of event sets and webhooks.

use super::*;

fn ask(interval: &str) -> String {
    format!(r#"{{"event_set": {{"interval": "{interval}", "event_type": "lock.unlock,reader.access"}}}}"#)
}

const HOUR: &str = "2026-12-01T12:00:00Z/PT1H";

/// Five openings at 12:10, 12:20, … each named by its minute.
fn with_openings() -> Bench {
    let mut bench = Bench::new();
    for minute in [10, 20, 30, 40, 50] {
        let mut opening = Happening::of("lock.unlock", Some(bench.member), ("Lock", bench.lock, "Heron room"));
        opening.created_at = Some(noon() + TimeDelta::minutes(minute));
        opening.uuid = Some(minute.to_string());
        bench.twin.emit(opening, noon() + TimeDelta::minutes(minute));
    }
    bench.now = noon() + TimeDelta::hours(1);
    bench
}

fn uuids(said: &Said) -> Vec<String> {
    said.body["events"].as_array().expect("events").iter().map(|e| e["uuid"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_set_may_be_finished_at_once_in_progress_failed_or_not_to_be_had() {
    let mut bench = with_openings();
    let said = bench.call("POST", "/event_sets", &ask(HOUR));
    assert_eq!((said.status, &said.body["status"]), (200, &Value::from("finished")));
    assert_eq!(uuids(&said), ["10", "20", "30", "40", "50"]);
    assert_eq!((&said.body["events"][0]["code"], &said.body["cursor"]), (&"ffffff".into(), &Value::Null));

    bench.twin.switch(|s| s.event_sets = EventSets::InProgress { polls: 1 });
    let said = bench.call("POST", "/event_sets", &ask(HOUR));
    assert!(said.body["status"] == "in_progress" && said.body.get("events").is_none());
    let path = format!("/event_sets/{}", said.body["id"]);
    assert_eq!(bench.get(&path).body["status"], "in_progress");
    assert_eq!(uuids(&bench.get(&path)).len(), 5);
    assert_eq!(bench.after(86_400).get(&path).status, 404);

    bench.twin.switch(|s| s.event_sets = EventSets::Failed);
    assert_eq!(bench.call("POST", "/event_sets", &ask(HOUR)).body["status"], "failed");
    bench.twin.switch(|s| s.event_sets = EventSets::Unavailable);
    assert_eq!(bench.call("POST", "/event_sets", &ask(HOUR)).status, 503);
}

#[test]
fn pages_can_repeat_shuffle_or_never_move() {
    let mut bench = with_openings();
    let read = |bench: &mut Bench, pages: usize| {
        let mut said = bench.call("POST", "/event_sets?limit=2", &ask(HOUR));
        let path = format!("/event_sets/{}", said.body["id"]);
        let mut all = uuids(&said);
        for _ in 1..pages {
            let Some(cursor) = said.body["cursor"].as_str().map(str::to_owned) else { break };
            said = bench.get(&format!("{path}?limit=2&cursor={cursor}"));
            all.extend(uuids(&said));
        }
        all
    };
    assert_eq!(read(&mut bench, 9), ["10", "20", "30", "40", "50"]);
    bench.twin.switch(|s| s.events_repeat = true);
    assert_eq!(read(&mut bench, 9), ["10", "20", "20", "30", "30", "40", "40", "50"]);
    bench.twin.switch(|s| {
        s.events_repeat = false;
        s.event_order = EventOrder::Reversed;
    });
    assert_eq!(read(&mut bench, 9), ["50", "40", "30", "20", "10"]);
    bench.twin.switch(|s| {
        s.event_order = EventOrder::ByTime;
        s.cursor_stuck = true;
    });
    assert_eq!(read(&mut bench, 4), ["10", "20", "10", "20", "10", "20", "10", "20"]);
}

#[test]
fn an_interval_has_bounds_that_may_count_and_a_width_that_may_not_be_passed() {
    let mut bench = with_openings();
    let tens = "2026-12-01T12:10:00Z/2026-12-01T12:30:00Z";
    assert_eq!(uuids(&bench.call("POST", "/event_sets", &ask(tens))), ["10", "20"]);
    bench.twin.switch(|s| s.interval_closed = true);
    assert_eq!(uuids(&bench.call("POST", "/event_sets", &ask(tens))), ["10", "20", "30"]);
    assert_eq!(uuids(&bench.call("POST", "/event_sets", &ask("PT15M/2026-12-01T12:45:00+00:00"))), ["30", "40"]);
    for (interval, status) in [
        ("2026-09-02T12:00:00Z/P90D", 200),
        ("2026-09-02T12:00:00Z/P90DT1S", 422),
        ("2026-12-01T12:10:00Z/2026-12-01T12:00:00Z", 422),
        ("yesterday", 422),
    ] {
        assert_eq!(bench.call("POST", "/event_sets", &ask(interval)).status, status, "{interval}");
    }
    let both = r#"{"event_set": {"place_id": 1, "event_place_id": 1}}"#;
    assert_eq!(bench.call("POST", "/event_sets", both).status, 422);
}

#[test]
fn an_event_can_come_to_light_after_others_that_happened_later() {
    let mut bench = with_openings();
    bench.twin.switch(|s| s.event_delay_ms = (600_000, 600_000));
    let mut late = Happening::of("lock.unlock", None, ("Lock", bench.lock, "Heron room"));
    late.created_at = Some(noon() + TimeDelta::minutes(25));
    late.uuid = Some("late".into());
    let now = bench.now;
    bench.twin.emit(late, now);
    assert_eq!(uuids(&bench.call("POST", "/event_sets", &ask(HOUR))).len(), 5);
    bench.after(600);
    assert_eq!(uuids(&bench.call("POST", "/event_sets", &ask(HOUR)))[2], "late");
}

#[test]
fn a_webhook_can_lie_come_twice_or_never_and_a_failing_receiver_is_cut_off() {
    let mut bench = Bench::new();
    let integration = bench.twin.add_integration(Integration {
        name: "Hook".into(),
        url: "http://127.0.0.1:9/hooks/kisi".into(),
        enabled_events: vec!["lock.unlock".into()],
        signature_key: "twin-hook-key".into(),
        ..Integration::default()
    });
    let fire = |bench: &mut Bench, set: fn(&mut Switches)| {
        bench.twin.switch(set);
        let (member, lock, now) = (bench.member, bench.lock, bench.now);
        bench.twin.tap(member, lock, now);
        bench.twin.take_deliveries(now)
    };
    let sent = fire(&mut bench, |_| {});
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"twin-hook-key");
    let digits = |signature: &str| -> Vec<u8> {
        let hex = signature.strip_prefix("sha256=").unwrap_or(signature);
        (0..32).map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap()).collect()
    };
    let signature = sent[0].signature.clone().unwrap();
    assert!(signature.starts_with("sha256="));
    assert!(ring::hmac::verify(&key, sent[0].body.as_bytes(), &digits(&signature)).is_ok());
    let bare = fire(&mut bench, |s| s.webhook_signature = Signature::Bare);
    assert!(ring::hmac::verify(&key, bare[0].body.as_bytes(), &digits(bare[0].signature.as_ref().unwrap())).is_ok());
    let wrong = fire(&mut bench, |s| s.webhook_signature = Signature::Wrong);
    assert!(ring::hmac::verify(&key, wrong[0].body.as_bytes(), &digits(wrong[0].signature.as_ref().unwrap())).is_err());
    assert_eq!(fire(&mut bench, |s| s.webhook_copies = 2).len(), 2);
    let old = fire(&mut bench, |s| s.webhook_old_payload = true);
    assert!(!old[0].body.contains("uuid") && old[0].body.contains("+00:00"));
    assert!(fire(&mut bench, |s| s.webhook_copies = 0).is_empty());

    let now = bench.now;
    for _ in 0..20 {
        bench.twin.delivered(integration, 500, now);
    }
    let shown = bench.get("/integrations").body;
    assert!(shown[0]["disabled_due_to_error"] == true && shown[0]["disabled_due_to_error_at"].is_string());
    assert!(fire(&mut bench, |s| s.webhook_copies = 1).is_empty());
}

#[tokio::test]
async fn a_webhook_is_posted_with_its_signature_and_the_answer_is_noted() {
    use std::sync::{Arc, Mutex};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut bench = Bench::new();
    let url = format!("http://{}/hooks/kisi", listener.local_addr().unwrap());
    let told = vec!["lock.unlock".to_owned()];
    bench.twin.add_integration(Integration { url, enabled_events: told, ..Integration::default() });
    for _ in 0..20 {
        bench.twin.tap(bench.member, bench.lock, bench.now);
    }
    let clock = crate::clock::Clock::starting_at(noon() + TimeDelta::hours(1), 1.0);
    let twin = Arc::new(Mutex::new(bench.twin));
    let posting = tokio::spawn(post_webhooks(Arc::clone(&twin), clock.clone(), Duration::from_millis(1)));
    for _ in 0..20 {
        let (mut socket, _) = clock.timeout(Duration::from_secs(10), listener.accept()).await.unwrap().unwrap();
        let mut got = String::new();
        while !got.ends_with('}') {
            let mut piece = [0; 4096];
            let more = socket.read(&mut piece).await.unwrap();
            got.push_str(std::str::from_utf8(&piece[..more]).unwrap());
        }
        assert!(got.starts_with("POST /hooks/kisi HTTP/1.1\r\n") && got.contains("x-signature: sha256="), "{got}");
        socket.write_all(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    }
    let disabled = || twin.lock().unwrap().integrations.values().any(|i| i.disabled_due_to_error_at.is_some());
    let waited = async {
        while !disabled() {
            clock.sleep(Duration::from_millis(5)).await;
        }
    };
    clock.timeout(Duration::from_secs(10), waited).await.expect("twenty refusals disable it");
    posting.abort();
}
