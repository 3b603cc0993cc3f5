//! `schema mqtt`: one JSON object from each topic, as contract 3 writes it, to the JSON Schema of its payload.
//!
//! The types know their schemas. The program carries the text alone, which is less than what makes it.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::discovery::Entity;
use super::{Alert, ControllerState, DoorState, EventReport, Membership, ReaderState, Status};

/// What the program prints: [`mqtt`] as it was when a test last wrote it down.
pub const MQTT: &str = include_str!("schema-mqtt.json");

/// Every topic and its payload, from the types.
pub fn mqtt() -> Value {
    let mut all = Map::new();
    let availability = json!({
        "$schema": DIALECT,
        "title": "Availability",
        "description": "Plain text, not JSON: whether the gateway is connected; the last will.",
        "enum": ["online", "offline"],
    });
    let topics = [
        ("availability", availability),
        ("status", of::<Status>()),
        ("door/<lock id>/state", of::<DoorState>()),
        ("door/<lock id>/event", of::<EventReport>()),
        ("event/<type>", of::<EventReport>()),
        ("controller/<id>/state", of::<ControllerState>()),
        ("reader/<id>/state", of::<ReaderState>()),
        ("membership", of::<Membership>()),
        ("alert/<kind>", of::<Alert>()),
        ("<discovery_prefix>/<component>/<node id>/<object id>/config", of::<Entity>()),
    ];
    all.extend(topics.map(|(topic, schema)| (topic.to_owned(), schema)));
    Value::Object(all)
}

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// As it is written, whole: no part of it stands elsewhere.
fn of<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::draft2020_12().for_serialize();
    settings.inline_subschemas = true;
    settings.into_generator().into_root_schema_for::<T>().into()
}
