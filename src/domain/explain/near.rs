//! What in Nexudus gives access, or nearly does: the chain from a record to a group, and where it breaks.

use std::collections::BTreeSet;

use super::super::reconcile::Known;
use super::super::snapshot::{Booking, Contract, Pass};
use super::super::{ContractEnd, CustomerId, DeskId, Grant, Item, Link, Reason, Timestamp};
use super::{Code, when};

type Miss = (Code, String);

/// From the record over the item and its link to the group, in words.
pub(super) fn chain(known: &Known<'_>, grant: &Grant) -> String {
    let (what, items) = record(known, grant);
    let link = known.rules.links.iter().find(|link| link.group == grant.group && items.contains(&link.item));
    let margins = match (link, grant.reason) {
        (Some(link), Reason::Booking(_)) => {
            format!(", {} before and {} after", span(link.before), span(link.after))
        }
        _ => String::new(),
    };
    let item = link.map(|link| format!(" → {}, linked{margins}", named(known, link.item))).unwrap_or_default();
    let name = known.roster.groups.get(&grant.group).map(|group| format!(" '{}'", group.name)).unwrap_or_default();
    format!("{what}{item} → group {}{name}", grant.group)
}

/// What the grant came from, and the items it is of.
fn record(known: &Known<'_>, grant: &Grant) -> (String, Vec<Item>) {
    let snapshot = known.snapshot;
    let shared = |holder: CustomerId| match holder == grant.customer {
        true => String::new(),
        false => format!(" of customer {holder}, shared with the team"),
    };
    match grant.reason {
        Reason::Booking(id) => match snapshot.bookings.get(id) {
            Some(booking) => {
                let (from, to) = (when(known.rules, booking.from), when(known.rules, booking.to));
                (format!("booking {id}, {from} to {to}"), vec![Item::Resource(booking.resource)])
            }
            None => (format!("booking {id}"), Vec::new()),
        },
        Reason::Pass(id) => match snapshot.passes.get(id) {
            Some(pass) => (format!("pass {id}{}", shared(pass.customer)), vec![Item::Pass(pass.kind)]),
            None => (format!("pass {id}"), Vec::new()),
        },
        Reason::Contract(id) => match snapshot.contracts.get(id) {
            Some(contract) => (format!("contract {id}{}", shared(contract.customer)), items(contract)),
            None => (format!("contract {id}"), Vec::new()),
        },
        Reason::Policy => ("policy".to_owned(), Vec::new()),
    }
}

fn items(contract: &Contract) -> Vec<Item> {
    let desks = contract.desks.iter().map(|desk| Item::Desk(*desk));
    desks.chain(contract.plan.map(Item::Plan)).collect()
}

fn named(known: &Known<'_>, item: Item) -> String {
    let snapshot = known.snapshot;
    let name = match item {
        Item::Resource(id) => snapshot.resources.get(id.0).map(|row| row.name.clone()),
        Item::Pass(id) => snapshot.pass_kinds.get(id).map(|row| row.name.clone()),
        Item::Desk(DeskId(id)) => snapshot.desks.get(id).map(|row| row.name.clone()),
        Item::Plan(_) => None,
    };
    name.map_or(item.to_string(), |name| format!("{item} '{name}'"))
}

fn span(span: std::time::Duration) -> String {
    format!("{} min", span.as_secs() / 60)
}

