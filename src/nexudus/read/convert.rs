//! Rows as records of the domain: dates become days of the site's calendar here, and nowhere else in this room.

use chrono::{NaiveDate, NaiveDateTime, SubsecRound};

use crate::domain::snapshot::{Booking, Contract, Customer, Named, Pass, PassKind, Pause, PausedPeriod, Stamp, Team};
use crate::domain::{
    BookingId, ContractId, CustomerId, DeskId, Email, PassId, PassKindId, PlanId, ResourceId, TeamId, Zone,
};
use crate::nexudus::wire::{
    BookingRow, ContractRow, CustomerRow, NamedRow, PassKindRow, PassRow, PausedPeriodRow, TeamRow,
};

/// A booking. One without a resource has the id 0, which no link can name: it may have had one before.
pub(super) fn booking(row: BookingRow) -> Result<Booking, String> {
    if row.to_time <= row.from_time {
        return Err("ToTime is not after FromTime".to_owned());
    }
    Ok(Booking {
        id: BookingId(row.id),
        unique_id: row.unique_id,
        resource: ResourceId(row.resource_id.unwrap_or(0)),
        customer: row.coworker_id.map(CustomerId),
        from: row.from_time,
        to: row.to_time,
        tentative: row.tentative,
    })
}

/// Whether the row's local time is the time in the zone; a row without one can't be checked (rules 4). Fractions of a
/// second may stand in one of the two alone.
pub(super) fn in_zone(row: &BookingRow, zone: &Zone) -> bool {
    row.from_time_local.is_none_or(|local| zone.agrees(row.from_time.trunc_subsecs(0), local.trunc_subsecs(0)))
}

pub(super) fn customer(row: CustomerRow) -> Customer {
    Customer {
        id: CustomerId(row.id),
        name: row.full_name.unwrap_or_default(),
        email: row.email.as_deref().and_then(Email::parse),
        active: row.active,
        archived: row.archived,
    }
}

pub(super) fn pass(row: PassRow) -> Pass {
    Pass {
        id: PassId(row.id),
        customer: CustomerId(row.coworker_id),
        kind: PassKindId(row.time_pass_id),
        used: row.used,
        used_on: row.used_date,
        remaining: row.remaining_uses,
        expires: row.expire_date.map(|stamp| stamp.instant),
    }
}

pub(super) fn pass_kind(row: PassKindRow, slots: bool) -> PassKind {
    PassKind {
        id: PassKindId(row.id),
        name: row.name.unwrap_or_default(),
        minutes: row.minutes_included.flatten(),
        slots,
    }
}

pub(super) fn contract(row: ContractRow, desks: Vec<u64>, zone: &Zone) -> Contract {
    let from_day = day(row.in_paused_period_from, None, zone);
    let until_day = day(row.in_paused_period_until, None, zone);
    let paused = row.in_paused_period == Some(true) || from_day.is_some() || until_day.is_some();
    Contract {
        id: ContractId(row.id),
        customer: CustomerId(row.coworker_id),
        plan: row.tariff_id.map(PlanId),
        desks: desks.into_iter().map(DeskId).collect(),
        active: row.active,
        start_day: day(row.start_date, row.start_date_local, zone),
        cancellation_day: day(row.cancellation_date, row.cancellation_date_local, zone),
        pause: paused.then_some(Pause { from_day, until_day }),
        runs: row.in_paused_period == Some(false),
    }
}

pub(super) fn paused_period(row: PausedPeriodRow, zone: &Zone) -> PausedPeriod {
    PausedPeriod {
        id: row.id,
        contract: ContractId(row.coworker_contract_id),
        pause: Pause {
            from_day: day(row.pause_from, row.pause_from_local, zone),
            until_day: day(row.pause_until, row.pause_until_local, zone),
        },
    }
}

pub(super) fn team(row: TeamRow, members: Vec<u64>) -> Team {
    Team {
        id: TeamId(row.id),
        name: row.name.unwrap_or_default(),
        share_passes: row.share_time_passes,
        members: members.into_iter().map(CustomerId).collect(),
    }
}

pub(super) fn named(row: NamedRow) -> Named {
    Named { id: row.id, name: row.name.unwrap_or_default() }
}

/// The wall-clock date where there is one, else the date of the instant on the site's calendar (rules 2, Contract).
fn day(stamp: Option<Stamp>, local: Option<NaiveDateTime>, zone: &Zone) -> Option<NaiveDate> {
    local.map(|local| local.date()).or_else(|| stamp.map(|stamp| zone.date_of(stamp.instant)))
}
