//! The gateway as a driver starts and ends it.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Config;
use crate::gateway::{self, Counter, Outside, Sabotage, StartError};
use crate::mqtt::broker::Broker;
use crate::net::Http;
use crate::store::{Opened, Store};

/// A running gateway, and how to end it.
pub struct Gateway {
    tasks: JoinSet<()>,
    stop: CancellationToken,
    engine: Arc<gateway::Engine>,
    /// Its own clock.
    pub clock: Clock,
}

/// What a gateway needs beside its configuration.
pub struct Start {
    /// Its clock, whose wall may be wrong.
    pub clock: Clock,
    /// Reaches Nexudus.
    pub nexudus: Arc<dyn Http>,
    /// Reaches Kisi.
    pub kisi: Arc<dyn Http>,
    /// Reaches the broker.
    pub broker: Arc<dyn Broker>,
    /// Its disk, opened.
    pub store: Store,
    /// How the disk was found.
    pub opened: Opened,
    /// Which rule is broken on purpose.
    pub sabotage: Option<Sabotage>,
    /// Seeds the pauses between tries.
    pub seed: u64,
}

impl Gateway {
    /// Starts every loop.
    ///
    /// # Errors
    /// When the store can't be read or an address is not one.
    pub fn start(config: &Config, start: Start) -> Result<Gateway, StartError> {
        let outside = Outside {
            clock: start.clock.clone(),
            nexudus: start.nexudus,
            kisi: start.kisi,
            store: start.store,
            opened: start.opened,
            client_id: None,
            sabotage: start.sabotage,
        };
        let engine = gateway::engine(config, outside)?;
        let stop = CancellationToken::new();
        let wiring = gateway::Wiring::new(config, start.broker, start.seed);
        let mut tasks = JoinSet::new();
        tasks.spawn(gateway::run(engine.clone(), wiring, stop.clone()));
        Ok(Gateway { tasks, stop, engine, clock: start.clock })
    }

    /// The page and the verbs' socket, for those who look on.
    pub fn counter(&self) -> Counter {
        Counter(self.engine.clone())
    }

    /// Ends it in order.
    pub async fn end(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }

    /// Drops every task where it stands. A store that is dropped would write what waits for the next change, so the
    /// disk has to be out of its reach by then.
    pub async fn kill(mut self) {
        self.tasks.abort_all();
        while self.tasks.join_next().await.is_some() {}
    }
}
