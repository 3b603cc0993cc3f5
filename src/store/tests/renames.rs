//! Promise 7: every state of the directory that a power cut can leave between two steps of making a file or putting one
//! aside is one that the store starts from, and says what it must.

use std::fs;

use super::*;

fn store_in(dir: &Path) -> (Store, Opened) {
    Store::open(dir).unwrap()
}

/// A store with something in both files, closed.
fn filled(dir: &Path) {
    let (store, _) = store_in(dir);
    commit(&store, |batch| {
        batch.own(&owned(1, 5));
        batch.events(vec![event(1, 1, None)], at(1));
        batch.roster(&roster(3, 0));
    })
    .unwrap();
}

fn lost(opened: &Opened) -> bool {
    opened.ledger_lost()
}

/// Puts a damaged file in the ledger's place.
fn spoil(dir: &Path) {
    fs::write(dir.join("ledger.redb"), [7; 5000]).unwrap();
}

/// One state: what it is called, how it comes about, whether the ledger is lost then.
type State = (&'static str, fn(&Path), bool);

const STATES: [State; 12] = [
    ("the first start was cut before anything", |_| (), false),
    ("…while the first new file was written", |dir| fs::write(dir.join("ledger.redb.new"), [1; 100]).unwrap(), false),
    ("…and it is empty: its bytes were lost", |dir| fs::write(dir.join("ledger.redb.new"), []).unwrap(), false),
    (
        "…between the two files",
        |dir| {
            filled(dir);
            fs::remove_file(dir.join("cache.redb")).unwrap();
        },
        false,
    ),
    (
        "…and the second one's rename was lost",
        |dir| {
            filled(dir);
            fs::rename(dir.join("cache.redb"), dir.join("cache.redb.new")).unwrap();
        },
        false,
    ),
    (
        "a damaged ledger was found and nothing done yet",
        |dir| {
            filled(dir);
            spoil(dir);
        },
        true,
    ),
    (
        "…it was set aside, and no new one made",
        |dir| {
            filled(dir);
            spoil(dir);
            fs::rename(dir.join("ledger.redb"), dir.join("ledger.redb.damaged-1")).unwrap();
        },
        true,
    ),
    (
        "…the new one is made but not renamed",
        |dir| {
            filled(dir);
            spoil(dir);
            drop(store_in(dir));
            fs::rename(dir.join("ledger.redb"), dir.join("ledger.redb.new")).unwrap();
        },
        true,
    ),
    (
        "…the new one is there, and nobody was told of it",
        |dir| {
            filled(dir);
            spoil(dir);
            drop(store_in(dir));
        },
        true,
    ),
    (
        "…both were damaged, and the cache was not looked at before the power went",
        |dir| {
            filled(dir);
            spoil(dir);
            fs::write(dir.join("cache.redb"), []).unwrap();
            fs::rename(dir.join("ledger.redb"), dir.join("ledger.redb.damaged-1")).unwrap();
        },
        true,
    ),
    (
        "the ledger's name was lost with the directory's last change",
        |dir| {
            filled(dir);
            fs::remove_file(dir.join("ledger.redb")).unwrap();
        },
        true,
    ),
    (
        "a file of 0 bytes: its name was kept and its bytes were not",
        |dir| {
            filled(dir);
            fs::write(dir.join("ledger.redb"), []).unwrap();
        },
        true,
    ),
];

#[test]
fn promise_7_every_state_that_a_cut_between_renames_leaves_is_started_from_and_told() {
    for (name, make, is_lost) in STATES {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path());
        let (store, opened) = store_in(dir.path());
        assert_eq!(lost(&opened), is_lost, "{name}: {opened:?}");
        commit(&store, |batch| batch.own(&owned(2, 5))).unwrap();
        drop(store);
        assert!(!dir.path().join("ledger.redb.new").exists() || name.contains("rename"), "{name}");
        // Once more, as after a second cut: nothing is lost again, and what was lost is still told.
        let (store, again) = store_in(dir.path());
        assert!(store.load_ledger().unwrap().owned.contains_key(&AssignmentId(2)), "{name}");
        let told = |opened: &Opened| matches!(opened.ledger, Opening::SetAside { .. });
        assert_eq!(told(&again), dir.path().join("ledger.redb.damaged-1").exists(), "{name}: {again:?}");
    }
}

/// It is news for as long as the damaged file lies there.
#[test]
fn a_lost_ledger_is_told_at_every_start_until_the_damaged_file_is_taken_away() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    spoil(dir.path());
    let first = store_in(dir.path()).1.ledger;
    assert!(matches!(&first, Opening::SetAside { to: Some(_), .. }));
    assert_eq!(store_in(dir.path()).1.ledger, first);
    fs::remove_file(dir.path().join("ledger.redb.damaged-1")).unwrap();
    assert_eq!(store_in(dir.path()).1.ledger, Opening::Kept);
}

#[test]
fn a_directory_is_made_with_all_that_leads_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("a/b/c");
    drop(store_in(&deep));
    assert_eq!(store_in(&deep).1.ledger, Opening::Kept);
}
