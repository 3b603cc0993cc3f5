//! A broker in memory, for simulations on virtual time: what a real one does, and every way in which one fails.
//!
//! It keeps a bounded record of all that reached it, so that a checker can ask what subscribers would have seen.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};

use super::Boxed;
use super::broker::{Broker, BrokerError, Event, Hello, Message, PublishError, Session, Token, UNACKED_MAX};
use super::topics::matches;
use crate::clock::{Clock, Mono};

/// How many publishes the record keeps; the oldest go first.
const RECORD_MAX: usize = 200_000;
/// How many events wait for a session that does not ask for them; a slower one is cut off.
const INBOX_MAX: usize = 1024;
/// The largest packet that is taken, in bytes.
const PACKET_SIZE_MAX: usize = 256 * 1024;

/// How the broker behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    /// As it should.
    #[default]
    Well,
    /// Nobody listens: every connection is cut, new ones are refused.
    Away,
    /// Answers that we may not; connections that stand go on.
    Refusing,
    /// Takes everything and acknowledges nothing.
    Mute,
    /// Half open: nothing arrives on either side, and a new connection hangs.
    Deaf,
}

/// One message that reached the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// When.
    pub at: Mono,
    /// By which session, counted from 1; 0 for [`MemoryBroker::say`].
    pub session: u64,
    /// What.
    pub message: Message,
    /// Whether it is the session's last will.
    pub will: bool,
}

/// The broker. Cheap to clone; all clones are one broker.
#[derive(Clone, Debug)]
pub struct MemoryBroker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    mood: Mood,
    record: VecDeque<Received>,
    forgotten: usize,
    retained: BTreeMap<String, Bytes>,
    links: BTreeMap<u64, Link>,
    last_session: u64,
}

/// A session as the broker sees it.
#[derive(Debug)]
struct Link {
    hello: Hello,
    filters: BTreeSet<String>,
    inbox: mpsc::Sender<Event>,
}

impl MemoryBroker {
    /// A broker that nobody has published to.
    pub fn new(clock: Clock) -> MemoryBroker {
        MemoryBroker(Arc::new(Inner { clock, state: Mutex::default(), changed: Notify::new() }))
    }

    /// Changes how it behaves.
    pub fn set_mood(&self, mood: Mood) {
        self.state().mood = mood;
        if mood == Mood::Away {
            self.cut();
        }
        self.0.changed.notify_waiters();
    }

    /// Ends every connection; the last wills are published.
    pub fn cut(&self) {
        let mut state = self.state();
        let sessions: Vec<u64> = state.links.keys().copied().collect();
        for session in sessions {
            self.end(&mut state, session, true, "cut");
        }
    }

    /// Ends every connection and forgets what was retained, as a broker without persistence does when killed.
    pub fn restart(&self) {
        self.cut();
        self.state().retained.clear();
    }

    /// Another client publishes `message`.
    pub fn say(&self, message: Message) {
        let mut state = self.state();
        self.take(&mut state, 0, message, false);
    }

    /// All that reached the broker, oldest first, as far as it is kept.
    pub fn record(&self) -> Vec<Received> {
        self.record_from(0)
    }

    /// The record without its first `known` entries: for whoever looks again and again.
    pub fn record_from(&self, known: usize) -> Vec<Received> {
        let state = self.state();
        let skip = known.saturating_sub(state.forgotten);
        state.record.iter().skip(skip).cloned().collect()
    }

    /// How many entries the record has lost for want of room: a checker that needs all wants 0.
    pub fn forgotten(&self) -> usize {
        self.state().forgotten
    }

    /// What is retained now.
    pub fn retained(&self) -> BTreeMap<String, Bytes> {
        self.state().retained.clone()
    }

    /// How many sessions stand.
    pub fn sessions(&self) -> usize {
        self.state().links.len()
    }

    /// Done once a message has reached the broker, a session has come or gone, or its mood has changed, counted from
    /// this call: call it, look, then await it.
    pub fn changed(&self) -> impl Future<Output = ()> + Send + '_ {
        self.0.changed.notified()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message arrives: it is recorded, kept if retained, and handed to those who subscribed.
    fn take(&self, state: &mut State, session: u64, message: Message, will: bool) {
        if message.retain {
            match message.payload.is_empty() {
                true => _ = state.retained.remove(&message.topic),
                false => _ = state.retained.insert(message.topic.clone(), message.payload.clone()),
            }
        }
        if state.mood != Mood::Deaf {
            // A subscriber that is there gets the flag cleared (MQTT 3.1.1, 3.3.1.3).
            let news = Event::Message(Message { retain: false, ..message.clone() });
            // One copy for each subscription that matches, as a broker may (3.3.5).
            for link in state.links.values() {
                for _ in link.filters.iter().filter(|filter| matches(filter, &message.topic)) {
                    _ = link.inbox.try_send(news.clone());
                }
            }
        }
        if state.record.len() == RECORD_MAX {
            state.record.pop_front();
            state.forgotten += 1;
        }
        state.record.push_back(Received { at: self.0.clock.mono(), session, message, will });
        self.0.changed.notify_waiters();
    }

