//! What is ours in Kisi, and what is under way: the part of the store that can't be read again from anywhere.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::grant::Reason;
use super::plan::Change;
use super::roster::{Assignment, User};
use super::{AssignmentId, CustomerId, Email, GroupId, Timestamp, UserId};

/// An assignment that we made or were told to adopt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owned {
    /// Its id.
    pub id: AssignmentId,
    /// Whose it is.
    pub user: UserId,
    /// In which group.
    pub group: GroupId,
    /// For which customer it was made, where known.
    pub customer: Option<CustomerId>,
    /// The window as we last wrote it.
    pub valid_from: Option<Timestamp>,
    /// The window as we last wrote it.
    pub valid_until: Option<Timestamp>,
    /// Why it was made.
    pub reason: Reason,
    /// When we last wrote it, by Kisi's time; long ago where we never did: what an adopted row came from was not seen
    /// by us, so that it belongs to the baseline (rules 6).
    pub written_at: Timestamp,
    /// Whose hand made it, where it was adopted: the cross-check is then against this user.
    pub adopted_from: Option<UserId>,
}

impl Owned {
    /// A row of another hand, or one that the ledger had lost, which becomes ours as it stands.
    pub fn adopted(row: &Assignment, customer: Option<CustomerId>, reason: Reason, from: Option<UserId>) -> Owned {
        Owned {
            id: row.id,
            user: row.user,
            group: row.group,
            customer,
            valid_from: row.valid_from,
            valid_until: row.valid_until,
            reason,
            written_at: Timestamp::UNIX_EPOCH,
            adopted_from: from,
        }
    }
}

/// A Kisi user as we know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its id.
    pub user: UserId,
    /// The customers it stands for.
    pub customers: Vec<CustomerId>,
    /// The address the customers had when this was last noted (rules 1, Person).
    pub email: Option<Email>,
    /// Whether we made the user or were told to adopt it. Others are given and taken groups only.
    pub managed: bool,
    /// Since when the person has had no access; `None`: has some.
    pub no_access_since: Option<Timestamp>,
    /// Taken by `adopt --suspended`: it is enabled when a grant comes, though it carries no mark of ours. Over as soon
    /// as the user is seen enabled.
    #[serde(default)]
    pub adopted_suspended: bool,
}

/// Something that was about to be done to Kisi: written before the call, taken away with its outcome. One that is
/// found at start is looked up in Kisi before anything else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// Numbers intents within this ledger, rising.
    pub id: u64,
    /// What was to be done.
    pub change: Change,
    /// When, by Kisi's time.
    pub at: Timestamp,
    /// A row that was taken away to be made anew because PATCH is ignored: the window it must come back with. Until
    /// then this goes before all else (rules 3).
    pub replacing: bool,
}

/// The ledger, as a value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    /// Assignments that are ours.
    pub owned: BTreeMap<AssignmentId, Owned>,
    /// Users that we know.
    pub accounts: BTreeMap<UserId, Account>,
    /// What is under way.
    pub intents: BTreeMap<u64, Intent>,
    /// Learnt for the organization: a PATCH of a window is answered 204 and ignored (rules 3).
    pub patch_ignored: bool,
}

/// What has become true in Kisi, or was seen there: how the outcome of a call reaches roster and ledger.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// A user was made by us, and read back.
    UserMade {
        /// As read back.
        user: User,
    },
    /// A user was found or read again.
    UserSeen {
        /// As read.
        user: User,
    },
    /// A user is gone from Kisi.
    UserGone {
        /// Which.
        user: UserId,
    },
    /// A row was made or moved by us, and reads so.
    RowWritten {
        /// As read back.
        row: Assignment,
        /// Why it was written.
        reason: Reason,
        /// For which customer.
        customer: Option<CustomerId>,
    },
    /// A row was read again; whose it is has not changed.
    RowSeen {
        /// As read.
        row: Assignment,
    },
    /// A row is gone from Kisi.
    RowGone {
        /// Which.
        row: AssignmentId,
    },
    /// A PATCH of a window was answered and ignored, twice over.
    PatchIgnored,
}
