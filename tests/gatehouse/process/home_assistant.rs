//! Home Assistant's discovery, from what a real broker holds: every template is rendered by a Jinja of somebody else's
//! over the very payloads that were published; and, where there is one, Home Assistant itself is asked.
//!
//! `GATEHOUSE_HOME_ASSISTANT` names a Python that has it (`docs/testing.md`); else that part says that it was left out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use gatehouse::clock::Clock;
use gatehouse::twin::kisi::DeniedAs;
use minijinja::value::{Object, from_args};
use minijinja::{Environment, Value as Jinja};
use serde_json::{Value, json};

use super::rig::{BOARDROOM, Moment, ROOT, Rig};

mod itself;

const NODE: &str = "gatehouse_harbour-house";

/// The keys of each component by Home Assistant's documentation, beside those of every entity.
const KEYS: [(&str, &[&str]); 5] = [
    ("binary_sensor", &["device_class", "expire_after", "payload_on", "payload_off", "state_topic", "value_template"]),
    (
        "sensor",
        &["device_class", "expire_after", "state_class", "state_topic", "unit_of_measurement", "value_template"],
    ),
    ("event", &["event_types", "state_topic", "value_template"]),
    ("lock", &["command_template", "command_topic", "optimistic", "retain", "state_topic", "value_template"]),
    ("button", &["command_template", "command_topic", "retain"]),
];
const OF_ALL: [&str; 9] = [
    "availability_topic",
    "device",
    "entity_category",
    "json_attributes_template",
    "json_attributes_topic",
    "name",
    "origin",
    "qos",
    "unique_id",
];

/// Home Assistant's `utcnow()`, as far as a template may go.
#[derive(Debug)]
struct Now(Moment);

impl Object for Now {
    fn call_method(
        self: &Arc<Self>,
        _state: &minijinja::State<'_, '_>,
        method: &str,
        arguments: &[Jinja],
    ) -> Result<Jinja, minijinja::Error> {
        assert_eq!(method, "isoformat", "no template uses another");
        let () = from_args(arguments)?;
        Ok(self.0.to_rfc3339_opts(chrono::SecondsFormat::Micros, false).into())
    }
}

/// What Home Assistant would make of a template.
fn render(template: &str, value: &str) -> String {
    let mut jinja = Environment::new();
    jinja.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    jinja.add_function("utcnow", || Jinja::from_object(Now(Clock::system().wall())));
    let value_json: Value = serde_json::from_str(value).unwrap_or(Value::Null);
    jinja.render_str(template, json!({"value": value, "value_json": value_json})).unwrap()
}

/// Every configuration that lies at the broker, by component and object.
fn entities(rig: &Rig) -> BTreeMap<(String, String), Value> {
    let mut found = BTreeMap::new();
    for message in rig.watcher.seen() {
        let Some(rest) = message.topic.strip_prefix("homeassistant/") else { continue };
        if rest == "status" {
            continue;
        }
        let levels: Vec<&str> = rest.split('/').collect();
        let [component, NODE, object, "config"] = levels[..] else { panic!("{}", message.topic) };
        let key = (component.to_owned(), object.to_owned());
        match message.payload.is_empty() {
            true => _ = found.remove(&key),
            false => _ = found.insert(key, message.json()),
        }
    }
    found
}

fn entity(rig: &Rig, component: &str, object: &str) -> Option<Value> {
    entities(rig).remove(&(component.to_owned(), object.to_owned()))
}

/// What an entity shows: its template over the last payload of its topic.
fn shows(rig: &Rig, component: &str, object: &str) -> Option<String> {
    let entity = entity(rig, component, object)?;
    let payload = rig.watcher.last(entity["state_topic"].as_str().unwrap())?.payload;
    Some(match entity["value_template"].as_str() {
        Some(template) => render(template, &payload),
        None => payload,
    })
}

