//! One rate for everything that is sent to a cloud, and who goes next.
//!
//! Callers claim a turn in a class; turns come evenly spaced and never in a burst, also after a pause. Which class
//! goes next is a pure choice ([`next_class`]); when it may go is arithmetic over the turns already spent ([`Book`]).
//! Knows no cloud and sends nothing.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::{Clock, Mono};

/// What a call is for, in the order in which the quota is claimed (rules 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Closes what should be shut, or brings back a row that was taken away to be made anew.
    Close,
    /// Opens what should be open.
    Open,
    /// Reads events: at least one call in five while they wait.
    Events,
    /// Writes what comes later.
    Write,
    /// Reads users and assignments.
    Roster,
    /// Reads doors, controllers and readers.
    State,
}

impl Class {
    /// All classes, the first to be served first.
    pub const ALL: [Class; 6] = [Class::Close, Class::Open, Class::Events, Class::Write, Class::Roster, Class::State];
}

/// Of so many calls at least one is for events, while they wait.
const EVENTS_SHARE: usize = 5;

/// Which class goes next.
///
/// `needs` says for each class, in the order of [`Class::ALL`], how many turns its first waiter needs, and `None`
/// where nobody waits. `since_events` counts the turns spent since the last one for events.
pub fn next_class(needs: [Option<usize>; 6], since_events: usize) -> Option<Class> {
    let mut waiting = Class::ALL.into_iter().zip(needs).filter_map(|(class, need)| Some((class, need?)));
    let (first, need) = waiting.next()?;
    let events_wait = needs[Class::Events as usize].is_some();
    let share_spent = since_events.saturating_add(need) >= EVENTS_SHARE;
    Some(if events_wait && share_spent { Class::Events } else { first })
}

/// How many turns there are, and how far apart.
#[derive(Clone, Copy, Debug)]
struct Rate {
    /// Between two turns, unless they were claimed together.
    gap: Duration,
    /// At most `most` turns in any such span.
    span: Duration,
    most: usize,
}

impl Rate {
    /// At least two turns must fit in a span, or a pair never could; a rate below two a second has a longer span.
    fn per_second(rate: f64) -> Rate {
        let rate = if rate.is_finite() { rate.clamp(0.01, 5.0) } else { 1.0 };
        let most = if rate >= 2.0 { rate.floor() as usize } else { 2 };
        let span = Duration::from_secs_f64((most as f64 / rate).max(1.0));
        Rate { gap: Duration::from_secs_f64(1.0 / rate), span, most }
    }
}

/// Somebody who waits for `need` turns.
#[derive(Clone, Copy, Debug)]
struct Waiter {
    ticket: u64,
    class: Class,
    need: usize,
}

/// Who waits, and which turns were spent.
#[derive(Debug)]
struct Book {
    rate: Rate,
    /// In the order in which they came.
    waiting: Vec<Waiter>,
    tickets: u64,
    /// When the turns of the last span were spent, the oldest first.
    spent: VecDeque<Mono>,
    /// Second turns of pairs that are not spent yet: they count as spent now, whenever now is.
    reserved: usize,
    /// Who works through calls one after another, and of which class the next one is.
    series: Vec<(u64, Class)>,
    /// No turn before this.
    held: Mono,
    since_events: usize,
}

impl Book {
    fn new(rate: Rate) -> Book {
        Book {
            rate,
            waiting: Vec::new(),
            tickets: 0,
            spent: VecDeque::new(),
            reserved: 0,
            series: Vec::new(),
            held: Mono::default(),
            since_events: 0,
        }
    }

    fn enter(&mut self, class: Class, need: usize) -> u64 {
        self.tickets += 1;
        self.waiting.push(Waiter { ticket: self.tickets, class, need });
        self.tickets
    }

    fn leave(&mut self, ticket: u64) {
        self.waiting.retain(|waiter| waiter.ticket != ticket);
    }

    fn first_of(&self, class: Class) -> Option<Waiter> {
        self.waiting.iter().find(|waiter| waiter.class == class).copied()
    }

    /// Who goes next.
    fn next(&self) -> Option<Waiter> {
        let needs = Class::ALL.map(|class| self.first_of(class).map(|waiter| waiter.need));
        self.first_of(next_class(needs, self.since_events)?)
    }

    /// When that waiter may go: a turn is left for one gap to a series that goes before it.
    fn due(&self, waiter: Waiter) -> Option<Mono> {
        let free = self.free_at(waiter.need)?;
        let yields = self.series.iter().any(|(_, class)| *class < waiter.class);
        let share_spent = waiter.class == Class::Events && self.since_events + 1 >= EVENTS_SHARE;
        Some(if yields && !share_spent { free.plus(self.rate.gap) } else { free })
    }

    /// When `need` turns are free at once; `None`: not before a pair's second turn is spent or given back.
    fn free_at(&self, need: usize) -> Option<Mono> {
        let others = self.rate.most.checked_sub(self.reserved + need)?;
        let by_span = self.spent.len().checked_sub(others + 1).and_then(|i| self.spent.get(i));
        let by_span = by_span.map_or(Mono::default(), |at| at.plus(self.rate.span));
        let by_gap = self.spent.back().map_or(Mono::default(), |at| at.plus(self.rate.gap));
        Some(by_span.max(by_gap).max(self.held))
    }

    fn spend(&mut self, at: Mono) {
        let keep = self.rate.span.max(self.rate.gap);
        while self.spent.front().is_some_and(|spent| spent.plus(keep) <= at) {
            self.spent.pop_front();
        }
        self.spent.push_back(at);
    }

