//! `plan`: what would change and why. `apply`: one pass of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::ask::Trouble;
use super::show::{BOLD, GREEN, Look, RED, YELLOW, person};
use super::{FAILED, WELL, WRONG, complain, look, print, progress};
use crate::config::Config;
use crate::report::plan::{Beside, ChangeReport, PlanReport};

/// `plan`
pub fn plan(config: &Config, json: bool, detailed: bool) -> u8 {
    match progress::plan(config) {
        Ok((exit, value, report)) => {
            show(json, value, &report, &look(config), Told { done: false, unread: exit != WELL });
            let changes = !report.changes.is_empty() || !report.held.is_empty();
            if detailed && exit == WELL && changes { 2 } else { exit }
        }
        Err(trouble) if detailed => Trouble { exit: FAILED, ..trouble }.shown(),
        Err(trouble) => trouble.shown(),
    }
}

/// `apply`
pub fn apply(config: &Config, json: bool, yes: bool) -> u8 {
    if !config.access.write {
        let file = config.file.display();
        complain(&format!("access.write is false in {file}: nothing is written to Kisi; see 'gatehouse plan'"));
        return WRONG;
    }
    match progress::apply(config, yes) {
        Ok((exit, value, report)) => {
            show(json, value, &report, &look(config), Told { done: true, unread: exit == FAILED });
            exit
        }
        Err(trouble) => trouble.shown(),
    }
}

/// What kind of report is shown.
#[derive(Clone, Copy)]
struct Told {
    /// What was done, not what would be.
    done: bool,
    /// A cloud could not be read: what is to be done is not known.
    unread: bool,
}

/// The report on standard output; with `json` what is for people goes to standard error.
fn show(json: bool, value: Value, report: &PlanReport, look: &Look, told: Told) {
    if !json {
        print(&text(report, look, told));
        return;
    }
    print(&format!("{}\n", as_json(value)));
    for remark in &report.remarks {
        eprintln!("note: {remark}");
    }
}

/// Without what is meant for people alone.
fn as_json(mut value: Value) -> Value {
    if let Value::Object(report) = &mut value {
        report.retain(|key, _| !["remarks", "guard", "groups"].contains(&key.as_str()));
    }
    value
}

/// A plan for people, grouped by person.
fn text(report: &PlanReport, look: &Look, told: Told) -> String {
    let done = told.done;
    let mut out = String::new();
    section(&mut out, if done { "Done" } else { "Would be done" }, &report.changes, report, look);
    if !report.held.is_empty() {
        let title = format!("Held by the guard under plan {}", report.id);
        section(&mut out, &title, &report.held, report, look);
    }
    if let Some(beside) = &report.beside {
        out.push_str(&side_by_side(beside, look));
    }
    for remark in &report.remarks {
        out.push_str(&look.paint(YELLOW, look.paragraph("note: ", remark).trim_end_matches('\n')));
        out.push('\n');
    }
    if let Some(verdict) = verdict(report, done) {
        out.push_str(&look.paragraph("guard: ", &verdict));
    }
    let counts: Vec<String> =
        report.counts.iter().filter(|(_, n)| **n > 0).map(|(word, n)| format!("{n} {word}")).collect();
    match counts.is_empty() {
        true if told.unread => out.push_str("Whether there is anything to do is not known.\n"),
        true if done && !report.remarks.is_empty() => out.push_str("Nothing was done.\n"),
        true => out.push_str("Nothing to do.\n"),
        false => {
            let _ = writeln!(out, "{}", counts.join(", "));
        }
    }
    out
}

/// What another hand holds beside what Gatehouse would hold.
fn side_by_side(beside: &Beside, look: &Look) -> String {
    let mut out = format!("{}\n", look.paint(BOLD, "Beside other hands in linked groups"));
    for difference in &beside.differ {
        let _ = writeln!(out, "  {} in group {}", person(&difference.person), difference.group);
        let ours = difference.ours.as_ref().map_or_else(
            || "nothing: there is no grant".to_owned(),
            |held| format!("{}, for {}", look.span(held.valid_from, held.valid_until), held.reason),
        );
        let theirs = difference.theirs.as_ref().map_or_else(
            || "nothing, though a window is open now".to_owned(),
            |held| {
                let by = held.created_by.map(|by| format!(", by Kisi user {by}")).unwrap_or_default();
                format!("{}, assignment {}{by}", look.span(held.valid_from, held.valid_until), held.assignment)
            },
        );
        let _ = writeln!(out, "    here   {ours}\n    there  {theirs}");
    }
    let _ = writeln!(out, "  {} the same, {} differ\n", beside.same, beside.differ.len());
    out
}

