//! What is wanted against what Kisi holds: the plan (rules 3 to 5).

mod foreign;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::TimeDelta;

use super::entitle::{self, Entitled};
use super::ledger::{Ledger, Owned};
use super::person::{Match, Matcher, Merged, Person, people};
use super::plan::{Action, Change, Drift, PersonRef, Plan, Urgency};
use super::roster::{Assignment, Roster};
use super::slot::{Taken, due_at, same_from, slots};
use super::snapshot::Snapshot;
use super::{Email, GroupId, Reason, Rules, Timestamp, UserId, Window, account};

/// How long before its old end a window in force is replaced by a longer one, where PATCH is ignored (rules 3).
const EXTENDED_BEFORE: TimeDelta = TimeDelta::seconds(60);

/// All that a decision rests on.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// What Nexudus said.
    pub snapshot: &'a Snapshot,
    /// What Kisi holds.
    pub roster: &'a Roster,
    /// What of it is ours.
    pub ledger: &'a Ledger,
    /// What the operator decided.
    pub rules: &'a Rules,
    /// Our key's own user: rows are cross-checked with it.
    pub own_user: Option<UserId>,
    /// By Kisi's time.
    pub now: Timestamp,
}

/// Decides over the whole: what would have to be done so that Kisi holds what follows from Nexudus.
pub fn reconcile(known: Known<'_>) -> Plan {
    let entitled = entitle::entitle(known.snapshot, known.rules, known.now);
    let people = people(known.snapshot, &entitled);
    let mut planner = Planner::new(known, &people);
    for person in people.values() {
        planner.person(person);
    }
    planner.unwanted();
    planner.foreign();
    account::accounts(&known, &planner.users, &people, &planner.matcher, &mut planner.plan);
    planner.finish(entitled)
}

/// Whether an absence in Nexudus can be believed yet: two complete readings of every list that the links need, at
/// least `refresh` apart since the cache was made; a list that comes back empty although Kisi holds rows of ours that
/// came from it is none (rules 6). `Err` says what is waited for.
pub fn removals_allowed(known: &Known<'_>) -> Result<(), String> {
    let Known { snapshot, rules, ledger, .. } = known;
    let refresh = TimeDelta::from_std(rules.refresh).unwrap_or(TimeDelta::zero());
    let twice = |name: &str, whole: Option<(Timestamp, Timestamp)>| match whole {
        None => Err(format!("no complete reading of {name} yet")),
        Some((first, last)) if last - first < refresh => Err(format!(
            "a second complete reading of {name} is waited for, {} s after the first",
            refresh.num_seconds()
        )),
        Some(_) => Ok(()),
    };
    let baseline = |name: &str, ever: bool, kind: fn(&Reason) -> bool| match ever
        || !ledger.owned.values().any(|owned| kind(&owned.reason))
    {
        true => Ok(()),
        false => Err(format!("the list of {name} came back empty, but Kisi holds assignments that came from it")),
    };
    twice("customers", snapshot.customers.whole())?;
    let needs = rules.needs();
    if needs.bookings {
        twice("bookings", snapshot.bookings.whole())?;
        baseline("bookings", snapshot.bookings.ever_filled(), |reason| matches!(reason, Reason::Booking(_)))?;
    }
    if needs.passes {
        twice("passes", snapshot.passes.whole())?;
        twice("kinds of pass", snapshot.pass_kinds.whole())?;
        baseline("passes", snapshot.passes.ever_filled(), |reason| matches!(reason, Reason::Pass(_)))?;
    }
    if needs.contracts {
        twice("contracts", snapshot.contracts.whole())?;
        baseline("contracts", snapshot.contracts.ever_filled(), |reason| matches!(reason, Reason::Contract(_)))?;
    }
    if needs.teams {
        twice("teams", snapshot.teams.whole())?;
    }
    Ok(())
}

