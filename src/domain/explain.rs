//! Why somebody may get in, or may not: the same decision, told (contract 1, `explain`; contract 4, `check`).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::entitle::{barred, entitle};
use super::event::Door;
use super::person::{Match, Matcher, merge};
use super::reconcile::{Known, cross_checked};
use super::snapshot::{Contract, Customer, Pass, Snapshot};
use super::{AssignmentId, CustomerId, Email, Grant, GroupId, Item, LockId, Reason, Rules, Timestamp, UserId, Window};

/// Who is asked about: an e-mail, a Nexudus customer's id, or `kisi:ID`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// By address.
    Email(Email),
    /// By Nexudus' id.
    Customer(CustomerId),
    /// By Kisi's id.
    User(UserId),
}

impl std::str::FromStr for Who {
    type Err = String;

    fn from_str(text: &str) -> Result<Who, String> {
        let text = text.trim();
        let wrong = || format!("'{text}' is neither an e-mail, nor a customer's id, nor kisi:ID");
        if let Some(user) = text.strip_prefix("kisi:") {
            return user.parse().map(|id| Who::User(UserId(id))).map_err(|_| wrong());
        }
        match text.parse() {
            Ok(id) => Ok(Who::Customer(CustomerId(id))),
            Err(_) => Email::parse(text).map(Who::Email).ok_or_else(wrong),
        }
    }
}

/// A person as verbs show them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonShown {
    /// The Nexudus customer.
    pub customer: Option<CustomerId>,
    /// The Kisi user.
    pub user: Option<UserId>,
    /// The address.
    pub email: Option<Email>,
}

/// What Kisi holds for a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InKisi {
    /// The row.
    pub assignment: AssignmentId,
    /// Its window.
    pub valid_from: Option<Timestamp>,
    /// Its window.
    pub valid_until: Option<Timestamp>,
    /// Whether it is ours.
    pub ours: bool,
}

/// One window of access to one group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GrantShown {
    /// The group.
    pub group: GroupId,
    /// Its doors.
    pub doors: Vec<Door>,
    /// From when; absent: it always has.
    pub from: Option<Timestamp>,
    /// Until when; absent: open.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: Reason,
    /// What Kisi holds for it; absent where nothing.
    pub in_kisi: Option<InKisi>,
    /// What went wrong last for this person and group.
    pub error: Option<String>,
}

/// One reason why not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WhyNot {
    /// A word for programs.
    pub code: String,
    /// A sentence for people.
    pub message: String,
}

/// What is said about a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// Who.
    pub person: PersonShown,
    /// For which moment.
    pub at: Timestamp,
    /// `verified`, or `unverified` where Kisi's time is not known.
    pub clock: String,
    /// Whether they may: into the door asked for, or into any.
    pub allowed: bool,
    /// What they hold and will hold.
    pub grants: Vec<GrantShown>,
    /// Why not, where they may not; and what else keeps a grant from being there.
    pub why_not: Vec<WhyNot>,
}

/// What the answer is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Whom.
    pub who: &'a Who,
    /// For which moment.
    pub at: Timestamp,
    /// One door only.
    pub door: Option<LockId>,
    /// One group only.
    pub group: Option<GroupId>,
    /// Whether Kisi's time is known.
    pub verified: bool,
}

/// What the last passes left undone: held by the guard, or refused by Kisi.
pub trait Undone {
    /// What went wrong for that person and group, or what holds it.
    fn error(&self, email: Option<&Email>, user: Option<UserId>, group: Option<GroupId>) -> Option<String>;
}

