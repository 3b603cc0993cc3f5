//! Doors, controllers and readers as Kisi last showed them. `None` is 'not known', which is not 'no'.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ControllerId, LockId, ReaderId};

/// A door's lock (Kisi API notes, 3.5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Its id.
    pub id: LockId,
    /// Its name.
    pub name: String,
    /// Whether Kisi reaches it.
    pub online: Option<bool>,
    /// Whether it is held unlocked.
    pub unlocked: Option<bool>,
    /// Whether the door stands open.
    pub open: Option<bool>,
    /// Whether it is locked down.
    pub locked_down: Option<bool>,
}

/// A controller (Kisi API notes, 3.7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Controller {
    /// Its id.
    pub id: ControllerId,
    /// Its name.
    pub name: String,
    /// Whether Kisi reaches it.
    pub online: Option<bool>,
    /// Its model, as `controller-pro-2.0`.
    pub model: Option<String>,
}

/// A reader (Kisi API notes, 3.7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reader {
    /// Its id.
    pub id: ReaderId,
    /// Its name.
    pub name: String,
    /// Whether Kisi reaches it.
    pub online: Option<bool>,
    /// Its model, as `reader-pro-3.0`.
    pub model: Option<String>,
    /// The lock that it belongs to, where it belongs to one.
    pub door: Option<LockId>,
    /// Whether it reports that somebody tampered with it.
    pub tampered: Option<bool>,
}
