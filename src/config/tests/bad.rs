//! Each value that can be wrong, once: where it is, which key, and what the operator reads.

use super::{LEAST, LEAST_LINES, errors, with};

/// One wrong line: the section it stands in, the line, the column, the key, and what the message, the finding and the
/// allowance must say between them.
type Case = (&'static str, &'static str, usize, &'static str, &'static [&'static str]);

const WRONG_LINES: &[Case] = &[
    ("[nexudus]", "changes = '0s'", 11, "nexudus.changes", &["shorter than 1s", "found the string \"0s\"", "\"1s\""]),
    ("[nexudus]", "changes = 5", 11, "nexudus.changes", &["wrong type", "the number 5", "\"90s\""]),
    ("[nexudus]", "refresh = '60'", 11, "nexudus.refresh", &["without its unit", "\"60\""]),
    ("[nexudus]", "refresh = '1h30m'", 11, "nexudus.refresh", &["more than one unit"]),
    ("[nexudus]", "refresh = '-5s'", 11, "nexudus.refresh", &["not a duration"]),
    ("[nexudus]", "horizon = '99999999999999999999d'", 11, "nexudus.horizon", &["longer than ten years"]),
    ("[nexudus]", "requests_per_hour = 5001", 21, "nexudus.requests_per_hour", &["out of range", "1 to 5000"]),
    ("[nexudus]", "requests_per_hour = 0", 21, "nexudus.requests_per_hour", &["out of range"]),
    ("[nexudus]", "url = 'http://spaces.nexudus.com/api'", 7, "nexudus.url", &["http would send", "loopback"]),
    (
        "[nexudus]",
        "url = 'https://harbour.spaces.nexudus.com/api'",
        7,
        "nexudus.url",
        &["member portal", "local times"],
    ),
    ("[nexudus]", "url = 'https://spaces.nexudus.com/en/bookings'", 7, "nexudus.url", &["member portal"]),
    ("[nexudus]", "url = 'https://spaces.nexudus.com/api/public'", 7, "nexudus.url", &["member portal"]),
    ("[nexudus]", "url = 'spaces.nexudus.com'", 7, "nexudus.url", &["not a URL"]),
    ("[nexudus]", "url = 'https://spaces.nexudus.com/api?a=b'", 7, "nexudus.url", &["neither ? nor #"]),
    ("[kisi]", "url = 'http://128.0.0.1'", 7, "kisi.url", &["http would send"]),
    ("[kisi]", "url = 'http://localhost.example'", 7, "kisi.url", &["http would send"]),
    ("[kisi]", "url = 'https://türen.example'", 7, "kisi.url", &["a host name that is not as DNS has it", "xn--"]),
    ("[mqtt]", "url = 'mqtt://türen.example'", 7, "mqtt.url", &["a host name that is not as DNS has it", "xn--"]),
    ("[kisi]", "url = 'ftp://127.0.0.1'", 7, "kisi.url", &["not an https URL"]),
    ("[kisi]", "place = '8801'", 9, "kisi.place", &["wrong type", "without quotes"]),
    ("[kisi]", "place = -1", 9, "kisi.place", &["out of range", "from 1"]),
    ("[kisi]", "events = '999ms'", 10, "kisi.events", &["not a duration"]),
    ("[kisi]", "state = '0m'", 9, "kisi.state", &["shorter than 1s"]),
    ("[kisi]", "roster = ''", 10, "kisi.roster", &["empty"]),
    ("[kisi]", "requests_per_second = 0", 23, "kisi.requests_per_second", &["out of range"]),
    ("[kisi]", "requests_per_second = 5.1", 23, "kisi.requests_per_second", &["up to 5"]),
    ("[kisi]", "requests_per_second = nan", 23, "kisi.requests_per_second", &["out of range"]),
    ("[kisi]", "sole_writer = 'yes'", 15, "kisi.sole_writer", &["wrong type", "true or false"]),
    ("[kisi]", "key_is_ours_alone = 1", 21, "kisi.key_is_ours_alone", &["wrong type"]),
    ("[access]", "write = 'true'", 9, "access.write", &["without quotes"]),
    ("[access]", "before = 900", 10, "access.before", &["wrong type", "the number 900"]),
    ("[access]", "prestage = '1 d'", 12, "access.prestage", &["not a duration"]),
    ("[access]", "no_access = 'suspended'", 13, "access.no_access", &["did you mean \"suspend\"?", "\"keep\""]),
    ("[access]", "new_users = 'none'", 13, "access.new_users", &["none of the words", "\"managed\""]),
    ("[access]", "existing_users = 'all'", 18, "access.existing_users", &["\"assign\" or \"manage\""]),
    ("[access]", "contract_end = 'END'", 16, "access.contract_end", &["did you mean \"end\"?"]),
    ("[access]", "tentative = 0", 13, "access.tentative", &["wrong type"]),
    ("[access]", "never_touch = '*@staff.example'", 15, "access.never_touch", &["an array is needed"]),
    ("[access]", "never_touch = ['*@a.example', 'bob']", 31, "access.never_touch[1]", &["no e-mail could match"]),
    ("[access]", "hold_after_removals = -1", 23, "access.hold_after_removals", &["out of range"]),
    ("[access]", "hold_after_share = 25", 20, "access.hold_after_share", &["out of range", "0.0 to 1.0"]),
    ("[access]", "hold_after_share = 1.01", 20, "access.hold_after_share", &["out of range"]),
    ("[access]", "after_ = '1s'", 1, "access.after_", &["did you mean `after`?"]),
    ("[access]", "No-Access = 'keep'", 1, "access.No-Access", &["did you mean `no_access`?"]),
    ("[access]", "roster = '1m'", 1, "access.roster", &["it belongs to [kisi]"]),
    ("[access]", "colour = 'red'", 1, "access.colour", &["unknown key", "hold_after_share"]),
    ("[mqtt]", "url = 'tcp://127.0.0.1'", 7, "mqtt.url", &["neither mqtt:// nor mqtts://"]),
    ("[mqtt]", "url = 'mqtt://broker/gatehouse'", 7, "mqtt.url", &["ends with its host and port"]),
    ("[mqtt]", "url = 'mqtt://'", 7, "mqtt.url", &["mqtts://HOST"]),
    ("[mqtt]", "topic_prefix = 'gate/#'", 16, "mqtt.topic_prefix", &["wildcard"]),
    ("[mqtt]", "topic_prefix = '+'", 16, "mqtt.topic_prefix", &["wildcard"]),
    ("[mqtt]", "topic_prefix = ''", 16, "mqtt.topic_prefix", &["empty"]),
    ("[mqtt]", "topic_prefix = \"a\\u0000\"", 16, "mqtt.topic_prefix", &["control character"]),
    ("[mqtt]", "topic_prefix = '$SYS'", 16, "mqtt.topic_prefix", &["broker's own"]),
    ("[mqtt]", "discovery_prefix = 'ha/'", 20, "mqtt.discovery_prefix", &["a / at its edge"]),
    ("[mqtt]", "discovery_prefix = '/ha'", 20, "mqtt.discovery_prefix", &["a / at its edge"]),
    ("[mqtt]", "people = 'names'", 10, "mqtt.people", &["did you mean \"name\"?"]),
    ("[mqtt]", "commands = ['sync', 'unlok']", 21, "mqtt.commands[1]", &["did you mean \"unlock\"?", "\"resume\""]),
    ("[mqtt]", "commands = 'sync'", 12, "mqtt.commands", &["an array is needed"]),
    ("[mqtt]", "home_assistant = 'off'", 18, "mqtt.home_assistant", &["wrong type"]),
    ("[mqtt]", "username = ''", 12, "mqtt.username", &["empty"]),
    ("[mqtt]", "client_cert = 'c.pem'", 1, "mqtt.client_cert", &["come together", "mqtt.client_key"]),
    ("[mqtt]", "client_key = 'c.key'", 1, "mqtt.client_key", &["come together", "mqtt.client_cert"]),
    ("[mqtt]", "password = { env = 'KISI' }", 1, "mqtt.password", &["no password without a user"]),
    ("[mqtt]", "ca_file = ''", 11, "mqtt.ca_file", &["empty"]),
    ("[alert]", "after = 'soon'", 9, "alert.after", &["not a duration"]),
    ("[alert]", "url = 'http://hooks.example/T0KEN'", 7, "alert.url", &["http would send", "hooks.example"]),
    ("[web]", "listen = '8480'", 10, "web.listen", &["neither an address", "127.0.0.1:8480"]),
    ("[web]", "listen = false", 10, "web.listen", &["wrong type", "\"off\""]),
    ("[store]", "directory = ''", 13, "store.directory", &["empty"]),
    ("[store]", "keep_events = '0s'", 15, "store.keep_events", &["shorter than 1s"]),
    ("[[link]]", "resource = 0", 12, "link[0].resource", &["out of range"]),
];

/// What a wrong line must be reported with, wherever its section stands in the file.
#[test]
fn each_bad_value_is_named_with_its_line_column_and_key() {
    for (section, line, column, key, says) in WRONG_LINES {
        let (text, number) = match LEAST.lines().position(|header| header == *section) {
            Some(at) => {
                let mut lines: Vec<&str> = LEAST.lines().collect();
                lines.insert(at + 1, line);
                (lines.join("\n"), at + 2)
            }
            None => (with(&format!("{section}\n{line}\n")), LEAST_LINES + 2),
        };
        let text = if *section == "[[link]]" { format!("{text}group = 1\n") } else { text };
        let found = errors(&text);
        let [error] = &found[..] else { panic!("{line}: not one error but {found:#?}") };
        assert_eq!((error.line, error.column, error.key.as_str()), (number, *column, *key), "{line}: {error}");
        let shown = error.to_string();
        for words in *says {
            assert!(shown.contains(words), "{line}: no '{words}' in\n{shown}");
        }
    }
}

#[test]
fn each_bad_site_is_named() {
    let cases = [
        ("id = 'Harbour'", "id", "a character that may not stand"),
        ("id = ''", "id", "empty"),
        ("id = 'a/b'", "id", "a character that may not stand"),
        ("timezone = 'Europe/Lundon'", "timezone", "Europe/Lundon"),
        ("timezone = 1", "timezone", "wrong type"),
    ];
    for (line, key, message) in cases {
        let text: Vec<&str> =
            LEAST.lines().map(|old| if old.starts_with(&format!("{key} =")) { line } else { old }).collect();
        let found = errors(&text.join("\n"));
        assert_eq!(found.len(), 1, "{line}: {found:?}");
        assert_eq!((found[0].key.as_str(), found[0].column), (format!("site.{key}").as_str(), key.len() + 4));
        assert!(found[0].message.contains(message), "{line}: {}", found[0].message);
    }
}

#[test]
fn every_required_key_is_asked_for_at_its_section() {
    let keys = |text: &str| errors(text).into_iter().map(|e| (e.key, e.line)).collect::<Vec<_>>();
    let all = ["site.id", "site.timezone", "nexudus.location", "nexudus.username", "nexudus.password", "kisi.api_key"];
    assert_eq!(keys(""), all.map(|key| (key.to_owned(), 1)));
    let empty = keys("[site]\n[nexudus]\n\n[kisi]\n");
    assert_eq!(empty.iter().map(|(_, line)| *line).collect::<Vec<_>>(), [1, 1, 2, 2, 2, 4]);
    let misspelt = LEAST.replace("[nexudus]", "[nexodus]").replace("api_key", "apikey");
    assert_eq!(keys(&misspelt), [("nexodus".to_owned(), 4), ("kisi.apikey".to_owned(), 9)]);
}

#[test]
fn links_are_held_against_each_other() {
    let text = with(
        "[[link]]
resource = 5
group = 10
alternate = 10
[[link]]
resource = 5
group = 0xA
[[link]]
pass = 5
desk = 6
group = 11
before = '5m'
[[link]]
group = 12
[[link]]
plan = 7
group = 13
ignore_slots = true
alternate = 11
[[link]]
resource = 8
share_with_team = false
[[link]]
resource = 5
group = 14
",
    );
    let found: Vec<(String, usize, usize)> =
        errors(&text).into_iter().map(|e| (e.key, e.line - LEAST_LINES, e.column)).collect();
    let expected = [
        ("link[0].alternate", 4, 13),
        ("link[1].group", 7, 9),
        ("link[2].desk", 10, 1),
        ("link[2].before", 12, 1),
        ("link[3]", 13, 1),
        ("link[4].ignore_slots", 18, 1),
        ("link[4].alternate", 19, 13),
        ("link[5].group", 20, 1),
        ("link[5].share_with_team", 22, 1),
    ];
    assert_eq!(found, expected.map(|(key, line, column)| (key.to_owned(), line, column)));
    assert!(errors(&text)[1].message.contains(&format!("duplicate of the link on line {}", LEAST_LINES + 1)));
    let single = errors(&with("[link]\nresource = 5\ngroup = 10\n"));
    assert!(single[0].to_string().contains("[[link]] in double brackets"), "{}", single[0]);
}

/// Broken TOML is reported like any other error, and the rest of the file is checked all the same.
#[test]
fn a_syntax_error_does_not_hide_the_others() {
    let text = with(
        "[access]
before = 15m
after = 'never'
never_touch = ['a@b.example'
tentative = 1
[mqtt
url = 'not read'
[web]
listen = 'nowhere'
listen = 'off'
",
    );
    let found: Vec<(usize, String)> = errors(&text).into_iter().map(|e| (e.line - LEAST_LINES, e.key)).collect();
    let expected =
        [(2, ""), (3, "access.after"), (5, ""), (5, "access.tentative"), (6, ""), (9, "web.listen"), (10, "")];
    assert_eq!(found, expected.map(|(line, key)| (line, key.to_owned())));
}

#[test]
fn an_error_is_shown_with_its_line_and_a_caret_under_the_value() {
    let error = &errors(&with("[access]\n  no_access = 'suspendt' # ü\n"))[0];
    let expected = "\
error: access.no_access: none of the words that are allowed; did you mean \"suspend\"?
  --> /etc/gatehouse/gatehouse.toml:11:15
   |
11 |   no_access = 'suspendt' …
   |               ^^^^^^^^^^ found the string \"suspendt\"
   |
   = allowed: \"suspend\", \"delete\" or \"keep\"";
    assert_eq!(error.to_string(), expected);
    let wide = &errors(&format!("mqtt = {{ topic_prefix = \"ü\", people = 'all' }}\r\n{LEAST}"))[0];
    assert_eq!((wide.line, wide.column), (1, 39), "columns count characters");
    let json = serde_json::to_value(wide).expect("JSON");
    let keys: Vec<&String> = json.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["allowed", "column", "file", "found", "key", "line", "message"]);
}
