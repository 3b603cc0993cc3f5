//! A second opinion on who gets in: slow, simple, and from Nexudus' own JSON.
//!
//! [`who_is_in`] asks of one minute only, 'who may open which group now?', by looking through every row. It knows no
//! window, no interval arithmetic and no date library, and shares nothing with `gatehouse`. Where it and the rules
//! of the program differ, one of them misreads the rules.

pub mod calendar;
mod plans;
pub mod reading;
pub mod sites;
pub mod walks;

use std::collections::{BTreeMap, BTreeSet};

use calendar::{Minute, Table, Written};
use serde_json::Value;

/// What a link names in Nexudus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A bookable resource.
    Resource,
    /// A kind of pass.
    Pass,
    /// A desk or an office.
    Desk,
    /// A price plan.
    Plan,
}

/// A link: one item of Nexudus tied to one group of Kisi.
#[derive(Clone, Debug)]
pub struct Tie {
    /// What kind of item.
    pub what: What,
    /// Its id.
    pub id: u64,
    /// The Kisi group.
    pub group: u64,
    /// A second group with the same doors.
    pub alternate: Option<u64>,
    /// Minutes of access before a booking.
    pub before: Minute,
    /// Minutes of access after a booking.
    pub after: Minute,
    /// `share_with_team`
    pub team: bool,
    /// `ignore_slots`
    pub ignore_slots: bool,
}

/// A site: what Nexudus would answer, and what the operator has set.
#[derive(Clone)]
pub struct Site {
    /// The IANA name of its zone.
    pub zone: &'static str,
    /// The links.
    pub ties: Vec<Tie>,
    /// Addresses that nothing touches; `*` is any run of characters.
    pub never_touch: Vec<&'static str>,
    /// Whether an unapproved booking opens doors.
    pub tentative: bool,
    /// Whether a contract still holds on the day of its `CancellationDate`.
    pub last_day_counts: bool,
    /// `spaces/coworkers`
    pub coworkers: Vec<Value>,
    /// `spaces/bookings`
    pub bookings: Vec<Value>,
    /// `billing/coworkertimepasses`
    pub passes: Vec<Value>,
    /// `billing/timepasses`
    pub kinds: Vec<Value>,
    /// `billing/timepasstimeslots`
    pub slots: Vec<Value>,
    /// `billing/coworkercontracts`
    pub contracts: Vec<Value>,
    /// `billing/contractpausedperiods`
    pub pauses: Vec<Value>,
    /// `spaces/teams/{id}`, by id
    pub teams: BTreeMap<u64, Value>,
}

/// A failing site is read by people: a line for each row, as Nexudus would send it.
impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} tentative: {} last day: {}", self.zone, self.tentative, self.last_day_counts)?;
        writeln!(f, "never touch: {:?}", self.never_touch)?;
        for tie in &self.ties {
            writeln!(f, "{tie:?}")?;
        }
        let lists = [
            ("coworker", &self.coworkers),
            ("booking", &self.bookings),
            ("pass", &self.passes),
            ("slot", &self.slots),
            ("contract", &self.contracts),
            ("pause", &self.pauses),
        ];
        for (name, rows) in lists {
            for row in rows {
                writeln!(f, "{name} {row}")?;
            }
        }
        for team in self.teams.values() {
            writeln!(f, "team {team}")?;
        }
        Ok(())
    }
}

/// Every (customer, group) that may open doors in that minute, by rules 1 and 2.
pub fn who_is_in(site: &Site, now: Minute) -> BTreeSet<(u64, u64)> {
    let mut inside = BTreeSet::new();
    for tie in &site.ties {
        for holder in holders(site, tie, now) {
            if !has_grants(site, holder) {
                continue;
            }
            inside.insert((holder, tie.group));
            if tie.team && tie.what != What::Resource {
                inside.extend(mates(site, holder, tie.what == What::Pass).into_iter().map(|mate| (mate, tie.group)));
            }
        }
    }
    inside.retain(|(customer, _)| has_grants(site, *customer) && address(site, *customer).is_some());
    inside
}

/// The address that makes a customer the person it is: two customers with one are one person.
pub fn address(site: &Site, customer: u64) -> Option<String> {
    let email = coworker(site, customer)?["Email"].as_str()?.trim().to_lowercase();
    (!email.is_empty()).then_some(email)
}

/// Whose booking, pass or contract of the tie's item is good in that minute.
fn holders(site: &Site, tie: &Tie, now: Minute) -> Vec<u64> {
    let rows: Vec<&Value> = match tie.what {
        What::Resource => site.bookings.iter().filter(|row| booking_is_on(site, tie, row, now)).collect(),
        What::Pass => site.passes.iter().filter(|row| pass_is_good(site, tie, row, now)).collect(),
        What::Desk | What::Plan => site.contracts.iter().filter(|row| contract_is_on(site, tie, row, now)).collect(),
    };
    rows.into_iter().filter_map(|row| row["CoworkerId"].as_u64()).collect()
}

