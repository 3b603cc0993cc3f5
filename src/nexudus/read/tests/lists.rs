use super::*;
use crate::domain::snapshot::{Named, Pause};
use chrono::NaiveDate;

fn day(text: &str) -> Option<NaiveDate> {
    Some(text.parse().expect("a date"))
}

async fn bookings(rows: Vec<Value>, known: &Known) -> Reading<Booking> {
    site([("spaces/bookings", rows)]).0.bookings(window(), known, began()).await.expect("a reading")
}

fn ids(reading: &Reading<Booking>) -> Vec<u64> {
    reading.listing.rows.iter().map(|row| row.id.0).collect()
}

#[tokio::test(start_paused = true)]
async fn trap_12_bookings_that_cross_an_edge_of_the_window_come_and_others_do_not() {
    let rows = vec![
        booking(1, "2026-03-04T08:00:00Z", "2026-03-04T09:30:00Z"),
        booking(2, "2026-03-18T08:59:59Z", "2026-03-19T09:30:00Z"),
        booking(3, "2026-03-03T08:00:00Z", "2026-03-20T09:30:00Z"),
        booking(4, "2026-03-04T08:00:00Z", "2026-03-04T09:00:00Z"),
        booking(5, "2026-03-18T09:00:00Z", "2026-03-18T10:00:00Z"),
        with(booking(6, "2026-03-05T09:00:00Z", "2026-03-05T10:00:00Z"), "ResourceId", json!(556)),
        with(booking(7, "2026-03-05T09:00:00Z", "2026-03-05T10:00:00Z"), "ResourceId", Value::Null),
    ];
    let reading = bookings(rows.clone(), &Known::default()).await;
    assert_eq!(ids(&reading), [1, 2, 3]);
    assert_eq!((reading.table_rows, reading.listing.whole), (7, Some(window())));
    // What is held is shown as it is now: moved out of the window, or to another resource.
    let known = Known { bookings: [BookingId(5), BookingId(6), BookingId(7)].into(), ..Known::default() };
    assert_eq!(ids(&bookings(rows, &known).await), [1, 2, 3, 5, 6, 7]);
}

#[tokio::test(start_paused = true)]
async fn trap_12_the_filter_asks_for_overlap_and_wider_than_any_zone() {
    let (reader, log) = site([]);
    reader.bookings(window(), &Known::default(), began()).await.expect("a reading");
    let log = log.lock().expect("log");
    assert_eq!(log[1].query("from_Booking_ToTime"), "2026-03-03T07:00");
    assert_eq!(log[1].query("to_Booking_FromTime"), "2026-03-19T11:00");
    assert_eq!((log[1].query("orderBy"), log[1].query("dir"), log[1].query("size")), ("Id", "Ascending", "1000"));
}

#[tokio::test(start_paused = true)]
async fn rule_4_a_booking_out_of_its_zone_is_set_aside_and_unlinked_ones_do_not_count() {
    let good = |id| booking(id, "2026-03-05T09:00:00Z", "2026-03-05T10:00:00Z");
    let bad = |id| with(good(id), "FromTimeLocal", json!("2026-03-05T09:00:00Z"));
    let elsewhere = with(bad(4), "ResourceId", json!(556));
    let fraction = with(good(5), "FromTime", json!("2026-03-05T09:00:00.1234567Z"));
    let unchecked = without(good(6), "FromTimeLocal");
    let reading = bookings(vec![good(1), bad(2), elsewhere, fraction, unchecked], &Known::default()).await;
    assert_eq!(ids(&reading), [1, 5, 6]);
    assert_eq!(reading.listing.aside.iter().map(|aside| aside.id).collect::<Vec<_>>(), [Some(2)]);
    assert!(reading.listing.aside[0].why.contains("Europe/Berlin"), "{:?}", reading.listing.aside);
}

