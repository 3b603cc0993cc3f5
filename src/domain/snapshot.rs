//! What Nexudus said, as far as the rules need it, and when something in it counts as gone (rules 6).
//!
//! Records carry only what a rule reads. The reader has checked zones and dates before anything lands here: a field
//! ending in `_day` is a date on the site's calendar.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, NaiveDateTime};
use serde::{Deserialize, Serialize};

use super::{
    BookingId, ContractId, CustomerId, DeskId, Email, PassId, PassKindId, PlanId, ResourceId, TeamId, Timestamp, Window,
};

/// A Nexudus customer (`spaces/coworkers`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// Its id.
    pub id: CustomerId,
    /// `FullName`.
    pub name: String,
    /// `Email`, where there is a usable one.
    pub email: Option<Email>,
    /// `Active`: false is suspended.
    pub active: bool,
    /// `Archived`.
    pub archived: bool,
}

/// A booking (`spaces/bookings`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booking {
    /// Its id; kept when it moves.
    pub id: BookingId,
    /// `UniqueId`: a cancellation may name the booking by it.
    pub unique_id: Option<String>,
    /// What is booked.
    pub resource: ResourceId,
    /// For whom; may be nobody.
    pub customer: Option<CustomerId>,
    /// `FromTime`.
    pub from: Timestamp,
    /// `ToTime`.
    pub to: Timestamp,
    /// Not approved yet.
    pub tentative: bool,
}

/// A pass somebody holds (`billing/coworkertimepasses`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pass {
    /// Its id.
    pub id: PassId,
    /// Who holds it.
    pub customer: CustomerId,
    /// What kind it is.
    pub kind: PassKindId,
    /// `Used`.
    pub used: bool,
    /// `UsedDate`: as written, and as an instant; which of both counts is not known (rules 2, Pass).
    pub used_on: Option<Stamp>,
    /// `RemainingUses`: minutes, for a pass with minutes.
    pub remaining: Option<i64>,
    /// `ExpireDate`.
    pub expires: Option<Timestamp>,
}

/// A date of Nexudus' whose zone is not known: the digits as written, and what they are when taken as UTC (or by the
/// offset written beside them).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The digits, without any offset.
    pub literal: NaiveDateTime,
    /// The instant.
    pub instant: Timestamp,
}

/// A kind of pass (`billing/timepasses`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassKind {
    /// Its id.
    pub id: PassKindId,
    /// `Name`.
    pub name: String,
    /// `MinutesIncluded`: set for a time pass, absent for a day pass.
    pub minutes: Option<i64>,
    /// Whether it has time slots (`billing/timepasstimeslots`).
    pub slots: bool,
}

/// A contract (`billing/coworkercontracts`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    /// Its id.
    pub id: ContractId,
    /// Whose it is.
    pub customer: CustomerId,
    /// `TariffId`.
    pub plan: Option<PlanId>,
    /// `FloorPlanDeskIds`, split and trimmed.
    pub desks: Vec<DeskId>,
    /// `Active`.
    pub active: bool,
    /// The date of `StartDate`.
    pub start_day: Option<NaiveDate>,
    /// The date of `CancellationDate`.
    pub cancellation_day: Option<NaiveDate>,
    /// The pause that the contract itself names, if any.
    pub pause: Option<Pause>,
    /// Whether the contract itself says that no pause runs now (`InPausedPeriod` is false).
    #[serde(default)]
    pub runs: bool,
}

/// The days of a pause: from the first, to before the last; an absent side is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// `InPausedPeriodFrom`.
    pub from_day: Option<NaiveDate>,
    /// `InPausedPeriodUntil`.
    pub until_day: Option<NaiveDate>,
}

impl Pause {
    /// Whether that day is one of it.
    pub fn covers(&self, day: NaiveDate) -> bool {
        self.from_day.is_none_or(|from| from <= day) && self.until_day.is_none_or(|until| day < until)
    }
}

/// A paused period of a contract (`billing/contractpausedperiods`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PausedPeriod {
    /// Its id.
    pub id: u64,
    /// Which contract is paused.
    pub contract: ContractId,
    /// Which days.
    pub pause: Pause,
}

/// A team (`spaces/teams`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Team {
    /// Its id.
    pub id: TeamId,
    /// `Name`.
    pub name: String,
    /// `ShareTimePasses`.
    pub share_passes: bool,
    /// `TeamMembers`.
    pub members: BTreeSet<CustomerId>,
}

/// Something with a name that a link can point at: a resource, a desk or office.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: String,
}