/// Explains, or `None` where neither cloud knows the person.
pub fn explain(known: &Known<'_>, question: &Question<'_>, undone: &dyn Undone) -> Option<Explanation> {
    let found = Found::new(known, question.who)?;
    let at_then = Known { now: question.at, ..*known };
    let entitled = entitle(known.snapshot, known.rules, question.at);
    let mine: Vec<Grant> =
        entitled.grants.iter().filter(|grant| found.customers.contains(&grant.customer)).copied().collect();
    let mut grants = Vec::new();
    let groups: BTreeSet<GroupId> = mine.iter().map(|grant| grant.group).collect();
    for group in groups.into_iter().filter(|group| asked(known, question, *group)) {
        let of_group = mine.iter().filter(|grant| grant.group == group).copied().collect();
        for merged in merge(of_group).iter().filter(|merged| !merged.window.ended(question.at)) {
            grants.push(GrantShown {
                group,
                doors: doors(known, group),
                from: merged.window.from(),
                until: merged.window.until(),
                reason: merged.reason(question.at),
                in_kisi: found.user.and_then(|user| in_kisi(&at_then, user, group, &merged.window)),
                error: undone.error(found.email.as_ref(), found.user, Some(group)),
            });
        }
    }
    grants.sort_by_key(|grant| (grant.from, grant.group));
    let allowed = grants.iter().any(|grant| open(grant, question.at)) && !found.suspended(known);
    let mut why_not = Vec::new();
    if grants.is_empty() && mine.iter().any(|grant| !grant.window.ended(question.at)) {
        why_not.push(why("other_doors", "what this person holds opens other doors".to_owned()));
    }
    if !allowed {
        why_not.extend(found.why_not(known, question, &grants, undone));
    }
    why_not.extend(found.remarks(known, question.at));
    let person = PersonShown { customer: found.customers.first().copied(), user: found.user, email: found.email };
    let clock = if question.verified { "verified" } else { "unverified" };
    Some(Explanation { person, at: question.at, clock: clock.to_owned(), allowed, grants, why_not })
}

fn open(grant: &GrantShown, at: Timestamp) -> bool {
    Window::new(grant.from, grant.until).is_some_and(|window| window.contains(at))
}

fn asked(known: &Known<'_>, question: &Question<'_>, group: GroupId) -> bool {
    let door = question.door.is_none_or(|door| doors(known, group).iter().any(|other| other.id == door));
    door && question.group.is_none_or(|wanted| wanted == group)
}

fn doors(known: &Known<'_>, group: GroupId) -> Vec<Door> {
    known.roster.groups.get(&group).map(|group| group.doors.clone()).unwrap_or_default()
}

fn in_kisi(known: &Known<'_>, user: UserId, group: GroupId, window: &Window) -> Option<InKisi> {
    let slots = [Some(group), known.rules.alternate_of(group)];
    let rows = slots.into_iter().flatten().filter_map(|group| known.roster.slot(user, group));
    let row = rows.max_by_key(|row| row.window().is_some_and(|held| held.and(window).is_some()))?;
    let owned = known.ledger.owned.get(&row.id);
    Some(InKisi {
        assignment: row.id,
        valid_from: row.valid_from,
        valid_until: row.valid_until,
        ours: owned.is_some_and(|owned| cross_checked(owned, row, known.own_user)),
    })
}

struct Found {
    customers: Vec<CustomerId>,
    user: Option<UserId>,
    email: Option<Email>,
}

impl Found {
    fn new(known: &Known<'_>, who: &Who) -> Option<Found> {
        let by_email = |email: &Email| -> Vec<CustomerId> {
            let same = |customer: &&Customer| customer.email.as_ref() == Some(email);
            known.snapshot.customers.iter().filter(same).map(|customer| customer.id).collect()
        };
        let (customers, email) = match who {
            Who::Email(email) => (by_email(email), Some(email.clone())),
            Who::Customer(id) => {
                let email = known.snapshot.customers.get(*id)?.email.clone();
                (email.as_ref().map_or_else(|| vec![*id], by_email), email)
            }
            Who::User(id) => {
                let user = known.roster.users.get(id)?;
                let noted = known.ledger.accounts.get(id).map(|account| account.customers.clone()).unwrap_or_default();
                let marked = user.marked_customer().filter(|id| known.snapshot.customers.get(*id).is_some());
                let customers = match (noted.is_empty(), &user.email) {
                    (false, _) => noted,
                    (true, Some(email)) if marked.is_none() => by_email(email),
                    _ => marked.into_iter().collect(),
                };
                return Some(Found { customers, user: Some(*id), email: user.email.clone() });
            }
        };
        let matcher = Matcher::new(&known.rules.site, known.roster, known.ledger);
        let user = email.as_ref().and_then(|email| match matcher.find(email, &customers) {
            Match::User(user) | Match::Elevated { was: user, .. } => Some(user),
            Match::New => None,
        });
        (!customers.is_empty() || user.is_some()).then_some(Found { customers, user, email })
    }

