//! Reads Kisi's record of events: event sets, which are made, waited for and paged through (Kisi API notes, 4.1).
//!
//! Webhooks are a hint and can be lost; this is the record. What of a reading is new is decided in [`super::record`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DurationRound, TimeDelta};

use super::body::{NewEventSet, json};
use super::client::{Ask, KisiClient, garbled};
use super::error::{Fault, KisiError};
use super::wire::event::{EventOut, Page, Status, page};
use crate::clock::Mono;
use crate::domain::event::{Door, Event};
use crate::domain::snapshot::Aside;
use crate::domain::{ReaderId, Timestamp};
use crate::net::pace::Class;
use crate::net::{HttpError, Method};

/// No query is wider: Kisi's limit is 90 days.
const WIDEST: TimeDelta = TimeDelta::days(90);
/// One event set a second, on top of the pace; with some slack for the way.
const BETWEEN_SETS: Duration = Duration::from_millis(1050);
/// Events in a page.
const PAGE: usize = 200;
/// Kisi's own size of a page, where none is asked for: no full page is smaller.
const DEFAULT_PAGE: usize = 50;
/// Pages of one set: a set with more is read in two halves.
const MOST_PAGES: usize = 100;
/// Sets made for one reading.
const MOST_SETS: usize = 64;
/// The first wait for a set that is in progress; doubles.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(4);
/// How long one set is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// What one reading of the record brought.
#[derive(Clone, Debug, PartialEq)]
pub struct Polled {
    /// Events, each once, by `created_at`, then `uuid`.
    pub events: Vec<Event>,
    /// Events that could not be used.
    pub aside: Vec<Aside>,
    /// All that Kisi has of that time came. Else the watermark must not pass it.
    pub whole: bool,
}

/// What one set brought.
struct Gathered {
    events: Vec<EventOut>,
    aside: Vec<Aside>,
    /// It ended as it should; else a narrower one may.
    ended: bool,
}

impl KisiClient {
    /// Reads what Kisi recorded from `from` to `to`, bounds included and widened to whole seconds. `readers` names
    /// the door of each reader; `received_at` is now, by Kisi's time.
    ///
    /// A set that fails, is not ready in time, or breaks off is an error: nothing of the reading counts then.
    pub async fn poll(
        &self,
        from: Timestamp,
        to: Timestamp,
        readers: &BTreeMap<ReaderId, Door>,
        received_at: Timestamp,
    ) -> Result<Polled, KisiError> {
        let mut spans = spans(from, to);
        let (mut seen, mut events, mut aside, mut whole) = (BTreeSet::new(), Vec::new(), Vec::new(), true);
        let mut sets = 0;
        while let Some((from, to)) = spans.pop() {
            sets += 1;
            let gathered = Box::pin(self.gather(from, to)).await?;
            let halves = if gathered.ended { None } else { halves(from, to).filter(|_| sets < MOST_SETS) };
            match halves {
                // The halves read again what this one brought.
                Some(halves) => {
                    spans.extend(halves);
                    continue;
                }
                None => whole &= gathered.ended,
            }
            aside.extend(gathered.aside);
            let fresh = gathered.events.into_iter().filter(|event| seen.insert(event.uuid().to_owned()));
            events.extend(fresh.map(|event| event.event(readers, received_at)));
        }
        events.sort_by(|a, b| (a.time, &a.uuid).cmp(&(b.time, &b.uuid)));
        Ok(Polled { events, aside, whole })
    }

