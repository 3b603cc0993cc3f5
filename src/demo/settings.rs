//! What the demo's gateway is told, as plain values: written out as the configuration (contract 2), and what the
//! checker goes by. From one source, so that the two can't differ.

/// What a link names in Nexudus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// A resource.
    Resource(i64),
    /// A kind of pass.
    Pass(i64),
    /// A desk or an office.
    Desk(i64),
    /// A price plan.
    Plan(i64),
}

impl Item {
    /// Its key in the configuration, and its id.
    pub fn named(self) -> (&'static str, i64) {
        match self {
            Item::Resource(id) => ("resource", id),
            Item::Pass(id) => ("pass", id),
            Item::Desk(id) => ("desk", id),
            Item::Plan(id) => ("plan", id),
        }
    }
}

/// One item tied to one Kisi group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The item.
    pub item: Item,
    /// The group.
    pub group: u64,
    /// A second group with the same doors.
    pub alternate: Option<u64>,
    /// How long before a booking its window opens, in seconds, where it differs from the site's.
    pub before_s: Option<i64>,
    /// How long after a booking its window closes, in seconds, where it differs from the site's.
    pub after_s: Option<i64>,
    /// Whether the team's members hold the grant too.
    pub share_with_team: bool,
    /// Whether a pass with time slots is linked all the same.
    pub ignore_slots: bool,
}

impl Link {
    /// A plain link.
    pub fn new(item: Item, group: u64) -> Link {
        Link {
            item,
            group,
            alternate: None,
            before_s: None,
            after_s: None,
            share_with_team: false,
            ignore_slots: false,
        }
    }
}

/// `access.no_access`: what becomes of the account of somebody with no grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAccess {
    /// It is suspended.
    Suspend,
    /// It is deleted.
    Delete,
    /// It stays as it is.
    Keep,
}

impl NoAccess {
    /// As the configuration has it.
    pub fn named(self) -> &'static str {
        match self {
            NoAccess::Suspend => "suspend",
            NoAccess::Delete => "delete",
            NoAccess::Keep => "keep",
        }
    }
}

/// What the gateway is told. Spans are in seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `site.id`.
    pub site: String,
    /// `site.timezone`.
    pub zone: String,
    /// `nexudus.location`.
    pub location: i64,
    /// `nexudus.changes`.
    pub changes_s: i64,
    /// `nexudus.refresh`.
    pub refresh_s: i64,
    /// `nexudus.horizon`.
    pub horizon_s: i64,
    /// `kisi.events`.
    pub events_s: i64,
    /// `kisi.state`.
    pub state_s: i64,
    /// `kisi.roster`.
    pub roster_s: i64,
    /// `kisi.requests_per_second`.
    pub requests_per_second: i64,
    /// How long an answer of Kisi takes at most, without faults.
    pub kisi_answers_ms: i64,
    /// `access.before`.
    pub before_s: i64,
    /// `access.after`.
    pub after_s: i64,
    /// `access.prestage`.
    pub prestage_s: i64,
    /// `access.no_access`.
    pub no_access: NoAccess,
    /// `access.no_access_after`.
    pub no_access_after_s: i64,
    /// Whether `access.existing_users` is `manage` instead of `assign`.
    pub manage_existing: bool,
    /// `access.never_touch`, as `*@domain` or whole addresses.
    pub never_touch: Vec<String>,
    /// `access.tentative`.
    pub tentative: bool,
    /// `access.contract_end`: whether a contract ends with the start of its last day.
    pub contract_ends_at_start: bool,
    /// `mqtt.topic_prefix`.
    pub topic_prefix: String,
    /// All links.
    pub links: Vec<Link>,
}

impl Settings {
    /// Where the gateway's topics begin: prefix and site, with no slash at the end.
    pub fn root(&self) -> String {
        format!("{}/{}", self.topic_prefix, self.site)
    }

    /// The group whose slot a group stands in for: itself, unless it is some link's alternate.
    pub fn base_group(&self, group: u64) -> u64 {
        self.links.iter().find(|link| link.alternate == Some(group)).map_or(group, |link| link.group)
    }

    /// Whether a link names the group, as its own or as an alternate.
    pub fn is_linked(&self, group: u64) -> bool {
        self.links.iter().any(|link| link.group == group || link.alternate == Some(group))
    }

    /// Whether some link of that group names an alternate.
    pub fn has_alternate(&self, group: u64) -> bool {
        self.links.iter().any(|link| link.group == group && link.alternate.is_some())
    }
}
