//! The readings against Nexudus' twin, under each way in which Nexudus may vary.

use std::sync::Mutex as StdMutex;

use chrono::TimeDelta;

use super::*;
use crate::clock::Clock;
use crate::domain::snapshot::{Entity, Record, Shelf};
use crate::net::{Boxed, Http, HttpError, Method, Request, Response};
use crate::nexudus::client::NexudusClient;
use crate::nexudus::error::Refusal;
use crate::nexudus::fake::settings;
use crate::nexudus::schedule::{Job, Outcome};
use crate::twin::http::{Cloud, Fate};
use crate::twin::nexudus::{self as twin, NexudusTwin};

/// Carries requests to the twin's core on this clock.
struct Wire {
    twin: Arc<StdMutex<NexudusTwin>>,
    clock: Clock,
}

impl Http for Wire {
    fn send(&self, request: Request) -> Boxed<'_, Result<Response, HttpError>> {
        let method = if request.method == Method::Post { "POST" } else { "GET" };
        let asked = crate::twin::http::Request {
            method: method.to_owned(),
            path: request.url.path().to_owned(),
            query: request.url.query_pairs().into_owned().collect(),
            headers: request.headers.iter().map(|(name, value)| ((*name).to_owned(), value.0.clone())).collect(),
            body: request.body,
        };
        let answer = self.twin.lock().expect("twin").handle(&asked, self.clock.wall());
        Box::pin(async move {
            self.clock.sleep(answer.delay).await;
            let said = answer.response;
            match answer.fate {
                Fate::Deliver => {
                    Ok(Response { status: said.status, headers: said.headers, body: said.body, verified: true })
                }
                _ => Err(HttpError::Cut("the twin let it fall".to_owned())),
            }
        })
    }
}

struct Town {
    twin: Arc<StdMutex<NexudusTwin>>,
    clock: Clock,
    reader: Reader,
}

impl Town {
    /// Hafen 12 in Berlin: a room, a pass, a desk and a plan that are linked, one of each that is not, and people.
    fn new() -> Town {
        let clock = Clock::starting_at(began(), 1.0);
        let twin = Arc::new(StdMutex::new(NexudusTwin::new("gateway@example.org", "hunter-2")));
        let http = Arc::new(Wire { twin: twin.clone(), clock: clock.clone() });
        let client = NexudusClient::new(http, clock.clone(), settings()).expect("a client");
        let zone = Zone::named("Europe/Berlin").expect("in tzdata");
        let town = Town { twin, clock, reader: Reader::new(Arc::new(client), zone, 4711, needs()) };
        town.change(|site| {
            site.add_location(4711, "Hafen 12", "Europe/Berlin")?;
            site.add_resource(555, 4711, "Boardroom")?;
            site.add_resource(556, 4711, "Phone booth")?;
            for id in 1..=40 {
                site.add_customer(id, "Zoë Ångström", Some(&format!("member-{id}@example.org")))?;
            }
            site.set(twin::Entity::Coworker, 7, json!({"Active": false}))?;
            site.add_pass_kind(31, 4711, "Day pass", None)?;
            site.add_pass_kind(32, 4711, "Ten hours", Some(600))?;
            site.add_desk(801, 4711, "D1")?;
            site.add_desk(802, 4711, "D2")?;
            site.add_plan(12, 4711, "Dedicated desk")?;
            site.add_plan(13, 4711, "Lounge")?;
            site.add_team(5, "Acme", &[1, 2, 3], true)?;
            let start = began() + TimeDelta::hours(1);
            for n in 0..12 {
                let from = start + TimeDelta::days(n);
                site.book(Some(n + 1), if n % 3 == 0 { 556 } else { 555 }, from, from + TimeDelta::hours(2))?;
            }
            site.give_pass(1, 31, "2026-03-31".parse().ok())?;
            let used = site.give_pass(2, 31, None)?;
            site.use_pass(used, 0)?;
            site.give_pass(3, 32, None)?;
            let first = "2026-01-01".parse().expect("a date");
            site.sign_contract(4, 12, first, &[801, 802])?;
            let paused = site.sign_contract(5, 13, first, &[801])?;
            site.pause_contract(paused, "2026-03-01".parse().expect("a date"), "2026-04-01".parse().expect("a date"))?;
            let ending = site.sign_contract(6, 12, first, &[])?;
            site.give_notice(ending, "2026-04-30".parse().expect("a date"))?;
            site.sign_contract(8, 13, first, &[802])?;
            Ok(())
        });
        town
    }

