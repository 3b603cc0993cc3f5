//! The real broker: the only module that names rumqttc.
//!
//! What was measured shapes it. `publish()` returning says only 'queued in this process'; one event loop that lives
//! over several connections takes an acknowledgement of the new one for a message of the old. So each connection has a
//! client and an event loop of its own, which never reconnects; each message's acknowledgement comes by its own notice,
//! not by matching packet ids; and the session is clean, because the store is the only queue.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, EventLoop, Incoming, LastWill, MqttOptions, NetworkOptions,
    PublishNoticeError, PublishOptions, PublishResult, QoS, StateError, SubscribeNoticeError, TlsConfiguration,
    TlsError, Transport,
};
use rustls::ClientConfig;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use url::{Host, Url};

use super::Boxed;
use super::broker::{Broker, BrokerError, Event, Hello, Message, PublishError, Session, Token, UNACKED_MAX};
pub use super::tls::TlsFiles;
use super::tls::{Print, client_config, is_about_time};
use crate::clock::Clock;

/// How many received messages wait for a session that does not ask for them; beyond that they are dropped.
const INBOX_MAX: usize = 64;
/// How many requests wait for the network: all that may be unacknowledged, and subscriptions and their ends beside.
const REQUESTS_MAX: usize = UNACKED_MAX * 4;
/// How many packet ids the library may use. More than [`UNACKED_MAX`], so that it never has to wait for an id.
const PACKET_IDS: u16 = 1000;

/// How the broker is reached: `[mqtt]` of the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `mqtt.url`: `mqtt://host[:1883]` or `mqtts://host[:8883]`.
    pub url: Url,
    /// `mqtt.username` and `mqtt.password`.
    pub credentials: Option<(String, SecretString)>,
    /// `mqtt.ca_file`, `mqtt.client_cert`, `mqtt.client_key`.
    pub tls: TlsFiles,
    /// How long nothing may be heard before the broker is asked whether it is there. By the clock given.
    pub keep_alive: Duration,
    /// How long connecting, and handing bytes to the network, may take. By the clock given.
    pub network_limit: Duration,
    /// The largest packet that is published or taken, in bytes.
    pub packet_size_max: usize,
    /// How often the files of [`Settings::tls`] are looked at for a renewed certificate. By the clock given.
    pub renewal: Duration,
}

impl Settings {
    /// Settings for `url` with the usual limits: 30 s, 10 s, 256 KiB, 60 s.
    pub fn new(url: Url) -> Settings {
        Settings {
            url,
            credentials: None,
            tls: TlsFiles::default(),
            keep_alive: Duration::from_secs(30),
            network_limit: Duration::from_secs(10),
            packet_size_max: 256 * 1024,
            renewal: Duration::from_secs(60),
        }
    }
}

/// A broker reached over TCP, with TLS where the address says `mqtts`.
#[derive(Clone, Debug)]
pub struct RumqttBroker {
    settings: Settings,
    clock: Clock,
    host: Host,
    port: u16,
    secure: bool,
    /// The files as the last connection was made with them.
    used: Arc<Mutex<Option<Print>>>,
}

