//! The tables of both files, and what a row of each must decode to.
//!
//! Every key is bytes: a number big-endian, so that rows lie in the order of their ids, or a text. Every value is JSON.

use std::collections::BTreeSet;
use std::fmt;

use redb::TableDefinition;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use crate::domain::event::Event;
use crate::domain::ledger::{Account, Intent, Owned};
use crate::domain::roster::{Assignment, Group, User};
use crate::domain::snapshot::{
    Booking, Contract, Customer, Entity, Held, Named, Pass, PassKind, PausedPeriod, Record, Team,
};
use crate::domain::{Timestamp, UserId};

/// The number of the format that this build writes, in each file. A file with a higher one is refused.
pub(super) const FORMAT: u64 = 1;

/// One of the two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// What was read from the clouds, and can be read again.
    Cache,
    /// What can't be read again from anywhere.
    Ledger,
}

impl Part {
    /// The file's name in the store's directory.
    pub fn file_name(self) -> &'static str {
        match self {
            Part::Cache => "cache.redb",
            Part::Ledger => "ledger.redb",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.file_name())
    }
}

/// A table, by its name in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Table(pub(super) &'static str);

impl Table {
    /// As redb wants it.
    pub(super) fn rows(self) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
        TableDefinition::new(self.0)
    }
}

/// The format's number and which of the two files this is.
pub(super) const META: Table = Table("meta");
/// Small named values.
pub(super) const VALUES: Table = Table("values");
/// Rows that could not be decoded, as they were.
pub(super) const ASIDE: Table = Table("aside");

pub(super) const USERS: Table = Table("users");
pub(super) const ASSIGNMENTS: Table = Table("assignments");
pub(super) const GROUPS: Table = Table("groups");

pub(super) const OWNED: Table = Table("owned");
pub(super) const ACCOUNTS: Table = Table("accounts");
pub(super) const INTENTS: Table = Table("intents");
/// Events by sequence number.
pub(super) const EVENTS: Table = Table("events");
/// The sequence numbers of events that the broker has not acknowledged; the values are empty.
pub(super) const OUTBOX: Table = Table("outbox");
/// Known uuids, with the time of their event.
pub(super) const SEEN: Table = Table("seen");
/// The time of the last event of each door.
pub(super) const DOORS: Table = Table("doors");

/// The table of a list of Nexudus.
pub(super) fn shelf(entity: Entity) -> Table {
    Table(match entity {
        Entity::Bookings => "bookings",
        Entity::Resources => "resources",
        Entity::Customers => "customers",
        Entity::Passes => "passes",
        Entity::PassKinds => "pass_kinds",
        Entity::Contracts => "contracts",
        Entity::PausedPeriods => "paused_periods",
        Entity::Desks => "desks",
        Entity::Teams => "teams",
    })
}

/// Says why a value is not one of its table.
pub(super) type Check = fn(&[u8]) -> Result<(), serde_json::Error>;

fn is<T: DeserializeOwned>(value: &[u8]) -> Result<(), serde_json::Error> {
    serde_json::from_slice::<T>(value).map(drop)
}

fn held<T: Record + DeserializeOwned>(value: &[u8]) -> Result<(), serde_json::Error> {
    is::<Held<T>>(value)
}

/// The tables whose every row is looked at when a file is opened. Events are not: there may be many, and those that
/// wait for the broker are looked at through the outbox.
pub(super) fn checks(part: Part) -> Vec<(Table, Check)> {
    match part {
        Part::Cache => vec![
            (shelf(Entity::Bookings), held::<Booking>),
            (shelf(Entity::Resources), held::<Named>),
            (shelf(Entity::Customers), held::<Customer>),
            (shelf(Entity::Passes), held::<Pass>),
            (shelf(Entity::PassKinds), held::<PassKind>),
            (shelf(Entity::Contracts), held::<Contract>),
            (shelf(Entity::PausedPeriods), held::<PausedPeriod>),
            (shelf(Entity::Desks), held::<Named>),
            (shelf(Entity::Teams), held::<Team>),
            (USERS, is::<User>),
            (ASSIGNMENTS, is::<Assignment>),
            (GROUPS, is::<Group>),
            (VALUES, is::<IgnoredAny>),
        ],
        Part::Ledger => vec![
            (OWNED, is::<Owned>),
            (ACCOUNTS, is::<Account>),
            (INTENTS, is::<Intent>),
            (SEEN, is::<Timestamp>),
            (DOORS, is::<Timestamp>),
            (VALUES, is::<IgnoredAny>),
        ],
    }
}

