//! `check`: is the configuration right? Here without asking any service.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use crate::config::{Config, ConfigError, Env};

/// Exit status: the configuration is right.
pub const RIGHT: u8 = 0;
/// Exit status: it is not.
pub const WRONG: u8 = 2;

/// What `check --json` prints (contract 1).
#[derive(Clone, Debug, Serialize)]
pub struct Outcome<'a> {
    /// Whether nothing is wrong.
    pub ok: bool,
    /// What is wrong with the file, in its order.
    pub errors: &'a [ConfigError],
    /// What each service said; empty where none was asked.
    pub services: Vec<Service>,
}

/// What one service said to `check --online`.
#[derive(Clone, Debug, Serialize)]
pub struct Service {
    /// `nexudus`, `kisi` or `broker`.
    pub name: String,
    /// Whether nothing is missing there.
    pub ok: bool,
    /// What is right or wrong, and what to do about it.
    pub message: String,
}

/// Checks the file, its secrets included, and asks no service. The result goes to `out`, warnings go to `warnings`
/// (standard error). Returns the exit status, [`RIGHT`] or [`WRONG`]; an error only where `out` or `warnings` fails.
pub fn check_offline(
    path: &Path,
    json: bool,
    env: &dyn Env,
    out: &mut dyn Write,
    warnings: &mut dyn Write,
) -> io::Result<u8> {
    let loaded = Config::load(path, env);
    let errors = loaded.as_ref().err().map_or(&[][..], |errors| errors.errors());
    for warning in loaded.iter().flat_map(|config| &config.warnings) {
        writeln!(warnings, "warning: {warning}")?;
    }
    if json {
        serde_json::to_writer(&mut *out, &Outcome { ok: loaded.is_ok(), errors, services: Vec::new() })?;
        writeln!(out)?;
    } else {
        match &loaded {
            Ok(config) => writeln!(out, "{}: right, {} links", path.display(), config.links.len())?,
            Err(errors) => writeln!(out, "{errors}")?,
        }
    }
    Ok(if loaded.is_ok() { RIGHT } else { WRONG })
}
