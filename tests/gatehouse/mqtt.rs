//! The link to the broker: against a real mosquitto that is killed, stopped and cut off, and against the one in memory
//! through thousands of faults on virtual time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use gatehouse::clock::Clock;
use gatehouse::domain::event::{Door, Event};
use gatehouse::domain::{LockId, Timestamp, UserId};
use gatehouse::mqtt::Boxed;
use gatehouse::mqtt::broker::{Broker, BrokerError};
use gatehouse::mqtt::commands::{Command, CommandName, Commands, Ids};
use gatehouse::mqtt::link::{self, Limits, Link, LinkState, Outbox, OutboxError};
use gatehouse::mqtt::memberships::Memberships;
use gatehouse::mqtt::rumqtt::{RumqttBroker, Settings};
use gatehouse::report::{DoorState, People, Retained, State};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::mosquitto::{Mosquitto, wait_for};

mod commands;
mod memory;
mod retained;
mod tls;

const CLIENT: &str = "gatehouse-house";

fn start() -> Timestamp {
    "2026-11-24T10:00:00Z".parse().unwrap()
}

/// An outbox in memory that fails where it is told to, and tells in which order rows went.
#[derive(Default)]
struct Rows {
    rows: Mutex<BTreeMap<u64, Event>>,
    gone: Mutex<Vec<u64>>,
    aside: Mutex<Vec<u64>>,
    added: Notify,
    failing: Mutex<bool>,
}

impl Rows {
    fn add(&self, door: u64, number: u64) {
        let event = Event {
            uuid: format!("uuid-{number}"),
            time: start() + TimeDelta::seconds(number as i64),
            kind: "lock.unlock".to_owned(),
            door: Some(Door { id: LockId(door), name: "Door".to_owned() }),
            success: Some(true),
            error_code: None,
            error_message: None,
            actor: Some(UserId(1)),
            actor_name: None,
            by: None,
            object: None,
            received_at: start(),
            replayed: false,
            late: false,
        };
        self.put(number, event);
    }

    fn put(&self, number: u64, event: Event) {
        self.rows.lock().unwrap().insert(number, event);
        self.added.notify_one();
    }

    fn left(&self) -> usize {
        self.rows.lock().unwrap().len()
    }

    fn gone(&self) -> Vec<u64> {
        self.gone.lock().unwrap().clone()
    }

    fn works(&self) -> Result<(), OutboxError> {
        if *self.failing.lock().unwrap() { Err(OutboxError("the disk is full".to_owned())) } else { Ok(()) }
    }
}

impl Outbox for Rows {
    fn next(&self, after: u64, limit: usize) -> Boxed<'_, Result<Vec<(u64, Event)>, OutboxError>> {
        Box::pin(async move {
            self.works()?;
            let rows = self.rows.lock().unwrap();
            Ok(rows.range(after + 1..).take(limit).map(|(row, event)| (*row, event.clone())).collect())
        })
    }

    fn published(&self, rows: Vec<u64>) -> Boxed<'_, Result<(), OutboxError>> {
        Box::pin(async move {
            self.works()?;
            self.rows.lock().unwrap().retain(|row, _| !rows.contains(row));
            self.gone.lock().unwrap().extend(rows);
            Ok(())
        })
    }

    fn set_aside(&self, row: u64, _why: String) -> Boxed<'_, Result<(), OutboxError>> {
        Box::pin(async move {
            self.rows.lock().unwrap().remove(&row);
            self.aside.lock().unwrap().push(row);
            Ok(())
        })
    }

    fn notified(&self) -> Boxed<'_, ()> {
        Box::pin(self.added.notified())
    }
}

/// Carries out nothing, and remembers what it was asked and which ids were used.
#[derive(Default)]
struct Handler {
    asked: Mutex<Vec<Command>>,
    ids: Mutex<BTreeSet<String>>,
}

impl Commands for Handler {
    fn handle(&self, command: Command) -> Boxed<'_, Result<Value, String>> {
        self.asked.lock().unwrap().push(command);
        Box::pin(async { Ok(json!({"plan": "p"})) })
    }
}

impl Ids for Handler {
    fn claim(&self, id: String) -> Boxed<'_, Result<bool, String>> {
        Box::pin(async move {
            // Looks, then notes, as a store does.
            let known = self.ids.lock().unwrap().contains(&id);
            tokio::task::yield_now().await;
            self.ids.lock().unwrap().insert(id);
            Ok(!known)
        })
    }
}

