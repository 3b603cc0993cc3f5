//! The operator's tools as processes: links, init, the store, who may ask, what a reload says.

use std::os::unix::fs::PermissionsExt;

use chrono::TimeDelta;
use gatehouse::twin::nexudus::Entity;
use serde_json::json;

use super::gateway::KISI_KEY;
use super::rig::{BOARDROOM, DESK, LOCATION, OAK, PASSWORD, Rig};

/// What `links` prints is pasted, and `check` takes it; what lists leave out is read by id; nothing is linked twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_1_links_are_proposed_as_toml_that_check_takes() {
    let rig = Rig::new(|settings| {
        settings.unlink().link(&format!("resource = {BOARDROOM}, group = 1"));
    })
    .await;
    let (oak, desks) = (rig.oak.group, rig.desks.group);
    {
        let mut nexudus = rig.nexudus.lock().unwrap();
        let site = nexudus.at(rig.clock.wall());
        site.set(Entity::Resource, OAK, json!({ "KisiGroupId": oak.to_string() })).unwrap();
        site.set(Entity::FloorPlanDesk, DESK, json!({ "AccessControlGroupId": desks.to_string() })).unwrap();
        nexudus.switch(|switches| switches.lists_without_access = true);
    }
    let before = rig.kisi_writes();
    let import = rig.verb(&["links", "import", "--json"]).await;
    assert_eq!(import.exit, 0, "{import:?}");
    let pairs = |json: &serde_json::Value| -> Vec<(String, u64, u64)> {
        let links = json["links"].as_array().unwrap().clone();
        let sure = links.iter().filter(|link| link["sure"] == true);
        let pair = |link: &serde_json::Value| {
            let item = &link["item"];
            let number = |value: &serde_json::Value| value["id"].as_u64().unwrap();
            (item["kind"].as_str().unwrap().to_owned(), number(item), number(&link["group"]))
        };
        sure.map(pair).collect()
    };
    let told = |kind: &str, id: i64, group: u64| (kind.to_owned(), id.unsigned_abs(), group);
    let expected = [told("resource", OAK, oak), told("desk", DESK, desks)];
    assert_eq!(pairs(&import.json()), expected, "{import:?}");

    let suggest = rig.verb(&["links", "suggest", "--json"]).await;
    let suggested = pairs(&suggest.json());
    assert!(suggested.contains(&told("resource", OAK, oak)), "{suggest:?}");
    assert!(suggested.iter().all(|(kind, id, _)| !(kind == "resource" && *id == BOARDROOM as u64)), "linked already");

    let toml = rig.verb(&["links", "import"]).await;
    assert!(toml.stdout.contains("# Oak"), "names stand as comments: {}", toml.stdout);
    rig.write("gatehouse.toml", &format!("{}\n{}", rig.settings.text(), toml.stdout));
    let check = rig.verb(&["check", "--json"]).await;
    assert_eq!(check.exit, 0, "{check:?}\n{}", toml.stdout);
    let again = rig.verb(&["links", "import", "--json"]).await;
    assert_eq!(pairs(&again.json()), [], "nothing is proposed twice");
    assert_eq!(rig.kisi_writes(), before);
    rig.write_settings();
    rig.finish().await;
}

