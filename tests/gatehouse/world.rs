//! A small world for the pure rules: records of Nexudus, rows of Kisi and a ledger, made by hand.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use gatehouse::domain::ledger::{Account, Ledger, Owned};
use gatehouse::domain::plan::{Change, Plan};
use gatehouse::domain::reconcile::{Known, reconcile};
use gatehouse::domain::roster::{Assignment, Roster, User};
use gatehouse::domain::snapshot::{Booking, Customer, Listing, Snapshot};
use gatehouse::domain::*;

pub const ROOM: ResourceId = ResourceId(555);
pub const GROUP: GroupId = GroupId(45901);
pub const SECOND: GroupId = GroupId(45911);
pub const KEY: UserId = UserId(700_001);

pub fn at(text: &str) -> Timestamp {
    text.parse().expect("RFC 3339")
}

pub fn email(text: &str) -> Email {
    Email::parse(text).expect("an address")
}

pub fn minutes(n: u64) -> Duration {
    Duration::from_secs(60 * n)
}

pub fn rules() -> Rules {
    Rules {
        site: "harbour-house".to_owned(),
        zone: Zone::named("Europe/London").expect("tzdata"),
        links: vec![Link {
            item: Item::Resource(ROOM),
            group: GROUP,
            alternate: None,
            before: minutes(15),
            after: minutes(15),
            share_with_team: false,
            ignore_slots: false,
        }],
        prestage: Duration::from_secs(24 * 3600),
        horizon: Duration::from_secs(14 * 86400),
        refresh: Duration::from_secs(60),
        tentative: false,
        contract_end: ContractEnd::End,
        never_touch: vec![EmailPattern::new("*@staff.example")],
        no_access: NoAccess::Suspend,
        no_access_after: Duration::from_secs(24 * 3600),
        new_users: NewUsers::Regular,
        existing_users: ExistingUsers::Assign,
        sole_writer: false,
        key_is_ours_alone: false,
        hold_after_removals: 50,
        hold_after_share: 0.25,
    }
}

/// Both clouds as they are, and the ledger.
#[derive(Clone)]
pub struct World {
    pub snapshot: Snapshot,
    pub roster: Roster,
    pub ledger: Ledger,
    pub rules: Rules,
    pub now: Timestamp,
    next: u64,
}

impl World {
    /// Nothing in either cloud; both have been read completely, twice.
    pub fn new(now: &str) -> World {
        let now = at(now);
        let mut world = World {
            snapshot: Snapshot::default(),
            roster: Roster { read_at: Some(now), ..Roster::default() },
            ledger: Ledger::default(),
            rules: rules(),
            now,
            next: 0,
        };
        for minutes_ago in [10, 5] {
            world.read_all(now - TimeDelta::minutes(minutes_ago));
        }
        world
    }

    /// A complete reading of everything, which shows what is known.
    pub fn read_all(&mut self, began: Timestamp) {
        let whole = Some(Window::ALWAYS);
        let customers = self.snapshot.customers.iter().cloned().collect();
        self.snapshot.customers.absorb(Listing { rows: customers, aside: vec![], whole, began });
        let bookings = self.snapshot.bookings.iter().cloned().collect();
        self.snapshot.bookings.absorb(Listing { rows: bookings, aside: vec![], whole, began });
    }

    pub fn customer(&mut self, id: u64, address: &str) -> CustomerId {
        let id = CustomerId(id);
        let row = Customer {
            id,
            name: format!("Customer {id}"),
            email: Email::parse(address),
            active: true,
            archived: false,
        };
        self.put_customer(row);
        id
    }

    pub fn put_customer(&mut self, row: Customer) {
        let listing = Listing { rows: vec![row], aside: vec![], whole: None, began: self.now };
        self.snapshot.customers.absorb(listing);
    }

    pub fn booking(&mut self, id: u64, customer: CustomerId, from: &str, to: &str) -> BookingId {
        let row = Booking {
            id: BookingId(id),
            unique_id: None,
            resource: ROOM,
            customer: Some(customer),
            from: at(from),
            to: at(to),
            tentative: false,
        };
        self.put_booking(row);
        BookingId(id)
    }

    pub fn put_booking(&mut self, row: Booking) {
        let listing = Listing { rows: vec![row], aside: vec![], whole: None, began: self.now };
        self.snapshot.bookings.absorb(listing);
    }

    pub fn user(&mut self, id: u64, address: &str) -> UserId {
        let user = User {
            id: UserId(id),
            email: Email::parse(address),
            name: format!("User {id}"),
            enabled: true,
            metadata: BTreeMap::new(),
        };
        self.roster.users.insert(user.id, user);
        UserId(id)
    }

    /// A row in Kisi that is not ours.
    pub fn foreign_row(&mut self, user: UserId, group: GroupId, window: Window) -> AssignmentId {
        self.next += 1;
        let row = Assignment {
            id: AssignmentId(6_600_000 + self.next),
            user,
            group,
            role: "group_basic".to_owned(),
            valid_from: window.from(),
            valid_until: window.until(),
            created_by: Some(UserId(1)),
        };
        let id = row.id;
        self.roster.assignments.insert(id, row);
        id
    }

    /// A row of ours, written a day ago for that customer.
    pub fn own_row(&mut self, user: UserId, group: GroupId, window: Window, customer: CustomerId) -> AssignmentId {
        let id = self.foreign_row(user, group, window);
        if let Some(row) = self.roster.assignments.get_mut(&id) {
            row.created_by = Some(KEY);
        }
        let owned = Owned {
            id,
            user,
            group,
            customer: Some(customer),
            valid_from: window.from(),
            valid_until: window.until(),
            reason: Reason::Booking(BookingId(0)),
            written_at: self.now - TimeDelta::days(1),
            adopted_from: None,
        };
        self.ledger.owned.insert(id, owned);
        id
    }

    /// The ledger knows the user by that address.
    pub fn account(&mut self, user: UserId, customer: CustomerId, address: &str, managed: bool) {
        let account = Account {
            user,
            customers: vec![customer],
            email: Email::parse(address),
            managed,
            no_access_since: None,
            adopted_suspended: false,
        };
        self.ledger.accounts.insert(user, account);
    }

    pub fn known(&self) -> Known<'_> {
        Known {
            snapshot: &self.snapshot,
            roster: &self.roster,
            ledger: &self.ledger,
            rules: &self.rules,
            own_user: Some(KEY),
            now: self.now,
        }
    }

    pub fn plan(&self) -> Plan {
        reconcile(self.known())
    }

    /// What the plan would do, in words: `added 45901 771001`.
    pub fn words(&self) -> Vec<String> {
        self.plan().changes.iter().map(words).collect()
    }
}

pub fn words(change: &Change) -> String {
    let group = change.group().map(|group| format!(" {group}")).unwrap_or_default();
    let user = change.person.user.map(|user| format!(" {user}")).unwrap_or_default();
    format!("{}{group}{user}", change.word())
}

pub fn window(from: &str, until: &str) -> Window {
    Window::new(Some(at(from)), Some(at(until))).expect("a window")
}
