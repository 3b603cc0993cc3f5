//! Kisi's answers: whatever it says, to whatever is asked, a client comes to an end; and a row that can't be used never
//! hides the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use gatehouse::clock::Clock;
use gatehouse::domain::ledger::Owned;
use gatehouse::domain::plan::{Action, Change, PersonRef, Urgency};
use gatehouse::domain::{
    AssignmentId, BookingId, CustomerId, Email, GroupId, LockId, NewUsers, Reason, UserId, Window,
};
use gatehouse::kisi::client::{KisiClient, Settings};
use gatehouse::kisi::write::{Ctx, Form};
use gatehouse::net::pace::{Class, Pace};
use gatehouse::net::{HttpError, Request, Response};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::clouds::{Cloud, answer, now, run};

/// What parts one answer from the next.
const BETWEEN: &[u8] = b"\n--\n";
/// How many calls one operation may take.
const CALLS_MAX: usize = 20_000;

const ADA: UserId = UserId(771_001);
const OAK: GroupId = GroupId(45_901);
const ROW: AssignmentId = AssignmentId(6_600_001);

fn client(clock: &Clock, script: impl FnMut(&Request) -> Result<Response, HttpError> + Send + 'static) -> KisiClient {
    let settings = Settings { url: "https://api.kisi.example/".parse().unwrap(), api_key: "key".into(), place: None };
    let pace = Pace::new(clock.clone(), 5.0);
    KisiClient::new(Arc::new(Cloud(Mutex::new(script))), clock.clone(), pace, settings)
}

fn window() -> Window {
    Window::new(Some(now()), Some(now() + TimeDelta::hours(1))).unwrap()
}

fn change(action: Action) -> Change {
    let user = (!matches!(action, Action::Invited)).then_some(ADA);
    let person = PersonRef {
        customer: Some(CustomerId(90_210)),
        user,
        email: Email::parse("ada@example.org"),
        name: Some("Ada Byron".to_owned()),
    };
    Change { urgency: Urgency::Open, due: now(), action, person, reason: Reason::Booking(BookingId(1)) }
}

fn ctx(choice: u8) -> Ctx {
    let owned = Owned {
        id: ROW,
        user: ADA,
        group: OAK,
        customer: Some(CustomerId(90_210)),
        valid_from: window().from(),
        valid_until: window().until(),
        reason: Reason::Booking(BookingId(1)),
        written_at: now() - TimeDelta::hours(10),
        adopted_from: None,
    };
    Ctx {
        us: UserId(700_001),
        site: "harbour-house".to_owned(),
        owned: vec![owned],
        new_users: NewUsers::Regular,
        patch_ignored: choice & 1 != 0,
        form: if choice & 2 == 0 { Form::New } else { Form::Old },
        intent_at: now(),
        tried: choice & 4 != 0,
        adopted_suspended: choice & 8 != 0,
        now: now(),
    }
}

/// One answer: its first byte says what happens, the second the status, the rest is the body. When all were given,
/// every list is empty.
fn script(data: &[u8]) -> impl FnMut(&Request) -> Result<Response, HttpError> + Send + 'static {
    let mut answers = Vec::new();
    let mut rest = data;
    while let Some(at) = rest.windows(BETWEEN.len()).position(|part| part == BETWEEN) {
        answers.push(rest[..at].to_vec());
        rest = &rest[at + BETWEEN.len()..];
    }
    answers.push(rest.to_vec());
    let mut answers = answers.into_iter();
    let mut calls = 0;
    move |request| {
        calls += 1;
        assert!(calls < CALLS_MAX, "no end of calls");
        let Some(next) = answers.next() else {
            return Ok(answer(200, &[("x-collection-range", "*/0")], "[]"));
        };
        let [what, status, body @ ..] = &next[..] else { return Ok(answer(204, &[], "")) };
        if what % 16 == 15 {
            return Err(HttpError::TimedOut(request.limit));
        }
        let status = [200, 200, 200, 201, 204, 404, 409, 422, 429, 401, 500][usize::from(*status) % 11];
        let range = format!("0-99/{}", what / 16);
        Ok(answer(status, &[("x-collection-range", &range), ("retry-after", "1")], body.to_vec()))
    }
}

