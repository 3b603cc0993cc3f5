//! The demo: a believable site in both twins, one scripted day, and a checker that judges what came of it.
//!
//! It knows the twins and the clock, and plain values. It must not know `domain`, `nexudus`, `kisi`, `store` or
//! `gateway`: a checker that shared their code would share their mistakes. Whoever drives it starts the gateway, hands
//! each [`script::Step`] to the [`script::Stage`] at its time, obeys the [`script::Action`]s, and gives what was seen to
//! [`checker::check`].

pub mod bus;
pub mod checker;
pub mod diary;
pub mod feed;
pub mod gate;
pub mod kept;
pub mod script;
pub mod settings;
pub mod site;
pub mod summary;
pub mod view;

use chrono::{DateTime, Utc};

/// A moment of the twins' own clock.
pub type Moment = DateTime<Utc>;

/// A stretch of time, half open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first moment.
    pub from: Moment,
    /// The first moment after it.
    pub until: Moment,
}

impl Span {
    /// From one moment until before another.
    pub fn new(from: Moment, until: Moment) -> Span {
        Span { from, until }
    }

    /// Whether that moment lies in it.
    pub fn contains(&self, at: Moment) -> bool {
        self.from <= at && at < self.until
    }
}
