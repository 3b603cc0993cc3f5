//! One of the two files: opened, looked through, set aside where it is damaged, and opened anew after a failure.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockWriteGuard};

use redb::{Database, Durability, ReadTransaction, ReadableDatabase, WriteTransaction};

use super::apply::{Along, Apply, Changed};
use super::batch::{Batch, Op};
use super::error::{Fault, shielded};
use super::source::{Source, Wear, disk};
use super::sweep::{self, Lost, RowAside};
use super::tables::{self, Part};
use super::{Opening, StoreError};

/// What the gateway knows of a file's content by heart: asked after a failure, for what may not have reached the disk.
pub(super) type Memory = Arc<OnceLock<Box<dyn Fn(Part) -> Batch + Send + Sync>>>;

/// An open file. Its readers may be many, its writer is one at a time.
pub(super) struct File {
    part: Part,
    source: Source,
    wear: Arc<Wear>,
    db: RwLock<Db>,
    writing: Mutex<Along>,
    /// After a failed commit: what is read back may be what never reached the disk, and what was to be kept is known
    /// by heart alone. The next commit is made even where it changes nothing, and takes all that with it.
    unsure: AtomicBool,
    memory: Memory,
    /// It holds rows that can't be decoded, which are still to be moved aside.
    unswept: AtomicBool,
    /// Why it could not be read or written when that was last tried.
    trouble: Mutex<Option<StoreError>>,
    /// What was set aside and has no new file yet.
    lost: Mutex<Option<Lost>>,
    /// What was set aside in this run, to be told.
    losses: Mutex<Vec<Opening>>,
    /// The number of the next event, so that it rises on even where the file that told it is lost.
    next_event: AtomicU64,
    pub(super) counts: Counts,
}

/// What is used of a file.
enum Db {
    /// The file.
    Real(Database),
    /// Something to read from, while the file can't be written.
    StandIn(Database),
    /// After a failure, until the next use.
    Shut,
}

impl Db {
    fn get(&self) -> Option<&Database> {
        match self {
            Db::Real(db) | Db::StandIn(db) => Some(db),
            Db::Shut => None,
        }
    }
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("File").field("part", &self.part).field("source", &self.source).finish_non_exhaustive()
    }
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

/// A file as it was found.
struct Found {
    db: Db,
    trouble: Option<StoreError>,
    lost: Option<Lost>,
    aside: Vec<RowAside>,
}

impl File {
    /// Opens the file, makes it where there is none, or sets it aside and makes it anew where it is damaged. A disk
    /// that is full or read-only stops nothing: then it is read, and every write says what is wrong.
    pub(super) fn open(
        part: Part,
        source: Source,
        memory: Memory,
    ) -> Result<(File, Opening, Vec<RowAside>), StoreError> {
        let wear = Arc::default();
        let len = source.len().map_err(|error| disk("look at", &source.path(part), error))?;
        let found = match len {
            None => Ok(None),
            Some(0) => Err(Trouble::Damage("it is empty".to_owned())),
            Some(_) => existing(part, &source, &wear).map(Some),
        };
        let (found, opening) = match found {
            Ok(Some(found)) => {
                let opening = found.lost.clone().map_or(Opening::Kept, Opening::from);
                (found, opening)
            }
            Ok(None) => {
                let lost = source.lost();
                (fresh(part, &source, &wear, lost.clone())?, lost.map_or(Opening::Fresh, Opening::from))
            }
            Err(Trouble::Stop(error)) => return Err(error),
            Err(Trouble::Damage(why)) => match source.set_aside(part) {
                Ok(to) => {
                    let lost = Lost { to, why };
                    (fresh(part, &source, &wear, Some(lost.clone()))?, lost.into())
                }
                Err(error) if error.is_of_disk() => {
                    // It stays where it is, and is put aside when that can be done.
                    let why = format!("{why}; {error}");
                    let found = Found { db: nothing(part)?, trouble: Some(error), lost: None, aside: Vec::new() };
                    (found, Opening::SetAside { to: None, why })
                }
                Err(error) => return Err(error),
            },
        };
        let next_event = match found.db.get() {
            Some(db) => shielded(|| sweep::next_event(db)).unwrap_or_default(),
            None => 0,
        };
        let standing_in = matches!(found.db, Db::StandIn(_));
        let file = File {
            part,
            source,
            wear,
            db: RwLock::new(found.db),
            writing: Mutex::default(),
            unsure: AtomicBool::new(standing_in),
            unswept: AtomicBool::new(found.trouble.is_some() && !found.aside.is_empty()),
            memory,
            trouble: Mutex::new(found.trouble),
            lost: Mutex::new(found.lost.filter(|_| standing_in)),
            losses: Mutex::default(),
            next_event: AtomicU64::new(next_event),
            counts: Counts::default(),
        };
        Ok((file, opening, found.aside))
    }

