//! From Nexudus to Kisi: promises 1 and 2, rules 2 and 3.

use std::collections::BTreeMap;

use chrono::{NaiveDate, TimeDelta};
use gatehouse::twin::kisi::{Creator, Honoured, User};
use gatehouse::twin::nexudus::Entity;
use serde_json::json;

use super::rig::{BOARDROOM, DAY_PASS, DESK, DESK_PLAN, Moment, OAK, PLAN, ROOT, Rig};
use super::shape::has_keys;

/// Midnight in London, as the days of contracts are meant.
fn midnight(day: NaiveDate) -> Moment {
    let date = jiff::civil::date(
        i16::try_from(chrono::Datelike::year(&day)).unwrap(),
        i8::try_from(chrono::Datelike::month(&day)).unwrap(),
        i8::try_from(chrono::Datelike::day(&day)).unwrap(),
    );
    let zoned = date.in_tz("Europe/London").unwrap();
    Moment::from_timestamp(zoned.timestamp().as_second(), 0).unwrap()
}

/// How long a change may take: the pace in the status, and the time of the calls, of which there are a handful.
fn pace(rig: &Rig) -> u64 {
    rig.status().unwrap()["pace"]["changes_s"].as_u64().unwrap() + 5
}

/// A booking made, moved, unapproved and cancelled is each time in Kisi within `changes` and the time of the calls,
/// and each change is told under `membership`. That nothing but the window moves is seen by the row's id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_2_what_becomes_of_a_booking_is_in_kisi_within_changes() {
    // Nothing of it may wait for a complete reading.
    let mut rig = Rig::new(|settings| {
        settings.set("nexudus.refresh", r#""60s""#);
    })
    .await;
    rig.customer(90_210, "Ada");
    rig.start_ready().await;
    rig.until("a status", 10, |rig| rig.status()).await;
    let (from, to) = (rig.in_min(120), rig.in_min(180));
    let (before, after) = (from - TimeDelta::minutes(15), to + TimeDelta::minutes(15));
    let group = rig.boardroom.group;

    let booking = rig.book(90_210, BOARDROOM, from, to);
    let soon = pace(&rig);
    let row = rig.until_window("Ada", group, before, after, soon).await;
    assert_eq!((row.created_by, row.notify), (Creator::User(rig.me), false));
    let user = rig.kisi(|kisi, _| kisi.user_by_email("ada@example.org").cloned()).unwrap();
    assert!(user.send_emails && user.access_enabled, "a regular user is invited by mail: {user:?}");
    assert_eq!(user.name.as_deref(), Some("Ada"));
    assert_eq!(user.metadata["gatehouse_site"], "harbour-house");
    assert_eq!(user.metadata["gatehouse_customer"].to_string().trim_matches('"'), "90210");

    let half = TimeDelta::minutes(30);
    rig.nexudus(|site| site.move_booking(booking, from + half, to + half)).unwrap();
    let moved = rig.until_window("Ada", group, before + half, after + half, soon).await;
    assert_eq!(moved.id, row.id, "a window is moved in place");

    rig.nexudus(|site| site.set(Entity::Booking, booking, json!({"Tentative": true}))).unwrap();
    rig.until_no_row("Ada", group, soon).await;
    rig.nexudus(|site| site.set(Entity::Booking, booking, json!({"Tentative": false}))).unwrap();
    rig.until_window("Ada", group, before + half, after + half, soon).await;
    rig.nexudus(|site| site.cancel_booking(booking)).unwrap();
    rig.until_no_row("Ada", group, soon).await;
    assert!(rig.kisi(|kisi, _| kisi.user_by_email("ada@example.org").unwrap().access_enabled), "not before a day");

    let changes = ["invited", "added", "moved", "removed", "added", "removed"];
    let topic = format!("{ROOT}/membership");
    let told = rig
        .until("every change to be told", 10, |rig| {
            Some(rig.watcher.on_topic(&topic)).filter(|told| told.len() >= changes.len())
        })
        .await;
    let told: Vec<_> = told.iter().map(|message| (message.retained, message.json())).collect();
    assert_eq!(told.iter().map(|(_, m)| m["change"].as_str().unwrap()).collect::<Vec<_>>(), changes);
    for (retained, change) in &told {
        assert!(!retained);
        has_keys(change, &["time", "change", "group", "person", "valid_from", "valid_until", "reason"]);
        assert_eq!(change["person"], json!({"customer": 90_210, "user": user.id}));
        assert_eq!(change["reason"], json!({"kind": "booking", "id": booking}));
    }
    assert_eq!(told[1].1["group"], group);
    assert_eq!(told[1].1["valid_from"].as_str().unwrap().parse::<Moment>().unwrap(), before);
    rig.finish().await;
}

