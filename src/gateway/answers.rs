//! What the gateway answers to verbs and commands: each a short act on the state, kept before it is confirmed.

use std::sync::atomic::Ordering;

use super::engine::Engine;
use super::state::Decision;
use crate::domain::compare::compare;
use crate::domain::explain::{Explanation, Question, Who, Writes, explain, suggest};
use crate::domain::{GroupId, LockId, Timestamp};
use crate::report::plan::{Beside, Counted, PlanReport, Progress};
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
        let writes = match (self.settings.write, state.paused) {
            (false, _) => Writes::Off,
            (true, true) => Writes::Paused,
            (true, false) => Writes::Yes,
        };
        let question = Question { who, at: at.unwrap_or(now), door, group, verified, writes };
        explain(&known, &question, &*state)
    }

    /// What other hands hold in linked groups, beside what Gatehouse would hold there.
    pub fn beside(&self, now: Timestamp) -> Option<Beside> {
        let rules = self.rules();
        Beside::new(&compare(&self.state().known(&rules, now)))
    }

    /// Decides where that has not been done in this run, so that it is known what the guard holds.
    pub fn decide_once(&self) {
        if self.state().decision.at.is_none() {
            let decision = self.preview(self.guess());
            self.state().decision = decision;
        }
    }

    /// What was never read, in words; `None` where both clouds have been.
    pub fn unread(&self) -> Option<String> {
        let state = self.state();
        let nexudus = state.snapshot.customers.whole().is_none().then_some("Nexudus");
        let kisi = state.roster.read_at.is_none().then_some("Kisi");
        let which: Vec<&str> = [nexudus, kisi].into_iter().flatten().collect();
        let which = (!which.is_empty()).then(|| which.join(" and "))?;
        Some(format!("this store holds no reading of {which} yet: run 'gatehouse plan', or wait for 'gatehouse run'"))
    }

    /// Whom somebody may have meant whom neither cloud knows.
    pub fn suggest(&self, who: &Who) -> Vec<String> {
        let rules = self.rules();
        let state = self.state();
        suggest(&state.known(&rules, self.started_at), who)
    }

    /// How far an `apply` has come.
    pub fn progress(&self) -> Progress {
        Progress { made: self.made.load(Ordering::Relaxed), left: self.state().decision.go.len() }
    }

    /// Lets a verb's pass end after the change under way.
    pub fn interrupt(&self) {
        self.interrupted.store(true, Ordering::Relaxed);
    }

    /// Whether that was asked for.
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
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
        let (losing, of) = decision.losing;
        PlanReport {
            guard: Some(Counted { losing, of }),
            groups: state.roster.groups.values().map(|group| (group.id, group.name.clone())).collect(),
            ..PlanReport::new(id, &decision.go, &decision.held, remarks)
        }
    }
}
