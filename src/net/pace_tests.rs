//! The pace keeps its rate and its order, whatever comes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn ms(span: u64) -> Duration {
    Duration::from_millis(span)
}

fn needs() -> impl Strategy<Value = [Option<usize>; 6]> {
    proptest::array::uniform6(proptest::option::of(1usize..=2))
}

proptest! {
    #[test]
    fn rule_7_the_quota_is_claimed_in_its_order_and_events_get_one_call_in_five(
        needs in needs(), since in 0usize..8,
    ) {
        let chosen = next_class(needs, since);
        let first = Class::ALL.into_iter().find(|class| needs[*class as usize].is_some());
        prop_assert_eq!(chosen.is_some(), first.is_some());
        let (Some(chosen), Some(first)) = (chosen, first) else { return Ok(()) };
        prop_assert!(needs[chosen as usize].is_some(), "a class was chosen in which nobody waits");
        let events = needs[Class::Events as usize].is_some();
        if !events || since == 0 {
            prop_assert!(chosen == first);
        }
        if events && chosen != Class::Events {
            let turns = needs[chosen as usize].unwrap_or(0);
            prop_assert!(since + turns < 5, "five calls would pass without one for events");
        }
    }

    /// Claims of all kinds at any time, pairs whose second call comes late or never: no span holds too many, and
    /// within a class nobody is overtaken.
    #[test]
    fn never_more_than_the_rate_in_any_second(
        rate in prop_oneof![Just(5.0), Just(4.0), Just(2.0), Just(1.0), Just(3.5)],
        claims in proptest::collection::vec((0u64..4000, 0usize..6, any::<bool>(), 0u64..2500, any::<bool>()), 1..50),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime");
        let (spent, order) = runtime.block_on(async {
            let clock = Clock::starting_at(chrono::DateTime::UNIX_EPOCH, 1.0);
            let pace = Pace::new(clock.clone(), rate);
            let spent = Arc::new(Mutex::new(Vec::new()));
            let order = Arc::new(Mutex::new(Vec::new()));
            let mut tasks = tokio::task::JoinSet::new();
            let mut claims = claims.clone();
            claims.sort();
            for (number, (at, class, two, late, used)) in claims.into_iter().enumerate() {
                let (clock, pace) = (clock.clone(), pace.clone());
                let (spent, order) = (Arc::clone(&spent), Arc::clone(&order));
                tasks.spawn(async move {
                    clock.sleep_until(Mono(ms(at))).await;
                    let class = Class::ALL[class];
                    let note = || {
                        spent.lock().expect("lock").push(clock.mono());
                        order.lock().expect("lock").push((class, at, number));
                    };
                    if two {
                        let pair = pace.claim_two(class).await;
                        note();
                        clock.sleep(ms(late)).await;
                        if used {
                            pair.second().await;
                            spent.lock().expect("lock").push(clock.mono());
                        }
                    } else {
                        pace.claim(class).await;
                        note();
                    }
                });
            }
            let all = async { while tasks.join_next().await.is_some() {} };
            assert!(clock.timeout(ms(1_000_000), all).await.is_ok(), "somebody waits for ever");
            let spent = spent.lock().expect("lock").clone();
            let order = order.lock().expect("lock").clone();
            (spent, order)
        });
        let most = (rate as usize).max(2);
        let span = ms(if rate < 2.0 { 2000 } else { 1000 });
        for (i, from) in spent.iter().enumerate() {
            let within = spent[i..].iter().filter(|at| at.since(*from) < span).count();
            prop_assert!(within <= most, "{within} calls within {span:?} of {from:?}");
        }
        for class in Class::ALL {
            let came: Vec<u64> = order.iter().filter(|(c, _, _)| *c == class).map(|(_, at, _)| *at).collect();
            prop_assert!(came.is_sorted(), "{class:?} was not served in its order: {came:?}");
        }
    }
}

fn pace(rate: f64) -> (Clock, Pace) {
    let clock = Clock::starting_at(chrono::DateTime::UNIX_EPOCH, 1.0);
    (clock.clone(), Pace::new(clock, rate))
}

