//! Complete readings, one for each list.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::paging::{Each, Pile, Sift, Sifted, read_all};
use super::{
    BOOKINGS, CUSTOMERS, DESKS, Known, List, PASS_KINDS, PASSES, PAUSED_PERIODS, PLANS, RESOURCES, Reader, Reading,
    SLOTS, convert,
};
use crate::domain::snapshot::{Aside, Booking, Customer, Named, Pass, PassKind, PausedPeriod, Record};
use crate::domain::{CustomerId, PassKindId, Timestamp, Window, Zone};
use crate::nexudus::error::NexudusError;
use crate::nexudus::wire::{BookingRow, PassKindRow, PassRow, PausedPeriodRow, SlotRow, for_filter, read_row};

/// In which zone filters are read is not known, so a window is asked for this much wider on each side, and the rows
/// are filtered here (Nexudus API notes, 2.3).
pub(super) const ANY_ZONE: TimeDelta = TimeDelta::hours(26);

/// Sorts the rows of bookings.
pub(super) struct BookingSieve<'a> {
    pub(super) reader: &'a Reader,
    pub(super) known: &'a Known,
    /// `None`: whatever its time, as a booking that moved away must be seen to have done so.
    pub(super) window: Option<Window>,
    pub(super) guard: ZoneGuard,
}

impl Sift for BookingSieve<'_> {
    type Row = Booking;

    /// Only the rows of linked resources say something of the zone: others may be of a location in another one.
    fn sift(&mut self, row: &RawValue) -> Sifted<Booking> {
        let row: BookingRow = match read_row(row) {
            Ok(row) => row,
            Err(aside) => return Sifted::Aside(aside),
        };
        let id = row.id;
        let in_zone = convert::in_zone(&row, &self.reader.zone);
        let booking = match convert::booking(row) {
            Ok(booking) => booking,
            Err(why) => return Sifted::Aside(Aside { id: Some(id), why }),
        };
        let linked = self.reader.needs().resources.contains(&booking.resource);
        if linked && !self.guard.agrees(id, in_zone) {
            let why = format!("FromTimeLocal is not the time in {}", self.reader.zone.name());
            return Sifted::Aside(Aside { id: Some(id), why });
        }
        let asked = self.window.is_none_or(|window| booking.within(&window));
        if self.known.bookings.contains(&booking.id) || (linked && asked) {
            Sifted::Kept(booking)
        } else {
            Sifted::Passed(booking)
        }
    }
}

/// What was seen of the site's zone in linked bookings.
#[derive(Default)]
pub(super) struct ZoneGuard {
    linked: usize,
    wrong: usize,
    sample: u64,
}

impl Reader {
    /// Bookings that overlap the window, of linked resources or held. Rows whose local time disagrees with the site's
    /// zone are set aside; where they are more than half of the linked rows, the reading is refused (rules 4).
    pub async fn bookings(
        &self,
        window: Window,
        known: &Known,
        began: Timestamp,
    ) -> Result<Reading<Booking>, NexudusError> {
        let mut list = BOOKINGS;
        if let Some(from) = window.from() {
            list = list.filtered("from_Booking_ToTime".to_owned(), for_filter((from - ANY_ZONE).naive_utc()));
        }
        if let Some(until) = window.until() {
            list = list.filtered("to_Booking_FromTime".to_owned(), for_filter((until + ANY_ZONE).naive_utc()));
        }
        let sieve = || BookingSieve { reader: self, known, window: Some(window), guard: ZoneGuard::default() };
        let (pile, sieve) = read_all(&self.client, &list, began, sieve).await?;
        sieve.guard.verdict(&self.zone)?;
        Ok(Reader::reading(pile, window, began))
    }

    /// All customers.
    pub async fn customers(&self, began: Timestamp) -> Result<Reading<Customer>, NexudusError> {
        self.all(&CUSTOMERS, began, |row| Ok(convert::customer(row))).await
    }

    /// One customer, for a new booking of somebody who is not known yet. `None`: Nexudus says there is none.
    pub async fn customer(&self, id: CustomerId) -> Result<Option<Customer>, NexudusError> {
        Ok(self.by_id(&CUSTOMERS, id.0).await?.map(convert::customer))
    }

    /// All passes of linked kinds. Read whole: whether `UpdatedOn` moves on check-in is not known, and a pass used
    /// today still counts, so no filter helps (Nexudus API notes, 8, row 9).
    pub async fn passes(&self, known: &Known, began: Timestamp) -> Result<Reading<Pass>, NexudusError> {
        let sieve = || Each(|row: &RawValue| self.sift_pass(row, known));
        let (pile, _) = read_all(&self.client, &PASSES, began, sieve).await?;
        Ok(Reader::reading(pile, Window::ALWAYS, began))
    }

    pub(super) fn sift_pass(&self, row: &RawValue, known: &Known) -> Sifted<Pass> {
        match read_row::<PassRow>(row).map(convert::pass) {
            Err(aside) => Sifted::Aside(aside),
            Ok(pass) if self.needs().pass_kinds.contains(&pass.kind) || known.passes.contains(&pass.id) => {
                Sifted::Kept(pass)
            }
            Ok(pass) => Sifted::Passed(pass),
        }
    }

