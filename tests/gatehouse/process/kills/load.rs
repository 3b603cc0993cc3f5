//! The load: bookings made, moved and cancelled, doors tapped, commands sent, from a thread of its own and by a seed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use chrono::{SubsecRound, TimeDelta};
use serde_json::json;

use super::super::rig::Moment;
use super::cloud::Steer;
use super::{PEOPLE, ROOMS, Site, customer, room};

/// How many bookings may stand at once.
const BOOKINGS: usize = 40;
/// The mean pause between two things that happen, in milliseconds.
const PAUSE_MS: u64 = 30;

/// What the load has done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Done {
    pub made: u32,
    pub moved: u32,
    pub cancelled: u32,
    pub taps: u32,
}

/// A booking as Nexudus holds it: which of the people, which of the rooms, from when until when.
#[derive(Clone, Copy, Debug)]
pub struct Booked {
    pub person: usize,
    pub room: usize,
    pub from: Moment,
    pub to: Moment,
}

/// What is booked now, by the booking's id.
pub type Book = Arc<Mutex<BTreeMap<i64, Booked>>>;

/// The thread; it ends with this.
pub struct Load {
    pub book: Book,
    nap: Arc<Mutex<()>>,
    stop: Arc<AtomicBool>,
    rest: Arc<AtomicBool>,
    done: Arc<Mutex<Done>>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    pub fn start(nexudus: Steer, kisi: Steer, site: &Site, seed: u64) -> Load {
        let (stop, rest) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let done = Arc::new(Mutex::new(Done::default()));
        let (book, nap) = (Book::default(), Arc::new(Mutex::new(())));
        let hand = Hand {
            nexudus,
            kisi,
            locks: site.locks,
            tappers: site.tappers.clone(),
            rng: fastrand::Rng::with_seed(seed),
            book: book.clone(),
            done: done.clone(),
        };
        let acting = nap.clone();
        let (stopping, resting) = (stop.clone(), rest.clone());
        let thread = std::thread::spawn(move || work(hand, &stopping, &resting, &acting));
        Load { book, nap, stop, rest, done, thread: Some(thread) }
    }

    /// Nothing more happens until [`Load::go_on`]: what is quiet can be compared.
    pub fn rest(&self) {
        self.rest.store(true, Ordering::SeqCst);
        // What was being done is done when this can be had.
        drop(self.nap.lock().unwrap());
    }

    pub fn go_on(&self) {
        self.rest.store(false, Ordering::SeqCst);
    }

    pub fn done(&self) -> Done {
        *self.done.lock().unwrap()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the load fell over");
        }
    }
}

fn work(mut hand: Hand, stop: &AtomicBool, rest: &AtomicBool, nap: &Mutex<()>) {
    while !stop.load(Ordering::SeqCst) {
        {
            let _acting = nap.lock().unwrap();
            if !rest.load(Ordering::SeqCst) {
                hand.act();
            }
        }
        std::thread::sleep(Duration::from_millis(hand.rng.u64(1..=2 * PAUSE_MS)));
    }
}

struct Hand {
    nexudus: Steer,
    kisi: Steer,
    locks: [i64; ROOMS],
    tappers: Vec<i64>,
    rng: fastrand::Rng,
    book: Book,
    done: Arc<Mutex<Done>>,
}

impl Hand {
    fn act(&mut self) {
        match self.rng.u8(0..10) {
            0..6 => self.tap(),
            6 | 7 => self.make(),
            8 => self.move_one(),
            _ => self.cancel_one(),
        }
        if self.book.lock().unwrap().len() > BOOKINGS {
            self.cancel_one();
        }
    }

    fn tap(&mut self) {
        let lock = self.locks[self.rng.usize(..ROOMS)];
        let user = self.tappers[self.rng.usize(..self.tappers.len())];
        self.kisi.say("POST", "taps", &json!({"user": user, "lock": lock}));
        self.done.lock().unwrap().taps += 1;
    }

    /// A window that opens and closes in seconds, or one that is written ahead.
    fn window(&mut self) -> (Moment, Moment) {
        let now = self.nexudus.now().trunc_subsecs(0);
        let from = match self.rng.u8(0..4) {
            0 => now + TimeDelta::seconds(self.rng.i64(600..7200)),
            _ => now + TimeDelta::seconds(self.rng.i64(-20..15)),
        };
        (from, from + TimeDelta::seconds(self.rng.i64(4..40)))
    }

    fn make(&mut self) {
        let (from, to) = self.window();
        let (person, place) = (self.rng.usize(..PEOPLE), self.rng.usize(..ROOMS));
        let booking = json!({"CoworkerId": customer(person), "ResourceId": room(place), "FromTime": from.to_rfc3339(),
            "ToTime": to.to_rfc3339(), "Online": true});
        let id = self.nexudus.add("records/Booking", &booking);
        self.book.lock().unwrap().insert(id, Booked { person, room: place, from, to });
        self.done.lock().unwrap().made += 1;
    }

    fn one(&mut self) -> Option<i64> {
        let ids: Vec<i64> = self.book.lock().unwrap().keys().copied().collect();
        self.rng.choice(&ids).copied()
    }

    fn move_one(&mut self) {
        let (from, to) = self.window();
        let Some(id) = self.one() else { return };
        let fields = json!({"FromTime": from.to_rfc3339(), "ToTime": to.to_rfc3339()});
        self.nexudus.say("POST", &format!("records/Booking/{id}"), &fields);
        let mut book = self.book.lock().unwrap();
        book.entry(id).and_modify(|booked| (booked.from, booked.to) = (from, to));
        drop(book);
        self.done.lock().unwrap().moved += 1;
    }

    fn cancel_one(&mut self) {
        let Some(id) = self.one() else { return };
        self.nexudus.say("DELETE", &format!("records/Booking/{id}?cancel=true"), &json!({}));
        self.book.lock().unwrap().remove(&id);
        self.done.lock().unwrap().cancelled += 1;
    }
}
