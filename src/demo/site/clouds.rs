//! The site put into both twins, and their hard switches turned on.

use chrono::TimeDelta;
use serde_json::json;

use super::config;
use super::people::{Person, Role};
use super::rooms::{self, Actors, Booked};
use super::{
    ALTERNATE_GROUP, DESK_GROUPS, EVENING_GROUP, FLOOR_GROUP, KEY_USER, LOCATION, LOUNGE_GROUP, OFFICE_MANAGER,
    OFFICES, PASSES, PLACE, PLAIN_PLAN, RESIDENT_PLAN, ROOMS, STAFF_GROUP, ZONE, office_group, room, room_group, start,
};
use crate::twin::kisi::{
    Assignee, Assignment, CacheSync, Controller, Creator, DeniedAs, EventOrder, EventSets, Expired, Group, GroupLock,
    Honoured, KisiTwin, Lock, Metadata, OfflineEvents, Organization, Place, Reader, RetryAfter, Scope, User,
};
use crate::twin::nexudus::switches::{ActiveUntil, Limits, Snapshot};
use crate::twin::nexudus::{Entity, NexudusTwin, SetupError};

/// The main entrance.
pub(super) const MAIN_ENTRANCE: u64 = 3301;
/// The door to the yard.
const YARD: u64 = 3302;
/// The doors of both floors.
const FLOORS: [u64; 2] = [3303, 3304];
/// The lounge's door.
const LOUNGE: u64 = 3305;
/// The cleaner's user.
pub(super) const CLEANER: u64 = 700_010;
/// How many doors there are.
const DOORS: u64 = 30;
/// What every answer takes, in milliseconds.
pub(super) const LATENCY_MS: (u32, u32) = (50, 400);

/// The doors, the groups, and which door is in which group.
pub(super) struct Doors {
    pub(super) ties: Vec<(u64, u64)>,
    pub(super) doors: Vec<(u64, String)>,
    pub(super) groups: Vec<(u64, String)>,
}

/// The reader at a door.
pub(super) fn reader_of(lock: u64) -> u64 {
    lock + 2_000
}

/// The door of a room. Seventeen have one of their own, the rest share the doors of two corridors.
fn room_door(number: i64) -> u64 {
    match number.unsigned_abs() {
        n @ 1..=17 => LOUNGE + n,
        n => LOUNGE + 18 + (n - 18) / 4,
    }
}

/// The door of an office; two share one.
fn office_door(number: i64) -> u64 {
    LOUNGE + 19 + number.unsigned_abs().div_ceil(2)
}

fn room_name(number: i64) -> String {
    const NAMES: [&str; 25] = [
        "Anchor", "Beacon", "Capstan", "Davit", "Ensign", "Fathom", "Galley", "Halyard", "Inlet", "Jetty", "Keel",
        "Lantern", "Mast", "Narrows", "Oar", "Pier", "Quay", "Rudder", "Sextant", "Tiller", "Upstream", "Voyage",
        "Wharf", "Xebec", "Yawl",
    ];
    let at = usize::try_from(number - 1).unwrap_or(0) % NAMES.len();
    NAMES[at].to_owned()
}

fn plan_of_doors() -> Doors {
    let mut doors: Vec<(u64, String)> = (MAIN_ENTRANCE..MAIN_ENTRANCE + DOORS)
        .map(|id| {
            let name = match id - LOUNGE.min(id) {
                n @ 1..=17 => format!("{} door", room_name(i64::try_from(n).unwrap_or(1))),
                18 => "West corridor".to_owned(),
                19 => "East corridor".to_owned(),
                n => format!("Offices {} and {}", (n.max(20) - 19) * 2 - 1, (n.max(20) - 19) * 2),
            };
            (id, name)
        })
        .collect();
    for (id, name) in [
        (MAIN_ENTRANCE, "Main entrance"),
        (YARD, "Yard entrance"),
        (FLOORS[0], "Ground floor"),
        (FLOORS[1], "First floor"),
        (LOUNGE, "Lounge"),
    ] {
        doors.iter_mut().filter(|(door, _)| *door == id).for_each(|(_, known)| name.clone_into(known));
    }
    let mut groups = Vec::new();
    let mut ties = Vec::new();
    let mut group = |id: u64, name: String, opens: &[u64]| {
        groups.push((id, name));
        ties.extend(opens.iter().map(|door| (id, *door)));
    };
    for number in 1..=ROOMS {
        let name = format!("Room {}", room_name(number));
        group(room_group(number), name.clone(), &[MAIN_ENTRANCE, room_door(number)]);
        if number == ROOMS {
            group(ALTERNATE_GROUP, format!("{name} (second)"), &[MAIN_ENTRANCE, room_door(number)]);
        }
    }
    group(FLOOR_GROUP, "Open floor".to_owned(), &[MAIN_ENTRANCE, YARD, FLOORS[0]]);
    group(EVENING_GROUP, "Evenings".to_owned(), &[MAIN_ENTRANCE, FLOORS[0]]);
    group(DESK_GROUPS[0], "Desks north".to_owned(), &[MAIN_ENTRANCE, YARD, FLOORS[0]]);
    group(DESK_GROUPS[1], "Desks south".to_owned(), &[MAIN_ENTRANCE, YARD, FLOORS[1]]);
    for number in 1..=OFFICES {
        let doors = [MAIN_ENTRANCE, YARD, FLOORS[1], office_door(number)];
        group(office_group(number), format!("Office {number}"), &doors);
    }
    group(LOUNGE_GROUP, "Lounge".to_owned(), &[MAIN_ENTRANCE, LOUNGE]);
    group(STAFF_GROUP, "Staff".to_owned(), &doors.iter().map(|(id, _)| *id).collect::<Vec<_>>());
    Doors { ties, doors, groups }
}

