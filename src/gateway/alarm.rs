//! Which alerts should stand: decided over the whole state, each time anew, so that none can be forgotten.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::connection::troubled_since;
use super::state::State;
use crate::clock::Mono;
use crate::domain::entitle::Note;
use crate::domain::plan::Drift;
use crate::domain::{Rules, Timestamp};
use crate::report::{AlertKind, Connection, Member, People};

/// How far the system's clock may be from Kisi's time (rules 4).
const CLOCK_OFF: TimeDelta = TimeDelta::minutes(2);
/// How many things one alert names.
const NAMED: usize = 20;
/// The files of the store, each of which the alert names.
const FILES: usize = 2;
/// How many events may wait before it is an alert.
pub const OUTBOX_FULL: usize = 100_000;

/// What an alert would say.
type Said = Option<(String, Value)>;

/// The moment of asking, and the settings that count.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// By the best guess at Kisi's time.
    pub now: Timestamp,
    /// By the monotonic clock.
    pub mono: Mono,
    /// By the system's clock.
    pub wall: Timestamp,
    /// `alert.after`.
    pub after: Duration,
    /// `mqtt.people`.
    pub people: People,
    /// The rules.
    pub rules: &'a Rules,
}

/// Every kind of alert, and what it says now; `None`: it does not stand.
pub fn standing(state: &State, asked: &Asked<'_>) -> Vec<(AlertKind, Said)> {
    vec![
        (AlertKind::Nexudus, away("Nexudus", &state.nexudus.report(), asked)),
        (AlertKind::Kisi, away("Kisi", &state.kisi.report(), asked)),
        (AlertKind::Broker, away("the MQTT broker", &state.broker, asked)),
        (AlertKind::Clock, clock(state, asked)),
        (AlertKind::Guard, guard(state, asked)),
        (AlertKind::Drift, drift(state, asked)),
        (AlertKind::Store, store(state)),
        (AlertKind::Outbox, outbox(state)),
        (AlertKind::Credentials, credentials(state)),
        (AlertKind::Links, links(state)),
    ]
}

fn away(name: &str, connection: &Connection, asked: &Asked<'_>) -> Said {
    let since = troubled_since(connection)?;
    let after = TimeDelta::from_std(asked.after).unwrap_or(TimeDelta::MAX);
    (asked.now - since >= after).then(|| {
        let error = connection.error.clone().unwrap_or_else(|| "no answer yet".to_owned());
        let message = format!("{name} has not been online since {since}: {error}");
        (message, json!({ "state": connection.state, "since": since, "last_success": connection.last_success }))
    })
}

fn clock(state: &State, asked: &Asked<'_>) -> Said {
    if let Some(why) = state.time.contradicted() {
        let message = format!("{why}; nothing is written to Kisi until its time can be believed");
        return Some((message, json!({ "trusted": false })));
    }
    if let Some(why) = &state.certificate_time {
        let message = format!("{why}; this box's clock reads {}: set it, or let it be set (NTP)", asked.wall);
        return Some((message, json!({ "system": asked.wall })));
    }
    let now = state.time.now(asked.mono.0)?;
    let off = asked.wall - now;
    (off.abs() > CLOCK_OFF).then(|| {
        // To the minute: finer, the alert would be told anew at every look.
        let minutes = off.num_minutes();
        let message = format!("this box's clock is {minutes} min from Kisi's time; it is used for nothing but logs");
        (message, json!({ "trusted": true, "offset_min": minutes }))
    })
}

fn guard(state: &State, asked: &Asked<'_>) -> Said {
    let plan = state.decision.held_id.as_ref()?;
    let held = &state.decision.held;
    let (losing, of) = state.decision.losing;
    let changes =
        if held.len() == 1 { "1 change is held".to_owned() } else { format!("{} changes are held", held.len()) };
    let message = format!(
        "{changes}: {losing} of {of} people would lose a group. See 'gatehouse plan'; then 'gatehouse apply --yes', or \
         the command approve with plan {plan}"
    );
    let people: std::collections::BTreeSet<_> =
        held.iter().map(|change| (change.person.user, change.person.email.as_ref())).collect();
    let removals: Vec<Member> = held.iter().map(|change| Member::new(change, asked.people)).collect();
    Some((message, json!({ "plan": plan, "people": people.len(), "removals": removals })))
}

