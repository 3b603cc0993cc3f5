//! What `adopt` prints (contract 1).

use serde::{Deserialize, Serialize};

use crate::domain::adopt::Adoption;
use crate::domain::explain::PersonShown;
use crate::domain::plan::PersonRef;
use crate::domain::roster::Roster;
use crate::domain::{AssignmentId, GroupId, Reason, Timestamp, UserId};

/// What can be adopted, or was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdoptReport {
    /// Whose hand was asked for.
    pub created_by: UserId,
    /// Whether it was done: it is ours now.
    pub adopted: bool,
    /// Assignments, by linked group.
    pub groups: Vec<GroupReport>,
    /// Users suspended while they held no grant; empty where they were not asked for.
    pub suspended: Vec<PersonShown>,
    /// What was left out, and what follows: for people.
    pub remarks: Vec<String>,
}

/// The assignments of one group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupReport {
    /// Which.
    pub group: GroupId,
    /// Its name.
    pub name: Option<String>,
    /// The assignments.
    pub assignments: Vec<RowReport>,
}

/// One assignment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowReport {
    /// Which.
    pub assignment: AssignmentId,
    /// Whose it is.
    pub person: PersonShown,
    /// Its window as it stands.
    pub valid_from: Option<Timestamp>,
    /// Its window as it stands.
    pub valid_until: Option<Timestamp>,
    /// The grant that it serves; `policy` where there is none: adopted, it would be removed.
    pub reason: Reason,
}

impl AdoptReport {
    /// A report of that.
    pub fn new(created_by: UserId, adoption: &Adoption, roster: &Roster) -> AdoptReport {
        let groups = adoption.rows.iter().map(|(group, rows)| GroupReport {
            group: *group,
            name: roster.groups.get(group).map(|group| group.name.clone()),
            assignments: rows
                .iter()
                .map(|row| RowReport {
                    assignment: row.owned.id,
                    person: shown(&row.person),
                    valid_from: row.owned.valid_from,
                    valid_until: row.owned.valid_until,
                    reason: row.owned.reason,
                })
                .collect(),
        });
        AdoptReport {
            created_by,
            adopted: false,
            groups: groups.collect(),
            suspended: adoption.users.iter().map(|(person, _)| shown(person)).collect(),
            remarks: adoption.left.iter().map(|left| format!("left out: {left}")).collect(),
        }
    }

    /// How many assignments.
    pub fn assignments(&self) -> usize {
        self.groups.iter().map(|group| group.assignments.len()).sum()
    }
}

fn shown(person: &PersonRef) -> PersonShown {
    PersonShown { customer: person.customer, user: person.user, email: person.email.clone() }
}