    /// Reads within one transaction: what is seen is of one moment.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        self.readable()?;
        let result = {
            let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
            match db.get() {
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
        self.write_through(ops, false)
    }

    fn write_through<'op>(&self, ops: impl Iterator<Item = &'op Op>, anyway: bool) -> Result<(), StoreError> {
        let mut along = self.along();
        let result = self.writable().and_then(|()| {
            let unsure = self.unsure.load(Ordering::Relaxed);
            let by_heart = if unsure { self.by_heart() } else { Vec::new() };
            self.transact(by_heart.iter().chain(ops.map(|op| op as &Op)), &mut along, anyway || unsure)
        });
        if result.is_err() {
            self.counts.failures.fetch_add(1, Ordering::Relaxed);
        }
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = result.as_ref().err().cloned();
        result
    }

    /// Writes what has been waiting for a reason: at an orderly end.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        let waiting = !self.along().is_empty();
        if !waiting {
            return Ok(());
        }
        self.write_through(std::iter::empty(), true)
    }

    /// Tries again where the last use failed.
    pub(super) fn retry(&self) {
        if self.trouble().is_some() {
            // What is still wrong is kept as the trouble.
            let _ = self.write(std::iter::empty());
        }
    }

    /// Why it could not be read or written when that was last tried.
    pub(super) fn trouble(&self) -> Option<StoreError> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was set aside since this was last asked.
    pub(super) fn losses(&self) -> Vec<Opening> {
        std::mem::take(&mut self.losses.lock().unwrap_or_else(PoisonError::into_inner))
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
    pub(super) fn waiting(&self, table: tables::Table, key: &[u8]) -> Option<Vec<u8>> {
        self.along().get(&(table, key.to_vec())).cloned()
    }

    fn along(&self) -> MutexGuard<'_, Along> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn transact<'op>(
        &self,
        ops: impl Iterator<Item = &'op Op>,
        along: &mut Along,
        anyway: bool,
    ) -> Result<(), StoreError> {
        let mut waiting = along.clone();
        let result = {
            let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
            match db.get() {
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
                    self.next_event.fetch_max(changed.next_event, Ordering::Relaxed);
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

    /// All that the gateway knows of this file's content.
    fn by_heart(&self) -> Vec<Op> {
        let batch = self.memory.get().map(|memory| memory(self.part)).unwrap_or_default();
        batch.into_ops(self.part)
    }

    fn db(&self) -> RwLockWriteGuard<'_, Db> {
        self.db.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees that there is something to read from.
    fn readable(&self) -> Result<(), StoreError> {
        if self.db.read().unwrap_or_else(PoisonError::into_inner).get().is_some() {
            return Ok(());
        }
        let mut db = self.db();
        if db.get().is_some() {
            return Ok(());
        }
        let result = match self.source.attach(&self.wear) {
            Ok(real) => Ok(Db::Real(real)),
            Err(fault) if fault.is_damage() => Err(self.damaged(&fault)),
            Err(fault) => match self.source.stand_in() {
                Ok(stand_in) => Ok(Db::StandIn(stand_in)),
                Err(_) => Err(StoreError::Open { part: self.part, source: Arc::new(fault) }),
            },
        };
        match result {
            Ok(opened) => *db = opened,
            Err(error) => {
                *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
                return Err(error);
            }
        }
        Ok(())
    }

    /// Sees that there is the file itself to write to: opened anew after a failure, made where there is none, set
    /// aside and made anew where it is found damaged, from what is known by heart. Whoever calls this writes alone.
    fn writable(&self) -> Result<(), StoreError> {
        if matches!(*self.db.read().unwrap_or_else(PoisonError::into_inner), Db::Real(_)) {
            return Ok(());
        }
        let mut db = self.db();
        let there = self.source.len().map_err(|error| disk("look at", &self.source.path(self.part), error))?;
        let why = match there {
            None => None,
            Some(0) => Some("it is empty".to_owned()),
            Some(_) => match self.source.attach(&self.wear) {
                Ok(real) => {
                    if self.unswept.load(Ordering::Relaxed) {
                        let swept = shielded(|| sweep::move_aside(&real, &sweep::undecodable(&real, self.part)?));
                        swept.map_err(|fault| StoreError::Write { part: self.part, source: Arc::new(fault) })?;
                        self.unswept.store(false, Ordering::Relaxed);
                    }
                    *db = Db::Real(real);
                    return Ok(());
                }
                Err(fault) if fault.is_damage() => Some(fault.to_string()),
                Err(fault) => return Err(StoreError::Open { part: self.part, source: Arc::new(fault) }),
            },
        };
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(why) = why {
            let to = self.source.set_aside(self.part)?;
            *lost = Some(Lost { to, why });
            self.losses.lock().unwrap_or_else(PoisonError::into_inner).extend(lost.clone().map(Opening::from));
            *db = nothing(self.part)?;
        }
        let next_event = self.next_event.load(Ordering::Relaxed);
        let number =
            Op::Put { table: tables::VALUES, key: tables::NEXT_EVENT.to_vec(), value: next_event.to_string().into() };
        let mut ops = self.by_heart();
        ops.extend(Some(number).filter(|_| self.part == Part::Ledger && next_event > 0));
        self.source.create(self.part, &|db| fill(db, self.part, lost.as_ref(), &ops))?;
        *lost = None;
        let real = self.source.attach(&self.wear);
        *db = Db::Real(real.map_err(|fault| StoreError::Open { part: self.part, source: Arc::new(fault) })?);
        Ok(())
    }

    fn damaged(&self, fault: &Fault) -> StoreError {
        StoreError::Damaged { part: self.part, why: fault.to_string() }
    }

    fn shut(&self) {
        close(std::mem::replace(&mut *self.db(), Db::Shut));
    }
}

/// Lets go of a database. What that has to say of a file that has just failed adds nothing.
fn close<T>(db: T) {
    let _ = shielded(|| {
        drop(db);
        Ok(())
    });
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

/// The first transaction of a new file: its marks, what it stands in place of, and what is known by heart.
fn fill(db: &Database, part: Part, lost: Option<&Lost>, ops: &[Op]) -> Result<(), redb::Error> {
    let txn: WriteTransaction = db.begin_write()?;
    sweep::mark(&txn, part, lost)?;
    Apply::new(&txn).run(ops.iter(), &mut Along::new(), false)?;
    Ok(txn.commit()?)
}

/// An empty file in memory alone.
fn nothing(part: Part) -> Result<Db, StoreError> {
    let none = Source::Path(PathBuf::new());
    let stand_in = none.stand_in().map_err(|fault| StoreError::Open { part, source: Arc::new(fault) })?;
    Ok(Db::StandIn(stand_in))
}

/// Makes a new file, or, where the disk is full or read-only, does without.
fn fresh(part: Part, source: &Source, wear: &Arc<Wear>, lost: Option<Lost>) -> Result<Found, StoreError> {
    let made = source
        .create(part, &|db| fill(db, part, lost.as_ref(), &[]))
        .and_then(|()| source.attach(wear).map_err(|fault| StoreError::Open { part, source: Arc::new(fault) }));
    match made {
        Ok(real) => Ok(Found { db: Db::Real(real), trouble: None, lost, aside: Vec::new() }),
        Err(error) if error.is_of_disk() => {
            Ok(Found { db: nothing(part)?, trouble: Some(error), lost, aside: Vec::new() })
        }
        Err(error) => Err(error),
    }
}

/// Opens a file that is there and looks through it.
fn existing(part: Part, source: &Source, wear: &Arc<Wear>) -> Result<Found, Trouble> {
    let trouble = |fault: Fault| {
        if fault.is_in_use() {
            let path = source.path(part);
            Trouble::Stop(StoreError::InUse { dir: path.parent().unwrap_or(&path).to_owned() })
        } else if fault.is_damage() {
            Trouble::Damage(fault.to_string())
        } else {
            Trouble::Stop(StoreError::Open { part, source: Arc::new(fault) })
        }
    };
    let (db, mut unwritable) = match source.attach(wear) {
        Ok(db) => (db, None),
        Err(fault) if fault.is_of_disk() => {
            let stand_in = source.stand_in().map_err(trouble)?;
            (stand_in, Some(StoreError::Open { part, source: Arc::new(fault) }))
        }
        Err(fault) => return Err(trouble(fault)),
    };
    let looked = || {
        match shielded(|| sweep::identify(&db, part)).map_err(trouble)? {
            sweep::Identity::Ours => {}
            sweep::Identity::Newer { found, known } => {
                return Err(Trouble::Stop(StoreError::Newer { part, found, known }));
            }
            sweep::Identity::Foreign(why) => return Err(Trouble::Damage(why)),
        }
        let lost = shielded(|| sweep::lost(&db)).map_err(trouble)?;
        Ok((lost, shielded(|| sweep::undecodable(&db, part)).map_err(trouble)?))
    };
    let (lost, aside) = match looked() {
        Ok(found) => found,
        Err(trouble) => {
            close(db);
            return Err(trouble);
        }
    };
    let db = if unwritable.is_some() {
        Db::StandIn(db)
    } else if let Err(fault) = shielded(|| sweep::move_aside(&db, &aside)) {
        // They are left out where they lie, and moved when the file can be written.
        unwritable = Some(StoreError::Write { part, source: Arc::new(fault) });
        close(db);
        Db::Shut
    } else {
        Db::Real(db)
    };
    Ok(Found { db, trouble: unwritable, lost, aside })
}
