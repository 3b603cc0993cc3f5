//! Assignments: made, moved, replaced, removed (rules 3, promises 1 and 3; Kisi API notes, 3.3).

use std::time::Duration;

use chrono::{DurationRound, TimeDelta};

use super::{Done, Failure, Form, Job, Tried, unread};
use crate::domain::ledger::{Fact, Owned};
use crate::domain::roster::Assignment;
use crate::domain::{AssignmentId, GroupId, Timestamp, UserId, Window};
use crate::kisi::body::{GROUP_BASIC, NewAssignment, NewWindow, json};
use crate::kisi::client::Turn;
use crate::kisi::error::{Fault, KisiError};
use crate::kisi::roster::Role;
use crate::kisi::wire::{self, people::RoleRow};
use crate::net::Method;

/// Between the two reads that show that a PATCH was ignored (rules 3).
const SECOND_LOOK: Duration = Duration::from_secs(2);
/// A window is replaced only where Kisi has answered this recently (rules 3).
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);
/// How often a row is read anew where its pair of turns came too late.
const REPLACE_LOOKS: u32 = 3;
/// Kisi's clock and the intent's may differ by this much, by the time a call takes and whole seconds.
const SLACK: TimeDelta = TimeDelta::seconds(5);

/// What is in a slot.
enum Slot {
    Empty,
    /// The row that was to be made, and made by us for this very intent, or noted in the ledger.
    Ours(Assignment),
    Taken(AssignmentId),
}

