//! The schemas against what is there: every configuration that is shown as an example, and what wrong ones have.

use gatehouse::{config, report};
use jsonschema::Validator;
use serde_json::{Value, json};

/// With every key that is not named refused, so that a payload can't grow unseen. Subscribers get the schema without
/// this: additions are welcome there.
#[cfg(feature = "demo")]
pub fn strict(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if map.contains_key("properties") && !map.contains_key("additionalProperties") {
                map.insert("additionalProperties".to_owned(), json!(false));
            }
            map.values_mut().for_each(strict);
        }
        Value::Array(list) => list.iter_mut().for_each(strict),
        _ => {}
    }
}

/// What is wrong with a value.
pub fn wrong(validator: &Validator, value: &Value) -> Vec<String> {
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn of_toml(text: &str) -> Value {
    serde_json::to_value(toml::from_str::<toml::Table>(text).expect(text)).unwrap()
}

/// The blocks of TOML in a paper.
fn blocks(paper: &str) -> Vec<String> {
    paper.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn every_example_of_a_configuration_fits_its_schema() {
    let validator = jsonschema::validator_for(&config::schema()).unwrap();
    let top = env!("CARGO_MANIFEST_DIR");
    let sample = std::fs::read_to_string(format!("{top}/config/gatehouse.toml")).unwrap();
    assert_eq!(wrong(&validator, &of_toml(&sample)), Vec::<String>::new(), "config/gatehouse.toml");
    let contract = std::fs::read_to_string(format!("{top}/docs/contract.md")).unwrap();
    for block in blocks(&contract).iter().filter(|block| block.contains("[site]")) {
        assert_eq!(wrong(&validator, &of_toml(block)), Vec::<String>::new(), "docs/contract.md");
    }
    for (spoilt, by) in [
        ("location = 4711", "location = \"4711\""),
        ("id = \"harbour-house\"", "id = \"Harbour House\""),
        ("[site]", "[site]\nbevore = 1"),
        ("changes = \"5s\"", "changes = \"0s\""),
    ] {
        assert!(sample.contains(spoilt), "{spoilt}");
        assert!(!validator.is_valid(&of_toml(&sample.replacen(spoilt, by, 1))), "{by}");
    }
    let clear = sample.replacen("password = { credential = \"nexudus-password\" }", "password = \"hunter2\"", 1);
    assert!(!validator.is_valid(&of_toml(&clear)), "a secret in clear");
}

/// Each topic of the table has a schema that a validator takes, and that asks for what the contract names.
#[test]
fn contract_3_each_topic_of_the_table_has_a_schema() {
    let all = report::schema::mqtt();
    let topics: Vec<&String> = all.as_object().unwrap().keys().collect();
    for topic in [
        "availability",
        "status",
        "door/<lock id>/state",
        "door/<lock id>/event",
        "event/<type>",
        "controller/<id>/state",
        "reader/<id>/state",
        "membership",
        "alert/<kind>",
        "<discovery_prefix>/<component>/<node id>/<object id>/config",
    ] {
        assert!(topics.iter().any(|other| *other == topic), "{topic}");
        let schema = &all[topic];
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{topic}");
        let validator = jsonschema::validator_for(schema).unwrap();
        assert!(!validator.is_valid(&json!({})) && !validator.is_valid(&json!("on")), "{topic} takes anything");
    }
    assert_eq!(topics.len(), 10);
    let availability = jsonschema::validator_for(&all["availability"]).unwrap();
    assert!(availability.is_valid(&json!("online")));
}

/// Each topic has a sample in docs/topics.md, and each sample is one that could be published, key for key.
#[cfg(feature = "demo")]
#[test]
fn contract_3_each_sample_of_the_topics_fits_its_schema() {
    let mut all = report::schema::mqtt();
    strict(&mut all);
    let paper = std::fs::read_to_string(format!("{}/docs/topics.md", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let mut seen = 0;
    for part in paper.split("\n**`").skip(1) {
        let (topic, rest) = part.split_once("`**").unwrap();
        let Some(sample) = rest.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()) else {
            panic!("docs/topics.md: {topic} has no sample")
        };
        // An uuid is shortened there; all else is as it would be.
        let value: Value = serde_json::from_str(sample).unwrap_or_else(|why| panic!("{topic}: {why}: {sample}"));
        let schema = all.get(topic).unwrap_or_else(|| panic!("{topic} is no topic of `schema mqtt`"));
        assert_eq!(wrong(&jsonschema::validator_for(schema).unwrap(), &value), Vec::<String>::new(), "{topic}");
        seen += 1;
    }
    // `availability` is plain text, and `event/<type>` has the shape of a door's event.
    assert_eq!(seen, all.as_object().unwrap().len() - 2);
}
