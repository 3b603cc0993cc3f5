use chrono::TimeDelta;
use serde_json::{Value, json};

use super::super::Entity;
use super::super::switches::{ActiveUntil, Days, Local, Original, Snapshot, UsedDate, Utc};
use super::{ADA, BOARDROOM, Caller, HARBOUR, day, utc};

#[test]
fn a_booking_has_no_email_and_follows_the_names_around_it_without_being_updated() {
    let mut caller = Caller::new();
    let at = utc("2026-03-04T11:00:00Z");
    let id = caller.site().book(Some(ADA), BOARDROOM, at, at + TimeDelta::hours(2)).unwrap();
    let before = caller.rows("spaces/bookings").remove(0);
    assert_eq!((&before["CoworkerFullName"], &before["ResourceName"]), (&json!("Ada Jones"), &json!("Boardroom")));
    assert!(before.as_object().unwrap().keys().all(|key| !key.contains("Email")));
    caller.wait(TimeDelta::minutes(5));
    caller.site().set(Entity::Coworker, ADA, json!({"FullName": "Ada King"})).unwrap();
    let after = caller.rows("spaces/bookings").remove(0);
    assert_eq!((&after["CoworkerFullName"], &after["UpdatedOn"]), (&json!("Ada King"), &before["UpdatedOn"]));

    caller.site().move_booking(id, at + TimeDelta::hours(1), at + TimeDelta::hours(3)).unwrap();
    let moved = caller.rows("spaces/bookings").remove(0);
    assert_eq!((&moved["Id"], &moved["FromTime"]), (&json!(id), &json!("2026-03-04T12:00:00Z")));
    assert!(moved["UpdatedOn"].as_str() > before["UpdatedOn"].as_str());
    assert_eq!(caller.ids("spaces/bookings?from_Booking_UpdatedOn=2026-03-02T08:05").len(), 1);

    caller.twin.switch(|s| s.never_updated = ["Booking".to_owned()].into());
    caller.wait(TimeDelta::minutes(5));
    caller.site().set(Entity::Booking, id, json!({"Tentative": true})).unwrap();
    assert_eq!(caller.only("spaces/bookings", "UpdatedOn"), moved["UpdatedOn"]);
}

#[test]
fn a_cancelled_booking_is_gone_and_leaves_its_snapshot_at_once_late_or_never() {
    let mut caller = Caller::new();
    let at = utc("2026-03-04T11:00:00Z");
    let mut cancel = |snapshot: Snapshot, original: Original| {
        caller.twin.switch(|s| (s.snapshot, s.original) = (snapshot, original));
        let id = caller.site().book(Some(ADA), BOARDROOM, at, at + TimeDelta::hours(2)).unwrap();
        let unique = caller.get(&format!("spaces/bookings/{id}"))["UniqueId"].clone();
        let since = caller.now.format("%Y-%m-%dT%H:%M");
        caller.site().cancel_booking(id).unwrap();
        assert!(caller.ids("spaces/bookings").is_empty());
        let list = format!("spaces/cancelledbookings?from_CancelledBooking_CancelledOn={since}");
        let first = caller.rows(&list);
        caller.wait(TimeDelta::minutes(10));
        let then = caller.rows(&list);
        let shown = then.first().map(|r| r["OriginalBookingId"].clone());
        (first.len(), then.len(), shown.map(|s| (s == json!(id.to_string()), s == unique)))
    };
    assert_eq!(cancel(Snapshot::AtOnce, Original::Id), (1, 1, Some((true, false))));
    assert_eq!(cancel(Snapshot::Late(90), Original::UniqueId), (0, 1, Some((false, true))));
    assert_eq!(cancel(Snapshot::Never, Original::Id), (0, 0, None));
    let history = caller.twin.history();
    let shown: Vec<_> = history.cancellations().iter().map(|c| c.shown_at.map(|at| at - c.at)).collect();
    assert_eq!(shown, [Some(TimeDelta::zero()), Some(TimeDelta::seconds(90)), None]);
}

