//! A full outbox, with the whole gateway: the reading stops, Kisi keeps the record, and nothing is dropped.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::boxed::{Box, published};
use super::crash::calm;
use super::disk::Disk;
use super::site::{self, Built};
use super::world::World;
use crate::clock::Clock;
use crate::domain::event::Event;
use crate::gateway::alarm::OUTBOX_FULL;
use crate::mqtt::memory::{MemoryBroker, Mood};
use crate::report::AlertKind;
use crate::report::desk::Desk;
use crate::store::{Batch, Key, Store};

fn old(number: usize, at: DateTime<Utc>) -> Event {
    let text = json!({"uuid": format!("old-{number}"), "time": at, "kind": "lock.unlock", "door": null, "success": true,
        "error_code": null, "error_message": null, "actor": null, "actor_name": null, "by": null, "object": null,
        "received_at": at, "replayed": false, "late": false});
    serde_json::from_value(text).unwrap()
}

async fn commit(store: &Store, fill: impl FnOnce(&mut Batch)) {
    let mut batch = Batch::new();
    fill(&mut batch);
    store.commit(batch).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn rules_7_a_full_outbox_stops_the_reading_and_drops_nothing() {
    let Built { nexudus, kisi, mut site } = site::build(1).unwrap();
    calm(&mut site.settings);
    let start = site.start;
    let clock = Clock::starting_at(start, 1.0);
    let world = World::new(nexudus, kisi, clock.clone());
    let directory = tempfile::tempdir().unwrap();
    let config = super::driver::configuration(directory.path(), &site.settings).unwrap();
    let broker = MemoryBroker::new(clock.clone());
    let (cache, ledger) = (Disk::new(), Disk::new());
    let (store, _) = Store::on_backends(cache.clone(), ledger.clone()).unwrap();
    commit(&store, |batch| {
        batch.value(Key::Rereads, &json!({"began": start, "hour": start, "night": start, "outage": null}));
        batch.value(Key::Watermark, &start);
    })
    .await;
    for thousand in 0..OUTBOX_FULL / 1000 {
        let events = (0..1000).map(|n| old(thousand * 1000 + n, start)).collect();
        commit(&store, |batch| batch.events(events, start)).await;
    }
    drop(store);
    broker.set_mood(Mood::Away);
    let mut gatehouse = Box::new(world.clone(), config, broker.clone(), (cache.clone(), ledger.clone()));
    gatehouse.power_on().unwrap();
    let (reader, lock) = site.readers[0];
    let _ = reader;
    let email = site.people[0].email.clone();
    for _ in 0..6 {
        clock.sleep(std::time::Duration::from_secs(100)).await;
        let user = world.kisi().user_by_email(email.trim()).map_or(site.people[0].customer as u64, |user| user.id);
        world.kisi().tap(user, lock, clock.wall());
    }
    let sets = || {
        let kisi = world.kisi();
        kisi.history().requests.iter().filter(|call| call.path.contains("event_sets")).count()
    };
    assert_eq!(sets(), 0, "Kisi's record is left where it is");
    let alerts = gatehouse.gateway().unwrap().counter().view().alerts;
    assert!(alerts.iter().any(|(kind, _)| *kind == AlertKind::Outbox), "{alerts:?}");
    gatehouse.stop().await;
    let (store, _) = Store::on_backends(cache.clone(), ledger.clone()).unwrap();
    assert_eq!(store.value::<DateTime<Utc>>(Key::Watermark).unwrap(), Some(start), "the watermark waits");
    assert_eq!(store.outbox_state().unwrap().waiting, OUTBOX_FULL as u64);

    // The broker has taken all but a few.
    let taken: Vec<u64> = (11..=OUTBOX_FULL as u64).collect();
    commit(&store, |batch| batch.published(&taken)).await;
    drop(store);
    broker.set_mood(Mood::Well);
    gatehouse.power_on().unwrap();
    clock.sleep(std::time::Duration::from_secs(300)).await;
    gatehouse.stop().await;
    assert!(sets() > 0, "the reading goes on by itself");
    let shown: BTreeSet<String> = world
        .kisi()
        .history()
        .events
        .values()
        .filter(|event| event.created_at > start && event.created_at < clock.wall() - TimeDelta::seconds(60))
        .map(|event| event.uuid.clone())
        .collect();
    let told: String =
        published(&broker, start).iter().map(|m| String::from_utf8_lossy(&m.payload).into_owned()).collect();
    assert!(shown.len() >= 6, "{}", shown.len());
    for uuid in shown.into_iter().chain((0..10).map(|n| format!("old-{n}"))) {
        assert!(told.contains(&uuid), "{uuid} was dropped");
    }
}