    fn suspended(&self, known: &Known<'_>) -> bool {
        self.user.and_then(|user| known.roster.users.get(&user)).is_some_and(|user| !user.enabled)
    }

    fn why_not(
        &self,
        known: &Known<'_>,
        question: &Question<'_>,
        grants: &[GrantShown],
        undone: &dyn Undone,
    ) -> Vec<WhyNot> {
        let mut out = Vec::new();
        if let Some(user) = self.user.and_then(|user| known.roster.users.get(&user)).filter(|user| !user.enabled) {
            let adopted = known.ledger.accounts.get(&user.id).is_some_and(|account| account.adopted_suspended);
            let (code, by) = match user.suspended_by_us() || adopted {
                true => ("suspended", "for want of a grant; it is enabled again when one comes"),
                false => ("suspended_by_other", "in Kisi by another hand: enable it there"),
            };
            out.push(why(code, format!("Kisi user {} is suspended {by}", user.id)));
        }
        if let Some(error) = undone.error(self.email.as_ref(), self.user, None) {
            out.push(why("not_done", error));
        }
        for grant in grants.iter().filter(|grant| grant.from.is_some_and(|from| from > question.at)) {
            let zone = &known.rules.zone;
            let local = grant.from.map(|from| zone.wall_clock(from)).unwrap_or_default();
            let text = format!("{} opens group {} from {local} ({})", grant.reason, grant.group, zone.name());
            out.push(why("starts_at", text));
        }
        for id in &self.customers {
            if let Some(customer) = known.snapshot.customers.get(*id) {
                self.of_customer(known, question, customer, &mut out);
            }
        }
        if self.customers.is_empty() {
            out.push(why("not_in_nexudus", "Nexudus knows no customer with this e-mail".to_owned()));
        }
        if out.is_empty() {
            let text = "no booking, pass or contract of a linked item gives access at this time".to_owned();
            out.push(why("no_grant", text));
        }
        out
    }

    fn of_customer(&self, known: &Known<'_>, question: &Question<'_>, customer: &Customer, out: &mut Vec<WhyNot>) {
        let id = customer.id;
        if !customer.active {
            out.push(why("customer_suspended", format!("customer {id} is suspended in Nexudus")));
        }
        if customer.archived {
            out.push(why("customer_archived", format!("customer {id} is archived in Nexudus")));
        }
        match &customer.email {
            None => out.push(why("no_email", format!("customer {id} has no e-mail in Nexudus, so no Kisi user"))),
            Some(email) if barred(customer, known.rules) && customer.active && !customer.archived => {
                out.push(why("never_touch", format!("{email} matches access.never_touch: Gatehouse leaves it alone")));
            }
            Some(_) => {}
        }
        out.extend(near_misses(known.snapshot, known.rules, id, question.at));
    }

    /// What is worth knowing though access is given: hours of Kisi's own on a group, a pass that opens day and night.
    fn remarks(&self, known: &Known<'_>, at: Timestamp) -> Vec<WhyNot> {
        let entitled = entitle(known.snapshot, known.rules, at);
        let mine = entitled.grants.iter().filter(|grant| self.customers.contains(&grant.customer));
        let groups: BTreeSet<GroupId> = mine.map(|grant| grant.group).collect();
        let restricted = groups.iter().filter_map(|group| known.roster.groups.get(group));
        let mut out: Vec<WhyNot> = restricted
            .filter(|group| group.time_restricted)
            .map(|group| {
                let text = format!("Kisi group {} ('{}') has a time restriction of its own", group.id, group.name);
                why("group_time_restriction", text)
            })
            .collect();
        for note in entitled.notes {
            if let super::entitle::Note::Unending(id) = note
                && known.snapshot.passes.get(id).is_some_and(|pass| self.customers.contains(&pass.customer))
            {
                let text =
                    format!("pass {id} is an unused day pass without an expiry: it opens day and night until used");
                out.push(why("unending_pass", text));
            }
        }
        out
    }
}

