//! The traps of transport, paging, quota and users.

use super::*;

#[test]
fn only_the_exact_form_of_the_key_signs_in_and_it_can_lose_its_rights_in_mid_run() {
    let mut bench = Bench::new();
    for header in ["", "Bearer twin-secret-one", "kisi-login twin-secret-one", "KISI-LOGIN another"] {
        bench.after(1);
        assert_eq!(bench.send(&[("authorization", header)], "GET", "/user", "").status, 401, "{header}");
    }
    let own = bench.get("/user");
    assert_eq!(own.body["organization"]["domain"], "lock-keepers");
    assert_eq!((own.body["id"].as_u64(), own.body["organization_id"].as_u64()), (Some(bench.admin), Some(61)));
    bench.twin.turn_key(SECRET, None, Some(403));
    assert_eq!(bench.get("/groups").status, 200);
    let grant = bench.grant("null", "null");
    assert_eq!(bench.call("POST", "/role_assignments", &grant).status_and_code(), (403, "000403"));
    bench.twin.turn_key(SECRET, Some(401), None);
    assert_eq!(bench.get("/groups").status_and_code(), (401, "000401"));
}

#[test]
fn pages_have_each_lists_own_limits_and_state_the_range_that_was_asked_for() {
    let mut bench = Bench::new();
    for n in 0..117 {
        bench.twin.add_person(&format!("p{n}@keepers.example"), "Somebody", noon());
        bench.twin.add_group(Group { name: format!("G{n}"), ..Group::default() });
    }
    for (target, rows, range) in [
        ("/groups", 10, "0-9/118"),
        ("/users", 50, "0-49/119"),
        ("/users?limit=100&offset=100", 19, "100-199/119"),
        ("/users?limit=500", 100, "0-99/119"),
        ("/groups?limit=500", 118, "0-249/118"),
        ("/groups?limit=10&offset=130", 0, "130-139/118"),
        ("/locks", 1, "0-49/1"),
        ("/controllers", 0, "*/0"),
    ] {
        let said = bench.get(target);
        assert_eq!((said.ids().len(), said.header("x-collection-range")), (rows, Some(range)), "{target}");
    }
    assert_eq!(bench.get("/users?offset=20000").status, 200);
    assert_eq!(bench.get("/users?offset=20001").status, 422);
    bench.twin.switch(|s| s.limit_above_max = Above::Refused);
    assert_eq!(bench.get("/users?limit=101").status, 422);
    assert_eq!(bench.get("/group_locks").status, 400);
    let group = bench.group;
    assert_eq!(bench.get(&format!("/group_locks?group_id={group}")).body[0]["lock_id"], bench.lock);
    assert!(bench.get("/members").header("sunset").is_some());
    assert_eq!(bench.get("/user_export_reporters").status_and_code(), (404, "000404"));
}

#[test]
fn the_quota_is_five_in_any_second_over_all_keys_of_a_user() {
    let mut bench = Bench::new();
    let other = Key { user: bench.admin, refused: None, writes_refused: None };
    bench.twin.add_key("twin-secret-two", other);
    for call in 0..5 {
        bench.now += TimeDelta::milliseconds(150);
        let secret = if call % 2 == 0 { SECRET } else { "twin-secret-two" };
        assert_eq!(bench.call_now(secret, "GET", "/places", "").status, 200);
    }
    for (switch, header) in [
        (RetryAfter::None, None),
        (RetryAfter::Seconds, Some("1")),
        (RetryAfter::Date, Some("Tue, 01 Dec 2026 12:00:01 GMT")),
    ] {
        bench.twin.switch(|s| s.retry_after = switch);
        let said = bench.call_now(SECRET, "GET", "/places", "");
        assert_eq!((said.status, said.header("retry-after")), (429, header));
    }
    bench.now += TimeDelta::milliseconds(399);
    assert_eq!(bench.call_now(SECRET, "GET", "/places", "").status, 429);
    bench.now += TimeDelta::milliseconds(1);
    assert_eq!(bench.call_now(SECRET, "GET", "/places", "").status, 200);
    let ask = r#"{"event_set": {}}"#;
    assert_eq!(bench.call("POST", "/event_sets", ask).status, 200);
    assert_eq!(bench.call_now(SECRET, "POST", "/event_sets", ask).status, 429);
}

#[test]
fn a_query_can_find_another_person_first_and_an_email_can_not() {
    let mut bench = Bench::new();
    let notes = Some("deputy of ines@keepers.example".to_owned());
    let deputy = User { id: 3, email: "deputy@keepers.example".into(), notes, ..User::default() };
    bench.twin.add_user(deputy, noon());
    let member = bench.member;
    assert_eq!(bench.get("/users?query=ines@keepers.example").ids(), [3, member]);
    assert_eq!(bench.get("/users?email=ines@keepers.example").ids(), [member]);
    assert!(bench.get("/users?email=ines@keepers.exampl").ids().is_empty());
    bench.twin.switch(|s| s.email_filter_case_sensitive = true);
    assert!(bench.get("/users?email=ines@keepers.example").ids().is_empty());
}

