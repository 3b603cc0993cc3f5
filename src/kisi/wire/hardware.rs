//! Locks, controllers, readers. What is neither true nor false is unknown, not false (Kisi API notes, 6, trap 18).

use serde::Deserialize;

use super::{Row, lenient, number};
use crate::domain::hardware::{Controller, Lock, Reader};
use crate::domain::{ControllerId, LockId, ReaderId};

/// A lock (Kisi API notes, 3.5).
#[derive(Deserialize)]
pub struct LockRow {
    #[serde(default, deserialize_with = "number")]
    id: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    online: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    unlocked: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    open: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    locked_down: Option<bool>,
}

impl Row for LockRow {
    type Out = Lock;

    fn read(self) -> Result<Lock, String> {
        let id = LockId(self.id.ok_or("a lock without an id")?);
        Ok(Lock {
            id,
            name: self.name.unwrap_or_else(|| format!("door {id}")),
            online: self.online,
            unlocked: self.unlocked,
            open: self.open,
            locked_down: self.locked_down,
        })
    }
}

/// A controller (Kisi API notes, 3.7). Its `token` is a credential and is not read.
#[derive(Deserialize)]
pub struct ControllerRow {
    #[serde(default, deserialize_with = "number")]
    id: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    online: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    model: Option<String>,
}

impl Row for ControllerRow {
    type Out = Controller;

    fn read(self) -> Result<Controller, String> {
        let id = ControllerId(self.id.ok_or("a controller without an id")?);
        let name = self.name.unwrap_or_else(|| format!("controller {id}"));
        Ok(Controller { id, name, online: self.online, model: self.model })
    }
}

/// A reader (Kisi API notes, 3.7).
#[derive(Deserialize)]
pub struct ReaderRow {
    #[serde(default, deserialize_with = "number")]
    id: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    online: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    model: Option<String>,
    #[serde(default, deserialize_with = "number")]
    lock_id: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    tampered: Option<bool>,
}

impl Row for ReaderRow {
    type Out = Reader;

    fn read(self) -> Result<Reader, String> {
        let id = ReaderId(self.id.ok_or("a reader without an id")?);
        Ok(Reader {
            id,
            name: self.name.unwrap_or_else(|| format!("reader {id}")),
            online: self.online,
            model: self.model,
            door: self.lock_id.map(LockId),
            tampered: self.tampered,
        })
    }
}
