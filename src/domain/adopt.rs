//! What `adopt` makes ours: rows of another hand in linked groups, and users suspended while they held no grant.

use std::collections::{BTreeMap, BTreeSet};

use super::entitle::entitle;
use super::ledger::{Account, Owned};
use super::person::{Match, Matcher, Person, people};
use super::plan::PersonRef;
use super::reconcile::{Known, cross_checked};
use super::roster::{Assignment, User};
use super::{AssignmentId, CustomerId, Email, GroupId, Reason, UserId};

/// The role that ours have (Kisi API notes, 3.3).
const PLAIN: &str = "group_basic";

/// What can be adopted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Adoption {
    /// Rows, by group.
    pub rows: BTreeMap<GroupId, Vec<Row>>,
    /// Users who are suspended and hold no grant.
    pub users: Vec<(PersonRef, Account)>,
    /// What was left out, and why.
    pub left: Vec<Left>,
}

/// A row that can be adopted.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// As the ledger would hold it. Its reason is the grant that it serves; `Policy`: there is none.
    pub owned: Owned,
    /// Whose it is.
    pub person: PersonRef,
}

/// A row or user that is not adopted though it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Left {
    /// The row's role is not the plain one.
    Role(AssignmentId, String),
    /// The user is named in `never_touch`.
    NeverTouch(UserId),
    /// The user carries the mark of another site's Gatehouse.
    OtherSite(UserId, String),
}

/// Who of the Kisi users stands for whom in Nexudus, and what they hold.
pub struct Holders {
    people: BTreeMap<Email, Person>,
    customers: BTreeMap<UserId, Vec<CustomerId>>,
    persons: BTreeMap<UserId, Email>,
    users: BTreeMap<Email, UserId>,
}

impl Holders {
    /// By what is known: of all customers, with a grant or without.
    pub fn new(known: &Known<'_>) -> Holders {
        let people = people(known.snapshot, &entitle(known.snapshot, known.rules, known.now));
        let mut all: BTreeMap<&Email, Vec<CustomerId>> = BTreeMap::new();
        for customer in known.snapshot.customers.iter() {
            if let Some(email) = &customer.email {
                all.entry(email).or_default().push(customer.id);
            }
        }
        let matcher = Matcher::new(&known.rules.site, known.roster, known.ledger);
        let (mut customers, mut persons, mut users) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for (email, ids) in all {
            let ids = people.get(email).map_or(ids, |person| person.customers.clone());
            if let Match::User(user) | Match::Elevated { was: user, .. } = matcher.find(email, &ids) {
                customers.insert(user, ids);
                persons.insert(user, email.clone());
                users.insert(email.clone(), user);
            }
        }
        Holders { people, customers, persons, users }
    }

    /// The person with grants that a user is.
    pub fn person(&self, user: UserId) -> Option<&Person> {
        self.people.get(self.persons.get(&user)?)
    }

    /// The user that a person is.
    pub fn user(&self, email: &Email) -> Option<UserId> {
        self.users.get(email).copied()
    }

    /// All people with grants.
    pub fn people(&self) -> impl Iterator<Item = &Person> {
        self.people.values()
    }

