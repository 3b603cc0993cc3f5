//! How many topics and messages sites make, and what one mosquitto needs for them. It holds nothing to a figure.

use std::collections::BTreeMap;
use std::fs::File;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::super::super::mosquitto::Mosquitto;
use super::super::rig::Rig;

/// How often somebody taps at each site, in seconds.
const TAP_S: u64 = 2;
/// For how long it is counted, in seconds.
const COUNTED_S: u64 = 180;

/// One message as the subscriber wrote it down.
struct Seen {
    at_ms: i64,
    bytes: usize,
    site: String,
    /// The topic without what differs by site and thing.
    kind: String,
    payload: String,
}

fn seen(file: &std::path::Path) -> Vec<Seen> {
    let text = String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned();
    let read = |line: &str| {
        let mut parts = line.splitn(4, '\t');
        let at_ms = (parts.next()?.parse::<f64>().ok()? * 1000.0) as i64;
        let bytes = parts.next()?.parse().ok()?;
        let (topic, payload) = (parts.next()?, parts.next()?.to_owned());
        let levels: Vec<&str> = topic.split('/').collect();
        let (site, kind) = match levels.as_slice() {
            ["gatehouse", site, "door" | "controller" | "reader", _, what] => {
                (*site, format!("{}/+/{what}", levels[2]))
            }
            ["gatehouse", site, kind, ..] => (*site, (*kind).to_owned()),
            ["homeassistant", _, node, ..] => (node.strip_prefix("gatehouse_")?, "discovery".to_owned()),
            _ => return None,
        };
        Some(Seen { at_ms, bytes, site: site.to_owned(), kind, payload })
    };
    text.lines().filter_map(read).collect()
}

/// Seconds of the processor, and kilobytes of memory, of a process.
fn costs(id: u32) -> (f64, u64) {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let ticks = stat.rsplit(") ").next().unwrap().split(' ').skip(11).take(2).map(|n| n.parse::<f64>().unwrap());
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap().trim();
    (ticks.sum::<f64>() / 100.0, resident.trim_end_matches(" kB").parse().unwrap())
}

/// `SITES` gateways (20 where it is not set), each with twins of its own and five doors, all at one mosquitto, at the
/// paces that are the default; somebody taps at each every two seconds. Every event has to come.
#[ignore = "it measures, and takes five minutes"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn measure_many_sites_on_one_broker() {
    let count: usize = std::env::var("SITES").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let broker = Mosquitto::start().await;
    let file = broker.directory.path().join("measured");
    let port = broker.port.to_string();
    let mut subscriber = Command::new("mosquitto_sub")
        .args(["-p", &port, "-q", "1", "-F", "%U\t%l\t%t\t%p", "-t", "gatehouse/#", "-t", "homeassistant/#"])
        .stdout(File::create(&file).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut rigs = Vec::new();
    for number in 1..=count {
        let mut rig = Rig::new(|settings| {
            settings.set("site.id", &format!("\"site-{number:03}\""));
            settings.set("mqtt.url", &format!("\"mqtt://127.0.0.1:{port}\"")).set("mqtt.home_assistant", "true");
            for (key, pace) in
                [("nexudus.changes", "5s"), ("nexudus.refresh", "60s"), ("kisi.events", "5s"), ("kisi.state", "15s")]
            {
                settings.set(key, &format!("\"{pace}\""));
            }
            settings.set("kisi.roster", "\"10m\"").set("alert.after", "\"60s\"");
        })
        .await;
        rig.logs = "warn";
        let eve = rig.kisi(|kisi, now| kisi.add_person("eve@example.net", "Eve", now));
        rig.start();
        rigs.push((rig, eve));
    }
    let clock = rigs[0].0.clock.clone();
    for (rig, _) in &mut rigs {
        rig.until("a gateway that is ready", 300, |rig| (rig.get("/readyz")?.0 == 200).then_some(())).await;
    }
    clock.sleep(Duration::from_secs(40)).await;
    let began = seen(&file);
    let topics = {
        let output = Command::new("mosquitto_sub")
            .args(["-p", &port, "--retained-only", "-W", "5", "-F", "%t", "-t", "gatehouse/#", "-t", "homeassistant/#"])
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).lines().count()
    };
    let (processor, _) = costs(broker.id());
    let mut all = 0;
    for _ in 0..COUNTED_S / TAP_S {
        for (rig, eve) in &rigs {
            rig.kisi(|kisi, now| kisi.tap(*eve, rig.boardroom.lock, now));
            all += 1;
        }
        clock.sleep(Duration::from_secs(TAP_S)).await;
    }
    let events = |seen: &[Seen]| seen.iter().filter(|seen| seen.kind == "door/+/event").count();
    rigs[0].0.until("every event", 120, |_| (events(&seen(&file)) >= all).then_some(())).await;
    let (after, resident) = costs(broker.id());
    let since: Vec<Seen> = seen(&file).into_iter().skip(began.len()).collect();
    let minutes = COUNTED_S as f64 / 60.0;
    let mut kinds: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut lags: Vec<i64> = Vec::new();
    for seen in &since {
        let kind = kinds.entry(&seen.kind).or_default();
        *kind = (kind.0 + 1, kind.1 + seen.bytes);
        if seen.kind == "door/+/event" {
            let event: Value = serde_json::from_str(&seen.payload).unwrap();
            let time: super::super::rig::Moment = event["time"].as_str().unwrap().parse().unwrap();
            lags.push(seen.at_ms - time.timestamp_millis());
        }
    }
    lags.sort_unstable();
    let at = |share: f64| lags[((lags.len() - 1) as f64 * share) as usize];
    println!(
        "{count} sites of 5 doors, {COUNTED_S} s, a tap at each every {TAP_S} s: {all} events made, {} came",
        lags.len()
    );
    println!("retained topics: {topics}, {:.1} a site", topics as f64 / count as f64);
    for (kind, (times, bytes)) in kinds {
        println!(
            "{kind}: {:.1} a minute and site, {} bytes each",
            times as f64 / minutes / count as f64,
            bytes / times
        );
    }
    println!(
        "from an event's time until a subscriber has it: median {} ms, 99 of 100 {} ms, all {} ms",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    println!("mosquitto: {:.1} % of a core, {resident} kB", (after - processor) / COUNTED_S as f64 * 100.0);
    assert_eq!(since.iter().map(|seen| &seen.site).collect::<std::collections::BTreeSet<_>>().len(), count);
    _ = subscriber.kill();
    _ = subscriber.wait();
}
