//! Contract 1: what verbs print and how they end, with the gateway running and without it.

use serde_json::{Value, json};

use super::rig::{BOARDROOM, Rig};
use super::shape::has_keys;

const CHANGE: [&str; 6] = ["change", "person", "group", "valid_from", "valid_until", "reason"];

fn plan_is_whole(report: &Value) {
    has_keys(report, &["id", "counts", "changes", "held"]);
    for change in report["changes"].as_array().unwrap().iter().chain(report["held"].as_array().unwrap()) {
        has_keys(change, &CHANGE);
        has_keys(&change["person"], &["customer", "user", "email"]);
        has_keys(&change["reason"], &["kind", "id"]);
    }
}

/// `explain` of somebody who may come in, as contract 1 has it.
fn ada_is_explained(report: &Value, rig: &Rig) {
    has_keys(report, &["person", "at", "clock", "allowed", "grants", "why_not"]);
    assert_eq!(
        (&report["person"]["customer"], &report["person"]["email"]),
        (&json!(90_210), &json!("ada@example.org"))
    );
    assert_eq!(report["allowed"], true);
    let [grant] = &report["grants"].as_array().unwrap()[..] else { panic!("{report}") };
    has_keys(grant, &["group", "doors", "from", "until", "reason", "in_kisi", "error"]);
    assert_eq!(grant["group"], rig.boardroom.group);
    assert_eq!(grant["doors"], json!([{"id": rig.boardroom.lock, "name": "Boardroom"}]));
    assert_eq!(grant["reason"]["kind"], "booking");
    has_keys(&grant["in_kisi"], &["assignment", "valid_from", "valid_until", "ours"]);
    assert_eq!((&grant["in_kisi"]["ours"], &grant["error"]), (&json!(true), &Value::Null));
}

/// `plan` writes nothing, `apply` does what it said, `explain` and `events` answer with no internet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_1_the_verbs_work_by_themselves() {
    let rig = Rig::new(|_| ()).await;
    rig.customer(90_210, "Ada");
    rig.customer(90_211, "Ben");
    rig.book(90_210, BOARDROOM, rig.in_min(-5), rig.in_min(60));
    let status = rig.verb(&["status"]).await;
    assert_eq!(status.exit, 3, "{status:?}");
    let check = rig.verb(&["check", "--json"]).await;
    assert_eq!((check.exit, &check.json()["ok"], &check.json()["errors"]), (0, &json!(true), &json!([])));

    let plan = rig.verb(&["plan", "--json", "--detailed-exitcode"]).await;
    assert_eq!(plan.exit, 2, "{plan:?}");
    let report = plan.json();
    plan_is_whole(&report);
    let changes: Vec<&str> =
        report["changes"].as_array().unwrap().iter().map(|c| c["change"].as_str().unwrap()).collect();
    assert!(changes.contains(&"invited") && changes.contains(&"added"), "{report}");
    assert_eq!(rig.kisi_writes(), 0, "a plan writes nothing");
    let changed = |rig: &Rig| {
        let nexudus = rig.nexudus.lock().unwrap();
        nexudus.history().requests().filter(|r| r.method != "GET" && !r.target.contains("/token")).count()
    };
    assert_eq!(changed(&rig), 0, "a plan writes nothing");

    let apply = rig.verb(&["apply", "--json"]).await;
    assert_eq!(apply.exit, 0, "{apply:?}");
    plan_is_whole(&apply.json());
    let row = rig.row("Ada", rig.boardroom.group).expect("applied when it ends");
    let again = rig.verb(&["plan", "--json", "--detailed-exitcode"]).await;
    assert_eq!((again.exit, &again.json()["changes"]), (0, &json!([])), "{again:?}");

    rig.kisi(|kisi, _| kisi.faults.down = true);
    rig.nexudus.lock().unwrap().faults.down = true;
    let ada = rig.verb(&["explain", "Ada@Example.org", "--json"]).await;
    assert_eq!(ada.exit, 0, "{ada:?}");
    ada_is_explained(&ada.json(), &rig);
    assert_eq!(ada.json()["grants"][0]["in_kisi"]["assignment"], row.id);
    let by_id = rig.verb(&["explain", "90210", "--json", "--door", &rig.oak.lock.to_string()]).await;
    assert_eq!((by_id.exit, &by_id.json()["allowed"]), (0, &json!(false)), "{by_id:?}");
    let ben = rig.verb(&["explain", "90211", "--json"]).await;
    assert_eq!((ben.exit, &ben.json()["allowed"]), (0, &json!(false)), "{ben:?}");
    let why = ben.json()["why_not"].as_array().unwrap().clone();
    assert!(!why.is_empty(), "{ben:?}");
    why.iter().for_each(|why| has_keys(why, &["code", "message"]));
    assert_eq!(rig.verb(&["explain", "nobody@example.org"]).await.exit, 5);
    let later = (rig.in_min(600)).to_rfc3339();
    let then = rig.verb(&["explain", "90210", "--json", "--at", &later]).await;
    assert_eq!((then.exit, &then.json()["allowed"]), (0, &json!(false)), "{then:?}");
    let failed = rig.verb(&["plan", "--detailed-exitcode"]).await;
    assert_eq!(failed.exit, 1, "no cloud, no plan: {failed:?}");
    assert_eq!(rig.verb(&["events", "--json"]).await.exit, 0);
    rig.finish().await;
}

