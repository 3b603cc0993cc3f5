//! Decides, and carries out: closes and opens at the second, the most urgent first (rules 3 and 6).
//!
//! Level by level: every wake says only 'look again'. A pass decides over the whole by what is known now and carries
//! out change by change; where something new is learnt on the way, it decides anew before the next one. Each change
//! is in the ledger before the call, and its outcome after it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::adopt;
use super::connection::Fault;
use super::engine::{Cloud, Engine};
use super::events::fault_of;
use super::intents::{self, Halt};
use super::state::{Decision, membership};
use crate::clock::Mono;
use crate::domain::Timestamp;
use crate::domain::guard::loses;
use crate::domain::ledger::{Fact, Intent};
use crate::domain::plan::{Action, Change, Urgency};
use crate::kisi::error::{Fault as CallFault, KisiError};
use crate::kisi::write::{Ctx, Failure, Outcome, class_of};
use crate::net::backoff::{doubled, spread};
use crate::net::pace::Series;
use crate::report::LastSync;
use crate::report::plan::PlanReport;
use crate::store::{Batch, Key};

/// The kind of call that connections and errors name.
pub(super) const CALL: &str = "changes";
/// The longest the loop waits without looking again.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A pause after a failure, and the longest.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// The longest pause while the store can't be written: where there is room again, somebody may be at a door.
const DISK_PAUSE_MAX: Duration = Duration::from_secs(8);
/// How long a change that Kisi refused for itself alone is set aside, and the longest.
const PARK: Duration = Duration::from_secs(30);
const PARK_MAX: Duration = Duration::from_secs(3600);
/// How many changes one pass may carry out before it tells how it went.
const PASS_MAX: usize = 1_000;

/// How a pass ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Decide anew at once: something was learnt on the way.
    Again,
    /// All is done that can be, or nothing may be written: wait for the clock or a wake.
    Wait,
    /// Kisi does not answer: wait a while.
    Pause,
    /// The store can't be written: nothing is done before it can.
    Disk,
}

/// Keeps Kisi as it should be, until `stop`.
pub async fn run(engine: Arc<Engine>, stop: CancellationToken) {
    let mut failures = 0;
    let mut tally = Tally::new(engine.clock.mono());
    engine.foretell();
    loop {
        engine.beat("sync");
        let turn = engine.passing.lock().await;
        let next = pass(&engine, &mut tally).await;
        drop(turn);
        tally.note(&engine);
        let wait = match next {
            Next::Again if stop.is_cancelled() => return,
            Next::Again => continue,
            Next::Wait => {
                failures = 0;
                until_due(&engine)
            }
            Next::Pause => {
                failures += 1;
                spread(doubled(PAUSE, PAUSE_MAX, failures), engine.clock.mono())
            }
            Next::Disk => {
                failures += 1;
                doubled(PAUSE, DISK_PAUSE_MAX, failures)
            }
        };
        tally.series = None;
        engine.tell(false);
        // A pause is not cut short by a wake: what is wrong is on Kisi's side, or the disk's.
        let paused = matches!(next, Next::Pause | Next::Disk);
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = engine.clock.sleep(wait) => {}
            () = engine.sync.notified(), if !paused => {}
        }
        tally = Tally::new(engine.clock.mono());
    }
}

/// One pass for a verb: until nothing is left that may be done. What was done, and what is held. `yes` approves what
/// is held first. The loop's own pass waits meanwhile: what is done is done by one of them, and is told by the other.
pub async fn whole_pass(engine: &Engine, yes: bool) -> Result<PlanReport, String> {
    let _turn = engine.passing.lock().await;
    let mut tally = Tally::new(engine.clock.mono());
    if yes && let Some(plan) = engine.decide(engine.guess()).held_id {
        engine.approve(&plan).await?;
    }
    loop {
        engine.beat("sync");
        match pass(engine, &mut tally).await {
            Next::Again if engine.is_interrupted() => break,
            Next::Again => {}
            Next::Wait => break,
            Next::Pause => {
                let error = engine.state().kisi.error().unwrap_or_else(|| "no answer".to_owned());
                return Err(format!("Kisi: {error}; {} changes were made before", tally.done.len()));
            }
            Next::Disk => {
                let why = engine.state().refused.why().next().unwrap_or("the store can't be written").to_owned();
                return Err(format!("{why}; {} changes were made before", tally.done.len()));
            }
        }
    }
    tally.note(engine);
    let decision = engine.state().decision.clone();
    let mut rest = engine.plan_report(&decision);
    if engine.is_interrupted() {
        let left = decision.go.len();
        rest.remarks.push(format!("interrupted: about {left} changes are left; run 'gatehouse apply' again"));
    }
    let waiting = decision.go.len();
    if tally.done.is_empty() && waiting > 0 && !may_write(engine) {
        rest.remarks.push(format!("{waiting} changes wait and none was made: see 'gatehouse plan'"));
    }
    let (guard, groups) = (rest.guard, rest.groups);
    Ok(PlanReport { guard, groups, ..PlanReport::new(rest.id, &tally.done, &decision.held, rest.remarks) })
}