async fn until_shows(rig: &mut Rig, component: &str, object: &str, wanted: &str) {
    let what = format!("{object} to show {wanted:?}");
    rig.until(&what, 20, |rig| shows(rig, component, object).filter(|shown| shown == wanted)).await;
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Each key is one that Home Assistant knows for that component, each id is the only one, each name is allowed in a
/// topic, and what it listens to is what the gateway publishes.
fn are_sound(rig: &Rig, all: &BTreeMap<(String, String), Value>) {
    let mut ids = BTreeSet::new();
    for ((component, object), entity) in all {
        let (_, own) = KEYS.iter().find(|(name, _)| name == component).unwrap();
        let known: BTreeSet<&str> = own.iter().chain(&OF_ALL).copied().collect();
        assert!(keys(entity).is_subset(&known), "{component}/{object}: {entity}");
        assert!(object.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-'), "{object}");
        assert!(ids.insert(entity["unique_id"].to_string()), "{entity}");
        assert_eq!(entity["unique_id"], format!("{NODE}_{object}"));
        assert_eq!(entity["origin"]["name"], "Gatehouse");
        if let Some(topic) = entity["state_topic"].as_str() {
            assert!(topic.ends_with("/event") || rig.watcher.last(topic).is_some(), "nothing is on {topic}");
        }
        if let Some(template) = entity["json_attributes_template"].as_str() {
            let payload = rig.watcher.last(entity["json_attributes_topic"].as_str().unwrap()).unwrap().payload;
            let attributes: Value = serde_json::from_str(&render(template, &payload)).unwrap();
            assert!(attributes.is_object(), "{attributes}");
        }
        if component == "lock" || component == "button" {
            assert_eq!(entity["retain"], false, "a retained request is never obeyed");
        }
    }
}

/// Presses what has that entity's command: what it sends is published, as Home Assistant would.
fn press(rig: &Rig, component: &str, object: &str, value: &str) -> String {
    let entity = entity(rig, component, object).unwrap();
    let payload = render(entity["command_template"].as_str().unwrap(), value);
    rig.broker.publish(entity["command_topic"].as_str().unwrap(), &payload, &[]);
    payload
}

/// Contract 3 and issue 6.3: the gateway and each door as devices, whose entities show what the topics carry.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_3_home_assistant_finds_the_gateway_and_each_door_and_reads_their_topics() {
    let mut rig = Rig::new(|settings| {
        settings.set("mqtt.home_assistant", "true").set("mqtt.commands", r#"["sync", "unlock"]"#);
        settings.set("kisi.state", r#""1s""#);
    })
    .await;
    rig.customer(90_210, "Ada");
    rig.book(90_210, BOARDROOM, rig.in_min(-5), rig.in_min(60));
    rig.start_ready().await;
    let lock = rig.boardroom.lock;
    let door = |what: &str| format!("door_{lock}_{what}");
    until_shows(&mut rig, "binary_sensor", "nexudus", "ON").await;
    until_shows(&mut rig, "binary_sensor", "kisi", "ON").await;
    until_shows(&mut rig, "binary_sensor", "broker", "online").await;
    until_shows(&mut rig, "sensor", "pending", "0").await;
    until_shows(&mut rig, "binary_sensor", "alert_guard", "OFF").await;
    until_shows(&mut rig, "binary_sensor", &door("online"), "ON").await;
    until_shows(&mut rig, "binary_sensor", &door("unlocked"), "OFF").await;
    until_shows(&mut rig, "lock", &door("lock"), "LOCKED").await;
    let synced = |rig: &mut Rig| shows(rig, "sensor", "last_sync")?.parse::<DateTime<Utc>>().ok();
    rig.until("a time of the last sync", 20, synced).await;
    let all = entities(&rig);
    are_sound(&rig, &all);
    let count = |part: &str| all.keys().filter(|(_, object)| object.starts_with(part)).count();
    assert_eq!((count("alert_"), count(&format!("door_{lock}_")), count("door_")), (10, 5, 25));

    // What changes is shown; what is not known is not said to be shut.
    rig.kisi(|kisi, _| kisi.edit_lock(lock, |lock| (lock.open, lock.online) = (Some(true), Some(false))));
    until_shows(&mut rig, "binary_sensor", &door("opened"), "ON").await;
    until_shows(&mut rig, "binary_sensor", &door("online"), "OFF").await;
    rig.kisi(|kisi, _| kisi.edit_lock(lock, |lock| (lock.open, lock.online) = (None, Some(true))));
    until_shows(&mut rig, "binary_sensor", &door("opened"), "None").await;

    events_are_told(&mut rig).await;
    buttons_do_what_they_say(&mut rig).await;
    itself::looks(&mut rig).await;

    // Another name is told, and stays the same device; a door that goes takes its entities along.
    rig.kisi(|kisi, _| kisi.edit_lock(lock, |lock| lock.name = "Board \"room\" é".to_owned()));
    let named = |rig: &mut Rig| {
        let device = entity(rig, "binary_sensor", &door("online"))?["device"].take();
        (device["name"] == "Board \"room\" é").then_some(device)
    };
    let device = rig.until("another name", 10, named).await;
    assert_eq!(device["identifiers"], json!([format!("{NODE}_door_{lock}")]));
    assert_eq!(device["via_device"], NODE);
    let gone = rig.oak.lock;
    rig.kisi(|kisi, _| kisi.remove_lock(gone));
    let none = |rig: &mut Rig| {
        let of_it = entities(rig).into_keys().filter(|(_, object)| object.starts_with(&format!("door_{gone}_")));
        (of_it.count() == 0).then_some(())
    };
    rig.until("the door's entities to go", 15, none).await;
    let state = rig.until("its state to go", 5, |rig| rig.watcher.last(&format!("{ROOT}/door/{gone}/state"))).await;
    assert_eq!(state.payload, "");
    rig.kill();
    until_shows(&mut rig, "binary_sensor", "broker", "offline").await;
    rig.finish().await;
}

/// The event entity tells of an unlock and of a refusal of now; not of one that an outage made late.
async fn events_are_told(rig: &mut Rig) {
    let lock = rig.boardroom.lock;
    let template = entity(rig, "event", &format!("door_{lock}_event")).unwrap()["value_template"].clone();
    let told = |rig: &Rig| -> Vec<Value> {
        let events = rig.watcher.on_topic(&format!("{ROOT}/door/{lock}/event"));
        let told = events.iter().map(|event| render(template.as_str().unwrap(), &event.payload));
        told.filter(|told| !told.trim().is_empty()).map(|told| serde_json::from_str(&told).unwrap()).collect()
    };
    let user = rig.until("Ada", 20, |rig| rig.user("Ada")).await;
    rig.until("Ada's row", 20, |rig| rig.row("Ada", rig.boardroom.group)).await;
    let kinds = |rig: &Rig| -> Vec<String> {
        told(rig).iter().map(|told| told["event_type"].as_str().unwrap().to_owned()).collect()
    };
    let stranger = rig.kisi(|kisi, now| kisi.add_person("eve@example.net", "Eve", now));
    rig.kisi(|kisi, now| kisi.tap(user, lock, now));
    rig.until("an unlock", 10, |rig| (kinds(rig) == ["unlocked"]).then_some(())).await;
    rig.kisi(|kisi, now| kisi.tap(stranger, lock, now));
    rig.until("a refusal", 10, |rig| (kinds(rig) == ["unlocked", "denied"]).then_some(())).await;
    rig.kisi(|kisi, _| kisi.switch(|switches| switches.denied_as = DeniedAs::ReaderAccess));
    rig.kisi(|kisi, now| kisi.tap(stranger, lock, now));
    rig.until("a refusal at the reader", 10, |rig| (kinds(rig) == ["unlocked", "denied", "denied"]).then_some(()))
        .await;
    let told = told(rig);
    assert_eq!((&told[0]["person"]["id"], &told[0]["by"]), (&json!(user), &json!("card")));
    assert!(told[1]["error"].is_object(), "{told:?}");

    let event = rig.watcher.on_topic(&format!("{ROOT}/door/{lock}/event"))[0].json();
    for change in [json!({"type": "reader.access"}), json!({"success": null}), json!({"replayed": true})] {
        let mut event = event.clone();
        event.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_eq!(render(template.as_str().unwrap(), &event.to_string()), "", "{change}");
    }
    // With `mqtt.people = "none"` there is no person.
    let mut nobody = event.clone();
    nobody.as_object_mut().unwrap().remove("person");
    let nobody: Value = serde_json::from_str(&render(template.as_str().unwrap(), &nobody.to_string())).unwrap();
    assert_eq!(nobody["person"], Value::Null);
}

/// The button and the lock send what the commands ask for; a lock that is to lock sends nothing that opens.
async fn buttons_do_what_they_say(rig: &mut Rig) {
    let object = format!("door_{}_lock", rig.boardroom.lock);
    let unlocks = |rig: &Rig| rig.kisi_calls("POST", "/locks/");
    let before = unlocks(rig);
    let answers = |rig: &Rig, name: &str| rig.watcher.on_topic(&format!("{ROOT}/command/{name}/response"));
    let sent: BTreeSet<String> = (0..2).map(|_| press(rig, "lock", &object, "UNLOCK")).collect();
    assert_eq!(sent.len(), 2, "two ids: {sent:?}");
    rig.until("both answers", 15, |rig| (answers(rig, "unlock").len() == 2).then_some(())).await;
    let all_ok = |rig: &Rig, name: &str| answers(rig, name).iter().all(|answer| answer.json()["ok"] == true);
    assert!(all_ok(rig, "unlock"), "{:?}", answers(rig, "unlock"));
    assert_eq!(unlocks(rig), before + 2);
    assert_eq!(press(rig, "lock", &object, "LOCK"), "");
    press(rig, "button", "sync", "PRESS");
    rig.until("an answer to sync", 15, |rig| (answers(rig, "sync").len() == 1).then_some(())).await;
    assert!(all_ok(rig, "sync"));
    assert_eq!((unlocks(rig), answers(rig, "unlock").len()), (before + 2, 2), "to lock is not to unlock");
}
