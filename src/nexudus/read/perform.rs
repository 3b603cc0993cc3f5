//! One job of the schedule, done: the one call that the gateway's loop needs.

use super::{CancelledSince, Known, Reader, Reading};
use crate::domain::snapshot::{Aside, Booking, Contract, Customer, Entity, Named, Pass, PassKind, PausedPeriod, Team};
use crate::domain::{Timestamp, Window};
use crate::nexudus::error::NexudusError;
use crate::nexudus::schedule::{Job, Outcome};

/// What a job brought, by its list.
#[derive(Clone, Debug, PartialEq)]
pub enum Brought {
    /// Bookings.
    Bookings(Reading<Booking>),
    /// Resources, by name.
    Resources(Reading<Named>),
    /// Customers.
    Customers(Reading<Customer>),
    /// Passes held.
    Passes(Reading<Pass>),
    /// Kinds of pass.
    PassKinds(Reading<PassKind>),
    /// Contracts.
    Contracts(Reading<Contract>),
    /// Paused periods.
    PausedPeriods(Reading<PausedPeriod>),
    /// Desks and offices, by name.
    Desks(Reading<Named>),
    /// Teams.
    Teams(Reading<Team>),
    /// Cancelled bookings; which ones, [`Reader::cancelled`] knows.
    Cancelled(CancelledSince),
}

macro_rules! of_each {
    ($brought:expr, $reading:ident => $of_reading:expr, $cancelled:ident => $of_cancelled:expr) => {
        match $brought {
            Brought::Bookings($reading) => $of_reading,
            Brought::Resources($reading) | Brought::Desks($reading) => $of_reading,
            Brought::Customers($reading) => $of_reading,
            Brought::Passes($reading) => $of_reading,
            Brought::PassKinds($reading) => $of_reading,
            Brought::Contracts($reading) => $of_reading,
            Brought::PausedPeriods($reading) => $of_reading,
            Brought::Teams($reading) => $of_reading,
            Brought::Cancelled($cancelled) => $of_cancelled,
        }
    };
}

impl Brought {
    /// How many calls it took.
    pub fn calls(&self) -> u32 {
        of_each!(self, reading => reading.calls, cancelled => cancelled.calls)
    }

    /// The rows that could not be used.
    pub fn aside(&self) -> &[Aside] {
        of_each!(self, reading => &reading.listing.aside, cancelled => &cancelled.aside)
    }

    /// Why it is not complete although it should be.
    pub fn incomplete(&self) -> Option<&str> {
        of_each!(self, reading => reading.incomplete.as_deref(), _cancelled => None)
    }

    /// What the schedule is to be told.
    pub fn outcome(&self) -> Outcome {
        match self {
            Brought::Cancelled(cancelled) if cancelled.fresh > 0 => Outcome::Cancellations,
            _ => Outcome::Read,
        }
    }
}

impl Reader {
    /// Does that job. `window` is what bookings are read whole for, `known` what is held, `began` the time now: the
    /// trusted one or, failing that, the system's. Several may be under way at once: their calls take turns.
    ///
    /// A job for updates without a mark, or of a list that has none, is done as a complete reading.
    pub async fn perform(
        &self,
        job: Job,
        window: Window,
        known: &Known,
        began: Timestamp,
    ) -> Result<Brought, NexudusError> {
        let (entity, mark) = match job {
            Job::Cancelled => {
                return self.cancelled_since(began).await.map(Brought::Cancelled);
            }
            Job::Whole(entity) => (entity, None),
            Job::Updated(entity) => (entity, self.marks().of(entity)),
        };
        let brought = match (entity, mark) {
            (Entity::Bookings, Some(mark)) => Brought::Bookings(self.bookings_since(&mark, known, began).await?),
            (Entity::Bookings, None) => Brought::Bookings(self.bookings(window, known, began).await?),
            (Entity::Customers, Some(mark)) => Brought::Customers(self.customers_since(&mark, began).await?),
            (Entity::Customers, None) => Brought::Customers(self.customers(began).await?),
            (Entity::Passes, Some(mark)) => Brought::Passes(self.passes_since(&mark, known, began).await?),
            (Entity::Passes, None) => Brought::Passes(self.passes(known, began).await?),
            (Entity::Contracts, Some(mark)) => Brought::Contracts(self.contracts_since(&mark, known, began).await?),
            (Entity::Contracts, None) => Brought::Contracts(self.contracts(known, began).await?),
            (Entity::PausedPeriods, Some(mark)) => {
                Brought::PausedPeriods(self.paused_periods_since(&mark, began).await?)
            }
            (Entity::PausedPeriods, None) => Brought::PausedPeriods(self.paused_periods(began).await?),
            (Entity::Teams, Some(mark)) => Brought::Teams(self.teams_since(&mark, began).await?),
            (Entity::Teams, None) => Brought::Teams(self.teams(began).await?),
            (Entity::PassKinds, _) => Brought::PassKinds(self.pass_kinds(began).await?),
            (Entity::Resources, _) => Brought::Resources(self.resources(began).await?),
            (Entity::Desks, _) => Brought::Desks(self.desks(began).await?),
        };
        let next = of_each!(&brought, reading => reading.mark, _cancelled => return Ok(brought));
        match mark {
            Some(_) => self.marks().advance(entity, next),
            None => self.marks().begin(entity, next),
        }
        Ok(brought)
    }
}
