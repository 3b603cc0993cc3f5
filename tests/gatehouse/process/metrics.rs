//! `/metrics`, the alert rules and the board that go with it, by Prometheus' own tool where it is there.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::rig::{BOARDROOM, ROOT, Rig};

/// What promtool says of that input; `None` where it is not installed (Debian's `prometheus`).
fn promtool(arguments: &[&str], input: &str) -> Option<(bool, String)> {
    let mut tool = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    tool.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = tool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

/// The samples of a scrape: what stands before the value, and the value. Every line must be as the format has it.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let mut kinds: BTreeMap<&str, &str> = BTreeMap::new();
    let mut out = BTreeMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert_eq!(kinds.insert(name, kind), None, "twice: {line}");
        } else if !line.starts_with("# HELP ") {
            let (key, value) = line.rsplit_once(' ').unwrap();
            let name = key.split('{').next().unwrap();
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let known = kinds.contains_key(name) || family.is_some_and(|name| kinds.get(name) == Some(&"histogram"));
            assert!(known && name.starts_with("gatehouse_"), "no TYPE before {line}");
            assert_eq!(out.insert(key.to_owned(), value.parse().unwrap()), None, "twice: {line}");
        }
    }
    out
}

fn paper(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config").join(name)
}

/// The names of metrics in an expression, without what histograms add.
fn named(expression: &str) -> Vec<String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names = words.filter(|word| word.starts_with("gatehouse_"));
    names.map(|name| name.strip_suffix("_bucket").unwrap_or(name).to_owned()).collect()
}

/// A booking, an opened door, a cloud that fails: each is counted; nobody is named; and every metric that the rules and
/// the board ask for is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_5_metrics_count_what_happened_and_name_nobody() {
    let mut rig = Rig::new(|settings| {
        settings.set("mqtt.people", r#""name""#).set("hooks.kisi_secret", r#"{ file = "kisi-hook" }"#);
    })
    .await;
    rig.write("kisi-hook", "kisi-hook-92bb58");
    rig.customer(90_210, "Ada");
    rig.start_ready().await;
    rig.book(90_210, BOARDROOM, rig.in_min(-5), rig.in_min(60));
    rig.until("Ada's row", 20, |rig| rig.row("Ada", rig.boardroom.group)).await;
    let (lock, user) = (rig.boardroom.lock, rig.user("Ada").unwrap());
    rig.kisi(|kisi, now| kisi.tap(user, lock, now));
    let door = format!("{ROOT}/door/{lock}/event");
    rig.until("the event", 15, |rig| rig.watcher.last(&door)).await;
    let text = rig
        .until("the event's acknowledgement", 10, |rig| {
            let text = rig.get("/metrics")?.1;
            let seen = samples(&text);
            // Events of the user and the row may still be under way behind the door's.
            let all = seen["gatehouse_event_lag_seconds_count"] >= 1.0 && seen["gatehouse_outbox_events"] == 0.0;
            all.then_some(text)
        })
        .await;
    let seen = samples(&text);
    let at_least = |key: &str, least: f64| {
        let value = seen.get(key).unwrap_or_else(|| panic!("no {key} in\n{text}"));
        assert!(*value >= least, "{key} is {value}");
    };
    for (key, least) in [
        (r#"gatehouse_calls_total{cloud="nexudus",outcome="ok"}"#, 5.0),
        (r#"gatehouse_calls_total{cloud="kisi",outcome="ok"}"#, 5.0),
        (r#"gatehouse_call_duration_seconds_count{cloud="kisi"}"#, 5.0),
        (r#"gatehouse_changes_total{change="added"}"#, 1.0),
        (r#"gatehouse_changes_total{change="invited"}"#, 1.0),
        ("gatehouse_sync_duration_seconds_count", 1.0),
        ("gatehouse_events_read_total", 1.0),
        ("gatehouse_events_published_total", 1.0),
        ("gatehouse_store_syncs_total", 1.0),
        ("gatehouse_store_written_bytes_total", 100.0),
        (r#"gatehouse_store_size_bytes{file="ledger"}"#, 1_000.0),
        (r#"gatehouse_connection_state{connection="broker",state="online"}"#, 1.0),
        ("gatehouse_people", 1.0),
        ("gatehouse_clock_trusted", 1.0),
    ] {
        at_least(key, least);
    }
    assert_eq!(seen["gatehouse_outbox_events"], 0.0);
    assert_eq!(seen[r#"gatehouse_alert_active{alert="kisi"}"#], 0.0);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(seen[&format!("gatehouse_build_info{{version=\"{version}\"}}")], 1.0);
    for hidden in ["Ada", "ada@", "90210", &user.to_string()] {
        assert!(!text.contains(hidden), "{hidden} in\n{text}");
    }

    rig.nexudus
        .lock()
        .unwrap()
        .faults
        .add(gatehouse::twin::faults::Rule::on("", gatehouse::twin::faults::Effect::Refuse));
    let failed = |rig: &mut Rig| {
        let seen = samples(&rig.get("/metrics")?.1);
        let failed = seen.get(r#"gatehouse_calls_total{cloud="nexudus",outcome="no_answer"}"#)?;
        (*failed >= 1.0 && seen[r#"gatehouse_alert_active{alert="nexudus"}"#] == 1.0).then_some(())
    };
    rig.until("the failure to be counted", 30, failed).await;
    // A webhook that nobody signed.
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", rig.web)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(b"POST /hooks/kisi HTTP/1.1\r\nhost: box\r\ncontent-length: 0\r\n\r\n").unwrap();
    let refused = r#"gatehouse_hooks_total{cloud="kisi",outcome="refused"}"#;
    let counted = |rig: &mut Rig| samples(&rig.get("/metrics")?.1).get(refused).copied();
    assert_eq!(rig.until("the refusal to be counted", 5, counted).await, 1.0);

    let text = rig.get("/metrics").unwrap().1;
    let families: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let rules = std::fs::read_to_string(paper("prometheus-rules.yml")).unwrap();
    let rules: Vec<String> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).flat_map(named).collect();
    let board: Value = serde_json::from_slice(&std::fs::read(paper("grafana.json")).unwrap()).unwrap();
    let panels = board["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    let board: Vec<String> = targets.flat_map(|target| named(target["expr"].as_str().unwrap())).collect();
    assert!(rules.len() > 8 && board.len() > 15);
    for name in rules.iter().chain(&board) {
        assert!(families.contains(&name.as_str()), "{name} is asked for, and there is no such metric");
    }
    let rules = paper("prometheus-rules.yml");
    match promtool(&["check", "metrics"], &text).zip(promtool(&["check", "rules", rules.to_str().unwrap()], "")) {
        None => eprintln!("promtool is not installed: only the rules of the format were checked"),
        Some((metrics, rules)) => {
            assert_eq!(metrics, (true, String::new()), "promtool check metrics");
            assert!(rules.0, "promtool check rules: {}", rules.1);
        }
    }
    rig.finish().await;
}
