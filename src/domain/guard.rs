//! No mass lock-out by mistake (promise 5): which removals of a pass are held until somebody approves.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::ledger::{Ledger, Owned};
use super::plan::{Action, Change};
use super::reconcile::{Known, cross_checked};
use super::roster::Assignment;
use super::window::earlier_end;
use super::{CustomerId, GroupId, Timestamp, UserId, Window};

/// How long an approval covers what it listed.
const APPROVAL: TimeDelta = TimeDelta::hours(24);
/// Over how long losses are counted together.
const HOUR: TimeDelta = TimeDelta::hours(1);
/// How few people are never too many by share.
const AT_LEAST: usize = 3;
/// How many of the lists that were held are remembered, for an approval that comes a little late.
const LISTS_MAX: usize = 50;
/// What a share of people may be off by rounding: 29 of 100 are not more than 0.29.
const ROUNDING: f64 = 1e-6;

/// What names a held change from pass to pass.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The change's word: `removed`, `moved`, `suspended` or `deleted`.
    pub change: String,
    /// Whom.
    pub user: Option<UserId>,
    /// From which group.
    pub group: Option<GroupId>,
}

impl Key {
    fn of(change: &Change) -> Key {
        Key { change: change.word().to_owned(), user: change.person.user, group: change.group() }
    }
}

/// What the guard remembers from pass to pass, over restarts too.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// How many people had access, at moments of the last hour at which that changed, and once before.
    pub had_access: Vec<(Timestamp, usize)>,
    /// Who lost a group within the last hour, and when, without an approval.
    pub lost: Vec<(Timestamp, UserId)>,
    /// What is held.
    pub held: BTreeSet<Key>,
    /// The lists that were held, by their ids, and when they were last shown.
    pub lists: BTreeMap<String, (Timestamp, BTreeSet<Key>)>,
    /// What was approved, and until when.
    #[serde(with = "pairs")]
    pub approved: BTreeMap<Key, Timestamp>,
}

/// A map as a list of pairs: in JSON only texts can be keys.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<K, V, S>(map: &BTreeMap<K, V>, serializer: S) -> Result<S::Ok, S::Error>
    where
        K: Serialize,
        V: Serialize,
        S: Serializer,
    {
        serializer.collect_seq(map)
    }

    pub(super) fn deserialize<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
    }
}

/// What may go ahead.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Changes that may be made, in their order.
    pub go: Vec<Change>,
    /// Changes that are held.
    pub held: Vec<Change>,
    /// The id of what is held; absent where nothing is.
    pub plan: Option<String>,
    /// How many people would lose a group, those of the last hour included.
    pub losing: usize,
    /// How many people had such access as the hour began.
    pub of: usize,
}

impl Memory {
    /// Judges a pass, and remembers what the next one needs.
    pub fn judge(&mut self, known: &Known<'_>, changes: Vec<Change>) -> Verdict {
        let now = known.now;
        self.forget(now, &changes);
        let of = self.base(known, &changes);
        let losers = self.losers(known, &changes);
        let losing = losers.len();
        let share = known.rules.hold_after_share;
        let by_share = share < 1.0 && losing >= AT_LEAST && losing as f64 > share * of as f64 + ROUNDING;
        let trips = by_share || losing > known.rules.hold_after_removals as usize;
        let stops = |change: &Change| removes(change, known) && !self.approved.contains_key(&Key::of(change));
        // Whose removal is held is not suspended or deleted instead, which would take more.
        let kept: BTreeSet<Option<UserId>> = changes
            .iter()
            .filter(|change| stops(change) && (trips || self.held.contains(&Key::of(change))))
            .map(|change| change.person.user)
            .collect();
        let (held, go): (Vec<Change>, Vec<Change>) = changes.into_iter().partition(|change| {
            let of_account = matches!(change.action, Action::Suspended | Action::Deleted);
            let with_it = of_account && kept.contains(&change.person.user);
            stops(change) && (trips || with_it || self.held.contains(&Key::of(change)))
        });
        self.held = held.iter().map(Key::of).collect();
        let plan = (!self.held.is_empty()).then(|| list_id(&self.held));
        if let Some(plan) = &plan {
            let list = self.lists.entry(plan.clone()).or_insert_with(|| (now, self.held.clone()));
            // Shown anew once an hour: each change of the memory is a write to the disk.
            if now - list.0 >= HOUR {
                list.0 = now;
            }
        }
        while self.lists.len() > LISTS_MAX {
            let Some(oldest) = self.lists.iter().min_by_key(|(_, (shown, _))| *shown).map(|(id, _)| id.clone()) else {
                break;
            };
            self.lists.remove(&oldest);
        }
        Verdict { go, held, plan, losing, of }
    }