#[tokio::test(start_paused = true)]
async fn a_pause_saves_up_no_burst() {
    let (clock, pace) = pace(4.0);
    pace.claim(Class::State).await;
    clock.sleep(Duration::from_secs(60)).await;
    let from = clock.mono();
    for _ in 0..5 {
        pace.claim(Class::State).await;
    }
    assert_eq!(clock.mono().since(from), ms(1000));
}

#[tokio::test(start_paused = true)]
async fn both_calls_of_a_pair_go_at_once_however_many_others_wait() {
    let (clock, pace) = pace(4.0);
    let mut others = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let pace = pace.clone();
        others.spawn(async move { pace.claim(Class::Close).await });
    }
    tokio::task::yield_now().await;
    let pair = pace.claim_two(Class::Close).await;
    let first = clock.mono();
    clock.sleep(ms(100)).await;
    pair.second().await;
    assert_eq!(clock.mono().since(first), ms(100));
    assert_eq!(others.len(), 20, "the pair came last: it waited behind those before it");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_claim_leaves_its_turn_to_the_next() {
    let (clock, pace) = pace(1.0);
    pace.claim(Class::State).await;
    let dropped = pace.claim(Class::Close);
    assert!(clock.timeout(ms(500), dropped).await.is_err());
    drop(pace.claim_two(Class::Close).await);
    let from = clock.mono();
    pace.claim(Class::State).await;
    assert_eq!(clock.mono().since(from), ms(1000), "only the one turn that was spent counts");
}

#[tokio::test(start_paused = true)]
async fn retry_after_holds_everything_the_second_of_a_pair_too() {
    let (clock, pace) = pace(4.0);
    let pair = pace.claim_two(Class::Open).await;
    pace.hold_until(clock.mono().plus(ms(7000)));
    pace.hold_until(clock.mono().plus(ms(3000)));
    pair.second().await;
    assert_eq!(clock.mono(), Mono(ms(7000)));
    pace.claim(Class::Close).await;
    assert_eq!(clock.mono(), Mono(ms(7250)));
}

/// Found by the property above: whoever comes may make somebody else the next, who then has to be told.
#[tokio::test(start_paused = true)]
async fn a_newcomer_that_hands_the_turn_to_events_wakes_them() {
    let (clock, pace) = pace(5.0);
    for _ in 0..3 {
        pace.claim(Class::State).await;
    }
    let mut waiting = tokio::task::JoinSet::new();
    for class in [Class::Open, Class::Events] {
        let pace = pace.clone();
        waiting.spawn(async move { pace.claim(class).await });
        tokio::task::yield_now().await;
    }
    let newcomer = pace.clone();
    waiting.spawn(async move { drop(newcomer.claim_two(Class::Close).await) });
    let all = async { while waiting.join_next().await.is_some() {} };
    assert!(clock.timeout(ms(10_000), all).await.is_ok());
}

/// Twenty calls in a row of one class, each claimed 100 ms after the one before, while others wait: how long they take.
async fn a_series_among_others(class: Class, others: Class) -> Duration {
    let (clock, pace) = pace(4.0);
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let pace = pace.clone();
        waiting.spawn(async move { pace.claim(others).await });
    }
    tokio::task::yield_now().await;
    let from = clock.mono();
    let series = pace.series(class);
    for _ in 0..20 {
        pace.claim(class).await;
        clock.sleep(ms(100)).await;
    }
    drop(series);
    let took = clock.mono().since(from);
    clock.sleep(Duration::from_secs(20)).await;
    while waiting.try_join_next().is_some() {}
    assert!(waiting.is_empty(), "nobody waits for ever");
    took
}

#[tokio::test(start_paused = true)]
async fn rule_7_calls_made_one_after_another_lose_no_turn_to_lower_classes() {
    let took = a_series_among_others(Class::Write, Class::Roster).await;
    assert!(took <= ms(20 * 250 + 350), "{took:?}: the first turn may be another's");
    let took = a_series_among_others(Class::Open, Class::Events).await;
    assert!((ms(24 * 250)..=ms(26 * 250)).contains(&took), "{took:?}: one in five is for events");
    let took = a_series_among_others(Class::Write, Class::Close).await;
    assert!(took >= ms(59 * 250), "{took:?}: what is more urgent goes first");
}
