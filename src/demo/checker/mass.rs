//! Promise 5, counted: how many people lost a group in an hour without approval, by Kisi's own history.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::diary::Hand;
use super::held::Held;
use super::oracle::Pair;
use super::time::{Ms, Windows, seconds};
use super::{Case, Findings};
use crate::twin::nexudus::Entity;

/// The guard's defaults (contract 2): a share in percent, and a number.
const SHARE_PERCENT: usize = 25;
const REMOVALS: usize = 50;
/// How many have to lose something for the share to count.
const PEOPLE: usize = 3;
const HOUR: Ms = seconds(3_600);
/// How long an approval holds.
const APPROVED: Ms = seconds(86_400);

/// No hour in which more people lost a group than the guard lets pass.
pub(super) fn within_bounds(case: &Case<'_>, found: &mut Findings) {
    let losses = losses(case);
    let mut told: Ms = Ms::MIN;
    for (at, _) in &losses {
        let began = at - HOUR;
        let lately: BTreeSet<&str> =
            losses.iter().filter(|(when, _)| began < *when && when <= at).map(|(_, email)| email.as_str()).collect();
        let access = match began < case.begins() {
            // Before the first hour there was no other: who is given access at the start counts as having had it.
            true => with_access(case, case.knowledge.calendar.after(case.begins(), 0).min(*at - 1)),
            false => with_access(case, began),
        };
        // Whoever came and went within the hour may be counted either way: one person's room.
        let many = lately.len() * 100 > access * SHARE_PERCENT + 100;
        let wrong = lately.len() > REMOVALS || (lately.len() >= PEOPLE && many);
        if wrong && told + HOUR > *at {
            continue;
        }
        found.expect(!wrong, || {
            told = *at;
            let (n, at) = (lately.len(), case.show(*at));
            format!(
                "{n} people lost a group in the hour before {at}, of {access} who had access, and nobody had approved"
            )
        });
    }
}

/// When somebody lost a group that they could use then or soon, by the gateway's doing and without approval.
fn losses(case: &Case<'_>) -> Vec<(Ms, String)> {
    let approved = approved(case);
    let hands: BTreeSet<u64> = case.evidence.diary.hands.iter().filter_map(removed).collect();
    let mut losses = Vec::new();
    for (pair, rows) in &case.roster.pairs {
        for held in rows.iter().filter(|held| held.ours && !hands.contains(&held.row)) {
            let at = held.until;
            if at < case.begins() || at >= case.ends() || !lost(case, rows, held) {
                continue;
            }
            if approved.get(pair).is_some_and(|spans| spans.contains(at)) || !has_customer(case, &pair.0, at) {
                continue;
            }
            losses.push((at, pair.0.clone()));
        }
    }
    losses.sort();
    losses
}

fn removed(hand: &Hand) -> Option<u64> {
    match hand {
        Hand::Removed { row, .. } => Some(*row),
        _ => None,
    }
}

fn soon(case: &Case<'_>, at: Ms) -> Ms {
    at.saturating_add(seconds(case.evidence.settings.prestage_s))
}

/// Whether with this version of a row went what could be used then or soon, and nothing of the kind stayed. An end that
/// was known a `refresh` before it came is one by the clock.
fn lost(case: &Case<'_>, rows: &[Held], held: &Held) -> bool {
    let (at, soon) = (held.until, soon(case, held.until));
    let clock = at + seconds(case.evidence.settings.refresh_s);
    let of_use = |row: &Held| row.valid_from <= soon && row.valid_until > clock;
    let stays = |row: &Held| row.since <= case.roster.replaced_by(at) && at < row.until && row.valid_from <= soon;
    of_use(held) && !rows.iter().any(|row| stays(row) && row.valid_until >= clock)
}

/// How many people had access then or soon by the gateway's rows.
fn with_access(case: &Case<'_>, at: Ms) -> usize {
    let soon = soon(case, at);
    let usable = |row: &Held| row.ours && row.held_at(at) && row.valid_from <= soon && row.valid_until > at;
    let pairs = case.roster.pairs.iter().filter(|(_, rows)| rows.iter().any(usable));
    pairs.map(|((email, _), _)| email.as_str()).collect::<BTreeSet<_>>().len()
}

/// Whether some customer had that e-mail then. Who has another one since has the group by another user.
fn has_customer(case: &Case<'_>, email: &str, at: Ms) -> bool {
    let Some(at) = chrono::DateTime::from_timestamp_millis(at) else { return true };
    let mut customers = case.evidence.nexudus.all_at(Entity::Coworker, at);
    customers.any(|(_, row)| row["Email"].as_str().unwrap_or_default().trim().to_lowercase() == email)
}

/// What was approved, and for how long: an approval names a list that the guard had shown.
fn approved(case: &Case<'_>) -> BTreeMap<Pair, Windows> {
    let mut lists: BTreeMap<String, BTreeSet<Pair>> = BTreeMap::new();
    for (_, _, alert) in case.evidence.told("alert/guard") {
        let Some(plan) = alert["detail"]["plan"].as_str() else { continue };
        for removal in alert["detail"]["removals"].as_array().into_iter().flatten() {
            lists.entry(plan.to_owned()).or_default().extend(pair(case, removal));
        }
    }
    let mut spans: BTreeMap<Pair, Vec<(Ms, Ms)>> = BTreeMap::new();
    for (at, _, command) in case.evidence.told("command/approve") {
        let listed = command["plan"].as_str().and_then(|plan| lists.get(plan));
        for pair in listed.into_iter().flatten() {
            spans.entry(pair.clone()).or_default().push((at, at + APPROVED));
        }
    }
    spans.into_iter().map(|(pair, spans)| (pair, Windows::merged(spans))).collect()
}

fn pair(case: &Case<'_>, removal: &Value) -> Option<Pair> {
    let email = case.roster.emails.get(&removal["person"]["user"].as_u64()?)?;
    Some((email.clone(), case.evidence.settings.base_group(removal["group"].as_u64()?)))
}
