//! A site by chance put into both twins, with the ways of either by chance, too.

use chrono::{NaiveDate, TimeDelta};
use fastrand::Rng;
use serde_json::json;

use super::Site;
use crate::demo::site::{
    CARD, KEY_USER, KISI_KEY, LOCATION, NEXUDUS_PASSWORD, NEXUDUS_USER, OFFICE_MANAGER, PIN, PLACE,
};
use crate::twin::kisi::{
    Assignee, Assignment, Clash, Controller, Creator, Dates, DeniedAs, EventOrder, EventSets, Expired, Form, Group,
    GroupLock, Honoured, Key, KisiTwin, Lock, Metadata, Missing, Organization, Place, Reader, RetryAfter, Scope, Team,
    User,
};
use crate::twin::nexudus::switches::{
    ActiveUntil, Days, Dir, Limits, Local, Order, Original, Snapshot, SortDirection, UsedDate, Utc,
};
use crate::twin::nexudus::{Entity, NexudusTwin, SetupError};

/// A group that no link names.
const STAFF_GROUP: u64 = 47_001;
/// The longest that an answer takes, in milliseconds.
const LATENCY_MS: [(u64, u64); 3] = [(20, 60), (50, 400), (5, 1_200)];

fn one<T: Clone>(of: &[T], rng: &mut Rng) -> T {
    of[rng.usize(..of.len())].clone()
}

/// Kisi before the run.
pub(super) fn kisi(site: &mut Site, seed: u64, rng: &mut Rng) -> KisiTwin {
    let organization = Organization { id: 5150, name: "Simulated".to_owned(), domain: "simulated".to_owned() };
    let mut twin = KisiTwin::new(organization, seed);
    let built = site.start - TimeDelta::days(90);
    let zone = site.settings.zone.clone();
    twin.add_place(Place { id: PLACE, name: "Simulated".to_owned(), time_zone: zone, offline_since: None });
    for id in site.groups.iter().chain([&STAFF_GROUP]) {
        let group = Group { id: *id, name: format!("Group {id}"), place_id: Some(PLACE), ..Group::default() };
        twin.add_group(group);
    }
    for (reader, lock) in &site.readers {
        let name = format!("Door {lock}");
        twin.add_lock(Lock { id: *lock, name: name.clone(), place_id: PLACE, ..Lock::default() });
        let reader = Reader { id: *reader, name, place_id: PLACE, lock_id: Some(*lock), ..Reader::default() };
        twin.add_reader(reader);
    }
    for (group_id, lock_id) in &site.ties {
        twin.add_group_lock(GroupLock { id: 0, group_id: *group_id, lock_id: *lock_id, created_at: built });
    }
    twin.add_controller(Controller { id: 410, name: "Cupboard".to_owned(), place_id: PLACE, ..Controller::default() });
    let mut user = |id: u64, email: &str| {
        let user = User { id, name: Some(format!("User {id}")), email: email.to_owned(), ..User::default() };
        twin.add_user(user, built)
    };
    user(KEY_USER, "gatehouse@simulated.example");
    user(OFFICE_MANAGER, "manager@staff.example");
    let mut known: Vec<(u64, String)> = Vec::new();
    for person in &site.people {
        let email = person.email.trim().to_lowercase();
        if let Some(id) = person.user.filter(|_| !known.iter().any(|(_, other)| *other == email)) {
            let as_typed = if rng.u8(..4) == 0 { email.to_uppercase() } else { email.clone() };
            user(id, &as_typed);
            known.push((id, email));
        }
    }
    for admin in [KEY_USER, OFFICE_MANAGER] {
        let mut row = Assignment::in_group(admin, 0, Creator::Unknown);
        row.scope = Scope::Organization;
        "organization_administrator".clone_into(&mut row.role_id);
        twin.add_assignment(row, built);
    }
    twin.add_key(KISI_KEY, Key { user: KEY_USER, refused: None, writes_refused: None });
    strangers(&mut twin, site, &known, rng);
    ways_of_kisi(&mut twin, seed, rng);
    site.settings.kisi_answers_ms = i64::try_from(twin.faults.latency_ms.1).unwrap_or(i64::MAX);
    twin
}

