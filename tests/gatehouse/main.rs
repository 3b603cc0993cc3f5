//! All integration tests in one binary: by rule, by promise, with real processes, and by somebody else's programs.

mod guard;
#[cfg(feature = "demo")]
mod kisi_client;
#[cfg(feature = "demo")]
mod kisi_writes;
mod mosquitto;
mod mqtt;
mod plans;
mod world;
