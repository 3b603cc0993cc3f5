//! `run`: the gateway itself, until SIGTERM or SIGINT; SIGHUP reads the configuration anew.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{WELL, complain};
use crate::clock::Clock;
use crate::config::{Config, ProcessEnv, waits_for_restart};
use crate::gateway::{self, Counter, Engine, Outside, Receiver, Wiring};
use crate::mqtt::broker::Broker;
use crate::mqtt::rumqtt::{self, RumqttBroker, TlsFiles};
use crate::net::client;
use crate::net::read_only::ReadOnly;
use crate::report::desk::Desk;
use crate::store::{Opened, Store};
use crate::web::{
    Secrets, Server,
    socket::{Socket, SocketError},
};

/// How often systemd is told that all loops go round.
const WATCHDOG: Duration = Duration::from_secs(10);
/// How long the start and the end wait for systemd to be told.
const NOTIFIED_WITHIN: Duration = Duration::from_secs(1);
/// How often the socket is tried again that a full disk refused.
const SOCKET_AGAIN: Duration = Duration::from_secs(10);

/// `run`
pub fn run(config: Config) -> u8 {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let done = match runtime {
        Ok(runtime) => {
            let done = runtime.block_on(serve(config));
            // All of ours has ended; what may still hang is a word to systemd.
            runtime.shutdown_background();
            done
        }
        Err(error) => Err(anyhow::anyhow!("no runtime: {error}")),
    };
    match done {
        Ok(()) => WELL,
        Err(error) => complain(&format!("{error:#}")),
    }
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let clock = Clock::system();
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let (store, opened) = Store::open(&config.store.directory)?;
    let outside = outside(&clock, store, opened)?;
    let http = outside.kisi.clone();
    let engine = gateway::engine(&config, outside)?;
    let desk: Arc<dyn Desk> = Arc::new(Counter(engine.clone()));
    let stop = CancellationToken::new();
    let answering = tokio::spawn(answer(socket(&config)?, config.clone(), desk.clone(), clock.clone(), stop.clone()));
    let page = match config.web.listen {
        Some(address) => {
            let secrets = config.hooks.clone();
            let secrets = Secrets { nexudus: secrets.nexudus_secret, kisi: secrets.kisi_secret };
            let server = Server::bind(address).await?.with_hooks(secrets);
            Some(tokio::spawn(server.serve(desk.clone(), clock.clone(), stop.clone())))
        }
        None => None,
    };
    let receiver = config.alert.url.clone().map(|url| Receiver { url, http });
    let wiring = Wiring { receiver, ..Wiring::new(&config, broker(&config, &clock)?, fastrand::u64(..)) };
    let loops = tokio::spawn(gateway::run(engine.clone(), wiring, stop.clone()));
    let watchdog = tokio::spawn(feed(desk, clock.clone(), stop.clone()));
    notify(&clock, sd_notify::NotifyState::Ready).await;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), site = config.site.id, "running");
    signals(&engine, &config).await?;
    tracing::info!("stopping");
    notify(&clock, sd_notify::NotifyState::Stopping).await;
    stop.cancel();
    loops.await?;
    for task in [Some(answering), page, Some(watchdog)].into_iter().flatten() {
        task.await?;
    }
    tracing::info!("stopped");
    Ok(())
}

/// The socket; `None`: a disk that is full or read-only has no room for it now, which is no reason not to run.
fn socket(config: &Config) -> Result<Option<Socket>, SocketError> {
    match Socket::bind(&config.store.directory) {
        Ok(socket) => Ok(Some(socket)),
        Err(error) if error.is_of_disk() => {
            tracing::error!(%error, "verbs are not answered before the disk takes the socket");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Answers the verbs, as soon as there is a socket.
async fn answer(mut found: Option<Socket>, config: Config, desk: Arc<dyn Desk>, clock: Clock, stop: CancellationToken) {
    loop {
        if let Some(socket) = found {
            return socket.serve(desk, clock, stop).await;
        }
        if stop.run_until_cancelled(clock.sleep(SOCKET_AGAIN)).await.is_none() {
            return;
        }
        found = Socket::bind(&config.store.directory).ok();
    }
}

/// Waits for the end; a SIGHUP on the way reads the configuration anew.
async fn signals(engine: &Arc<Engine>, started: &Config) -> anyhow::Result<()> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    let mut hup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = term.recv() => return Ok(()),
            _ = int.recv() => return Ok(()),
            _ = hup.recv() => reload(engine, started),
        }
    }
}

