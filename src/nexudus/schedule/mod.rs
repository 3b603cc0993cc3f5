//! What to read next, and when: values in, a job out.
//!
//! Each list has a lane for complete readings and, where it helps, one for updates. Lanes keep their pace as long as
//! the budget of calls allows; where it does not, all paces are stretched by the same factor, and [`Schedule::paces`]
//! says what is really kept (promise 2). A lane that fails backs off alone; a failure that concerns all of Nexudus holds
//! all of them, and one job tries again.

mod share;
#[cfg(test)]
mod tests;

use std::time::Duration;

use share::Share;

use super::error::{NexudusError, Refusal};
use super::needs::Needs;
use crate::clock::Mono;
use crate::domain::snapshot::Entity;
use crate::net::backoff::{Backoff, doubled};

/// One reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Job {
    /// A list, whole.
    Whole(Entity),
    /// What of a list was updated since its mark.
    Updated(Entity),
    /// Bookings cancelled since the last such reading.
    Cancelled,
}

/// What became of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Read,
    /// It was done and brought new cancellations: bookings are to be read whole at once (rules 6).
    Cancellations,
    /// It failed.
    Failed {
        /// Whether the other lists would fare no better: no answer, a throttle, a refused sign-in.
        all: bool,
        /// Whether only a person can mend it: pauses are then those of rules 8.
        refused: bool,
        /// How long Nexudus asked to wait.
        retry_after: Option<Duration>,
    },
}

impl From<&NexudusError> for Outcome {
    fn from(error: &NexudusError) -> Outcome {
        let refusal = error.refusal();
        let all = match refusal {
            Some(Refusal::SignIn { .. }) => true,
            Some(Refusal::Role { .. }) => false,
            None => error.is_no_answer() || error.is_throttle(),
        };
        Outcome::Failed { all, refused: refusal.is_some(), retry_after: error.retry_after() }
    }
}

/// How often, as the configuration wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paces {
    /// `nexudus.changes`: updated and cancelled bookings; the other updates at three times it.
    pub changes: Duration,
    /// `nexudus.refresh`: complete readings.
    pub refresh: Duration,
}

/// Of the calls that the budget fills up with, this share is planned with at most: tokens, single customers and hints
/// take the rest.
const PLANNED: f64 = 0.9;
/// Names only are read this many times less often than what decides.
const NAMES: u32 = 10;
/// Passing failures are tried again within this, and a `Retry-After` is obeyed up to the last.
const FLOOR: Duration = Duration::from_secs(2);
const CEILING: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// After a refusal: 10 s, then doubling up to 5 minutes (rules 8).
const REFUSED_FLOOR: Duration = Duration::from_secs(10);
const REFUSED_CEILING: Duration = Duration::from_secs(5 * 60);
/// A hint does not begin a reading of updates sooner than this after the last one began.
const HINTED_APART: Duration = Duration::from_secs(1);

/// What to read next.
#[derive(Clone, Debug)]
pub struct Schedule {
    paces: Paces,
    /// Calls in a second that the budget sustains.
    sustained: f64,
    lanes: Vec<Lane>,
    hinted: Share,
    outage: Troubles,
    rng: fastrand::Rng,
}

#[derive(Clone, Debug)]
struct Lane {
    job: Job,
    every: Every,
    due: Mono,
    began: Option<Mono>,
    running: bool,
    /// Asked for again while it ran: from when.
    again: Option<Mono>,
    /// Updates wait for the first complete reading, which gives them a mark.
    ready: bool,
    /// What it took the last time.
    calls: u32,
    troubles: Troubles,
}

#[derive(Clone, Copy, Debug)]
enum Every {
    Changes(u32),
    Refresh(u32),
}

/// Failures in a row, and until when they hold.
#[derive(Clone, Debug)]
struct Troubles {
    passing: Backoff,
    refused: u32,
    until: Mono,
}

impl Troubles {
    fn none() -> Troubles {
        Troubles { passing: Backoff::new(FLOOR, CEILING, PATIENCE), refused: 0, until: Mono::default() }
    }

    fn any(&self) -> bool {
        self.passing.failures() > 0 || self.refused > 0
    }

    fn add(&mut self, now: Mono, refused: bool, retry_after: Option<Duration>, rng: &mut fastrand::Rng) {
        let pause = if refused {
            let pause = doubled(REFUSED_FLOOR, REFUSED_CEILING, self.refused);
            self.refused = self.refused.saturating_add(1);
            pause
        } else {
            self.passing.failed(retry_after, rng)
        };
        self.until = now.plus(pause);
    }
}

