//! What the store promises, against redb itself.

mod backend;
mod backups;
#[cfg(feature = "demo")]
mod cuts;
mod damage;
#[cfg(feature = "demo")]
mod disks;
mod faults;
mod kept;
mod model;
mod renames;
mod spoilt;
#[cfg(feature = "demo")]
mod workload;

use std::collections::BTreeMap;

use chrono::DateTime;

use super::*;
use crate::domain::event::{Door, Event};
use crate::domain::ledger::{Account, Intent, Owned};
use crate::domain::plan::{Action, Change, PersonRef, Urgency};
use crate::domain::roster::{Assignment, Group, Roster, User};
use crate::domain::snapshot::{Booking, Listing};
use crate::domain::{
    AssignmentId, BookingId, CustomerId, Email, GroupId, LockId, Reason, ResourceId, Timestamp, UserId, Window,
};

fn at(second: i64) -> Timestamp {
    DateTime::from_timestamp(1_795_000_000 + second, 5_000_000).expect("a time")
}

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

fn commit(store: &Store, fill: impl FnOnce(&mut Batch)) -> Result<(), StoreError> {
    let mut batch = Batch::new();
    fill(&mut batch);
    block(store.commit(batch))
}

fn owned(id: u64, until: i64) -> Owned {
    Owned {
        id: AssignmentId(id),
        user: UserId(7),
        group: GroupId(45_901),
        customer: Some(CustomerId(3)),
        valid_from: None,
        valid_until: Some(at(until)),
        reason: Reason::Booking(BookingId(id)),
        written_at: at(0),
        adopted_from: None,
    }
}

fn account(user: u64, managed: bool) -> Account {
    Account {
        user: UserId(user),
        customers: vec![CustomerId(user + 1), CustomerId(user + 2)],
        email: Email::parse("Ada@Example.org"),
        managed,
        no_access_since: managed.then(|| at(9)),
        adopted_suspended: managed,
    }
}

fn intent(id: u64) -> Intent {
    let person =
        PersonRef { customer: None, user: Some(UserId(7)), email: None, name: Some("Ada “B” Byron".to_owned()) };
    let window = Window::new(Some(at(1)), None).expect("a window");
    let action = match id % 3 {
        0 => Action::Invited,
        1 => Action::Moved { group: GroupId(1), row: AssignmentId(id), window },
        _ => Action::Adopted { group: None, row: Some(AssignmentId(id)) },
    };
    let change = Change { urgency: Urgency::Mend, due: at(2), action, person, reason: Reason::Policy };
    Intent { id, change, at: at(3), replacing: id.is_multiple_of(2) }
}

fn event(name: u64, second: i64, door: Option<u64>) -> Event {
    Event {
        uuid: format!("uuid-{name}"),
        time: at(second),
        kind: "lock.unlock".to_owned(),
        door: door.map(|id| Door { id: LockId(id), name: "Oak door".to_owned() }),
        success: Some(true),
        error_code: None,
        error_message: None,
        actor: Some(UserId(771_001)),
        actor_name: Some("Ada Byron".to_owned()),
        by: Some("card".to_owned()),
        object: door.is_none().then(|| ("User".to_owned(), 771_001)),
        received_at: at(second + 1),
        replayed: false,
        late: false,
    }
}

fn booking(id: u64, from: i64) -> Booking {
    Booking {
        id: BookingId(id),
        unique_id: Some(format!("b-{id}")),
        resource: ResourceId(555),
        customer: Some(CustomerId(3)),
        from: at(from),
        to: at(from + 3600),
        tentative: false,
    }
}

fn whole(rows: Vec<Booking>, began: i64) -> Listing<Booking> {
    Listing { rows, aside: Vec::new(), whole: Some(Window::ALWAYS), began: at(began) }
}

fn roster(people: u64, read_at: i64) -> Roster {
    let user = |id| User {
        id: UserId(id),
        email: Email::parse("ada@example.org"),
        name: "Ada".to_owned(),
        enabled: id % 2 == 0,
        metadata: BTreeMap::from([("other".to_owned(), serde_json::json!({"a": [1, null]}))]),
    };
    let row = |id| Assignment {
        id: AssignmentId(id),
        user: UserId(id),
        group: GroupId(1),
        role: "group_basic".to_owned(),
        valid_from: Some(at(1)),
        valid_until: None,
        created_by: None,
    };
    let doors = vec![Door { id: LockId(3301), name: "Oak door".to_owned() }];
    let group = Group { id: GroupId(1), name: "Members".to_owned(), time_restricted: false, doors };
    Roster {
        users: (1..=people).map(|id| (UserId(id), user(id))).collect(),
        assignments: (1..=people).map(|id| (AssignmentId(id), row(id))).collect(),
        groups: BTreeMap::from([(group.id, group)]),
        elevated: (0..people % 2).map(UserId).collect(),
        places: Some(1),
        read_at: Some(at(read_at)),
    }
}
