//! What we send: one struct for each body, so that nothing goes out that is not written here (Kisi API notes, 3 and 4).

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::SecondsFormat;
use serde::Serialize;
use serde_json::Value;

use crate::domain::roster::mark;
use crate::domain::{CustomerId, GroupId, NewUsers, Timestamp, UserId, Window};

/// A body as bytes. None of the structs here can fail to be written; were one to, Kisi would refuse the empty body.
pub fn json<T: Serialize>(body: &T) -> Bytes {
    serde_json::to_vec(body).map(Bytes::from).unwrap_or_default()
}

/// UTC, whole seconds, `Z` (Kisi API notes, 8, row 10).
pub fn instant(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The role that only opens doors.
pub const GROUP_BASIC: &str = "group_basic";

/// Which of the two forms of a new assignment this organization takes (Kisi API notes, 3.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// `applies_to_…`, `assignee_…`.
    #[default]
    New,
    /// `user_id`, `group_id`: deprecated, and in use everywhere.
    Old,
}

impl Form {
    /// The other one.
    pub fn other(self) -> Form {
        match self {
            Form::New => Form::Old,
            Form::Old => Form::New,
        }
    }
}

/// `POST /role_assignments`.
#[derive(Serialize)]
pub struct NewAssignment {
    role_assignment: NewAssignmentInner,
}

#[derive(Serialize)]
struct NewAssignmentInner {
    #[serde(flatten)]
    whose: Whose,
    role_id: &'static str,
    /// Never left out: Kisi would mail the member at each change.
    notify: bool,
    valid_from: Option<String>,
    valid_until: Option<String>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Whose {
    New { applies_to_type: &'static str, applies_to_id: GroupId, assignee_type: &'static str, assignee_id: UserId },
    Old { user_id: UserId, group_id: GroupId },
}

impl NewAssignment {
    /// A user's assignment in a group.
    pub fn new(form: Form, user: UserId, group: GroupId, window: &Window) -> NewAssignment {
        let whose = match form {
            Form::New => {
                Whose::New { applies_to_type: "Group", applies_to_id: group, assignee_type: "User", assignee_id: user }
            }
            Form::Old => Whose::Old { user_id: user, group_id: group },
        };
        NewAssignment {
            role_assignment: NewAssignmentInner {
                whose,
                role_id: GROUP_BASIC,
                notify: false,
                valid_from: window.from().map(instant),
                valid_until: window.until().map(instant),
            },
        }
    }
}

/// `PATCH /role_assignments/{id}`.
#[derive(Serialize)]
pub struct NewWindow {
    role_assignment: NewWindowInner,
}

#[derive(Serialize)]
struct NewWindowInner {
    valid_from: Option<String>,
    valid_until: Option<String>,
    notify: bool,
}

impl NewWindow {
    /// The window that an assignment is to have; an open side is sent as null.
    pub fn new(window: &Window) -> NewWindow {
        NewWindow {
            role_assignment: NewWindowInner {
                valid_from: window.from().map(instant),
                valid_until: window.until().map(instant),
                notify: false,
            },
        }
    }
}

/// `metadata` of a user, whole: PATCH may merge it or replace it.
pub type Metadata = BTreeMap<String, Value>;

/// `metadata` with our marks in it, and all that others put there.
pub fn marked(there: &Metadata, site: &str, customer: Option<CustomerId>) -> Metadata {
    let mut metadata = there.clone();
    metadata.insert(mark::SITE.to_owned(), site.into());
    if let Some(customer) = customer {
        metadata.insert(mark::CUSTOMER.to_owned(), customer.to_string().into());
    }
    metadata
}

/// `POST /users`.
#[derive(Serialize)]
pub struct NewUser<'a> {
    user: NewUserInner<'a>,
}

#[derive(Serialize)]
struct NewUserInner<'a> {
    email: &'a str,
    name: &'a str,
    send_emails: bool,
    confirm: bool,
    access_enabled: bool,
    metadata: Metadata,
}

impl<'a> NewUser<'a> {
    /// A user. A regular one is mailed and confirms by itself; a managed one is confirmed here and gets no mail.
    pub fn new(email: &'a str, name: &'a str, kind: NewUsers, metadata: Metadata) -> NewUser<'a> {
        let regular = kind == NewUsers::Regular;
        NewUser {
            user: NewUserInner { email, name, send_emails: regular, confirm: !regular, access_enabled: true, metadata },
        }
    }
}

/// `PATCH /users/{id}`: whatever is not named stays.
#[derive(Default, Serialize)]
pub struct UserPatch<'a> {
    user: UserPatchInner<'a>,
}

#[derive(Default, Serialize)]
struct UserPatchInner<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata>,
}

impl<'a> UserPatch<'a> {
    /// Enables or suspends, with the marks in the same call (rules 5).
    pub fn access(enabled: bool, metadata: Metadata) -> UserPatch<'a> {
        UserPatch { user: UserPatchInner { name: None, access_enabled: Some(enabled), metadata: Some(metadata) } }
    }

    /// What `POST /users` may have left out.
    pub fn mend(name: &'a str, metadata: Metadata) -> UserPatch<'a> {
        UserPatch { user: UserPatchInner { name: Some(name), access_enabled: None, metadata: Some(metadata) } }
    }
}

/// `POST /event_sets`.
#[derive(Serialize)]
pub struct NewEventSet {
    event_set: NewEventSetInner,
}

#[derive(Serialize)]
struct NewEventSetInner {
    interval: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_place_id: Option<u64>,
}

impl NewEventSet {
    /// All events of that time, of one place or of the whole organization.
    pub fn new(from: Timestamp, to: Timestamp, place: Option<u64>) -> NewEventSet {
        let interval = format!("{}/{}", instant(from), instant(to));
        NewEventSet { event_set: NewEventSetInner { interval, event_place_id: place } }
    }
}

/// `POST /locks/{id}/unlock`: no context of ours would be true.
#[derive(Serialize)]
pub struct Unlock {}
