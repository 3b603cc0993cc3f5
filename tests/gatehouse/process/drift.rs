//! Other hands at work while the gateway runs: rules 5, promise 3.

use gatehouse::twin::kisi::{Assignment, Creator, Group, Honoured, User};
use gatehouse::twin::nexudus::Entity;
use gatehouse::twin::nexudus::switches::Limits;
use serde_json::{Value, json};

use super::gateway::Output;
use super::rig::{BOARDROOM, Rig};

async fn one_room(rig: &mut Rig) {
    rig.settings.unlink().link(&format!("resource = {BOARDROOM}, group = {}", rig.boardroom.group));
    rig.write_settings();
}

/// What `check --online --json` says of one service: whether it is well, its message, its warnings.
fn service(check: &Output, name: &str) -> (bool, String, Vec<String>) {
    let report = check.json();
    let service = report["services"].as_array().unwrap().iter().find(|service| service["name"] == name).unwrap();
    let texts = service["warnings"].as_array().into_iter().flatten();
    let warnings = texts.map(|text| text.as_str().unwrap().to_owned()).collect();
    (service["ok"] == true, service["message"].as_str().unwrap().to_owned(), warnings)
}

/// `check --online` beside the running gateway. Two programs of one user can't keep 100 ms apart, so that Nexudus may
/// tell one of them to wait a second: that is left out here.
async fn check_beside(rig: &Rig) -> Output {
    rig.nexudus.lock().unwrap().switch(|switches| switches.limits = Limits::Off);
    rig.verb(&["check", "--online", "--json"]).await
}

/// A row that is removed again and again is put back ever more slowly, and the alert says so; a window that another
/// hand changes is put right. Each only while the grant stands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_5_a_row_that_others_keep_removing_is_not_fought_over_at_full_speed() {
    let mut rig = Rig::new(|_| ()).await;
    one_room(&mut rig).await;
    let (group, office) = (rig.boardroom.group, rig.office);
    rig.customer(1, "Ada");
    rig.book(1, BOARDROOM, rig.in_min(-10), rig.in_min(60));
    rig.start_ready().await;
    let row = rig.until("Ada's row", 20, |rig| rig.row("Ada", group)).await;

    let longer = rig.in_min(600);
    rig.kisi(|kisi, now| {
        let changed = Assignment { valid_until: Some(longer), ..row.clone() };
        kisi.add_assignment(changed, now)
    });
    rig.until("the window to be put right", 20, |rig| {
        rig.row("Ada", group).filter(|now| now.valid_until == row.valid_until)
    })
    .await;
    let alert = rig.until_alert("drift", true, 10).await;
    assert!(alert["message"].as_str().unwrap().contains("was changed by another hand"), "{alert}");

    let remove = |rig: &Rig| {
        let id = rig.row("Ada", group).unwrap().id;
        rig.kisi(|kisi, now| kisi.remove_assignment(id, Some(office), now)).unwrap();
    };
    remove(&rig);
    rig.until("Ada's row at once", 15, |rig| rig.row("Ada", group)).await;
    remove(&rig);
    let told = rig
        .until("to be told that it waits", 20, |rig| {
            rig.said("alert/drift").filter(|alert| alert["message"].as_str().unwrap().contains("2 times in a day"))
        })
        .await;
    assert!(told["message"].as_str().unwrap().contains("ever more slowly"), "{told}");
    let why = rig.verb(&["explain", "ada@example.org", "--json"]).await.json();
    assert!(why["grants"][0]["error"].as_str().is_some_and(|error| error.contains("put back at")), "{why}");
    rig.until_roster_read(3, 30).await;
    assert_eq!(rig.row("Ada", group), None, "not before a minute has passed");
    let back = rig.until("Ada's row after a minute", 90, |rig| rig.row("Ada", group)).await;
    let at: super::rig::Moment = told["detail"]["drift"][0]["back_at"].as_str().unwrap().parse().unwrap();
    assert!(back.created_at >= at - chrono::TimeDelta::seconds(1), "put back at {}, not before {at}", back.created_at);
    rig.finish().await;
}

