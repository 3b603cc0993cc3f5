//! The envelope of a list, read as a stream: each row goes to the caller as it comes, and no tree of the page is built.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::lenient::Scalar;

/// What a page says beside its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// How many rows it brought.
    pub rows: usize,
    /// `TotalItems`: how many rows the whole list has.
    pub total: Option<u64>,
}

/// Why a body is no page and no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadBody {
    /// A page for people, such as a proxy's or a maintenance notice.
    #[error("the answer is a web page that begins '{0}'; is something between this box and Nexudus?")]
    Html(String),
    /// Not JSON, or cut off.
    #[error("the answer is not the JSON that Nexudus documents: {0}")]
    Json(String),
    /// A failure in the envelope, whatever the HTTP status said (Nexudus API notes, 2.5).
    #[error("Nexudus answered with a failure (status {status} in the body): {message}")]
    Said {
        /// `Status`, or 0 where there is none.
        status: i64,
        /// `Message`.
        message: String,
    },
    /// JSON, but no list.
    #[error("the answer has no Records")]
    NoRecords,
}

/// Reads a page. Each row goes to `take` in the order of the page; where this fails, what was taken must be dropped,
/// because the envelope's verdict may stand behind the rows.
pub fn read_page(body: &[u8], take: &mut dyn FnMut(&RawValue)) -> Result<Page, BadBody> {
    let envelope = read(body, take)?;
    envelope.verdict()?;
    match envelope.rows {
        Some(rows) => Ok(Page { rows, total: envelope.total }),
        None => Err(BadBody::NoRecords),
    }
}

/// Checks the envelope of an answer that is one record: a record of Nexudus' own has none of these keys.
pub fn check_record(body: &[u8]) -> Result<(), BadBody> {
    read(body, &mut |_| {})?.verdict()
}

/// `Message` of an error's body, where it is an object that has one, else its text (as 404's `"Not found"`).
pub fn message(body: &[u8]) -> Option<String> {
    let body = bare(body);
    let text = match read(body, &mut |_| {}) {
        Ok(envelope) => envelope.message,
        Err(_) => serde_json::from_slice::<String>(body).ok(),
    };
    text.map(|text| shortened(&text)).filter(|text| !text.is_empty())
}

fn read(body: &[u8], take: &mut dyn FnMut(&RawValue)) -> Result<Envelope, BadBody> {
    let body = bare(body);
    if body.first() == Some(&b'<') {
        return Err(BadBody::Html(shortened(&String::from_utf8_lossy(&body[..body.len().min(200)]))));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let envelope = json.deserialize_any(EnvelopeVisitor(take)).map_err(|e| BadBody::Json(e.to_string()))?;
    json.end().map_err(|e| BadBody::Json(e.to_string()))?;
    Ok(envelope)
}

/// Without a byte order mark and leading space.
fn bare(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start()
}

/// At most 120 characters in one line.
pub fn shortened(text: &str) -> String {
    let line: Vec<&str> = text.split_whitespace().collect();
    let line = line.join(" ");
    match line.char_indices().nth(120) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}

#[derive(Default)]
struct Envelope {
    rows: Option<usize>,
    total: Option<u64>,
    successful: Option<bool>,
    status: Option<i64>,
    message: Option<String>,
}

impl Envelope {
    fn verdict(&self) -> Result<(), BadBody> {
        if self.successful != Some(false) && self.status.is_none_or(|status| status < 400) {
            return Ok(());
        }
        let message = self.message.as_deref().map(shortened).unwrap_or_else(|| "no message".to_owned());
        Err(BadBody::Said { status: self.status.unwrap_or(0), message })
    }
}

struct EnvelopeVisitor<'t>(&'t mut dyn FnMut(&RawValue));

impl<'de> Visitor<'de> for EnvelopeVisitor<'_> {
    type Value = Envelope;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope, A::Error> {
        let mut out = Envelope::default();
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            match key.as_ref() {
                "Records" => out.rows = map.next_value_seed(Rows(&mut *self.0))?,
                "TotalItems" => out.total = map.next_value::<Soft>()?.0.and_then(|n| u64::try_from(n).ok()),
                "Status" => out.status = map.next_value::<Soft>()?.0,
                "WasSuccessful" => out.successful = map.next_value::<SoftFlag>()?.0,
                "Message" => out.message = map.next_value::<SoftText>()?.0,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(out)
    }
}

