//! Changes carried out against the Kisi twin, whichever way the real one turns out to be, with an answer lost at
//! every call: in the end Kisi holds what was wanted, once, and never anything of another hand's is touched.
//!
//! Proves nothing about the real Kisi; the twin is built from the same notes, by somebody else.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may")]

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use chrono::TimeDelta;
use gatehouse::clock::Clock;
use gatehouse::domain::ledger::{Fact, Intent, Owned};
use gatehouse::domain::plan::{Action, Change, PersonRef, Urgency};
use gatehouse::domain::*;
use gatehouse::kisi::write::{Ctx, Failure, Form, Outcome};
use gatehouse::kisi::{KisiClient, Settings};
use gatehouse::net::pace::Pace;
use gatehouse::net::{Boxed, Http, HttpError, Method, Request, Response};
use gatehouse::twin::faults::{Effect, Rule, Says};
use gatehouse::twin::http::{Cloud as _, Fate, Request as TwinRequest};
use gatehouse::twin::kisi::{
    Assignment, Clash, Creator, Expired, Honoured, KisiTwin, Metadata, Missing, Organization, Place, RetryAfter,
    Switches,
};
use gatehouse::twin::kisi::{Dates, Form as TwinForm};

const SECRET: &str = "writes-secret";

/// Carries requests to the twin in process, on virtual time.
struct Carried {
    clock: Clock,
    twin: Arc<Mutex<KisiTwin>>,
}

impl Http for Carried {
    fn send(&self, request: Request) -> Boxed<'_, Result<Response, HttpError>> {
        Box::pin(async move {
            let method = match request.method {
                Method::Get => "GET",
                Method::Post => "POST",
                Method::Patch => "PATCH",
                Method::Delete => "DELETE",
            };
            let twins = TwinRequest {
                method: method.to_owned(),
                path: request.url.path().to_owned(),
                query: request.url.query_pairs().into_owned().collect(),
                headers: request.headers.iter().map(|(name, value)| ((*name).to_owned(), value.0.clone())).collect(),
                body: request.body.clone(),
            };
            let answer = lock(&self.twin).handle(&twins, self.clock.wall());
            self.clock.sleep(answer.delay.min(request.limit)).await;
            match answer.fate {
                Fate::Deliver => {
                    let response = answer.response;
                    let (status, headers, body) = (response.status, response.headers, response.body);
                    Ok(Response { status, headers, body, verified: true })
                }
                Fate::Hang => {
                    self.clock.sleep(request.limit).await;
                    Err(HttpError::TimedOut(request.limit))
                }
                Fate::Cut(_) | Fate::Lose => Err(HttpError::Cut("lost".to_owned())),
                Fate::Refuse => Err(HttpError::Connect("refused".to_owned())),
            }
        })
    }
}

fn lock(twin: &Mutex<KisiTwin>) -> MutexGuard<'_, KisiTwin> {
    twin.lock().expect("lock")
}

struct Site {
    clock: Clock,
    twin: Arc<Mutex<KisiTwin>>,
    kisi: KisiClient,
    us: UserId,
    group: GroupId,
    foreign: (UserId, u64),
}

fn start() -> Timestamp {
    "2026-12-01T09:00:00Z".parse().expect("RFC 3339")
}

fn window(from: i64, until: i64) -> Window {
    let at = |minute| Some(start() + TimeDelta::minutes(minute));
    Window::new(at(from), at(until)).expect("a window")
}

fn site(set: impl FnOnce(&mut Switches)) -> Site {
    let clock = Clock::starting_at(start(), 1.0);
    let whole = Organization { id: 61, name: "Mill".into(), domain: "mill".into() };
    let mut twin = KisiTwin::new(whole, 7);
    twin.switch(set);
    let us = twin.add_administrator("gate@mill.example", SECRET, start());
    let place = twin.add_place(Place { name: "Mill House".into(), ..Place::default() });
    let (group, _) = twin.add_room(place, "Oak", start());
    let staff = twin.add_person("staff@mill.example", "Staff", start());
    let row = twin.add_assignment(Assignment::in_group(staff, group, Creator::User(staff)), start());
    let twin = Arc::new(Mutex::new(twin));
    let http = Arc::new(Carried { clock: clock.clone(), twin: Arc::clone(&twin) });
    let settings = Settings {
        url: url::Url::parse("http://127.0.0.1").expect("an address"),
        api_key: SECRET.to_owned().into(),
        place: None,
    };
    let kisi = KisiClient::new(http, clock.clone(), Pace::new(clock.clone(), 5.0), settings);
    Site { clock, twin, kisi, us: UserId(us), group: GroupId(group), foreign: (UserId(staff), row) }
}

