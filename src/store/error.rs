//! What can go wrong with the store, and what to do about it.

use std::any::Any;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::Part;

/// What redb did instead of what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It said what was wrong.
    #[error("{0}")]
    Refused(#[from] redb::Error),
    /// It panicked, as it may on a damaged page.
    #[error("the database stumbled over its own pages ({0})")]
    Panicked(String),
    /// The disk did not take what it wrote: nothing is said of what the file holds.
    #[error("the disk does not take it: {0}")]
    Unwritable(String),
}

impl Fault {
    /// Whether the file itself is at fault, not the disk's room or its rights.
    pub(super) fn is_damage(&self) -> bool {
        match self {
            Fault::Panicked(_) => true,
            Fault::Refused(redb::Error::Corrupted(_) | redb::Error::RepairAborted) => true,
            Fault::Refused(redb::Error::UpgradeRequired(_)) => true,
            Fault::Refused(redb::Error::Io(error)) => {
                matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
                    || error.raw_os_error() == Some(UNREADABLE_MEDIUM)
            }
            Fault::Refused(
                redb::Error::TableTypeMismatch { .. }
                | redb::Error::TableIsMultimap(_)
                | redb::Error::TypeDefinitionChanged { .. },
            ) => true,
            Fault::Refused(_) | Fault::Unwritable(_) => false,
        }
    }

    /// Whether the disk is full, read-only or refuses to be written: the file may be read all the same.
    pub(super) fn is_of_disk(&self) -> bool {
        match self {
            Fault::Unwritable(_) => true,
            Fault::Refused(redb::Error::Io(error)) => is_of_disk(error),
            Fault::Refused(_) | Fault::Panicked(_) => false,
        }
    }

    /// Whether another process has the file open.
    pub(super) fn is_in_use(&self) -> bool {
        matches!(self, Fault::Refused(redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch))
    }
}

fn is_of_disk(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | ReadOnlyFilesystem | FileTooLarge)
        || error.raw_os_error() == Some(UNREADABLE_MEDIUM)
}

/// `EIO`: the medium can't give back what was written, or take what is to be: a bad block of an SD card for instance.
const UNREADABLE_MEDIUM: i32 = 5;

/// Runs what redb does, and takes a panic of its as an error: it may panic on a page that was damaged outside it.
pub(super) fn shielded<T>(work: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, Fault> {
    // What a panic leaves half done is dropped by the caller, who opens the file anew.
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(Fault::from),
        Err(panic) => Err(Fault::Panicked(text(panic.as_ref()))),
    }
}

fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without words".to_owned())
}

/// Why the store could not do what was asked. Cheap to clone: one failed commit answers all who waited for it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process holds the store.
    #[error("the store in {dir} is held by another gatehouse; ask that one over its socket, or stop it")]
    InUse {
        /// The store's directory.
        dir: PathBuf,
    },
    /// The directory, or a file in it, could not be made, read or renamed.
    #[error("could not {doing} {path}: {source}; see that it belongs to the user gatehouse runs as and has room")]
    Directory {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// A file could not be opened, and not because it is damaged.
    #[error("could not open {part}: {source}; see that the disk has room and that its rights let gatehouse write")]
    Open {
        /// Which file.
        part: Part,
        /// What redb said.
        source: Arc<Fault>,
    },
    /// A file was written by a later gatehouse.
    #[error(
        "{part} is of format {found}, this gatehouse knows up to {known}; run the version that wrote it, or move the \
         file away"
    )]
    Newer {
        /// Which file.
        part: Part,
        /// Its format.
        found: u64,
        /// The highest that this build reads.
        known: u64,
    },
    /// A file was found damaged while it was in use. The next write sets it aside and makes a new one.
    #[error("{part} is damaged: {why}; it is set aside and written anew as soon as the disk lets it")]
    Damaged {
        /// Which file.
        part: Part,
        /// What is wrong with it.
        why: String,
    },
    /// A commit did not reach the disk: nothing of it counts as done, though it may be found done.
    #[error("could not write {part}: {source}; see that the disk has room and is not read-only. It may be tried again")]
    Write {
        /// Which file.
        part: Part,
        /// What redb said.
        source: Arc<Fault>,
    },
    /// Something could not be read.
    #[error("could not read {part}: {source}; `gatehouse store check` looks at the whole file")]
    Read {
        /// Which file.
        part: Part,
        /// What redb said.
        source: Arc<Fault>,
    },
    /// A file is no backup that can be put back.
    #[error("{path} is no ledger that can be used: {why}; `gatehouse store backup FILE` makes a copy of a good one")]
    NoBackup {
        /// Which.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// A value has no JSON form: a fault of gatehouse.
    #[error("{what} can't be written as JSON: {why}; this is a fault of gatehouse, please report it")]
    Encode {
        /// What was to be kept.
        what: &'static str,
        /// Why not.
        why: String,
    },
    /// A small named value is not what this version expects under that name.
    #[error("the value {key} of the ledger can't be read: {why}; it is kept until it is written anew")]
    Value {
        /// Its name.
        key: &'static str,
        /// Why not.
        why: String,
    },
    /// The writer is gone, which only a fault of gatehouse brings about.
    #[error("the store's writer has ended; restart gatehouse")]
    Ended,
}

impl StoreError {
    /// Whether the disk is full, read-only or refuses to be written.
    pub(super) fn is_of_disk(&self) -> bool {
        match self {
            StoreError::Directory { source, .. } => is_of_disk(source),
            StoreError::Open { source, .. } | StoreError::Write { source, .. } => source.is_of_disk(),
            _ => false,
        }
    }
}
