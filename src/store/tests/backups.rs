//! A backup put back: nothing is lost that it had, nothing of it acts wrongly by now, and nothing is overwritten.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use super::super::backup::{backup_at_rest, check, restore};
use super::*;
use crate::domain::guard::Memory;

fn memory() -> Memory {
    Memory {
        lost: vec![(at(1), UserId(7))],
        lists: BTreeMap::from([("5f1c".to_owned(), (at(2), BTreeSet::new()))]),
        ..Memory::default()
    }
}

/// A store with one of everything, in a directory of its own.
fn full(paused: bool) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let (store, _) = Store::open(dir.path()).expect("a store");
    commit(&store, |batch| {
        batch.own(&owned(9, 60));
        batch.account(&account(7, true));
        batch.intend(&intent(3));
        batch.events(vec![event(1, 10, Some(3301))], at(11));
        batch.value(Key::Guard, &memory());
        batch.value(Key::Paused, &paused);
        batch.roster(&roster(3, 5));
    })
    .expect("kept");
    dir
}

#[test]
fn promise_3_an_old_ledger_keeps_what_is_ours_and_forgets_what_would_act_wrongly() {
    let dir = full(false);
    let file = dir.path().join("backup");
    let (store, _) = Store::open(dir.path()).expect("open");
    let made = store.backup(&file).expect("in use");
    assert!(made.wrong.is_empty() && made.rows.is_some_and(|rows| rows > 5), "{made:?}");
    assert_eq!(std::fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
    assert!(store.backup(&file).is_err(), "nothing is overwritten");
    commit(&store, |batch| batch.own(&owned(10, 60))).expect("kept");
    assert!(matches!(restore(dir.path(), &file), Err(StoreError::InUse { .. })), "not while it is held");
    drop(store);

    let restored = restore(dir.path(), &file).expect("restored");
    let kept = restored.kept.expect("the old one is kept");
    let (store, opened) = Store::open(dir.path()).expect("open");
    assert_eq!((&opened.ledger, &opened.cache, restored.paused), (&Opening::Kept, &Opening::Kept, false));
    let ledger = store.load_ledger().expect("a ledger");
    assert_eq!(ledger.owned.into_values().collect::<Vec<_>>(), [owned(9, 60)]);
    let since: Vec<_> = ledger.accounts.values().map(|account| (account.managed, account.no_access_since)).collect();
    assert_eq!((since.as_slice(), ledger.intents.len()), (&[(true, None)][..], 0));
    let guard = store.value::<Memory>(Key::Guard).expect("read").expect("a guard");
    assert_eq!(guard, Memory { lists: BTreeMap::new(), ..memory() });
    assert_eq!(store.outbox(0, 10).expect("read").len(), 1, "promise 4: what waits for the broker waits on");
    drop(store);
    // The one before is whole too: it can be put back like any other.
    restore(dir.path(), &kept).expect("restored");
    let (store, _) = Store::open(dir.path()).expect("open");
    assert_eq!(store.load_ledger().expect("a ledger").owned.len(), 2);
}

#[test]
fn a_pause_of_either_side_stands_after_a_restore() {
    for (then, now) in [(true, false), (false, true)] {
        let dir = full(then);
        let file = dir.path().join("backup");
        backup_at_rest(dir.path(), &file).expect("at rest");
        let (store, _) = Store::open(dir.path()).expect("open");
        commit(&store, |batch| batch.value(Key::Paused, &now)).expect("kept");
        drop(store);
        assert!(restore(dir.path(), &file).expect("restored").paused);
        let (store, _) = Store::open(dir.path()).expect("open");
        assert_eq!(store.value::<bool>(Key::Paused).expect("read"), Some(true));
    }
}

/// To look changes nothing: what is damaged is told, and lies there as it lay.
#[test]
fn a_check_changes_nothing_and_a_bad_backup_is_refused() {
    let dir = full(false);
    assert!(check(dir.path()).expect("looked").iter().all(|file| file.wrong.is_empty()));
    let ledger = dir.path().join("ledger.redb");
    let good = std::fs::read(&ledger).expect("there");
    let cut = &good[..good.len() / 2];
    std::fs::write(&ledger, cut).expect("written");
    let told = check(dir.path()).expect("looked");
    assert!(!told[0].wrong.is_empty() && told[1].wrong.is_empty(), "{told:?}");
    assert!(backup_at_rest(dir.path(), &dir.path().join("backup")).is_err());
    assert!(!dir.path().join("backup").exists());
    assert_eq!(std::fs::read(&ledger).expect("there"), cut, "as it lay");
    for (name, bytes) in [("cut", cut), ("empty", &[][..]), ("text", b"no ledger")] {
        let file = dir.path().join(name);
        std::fs::write(&file, bytes).expect("written");
        assert!(matches!(restore(dir.path(), &file), Err(StoreError::NoBackup { .. })), "{name}");
        assert_eq!(std::fs::read(&ledger).expect("there"), cut, "as it lay");
    }
    let cache = dir.path().join("cache.redb");
    assert!(matches!(restore(dir.path(), &cache), Err(StoreError::NoBackup { .. })), "a cache is no ledger");
}
