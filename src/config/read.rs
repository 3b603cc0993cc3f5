//! From the tree to the settings: each key as its kind, with its default, and what keys must hold together.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use url::Url;

use super::secret::{Vault, open};
use super::section::Section;
use super::settings::*;
use super::url::{ALERT_URL, BrokerUrl, KISI_URL, MQTT_URL, NEXUDUS_URL};
use super::value::{
    BOOL, COUNT, Choice, ID, LISTEN, PACE, PATH, PATTERN, PER_HOUR, PER_SECOND, Refusal, SHARE, SITE_ID, SPAN, TEXT,
    TOPIC, ZONE,
};
use crate::domain::{ContractEnd, ExistingUsers, Link, NewUsers, NoAccess};

const NEXUDUS: &str = "https://spaces.nexudus.com/api";
const KISI: &str = "https://api.kisi.io";

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

const fn hours(count: u64) -> Duration {
    seconds(3600 * count)
}

/// The whole file; `None` where a required key is missing or wrong.
pub(super) fn config(root: &Section<'_>, file: &Path, vault: &Vault<'_>) -> Option<Config> {
    let site = site(&root.section("site"));
    let nexudus = nexudus(&root.section("nexudus"), vault);
    let kisi = kisi(&root.section("kisi"), vault);
    let access = access(&root.section("access"));
    let links = super::link::links(root, &access);
    let mqtt = mqtt(&root.section("mqtt"), vault);
    let alert = alert(&root.section("alert"));
    let hooks = hooks(&root.section("hooks"), vault);
    let web = web(&root.section("web"));
    let store = store(&root.section("store"), vault.base);
    let (site, nexudus, kisi) = (site?, nexudus?, kisi?);
    warn(root, &nexudus, &access, &links, &mqtt, (&hooks, &web));
    let file = file.to_owned();
    Some(Config { file, site, nexudus, kisi, access, links, mqtt, alert, hooks, web, store, warnings: Vec::new() })
}

fn site(section: &Section<'_>) -> Option<Site> {
    let id = section.required("id", &SITE_ID);
    let timezone = section.required("timezone", &ZONE);
    Some(Site { id: id?, timezone: timezone? })
}

fn nexudus(section: &Section<'_>, vault: &Vault<'_>) -> Option<Nexudus> {
    let url = section.optional("url", &NEXUDUS_URL).or_else(|| Url::parse(NEXUDUS).ok());
    let location = section.required("location", &ID);
    let username = section.required("username", &TEXT);
    let password = vault.required(section, "password");
    let changes = section.or("changes", &PACE, seconds(5));
    let refresh = section.or("refresh", &PACE, seconds(60));
    let horizon = section.or("horizon", &PACE, hours(14 * 24));
    let requests_per_hour = section.or("requests_per_hour", &PER_HOUR, 4500);
    let (url, location, username, password) = (url?, location?, username?, password?);
    Some(Nexudus { url, location, username, password, changes, refresh, horizon, requests_per_hour })
}

fn kisi(section: &Section<'_>, vault: &Vault<'_>) -> Option<Kisi> {
    let url = section.optional("url", &KISI_URL).or_else(|| Url::parse(KISI).ok());
    let api_key = vault.required(section, "api_key");
    let place = section.optional("place", &ID);
    let events = section.or("events", &PACE, seconds(5));
    let state = section.or("state", &PACE, seconds(15));
    let roster = section.or("roster", &PACE, seconds(600));
    let requests_per_second = section.or("requests_per_second", &PER_SECOND, 4.0);
    let key_is_ours_alone = section.or("key_is_ours_alone", &BOOL, false);
    let sole_writer = section.or("sole_writer", &BOOL, false);
    let (url, api_key) = (url?, api_key?);
    Some(Kisi { url, api_key, place, events, state, roster, requests_per_second, key_is_ours_alone, sole_writer })
}

fn access(section: &Section<'_>) -> Access {
    Access {
        write: section.or("write", &BOOL, true),
        before: section.or("before", &SPAN, seconds(900)),
        after: section.or("after", &SPAN, seconds(900)),
        prestage: section.or("prestage", &SPAN, hours(24)),
        no_access: section.or("no_access", &NoAccess::kind(), NoAccess::Suspend),
        no_access_after: section.or("no_access_after", &SPAN, hours(24)),
        new_users: section.or("new_users", &NewUsers::kind(), NewUsers::Regular),
        existing_users: section.or("existing_users", &ExistingUsers::kind(), ExistingUsers::Assign),
        never_touch: section.list("never_touch", &PATTERN).unwrap_or_default(),
        tentative: section.or("tentative", &BOOL, false),
        contract_end: section.or("contract_end", &ContractEnd::kind(), ContractEnd::End),
        hold_after_removals: section.or("hold_after_removals", &COUNT, 50),
        hold_after_share: section.or("hold_after_share", &SHARE, 0.25),
    }
}

