//! What must hold whatever was killed when: judged by what the twins hold and remember, and what a subscriber saw.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use gatehouse::domain::plan::Action;
use gatehouse::domain::{AssignmentId, GroupId};
use gatehouse::store::{Key, Opening, Store};
use serde_json::Value;

use super::super::rig::Moment;
use super::super::watcher::Watcher;
use super::cloud::Twins;
use super::load::{Book, Booked};
use super::{KEY_USER, PEOPLE, ROOMS, Site, customer, email, room};

/// A window; an end that is absent is open.
pub type Window = (Option<Moment>, Option<Moment>);
/// The rows of the gateway's key in the rooms' groups, by person and room, with their ids.
pub type Rows = BTreeMap<(usize, usize), (i64, Window)>;

fn moment(value: &Value) -> Option<Moment> {
    value.as_str().and_then(|text| text.parse().ok())
}

/// Who of the people each Kisi user is.
fn persons(state: &Value) -> BTreeMap<i64, usize> {
    let known: BTreeMap<String, usize> = (0..PEOPLE).map(|person| (email(person), person)).collect();
    let users = state["users"].as_array().unwrap().iter();
    users.filter_map(|user| Some((user["id"].as_i64()?, *known.get(user["email"].as_str()?)?))).collect()
}

fn made_by_key(row: &Value) -> bool {
    row["created_by"]["user"] == KEY_USER
}

/// The rows of the gateway's key as Kisi holds them now. Each is of one of the people, in the group of a room.
pub fn rows(state: &Value, site: &Site) -> Rows {
    let persons = persons(state);
    let mut rows = Rows::new();
    for row in state["assignments"].as_array().unwrap().iter().filter(|row| made_by_key(row)) {
        let person = row["assignee"]["user"].as_i64().and_then(|user| persons.get(&user).copied());
        let place = site.groups.iter().position(|group| row["scope"]["group"] == *group);
        let slot = person.zip(place).unwrap_or_else(|| panic!("a row where none may be: {row}"));
        let window = (moment(&row["valid_from"]), moment(&row["valid_until"]));
        let before = rows.insert(slot, (row["id"].as_i64().unwrap(), window));
        assert_eq!(before, None, "two rows in one slot: {row}");
    }
    rows
}

/// Every row that is not of the key, as it stands.
pub fn foreign(state: &Value) -> Vec<Value> {
    state["assignments"].as_array().unwrap().iter().filter(|row| !made_by_key(row)).cloned().collect()
}