/// What those needs are read by, what restricts before what it restricts.
fn lanes(needs: &Needs, now: Mono) -> Vec<Lane> {
    let mut lanes = Vec::new();
    let mut add = |job, every, ready| {
        let (began, running, again, calls, troubles) = (None, false, None, 1, Troubles::none());
        lanes.push(Lane { job, every, due: now, began, running, again, ready, calls, troubles });
    };
    for entity in needs.entities() {
        let names_only = matches!(entity, Entity::Resources | Entity::Desks);
        add(Job::Whole(entity), Every::Refresh(if names_only { NAMES } else { 1 }), true);
    }
    for entity in needs.entities() {
        match entity {
            Entity::Bookings => {
                add(Job::Updated(entity), Every::Changes(1), false);
                add(Job::Cancelled, Every::Changes(1), false);
            }
            Entity::Resources | Entity::Desks | Entity::PassKinds => {}
            Entity::Customers | Entity::Passes | Entity::Contracts | Entity::PausedPeriods | Entity::Teams => {
                add(Job::Updated(entity), Every::Changes(3), false);
            }
        }
    }
    lanes
}

impl Schedule {
    /// A schedule at its start: every list that the links need is due, what restricts before what it restricts.
    /// `calls_per_hour` is what the budget sustains
    /// ([`sustained_per_hour`](super::client::NexudusClient::sustained_per_hour)).
    pub fn new(needs: &Needs, paces: Paces, calls_per_hour: f64, now: Mono, rng: fastrand::Rng) -> Schedule {
        let lanes = lanes(needs, now);
        let (sustained, hinted, outage) = (calls_per_hour / 3600.0, Share::default(), Troubles::none());
        Schedule { paces, sustained, lanes, hinted, outage, rng }
    }

    /// Other links: all that they need is read whole now, what none of them needs is read no more.
    pub fn set_needs(&mut self, needs: &Needs, now: Mono) {
        for old in std::mem::replace(&mut self.lanes, lanes(needs, now)) {
            let Some(lane) = self.lane(old.job) else { continue };
            *lane = old;
            if matches!(lane.job, Job::Whole(_)) {
                lane.hasten(now);
            }
        }
    }

    /// The next job and when to begin it: now, or later. Of those that are due, the one whose next turn comes first (its
    /// due time and its pace) goes first, so that after an outage the most frequent ones lead. `None`: all are under
    /// way, or no link needs anything.
    pub fn next(&self, now: Mono) -> Option<(Mono, Job)> {
        self.next_of(now, |_| true)
    }

    /// As [`next`](Schedule::next), of readings of updates and cancellations alone: a long list that is read whole need
    /// not hold them up.
    pub fn next_update(&self, now: Mono) -> Option<(Mono, Job)> {
        self.next_of(now, |job| !matches!(job, Job::Whole(_)))
    }

    fn next_of(&self, now: Mono, wanted: impl Fn(Job) -> bool) -> Option<(Mono, Job)> {
        let idle = self.lanes.iter().filter(|lane| lane.ready && !lane.running && wanted(lane.job));
        let turns = idle.map(|lane| {
            let at = now.max(lane.due).max(lane.troubles.until).max(self.outage.until);
            (at, lane.due.plus(lane.every.pace(self.paces)), lane.job)
        });
        // The first of equals: the lanes stand in the order in which they should come at the start.
        turns.min_by_key(|(at, turn, _)| (*at, *turn)).map(|(at, _, job)| (at, job))
    }

    /// The readings of updates and cancellations, which say what changed.
    pub fn updates(&self) -> impl Iterator<Item = Job> {
        self.lanes.iter().map(|lane| lane.job).filter(|job| !matches!(job, Job::Whole(_)))
    }

    /// Notes that the job begins: it is not named again until it is done.
    pub fn begin(&mut self, job: Job, now: Mono) {
        if let Some(lane) = self.lane(job) {
            lane.running = true;
            lane.again = None;
            lane.began = Some(now);
        }
    }

