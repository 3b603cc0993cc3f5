use chrono::TimeDelta;
use serde_json::{Value, json};

use super::super::switches::{Dir, Limits, ListFault, Order, SortDirection};
use super::super::{Entity, says};
use super::{ADA, BOARDROOM, Caller, EMAIL, PASSWORD, utc};
use crate::twin::faults::{Effect, Rule};

fn with_customers(count: i64) -> Caller {
    let mut caller = Caller::new();
    for n in 1..count {
        caller.site().add_customer(n, &format!("Member {n}"), Some(&format!("m{n}@example.org"))).unwrap();
    }
    caller
}

#[test]
fn the_token_endpoint_takes_a_form_only() {
    let mut caller = Caller::new();
    let json = json!({"grant_type": "password", "username": EMAIL, "password": PASSWORD}).to_string();
    let (status, answer) = caller.json("POST", "/api/token", &json, &[("content-type", "application/json")]);
    assert_eq!((status, &answer["error"]), (400, &json!("unsupported_grant_type")));
    let wrong = [("grant_type", "password"), ("username", EMAIL), ("password", "no")];
    assert_eq!(caller.post_form(&wrong, &[]).0, 401);
    let right = [("grant_type", "password"), ("username", EMAIL), ("password", PASSWORD), ("totp", "123456")];
    let (status, answer) = caller.post_form(&right, &[]);
    assert_eq!((status, &answer["expires_in"], &answer["token_type"]), (200, &json!(604_799), &json!("bearer")));
}

#[test]
fn a_second_sign_in_with_the_same_client_id_ends_the_first_tokens_and_no_others() {
    let mut caller = Caller::new();
    let (other, _) = caller.sign_in("another-client");
    let (first, first_refresh) = caller.sign_in("gatehouse-test");
    let (second, _) = caller.sign_in("gatehouse-test");
    for (token, status) in [(other, 200), (first, 401), (second, 200)] {
        caller.token = token;
        assert_eq!(caller.call("GET", "/api/spaces/coworkers", "").0, status);
    }
    let old = [("grant_type", "refresh_token"), ("refresh_token", &*first_refresh), ("client_id", "gatehouse-test")];
    assert_eq!(caller.post_form(&old, &[]).0, 401);
}

#[test]
fn tokens_expire_and_are_refreshed_with_the_same_client_id_as_parameter_or_header() {
    let mut caller = Caller::new();
    caller.twin.switch(|s| s.token_seconds = 60);
    let (_, refresh) = caller.sign_in("gatehouse-test");
    caller.get("spaces/coworkers");
    caller.wait(TimeDelta::seconds(60));
    assert_eq!(caller.call("GET", "/api/spaces/coworkers", "").0, 401);
    let form = [("grant_type", "refresh_token"), ("refresh_token", &*refresh)];
    assert_eq!(caller.post_form(&form, &[]).0, 401);
    assert_eq!(caller.post_form(&form, &[("client_id", "somebody-else")]).0, 401);
    let (status, answer) = caller.post_form(&form, &[("client_id", "gatehouse-test")]);
    assert_eq!(status, 200);
    let again =
        [form[0], ("refresh_token", answer["refresh_token"].as_str().unwrap()), ("client_id", "gatehouse-test")];
    assert_eq!(caller.post_form(&again, &[]).0, 200);
}

#[test]
fn basic_is_accepted_and_a_missing_role_looks_like_a_refused_sign_in() {
    let mut caller = Caller::new();
    // gateway@example.org:päss wörd
    let basic = [("authorization", "Basic Z2F0ZXdheUBleGFtcGxlLm9yZzpww6RzcyB3w7ZyZA==")];
    assert_eq!(caller.json("GET", "/api/spaces/coworkers", "", &basic).0, 200);
    let wrong = [("authorization", "Basic Z2F0ZXdheUBleGFtcGxlLm9yZzp3cm9uZw==")];
    assert_eq!(caller.json("GET", "/api/spaces/coworkers", "", &wrong).0, 401);

    let one = format!("/api/spaces/coworkers/{ADA}");
    caller.twin.switch(|s| s.missing_roles = ["Coworker-List".to_owned()].into());
    assert_eq!((caller.call("GET", "/api/spaces/coworkers", "").0, caller.call("GET", &one, "").0), (401, 200));
    caller.twin.switch(|s| s.missing_roles = ["*-Read".to_owned()].into());
    assert_eq!((caller.call("GET", "/api/spaces/coworkers", "").0, caller.call("GET", &one, "").0), (200, 401));
    caller.twin.switch(|s| (s.missing_roles, s.api_access) = (Default::default(), false));
    assert_eq!(caller.call("GET", &one, "").0, 401);
}