/// The window that each slot should hold at `now`: what overlaps or touches is one; the one that is open, else the next.
fn wanted(book: &Book, now: Moment) -> BTreeMap<(usize, usize), (Moment, Moment)> {
    let mut by_slot: BTreeMap<(usize, usize), Vec<(Moment, Moment)>> = BTreeMap::new();
    for booked in book.lock().unwrap().values() {
        by_slot.entry((booked.person, booked.room)).or_default().push((booked.from, booked.to));
    }
    let next = |mut windows: Vec<(Moment, Moment)>| {
        windows.sort_unstable();
        let mut merged: Vec<(Moment, Moment)> = Vec::new();
        for (from, to) in windows {
            match merged.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        merged.into_iter().find(|(_, to)| *to > now)
    };
    by_slot.into_iter().filter_map(|(slot, windows)| Some((slot, next(windows)?))).collect()
}

/// In what Kisi differs from what is wanted; `None`: in nothing.
pub fn difference(rows: &Rows, book: &Book, now: Moment) -> Option<String> {
    let wanted = wanted(book, now);
    let slots: BTreeSet<_> = rows.keys().chain(wanted.keys()).collect();
    slots.into_iter().find_map(|slot| {
        let (has, wants) = (rows.get(slot), wanted.get(slot));
        let fits = match (has, wants) {
            (Some((_, (from, until))), Some((begins, ends))) => {
                let began = |from: Moment| from <= now;
                *until == Some(*ends) && (*from == Some(*begins) || (from.is_none_or(began) && began(*begins)))
            }
            (None, None) => true,
            _ => false,
        };
        (!fits).then(|| format!("{slot:?} has {has:?} and should have {wants:?} at {now}"))
    })
}

/// An event that Kisi holds is an event that the subscriber saw. What is missing.
pub fn missing(twins: &Twins, watcher: &Watcher, began: Moment) -> Vec<Value> {
    let seen: BTreeSet<String> = published(watcher).into_iter().map(|event| event.uuid).collect();
    let events = twins.kisi.get("history/events");
    let missed = |event: &&Value| {
        moment(&event["created_at"]).is_some_and(|at| at >= began) && !seen.contains(event["uuid"].as_str().unwrap())
    };
    events.as_array().unwrap().iter().filter(missed).cloned().collect()
}

struct Published {
    topic: String,
    uuid: String,
    time: Moment,
    late: bool,
}

fn published(watcher: &Watcher) -> Vec<Published> {
    let is_event = |topic: &str| topic.ends_with("/event") || topic.contains("/event/");
    let read = |message: super::super::watcher::Message| {
        let value = message.json();
        Published {
            uuid: value["uuid"].as_str().unwrap().to_owned(),
            time: moment(&value["time"]).unwrap(),
            late: value["late"] == true,
            topic: message.topic,
        }
    };
    watcher.seen().into_iter().filter(|message| is_event(&message.topic)).map(read).collect()
}

/// Each event once, as it came first: those of one door are in the order of their times, but for the late ones. How
/// many came, and how many of them more than once.
pub fn in_order(watcher: &Watcher) -> (usize, usize) {
    let mut known = BTreeSet::new();
    let mut last: BTreeMap<String, Moment> = BTreeMap::new();
    let mut again = 0;
    for event in published(watcher) {
        if !known.insert(event.uuid.clone()) {
            again += 1;
            continue;
        }
        if event.late || !event.topic.contains("/door/") {
            continue;
        }
        let before = last.entry(event.topic.clone()).or_insert(event.time);
        assert!(event.time >= *before, "{} of {} came after one of {before}", event.uuid, event.topic);
        *before = event.time;
    }
    (known.len(), again)
}

/// A booking as it stood for a while.
struct Stood {
    booked: Booked,
    since: Moment,
    until: Option<Moment>,
}

fn stood(twins: &Twins) -> Vec<Stood> {
    let history = twins.nexudus.get("history");
    let versions = history["versions"]["Booking"].as_object().unwrap().values();
    let read = |version: &Value| {
        let row = &version["row"];
        let person = (0..PEOPLE).find(|person| row["CoworkerId"] == customer(*person))?;
        let place = (0..ROOMS).find(|place| row["ResourceId"] == room(*place))?;
        let booked = Booked { person, room: place, from: moment(&row["FromTime"])?, to: moment(&row["ToTime"])? };
        Some(Stood { booked, since: moment(&version["from"])?, until: moment(&version["until"]) })
    };
    versions.flat_map(|of_one| of_one.as_array().unwrap()).filter_map(read).collect()
}

/// No one was wrongly in: while a row of the key was valid, its holder had that room booked, by a booking that Nexudus
/// held after the last quiet moment before. How many rows were judged.
///
/// `quiet`: the moments at which Kisi was seen to be as it should.
pub fn no_one_wrongly_in(twins: &Twins, site: &Site, quiet: &[Moment]) -> usize {
    let stood = stood(twins);
    let persons = persons(&twins.kisi.get("state"));
    let history = twins.kisi.get("history/assignments");
    let mut judged = 0;
    for version in history.as_array().unwrap().iter().filter(|version| made_by_key(version)) {
        let person = version["assignee"]["user"].as_i64().and_then(|user| persons.get(&user).copied());
        let place = site.groups.iter().position(|group| version["scope"]["group"] == *group);
        let (person, place) = person.zip(place).unwrap_or_else(|| panic!("a row where none may be: {version}"));
        let since = moment(&version["since"]).unwrap();
        let valid_until = moment(&version["valid_until"]).unwrap_or_else(|| panic!("open for ever: {version}"));
        let from = moment(&version["valid_from"]).map_or(since, |from| from.max(since));
        let until = moment(&version["until"]).map_or(valid_until, |until| until.min(valid_until));
        // Between two quiet moments, each part by itself.
        let mut edges: Vec<Moment> = quiet.iter().copied().filter(|at| from < *at && *at < until).collect();
        edges.insert(0, from);
        edges.push(until);
        for part in edges.windows(2) {
            let known_at = quiet.iter().copied().rfind(|at| *at <= part[0]);
            let admits = |stood: &&Stood| {
                let gone_before = stood.until.zip(known_at).is_some_and(|(until, known)| until < known);
                (stood.booked.person, stood.booked.room) == (person, place) && stood.since <= since && !gone_before
            };
            let windows: Vec<_> = stood.iter().filter(admits).map(|s| (s.booked.from, s.booked.to)).collect();
            let covered = reach(windows, part[0]);
            assert!(
                covered >= part[1],
                "wrongly in from {covered} until {}: {version}, quiet at {known_at:?}",
                part[1]
            );
        }
        judged += 1;
    }
    judged
}

/// Until when these windows, one after the other, cover everything from `from` on.
fn reach(mut windows: Vec<(Moment, Moment)>, from: Moment) -> Moment {
    windows.sort_unstable();
    windows.into_iter().fold(from, |at, (begins, ends)| if begins <= at { at.max(ends) } else { at })
}

/// What a store holds that nobody has open: opened from a copy, so that the next start finds it as it was left.
pub struct Kept {
    pub owned: BTreeSet<i64>,
    /// Person's user and group of each change that was under way.
    pub under_way: BTreeSet<(Option<i64>, i64)>,
    pub paused: bool,
}

/// A kill may cost nothing: both files open as they are, each row of them.
pub fn kept(store: &Path) -> Kept {
    let copy = tempfile::tempdir().unwrap();
    for name in ["cache.redb", "ledger.redb"] {
        std::fs::copy(store.join(name), copy.path().join(name)).unwrap();
    }
    let (opened, how) = Store::open(copy.path()).unwrap();
    assert_eq!((&how.cache, &how.ledger), (&Opening::Kept, &Opening::Kept));
    assert_eq!(how.aside, [], "rows that can't be read");
    let ledger = opened.load_ledger().unwrap();
    let plain = |id: u64| i64::try_from(id).unwrap();
    let of_group = |group: &GroupId| plain(group.0);
    let under_way = ledger.intents.values().filter_map(|intent| match &intent.change.action {
        Action::Added { group, .. } | Action::Moved { group, .. } => {
            Some((intent.change.person.user.map(|user| plain(user.0)), of_group(group)))
        }
        _ => None,
    });
    Kept {
        owned: ledger.owned.keys().map(|AssignmentId(id)| plain(*id)).collect(),
        under_way: under_way.collect(),
        paused: opened.value(Key::Paused).unwrap().unwrap_or(false),
    }
}

/// Write-ahead: the ledger knows each row that Kisi has from the key, or that it was being made.
pub fn every_row_is_known(state: &Value, kept: &Kept) {
    for row in state["assignments"].as_array().unwrap().iter().filter(|row| made_by_key(row)) {
        let slot = (row["assignee"]["user"].as_i64(), row["scope"]["group"].as_i64().unwrap());
        let known = kept.owned.contains(&row["id"].as_i64().unwrap()) || kept.under_way.contains(&slot);
        assert!(known, "the ledger does not know {row}; under way: {:?}", kept.under_way);
    }
}