/// What a gateway keeps: the ledger's part of one person.
struct Kept {
    person: PersonRef,
    owned: Vec<Owned>,
    patch_ignored: bool,
    form: Form,
    made: bool,
}

impl Site {
    /// Carries out `action` as a gateway would: keeps facts, mends what is replaced, tries again what is not known.
    async fn until_done(&self, kept: &mut Kept, action: &dyn Fn(&Kept, GroupId) -> Action) -> Result<(), Failure> {
        let intent_at = self.clock.wall();
        let (mut tried, mut mend) = (false, None);
        let mut last = Failure::NotDone;
        for _ in 0..12 {
            let change = Change {
                urgency: if mend.is_some() { Urgency::Mend } else { Urgency::Open },
                due: start(),
                action: mend.clone().unwrap_or_else(|| action(kept, self.group)),
                person: kept.person.clone(),
                reason: Reason::Booking(BookingId(1)),
            };
            let ctx = Ctx {
                us: self.us,
                site: "mill".to_owned(),
                owned: kept.owned.clone(),
                new_users: NewUsers::Managed,
                patch_ignored: kept.patch_ignored,
                form: kept.form,
                intent_at,
                tried,
                adopted_suspended: false,
                now: self.clock.wall(),
            };
            let outcome = self.kisi.carry_out(&change, &ctx).await;
            self.keep(kept, &outcome);
            match outcome.result {
                Ok(done) => {
                    kept.form = done.form.unwrap_or(kept.form);
                    return Ok(());
                }
                Err(Failure::Replacing(_)) => {
                    let window = change.window().expect("a window");
                    mend = Some(Action::Added { group: self.group, window });
                    tried = true;
                }
                Err(Failure::RowGone { .. } | Failure::Unknown(_)) => tried = true,
                Err(Failure::Passing(_) | Failure::PatchIgnored { .. }) => {}
                Err(other) => return Err(other),
            }
            last = Failure::NotDone;
            // A crash in between: what is found at start must agree with what is tried next.
            let intent = Intent { id: 1, change, at: intent_at, replacing: mend.is_some() };
            let found = self.kisi.recover(&intent, &ctx).await;
            self.keep(kept, &found);
            if found.result.is_ok() {
                return Ok(());
            }
            self.clock.sleep(Duration::from_secs(1)).await;
        }
        Err(last)
    }

    fn keep(&self, kept: &mut Kept, outcome: &Outcome) {
        for fact in &outcome.facts {
            match fact {
                Fact::UserMade { user } => {
                    kept.made = true;
                    kept.person.user = Some(user.id);
                }
                Fact::UserSeen { user } => kept.person.user = Some(user.id),
                Fact::UserGone { .. } => kept.person.user = None,
                Fact::RowWritten { row, reason, customer } => {
                    kept.owned.retain(|owned| owned.id != row.id);
                    kept.owned.push(Owned {
                        id: row.id,
                        user: row.user,
                        group: row.group,
                        customer: *customer,
                        valid_from: row.valid_from,
                        valid_until: row.valid_until,
                        reason: *reason,
                        written_at: self.clock.wall(),
                        adopted_from: None,
                    });
                }
                Fact::RowSeen { .. } => {}
                Fact::RowGone { row } => kept.owned.retain(|owned| owned.id != *row),
                Fact::PatchIgnored => kept.patch_ignored = true,
            }
        }
    }

    fn rows_of(&self, user: UserId) -> Vec<Assignment> {
        let twin = lock(&self.twin);
        let here = |row: &&Assignment| row.assignee == gatehouse::twin::kisi::Assignee::User(user.0);
        twin.assignments().filter(here).cloned().collect()
    }
}

fn moved(to: Window) -> impl Fn(&Kept, GroupId) -> Action {
    move |kept, group| match kept.owned.first() {
        Some(owned) => Action::Moved { group, row: owned.id, window: to },
        None => Action::Added { group, window: to },
    }
}

