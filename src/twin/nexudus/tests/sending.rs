use chrono::TimeDelta;
use ring::hmac;
use serde_json::{Value, json};

use super::super::Entity;
use super::super::hooks::{CustomAcs, Outbound, action};
use super::super::switches::{HookBody, HookSignature};
use super::{ADA, BOARDROOM, Caller, HARBOUR, utc};

const URL: &str = "https://gatehouse.example/hooks/nexudus";

fn signature(call: &Outbound) -> Option<&str> {
    call.headers.iter().find(|(n, _)| n == "X-Nexudus-Hook-Signature").map(|(_, v)| v.as_str())
}

fn hmac_hex(secret: &[u8], message: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message);
    tag.as_ref().iter().map(|b| format!("{b:02X}")).collect()
}

fn hooked(actions: &[i64]) -> Caller {
    let mut caller = Caller::new();
    caller.site().set_hook_secret(Some("s3cret"));
    for action in actions {
        caller.site().add_webhook(HARBOUR, *action, URL).unwrap();
    }
    caller
}

#[test]
fn webhooks_are_signed_over_ascii_so_that_names_with_accents_break_a_plain_check() {
    let mut caller = hooked(&[action::COWORKER_CREATE]);
    caller.site().add_customer(9, "José 🚪", Some("jose@example.org")).unwrap();
    let call = caller.site().pending_hooks().remove(0);
    let body = String::from_utf8(call.body.to_vec()).unwrap();
    assert!(body.starts_with('[') && body.contains("José 🚪"));
    // Two UTF-16 units for what lies beyond the basic plane.
    let ascii = body.replace("José 🚪", "Jos? ??");
    assert_eq!(signature(&call), Some(hmac_hex(b"s3cret", ascii.as_bytes()).as_str()));
    assert_ne!(signature(&call), Some(hmac_hex(b"s3cret", body.as_bytes()).as_str()));

    caller.twin.switch(|s| s.hook_body = HookBody::Object);
    caller.site().add_customer(10, "Zoe", Some("zoe@example.org")).unwrap();
    let call = caller.site().pending_hooks().remove(0);
    let array = [b"[", &call.body[..], b"]"].concat();
    assert_eq!(signature(&call), Some(hmac_hex(b"s3cret", &array).as_str()));
    for (how, right) in [(HookSignature::Absent, None), (HookSignature::Wrong, Some(false))] {
        caller.twin.switch(|s| s.hook_signature = how);
        caller.site().add_customer(11 + how as i64, "Max", Some("max@example.org")).unwrap();
        let call = caller.site().pending_hooks().remove(0);
        let array = [b"[", &call.body[..], b"]"].concat();
        assert_eq!(signature(&call).map(|s| s == hmac_hex(b"s3cret", &array)), right);
    }
}

#[test]
fn a_webhook_is_silently_off_after_ten_failures_in_a_row() {
    let mut caller = hooked(&[action::BOOKING_UPDATE]);
    let at = utc("2026-03-04T11:00:00Z");
    let booking = caller.site().book(Some(ADA), BOARDROOM, at, at + TimeDelta::hours(1)).unwrap();
    let mut update = |result: Result<(), &str>| {
        caller.wait(TimeDelta::minutes(1));
        let notes = caller.now.to_rfc3339();
        let site = caller.site();
        site.set(Entity::Booking, booking, json!({"Notes": notes})).unwrap();
        let calls = site.pending_hooks();
        calls.iter().for_each(|call| site.hook_result(call.delivery, result));
        calls.len()
    };
    (0..9).for_each(|n| assert_eq!(update(Err("500")), 1, "{n}"));
    assert_eq!(update(Ok(())), 1);
    (0..10).for_each(|n| assert_eq!(update(Err("timeout")), 1, "{n}"));
    assert_eq!(update(Ok(())), 0);
    let hook = caller.rows("sys/webhooks").remove(0);
    assert_eq!(
        (&hook["Active"], &hook["ErrorCount"], &hook["LastError"]),
        (&json!(false), &json!(10), &json!("timeout"))
    );
}

