//! What the gateway answers to verbs and commands: each a short act on the state, kept before it is confirmed.

use super::engine::Engine;
use super::state::Decision;
use crate::domain::compare::compare;
use crate::domain::explain::{Explanation, Question, Who, explain};
use crate::domain::{GroupId, LockId, Timestamp};
use crate::report::plan::{Beside, PlanReport};
use crate::store::{Batch, Key};

impl Engine {
    /// Reads everything and decides anew, at once.
    pub fn look_again(&self) {
        self.state().dirty = true;
        self.read_nexudus.notify_one();
        self.read_roster.notify_one();
        self.sync.notify_one();
    }

    /// Stops or lets go all writing to Kisi; survives a restart.
    pub async fn pause(&self, paused: bool) -> Result<(), String> {
        let mut batch = Batch::new();
        batch.value(Key::Paused, &paused);
        self.commit(batch).await.map_err(|error| error.to_string())?;
        self.state().paused = paused;
        tracing::warn!(paused, "writing to Kisi");
        self.sync.notify_one();
        self.told.notify_one();
        Ok(())
    }

    /// Releases what the guard holds under that id.
    pub async fn approve(&self, plan: &str) -> Result<(), String> {
        let now = self.guess();
        let mut memory = self.state().guard.clone();
        if !memory.approve(plan, now) {
            return Err(format!("nothing is held under plan {plan}"));
        }
        // Kept before anything goes by it: an approval that was answered with an error releases nothing.
        let mut batch = Batch::new();
        batch.value(Key::Guard, &memory);
        self.commit(batch).await.map_err(|error| error.to_string())?;
        {
            let mut state = self.state();
            state.guard.approve(plan, now);
            state.dirty = true;
        }
        tracing::warn!(plan, "held removals are approved");
        self.sync.notify_one();
        Ok(())
    }

    /// Who may get in where, and why: from what is kept on the box. `None`: neither cloud knows the person.
    pub fn explain(
        &self,
        who: &Who,
        at: Option<Timestamp>,
        door: Option<LockId>,
        group: Option<GroupId>,
    ) -> Option<Explanation> {
        let rules = self.rules();
        let now = self.guess();
        let verified = self.trusted_now().is_some();
        let state = self.state();
        let known = state.known(&rules, now);
        let question = Question { who, at: at.unwrap_or(now), door, group, verified };
        explain(&known, &question, &*state)
    }

    /// What other hands hold in linked groups, beside what Gatehouse would hold there.
    pub fn beside(&self, now: Timestamp) -> Option<Beside> {
        let rules = self.rules();
        Beside::new(&compare(&self.state().known(&rules, now)))
    }

    /// What would be changed by that decision.
    pub fn plan_report(&self, decision: &Decision) -> PlanReport {
        let state = self.state();
        let mut remarks: Vec<String> = Vec::new();
        if state.paused {
            remarks.push("paused: nothing is written to Kisi until 'gatehouse resume'".to_owned());
        }
        if !self.settings.write {
            remarks.push("access.write is false: nothing is written to Kisi".to_owned());
        }
        if state.time.now(self.clock.mono().0).is_none() {
            remarks.push("Kisi's time is not known: nothing is written to Kisi".to_owned());
        }
        remarks.extend(decision.plan.waiting.clone().map(|why| format!("removals wait: {why}")));
        remarks.extend(state.parked.iter().map(|parked| {
            format!("'{}' is set aside after {} tries: {}", parked.change.word(), parked.tries, parked.why)
        }));
        let id = decision.held_id.clone().unwrap_or_else(|| crate::domain::guard::plan_id(&decision.go));
        PlanReport::new(id, &decision.go, &decision.held, remarks)
    }
}
