//! Crash points: one short, busy run, once whole to count its steps, and then once more for every one of them, with the
//! power cut there, or with the disk failing from there on for a while.
//!
//! After each run the judge of the simulation must find nothing, and Kisi must stand as it does after the whole run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;
use serde::Serialize;
use serde_json::{Value, json};

use super::boxed::{Box, published};
use super::disk::Disk;
use super::driver::configuration;
use super::judge::{Run, judge};
use super::medium::{Failing, Fault, Medium, Moment, Steps};
use super::power::Side;
use super::site::{self, Built, LATER, Site};
use super::stage::{Stage, approval};
use super::step::What;
use super::world::World;
use crate::clock::Clock;
use crate::demo::checker::Left;
use crate::demo::diary::Trouble;
use crate::demo::settings::{Item, NoAccess, Settings};
use crate::demo::site::LOCATION;
use crate::mqtt::broker::Message;
use crate::mqtt::memory::MemoryBroker;
use crate::twin::kisi::{Assignee, Scope};

/// The most people of the site.
const PEOPLE_MAX: usize = 16;
/// Between two things that happen, at least: so short that the points of a whole run are few enough for every one of
/// them to be tried.
const BEAT: i64 = 20;
/// How many beats things happen.
const BUSY: i64 = 32;
/// How long nothing happens then: as long as accounts and the guard need to come to rest.
const QUIET: TimeDelta = TimeDelta::minutes(12);
/// How much longer a disk that failed towards the end may need until it is tried again.
const PATIENCE: TimeDelta = TimeDelta::minutes(15);
/// How soon the box starts again: at once, as systemd has it.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(2);

/// Where a run is hurt.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Hurt {
    /// Nowhere.
    Not,
    /// The power goes at a step of the disks.
    Cut(Moment),
    /// The power goes at a call to a cloud.
    Call(u64, Side),
    /// The disk fails.
    Fails(Failing),
}

impl Hurt {
    /// By which it is counted.
    fn word(self) -> &'static str {
        match self {
            Hurt::Not => "whole",
            Hurt::Cut(Moment::Write(_)) => "power cut at a write",
            Hurt::Cut(Moment::BeforeSync(_)) => "power cut before a sync",
            Hurt::Cut(Moment::AfterSync(_)) => "power cut after a sync",
            Hurt::Call(_, Side::Before) => "power cut before a call",
            Hurt::Call(_, Side::After) => "power cut after a call's work, before its answer",
            Hurt::Fails(Failing { fault: Fault::Full, .. }) => "disk full from a write on",
            Hurt::Fails(Failing { fault: Fault::Io, from_write: Some(_), .. }) => "disk error from a write on",
            Hurt::Fails(Failing { fault: Fault::Io, .. }) => "disk error from a sync on",
        }
    }
}

/// How Kisi stands: who is enabled, and who has which row, by e-mail, since ids differ from run to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Standing {
    users: BTreeMap<String, bool>,
    rows: BTreeSet<Row>,
}

/// Whose, in which group, until when.
type Row = (String, u64, Option<DateTime<Utc>>);

/// What a run came to.
struct Ended {
    steps: Steps,
    calls: u64,
    standing: Standing,
    failures: Vec<String>,
}

/// What all runs came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The seed of the site.
    pub seed: u64,
    /// Crash points covered, by kind.
    pub points: BTreeMap<&'static str, u64>,
    /// What was wrong, and where.
    pub failures: Vec<(Hurt, Vec<String>)>,
    /// Real seconds.
    pub took_s: f64,
}

impl Report {
    /// How many there were.
    pub fn covered(&self) -> u64 {
        self.points.values().sum()
    }

    /// As one JSON object.
    pub fn json(&self) -> Value {
        let failed: Vec<Value> =
            self.failures.iter().map(|(hurt, failures)| json!({ "at": hurt, "failures": failures })).collect();
        json!({"seed": self.seed, "crash_points": self.points, "covered": self.covered(), "took_s": self.took_s,
            "failed": failed})
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} crash points of seed {} in {:.0} s", self.covered(), self.seed, self.took_s)?;
        for (word, count) in &self.points {
            writeln!(f, "{count:>9}  {word}")?;
        }
        for (hurt, failures) in self.failures.iter().take(20) {
            writeln!(f, "\nFAILED: {hurt:?}")?;
            for failure in failures.iter().take(6) {
                writeln!(f, "  {failure}")?;
            }
        }
        match self.failures.len() {
            0 => writeln!(f, "all promises kept, and Kisi stands as without a crash"),
            n => writeln!(f, "{n} failed"),
        }
    }
}

