//! What the gateway knows, in one place, and how an outcome changes it.
//!
//! Everything here is memory: what must survive is put into the batch that goes along.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::alerts::Alerts;
use super::behind::Behind;
use super::connection::Link;
use super::engine::Cloud;
use super::kept::Refused;
use super::letters::Letters;
use crate::clock::Mono;
use crate::domain::contest::Contests;
use crate::domain::event::Door;
use crate::domain::explain::{Left, Undone};
use crate::domain::guard::Memory;
use crate::domain::hands::Hands;
use crate::domain::ledger::{Account, Fact, Ledger, Owned};
use crate::domain::plan::{Action, Change, Plan};
use crate::domain::reconcile::Known;
use crate::domain::roster::{Assignment, Roster};
use crate::domain::snapshot::{Aside, Entity, Snapshot};
use crate::domain::time::Time;
use crate::domain::{AssignmentId, CustomerId, Email, GroupId, ReaderId, Rules, Timestamp, UserId};
use crate::kisi::write::Form;
use crate::report::{Connection, LastSync, Membership, Pace, Retained};
use crate::store::Batch;

/// How many of the latest events the page shows.
pub const EVENTS_SHOWN: usize = 20;

/// How many notes about the store are kept.
pub const STORE_NOTES_MAX: usize = 100;

/// How long a decision stands with nothing new at most.
const DECIDED_ANEW: TimeDelta = TimeDelta::minutes(5);

/// A change that Kisi refused for itself alone: set aside until something about it changes, or for a while.
#[derive(Clone, Debug, PartialEq)]
pub struct Parked {
    /// The change.
    pub change: Change,
    /// What Kisi said, in words.
    pub why: String,
    /// Not tried again before.
    pub until: Mono,
    /// How often it has failed.
    pub tries: u32,
}

/// What the guard let through and what it holds.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// The plan as it was decided.
    pub plan: Plan,
    /// Changes that may be made, the most urgent first.
    pub go: Vec<Change>,
    /// Changes that are held.
    pub held: Vec<Change>,
    /// The id of what is held.
    pub held_id: Option<String>,
    /// When it was decided, by a trusted clock.
    pub at: Option<Timestamp>,
    /// The guard's count and what it is of.
    pub losing: (usize, usize),
}

