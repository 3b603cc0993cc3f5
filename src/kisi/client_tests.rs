//! One call: refusals, pauses, secrets; and the reading of lists.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::domain::UserId;
use crate::kisi::fake::*;

#[tokio::test(start_paused = true)]
async fn rule_8_after_a_refusal_nothing_is_written_until_a_read_succeeds() {
    let (fake, kisi) = Fake::new();
    fake.user(ADA, "ada@example.org", true, json!({}));
    fake.fate("GET", 0, Fate::Answer(401, json!({"code": "000401", "error": format!("no such key: {KEY}")})));
    let error = kisi.user_by_id(Class::Roster, ADA).await.expect_err("refused");
    assert!(!error.to_string().contains(KEY) && !format!("{error:?}").contains(KEY), "promise 8: {error:?}");
    let write = || kisi.write(Turn::Wait(Class::Close), Method::Delete, "/users/1".to_owned(), Bytes::new());
    assert!(matches!(write().await, Err(KisiError::Refused { .. })));
    assert!(matches!(kisi.user_by_id(Class::Roster, ADA).await, Err(KisiError::Refused { .. })));
    assert_eq!(fake.calls().len(), 1, "no call was made while the gate was shut");
    kisi.clock.sleep(Duration::from_secs(10)).await;
    assert!(kisi.user_by_id(Class::Roster, ADA).await.is_ok());
    assert!(matches!(write().await, Err(KisiError::Item { .. })), "the gate is open: 404 is Kisi's own answer");
}

#[tokio::test(start_paused = true)]
async fn a_429_holds_everything_for_as_long_as_kisi_asks_else_from_1_s_doubling() {
    let (fake, kisi) = Fake::new();
    fake.user(ADA, "ada@example.org", true, json!({}));
    let date = |text: &str| text.to_owned();
    let headers =
        vec![("retry-after", date("Tue, 01 Dec 2026 12:00:09 GMT")), ("date", date("Tue, 01 Dec 2026 12:00:00 GMT"))];
    fake.fate("GET", 0, Fate::Answer(429, Value::Null));
    fake.fate("GET", 1, Fate::Headers(429, vec![("retry-after", "7".to_owned())], Value::Null));
    fake.fate("GET", 3, Fate::Headers(429, headers, json!("slow down")));
    assert!(kisi.user_by_id(Class::Roster, ADA).await.is_ok());
    assert!(kisi.user_by_id(Class::Roster, ADA).await.is_ok());
    let at: Vec<u64> = fake.state().seen.iter().map(|seen| seen.at.0.as_secs()).collect();
    assert_eq!(at, [0, 1, 8, 8, 17]);
}

#[tokio::test(start_paused = true)]
async fn only_reads_are_tried_again() {
    let (fake, kisi) = Fake::new();
    for nth in 0..9 {
        fake.fate("GET", nth, Fate::Answer(500, json!("<html>")));
        fake.fate("DELETE", nth, Fate::Answer(500, Value::Null));
    }
    assert!(kisi.user_by_id(Class::Roster, ADA).await.is_err());
    let wrote = kisi.write(Turn::Wait(Class::Close), Method::Delete, "/users/1".to_owned(), Bytes::new()).await;
    assert!(wrote.expect_err("lost").may_be_done());
    assert_eq!(fake.writes().len(), 1);
    assert_eq!(fake.calls().len(), 1 + READ_TRIES as usize);
}

#[tokio::test(start_paused = true)]
async fn trap_23_an_unlock_is_tried_once_and_a_refused_one_concerns_its_lock_alone() {
    use crate::domain::LockId;
    use crate::kisi::write::UnlockError;
    let (fake, kisi) = Fake::new();
    let soon = || kisi.clock.mono().plus(Duration::from_secs(10));
    fake.fate("POST /locks", 0, Fate::Answer(403, json!({"code": "bb4faa", "error": "context"})));
    fake.fate("POST /locks", 1, Fate::Lost);
    assert!(matches!(kisi.unlock(LockId(1), soon()).await, Err(UnlockError::Denied(_))));
    assert_eq!(kisi.refusal(), None);
    assert!(matches!(kisi.unlock(LockId(1), soon()).await, Err(UnlockError::Unknown(_))));
    kisi.pace.hold_until(soon().plus(Duration::from_secs(1)));
    assert!(matches!(kisi.unlock(LockId(1), soon()).await, Err(UnlockError::NotSent(_))));
    assert_eq!(fake.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn trap_1_a_roster_is_read_whole_by_pages_of_the_allowed_size() {
    let (fake, kisi) = Fake::new();
    for id in 1..=230 {
        fake.user(UserId(id), &format!("u{id}@example.org"), true, json!({}));
        fake.row(1000 + id, UserId(id), OAK, window(0, 60), US);
    }
    let body = json!({"id": 1300, "scope": "group", "group_id": 7, "user_id": 1, "valid_from": "soon"});
    fake.state().rows.insert(1300, body);
    for (call, body) in [
        ("GET /groups/9", json!({"code": "000404", "error": "no"})),
        ("GET /groups", json!([{"id": OAK.0, "name": "Oak", "time_restriction_enabled": true}])),
        ("GET /group_locks", json!([{"id": 5, "group_id": OAK.0, "lock_id": 3301, "lock": {"name": "Oak door"}}])),
        ("GET /places", json!([{"id": 8801}])),
    ] {
        let status = if call.ends_with('9') { 404 } else { 200 };
        fake.fate(call, 0, Fate::Answer(status, body));
    }
    let groups = BTreeSet::from([OAK, crate::domain::GroupId(9)]);
    let reading = kisi.read_roster(&groups, start()).await.expect("a reading");
    assert_eq!((reading.roster.users.len(), reading.roster.assignments.len()), (230, 230));
    assert_eq!(reading.roster.groups[&OAK].doors[0].name, "Oak door");
    assert_eq!(reading.missing.len(), 1);
    assert_eq!(reading.roster.places, Some(1));
    assert!(reading.steady);
    assert_eq!(reading.aside.iter().map(|aside| aside.id).collect::<Vec<_>>(), [Some(1300)]);
    for seen in &fake.state().seen {
        let most = if seen.call == "GET /users" { "100" } else { "250" };
        assert!(seen.query.get("limit").is_none_or(|limit| limit == most || seen.call == "GET /places"));
    }
}