#[test]
fn access_is_evaluated_again_around_bookings_and_with_what_counts_for_it() {
    let mut caller = hooked(&[action::ACCESS_CONTROL_UPDATE]);
    let about = |caller: &mut Caller| -> Vec<Value> {
        let calls = caller.site().pending_hooks();
        calls.iter().map(|c| serde_json::from_slice::<Value>(&c.body).unwrap()[0]["Id"].clone()).collect()
    };
    let at = utc("2026-03-02T11:00:00Z");
    let booking = caller.site().book(Some(ADA), BOARDROOM, at, at + TimeDelta::hours(1)).unwrap();
    caller.site().move_booking(booking, at + TimeDelta::hours(1), at + TimeDelta::hours(2)).unwrap();
    let mut fired = Vec::new();
    while caller.now < at + TimeDelta::hours(4) {
        if !about(&mut caller).is_empty() {
            fired.push(caller.now.format("%H:%M").to_string());
        }
        caller.wait(TimeDelta::minutes(1));
    }
    assert_eq!(fired, ["11:45", "13:15"]);

    caller.site().set(Entity::Coworker, ADA, json!({"MobilePhone": "+44 20"})).unwrap();
    assert!(about(&mut caller).is_empty());
    caller.site().set(Entity::Coworker, ADA, json!({"Active": false})).unwrap();
    assert_eq!(about(&mut caller), [json!(ADA)]);
    caller.site().add_team(70, "Acme", &[ADA], true).unwrap();
    assert_eq!(about(&mut caller), [json!(ADA)]);
    caller.site().check_in(ADA, HARBOUR, None).unwrap();
    assert_eq!(about(&mut caller), [json!(ADA)]);
    caller.site().cancel_booking(booking).unwrap();
    assert_eq!(about(&mut caller), [json!(ADA)]);
}

#[test]
fn webhooks_come_again_and_out_of_order() {
    let mut caller = hooked(&[action::BOOKING_CREATE, action::BOOKING_DELETE]);
    caller.twin.switch(|s| (s.hook_repeats, s.hooks_reversed) = (1, true));
    let at = utc("2026-03-04T11:00:00Z");
    let booking = caller.site().book(Some(ADA), BOARDROOM, at, at + TimeDelta::hours(1)).unwrap();
    caller.site().cancel_booking(booking).unwrap();
    let order: Vec<_> = caller.site().pending_hooks().iter().map(|c| c.delivery).collect();
    assert_eq!(order, [2, 2, 1, 1]);
}

#[test]
fn custom_acs_sends_whole_sets_with_seven_digits_and_never_to_http() {
    let mut caller = Caller::new();
    let acs = CustomAcs {
        groups_url: "https://gatehouse.example/groups".into(),
        groups_token: Some("tok".into()),
        webhook_url: "https://gatehouse.example/acs".into(),
        webhook_bearer: "bear".into(),
    };
    let names: Vec<_> = caller.site().acs_groups_call(&acs, HARBOUR).headers.into_iter().map(|(n, _)| n).collect();
    assert_eq!(names, ["X-Nexudus-Business-UniqueId", "X-Nexudus-User-UniqueId", "Authorization"]);
    let stale = utc("2026-03-01T08:00:00.5Z");
    let call = caller.site().acs_notice(&acs, ADA, &[], &[], stale).unwrap();
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    assert_eq!((&body["time"], &body["groups"]), (&json!("2026-03-01T08:00:00.5000000Z"), &json!([])));
    assert_eq!((&body["coworker"]["id"], &body["business"]["id"]), (&json!(ADA), &json!(HARBOUR)));
    let plain = CustomAcs { webhook_url: "http://gatehouse.example/acs".into(), ..acs };
    assert!(caller.site().acs_notice(&plain, ADA, &["17"], &[], stale).is_none());
}

#[test]
fn a_twin_is_steered_over_http_while_it_is_down() {
    let mut caller = Caller::new();
    let mut steer = |method: &str, path: &str, body: Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        caller.json(method, &format!("/_twin/{path}"), &body, &[])
    };
    assert_eq!(steer("PUT", "faults", json!({"down": true})).0, 200);
    let fields = json!({"Id": 7, "CoworkerId": ADA, "ResourceId": BOARDROOM, "FromTime": "2026-03-04T11:00:00Z",
        "ToTime": "2026-03-04T12:00:00Z"});
    assert_eq!(steer("POST", "records/Booking", fields), (200, json!({"Id": 7})));
    assert_eq!(steer("POST", "records/Booking/7", json!({"Tentative": true})).0, 200);
    assert_eq!(steer("GET", "records/Booking/7", Value::Null).1["CoworkerFullName"], "Ada Jones");
    assert_eq!(steer("POST", "records/Booking/7", json!({"Tentativ": true})).0, 400);
    assert_eq!(steer("PATCH", "switches", json!({"local": "false_z", "lists": {"*": {"keep": 0}}})).0, 200);
    assert_eq!(steer("PATCH", "switches", json!({"lokal": "bare"})).0, 400);
    assert_eq!(steer("DELETE", "records/Booking/7?cancel=true", Value::Null).0, 200);
    assert_eq!(steer("GET", "history?entity=Booking&id=7", Value::Null).1.as_array().unwrap().len(), 2);
    let all = steer("GET", "history", Value::Null).1;
    assert_eq!((&all["cancellations"][0]["booking"], all["requests"].as_array().unwrap().len()), (&json!(7), 1));
    assert_eq!(steer("POST", "revoke", Value::Null).0, 200);
    assert!(crate::twin::http::Cloud::down(&caller.twin));
    assert_eq!(caller.call("GET", "/api/spaces/bookings", "").0, 401);
}
