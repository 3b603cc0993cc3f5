//! Plans against the oracle: a Kisi in memory that does what each plan says, woken when the plan asks to be.
//!
//! Records change at some minute, wholly: customers swap addresses, bookings move, contracts end. Rows of another
//! hand stand in the way here and there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gatehouse::domain::ledger::{Ledger, Owned};
use gatehouse::domain::plan::{Action, Change, Plan};
use gatehouse::domain::reconcile::{Known, reconcile};
use gatehouse::domain::roster::{Assignment, Roster, User, mark};
use gatehouse::domain::snapshot::Snapshot;
use gatehouse::domain::{AssignmentId, Email, GroupId, Rules, Timestamp, UserId, Window};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestCaseResult;
use serde_json::json;

use super::calendar::{Minute, write};
use super::reading::{moment, read_again, rules, snapshot};
use super::sites::{Wish, any_change};
use super::{Site, address, who_is_in};

/// The user of our key, and that of another hand.
const OURS: UserId = UserId(700_001);
const ANOTHERS: UserId = UserId(700_002);

proptest! {
    #![proptest_config(super::walks::config(60))]

    /// Woken only when it asked to be and when records change, the program keeps Kisi's rows valid exactly while the
    /// oracle lets their people in, and another hand's rows as they are.
    #[test]
    fn promise_1_2_3_plans_keep_kisi_as_the_oracle_would(
        (case, change_at, later) in any_change(Wish { foreseeable: true, alternates: true }),
        prestage_min in select(&[0u64, 30, 360, 1440][..]),
        foreign in prop::collection::vec((0usize..5, select(&[45_901u64, 45_902, 46_902, 45_904][..])), 0..3),
    ) {
        let mut kisi = Kisi::new(&case.site, prestage_min, &foreign);
        let before = kisi.foreign();
        let mut site = &case.site;
        let mut wake = case.start;
        for now in case.start..case.end {
            if now == change_at {
                site = &later;
                read_again(&mut kisi.snapshot, site, now - 1);
            }
            if now == change_at || now >= wake {
                wake = kisi.settle(now);
            }
            kisi.agrees(site, now)?;
            let plan = kisi.plan(moment(now));
            prop_assert_eq!(plan.changes, [], "it should have asked to be woken at {}Z", write(now));
        }
        prop_assert_eq!(kisi.foreign(), before, "another hand's rows");
    }
}

/// Kisi, and what the program knows: all of it, always.
struct Kisi {
    rules: Rules,
    snapshot: Snapshot,
    roster: Roster,
    ledger: Ledger,
    made: u64,
}

impl Kisi {
    fn new(site: &Site, prestage_min: u64, foreign: &[(usize, u64)]) -> Kisi {
        let rules = Rules { prestage: Duration::from_secs(prestage_min * 60), ..rules(site) };
        let snapshot = snapshot(site);
        let mut kisi = Kisi { rules, snapshot, roster: Roster::default(), ledger: Ledger::default(), made: 0 };
        kisi.roster.read_at = Some(moment(0));
        for (customer, group) in foreign {
            let email = site.coworkers[*customer]["Email"].as_str().and_then(Email::parse);
            let Some(email) = email else { continue };
            let user = kisi.user(&email, None);
            kisi.row(user, GroupId(*group), Window::ALWAYS, ANOTHERS);
        }
        kisi
    }

    /// The user of that address, made where there is none.
    fn user(&mut self, email: &Email, customer: Option<u64>) -> UserId {
        if let Some(user) = self.roster.by_email(email).next() {
            return user.id;
        }
        self.made += 1;
        let id = UserId(771_000 + self.made);
        let mut metadata = BTreeMap::new();
        if let Some(customer) = customer {
            metadata.insert(mark::SITE.to_owned(), json!(self.rules.site));
            metadata.insert(mark::CUSTOMER.to_owned(), json!(customer.to_string()));
        }
        let user = User { id, email: Some(email.clone()), name: "Ada Jones".to_owned(), enabled: true, metadata };
        self.roster.users.insert(id, user);
        id
    }

    /// Makes a row, where its slot is free.
    fn row(&mut self, user: UserId, group: GroupId, window: Window, by: UserId) -> Option<Assignment> {
        if self.roster.slot(user, group).is_some() {
            return None;
        }
        self.made += 1;
        let row = Assignment {
            id: AssignmentId(6_600_000 + self.made),
            user,
            group,
            role: "group_basic".to_owned(),
            valid_from: window.from(),
            valid_until: window.until(),
            created_by: Some(by),
        };
        self.roster.assignments.insert(row.id, row.clone());
        Some(row)
    }

    fn foreign(&self) -> BTreeMap<AssignmentId, Assignment> {
        let rows = self.roster.assignments.iter().filter(|(_, row)| row.created_by != Some(OURS));
        rows.map(|(id, row)| (*id, row.clone())).collect()
    }

