//! What another hand holds in linked groups beside what Gatehouse would hold there: where the two differ.

use std::collections::BTreeMap;

use super::adopt::Holders;
use super::person::Merged;
use super::plan::PersonRef;
use super::reconcile::{Known, cross_checked};
use super::roster::Assignment;
use super::slot::same_from;
use super::{GroupId, Reason, UserId, Window};

/// The two side by side.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Rows of other hands that give just what Gatehouse would give, from now on.
    pub same: usize,
    /// Where they differ.
    pub differ: Vec<Difference>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// In which group.
    pub group: GroupId,
    /// For whom.
    pub person: PersonRef,
    /// What Gatehouse would hold, and why; `None`: nothing, there is no grant.
    pub ours: Option<(Window, Reason)>,
    /// What the other holds; `None`: nothing, though a window is open now.
    pub theirs: Option<Assignment>,
}

/// Compares. Nothing where no other hand has a row in a linked group. Whom `never_touch` names is not compared.
pub fn compare(known: &Known<'_>) -> Comparison {
    let holders = Holders::new(known);
    let theirs: BTreeMap<(UserId, GroupId), &Assignment> = foreign(known);
    let mut out = Comparison::default();
    if theirs.is_empty() {
        return out;
    }
    for row in theirs.values() {
        let person = holders.person(row.user);
        let windows = person.and_then(|person| person.windows.get(&main_group(known, row.group)));
        let windows: Vec<&Merged> = windows.into_iter().flatten().filter(|of| !of.window.ended(known.now)).collect();
        if windows.iter().any(|merged| same_from(row.window(), &merged.window, known.now)) {
            out.same += 1;
            continue;
        }
        let meets = |merged: &&&Merged| row.window().is_some_and(|window| window.and(&merged.window).is_some());
        let nearest = windows.iter().find(meets).or(windows.first());
        out.differ.push(Difference {
            group: row.group,
            person: holders.reference(known, row.user),
            ours: nearest.map(|merged| (merged.window, merged.reason(known.now))),
            theirs: Some((*row).clone()),
        });
    }
    for person in holders.people() {
        let user = holders.user(&person.email);
        for (group, windows) in &person.windows {
            let Some(open) = windows.iter().find(|merged| merged.window.contains(known.now)) else { continue };
            let groups = [Some(*group), known.rules.alternate_of(*group)];
            let held = |group: GroupId| user.is_some_and(|user| known.roster.slot(user, group).is_some());
            if groups.into_iter().flatten().any(held) {
                continue;
            }
            let reference = user.map(|user| holders.reference(known, user));
            let person = reference.unwrap_or_else(|| PersonRef {
                customer: person.customers.first().copied(),
                user: None,
                email: Some(person.email.clone()),
                name: Some(person.name.clone()),
            });
            let ours = Some((open.window, open.reason(known.now)));
            out.differ.push(Difference { group: *group, person, ours, theirs: None });
        }
    }
    out.differ.sort_by_key(|of| (of.group, of.person.email.clone(), of.person.user));
    out
}

/// Rows of other hands in linked groups that are not over.
fn foreign<'a>(known: &Known<'a>) -> BTreeMap<(UserId, GroupId), &'a Assignment> {
    let groups = known.rules.groups();
    let ours = |row: &Assignment| {
        known.ledger.owned.get(&row.id).is_some_and(|owned| cross_checked(owned, row, known.own_user))
    };
    let untouchable = |row: &Assignment| {
        let email = known.roster.users.get(&row.user).and_then(|user| user.email.as_ref());
        email.is_some_and(|email| known.rules.never_touch.iter().any(|pattern| pattern.matches(email)))
    };
    let lasting = |row: &Assignment| row.window().is_some_and(|window| !window.ended(known.now));
    let rows = known.roster.assignments.values();
    let rows = rows.filter(|row| groups.contains(&row.group) && !ours(row) && lasting(row) && !untouchable(row));
    rows.map(|row| ((row.user, row.group), row)).collect()
}

fn main_group(known: &Known<'_>, group: GroupId) -> GroupId {
    let link = known.rules.links.iter().find(|link| link.alternate == Some(group));
    link.map_or(group, |link| link.group)
}
