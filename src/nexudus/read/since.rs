//! Readings of what was updated or cancelled since a mark: they bring news, and an absence in them says nothing.

use serde_json::value::RawValue;

use super::paging::{Each, Pile, Sift, Sifted, read_all};
use super::whole::{ANY_ZONE, BookingSieve, ZoneGuard, paused_period, sifted};
use super::{
    BOOKINGS, CANCELLED, CONTRACTS, CUSTOMERS, Known, List, Mark, PASSES, PAUSED_PERIODS, Reader, Reading, Stamped,
    TEAMS, convert,
};
use crate::domain::snapshot::{Aside, Booking, Contract, Customer, Listing, Pass, PausedPeriod, Team};
use crate::domain::{ResourceId, Timestamp};
use crate::nexudus::error::NexudusError;
use crate::nexudus::wire::{CancelledRow, ContractRow, CustomerRow, PausedPeriodRow, TeamRow, for_filter, read_row};

/// What a reading of cancelled bookings brought; which ones they are, [`Reader::cancelled`] knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelledSince {
    /// How many cancellations of linked resources had not been seen before: with any, bookings should be read whole.
    pub fresh: usize,
    /// The rows that could not be used.
    pub aside: Vec<Aside>,
    /// How many calls it took.
    pub calls: u32,
}

impl Reader {
    /// Bookings updated since, of linked resources or held, whatever their time: one that moved away shows it here.
    pub async fn bookings_since(
        &self,
        mark: &Mark,
        known: &Known,
        began: Timestamp,
    ) -> Result<Reading<Booking>, NexudusError> {
        let sieve = || BookingSieve { reader: self, known, window: None, guard: ZoneGuard::default() };
        let (pile, mark) = self.since(BOOKINGS, mark, began, sieve).await?;
        Ok(updates(pile, mark, began))
    }

    /// Customers updated since.
    pub async fn customers_since(&self, mark: &Mark, began: Timestamp) -> Result<Reading<Customer>, NexudusError> {
        let sieve = || Each(|row: &RawValue| sifted(read_row::<CustomerRow>(row).map(convert::customer)));
        let (pile, mark) = self.since(CUSTOMERS, mark, began, sieve).await?;
        Ok(updates(pile, mark, began))
    }

    /// Passes updated since, of linked kinds or held.
    pub async fn passes_since(
        &self,
        mark: &Mark,
        known: &Known,
        began: Timestamp,
    ) -> Result<Reading<Pass>, NexudusError> {
        let sieve = || Each(|row: &RawValue| self.sift_pass(row, known));
        let (pile, mark) = self.since(PASSES, mark, began, sieve).await?;
        Ok(updates(pile, mark, began))
    }

    /// Contracts updated since, that a link reaches or that are held.
    pub async fn contracts_since(
        &self,
        mark: &Mark,
        known: &Known,
        began: Timestamp,
    ) -> Result<Reading<Contract>, NexudusError> {
        let sieve = || Each(|row: &RawValue| sifted(read_row::<ContractRow>(row)));
        let (pile, mark) = self.since(CONTRACTS, mark, began, sieve).await?;
        Ok(updates(self.finish_contracts(pile, known, false).await?, mark, began))
    }

    /// Paused periods updated since.
    pub async fn paused_periods_since(
        &self,
        mark: &Mark,
        began: Timestamp,
    ) -> Result<Reading<PausedPeriod>, NexudusError> {
        let period = |row: &RawValue| read_row::<PausedPeriodRow>(row).and_then(|row| paused_period(row, &self.zone));
        let sieve = || Each(|row: &RawValue| sifted(period(row)));
        let (pile, mark) = self.since(PAUSED_PERIODS, mark, began, sieve).await?;
        Ok(updates(pile, mark, began))
    }

    /// Teams updated since.
    pub async fn teams_since(&self, mark: &Mark, began: Timestamp) -> Result<Reading<Team>, NexudusError> {
        let sieve = || Each(|row: &RawValue| sifted(read_row::<TeamRow>(row)));
        let (pile, mark) = self.since(TEAMS, mark, began, sieve).await?;
        Ok(updates(self.finish_teams(pile, false).await?, mark, began))
    }

    /// Cancellations since the last such reading, at first those of the last 26 hours. They are hints: a complete
    /// reading that does not show the booking any more decides (rules 6).
    pub async fn cancelled_since(&self, began: Timestamp) -> Result<CancelledSince, NexudusError> {
        let sieve = || {
            Each(|row: &RawValue| match read_row::<CancelledRow>(row) {
                Err(aside) => Sifted::Aside(aside),
                Ok(row) if row.resource_id.is_some_and(|id| !self.needs().resources.contains(&ResourceId(id))) => {
                    Sifted::Passed(row)
                }
                Ok(row) => Sifted::Kept(row),
            })
        };
        let mark = self.marks().cancelled.mark(began);
        let (pile, mark) = self.since(CANCELLED, &mark, began, sieve).await?;
        // One that does not say which booking it was is still a hint, once.
        let names = pile.rows.into_iter().map(|row| {
            row.original_booking_id.filter(|name| !name.trim().is_empty()).unwrap_or(format!("cancellation {}", row.id))
        });
        let fresh = self.marks().cancelled.take(names, mark, began);
        Ok(CancelledSince { fresh, aside: pile.aside, calls: pile.calls })
    }

    /// Reads the rows of the list that changed since the mark, with as wide a reach as it takes to be sure, and says
    /// where the mark stands then. A reading that moved leaves it where it was.
    async fn since<S: Sift>(
        &self,
        list: List,
        mark: &Mark,
        began: Timestamp,
        sieve: impl Fn() -> S + Send + Sync,
    ) -> Result<(Pile<S::Row>, Mark), NexudusError> {
        let filter = match list.stamped {
            Stamped::Updated => format!("from_{}_UpdatedOn", list.entity),
            Stamped::Cancelled => format!("from_{}_CancelledOn", list.entity),
        };
        let mut reach = mark.reach();
        let mut calls = 0;
        loop {
            let from = mark.from(reach, &self.zone);
            let mut asked = list.clone().filtered(filter.clone(), for_filter(from));
            asked.not_before = Some(from.and_utc() - ANY_ZONE);
            let (mut pile, _) = read_all(&self.client, &asked, began, &sieve).await?;
            calls += pile.calls;
            pile.calls = calls;
            if pile.incomplete.is_some() {
                return Ok((pile, *mark));
            }
            match mark.widen(reach, pile.latest) {
                Some(wider) => reach = wider,
                None => {
                    let mark = mark.advance(reach, pile.latest, pile.newest, began);
                    return Ok((pile, mark));
                }
            }
        }
    }
}

fn updates<T>(pile: Pile<T>, mark: Mark, began: Timestamp) -> Reading<T> {
    Reading {
        listing: Listing { rows: pile.rows, aside: pile.aside, whole: None, began },
        table_rows: pile.table_rows,
        incomplete: pile.incomplete,
        mark,
        calls: pile.calls,
    }
}
