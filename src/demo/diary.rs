//! What was done to the demo's world and when: what the checker may excuse, and what it has to find.

use super::{Moment, Span};
use crate::twin::kisi::Decision;

/// Something about the world that is not as usual for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// Neither the gateway nor the readers reach the clouds.
    Internet,
    /// Nexudus alone doesn't answer, or not as it should.
    Nexudus,
    /// Kisi alone doesn't answer, or not as it should.
    Kisi,
    /// A cloud refuses the gateway's user or key.
    Refused,
    /// The gateway was told to write nothing.
    Paused,
    /// The broker takes nothing.
    Broker,
    /// The gateway has no power.
    Gateway,
    /// A list of Nexudus comes back empty, which never is a complete reading.
    EmptyList,
    /// A list of Nexudus comes back much shorter, as if complete: the guard must hold what would follow.
    ShrunkenList,
    /// A list of Nexudus lacks some rows, as if complete: what is missing twice counts as gone (rules 6), unless it
    /// would shut out more than the guard lets pass.
    ThinnedList,
    /// Kisi's `Date` is wrong.
    KisiDate,
    /// The box's own clock is wrong.
    BoxClock,
    /// The box's disk takes nothing.
    Disk,
}

/// A card or a phone at a door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Try {
    /// When.
    pub at: Moment,
    /// Whose, by the e-mail of the Kisi user.
    pub email: String,
    /// The Kisi user.
    pub user: u64,
    /// The door.
    pub lock: u64,
    /// What the door did.
    pub decision: Decision,
}

/// Something that people did in Kisi by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hand {
    /// Made an assignment.
    Made {
        /// When.
        at: Moment,
        /// The row.
        row: u64,
    },
    /// Removed an assignment that the gateway had made.
    Removed {
        /// When.
        at: Moment,
        /// The row.
        row: u64,
    },
    /// Removed an assignment that another hand had made.
    Dropped {
        /// When.
        at: Moment,
        /// The row.
        row: u64,
    },
    /// Suspended a user.
    Suspended {
        /// When.
        at: Moment,
        /// The user.
        user: u64,
    },
    /// Restored a user.
    Restored {
        /// When.
        at: Moment,
        /// The user.
        user: u64,
    },
}

/// All of it, in order.
#[derive(Clone, Debug, Default)]
pub struct Diary {
    open: Vec<(Trouble, Moment)>,
    over: Vec<(Trouble, Span)>,
    /// Every try at a door.
    pub tries: Vec<Try>,
    /// What was done by hand in Kisi.
    pub hands: Vec<Hand>,
}

impl Diary {
    /// A trouble begins. One that stands already goes on.
    pub fn begins(&mut self, trouble: Trouble, at: Moment) {
        if !self.open.iter().any(|(standing, _)| *standing == trouble) {
            self.open.push((trouble, at));
        }
    }

    /// A trouble ends.
    pub fn ends(&mut self, trouble: Trouble, at: Moment) {
        if let Some(place) = self.open.iter().position(|(standing, _)| *standing == trouble) {
            let (_, from) = self.open.remove(place);
            self.over.push((trouble, Span::new(from, at)));
        }
    }

    /// Whether a trouble stands.
    pub fn stands(&self, trouble: Trouble) -> bool {
        self.open.iter().any(|(standing, _)| *standing == trouble)
    }

    /// When a trouble stood, in order; one that still does ends with `end`.
    pub fn spans(&self, trouble: Trouble, end: Moment) -> Vec<Span> {
        let open = self.open.iter().map(|(standing, from)| (*standing, Span::new(*from, end)));
        let mut spans: Vec<Span> =
            self.over.iter().copied().chain(open).filter(|(was, _)| *was == trouble).map(|(_, span)| span).collect();
        spans.sort_by_key(|span| span.from);
        spans
    }
}