/// `Retry-After` is true: that long later the request goes, a second before it doesn't.
#[test]
fn each_documented_limit_answers_409_with_an_empty_body_and_says_how_long() {
    // Milliseconds between two calls; how many go before one is refused; seconds until the next may go.
    let cases = [(50, 1, 1), (499, 120, 1), (600, 5_000, 600)];
    for (apart_ms, admitted, retry) in cases {
        let mut caller = Caller::new();
        caller.wait(TimeDelta::days(2));
        let send = |caller: &mut Caller| caller.send_now("GET", "/api/spaces/coworkers", "", &[]).response;
        for n in 0..admitted {
            assert_eq!(send(&mut caller).status, 401, "call {n} at {apart_ms} ms");
            caller.wait(TimeDelta::milliseconds(apart_ms));
        }
        let refused = send(&mut caller);
        assert_eq!((refused.status, refused.body.len()), (409, 0), "{apart_ms} ms");
        assert!(refused.headers.contains(&("content-length".into(), "0".into())));
        let after = refused.headers.iter().find(|(n, _)| n == "retry-after").unwrap().1.parse::<i64>().unwrap();
        assert_eq!(after, retry, "{apart_ms} ms");
        caller.wait(TimeDelta::seconds(after));
        assert_eq!(send(&mut caller).status, 401);
    }
}

#[test]
fn writes_have_limits_of_their_own_and_the_older_table_is_laxer() {
    let mut caller = Caller::new();
    caller.wait(TimeDelta::days(2));
    let burst = |caller: &mut Caller, method, apart, most| {
        (0..most).find(|_| {
            caller.wait(TimeDelta::milliseconds(apart));
            caller.send_now(method, "/api/spaces/bookings/1", "", &[]).response.status == 409
        })
    };
    assert_eq!(burst(&mut caller, "PUT", 501, 100), Some(60));
    caller.twin.switch(|s| s.limits = Limits::Older);
    caller.wait(TimeDelta::days(2));
    assert_eq!(burst(&mut caller, "GET", 9, 20), Some(10));
    caller.wait(TimeDelta::seconds(1));
    assert_eq!(burst(&mut caller, "GET", 11, 500), None);
    caller.twin.switch(|s| s.limits = Limits::Off);
    assert_eq!(burst(&mut caller, "PUT", 0, 500), None);
}

#[test]
fn pages_have_every_key_a_default_size_and_a_clamped_one() {
    let mut caller = with_customers(60);
    let page = caller.get("spaces/coworkers?page=2");
    assert_eq!(page["Records"].as_array().unwrap().len(), 25);
    let mut rest = page.as_object().unwrap().clone();
    rest.remove("Records");
    assert_eq!(
        Value::Object(rest),
        json!({"CurrentPage": 2, "CurrentPageSize": 25, "CurrentOrderField": "Id", "CurrentSortDirection": 0,
            "FirstItem": 26, "LastItem": 50, "PageNumber": 2, "PageSize": 25, "TotalItems": 60, "TotalPages": 3,
            "HasNextPage": true, "HasPreviousPage": true})
    );
    assert_eq!(caller.get("spaces/coworkers?size=5000")["PageSize"], 1000);
    caller.twin.switch(|s| s.sort_direction = SortDirection::Word);
    assert_eq!(caller.get("spaces/coworkers")["CurrentSortDirection"], "ASC");
}

