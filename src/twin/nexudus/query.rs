//! Lists: filters, order, pages and the envelope (Nexudus API notes, 2.2 and 2.3).

use std::cmp::Ordering;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::dates;
use super::rows::{Cell, Row};
use super::shape::{Entity, ID, Kind, Shape};
use super::site::Site;
use super::switches::{Dir, Order, SortDirection};

/// Rows of a page where `size` is absent, and at most (notes, 2.2).
const SIZE_DEFAULT: usize = 25;
const SIZE_MAX: usize = 1_000;

/// What one query pair asks of a row. What is not understood becomes none and so lets every row pass (notes, 2.3).
struct Filter {
    index: usize,
    test: Test,
}

enum Test {
    Ids(Vec<i64>),
    Same(Value),
    From(DateTime<Utc>),
    To(DateTime<Utc>),
    AtLeast(f64),
    AtMost(f64),
    Instant(DateTime<Utc>),
}

impl Filter {
    fn passes(&self, row: &Row) -> bool {
        let cell = row.cells.get(self.index);
        let at = || cell.and_then(Cell::at);
        let number = || match cell {
            Some(Cell::Value(v)) => v.as_f64(),
            _ => None,
        };
        match &self.test {
            Test::Ids(ids) => cell.and_then(Cell::int).is_some_and(|id| ids.contains(&id)),
            Test::Same(value) => match (cell, value) {
                (Some(Cell::Value(Value::String(a))), Value::String(b)) => a.eq_ignore_ascii_case(b),
                (Some(Cell::Value(a)), b) => a == b,
                _ => false,
            },
            Test::From(from) => at().is_some_and(|at| at >= *from),
            Test::To(to) => at().is_some_and(|at| at <= *to),
            Test::AtLeast(least) => number().is_some_and(|n| n >= *least),
            Test::AtMost(most) => number().is_some_and(|n| n <= *most),
            Test::Instant(then) => at() == Some(*then),
        }
    }
}

impl Site {
    /// A page of a list, as JSON text.
    pub(super) fn list(&self, entity: Entity, query: &[(String, String)]) -> String {
        let table = self.table(entity);
        let (shape, switches) = (table.shape, self.switches());
        let fault = switches.list_fault(shape.name).cloned().unwrap_or_default();
        let asked = |name: &str| query.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str());
        let page = asked("page").and_then(|p| p.parse().ok()).filter(|p| *p >= 1).unwrap_or(1_usize);
        let size = asked("size").and_then(|s| s.parse().ok()).filter(|s| *s >= 1).unwrap_or(SIZE_DEFAULT).min(SIZE_MAX);

        let filters: Vec<Filter> = query.iter().filter_map(|(name, value)| self.filter(shape, name, value)).collect();
        let kept = table.rows.iter().take(fault.keep.unwrap_or(usize::MAX)).filter(|(id, _)| !fault.hide.contains(id));
        let mut rows: Vec<&Row> =
            kept.map(|(_, row)| row).filter(|row| filters.iter().all(|f| f.passes(row))).collect();

        let order = asked("orderBy").and_then(|name| shape.index(name)).unwrap_or(ID);
        let down = self.descending(asked("dir"));
        if order != ID {
            rows.sort_by(|a, b| compare(&a.cells[order], &b.cells[order]));
        }
        if down {
            rows.reverse();
        }
        match switches.order {
            Order::Asked => {}
            Order::Reversed => rows.reverse(),
            Order::Shuffled => rows.sort_by_key(|row| shuffled(row.cells[ID].int().unwrap_or_default())),
        }

        let mut total = rows.len();
        let mut skip = (page - 1).saturating_mul(size);
        if page > 1 {
            skip = skip.saturating_add_signed(fault.shift as isize);
            total = total.saturating_add_signed(fault.total_off as isize);
        }
        let shown = if fault.no_records { &[] } else { rows.get(skip..).unwrap_or_default() };
        let shown = &shown[..shown.len().min(size)];

