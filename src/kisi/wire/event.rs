//! Event sets and their events (Kisi API notes, 4.1).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Row, lenient, number, rows};
use crate::domain::event::{Door, Event};
use crate::domain::snapshot::Aside;
use crate::domain::{LockId, ReaderId, Timestamp, UserId};

/// How far a set has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Kisi is still gathering.
    InProgress,
    /// Its events can be read.
    Finished,
    /// Kisi gave up.
    Failed,
}

#[derive(Deserialize)]
struct SetRow<'a> {
    #[serde(default, deserialize_with = "number")]
    id: Option<u64>,
    status: Status,
    #[serde(borrow)]
    events: Option<Vec<&'a RawValue>>,
    #[serde(default, deserialize_with = "lenient")]
    cursor: Option<serde_json::Value>,
}

/// One answer about a set: a page of it, once it is finished.
pub struct Page {
    /// The set's id.
    pub set: u64,
    /// How far it has come.
    pub status: Status,
    /// The events that can be used; `None` where the key is absent.
    pub events: Option<Vec<EventOut>>,
    /// The events that can't.
    pub aside: Vec<Aside>,
    /// Where the next page begins; `None`: there is none.
    pub cursor: Option<String>,
}

/// Reads an answer about a set.
pub fn page(body: &[u8]) -> Result<Page, String> {
    let row: SetRow<'_> = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    let set = row.id.ok_or("an event set without an id")?;
    let (events, aside) = match &row.events {
        Some(raw) => {
            let (events, aside) = rows::<EventRow>(raw);
            (Some(events), aside)
        }
        None => (None, Vec::new()),
    };
    let cursor = row.cursor.and_then(|cursor| match cursor {
        serde_json::Value::String(text) => (!text.is_empty()).then_some(text),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    });
    Ok(Page { set, status: row.status, events, aside, cursor })
}

/// One event. Payloads of 2017 have no `uuid`; they can't be told apart, so they are set aside.
#[derive(Deserialize)]
pub struct EventRow {
    uuid: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient")]
    actor_type: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    actor_id: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    actor_name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    authenticated_by_type: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    object_type: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    object_id: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    object_name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    success: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    code: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    error_code: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    error_message: Option<String>,
}

/// An event as read, before its reader is looked up.
pub struct EventOut {
    row: EventRow,
    uuid: String,
    kind: String,
    time: Timestamp,
}

/// 'An unexpected issue' that is also the code of a success (Kisi API notes, 6, trap 17).
const NO_CODE: &str = "ffffff";
/// A name longer than this is none of Kisi's.
const LONGEST_UUID: usize = 128;

impl Row for EventRow {
    type Out = EventOut;

    fn read(mut self) -> Result<EventOut, String> {
        let uuid = self.uuid.take().filter(|uuid| !uuid.is_empty()).ok_or("an event without a uuid")?;
        if uuid.len() > LONGEST_UUID {
            return Err(format!("a uuid of {} bytes", uuid.len()));
        }
        let kind = self.kind.take().ok_or_else(|| format!("event {uuid} has no type"))?;
        let time = self.created_at.ok_or_else(|| format!("event {uuid} has no created_at"))?;
        Ok(EventOut { row: self, uuid, kind, time })
    }
}

impl EventOut {
    /// Kisi's name for it.
    pub fn uuid(&self) -> &str {
        &self.uuid
    }

    /// The event, read at `received_at`. A reader stands for its lock, where `readers` names one.
    pub fn event(self, readers: &BTreeMap<ReaderId, Door>, received_at: Timestamp) -> Event {
        let row = self.row;
        let object = row.object_type.zip(row.object_id);
        let door = match object.as_ref().map(|(kind, id)| (kind.as_str(), *id)) {
            Some(("Lock", id)) => {
                let name = row.object_name.unwrap_or_else(|| format!("door {id}"));
                Some(Door { id: LockId(id), name })
            }
            Some(("Reader", id)) => readers.get(&ReaderId(id)).cloned(),
            _ => None,
        };
        let failed = row.success == Some(false);
        let code = row.error_code.or_else(|| row.code.filter(|code| failed && code != NO_CODE));
        Event {
            uuid: self.uuid,
            time: self.time,
            kind: self.kind,
            object: object.filter(|_| door.is_none()),
            door,
            success: row.success,
            error_code: code.filter(|code| failed || code != NO_CODE),
            error_message: row.error_message,
            actor: row.actor_id.filter(|_| row.actor_type.as_deref() == Some("User")).map(UserId),
            actor_name: row.actor_name,
            by: row.authenticated_by_type.as_deref().map(recognised_by),
            received_at,
            replayed: false,
            late: false,
        }
    }
}

/// By what the person was recognised, in the words of our topics (contract 3).
fn recognised_by(kind: &str) -> String {
    match kind {
        "Card" => "card".to_owned(),
        "Login" | "OauthAccessToken" => "app".to_owned(),
        "GroupLink" => "link".to_owned(),
        "ApplePassInstance" => "wallet".to_owned(),
        "AccessKey" => "key".to_owned(),
        other => other.to_lowercase(),
    }
}
