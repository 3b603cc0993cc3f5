//! From what Nexudus said to who may get in: grants (rules 2).

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::snapshot::{Booking, Contract, Customer, Pass, Pause, Snapshot, Stamp};
use super::{
    ContractEnd, ContractId, CustomerId, Grant, GroupId, Item, Link, PassId, PassKindId, Reason, Rules, Timestamp,
    Window,
};

/// Grants, and what kept others from being made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entitled {
    /// Who may get in where and when. One of a customer without an e-mail is not among them.
    pub grants: Vec<Grant>,
    /// What the operator should know.
    pub notes: BTreeSet<Note>,
}

/// Why something in Nexudus gives no access, or more than one might think.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Note {
    /// The customer would have access, but has no e-mail.
    NoEmail(CustomerId),
    /// The linked kind of pass has time slots, which Gatehouse does not apply.
    Slots(PassKindId),
    /// A pass of a linked kind whose definition has not been read.
    UnknownKind(PassKindId),
    /// A booking, pass or contract of a customer who has not been read.
    UnknownCustomer(CustomerId),
    /// An unused day pass that never expires opens day and night until it is used.
    Unending(PassId),
}

/// Every grant that follows from what Nexudus said. `now` decides one thing alone: whether a day pass was used today.
pub fn entitle(snapshot: &Snapshot, rules: &Rules, now: Timestamp) -> Entitled {
    let mut maker = Maker::new(snapshot, rules);
    for booking in snapshot.bookings.iter() {
        maker.booking(booking);
    }
    for pass in snapshot.passes.iter() {
        maker.pass(pass, now);
    }
    for contract in snapshot.contracts.iter() {
        maker.contract(contract);
    }
    maker.out
}

struct Maker<'a> {
    snapshot: &'a Snapshot,
    rules: &'a Rules,
    links: BTreeMap<Item, Vec<&'a Link>>,
    pauses: BTreeMap<ContractId, Vec<Pause>>,
    teams: BTreeMap<CustomerId, Vec<&'a super::snapshot::Team>>,
    out: Entitled,
}

