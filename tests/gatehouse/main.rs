//! All integration tests in one binary: by rule, by promise, with real processes, and by somebody else's programs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod explain;
#[path = "../../fuzz/src/lib.rs"]
mod fuzz;
mod golden;
mod guard;
#[cfg(feature = "demo")]
mod kisi_client;
#[cfg(feature = "demo")]
mod kisi_writes;
mod mosquitto;
mod mqtt;
mod oracle;
mod others;
mod packages;
mod papers;
mod plans;
#[cfg(feature = "demo")]
mod process;
mod rooms;
mod rules;
mod schemas;
#[cfg(feature = "demo")]
mod simulation;
mod world;
