//! What a Kisi organization consists of, as plain records: the same to set up a twin, to keep and to read back.
//!
//! An `id` of 0 asks for the next free one. Every record can be written as JSON under `/_twin/`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A number of Kisi's own.
pub type Id = u64;
/// A moment of the twin's own clock.
pub type Moment = DateTime<Utc>;

/// The organization that all keys belong to.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Organization {
    /// Its id.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// Its domain.
    pub domain: String,
}

/// A building.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Place {
    /// Its id.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// Its IANA zone.
    pub time_zone: String,
    /// Since when its doors can't reach Kisi; `None` while they can.
    pub offline_since: Option<Moment>,
}

/// A person known to Kisi.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct User {
    /// Its id.
    pub id: Id,
    /// Its e-mail, kept as it was given.
    pub email: String,
    /// Its name.
    pub name: Option<String>,
    /// Free text.
    pub notes: Option<String>,
    /// A flat map of basic values.
    pub metadata: Map<String, Value>,
    /// False while suspended.
    pub access_enabled: bool,
    /// False while suspended by the directory; no call of the API changes it.
    pub scim_access_enabled: bool,
    /// Whether Kisi mails this user, as asked when it was made.
    pub send_emails: bool,
    /// Whether it was made confirmed.
    pub confirm: bool,
    /// When it was made.
    pub created_at: Moment,
    /// When it was last changed.
    pub updated_at: Moment,
    /// When it last opened a door.
    pub last_accessed_at: Option<Moment>,
}

impl Default for User {
    fn default() -> User {
        User {
            id: 0,
            email: String::new(),
            name: None,
            notes: None,
            metadata: Map::new(),
            access_enabled: true,
            scim_access_enabled: true,
            send_emails: false,
            confirm: false,
            created_at: Moment::UNIX_EPOCH,
            updated_at: Moment::UNIX_EPOCH,
            last_accessed_at: None,
        }
    }
}

/// Several users who are given rights as one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Team {
    /// Its id.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// Its users.
    pub members: Vec<Id>,
}

/// An access group: the doors that its assignments open.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Group {
    /// Its id.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// Its place; none for one of the whole organization.
    pub place_id: Option<Id>,
    /// Whether its members may use the app.
    pub login_enabled: bool,
    /// Whether hours restrict it. (Shown only; the twin's doors don't judge hours.)
    pub time_restriction_enabled: bool,
    /// Whether the caller must stand at the door, so that an unlock from afar is refused.
    pub geofence_restriction_enabled: bool,
    /// Whether the caller must use the reader.
    pub reader_restriction_enabled: bool,
}

impl Default for Group {
    fn default() -> Group {
        Group {
            id: 0,
            name: String::new(),
            place_id: None,
            login_enabled: true,
            time_restriction_enabled: false,
            geofence_restriction_enabled: false,
            reader_restriction_enabled: false,
        }
    }
}

/// A door in a group.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GroupLock {
    /// Its id.
    pub id: Id,
    /// The group.
    pub group_id: Id,
    /// The door.
    pub lock_id: Id,
    /// When the door came into the group.
    pub created_at: Moment,
}

/// A door.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lock {
    /// Its id.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// Its place.
    pub place_id: Id,
    /// Whether Kisi reaches it; `None` where that is unknown.
    pub online: Option<bool>,
    /// Whether it has been set up.
    pub configured: bool,
    /// Whether it stands unlocked.
    pub unlocked: bool,
    /// Whether it stands open; `None` without a contact.
    pub open: Option<bool>,
    /// Whether nobody gets in.
    pub locked_down: bool,
    /// Whether an unlock must come with the caller's whereabouts.
    pub geofence_restriction_enabled: Option<bool>,
}

impl Default for Lock {
    fn default() -> Lock {
        Lock {
            id: 0,
            name: String::new(),
            place_id: 0,
            online: Some(true),
            configured: true,
            unlocked: false,
            open: Some(false),
            locked_down: false,
            geofence_restriction_enabled: None,
        }
    }
}

/// A controller in a cupboard.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Controller {
    /// Its id.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// Its place.
    pub place_id: Id,
    /// Whether Kisi reaches it.
    pub online: bool,
    /// Its model.
    pub model: String,
}

