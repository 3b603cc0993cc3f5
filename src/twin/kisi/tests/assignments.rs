//! The traps of role assignments, and what the history says of them.

use super::*;

const NINE: &str = r#""2026-12-02T09:00:00Z""#;
const TEN: &str = r#""2026-12-02T10:00:00Z""#;

#[test]
fn an_answer_has_every_key_and_a_wider_scope_has_no_dates() {
    let mut bench = Bench::new();
    let grant = bench.grant(NINE, "null");
    let row = bench.call("POST", "/role_assignments", &grant);
    assert_eq!(row.status, 200);
    let mut keys: Vec<_> = row.body.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    let expected = "applies_to applies_to_id applies_to_type assignee assignee_id assignee_team_id assignee_type \
        created_at created_by_id created_by_type group group_id guest_id id issued_by_id notify resource_type role_id \
        scope type updated_at user user_id valid_from valid_until";
    assert_eq!(keys.join(" "), expected);
    assert_eq!(row.body["assignee"]["email"], "Ines@keepers.example");
    assert_eq!((&row.body["valid_from"], &row.body["valid_until"]), (&"2026-12-02T09:00:00Z".into(), &Value::Null));
    assert_eq!(row.body["created_by_id"], bench.admin);

    let whole = bench.get("/role_assignments?scope=organization");
    assert_eq!(whole.body.as_array().unwrap().len(), 1);
    assert!(whole.body[0].get("valid_from").is_none() && whole.body[0].get("valid_until").is_none());

    let member = bench.member;
    bench.twin.edit_user(member, None, noon(), |user| user.name = Some("Ines de Prado".into()));
    assert_eq!(bench.get(&format!("/role_assignments/{}", row.body["id"])).body["user"]["name"], "Ines de Prado");
}

