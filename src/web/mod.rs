//! What the box shows to whoever is near it: the status page, health, metrics and webhooks on TCP, and the socket of the verbs.
//!
//! Knows the gateway by its [`Desk`](crate::report::desk::Desk) alone: it shows what it is told and decides nothing.
//! What goes over TCP was cut to what `mqtt.people` allows before it came here; the socket shows all, to its group.

mod bounded;
mod hooks;
#[cfg(test)]
mod hooks_tests;
mod http;
mod metrics;
mod page;
pub mod signature;
pub mod socket;
#[cfg(test)]
mod tests;

pub use hooks::Secrets;
pub use http::{Server, WebError};