/// Since when every list that the links need has been known whole: when the last of their first complete readings
/// began. `None`: one has not been read whole since the cache was made.
fn known_since(known: &Known<'_>) -> Option<Timestamp> {
    let Known { snapshot, rules, .. } = known;
    let needs = rules.needs();
    let needed = [
        (true, snapshot.customers.whole()),
        (needs.bookings, snapshot.bookings.whole()),
        (needs.passes, snapshot.passes.whole()),
        (needs.passes, snapshot.pass_kinds.whole()),
        (needs.contracts, snapshot.contracts.whole()),
        (needs.teams, snapshot.teams.whole()),
    ];
    let firsts = needed.into_iter().filter(|(needed, _)| *needed).map(|(_, whole)| whole.map(|(first, _)| first));
    firsts.collect::<Option<Vec<_>>>()?.into_iter().max()
}

struct Planner<'a> {
    known: Known<'a>,
    people: &'a BTreeMap<Email, Person>,
    matcher: Matcher<'a>,
    slots: BTreeMap<(UserId, GroupId), &'a Assignment>,
    groups: BTreeSet<GroupId>,
    removals: Result<(), String>,
    known_since: Option<Timestamp>,
    /// Which user each person is, and the other way round.
    users: BTreeMap<Email, UserId>,
    persons: BTreeMap<UserId, &'a Person>,
    /// People who have no user of their own and are not to get one.
    unserved: BTreeSet<Email>,
    /// Rows that hold what is wanted, or will once a change is made.
    wanted: BTreeSet<super::AssignmentId>,
    in_the_way: BTreeSet<super::AssignmentId>,
    /// People whose access through their present user is complete, so that rows of an old e-mail may go.
    settled: BTreeSet<(Email, GroupId)>,
    plan: Plan,
}

