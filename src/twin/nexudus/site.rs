//! The site as Nexudus knows it: records, changed from Rust, from a shell or through the API, and what follows from a
//! change: derived fields, `UpdatedOn`, history, webhooks, and what only the clock brings about.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::entities::SHAPES;
use super::history::{Cancellation, History};
use super::hooks::Hooks;
use super::rows::{self, Cell, Row, SetupError, Table};
use super::shape::{Entity, UNIQUE_ID, UPDATED_BY, UPDATED_ON};
use super::switches::{Original, Snapshot, Switches};

/// How long before a booking begins and after it ends Nexudus looks again at who may enter (notes, 4.2).
const REEVALUATED: TimeDelta = TimeDelta::minutes(15);

/// What the clock brings about.
#[derive(Clone, Debug)]
enum Due {
    /// A contract ends, a pause begins or ends.
    Contract(i64),
    /// A customer's access is evaluated again around a booking.
    Booking(i64),
    /// A cancelled booking comes to be seen.
    Snapshot(Box<Row>),
}

/// All records of one Nexudus account. Changes are made at [`Site::now`], the twin's own clock.
#[derive(Debug)]
pub struct Site {
    tables: Vec<Table>,
    zones: BTreeMap<i64, TimeZone>,
    switches: Switches,
    now: DateTime<Utc>,
    schedule: BTreeMap<DateTime<Utc>, Vec<Due>>,
    pub(super) history: History,
    pub(super) hooks: Hooks,
}

impl Site {
    pub(super) fn new() -> Site {
        Site {
            tables: SHAPES.iter().map(Table::new).collect(),
            zones: BTreeMap::new(),
            switches: Switches::default(),
            now: DateTime::UNIX_EPOCH,
            schedule: BTreeMap::new(),
            history: History::default(),
            hooks: Hooks::default(),
        }
    }

    /// The twin's own time.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// The switches as they stand.
    pub fn switches(&self) -> &Switches {
        &self.switches
    }

    /// Turns switches. Everything is written anew.
    pub fn switch(&mut self, change: impl FnOnce(&mut Switches)) {
        change(&mut self.switches);
        self.tables.iter_mut().for_each(Table::stale);
        let contracts: Vec<_> = self.table(Entity::CoworkerContract).rows.keys().copied().collect();
        for id in contracts {
            self.settle(vec![(Entity::CoworkerContract, id)]);
        }
    }

    /// All records of a kind.
    pub(super) fn table(&self, entity: Entity) -> &Table {
        &self.tables[entity as usize]
    }

    /// An id that no record of a kind has had.
    pub(super) fn fresh_id(&mut self, entity: Entity) -> i64 {
        self.table_mut(entity).fresh_id()
    }

    fn table_mut(&mut self, entity: Entity) -> &mut Table {
        &mut self.tables[entity as usize]
    }

    /// A record as a read by id writes it with every switch at its default.
    pub fn record(&self, entity: Entity, id: i64) -> Option<Value> {
        let row = self.table(entity).rows.get(&id)?;
        Some(self.plainly(entity, row))
    }

    /// The ids of all records of a kind.
    pub fn ids(&self, entity: Entity) -> Vec<i64> {
        self.table(entity).rows.keys().copied().collect()
    }

    fn plainly(&self, entity: Entity, row: &Row) -> Value {
        Value::Object(row.written(entity.shape(), self.zone_of(entity, row), &Switches::default(), false))
    }

    /// The field of a record; null where there is none.
    pub(super) fn get(&self, entity: Entity, id: i64, field: &str) -> Cell {
        let table = self.table(entity);
        table.rows.get(&id).map_or(rows::NULL, |row| row.get(table.shape, field).clone())
    }

