//! The look through a file when it is opened: whether it is ours, and which of its rows can't be used.

use std::path::PathBuf;

use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, TableError, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::tables::{self, Key, Part, Table};

const FORMAT_KEY: &[u8] = b"format";
const PART_KEY: &[u8] = b"file";
const LOST_KEY: &[u8] = b"lost";

/// What a file was made in place of. It stands in the new file, so that a power cut right after it was made does not
/// make an empty file look like one that nothing happened to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lost {
    /// Where the damaged one is.
    pub(super) to: Option<PathBuf>,
    /// What was wrong with it.
    pub(super) why: String,
}

/// A row that can't be decoded, or that refers to one that isn't there. It is kept in the file under `aside` and plays
/// no part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowAside {
    /// In which file.
    pub part: Part,
    /// In which table.
    pub table: String,
    /// Its key, as text.
    pub key: String,
    /// What is wrong with it.
    pub why: String,
    #[serde(skip)]
    raw_key: Vec<u8>,
}

/// Whose a file is.
pub(super) enum Identity {
    Ours,
    Newer { found: u64, known: u64 },
    Foreign(String),
}

/// A table as it is read.
pub(super) type Rows = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;

/// A table for reading; `None`: nothing was ever put in it.
pub(super) fn table(txn: &ReadTransaction, table: Table) -> Result<Option<Rows>, redb::Error> {
    match txn.open_table(table.rows()) {
        Ok(rows) => Ok(Some(rows)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Marks a new file as ours, and as one that was made in place of another.
pub(super) fn mark(txn: &WriteTransaction, part: Part, lost: Option<&Lost>) -> Result<(), redb::Error> {
    let mut meta = txn.open_table(tables::META.rows())?;
    meta.insert(FORMAT_KEY, tables::FORMAT.to_string().as_bytes())?;
    meta.insert(PART_KEY, part.file_name().as_bytes())?;
    if let Some(lost) = lost.and_then(|lost| serde_json::to_vec(lost).ok()) {
        meta.insert(LOST_KEY, lost.as_slice())?;
    }
    Ok(())
}

/// What the file was made in place of, for as long as that is news: until the damaged file has been taken away, or,
/// where it was not kept, until events are read again.
pub(super) fn lost(db: &Database) -> Result<Option<Lost>, redb::Error> {
    let txn = db.begin_read()?;
    let Some(meta) = table(&txn, tables::META)? else { return Ok(None) };
    let lost: Option<Lost> = meta.get(LOST_KEY)?.and_then(|row| serde_json::from_slice(row.value()).ok());
    let watermark = match table(&txn, tables::VALUES)? {
        Some(values) => values.get(Key::Watermark.name().as_bytes())?.is_some(),
        None => false,
    };
    Ok(lost.filter(|lost| lost.to.as_ref().map_or(!watermark, |to| to.exists())))
}

/// The number that the next event gets; 0: none was numbered.
pub(super) fn next_event(db: &Database) -> Result<u64, redb::Error> {
    let txn = db.begin_read()?;
    let Some(values) = table(&txn, tables::VALUES)? else { return Ok(0) };
    let next = values.get(tables::NEXT_EVENT)?;
    Ok(next.and_then(|row| serde_json::from_slice(row.value()).ok()).unwrap_or_default())
}

/// Reads the marks of a file.
pub(super) fn identify(db: &Database, part: Part) -> Result<Identity, redb::Error> {
    let txn = db.begin_read()?;
    let Some(meta) = table(&txn, tables::META)? else {
        return Ok(Identity::Foreign("it is no store of gatehouse".to_owned()));
    };
    let text = |key: &[u8]| -> Result<Option<String>, redb::Error> {
        Ok(meta.get(key)?.map(|row| String::from_utf8_lossy(row.value()).into_owned()))
    };
    let Some(found) = text(FORMAT_KEY)?.and_then(|format| format.parse::<u64>().ok()) else {
        return Ok(Identity::Foreign("it does not say of which format it is".to_owned()));
    };
    if found > tables::FORMAT {
        return Ok(Identity::Newer { found, known: tables::FORMAT });
    }
    Ok(match text(PART_KEY)? {
        Some(name) if name == part.file_name() => Identity::Ours,
        Some(name) => Identity::Foreign(format!("it is a {name} under the name of {part}")),
        None => Identity::Foreign("it does not say which file it is".to_owned()),
    })
}

/// The rows that can't be used, in all tables that are looked through.
pub(super) fn undecodable(db: &Database, part: Part) -> Result<Vec<RowAside>, redb::Error> {
    undecodable_in(&db.begin_read()?, part)
}

/// The same, of one moment.
pub(super) fn undecodable_in(txn: &ReadTransaction, part: Part) -> Result<Vec<RowAside>, redb::Error> {
    let mut bad = Vec::new();
    let mut report = |table: Table, key: &[u8], why: String| {
        let key_text = tables::shown(key);
        bad.push(RowAside { part, table: table.0.to_owned(), key: key_text, why, raw_key: key.to_vec() });
    };
    for (name, check) in tables::checks(part) {
        let Some(rows) = table(txn, name)? else { continue };
        for row in rows.iter()? {
            let (key, value) = row?;
            if let Err(error) = check(value.value()) {
                report(name, key.value(), error.to_string());
            }
        }
    }
    if let (Part::Ledger, Some(outbox)) = (part, table(txn, tables::OUTBOX)?) {
        let events = table(txn, tables::EVENTS)?;
        for row in outbox.iter()? {
            let (key, _) = row?;
            let event = match &events {
                Some(events) => events.get(key.value())?,
                None => None,
            };
            match event.map(|event| tables::is_event(event.value())) {
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    report(tables::EVENTS, key.value(), error.to_string());
                    report(tables::OUTBOX, key.value(), "its event can't be decoded".to_owned());
                }
                None => report(tables::OUTBOX, key.value(), "its event is not there".to_owned()),
            }
        }
    }
    Ok(bad)
}

/// Moves rows out of their tables into `aside`, as they are.
pub(super) fn move_aside(db: &Database, bad: &[RowAside]) -> Result<(), redb::Error> {
    if bad.is_empty() {
        return Ok(());
    }
    let txn = db.begin_write()?;
    {
        let mut aside = txn.open_table(tables::ASIDE.rows())?;
        for row in bad {
            let definition: redb::TableDefinition<&[u8], &[u8]> = redb::TableDefinition::new(&row.table);
            let mut rows = txn.open_table(definition)?;
            let Some(value) = rows.remove(row.raw_key.as_slice())? else { continue };
            let key = [row.table.as_bytes(), b"/", &row.raw_key].concat();
            aside.insert(key.as_slice(), value.value())?;
        }
    }
    Ok(txn.commit()?)
}
