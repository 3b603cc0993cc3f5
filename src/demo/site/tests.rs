//! The site is what the demo says it is, and its configuration is what the contract allows.

use std::collections::BTreeSet;

use super::people::Role;
use super::*;
use crate::twin::nexudus::Entity;

#[test]
fn the_site_has_what_it_is_said_to_have() {
    let built = build().unwrap();
    let nexudus = built.nexudus.site();
    assert_eq!(nexudus.ids(Entity::Coworker).len(), 300);
    assert_eq!(nexudus.ids(Entity::Resource).len(), 25);
    assert_eq!(nexudus.ids(Entity::FloorPlanDesk).len(), 40 + 12);
    assert_eq!(nexudus.ids(Entity::TimePass).len(), 4);
    assert_eq!(built.kisi.locks().count(), 30);
    let names: BTreeSet<&str> = built.site.people.iter().map(|person| person.name.as_str()).collect();
    assert_eq!(names.len(), 300, "two people of one name");
    let emails: BTreeSet<String> = built.site.people.iter().map(Person::key).collect();
    assert_eq!(emails.len(), 299, "only the duplicate shares an e-mail");
    assert!(built.site.people.iter().any(|person| person.role == Role::Staff));
    let opened: BTreeSet<u64> = built.site.ties.iter().map(|(_, lock)| *lock).collect();
    assert_eq!(opened.len(), 30, "a door that nothing opens");
    assert!(built.site.doors.iter().all(|(_, name)| !name.is_empty()));
}

/// Both bookings of one person that touch and of two people that overlap are there.
#[test]
fn bookings_touch_and_overlap() {
    let booked = build().unwrap().site.booked;
    let pairs = || booked.iter().flat_map(|one| booked.iter().map(move |other| (one, other)));
    let touch = |(one, other): &(&Booked, &Booked)| one.room == other.room && one.to == other.from;
    assert!(pairs().filter(touch).any(|(one, other)| one.person == other.person));
    assert!(pairs().filter(touch).any(|(one, other)| one.person != other.person));
    let at_once = |(one, other): &(&Booked, &Booked)| {
        one.person == other.person && one.room != other.room && one.from < other.to && other.from < one.to
    };
    assert!(pairs().any(|pair| at_once(&pair)));
}

/// By TOML's own reading: every link once, no secret in clear, and files that nobody else may read.
#[test]
fn the_configuration_is_whole_and_its_secrets_are_beside_it() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings();
    let addresses = Addresses {
        nexudus: "http://127.0.0.1:4001".to_owned(),
        kisi: "http://127.0.0.1:4002".to_owned(),
        broker: "mqtt://127.0.0.1:4003".to_owned(),
        web: "127.0.0.1:4004".to_owned(),
        store: directory.path().join("store"),
    };
    let path = write_config(directory.path(), &settings, &addresses).unwrap();
    // A second run over the same directory.
    assert_eq!(write_config(directory.path(), &settings, &addresses).unwrap(), path);
    let text = std::fs::read_to_string(&path).unwrap();
    let read: toml::Table = text.parse().unwrap();
    let links = read["link"].as_array().unwrap();
    assert_eq!(links.len(), 25 + 4 + 40 + 12 + 1);
    let distinct: BTreeSet<String> = links
        .iter()
        .map(|link| {
            let item = ["resource", "pass", "desk", "plan"].iter().find_map(|key| Some((key, link.get(key)?)));
            format!("{item:?} {}", link["group"])
        })
        .collect();
    assert_eq!(distinct.len(), links.len());
    assert_eq!(read["nexudus"]["url"].as_str(), Some("http://127.0.0.1:4001/api"));
    for (name, secret) in canaries() {
        assert!(!text.contains(&secret), "{name} stands in the file");
    }
    for section in ["nexudus", "kisi", "mqtt"] {
        let secret = ["password", "api_key"].iter().find_map(|key| read[section].get(key)).unwrap();
        let file = directory.path().join(secret["file"].as_str().unwrap());
        assert!(!std::fs::read_to_string(&file).unwrap().is_empty());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o077, 0);
        }
    }
}
