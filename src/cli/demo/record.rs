//! Keeps the demo's logs in memory: its checker looks for secrets in them, and they don't disturb the view.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::log;

/// How much is kept; what comes after is not.
const BYTES_MAX: usize = 64 << 20;

/// The logs of this process from here on.
#[derive(Clone, Default)]
pub struct Record(Arc<Mutex<Vec<u8>>>);

impl Record {
    /// Begins to record. `RUST_LOG` says how much, as usual.
    pub fn start() -> Record {
        let record = Record::default();
        let logs = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(record.clone());
        if let Err(error) = tracing_subscriber::registry().with(logs.with_filter(log::filter(false))).try_init() {
            eprintln!("gatehouse: logs could not be started: {error}");
        }
        record
    }

    /// All that was logged.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Write for Record {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < BYTES_MAX {
            kept.extend_from_slice(text);
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Record {
    type Writer = Record;

    fn make_writer(&'a self) -> Record {
        self.clone()
    }
}
