//! One connection to the broker, from its first message to its last: what is sent in which order, and what follows
//! from each acknowledgement. Thrown away when it ends.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::broker::{self, BrokerError, Message, PublishError, Session, Token, next_events};
use super::discovery;
use super::flow::{Flow, Sent};
use super::link::Keeper;
use super::look::LOOK_LIMIT;
use super::payload::{self, Fitted, OFFLINE, ONLINE};
use super::topics::Topic;
use crate::clock::{Clock, Mono};
use crate::domain::event::Event;
use crate::report::Membership;

/// How many rows are read from the outbox at a time.
const READ_AHEAD: usize = 100;
/// How many of the session's events are handled in one go.
const EVENTS_MAX: usize = 64;
/// How long after a failure the outbox is asked, or told, again.
const OUTBOX_RETRY: Duration = Duration::from_secs(2);
/// How often a start of Home Assistant is answered: more often, and events would wait behind what is retained.
const BIRTHS_APART: Duration = Duration::from_secs(60);
/// How long acknowledged rows may wait for others before the outbox is told.
const GATHER: Duration = Duration::from_secs(1);

/// One connection.
pub(super) struct Connection {
    session: Box<dyn Session>,
    flow: Flow,
    /// Rows that were read and not yet sent, and the number of the last one read.
    ahead: VecDeque<(u64, Event)>,
    read_to: u64,
    outbox: Reading,
    /// After a failure: not before.
    tell_outbox_at: Option<Mono>,
    /// `availability` has to be said.
    say_online: bool,
    /// Whether the broker has acknowledged anything: accepting us alone proves little.
    stands: bool,
    /// When commands are to be subscribed to, until they are.
    hear_at: Option<Mono>,
    /// Why commands are not heard.
    unheard: Option<BrokerError>,
    /// When all that is retained was last said anew at Home Assistant's start.
    said_anew: Option<Mono>,
    /// The topics of commands that are looked at.
    looked_at: Vec<String>,
    /// The last message that was sent.
    last_sent: Token,
    /// A look was given up when that had been sent. What it asked for may still come, until the broker acknowledges
    /// something that was sent later: till then no other look could tell its own answer.
    look_owed: Option<Token>,
    parting: Option<Parting>,
}

/// Whether the outbox is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// It may hold rows that were not read.
    Now,
    /// It could not be read: again then.
    At(Mono),
    /// All was read: when it tells of more.
    WhenTold,
}

/// The goodbye.
#[derive(Clone, Copy, Debug)]
struct Parting {
    /// Until then what waits may go first.
    offline_at: Mono,
    /// Then it is over.
    over_at: Mono,
    said: bool,
}

impl Connection {
    /// `deaf`: until when commands are not subscribed to, and why.
    pub(super) fn new(session: Box<dyn Session>, deaf: Option<(Mono, BrokerError)>) -> Connection {
        let (hear_at, unheard) = deaf.map_or((Mono::default(), None), |(until, why)| (until, Some(why)));
        Connection {
            session,
            flow: Flow::default(),
            ahead: VecDeque::new(),
            read_to: 0,
            outbox: Reading::Now,
            tell_outbox_at: None,
            say_online: true,
            stands: false,
            hear_at: Some(hear_at),
            unheard,
            said_anew: None,
            looked_at: Vec::new(),
            last_sent: Token(0),
            look_owed: None,
            parting: None,
        }
    }

