//! How a site is set up and changed by hand: by tests, the demo, and `/_twin/`.
//!
//! Each `add_…` takes a record, gives it an id where it has none, puts it in place of one with that id, and gives the
//! id back.

use super::KisiTwin;
use super::records::{
    Assignee, Assignment, Controller, Creator, Group, GroupLock, Id, Integration, Key, Lock, Moment, Place, Reader,
    Scope, Team, User,
};

impl KisiTwin {
    /// Adds a place.
    pub fn add_place(&mut self, mut place: Place) -> Id {
        place.id = self.next_id(place.id);
        let id = place.id;
        self.places.insert(id, place);
        self.assignments.forget_written_within(Scope::Place(id));
        id
    }

    /// Adds a user, as if made by hand.
    pub fn add_user(&mut self, mut user: User, now: Moment) -> Id {
        user.id = self.next_id(user.id);
        if user.created_at == Moment::UNIX_EPOCH {
            user.created_at = now;
        }
        user.updated_at = now;
        let id = user.id;
        self.put_user(user, None, now);
        id
    }

    /// Adds a user with that e-mail and name, as if made by hand.
    pub fn add_person(&mut self, email: &str, name: &str, now: Moment) -> Id {
        self.add_user(User { email: email.to_owned(), name: Some(name.to_owned()), ..User::default() }, now)
    }

    /// Adds a user who administers the organization, and a key of its own.
    pub fn add_administrator(&mut self, email: &str, secret: &str, now: Moment) -> Id {
        let user = self.add_person(email, email.split('@').next().unwrap_or(email), now);
        let mut row = Assignment::in_group(user, 0, Creator::Unknown);
        row.scope = Scope::Organization;
        "organization_administrator".clone_into(&mut row.role_id);
        self.add_assignment(row, now);
        self.add_key(secret, Key { user, refused: None, writes_refused: None });
        user
    }

    /// Adds a key, or changes what it may do.
    pub fn add_key(&mut self, secret: &str, key: Key) {
        self.keys.insert(secret.to_owned(), key);
    }

    /// Takes a key's rights away in mid-run: `Some(401)` or `Some(403)` for every call, or for writes alone.
    pub fn turn_key(&mut self, secret: &str, refused: Option<u16>, writes_refused: Option<u16>) {
        if let Some(key) = self.keys.get_mut(secret) {
            key.refused = refused;
            key.writes_refused = writes_refused;
        }
    }

    /// Adds a team.
    pub fn add_team(&mut self, mut team: Team) -> Id {
        team.id = self.next_id(team.id);
        let id = team.id;
        self.teams.insert(id, team);
        self.assignments.forget_written_of(Assignee::Team(id));
        id
    }

    /// Adds a group.
    pub fn add_group(&mut self, mut group: Group) -> Id {
        group.id = self.next_id(group.id);
        let id = group.id;
        self.groups.insert(id, group);
        self.assignments.forget_written_within(Scope::Group(id));
        id
    }

    /// Puts a door into a group.
    pub fn add_group_lock(&mut self, mut tie: GroupLock) -> Id {
        tie.id = self.next_id(tie.id);
        let id = tie.id;
        self.group_locks.insert(id, tie);
        id
    }

    /// Adds a door.
    pub fn add_lock(&mut self, mut lock: Lock) -> Id {
        lock.id = self.next_id(lock.id);
        let id = lock.id;
        self.locks.insert(id, lock);
        id
    }

    /// Takes a door away, with its readers and its places in groups. Whether there was one.
    pub fn remove_lock(&mut self, id: Id) -> bool {
        self.group_locks.retain(|_, tie| tie.lock_id != id);
        self.readers.retain(|_, reader| reader.lock_id != Some(id));
        self.locks.remove(&id).is_some()
    }

