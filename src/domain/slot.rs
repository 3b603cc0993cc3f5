//! From grants to assignments: what the one slot that Kisi has for each user and group should hold (rules 3).

use std::time::Duration;

use chrono::TimeDelta;

use super::person::Merged;
use super::{GroupId, Timestamp, Window};

/// What stands in a group's slot, as the choice needs to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Nothing.
    Free,
    /// A row of ours with that window.
    Ours(Window),
    /// A row that is not ours.
    Foreign,
}

/// The windows that should stand in Kisi now, each with the group whose slot should hold it.
///
/// The slot holds the window that is open; else the next one, once `prestage` before it. An `alternate` takes the next
/// one while the first slot is taken; a window stays where it was written until it ends.
pub fn slots(
    windows: &[Merged],
    main: (GroupId, Taken),
    alternate: Option<(GroupId, Taken)>,
    prestage: Duration,
    now: Timestamp,
) -> Vec<(GroupId, &Merged)> {
    let mut due = windows.iter().filter(|merged| !merged.window.ended(now) && is_due(&merged.window, prestage, now));
    let Some(first) = due.next() else { return Vec::new() };
    let Some(alternate) = alternate else { return vec![(main.0, first)] };
    let open_there = holds_open(alternate.1, first, now) && !holds_open(main.1, first, now);
    let in_alternate = holds(alternate.1, first) && !holds(main.1, first) || open_there || main.1 == Taken::Foreign;
    let (here, there) = if in_alternate { (alternate.0, main.0) } else { (main.0, alternate.0) };
    let mut out = vec![(here, first)];
    out.extend(due.next().map(|second| (there, second)));
    out
}

/// When the window is to be written to Kisi; `None`: at once.
pub fn due_at(window: &Window, prestage: Duration) -> Option<Timestamp> {
    window.from().map(|from| from - TimeDelta::from_std(prestage).unwrap_or(TimeDelta::zero()))
}

fn is_due(window: &Window, prestage: Duration, now: Timestamp) -> bool {
    due_at(window, prestage).is_none_or(|due| due <= now)
}

fn holds(taken: Taken, merged: &Merged) -> bool {
    matches!(taken, Taken::Ours(window) if window.and(&merged.window).is_some())
}

/// A window in force is extended where it stands, though the other slot holds what it grew into.
fn holds_open(taken: Taken, merged: &Merged, now: Timestamp) -> bool {
    holds(taken, merged) && matches!(taken, Taken::Ours(window) if window.contains(now))
}

/// Whether a row with the window `row` gives the same access as `wanted` from `now` on: a beginning that has passed
/// on both sides is no difference (rules 3).
pub fn same_from(row: Option<Window>, wanted: &Window, now: Timestamp) -> bool {
    let Some(row) = row else { return false };
    let clip = |window: &Window| window.from().filter(|from| *from > now);
    !row.ended(now) && clip(&row) == clip(wanted) && row.until() == wanted.until()
}