    /// The location that a record belongs to, where it can be told.
    pub(super) fn business_of(&self, entity: Entity, row: &Row) -> Option<i64> {
        let shape = entity.shape();
        let through = |field: &str, target: Entity, theirs: &str| {
            let id = row.get(shape, field).int()?;
            self.get(target, id, theirs).int()
        };
        match entity {
            Entity::Booking | Entity::CancelledBooking => through("ResourceId", Entity::Resource, "BusinessId"),
            Entity::CoworkerContract => row.get(shape, "IssuedById").int(),
            Entity::ContractPausedPeriod => through("CoworkerContractId", Entity::CoworkerContract, "IssuedById"),
            Entity::Coworker => row.get(shape, "InvoicingBusinessId").int(),
            Entity::FloorPlanDesk => through("FloorPlanId", Entity::FloorPlan, "BusinessId"),
            Entity::Business => row.get(shape, "Id").int(),
            _ => row.get(shape, "BusinessId").int(),
        }
    }

    /// The zone of a location; that of the first one where none is named, UTC where there is none.
    pub(super) fn zone(&self, business: Option<i64>) -> &TimeZone {
        static UTC: TimeZone = TimeZone::UTC;
        let zone = |id| self.zones.get(&self.get(Entity::Business, id, "SimpleTimeZoneId").int()?);
        let first = || self.table(Entity::Business).rows.keys().next().copied();
        business.and_then(zone).or_else(|| first().and_then(zone)).unwrap_or(&UTC)
    }

    pub(super) fn zone_of(&self, entity: Entity, row: &Row) -> &TimeZone {
        self.zone(self.business_of(entity, row))
    }

    /// Puts the wall clock of every location of that `SimpleTimeZone` into an IANA zone. The record's own name of
    /// the zone stays: a name that is wrong is one of the things that happen.
    pub fn set_zone(&mut self, simple_time_zone: i64, iana: &str) -> Result<(), SetupError> {
        let zone = TimeZone::get(iana).map_err(|_| SetupError::UnknownZone(iana.to_owned()))?;
        self.zones.insert(simple_time_zone, zone);
        self.tables.iter_mut().for_each(Table::stale);
        Ok(())
    }

    /// Makes a record, or changes the named fields of one. `fields` is an object of Nexudus' own names; dates are
    /// RFC 3339. An unknown `id` makes the record with that id. Gives the id.
    pub fn upsert(&mut self, entity: Entity, id: Option<i64>, fields: Value) -> Result<i64, SetupError> {
        let id = id.or_else(|| fields.get("Id").and_then(Value::as_i64));
        let before = id.and_then(|id| self.table(entity).rows.get(&id)).cloned();
        let id = id.unwrap_or_else(|| self.table_mut(entity).fresh_id());
        let row = match &before {
            Some(row) => row.clone(),
            None => {
                let mut row = Row::blank(entity.shape());
                rows::stamp_new(&mut row, entity, id, self.now);
                filled(entity, row, new_defaults(entity))?
            }
        };
        self.keep(entity, id, filled(entity, row, fields)?, before.is_some());
        Ok(id)
    }

    /// Changes the named fields of a record without its `UpdatedOn` moving.
    pub fn slip(&mut self, entity: Entity, id: i64, fields: Value) -> Result<(), SetupError> {
        let row = self.table(entity).rows.get(&id).ok_or(SetupError::NoSuchRecord { entity, id })?.clone();
        self.keep(entity, id, filled(entity, row, fields)?, false);
        Ok(())
    }

    /// Changes the named fields of a record that there is.
    pub fn set(&mut self, entity: Entity, id: i64, fields: Value) -> Result<(), SetupError> {
        if !self.table(entity).rows.contains_key(&id) {
            return Err(SetupError::NoSuchRecord { entity, id });
        }
        self.upsert(entity, Some(id), fields).map(drop)
    }

    /// Puts a row in its place, with all that follows. `touch` moves `UpdatedOn`.
    pub(super) fn keep(&mut self, entity: Entity, id: i64, mut row: Row, touch: bool) {
        let before = self.table(entity).rows.get(&id).cloned();
        if before.as_ref().is_some_and(|b| b.cells == row.cells) {
            return;
        }
        if touch && !self.switches.never_updated.contains(entity.shape().name) {
            row.cells[UPDATED_ON] = Cell::At(self.now);
        }
        let mut work = self.dependents(entity, id);
        row.stale();
        let table = self.table_mut(entity);
        table.rows.insert(id, row);
        table.dead.remove(&id);
        table.version += 1;
        work.push((entity, id));
        work.extend(self.dependents(entity, id));
        self.note(entity, id);
        self.settle(work);
        self.plan(entity, id);
        if entity == Entity::Business || entity == Entity::Resource {
            // The zone of other rows may have changed with it.
            self.tables.iter_mut().for_each(Table::stale);
        }
        self.announce(entity, id, before.as_ref());
    }