/// Takes links and access rules from the file as it is now, or keeps the old ones and says why. What needs a restart is
/// told, against what this run began with.
fn reload(engine: &Arc<Engine>, started: &Config) {
    engine.try_again();
    match Config::load(&started.file, &ProcessEnv) {
        Err(errors) => tracing::error!("the configuration is wrong, the old one stays in force:\n{errors}"),
        Ok(new) => {
            for warning in &new.warnings {
                tracing::warn!("{warning}");
            }
            engine.set_rules(new.rules());
            let waiting = waits_for_restart(started, &new);
            if waiting.is_empty() {
                tracing::info!("the configuration is taken into use");
            } else {
                tracing::warn!(
                    waiting = waiting.join(", "),
                    "links and access rules are taken into use; what else was changed waits for a restart: \
                     systemctl restart gatehouse"
                );
            }
        }
    }
}

/// The world as it is: both clouds over HTTP.
pub fn outside(clock: &Clock, store: Store, opened: Opened) -> Result<Outside, client::NoClient> {
    let http = Arc::new(client::client(clock.clone(), client::Limits::default())?);
    Ok(Outside {
        clock: clock.clone(),
        nexudus: http.clone(),
        kisi: http,
        store,
        opened,
        client_id: None,
        #[cfg(feature = "demo")]
        sabotage: None,
    })
}

/// The same for what only reads: Kisi can't be written by it, whatever is asked.
pub fn reading(clock: &Clock, store: Store, opened: Opened) -> Result<Outside, client::NoClient> {
    let outside = outside(clock, store, opened)?;
    Ok(Outside { kisi: ReadOnly::of(outside.kisi.clone()), ..outside })
}

/// The broker that the configuration names.
pub fn broker(config: &Config, clock: &Clock) -> anyhow::Result<Arc<dyn Broker>> {
    let mqtt = &config.mqtt;
    let scheme = if mqtt.url.tls { "mqtts" } else { "mqtt" };
    let host = if mqtt.url.host.contains(':') { format!("[{}]", mqtt.url.host) } else { mqtt.url.host.clone() };
    let mut settings = rumqtt::Settings::new(url::Url::parse(&format!("{scheme}://{host}:{}", mqtt.url.port))?);
    settings.credentials = mqtt.username.clone().map(|user| (user, mqtt.password.clone().unwrap_or_default()));
    settings.tls = TlsFiles {
        ca: mqtt.ca_file.clone(),
        client: mqtt.client.clone().map(|client| (client.certificate, client.key)),
    };
    Ok(Arc::new(RumqttBroker::new(settings, clock.clone())?))
}

/// Tells systemd that all loops go round. The clouds and the broker play no part: no restart brings those back.
async fn feed(desk: Arc<dyn Desk>, clock: Clock, stop: CancellationToken) {
    let mut last: Option<JoinHandle<()>> = None;
    loop {
        if desk.health().is_live() && last.as_ref().is_none_or(JoinHandle::is_finished) {
            last = Some(tokio::task::spawn_blocking(|| tell(sd_notify::NotifyState::Watchdog)));
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = clock.sleep(WATCHDOG) => {}
        }
    }
}

/// Tells systemd, where that started us. It is not waited for long: no door depends on whether it listens.
async fn notify(clock: &Clock, what: sd_notify::NotifyState<'static>) {
    let _ = clock.timeout(NOTIFIED_WITHIN, tokio::task::spawn_blocking(move || tell(what))).await;
}

/// Blocks while nobody reads the socket and it is full, so it never runs where the gateway's own work does.
fn tell(what: sd_notify::NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[what]) {
        tracing::debug!(%error, "systemd could not be told");
    }
}
