//! What an operator reads, kept word for word in `tests/gatehouse/golden/`: every help text, the errors that need no
//! cloud, both schemas. A change shows as a diff there; `UPDATE_GOLDEN=1 tests/run golden` writes the files anew.

use std::path::Path;
use std::process::{Command, Stdio};

/// Holds the text to the file of that name.
#[track_caller]
pub fn held(name: &str, text: &str) {
    held_at(&format!("tests/gatehouse/golden/{name}"), text);
}

#[track_caller]
fn held_at(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = kept.lines().zip(text.lines()).position(|(kept, new)| kept != new);
    let at = differs.unwrap_or(kept.lines().count().min(text.lines().count()));
    let (was, is) = (kept.lines().nth(at).unwrap_or(""), text.lines().nth(at).unwrap_or(""));
    assert!(
        kept == text,
        "{name} line {}:\n- {was}\n+ {is}\nIf the change is meant: UPDATE_GOLDEN=1 tests/run golden, and look at \
         the diff",
        at + 1
    );
}

/// What the binary says to these arguments in that directory, with its exit status; the directory's own name is left
/// out.
fn said(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_gatehouse"))
        .args(arguments)
        .current_dir(directory)
        .env("GATEHOUSE_CONFIG", directory.join("gatehouse.toml"))
        .env("SECRET", "correct horse")
        .env("RUST_LOG", "off")
        .env_remove("CREDENTIALS_DIRECTORY")
        .env("COLUMNS", "80")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text =
        |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().replace(&directory.display().to_string(), "DIR");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    format!("$ gatehouse {}\n{out}{err}[{}]\n\n", arguments.join(" "), output.status.code().unwrap())
}

const VERBS: &[&[&str]] = &[
    &["run"],
    &["check"],
    &["plan"],
    &["apply"],
    &["adopt"],
    &["explain"],
    &["status"],
    &["events"],
    &["pause"],
    &["resume"],
    &["links"],
    &["links", "suggest"],
    &["links", "import"],
    &["init"],
    &["store"],
    &["store", "check"],
    &["store", "backup"],
    &["store", "restore"],
    &["schema"],
    &["completions"],
    &["man"],
];

/// Proves that every verb of the contract has its help, and keeps its words.
#[cfg(feature = "demo")]
#[test]
fn contract_1_help_is_as_it_was() {
    let nowhere = tempfile::tempdir().unwrap();
    let mut text = said(nowhere.path(), &["--help"]);
    for verb in VERBS.iter().chain([&&["demo"][..], &&["twins"][..]]) {
        text.push_str(&said(nowhere.path(), &[verb, &["--help"][..]].concat()));
    }
    held("help.txt", &text);
}

#[cfg(feature = "demo")]
const LEAST: &str = "\
[site]
id = 'harbour-house'
timezone = 'Europe/London'
[nexudus]
url = 'http://127.0.0.1:9/api'
location = 4711
username = 'gateway@example.org'
password = { env = 'SECRET' }
[kisi]
url = 'http://127.0.0.1:9'
api_key = { env = 'SECRET' }
[access]
write = false
[store]
directory = 'store'
";

/// Proves that what goes wrong on the box is told in its words: what happened to what, and what to do.
#[cfg(feature = "demo")]
#[test]
fn contract_1_errors_are_as_they_were() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let mut text = String::new();
    let mut say = |arguments: &[&str]| text.push_str(&said(at, arguments));
    say(&["plan"]);
    say(&["init"]);
    std::fs::write(at.join("gatehouse.toml"), LEAST.replace("4711", "'4711'").replace("London", "Nowhere")).unwrap();
    say(&["check"]);
    say(&["status"]);
    say(&["plan", "--detailed-exitcode"]);
    std::fs::write(at.join("gatehouse.toml"), LEAST).unwrap();
    say(&["check"]);
    say(&["status"]);
    say(&["apply"]);
    say(&["init", "--site", "harbour-house"]);
    say(&["explain", "ada"]);
    say(&["explain", "ada@example.org"]);
    say(&["explain", "ada@example.org", "--at", "noon"]);
    say(&["events", "--door", "oak"]);
    say(&["events", "--since", "2w"]);
    say(&["plna"]);
    say(&["man", "plna"]);
    std::fs::write(at.join("there"), "").unwrap();
    say(&["store", "backup", "there"]);
    say(&["store", "restore", "there"]);
    say(&["store", "restore", "nowhere"]);
    say(&["store", "check"]);
    std::fs::write(at.join("store/cache.redb"), "no store").unwrap();
    say(&["store", "check"]);
    say(&["pause"]);
    held("errors.txt", &text);
}

#[test]
fn the_schemas_are_as_they_were() {
    let nowhere = tempfile::tempdir().unwrap();
    let told = |name| {
        let told = said(nowhere.path(), &["schema", name]);
        told.split_once('\n').and_then(|(_, rest)| rest.strip_suffix("[0]\n\n")).expect(&told).to_owned()
    };
    held("schema-config.json", &told("config"));
    // The program carries the text alone: it is what the types say, and what is printed.
    let of_types = serde_json::to_string_pretty(&gatehouse::report::schema::mqtt()).unwrap() + "\n";
    held_at("src/report/schema-mqtt.json", &of_types);
    assert_eq!(told("mqtt"), of_types);
}

/// Proves that each shell is served, that the manual has a page for each verb, and that both name every verb.
#[test]
fn contract_1_completions_and_manual_know_every_verb() {
    let nowhere = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = said(nowhere.path(), &["completions", shell]);
        assert!(script.ends_with("[0]\n\n") && script.contains("explain") && script.contains("backup"), "{shell}");
    }
    let page = said(nowhere.path(), &["man"]);
    for verb in VERBS {
        assert!(page.contains(&verb[0].replace('-', "\\-")), "{verb:?}");
        let page = said(nowhere.path(), &["man", verb[0]]);
        assert!(page.contains(".TH") && page.ends_with("[0]\n\n"), "{page}");
    }
}
