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
    /// `nexudus`, `kisi`, `links`, `access` or `broker`.
    pub name: String,
    /// Whether nothing is missing there.
    pub ok: bool,
    /// What is right or wrong, and what to do about it.
    pub message: String,
    /// What works, but should be known; none of it changes the exit status.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
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
        let mut text = serde_json::to_vec(&Outcome { ok: loaded.is_ok(), errors, services: Vec::new() })?;
        text.push(b'\n');
        out.write_all(&text)?;
    } else {
        match &loaded {
            Ok(config) => writeln!(out, "{}: right, {} links", path.display(), config.links.len())?,
            Err(errors) => writeln!(out, "{errors}")?,
        }
    }
    Ok(if loaded.is_ok() { RIGHT } else { WRONG })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    struct Secrets;

    impl Env for Secrets {
        fn var(&self, name: &str) -> Option<OsString> {
            (name == "SECRET").then(|| "correct horse".into())
        }
    }

    const RIGHT_FILE: &str = "\
[site]
id = 'harbour-house'
timezone = 'Europe/London'
[nexudus]
location = 4711
username = 'gateway@example.org'
password = { env = 'SECRET' }
[kisi]
api_key = { env = 'SECRET' }
";

    fn check(text: &str, json: bool) -> (u8, String, String) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("gatehouse.toml");
        std::fs::write(&path, text).expect("written");
        let (mut out, mut warnings) = (Vec::new(), Vec::new());
        let status = check_offline(&path, json, &Secrets, &mut out, &mut warnings).expect("written");
        (status, String::from_utf8(out).expect("UTF-8"), String::from_utf8(warnings).expect("UTF-8"))
    }

    #[test]
    fn contract_1_a_right_file_is_0_and_its_warnings_keep_off_the_result() {
        let (status, out, warnings) = check(RIGHT_FILE, true);
        assert_eq!((status, out.as_str()), (0, "{\"ok\":true,\"errors\":[],\"services\":[]}\n"));
        assert!(warnings.contains("no [[link]]"), "{warnings}");
    }

    #[test]
    fn contract_1_a_wrong_file_is_2_with_every_error_as_json_or_text() {
        let wrong = RIGHT_FILE.replace("4711", "'4711'").replace("Europe/London", "Mars/Olympus");
        let (status, out, _) = check(&wrong, true);
        let json: serde_json::Value = serde_json::from_str(&out).expect("one JSON document");
        assert_eq!((status, &json["ok"], &json["services"]), (2, &false.into(), &serde_json::json!([])));
        let places: Vec<(u64, u64)> = json["errors"]
            .as_array()
            .expect("an array")
            .iter()
            .filter_map(|error| Some((error["line"].as_u64()?, error["column"].as_u64()?)))
            .collect();
        assert_eq!(places, [(3, 12), (5, 12)]);
        let (status, out, _) = check(&wrong, false);
        assert_eq!(status, 2);
        assert!(out.contains("gatehouse.toml:5:12") && out.contains("2 errors in the configuration"), "{out}");
    }
}
