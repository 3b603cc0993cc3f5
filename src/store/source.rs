//! Where a file's bytes are: reached, made, put out of the way, and handed to the disk again after a failed sync.
//!
//! What a power cut may leave at each step, and why the gateway starts from it: 0013-power-cuts.

use std::fs::{self, OpenOptions};
use std::io;
use std::ops::Bound;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::backends::{FileBackend, InMemoryBackend};
use redb::{BackendError, Builder, Database, StorageBackend};

use super::StoreError;
use super::error::{Fault, shielded};
use super::standin::StandIn;
use super::sweep::Lost;
use super::tables::Part;

/// How much of a file redb may keep in memory: the whole of what is hot, on a box with little.
const CACHE_BYTES: usize = 1 << 20;
/// How many damaged files of one name may lie about before somebody has to look.
const DAMAGED_MAX: u32 = 1000;
/// The files hold names and addresses of people: they are the gateway's alone. Others ask it over the socket.
pub(super) const FILE_MODE: u32 = 0o600;
/// What is handed to the disk at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// Where a file's bytes are.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// On disk.
    Path(PathBuf),
    /// In a simulation's hands.
    Backend(Arc<dyn StorageBackend>),
}

/// What the disk refused to take of a file.
#[derive(Debug, Default)]
pub(super) struct Wear {
    /// A sync failed. Linux then forgets what it had to write: it is read back as if it were there, and no later sync
    /// writes it.
    unsynced: AtomicBool,
    /// A write, a growth or a sync failed since the file was last attached.
    refused: AtomicBool,
}

/// A backend that outlives the database on it, and notes what is refused.
#[derive(Debug)]
struct Shared {
    under: Arc<dyn StorageBackend>,
    /// Its locks and its end are redb's to use.
    whole: bool,
    wear: Arc<Wear>,
}

impl Shared {
    fn noted(&self, done: io::Result<()>) -> io::Result<()> {
        if done.is_err() {
            self.wear.refused.store(true, Ordering::Relaxed);
        }
        done
    }

    /// Hands every byte to the disk again, so that the next sync has to do with all of them.
    fn hand_over_again(&self) -> io::Result<()> {
        let len = self.len()?;
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut offset = 0;
        while offset < len {
            let rest = usize::try_from(len - offset).unwrap_or(CHUNK_BYTES);
            let part = &mut chunk[..rest.min(CHUNK_BYTES)];
            self.read(offset, part)?;
            match self.write(offset, part) {
                // A hole, where nothing was ever written: there is nothing to be written again.
                Err(error) if error.kind() == io::ErrorKind::StorageFull && part.iter().all(|byte| *byte == 0) => {}
                written => written?,
            }
            offset += part.len() as u64;
        }
        self.sync_data()
    }
}

impl StorageBackend for Shared {
    fn len(&self) -> io::Result<u64> {
        self.under.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.under.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.noted(self.under.set_len(len))
    }
    fn sync_data(&self) -> io::Result<()> {
        let done = self.noted(self.under.sync_data());
        if done.is_err() {
            self.wear.unsynced.store(true, Ordering::Relaxed);
        }
        done
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.noted(self.under.write(offset, data))
    }
    fn close(&self) -> io::Result<()> {
        if self.whole { self.under.close() } else { Ok(()) }
    }
    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        if self.whole { self.under.try_lock_range(start, end) } else { Err(BackendError::Unsupported) }
    }
    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        if self.whole { self.under.try_lock_shared_range(start, end) } else { Err(BackendError::Unsupported) }
    }
    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        if self.whole { self.under.lock_range(start, end) } else { Err(BackendError::Unsupported) }
    }
    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        if self.whole { self.under.lock_shared_range(start, end) } else { Err(BackendError::Unsupported) }
    }
    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        if self.whole { self.under.unlock_range(start, end) } else { Err(BackendError::Unsupported) }
    }
    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        if self.whole { self.under.query_lock_range(start, end) } else { Err(BackendError::Unsupported) }
    }
}

