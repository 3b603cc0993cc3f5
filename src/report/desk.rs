//! The desk: where the outward rooms ask the gateway, and what it answers.
//!
//! `web` and `cli` know this and nothing of the gateway's inside. Everything here has been cut to what may be said:
//! the view holds of people what `mqtt.people` allows (contract 5).

use std::future::Future;
use std::pin::Pin;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::metrics::Family;
use super::{Alert, AlertKind, DoorState, EventReport, Member, MemberPerson, Status};
use crate::domain::hands::Hands;
use crate::domain::ledger::Owned;
use crate::domain::{GroupId, LockId, Reason, Timestamp, UserId, Zone};

/// An answer that may take a while.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Reply> + Send + 'a>>;

/// What the gateway answers for. All but the last come from memory, or a look into the store, and never wait.
pub trait Desk: Send + Sync + 'static {
    /// What the page shows.
    fn view(&self) -> View;

    /// Whether the gateway lives and is ready.
    fn health(&self) -> Health;

    /// What it counts.
    fn metrics(&self) -> Vec<Family>;

    /// A webhook came, and this is what was made of it: a right one wakes a reading, and never waits for it.
    fn hook(&self, hook: Hook, hooked: Hooked);

    /// Does what a verb asks (contract 1). Whoever asks may stop waiting: what was begun goes on.
    fn ask(&self, request: Request) -> Answer<'_>;
}

/// Whose webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hook {
    /// Nexudus'.
    Nexudus,
    /// Kisi's.
    Kisi,
}

impl Hook {
    /// As in its path and its key.
    pub fn name(self) -> &'static str {
        match self {
            Hook::Nexudus => "nexudus",
            Hook::Kisi => "kisi",
        }
    }
}

/// What was made of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hooked {
    /// It is rightly signed.
    Taken,
    /// It is not, or there were too many.
    Refused,
}

/// What a verb asks of the running gateway: one JSON object with the name of the verb in `verb`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "lowercase", deny_unknown_fields)]
pub enum Request {
    /// The `status` topic's payload.
    Status,
    /// What would be changed.
    Plan,
    /// One pass, now. `yes` takes held removals past the guard.
    Apply {
        /// Past the guard.
        yes: bool,
    },
    /// How far an `apply` under way has come: a [`Progress`](super::plan::Progress).
    Progress,
    /// Which doors somebody opens, and why or why not.
    Explain {
        /// An e-mail, a Nexudus customer's id, or `kisi:ID`.
        who: String,
        /// At which moment; absent: now.
        at: Option<Timestamp>,
        /// Of which door; absent: of all.
        door: Option<LockId>,
    },
    /// Nothing more is written to Kisi.
    Pause,
    /// Writing goes on.
    Resume,
    /// Kept events: an [`EventPage`].
    Events {
        /// Only those numbered higher: to follow on.
        after: Option<u64>,
        /// Only those that happened then or later.
        since: Option<Timestamp>,
        /// Only those of that door.
        door: Option<LockId>,
        /// At most so many: with `after` the first, else the newest.
        limit: usize,
    },
    /// What another hand made in linked groups: an [`AdoptReport`](super::adopt::AdoptReport).
    Adopt {
        /// Whose hand.
        created_by: UserId,
        /// With the users suspended while they held no grant.
        suspended: bool,
        /// It becomes ours.
        apply: bool,
    },
    /// What is ours: a [`LedgerReport`].
    Ledger,
    /// Looks at every row of the store.
    StoreCheck,
    /// Copies the ledger into a new file of that name in the store's directory, for the asker to fetch.
    StoreBackup {
        /// The file's name, without a directory.
        name: String,
    },
    /// A full pass, now.
    Sync,
    /// Releases what the guard holds under that id.
    Approve {
        /// The id.
        plan: String,
    },
}

/// What a verb gets: one JSON object, `exit` beside either `value` or `error`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The exit status that the verb ends with (contract 1).
    pub exit: u8,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// What the verb prints with `--json`.
    Value(Value),
    /// What is wrong and what to do, for people.
    Error(String),
}

impl Reply {
    /// An answer with its exit status. A value that has no JSON form is an error with exit status 1.
    pub fn value(exit: u8, value: &impl Serialize) -> Reply {
        match serde_json::to_value(value) {
            Ok(value) => Reply { exit, outcome: Outcome::Value(value) },
            Err(error) => Reply::error(1, format!("the answer can't be written as JSON: {error}")),
        }
    }

    /// A refusal with its exit status.
    pub fn error(exit: u8, error: impl Into<String>) -> Reply {
        Reply { exit, outcome: Outcome::Error(error.into()) }
    }
}

/// The answer to [`Request::Ledger`]: what `check --online` judges Kisi by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LedgerReport {
    /// Assignments that are ours.
    pub owned: Vec<Owned>,
    /// Kisi ignores a changed window (rules 3).
    pub patch_ignored: bool,
    /// Who else makes assignments in linked groups.
    pub hands: Hands,
}

/// The answer to [`Request::Events`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EventPage {
    /// The number of the last event that was looked at: ask for those `after` it next. Absent where there is none.
    pub last: Option<u64>,
    /// The events, newest last.
    pub events: Vec<EventReport>,
}

/// What the status page shows, cut to what `mqtt.people` allows. Lists are whole; the page shows the first of each.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// `site.id`.
    pub site: String,
    /// In which zone times are shown.
    pub zone: Zone,
    /// The status.
    pub status: Status,
    /// Alerts that stand: what happened, and what to do.
    pub alerts: Vec<(AlertKind, Alert)>,
    /// What the guard holds.
    pub held: Option<HeldPlan>,
    /// Who gets in now, the soonest end first.
    pub open_now: Vec<Access>,
    /// What begins next, soonest first.
    pub coming: Vec<Access>,
    /// Doors.
    pub doors: Vec<DoorState>,
    /// The last events, newest first.
    pub events: Vec<EventReport>,
}

/// Somebody's window in a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Access {
    /// Who; absent where `people` is none.
    pub person: Option<MemberPerson>,
    /// In which group.
    pub group: GroupId,
    /// Its name, once Kisi has said.
    pub group_name: Option<String>,
    /// From when; absent: always.
    pub from: Option<Timestamp>,
    /// Until when; absent: without end.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: Reason,
}

/// What the guard holds.
#[derive(Clone, Debug, PartialEq)]
pub struct HeldPlan {
    /// The id that `approve` takes.
    pub plan: String,
    /// How many people it concerns.
    pub people: usize,
    /// The removals and suspensions.
    pub removals: Vec<Member>,
}

/// How the gateway is, for whoever restarts it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// The loops and whether each goes round.
    pub loops: Vec<Beat>,
    /// Why the store can't be written, if it can't.
    pub store_error: Option<String>,
    /// What is still missing before the gateway does its work after a start; absent: it is ready.
    pub waiting_for: Option<String>,
}

/// A loop's sign of life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// The loop's name.
    pub name: String,
    /// Whether it went round within its time.
    pub alive: bool,
}

impl Health {
    /// Whether all loops go round: else it is to be restarted. The clouds, the broker and the disk play no part: no
    /// restart brings those back, and none makes room.
    pub fn is_live(&self) -> bool {
        self.loops.iter().all(|beat| beat.alive)
    }

    /// Whether all loops go round and the store can be written.
    pub fn is_well(&self) -> bool {
        self.store_error.is_none() && self.is_live()
    }
}