/// The first byte says what is asked, the second how things stand; the rest are answers.
pub fn check(data: &[u8]) {
    let [choice, standing, rest @ ..] = data else { return };
    if *choice % 16 >= 12 {
        return check_row(*standing, rest);
    }
    run(async |clock| {
        let kisi = client(&clock, script(rest));
        let ctx = ctx(*standing);
        let short = |why: String| assert!(why.len() < 4_000, "{why}");
        match choice % 16 {
            0 => short(
                kisi.read_roster(&BTreeSet::from([OAK]), now())
                    .await
                    .err()
                    .map_or_else(String::new, |why| why.to_string()),
            ),
            1 => drop(kisi.read_hardware(Class::State).await.map_err(|why| short(why.to_string()))),
            2 => {
                let from = now() - TimeDelta::minutes(5);
                if let Ok(polled) = kisi.poll(from, now(), &BTreeMap::new(), now()).await {
                    let uuids: BTreeSet<&str> = polled.events.iter().map(|event| event.uuid.as_str()).collect();
                    assert_eq!(uuids.len(), polled.events.len(), "an event twice");
                    assert!(polled.events.iter().all(|event| !event.uuid.is_empty() && event.uuid.len() <= 128));
                }
            }
            3 => drop(kisi.own_user().await.map_err(|why| short(why.to_string()))),
            4 => drop(kisi.all_roles_of(Class::Roster, ADA).await.map_err(|why| short(why.to_string()))),
            5 => drop(kisi.unlock(LockId(1), clock.mono().plus(std::time::Duration::from_secs(5))).await),
            which => {
                let action = match which {
                    6 => Action::Invited,
                    7 => Action::Added { group: OAK, window: window() },
                    8 => Action::Moved { group: OAK, row: ROW, window: window() },
                    9 => Action::Removed { group: OAK, row: ROW },
                    10 => Action::Suspended,
                    _ => Action::Restored,
                };
                let outcome = kisi.carry_out(&change(action), &ctx).await;
                if let Err(failure) = outcome.result {
                    short(failure.to_string());
                }
            }
        }
    });
}

/// One row between two that are right, in each list.
fn check_row(which: u8, row: &[u8]) {
    let Ok(row) = serde_json::from_slice::<&RawValue>(row) else { return };
    let row = row.get().to_owned();
    if row.contains("9001") || row.contains("9002") {
        return;
    }
    let user = |id: u64| json!({"id": id, "email": format!("u{id}@example.org"), "name": "U", "access_enabled": true});
    let lock = |id: u64| json!({"id": id, "name": "Oak", "online": true, "unlocked": false});
    let event = |id: u64| {
        json!({"uuid": format!("e-{id}"), "type": "lock.unlock", "object_type": "Lock", "object_id": 3301,
               "object_name": "Oak door", "created_at": now().to_rfc3339(), "success": true})
    };
    let assignment = |id: u64| {
        json!({"id": id, "role_id": "group_basic", "applies_to_type": "Group", "applies_to_id": OAK.0,
               "assignee_type": "User", "assignee_id": id, "created_by_type": "User", "created_by_id": 700_001,
               "user_id": id, "group_id": OAK.0, "scope": "group", "created_at": now().to_rfc3339(),
               "valid_from": null, "valid_until": null})
    };
    let list = move |good: &dyn Fn(u64) -> Value| format!("[{},{row},{}]", good(9001), good(9002));
    let (users, locks, rows) = (list(&user), list(&lock), list(&assignment));
    let set = format!(r#"{{"id":12,"status":"finished","cursor":null,"events":{}}}"#, list(&event));
    run(async |clock| {
        let kisi = client(&clock, move |request| {
            let three = [("x-collection-range", "0-99/3")];
            Ok(match request.url.path() {
                "/users" => answer(200, &three, users.clone()),
                "/locks" => answer(200, &three, locks.clone()),
                "/role_assignments" => answer(200, &three, rows.clone()),
                "/groups/45901" => answer(200, &[], json!({"id": OAK.0, "name": "Oak"}).to_string()),
                path if path.starts_with("/event_sets") => answer(200, &[], set.clone()),
                _ => answer(200, &[("x-collection-range", "*/0")], "[]"),
            })
        });
        match which % 3 {
            0 => {
                let roster = kisi.read_roster(&BTreeSet::from([OAK]), now()).await.unwrap().roster;
                for id in [9001, 9002] {
                    assert!(roster.users.contains_key(&UserId(id)), "user {id} is hidden");
                    assert!(roster.assignments.contains_key(&AssignmentId(id)), "assignment {id} is hidden");
                }
            }
            1 => {
                let hardware = kisi.read_hardware(Class::State).await.unwrap();
                assert!([9001, 9002].into_iter().all(|id| hardware.locks.contains_key(&LockId(id))));
            }
            _ => {
                let from = now() - TimeDelta::minutes(5);
                let polled = kisi.poll(from, now(), &BTreeMap::new(), now()).await.unwrap();
                let has = |uuid: &str| polled.events.iter().any(|event| event.uuid == uuid);
                assert!(has("e-9001") && has("e-9002"), "an event is hidden");
            }
        }
    });
}
