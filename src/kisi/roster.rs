//! Users, assignments, groups and their doors: as whole lists, and each very thing.
//!
//! Lists are read by `offset`, which may skip or repeat rows while others write: a row that a list lacks is absent
//! only once a read of that very row says so (Kisi API notes, 2.1). So a [`Reading`] proves presence, and the
//! targeted reads here prove absence.

use std::collections::{BTreeMap, BTreeSet};

use super::client::{KisiClient, Listed, garbled};
use super::error::{KisiError, if_there};
pub use super::wire::people::{Assignee, OwnUser, Role, Scope};
use super::wire::people::{GroupLockRow, GroupRow, OwnUserRow, PlaceRow, RoleRow, UserRow};
use crate::domain::event::Door;
use crate::domain::roster::{Assignment, Group, Roster, User};
use crate::domain::snapshot::Aside;
use crate::domain::{AssignmentId, Email, GroupId, Timestamp, UserId};
use crate::net::Method;
use crate::net::pace::Class;

/// The most users in a page (Kisi API notes, 2.1).
const USERS: u64 = 100;
/// The most rows in a page of most other lists.
pub(super) const ROWS: u64 = 250;
/// The maximum for places is not stated: the smallest of all maxima.
const PLACES: u64 = 100;

/// A whole reading.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// What came.
    pub roster: Roster,
    /// Rows that could not be used, and lists that could not be read to their end: for the operator.
    pub aside: Vec<Aside>,
    /// Every list came whole: as many different rows as Kisi counts. Even so an absence is to be verified.
    pub steady: bool,
    /// Groups that were asked for and do not exist.
    pub missing: BTreeSet<GroupId>,
}

/// Why an account may not be suspended or deleted (rules 5).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Elevated {
    /// It has a role in the organization.
    #[error("the user has the role '{0}' in the organization")]
    Organization(String),
    /// It has a role in a place.
    #[error("the user has the role '{0}' in a place")]
    Place(String),
    /// It has a right through a team.
    #[error("the user has a right through a Kisi team")]
    Team,
    /// It has an assignment in a group that is not ours.
    #[error("assignment {row} in group {group} is not Gatehouse's")]
    Foreign {
        /// Which.
        row: AssignmentId,
        /// Where.
        group: GroupId,
    },
    /// It has a role that can't be judged.
    #[error("a role of the user can't be judged: {0}")]
    Unreadable(String),
}

/// Whether an account may be suspended or deleted, by all its roles, read immediately before. `ours` says whether an
/// assignment is in the ledger, and by Kisi's word made by the hand that it says.
pub fn may_lose_account(roles: &[Role], ours: impl Fn(&Role) -> bool) -> Result<(), Elevated> {
    for role in roles {
        match (&role.scope, role.assignee) {
            (_, Assignee::Team) => return Err(Elevated::Team),
            (Scope::Organization, _) => return Err(Elevated::Organization(role.role.clone())),
            (Scope::Place, _) => return Err(Elevated::Place(role.role.clone())),
            (Scope::Group(_), Assignee::User(_)) if ours(role) => {}
            (Scope::Group(group), _) => return Err(Elevated::Foreign { row: role.id, group: *group }),
            (Scope::Other(scope), _) => {
                return Err(Elevated::Unreadable(format!("assignment {} applies to a '{scope}'", role.id)));
            }
        }
    }
    Ok(())
}

impl KisiClient {
    /// Reads users, assignments of scope group, the named groups with their doors, and the number of places, whole.
    /// `now` is Kisi's time as the reading begins.
    ///
    /// Past 20,250 assignments only those of the named groups are read. Past 20,100 users the rest is not in the
    /// list (it is found by e-mail when it matters), and the reading is not steady.
    pub async fn read_roster(&self, groups: &BTreeSet<GroupId>, now: Timestamp) -> Result<Reading, KisiError> {
        let mut tally = Tally { steady: true, aside: Vec::new() };
        let users = self.list::<UserRow>(Class::Roster, "/users", &[], USERS).await?;
        let users = tally.take("users", users, |user| user.id);
        let assignments = self.read_assignments(groups, &mut tally).await?;
        let elevated = self.read_elevated(&mut tally).await?;
        let (groups, missing) = self.read_groups(groups, &mut tally).await?;
        let places = match self.list::<PlaceRow>(Class::Roster, "/places", &[], PLACES).await {
            Ok(listed) => Some(listed.total.map_or(listed.rows.len(), |total| total as usize)),
            Err(KisiError::Item { error, .. }) => {
                tally.aside.push(Aside { id: None, why: format!("places can't be counted: {error}") });
                None
            }
            Err(other) => return Err(other),
        };
        let roster = Roster { users, assignments, groups, elevated, places, read_at: Some(now) };
        Ok(Reading { roster, aside: tally.aside, steady: tally.steady, missing })
    }

