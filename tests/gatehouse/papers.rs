//! The papers hold: what code cites is there, and what the papers say of the code's limits stands where they say.

use std::collections::BTreeSet;
use std::path::Path;

use super::rooms::{Source, sources};

fn paper(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
}

/// The numbers of a paper's sections: `## 3. Objects` is 3, `### 3.3 Role assignments` is 3.3.
fn sections(paper: &str) -> BTreeSet<&str> {
    let headings = paper.lines().filter(|line| line.starts_with("##"));
    let numbers = headings.filter_map(|line| line.split_whitespace().nth(1)).map(|number| number.trim_end_matches('.'));
    numbers.filter(|number| number.starts_with(|c: char| c.is_ascii_digit())).collect()
}

/// What a source says, in one line: comments may break a citation in two.
fn prose(source: &Source) -> String {
    let words = source.text.split_whitespace().filter(|word| !matches!(*word, "//" | "///" | "//!"));
    words.collect::<Vec<_>>().join(" ")
}

/// The numbers that a citation names, as in `3.5 to 3.7`, `2 and 3`, `8, row 16`, which is a row of 8.
fn cited(after: &str) -> Vec<&str> {
    let mut numbers = Vec::new();
    let mut words = after.split(' ');
    while let Some(word) = words.next() {
        let number = word.trim_end_matches(|c: char| !c.is_ascii_digit());
        match word.trim_end_matches([',', ')', '.', ';', ':']) {
            "trap" | "row" => drop(words.next()),
            "and" | "to" => {}
            _ if number.starts_with(|c: char| c.is_ascii_digit()) => numbers.push(number),
            _ => break,
        }
        if word.contains([')', ';', ':']) || word.ends_with('.') {
            break;
        }
    }
    numbers
}

/// Proves that each section, rule and promise that a comment sends the reader to exists; not that it says what the
/// comment says.
#[test]
fn every_citation_leads_to_a_section() {
    let (kisi, nexudus) = (paper("apis/kisi.md"), paper("apis/nexudus.md"));
    let (rules, contract) = (paper("rules.md"), paper("contract.md"));
    let promises: Vec<String> = (1..=8).map(|number| number.to_string()).collect();
    let papers = [
        ("Kisi API notes, ", sections(&kisi)),
        ("Nexudus API notes, ", sections(&nexudus)),
        ("(rules ", sections(&rules)),
        ("(contract ", sections(&contract)),
        ("(promise ", promises.iter().map(String::as_str).collect()),
    ];
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for source in sources(&["src", "tests/gatehouse"]) {
        let prose = prose(&source);
        for (name, sections) in &papers {
            for after in prose.split(name).skip(1) {
                for number in cited(after) {
                    seen += 1;
                    if !sections.contains(number) {
                        wrong.push(format!("{}: {name}{number}", source.path));
                    }
                }
            }
        }
    }
    assert!(seen > 100, "only {seen} citations were found");
    assert!(wrong.is_empty(), "these lead nowhere:\n{}", wrong.join("\n"));
    for number in promises {
        assert!(contract.contains(&format!("\n{number}. **")), "docs/contract.md lacks promise {number}");
    }
}

/// The files and constants that `docs/limits.md` names: `src/…` with each name that follows it in its cell.
fn named_limits() -> BTreeSet<(String, String)> {
    let text = paper("limits.md");
    let mut named = BTreeSet::new();
    for cell in text.lines().filter(|line| line.starts_with('|')).filter_map(|line| line.split(" | ").nth(2)) {
        let mut file = String::new();
        for code in cell.split('`').skip(1).step_by(2) {
            if code.ends_with(".rs") {
                file = format!("src/{code}");
            } else if !code.contains("::") {
                named.insert((file.clone(), code.to_owned()));
            }
        }
    }
    named
}

/// The constants of the code that are spans of time, counts or sizes; without those of tests, the twins, the demo and the
/// simulation.
fn limits_of_the_code() -> BTreeSet<(String, String)> {
    let kinds = ["Duration", "std::time::Duration", "TimeDelta", "usize", "u16", "u32", "u64", "i64", "f64"];
    let mut found = BTreeSet::new();
    for source in sources(&["src"]) {
        let of_the_demo =
            ["/twin/", "/demo/", "/simulate/", "/sabotage.rs"].into_iter().any(|part| source.path.contains(part));
        if source.room().is_none() || of_the_demo {
            continue;
        }
        for (_, line) in source.code() {
            let constant = line.split_once("const ").and_then(|(_, rest)| rest.split_once(" = "));
            if let Some((name, kind)) = constant.and_then(|(typed, _)| typed.split_once(": "))
                && kinds.contains(&kind)
            {
                found.insert((source.path.clone(), name.to_owned()));
            }
        }
    }
    found
}

/// Proves that the table is whole and points at the code; not that its words and numbers are still right.
#[test]
fn every_limit_of_the_code_stands_in_the_table_of_limits() {
    let (named, there) = (named_limits(), limits_of_the_code());
    assert!(there.len() > 100, "only {} constants were found", there.len());
    let missing: Vec<_> = there.difference(&named).collect();
    let gone: Vec<_> = named.difference(&there).collect();
    assert!(missing.is_empty() && gone.is_empty(), "docs/limits.md lacks {missing:#?}, and names in vain {gone:#?}");
}
