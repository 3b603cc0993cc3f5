//! The seam to the broker: what a real connection and one in memory can both offer, and no more.
//!
//! A [`Session`] is one connection. It never reconnects: when it ends, everything about it is thrown away and a new one
//! is made, since a client that lives on mixes up acknowledgements of the old connection with those of the new one.

use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;

use super::Boxed;

/// How many messages may be unacknowledged at once in one session. Small: whatever is unacknowledged when a
/// connection ends is sent again.
pub const UNACKED_MAX: usize = 20;

/// A message, as published or as received. All go with QoS 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The full topic.
    pub topic: String,
    /// The payload; empty and retained: clears the topic.
    pub payload: Bytes,
    /// Published: to be kept by the broker. Received: was kept, and is not news.
    pub retain: bool,
}

impl Message {
    /// A message that the broker keeps for those who subscribe later.
    pub fn retained(topic: String, payload: impl Into<Bytes>) -> Message {
        Message { topic, payload: payload.into(), retain: true }
    }

    /// A message for those who are there.
    pub fn passing(topic: String, payload: impl Into<Bytes>) -> Message {
        Message { topic, payload: payload.into(), retain: false }
    }

    /// The size of the PUBLISH packet in bytes, at most (MQTT 3.1.1, 3.3: fixed header of up to 5, two lengths).
    pub fn packet_size(&self) -> usize {
        packet_overhead(&self.topic) + self.payload.len()
    }
}

/// What a PUBLISH packet on `topic` takes besides its payload, in bytes, at most.
pub fn packet_overhead(topic: &str) -> usize {
    5 + 2 + topic.len() + 2
}

/// Names a message that a session has queued; unique within the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// What a session tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The broker has taken the message of that token, in this very session.
    Acked(Token),
    /// A message on a topic that was subscribed to.
    Message(Message),
    /// The broker does not let us subscribe with that filter.
    SubscribeRefused(String),
    /// Messages came faster than they were taken, and one was dropped. Told before those that came after it.
    Missed,
    /// The connection is over. The last event of a session.
    Closed(BrokerError),
}

/// Why there is no connection. All of it is tried again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokerError {
    /// Answers that we may not.
    #[error("the broker at {at} refuses us ({why}): check mqtt.username, mqtt.password and the broker's rights")]
    Refused {
        /// Host and port.
        at: String,
        /// In the broker's words.
        why: String,
    },
    /// No connection: nobody listens, or the name is not known.
    #[error("no connection to the broker at {at}: {why}")]
    Unreachable {
        /// Host and port.
        at: String,
        /// What the system said.
        why: String,
    },
    /// The certificate is not yet valid or has expired: perhaps the box's clock is wrong (rules 4).
    #[error("the certificate of the broker at {at} is not valid at this box's time: {why}")]
    CertificateTime {
        /// Host and port.
        at: String,
        /// What is wrong with it.
        why: String,
    },
    /// Another fault of TLS.
    #[error("TLS with the broker at {at}: {why}: check mqtt.ca_file, mqtt.client_cert and mqtt.client_key")]
    Tls {
        /// Host and port.
        at: String,
        /// What is wrong.
        why: String,
    },
    /// A file of ours can't be used.
    #[error("{what} cannot be used: {why}")]
    File {
        /// Key and path.
        what: String,
        /// Why not.
        why: String,
    },
    /// The configuration can't be used.
    #[error("mqtt.url {url:?} cannot be used: {why}")]
    Url {
        /// The address without user and password.
        url: String,
        /// Why not.
        why: String,
    },
    /// Nothing within the limit.
    #[error("the broker did not answer within {0:?}")]
    TimedOut(Duration),
    /// The broker sent more in one packet than is taken: a retained message that large would come again and again.
    #[error("the broker sent a packet of {0} bytes, more than is taken")]
    Oversized(usize),
    /// Unacknowledged messages stayed so.
    #[error("the broker acknowledged nothing for {0:?}")]
    NoAcks(Duration),
    /// The broker does not let us subscribe: the rest works.
    #[error("the broker does not let us subscribe to {0}: check its rights; until then no command is heard")]
    SubscribeRefused(String),
    /// What it takes to connect has changed: the connection is ended to be made anew.
    #[error("the certificates for the broker were renewed")]
    Renewed,
    /// The connection ended.
    #[error("the connection to the broker ended: {0}")]
    Ended(String),
}

/// Why a message was not queued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Larger than [`Broker::packet_size_max`]: sent, it would end the connection.
    #[error("the packet has {size} bytes, the limit is {max}")]
    TooLarge {
        /// The packet's size.
        size: usize,
        /// The limit.
        max: usize,
    },
    /// [`UNACKED_MAX`] messages are unacknowledged.
    #[error("{UNACKED_MAX} messages are unacknowledged")]
    Full,
    /// The connection is over.
    #[error("the connection is over")]
    Closed,
    /// No topic or filter that MQTT allows.
    #[error("{0:?} is no topic")]
    BadTopic(String),
}

/// How a session introduces itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The client id: a second session of that id ends the first.
    pub client_id: String,
    /// What the broker publishes when the session ends without [`Session::disconnect`].
    pub will: Message,
}

/// A broker that can be connected to.
pub trait Broker: Send + Sync + 'static {
    /// One try to connect, with a clean session; done when the broker has accepted us. Whoever calls bounds the time.
    fn connect(&self, hello: Hello) -> Boxed<'_, Result<Box<dyn Session>, BrokerError>>;

    /// Done when a new connection would be made with other certificates than the last one was.
    fn renewed(&self) -> Boxed<'_, ()> {
        Box::pin(std::future::pending())
    }

    /// The largest packet that may be published, in bytes.
    fn packet_size_max(&self) -> usize;
}

/// One connection. Dropped without [`Session::disconnect`], it ends at once and the last will is published.
pub trait Session: Send {
    /// Queues a message. Those queued earlier go first; done when [`Event::Acked`] names the token.
    fn publish(&mut self, message: Message) -> Result<Token, PublishError>;

    /// Queues a subscription with QoS 1. What is retained there comes, as for every new subscription.
    fn subscribe(&mut self, filter: &str) -> Result<(), PublishError>;

    /// Queues the end of a subscription; of none where that filter has none.
    fn unsubscribe(&mut self, filter: &str) -> Result<(), PublishError>;

    /// The next event, if there is one now. Nothing comes after [`Event::Closed`].
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Event>;

    /// Says goodbye, so that there is no last will. Done when the connection is over; whoever calls bounds the time.
    fn disconnect(self: Box<Self>) -> Boxed<'static, ()>;
}

/// Every event that is ready, at least one and at most `max`: acknowledgements come in bursts and are handled in one
/// go. Dropped before it is done, it has taken nothing.
pub async fn next_events(session: &mut dyn Session, max: usize) -> Vec<Event> {
    std::future::poll_fn(|cx| {
        let mut events = Vec::new();
        while events.len() < max {
            let Poll::Ready(event) = session.poll_next(cx) else { break };
            let last = matches!(event, Event::Closed(_));
            events.push(event);
            if last {
                break;
            }
        }
        if events.is_empty() { Poll::Pending } else { Poll::Ready(events) }
    })
    .await
}
