//! What `plan` and `apply` print (contract 1).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::explain::PersonShown;
use crate::domain::plan::Change;
use crate::domain::{GroupId, Reason, Timestamp};

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
    /// What removals wait for, what was refused, what was left undone: for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
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
        }
    }
}
