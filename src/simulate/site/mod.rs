//! A site by chance: who is there, what there is to be booked, how it is linked, and how both clouds behave. The same
//! seed gives the same site.

mod clouds;
mod options;

use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;

use crate::demo::settings::{Item, Link, Settings};
use crate::twin::kisi::KisiTwin;
use crate::twin::nexudus::{NexudusTwin, SetupError};

/// The first ids of what the site holds before the run; what a script makes comes after [`LATER`].
const FIRST: i64 = 1_000;
/// From which id on a script makes records.
pub const LATER: i64 = 1_000_000;

/// Somebody known to Nexudus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The customer.
    pub customer: i64,
    /// The e-mail as Nexudus has it; empty where there is none.
    pub email: String,
    /// The Kisi user before the run.
    pub user: Option<u64>,
    /// Whether the customer is suspended or archived before the run.
    pub shut: bool,
}

/// A kind of pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassKind {
    /// Its id.
    pub id: i64,
    /// The minutes of a time pass; a day pass has none.
    pub minutes: Option<i64>,
    /// Whether it has time slots.
    pub slots: bool,
}

/// What the script and the judge need to know of it.
#[derive(Clone, Debug)]
pub struct Site {
    /// What the gateway is told.
    pub settings: Settings,
    /// When the gateway is started first.
    pub start: DateTime<Utc>,
    /// Everybody.
    pub people: Vec<Person>,
    /// What can be booked.
    pub resources: Vec<i64>,
    /// Kinds of pass.
    pub kinds: Vec<PassKind>,
    /// Desks.
    pub desks: Vec<i64>,
    /// Price plans.
    pub plans: Vec<i64>,
    /// Groups that links name, alternates among them.
    pub groups: Vec<u64>,
    /// Which door is in which group: group, door.
    pub ties: Vec<(u64, u64)>,
    /// Which reader is at which door: reader, door.
    pub readers: Vec<(u64, u64)>,
    /// Bookings before the run: id, customer, from, to.
    pub bookings: Vec<Booked>,
    /// Passes before the run: id, customer, kind.
    pub passes: Vec<(i64, i64, PassKind)>,
    /// Contracts before the run: id, customer.
    pub contracts: Vec<(i64, i64)>,
    /// Teams: id, members.
    pub teams: Vec<(i64, Vec<i64>)>,
}

/// A booking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Booked {
    /// Its id.
    pub id: i64,
    /// Whose.
    pub customer: Option<i64>,
    /// Of what.
    pub resource: i64,
    /// From when.
    pub from: DateTime<Utc>,
    /// Until when.
    pub to: DateTime<Utc>,
}

/// Both twins as they are before the run, and what is in them.
#[derive(Debug)]
pub struct Built {
    /// Nexudus.
    pub nexudus: NexudusTwin,
    /// Kisi.
    pub kisi: KisiTwin,
    /// The site.
    pub site: Site,
}

/// The site of that seed.
///
/// # Errors
/// When a twin doesn't take what is put into it, which is a fault of this room.
pub fn build(seed: u64) -> Result<Built, SetupError> {
    let mut rng = Rng::with_seed(seed ^ 0x51_7e);
    let rng = &mut rng;
    let mut site = drawn(rng);
    let kisi = clouds::kisi(&mut site, seed, rng);
    let nexudus = clouds::nexudus(&mut site, seed, rng)?;
    Ok(Built { nexudus, kisi, site })
}

fn drawn(rng: &mut Rng) -> Site {
    let settings = options::settings(rng);
    let start = options::start(&settings.zone, rng);
    let size = options::size(rng);
    let numbers = |first: i64, count: usize| (first..).take(count).collect::<Vec<i64>>();
    let resources = numbers(550, 1 + rng.usize(..8));
    let desks = numbers(800, rng.usize(..6));
    let plans = numbers(10, 1 + rng.usize(..3));
    let kinds = numbers(30, rng.usize(..4)).into_iter().map(|id| PassKind {
        id,
        minutes: rng.bool().then_some(60 * rng.i64(1..10)),
        slots: rng.u8(..6) == 0,
    });
    let kinds: Vec<PassKind> = kinds.collect();
    let mut site = Site {
        settings,
        start,
        people: people(size, rng),
        resources,
        kinds,
        desks,
        plans,
        groups: Vec::new(),
        ties: Vec::new(),
        readers: Vec::new(),
        bookings: Vec::new(),
        passes: Vec::new(),
        contracts: Vec::new(),
        teams: Vec::new(),
    };
    links(&mut site, rng);
    doors(&mut site, rng);
    belongings(&mut site, rng);
    site
}

