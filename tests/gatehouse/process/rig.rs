//! A small site in both twins, a broker, and the gateway between them.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use gatehouse::clock::Clock;
use gatehouse::twin::kisi::{Assignment, Controller, Id, KisiTwin, Organization, Place};
use gatehouse::twin::nexudus::{NexudusTwin, Site};
use gatehouse::twin::serve::{Carrier, serve};
use serde_json::Value;
use tokio::net::TcpListener;

use super::super::mosquitto::Mosquitto;
use super::gate::Gate;
use super::gateway::{Gateway, KISI_KEY, Output, World, verb};
use super::settings::Settings;
use super::watcher::Watcher;

pub const LOCATION: i64 = 4711;
pub const BOARDROOM: i64 = 555;
pub const OAK: i64 = 556;
pub const DAY_PASS: i64 = 31;
pub const DESK: i64 = 801;
pub const PLAN: i64 = 12;
/// A plan that no link names.
pub const DESK_PLAN: i64 = 13;

/// Nexudus' password: nothing that is written or said may hold it.
pub const PASSWORD: &str = "nexudus-password-5b7e";
/// How the Nexudus twin's tokens begin.
const TOKENS: [&str; 2] = ["access-0000", "refresh-0000"];
/// What each topic begins with.
pub const ROOT: &str = "gatehouse/harbour-house";

/// A moment of the twins' clock.
pub type Moment = DateTime<Utc>;

/// A door in Kisi and its group.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    pub group: Id,
    pub lock: Id,
}

/// All of it. Nothing runs but the clouds and the broker until [`Rig::start`].
pub struct Rig {
    pub directory: tempfile::TempDir,
    pub clock: Clock,
    pub nexudus: Arc<Mutex<NexudusTwin>>,
    pub kisi: Arc<Mutex<KisiTwin>>,
    pub broker: Mosquitto,
    pub gate: Gate,
    pub watcher: Watcher,
    pub settings: Settings,
    pub web: u16,
    pub gateway: Option<Gateway>,
    /// What `RUST_LOG` says.
    pub logs: &'static str,
    /// What nothing that is written or said may hold.
    pub secrets: Vec<String>,
    /// What surrounds the binary.
    pub world: World,
    /// The Kisi user of the gateway's key.
    pub me: Id,
    /// Another administrator, a person.
    pub office: Id,
    pub boardroom: Room,
    pub oak: Room,
    pub club: Room,
    pub desks: Room,
    pub members: Room,
    carriers: [Carrier; 2],
}

impl Rig {
    /// Rooms, a desk, a plan, a pass; nobody and nothing booked. `settle` changes the configuration.
    pub async fn new(settle: impl FnOnce(&mut Settings)) -> Rig {
        let clock = Clock::system();
        let now = clock.wall();
        let mut nexudus = NexudusTwin::new("gateway@example.org", PASSWORD);
        furnish(nexudus.at(now)).unwrap();
        let harbour = Organization { id: 5150, name: "Harbour".to_owned(), domain: "harbour".to_owned() };
        let mut kisi = KisiTwin::new(harbour, 7);
        let place =
            Place { name: "Harbour House".to_owned(), time_zone: "Europe/London".to_owned(), ..Place::default() };
        let place = kisi.add_place(place);
        let me = kisi.add_administrator("gateway@example.org", KISI_KEY, now);
        let office = kisi.add_administrator("office@example.org", "the office's key", now);
        let mut room = |name: &str| {
            let (group, lock) = kisi.add_room(place, name, now);
            Room { group, lock }
        };
        let (boardroom, oak, club) = (room("Boardroom"), room("Oak"), room("Club"));
        let (desks, members) = (room("Desks"), room("Members"));
        kisi.add_controller(Controller { name: "Cupboard".to_owned(), place_id: place, ..Controller::default() });

        let (nexudus, kisi) = (Arc::new(Mutex::new(nexudus)), Arc::new(Mutex::new(kisi)));
        let listener = || async { TcpListener::bind("127.0.0.1:0").await.unwrap() };
        let carried_nexudus = serve(listener().await, Arc::clone(&nexudus), clock.clone()).await.unwrap();
        let carried_kisi = serve(listener().await, Arc::clone(&kisi), clock.clone()).await.unwrap();
        let broker = Mosquitto::start().await;
        let gate = Gate::before(broker.port).await;
        let directory = tempfile::tempdir().unwrap();
        let web = free_port();
        let mut settings = Settings::new();
        settings
            .set("nexudus.url", &format!("\"{}/api\"", carried_nexudus.base_url()))
            .set("kisi.url", &format!("\"{}\"", carried_kisi.base_url()))
            .set("mqtt.url", &format!("\"mqtt://127.0.0.1:{}\"", gate.port))
            .set("web.listen", &format!("\"127.0.0.1:{web}\""))
            .link(&format!("resource = {BOARDROOM}, group = {}", boardroom.group))
            .link(&format!("pass = {DAY_PASS}, group = {}", club.group))
            .link(&format!("desk = {DESK}, group = {}", desks.group))
            .link(&format!("plan = {PLAN}, group = {}", members.group));
        settle(&mut settings);
        let watcher = Watcher::on(broker.port, directory.path().join("seen-0"));
        let mut rig = Rig {
            directory,
            clock,
            nexudus,
            kisi,
            broker,
            gate,
            watcher,
            settings,
            web,
            gateway: None,
            logs: "gatehouse=debug,info",
            secrets: [KISI_KEY, PASSWORD].into_iter().chain(TOKENS).map(str::to_owned).collect(),
            world: World::default(),
            me,
            office,
            boardroom,
            oak,
            club,
            desks,
            members,
            carriers: [carried_nexudus, carried_kisi],
        };
        rig.write("nexudus-password", PASSWORD);
        rig.write_settings();
        rig.until("a subscriber", 10, |rig| rig.watcher.is_there().then_some(())).await;
        rig
    }