    async fn read_assignments(
        &self,
        groups: &BTreeSet<GroupId>,
        tally: &mut Tally,
    ) -> Result<BTreeMap<AssignmentId, Assignment>, KisiError> {
        let scope = [("scope", "group".to_owned())];
        let all = self.list::<RoleRow>(Class::Roster, "/role_assignments", &scope, ROWS).await?;
        let mut roles = BTreeMap::new();
        if all.cut {
            for group in groups {
                let query = applies_to(*group);
                let listed = self.list::<RoleRow>(Class::Roster, "/role_assignments", &query, ROWS).await?;
                roles.extend(tally.take(&format!("assignments of group {group}"), listed, |role| role.id));
            }
        } else {
            roles = tally.take("assignments", all, |role| role.id);
        }
        // A team's or a guest's row fills no user's slot.
        Ok(roles.values().filter_map(Role::assignment).map(|row| (row.id, row)).collect())
    }

    /// Users with a role in the organization or in a place: an e-mail is not changed onto them (rules 1).
    async fn read_elevated(&self, tally: &mut Tally) -> Result<BTreeSet<UserId>, KisiError> {
        let mut elevated = BTreeSet::new();
        for scope in ["organization", "place"] {
            let query = [("scope", scope.to_owned())];
            let listed = self.list::<RoleRow>(Class::Roster, "/role_assignments", &query, ROWS).await?;
            let roles = tally.take(&format!("assignments of scope {scope}"), listed, |role| role.id);
            // The filter may be ignored: what a row applies to decides.
            let wider = roles.values().filter(|role| !matches!(role.scope, Scope::Group(_)));
            elevated.extend(wider.filter_map(|role| match role.assignee {
                Assignee::User(user) => Some(user),
                _ => None,
            }));
        }
        Ok(elevated)
    }

    async fn read_groups(
        &self,
        wanted: &BTreeSet<GroupId>,
        tally: &mut Tally,
    ) -> Result<(BTreeMap<GroupId, Group>, BTreeSet<GroupId>), KisiError> {
        let (mut found, mut missing) = (BTreeMap::new(), BTreeSet::new());
        if wanted.is_empty() {
            return Ok((found, missing));
        }
        let listed = self.list::<GroupRow>(Class::Roster, "/groups", &[], ROWS).await?;
        let listed = tally.take("groups", listed, |group| group.id);
        for id in wanted {
            let group = match listed.get(id) {
                Some(group) => Some(group.clone()),
                None => if_there(self.get::<GroupRow>(Class::Roster, format!("/groups/{id}"), Vec::new()).await)?,
            };
            let Some(mut group) = group else {
                missing.insert(*id);
                continue;
            };
            let query = [("group_id", id.to_string())];
            let doors = self.list::<GroupLockRow>(Class::Roster, "/group_locks", &query, ROWS).await?;
            let doors = tally.take(&format!("doors of group {id}"), doors, |door: &Door| door.id);
            group.doors = doors.into_values().collect();
            found.insert(*id, group);
        }
        Ok((found, missing))
    }

    /// All groups of the organization, by id, without their doors.
    pub async fn all_groups(&self) -> Result<BTreeMap<GroupId, Group>, KisiError> {
        let listed = self.list::<GroupRow>(Class::Roster, "/groups", &[], ROWS).await?;
        Ok(listed.rows.into_iter().map(|group| (group.id, group)).collect())
    }

    /// The ids of the organization's places.
    pub async fn places(&self) -> Result<Vec<u64>, KisiError> {
        Ok(self.list::<PlaceRow>(Class::Roster, "/places", &[], PLACES).await?.rows)
    }

    /// The key's own user: the start-up check, and whose hand our rows are made by.
    pub async fn own_user(&self) -> Result<OwnUser, KisiError> {
        self.get::<OwnUserRow>(Class::Roster, "/user".to_owned(), Vec::new()).await
    }