        let pages = total.div_ceil(size);
        let first = if shown.is_empty() { 0 } else { (page - 1) * size + 1 };
        let tail = json!({
            "CurrentPage": page, "CurrentPageSize": size, "PageNumber": page, "PageSize": size,
            "CurrentOrderField": shape.field(order).map(|f| f.name),
            "CurrentSortDirection": match (switches.sort_direction, down) {
                (SortDirection::Number, down) => json!(i64::from(down)),
                (SortDirection::Word, false) => json!("ASC"),
                (SortDirection::Word, true) => json!("DESC"),
            },
            "FirstItem": first, "LastItem": (first + shown.len()).saturating_sub(1),
            "TotalItems": total, "TotalPages": pages, "HasNextPage": page < pages, "HasPreviousPage": page > 1,
        })
        .to_string();
        let mut out = String::with_capacity(tail.len() + 16 + shown.len() * 1_500);
        out.push_str("{\"Records\":[");
        for (i, row) in shown.iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            out.push_str(row.listed(shape, || self.zone_of(entity, row), switches));
        }
        out.push_str("],");
        out.push_str(&tail[1..]);
        out
    }

    fn descending(&self, dir: Option<&str>) -> bool {
        let switches = self.switches();
        let dir = dir.unwrap_or_default().to_ascii_lowercase();
        match (switches.dir, dir.as_str()) {
            (Dir::Names, "ascending") | (Dir::OneMinusOne, "1") | (Dir::ZeroOne, "0") => false,
            (Dir::Names, "descending") | (Dir::OneMinusOne, "-1") | (Dir::ZeroOne, "1") => true,
            _ => switches.default_descending,
        }
    }

    fn filter(&self, shape: &Shape, name: &str, value: &str) -> Option<Filter> {
        let lower = name.to_ascii_lowercase();
        if lower == "id" {
            return Some(Filter { index: ID, test: Test::Ids(ids(value)?) });
        }
        if lower == "uniqueid" {
            let index = shape.index(name)?;
            return Some(Filter { index, test: Test::Same(value.into()) });
        }
        let (range, property) = match (lower.strip_prefix("from_"), lower.strip_prefix("to_")) {
            (Some(rest), _) => (Some(true), rest),
            (_, Some(rest)) => (Some(false), rest),
            _ => (None, lower.as_str()),
        };
        let property = property.strip_prefix(&shape.name.to_ascii_lowercase())?.strip_prefix('_')?;
        // A nested name, as Coworker_User, is a derived field's name with a line through it.
        let property = property.replace('_', "");
        let found = |name: &str| shape.index(name).and_then(|i| Some((i, shape.field(i)?.kind)));
        let (index, kind) = match (found(&property), found(&format!("{property}id"))) {
            (_, Some((index, Kind::Ref))) => (index, Kind::Ref),
            // By the name with its `Id` a relation is no filter.
            (Some((_, Kind::Ref)), _) | (None, _) => return None,
            (Some(found), _) => found,
        };
        let test = match (kind, range) {
            (Kind::Date | Kind::Local(_), range) => {
                let index = if let Kind::Local(of) = kind { shape.index(of)? } else { index };
                let local = matches!(kind, Kind::Local(_));
                let at = self.filter_time(value, local)?;
                let test = match range {
                    Some(true) => Test::From(at),
                    Some(false) => Test::To(at),
                    None => Test::Instant(at),
                };
                return Some(Filter { index, test });
            }
            (Kind::Int | Kind::Decimal | Kind::CustomerType, Some(true)) => Test::AtLeast(value.parse().ok()?),
            (Kind::Int | Kind::Decimal | Kind::CustomerType, Some(false)) => Test::AtMost(value.parse().ok()?),
            (_, Some(_)) => return None,
            (Kind::Int | Kind::Ref | Kind::CustomerType, None) => Test::Ids(ids(value)?),
            (Kind::Bool, None) => Test::Same(value.to_ascii_lowercase().parse::<bool>().ok()?.into()),
            (Kind::Decimal, None) => Test::Same(value.parse::<f64>().ok()?.into()),
            (Kind::Text, None) => Test::Same(value.into()),
            (Kind::Collection | Kind::Commas, None) => return None,
        };
        Some(Filter { index, test })
    }

    fn filter_time(&self, value: &str, local: bool) -> Option<DateTime<Utc>> {
        let zone = self.zone(None);
        dates::filter(value, zone, self.switches(), local)
    }
}

/// `7`, or `[1,2]` (notes, 2.2).
fn ids(value: &str) -> Option<Vec<i64>> {
    let inner = value.trim().strip_prefix('[').and_then(|v| v.strip_suffix(']')).unwrap_or(value);
    inner.split(',').map(|id| id.trim().parse().ok()).collect()
}

fn compare(a: &Cell, b: &Cell) -> Ordering {
    match (a, b) {
        (Cell::At(a), Cell::At(b)) => a.cmp(b),
        (Cell::At(_), Cell::Value(_)) => Ordering::Greater,
        (Cell::Value(_), Cell::At(_)) => Ordering::Less,
        (Cell::Value(a), Cell::Value(b)) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            _ => a.as_str().cmp(&b.as_str()),
        },
    }
}

/// A place in an order that has nothing to do with the id.
fn shuffled(id: i64) -> u64 {
    (id as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}