    /// Serves until the connection ends or `stop`. Then: how long the disconnection may take, or `None` where the time
    /// is up and the last will has to say it.
    pub(super) async fn serve(
        &mut self,
        keeper: &mut Keeper,
        stop: &CancellationToken,
    ) -> Result<Option<Duration>, BrokerError> {
        let (clock, limits) = (keeper.link.clock.clone(), keeper.link.limits);
        // Our own availability too: the last will of a connection before this one may come after our `online`.
        self.subscribe(&keeper.root.topic(&Topic::Availability))?;
        if let Some(prefix) = &keeper.link.discovery {
            self.subscribe(&discovery::birth_topic(prefix))?;
        }
        keeper.look_at_retained();
        let mut retained_open = true;
        let broker = Arc::clone(&keeper.link.broker);
        let mut renewed = broker.renewed();
        loop {
            if self.hear_at.is_some_and(|at| at <= clock.mono()) {
                self.subscribe(&keeper.root.command_filter())?;
                self.hear_at = None;
                self.hearing(keeper, None);
            }
            self.look(keeper)?;
            self.fill(keeper).await;
            let now = clock.mono();
            let tell_at = self.tell_outbox_at.or_else(|| self.flow.due(GATHER));
            if tell_at.is_some_and(|at| at <= now) {
                self.tell_outbox(keeper).await;
            }
            if let Some(parting) = self.parting {
                if parting.said && self.flow.is_settled() {
                    return Ok(Some(parting.over_at.0.saturating_sub(now.0)));
                }
                if parting.over_at <= now {
                    return Ok(None);
                }
            }
            let late_at = self.flow.oldest_unacked().map(|sent| sent.plus(limits.ack));
            if late_at.is_some_and(|at| at <= now) {
                return Err(BrokerError::NoAcks(limits.ack));
            }
            let wake = self.wake(late_at).into_iter().chain(keeper.intake.look_due()).min();
            tokio::select! {
                // What is told of is bounded; what the broker sends is not, and comes last.
                biased;
                () = stop.cancelled(), if self.parting.is_none() => {
                    let now = clock.mono();
                    let (offline_at, over_at) = (now.plus(limits.stop / 2), now.plus(limits.stop));
                    self.parting = Some(Parting { offline_at, over_at, said: false });
                    // What was added a moment ago may not have been told of yet.
                    self.outbox = Reading::Now;
                }
                () = keeper.link.outbox.notified(), if self.outbox == Reading::WhenTold => self.outbox = Reading::Now,
                changed = keeper.link.retained.changed(), if retained_open => match changed {
                    Ok(()) => keeper.look_at_retained(),
                    Err(_) => retained_open = false,
                },
                () = keeper.link.memberships.changed() => {}
                () = keeper.intake.work() => {}
                events = next_events(&mut *self.session, EVENTS_MAX) => {
                    for event in events {
                        self.event(keeper, event)?;
                    }
                }
                () = &mut renewed, if self.parting.is_none() => return Err(BrokerError::Renewed),
                () = clock.sleep_until(wake.unwrap_or_default()), if wake.is_some() => {}
            }
            if matches!(self.outbox, Reading::At(at) if at <= clock.mono()) {
                self.outbox = Reading::Now;
            }
        }
    }

    /// Ends the books: what was acknowledged is told to the outbox; the session, and what nobody else keeps.
    pub(super) async fn close(mut self, keeper: &mut Keeper) -> (Box<dyn Session>, Vec<Membership>) {
        self.tell_outbox(keeper).await;
        keeper.intake.look_failed("the connection ended");
        (self.session, self.flow.unacked_memberships())
    }

    /// When there is something to do though nothing happens.
    fn wake(&self, late_at: Option<Mono>) -> Option<Mono> {
        let reading = match self.outbox {
            Reading::At(at) => Some(at),
            Reading::Now | Reading::WhenTold => None,
        };
        let telling = self.tell_outbox_at.or_else(|| self.flow.due(GATHER));
        let parting = self.parting.map(|parting| if parting.said { parting.over_at } else { parting.offline_at });
        let over = self.parting.map(|parting| parting.over_at);
        // An offline that is due but has no room waits for an acknowledgement or the end, never for the past.
        let parting = if self.flow.room() == 0 { over } else { parting };
        [late_at, reading, telling, parting, self.hear_at].into_iter().flatten().min()
    }

    fn subscribe(&mut self, filter: &str) -> Result<(), BrokerError> {
        self.session.subscribe(filter).map_err(|error| BrokerError::Ended(error.to_string()))
    }

    fn unsubscribe(&mut self, filter: &str) -> Result<(), BrokerError> {
        self.session.unsubscribe(filter).map_err(|error| BrokerError::Ended(error.to_string()))
    }

    /// Asks whether the requests that wait are retained messages, or gives up asking.
    fn look(&mut self, keeper: &mut Keeper) -> Result<(), BrokerError> {
        if keeper.intake.look_due().is_some_and(|due| due <= keeper.link.clock.mono()) {
            let availability = keeper.root.topic(&Topic::Availability);
            let why = format!("it did not send within {LOOK_LIMIT:?} what it keeps; it has to keep {availability}");
            self.give_up_looking(keeper, &why)?;
        }
        if self.look_owed.is_some() {
            return Ok(());
        }
        let names = keeper.intake.look();
        if names.is_empty() {
            return Ok(());
        }
        for name in names {
            let topic = keeper.root.command_topic(&name);
            self.subscribe(&topic)?;
            self.looked_at.push(topic);
        }
        // Ended first: not every broker sends what is retained for a subscription that stands.
        let availability = keeper.root.topic(&Topic::Availability);
        self.unsubscribe(&availability)?;
        self.subscribe(&availability)
    }

