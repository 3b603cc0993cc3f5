//! From a [`Site`] to what the program decides by.
//!
//! [`snapshot`] stands for the `nexudus` room: JSON in, [`Snapshot`] out, as that room's complete readings would fill
//! it. It is the one place to change when the real reader serves these rows instead.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use gatehouse::domain::snapshot::{
    Booking, Contract, Customer, Listing, Pass, PassKind, Pause, PausedPeriod, Record, Shelf, Snapshot, Stamp, Team,
};
use gatehouse::domain::{
    ContractEnd, DeskId, Email, EmailPattern, ExistingUsers, Item, Link, NewUsers, NoAccess, Rules, Timestamp, Window,
    Zone,
};
use serde_json::Value;
use std::time::Duration;

use super::calendar::Minute;
use super::{Site, Tie, What};

/// That minute as the program's moment.
pub fn moment(minute: Minute) -> Timestamp {
    DateTime::from_timestamp(minute * 60, 0).expect("in range")
}

/// What complete readings of every list leave behind.
pub fn snapshot(site: &Site) -> Snapshot {
    let mut snapshot = Snapshot::default();
    read_again(&mut snapshot, site, 0);
    snapshot
}

/// Reads every list twice over from that minute on, a `refresh` apart, so that absences are believed. A list that was
/// not empty must not have become empty: that is never believed (rules 6).
pub fn read_again(snapshot: &mut Snapshot, site: &Site, from: Minute) {
    let zone = Zone::named(site.zone).expect("in tzdata");
    let teams: Vec<Value> = site.teams.values().cloned().collect();
    for began in [moment(from), moment(from + 1)] {
        fill(&mut snapshot.customers, began, &site.coworkers, customer);
        fill(&mut snapshot.bookings, began, &site.bookings, booking);
        fill(&mut snapshot.passes, began, &site.passes, pass);
        fill(&mut snapshot.pass_kinds, began, &site.kinds, |row| kind(site, row));
        fill(&mut snapshot.contracts, began, &site.contracts, |row| contract(&zone, row));
        fill(&mut snapshot.paused_periods, began, &site.pauses, |row| pause(&zone, row));
        fill(&mut snapshot.teams, began, &teams, team);
    }
}

/// The operator's settings.
pub fn rules(site: &Site) -> Rules {
    Rules {
        site: "harbour-house".to_owned(),
        zone: Zone::named(site.zone).expect("in tzdata"),
        links: site.ties.iter().map(link).collect(),
        prestage: Duration::from_secs(24 * 3600),
        horizon: Duration::from_secs(14 * 24 * 3600),
        refresh: Duration::from_secs(60),
        tentative: site.tentative,
        contract_end: if site.last_day_counts { ContractEnd::End } else { ContractEnd::Start },
        never_touch: site.never_touch.iter().map(|pattern| EmailPattern::new(pattern)).collect(),
        no_access: NoAccess::Suspend,
        no_access_after: Duration::from_secs(24 * 3600),
        new_users: NewUsers::Regular,
        existing_users: ExistingUsers::Assign,
        sole_writer: false,
        key_is_ours_alone: false,
        hold_after_removals: 50,
        hold_after_share: 0.25,
    }
}

fn link(tie: &Tie) -> Link {
    let minutes = |n: Minute| Duration::from_secs(u64::try_from(n * 60).expect("not negative"));
    Link {
        item: match tie.what {
            What::Resource => Item::Resource(tie.id.into()),
            What::Pass => Item::Pass(tie.id.into()),
            What::Desk => Item::Desk(tie.id.into()),
            What::Plan => Item::Plan(tie.id.into()),
        },
        group: tie.group.into(),
        alternate: tie.alternate.map(Into::into),
        before: minutes(tie.before),
        after: minutes(tie.after),
        share_with_team: tie.team,
        ignore_slots: tie.ignore_slots,
    }
}

fn fill<T: Record>(shelf: &mut Shelf<T>, began: Timestamp, rows: &[Value], read: impl Fn(&Value) -> T) {
    let rows = rows.iter().map(read).collect();
    let absorbed = shelf.absorb(Listing { rows, aside: Vec::new(), whole: Some(Window::ALWAYS), began });
    assert_eq!(absorbed.refused, None, "a site for a test is whole");
}