/// Rows of other hands, in linked groups and elsewhere, and a team.
fn strangers(twin: &mut KisiTwin, site: &Site, known: &[(u64, String)], rng: &mut Rng) {
    let made = site.start - TimeDelta::days(60);
    let manager = Creator::User(OFFICE_MANAGER);
    twin.add_assignment(Assignment::in_group(OFFICE_MANAGER, STAFF_GROUP, manager), made);
    let cleaner = twin.add_person("crew@cleaning.example", "Crew", made);
    twin.add_assignment(Assignment::in_group(cleaner, site.groups[0], manager), made);
    for (user, _) in known {
        match rng.u8(..40) {
            0 => {
                let group = one(&site.groups, rng);
                twin.add_assignment(Assignment::in_group(*user, group, manager), made);
            }
            1 => {
                twin.add_assignment(Assignment::in_group(*user, STAFF_GROUP, manager), made);
            }
            2 => {
                let integration = Creator::MarketplaceInstallation(77);
                twin.add_assignment(Assignment::in_group(*user, one(&site.groups, rng), integration), made);
            }
            _ => {}
        }
    }
    let members: Vec<u64> = known.iter().filter(|_| rng.u8(..20) == 0).map(|(user, _)| *user).collect();
    if !members.is_empty() {
        let team = twin.add_team(Team { id: 0, name: "Crew".to_owned(), members });
        let mut row = Assignment::in_group(0, STAFF_GROUP, manager);
        row.assignee = Assignee::Team(team);
        twin.add_assignment(row, made);
    }
}

fn ways_of_kisi(twin: &mut KisiTwin, seed: u64, rng: &mut Rng) {
    twin.switch(|ways| {
        ways.requests_per_second = 5;
        ways.refused_calls_count = rng.bool();
        ways.retry_after = one(&[RetryAfter::None, RetryAfter::Seconds, RetryAfter::Date], rng);
        ways.newest_first = rng.bool();
        ways.dates = one(&[Dates::Z, Dates::Fraction, Dates::Offset], rng);
        ways.known_email = one(&[Clash::Conflict, Clash::Invalid], rng);
        ways.name_on_post = one(&[Honoured::Taken, Honoured::Ignored], rng);
        ways.metadata = one(&[Metadata::Merged, Metadata::Replaced], rng);
        ways.email_filter_case_sensitive = rng.u8(..4) == 0;
        ways.missing = one(&[Missing::NotFound, Missing::Invalid], rng);
        ways.assignment_form = one(&[Form::Both, Form::New, Form::Old], rng);
        ways.second_assignment = one(&[Clash::Conflict, Clash::Invalid], rng);
        ways.patch_window = one(&[Honoured::Taken, Honoured::Ignored], rng);
        ways.expired_rows = one(&[Expired::Stay, Expired::Vanish], rng);
        ways.team_rows_by_user = rng.bool();
        ways.denied_as = one(&[DeniedAs::LockUnlock, DeniedAs::ReaderAccess], rng);
        ways.event_sets = one(&[EventSets::AtOnce, EventSets::AtOnce, EventSets::InProgress { polls: 2 }], rng);
        ways.event_page_max = one(&[250, 50], rng);
        ways.event_order = one(&[EventOrder::ByTime, EventOrder::Reversed, EventOrder::Shuffled], rng);
        ways.events_repeat = rng.bool();
        ways.interval_closed = rng.bool();
        ways.event_delay_ms = one(&[(0, 0), (0, 20_000), (0, 90_000)], rng);
    });
    twin.faults.latency_ms = one(&LATENCY_MS, rng);
    twin.faults.seed = seed ^ 7;
}

