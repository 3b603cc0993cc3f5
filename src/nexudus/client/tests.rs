use std::time::Duration;

use serde_json::json;

use super::*;
use crate::nexudus::fake::{Answer, Asked, answer, ok, page, scripted, settings, token};

fn bookings() -> Ask {
    Ask {
        path: "spaces/bookings".to_owned(),
        query: vec![("page".to_owned(), "1".to_owned())],
        entity: "Booking",
        right: Right::List,
    }
}

fn empty() -> Answer {
    page(&[], 0)
}

fn paths(log: &crate::nexudus::fake::Log) -> Vec<String> {
    log.lock().expect("log").iter().map(|asked| asked.path.clone()).collect()
}

fn bearer(asked: &Asked) -> &str {
    asked.header("authorization")
}

#[tokio::test(start_paused = true)]
async fn trap_1_the_sign_in_is_a_form_with_the_client_id_in_both_places() {
    let (client, log) = scripted(|asked| if asked.path == "token" { token("t-1") } else { empty() });
    client.list(&bookings()).await.expect("a list");
    client.list(&bookings()).await.expect("a list");
    let log = log.lock().expect("log");
    assert_eq!(
        log.iter().map(|asked| asked.path.as_str()).collect::<Vec<_>>(),
        ["token", "spaces/bookings", "spaces/bookings"]
    );
    assert_eq!(
        log[0].body,
        "grant_type=password&username=gateway%40example.org&password=hunter-2&client_id=gatehouse-harbour"
    );
    assert_eq!(log[0].header("content-type"), "application/x-www-form-urlencoded");
    assert_eq!(log[0].header("client_id"), "gatehouse-harbour");
    assert_eq!(bearer(&log[2]), "Bearer t-1");
    assert_eq!(client.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_before_it_ends_and_by_password_where_that_fails() {
    let mut renewals = 0;
    let (client, log) = scripted(move |asked| match asked.path.as_str() {
        "token" if asked.body.contains("grant_type=refresh_token") => {
            renewals += 1;
            if renewals == 1 {
                ok(json!({"access_token": "t-2", "expires_in": "100", "refresh_token": "second"}))
            } else {
                answer(400, &[], r#"{"error":"invalid_grant"}"#)
            }
        }
        "token" => ok(json!({"access_token": "t-1", "expires_in": 100, "refresh_token": "first"})),
        _ => empty(),
    });
    client.list(&bookings()).await.expect("a list");
    client.clock().sleep(Duration::from_secs(91)).await;
    client.list(&bookings()).await.expect("a list");
    client.clock().sleep(Duration::from_secs(91)).await;
    client.list(&bookings()).await.expect("a list");
    let log = log.lock().expect("log");
    let grants: Vec<&str> = log
        .iter()
        .filter(|asked| asked.path == "token")
        .map(|asked| asked.body.split('&').next().unwrap_or_default())
        .collect();
    assert_eq!(
        grants,
        ["grant_type=password", "grant_type=refresh_token", "grant_type=refresh_token", "grant_type=password"]
    );
    assert!(log[2].body.contains("refresh_token=first") && log[2].body.contains("client_id=gatehouse-harbour"));
    assert_eq!(bearer(&log[3]), "Bearer t-2");
}

#[tokio::test(start_paused = true)]
async fn trap_2_a_token_that_another_sign_in_ended_is_made_anew_once() {
    let mut made = 0;
    let (client, log) = scripted(move |asked| match (asked.path.as_str(), bearer(asked)) {
        ("token", _) => {
            made += 1;
            token(&format!("t-{made}"))
        }
        (_, "Bearer t-1") if asked.query("page") == "1" => answer(401, &[], ""),
        _ => empty(),
    });
    let mut other = bookings();
    other.query.clear();
    client.list(&other).await.expect("a list");
    client.list(&bookings()).await.expect("a list");
    assert_eq!(paths(&log), ["token", "spaces/bookings", "spaces/bookings", "token", "spaces/bookings"]);
}

#[tokio::test(start_paused = true)]
async fn trap_3_a_401_to_a_token_just_made_is_a_missing_role_and_no_loop() {
    let (client, log) = scripted(|asked| match asked.path.as_str() {
        "token" => token("t-1"),
        "spaces/bookings" => answer(401, &[], ""),
        _ => empty(),
    });
    let error = client.list(&bookings()).await.expect_err("refused");
    let NexudusError::Refused(Refusal::Role { ref role, status: 401, .. }) = error else { panic!("{error:?}") };
    assert_eq!(role, "Booking-List");
    assert!(error.to_string().contains("give the user a role with Booking-List"), "{error}");
    assert_eq!(paths(&log), ["token", "spaces/bookings"]);
    // The other lists go on.
    client.list(&Ask { path: "spaces/teams".to_owned(), ..bookings() }).await.expect("a list");
}

#[tokio::test(start_paused = true)]
async fn rule_8_a_refused_sign_in_stops_every_call_then_one_tries_after_10_s_and_at_doubling_pauses() {
    let (client, log) =
        scripted(|_| answer(400, &[], r#"{"error":"invalid_grant","error_description":"hunter-2 is wrong"}"#));
    for _ in 0..2_000 {
        let error = client.list(&bookings()).await.expect_err("refused");
        assert!(matches!(error, NexudusError::Refused(Refusal::SignIn { .. })), "{error:?}");
        assert!(!error.to_string().contains("hunter-2"), "promise 8: {error}");
        client.clock().sleep(Duration::from_secs(1)).await;
    }
    let at: Vec<u64> = log.lock().expect("log").iter().map(|asked| asked.at.0.as_secs()).collect();
    let pauses: Vec<u64> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(pauses[..6], [10, 20, 40, 80, 160, 300]);
    assert!(pauses[6..].iter().all(|pause| *pause == 300), "{pauses:?}");
    client.reset().await;
    let before = log.lock().expect("log").len();
    client.list(&bookings()).await.expect_err("refused");
    assert_eq!(log.lock().expect("log").len(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_endpoint_of_no_use_leads_to_basic_and_is_tried_again_later() {
    let uses: [fn() -> Answer; 5] = [
        || answer(404, &[], "\"Not found\""),
        || answer(500, &[], r#"{"Message":"An error has occurred."}"#),
        || answer(200, &[], "<html>"),
        || answer(400, &[], r#"{"error":"unsupported_grant_type"}"#),
        || answer(401, &[], "<html>"),
    ];
    for useless in uses {
        let (client, log) = scripted(move |asked| match asked.path.as_str() {
            "token" if asked.at.0 < Duration::from_secs(60) => useless(),
            "token" => token("t-1"),
            _ => empty(),
        });
        client.list(&bookings()).await.expect("a list");
        client.list(&bookings()).await.expect("a list");
        client.clock().sleep(TOKEN_AGAIN).await;
        client.list(&bookings()).await.expect("a list");
        assert_eq!(paths(&log), ["token", "spaces/bookings", "spaces/bookings", "token", "spaces/bookings"]);
        let log = log.lock().expect("log");
        assert_eq!(bearer(&log[1]), "Basic Z2F0ZXdheUBleGFtcGxlLm9yZzpodW50ZXItMg==");
        assert_eq!(bearer(&log[4]), "Bearer t-1");
    }
}

#[tokio::test(start_paused = true)]
async fn with_basic_a_first_401_is_the_sign_in_and_a_later_one_a_role() {
    let (client, _) = scripted(|asked| if asked.path == "token" { answer(404, &[], "") } else { answer(401, &[], "") });
    let error = client.list(&bookings()).await.expect_err("refused");
    assert!(matches!(error, NexudusError::Refused(Refusal::SignIn { .. })), "{error:?}");
    let (client, _) = scripted(|asked| match asked.path.as_str() {
        "token" => answer(404, &[], ""),
        "spaces/bookings" => answer(401, &[], ""),
        _ => empty(),
    });
    client.list(&Ask { path: "spaces/teams".to_owned(), ..bookings() }).await.expect("a list");
    let error = client.list(&bookings()).await.expect_err("refused");
    assert!(matches!(error, NexudusError::Refused(Refusal::Role { .. })), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn trap_5_a_409_is_the_throttle_and_no_call_goes_before_it_is_over() {
    let mut first = true;
    let (client, log) = scripted(move |asked| match asked.path.as_str() {
        "token" => token("t-1"),
        _ if std::mem::take(&mut first) => answer(409, &[("retry-after", "30"), ("content-length", "0")], ""),
        _ => empty(),
    });
    let error = client.list(&bookings()).await.expect_err("throttled");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(30)));
    client.clock().sleep(Duration::from_secs(20)).await;
    let error = client.list(&bookings()).await.expect_err("still throttled");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(10)));
    assert_eq!(log.lock().expect("log").len(), 2);
    client.clock().sleep(Duration::from_secs(10)).await;
    client.list(&bookings()).await.expect("a list");
}

#[tokio::test(start_paused = true)]
async fn trap_6_each_failure_is_named_and_classed() {
    let cases: [(Answer, &str); 7] = [
        (
            answer(500, &[], r#"{"Message":"An error has occurred."}"#),
            "HTTP 500 ('An error has occurred.'); it is tried again",
        ),
        (answer(503, &[("retry-after", "9")], ""), "asks to wait (HTTP 503)"),
        (Err(crate::net::HttpError::Connect("refused".into())), "no connection: refused"),
        (
            answer(302, &[("location", "https://login.example/")], ""),
            "redirection (HTTP 302) to https://login.example/",
        ),
        (answer(404, &[], "\"Not found\""), "knows no such list (HTTP 404)"),
        (
            answer(400, &[], r#"{"Status":500,"Message":"Email: may not be null","Value":null}"#),
            "Email: may not be null",
        ),
        (answer(403, &[], ""), "Booking-List"),
    ];
    for (given, named) in cases {
        let (client, _) = scripted(move |asked| if asked.path == "token" { token("t-1") } else { given.clone() });
        let error = client.list(&bookings()).await.expect_err("a failure").to_string();
        assert!(error.contains(named) && error.contains("spaces/bookings"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn rule_8_calls_are_serial_and_each_takes_from_the_budget() {
    let (client, log) = scripted(|asked| if asked.path == "token" { token("t-1") } else { empty() });
    let client = Arc::new(client);
    let tasks: Vec<_> = (0..30)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.list(&bookings()).await.map(drop) })
        })
        .collect();
    for task in tasks {
        task.await.expect("joined").expect("a list");
    }
    let at: Vec<Mono> = log.lock().expect("log").iter().map(|asked| asked.at).collect();
    assert_eq!(at.len(), 31, "one sign-in for all");
    assert!(at.windows(2).all(|pair| pair[1].since(pair[0]) >= Duration::from_millis(100)));
    assert!(at[30].0 > Duration::from_secs(8), "the bucket is empty after 20: {:?}", at[30]);
}

#[test]
fn the_members_portal_is_refused_as_an_address() {
    let clock = Clock::system();
    let http: Arc<dyn Http> =
        Arc::new(crate::net::client::client(clock.clone(), Default::default()).expect("a client"));
    let url = "https://harbour.spaces.nexudus.com/en".parse().expect("a URL");
    let error = NexudusClient::new(http, clock, Settings { url, ..settings() }).err().expect("refused");
    assert!(error.to_string().contains("members' portal"), "{error}");
}
