//! What is kept, for how long, and at what cost.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::*;
use crate::domain::snapshot::{Entity, Shelf};

#[test]
fn promise_4_pruning_never_drops_an_event_that_waits_for_the_broker() {
    let store = Store::in_memory().unwrap();
    let events = (1..=4).map(|n| event(n, n as i64, Some(3301))).collect();
    commit(&store, |batch| batch.events(events, at(4))).unwrap();
    commit(&store, |batch| batch.published(&[1, 3])).unwrap();
    commit(&store, |batch| batch.prune(at(1000), at(1000))).unwrap();
    let waiting: Vec<u64> = store.outbox(0, 10).unwrap().into_iter().map(|(number, _)| number).collect();
    assert_eq!(waiting, [2, 4]);
    assert_eq!(store.outbox_state().unwrap(), OutboxState { waiting: 2, oldest: Some(at(3)) });
    commit(&store, |batch| {
        batch.published(&[2, 4]);
        batch.prune(at(1000), at(1000));
    })
    .unwrap();
    assert_eq!(store.events(&EventQuery { limit: 10, ..EventQuery::default() }).unwrap(), []);
    commit(&store, |batch| batch.events(vec![event(9, 9, None)], at(9))).unwrap();
    assert_eq!(store.outbox(0, 10).unwrap()[0].0, 5, "numbers rise although nothing is left");
}

#[test]
fn rules_7_an_event_committed_twice_is_kept_once() {
    let store = Store::in_memory().unwrap();
    let batch = |batch: &mut Batch| batch.events(vec![event(1, 5, Some(1)), event(2, 3, Some(1))], at(5));
    commit(&store, batch).unwrap();
    commit(&store, |batch| batch.published(&[1, 2])).unwrap();
    commit(&store, batch).unwrap();
    assert_eq!(store.outbox(0, 10).unwrap(), []);
    assert!(store.seen("uuid-2").unwrap() && !store.seen("uuid-3").unwrap());
    assert_eq!(store.door_times().unwrap(), BTreeMap::from([(LockId(1), at(5))]));
}

#[test]
fn events_are_asked_for_by_number_time_and_door() {
    let store = Store::in_memory().unwrap();
    let events = vec![event(1, 10, Some(1)), event(2, 20, Some(2)), event(3, 30, Some(1)), event(4, 5, Some(1))];
    commit(&store, |batch| batch.events(events, at(30))).unwrap();
    let numbers = |query: EventQuery| -> Vec<u64> {
        store.events(&query).unwrap().into_iter().map(|(number, _)| number).collect()
    };
    let all = EventQuery { limit: 10, ..EventQuery::default() };
    assert_eq!(numbers(EventQuery { limit: 2, ..all.clone() }), [3, 4]);
    assert_eq!(numbers(EventQuery { after: Some(1), limit: 2, ..all.clone() }), [2, 3]);
    assert_eq!(numbers(EventQuery { since: Some(at(10)), door: Some(LockId(1)), ..all.clone() }), [1, 3]);
    assert!(numbers(EventQuery { limit: 0, ..all }).is_empty());
}

#[test]
fn idle_costs_no_sync_and_what_goes_along_is_written_with_the_next_change() {
    let store = Store::in_memory().unwrap();
    let mut shelf = Shelf::default();
    let absorbed = shelf.absorb(whole(vec![booking(1, 0)], 10));
    let fill = |batch: &mut Batch| {
        batch.shelf(Entity::Bookings, &shelf, &absorbed);
        batch.own(&owned(1, 5));
        batch.roster(&roster(2, 10));
    };
    commit(&store, fill).unwrap();
    let busy = store.stats();
    assert_eq!((busy.commits, busy.batches), (2, 1));
    commit(&store, fill).unwrap();
    commit(&store, |batch| batch.events(Vec::new(), at(77))).unwrap();
    commit(&store, |batch| batch.prune(at(0), at(0))).unwrap();
    block(store.commit(Batch::new())).unwrap();
    let again = shelf.absorb(whole(vec![booking(1, 0)], 7000));
    commit(&store, |batch| batch.shelf(Entity::Bookings, &shelf, &again)).unwrap();
    assert_eq!(store.stats().commits, busy.commits);
    assert_eq!(store.value::<Timestamp>(Key::Watermark).unwrap(), Some(at(77)), "readers see it before the disk does");
    commit(&store, |batch| batch.forget(Entity::Teams, [1_u64])).unwrap();
    assert_eq!(store.load_snapshot().unwrap().bookings.whole(), Some((at(10), at(10))), "an hour later it goes along");
    let moved = shelf.absorb(whole(vec![booking(1, 60)], 7080));
    commit(&store, |batch| batch.shelf(Entity::Bookings, &shelf, &moved)).unwrap();
    assert_eq!(store.load_snapshot().unwrap().bookings, shelf);
}