/// How long until the clock alone changes something, or what is set aside may be tried again.
fn until_due(engine: &Engine) -> Duration {
    let mono = engine.clock.mono();
    let state = engine.state();
    let now = state.time.now(mono.0);
    let due = now.zip(state.decision.plan.next_at).map(|(now, next)| (next - now).to_std().unwrap_or_default());
    // What is set aside is not tried while nothing may be written.
    let tries = engine.settings.write && !state.paused && now.is_some() && engine.kisi.refusal().is_none();
    let parked = state.parked.iter().filter(|_| tries).map(|parked| parked.until.since(mono)).min();
    [due, parked].into_iter().flatten().min().unwrap_or(LONGEST_WAIT).clamp(Duration::from_millis(10), LONGEST_WAIT)
}

/// Whoever calls this holds `passing`: a verb's pass and the loop's take turns, so that one change is never made twice.
async fn pass(engine: &Engine, tally: &mut Tally) -> Next {
    {
        let state = engine.state();
        if !state.read_once || state.roster.read_at.is_none() || state.own_user.is_none() {
            return Next::Wait;
        }
    }
    let Some(now) = engine.trusted_now() else {
        engine.decide(engine.guess());
        return Next::Wait;
    };
    if engine.state().stands(now) {
        return Next::Wait;
    }
    if may_write(engine) {
        match intents::look_up(engine, now).await {
            Ok(()) => {}
            Err(Halt::Unready) => return Next::Wait,
            Err(Halt::Silent) => return Next::Pause,
            Err(Halt::Disk) => return Next::Disk,
        }
    }
    let before = engine.state().guard.clone();
    let decision = engine.decide(now);
    if keep(engine, &decision, &before).await.is_err() {
        return Next::Disk;
    }
    intents::forget_unwanted(engine).await;
    if !may_write(engine) {
        return Next::Wait;
    }
    carry_out_all(engine, &decision, tally).await
}

fn may_write(engine: &Engine) -> bool {
    engine.settings.write && !engine.state().paused && engine.kisi.refusal().is_none()
}

/// Keeps what the decision noted: of users, and of the guard where somebody must find it again.
async fn keep(
    engine: &Engine,
    decision: &Decision,
    before: &crate::domain::guard::Memory,
) -> Result<(), crate::store::StoreError> {
    let mut batch = Batch::new();
    {
        let mut state = engine.state();
        for account in &decision.plan.accounts {
            state.note(account.clone(), &mut batch);
        }
        batch.value_along(Key::Hands, &state.hands);
        let guard = &state.guard;
        if (&guard.held, &guard.lists, &guard.approved) != (&before.held, &before.lists, &before.approved) {
            batch.value(Key::Guard, guard);
        } else if guard != before {
            batch.value_along(Key::Guard, guard);
        }
    }
    engine.commit(batch).await
}

async fn carry_out_all(engine: &Engine, decision: &Decision, tally: &mut Tally) -> Next {
    let mut made = 0;
    for change in &decision.go {
        if engine.state().dirty || made >= PASS_MAX {
            return Next::Again;
        }
        // The guard's and the clock's word on this change is as old as the decision: past the next moment at which the
        // clock changes the plan, it is asked anew.
        match (engine.trusted_now(), decision.plan.next_at) {
            (None, _) => return Next::Wait,
            (Some(now), Some(next)) if next <= now => return Next::Again,
            _ => {}
        }
        if !may_write(engine) || engine.is_interrupted() {
            return Next::Wait;
        }
        if set_aside(engine, change) {
            continue;
        }
        made += 1;
        let class = class_of(change.urgency);
        tally.series.get_or_insert_with(|| engine.kisi.series(class)).goes_on_as(class);
        // Hundreds of changes take minutes at Kisi's rate.
        engine.beat("sync");
        match carry_out(engine, change, tally).await {
            Step::Done => {}
            Step::Again => return Next::Again,
            Step::Pause => return Next::Pause,
            Step::Disk => return Next::Disk,
        }
    }
    // What was made is no longer to be made: one more look says so, and what comes next.
    if made > 0 { Next::Again } else { Next::Wait }
}