    /// The answer to a new connection; `None` while there is none.
    fn admit(&self, hello: &Hello) -> Option<Result<Box<dyn Session>, BrokerError>> {
        let at = || "memory".to_owned();
        let mut state = self.state();
        match state.mood {
            Mood::Well | Mood::Mute => {}
            Mood::Away => {
                return Some(Err(BrokerError::Unreachable { at: at(), why: "connection refused".to_owned() }));
            }
            Mood::Refusing => return Some(Err(BrokerError::Refused { at: at(), why: "not authorized".to_owned() })),
            Mood::Deaf => return None,
        }
        let same = |link: &Link| link.hello.client_id == hello.client_id;
        if let Some(old) = state.links.iter().find(|(_, link)| same(link)).map(|(id, _)| *id) {
            self.end(&mut state, old, true, "taken over by another session of the same client id");
        }
        state.last_session += 1;
        let id = state.last_session;
        let (inbox, events) = mpsc::channel(INBOX_MAX);
        state.links.insert(id, Link { hello: hello.clone(), filters: BTreeSet::new(), inbox });
        self.0.changed.notify_waiters();
        Some(Ok(Box::new(MemorySession { broker: self.clone(), id, events, tokens: 0, unacked: 0, over: false })))
    }

    fn end(&self, state: &mut State, session: u64, with_will: bool, why: &str) {
        let Some(link) = state.links.remove(&session) else { return };
        _ = link.inbox.try_send(Event::Closed(BrokerError::Ended(why.to_owned())));
        if with_will {
            self.take(state, session, link.hello.will, true);
        }
        self.0.changed.notify_waiters();
    }
}

impl Broker for MemoryBroker {
    fn connect(&self, hello: Hello) -> Boxed<'_, Result<Box<dyn Session>, BrokerError>> {
        Box::pin(async move {
            loop {
                let changed = self.changed();
                if let Some(answer) = self.admit(&hello) {
                    return answer;
                }
                changed.await;
            }
        })
    }

    fn packet_size_max(&self) -> usize {
        PACKET_SIZE_MAX
    }
}

struct MemorySession {
    broker: MemoryBroker,
    id: u64,
    events: mpsc::Receiver<Event>,
    tokens: u64,
    unacked: usize,
    over: bool,
}

impl Session for MemorySession {
    fn publish(&mut self, message: Message) -> Result<Token, PublishError> {
        if message.packet_size() > PACKET_SIZE_MAX {
            return Err(PublishError::TooLarge { size: message.packet_size(), max: PACKET_SIZE_MAX });
        }
        if self.unacked == UNACKED_MAX {
            return Err(PublishError::Full);
        }
        let mut state = self.broker.state();
        if !state.links.contains_key(&self.id) {
            return Err(PublishError::Closed);
        }
        self.tokens += 1;
        self.unacked += 1;
        let token = Token(self.tokens);
        if state.mood != Mood::Deaf {
            self.broker.take(&mut state, self.id, message, false);
            if let (false, Some(link)) = (state.mood == Mood::Mute, state.links.get(&self.id)) {
                _ = link.inbox.try_send(Event::Acked(token));
            }
        }
        Ok(token)
    }

    fn subscribe(&mut self, filter: &str) -> Result<(), PublishError> {
        let mut state = self.broker.state();
        let kept: Vec<Message> = state
            .retained
            .iter()
            .filter(|(topic, _)| matches(filter, topic))
            .map(|(topic, payload)| Message::retained(topic.clone(), payload.clone()))
            .collect();
        let deaf = state.mood == Mood::Deaf;
        let link = state.links.get_mut(&self.id).ok_or(PublishError::Closed)?;
        if !deaf {
            link.filters.insert(filter.to_owned());
            for message in kept {
                _ = link.inbox.try_send(Event::Message(message));
            }
        }
        Ok(())
    }

    fn unsubscribe(&mut self, filter: &str) -> Result<(), PublishError> {
        let mut state = self.broker.state();
        let deaf = state.mood == Mood::Deaf;
        let link = state.links.get_mut(&self.id).ok_or(PublishError::Closed)?;
        if !deaf {
            link.filters.remove(filter);
        }
        Ok(())
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        match self.events.poll_recv(cx) {
            Poll::Ready(Some(event)) => {
                match event {
                    Event::Acked(_) => self.unacked = self.unacked.saturating_sub(1),
                    Event::Closed(_) => self.over = true,
                    _ => {}
                }
                Poll::Ready(event)
            }
            // The end found no room in the inbox.
            Poll::Ready(None) if !self.over => {
                self.over = true;
                Poll::Ready(Event::Closed(BrokerError::Ended("it did not take its events".to_owned())))
            }
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    fn disconnect(self: Box<Self>) -> Boxed<'static, ()> {
        Box::pin(async move {
            let broker = self.broker.clone();
            let mut state = broker.state();
            broker.end(&mut state, self.id, false, "disconnected");
        })
    }
}

impl Drop for MemorySession {
    fn drop(&mut self) {
        let broker = self.broker.clone();
        let mut state = broker.state();
        broker.end(&mut state, self.id, true, "dropped");
    }
}
