//! What the operator has decided: the links and the settings of `[access]`, as the rules need them.

use std::time::Duration;

use chrono::TimeDelta;
use serde::Serialize;

use super::{DeskId, EmailPattern, GroupId, PassKindId, PlanId, ResourceId, Timestamp, Window, Zone};

/// Bookings that gave access until so long ago are still read.
const JUST_ENDED: TimeDelta = TimeDelta::hours(1);

/// What in Nexudus is tied to a Kisi group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Item {
    /// A bookable resource.
    Resource(ResourceId),
    /// A kind of pass.
    Pass(PassKindId),
    /// A desk or an office of the floor plan.
    Desk(DeskId),
    /// A price plan.
    Plan(PlanId),
}

impl std::fmt::Display for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Item::Resource(id) => write!(f, "resource {id}"),
            Item::Pass(id) => write!(f, "pass {id}"),
            Item::Desk(id) => write!(f, "desk {id}"),
            Item::Plan(id) => write!(f, "plan {id}"),
        }
    }
}

/// One Nexudus item tied to one Kisi access group (rules 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The Nexudus side.
    pub item: Item,
    /// The Kisi side.
    pub group: GroupId,
    /// A second group with the same doors, for a next window while the first slot is taken (rules 3).
    pub alternate: Option<GroupId>,
    /// How long before a booking its window begins.
    pub before: Duration,
    /// How long after a booking its window ends.
    pub after: Duration,
    /// Whether the members of the customer's teams hold the same grant (rules 2, Team).
    pub share_with_team: bool,
    /// Whether a pass with time slots may be linked all the same (rules 2, Pass).
    pub ignore_slots: bool,
}

/// When on the day of its `CancellationDate` a contract ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContractEnd {
    /// As the day begins.
    Start,
    /// As the day ends.
    End,
}

/// What becomes of the account of a person without access (rules 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAccess {
    /// `access_enabled = false`.
    Suspend,
    /// Removed from Kisi.
    Delete,
    /// Left as it is.
    Keep,
}

/// How a user is made in Kisi.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewUsers {
    /// Kisi mails an invitation.
    Regular,
    /// No mail.
    Managed,
}

/// How a user is treated who was in Kisi before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExistingUsers {
    /// Given and taken groups only.
    Assign,
    /// Treated like one of our own, but suspended where others would be deleted.
    Manage,
}

/// All that the rules ask of the configuration.
#[derive(Clone, Debug)]
pub struct Rules {
    /// `site.id`.
    pub site: String,
    /// `site.timezone`.
    pub zone: Zone,
    /// The links, in the order of the file.
    pub links: Vec<Link>,
    /// How early a window is written to Kisi.
    pub prestage: Duration,
    /// How far ahead bookings are known.
    pub horizon: Duration,
    /// The pace of complete readings: also how long apart two must be to agree on an absence after a lost cache.
    pub refresh: Duration,
    /// Whether an unapproved booking opens doors.
    pub tentative: bool,
    /// When on its last day a contract ends.
    pub contract_end: ContractEnd,
    /// Whom nothing here touches.
    pub never_touch: Vec<EmailPattern>,
    /// What becomes of accounts without access.
    pub no_access: NoAccess,
    /// How long after the last grant that happens.
    pub no_access_after: Duration,
    /// How users are made.
    pub new_users: NewUsers,
    /// How users are treated who were there before.
    pub existing_users: ExistingUsers,
    /// Whether no one else manages accounts in this Kisi organization (rules 5).
    pub sole_writer: bool,
    /// Whether no person and no other program uses our Kisi user (rules 5, Ours).
    pub key_is_ours_alone: bool,
    /// The guard's count (promise 5).
    pub hold_after_removals: u32,
    /// The guard's share, 0 to 1 (promise 5).
    pub hold_after_share: f64,
}

/// Which lists of Nexudus must be read, besides customers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Bookings and resources.
    pub bookings: bool,
    /// Passes, their kinds and slots.
    pub passes: bool,
    /// Contracts and their paused periods.
    pub contracts: bool,
    /// Desks and offices.
    pub desks: bool,
    /// Teams and their members.
    pub teams: bool,
}

impl Rules {
    /// Every group that a link names, alternates included, each once and in order.
    pub fn groups(&self) -> std::collections::BTreeSet<GroupId> {
        self.links.iter().flat_map(|link| [Some(link.group), link.alternate]).flatten().collect()
    }

    /// Which lists of Nexudus the links need.
    pub fn needs(&self) -> Needs {
        let any = |kind: fn(&Item) -> bool| self.links.iter().any(|link| kind(&link.item));
        Needs {
            bookings: any(|item| matches!(item, Item::Resource(_))),
            passes: any(|item| matches!(item, Item::Pass(_))),
            contracts: any(|item| matches!(item, Item::Desk(_) | Item::Plan(_))),
            desks: any(|item| matches!(item, Item::Desk(_))),
            teams: self.links.iter().any(|link| link.share_with_team),
        }
    }

    /// Which bookings must be read at that time: those that overlap this. A booking gives access before it begins and
    /// after it ends, so more is read than the horizon alone, and what has just ended once more. `None`: at the end of
    /// all time.
    pub fn reach(&self, now: Timestamp) -> Option<Window> {
        let span = |span: Duration| TimeDelta::from_std(span).unwrap_or_default();
        let before = self.links.iter().map(|link| link.before).max().unwrap_or_default();
        let after = self.links.iter().map(|link| link.after).max().unwrap_or_default();
        let from = now.checked_sub_signed(span(after) + JUST_ENDED)?;
        let until = now.checked_add_signed(span(self.horizon) + span(before))?;
        Window::new(Some(from), Some(until))
    }

    /// The links of that item.
    pub fn links_of(&self, item: Item) -> impl Iterator<Item = &Link> {
        self.links.iter().filter(move |link| link.item == item)
    }

    /// The group that takes the next window while `group`'s slot is taken.
    pub fn alternate_of(&self, group: GroupId) -> Option<GroupId> {
        self.links.iter().find(|link| link.group == group && link.alternate.is_some()).and_then(|link| link.alternate)
    }
}
