//! What Kisi holds: users and their assignments in groups.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::event::Door;
use super::{AssignmentId, CustomerId, Email, GroupId, Timestamp, UserId, Window};

/// A Kisi user (Kisi API notes, 3.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// Its address, where there is a usable one.
    pub email: Option<Email>,
    /// Its name.
    pub name: String,
    /// `access_enabled`: false is suspended, in the whole organization.
    pub enabled: bool,
    /// `metadata`, whole, as text: what others put there is kept.
    pub metadata: BTreeMap<String, serde_json::Value>,
}

/// Keys of `metadata` that are ours (rules 5).
pub mod mark {
    /// The site whose Gatehouse made or suspended the user.
    pub const SITE: &str = "gatehouse_site";
    /// The Nexudus customer.
    pub const CUSTOMER: &str = "gatehouse_customer";
    /// When we suspended the user; empty or absent: we did not.
    pub const SUSPENDED_AT: &str = "gatehouse_suspended_at";
}

impl User {
    /// The text of a metadata value; numbers and booleans as they are written.
    pub fn mark(&self, key: &str) -> Option<String> {
        match self.metadata.get(key)? {
            serde_json::Value::Null => None,
            serde_json::Value::String(text) => (!text.is_empty()).then(|| text.clone()),
            other => Some(other.to_string()),
        }
    }

    /// Which site's Gatehouse marked the user.
    pub fn marked_site(&self) -> Option<String> {
        self.mark(mark::SITE)
    }

    /// Which customer the user is, by its mark.
    pub fn marked_customer(&self) -> Option<CustomerId> {
        self.mark(mark::CUSTOMER)?.parse().ok().map(CustomerId)
    }

    /// Whether the user's suspension carries our mark. An empty mark is none (rules 5).
    pub fn suspended_by_us(&self) -> bool {
        self.mark(mark::SUSPENDED_AT).is_some()
    }
}

/// A role assignment of scope group (Kisi API notes, 3.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Its id.
    pub id: AssignmentId,
    /// Whose it is.
    pub user: UserId,
    /// In which group.
    pub group: GroupId,
    /// `role_id`; ours are `group_basic`.
    pub role: String,
    /// `valid_from`, as it stands.
    pub valid_from: Option<Timestamp>,
    /// `valid_until`, as it stands.
    pub valid_until: Option<Timestamp>,
    /// `created_by_id`, where a user made it.
    pub created_by: Option<UserId>,
}

impl Assignment {
    /// Its window; `None` where it can never be valid.
    pub fn window(&self) -> Option<Window> {
        Window::new(self.valid_from, self.valid_until)
    }
}

/// A linked access group and its doors (Kisi API notes, 3.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// Its name.
    pub name: String,
    /// `time_restriction_enabled`: Kisi's own hours apply on top of a window.
    pub time_restricted: bool,
    /// The doors it opens.
    pub doors: Vec<Door>,
}

/// Users and assignments, as last read and written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roster {
    /// Users, by id.
    pub users: BTreeMap<UserId, User>,
    /// Assignments of all groups that were read, by id.
    pub assignments: BTreeMap<AssignmentId, Assignment>,
    /// Groups that links name, by id.
    pub groups: BTreeMap<GroupId, Group>,
    /// Users with an organization or place role.
    pub elevated: BTreeSet<UserId>,
    /// How many places the organization has, where known.
    pub places: Option<usize>,
    /// When the last whole reading began; `None`: never.
    pub read_at: Option<Timestamp>,
}

impl Roster {
    /// The assignment in that slot: Kisi holds one for each user and group.
    pub fn slot(&self, user: UserId, group: GroupId) -> Option<&Assignment> {
        self.assignments.values().find(|row| row.user == user && row.group == group)
    }

    /// The users with that address.
    pub fn by_email<'a>(&'a self, email: &'a Email) -> impl Iterator<Item = &'a User> {
        self.users.values().filter(move |user| user.email.as_ref() == Some(email))
    }
}
