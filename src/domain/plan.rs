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

/// What is to be done, and what was found on the way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Changes to Kisi, the most urgent first.
    pub changes: Vec<Change>,
    /// Removals that wait until absences can be believed (rules 6): why.
    pub waiting: Option<String>,
    /// Somebody else's hand.
    pub drift: Vec<Drift>,
    /// What gives no access, or more than one might think.
    pub notes: std::collections::BTreeSet<super::entitle::Note>,
    /// What the ledger should note of users; nothing of Kisi's.
    pub accounts: Vec<super::ledger::Account>,
    /// The next moment at which the clock alone changes the plan.
    pub next_at: Option<Timestamp>,
    /// People with a grant now or to come.
    pub people: usize,
    /// Grants now or to come.
    pub grants: usize,
    /// People and groups whose window is open.
    pub open_now: usize,
    /// `no_access` is taken as `keep`: why (rules 5).
    pub keeping: Option<&'static str>,
}

/// Something in Kisi that another hand did (promise 3): reported and left alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "drift", rename_all = "snake_case")]
pub enum Drift {
    /// A row in a linked group that is not ours.
    ForeignRow {
        /// Which.
        row: AssignmentId,
        /// Whose it is.
        user: UserId,
        /// In which group.
        group: GroupId,
        /// Who made it.
        created_by: Option<UserId>,
        /// Whether it takes the slot that a grant needs.
        in_the_way: bool,
    },
    /// A row that our key's user made and the ledger does not know: kept until `adopt` (rules 5).
    Candidate {
        /// Which.
        row: AssignmentId,
        /// Whose it is.
        user: UserId,
        /// In which group.
        group: GroupId,
    },
    /// A row of the ledger that by Kisi's word somebody else made.
    OtherMaker {
        /// Which.
        row: AssignmentId,
        /// Whose it is.
        user: UserId,
        /// In which group.
        group: GroupId,
        /// Who made it.
        created_by: Option<UserId>,
    },
    /// A row of ours that another hand removed; it is put back while the grant stands.
    Removed {
        /// Whose it was.
        user: UserId,
        /// In which group.
        group: GroupId,
        /// How often within a day.
        times: u32,
        /// When it is put back, where that waits because it was removed again.
        back_at: Option<Timestamp>,
    },
    /// A row of ours whose window another hand changed; it is put right while the grant stands.
    Changed {
        /// Whose it is.
        user: UserId,
        /// In which group.
        group: GroupId,
    },
    /// A user with access whom another hand suspended: not enabled.
    Suspended {
        /// Who.
        user: UserId,
    },
    /// An e-mail was changed onto a user with an organization or place role: not followed.
    Elevated {
        /// The user of the new e-mail.
        user: UserId,
        /// Whose e-mail was changed.
        customer: Option<CustomerId>,
        /// The user they have been until now, and remain.
        was: UserId,
    },
}