/// All that is known.
pub struct State {
    /// What Nexudus said.
    pub snapshot: Snapshot,
    /// What Kisi holds.
    pub roster: Roster,
    /// What of it is ours.
    pub ledger: Ledger,
    /// Kisi's time.
    pub time: Time,
    /// What the guard remembers.
    pub guard: Memory,
    /// Our key's user, once Kisi has said.
    pub own_user: Option<UserId>,
    /// Nothing is written to Kisi until `resume`.
    pub paused: bool,
    /// The alerts that stand.
    pub alerts: Alerts,
    /// Changes of them that are still to be posted.
    pub letters: Letters,
    /// Nexudus.
    pub nexudus: Link,
    /// Kisi.
    pub kisi: Link,
    /// The broker.
    pub broker: Connection,
    /// Doors, controllers, readers, as last read.
    pub retained: Retained,
    /// What was decided last.
    pub decision: Decision,
    /// The paces that are kept.
    pub pace: Pace,
    /// Rows of the last reading of each list that could not be used.
    pub aside: BTreeMap<Entity, Vec<Aside>>,
    /// Why the last reading of a list was not taken as complete.
    pub doubted: BTreeMap<Entity, String>,
    /// Customers who were asked for singly because something names them, and when.
    pub strangers: BTreeMap<CustomerId, Mono>,
    /// Which door each reader is of.
    pub doors_of_readers: BTreeMap<ReaderId, Door>,
    /// What the last whole reading of doors, controllers and readers showed.
    pub hardware_seen: Option<super::hardware::Seen>,
    /// Changes that Kisi refused for themselves alone.
    pub parked: Vec<Parked>,
    /// What another hand did to rows of ours, lately.
    pub contests: Contests,
    /// Who else makes rows in linked groups.
    pub hands: Hands,
    /// Facts since the roster that is being read began to be read: they are newer than its lists.
    pub since_roster: Vec<Fact>,
    /// The latest events, newest last.
    pub events: VecDeque<crate::domain::event::Event>,
    /// Events that wait for the broker.
    pub outbox: usize,
    /// When the oldest of them was read.
    pub outbox_since: Option<Timestamp>,
    /// The last pass that did something.
    pub last_sync: Option<LastSync>,
    /// Whether every list has been asked for once in this run: before, nothing is decided.
    pub read_once: bool,
    /// Which lists are still to be read after an outage of Nexudus.
    pub behind: Behind,
    /// The number of the next intent.
    pub next_intent: u64,
    /// Intents of rows that were taken away to be made anew, which have been looked up in this run.
    pub looked_up: BTreeSet<u64>,
    /// Assignments that were asked for without an answer, and since when: one that shows up later is that one.
    pub asked_for: BTreeMap<(UserId, GroupId), Timestamp>,
    /// What was learnt of how Kisi answers.
    pub learnt: Learnt,
    /// Something new was learnt since the last decision.
    pub dirty: bool,
    /// Things about the store that the operator must know.
    pub store_notes: Vec<String>,
    /// The ledger was lost before this run: what is ours, and which events were published, is not known.
    pub ledger_lost: bool,
    /// What the disk refused of the store lately.
    pub refused: Refused,
    /// A sign-in or right that is refused, by what asked for it.
    pub refusals: BTreeMap<(Cloud, &'static str), String>,
    /// A certificate that is not valid at this box's time.
    pub certificate_time: Option<String>,
    /// When a call to Kisi last got no answer, until the record of events has been read beyond that.
    pub kisi_missed: Option<Timestamp>,
    /// What links point at that the clouds don't know, and what else keeps a link from working.
    pub link_notes: BTreeMap<&'static str, Vec<String>>,
}

impl State {
    /// All that a decision at `now` rests on.
    pub fn known<'a>(&'a self, rules: &'a Rules, now: Timestamp) -> Known<'a> {
        Known {
            snapshot: &self.snapshot,
            roster: &self.roster,
            ledger: &self.ledger,
            rules,
            own_user: self.own_user,
            now,
        }
    }

    /// What has become true in Kisi: roster and ledger follow, and the batch keeps it.
    pub fn learn(&mut self, fact: &Fact, site: &str, now: Timestamp, batch: &mut Batch) {
        self.since_roster.push(fact.clone());
        self.see(fact);
        match fact {
            Fact::UserMade { user } => {
                let customers = user.marked_customer().into_iter().collect();
                let (id, email) = (user.id, user.email.clone());
                let managed = user.marked_site().is_none_or(|marked| marked == site);
                let account =
                    Account { user: id, customers, email, managed, no_access_since: None, adopted_suspended: false };
                self.note(account, batch);
            }
            Fact::UserGone { user } => {
                self.ledger.accounts.remove(user);
                batch.drop_account(*user);
                let rows = self.ledger.owned.values().filter(|owned| owned.user == *user).map(|owned| owned.id);
                for row in rows.collect::<Vec<_>>() {
                    self.disown(row, batch);
                }
            }
            Fact::RowWritten { row, reason, customer } => {
                let known = self.ledger.owned.get(&row.id);
                let owned = Owned {
                    id: row.id,
                    user: row.user,
                    group: row.group,
                    customer: customer.or(known.and_then(|owned| owned.customer)),
                    valid_from: row.valid_from,
                    valid_until: row.valid_until,
                    reason: *reason,
                    written_at: now,
                    adopted_from: known.and_then(|owned| owned.adopted_from),
                };
                self.own(owned, batch);
            }
            Fact::RowGone { row } => self.disown(*row, batch),
            Fact::PatchIgnored => {
                self.ledger.patch_ignored = true;
                batch.patch_ignored(true);
            }
            Fact::UserSeen { .. } | Fact::RowSeen { .. } => {}
        }
    }

    /// The roster alone follows: how a roster that was read meanwhile is brought up to date.
    fn see(&mut self, fact: &Fact) {
        match fact {
            Fact::UserMade { user } | Fact::UserSeen { user } => {
                self.roster.users.insert(user.id, user.clone());
            }
            Fact::UserGone { user } => {
                self.roster.users.remove(user);
                self.roster.assignments.retain(|_, row| row.user != *user);
            }
            Fact::RowWritten { row, .. } | Fact::RowSeen { row } => {
                self.roster.assignments.retain(|id, other| *id == row.id || !same_slot(other, row));
                self.roster.assignments.insert(row.id, row.clone());
            }
            Fact::RowGone { row } => {
                self.roster.assignments.remove(row);
            }
            Fact::PatchIgnored => {}
        }
    }

