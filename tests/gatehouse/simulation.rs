//! The simulation itself: the same seed gives the same run, it can fail, and what it once found stays found.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::TimeDelta;
use gatehouse::gateway::Sabotage;
use gatehouse::simulate::{Script, command, driver};

/// The first minutes of the run of a seed, with a quiet after them.
fn beginning(seed: u64, minutes: i64, quiet: i64) -> Script {
    let mut script = Script::of(seed).unwrap();
    let start = script.steps[0].at;
    script.steps.retain(|step| step.at < start + TimeDelta::minutes(minutes));
    script.until = start + TimeDelta::minutes(minutes + quiet);
    script
}

/// Proves that a trace can be trusted: whoever runs it again sees what was seen, to the call. That the tests of the
/// other promises hold in the run is not asked here.
#[test]
fn the_same_seed_gives_the_same_run_call_by_call_and_another_seed_another_one() {
    let script = beginning(2, 40, 10);
    let [once, again] = [(); 2].map(|()| driver::run(&script, None).unwrap());
    assert!(once.verdict.kisi_calls > 50 && once.verdict.nexudus_calls > 50, "{:?}", once.verdict);
    assert_eq!((once.fingerprint, &once.verdict, &once.done), (again.fingerprint, &again.verdict, &again.done));
    let other = driver::run(&beginning(3, 40, 10), None).unwrap();
    assert_ne!(once.fingerprint, other.fingerprint);
}

/// Proves that the judge sees a window that ends 20 minutes late. The other rules take more days than a test has:
/// `.ci/run` breaks them by `simulate --break`.
#[test]
fn a_rule_that_is_broken_on_purpose_is_found_by_some_seed() {
    let found = (1..6).any(|seed| {
        let outcome = driver::run(&beginning(seed, 90, 60), Some(Sabotage::LateClosing)).unwrap();
        outcome.failures.iter().any(|failure| failure.starts_with("promise 1"))
    });
    assert!(found, "windows that end late were found by none of five seeds");
}

/// What the simulation once found: each file's name says what was wrong. The steps are the shortest that showed it.
#[test]
fn what_a_seed_once_found_is_mended() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/gatehouse/seeds");
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    files.sort();
    let (wrong, next) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
    // It is the longest and comes last: alone, one core would wait for the other.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = driver::run(&command::read(path).unwrap(), None).unwrap();
                    let failures = outcome.failures.iter().map(|failure| format!("{}: {failure}", path.display()));
                    wrong.lock().unwrap().extend(failures);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