#[test]
fn deleting_a_booking_or_its_resource_is_a_switch_of_its_own() {
    let mut caller = Caller::new();
    let at = utc("2026-03-04T11:00:00Z");
    caller.twin.switch(|s| s.snapshot_of_deleted = Snapshot::Never);
    let days = (at, at + TimeDelta::hours(1));
    let series = caller.site().book_series(ADA, BOARDROOM, days, 7, 6).unwrap();
    let rows = caller.rows("spaces/bookings");
    assert!(rows.iter().all(|r| r["RepeatSeriesUniqueId"] == rows[0]["RepeatSeriesUniqueId"]));
    // The same wall clock each week: over the change of 29 March it is an hour earlier in UTC.
    assert_eq!(
        (&rows[3]["FromTime"], &rows[4]["FromTime"]),
        (&json!("2026-03-25T11:00:00Z"), &json!("2026-04-01T10:00:00Z"))
    );
    assert_eq!(caller.call("DELETE", &format!("/api/spaces/bookings/{}", series[0]), "").0, 200);
    caller.site().cancel_booking(series[1]).unwrap();
    caller.site().delete(Entity::Resource, BOARDROOM).unwrap();
    assert!(caller.ids("spaces/bookings").is_empty());
    assert_eq!(caller.ids("spaces/cancelledbookings").len(), 1);
}

#[test]
fn dates_are_written_in_every_form_and_local_ones_are_the_wall_clock_on_both_nights_of_the_change() {
    let mut caller = Caller::new();
    let hour = TimeDelta::hours(1);
    let mut local = |from: &str, switch: &dyn Fn(&mut super::super::Switches)| {
        caller.twin.switch(|s| {
            *s = super::super::Switches::default();
            switch(s);
        });
        let id = caller.site().book(Some(ADA), BOARDROOM, utc(from), utc(from) + hour).unwrap();
        let row = caller.get(&format!("spaces/bookings/{id}"));
        (row["FromTime"].as_str().unwrap().to_owned(), row["FromTimeLocal"].as_str().unwrap().to_owned())
    };
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    // Forward on 29 March at 01:00 UTC, back on 25 October at 01:00 UTC.
    assert_eq!(local("2026-03-29T00:30:00Z", &|_| ()), pair("2026-03-29T00:30:00Z", "2026-03-29T00:30:00"));
    assert_eq!(local("2026-03-29T01:30:00Z", &|_| ()), pair("2026-03-29T01:30:00Z", "2026-03-29T02:30:00"));
    assert_eq!(local("2026-10-25T00:30:00Z", &|_| ()).1, local("2026-10-25T01:30:00Z", &|_| ()).1);
    let july = "2026-07-01T09:00:00.1234567Z";
    assert_eq!(
        local(july, &|s| (s.local, s.fraction) = (Local::FalseZ, 7)),
        pair("2026-07-01T09:00:00.1234567Z", "2026-07-01T10:00:00.1234567Z")
    );
    assert_eq!(
        local(july, &|s| (s.local, s.utc, s.fraction) = (Local::FalseOffset, Utc::Bare, 1)),
        pair("2026-07-01T09:00:00.1", "2026-07-01T10:00:00.1+00:00")
    );
    assert_eq!(local(july, &|s| s.utc = Utc::Offset).0, "2026-07-01T09:00:00+00:00");
    assert_eq!(local(july, &|s| s.portal = true), pair("2026-07-01T10:00:00Z", "2026-07-01T10:00:00"));
}

#[test]
fn lists_leave_out_collections_and_by_a_switch_what_access_hangs_on() {
    let mut caller = Caller::new();
    let site = caller.site();
    site.set(Entity::Resource, BOARDROOM, json!({"KisiGroupId": "45901", "AccessControlGroupId": "9"})).unwrap();
    site.add_customer(8, "Grace", Some("grace@example.org")).unwrap();
    site.add_team(70, "Acme", &[ADA, 8], true).unwrap();
    site.add_plan(12, HARBOUR, "Dedicated desk").unwrap();
    site.add_desk(801, HARBOUR, "D1").unwrap();
    site.add_desk(802, HARBOUR, "D2").unwrap();
    let contract = site.sign_contract(ADA, 12, day("2026-01-01"), &[801, 802]).unwrap();

    assert_eq!(caller.only("spaces/teams", "TeamMembers"), "left out");
    assert_eq!(caller.only("spaces/teams", "CoworkerIds"), format!("{},{}", ADA, 8));
    assert_eq!(caller.get("spaces/teams/70")["TeamMembers"], json!([ADA, 8]));
    assert_eq!(caller.get("spaces/coworkers/8")["Teams"], json!([70]));
    assert_eq!(caller.only("spaces/coworkers?Coworker_Email=GRACE@example.org", "TeamNames"), "Acme");
    assert_eq!(caller.only("spaces/resources", "KisiGroupId"), "45901");
    assert_eq!(caller.only("billing/coworkercontracts", "FloorPlanDeskIds"), "801,802");
    assert_eq!(caller.only("sys/floorplandesks?id=801", "CoworkerContractIds"), contract.to_string());

    caller.twin.switch(|s| (s.lists_without_access, s.comma_blank, s.customer_type_words) = (true, true, true));
    assert_eq!(caller.only("spaces/teams", "CoworkerIds"), "left out");
    assert_eq!(caller.only("spaces/resources", "KisiGroupId"), "left out");
    assert_eq!(caller.only("spaces/resources", "AccessControlGroupId"), "left out");
    assert_eq!(caller.only("billing/coworkercontracts", "FloorPlanDeskIds"), "left out");
    assert_eq!(caller.only("billing/coworkercontracts", "CoworkerCoworkerType"), "Individual");
    let full = caller.get(&format!("billing/coworkercontracts/{contract}"));
    assert_eq!((&full["FloorPlanDeskIds"], &full["Desks"]), (&json!("801, 802"), &json!([801, 802])));
}

