//! Promise 5: nobody loses a group because a reading was wrong.

use std::collections::BTreeSet;

use super::super::diary::{Hand, Trouble};
use super::access::ByHand;
use super::held::Held;
use super::knowledge::CALLS;
use super::oracle::Pair;
use super::time::{Ms, NEVER, Windows, seconds};
use super::{Case, Findings};

/// Promise 5.
pub(super) fn none_by_mistake(case: &Case<'_>) -> Findings {
    let mut found = Findings::default();
    let by_hand = |hand: &Hand| match hand {
        Hand::Removed { row, .. } => Some(*row),
        _ => None,
    };
    let taken_by_hand: BTreeSet<u64> = case.evidence.diary.hands.iter().filter_map(by_hand).collect();
    let mut compared = 0_u64;
    let mut thinned = Thinned::new(case);
    let by_hands = ByHand::gather(case);
    for (pair, rows) in &case.roster.pairs {
        for held in rows.iter().filter(|held| held.ours && held.until != NEVER) {
            if held.until < case.begins() || held.until >= case.ends() || taken_by_hand.contains(&held.row) {
                continue;
            }
            if robbed(case, pair, rows, held) && thinned.takes(pair, held.until) {
                continue;
            }
            found.expect(!robbed(case, pair, rows, held), || {
                let (email, group) = pair;
                format!("{email} lost group {group} at {} while entitled to it", case.show(held.until))
            });
        }
        compared += watched(case, pair, &by_hands, &mut found);
    }
    thinned.judge(case, &mut found);
    super::mass::within_bounds(case, &mut found);
    lists(case, &mut found, compared);
    found
}

/// Whether the end of a row took something from somebody who, by what Nexudus truly held, could use it now or soon.
fn robbed(case: &Case<'_>, pair: &Pair, rows: &[Held], held: &Held) -> bool {
    let at = held.until;
    let soon = at.saturating_add(seconds(case.evidence.settings.prestage_s));
    let cut = Windows::merged(vec![(held.valid_from.max(at), held.valid_until.min(soon))]);
    // A change that the gateway may not have read yet, or may have read already, decides either way.
    let wanted = case.knowledge.surely(pair, at).and(&cut);
    wanted.iter().any(|(from, until)| {
        let moment = from.max(at);
        let again = |other: &Held| {
            other.since <= case.roster.replaced_by(at)
                && at < other.until
                && other.valid_from <= moment.max(other.since)
                && other.valid_until >= until
        };
        // A slot that moves to an earlier window comes back to this one; only what is lost to use counts.
        let sooner =
            |other: &Held| other.since <= case.roster.replaced_by(at) && at < other.until && other.valid_from < from;
        !rows.iter().any(|other| again(other) || sooner(other))
    })
}

/// What was lost while a list lacked some rows: by span, who.
struct Thinned {
    spans: Vec<((Ms, Ms), BTreeSet<String>)>,
}

impl Thinned {
    fn new(case: &Case<'_>) -> Thinned {
        let after = 3 * seconds(case.evidence.settings.refresh_s) + CALLS;
        let spans = case.spans(Trouble::ThinnedList).into_iter();
        Thinned { spans: spans.map(|(from, until)| ((from, until + after), BTreeSet::new())).collect() }
    }

    /// Whether it is to be judged here.
    fn takes(&mut self, (email, _): &Pair, at: Ms) -> bool {
        let span = self.spans.iter_mut().find(|((from, until), _)| *from <= at && at < *until);
        span.map(|(_, people)| people.insert(email.clone())).is_some()
    }

    /// No more people than the guard lets pass, of those who had access as it began.
    fn judge(self, case: &Case<'_>, found: &mut Findings) {
        for ((from, _), people) in self.spans.iter().filter(|(_, people)| !people.is_empty()) {
            let soon = from.saturating_add(seconds(case.evidence.settings.prestage_s));
            let usable =
                |held: &Held| held.ours && held.held_at(*from) && held.valid_from <= soon && held.valid_until > *from;
            let all = case.roster.pairs.iter().filter(|(_, rows)| rows.iter().any(usable));
            let all: BTreeSet<&str> = all.map(|((email, _), _)| email.as_str()).collect();
            // The defaults of the guard (contract 2): more than a quarter, or more than 50.
            let many = people.len() >= 3 && people.len() * 4 > all.len().max(people.len()) || people.len() > 50;
            found.expect(!many, || {
                format!(
                    "{} of {} people lost a group since a list lacked rows at {}",
                    people.len(),
                    all.len(),
                    case.show(*from)
                )
            });
        }
    }
}

/// Minute by minute through every time at which a list was torn: whoever was entitled still is in Kisi.
fn watched(case: &Case<'_>, pair: &Pair, by_hands: &ByHand, found: &mut Findings) -> u64 {
    let usable = case.roster.usable(pair);
    let mut compared = 0;
    for (from, until) in torn(case) {
        let moments = (0..).map(|n| from + n * seconds(60)).take_while(|at| *at < until);
        let lost: Vec<Ms> = moments
            .filter(|at| case.knowledge.must(pair, *at) && !by_hands.took(pair, *at))
            .filter(|_| usable.contains(from - seconds(1)))
            .inspect(|_| compared += 1)
            .filter(|at| !usable.contains(*at) && case.roster.foreign(pair).is_empty())
            .collect();
        found.checked += 1;
        if let Some(first) = lost.first() {
            let (email, group) = pair;
            found.breach(format!("{email} was without group {group} at {} while a list was torn", case.show(*first)));
        }
    }
    compared
}

/// When a list was torn, and until everything about it must be well again.
fn torn(case: &Case<'_>) -> Vec<(Ms, Ms)> {
    let spans = [Trouble::EmptyList, Trouble::ShrunkenList].map(|trouble| case.spans(trouble));
    let after = 3 * seconds(case.evidence.settings.refresh_s) + CALLS;
    spans.into_iter().flatten().map(|(from, until)| (from, until + after)).collect()
}

/// A list that shrank must have raised the guard, and the guard must have said what it holds; afterwards it lets go.
fn lists(case: &Case<'_>, found: &mut Findings, compared: u64) {
    let alerts = case.evidence.alert("guard");
    for (from, until) in case.spans(Trouble::ShrunkenList) {
        found.expect(alerts.iter().any(|(since, over)| *since < until && from < *over), || {
            format!("the list that shrank at {} raised no alert/guard", case.show(from))
        });
        let told = case
            .evidence
            .told("alert/guard")
            .filter(|(at, _, alert)| from <= *at && *at < until + CALLS && alert["active"] == true);
        let named = told.filter(|(_, _, alert)| {
            let held = alert["detail"]["removals"].as_array().map_or(0, Vec::len);
            held > 0 && alert["detail"]["people"].as_u64() >= Some(1) && !alert["detail"]["plan"].is_null()
        });
        found.expect(named.count() > 0, || "alert/guard named no plan, or nobody whom it holds".to_owned());
        let well = until + 3 * seconds(case.evidence.settings.refresh_s) + 2 * CALLS;
        if well < case.ends() {
            found.expect(!alerts.iter().any(|(since, over)| *since <= well && well < *over), || {
                format!("alert/guard still stood at {}, with nothing to hold", case.show(well))
            });
        }
    }
    let torn = torn(case).len();
    if torn == 0 || compared == 0 {
        // Without a torn list there is nothing that could have gone wrong.
        found.checked = 0;
    }
    found.note(format!("{torn} torn lists, {compared} comparisons of people meanwhile"));
}
