//! A disk in memory that outlives the gateway on it and keeps no more than a disk does.
//!
//! What was written since the last sync may, when the power goes, be lost, be there, or be there in part, each write by
//! itself and each sector of it by itself, in any order; a length that was set is no different. A sync that fails
//! behaves as Linux does: what it did not write is read back as if it were there, and no later sync writes it.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastrand::Rng;
use redb::StorageBackend;

use super::medium::{Fate, Fault, Medium, no_power};

/// What a disk writes whole or not at all, as a rule. One write in some is torn inside all the same.
const SECTOR: usize = 512;
/// What room is handed out in.
const BLOCK: usize = 4096;

/// A disk. Clones are one.
#[derive(Clone, Debug)]
pub struct Disk {
    medium: Medium,
    bytes: Arc<Mutex<Bytes>>,
}

#[derive(Debug)]
struct Bytes {
    /// What a reader sees.
    now: Vec<u8>,
    /// What is on the platter for certain.
    kept: Vec<u8>,
    /// What came since, in order.
    pending: Vec<Pending>,
    /// Blocks that take room.
    blocks: BTreeSet<usize>,
    /// Decides what a failed sync has written.
    rng: Rng,
}

#[derive(Clone, Debug)]
enum Pending {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl Default for Disk {
    fn default() -> Disk {
        Disk::new()
    }
}

impl Disk {
    /// An empty one, on a medium of its own.
    pub fn new() -> Disk {
        Disk::holding(Vec::new(), &Medium::new())
    }

    /// One that holds these bytes, all of them synced.
    pub fn holding(bytes: Vec<u8>, medium: &Medium) -> Disk {
        let blocks: BTreeSet<usize> = (0..bytes.len().div_ceil(BLOCK)).collect();
        medium.take((blocks.len() * BLOCK) as u64);
        let rng = Rng::with_seed(bytes.len() as u64);
        let bytes = Bytes { now: bytes.clone(), kept: bytes, pending: Vec::new(), blocks, rng };
        Disk { medium: medium.clone(), bytes: Arc::new(Mutex::new(bytes)) }
    }

    /// What goes wrong on it, and when.
    pub fn medium(&self) -> &Medium {
        &self.medium
    }

    /// All that a reader sees.
    ///
    /// # Errors
    /// Never; another storage might have cause.
    pub fn bytes(&self) -> io::Result<Vec<u8>> {
        Ok(self.lock().now.clone())
    }

    /// What the platter holds if the power goes now: one of the many things that it may be.
    pub fn cut(&self, rng: &mut Rng) -> Vec<u8> {
        let bytes = self.lock();
        let mut platter = bytes.kept.clone();
        settle(&mut platter, &bytes.pending, rng);
        platter
    }

    /// The disk as the next start finds it, on a medium of its own.
    pub fn after_cut(&self, rng: &mut Rng) -> Disk {
        Disk::holding(self.cut(rng), &Medium::new())
    }

    fn lock(&self) -> MutexGuard<'_, Bytes> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Brings some of what is pending onto the platter: what the cache of a disk does of its own accord.
fn settle(platter: &mut Vec<u8>, pending: &[Pending], rng: &mut Rng) {
    let mut pending: Vec<&Pending> = pending.iter().collect();
    match rng.u8(0..8) {
        0 => pending.clear(),
        1 => {
            pending.iter().for_each(|step| step.apply(platter));
            return;
        }
        2 => pending.truncate(rng.usize(0..=pending.len())),
        3 | 4 => pending.retain(|_| rng.bool()),
        _ => {
            pending.retain(|_| rng.u8(0..8) > 0);
            rng.shuffle(&mut pending);
        }
    }
    // A length that is not there yet hides what was written behind it.
    let mut lengths = pending.iter().filter_map(|step| match step {
        Pending::Length(length) => Some(*length),
        Pending::Write(..) => None,
    });
    let length = lengths.next_back().unwrap_or(platter.len());
    platter.resize(length, 0);
    let torn = rng.u8(0..4);
    for step in pending {
        let Pending::Write(offset, data) = step else { continue };
        for piece in sectors(*offset, data.len()) {
            let mut piece = piece.start - offset..piece.end - offset;
            match torn {
                0 => {}
                _ if rng.u8(0..16) == 0 => {
                    let middle = rng.usize(piece.clone());
                    piece = if rng.bool() { piece.start..middle } else { middle..piece.end };
                }
                1 if rng.u8(0..8) == 0 => continue,
                2 if rng.bool() => continue,
                _ => {}
            }
            let end = (offset + piece.end).min(platter.len());
            let start = (offset + piece.start).min(end);
            platter[start..end].copy_from_slice(&data[piece.start..piece.start + (end - start)]);
        }
    }
}

/// The parts of a span that lie in one sector each.
fn sectors(offset: usize, len: usize) -> impl Iterator<Item = Range<usize>> {
    let end = offset + len;
    (offset / SECTOR..end.div_ceil(SECTOR))
        .map(move |sector| (sector * SECTOR).max(offset)..((sector + 1) * SECTOR).min(end))
}

impl Pending {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Pending::Write(offset, data) => {
                let end = offset + data.len();
                bytes.resize(bytes.len().max(end), 0);
                bytes[*offset..end].copy_from_slice(data);
            }
            Pending::Length(length) => bytes.resize(*length, 0),
        }
    }
}