/// Runs every `stride`-th crash point of the first small site from `seed` on.
///
/// # Errors
/// When a run could not be made at all.
pub fn all(seed: u64, jobs: usize, stride: usize) -> anyhow::Result<Report> {
    let clock = Clock::system();
    let seed = small(seed)?;
    let whole = run(seed, Hurt::Not, 0)?;
    let mut report = Report { seed, ..Report::default() };
    if !whole.failures.is_empty() {
        report.failures.push((Hurt::Not, whole.failures));
        return Ok(report);
    }
    let hurts: Vec<Hurt> = hurts(&whole).into_iter().step_by(stride.max(1)).collect();
    let next = AtomicUsize::new(0);
    let found: Mutex<Vec<(Hurt, Vec<String>)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some(hurt) = hurts.get(n).copied() else { return };
                    let failures = match run(seed, hurt, n as u64) {
                        Ok(ended) => compared(&whole.standing, ended),
                        Err(error) => vec![format!("the run itself: {error:#}")],
                    };
                    if !failures.is_empty() {
                        lock(&found).push((hurt, failures));
                    }
                }
            });
        }
    });
    for hurt in &hurts {
        *report.points.entry(hurt.word()).or_default() += 1;
    }
    report.failures = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.took_s = clock.mono().0.as_secs_f64();
    Ok(report)
}

fn compared(whole: &Standing, ended: Ended) -> Vec<String> {
    let mut failures = ended.failures;
    if ended.standing != *whole {
        let more: Vec<_> = ended.standing.rows.difference(&whole.rows).collect();
        let less: Vec<_> = whole.rows.difference(&ended.standing.rows).collect();
        let users: Vec<_> =
            ended.standing.users.iter().filter(|(email, on)| whole.users.get(*email) != Some(*on)).collect();
        failures.push(format!("promise 7: Kisi stands otherwise: more {more:?}, less {less:?}, users {users:?}"));
    }
    failures
}

/// Every point of a run at which it can be hurt.
fn hurts(whole: &Ended) -> Vec<Hurt> {
    let (writes, syncs) = (whole.steps.writes, whole.steps.syncs);
    let mut hurts: Vec<Hurt> = (1..=writes).map(|n| Hurt::Cut(Moment::Write(n))).collect();
    hurts.extend((1..=syncs).flat_map(|n| [Hurt::Cut(Moment::BeforeSync(n)), Hurt::Cut(Moment::AfterSync(n))]));
    hurts.extend((1..=whole.calls).flat_map(|n| [Hurt::Call(n, Side::Before), Hurt::Call(n, Side::After)]));
    let fails = |fault, from_write, from_sync, steps| Hurt::Fails(Failing { fault, from_write, from_sync, steps });
    hurts.extend((1..=writes).map(|n| fails(Fault::Full, Some(n), None, 1 + n % 40)));
    hurts.extend((1..=writes).map(|n| fails(Fault::Io, Some(n), None, 1 + n % 3)));
    hurts.extend((1..=syncs).map(|n| fails(Fault::Io, None, Some(n), 1 + n % 4)));
    hurts
}

/// The first seed of a site that is small enough and has something to be booked.
fn small(from: u64) -> anyhow::Result<u64> {
    for seed in from..from + 10_000 {
        let site = site::build(seed)?.site;
        let links = site.settings.links.iter();
        let resources = links.filter(|link| matches!(link.item, Item::Resource(_))).count();
        if site.people.len() <= PEOPLE_MAX && resources > 0 && members(&site).len() >= 6 {
            return Ok(seed);
        }
    }
    anyhow::bail!("no small site from seed {from} on")
}

/// Paces and spans that let much happen in half an hour, with few calls.
pub(super) fn calm(settings: &mut Settings) {
    (settings.refresh_s, settings.roster_s, settings.no_access_after_s) = (60, 300, 120);
    (settings.changes_s, settings.events_s, settings.state_s) = (15, 15, 300);
    (settings.before_s, settings.after_s, settings.prestage_s) = (60, 60, 600);
    (settings.no_access, settings.manage_existing) = (NoAccess::Suspend, false);
}

/// Plain members, by customer and e-mail.
fn members(site: &Site) -> Vec<(i64, String)> {
    let plain = site.people.iter().filter(|person| !person.shut && person.email.ends_with("@members.example"));
    plain.map(|person| (person.customer, person.email.trim().to_lowercase())).collect()
}

