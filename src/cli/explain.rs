//! `explain`: who may get in where, from when until when, why, and why not.

use std::fmt::Write as _;

use serde_json::Value;

use super::ask::{Needs, answered};
use super::show::{BOLD, GREEN, Look, RED, YELLOW, person};
use super::{look, print};
use crate::config::Config;
use crate::domain::explain::{Code, Explanation, GrantShown, WhyNot};
use crate::domain::{LockId, Timestamp};
use crate::report::desk::Request;

/// `explain`
pub fn explain(config: &Config, who: String, at: Option<Timestamp>, door: Option<LockId>, json: bool) -> u8 {
    match answered::<Explanation>(config, Request::Explain { who, at, door }, Needs::Store) {
        Ok((exit, value, told)) => {
            match json {
                true => print(&format!("{}\n", as_json(value))),
                false => print(&text(&told, &look(config))),
            }
            exit
        }
        Err(trouble) => trouble.shown(),
    }
}

/// What contract 1 says, and not what is meant for people alone.
fn as_json(mut value: Value) -> Value {
    for grant in value["grants"].as_array_mut().into_iter().flatten() {
        if let Value::Object(grant) = grant {
            grant.remove("via");
        }
    }
    value
}

/// An explanation for people.
fn text(told: &Explanation, look: &Look) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}", look.paint(BOLD, &person(&told.person)));
    let clock = if told.clock == "verified" { "" } else { ", by a clock that is not verified" };
    let verdict = if told.allowed { look.paint(GREEN, "may get in") } else { look.paint(RED, "may not get in") };
    let _ = writeln!(out, "{verdict} at {}{clock}", look.time(told.at));
    for grant in &told.grants {
        out.push_str(&grant_lines(grant, look));
    }
    if !told.why_not.is_empty() {
        let title = if told.allowed { "worth knowing" } else { "why not" };
        let _ = writeln!(out, "\n  {}", look.paint(YELLOW, title));
    }
    for (number, why) in told.why_not.iter().enumerate() {
        let last_of_its_kind = told.why_not.get(number + 1).is_none_or(|next| next.code != why.code);
        out.push_str(&reason(why, last_of_its_kind, look));
    }
    out
}

fn grant_lines(grant: &GrantShown, look: &Look) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "\n  group {}: {}", grant.group, look.span(grant.from, grant.until));
    for chain in &grant.via {
        for (depth, step) in chain.split(" → ").enumerate() {
            let margin = if depth == 0 { "    by ".to_owned() } else { "       → ".to_owned() };
            out.push_str(&look.paragraph(&margin, step));
        }
    }
    let doors: Vec<String> = grant.doors.iter().map(|door| format!("{} ({})", door.name, door.id)).collect();
    let doors = if doors.is_empty() { "none known".to_owned() } else { doors.join(", ") };
    out.push_str(&look.paragraph("    doors: ", &doors));
    match &grant.in_kisi {
        None => out.push_str("    in Kisi: nothing\n"),
        Some(row) => {
            let ours = if row.ours { "ours" } else { "not ours" };
            let same = (row.valid_from, row.valid_until) == (grant.from, grant.until);
            let span = if same { "with this window".to_owned() } else { look.span(row.valid_from, row.valid_until) };
            out.push_str(&look.paragraph("    in Kisi: ", &format!("assignment {} ({ours}), {span}", row.assignment)));
        }
    }
    if let Some(error) = &grant.error {
        out.push_str(&look.paint(RED, look.paragraph("    last error: ", error).trim_end_matches('\n')));
        out.push('\n');
    }
    out
}

/// One reason; what to do stands under the last of each kind.
fn reason(why: &WhyNot, with_cure: bool, look: &Look) -> String {
    let mut out = look.paragraph("  - ", &format!("{} [{}]", why.message, why.code));
    if let Some(cure) = Code::cure(&why.code).filter(|_| with_cure) {
        out.push_str(&look.paragraph("    ", cure));
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::show::plain;

    fn told() -> Value {
        json!({
            "person": {"customer": 90210, "user": 771001, "email": "ada@example.org"},
            "at": "2026-03-03T10:00:00Z", "clock": "verified", "allowed": true,
            "grants": [{
                "group": 45901, "doors": [{"id": 5501, "name": "Boardroom"}],
                "from": "2026-03-03T09:45:00Z", "until": "2026-03-03T11:15:00Z",
                "reason": {"kind": "booking", "id": 7001},
                "in_kisi": {
                    "assignment": 9, "valid_from": "2026-03-03T09:45:00Z", "valid_until": "2026-03-03T11:15:00Z",
                    "ours": true,
                },
                "error": null,
                "via": ["booking 7001, 10:00 to 11:00 → resource 555 'Boardroom', linked → group 45901 'Boardroom'"],
            }],
            "why_not": [{"code": "paused", "message": "paused: nothing is written to Kisi until 'gatehouse resume'"}],
        })
    }

    /// The JSON is contract 1's, key by key: what is for people is left out.
    #[test]
    fn contract_1_json_holds_what_the_contract_says_and_no_more() {
        let json = as_json(told());
        let keys: Vec<&String> = json["grants"][0].as_object().expect("a grant").keys().collect();
        assert_eq!(keys, ["doors", "error", "from", "group", "in_kisi", "reason", "until"]);
    }

    #[test]
    fn the_chain_is_told_from_the_record_to_the_doors() {
        let told: Explanation = serde_json::from_value(told()).expect("an explanation");
        let shown = text(&told, &plain());
        let expected = "\
ada@example.org, customer 90210, Kisi user 771001
may get in at Tue 2026-03-03 10:00 (10:00Z)

  group 45901: Tue 2026-03-03 09:45 → 11:15 (09:45Z → 11:15Z)
    by booking 7001, 10:00 to 11:00
       → resource 555 'Boardroom', linked
       → group 45901 'Boardroom'
    doors: Boardroom (5501)
    in Kisi: assignment 9 (ours), with this window

  worth knowing
  - paused: nothing is written to Kisi until 'gatehouse resume' [paused]
    gatehouse resume
";
        assert_eq!(shown, expected);
    }
}
