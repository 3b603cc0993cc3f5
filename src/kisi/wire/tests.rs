//! Kisi's shapes, the odd ones first.

use super::people::{Assignee, RoleRow, Scope, UserRow};
use super::*;
use crate::domain::{GroupId, UserId};

#[test]
fn trap_11_a_range_may_pass_the_total_and_an_empty_list_is_a_star() {
    assert_eq!(total("0-9/200"), Some(200));
    assert_eq!(total("10-19/15"), Some(15));
    assert_eq!(total("*/0"), Some(0));
    assert_eq!(total("rows"), None);
}

#[test]
fn errors_of_every_shape_are_read() {
    let read = |status, body: &str| api_error(status, body.as_bytes());
    let full = read(403, r#"{"code":"fcd8ef","error":"Access denied."}"#);
    assert_eq!((full.code.as_deref(), full.text.as_str()), (Some("fcd8ef"), "Access denied."));
    let validation = read(422, r#"{"errors":{"email":["can't be blank","is invalid"]}}"#);
    assert_eq!(validation.text, "email can't be blank, is invalid");
    for nothing in [read(422, ""), read(422, "{}"), read(422, "[1]"), read(502, "<html>bad gateway</html>")] {
        assert_eq!(nothing.code, None);
    }
    assert!(read(502, "<html>").text.contains("not JSON"));
    assert!(read(422, &format!(r#"{{"error":"{}"}}"#, "x".repeat(5000))).text.len() < 400);
}

#[test]
fn a_bad_row_is_set_aside_and_the_rest_is_read() {
    let body = r#"[{"id":1,"email":"A@x.org","access_enabled":true,"metadata":null,"new_field":[]},
                   {"id":2,"access_enabled":"perhaps"}, {"id":"3","name":null,"access_enabled":false}, 7]"#;
    let (users, aside) = list::<UserRow>(body.as_bytes()).expect("a list");
    assert_eq!(users.iter().map(|user| user.id).collect::<Vec<_>>(), [UserId(1), UserId(3)]);
    assert_eq!(aside.iter().map(|aside| aside.id).collect::<Vec<_>>(), [Some(2), None]);
    assert!(list::<UserRow>(br#"{"error":"no"}"#).is_err());
}

#[test]
fn roles_are_read_with_the_new_keys_and_with_the_deprecated_ones() {
    let read = |text: &str| one::<RoleRow>(text.as_bytes()).expect("a role");
    let old = read(
        r#"{"id":1,"role_id":"group_basic","scope":"group","user_id":7,"group_id":9,
                       "valid_until":"2026-12-01T12:00:00.250+02:00","created_by_id":5}"#,
    );
    let row = old.assignment().expect("an assignment");
    assert_eq!((row.user, row.group, row.created_by), (UserId(7), GroupId(9), Some(UserId(5))));
    assert_eq!(row.valid_until.map(|at| at.to_rfc3339()).as_deref(), Some("2026-12-01T10:00:00.250+00:00"));
    let team = read(r#"{"id":2,"applies_to_type":"Group","applies_to_id":9,"assignee_type":"Team","assignee_id":3}"#);
    assert_eq!((team.assignee, team.assignment()), (Assignee::Team, None));
    let through = read(r#"{"id":3,"scope":"group","group_id":9,"user_id":7,"assignee_team_id":3}"#);
    assert_eq!(through.assignee, Assignee::Team);
    let place = read(r#"{"id":4,"applies_to_type":"Place","applies_to_id":1,"assignee_type":"User","assignee_id":7}"#);
    assert_eq!((place.scope.clone(), place.assignment()), (Scope::Place, None));
    let app = read(
        r#"{"id":5,"scope":"group","group_id":9,"user_id":7,"created_by_type":"MarketplaceInstallation",
                       "created_by_id":700001}"#,
    );
    assert_eq!(app.created_by, None, "an installation's number is no user's");
}