/// From flags alone to a configuration that `check` takes; nothing is overwritten, and nothing is left of a try that
/// failed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_1_init_writes_what_check_takes_and_overwrites_nothing() {
    let rig = Rig::new(|_| ()).await;
    let settings = rig.settings.text();
    let value = |key: &str| -> String {
        let mut section = "";
        let mut found = String::new();
        for line in settings.lines() {
            if line.starts_with('[') {
                section = line;
            }
            let wanted = section == format!("[{key}]");
            if let Some(url) = line.strip_prefix("url = ").filter(|_| wanted) {
                found = url.trim_matches('"').to_owned();
            }
        }
        found
    };
    let (nexudus, kisi) = (value("nexudus"), value("kisi"));
    rig.write("kisi-key", KISI_KEY);
    let place = |name: &str| rig.directory.path().join(name).display().to_string();
    let target = place("new/gatehouse.toml");
    let (password, key, store) = (place("nexudus-password"), place("kisi-key"), place("new-store"));
    let broker = format!("mqtt://127.0.0.1:{}", rig.gate.port);
    let flags = |site: &'static str| -> Vec<String> {
        let flags = [
            "init",
            "--config",
            &target,
            "--site",
            site,
            "--nexudus-url",
            &nexudus,
            "--nexudus-username",
            "gateway@example.org",
            "--nexudus-password-file",
            &password,
            "--kisi-url",
            &kisi,
            "--kisi-api-key-file",
            &key,
            "--mqtt-url",
            &broker,
            "--store",
            &store,
        ];
        flags.map(str::to_owned).to_vec()
    };
    let run = async |flags: Vec<String>| {
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        rig.verb(&flags).await
    };
    // The tests have no terminal: everything that would be asked for is told at once.
    let asked = rig.verb(&["init", "--config", &target, "--site", "harbour-house", "--mqtt-username", "gateway"]).await;
    assert_eq!(asked.exit, 1, "{asked:?}");
    for flag in ["--nexudus-username", "--nexudus-password-file", "--kisi-api-key-file", "--mqtt-password-file"] {
        assert!(asked.stderr.contains(&format!("\n  {flag} ")), "{flag}: {asked:?}");
    }
    assert!(!asked.stderr.contains("--site"), "{asked:?}");
    let refused = run(flags("Harbour House")).await;
    assert_eq!(refused.exit, 1, "{refused:?}");
    assert!(refused.stderr.contains("site.id"), "{refused:?}");
    let mut unknown = flags("harbour-house");
    unknown.extend(["--location".to_owned(), "999".to_owned()]);
    let unknown = run(unknown).await;
    assert!(unknown.exit == 1 && unknown.stderr.contains("999"), "{unknown:?}");
    rig.write("kisi-key", "another key");
    let refused = run(flags("harbour-house")).await;
    assert!(refused.exit == 1 && refused.stderr.contains("Kisi does not take it"), "{refused:?}");
    assert!(!rig.directory.path().join("new").exists(), "nothing is left of a try that failed");
    rig.write("kisi-key", KISI_KEY);

    let made = run(flags("harbour-house")).await;
    assert_eq!(made.exit, 0, "{made:?}");
    let mode = |name: &str| {
        let path = rig.directory.path().join("new").join(name);
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    let modes = ["gatehouse.toml", "credentials", "credentials/nexudus-password", "credentials/kisi-api-key"].map(mode);
    assert_eq!(modes, [0o640, 0o700, 0o600, 0o600]);
    let text = std::fs::read_to_string(&target).unwrap();
    assert!(text.contains(&format!("location = {LOCATION}")) && text.contains("Europe/London"), "{text}");
    for shown in [&text, &made.stdout, &made.stderr] {
        assert!(!shown.contains(PASSWORD) && !shown.contains(KISI_KEY), "{shown}");
    }
    let check = rig.verb(&["check", "--online", "--json", "--config", &target]).await;
    assert_eq!(check.exit, 0, "{check:?}");
    let suggest = rig.verb(&["links", "suggest", "--config", &target]).await;
    assert!(suggest.stdout.contains("[[link]]") && made.stdout.contains(&suggest.stdout), "{made:?}\n{suggest:?}");
    let again = run(flags("harbour-house")).await;
    assert!(again.exit == 1 && again.stderr.contains("left alone"), "{again:?}");
    assert_eq!(std::fs::read_to_string(&target).unwrap(), text);
    rig.finish().await;
}