    /// The customers that a user stands for.
    pub fn customers(&self, user: UserId) -> &[CustomerId] {
        self.customers.get(&user).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether the user holds a grant now or to come.
    fn has_grant(&self, known: &Known<'_>, user: UserId) -> bool {
        let windows = self.person(user).into_iter().flat_map(|person| person.windows.values().flatten());
        windows.into_iter().any(|merged| !merged.window.ended(known.now))
    }

    /// The grant that a row of the user in that group serves.
    fn reason(&self, known: &Known<'_>, user: UserId, group: GroupId) -> Reason {
        let links = known.rules.links.iter().filter(|link| link.group == group || link.alternate == Some(group));
        let groups: BTreeSet<GroupId> = links.map(|link| link.group).collect();
        let windows = self.person(user).into_iter().flat_map(|person| {
            let of = |group: &GroupId| person.windows.get(group).map(Vec::as_slice).unwrap_or_default();
            groups.iter().flat_map(of).collect::<Vec<_>>()
        });
        let first = windows.into_iter().find(|merged| !merged.window.ended(known.now));
        first.map_or(Reason::Policy, |merged| merged.reason(known.now))
    }

    /// As changes name the user.
    pub fn reference(&self, known: &Known<'_>, user: UserId) -> PersonRef {
        let kisi = known.roster.users.get(&user);
        PersonRef {
            customer: self.customers(user).first().copied(),
            user: Some(user),
            email: kisi.and_then(|user| user.email.clone()),
            name: kisi.map(|user| user.name.clone()),
        }
    }
}

/// What that Kisi user made in linked groups and is not ours; with `suspended`, also the users of Nexudus' customers
/// who are suspended without our mark and hold no grant.
///
/// Not adopted: rows of another role than the plain one, whoever `never_touch` names, and whoever another site's
/// Gatehouse marked.
pub fn adoption(known: &Known<'_>, created_by: UserId, suspended: bool) -> Adoption {
    let holders = Holders::new(known);
    let mut out = Adoption::default();
    let groups = known.rules.groups();
    let made = known.roster.assignments.values().filter(|row| row.created_by == Some(created_by));
    for row in made.filter(|row| groups.contains(&row.group) && !ours(known, row)) {
        if !matches!(row.role.as_str(), PLAIN | "") {
            out.left.push(Left::Role(row.id, row.role.clone()));
        } else if let Some(left) = known.roster.users.get(&row.user).and_then(|user| left_alone(known, user)) {
            out.left.push(left);
        } else {
            let from = Some(created_by).filter(|by| Some(*by) != known.own_user);
            let customer = holders.customers(row.user).first().copied();
            let owned = Owned::adopted(row, customer, holders.reason(known, row.user, row.group), from);
            let person = holders.reference(known, row.user);
            out.rows.entry(row.group).or_default().push(Row { owned, person });
        }
    }
    for user in known.roster.users.values().filter(|_| suspended) {
        let noted = known.ledger.accounts.get(&user.id);
        let taken = noted.is_some_and(|account| account.adopted_suspended) || user.suspended_by_us();
        let of_nexudus = !holders.customers(user.id).is_empty();
        if user.enabled || taken || !of_nexudus || holders.has_grant(known, user.id) {
            continue;
        }
        match left_alone(known, user) {
            Some(left) => out.left.push(left),
            None => out.users.push((holders.reference(known, user.id), account(&holders, noted, user))),
        }
    }
    out.left.sort();
    out.left.dedup();
    out
}

fn account(holders: &Holders, noted: Option<&Account>, user: &User) -> Account {
    let fresh = || Account {
        user: user.id,
        customers: holders.customers(user.id).to_vec(),
        email: user.email.clone(),
        managed: true,
        no_access_since: None,
        adopted_suspended: true,
    };
    let noted = noted.cloned().map(|account| Account { managed: true, adopted_suspended: true, ..account });
    noted.unwrap_or_else(fresh)
}

fn ours(known: &Known<'_>, row: &Assignment) -> bool {
    let owned = known.ledger.owned.get(&row.id);
    owned.is_some_and(|owned| cross_checked(owned, row, known.own_user))
}

fn left_alone(known: &Known<'_>, user: &User) -> Option<Left> {
    let untouchable = |email: &Email| known.rules.never_touch.iter().any(|pattern| pattern.matches(email));
    if user.email.as_ref().is_some_and(untouchable) {
        return Some(Left::NeverTouch(user.id));
    }
    let site = user.marked_site().filter(|site| *site != known.rules.site)?;
    Some(Left::OtherSite(user.id, site))
}

impl std::fmt::Display for Left {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Left::Role(row, role) => write!(f, "assignment {row} has the role '{role}': only plain access is adopted"),
            Left::NeverTouch(user) => write!(f, "Kisi user {user} is named in access.never_touch"),
            Left::OtherSite(user, site) => {
                write!(f, "Kisi user {user} carries the mark of the Gatehouse of site '{site}': left to that")
            }
        }
    }
}
