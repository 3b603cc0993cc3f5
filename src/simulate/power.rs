//! The box's power, which may go at any moment: at a call to a cloud, before it or once the work is done, or at a write
//! to the disk.
//!
//! Once it is gone nothing more leaves the box and nothing more reaches its disk, whatever still runs. Whoever drives
//! the box waits for [`Power::gone`], drops the gateway where it stands and starts it again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// At which side of a call the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The request never reaches the cloud.
    Before,
    /// The cloud has done the work, the answer never comes.
    After,
}

/// The power of one box. Clones are one.
#[derive(Clone, Default)]
pub struct Power(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    went: Notify,
}

#[derive(Default)]
struct State {
    gone: bool,
    calls: u64,
    writes: u64,
    cut_at: Option<(u64, Side)>,
    cut_at_write: Option<u64>,
    /// Told at once when the power goes: what it fed must fall silent before anything else runs.
    fed: Option<std::boxed::Box<dyn Fn() + Send>>,
}

impl Power {
    /// Power that is there.
    pub fn on() -> Power {
        Power::default()
    }

    /// Whether it is gone.
    pub fn is_gone(&self) -> bool {
        self.state().gone
    }

    /// It goes now.
    pub fn cut(&self) {
        let mut state = self.state();
        if !state.gone {
            state.gone = true;
            state.cut_at = None;
            state.cut_at_write = None;
            state.fed.iter().for_each(|fall_silent| fall_silent());
        }
        drop(state);
        self.0.went.notify_one();
    }

    /// It goes at the `nth` call to a cloud from now on, counted from 1.
    pub fn cut_at_call(&self, nth: u64, side: Side) {
        let mut state = self.state();
        state.cut_at = Some((state.calls + nth.max(1), side));
    }

    /// It goes at the `nth` write to the disk from now on, counted from 1: before anything of it is written.
    pub fn cut_at_write(&self, nth: u64) {
        let mut state = self.state();
        state.cut_at_write = Some(state.writes + nth.max(1));
    }

    /// It goes at no call and at no write any more.
    pub fn never_mind(&self) {
        let mut state = self.state();
        state.cut_at = None;
        state.cut_at_write = None;
    }

    /// It comes back. What was to happen to it is forgotten.
    pub fn restore(&self) {
        let mut state = self.state();
        state.gone = false;
        state.cut_at = None;
        state.cut_at_write = None;
    }

    /// Done once it is gone. For one who waits alone.
    pub async fn gone(&self) {
        while !self.is_gone() {
            self.0.went.notified().await;
        }
    }

    /// What falls silent in the very moment in which it goes, in place of what was fed before. It must not ask the
    /// power anything.
    pub(super) fn feed_only(&self, fall_silent: impl Fn() + Send + 'static) {
        self.state().fed = Some(std::boxed::Box::new(fall_silent));
    }

    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// A call begins; gives its number. The power may be gone after this.
    pub(super) fn call(&self) -> u64 {
        let mut state = self.state();
        state.calls += 1;
        let number = state.calls;
        drop(state);
        self.reach(number, Side::Before);
        number
    }

    /// A write to the disk begins. The power may be gone after this.
    pub(super) fn write(&self) {
        let mut state = self.state();
        state.writes += 1;
        let due = state.cut_at_write == Some(state.writes);
        drop(state);
        if due {
            self.cut();
        }
    }

    /// A call comes to a side of it. The power may be gone after this.
    pub(super) fn reach(&self, call: u64, side: Side) {
        let due = self.state().cut_at == Some((call, side));
        if due {
            self.cut();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
