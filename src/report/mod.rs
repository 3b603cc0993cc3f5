//! What the gateway says of itself: the payloads of topics, socket and page (contract 3).
//!
//! Plain values and their JSON, nothing else: whoever shows them decides nothing.

pub mod adopt;
pub mod desk;
pub mod discovery;
pub mod metrics;
pub mod plan;
pub mod schema;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::event::{Door, Event};
use crate::domain::plan::{Change, PersonRef};
use crate::domain::{ControllerId, CustomerId, GroupId, LockId, ReaderId, Reason, Timestamp, UserId};

/// How a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Answers.
    Online,
    /// Answers, but not to everything or not at the pace asked for.
    Degraded,
    /// Does not answer.
    Offline,
    /// Answers that we may not.
    Refused,
}

/// One connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Connection {
    /// How it is.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
    /// The last time that it did what was asked.
    pub last_success: Option<Timestamp>,
    /// What is wrong, in words.
    pub error: Option<String>,
}

/// The trusted clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClockReport {
    /// Whether Kisi's time is known.
    pub trusted: bool,
    /// How far the system's clock is ahead of it.
    pub offset_ms: Option<i64>,
}

/// The paces that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pace {
    /// Seconds between two readings of changes.
    pub changes_s: u64,
    /// Seconds between two complete readings.
    pub refresh_s: u64,
}

/// How many of what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// People with a grant now or to come.
    pub people: usize,
    /// Grants now or to come.
    pub grants: usize,
    /// People and groups whose window is open now.
    pub open_now: usize,
    /// Assignments in Kisi that are ours.
    pub assignments: usize,
    /// Changes waiting to be made.
    pub pending: usize,
    /// Changes that the guard holds.
    pub held: usize,
    /// Events waiting for the broker.
    pub outbox: usize,
}

/// What the last pass did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LastSync {
    /// When it ended.
    pub at: Timestamp,
    /// How long it took.
    pub took_ms: u64,
    /// Assignments made.
    pub added: usize,
    /// Assignments moved.
    pub moved: usize,
    /// Assignments removed.
    pub removed: usize,
    /// Users suspended.
    pub suspended: usize,
    /// Users restored.
    pub restored: usize,
    /// Users deleted.
    pub deleted: usize,
}

/// The `status` topic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// Gatehouse's version.
    pub version: String,
    /// When this run began.
    pub started_at: Timestamp,
    /// When this was said.
    pub time: Timestamp,
    /// Not to be believed after.
    pub valid_until: Timestamp,
    /// Whether nothing is written to Kisi until `resume`.
    pub paused: bool,
    /// The clock.
    pub clock: ClockReport,
    /// Nexudus.
    pub nexudus: Connection,
    /// Kisi.
    pub kisi: Connection,
    /// The broker.
    pub broker: Connection,
    /// The paces that are kept, after the rate limits have stretched them.
    pub pace: Pace,
    /// Counts.
    pub counts: Counts,
    /// When the oldest event was read that waits for the broker.
    #[serde(default)]
    pub outbox_since: Option<Timestamp>,
    /// When the next window opens or closes.
    pub next_change_at: Option<Timestamp>,
    /// The last pass that did something.
    pub last_sync: Option<LastSync>,
    /// The alerts that stand, and what each says.
    #[serde(default)]
    pub alerts: BTreeMap<AlertKind, String>,
}

/// A door, a lock in Kisi: the `door/<id>/state` topic. Absent values are not known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DoorState {
    /// The lock's id.
    pub id: LockId,
    /// Its name.
    pub name: String,
    /// Whether Kisi reaches it.
    pub online: Option<bool>,
    /// Whether it is unlocked.
    pub unlocked: Option<bool>,
    /// Whether it stands open.
    pub open: Option<bool>,
    /// Whether it is locked down.
    pub locked_down: Option<bool>,
    /// The time of its last event.
    pub last_event: Option<Timestamp>,
}

/// The `controller/<id>/state` and `reader/<id>/state` topics: what Kisi last showed, as it is.
pub use crate::domain::hardware::{Controller as ControllerState, Reader as ReaderState};

pub use crate::domain::person::People;

/// The person of an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventPerson {
    /// Kisi's id.
    pub id: UserId,
    /// Nexudus' id, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<CustomerId>,
    /// The name, where it may be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// An error that an event tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventError {
    /// Kisi's code.
    pub code: Option<String>,
    /// Its text.
    pub message: Option<String>,
}

/// The `door/<id>/event` and `event/<type>` topics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventReport {
    /// Kisi's name for it: a subscriber drops those it knows.
    pub uuid: String,
    /// When it happened.
    pub time: Timestamp,
    /// Kisi's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The door.
    pub door: Option<Door>,
    /// Whether it succeeded.
    pub success: Option<bool>,
    /// What was wrong.
    pub error: Option<EventError>,
    /// Who; by `people`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<EventPerson>,
    /// By what the person was recognised.
    pub by: Option<String>,
    /// When this box read it.
    pub received_at: Timestamp,
    /// Read after an outage.
    pub replayed: bool,
    /// Older than one already published for that door.
    pub late: bool,
}

