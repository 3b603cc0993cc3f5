//! Moving in beside another integration, and after a loss of the ledger: `adopt`, rules 5, contract 1 and 2.

use gatehouse::twin::kisi::{Assignment, Creator, Id};
use gatehouse::twin::nexudus::switches::Limits;
use serde_json::{Value, json};

use super::rig::{BOARDROOM, Moment, ROOT, Rig};
use super::shape::has_keys;

/// The Kisi user of the other integration, with a key of its own.
fn native(rig: &Rig) -> Id {
    rig.kisi(|kisi, now| kisi.add_administrator("nexudus@example.org", "the other integration's key", now))
}

/// A row as the other integration makes it.
fn made_by(rig: &Rig, by: Id, name: &str, group: Id, window: Option<(Moment, Moment)>) -> Id {
    rig.kisi(|kisi, now| {
        let email = format!("{}@example.org", name.to_lowercase());
        let user = match kisi.user_by_email(&email).map(|user| user.id) {
            Some(user) => user,
            None => kisi.add_person(&email, name, now),
        };
        let mut row = Assignment::in_group(user, group, Creator::User(by));
        if let Some((from, until)) = window {
            (row.valid_from, row.valid_until) = (Some(from), Some(until));
        }
        kisi.add_assignment(row, now)
    })
}

fn enabled(rig: &Rig, name: &str) -> bool {
    let email = format!("{}@example.org", name.to_lowercase());
    rig.kisi(|kisi, _| kisi.user_by_email(&email).unwrap().access_enabled)
}

/// The way that docs/moving-from-the-cloud-integration.md describes: try beside the other, compare, switch it off, adopt, switch on. Nobody is
/// without access for a moment, and what it left too much goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_1_moving_in_beside_the_running_integration_takes_access_from_nobody() {
    let mut rig = Rig::new(|settings| {
        settings.set("access.write", "false").set("access.no_access_after", r#""0s""#);
    })
    .await;
    rig.settings.unlink().link(&format!("resource = {BOARDROOM}, group = {}", rig.boardroom.group));
    rig.write_settings();
    let (other, group) = (native(&rig), rig.boardroom.group);
    for (id, name) in (1..).zip(["Ada", "Ben", "Cleo", "Dan", "Eve"]) {
        rig.customer(id, name);
    }
    let (from, to) = (rig.in_min(-30), rig.in_min(90));
    let quarter = chrono::TimeDelta::minutes(15);
    for id in 1..=3 {
        rig.book(id, BOARDROOM, from, to);
    }
    // Ada's and Ben's as they should be, Cleo's without an end, Eve's for nothing; Dan it suspended.
    let ada = made_by(&rig, other, "Ada", group, Some((from - quarter, to + quarter)));
    made_by(&rig, other, "Ben", group, Some((from - quarter, to + quarter)));
    let cleo = made_by(&rig, other, "Cleo", group, None);
    let eve = made_by(&rig, other, "Eve", group, None);
    rig.kisi(|kisi, now| {
        let dan = kisi.add_person("dan@example.org", "Dan", now);
        kisi.edit_user(dan, Some(other), now, |dan| dan.access_enabled = false);
    });
    rig.start_ready().await;

    // It says who else is there, and where the two differ.
    let alert = rig.until_alert("drift", true, 20).await;
    let message = alert["message"].as_str().unwrap();
    let adopt = format!("gatehouse adopt --created-by {other}");
    assert!(message.contains(&adopt) && message.contains("second writer"), "{message}");
    assert_eq!(alert["detail"]["writers"][0]["created_by"], other, "{alert}");
    assert_eq!(alert["detail"]["writers"][0]["groups"], json!([group]));
    let plan = rig.verb(&["plan", "--json"]).await;
    assert_eq!(plan.exit, 0, "{plan:?}");
    let beside = &plan.json()["beside"];
    let differ: Vec<(Value, Value)> = beside["differ"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| (of["person"]["email"].clone(), of["ours"]["reason"]["kind"].clone()))
        .collect();
    let wanted = [(json!("cleo@example.org"), json!("booking")), (json!("eve@example.org"), Value::Null)];
    assert_eq!((&beside["same"], &differ[..]), (&json!(2), &wanted[..]), "{beside}");
    let text = rig.verb(&["plan"]).await.stdout;
    assert!(text.contains("2 the same, 2 differ") && text.contains("nothing: there is no grant"), "{text}");

    // Listed, nothing is changed; adopted, it is ours, and told so.
    let (by, all) = (other.to_string(), ["adopt", "--created-by"]);
    let list = rig.verb(&[&all[..], &[&by, "--suspended", "--json"]].concat()).await;
    assert_eq!(list.exit, 0, "{list:?}");
    let report = list.json();
    has_keys(&report, &["created_by", "adopted", "groups", "suspended", "remarks"]);
    assert_eq!((&report["adopted"], report["groups"].as_array().unwrap().len()), (&json!(false), 1));
    let rows = report["groups"][0]["assignments"].as_array().unwrap();
    assert_eq!(rows.len(), 4);
    assert_eq!(rows.iter().filter(|row| row["reason"]["kind"] == "policy").count(), 1, "Eve's serves nothing");
    assert_eq!(report["suspended"][0]["email"], "dan@example.org");
    let topic = format!("{ROOT}/membership");
    assert_eq!(rig.watcher.on_topic(&topic).len(), 0);
    let done = rig.verb(&[&all[..], &[&by, "--suspended", "--apply", "--json"]].concat()).await;
    assert_eq!((done.exit, &done.json()["adopted"]), (0, &json!(true)), "{done:?}");
    let told = rig
        .until("what was adopted to be told", 10, |rig| {
            Some(rig.watcher.on_topic(&topic)).filter(|told| told.len() >= 5)
        })
        .await;
    assert!(told.iter().all(|message| message.json()["change"] == "adopted"), "{told:?}");
    rig.until_alert("drift", false, 10).await;
    let again = rig.verb(&[&all[..], &[&by, "--suspended"]].concat()).await;
    assert!(again.exit == 0 && again.stdout.contains("Nothing to adopt"), "{again:?}");
    assert_eq!(rig.kisi_writes(), 0, "with write = false");

    // Switched on: over a restart it is still ours. What is right stays, what is too much goes.
    rig.stop().await;
    rig.settings.set("access.write", "true");
    rig.write_settings();
    rig.start_ready().await;
    rig.until_no_row("Eve", group, 40).await;
    let cleo_now = rig.until_window("Cleo", group, from - quarter, to + quarter, 20).await;
    assert_eq!((cleo_now.id, cleo_now.created_by), (cleo, Creator::User(other)), "cut in place");
    assert_eq!(rig.row("Ada", group).unwrap().id, ada, "as it was");
    assert!(!enabled(&rig, "Dan"), "no grant yet");
    rig.book(4, BOARDROOM, rig.in_min(60), rig.in_min(120));
    rig.until("Dan to be enabled", 30, |rig| enabled(rig, "Dan").then_some(())).await;
    rig.until("Dan's row", 20, |rig| rig.row("Dan", group)).await;
    rig.kisi(|kisi, _| {
        let mut versions = kisi.history().assignments.iter().filter(|version| [ada, cleo].contains(&version.id));
        assert!(versions.all(|version| version.until.is_none() || version.id == cleo), "nobody was without");
        assert!(kisi.assignments().all(|row| row.id != eve));
    });
    rig.finish().await;
}

