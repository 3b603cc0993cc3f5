//! `adopt`: what another hand made becomes ours in the ledger. Kisi is not written.

use super::engine::Engine;
use super::state::{State, membership};
use crate::domain::adopt::adoption;
use crate::domain::ledger::Owned;
use crate::domain::plan::{Action, Change, PersonRef, Urgency};
use crate::domain::{AssignmentId, NoAccess, Reason, Rules, Timestamp, UserId};
use crate::report::adopt::AdoptReport;
use crate::store::{Batch, Key};

impl Engine {
    /// What that hand made in linked groups, and with `suspended` whom it suspended while they held no grant. With
    /// `apply` it becomes ours, and is told as `adopted`.
    pub async fn adopt(&self, created_by: UserId, suspended: bool, apply: bool) -> Result<AdoptReport, String> {
        // A pass that is under way must not decide by a ledger that changes beneath it.
        let _turn = self.passing.lock().await;
        let rules = self.rules();
        let now = self.guess();
        let (adoption, mut report) = {
            let state = self.state();
            let adoption = adoption(&state.known(&rules, now), created_by, suspended);
            let report = AdoptReport::new(created_by, &adoption, &state.roster);
            (adoption, report)
        };
        report.remarks.extend(follows(&rules, &report));
        if !apply {
            return Ok(report);
        }
        let mut batch = Batch::new();
        let mut changes = Vec::new();
        {
            let mut state = self.state();
            for row in adoption.rows.values().flatten() {
                state.own(row.owned.clone(), &mut batch);
                let action = Action::Adopted { group: Some(row.owned.group), row: Some(row.owned.id) };
                changes.push(adopted(action, row.person.clone(), row.owned.reason, now));
            }
            for (person, account) in &adoption.users {
                state.note(account.clone(), &mut batch);
                let action = Action::Adopted { group: None, row: None };
                changes.push(adopted(action, person.clone(), Reason::Policy, now));
            }
            count(&mut state, &rules, now);
            state.dirty = true;
            batch.value(Key::Guard, &state.guard);
        }
        self.commit(batch).await.map_err(|error| format!("what was adopted could not be kept: {error}"))?;
        for change in &changes {
            self.memberships.push(membership(change, self.settings.people, now));
            self.tallies().change(change.word());
        }
        tracing::warn!(created_by = created_by.0, count = changes.len(), "adopted");
        report.adopted = true;
        self.sync.notify_one();
        self.told.notify_one();
        Ok(report)
    }
}

/// Makes a row of our key ours again in the ledger, which had lost it. `false`: that could not be kept.
pub(super) async fn take_back(engine: &Engine, change: &Change, row: AssignmentId) -> bool {
    let rules = engine.rules();
    let now = engine.guess();
    let mut batch = Batch::new();
    {
        let mut state = engine.state();
        let Some(row) = state.roster.assignments.get(&row).cloned() else { return true };
        state.own(Owned::adopted(&row, change.person.customer, change.reason, None), &mut batch);
        count(&mut state, &rules, now);
        batch.value_along(Key::Guard, &state.guard);
    }
    let kept = engine.commit(batch).await.is_ok();
    if kept {
        engine.memberships.push(membership(change, engine.settings.people, now));
        engine.tallies().change(change.word());
    }
    kept
}

/// The guard counts those who hold adopted rows among those who had access as the hour began.
fn count(state: &mut State, rules: &Rules, now: Timestamp) {
    let mut guard = std::mem::take(&mut state.guard);
    guard.adopted(&state.known(rules, now));
    state.guard = guard;
}

fn adopted(action: Action, person: PersonRef, reason: Reason, now: Timestamp) -> Change {
    Change { urgency: Urgency::Later, due: now, action, person, reason }
}

/// What follows from it, for people.
fn follows(rules: &Rules, report: &AdoptReport) -> Vec<String> {
    let rows = report.groups.iter().flat_map(|group| &group.assignments);
    let without = rows.filter(|row| row.reason == Reason::Policy).count();
    let mut remarks = Vec::new();
    if without > 0 {
        remarks.push(format!(
            "assignments that serve no grant: {without}. Adopted, they are removed, as far as the guard lets them go"
        ));
    }
    if !report.suspended.is_empty() && rules.no_access == NoAccess::Delete {
        remarks.push(format!(
            "access.no_access is 'delete': adopted users who get no grant within {} h are removed from Kisi",
            rules.no_access_after.as_secs() / 3600
        ));
    }
    remarks
}
