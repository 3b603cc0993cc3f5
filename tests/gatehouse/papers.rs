//! The papers hold: what code cites is there, and what the papers say of the code stands where they say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use clap::Parser as _;
use clap::error::ErrorKind;
use gatehouse::cli::args::Cli;
use gatehouse::report::AlertKind;

use super::rooms::{Source, sources};

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn paper(name: &str) -> String {
    std::fs::read_to_string(top().join("docs").join(name)).unwrap()
}

/// All papers, here and below.
fn papers() -> Vec<Source> {
    let at_the_top = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"];
    let places: Vec<&str> = at_the_top.into_iter().chain(["docs", "tests"]).collect();
    let papers: Vec<Source> = sources(&places).into_iter().filter(|source| source.path.ends_with(".md")).collect();
    assert!(at_the_top.iter().all(|name| papers.iter().any(|paper| paper.path == *name)), "a paper is missing");
    papers
}

/// The rows of a paper's tables, as cells, without their heads.
fn rows(paper: &str) -> Vec<Vec<&str>> {
    let lines: Vec<&str> = paper.lines().collect();
    let is_rule = |line: &str| line.starts_with("| ---");
    let row = |at: usize| {
        let head = lines.get(at + 1).is_some_and(|next| is_rule(next));
        let inner = lines[at].strip_prefix("| ")?.strip_suffix(" |")?;
        (!head && !is_rule(lines[at])).then(|| inner.split(" | ").collect())
    };
    (0..lines.len()).filter_map(row).collect()
}

/// What stands in backticks.
fn spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
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

/// The anchor that a heading gets where Markdown is shown.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Proves that each link between papers leads to a file that is there and to a heading in it; not that another site is
/// there.
#[test]
fn every_link_of_the_papers_leads_somewhere() {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for paper in papers() {
        let here = top().join(&paper.path);
        for after in paper.text.split("](").skip(1) {
            let target = after.split(')').next().unwrap();
            if target.contains("://") {
                continue;
            }
            seen += 1;
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { here.clone() } else { here.parent().unwrap().join(file) };
            let headings = || std::fs::read_to_string(&file).unwrap_or_default();
            let leads = |text: &str| {
                let headings = text.lines().filter(|line| line.starts_with('#'));
                headings.map(|line| anchor(line.trim_start_matches('#').trim())).any(|there| there == heading)
            };
            if !file.exists() || !(heading.is_empty() || leads(&headings())) {
                wrong.push(format!("{}: {target}", paper.path));
            }
        }
    }
    assert!(seen > 50, "only {seen} links were found");
    assert!(wrong.is_empty(), "these lead nowhere:\n{}", wrong.join("\n"));
}

/// The commands of ours that a paper tells: in backticks, or a line of their own.
fn commands(paper: &str) -> Vec<Vec<String>> {
    let lines = paper.lines().map(|line| line.trim_start_matches(['#', '$', ' ']));
    let told = lines.chain(spans(paper)).filter_map(|told| {
        let told = told.trim_start_matches("sudo ").trim_start_matches("target/release/").strip_prefix("gatehouse ")?;
        let told = told.split([';', '|', '>']).next()?.split(" # ").next()?.split("  ").next()?;
        Some(told.split_whitespace().map(|word| if word == "ID" { "7" } else { word }.to_owned()).collect())
    });
    told.collect()
}

/// Proves that the program takes each command of ours that a paper tells, as far as it is told; not what it does then.
/// Without the demo it knows none of the demo's.
#[test]
fn every_command_of_the_papers_is_one() {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    let of_the_demo = |command: &[String]| command.iter().any(|word| word == "demo" || word == "twins");
    for paper in papers() {
        for command in commands(&paper.text) {
            if cfg!(not(feature = "demo")) && of_the_demo(&command) {
                continue;
            }
            seen += 1;
            let words = std::iter::once("gatehouse").chain(command.iter().map(String::as_str));
            let Err(error) = Cli::try_parse_from(words) else { continue };
            let unfinished = matches!(
                error.kind(),
                ErrorKind::MissingRequiredArgument
                    | ErrorKind::MissingSubcommand
                    | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            );
            let no_value = error.kind() == ErrorKind::InvalidValue && error.to_string().contains("a value is required");
            if !unfinished && !no_value {
                wrong.push(format!("{}: gatehouse {}: {error}", paper.path, command.join(" ")));
            }
        }
    }
    assert!(seen > 40, "only {seen} commands were found");
    assert!(wrong.is_empty(), "the program does not know:\n{}", wrong.join("\n"));
}

