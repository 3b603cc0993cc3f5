//! Promise 7: the power is cut at every write and every sync of a stretch of work, and of the opening after that.
//!
//! Each cut loses, tears and reorders what was not synced, by seed (`GATEHOUSE_CUT_SEEDS` for more of them).

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use fastrand::Rng;

use super::workload::{Disks, Held, held, now, states, workload};
use super::*;
use crate::simulate::medium::{Failing, Fault};

fn seeds() -> u64 {
    std::env::var("GATEHOUSE_CUT_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(2)
}

/// Opens what a cut left; what was acknowledged is there, at most the one under way besides, and nothing by halves.
fn check(disks: &Disks, states: &[Held], acknowledged: usize, context: &str) -> (Store, Held) {
    let (store, opened) = disks.open().unwrap_or_else(|error| panic!("{context}: {error}"));
    let sound = |opening: &Opening| matches!(opening, Opening::Fresh | Opening::Kept);
    assert!(sound(&opened.cache) && sound(&opened.ledger), "{context}: {opened:?}");
    assert!(!opened.ledger_lost() && opened.aside.is_empty(), "{context}: {opened:?}");
    assert!(store.trouble().is_none(), "{context}: {:?}", store.trouble());
    let found = held(&store);
    let may = &states[acknowledged..states.len().min(acknowledged + 2)];
    assert!(may.iter().any(|state| state.kept == found.kept), "{context}: the ledger after {acknowledged}: {found:?}");
    assert!(may.iter().any(|state| state.cached == found.cached), "{context}: the cache after {acknowledged}");
    // What only goes along may be older than was said last, never newer and never older than what it last went with.
    let (least, most) = (&states[acknowledged], &may[may.len() - 1]);
    assert!(least.watermark <= found.watermark && found.watermark <= most.watermark, "{context}");
    assert!(least.trusted <= found.trusted && found.trusted <= most.trusted, "{context}");
    (store, found)
}

#[test]
fn promise_7_power_cut_at_any_write_or_sync_leaves_what_was_acknowledged_and_the_rest_can_be_done_again() {
    let batches = Arc::new(workload(600));
    let states = Arc::new(states(&batches));
    let disks = Disks::new();
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let counts: Arc<[AtomicU64; 2]> = Arc::default();
    let cut = {
        let (disks, acknowledged, counts, batches) =
            (disks.clone(), acknowledged.clone(), counts.clone(), batches.clone());
        let rng = Mutex::new(Rng::with_seed(7));
        move || {
            let acknowledged = acknowledged.load(Ordering::Relaxed);
            for _ in 0..seeds() {
                let found = disks.cut(&mut rng.lock().unwrap());
                let number = counts[0].fetch_add(1, Ordering::Relaxed);
                let context = format!("cut {number}");
                let (store, held_now) = check(&found, &states, acknowledged, &context);
                counts[1].fetch_add(u64::from(held_now.kept != states[acknowledged].kept), Ordering::Relaxed);
                if number.is_multiple_of(11) {
                    batches[acknowledged..].iter().for_each(|batch| now(store.commit(batch.clone())).unwrap());
                    drop(store);
                    let (found, last) = (held(&found.open().unwrap().0), &states[states.len() - 1]);
                    assert!(found.kept == last.kept && found.cached == last.cached, "{context}: {found:?}");
                }
            }
        }
    };
    let (store, _) = disks.open_watched(cut).unwrap();
    for batch in batches.iter() {
        now(store.commit(batch.clone())).unwrap();
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    let [cuts, under_way] = [0, 1].map(|n: usize| counts[n].load(Ordering::Relaxed));
    println!("{:?}: {cuts} cuts; {under_way} times the batch under way was found done", disks.medium.steps());
    assert!(cuts > 300 && under_way > 0, "{cuts}, {under_way}");
}

/// The box that comes up after a cut loses its power again, at every step of the opening.
#[test]
fn promise_7_power_cut_while_opening_after_a_cut_loses_nothing_either() {
    let batches = workload(60);
    let states = Arc::new(states(&batches));
    let mut random = Rng::with_seed(3);
    let cuts = Arc::new(AtomicU64::new(0));
    for round in 0..8 * seeds() {
        // The first cut is at some step of some batch.
        let disks = Disks::new();
        let acknowledged = random.usize(0..batches.len());
        let store = disks.open().unwrap().0;
        batches[..acknowledged].iter().for_each(|batch| now(store.commit(batch.clone())).unwrap());
        let steps = disks.medium.steps();
        disks.medium.cut_at(crate::simulate::medium::Moment::Write(steps.writes + random.u64(1..12)), || ());
        let one_more = now(store.commit(batches[acknowledged].clone())).map_or(0, |()| 1);
        let left = disks.cut(&mut random);
        let look = {
            let (left, states, cuts) = (left.clone(), states.clone(), cuts.clone());
            let rng = Mutex::new(random.fork());
            move || {
                let found = left.cut(&mut rng.lock().unwrap());
                let number = cuts.fetch_add(1, Ordering::Relaxed);
                check(&found, &states, acknowledged + one_more, &format!("round {round}, cut {number} of the opening"));
            }
        };
        drop(left.open_watched(look).unwrap());
    }
    let cuts = cuts.load(Ordering::Relaxed);
    println!("{cuts} cuts");
    assert!(cuts > 100, "{cuts}");
}

/// A full disk and a failing one, at every write and every sync, for one step or several. A batch that is refused is
/// tried again until it goes through, and the power is cut right after: what was acknowledged is on the platter. On
/// Linux a sync that failed forgets what it had to write, so a later sync that succeeds proves nothing of it.
#[test]
fn promise_7_what_is_acknowledged_after_a_failed_write_or_sync_is_on_the_platter() {
    let batches = workload(60);
    let states = states(&batches);
    let whole = Disks::new();
    let store = whole.open().unwrap().0;
    batches.iter().for_each(|batch| now(store.commit(batch.clone())).unwrap());
    let steps = whole.medium.steps();
    let failing = |fault, from_write, from_sync, steps| Failing { fault, from_write, from_sync, steps };
    let writes = (1..=steps.writes).map(|n| failing(Fault::Full, Some(n), None, 1 + n % 7));
    let syncs = (1..=steps.syncs).flat_map(|n| [1, 3].map(|steps| failing(Fault::Io, None, Some(n), steps)));
    let mut refused = 0;
    for (round, failing) in writes.chain(syncs).enumerate() {
        let context = format!("{failing:?}");
        let disks = Disks::new();
        disks.medium.fail(Some(failing));
        let mut random = Rng::with_seed(round as u64);
        let store = disks.open().unwrap_or_else(|error| panic!("{context}: {error}")).0;
        let mut look = 0;
        for (number, batch) in batches.iter().enumerate() {
            let tries = (0..20).take_while(|_| now(store.commit(batch.clone())).is_err()).count();
            assert!(tries < 20, "{context}: batch {number} never goes through: {:?}", store.trouble());
            refused += tries;
            look = if tries > 0 { 2 } else { look };
            if look > 0 {
                look -= 1;
                now(store.retry());
                for _ in 0..2 {
                    check(&disks.cut(&mut random), &states, number + 1, &format!("{context}, batch {number}"));
                }
            }
        }
        drop(store);
        check(&disks.cut(&mut random), &states, batches.len(), &format!("{context}, at the end"));
    }
    println!("{refused} refusals");
    assert!(refused > 100, "{refused}");
}
