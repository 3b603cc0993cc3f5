//! Promise 7: a disk that is full or read-only, and files that turn out to be damaged while they are in use.

use fastrand::Rng;

use super::workload::{Disks, held, now, workload};
use super::*;
use crate::simulate::Disk;
use crate::simulate::medium::{Failing, Fault};

fn everything_fails(fault: Fault) -> Option<Failing> {
    Some(Failing { fault, from_write: Some(0), from_sync: Some(0), steps: u64::MAX })
}

/// A store with a stretch of work in it, closed.
fn worked() -> Disks {
    let disks = Disks::new();
    let store = disks.open().unwrap().0;
    workload(60).into_iter().for_each(|batch| now(store.commit(batch)).unwrap());
    drop(store);
    disks.copy()
}

/// Nothing can be written at the start, then there is room: nothing is lost, and it goes on by itself.
#[test]
fn promise_7_a_disk_that_takes_nothing_stops_no_start_and_what_is_there_is_read() {
    for fault in [Fault::Full, Fault::Io] {
        let disks = worked();
        let whole = held(&disks.copy().open().unwrap().0);
        disks.medium.fail(everything_fails(fault));
        let (store, opened) = disks.open().unwrap();
        assert_eq!((&opened.ledger, &opened.cache), (&Opening::Kept, &Opening::Kept), "{fault:?}");
        assert_eq!(held(&store), whole, "{fault:?}");
        assert!(store.trouble().is_some_and(|error| error.to_string().contains("ledger.redb")), "{fault:?}");
        let refused = now(store.commit({
            let mut batch = Batch::new();
            batch.intend(&intent(77));
            batch
        }));
        assert!(refused.is_err(), "{fault:?}");
        assert_eq!(held(&store), whole, "{fault:?}: what was refused is not read back");
        disks.medium.fail(None);
        now(store.retry());
        assert!(store.trouble().is_none(), "{fault:?}: {:?}", store.trouble());
        commit_now(&store, |batch| batch.own(&owned(5000, 9)));
        let after = held(&disks.cut(&mut Rng::with_seed(1)).open().unwrap().0);
        assert_ne!(after.kept, whole.kept);
        assert_eq!(after.cached, whole.cached);
    }
}

/// The same with nothing there yet, and with a damaged file that can't even be put aside.
#[test]
fn promise_7_a_first_start_on_a_full_disk_and_a_damaged_file_on_a_read_only_one_wait_for_better_times() {
    let fresh = Disks::new();
    let mut spoilt = worked();
    spoilt.ledger = Disk::holding(vec![7; 9000], &spoilt.medium);
    for (disks, damaged) in [(fresh, false), (spoilt, true)] {
        disks.medium.fail(everything_fails(Fault::Full));
        let (store, opened) = disks.open().unwrap();
        assert_eq!(matches!(opened.ledger, Opening::SetAside { .. }), damaged, "{opened:?}");
        assert!(store.trouble().is_some() && store.load_ledger().unwrap().owned.is_empty());
        now(store.retry());
        assert!(store.trouble().is_some());
        disks.medium.fail(None);
        now(store.retry());
        assert!(store.trouble().is_none(), "{:?}", store.trouble());
        commit_now(&store, |batch| batch.own(&owned(1, 9)));
        let (after, opened) = disks.cut(&mut Rng::with_seed(1)).open().unwrap();
        assert_eq!(after.load_ledger().unwrap().owned.len(), 1);
        assert_eq!(opened.ledger_lost(), damaged, "{opened:?}");
    }
}

fn commit_now(store: &Store, fill: impl FnOnce(&mut Batch)) {
    let mut batch = Batch::new();
    fill(&mut batch);
    now(store.commit(batch)).unwrap();
}

/// A ledger that is spoilt while it is in use: the next commit that notices writes all that is known by heart into a
/// new one, and the numbers of events rise on.
#[test]
fn promise_7_a_ledger_found_damaged_in_use_is_written_anew_by_heart() {
    let disks = worked();
    let (store, _) = disks.open().unwrap();
    let known = store.load_ledger().unwrap();
    let last = store.outbox(0, 10_000).unwrap().last().unwrap().0;
    let by_heart = known.clone();
    store.remember(move |part| {
        let mut batch = Batch::new();
        if part == Part::Ledger {
            batch.whole_ledger(&by_heart);
        }
        batch
    });
    let len = disks.ledger.len().unwrap();
    disks.ledger.write(4096, &vec![0xA5; usize::try_from(len).unwrap() - 4096]).unwrap();
    let mut batch = Batch::new();
    batch.events(vec![event(500, 500, None)], at(500));
    // The database stumbles, by an error or a panic; the next try looks at the whole file.
    assert!(now(store.commit(batch.clone())).is_err());
    now(store.commit(batch)).unwrap();
    let losses = store.losses();
    assert!(matches!(&losses[..], [(Part::Ledger, Opening::SetAside { why, .. })] if !why.is_empty()), "{losses:?}");
    assert_eq!(store.load_ledger().unwrap(), known);
    assert_eq!(store.outbox(0, 10).unwrap().iter().map(|(number, _)| *number).collect::<Vec<_>>(), [last + 1]);
    assert!(store.trouble().is_none() && store.losses().is_empty());
    let (after, opened) = disks.cut(&mut Rng::with_seed(1)).open().unwrap();
    assert_eq!(after.load_ledger().unwrap(), known);
    drop(opened);
}

/// What could not be written while the disk was full is written when there is room, though nobody commits it again:
/// it is known by heart.
#[test]
fn promise_7_what_a_full_disk_refused_is_written_by_heart_when_there_is_room() {
    let disks = worked();
    let (store, _) = disks.open().unwrap();
    let mut known = store.load_ledger().unwrap();
    known.owned.insert(AssignmentId(4242), owned(4242, 7));
    known.owned.remove(&AssignmentId(1));
    let by_heart = known.clone();
    store.remember(move |part| {
        let mut batch = Batch::new();
        if part == Part::Ledger {
            batch.whole_ledger(&by_heart);
        }
        batch
    });
    disks.medium.fail(everything_fails(Fault::Full));
    let mut batch = Batch::new();
    batch.own(&owned(4242, 7));
    batch.disown(AssignmentId(1));
    assert!(now(store.commit(batch)).is_err());
    disks.medium.fail(None);
    now(store.retry());
    assert_eq!(store.load_ledger().unwrap(), known);
    assert_eq!(disks.cut(&mut Rng::with_seed(1)).open().unwrap().0.load_ledger().unwrap(), known);
}