    /// Notes that a change was made, so that slow drains are counted over the hour.
    pub fn made(&mut self, change: &Change, loses: bool, now: Timestamp) {
        let approved = self.approved.contains_key(&Key::of(change));
        if let Some(user) = change.person.user
            && loses
            && !approved
        {
            self.lost.retain(|(_, lost)| *lost != user);
            self.lost.push((now, user));
        }
    }

    /// Releases what was held under that id and still is, for a day. `false`: no such list was held within the last
    /// day, or nothing of it is wanted any more.
    pub fn approve(&mut self, plan: &str, now: Timestamp) -> bool {
        let Some((_, keys)) = self.lists.get(plan) else { return false };
        let wanted: Vec<Key> = keys.intersection(&self.held).cloned().collect();
        self.approved.extend(wanted.iter().map(|key| (key.clone(), now + APPROVAL)));
        !wanted.is_empty()
    }

    /// Rows that were there became ours: their holders had access as the hour began, too.
    pub fn adopted(&mut self, known: &Known<'_>) {
        let users = with_access(known).len();
        for (_, count) in &mut self.had_access {
            *count = users.max(*count);
        }
    }

    fn forget(&mut self, now: Timestamp, changes: &[Change]) {
        self.lost.retain(|(at, _)| now - *at < HOUR);
        // An approval covers what was listed for as long as it is wanted. What is wanted again later is another
        // removal, for another reason.
        let wanted: BTreeSet<Key> = changes.iter().map(Key::of).collect();
        self.approved.retain(|key, until| *until > now && wanted.contains(key));
        self.lists.retain(|_, (shown, _)| now - *shown < APPROVAL);
        // The newest sample that is an hour old says how the hour began; older ones say nothing more.
        let old = self.had_access.iter().rposition(|(at, _)| now - *at >= HOUR).unwrap_or(0);
        self.had_access.drain(..old);
    }

    /// How many had access as the hour began.
    ///
    /// At the very first look there is no such hour. Who is about to be given access then counts as if it had been
    /// given: else nobody had any as the first hour began, and the first three losses would always be too many.
    fn base(&mut self, known: &Known<'_>, changes: &[Change]) -> usize {
        let users = with_access(known);
        if self.had_access.is_empty() {
            let given = changes.iter().filter(|change| matches!(change.action, Action::Added { .. }));
            let ahead = ahead(known);
            let usable = given.filter(|change| change.window().is_some_and(|window| window.and(&ahead).is_some()));
            let others: BTreeSet<_> = usable
                .filter(|change| change.person.user.is_none_or(|user| !users.contains(&user)))
                .map(|change| (change.person.user, change.person.email.as_ref()))
                .collect();
            self.had_access.push((known.now, users.len() + others.len()));
        } else if self.had_access.last().is_none_or(|(_, count)| *count != users.len()) {
            self.had_access.push((known.now, users.len()));
        }
        self.had_access.first().map_or(users.len(), |(_, count)| *count)
    }

    fn losers(&self, known: &Known<'_>, changes: &[Change]) -> BTreeSet<UserId> {
        let unapproved = changes.iter().filter(|change| !self.approved.contains_key(&Key::of(change)));
        let would = unapproved.filter(|change| loses(known, change)).filter_map(|change| change.person.user);
        would.chain(self.lost.iter().map(|(_, user)| *user)).collect()
    }
}