/// Whether the change waits: for its user to be made, after a failure, because another hand keeps removing the row, or
/// for what changed in Nexudus during an outage.
fn set_aside(engine: &Engine, change: &Change) -> bool {
    let (mono, now) = (engine.clock.mono(), engine.guess());
    let state = engine.state();
    if change.urgency > Urgency::Close && state.behind.waits(mono) {
        return true;
    }
    let added = matches!(change.action, Action::Added { .. });
    let waits_for_user = added && change.person.user.is_none();
    let slot = change.person.user.zip(change.group()).filter(|_| added);
    let contested = slot.is_some_and(|(user, group)| state.contests.waits(user, group, now).is_some());
    waits_for_user || contested || state.parked(change).is_some_and(|parked| parked.until > mono)
}

/// How one change went.
enum Step {
    /// On to the next: it was made, or is set aside.
    Done,
    /// Decide anew.
    Again,
    /// Kisi does not answer.
    Pause,
    /// The store can't be written.
    Disk,
}

async fn carry_out(engine: &Engine, change: &Change, tally: &mut Tally) -> Step {
    if let Action::Adopted { row: Some(row), .. } = &change.action {
        return match adopt::take_back(engine, change, *row).await {
            true => Step::Done,
            false => Step::Disk,
        };
    }
    let Some(now) = engine.trusted_now() else { return Step::Pause };
    let Some((intent, ctx, loss)) = prepare(engine, change, now) else { return Step::Pause };
    let mut batch = Batch::new();
    batch.intend(&intent);
    if engine.commit(batch).await.is_err() {
        engine.state().ledger.intents.remove(&intent.id);
        return Step::Disk;
    }
    let outcome = engine.kisi.carry_out(change, &ctx).await;
    conclude(engine, &intent, outcome, loss, tally).await
}

/// The intent to be written ahead, what the call needs to know, and whether somebody loses a group by it.
fn prepare(engine: &Engine, change: &Change, now: Timestamp) -> Option<(Intent, Ctx, bool)> {
    let rules = engine.rules();
    let state = engine.state();
    let known = state.known(&rules, now);
    let loss = loses(&known, change);
    let replacing = state.ledger.patch_ignored && matches!(change.action, Action::Moved { .. });
    let mut state = state;
    state.next_intent += 1;
    let intent = Intent { id: state.next_intent, change: change.clone(), at: now, replacing };
    let ctx = intents::context(&rules, &state, &intent, now)?;
    state.ledger.intents.insert(intent.id, intent.clone());
    Some((intent, ctx, loss))
}

/// Takes in what came of a change: facts first, in one write with the end of the intent.
async fn conclude(engine: &Engine, intent: &Intent, outcome: Outcome, loss: bool, tally: &mut Tally) -> Step {
    let now = engine.guess();
    let change = &intent.change;
    let mut batch = Batch::new();
    {
        let rules = engine.rules();
        let mut state = engine.state();
        if let Err(Failure::RowGone { row }) = &outcome.result {
            state.missed(*row, now);
        }
        for fact in &outcome.facts {
            state.learn(fact, &rules.site, now, &mut batch);
        }
        if !stays_open(&outcome.result) {
            state.ledger.intents.remove(&intent.id);
            batch.settle(intent.id);
        }
        if let Ok(done) = &outcome.result {
            intents::settle_mended(&mut state, change, &mut batch);
            if let Some(slot) = change.person.user.zip(change.group()) {
                state.asked_for.remove(&slot);
            }
            state.guard.made(change, loss, now);
            batch.value_along(Key::Guard, &state.guard);
            if let Some(form) = done.form
                && state.learnt.learn(form)
            {
                batch.value(Key::Form, &state.learnt);
            }
        }
    }
    if engine.commit(batch).await.is_err() {
        // What was learnt stays in memory; the ledger still holds the intent, and the next start looks it up.
        return Step::Disk;
    }
    match outcome.result {
        Ok(done) => {
            if done.wrote {
                tally.made(engine, &made(change, &outcome.facts), now);
            }
            engine.succeeded(Cloud::Kisi, CALL);
            // A user who is there now can be given what waited for them.
            if matches!(change.action, Action::Invited) || !done.wrote { Step::Again } else { Step::Done }
        }
        Err(failure) => failed(engine, change, failure),
    }
}