impl<'a> Planner<'a> {
    fn new(known: Known<'a>, people: &'a BTreeMap<Email, Person>) -> Planner<'a> {
        let matcher = Matcher::new(&known.rules.site, known.roster, known.ledger);
        let mut planner = Planner {
            slots: known.roster.assignments.values().map(|row| ((row.user, row.group), row)).collect(),
            groups: known.rules.groups(),
            removals: removals_allowed(&known),
            known_since: known_since(&known),
            users: BTreeMap::new(),
            persons: BTreeMap::new(),
            unserved: BTreeSet::new(),
            wanted: BTreeSet::new(),
            in_the_way: BTreeSet::new(),
            settled: BTreeSet::new(),
            plan: Plan::default(),
            matcher,
            known,
            people,
        };
        planner.identify();
        planner
    }

    /// Finds everybody's user. Those whose changed e-mail is not followed come last: where somebody else is by now the
    /// user that they were, two people's windows would not fit one slot.
    fn identify(&mut self) {
        let mut not_followed = Vec::new();
        for person in self.people.values() {
            match self.matcher.find(&person.email, &person.customers) {
                Match::User(user) => self.is(person, user),
                Match::New => {}
                Match::Elevated { user, was } => not_followed.push((person, user, was)),
            }
        }
        for (person, user, was) in not_followed {
            let customer = person.customers.first().copied();
            self.plan.drift.push(Drift::Elevated { user, customer, was });
            match self.persons.contains_key(&was) {
                true => drop(self.unserved.insert(person.email.clone())),
                false => self.is(person, was),
            }
        }
    }

    fn is(&mut self, person: &'a Person, user: UserId) {
        self.users.insert(person.email.clone(), user);
        self.persons.insert(user, person);
    }

    /// Whether the row is ours: in the ledger, and by Kisi's word made by our hand, or by the one it was adopted from.
    fn ours(&self, row: &Assignment) -> Option<&'a Owned> {
        let owned = self.known.ledger.owned.get(&row.id)?;
        cross_checked(owned, row, self.known.own_user).then_some(owned)
    }

    fn taken(&self, user: UserId, group: GroupId) -> Taken {
        match self.slots.get(&(user, group)) {
            None => Taken::Free,
            Some(row) => match (self.ours(row), row.window()) {
                (Some(_), Some(window)) if !window.ended(self.known.now) => Taken::Ours(window),
                (Some(_), _) => Taken::Free,
                (None, _) => Taken::Foreign,
            },
        }
    }

    fn person(&mut self, person: &'a Person) {
        let now = self.known.now;
        if self.unserved.contains(&person.email) {
            return;
        }
        let user = self.users.get(&person.email).copied();
        if user.is_none() {
            self.invite(person);
        }
        for (group, windows) in &person.windows {
            self.note_times(windows);
            if windows.iter().any(|merged| merged.window.contains(now)) {
                self.plan.open_now += 1;
            }
            let taken = |group| user.map_or(Taken::Free, |user| self.taken(user, group));
            let alternate = self.known.rules.alternate_of(*group);
            let chosen = slots(
                windows,
                (*group, taken(*group)),
                alternate.map(|alternate| (alternate, taken(alternate))),
                self.known.rules.prestage,
                now,
            );
            let mut settled = true;
            for (slot, merged) in chosen {
                settled &= self.fill(person, user, slot, merged);
            }
            if settled {
                self.settled.insert((person.email.clone(), *group));
            }
        }
    }

    fn invite(&mut self, person: &Person) {
        let horizon = self.known.now + delta(self.known.rules.horizon);
        let coming = person.windows.values().flatten().filter(|merged| {
            !merged.window.ended(self.known.now) && merged.window.from().is_none_or(|from| from <= horizon)
        });
        let Some(first) = coming.min_by_key(|merged| merged.window.from()) else { return };
        let who = self.who(person, None, first);
        self.change(Action::Invited, who, first.reason(self.known.now), first.window);
    }

    /// Makes one slot hold one window. Whether it does already.
    fn fill(&mut self, person: &Person, user: Option<UserId>, group: GroupId, merged: &Merged) -> bool {
        let now = self.known.now;
        let reason = merged.reason(now);
        let who = self.who(person, user, merged);
        let row = user.and_then(|user| self.slots.get(&(user, group)).copied());
        let Some(row) = row else {
            let pending = user.is_some_and(|user| self.unread(user, group));
            if !pending {
                self.change(Action::Added { group, window: merged.window }, who, reason, merged.window);
            }
            return false;
        };
        let Some(owned) = self.ours(row) else {
            self.in_the_way.insert(row.id);
            return true;
        };
        self.wanted.insert(row.id);
        if same_from(row.window(), &merged.window, now) {
            return true;
        }
        if shrinks(row.window(), &merged.window, now) && self.waits(owned) {
            return true;
        }
        if let Some(at) = self.extended_at(row, &merged.window) {
            self.plan.wake_at(at, now);
            return true;
        }
        self.change(Action::Moved { group, row: row.id, window: merged.window }, who, reason, merged.window);
        false
    }

    /// When a window in force may be extended where PATCH is ignored: replacing it takes it away for a moment, so that
    /// waits until shortly before the old end (rules 3). `None`: now.
    fn extended_at(&self, row: &Assignment, wanted: &Window) -> Option<Timestamp> {
        let now = self.known.now;
        let held = row.window().filter(|window| window.contains(now) && wanted.contains(now))?;
        let end = held.until().filter(|_| self.known.ledger.patch_ignored)?;
        let longer = wanted.until().is_none_or(|until| until > end);
        let at = end - EXTENDED_BEFORE;
        (longer && at > now).then_some(at)
    }

    /// Whether the ledger says that a row of ours stands in that slot though the roster does not show it: it is read
    /// again before anything is decided over it.
    fn unread(&self, user: UserId, group: GroupId) -> bool {
        self.known.ledger.owned.values().any(|owned| {
            owned.user == user && owned.group == group && !self.known.roster.assignments.contains_key(&owned.id)
        })
    }

    /// Rows of ours that nothing wants.
    fn unwanted(&mut self) {
        for row in self.slots.values().copied().collect::<Vec<_>>() {
            let Some(owned) = self.ours(row) else { continue };
            if self.wanted.contains(&row.id) || self.untouchable(row.user) {
                continue;
            }
            let ended = row.window().is_none_or(|window| window.ended(self.known.now));
            if !ended && (self.moving_to_another_user(owned) || self.waits(owned)) {
                continue;
            }
            let who = self.holder(owned);
            let reason = if ended || self.by_its_record(owned) { owned.reason } else { Reason::Policy };
            let window = row.window().unwrap_or(Window::ALWAYS);
            self.change(Action::Removed { group: row.group, row: row.id }, who, reason, window);
        }
    }

    /// Whether the row ends by what it came from, and not because a customer or a link is in force no more.
    fn by_its_record(&self, owned: &Owned) -> bool {
        let customer = owned.customer.and_then(|id| self.known.snapshot.customers.get(id));
        self.groups.contains(&owned.group) && customer.is_none_or(|customer| customer.active && !customer.archived)
    }

    /// Whether the row is one of an old e-mail whose new user has not been given the same yet (rules 1, Person).
    fn moving_to_another_user(&self, owned: &Owned) -> bool {
        let Some(customer) = owned.customer.and_then(|id| self.known.snapshot.customers.get(id)) else { return false };
        let Some(email) = &customer.email else { return false };
        let group = self.main_group(owned.group);
        let lasts = |merged: &Merged| !merged.window.ended(self.known.now);
        let person = self.people.get(email);
        let wants = person.and_then(|person| person.windows.get(&group)).is_some_and(|of| of.iter().any(lasts));
        let other = self.users.get(email) != Some(&owned.user);
        wants && other && !self.settled.contains(&(email.clone(), group))
    }

    fn main_group(&self, group: GroupId) -> GroupId {
        let link = self.known.rules.links.iter().find(|link| link.alternate == Some(group));
        link.map_or(group, |link| link.group)
    }

    fn untouchable(&self, user: UserId) -> bool {
        let email = self.known.roster.users.get(&user).and_then(|user| user.email.as_ref());
        email.is_some_and(|email| self.known.rules.never_touch.iter().any(|pattern| pattern.matches(email)))
    }

    /// Whether the removal of that row waits, which is then noted. A row that was written after every list had been
    /// read is none of the baseline: what it came from was seen, so that its end is as sure as any (rules 6).
    fn waits(&mut self, owned: &Owned) -> bool {
        let Err(why) = &self.removals else { return false };
        if self.known_since.is_some_and(|since| owned.written_at >= since) {
            return false;
        }
        self.plan.waiting = Some(why.clone());
        true
    }

    fn who(&self, person: &Person, user: Option<UserId>, merged: &Merged) -> PersonRef {
        let granted = merged.grant(self.known.now).map(|grant| grant.customer);
        PersonRef {
            customer: granted.or(person.customers.first().copied()),
            user,
            email: Some(person.email.clone()),
            name: Some(person.name.clone()),
        }
    }

    fn holder(&self, owned: &Owned) -> PersonRef {
        PersonRef { customer: owned.customer, ..self.user_ref(owned.user) }
    }

    fn user_ref(&self, user: UserId) -> PersonRef {
        user_ref(self.known.roster, user)
    }

    fn change(&mut self, action: Action, person: PersonRef, reason: Reason, window: Window) {
        let row = match &action {
            Action::Moved { row, .. } | Action::Removed { row, .. } => self.known.roster.assignments.get(row),
            _ => None,
        };
        let (urgency, due) = urgency(&action, row.and_then(Assignment::window), &window, self.known.now);
        let mending = person.user.zip(action_group(&action)).is_some_and(|(user, group)| self.mending(user, group));
        let urgency = if mending { Urgency::Mend } else { urgency };
        self.plan.changes.push(Change { urgency, due, action, person, reason });
    }

    /// Whether a row of that slot was taken away to be made anew and is not back yet (rules 3).
    fn mending(&self, user: UserId, group: GroupId) -> bool {
        let of_slot = |change: &Change| change.person.user == Some(user) && change.group() == Some(group);
        self.known.ledger.intents.values().any(|intent| intent.replacing && of_slot(&intent.change))
    }

    fn note_times(&mut self, windows: &[Merged]) {
        let prestage = self.known.rules.prestage;
        for merged in windows {
            let due = due_at(&merged.window, prestage);
            for at in [due, merged.window.from(), merged.window.until()].into_iter().flatten() {
                self.plan.wake_at(at, self.known.now);
            }
        }
    }

    fn finish(mut self, entitled: Entitled) -> Plan {
        let lasting = |grant: &&super::Grant| !grant.window.ended(self.known.now);
        let grants: Vec<_> = entitled.grants.iter().filter(lasting).collect();
        let lasts =
            |person: &&Person| person.windows.values().flatten().any(|merged| !merged.window.ended(self.known.now));
        self.plan.people = self.people.values().filter(lasts).count();
        self.plan.grants = grants.len();
        self.plan.notes = entitled.notes;
        let email = |change: &Change| change.person.email.clone();
        self.plan.changes.sort_by(|a, b| {
            (a.urgency, a.due, email(a), a.word(), a.group()).cmp(&(b.urgency, b.due, email(b), b.word(), b.group()))
        });
        self.plan.drift.sort();
        self.plan
    }
}

