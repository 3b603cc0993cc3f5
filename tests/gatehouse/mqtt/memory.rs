//! The link against the broker in memory, on virtual time: faults at every turn, by seed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gatehouse::clock::Clock;
use gatehouse::domain::{CustomerId, GroupId, Reason};
use gatehouse::mqtt::broker::{BrokerError, Message};
use gatehouse::mqtt::commands::Command;
use gatehouse::mqtt::link::Limits;
use gatehouse::mqtt::memory::{MemoryBroker, Mood};
use gatehouse::report::{Member, MemberPerson, Membership, State};
use serde_json::Value;

use super::{House, door, house, start, topic};

const SECOND: Duration = Duration::from_secs(1);

fn change(number: u64) -> Membership {
    Membership {
        time: start(),
        member: Member {
            change: "added".to_owned(),
            group: Some(GroupId(1)),
            person: Some(MemberPerson { customer: Some(CustomerId(number)), user: None, name: None }),
            reason: Reason::Policy,
        },
        valid_from: None,
        valid_until: None,
    }
}

fn begin() -> (MemoryBroker, House, Clock) {
    let clock = Clock::starting_at(start(), 1.0);
    let broker = MemoryBroker::new(clock.clone());
    let house = house(Arc::new(broker.clone()), clock.clone(), Limits::default());
    (broker, house, clock)
}

fn fields(message: &Message) -> Value {
    serde_json::from_slice(&message.payload).unwrap()
}

/// The uuids that the broker has had on a door's topic, each once, in order.
fn uuids(broker: &MemoryBroker, door: u64) -> Vec<String> {
    let mut known = BTreeSet::new();
    let of_door = broker.record().into_iter().filter(|received| received.message.topic == topic(door));
    let uuids = of_door.map(|received| fields(&received.message)["uuid"].as_str().unwrap().to_owned());
    uuids.filter(|uuid| known.insert(uuid.clone())).collect()
}

/// Runs one seed: an hour of faults, then a quiet quarter of an hour in which everything must come right.
async fn run(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let (broker, house, clock) = begin();
    let (mut number, mut doors) = (0, BTreeMap::<u64, Vec<String>>::new());
    let (mut told, mut went, mut seen, mut known) = (0, 0, 0, BTreeSet::new());
    for _ in 0..150 {
        match random.u8(..14) {
            0 => broker.set_mood(Mood::Away),
            1 => broker.set_mood(Mood::Mute),
            2 => broker.set_mood(Mood::Deaf),
            3 => broker.set_mood(Mood::Refusing),
            4 => broker.cut(),
            5 => broker.restart(),
            6 => *house.rows.failing.lock().unwrap() = random.bool(),
            7 => house.retained.send_modify(|state| {
                let id = random.u64(1..9);
                let (id, door) = door(id, &format!("Door {}", random.u8(..3)));
                if random.bool() { _ = state.doors.insert(id, door) } else { _ = state.doors.remove(&id) }
            }),
            8 => {
                told += 1;
                house.memberships.push(change(told));
            }
            9 | 10 => broker.set_mood(Mood::Well),
            _ => {
                for _ in 0..random.u64(1..50) {
                    number += 1;
                    let at = random.u64(1..4);
                    doors.entry(at).or_default().push(format!("uuid-{number}"));
                    house.rows.add(at, number);
                }
            }
        }
        clock.sleep(SECOND.mul_f64(random.f64() * 48.0)).await;
        for received in broker.record_from(seen) {
            seen += 1;
            if received.message.topic.ends_with("/event") {
                known.insert(fields(&received.message)["uuid"].as_str().unwrap().to_owned());
            }
        }
        let mut gone = house.rows.gone().into_iter().skip(went);
        assert!(gone.all(|row| known.contains(&format!("uuid-{row}"))), "seed {seed}: a row went too soon");
        went = house.rows.gone().len();
        assert!(broker.sessions() <= 1, "seed {seed}: a session outlived its connection");
    }
    broker.set_mood(Mood::Well);
    *house.rows.failing.lock().unwrap() = false;
    clock.sleep(SECOND * 900).await;

    assert_eq!(house.rows.left(), 0, "seed {seed}: rows are left");
    for (door, sent) in doors {
        assert_eq!(uuids(&broker, door), sent, "seed {seed}: door {door}");
    }
    let of_people = broker.record().into_iter().filter(|received| received.message.topic.ends_with("/membership"));
    let people: BTreeSet<u64> =
        of_people.map(|received| fields(&received.message)["person"]["customer"].as_u64().unwrap()).collect();
    assert_eq!(people, (1..=told).collect(), "seed {seed}: memberships");
    let kept: BTreeSet<String> = broker.retained().into_keys().collect();
    let mut wanted: BTreeSet<String> = house.retained.borrow().doors.keys().map(|id| topic(id.0)).collect();
    wanted = wanted.into_iter().map(|topic| topic.replace("/event", "/state")).collect();
    wanted.insert("gatehouse/house/availability".to_owned());
    assert_eq!(kept, wanted, "seed {seed}: what is retained");
    assert_eq!(broker.retained()["gatehouse/house/availability"], "online", "seed {seed}");
    assert_eq!(broker.forgotten(), 0);
    house.stop.cancel();
    house.task.await.unwrap();
    assert_eq!(broker.sessions(), 0);
}