/// Every kind of grant as a first pass finds it, and every reason for none: the rows of all customers are compared
/// whole, so a row too many fails as one too few.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_2_and_3_a_first_pass_gives_each_grant_its_window_and_nobody_else_any() {
    let mut rig = Rig::new(|settings| {
        settings.set("access.new_users", r#""managed""#).set("access.never_touch", r#"["*@staff.example"]"#);
    })
    .await;
    let people = ["Ada", "Ben", "Cleo", "Dan", "Eve", "Fay", "Gus", "Ida", "Jon"];
    for (at, name) in people.iter().enumerate() {
        rig.customer(90_210 + at as i64, name);
    }
    let [ada, ben, cleo, dan, eve, fay, gus, ida, jon] = std::array::from_fn(|at| 90_210 + at as i64);
    let (now, today) = (rig.now(), rig.now().date_naive());
    let (hour, quarter) = (TimeDelta::hours(1), TimeDelta::minutes(15));
    // Back to back: one row.
    rig.book(ada, BOARDROOM, now + hour, now + hour * 2);
    rig.book(ada, BOARDROOM, now + hour * 2, now + hour * 3);
    let pass_end = today + TimeDelta::days(5);
    let (started, notice) = (today - TimeDelta::days(40), today + TimeDelta::days(20));
    rig.nexudus(|site| {
        site.give_pass(ben, DAY_PASS, Some(pass_end)).unwrap();
        site.sign_contract(cleo, DESK_PLAN, started, &[DESK]).unwrap();
        let contract = site.sign_contract(dan, PLAN, started, &[]).unwrap();
        site.give_notice(contract, notice).unwrap();
        site.set(Entity::Coworker, fay, json!({"Active": false})).unwrap();
        site.add_customer(1, "Staff", Some("boss@Staff.example")).unwrap();
    });
    let tentative = rig.book(eve, BOARDROOM, now + hour, now + hour * 2);
    rig.nexudus(|site| site.set(Entity::Booking, tentative, json!({"Tentative": true}))).unwrap();
    rig.book(fay, BOARDROOM, now + hour, now + hour * 2);
    rig.book(gus, BOARDROOM, now + TimeDelta::days(5), now + TimeDelta::days(5) + hour);
    rig.book(1, BOARDROOM, now + hour, now + hour * 2);
    // The room is not linked.
    rig.book(jon, OAK, now + hour, now + hour * 2);
    // Two passes of Ben's in one group are one window; here the pass that ends sooner.
    rig.nexudus(|site| site.give_pass(ben, DAY_PASS, Some(today + TimeDelta::days(2)))).unwrap();
    // In Kisi already, written otherwise.
    let theirs = User { email: "IDA@Example.org".to_owned(), name: Some("Ida B.".to_owned()), ..User::default() };
    let theirs = rig.kisi(|kisi, now| kisi.add_user(theirs, now));
    rig.book(ida, BOARDROOM, now - hour, now + hour);

    let end_of_notice = midnight(notice + TimeDelta::days(1));
    let expected = BTreeMap::from([
        (("ada", rig.boardroom.group), (Some(now + hour - quarter), Some(now + hour * 3 + quarter))),
        (("ben", rig.club.group), (None, Some(midnight(pass_end)))),
        (("cleo", rig.desks.group), (Some(midnight(started)), None)),
        (("dan", rig.members.group), (Some(midnight(started)), Some(end_of_notice))),
        (("ida", rig.boardroom.group), (Some(now - hour - quarter), Some(now + hour + quarter))),
    ]);
    rig.start();
    let rows = |rig: &Rig| -> BTreeMap<(String, u64), (Option<Moment>, Option<Moment>)> {
        rig.kisi(|kisi, _| {
            let ours = kisi.assignments().filter(|row| row.created_by == Creator::User(rig.me));
            let row = |row: &gatehouse::twin::kisi::Assignment| {
                let (gatehouse::twin::kisi::Assignee::User(user), gatehouse::twin::kisi::Scope::Group(group)) =
                    (row.assignee, row.scope)
                else {
                    panic!("{row:?}")
                };
                let email = &kisi.users().find(|known| known.id == user).unwrap().email;
                let name = email.split('@').next().unwrap().to_lowercase();
                ((name, group), (row.valid_from, row.valid_until))
            };
            ours.map(row).collect()
        })
    };
    let expected: BTreeMap<_, _> =
        expected.into_iter().map(|((name, group), w)| ((name.to_owned(), group), w)).collect();
    rig.until("the rows of the first pass", 25, |rig| (rows(rig).len() >= expected.len()).then_some(())).await;
    rig.until("Gus to be invited in time", 10, |rig| rig.user("Gus")).await;
    rig.until_roster_read(2, 20).await;
    assert_eq!(rows(&rig), expected);
    for absent in ["Eve", "Fay", "Jon"] {
        assert_eq!(rig.user(absent), None, "{absent} has no grant and so is not made");
    }
    rig.kisi(|kisi, _| {
        assert!(kisi.user_by_email("boss@staff.example").is_none(), "never to be touched");
        let ada = kisi.user_by_email("ada@example.org").unwrap();
        assert!(!ada.send_emails && ada.confirm, "a managed user gets no mail: {ada:?}");
        let ida = kisi.user_by_email("ida@example.org").unwrap();
        assert_eq!((ida.id, ida.name.as_deref(), ida.metadata.len()), (theirs, Some("Ida B."), 0), "left as it was");
    });
    rig.finish().await;
}

