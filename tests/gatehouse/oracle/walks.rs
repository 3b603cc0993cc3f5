//! The program against the oracle, minute by minute over days, on sites by chance.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gatehouse::domain::entitle::entitle;
use gatehouse::domain::person::{Merged, people};
use gatehouse::domain::slot::{Taken, same_from, slots};
use gatehouse::domain::snapshot::Snapshot;
use gatehouse::domain::{Email, GroupId, Rules, Timestamp, Window};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestCaseResult;

use super::calendar::{Minute, write};
use super::reading::{moment, rules, snapshot};
use super::sites::{Case, Wish, any_case, one_room};
use super::{address, who_is_in};

/// A walk is long, so there are few in a usual run; `PROPTEST_CASES` asks for more.
pub fn config(cases: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    let cases = asked.unwrap_or(cases);
    ProptestConfig { cases, max_shrink_iters: 2_000, failure_persistence: None, ..ProptestConfig::default() }
}

/// Who is in by grants that were computed at `known` and are asked for the minute `at`.
fn granted(snapshot: &Snapshot, rules: &Rules, known: Minute) -> impl Fn(Minute) -> BTreeSet<(u64, u64)> + use<> {
    let grants = entitle(snapshot, rules, moment(known)).grants;
    move |at| {
        let open = grants.iter().filter(|grant| grant.window.contains(moment(at)));
        open.map(|grant| (grant.customer.0, grant.group.0)).collect()
    }
}

/// Whom the oracle lets in, by minute from the start of the case on.
fn truth(case: &Case) -> Vec<BTreeSet<(u64, u64)>> {
    (case.start..case.end).map(|at| who_is_in(&case.site, at)).collect()
}

proptest! {
    #![proptest_config(config(40))]

    /// The program and the oracle let in the same people, in every minute.
    #[test]
    fn promise_1_grants_let_in_exactly_whom_the_oracle_lets_in(case in any_case(Wish { foreseeable: false, alternates: false })) {
        let (snapshot, rules) = (snapshot(&case.site), rules(&case.site));
        for now in case.start..case.end {
            let inside = granted(&snapshot, &rules, now)(now);
            prop_assert_eq!(inside, who_is_in(&case.site, now), "program (left), oracle (right), {}Z", write(now));
        }
    }

    /// What was known hours ago still lets in the same people, as long as no record changes: so windows known before
    /// open and close on time with Nexudus away (promise 2).
    #[test]
    fn promise_2_grants_known_before_foretell_every_later_minute(case in any_case(Wish { foreseeable: true, alternates: false })) {
        let (snapshot, rules, truth) = (snapshot(&case.site), rules(&case.site), truth(&case));
        for known in (case.start..case.end).step_by(7 * 60) {
            let granted = granted(&snapshot, &rules, known);
            for (at, allowed) in (case.start..).zip(&truth).filter(|(at, _)| *at >= known) {
                let said = granted(at);
                prop_assert_eq!(
                    &said, allowed,
                    "program (left) as of {}Z, oracle (right), {}Z", write(known), write(at)
                );
            }
        }
    }

    /// Where a pass was used on a day yet to come, what was known before may let in too few later, never too many.
    #[test]
    fn promise_1_grants_known_before_never_let_in_more(case in any_case(Wish { foreseeable: false, alternates: false })) {
        let (snapshot, rules, truth) = (snapshot(&case.site), rules(&case.site), truth(&case));
        for known in (case.start..case.end).step_by(11 * 60) {
            let granted = granted(&snapshot, &rules, known);
            for (at, allowed) in (case.start..).zip(&truth).filter(|(at, _)| *at >= known) {
                let said = granted(at);
                prop_assert!(said.is_subset(allowed), "{said:?} as of {}Z, {allowed:?}, {}Z", write(known), write(at));
            }
        }
    }

    /// Kisi's rows, kept by `slots` in every minute, are valid exactly while the oracle lets the person in.
    #[test]
    fn promise_1_and_2_rows_are_valid_exactly_while_the_oracle_lets_in(
        case in any_case(Wish { foreseeable: true, alternates: true }),
        prestage in select(&[0i64, 30, 360, 1440][..]),
    ) {
        Walk::new(&case, prestage).every(1)?;
    }

    /// The same of one room, where bookings touch, overlap and follow each other closely.
    #[test]
    fn rule_3_back_to_back_bookings_leave_no_seam(case in one_room(), prestage in select(&[0i64, 30, 360, 1440][..])) {
        Walk::new(&case, prestage).every(1)?;
    }

    /// While this box is away, rows that stand let in nobody whom the oracle keeps out.
    #[test]
    fn promise_1_rows_left_alone_for_hours_let_in_nobody_else(
        case in any_case(Wish { foreseeable: false, alternates: true }),
        prestage in select(&[0i64, 30, 360, 1440][..]),
        away in 30i64..900,
    ) {
        Walk::new(&case, prestage).every(away)?;
    }
}

