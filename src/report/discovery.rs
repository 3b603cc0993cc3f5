//! Home Assistant's MQTT discovery: the configuration of one entity, as Home Assistant reads it (contract 3).
//!
//! The names of the keys, and what may stand in them, are Home Assistant's. Only those are here that Gatehouse uses.

use schemars::JsonSchema;
use serde::Serialize;

/// What kind of entity it is: the level of the topic after the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Component {
    /// Something that is on or off.
    BinarySensor,
    /// A value.
    Sensor,
    /// Something that happens.
    Event,
    /// A lock that can be unlocked.
    Lock,
    /// Something to press.
    Button,
}

impl Component {
    /// Its name in the topic.
    pub fn name(self) -> &'static str {
        match self {
            Component::BinarySensor => "binary_sensor",
            Component::Sensor => "sensor",
            Component::Event => "event",
            Component::Lock => "lock",
            Component::Button => "button",
        }
    }
}

/// The device that an entity belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Device {
    /// What Home Assistant knows it by, for good.
    pub identifiers: Vec<String>,
    /// How it is called.
    pub name: String,
    /// Who made it.
    pub manufacturer: String,
    /// What it is.
    pub model: String,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sw_version: Option<String>,
    /// The device that it is reached through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via_device: Option<String>,
}

/// Who published the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Origin {
    /// Gatehouse.
    pub name: String,
    /// Its version.
    pub sw_version: String,
}

/// The configuration of one entity: `<discovery_prefix>/<component>/<node id>/<object id>/config`, retained. An empty
/// payload takes the entity away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Entity {
    /// Its name beside its device's.
    pub name: String,
    /// What Home Assistant knows it by, for good.
    pub unique_id: String,
    /// Its device.
    pub device: Device,
    /// Who says so.
    pub origin: Origin,
    /// How surely Home Assistant is to hear and to send.
    pub qos: u8,
    /// Where its state is published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_topic: Option<String>,
    /// How the state is read from what is published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_template: Option<String>,
    /// Where more about it is published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_attributes_topic: Option<String>,
    /// How that is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_attributes_template: Option<String>,
    /// Where it is said whether anything of it can be believed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub availability_topic: Option<String>,
    /// What a value means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_class: Option<String>,
    /// `diagnostic`: about the working of the device, not about what it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity_category: Option<String>,
    /// After how many seconds without news it is not believed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expire_after: Option<u64>,
    /// The value that means on, where it is not `ON`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload_on: Option<String>,
    /// The value that means off, where it is not `OFF`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload_off: Option<String>,
    /// `measurement`: a number of now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_class: Option<String>,
    /// What a number counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit_of_measurement: Option<String>,
    /// What may happen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_types: Option<Vec<String>>,
    /// Where a request is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_topic: Option<String>,
    /// What is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_template: Option<String>,
    /// Whether requests lie at the broker: never, since such are not obeyed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retain: Option<bool>,
    /// Whether a request counts as done before its effect is seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub optimistic: Option<bool>,
}
