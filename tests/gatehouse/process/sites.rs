//! Many sites and one broker: the samples for the box, the bridge and the central broker, as they stand in `config/`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use gatehouse::twin::kisi::Id;
use serde_json::{Value, json};

use super::super::mosquitto::Mosquitto;
use super::broker::{Ear, Party, accounts, certificates, password};
use super::gate::Gate;
use super::rig::{BOARDROOM, Rig};

mod measured;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config");
/// The site that the samples are written for, and another.
const HARBOUR: &str = "harbour-house";
const RIVER: &str = "river-house";

fn sample(name: &str) -> String {
    std::fs::read_to_string(Path::new(CONFIG).join(name)).unwrap()
}

/// A sample with a test's paths and without its port; each place has to be there.
fn adapted(name: &str, places: &[(&str, &str)]) -> String {
    let mut text: String =
        sample(name).lines().filter(|line| !line.starts_with("listener ")).map(|line| format!("{line}\n")).collect();
    for (from, to) in places {
        assert!(text.contains(from), "{name} has no {from}");
        text = text.replace(from, to);
    }
    text
}

async fn central() -> Mosquitto {
    let places = [
        ("/etc/mosquitto/certs/ca.pem", "{dir}/ca.pem"),
        ("/etc/mosquitto/certs/central.pem", "{dir}/server.pem"),
        ("/etc/mosquitto/certs/central.key", "{dir}/server.key"),
        ("password_file /etc/mosquitto/central.passwd", "password_file {dir}/passwords"),
        ("acl_file /etc/mosquitto/central.acl", "acl_file {dir}/acl"),
    ];
    Mosquitto::start_with(&adapted("mosquitto-central.conf", &places), |directory| {
        certificates(directory);
        accounts(directory, &[HARBOUR, RIVER, "operator", "recorder"]);
        std::fs::write(directory.join("acl"), sample("mosquitto-central.acl")).unwrap();
    })
    .await
}

/// A site's own broker, whose bridge goes through a gate.
struct Place {
    site: &'static str,
    broker: Mosquitto,
    gate: Gate,
}

impl Place {
    async fn new(site: &'static str, central: &Mosquitto) -> Place {
        let gate = Gate::before(central.port).await;
        let on_box = adapted(
            "mosquitto-box.conf",
            &[
                ("password_file /etc/mosquitto/gatehouse.passwd", "password_file {dir}/passwords"),
                ("acl_file /etc/mosquitto/gatehouse.acl", "acl_file {dir}/acl"),
            ],
        );
        let authority: PathBuf = central.directory.path().join("ca.pem");
        let bridge = adapted(
            "mosquitto-bridge.conf",
            &[
                ("central.example.org:8883", &format!("localhost:{}", gate.port)),
                ("/etc/ssl/certs/ca-certificates.crt", authority.to_str().unwrap()),
                ("CHANGE-ME", &password(site)),
                (HARBOUR, site),
            ],
        );
        let broker = Mosquitto::start_with(&(on_box + &bridge), |directory| {
            accounts(directory, &["gateway", "reader"]);
            std::fs::write(directory.join("acl"), sample("mosquitto.acl").replace(HARBOUR, site)).unwrap();
        })
        .await;
        Place { site, broker, gate }
    }

    /// A gateway of that site, not started yet.
    async fn rig(&self) -> Rig {
        let port = self.broker.port;
        let mut rig = Rig::new(|settings| {
            settings.set("site.id", &format!("{:?}", self.site));
            settings.set("mqtt.url", &format!("\"mqtt://127.0.0.1:{port}\""));
            settings.set("mqtt.username", r#""gateway""#).set("mqtt.password", r#"{ file = "mqtt-password" }"#);
            settings.set("mqtt.commands", r#"["sync", "check"]"#);
        })
        .await;
        rig.write("mqtt-password", &password("gateway"));
        rig.secrets.push(password("gateway"));
        rig
    }

    fn topic(&self, name: &str) -> String {
        format!("gatehouse/{}/{name}", self.site)
    }

    /// The site's events that have come, each once, in the order in which each came first.
    fn events(&self, ear: &Ear) -> Vec<Value> {
        let mut known = BTreeSet::new();
        let root = self.topic("door/");
        let on_doors =
            ear.heard().into_iter().filter(|(topic, _)| topic.starts_with(&root) && topic.ends_with("/event"));
        let events = on_doors.map(|(_, payload)| serde_json::from_str::<Value>(&payload).unwrap());
        events.filter(|event| known.insert(event["uuid"].to_string())).collect()
    }
}

/// What lies at a broker below a site's root, but for the status, which holds the time.
fn lying(party: &Party<'_>, place: &Place) -> BTreeMap<String, String> {
    let mut client = party.client("mosquitto_sub");
    client.args(["--retained-only", "-W", "1", "-v", "-t", &place.topic("#")]).stderr(Stdio::null());
    let text = String::from_utf8(client.output().unwrap().stdout).unwrap();
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.filter(|(topic, _)| !topic.ends_with("/status")).map(|(t, p)| (t.to_owned(), p.to_owned())).collect()
}

/// So many taps of a stranger at that door.
fn tap(rig: &Rig, stranger: Id, lock: Id, times: usize) -> Vec<Value> {
    (0..times).map(|_| json!(rig.kisi(|kisi, now| kisi.tap(stranger, lock, now).event))).collect()
}

fn texts<'a>(values: impl Iterator<Item = &'a Value>) -> BTreeSet<&'a str> {
    values.filter_map(Value::as_str).collect()
}

