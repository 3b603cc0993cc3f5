//! Reads Kisi's record of events into the outbox, and what its events name anew (rules 7, promise 4).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::alarm::OUTBOX_FULL;
use super::connection::Fault;
use super::engine::{Cloud, Engine};
use super::roster::look_at;
use crate::domain::event::Event;
use crate::domain::{LockId, ReaderId, Timestamp, UserId};
use crate::kisi::error::{Fault as CallFault, KisiError};
use crate::kisi::record::{self, Hint, Interval, Kind, Known, Mark, Outage};
use crate::net::backoff::{doubled, spread};
use crate::net::pace::Class;
use crate::store::{Batch, Key, StoreError};

/// The kind of call that connections and errors name.
const CALL: &str = "events";
const PAUSE: Duration = Duration::from_secs(2);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// A record that was not read for this long, or for three times the pace, was not read through an outage: of the box,
/// of its internet, or of a broker that was away until the outbox was full.
const OUTAGE: TimeDelta = TimeDelta::seconds(10);
/// An outage of that length is read again some time after it.
const REREAD_AFTER: TimeDelta = TimeDelta::seconds(60);
/// How far back the record is read where the ledger was lost: what Kisi shows within 48 hours must reach the broker,
/// and once too often is better than not at all.
const LOST_LEDGER: TimeDelta = TimeDelta::hours(48);

/// A `Date` is cut to whole seconds.
const CUT: TimeDelta = TimeDelta::seconds(1);

/// A webhook does not bring about a reading sooner than this after the last one began.
const HINTED_APART: Duration = Duration::from_secs(2);
/// What a webhook tells of may reach the record after it: the record is looked at once more then.
const SECOND_LOOK: Duration = Duration::from_secs(5);

/// While Kisi's time is not known, the record is not read and it is looked again after this: at the very first start the
/// record begins as soon as that is known, however slow the pace.
const TIME_AWAITED: Duration = Duration::from_secs(1);

/// What is kept of how the record was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Rereads {
    /// When the record begins for us.
    began: Option<Timestamp>,
    /// The last reading of an hour back.
    hour: Option<Timestamp>,
    /// The last reading of two days back.
    night: Option<Timestamp>,
    /// The last outage, while it is still read again.
    #[serde(default)]
    outage: Option<Outage>,
}

/// How the connection stands by a failed call.
pub fn fault_of(error: &KisiError) -> Fault {
    match error {
        KisiError::Refused { .. } => Fault::Refused,
        KisiError::Passing { fault: CallFault::NotSent(_) | CallFault::Lost(_), .. } => Fault::Silent,
        KisiError::Passing { .. } | KisiError::Item { .. } => Fault::Poor,
    }
}

/// Reads the record until `stop`: at its pace, and when a webhook says that something happened.
pub async fn run(engine: Arc<Engine>, stop: CancellationToken) {
    let (mut failures, mut doubts, mut hinted) = (0, 0, false);
    loop {
        engine.beat("events");
        let began = engine.clock.mono();
        let Some(done) = stop.run_until_cancelled(poll(&engine, failures > 0)).await else { return };
        let wait = match done {
            Ok(Next::More) => Duration::ZERO,
            Ok(Next::Later) => {
                (failures, doubts) = (0, 0);
                if hinted { engine.settings.events.min(SECOND_LOOK) } else { engine.settings.events }
            }
            Ok(Next::TimeUnknown) => engine.settings.events.min(TIME_AWAITED),
            Ok(Next::TimeDoubted) => {
                doubts += 1;
                doubled(TIME_AWAITED, PAUSE_MAX, doubts)
            }
            Err(error) => {
                tracing::debug!(error, "the record could not be read");
                failures += 1;
                spread(doubled(PAUSE, PAUSE_MAX, failures), engine.clock.mono()).max(engine.settings.events)
            }
        };
        let hint = async {
            engine.hint_kisi.notified().await;
            engine.clock.sleep_until(began.plus(HINTED_APART)).await;
        };
        hinted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = engine.rest("events", wait) => false,
            // A pause is not cut short by a hint: what is wrong is on Kisi's side.
            () = hint, if failures == 0 => true,
        };
    }
}

/// When the record is to be looked at again.
enum Next {
    /// At once: there is more.
    More,
    /// At its pace.
    Later,
    /// Kisi has not said its time yet; the roster's reading, which is under way, brings it.
    TimeUnknown,
    /// Kisi's last answer said another time than was expected.
    TimeDoubted,
}