/// A running link and all that it works with.
struct House {
    rows: Arc<Rows>,
    handler: Arc<Handler>,
    retained: watch::Sender<Retained>,
    memberships: Memberships,
    state: watch::Receiver<LinkState>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// Limits short enough for tests on real time.
fn hasty() -> Limits {
    let ms = Duration::from_millis;
    Limits {
        connect: ms(1000),
        ack: ms(1000),
        stop: ms(2000),
        pause_first: ms(20),
        pause_max: ms(200),
        ..Limits::default()
    }
}

fn house(broker: Arc<dyn Broker>, clock: Clock, limits: Limits) -> House {
    house_with(broker, clock, limits, |_| ())
}

/// `change` settles the link before it runs.
fn house_with(broker: Arc<dyn Broker>, clock: Clock, limits: Limits, change: impl FnOnce(&mut Link)) -> House {
    let (rows, handler, memberships) = (Arc::new(Rows::default()), Arc::new(Handler::default()), Memberships::new());
    let (told, told_seen) = watch::channel(Retained::default());
    let (state, state_seen) = watch::channel(LinkState::new(clock.mono()));
    let stop = CancellationToken::new();
    let mut link = Link {
        broker,
        topic_prefix: "gatehouse".to_owned(),
        site: "house".to_owned(),
        people: People::Id,
        outbox: Arc::clone(&rows) as Arc<dyn Outbox>,
        retained: told_seen,
        names: Arc::new(retained::NoNames),
        discovery: None,
        memberships: memberships.clone(),
        served: [CommandName::Sync, CommandName::Unlock, CommandName::Pause, CommandName::Resume].into(),
        commands: Arc::clone(&handler) as Arc<dyn Commands>,
        ids: Arc::clone(&handler) as Arc<dyn Ids>,
        customer_of: Arc::new(|_| None),
        trusted_now: Arc::new(|| Some(start())),
        limits,
        clock,
    };
    change(&mut link);
    let task = tokio::spawn(link::run(link, state, stop.clone()));
    House { rows, handler, retained: told, memberships, state: state_seen, stop, task }
}

fn real(port: u16) -> Arc<dyn Broker> {
    real_with(&format!("mqtt://127.0.0.1:{port}"), |_| ())
}

fn real_with(url: &str, change: impl FnOnce(&mut Settings)) -> Arc<dyn Broker> {
    let mut settings = Settings::new(url.parse().unwrap());
    change(&mut settings);
    Arc::new(RumqttBroker::new(settings, Clock::system()).unwrap())
}

fn door(id: u64, name: &str) -> (LockId, DoorState) {
    let state = DoorState {
        id: LockId(id),
        name: name.to_owned(),
        online: Some(true),
        unlocked: None,
        open: None,
        locked_down: None,
        last_event: None,
    };
    (LockId(id), state)
}

fn topic(door: u64) -> String {
    format!("gatehouse/house/door/{door}/event")
}

/// Kills and stops the broker while events flow. Each event has a topic of its own, so that the broker's own log says
/// what it has received; that it reached subscribers is the next test's.
#[tokio::test(flavor = "multi_thread")]
async fn promise_4_no_row_goes_that_the_broker_never_had() {
    let mut broker = Mosquitto::start().await;
    let house = house(real(broker.port), Clock::system(), hasty());
    let clock = Clock::system();
    let mut number = 0;
    for round in 0..10 {
        for _ in 0..60 {
            number += 1;
            house.rows.add(number, number);
        }
        // In the middle of the flow, at another place each time.
        let part = number as usize - 60 + 5 * (round + 1);
        wait_for("events to flow", || (house.rows.gone().len() >= part).then_some(())).await;
        if round % 3 == 2 {
            broker.signal("STOP");
            house.rows.add(number + 1, number + 1);
            number += 1;
            clock.sleep(Duration::from_millis(1200)).await;
            broker.signal("CONT");
        } else {
            broker.kill();
            let had: BTreeSet<String> = broker.received_from(CLIENT).into_iter().collect();
            for row in house.rows.gone() {
                assert!(had.contains(&topic(row)), "row {row} went, and the broker never had it");
            }
            broker.run().await;
        }
    }
    wait_for("the outbox to drain", || (house.rows.left() == 0).then_some(())).await;
    let had = broker.received_from(CLIENT);
    let mut firsts: Vec<&String> = Vec::new();
    let mut known = BTreeSet::new();
    firsts.extend(had.iter().filter(|topic| topic.ends_with("/event") && known.insert(topic.as_str())));
    let all: Vec<String> = (1..=number).map(topic).collect();
    assert!(firsts.iter().copied().eq(all.iter()), "every event, in order");
    house.stop.cancel();
    house.task.await.unwrap();
}

/// Cuts the network while the broker and a subscriber live on: the subscriber, dropping known uuids, has each event
/// once and in order.
#[tokio::test(flavor = "multi_thread")]
async fn promise_4_a_subscriber_sees_each_event_once_and_in_order_through_cut_connections() {
    let broker = Mosquitto::start().await;
    let subscriber = broker.subscriber().await;
    let (port, cut) = proxy(broker.port).await;
    let house = house(real(port), Clock::system(), hasty());
    let clock = Clock::system();
    for number in 1..=600 {
        house.rows.add(number % 3, number);
        if number % 40 == 0 {
            clock.sleep(Duration::from_millis(fastrand::u64(1..40))).await;
            cut.notify_waiters();
        }
    }
    wait_for("the outbox to drain", || (house.rows.left() == 0).then_some(())).await;
    for door in 0..3 {
        let mut known = BTreeSet::new();
        let seen: Vec<String> = wait_for("the subscriber", || {
            known.clear();
            let seen = subscriber.seen().into_iter().filter(|(on, _)| *on == topic(door));
            let uuids = seen.map(|(_, payload)| serde_json::from_str::<Value>(&payload).unwrap()["uuid"].to_string());
            let uuids: Vec<String> = uuids.filter(|uuid| known.insert(uuid.clone())).collect();
            (uuids.len() == 200).then_some(uuids)
        })
        .await;
        let sent: Vec<String> = (1..=600).filter(|n| n % 3 == door).map(|n| format!("\"uuid-{n}\"")).collect();
        assert_eq!(seen, sent);
    }
}

/// A way to the broker that cuts every connection through it when told, in the middle of whatever it carries.
async fn proxy(to: u16) -> (u16, Arc<Notify>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let cut = Arc::new(Notify::new());
    let told = Arc::clone(&cut);
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let told = Arc::clone(&told);
            tokio::spawn(async move {
                let mut far = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    () = told.notified() => {}
                }
            });
        }
    });
    (port, cut)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_will_says_offline_when_the_link_is_dropped_and_a_stop_says_it_itself() {
    let broker = Mosquitto::start().await;
    let subscriber = broker.subscriber().await;
    let availability = || subscriber.last("gatehouse/house/availability");
    let dropped = house(real(broker.port), Clock::system(), hasty());
    wait_for("online", || (availability()? == "online").then_some(())).await;
    dropped.task.abort();
    wait_for("the last will", || (availability()? == "offline").then_some(())).await;

    let stopped = house(real(broker.port), Clock::system(), hasty());
    wait_for("online", || (availability()? == "online").then_some(())).await;
    stopped.rows.add(5, 1);
    stopped.stop.cancel();
    stopped.task.await.unwrap();
    wait_for("offline", || (availability()? == "offline").then_some(())).await;
    assert_eq!(stopped.rows.left(), 0, "what waited went before the goodbye");
    let said = broker.received_from(CLIENT);
    assert_eq!(said.last().unwrap(), "gatehouse/house/availability", "said by us, not by the last will");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_retained_state_is_said_anew_to_a_broker_that_lost_it() {
    let mut broker = Mosquitto::start().await;
    let house = house(real(broker.port), Clock::system(), hasty());
    house.retained.send_modify(|state| state.doors.extend([door(1, "Front"), door(2, "Back")]));
    let kept = |broker: &Mosquitto| broker.received_from(CLIENT).iter().filter(|t| t.ends_with("/state")).count();
    wait_for("both doors", || (kept(&broker) == 2).then_some(())).await;

    broker.kill();
    broker.run().await;
    let name = |seen: Option<String>| Some(serde_json::from_str::<Value>(&seen?).ok()?["name"].to_string());
    wait_for("both doors again", || (kept(&broker) == 4).then_some(())).await;
    let late = broker.subscriber().await;
    wait_for("what is kept", || (name(late.last("gatehouse/house/door/2/state"))? == "\"Back\"").then_some(())).await;
    wait_for("online", || (late.last("gatehouse/house/availability")? == "online").then_some(())).await;

    // Only what changed is said, and a door that is gone is cleared.
    house.retained.send_modify(|state| {
        state.doors.insert(LockId(1), door(1, "Main").1);
        state.doors.remove(&LockId(2));
    });
    wait_for("the change", || (name(late.last("gatehouse/house/door/1/state"))? == "\"Main\"").then_some(())).await;
    wait_for("the door to go", || (late.last("gatehouse/house/door/2/state")? == "(null)").then_some(())).await;
    assert_eq!(kept(&broker), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_answered_once_and_what_lay_at_the_broker_is_not_obeyed() {
    let broker = Mosquitto::start().await;
    let subscriber = broker.subscriber().await;
    let old = r#"{"id": "old"}"#;
    broker.publish("gatehouse/house/command/sync", old, &["-r"]);
    let house = house(real(broker.port), Clock::system(), hasty());
    wait_for("online", || (house.state.borrow().last_success).map(drop)).await;

    let answer = async |name: &str, payload: &str| -> Value {
        let on = format!("gatehouse/house/command/{name}/response");
        let answers = || subscriber.seen().into_iter().filter(|(topic, _)| *topic == on).collect::<Vec<_>>();
        let before = answers().len();
        broker.publish(&format!("gatehouse/house/command/{name}"), payload, &[]);
        let (_, payload) = wait_for("an answer", || answers().into_iter().nth(before)).await;
        serde_json::from_str(&payload).unwrap()
    };
    assert_eq!(answer("sync", r#"{"id": "a"}"#).await, json!({"id": "a", "ok": true, "plan": "p"}));
    let again = answer("sync", r#"{"id": "a"}"#).await;
    assert_eq!((&again["id"], &again["ok"]), (&json!("a"), &json!(false)));
    for (name, payload, id) in [
        ("sync", "[]", Value::Null),
        ("sync", "{}", Value::Null),
        ("approve", r#"{"id": 7, "plan": "p"}"#, json!(7)),
        ("dance", r#"{"id": 8}"#, json!(8)),
        ("unlock", r#"{"id": 9, "door": 1, "time": "2026-11-24T09:59:49Z"}"#, json!(9)),
    ] {
        let refused = answer(name, payload).await;
        assert_eq!((&refused["id"], &refused["ok"]), (&id, &json!(false)), "{name} {payload}");
        assert!(!refused["error"].as_str().unwrap().is_empty());
    }
    let fresh = answer("unlock", r#"{"id": 10, "door": 1, "time": "2026-11-24T09:59:51Z"}"#).await;
    assert_eq!(fresh["ok"], true);
    let unlock = Command::Unlock { door: LockId(1), time: start() - TimeDelta::seconds(9) };
    assert_eq!(*house.handler.asked.lock().unwrap(), [Command::Sync, unlock], "nothing else was carried out");
}

/// A retained command that is larger than is taken would end each connection as soon as commands are subscribed to.
#[tokio::test(flavor = "multi_thread")]
async fn a_huge_retained_command_does_not_keep_events_from_the_broker() {
    let broker = Mosquitto::start().await;
    let file = broker.directory.path().join("huge");
    std::fs::write(&file, vec![b'x'; 300_000]).unwrap();
    let port = broker.port.to_string();
    let arguments = ["-h", "127.0.0.1", "-p", &port, "-q", "1", "-r", "-t", "gatehouse/house/command/sync", "-f"];
    assert!(std::process::Command::new("mosquitto_pub").args(arguments).arg(&file).status().unwrap().success());
    let house = house(real(broker.port), Clock::system(), hasty());
    let state = house.state.clone();
    wait_for("a link without commands", || (state.borrow().state == State::Degraded).then_some(())).await;
    house.rows.add(1, 1);
    wait_for("the event to go", || (house.rows.left() == 0).then_some(())).await;
    assert!(matches!(state.borrow().error, Some(BrokerError::Oversized(_))));
}