#[tokio::test(start_paused = true)]
async fn promise_4_whatever_the_broker_does_each_event_reaches_it_in_order_and_none_goes_too_soon() {
    for seed in 0..60 {
        run(seed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_acknowledgements_is_given_up_and_what_it_carried_is_sent_again() {
    let (broker, house, clock) = begin();
    clock.sleep(SECOND).await;
    broker.set_mood(Mood::Mute);
    house.rows.add(1, 1);
    clock.sleep(SECOND * 29).await;
    assert_eq!(house.state.borrow().state, State::Online);
    clock.sleep(SECOND * 2).await;
    assert!(matches!(house.state.borrow().error, Some(BrokerError::NoAcks(_))));
    assert_eq!(house.rows.left(), 1);
    broker.set_mood(Mood::Well);
    clock.sleep(SECOND * 61).await;
    assert_eq!((house.rows.left(), house.state.borrow().state), (0, State::Online));
    let times = broker.record().iter().filter(|received| received.message.topic == topic(1)).count();
    assert!(times >= 2, "sent again by another connection");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_can_never_be_sent_is_set_aside_and_the_next_ones_go() {
    let (_broker, house, clock) = begin();
    house.rows.add(1, 1);
    let mut huge = house.rows.rows.lock().unwrap()[&1].clone();
    huge.uuid = "u".repeat(300_000);
    house.rows.put(2, huge);
    house.rows.add(1, 3);
    clock.sleep(SECOND * 3).await;
    assert_eq!(*house.rows.aside.lock().unwrap(), [2]);
    assert_eq!(house.rows.gone(), [1, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_in_time_though_the_broker_says_nothing() {
    let (broker, house, clock) = begin();
    clock.sleep(SECOND).await;
    broker.set_mood(Mood::Deaf);
    house.rows.add(1, 1);
    let begun = clock.mono();
    house.stop.cancel();
    house.task.await.unwrap();
    assert!(clock.mono().since(begun) <= SECOND * 3);
    assert_eq!(house.rows.left(), 1);
    assert!(broker.record().last().unwrap().will, "the last will says it");
}

/// The broker may publish the last will of a connection before this one after our `online`.
#[tokio::test(start_paused = true)]
async fn a_late_last_will_is_contradicted() {
    let (broker, house, clock) = begin();
    clock.sleep(SECOND).await;
    broker.say(Message::retained("gatehouse/house/availability".to_owned(), "offline"));
    clock.sleep(SECOND).await;
    assert_eq!(broker.retained()["gatehouse/house/availability"], "online");
    house.stop.cancel();
    house.task.await.unwrap();
    assert_eq!(broker.retained()["gatehouse/house/availability"], "offline");
}

#[tokio::test(start_paused = true)]
async fn commands_come_at_a_bounded_rate_and_pauses_do_not_overtake_each_other() {
    let (broker, house, clock) = begin();
    clock.sleep(SECOND).await;
    for number in 0..200 {
        let name = if number % 2 == 0 { "pause" } else { "resume" };
        let payload = format!(r#"{{"id": {number}}}"#);
        broker.say(Message::passing(format!("gatehouse/house/command/{name}"), payload));
        clock.sleep(SECOND / 100).await;
    }
    clock.sleep(SECOND * 10).await;
    let asked = house.handler.asked.lock().unwrap().clone();
    assert!((20..=23).contains(&asked.len()), "{} were carried out", asked.len());
    let expected = [Command::Pause, Command::Resume].into_iter().cycle();
    assert!(asked.iter().zip(expected).take(20).all(|(is, should)| *is == should));
    let refused = broker.record().into_iter().filter(|received| received.message.topic.ends_with("/response"));
    assert_eq!(refused.filter(|received| fields(&received.message)["ok"] == false).count(), 200 - asked.len());
}

#[tokio::test(start_paused = true)]
async fn an_id_sent_twice_at_once_is_obeyed_once() {
    let (broker, house, clock) = begin();
    clock.sleep(SECOND).await;
    for _ in 0..5 {
        broker.say(Message::passing("gatehouse/house/command/sync".to_owned(), r#"{"id": "a"}"#));
    }
    clock.sleep(SECOND).await;
    assert_eq!(*house.handler.asked.lock().unwrap(), [Command::Sync]);
}
