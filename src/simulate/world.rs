//! Both twins, shared between whoever carries them and whoever steers them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Clock;
use crate::twin::kisi::KisiTwin;
use crate::twin::nexudus::NexudusTwin;

/// Both clouds, and their own clock. Clones are one world.
#[derive(Clone)]
pub struct World {
    /// Nexudus.
    pub nexudus: Arc<Mutex<NexudusTwin>>,
    /// Kisi.
    pub kisi: Arc<Mutex<KisiTwin>>,
    /// The twins' own clock, which the gateway never sees but in answers.
    pub clock: Clock,
}

impl World {
    /// These twins by that clock.
    pub fn new(nexudus: NexudusTwin, kisi: KisiTwin, clock: Clock) -> World {
        World { nexudus: Arc::new(Mutex::new(nexudus)), kisi: Arc::new(Mutex::new(kisi)), clock }
    }

    /// Nexudus' twin, for a short span.
    pub fn nexudus(&self) -> MutexGuard<'_, NexudusTwin> {
        self.nexudus.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Kisi's twin, for a short span.
    pub fn kisi(&self) -> MutexGuard<'_, KisiTwin> {
        self.kisi.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
