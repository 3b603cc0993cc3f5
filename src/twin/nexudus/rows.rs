//! Rows, tables, and how a row is written: the true values are kept, each switch shows only as they are written.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::dates;
use super::shape::{self, Entity, Field, Kind, Place, Shape};
use super::switches::Switches;

/// The value of one field.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Any value but a date.
    Value(Value),
    /// A date.
    At(DateTime<Utc>),
}

/// Null.
pub const NULL: Cell = Cell::Value(Value::Null);

impl Cell {
    /// The number, if it is one.
    pub fn int(&self) -> Option<i64> {
        match self {
            Cell::Value(v) => v.as_i64(),
            Cell::At(_) => None,
        }
    }

    /// The string, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Cell::Value(v) => v.as_str(),
            Cell::At(_) => None,
        }
    }

    /// Whether it is true.
    pub fn is_true(&self) -> bool {
        matches!(self, Cell::Value(Value::Bool(true)))
    }

    /// The instant, if it is one.
    pub fn at(&self) -> Option<DateTime<Utc>> {
        match self {
            Cell::At(at) => Some(*at),
            Cell::Value(_) => None,
        }
    }

    /// The ids of an array, those that are no numbers left out.
    pub fn ids(&self) -> Vec<i64> {
        match self {
            Cell::Value(Value::Array(ids)) => ids.iter().filter_map(Value::as_i64).collect(),
            _ => Vec::new(),
        }
    }
}

/// What a value can't be taken for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// No such field.
    #[error("{entity:?} has no field {field}")]
    UnknownField {
        /// The kind of record.
        entity: Entity,
        /// What was named.
        field: String,
    },
    /// A value of the wrong type.
    #[error("{entity:?}.{field} can't be {value}")]
    WrongType {
        /// The kind of record.
        entity: Entity,
        /// The field.
        field: &'static str,
        /// What was given, as JSON.
        value: String,
    },
    /// No such record.
    #[error("there is no {entity:?} {id}")]
    NoSuchRecord {
        /// The kind of record.
        entity: Entity,
        /// Its id.
        id: i64,
    },
    /// A zone for which the twin knows no Windows name, or that this machine's tzdata lacks.
    #[error("the twin knows no zone {0}")]
    UnknownZone(String),
}

/// A record.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Its values, in the order of the shape's fields.
    pub cells: Vec<Cell>,
    /// As lists show it; filled when first asked for, emptied when it changes.
    list: OnceCell<Arc<str>>,
}

impl Row {
    /// A row of empty values.
    pub fn blank(shape: &Shape) -> Row {
        Row { cells: shape.fields().map(Row::empty).collect(), list: OnceCell::new() }
    }

    fn empty(field: &Field) -> Cell {
        match field.kind {
            Kind::Bool => Cell::Value(Value::Bool(false)),
            Kind::Collection | Kind::Commas => Cell::Value(Value::Array(Vec::new())),
            _ => NULL,
        }
    }

    /// The cell of the field of that name; null where the shape has none.
    pub fn get(&self, shape: &Shape, name: &str) -> &Cell {
        shape.index(name).and_then(|i| self.cells.get(i)).unwrap_or(&NULL)
    }

    /// Forgets how it is written.
    pub fn stale(&mut self) {
        self.list = OnceCell::new();
    }

    /// As lists show it.
    pub fn listed<'z>(&self, shape: &Shape, zone: impl FnOnce() -> &'z TimeZone, switches: &Switches) -> &str {
        self.list.get_or_init(|| Value::Object(self.written(shape, zone(), switches, true)).to_string().into())
    }

    /// Written out, as lists do or as a read by id does.
    pub fn written(&self, shape: &Shape, zone: &TimeZone, switches: &Switches, list: bool) -> Map<String, Value> {
        let mut out = Map::new();
        for (i, field) in shape.fields().enumerate() {
            let left_out = match field.place {
                Place::Everywhere => false,
                Place::ById => list,
                Place::Access => list && switches.lists_without_access,
            };
            if !left_out {
                let cell = self.cells.get(i).unwrap_or(&NULL);
                out.insert(field.name.to_owned(), self.value(shape, field, cell, zone, switches));
            }
        }
        out
    }

    fn value(&self, shape: &Shape, field: &Field, cell: &Cell, zone: &TimeZone, switches: &Switches) -> Value {
        match (field.kind, cell) {
            (Kind::Local(of), _) => {
                self.get(shape, of).at().map_or(Value::Null, |at| dates::local(at, zone, switches).into())
            }
            (_, Cell::At(at)) => {
                let has_local = shape.fields().any(|f| f.kind == Kind::Local(field.name));
                dates::plain(*at, zone, has_local, switches).into()
            }
            (Kind::Commas, Cell::Value(Value::Array(parts))) => {
                let parts: Vec<_> =
                    parts.iter().map(|p| p.as_str().map_or_else(|| p.to_string(), str::to_owned)).collect();
                parts.join(if switches.comma_blank { ", " } else { "," }).into()
            }
            (Kind::CustomerType, Cell::Value(v)) if switches.customer_type_words => match v.as_i64() {
                Some(2) => "Company".into(),
                Some(_) => "Individual".into(),
                None => Value::Null,
            },
            (_, Cell::Value(v)) => v.clone(),
        }
    }
}