/// Kisi as it is before the day: hardware, groups, the people it knows already, and a few rows made by hand.
pub(super) fn kisi(people: &[Person]) -> (KisiTwin, Doors) {
    let organization = Organization { id: 5150, name: "Harbour House".to_owned(), domain: "harbour-house".to_owned() };
    let mut twin = KisiTwin::new(organization, 20_271_028);
    let built = start() - TimeDelta::days(90);
    twin.add_place(Place {
        id: PLACE,
        name: "Harbour House".to_owned(),
        time_zone: ZONE.to_owned(),
        offline_since: None,
    });
    let plan = plan_of_doors();
    for (id, name) in &plan.groups {
        twin.add_group(Group { id: *id, name: name.clone(), place_id: Some(PLACE), ..Group::default() });
    }
    for (id, name) in &plan.doors {
        twin.add_lock(Lock { id: *id, name: name.clone(), place_id: PLACE, ..Lock::default() });
        let reader = Reader {
            id: reader_of(*id),
            name: format!("{name} reader"),
            place_id: PLACE,
            lock_id: Some(*id),
            ..Reader::default()
        };
        twin.add_reader(reader);
    }
    for (group_id, lock_id) in &plan.ties {
        twin.add_group_lock(GroupLock { id: 0, group_id: *group_id, lock_id: *lock_id, created_at: built });
    }
    for id in 410..414 {
        let name = format!("Cupboard {}", id - 409);
        twin.add_controller(Controller { id, name, place_id: PLACE, ..Controller::default() });
    }
    let mut user = |id: u64, name: &str, email: &str| {
        let user = User { id, name: Some(name.to_owned()), email: email.to_owned(), ..User::default() };
        twin.add_user(user, built)
    };
    user(KEY_USER, "Gatehouse", "gatehouse@harbour-house.example");
    user(OFFICE_MANAGER, "Morgan Reyes", "morgan.reyes@staff.example");
    user(CLEANER, "Night Cleaning Ltd", "crew@night-cleaning.example");
    for person in people {
        if let (Some(id), Some(email)) = (person.user, &person.email) {
            // Kisi keeps what people typed when they signed up there.
            let email = if id % 5 == 0 { email.trim().to_uppercase() } else { email.trim().to_owned() };
            user(id, &person.name, &email);
        }
    }
    for admin in [KEY_USER, OFFICE_MANAGER] {
        let mut row = Assignment::in_group(admin, 0, Creator::Unknown);
        row.scope = Scope::Organization;
        "organization_administrator".clone_into(&mut row.role_id);
        twin.add_assignment(row, built);
    }
    let key = crate::twin::kisi::Key { user: KEY_USER, refused: None, writes_refused: None };
    twin.add_key(config::KISI_KEY, key);
    by_hand(&mut twin, people);
    twin.switch(|hard| {
        hard.patch_window = Honoured::Ignored;
        hard.expired_rows = Expired::Stay;
        hard.retry_after = RetryAfter::None;
        hard.metadata = Metadata::Replaced;
        hard.name_on_post = Honoured::Ignored;
        hard.denied_as = DeniedAs::ReaderAccess;
        hard.event_sets = EventSets::AtOnce;
        hard.event_order = EventOrder::Shuffled;
        hard.event_delay_ms = (0, 20_000);
        hard.offline_events = OfflineEvents::Uploaded { after_ms: 5_000 };
        hard.cache_sync = CacheSync::AtOnce;
        hard.cache_keeps_windows = false;
        hard.requests_per_second = 5;
    });
    twin.faults.latency_ms = (LATENCY_MS.0.into(), LATENCY_MS.1.into());
    twin.faults.seed = 7;
    (twin, plan)
}

