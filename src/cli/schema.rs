//! `schema`: JSON Schemas of the configuration file and of every payload.

use super::args::SchemaVerb;
use super::{WELL, complain, print};
use crate::config;
use crate::report::schema;

/// `schema`
pub fn schema(verb: SchemaVerb) -> u8 {
    let text = match verb {
        SchemaVerb::Config => serde_json::to_string_pretty(&config::schema()).map(|text| text + "\n"),
        SchemaVerb::Mqtt => Ok(schema::MQTT.to_owned()),
    };
    match text {
        Ok(text) => {
            print(&text);
            WELL
        }
        Err(error) => complain(&format!("the schema can't be written as JSON: {error}")),
    }
}