    /// Takes a record away. A booking leaves what the switch for deleted ones says; with a resource go its bookings.
    pub fn delete(&mut self, entity: Entity, id: i64) -> Result<(), SetupError> {
        if entity == Entity::Booking {
            return self.drop_booking(id, self.switches.snapshot_of_deleted, 0);
        }
        if entity == Entity::Resource {
            for booking in self.table(Entity::Booking).referring("ResourceId", id) {
                self.drop_booking(booking, self.switches.snapshot_of_deleted, 0)?;
            }
        }
        self.remove(entity, id).map(drop)
    }

    fn remove(&mut self, entity: Entity, id: i64) -> Result<Row, SetupError> {
        let dependents = self.dependents(entity, id);
        let table = self.table_mut(entity);
        let row = table.rows.remove(&id).ok_or(SetupError::NoSuchRecord { entity, id })?;
        table.dead.insert(id);
        table.version += 1;
        self.history.gone(entity, id, self.now);
        self.settle(dependents);
        self.announce(entity, id, Some(&row));
        Ok(row)
    }

    /// Takes a booking away and leaves a snapshot or none. `reason` is Nexudus' number (notes, 3.2).
    pub(super) fn drop_booking(&mut self, id: i64, snapshot: Snapshot, reason: i64) -> Result<(), SetupError> {
        let row = self.remove(Entity::Booking, id)?;
        let unique_id = row.cells[UNIQUE_ID].text().unwrap_or_default().to_owned();
        let shown_at = match snapshot {
            Snapshot::AtOnce => Some(self.now),
            Snapshot::Late(seconds) => Some(self.now + TimeDelta::seconds(i64::from(seconds))),
            Snapshot::Never => None,
        };
        self.history.cancelled(Cancellation { at: self.now, booking: id, unique_id: unique_id.clone(), shown_at });
        let Some(shown_at) = shown_at else { return Ok(()) };
        let original = match self.switches.original {
            Original::Id => id.to_string(),
            Original::UniqueId => unique_id,
        };
        let mut gone = Row::blank(Entity::CancelledBooking.shape());
        // Both shapes begin with the same fields.
        for (kept, cell) in gone.cells.iter_mut().zip(&row.cells) {
            *kept = cell.clone();
        }
        let by = row.cells[UPDATED_BY].text().unwrap_or_default().to_owned();
        let fields = json!({"OriginalBookingId": original, "CancellationReason": reason, "CancelledBy": by,
            "CancelledOn": self.now.to_rfc3339()});
        let gone = filled(Entity::CancelledBooking, gone, fields)?;
        if shown_at <= self.now {
            self.show_snapshot(gone);
        } else {
            self.due(shown_at, Due::Snapshot(Box::new(gone)));
        }
        Ok(())
    }

    fn show_snapshot(&mut self, mut row: Row) {
        let id = self.table_mut(Entity::CancelledBooking).fresh_id();
        let at = row.get(Entity::CancelledBooking.shape(), "CancelledOn").at().unwrap_or(self.now);
        rows::stamp_new(&mut row, Entity::CancelledBooking, id, at);
        self.keep(Entity::CancelledBooking, id, row, false);
    }

    /// Brings derived fields up to date, from these records on as far as anything changes.
    fn settle(&mut self, mut work: Vec<(Entity, i64)>) {
        while let Some((entity, id)) = work.pop() {
            let Some(row) = self.table(entity).rows.get(&id) else { continue };
            let new: Vec<_> =
                self.derived(entity, row).into_iter().filter(|(i, cell)| row.cells[*i] != *cell).collect();
            if new.is_empty() {
                continue;
            }
            work.extend(self.dependents(entity, id));
            let table = self.table_mut(entity);
            table.version += 1;
            if let Some(row) = table.rows.get_mut(&id) {
                row.stale();
                new.into_iter().for_each(|(i, cell)| row.cells[i] = cell);
            }
            self.note(entity, id);
            work.extend(self.dependents(entity, id));
        }
    }