/// A person and a group.
type Key = (String, u64);

/// A row of Kisi's; a PATCH keeps its number.
#[derive(Clone, Debug)]
struct Row {
    number: u64,
    window: Window,
}

/// A walk over a site, with a Kisi that follows at once and holds one row for each person and group.
struct Walk<'a> {
    case: &'a Case,
    prestage: Minute,
    rules: Rules,
    snapshot: Snapshot,
    alternates: BTreeMap<u64, u64>,
    /// When the oracle lets in whom: from a first minute to before another, as far as `prestage` beyond the end.
    stays: BTreeMap<Key, Vec<(Minute, Minute)>>,
    rows: BTreeMap<Key, Row>,
    made: u64,
    /// Which row serves the stay that begins in that minute.
    serving: BTreeMap<(Key, Minute), u64>,
}

impl<'a> Walk<'a> {
    fn new(case: &'a Case, prestage: Minute) -> Walk<'a> {
        let mut stays: BTreeMap<Key, Vec<(Minute, Minute)>> = BTreeMap::new();
        for at in case.start..=case.end + prestage {
            let names = |(customer, group)| (address(&case.site, customer).expect("no address, no access"), group);
            let inside: BTreeSet<Key> = who_is_in(&case.site, at).into_iter().map(names).collect();
            for key in inside {
                let stays = stays.entry(key).or_default();
                match stays.last_mut() {
                    Some((_, until)) if *until == at => *until += 1,
                    _ => stays.push((at, at + 1)),
                }
            }
        }
        Walk {
            case,
            prestage,
            rules: rules(&case.site),
            snapshot: snapshot(&case.site),
            alternates: case.site.ties.iter().filter_map(|tie| Some((tie.group, tie.alternate?))).collect(),
            stays,
            rows: BTreeMap::new(),
            made: 0,
            serving: BTreeMap::new(),
        }
    }

    /// Keeps the rows every so many minutes, and looks at them in each.
    fn every(mut self, step: Minute) -> TestCaseResult {
        for now in self.case.start..self.case.end {
            let kept = (now - self.case.start) % step == 0;
            if kept {
                self.keep(now);
            }
            self.nobody_else_is_valid(now)?;
            if kept {
                self.whoever_is_in_is_valid(now)?;
            }
            if step == 1 {
                self.what_comes_next_is_written_when_due(now)?;
                self.each_stay_has_one_row_from_first_to_last(now)?;
            }
        }
        Ok(())
    }

    /// Brings the rows to what `slots` wants, as a Kisi that follows at once would have it.
    fn keep(&mut self, now: Minute) {
        let people = people(&self.snapshot, &entitle(&self.snapshot, &self.rules, moment(now)));
        let mut wanted: BTreeMap<Key, Window> = BTreeMap::new();
        for (email, person) in &people {
            for (group, windows) in &person.windows {
                let chosen = self.choose(email, *group, windows, moment(now));
                wanted.extend(chosen.into_iter().map(|(slot, window)| ((email.as_str().to_owned(), slot.0), window)));
            }
        }
        self.rows.retain(|key, _| wanted.contains_key(key));
        for (key, window) in wanted {
            match self.rows.get_mut(&key) {
                Some(row) if same_from(Some(row.window), &window, moment(now)) => {}
                Some(row) => row.window = window,
                None => {
                    self.made += 1;
                    self.rows.insert(key, Row { number: self.made, window });
                }
            }
        }
    }

    fn choose(&self, email: &Email, group: GroupId, windows: &[Merged], now: Timestamp) -> Vec<(GroupId, Window)> {
        let taken = |group: GroupId| {
            let row = self.rows.get(&(email.as_str().to_owned(), group.0));
            (group, row.map_or(Taken::Free, |row| Taken::Ours(row.window)))
        };
        let alternate = self.rules.alternate_of(group).map(taken);
        let prestage = Duration::from_secs(u64::try_from(self.prestage * 60).expect("not negative"));
        let chosen = slots(windows, taken(group), alternate, prestage, now);
        let slots: BTreeSet<GroupId> = chosen.iter().map(|(slot, _)| *slot).collect();
        assert_eq!(slots.len(), chosen.len(), "a slot holds one window");
        chosen.into_iter().map(|(slot, merged)| (slot, merged.window)).collect()
    }

    /// The rows that open the doors of that group to that person.
    fn rows_of(&self, (email, group): &Key) -> Vec<&Row> {
        let slots = [Some(*group), self.alternates.get(group).copied()];
        slots.into_iter().flatten().filter_map(|slot| self.rows.get(&(email.clone(), slot))).collect()
    }

    /// The stay of that minute.
    fn stay(&self, key: &Key, at: Minute) -> Option<(Minute, Minute)> {
        self.stays.get(key)?.iter().copied().find(|(from, until)| *from <= at && at < *until)
    }

    /// When the next stay begins, as far as the walk can see.
    fn next_stay(&self, key: &Key, now: Minute) -> Option<Minute> {
        self.stays.get(key)?.iter().map(|(from, _)| *from).find(|from| *from > now)
    }

    fn nobody_else_is_valid(&self, now: Minute) -> TestCaseResult {
        for ((email, slot), row) in &self.rows {
            let main = self.alternates.iter().find(|(_, alternate)| *alternate == slot).map_or(slot, |(main, _)| main);
            let key = (email.clone(), *main);
            prop_assert!(
                !row.window.contains(moment(now)) || self.stay(&key, now).is_some(),
                "{email} may open {slot} at {}Z by {row:?}",
                write(now)
            );
        }
        Ok(())
    }

    fn whoever_is_in_is_valid(&self, now: Minute) -> TestCaseResult {
        for key in self.stays.keys().filter(|key| self.stay(key, now).is_some()) {
            let rows = self.rows_of(key);
            let open = rows.iter().filter(|row| row.window.contains(moment(now))).count();
            prop_assert_eq!(open, 1, "{:?} at {}Z by {:?}", key, write(now), rows);
        }
        Ok(())
    }

    /// One slot holds the open window, else the next one once it is due; an alternate takes the next one meanwhile.
    fn what_comes_next_is_written_when_due(&self, now: Minute) -> TestCaseResult {
        for key in self.stays.keys() {
            let rows = self.rows_of(key);
            let inside = self.stay(key, now).is_some();
            let due = self.next_stay(key, now).filter(|begins| begins - self.prestage <= now);
            let seen = |at: Minute| rows.iter().any(|row| row.window.contains(moment(at)));
            let alternate = self.alternates.contains_key(&key.1);
            let says = || format!("{key:?} at {}Z, next {:?}, by {rows:?}", write(now), due.map(write));
            if let Some(begins) = due.filter(|_| !inside || alternate) {
                prop_assert!(seen(begins), "not written ahead: {}", says());
            }
            let most = match (inside, due) {
                (false, None) => 0,
                (_, Some(_)) if alternate => 2,
                _ => 1,
            };
            prop_assert!(rows.len() <= most, "written too early: {}", says());
        }
        Ok(())
    }

    /// A stay is served by one row from when it is written until it ends: never removed and made anew, never moved
    /// from slot to slot.
    fn each_stay_has_one_row_from_first_to_last(&mut self, now: Minute) -> TestCaseResult {
        for key in self.stays.keys() {
            let current = self.stay(key, now).map(|(from, _)| from);
            for begins in [current, self.next_stay(key, now)].into_iter().flatten() {
                let at = moment(begins.max(now));
                let serving: Vec<u64> =
                    self.rows_of(key).iter().filter(|row| row.window.contains(at)).map(|row| row.number).collect();
                if let Some(first) = serving.first() {
                    let known = *self.serving.entry((key.clone(), begins)).or_insert(*first);
                    prop_assert!(serving.contains(&known), "{key:?} at {}Z: row {known}, then {serving:?}", write(now));
                }
            }
        }
        Ok(())
    }
}
