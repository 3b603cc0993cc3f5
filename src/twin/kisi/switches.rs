//! What the real Kisi does in one way or another, and nobody outside knows which: each a switch.
//!
//! The defaults are the readings that the notes hold for the likelier ones (Kisi API notes, 8).

use serde::{Deserialize, Serialize};

/// All switches of a Kisi twin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// How many calls a second each user has, in any one second; 0 for no limit.
    pub requests_per_second: usize,
    /// Whether a refused call counts against the quota, too.
    pub refused_calls_count: bool,
    /// What a 429 says about when to come back.
    pub retry_after: RetryAfter,
    /// A `limit` above a list's maximum.
    pub limit_above_max: Above,
    /// How the order of lists runs: by id, or newest first, so that every new row moves the pages.
    pub newest_first: bool,
    /// How answers write their times.
    pub dates: Dates,
    /// `POST /users` with a known e-mail.
    pub known_email: Clash,
    /// `email` in a `PATCH` of a user.
    pub email_in_patch: Honoured,
    /// `name` in `POST /users`.
    pub name_on_post: Honoured,
    /// `metadata` in a `PATCH` of a user.
    pub metadata: Metadata,
    /// Whether the `email` filter minds capital letters.
    pub email_filter_case_sensitive: bool,
    /// A role assignment for a user or group that doesn't exist.
    pub missing: Missing,
    /// Which body `POST /role_assignments` takes.
    pub assignment_form: Form,
    /// A second role assignment for the same user and group.
    pub second_assignment: Clash,
    /// `valid_from` and `valid_until` in a `PATCH` of a role assignment.
    pub patch_window: Honoured,
    /// Role assignments after their `valid_until`.
    pub expired_rows: Expired,
    /// Whether a window still holds at its very `valid_until`.
    pub until_inclusive: bool,
    /// `notify` when it isn't sent.
    pub notify_default: bool,
    /// Whether `user_id` in a list of role assignments finds those of the user's teams.
    pub team_rows_by_user: bool,
    /// The type of the event that tells of a denied tap.
    pub denied_as: DeniedAs,
    /// How an event set comes about.
    pub event_sets: EventSets,
    /// How many events a page holds at most.
    pub event_page_max: usize,
    /// The cursor of an event set stays where it is.
    pub cursor_stuck: bool,
    /// The order of events in a set.
    pub event_order: EventOrder,
    /// The last event of a page comes again as the first of the next.
    pub events_repeat: bool,
    /// Whether an event at the very end of the interval belongs to it.
    pub interval_closed: bool,
    /// Events are to be seen so much later than they happened, drawn between these two, in milliseconds.
    pub event_delay_ms: (u64, u64),
    /// What becomes of events of taps while the place was offline.
    pub offline_events: OfflineEvents,
    /// When the readers' cache learns what Kisi knows, while online.
    pub cache_sync: CacheSync,
    /// Whether cached rights keep their windows; without, a right once used opens until the cache runs out.
    pub cache_keeps_windows: bool,
    /// Whether the cache minds suspension.
    pub cache_keeps_suspension: bool,
    /// For how many hours a reader's cache serves without Kisi.
    pub cache_hours: u32,
    /// What `POST /locks/{id}/unlock` does.
    pub unlock: Unlock,
    /// What webhooks look like.
    pub webhook_signature: Signature,
    /// Webhooks carry the payload of 2017: no uuid, `+00:00`.
    pub webhook_old_payload: bool,
    /// How often each webhook is delivered; 0 loses it.
    pub webhook_copies: u32,
    /// Webhooks come in the wrong order.
    pub webhook_reversed: bool,
}