/// Another site's Gatehouse in the same organization, on a linked group: its rows and users are left alone, accounts
/// are kept, and `check --online` says what to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_5_a_second_sites_gatehouse_keeps_accounts_and_is_named() {
    let mut rig = Rig::new(|settings| {
        settings.set("access.no_access_after", r#""0s""#).set("kisi.key_is_ours_alone", "true");
    })
    .await;
    one_room(&mut rig).await;
    let group = rig.boardroom.group;
    let (mill, me) = (rig.kisi(|kisi, now| kisi.add_administrator("mill@example.org", "the mill's key", now)), rig.me);
    // One row by its own key; one that it made with ours, which is said to be ours alone.
    let theirs = rig.kisi(|kisi, now| {
        [("zoe@example.net", mill), ("yan@example.net", me)].map(|(email, by)| {
            let mut user = User { email: email.to_owned(), ..User::default() };
            user.metadata.insert("gatehouse_site".to_owned(), "the-mill".into());
            user.metadata.insert("gatehouse_customer".to_owned(), "1".into());
            let user = kisi.add_user(user, now);
            kisi.add_assignment(Assignment::in_group(user, group, Creator::User(by)), now)
        })
    });
    rig.customer(1, "Ada");
    let booking = rig.book(1, BOARDROOM, rig.in_min(-10), rig.in_min(60));
    rig.start_ready().await;
    rig.until("Ada's row", 20, |rig| rig.row("Ada", group)).await;
    let alert = rig.until_alert("links", true, 20).await;
    assert!(alert["message"].to_string().contains("sole_writer"), "{alert}");
    rig.nexudus(|site| site.cancel_booking(booking)).unwrap();
    rig.until_no_row("Ada", group, 20).await;
    let check = check_beside(&rig).await;
    assert_eq!(check.exit, 3, "{check:?}");
    let (ok, message, _) = service(&check, "access");
    assert!(!ok && message.contains("sole_writer"), "{message}");
    let (ok, _, warnings) = service(&check, "links");
    assert!(ok && warnings.iter().any(|w| w.contains("is shared with assignments of other hands")), "{warnings:?}");
    rig.until_roster_read(2, 30).await;
    rig.kisi(|kisi, _| {
        assert!(kisi.user_by_email("ada@example.org").unwrap().access_enabled, "kept");
        let left = kisi.assignments().filter(|row| theirs.contains(&row.id)).count();
        assert_eq!(left, 2, "left alone");
    });
    rig.finish().await;
}

/// Another integration that goes on making rows is told from a row made by hand, by what it does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_5_an_integration_that_is_still_on_is_named_with_what_to_do() {
    let mut rig = Rig::new(|_| ()).await;
    one_room(&mut rig).await;
    let group = rig.boardroom.group;
    let other = rig.kisi(|kisi, now| kisi.add_administrator("nexudus@example.org", "another key", now));
    rig.customer(1, "Ada");
    rig.customer(2, "Ben");
    rig.start_ready().await;
    let make = |rig: &Rig, name: &str, by| {
        rig.kisi(|kisi, now| {
            let user = kisi.add_person(&format!("{name}@example.org"), name, now);
            kisi.add_assignment(Assignment::in_group(user, group, Creator::User(by)), now)
        })
    };
    make(&rig, "guest", rig.office);
    let by_hand = rig.until_alert("drift", true, 20).await;
    let message = by_hand["message"].as_str().unwrap().to_owned();
    assert!(message.contains("not by Gatehouse") && !message.contains("second writer"), "{message}");
    assert_eq!(by_hand["detail"]["writers"], Value::Array(vec![]));
    // For three who have a grant just now.
    let (from, to) = (rig.in_min(-10), rig.in_min(60));
    for name in ["ada", "ben", "cleo"] {
        make(&rig, name, other);
    }
    rig.customer(3, "Cleo");
    for id in 1..=3 {
        rig.book(id, BOARDROOM, from, to);
    }
    let told = rig
        .until("the second writer to be told", 30, |rig| {
            rig.said("alert/drift").filter(|alert| alert["message"].as_str().unwrap().contains("second writer"))
        })
        .await;
    let message = told["message"].as_str().unwrap();
    assert!(message.contains(&format!("Kisi user {other} writes in linked groups ({group})")), "{message}");
    assert!(message.contains("switch that one off") && message.contains("adopt --created-by"), "{message}");
    let ours = rig.kisi(|kisi, _| kisi.assignments().filter(|row| row.created_by == Creator::User(rig.me)).count());
    assert_eq!(ours, 0, "their slots are taken");
    let check = check_beside(&rig).await;
    let (ok, _, warnings) = service(&check, "links");
    assert!(ok && check.exit == 0, "{check:?}");
    assert!(warnings.iter().any(|w| w.contains("Nexudus' own Kisi integration")), "{warnings:?}");
    let plain = rig.verb(&["check", "--online"]).await.stdout;
    assert!(plain.contains("note   ") && plain.contains("Nexudus' own Kisi integration"), "{plain}");
    rig.finish().await;
}

