//! Promise 7: after a kill and at the end, Kisi holds exactly what is wanted.

use super::super::settings::NoAccess;
use super::held::Held;
use super::knowledge::CALLS;
use super::oracle::{Pair, never};
use super::time::{EVER, Ms, NEVER, Windows, ms, seconds};
use super::{Case, Findings};
use crate::twin::kisi::Honoured;

/// How long after a start everything must be as if there had been no stop.
const QUIET: Ms = seconds(300);

/// Promise 7.
pub(super) fn any_moment(case: &Case<'_>) -> Findings {
    let mut found = Findings::default();
    let runs = case.evidence.runs();
    let restarts: Vec<Ms> = runs.iter().skip(1).map(|run| ms(run.from)).collect();
    let mut moments: Vec<Ms> = restarts.iter().map(|at| case.knowledge.calendar.after(*at, QUIET)).collect();
    moments.push(case.ends() - seconds(1));
    moments.retain(|at| *at < case.ends());
    for at in &moments {
        for pair in case.pairs() {
            if case.knowledge.settled(pair, *at) || !case.knowledge.pairs.contains_key(pair) {
                as_wanted(case, pair, *at, &mut found);
            }
        }
        accounts(case, *at, &mut found);
    }
    if restarts.is_empty() {
        // Nothing was killed, so nothing is shown.
        found.checked = 0;
    }
    for at in restarts {
        let events = case.evidence.kisi.history().events.values();
        let around = events.filter(|event| (ms(event.created_at) - at).abs() <= seconds(600)).count();
        found.note(format!("started again at {}, with {around} events within ten minutes of it", case.show(at)));
    }
    let at: Vec<String> = moments.iter().map(|at| case.show(*at)).collect();
    found.note(format!("Kisi compared with what is wanted at {}", at.join(" and ")));
    found
}

/// The rows of one person in one group are those of the window that is open and, where there is a slot for it, the
/// next one; none has been left behind.
fn as_wanted(case: &Case<'_>, pair: &Pair, at: Ms, found: &mut Findings) {
    if !case.roster.foreign(pair).is_empty() || case.excuses.held(pair, at) {
        return;
    }
    let windows = case.knowledge.truth(pair, at);
    // What is just beginning or ending may be either way.
    let near = |edge: Ms| edge != EVER && edge != NEVER && (edge - at).abs() <= CALLS;
    let ahead = |from: Ms| from.saturating_sub(seconds(case.evidence.settings.prestage_s));
    if windows.iter().any(|(from, until)| near(from) || near(until) || near(ahead(from))) {
        return;
    }
    let rows: Vec<&Held> = case.roster.of(pair).iter().filter(|held| held.ours && held.held_at(at)).collect();
    let slots = if case.evidence.settings.has_alternate(pair.1) { 2 } else { 1 };
    let wanted: Vec<(Ms, Ms)> =
        windows.iter().filter(|(from, until)| *until > at && (*from <= at || ahead(*from) <= at)).take(slots).collect();
    let replaces = case.evidence.kisi.switches().patch_window != Honoured::Taken;
    let fits = |held: &&Held, (from, until): (Ms, Ms)| {
        let begins = if from <= at { held.valid_from <= at } else { held.valid_from == from };
        // Where PATCH is ignored, a window in force is not extended before 60 s before its old end (rules 3).
        let waits = replaces && from <= at && held.valid_until < until && at < held.valid_until - seconds(60) + CALLS;
        begins && (held.valid_until == until || waits)
    };
    let (email, group) = pair;
    // The second group is needed only while the first slot is taken by a window that is open.
    let open = wanted.first().is_some_and(|(from, _)| *from <= at);
    for window in wanted.iter().take(1 + usize::from(open)) {
        found.expect(rows.iter().any(|held| fits(held, *window)), || {
            let (from, until) = (case.show(window.0), case.show(window.1));
            format!("at {} no row holds {email} in group {group} from {from} to {until}", case.show(at))
        });
    }
    let spare = |held: &&Held| !wanted.iter().any(|window| fits(held, *window));
    found.expect(!rows.iter().any(spare), || {
        let row = rows.iter().find(|held| spare(held)).map_or(0, |held| held.row);
        format!("at {} row {row} of {email} in group {group} was left behind", case.show(at))
    });
}

/// Whoever has a grant now is not suspended; whom the gateway made and who has had none for long is (rules 5).
fn accounts(case: &Case<'_>, at: Ms, found: &mut Findings) {
    let settings = case.evidence.settings;
    let mut people: std::collections::BTreeMap<&str, Vec<(Ms, Ms)>> = std::collections::BTreeMap::new();
    for (pair, stances) in &case.knowledge.pairs {
        let windows = people.entry(pair.0.as_str()).or_default();
        for stance in stances.iter().filter(|stance| stance.since <= at) {
            // What once held counts until it was known to be over.
            let held = Windows::merged(vec![(stance.since, stance.believed_until)]);
            let past = stance.windows.and(&held);
            windows.extend(past.iter().map(|(from, until)| (from, until.min(at))));
        }
        windows.extend(case.knowledge.truth(pair, at).iter().filter(|(_, until)| *until > at));
    }
    for (email, windows) in people {
        let Some(user) = case.roster.user(email) else { continue };
        let windows = Windows::merged(windows);
        let enabled = case.roster.enabled(email, at);
        if case.excuses.holds(email, at) || case.excuses.suspended(email, at) {
            continue;
        }
        if windows.contains(at) && windows.contains(at - CALLS) {
            found.expect(enabled, || format!("at {} user {user} ({email}) was suspended with a grant", case.show(at)));
        }
        let grace = seconds(settings.no_access_after_s) + 2 * seconds(settings.refresh_s) + 2 * CALLS;
        // Who holds anything of another hand's is left alone (rules 5), and is looked at by the next whole reading.
        let lately = at.saturating_sub(grace + seconds(settings.roster_s));
        if case.roster.others.get(&user).is_some_and(|spans| spans.meets(lately, at)) {
            continue;
        }
        let idle = !windows.meets(at.saturating_sub(grace), at.saturating_add(seconds(settings.horizon_s)));
        let long_there = case.begins() + grace < at;
        // Of those who were there before the gateway, only what `existing_users` says is its own business.
        let made = case.made_user(user, at - grace);
        let managed = made || settings.manage_existing;
        if !(idle && long_there && managed) || never(settings, email) {
            continue;
        }
        // Who is in Kisi at the end is known for the end alone.
        let last = at >= case.ends() - seconds(1);
        let (treated, how) = match settings.no_access {
            NoAccess::Suspend => (!enabled, "suspended"),
            NoAccess::Delete if made && last => (false, "deleted"),
            NoAccess::Delete if !made => (!enabled, "suspended"),
            NoAccess::Delete | NoAccess::Keep => continue,
        };
        found.expect(treated, || format!("at {} user {user} ({email}) had no grant and was not {how}", case.show(at)));
    }
}
