//! Reads Nexudus at its paces and takes in what comes: the first half of the way of the data.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::connection::Fault;
use super::engine::{Cloud, Engine};
use super::state::State;
use super::strangers;
use crate::clock::Mono;
use crate::domain::snapshot::{Entity, Listing, Record, Shelf, Snapshot};
use crate::domain::{BookingId, Item, Rules, Timestamp};
use crate::nexudus::error::NexudusError;
use crate::nexudus::read::{Brought, Known, Reading, ZoneCheck};
use crate::nexudus::schedule::{Job, Outcome, Schedule};
use crate::report::Pace;
use crate::store::Batch;

/// The longest wait of the loop.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Bookings that ended so long ago are forgotten: no rule asks for them any more.
const PAST: TimeDelta = TimeDelta::hours(48);
/// Nexudus was away where no list was read for so many times `nexudus.changes`, the pace of the slowest updates, and
/// at least for that long.
const OUTAGE: u32 = 3;
const OUTAGE_FLOOR: Duration = Duration::from_secs(60);
/// How often the location's zone is compared.
const ZONE_CHECKED: Duration = Duration::from_secs(12 * 3600);

/// What the two readers share.
struct Desk {
    schedule: Mutex<Schedule>,
    /// Lists that were asked for whole in this run, whatever came of it, unless Nexudus did not answer at all.
    tried: Mutex<BTreeSet<Entity>>,
    /// The schedule changed: look again.
    changed: Notify,
}

impl Desk {
    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads until `stop`. Two read at once, though their calls take turns: one what is due, the other updates alone, so
/// that a long list that is read whole does not hold those up.
pub async fn run(engine: Arc<Engine>, schedule: Schedule, stop: CancellationToken) {
    let desk = Desk { schedule: Mutex::new(schedule), tried: Mutex::default(), changed: Notify::new() };
    tokio::join!(
        reader(&engine, &desk, Schedule::next, &stop),
        reader(&engine, &desk, Schedule::next_update, &stop),
        wakes(&engine, &desk, &stop),
        zone(&engine, &stop),
    );
}

/// Takes the next job, does it, and again.
async fn reader(
    engine: &Engine,
    desk: &Desk,
    next: impl Fn(&Schedule, Mono) -> Option<(Mono, Job)>,
    stop: &CancellationToken,
) {
    loop {
        engine.beat("nexudus");
        // Listening begins before the look, so that no change falls between the two.
        let mut changed = pin!(desk.changed.notified());
        changed.as_mut().enable();
        let now = engine.clock.mono();
        let job = {
            let mut schedule = desk.schedule();
            let (due, job) = next(&schedule, now).unwrap_or((now.plus(LONGEST_WAIT), Job::Cancelled));
            if due <= now {
                schedule.begin(job, now);
                Ok(job)
            } else {
                Err(due)
            }
        };
        let job = match job {
            Ok(job) => job,
            Err(due) => {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    () = engine.clock.sleep(due.since(now).min(LONGEST_WAIT)) => {}
                    () = changed => {}
                }
                continue;
            }
        };
        let (calls, outcome) = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            done = perform(engine, job) => done,
        };
        if let Job::Whole(entity) = job
            && !matches!(outcome, Outcome::Failed { all: true, .. })
        {
            desk.tried.lock().unwrap_or_else(PoisonError::into_inner).insert(entity);
        }
        catch_up(engine, desk, job, outcome);
        desk.schedule().done(job, engine.clock.mono(), calls, outcome);
        desk.changed.notify_waiters();
        note(engine, desk);
    }
}

/// What is still to be read after an outage, this reading done.
fn catch_up(engine: &Engine, desk: &Desk, job: Job, outcome: Outcome) {
    let (outage, updates): (_, Vec<Job>) = {
        let schedule = desk.schedule();
        ((schedule.paces().changes * OUTAGE).max(OUTAGE_FLOOR), schedule.updates().collect())
    };
    let mut state = engine.state();
    let caught_up = match outcome {
        Outcome::Read | Outcome::Cancellations => state.behind.read(job, engine.clock.mono(), outage, updates),
        Outcome::Failed { refused: true, all: false, .. } => state.behind.refused(job),
        Outcome::Failed { .. } => false,
    };
    drop(state);
    if caught_up {
        engine.sync.notify_one();
    }
}