/// The change as it was made: of a new user, with the id that Kisi gave.
fn made(change: &Change, facts: &[Fact]) -> Change {
    let mut change = change.clone();
    if change.person.user.is_none() {
        change.person.user = facts.iter().find_map(|fact| match fact {
            Fact::UserMade { user } => Some(user.id),
            _ => None,
        });
    }
    change
}

/// Whether it is still to be found out what became of the change, or a row is still to come back.
fn stays_open(result: &Result<crate::kisi::write::Done, Failure>) -> bool {
    matches!(result, Err(Failure::Unknown(_) | Failure::Replacing(_)))
}

fn failed(engine: &Engine, change: &Change, failure: Failure) -> Step {
    let why = failure.to_string();
    tracing::warn!(change = change.word(), group = ?change.group(), user = ?change.person.user, why, "not done");
    if let Some(fault) = fault_of_failure(&failure) {
        engine.failed(Cloud::Kisi, CALL, fault, why.clone());
    }
    match failure {
        Failure::Refused(_) | Failure::Unknown(_) | Failure::Replacing(_) => Step::Pause,
        Failure::Passing(error) if silent(&error) => Step::Pause,
        // These have told something new: the next decision is another one.
        Failure::PatchIgnored { .. } | Failure::RowGone { .. } | Failure::UserGone { .. } => Step::Again,
        _ => {
            let mono = engine.clock.mono();
            let mut state = engine.state();
            let tries = state.parked(change).map_or(0, |parked| parked.tries);
            let until = mono.plus(doubled(PARK, PARK_MAX, tries));
            state.park(change, why, until);
            drop(state);
            engine.told.notify_one();
            Step::Again
        }
    }
}

fn silent(error: &KisiError) -> bool {
    matches!(error, KisiError::Passing { fault: CallFault::NotSent(_) | CallFault::Lost(_) | CallFault::Busy(_), .. })
}

/// What the failure says of the connection; nothing, where it concerns its item alone.
fn fault_of_failure(failure: &Failure) -> Option<Fault> {
    match failure {
        Failure::Passing(error) | Failure::Unknown(error) | Failure::Refused(error) => Some(fault_of(error)),
        Failure::Replacing(inner) => fault_of_failure(inner),
        _ => None,
    }
}

/// What a pass has done.
struct Tally {
    began: Mono,
    done: Vec<Change>,
    counts: BTreeMap<&'static str, usize>,
    /// Its turns at Kisi, over all that is decided anew on the way.
    series: Option<Series>,
}

impl Tally {
    fn new(began: Mono) -> Tally {
        Tally { began, done: Vec::new(), counts: BTreeMap::new(), series: None }
    }

    fn made(&mut self, engine: &Engine, change: &Change, now: Timestamp) {
        tracing::info!(
            change = change.word(),
            group = ?change.group().map(|group| group.0),
            user = ?change.person.user.map(|user| user.0),
            customer = ?change.person.customer.map(|customer| customer.0),
            reason = %change.reason,
            "done"
        );
        engine.memberships.push(membership(change, engine.settings.people, now));
        engine.tallies().change(change.word());
        *self.counts.entry(change.word()).or_default() += 1;
        engine.made.fetch_add(1, Ordering::Relaxed);
        self.done.push(change.clone());
    }

    /// Notes it as the last pass that did something.
    fn note(&self, engine: &Engine) {
        if self.done.is_empty() {
            return;
        }
        let of = |word| self.counts.get(word).copied().unwrap_or_default();
        let took = engine.clock.mono().since(self.began);
        engine.tallies().sync(took);
        let last = LastSync {
            at: engine.guess(),
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            added: of("added"),
            moved: of("moved"),
            removed: of("removed"),
            suspended: of("suspended"),
            restored: of("restored"),
            deleted: of("deleted"),
        };
        engine.state().last_sync = Some(last);
        engine.told.notify_one();
    }
}