    /// Takes in a whole roster. What was written or read singly since it began to be read stands over its lists.
    pub fn take_roster(&mut self, roster: Roster) {
        self.roster = roster;
        for fact in std::mem::take(&mut self.since_roster) {
            self.see(&fact);
        }
        self.dirty = true;
    }

    /// A row is ours.
    pub fn own(&mut self, owned: Owned, batch: &mut Batch) {
        batch.own(&owned);
        self.ledger.owned.insert(owned.id, owned);
        self.dirty = true;
    }

    fn disown(&mut self, row: AssignmentId, batch: &mut Batch) {
        if self.ledger.owned.remove(&row).is_some() {
            batch.disown(row);
        }
    }

    /// What is noted of a user.
    pub fn note(&mut self, account: Account, batch: &mut Batch) {
        batch.account(&account);
        self.ledger.accounts.insert(account.user, account);
    }

    /// The customer that a Kisi user stands for.
    pub fn customer_of(&self, user: UserId) -> Option<CustomerId> {
        let noted = self.ledger.accounts.get(&user).and_then(|account| account.customers.first().copied());
        noted.or_else(|| self.roster.users.get(&user).and_then(|user| user.marked_customer()))
    }

    /// Rows and users of the ledger that the roster does not show: each is read by itself before it counts as gone.
    pub fn unseen(&self) -> (Vec<AssignmentId>, Vec<UserId>) {
        let rows = self.ledger.owned.keys().filter(|id| !self.roster.assignments.contains_key(id));
        let users = self.ledger.accounts.keys().filter(|user| !self.roster.users.contains_key(user));
        (rows.copied().collect(), users.copied().collect())
    }

    /// Notes that a row of ours is gone without our doing: drift, where its window was not over.
    pub fn missed(&mut self, row: AssignmentId, now: Timestamp) {
        let Some(owned) = self.ledger.owned.get(&row) else { return };
        let over = owned.valid_until.is_some_and(|until| until <= now);
        if !over {
            self.contests.removed(owned.user, owned.group, now);
        }
    }

    /// Notes that a row of ours has another window than we gave it, without our doing. What stands there is noted too,
    /// so that it is told once.
    pub fn altered(&mut self, row: &Assignment, now: Timestamp, batch: &mut Batch) {
        let Some(owned) = self.ledger.owned.get(&row.id) else { return };
        let under_way = |intent: &crate::domain::ledger::Intent| match &intent.change.action {
            Action::Moved { row: of, .. } | Action::Removed { row: of, .. } => *of == row.id,
            _ => false,
        };
        let same = (owned.valid_from, owned.valid_until) == (row.valid_from, row.valid_until);
        let slot = (owned.user, owned.group) == (row.user, row.group);
        if same || !slot || self.ledger.intents.values().any(under_way) {
            return;
        }
        let noted = Owned { valid_from: row.valid_from, valid_until: row.valid_until, ..owned.clone() };
        self.contests.changed(row.user, row.group, now);
        self.own(noted, batch);
    }

    /// Rows that a whole reading shows otherwise than we gave them; not those written since it began.
    pub fn altered_in(&mut self, roster: &Roster, now: Timestamp, batch: &mut Batch) {
        let written: BTreeSet<AssignmentId> = self
            .since_roster
            .iter()
            .filter_map(|fact| match fact {
                Fact::RowWritten { row, .. } | Fact::RowSeen { row } => Some(row.id),
                _ => None,
            })
            .collect();
        let owned: Vec<AssignmentId> = self.ledger.owned.keys().copied().filter(|id| !written.contains(id)).collect();
        for row in owned.iter().filter_map(|id| roster.assignments.get(id)) {
            self.altered(row, now, batch);
        }
    }

    /// Something about the store that the operator must know; the oldest of too many go.
    pub fn note_store(&mut self, note: String) {
        if self.store_notes.len() >= STORE_NOTES_MAX {
            self.store_notes.remove(0);
        }
        self.store_notes.push(note);
    }