impl Job<'_> {
    pub(super) async fn added(&mut self, group: GroupId, window: Window) -> Result<Done, Failure> {
        let user = self.user()?;
        if self.ctx.tried {
            match self.slot(user, group, &window).await.map_err(unread)? {
                Slot::Empty => {}
                Slot::Ours(row) => return Ok(self.written(row, Done::ALREADY)),
                Slot::Taken(row) => return Err(Failure::SlotTaken { row }),
            }
        }
        self.post(user, group, &window, Turn::Wait(self.class)).await
    }

    /// Makes a row. Kisi may refuse one of the two forms, so the other is tried once where nothing else explains it.
    async fn post(&mut self, user: UserId, group: GroupId, window: &Window, turn: Turn) -> Result<Done, Failure> {
        let first = self.ctx.form;
        let (status, error) = match self.post_as(first, user, group, window, turn).await? {
            Ok(done) => return Ok(done),
            Err(said) => said,
        };
        match self.slot(user, group, window).await.map_err(unread)? {
            Slot::Ours(row) => return Ok(self.written(row, Done::ALREADY)),
            Slot::Taken(row) => return Err(Failure::SlotTaken { row }),
            Slot::Empty => {}
        }
        if self.read_user(user).await?.is_none() {
            return Err(Failure::UserGone { user });
        }
        if status != 422 {
            return Err(Failure::Item(error));
        }
        match self.post_as(first.other(), user, group, window, Turn::Wait(self.class)).await? {
            Ok(done) => Ok(done),
            Err(_) => Err(Failure::Item(error)),
        }
    }

    /// One POST in one form. The inner error: Kisi said no, with a status that may mean several things.
    async fn post_as(
        &mut self,
        form: Form,
        user: UserId,
        group: GroupId,
        window: &Window,
        turn: Turn,
    ) -> Result<Result<Done, (u16, KisiError)>, Failure> {
        let body = json(&NewAssignment::new(form, user, group, window));
        let done = Done { wrote: true, form: Some(form) };
        match self.write(turn, Method::Post, "/role_assignments".to_owned(), body).await? {
            Tried::Done(response) => match wire::one::<RoleRow>(&response.body).ok().and_then(|role| role.assignment())
            {
                Some(row) => self.made(row, window, done).await.map(Ok),
                None => {
                    let why = "no assignment of a user in a group".to_owned();
                    let error = crate::kisi::client::garbled(Method::Post, "/role_assignments", why);
                    self.after_lost(user, group, window, done, error).await.map(Ok)
                }
            },
            Tried::Lost(error) => self.after_lost(user, group, window, done, error).await.map(Ok),
            Tried::No(status @ (404 | 409 | 422), error) => Ok(Err((status, error))),
            Tried::No(_, error) => Err(Failure::Item(error)),
        }
    }

    /// The POST's answer is the read back; where it shows another window, the row itself decides.
    async fn made(&mut self, row: Assignment, window: &Window, done: Done) -> Result<Done, Failure> {
        if stands(&row, window) {
            return Ok(self.written(row, done));
        }
        let read = self.kisi.assignment(self.class, row.id).await;
        match read {
            Ok(Some(read)) if stands(&read, window) => Ok(self.written(read, done)),
            Ok(Some(read)) => {
                self.written(read, done);
                Err(Failure::NotTaken("the new assignment has another window"))
            }
            Ok(None) => Err(Failure::RowGone { row: row.id }),
            Err(_) => {
                self.written(row, done);
                Err(Failure::NotTaken("the new assignment has another window"))
            }
        }
    }

    /// The slot tells what became of a POST whose answer was lost. An empty one does not: it may yet be done.
    async fn after_lost(
        &mut self,
        user: UserId,
        group: GroupId,
        window: &Window,
        done: Done,
        error: KisiError,
    ) -> Result<Done, Failure> {
        match self.slot(user, group, window).await {
            Ok(Slot::Ours(row)) => Ok(self.written(row, done)),
            Ok(Slot::Taken(row)) => Err(Failure::SlotTaken { row }),
            Ok(Slot::Empty) | Err(_) => Err(Failure::Unknown(error)),
        }
    }

    pub(super) async fn moved(&mut self, row: AssignmentId, window: Window) -> Result<Done, Failure> {
        let owned = self.owned(row)?;
        if self.ctx.patch_ignored {
            return self.replaced(&owned, &window).await;
        }
        let body = json(&NewWindow::new(&window));
        match self.write(Turn::Wait(self.class), Method::Patch, path(row), body).await? {
            Tried::Done(_) => self.verify_moved(&owned, &window).await,
            Tried::No(404, _) => Err(self.gone(row)),
            Tried::No(_, error) => Err(Failure::Item(error)),
            Tried::Lost(error) => match self.kisi.assignment(self.class, row).await {
                Ok(Some(read)) if stands(&read, &window) => Ok(self.written(read, Done::WROTE)),
                Ok(Some(read)) => {
                    self.facts.push(Fact::RowSeen { row: read });
                    Err(Failure::Unknown(error))
                }
                Ok(None) => Err(self.gone(row)),
                Err(_) => Err(Failure::Unknown(error)),
            },
        }
    }

    /// 204 proves nothing: the row is read, and once more 2 s later before the PATCH counts as ignored.
    async fn verify_moved(&mut self, owned: &Owned, window: &Window) -> Result<Done, Failure> {
        let mut ignored = 0;
        for look in 0..2 {
            if look > 0 {
                self.kisi.clock.sleep(SECOND_LOOK).await;
            }
            let read = self.kisi.assignment(self.class, owned.id).await.map_err(Failure::Unknown)?;
            let Some(read) = read else { return Err(self.gone(owned.id)) };
            if stands(&read, window) {
                return Ok(self.written(read, Done::WROTE));
            }
            ignored += usize::from(same(&read, owned.valid_from, owned.valid_until));
            if look > 0 {
                self.facts.push(Fact::RowSeen { row: read });
            }
        }
        if ignored < 2 {
            return Err(Failure::NotTaken("the assignment has neither the old window nor the new one"));
        }
        self.facts.push(Fact::PatchIgnored);
        Err(Failure::PatchIgnored { row: owned.id })
    }

    /// Where PATCH is ignored: DELETE and POST, with both calls free to go at once (rules 3).
    async fn replaced(&mut self, owned: &Owned, window: &Window) -> Result<Done, Failure> {
        let mut looks = 0;
        let pair = loop {
            let Some(read) = self.read_row(owned.id).await? else {
                return Err(Failure::RowGone { row: owned.id });
            };
            self.cross_check(owned, &read)?;
            if stands(&read, window) {
                return Ok(self.written(read, Done::ALREADY));
            }
            let pair = self.kisi.pace.claim_two(self.class).await;
            looks += 1;
            let now = self.kisi.clock.mono();
            let fresh = self.kisi.answered_at().is_some_and(|at| now.since(at) <= ANSWERED_WITHIN);
            if fresh {
                break pair;
            }
            if looks >= REPLACE_LOOKS {
                let call = format!("DELETE {}", path(owned.id));
                return Err(Failure::Passing(KisiError::Passing { call, fault: Fault::Late }));
            }
        };
        let deleted = match self.write(Turn::First, Method::Delete, path(owned.id), Default::default()).await? {
            Tried::Done(_) | Tried::No(404, _) => {
                self.facts.push(Fact::RowGone { row: owned.id });
                Ok(())
            }
            Tried::No(_, error) => return Err(Failure::Item(error)),
            // Whether the slot is empty, the POST will show: it can't do harm, and may be what is missing.
            Tried::Lost(error) => Err(error),
        };
        let made = self.post(owned.user, owned.group, window, Turn::Second(pair)).await;
        match (made, deleted) {
            (Ok(done), Ok(())) => Ok(done),
            (Ok(done), Err(_)) => {
                self.facts.push(Fact::RowGone { row: owned.id });
                Ok(done)
            }
            (Err(Failure::SlotTaken { row }), Err(lost)) if row == owned.id => Err(Failure::Unknown(lost)),
            (Err(failure @ (Failure::SlotTaken { .. } | Failure::UserGone { .. } | Failure::NotTaken(_))), _) => {
                Err(failure)
            }
            (Err(failure), _) => Err(Failure::Replacing(Box::new(failure))),
        }
    }

    pub(super) async fn removed(&mut self, row: AssignmentId) -> Result<Done, Failure> {
        let Some(read) = self.read_row(row).await? else { return Ok(Done::ALREADY) };
        self.cross_check(&self.owned(row)?, &read)?;
        match self.write(Turn::Wait(self.class), Method::Delete, path(row), Default::default()).await? {
            Tried::Done(_) | Tried::No(404, _) => {
                self.facts.push(Fact::RowGone { row });
                Ok(Done::WROTE)
            }
            Tried::No(_, error) => Err(Failure::Item(error)),
            Tried::Lost(error) => match self.read_row(row).await {
                Ok(None) => Ok(Done::WROTE),
                Ok(Some(_)) => Err(Failure::Passing(error)),
                Err(_) => Err(Failure::Unknown(error)),
            },
        }
    }

    pub(super) async fn recover_added(
        &mut self,
        group: GroupId,
        window: Window,
        replacing: bool,
    ) -> Result<Done, Failure> {
        let user = self.user()?;
        match self.slot(user, group, &window).await.map_err(unread)? {
            Slot::Ours(row) => Ok(self.written(row, Done::ALREADY)),
            Slot::Taken(row) => Err(Failure::SlotTaken { row }),
            Slot::Empty if replacing => Err(Failure::Replacing(Box::new(Failure::NotDone))),
            Slot::Empty => Err(Failure::NotDone),
        }
    }

    pub(super) async fn recover_moved(
        &mut self,
        group: GroupId,
        row: AssignmentId,
        window: Window,
        replacing: bool,
    ) -> Result<Done, Failure> {
        match self.read_row(row).await? {
            Some(read) if stands(&read, &window) => {
                self.owned(row)?;
                Ok(self.written(read, Done::ALREADY))
            }
            Some(_) => Err(Failure::NotDone),
            None if replacing => self.recover_added(group, window, true).await,
            None => Err(Failure::RowGone { row }),
        }
    }

    pub(super) async fn recover_removed(&mut self, row: AssignmentId) -> Result<Done, Failure> {
        match self.read_row(row).await? {
            Some(_) => Err(Failure::NotDone),
            None => Ok(Done::ALREADY),
        }
    }

    /// That very row, as a fact.
    pub(super) async fn read_row(&mut self, id: AssignmentId) -> Result<Option<Assignment>, Failure> {
        let read = self.kisi.assignment(self.class, id).await.map_err(unread)?;
        self.facts.push(match &read {
            Some(row) => Fact::RowSeen { row: row.clone() },
            None => Fact::RowGone { row: id },
        });
        Ok(read)
    }

    fn owned(&self, row: AssignmentId) -> Result<Owned, Failure> {
        let owned = self.ctx.owned.iter().find(|owned| owned.id == row);
        owned.cloned().ok_or(Failure::NotOurs { row, why: "it is not in the ledger" })
    }

    /// The row is in the ledger, is what the ledger says, and was made by the hand that it says (promise 3).
    fn cross_check(&self, owned: &Owned, read: &Assignment) -> Result<(), Failure> {
        let not = |why| Err(Failure::NotOurs { row: owned.id, why });
        if (read.id, read.user, read.group) != (owned.id, owned.user, owned.group) {
            return not("Kisi shows another user or group in it than the ledger");
        }
        if read.created_by != Some(owned.adopted_from.unwrap_or(self.ctx.us)) {
            return not("another hand made it than the ledger says");
        }
        Ok(())
    }

    /// What is in the slot; rows that are not the one to be made are seen as facts.
    async fn slot(&mut self, user: UserId, group: GroupId, window: &Window) -> Result<Slot, KisiError> {
        let roles = self.kisi.assignments_of(self.class, user, group).await?;
        let mut taken = None;
        for role in roles {
            let Some(row) = role.assignment() else { continue };
            if stands(&row, window) && self.made_for_this(&role) {
                return Ok(Slot::Ours(row));
            }
            taken = taken.or(Some(row.id));
            self.facts.push(Fact::RowSeen { row });
        }
        Ok(taken.map_or(Slot::Empty, Slot::Taken))
    }

    /// Noted in the ledger, or made by our hand since the intent was written. Only together with the very window.
    fn made_for_this(&self, role: &Role) -> bool {
        let noted = self.ctx.owned.iter().any(|owned| owned.id == role.id);
        let since = role.created_at.is_some_and(|at| at >= self.ctx.intent_at - SLACK);
        noted || (role.created_by == Some(self.ctx.us) && since && role.role == GROUP_BASIC)
    }

    fn written(&mut self, row: Assignment, done: Done) -> Done {
        let (reason, customer) = (self.change.reason, self.change.person.customer);
        self.facts.push(Fact::RowWritten { row, reason, customer });
        done
    }

    fn gone(&mut self, row: AssignmentId) -> Failure {
        self.facts.push(Fact::RowGone { row });
        Failure::RowGone { row }
    }
}

fn path(row: AssignmentId) -> String {
    format!("/role_assignments/{row}")
}

/// Whether the row has that window, as instants of whole seconds.
fn stands(row: &Assignment, window: &Window) -> bool {
    same(row, window.from(), window.until())
}

fn same(row: &Assignment, from: Option<Timestamp>, until: Option<Timestamp>) -> bool {
    let whole = |at: Option<Timestamp>| at.map(|at| at.duration_trunc(TimeDelta::seconds(1)).unwrap_or(at));
    whole(row.valid_from) == whole(from) && whole(row.valid_until) == whole(until)
}
