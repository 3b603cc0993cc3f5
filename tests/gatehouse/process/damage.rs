//! Files of the store that are not what they were: damaged, cut, emptied, replaced, gone.

use std::path::Path;

use chrono::TimeDelta;
use gatehouse::twin::kisi::{Assignment, Creator};
use gatehouse::twin::nexudus::switches::Snapshot;

use super::rig::{BOARDROOM, Rig};

const FILES: [&str; 2] = ["cache.redb", "ledger.redb"];

/// What is done to a file.
type Damage = fn(&Path, &mut fastrand::Rng);

/// Overwrites pages that `rng` picks.
fn scribble(path: &Path, rng: &mut fastrand::Rng) {
    let mut bytes = std::fs::read(path).unwrap();
    let pages = bytes.len() / 4096;
    for _ in 0..pages.div_ceil(8) {
        let at = rng.usize(..pages) * 4096;
        bytes[at..at + 4096].iter_mut().for_each(|byte| *byte = rng.u8(..));
    }
    std::fs::write(path, bytes).unwrap();
}

/// The name under which a damaged file lies, as alert and status must say it.
fn set_aside(rig: &Rig, name: &str) -> Vec<String> {
    let stem = format!("{name}.damaged-");
    let entries = std::fs::read_dir(rig.store()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(&stem)).collect()
}

/// Whatever was done to a file while the box was off, the gateway starts; a file that is set aside lies there still,
/// and `alert/store` and `status` name it. A socket that a killed run left is no hindrance.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_7_a_damaged_file_is_set_aside_named_and_made_anew() {
    let seed = fastrand::u64(..1_000_000);
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut rig = Rig::new(|_| ()).await;
    rig.customer(90_210, "Ada");
    rig.book(90_210, BOARDROOM, rig.in_min(-5), rig.in_min(60));
    rig.start_ready().await;
    rig.until("Ada's row", 20, |rig| rig.row("Ada", rig.boardroom.group)).await;
    rig.kill();
    let damages: [(&str, Damage); 5] = [
        ("emptied", |path, _| std::fs::write(path, "").unwrap()),
        ("cut", |path, _| {
            let bytes = std::fs::read(path).unwrap();
            std::fs::write(path, &bytes[..bytes.len() / 2 + 17]).unwrap();
        }),
        ("replaced", |path, rng| {
            let garbage: Vec<u8> = (0..30_000).map(|_| rng.u8(..)).collect();
            std::fs::write(path, garbage).unwrap();
        }),
        ("scribbled over", scribble),
        ("scribbled over again", scribble),
    ];
    for name in FILES {
        for (how, damage) in damages {
            let before = set_aside(&rig, name).len();
            let path = rig.store().join(name);
            damage(&path, &mut rng);
            let left = std::fs::read(&path).unwrap();
            assert!(rig.store().join("gatehouse.sock").exists(), "left by the killed run");
            rig.watch_anew().await;
            rig.start();
            rig.until(&format!("an answer with {name} {how}"), 20, |rig| rig.get("/healthz")).await;
            let aside = set_aside(&rig, name);
            // A page that holds nothing may be overwritten without harm.
            if aside.len() > before || !how.starts_with("scribbled") {
                assert_eq!(aside.len(), before + 1, "{name} {how}");
                let newest = format!("{name}.damaged-{}", before + 1);
                let alert = rig
                    .until("the alert that names it", 15, |rig| {
                        rig.said("alert/store").filter(|alert| alert.to_string().contains(&newest))
                    })
                    .await;
                assert_eq!(alert["active"], true);
                let unknown = ["read anew", "no longer known"][usize::from(name == "ledger.redb")];
                assert!(alert.to_string().contains(unknown), "what it can't know: {alert}");
                let status = rig.verb(&["status"]).await;
                assert!(status.exit == 0 && status.stdout.contains(&newest), "{name} {how}: {status:?}");
                assert_eq!(std::fs::read(rig.store().join(&newest)).unwrap(), left, "kept as it was found");
            }
            rig.kill();
        }
    }
    // All has been rebuilt, and works.
    rig.customer(90_211, "Ben");
    rig.book(90_211, BOARDROOM, rig.in_min(-5), rig.in_min(60));
    rig.start_ready().await;
    rig.until("Ben's row", 25, |rig| rig.row("Ben", rig.boardroom.group)).await;
    // Each new ledger read the record again.
    assert!(rig.row("Ada", rig.boardroom.group).is_some());
    rig.finish().await;
}

/// How the store is lost.
#[derive(Clone, Copy, PartialEq)]
enum Lost {
    Ledger,
    Directory,
}

