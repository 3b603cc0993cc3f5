//! Looking at the store, copying its ledger while it is in use, and putting such a copy back (0016-a-backup-is-a-ledger).
//!
//! A backup is a ledger and nothing else: what the cache holds is asked of the clouds, and an old cache would give
//! access that was cancelled since. What of an old ledger would act wrongly is left out when it is put back.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::backends::{FileBackend, InMemoryBackend};
use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata, StorageBackend};
use redb::{TableDefinition, TableHandle};
use serde::{Deserialize, Serialize};

use super::error::{Fault, shielded};
use super::source::{FILE_MODE, builder, disk, rename};
use super::sweep::{self, Identity};
use super::tables::{self, Key, Part};
use super::{DIRECTORY_MODE, Store, StoreError, lock};
use crate::domain::guard::Memory;
use crate::domain::ledger::Account;

/// The largest file that is looked at: it is read into memory, so that looking changes nothing.
const LOOKED_AT_MAX: u64 = 1 << 30;
/// How many ledgers that a restore replaced may lie about before somebody has to look.
const REPLACED_MAX: u32 = 1000;

/// What was found in one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Which file.
    pub part: Part,
    /// How many rows it holds; absent where it can't be read.
    pub rows: Option<u64>,
    /// What is wrong with it; nothing where all is right.
    pub wrong: Vec<String>,
}

/// What a restore did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// How many rows the ledger holds now.
    pub rows: u64,
    /// Where the ledger is that was there before; `None`: there was none.
    pub kept: Option<PathBuf>,
    /// Whether nothing is written to Kisi until `resume`.
    pub paused: bool,
}

impl Store {
    /// Looks at every row of both files, as they are in use.
    pub fn look(&self) -> Vec<Checked> {
        let files = [(Part::Ledger, self.ledger()), (Part::Cache, self.cache())];
        let look = |(part, file): (Part, &super::file::File)| match file.read(|txn| looked(txn, part)) {
            Ok(checked) => checked,
            Err(error) => Checked { part, rows: None, wrong: vec![error.to_string()] },
        };
        files.into_iter().map(look).collect()
    }

    /// Copies the ledger as it is at one moment into a new file, 0600, and reads it back.
    ///
    /// # Errors
    /// [`StoreError::Directory`] where the file is there already or can't be written, and what reading has to say.
    pub fn backup(&self, to: &Path) -> Result<Checked, StoreError> {
        let target = create(to)?;
        let copied = self.ledger().read(|txn| copy(txn, &target, &|_, _, value| Some(value.to_vec())));
        let closed = copied.and_then(|()| close(target));
        let checked = closed.and_then(|()| sound(to));
        if checked.is_err() {
            // What is half written is of no use, and would be in the way of the next try.
            let _ = fs::remove_file(to);
        }
        checked
    }

    /// The same, into a file of that name beside the ledger: for who may write nowhere else.
    ///
    /// # Errors
    /// As [`Store::backup`].
    pub fn backup_beside(&self, name: &str) -> Result<Checked, StoreError> {
        match self.ledger().directory() {
            Some(dir) => self.backup(&dir.join(name)),
            None => Err(disk("create", Path::new(name), io::Error::other("this store is nowhere but in memory"))),
        }
    }
}

/// The same of a store that nobody holds. It is read and nothing else: a damaged ledger is not set aside by it.
///
/// # Errors
/// As [`Store::backup`], [`StoreError::InUse`] where another process holds it, and [`StoreError::NoBackup`] where there
/// is no ledger, or a damaged one.
pub fn backup_at_rest(dir: &Path, to: &Path) -> Result<Checked, StoreError> {
    let _held = lock(dir)?;
    let path = dir.join(Part::Ledger.file_name());
    let wrong = |why: String| StoreError::NoBackup { path: path.clone(), why };
    let ledger = open_copy(&path, Part::Ledger).map_err(wrong)?;
    let ledger = ledger.ok_or_else(|| wrong("it is not there: 'gatehouse run' makes one".to_owned()))?;
    let target = create(to)?;
    let copied = shielded(|| copy(&ledger.begin_read()?, &target, &|_, _, value| Some(value.to_vec())));
    let copied = copied.map_err(|fault| StoreError::Write { part: Part::Ledger, source: Arc::new(fault) });
    let checked = copied.and_then(|()| close(target)).and_then(|()| sound(to));
    if checked.is_err() {
        let _ = fs::remove_file(to);
    }
    checked
}

