//! What a right file means: the defaults, the sample, and what may be left out or written otherwise.

use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::ExposeSecret;

use super::super::{BrokerUrl, Command, Config, DEFAULT_PATH, People, keys, resolve_path};
use super::{LEAST, SAMPLE, Variables, parse, with};
use crate::domain::{ContractEnd, ExistingUsers, GroupId, Item, NewUsers, NoAccess, ResourceId};

fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

/// A directory with the sample and the secrets that it names.
fn sample_directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("gatehouse.toml"), SAMPLE).expect("written");
    std::fs::write(directory.path().join("nexudus-password"), "correct horse\n").expect("written");
    std::fs::write(directory.path().join("kisi-api-key"), "battery staple\r\n").expect("written");
    directory
}

#[test]
fn the_sample_loads_and_names_every_key() {
    let directory = sample_directory();
    let env = Variables::default().with("CREDENTIALS_DIRECTORY", directory.path());
    let config = Config::load(&directory.path().join("gatehouse.toml"), &env).expect("the sample is right");
    assert_eq!(config.links.len(), 4);
    assert_eq!(config.nexudus.password.expose_secret(), "correct horse");
    assert_eq!(config.kisi.api_key.expose_secret(), "battery staple");
    assert_eq!(config.warnings, Vec::<String>::new());
    let mut section = "";
    for (name, known) in keys::SECTIONS {
        for key in *known {
            let sets = |line: &str| line.trim_start_matches("# ").starts_with(&format!("{key} = "));
            let in_section = |line: &&str| {
                if line.starts_with('[') {
                    section = keys::SECTIONS.iter().map(|(name, _)| *name).find(|s| line.contains(s)).unwrap_or("");
                }
                section == *name
            };
            assert!(SAMPLE.lines().filter(in_section).any(sets), "the sample says nothing of {name}.{key}");
        }
    }
}

/// With everything off by default commented in, the sample is still right: its comments promise no less.
#[test]
fn what_the_sample_comments_out_is_right_too() {
    let setting = |line: &str| {
        let rest = line.strip_prefix("# ")?;
        let (key, _) = rest.split_once(" = ")?;
        keys::SECTIONS.iter().any(|(_, keys)| keys.contains(&key)).then(|| rest.to_owned())
    };
    let text: Vec<String> = SAMPLE.lines().map(|line| setting(line).unwrap_or_else(|| line.to_owned())).collect();
    let directory = sample_directory();
    for secret in ["mqtt-password", "nexudus-hook", "kisi-hook"] {
        let path = directory.path().join(secret);
        std::fs::write(&path, "a secret").expect("written");
        chmod(&path, 0o600);
    }
    let env = Variables::default().with("CREDENTIALS_DIRECTORY", directory.path());
    let text = text.join("\n").replace("ignore_slots = true     # only", "ignore_slots = true # only");
    let config = Config::parse(&text, &directory.path().join("gatehouse.toml"), &env).expect("right");
    assert_eq!(config.links[0].alternate, Some(GroupId(45911)));
    assert!(config.links[1].ignore_slots && config.links[1].share_with_team);
    assert!(config.mqtt.password.is_some() && config.mqtt.client.is_some() && config.alert.url.is_some());
    assert_eq!(config.kisi.place, Some(8801));
}

pub(super) fn chmod(path: &Path, mode: u32) {
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
    std::fs::set_permissions(path, permissions).expect("chmod");
}

#[test]
fn contract_2_the_defaults_are_those_of_the_contract() {
    let config = parse(LEAST).expect("right");
    assert_eq!(config.nexudus.url.as_str(), "https://spaces.nexudus.com/api");
    assert_eq!((config.nexudus.changes, config.nexudus.refresh), (Duration::from_secs(5), minutes(1)));
    assert_eq!((config.nexudus.horizon, config.nexudus.requests_per_hour), (minutes(14 * 1440), 4500));
    assert_eq!(config.kisi.url.as_str(), "https://api.kisi.io/");
    assert_eq!((config.kisi.events, config.kisi.state), (Duration::from_secs(5), Duration::from_secs(15)));
    assert_eq!((config.kisi.roster, config.kisi.requests_per_second), (minutes(10), 4.0));
    assert_eq!((config.kisi.place, config.kisi.sole_writer, config.kisi.key_is_ours_alone), (None, false, false));
    let access = &config.access;
    assert_eq!((access.write, access.tentative, access.never_touch.len()), (true, false, 0));
    assert_eq!((access.before, access.after, access.prestage), (minutes(15), minutes(15), minutes(1440)));
    assert_eq!((access.no_access, access.no_access_after), (NoAccess::Suspend, minutes(1440)));
    assert_eq!((access.new_users, access.existing_users), (NewUsers::Regular, ExistingUsers::Assign));
    assert_eq!((access.contract_end, access.hold_after_removals), (ContractEnd::End, 50));
    assert_eq!(access.hold_after_share, 0.25);
    assert_eq!(config.mqtt.url, BrokerUrl { tls: false, host: "127.0.0.1".to_owned(), port: 1883, loopback: true });
    assert_eq!((config.mqtt.topic_prefix.as_str(), config.mqtt.home_assistant), ("gatehouse", true));
    assert_eq!((config.mqtt.discovery_prefix.as_str(), config.mqtt.people), ("homeassistant", People::Id));
    assert_eq!(config.mqtt.commands, [Command::Sync].into());
    assert_eq!((config.alert.after, config.alert.url.is_none()), (minutes(1), true));
    assert_eq!(config.web.listen, "127.0.0.1:8480".parse().ok());
    assert_eq!(config.store.directory, Path::new("/var/lib/gatehouse"));
    assert_eq!(config.store.keep_events, minutes(30 * 1440));
    assert!(config.links.is_empty());
    assert!(config.warnings[0].contains("no [[link]]"), "{:?}", config.warnings);
}