impl Bytes {
    fn take(&mut self, step: Pending) {
        step.apply(&mut self.now);
        self.pending.push(step);
    }

    /// Room for that span: how much of it there is.
    fn room_for(&mut self, medium: &Medium, offset: usize, len: usize) -> usize {
        for block in offset / BLOCK..(offset + len).div_ceil(BLOCK) {
            if !self.blocks.contains(&block) {
                let there = medium.take(BLOCK as u64);
                if there < BLOCK as u64 {
                    medium.give_back(there);
                    return (block * BLOCK).saturating_sub(offset);
                }
                self.blocks.insert(block);
            }
        }
        len
    }
}

fn usize_of(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(io::Error::other)
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.medium.reads()?;
        Ok(self.lock().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.medium.reads()?;
        let bytes = self.lock();
        let from = usize_of(offset)?;
        let part = bytes.now.get(from..from + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(part);
        Ok(())
    }

    /// As with a file: it takes no room before something is written there.
    fn set_len(&self, len: u64) -> io::Result<()> {
        let fate = self.medium.write()?;
        let mut bytes = self.lock();
        if let Fate::Fails(fault) = fate {
            return Err(fault.error());
        }
        let len = usize_of(len)?;
        let gone = bytes.blocks.split_off(&len.div_ceil(BLOCK));
        self.medium.give_back((gone.len() * BLOCK) as u64);
        bytes.take(Pending::Length(len));
        if matches!(fate, Fate::Last) { Err(no_power()) } else { Ok(()) }
    }

    fn sync_data(&self) -> io::Result<()> {
        let fate = self.medium.sync()?;
        let mut bytes = self.lock();
        let bytes = &mut *bytes;
        let pending = std::mem::take(&mut bytes.pending);
        match fate {
            Fate::Fails(fault) => {
                settle(&mut bytes.kept, &pending, &mut bytes.rng);
                Err(fault.error())
            }
            Fate::Done | Fate::Last => {
                // The length is not lost by a failed sync: it stays to be written, as the inode does.
                pending.iter().for_each(|step| step.apply(&mut bytes.kept));
                bytes.kept.resize(bytes.now.len(), 0);
                if matches!(fate, Fate::Last) { Err(no_power()) } else { Ok(()) }
            }
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let fate = self.medium.write()?;
        let mut bytes = self.lock();
        let offset = usize_of(offset)?;
        if offset + data.len() > bytes.now.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (there, fault) = match fate {
            // Some of it may have been written before it failed.
            Fate::Fails(fault) => (bytes.rng.usize(0..=data.len()), Some(fault)),
            Fate::Done | Fate::Last => {
                let there = bytes.room_for(&self.medium, offset, data.len());
                (there, (there < data.len()).then_some(Fault::Full))
            }
        };
        bytes.take(Pending::Write(offset, data[..there].to_vec()));
        match (fate, fault) {
            (Fate::Last, _) => Err(no_power()),
            (_, Some(fault)) => Err(fault.error()),
            (_, None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::medium::{Failing, Moment};

    fn seeds() -> impl Iterator<Item = Rng> {
        (0..500).map(Rng::with_seed)
    }

    fn filled(disk: &Disk, bytes: &[u8]) {
        disk.set_len(bytes.len() as u64).unwrap();
        disk.write(0, bytes).unwrap();
    }

    #[test]
    fn what_was_synced_is_there_after_every_cut_and_nothing_that_was_never_written() {
        let disk = Disk::new();
        filled(&disk, &[1; 4 * SECTOR]);
        disk.sync_data().unwrap();
        disk.write(SECTOR as u64, &[2; 2 * SECTOR]).unwrap();
        for mut rng in seeds() {
            let platter = disk.cut(&mut rng);
            assert_eq!(platter.len(), 4 * SECTOR);
            assert_eq!((&platter[..SECTOR], &platter[3 * SECTOR..]), (&[1; SECTOR][..], &[1; SECTOR][..]));
            assert!(platter.iter().all(|byte| [1, 2].contains(byte)));
        }
    }

    #[test]
    fn a_cut_loses_keeps_tears_and_reorders_what_was_not_synced() {
        let disk = Disk::new();
        filled(&disk, &[1; 4 * SECTOR]);
        disk.sync_data().unwrap();
        disk.write(0, &[2; 2 * SECTOR]).unwrap();
        disk.write(0, &[3; 2 * SECTOR]).unwrap();
        disk.set_len(8 * SECTOR as u64).unwrap();
        disk.write(6 * SECTOR as u64, &[4; SECTOR]).unwrap();
        let found: Vec<Vec<u8>> = seeds().map(|mut rng| disk.cut(&mut rng)).collect();
        let any = |what: &dyn Fn(&[u8]) -> bool| found.iter().any(|platter| what(platter));
        assert!(any(&|platter| platter == [1; 4 * SECTOR]), "lost whole");
        assert!(any(&|platter| platter == disk.bytes().unwrap()), "kept whole");
        assert!(any(&|platter| platter[0] == 1 && platter[SECTOR] == 3), "torn between sectors");
        assert!(any(&|platter| platter[0] > 1 && platter[SECTOR - 1] == 1), "torn in a sector");
        assert!(any(&|platter| platter[0] == 2), "the later write came first, or was lost");
        assert!(any(&|platter| platter.len() == 8 * SECTOR && platter[6 * SECTOR] == 0), "longer, and nothing in it");
    }

    #[test]
    fn power_goes_at_each_step_that_is_asked_for_and_nothing_gets_through_after_it() {
        let run = |moment: Option<Moment>| {
            let disk = Disk::new();
            let told = Arc::new(Mutex::new(0));
            let heard = told.clone();
            if let Some(moment) = moment {
                disk.medium().cut_at(moment, move || *heard.lock().unwrap() += 1);
            }
            let done = || {
                disk.set_len(SECTOR as u64)?;
                disk.write(0, &[1; SECTOR])?;
                disk.sync_data()?;
                disk.write(0, &[2; SECTOR])?;
                disk.sync_data()
            };
            let done: io::Result<()> = done();
            let told = *told.lock().unwrap();
            (done.is_ok(), told, disk)
        };
        let (whole, _, disk) = run(None);
        let steps = disk.medium().steps();
        assert!(whole && (steps.writes, steps.syncs) == (3, 2));
        let writes = (1..=steps.writes).map(Moment::Write);
        let syncs = (1..=steps.syncs).flat_map(|n| [Moment::BeforeSync(n), Moment::AfterSync(n)]);
        for moment in writes.chain(syncs) {
            let (whole, told, disk) = run(Some(moment));
            assert!(!whole && told == 1, "{moment:?}");
            assert!(disk.read(0, &mut []).is_err() && disk.write(0, &[]).is_err(), "{moment:?}");
            let kept: Vec<u8> = disk.lock().kept.clone();
            let expected: &[u8] = match moment {
                Moment::AfterSync(2) => &[2; SECTOR],
                Moment::AfterSync(1) | Moment::BeforeSync(2) | Moment::Write(3) => &[1; SECTOR],
                _ => &[],
            };
            assert_eq!(kept, expected, "{moment:?}");
        }
    }

    /// As Linux does it: after a failed sync the next one has nothing to say of what that one lost.
    #[test]
    fn what_a_failed_sync_lost_is_read_back_and_never_written() {
        let mut lost = 0;
        for seed in 0..200 {
            let disk = Disk::new();
            disk.lock().rng = Rng::with_seed(seed);
            filled(&disk, &[1; SECTOR]);
            disk.sync_data().unwrap();
            disk.write(0, &[2; SECTOR]).unwrap();
            disk.medium().fail(Some(Failing { fault: Fault::Io, from_write: None, from_sync: Some(2), steps: 1 }));
            assert_eq!(disk.sync_data().unwrap_err().raw_os_error(), Some(5));
            assert_eq!(disk.bytes().unwrap(), [2; SECTOR]);
            disk.sync_data().unwrap();
            lost += usize::from(disk.cut(&mut Rng::with_seed(1)) == [1; SECTOR]);
            disk.write(0, &[2; SECTOR]).unwrap();
            disk.sync_data().unwrap();
            assert_eq!(disk.cut(&mut Rng::with_seed(1)), [2; SECTOR]);
        }
        assert!((20..180).contains(&lost), "{lost}");
    }

    #[test]
    fn a_full_disk_takes_writes_where_there_is_room_already() {
        let disk = Disk::new();
        disk.medium().leave_room(Some(BLOCK as u64));
        disk.set_len(2 * BLOCK as u64).unwrap();
        disk.write(0, &[1; BLOCK]).unwrap();
        assert_eq!(disk.write(BLOCK as u64 - 10, &[2; 20]).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(disk.bytes().unwrap()[BLOCK - 11..BLOCK + 1], [1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 0]);
        disk.write(0, &[3; BLOCK]).unwrap();
        disk.medium().leave_room(None);
        disk.write(BLOCK as u64 - 10, &[2; 20]).unwrap();
        assert_eq!(disk.medium().used(), 2 * BLOCK as u64);
    }
}