/// Issue 6.8: two gateways with a broker each and one central broker. The link of one is cut, and healed; what happened
/// meanwhile is all there, in order, and nowhere else; what is retained at the centre is what is retained at the site;
/// each last will is seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_4_two_sites_behind_bridges_lose_nothing_and_cross_nothing() {
    let central = central().await;
    let (harbour, mut river) = (Place::new(HARBOUR, &central).await, Place::new(RIVER, &central).await);
    let operator = Party { broker: &central, account: "operator" };
    let (ear, recorder) = (operator.hears(), Party { broker: &central, account: "recorder" }.hears());
    let reader = Party { broker: &harbour.broker, account: "reader" };
    let local = reader.hears();
    let (mut first, mut second) = (harbour.rig().await, river.rig().await);
    first.start_ready().await;
    second.start_ready().await;
    for place in [&harbour, &river] {
        let (availability, bridge) = (place.topic("availability"), format!("bridges/{}", place.site));
        first.until(&availability, 30, |_| ear.last(&availability).filter(|said| said == "online")).await;
        first.until(&bridge, 30, |_| ear.last(&bridge).filter(|said| said == "1")).await;
        first.until("a status", 35, |_| ear.last(&place.topic("status"))).await;
    }

    // Another door at each site, so that an event on the wrong side would be known.
    let stranger = |rig: &Rig| rig.kisi(|kisi, now| kisi.add_person("eve@example.net", "Eve", now));
    let (eve, mallory) = (stranger(&first), stranger(&second));
    let (front, back) = (first.boardroom.lock, second.oak.lock);
    let mut at_harbour = tap(&first, eve, front, 3);
    let mut at_river = tap(&second, mallory, back, 3);
    first
        .until("all events", 30, |_| (harbour.events(&ear).len() == 3 && river.events(&ear).len() == 3).then_some(()))
        .await;

    harbour.gate.close();
    first.until("the bridge's last will", 30, |_| ear.last("bridges/harbour-house").filter(|said| said == "0")).await;
    at_harbour.extend(tap(&first, eve, front, 40));
    at_river.extend(tap(&second, mallory, back, 5));
    first.customer(90_210, "Ada");
    first.book(90_210, BOARDROOM, first.in_min(-5), first.in_min(60));
    first.until("the box's broker to have all", 60, |_| (harbour.events(&local).len() == 43).then_some(())).await;
    let added = harbour.topic("membership");
    first.until("a change", 60, |_| local.last(&added)).await;
    first.until("the other site", 30, |_| (river.events(&ear).len() == 8).then_some(())).await;
    assert_eq!(harbour.events(&ear).len(), 3, "the link is cut");

    harbour.gate.open();
    first.until("all events", 60, |_| (harbour.events(&ear).len() >= 43).then_some(())).await;
    first.until("the bridge", 10, |_| ear.last("bridges/harbour-house").filter(|said| said == "1")).await;
    first.until("the change", 10, |_| ear.last(&added)).await;
    for (place, made, lock) in [(&harbour, &at_harbour, front), (&river, &at_river, back)] {
        for ear in [&ear, &recorder] {
            let came = place.events(ear);
            assert_eq!(
                texts(came.iter().map(|event| &event["uuid"])),
                texts(made.iter()),
                "{}: every event",
                place.site
            );
            let times: Vec<&str> = came.iter().filter_map(|event| event["time"].as_str()).collect();
            assert!(times.is_sorted(), "{}: in order: {times:?}", place.site);
            assert!(came.iter().all(|event| event["door"]["id"] == lock), "none of another site: {came:?}");
        }
    }
    let opened = first.clock.mono();
    let status = |text: String| serde_json::from_str::<Value>(&text).unwrap();
    let healed = first.now();
    first
        // By then the last one from before would no longer hold.
        .until("a status of now", 90, |_| {
            let status = status(ear.last(&harbour.topic("status"))?);
            let time: super::rig::Moment = status["time"].as_str()?.parse().unwrap();
            (time >= healed && status["counts"]["outbox"] == 0).then_some(())
        })
        .await;
    println!("a status of after the healing came within {:?}", first.clock.mono().since(opened));
    first
        .until("the same to be retained", 30, |_| {
            let here = lying(&reader, &harbour);
            (here.len() > 10 && here == lying(&operator, &harbour)).then_some(())
        })
        .await;

    // Commands from the centre: each to its own site, and a retained one to none.
    let ask = |payload: &Value, retained| operator.publish(&river.topic("command/sync"), payload, retained);
    let answer = river.topic("command/sync/response");
    ask(&json!({"id": "kept"}), true);
    let refused = first.until("an answer", 20, |_| ear.last(&answer)).await;
    assert!(refused.contains("\"kept\"") && refused.contains("retain"), "{refused}");
    ask(&json!({"id": "from afar"}), false);
    first.until("an answer", 20, |_| ear.last(&answer).filter(|said| said.contains("from afar"))).await;
    assert!(status(ear.last(&answer).unwrap())["ok"] == true);
    assert!(!ear.heard().iter().any(|(topic, _)| topic.starts_with(&harbour.topic("command/"))));
    assert!(!recorder.heard().iter().any(|(topic, _)| topic.contains("/command/")), "requests name people");

    // A gateway that dies is offline at the centre too; a box without power shows by its bridge.
    first.kill();
    let availability = harbour.topic("availability");
    second.until("the last will", 30, |_| ear.last(&availability).filter(|said| said == "offline")).await;
    assert_eq!(ear.last(&river.topic("availability")).as_deref(), Some("online"));
    river.broker.kill();
    second.until("the bridge's last will", 30, |_| ear.last("bridges/river-house").filter(|said| said == "0")).await;
    first.finish().await;
    second.finish().await;
}
