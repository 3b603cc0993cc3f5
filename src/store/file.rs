//! One of the two files: opened, looked through, set aside where it is damaged, and opened anew after a failure.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use redb::backends::FileBackend;
use redb::{Builder, Database, Durability, ReadTransaction, ReadableDatabase, StorageBackend};

use super::apply::{Along, Apply, Changed};
use super::batch::Op;
use super::error::{Fault, shielded};
use super::sweep::{self, RowAside};
use super::tables::Part;
use super::{Opening, StoreError};

/// How much of a file redb may keep in memory: the whole of what is hot, on a box with little.
const CACHE_BYTES: usize = 4 << 20;
/// How many damaged files of one name may lie about before somebody has to look.
const DAMAGED_MAX: u32 = 1000;
/// The files hold names and addresses of people: they are the gateway's alone. Others ask it over the socket.
pub(super) const FILE_MODE: u32 = 0o600;

/// Where a file's bytes are.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// On disk.
    Path(PathBuf),
    /// In a simulation's hands.
    Backend(Arc<dyn StorageBackend>),
}

/// A backend that outlives the database on it, so that the database can be opened anew after a failure.
#[derive(Debug)]
struct Shared(Arc<dyn StorageBackend>);

impl StorageBackend for Shared {
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

/// Every page's checksum is verified at each open (0003-two-stores), so that damage is an error here and not a wrong
/// value later.
pub(super) fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}

impl Source {
    fn attach(&self) -> Result<Database, Fault> {
        shielded(|| match self {
            Source::Path(path) => Ok(builder().open(path)?),
            Source::Backend(backend) => Ok(builder().create_with_backend(Shared(backend.clone()))?),
        })
    }

    /// How many bytes there are; `None`: no file.
    fn len(&self) -> io::Result<Option<u64>> {
        match self {
            Source::Path(path) => match fs::metadata(path) {
                Ok(meta) => Ok(Some(meta.len())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            },
            // Nothing was ever written to it: what no file is to a directory.
            Source::Backend(backend) => Ok(Some(backend.len()?).filter(|&len| len > 0)),
        }
    }
}

/// An open file. Its readers may be many, its writer is one at a time.
#[derive(Debug)]
pub(super) struct File {
    part: Part,
    source: Source,
    /// `None` after a failure, until the next use opens it anew.
    db: RwLock<Option<Database>>,
    writing: Mutex<Along>,
    /// After a failed commit: what is read back may be what never reached the disk, so the next commit is made even
    /// where it changes nothing.
    unsure: AtomicBool,
    pub(super) counts: Counts,
}

/// What a file has done in this run.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) commits: AtomicU64,
    pub(super) rows: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) failures: AtomicU64,
}

/// What stands in the way of using a file as it is.
enum Trouble {
    Damage(String),
    Stop(StoreError),
}

impl File {
    /// Opens the file, makes it where there is none, or sets it aside and makes it anew where it is damaged.
    pub(super) fn open(part: Part, source: Source) -> Result<(File, Opening, Vec<RowAside>), StoreError> {
        let len = source.len().map_err(|error| disk("look at", &path_of(part, &source), error))?;
        let found = match len {
            None => None,
            Some(0) => Some(Err(Trouble::Damage("it is empty".to_owned()))),
            Some(_) => Some(existing(part, &source)),
        };
        let (db, opening, aside) = match found {
            None => (create(part, &source)?, Opening::Fresh, Vec::new()),
            Some(Ok((db, aside))) => (db, Opening::Kept, aside),
            Some(Err(Trouble::Stop(error))) => return Err(error),
            Some(Err(Trouble::Damage(why))) => {
                let to = set_aside(part, &source)?;
                (create(part, &source)?, Opening::SetAside { to, why }, Vec::new())
            }
        };
        let file = File {
            part,
            source,
            db: RwLock::new(Some(db)),
            writing: Mutex::default(),
            unsure: AtomicBool::new(false),
            counts: Counts::default(),
        };
        Ok((file, opening, aside))
    }

