//! A site of any size, in memory: customers with a user in Kisi each, and bookings over the coming fortnight.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use gatehouse::domain::event::{Door, Event};
use gatehouse::domain::ledger::{Account, Ledger};
use gatehouse::domain::reconcile::Known;
use gatehouse::domain::roster::{Roster, User};
use gatehouse::domain::snapshot::{Booking, Customer, Listing, Snapshot};
use gatehouse::domain::*;

/// How many rooms there are, each with its group.
const ROOMS: u64 = 20;

/// Both clouds and the ledger, as a pass finds them.
pub struct Site {
    snapshot: Snapshot,
    roster: Roster,
    ledger: Ledger,
    rules: Rules,
    now: Timestamp,
}

impl Site {
    /// So many people with so many bookings between them.
    pub fn new(people: u64, bookings: u64) -> Site {
        let now: Timestamp = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(20_820);
        let mut site = Site {
            snapshot: Snapshot::default(),
            roster: Roster { read_at: Some(now), ..Roster::default() },
            ledger: Ledger::default(),
            rules: rules(),
            now,
        };
        let address = |n: u64| Email::parse(&format!("person{n}@members.example"));
        let customers: Vec<Customer> = (1..=people)
            .map(|n| Customer {
                id: CustomerId(n),
                name: format!("Person {n}"),
                email: address(n),
                active: true,
                archived: false,
            })
            .collect();
        let booked: Vec<Booking> = (1..=bookings).map(|n| booking(n, people, now)).collect();
        // Two whole readings, so that absences are believed.
        for minutes in [10, 5] {
            let (whole, began) = (Some(Window::ALWAYS), now - TimeDelta::minutes(minutes));
            site.snapshot.customers.absorb(Listing { rows: customers.clone(), aside: vec![], whole, began });
            site.snapshot.bookings.absorb(Listing { rows: booked.clone(), aside: vec![], whole, began });
        }
        for n in 1..=people {
            let (id, email) = (UserId(700_000 + n), address(n));
            let name = format!("Person {n}");
            site.roster
                .users
                .insert(id, User { id, email: email.clone(), name, enabled: true, metadata: BTreeMap::new() });
            let account = Account {
                user: id,
                customers: vec![CustomerId(n)],
                email,
                managed: true,
                no_access_since: None,
                adopted_suspended: false,
            };
            site.ledger.accounts.insert(id, account);
        }
        site
    }

    /// What a pass decides over.
    pub fn known(&self) -> Known<'_> {
        Known {
            snapshot: &self.snapshot,
            roster: &self.roster,
            ledger: &self.ledger,
            rules: &self.rules,
            own_user: Some(UserId(1)),
            now: self.now,
        }
    }
}

/// An hour in some room, some time in the next fortnight.
fn booking(n: u64, people: u64, now: Timestamp) -> Booking {
    let slot = i64::try_from(n * 7_919 % (14 * 24)).unwrap_or_default();
    let from = now + TimeDelta::hours(slot);
    Booking {
        id: BookingId(n),
        unique_id: None,
        resource: ResourceId(n % ROOMS + 1),
        customer: Some(CustomerId(n % people + 1)),
        from,
        to: from + TimeDelta::hours(1),
        tentative: false,
    }
}

fn rules() -> Rules {
    let quarter = Duration::from_secs(900);
    let link = |n: u64| Link {
        item: Item::Resource(ResourceId(n)),
        group: GroupId(45_900 + n),
        alternate: None,
        before: quarter,
        after: quarter,
        share_with_team: false,
        ignore_slots: false,
    };
    Rules {
        site: "bench".to_owned(),
        zone: Zone::named("Europe/London").unwrap_or_else(|why| panic!("tzdata: {why}")),
        links: (1..=ROOMS).map(link).collect(),
        prestage: Duration::from_secs(24 * 3_600),
        horizon: Duration::from_secs(14 * 86_400),
        refresh: Duration::from_secs(60),
        tentative: false,
        contract_end: ContractEnd::End,
        never_touch: vec![EmailPattern::new("*@staff.example")],
        no_access: NoAccess::Suspend,
        no_access_after: Duration::from_secs(24 * 3_600),
        new_users: NewUsers::Regular,
        existing_users: ExistingUsers::Assign,
        sole_writer: false,
        key_is_ours_alone: false,
        hold_after_removals: 50,
        hold_after_share: 0.25,
    }
}

/// A page of so many bookings as Nexudus writes it, with the fields that nobody needs as well.
pub fn page(bookings: u64) -> Vec<u8> {
    let mut rows = String::new();
    for n in 1..=bookings {
        let comma = if n > 1 { "," } else { "" };
        _ = write!(
            rows,
            "{comma}{{\"CoworkerId\":{n},\"CoworkerFullName\":\"Person {n}\",\"CoworkerEmail\":\"person{n}@members.example\",\
             \"ResourceId\":{},\"ResourceName\":\"Room\",\"FromTime\":\"2027-01-14T09:00:00Z\",\
             \"ToTime\":\"2027-01-14T10:00:00Z\",\"FromTimeLocal\":\"2027-01-14T09:00:00\",\"Online\":true,\
             \"Tentative\":false,\"RepeatBooking\":false,\"Notes\":null,\"ChargeNow\":null,\"InvoiceThisCoworker\":true,\
             \"UpdatedOn\":\"2027-01-13T09:00:00Z\",\"CreatedOn\":\"2027-01-13T09:00:00Z\",\"UniqueId\":\
             \"5d6e3a52-0000-4000-8000-{n:012}\",\"IsNew\":false,\"Id\":{n}}}",
            n % ROOMS + 1
        );
    }
    format!(
        "{{\"Records\":[{rows}],\"CurrentPage\":1,\"CurrentPageSize\":{bookings},\"TotalItems\":{bookings},\
         \"TotalPages\":1,\"HasNextPage\":false}}"
    )
    .into_bytes()
}

/// A card at a door.
pub fn event(n: u64) -> Event {
    let time = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(20_820);
    Event {
        uuid: format!("5d6e3a52-0000-4000-8000-{n:012}"),
        time,
        kind: "lock.unlock".to_owned(),
        door: Some(Door { id: LockId(3_300 + n % ROOMS), name: "Boardroom".to_owned() }),
        success: Some(true),
        error_code: None,
        error_message: None,
        actor: Some(UserId(700_000 + n)),
        actor_name: Some(format!("Person {n}")),
        by: Some("card".to_owned()),
        object: None,
        received_at: time,
        replayed: false,
        late: false,
    }
}
