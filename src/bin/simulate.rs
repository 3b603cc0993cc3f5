//! `simulate`: see `gatehouse::simulate`. Exit status 0: every promise was kept; 1: one broke; 2: it could not be run.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use gatehouse::simulate::command::{Args, command};

fn main() -> ExitCode {
    match command(&Args::parse()) {
        Ok((text, kept)) => {
            // Nobody may be reading.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::from(u8::from(!kept))
        }
        Err(error) => {
            eprintln!("simulate: {error:#}");
            ExitCode::from(2)
        }
    }
}
