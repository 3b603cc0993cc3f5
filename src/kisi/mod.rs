//! Reads and writes Kisi: users and assignments, changes, events, and the state of doors.
//!
//! Knows `domain` and `net`; knows neither Nexudus, nor the store, nor what the gateway does with the answers. It
//! decides nothing about who gets in: it is given a [`crate::domain::plan::Change`] and says what became of it.
//!
//! - [`client`]: one call, its turn, its class of failure, and the gate that shuts after a refusal.
//! - [`roster`]: users, assignments, groups, as lists and one by one.
//! - [`write`](mod@write): carries out one change, with the checks that must stand immediately before it.
//! - [`events`] and [`record`]: the record of events; the second is pure.
//! - [`state`]: doors, controllers, readers.
//! - `wire`: Kisi's JSON, read leniently; `body`: what we send.

mod body;
pub mod client;
pub mod error;
pub mod events;
pub mod gate;
pub mod record;
pub mod roster;
pub mod state;
mod wire;
pub mod write;

#[cfg(test)]
mod fake;

pub use client::{KisiClient, Settings};
pub use error::{ApiError, Fault, KisiError};
