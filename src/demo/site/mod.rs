//! The demo's site, the same in each run: Harbour House, 300 people, 25 rooms, 40 desks, 12 offices, 4 kinds of pass
//! and 30 doors, in both twins, with the twins' hard switches on.
//!
//! The day is Thursday 28 October 2027, in London: summer time still, but not next week, when a series of bookings goes
//! on. It runs from 06:30 until 00:20 of the next day: from before the first door opens until after the midnight at
//! which used day passes and a contract end. The tests of whole weeks are the simulation's; this is a day to watch.

mod clouds;
mod config;
pub mod people;
mod rooms;

use chrono::{DateTime, NaiveDate, TimeDelta};

pub use config::{Addresses, CARD, KISI_KEY, NEXUDUS_PASSWORD, NEXUDUS_USER, PIN, canaries, config_toml, write_config};
pub use people::Person;
pub(in crate::demo) use rooms::cast;
pub use rooms::{Actors, Booked};

use super::Moment;
use super::settings::{Item, Link, NoAccess, Settings};
use crate::twin::kisi::KisiTwin;
use crate::twin::nexudus::{NexudusTwin, SetupError};

/// The site's Nexudus location.
pub const LOCATION: i64 = 4711;
/// The site's Kisi place.
pub const PLACE: u64 = 8801;
/// The Kisi user of the gateway's key.
pub const KEY_USER: u64 = 700_001;
/// The Kisi user of the people who run the site.
pub const OFFICE_MANAGER: u64 = 700_002;
/// The site's IANA zone.
pub const ZONE: &str = "Europe/London";
/// The hour of the wall's midnight with which the day begins: 27 October 2027, 23:00 UTC.
const MIDNIGHT_S: i64 = 1_824_678_000;

/// How many rooms there are; the last four are those of [`Actors`].
pub const ROOMS: i64 = 25;
/// How many desks there are.
pub const DESKS: i64 = 40;
/// How many offices there are.
pub const OFFICES: i64 = 12;

/// The room of that number, from 1: its Nexudus resource.
pub fn room(number: i64) -> i64 {
    550 + number
}

/// The Kisi group of that room.
pub fn room_group(number: i64) -> u64 {
    45_900 + number.unsigned_abs()
}

/// The second group of the last room, with the same doors.
pub const ALTERNATE_GROUP: u64 = 45_991;
/// The group of everything that is open to pass holders.
pub const FLOOR_GROUP: u64 = 46_001;
/// The group of the pass for evenings.
pub const EVENING_GROUP: u64 = 46_002;
/// The groups of both desk zones.
pub const DESK_GROUPS: [u64; 2] = [46_101, 46_102];
/// The group of those on the resident's plan.
pub const LOUNGE_GROUP: u64 = 46_301;
/// A group that no link names: the staff's.
pub const STAFF_GROUP: u64 = 47_001;
/// The kinds of pass: a day pass, hours, evenings with time slots, and a day pass that a team shares.
pub const PASSES: [i64; 4] = [31, 32, 33, 34];
/// The resident's plan.
pub const RESIDENT_PLAN: i64 = 12;
/// The plan of those with a desk or an office, which no link names.
pub const PLAIN_PLAN: i64 = 11;

/// The Kisi group of the office of that number, from 1.
pub fn office_group(number: i64) -> u64 {
    46_200 + number.unsigned_abs()
}

/// The desk of that number, from 1.
pub fn desk(number: i64) -> i64 {
    800 + number
}

/// The office of that number, from 1: another item of the floor plan.
pub fn office(number: i64) -> i64 {
    880 + number
}

/// The demo's day.
pub fn date() -> NaiveDate {
    (at(0, 0) + TimeDelta::hours(1)).date_naive()
}

/// That time of the wall clock on the demo's day; 24 and more are the next day's.
pub fn at(hour: i64, minute: i64) -> Moment {
    DateTime::from_timestamp(MIDNIGHT_S + hour * 3_600 + minute * 60, 0).unwrap_or_default()
}

/// When the day begins.
pub fn start() -> Moment {
    at(6, 30)
}

/// When the day ends.
pub fn end() -> Moment {
    at(24, 20)
}