/// Looks at the files of a store that nobody holds, and changes nothing.
///
/// # Errors
/// [`StoreError::InUse`] where another process holds it.
pub fn check(dir: &Path) -> Result<Vec<Checked>, StoreError> {
    let _held = lock(dir)?;
    let of = |part: Part| match open_copy(&dir.join(part.file_name()), part) {
        Ok(Some(db)) => match shielded(|| looked(&db.begin_read()?, part)) {
            Ok(checked) => checked,
            Err(fault) => Checked { part, rows: None, wrong: vec![fault.to_string()] },
        },
        Ok(None) => Checked { part, rows: None, wrong: vec!["it is not there".to_owned()] },
        Err(why) => Checked { part, rows: None, wrong: vec![why] },
    };
    Ok(vec![of(Part::Ledger), of(Part::Cache)])
}

/// Puts a backup in the place of the ledger, which is kept beside it. Nobody may hold the store.
///
/// Left out of the backup is what would act wrongly by now: intents, since what they asked for was looked up long ago;
/// what the guard held and what was approved; since when people have had no access, so that nobody is suspended by an
/// old count. Writing stays paused where it was paused in either. Rows made since the backup are not in it: they are
/// kept in Kisi and reported (rules 5, Ours).
///
/// # Errors
/// [`StoreError::InUse`] where a gateway runs, [`StoreError::NoBackup`] where the file is none, [`StoreError::Directory`]
/// where the disk refuses. The store is then as it was.
pub fn restore(dir: &Path, from: &Path) -> Result<Restored, StoreError> {
    let made = DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(dir);
    made.map_err(|error| disk("create", dir, error))?;
    let _held = lock(dir)?;
    let none = |why: String| StoreError::NoBackup { path: from.to_owned(), why };
    let backup =
        open_copy(from, Part::Ledger).map_err(none)?.ok_or_else(|| none("there is no such file".to_owned()))?;
    let path = dir.join(Part::Ledger.file_name());
    let paused = is_paused(&backup) || open_copy(&path, Part::Ledger).ok().flatten().is_some_and(|old| is_paused(&old));
    let new = path.with_extension("redb.restored");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(disk("remove", &new, error)),
        _ => {}
    }
    let target = create(&new)?;
    let edit = |table: &str, key: &[u8], value: &[u8]| edited(table, key, value, paused);
    let copied = shielded(|| copy(&backup.begin_read()?, &target, &edit));
    copied.map_err(|fault| StoreError::Write { part: Part::Ledger, source: Arc::new(fault) })?;
    if paused {
        set_paused(&target)?;
    }
    close(target)?;
    let rows = sound(&new)?.rows.unwrap_or_default();
    give_to_the_owner(dir, &new);
    let kept = keep(&path)?;
    rename(&new, &path)?;
    Ok(Restored { rows, kept, paused })
}

/// What a row of an old ledger becomes; `None`: it is left out.
fn edited(table: &str, key: &[u8], value: &[u8], paused: bool) -> Option<Vec<u8>> {
    let of = |wanted: tables::Table| table == wanted.0;
    if of(tables::INTENTS) || (of(tables::VALUES) && key == Key::Paused.name().as_bytes() && paused) {
        return None;
    }
    if of(tables::ACCOUNTS)
        && let Ok(account) = serde_json::from_slice::<Account>(value)
    {
        return serde_json::to_vec(&Account { no_access_since: None, ..account }).ok();
    }
    if of(tables::VALUES)
        && key == Key::Guard.name().as_bytes()
        && let Ok(memory) = serde_json::from_slice::<Memory>(value)
    {
        let forgetful = Memory { had_access: memory.had_access, lost: memory.lost, ..Memory::default() };
        return serde_json::to_vec(&forgetful).ok();
    }
    Some(value.to_vec())
}

fn is_paused(db: &Database) -> bool {
    let read = shielded(|| {
        let txn = db.begin_read()?;
        let Some(values) = sweep::table(&txn, tables::VALUES)? else { return Ok(false) };
        let row = values.get(Key::Paused.name().as_bytes())?;
        Ok(row.is_some_and(|row| serde_json::from_slice(row.value()).unwrap_or(false)))
    });
    read.unwrap_or(false)
}

fn set_paused(db: &Database) -> Result<(), StoreError> {
    let written = shielded(|| {
        let txn = db.begin_write()?;
        txn.open_table(tables::VALUES.rows())?.insert(Key::Paused.name().as_bytes(), b"true".as_slice())?;
        Ok(txn.commit()?)
    });
    written.map_err(|fault| StoreError::Write { part: Part::Ledger, source: Arc::new(fault) })
}

/// How many rows there are, and which can't be used.
fn looked(txn: &ReadTransaction, part: Part) -> Result<Checked, redb::Error> {
    let mut rows = 0;
    for name in txn.list_tables()? {
        let definition: TableDefinition<&[u8], &[u8]> = TableDefinition::new(name.name());
        rows += txn.open_table(definition)?.len()?;
    }
    let bad = sweep::undecodable_in(txn, part)?;
    let wrong = bad.iter().map(|row| format!("row {} of {}: {}", row.key, row.table, row.why)).collect();
    Ok(Checked { part, rows: Some(rows), wrong })
}