/// What happens, and when: bookings that open and close, one moved, one cancelled, one deleted; somebody new, somebody
/// suspended and let in again; cards at doors.
fn steps(site: &Site) -> Vec<(DateTime<Utc>, What)> {
    let at = |beats: i64| site.start + TimeDelta::seconds(BEAT * beats);
    let resource = site.settings.links.iter().find_map(|link| match link.item {
        Item::Resource(id) => Some(id),
        _ => None,
    });
    let members = members(site);
    let lock = site.readers.last().map_or(0, |reader| reader.1);
    let book = |id: i64, customer: i64, from: i64, to: i64| What::Set {
        entity: "Booking".to_owned(),
        id: LATER + id,
        fields: json!({"ResourceId": resource, "CoworkerId": customer, "FromTime": at(from).to_rfc3339(),
            "ToTime": at(to).to_rfc3339(), "Online": true, "Tentative": false}),
    };
    let customer = |id: i64, fields: Value| What::Set { entity: "Coworker".to_owned(), id, fields };
    let new = json!({"FullName": "Somebody New", "Email": "new@members.example", "InvoicingBusinessId": LOCATION});
    let who = |n: usize| members.get(n).map_or(0, |member| member.0);
    let mut steps = vec![
        (at(1), book(1, who(0), 4, 14)),
        (at(1), book(2, who(1), -10, 12)),
        (at(2), customer(LATER + 3, new)),
        (at(3), book(4, LATER + 3, 6, 20)),
        (at(3), book(5, who(2), 5, 9)),
        (at(5), book(6, who(3), 2, 25)),
        (at(7), book(1, who(0), 9, 22)),
        (at(8), What::Cancel { id: LATER + 6 }),
        (at(10), customer(who(4), json!({ "Active": false }))),
        (at(11), What::LateEvent { lock, ago_s: 60 }),
        (at(13), book(7, who(5), 15, 200)),
        (at(16), customer(who(4), json!({ "Active": true }))),
        (at(18), What::Delete { entity: "Booking".to_owned(), id: LATER + 4 }),
        (at(19), book(8, who(2), 21, 29)),
    ];
    for beat in (2..BUSY).step_by(3) {
        let email = members[usize::try_from(beat).unwrap_or_default() % members.len()].1.clone();
        steps.push((at(beat) + TimeDelta::seconds(7), What::Tap { email, lock }));
    }
    steps.sort_by_key(|(at, _)| *at);
    steps
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Crashed {
    site: Site,
    world: World,
    gatehouse: Box<Disk>,
    stage: Stage,
    rng: Rng,
    until: DateTime<Utc>,
    approvals: u64,
    _directory: tempfile::TempDir,
}

/// One run.
fn run(seed: u64, hurt: Hurt, salt: u64) -> anyhow::Result<Ended> {
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(async { Crashed::new(seed, salt)?.all(hurt).await })
}

impl Crashed {
    fn new(seed: u64, salt: u64) -> anyhow::Result<Crashed> {
        let Built { nexudus, kisi, mut site } = site::build(seed)?;
        calm(&mut site.settings);
        let clock = Clock::starting_at(site.start, 1.0);
        let world = World::new(nexudus, kisi, clock.clone());
        let directory = tempfile::tempdir()?;
        let config = configuration(directory.path(), &site.settings)?;
        let broker = MemoryBroker::new(clock);
        let medium = Medium::new();
        let disks = (Disk::holding(Vec::new(), &medium), Disk::holding(Vec::new(), &medium));
        let mut gatehouse = Box::new(world.clone(), config, broker, disks);
        gatehouse.seed = seed;
        let until = site.start + TimeDelta::seconds(BEAT * BUSY) + QUIET;
        let (stage, rng) = (Stage::default(), Rng::with_seed(seed ^ (salt << 20)));
        Ok(Crashed { site, world, gatehouse, stage, rng, until, approvals: 0, _directory: directory })
    }

    async fn all(mut self, hurt: Hurt) -> anyhow::Result<Ended> {
        let medium = self.gatehouse.ledger.medium().clone();
        let failed: Arc<Mutex<Vec<DateTime<Utc>>>> = Arc::default();
        match hurt {
            Hurt::Not | Hurt::Call(..) => {}
            Hurt::Cut(moment) => {
                let power = self.gatehouse.power.clone();
                medium.cut_at(moment, move || power.cut());
            }
            Hurt::Fails(failing) => {
                let (failed, clock) = (Arc::clone(&failed), self.world.clock.clone());
                medium.fail_telling(failing, move || lock(&failed).push(clock.wall()));
            }
        }
        self.power_on(hurt).await?;
        let mut agenda: Vec<(DateTime<Utc>, Option<What>)> =
            steps(&self.site).into_iter().map(|(at, what)| (at, Some(what))).collect();
        // Somebody approves now and then what the guard holds.
        agenda.extend((4..11).map(|n| (self.site.start + TimeDelta::minutes(2 * n), None)));
        agenda.push((self.until, None));
        agenda.sort_by_key(|(at, _)| *at);
        for (at, what) in agenda {
            while !self.wait(at).await? {}
            match what {
                // A record that is not there is no fault: the order is the same in every run.
                Some(what) => _ = self.stage.perform(&what, &self.world, self.world.clock.wall()),
                None => self.approve(),
            }
        }
        let patience = self.world.clock.wall() + PATIENCE;
        while self.store_alert().is_some() && self.world.clock.wall() < patience {
            let soon = self.world.clock.wall() + TimeDelta::seconds(10);
            while !self.wait(soon).await? {}
        }
        let mut failures: Vec<String> =
            self.gatehouse.is_live().err().map(|dead| dead.to_string()).into_iter().collect();
        self.gatehouse.stop().await;
        let failed = std::mem::take(&mut *lock(&failed));
        if let (Some(first), Some(last)) = (failed.first(), failed.last()) {
            self.stage.begins(Trouble::Disk, *first);
            self.stage.ends(Trouble::Disk, *last);
        }
        let left = [
            Left { name: "cache.redb".to_owned(), bytes: self.gatehouse.cache.bytes()? },
            Left { name: "ledger.redb".to_owned(), bytes: self.gatehouse.ledger.bytes()? },
        ];
        let messages = published(&self.gatehouse.broker, self.site.start);
        let run = Run {
            site: &self.site,
            world: &self.world,
            until: self.until,
            diary: &self.stage.diary,
            published: &messages,
            left: &left,
            forgotten: self.gatehouse.broker.forgotten(),
        };
        failures.extend(judge(&run)?.1);
        if let Some(told) = self.store_alert() {
            failures.push(format!("promise 7: alert/store stands at the end: {told}"));
        }
        Ok(Ended { steps: medium.steps(), calls: self.gatehouse.power.calls(), standing: self.standing(), failures })
    }

    /// Starts the gateway; where the power goes at that, once more.
    async fn power_on(&mut self, hurt: Hurt) -> anyhow::Result<()> {
        if self.gatehouse.power.calls() == 0
            && let Hurt::Call(nth, side) = hurt
        {
            // Counted from now: the first start makes no call before this.
            self.gatehouse.arm_call(nth, side);
        }
        match self.gatehouse.power_on() {
            Ok(()) => Ok(()),
            Err(_) if self.gatehouse.ledger.medium().is_cut() => self.came_back().await,
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for a moment; false where the power went before.
    async fn wait(&mut self, until: DateTime<Utc>) -> anyhow::Result<bool> {
        let span = (until - self.world.clock.wall()).to_std().unwrap_or_default();
        let power = self.gatehouse.power.clone();
        let went = tokio::select! {
            biased;
            () = power.gone() => true,
            () = self.world.clock.sleep(span) => false,
        };
        if went {
            self.came_back().await?;
        }
        Ok(!went)
    }

    /// The power went: what the platters hold, and a start on that.
    async fn came_back(&mut self) -> anyhow::Result<()> {
        self.gatehouse.power_off().await;
        self.stage.begins(Trouble::Gateway, self.world.clock.wall());
        let medium = Medium::new();
        for disk in [&mut self.gatehouse.cache, &mut self.gatehouse.ledger] {
            *disk = Disk::holding(disk.cut(&mut self.rng), &medium);
        }
        self.world.clock.sleep(AGAIN).await;
        self.gatehouse.power_on()?;
        self.stage.ends(Trouble::Gateway, self.world.clock.wall());
        Ok(())
    }

    /// What `alert/store` says, where it stands.
    fn store_alert(&self) -> Option<Value> {
        let alert = format!("{}/alert/store", self.site.settings.root());
        let retained = self.gatehouse.broker.retained();
        let told: Value = serde_json::from_slice(retained.get(&alert)?).ok()?;
        (told["active"] == true).then(|| told["message"].clone())
    }

    fn approve(&mut self) {
        self.approvals += 1;
        let root = self.site.settings.root();
        let id = format!("approval-{}", self.approvals);
        if let Some(payload) = approval(&self.gatehouse.broker.retained(), &root, &id) {
            let topic = format!("{root}/command/approve");
            self.gatehouse.broker.say(Message::passing(topic, payload.to_string()));
        }
    }

    fn standing(&self) -> Standing {
        let kisi = self.world.kisi();
        let emails: BTreeMap<u64, String> = kisi.users().map(|user| (user.id, user.email.to_lowercase())).collect();
        let users = kisi.users().map(|user| (user.email.to_lowercase(), user.access_enabled)).collect();
        let rows = kisi.assignments().filter_map(|row| match (row.assignee, row.scope) {
            (Assignee::User(user), Scope::Group(group)) => {
                Some((emails.get(&user).cloned().unwrap_or_default(), group, row.valid_until))
            }
            _ => None,
        });
        Standing { users, rows: rows.collect() }
    }
}