#[test]
fn a_link_takes_the_margins_of_access_unless_it_has_its_own() {
    let text = with(
        "[access]
before = '5m'
after = '0s'
[[link]]
resource = 5
group = 10
[[link]]
resource = 6
group = 10
before = '0s'
after = '1h'
",
    );
    let rules = parse(&text).expect("right").rules();
    assert_eq!((rules.links[0].item, rules.links[0].group), (Item::Resource(ResourceId(5)), GroupId(10)));
    assert_eq!((rules.links[0].before, rules.links[0].after), (minutes(5), Duration::ZERO));
    assert_eq!((rules.links[1].before, rules.links[1].after), (Duration::ZERO, minutes(60)));
    assert_eq!((rules.site.as_str(), rules.zone.name()), ("harbour-house", "Europe/London"));
}

#[test]
fn http_is_allowed_on_loopback_alone() {
    for host in ["127.0.0.1:1", "127.8.9.10", "[::1]:8080", "localhost", "LOCALHOST:9"] {
        let text = with(&format!("url = 'http://{host}/'\n"));
        let url = parse(&text).unwrap_or_else(|e| panic!("{host}: {e}")).kisi.url;
        assert_eq!(url.scheme(), "http");
    }
}

#[test]
fn a_host_name_of_other_letters_is_taken_in_its_ascii_form() {
    let url = parse(&with("url = 'https://xn--tren-0ra.example'\n")).expect("right").kisi.url;
    assert_eq!(url.host_str(), Some("xn--tren-0ra.example"));
}

#[test]
fn a_broker_has_the_port_of_its_scheme() {
    let broker = |url: &str| parse(&with(&format!("[mqtt]\nurl = '{url}'\n"))).expect("right").mqtt.url;
    assert_eq!((broker("mqtts://broker.example").port, broker("mqtts://broker.example").tls), (8883, true));
    assert_eq!((broker("mqtt://[::1]:99").host.as_str(), broker("mqtt://[::1]:99").port), ("::1", 99));
    assert!(broker("mqtt://127.1.2.3").loopback && !broker("mqtt://10.0.0.1").loopback);
}

#[test]
fn relative_paths_start_at_the_file() {
    let text = with("[mqtt]\nca_file = 'ca.pem'\n[store]\ndirectory = 'store'\n[web]\nlisten = 'off'\n");
    let config = parse(&text).expect("right");
    assert_eq!(config.mqtt.ca_file.as_deref(), Some(Path::new("/etc/gatehouse/ca.pem")));
    assert_eq!((config.store.directory.as_path(), config.web.listen), (Path::new("/etc/gatehouse/store"), None));
    assert!(config.warnings.iter().any(|w| w.contains("gatehouse.toml:11:1: certificates play no part without TLS")));
}

#[test]
fn the_file_is_found_by_argument_then_variable_then_default() {
    let env = Variables::default().with("GATEHOUSE_CONFIG", "/from/env");
    assert_eq!(resolve_path(Some(PathBuf::from("/from/cli")), &env), Path::new("/from/cli"));
    assert_eq!(resolve_path(None, &env), Path::new("/from/env"));
    assert_eq!(resolve_path(None, &Variables::default().with("GATEHOUSE_CONFIG", "")), Path::new(DEFAULT_PATH));
}

#[test]
fn a_file_that_can_not_be_read_is_one_clear_error() {
    let directory = tempfile::tempdir().expect("a directory");
    let load = |path: &Path| Config::load(path, &Variables::usual()).expect_err("wrong");
    let missing = load(&directory.path().join("none.toml"));
    assert!(missing.to_string().contains("copy the sample there"), "{missing}");
    assert_eq!((missing.errors().len(), missing.errors()[0].line), (1, 0));
    assert!(load(directory.path()).to_string().contains("is a directory"));
    let latin = directory.path().join("latin.toml");
    std::fs::write(&latin, b"[site]\nid = \"caf\xe9\"\n").expect("written");
    let error = &load(&latin).errors()[0].clone();
    assert_eq!((error.line, error.column, error.message.contains("not UTF-8")), (2, 10, true));
}