impl Default for Switches {
    fn default() -> Switches {
        Switches {
            requests_per_second: 5,
            refused_calls_count: false,
            retry_after: RetryAfter::None,
            limit_above_max: Above::Clamped,
            newest_first: false,
            dates: Dates::Z,
            known_email: Clash::Conflict,
            email_in_patch: Honoured::Ignored,
            name_on_post: Honoured::Taken,
            metadata: Metadata::Merged,
            email_filter_case_sensitive: false,
            missing: Missing::NotFound,
            assignment_form: Form::Both,
            second_assignment: Clash::Conflict,
            patch_window: Honoured::Taken,
            expired_rows: Expired::Stay,
            until_inclusive: false,
            notify_default: true,
            team_rows_by_user: true,
            denied_as: DeniedAs::LockUnlock,
            event_sets: EventSets::AtOnce,
            event_page_max: 250,
            cursor_stuck: false,
            event_order: EventOrder::ByTime,
            events_repeat: false,
            interval_closed: false,
            event_delay_ms: (0, 0),
            offline_events: OfflineEvents::Uploaded { after_ms: 5_000 },
            cache_sync: CacheSync::AtOnce,
            cache_keeps_windows: false,
            cache_keeps_suspension: false,
            cache_hours: 36,
            unlock: Unlock::Opens,
            webhook_signature: Signature::Prefixed,
            webhook_old_payload: false,
            webhook_copies: 1,
            webhook_reversed: false,
        }
    }
}

/// What a 429 says about when to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// Nothing.
    None,
    /// Whole seconds.
    Seconds,
    /// An HTTP date.
    Date,
}

/// What becomes of a value above its maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Above {
    /// The maximum is taken.
    Clamped,
    /// 422.
    Refused,
}

/// How times are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dates {
    /// Whole seconds and `Z`.
    Z,
    /// Milliseconds and `Z`.
    Fraction,
    /// Whole seconds and `+00:00`.
    Offset,
}

/// The status of a clash with what exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clash {
    /// 409 with the code `000409`.
    Conflict,
    /// 422 with `errors`.
    Invalid,
}

/// What becomes of a field that the API may or may not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Honoured {
    /// It is taken.
    Taken,
    /// It has no effect; the call succeeds.
    Ignored,
    /// 422.
    Refused,
}

/// What a `PATCH` does to the map that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metadata {
    /// Keys that aren't sent stay.
    Merged,
    /// Keys that aren't sent go.
    Replaced,
}

/// The status where something named in a body doesn't exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// 404.
    NotFound,
    /// 422.
    Invalid,
}

/// Which body a new role assignment may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Either.
    Both,
    /// `applies_to_*` and `assignee_*`.
    New,
    /// `user_id` and `group_id`.
    Old,
}

/// What becomes of a role assignment after its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expired {
    /// It stays listed and takes its slot.
    Stay,
    /// It is gone, without an event.
    Vanish,
}

/// The type of a denied tap's event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeniedAs {
    /// `lock.unlock` of the door.
    LockUnlock,
    /// `reader.access` of the reader.
    ReaderAccess,
}

/// How an event set comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventSets {
    /// The POST answers with the first page.
    AtOnce,
    /// `in_progress` at first, finished after so many GETs.
    InProgress {
        /// How many GETs still find it in progress.
        polls: u32,
    },
    /// It ends as `failed`.
    Failed,
    /// 503.
    Unavailable,
}

/// The order of events in a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventOrder {
    /// Oldest first.
    ByTime,
    /// Newest first.
    Reversed,
    /// None at all.
    Shuffled,
}

/// What becomes of events of taps without the internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfflineEvents {
    /// They are to be seen so long after the internet is back, with the time of the tap.
    Uploaded {
        /// How long after, in milliseconds.
        after_ms: u64,
    },
    /// Kisi never learns of them.
    Lost,
}

/// When a reader's cache learns what Kisi knows, while online.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheSync {
    /// At every tap.
    AtOnce,
    /// Every so many minutes.
    Minutes(u32),
    /// At midnight, UTC.
    Midnight,
}

/// What an unlock from afar does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unlock {
    /// It opens.
    Opens,
    /// It opens and says so later.
    Late {
        /// How much later, in milliseconds.
        ms: u64,
    },
    /// It doesn't open.
    Refused {
        /// 403, 404, 409, 503.
        status: u16,
        /// Kisi's code.
        code: String,
    },
}

/// How a webhook is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signature {
    /// `sha256=` and 64 hex digits.
    Prefixed,
    /// The digits alone.
    Bare,
    /// Digits of another key.
    Wrong,
    /// No header.
    Missing,
}