impl RumqttBroker {
    /// Checks the address; connects to nothing yet.
    ///
    /// # Errors
    ///
    /// [`BrokerError::Url`] where the scheme is neither `mqtt` nor `mqtts`, or there is no host.
    pub fn new(settings: Settings, clock: Clock) -> Result<RumqttBroker, BrokerError> {
        let wrong = |why: &str| BrokerError::Url { url: without_user(&settings.url), why: why.to_owned() };
        let secure = match settings.url.scheme() {
            "mqtt" => false,
            "mqtts" => true,
            _ => return Err(wrong("it begins with neither mqtt:// nor mqtts://")),
        };
        // For a scheme that is not the web's, the host is kept as it was written, an IPv4 address too.
        let host = match settings.url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => Host::Domain(name.to_owned()),
            Some(Host::Ipv4(address)) => Host::Ipv4(address),
            Some(Host::Ipv6(address)) => Host::Ipv6(address),
            _ => return Err(wrong("it names no host")),
        };
        let port = settings.url.port().unwrap_or(if secure { 8883 } else { 1883 });
        Ok(RumqttBroker { settings, clock, host, port, secure, used: Arc::default() })
    }

    /// Host and port, for error texts.
    fn at(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    async fn options(&self, hello: Hello) -> Result<MqttOptions, BrokerError> {
        let name = match &self.host {
            Host::Domain(name) => name.clone(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let mut options = MqttOptions::new(hello.client_id, (name, self.port));
        options
            .set_clean_session(true)
            .set_keep_alive(u16::try_from(self.seconds(self.settings.keep_alive)).unwrap_or(u16::MAX))
            .set_max_packet_size(self.settings.packet_size_max, self.settings.packet_size_max)
            .set_inflight(PACKET_IDS)
            .set_max_request_batch(UNACKED_MAX)
            .set_last_will(LastWill::new(hello.will.topic, hello.will.payload, QoS::AtLeastOnce, hello.will.retain));
        if let Some((user, password)) = &self.settings.credentials {
            options.set_credentials(user.clone(), password.expose_secret().as_bytes().to_vec());
        }
        if self.secure {
            let files = self.settings.tls.clone();
            let (print, config) = look(files).await?;
            *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Some(print);
            let config = config?;
            options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(config)));
        }
        if let Host::Ipv6(address) = self.host {
            // The library would write the address and the port with one colon between, which no resolver reads.
            let port = self.port;
            options.set_socket_connector(move |_, _| TcpStream::connect((address, port)));
        }
        Ok(options)
    }

    /// A span of the clock in whole seconds of the machine's, as the library counts them; at least 1.
    fn seconds(&self, span: Duration) -> u64 {
        (self.clock.unscale(span).as_secs_f64().ceil() as u64).max(1)
    }

    async fn session(&self, hello: Hello) -> Result<Box<dyn Session>, BrokerError> {
        let options = self.options(hello).await?;
        let mut network = NetworkOptions::new();
        network.set_connection_timeout(self.seconds(self.settings.network_limit));
        network.set_tcp_nodelay(true);
        let (client, mut event_loop) = AsyncClient::builder(options).capacity(REQUESTS_MAX).build();
        event_loop.set_network_options(network);
        match event_loop.poll().await {
            Ok(_) => {}
            Err(error) => return Err(explain(&error, &self.at(), self.settings.network_limit)),
        }
        let (inbox, messages) = mpsc::channel(INBOX_MAX);
        let (at, limit) = (self.at(), self.settings.network_limit);
        let missed = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&missed);
        let pump = tokio::spawn(async move {
            let error = pump(event_loop, inbox, &counted).await;
            explain(&error, &at, limit)
        });
        Ok(Box::new(RumqttSession {
            client,
            packet_size_max: self.settings.packet_size_max,
            pump: Some(AbortOnDropHandle::new(pump)),
            end: None,
            messages,
            missed,
            missed_told: 0,
            notices: Vec::new(),
            subscriptions: Vec::new(),
            tokens: 0,
        }))
    }
}

/// The files as they are now, and what follows from them.
async fn look(files: TlsFiles) -> Result<(Print, Result<Arc<ClientConfig>, BrokerError>), BrokerError> {
    tokio::task::spawn_blocking(move || (files.print(), client_config(&files)))
        .await
        .map_err(|error| BrokerError::File { what: "TLS".to_owned(), why: error.to_string() })
}

