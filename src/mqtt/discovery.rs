//! Home Assistant's MQTT discovery: which entities there are, and how each reads what the topics carry. Pure.
//!
//! One retained topic for each entity, whose name follows from the site's id and Kisi's id of the lock alone: a door
//! that gets another name stays the same device. What is read is what contract 3 publishes for everybody; nothing is
//! published for Home Assistant's sake but these configurations (docs/decisions/0017).

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::commands::CommandName;
use super::topics::{Root, Topic};
use crate::domain::LockId;
use crate::report::discovery::{Component, Device, Entity, Origin};
use crate::report::{AlertKind, DoorState};

/// After so many seconds without a new `status` what it says is not believed: the same as its `valid_until`.
const EXPIRE_AFTER_S: u64 = 90;

/// What makes a request's id new: two of one entity in the same microsecond there are not.
const UNLOCK: &str = "{% if value == 'UNLOCK' %}{% set time = utcnow().isoformat() %}\
    {\"id\": \"home-assistant ID {{ time }}\", \"door\": ID, \"time\": \"{{ time }}\"}{% endif %}";
const SYNC: &str = "{\"id\": \"home-assistant sync {{ utcnow().isoformat() }}\"}";

const EVENT: &str = "{% set what = 'denied' if value_json.success is false else 'unlocked' \
    if value_json.success is true and value_json.type == 'lock.unlock' else '' %}\
    {% if what and value_json.type in ['lock.unlock', 'reader.access'] and not value_json.replayed %}\
    {{ {'event_type': what, 'uuid': value_json.uuid, 'time': value_json.time, 'type': value_json.type, \
    'by': value_json.by, 'person': value_json.person | default(none), 'error': value_json.error} | tojson }}{% endif %}";

/// Where Home Assistant says that it has started.
pub fn birth_topic(prefix: &str) -> String {
    format!("{prefix}/status")
}

/// The configurations of all entities by their topics: the gateway's, and those of each door. What is served decides
/// whether there is something to press or to unlock.
pub fn entities(
    prefix: &str,
    site: &str,
    root: &Root,
    doors: &BTreeMap<LockId, DoorState>,
    served: &BTreeSet<CommandName>,
) -> BTreeMap<String, Bytes> {
    let mut all = Discovered { prefix, node: format!("gatehouse_{site}"), root, entities: BTreeMap::new() };
    all.gateway(site, served);
    for door in doors.values() {
        all.door(door, served);
    }
    all.entities
}

struct Discovered<'a> {
    prefix: &'a str,
    /// Names the gateway: the second level of each topic, and the beginning of each id.
    node: String,
    root: &'a Root,
    entities: BTreeMap<String, Bytes>,
}

