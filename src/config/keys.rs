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
    let plain = |word: &str| word.to_lowercase().replace(['-', ' '], "_");
    let typed = plain(typed);
    let close = |word: &&str| distance(&typed, word);
    let best = words.iter().copied().min_by_key(close)?;
    let wrong_max = (best.chars().count() / 3).max(1);
    (distance(&typed, best) <= wrong_max).then_some(best)
}

/// How many single letters to insert, drop, replace or swap with their neighbour turn `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}