fn people(size: usize, rng: &mut Rng) -> Vec<Person> {
    let mut people: Vec<Person> = Vec::with_capacity(size);
    for (n, customer) in (90_000..).take(size).enumerate() {
        let plain = format!("p{n}@members.example");
        let email = match rng.u8(..40) {
            0 => String::new(),
            1 => format!("p{n}@staff.example"),
            2 => format!(" P{n}@Members.example "),
            // Twice the same person.
            3 if n > 0 => people[rng.usize(..n)].email.to_uppercase(),
            _ => plain,
        };
        let known = rng.u8(..10) < 6 && !email.is_empty();
        let user = known.then(|| 770_000 + n as u64);
        people.push(Person { customer, email, user, shut: rng.u8(..20) == 0 });
    }
    people
}

/// Ties items to groups: some to several, some groups shared, some with an alternate.
fn links(site: &mut Site, rng: &mut Rng) {
    let groups: Vec<u64> = (45_900..).take(1 + rng.usize(..7)).collect();
    let alternates: Vec<Option<u64>> = groups.iter().map(|group| (rng.u8(..4) == 0).then_some(group + 500)).collect();
    let items = (site.resources.iter().map(|id| Item::Resource(*id)))
        .chain(site.kinds.iter().map(|kind| Item::Pass(kind.id)))
        .chain(site.desks.iter().map(|id| Item::Desk(*id)))
        .chain(site.plans.iter().map(|id| Item::Plan(*id)));
    let mut links: Vec<Link> = Vec::new();
    for item in items.collect::<Vec<_>>() {
        let count = [0, 1, 1, 1, 1, 1, 1, 2, 2, 3][rng.usize(..10)];
        for _ in 0..count {
            let n = rng.usize(..groups.len());
            if links.iter().any(|link| link.item == item && link.group == groups[n]) {
                continue;
            }
            let resource = matches!(item, Item::Resource(_));
            let pass = matches!(item, Item::Pass(_));
            let odd = |rng: &mut Rng| resource && rng.u8(..4) == 0;
            links.push(Link {
                alternate: alternates[n],
                before_s: odd(rng).then(|| [0, 60, 1_800, 7_200][rng.usize(..4)]),
                after_s: odd(rng).then(|| [0, 60, 3_600][rng.usize(..3)]),
                share_with_team: !resource && rng.bool(),
                ignore_slots: pass && rng.bool(),
                ..Link::new(item, groups[n])
            });
        }
    }
    if links.is_empty() {
        links.push(Link::new(Item::Resource(site.resources[0]), groups[0]));
    }
    site.groups = groups.into_iter().chain(alternates.into_iter().flatten()).collect();
    site.settings.links = links;
}

/// Each group opens a door of its own and perhaps the entrance; an alternate opens those of its group.
fn doors(site: &mut Site, rng: &mut Rng) {
    const ENTRANCE: u64 = 3_300;
    let mut lock = ENTRANCE;
    for group in site.groups.iter().filter(|group| **group < 46_000) {
        lock += 1;
        let mut opened = vec![lock];
        if rng.bool() {
            opened.push(ENTRANCE);
        }
        for door in opened {
            site.ties.push((*group, door));
            if site.groups.contains(&(group + 500)) {
                site.ties.push((group + 500, door));
            }
        }
    }
    site.readers = (ENTRANCE..=lock).map(|lock| (lock + 2_000, lock)).collect();
}

/// A time within `hours` around the start, mostly at a quarter of an hour.
pub fn some_time(start: DateTime<Utc>, (from_h, until_h): (i64, i64), rng: &mut Rng) -> DateTime<Utc> {
    let minute = match rng.u8(..8) {
        0 => rng.i64(from_h * 60..until_h * 60),
        _ => rng.i64(from_h * 4..until_h * 4) * 15,
    };
    start.date_naive().and_time(chrono::NaiveTime::MIN).and_utc() + TimeDelta::minutes(minute)
}

/// Bookings, passes, contracts and teams that are there before the run.
fn belongings(site: &mut Site, rng: &mut Rng) {
    let people = site.people.clone();
    let mut id = FIRST;
    let mut next = || {
        id += 1;
        id
    };
    for person in &people {
        for _ in 0..[0, 1, 1, 2, 4][rng.usize(..5)] {
            let from = some_time(site.start, (-24, 96), rng);
            let to = from + TimeDelta::minutes([15, 30, 60, 60, 120, 480][rng.usize(..6)]);
            let resource = site.resources[rng.usize(..site.resources.len())];
            let customer = (rng.u8(..30) > 0).then_some(person.customer);
            site.bookings.push(Booked { id: next(), customer, resource, from, to });
        }
        if !site.kinds.is_empty() && rng.u8(..3) == 0 {
            let kind = site.kinds[rng.usize(..site.kinds.len())];
            site.passes.push((next(), person.customer, kind));
        }
        if rng.u8(..3) == 0 {
            site.contracts.push((next(), person.customer));
        }
    }
    for _ in 0..rng.usize(..4) {
        let members = (0..2 + rng.usize(..4)).map(|_| people[rng.usize(..people.len())].customer);
        let mut members: Vec<i64> = members.collect();
        members.sort_unstable();
        members.dedup();
        site.teams.push((next(), members));
    }
}
