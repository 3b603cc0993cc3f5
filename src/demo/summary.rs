//! What the demo says at its end: each promise kept or broken, and the outage side by side.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::checker::{Promise, Report, SideBySide};

/// The report for programs: `{promises: [{number, name, kept, checked, detail}], outage, traffic, kept}` (contract 1).
/// `broken_on_purpose` is the rule that `--break` named.
pub fn json(report: &Report, broken_on_purpose: Option<&str>) -> Value {
    json!({
        "kept": report.kept(),
        "promises": report.promises,
        "outage": report.outage,
        "traffic": report.traffic,
        "break": broken_on_purpose,
    })
}

/// The report for people, in lines of at most `width` signs.
pub fn text(report: &Report, broken_on_purpose: Option<&str>, width: usize) -> String {
    let mut out = String::new();
    line(&mut out, "The promises, checked against the twins' own history:");
    for promise in &report.promises {
        promise_lines(&mut out, promise, width);
    }
    outage_lines(&mut out, &report.outage);
    let traffic = &report.traffic;
    line(
        &mut out,
        &format!(
            "\nCalls: {} to Nexudus, at most {} an hour; {} to Kisi, at most {} a second.",
            traffic.nexudus_calls, traffic.nexudus_busiest_hour, traffic.kisi_calls, traffic.kisi_busiest_second
        ),
    );
    let broken = report.promises.iter().filter(|promise| !promise.kept).count();
    let all = report.promises.len();
    line(
        &mut out,
        &match (broken, broken_on_purpose) {
            (0, None) => format!("All {all} promises kept."),
            (0, Some(rule)) => format!("All {all} promises kept, though {rule} was broken on purpose."),
            (_, None) => format!("{broken} of {all} promises broken."),
            (_, Some(rule)) => format!("{broken} of {all} promises broken; {rule} was broken on purpose."),
        },
    );
    out
}

fn line(out: &mut String, text: &str) {
    // Writing to a string can't fail.
    let _written = writeln!(out, "{text}");
}

fn promise_lines(out: &mut String, promise: &Promise, width: usize) {
    let word = if promise.kept { "kept  " } else { "BROKEN" };
    line(out, &format!("  {}. {word}  {}  ({} checked)", promise.number, promise.name, promise.checked));
    for wrapped in wrapped(&promise.detail, width.saturating_sub(13).max(40)) {
        line(out, &format!("             {wrapped}"));
    }
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut current = String::new();
    for word in text.split_whitespace() {
        if !current.is_empty() && current.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut current));
        }
        if !current.is_empty() {
            current.push(' ');
        }
        current.push_str(word);
    }
    if !current.is_empty() {
        lines.push(current);
    }
    lines
}

/// Tries at doors while the internet was away: all of those where Kisi and the door differ, the rest as a count.
fn outage_lines(out: &mut String, tries: &[SideBySide]) {
    if tries.is_empty() {
        return;
    }
    let yes = |is: bool, word: &'static str| if is { word } else { "-" };
    let alike = tries.iter().filter(|tried| tried.kisi_held == tried.opened && tried.entitled == tried.opened).count();
    line(
        out,
        &format!(
            "\nThe outage, side by side: {} tries at doors; at {alike} the door did as Kisi held and Nexudus meant.\n\
             A reader without Kisi goes by its cache, which the gateway can't reach. The others:",
            tries.len()
        ),
    );
    line(out, &format!("  {:8}  {:34}  {:>5}  {:9}  {:9}  {:6}", "time", "person", "door", "Kisi", "Nexudus", "door"));
    for tried in tries.iter().filter(|tried| tried.kisi_held != tried.opened || tried.entitled != tried.opened) {
        line(
            out,
            &format!(
                "  {:8}  {:34}  {:>5}  {:9}  {:9}  {:6}",
                tried.at,
                tried.person,
                tried.door,
                yes(tried.kisi_held, "held"),
                yes(tried.entitled, "entitled"),
                if tried.opened { "opened" } else { "shut" }
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::checker::Traffic;

    #[test]
    fn a_broken_promise_is_told_to_people_and_programs_alike() {
        let promise = |number, kept| Promise {
            breaks: Vec::new(),
            number,
            name: "In time",
            kept,
            checked: 3,
            detail: "ada@members.example could not use group 45901 ".repeat(4),
        };
        let tried = SideBySide {
            at: "14:20:00".to_owned(),
            person: "ada@members.example".to_owned(),
            door: 3306,
            kisi_held: true,
            entitled: true,
            opened: false,
            by_cache: true,
        };
        let report = Report {
            promises: vec![promise(1, true), promise(2, false)],
            outage: vec![tried],
            traffic: Traffic::default(),
        };
        let told = text(&report, Some("lost-event"), 80);
        for part in ["1. kept", "2. BROKEN", "1 of 2 promises broken; lost-event", "14:20:00", "shut"] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(told.lines().all(|line| line.chars().count() <= 110), "{told}");
        let value = json(&report, None);
        assert_eq!(value["kept"], false);
        assert_eq!(value["promises"][1]["checked"], 3);
    }
}
