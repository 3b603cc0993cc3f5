//! Reports as messages: what goes on which topic, and how what is too large is made to fit. Pure.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

use super::broker::{Message, packet_overhead};
use super::topics::{Root, Topic};
use crate::domain::CustomerId;
use crate::domain::event::Event;
use crate::report::{Alert, EventReport, Membership, People, Retained};

/// What `availability` says while the gateway is connected.
pub const ONLINE: &str = "online";
/// What `availability` says otherwise; the last will.
pub const OFFLINE: &str = "offline";

/// The longest text that a shortened event keeps, in characters.
const SHORTENED_CHARS: usize = 200;

/// An event as a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fitted {
    /// It fits, if need be with its texts shortened.
    Fits(Message),
    /// Even without its texts it is too large, by this reason.
    TooLarge(String),
}

/// An event's message of at most `packet_size_max` bytes. Where it is larger, its texts are cut: first what Kisi says
/// of an error, then names; never the uuid, the time, the type or the ids.
pub fn event(
    root: &Root,
    event: &Event,
    customer: Option<CustomerId>,
    people: People,
    packet_size_max: usize,
) -> Fitted {
    let topic = root.topic(&Topic::of_event(event));
    let mut report = EventReport::new(event, customer, people);
    let fits = |report: &EventReport| {
        json(report).filter(|payload| packet_overhead(&topic) + payload.len() <= packet_size_max)
    };
    if let Some(payload) = fits(&report) {
        return Fitted::Fits(Message::passing(topic, payload));
    }
    if let Some(error) = &mut report.error {
        shorten(&mut error.message);
        shorten(&mut error.code);
    }
    if let Some(payload) = fits(&report) {
        return Fitted::Fits(Message::passing(topic, payload));
    }
    if let Some(door) = &mut report.door {
        cut(&mut door.name);
    }
    if let Some(person) = &mut report.person {
        shorten(&mut person.name);
    }
    shorten(&mut report.by);
    match fits(&report) {
        Some(payload) => Fitted::Fits(Message::passing(topic, payload)),
        None => {
            Fitted::TooLarge(format!("larger than the packet limit of {packet_size_max} bytes even when shortened"))
        }
    }
}

/// A membership's message; `None` where it is too large.
pub fn membership(root: &Root, change: &Membership, packet_size_max: usize) -> Option<Message> {
    let message = Message::passing(root.topic(&Topic::Membership), json(change)?);
    (message.packet_size() <= packet_size_max).then_some(message)
}

/// Everything retained but `availability`: topic and payload. What is too large even when cut is left out.
pub fn retained(root: &Root, retained: &Retained, packet_size_max: usize) -> BTreeMap<String, Bytes> {
    let mut all = BTreeMap::new();
    let mut put = |topic: Topic<'_>, payload: Option<Bytes>| {
        let topic = root.topic(&topic);
        match payload.filter(|payload| packet_overhead(&topic) + payload.len() <= packet_size_max) {
            Some(payload) => _ = all.insert(topic, payload),
            None => tracing::warn!(topic, packet_size_max, "a retained state is too large to be published"),
        }
    };
    if let Some(status) = &retained.status {
        put(Topic::Status, json(status));
    }
    for (id, state) in &retained.doors {
        put(Topic::DoorState(*id), json(state));
    }
    for (id, state) in &retained.controllers {
        put(Topic::ControllerState(*id), json(state));
    }
    for (id, state) in &retained.readers {
        put(Topic::ReaderState(*id), json(state));
    }
    for (kind, alert) in &retained.alerts {
        let room = packet_size_max.saturating_sub(packet_overhead(&root.topic(&Topic::Alert(*kind))));
        put(Topic::Alert(*kind), fitted_alert(alert, room));
    }
    all
}

/// An alert of at most `room` bytes: the lists of its detail are halved, with `left_out` telling how much is missing,
/// until it fits; at last the detail goes, and the message is cut.
fn fitted_alert(alert: &Alert, room: usize) -> Option<Bytes> {
    let mut alert = alert.clone();
    let mut left_out = 0;
    loop {
        let payload = json(&alert)?;
        if payload.len() <= room {
            return Some(payload);
        }
        match halve_longest_list(&mut alert.detail) {
            Some(gone) => {
                left_out += gone;
                if let Value::Object(detail) = &mut alert.detail {
                    detail.insert("left_out".to_owned(), left_out.into());
                }
            }
            None if alert.detail.is_null() => break,
            None => alert.detail = Value::Null,
        }
    }
    cut(&mut alert.message);
    json(&alert)
}