#[test]
fn dir_has_three_readings_and_the_order_may_be_another_than_asked() {
    let mut caller = with_customers(4);
    let (up, down) = (vec![1, 2, 3, ADA], vec![ADA, 3, 2, 1]);
    for (reading, dir, falls) in [
        (Dir::Names, "Ascending", false),
        (Dir::Names, "Descending", true),
        (Dir::OneMinusOne, "1", false),
        (Dir::OneMinusOne, "-1", true),
        (Dir::ZeroOne, "1", true),
        (Dir::ZeroOne, "Descending", false),
    ] {
        caller.twin.switch(|s| s.dir = reading);
        let got = caller.ids(&format!("spaces/coworkers?orderBy=Id&dir={dir}"));
        assert_eq!(&got, if falls { &down } else { &up }, "{reading:?} {dir}");
    }
    caller.twin.switch(|s| s.order = Order::Reversed);
    assert_eq!(caller.ids("spaces/coworkers"), down);
    caller.twin.switch(|s| s.order = Order::Shuffled);
    let mut shuffled = caller.ids("spaces/coworkers?size=2");
    shuffled.extend(caller.ids("spaces/coworkers?size=2&page=2"));
    assert!(shuffled != up && shuffled != down);
    shuffled.sort_unstable();
    assert_eq!(shuffled, up);
}

#[test]
fn lists_shift_between_pages_count_wrongly_come_empty_or_small() {
    let mut caller = with_customers(50);
    let mut fault = |fault: ListFault| {
        caller.twin.switch(|s| s.lists = [("Coworker".to_owned(), fault)].into());
        let mut ids = caller.ids("spaces/coworkers?page=1");
        let second = caller.get("spaces/coworkers?page=2");
        ids.extend(second["Records"].as_array().unwrap().iter().map(|r| r["Id"].as_i64().unwrap()));
        let distinct = ids.iter().collect::<std::collections::BTreeSet<_>>().len();
        (ids.len(), distinct, second["TotalItems"].as_i64().unwrap())
    };
    assert_eq!(fault(ListFault::default()), (50, 50, 50));
    assert_eq!(fault(ListFault { shift: 1, total_off: -1, ..ListFault::default() }), (49, 49, 49));
    assert_eq!(fault(ListFault { shift: -1, ..ListFault::default() }), (50, 49, 50));
    assert_eq!(fault(ListFault { no_records: true, ..ListFault::default() }), (0, 0, 50));
    assert_eq!(fault(ListFault { keep: Some(0), ..ListFault::default() }), (0, 0, 0));
    assert_eq!(fault(ListFault { keep: Some(3), ..ListFault::default() }), (3, 3, 3));
    assert_eq!(fault(ListFault { hide: [1, ADA].into(), ..ListFault::default() }), (48, 48, 48));
    assert_eq!(caller.get(&format!("spaces/coworkers/{ADA}"))["Id"], ADA);
}

#[test]
fn a_filter_that_is_not_understood_gives_the_whole_table() {
    let mut caller = with_customers(5);
    let at = |h: u32| utc(&format!("2026-03-04T{h:02}:00:00Z"));
    caller.site().book(Some(ADA), BOARDROOM, at(9), at(10)).unwrap();
    let second = caller.site().book(Some(1), BOARDROOM, at(10), at(11)).unwrap();
    let third = caller.site().book(None, BOARDROOM, at(23), at(23) + TimeDelta::hours(3)).unwrap();
    for (query, count) in [
        ("", 3),
        ("UpdatedSince=2030-01-01", 3),
        ("status=Confirmed", 3),
        ("Booking_CoworkerId=1", 3),
        ("booking_coworker=1", 1),
        ("Booking_Coworker=77", 0),
        ("Booking_Tentative=true", 0),
        ("from_Booking_FromTime=nonsense", 3),
    ] {
        assert_eq!(caller.ids(&format!("spaces/bookings?{query}")).len(), count, "{query}");
    }
    assert_eq!(caller.ids(&format!("spaces/bookings/?Booking_Id=[{second},{third}]")), [second, third]);
    assert_eq!(caller.ids(&format!("spaces/bookings/?id=[{third}]")), [third]);
}