    fn give_up_looking(&mut self, keeper: &mut Keeper, why: &str) -> Result<(), BrokerError> {
        if keeper.intake.looks() {
            self.look_owed = Some(self.last_sent);
        }
        keeper.intake.look_failed(why);
        self.look_over()
    }

    fn look_over(&mut self) -> Result<(), BrokerError> {
        for topic in std::mem::take(&mut self.looked_at) {
            self.unsubscribe(&topic)?;
        }
        Ok(())
    }

    fn hearing(&mut self, keeper: &mut Keeper, unheard: Option<BrokerError>) {
        if self.unheard != unheard {
            self.unheard = unheard;
            if self.stands {
                keeper.stands(self.unheard.clone());
            }
        }
    }

    fn event(&mut self, keeper: &mut Keeper, event: broker::Event) -> Result<(), BrokerError> {
        match event {
            broker::Event::Acked(token) => {
                let now = keeper.link.clock.mono();
                self.look_owed = self.look_owed.filter(|owed| token <= *owed);
                if let Some(topic) = self.flow.acked(token, now) {
                    keeper.has_cleared(topic);
                }
                keeper.succeeded(now);
                if !self.stands {
                    self.stands = true;
                    keeper.stands(self.unheard.clone());
                }
            }
            broker::Event::Message(message) => {
                if let Some(name) = keeper.root.command(&message.topic) {
                    keeper.intake.take(name, &message, (keeper.link.trusted_now)());
                } else if message.topic == keeper.root.topic(&Topic::Availability) {
                    self.say_online |= self.parting.is_none() && message.payload == OFFLINE;
                    if message.retain && keeper.intake.looks() {
                        keeper.intake.looked();
                        self.look_over()?;
                    }
                } else {
                    self.home_assistant_came(&message, keeper.link.clock.mono());
                }
            }
            broker::Event::SubscribeRefused(filter) if filter == keeper.root.command_filter() => {
                self.hearing(keeper, Some(BrokerError::SubscribeRefused(filter)));
            }
            broker::Event::SubscribeRefused(filter) => {
                let asked = filter == keeper.root.topic(&Topic::Availability) || self.looked_at.contains(&filter);
                if asked && keeper.intake.looks() {
                    let why = format!("it does not let us subscribe to {filter}: check its rights");
                    self.give_up_looking(keeper, &why)?;
                }
            }
            broker::Event::Missed => {
                self.give_up_looking(keeper, "too many messages came at once")?;
            }
            broker::Event::Closed(why) => return Err(why),
        }
        Ok(())
    }

    /// Home Assistant has started: what it, or a person in it, has cleared is said anew with all the rest.
    fn home_assistant_came(&mut self, message: &Message, now: Mono) {
        let lately = self.said_anew.is_some_and(|at| now.since(at) < BIRTHS_APART);
        if !message.retain && message.payload == ONLINE && !lately {
            tracing::info!("Home Assistant has started: all that is retained is published once more");
            self.said_anew = Some(now);
            self.flow.say_all_anew();
        }
    }

