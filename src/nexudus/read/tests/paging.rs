use std::sync::Mutex as StdMutex;

use proptest::prelude::*;

use super::*;
use crate::domain::snapshot::Shelf;
use crate::nexudus::fake::page;

/// In which order the list is shown, whatever was asked for.
#[derive(Clone, Copy, Debug)]
enum Order {
    Up,
    Down,
    Mixed,
}

fn place(order: Order, id: u64) -> u64 {
    match order {
        Order::Up => id,
        Order::Down => u64::MAX - id,
        Order::Mixed => id.wrapping_mul(0x9E37_79B9_7F4A_7C15),
    }
}

/// What happens to the list between two calls.
#[derive(Clone, Debug)]
enum Change {
    Insert,
    Delete(prop::sample::Index),
}

fn changes() -> impl Strategy<Value = Vec<Vec<Change>>> {
    let change = prop_oneof![Just(Change::Insert), any::<prop::sample::Index>().prop_map(Change::Delete)];
    // Most often nothing, and often a pair: that is what hides from TotalItems.
    let between = prop_oneof![3 => Just(vec![]), 3 => prop::collection::vec(change, 1..4)];
    prop::collection::vec(between, 12)
}

fn customer(id: u64) -> Value {
    json!({"Id": id, "FullName": "Ada Jones", "Email": "ada@example.org", "Active": true, "Archived": false})
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn rule_6_a_reading_that_calls_itself_complete_misses_nothing_that_was_there_all_the_while(
        order in prop_oneof![Just(Order::Up), Just(Order::Down), Just(Order::Mixed)],
        rows in 5u64..38, changes in changes(),
    ) {
        // Pages of 12 at most, so that few rows make many pages.
        let table: Vec<u64> = (1..=rows).collect();
        let history = Arc::new(StdMutex::new(vec![table.clone()]));
        let told = history.clone();
        let mut between = changes.into_iter();
        let (mut table, mut next) = (table, rows + 1);
        let (reader, _) = reader(move |asked| {
            for change in between.next().unwrap_or_default() {
                match change {
                    Change::Insert => { table.push(next); next += 1; }
                    Change::Delete(index) if !table.is_empty() => { table.remove(index.index(table.len())); }
                    Change::Delete(_) => {}
                }
                told.lock().expect("history").push(table.clone());
            }
            let mut shown = table.clone();
            shown.sort_by_key(|id| place(order, *id));
            let size = asked.number("size").min(12);
            let from = ((asked.number("page") - 1) * size).min(shown.len());
            let rows: Vec<Value> = shown[from..(from + size).min(shown.len())].iter().map(|id| customer(*id)).collect();
            page(&rows, shown.len())
        });
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime");
        let reading = runtime.block_on(reader.customers(began())).expect("a reading");
        let mut ids: Vec<u64> = reading.listing.rows.iter().map(|row| row.id.0).collect();
        ids.sort_unstable();
        let history = history.lock().expect("history");
        if history.len() == 1 {
            prop_assert!(reading.incomplete.is_none(), "{:?}", reading.incomplete);
        }
        if reading.listing.whole.is_none() {
            prop_assert!(reading.incomplete.is_some());
            return Ok(());
        }
        let throughout = history[0].iter().filter(|id| history.iter().all(|state| state.contains(id)));
        for id in throughout {
            prop_assert!(ids.contains(id), "{} missed: {:?} of {:?}", id, ids, history);
        }
        if !matches!(order, Order::Mixed) {
            prop_assert!(history.contains(&ids), "{:?} never was: {:?}", ids, history);
        }
    }
}

fn customers(ids: impl IntoIterator<Item = u64>) -> Vec<Value> {
    ids.into_iter().map(customer).collect()
}

#[tokio::test(start_paused = true)]
async fn trap_9_a_deletion_that_an_insertion_hides_from_the_total_is_found() {
    let mut call = 0;
    let (reader, log) = reader(move |asked| {
        call += 1;
        // Row 1 goes and row 2,501 comes between the first two pages: the total stays.
        if call == 1 { paged(asked, &customers(1..=2_500)) } else { paged(asked, &customers(2..=2_501)) }
    });
    let reading = reader.customers(began()).await.expect("a reading");
    assert_eq!(reading.incomplete, None);
    assert_eq!(reading.listing.rows.len(), 2_500);
    assert!(reading.listing.rows.iter().any(|row| row.id == CustomerId(1_001)), "the row that moved over the edge");
    let sizes: Vec<_> = log.lock().expect("log").iter().skip(1).map(|asked| asked.number("size")).collect();
    assert_eq!(sizes, [1000, 999, 1000, 999, 998], "read again at once");
}

#[tokio::test(start_paused = true)]
async fn rule_6_what_never_comes_to_rest_is_incomplete_and_says_why() {
    type Script = fn(&Asked, usize) -> Answer;
    let cases: [(Script, &str); 5] = [
        (|asked, call| paged(asked, &customers(1..=1_500 + call as u64)), "TotalItems changed"),
        (|asked, call| paged(asked, &customers(call as u64..=1_500 + call as u64)), "rows moved"),
        (|_, _| page(&[], 60), "without rows"),
        (|_, _| page(&customers([1, 1]), 2), "twice"),
        (|_, _| ok(json!({"Records": [customer(1)]})), "no TotalItems"),
    ];
    for (script, named) in cases {
        let mut call = 0;
        let (reader, _) = reader(move |asked| {
            call += 1;
            script(asked, call)
        });
        let reading = reader.customers(began()).await.expect("a reading");
        assert_eq!(reading.listing.whole, None);
        let why = reading.incomplete.expect("a reason");
        assert!(why.contains(named), "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_that_fails_in_the_middle_is_asked_for_once_more_and_then_fails_the_reading() {
    for failures in [1, 2] {
        let mut left = failures;
        let (reader, _) = reader(move |asked| {
            if asked.query("page") == "2" && left > 0 {
                left -= 1;
                return answer(502, &[], "<html>");
            }
            paged(asked, &customers(1..=1_800))
        });
        let result = reader.customers(began()).await;
        assert_eq!(result.is_ok(), failures == 1);
    }
}

#[tokio::test(start_paused = true)]
async fn rule_6_a_list_of_which_nothing_is_linked_any_more_is_not_an_empty_list() {
    let pass = |id: u64, kind: u64| json!({"Id": id, "CoworkerId": 1, "TimePassId": kind, "Used": false});
    let mut shelf = Shelf::default();
    let lists = [vec![pass(1, 31), pass(2, 99)], vec![pass(2, 99)], vec![pass(2, 99)]];
    for (minute, rows) in lists.into_iter().enumerate() {
        let (reader, _) = site([("billing/coworkertimepasses", rows)]);
        let began = began() + chrono::TimeDelta::minutes(i64::try_from(minute).expect("small"));
        let reading = reader.passes(&Known::default(), began).await.expect("a reading");
        assert_eq!(shelf.absorb(reading.listing).refused, None);
    }
    assert_eq!(shelf.get(PassId(1)), None, "gone after two complete readings");
}