#[tokio::test(start_paused = true)]
async fn rule_4_where_most_linked_rows_disagree_the_reading_is_refused() {
    let portal = |id| {
        with(booking(id, "2026-03-05T09:00:00Z", "2026-03-05T10:00:00Z"), "FromTimeLocal", json!("2026-03-05T09:00:00"))
    };
    let rows = vec![portal(1), portal(2), booking(3, "2026-03-05T09:00:00Z", "2026-03-05T10:00:00Z")];
    let (reader, _) = site([("spaces/bookings", rows)]);
    let error = reader.bookings(window(), &Known::default(), began()).await.expect_err("refused");
    let NexudusError::WrongZone { wrong: 2, linked: 3, .. } = error else { panic!("{error:?}") };
    assert!(error.to_string().contains("Europe/Berlin") && error.to_string().contains("site.timezone"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_bad_row_is_set_aside_and_the_rest_goes_on() {
    let good = booking(1, "2026-03-05T09:00:00Z", "2026-03-05T10:00:00Z");
    let inverted = booking(2, "2026-03-05T09:00:00Z", "2026-03-05T08:00:00Z");
    let undecided = without(with(good.clone(), "Id", json!(3)), "Tentative");
    let nobody = with(with(good.clone(), "Id", json!("4")), "CoworkerId", Value::Null);
    let reading = bookings(vec![good, inverted, undecided, nobody, json!("nonsense")], &Known::default()).await;
    assert_eq!(ids(&reading), [1, 4]);
    assert_eq!(reading.listing.rows[1].customer, None);
    assert_eq!(reading.listing.aside.iter().map(|aside| aside.id).collect::<Vec<_>>(), [Some(2), Some(3), None]);
}

fn contract(id: u64) -> Value {
    json!({
        "Id": id, "CoworkerId": 90210, "TariffId": 99, "Active": true, "FloorPlanDeskIds": "801, 802",
        "StartDate": "2025-12-31T23:00:00Z", "CancellationDate": null, "InPausedPeriod": false,
        "UpdatedOn": "2026-03-01T00:05:00Z",
    })
}

#[tokio::test(start_paused = true)]
async fn rule_2_contracts_are_those_of_linked_desks_and_plans_with_days_of_the_site() {
    let other = || with(contract(1), "FloorPlanDeskIds", json!("802"));
    let rows = vec![
        with(contract(1), "Active", json!(false)),
        with(with(other(), "Id", json!(2)), "TariffId", json!("12")),
        with(other(), "Id", json!(3)),
        with(
            with(
                with(contract(4), "CancellationDateLocal", json!("2026-04-30T00:00:00Z")),
                "CancellationDate",
                json!("2026-05-01T22:00:00Z"),
            ),
            "InPausedPeriodFrom",
            json!("2026-03-31T22:00:00Z"),
        ),
        with(contract(5), "InPausedPeriod", json!(true)),
    ];
    let (reader, _) = site([("billing/coworkercontracts", rows)]);
    let known = Known { contracts: [ContractId(3)].into(), ..Known::default() };
    let reading = reader.contracts(&known, began()).await.expect("a reading");
    let of = |id| reading.listing.rows.iter().find(|row| row.id == ContractId(id)).expect("kept");
    assert_eq!(reading.listing.rows.len(), 5, "an inactive one and a held one are kept");
    assert_eq!((of(1).active, of(1).start_day), (false, day("2026-01-01")));
    assert_eq!(of(1).desks.iter().map(|desk| desk.0).collect::<Vec<_>>(), [801, 802]);
    assert_eq!(of(4).cancellation_day, day("2026-04-30"), "the local twin counts, its offset does not");
    assert_eq!(of(4).pause, Some(Pause { from_day: day("2026-04-01"), until_day: None }));
    assert_eq!(of(5).pause, Some(Pause { from_day: None, until_day: None }), "paused, though nobody says until when");
    let reading = reader.contracts(&Known::default(), began()).await.expect("a reading");
    assert!(!reading.listing.rows.iter().any(|row| row.id == ContractId(3)));
}

#[tokio::test(start_paused = true)]
async fn trap_11_desks_that_a_list_leaves_out_are_read_by_id_until_the_contract_is_updated() {
    let full = [contract(1), with(contract(2), "FloorPlanDeskIds", json!("7"))];
    let updated = Arc::new(std::sync::Mutex::new("2026-03-01T00:05:00Z"));
    let told = updated.clone();
    let (reader, log) = reader(move |asked| match asked.path.as_str() {
        "billing/coworkercontracts" => {
            let rows: Vec<Value> = full.iter().map(|row| without(row.clone(), "FloorPlanDeskIds")).collect();
            let dead = with(rows[0].clone(), "Id", json!(3));
            let first = with(rows[0].clone(), "UpdatedOn", json!(*told.lock().expect("text")));
            paged(asked, &[first, rows[1].clone(), dead])
        }
        "billing/coworkercontracts/1" => ok(full[0].clone()),
        "billing/coworkercontracts/2" => ok(full[1].clone()),
        _ => answer(500, &[], r#"{"Message":"An error has occurred."}"#),
    });
    let mut by_id = Vec::new();
    for round in 0..3 {
        if round == 2 {
            *updated.lock().expect("text") = "2026-03-04T08:00:00Z";
        }
        let before = log.lock().expect("log").len();
        let reading = reader.contracts(&Known::default(), began()).await.expect("a reading");
        assert_eq!(reading.listing.rows.iter().map(|row| row.id.0).collect::<Vec<_>>(), [1]);
        assert_eq!(
            reading.listing.aside.iter().map(|aside| aside.id).collect::<Vec<_>>(),
            [Some(3)],
            "500: neither there nor gone"
        );
        let paths = log.lock().expect("log")[before..].iter().filter(|asked| asked.path.contains("contracts/")).count();
        by_id.push(paths);
    }
    assert_eq!(by_id, [3, 1, 2], "all, then the one that failed, then that and the updated one");
}

#[tokio::test(start_paused = true)]
async fn trap_11_members_of_teams_come_by_id_or_from_the_list() {
    let (reader, _) = reader(|asked| match asked.path.as_str() {
        "spaces/teams" => paged(
            asked,
            &[
                json!({"Id": 1, "Name": "Acme", "ShareTimePasses": "true"}),
                json!({"Id": 2, "Name": "Both", "ShareTimePasses": false, "CoworkerIds": "5, 6"}),
            ],
        ),
        "spaces/teams/1" => ok(json!({"Id": 1, "TeamMembers": [{"Id": 90210, "FullName": "Ada"}, 90211]})),
        other => panic!("{other}"),
    });
    let reading = reader.teams(began()).await.expect("a reading");
    let members: Vec<Vec<u64>> =
        reading.listing.rows.iter().map(|team| team.members.iter().map(|id| id.0).collect()).collect();
    assert_eq!(members, [vec![90210, 90211], vec![5, 6]]);
    assert!(reading.listing.rows[0].share_passes && !reading.listing.rows[1].share_passes);
}

#[tokio::test(start_paused = true)]
async fn rule_2_a_day_pass_is_one_whose_minutes_are_null_not_left_out() {
    let (reader, _) = reader(|asked| match asked.path.as_str() {
        "billing/timepasses" => paged(
            asked,
            &[json!({"Id": 31, "Name": "Hours"}), json!({"Id": 32, "Name": "Day", "MinutesIncluded": null})],
        ),
        "billing/timepasses/31" => ok(json!({"Id": 31, "Name": "Hours", "MinutesIncluded": "300"})),
        "billing/timepasstimeslots" => paged(asked, &[json!({"Id": 1, "TimePassId": 32, "DayOfWeek": 1})]),
        other => panic!("{other}"),
    });
    let reading = reader.pass_kinds(began()).await.expect("a reading");
    let kinds: Vec<_> = reading.listing.rows.iter().map(|kind| (kind.id.0, kind.minutes, kind.slots)).collect();
    assert_eq!(kinds, [(31, Some(300), false), (32, None, true)]);
}

#[tokio::test(start_paused = true)]
async fn rule_1_customers_come_with_their_state_and_unusable_addresses_are_none() {
    let rows = vec![
        json!({"Id": 1, "FullName": "Ada Jones", "Email": " ADA@example.org ", "Active": 1, "Archived": "false"}),
        json!({"Id": 2, "FullName": "Zoë", "Email": "", "Active": false, "Archived": true}),
        json!({"Id": 3, "FullName": "Nobody says", "Email": "c@example.org"}),
    ];
    let (reader, _) = site([("spaces/coworkers", rows)]);
    let reading = reader.customers(began()).await.expect("a reading");
    let [ada, zoe] = &reading.listing.rows[..] else { panic!("{reading:?}") };
    assert_eq!(ada.email.as_ref().map(crate::domain::Email::as_str), Some("ada@example.org"));
    assert!(ada.active && !ada.archived && !zoe.active && zoe.archived && zoe.email.is_none());
    assert_eq!(reading.listing.aside[0].id, Some(3));
    assert_eq!(reader.customer(CustomerId(2)).await.expect("an answer").map(|c| c.name).as_deref(), Some("Zoë"));
    assert_eq!(reader.customer(CustomerId(9)).await.expect("an answer"), None);
}

#[tokio::test(start_paused = true)]
async fn trap_20_the_locations_windows_zone_is_compared_with_the_sites() {
    let zone = |name: &'static str| {
        site([
            ("sys/businesses", vec![json!({"Id": 4711, "Name": "Hafen 12", "SimpleTimeZoneId": 8})]),
            ("sys/simpletimezones", vec![json!({"Id": 8, "Name": name, "TimeOffset": "1:00"})]),
        ])
        .0
    };
    let check = zone("W. Europe Standard Time").zone_check(began()).await.expect("an answer");
    assert_eq!(check, ZoneCheck::Agrees);
    let check = zone("GMT Standard Time").zone_check(began()).await.expect("an answer");
    let nexudus = "GMT Standard Time (Europe/London)".to_owned();
    assert_eq!(check, ZoneCheck::Differs { nexudus, ours: "Europe/Berlin".to_owned() });
    let check = site([]).0.zone_check(began()).await.expect("an answer");
    assert!(matches!(check, ZoneCheck::Unknown(why) if why.contains("nexudus.location")));
}

#[tokio::test(start_paused = true)]
async fn trap_6_an_html_page_fails_the_reading_and_never_reads_as_an_empty_list() {
    let (reader, _) = reader(|_| answer(200, &[], "<!DOCTYPE html><title>Maintenance</title>"));
    let error = reader.resources(began()).await.expect_err("broken").to_string();
    assert!(error.contains("spaces/resources") && error.contains("<!DOCTYPE html>"), "{error}");
    let (reader, _) = site([("spaces/resources", vec![json!({"Id": 555, "Name": "Boardroom"})])]);
    let reading = reader.resources(began()).await.expect("a reading");
    assert_eq!(reading.listing.rows, [Named { id: 555, name: "Boardroom".to_owned() }]);
}