/// A second writer comes first, then rows of ours that were taken, then single rows of others.
fn drift(state: &State, asked: &Asked<'_>) -> Said {
    let found = &state.decision.plan.drift;
    let known = state.known(asked.rules, asked.now);
    let writers = state.hands.writers(&known, found);
    let of_a_writer = |drift: &Drift| match drift {
        Drift::ForeignRow { created_by, .. } => writers.iter().any(|writer| Some(writer.created_by) == *created_by),
        Drift::Candidate { .. } => writers.iter().any(|writer| writer.own_key),
        _ => false,
    };
    let recent = state.contests.drift(asked.now);
    let single: Vec<&Drift> = recent.iter().chain(found.iter().filter(|drift| !of_a_writer(drift))).collect();
    let by_writers = found.iter().filter(|drift| of_a_writer(drift));
    let words = writers.iter().map(ToString::to_string).chain(single.iter().map(|drift| told(drift, state)));
    let mut words = words.take(NAMED);
    let first = words.next()?;
    let rest = writers.len() + single.len() - 1;
    let more = if rest > 0 { format!(" (and {rest} more about other hands)") } else { String::new() };
    let all: Vec<&Drift> = single.iter().copied().chain(by_writers).collect();
    let detail = json!({
        "count": all.len(),
        "writers": writers.iter().take(NAMED).collect::<Vec<_>>(),
        "notes": std::iter::once(first.clone()).chain(words).collect::<Vec<_>>(),
        "drift": all.iter().take(NAMED).collect::<Vec<_>>(),
    });
    Some((format!("another hand in Kisi: {first}{more}"), detail))
}

fn told(drift: &Drift, state: &State) -> String {
    match drift {
        Drift::ForeignRow { row, user, group, created_by, in_the_way } => {
            let by = created_by.map_or_else(|| "another hand".to_owned(), |by| format!("Kisi user {by}"));
            let left = match in_the_way {
                false => "it is left alone".to_owned(),
                true => {
                    let adopt = created_by.map(|by| format!(", or 'gatehouse adopt --created-by {by}'"));
                    format!(
                        "it is left alone, though a grant needs its place: remove it in Kisi{}",
                        adopt.unwrap_or_default()
                    )
                }
            };
            format!("assignment {row} of user {user} in group {group} was made by {by}, not by Gatehouse: {left}")
        }
        Drift::Candidate { row, user, group } => {
            let own = state.own_user.map_or_else(|| "ID".to_owned(), |own| own.to_string());
            format!(
                "assignment {row} of user {user} in group {group} was made by our key, but the ledger does not know it: \
                 it is left alone until 'gatehouse adopt --created-by {own}'; with kisi.key_is_ours_alone = true such \
                 rows are ours at once"
            )
        }
        Drift::OtherMaker { row, user, group, created_by } => {
            let by = created_by.map_or_else(|| "another hand".to_owned(), |by| format!("Kisi user {by}"));
            let adopt = created_by.map(|by| format!("; 'gatehouse adopt --created-by {by}' makes it ours"));
            format!(
                "assignment {row} of user {user} in group {group} stands in the ledger, but by Kisi's word {by} made it: \
                 it is left alone{}",
                adopt.unwrap_or_default()
            )
        }
        Drift::Removed { user, group, times, back_at } => {
            let what = format!("the assignment of user {user} in group {group} was removed by another hand");
            let keep_out = "to keep somebody out, suspend them in Kisi or Nexudus, or name them in access.never_touch";
            match back_at {
                None => format!("{what} while the grant stands, and is put back; {keep_out}"),
                Some(at) => format!(
                    "{what} {times} times in a day while the grant stands: it is put back ever more slowly, next at \
                     {at}. If a program does it, switch it off for that group; {keep_out}"
                ),
            }
        }
        Drift::Changed { user, group } => format!(
            "the window of the assignment of user {user} in group {group} was changed by another hand, and is put right \
             while the grant stands; change the booking, pass or contract in Nexudus instead"
        ),
        Drift::Suspended { user } => format!(
            "user {user} has access, but another hand suspended them in Kisi: not enabled. If they may come in, enable \
             them there"
        ),
        Drift::Elevated { user, .. } => format!(
            "a customer's e-mail was changed to that of user {user}, who has an organization or place role: not followed"
        ),
    }
}