/// One reading; `failing`: the last one failed.
async fn poll(engine: &Engine, failing: bool) -> Result<Next, String> {
    // A full outbox stops the reading, not the keeping: Kisi keeps the record (rules 7).
    if engine.state().outbox >= OUTBOX_FULL {
        engine.told.notify_one();
        return Ok(Next::Later);
    }
    // The record is read by Kisi's time; before that is known there is no telling what 'until now' means.
    let Some(now) = engine.trusted_now() else { return settle_time(engine).await };
    let (mark, mut rereads) = begin(engine, now).await.map_err(|error| error.to_string())?;
    let kind = record::due(rereads.hour, rereads.night, now);
    let mut interval = record::interval(mark, now, kind);
    let again = rereads.outage.filter(|outage| outage.is_due(now));
    if let Some(outage) = again {
        interval.from = interval.from.min(outage.from);
    }
    let readers = engine.state().doors_of_readers.clone();
    let mut polled = match engine.kisi.poll(interval.from, interval.to, &readers, now).await {
        Ok(polled) => polled,
        Err(error) => {
            engine.failed(Cloud::Kisi, CALL, fault_of(&error), error.to_string());
            return Err(error.to_string());
        }
    };
    engine.succeeded(Cloud::Kisi, CALL);
    if polled.whole {
        note_reread(&mut rereads, kind, now);
        if let Some(outage) = again {
            rereads.outage = outage.reread();
        }
        if now - mark.watermark > REREAD_AFTER {
            rereads.outage = Some(Outage::ended(rereads.outage, interval.from, now));
        }
    }
    let asides = polled.aside.iter().map(|aside| format!("an event of Kisi is set aside: {}", aside.why)).collect();
    engine.state().link_notes.insert("events", asides);
    find_doors(engine, &mut polled.events).await;
    let replayed = failing || missed(engine, interval) || unread_for_long(engine, mark, now);
    let fresh = keep(engine, rereads, mark, (interval, replayed), polled).await.map_err(|error| error.to_string())?;
    if !fresh.is_empty() {
        engine.tallies().events(fresh.len());
        engine.count_outbox();
        engine.outbox.notify_one();
        engine.told.notify_one();
        follow(engine, fresh).await;
    }
    Ok(if interval.more { Next::More } else { Next::Later })
}

/// Two answers that agree settle what Kisi's time is (rules 4), and nothing is written before: where nothing else is
/// asked of Kisi for a while, something is asked for this alone.
async fn settle_time(engine: &Engine) -> Result<Next, String> {
    if !engine.state().time.doubted() {
        return Ok(Next::TimeUnknown);
    }
    match engine.kisi.own_user().await {
        Ok(_) => {
            engine.succeeded(Cloud::Kisi, CALL);
            Ok(Next::TimeDoubted)
        }
        Err(error) => {
            engine.failed(Cloud::Kisi, CALL, fault_of(&error), error.to_string());
            Err(error.to_string())
        }
    }
}

fn note_reread(rereads: &mut Rereads, kind: Kind, now: Timestamp) {
    if kind != Kind::Poll {
        rereads.hour = Some(now);
    }
    if matches!(kind, Kind::Night { .. }) {
        rereads.night = Some(now);
    }
}

/// How far the record was read. At the very first start it begins with this run; with the ledger lost, as far back as
/// must be.
async fn begin(engine: &Engine, now: Timestamp) -> Result<(Mark, Rereads), StoreError> {
    let mut rereads: Rereads = engine.store.value(Key::Rereads)?.unwrap_or_default();
    let watermark: Option<Timestamp> = engine.store.value(Key::Watermark)?;
    if let (Some(began), Some(watermark)) = (rereads.began, watermark) {
        return Ok((Mark { began, watermark }, rereads));
    }
    let began = if engine.state().ledger_lost { now - LOST_LEDGER } else { run_began(engine, now) };
    rereads = Rereads { began: Some(began), hour: Some(now), night: Some(now), outage: None };
    let mut batch = Batch::new();
    batch.value(Key::Rereads, &rereads);
    batch.value(Key::Watermark, &began);
    engine.commit(batch).await?;
    Ok((Mark { began, watermark: began }, rereads))
}

/// When this run began, by Kisi's time, which is known some calls later: what happens at the doors meanwhile counts.
fn run_began(engine: &Engine, now: Timestamp) -> Timestamp {
    let since = TimeDelta::from_std(engine.clock.mono().since(engine.began)).unwrap_or_default();
    // Kisi's time is known to be no earlier than `now`, and may be a second later: the record does not begin before us.
    (now - since + CUT).min(now)
}