impl<'a> Maker<'a> {
    fn new(snapshot: &'a Snapshot, rules: &'a Rules) -> Maker<'a> {
        let mut links: BTreeMap<Item, Vec<&Link>> = BTreeMap::new();
        for link in &rules.links {
            links.entry(link.item).or_default().push(link);
        }
        let mut pauses: BTreeMap<ContractId, Vec<Pause>> = BTreeMap::new();
        for period in snapshot.paused_periods.iter() {
            pauses.entry(period.contract).or_default().push(period.pause);
        }
        let mut teams: BTreeMap<CustomerId, Vec<_>> = BTreeMap::new();
        for team in snapshot.teams.iter() {
            for member in &team.members {
                teams.entry(*member).or_default().push(team);
            }
        }
        Maker { snapshot, rules, links, pauses, teams, out: Entitled::default() }
    }

    fn links_of(&self, item: Item) -> Vec<&'a Link> {
        self.links.get(&item).cloned().unwrap_or_default()
    }

    fn booking(&mut self, booking: &Booking) {
        let Some(customer) = booking.customer else { return };
        if booking.tentative && !self.rules.tentative {
            return;
        }
        for link in self.links_of(Item::Resource(booking.resource)) {
            let from = booking.from - delta(link.before);
            let until = booking.to + delta(link.after);
            if let Some(window) = Window::new(Some(from), Some(until)) {
                self.grant(customer, link.group, window, Reason::Booking(booking.id));
            }
        }
    }

    fn pass(&mut self, pass: &Pass, now: Timestamp) {
        let links = self.links_of(Item::Pass(pass.kind));
        if links.is_empty() {
            return;
        }
        let Some(kind) = self.snapshot.pass_kinds.get(pass.kind) else {
            self.out.notes.insert(Note::UnknownKind(pass.kind));
            return;
        };
        let window = match kind.minutes {
            Some(_) => time_pass(pass),
            None => self.day_pass(pass, now),
        };
        let Some(window) = window else { return };
        let sharing: Vec<CustomerId> = self.mates(pass.customer, |team| team.share_passes);
        for link in links {
            if kind.slots && !link.ignore_slots {
                self.out.notes.insert(Note::Slots(pass.kind));
                continue;
            }
            if kind.minutes.is_none() && window.until().is_none() {
                self.out.notes.insert(Note::Unending(pass.id));
            }
            self.grant_shared(pass.customer, link, &sharing, window, Reason::Pass(pass.id));
        }
    }

    fn day_pass(&self, pass: &Pass, now: Timestamp) -> Option<Window> {
        let until = match pass.used_on {
            _ if !pass.used => pass.expires,
            Some(used_on) if self.is_today(used_on, now) => {
                let today = self.rules.zone.date_of(now);
                super::window::earlier_end(Some(self.rules.zone.end_of(today)), pass.expires)
            }
            _ => return None,
        };
        Window::new(None, until)
    }

    /// Which of the two dates Nexudus means is not known, so either will do (rules 2, Pass).
    fn is_today(&self, used_on: Stamp, now: Timestamp) -> bool {
        let today = self.rules.zone.date_of(now);
        used_on.literal.date() == today || self.rules.zone.date_of(used_on.instant) == today
    }

    fn contract(&mut self, contract: &Contract) {
        let items = contract.desks.iter().map(|desk| Item::Desk(*desk)).chain(contract.plan.map(Item::Plan));
        let links: Vec<&Link> = items.flat_map(|item| self.links_of(item)).collect();
        if links.is_empty() || !contract.active {
            return;
        }
        let sharing = self.mates(contract.customer, |_| true);
        for window in self.days_of(contract) {
            for link in &links {
                self.grant_shared(contract.customer, link, &sharing, window, Reason::Contract(contract.id));
            }
        }
    }

    fn days_of(&self, contract: &Contract) -> Vec<Window> {
        let zone = &self.rules.zone;
        let from = contract.start_day.map(|day| zone.start_of(day));
        let until = contract.cancellation_day.map(|day| match self.rules.contract_end {
            ContractEnd::Start => zone.start_of(day),
            ContractEnd::End => zone.end_of(day),
        });
        let mut left: Vec<Window> = Window::new(from, until).into_iter().collect();
        let own = contract.pause.iter();
        let listed = self.pauses.get(&contract.id).into_iter().flatten();
        for pause in own.chain(listed) {
            let from = pause.from_day.map(|day| zone.start_of(day));
            let until = pause.until_day.map(|day| zone.start_of(day));
            if let Some(hole) = Window::new(from, until) {
                left = left.iter().flat_map(|window| window.without(&hole)).collect();
            }
        }
        left
    }

    /// The other members of the customer's teams.
    fn mates(&self, customer: CustomerId, sharing: impl Fn(&super::snapshot::Team) -> bool) -> Vec<CustomerId> {
        let teams = self.teams.get(&customer).into_iter().flatten().filter(|team| sharing(team));
        let mates: BTreeSet<CustomerId> = teams.flat_map(|team| team.members.iter().copied()).collect();
        mates.into_iter().filter(|mate| *mate != customer).collect()
    }

    fn grant_shared(
        &mut self,
        holder: CustomerId,
        link: &Link,
        sharing: &[CustomerId],
        window: Window,
        reason: Reason,
    ) {
        if !self.grant(holder, link.group, window, reason) || !link.share_with_team {
            return;
        }
        for mate in sharing {
            self.grant(*mate, link.group, window, reason);
        }
    }

    /// Whether the customer holds the grant: also one without an e-mail does, to whom it can't be given.
    fn grant(&mut self, customer: CustomerId, group: GroupId, window: Window, reason: Reason) -> bool {
        let Some(record) = self.snapshot.customers.get(customer) else {
            self.out.notes.insert(Note::UnknownCustomer(customer));
            return false;
        };
        if barred(record, self.rules) {
            return false;
        }
        if record.email.is_some() {
            self.out.grants.push(Grant { customer, group, window, reason });
        } else {
            self.out.notes.insert(Note::NoEmail(customer));
        }
        true
    }
}

/// Whether the customer can have no grant at all: suspended, archived, or not to be touched.
pub fn barred(customer: &Customer, rules: &Rules) -> bool {
    let untouchable = |email| rules.never_touch.iter().any(|pattern| pattern.matches(email));
    !customer.active || customer.archived || customer.email.as_ref().is_some_and(untouchable)
}

fn time_pass(pass: &Pass) -> Option<Window> {
    let left = pass.remaining.map_or(!pass.used, |minutes| minutes > 0);
    left.then(|| Window::new(None, pass.expires)).flatten()
}

fn delta(span: std::time::Duration) -> TimeDelta {
    TimeDelta::from_std(span).unwrap_or(TimeDelta::zero())
}
