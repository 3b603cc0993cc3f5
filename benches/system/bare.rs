//! What the gateway rests on, bare, for `benches/system/run` to hold the gateway against: one commit of redb, one
//! message to the broker and back, a queue drained by rumqttc alone. And a store filled in advance.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a benchmark that can't be set up has nothing to say")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::TimeDelta;
use clap::{Parser, Subcommand};
use gatehouse::clock::Clock;
use gatehouse::domain::event::{Door, Event};
use gatehouse::domain::{LockId, UserId};
use gatehouse::mqtt::broker::UNACKED_MAX;
use gatehouse::store::{Batch, Store};
use rumqttc::{AsyncClient, EventLoop, Incoming, MqttOptions, PublishOptions};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    /// Cargo's own.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum What {
    /// So many commits of one event each in a database of its own: half and 99th percentile, in ms
    Commit { directory: PathBuf, times: usize },
    /// So many messages, one after the other, each acknowledged: half and 99th percentile, in ms
    RoundTrip { port: u16, times: usize },
    /// So many messages with as many on the way as the gateway allows itself: messages a second
    Drain { port: u16, messages: usize },
    /// Puts so many events into the outbox of a store
    Fill { store: PathBuf, events: u64 },
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let Arguments { what, .. } = Arguments::parse();
    match what {
        // `cargo test --benches` runs it without.
        None => println!("see benches/system/run"),
        Some(What::Commit { directory, times }) => percentiles(commits(&directory, times)),
        Some(What::RoundTrip { port, times }) => percentiles(round_trips(port, times).await),
        Some(What::Drain { port, messages }) => println!("{:.1}", drain(port, messages).await),
        Some(What::Fill { store, events }) => fill(&store, events).await,
    }
}

fn percentiles(mut took: Vec<Duration>) {
    took.sort();
    let at = |percent: usize| took[(took.len() - 1) * percent / 100].as_secs_f64() * 1_000.0;
    println!("{:.3} {:.3}", at(50), at(99));
}

/// An event as long as most of Kisi's are.
fn event(n: u64) -> Event {
    let time = Clock::system().wall() - TimeDelta::seconds(60);
    Event {
        uuid: format!("5d6e3a52-0000-4000-8000-{n:012}"),
        time,
        kind: "lock.unlock".to_owned(),
        door: Some(Door { id: LockId(3_300 + n % 20), name: "Boardroom".to_owned() }),
        success: Some(true),
        error_code: None,
        error_message: None,
        actor: Some(UserId(700_000 + n % 2_000)),
        actor_name: Some(format!("Person {}", n % 2_000)),
        by: Some("card".to_owned()),
        object: None,
        received_at: time,
        replayed: false,
        late: false,
    }
}

const TABLE: redb::TableDefinition<'_, u64, &[u8]> = redb::TableDefinition::new("events");

fn commits(directory: &Path, times: usize) -> Vec<Duration> {
    let clock = Clock::system();
    let database = redb::Database::create(directory.join("bare.redb")).unwrap();
    let once = |n: usize| {
        let row = serde_json::to_vec(&event(n as u64)).unwrap();
        let began = clock.mono();
        let change = database.begin_write().unwrap();
        change.open_table(TABLE).unwrap().insert(n as u64, row.as_slice()).unwrap();
        change.commit().unwrap();
        clock.mono().since(began)
    };
    (0..times).map(once).collect()
}

async fn connected(port: u16) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new("bare", ("127.0.0.1".to_owned(), port));
    options.set_clean_session(true).set_inflight(1_000);
    let (client, mut event_loop) = AsyncClient::builder(options).capacity(UNACKED_MAX * 2).build();
    let mut network = rumqttc::NetworkOptions::new();
    network.set_tcp_nodelay(true);
    event_loop.set_network_options(network);
    event_loop.poll().await.unwrap();
    (client, event_loop)
}

async fn acknowledged(event_loop: &mut EventLoop) {
    while !matches!(event_loop.poll().await.unwrap(), rumqttc::Event::Incoming(Incoming::PubAck(_))) {}
}

fn payload(n: usize) -> Vec<u8> {
    serde_json::to_vec(&event(n as u64)).unwrap()
}

async fn round_trips(port: u16, times: usize) -> Vec<Duration> {
    let clock = Clock::system();
    let (client, mut event_loop) = connected(port).await;
    let mut took = Vec::with_capacity(times);
    for n in 0..times {
        let payload = payload(n);
        let began = clock.mono();
        client.try_publish("bare/one", payload, PublishOptions::at_least_once()).unwrap();
        acknowledged(&mut event_loop).await;
        took.push(clock.mono().since(began));
    }
    took
}

async fn drain(port: u16, messages: usize) -> f64 {
    let clock = Clock::system();
    let (client, mut event_loop) = connected(port).await;
    let payloads: Vec<Vec<u8>> = (0..messages).map(payload).collect();
    let began = clock.mono();
    let (mut sent, mut done) = (0, 0);
    while done < messages {
        while sent < messages && sent - done < UNACKED_MAX {
            client.try_publish("bare/many", payloads[sent].clone(), PublishOptions::at_least_once()).unwrap();
            sent += 1;
        }
        acknowledged(&mut event_loop).await;
        done += 1;
    }
    messages as f64 / clock.mono().since(began).as_secs_f64()
}

async fn fill(directory: &Path, events: u64) {
    let (store, _) = Store::open(directory).unwrap();
    for first in (0..events).step_by(1_000) {
        let mut batch = Batch::new();
        batch.events((first..events.min(first + 1_000)).map(event).collect(), Clock::system().wall());
        store.commit(batch).await.unwrap();
    }
}
