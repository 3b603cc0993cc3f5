//! Readings: a list of Nexudus' as the rules want it, with a true word on whether it is complete.
//!
//! A complete reading shows every row that was there all the while it was read (rules 6). A reading of what was updated
//! since a mark says nothing of what it does not show. Rows that no link reaches are dropped here, after they were
//! counted. Decides nothing about access.

mod catalog;
mod contracts;
mod convert;
mod mark;
mod paging;
mod perform;
mod place;
mod since;
mod whole;
mod windows_zones;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Mutex;

use self::contracts::Details;
use super::client::{Ask, NexudusClient, Right};
use super::error::NexudusError;
use super::needs::Needs;
use super::wire::{check_record, read_row};
use crate::domain::snapshot::{Booking, Listing, Record, Snapshot};
use crate::domain::{BookingId, ContractId, PassId, Timestamp, Window, Zone};

use self::mark::Marks;
pub use mark::Mark;
pub use perform::Brought;
pub use place::{Location, ZoneCheck};
pub use since::CancelledSince;

/// Reads what the links need, and keeps nothing of it but marks and what was read by id.
pub struct Reader {
    client: Arc<NexudusClient>,
    zone: Zone,
    location: u64,
    needs: RwLock<Arc<Needs>>,
    marks: std::sync::Mutex<Marks>,
    desks_of_contracts: Mutex<Details>,
    members_of_teams: Mutex<Details>,
}

/// What a reading brought.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading<T> {
    /// The rows, and whether they are all.
    pub listing: Listing<T>,
    /// `TotalItems`: the rows that no link reaches included.
    pub table_rows: usize,
    /// Why the reading is not complete although it should be; nothing in it counts as gone.
    pub incomplete: Option<String>,
    /// From where updates are to be read after this.
    pub mark: Mark,
    /// How many calls it took, those for tokens apart.
    pub calls: u32,
}

/// The records that are held: a row of theirs is kept although no link reaches it any more, because that is how a
/// booking that moved to another resource, or a contract that changed its plan, loses its grant at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Bookings.
    pub bookings: BTreeSet<BookingId>,
    /// Passes.
    pub passes: BTreeSet<PassId>,
    /// Contracts.
    pub contracts: BTreeSet<ContractId>,
}

impl Known {
    /// What this snapshot holds.
    pub fn of(snapshot: &Snapshot) -> Known {
        Known {
            bookings: snapshot.bookings.iter().map(Record::id).collect(),
            passes: snapshot.passes.iter().map(Record::id).collect(),
            contracts: snapshot.contracts.iter().map(Record::id).collect(),
        }
    }
}

/// One list, and which of its rows are asked for.
#[derive(Clone, Debug)]
struct List {
    path: &'static str,
    /// As in the names of filters and roles.
    entity: &'static str,
    filters: Vec<(String, String)>,
    /// Which date of a row tells when it changed.
    stamped: Stamped,
    /// A row with an earlier date shows that the filter was ignored.
    not_before: Option<Timestamp>,
}

/// Which date of a row tells when it changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stamped {
    Updated,
    Cancelled,
}

impl List {
    const fn of(path: &'static str, entity: &'static str) -> List {
        List { path, entity, filters: Vec::new(), stamped: Stamped::Updated, not_before: None }
    }

    const fn cancelled(path: &'static str, entity: &'static str) -> List {
        List { path, entity, filters: Vec::new(), stamped: Stamped::Cancelled, not_before: None }
    }

    fn filtered(mut self, filter: String, value: String) -> List {
        self.filters.push((filter, value));
        self
    }
}

const BOOKINGS: List = List::of("spaces/bookings", "Booking");
const CANCELLED: List = List::cancelled("spaces/cancelledbookings", "CancelledBooking");
const RESOURCES: List = List::of("spaces/resources", "Resource");
const CUSTOMERS: List = List::of("spaces/coworkers", "Coworker");
const PASSES: List = List::of("billing/coworkertimepasses", "CoworkerTimePass");
const PASS_KINDS: List = List::of("billing/timepasses", "TimePass");
const SLOTS: List = List::of("billing/timepasstimeslots", "TimePassTimeSlot");
const CONTRACTS: List = List::of("billing/coworkercontracts", "CoworkerContract");
const PAUSED_PERIODS: List = List::of("billing/contractpausedperiods", "ContractPausedPeriod");
const DESKS: List = List::of("sys/floorplandesks", "FloorPlanDesk");
const TEAMS: List = List::of("spaces/teams", "Team");
const PLANS: List = List::of("billing/tariffs", "Tariff");
const BUSINESSES: List = List::of("sys/businesses", "Business");
const ZONES: List = List::of("sys/simpletimezones", "SimpleTimeZone");

impl Reader {
    /// A reader of one site: its zone, its location (`nexudus.location`), and what its links need.
    pub fn new(client: Arc<NexudusClient>, zone: Zone, location: u64, needs: Needs) -> Reader {
        Reader {
            client,
            zone,
            location,
            needs: RwLock::new(Arc::new(needs)),
            marks: std::sync::Mutex::default(),
            desks_of_contracts: Mutex::default(),
            members_of_teams: Mutex::default(),
        }
    }

    /// What the links need.
    pub fn needs(&self) -> Arc<Needs> {
        Arc::clone(&self.needs.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The links are others now. What is being read meanwhile may still be what the old ones needed: it is to be read
    /// again.
    pub fn set_needs(&self, needs: Needs) {
        *self.needs.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(needs);
    }

    /// The client under it.
    pub fn client(&self) -> &NexudusClient {
        &self.client
    }

    /// Whether a cancellation seen in the last two days names that booking: then one complete reading without it is
    /// enough for it to be gone (rules 6).
    pub fn cancelled(&self, booking: &Booking) -> bool {
        self.marks().cancelled.names(booking)
    }

    /// Never held over a call.
    fn marks(&self) -> std::sync::MutexGuard<'_, Marks> {
        self.marks.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// One record by its id; `None` where Nexudus says 404. A dead id may fail with 500 as well.
    async fn by_id<T: for<'de> serde::Deserialize<'de>>(
        &self,
        list: &List,
        id: u64,
    ) -> Result<Option<T>, NexudusError> {
        let path = format!("{}/{id}", list.path);
        let ask = Ask { path: path.clone(), query: Vec::new(), entity: list.entity, right: Right::Read };
        let Some(body) = self.client.record(&ask).await? else { return Ok(None) };
        let broken = |why: String| NexudusError::Broken { asked: format!("GET {path}"), why };
        check_record(&body).map_err(|bad| broken(bad.to_string()))?;
        let row = serde_json::from_slice(&body).map_err(|e| broken(format!("not JSON: {e}")))?;
        read_row(row).map(Some).map_err(|aside| broken(aside.why))
    }

    /// The reading of a pile, complete within `scope` unless it says otherwise.
    fn reading<T>(pile: paging::Pile<T>, scope: Window, began: Timestamp) -> Reading<T> {
        let mut rows = pile.rows;
        if rows.is_empty() && pile.aside.is_empty() {
            rows.extend(pile.witness);
        }
        let whole = pile.incomplete.is_none().then_some(scope);
        Reading {
            listing: Listing { rows, aside: pile.aside, whole, began },
            table_rows: pile.table_rows,
            incomplete: pile.incomplete,
            mark: Mark::behind(pile.newest, began),
            calls: pile.calls,
        }
    }
}