fn store(state: &State) -> Said {
    let failing = state.refused.why().map(|why| format!("the store can't be written: {why}"));
    let notes: Vec<String> = failing.chain(state.store_notes.iter().cloned()).collect();
    // Each of the two files may have been set aside, and the operator must find both names.
    list_of("the store", &notes, FILES)
}

fn outbox(state: &State) -> Said {
    (state.outbox >= OUTBOX_FULL).then(|| {
        let message = format!(
            "{} events wait for the MQTT broker, as many as are kept; no more are read until it takes some. Kisi keeps \
             the record",
            state.outbox
        );
        (message, json!({ "waiting": state.outbox }))
    })
}

fn credentials(state: &State) -> Said {
    let refusals: Vec<String> = state.refusals.values().cloned().collect();
    list("credentials", &refusals)
}

fn links(state: &State) -> Said {
    let mut notes: Vec<String> = state.decision.plan.notes.iter().filter_map(noted).collect();
    notes.extend(state.link_notes.values().flatten().cloned());
    notes.extend(state.doubted.iter().map(|(entity, why)| format!("the reading of {entity:?} was not taken: {why}")));
    for (entity, rows) in &state.aside {
        notes.extend(rows.iter().map(|aside| {
            let id = aside.id.map_or_else(|| "a row".to_owned(), |id| format!("row {id}"));
            format!("{id} of {entity:?} is set aside: {}", aside.why)
        }));
    }
    if let Some(why) = state.decision.plan.keeping {
        notes.push(format!("access.no_access is taken as 'keep', since {why}; see kisi.sole_writer"));
    }
    notes.extend(
        state
            .parked
            .iter()
            .map(|parked| format!("'{}' of {} is set aside: {}", parked.change.word(), whom(parked), parked.why)),
    );
    list("links", &notes)
}

/// By ids alone: alerts may be read by whoever may read the broker.
fn whom(parked: &super::state::Parked) -> String {
    let person = &parked.change.person;
    match (person.customer, person.user) {
        (Some(customer), _) => format!("customer {customer}"),
        (None, Some(user)) => format!("Kisi user {user}"),
        (None, None) => "a person".to_owned(),
    }
}

fn noted(note: &Note) -> Option<String> {
    Some(match note {
        Note::NoEmail(id) => format!("customer {id} has a grant but no e-mail in Nexudus, and can't be given access"),
        Note::Slots(id) => format!(
            "pass {id} has time slots in Nexudus, which Gatehouse does not apply: put the hours on the Kisi group and \
             set ignore_slots = true on the link"
        ),
        Note::UnknownKind(id) => format!("passes of kind {id} give nothing: its definition has not been read"),
        Note::UnknownCustomer(id) => format!("customer {id} has a booking, pass or contract, but can't be read"),
        Note::Unending(_) => return None,
    })
}

fn list(what: &str, notes: &[String]) -> Said {
    list_of(what, notes, 1)
}

/// The first `said` of them in the message, and more in its detail.
fn list_of(what: &str, notes: &[String], said: usize) -> Said {
    let first = notes.get(..said.min(notes.len())).filter(|first| !first.is_empty())?;
    let left = notes.len() - first.len();
    let more = if left > 0 { format!(" (and {left} more about {what})") } else { String::new() };
    let message = format!("{}{more}", first.join(". "));
    Some((message, json!({ "notes": notes.iter().take(NAMED).collect::<Vec<_>>() })))
}