/// The libraries that `Cargo.toml` names.
fn dependencies() -> BTreeSet<String> {
    let text = std::fs::read_to_string(top().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    let mut named = BTreeSet::new();
    for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
        for (name, said) in manifest.get(kind).and_then(|kind| kind.as_table()).into_iter().flatten() {
            let other_name = said.get("package").and_then(|package| package.as_str());
            named.insert(other_name.unwrap_or(name).to_owned());
        }
    }
    named
}

/// Proves that nothing came in without an argument, and that no argument outlived what it was for.
#[test]
fn every_dependency_is_argued_in_its_record() {
    let record = paper("decisions/0014-dependencies.md");
    let (mut argued, mut bare) = (BTreeSet::new(), Vec::new());
    for row in rows(&record) {
        let [name, purpose, _, features, licence] = row[..] else { panic!("five cells: {row:?}") };
        if [purpose, features, licence].iter().any(|cell| cell.trim().is_empty()) {
            bare.push(name);
        }
        argued.insert(name.to_owned());
    }
    assert_eq!(argued, dependencies());
    assert!(bare.is_empty(), "said without a word: {bare:?}");
}

/// Proves that the page on running it has each alert once, with a cause and a cure, and none that there is not.
#[test]
fn every_alert_has_its_cause_and_cure() {
    let page = paper("operating.md");
    let section = page.split("\n# Alerts\n").nth(1).unwrap().split("\n# ").next().unwrap();
    let told = rows(section).into_iter().map(|row| {
        let [kind, cause, cure] = row[..] else { panic!("three cells: {row:?}") };
        assert!(!cause.trim().is_empty() && !cure.trim().is_empty(), "{kind}");
        kind.trim_matches('`').to_owned()
    });
    let told: Vec<String> = told.collect();
    let there: Vec<String> = AlertKind::ALL.map(|kind| kind.name().to_owned()).to_vec();
    assert_eq!(told, there);
}

/// Proves that the walk through the rooms goes by files and functions that are there; not that one calls the next.
#[test]
fn every_step_of_the_walk_is_in_the_code() {
    let text = std::fs::read_to_string(top().join("ARCHITECTURE.md")).unwrap();
    let mut steps = 0;
    for row in rows(&text) {
        let [number, _, files, functions] = row[..] else { continue };
        if number.parse::<usize>().is_err() {
            continue;
        }
        steps += 1;
        let code: String = spans(files).map(|file| std::fs::read_to_string(top().join(file)).expect(file)).collect();
        for function in spans(functions) {
            let there = ["(", "<"].iter().any(|next| code.contains(&format!("fn {function}{next}")));
            assert!(there, "step {number}: no function {function} in {files}");
        }
    }
    assert!(steps > 20, "only {steps} steps were found");
    let named = spans(&text).filter(|span| span.starts_with("src/") || span.starts_with("tests/"));
    let gone: Vec<&str> = named.filter(|path| !top().join(path).exists()).collect();
    assert!(gone.is_empty(), "ARCHITECTURE.md names what is not there: {gone:?}");
}

/// Each test, by its name, with the file that it is in.
fn tests() -> BTreeMap<String, String> {
    let mut tests = BTreeMap::new();
    for source in sources(&["src", "tests/gatehouse"]) {
        let mut marked = false;
        for line in source.text.lines().map(str::trim) {
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                marked = true;
            } else if let Some((before, after)) = line.split_once("fn ")
                && matches!(before, "" | "async ")
                && std::mem::take(&mut marked)
            {
                tests.insert(after.split('(').next().unwrap().to_owned(), source.path.clone());
            }
        }
    }
    tests
}

/// Proves that the page leads to tests that there are, and to every one that is named after a promise or a rule.
#[test]
fn every_promise_and_rule_leads_to_its_tests() {
    let page = std::fs::read_to_string(top().join("tests/README.md")).unwrap();
    let named: BTreeSet<&str> = rows(&page).iter().flat_map(|row| spans(row[1])).collect();
    let tests = tests();
    let gone: Vec<_> = named.iter().filter(|name| !tests.contains_key(**name)).collect();
    let keeps = |name: &str| {
        let number = name.strip_prefix("promise_").or_else(|| name.strip_prefix("rule_"));
        number.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let missing: Vec<_> = tests.iter().filter(|(name, _)| keeps(name) && !named.contains(name.as_str())).collect();
    assert!(named.len() > 200, "only {} tests are named", named.len());
    assert!(gone.is_empty() && missing.is_empty(), "tests/README.md names in vain {gone:#?}, and lacks {missing:#?}");
    for section in (1..=8).flat_map(|number| [format!("## Promise {number}, "), format!("## Rule {number}, ")]) {
        assert!(page.contains(&section), "tests/README.md lacks {section}");
    }
}