/// Reads everything at once when somebody asks for it, and what a hint may mean when one comes.
async fn wakes(engine: &Engine, desk: &Desk, stop: &CancellationToken) {
    let mut needs = engine.nexudus.needs();
    note(engine, desk);
    loop {
        let forgiven = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = engine.read_nexudus.notified() => false,
            () = engine.retry_nexudus.notified() => true,
            () = engine.hint_nexudus.notified() => {
                desk.schedule().hint(engine.clock.mono());
                desk.changed.notify_waiters();
                continue;
            }
        };
        let now = engine.clock.mono();
        let mut schedule = desk.schedule();
        if needs != engine.nexudus.needs() {
            needs = engine.nexudus.needs();
            schedule.set_needs(&needs, now);
        }
        if forgiven {
            schedule.reset(now);
        } else {
            schedule.all(now);
        }
        drop(schedule);
        desk.changed.notify_waiters();
    }
}

/// Compares the location's zone once everything has been read, and twice a day.
async fn zone(engine: &Engine, stop: &CancellationToken) {
    loop {
        let ready = engine.state().read_once;
        if ready {
            check_zone(engine).await;
        }
        let wait = if ready { ZONE_CHECKED } else { LONGEST_WAIT };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = engine.clock.sleep(wait) => {}
        }
    }
}

/// Reads every list that the links need once, whole, for a verb.
pub async fn read_all(engine: &Engine) -> Result<(), String> {
    for entity in engine.nexudus.needs().entities() {
        let (_, outcome) = perform(engine, Job::Whole(entity)).await;
        if let Outcome::Failed { all: true, .. } = outcome {
            let error = engine.state().nexudus.error().unwrap_or_else(|| "no answer".to_owned());
            return Err(format!("Nexudus could not be read: {error}"));
        }
    }
    engine.state().read_once = true;
    Ok(())
}

/// The paces that are kept, and whether every list has been read, or at least asked for, so that one may decide.
fn note(engine: &Engine, desk: &Desk) {
    let paces = desk.schedule().paces();
    let tried = desk.tried.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let pace = Pace { changes_s: whole_seconds(paces.changes), refresh_s: whole_seconds(paces.refresh) };
    let entities = engine.nexudus.needs().entities();
    let mut state = engine.state();
    let stretched = state.pace != pace;
    state.pace = pace;
    let known = |entity: &Entity| tried.contains(entity) || whole(&state.snapshot, *entity).is_some();
    if !state.read_once && entities.iter().all(known) {
        state.read_once = true;
        engine.sync.notify_one();
    }
    drop(state);
    if stretched {
        engine.told.notify_one();
    }
}

fn whole_seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

fn whole(snapshot: &Snapshot, entity: Entity) -> Option<(Timestamp, Timestamp)> {
    match entity {
        Entity::Bookings => snapshot.bookings.whole(),
        Entity::Resources => snapshot.resources.whole(),
        Entity::Customers => snapshot.customers.whole(),
        Entity::Passes => snapshot.passes.whole(),
        Entity::PassKinds => snapshot.pass_kinds.whole(),
        Entity::Contracts => snapshot.contracts.whole(),
        Entity::PausedPeriods => snapshot.paused_periods.whole(),
        Entity::Desks => snapshot.desks.whole(),
        Entity::Teams => snapshot.teams.whole(),
    }
}

/// One job, and what it brought taken in. How many calls it took, and what the schedule is to be told.
async fn perform(engine: &Engine, job: Job) -> (u32, Outcome) {
    let began = engine.guess();
    let rules = engine.rules();
    let Some(window) = rules.reach(began) else { return (1, Outcome::Read) };
    let known = Known::of(&engine.state().snapshot);
    match engine.nexudus.perform(job, window, &known, began).await {
        Ok(brought) => {
            engine.succeeded(Cloud::Nexudus, call_name(job));
            let (calls, outcome) = (brought.calls(), brought.outcome());
            if take(engine, job, brought).await {
                engine.sync.notify_one();
            }
            strangers::read(engine).await;
            (calls, outcome)
        }
        Err(error) => {
            let fault = match &error {
                NexudusError::Refused(_) => Fault::Refused,
                error if error.is_no_answer() => Fault::Silent,
                _ => Fault::Poor,
            };
            if let NexudusError::WrongZone { .. } = &error {
                engine.state().doubted.insert(Entity::Bookings, error.to_string());
            }
            engine.failed(Cloud::Nexudus, call_name(job), fault, error.to_string());
            (1, Outcome::from(&error))
        }
    }
}

