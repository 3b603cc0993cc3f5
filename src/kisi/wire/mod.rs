//! Kisi's JSON, read leniently: unknown fields are ignored, missing ones tolerated except those we use, and a bad row
//! is set aside with the reason (Kisi API notes, 2 and 3).

pub mod event;
pub mod hardware;
pub mod people;

use serde::de::{DeserializeOwned, Deserializer};
use serde::{Deserialize, de};
use serde_json::Value;
use serde_json::value::RawValue;

use super::error::ApiError;
use crate::domain::snapshot::Aside;

/// One row of a list as Kisi writes it, and what we make of it.
pub trait Row: DeserializeOwned {
    /// What we make of it.
    type Out;
    /// The row as a value, or what is wrong with it.
    fn read(self) -> Result<Self::Out, String>;
}

/// One object.
pub fn one<R: Row>(body: &[u8]) -> Result<R::Out, String> {
    // Keeping track of the path costs as much as reading: it is done where there is something to tell.
    if let Ok(row) = serde_json::from_slice::<R>(body) {
        return row.read();
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let row: R = serde_path_to_error::deserialize(&mut json).map_err(|e| e.to_string())?;
    row.read()
}

/// A bare array: the rows that can be used, and those that can't.
pub fn list<R: Row>(body: &[u8]) -> Result<(Vec<R::Out>, Vec<Aside>), String> {
    let raw: Vec<&RawValue> = serde_json::from_slice(body).map_err(|e| format!("not a list: {e}"))?;
    Ok(rows::<R>(&raw))
}

fn rows<R: Row>(raw: &[&RawValue]) -> (Vec<R::Out>, Vec<Aside>) {
    let (mut good, mut aside) = (Vec::with_capacity(raw.len()), Vec::new());
    for text in raw {
        match one::<R>(text.get().as_bytes()) {
            Ok(row) => good.push(row),
            Err(why) => aside.push(Aside { id: id_of(text), why }),
        }
    }
    (good, aside)
}

fn id_of(text: &RawValue) -> Option<u64> {
    #[derive(Deserialize)]
    struct Named {
        #[serde(default, deserialize_with = "number")]
        id: Option<u64>,
    }
    serde_json::from_slice::<Named>(text.get().as_bytes()).ok()?.id
}

/// A whole number, as such or as digits in quotes; null and a missing key are `None`.
pub fn number<'de, D: Deserializer<'de>>(json: D) -> Result<Option<u64>, D::Error> {
    match Option::<Value>::deserialize(json)? {
        None => Ok(None),
        Some(Value::Number(n)) => n.as_u64().map(Some).ok_or_else(|| de::Error::custom(format!("{n} is no id"))),
        Some(Value::String(text)) => {
            text.trim().parse().map(Some).map_err(|_| de::Error::custom(format!("'{text:.40}' is no id")))
        }
        Some(_) => Err(de::Error::custom("neither a number nor digits")),
    }
}

/// A field that only helps: whatever is not of its type is taken as missing.
pub fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(json: D) -> Result<Option<T>, D::Error> {
    let value = Option::<Value>::deserialize(json)?;
    Ok(value.and_then(|value| serde_json::from_value(value).ok()))
}

/// How many rows there are in all, by `X-Collection-Range` (Kisi API notes, 2.1). The range before the slash is the
/// one requested, so its end says nothing about how many rows came; an empty list is `*/0`.
pub fn total(header: &str) -> Option<u64> {
    header.rsplit_once('/')?.1.trim().parse().ok()
}

/// Kisi's words are kept this long.
const LONGEST_TEXT: usize = 300;

/// An error answer of any shape: `code` and `error`, a map of `errors`, nothing at all, or no JSON.
pub fn api_error(status: u16, body: &[u8]) -> ApiError {
    #[derive(Default, Deserialize)]
    struct Said {
        #[serde(default, deserialize_with = "lenient")]
        code: Option<Value>,
        #[serde(default, deserialize_with = "lenient")]
        error: Option<String>,
        #[serde(default, deserialize_with = "lenient")]
        error_description: Option<String>,
        #[serde(default, deserialize_with = "lenient")]
        errors: Option<Value>,
    }
    let said: Option<Value> = serde_json::from_slice(body).ok();
    let json = said.is_some();
    let said: Said = said.filter(Value::is_object).and_then(|v| serde_json::from_value(v).ok()).unwrap_or_default();
    let code = said.code.and_then(|code| match code {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    });
    let errors = said.errors.as_ref().map(in_words);
    let said = [said.error, said.error_description, errors].into_iter().flatten();
    let mut text = said.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ");
    if !json && !body.is_empty() {
        text = "the answer is not JSON".to_owned();
    }
    ApiError { status, code: code.map(|code| shorten(&code, 40)), text: shorten(&text, LONGEST_TEXT) }
}

/// `{"email": ["can't be blank"]}` as `email can't be blank`.
fn in_words(errors: &Value) -> String {
    let words = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            items.iter().map(|i| i.as_str().map_or_else(|| i.to_string(), str::to_owned)).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    };
    match errors {
        Value::Object(map) => map.iter().map(|(k, v)| format!("{k} {}", words(v))).collect::<Vec<_>>().join("; "),
        other => words(other),
    }
}

fn shorten(text: &str, most: usize) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut short: String = clean.take(most).collect();
    if text.chars().nth(most).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests;
