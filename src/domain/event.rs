//! Door events, as Kisi recorded them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LockId, Timestamp, UserId};

/// One event of Kisi's record (Kisi API notes, 4.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Kisi's name for it; known ones are dropped.
    pub uuid: String,
    /// `created_at`.
    pub time: Timestamp,
    /// Kisi's type, as `lock.unlock`.
    pub kind: String,
    /// The door, where the object is a lock or a reader of one.
    pub door: Option<Door>,
    /// `success`, where the event says so.
    pub success: Option<bool>,
    /// `error_code`; `ffffff` on a success is none.
    pub error_code: Option<String>,
    /// `error_message`.
    pub error_message: Option<String>,
    /// The Kisi user who acted, if one did.
    pub actor: Option<UserId>,
    /// That user's name, as Kisi wrote it.
    pub actor_name: Option<String>,
    /// `card`, `app`, `link` …: by what the person was recognised.
    pub by: Option<String>,
    /// What it concerns, where that is no door: its type and id, as `User` and 771001.
    pub object: Option<(String, u64)>,
    /// When this box read it.
    pub received_at: Timestamp,
    /// Read after an outage.
    pub replayed: bool,
    /// Older than one already queued for that door.
    pub late: bool,
}

/// A door's id and name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Door {
    /// The lock's id.
    pub id: LockId,
    /// The lock's name.
    pub name: String,
}
