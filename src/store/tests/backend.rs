//! A disk that keeps what was synced, and fails when it is told to.

use std::io;
use std::sync::{Arc, Mutex};

use redb::StorageBackend;

#[derive(Debug, Default)]
struct Bytes {
    /// What a reader sees.
    now: Vec<u8>,
    /// What a power cut leaves.
    synced: Vec<u8>,
    /// After so many more writes, growths and syncs all fail as on a full disk.
    left: Option<u32>,
    /// Reads fail.
    unreadable: bool,
}

/// Clones share one disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk(Arc<Mutex<Bytes>>);

impl Disk {
    /// The disk as it is after its power was cut.
    pub(super) fn cut(&self) -> Disk {
        let synced = self.0.lock().expect("a lock").synced.clone();
        Disk(Arc::new(Mutex::new(Bytes { now: synced.clone(), synced, left: None, unreadable: false })))
    }

    /// Lets `steps` more steps through, or all.
    pub(super) fn allow(&self, steps: Option<u32>) {
        self.0.lock().expect("a lock").left = steps;
    }

    /// Lets nothing be read, or all again.
    pub(super) fn unreadable(&self, unreadable: bool) {
        self.0.lock().expect("a lock").unreadable = unreadable;
    }

    fn step(&self, step: impl FnOnce(&mut Bytes)) -> io::Result<()> {
        let mut bytes = self.0.lock().expect("a lock");
        match &mut bytes.left {
            Some(0) => return Err(io::Error::from(io::ErrorKind::StorageFull)),
            Some(left) => *left -= 1,
            None => {}
        }
        step(&mut bytes);
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().expect("a lock").now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let bytes = self.0.lock().expect("a lock");
        if bytes.unreadable {
            return Err(io::Error::other("a bad block"));
        }
        let from = offset as usize;
        let part = bytes.now.get(from..from + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(part);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.step(|bytes| bytes.now.resize(len as usize, 0))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.step(|bytes| bytes.synced = bytes.now.clone())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.step(|bytes| bytes.now[offset as usize..offset as usize + data.len()].copy_from_slice(data))
    }
}