/// `check --online` says whose key it is, what Kisi's hours do to a group, and what was learnt of PATCH.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_1_check_online_says_what_should_be_known_though_it_works() {
    let mut rig = Rig::new(|_| ()).await;
    one_room(&mut rig).await;
    let (group, me) = (rig.boardroom.group, rig.me);
    let check = rig.verb(&["check", "--online", "--json"]).await;
    let (ok, message, warnings) = service(&check, "kisi");
    assert!(ok && message.contains("organization_administrator") && warnings.is_empty(), "{message} {warnings:?}");
    assert!(!rig.store().join("ledger.redb").exists(), "a check makes no store");

    rig.kisi(|kisi, _| kisi.switch(|switches| switches.patch_window = Honoured::Ignored));
    rig.customer(1, "Ada");
    let booking = rig.book(1, BOARDROOM, rig.in_min(120), rig.in_min(180));
    rig.start_ready().await;
    rig.until("Ada's row", 20, |rig| rig.row("Ada", group)).await;
    let (from, to) = (rig.in_min(240), rig.in_min(300));
    rig.nexudus(|site| site.move_booking(booking, from, to)).unwrap();
    let quarter = chrono::TimeDelta::minutes(15);
    rig.until_window("Ada", group, from - quarter, to + quarter, 20).await;
    rig.kisi(|kisi, now| {
        let mut row = kisi.assignments().find(|row| row.role_id == "organization_administrator").cloned().unwrap();
        assert_eq!(row.assignee, gatehouse::twin::kisi::Assignee::User(me));
        "organization_owner".clone_into(&mut row.role_id);
        kisi.add_assignment(row, now);
        let hours = Group { id: group, name: "Boardroom".to_owned(), ..Group::default() };
        kisi.add_group(Group { time_restriction_enabled: true, ..hours });
    });
    {
        // As Nexudus' own integration would have it, and as lists may leave it out.
        let mut nexudus = rig.nexudus.lock().unwrap();
        let site = nexudus.at(rig.clock.wall());
        site.set(Entity::Resource, BOARDROOM, json!({ "KisiGroupId": "99999" })).unwrap();
        nexudus.switch(|switches| switches.lists_without_access = true);
    }
    let mut ledger = Vec::new();
    for running in [true, false] {
        let check = check_beside(&rig).await;
        assert_eq!(check.exit, 0, "{check:?}");
        let (ok, message, warnings) = service(&check, "kisi");
        assert!(ok && message.contains("organization_owner"), "{message}");
        assert!(warnings.iter().any(|w| w.contains("belongs to an owner")), "{warnings:?}");
        assert!(warnings.iter().any(|w| w.contains("ignores a changed window")), "running {running}: {warnings:?}");
        assert!(!warnings.iter().any(|w| w.contains("not in the ledger")), "ours are known: {warnings:?}");
        let (ok, _, warnings) = service(&check, "links");
        assert!(ok && warnings.iter().any(|w| w.contains("time restriction of its own")), "{warnings:?}");
        assert!(warnings.iter().any(|w| w.contains("Nexudus names Kisi group 99999")), "{warnings:?}");
        if running {
            rig.stop().await;
            ledger = std::fs::read(rig.store().join("ledger.redb")).unwrap();
        }
    }
    assert!(ledger == std::fs::read(rig.store().join("ledger.redb")).unwrap(), "a check writes to no store");
    rig.finish().await;
}