/// The rows of a page, or null.
struct Rows<'t>(&'t mut dyn FnMut(&RawValue));

impl<'de> DeserializeSeed<'de> for Rows<'_> {
    type Value = Option<usize>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of rows")
    }

    fn visit_unit<E>(self) -> Result<Option<usize>, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Option<usize>, A::Error> {
        let mut rows = 0;
        while let Some(row) = list.next_element::<&RawValue>()? {
            (self.0)(row);
            rows += 1;
        }
        Ok(Some(rows))
    }
}

macro_rules! soft {
    ($name:ident, $inner:ty, $of:expr) => {
        struct $name(Option<$inner>);
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let of: fn(Scalar<'de>) -> Option<$inner> = $of;
                Ok($name(super::lenient::soft(deserializer)?.and_then(of)))
            }
        }
    };
}

soft!(Soft, i64, |scalar| scalar.int().ok().flatten());
soft!(SoftFlag, bool, |scalar| scalar.flag().ok().flatten());
soft!(SoftText, String, |scalar| scalar.text());

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(body: &str) -> Result<(Page, Vec<String>), BadBody> {
        let mut out = Vec::new();
        let page = read_page(body.as_bytes(), &mut |row| out.push(row.get().to_owned()))?;
        Ok((page, out))
    }

    #[test]
    fn the_keys_of_the_envelope_come_in_any_order_and_type() {
        for body in [
            r#"{"TotalItems":2,"Records":[{"Id":1},{"Id":2}],"CurrentSortDirection":"ASC"}"#,
            r#"{"CurrentSortDirection":1,"Records":[{"Id":1},{"Id":2}],"HasNextPage":false,"TotalItems":"2"}"#,
            "\u{feff} {\"Records\":[{\"Id\":1},{\"Id\":2}],\"TotalItems\":2.0,\"Status\":200,\"WasSuccessful\":true}",
        ] {
            let (page, rows) = rows(body).expect("a page");
            assert_eq!(page, Page { rows: 2, total: Some(2) });
            assert_eq!(rows, [r#"{"Id":1}"#, r#"{"Id":2}"#]);
        }
    }

    #[test]
    fn trap_6_a_failure_within_a_200_is_a_failure_even_behind_rows() {
        let after = r#"{"Records":[{"Id":1}],"TotalItems":1,"WasSuccessful":false,"Message":"try later"}"#;
        assert_eq!(rows(after), Err(BadBody::Said { status: 0, message: "try later".into() }));
        let status = r#"{"Records":[],"TotalItems":0,"Status":"500","Message":null}"#;
        assert_eq!(rows(status), Err(BadBody::Said { status: 500, message: "no message".into() }));
        assert!(check_record(br#"{"Id":1,"Name":"Ada"}"#).is_ok());
        assert!(check_record(br#"{"Status":400,"Message":"no"}"#).is_err());
    }

    #[test]
    fn trap_6_html_empty_cut_and_listless_answers_are_named() {
        assert!(matches!(rows("\n<!DOCTYPE html><html>"), Err(BadBody::Html(text)) if text.starts_with("<!DOCTYPE")));
        assert!(matches!(rows(""), Err(BadBody::Json(_))));
        assert!(matches!(rows(r#"{"Records":[{"Id":1}"#), Err(BadBody::Json(_))));
        assert!(matches!(rows("[]"), Err(BadBody::Json(_))));
        assert!(matches!(rows(r#"{"Records":[]} x"#), Err(BadBody::Json(_))));
        assert_eq!(rows(r#"{"Records":null,"TotalItems":0}"#), Err(BadBody::NoRecords));
        assert_eq!(rows(r#"{"Id":1}"#), Err(BadBody::NoRecords));
    }

    #[test]
    fn the_message_of_an_error_is_found_in_both_shapes() {
        assert_eq!(message(br#"{"Message":"An error has occurred."}"#).as_deref(), Some("An error has occurred."));
        assert_eq!(message(br#""Not found""#).as_deref(), Some("Not found"));
        assert_eq!(message(b""), None);
        assert_eq!(message(b"<html>"), None);
    }
}
