//! Every key of the file, by section, and what a misspelt one may have meant.

/// The sections and their keys (contract 2), in the order of the file.
pub(super) const SECTIONS: &[(&str, &[&str])] = &[
    ("site", &["id", "timezone"]),
    ("nexudus", &["url", "location", "username", "password", "changes", "refresh", "horizon", "requests_per_hour"]),
    (
        "kisi",
        &[
            "url",
            "api_key",
            "place",
            "events",
            "state",
            "roster",
            "requests_per_second",
            "key_is_ours_alone",
            "sole_writer",
        ],
    ),
    (
        "access",
        &[
            "write",
            "before",
            "after",
            "prestage",
            "no_access",
            "no_access_after",
            "new_users",
            "existing_users",
            "never_touch",
            "tentative",
            "contract_end",
            "hold_after_removals",
            "hold_after_share",
        ],
    ),
    (
        "link",
        &[
            "resource",
            "pass",
            "desk",
            "plan",
            "group",
            "before",
            "after",
            "alternate",
            "share_with_team",
            "ignore_slots",
        ],
    ),
    (
        "mqtt",
        &[
            "url",
            "topic_prefix",
            "username",
            "password",
            "ca_file",
            "client_cert",
            "client_key",
            "home_assistant",
            "discovery_prefix",
            "people",
            "commands",
        ],
    ),
    ("alert", &["after", "url"]),
    ("hooks", &["nexudus_secret", "kisi_secret"]),
    ("web", &["listen"]),
    ("store", &["directory", "keep_events"]),
];

/// The keys whose value is a secret, or may hold one: an alert's URL often carries a token.
const SECRETS: &[&str] = &["password", "api_key", "nexudus_secret", "kisi_secret", "url"];

/// The keys of a section; none for a section that there is not.
pub(super) fn of(section: &str) -> &'static [&'static str] {
    SECTIONS.iter().find(|(name, _)| *name == section).map_or(&[], |(_, keys)| keys)
}

/// Whether that is a section or a key of one, and its value may be shown.
pub(super) fn is_known_and_no_secret(key: &str) -> bool {
    !SECRETS.contains(&key) && SECTIONS.iter().any(|(name, keys)| *name == key || keys.contains(&key))
}

/// The section that has that key, where exactly one does.
pub(super) fn section_with(key: &str) -> Option<&'static str> {
    let mut having = SECTIONS.iter().filter(|(_, keys)| keys.contains(&key)).map(|(name, _)| *name);
    having.next().filter(|_| having.next().is_none())
}

/// The word of `words` that `typed` most likely meant: at most a third of its letters wrong, missing, swapped or too
/// many.
pub(super) fn near_miss<'w>(typed: &str, words: &[&'w str]) -> Option<&'w str> {
    let plain = |word: &str| word.chars().take(64).collect::<String>().to_lowercase().replace(['-', ' '], "_");
    let typed = plain(typed);
    let close = |word: &&str| strsim::osa_distance(&typed, word);
    let best = words.iter().copied().min_by_key(close)?;
    let wrong_max = (best.chars().count() / 3).max(1);
    (close(&best) <= wrong_max).then_some(best)
}