/// What the guard says; nothing where there is nothing to lose.
fn verdict(report: &PlanReport, done: bool) -> Option<String> {
    let removes = |change: &ChangeReport| matches!(change.change.as_str(), "removed" | "suspended" | "deleted");
    let counted = report.guard.filter(|_| report.changes.iter().chain(&report.held).any(removes))?;
    let count = format!("{} of {} people lose access within the hour", counted.losing, counted.of);
    Some(match (report.held.is_empty(), done) {
        (true, _) => format!("{count}; nothing is held"),
        (false, false) => format!(
            "{count}: too many at once. If it is right, 'gatehouse apply --yes'; if not, mend Nexudus, and what is no \
             longer wanted is let go"
        ),
        (false, true) => format!("{count}: too many at once. To release what is held, 'gatehouse apply --yes'"),
    })
}

fn section(out: &mut String, title: &str, changes: &[ChangeReport], report: &PlanReport, look: &Look) {
    if changes.is_empty() {
        return;
    }
    let _ = writeln!(out, "{}", look.paint(BOLD, title));
    let mut people: BTreeMap<String, Vec<&ChangeReport>> = BTreeMap::new();
    for change in changes {
        people.entry(person(&change.person)).or_default().push(change);
    }
    for (who, changes) in people {
        let _ = writeln!(out, "  {who}");
        for change in changes {
            let (mark, code) = mark(&change.change);
            let group = change.group.map(|group| {
                let name = report.groups.get(&group).map(|name| format!(" '{name}'")).unwrap_or_default();
                format!(" group {group}{name}")
            });
            let line = format!("{mark} {}{}, for {}", change.change, group.unwrap_or_default(), change.reason);
            let _ = writeln!(out, "    {}", look.paint(code, &line));
            if matches!(change.change.as_str(), "added" | "moved") {
                let _ = writeln!(out, "      {}", look.span(change.valid_from, change.valid_until));
            }
        }
    }
    out.push('\n');
}

fn mark(word: &str) -> (&'static str, &'static str) {
    match word {
        "added" | "invited" | "restored" | "adopted" => ("+", GREEN),
        "removed" | "suspended" | "deleted" => ("-", RED),
        _ => ("~", YELLOW),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::show::plain;

    fn report() -> Value {
        let ada = json!({"customer": 90210, "user": null, "email": "ada@example.org"});
        let ben = json!({"customer": 90211, "user": 771002, "email": "ben@example.org"});
        let change = |change: &str, person: &Value, group: Option<u64>, from: Option<&str>, until: Option<&str>| {
            json!({
                "change": change, "person": person, "group": group, "valid_from": from, "valid_until": until,
                "reason": {"kind": "booking", "id": 7001},
            })
        };
        let (from, until) = (Some("2026-03-03T09:45:00Z"), Some("2026-03-03T11:15:00Z"));
        json!({
            "id": "5f1c", "counts": {"invited": 1, "added": 1, "moved": 0, "held": 1},
            "changes": [
                change("added", &ada, Some(45901), from, until), change("invited", &ada, None, None, None),
            ],
            "held": [change("removed", &ben, Some(45901), None, None)],
            "remarks": ["paused: nothing is written to Kisi until 'gatehouse resume'"],
            "guard": {"losing": 3, "of": 9}, "groups": {"45901": "Boardroom"},
        })
    }

    #[test]
    fn contract_1_json_holds_what_the_contract_says_and_no_more() {
        let json = as_json(report());
        let keys: Vec<&String> = json.as_object().expect("a report").keys().collect();
        assert_eq!(keys, ["changes", "counts", "held", "id"]);
    }

    #[test]
    fn a_plan_is_told_by_person_with_the_guards_verdict_and_the_pause() {
        let report: PlanReport = serde_json::from_value(report()).expect("a plan");
        let expected = "\
Would be done
  ada@example.org, customer 90210, not in Kisi yet
    + added group 45901 'Boardroom', for booking 7001
      Tue 2026-03-03 09:45 → 11:15 (09:45Z → 11:15Z)
    + invited, for booking 7001

Held by the guard under plan 5f1c
  ben@example.org, customer 90211, Kisi user 771002
    - removed group 45901 'Boardroom', for booking 7001

note: paused: nothing is written to Kisi until 'gatehouse resume'
guard: 3 of 9 people lose access within the hour: too many at once. If it is right, 'gatehouse apply --yes'; if not, \
mend Nexudus, and what is no longer wanted is let go
1 added, 1 held, 1 invited
";
        assert_eq!(text(&report, &plain(), Told { done: false, unread: false }), expected);
        assert!(
            !text(&report, &plain(), Told { done: false, unread: false }).contains('\x1b'),
            "no colours through a pipe"
        );
    }
}
