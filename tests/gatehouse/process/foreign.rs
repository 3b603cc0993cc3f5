//! Promise 3: only its own.

use gatehouse::twin::kisi::{Assignment, Creator};

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