/// A record with an id of its own.
pub trait Record: Clone + PartialEq {
    /// What names it.
    type Id: Copy + Ord + std::fmt::Display;
    /// Its id.
    fn id(&self) -> Self::Id;
    /// Whether a reading of bookings in that window must show it. Other lists are read whole.
    fn within(&self, _scope: &Window) -> bool {
        true
    }
}

macro_rules! records {
    ($($record:ty => $id:ty),*) => {$(
        impl Record for $record {
            type Id = $id;
            fn id(&self) -> $id {
                self.id
            }
        }
    )*};
}

records!(Customer => CustomerId, Pass => PassId, PassKind => PassKindId, Contract => ContractId, PausedPeriod => u64, Team => TeamId, Named => u64);

impl Record for Booking {
    type Id = BookingId;
    fn id(&self) -> BookingId {
        self.id
    }
    fn within(&self, scope: &Window) -> bool {
        Window::new(Some(self.from), Some(self.to)).is_some_and(|window| window.and(scope).is_some())
    }
}

/// The lists of Nexudus that are read, each by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entity {
    /// `spaces/bookings`
    Bookings,
    /// `spaces/resources`
    Resources,
    /// `spaces/coworkers`
    Customers,
    /// `billing/coworkertimepasses`
    Passes,
    /// `billing/timepasses` with `billing/timepasstimeslots`
    PassKinds,
    /// `billing/coworkercontracts`
    Contracts,
    /// `billing/contractpausedperiods`
    PausedPeriods,
    /// `sys/floorplandesks`
    Desks,
    /// `spaces/teams`
    Teams,
}

/// A row that could not be used: it grants nothing new and ends nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aside {
    /// Its id, where that much could be read.
    pub id: Option<u64>,
    /// What is wrong with it, for the operator.
    pub why: String,
}

/// What one reading of a list brought.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing<T> {
    /// The rows that could be used.
    pub rows: Vec<T>,
    /// The rows that could not.
    pub aside: Vec<Aside>,
    /// `None`: only some rows were asked for (those updated since), so an absence says nothing. Else every row
    /// that lies within this window was asked for and came: every page, ids distinct, their count `TotalItems`.
    pub whole: Option<Window>,
    /// When the reading began, by the trusted clock or, failing that, the system's.
    pub began: Timestamp,
}

/// A record, and since when it is missed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held<T> {
    /// As it was last seen.
    pub value: T,
    /// When the first complete reading that did not show it began.
    pub missing: Option<Timestamp>,
}

/// All records of one kind, and what a reading changes in them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound(
    serialize = "T: Serialize, T::Id: Serialize",
    deserialize = "T: Deserialize<'de>, T::Id: Deserialize<'de>"
))]
pub struct Shelf<T: Record> {
    held: BTreeMap<T::Id, Held<T>>,
    #[serde(skip)]
    ever_filled: bool,
    first_whole: Option<Timestamp>,
    last_whole: Option<Timestamp>,
}

impl<T: Record> Default for Shelf<T> {
    fn default() -> Self {
        Shelf { held: BTreeMap::new(), ever_filled: false, first_whole: None, last_whole: None }
    }
}

/// What a reading changed, so that the store writes just that.
#[derive(Clone, Debug, PartialEq)]
pub struct Absorbed<I> {
    /// Records that are new or differ, or whose absence was noted or taken back.
    pub changed: Vec<I>,
    /// Records that are gone.
    pub gone: Vec<I>,
    /// Whether anything changed by which rules decide (a noted absence alone does not).
    pub matters: bool,
    /// Why the reading was not taken as complete although every page came.
    pub refused: Option<&'static str>,
}

impl<T: Record> Shelf<T> {
    /// A shelf as the store kept it; `filled`: whether it has ever held anything.
    pub fn restore(
        rows: impl IntoIterator<Item = Held<T>>,
        whole: Option<(Timestamp, Timestamp)>,
        filled: bool,
    ) -> Shelf<T> {
        let held: BTreeMap<T::Id, Held<T>> = rows.into_iter().map(|held| (held.value.id(), held)).collect();
        Shelf {
            ever_filled: filled || !held.is_empty(),
            held,
            first_whole: whole.map(|(first, _)| first),
            last_whole: whole.map(|(_, last)| last),
        }
    }

    /// The record of that id.
    pub fn get(&self, id: T::Id) -> Option<&T> {
        self.held.get(&id).map(|held| &held.value)
    }

