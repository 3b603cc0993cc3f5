//! The one place that reads a clock.
//!
//! Everything that waits or asks the time takes a [`Clock`]. It runs at the pace of the machine, faster (the demo at
//! `--speed`), or on tokio's paused time (tests, the simulation). What decides takes `now` as a value and never sees
//! this room. The system's wall clock is here for logs and for comparing it with Kisi's: nothing decides by it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// A reading of the monotonic clock: the time since this run began. It never jumps and says nothing about the date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mono(pub Duration);

impl Mono {
    /// This reading and `later` more.
    pub fn plus(self, later: Duration) -> Mono {
        Mono(self.0.saturating_add(later))
    }

    /// How long ago `earlier` was; zero if it is yet to come.
    pub fn since(self, earlier: Mono) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// A wait that ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("timed out")]
pub struct Elapsed;

/// Tells the time and waits. Cheap to clone; all clones tell the same time.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    base: tokio::time::Instant,
    speed: f64,
    /// The system's wall clock at `base`, and by how many milliseconds tests and the demo put it wrong.
    wall: Wall,
    shift_ms: AtomicI64,
}

#[derive(Debug)]
enum Wall {
    System,
    From(DateTime<Utc>),
}

impl Clock {
    /// The machine's own clock.
    pub fn system() -> Clock {
        Clock::build(Wall::System, 1.0)
    }

    /// A clock that starts at `start` and runs `speed` times as fast as the machine's. With tokio's time paused and
    /// a speed of 1 it is a virtual clock.
    pub fn starting_at(start: DateTime<Utc>, speed: f64) -> Clock {
        Clock::build(Wall::From(start), speed.max(0.001))
    }

    fn build(wall: Wall, speed: f64) -> Clock {
        Clock(Arc::new(Inner { base: tokio::time::Instant::now(), speed, wall, shift_ms: AtomicI64::new(0) }))
    }

    /// The monotonic clock.
    pub fn mono(&self) -> Mono {
        let real = self.0.base.elapsed();
        Mono(if self.0.speed == 1.0 { real } else { real.mul_f64(self.0.speed) })
    }

    /// What the box's own wall clock says: for logs, and to be compared with Kisi's time. It may be wrong by years.
    #[expect(clippy::disallowed_methods, reason = "the one place")]
    pub fn wall(&self) -> DateTime<Utc> {
        let shift = TimeDelta::milliseconds(self.0.shift_ms.load(Ordering::Relaxed));
        match self.0.wall {
            Wall::System => Utc::now() + shift,
            Wall::From(start) => start + TimeDelta::from_std(self.mono().0).unwrap_or(TimeDelta::MAX) + shift,
        }
    }

    /// Puts the wall clock wrong by `by`, as a box without a battery would be: for tests and the demo.
    pub fn shift_wall(&self, by: TimeDelta) {
        self.0.shift_ms.fetch_add(by.num_milliseconds(), Ordering::Relaxed);
    }

    /// Waits for `span` of this clock's time.
    pub async fn sleep(&self, span: Duration) {
        self.sleep_until(self.mono().plus(span)).await;
    }

    /// Waits until this clock's monotonic reading is `at`.
    pub async fn sleep_until(&self, at: Mono) {
        tokio::time::sleep_until(self.0.base + self.unscale(at.0)).await;
    }

    /// `future`'s value, or [`Elapsed`] when it takes longer than `limit` of this clock's time.
    pub async fn timeout<F: Future>(&self, limit: Duration, future: F) -> Result<F::Output, Elapsed> {
        let deadline = self.0.base + self.unscale(self.mono().plus(limit).0);
        tokio::time::timeout_at(deadline, future).await.map_err(|_| Elapsed)
    }

    /// How much of this clock's time goes by in `span` of the machine's: for what takes as long however fast this one runs.
    pub fn scale(&self, span: Duration) -> Duration {
        if self.0.speed == 1.0 { span } else { span.mul_f64(self.0.speed) }
    }

    /// How much real time `span` of this clock's takes: for time-outs that a library counts by itself.
    pub fn unscale(&self, span: Duration) -> Duration {
        if self.0.speed == 1.0 { span } else { span.div_f64(self.0.speed) }
    }
}