    /// Sends what there is, as far as there is room: that we are there, answers, retained state, changes, events.
    async fn fill(&mut self, keeper: &mut Keeper) {
        let clock = keeper.link.clock.clone();
        keeper.note_names().await;
        while self.flow.room() > 0 && self.parting.is_none_or(|parting| !parting.said) {
            if self.parting.is_some_and(|parting| parting.offline_at <= clock.mono()) {
                return self.say_offline(keeper);
            }
            let sent = if self.say_online {
                let message = Message::retained(keeper.root.topic(&Topic::Availability), ONLINE);
                let sent = self.send(&clock, message, Sent::Other);
                self.say_online = sent.is_err();
                sent
            } else if let Some(answer) = keeper.intake.next_answer() {
                self.send(&clock, answer, Sent::Other)
            } else if let Some(message) = self.flow.next_retained(&keeper.wanted, &keeper.known) {
                keeper.touches(&message.topic);
                self.flow.shown(message.topic.clone(), message.payload.clone());
                let what = if message.payload.is_empty() { Sent::Cleared(message.topic.clone()) } else { Sent::Other };
                self.send(&clock, message, what)
            } else if let Some(change) = keeper.link.memberships.take() {
                self.send_membership(keeper, change)
            } else if let Some((row, event)) = self.next_row(keeper).await {
                self.send_event(keeper, row, &event).await
            } else if self.parting.is_some() && self.flow.is_settled() {
                return self.say_offline(keeper);
            } else {
                return;
            };
            match sent {
                Ok(()) => {}
                // The session tells of its end, or of acknowledgements that make room, as an event.
                Err(PublishError::Closed | PublishError::Full) => return,
                Err(error) => tracing::error!(%error, "a message is not published"),
            }
        }
    }

    fn send(&mut self, clock: &Clock, message: Message, what: Sent) -> Result<(), PublishError> {
        let token = self.session.publish(message)?;
        self.last_sent = token;
        self.flow.sent(token, what, clock.mono());
        Ok(())
    }

    fn send_membership(&mut self, keeper: &Keeper, change: Membership) -> Result<(), PublishError> {
        let Some(message) = payload::membership(&keeper.root, &change, keeper.link.broker.packet_size_max()) else {
            tracing::error!(change = change.member.change, "a membership is too large to be published: dropped");
            return Ok(());
        };
        let sent = self.send(&keeper.link.clock, message, Sent::Membership(change.clone()));
        if sent.is_err() {
            keeper.link.memberships.put_back(vec![change]);
        }
        sent
    }

    async fn send_event(&mut self, keeper: &Keeper, row: u64, event: &Event) -> Result<(), PublishError> {
        let link = &keeper.link;
        let customer = event.actor.and_then(|user| (link.customer_of)(user));
        let message = payload::event(&keeper.root, event, customer, link.people, link.broker.packet_size_max());
        let why = match message {
            Fitted::TooLarge(why) => why,
            Fitted::Fits(message) => match self.send(&link.clock, message, Sent::Event(row)) {
                Err(error @ (PublishError::TooLarge { .. } | PublishError::BadTopic(_))) => error.to_string(),
                sent => return sent,
            },
        };
        tracing::error!(row, uuid = event.uuid, why, "an event can't be published: set aside");
        if let Err(error) = link.outbox.set_aside(row, why).await {
            tracing::error!(row, %error, "an event could not be set aside: it is tried again with the next connection");
        }
        Ok(())
    }

    /// The next row to be sent, read ahead where need be.
    async fn next_row(&mut self, keeper: &Keeper) -> Option<(u64, Event)> {
        if self.ahead.is_empty() && self.outbox == Reading::Now {
            match keeper.link.outbox.next(self.read_to, READ_AHEAD).await {
                Ok(rows) => {
                    if rows.len() < READ_AHEAD {
                        self.outbox = Reading::WhenTold;
                    }
                    self.read_to = rows.last().map_or(self.read_to, |(row, _)| *row);
                    self.ahead.extend(rows);
                }
                Err(error) => {
                    tracing::error!(%error, "the outbox could not be read: events wait");
                    self.outbox = Reading::At(keeper.link.clock.mono().plus(OUTBOX_RETRY));
                }
            }
        }
        self.ahead.pop_front()
    }

    async fn tell_outbox(&mut self, keeper: &Keeper) {
        let rows = self.flow.take_done();
        self.tell_outbox_at = None;
        if rows.is_empty() {
            return;
        }
        if let Err(error) = keeper.link.outbox.published(rows.clone()).await {
            tracing::error!(%error, rows = rows.len(), "the outbox could not be told what the broker has");
            let now = keeper.link.clock.mono();
            self.flow.put_back_done(rows, now);
            self.tell_outbox_at = Some(now.plus(OUTBOX_RETRY));
        }
    }

    fn say_offline(&mut self, keeper: &Keeper) {
        let message = Message::retained(keeper.root.topic(&Topic::Availability), OFFLINE);
        let said = self.send(&keeper.link.clock, message, Sent::Other).is_ok();
        if let Some(parting) = &mut self.parting {
            parting.said = said;
        }
    }
}