/// With the ledger lost, rows of our key are kept and told until they are adopted, by the verb on its own too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_5_with_the_ledger_lost_rows_are_kept_until_they_are_adopted() {
    let mut rig = Rig::new(|settings| {
        settings.set("access.no_access", r#""keep""#);
    })
    .await;
    rig.settings.unlink().link(&format!("resource = {BOARDROOM}, group = {}", rig.boardroom.group));
    rig.write_settings();
    let group = rig.boardroom.group;
    rig.customer(1, "Ada");
    rig.customer(2, "Ben");
    let (from, to) = (rig.in_min(-10), rig.in_min(60));
    let bookings = [rig.book(1, BOARDROOM, from, to), rig.book(2, BOARDROOM, from, to)];
    rig.start_ready().await;
    rig.until("both rows", 20, |rig| rig.row("Ada", group).and(rig.row("Ben", group))).await;
    rig.stop().await;
    std::fs::remove_file(rig.store().join("ledger.redb")).unwrap();
    // A row of our key that is not older than an intent by more than its slack counts as made by it.
    let made = rig.row("Ben", group).unwrap().created_at;
    rig.until("the rows to be older", 10, |rig| (rig.now() - made > chrono::TimeDelta::seconds(6)).then_some(())).await;
    rig.nexudus(|site| site.cancel_booking(bookings[0])).unwrap();
    rig.start_ready().await;
    let alert = rig.until_alert("drift", true, 20).await;
    let adopt = format!("gatehouse adopt --created-by {}", rig.me);
    assert!(alert["message"].as_str().unwrap().contains(&adopt), "{alert}");
    rig.until_roster_read(4, 40).await;
    assert!(rig.row("Ada", group).is_some(), "kept, though her booking is cancelled");
    rig.nexudus.lock().unwrap().switch(|switches| switches.limits = Limits::Off);
    let check = rig.verb(&["check", "--online", "--json"]).await;
    let services = check.json()["services"].clone();
    let kisi = services.as_array().unwrap().iter().find(|service| service["name"] == "kisi").unwrap().clone();
    let warned = kisi["warnings"].as_array().unwrap().iter().any(|w| {
        let text = w.as_str().unwrap();
        text.contains("2 assignments") && text.contains(&adopt) && text.contains("the ledger was lost")
    });
    assert!(warned && check.exit == 0, "a warning is no failure: {check:?}");
    rig.stop().await;

    let me = rig.me.to_string();
    let done = rig.verb(&["adopt", "--created-by", &me, "--apply"]).await;
    assert!(done.exit == 0 && done.stdout.contains("2 assignments are ours now"), "{done:?}");
    rig.start_ready().await;
    rig.until_no_row("Ada", group, 40).await;
    assert!(rig.row("Ben", group).is_some());
    rig.until_alert("drift", false, 10).await;
    rig.kisi(|kisi, _| kisi.faults.down = true);
    let unread = rig.verb(&["adopt", "--created-by", &me, "--apply"]).await;
    assert!(unread.exit == 1 && unread.stderr.contains("nothing was adopted"), "{unread:?}");
    for wrong in [&["adopt"][..], &["adopt", "--created-by", "office"]] {
        assert_eq!(rig.verb(wrong).await.exit, 2, "{wrong:?}");
    }
    rig.finish().await;
}