    fn note(&mut self, entity: Entity, id: i64) {
        if let Some(row) = self.record(entity, id) {
            self.history.record(entity, id, self.now, row);
        }
    }

    /// Notes when the clock alone will change something about this record.
    fn plan(&mut self, entity: Entity, id: i64) {
        match entity {
            Entity::Booking => {
                for (field, by) in [("FromTime", -REEVALUATED), ("ToTime", REEVALUATED)] {
                    if let Some(at) = self.get(entity, id, field).at() {
                        self.due(at + by, Due::Booking(id));
                    }
                }
            }
            Entity::CoworkerContract => {
                if let Some(at) = self.get(entity, id, "CancellationDate").at() {
                    self.due(at, Due::Contract(id));
                }
            }
            Entity::ContractPausedPeriod => {
                let contract = self.get(entity, id, "CoworkerContractId").int().unwrap_or_default();
                for field in ["PauseFrom", "PauseUntil"] {
                    if let Some(at) = self.get(entity, id, field).at() {
                        self.due(at, Due::Contract(contract));
                    }
                }
            }
            _ => {}
        }
    }

    fn due(&mut self, at: DateTime<Utc>, what: Due) {
        if at > self.now {
            self.schedule.entry(at).or_default().push(what);
        }
    }

    /// Lets the twin's clock go on; it never goes back.
    pub(super) fn advance(&mut self, now: DateTime<Utc>) {
        while let Some(entry) = self.schedule.first_entry() {
            if *entry.key() > now {
                break;
            }
            self.now = self.now.max(*entry.key());
            for due in entry.remove() {
                self.happen(due);
            }
        }
        self.now = self.now.max(now);
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Contract(id) => self.settle(vec![(Entity::CoworkerContract, id)]),
            Due::Snapshot(row) => self.show_snapshot(*row),
            Due::Booking(id) => {
                // A booking that moved away has left its old times in the schedule.
                let hit = [("FromTime", -REEVALUATED), ("ToTime", REEVALUATED)]
                    .iter()
                    .any(|(field, by)| self.get(Entity::Booking, id, field).at().map(|at| at + *by) == Some(self.now));
                if hit && let Some(customer) = self.get(Entity::Booking, id, "CoworkerId").int() {
                    self.access_changed(customer);
                }
            }
        }
    }
}

/// A row with these fields put in. Comma strings that Nexudus derives from an array set the array.
pub(super) fn filled(entity: Entity, mut row: Row, fields: Value) -> Result<Row, SetupError> {
    let shape = entity.shape();
    let fields = match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    for (name, value) in &fields {
        let name = match (entity, name.as_str()) {
            (Entity::CoworkerContract, "FloorPlanDeskIds") if !fields.contains_key("Desks") => "Desks",
            (Entity::Team, "CoworkerIds") if !fields.contains_key("TeamMembers") => "TeamMembers",
            (_, name) => name,
        };
        let unknown = || SetupError::UnknownField { entity, field: name.to_owned() };
        let at = shape.index(name).ok_or_else(unknown)?;
        let field = shape.field(at).ok_or_else(unknown)?;
        row.cells[at] = rows::cell(entity, field, value)?;
    }
    Ok(row)
}

/// What a new record holds where nothing else is said.
fn new_defaults(entity: Entity) -> Value {
    match entity {
        Entity::Coworker => json!({"CoworkerType": 1, "Active": true, "CanMakeBookings": true}),
        Entity::CoworkerContract => json!({"Active": true, "MainContract": true, "Quantity": 1}),
        Entity::Resource => json!({"Visible": true}),
        Entity::FloorPlanDesk => json!({"Available": true, "ItemType": 2}),
        Entity::WebHook => json!({"Active": true, "ErrorCount": 0}),
        _ => json!({}),
    }
}
