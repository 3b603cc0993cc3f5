//! What is read from while a file can't be written: its bytes as they are, and over them, in memory alone, what redb
//! writes when it opens a file.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

/// What is copied at the first write to any of it.
const BLOCK_BYTES: u64 = 4096;

/// A file's bytes, and what was written over them. Nothing reaches the file.
#[derive(Debug)]
pub(super) struct StandIn {
    under: Option<Arc<dyn StorageBackend>>,
    over: Mutex<Over>,
}

#[derive(Debug)]
struct Over {
    len: u64,
    /// How much of the file still shows.
    shows: u64,
    blocks: BTreeMap<u64, Vec<u8>>,
}

impl StandIn {
    /// Over that file, or over none.
    pub(super) fn over(under: Option<Arc<dyn StorageBackend>>) -> io::Result<StandIn> {
        let len = under.as_ref().map_or(Ok(0), |under| under.len())?;
        Ok(StandIn { under, over: Mutex::new(Over { len, shows: len, blocks: BTreeMap::new() }) })
    }

    fn lock(&self) -> MutexGuard<'_, Over> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn block(&self, over: &Over, number: u64) -> io::Result<Vec<u8>> {
        if let Some(block) = over.blocks.get(&number) {
            return Ok(block.clone());
        }
        let mut block = vec![0; usize_of(BLOCK_BYTES)?];
        let start = number * BLOCK_BYTES;
        let there = usize_of(over.shows.saturating_sub(start).min(BLOCK_BYTES))?;
        if let Some(under) = self.under.as_ref().filter(|_| there > 0) {
            under.read(start, &mut block[..there])?;
        }
        Ok(block)
    }
}

fn usize_of(number: u64) -> io::Result<usize> {
    usize::try_from(number).map_err(io::Error::other)
}

/// The blocks of a span: the number of each, where in it the span begins, and how much of the span lies in it.
fn blocks(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let within = usize_of(at % BLOCK_BYTES).ok()?;
        let here = (len - done).min(usize_of(BLOCK_BYTES).ok()? - within);
        done += here;
        (here > 0).then_some((at / BLOCK_BYTES, within, here))
    })
}

impl StorageBackend for StandIn {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let over = self.lock();
        if offset + out.len() as u64 > over.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut done = 0;
        for (number, within, here) in blocks(offset, out.len()) {
            out[done..done + here].copy_from_slice(&self.block(&over, number)?[within..within + here]);
            done += here;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut over = self.lock();
        if len < over.len {
            // What is cut off does not come back when it grows again.
            let last = len / BLOCK_BYTES;
            let mut block = self.block(&over, last)?;
            block[usize_of(len % BLOCK_BYTES)?..].fill(0);
            over.blocks.split_off(&last);
            over.blocks.insert(last, block);
            over.shows = over.shows.min(len);
        }
        over.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut over = self.lock();
        if offset + data.len() as u64 > over.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut done = 0;
        for (number, within, here) in blocks(offset, data.len()) {
            let mut block = self.block(&over, number)?;
            block[within..within + here].copy_from_slice(&data[done..done + here]);
            over.blocks.insert(number, block);
            done += here;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;

    /// Against the same steps done to a plain vector.
    #[test]
    fn a_stand_in_reads_as_the_file_would_and_leaves_the_file_alone() {
        let under = Arc::new(InMemoryBackend::new());
        under.set_len(20_000).unwrap();
        under.write(0, &[7; 20_000]).unwrap();
        let stand_in = StandIn::over(Some(under.clone())).unwrap();
        let mut plain = vec![7_u8; 20_000];
        let mut random = fastrand::Rng::with_seed(1);
        for step in 0..2000 {
            if random.u8(0..10) == 0 {
                let len = random.usize(1..30_000);
                stand_in.set_len(len as u64).unwrap();
                plain.resize(len, 0);
            }
            let start = random.usize(0..plain.len());
            let end = random.usize(start..=plain.len().min(start + 9000));
            let data: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(end - start).collect();
            stand_in.write(start as u64, &data).unwrap();
            plain[start..end].copy_from_slice(&data);
            let mut read = vec![0; plain.len()];
            stand_in.read(0, &mut read).unwrap();
            assert!(read == plain, "step {step}");
        }
        let mut file = vec![0; 20_000];
        under.read(0, &mut file).unwrap();
        assert_eq!(file, [7; 20_000]);
    }
}
