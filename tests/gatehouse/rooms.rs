//! The house holds: which room knows which, as the table in `src/lib.rs` has it, and no file that nobody reads whole.
//!
//! It reads the sources as text. Code of tests may know more, as the twins, and is passed over.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A file's path from the top of the project, and its text.
pub struct Source {
    pub path: String,
    pub text: String,
}

/// Every file under these directories.
pub fn sources(directories: &[&str]) -> Vec<Source> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut waiting: Vec<PathBuf> = directories.iter().map(|directory| top.join(directory)).collect();
    let mut found = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            found.push(Source { path: path.strip_prefix(top).unwrap().to_str().unwrap().to_owned(), text });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

impl Source {
    /// The room it belongs to: the directory or file just under `src`. `None`: the map itself, what only starts a
    /// program, or tests.
    pub fn room(&self) -> Option<&str> {
        let inner = self.path.strip_prefix("src/")?.strip_suffix(".rs")?;
        let of_tests = |name: &str| name == "tests" || name == "fake" || name.ends_with("_tests");
        let starts = inner == "main" || inner.starts_with("bin/");
        if inner.split('/').any(of_tests) || inner == "lib" || starts {
            return None;
        }
        inner.split('/').next()
    }

    /// Its lines of code outside its own tests, without comments, each with its number.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let own_tests = self.text.find("#[cfg(test)]\nmod tests {").unwrap_or(self.text.len());
        let lines = self.text[..own_tests].lines().enumerate();
        lines.map(|(number, line)| (number + 1, line.split("//").next().unwrap_or(""))).filter(|(_, line)| {
            let line = line.trim();
            !line.is_empty()
        })
    }

    /// How many `super::` lead from it to the top of the crate.
    fn depth(&self) -> usize {
        let inner = self.path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
        inner.split('/').count()
    }
}

/// Whom each room may know, by the table in `src/lib.rs`.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let map = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let rows = map.lines().filter_map(|line| line.strip_prefix("//! | ")?.strip_suffix(" |"));
    let rows: Vec<Vec<&str>> =
        rows.map(|row| row.split(" | ").collect()).filter(|row: &Vec<_>| row.len() == 3).collect();
    let name = |cell: &str| cell.trim_matches(['[', ']', '`']).to_owned();
    let all: Vec<String> = rows.iter().filter(|row| row[0].contains('`')).map(|row| name(row[0])).collect();
    let mut table = BTreeMap::new();
    for (above, row) in rows.iter().filter(|row| row[0].contains('`')).enumerate() {
        let knows: BTreeSet<String> = match row[2] {
            "nobody" => BTreeSet::new(),
            "all above" => all[..above].iter().cloned().collect(),
            "all others" => all.iter().cloned().collect(),
            named => named.split(", ").map(name).collect(),
        };
        assert!(knows.iter().all(|room| all.contains(room)), "the table names a room that it does not have: {knows:?}");
        table.insert(name(row[0]), knows);
    }
    table
}

/// The words that follow `before` in the line.
fn after<'a>(line: &'a str, before: &str) -> Vec<&'a str> {
    let word = |rest: &'a str| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("");
    line.split(before).skip(1).map(word).collect()
}

/// Proves that no line of a room names a room that it must not know. What a macro would make of names it can't see.
#[test]
fn a_room_knows_only_whom_the_table_allows() {
    let table = table();
    assert!(table.len() > 10, "the table in src/lib.rs could not be read");
    let mut wrong = Vec::new();
    for source in sources(&["src"]) {
        let Some(room) = source.room() else { continue };
        let Some(knows) = table.get(room) else {
            wrong.push(format!("{}: the room '{room}' is not in the table of src/lib.rs", source.path));
            continue;
        };
        let to_the_top = "super::".repeat(source.depth());
        for (number, line) in source.code() {
            let place = format!("{}:{number}", source.path);
            for named in after(line, "crate::") {
                if named.is_empty() {
                    wrong.push(format!("{place}: write one `use` for each room"));
                } else if named != room && !knows.contains(named) {
                    wrong.push(format!("{place}: '{room}' must not know '{named}'"));
                }
            }
            if line.contains(&to_the_top) {
                wrong.push(format!("{place}: another room is named by `crate::`, never by `super::`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Proves that what decides has nothing at hand to read a clock, a disk, the network or the environment with.
#[test]
fn what_decides_does_no_input_and_no_output() {
    let outward = ["tokio", "reqwest", "redb", "rumqttc", "axum", "std::fs", "std::net", "std::env", "async fn"];
    let mut wrong = Vec::new();
    for source in sources(&["src/domain"]) {
        for (number, line) in source.code() {
            let found = outward.into_iter().filter(|word| line.contains(word));
            wrong.extend(found.map(|word| format!("{}:{number}: {word}", source.path)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_is_longer_than_can_be_read_at_once() {
    // The schema of the topics is what the types say: golden.rs writes it.
    let written = ["tests/gatehouse/golden/", "src/report/schema-mqtt.json"];
    let written_by_hand = |source: &Source| !written.iter().any(|start| source.path.starts_with(start));
    let long = sources(&["src", "tests"]).into_iter().filter(written_by_hand);
    let long = long.filter(|source| source.text.lines().count() > 500);
    let long: Vec<String> = long.map(|source| source.path).collect();
    assert!(long.is_empty(), "over 500 lines; split by meaning: {long:?}");
}

/// Proves that no line of the program names what could turn the verification of TLS off; beside the lints' ban, which
/// catches it under another name.
#[test]
fn promise_8_nothing_in_the_program_can_turn_verification_off() {
    let words = ["danger", "ServerCertVerifier", "set_certificate_verifier", "with_custom_certificate_verifier"];
    let mut wrong = Vec::new();
    for source in sources(&["src"]).iter().filter(|source| source.room().is_some()) {
        for (number, line) in source.code() {
            let found = words.into_iter().filter(|word| line.contains(word));
            wrong.extend(found.map(|word| format!("{}:{number}: {word}", source.path)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