    /// Writes a file that only its owner may read.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Writes the configuration as the settings are now.
    pub fn write_settings(&self) {
        self.write("gatehouse.toml", &self.settings.text());
    }

    /// Where Nexudus' twin and Kisi's listen.
    pub fn ports(&self) -> [u16; 2] {
        [self.carriers[0].address().port(), self.carriers[1].address().port()]
    }

    /// The store's directory.
    pub fn store(&self) -> PathBuf {
        self.directory.path().join("store")
    }

    /// Starts the gateway.
    pub fn start(&mut self) {
        assert!(self.gateway.is_none(), "one at a time");
        self.gateway = Some(Gateway::start(self.directory.path(), self.logs, &self.world));
    }

    /// Starts the gateway and waits until it is ready to work.
    pub async fn start_ready(&mut self) {
        self.start();
        self.ready().await;
    }

    /// Waits until `/readyz` says so.
    pub async fn ready(&mut self) {
        self.until("a gateway that is ready", 30, |rig| (rig.get("/readyz")?.0 == 200).then_some(())).await;
    }

    /// Power off.
    pub fn kill(&mut self) {
        self.gateway = None;
    }

    /// SIGTERM: it has to end with 0 within 5 seconds.
    pub async fn stop(&mut self) {
        self.gateway.as_ref().unwrap().signal("TERM");
        let status = self.until("the end after SIGTERM", 5, |rig| rig.gateway.as_mut()?.ended()).await;
        assert_eq!(status.code(), Some(0), "after SIGTERM\n{}", self.tail());
        self.gateway = None;
    }

    /// Runs a verb to its end.
    pub async fn verb(&self, arguments: &[&str]) -> Output {
        verb(self.directory.path(), arguments, &self.world).await
    }

    /// Runs a verb with `--json` until its result is as it should be.
    pub async fn until_verb(&mut self, arguments: &[&str], wanted: impl Fn(&Value) -> bool) -> Value {
        let begun = self.clock.mono();
        loop {
            let output = self.verb(arguments).await;
            if output.exit == 0 && wanted(&output.json()) {
                return output.json();
            }
            assert!(self.clock.mono().since(begun) < Duration::from_secs(30), "{arguments:?}: {output:?}");
        }
    }

    /// The twins' time, in whole seconds as they write it.
    pub fn now(&self) -> Moment {
        self.clock.wall().trunc_subsecs(0)
    }

    /// So many seconds from now.
    pub fn in_s(&self, seconds: i64) -> Moment {
        self.now() + TimeDelta::seconds(seconds)
    }

    /// So many minutes from now.
    pub fn in_min(&self, minutes: i64) -> Moment {
        self.now() + TimeDelta::minutes(minutes)
    }

