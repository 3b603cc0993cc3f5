//! What a reload takes into use, and what waits for a restart.

use secrecy::{ExposeSecret, SecretString};

use super::Config;

/// What stays in force until a restart: each key, and its value as text to be compared, never to be shown.
type Fixed = (&'static str, fn(&Config) -> String);

fn secret(secret: Option<&SecretString>) -> String {
    secret.map(|secret| secret.expose_secret().to_owned()).unwrap_or_default()
}

/// The other keys are taken into use by a reload: links, all of `[access]` but `write`, `kisi.key_is_ours_alone`,
/// `kisi.sole_writer` and `nexudus.horizon`.
const FIXED: &[Fixed] = &[
    ("site.id", |c| c.site.id.clone()),
    ("site.timezone", |c| c.site.timezone.name().to_owned()),
    ("nexudus.url", |c| c.nexudus.url.to_string()),
    ("nexudus.location", |c| c.nexudus.location.to_string()),
    ("nexudus.username", |c| c.nexudus.username.clone()),
    ("nexudus.password", |c| secret(Some(&c.nexudus.password))),
    ("nexudus.changes", |c| format!("{:?}", c.nexudus.changes)),
    ("nexudus.refresh", |c| format!("{:?}", c.nexudus.refresh)),
    ("nexudus.requests_per_hour", |c| c.nexudus.requests_per_hour.to_string()),
    ("kisi.url", |c| c.kisi.url.to_string()),
    ("kisi.api_key", |c| secret(Some(&c.kisi.api_key))),
    ("kisi.place", |c| format!("{:?}", c.kisi.place)),
    ("kisi.events", |c| format!("{:?}", c.kisi.events)),
    ("kisi.state", |c| format!("{:?}", c.kisi.state)),
    ("kisi.roster", |c| format!("{:?}", c.kisi.roster)),
    ("kisi.requests_per_second", |c| c.kisi.requests_per_second.to_string()),
    ("access.write", |c| c.access.write.to_string()),
    ("mqtt.url", |c| format!("{:?}", c.mqtt.url)),
    ("mqtt.topic_prefix", |c| c.mqtt.topic_prefix.clone()),
    ("mqtt.username", |c| format!("{:?}", c.mqtt.username)),
    ("mqtt.password", |c| secret(c.mqtt.password.as_ref())),
    ("mqtt.ca_file", |c| format!("{:?}", c.mqtt.ca_file)),
    ("mqtt.client_cert", |c| format!("{:?}", c.mqtt.client.as_ref().map(|client| &client.certificate))),
    ("mqtt.client_key", |c| format!("{:?}", c.mqtt.client.as_ref().map(|client| &client.key))),
    ("mqtt.home_assistant", |c| c.mqtt.home_assistant.to_string()),
    ("mqtt.discovery_prefix", |c| c.mqtt.discovery_prefix.clone()),
    ("mqtt.people", |c| format!("{:?}", c.mqtt.people)),
    ("mqtt.commands", |c| format!("{:?}", c.mqtt.commands)),
    ("alert.after", |c| format!("{:?}", c.alert.after)),
    ("alert.url", |c| c.alert.url.as_ref().map(ToString::to_string).unwrap_or_default()),
    ("hooks.nexudus_secret", |c| secret(c.hooks.nexudus_secret.as_ref())),
    ("hooks.kisi_secret", |c| secret(c.hooks.kisi_secret.as_ref())),
    ("web.listen", |c| format!("{:?}", c.web.listen)),
    ("store.directory", |c| format!("{:?}", c.store.directory)),
    ("store.keep_events", |c| format!("{:?}", c.store.keep_events)),
];

/// The keys that were changed and are not in force before a restart.
pub fn waits_for_restart(running: &Config, new: &Config) -> Vec<&'static str> {
    FIXED.iter().filter(|(_, value)| value(running) != value(new)).map(|(key, _)| *key).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::keys::SECTIONS;
    use super::super::tests::{LEAST, parse};
    use super::*;

    /// Every key is either taken into use or told: none is forgotten.
    #[test]
    fn every_key_is_live_or_waits_for_a_restart() {
        let live = |section: &str, key: &str| match section {
            "link" => true,
            "access" => key != "write",
            "kisi" => matches!(key, "key_is_ours_alone" | "sole_writer"),
            "nexudus" => key == "horizon",
            _ => false,
        };
        let all = SECTIONS.iter().flat_map(|(section, keys)| keys.iter().map(move |key| (*section, *key)));
        let fixed: Vec<String> =
            all.filter(|(section, key)| !live(section, key)).map(|(section, key)| format!("{section}.{key}")).collect();
        let told: Vec<&str> = FIXED.iter().map(|(key, _)| *key).collect();
        assert_eq!(told.iter().collect::<BTreeSet<_>>().len(), told.len());
        assert_eq!(told, fixed);
    }

    #[test]
    fn what_was_changed_is_told_and_nothing_else() {
        let running = parse(LEAST).expect("the least");
        let changed = LEAST.replace("4711", "4712").replace("'harbour-house'", "'pier'") + "[access]\nbefore = '5m'\n";
        assert_eq!(waits_for_restart(&running, &parse(&changed).expect("right")), ["site.id", "nexudus.location"]);
        assert!(waits_for_restart(&running, &running).is_empty());
    }
}
