//! The readings against a scripted Nexudus.

mod lists;
mod paging;
mod since;
#[cfg(feature = "demo")]
mod twin;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::domain::{CustomerId, Item, Link, PassKindId, PlanId, ResourceId};
use crate::nexudus::fake::{Answer, Asked, Log, answer, at, ok, paged, signed_in};

fn link(item: Item) -> Link {
    Link {
        item,
        group: crate::domain::GroupId(1),
        alternate: None,
        before: std::time::Duration::from_secs(900),
        after: std::time::Duration::from_secs(900),
        share_with_team: true,
        ignore_slots: false,
    }
}

/// Resource 555, pass 31, desk 801 and plan 12 are linked.
fn needs() -> Needs {
    Needs::of(&[
        link(Item::Resource(ResourceId(555))),
        link(Item::Pass(PassKindId(31))),
        link(Item::Desk(crate::domain::DeskId(801))),
        link(Item::Plan(PlanId(12))),
    ])
}

fn reader(script: impl FnMut(&Asked) -> Answer + Send + 'static) -> (Reader, Log) {
    let (client, log) = signed_in(script);
    let zone = Zone::named("Europe/Berlin").expect("in tzdata");
    (Reader::new(Arc::new(client), zone, 4711, needs()), log)
}

/// A Nexudus with these lists; what has no list is empty, and records by id come from the lists too.
fn site(lists: impl IntoIterator<Item = (&'static str, Vec<Value>)>) -> (Reader, Log) {
    let lists: BTreeMap<&str, Vec<Value>> = lists.into_iter().collect();
    reader(move |asked| serve(&lists, asked))
}

fn serve(lists: &BTreeMap<&str, Vec<Value>>, asked: &Asked) -> Answer {
    if let Some(rows) = lists.get(asked.path.as_str()) {
        return paged(asked, rows);
    }
    let (list, id) = asked.path.rsplit_once('/').unwrap_or_default();
    match id.parse::<u64>() {
        Ok(id) => match lists.get(list).and_then(|rows| rows.iter().find(|row| row["Id"] == id)) {
            Some(row) => ok(row.clone()),
            None => answer(404, &[], "\"Not found\""),
        },
        Err(_) => paged(asked, &[]),
    }
}

fn began() -> Timestamp {
    at("2026-03-04T09:00:00Z")
}

fn window() -> Window {
    Window::new(Some(at("2026-03-04T09:00:00Z")), Some(at("2026-03-18T09:00:00Z"))).expect("a window")
}

/// A booking of resource 555 in Berlin's winter.
fn booking(id: u64, from: &str, to: &str) -> Value {
    let local = at(from) + chrono::TimeDelta::hours(1);
    json!({
        "Id": id, "ResourceId": 555, "CoworkerId": 90210, "FromTime": from, "ToTime": to, "Tentative": false,
        "FromTimeLocal": local.format("%Y-%m-%dT%H:%M:%S").to_string(), "UpdatedOn": "2026-03-02T09:30:00Z",
    })
}

fn with(mut row: Value, key: &str, value: Value) -> Value {
    row[key] = value;
    row
}

fn without(mut row: Value, key: &str) -> Value {
    row.as_object_mut().expect("an object").remove(key);
    row
}
