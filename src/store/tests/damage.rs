//! Promise 7: whatever a file holds, the store opens, and says what it found.

use std::fs;

use redb::{Database, TableDefinition};

use super::*;

const ROWS: u64 = 300;

/// A store with some hundred rows, closed. What was committed last is in the ledger's last rows.
fn filled(dir: &Path) {
    let (store, _) = Store::open(dir).unwrap();
    for start in (0..ROWS).step_by(50) {
        commit(&store, |batch| {
            for id in start..start + 50 {
                batch.own(&owned(id, 5));
                batch.account(&account(id, true));
            }
            batch.events(vec![event(start, start as i64, Some(1))], at(1));
            batch.roster(&roster(start + 50, 0));
        })
        .unwrap();
    }
}

fn damage(dir: &Path, part: Part, change: impl FnOnce(&mut Vec<u8>)) {
    let path = dir.join(part.file_name());
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(&path, bytes).unwrap();
}

fn is_set_aside(opening: &Opening) -> bool {
    matches!(opening, Opening::SetAside { to: Some(to), why } if to.exists() && !why.is_empty())
}

#[test]
fn promise_7_a_file_of_0_bytes_or_cut_short_is_set_aside_and_never_deleted() {
    for keep in [0, 1, 100, 4096, 30_000] {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path());
        damage(dir.path(), Part::Ledger, |bytes| bytes.truncate(keep));
        let (store, opened) = Store::open(dir.path()).unwrap();
        assert!(is_set_aside(&opened.ledger), "{keep} bytes: {:?}", opened.ledger);
        assert!(opened.ledger_lost());
        assert_eq!(opened.cache, Opening::Kept);
        assert_eq!(fs::metadata(dir.path().join("ledger.redb.damaged-1")).unwrap().len(), keep as u64);
        assert_eq!(store.load_ledger().unwrap().owned.len(), 0);
        assert_eq!(store.load_roster().unwrap().users.len(), ROWS as usize);
        commit(&store, |batch| batch.own(&owned(1, 5))).unwrap();
        drop(store);
        damage(dir.path(), Part::Ledger, |bytes| bytes.truncate(keep));
        let (_store, opened) = Store::open(dir.path()).unwrap();
        let second = dir.path().join("ledger.redb.damaged-2");
        assert!(matches!(opened.ledger, Opening::SetAside { to: Some(to), .. } if to == second));
    }
}

/// Proves that no flipped byte makes a wrong value, not that every one is noticed: one in a page that is not in use
/// changes nothing.
#[test]
fn promise_7_flipped_bytes_are_noticed_and_never_read_as_something_else() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let good = fs::read(dir.path().join("ledger.redb")).unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    let ledger = store.load_ledger().unwrap();
    drop(store);
    let mut random = fastrand::Rng::with_seed(7);
    let mut set_aside = 0;
    for round in 0..120 {
        let mut bytes = good.clone();
        let in_header = round % 4 == 0;
        for _ in 0..random.usize(1..40) {
            let reach = if in_header { 512 } else { bytes.len() };
            let position = random.usize(0..reach);
            bytes[position] ^= random.u8(1..);
        }
        fs::write(dir.path().join("ledger.redb"), bytes).unwrap();
        let (store, opened) = Store::open(dir.path()).unwrap();
        match opened.ledger {
            Opening::Kept => {
                let found = store.load_ledger().unwrap();
                // A damaged header can make redb fall back to the commit before the last.
                assert!(found.owned.iter().all(|(id, row)| ledger.owned.get(id) == Some(row)), "round {round}");
                assert!(in_header || found == ledger, "round {round}: {} rows", found.owned.len());
            }
            other => {
                assert!(is_set_aside(&other), "round {round}: {other:?}");
                set_aside += 1;
            }
        }
        assert!(opened.aside.is_empty(), "round {round}: {:?}", opened.aside);
    }
    assert!(set_aside > 20, "{set_aside}");
}