/// Picks what is new and keeps it, with the watermark, in one write.
async fn keep(
    engine: &Engine,
    rereads: Rereads,
    mark: Mark,
    (interval, replayed): (Interval, bool),
    polled: crate::kisi::events::Polled,
) -> Result<Vec<Event>, StoreError> {
    let taken = {
        let last_of_door: BTreeMap<LockId, Timestamp> = engine.store.door_times()?;
        // An event that can't be looked up is taken: told twice is better than not at all.
        let seen = |uuid: &str| engine.store.seen(uuid).unwrap_or(false);
        let known = Known { mark, seen: &seen, last_of_door: &last_of_door };
        record::take(&known, polled.events, interval, polled.whole, replayed)
    };
    let mut batch = Batch::new();
    batch.events(published(engine, &taken.fresh), taken.watermark);
    batch.value_along(Key::Rereads, &rereads);
    engine.commit(batch).await?;
    let mut state = engine.state();
    for event in &taken.fresh {
        state.show_event(event.clone());
    }
    Ok(taken.fresh)
}

/// Whether some call to Kisi was lost since the record was last read: that, too, tells of an outage.
fn missed(engine: &Engine, interval: Interval) -> bool {
    let mut state = engine.state();
    let missed = state.kisi_missed;
    state.kisi_missed = missed.filter(|at| *at >= interval.to);
    missed.is_some()
}

fn unread_for_long(engine: &Engine, mark: Mark, now: Timestamp) -> bool {
    let pace = TimeDelta::from_std(engine.settings.events).unwrap_or_default();
    now - mark.watermark > OUTAGE.max(pace * 3)
}

/// An event at a reader is its door's (contract 3): where a new one names a reader that is not known yet, as right
/// after the start, the readers are read first.
async fn find_doors(engine: &Engine, events: &mut [Event]) {
    let unknown = |event: &Event| {
        reader_of(event).is_some_and(|reader| {
            let known = engine.state().retained.readers.contains_key(&reader);
            !known && !engine.store.seen(&event.uuid).unwrap_or(false)
        })
    };
    if !events.iter().any(unknown) {
        return;
    }
    super::hardware::read(engine, Class::Events).await;
    let doors = engine.state().doors_of_readers.clone();
    for event in events {
        if let Some(door) = reader_of(event).and_then(|reader| doors.get(&reader)) {
            event.door = Some(door.clone());
            event.object = None;
        }
    }
}

/// The reader that an event with no known door is about.
fn reader_of(event: &Event) -> Option<ReaderId> {
    event.object.as_ref().filter(|(kind, _)| kind == "Reader").map(|(_, id)| ReaderId(*id))
}

/// What goes into the outbox: everything, unless the demo drops some on purpose.
fn published(engine: &Engine, fresh: &[Event]) -> Vec<Event> {
    #[cfg(feature = "demo")]
    if engine.settings.sabotage == Some(super::Sabotage::LostEvent) {
        return fresh.iter().filter(|event| !event.uuid.ends_with(['0', '7'])).cloned().collect();
    }
    let _ = engine;
    fresh.to_vec()
}

/// Reads again what events of another hand name: users, assignments, groups.
async fn follow(engine: &Engine, fresh: Vec<Event>) {
    let theirs: Vec<Event> = {
        let state = engine.state();
        let us = state.own_user;
        fresh.into_iter().filter(|event| !expected(&state, event, us)).collect()
    };
    let (mut rows, mut users) = (Vec::new(), Vec::new());
    for hint in record::hints(&theirs, None) {
        match hint {
            Hint::Assignment(row) => rows.push(row),
            Hint::User(user) => users.push(user),
            Hint::Group(_) | Hint::Roster => engine.read_roster.notify_one(),
        }
    }
    if rows.is_empty() && users.is_empty() {
        return;
    }
    let rows = rows.iter().map(|row| (std::slice::from_ref(row), [].as_slice()));
    let users = users.iter().map(|user| ([].as_slice(), std::slice::from_ref(user)));
    for (row, user) in rows.chain(users) {
        let Err(error) = look_at(engine, row, user, Class::Roster).await else { continue };
        tracing::warn!(%error, "what another hand changed in Kisi could not be read; the next roster will");
        // One that is not of a kind we know says nothing of the others.
        if fault_of(&error) != Fault::Poor {
            break;
        }
    }
    engine.sync.notify_one();
}

/// Whether the event only tells what we did ourselves and know: somebody may use our key's user too.
fn expected(state: &super::state::State, event: &Event, us: Option<UserId>) -> bool {
    if us.is_none() || event.actor != us {
        return false;
    }
    let gone = event.kind.ends_with(".destroy");
    match event.object.as_ref().map(|(kind, id)| (kind.as_str(), *id)) {
        Some(("RoleAssignment", id)) => gone != state.ledger.owned.contains_key(&crate::domain::AssignmentId(id)),
        Some(("User", id)) => gone != state.roster.users.contains_key(&UserId(id)),
        _ => false,
    }
}
