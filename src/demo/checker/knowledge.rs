//! What the gateway may still believe at a moment, and by when it must know better.
//!
//! A change in Nexudus has to be in Kisi by a deadline (promise 2). Until then the gateway may act by what held before
//! it, and from the change on by what holds now: it may believe either. What nothing it may believe allows is a breach
//! of promise 1; what everything it may believe demands, and isn't there, one of promise 2.

use std::collections::BTreeMap;

use super::super::Span;
use super::super::diary::{Diary, Trouble};
use super::super::settings::Settings;
use super::Evidence;
use super::oracle::{self, Notice, Pair};
use super::time::{Calendar, EVER, Ms, NEVER, Wall, Windows, ms, seconds};

/// What the calls of a change take, at the quotas, with answers of up to 400 ms: reading some pages at the pace of a
/// bucket, finding a user, two reads 2 s apart the first time a PATCH is ignored, a row removed and made again.
pub const CALLS: Ms = seconds(20);
/// How long after an outage it may take until the gateway notices, has signed in again and has caught up.
pub const RECONNECT: Ms = seconds(120);
/// How long after faults of a cloud it may take until what failed is tried again (pauses of up to a minute) and has
/// caught up.
const FAULTS: Ms = seconds(240);
/// The same after a refusal: one read tries again at pauses of up to five minutes (rules 8).
const REFUSED: Ms = seconds(480);
/// How long a start may take besides the calls for what there is to be written.
pub const START: Ms = seconds(90);
/// How long Kisi's time may take to be believed again.
const CLOCK_AGAIN: Ms = seconds(30);
/// By how much the pace in `status` may be beyond what is configured and still excuse anything.
const STRETCH_MAX: i64 = 4;

/// What held of one person in one group, from one change until the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stance {
    /// From when it held.
    pub since: Ms,
    /// By when Kisi has to follow it.
    pub by: Ms,
    /// Until when the gateway may go by it.
    pub believed_until: Ms,
    /// The windows.
    pub windows: Windows,
}

/// Everything that Nexudus said about grants, by person and group.
#[derive(Debug)]
pub struct Knowledge {
    /// Stances by pair, oldest first. The first holds from before the day.
    pub pairs: BTreeMap<Pair, Vec<Stance>>,
    /// When nothing can be asked.
    pub calendar: Calendar,
    /// How many changes there were during the day.
    pub changes: usize,
    settings: Settings,
}

impl Knowledge {
    /// Gathers it from Nexudus' history. `paces` are those that `status` told: when, `changes_s`, `refresh_s`.
    pub fn gather(evidence: &Evidence<'_>, wall: &Wall, paces: &[(Ms, i64, i64)]) -> Knowledge {
        let settings = evidence.settings;
        let first = oracle::entitled(evidence.nexudus, evidence.day.from, settings, wall);
        let start = START + seconds(start_calls(evidence, &first) / settings.requests_per_second.max(1) * 2);
        let calendar = calendar(evidence.diary, evidence.day, settings, start);
        let begin = ms(evidence.day.from);
        let mut pairs: BTreeMap<Pair, Vec<Stance>> = BTreeMap::new();
        let stance = |since, by, windows| Stance { since, by, believed_until: NEVER, windows };
        for (pair, windows) in &first {
            pairs.entry(pair.clone()).or_default().push(stance(EVER, calendar.after(begin, 0), windows.clone()));
        }
        let changes = oracle::changes(evidence.nexudus, evidence.day.from, evidence.day.until);
        let mut before = first;
        for at in &changes {
            let now = oracle::entitled(evidence.nexudus, *at, settings, wall);
            if now == before {
                continue;
            }
            let since = ms(*at);
            let by = deadline(
                &calendar,
                since,
                oracle::notice(evidence.nexudus, *at, settings),
                pace(settings, paces, since),
            );
            let everyone: std::collections::BTreeSet<&Pair> = before.keys().chain(now.keys()).collect();
            for pair in everyone {
                let (was, is) = (before.get(pair), now.get(pair));
                if was == is {
                    continue;
                }
                let stances = pairs
                    .entry(pair.clone())
                    .or_insert_with(|| vec![stance(EVER, calendar.after(begin, 0), Windows::default())]);
                if let Some(last) = stances.last_mut() {
                    last.believed_until = by;
                }
                stances.push(stance(since, by, is.cloned().unwrap_or_default()));
            }
            before = now;
        }
        Knowledge { pairs, calendar, changes: changes.len(), settings: settings.clone() }
    }

