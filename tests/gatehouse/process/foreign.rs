//! Promise 3: only its own.

use gatehouse::twin::kisi::{Assignment, Creator, User};

use super::rig::{BOARDROOM, Rig};

/// A row that somebody else made in the slot stays just as it is and is told; the grant of its holder waits.
/// A row of its own that another hand took or changed is put right and told. Users of others are not changed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_3_what_others_made_is_left_alone_and_told_as_drift() {
    let mut rig = Rig::new(|settings| {
        settings.set("access.no_access_after", r#""0s""#).set("access.existing_users", r#""assign""#);
    })
    .await;
    let group = rig.boardroom.group;
    rig.customer(90_210, "Ada");
    rig.customer(90_211, "Ben");
    let by_hand = rig.kisi(|kisi, now| {
        let ada = kisi.add_person("ada@example.org", "Ada", now);
        let row = Assignment::in_group(ada, group, Creator::User(rig.office));
        kisi.add_assignment(row, now)
    });
    // Somebody who has nothing to do with Nexudus.
    let stranger = rig.kisi(|kisi, now| {
        let stranger = kisi.add_person("cleaner@example.net", "Cleaner", now);
        kisi.add_assignment(Assignment::in_group(stranger, group, Creator::User(rig.office)), now)
    });
    let untouched = |rig: &Rig| {
        rig.kisi(|kisi, _| {
            let rows = kisi.assignments().filter(|row| [by_hand, stranger].contains(&row.id)).cloned();
            let users = kisi.users().filter(|user| user.metadata.is_empty()).cloned().collect::<Vec<_>>();
            (rows.collect::<Vec<_>>(), serde_json::to_string(&users).unwrap())
        })
    };
    let before = untouched(&rig);
    assert_eq!(before.0.len(), 2);
    let (from, to) = (rig.in_min(-10), rig.in_min(60));
    let booking = rig.book(90_210, BOARDROOM, from, to);
    rig.book(90_211, BOARDROOM, from, to);
    rig.start_ready().await;
    let row = rig.until("Ben's row", 20, |rig| rig.row("Ben", group)).await;
    let alert = rig.until_alert("drift", true, 20).await;
    assert!(alert["detail"].is_object() || alert["detail"].is_array(), "{alert}");

    rig.kisi(|kisi, now| kisi.remove_assignment(row.id, Some(rig.office), now)).unwrap();
    let again = rig.until("Ben's row to be put back", 20, |rig| rig.row("Ben", group)).await;
    assert_ne!(again.id, row.id);
    assert_eq!((again.valid_from, again.valid_until), (row.valid_from, row.valid_until));

    // The grant ends; what was made by hand does not.
    rig.nexudus(|site| site.cancel_booking(booking)).unwrap();
    rig.until_roster_read(3, 40).await;
    assert_eq!(untouched(&rig), before, "what others made has been changed");
    let wrote = rig.kisi(|kisi, _| {
        let requests = kisi.history().requests.iter();
        let at_theirs = |path: &str| [by_hand, stranger].iter().any(|id| path.ends_with(&format!("/{id}")));
        requests.filter(|r| &*r.method != "GET" && at_theirs(&r.path)).count()
    });
    assert_eq!(wrote, 0, "not even tried");
    rig.finish().await;
}

/// Who has nothing left is suspended, marked as ours, and comes back with the next grant. Whoever holds anything of
/// another's keeps the account.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_5_who_has_no_grant_left_is_suspended_unless_others_gave_something() {
    let mut rig = Rig::new(|settings| {
        settings.set("access.no_access_after", r#""0s""#);
    })
    .await;
    rig.customer(90_210, "Ada");
    rig.customer(90_211, "Ben");
    let (from, to) = (rig.in_min(-10), rig.in_min(60));
    let bookings = [rig.book(90_210, BOARDROOM, from, to), rig.book(90_211, BOARDROOM, from, to)];
    rig.start_ready().await;
    let group = rig.boardroom.group;
    rig.until("both rows", 20, |rig| rig.row("Ada", group).and(rig.row("Ben", group))).await;
    let ben = rig.user("Ben").unwrap();
    rig.kisi(|kisi, now| kisi.add_assignment(Assignment::in_group(ben, rig.oak.group, Creator::User(rig.office)), now));
    for booking in bookings {
        rig.nexudus(|site| site.cancel_booking(booking)).unwrap();
    }
    rig.until_no_row("Ada", group, 20).await;
    let ada = |rig: &Rig| rig.kisi(|kisi, _| kisi.user_by_email("ada@example.org").cloned()).unwrap();
    let mark = |user: &User| user.metadata.get("gatehouse_suspended_at").cloned();
    let suspended = rig.until("Ada to be suspended", 40, |rig| Some(ada(rig)).filter(|ada| !ada.access_enabled)).await;
    assert!(mark(&suspended).is_some_and(|mark| mark != ""), "marked in the same call: {suspended:?}");
    assert_eq!(suspended.metadata["gatehouse_site"], "harbour-house");
    rig.until_no_row("Ben", group, 20).await;
    rig.until_roster_read(2, 30).await;
    let ben = rig.kisi(|kisi, _| kisi.user_by_email("ben@example.org").cloned()).unwrap();
    assert!(ben.access_enabled, "Ben opens the oak by another's hand");

    rig.book(90_210, BOARDROOM, from, to);
    rig.until("Ada's row", 20, |rig| rig.row("Ada", group)).await;
    let restored = rig.until("Ada to be enabled", 20, |rig| Some(ada(rig)).filter(|ada| ada.access_enabled)).await;
    assert_eq!(mark(&restored), Some("".into()), "and unmarked in the same call");
    rig.finish().await;
}
