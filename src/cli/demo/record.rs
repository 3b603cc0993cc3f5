//! The demo's logs, for its checker.

use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::log;
use crate::demo::kept::Kept;

/// How much is kept; what comes after is not.
const BYTES_MAX: usize = 64 << 20;

/// Begins to keep what this process logs. `RUST_LOG` says how much, as usual.
pub fn start() -> Kept {
    let kept = Kept::new(BYTES_MAX);
    let logs = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(kept.clone());
    if let Err(error) = tracing_subscriber::registry().with(logs.with_filter(log::filter(false))).try_init() {
        eprintln!("gatehouse: logs could not be started: {error}");
    }
    kept
}
