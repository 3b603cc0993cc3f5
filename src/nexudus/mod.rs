//! x
pub mod client;
pub mod error;
#[cfg(test)]
mod fake;
pub mod limits;
pub mod wire;