/// A backup is made while the gateway runs, and put back while it does not; what was made since is left in Kisi, and
/// nobody is suspended by what an old ledger remembers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_3_an_older_ledger_put_back_takes_nothing_and_gives_nothing() {
    let mut rig = Rig::new(|_| ()).await;
    rig.customer(90_210, "Ada");
    rig.customer(90_211, "Ben");
    rig.book(90_210, BOARDROOM, rig.in_min(-5), rig.in_min(60));
    rig.start_ready().await;
    let group = rig.boardroom.group;
    rig.until("Ada's row", 20, |rig| rig.row("Ada", group)).await;
    let file = rig.directory.path().join("backup");
    let file = file.to_str().unwrap();
    let backup = rig.verb(&["store", "backup", file]).await;
    assert_eq!(backup.exit, 0, "{backup:?}");
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(rig.verb(&["store", "backup", file]).await.exit, 1, "it overwrites nothing");
    let check = rig.verb(&["store", "check"]).await;
    assert_eq!(check.exit, 0, "{check:?}");
    rig.book(90_211, BOARDROOM, rig.in_min(-5), rig.in_min(60));
    let ben = rig.until("Ben's row", 20, |rig| rig.row("Ben", group)).await;
    // So young a row, with the very window that is wanted, would be taken for one whose answer was lost.
    let made = ben.created_at;
    rig.until("Ben's row to be older", 20, |rig| (rig.now() > made + TimeDelta::seconds(7)).then_some(())).await;
    let held = rig.verb(&["store", "restore", file]).await;
    assert!(held.exit == 1 && held.stderr.contains("systemctl stop"), "{held:?}");
    rig.stop().await;

    let restored = rig.verb(&["store", "restore", file]).await;
    assert_eq!(restored.exit, 0, "{restored:?}");
    assert!(rig.store().join("ledger.redb.replaced-1").exists(), "the old one is kept");
    let leftovers: Vec<_> = std::fs::read_dir(rig.store()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(leftovers.iter().all(|name| !name.to_str().unwrap().starts_with("backup-")), "{leftovers:?}");
    let check = rig.verb(&["store", "check"]).await;
    assert_eq!(check.exit, 0, "{check:?}");
    let rows = |rig: &Rig| {
        [rig.row("Ada", group), rig.row("Ben", group)]
            .map(|row| row.map(|row| (row.id, row.valid_from, row.valid_until)))
    };
    let before = rows(&rig);
    rig.start_ready().await;
    rig.until_roster_read(2, 30).await;
    let told = rig.verb(&["explain", "ben@example.org", "--json"]).await.json();
    assert_eq!(told["grants"][0]["in_kisi"]["ours"], false, "not in the ledger: {told}");
    let told = rig.verb(&["explain", "ada@example.org", "--json"]).await.json();
    assert_eq!(told["grants"][0]["in_kisi"]["ours"], true, "{told}");
    assert_eq!(rows(&rig), before, "nothing is taken, and nothing moved");
    rig.finish().await;
}

/// Who may ask the gateway need not be one who may read its secrets.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_1_verbs_that_ask_the_gateway_read_no_secret() {
    let mut rig = Rig::new(|_| ()).await;
    rig.customer(90_210, "Ada");
    rig.start_ready().await;
    std::fs::remove_file(rig.directory.path().join("nexudus-password")).unwrap();
    for verb in [&["status"][..], &["events"], &["explain", "90210"], &["plan"], &["store", "check"], &["apply"]] {
        let told = rig.verb(verb).await;
        assert_eq!(told.exit, 0, "{verb:?}: {told:?}");
    }
    assert_eq!(rig.verb(&["check"]).await.exit, 2, "to check is to look at the secrets too");
    rig.write("nexudus-password", PASSWORD);
    rig.finish().await;
}

/// A reload takes links and access rules into use, names what waits for a restart, and keeps the old where the new is
/// wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_1_a_reload_says_what_waits_for_a_restart() {
    let mut rig = Rig::new(|settings| {
        settings.unlink();
    })
    .await;
    rig.customer(90_210, "Ada");
    rig.book(90_210, BOARDROOM, rig.in_min(-5), rig.in_min(60));
    rig.start_ready().await;
    rig.settings
        .set("kisi.events", r#""3s""#)
        .link(&format!("resource = {BOARDROOM}, group = {}", rig.boardroom.group));
    rig.write_settings();
    rig.gateway.as_ref().unwrap().signal("HUP");
    rig.until("to be told", 10, |rig| rig.logged().contains("kisi.events").then_some(())).await;
    let group = rig.boardroom.group;
    rig.until("the new link in use", 20, |rig| rig.row("Ada", group)).await;
    rig.settings.set("access.before", r#""soon""#);
    rig.write_settings();
    rig.gateway.as_ref().unwrap().signal("HUP");
    rig.until("the refusal", 10, |rig| rig.logged().contains("the old one stays in force").then_some(())).await;
    assert!(rig.logged().contains("access.before"), "which key is wrong");
    assert!(rig.row("Ada", group).is_some());
    rig.finish().await;
}
