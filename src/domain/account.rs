//! What becomes of the account of a person without access, and of one who has it again (rules 5).

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::ledger::Account;
use super::person::{Match, Matcher, Person};
use super::plan::{Action, Change, Drift, PersonRef, Plan, Urgency};
use super::reconcile::{Known, cross_checked, user_ref};
use super::roster::{Assignment, User};
use super::{CustomerId, Email, ExistingUsers, NoAccess, Reason, Timestamp, UserId};

/// Adds to the plan what is to be done about accounts, and what the ledger should note of them.
pub(super) fn accounts(
    known: &Known<'_>,
    users: &BTreeMap<Email, UserId>,
    people: &BTreeMap<Email, Person>,
    matcher: &Matcher<'_>,
    plan: &mut Plan,
) {
    plan.keeping = keeping(known);
    let mut strangers = without_grants(known, people, matcher);
    let persons: BTreeMap<UserId, &Person> =
        users.iter().filter_map(|(email, user)| Some((*user, people.get(email)?))).collect();
    let elevated: BTreeSet<UserId> = plan
        .drift
        .iter()
        .filter_map(|drift| match drift {
            Drift::Elevated { user, .. } => Some(*user),
            _ => None,
        })
        .collect();
    let kept: BTreeSet<UserId> = plan
        .drift
        .iter()
        .filter_map(|drift| match drift {
            Drift::Elevated { was, .. } => Some(*was),
            _ => None,
        })
        .collect();
    for user in known.roster.users.values() {
        let untouchable = |email| known.rules.never_touch.iter().any(|pattern| pattern.matches(email));
        if user.email.as_ref().is_some_and(untouchable) || elevated.contains(&user.id) {
            continue;
        }
        let person = persons.get(&user.id).copied();
        let noted = known.ledger.accounts.get(&user.id);
        let met = || match person {
            Some(person) => Some(first_note(known, user, person.customers.clone(), Some(person.email.clone()))),
            None => strangers.remove(&user.id),
        };
        if let Some(account) = noted.cloned().or_else(met) {
            one(known, user, person, account, kept.contains(&user.id), plan);
        }
    }
}

/// First notes of users of whom nothing is noted, and whose person has no grant at all. With `existing_users =
/// "manage"` every customer's user is managed; one that carries our mark was made or suspended by us, whatever became
/// of the ledger and of the customer (rules 5).
fn without_grants(
    known: &Known<'_>,
    people: &BTreeMap<Email, Person>,
    matcher: &Matcher<'_>,
) -> BTreeMap<UserId, Account> {
    let manage = known.rules.existing_users == ExistingUsers::Manage;
    let strangers = known.roster.users.values().filter(|user| !known.ledger.accounts.contains_key(&user.id));
    let strangers: Vec<&User> = strangers.filter(|user| manage || marked(known, user)).collect();
    if strangers.is_empty() {
        return BTreeMap::new();
    }
    let mut customers: BTreeMap<&Email, Vec<CustomerId>> = BTreeMap::new();
    for customer in known.snapshot.customers.iter() {
        if let Some(email) = &customer.email {
            customers.entry(email).or_default().push(customer.id);
        }
    }
    let note = |user: &User| {
        let email = user.email.as_ref().filter(|email| !people.contains_key(*email));
        let theirs = email.and_then(|email| Some((email, customers.get(email)?)));
        let theirs = theirs.filter(|(email, ids)| matcher.find(email, ids) == Match::User(user.id));
        let of_mark = user.marked_customer().filter(|_| marked(known, user));
        let ids = match (theirs, of_mark) {
            (Some((_, ids)), _) => ids.clone(),
            (None, Some(customer)) => vec![customer],
            (None, None) => return None,
        };
        Some((user.id, first_note(known, user, ids, user.email.clone())))
    };
    strangers.into_iter().filter_map(note).collect()
}

/// `account`: what is noted of the user, or the first note. `kept`: a customer of this user has an e-mail that was not
/// followed, so its note must not forget them.
fn one(known: &Known<'_>, user: &User, person: Option<&Person>, account: Account, kept: bool, plan: &mut Plan) {
    let noted = known.ledger.accounts.get(&user.id);
    let access = person.and_then(|person| access(known, person));
    let mut next = account.clone();
    if let Some(person) = person {
        let mut customers = person.customers.clone();
        if kept {
            customers.extend(account.customers.iter().filter(|noted| !person.customers.contains(noted)));
        }
        next.customers = customers;
        // A user that the e-mail was not changed onto keeps its old note, so that the change stays visible.
        if user.email.as_ref() == Some(&person.email) || noted.is_none_or(|noted| noted.email.is_none()) {
            next.email = Some(person.email.clone());
        }
    }
    next.adopted_suspended &= !user.enabled;
    next.no_access_since = match access {
        Some(_) => None,
        None => Some(account.no_access_since.unwrap_or(known.now)),
    };
    if noted != Some(&next) {
        plan.accounts.push(next.clone());
    }
    let managed = next.managed || known.rules.existing_users == ExistingUsers::Manage;
    match access {
        Some((person, due, urgency)) if !user.enabled => {
            if (user.suspended_by_us() && managed) || account.adopted_suspended {
                push(plan, Action::Restored, user_as(known, user, Some(person)), urgency, due);
            } else {
                plan.drift.push(Drift::Suspended { user: user.id });
            }
        }
        None if managed => without_access(known, user, &next, plan),
        _ => {}
    }
}