    /// All kinds of pass, with whether they have time slots. Slots are asked for only where that matters.
    pub async fn pass_kinds(&self, began: Timestamp) -> Result<Reading<PassKind>, NexudusError> {
        let sieve = || Each(|row: &RawValue| sifted(read_row::<PassKindRow>(row)));
        let (mut kinds, _) = read_all(&self.client, &PASS_KINDS, began, sieve).await?;
        let mut slots = Pile::empty();
        if self.needs().slots {
            let sieve = || Each(|row: &RawValue| sifted(read_row::<SlotRow>(row).map(|row| row.time_pass_id)));
            slots = none_where_no_list(read_all(&self.client, &SLOTS, began, sieve).await.map(|(pile, _)| pile))?;
            if !slots.aside.is_empty() {
                // A slot of a kind that can't be read may be any kind's: none can be said to have no slots.
                slots.incomplete.get_or_insert_with(|| "a time slot can't be read".to_owned());
            }
        }
        let limited: BTreeSet<u64> = slots.rows.iter().copied().collect();
        let mut rows = Vec::new();
        for mut row in std::mem::take(&mut kinds.rows) {
            // A list may leave a scalar out, and absent is not null: null makes a day pass (Nexudus API notes, 8).
            if row.minutes_included.is_none() && self.needs().pass_kinds.contains(&PassKindId(row.id)) {
                kinds.calls += 1;
                match self.by_id::<PassKindRow>(&PASS_KINDS, row.id).await? {
                    Some(read) => row.minutes_included = read.minutes_included,
                    None => {
                        kinds.aside.push(Aside { id: Some(row.id), why: "gone while it was read".to_owned() });
                        continue;
                    }
                }
            }
            let has_slots = limited.contains(&row.id);
            rows.push(convert::pass_kind(row, has_slots));
        }
        let calls = kinds.calls + slots.calls;
        let incomplete = kinds.incomplete.take().or(slots.incomplete);
        let pile = Pile { incomplete, calls, ..kinds.with_rows(rows) };
        Ok(Reader::reading(pile, Window::ALWAYS, began))
    }

    /// All paused periods of contracts.
    pub async fn paused_periods(&self, began: Timestamp) -> Result<Reading<PausedPeriod>, NexudusError> {
        let sieve = || {
            Each(|row: &RawValue| {
                sifted(read_row::<PausedPeriodRow>(row).and_then(|row| paused_period(row, &self.zone)))
            })
        };
        let pile = read_all(&self.client, &PAUSED_PERIODS, began, sieve).await.map(|(pile, _)| pile);
        Ok(Reader::reading(none_where_no_list(pile)?, Window::ALWAYS, began))
    }

    /// All resources, by name.
    pub async fn resources(&self, began: Timestamp) -> Result<Reading<Named>, NexudusError> {
        self.all(&RESOURCES, began, |row| Ok(convert::named(row))).await
    }

    /// All desks and offices, by name.
    pub async fn desks(&self, began: Timestamp) -> Result<Reading<Named>, NexudusError> {
        self.all(&DESKS, began, |row| Ok(convert::named(row))).await
    }

    /// All price plans, by name: for `check --online` and `links suggest`, not for the rules.
    pub async fn plans(&self, began: Timestamp) -> Result<Reading<Named>, NexudusError> {
        self.all(&PLANS, began, |row| Ok(convert::named(row))).await
    }

    /// A list of which every row is kept.
    async fn all<W: for<'de> Deserialize<'de>, T: Send>(
        &self,
        list: &List,
        began: Timestamp,
        record: impl Fn(W) -> Result<T, Aside> + Send + Sync,
    ) -> Result<Reading<T>, NexudusError> {
        let sieve = || Each(|row: &RawValue| sifted(read_row::<W>(row).and_then(&record)));
        let (pile, _) = read_all(&self.client, list, began, sieve).await?;
        Ok(Reader::reading(pile, Window::ALWAYS, began))
    }
}

/// Time slots are known from an older document, and pauses stand on the contract too: where Nexudus has no such list,
/// there are none.
fn none_where_no_list<T>(read: Result<Pile<T>, NexudusError>) -> Result<Pile<T>, NexudusError> {
    match read {
        Err(error) if error.is_no_such_list() => Ok(Pile { calls: 1, ..Pile::empty() }),
        read => read,
    }
}

pub(super) fn paused_period(row: PausedPeriodRow, zone: &Zone) -> Result<PausedPeriod, Aside> {
    if row.pause_from.is_none() && row.pause_from_local.is_none() {
        return Err(Aside { id: Some(row.id), why: "PauseFrom: no date".to_owned() });
    }
    Ok(convert::paused_period(row, zone))
}

pub(super) fn sifted<T>(row: Result<T, Aside>) -> Sifted<T> {
    match row {
        Ok(row) => Sifted::Kept(row),
        Err(aside) => Sifted::Aside(aside),
    }
}

impl<T> Pile<T> {
    /// The same pile with other rows.
    pub(super) fn with_rows<U>(self, rows: Vec<U>) -> Pile<U> {
        Pile {
            rows,
            aside: self.aside,
            witness: None,
            newest: self.newest,
            latest: self.latest,
            oldest: self.oldest,
            table_rows: self.table_rows,
            incomplete: self.incomplete,
            calls: self.calls,
        }
    }
}

impl ZoneGuard {
    /// Notes a linked row, and hands back whether it agrees.
    fn agrees(&mut self, id: u64, in_zone: bool) -> bool {
        self.linked += 1;
        if !in_zone {
            self.wrong += 1;
            self.sample = id;
        }
        in_zone
    }

    fn verdict(self, zone: &Zone) -> Result<(), NexudusError> {
        if self.wrong * 2 <= self.linked {
            return Ok(());
        }
        Err(NexudusError::WrongZone {
            asked: format!("GET {}", BOOKINGS.path),
            zone: zone.name().to_owned(),
            wrong: self.wrong,
            linked: self.linked,
            sample: self.sample,
        })
    }
}
