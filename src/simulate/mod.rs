//! The simulation: the whole gateway over virtual time, one seed a run, in one thread with no socket and no disk.
//!
//! The demo's day runs on the same pieces. A [`Box`] is what the gateway runs on: it takes any storage, and its
//! [`Power`] can go at any call to a cloud and at any write to the disk. What happens to it comes as plain values, and
//! what came of it is judged by the demo's checker, which shares no code with the gateway.

pub mod boxed;
pub mod campaign;
pub mod carry;
pub mod command;
pub mod crash;
pub mod disk;
pub mod driver;
#[cfg(test)]
mod full_tests;
pub mod judge;
mod log;
pub mod machine;
pub mod medium;
pub mod power;
pub mod script;
pub mod shrink;
pub mod site;
pub mod stage;
pub mod step;
pub mod world;

pub use boxed::{Box, published};
pub use disk::Disk;
pub use machine::{Gateway, Start};
pub use medium::Medium;
pub use power::Power;
pub use script::Script;
pub use world::World;