#[test]
fn a_user_is_made_changed_and_deleted_in_the_ways_that_kisi_may_have() {
    let mut bench = Bench::new();
    let new = r#"{"user": {"email": "rui@keepers.example", "name": "Rui", "send_emails": false, "confirm": true,
        "metadata": {"a": "1", "b": "2"}}}"#;
    bench.twin.switch(|s| s.name_on_post = Honoured::Ignored);
    let said = bench.call("POST", "/users", new);
    assert_eq!((said.status, &said.body["name"], &said.body["confirmed"]), (200, &Value::Null, &Value::Bool(true)));
    let path = format!("/users/{}", said.body["id"]);
    assert_eq!(bench.call("POST", "/users", new).status_and_code(), (409, "000409"));
    bench.twin.switch(|s| s.known_email = Clash::Invalid);
    let said = bench.call("POST", "/users", &new.replace("rui", "RUI"));
    assert_eq!((said.status, said.body["errors"]["email"].is_array()), (422, true));
    assert_eq!(bench.call("POST", "/users", r#"{"user": {"email": "nobody"}}"#).status, 422);

    let change = r#"{"user": {"email": "new@keepers.example", "name": "Rui P", "metadata": {"b": "3"}}}"#;
    for (metadata, left) in [(Metadata::Merged, r#"{"a":"1","b":"3"}"#), (Metadata::Replaced, r#"{"b":"3"}"#)] {
        bench.twin.switch(|s| s.metadata = metadata);
        assert_eq!(bench.call("PATCH", &path, change).status, 204);
        let read = bench.get(&path).body;
        assert_eq!((read["metadata"].to_string().as_str(), &read["name"]), (left, &Value::from("Rui P")));
        assert_eq!(read["email"], "rui@keepers.example");
    }
    bench.twin.switch(|s| s.email_in_patch = Honoured::Refused);
    assert_eq!(bench.call("PATCH", &path, change).status, 422);
    for bad in [r#"{"k": {"deep": 1}}"#, &format!(r#"{{"k": "{}"}}"#, "x".repeat(501))] {
        assert_eq!(bench.call("PATCH", &path, &format!(r#"{{"user": {{"metadata": {bad}}}}}"#)).status, 422);
    }
    assert_eq!(bench.call("DELETE", &path, "").status, 204);
    assert_eq!(bench.call("DELETE", &path, "").status, 404);
    assert_eq!(bench.call("DELETE", &format!("/users/{}", bench.admin), "").status, 422);
}

#[test]
fn a_row_moves_between_pages_while_others_write() {
    let mut bench = Bench::new();
    for n in 0..14 {
        bench.twin.add_group(Group { id: 100 + n, name: format!("G{n}"), ..Group::default() });
        let row = Assignment::in_group(bench.member, 100 + n, Creator::Unknown);
        bench.twin.add_assignment(row, noon());
    }
    let first = bench.get("/role_assignments").ids();
    bench.call("DELETE", &format!("/role_assignments/{}", first[3]), "");
    let second = bench.get("/role_assignments?offset=10").ids();
    assert_eq!(first.len() + second.len(), 14, "one of the 15 rows is on neither page");
}

#[test]
fn a_running_twin_is_steered_from_outside_whatever_befalls_it() {
    let mut bench = Bench::new();
    let steer = |bench: &mut Bench, method: &str, path: &str, body: &str| bench.send(&[], method, path, body);
    let fault = r#"{"method": "GET", "path": "/groups", "times": 1,
        "effect": {"instead": {"status": 503, "body": "{\"code\":\"twin01\",\"error\":\"no\"}"}}}"#;
    assert_eq!(steer(&mut bench, "POST", "/_twin/faults", fault).status, 200);
    assert_eq!(bench.get("/groups").status_and_code(), (503, "twin01"));
    assert_eq!(bench.get("/groups").status, 200);

    let switches = steer(&mut bench, "PUT", "/_twin/switches", r#"{"dates": "offset"}"#);
    assert_eq!((switches.status, &switches.body["requests_per_second"]), (200, &Value::from(5)));
    let created = bench.get(&format!("/users/{}", bench.member)).body["created_at"].clone();
    assert_eq!(created, "2026-12-01T12:00:00+00:00");
    assert_eq!(steer(&mut bench, "PUT", "/_twin/switches", r#"{"datse": "z"}"#).status, 400);

    let foreign = format!(
        r#"{{"scope": {{"group": {}}}, "assignee": {{"user": {}}}, "created_by": {{"user": 77}}}}"#,
        bench.group, bench.member
    );
    let row = steer(&mut bench, "POST", "/_twin/assignments", &foreign).body["id"].clone();
    assert_eq!(bench.get(&format!("/role_assignments/{row}")).body["created_by_id"], 77);
    let tap = format!(r#"{{"user": {}, "lock": {}}}"#, bench.member, bench.lock);
    assert_eq!(steer(&mut bench, "POST", "/_twin/taps", &tap).body["allowed"], true);
    let path = format!("/_twin/users/{}", bench.member);
    assert_eq!(steer(&mut bench, "PATCH", &path, r#"{"scim_access_enabled": false}"#).status, 200);
    assert_eq!(steer(&mut bench, "POST", "/_twin/taps", &tap).body["code"], "fcd8ff");
    let key = format!(r#"{{"user": {}}}"#, bench.admin);
    assert_eq!(steer(&mut bench, "PUT", "/_twin/keys/late", &key).status, 200);
    assert_eq!(bench.after(1).call_now("late", "GET", "/places", "").status, 200);
    let requests = steer(&mut bench, "GET", "/_twin/history/requests", "").body;
    assert_eq!(requests[0]["status"], 503);
    assert!(requests.as_array().unwrap().iter().all(|r| !r["path"].as_str().unwrap().starts_with("/_twin/")));
}