fn mqtt(section: &Section<'_>, vault: &Vault<'_>) -> Mqtt {
    let url = section.or("url", &MQTT_URL, BrokerUrl::default());
    let username = section.optional("username", &TEXT);
    let password = vault.optional(section, "password");
    if let (Some(entry), None) = (section.get("password"), section.get("username")) {
        entry.refuse_key("MQTT knows no password without a user", "mqtt.username beside it, or neither");
    }
    let path = |key: &str| section.optional(key, &PATH).map(|path| vault.base.join(path));
    let (ca_file, certificate, key) = (path("ca_file"), path("client_cert"), path("client_key"));
    for (one, other) in [("client_cert", "client_key"), ("client_key", "client_cert")] {
        if let (Some(entry), None) = (section.get(one), section.get(other)) {
            entry.refuse_key("a certificate and its key come together", &format!("mqtt.{other} beside it, or neither"));
        }
    }
    if url.tls && vault.open {
        let files = [("ca_file", &ca_file, false), ("client_cert", &certificate, false), ("client_key", &key, true)];
        for (name, path, guarded) in files {
            let opened = path.as_deref().map(|path| open(path, guarded));
            if let (Some(entry), Some(Err(why))) = (section.get(name), opened) {
                entry.refuse(Refusal::new(why), "the path of a PEM file that this user, and no stranger, may read");
            }
        }
    }
    let commands = section.list("commands", &Command::kind());
    Mqtt {
        url,
        topic_prefix: section.or("topic_prefix", &TOPIC, "gatehouse".to_owned()),
        username,
        password,
        ca_file,
        client: certificate.zip(key).map(|(certificate, key)| ClientCertificate { certificate, key }),
        home_assistant: section.or("home_assistant", &BOOL, true),
        discovery_prefix: section.or("discovery_prefix", &TOPIC, "homeassistant".to_owned()),
        people: section.or("people", &People::kind(), People::Id),
        commands: commands.map_or_else(|| [Command::Sync].into(), |commands| commands.into_iter().collect()),
    }
}

fn alert(section: &Section<'_>) -> Alert {
    if let Some(url) = section.get("url") {
        url.hide();
    }
    Alert { after: section.or("after", &SPAN, seconds(60)), url: section.optional("url", &ALERT_URL) }
}

fn hooks(section: &Section<'_>, vault: &Vault<'_>) -> Hooks {
    Hooks {
        nexudus_secret: vault.optional(section, "nexudus_secret"),
        kisi_secret: vault.optional(section, "kisi_secret"),
    }
}

fn web(section: &Section<'_>) -> Web {
    Web { listen: section.or("listen", &LISTEN, Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 8480)))) }
}

fn store(section: &Section<'_>, base: &Path) -> Store {
    let directory = section.or("directory", &PATH, "/var/lib/gatehouse".into());
    Store { directory: base.join(directory), keep_events: section.or("keep_events", &PACE, hours(30 * 24)) }
}

/// What is allowed but hardly meant.
fn warn(
    root: &Section<'_>,
    nexudus: &Nexudus,
    access: &Access,
    links: &[Link],
    mqtt: &Mqtt,
    (hooks, web): (&Hooks, &Web),
) {
    let at = |section: &str, key: &str| {
        root.get(section).and_then(|section| section.inner(key)).map_or(0..0, |entry| entry.key)
    };
    let report = root.report;
    if web.listen.is_none() && (hooks.nexudus_secret.is_some() || hooks.kisi_secret.is_some()) {
        report.warn(&at("web", "listen"), "web.listen is \"off\", so no webhook comes in: [hooks] has no effect");
    }
    if links.is_empty() {
        report.warn(&(0..0), "no [[link]]: nobody is given access to anything");
    }
    if !access.write {
        report.warn(&at("access", "write"), "access.write is false: nothing is changed in Kisi");
    }
    if access.prestage > nexudus.horizon {
        report.warn(
            &at("access", "prestage"),
            "access.prestage is longer than nexudus.horizon: bookings are known, and written, only so far ahead",
        );
    }
    if !mqtt.url.tls && !mqtt.url.loopback {
        report.warn(
            &at("mqtt", "url"),
            "mqtt:// to another machine: events, and the password, can be read on the way; mqtts:// is TLS",
        );
    }
    if !mqtt.url.tls && (mqtt.ca_file.is_some() || mqtt.client.is_some()) {
        let key = if mqtt.ca_file.is_some() { "ca_file" } else { "client_cert" };
        report.warn(&at("mqtt", key), "certificates play no part without TLS: mqtt.url is not mqtts://");
    }
}

impl Choice for NoAccess {
    const WORDS: &'static [(&'static str, Self)] =
        &[("suspend", NoAccess::Suspend), ("delete", NoAccess::Delete), ("keep", NoAccess::Keep)];
    const ALLOWED: &'static str = "\"suspend\", \"delete\" or \"keep\"";
}

impl Choice for NewUsers {
    const WORDS: &'static [(&'static str, Self)] = &[("regular", NewUsers::Regular), ("managed", NewUsers::Managed)];
    const ALLOWED: &'static str = "\"regular\" (Kisi mails an invitation) or \"managed\" (no mail)";
}

impl Choice for ExistingUsers {
    const WORDS: &'static [(&'static str, Self)] =
        &[("assign", ExistingUsers::Assign), ("manage", ExistingUsers::Manage)];
    const ALLOWED: &'static str = "\"assign\" or \"manage\"";
}

impl Choice for ContractEnd {
    const WORDS: &'static [(&'static str, Self)] = &[("start", ContractEnd::Start), ("end", ContractEnd::End)];
    const ALLOWED: &'static str = "\"start\" or \"end\" (of the day of CancellationDate)";
}

impl Choice for People {
    const WORDS: &'static [(&'static str, Self)] =
        &[("none", People::None), ("id", People::Id), ("name", People::Name)];
    const ALLOWED: &'static str = "\"none\", \"id\" or \"name\"";
}

impl Choice for Command {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("sync", Command::Sync),
        ("check", Command::Check),
        ("unlock", Command::Unlock),
        ("approve", Command::Approve),
        ("pause", Command::Pause),
        ("resume", Command::Resume),
    ];
    const ALLOWED: &'static str = "\"sync\", \"check\", \"unlock\", \"approve\", \"pause\" or \"resume\"";
}