/// Takes a JSON value for a field. Ids and names in comma fields may come as an array or as a string.
pub fn cell(entity: Entity, field: &'static Field, value: &Value) -> Result<Cell, SetupError> {
    let wrong = || SetupError::WrongType { entity, field: field.name, value: value.to_string() };
    let taken = match (field.kind, value) {
        (Kind::Bool, Value::Null) => Cell::Value(Value::Bool(false)),
        (Kind::Collection | Kind::Commas, Value::Null) => Cell::Value(json!([])),
        (_, Value::Null) => NULL,
        (Kind::Date, Value::String(text)) => Cell::At(dates::parsed(text).ok_or_else(wrong)?),
        (Kind::Collection | Kind::Commas, Value::String(text)) => {
            let parts = text.split(',').map(str::trim).filter(|p| !p.is_empty());
            Cell::Value(parts.map(|p| p.parse::<i64>().map_or_else(|_| p.into(), Value::from)).collect())
        }
        (Kind::Bool, Value::Bool(_))
        | (Kind::Text, Value::String(_))
        | (Kind::Decimal, Value::Number(_))
        | (Kind::Collection | Kind::Commas, Value::Array(_)) => Cell::Value(value.clone()),
        // The type of group ids is not known for sure (notes, 3.12).
        (Kind::Text, Value::Number(_)) if field.place == Place::Access => Cell::Value(value.clone()),
        (Kind::Int | Kind::Ref | Kind::CustomerType, v) if v.is_i64() => Cell::Value(value.clone()),
        _ => return Err(wrong()),
    };
    Ok(taken)
}

/// All records of one kind.
#[derive(Clone, Debug)]
pub struct Table {
    /// What they are made of.
    pub shape: &'static Shape,
    /// By id.
    pub rows: BTreeMap<i64, Row>,
    /// Ids that were deleted.
    pub dead: BTreeSet<i64>,
    /// Moves with every change: answers made from an older version are not given again.
    pub version: u64,
    next_id: i64,
}

impl Table {
    /// An empty table.
    pub fn new(shape: &'static Shape) -> Table {
        // Ids of different kinds don't overlap, so that one taken for another is found out.
        let next_id = (shape.entity as i64 + 1) * 1_000_000 + 1;
        Table { shape, rows: BTreeMap::new(), dead: BTreeSet::new(), version: 1, next_id }
    }

    /// An id that no record has had.
    pub fn fresh_id(&mut self) -> i64 {
        while self.rows.contains_key(&self.next_id) || self.dead.contains(&self.next_id) {
            self.next_id += 1;
        }
        self.next_id
    }

    /// Forgets how every row is written.
    pub fn stale(&mut self) {
        self.version += 1;
        self.rows.values_mut().for_each(Row::stale);
    }

    /// The ids of rows whose field holds that id.
    pub fn referring(&self, field: &str, id: i64) -> Vec<i64> {
        let Some(at) = self.shape.index(field) else { return Vec::new() };
        self.rows.iter().filter(|(_, row)| row.cells[at].int() == Some(id)).map(|(id, _)| *id).collect()
    }
}

/// Sets the common fields of a new row.
pub fn stamp_new(row: &mut Row, entity: Entity, id: i64, now: DateTime<Utc>) {
    row.cells[shape::ID] = Cell::Value(id.into());
    row.cells[shape::UNIQUE_ID] = Cell::Value(unique_id(entity, id).into());
    row.cells[shape::CREATED_ON] = Cell::At(now);
    row.cells[shape::UPDATED_ON] = Cell::At(now);
    row.cells[shape::UPDATED_BY] = Cell::Value("desk@example.org".into());
}

/// A GUID that is the same in each run.
pub fn unique_id(entity: Entity, id: i64) -> String {
    let low = (id as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ entity as u64;
    format!("{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}", low >> 32, (low >> 16) & 0xffff, low & 0xfff, id & 0xfff, id)
}
