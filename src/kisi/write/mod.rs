//! Carries out one change in Kisi, with the checks that must stand immediately before it, and says what became true.
//!
//! The gateway writes the intent to the ledger before it calls, and the facts after; nothing here keeps anything. A
//! lost answer is never guessed at: the very thing is read again, and where that fails too the outcome is
//! [`Failure::Unknown`]. A write is never repeated blindly.

mod people;
mod rows;

use bytes::Bytes;

pub use super::body::Form;
use super::body::{Unlock, json};
use super::client::{KisiClient, Turn};
use super::error::{ApiError, Fault, KisiError};
use super::roster::Elevated;
use crate::clock::Mono;
use crate::domain::ledger::{Fact, Intent, Owned};
use crate::domain::plan::{Action, Change, Urgency};
use crate::domain::{AssignmentId, LockId, NewUsers, Timestamp, UserId};
use crate::net::pace::Class;
use crate::net::{Method, Response};

/// What a change is judged against: values, taken from ledger and configuration as it is sent.
#[derive(Clone, Debug)]
pub struct Ctx {
    /// Our key's own user: the `created_by_id` of what we make.
    pub us: UserId,
    /// `site.id`, for the marks.
    pub site: String,
    /// The rows of the ledger that are the person's.
    pub owned: Vec<Owned>,
    /// `access.new_users`.
    pub new_users: NewUsers,
    /// The ledger has learnt that a PATCH of a window is ignored: windows are replaced (rules 3).
    pub patch_ignored: bool,
    /// Which form of a new assignment this organization takes, as far as known.
    pub form: Form,
    /// When the intent was written, by Kisi's time: a row made by us before that is another's business.
    pub intent_at: Timestamp,
    /// The intent was tried before, and its outcome is not known.
    pub tried: bool,
    /// The user was taken by `adopt --suspended`: it may be enabled though it carries no mark of ours.
    pub adopted_suspended: bool,
    /// Kisi's own, trusted time. Without it nothing is written, so there is no context without it.
    pub now: Timestamp,
}

/// A change that is true in Kisi now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Whether Kisi was written; false where it was so already.
    pub wrote: bool,
    /// Which form of a new assignment was taken: the ledger may keep it.
    pub form: Option<Form>,
}

impl Done {
    const ALREADY: Done = Done { wrote: false, form: None };
    const WROTE: Done = Done { wrote: true, form: None };
}

/// Why a change is not true in Kisi, or not known to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nothing was done; it may go through later.
    #[error("{0}")]
    Passing(KisiError),
    /// It may have been done, or may yet be: keep the intent, and try or recover it with [`Ctx::tried`].
    #[error("not known whether it was done: {0}")]
    Unknown(KisiError),
    /// Kisi won't do it, and trying again as it is won't help: set this item aside.
    #[error("{0}")]
    Item(KisiError),
    /// Kisi refuses the key: nothing more is written until a read succeeds.
    #[error("{0}")]
    Refused(KisiError),
    /// The change lacks what it needs.
    #[error("the change can't be made: {0}")]
    Incomplete(&'static str),
    /// Another row is in the slot, and it is not the one that was to be made.
    #[error("the slot is taken by assignment {row}, which Gatehouse did not just make")]
    SlotTaken {
        /// Which.
        row: AssignmentId,
    },
    /// The row is not ours, or not what the ledger says: it is left alone (promise 3).
    #[error("assignment {row} is not Gatehouse's: {why}")]
    NotOurs {
        /// Which.
        row: AssignmentId,
        /// What does not agree.
        why: &'static str,
    },
    /// The row that was to be changed is gone.
    #[error("assignment {row} is gone")]
    RowGone {
        /// Which.
        row: AssignmentId,
    },
    /// The user is gone.
    #[error("user {user} is gone")]
    UserGone {
        /// Which.
        user: UserId,
    },
    /// The PATCH was answered and ignored, by two reads 2 s apart.
    #[error("Kisi ignored the new window of assignment {row}")]
    PatchIgnored {
        /// Which.
        row: AssignmentId,
    },
    /// The old row is gone, or may be, and the new one is not there: it goes before all else until it is through.
    #[error("the row was taken away and is not back yet: {0}")]
    Replacing(Box<Failure>),
    /// Kisi answered well, and reads otherwise.
    #[error("Kisi answered well, but {0}")]
    NotTaken(&'static str),
    /// The user was suspended by another hand (rules 5).
    #[error("user {user} was suspended by another hand")]
    SuspendedByOther {
        /// Which.
        user: UserId,
    },
    /// The account may not be suspended or deleted (rules 5).
    #[error("the account is left alone: {0}")]
    MayNot(Elevated),
    /// Only from [`KisiClient::recover`]: it is not so in Kisi.
    #[error("it was not done")]
    NotDone,
}

/// What became of a change. The facts hold in either case.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What has become true, or was seen.
    pub facts: Vec<Fact>,
    /// Whether the change is true now.
    pub result: Result<Done, Failure>,
}

/// In which class a change claims its turns.
pub fn class_of(urgency: Urgency) -> Class {
    match urgency {
        Urgency::Mend | Urgency::Close => Class::Close,
        Urgency::Open => Class::Open,
        Urgency::Later => Class::Write,
    }
}

/// Why a door was not opened, or is not known to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnlockError {
    /// Kisi said no: it concerns this lock alone.
    #[error("Kisi did not unlock it: {0}")]
    Denied(ApiError),
    /// It was not sent.
    #[error("it was not sent: {0}")]
    NotSent(String),
    /// No answer came: it may have opened, or may yet. It is not tried again.
    #[error("not known whether it opened: {0}")]
    Unknown(String),
}

