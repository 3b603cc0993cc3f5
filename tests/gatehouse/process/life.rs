//! The process: its files, its page, its signals.

use std::os::unix::fs::PermissionsExt;

use gatehouse::twin::faults::{Effect, Rule};
use gatehouse::twin::kisi::Creator;

use super::rig::{BOARDROOM, OAK, Rig};

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Who may read what is on the box, and what is served to whoever asks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_5_files_and_pages_are_for_those_they_are_for() {
    let mut rig = Rig::new(|settings| {
        settings.set("mqtt.people", r#""id""#);
    })
    .await;
    rig.customer(90_210, "Ada");
    rig.book(90_210, BOARDROOM, rig.in_min(-5), rig.in_min(60));
    rig.start_ready().await;
    rig.until("Ada's row", 20, |rig| rig.row("Ada", rig.boardroom.group)).await;
    assert_eq!(mode(&rig.store().join("gatehouse.sock")), 0o660);
    for entry in std::fs::read_dir(rig.store()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path) & 0o007, 0, "{} may be read by others", path.display());
    }
    for name in ["cache.redb", "ledger.redb"] {
        assert!(rig.store().join(name).is_file(), "{name}");
    }
    let (status, health) = rig.get("/healthz").unwrap();
    assert_eq!(status, 200);
    assert!(serde_json::from_str::<serde_json::Value>(&health).is_ok(), "{health}");
    let (status, page) = rig.get("/").unwrap();
    assert!(status == 200 && page.contains("harbour-house"), "{page}");
    for hidden in ["ada@example.org", "Ada"] {
        assert!(!page.contains(hidden), "`people` is id, and the page shows {hidden}");
    }
    for path in ["/hooks/nexudus", "/hooks/kisi", "/metric"] {
        assert_eq!(rig.get(path).unwrap().0, 404, "{path}");
    }
    rig.finish().await;
}

/// A changed file is taken into use with the doors going on; a wrong one is refused, with the place of the error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_1_sighup_takes_a_right_file_and_keeps_on_with_a_wrong_one() {
    let mut rig = Rig::new(|_| ()).await;
    rig.customer(90_210, "Ada");
    rig.book(90_210, OAK, rig.in_min(-5), rig.in_min(60));
    rig.start_ready().await;
    assert_eq!(rig.row("Ada", rig.oak.group), None, "no link, no part");
    let broken = rig.settings.text().replace("4711", "\"4711\"");
    rig.write("gatehouse.toml", &broken);
    rig.gateway.as_ref().unwrap().signal("HUP");
    rig.until("the error to be logged", 10, |rig| rig.logged().contains("nexudus.location").then_some(())).await;
    let link = format!("resource = {OAK}, group = {}", rig.oak.group);
    rig.settings.link(&link);
    rig.write_settings();
    rig.gateway.as_ref().unwrap().signal("HUP");
    rig.until("the new link", 25, |rig| rig.row("Ada", rig.oak.group)).await;
    assert_eq!(rig.verb(&["status"]).await.exit, 0);
    rig.finish().await;
}

/// The power is cut in the middle of a burst of writes, again and again, and answers are lost after the work was done:
/// in the end there is one user and one row for each, and every row is known as its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_7_killed_between_any_two_writes_it_ends_in_the_same_state() {
    let mut rig = Rig::new(|_| ()).await;
    let names = ["Ada", "Ben", "Cleo"];
    let (from, to) = (rig.in_min(-5), rig.in_min(60));
    let mut bookings = Vec::new();
    for (id, name) in (90_210..).zip(names) {
        rig.customer(id, name);
        bookings.push(rig.book(id, BOARDROOM, from, to));
    }
    for path in ["/users", "/role_assignments"] {
        rig.kisi(|kisi, _| kisi.faults.add(Rule::on(path, Effect::Lose).method("POST").times(1)));
    }
    let group = rig.boardroom.group;
    for _ in 0..3 {
        let before = rig.kisi_writes();
        rig.start();
        rig.until("a write", 25, |rig| (rig.kisi_writes() > before).then_some(())).await;
        rig.kill();
    }
    rig.start_ready().await;
    rig.until("everybody's row", 25, |rig| names.iter().all(|name| rig.row(name, group).is_some()).then_some(())).await;
    let (rows, users) = rig.kisi(|kisi, _| {
        let ours = kisi.assignments().filter(|row| row.created_by == Creator::User(rig.me)).count();
        (ours, kisi.users().count())
    });
    assert_eq!((rows, users), (3, 5), "no row twice, no user twice; two administrators");
    for booking in &bookings[..2] {
        rig.nexudus(|site| site.cancel_booking(*booking)).unwrap();
    }
    rig.until_no_row("Ada", group, 20).await;
    rig.until_no_row("Ben", group, 20).await;
    assert!(rig.row("Cleo", group).is_some());
    rig.finish().await;
}

/// Both clouds take calls and never answer, a write among them: SIGTERM is obeyed all the same ([`Rig::stop`]), and the
/// next run finds out what became of the write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_1_sigterm_is_obeyed_while_both_clouds_hang() {
    let mut rig = Rig::new(|_| ()).await;
    rig.customer(90_210, "Ada");
    rig.start_ready().await;
    rig.kisi(|kisi, _| kisi.faults.add(Rule::on("", Effect::Hang).method("POST")));
    rig.book(90_210, BOARDROOM, rig.in_min(-5), rig.in_min(60));
    let before = rig.kisi_writes();
    rig.until("a write that hangs", 20, |rig| (rig.kisi_writes() > before).then_some(())).await;
    rig.nexudus.lock().unwrap().faults.add(Rule::on("", Effect::Hang));
    rig.kisi(|kisi, _| kisi.faults.add(Rule::on("", Effect::Hang)));
    rig.stop().await;
    rig.kisi(|kisi, _| kisi.faults.clear());
    rig.nexudus.lock().unwrap().faults.clear();
    rig.start_ready().await;
    rig.until("Ada's row", 20, |rig| rig.row("Ada", rig.boardroom.group)).await;
    rig.finish().await;
}