    fn change(&self, change: impl FnOnce(&mut twin::Site) -> Result<(), twin::SetupError>) {
        let now = self.clock.wall();
        change(self.twin.lock().expect("twin").at(now)).expect("a change");
    }

    fn switch(&self, turn: impl FnOnce(&mut twin::Switches)) {
        self.twin.lock().expect("twin").switch(turn);
    }

    async fn perform(&self, job: Job) -> Result<Brought, NexudusError> {
        self.reader.perform(job, window(), &Known::default(), self.clock.wall()).await
    }

    /// All that is read whole, as the domain has it.
    async fn all(&self) -> Vec<String> {
        let mut out = Vec::new();
        for entity in needs().entities() {
            let brought = self.perform(Job::Whole(entity)).await.expect("a reading");
            assert_eq!((brought.incomplete(), brought.aside()), (None, &[][..]), "{entity:?}");
            out.push(rows(&brought));
        }
        out
    }
}

fn rows(brought: &Brought) -> String {
    fn sorted<T: Record + std::fmt::Debug>(reading: &Reading<T>) -> String {
        let mut rows = reading.listing.rows.clone();
        rows.sort_by_key(Record::id);
        format!("{rows:#?}")
    }
    match brought {
        Brought::Bookings(reading) => sorted(reading),
        Brought::Resources(reading) | Brought::Desks(reading) => sorted(reading),
        Brought::Customers(reading) => sorted(reading),
        Brought::Passes(reading) => sorted(reading),
        Brought::PassKinds(reading) => sorted(reading),
        Brought::Contracts(reading) => sorted(reading),
        Brought::PausedPeriods(reading) => sorted(reading),
        Brought::Teams(reading) => sorted(reading),
        Brought::Cancelled(_) => String::new(),
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_read_is_the_same_in_whichever_way_nexudus_writes_it() {
    let plain = Town::new().all().await;
    assert!(plain.iter().all(|rows| rows.len() > 100), "{plain:#?}");
    let turns: [fn(&mut twin::Switches); 14] = [
        |s| s.utc = twin::switches::Utc::Bare,
        |s| s.utc = twin::switches::Utc::Offset,
        |s| s.local = twin::switches::Local::FalseZ,
        |s| s.local = twin::switches::Local::FalseOffset,
        |s| s.fraction = 7,
        |s| s.local_filters = true,
        |s| s.dir = twin::switches::Dir::ZeroOne,
        |s| s.dir = twin::switches::Dir::OneMinusOne,
        |s| (s.order, s.default_descending) = (twin::switches::Order::Reversed, true),
        |s| s.order = twin::switches::Order::Shuffled,
        |s| s.sort_direction = twin::switches::SortDirection::Word,
        |s| s.lists_without_access = true,
        |s| s.comma_blank = true,
        |s| s.customer_type_words = true,
    ];
    for (n, turn) in turns.into_iter().enumerate() {
        let town = Town::new();
        town.switch(turn);
        assert_eq!(town.all().await, plain, "turn {n}");
    }
}

#[tokio::test(start_paused = true)]
async fn rule_4_the_portals_false_utc_is_refused_and_names_the_zone() {
    let town = Town::new();
    town.switch(|s| s.portal = true);
    let error = town.perform(Job::Whole(Entity::Bookings)).await.expect_err("refused");
    assert!(matches!(error, NexudusError::WrongZone { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn rule_6_lists_that_shift_or_come_without_rows_are_never_complete() {
    let faults: [fn(&mut twin::switches::ListFault); 4] =
        [|f| f.shift = 1, |f| f.shift = -1, |f| f.total_off = 1, |f| f.no_records = true];
    for (n, fault) in faults.into_iter().enumerate() {
        let town = Town::new();
        town.change(|site| {
            for id in 100..1_300 {
                site.add_customer(id, "Ada Jones", None)?;
            }
            Ok(())
        });
        let whole = town.perform(Job::Whole(Entity::Customers)).await.expect("a reading");
        assert_eq!(whole.incomplete(), None);
        let mut wrong = twin::switches::ListFault::default();
        fault(&mut wrong);
        town.switch(|s| drop(s.lists.insert("Coworker".to_owned(), wrong)));
        let brought = town.perform(Job::Whole(Entity::Customers)).await.expect("a reading");
        let Brought::Customers(reading) = &brought else { panic!("{brought:?}") };
        assert!(reading.listing.whole.is_none() && reading.incomplete.is_some(), "fault {n}");
    }
}

#[tokio::test(start_paused = true)]
async fn promise_2_changes_are_seen_at_the_next_reading_of_updates_whatever_the_filters_zone() {
    for local_filters in [false, true] {
        let town = Town::new();
        town.switch(|s| s.local_filters = local_filters);
        let mut bookings = Shelf::default();
        let read = async |job: Job, shelf: &mut Shelf<Booking>| {
            town.clock.sleep(std::time::Duration::from_secs(5)).await;
            let brought = town.perform(job).await.expect("a reading");
            let Brought::Bookings(reading) = brought else { panic!("{brought:?}") };
            shelf.absorb(reading.listing)
        };
        read(Job::Whole(Entity::Bookings), &mut bookings).await;
        for round in 0..3 {
            let from = began() + TimeDelta::days(2) + TimeDelta::hours(4 * round);
            let mut id = 0;
            town.change(|site| {
                id = site.book(Some(20 + round), 555, from, from + TimeDelta::hours(1))?;
                Ok(())
            });
            let id = BookingId(id.unsigned_abs());
            read(Job::Updated(Entity::Bookings), &mut bookings).await;
            assert_eq!(bookings.get(id).map(|booking| booking.from), Some(from));
            let later = from + TimeDelta::hours(1);
            town.change(|site| site.move_booking(id.0.cast_signed(), later, later + TimeDelta::hours(1)));
            read(Job::Updated(Entity::Bookings), &mut bookings).await;
            assert_eq!(bookings.get(id).map(|booking| booking.from), Some(later));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn rule_6_a_cancelled_booking_is_named_by_either_id_once_its_snapshot_is_there() {
    use twin::switches::{Original, Snapshot};
    for original in [Original::Id, Original::UniqueId] {
        let town = Town::new();
        town.switch(|s| (s.original, s.snapshot) = (original, Snapshot::Late(20)));
        let brought = town.perform(Job::Whole(Entity::Bookings)).await.expect("a reading");
        let Brought::Bookings(reading) = brought else { panic!("{brought:?}") };
        let [gone, kept, ..] = &reading.listing.rows[..] else { panic!("{reading:?}") };
        assert_eq!(town.perform(Job::Cancelled).await.expect("a reading").outcome(), Outcome::Read);
        town.change(|site| site.cancel_booking(gone.id.0.cast_signed()));
        assert_eq!(town.perform(Job::Cancelled).await.expect("a reading").outcome(), Outcome::Read);
        town.clock.sleep(std::time::Duration::from_secs(25)).await;
        assert_eq!(town.perform(Job::Cancelled).await.expect("a reading").outcome(), Outcome::Cancellations);
        assert!(town.reader.cancelled(gone) && !town.reader.cancelled(kept));
        assert_eq!(town.perform(Job::Cancelled).await.expect("a reading").outcome(), Outcome::Read);
    }
}

#[tokio::test(start_paused = true)]
async fn rule_8_tokens_that_end_are_made_anew_and_rights_that_lack_are_named() {
    let town = Town::new();
    town.switch(|s| s.token_seconds = 60);
    for step in 0..4 {
        town.perform(Job::Whole(Entity::Bookings)).await.expect("a reading");
        town.clock.sleep(std::time::Duration::from_secs(40)).await;
        let mut twin = town.twin.lock().expect("twin");
        match step {
            0 => twin.expire_tokens(),
            1 => twin.revoke_tokens(),
            _ => {}
        }
    }
    town.switch(|s| s.missing_roles = ["CoworkerTimePass-List".to_owned()].into());
    let error = town.perform(Job::Whole(Entity::Passes)).await.expect_err("refused");
    let Some(Refusal::Role { role, .. }) = error.refusal() else { panic!("{error}") };
    assert_eq!(role, "CoworkerTimePass-List");
    town.perform(Job::Whole(Entity::Bookings)).await.expect("the others go on");
    for status in [400, 401] {
        let town = Town::new();
        town.switch(|s| s.refused_login = status);
        town.twin.lock().expect("twin").set_password("another");
        let error = town.perform(Job::Whole(Entity::Bookings)).await.expect_err("refused");
        assert!(matches!(error.refusal(), Some(Refusal::SignIn { .. })), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn rule_8_the_twins_own_throttle_never_has_to_speak() {
    let town = Town::new();
    for round in 0..60 {
        for entity in needs().entities() {
            let read = town.perform(Job::Whole(entity)).await;
            assert!(read.is_ok(), "round {round}: {read:?}");
        }
    }
    assert!(town.reader.client().calls() > 600);
}