/// Whether by that change a person loses a group that they could use now or within `prestage`.
///
/// A window that has ended is no loss: its end was written to Kisi as an end by the clock. One that is cut down to
/// less than a `refresh` from now is, since that end was not known a `refresh` before it comes. One that is open and
/// moves to a later time is a loss too: the door is shut now.
pub fn loses(known: &Known<'_>, change: &Change) -> bool {
    let ahead = ahead(known);
    let usable = |row: &Assignment| row.window().and_then(|window| window.and(&ahead));
    let row = match &change.action {
        Action::Removed { row, .. } | Action::Moved { row, .. } => known.roster.assignments.get(row),
        Action::Suspended | Action::Deleted => {
            return own_rows(known).any(|(_, row)| Some(row.user) == change.person.user && usable(row).is_some());
        }
        _ => None,
    };
    let Some(row) = row else { return false };
    if usable(row).is_none() {
        return false;
    }
    let shut = |left: &Window| row.window().is_some_and(|held| held.contains(known.now)) && !left.contains(known.now);
    // Here the whole windows count: `prestage` may be shorter than a `refresh`.
    let soon = known.now + TimeDelta::from_std(known.rules.refresh).unwrap_or(TimeDelta::zero());
    let cut = |left: &Window| {
        let earlier = earlier_end(left.until(), row.valid_until) != row.valid_until;
        earlier && left.until().is_some_and(|until| until < soon)
    };
    let kept = change.window().is_some_and(|left| left.and(&ahead).is_some() && !cut(&left) && !shut(&left));
    !kept && !elsewhere(known, row, &ahead)
}

/// Whether the same customer can use the group through another user: an e-mail was changed.
fn elsewhere(known: &Known<'_>, row: &Assignment, ahead: &Window) -> bool {
    let Some(customer) = customer_of(known.ledger, row) else { return false };
    own_rows(known).any(|(owned, other)| {
        other.id != row.id
            && other.group == row.group
            && owned.customer == Some(customer)
            && other.window().is_some_and(|window| window.and(ahead).is_some())
    })
}

fn customer_of(ledger: &Ledger, row: &Assignment) -> Option<CustomerId> {
    ledger.owned.get(&row.id).and_then(|owned| owned.customer)
}

/// Whether the guard may hold the change: removals, windows cut away, and what is done to accounts. A row whose
/// window has ended opens nothing any more, so taking it away is no removal in that sense.
fn removes(change: &Change, known: &Known<'_>) -> bool {
    match &change.action {
        Action::Removed { row, .. } => {
            let row = known.roster.assignments.get(row);
            row.and_then(Assignment::window).is_some_and(|window| !window.ended(known.now))
        }
        Action::Moved { .. } => loses(known, change),
        Action::Suspended | Action::Deleted => true,
        _ => false,
    }
}

/// Who can use a group by a row of ours, now or within `prestage`.
fn with_access(known: &Known<'_>) -> BTreeSet<UserId> {
    let ahead = ahead(known);
    let usable = own_rows(known).filter(|(_, row)| row.window().is_some_and(|window| window.and(&ahead).is_some()));
    usable.map(|(_, row)| row.user).collect()
}

fn own_rows<'a>(known: &'a Known<'_>) -> impl Iterator<Item = (&'a Owned, &'a Assignment)> {
    known.roster.assignments.values().filter_map(|row| {
        let owned = known.ledger.owned.get(&row.id)?;
        cross_checked(owned, row, known.own_user).then_some((owned, row))
    })
}

fn ahead(known: &Known<'_>) -> Window {
    let prestage = TimeDelta::from_std(known.rules.prestage).unwrap_or(TimeDelta::zero());
    let until = known.now + prestage.max(TimeDelta::seconds(1));
    Window::new(Some(known.now), Some(until)).unwrap_or(Window::ALWAYS)
}

/// An id for a whole plan, held or not.
pub fn plan_id(changes: &[Change]) -> String {
    list_id(&changes.iter().map(Key::of).collect())
}

/// One list has one id, in every run.
fn list_id(keys: &BTreeSet<Key>) -> String {
    let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
    for key in keys {
        hash.update(format!("{}/{:?}/{:?};", key.change, key.user, key.group).as_bytes());
    }
    hash.finish().as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}
