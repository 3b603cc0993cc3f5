//! `demo`: the day over real sockets, some times faster than the clock, for whoever wants to watch.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use chrono::TimeDelta;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::record;
use super::twins::carry;
use super::{World, conclude, load, sabotage};
use crate::cli::args::DemoArgs;
use crate::clock::Clock;
use crate::config::Config;
use crate::demo::bus::Bus;
use crate::demo::checker::{Left, Published};
use crate::demo::feed::Feed;
use crate::demo::gate::Gate;
use crate::demo::kept::Kept;
use crate::demo::script::{Action, Agenda, Stage};
use crate::demo::site::{self, Addresses};
use crate::demo::view::{Screen, View};
use crate::mqtt::rumqtt::{self, RumqttBroker};
use crate::net::Http;
use crate::net::client;
use crate::report::desk::Desk;
use crate::simulate::{Gateway, Start};
use crate::store::Store;
use crate::web::{Server, socket::Socket};

/// How often the view is drawn.
const FRAME: Duration = Duration::from_millis(500);
/// How many messages are kept for the checker.
const HEARD_MAX: usize = 500_000;

/// Runs the day until its end or Ctrl-C, and judges what there was of it.
pub fn live(args: &DemoArgs) -> anyhow::Result<u8> {
    let record = record::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(day(args, &record))
}

/// The box that the gateway runs on, with its page and its socket.
struct Box {
    config: Config,
    clock: Clock,
    speed: f64,
    gate: Gate,
    clock_off: TimeDelta,
    args_sabotage: Option<crate::cli::args::Sabotage>,
    running: Option<(Gateway, JoinSet<()>)>,
}

impl Box {
    async fn power_on(&mut self) -> anyhow::Result<()> {
        let clock = Clock::starting_at(self.clock.wall(), self.speed);
        clock.shift_wall(self.clock_off);
        let http: Arc<dyn Http> = Arc::new(client::client(clock.clone(), client::Limits::default())?);
        let mut settings = rumqtt::Settings::new(url::Url::parse(&self.gate.url())?);
        settings.credentials =
            self.config.mqtt.username.clone().map(|user| (user, self.config.mqtt.password.clone().unwrap_or_default()));
        let (store, opened) = Store::open(&self.config.store.directory)?;
        let start = Start {
            clock: clock.clone(),
            nexudus: http.clone(),
            kisi: http,
            broker: Arc::new(RumqttBroker::new(settings, clock.clone())?),
            store,
            opened,
            sabotage: self.args_sabotage.map(sabotage),
            seed: 7,
        };
        let gateway = Gateway::start(&self.config, start)?;
        let desk: Arc<dyn Desk> = Arc::new(gateway.counter());
        let mut doors = JoinSet::new();
        let stop = CancellationToken::new();
        let socket = Socket::bind(&self.config.store.directory)?;
        doors.spawn(socket.serve(desk.clone(), Clock::system(), stop.clone()));
        if let Some(address) = self.config.web.listen {
            doors.spawn(Server::bind(address).await?.serve(desk, Clock::system(), stop));
        }
        self.running = Some((gateway, doors));
        Ok(())
    }

    async fn obey(&mut self, action: Action) -> anyhow::Result<()> {
        match action {
            Action::GatewayDown => {
                if let Some((gateway, mut doors)) = self.running.take() {
                    doors.shutdown().await;
                    gateway.end().await;
                }
            }
            Action::GatewayUp => self.power_on().await?,
            Action::BrokerDown => self.gate.set(false),
            Action::BrokerUp => self.gate.set(true),
            Action::WallClockShift(seconds) => {
                let shift = TimeDelta::seconds(seconds);
                self.clock_off += shift;
                if let Some((gateway, _)) = &self.running {
                    gateway.clock.shift_wall(shift);
                }
            }
        }
        Ok(())
    }
}