/// Bookings, passes and contracts of the customer that give nothing at that moment, and why; of what ended, the last.
pub(super) fn misses(known: &Known<'_>, customer: CustomerId, at: Timestamp, given: &BTreeSet<Reason>) -> Vec<Miss> {
    let snapshot = known.snapshot;
    let mut out = Vec::new();
    let mut last: Option<&Booking> = None;
    for booking in snapshot.bookings.iter().filter(|booking| booking.customer == Some(customer)) {
        let item = Item::Resource(booking.resource);
        if given.contains(&Reason::Booking(booking.id)) {
            continue;
        }
        if booking.to <= at {
            last = last.into_iter().chain([booking]).max_by_key(|booking| booking.to);
        } else if !linked(known, item) {
            let text = format!("booking {} is of {}, which has no link", booking.id, named(known, item));
            out.push((Code::NoLink, text));
        } else if booking.tentative && !known.rules.tentative {
            out.push((Code::Tentative, format!("booking {} is not approved yet", booking.id)));
        }
    }
    for pass in snapshot.passes.iter().filter(|pass| pass.customer == customer) {
        if !given.contains(&Reason::Pass(pass.id)) {
            out.extend(of_pass(known, pass, at));
        }
    }
    for contract in snapshot.contracts.iter().filter(|contract| contract.customer == customer) {
        // A pause is told beside the grant that begins after it.
        out.extend(match given.contains(&Reason::Contract(contract.id)) {
            true => paused(known, contract, known.rules.zone.date_of(at)),
            false => of_contract(known, contract, at),
        });
    }
    if let Some(booking) = last {
        let text = format!("booking {} ended at {}", booking.id, when(known.rules, booking.to));
        out.push((Code::EndedAt, text));
    }
    out
}

fn linked(known: &Known<'_>, item: Item) -> bool {
    known.rules.links_of(item).next().is_some()
}

fn of_pass(known: &Known<'_>, pass: &Pass, at: Timestamp) -> Option<Miss> {
    let id = pass.id;
    let mut links = known.rules.links_of(Item::Pass(pass.kind)).peekable();
    if links.peek().is_none() {
        let text = format!("pass {id} is of {}, which has no link", named(known, Item::Pass(pass.kind)));
        return Some((Code::NoLink, text));
    }
    if let Some(expired) = pass.expires.filter(|expires| *expires <= at) {
        return Some((Code::PassExpired, format!("pass {id} expired at {}", when(known.rules, expired))));
    }
    let Some(kind) = known.snapshot.pass_kinds.get(pass.kind) else {
        return Some((Code::PassNotRead, format!("the definition of pass {id} has not been read yet")));
    };
    let used_up = match kind.minutes {
        Some(_) => pass.remaining.map_or(pass.used, |left| left <= 0),
        None => pass.used,
    };
    if used_up {
        return Some((Code::PassUsedUp, format!("pass {id} is used up")));
    }
    let slots = kind.slots && links.all(|link: &Link| !link.ignore_slots);
    slots.then(|| {
        let text = format!("pass {id} is of {}, which has time slots", named(known, Item::Pass(pass.kind)));
        (Code::PassSlots, text)
    })
}

fn of_contract(known: &Known<'_>, contract: &Contract, at: Timestamp) -> Option<Miss> {
    let id = contract.id;
    let rules = known.rules;
    let today = rules.zone.date_of(at);
    if !items(contract).into_iter().any(|item| linked(known, item)) {
        return Some((Code::NoLink, format!("neither the desks nor the plan of contract {id} have a link")));
    }
    if !contract.active {
        return Some((Code::ContractInactive, format!("contract {id} is not active")));
    }
    let over = |end: &chrono::NaiveDate| match rules.contract_end {
        ContractEnd::Start => *end <= today,
        ContractEnd::End => *end < today,
    };
    if let Some(end) = contract.cancellation_day.filter(over) {
        return Some((Code::EndedAt, format!("contract {id} ended on {end}")));
    }
    paused(known, contract, today)
}

fn paused(known: &Known<'_>, contract: &Contract, today: chrono::NaiveDate) -> Option<Miss> {
    let periods = known.snapshot.paused_periods.iter();
    let listed = periods.filter(|period| period.contract == contract.id).map(|period| period.pause);
    let pause = contract.pause.into_iter().chain(listed).find(|pause| pause.covers(today))?;
    let until = pause.until_day.map(|day| format!(" until {day}")).unwrap_or_default();
    Some((Code::ContractPaused, format!("contract {} is paused{until}", contract.id)))
}