#[test]
fn a_file_of_a_newer_format_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    put(dir.path(), "meta", b"format", b"2");
    let error = Store::open(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::Newer { part: Part::Ledger, found: 2, known: 1 }), "{error}");
    assert!(!dir.path().join("ledger.redb.damaged-1").exists());
}

#[test]
fn a_cache_under_the_name_of_the_ledger_is_not_taken_for_an_empty_ledger() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    fs::copy(dir.path().join("cache.redb"), dir.path().join("ledger.redb")).unwrap();
    let (_store, opened) = Store::open(dir.path()).unwrap();
    assert!(is_set_aside(&opened.ledger) && opened.ledger_lost());
}

#[test]
fn a_ledger_that_is_gone_while_the_cache_is_there_is_lost_and_no_first_start() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    fs::remove_file(dir.path().join("ledger.redb")).unwrap();
    assert!(Store::open(dir.path()).unwrap().1.ledger_lost());
}

#[test]
fn a_row_that_cannot_be_decoded_is_set_aside_and_stops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    put(dir.path(), "owned", &3_u64.to_be_bytes(), b"{\"id\": 3}");
    put(dir.path(), "events", &2_u64.to_be_bytes(), b"not JSON");
    let (store, opened) = Store::open(dir.path()).unwrap();
    let found: Vec<(&str, &str)> = opened.aside.iter().map(|row| (row.table.as_str(), row.key.as_str())).collect();
    assert_eq!(found, [("owned", "3"), ("events", "2"), ("outbox", "2")]);
    assert_eq!(store.load_ledger().unwrap().owned.len(), ROWS as usize - 1);
    assert_eq!(store.outbox_state().unwrap().waiting, 5);
    assert_eq!(store.outbox(0, 2).unwrap().iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 3]);
    drop(store);
    assert_eq!(Store::open(dir.path()).unwrap().1.aside, []);
    let db = Database::open(dir.path().join("ledger.redb")).unwrap();
    let txn = redb::ReadableDatabase::begin_read(&db).unwrap();
    let aside = txn.open_table(TableDefinition::<&[u8], &[u8]>::new("aside")).unwrap();
    let key = [b"owned/".as_slice(), &3_u64.to_be_bytes()].concat();
    assert_eq!(redb::ReadableTable::get(&aside, key.as_slice()).unwrap().unwrap().value(), b"{\"id\": 3}");
}

/// Puts a row into the ledger by another hand.
fn put(dir: &Path, table: &str, key: &[u8], value: &[u8]) {
    let db = Database::open(dir.join("ledger.redb")).unwrap();
    let txn = db.begin_write().unwrap();
    txn.open_table(TableDefinition::<&[u8], &[u8]>::new(table)).unwrap().insert(key, value).unwrap();
    txn.commit().unwrap();
}

/// Who only looks changes no byte and no name, also where the ledger is damaged, and keeps nobody out.
#[test]
fn contract_1_a_look_at_the_store_touches_nothing() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let content = |dir: &Path| -> BTreeMap<String, Vec<u8>> {
        let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        files.map(|path| (path.display().to_string(), fs::read(path).unwrap())).collect()
    };
    for damaged in [false, true] {
        if damaged {
            damage(dir.path(), Part::Ledger, |bytes| bytes.truncate(30_000));
        }
        let before = content(dir.path());
        let (store, opened) = Store::peek(dir.path()).unwrap();
        assert_eq!(matches!(opened.ledger, Opening::SetAside { .. }), damaged);
        assert_eq!(store.load_ledger().unwrap().owned.len(), if damaged { 0 } else { ROWS as usize });
        commit(&store, |batch| batch.own(&owned(ROWS + 1, 5))).unwrap();
        drop(store);
        assert!(content(dir.path()) == before, "something was touched");
    }
    let nowhere = tempfile::tempdir().unwrap();
    let (store, _) = Store::peek(nowhere.path()).unwrap();
    assert_eq!(store.load_ledger().unwrap().owned.len(), 0);
    assert_eq!(content(nowhere.path()).len(), 0, "none is made");
}
