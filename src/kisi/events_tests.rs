//! Event sets that take their time, break off, or do not move.

use serde_json::{Value, json};

use super::*;
use crate::domain::{LockId, UserId};
use crate::kisi::fake::*;

fn event(uuid: &str, at: i64) -> Value {
    json!({"uuid": uuid, "type": "lock.unlock", "actor_type": "User", "actor_id": ADA.0, "actor_name": "Ada",
           "authenticated_by_type": "Card", "object_type": "Lock", "object_id": 3301, "object_name": "Oak door",
           "created_at": minute(at).to_rfc3339(), "success": true, "code": "ffffff", "error_code": null})
}

fn set(status: &str, events: Option<Vec<Value>>, cursor: Option<&str>) -> Value {
    let mut set = json!({"id": 12, "status": status, "cursor": cursor});
    if let Some(events) = events {
        set["events"] = events.into();
    }
    set
}

async fn poll(kisi: &KisiClient) -> Result<Polled, KisiError> {
    let door = Door { id: LockId(3301), name: "Oak door".to_owned() };
    kisi.poll(minute(-10), minute(0), &BTreeMap::from([(ReaderId(44), door)]), minute(0)).await
}

#[tokio::test(start_paused = true)]
async fn a_set_is_waited_for_paged_sorted_and_each_event_taken_once() {
    let (fake, kisi) = Fake::new();
    let denied = json!({"uuid": "d", "type": "reader.access", "object_type": "Reader", "object_id": 44,
                        "created_at": minute(-9).to_rfc3339(), "success": false, "error_code": "fcd8ef"});
    let old = json!({"type": "lock.unlock", "created_at": "2017-01-01T00:00:00+00:00", "action": "unlock"});
    let page = |events, cursor| Fate::Answer(200, set("finished", Some(events), cursor));
    fake.fate("POST", 0, Fate::Answer(200, set("in_progress", None, None)));
    fake.fate("GET", 0, Fate::Answer(200, set("in_progress", None, None)));
    fake.fate("GET", 1, page(vec![event("c", -1), event("b", -5)], Some("2")));
    fake.fate("GET", 2, page(vec![event("b", -5), event("a", -5), denied, old], None));
    let polled = poll(&kisi).await.expect("a reading");
    let order: Vec<&str> = polled.events.iter().map(|event| event.uuid.as_str()).collect();
    assert_eq!(order, ["d", "a", "b", "c"]);
    assert!(polled.whole);
    assert_eq!(polled.aside.len(), 1, "an old payload without a uuid is set aside");
    let [denied, opened, ..] = &polled.events[..] else { panic!("{polled:?}") };
    assert_eq!(denied.door.as_ref().map(|door| door.id), Some(LockId(3301)), "a reader stands for its lock");
    assert_eq!((denied.success, denied.error_code.as_deref()), (Some(false), Some("fcd8ef")));
    assert_eq!((opened.success, &opened.error_code), (Some(true), &None), "trap 17: ffffff is no error");
    assert_eq!((opened.by.as_deref(), opened.actor), (Some("card"), Some(UserId(ADA.0))));
    let body = fake.state().seen[0].body.clone();
    assert_eq!(body, json!({"event_set": {"interval": "2026-12-01T08:50:00Z/2026-12-01T09:00:01Z"}}));
}

#[tokio::test(start_paused = true)]
async fn promise_4_a_cursor_that_does_not_move_loses_nothing() {
    let (fake, kisi) = Fake::new();
    let full: Vec<Value> = (0..PAGE).map(|n| event(&format!("e{n}"), -1)).collect();
    let stuck = Fate::Answer(200, set("finished", Some(full), Some("same")));
    fake.fate("POST", 0, stuck.clone());
    fake.fate("GET", 0, stuck);
    fake.fate("POST", 1, Fate::Answer(200, set("finished", Some(vec![event("x", -8)]), None)));
    fake.fate("POST", 2, Fate::Answer(200, set("finished", Some(vec![event("y", -2)]), None)));
    let polled = poll(&kisi).await.expect("a reading");
    let order: Vec<&str> = polled.events.iter().map(|event| event.uuid.as_str()).collect();
    assert_eq!((order, polled.whole), (vec!["x", "y"], true), "the two halves are read");
    let sets: Vec<Duration> =
        fake.state().seen.iter().filter(|seen| seen.call.starts_with("POST")).map(|seen| seen.at.0).collect();
    assert!(sets.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_secs(1)), "one set a second: {sets:?}");
}

#[tokio::test(start_paused = true)]
async fn a_set_that_fails_is_an_error_that_passes() {
    let (fake, kisi) = Fake::new();
    fake.fate("POST", 0, Fate::Answer(200, set("failed", None, None)));
    assert!(matches!(poll(&kisi).await, Err(KisiError::Passing { .. })));
    for nth in 0..5 {
        fake.fate("POST", nth, Fate::Answer(503, Value::Null));
    }
    assert!(matches!(poll(&kisi).await, Err(KisiError::Passing { .. })));
}

#[test]
fn no_query_is_wider_than_90_days() {
    let all = spans(minute(0) - TimeDelta::days(200), minute(0));
    assert_eq!(all.len(), 3);
    assert!(all.iter().all(|(from, to)| *to - *from <= TimeDelta::days(90)));
    assert!(all.windows(2).all(|pair| pair[0].0 == pair[1].1), "no gap");
}