/// Where a PATCH of the window has no effect: each window is right all the same, only the first is tried by PATCH,
/// over a restart too, and one that is in force is gone for the time of two calls alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_3_a_patch_that_is_ignored_is_learnt_once_and_windows_are_right() {
    let mut rig = Rig::new(|settings| {
        settings.set("access.before", r#""0s""#).set("access.after", r#""0s""#);
    })
    .await;
    rig.kisi(|kisi, _| kisi.switch(|switches| switches.patch_window = Honoured::Ignored));
    rig.customer(90_210, "Ada");
    rig.customer(90_211, "Ben");
    let (from, to, hour) = (rig.in_min(120), rig.in_min(180), TimeDelta::hours(1));
    let group = rig.boardroom.group;
    let booking = rig.book(90_210, BOARDROOM, from, to);
    rig.start_ready().await;
    rig.until_window("Ada", group, from, to, 20).await;
    rig.nexudus(|site| site.move_booking(booking, from + hour, to + hour)).unwrap();
    rig.until_window("Ada", group, from + hour, to + hour, 20).await;
    let tries = rig.kisi_calls("PATCH", "/role_assignments");
    assert!(tries >= 1, "it has to be tried");

    rig.stop().await;
    rig.nexudus(|site| site.move_booking(booking, from, to)).unwrap();
    // One in force, that ends within the minute in which it may be replaced.
    let (began, end) = (rig.in_min(-30), rig.in_s(50));
    let current = rig.book(90_211, BOARDROOM, began, end);
    rig.start_ready().await;
    rig.until_window("Ada", group, from, to, 20).await;
    let row = rig.until_window("Ben", group, began, end, 20).await;
    rig.nexudus(|site| site.move_booking(current, began, end + hour)).unwrap();
    let longer = rig.until_window("Ben", group, began, end + hour, 20).await;
    assert_eq!(rig.kisi_calls("PATCH", "/role_assignments"), tries, "learnt once, and kept");
    let gap = rig.kisi(|kisi, _| {
        let of = |id| kisi.history().assignments.iter().find(|version| version.id == id).unwrap();
        of(longer.id).since - of(row.id).until.unwrap()
    });
    assert!(gap < TimeDelta::seconds(2), "out of doors for {gap}");
    rig.finish().await;
}