impl Plan {
    /// Notes a moment to look again at, if it is yet to come.
    pub(super) fn wake_at(&mut self, at: Timestamp, now: Timestamp) {
        if at > now && self.next_at.is_none_or(|next| at < next) {
            self.next_at = Some(at);
        }
    }
}

/// Whether Kisi's word on who made the row agrees with the ledger (Kisi API notes, 3.3, rule 4). Where Kisi says
/// nothing, or our own user is not known yet, the ledger stands.
pub fn cross_checked(owned: &Owned, row: &Assignment, own_user: Option<UserId>) -> bool {
    if (owned.user, owned.group) != (row.user, row.group) {
        return false;
    }
    match (owned.adopted_from.or(own_user), row.created_by) {
        (Some(expected), Some(made_by)) => expected == made_by,
        _ => true,
    }
}

/// A user as changes name it.
pub(super) fn user_ref(roster: &Roster, user: UserId) -> PersonRef {
    let known = roster.users.get(&user);
    PersonRef {
        customer: known.and_then(|user| user.marked_customer()),
        user: Some(user),
        email: known.and_then(|user| user.email.clone()),
        name: known.map(|user| user.name.clone()),
    }
}

/// Whether the row gives access from `now` on that the window does not.
pub fn shrinks(row: Option<Window>, wanted: &Window, now: Timestamp) -> bool {
    let from_now = Window::new(Some(now), None);
    let left = row.and_then(|row| row.and(&from_now?));
    left.is_some_and(|left| !left.without(wanted).is_empty())
}

fn urgency(action: &Action, row: Option<Window>, window: &Window, now: Timestamp) -> (Urgency, Timestamp) {
    let valid_now = row.is_some_and(|row| row.contains(now));
    let begins = window.from().unwrap_or(now);
    match action {
        Action::Removed { .. } if valid_now => (Urgency::Close, now),
        Action::Removed { .. } => (Urgency::Later, row.and_then(|row| row.from()).unwrap_or(now)),
        Action::Moved { .. } if valid_now && !window.contains(now) => (Urgency::Close, now),
        Action::Moved { .. } if valid_now => {
            let end = super::window::earlier_end(row.and_then(|row| row.until()), window.until());
            (Urgency::Later, end.unwrap_or(now))
        }
        _ if window.contains(now) => (Urgency::Open, begins),
        _ => (Urgency::Later, begins),
    }
}

fn action_group(action: &Action) -> Option<GroupId> {
    match action {
        Action::Added { group, .. } | Action::Moved { group, .. } => Some(*group),
        _ => None,
    }
}

fn delta(span: Duration) -> TimeDelta {
    TimeDelta::from_std(span).unwrap_or(TimeDelta::zero())
}