    async fn gather(&self, from: Timestamp, to: Timestamp) -> Result<Gathered, KisiError> {
        let first = self.new_set(from, to).await?;
        let set = first.set;
        let mut now = self.finished(first, None).await?;
        let mut gathered = Gathered { events: Vec::new(), aside: Vec::new(), ended: true };
        let (mut cursors, mut uuids, mut biggest) = (BTreeSet::new(), BTreeSet::new(), 0);
        for pages in 1.. {
            let events = now.events.unwrap_or_default();
            let came = events.len() + now.aside.len();
            let before = uuids.len();
            gathered.events.extend(events.into_iter().filter(|event| uuids.insert(event.uuid().to_owned())));
            gathered.aside.append(&mut now.aside);
            let Some(cursor) = now.cursor else { break };
            let moved = cursors.insert(cursor.clone());
            if !moved && uuids.len() == before {
                // The cursor does not move. After a page that was not full there is nothing more all the same.
                gathered.ended = came < DEFAULT_PAGE.max(biggest);
                break;
            }
            if pages >= MOST_PAGES {
                gathered.ended = false;
                break;
            }
            biggest = biggest.max(came);
            now = self.page(set, Some(&cursor)).await?;
            now = self.finished(now, Some(&cursor)).await?;
        }
        Ok(gathered)
    }

    /// Makes a set. It changes nothing in Kisi, so it counts as a read.
    async fn new_set(&self, from: Timestamp, to: Timestamp) -> Result<Page, KisiError> {
        let mut next: tokio::sync::MutexGuard<'_, Mono> = self.next_set.lock().await;
        self.clock.sleep_until(*next).await;
        // Also where this call is dropped half-way.
        *next = self.clock.mono().plus(BETWEEN_SETS);
        let body = json(&NewEventSet::new(from, to, self.settings.place));
        let ask = Ask { method: Method::Post, path: "/event_sets".to_owned(), query: Vec::new(), body };
        let answer = self.read(Class::Events, &ask).await;
        *next = self.clock.mono().plus(BETWEEN_SETS);
        drop(next);
        page(&answer?.body).map_err(|why| garbled(Method::Post, "/event_sets", why))
    }

    async fn page(&self, set: u64, cursor: Option<&str>) -> Result<Page, KisiError> {
        let path = format!("/event_sets/{set}");
        let mut query = vec![("limit", PAGE.to_string())];
        query.extend(cursor.map(|cursor| ("cursor", cursor.to_owned())));
        let answer = self.read(Class::Events, &Ask::get(path.clone(), query)).await?;
        page(&answer.body).map_err(|why| garbled(Method::Get, &path, why))
    }

    /// Waits until the set is finished and its page is there.
    async fn finished(&self, mut now: Page, cursor: Option<&str>) -> Result<Page, KisiError> {
        let call = format!("GET /event_sets/{}", now.set);
        let began = self.clock.mono();
        let mut wait = FIRST_WAIT;
        loop {
            match now.status {
                Status::Finished if now.events.is_some() => return Ok(now),
                Status::Failed => {
                    let fault = Fault::Garbled("Kisi could not gather the events".to_owned());
                    return Err(KisiError::Passing { call, fault });
                }
                Status::Finished | Status::InProgress => {}
            }
            if self.clock.mono().since(began) >= PATIENCE {
                return Err(KisiError::Passing { call, fault: Fault::Lost(HttpError::TimedOut(PATIENCE)) });
            }
            self.clock.sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
            now = self.page(now.set, cursor).await?;
        }
    }
}

/// The time as spans of whole seconds, none too wide, the last first.
fn spans(from: Timestamp, to: Timestamp) -> Vec<(Timestamp, Timestamp)> {
    let second = TimeDelta::seconds(1);
    let mut at = from.duration_trunc(second).unwrap_or(from);
    // Up to and including the last second, whichever way Kisi reads the end of an interval.
    let end = to.duration_trunc(second).unwrap_or(to).max(at) + second;
    let mut spans = Vec::new();
    while at < end {
        let next = (at + WIDEST).min(end);
        spans.push((at, next));
        at = next;
    }
    spans.reverse();
    spans
}

/// The later half and the earlier one; `None` for a span that can't be halved.
fn halves(from: Timestamp, to: Timestamp) -> Option<[(Timestamp, Timestamp); 2]> {
    let seconds = (to - from).num_seconds();
    let middle = from + TimeDelta::seconds(seconds / 2);
    (seconds >= 2).then_some([(middle, to), (from, middle)])
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