#[test]
fn either_form_of_body_may_be_the_only_one_taken() {
    let old = |bench: &Bench| {
        let (user, group) = (bench.member, bench.group);
        format!(r#"{{"role_assignment": {{"user_id": {user}, "group_id": "{group}", "role_id": "group_basic"}}}}"#)
    };
    for (form, new_status, old_status) in [(Form::Both, 200, 200), (Form::New, 200, 422), (Form::Old, 422, 200)] {
        for (is_old, status) in [(false, new_status), (true, old_status)] {
            let mut bench = Bench::new();
            bench.twin.switch(|s| s.assignment_form = form);
            let body = if is_old { old(&bench) } else { bench.grant("null", "null") };
            assert_eq!(bench.call("POST", "/role_assignments", &body).status, status, "{form:?} {is_old}");
        }
    }
    let mut bench = Bench::new();
    let nobody = bench.grant("null", "null").replace(&bench.member.to_string(), "999999");
    assert_eq!(bench.call("POST", "/role_assignments", &nobody).status_and_code(), (404, "000404"));
    bench.twin.switch(|s| s.missing = Missing::Invalid);
    assert_eq!(bench.call("POST", "/role_assignments", &nobody).status, 422);
    for (from, until) in [(TEN, NINE), (r#""tomorrow""#, "null")] {
        let grant = bench.grant(from, until);
        assert_eq!(bench.call("POST", "/role_assignments", &grant).status, 422);
    }
}

#[test]
fn a_slot_is_taken_once_even_by_a_row_that_has_ended_unless_ended_rows_vanish() {
    let mut bench = Bench::new();
    let grant = bench.grant("null", TEN);
    let first = bench.call("POST", "/role_assignments", &grant).body["id"].as_u64().unwrap();
    bench.after(3 * 86_400);
    assert_eq!(bench.call("POST", "/role_assignments", &grant).status_and_code(), (409, "000409"));
    bench.twin.switch(|s| s.second_assignment = Clash::Invalid);
    let said = bench.call("POST", "/role_assignments", &grant);
    assert_eq!((said.status, said.body["errors"].is_object()), (422, true));
    bench.twin.switch(|s| s.expired_rows = Expired::Vanish);
    assert_eq!(bench.get(&format!("/role_assignments/{first}")).status, 404);
    assert_eq!(bench.call("POST", "/role_assignments", &grant).status, 200);
    let ended = bench.twin.history().assignments.iter().find(|v| v.id == first).unwrap();
    assert_eq!(ended.until, Some("2026-12-02T10:00:00Z".parse().unwrap()), "gone when it ended, not when asked for");
}

#[test]
fn a_patch_answers_204_whether_or_not_the_window_moved() {
    let mut bench = Bench::new();
    let grant = bench.grant(NINE, TEN);
    let path = format!("/role_assignments/{}", bench.call("POST", "/role_assignments", &grant).body["id"]);
    let longer = r#"{"role_assignment": {"valid_until": "2026-12-02T13:00:00.5+02:00", "notify": true}}"#;
    bench.twin.switch(|s| s.patch_window = Honoured::Ignored);
    assert_eq!(bench.call("PATCH", &path, longer).status, 204);
    assert_eq!(bench.get(&path).body["valid_until"], "2026-12-02T10:00:00Z");
    bench.twin.switch(|s| s.patch_window = Honoured::Taken);
    assert_eq!(bench.call("PUT", &path, longer).status, 204);
    let read = bench.get(&path).body;
    assert_eq!(
        (&read["valid_from"], &read["valid_until"]),
        (&"2026-12-02T09:00:00Z".into(), &"2026-12-02T11:00:00Z".into())
    );
    let notices: Vec<_> = bench.twin.history().notices.iter().map(|n| n.notify).collect();
    assert_eq!(notices, [Some(false), Some(true), Some(true)]);
    assert_eq!(bench.call("DELETE", &path, "").status, 204);
    assert_eq!(bench.call("DELETE", &path, "").status, 404);
}

#[test]
fn every_filter_finds_its_rows_and_no_others() {
    let mut bench = Bench::new();
    let (member, group, place, now) = (bench.member, bench.group, bench.place, bench.now);
    let other = bench.twin.add_person("tom@keepers.example", "Tom Vale", now);
    let team = bench.twin.add_team(Team { id: 0, name: "Potters".into(), members: vec![other] });
    let elsewhere = bench.twin.add_group(Group { name: "Loft".into(), ..Group::default() });
    let one = bench.twin.add_assignment(Assignment::in_group(member, group, Creator::User(7)), now);
    let two = bench.twin.add_assignment(Assignment::in_group(other, elsewhere, Creator::Unknown), now);
    let mut row = Assignment::in_group(0, elsewhere, Creator::MarketplaceInstallation(5));
    row.assignee = Assignee::Team(team);
    let three = bench.twin.add_assignment(row, now);
    for (filter, found) in [
        (format!("assignee_type=User&assignee_id={member}"), vec![one]),
        (format!("applies_to_type=Group&applies_to_id={elsewhere}"), vec![two, three]),
        (format!("user_id={other}"), vec![two, three]),
        (format!("user_id={member}&group_id={elsewhere}"), vec![]),
        (format!("group_id={group}"), vec![one]),
        (format!("place_id={place}"), vec![one]),
        (format!("ids={one},{three}"), vec![one, three]),
        ("scope=team".to_owned(), vec![three]),
        ("query=vale".to_owned(), vec![two]),
        ("role_id=group_basic&sort=user.name&limit=2".to_owned(), vec![one, three]),
    ] {
        assert_eq!(bench.get(&format!("/role_assignments?{filter}")).ids(), found, "{filter}");
    }
    assert_eq!(bench.get("/role_assignments?user_id=me").body[0]["role_id"], "organization_administrator");
    bench.twin.switch(|s| s.team_rows_by_user = false);
    assert_eq!(bench.get(&format!("/role_assignments?user_id={other}")).ids(), [two]);
}

/// What a checker of the whole system leans on: who was valid in which group at any moment.
#[test]
fn the_history_says_who_was_valid_when() {
    let mut bench = Bench::new();
    let at = |minute: i64| noon() + TimeDelta::minutes(minute);
    let quoted = |minute: i64| format!("{:?}", at(minute).to_rfc3339());
    bench.now = at(10);
    let grant = bench.grant(&quoted(20), &quoted(40));
    let path = format!("/role_assignments/{}", bench.call_now(SECRET, "POST", "/role_assignments", &grant).body["id"]);
    bench.now = at(30);
    let longer = format!(r#"{{"role_assignment": {{"valid_until": {}, "notify": false}}}}"#, quoted(60));
    bench.call_now(SECRET, "PATCH", &path, &longer);
    bench.now = at(35);
    let member = format!("/users/{}", bench.member);
    bench.call_now(SECRET, "PATCH", &member, r#"{"user": {"access_enabled": false}}"#);
    bench.now = at(50);
    bench.call_now(SECRET, "DELETE", &path, "");

    let history = bench.twin.history();
    let valid = |minute: i64| {
        history.assignments.iter().any(|v| v.scope == Scope::Group(bench.group) && v.valid_at(at(minute)))
    };
    let open: Vec<_> = (0..70).filter(|minute| valid(*minute)).collect();
    assert_eq!(open, (20..50).collect::<Vec<_>>());
    let spans: Vec<_> = history.assignments.iter().filter(|v| v.assignee == Assignee::User(bench.member)).collect();
    assert_eq!(spans.len(), 2);
    assert_eq!(spans[0].open(), Some((at(20), Some(at(30)))));
    assert_eq!(spans[1].open(), Some((at(30), Some(at(50)))));
    assert_eq!(history.enabled_at(bench.member, at(34)), Some(true));
    assert_eq!(history.enabled_at(bench.member, at(35)), Some(false));
    let told: Vec<_> = history.events.values().filter(|e| e.kind.starts_with("role_assignment.")).collect();
    let by_key: Vec<_> = told.iter().filter(|e| e.actor.as_ref().is_some_and(|a| a.id == bench.admin)).collect();
    let kinds: Vec<_> = by_key.iter().map(|e| e.kind.as_str()).collect();
    assert_eq!(kinds, ["role_assignment.create", "role_assignment.update", "role_assignment.destroy"]);
}
