//! Users, role assignments, groups and their doors, places.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Row, lenient, number};
use crate::domain::event::Door;
use crate::domain::roster::{Assignment, Group, User};
use crate::domain::{AssignmentId, Email, GroupId, LockId, Timestamp, UserId};

/// A user (Kisi API notes, 3.1).
#[derive(Deserialize)]
pub struct UserRow {
    #[serde(default, deserialize_with = "number")]
    id: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    email: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    name: Option<String>,
    access_enabled: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    metadata: Option<Map<String, Value>>,
}

impl Row for UserRow {
    type Out = User;

    fn read(self) -> Result<User, String> {
        Ok(User {
            id: UserId(self.id.ok_or("a user without an id")?),
            email: self.email.as_deref().and_then(Email::parse),
            name: self.name.unwrap_or_default(),
            enabled: self.access_enabled.ok_or("access_enabled is missing: suspended or not can't be told")?,
            metadata: self.metadata.unwrap_or_default().into_iter().collect(),
        })
    }
}

/// The key's own user (Kisi API notes, 1).
#[derive(Deserialize)]
pub struct OwnUserRow {
    #[serde(default, deserialize_with = "number")]
    id: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    email: Option<String>,
    #[serde(default, deserialize_with = "number")]
    organization_id: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    organization: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    #[serde(default, deserialize_with = "lenient")]
    name: Option<String>,
}

/// The key's own user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnUser {
    /// Its id: the `created_by_id` of what we make.
    pub id: UserId,
    /// Its address.
    pub email: Option<Email>,
    /// The organization's id.
    pub organization: Option<u64>,
    /// The organization's name.
    pub organization_name: Option<String>,
}

impl Row for OwnUserRow {
    type Out = OwnUser;

    fn read(self) -> Result<OwnUser, String> {
        Ok(OwnUser {
            id: UserId(self.id.ok_or("the key's own user has no id")?),
            email: self.email.as_deref().and_then(Email::parse),
            organization: self.organization_id,
            organization_name: self.organization.and_then(|organization| organization.name),
        })
    }
}

/// To what a role applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The whole organization.
    Organization,
    /// A place.
    Place,
    /// A group.
    Group(GroupId),
    /// Something that these notes don't know.
    Other(String),
}

/// Who holds a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignee {
    /// A user.
    User(UserId),
    /// A team, or a user through one.
    Team,
    /// A guest, or nobody that can be told.
    Other,
}

/// A role assignment of any scope and any assignee (Kisi API notes, 3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its id.
    pub id: AssignmentId,
    /// `role_id`.
    pub role: String,
    /// To what it applies.
    pub scope: Scope,
    /// Who holds it.
    pub assignee: Assignee,
    /// `valid_from`; only groups have it.
    pub valid_from: Option<Timestamp>,
    /// `valid_until`; only groups have it.
    pub valid_until: Option<Timestamp>,
    /// `created_by_id`, where a user made it.
    pub created_by: Option<UserId>,
    /// `created_at`.
    pub created_at: Option<Timestamp>,
}

impl Role {
    /// The row as what the roster holds: a user's own role in a group.
    pub fn assignment(&self) -> Option<Assignment> {
        let (Scope::Group(group), Assignee::User(user)) = (&self.scope, self.assignee) else { return None };
        Some(Assignment {
            id: self.id,
            user,
            group: *group,
            role: self.role.clone(),
            valid_from: self.valid_from,
            valid_until: self.valid_until,
            created_by: self.created_by,
        })
    }
}

