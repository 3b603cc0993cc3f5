//! Everything that any test's gateway published, held to `schema mqtt`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use gatehouse::report;
use jsonschema::Validator;

use super::rig::{ROOT, Rig};
use crate::schemas::{strict, wrong};

fn validators() -> &'static BTreeMap<String, Validator> {
    static ALL: OnceLock<BTreeMap<String, Validator>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all = report::schema::mqtt();
        strict(&mut all);
        let all = all.as_object().unwrap().iter();
        all.map(|(topic, schema)| (topic.clone(), jsonschema::validator_for(schema).unwrap())).collect()
    })
}

/// The topic as contract 3's table writes it; `None`: it is none of the table.
fn row(topic: &str) -> Option<&'static str> {
    if topic.starts_with("homeassistant/") && topic.ends_with("/config") {
        return Some("<discovery_prefix>/<component>/<node id>/<object id>/config");
    }
    let levels: Vec<&str> = topic.strip_prefix(ROOT)?.strip_prefix('/')?.split('/').collect();
    Some(match levels[..] {
        ["availability"] => "availability",
        ["status"] => "status",
        ["membership"] => "membership",
        ["door", _, "state"] => "door/<lock id>/state",
        ["door", _, "event"] => "door/<lock id>/event",
        ["controller", _, "state"] => "controller/<id>/state",
        ["reader", _, "state"] => "reader/<id>/state",
        ["event", ..] => "event/<type>",
        ["alert", _] => "alert/<kind>",
        _ => return None,
    })
}

impl Rig {
    /// Contract 3: what is published is what `schema mqtt` says, key for key.
    pub fn payloads_fit_their_schemas(&self) {
        for message in self.watcher.seen().into_iter().filter(|message| !message.payload.is_empty()) {
            let Some(row) = row(&message.topic) else { continue };
            let value = if row == "availability" { message.payload.clone().into() } else { message.json() };
            let wrong = wrong(&validators()[row], &value);
            assert!(wrong.is_empty(), "{}: {wrong:?}: {}", message.topic, message.payload);
        }
    }
}
