//! Twins of both clouds, built from what is known of their APIs (`docs/apis/`) and never from what our clients send.
//!
//! They speak HTTP only and share no type with `nexudus` or `kisi`: a twin built from the client's own types would
//! agree with its mistakes. Each twin is a core (a value: a request and the time in, an answer out) that serves
//! loopback TCP and runs inside simulations alike. Faults are switched per twin and per call.

pub mod control;
pub mod faults;
pub mod http;
pub mod kisi;
pub mod nexudus;
pub mod serve;