/// Bookings, passes and contracts of the customer that give nothing at that moment, and why.
fn near_misses(snapshot: &Snapshot, rules: &Rules, customer: CustomerId, at: Timestamp) -> Vec<WhyNot> {
    let mut out = Vec::new();
    let linked = |item: Item| rules.links_of(item).next().is_some();
    for booking in snapshot.bookings.iter().filter(|booking| booking.customer == Some(customer)) {
        let item = Item::Resource(booking.resource);
        if !linked(item) {
            out.push(why("no_link", format!("booking {} is of {item}, which has no link", booking.id)));
        } else if booking.tentative && !rules.tentative {
            out.push(why("tentative", format!("booking {} is not approved yet", booking.id)));
        } else if booking.to <= at {
            out.push(why("ended_at", format!("booking {} ended at {}", booking.id, booking.to)));
        }
    }
    for pass in snapshot.passes.iter().filter(|pass| pass.customer == customer) {
        out.extend(of_pass(pass, snapshot, linked(Item::Pass(pass.kind)), at));
    }
    for contract in snapshot.contracts.iter().filter(|contract| contract.customer == customer) {
        let desks = contract.desks.iter().map(|desk| Item::Desk(*desk));
        let any = desks.chain(contract.plan.map(Item::Plan)).any(linked);
        out.extend(of_contract(contract, snapshot, rules, any, at));
    }
    out
}

fn of_pass(pass: &Pass, snapshot: &Snapshot, linked: bool, at: Timestamp) -> Option<WhyNot> {
    let id = pass.id;
    if !linked {
        return Some(why("no_link", format!("pass {id} is of kind {}, which has no link", pass.kind)));
    }
    if pass.expires.is_some_and(|expires| expires <= at) {
        return Some(why("expired", format!("pass {id} has expired")));
    }
    let Some(kind) = snapshot.pass_kinds.get(pass.kind) else {
        return Some(why("unknown_kind", format!("the definition of pass {id} has not been read yet")));
    };
    let used_up = match kind.minutes {
        Some(_) => pass.remaining.map_or(pass.used, |left| left <= 0),
        None => pass.used,
    };
    used_up.then(|| why("pass_used_up", format!("pass {id} is used up")))
}

fn of_contract(contract: &Contract, snapshot: &Snapshot, rules: &Rules, linked: bool, at: Timestamp) -> Option<WhyNot> {
    let id = contract.id;
    let today = rules.zone.date_of(at);
    if !linked {
        return Some(why("no_link", format!("neither the desks nor the plan of contract {id} have a link")));
    }
    if !contract.active {
        return Some(why("contract_inactive", format!("contract {id} is not active")));
    }
    if let Some(start) = contract.start_day.filter(|start| *start > today) {
        return Some(why("starts_at", format!("contract {id} starts on {start}")));
    }
    let over = |end: &chrono::NaiveDate| match rules.contract_end {
        super::ContractEnd::Start => *end <= today,
        super::ContractEnd::End => *end < today,
    };
    if let Some(end) = contract.cancellation_day.filter(over) {
        return Some(why("ended_at", format!("contract {id} ended on {end}")));
    }
    let listed = snapshot.paused_periods.iter().filter(|period| period.contract == id).map(|period| period.pause);
    let paused = contract.pause.into_iter().chain(listed).any(|pause| pause.covers(today));
    paused.then(|| why("contract_paused", format!("contract {id} is paused")))
}

fn why(code: &str, message: String) -> WhyNot {
    WhyNot { code: code.to_owned(), message }
}
