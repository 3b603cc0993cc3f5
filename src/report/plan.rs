//! What `plan` and `apply` print (contract 1).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::compare::Comparison;
use crate::domain::explain::PersonShown;
use crate::domain::plan::Change;
use crate::domain::{AssignmentId, GroupId, Reason, Timestamp, UserId};

/// One change as verbs show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangeReport {
    /// `added`, `moved`, `removed`, `suspended`, `restored`, `deleted`, `invited` or `adopted`.
    pub change: String,
    /// Whom.
    pub person: PersonShown,
    /// In which group.
    pub group: Option<GroupId>,
    /// The window written.
    pub valid_from: Option<Timestamp>,
    /// The window written.
    pub valid_until: Option<Timestamp>,
    /// Why.
    pub reason: Reason,
}

impl From<&Change> for ChangeReport {
    fn from(change: &Change) -> ChangeReport {
        let window = change.window();
        ChangeReport {
            change: change.word().to_owned(),
            person: PersonShown {
                customer: change.person.customer,
                user: change.person.user,
                email: change.person.email.clone(),
            },
            group: change.group(),
            valid_from: window.and_then(|window| window.from()),
            valid_until: window.and_then(|window| window.until()),
            reason: change.reason,
        }
    }
}

/// A plan as verbs show it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlanReport {
    /// The guard's id of what is held, for `approve`; else one of the whole plan.
    pub id: String,
    /// How many changes of each kind, and `held`.
    pub counts: BTreeMap<String, usize>,
    /// What would be, or was, changed.
    pub changes: Vec<ChangeReport>,
    /// What the guard holds.
    pub held: Vec<ChangeReport>,
    /// What removals wait for, what was refused, what was left undone: for people, as the next two. They are no part
    /// of what `--json` prints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// What the guard counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<Counted>,
    /// The names of groups.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<GroupId, String>,
    /// What other hands hold in linked groups beside what Gatehouse would hold; absent where they hold nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<Beside>,
}

/// What the guard counted (contract 6, promise 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// How many people lose a group that they could use, with those of the last hour.
    pub losing: usize,
    /// Of how many.
    pub of: usize,
}

/// How far an `apply` has come: asked for beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// How many changes this run has made.
    pub made: u64,
    /// How many are left of the last decision.
    pub left: usize,
}

/// Where other hands and Gatehouse differ.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Beside {
    /// How many of their assignments give just what Gatehouse would give.
    pub same: usize,
    /// Where they differ.
    pub differ: Vec<DifferenceReport>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DifferenceReport {
    /// In which group.
    pub group: GroupId,
    /// For whom.
    pub person: PersonShown,
    /// What Gatehouse would hold; null: nothing, there is no grant.
    pub ours: Option<OursReport>,
    /// What the other holds; null: nothing, though a window is open now.
    pub theirs: Option<TheirsReport>,
}

/// What Gatehouse would hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OursReport {
    /// Its window.
    pub valid_from: Option<Timestamp>,
    /// Its window.
    pub valid_until: Option<Timestamp>,
    /// Why.
    pub reason: Reason,
}

/// What another hand holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TheirsReport {
    /// Which assignment.
    pub assignment: AssignmentId,
    /// Who made it.
    pub created_by: Option<UserId>,
    /// Its window.
    pub valid_from: Option<Timestamp>,
    /// Its window.
    pub valid_until: Option<Timestamp>,
}

impl Beside {
    /// A report of that; absent where nothing was compared.
    pub fn new(comparison: &Comparison) -> Option<Beside> {
        let differ = comparison.differ.iter().map(|difference| DifferenceReport {
            group: difference.group,
            person: PersonShown {
                customer: difference.person.customer,
                user: difference.person.user,
                email: difference.person.email.clone(),
            },
            ours: difference.ours.map(|(window, reason)| OursReport {
                valid_from: window.from(),
                valid_until: window.until(),
                reason,
            }),
            theirs: difference.theirs.as_ref().map(|row| TheirsReport {
                assignment: row.id,
                created_by: row.created_by,
                valid_from: row.valid_from,
                valid_until: row.valid_until,
            }),
        });
        (*comparison != Comparison::default()).then(|| Beside { same: comparison.same, differ: differ.collect() })
    }
}

impl PlanReport {
    /// A report of these changes.
    pub fn new(id: String, changes: &[Change], held: &[Change], remarks: Vec<String>) -> PlanReport {
        let mut counts: BTreeMap<String, usize> =
            ["added", "moved", "removed", "suspended", "restored", "deleted", "invited", "adopted"]
                .into_iter()
                .map(|word| (word.to_owned(), 0))
                .collect();
        for change in changes {
            *counts.entry(change.word().to_owned()).or_default() += 1;
        }
        counts.insert("held".to_owned(), held.len());
        PlanReport {
            id,
            counts,
            changes: changes.iter().map(ChangeReport::from).collect(),
            held: held.iter().map(ChangeReport::from).collect(),
            remarks,
            beside: None,
            guard: None,
            groups: BTreeMap::new(),
        }
    }
}
