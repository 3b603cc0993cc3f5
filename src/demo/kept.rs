//! What is logged, kept in memory: a checker looks for secrets in it, and no view is disturbed by it.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

/// A writer that keeps what it is given. Its copies share what is kept.
#[derive(Clone)]
pub struct Kept {
    bytes: Arc<Mutex<Vec<u8>>>,
    bytes_max: usize,
}

impl Kept {
    /// Keeps so many bytes, to the end of the writing that passes them; what comes after is not kept.
    pub fn new(bytes_max: usize) -> Kept {
        Kept { bytes: Arc::default(), bytes_max }
    }

    /// All that was kept.
    pub fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Write for Kept {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        if bytes.len() < self.bytes_max {
            bytes.extend_from_slice(text);
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Kept {
    type Writer = Kept;

    fn make_writer(&'a self) -> Kept {
        self.clone()
    }
}
