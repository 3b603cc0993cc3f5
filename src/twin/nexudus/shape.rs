//! What Nexudus' records are made of: the entities, their paths, their fields and what lists leave out
//! (Nexudus API notes, 3). Names and shapes only; what they mean for a door is nobody's business here.

use serde::{Deserialize, Serialize};

use super::entities::SHAPES;

/// A kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are Nexudus' own (Nexudus API notes, 3)")]
pub enum Entity {
    Booking,
    CancelledBooking,
    BookingVisitor,
    Resource,
    Coworker,
    CoworkerTimePass,
    TimePass,
    TimePassTimeSlot,
    Tariff,
    CoworkerContract,
    ContractPausedPeriod,
    FloorPlan,
    FloorPlanDesk,
    Team,
    Checkin,
    Business,
    SimpleTimeZone,
    WebHook,
    CoworkerAccessControlAudit,
}

/// What a field holds and how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number or null.
    Int,
    /// Another record's id: filters name it without its `Id` (notes, 2.3).
    Ref,
    /// A number with decimals or null.
    Decimal,
    /// True or false; a field left out of a PUT becomes false.
    Bool,
    /// A string or null.
    Text,
    /// Written as a number or a word, by a switch (notes, 6.25).
    CustomerType,
    /// An instant, written in UTC (notes, 5).
    Date,
    /// The wall clock of the location at the date of that name.
    Local(&'static str),
    /// An array of ids: in reads by id only (notes, 2.2).
    Collection,
    /// An array that is written as one string with commas.
    Commas,
}

/// Which answers carry a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Lists and reads by id.
    Everywhere,
    /// Reads by id only.
    ById,
    /// Lists too, unless a switch leaves it out (notes, 3.12 and unknown 3).
    Access,
}

/// A field of a record.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its JSON name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Which answers carry it.
    pub place: Place,
}

/// A kind of record: its name in filters and roles, its path below `/api/`, and its fields after the common ones.
#[derive(Debug)]
pub struct Shape {
    /// The kind.
    pub entity: Entity,
    /// The name in filters and roles, as `Booking`.
    pub name: &'static str,
    /// The path below `/api/`.
    pub path: &'static str,
    /// The fields, the common ones not among them.
    pub own: &'static [Field],
    /// Fields without which a record is refused.
    pub required: &'static [&'static str],
}

/// The fields of every record (notes, 3), before its own.
pub const COMMON: &[Field] = &[
    Field { name: "Id", kind: Kind::Int, place: Place::Everywhere },
    Field { name: "UniqueId", kind: Kind::Text, place: Place::Everywhere },
    Field { name: "CreatedOn", kind: Kind::Date, place: Place::Everywhere },
    Field { name: "UpdatedOn", kind: Kind::Date, place: Place::Everywhere },
    Field { name: "UpdatedBy", kind: Kind::Text, place: Place::Everywhere },
    Field { name: "IsNew", kind: Kind::Bool, place: Place::Everywhere },
    Field { name: "SystemId", kind: Kind::Text, place: Place::Everywhere },
];

/// Where `Id`, `UniqueId`, `CreatedOn`, `UpdatedOn` and `UpdatedBy` stand among a row's cells.
pub const ID: usize = 0;
/// See [`ID`].
pub const UNIQUE_ID: usize = 1;
/// See [`ID`].
pub const CREATED_ON: usize = 2;
/// See [`ID`].
pub const UPDATED_ON: usize = 3;
/// See [`ID`].
pub const UPDATED_BY: usize = 4;

impl Shape {
    /// All fields, in the order of a row's cells.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        COMMON.iter().chain(self.own)
    }

    /// How many cells a row has.
    pub fn width(&self) -> usize {
        COMMON.len() + self.own.len()
    }

    /// The field at that place.
    pub fn field(&self, index: usize) -> Option<&'static Field> {
        if index < COMMON.len() { COMMON.get(index) } else { self.own.get(index - COMMON.len()) }
    }

    /// Where the field of that name stands, ignoring case as .NET does.
    pub fn index(&self, name: &str) -> Option<usize> {
        self.fields().position(|f| f.name.eq_ignore_ascii_case(name))
    }
}

impl Entity {
    /// What its records are made of.
    pub fn shape(self) -> &'static Shape {
        // The order of SHAPES is that of the enum; a test holds both together.
        &SHAPES[self as usize]
    }

    /// The kind of that name, as `Booking`.
    pub fn named(name: &str) -> Option<Entity> {
        SHAPES.iter().find(|s| s.name.eq_ignore_ascii_case(name)).map(|s| s.entity)
    }

    /// The kind at that path below `/api/`, as `spaces/bookings`.
    pub fn at_path(path: &str) -> Option<Entity> {
        SHAPES.iter().find(|s| s.path.eq_ignore_ascii_case(path)).map(|s| s.entity)
    }
}