/// Whether a value is an event.
pub(super) fn is_event(value: &[u8]) -> Result<(), serde_json::Error> {
    is::<Event>(value)
}

/// A number as a key.
pub(super) fn number(id: u64) -> Vec<u8> {
    id.to_be_bytes().to_vec()
}

/// A key as a number.
pub(super) fn as_number(key: &[u8]) -> Option<u64> {
    key.try_into().ok().map(u64::from_be_bytes)
}

/// A key as an operator reads it.
pub(super) fn shown(key: &[u8]) -> String {
    match (as_number(key), std::str::from_utf8(key)) {
        // Eight bytes with a leading zero are a number: no text of ours holds a zero byte.
        (Some(id), _) if key.first() == Some(&0) => id.to_string(),
        (_, Ok(text)) => text.to_owned(),
        (Some(id), _) => id.to_string(),
        _ => String::from_utf8_lossy(key).into_owned(),
    }
}

/// The small named values of the ledger: each is a JSON value under one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The last trusted time: Kisi's `Date` is never believed to be earlier (rules 4).
    TrustedTime,
    /// Up to when Kisi's events were read (rules 7). [`Batch::events`](super::Batch::events) keeps it.
    Watermark,
    /// Whether nothing is written to Kisi until `resume` (contract 1).
    Paused,
    /// What the guard remembers of the last hour, and what was approved (contract 6, promise 5).
    Guard,
    /// Learnt for the organization: a PATCH of a window is answered and ignored (rules 3).
    PatchIgnored,
    /// What was learnt of how the clouds answer, where their documents leave it open.
    Form,
    /// Ids of commands that were obeyed in the last 24 hours (contract 4).
    KnownCommands,
    /// When the hourly and the nightly reading of events were last done (rules 7).
    Rereads,
    /// What `alert.url` was last told of each alert.
    Alerts,
    /// Who else makes rows in linked groups, and when (rules 5).
    Hands,
    /// The retained topics that were published and not yet cleared (contract 3).
    Topics,
}

impl Key {
    /// Its name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Key::TrustedTime => "trusted_time",
            Key::Watermark => "watermark",
            Key::Paused => "paused",
            Key::Guard => "guard",
            Key::PatchIgnored => "patch_ignored",
            Key::Form => "form",
            Key::KnownCommands => "known_commands",
            Key::Rereads => "rereads",
            Key::Alerts => "alerts",
            Key::Hands => "hands",
            Key::Topics => "topics",
        }
    }
}

/// The number that the next event gets.
pub(super) const NEXT_EVENT: &[u8] = b"next_event";
/// [`RosterFacts`], in the cache.
pub(super) const ROSTER: &[u8] = b"roster";
/// When the roster was last read whole, in the cache.
pub(super) const ROSTER_READ_AT: &[u8] = b"roster_read_at";

/// What a roster holds beside its rows.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct RosterFacts {
    #[serde(default)]
    pub(super) elevated: BTreeSet<UserId>,
    pub(super) places: Option<usize>,
}

/// What is kept of a list beside its rows: when the `first` and the `last` complete reading began, and whether it was
/// ever `filled`.
pub(super) fn about(entity: Entity, what: &str) -> Vec<u8> {
    format!("shelf/{}/{what}", shelf(entity).0).into_bytes()
}
