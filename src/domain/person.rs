//! Who is who: Nexudus customers as people, and people as Kisi users (rules 1, Person).

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::entitle::Entitled;
use super::ledger::{Account, Ledger};
use super::roster::{Roster, User};
use super::snapshot::Snapshot;
use super::{CustomerId, Email, Grant, GroupId, Reason, Timestamp, UserId, Window};

/// How much is told of a person, on topics and pages: `mqtt.people`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum People {
    /// Nothing.
    None,
    /// Ids.
    #[default]
    Id,
    /// Ids and names.
    Name,
}

/// Customers with one e-mail, and what they hold together.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// The address that makes them one.
    pub email: Email,
    /// The name to make a user with.
    pub name: String,
    /// The customers, those with grants first.
    pub customers: Vec<CustomerId>,
    /// For each group, the windows that are left when those that meet are made one, in order.
    pub windows: BTreeMap<GroupId, Vec<Merged>>,
}

/// One window that follows from one or more grants.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// The window.
    pub window: Window,
    /// The grants that it was made of, in the order of their beginnings.
    pub grants: Vec<Grant>,
}

impl Merged {
    /// The grant to name as the reason at `now`: of those in force the one that lasts longest, else the first to come.
    pub fn grant(&self, now: Timestamp) -> Option<&Grant> {
        let in_force = self.grants.iter().filter(|grant| grant.window.contains(now));
        let lasting = in_force.max_by_key(|grant| (grant.window.until().is_none(), grant.window.until()));
        lasting.or_else(|| self.grants.iter().find(|grant| !grant.window.ended(now))).or_else(|| self.grants.last())
    }

    /// The reason to name at `now`.
    pub fn reason(&self, now: Timestamp) -> Reason {
        self.grant(now).map_or(Reason::Policy, |grant| grant.reason)
    }
}

/// The people with grants, by address.
pub fn people(snapshot: &Snapshot, entitled: &Entitled) -> BTreeMap<Email, Person> {
    let mut grants: BTreeMap<&Email, Vec<Grant>> = BTreeMap::new();
    for grant in &entitled.grants {
        if let Some(email) = snapshot.customers.get(grant.customer).and_then(|customer| customer.email.as_ref()) {
            grants.entry(email).or_default().push(*grant);
        }
    }
    grants.into_iter().map(|(email, grants)| (email.clone(), person(snapshot, email, grants))).collect()
}

fn person(snapshot: &Snapshot, email: &Email, grants: Vec<Grant>) -> Person {
    let customers: BTreeSet<CustomerId> = grants.iter().map(|grant| grant.customer).collect();
    let name = customers.first().and_then(|id| snapshot.customers.get(*id)).map(|customer| customer.name.clone());
    let mut by_group: BTreeMap<GroupId, Vec<Grant>> = BTreeMap::new();
    for grant in grants {
        by_group.entry(grant.group).or_default().push(grant);
    }
    Person {
        email: email.clone(),
        name: name.unwrap_or_default(),
        customers: customers.into_iter().collect(),
        windows: by_group.into_iter().map(|(group, grants)| (group, merge(grants))).collect(),
    }
}

/// Windows that overlap or touch become one (rules 3).
pub fn merge(mut grants: Vec<Grant>) -> Vec<Merged> {
    grants.sort_by_key(|grant| (grant.window.from(), grant.window.until().is_none(), grant.window.until()));
    let mut out: Vec<Merged> = Vec::new();
    for grant in grants {
        match out.last_mut() {
            Some(last) if last.window.meets(&grant.window) => {
                last.window = last.window.hull(&grant.window);
                last.grants.push(grant);
            }
            _ => out.push(Merged { window: grant.window, grants: vec![grant] }),
        }
    }
    // After the merging: windows that touch within a second leave no seam.
    out.retain_mut(|merged| match merged.window.whole_seconds() {
        Some(window) => {
            merged.window = window;
            true
        }
        None => false,
    });
    out
}