/// Every wrong argument and configuration is 2, with all errors of the file at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_1_what_is_wrong_is_2_on_every_verb() {
    let mut rig = Rig::new(|_| ()).await;
    for wrong in [
        &["explain"][..],
        &["explain", "ada@example.org", "--at", "yesterday"],
        &["events", "--door", "oak"],
        &["run", "--fast"],
        &["unlock"],
        &["plan", "--log-format", "xml"],
    ] {
        assert_eq!(rig.verb(wrong).await.exit, 2, "{wrong:?}");
    }
    let password = "it-stands-in-clear";
    rig.settings
        .set("nexudus.location", r#""4711""#)
        .set("nexudus.password", &format!("\"{password}\""))
        .set("access.bevore", r#""15m""#)
        .link(&format!("resource = {BOARDROOM}, group = {}", rig.boardroom.group));
    rig.write_settings();
    let check = rig.verb(&["check", "--json"]).await;
    assert_eq!(check.exit, 2, "{check:?}");
    let errors = check.json()["errors"].as_array().unwrap().clone();
    assert!(errors.len() >= 4, "all in one go: {errors:?}");
    for error in &errors {
        has_keys(error, &["file", "line", "column", "key", "found", "allowed", "message"]);
    }
    assert!(!check.stdout.contains(password) && !check.stderr.contains(password), "never shown");
    for verb in [&["run"][..], &["plan"], &["apply"], &["status"], &["explain", "90210"], &["events"], &["pause"]] {
        let output = rig.verb(verb).await;
        assert_eq!(output.exit, 2, "{verb:?}: {output:?}");
        assert!(!output.stderr.contains(password));
    }
    assert_eq!(rig.verb(&["plan", "--detailed-exitcode"]).await.exit, 1, "where 2 means changes");
    rig.finish().await;
}

/// While `run` holds the store every verb asks it; and what it is told holds over a restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_1_the_verbs_ask_the_running_gateway() {
    let mut rig = Rig::new(|_| ()).await;
    rig.customer(90_210, "Ada");
    rig.customer(90_211, "Ben");
    rig.book(90_210, BOARDROOM, rig.in_min(-5), rig.in_min(60));
    rig.start_ready().await;
    let group = rig.boardroom.group;
    rig.until("Ada's row", 20, |rig| rig.row("Ada", group)).await;
    let second = rig.verb(&["run"]).await;
    assert_eq!(second.exit, 1, "one holds the store: {second:?}");

    let status = rig.verb(&["status", "--json"]).await;
    assert_eq!(status.exit, 0, "{status:?}");
    let topic = rig.until("a status", 10, |rig| rig.status()).await;
    assert_eq!(super::shape::keys(&status.json()), super::shape::keys(&topic), "the payload of the topic");
    assert_eq!(rig.verb(&["status"]).await.exit, 0);
    let ada = rig.verb(&["explain", "ada@example.org", "--json"]).await;
    ada_is_explained(&ada.json(), &rig);
    assert_eq!(ada.json()["clock"], "verified");
    assert_eq!(rig.verb(&["explain", "nobody@example.org", "--json"]).await.exit, 5);

    assert_eq!(rig.verb(&["pause"]).await.exit, 0);
    rig.until("to be said paused", 10, |rig| rig.status().filter(|status| status["paused"] == true)).await;
    rig.book(90_211, BOARDROOM, rig.in_min(-5), rig.in_min(60));
    rig.stop().await;
    rig.start_ready().await;
    let writes = rig.kisi_writes();
    let waiting = |rig: &mut Rig| rig.status().filter(|s| s["paused"] == true && s["counts"]["people"] == 2);
    rig.until("to be paused still, with Ben known", 20, waiting).await;
    let plan = rig.verb(&["plan", "--json", "--detailed-exitcode"]).await;
    assert_eq!(plan.exit, 2, "{plan:?}");
    plan_is_whole(&plan.json());
    assert_eq!(rig.kisi_writes(), writes, "paused");
    assert_eq!(rig.verb(&["resume"]).await.exit, 0);
    rig.until("Ben's row", 20, |rig| rig.row("Ben", group)).await;
    let apply = rig.verb(&["apply", "--json"]).await;
    assert_eq!(apply.exit, 0, "{apply:?}");
    let done = rig.verb(&["plan", "--detailed-exitcode"]).await;
    assert_eq!(done.exit, 0, "{done:?}");
    rig.finish().await;
}

