//! What the disks of one box have in common: the count of their steps, the room on them, and what goes wrong when.
//!
//! A step is a write (a growth counts as one) or a sync, counted over all disks of the box from 1. So 'the power goes at
//! the n-th write' can be asked for each n of a run that has been counted once.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// At which step the power goes. Numbers are counted from 1 over the life of the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// At that write: it has been handed over, and may be lost, torn or kept as any other that was not synced.
    Write(u64),
    /// Before that sync has done anything.
    BeforeSync(u64),
    /// When that sync is through, before anybody has heard of it.
    AfterSync(u64),
}

/// What a step says instead of being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// No room (`ENOSPC`).
    Full,
    /// An error of the medium (`EIO`).
    Io,
}

/// Which steps fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Failing {
    /// How.
    pub fault: Fault,
    /// The first write that fails; `None`: no write does.
    pub from_write: Option<u64>,
    /// The first sync that fails; `None`: no sync does.
    pub from_sync: Option<u64>,
    /// How many steps fail before all is well again.
    pub steps: u64,
}

/// How many steps there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Steps {
    /// Writes and growths.
    pub writes: u64,
    /// Syncs.
    pub syncs: u64,
}

/// The medium of one box. Clones are one.
#[derive(Clone, Debug, Default)]
pub struct Medium(Arc<Mutex<State>>);

/// Told in the moment in which the power goes.
type Told = Box<dyn Fn() + Send>;

#[derive(Default)]
struct State {
    steps: Steps,
    gone: bool,
    cut_at: Option<Moment>,
    failing: Option<Failing>,
    failed: Option<Told>,
    unreadable: bool,
    room: Option<u64>,
    used: u64,
    told: Option<Told>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("steps", &self.steps).field("gone", &self.gone).finish_non_exhaustive()
    }
}

/// What becomes of a step.
pub(super) enum Fate {
    /// It is done.
    Done,
    /// It is done, and the power is gone when it is.
    Last,
    /// It fails.
    Fails(Fault),
}

impl Medium {
    /// A medium with all the room in the world, on which nothing goes wrong.
    pub fn new() -> Medium {
        Medium::default()
    }

    /// How many steps there were until now.
    pub fn steps(&self) -> Steps {
        self.state().steps
    }

    /// The power goes at that moment. `told` hears of it at once, and must not ask the medium anything.
    pub fn cut_at(&self, moment: Moment, told: impl Fn() + Send + 'static) {
        let mut state = self.state();
        state.cut_at = Some(moment);
        state.told = Some(Box::new(told));
    }

    /// The power goes now.
    pub fn cut(&self) {
        self.state().go();
    }

    /// Whether the power is gone.
    pub fn is_cut(&self) -> bool {
        self.state().gone
    }

    /// Lets steps fail, or none.
    pub fn fail(&self, failing: Option<Failing>) {
        self.state().failing = failing;
    }

    /// Lets steps fail, and tells of each that does.
    pub fn fail_telling(&self, failing: Failing, failed: impl Fn() + Send + 'static) {
        let mut state = self.state();
        state.failing = Some(failing);
        state.failed = Some(Box::new(failed));
    }

    /// Lets nothing be read (`EIO`), or all again.
    pub fn unreadable(&self, unreadable: bool) {
        self.state().unreadable = unreadable;
    }

    /// Leaves room for so many bytes more than are taken now, or any number.
    pub fn leave_room(&self, bytes: Option<u64>) {
        let mut state = self.state();
        state.room = bytes.map(|bytes| state.used + bytes);
    }

    /// How many bytes are taken.
    pub fn used(&self) -> u64 {
        self.state().used
    }

    /// Takes room, as far as there is any: how many bytes of `wanted` there are.
    pub(super) fn take(&self, wanted: u64) -> u64 {
        let mut state = self.state();
        let there = state.room.map_or(wanted, |room| wanted.min(room.saturating_sub(state.used)));
        state.used += there;
        there
    }

    pub(super) fn give_back(&self, bytes: u64) {
        let mut state = self.state();
        state.used = state.used.saturating_sub(bytes);
    }

    /// Whether anything can be read.
    pub(super) fn reads(&self) -> io::Result<()> {
        let state = self.state();
        match (state.gone, state.unreadable) {
            (true, _) => Err(no_power()),
            (false, true) => Err(Fault::Io.error()),
            (false, false) => Ok(()),
        }
    }

    pub(super) fn write(&self) -> io::Result<Fate> {
        let mut state = self.state();
        state.steps.writes += 1;
        let number = state.steps.writes;
        let failing = state.failing.is_some_and(|failing| failing.from_write.is_some_and(|from| number >= from));
        state.fate(Moment::Write(number), failing)
    }

    /// A sync begins. After [`Fate::Last`] it is done, and the power is gone.
    pub(super) fn sync(&self) -> io::Result<Fate> {
        let mut state = self.state();
        state.steps.syncs += 1;
        let number = state.steps.syncs;
        if state.cut_at == Some(Moment::BeforeSync(number)) {
            state.go();
        }
        let failing = state.failing.is_some_and(|failing| failing.from_sync.is_some_and(|from| number >= from));
        state.fate(Moment::AfterSync(number), failing)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn go(&mut self) {
        if !self.gone {
            self.gone = true;
            self.told.iter().for_each(|told| told());
        }
    }

    fn fate(&mut self, moment: Moment, fails: bool) -> io::Result<Fate> {
        if self.gone {
            return Err(no_power());
        }
        if self.cut_at == Some(moment) {
            self.go();
            return Ok(Fate::Last);
        }
        let Some(failing) = self.failing.as_mut().filter(|_| fails) else { return Ok(Fate::Done) };
        failing.steps = failing.steps.saturating_sub(1);
        let fault = failing.fault;
        if failing.steps == 0 {
            self.failing = None;
        }
        self.failed.iter().for_each(|failed| failed());
        Ok(Fate::Fails(fault))
    }
}

impl Fault {
    /// As the system says it.
    pub fn error(self) -> io::Error {
        const ENOSPC: i32 = 28;
        const EIO: i32 = 5;
        io::Error::from_raw_os_error(match self {
            Fault::Full => ENOSPC,
            Fault::Io => EIO,
        })
    }
}

/// What whoever still runs is told.
pub(super) fn no_power() -> io::Error {
    io::Error::other("the power is gone")
}