/// A person's whole way: invited, given a window, moved, suspended, restored, shut out, removed.
async fn whole_way(site: &Site) {
    let mut kept = Kept {
        person: PersonRef {
            customer: Some(CustomerId(90_210)),
            user: None,
            email: Email::parse("ada@example.org"),
            name: Some("Ada Byron".to_owned()),
        },
        owned: Vec::new(),
        patch_ignored: false,
        form: Form::New,
        made: false,
    };
    site.until_done(&mut kept, &|_, _| Action::Invited).await.expect("invited");
    assert!(kept.made, "the user that we made is ours");
    let user = kept.person.user.expect("a user");
    site.until_done(&mut kept, &|_, group| Action::Added { group, window: window(0, 60) }).await.expect("added");
    site.until_done(&mut kept, &moved(window(0, 90))).await.expect("moved");
    let rows = site.rows_of(user);
    let [row] = &rows[..] else { panic!("one row, not {rows:?}") };
    assert_eq!((row.valid_from, row.valid_until), (window(0, 90).from(), window(0, 90).until()));
    assert_eq!(kept.owned.iter().map(|owned| owned.id.0).collect::<Vec<_>>(), [row.id], "the ledger knows it");
    site.until_done(&mut kept, &|_, _| Action::Suspended).await.expect("suspended");
    assert!(!lock(&site.twin).user_by_email("ada@example.org").expect("a user").access_enabled);
    site.until_done(&mut kept, &|_, _| Action::Restored).await.expect("restored");
    assert!(lock(&site.twin).user_by_email("ada@example.org").expect("a user").access_enabled);
    let row = kept.owned[0].id;
    site.until_done(&mut kept, &|_, group| Action::Removed { group, row }).await.expect("removed");
    assert_eq!((site.rows_of(user).len(), kept.owned.len()), (0, 0));
    site.until_done(&mut kept, &|_, _| Action::Deleted).await.expect("deleted");
    let twin = lock(&site.twin);
    assert!(twin.user_by_email("ada@example.org").is_none());
    assert!(twin.assignment(site.foreign.0.0, site.group.0).is_some_and(|row| row.id == site.foreign.1));
    assert!(twin.history().notices.iter().all(|notice| notice.notify == Some(false)), "no mail at a change");
}

fn ways() -> Vec<fn(&mut Switches)> {
    vec![
        |_| {},
        |s| {
            s.patch_window = Honoured::Ignored;
            s.metadata = Metadata::Replaced;
        },
        |s| {
            s.second_assignment = Clash::Invalid;
            s.known_email = Clash::Invalid;
            s.missing = Missing::Invalid;
            s.name_on_post = Honoured::Ignored;
            s.dates = Dates::Offset;
        },
        |s| {
            s.assignment_form = TwinForm::Old;
            s.patch_window = Honoured::Ignored;
            s.dates = Dates::Fraction;
            s.expired_rows = Expired::Vanish;
            s.retry_after = RetryAfter::Seconds;
        },
    ]
}

#[tokio::test(start_paused = true)]
async fn promises_3_and_7_whichever_way_kisi_turns_out_and_whichever_answer_is_lost() {
    for (number, way) in ways().into_iter().enumerate() {
        let calm = site(way);
        whole_way(&calm).await;
        let calls = lock(&calm.twin).history().requests.len() as u32;
        assert!(lock(&calm.twin).history().requests.iter().all(|request| request.status != 429));
        let bad_gateway = Effect::Afterwards(Says::new(502, "<html>"));
        for effect in [Effect::Lose, Effect::Hang, Effect::Refuse, Effect::Cut(9), bad_gateway] {
            for nth in 0..calls {
                let site = site(way);
                lock(&site.twin).faults.add(Rule::on("", effect.clone()).skip(nth).times(1));
                println!("kinds of Kisi {number}, call {nth}: {effect:?}");
                whole_way(&site).await;
                assert!(lock(&site.twin).faults.rules.is_empty(), "the fault was never met");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_whole_roster_is_read_though_rows_move_between_pages() {
    let site = site(|s| s.newest_first = true);
    let mut people = Vec::new();
    {
        let mut twin = lock(&site.twin);
        for n in 0..260 {
            let user = twin.add_person(&format!("u{n}@example.org"), "U", start());
            let row = Assignment::in_group(user, site.group.0, Creator::User(site.us.0));
            people.push((user, twin.add_assignment(row, start())));
        }
    }
    let groups = [site.group, GroupId(1)].into_iter().collect();
    let reading = site.kisi.read_roster(&groups, start()).await.expect("a reading");
    assert!(reading.steady);
    assert_eq!(reading.roster.users.len(), 262);
    assert!(people.iter().all(|(_, row)| reading.roster.assignments.contains_key(&AssignmentId(*row))));
    assert_eq!(reading.roster.groups[&site.group].doors.len(), 1);
    assert_eq!(reading.missing, [GroupId(1)].into_iter().collect());
    assert_eq!(reading.roster.elevated, [site.us].into_iter().collect(), "our key's user administers");
    assert_eq!(reading.roster.places, Some(1));
}
