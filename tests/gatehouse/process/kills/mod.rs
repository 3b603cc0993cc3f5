//! The real binary killed by SIGKILL at random moments under load: promise 7 with all the others, for real.
//!
//! The twins are a process of their own and the broker is mosquitto, so that what the gateway was told and what it did
//! is remembered by others. `tests/kills 200` does 200 rounds on the release build and prints the figures; a run is
//! repeated by its seed (`GATEHOUSE_SEED`), as far as two runs of real processes can be alike.

mod cloud;
mod judge;
mod load;
mod rounds;

use serde_json::{Value, json};

use cloud::Twins;

/// The Kisi user of the gateway's key, in the demo's site.
const KEY_USER: i64 = 700_001;
/// Another administrator.
const MANAGER: i64 = 700_002;
/// Somebody whose assignments were made by hand.
const CLEANER: i64 = 700_010;
/// The demo's location and place.
const LOCATION: i64 = 4711;
const PLACE: i64 = 8801;

/// How many people book, and how many rooms there are for them.
const PEOPLE: usize = 6;
const ROOMS: usize = 2;

/// How late Kisi shows an event.
const EVENT_DELAY_MS: [u64; 2] = [0, 3000];

fn customer(person: usize) -> i64 {
    95_000 + i64::try_from(person).unwrap()
}

fn room(place: usize) -> i64 {
    9_600 + i64::try_from(place).unwrap()
}

fn email(person: usize) -> String {
    format!("booker-{person}@example.org")
}

/// What is added to the demo's site: rooms with their groups and doors, and people.
pub struct Site {
    groups: [i64; ROOMS],
    locks: [i64; ROOMS],
    /// Kisi users who tap at doors: one who may, one who may not.
    tappers: Vec<i64>,
}

/// Sets the site up. `ignored`: Kisi ignores a PATCH of a window, as it may (rules 3).
fn furnish(twins: &Twins, ignored: bool) -> Site {
    let (nexudus, kisi) = (&twins.nexudus, &twins.kisi);
    let latency = json!({"latency_ms": [1, 40], "seed": 5});
    kisi.say("PUT", "faults", &latency);
    nexudus.say("PUT", "faults", &latency);
    // Many starts in a minute are no part of Nexudus' hourly budget: what is tested here is not how it is kept.
    nexudus.say(
        "PATCH",
        "switches",
        &json!({"limits": "off", "snapshot": "at_once", "snapshot_of_deleted": "at_once"}),
    );
    let patch = if ignored { "ignored" } else { "taken" };
    kisi.say("PATCH", "switches", &json!({"event_delay_ms": EVENT_DELAY_MS, "patch_window": patch}));
    let mut site = Site { groups: [0; ROOMS], locks: [0; ROOMS], tappers: vec![CLEANER, MANAGER] };
    for place in 0..ROOMS {
        let name = format!("Kill room {place}");
        let resource = json!({"BusinessId": LOCATION, "Name": name, "ResourceTypeId": 1, "ResourceTypeName": "Room"});
        nexudus.say("POST", &format!("records/Resource/{}", room(place)), &resource);
        let group = kisi.add("groups", &json!({"name": name, "place_id": PLACE}));
        let lock = kisi.add("locks", &json!({"name": name, "place_id": PLACE}));
        kisi.add("group_locks", &json!({"group_id": group, "lock_id": lock, "created_at": kisi.now()}));
        kisi.add("readers", &json!({"name": name, "place_id": PLACE, "lock_id": lock}));
        (site.groups[place], site.locks[place]) = (group, lock);
    }
    for person in 0..PEOPLE {
        let fields = json!({"FullName": format!("Booker {person}"), "Email": email(person)});
        nexudus.say("POST", &format!("records/Coworker/{}", customer(person)), &fields);
    }
    let by_hand =
        json!({"scope": {"group": site.groups[0]}, "assignee": {"user": CLEANER}, "created_by": {"user": MANAGER}});
    kisi.add("assignments", &by_hand);
    site
}

/// The number that the environment gives under that name.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|why| panic!("{name}={text}: {why}")))
}

/// The middle, the 99th of a hundred, and the ends.
fn spread(mut ms: Vec<f64>) -> Value {
    ms.sort_by(f64::total_cmp);
    let at = |share: f64| ms[((ms.len() - 1) as f64 * share).round() as usize];
    json!({"min": at(0.0), "median": at(0.5), "p99": at(0.99), "max": at(1.0)})
}
