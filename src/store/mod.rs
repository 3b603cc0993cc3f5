//! What is kept on the box: the cache of both clouds, the ledger of what is ours, and the outbox.
//!
//! Two redb files in `store.directory` (0003-two-stores): `cache.redb`, which can be read again from the clouds, and
//! `ledger.redb`, which can't. What goes in is a [`Batch`]; [`Store::commit`] returns when it is on the disk. What
//! comes out are the domain's own values. This room knows those values and redb, decides nothing, and reads no clock.
//!
//! - Batches that come while one is being written share a transaction and a sync.
//! - A batch that changes nothing that is not there already makes no sync.
//! - A failed commit leaves the store usable: the same batch may be committed again.
//! - A disk that is full or read-only stops no start: what is there is read, and [`Store::trouble`] says what is wrong.
//! - A damaged file is set aside under another name and made anew; a damaged row is moved into the table `aside`. Both
//!   are told in [`Opened`], or in [`Store::losses`] where they are found later; neither is ever deleted.

mod apply;
pub mod backup;
mod batch;
mod error;
mod file;
mod load;
mod source;
mod standin;
mod sweep;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::TryLockError;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::StorageBackend;
use redb::backends::InMemoryBackend;

pub use batch::Batch;
pub use error::{Fault, StoreError};
use file::{File, Memory};
pub use load::{EventQuery, OutboxState};
use source::{Source, disk};
pub use sweep::RowAside;
pub use tables::{Key, Part};
use writer::{Files, Writer};

/// How a directory is made: its group may come in, to reach the socket. The files in it are 0600.
const DIRECTORY_MODE: u32 = 0o750;

/// How a file was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// There was none: it was made.
    Fresh,
    /// As it was left.
    Kept,
    /// It was damaged: it was put out of the way and made anew.
    SetAside {
        /// Where the damaged one is now; `None` where it was not a file (a simulation's backend, which is cleared).
        to: Option<PathBuf>,
        /// What was wrong with it.
        why: String,
    },
}

impl From<sweep::Lost> for Opening {
    fn from(lost: sweep::Lost) -> Opening {
        Opening::SetAside { to: lost.to, why: lost.why }
    }
}

/// How the store was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The cache.
    pub cache: Opening,
    /// The ledger.
    pub ledger: Opening,
    /// Rows that could not be used and were set aside.
    pub aside: Vec<RowAside>,
}

impl Opened {
    /// Whether a ledger was lost: found damaged, or gone although the cache is there. Then what is ours in Kisi is not
    /// known, and rows that our key made are candidates only (rules 5, Ours).
    pub fn ledger_lost(&self) -> bool {
        match self.ledger {
            Opening::Kept => false,
            Opening::SetAside { .. } => true,
            Opening::Fresh => self.cache != Opening::Fresh,
        }
    }
}

/// What the store has done in this run, and how large it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Batches committed, without those that were empty.
    pub batches: u64,
    /// Transactions that were synced.
    pub commits: u64,
    /// Rows put or deleted in them.
    pub rows: u64,
    /// Bytes of keys and values put in them. The disk saw more: whole pages.
    pub bytes: u64,
    /// Transactions that failed.
    pub failures: u64,
    /// Bytes that the cache takes; `None` where that can't be told.
    pub cache_bytes: Option<u64>,
    /// Bytes that the ledger takes; `None` where that can't be told.
    pub ledger_bytes: Option<u64>,
}

/// A file whose last use failed.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// Which.
    pub part: Part,
    /// Why.
    pub why: StoreError,
    /// How many transactions of it have failed in this run.
    pub failures: u64,
}

/// The store. Cheap to clone; the files are closed when the last clone goes.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

/// Fields are dropped in this order: the writer ends first, the directory is let go of last.
#[derive(Debug)]
struct Inner {
    /// `None`: commits are made where they are asked for.
    writer: Option<Writer>,
    files: Arc<Files>,
    batches: AtomicU64,
    /// Locked for as long as the store is open. The lock is the kernel's: it ends with the process, however that ends.
    _dir: Option<std::fs::File>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.writer.is_none() {
            self.files.flush();
        }
    }
}

impl Store {
    /// Opens the store in `dir`, makes what is not there (the directory 0750, the files 0600), and sets aside what is
    /// damaged. Blocking; about 15 ms for each 30,000 rows, after a kill as well.
    ///
    /// # Errors
    /// [`StoreError::InUse`] where another process holds it, [`StoreError::Newer`] where a later version wrote it, and
    /// [`StoreError::Directory`] or [`StoreError::Open`] where the disk refuses.
    pub fn open(dir: &Path) -> Result<(Store, Opened), StoreError> {
        source::make_directory(dir, DIRECTORY_MODE)?;
        let lock = lock(dir)?;
        let path = |part: Part| Source::Path(dir.join(part.file_name()));
        let (files, opened) = open_both(path(Part::Cache), path(Part::Ledger))?;
        let files = Arc::new(files);
        let writer = Writer::start(files.clone()).map_err(|error| disk("start a thread for", dir, error))?;
        Ok((Store::with(Some(writer), files, Some(lock)), opened))
    }

    /// A store that is nowhere but in memory. Commits are made at once on the task that asks, without a thread, so
    /// that it works on tokio's paused time.
    ///
    /// # Errors
    /// As [`Store::on_backends`]; memory gives no cause for any.
    pub fn in_memory() -> Result<Store, StoreError> {
        Ok(Store::on_backends(InMemoryBackend::new(), InMemoryBackend::new())?.0)
    }