    /// Notes what became of it and how many calls it took.
    pub fn done(&mut self, job: Job, now: Mono, calls: u32, outcome: Outcome) {
        match outcome {
            Outcome::Failed { all: true, refused, retry_after } if now >= self.outage.until => {
                self.outage.add(now, refused, retry_after, &mut self.rng);
            }
            Outcome::Failed { .. } => {}
            Outcome::Read | Outcome::Cancellations => self.outage = Troubles::none(),
        }
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.job == job) {
            lane.running = false;
            match outcome {
                Outcome::Read | Outcome::Cancellations => {
                    lane.troubles = Troubles::none();
                    lane.calls = calls.max(1);
                }
                Outcome::Failed { all: true, .. } => {}
                Outcome::Failed { all: false, refused, retry_after } => {
                    lane.troubles.add(now, refused, retry_after, &mut self.rng);
                }
            }
        }
        self.plan(job, now, outcome);
    }

    fn plan(&mut self, job: Job, now: Mono, outcome: Outcome) {
        let stretch = self.stretch();
        let paces = self.paces;
        let read = !matches!(outcome, Outcome::Failed { .. });
        if let Some(lane) = self.lane(job)
            && read
        {
            let next = lane.began.unwrap_or(now).plus(lane.every.pace(paces).mul_f64(stretch));
            lane.due = lane.again.map_or(next, |again| next.min(again)).max(now);
        }
        match job {
            Job::Whole(entity) if read => {
                for lane in &mut self.lanes {
                    let waits =
                        lane.job == Job::Updated(entity) || (lane.job == Job::Cancelled && entity == Entity::Bookings);
                    if waits && !lane.ready {
                        lane.ready = true;
                        lane.due = now.plus(lane.every.pace(paces).mul_f64(stretch));
                    }
                }
            }
            Job::Cancelled if outcome == Outcome::Cancellations => self.hasten(Job::Whole(Entity::Bookings), now),
            _ => {}
        }
        // The sibling of a lane that failed would fail too.
        let Some(held) = self.lanes.iter().find(|lane| lane.job == job).map(|lane| lane.troubles.until) else { return };
        if let (Job::Whole(entity) | Job::Updated(entity), false) = (job, read) {
            for lane in self.lanes.iter_mut().filter(|lane| lane.job.entity() == Some(entity)) {
                lane.due = lane.due.max(held);
            }
        }
    }

    /// Something says that Nexudus changed (a webhook): updates are read now, bookings first. So are, though not as
    /// often, the complete lists that can change without a trace: bookings deleted by hand, passes used at a check-in.
    /// All within what the paces leave of the budget (rules 8): what does not fit comes later, or at its own pace.
    pub fn hint(&mut self, now: Mono) {
        let stretch = self.stretch();
        let whole_apart = (self.paces.changes * 3).max(self.paces.refresh / 4).mul_f64(stretch);
        let rate = Share::rate(self.sustained, self.wanted() / stretch);
        let bookings = |job: &Job| matches!(job, Job::Updated(Entity::Bookings) | Job::Cancelled);
        let (first, then): (Vec<Job>, Vec<Job>) = self.jobs().into_iter().partition(bookings);
        let (updates, whole): (Vec<Job>, Vec<Job>) = then.into_iter().partition(|job| matches!(job, Job::Updated(_)));
        for job in first.into_iter().chain(updates).chain(whole) {
            let apart = match job {
                Job::Updated(_) | Job::Cancelled => HINTED_APART,
                Job::Whole(Entity::Bookings | Entity::Passes) => whole_apart,
                Job::Whole(_) => continue,
            };
            let hinted = self.hinted;
            let Some(lane) = self.lane(job).filter(|lane| !lane.troubles.any()) else { continue };
            let (may, rest) = hinted.claim(lane.calls, rate, now);
            let at = lane.began.map_or(now, |began| began.plus(apart).max(now)).max(may);
            let sooner = if lane.running { lane.again.is_none() } else { at < lane.due };
            if sooner {
                match lane.running {
                    true => lane.again = Some(at),
                    false => lane.due = at,
                }
                self.hinted = rest;
            }
        }
    }

    /// Everything is read now (the command `sync`), but what just failed keeps its pause.
    pub fn all(&mut self, now: Mono) {
        for job in self.jobs() {
            self.hasten(job, now);
        }
    }

    /// Failures are forgotten (SIGHUP), and everything is read now.
    pub fn reset(&mut self, now: Mono) {
        self.outage = Troubles::none();
        for lane in &mut self.lanes {
            lane.troubles = Troubles::none();
            lane.due = lane.due.min(now);
        }
    }

    /// The paces that are really kept.
    pub fn paces(&self) -> Paces {
        let stretch = self.stretch();
        Paces { changes: self.paces.changes.mul_f64(stretch), refresh: self.paces.refresh.mul_f64(stretch) }
    }

    /// By how much all paces are stretched, so that the calls that the lanes took last fit into the budget.
    fn stretch(&self) -> f64 {
        let planned = self.sustained * PLANNED;
        if planned > 0.0 { (self.wanted() / planned).max(1.0) } else { 1.0 }
    }

    /// Calls in a second that the paces ask for, by what the lanes took last.
    fn wanted(&self) -> f64 {
        self.lanes.iter().map(|lane| f64::from(lane.calls) / lane.every.pace(self.paces).as_secs_f64().max(0.001)).sum()
    }

    fn hasten(&mut self, job: Job, now: Mono) {
        if let Some(lane) = self.lane(job) {
            lane.hasten(now);
        }
    }

    fn jobs(&self) -> Vec<Job> {
        self.lanes.iter().filter(|lane| lane.ready).map(|lane| lane.job).collect()
    }

    fn lane(&mut self, job: Job) -> Option<&mut Lane> {
        self.lanes.iter_mut().find(|lane| lane.job == job)
    }
}

impl Lane {
    /// Read now, and again where it is being read.
    fn hasten(&mut self, now: Mono) {
        if self.running {
            self.again = Some(now);
        }
        self.due = self.due.min(now);
    }
}

impl Every {
    fn pace(self, paces: Paces) -> Duration {
        match self {
            Every::Changes(times) => paces.changes * times,
            Every::Refresh(times) => paces.refresh * times,
        }
    }
}

impl Job {
    fn entity(self) -> Option<Entity> {
        match self {
            Job::Whole(entity) | Job::Updated(entity) => Some(entity),
            Job::Cancelled => None,
        }
    }
}
