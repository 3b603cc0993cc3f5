//! Promise 4: every event that Kisi shows reaches the broker, and each door's in order.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::time::{Ms, instant, ms, seconds};
use super::{Case, Findings};
use crate::twin::kisi::Event;

/// How late an event may be shown and still be promised.
const PROMISED: TimeDelta = TimeDelta::hours(48);
/// Events of the very first start may be from before the record begins.
const BEGINS: Ms = seconds(60);
/// What is shown so shortly before the end may still be on its way.
const ON_ITS_WAY: Ms = seconds(180);
/// What is shown later than each poll looks back waits for the next night's reading (rules 7).
const LOOKED_BACK: TimeDelta = TimeDelta::minutes(2);
const NEXT_NIGHT: Ms = seconds(25 * 3_600);

/// What the broker was told of an event first.
struct Told {
    topic: String,
    at: Ms,
    time: Option<Ms>,
    kind: String,
    late: bool,
}

/// Promise 4.
pub(super) fn none_lost(case: &Case<'_>) -> Findings {
    let mut found = Findings::default();
    let (told, order, twice) = told(case);
    let mut known = BTreeSet::new();
    for event in case.evidence.kisi.history().events.values() {
        known.insert(event.uuid.as_str());
        let Some(shown) = event.shown_at else { continue };
        let in_time = shown - event.created_at <= PROMISED;
        let of_the_day = ms(event.created_at) >= case.begins() + BEGINS
            && case.knowledge.calendar.after(ms(shown), on_its_way(shown - event.created_at)) < case.ends();
        if !in_time || !of_the_day {
            continue;
        }
        let name = || {
            let object = event.object.as_ref().map_or("nothing", |object| object.2.as_str());
            format!(
                "{} of {object} at {}, shown at {}",
                event.kind,
                case.show(ms(event.created_at)),
                case.show(ms(shown))
            )
        };
        let Some(message) = told.get(event.uuid.as_str()) else {
            found.expect(false, || format!("{} ({}) never reached the broker", name(), event.uuid));
            continue;
        };
        let second = ms(event.created_at) / 1_000 * 1_000;
        let right = message.topic == topic(case, event)
            && message.kind == event.kind
            && message.time.is_some_and(|time| time / 1_000 * 1_000 == second);
        found.expect(right, || format!("{} was told wrongly on {}", name(), message.topic));
    }
    for uuid in told.keys().filter(|uuid| !known.contains(uuid.as_str())) {
        found.breach(format!("event {uuid} was published, but Kisi has none such"));
    }
    for (topic, uuids) in &order {
        let mut latest = Ms::MIN;
        for message in uuids.iter().filter_map(|uuid| told.get(uuid)) {
            let Some(time) = message.time.filter(|_| !message.late) else { continue };
            found.expect(time >= latest, || {
                format!("{topic}: an event of {} came at {}, after a later one", case.show(time), case.show(message.at))
            });
            latest = latest.max(time);
        }
    }
    found.note(format!("{} events on the broker, {twice} of them more than once", told.len()));
    found
}

/// How long an event that is shown so late may take.
fn on_its_way(late: TimeDelta) -> Ms {
    if late <= LOOKED_BACK { ON_ITS_WAY } else { NEXT_NIGHT }
}

/// The first message about each event, the order in which each door's came, and how many came again.
fn told(case: &Case<'_>) -> (BTreeMap<String, Told>, BTreeMap<String, Vec<String>>, usize) {
    let mut first: BTreeMap<String, Told> = BTreeMap::new();
    let mut order: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut twice = 0;
    for (at, rest, event) in case.evidence.told("") {
        let of_door = rest.starts_with("door/") && rest.ends_with("/event");
        if !of_door && !rest.starts_with("event/") {
            continue;
        }
        let Some(uuid) = event["uuid"].as_str() else { continue };
        if first.contains_key(uuid) {
            twice += 1;
            continue;
        }
        if of_door {
            order.entry(rest.to_owned()).or_default().push(uuid.to_owned());
        }
        let message = Told {
            topic: rest.to_owned(),
            at,
            time: event["time"].as_str().and_then(instant),
            kind: event["type"].as_str().unwrap_or_default().to_owned(),
            late: event["late"] == true,
        };
        first.insert(uuid.to_owned(), message);
    }
    (first, order, twice)
}

/// The topic of an event (contract 3).
fn topic(case: &Case<'_>, event: &Event) -> String {
    let door = event.object.as_ref().and_then(|(kind, id, _)| match kind.as_str() {
        "Lock" => Some(*id),
        "Reader" => case.evidence.readers.iter().find(|(reader, _)| reader == id).map(|(_, lock)| *lock),
        _ => None,
    });
    door.map_or_else(|| format!("event/{}", event.kind), |lock| format!("door/{lock}/event"))
}