    /// Does what plans say until nothing is left to do; when to wake next.
    fn settle(&mut self, now: Minute) -> Minute {
        for _ in 0..6 {
            let plan = self.plan(moment(now));
            for account in &plan.accounts {
                self.ledger.accounts.insert(account.user, account.clone());
            }
            if plan.changes.is_empty() && plan.accounts.is_empty() {
                assert_eq!(plan.waiting, None, "both readings are complete");
                return plan.next_at.map_or(Minute::MAX, |at| at.timestamp().div_euclid(60));
            }
            for change in &plan.changes {
                self.apply(change, moment(now));
            }
        }
        panic!("a plan that is done calls for another, {}Z: {:#?}", write(now), self.plan(moment(now)));
    }

    fn plan(&self, now: Timestamp) -> Plan {
        let Kisi { snapshot, roster, ledger, rules, .. } = self;
        reconcile(Known { snapshot, roster, ledger, rules, own_user: Some(OURS), now })
    }

    fn apply(&mut self, change: &Change, now: Timestamp) {
        let person = &change.person;
        let email = person.email.as_ref();
        match &change.action {
            Action::Invited => {
                self.user(email.expect("an address to invite"), person.customer.map(|customer| customer.0));
            }
            Action::Added { group, window } => {
                let known =
                    person.user.or_else(|| email.and_then(|email| Some(self.roster.by_email(email).next()?.id)));
                let Some(user) = known else { return };
                let row = self.row(user, *group, *window, OURS).expect("POST to a slot that is taken");
                self.own(&row, change, now);
            }
            Action::Moved { group, row, window } => {
                let row = self.roster.assignments.get_mut(row).expect("PATCH of a row that is gone");
                assert_eq!((row.group, row.created_by), (*group, Some(OURS)), "a row of another hand");
                (row.valid_from, row.valid_until) = (window.from(), window.until());
                let row = row.clone();
                self.own(&row, change, now);
            }
            Action::Removed { row, .. } => {
                let gone = self.roster.assignments.remove(row).expect("DELETE of a row that is gone");
                assert_eq!(gone.created_by, Some(OURS), "a row of another hand");
                self.ledger.owned.remove(row);
            }
            Action::Suspended | Action::Restored => {
                let user = person.user.and_then(|id| self.roster.users.get_mut(&id)).expect("a user");
                user.enabled = change.action == Action::Restored;
                let text = if user.enabled { String::new() } else { now.to_rfc3339() };
                user.metadata.insert(mark::SUSPENDED_AT.to_owned(), json!(text));
            }
            Action::Deleted | Action::Adopted { .. } => panic!("not asked for: {change:?}"),
        }
    }

    fn own(&mut self, row: &Assignment, change: &Change, now: Timestamp) {
        let owned = Owned {
            id: row.id,
            user: row.user,
            group: row.group,
            customer: change.person.customer,
            valid_from: row.valid_from,
            valid_until: row.valid_until,
            reason: change.reason,
            written_at: now,
            adopted_from: None,
        };
        self.ledger.owned.insert(row.id, owned);
    }

    /// Rows of ours are valid for those whom the oracle lets in, and for nobody else.
    fn agrees(&self, site: &Site, now: Minute) -> TestCaseResult {
        let alternates: BTreeMap<u64, u64> =
            site.ties.iter().filter_map(|tie| Some((tie.alternate?, tie.group))).collect();
        let key = |row: &Assignment| {
            let email = self.roster.users.get(&row.user).and_then(|user| user.email.as_ref()).expect("an address");
            (email.as_str().to_owned(), alternates.get(&row.group.0).copied().unwrap_or(row.group.0))
        };
        let rows = self.roster.assignments.values();
        let (ours, others): (Vec<&Assignment>, Vec<&Assignment>) = rows.partition(|row| row.created_by == Some(OURS));
        let open = ours.iter().filter(|row| row.window().is_some_and(|window| window.contains(moment(now))));
        let valid: BTreeSet<_> = open.map(|row| key(row)).collect();
        let names = |(customer, group)| (address(site, customer).expect("no address, no access"), group);
        let inside: BTreeSet<_> = who_is_in(site, now).into_iter().map(names).collect();
        let extra: Vec<_> = valid.difference(&inside).collect();
        prop_assert!(extra.is_empty(), "{extra:?} may open doors at {}Z", write(now));
        // Another hand's row in one slot leaves the other, where there is one.
        let slots = |group: u64| {
            1 + site.ties.iter().filter_map(|tie| (tie.group == group).then_some(tie.alternate?)).take(1).count()
        };
        let in_the_way = |held: &(String, u64)| others.iter().filter(|row| key(row) == *held).count() == slots(held.1);
        let shut_out: Vec<_> = inside.difference(&valid).filter(|key| !in_the_way(key)).collect();
        prop_assert!(shut_out.is_empty(), "{shut_out:?} stand before shut doors at {}Z", write(now));
        let suspended = |email: &String| {
            self.roster
                .users
                .values()
                .any(|user| user.email.as_ref().is_some_and(|e| e.as_str() == email) && !user.enabled)
        };
        prop_assert!(!inside.iter().any(|(email, _)| suspended(email)), "suspended though in at {}Z", write(now));
        Ok(())
    }
}