    /// Gives `waiter` its turns at `at`; of two the second is reserved.
    fn grant(&mut self, waiter: Waiter, at: Mono) {
        self.leave(waiter.ticket);
        self.spend(at);
        self.reserved += waiter.need - 1;
        self.since_events =
            if waiter.class == Class::Events { 0 } else { self.since_events.saturating_add(waiter.need) };
    }
}

#[derive(Debug)]
struct Inner {
    clock: Clock,
    book: Mutex<Book>,
    changed: Notify,
}

impl Inner {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands out turns. Cheap to clone; all clones share one rate.
#[derive(Clone, Debug)]
pub struct Pace(Arc<Inner>);

/// A timer may wake this much early by rounding, on a clock that runs fast.
const ROUNDING: Duration = Duration::from_micros(1);

impl Pace {
    /// A pace of so many calls a second: above 0 and up to 5, Kisi's own limit (Kisi API notes, 2.2). A fraction
    /// above two is spaced evenly and rounded down in any one second.
    pub fn new(clock: Clock, requests_per_second: f64) -> Pace {
        let book = Mutex::new(Book::new(Rate::per_second(requests_per_second)));
        Pace(Arc::new(Inner { clock, book, changed: Notify::new() }))
    }

    /// Waits for a turn. Within a class the first come is the first served; a claim that is dropped before it is
    /// through leaves its turn to the next.
    pub async fn claim(&self, class: Class) {
        self.wait(class, 1).await;
    }

    /// Waits until two calls are free to go at once, so that the second need not wait for the rate or behind others
    /// (rules 3). The first may go when this returns; the second when [`Pair::second`] does.
    pub async fn claim_two(&self, class: Class) -> Pair {
        self.wait(class, 2).await;
        Pair { inner: Arc::clone(&self.0) }
    }

    /// Calls that are made one after another, each once the answer of the one before is there: until it is dropped, the
    /// turns between them are not given to lower classes, though nobody claims them for a moment.
    pub fn series(&self, class: Class) -> Series {
        let mut book = self.0.book();
        book.tickets += 1;
        let ticket = book.tickets;
        book.series.push((ticket, class));
        Series { inner: Arc::clone(&self.0), ticket }
    }

    /// No turn before `at`: the cloud said 'too many', or when to come again. An earlier hold is never shortened.
    pub fn hold_until(&self, at: Mono) {
        {
            let mut book = self.0.book();
            book.held = book.held.max(at);
        }
        self.0.changed.notify_waiters();
    }

    /// Until when nothing is sent, if that is still to come.
    pub fn held_until(&self) -> Option<Mono> {
        let held = self.0.book().held;
        (held > self.0.clock.mono()).then_some(held)
    }

    async fn wait(&self, class: Class, need: usize) {
        let place = Place { inner: &self.0, ticket: self.0.book().enter(class, need) };
        // Who comes may change who is next, and not always to themself.
        self.0.changed.notify_waiters();
        loop {
            // Listening begins before the look, so that no change falls between the two.
            let mut changed = pin!(self.0.changed.notified());
            changed.as_mut().enable();
            let due = {
                let mut book = self.0.book();
                match book.next().filter(|waiter| waiter.ticket == place.ticket) {
                    None => None,
                    Some(me) => match book.due(me) {
                        Some(at) if at <= self.0.clock.mono().plus(ROUNDING) => {
                            book.grant(me, at.max(self.0.clock.mono()));
                            return;
                        }
                        later => later,
                    },
                }
            };
            match due {
                Some(at) => tokio::select! {
                    biased;
                    () = self.0.clock.sleep_until(at) => {}
                    () = changed => {}
                },
                None => changed.await,
            }
        }
    }
}

/// A place in the queue: left when its turn has come, and when its claim is dropped.
struct Place<'a> {
    inner: &'a Inner,
    ticket: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.inner.book().leave(self.ticket);
        self.inner.changed.notify_waiters();
    }
}

/// The second of two turns that were claimed together. Dropped, it is given back.
#[derive(Debug)]
pub struct Pair {
    inner: Arc<Inner>,
}

impl Pair {
    /// Takes the second turn: at once, unless the cloud has asked for a pause since.
    pub async fn second(self) {
        loop {
            let (held, now) = (self.inner.book().held, self.inner.clock.mono());
            if held <= now.plus(ROUNDING) {
                self.inner.book().spend(now.max(held));
                return;
            }
            self.inner.clock.sleep_until(held).await;
        }
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        {
            let mut book = self.inner.book();
            book.reserved = book.reserved.saturating_sub(1);
        }
        self.inner.changed.notify_waiters();
    }
}

/// Calls under way one after another: see [`Pace::series`].
#[derive(Debug)]
pub struct Series {
    inner: Arc<Inner>,
    ticket: u64,
}

impl Series {
    /// The next call is of that class.
    pub fn goes_on_as(&self, class: Class) {
        for series in self.inner.book().series.iter_mut().filter(|(ticket, _)| *ticket == self.ticket) {
            series.1 = class;
        }
        self.inner.changed.notify_waiters();
    }
}

impl Drop for Series {
    fn drop(&mut self) {
        self.inner.book().series.retain(|(ticket, _)| *ticket != self.ticket);
        self.inner.changed.notify_waiters();
    }
}

#[cfg(test)]
#[path = "pace_tests.rs"]
mod tests;