/// Everything about the site that the day's script needs to name.
#[derive(Clone, Debug)]
pub struct Site {
    /// Everybody, in the order of their ids.
    pub people: Vec<Person>,
    /// Today's bookings, the actors' not among them.
    pub booked: Vec<Booked>,
    /// The people and bookings of the scripted happenings.
    pub actors: Actors,
    /// Which door is in which group: group, door.
    pub ties: Vec<(u64, u64)>,
    /// Which reader is at which door: reader, door.
    pub readers: Vec<(u64, u64)>,
    /// The doors: id, name.
    pub doors: Vec<(u64, String)>,
    /// The groups: id, name.
    pub groups: Vec<(u64, String)>,
    /// The cleaner, who is in a linked group by hand.
    pub cleaner: u64,
}

impl Site {
    /// The door of its own that a group opens, beside the entrances: the last one tied to it.
    pub fn door_of(&self, group: u64) -> u64 {
        self.ties.iter().rev().find(|(of, _)| *of == group).map_or(clouds::MAIN_ENTRANCE, |(_, lock)| *lock)
    }

    /// A group's name.
    pub fn group_name(&self, group: u64) -> &str {
        self.groups.iter().find(|(id, _)| *id == group).map_or("?", |(_, name)| name)
    }

    /// The person of that Nexudus id.
    pub fn person(&self, customer: i64) -> Option<&Person> {
        self.people.iter().find(|person| person.customer == customer)
    }
}

/// The main entrance's door.
pub fn main_entrance() -> u64 {
    clouds::MAIN_ENTRANCE
}

/// Both twins as they are before the day, and what is in them.
#[derive(Debug)]
pub struct Built {
    /// Nexudus.
    pub nexudus: NexudusTwin,
    /// Kisi.
    pub kisi: KisiTwin,
    /// The site.
    pub site: Site,
}

/// Builds the site as it stood for some days when the day begins.
///
/// # Errors
/// When a twin doesn't take what is put into it, which is a fault of this room.
pub fn build() -> Result<Built, SetupError> {
    let people = people::everybody();
    let (kisi, doors) = clouds::kisi(&people);
    let (nexudus, booked, actors) = clouds::nexudus(&people)?;
    let clouds::Doors { ties, doors, groups } = doors;
    let readers = doors.iter().map(|(lock, _)| (clouds::reader_of(*lock), *lock)).collect();
    Ok(Built {
        nexudus,
        kisi,
        site: Site { people, booked, actors, ties, readers, doors, groups, cleaner: clouds::CLEANER },
    })
}

/// What the gateway is told about this site.
pub fn settings() -> Settings {
    let rooms = (1..=ROOMS).map(|n| Link {
        before_s: (n == 1).then_some(1_800),
        alternate: (n == ROOMS).then_some(ALTERNATE_GROUP),
        ..Link::new(Item::Resource(room(n)), room_group(n))
    });
    let [day, hours, evening, shared] = PASSES;
    let passes = [
        Link::new(Item::Pass(day), FLOOR_GROUP),
        Link::new(Item::Pass(hours), FLOOR_GROUP),
        Link { ignore_slots: true, ..Link::new(Item::Pass(evening), EVENING_GROUP) },
        Link { share_with_team: true, ..Link::new(Item::Pass(shared), FLOOR_GROUP) },
    ];
    let desks = (1..=DESKS).map(|n| Link::new(Item::Desk(desk(n)), DESK_GROUPS[usize::from(n > DESKS / 2)]));
    let offices =
        (1..=OFFICES).map(|n| Link { share_with_team: true, ..Link::new(Item::Desk(office(n)), office_group(n)) });
    let plan = [Link::new(Item::Plan(RESIDENT_PLAN), LOUNGE_GROUP)];
    Settings {
        site: "harbour-house".to_owned(),
        zone: ZONE.to_owned(),
        location: LOCATION,
        // Twice the defaults: a day of them runs in some seconds.
        changes_s: 10,
        refresh_s: 120,
        horizon_s: 14 * 86_400,
        events_s: 10,
        state_s: 60,
        roster_s: 600,
        requests_per_second: 4,
        kisi_answers_ms: clouds::LATENCY_MS.1.into(),
        before_s: 900,
        after_s: 900,
        prestage_s: 86_400,
        no_access: NoAccess::Suspend,
        no_access_after_s: 7_200,
        manage_existing: false,
        never_touch: vec!["*@staff.example".to_owned()],
        tentative: false,
        contract_ends_at_start: false,
        topic_prefix: "gatehouse".to_owned(),
        links: rooms.chain(passes).chain(desks).chain(offices).chain(plan).collect(),
    }
}

#[cfg(test)]
mod tests;
