//! Event sets: questions to the record of events, answered in pages (Kisi API notes, 4.1).

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::KisiTwin;
use super::history::Event;
use super::records::{Id, Moment};
use super::reply::{Limits, Refused, Reply, body, id_value, ok};
use super::switches::{EventOrder, EventSets};
use crate::twin::http::Request;

/// How long a set is kept.
const KEPT: TimeDelta = TimeDelta::hours(24);
/// How many sets are kept; the oldest go first.
const SETS_MAX: usize = 20_000;
/// The widest interval.
const WIDTH_MAX: TimeDelta = TimeDelta::days(90);
/// The filters that an answer repeats.
const FILTERS: [&str; 12] = [
    "event_actor_id",
    "event_actor_type",
    "event_authenticated_by_id",
    "event_authenticated_by_type",
    "event_object_id",
    "event_object_type",
    "event_place_id",
    "event_success",
    "event_sequence",
    "event_type",
    "event_uuid",
    "place_id",
];

/// One question and what it found.
#[derive(Debug)]
pub(super) struct EventSet {
    asked: Map<String, Value>,
    interval: String,
    created_at: Moment,
    found: Vec<(Moment, u64)>,
    polls_left: u32,
    failed: bool,
}

impl KisiTwin {
    pub(super) fn create_event_set(&mut self, request: &Request, now: Moment) -> Reply {
        let polls_left = match self.switches.event_sets {
            EventSets::Unavailable => return Err(Refused::generic(503, "Events are not available at the moment.")),
            EventSets::InProgress { polls } => polls.saturating_add(1),
            EventSets::AtOnce | EventSets::Failed => 0,
        };
        let asked = body(request, "event_set")?;
        if let Some(unknown) = asked.keys().find(|key| *key != "interval" && !FILTERS.contains(&key.as_str())) {
            return Err(Refused::generic(422, &format!("{unknown} is no filter of events.")));
        }
        if asked.contains_key("event_place_id") && asked.contains_key("place_id") {
            return Err(Refused::field("place_id", "can't be combined with event_place_id"));
        }
        let (start, end) = match asked.get("interval") {
            None | Some(Value::Null) => (now - WIDTH_MAX, now),
            Some(value) => interval(value.as_str().unwrap_or_default())
                .ok_or_else(|| Refused::field("interval", "is not a valid interval"))?,
        };
        if end < start || end - start > WIDTH_MAX {
            return Err(Refused::field("interval", "must not be wider than 90 days"));
        }
        let closed = self.switches.interval_closed;
        let within = self.history.events.range((start, 0)..=(end, u64::MAX));
        let mut found: Vec<_> = within
            .filter(|((at, _), event)| (closed || *at < end) && event.shown_at.is_some_and(|shown| shown <= now))
            .filter(|(_, event)| asked.iter().all(|(key, value)| passes(event, key, value)))
            .map(|(key, _)| *key)
            .collect();
        match self.switches.event_order {
            EventOrder::ByTime => {}
            EventOrder::Reversed => found.reverse(),
            EventOrder::Shuffled => self.rng.shuffle(&mut found),
        }
        let id = self.next_id(0);
        let failed = self.switches.event_sets == EventSets::Failed;
        let interval = format!("{}/{}", self.stamp(start), self.stamp(end));
        self.event_sets.insert(id, EventSet { asked, interval, created_at: now, found, polls_left, failed });
        while self.event_sets.len() > SETS_MAX
            || self.event_sets.first_key_value().is_some_and(|(_, set)| now - set.created_at > KEPT)
        {
            self.event_sets.pop_first();
        }
        self.show_event_set(request, id)
    }

    pub(super) fn one_event_set(&mut self, request: &Request, id: Id, now: Moment) -> Reply {
        let set = self.event_sets.get_mut(&id).filter(|set| now - set.created_at <= KEPT);
        let set = set.ok_or_else(|| Refused::not_found("event set"))?;
        set.polls_left = set.polls_left.saturating_sub(1);
        self.show_event_set(request, id)
    }

