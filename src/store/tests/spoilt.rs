//! Promise 7: files spoilt in many ways, by seed (`GATEHOUSE_SPOILT_SEEDS` for more): never a panic, never a wrong value,
//! the spoilt file kept and named.

use std::fs;

use fastrand::Rng;

use super::*;

/// A page of the database, and what a disk writes whole.
const UNITS: [usize; 2] = [4096, 512];

fn spoil(bytes: &mut Vec<u8>, seed: u64) -> &'static str {
    let mut rng = Rng::with_seed(seed);
    let unit = UNITS[rng.usize(0..2)];
    let units = bytes.len() / unit;
    let some = |rng: &mut Rng| rng.usize(0..units) * unit;
    match seed % 10 {
        0 => {
            let at = some(&mut rng);
            bytes[at..at + unit].fill(0);
            "a page of zeros"
        }
        1 => {
            let at = some(&mut rng);
            bytes[at..at + unit].iter_mut().for_each(|byte| *byte = rng.u8(..));
            "a page of noise"
        }
        2 => {
            let (from, to) = (some(&mut rng), some(&mut rng));
            bytes.copy_within(from..from + unit, to);
            "a page where another belongs"
        }
        3 => {
            let len = [0, 1, 9, 63, 64, 320, 511, 512, 4095, 4096, 8192, bytes.len() / 2, bytes.len() - 1];
            bytes.truncate(len[rng.usize(0..len.len())]);
            "cut short"
        }
        4 => {
            bytes.fill(0);
            "nothing but zeros"
        }
        5 => {
            bytes[rng.usize(0..9)] ^= rng.u8(1..);
            "a wrong magic"
        }
        6 => {
            for _ in 0..rng.usize(1..200) {
                let at = rng.usize(0..bytes.len());
                bytes[at] ^= 1 << rng.u8(0..8);
            }
            "single bits"
        }
        7 => {
            let at = rng.usize(9..320);
            bytes[at] ^= rng.u8(1..);
            "a byte of the header"
        }
        8 => {
            bytes.extend(std::iter::repeat_n(rng.u8(..), unit * rng.usize(1..9)));
            "longer than it was"
        }
        _ => {
            let at = some(&mut rng);
            bytes[at..].fill(0);
            "zeros from a page on"
        }
    }
}

#[test]
fn promise_7_no_spoilt_file_makes_a_panic_or_a_wrong_value_and_each_is_kept_and_named() {
    let seeds = std::env::var("GATEHOUSE_SPOILT_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(150);
    let good = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(good.path()).unwrap();
    for start in (0..200).step_by(50) {
        commit(&store, |batch| {
            (start..start + 50).for_each(|id| batch.own(&owned(id, 5)));
            batch.events(vec![event(start, start as i64, Some(1))], at(1));
            batch.roster(&roster(start + 50, 0));
        })
        .unwrap();
    }
    let whole = (store.load_ledger().unwrap(), store.load_roster().unwrap());
    drop(store);
    let originals = [Part::Ledger, Part::Cache].map(|part| fs::read(good.path().join(part.file_name())).unwrap());
    let mut found: BTreeMap<&str, [u32; 2]> = BTreeMap::new();
    for seed in 0..seeds {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = originals.clone();
        let which = usize::from(seed % 3 == 2);
        let how = spoil(&mut bytes[which], seed);
        let spoilt = bytes[which].clone();
        for (part, bytes) in [Part::Ledger, Part::Cache].into_iter().zip(bytes) {
            fs::write(dir.path().join(part.file_name()), bytes).unwrap();
        }
        let (store, opened) = Store::open(dir.path()).unwrap_or_else(|error| panic!("seed {seed}, {how}: {error}"));
        let opening = [&opened.ledger, &opened.cache][which];
        let set_aside = match opening {
            Opening::SetAside { to: Some(to), why } => {
                assert!(!why.is_empty() && fs::read(to).unwrap() == spoilt, "seed {seed}, {how}");
                1
            }
            Opening::Kept => {
                // What is read is what was there, or what was there before the last commit.
                let (ledger, roster) = (store.load_ledger().unwrap(), store.load_roster().unwrap());
                assert!(ledger.owned.iter().all(|(id, row)| whole.0.owned.get(id) == Some(row)), "seed {seed}, {how}");
                assert!(roster.users.iter().all(|(id, row)| whole.1.users.get(id) == Some(row)), "seed {seed}, {how}");
                0
            }
            other => panic!("seed {seed}, {how}: {other:?}"),
        };
        assert!(opened.aside.is_empty(), "seed {seed}, {how}: {:?}", opened.aside);
        commit(&store, |batch| batch.own(&owned(9_000, 5))).unwrap();
        drop(store);
        assert!(Store::open(dir.path()).unwrap().0.load_ledger().unwrap().owned.contains_key(&AssignmentId(9_000)));
        found.entry(how).or_default()[set_aside] += 1;
    }
    println!("{seeds} spoilt files; by how: [opened as they were, set aside]: {found:?}");
    for how in ["nothing but zeros", "a wrong magic", "cut short"] {
        assert_eq!(found[how][0], 0, "{how}");
    }
}