    /// What the gateway may go by at that moment.
    fn believed<'a>(&'a self, pair: &Pair, at: Ms) -> impl Iterator<Item = &'a Stance> + use<'a> {
        let stances = self.pairs.get(pair).into_iter().flatten();
        stances.filter(move |stance| stance.since <= at && at < stance.believed_until)
    }

    /// Whether a row of the gateway's may be valid at that moment.
    pub fn may(&self, pair: &Pair, at: Ms) -> bool {
        self.believed(pair, at).any(|stance| stance.windows.contains(at))
    }

    /// Whether the person must be able to use the group at that moment.
    pub fn must(&self, pair: &Pair, at: Ms) -> bool {
        let mut believed = self.believed(pair, at).peekable();
        let Some(earliest) = believed.peek().copied() else { return false };
        let Some(window) = earliest.windows.at(at) else { return false };
        believed.all(|stance| stance.windows.contains(at)) && self.due(pair, earliest, window, at) <= at
    }

    /// By when such a window has to be written, seen from a moment within it.
    fn due(&self, pair: &Pair, stance: &Stance, window: (Ms, Ms), at: Ms) -> Ms {
        let (from, until) = window;
        let prestage = seconds(self.settings.prestage_s);
        let ahead = from.saturating_sub(prestage);
        let mut due = stance.by.max(self.calendar.after(ahead.max(0), CALLS));
        // The slot is taken until the window before has ended; with a second group, until the one before that has.
        let mut earlier: Vec<Ms> =
            stance.windows.iter().map(|(_, ends)| ends).filter(|ends| *ends <= from && *ends > ahead).collect();
        if self.settings.has_alternate(pair.1) {
            earlier.pop();
        }
        if let Some(free) = earlier.last() {
            due = due.max(self.calendar.after(*free, CALLS));
        }
        // An extension of a window in force is not written before 60 s before the old end (rules 3).
        let stances = self.pairs.get(pair).into_iter().flatten().filter(|older| older.since < stance.since);
        for (_, old_end) in stances.filter_map(|older| older.windows.iter().find(|(f, u)| *f < until && from < *u)) {
            if old_end <= at && old_end < until {
                due = due.max(self.calendar.after(old_end - seconds(60), CALLS));
            }
        }
        due
    }

    /// The windows by what holds at that moment.
    pub fn truth(&self, pair: &Pair, at: Ms) -> Windows {
        let mut stances = self.pairs.get(pair).into_iter().flatten();
        stances.rfind(|stance| stance.since <= at).map(|stance| stance.windows.clone()).unwrap_or_default()
    }

    /// The windows that everything allows that may be believed at that moment.
    pub fn surely(&self, pair: &Pair, at: Ms) -> Windows {
        let mut believed = self.believed(pair, at).map(|stance| stance.windows.clone());
        let first = believed.next().unwrap_or_default();
        believed.fold(first, |all, windows| all.and(&windows))
    }

    /// Whether Kisi has to have followed every change about a pair by that moment.
    pub fn settled(&self, pair: &Pair, at: Ms) -> bool {
        self.believed(pair, at).count() == 1 && self.believed(pair, at).all(|stance| stance.by <= at)
    }

    /// Every moment at which something about a pair begins, ends or falls due.
    pub fn edges(&self, pair: &Pair) -> Vec<Ms> {
        let stances = self.pairs.get(pair).into_iter().flatten();
        stances
            .flat_map(|stance| {
                let windows = stance.windows.iter().flat_map(|(from, until)| [from, until]);
                windows.chain([stance.since, stance.by]).collect::<Vec<_>>()
            })
            .filter(|at| *at != EVER && *at != NEVER)
            .collect()
    }
}

/// How many calls the first start needs: a row for each window that is due, three for each user to be made.
fn start_calls(evidence: &Evidence<'_>, first: &BTreeMap<Pair, Windows>) -> i64 {
    let begin = ms(evidence.day.from);
    let soon = begin + seconds(evidence.settings.prestage_s);
    let due = first.values().filter(|windows| windows.meets(begin, soon)).count();
    let people: std::collections::BTreeSet<&str> = first.keys().map(|(email, _)| email.as_str()).collect();
    let made = people.iter().filter(|email| evidence.user_made_in_the_day(email)).count();
    i64::try_from(due * 2 + made * 4).unwrap_or(i64::MAX)
}

/// When nothing can be asked of the gateway: not before it has started and caught up, not while a cloud is away or a
/// list is torn, not while the time is not to be believed.
fn calendar(diary: &Diary, day: Span, settings: &Settings, start: Ms) -> Calendar {
    let begin = ms(day.from);
    let mut stretches = vec![(begin, begin + start)];
    for (trouble, after) in [
        (Trouble::Internet, RECONNECT),
        (Trouble::Nexudus, FAULTS),
        (Trouble::Kisi, FAULTS),
        (Trouble::Refused, REFUSED),
        (Trouble::Paused, CALLS),
        (Trouble::Gateway, START + RECONNECT),
        (Trouble::EmptyList, 2 * seconds(settings.refresh_s) + CALLS),
        (Trouble::ShrunkenList, 3 * seconds(settings.refresh_s) + CALLS),
        (Trouble::ThinnedList, 3 * seconds(settings.refresh_s) + FAULTS),
        (Trouble::KisiDate, CLOCK_AGAIN),
        (Trouble::Disk, CALLS),
    ] {
        let spans = diary.spans(trouble, day.until);
        stretches.extend(spans.iter().map(|span| (ms(span.from), ms(span.until) + after)));
    }
    Calendar::without(stretches)
}

/// The paces that hold around a moment: those told in `status`, at least those configured, and no more than
/// [`STRETCH_MAX`] times as long.
fn pace(settings: &Settings, paces: &[(Ms, i64, i64)], at: Ms) -> (i64, i64) {
    let near = paces.iter().filter(|(told, _, _)| (at - seconds(300)..at + seconds(300)).contains(told));
    let longest =
        near.fold((0, 0), |longest, (_, changes, refresh)| (longest.0.max(*changes), longest.1.max(*refresh)));
    let bounded = |told: i64, set: i64| told.clamp(set, set * STRETCH_MAX);
    (bounded(longest.0, settings.changes_s), bounded(longest.1, settings.refresh_s))
}

fn deadline(calendar: &Calendar, since: Ms, notice: Notice, (changes, refresh): (i64, i64)) -> Ms {
    let within = |from: Ms, pace: i64| calendar.after(from, seconds(pace) + CALLS);
    match notice {
        Notice::Marked => within(since, changes),
        Notice::Slower => within(since, 3 * changes),
        Notice::Silent => within(since, refresh),
        Notice::Gone { shown, listed } => {
            let confirmed = |from: Ms, pace: i64| if from == NEVER { NEVER } else { within(from.max(since), pace) };
            confirmed(listed, 2 * refresh).min(confirmed(shown, changes))
        }
    }
}
