//! Intents: what was written ahead is looked up where its outcome is not known, and ended where it is.
//!
//! A change that may have been made is never made again blindly, and a row that was taken away to be made anew goes
//! before all else until it is back (rules 3, promise 7).

use super::engine::{Cloud, Engine};
use super::events::fault_of;
use super::state::State;
use super::sync::CALL;
use crate::domain::ledger::Intent;
use crate::domain::plan::{Action, Change};
use crate::domain::{Rules, Timestamp};
use crate::kisi::write::{Ctx, Failure};
use crate::store::Batch;

/// Why nothing can be decided yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// Kisi has not said who we are.
    Unready,
    /// Kisi does not answer.
    Silent,
    /// The store can't be written.
    Disk,
}

/// What a call is judged against; `None` before Kisi has said who we are.
pub(super) fn context(rules: &Rules, state: &State, intent: &Intent, now: Timestamp) -> Option<Ctx> {
    let user = intent.change.person.user;
    let asked_for = user.zip(intent.change.group()).and_then(|slot| state.asked_for.get(&slot)).copied();
    Some(Ctx {
        us: state.own_user?,
        site: rules.site.clone(),
        owned: state.ledger.owned.values().filter(|owned| Some(owned.user) == user).cloned().collect(),
        new_users: rules.new_users,
        patch_ignored: state.ledger.patch_ignored,
        form: state.learnt.form(),
        intent_at: asked_for.map_or(intent.at, |at| at.min(intent.at)),
        tried: asked_for.is_some(),
        adopted_suspended: user.and_then(|user| state.ledger.accounts.get(&user)).is_some_and(|a| a.adopted_suspended),
        now,
    })
}

/// A row that was to be made anew is there: the intents that waited for it have ended.
pub(super) fn settle_mended(state: &mut super::state::State, change: &Change, batch: &mut Batch) {
    let same = |intent: &&Intent| {
        intent.replacing && intent.change.person.user == change.person.user && intent.change.group() == change.group()
    };
    let mended: Vec<u64> = state.ledger.intents.values().filter(same).map(|intent| intent.id).collect();
    for id in mended {
        state.ledger.intents.remove(&id);
        batch.settle(id);
    }
}

/// Looks up in Kisi what an earlier call may have done, before anything else is decided.
pub(super) async fn look_up(engine: &Engine, now: Timestamp) -> Result<(), Halt> {
    let open: Vec<Intent> = {
        let state = engine.state();
        let open = state.ledger.intents.values().filter(|intent| !state.looked_up.contains(&intent.id));
        open.cloned().collect()
    };
    for intent in open {
        let Some(ctx) = context(&engine.rules(), &engine.state(), &intent, now) else { return Err(Halt::Unready) };
        let outcome = engine.kisi.recover(&intent, &ctx).await;
        let mut batch = Batch::new();
        let unread = match &outcome.result {
            Err(Failure::Passing(error) | Failure::Unknown(error) | Failure::Refused(error)) => Some(error.clone()),
            _ => None,
        };
        {
            let rules = engine.rules();
            let mut state = engine.state();
            for fact in &outcome.facts {
                state.learn(fact, &rules.site, intent.at, &mut batch);
            }
            match &outcome.result {
                _ if unread.is_some() => {}
                // Not there, but it may yet come: the call was sent, and no answer came.
                Err(Failure::NotDone) => {
                    if let (Action::Added { group, .. }, Some(user)) =
                        (&intent.change.action, intent.change.person.user)
                    {
                        state.asked_for.entry((user, *group)).or_insert(intent.at);
                    }
                    state.ledger.intents.remove(&intent.id);
                    batch.settle(intent.id);
                }
                // A row that was taken away to be made anew goes before all else until it is back.
                Err(Failure::Replacing(_)) => drop(state.looked_up.insert(intent.id)),
                _ => {
                    state.ledger.intents.remove(&intent.id);
                    batch.settle(intent.id);
                }
            }
            state.dirty = true;
        }
        if engine.commit(batch).await.is_err() {
            return Err(Halt::Disk);
        }
        if let Some(error) = unread {
            engine.failed(Cloud::Kisi, CALL, fault_of(&error), error.to_string());
            return Err(Halt::Silent);
        }
        engine.succeeded(Cloud::Kisi, CALL);
    }
    Ok(())
}

/// Ends the intents of rows that were taken away and are not wanted back any more.
pub(super) async fn forget_unwanted(engine: &Engine) {
    let mut batch = Batch::new();
    {
        let mut state = engine.state();
        let state = &mut *state;
        let wanted = |intent: &Intent| {
            let of_slot = |change: &Change| {
                change.person.user == intent.change.person.user && change.group() == intent.change.group()
            };
            state.decision.go.iter().any(of_slot)
        };
        let looked_up = state.ledger.intents.values().filter(|intent| state.looked_up.contains(&intent.id));
        let done: Vec<u64> = looked_up.filter(|intent| !wanted(intent)).map(|intent| intent.id).collect();
        for id in done {
            state.ledger.intents.remove(&id);
            state.looked_up.remove(&id);
            batch.settle(id);
        }
    }
    // What is not taken away now is looked up again.
    let _ = engine.commit(batch).await;
}
