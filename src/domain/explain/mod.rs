//! Why somebody may get in, or may not: the same decision, told (contract 1, `explain`; contract 4, `check`).
//!
//! [`found`] says who is meant, this file which grants they hold, [`kisi`] what stands in Kisi for them, [`near`] what
//! in Nexudus nearly gave access, and [`code`] names each reason with its cause and cure.

pub mod code;
mod found;
mod kisi;
mod near;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use code::{CODES, Code};
pub use found::suggest;

use super::entitle::{Note, barred, entitle};
use super::event::Door;
use super::person::{Merged, merge};
use super::reconcile::Known;
use super::roster::User;
use super::snapshot::Customer;
use super::{AssignmentId, CustomerId, Email, Grant, GroupId, LockId, Reason, Rules, Timestamp, UserId, Window};
use found::Found;

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
        let wrong = || {
            format!(
                "'{text}' is neither an e-mail, nor a customer's id, nor kisi:ID; as in gatehouse explain ada@example.org"
            )
        };
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
    /// From each booking, pass or contract to the group, in words. For people: no part of what `--json` prints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<String>,
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

/// Whether changes are written to Kisi.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    /// They are.
    Yes,
    /// Not until `resume`.
    Paused,
    /// Not with `access.write = false`.
    Off,
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
    /// Whether changes are written.
    pub writes: Writes,
}

/// A change that the last passes left undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// Held by the guard under that plan.
    Held {
        /// `removed`, `suspended` or `deleted`.
        change: &'static str,
        /// In which group.
        group: Option<GroupId>,
        /// The plan's id.
        plan: String,
    },
    /// Kisi refused it.
    Refused {
        /// Its name.
        change: &'static str,
        /// In which group.
        group: Option<GroupId>,
        /// What Kisi said.
        why: String,
    },
    /// Another hand removed the row again and again: it is put back at growing pauses.
    Contested {
        /// In which group.
        group: GroupId,
        /// How often it was removed in a day.
        times: u32,
        /// When it is put back.
        back_at: Timestamp,
    },
}

/// What the last passes left undone: held by the guard, or refused by Kisi.
pub trait Undone {
    /// What is left for the person of that address or user.
    fn left(&self, email: Option<&Email>, user: Option<UserId>) -> Vec<Left>;
}

/// Explains, or `None` where neither cloud knows the person.
pub fn explain(known: &Known<'_>, question: &Question<'_>, undone: &dyn Undone) -> Option<Explanation> {
    let found = Found::new(known, question.who)?;
    let entitled = entitle(known.snapshot, known.rules, question.at);
    let mine: Vec<Grant> =
        entitled.grants.iter().filter(|grant| found.customers.contains(&grant.customer)).copied().collect();
    let left = undone.left(found.email.as_ref(), found.user);
    let mut telling = Telling { known, question, found: &found, mine: &mine, left: &left, out: Vec::new() };
    let mut grants = Vec::new();
    let groups: BTreeSet<GroupId> = mine.iter().map(|grant| grant.group).collect();
    for group in groups.into_iter().filter(|group| telling.asked(*group)) {
        let of_group = mine.iter().filter(|grant| grant.group == group).copied().collect();
        let windows: Vec<Merged> = merge(of_group).into_iter().filter(|m| !m.window.ended(question.at)).collect();
        grants.extend(windows.iter().map(|merged| telling.grant(group, merged)));
    }
    grants.sort_by_key(|grant| (grant.from, grant.group));
    let allowed = grants.iter().any(|grant| open(grant, question.at)) && !found.suspended(known);
    telling.account();
    if !allowed {
        telling.why_not(&grants);
    }
    telling.left_undone();
    telling.in_kisi(&grants);
    telling.remarks(&entitled.notes);
    let mut why_not = telling.out;
    if !allowed && why_not.is_empty() {
        let text = "no booking, pass or contract of a linked item gives access at this time";
        why_not.push(why(Code::NoGrant, text));
    }
    let person = PersonShown { customer: found.customers.first().copied(), user: found.user, email: found.email };
    let clock = if question.verified { "verified" } else { "unverified" };
    Some(Explanation { person, at: question.at, clock: clock.to_owned(), allowed, grants, why_not })
}