/// Nexudus before the run.
pub(super) fn nexudus(site: &mut Site, seed: u64, rng: &mut Rng) -> Result<NexudusTwin, SetupError> {
    let mut twin = NexudusTwin::new(NEXUDUS_USER, NEXUDUS_PASSWORD);
    ways_of_nexudus(&mut twin, seed, rng);
    let records = twin.at(site.start - TimeDelta::days(3));
    records.add_location(LOCATION, "Simulated", &site.settings.zone)?;
    for id in &site.resources {
        records.add_resource(*id, LOCATION, &format!("Room {id}"))?;
    }
    for kind in &site.kinds {
        records.add_pass_kind(kind.id, LOCATION, &format!("Pass {}", kind.id), kind.minutes)?;
        if kind.slots {
            let slot = json!({"TimePassId": kind.id, "DayOfWeek": 2, "FromTime": "1976-01-01T17:00:00Z",
                "ToTime": "1976-01-01T22:00:00Z"});
            records.upsert(Entity::TimePassTimeSlot, None, slot)?;
        }
    }
    for id in &site.plans {
        records.add_plan(*id, LOCATION, &format!("Plan {id}"))?;
    }
    for id in &site.desks {
        records.add_desk(*id, LOCATION, &format!("Desk {id}"))?;
    }
    for person in &site.people {
        let email = (!person.email.is_empty()).then_some(person.email.as_str());
        records.add_customer(person.customer, &format!("Person {}", person.customer), email)?;
        let mut more = json!({"AccessPincode": PIN, "AccessCardId": CARD, "InvoicingBusinessId": LOCATION});
        if person.shut {
            more[if rng.bool() { "Active" } else { "Archived" }] = json!(false);
            more["Archived"] = json!(rng.bool());
            more["Active"] = json!(more["Archived"] == true && rng.bool());
        }
        records.set(Entity::Coworker, person.customer, more)?;
    }
    for (id, members) in &site.teams {
        records.add_team(*id, &format!("Team {id}"), members, rng.bool())?;
    }
    let today = site.start.date_naive();
    let day = |offset: i64| -> NaiveDate { today + TimeDelta::days(offset) };
    for booked in &site.bookings {
        let fields = json!({"CoworkerId": booked.customer, "ResourceId": booked.resource,
            "FromTime": booked.from.to_rfc3339(), "ToTime": booked.to.to_rfc3339(), "Online": true,
            "Tentative": rng.u8(..12) == 0});
        records.upsert(Entity::Booking, Some(booked.id), fields)?;
    }
    for pass in &mut site.passes {
        let expires = (rng.u8(..3) > 0).then(|| day(rng.i64(-1..4)));
        pass.0 = records.give_pass(pass.1, pass.2.id, expires)?;
    }
    for contract in &mut site.contracts {
        let desks: Vec<i64> = site.desks.iter().copied().filter(|_| rng.u8(..3) == 0).collect();
        let plan = one(&site.plans, rng);
        contract.0 = records.sign_contract(contract.1, plan, day(rng.i64(-40..3)), &desks)?;
        if rng.u8(..4) == 0 {
            records.give_notice(contract.0, day(rng.i64(-1..5)))?;
        }
        if rng.u8(..5) == 0 {
            let from = rng.i64(-2..4);
            records.pause_contract(contract.0, day(from), day(from + rng.i64(1..4)))?;
        }
    }
    Ok(twin)
}

fn ways_of_nexudus(twin: &mut NexudusTwin, seed: u64, rng: &mut Rng) {
    let never: Vec<&str> = ["Booking", "Coworker", "CoworkerTimePass", "CoworkerContract"]
        .into_iter()
        .filter(|_| rng.u8(..8) == 0)
        .collect();
    twin.switch(|ways| {
        ways.utc = one(&[Utc::Zulu, Utc::Bare, Utc::Offset], rng);
        ways.local = one(&[Local::Bare, Local::FalseZ, Local::FalseOffset], rng);
        ways.fraction = rng.u8(..8);
        ways.local_filters = rng.u8(..4) == 0;
        ways.filters_refuse_zone = rng.u8(..4) == 0;
        ways.dir = one(&[Dir::Names, Dir::OneMinusOne, Dir::ZeroOne], rng);
        ways.default_descending = rng.bool();
        ways.order = one(&[Order::Asked, Order::Asked, Order::Reversed, Order::Shuffled], rng);
        ways.sort_direction = one(&[SortDirection::Number, SortDirection::Word], rng);
        ways.lists_without_access = rng.u8(..4) == 0;
        ways.comma_blank = rng.bool();
        ways.customer_type_words = rng.bool();
        ways.limits = Limits::Strict;
        ways.token_seconds = one(&[604_799, 7_200, 900], rng);
        ways.dead_id_is_500 = rng.bool();
        ways.snapshot =
            one(&[Snapshot::AtOnce, Snapshot::AtOnce, Snapshot::Late(45), Snapshot::Late(400), Snapshot::Never], rng);
        ways.snapshot_of_deleted = one(&[Snapshot::AtOnce, Snapshot::Late(45), Snapshot::Never], rng);
        ways.original = one(&[Original::Id, Original::UniqueId], rng);
        ways.check_in_updates_pass = rng.bool();
        ways.never_updated = never.into_iter().map(str::to_owned).collect();
        ways.days = one(&[Days::LocalMidnight, Days::UtcMidnight], rng);
        ways.used_date = one(&[UsedDate::Instant, UsedDate::Day], rng);
        ways.active_until = one(&[ActiveUntil::CancellationDate, ActiveUntil::Notice, ActiveUntil::Ever], rng);
        ways.next_pause_shown = rng.bool();
    });
    twin.faults.latency_ms = one(&LATENCY_MS, rng);
    twin.faults.seed = seed ^ 11;
}
