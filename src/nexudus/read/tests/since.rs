use super::*;
use crate::domain::snapshot::Entity;
use crate::nexudus::fake::page;
use crate::nexudus::schedule::{Job, Outcome};
use chrono::TimeDelta;
use std::sync::Mutex as StdMutex;

type Table = Arc<StdMutex<Vec<Value>>>;

/// A Nexudus whose filter on `UpdatedOn` is read as the time of a zone so far ahead of UTC.
fn filtering(table: &Table, ahead: TimeDelta) -> (Reader, Log) {
    let table = table.clone();
    reader(move |asked| {
        let rows = table.lock().expect("table");
        let from = asked.query.iter().find(|(key, _)| key.starts_with("from_") && key.ends_with("On"));
        let from = from.map(|(_, value)| at(&format!("{value}:00Z")) - ahead);
        let stamp = |row: &Value| at(row["UpdatedOn"].as_str().or(row["CancelledOn"].as_str()).expect("a stamp"));
        let shown: Vec<Value> = rows.iter().filter(|row| from.is_none_or(|from| stamp(row) >= from)).cloned().collect();
        paged(asked, &shown)
    })
}

fn updated(id: u64, on: Timestamp) -> Value {
    with(booking(id, "2026-03-05T09:00:00Z", "2026-03-05T10:00:00Z"), "UpdatedOn", json!(on.to_rfc3339()))
}

async fn perform(reader: &Reader, job: Job, began: Timestamp) -> Brought {
    reader.perform(job, window(), &Known::default(), began).await.expect("a reading")
}

fn shown(brought: &Brought) -> Vec<u64> {
    let Brought::Bookings(reading) = brought else { panic!("{brought:?}") };
    reading.listing.rows.iter().map(|row| row.id.0).collect()
}