type Edit<'a> = &'a dyn Fn(&str, &[u8], &[u8]) -> Option<Vec<u8>>;

/// Copies every table, row by row.
fn copy(txn: &ReadTransaction, to: &Database, edit: Edit<'_>) -> Result<(), redb::Error> {
    let write = to.begin_write()?;
    for name in txn.list_tables()? {
        let definition: TableDefinition<&[u8], &[u8]> = TableDefinition::new(name.name());
        let mut rows = write.open_table(definition)?;
        for row in txn.open_table(definition)?.iter()? {
            let (key, value) = row?;
            if let Some(value) = edit(name.name(), key.value(), value.value()) {
                rows.insert(key.value(), value.as_slice())?;
            }
        }
    }
    Ok(write.commit()?)
}

/// A new file; one that is there is left alone.
fn create(path: &Path) -> Result<Database, StoreError> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(FILE_MODE).open(path);
    let file = file.map_err(|error| disk("create", path, error))?;
    let made = shielded(|| Ok(builder().create_with_backend(FileBackend::new(file)?)?));
    made.map_err(|fault| StoreError::Open { part: Part::Ledger, source: Arc::new(fault) })
}

fn close(db: Database) -> Result<(), StoreError> {
    let closed = shielded(|| Ok(db.close()?));
    closed.map_err(|fault| StoreError::Write { part: Part::Ledger, source: Arc::new(fault) })
}

/// Reads a ledger back that was just written.
fn sound(path: &Path) -> Result<Checked, StoreError> {
    let wrong = |why: String| StoreError::NoBackup { path: path.to_owned(), why };
    let db = open_copy(path, Part::Ledger).map_err(wrong)?.ok_or_else(|| wrong("it is not there".to_owned()))?;
    shielded(|| looked(&db.begin_read()?, Part::Ledger)).map_err(|fault| wrong(fault.to_string()))
}

/// Opens a copy in memory, every page's checksum verified: the file itself is only read. `None`: there is none.
fn open_copy(path: &Path, part: Part) -> Result<Option<Database>, String> {
    let bytes = match read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("it can't be read: {error}")),
    };
    let memory = InMemoryBackend::new();
    let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let filled = memory.set_len(len).and_then(|()| memory.write(0, &bytes));
    filled.map_err(|error| format!("it can't be held in memory: {error}"))?;
    if bytes.is_empty() {
        return Err("it is empty".to_owned());
    }
    let damaged = |fault: Fault| format!("it is damaged: {fault}");
    let db = shielded(|| Ok(builder().create_with_backend(memory)?)).map_err(damaged)?;
    match shielded(|| sweep::identify(&db, part)).map_err(damaged)? {
        Identity::Ours => Ok(Some(db)),
        Identity::Newer { found, known } => Err(format!("it is of format {found}, this gatehouse knows up to {known}")),
        Identity::Foreign(why) => Err(why),
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(LOOKED_AT_MAX + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LOOKED_AT_MAX {
        return Err(io::Error::other(format!("it is larger than {LOOKED_AT_MAX} bytes")));
    }
    Ok(bytes)
}

/// Gives the ledger that is there another name, and leaves it where it is until it is replaced.
fn keep(path: &Path) -> Result<Option<PathBuf>, StoreError> {
    for n in 1..=REPLACED_MAX {
        let to = path.with_extension(format!("redb.replaced-{n}"));
        match fs::hard_link(path, &to) {
            Ok(()) => return Ok(Some(to)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(disk("keep", path, error)),
        }
    }
    let full = io::Error::other(format!("{REPLACED_MAX} replaced ledgers lie there already"));
    Err(disk("keep", path, full))
}

/// A restore by root leaves a file that the gateway's user can open.
fn give_to_the_owner(dir: &Path, file: &Path) {
    if let Ok(owner) = fs::metadata(dir)
        && let Err(error) = chown(file, Some(owner.uid()), Some(owner.gid()))
    {
        tracing::warn!(%error, "{} could not be given to the owner of its directory", file.display());
    }
}

/// Moves a backup out of the store's directory to where it was asked for: a new file, 0600, synced.
///
/// # Errors
/// [`StoreError::Directory`] where that is there already or can't be written.
pub fn fetch(from: &Path, to: &Path) -> Result<Checked, StoreError> {
    let bytes = read(from).map_err(|error| disk("read", from, error))?;
    let file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(to);
    let mut file = file.map_err(|error| disk("create", to, error))?;
    let written = file.write_all(&bytes).and_then(|()| file.sync_all());
    let checked = written.map_err(|error| disk("write", to, error)).and_then(|()| sound(to));
    if checked.is_err() {
        let _ = fs::remove_file(to);
    }
    fs::remove_file(from).map_err(|error| disk("remove", from, error))?;
    checked
}