/// `write = false`: everything is read, decided and told, and Kisi is as it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_2_without_write_everything_is_decided_and_nothing_changed() {
    let mut rig = Rig::new(|settings| {
        settings.set("access.write", "false");
    })
    .await;
    rig.customer(90_210, "Ada");
    rig.book(90_210, BOARDROOM, rig.in_min(-5), rig.in_min(60));
    rig.start_ready().await;
    rig.until("what waits to be told", 15, |rig| rig.status().filter(|status| status["counts"]["pending"] == 2)).await;
    let plan = rig.verb(&["plan", "--json", "--detailed-exitcode"]).await;
    assert_eq!(plan.exit, 2, "{plan:?}");
    assert_eq!(plan.json()["changes"].as_array().unwrap().len(), 2);
    rig.until_roster_read(1, 15).await;
    assert_eq!(rig.kisi_writes(), 0);
    rig.finish().await;
}

/// `check --online` asks every service, and names what is missing where: a right by its role, a key, a link.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_1_check_online_names_each_right_that_is_missing_and_each_link_that_leads_nowhere() {
    let rig = Rig::new(|_| ()).await;
    rig.customer(90_210, "Ada");
    let services = |verb: &super::gateway::Output| -> Vec<(String, bool, String)> {
        let services = verb.json()["services"].as_array().unwrap().clone();
        let text = |service: &Value, key: &str| service[key].as_str().unwrap().to_owned();
        services.iter().map(|s| (text(s, "name"), s["ok"] == true, text(s, "message"))).collect()
    };
    let wrong = |verb: &super::gateway::Output| -> Vec<(String, String)> {
        services(verb).into_iter().filter(|(_, ok, _)| !ok).map(|(name, _, message)| (name, message)).collect()
    };
    let right = rig.verb(&["check", "--online", "--json"]).await;
    assert_eq!((right.exit, wrong(&right)), (0, vec![]), "{right:?}");
    assert_eq!(rig.kisi_writes(), 0);
    rig.nexudus.lock().unwrap().switch(|switches| {
        switches.missing_roles.insert("Booking-List".to_owned());
    });
    let refused = rig.verb(&["check", "--online", "--json"]).await;
    assert_eq!(refused.exit, 3, "{refused:?}");
    let [(name, message)] = &wrong(&refused)[..] else { panic!("{refused:?}") };
    assert!(name == "nexudus" && message.contains("Booking-List"), "{message}");
    rig.finish().await;
}