    /// Waits until `found` finds something, for `seconds` at most.
    pub async fn until<T>(&mut self, what: &str, seconds: u64, mut found: impl FnMut(&mut Rig) -> Option<T>) -> T {
        let begun = self.clock.mono();
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            let waited = self.clock.mono().since(begun);
            assert!(waited < Duration::from_secs(seconds), "waited {seconds} s in vain for {what}\n{}", self.tail());
            self.clock.sleep(Duration::from_millis(20)).await;
        }
    }

    /// Changes or asks Nexudus.
    pub fn nexudus<T>(&self, change: impl FnOnce(&mut Site) -> T) -> T {
        change(self.nexudus.lock().unwrap().at(self.clock.wall()))
    }

    /// Changes or asks Kisi.
    pub fn kisi<T>(&self, change: impl FnOnce(&mut KisiTwin, Moment) -> T) -> T {
        change(&mut self.kisi.lock().unwrap(), self.clock.wall())
    }

    /// Makes a customer of that number, `NAME@example.org`.
    pub fn customer(&self, id: i64, name: &str) {
        let email = format!("{}@example.org", name.to_lowercase());
        self.nexudus(|site| site.add_customer(id, name, Some(&email))).unwrap();
    }

    /// Books a room.
    pub fn book(&self, customer: i64, room: i64, from: Moment, to: Moment) -> i64 {
        self.nexudus(|site| site.book(Some(customer), room, from, to)).unwrap()
    }

    /// The Kisi user of `NAME@example.org`.
    pub fn user(&self, name: &str) -> Option<Id> {
        let email = format!("{}@example.org", name.to_lowercase());
        self.kisi(|kisi, _| kisi.user_by_email(&email).map(|user| user.id))
    }

    /// The role assignment of `NAME@example.org` in that group.
    pub fn row(&self, name: &str, group: Id) -> Option<Assignment> {
        let user = self.user(name)?;
        self.kisi(|kisi, _| kisi.assignment(user, group).cloned())
    }

    /// Waits until that row has just that window.
    pub async fn until_window(
        &mut self,
        name: &str,
        group: Id,
        from: Moment,
        until: Moment,
        seconds: u64,
    ) -> Assignment {
        self.until(&format!("{name}'s window from {from} until {until}"), seconds, |rig| {
            rig.row(name, group).filter(|row| (row.valid_from, row.valid_until) == (Some(from), Some(until)))
        })
        .await
    }

    /// Waits until there is no such row.
    pub async fn until_no_row(&mut self, name: &str, group: Id, seconds: u64) {
        self.until(&format!("{name}'s row to go"), seconds, |rig| rig.row(name, group).is_none().then_some(())).await;
    }

    /// How many calls of that kind Kisi has had.
    pub fn kisi_calls(&self, method: &str, path: &str) -> usize {
        let asked = |r: &&gatehouse::twin::kisi::RequestRecord| &*r.method == method && r.path.starts_with(path);
        self.kisi(|kisi, _| kisi.history().requests.iter().filter(asked).count())
    }

    /// How many calls that could change something Kisi has had.
    pub fn kisi_writes(&self) -> usize {
        self.kisi(|kisi, _| {
            let requests = kisi.history().requests.iter();
            requests.filter(|r| &*r.method != "GET" && !r.path.starts_with("/event_sets")).count()
        })
    }

    /// How many calls Nexudus has had whose path and query hold that.
    pub fn nexudus_calls(&self, target: &str) -> usize {
        let nexudus = self.nexudus.lock().unwrap();
        nexudus.history().requests().filter(|r| r.target.contains(target)).count()
    }

    /// Waits until Kisi's rows have been read so often once more, whole.
    pub async fn until_roster_read(&mut self, times: usize, seconds: u64) {
        let before = self.kisi_calls("GET", "/role_assignments");
        let enough = |rig: &mut Rig| (rig.kisi_calls("GET", "/role_assignments") >= before + times).then_some(());
        self.until("the roster to be read", seconds, enough).await;
    }

    /// The last payload on a topic below the root.
    pub fn said(&self, topic: &str) -> Option<Value> {
        self.watcher.last(&format!("{ROOT}/{topic}")).map(|message| message.json())
    }

    /// The last `status`.
    pub fn status(&self) -> Option<Value> {
        self.said("status")
    }

    /// Waits until that alert stands or no longer does.
    pub async fn until_alert(&mut self, kind: &str, active: bool, seconds: u64) -> Value {
        self.until(&format!("alert/{kind} with active {active}"), seconds, |rig| {
            rig.said(&format!("alert/{kind}")).filter(|alert| alert["active"] == active)
        })
        .await
    }

    /// Subscribes anew, in place of the last subscriber: what lies at the broker comes first, marked retained.
    pub async fn watch_anew(&mut self) {
        let file = self.directory.path().join(format!("seen-{}", fastrand::u64(..)));
        self.watcher = Watcher::on(self.broker.port, file);
        self.until("a subscriber", 10, |rig| rig.watcher.is_there().then_some(())).await;
    }

    /// Asks the gateway's web server: status and body.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.web)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let status = text.split(' ').nth(1)?.parse().ok()?;
        Some((status, text.split_once("\r\n\r\n")?.1.to_owned()))
    }

    /// Everything the gateway has logged.
    pub fn logged(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("stderr")).unwrap_or_default()
    }

    /// The end of what it has logged, for whoever reads why a test failed.
    pub fn tail(&self) -> String {
        let logged = self.logged();
        let lines: Vec<&str> = logged.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }
}

fn furnish(site: &mut Site) -> Result<(), gatehouse::twin::nexudus::SetupError> {
    site.add_location(LOCATION, "Harbour House", "Europe/London")?;
    site.add_resource(BOARDROOM, LOCATION, "Boardroom")?;
    site.add_resource(OAK, LOCATION, "Oak")?;
    site.add_pass_kind(DAY_PASS, LOCATION, "Day pass", None)?;
    site.add_plan(PLAN, LOCATION, "Member")?;
    site.add_plan(DESK_PLAN, LOCATION, "Desk")?;
    site.add_desk(DESK, LOCATION, "D1")
}

/// A port that nothing listens on.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
