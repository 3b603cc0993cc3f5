//! The outage, side by side: for each try at a door, what Kisi held, what the person was entitled to, what the door did.

use serde::Serialize;

use super::super::diary::{Trouble, Try};
use super::Case;
use super::time::{Ms, ms};
use crate::twin::kisi::JudgedBy;

/// One try at a door while the internet was away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SideBySide {
    /// When, on the wall.
    pub at: String,
    /// Whose, by e-mail.
    pub person: String,
    /// The door.
    pub door: u64,
    /// Whether Kisi held a row that opens the door, whoever made it.
    pub kisi_held: bool,
    /// Whether the person was entitled, by what Nexudus held at that moment.
    pub entitled: bool,
    /// Whether the door opened.
    pub opened: bool,
    /// Whether the readers' cache decided.
    pub by_cache: bool,
}

/// Every try during an outage, in order.
pub(super) fn side_by_side(case: &Case<'_>) -> Vec<SideBySide> {
    let outages = case.spans(Trouble::Internet);
    let within = |at: Ms| outages.iter().any(|(from, until)| *from <= at && at < *until);
    let tries = case.evidence.diary.tries.iter().filter(|tried| within(ms(tried.at)));
    tries.map(|tried| compare(case, tried)).collect()
}

fn compare(case: &Case<'_>, tried: &Try) -> SideBySide {
    let at = ms(tried.at);
    let groups = case.evidence.ties.iter().filter(|(_, lock)| *lock == tried.lock).map(|(group, _)| *group);
    let email = tried.email.trim().to_lowercase();
    let (mut kisi_held, mut entitled) = (false, false);
    for group in groups {
        let pair = (email.clone(), case.evidence.settings.base_group(group));
        kisi_held |= case.roster.of(&pair).iter().any(|held| held.group == group && held.opens_at(at));
        entitled |= case.knowledge.truth(&pair, at).contains(at);
    }
    SideBySide {
        at: case.show(at),
        person: tried.email.clone(),
        door: tried.lock,
        kisi_held: kisi_held && case.roster.enabled(&email, at),
        entitled,
        opened: tried.decision.allowed,
        by_cache: tried.decision.judged_by == JudgedBy::Cache,
    }
}
