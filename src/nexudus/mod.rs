//! Reads Nexudus: sign-in, budget, pages, complete readings, and what to read next.
//!
//! Knows the domain's records and the HTTP seam; not the store, not Kisi, not what access follows from a reading. It
//! only ever reads.
//!
//! | part | what it is for |
//! | --- | --- |
//! | [`needs`] | which lists and rows the links need |
//! | [`schedule`] | what to read next and when (pure) |
//! | [`read`] | complete readings and updates, as records of the domain |
//! | [`client`] | one user's conversation: sign-in, one call after another, what an answer means |
//! | [`limits`] | the budget that no call goes around (pure) |
//! | [`wire`] | their JSON, as it really comes |
//! | [`error`] | why a reading failed, and who can mend it |

pub mod client;
pub mod error;
pub mod limits;
pub mod needs;
pub mod read;
pub mod schedule;
pub mod wire;

#[cfg(test)]
mod fake;

pub use client::Settings;
pub use error::NexudusError;
pub use read::{Brought, Known, Reader, Reading};
pub use schedule::{Job, Outcome, Paces, Schedule};
