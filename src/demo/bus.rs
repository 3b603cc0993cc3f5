//! A broker within the process, for a demo with nothing installed.
//!
//! It keeps nothing over a restart, lets anybody in and can't be stopped: good enough to watch, never for a site.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use rumqttd::{Broker, Config, ConnectionSettings, Notification, RouterConfig, ServerSettings};

use super::checker::Published;
use crate::clock::Clock;

/// The longest message: an alert that lists some hundreds of held removals must get through.
const PAYLOAD_BYTES_MAX: usize = 1 << 20;
/// How many messages wait for whoever looks on; further ones are not shown.
const WATCHED_MAX: usize = 65_536;
/// How often it is tried whether the broker listens, and how long each time.
const TRIES: u32 = 200;
const TRY: Duration = Duration::from_millis(25);

/// A running broker. It ends with the process.
#[derive(Debug)]
pub struct Bus {
    address: SocketAddr,
}

/// Why there is no broker.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The port is taken, or may not be listened on.
    #[error("the demo's broker can't listen on 127.0.0.1:{port}: {source}; choose another with --mqtt-port")]
    Port {
        /// The port that was asked for.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// No thread could be started.
    #[error("the demo's broker has no thread: {0}")]
    Thread(io::Error),
    /// It started and does not listen.
    #[error("the demo's broker does not answer on {0}")]
    Silent(SocketAddr),
    /// Nobody may look on.
    #[error("the demo's broker refuses its own observer: {0}")]
    Observer(String),
}

impl Bus {
    /// Starts a broker on that port of 127.0.0.1, or on one that is free where it is 0, and waits until it listens.
    /// Gives also all messages that reach it, each with the time of `clock`'s wall.
    ///
    /// # Errors
    /// When the port is taken or no thread can be started.
    pub fn start(port: u16, clock: Clock) -> Result<(Bus, Receiver<Published>), BusError> {
        let taken = |source| BusError::Port { port, source };
        // It binds by itself, so the port is tried and let go.
        let address = TcpListener::bind(("127.0.0.1", port)).and_then(|l| l.local_addr()).map_err(taken)?;
        let mut broker = Broker::new(config(address));
        let observer = |why: &dyn std::fmt::Display| BusError::Observer(why.to_string());
        let (mut link, mut received) = broker.link("demo-observer").map_err(|why| observer(&why))?;
        link.subscribe("#").map_err(|why| observer(&why))?;
        let serve = move || {
            if let Err(why) = broker.start() {
                tracing::error!(%why, "the demo's broker has ended");
            }
        };
        thread::Builder::new().name("demo-broker".to_owned()).spawn(serve).map_err(BusError::Thread)?;
        let (watched, watch) = sync_channel(WATCHED_MAX);
        let look = move || {
            // The subscription ends with its sender.
            let _link = link;
            while let Ok(heard) = received.recv() {
                if let Some(Notification::Forward(forward)) = heard
                    && !pass_on(&watched, &clock, &forward.publish)
                {
                    return;
                }
            }
        };
        thread::Builder::new().name("demo-observer".to_owned()).spawn(look).map_err(BusError::Thread)?;
        for _ in 0..TRIES {
            if TcpStream::connect_timeout(&address, TRY).is_ok() {
                return Ok((Bus { address }, watch));
            }
            thread::sleep(TRY);
        }
        Err(BusError::Silent(address))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `mqtt://` and the address.
    pub fn url(&self) -> String {
        format!("mqtt://{}", self.address)
    }
}

/// False once nobody looks on any more.
fn pass_on(watched: &SyncSender<Published>, clock: &Clock, publish: &rumqttd::protocol::Publish) -> bool {
    let message = Published {
        at: clock.wall(),
        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
        payload: publish.payload.to_vec(),
        retained: publish.retain,
    };
    !matches!(watched.try_send(message), Err(TrySendError::Disconnected(_)))
}

fn config(address: SocketAddr) -> Config {
    let connections = ConnectionSettings {
        connection_timeout_ms: 30_000,
        max_payload_size: PAYLOAD_BYTES_MAX,
        max_inflight_count: 100,
        auth: None,
        external_auth: None,
        dynamic_filters: true,
    };
    let server = ServerSettings {
        name: "demo".to_owned(),
        listen: address,
        tls: None,
        next_connection_delay_ms: 1,
        connections,
    };
    let router = RouterConfig {
        max_connections: 100,
        max_outgoing_packet_count: 200,
        max_segment_size: 10 << 20,
        max_segment_count: 4,
        ..RouterConfig::default()
    };
    Config { router, v4: Some(HashMap::from([("demo".to_owned(), server)])), ..Config::default() }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// With mosquitto's own clients, where they are; else only that it listens.
    #[test]
    fn the_brokers_observer_sees_what_a_stranger_publishes_and_a_late_subscriber_what_is_retained() {
        let (bus, watch) = Bus::start(0, Clock::system()).unwrap();
        let port = bus.address().port().to_string();
        let long = format!("{{\"removals\":\"{}\"}}", "x".repeat(60_000));
        let publish = ["-p", &port, "-q", "1", "-r", "-t", "gatehouse/harbour-house/alert/guard", "-m", &long];
        let Ok(done) = Command::new("mosquitto_pub").args(publish).status() else { return };
        assert!(done.success());
        let seen = watch.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!((seen.topic.as_str(), seen.payload.len()), ("gatehouse/harbour-house/alert/guard", long.len()));
        let subscribe = ["-p", &port, "-t", "gatehouse/#", "-C", "1", "-W", "10", "-v"];
        let heard = Command::new("mosquitto_sub").args(subscribe).stdout(Stdio::piped()).output().unwrap();
        assert!(String::from_utf8_lossy(&heard.stdout).contains(&long));
    }

    #[test]
    fn a_port_that_is_taken_is_refused_by_name() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = held.local_addr().unwrap().port();
        let why = Bus::start(port, Clock::system()).err().unwrap().to_string();
        assert!(why.contains(&port.to_string()), "{why}");
    }
}
