//! Rules broken on purpose, in the demo's build alone: so that its checker is seen to find them.

use std::time::Duration;

use super::state::State;
use crate::domain::ledger::Owned;
use crate::domain::{Reason, Rules};

/// Which rule is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// Windows end late.
    LateClosing,
    /// Windows begin early.
    EarlyOpening,
    /// Rows of another hand are taken as ours.
    ForeignRow,
    /// Some events are dropped on their way to the broker.
    LostEvent,
    /// The guard lets everything through, and absences are believed at once.
    MassRemoval,
}

/// Takes rows of another hand in linked groups for ours, where that is asked for.
pub fn steal(state: &mut State, rules: &Rules, sabotage: Option<Sabotage>) {
    if sabotage != Some(Sabotage::ForeignRow) {
        return;
    }
    let groups = rules.groups();
    for row in state.roster.assignments.values().filter(|row| groups.contains(&row.group)) {
        state.ledger.owned.entry(row.id).or_insert_with(|| Owned {
            id: row.id,
            user: row.user,
            group: row.group,
            customer: None,
            valid_from: row.valid_from,
            valid_until: row.valid_until,
            reason: Reason::Policy,
            written_at: row.valid_from.unwrap_or_default(),
            adopted_from: row.created_by,
        });
    }
}

/// How much a window is bent.
const BENT: Duration = Duration::from_secs(20 * 60);

/// The rules as the saboteur wants them.
pub fn bend(mut rules: Rules, sabotage: Option<Sabotage>) -> Rules {
    match sabotage {
        Some(Sabotage::LateClosing) => rules.links.iter_mut().for_each(|link| link.after += BENT),
        Some(Sabotage::EarlyOpening) => rules.links.iter_mut().for_each(|link| link.before += BENT),
        Some(Sabotage::MassRemoval) => {
            rules.hold_after_share = 1.0;
            rules.hold_after_removals = u32::MAX;
        }
        Some(Sabotage::ForeignRow | Sabotage::LostEvent) | None => {}
    }
    rules
}
