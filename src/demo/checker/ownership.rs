//! Promise 3: rows and users of other hands are left alone, groups are never touched.

use std::collections::BTreeSet;

use super::super::diary::Hand;
use super::knowledge::{CALLS, START};
use super::time::{Ms, ms, seconds};
use super::{Case, Findings};
use crate::twin::kisi::{RequestRecord, Scope};

/// Promise 3.
pub(super) fn only_its_own(case: &Case<'_>) -> Findings {
    let mut found = Findings::default();
    calls(case, &mut found);
    let writes = found.checked;
    rows(case, &mut found);
    drift(case, &mut found);
    if writes == 0 {
        // Who writes nothing touches nothing.
        found.checked = 0;
    }
    found
}

/// Every write that reached Kisi.
fn calls(case: &Case<'_>, found: &mut Findings) {
    let history = case.evidence.kisi.history();
    let made = |event: &crate::twin::kisi::Event| {
        let by_key = event.actor.as_ref().is_some_and(|actor| actor.id == case.evidence.key_user);
        let user = event.object.as_ref().filter(|object| object.0 == "User").map(|object| object.1);
        user.filter(|_| by_key && event.kind == "user.create")
    };
    let users: BTreeSet<u64> = history.events.values().filter_map(made).collect();
    // With `existing_users = "manage"` the accounts of customers are suspended and restored, whoever made them (rules 5).
    let manages = case.evidence.settings.manage_existing;
    let customers = case.customers();
    for call in history.requests.iter().filter(|call| is_write(call)) {
        let done = call.status < 300;
        let path: Vec<&str> = call.path.trim_matches('/').split('/').collect();
        let id = path.get(1).and_then(|id| id.parse::<u64>().ok());
        let right = match (&*call.method, path.first().copied().unwrap_or_default(), id) {
            ("POST", "role_assignments" | "users", None) => true,
            ("POST", "locks", Some(_)) => path.get(2) == Some(&"unlock"),
            (_, "role_assignments", Some(id)) => !done || case.roster.ours.contains(&id),
            ("DELETE", "users", Some(id)) => !done || users.contains(&id),
            (_, "users", Some(id)) => !done || users.contains(&id) || (manages && customers.contains(&id)),
            _ => false,
        };
        found.expect(right, || {
            format!("{} {} at {} touched what is not its own", call.method, call.path, case.show(ms(call.at)))
        });
    }
}

/// Whether a call was to change something in Kisi. A question to the record of events is none.
pub(super) fn is_write(call: &RequestRecord) -> bool {
    &*call.method != "GET" && !call.path.starts_with("/event_sets")
}

/// Rows that the gateway's key didn't make: each stays as it was.
fn rows(case: &Case<'_>, found: &mut Findings) {
    let mut linked = 0;
    let dropped = |hand: &Hand| match hand {
        Hand::Dropped { row, .. } => Some(*row),
        _ => None,
    };
    let dropped: BTreeSet<u64> = case.evidence.diary.hands.iter().filter_map(dropped).collect();
    for version in &case.evidence.kisi.history().assignments {
        if case.evidence.made_by_key(version.created_by) {
            continue;
        }
        linked += u64::from(matches!(version.scope, Scope::Group(group) if case.evidence.settings.is_linked(group)));
        found.expect(version.until.is_none() || dropped.contains(&version.id), || {
            let when = version.until.map_or_else(String::new, |at| case.show(ms(at)));
            format!(
                "row {} of {:?} in {:?}, made by another hand, ended at {when}",
                version.id, version.assignee, version.scope
            )
        });
    }
    if linked == 0 {
        found.checked = 0;
    }
    found.note(format!("{linked} rows of other hands in linked groups"));
}

/// What another hand did in the linked groups is reported, by the next whole reading of the roster.
fn drift(case: &Case<'_>, found: &mut Findings) {
    let alerts = case.evidence.alert("drift");
    let limit = seconds(case.evidence.settings.roster_s) + CALLS + START;
    let linked = |row: u64| case.roster.pairs.values().flatten().any(|held| held.row == row);
    for hand in &case.evidence.diary.hands {
        let (at, row, what) = match hand {
            Hand::Made { at, row } => (ms(*at), *row, "made"),
            Hand::Removed { at, row } => (ms(*at), *row, "removed"),
            Hand::Dropped { .. } | Hand::Suspended { .. } | Hand::Restored { .. } => continue,
        };
        let by: Ms = case.knowledge.calendar.after(at, limit);
        if linked(row) && still_matters(case, hand, row, by) && by < case.ends() && case.excuses.told(at, by) {
            found.expect(alerts.iter().any(|(from, until)| *from < by && at < *until), || {
                format!("row {row}, {what} by hand at {}, was not reported as drift", case.show(at))
            });
        }
    }
}

/// Whether what a hand did is to be told until `by`: a row that it made, while it is there; one of ours that it
/// removed, where the grant stands.
fn still_matters(case: &Case<'_>, hand: &Hand, row: u64, by: Ms) -> bool {
    let of = |rows: &Vec<super::held::Held>| rows.iter().any(|held| held.row == row);
    match hand {
        Hand::Removed { at, .. } => case.roster.pairs.iter().filter(|(_, rows)| of(rows)).any(|(pair, rows)| {
            let wanted = case.knowledge.surely(pair, ms(*at)).and(&case.knowledge.surely(pair, by));
            let ahead = seconds(case.evidence.settings.prestage_s);
            rows.iter().any(|held| held.row == row && wanted.meets(by, held.valid_until.min(by.saturating_add(ahead))))
        }),
        _ => case.roster.pairs.values().flatten().any(|held| held.row == row && held.until > by),
    }
}