impl Discovered<'_> {
    fn gateway(&mut self, site: &str, served: &BTreeSet<CommandName>) {
        let device = Device {
            identifiers: vec![self.node.clone()],
            name: format!("Gatehouse {site}"),
            manufacturer: "Gatehouse".to_owned(),
            model: "Nexudus to Kisi gateway".to_owned(),
            sw_version: Some(VERSION.to_owned()),
            via_device: None,
        };
        for (id, name) in [("nexudus", "Nexudus"), ("kisi", "Kisi")] {
            let mut entity = self.of_status(&device, id, name);
            entity.value_template =
                Some(format!("{{{{ 'ON' if value_json.{id}.state in ['online', 'degraded'] else 'OFF' }}}}"));
            entity.json_attributes_topic.clone_from(&entity.state_topic);
            entity.json_attributes_template = Some(format!(
                "{{{{ {{'connection': value_json.{id}.state, 'since': value_json.{id}.since, \
                'error': value_json.{id}.error}} | tojson }}}}"
            ));
            entity.device_class = Some("connectivity".to_owned());
            self.put(Component::BinarySensor, id, &entity);
        }
        // It is the one that goes off, rather than not available, where the gateway is not at the broker.
        let mut broker = self.entity(&device, "broker", "MQTT broker");
        broker.state_topic = broker.availability_topic.take();
        (broker.payload_on, broker.payload_off) = (Some("online".to_owned()), Some("offline".to_owned()));
        broker.device_class = Some("connectivity".to_owned());
        self.put(Component::BinarySensor, "broker", &broker);

        let mut pending = self.of_status(&device, "pending", "Pending changes");
        pending.value_template = Some("{{ value_json.counts.pending }}".to_owned());
        pending.state_class = Some("measurement".to_owned());
        pending.unit_of_measurement = Some("changes".to_owned());
        self.put(Component::Sensor, "pending", &pending);

        let mut last_sync = self.of_status(&device, "last_sync", "Last sync");
        last_sync.value_template = Some("{{ value_json.last_sync.at if value_json.last_sync else 'None' }}".to_owned());
        last_sync.device_class = Some("timestamp".to_owned());
        self.put(Component::Sensor, "last_sync", &last_sync);

        for kind in AlertKind::ALL {
            let id = format!("alert_{}", kind.name());
            let mut alert = self.entity(&device, &id, alert_name(kind));
            alert.state_topic = Some(self.root.topic(&Topic::Alert(kind)));
            alert.value_template = Some("{{ 'ON' if value_json.active else 'OFF' }}".to_owned());
            alert.json_attributes_topic.clone_from(&alert.state_topic);
            alert.json_attributes_template =
                Some("{{ {'message': value_json.message, 'since': value_json.since} | tojson }}".to_owned());
            alert.device_class = Some("problem".to_owned());
            self.put(Component::BinarySensor, &id, &alert);
        }
        if served.contains(&CommandName::Sync) {
            let mut sync = self.entity(&device, "sync", "Sync");
            self.sends(&mut sync, CommandName::Sync, SYNC.to_owned());
            self.put(Component::Button, "sync", &sync);
        }
    }

    fn door(&mut self, door: &DoorState, served: &BTreeSet<CommandName>) {
        let id = door.id;
        let device = Device {
            identifiers: vec![format!("{}_door_{id}", self.node)],
            name: door.name.clone(),
            manufacturer: "Kisi".to_owned(),
            model: "Door".to_owned(),
            sw_version: None,
            via_device: Some(self.node.clone()),
        };
        let state = self.root.topic(&Topic::DoorState(id));
        for (what, name, key, class) in [
            ("opened", "Door", "open", "door"),
            ("unlocked", "Lock", "unlocked", "lock"),
            ("online", "Online", "online", "connectivity"),
        ] {
            let object = format!("door_{id}_{what}");
            let mut entity = self.entity(&device, &object, name);
            entity.state_topic = Some(state.clone());
            entity.value_template = Some(known(key, "ON", "OFF"));
            entity.device_class = Some(class.to_owned());
            entity.entity_category = (what == "online").then(|| "diagnostic".to_owned());
            self.put(Component::BinarySensor, &object, &entity);
        }
        let object = format!("door_{id}_event");
        let mut event = self.entity(&device, &object, "Access");
        event.state_topic = Some(self.root.topic(&Topic::DoorEvent(id)));
        event.value_template = Some(EVENT.to_owned());
        event.event_types = Some(vec!["unlocked".to_owned(), "denied".to_owned()]);
        self.put(Component::Event, &object, &event);

        if served.contains(&CommandName::Unlock) {
            let object = format!("door_{id}_lock");
            let mut lock = self.entity(&device, &object, "Unlock");
            lock.state_topic = Some(state);
            lock.value_template = Some(known("unlocked", "UNLOCKED", "LOCKED"));
            // A person must not be shown an open door because one was asked for.
            lock.optimistic = Some(false);
            self.sends(&mut lock, CommandName::Unlock, UNLOCK.replace("ID", &id.to_string()));
            self.put(Component::Lock, &object, &lock);
        }
    }

    fn entity(&self, device: &Device, object: &str, name: &str) -> Entity {
        Entity {
            name: name.to_owned(),
            unique_id: format!("{}_{object}", self.node),
            device: device.clone(),
            origin: Origin { name: "Gatehouse".to_owned(), sw_version: VERSION.to_owned() },
            qos: 1,
            state_topic: None,
            value_template: None,
            json_attributes_topic: None,
            json_attributes_template: None,
            availability_topic: Some(self.root.topic(&Topic::Availability)),
            device_class: None,
            entity_category: None,
            expire_after: None,
            payload_on: None,
            payload_off: None,
            state_class: None,
            unit_of_measurement: None,
            event_types: None,
            command_topic: None,
            command_template: None,
            retain: None,
            optimistic: None,
        }
    }

    /// One that reads `status`: not believed for longer than that is.
    fn of_status(&self, device: &Device, object: &str, name: &str) -> Entity {
        let mut entity = self.entity(device, object, name);
        entity.state_topic = Some(self.root.topic(&Topic::Status));
        entity.expire_after = Some(EXPIRE_AFTER_S);
        entity.entity_category = Some("diagnostic".to_owned());
        entity
    }

    fn sends(&self, entity: &mut Entity, command: CommandName, template: String) {
        entity.command_topic = Some(self.root.command_topic(command.name()));
        entity.command_template = Some(template);
        entity.retain = Some(false);
    }

    fn put(&mut self, component: Component, object: &str, entity: &Entity) {
        let topic = format!("{}/{}/{}/{object}/config", self.prefix, component.name(), self.node);
        match serde_json::to_vec(entity) {
            Ok(payload) => _ = self.entities.insert(topic, payload.into()),
            Err(error) => tracing::error!(%error, topic, "a configuration cannot be written as JSON"),
        }
    }
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Reads a value that may not be known: `None` is Home Assistant's word for that.
fn known(key: &str, yes: &str, no: &str) -> String {
    format!("{{{{ 'None' if value_json.{key} is none else '{yes}' if value_json.{key} else '{no}' }}}}")
}

fn alert_name(kind: AlertKind) -> &'static str {
    match kind {
        AlertKind::Nexudus => "Nexudus away",
        AlertKind::Kisi => "Kisi away",
        AlertKind::Broker => "MQTT broker away",
        AlertKind::Clock => "Clock not right",
        AlertKind::Guard => "Removals held",
        AlertKind::Drift => "Another hand in Kisi",
        AlertKind::Store => "Store damaged or full",
        AlertKind::Outbox => "Events waiting",
        AlertKind::Credentials => "Sign-in refused",
        AlertKind::Links => "Something can't be served",
    }
}