fn customer(row: &Value) -> Customer {
    Customer {
        id: id(row, "Id").into(),
        name: row["FullName"].as_str().unwrap_or_default().to_owned(),
        email: row["Email"].as_str().and_then(Email::parse),
        active: flag(row, "Active"),
        archived: flag(row, "Archived"),
    }
}

fn booking(row: &Value) -> Booking {
    Booking {
        id: id(row, "Id").into(),
        unique_id: row["UniqueId"].as_str().map(str::to_owned),
        resource: id(row, "ResourceId").into(),
        customer: row["CoworkerId"].as_u64().map(Into::into),
        from: stamp(row, "FromTime").expect("FromTime").instant,
        to: stamp(row, "ToTime").expect("ToTime").instant,
        tentative: flag(row, "Tentative"),
    }
}

fn pass(row: &Value) -> Pass {
    Pass {
        id: id(row, "Id").into(),
        customer: id(row, "CoworkerId").into(),
        kind: id(row, "TimePassId").into(),
        used: flag(row, "Used"),
        used_on: stamp(row, "UsedDate"),
        remaining: row["RemainingUses"].as_i64(),
        expires: stamp(row, "ExpireDate").map(|stamp| stamp.instant),
    }
}

fn kind(site: &Site, row: &Value) -> PassKind {
    PassKind {
        id: id(row, "Id").into(),
        name: row["Name"].as_str().unwrap_or_default().to_owned(),
        minutes: row["MinutesIncluded"].as_i64(),
        slots: site.slots.iter().any(|slot| slot["TimePassId"] == row["Id"]),
    }
}

fn contract(zone: &Zone, row: &Value) -> Contract {
    let desks = row["FloorPlanDeskIds"].as_str().unwrap_or_default();
    let (from_day, until_day) = (day(zone, row, "InPausedPeriodFrom"), day(zone, row, "InPausedPeriodUntil"));
    Contract {
        id: id(row, "Id").into(),
        customer: id(row, "CoworkerId").into(),
        plan: row["TariffId"].as_u64().map(Into::into),
        desks: desks.split(',').filter_map(|desk| desk.trim().parse().ok().map(DeskId)).collect(),
        active: flag(row, "Active"),
        start_day: day(zone, row, "StartDate"),
        cancellation_day: day(zone, row, "CancellationDate"),
        pause: (from_day.is_some() || until_day.is_some()).then_some(Pause { from_day, until_day }),
    }
}

fn pause(zone: &Zone, row: &Value) -> PausedPeriod {
    PausedPeriod {
        id: id(row, "Id"),
        contract: id(row, "CoworkerContractId").into(),
        pause: Pause { from_day: day(zone, row, "PauseFrom"), until_day: day(zone, row, "PauseUntil") },
    }
}

fn team(row: &Value) -> Team {
    let members = row["TeamMembers"].as_array().expect("a team read by id");
    Team {
        id: id(row, "Id").into(),
        name: row["Name"].as_str().unwrap_or_default().to_owned(),
        share_passes: flag(row, "ShareTimePasses"),
        members: members.iter().map(|member| member.as_u64().unwrap_or_else(|| id(member, "Id")).into()).collect(),
    }
}

fn id(row: &Value, field: &str) -> u64 {
    row[field].as_u64().unwrap_or_else(|| panic!("{field} in {row}"))
}

fn flag(row: &Value, field: &str) -> bool {
    row[field].as_bool().unwrap_or_else(|| panic!("{field} in {row}"))
}

fn stamp(row: &Value, field: &str) -> Option<Stamp> {
    let text = row[field].as_str()?;
    let literal: NaiveDateTime = text[..19].parse().expect("digits");
    let offset = DateTime::parse_from_rfc3339(text).map_or(TimeDelta::zero(), |at| at.naive_local() - at.naive_utc());
    Some(Stamp { literal, instant: DateTime::<Utc>::from_naive_utc_and_offset(literal - offset, Utc) })
}

fn day(zone: &Zone, row: &Value, field: &str) -> Option<NaiveDate> {
    match stamp(row, &format!("{field}Local")) {
        Some(wall) => Some(wall.literal.date()),
        None => stamp(row, field).map(|stamp| zone.date_of(stamp.instant)),
    }
}