    /// Looks at the store in `dir` and touches nothing of it: what is damaged is read as if it were new, and stays where
    /// it is. Whatever is committed goes to memory alone. Not for a store that somebody writes to meanwhile.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn peek(dir: &Path) -> Result<(Store, Opened), StoreError> {
        let over = |part: Part| source::stand_in_for(&dir.join(part.file_name()));
        Store::on_backends(over(Part::Cache)?, over(Part::Ledger)?)
    }

    /// A store on storage of the caller's, which can lose or tear what was not synced. Commits are made as for
    /// [`Store::in_memory`]. A backend of 0 bytes is a fresh one; a damaged one is cleared and made anew. `close` and
    /// the locks of the backends are not used.
    ///
    /// # Errors
    /// As [`Store::open`], without [`StoreError::InUse`].
    pub fn on_backends(cache: impl StorageBackend, ledger: impl StorageBackend) -> Result<(Store, Opened), StoreError> {
        let (files, opened) = open_both(Source::Backend(Arc::new(cache)), Source::Backend(Arc::new(ledger)))?;
        Ok((Store::with(None, Arc::new(files), None), opened))
    }

    fn with(writer: Option<Writer>, files: Arc<Files>, dir: Option<std::fs::File>) -> Store {
        Store(Arc::new(Inner { writer, files, batches: AtomicU64::new(0), _dir: dir }))
    }

    /// Keeps a batch: when this returns, it is on the disk. An empty one costs nothing; one that changes nothing that
    /// is not there already costs a look and no sync. Dropped while it waits, it may still be committed.
    ///
    /// # Errors
    /// [`StoreError::Write`] or another where it could not be written. Then nothing of it counts as kept, though it
    /// may be found kept later; the same batch may be committed again, and comes to the same.
    pub async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        match &self.0.writer {
            Some(writer) => writer.commit(batch).await?,
            None => self.0.files.commit(std::slice::from_ref(&batch)).into_iter().collect::<Result<(), _>>()?,
        }
        self.0.batches.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Why a file could not be read or written when that was last tried; `None`: all is well.
    pub fn trouble(&self) -> Option<StoreError> {
        self.troubles().into_iter().next().map(|trouble| trouble.why)
    }

    /// The same of each file, the ledger first.
    pub fn troubles(&self) -> Vec<Trouble> {
        let of = |(part, file): (Part, &File)| {
            let why = file.trouble()?;
            Some(Trouble { part, why, failures: file.counts.failures.load(Ordering::Relaxed) })
        };
        [(Part::Ledger, self.ledger()), (Part::Cache, self.cache())].into_iter().filter_map(of).collect()
    }

    /// Tries again where the last use of a file failed: a disk that was full may have room. [`Store::trouble`] says what
    /// came of it.
    pub async fn retry(&self) {
        // A file that fails again keeps that as its trouble.
        let _ = self.commit(Batch { retry: true, ..Batch::default() }).await;
    }

    /// The files that were found damaged while they were in use, since this was last asked: each was set aside and
    /// written anew by heart.
    pub fn losses(&self) -> Vec<(Part, Opening)> {
        let of = |part: Part, file: &File| file.losses().into_iter().map(move |opening| (part, opening));
        of(Part::Ledger, self.ledger()).chain(of(Part::Cache, self.cache())).collect()
    }

    /// What is known by heart of each file: after a failed commit, and where a file is lost while it is in use, the
    /// next commit writes all of it. Asked while the file is being written, so it must not ask the store anything.
    pub fn remember(&self, memory: impl Fn(Part) -> Batch + Send + Sync + 'static) {
        // Said once, by the one engine that the store belongs to.
        let _ = self.0.files.memory.set(Box::new(memory));
    }

    /// What the store has done in this run.
    pub fn stats(&self) -> Stats {
        let files = [self.cache(), self.ledger()];
        let sum = |count: fn(&file::Counts) -> &AtomicU64| -> u64 {
            files.iter().map(|file| count(&file.counts).load(Ordering::Relaxed)).sum()
        };
        Stats {
            batches: self.0.batches.load(Ordering::Relaxed),
            commits: sum(|counts| &counts.commits),
            rows: sum(|counts| &counts.rows),
            bytes: sum(|counts| &counts.bytes),
            failures: sum(|counts| &counts.failures),
            cache_bytes: self.cache().bytes(),
            ledger_bytes: self.ledger().bytes(),
        }
    }

    fn cache(&self) -> &File {
        &self.0.files.cache
    }

    fn ledger(&self) -> &File {
        &self.0.files.ledger
    }
}

/// Holds the store's directory for as long as what comes back lives.
fn lock(dir: &Path) -> Result<std::fs::File, StoreError> {
    let lock = std::fs::File::open(dir).map_err(|error| disk("open", dir, error))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(StoreError::InUse { dir: dir.to_owned() }),
        // A file system without such locks: redb's own on each file are left.
        Err(TryLockError::Error(error)) => tracing::debug!(%error, "the store's directory can't be locked"),
    }
    Ok(lock)
}

fn open_both(cache: Source, ledger: Source) -> Result<(Files, Opened), StoreError> {
    let memory = Memory::default();
    let (ledger, ledger_opening, ledger_aside) = File::open(Part::Ledger, ledger, memory.clone())?;
    let (cache, cache_opening, cache_aside) = File::open(Part::Cache, cache, memory.clone())?;
    let aside = ledger_aside.into_iter().chain(cache_aside).collect();
    Ok((Files { cache, ledger, memory }, Opened { cache: cache_opening, ledger: ledger_opening, aside }))
}
