//! All integration tests in one binary: by rule, by promise, and with real processes.

mod guard;
mod mosquitto;
mod mqtt;
mod plans;
mod world;