    /// The record of that id with its absence, for the store.
    pub fn held(&self, id: T::Id) -> Option<&Held<T>> {
        self.held.get(&id)
    }

    /// All records, by id.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.held.values().map(|held| &held.value)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether it has held anything since the cache was made: an empty list is believed only then (rules 6).
    pub fn ever_filled(&self) -> bool {
        self.ever_filled
    }

    /// When the first and the last complete reading since the cache was made began.
    pub fn whole(&self) -> Option<(Timestamp, Timestamp)> {
        self.first_whole.zip(self.last_whole)
    }

    /// Takes in what a reading brought. A record that a complete reading no longer shows is noted as missing, and is
    /// gone when a second, later one agrees. A list that was not empty and comes back empty is never complete
    /// (rules 6).
    pub fn absorb(&mut self, listing: Listing<T>) -> Absorbed<T::Id> {
        let mut out = Absorbed { changed: Vec::new(), gone: Vec::new(), matters: false, refused: None };
        let seen: BTreeSet<T::Id> = listing.rows.iter().map(Record::id).collect();
        let came_empty = listing.rows.is_empty() && listing.aside.is_empty();
        for row in listing.rows {
            let id = row.id();
            match self.held.get_mut(&id) {
                Some(held) if held.value == row && held.missing.is_none() => {}
                Some(held) => {
                    out.matters |= held.value != row;
                    *held = Held { value: row, missing: None };
                    out.changed.push(id);
                }
                None => {
                    out.matters = true;
                    self.held.insert(id, Held { value: row, missing: None });
                    out.changed.push(id);
                }
            }
        }
        self.ever_filled |= !self.held.is_empty();
        let Some(scope) = listing.whole else { return out };
        if listing.aside.iter().any(|aside| aside.id.is_none()) {
            out.refused = Some("a row without a readable id");
            return out;
        }
        let aside: BTreeSet<String> = listing.aside.iter().filter_map(|a| a.id).map(|id| id.to_string()).collect();
        let absent = |held: &Held<T>| {
            let id = held.value.id();
            held.value.within(&scope) && !seen.contains(&id) && !aside.contains(&id.to_string())
        };
        if came_empty && self.held.values().any(absent) {
            out.refused = Some("a list that was not empty came back empty");
            return out;
        }
        self.first_whole.get_or_insert(listing.began);
        self.last_whole = Some(listing.began);
        for held in self.held.values_mut() {
            if !absent(held) {
                continue;
            }
            match held.missing {
                Some(first) if first < listing.began => out.gone.push(held.value.id()),
                Some(_) => {}
                None => {
                    held.missing = Some(listing.began);
                    out.changed.push(held.value.id());
                }
            }
        }
        for id in &out.gone {
            self.held.remove(id);
            out.matters = true;
        }
        out
    }

    /// Takes away a record whose end is confirmed in another way than by two readings.
    pub fn remove(&mut self, id: T::Id) -> bool {
        self.held.remove(&id).is_some()
    }

    /// Drops what no rule can need any more, and says what it was.
    pub fn prune(&mut self, spent: impl Fn(&T) -> bool) -> Vec<T::Id> {
        let ids: Vec<T::Id> = self.iter().filter(|row| spent(row)).map(Record::id).collect();
        for id in &ids {
            self.held.remove(id);
        }
        ids
    }
}

/// All that is known of Nexudus.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Customers.
    pub customers: Shelf<Customer>,
    /// Bookings that overlap the horizon.
    pub bookings: Shelf<Booking>,
    /// Passes held.
    pub passes: Shelf<Pass>,
    /// Kinds of pass.
    pub pass_kinds: Shelf<PassKind>,
    /// Contracts.
    pub contracts: Shelf<Contract>,
    /// Paused periods of contracts.
    pub paused_periods: Shelf<PausedPeriod>,
    /// Teams.
    pub teams: Shelf<Team>,
    /// Resources, by name.
    pub resources: Shelf<Named>,
    /// Desks and offices, by name.
    pub desks: Shelf<Named>,
}

impl Snapshot {
    /// Paused periods that were lifted: they should run today, but an empty list shows none and their contracts
    /// themselves say that they run. An empty list alone would not be believed (rules 6); a contract's own word is.
    pub fn lifted(&self, today: NaiveDate) -> Vec<u64> {
        let lifted = |period: &&PausedPeriod| {
            period.pause.covers(today) && self.contracts.get(period.contract).is_some_and(|contract| contract.runs)
        };
        self.paused_periods.iter().filter(lifted).map(|period| period.id).collect()
    }
}
