//! Who gets in, and when: the rules, as pure functions over plain values.
//!
//! Knows nobody: no network, no store, no clock, no async. `now` is an argument. Everything here can be compared,
//! printed and tested without a machine around it. The rooms, in the order in which data meets them:
//!
//! [`snapshot`] (what Nexudus said) → [`entitle`](mod@entitle) ([`grant`]s) → [`slot`] (what each group's one slot
//! should hold) → [`reconcile`](mod@reconcile) (against the [`roster`], what Kisi holds, and the [`ledger`], what of it
//! is ours) → [`plan`] → [`guard`] (what may go ahead). [`explain`](mod@explain) tells the same decision for one person.

pub mod account;
pub mod adopt;
pub mod compare;
pub mod contest;
pub mod email;
pub mod entitle;
pub mod event;
pub mod explain;
pub mod grant;
pub mod guard;
pub mod hands;
pub mod hardware;
pub mod ids;
pub mod ledger;
pub mod pairing;
pub mod person;
pub mod plan;
pub mod reconcile;
pub mod roster;
pub mod rules;
pub mod slot;
pub mod snapshot;
pub mod time;
pub mod window;
pub mod zone;

/// A moment in UTC.
pub type Timestamp = chrono::DateTime<chrono::Utc>;

pub use email::{Email, EmailPattern};
pub use grant::{Grant, Reason};
pub use ids::*;
pub use rules::{ContractEnd, ExistingUsers, Item, Link, NewUsers, NoAccess, Rules};
pub use window::Window;
pub use zone::Zone;
