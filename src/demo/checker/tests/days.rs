//! Whole days.

use super::puppet::{Puppet, Wrong};
use crate::demo::checker::Report;
use crate::demo::site::{at, end};

fn broken(report: &Report) -> Vec<u8> {
    report.promises.iter().filter(|promise| !promise.kept).map(|promise| promise.number).collect()
}

/// The checker holds nothing against a day on which everything was done right, and has compared much.
#[test]
fn a_day_done_right_keeps_every_promise() {
    let report = Puppet::day(Wrong::Nothing, end());
    for promise in &report.promises {
        assert!(promise.kept, "{}: {}", promise.number, promise.detail);
    }
    let checked = |number: u8| report.promises[usize::from(number) - 1].checked;
    assert!(checked(1) > 50_000 && checked(2) > 50_000, "{} {}", checked(1), checked(2));
    assert!(checked(4) > 1_000 && checked(5) > 500 && checked(7) > 300);
    assert!(report.outage.iter().any(|tried| tried.opened && !tried.entitled), "a cache that knows no end");
    assert!(report.outage.iter().any(|tried| !tried.opened && tried.entitled), "a cache that knows no newcomer");
}

/// One day each, as long as it takes: whatever is done wrong is found by the promise that it breaks.
#[test]
fn whatever_is_done_wrong_is_found() {
    let all = [
        (Wrong::LateClosing, 1, 10),
        (Wrong::EarlyOpening, 1, 10),
        (Wrong::ForeignRow, 3, 13),
        (Wrong::EditsAGroup, 3, 13),
        (Wrong::LostEvent, 4, 10),
        (Wrong::MixesUpADoorsEvents, 4, 10),
        (Wrong::MassRemoval, 5, 13),
        (Wrong::NeverReadsAgain, 2, 11),
        (Wrong::AsksTooMuch, 2, 11),
        (Wrong::WritesAtAWrongTime, 6, 18),
        (Wrong::LeavesRowsAfterTheKill, 7, 18),
        (Wrong::TellsASecret, 8, 13),
    ];
    let days =
        all.map(|(wrong, number, until)| (wrong, number, std::thread::spawn(move || Puppet::day(wrong, at(until, 0)))));
    for (wrong, number, day) in days {
        let report = day.join().unwrap();
        let promise = &report.promises[number - 1];
        assert!(!promise.kept && promise.checked > 0, "{wrong:?} was not found: {:#?}", report.promises);
        assert!(!promise.detail.starts_with("nothing"), "{wrong:?}: {}", promise.detail);
    }
}

/// No evidence is no proof.
#[test]
fn a_day_on_which_nothing_happened_shows_nothing() {
    let report = Puppet::new(Wrong::Nothing, end()).judged();
    assert_eq!(broken(&report), [1, 2, 3, 4, 5, 6, 7, 8], "{:#?}", report.promises);
}