impl Default for Controller {
    fn default() -> Controller {
        Controller { id: 0, name: String::new(), place_id: 0, online: true, model: "controller-pro-2.0".to_owned() }
    }
}

/// A reader at a door.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reader {
    /// Its id.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// Its place.
    pub place_id: Id,
    /// Its door.
    pub lock_id: Option<Id>,
    /// Whether Kisi reaches it.
    pub online: bool,
    /// Whether it has been tampered with.
    pub tampered: bool,
    /// Its model.
    pub model: String,
}

impl Default for Reader {
    fn default() -> Reader {
        Reader {
            id: 0,
            name: String::new(),
            place_id: 0,
            lock_id: None,
            online: true,
            tampered: false,
            model: "reader-pro-3.0".to_owned(),
        }
    }
}

/// An integration; only event webhooks do anything.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Integration {
    /// Its id.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it is switched on.
    pub enabled: bool,
    /// Where its webhooks go.
    pub url: String,
    /// Which event types it is told of.
    pub enabled_events: Vec<String>,
    /// The key that signs its webhooks.
    pub signature_key: String,
    /// When it was disabled because its receiver kept failing.
    pub disabled_due_to_error_at: Option<Moment>,
}

impl Default for Integration {
    fn default() -> Integration {
        Integration {
            id: 0,
            name: String::new(),
            kind: "event_webhook".to_owned(),
            enabled: true,
            url: String::new(),
            enabled_events: Vec::new(),
            signature_key: String::new(),
            disabled_due_to_error_at: None,
        }
    }
}

/// What a role assignment gives a right to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The whole organization.
    Organization,
    /// One place.
    Place(Id),
    /// One group: the only scope with a window.
    Group(Id),
}

/// Who holds a role assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assignee {
    /// One user.
    User(Id),
    /// All users of a team.
    Team(Id),
    /// A guest.
    Guest(Id),
}

/// Who made a role assignment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Creator {
    /// Kisi doesn't say.
    #[default]
    Unknown,
    /// A user, by hand or through a key.
    User(Id),
    /// An integration from Kisi's marketplace.
    MarketplaceInstallation(Id),
}

/// A role assignment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// Its id.
    #[serde(default)]
    pub id: Id,
    /// The role.
    #[serde(default = "group_basic")]
    pub role_id: String,
    /// What it gives a right to.
    pub scope: Scope,
    /// Who holds it.
    pub assignee: Assignee,
    /// Who made it.
    #[serde(default)]
    pub created_by: Creator,
    /// From when it is valid; open when absent. Only for groups.
    #[serde(default)]
    pub valid_from: Option<Moment>,
    /// Until when it is valid; open when absent. Only for groups.
    #[serde(default)]
    pub valid_until: Option<Moment>,
    /// Whether Kisi mails the holder at each change.
    #[serde(default)]
    pub notify: bool,
    /// When it was made.
    #[serde(default)]
    pub created_at: Moment,
    /// When it was last changed.
    #[serde(default)]
    pub updated_at: Moment,
}

fn group_basic() -> String {
    "group_basic".to_owned()
}

impl Assignment {
    /// A user's `group_basic` in a group, made by `created_by`, with no window.
    pub fn in_group(user: Id, group: Id, created_by: Creator) -> Assignment {
        Assignment {
            id: 0,
            role_id: group_basic(),
            scope: Scope::Group(group),
            assignee: Assignee::User(user),
            created_by,
            valid_from: None,
            valid_until: None,
            notify: false,
            created_at: Moment::UNIX_EPOCH,
            updated_at: Moment::UNIX_EPOCH,
        }
    }

    /// The same with a window.
    pub fn window(mut self, from: Option<Moment>, until: Option<Moment>) -> Assignment {
        self.valid_from = from;
        self.valid_until = until;
        self
    }
}

/// What an API key may do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The user it belongs to; all keys of one user share its quota.
    pub user: Id,
    /// Every call is answered with this status: 401, 403.
    #[serde(default)]
    pub refused: Option<u16>,
    /// Every write is answered with this status, reads go on: a key whose administrator was demoted.
    #[serde(default)]
    pub writes_refused: Option<u16>,
}
