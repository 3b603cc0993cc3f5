//! The two readings of everything that is not known about Nexudus, and the ways in which it is known to vary.
//!
//! The defaults are the likeliest reading; a test turns one at a time and expects the gateway not to mind.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// How plain dates name their zone (Nexudus API notes, 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Utc {
    /// `2026-03-04T11:00:00Z`
    #[default]
    Zulu,
    /// `2026-03-04T11:00:00`
    Bare,
    /// `2026-03-04T11:00:00+00:00`
    Offset,
}

/// How `…Local` dates are written (notes, 5): the digits are the wall clock's each time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Local {
    /// Without an offset.
    #[default]
    Bare,
    /// With a `Z` that is false.
    FalseZ,
    /// With a `+00:00` that is false.
    FalseOffset,
}

/// What `dir` means (notes, 2.2: three documented readings).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dir {
    /// `Ascending`, `Descending`.
    #[default]
    Names,
    /// `1` up, `-1` down.
    OneMinusOne,
    /// `0` up, `1` down.
    ZeroOne,
}

/// In which order rows really come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// As asked.
    #[default]
    Asked,
    /// The other way round.
    Reversed,
    /// In no order, the same on each page.
    Shuffled,
}

/// How `CurrentSortDirection` is written (notes, 6.25).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SortDirection {
    /// `0` up, `1` down.
    #[default]
    Number,
    /// `"ASC"`, `"DESC"`.
    Word,
}

/// Which limits hold (notes, 2.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limits {
    /// The stricter of both tables.
    #[default]
    Strict,
    /// The older table: 10 reads in 100 ms; 60 writes a minute, 2,500 a day.
    Older,
    /// None.
    Off,
}

/// What a cancelled booking leaves behind (notes, 4.4 and unknown 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Snapshot {
    /// A `CancelledBooking` in the same moment.
    #[default]
    AtOnce,
    /// One that is seen only so many seconds later.
    Late(u32),
    /// None.
    Never,
}

/// What `OriginalBookingId` holds (notes, unknown 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Original {
    /// The booking's `Id` as a string.
    #[default]
    Id,
    /// Its `UniqueId`.
    UniqueId,
}

/// The time of day of dates that mean a day (notes, unknown 11).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Days {
    /// Midnight on the location's wall, as UTC.
    #[default]
    LocalMidnight,
    /// Midnight in UTC of the same date.
    UtcMidnight,
}

/// What `UsedDate` of a pass holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsedDate {
    /// The moment of the first check-in.
    #[default]
    Instant,
    /// The day of it, by [`Days`].
    Day,
}

/// When `Active` of a contract turns false (notes, unknown 12).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActiveUntil {
    /// As `CancellationDate` is reached.
    #[default]
    CancellationDate,
    /// When notice is given.
    Notice,
    /// Never by itself.
    Ever,
}

/// The form of a webhook's body (notes, unknown 6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookBody {
    /// An array of one record.
    #[default]
    Array,
    /// The record.
    Object,
}

/// How webhooks are signed (notes, 4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookSignature {
    /// With the secret, over ASCII.
    #[default]
    Right,
    /// With another secret.
    Wrong,
    /// Not at all.
    Absent,
}

/// What is wrong with one table's lists (notes, 6.9 and 6.10). All that is not set is right.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListFault {
    /// From the second page on, so many rows of the beginning are gone and the rest moves up; negative: rows came and
    /// the rest moves down, so that some come twice.
    pub shift: i32,
    /// Added to `TotalItems` from the second page on.
    pub total_off: i32,
    /// `Records` is empty, `TotalItems` is not.
    pub no_records: bool,
    /// Only so many rows are left of the table, the first; 0 empties it.
    pub keep: Option<usize>,
    /// These ids are left out, as if they had been deleted; reads by id still find them.
    pub hide: BTreeSet<i64>,
}