#[test]
fn passes_are_used_and_checked_in_with_updated_on_moving_or_not() {
    let mut caller = Caller::new();
    let site = caller.site();
    site.add_pass_kind(31, HARBOUR, "Day pass", None).unwrap();
    site.add_pass_kind(32, HARBOUR, "Ten hours", Some(600)).unwrap();
    let day_pass = site.give_pass(ADA, 31, Some(day("2026-06-30"))).unwrap();
    let hours = site.give_pass(ADA, 32, None).unwrap();
    // The first moment of 30 June in London.
    assert_eq!(caller.get(&format!("billing/coworkertimepasses/{day_pass}"))["ExpireDate"], "2026-06-29T23:00:00Z");

    let mut moves = |switch: bool, pass: i64| {
        caller.twin.switch(|s| s.check_in_updates_pass = switch);
        caller.wait(TimeDelta::minutes(5));
        let before = caller.get(&format!("billing/coworkertimepasses/{pass}"));
        let now = caller.now;
        let site = caller.twin.at(now);
        let checkin = site.check_in(ADA, HARBOUR, Some(pass)).unwrap();
        caller.wait(TimeDelta::minutes(90));
        let inside = caller.get(&format!("billing/coworkertimepasses/{pass}"));
        assert_eq!(inside["CheckedIn"], true);
        caller.site().check_out(checkin).unwrap();
        let after = caller.get(&format!("billing/coworkertimepasses/{pass}"));
        (after["UpdatedOn"] != before["UpdatedOn"], after)
    };
    let (moved, after) = moves(true, day_pass);
    assert!(moved && after["Used"] == true && after["RemainingUses"].is_null() && after["CheckedIn"] == false);
    let (moved, after) = moves(false, hours);
    assert!(!moved && after["Used"] == false && after["RemainingUses"] == 510 && after["TotalUses"] == 600);

    caller.twin.switch(|s| (s.used_date, s.days) = (UsedDate::Day, Days::UtcMidnight));
    let third = caller.site().give_pass(ADA, 31, Some(day("2026-06-30"))).unwrap();
    caller.site().use_pass(third, 0).unwrap();
    let record = caller.get(&format!("billing/coworkertimepasses/{third}"));
    assert_eq!(
        (&record["UsedDate"], &record["ExpireDate"]),
        (&json!("2026-03-02T00:00:00Z"), &json!("2026-06-30T00:00:00Z"))
    );
}

