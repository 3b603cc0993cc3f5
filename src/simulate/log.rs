//! What the gateway of a run logs: kept in memory for its thread alone, since its judge looks for secrets in it.

use std::cell::Cell;

use tokio::time::Instant;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use crate::demo::kept::Kept;

/// How much is kept; what comes after is not.
const BYTES_MAX: usize = 32 << 20;

/// The log of one run.
#[derive(Clone)]
pub struct Log(Kept);

impl Default for Log {
    fn default() -> Log {
        Log(Kept::new(BYTES_MAX))
    }
}

impl Log {
    /// Begins to keep what this thread logs, until the guard goes. `RUST_LOG` says how much, as usual.
    pub fn record(&self) -> DefaultGuard {
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
        let log = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(false)
            .with_timer(Virtual)
            .with_writer(self.0.clone());
        tracing::subscriber::set_default(log.finish())
    }

    /// All that was logged.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.bytes()
    }
}

/// The run's own time: how long it has gone on.
struct Virtual;

impl FormatTime for Virtual {
    fn format_time(&self, into: &mut Writer<'_>) -> std::fmt::Result {
        let since = STARTED.with(|started| started.get().map(|started| started.elapsed()));
        write!(into, "{:>10.3}", since.unwrap_or_default().as_secs_f64())
    }
}

thread_local! {
    /// When the run of this thread began.
    static STARTED: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// The run of this thread begins now.
pub fn begin() {
    STARTED.with(|started| started.set(Some(Instant::now())));
}
