//! What the configuration room promises: every error in one go and in its place, and no secret in any of them.

mod bad;
mod good;
mod mutation;
mod secrets;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use super::{Config, ConfigError, ConfigErrors, Env};

/// The file as it is shipped.
const SAMPLE: &str = include_str!("../../../config/gatehouse.toml");

/// The least file that is right; it has no links.
pub(super) const LEAST: &str = "\
[site]
id = 'harbour-house'
timezone = 'Europe/London'
[nexudus]
location = 4711
username = 'gateway@example.org'
password = { env = 'NEXUDUS' }
[kisi]
api_key = { env = 'KISI' }
";

/// How many lines [`LEAST`] has.
pub(super) const LEAST_LINES: usize = 9;

/// An environment of a test's own.
#[derive(Default)]
struct Variables(BTreeMap<String, OsString>);

impl Variables {
    /// The variables that [`LEAST`] names.
    fn usual() -> Variables {
        Variables::default().with("NEXUDUS", "correct horse").with("KISI", "battery staple")
    }

    fn with(mut self, name: &str, value: impl Into<OsString>) -> Variables {
        self.0.insert(name.to_owned(), value.into());
        self
    }
}

impl Env for Variables {
    fn var(&self, name: &str) -> Option<OsString> {
        self.0.get(name).cloned()
    }
}

pub(super) fn parse(text: &str) -> Result<Config, ConfigErrors> {
    Config::parse(text, Path::new("/etc/gatehouse/gatehouse.toml"), &Variables::usual())
}

fn errors(text: &str) -> Vec<ConfigError> {
    parse(text).expect_err("this configuration is wrong").errors().to_vec()
}

/// [`LEAST`] and more sections.
fn with(more: &str) -> String {
    format!("{LEAST}{more}")
}
