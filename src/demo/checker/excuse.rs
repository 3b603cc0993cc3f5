//! What excuses a row that stands too long or is missing: the guard said that it holds it, or another hand suspended
//! whose it is. All of it is read from what the broker was told and from what was done, never from the gateway.

use std::collections::BTreeMap;

use super::Evidence;
use super::held::Roster;
use super::knowledge::{CALLS, RECONNECT};
use super::oracle::Pair;
use super::time::{Calendar, Ms, NEVER, Windows, instant, ms};
use crate::demo::diary::{Hand, Trouble};

/// By pair and by person, when what may be excused.
#[derive(Debug, Default)]
pub struct Excuses {
    /// Removals that the guard held.
    held: BTreeMap<Pair, Windows>,
    /// People of whom the guard held anything.
    people: BTreeMap<String, Windows>,
    /// People whom another hand had suspended.
    suspended: BTreeMap<String, Windows>,
    /// When nothing could be told.
    silent: Windows,
    /// When the broker could be told nothing, and until all of it must have been told after that.
    unheard: Windows,
    /// When the gateway took one row after another away.
    queue: Windows,
}

impl Excuses {
    /// Gathers them.
    pub fn gather(evidence: &Evidence<'_>, roster: &Roster, calendar: &Calendar) -> Excuses {
        let mut held: BTreeMap<Pair, Vec<(Ms, Ms)>> = BTreeMap::new();
        let mut people: BTreeMap<String, Vec<(Ms, Ms)>> = BTreeMap::new();
        let guard: Vec<_> = evidence.told("alert/guard").filter(|(_, rest, _)| rest.is_empty()).collect();
        for (n, (at, _, alert)) in guard.iter().enumerate() {
            if alert["active"] != true {
                continue;
            }
            let since = alert["since"].as_str().and_then(instant).unwrap_or(*at).min(*at);
            let removals = alert["detail"]["removals"].as_array().map(Vec::as_slice).unwrap_or_default();
            // What was approved goes at the quota's pace, or at that of the answers where these take longer: a read and
            // a removal each, one call after the other. One call in five is for events.
            let calls = i64::try_from(removals.len()).unwrap_or_default() * 2 * 5 / 4;
            let going = CALLS + calls * a_call(evidence);
            let until = guard.get(n + 1).map_or(NEVER, |(next, _, _)| calendar.after(*next, going));
            for removal in removals {
                let Some(email) = removal["person"]["user"].as_u64().and_then(|user| roster.emails.get(&user)) else {
                    continue;
                };
                people.entry(email.clone()).or_default().push((since, until));
                if let Some(group) = removal["group"].as_u64() {
                    let pair = (email.clone(), evidence.settings.base_group(group));
                    held.entry(pair).or_default().push((since, until));
                }
            }
        }
        let merged = |spans: BTreeMap<String, Vec<(Ms, Ms)>>| {
            spans.into_iter().map(|(email, spans)| (email, Windows::merged(spans))).collect()
        };
        let unheard = evidence.diary.spans(Trouble::Broker, evidence.day.until);
        let unheard = unheard.iter().map(|span| (ms(span.from), ms(span.until) + RECONNECT)).collect();
        let silent = [Trouble::Broker, Trouble::Gateway, Trouble::Internet, Trouble::Kisi, Trouble::Nexudus];
        let silent = silent.into_iter().flat_map(|trouble| evidence.diary.spans(trouble, evidence.day.until));
        Excuses {
            held: held.into_iter().map(|(pair, spans)| (pair, Windows::merged(spans))).collect(),
            people: merged(people),
            suspended: merged(suspended(evidence, roster)),
            unheard: Windows::merged(unheard),
            queue: Windows::merged(queue(evidence, roster)),
            silent: Windows::merged(silent.map(|span| (ms(span.from), ms(span.until))).collect()),
        }
    }

    /// Whether the guard said that it holds the removal of that pair at that moment.
    pub fn held(&self, pair: &Pair, at: Ms) -> bool {
        self.held.get(pair).is_some_and(|spans| spans.contains(at))
    }

    /// Whether the gateway was taking away one row after another then, as fast as it may: the next ones wait their turn.
    pub fn in_turn(&self, at: Ms) -> bool {
        self.queue.contains(at)
    }

    /// Whether the guard could not say then what it holds.
    pub fn unheard(&self, at: Ms) -> bool {
        self.unheard.contains(at)
    }

    /// Whether the guard said that it holds anything of that person at that moment.
    pub fn holds(&self, email: &str, at: Ms) -> bool {
        self.people.get(email).is_some_and(|spans| spans.contains(at))
    }

    /// Whether another hand had suspended that person.
    pub fn suspended(&self, email: &str, at: Ms) -> bool {
        self.suspended.get(email).is_some_and(|spans| spans.contains(at))
    }

    /// Whether everything could be told in that time: nothing that the gateway or the broker needs for it was away.
    pub fn told(&self, from: Ms, until: Ms) -> bool {
        !self.silent.meets(from, until)
    }
}

/// How long one call to Kisi takes among many, one after the other.
fn a_call(evidence: &Evidence<'_>) -> Ms {
    let settings = evidence.settings;
    (1_000 / settings.requests_per_second.max(1)).max(settings.kisi_answers_ms)
}

/// From each row that the gateway took away before its end until the next one must be through: a read, a removal, and
/// a call of somebody else's.
fn queue(evidence: &Evidence<'_>, roster: &Roster) -> Vec<(Ms, Ms)> {
    let rows = roster.pairs.values().flatten().filter(|held| held.ours && held.until < held.valid_until);
    rows.map(|held| (held.until, held.until + 3 * a_call(evidence))).collect()
}

fn suspended(evidence: &Evidence<'_>, roster: &Roster) -> BTreeMap<String, Vec<(Ms, Ms)>> {
    let mut out: BTreeMap<String, Vec<(Ms, Ms)>> = BTreeMap::new();
    let mut since: BTreeMap<u64, Ms> = BTreeMap::new();
    let mut end = |user: u64, from: Ms, until: Ms| {
        if let Some(email) = roster.emails.get(&user) {
            out.entry(email.clone()).or_default().push((from, until));
        }
    };
    for hand in &evidence.diary.hands {
        match hand {
            Hand::Suspended { at, user } => {
                since.entry(*user).or_insert(ms(*at));
            }
            Hand::Restored { at, user } => {
                if let Some(from) = since.remove(user) {
                    end(*user, from, ms(*at) + CALLS);
                }
            }
            _ => {}
        }
    }
    for (user, from) in since {
        end(user, from, NEVER);
    }
    out
}