/// What is known of a user who is met for the first time. One that carries our mark was made or suspended by us.
fn first_note(known: &Known<'_>, user: &User, customers: Vec<CustomerId>, email: Option<Email>) -> Account {
    Account {
        user: user.id,
        customers,
        email,
        managed: marked(known, user) && known.rules.existing_users == ExistingUsers::Assign,
        no_access_since: None,
        adopted_suspended: false,
    }
}

/// Whether this site made or suspended the user.
fn marked(known: &Known<'_>, user: &User) -> bool {
    user.marked_site().is_some_and(|site| site == known.rules.site)
}

/// Whether the person has a grant now or to come within the horizon, and how soon the account must be usable.
fn access<'a>(known: &Known<'_>, person: &'a Person) -> Option<(&'a Person, Timestamp, Urgency)> {
    let now = known.now;
    let horizon = now + TimeDelta::from_std(known.rules.horizon).unwrap_or(TimeDelta::zero());
    let windows = person.windows.values().flatten().map(|merged| merged.window);
    let first = windows
        .filter(|window| !window.ended(now) && window.from().is_none_or(|from| from <= horizon))
        .min_by_key(|window| window.from())?;
    let urgency = if first.begun(now) { Urgency::Open } else { Urgency::Later };
    Some((person, first.from().unwrap_or(now), urgency))
}

fn without_access(known: &Known<'_>, user: &User, account: &Account, plan: &mut Plan) {
    let Some(since) = account.no_access_since else { return };
    let due = since + TimeDelta::from_std(known.rules.no_access_after).unwrap_or(TimeDelta::zero());
    if due > known.now {
        plan.wake_at(due, known.now);
        return;
    }
    let action = match known.rules.no_access {
        _ if plan.keeping.is_some() => return,
        NoAccess::Keep => return,
        NoAccess::Delete if account.managed => Action::Deleted,
        NoAccess::Suspend | NoAccess::Delete if user.enabled => Action::Suspended,
        NoAccess::Suspend | NoAccess::Delete => return,
    };
    // Read again immediately before, over all scopes; but what is known already is not even planned (rules 5).
    if has_others_rights(known, user) {
        return;
    }
    if let Err(why) = super::reconcile::removals_allowed(known) {
        plan.waiting = Some(why);
        return;
    }
    push(plan, action, user_as(known, user, None), Urgency::Later, known.now);
}

/// Whether the roster shows a role in the organization or a place, or a row of another hand in a linked group.
fn has_others_rights(known: &Known<'_>, user: &User) -> bool {
    let ours = |row: &Assignment| {
        known.ledger.owned.get(&row.id).is_some_and(|owned| cross_checked(owned, row, known.own_user))
    };
    let foreign = known.roster.assignments.values().any(|row| row.user == user.id && !ours(row));
    known.roster.elevated.contains(&user.id) || foreign
}

/// Why accounts are left as they are although the configuration says otherwise: both acts are on the whole Kisi
/// organization (rules 5).
fn keeping(known: &Known<'_>) -> Option<&'static str> {
    if known.rules.sole_writer || known.rules.no_access == NoAccess::Keep {
        return None;
    }
    if known.roster.places.is_some_and(|places| places > 1) {
        return Some("the Kisi organization has more than one place");
    }
    let other = |user: &User| user.marked_site().is_some_and(|site| site != known.rules.site);
    known
        .roster
        .users
        .values()
        .any(other)
        .then_some("another site's Gatehouse has marked users in this Kisi organization")
}

fn user_as(known: &Known<'_>, user: &User, person: Option<&Person>) -> PersonRef {
    let noted = known.ledger.accounts.get(&user.id).and_then(|account| account.customers.first().copied());
    let reference = user_ref(known.roster, user.id);
    let customer = person.and_then(|person| person.customers.first().copied()).or(noted).or(reference.customer);
    PersonRef { customer, ..reference }
}

fn push(plan: &mut Plan, action: Action, person: PersonRef, urgency: Urgency, due: Timestamp) {
    plan.changes.push(Change { urgency, due, action, person, reason: Reason::Policy });
}
