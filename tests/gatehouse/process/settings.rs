//! The configuration a test starts the gateway with: contract 2's keys, fast paces, and what the test sets otherwise.

use std::collections::BTreeMap;
use std::fmt::Write;

/// The file to be written.
#[derive(Clone)]
pub struct Settings {
    values: BTreeMap<(String, String), String>,
    links: Vec<String>,
}

impl Settings {
    pub fn new() -> Settings {
        let mut settings = Settings { values: BTreeMap::new(), links: Vec::new() };
        for (key, value) in [
            ("site.id", r#""harbour-house""#),
            ("site.timezone", r#""Europe/London""#),
            ("nexudus.location", "4711"),
            ("nexudus.username", r#""gateway@example.org""#),
            ("nexudus.password", r#"{ file = "nexudus-password" }"#),
            ("nexudus.changes", r#""2s""#),
            ("nexudus.refresh", r#""10s""#),
            ("nexudus.requests_per_hour", "5000"),
            ("kisi.api_key", r#"{ env = "KISI_KEY" }"#),
            ("kisi.events", r#""1s""#),
            ("kisi.state", r#""5s""#),
            ("kisi.roster", r#""5s""#),
            ("mqtt.home_assistant", "false"),
            ("alert.after", r#""2s""#),
            ("store.directory", r#""store""#),
        ] {
            settings.set(key, value);
        }
        settings
    }

    /// Sets `section.key` to a TOML value.
    pub fn set(&mut self, key: &str, value: &str) -> &mut Settings {
        let (section, key) = key.split_once('.').unwrap();
        self.values.insert((section.to_owned(), key.to_owned()), value.to_owned());
        self
    }

    /// Adds a link, as `resource = 555, group = 1`.
    pub fn link(&mut self, line: &str) -> &mut Settings {
        self.links.push(line.to_owned());
        self
    }

    /// Takes the links away: the fewer lists are read, the sooner each is read again.
    pub fn unlink(&mut self) -> &mut Settings {
        self.links.clear();
        self
    }

    /// The whole file.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let mut within = "";
        for ((section, key), value) in &self.values {
            if section != within {
                writeln!(out, "[{section}]").unwrap();
                within = section;
            }
            writeln!(out, "{key} = {value}").unwrap();
        }
        for link in &self.links {
            writeln!(out, "[[link]]\n{}", link.replace(", ", "\n")).unwrap();
        }
        out
    }
}