impl EventReport {
    /// An event as subscribers see it. `customer`: whom the actor is in Nexudus, where known.
    pub fn new(event: &Event, customer: Option<CustomerId>, people: People) -> EventReport {
        let error = (event.error_code.is_some() || event.error_message.is_some())
            .then(|| EventError { code: event.error_code.clone(), message: event.error_message.clone() });
        let person = event.actor.filter(|_| people != People::None).map(|id| EventPerson {
            id,
            customer,
            name: event.actor_name.clone().filter(|_| people == People::Name),
        });
        EventReport {
            uuid: event.uuid.clone(),
            time: event.time,
            kind: event.kind.clone(),
            door: event.door.clone(),
            success: event.success,
            error,
            person,
            by: event.by.clone(),
            received_at: event.received_at,
            replayed: event.replayed,
            late: event.late,
        }
    }
}

/// The person of a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemberPerson {
    /// Nexudus' id.
    pub customer: Option<CustomerId>,
    /// Kisi's id.
    pub user: Option<UserId>,
    /// The name, where it may be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl MemberPerson {
    /// A person as subscribers see them; `None` where nothing may be said.
    pub fn new(person: &PersonRef, people: People) -> Option<MemberPerson> {
        (people != People::None).then(|| MemberPerson {
            customer: person.customer,
            user: person.user,
            name: person.name.clone().filter(|_| people == People::Name),
        })
    }
}

/// What one change was: part of `membership` and of the guard's alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Member {
    /// `added`, `moved`, `removed`, `suspended`, `restored`, `deleted`, `invited` or `adopted`.
    pub change: String,
    /// The group.
    pub group: Option<GroupId>,
    /// Who; by `people`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<MemberPerson>,
    /// Why.
    pub reason: Reason,
}

/// The `membership` topic: one change made in Kisi.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Membership {
    /// When.
    pub time: Timestamp,
    /// What, whom and why.
    #[serde(flatten)]
    pub member: Member,
    /// The window written.
    pub valid_from: Option<Timestamp>,
    /// The window written.
    pub valid_until: Option<Timestamp>,
}

impl Member {
    /// A change as subscribers see it.
    pub fn new(change: &Change, people: People) -> Member {
        Member {
            change: change.word().to_owned(),
            group: change.group(),
            person: MemberPerson::new(&change.person, people),
            reason: change.reason,
        }
    }
}

/// The kinds of alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AlertKind {
    /// Nexudus is away.
    Nexudus,
    /// Kisi is away.
    Kisi,
    /// The broker is away.
    Broker,
    /// The time is not known, or the system's clock is wrong.
    Clock,
    /// Removals are held.
    Guard,
    /// Somebody else's hand in what is ours, or in the linked groups.
    Drift,
    /// The store could not be read or written.
    Store,
    /// The outbox is full, or old.
    Outbox,
    /// A sign-in or a right is refused.
    Credentials,
    /// A link, a customer or a record that can't be served.
    Links,
}

impl AlertKind {
    /// Every kind, in the order of the contract.
    pub const ALL: [AlertKind; 10] = [
        AlertKind::Nexudus,
        AlertKind::Kisi,
        AlertKind::Broker,
        AlertKind::Clock,
        AlertKind::Guard,
        AlertKind::Drift,
        AlertKind::Store,
        AlertKind::Outbox,
        AlertKind::Credentials,
        AlertKind::Links,
    ];

    /// Its name in the topic.
    pub fn name(self) -> &'static str {
        match self {
            AlertKind::Nexudus => "nexudus",
            AlertKind::Kisi => "kisi",
            AlertKind::Broker => "broker",
            AlertKind::Clock => "clock",
            AlertKind::Guard => "guard",
            AlertKind::Drift => "drift",
            AlertKind::Store => "store",
            AlertKind::Outbox => "outbox",
            AlertKind::Credentials => "credentials",
            AlertKind::Links => "links",
        }
    }
}

/// The `alert/<kind>` topic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Alert {
    /// Whether it stands.
    pub active: bool,
    /// Since when it has been so.
    pub since: Timestamp,
    /// What happened to what, and what to do.
    pub message: String,
    /// More, by kind.
    pub detail: serde_json::Value,
}

/// Everything that is published retained, as it is now: what a new connection sends first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Retained {
    /// The status, once there is one.
    pub status: Option<Status>,
    /// Doors.
    pub doors: BTreeMap<LockId, DoorState>,
    /// Controllers.
    pub controllers: BTreeMap<ControllerId, ControllerState>,
    /// Readers.
    pub readers: BTreeMap<ReaderId, ReaderState>,
    /// Alerts.
    pub alerts: BTreeMap<AlertKind, Alert>,
    /// Whether doors, controllers and readers are all there: what lies at the broker beside them is gone.
    pub whole: bool,
}
