//! Topics, payloads and the connection to the broker (contract 3 and 4).
//!
//! Shows what it is told and passes on what it is asked: it decides nothing about access, and knows no cloud, no store
//! and no gateway. Where it needs them it asks through a small trait: [`link::Outbox`] for events waiting on the disk,
//! [`link::Names`] for the topics that were left at
//! the broker, [`commands::Commands`] and [`commands::Ids`] for what a command does. The broker itself stands behind
//! [`broker::Broker`]: a real one ([`rumqtt`]) or one in memory ([`memory`]) for simulations on virtual time.
//!
//! The store is the only queue. A connection is thrown away whole when it ends: what it did not acknowledge is read
//! from the store again by the next one, so nothing here has to be trusted over a loss.

use std::future::Future;
use std::pin::Pin;

pub mod broker;
pub mod commands;
mod connection;
pub mod discovery;
mod flow;
mod intake;
pub mod link;
mod look;
pub mod memberships;
pub mod memory;
pub mod payload;
pub mod rumqtt;
mod tls;
pub mod topics;

/// A future that a trait object can return.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
