//! Accounts: made, suspended, restored, deleted (rules 5; Kisi API notes, 3.1).

use std::time::Duration;

use super::{Done, Failure, Job, Tried, unread};
use crate::domain::ledger::Fact;
use crate::domain::plan::Action;
use crate::domain::roster::{User, mark};
use crate::domain::{Email, UserId};
use crate::kisi::body::{Metadata, NewUser, UserPatch, instant, json, marked};
use crate::kisi::client::Turn;
use crate::kisi::error::KisiError;
use crate::kisi::roster::{Role, may_lose_account};
use crate::kisi::wire::{self, people::UserRow};
use crate::net::Method;

/// Before a PATCH of an account counts as ignored.
const SECOND_LOOK: Duration = Duration::from_secs(2);

impl Job<'_> {
    /// Kisi is asked first: nobody is made twice, and nobody who was there becomes ours.
    pub(super) async fn invited(&mut self) -> Result<Done, Failure> {
        let email = self.email()?;
        if let Some(done) = self.found(&email, self.ctx.tried).await.map_err(unread)? {
            return Ok(done);
        }
        let name = self.change.person.name.clone().unwrap_or_else(|| email.as_str().to_owned());
        let metadata = marked(&Metadata::new(), &self.ctx.site, self.change.person.customer);
        let body = json(&NewUser::new(email.as_str(), &name, self.ctx.new_users, metadata));
        match self.write(Turn::Wait(self.class), Method::Post, "/users".to_owned(), body).await? {
            Tried::Done(response) => match wire::one::<UserRow>(&response.body) {
                Ok(user) => Ok(self.user_made(user).await),
                Err(why) => {
                    let error = crate::kisi::client::garbled(Method::Post, "/users", why);
                    self.found_after(&email, error).await
                }
            },
            Tried::No(409 | 422, error) => {
                let found = self.found(&email, self.ctx.tried).await.map_err(unread)?;
                found.ok_or(Failure::Item(error))
            }
            Tried::No(_, error) => Err(Failure::Item(error)),
            Tried::Lost(error) => self.found_after(&email, error).await,
        }
    }

    /// Where the answer was lost, only a user with our marks is ours; where there is none it may yet be made.
    async fn found_after(&mut self, email: &Email, error: KisiError) -> Result<Done, Failure> {
        match self.found(email, true).await {
            Ok(Some(done)) => Ok(done),
            Ok(None) | Err(_) => Err(Failure::Unknown(error)),
        }
    }

    /// The user with that address, if there is one. It is ours only if we may have made it (`perhaps_made`) and it
    /// carries the marks that we would have made it with.
    async fn found(&mut self, email: &Email, perhaps_made: bool) -> Result<Option<Done>, KisiError> {
        let users = self.kisi.users_by_email(self.class, email).await?;
        let ours = |user: &User| {
            let customer = self.change.person.customer;
            perhaps_made
                && customer.is_some()
                && user.marked_customer() == customer
                && user.marked_site().as_deref() == Some(&self.ctx.site)
        };
        let Some(user) = users.iter().find(|user| ours(user)).or_else(|| users.first()).cloned() else {
            return Ok(None);
        };
        if ours(&user) {
            return Ok(Some(self.user_made(user).await));
        }
        self.facts.push(Fact::UserSeen { user });
        Ok(Some(Done::ALREADY))
    }

    /// Kisi may have ignored name or metadata: read back, and mended once. A failure here leaves the user as it is
    /// read: it is made, and what is missing only helps.
    async fn user_made(&mut self, made: User) -> Done {
        let mut user = self.reread(made).await;
        let metadata = marked(&user.metadata, &self.ctx.site, self.change.person.customer);
        let name = self.change.person.name.clone().unwrap_or_else(|| user.name.clone());
        if user.name != name || user.metadata != metadata {
            let body = json(&UserPatch::mend(&name, metadata));
            match self.kisi.write(Turn::Wait(self.class), Method::Patch, path(user.id), body).await {
                Ok(_) => user = self.reread(user).await,
                Err(error) => tracing::warn!(user = user.id.0, %error, "a new Kisi user lacks its name or our marks"),
            }
        }
        self.facts.push(Fact::UserMade { user });
        Done::WROTE
    }

    async fn reread(&self, user: User) -> User {
        match self.kisi.user_by_id(self.class, user.id).await {
            Ok(Some(read)) => read,
            _ => user,
        }
    }

    pub(super) async fn suspended(&mut self) -> Result<Done, Failure> {
        let id = self.user()?;
        let Some(user) = self.read_user(id).await? else { return Err(Failure::UserGone { user: id }) };
        if !user.enabled {
            return if user.suspended_by_us() {
                Ok(Done::ALREADY)
            } else {
                Err(Failure::SuspendedByOther { user: id })
            };
        }
        self.check_may_lose(id).await?;
        let mut metadata = marked(&user.metadata, &self.ctx.site, self.change.person.customer);
        metadata.insert(mark::SUSPENDED_AT.to_owned(), instant(self.ctx.now).into());
        self.patch_access(id, false, metadata, |user| !user.enabled && user.suspended_by_us()).await
    }

    pub(super) async fn restored(&mut self) -> Result<Done, Failure> {
        let id = self.user()?;
        let Some(user) = self.read_user(id).await? else { return Err(Failure::UserGone { user: id }) };
        if user.enabled {
            return Ok(Done::ALREADY);
        }
        if !user.suspended_by_us() && !self.ctx.adopted_suspended {
            return Err(Failure::SuspendedByOther { user: id });
        }
        // A key left out may stay, so the mark is emptied, not left out.
        let mut metadata = user.metadata;
        metadata.insert(mark::SUSPENDED_AT.to_owned(), "".into());
        self.patch_access(id, true, metadata, |user| user.enabled).await
    }

    pub(super) async fn deleted(&mut self) -> Result<Done, Failure> {
        let id = self.user()?;
        if self.read_user(id).await?.is_none() {
            return Ok(Done::ALREADY);
        }
        self.check_may_lose(id).await?;
        match self.write(Turn::Wait(self.class), Method::Delete, path(id), Default::default()).await? {
            Tried::Done(_) | Tried::No(404, _) => {
                self.facts.push(Fact::UserGone { user: id });
                Ok(Done::WROTE)
            }
            Tried::No(_, error) => Err(Failure::Item(error)),
            Tried::Lost(error) => match self.read_user(id).await {
                Ok(None) => Ok(Done::WROTE),
                Ok(Some(_)) | Err(_) => Err(Failure::Unknown(error)),
            },
        }
    }

    /// All roles over all scopes, read immediately before (rules 5).
    async fn check_may_lose(&self, user: UserId) -> Result<(), Failure> {
        let roles = self.kisi.all_roles_of(self.class, user).await.map_err(unread)?;
        let ours = |role: &Role| {
            let owned = self.ctx.owned.iter().find(|owned| owned.id == role.id);
            owned.is_some_and(|owned| role.created_by == Some(owned.adopted_from.unwrap_or(self.ctx.us)))
        };
        may_lose_account(&roles, ours).map_err(Failure::MayNot)
    }

    async fn patch_access(
        &mut self,
        id: UserId,
        enabled: bool,
        metadata: Metadata,
        taken: impl Fn(&User) -> bool,
    ) -> Result<Done, Failure> {
        let body = json(&UserPatch::access(enabled, metadata));
        let lost = match self.write(Turn::Wait(self.class), Method::Patch, path(id), body).await? {
            Tried::Done(_) => None,
            Tried::No(404, _) => {
                self.facts.push(Fact::UserGone { user: id });
                return Err(Failure::UserGone { user: id });
            }
            Tried::No(_, error) => return Err(Failure::Item(error)),
            Tried::Lost(error) => Some(error),
        };
        for look in 0..2 {
            if look > 0 {
                self.kisi.clock.sleep(SECOND_LOOK).await;
            }
            let read = match self.kisi.user_by_id(self.class, id).await {
                Ok(read) => read,
                Err(error) => return Err(Failure::Unknown(lost.unwrap_or(error))),
            };
            let Some(user) = read else {
                self.facts.push(Fact::UserGone { user: id });
                return Err(Failure::UserGone { user: id });
            };
            let done = taken(&user);
            if done || look > 0 || lost.is_some() {
                self.facts.push(Fact::UserSeen { user });
            }
            match lost {
                _ if done => return Ok(Done::WROTE),
                Some(error) => return Err(Failure::Unknown(error)),
                None => {}
            }
        }
        Err(Failure::NotTaken("the user reads as if access_enabled or its mark had not been sent"))
    }

    pub(super) async fn recover_user(&mut self) -> Result<Done, Failure> {
        let email = self.email()?;
        self.found(&email, true).await.map_err(unread)?.ok_or(Failure::NotDone)
    }

    pub(super) async fn recover_account(&mut self) -> Result<Done, Failure> {
        let id = self.user()?;
        let user = self.read_user(id).await?;
        match (&self.change.action, user) {
            (Action::Deleted, None) => Ok(Done::ALREADY),
            (_, None) => Err(Failure::UserGone { user: id }),
            (Action::Suspended, Some(user)) if !user.enabled && user.suspended_by_us() => Ok(Done::ALREADY),
            (Action::Restored, Some(user)) if user.enabled => Ok(Done::ALREADY),
            (_, Some(_)) => Err(Failure::NotDone),
        }
    }

    /// That very user, as a fact.
    pub(super) async fn read_user(&mut self, id: UserId) -> Result<Option<User>, Failure> {
        let read = self.kisi.user_by_id(self.class, id).await.map_err(unread)?;
        self.facts.push(match &read {
            Some(user) => Fact::UserSeen { user: user.clone() },
            None => Fact::UserGone { user: id },
        });
        Ok(read)
    }

    fn email(&self) -> Result<Email, Failure> {
        self.change.person.email.clone().ok_or(Failure::Incomplete("the person has no e-mail"))
    }
}

fn path(user: UserId) -> String {
    format!("/users/{user}")
}