#[tokio::test(start_paused = true)]
async fn promise_2_an_update_is_seen_in_whatever_zone_the_filter_is_read() {
    for hours in [0, 1, 14, -5, -12] {
        let table: Table = Table::default();
        let old = (1..200).map(|id| updated(id, began() - TimeDelta::hours(id.cast_signed())));
        table.lock().expect("table").extend(old);
        let (reader, log) = filtering(&table, TimeDelta::hours(hours));
        perform(&reader, Job::Whole(Entity::Bookings), began()).await;
        for round in 1u64..6 {
            let now = began() + TimeDelta::minutes(round.cast_signed());
            table.lock().expect("table").push(updated(1_000 + round, now - TimeDelta::seconds(5)));
            let before = log.lock().expect("log").len();
            let brought = perform(&reader, Job::Updated(Entity::Bookings), now).await;
            assert!(shown(&brought).contains(&(1_000 + round)), "round {round} of {hours} h");
            let calls = log.lock().expect("log").len() - before;
            assert_eq!(brought.calls() as usize, calls);
            if round > 1 {
                assert_eq!(calls, 1, "what worked is kept, {hours} h");
            }
            let Brought::Bookings(reading) = brought else { panic!() };
            assert_eq!(reading.listing.whole, None, "an absence says nothing");
            if hours == 0 {
                assert!(reading.listing.rows.len() < 10, "no more than is needed");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_anchor_that_was_deleted_is_replaced_and_nothing_is_lost() {
    let table: Table = Table::default();
    table.lock().expect("table").extend([
        updated(1, began() - TimeDelta::days(9)),
        updated(2, began() - TimeDelta::hours(3)),
        updated(3, began() - TimeDelta::hours(1)),
    ]);
    let (reader, log) = filtering(&table, TimeDelta::zero());
    perform(&reader, Job::Whole(Entity::Bookings), began()).await;
    table.lock().expect("table").retain(|row| row["Id"] != 3);
    let brought = perform(&reader, Job::Updated(Entity::Bookings), began() + TimeDelta::seconds(5)).await;
    assert_eq!(shown(&brought), [2], "wide enough to see that it is gone");
    let before = log.lock().expect("log").len();
    table.lock().expect("table").push(updated(4, began() + TimeDelta::seconds(6)));
    let brought = perform(&reader, Job::Updated(Entity::Bookings), began() + TimeDelta::seconds(10)).await;
    assert_eq!(shown(&brought), [2, 4]);
    assert_eq!(log.lock().expect("log").len() - before, 1, "anchored anew");
    table.lock().expect("table").clear();
    perform(&reader, Job::Updated(Entity::Bookings), began() + TimeDelta::seconds(15)).await;
    table.lock().expect("table").push(updated(5, began() + TimeDelta::seconds(16)));
    let brought = perform(&reader, Job::Updated(Entity::Bookings), began() + TimeDelta::seconds(20)).await;
    assert_eq!(shown(&brought), [5]);
}

#[tokio::test(start_paused = true)]
async fn a_stamp_from_the_future_does_not_hide_the_updates_before_it() {
    let table: Table = Table::default();
    table
        .lock()
        .expect("table")
        .extend([updated(1, began() - TimeDelta::hours(1)), updated(2, began() + TimeDelta::days(400))]);
    let (reader, _) = filtering(&table, TimeDelta::zero());
    perform(&reader, Job::Whole(Entity::Bookings), began()).await;
    table.lock().expect("table").push(updated(3, began() + TimeDelta::seconds(3)));
    let brought = perform(&reader, Job::Updated(Entity::Bookings), began() + TimeDelta::seconds(5)).await;
    assert!(shown(&brought).contains(&3));
}

#[tokio::test(start_paused = true)]
async fn trap_14_a_booking_that_moved_out_of_the_window_or_off_its_resource_shows_it_at_once() {
    let table: Table = Table::default();
    let row = updated(1, began() - TimeDelta::hours(1));
    table.lock().expect("table").push(row.clone());
    let (reader, _) = filtering(&table, TimeDelta::zero());
    perform(&reader, Job::Whole(Entity::Bookings), began()).await;
    let known = Known { bookings: [BookingId(1)].into(), ..Known::default() };
    let moved = [
        with(booking(1, "2026-11-05T09:00:00Z", "2026-11-05T10:00:00Z"), "UpdatedOn", json!("2026-03-04T09:00:01Z")),
        with(with(row.clone(), "ResourceId", json!(1)), "UpdatedOn", json!("2026-03-04T09:00:02Z")),
    ];
    for (second, moved) in moved.into_iter().enumerate() {
        *table.lock().expect("table") = vec![moved];
        let now = began() + TimeDelta::seconds(5 + i64::try_from(second).expect("small"));
        let brought = reader.perform(Job::Updated(Entity::Bookings), window(), &known, now).await.expect("a reading");
        assert_eq!(shown(&brought), [1]);
    }
}

#[tokio::test(start_paused = true)]
async fn trap_7_a_filter_that_is_ignored_is_found_at_the_first_page() {
    let rows: Vec<Value> = (1..=1_500).map(|id| updated(id, began() - TimeDelta::hours(id.cast_signed()))).collect();
    let (reader, log) = reader(move |asked| paged(asked, &rows));
    perform(&reader, Job::Whole(Entity::Bookings), began()).await;
    let before = log.lock().expect("log").len();
    let job = Job::Updated(Entity::Bookings);
    let error = reader.perform(job, window(), &Known::default(), began()).await.expect_err("ignored");
    assert!(error.to_string().contains("ignores the filter"), "{error}");
    assert_eq!(log.lock().expect("log").len() - before, 1);
}

#[tokio::test(start_paused = true)]
async fn rule_6_a_cancellation_is_news_once_and_names_its_booking_by_either_id() {
    let unique = "1b4e28ba-2fa1-41d2-883f-0016d3cca427";
    let cancelled = |id: u64, of: Value, resource: u64| {
        let on = "2026-03-04T08:59:00.1234567Z";
        json!({"Id": id, "OriginalBookingId": of, "ResourceId": resource, "CancelledOn": on})
    };
    let table: Table = Table::default();
    let (reader, _) = filtering(&table, TimeDelta::zero());
    let news = async |seconds: i64| {
        let brought = perform(&reader, Job::Cancelled, began() + TimeDelta::seconds(seconds)).await;
        brought.outcome()
    };
    assert_eq!(news(0).await, Outcome::Read);
    table.lock().expect("table").push(cancelled(1, json!("999"), 556));
    assert_eq!(news(5).await, Outcome::Read, "of an unlinked resource");
    table.lock().expect("table").push(cancelled(2, json!(unique.to_uppercase()), 555));
    assert_eq!(news(10).await, Outcome::Cancellations);
    assert_eq!(news(15).await, Outcome::Read, "no news any more");
    table.lock().expect("table").push(cancelled(3, json!(1_400_000_123u64), 555));
    assert_eq!(news(20).await, Outcome::Cancellations);
    let rows = bookings(vec![
        with(booking(7, "2026-03-05T09:00:00Z", "2026-03-05T10:00:00Z"), "UniqueId", json!(unique)),
        booking(1_400_000_123, "2026-03-05T09:00:00Z", "2026-03-05T10:00:00Z"),
        booking(8, "2026-03-05T09:00:00Z", "2026-03-05T10:00:00Z"),
    ]);
    let rows = rows.await;
    let named: Vec<bool> = rows.iter().map(|booking| reader.cancelled(booking)).collect();
    assert_eq!(named, [true, true, false]);
}

async fn bookings(rows: Vec<Value>) -> Vec<Booking> {
    let (reader, _) = site([("spaces/bookings", rows)]);
    reader.bookings(window(), &Known::default(), began()).await.expect("a reading").listing.rows
}

#[tokio::test]
async fn readings_can_run_beside_each_other() {
    let (reader, _) = reader(|asked| if asked.query("size").is_empty() { ok(json!({})) } else { page(&[], 0) });
    let reader = Arc::new(reader);
    let tasks: Vec<_> = needs()
        .entities()
        .into_iter()
        .map(|entity| {
            let reader = reader.clone();
            tokio::spawn(async move {
                reader.perform(Job::Whole(entity), window(), &Known::default(), began()).await.map(drop)
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("joined").expect("a reading");
    }
}