/// All switches. What stands here can be set from Rust or as JSON under `/_twin/switches`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// How plain dates name their zone.
    pub utc: Utc,
    /// How `…Local` dates are written.
    pub local: Local,
    /// Digits of the fraction of a second, 0 to 7.
    pub fraction: u8,
    /// The member portal's way: dates with a `…Local` twin hold the wall clock with a false `Z` themselves.
    pub portal: bool,
    /// Filters' times are the location's wall clock instead of UTC; a `Z` in them is not honoured.
    pub local_filters: bool,
    /// A `Z` or an offset in a filter makes it unreadable, and what is unreadable is ignored.
    pub filters_refuse_zone: bool,
    /// What `dir` means.
    pub dir: Dir,
    /// A `dir` that is absent or not understood means down instead of up.
    pub default_descending: bool,
    /// In which order rows really come.
    pub order: Order,
    /// How `CurrentSortDirection` is written.
    pub sort_direction: SortDirection,
    /// Faults of lists, by entity (`"Booking"`), `"*"` for those not named.
    pub lists: BTreeMap<String, ListFault>,
    /// Lists leave out `KisiGroupId`, `AccessControlGroupId`, `FloorPlanDeskIds`, a team's `CoworkerIds` too.
    pub lists_without_access: bool,
    /// Comma strings have a blank after the comma.
    pub comma_blank: bool,
    /// Customer types are words (`"Individual"`) instead of numbers.
    pub customer_type_words: bool,
    /// Which limits hold.
    pub limits: Limits,
    /// How long an access token holds, in seconds.
    pub token_seconds: u32,
    /// The status of a refused sign-in; the notes have 401, OAuth has 400.
    pub refused_login: u16,
    /// Whether the user has "API Access".
    pub api_access: bool,
    /// Roles that the user lacks, as `Booking-List`; `*-Read` and `Booking-*` for many.
    pub missing_roles: BTreeSet<String>,
    /// A read by id of a deleted record says 500 instead of 404.
    pub dead_id_is_500: bool,
    /// What a cancelled booking leaves behind.
    pub snapshot: Snapshot,
    /// What a booking leaves behind that an administrator deletes, or that goes with its series or its resource.
    pub snapshot_of_deleted: Snapshot,
    /// What `OriginalBookingId` holds.
    pub original: Original,
    /// Whether `UpdatedOn` of a pass moves when its holder checks in.
    pub check_in_updates_pass: bool,
    /// Entities whose `UpdatedOn` never moves after they were made.
    pub never_updated: BTreeSet<String>,
    /// The time of day of dates that mean a day.
    pub days: Days,
    /// What `UsedDate` holds.
    pub used_date: UsedDate,
    /// When `Active` of a contract turns false.
    pub active_until: ActiveUntil,
    /// `InPausedPeriodFrom` and `…Until` name a pause to come, too.
    pub next_pause_shown: bool,
    /// The form of a webhook's body.
    pub hook_body: HookBody,
    /// How webhooks are signed.
    pub hook_signature: HookSignature,
    /// How often each webhook comes again.
    pub hook_repeats: u8,
    /// Webhooks that wait come newest first.
    pub hooks_reversed: bool,
}

impl Default for Switches {
    fn default() -> Switches {
        Switches {
            utc: Utc::default(),
            local: Local::default(),
            fraction: 0,
            portal: false,
            local_filters: false,
            filters_refuse_zone: false,
            dir: Dir::default(),
            default_descending: false,
            order: Order::default(),
            sort_direction: SortDirection::default(),
            lists: BTreeMap::new(),
            lists_without_access: false,
            comma_blank: false,
            customer_type_words: false,
            limits: Limits::default(),
            token_seconds: 604_799,
            refused_login: 401,
            api_access: true,
            missing_roles: BTreeSet::new(),
            dead_id_is_500: true,
            snapshot: Snapshot::default(),
            snapshot_of_deleted: Snapshot::default(),
            original: Original::default(),
            check_in_updates_pass: true,
            never_updated: BTreeSet::new(),
            days: Days::default(),
            used_date: UsedDate::default(),
            active_until: ActiveUntil::default(),
            next_pause_shown: false,
            hook_body: HookBody::default(),
            hook_signature: HookSignature::default(),
            hook_repeats: 0,
            hooks_reversed: false,
        }
    }
}

impl Switches {
    /// The fault of one entity's lists, if it has one.
    pub fn list_fault(&self, entity: &str) -> Option<&ListFault> {
        self.lists.get(entity).or_else(|| self.lists.get("*"))
    }

    /// Whether the user has that role of that entity, as `Booking`, `List`.
    pub fn has_role(&self, entity: &str, verb: &str) -> bool {
        let lacks = |e: &str, v: &str| self.missing_roles.contains(&format!("{e}-{v}"));
        self.missing_roles.is_empty() || !(lacks(entity, verb) || lacks(entity, "*") || lacks("*", verb))
    }
}
