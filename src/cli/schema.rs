//! `schema`: JSON Schemas of the configuration file and of every payload.

use super::args::SchemaVerb;
use super::{WELL, complain, print};
use crate::config;
use crate::report::schema;

/// `schema`
pub fn schema(verb: SchemaVerb) -> u8 {
    let value = match verb {
        SchemaVerb::Config => config::schema(),
        SchemaVerb::Mqtt => schema::mqtt(),
    };
    match serde_json::to_string_pretty(&value) {
        Ok(text) => {
            print(&format!("{text}\n"));
            WELL
        }
        Err(error) => complain(&format!("the schema can't be written as JSON: {error}")),
    }
}
