//! The shapes that contract 1 and 3 give, as sets of keys.

use std::collections::BTreeSet;

use serde_json::Value;

/// The keys of an object.
pub fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap_or_else(|| panic!("no object: {value}")).keys().map(String::as_str).collect()
}

/// It has all of these keys. Additions are welcome.
#[track_caller]
pub fn has_keys(value: &Value, wanted: &[&str]) {
    let keys = keys(value);
    let missing: Vec<_> = wanted.iter().filter(|key| !keys.contains(**key)).collect();
    assert!(missing.is_empty(), "{missing:?} missing in {value}");
}
