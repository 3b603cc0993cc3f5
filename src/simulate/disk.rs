//! A disk in memory, which outlives the gateway that uses it.

use std::io;
use std::sync::Arc;

use redb::StorageBackend;
use redb::backends::InMemoryBackend;

/// Storage whose clones share their bytes.
#[derive(Clone, Debug)]
pub struct Disk(Arc<InMemoryBackend>);

impl Disk {
    /// An empty one.
    pub fn new() -> Disk {
        Disk(Arc::new(InMemoryBackend::new()))
    }

    /// All that is on it.
    ///
    /// # Errors
    /// Memory gives no cause for any.
    pub fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(self.0.len()?).map_err(io::Error::other)?];
        self.0.read(0, &mut bytes)?;
        Ok(bytes)
    }
}

impl Default for Disk {
    fn default() -> Disk {
        Disk::new()
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}