    /// Reads within one transaction: what is seen is of one moment.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        self.revive()?;
        let result = {
            let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
            match db.as_ref() {
                Some(db) => shielded(|| work(&db.begin_read()?)),
                // The writer failed in between.
                None => Err(Fault::Refused(redb::Error::DatabaseClosed)),
            }
        };
        result.map_err(|fault| {
            // redb answers nothing more after a failed read either.
            self.shut();
            StoreError::Read { part: self.part, source: Arc::new(fault) }
        })
    }

    /// Does the steps in one transaction and syncs it, unless they change nothing. An error undoes all of them, as
    /// far as can be known, and leaves the file ready for another try.
    pub(super) fn write<'op>(&self, ops: impl Iterator<Item = &'op Op>) -> Result<(), StoreError> {
        let mut along = self.along();
        let result = self.revive().and_then(|()| self.transact(ops, &mut along));
        if result.is_err() {
            self.counts.failures.fetch_add(1, Ordering::Relaxed);
        }
        result
    }

    /// Writes what has been waiting for a reason: at an orderly end.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        let waiting = !self.along().is_empty();
        if !waiting {
            return Ok(());
        }
        self.unsure.store(true, Ordering::Relaxed);
        self.write(std::iter::empty())
    }

    /// The directory that it lies in; `None` for one that is no file.
    pub(super) fn directory(&self) -> Option<&Path> {
        match &self.source {
            Source::Path(path) => path.parent(),
            Source::Backend(_) => None,
        }
    }

    /// How many bytes it takes; `None` where that can't be told.
    pub(super) fn bytes(&self) -> Option<u64> {
        self.source.len().ok().flatten()
    }

    /// A value that waits to go along, if one does.
    pub(super) fn waiting(&self, table: super::tables::Table, key: &[u8]) -> Option<Vec<u8>> {
        self.along().get(&(table, key.to_vec())).cloned()
    }

    fn along(&self) -> MutexGuard<'_, Along> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn transact<'op>(&self, ops: impl Iterator<Item = &'op Op>, along: &mut Along) -> Result<(), StoreError> {
        let anyway = self.unsure.load(Ordering::Relaxed);
        let mut waiting = along.clone();
        let result = {
            let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
            match db.as_ref() {
                Some(db) => shielded(|| commit(db, ops, &mut waiting, anyway)),
                None => Err(Fault::Refused(redb::Error::DatabaseClosed)),
            }
        };
        match result {
            Ok(changed) => {
                *along = waiting;
                self.unsure.store(false, Ordering::Relaxed);
                if let Some(changed) = changed {
                    self.counts.commits.fetch_add(1, Ordering::Relaxed);
                    self.counts.rows.fetch_add(changed.rows, Ordering::Relaxed);
                    self.counts.bytes.fetch_add(changed.bytes, Ordering::Relaxed);
                }
                Ok(())
            }
            Err(fault) => {
                self.unsure.store(true, Ordering::Relaxed);
                self.shut();
                Err(StoreError::Write { part: self.part, source: Arc::new(fault) })
            }
        }
    }

    /// Opens the file anew where a failure shut it.
    fn revive(&self) -> Result<(), StoreError> {
        if self.db.read().unwrap_or_else(PoisonError::into_inner).is_some() {
            return Ok(());
        }
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        if db.is_none() {
            *db = Some(self.source.attach().map_err(|fault| match fault.is_damage() {
                true => StoreError::Damaged { part: self.part, why: fault.to_string() },
                false => StoreError::Open { part: self.part, source: Arc::new(fault) },
            })?);
        }
        Ok(())
    }

    fn shut(&self) {
        let db = self.db.write().unwrap_or_else(PoisonError::into_inner).take();
        // What closing has to say of a file that has just failed adds nothing.
        let _ = shielded(|| {
            drop(db);
            Ok(())
        });
    }
}

impl Drop for File {
    fn drop(&mut self) {
        self.shut();
    }
}

fn commit<'op>(
    db: &Database,
    ops: impl Iterator<Item = &'op Op>,
    along: &mut Along,
    anyway: bool,
) -> Result<Option<Changed>, redb::Error> {
    let mut txn = db.begin_write()?;
    // The default, said aloud: when this returns, it is on the disk. One sync; quick repair would need two.
    txn.set_durability(Durability::Immediate)?;
    let changed = Apply::new(&txn).run(ops, along, anyway)?;
    if changed.rows == 0 && !anyway {
        txn.abort()?;
        return Ok(None);
    }
    txn.commit()?;
    Ok(Some(changed))
}