    fn show_event_set(&self, request: &Request, id: Id) -> Reply {
        let limits = Limits { default: 50, max: self.switches.event_page_max.max(1) };
        let limit = limits.limit(request, self.switches.limit_above_max)?;
        let set = self.event_sets.get(&id).ok_or_else(|| Refused::not_found("event set"))?;
        let offset = match request.param("cursor") {
            None => 0,
            Some(cursor) => cursor
                .strip_prefix('p')
                .and_then(|at| usize::from_str_radix(at, 36).ok())
                .ok_or_else(|| Refused::field("cursor", "is invalid"))?,
        };
        let status = match set {
            EventSet { failed: true, .. } => "failed",
            EventSet { polls_left: 1.., .. } => "in_progress",
            _ => "finished",
        };
        let mut shown = json!({
            "id": id, "created_at": self.stamp(set.created_at), "status": status, "interval": set.interval,
            "cursor": null,
        });
        for filter in FILTERS {
            shown[filter] = set.asked.get(filter).cloned().unwrap_or(Value::Null);
        }
        if status == "finished" {
            let page: Vec<&(Moment, u64)> = set.found.iter().skip(offset).take(limit).collect();
            let events = page.iter().filter_map(|key| self.history.events.get(key));
            shown["events"] = events.map(|event| self.event_json(event)).collect();
            if offset + limit < set.found.len() {
                let step = if self.switches.events_repeat { (limit - 1).max(1) } else { limit };
                let next = if self.switches.cursor_stuck { offset } else { offset + step };
                shown["cursor"] = Value::String(cursor(next));
            }
        }
        Ok(ok(200, &shown))
    }
}

/// A place in a set; opaque to the caller.
fn cursor(mut offset: usize) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(char::from_digit((offset % 36) as u32, 36).unwrap_or('0'));
        offset /= 36;
        if offset == 0 {
            break;
        }
    }
    std::iter::once('p').chain(digits.into_iter().rev()).collect()
}

fn passes(event: &Event, key: &str, value: &Value) -> bool {
    if value.is_null() {
        return true;
    }
    let listed = |text: &str| match value {
        Value::String(list) => list.split(',').any(|one| one.trim() == text),
        Value::Array(list) => list.iter().any(|one| one.as_str() == Some(text)),
        _ => false,
    };
    let id = |has: Option<Id>| has.is_some() && has == id_value(Some(value));
    match key {
        "event_type" => listed(&event.kind),
        "event_uuid" => listed(&event.uuid),
        "event_sequence" => listed(&format!("{:x}", event.sequence)),
        "event_success" => value.as_bool() == Some(event.success),
        "event_object_type" => event.object.as_ref().is_some_and(|object| listed(&object.0)),
        "event_object_id" => id(event.object.as_ref().map(|object| object.1)),
        "event_actor_type" => event.actor.is_some() && listed("User"),
        "event_actor_id" => id(event.actor.as_ref().map(|actor| actor.id)),
        "event_authenticated_by_type" => event.authenticated_by.as_ref().is_some_and(|by| listed(&by.0)),
        "event_authenticated_by_id" => id(event.authenticated_by.as_ref().map(|by| by.1)),
        "event_place_id" | "place_id" => id(event.place),
        _ => true,
    }
}

/// ISO 8601 `start/end`, `start/duration` or `duration/end`.
pub(super) fn interval(text: &str) -> Option<(Moment, Moment)> {
    let (left, right) = text.split_once('/')?;
    match (left.starts_with('P'), right.starts_with('P')) {
        (false, false) => Some((instant(left)?, instant(right)?)),
        (false, true) => instant(left).and_then(|start| Some((start, start.checked_add_signed(duration(right)?)?))),
        (true, false) => instant(right).and_then(|end| Some((end.checked_sub_signed(duration(left)?)?, end))),
        (true, true) => None,
    }
}

fn instant(text: &str) -> Option<Moment> {
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.with_timezone(&Utc))
}

/// An ISO 8601 duration of weeks, days, hours, minutes and seconds.
fn duration(text: &str) -> Option<TimeDelta> {
    let mut total = TimeDelta::zero();
    let mut number = String::new();
    let mut in_time = false;
    for sign in text.strip_prefix('P')?.chars() {
        if sign.is_ascii_digit() {
            number.push(sign);
            continue;
        }
        if sign == 'T' && number.is_empty() && !in_time {
            in_time = true;
            continue;
        }
        let seconds = match (sign, in_time) {
            ('W', false) => 604_800,
            ('D', false) => 86_400,
            ('H', true) => 3_600,
            ('M', true) => 60,
            ('S', true) => 1,
            _ => return None,
        };
        let span = TimeDelta::try_seconds(number.parse::<i64>().ok()?.checked_mul(seconds)?)?;
        total = total.checked_add(&span)?;
        number.clear();
    }
    number.is_empty().then_some(total)
}
