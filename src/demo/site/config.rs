//! The demo's configuration file and its secrets (contract 2).

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::super::settings::Settings;

/// The Nexudus user.
pub const NEXUDUS_USER: &str = "gateway@harbour-house.example";
/// Its password. It must be found nowhere but in its file and in requests to Nexudus.
pub const NEXUDUS_PASSWORD: &str = "canary-nexudus-5f1c9e";
/// The Kisi key; likewise.
pub const KISI_KEY: &str = "canary-kisi-key-8d20b7";
/// The broker's password; likewise.
const BROKER_PASSWORD: &str = "canary-broker-31aa60";
/// The PIN of every customer.
pub const PIN: &str = "canary-pin-470913";
/// The card number of every customer.
pub const CARD: &str = "canary-card-0042815";

/// Where the demo's gateway finds what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// `http://` and the address of Nexudus' twin; `/api` is added.
    pub nexudus: String,
    /// `http://` and the address of Kisi's twin.
    pub kisi: String,
    /// `mqtt://` and the broker's address.
    pub broker: String,
    /// `web.listen`.
    pub web: String,
    /// `store.directory`.
    pub store: PathBuf,
}

/// Every secret that must be found in no topic, log or store, with its name. The beginnings of the tokens that the
/// twins give out are among them.
pub fn canaries() -> Vec<(&'static str, String)> {
    [
        ("Nexudus' password", NEXUDUS_PASSWORD),
        ("Kisi's key", KISI_KEY),
        ("the broker's password", BROKER_PASSWORD),
        ("a customer's PIN", PIN),
        ("a customer's card number", CARD),
        ("Nexudus' access token", "access-0000"),
        ("Nexudus' refresh token", "refresh-0000"),
        ("a reader's token", "twin-token-"),
    ]
    .map(|(name, secret)| (name, secret.to_owned()))
    .to_vec()
}

/// The secrets' files: name, content.
const FILES: [(&str, &str); 3] =
    [("nexudus-password", NEXUDUS_PASSWORD), ("kisi-api-key", KISI_KEY), ("mqtt-password", BROKER_PASSWORD)];

/// The configuration as TOML. Its secrets are files beside it: [`write_config`] writes them all.
pub fn config_toml(settings: &Settings, addresses: &Addresses) -> String {
    let mut text = String::new();
    let Settings { site, zone, location, .. } = settings;
    let never = settings.never_touch.iter().map(|one| format!("{one:?}")).collect::<Vec<_>>().join(", ");
    let store = addresses.store.display().to_string();
    // Writing to a string can't fail.
    let _written = write!(
        text,
        r#"# Written by `gatehouse demo`.
[site]
id = "{site}"
timezone = "{zone}"

[nexudus]
url = "{}/api"
location = {location}
username = "{NEXUDUS_USER}"
password = {{ file = "nexudus-password" }}
changes = "{}s"
refresh = "{}s"
horizon = "{}s"

[kisi]
url = "{}"
api_key = {{ file = "kisi-api-key" }}
events = "{}s"
state = "{}s"
roster = "{}s"
requests_per_second = {}

[access]
before = "{}s"
after = "{}s"
prestage = "{}s"
no_access = "{}"
no_access_after = "{}s"
existing_users = "{}"
never_touch = [{never}]
tentative = {}
contract_end = "{}"

[mqtt]
url = "{}"
topic_prefix = "{}"
username = "gateway"
password = {{ file = "mqtt-password" }}
people = "id"
commands = ["sync", "check", "approve", "pause", "resume"]

[web]
listen = "{}"

[store]
directory = {store:?}
"#,
        addresses.nexudus,
        settings.changes_s,
        settings.refresh_s,
        settings.horizon_s,
        addresses.kisi,
        settings.events_s,
        settings.state_s,
        settings.roster_s,
        settings.requests_per_second,
        settings.before_s,
        settings.after_s,
        settings.prestage_s,
        settings.no_access.named(),
        settings.no_access_after_s,
        if settings.manage_existing { "manage" } else { "assign" },
        settings.tentative,
        if settings.contract_ends_at_start { "start" } else { "end" },
        addresses.broker,
        settings.topic_prefix,
        addresses.web,
    );
    for link in &settings.links {
        let (key, id) = link.item.named();
        let _written = write!(text, "\n[[link]]\n{key} = {id}\ngroup = {}\n", link.group);
        if let Some(before) = link.before_s {
            let _written = writeln!(text, "before = \"{before}s\"");
        }
        if let Some(after) = link.after_s {
            let _written = writeln!(text, "after = \"{after}s\"");
        }
        if let Some(group) = link.alternate {
            let _written = writeln!(text, "alternate = {group}");
        }
        for (key, on) in [("share_with_team", link.share_with_team), ("ignore_slots", link.ignore_slots)] {
            if on {
                let _written = writeln!(text, "{key} = true");
            }
        }
    }
    text
}

/// Writes the configuration and its secrets into a directory that is there, each readable by its owner alone. Gives
/// the configuration's path.
///
/// # Errors
/// What the file system says.
pub fn write_config(directory: &Path, settings: &Settings, addresses: &Addresses) -> io::Result<PathBuf> {
    for (name, secret) in FILES {
        private(&directory.join(name), secret)?;
    }
    let path = directory.join("gatehouse.toml");
    private(&path, &config_toml(settings, addresses))?;
    Ok(path)
}

fn private(path: &Path, text: &str) -> io::Result<()> {
    // A file that is there already would keep its mode.
    match fs::remove_file(path) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}