    /// That very user; `None`: there is none.
    pub async fn user_by_id(&self, class: Class, id: UserId) -> Result<Option<User>, KisiError> {
        if_there(self.get::<UserRow>(class, format!("/users/{id}"), Vec::new()).await)
    }

    /// The users with that address. By `email`, never by `query`, which finds notes and names too.
    pub async fn users_by_email(&self, class: Class, email: &Email) -> Result<Vec<User>, KisiError> {
        let query = [("email", email.as_str().to_owned())];
        let listed = self.list::<UserRow>(class, "/users", &query, USERS).await?;
        let users: Vec<User> = listed.rows.into_iter().filter(|user| user.email.as_ref() == Some(email)).collect();
        match listed.aside.into_iter().next() {
            Some(aside) if users.is_empty() => Err(garbled(Method::Get, "/users", aside.why)),
            _ => Ok(users),
        }
    }

    /// That very assignment; `None`: there is none. A role of another scope or of a team is none of ours: an error.
    pub async fn assignment(&self, class: Class, id: AssignmentId) -> Result<Option<Assignment>, KisiError> {
        let path = format!("/role_assignments/{id}");
        match if_there(self.get::<RoleRow>(class, path.clone(), Vec::new()).await)? {
            None => Ok(None),
            Some(role) => match role.assignment() {
                Some(row) => Ok(Some(row)),
                None => Err(garbled(Method::Get, &path, "it is no user's assignment in a group".to_owned())),
            },
        }
    }

    /// What is in that slot: at most one row, by Kisi's rule, but more are tolerated.
    pub async fn assignments_of(&self, class: Class, user: UserId, group: GroupId) -> Result<Vec<Role>, KisiError> {
        let mut query = applies_to(group).to_vec();
        query.extend([("assignee_type", "User".to_owned()), ("assignee_id", user.to_string())]);
        let listed = self.list::<RoleRow>(class, "/role_assignments", &query, ROWS).await?;
        let here = |role: &Role| role.scope == Scope::Group(group) && role.assignee == Assignee::User(user);
        let roles: Vec<Role> = listed.rows.into_iter().filter(here).collect();
        match listed.aside.into_iter().next() {
            Some(aside) if roles.is_empty() => Err(garbled(Method::Get, "/role_assignments", aside.why)),
            _ => Ok(roles),
        }
    }

    /// Every role of that user, over all scopes (rules 5). One that can't be read is an error: it might be the one
    /// that forbids what is to be done. Rows of other users, were the filter ignored, do not count.
    pub async fn all_roles_of(&self, class: Class, user: UserId) -> Result<Vec<Role>, KisiError> {
        let query = [("user_id", user.to_string())];
        let listed = self.list::<RoleRow>(class, "/role_assignments", &query, ROWS).await?;
        if let Some(aside) = listed.aside.into_iter().next() {
            return Err(garbled(Method::Get, "/role_assignments", aside.why));
        }
        if listed.cut {
            return Err(garbled(Method::Get, "/role_assignments", "too many roles to read them all".to_owned()));
        }
        let others = |role: &Role| matches!(role.assignee, Assignee::User(other) if other != user);
        Ok(listed.rows.into_iter().filter(|role| !others(role)).collect())
    }
}

fn applies_to(group: GroupId) -> [(&'static str, String); 2] {
    [("applies_to_type", "Group".to_owned()), ("applies_to_id", group.to_string())]
}

/// Gathers what was set aside, and whether every list came whole.
struct Tally {
    steady: bool,
    aside: Vec<Aside>,
}

impl Tally {
    /// The rows by id. A row that came twice counts once.
    fn take<K: Ord, T>(&mut self, what: &str, listed: Listed<T>, id: impl Fn(&T) -> K) -> BTreeMap<K, T> {
        let aside = listed.aside.len();
        for row in listed.aside {
            self.aside.push(Aside { id: row.id, why: format!("{what}: {}", row.why) });
        }
        if listed.cut {
            self.aside.push(Aside { id: None, why: format!("{what}: Kisi shows no more than the first of them") });
        }
        let rows: BTreeMap<K, T> = listed.rows.into_iter().map(|row| (id(&row), row)).collect();
        let all = listed.total.is_none_or(|total| total == (rows.len() + aside) as u64);
        self.steady &= all && !listed.cut;
        rows
    }
}
