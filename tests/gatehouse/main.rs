//! Every integration test, in one binary.

mod mosquitto;
mod mqtt;