    /// Adds a group of that name with one door of the same name and a reader at it; gives group and door.
    pub fn add_room(&mut self, place: Id, name: &str, now: Moment) -> (Id, Id) {
        let name = name.to_owned();
        let group_id = self.add_group(Group { name: name.clone(), place_id: Some(place), ..Group::default() });
        let lock_id = self.add_lock(Lock { name: name.clone(), place_id: place, ..Lock::default() });
        self.add_group_lock(GroupLock { id: 0, group_id, lock_id, created_at: now });
        self.add_reader(Reader { name, place_id: place, lock_id: Some(lock_id), ..Reader::default() });
        (group_id, lock_id)
    }

    /// Adds a controller.
    pub fn add_controller(&mut self, mut controller: Controller) -> Id {
        controller.id = self.next_id(controller.id);
        let id = controller.id;
        self.controllers.insert(id, controller);
        id
    }

    /// Adds a reader.
    pub fn add_reader(&mut self, mut reader: Reader) -> Id {
        reader.id = self.next_id(reader.id);
        let id = reader.id;
        self.readers.insert(id, reader);
        id
    }

    /// Adds an integration.
    pub fn add_integration(&mut self, mut integration: Integration) -> Id {
        integration.id = self.next_id(integration.id);
        let id = integration.id;
        self.integrations.insert(id, integration);
        id
    }

    /// Adds a role assignment by hand, in place of the one that its holder has in that scope. Its event names the user
    /// who made it.
    pub fn add_assignment(&mut self, mut row: Assignment, now: Moment) -> Id {
        let actor = creator(&row);
        let held = self.assignments.find(row.assignee, row.scope).map(|held| held.id).filter(|held| *held != row.id);
        if let Some(held) = held {
            self.drop_assignment(held, actor, now);
        }
        row.id = self.next_id(row.id);
        if row.created_at == Moment::UNIX_EPOCH {
            row.created_at = now;
        }
        row.updated_at = now;
        let id = row.id;
        self.put_assignment(row, actor, now);
        id
    }

    /// Removes a role assignment by hand.
    pub fn remove_assignment(&mut self, id: Id, by: Option<Id>, now: Moment) -> Option<Assignment> {
        self.drop_assignment(id, by, now)
    }

    /// Removes a user by hand, with all that it holds.
    pub fn remove_user(&mut self, id: Id, by: Option<Id>, now: Moment) -> Option<User> {
        self.drop_user(id, by, now)
    }

    /// Changes a user by hand; false where there is none.
    pub fn edit_user(&mut self, id: Id, by: Option<Id>, now: Moment, edit: impl FnOnce(&mut User)) -> bool {
        let Some(mut user) = self.users.get(id).cloned() else { return false };
        edit(&mut user);
        user.id = id;
        user.updated_at = now;
        self.put_user(user, by, now);
        true
    }

    /// Changes a door: `online` and the like flip with no event.
    pub fn edit_lock(&mut self, id: Id, edit: impl FnOnce(&mut Lock)) -> bool {
        self.locks.get_mut(&id).map(edit).is_some()
    }

    /// All users as they are.
    pub fn users(&self) -> impl Iterator<Item = &User> {
        self.users.iter()
    }

    /// The user of that e-mail, whatever its capitals.
    pub fn user_by_email(&self, email: &str) -> Option<&User> {
        self.users.by_email(email)
    }

    /// All teams as they are.
    pub fn teams(&self) -> impl Iterator<Item = &Team> {
        self.teams.values()
    }

    /// All role assignments as they are, by id.
    pub fn assignments(&self) -> impl Iterator<Item = &Assignment> {
        self.assignments.iter().map(|row| &row.assignment)
    }

    /// The one role assignment of that user in that group.
    pub fn assignment(&self, user: Id, group: Id) -> Option<&Assignment> {
        self.assignments.find(Assignee::User(user), Scope::Group(group))
    }

    /// All doors as they are.
    pub fn locks(&self) -> impl Iterator<Item = &Lock> {
        self.locks.values()
    }

    /// All groups as they are.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.values()
    }
}

/// The user who made a row.
fn creator(row: &Assignment) -> Option<Id> {
    if let Creator::User(id) = row.created_by { Some(id) } else { None }
}