impl KisiClient {
    /// Carries out `change`. Never called without an intent in the ledger.
    pub async fn carry_out(&self, change: &Change, ctx: &Ctx) -> Outcome {
        let mut job = Job { kisi: self, change, ctx, class: class_of(change.urgency), facts: Vec::new() };
        let result = match &change.action {
            Action::Invited => Box::pin(job.invited()).await,
            Action::Added { group, window } => Box::pin(job.added(*group, *window)).await,
            Action::Moved { row, window, .. } => Box::pin(job.moved(*row, *window)).await,
            Action::Removed { row, .. } => Box::pin(job.removed(*row)).await,
            Action::Suspended => Box::pin(job.suspended()).await,
            Action::Deleted => Box::pin(job.deleted()).await,
            Action::Restored => Box::pin(job.restored()).await,
            Action::Adopted { row, .. } => Box::pin(job.looked_at(*row)).await,
        };
        Outcome { facts: job.facts, result }
    }

    /// Looks up in Kisi what became of an intent that a run left behind, and writes nothing to an assignment's window
    /// or to an account. [`Failure::NotDone`]: it is not so, decide anew.
    pub async fn recover(&self, intent: &Intent, ctx: &Ctx) -> Outcome {
        let ctx = Ctx { intent_at: intent.at, tried: true, ..ctx.clone() };
        let change = &intent.change;
        let mut job = Job { kisi: self, change, ctx: &ctx, class: class_of(change.urgency), facts: Vec::new() };
        let result = match &change.action {
            Action::Invited => Box::pin(job.recover_user()).await,
            Action::Added { group, window } => Box::pin(job.recover_added(*group, *window, intent.replacing)).await,
            Action::Moved { group, row, window } => {
                Box::pin(job.recover_moved(*group, *row, *window, intent.replacing)).await
            }
            Action::Removed { row, .. } => Box::pin(job.recover_removed(*row)).await,
            Action::Suspended | Action::Restored | Action::Deleted => Box::pin(job.recover_account()).await,
            Action::Adopted { row, .. } => Box::pin(job.looked_at(*row)).await,
        };
        Outcome { facts: job.facts, result }
    }

    /// Opens a door: one try, never repeated, and not sent once `deadline` has passed (a late unlock opens a door on
    /// nobody). The unlock is attributed to our key's user.
    pub async fn unlock(&self, lock: LockId, deadline: Mono) -> Result<(), UnlockError> {
        let claim = self.pace.claim(Class::Open);
        let left = deadline.since(self.clock.mono());
        if left.is_zero() || self.clock.timeout(left, claim).await.is_err() {
            return Err(UnlockError::NotSent("its turn did not come in time".to_owned()));
        }
        let path = format!("/locks/{lock}/unlock");
        match self.write(Turn::First, Method::Post, path, json(&Unlock {})).await {
            Ok(_) => Ok(()),
            Err(KisiError::Item { error, .. }) => Err(UnlockError::Denied(error)),
            Err(KisiError::Passing { fault: Fault::Broken(error), .. }) if error.code.is_some() => {
                Err(UnlockError::Denied(error))
            }
            Err(KisiError::Refused { why, .. }) if why.status == 403 && self.refusal().is_none() => {
                Err(UnlockError::Denied(why))
            }
            Err(error) if error.may_be_done() => Err(UnlockError::Unknown(error.to_string())),
            Err(error) => Err(UnlockError::NotSent(error.to_string())),
        }
    }
}

/// One change under way.
struct Job<'a> {
    kisi: &'a KisiClient,
    change: &'a Change,
    ctx: &'a Ctx,
    class: Class,
    facts: Vec<Fact>,
}

/// What became of one write.
enum Tried {
    /// Kisi answered well.
    Done(Response),
    /// Kisi said no, for this one thing; the status, and the whole error.
    No(u16, KisiError),
    /// It may have been done, or may yet be.
    Lost(KisiError),
}

impl Job<'_> {
    /// One write. What is certain not to have been done, and concerns more than this thing, ends the change.
    async fn write(&self, turn: Turn, method: Method, path: String, body: Bytes) -> Result<Tried, Failure> {
        match self.kisi.write(turn, method, path, body).await {
            Ok(response) => Ok(Tried::Done(response)),
            Err(error) if error.may_be_done() => Ok(Tried::Lost(error)),
            Err(error) => match error.item_status() {
                Some(status) => Ok(Tried::No(status, error)),
                None => Err(unread(error)),
            },
        }
    }

    fn user(&self) -> Result<UserId, Failure> {
        self.change.person.user.ok_or(Failure::Incomplete("the person is not in Kisi yet: it is to be invited first"))
    }

    /// Adopting writes nothing: the thing is read, so that what becomes ours is what is there.
    async fn looked_at(&mut self, row: Option<AssignmentId>) -> Result<Done, Failure> {
        match row {
            Some(row) => match self.read_row(row).await? {
                Some(_) => Ok(Done::ALREADY),
                None => Err(Failure::RowGone { row }),
            },
            None => {
                let user = self.user()?;
                match self.read_user(user).await? {
                    Some(_) => Ok(Done::ALREADY),
                    None => Err(Failure::UserGone { user }),
                }
            }
        }
    }
}

/// A failed read, or a write that was certainly not done: nothing has changed.
fn unread(error: KisiError) -> Failure {
    match error {
        KisiError::Passing { .. } => Failure::Passing(error),
        KisiError::Item { .. } => Failure::Item(error),
        KisiError::Refused { .. } => Failure::Refused(error),
    }
}

#[cfg(test)]
mod tests;