/// A role assignment, with the new keys and the deprecated ones.
#[derive(Deserialize)]
pub struct RoleRow {
    #[serde(default, deserialize_with = "number")]
    id: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    role_id: Option<String>,
    applies_to_type: Option<String>,
    #[serde(default, deserialize_with = "number")]
    applies_to_id: Option<u64>,
    assignee_type: Option<String>,
    #[serde(default, deserialize_with = "number")]
    assignee_id: Option<u64>,
    created_by_type: Option<String>,
    #[serde(default, deserialize_with = "number")]
    created_by_id: Option<u64>,
    #[serde(default, deserialize_with = "number")]
    user_id: Option<u64>,
    #[serde(default, deserialize_with = "number")]
    assignee_team_id: Option<u64>,
    #[serde(default, deserialize_with = "number")]
    group_id: Option<u64>,
    scope: Option<String>,
    valid_from: Option<Timestamp>,
    valid_until: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient")]
    created_at: Option<Timestamp>,
}

impl Row for RoleRow {
    type Out = Role;

    fn read(self) -> Result<Role, String> {
        let scope = match (self.applies_to_type.as_deref(), self.scope.as_deref()) {
            (Some("Group"), _) | (None, Some("group")) => {
                Scope::Group(GroupId(self.applies_to_id.or(self.group_id).ok_or("a group's role names no group")?))
            }
            (Some("Organization"), _) | (None, Some("organization")) => Scope::Organization,
            (Some("Place"), _) | (None, Some("place")) => Scope::Place,
            (Some(other), _) | (None, Some(other)) => Scope::Other(other.to_owned()),
            (None, None) => Scope::Group(GroupId(self.group_id.ok_or("to what the role applies can't be told")?)),
        };
        let through_team = self.assignee_team_id.is_some() || self.scope.as_deref() == Some("team");
        let assignee = match (self.assignee_type.as_deref(), self.assignee_id.or(self.user_id)) {
            (Some("Team"), _) => Assignee::Team,
            _ if through_team => Assignee::Team,
            (Some("User") | None, Some(user)) => Assignee::User(UserId(user)),
            _ => Assignee::Other,
        };
        let made_by_user = matches!(self.created_by_type.as_deref(), None | Some("User"));
        Ok(Role {
            id: AssignmentId(self.id.ok_or("a role assignment without an id")?),
            role: self.role_id.unwrap_or_default(),
            scope,
            assignee,
            valid_from: self.valid_from,
            valid_until: self.valid_until,
            created_by: self.created_by_id.filter(|_| made_by_user).map(UserId),
            created_at: self.created_at,
        })
    }
}

/// A group (Kisi API notes, 3.2).
#[derive(Deserialize)]
pub struct GroupRow {
    #[serde(default, deserialize_with = "number")]
    id: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    time_restriction_enabled: Option<bool>,
}

impl Row for GroupRow {
    type Out = Group;

    /// The doors come from another list.
    fn read(self) -> Result<Group, String> {
        let id = GroupId(self.id.ok_or("a group without an id")?);
        Ok(Group {
            id,
            name: self.name.unwrap_or_else(|| format!("group {id}")),
            time_restricted: self.time_restriction_enabled.unwrap_or(false),
            doors: Vec::new(),
        })
    }
}

/// A door of a group (Kisi API notes, 3.2).
#[derive(Deserialize)]
pub struct GroupLockRow {
    #[serde(default, deserialize_with = "number")]
    lock_id: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    lock: Option<LockName>,
}

#[derive(Deserialize)]
struct LockName {
    #[serde(default, deserialize_with = "number")]
    id: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    name: Option<String>,
}

impl Row for GroupLockRow {
    type Out = Door;

    fn read(self) -> Result<Door, String> {
        let inner = self.lock.as_ref().and_then(|lock| lock.id);
        let id = LockId(self.lock_id.or(inner).ok_or("a group's door names no lock")?);
        let name = self.lock.and_then(|lock| lock.name).unwrap_or_else(|| format!("door {id}"));
        Ok(Door { id, name })
    }
}

/// A place, as far as it is counted (Kisi API notes, 3.6).
#[derive(Deserialize)]
pub struct PlaceRow {
    #[serde(default, deserialize_with = "number")]
    id: Option<u64>,
}

impl Row for PlaceRow {
    type Out = u64;

    fn read(self) -> Result<u64, String> {
        self.id.ok_or_else(|| "a place without an id".to_owned())
    }
}