/// The name of a kind of call, one for each list.
fn call_name(job: Job) -> &'static str {
    match job {
        Job::Cancelled => "cancelled bookings",
        Job::Whole(entity) | Job::Updated(entity) => match entity {
            Entity::Bookings => "bookings",
            Entity::Resources => "resources",
            Entity::Customers => "customers",
            Entity::Passes => "passes",
            Entity::PassKinds => "kinds of pass",
            Entity::Contracts => "contracts",
            Entity::PausedPeriods => "paused periods",
            Entity::Desks => "desks",
            Entity::Teams => "teams",
        },
    }
}

/// Takes in a reading: memory first, then the disk. Whether it changed anything that decides.
async fn take(engine: &Engine, job: Job, brought: Brought) -> bool {
    let rules = engine.rules();
    let mut batch = Batch::new();
    let matters = {
        let mut state = engine.state();
        let state = &mut *state;
        if let Job::Whole(entity) = job {
            state.aside.insert(entity, brought.aside().to_vec());
            state.doubted.remove(&entity);
            if let Some(why) = brought.incomplete() {
                state.doubted.insert(entity, why.to_owned());
            }
        }
        let matters = match brought {
            Brought::Bookings(reading) => bookings(engine, state, reading, &mut batch),
            Brought::Customers(reading) => absorb(state, Entity::Customers, |s| &mut s.customers, reading, &mut batch),
            Brought::Passes(reading) => absorb(state, Entity::Passes, |s| &mut s.passes, reading, &mut batch),
            Brought::PassKinds(reading) => {
                unlinked(state, &rules, "kinds of pass", &reading.listing, |item| match item {
                    Item::Pass(id) => Some(id.0),
                    _ => None,
                });
                absorb(state, Entity::PassKinds, |s| &mut s.pass_kinds, reading, &mut batch)
            }
            Brought::Contracts(reading) => absorb(state, Entity::Contracts, |s| &mut s.contracts, reading, &mut batch),
            Brought::PausedPeriods(reading) => paused_periods(engine, state, &rules, reading, &mut batch),
            Brought::Teams(reading) => absorb(state, Entity::Teams, |s| &mut s.teams, reading, &mut batch),
            Brought::Resources(reading) => {
                unlinked(state, &rules, "resources", &reading.listing, |item| match item {
                    Item::Resource(id) => Some(id.0),
                    _ => None,
                });
                absorb(state, Entity::Resources, |s| &mut s.resources, reading, &mut batch)
            }
            Brought::Desks(reading) => {
                unlinked(state, &rules, "desks", &reading.listing, |item| match item {
                    Item::Desk(id) => Some(id.0),
                    _ => None,
                });
                absorb(state, Entity::Desks, |s| &mut s.desks, reading, &mut batch)
            }
            Brought::Cancelled(_) => false,
        };
        state.dirty |= matters;
        matters
    };
    // The cache is rebuilt from the clouds: where it can't be written, memory goes on.
    let _ = engine.commit(batch).await;
    matters
}

fn absorb<T>(
    state: &mut State,
    entity: Entity,
    shelf: impl Fn(&mut Snapshot) -> &mut Shelf<T>,
    reading: Reading<T>,
    batch: &mut Batch,
) -> bool
where
    T: Record + serde::Serialize,
    T::Id: Into<u64>,
{
    let shelf = shelf(&mut state.snapshot);
    let first = shelf.whole();
    let absorbed = shelf.absorb(reading.listing);
    batch.shelf(entity, shelf, &absorbed);
    // Whether removals may be believed hangs on the whole readings too, in their beginning.
    let ripens = first.is_none_or(|(began, last)| began == last) && shelf.whole() != first;
    if let Some(why) = absorbed.refused {
        state.doubted.insert(entity, why.to_owned());
    }
    absorbed.matters || ripens
}