#[test]
fn ranges_are_inclusive_to_the_minute_with_and_without_z() {
    let mut caller = Caller::new();
    let at = |t: &str| utc(&format!("2026-07-04T{t}Z"));
    let id = caller.site().book(Some(ADA), BOARDROOM, at("09:30:00"), at("10:00:00")).unwrap();
    let mut found = |query: &str| caller.ids(&format!("spaces/bookings?{query}")) == [id];
    for z in ["", "Z", ":00Z", ":59"] {
        assert!(found(&format!("from_Booking_FromTime=2026-07-04T09:30{z}")), "{z}");
        assert!(found(&format!("to_Booking_FromTime=2026-07-04T09:30{z}")), "{z}");
        assert!(!found(&format!("from_Booking_FromTime=2026-07-04T09:31{z}")), "{z}");
        assert!(!found(&format!("to_Booking_FromTime=2026-07-04T09:29{z}")), "{z}");
    }
    assert!(found("from_Booking_ToTime=2026-07-04T09:45&to_Booking_FromTime=2026-07-04T09:45"));
    assert!(!found("from_Booking_FromTime=2026-07-04T09:45&to_Booking_ToTime=2026-07-04T11:00"));
    caller.twin.switch(|s| s.local_filters = true);
    let mut found = |query: &str| caller.ids(&format!("spaces/bookings?{query}")) == [id];
    assert!(!found("to_Booking_FromTime=2026-07-04T09:30Z") && found("to_Booking_FromTime=2026-07-04T10:30"));
    caller.twin.switch(|s| s.filters_refuse_zone = true);
    assert_eq!(caller.ids("spaces/bookings?to_Booking_FromTime=2020-01-01T00:00Z"), [id]);
}

#[test]
fn errors_come_in_every_known_envelope() {
    let mut caller = with_customers(2);
    let (status, refused) = caller.call("POST", "/api/spaces/coworkers", r#"{"FullName":"No Mail"}"#);
    assert_eq!((status, &refused["Status"], &refused["WasSuccessful"]), (400, &json!(500), &json!(false)));
    assert_eq!(refused["Errors"][0]["PropertyName"], "Email");
    assert_eq!(caller.call("GET", "/api/spaces/coworkers/777", ""), (404, json!("Not found")));
    assert_eq!(caller.call("GET", "/api/sys/coworkers", "").0, 404);

    let at = utc("2026-03-04T09:00:00Z");
    let booking = caller.site().book(Some(ADA), BOARDROOM, at, at + TimeDelta::hours(1)).unwrap();
    caller.site().cancel_booking(booking).unwrap();
    let dead = format!("/api/spaces/bookings/{booking}");
    assert_eq!(caller.call("GET", &dead, ""), (500, json!({"Message": "An error has occurred."})));
    caller.twin.switch(|s| s.dead_id_is_500 = false);
    assert_eq!(caller.call("GET", &dead, "").0, 404);

    for (says, status, json) in [
        (says::unsuccessful("no"), 200, true),
        (says::unwell(503, Some(7)), 503, true),
        (says::unwell(429, None), 429, true),
        (says::throttled(Some(3)), 409, false),
        (says::html(200), 200, false),
    ] {
        caller.twin.faults.add(Rule::on("/api/", Effect::Instead(says)).times(1));
        let answer = caller.send("GET", "/api/spaces/bookings", "", &[]).response;
        let body = serde_json::from_slice::<Value>(&answer.body);
        assert_eq!((answer.status, body.is_ok()), (status, json));
        assert!(status != 200 || !json || body.unwrap()["WasSuccessful"] == false);
    }
}

#[test]
fn a_put_clears_what_it_leaves_out_and_there_is_no_patch() {
    let mut caller = Caller::new();
    let path = format!("/api/spaces/coworkers/{ADA}");
    assert_eq!(caller.call("PATCH", &path, r#"{"Active":false}"#).0, 405);
    assert_eq!(caller.call("DELETE", &path, "").0, 405);
    let put = r#"{"FullName":"Ada King","Email":"ada@example.org"}"#;
    let (status, done) = caller.call("PUT", &path, put);
    assert_eq!((status, &done["WasSuccessful"], &done["Value"]["Id"]), (200, &json!(true), &json!(ADA)));
    let record = caller.twin.site().record(Entity::Coworker, ADA).unwrap();
    assert_eq!(
        (&record["FullName"], &record["Active"], &record["CoworkerType"]),
        (&json!("Ada King"), &json!(false), &Value::Null)
    );
}