/// Opens a file that is there and looks through it.
fn existing(part: Part, source: &Source) -> Result<(Database, Vec<RowAside>), Trouble> {
    let trouble = |fault: Fault| {
        if fault.is_in_use() {
            let path = path_of(part, source);
            Trouble::Stop(StoreError::InUse { dir: path.parent().unwrap_or(&path).to_owned() })
        } else if fault.is_damage() {
            Trouble::Damage(fault.to_string())
        } else {
            Trouble::Stop(StoreError::Open { part, source: Arc::new(fault) })
        }
    };
    let db = source.attach().map_err(trouble)?;
    match shielded(|| sweep::identify(&db, part)).map_err(trouble)? {
        sweep::Identity::Ours => {}
        sweep::Identity::Newer { found, known } => return Err(Trouble::Stop(StoreError::Newer { part, found, known })),
        sweep::Identity::Foreign(why) => return Err(Trouble::Damage(why)),
    }
    let bad = shielded(|| sweep::undecodable(&db, part)).map_err(trouble)?;
    if bad.is_empty() {
        return Ok((db, bad));
    }
    if let Err(fault) = shielded(|| sweep::move_aside(&db, &bad)) {
        // A full disk, for instance. They are left out where they lie; the file is opened anew after the failure.
        tracing::warn!(%part, error = %fault, "rows that can't be decoded could not be moved aside");
        drop(db);
        return Ok((source.attach().map_err(trouble)?, bad));
    }
    Ok((db, bad))
}

/// Makes a new file: complete under another name first, so that a power cut at any moment leaves either no file or
/// a good one, and a file of 0 bytes is always damage.
fn create(part: Part, source: &Source) -> Result<Database, StoreError> {
    let failed = |fault: Fault| StoreError::Open { part, source: Arc::new(fault) };
    let Source::Path(path) = source else {
        let db = source.attach().map_err(failed)?;
        shielded(|| sweep::mark(&db, part)).map_err(failed)?;
        return Ok(db);
    };
    let new = path.with_extension("redb.new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(disk("remove", &new, error)),
        _ => {}
    }
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(FILE_MODE).open(&new);
    let file = file.map_err(|error| disk("create", &new, error))?;
    give_to_owner(&new).map_err(|error| disk("give to the owner of its directory", &new, error))?;
    shielded(|| {
        let db = builder().create_with_backend(FileBackend::new(file)?)?;
        sweep::mark(&db, part)?;
        Ok(db.close()?)
    })
    .map_err(failed)?;
    rename(&new, path)?;
    source.attach().map_err(failed)
}

/// Gives a new file to whom its directory belongs: a verb that root runs must not leave the service with a file that it
/// can't open. Whoever may not do so is no root, and made it for itself.
fn give_to_owner(path: &Path) -> io::Result<()> {
    let dir = fs::metadata(path.parent().unwrap_or(Path::new(".")))?;
    let file = fs::metadata(path)?;
    if (file.uid(), file.gid()) == (dir.uid(), dir.gid()) {
        return Ok(());
    }
    match std::os::unix::fs::chown(path, Some(dir.uid()), Some(dir.gid())) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        done => done,
    }
}

/// Puts a damaged file out of the way, never deletes it, and says where it is now.
fn set_aside(part: Part, source: &Source) -> Result<Option<PathBuf>, StoreError> {
    match source {
        Source::Path(path) => {
            for n in 1..=DAMAGED_MAX {
                let to = path.with_extension(format!("redb.damaged-{n}"));
                if fs::symlink_metadata(&to).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
                    rename(path, &to)?;
                    return Ok(Some(to));
                }
            }
            let full = io::Error::other(format!("{DAMAGED_MAX} damaged files lie there already"));
            Err(disk("set aside", path, full))
        }
        Source::Backend(backend) => {
            backend.set_len(0).map_err(|error| disk("clear", Path::new(part.file_name()), error))?;
            Ok(None)
        }
    }
}

pub(super) fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(|error| disk("rename", from, error))?;
    let dir = to.parent().unwrap_or(Path::new("."));
    fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| disk("sync", dir, error))
}

fn path_of(part: Part, source: &Source) -> PathBuf {
    match source {
        Source::Path(path) => path.clone(),
        Source::Backend(_) => PathBuf::from(part.file_name()),
    }
}

/// A failure of the file system.
pub(super) fn disk(doing: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Directory { doing, path: path.to_owned(), source: Arc::new(source) }
}