/// Every page's checksum is verified at each open (0003-two-stores), so that damage is an error here and not a wrong
/// value later.
pub(super) fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}

/// Fills a new file in its first transaction.
pub(super) type Fill<'a> = &'a dyn Fn(&Database) -> Result<(), redb::Error>;

impl Source {
    /// Opens the file that is there, for reading and writing.
    pub(super) fn attach(&self, wear: &Arc<Wear>) -> Result<Database, Fault> {
        wear.refused.store(false, Ordering::Relaxed);
        let attached = shielded(|| {
            let shared = self.shared(wear)?;
            if wear.unsynced.load(Ordering::Relaxed) {
                // Before redb's repair, which would take what is read for what is kept, and write that it is.
                shared.hand_over_again().map_err(redb::Error::Io)?;
                wear.unsynced.store(false, Ordering::Relaxed);
            }
            Ok(builder().create_with_backend(shared)?)
        });
        attached.map_err(|fault| match wear.refused.load(Ordering::Relaxed) {
            true => Fault::Unwritable(fault.to_string()),
            false => fault,
        })
    }

    fn shared(&self, wear: &Arc<Wear>) -> Result<Shared, redb::Error> {
        let (under, whole): (Arc<dyn StorageBackend>, bool) = match self {
            Source::Path(path) => {
                let file = OpenOptions::new().read(true).write(true).open(path).map_err(redb::Error::Io)?;
                (Arc::new(FileBackend::new(file)?), true)
            }
            Source::Backend(backend) => (backend.clone(), false),
        };
        Ok(Shared { under, whole, wear: wear.clone() })
    }

    /// Something to read from where the file can't be written: nothing that is done to it reaches the disk.
    pub(super) fn stand_in(&self) -> Result<Database, Fault> {
        shielded(|| {
            let under: Option<Arc<dyn StorageBackend>> = match (self.len().map_err(redb::Error::Io)?, self) {
                (None, _) => None,
                (Some(_), Source::Path(path)) => {
                    let file = fs::File::open(path).map_err(redb::Error::Io)?;
                    Some(Arc::new(FileBackend::new(file)?))
                }
                (Some(_), Source::Backend(backend)) => Some(backend.clone()),
            };
            let stand_in = StandIn::over(under).map_err(redb::Error::Io)?;
            Ok(builder().create_with_backend(stand_in)?)
        })
    }