impl Broker for RumqttBroker {
    fn connect(&self, hello: Hello) -> Boxed<'_, Result<Box<dyn Session>, BrokerError>> {
        Box::pin(self.session(hello))
    }

    fn renewed(&self) -> Boxed<'_, ()> {
        Box::pin(async move {
            let files = &self.settings.tls;
            if !self.secure || *files == TlsFiles::default() {
                return std::future::pending().await;
            }
            let mut refused = None;
            loop {
                self.clock.sleep(self.settings.renewal).await;
                let Ok((print, config)) = look(files.clone()).await else { continue };
                let used = *self.used.lock().unwrap_or_else(PoisonError::into_inner);
                match config {
                    _ if used == Some(print) || refused == Some(print) => {}
                    Ok(_) => return,
                    Err(why) => {
                        tracing::warn!(%why, "certificates were changed and can't be used: the connection stays as it is");
                        refused = Some(print);
                    }
                }
            }
        })
    }

    fn packet_size_max(&self) -> usize {
        self.settings.packet_size_max
    }
}

/// Drives one connection to its end and hands on what it receives. It never waits for whoever takes the messages: that
/// would hold up acknowledgements and keep-alive.
async fn pump(mut event_loop: EventLoop, inbox: mpsc::Sender<Message>, missed: &AtomicU64) -> ConnectionError {
    loop {
        match event_loop.poll().await {
            Ok(rumqttc::Event::Incoming(Incoming::Publish(publish))) => {
                let message = match std::str::from_utf8(&publish.topic) {
                    Ok(topic) => {
                        Message { topic: topic.to_owned(), payload: publish.payload.clone(), retain: publish.retain }
                    }
                    Err(_) => continue,
                };
                if inbox.try_send(message).is_err() {
                    tracing::warn!("commands come faster than they are taken: one is dropped");
                    missed.fetch_add(1, Ordering::Release);
                }
            }
            Ok(_) => {}
            Err(error) => return error,
        }
    }
}

type Notice = Pin<Box<dyn Future<Output = Result<PublishResult, PublishNoticeError>> + Send>>;
type Subscription = Pin<Box<dyn Future<Output = Result<(), SubscribeNoticeError>> + Send>>;

struct RumqttSession {
    client: AsyncClient,
    packet_size_max: usize,
    /// The event loop; dropped with the session, so that no connection outlives it. None once it has ended.
    pump: Option<AbortOnDropHandle<BrokerError>>,
    /// Why it has ended, until that was told.
    end: Option<BrokerError>,
    messages: mpsc::Receiver<Message>,
    /// How many messages were dropped, and of how many that was told.
    missed: Arc<AtomicU64>,
    missed_told: u64,
    /// What is unacknowledged, at most [`UNACKED_MAX`].
    notices: Vec<(Token, Notice)>,
    subscriptions: Vec<(String, Subscription)>,
    tokens: u64,
}

impl Session for RumqttSession {
    fn publish(&mut self, message: Message) -> Result<Token, PublishError> {
        let size = message.packet_size();
        if size > self.packet_size_max {
            return Err(PublishError::TooLarge { size, max: self.packet_size_max });
        }
        if self.notices.len() >= UNACKED_MAX {
            return Err(PublishError::Full);
        }
        let options = PublishOptions::at_least_once().retain(message.retain);
        let notice = self
            .client
            .try_publish_tracked(message.topic.clone(), message.payload, options)
            .map_err(|error| not_queued(&error, message.topic))?;
        self.tokens += 1;
        let token = Token(self.tokens);
        self.notices.push((token, Box::pin(notice.wait_async())));
        Ok(token)
    }

    fn subscribe(&mut self, filter: &str) -> Result<(), PublishError> {
        let notice = self
            .client
            .try_subscribe_tracked(filter, QoS::AtLeastOnce)
            .map_err(|error| not_queued(&error, filter.to_owned()))?;
        self.subscriptions.push((filter.to_owned(), Box::pin(notice.wait_completion_async())));
        Ok(())
    }

