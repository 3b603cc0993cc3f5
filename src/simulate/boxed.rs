//! The box that the gateway runs on: power, clock, disk, and the way to the broker.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use redb::StorageBackend;

use super::carry::Carried;
use super::machine::{Gateway, Start};
use super::power::{Power, Side};
use super::world::World;
use crate::clock::Clock;
use crate::config::Config;
use crate::demo::checker::Published;
use crate::gateway::{Sabotage, StartError};
use crate::mqtt::memory::MemoryBroker;
use crate::report::desk::Desk;
use crate::store::{Store, StoreError};

/// A disk in the box: out of reach once the power is gone, whatever of the gateway has not been dropped yet.
struct Plugged<D> {
    disk: D,
    live: Arc<AtomicBool>,
    power: Power,
}

impl<D> Plugged<D> {
    /// As [`reached`](Plugged::reached), for what changes it: the power may go right before.
    fn written(&self) -> io::Result<&D> {
        self.reached()?;
        self.power.write();
        self.reached()
    }

    fn reached(&self) -> io::Result<&D> {
        match self.live.load(Ordering::Relaxed) {
            true => Ok(&self.disk),
            false => Err(io::Error::other("the power is gone")),
        }
    }
}

impl<D> std::fmt::Debug for Plugged<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Plugged")
    }
}

impl<D: StorageBackend> StorageBackend for Plugged<D> {
    fn len(&self) -> io::Result<u64> {
        self.reached()?.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.reached()?.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.written()?.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.written()?.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.written()?.write(offset, data)
    }
}

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum PowerOnError {
    /// The store could not be opened.
    #[error("the store on the box's disk: {0}")]
    Store(#[from] StoreError),
    /// The gateway could not be made.
    #[error("the gateway on the box: {0}")]
    Start(#[from] StartError),
    /// It went round no more.
    #[error("at {at} the gateway does not live: {health}")]
    Dead {
        /// When it was looked at.
        at: DateTime<Utc>,
        /// What it said.
        health: String,
    },
}

/// A box in a world. Its disks are clones of what it was given, so that whoever gave them can look at them: any
/// [`StorageBackend`] whose clones share their bytes will do. A disk that cuts the power by itself does so through
/// [`Box::power`].
pub struct Box<D> {
    /// The world that it stands in.
    pub world: World,
    /// What its gateway is told.
    pub config: Config,
    /// The broker beside it.
    pub broker: MemoryBroker,
    /// The cache's disk.
    pub cache: D,
    /// The ledger's disk.
    pub ledger: D,
    /// Its power.
    pub power: Power,
    /// Which rule its gateway breaks on purpose.
    pub sabotage: Option<Sabotage>,
    /// Seeds the gateway's pauses; each start has another.
    pub seed: u64,
    clock_off: TimeDelta,
    live: Arc<AtomicBool>,
    armed: Option<(u64, Side)>,
    gateway: Option<Gateway>,
}

impl<D: StorageBackend + Clone> Box<D> {
    /// A box that is switched off.
    pub fn new(world: World, config: Config, broker: MemoryBroker, (cache, ledger): (D, D)) -> Box<D> {
        Box {
            world,
            config,
            broker,
            cache,
            ledger,
            power: Power::on(),
            sabotage: None,
            seed: 7,
            clock_off: TimeDelta::zero(),
            live: Arc::default(),
            armed: None,
            gateway: None,
        }
    }

    /// Power comes: a monotonic clock that begins anew, and a wall clock as wrong as it was. A box that runs goes on.
    ///
    /// # Errors
    /// When the gateway can't start.
    pub fn power_on(&mut self) -> Result<(), PowerOnError> {
        if self.gateway.is_some() {
            return Ok(());
        }
        self.power.restore();
        if let Some((nth, side)) = self.armed.take() {
            self.power.cut_at_call(nth, side);
        }
        self.live = Arc::new(AtomicBool::new(true));
        let (live, broker) = (self.live.clone(), self.broker.clone());
        self.power.feed_only(move || {
            live.store(false, Ordering::Relaxed);
            broker.cut();
        });
        let clock = Clock::starting_at(self.world.clock.wall(), 1.0);
        clock.shift_wall(self.clock_off);
        let plug = |disk: &D| Plugged { disk: disk.clone(), live: self.live.clone(), power: self.power.clone() };
        let (store, opened) = Store::on_backends(plug(&self.cache), plug(&self.ledger))?;
        let start = Start {
            clock,
            nexudus: Arc::new(Carried::new(self.world.nexudus.clone(), self.world.clock.clone(), self.power.clone())),
            kisi: Arc::new(Carried::new(self.world.kisi.clone(), self.world.clock.clone(), self.power.clone())),
            broker: Arc::new(self.broker.clone()),
            store,
            opened,
            sabotage: self.sabotage,
            seed: self.seed,
        };
        self.seed = self.seed.wrapping_add(1);
        self.gateway = Some(Gateway::start(&self.config, start)?);
        Ok(())
    }

    /// The power goes at the `nth` call to a cloud of the next start, which forgets what was to happen to it before.
    pub fn arm_call(&mut self, nth: u64, side: Side) {
        self.armed = Some((nth, side));
    }

    /// The power goes, and what ran is dropped where it stands.
    pub async fn power_off(&mut self) {
        self.power.cut();
        if let Some(gateway) = self.gateway.take() {
            gateway.kill().await;
        }
    }

    /// Ends the gateway in order, as SIGTERM does.
    pub async fn stop(&mut self) {
        if let Some(gateway) = self.gateway.take() {
            gateway.end().await;
        }
    }

    /// The gateway, while it runs.
    pub fn gateway(&self) -> Option<&Gateway> {
        self.gateway.as_ref()
    }

    /// Puts the box's own clock off by so much more.
    pub fn shift_clock(&mut self, by: TimeDelta) {
        self.clock_off += by;
        if let Some(gateway) = &self.gateway {
            gateway.clock.shift_wall(by);
        }
    }

    /// Nothing is a reason for a loop to stop going round: systemd would restart the gateway for that.
    ///
    /// # Errors
    /// [`PowerOnError::Dead`] when one has.
    pub fn is_live(&self) -> Result<(), PowerOnError> {
        let health = self.gateway.as_ref().map(|gateway| gateway.counter().health());
        match health.filter(|health| !health.is_live()) {
            Some(health) => Err(PowerOnError::Dead { at: self.world.clock.wall(), health: format!("{health:?}") }),
            None => Ok(()),
        }
    }
}

/// What reached the broker, with the twins' own time: `start` is when the broker's clock began.
pub fn published(broker: &MemoryBroker, start: DateTime<Utc>) -> Vec<Published> {
    let heard = broker.record().into_iter();
    heard
        .map(|received| Published {
            at: start + TimeDelta::from_std(received.at.0).unwrap_or_default(),
            topic: received.message.topic,
            payload: received.message.payload.to_vec(),
            retained: received.message.retain,
        })
        .collect()
}