/// Rows of ours, a row of our key that nobody booked, a row of another hand; then the ledger is gone, and Ada's and
/// Ben's bookings end. Gives the row of our key that nobody booked.
async fn after_the_loss(alone: bool, lost: Lost) -> Rig {
    let mut rig = Rig::new(|settings| {
        let alone = if alone { "true" } else { "false" };
        settings.set("kisi.key_is_ours_alone", alone).set("nexudus.refresh", r#""6s""#);
    })
    .await;
    // What is deleted is named nowhere: only its absence tells of it.
    rig.nexudus.lock().unwrap().switch(|switches| switches.snapshot_of_deleted = Snapshot::Never);
    rig.settings.unlink().link(&format!("resource = {BOARDROOM}, group = {}", rig.boardroom.group));
    rig.write_settings();
    let mut bookings = Vec::new();
    for (id, name) in [(90_210, "Ada"), (90_211, "Ben"), (90_212, "Cleo")] {
        rig.customer(id, name);
        bookings.push(rig.book(id, BOARDROOM, rig.in_min(-5), rig.in_min(60)));
    }
    rig.kisi(|kisi, now| {
        let cleaner = kisi.add_person("cleaner@example.net", "Cleaner", now);
        kisi.add_assignment(Assignment::in_group(cleaner, rig.boardroom.group, Creator::User(rig.office)), now);
    });
    rig.start_ready().await;
    let group = rig.boardroom.group;
    rig.until("the rows", 20, |rig| {
        ["Ada", "Ben", "Cleo"].iter().all(|name| rig.row(name, group).is_some()).then_some(())
    })
    .await;
    // A row of the last seconds would be taken for one whose making was cut short.
    rig.until_roster_read(2, 30).await;
    rig.kill();
    match lost {
        Lost::Ledger => std::fs::remove_file(rig.store().join("ledger.redb")).unwrap(),
        Lost::Directory => std::fs::remove_dir_all(rig.store()).unwrap(),
    }
    if lost == Lost::Directory {
        rig.nexudus(|site| site.delete(gatehouse::twin::nexudus::Entity::Booking, bookings[0])).unwrap();
    }
    rig.watch_anew().await;
    rig.start_ready().await;
    rig
}

fn cleaners_row(rig: &Rig) -> bool {
    rig.kisi(|kisi, _| {
        let cleaner = kisi.user_by_email("cleaner@example.net").unwrap().id;
        kisi.assignment(cleaner, rig.boardroom.group).is_some_and(|row| row.created_by == Creator::User(rig.office))
    })
}

/// The ledger is gone, and a person may use our key's user too: rows of our key are kept and told, whatever Nexudus
/// says, and so is it told that they are not known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_5_after_the_ledgers_loss_rows_of_our_key_are_told_and_left_alone() {
    let mut rig = after_the_loss(false, Lost::Ledger).await;
    let group = rig.boardroom.group;
    let alert = rig.until_alert("store", true, 15).await;
    assert!(alert["message"].as_str().unwrap().contains("not known"), "{alert}");
    rig.until("the candidates to be told", 20, |rig| {
        rig.said("alert/drift").filter(|alert| alert.to_string().contains("candidate"))
    })
    .await;
    let booking = rig.nexudus(|site| site.ids(gatehouse::twin::nexudus::Entity::Booking)[0]);
    rig.nexudus(|site| site.cancel_booking(booking)).unwrap();
    let before = rig.nexudus_calls("from_Booking_ToTime");
    rig.until("two complete readings", 30, |rig| {
        (rig.nexudus_calls("from_Booking_ToTime") >= before + 3).then_some(())
    })
    .await;
    rig.until_roster_read(1, 20).await;
    for name in ["Ada", "Ben", "Cleo"] {
        assert!(rig.row(name, group).is_some(), "{name}'s row is not known to be ours");
    }
    assert!(cleaners_row(&rig));
    rig.finish().await;
}

/// The whole store is gone, and nobody else uses our key: its rows are ours again, and one whose booking is gone is
/// removed, but not before two complete readings at least `refresh` apart say so. The row of another hand stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_6_after_the_stores_loss_the_first_removal_waits_for_two_readings() {
    let mut rig = after_the_loss(true, Lost::Directory).await;
    let group = rig.boardroom.group;
    rig.until_no_row("Ada", group, 40).await;
    let (first, removed) = {
        let nexudus = rig.nexudus.lock().unwrap();
        let starts: Vec<_> = nexudus
            .history()
            .requests()
            .filter(|request| request.target.contains("from_Booking_ToTime"))
            .map(|request| request.at)
            .collect();
        let gone = rig.kisi(|kisi, _| {
            let ada = kisi.user_by_email("ada@example.org").unwrap().id;
            let of_ada = |v: &&gatehouse::twin::kisi::AssignmentVersion| {
                v.assignee == gatehouse::twin::kisi::Assignee::User(ada)
            };
            kisi.history().assignments.iter().filter(of_ada).filter_map(|v| v.until).next_back().unwrap()
        });
        let token = nexudus.history().requests().rfind(|r| r.target.contains("/api/token")).unwrap().at;
        (*starts.iter().find(|at| **at >= token).unwrap(), gone)
    };
    assert!(removed - first >= TimeDelta::seconds(6), "removed {} after the first reading", removed - first);
    assert!(rig.row("Ben", group).is_some() && rig.row("Cleo", group).is_some(), "who has a booking keeps the row");
    assert!(cleaners_row(&rig));
    rig.finish().await;
}

/// Files that it may not open are whole: they are not set aside, and it says which and what to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_7_a_file_that_may_not_be_read_is_left_where_it_is_and_named() {
    let mut rig = Rig::new(|_| ()).await;
    rig.start_ready().await;
    rig.kill();
    let me = std::process::Command::new("id").arg("-u").output().unwrap().stdout;
    if me.trim_ascii() == b"0" {
        // Root may read everything, unless it has no capabilities.
        rig.world.within = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"].map(str::to_owned).to_vec();
    }
    let ledger = rig.store().join("ledger.redb");
    std::fs::set_permissions(&ledger, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    rig.start();
    let status = rig.until("its end", 20, |rig| rig.gateway.as_mut()?.ended()).await;
    assert_eq!(status.code(), Some(1));
    let said = rig.logged();
    assert!(said.contains("ledger") && said.contains("ermission denied") && said.contains("rights"), "{said}");
    assert!(ledger.exists() && set_aside(&rig, "ledger.redb").is_empty());
    rig.gateway = None;
    std::fs::set_permissions(&ledger, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    rig.start_ready().await;
    rig.finish().await;
}