/// Bookings: one that a cancellation names is gone as soon as one reading no longer shows it (rules 6). That is a
/// positive word on this booking, so it holds also where nothing else is left in the list, and for one that lies beyond
/// the horizon: were it still there, it would be read when it comes within.
fn bookings(
    engine: &Engine,
    state: &mut State,
    reading: Reading<crate::domain::snapshot::Booking>,
    batch: &mut Batch,
) -> bool {
    let shown: BTreeSet<BookingId> = reading.listing.rows.iter().map(Record::id).collect();
    let aside: BTreeSet<u64> = reading.listing.aside.iter().filter_map(|aside| aside.id).collect();
    let scope = reading.listing.whole;
    let mut matters = absorb(state, Entity::Bookings, |s| &mut s.bookings, reading, batch);
    let Some(scope) = scope else { return matters };
    let gone: Vec<BookingId> = state
        .snapshot
        .bookings
        .iter()
        .filter(|row| !shown.contains(&row.id) && !aside.contains(&row.id.0))
        .filter(|row| engine.nexudus.cancelled(row))
        .map(|row| row.id)
        .collect();
    for id in &gone {
        matters |= state.snapshot.bookings.remove(*id);
    }
    let absent = |row: &crate::domain::snapshot::Booking| {
        row.within(&scope) && !shown.contains(&row.id) && !aside.contains(&row.id.0)
    };
    if !gone.is_empty() && !state.snapshot.bookings.iter().any(absent) {
        // The list came back empty because all that was in it was cancelled.
        state.doubted.remove(&Entity::Bookings);
    }
    let past = engine.clock_guess(state) - PAST;
    let spent = state.snapshot.bookings.prune(|row| row.to < past);
    batch.forget(Entity::Bookings, gone.into_iter().chain(spent));
    matters
}

/// Paused periods: where the list comes back empty, the contracts' own word counts.
fn paused_periods(
    engine: &Engine,
    state: &mut State,
    rules: &Rules,
    reading: Reading<crate::domain::snapshot::PausedPeriod>,
    batch: &mut Batch,
) -> bool {
    let empty = reading.listing.whole.is_some() && reading.listing.rows.is_empty() && reading.listing.aside.is_empty();
    let mut matters = absorb(state, Entity::PausedPeriods, |s| &mut s.paused_periods, reading, batch);
    if empty {
        let today = rules.zone.date_of(engine.clock_guess(state));
        let lifted = state.snapshot.lifted(today);
        for id in &lifted {
            matters |= state.snapshot.paused_periods.remove(*id);
        }
        if state.snapshot.paused_periods.is_empty() {
            state.doubted.remove(&Entity::PausedPeriods);
        }
        batch.forget(Entity::PausedPeriods, lifted);
    }
    matters
}

/// Links that name something Nexudus does not have.
fn unlinked(
    state: &mut State,
    rules: &Rules,
    what: &'static str,
    listing: &Listing<impl Record<Id: Into<u64>>>,
    id: impl Fn(Item) -> Option<u64>,
) {
    if listing.whole.is_none() {
        return;
    }
    let there: BTreeSet<u64> = listing.rows.iter().map(|row| row.id().into()).collect();
    state.link_notes.insert(what, leads_nowhere(rules, &there, id));
}

/// Links of the items that `id` picks, to something that is not there.
pub(super) fn leads_nowhere(rules: &Rules, there: &BTreeSet<u64>, id: impl Fn(Item) -> Option<u64>) -> Vec<String> {
    let missing = rules.links.iter().filter(|link| id(link.item).is_some_and(|id| !there.contains(&id)));
    missing
        .map(|link| format!("the link of {} leads nowhere: Nexudus does not have it; correct the [[link]]", link.item))
        .collect()
}

/// Whether the location's zone in Nexudus is `site.timezone`.
pub(super) async fn check_zone(engine: &Engine) {
    let notes = match engine.nexudus.zone_check(engine.guess()).await {
        Ok(ZoneCheck::Differs { nexudus, ours }) => {
            vec![format!("Nexudus says the location's zone is '{nexudus}', site.timezone says {ours}: correct one")]
        }
        Ok(ZoneCheck::Agrees) => Vec::new(),
        Ok(ZoneCheck::Unknown(why)) => {
            tracing::info!(why, "the location's zone could not be compared");
            Vec::new()
        }
        Err(error) => {
            tracing::info!(%error, "the location's zone could not be compared");
            return;
        }
    };
    engine.state().link_notes.insert("zone", notes);
    engine.told.notify_one();
}