fn open(grant: &GrantShown, at: Timestamp) -> bool {
    Window::new(grant.from, grant.until).is_some_and(|window| window.contains(at))
}

fn why(code: Code, message: impl Into<String>) -> WhyNot {
    WhyNot { code: code.name().to_owned(), message: message.into() }
}

/// A moment as the site's clock shows it, with its UTC.
fn when(rules: &Rules, at: Timestamp) -> String {
    format!("{} ({})", rules.zone.wall_clock(at).format("%Y-%m-%d %H:%M"), at.format("%H:%MZ"))
}

/// What is told about one person.
struct Telling<'a> {
    known: &'a Known<'a>,
    question: &'a Question<'a>,
    found: &'a Found,
    mine: &'a [Grant],
    left: &'a [Left],
    out: Vec<WhyNot>,
}

impl Telling<'_> {
    fn tell(&mut self, code: Code, message: impl Into<String>) {
        let told = why(code, message);
        if !self.out.contains(&told) {
            self.out.push(told);
        }
    }

    /// Whether the question is about that group.
    fn asked(&self, group: GroupId) -> bool {
        let has = |door: LockId| self.doors(group).iter().any(|other| other.id == door);
        self.question.door.is_none_or(has) && self.question.group.is_none_or(|wanted| wanted == group)
    }

    fn doors(&self, group: GroupId) -> Vec<Door> {
        self.known.roster.groups.get(&group).map(|group| group.doors.clone()).unwrap_or_default()
    }

    fn grant(&self, group: GroupId, merged: &Merged) -> GrantShown {
        let refused = self.left.iter().find_map(|left| match left {
            Left::Refused { group: of, why, .. } if of.is_none_or(|of| of == group) => Some(why.clone()),
            Left::Contested { group: of, times, back_at } if *of == group => {
                Some(self.contested(group, *times, *back_at))
            }
            _ => None,
        });
        GrantShown {
            group,
            doors: self.doors(group),
            from: merged.window.from(),
            until: merged.window.until(),
            reason: merged.reason(self.question.at),
            in_kisi: self.held(group, &merged.window),
            error: refused,
            via: merged.grants.iter().map(|grant| near::chain(self.known, grant)).collect(),
        }
    }

    fn contested(&self, group: GroupId, times: u32, back_at: Timestamp) -> String {
        let back_at = when(self.known.rules, back_at);
        format!(
            "another hand removed the assignment in group {group} {times} times in a day: it is put back at {back_at}"
        )
    }

    fn user(&self) -> Option<&User> {
        self.found.user.and_then(|user| self.known.roster.users.get(&user))
    }

    /// Of the account in Kisi.
    fn account(&mut self) {
        let Some(user) = self.user().filter(|user| !user.enabled) else { return };
        let adopted = self.known.ledger.accounts.get(&user.id).is_some_and(|account| account.adopted_suspended);
        let (code, by) = match user.suspended_by_us() || adopted {
            true => (Code::Suspended, "for want of a grant"),
            false => (Code::SuspendedByOther, "in Kisi by another hand"),
        };
        let text = format!("Kisi user {} is suspended {by}", user.id);
        self.tell(code, text);
    }

    /// Why there is no access now.
    fn why_not(&mut self, grants: &[GrantShown]) {
        let (rules, at) = (self.known.rules, self.question.at);
        if let Some(door) = self.question.door
            && !rules.groups().into_iter().any(|group| self.doors(group).iter().any(|other| other.id == door))
        {
            self.tell(Code::DoorNotLinked, format!("door {door} is in no group that a link names"));
        }
        if grants.is_empty() && self.mine.iter().any(|grant| !grant.window.ended(at)) {
            self.tell(Code::OtherDoors, "what this person holds opens other doors");
        }
        let next = grants.iter().filter(|grant| grant.from.is_some_and(|from| from > at));
        if let Some(next) = next.min_by_key(|grant| grant.from) {
            let from = next.from.map(|from| when(rules, from)).unwrap_or_default();
            self.tell(Code::StartsAt, format!("{} opens group {} from {from}", next.reason, next.group));
        }
        for id in &self.found.customers {
            if let Some(customer) = self.known.snapshot.customers.get(*id) {
                self.customer(customer);
            }
        }
        if self.found.customers.is_empty() {
            self.tell(Code::NotInNexudus, "Nexudus knows no customer with this e-mail");
        }
    }

    fn customer(&mut self, customer: &Customer) {
        let id = customer.id;
        // An archived duplicate takes nothing from the active one (rules 1).
        let lasts = |id: &CustomerId| {
            self.known.snapshot.customers.get(*id).is_some_and(|other| other.active && !other.archived)
        };
        if (!customer.active || customer.archived) && self.found.customers.iter().any(lasts) {
            return;
        }
        if !customer.active {
            self.tell(Code::CustomerSuspended, format!("customer {id} is suspended in Nexudus"));
        }
        if customer.archived {
            self.tell(Code::CustomerArchived, format!("customer {id} is archived in Nexudus"));
        }
        match &customer.email {
            None => self.tell(Code::NoEmail, format!("customer {id} has no e-mail in Nexudus, so no Kisi user")),
            Some(email) if barred(customer, self.known.rules) && customer.active && !customer.archived => {
                let text = format!("{email} matches access.never_touch: Gatehouse leaves it alone");
                self.tell(Code::NeverTouch, text);
            }
            Some(_) => {}
        }
        // What gives something now or later is no near miss.
        let given: BTreeSet<Reason> =
            self.mine.iter().filter(|grant| !grant.window.ended(self.question.at)).map(|grant| grant.reason).collect();
        for (code, message) in near::misses(self.known, id, self.question.at, &given) {
            self.tell(code, message);
        }
    }

    /// What the last passes could not do, and whether anything is written at all.
    fn left_undone(&mut self) {
        for left in self.left {
            match left {
                Left::Held { change, group, plan } => {
                    let group = group.map(|group| format!(" from group {group}")).unwrap_or_default();
                    self.tell(Code::HeldByGuard, format!("'{change}'{group} is held by the guard under plan {plan}"));
                }
                Left::Refused { change, group, why } => {
                    let group = group.map(|group| format!(" in group {group}")).unwrap_or_default();
                    self.tell(Code::NotDone, format!("'{change}'{group} was refused: {why}"));
                }
                Left::Contested { group, times, back_at } => {
                    let text = self.contested(*group, *times, *back_at);
                    self.tell(Code::RemovedByOther, text);
                }
            }
        }
        if let Some(was) = self.found.not_followed {
            let text = format!("the e-mail was changed to that of Kisi user {was}, who has a role; it is not followed");
            self.tell(Code::EmailNotFollowed, text);
        }
        match self.question.writes {
            Writes::Yes if !self.question.verified => {
                self.tell(
                    Code::ClockNotTrusted,
                    "Kisi's time is not known: this goes by the last time that was, and nothing is written to Kisi",
                );
            }
            Writes::Yes => {}
            Writes::Paused => self.tell(Code::Paused, "paused: nothing is written to Kisi until 'gatehouse resume'"),
            Writes::Off => self.tell(Code::WriteOff, "access.write is false: nothing is written to Kisi"),
        }
    }

    /// What is worth knowing though access is given: hours of Kisi's own on a group, a pass that opens day and night.
    fn remarks(&mut self, notes: &BTreeSet<Note>) {
        let groups: BTreeSet<GroupId> =
            self.mine.iter().map(|grant| grant.group).filter(|group| self.asked(*group)).collect();
        for group in groups.iter().filter_map(|group| self.known.roster.groups.get(group)) {
            if group.time_restricted {
                let text = format!("Kisi group {} ('{}') has a time restriction of its own", group.id, group.name);
                self.tell(Code::GroupTimeRestriction, text);
            }
        }
        for note in notes {
            if let Note::Unending(id) = note
                && self.mine.iter().any(|grant| grant.reason == Reason::Pass(*id) && self.asked(grant.group))
            {
                let text =
                    format!("pass {id} is an unused day pass without an expiry: it opens day and night until used");
                self.tell(Code::UnendingPass, text);
            }
        }
    }
}
