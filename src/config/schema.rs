//! `schema config`: the JSON Schema of the file, each key with its default and what it is for.
//!
//! The reader stays the judge: a schema can't see that two links are the same. Tests hold its keys to those of the
//! reader, and its defaults to what the reader takes.

use serde_json::{Map, Value, json};

/// One key: its name, what it may be, its default as JSON (empty: none), and what it is for.
type Key = (&'static str, fn() -> Value, &'static str, &'static str);

/// The sections with their keys, and which of these are required.
const SECTIONS: &[(&str, &str, &[&str], &[Key])] = &[
    (
        "site",
        "The building.",
        &["id", "timezone"],
        &[
            ("id", site_id, "", "The site's name in every topic: a-z, 0-9 and -."),
            ("timezone", text, "", "The IANA zone of its days and dates, as Europe/London; checked against Nexudus."),
        ],
    ),
    (
        "nexudus",
        "The way to Nexudus.",
        &["location", "username", "password"],
        &[
            ("url", url, r#""https://spaces.nexudus.com/api""#, "The base of its API: https, http on loopback only."),
            ("location", id, "", "The id of the location (business): its zone, its resources, its floor plan."),
            ("username", text, "", "The e-mail of the user that signs in."),
            ("password", secret, "", "That user's password."),
            (
                "changes",
                pace,
                r#""5s""#,
                "How often updated and cancelled bookings are asked for; other lists at three times it.",
            ),
            ("refresh", pace, r#""60s""#, "How often the open window is read in full."),
            ("horizon", pace, r#""14d""#, "How far ahead bookings are cached."),
            (
                "requests_per_hour",
                per_hour,
                "4500",
                "The most calls in any 60 minutes; lower it where gateways share a user.",
            ),
        ],
    ),
    (
        "kisi",
        "The way to Kisi.",
        &["api_key"],
        &[
            ("url", url, r#""https://api.kisi.io""#, "The base of its API: https, http on loopback only."),
            ("api_key", secret, "", "The API key."),
            ("place", id, "", "The id of the place; left out: the whole organization."),
            ("events", pace, r#""5s""#, "How often events are asked for."),
            ("state", pace, r#""15s""#, "How often doors, controllers and readers are asked for."),
            ("roster", pace, r#""10m""#, "How often users and assignments are read whole."),
            ("requests_per_second", per_second, "4", "The most calls a second, above 0 and up to 5."),
            ("key_is_ours_alone", boolean, "false", "Whether no person and no other program uses this Kisi user."),
            (
                "sole_writer",
                boolean,
                "false",
                "Whether no one else manages accounts in this Kisi organization (rules 5).",
            ),
        ],
    ),
    (
        "access",
        "What the rules go by.",
        &[],
        &[
            ("write", boolean, "true", "False: reads, decides, publishes, changes nothing in Kisi."),
            ("before", span, r#""15m""#, "How long before a booking its window begins."),
            ("after", span, r#""15m""#, "How long after a booking its window ends."),
            ("prestage", span, r#""24h""#, "How early a window is written to Kisi."),
            ("no_access", no_access, r#""suspend""#, "What becomes of accounts without access."),
            ("no_access_after", span, r#""24h""#, "How long after the last grant that happens."),
            ("new_users", new_users, r#""regular""#, "Regular: Kisi mails an invitation; managed: no mail."),
            ("existing_users", existing_users, r#""assign""#, "How users are treated who were in Kisi before."),
            ("never_touch", patterns, "[]", "E-mails, * for any characters: no grant, no removal, no suspension."),
            ("tentative", boolean, "false", "Whether an unapproved booking opens doors."),
            ("contract_end", contract_end, r#""end""#, "When on the day of its CancellationDate a contract ends."),
            ("hold_after_removals", count, "50", "The guard: how many people may lose access at once."),
            ("hold_after_share", share, "0.25", "The guard: which share of them; 1.0 never holds by share."),
        ],
    ),
    (
        "link",
        "One Nexudus item tied to one Kisi group. Exactly one of resource, pass, desk and plan.",
        &["group"],
        &[
            ("resource", id, "", "A bookable resource's id."),
            ("pass", id, "", "A kind of pass's id."),
            ("desk", id, "", "The id of a desk or an office of the floor plan, through contracts."),
            ("plan", id, "", "A price plan's (tariff's) id, through contracts."),
            ("group", id, "", "The Kisi access group's id."),
            ("before", span, "", "For a resource: instead of access.before."),
            ("after", span, "", "For a resource: instead of access.after."),
            (
                "alternate",
                id,
                "",
                "A second group with the same doors, for a next window while the first slot is taken.",
            ),
            (
                "share_with_team",
                boolean,
                "false",
                "For a pass, desk or plan: the customer's teams hold the same grant.",
            ),
            ("ignore_slots", boolean, "false", "For a pass: links it though it has time slots."),
        ],
    ),
    (
        "mqtt",
        "The way to the broker.",
        &[],
        &[
            ("url", broker, r#""mqtt://127.0.0.1:1883""#, "The broker; mqtts:// for TLS."),
            ("topic_prefix", topic, r#""gatehouse""#, "What every topic begins with, before site.id."),
            ("username", text, "", "The user at the broker."),
            ("password", secret, "", "That user's password."),
            ("ca_file", text, "", "The PEM file of the authorities to trust instead of the system's."),
            ("client_cert", text, "", "The PEM file of the certificate by which the broker knows us."),
            ("client_key", text, "", "The PEM file of its key."),
            ("home_assistant", boolean, "true", "Whether Home Assistant's discovery is published."),
            ("discovery_prefix", topic, r#""homeassistant""#, "The topic that Home Assistant discovers below."),
            ("people", people, r#""id""#, "What events say about a person."),
            ("commands", commands, r#"["sync"]"#, "Which commands are served."),
        ],
    ),
    (
        "alert",
        "When and whereto alerts go.",
        &[],
        &[
            ("after", span, r#""60s""#, "How long a connection is not online before its alert."),
            ("url", url, "", "Where each change of an alert is posted as JSON."),
        ],
    ),
    (
        "hooks",
        "The secrets that webhooks are signed with; without one its path answers 404.",
        &[],
        &[("nexudus_secret", secret, "", "For /hooks/nexudus."), ("kisi_secret", secret, "", "For /hooks/kisi.")],
    ),
    (
        "web",
        "The status page, health and metrics.",
        &[],
        &[("listen", text, r#""127.0.0.1:8480""#, "An address with its port, or \"off\".")],
    ),
    (
        "store",
        "What is kept on the box.",
        &[],
        &[
            ("directory", text, r#""/var/lib/gatehouse""#, "Where cache.redb, ledger.redb and gatehouse.sock are."),
            ("keep_events", pace, r#""30d""#, "How long door events are kept."),
        ],
    ),
];

/// The JSON Schema of the whole file.
pub fn schema() -> Value {
    let mut properties = Map::new();
    for (name, doc, required, keys) in SECTIONS {
        let mut section = section(doc, required, keys);
        match *name {
            "link" => {
                let items = ["resource", "pass", "desk", "plan"].map(|item| json!({ "required": [item] }));
                section["oneOf"] = json!(items);
                let links = json!({ "type": "array", "description": "Each [[link]].", "items": section });
                properties.insert((*name).to_owned(), links);
                continue;
            }
            "mqtt" => {
                section["dependentRequired"] = json!({
                    "password": ["username"], "client_cert": ["client_key"], "client_key": ["client_cert"],
                });
            }
            _ => {}
        }
        properties.insert((*name).to_owned(), section);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "gatehouse.toml",
        "description": "The configuration of gatehouse. `gatehouse check` says more than a schema can.",
        "type": "object",
        "properties": properties,
        "required": ["site", "nexudus", "kisi"],
        "additionalProperties": false,
    })
}

fn section(doc: &str, required: &[&str], keys: &[Key]) -> Value {
    let mut properties = Map::new();
    for (name, shape, default, doc) in keys {
        let mut key = shape();
        key["description"] = json!(doc);
        if let Ok(default) = serde_json::from_slice::<Value>(default.as_bytes()) {
            key["default"] = default;
        }
        properties.insert((*name).to_owned(), key);
    }
    let mut section = json!({ "type": "object", "description": doc, "properties": properties });
    if !required.is_empty() {
        section["required"] = json!(required);
    }
    section["additionalProperties"] = json!(false);
    section
}

fn site_id() -> Value {
    json!({ "type": "string", "pattern": "^[a-z0-9-]{1,64}$" })
}

fn text() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 256 })
}

fn topic() -> Value {
    json!({ "type": "string", "pattern": "^[^#+/$][^#+]*$", "maxLength": 256 })
}

fn url() -> Value {
    json!({ "type": "string", "pattern": "^https?://" })
}

fn broker() -> Value {
    json!({ "type": "string", "pattern": "^mqtts?://" })
}

fn boolean() -> Value {
    json!({ "type": "boolean" })
}

fn id() -> Value {
    json!({ "type": "integer", "minimum": 1 })
}

fn count() -> Value {
    json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX })
}

fn per_hour() -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": 5000 })
}

fn per_second() -> Value {
    json!({ "type": "number", "exclusiveMinimum": 0, "maximum": 5 })
}

fn share() -> Value {
    json!({ "type": "number", "minimum": 0, "maximum": 1 })
}

/// Never zero.
fn pace() -> Value {
    json!({ "type": "string", "pattern": "^0*[1-9][0-9]*[smhd]$" })
}

fn span() -> Value {
    json!({ "type": "string", "pattern": "^[0-9]+[smhd]$" })
}

fn patterns() -> Value {
    json!({ "type": "array", "items": { "type": "string", "minLength": 1, "maxLength": 256 } })
}

fn secret() -> Value {
    let form = |name: &str| {
        json!({
            "type": "object",
            "properties": { name: { "type": "string", "minLength": 1 } },
            "required": [name],
            "additionalProperties": false,
        })
    };
    json!({ "oneOf": [form("env"), form("file"), form("credential")] })
}

fn no_access() -> Value {
    json!({ "enum": ["suspend", "delete", "keep"] })
}

fn new_users() -> Value {
    json!({ "enum": ["regular", "managed"] })
}

fn existing_users() -> Value {
    json!({ "enum": ["assign", "manage"] })
}

fn contract_end() -> Value {
    json!({ "enum": ["start", "end"] })
}

fn people() -> Value {
    json!({ "enum": ["none", "id", "name"] })
}

fn commands() -> Value {
    json!({ "type": "array", "items": { "enum": ["sync", "check", "unlock", "approve", "pause", "resume"] } })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Write as _;

    use super::super::keys;
    use super::super::tests::{LEAST, parse};
    use super::*;

    /// The reader and the schema know the same keys, in the same order.
    #[test]
    fn the_schema_has_the_keys_of_the_reader() {
        let of_schema: Vec<(&str, Vec<&str>)> =
            SECTIONS.iter().map(|(name, _, _, keys)| (*name, keys.iter().map(|key| key.0).collect())).collect();
        let of_reader: Vec<(&str, Vec<&str>)> =
            keys::SECTIONS.iter().map(|(name, keys)| (*name, keys.to_vec())).collect();
        assert_eq!(of_schema, of_reader);
    }

    /// A file that spells out every default is read as one that says nothing.
    #[test]
    fn the_schemas_defaults_are_those_of_the_reader() {
        let mut spelt: BTreeMap<&str, String> = BTreeMap::new();
        for (section, _, _, keys) in SECTIONS.iter().filter(|section| section.0 != "link") {
            let lines = spelt.entry(section).or_default();
            for (key, _, default, _) in keys.iter().filter(|key| !key.2.is_empty()) {
                writeln!(lines, "{key} = {default}").expect("text");
            }
        }
        let mut text = String::new();
        for line in LEAST.lines() {
            writeln!(text, "{line}").expect("text");
            if let Some(section) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                text.push_str(&spelt.remove(section).unwrap_or_default());
            }
        }
        spelt.iter().for_each(|(section, lines)| write!(text, "[{section}]\n{lines}").expect("text"));
        let (said, unsaid) = (parse(&text).expect(&text), parse(LEAST).expect("the least"));
        assert_eq!(format!("{said:?}"), format!("{unsaid:?}"));
    }
}
