//! Promises 1 and 2: nobody gets in without a reason, everybody gets in who has one, in time.

use std::collections::BTreeSet;

use super::oracle::Pair;
use super::time::{Ms, seconds};
use super::traffic::Traffic;
use super::{Case, Findings};

/// Every minute of the day.
const STEP: Ms = seconds(60);

/// The moments at which a pair is looked at: every minute, and each edge with the seconds beside it.
fn moments(case: &Case<'_>, pair: &Pair) -> BTreeSet<Ms> {
    let (begin, end) = (case.begins(), case.ends());
    let edges = case.knowledge.edges(pair).into_iter().chain(case.roster.edges(pair));
    let around = edges.flat_map(|edge| [edge - seconds(1), edge, edge + seconds(1)]);
    let minutes = (0..).map(|n| begin + n * STEP).take_while(|at| *at < end);
    around.filter(|at| begin <= *at && *at < end).chain(minutes).collect()
}

/// A breach that goes on from moment to moment, told once.
struct Stretch {
    first: Option<Ms>,
    last: Ms,
}

impl Stretch {
    fn new() -> Stretch {
        Stretch { first: None, last: 0 }
    }

    /// Goes on, or ends: then gives from when until when it was seen.
    fn see(&mut self, wrong: bool, at: Ms) -> Option<(Ms, Ms)> {
        if wrong {
            self.first.get_or_insert(at);
            self.last = at;
            return None;
        }
        self.first.take().map(|first| (first, self.last))
    }

    fn end(&mut self) -> Option<(Ms, Ms)> {
        self.first.take().map(|first| (first, self.last))
    }
}

/// Promise 1.
pub(super) fn only_while_entitled(case: &Case<'_>) -> Findings {
    let mut found = Findings::default();
    for pair in case.pairs() {
        let rows = case.roster.of(pair);
        let tell = |(from, until): (Ms, Ms)| {
            let row = rows.iter().find(|held| held.ours && held.opens_at(from)).map_or(0, |held| held.row);
            let (email, group) = pair;
            let (from, until) = (case.show(from), case.show(until));
            format!("{email} could use group {group} by row {row} from {from} to {until} with no reason")
        };
        if !rows.iter().any(|held| held.ours) {
            continue;
        }
        let mut stretch = Stretch::new();
        for at in moments(case, pair) {
            let open = rows.iter().any(|held| held.ours && held.opens_at(at));
            found.checked += u64::from(open);
            let wrong = open && !case.knowledge.may(pair, at) && !excused(case, pair, at);
            let over = stretch.see(wrong, at);
            over.into_iter().for_each(|seen| found.breach(tell(seen)));
        }
        stretch.end().into_iter().for_each(|seen| found.breach(tell(seen)));
    }
    for tried in &case.evidence.diary.tries {
        let at = super::ms(tried.at);
        let row = tried.decision.assignment.filter(|row| case.roster.ours.contains(row));
        let (Some(row), true) = (row, tried.decision.judged_by == crate::twin::kisi::JudgedBy::Kisi) else { continue };
        let group = |(pair, rows): (&Pair, &Vec<super::held::Held>)| {
            rows.iter().any(|held| held.row == row).then(|| pair.clone())
        };
        if let Some(pair) = case.roster.pairs.iter().find_map(group) {
            let (email, lock, when) = (&tried.email, tried.lock, case.show(at));
            let right = case.knowledge.may(&pair, at) || excused(case, &pair, at);
            found.expect(right, || format!("door {lock} opened for {email} at {when}"));
        }
    }
    found
}

/// Whether a row with no reason may still stand: the guard holds its removal, or it waits its turn.
fn excused(case: &Case<'_>, pair: &Pair, at: Ms) -> bool {
    case.excuses.held(pair, at) || held_unheard(case, pair, at) || case.excuses.in_turn(at)
}

/// While the broker is away nobody hears what the guard holds: then a row may stand that was right as it was written.
/// None may be written that is wrong, nor stand beyond its window.
fn held_unheard(case: &Case<'_>, pair: &Pair, at: Ms) -> bool {
    let right = |held: &super::held::Held| case.knowledge.may(pair, held.open().0);
    let mut open = case.roster.of(pair).iter().filter(|held| held.ours && held.opens_at(at));
    case.excuses.unheard(at) && open.all(right)
}

/// Promise 2, and the quotas within which it has to be kept.
pub(super) fn in_time(case: &Case<'_>, traffic: &Traffic) -> Findings {
    let mut found = Findings::default();
    let removed = ByHand::gather(case);
    for pair in case.knowledge.pairs.keys() {
        let usable = case.roster.usable(pair);
        let foreign = case.roster.foreign(pair);
        let excused = |at: Ms| foreign.contains(at) || case.excuses.suspended(&pair.0, at) || removed.took(pair, at);
        let tell = |(from, until): (Ms, Ms)| {
            let (email, group) = pair;
            let (from, until) = (case.show(from), case.show(until));
            format!("{email} could not use group {group} from {from} to {until}, though due")
        };
        let mut stretch = Stretch::new();
        for at in moments(case, pair) {
            let must = case.knowledge.must(pair, at) && !excused(at);
            found.checked += u64::from(must);
            let over = stretch.see(must && !usable.contains(at), at);
            over.into_iter().for_each(|seen| found.breach(tell(seen)));
        }
        stretch.end().into_iter().for_each(|seen| found.breach(tell(seen)));
    }
    found.note(format!("{} changes in Nexudus", case.knowledge.changes));
    traffic.judge(&mut found);
    found
}

/// Rows of the gateway's that another hand removed, until the next whole reading of the roster must have put them back.
pub(super) struct ByHand(Vec<(Pair, Ms, Ms)>);

impl ByHand {
    pub(super) fn gather(case: &Case<'_>) -> ByHand {
        let removed = case.evidence.diary.hands.iter().filter_map(|hand| match hand {
            super::super::diary::Hand::Removed { at, row } => Some((super::ms(*at), *row)),
            _ => None,
        });
        let limit = seconds(case.evidence.settings.roster_s) + super::knowledge::CALLS;
        let spans = removed.filter_map(|(at, row)| {
            let of = case.roster.pairs.iter().find(|(_, rows)| rows.iter().any(|held| held.row == row));
            of.map(|(pair, _)| (pair.clone(), at, case.knowledge.calendar.after(at, limit)))
        });
        ByHand(spans.collect())
    }

    /// Whether another hand had taken that person's row, and it need not be back yet.
    pub(super) fn took(&self, pair: &Pair, at: Ms) -> bool {
        self.0.iter().any(|(of, from, until)| of == pair && *from <= at && at < *until)
    }
}
