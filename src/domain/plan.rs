//! What is to be changed in Kisi: a plan is data.

use serde::{Deserialize, Serialize};

use super::grant::Reason;
use super::{AssignmentId, CustomerId, Email, GroupId, Timestamp, UserId, Window};

/// Whom a change concerns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PersonRef {
    /// The Nexudus customer; absent where only Kisi knows the person.
    pub customer: Option<CustomerId>,
    /// The Kisi user; absent until it is made.
    pub user: Option<UserId>,
    /// The address.
    pub email: Option<Email>,
    /// The name, for creation and for those who may see it.
    pub name: Option<String>,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "lowercase")]
pub enum Action {
    /// A user is made.
    Invited,
    /// An assignment is made.
    Added {
        /// In which group.
        group: GroupId,
        /// Its window.
        window: Window,
    },
    /// The window of an assignment of ours is changed.
    Moved {
        /// In which group.
        group: GroupId,
        /// Which row.
        row: AssignmentId,
        /// Its new window.
        window: Window,
    },
    /// An assignment of ours is removed.
    Removed {
        /// In which group.
        group: GroupId,
        /// Which row.
        row: AssignmentId,
    },
    /// `access_enabled` becomes false.
    Suspended,
    /// `access_enabled` becomes true again.
    Restored,
    /// The user is removed from Kisi.
    Deleted,
    /// A row or user of another hand becomes ours in the ledger; Kisi is not written.
    Adopted {
        /// In which group; absent for a user.
        group: Option<GroupId>,
        /// Which row; absent for a user.
        row: Option<AssignmentId>,
    },
}

/// How soon a change must be made: what comes first is made first (rules 6 and 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Urgency {
    /// A row that was taken away to be made anew comes back.
    Mend,
    /// What should be shut is shut.
    Close,
    /// What should be open is opened.
    Open,
    /// What begins or ends later, and what changes nobody's access now.
    Later,
}

/// One change, and why.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Change {
    /// How soon.
    pub urgency: Urgency,
    /// By when, within its urgency: the soonest first.
    pub due: Timestamp,
    /// What.
    pub action: Action,
    /// Whom.
    pub person: PersonRef,
    /// Why.
    pub reason: Reason,
}

impl Change {
    /// The group that it concerns.
    pub fn group(&self) -> Option<GroupId> {
        match &self.action {
            Action::Added { group, .. } | Action::Moved { group, .. } | Action::Removed { group, .. } => Some(*group),
            Action::Adopted { group, .. } => *group,
            _ => None,
        }
    }

    /// The window that it writes.
    pub fn window(&self) -> Option<Window> {
        match &self.action {
            Action::Added { window, .. } | Action::Moved { window, .. } => Some(*window),
            _ => None,
        }
    }

    /// Its name in topics and verbs (contract 3, `membership`).
    pub fn word(&self) -> &'static str {
        match self.action {
            Action::Invited => "invited",
            Action::Added { .. } => "added",
            Action::Moved { .. } => "moved",
            Action::Removed { .. } => "removed",
            Action::Suspended => "suspended",
            Action::Restored => "restored",
            Action::Deleted => "deleted",
            Action::Adopted { .. } => "adopted",
        }
    }
}