    fn unsubscribe(&mut self, filter: &str) -> Result<(), PublishError> {
        self.client.try_unsubscribe(filter).map_err(|error| not_queued(&error, filter.to_owned()))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        // The end is asked for first and told last: what the loop acknowledged before it ended is ready by then.
        if let Some(Poll::Ready(why)) = self.pump.as_mut().map(|pump| Pin::new(pump).poll(cx)) {
            self.pump = None;
            self.end = Some(why.unwrap_or_else(|error| BrokerError::Ended(error.to_string())));
        }
        let mut at = 0;
        while at < self.notices.len() {
            match self.notices[at].1.as_mut().poll(cx) {
                Poll::Pending => at += 1,
                Poll::Ready(Ok(_)) => return Poll::Ready(Event::Acked(self.notices.remove(at).0)),
                // Lost with the connection, whose end follows.
                Poll::Ready(Err(_)) => _ = self.notices.remove(at),
            }
        }
        at = 0;
        while at < self.subscriptions.len() {
            match self.subscriptions[at].1.as_mut().poll(cx) {
                Poll::Pending => at += 1,
                Poll::Ready(Err(SubscribeNoticeError::V4SubAckFailure(_))) => {
                    return Poll::Ready(Event::SubscribeRefused(self.subscriptions.remove(at).0));
                }
                Poll::Ready(_) => _ = self.subscriptions.remove(at),
            }
        }
        // What was dropped found the inbox full: of that is told before what was put there since is taken out.
        let missed = self.missed.load(Ordering::Acquire);
        if self.missed_told != missed {
            self.missed_told = missed;
            return Poll::Ready(Event::Missed);
        }
        if let Poll::Ready(Some(message)) = self.messages.poll_recv(cx) {
            return Poll::Ready(Event::Message(message));
        }
        self.end.take().map_or(Poll::Pending, |why| Poll::Ready(Event::Closed(why)))
    }

    fn disconnect(mut self: Box<Self>) -> Boxed<'static, ()> {
        Box::pin(async move {
            if let (Ok(()), Some(pump)) = (self.client.try_disconnect_now(), self.pump.take()) {
                _ = pump.await;
            }
        })
    }
}

fn not_queued(error: &rumqttc::ClientError, topic: String) -> PublishError {
    match error {
        rumqttc::ClientError::RequestChannelFull(_) => PublishError::Full,
        rumqttc::ClientError::InvalidRequest(_) => PublishError::BadTopic(topic),
        _ => PublishError::Closed,
    }
}

/// The library's error in our words.
fn explain(error: &ConnectionError, at: &str, limit: Duration) -> BrokerError {
    let at = at.to_owned();
    match error {
        ConnectionError::ConnectionRefused(ConnectReturnCode::ServiceUnavailable) => {
            BrokerError::Unreachable { at, why: "it says that it is not available".to_owned() }
        }
        ConnectionError::ConnectionRefused(code) => {
            let why = match code {
                ConnectReturnCode::BadUserNamePassword => "bad user name or password",
                ConnectReturnCode::NotAuthorized => "not authorized",
                ConnectReturnCode::BadClientId => "the client id is not allowed",
                _ => "it does not speak MQTT 3.1.1",
            };
            BrokerError::Refused { at, why: why.to_owned() }
        }
        ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => BrokerError::TimedOut(limit),
        ConnectionError::Tls(TlsError::Io(error)) => explain_io(error, at),
        ConnectionError::Tls(error) => BrokerError::Tls { at, why: error.to_string() },
        ConnectionError::Io(error) => explain_io(error, at),
        ConnectionError::MqttState(StateError::Deserialization(
            rumqttc::mqttbytes::Error::PayloadSizeLimitExceeded(size),
        )) => BrokerError::Oversized(*size),
        ConnectionError::MqttState(StateError::Io(error)) => BrokerError::Ended(error.to_string()),
        other => BrokerError::Ended(other.to_string()),
    }
}

/// rustls hides its errors within those of I/O.
fn explain_io(error: &io::Error, at: String) -> BrokerError {
    let why = error.to_string();
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(fault) if is_about_time(fault) => BrokerError::CertificateTime { at, why },
        Some(_) => BrokerError::Tls { at, why },
        None => BrokerError::Unreachable { at, why },
    }
}

fn without_user(url: &Url) -> String {
    let mut url = url.clone();
    _ = url.set_username("");
    _ = url.set_password(None);
    url.to_string()
}