/// 'A customer whose `Active` is false or `Archived` is true has no grants. A person whose e-mail matches
/// `never_touch` has none.' A customer without an address may hold one, to share it, though it is of no use to itself.
fn has_grants(site: &Site, customer: u64) -> bool {
    let Some(row) = coworker(site, customer) else { return false };
    let untouchable = || {
        let address = address(site, customer).unwrap_or_default();
        site.never_touch.iter().any(|pattern| covers(pattern.as_bytes(), address.as_bytes()))
    };
    row["Active"] == true && row["Archived"] == false && !untouchable()
}

fn coworker(site: &Site, customer: u64) -> Option<&Value> {
    site.coworkers.iter().find(|row| row["Id"] == customer)
}

/// The members of the teams that the customer is a member of.
fn mates(site: &Site, customer: u64, passes_only_where_shared: bool) -> BTreeSet<u64> {
    let members = |team: &Value| -> BTreeSet<u64> {
        let list = team["TeamMembers"].as_array().expect("a team read by id");
        list.iter().filter_map(|member| member.as_u64().or_else(|| member["Id"].as_u64())).collect()
    };
    site.teams
        .values()
        .filter(|team| !passes_only_where_shared || team["ShareTimePasses"] == true)
        .map(members)
        .filter(|members| members.contains(&customer))
        .flatten()
        .collect()
}

fn booking_is_on(site: &Site, tie: &Tie, row: &Value, now: Minute) -> bool {
    row["ResourceId"] == tie.id
        && (row["Tentative"] == false || site.tentative)
        && date(row, "FromTime").is_some_and(|from| from.instant - tie.before <= now)
        && date(row, "ToTime").is_some_and(|to| now < to.instant + tie.after)
}

fn pass_is_good(site: &Site, tie: &Tie, row: &Value, now: Minute) -> bool {
    let Some(kind) = site.kinds.iter().find(|kind| kind["Id"] == tie.id) else { return false };
    let has_slots = site.slots.iter().any(|slot| slot["TimePassId"] == tie.id);
    let used = row["Used"] == true;
    let spendable = if kind["MinutesIncluded"].is_null() {
        let today = Table::named(site.zone).day(now);
        let is_today = |on: Written| on.literal_day() == today || Table::named(site.zone).day(on.instant) == today;
        !used || date(row, "UsedDate").is_some_and(is_today)
    } else {
        match row["RemainingUses"].as_i64() {
            None => !used,
            Some(left) => left > 0,
        }
    };
    row["TimePassId"] == tie.id
        && (tie.ignore_slots || !has_slots)
        && date(row, "ExpireDate").is_none_or(|expires| now < expires.instant)
        && spendable
}

fn contract_is_on(site: &Site, tie: &Tie, row: &Value, now: Minute) -> bool {
    let today = Table::named(site.zone).day(now);
    let names_it = match tie.what {
        What::Plan => row["TariffId"] == tie.id,
        _ => {
            let desks = row["FloorPlanDeskIds"].as_str().unwrap_or_default();
            desks.split(',').any(|desk| desk.trim() == tie.id.to_string())
        }
    };
    let day = |row: &Value, field: &str| calendar_day(site, row, field);
    let between = |from: Option<i64>, until: Option<i64>| {
        (from.is_some() || until.is_some())
            && from.is_none_or(|from| from <= today)
            && until.is_none_or(|until| today < until)
    };
    let own_pause = between(day(row, "InPausedPeriodFrom"), day(row, "InPausedPeriodUntil"));
    let listed_pause = site
        .pauses
        .iter()
        .filter(|pause| pause["CoworkerContractId"] == row["Id"])
        .any(|pause| between(day(pause, "PauseFrom"), day(pause, "PauseUntil")));
    let last_day = if site.last_day_counts { 1 } else { 0 };
    row["Active"] == true
        && names_it
        && day(row, "StartDate").is_none_or(|start| start <= today)
        && day(row, "CancellationDate").is_none_or(|end| today < end + last_day)
        && !own_pause
        && !listed_pause
}

/// 'Read the wall-clock dates (`…Local`) on the site's calendar; a field with no such twin has the date of its
/// instant on that calendar.'
fn calendar_day(site: &Site, row: &Value, field: &str) -> Option<i64> {
    match date(row, &format!("{field}Local")) {
        Some(wall) => Some(wall.literal_day()),
        None => date(row, field).map(|on| Table::named(site.zone).day(on.instant)),
    }
}

fn date(row: &Value, field: &str) -> Option<Written> {
    row[field].as_str().map(calendar::read)
}

/// Whether a pattern in which `*` is any run of characters covers the whole text.
fn covers(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|skip| covers(rest, &text[skip..])),
        Some((first, rest)) => text.split_first().is_some_and(|(head, tail)| head == first && covers(rest, tail)),
    }
}