    /// Keeps a change from being tried again at once.
    pub fn park(&mut self, change: &Change, why: String, until: Mono) {
        let same =
            |parked: &&mut Parked| parked.change.action == change.action && parked.change.person == change.person;
        match self.parked.iter_mut().find(same) {
            Some(parked) => {
                parked.why = why;
                parked.until = until;
                parked.tries = parked.tries.saturating_add(1);
            }
            None => self.parked.push(Parked { change: change.clone(), why, until, tries: 1 }),
        }
    }

    /// Whether the change is set aside at `now`, and how often it has failed.
    pub fn parked(&self, change: &Change) -> Option<&Parked> {
        self.parked.iter().find(|parked| parked.change.action == change.action && parked.change.person == change.person)
    }

    /// Forgets what was set aside for changes that are no longer wanted, or that went through.
    pub fn unpark(&mut self) {
        let wanted = &self.decision.go;
        self.parked.retain(|parked| {
            wanted.iter().any(|change| change.action == parked.change.action && change.person == parked.change.person)
        });
    }

    /// Whether the last decision still stands at `now`, with nothing left to do by it: nothing was learnt since, and the
    /// clock has not reached the next moment at which it alone changes something. Once in a while it is decided anew all
    /// the same.
    pub fn stands(&self, now: Timestamp) -> bool {
        let decision = &self.decision;
        let young = decision.at.is_some_and(|at| at <= now && now - at < DECIDED_ANEW);
        let nothing_to_do = decision.go.is_empty() && self.ledger.intents.is_empty();
        young && nothing_to_do && !self.dirty && decision.plan.next_at.is_none_or(|next| now < next)
    }

    /// An event that was read, for the page.
    pub fn show_event(&mut self, event: crate::domain::event::Event) {
        if let Some(door) = &event.door
            && let Some(state) = self.retained.doors.get_mut(&door.id)
        {
            state.last_event = state.last_event.max(Some(event.time));
        }
        self.events.push_back(event);
        while self.events.len() > EVENTS_SHOWN {
            self.events.pop_front();
        }
    }
}

impl Undone for State {
    fn left(&self, email: Option<&Email>, user: Option<UserId>) -> Vec<Left> {
        let concerns = |change: &&Change| {
            let person = &change.person;
            (email.is_some() && person.email.as_ref() == email) || (user.is_some() && person.user == user)
        };
        let held = self.decision.held.iter().filter(concerns).map(|change| Left::Held {
            change: change.word(),
            group: change.group(),
            plan: self.decision.held_id.clone().unwrap_or_default(),
        });
        let parked = self.parked.iter().filter(|parked| concerns(&&parked.change));
        let refused = parked.map(|parked| Left::Refused {
            change: parked.change.word(),
            group: parked.change.group(),
            why: parked.why.clone(),
        });
        let contested = user.zip(self.decision.at).map(|(user, now)| self.contests.waiting(user, now));
        let contested = contested.into_iter().flatten().map(|(group, contest)| Left::Contested {
            group,
            times: contest.removed,
            back_at: contest.back_at,
        });
        refused.chain(held).chain(contested).collect()
    }
}

fn same_slot(a: &Assignment, b: &Assignment) -> bool {
    (a.user, a.group) == (b.user, b.group)
}

/// What is learnt of how Kisi answers, where its documents leave it open, and kept under one name in the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learnt {
    /// Kisi takes the deprecated form of a new assignment alone.
    pub old_form: bool,
}

impl Learnt {
    /// The form to try first.
    pub fn form(self) -> Form {
        if self.old_form { Form::Old } else { Form::New }
    }

    /// Notes which form was taken. Whether that is new.
    pub fn learn(&mut self, form: Form) -> bool {
        let old_form = form == Form::Old;
        let new = old_form != self.old_form;
        self.old_form = old_form;
        new
    }
}

/// A change that was made, as it is told.
pub fn membership(change: &Change, people: crate::report::People, now: Timestamp) -> Membership {
    let window = change.window();
    Membership {
        time: now,
        member: crate::report::Member::new(change, people),
        valid_from: window.and_then(|window| window.from()),
        valid_until: window.and_then(|window| window.until()),
    }
}
