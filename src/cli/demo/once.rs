//! `demo --once`: the day on virtual time, in one thread, with no socket and no disk.

use std::sync::Arc;

use anyhow::Context;
use chrono::TimeDelta;
use redb::StorageBackend;
use redb::backends::InMemoryBackend;

use super::carry::Carried;
use super::record::Record;
use super::{Gateway, Start, World, conclude, load};
use crate::cli::args::{DemoArgs, Sabotage};
use crate::clock::Clock;
use crate::config::Config;
use crate::demo::checker::{Left, Published};
use crate::demo::script::{Action, Agenda, Stage};
use crate::demo::site::{self, Addresses};
use crate::mqtt::memory::{MemoryBroker, Mood};
use crate::report::desk::Desk;
use crate::store::Store;

/// Runs the day and judges it.
pub fn once(args: &DemoArgs) -> anyhow::Result<u8> {
    let record = Record::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(day(args, &record))
}

/// Storage that outlives the gateway that uses it, as a disk does.
#[derive(Clone, Debug)]
struct Disk(Arc<InMemoryBackend>);

impl Disk {
    fn new() -> Disk {
        Disk(Arc::new(InMemoryBackend::new()))
    }

    fn bytes(&self) -> anyhow::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(self.0.len()?)?];
        self.0.read(0, &mut bytes)?;
        Ok(bytes)
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> std::io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> std::io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.0.write(offset, data)
    }
}

/// The box that the gateway runs on.
struct Box {
    world: World,
    config: Config,
    broker: MemoryBroker,
    cache: Disk,
    ledger: Disk,
    clock_off: TimeDelta,
    sabotage: Option<Sabotage>,
    gateway: Option<Gateway>,
}

impl Box {
    /// Power comes: a monotonic clock that begins anew, and a wall clock as wrong as it was.
    fn power_on(&mut self) -> anyhow::Result<()> {
        let clock = Clock::starting_at(self.world.clock.wall(), 1.0);
        clock.shift_wall(self.clock_off);
        let (store, opened) = Store::on_backends(self.cache.clone(), self.ledger.clone())?;
        let start = Start {
            clock,
            nexudus: Arc::new(Carried::new(self.world.nexudus.clone(), self.world.clock.clone())),
            kisi: Arc::new(Carried::new(self.world.kisi.clone(), self.world.clock.clone())),
            broker: Arc::new(self.broker.clone()),
            store,
            opened,
            sabotage: self.sabotage,
        };
        self.gateway = Some(Gateway::start(&self.config, start)?);
        Ok(())
    }

    /// Nothing in the day is a reason for a loop to stop going round: systemd would restart the gateway for that.
    fn is_live(&self) -> anyhow::Result<()> {
        let health = self.gateway.as_ref().map(|gateway| gateway.counter().health());
        match health.filter(|health| !health.is_live()) {
            Some(health) => anyhow::bail!("at {} the gateway does not live: {health:?}", self.world.clock.wall()),
            None => Ok(()),
        }
    }

    async fn obey(&mut self, action: Action) -> anyhow::Result<()> {
        match action {
            Action::GatewayDown => {
                if let Some(gateway) = self.gateway.take() {
                    gateway.kill().await;
                }
            }
            Action::GatewayUp => self.power_on()?,
            Action::BrokerDown => self.broker.set_mood(Mood::Away),
            Action::BrokerUp => self.broker.set_mood(Mood::Well),
            Action::WallClockShift(seconds) => {
                let shift = TimeDelta::seconds(seconds);
                self.clock_off += shift;
                if let Some(gateway) = &self.gateway {
                    gateway.clock.shift_wall(shift);
                }
            }
        }
        Ok(())
    }
}

async fn day(args: &DemoArgs, record: &Record) -> anyhow::Result<u8> {
    let clock = Clock::starting_at(site::start(), 1.0);
    let world = World::build(clock.clone())?;
    let directory = tempfile::tempdir().context("a directory for the demo's configuration could not be made")?;
    // Nothing listens anywhere: the twins are carried within the process.
    let addresses = Addresses {
        nexudus: "http://127.0.0.1:1".to_owned(),
        kisi: "http://127.0.0.1:2".to_owned(),
        broker: "mqtt://127.0.0.1:3".to_owned(),
        web: "off".to_owned(),
        store: directory.path().join("store"),
    };
    let config = load(&site::write_config(directory.path(), &world.settings, &addresses)?)?;
    let broker = MemoryBroker::new(clock.clone());
    let (cache, ledger) = (Disk::new(), Disk::new());
    let mut gatehouse = Box {
        world: world.clone(),
        config,
        broker: broker.clone(),
        cache: cache.clone(),
        ledger: ledger.clone(),
        clock_off: TimeDelta::zero(),
        sabotage: args.sabotage,
        gateway: None,
    };
    gatehouse.power_on()?;
    let (mut agenda, mut stage) = (Agenda::of(&world.site), Stage::new());
    let end = site::end();
    let until = |at: crate::demo::Moment| (at - clock.wall()).to_std().unwrap_or_default();
    while let Some(next) = agenda.next_at().filter(|next| *next < end) {
        clock.sleep(until(next)).await;
        gatehouse.is_live()?;
        while let Some(step) = agenda.due(clock.wall()) {
            let action = stage.perform(&step, &mut world.nexudus(), &mut world.kisi(), clock.wall())?;
            if let Some(action) = action {
                gatehouse.obey(action).await?;
            }
        }
    }
    clock.sleep(until(end)).await;
    if let Some(gateway) = gatehouse.gateway.take() {
        gateway.end().await;
    }
    let left = [
        Left { name: "the log".to_owned(), bytes: record.bytes() },
        Left { name: "cache.redb".to_owned(), bytes: cache.bytes()? },
        Left { name: "ledger.redb".to_owned(), bytes: ledger.bytes()? },
    ];
    let report = world.judge(stage.diary(), &published(&broker), &left)?;
    Ok(conclude(&report, args))
}

/// What reached the broker, with the twins' own time.
fn published(broker: &MemoryBroker) -> Vec<Published> {
    let heard = broker.record().into_iter();
    heard
        .map(|received| Published {
            at: site::start() + TimeDelta::from_std(received.at.0).unwrap_or_default(),
            topic: received.message.topic,
            payload: received.message.payload.to_vec(),
            retained: received.message.retain,
        })
        .collect()
}