/// Halves the longest list among the values of `detail`; how many entries went, or `None` where there is none.
fn halve_longest_list(detail: &mut Value) -> Option<usize> {
    let longest = detail
        .as_object_mut()?
        .values_mut()
        .filter_map(Value::as_array_mut)
        .max_by_key(|list| list.len())
        .filter(|list| !list.is_empty())?;
    let keep = longest.len() / 2;
    let gone = longest.len() - keep;
    longest.truncate(keep);
    Some(gone)
}

fn shorten(text: &mut Option<String>) {
    if let Some(text) = text {
        cut(text);
    }
}

fn cut(text: &mut String) {
    if let Some((at, _)) = text.char_indices().nth(SHORTENED_CHARS) {
        text.truncate(at);
        text.push('…');
    }
}

/// The JSON of a report; `None` where a value has none, which no report's type allows.
fn json(report: &impl Serialize) -> Option<Bytes> {
    match serde_json::to_vec(report) {
        Ok(bytes) => Some(bytes.into()),
        Err(error) => {
            tracing::error!(%error, "a report cannot be written as JSON");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Door;
    use crate::domain::{LockId, UserId};
    use crate::report::AlertKind;

    fn time() -> crate::domain::Timestamp {
        "2026-11-24T10:00:00Z".parse().unwrap()
    }

    fn unlock() -> Event {
        Event {
            uuid: "u-1".to_owned(),
            time: time(),
            kind: "lock.unlock".to_owned(),
            door: Some(Door { id: LockId(7), name: "Front".to_owned() }),
            success: Some(false),
            error_code: Some("e".to_owned()),
            error_message: Some("no".to_owned()),
            actor: Some(UserId(3)),
            actor_name: Some("Ada".to_owned()),
            by: Some("card".to_owned()),
            object: None,
            received_at: time(),
            replayed: false,
            late: false,
        }
    }

    fn body(fitted: Fitted) -> Value {
        match fitted {
            Fitted::Fits(message) => serde_json::from_slice(&message.payload).unwrap(),
            Fitted::TooLarge(why) => panic!("{why}"),
        }
    }

    #[test]
    fn promise_4_a_huge_text_is_cut_but_the_event_goes_out() {
        let root = Root::new("gatehouse", "house");
        let mut huge = unlock();
        huge.error_message = Some("é".repeat(50_000));
        huge.actor_name = Some("n".repeat(50_000));
        let sent = body(event(&root, &huge, Some(CustomerId(9)), People::Name, 4096));
        assert_eq!(sent["uuid"], "u-1");
        assert_eq!(sent["person"]["customer"], 9);
        assert!(sent["error"]["message"].as_str().unwrap().chars().count() <= SHORTENED_CHARS + 1);

        huge.uuid = "u".repeat(5000);
        assert!(matches!(event(&root, &huge, None, People::Name, 4096), Fitted::TooLarge(_)));
    }

    #[test]
    fn promise_8_events_say_of_a_person_what_people_allows() {
        let root = Root::new("gatehouse", "house");
        let sent = |people| body(event(&root, &unlock(), Some(CustomerId(9)), people, 4096));
        assert_eq!(sent(People::None).get("person"), None);
        assert_eq!(sent(People::Id)["person"], serde_json::json!({"id": 3, "customer": 9}));
        assert_eq!(sent(People::Name)["person"], serde_json::json!({"id": 3, "customer": 9, "name": "Ada"}));
    }

    #[test]
    fn the_guards_list_is_cut_to_fit_and_says_so() {
        let root = Root::new("gatehouse", "house");
        let alert = Alert {
            active: true,
            since: time(),
            message: "held".to_owned(),
            detail: serde_json::json!({"plan": "p1", "people": 600, "removals": vec!["x".repeat(50); 600]}),
        };
        let state = Retained { alerts: [(AlertKind::Guard, alert)].into(), ..Retained::default() };
        let all = retained(&root, &state, 8192);
        let sent: Value = serde_json::from_slice(&all["gatehouse/house/alert/guard"]).unwrap();
        let kept = sent["detail"]["removals"].as_array().unwrap().len();
        assert!(kept > 0 && sent["detail"]["plan"] == "p1");
        assert_eq!(sent["detail"]["left_out"], 600 - kept);
    }
}