#[test]
fn a_group_of_batches_is_one_transaction_of_each_file() {
    let store = Store::in_memory().unwrap();
    let batches: Vec<Batch> = (1..=50)
        .map(|id| {
            let mut batch = Batch::new();
            batch.own(&owned(id, 5));
            batch.roster(&roster(id, 0));
            batch
        })
        .collect();
    let outcomes = store.0.files.commit(&batches);
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(store.stats().commits, 2);
    assert_eq!(store.load_ledger().unwrap().owned.len(), 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_commit_at_once_and_each_waits_for_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    let tasks: Vec<_> = (1..=200)
        .map(|id| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut batch = Batch::new();
                batch.own(&owned(id, 5));
                store.commit(batch).await.unwrap();
                assert!(store.load_ledger().unwrap().owned.contains_key(&AssignmentId(id)));
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(store.stats().batches, 200);
}

#[test]
fn a_store_that_is_held_is_in_use_for_others_until_it_is_let_go() {
    let dir = tempfile::tempdir().unwrap();
    let (store, opened) = Store::open(dir.path()).unwrap();
    assert_eq!((&opened.cache, &opened.ledger), (&Opening::Fresh, &Opening::Fresh));
    assert!(matches!(Store::open(dir.path()), Err(StoreError::InUse { .. })));
    let clone = store.clone();
    drop(store);
    assert!(matches!(Store::open(dir.path()), Err(StoreError::InUse { .. })));
    drop(clone);
    let (_store, opened) = Store::open(dir.path()).unwrap();
    assert_eq!((opened.cache, opened.ledger), (Opening::Kept, Opening::Kept));
}

#[test]
fn the_files_are_the_gateways_alone_and_the_directory_lets_its_group_in() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("a/b");
    let _store = Store::open(&inner).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&inner), 0o750);
    for part in [Part::Cache, Part::Ledger] {
        assert_eq!(mode(&inner.join(part.file_name())), 0o600);
    }
    assert_eq!(std::fs::read_dir(&inner).unwrap().count(), 2, "nothing else is left lying about");
}

/// Proves it where root runs the tests; elsewhere nobody can make such a directory.
#[test]
fn what_root_makes_belongs_to_the_owner_of_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let (user, group) = (64_001, 64_002);
    if std::os::unix::fs::chown(dir.path(), Some(user), Some(group)).is_err() {
        return;
    }
    let _store = Store::open(dir.path()).unwrap();
    for part in [Part::Cache, Part::Ledger] {
        let file = std::fs::metadata(dir.path().join(part.file_name())).unwrap();
        assert_eq!((file.uid(), file.gid()), (user, group), "{part}");
    }
}

#[test]
fn a_named_value_of_another_shape_is_an_error_and_not_a_guess() {
    let store = Store::in_memory().unwrap();
    commit(&store, |batch| batch.value(Key::Paused, &"since noon")).unwrap();
    assert!(matches!(store.value::<bool>(Key::Paused), Err(StoreError::Value { key: "paused", .. })));
    assert_eq!(store.value::<bool>(Key::Guard).unwrap(), None);
}