/// Rows made by hand: the staff's and the cleaner's where no link leads, and two within linked groups.
fn by_hand(twin: &mut KisiTwin, people: &[Person]) {
    let made = start() - TimeDelta::days(60);
    let manager = Creator::User(OFFICE_MANAGER);
    twin.add_assignment(Assignment::in_group(OFFICE_MANAGER, STAFF_GROUP, manager), made);
    twin.add_assignment(Assignment::in_group(CLEANER, STAFF_GROUP, manager), made);
    twin.add_assignment(Assignment::in_group(CLEANER, room_group(1), manager), made);
    // Somebody who has a grant for the same group: the one slot is taken by this row.
    if let Some(user) = people.iter().find(|p| matches!(p.role, Role::Desk(1))).and_then(|p| p.user) {
        let row = Assignment { assignee: Assignee::User(user), ..Assignment::in_group(user, DESK_GROUPS[0], manager) };
        twin.add_assignment(row, made);
    }
}

/// Nexudus as it is before the day.
pub(super) fn nexudus(people: &[Person]) -> Result<(NexudusTwin, Vec<Booked>, Actors), SetupError> {
    let mut twin = NexudusTwin::new(config::NEXUDUS_USER, config::NEXUDUS_PASSWORD);
    twin.switch(|hard| {
        hard.limits = Limits::Strict;
        hard.snapshot = Snapshot::Late(45);
        hard.snapshot_of_deleted = Snapshot::Never;
        hard.active_until = ActiveUntil::Ever;
        hard.check_in_updates_pass = false;
        hard.comma_blank = true;
        hard.fraction = 3;
    });
    twin.faults.latency_ms = (LATENCY_MS.0.into(), LATENCY_MS.1.into());
    twin.faults.seed = 11;
    let site = twin.at(start() - TimeDelta::days(3));
    site.add_location(LOCATION, "Harbour House", ZONE)?;
    for number in 1..=ROOMS {
        site.add_resource(room(number), LOCATION, &format!("Room {}", room_name(number)))?;
    }
    for (kind, name, minutes) in [
        (PASSES[0], "Day pass", None),
        (PASSES[1], "Ten hours", Some(600)),
        (PASSES[2], "Evenings", None),
        (PASSES[3], "Team day pass", None),
    ] {
        site.add_pass_kind(kind, LOCATION, name, minutes)?;
    }
    for weekday in 1..=5 {
        let slot = json!({"TimePassId": PASSES[2], "DayOfWeek": weekday, "FromTime": "1976-01-01T17:00:00Z",
            "ToTime": "1976-01-01T22:00:00Z"});
        site.upsert(Entity::TimePassTimeSlot, None, slot)?;
    }
    site.add_plan(PLAIN_PLAN, LOCATION, "Dedicated")?;
    site.add_plan(RESIDENT_PLAN, LOCATION, "Resident")?;
    for number in 1..=super::DESKS {
        site.add_desk(super::desk(number), LOCATION, &format!("Desk {number}"))?;
    }
    for number in 1..=OFFICES {
        site.add_desk(super::office(number), LOCATION, &format!("Office {number}"))?;
        site.set(Entity::FloorPlanDesk, super::office(number), json!({"ItemType": 1}))?;
    }
    for person in people {
        site.add_customer(person.customer, &person.name, person.email.as_deref())?;
        let mut more =
            json!({"AccessPincode": config::PIN, "AccessCardId": config::CARD, "InvoicingBusinessId": LOCATION});
        if person.role == Role::Duplicate {
            more["Archived"] = json!(true);
            more["Active"] = json!(false);
        }
        site.set(Entity::Coworker, person.customer, more)?;
    }
    teams(site, people)?;
    let (booked, mut actors) = rooms::book(site, people)?;
    rooms::sign(site, people, &mut actors)?;
    Ok((twin, booked, actors))
}

/// The teams of the offices, and those of three who share a pass.
fn teams(site: &mut crate::twin::nexudus::Site, people: &[Person]) -> Result<(), SetupError> {
    for office in 1..=OFFICES {
        let of_office = |p: &&Person| matches!(p.role, Role::Office { number, .. } if number == office);
        let members: Vec<i64> = people.iter().filter(of_office).map(|p| p.customer).collect();
        site.add_team(600 + office, &format!("Company {office}"), &members, false)?;
    }
    let holders = people.iter().filter(|p| p.role == Role::Pass(PASSES[3])).step_by(3);
    let guests: Vec<i64> = people.iter().filter(|p| p.role == Role::Community).map(|p| p.customer).collect();
    for (number, (holder, pair)) in (1..).zip(holders.zip(guests.rchunks(2))) {
        let members: Vec<i64> = std::iter::once(holder.customer).chain(pair.iter().copied()).collect();
        // One team doesn't share.
        site.add_team(640 + number, &format!("Team {number}"), &members, number != 2)?;
    }
    Ok(())
}
