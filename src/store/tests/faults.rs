//! Promise 7: disks that are full, and power that is cut.

use super::backend::Disk;
use super::*;

/// For every n: the disk is full at the n-th step of a commit. The commit says so, the store goes on, the same batch
/// goes through when there is room, and a power cut after that leaves it.
#[test]
fn promise_7_a_full_disk_refuses_a_commit_and_the_next_try_goes_through() {
    let mut refused = 0;
    for steps in 0..60 {
        let disk = Disk::default();
        let (store, _) = Store::on_backends(Disk::default(), disk.clone()).unwrap();
        commit(&store, |batch| batch.own(&owned(1, 5))).unwrap();
        let batch = |batch: &mut Batch| {
            for id in 2..200 {
                batch.own(&owned(id, 5));
            }
            batch.disown(AssignmentId(1));
            batch.events(vec![event(1, 1, Some(1))], at(1));
        };
        disk.allow(Some(steps));
        let first = commit(&store, batch);
        if first.is_err() {
            refused += 1;
            assert!(commit(&store, batch).is_err(), "still full at step {steps}");
        }
        disk.allow(None);
        commit(&store, batch).unwrap();
        let kept = store.load_ledger().unwrap();
        assert_eq!((kept.owned.len(), store.outbox_state().unwrap().waiting), (198, 1), "step {steps}");
        // A clone of the disk: the store's own end must not mend what the commit left undone.
        let (after, opened) = Store::on_backends(Disk::default(), disk.cut()).unwrap();
        assert_eq!(opened.ledger, Opening::Kept, "step {steps}");
        assert_eq!(after.load_ledger().unwrap(), kept, "step {steps}");
        assert_eq!(after.outbox(0, 9).unwrap(), store.outbox(0, 9).unwrap());
    }
    assert!(refused > 5, "{refused}");
}

/// The power is cut at every step of a series of commits: what was acknowledged is there, in order, and at most the
/// one that was under way besides.
#[test]
fn promise_7_power_cut_at_any_step_leaves_what_was_acknowledged() {
    for steps in 0..150 {
        let disk = Disk::default();
        let (store, _) = Store::on_backends(Disk::default(), disk.clone()).unwrap();
        disk.allow(Some(steps));
        let acknowledged = (1..=8).take_while(|&id| commit(&store, |batch| batch.own(&owned(id, 5))).is_ok()).count();
        let (after, opened) = Store::on_backends(Disk::default(), disk.cut()).unwrap();
        assert_eq!(opened.ledger, Opening::Kept);
        let found = after.load_ledger().unwrap().owned.len();
        assert!(found == acknowledged || found == acknowledged + 1, "step {steps}: {found} of {acknowledged}");
    }
}

#[test]
fn a_cache_that_cannot_be_written_holds_up_nothing_of_the_ledger() {
    let disk = Disk::default();
    let (store, _) = Store::on_backends(disk.clone(), Disk::default()).unwrap();
    disk.allow(Some(0));
    let mut both = [Batch::new(), Batch::new()];
    both[0].own(&owned(1, 5));
    both[1].roster(&roster(3, 0));
    let outcomes = store.0.files.commit(&both);
    assert!(outcomes[0].is_ok());
    assert!(matches!(&outcomes[1], Err(StoreError::Write { part: Part::Cache, .. })));
    assert_eq!(store.stats().failures, 1);
    assert_eq!(store.load_ledger().unwrap().owned.len(), 1);
}

/// More rows than redb keeps in memory, so that some must be read.
#[test]
fn a_read_that_failed_may_be_tried_again() {
    let disk = Disk::default();
    let (store, _) = Store::on_backends(Disk::default(), disk.clone()).unwrap();
    for part in 0..4 {
        commit(&store, |batch| (0..6000).for_each(|id| batch.own(&owned(part * 6000 + id, 5)))).unwrap();
    }
    disk.unreadable(true);
    assert!(matches!(store.load_ledger(), Err(StoreError::Read { part: Part::Ledger, .. })));
    disk.unreadable(false);
    assert_eq!(store.load_ledger().unwrap().owned.len(), 24_000);
}
