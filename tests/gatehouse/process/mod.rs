//! The real binary, held to the contract from outside: twins of both clouds on loopback, a real mosquitto, a
//! configuration in a directory of its own, and nothing of the gateway's inside.
//!
//! What ends well in a test has to end well in all: [`rig::Rig::finish`] stops the gateway by SIGTERM and then looks at
//! what the clouds logged and at everything that was said, for what no run may ever do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod access;
mod accounts;
mod adopt;
mod alerts;
mod broker;
mod browser;
mod clock;
mod clouds;
mod commands;
mod damage;
mod disk;
mod drift;
mod events;
mod foreign;
mod gate;
mod gateway;
mod guard;
mod home_assistant;
mod hooks;
mod invariants;
mod kills;
mod life;
mod metrics;
mod modes;
mod outages;
mod page;
mod payloads;
mod receiver;
mod rig;
mod secrets;
mod settings;
mod shape;
mod sites;
mod sought;
mod terminal;
mod tls;
mod tools;
mod topics;
mod typed;
mod verbs;
mod watcher;
mod windows;