    /// How many bytes there are; `None`: no file.
    pub(super) fn len(&self) -> io::Result<Option<u64>> {
        match self {
            Source::Path(path) => match fs::metadata(path) {
                Ok(meta) => Ok(Some(meta.len())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            },
            // What no file is to a directory: the first byte comes last when one is made.
            Source::Backend(backend) => {
                let mut first = [0];
                let len = backend.len()?;
                if len > 0 {
                    backend.read(0, &mut first)?;
                }
                Ok(Some(len).filter(|_| first != [0]))
            }
        }
    }

    /// Makes a new file: complete under another name first, so that a power cut at any moment leaves either no file or
    /// a good one, and a file of 0 bytes is always damage.
    pub(super) fn create(&self, part: Part, fill: Fill<'_>) -> Result<(), StoreError> {
        let failed = |fault: Fault| StoreError::Open { part, source: Arc::new(fault) };
        match self {
            Source::Path(path) => {
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
                    fill(&db)?;
                    Ok(db.close()?)
                })
                .map_err(failed)?;
                rename(&new, path)
            }
            Source::Backend(backend) => {
                let bytes = shielded(|| {
                    let memory = Arc::new(InMemoryBackend::new());
                    let shared = Shared { under: memory.clone(), whole: false, wear: Arc::default() };
                    let db = builder().create_with_backend(shared)?;
                    fill(&db)?;
                    db.close()?;
                    let len = memory.len().map_err(redb::Error::Io)?;
                    let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
                    memory.read(0, &mut bytes).map_err(redb::Error::Io)?;
                    Ok(bytes)
                })
                .map_err(failed)?;
                put(backend.as_ref(), &bytes).map_err(|error| disk("create", Path::new(part.file_name()), error))
            }
        }
    }

    /// Puts a damaged file out of the way, never deletes it, and says where it is now; `None`: a simulation's is not
    /// kept.
    pub(super) fn set_aside(&self, part: Part) -> Result<Option<PathBuf>, StoreError> {
        match self {
            Source::Path(path) => {
                for n in 1..=DAMAGED_MAX {
                    let to = damaged(path, n);
                    if fs::symlink_metadata(&to).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
                        rename(path, &to)?;
                        return Ok(Some(to));
                    }
                }
                let full = io::Error::other(format!("{DAMAGED_MAX} damaged files lie there already"));
                Err(disk("set aside", path, full))
            }
            Source::Backend(backend) => {
                let cleared = backend.set_len(0).and_then(|()| backend.sync_data());
                cleared.map_err(|error| disk("clear", Path::new(part.file_name()), error))?;
                Ok(None)
            }
        }
    }

    /// Where there is no file but a damaged one that was set aside: the power went before a new one was made, or
    /// somebody took the new one away.
    pub(super) fn lost(&self) -> Option<Lost> {
        let Source::Path(path) = self else { return None };
        let last = (1..=DAMAGED_MAX).map(|n| damaged(path, n)).take_while(|to| to.exists()).last()?;
        Some(Lost { to: Some(last), why: "it was found damaged before, and no new one was made".to_owned() })
    }

    /// As an operator knows it.
    pub(super) fn path(&self, part: Part) -> PathBuf {
        match self {
            Source::Path(path) => path.clone(),
            Source::Backend(_) => PathBuf::from(part.file_name()),
        }
    }
}

/// A file's bytes, to be read; none, where there is no file. What is written goes to memory alone.
pub(super) fn stand_in_for(path: &Path) -> Result<StandIn, StoreError> {
    let failed = |error| disk("open", path, error);
    let under: Option<Arc<dyn StorageBackend>> = match fs::File::open(path) {
        Ok(file) => Some(Arc::new(FileBackend::new(file).map_err(|error| failed(io::Error::other(error)))?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    StandIn::over(under).map_err(failed)
}

fn damaged(path: &Path, n: u32) -> PathBuf {
    path.with_extension(format!("redb.damaged-{n}"))
}

/// Puts a whole file onto a backend: its first byte when all else is there.
fn put(backend: &dyn StorageBackend, bytes: &[u8]) -> io::Result<()> {
    backend.set_len(0)?;
    backend.set_len(bytes.len() as u64)?;
    let Some((first, rest)) = bytes.split_first() else { return Ok(()) };
    backend.write(1, rest)?;
    backend.sync_data()?;
    backend.write(0, &[*first])?;
    backend.sync_data()
}

/// Makes the store's directory, and sees that it stays.
pub(super) fn make_directory(dir: &Path, mode: u32) -> Result<(), StoreError> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    let missing: Vec<&Path> =
        dir.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists()).collect();
    let made = fs::DirBuilder::new().recursive(true).mode(mode).create(dir);
    // Set once more where it is new, since the process's umask has had its say.
    let set = || if missing.is_empty() { Ok(()) } else { fs::set_permissions(dir, fs::Permissions::from_mode(mode)) };
    made.and_then(|()| set()).map_err(|error| disk("create", dir, error))?;
    missing.iter().rev().try_for_each(|made| sync_parent(made))
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

pub(super) fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(|error| disk("rename", from, error))?;
    sync_parent(to)
}

/// A name is only there to stay once its directory is synced.
fn sync_parent(path: &Path) -> Result<(), StoreError> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| disk("sync", dir, error))
}

/// A failure of the file system.
pub(super) fn disk(doing: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Directory { doing, path: path.to_owned(), source: Arc::new(source) }
}