#[test]
fn pauses_and_ends_of_contracts_come_by_the_clock_without_an_update() {
    let mut caller = Caller::new();
    let site = caller.site();
    site.add_plan(12, HARBOUR, "Dedicated desk").unwrap();
    let contract = site.sign_contract(ADA, 12, day("2026-01-01"), &[]).unwrap();
    site.pause_contract(contract, day("2026-04-01"), day("2026-05-01")).unwrap();
    site.give_notice(contract, day("2026-06-01")).unwrap();
    let path = format!("billing/coworkercontracts/{contract}");
    let signed = caller.get(&path)["UpdatedOn"].clone();
    let mut seen = |at: &str, next: bool| {
        caller.twin.switch(|s| s.next_pause_shown = next);
        caller.now = caller.now.max(utc(at));
        let token = caller.sign_in("gatehouse-test").0;
        caller.token = token;
        let row = caller.get(&path);
        assert_eq!(row["UpdatedOn"], signed);
        (row["Active"] == true, row["InPausedPeriod"] == true, row["InPausedPeriodFrom"].clone())
    };
    assert_eq!(seen("2026-03-10T00:00:00Z", false), (true, false, Value::Null));
    // Midnight of 1 April in London.
    assert_eq!(seen("2026-03-10T00:00:00Z", true), (true, false, json!("2026-03-31T23:00:00Z")));
    assert_eq!(seen("2026-03-31T22:59:00Z", false), (true, false, Value::Null));
    assert_eq!(seen("2026-03-31T23:00:00Z", false), (true, true, json!("2026-03-31T23:00:00Z")));
    assert_eq!(seen("2026-05-02T00:00:00Z", false), (true, false, Value::Null));
    assert_eq!(seen("2026-06-02T00:00:00Z", false), (false, false, Value::Null));
    let pause = caller.rows(&format!("billing/contractpausedperiods?ContractPausedPeriod_CoworkerContract={contract}"));
    assert_eq!(
        (&pause[0]["PauseUntil"], &pause[0]["PauseUntilLocal"]),
        (&json!("2026-04-30T23:00:00Z"), &json!("2026-05-01T00:00:00"))
    );

    let history = caller.twin.history();
    let active_at = |t: &str| history.at(Entity::CoworkerContract, contract, utc(t)).map(|row| row["Active"].clone());
    assert_eq!(active_at("2026-05-31T22:59:59Z"), Some(json!(true)));
    assert_eq!(active_at("2026-05-31T23:00:00Z"), Some(json!(false)));

    caller.twin.switch(|s| s.active_until = ActiveUntil::Notice);
    let second = caller.site().sign_contract(ADA, 12, day("2026-01-01"), &[]).unwrap();
    caller.site().give_notice(second, day("2027-01-01")).unwrap();
    caller.site().set(Entity::Coworker, ADA, json!({"Active": false})).unwrap();
    let row = caller.get(&format!("billing/coworkercontracts/{second}"));
    assert_eq!(
        (&row["Active"], &row["CoworkerActive"], &row["Cancelled"]),
        (&json!(false), &json!(false), &json!(true))
    );
}

#[test]
fn a_location_names_its_zone_as_windows_does() {
    let mut caller = Caller::new();
    let zone = caller.get(&format!("sys/businesses/{HARBOUR}"))["SimpleTimeZoneId"].clone();
    assert_eq!(caller.get(&format!("sys/simpletimezones/{zone}"))["Name"], "GMT Standard Time");
    assert!(caller.site().add_location(2, "Mars", "Mars/Olympus").is_err());
    let at = utc("2026-03-04T11:00:00Z");
    caller.site().book(Some(ADA), BOARDROOM, at, at + TimeDelta::hours(1)).unwrap();
    caller.site().set_zone(HARBOUR, "America/New_York").unwrap();
    assert_eq!(caller.only("spaces/bookings", "FromTimeLocal"), "2026-03-04T06:00:00");
}

#[test]
fn history_says_what_held_at_any_moment_and_what_was_asked() {
    let mut caller = Caller::new();
    let at = utc("2026-03-04T11:00:00Z");
    let made = caller.now;
    let id = caller.site().book(Some(ADA), BOARDROOM, at, at + TimeDelta::hours(1)).unwrap();
    caller.wait(TimeDelta::minutes(10));
    caller.site().move_booking(id, at + TimeDelta::hours(5), at + TimeDelta::hours(6)).unwrap();
    caller.wait(TimeDelta::minutes(10));
    caller.site().cancel_booking(id).unwrap();
    caller.get("spaces/bookings?page=1");
    let history = caller.twin.history();
    let from = |minutes| {
        let row = history.at(Entity::Booking, id, made + TimeDelta::minutes(minutes));
        row.map(|row| row["FromTime"].as_str().unwrap().to_owned())
    };
    assert_eq!((from(-1), from(20)), (None, None));
    assert_eq!(from(9).as_deref(), Some("2026-03-04T11:00:00Z"));
    assert_eq!(from(10).as_deref(), Some("2026-03-04T16:00:00Z"));
    assert_eq!(history.all_at(Entity::Booking, made).count(), 1);
    let last = history.requests().next_back().unwrap();
    assert_eq!((last.target.as_str(), last.status, last.at), ("/api/spaces/bookings?page=1", 200, caller.now));
}
