//! From where updates are read: pure, and sceptical of the filter that it steers.
//!
//! Filters have the precision of a minute, and in which zone Nexudus reads them is not documented (Nexudus API notes,
//! 8, row 1). Read as another zone's time, `from_Booking_UpdatedOn` would ask for a time still to come, and updates
//! would stay away in silence. So a mark is anchored at a row: the last one that was seen. A reading from the anchor's own
//! minute must show that row, or a later one if it was updated since; as long as it does, the filter means what we
//! mean. Where it does not, the same is asked by the site's wall clock, and then 26 hours wider, which no zone escapes.
//! If even that does not show it, the row is gone, and the latest one shown becomes the anchor. What worked is kept.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDateTime, TimeDelta};

use super::whole::ANY_ZONE;
use crate::domain::snapshot::{Booking, Entity};
use crate::domain::{Timestamp, Zone};

/// Rows stamped shortly before others may become visible after them; filters cut off seconds.
const MARGIN: TimeDelta = TimeDelta::minutes(2);
/// How long a cancellation is remembered, and how many at most.
const REMEMBERED: TimeDelta = TimeDelta::hours(48);
const REMEMBERED_MAX: usize = 10_000;

/// From where the updates of one list are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    anchor: Option<Timestamp>,
    began: Timestamp,
    reach: Reach,
}

/// How the filter's zone is dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// It is UTC.
    Utc,
    /// It is the site's wall clock.
    Site,
    /// It may be any zone.
    Day,
}

impl Mark {
    /// After a reading that began then and showed `newest` as the latest stamp that is not after its beginning.
    pub(super) fn behind(newest: Option<Timestamp>, began: Timestamp) -> Mark {
        Mark { anchor: newest, began, reach: Reach::Utc }
    }

    /// Where to begin. Without an anchor nothing can be proven, and the widest reach is taken.
    pub(super) fn reach(&self) -> Reach {
        if self.anchor.is_some() { self.reach } else { Reach::Day }
    }

    /// The filter's value.
    pub(super) fn from(&self, reach: Reach, zone: &Zone) -> NaiveDateTime {
        let anchor = self.anchor.unwrap_or(self.began);
        match reach {
            Reach::Utc => (anchor - MARGIN).naive_utc(),
            Reach::Site => zone.wall_clock(anchor - MARGIN),
            Reach::Day => (anchor - ANY_ZONE).naive_utc(),
        }
    }

    /// Where a reading from there, whose latest stamp is `latest`, leads: a wider reach to try at once, or `None`.
    pub(super) fn widen(&self, reach: Reach, latest: Option<Timestamp>) -> Option<Reach> {
        if self.shown(latest) {
            return None;
        }
        match reach {
            Reach::Utc => Some(Reach::Site),
            Reach::Site => Some(Reach::Day),
            Reach::Day => None,
        }
    }

    /// The mark after a complete reading with that reach.
    pub(super) fn advance(
        &self,
        reach: Reach,
        latest: Option<Timestamp>,
        newest: Option<Timestamp>,
        began: Timestamp,
    ) -> Mark {
        if self.anchor.is_some() && self.shown(latest) {
            return Mark { anchor: self.anchor.max(newest), began, reach };
        }
        Mark::behind(newest, began)
    }

    fn shown(&self, latest: Option<Timestamp>) -> bool {
        self.anchor.is_some_and(|anchor| latest.is_some_and(|latest| latest >= anchor))
    }
}

/// The marks of all lists, in memory only: after a start they come from the first readings.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    by_entity: BTreeMap<Entity, Mark>,
    pub(super) cancelled: Cancelled,
}

impl Marks {
    /// From where that list's updates are read; `None` before its first reading.
    pub(super) fn of(&self, entity: Entity) -> Option<Mark> {
        self.by_entity.get(&entity).copied()
    }

    /// After a reading of the whole list. Only the first one sets a mark: a window of bookings does not show a booking
    /// that moved out of it, so its mark must not run ahead of the updates that were read. One that came incomplete
    /// will do: what it missed, the next one brings.
    pub(super) fn begin(&mut self, entity: Entity, mark: Mark) {
        self.by_entity.entry(entity).or_insert(mark);
    }

    /// After a reading of updates.
    pub(super) fn advance(&mut self, entity: Entity, mark: Mark) {
        self.by_entity.insert(entity, mark);
    }
}

/// The cancellations of the last two days: what makes one complete reading enough for a booking to be gone (rules 6).
#[derive(Clone, Debug, Default)]
pub(super) struct Cancelled {
    mark: Option<Mark>,
    seen: BTreeMap<String, Timestamp>,
}

impl Cancelled {
    /// Whether a cancellation names that booking, by its `Id` or its `UniqueId`: which of the two it holds is not known
    /// (Nexudus API notes, 8, row 5).
    pub(super) fn names(&self, booking: &Booking) -> bool {
        let unique = booking.unique_id.as_deref().map(key);
        self.seen.contains_key(&booking.id.to_string()) || unique.is_some_and(|unique| self.seen.contains_key(&unique))
    }

    pub(super) fn mark(&self, began: Timestamp) -> Mark {
        self.mark.unwrap_or(Mark::behind(None, began))
    }

    /// Takes in what a reading showed, and says how many cancellations are new.
    pub(super) fn take(&mut self, names: impl IntoIterator<Item = String>, mark: Mark, began: Timestamp) -> usize {
        self.mark = Some(mark);
        let names: BTreeSet<String> = names.into_iter().map(|name| key(&name)).collect();
        let fresh = names.iter().filter(|name| !self.seen.contains_key(*name)).count();
        self.seen.extend(names.into_iter().map(|name| (name, began)));
        self.seen.retain(|_, seen| began - *seen < REMEMBERED);
        while self.seen.len() > REMEMBERED_MAX {
            let oldest = self.seen.iter().min_by_key(|(_, seen)| **seen).map(|(name, _)| name.clone());
            oldest.and_then(|name| self.seen.remove(&name));
        }
        fresh
    }
}

/// GUIDs are compared without braces and case.
fn key(name: &str) -> String {
    name.trim().trim_matches(['{', '}']).to_ascii_lowercase()
}