/// Which Kisi user a person is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// That one.
    User(UserId),
    /// None yet: to be made.
    New,
    /// The e-mail was changed onto a user with an organization or place role: not followed.
    Elevated {
        /// The user of the new e-mail.
        user: UserId,
        /// The user the person has been until now.
        was: UserId,
    },
}

/// Finds users for people.
pub struct Matcher<'a> {
    site: &'a str,
    roster: &'a Roster,
    ledger: &'a Ledger,
    by_email: BTreeMap<&'a Email, Vec<UserId>>,
    by_mark: BTreeMap<CustomerId, Vec<UserId>>,
    accounts: BTreeMap<CustomerId, Vec<&'a Account>>,
}

impl<'a> Matcher<'a> {
    /// Over what Kisi holds and the ledger has noted. `site`: marks of other sites name other customers.
    pub fn new(site: &'a str, roster: &'a Roster, ledger: &'a Ledger) -> Matcher<'a> {
        let mut by_email: BTreeMap<&Email, Vec<UserId>> = BTreeMap::new();
        let mut by_mark: BTreeMap<CustomerId, Vec<UserId>> = BTreeMap::new();
        for user in roster.users.values() {
            if let Some(email) = &user.email {
                by_email.entry(email).or_default().push(user.id);
            }
            if let Some(customer) = user.marked_customer()
                && user.marked_site().is_none_or(|marked| marked == site)
            {
                by_mark.entry(customer).or_default().push(user.id);
            }
        }
        let mut accounts: BTreeMap<CustomerId, Vec<&Account>> = BTreeMap::new();
        for account in ledger.accounts.values() {
            for customer in &account.customers {
                accounts.entry(*customer).or_default().push(account);
            }
        }
        Matcher { site, roster, ledger, by_email, by_mark, accounts }
    }

    /// The user of those customers, whose address is `email` today.
    pub fn find(&self, email: &Email, customers: &[CustomerId]) -> Match {
        let mut known = Vec::new();
        let mut moved_from = None;
        for customer in customers {
            let noted = self.accounts.get(customer).map(Vec::as_slice).unwrap_or_default();
            let same = |account: &&&Account| account.email.as_ref().is_none_or(|was| was == email);
            let agreeing: Vec<UserId> = noted.iter().filter(same).map(|account| account.user).collect();
            if let Some(other) = noted.iter().find(|account| agreeing.is_empty() && self.exists(account.user)) {
                moved_from = Some(other.user);
                continue;
            }
            known.extend(agreeing);
            // A mark outlives a change of e-mail, when the user may have become another customer's.
            let noted = |user: &UserId| self.ledger.accounts.get(user).and_then(|account| account.email.as_ref());
            let marked = self.by_mark.get(customer).into_iter().flatten().copied();
            let (marked, left): (Vec<_>, Vec<_>) = marked.partition(|user| noted(user).is_none_or(|was| was == email));
            known.extend(marked);
            moved_from = moved_from.or(left.into_iter().find(|user| self.exists(*user)));
        }
        known.retain(|user| self.exists(*user));
        let has_email = |user: &UserId| self.user(*user).is_some_and(|user| user.email.as_ref() == Some(email));
        if let Some(user) = known.iter().find(|user| has_email(user)).or(known.first()) {
            return Match::User(*user);
        }
        match (self.of_email(email), moved_from) {
            (Some(user), Some(was)) if self.roster.elevated.contains(&user) => Match::Elevated { user, was },
            (Some(user), _) => Match::User(user),
            (None, _) => Match::New,
        }
    }

    /// Of several users with that address, one that carries our mark, else the oldest.
    fn of_email(&self, email: &Email) -> Option<UserId> {
        let users = self.by_email.get(email)?;
        let ours = |user: &&UserId| self.user(**user).and_then(User::marked_site).is_some_and(|site| site == self.site);
        users.iter().find(ours).or(users.first()).copied()
    }

    fn exists(&self, user: UserId) -> bool {
        self.roster.users.contains_key(&user)
    }

    fn user(&self, user: UserId) -> Option<&User> {
        self.roster.users.get(&user)
    }
}