async fn day(args: &DemoArgs, record: &Kept) -> anyhow::Result<u8> {
    let clock = Clock::starting_at(site::start(), args.speed);
    let world = World::build(clock.clone())?;
    let directory = tempfile::tempdir().context("a directory for the demo's files could not be made")?;
    let (bus, heard) = Bus::start(port(args.mqtt_port, 1883)?, clock.clone())?;
    let web = SocketAddr::from((Ipv4Addr::LOCALHOST, port(args.web_port, 8480)?));
    let nexudus = carry(([127, 0, 0, 1], 0).into(), world.clouds.nexudus.clone(), &clock).await?;
    let kisi = carry(([127, 0, 0, 1], 0).into(), world.clouds.kisi.clone(), &clock).await?;
    let addresses = Addresses {
        nexudus: nexudus.base_url(),
        kisi: kisi.base_url(),
        broker: bus.url(),
        web: web.to_string(),
        store: directory.path().join("store"),
    };
    let path = site::write_config(directory.path(), &world.settings, &addresses)?;
    let hints = hints(web, &bus, &path);
    let mut gatehouse = Box {
        config: load(&path)?,
        clock: clock.clone(),
        speed: args.speed,
        gate: Gate::before(bus.address()).await?,
        clock_off: TimeDelta::zero(),
        args_sabotage: args.sabotage,
        running: None,
    };
    gatehouse.power_on().await?;
    let feed = Arc::new(Mutex::new(Feed::new(&world.settings, &world.site, hints)));
    let published: Arc<Mutex<Vec<Published>>> = Arc::default();
    listen(heard, feed.clone(), published.clone());
    let mut view = View::new(std::io::stdout(), Screen::of_stdout())?;
    let (mut agenda, mut stage) = (Agenda::of(&world.site), Stage::new());
    let frame = clock_span(FRAME, args.speed);
    while clock.wall() < site::end() {
        while let Some(step) = agenda.due(clock.wall()) {
            lock(&feed).performed(&step);
            let action = stage.perform(&step, &mut world.clouds.nexudus(), &mut world.clouds.kisi(), clock.wall())?;
            if let Some(action) = action {
                gatehouse.obey(action).await?;
            }
        }
        let shown = lock(&feed).frame(clock.wall(), &world.clouds.kisi());
        if view.show(&shown).is_err() {
            break;
        }
        let next = agenda.next_at().map(|at| (at - clock.wall()).to_std().unwrap_or_default());
        tokio::select! {
            () = clock.sleep(next.unwrap_or(frame).min(frame)) => {}
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    drop(view);
    if let Some((gateway, mut doors)) = gatehouse.running.take() {
        doors.shutdown().await;
        gateway.end().await;
    }
    let left = left(record, &gatehouse.config)?;
    let report = world.judge(stage.diary(), &lock(&published), &left)?;
    Ok(conclude(&report, args))
}

/// What `span` of real time is on a clock of that speed.
fn clock_span(span: Duration, speed: f64) -> Duration {
    span.mul_f64(speed)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The port that was asked for; else the usual one, or where that is taken, one that is free.
fn port(asked: Option<u16>, usual: u16) -> std::io::Result<u16> {
    if let Some(port) = asked {
        return Ok(port);
    }
    let local = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).and_then(|listener| listener.local_addr());
    Ok(local(usual).or_else(|_| local(0))?.port())
}

/// Where to look, and what to subscribe to.
fn hints(web: SocketAddr, bus: &Bus, config: &Path) -> Vec<String> {
    let port = bus.address().port();
    vec![
        format!("page     http://{web}/"),
        format!("topics   mosquitto_sub -p {port} -t 'gatehouse/#' -v"),
        format!("verbs    gatehouse status --config {}", config.display()),
    ]
}

/// Gathers what reaches the broker, until the broker ends.
fn listen(heard: std::sync::mpsc::Receiver<Published>, feed: Arc<Mutex<Feed>>, published: Arc<Mutex<Vec<Published>>>) {
    std::thread::spawn(move || {
        while let Ok(message) = heard.recv() {
            lock(&feed).heard(&message);
            let mut published = lock(&published);
            if published.len() < HEARD_MAX {
                published.push(message);
            }
        }
    });
}

/// What the gateway left behind.
fn left(record: &Kept, config: &Config) -> anyhow::Result<Vec<Left>> {
    let mut left = vec![Left { name: "the log".to_owned(), bytes: record.bytes() }];
    for name in ["cache.redb", "ledger.redb"] {
        let bytes = std::fs::read(config.store.directory.join(name))?;
        left.push(Left { name: name.to_owned(), bytes });
    }
    Ok(left)
}
