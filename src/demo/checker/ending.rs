//! Promise 7: after a kill and at the end, Kisi holds exactly what is wanted.

use std::collections::{BTreeMap, BTreeSet};

use super::super::settings::NoAccess;
use super::held::Held;
use super::knowledge::CALLS;
use super::oracle::{Pair, never};
use super::time::{EVER, Ms, NEVER, Windows, ms, seconds};
use super::{Case, Findings};
use crate::twin::kisi::Honoured;
use crate::twin::nexudus::Entity;

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

/// When somebody was let in.
#[derive(Default)]
struct Times {
    /// They had a grant.
    granted: Vec<(Ms, Ms)>,
    /// They had one, or one within the horizon was still to come.
    access: Vec<(Ms, Ms)>,
}

/// Whoever has a grant now is not suspended; whom the gateway made and who has had none for long is (rules 5).
fn accounts(case: &Case<'_>, at: Ms, found: &mut Findings) {
    let settings = case.evidence.settings;
    let horizon = seconds(settings.horizon_s);
    let grace = seconds(settings.no_access_after_s) + 2 * seconds(settings.refresh_s) + 2 * CALLS;
    let mut people: BTreeMap<&str, Times> = BTreeMap::new();
    for (pair, stances) in &case.knowledge.pairs {
        let Times { granted, access } = people.entry(pair.0.as_str()).or_default();
        for stance in stances.iter().filter(|stance| stance.since <= at) {
            // What once held counts until it was known to be over.
            let held = Windows::merged(vec![(stance.since, stance.believed_until.min(at))]);
            let early = stance.windows.iter().map(|(from, until)| (from.saturating_sub(horizon), until)).collect();
            granted.extend(stance.windows.and(&held).iter());
            access.extend(Windows::merged(early).and(&held).iter());
        }
        let now = case.knowledge.truth(pair, at);
        granted.extend(now.iter().filter(|(_, until)| *until > at));
        access.extend(now.iter().filter(|(from, until)| *until > at && from.saturating_sub(horizon) <= at));
    }
    let ungranted = lasting_customers(case, at.saturating_sub(grace));
    for email in &ungranted {
        people.entry(email).or_default();
    }
    for (email, Times { granted, access }) in people {
        let Some(user) = case.roster.user(email) else { continue };
        let granted = Windows::merged(granted);
        let enabled = case.roster.enabled(email, at);
        if case.excuses.holds(email, at) || case.excuses.suspended(email, at) {
            continue;
        }
        if granted.contains(at) && granted.contains(at - CALLS) {
            found.expect(enabled, || format!("at {} user {user} ({email}) was suspended with a grant", case.show(at)));
        }
        // Who holds anything of another hand's is left alone (rules 5), and is looked at by the next whole reading.
        let lately = at.saturating_sub(grace + seconds(settings.roster_s));
        if case.roster.others.get(&user).is_some_and(|spans| spans.meets(lately, at)) {
            continue;
        }
        let idle = !Windows::merged(access).meets(at.saturating_sub(grace), at.saturating_add(seconds(1)));
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

/// The e-mails, in lower case, of customers who have been there since that moment and have had no other.
fn lasting_customers(case: &Case<'_>, since: Ms) -> BTreeSet<String> {
    let mut emails = BTreeSet::new();
    for (_, versions) in case.evidence.nexudus.records(Entity::Coworker) {
        let of = |row: &serde_json::Value| row["Email"].as_str().unwrap_or_default().trim().to_lowercase();
        let lately = versions.iter().filter(|version| version.until.is_none_or(|until| ms(until) > since));
        let lately: BTreeSet<String> = lately.map(|version| of(&version.row)).collect();
        let whole = versions.first().is_some_and(|first| ms(first.from) <= since)
            && versions.last().is_some_and(|last| last.until.is_none());
        if let (true, 1, Some(email)) = (whole, lately.len(), lately.first().filter(|email| !email.is_empty())) {
            emails.insert(email.clone());
        }
    }
    emails
}
