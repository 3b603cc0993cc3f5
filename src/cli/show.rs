//! How results look for people: plain lines, local times with their UTC, colours on a terminal alone.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::domain::explain::{Explanation, GrantShown, PersonShown};
use crate::domain::{Timestamp, Zone};
use crate::report::plan::{Beside, ChangeReport, PlanReport};
use crate::report::{Connection, EventReport, Status};

/// How a text is to be shown.
#[derive(Clone, Debug)]
pub struct Look {
    /// With colours.
    pub colour: bool,
    /// In which zone times are told.
    pub zone: Zone,
}

impl Look {
    pub(super) fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn time(&self, at: Timestamp) -> String {
        let local = self.zone.wall_clock(at).format("%a %Y-%m-%d %H:%M:%S");
        format!("{local} ({})", at.format("%H:%M:%SZ"))
    }

    pub(super) fn span(&self, from: Option<Timestamp>, until: Option<Timestamp>) -> String {
        let from = from.map_or_else(|| "always".to_owned(), |at| self.time(at));
        let until = until.map_or_else(|| "without end".to_owned(), |at| self.time(at));
        format!("{from} → {until}")
    }
}

/// A plan, grouped by person.
pub fn plan(report: &PlanReport, look: &Look, done: bool) -> String {
    let mut out = String::new();
    let title = if done { "Done" } else { "Would be done" };
    section(&mut out, title, &report.changes, look);
    if !report.held.is_empty() {
        let title = format!("Held by the guard under plan {}", report.id);
        section(&mut out, &title, &report.held, look);
        let how = "To release what is held: gatehouse apply --yes, or the command approve with that plan.";
        let _ = writeln!(out, "{how}\n");
    }
    if let Some(beside) = &report.beside {
        out.push_str(&side_by_side(beside, look));
    }
    for remark in &report.remarks {
        let _ = writeln!(out, "{}", look.paint("33", &format!("note: {remark}")));
    }
    let counts: Vec<String> =
        report.counts.iter().filter(|(_, n)| **n > 0).map(|(word, n)| format!("{n} {word}")).collect();
    match counts.is_empty() {
        true => out.push_str("Nothing to do.\n"),
        false => {
            let _ = writeln!(out, "{}", counts.join(", "));
        }
    }
    out
}

/// What another hand holds beside what Gatehouse would hold.
fn side_by_side(beside: &Beside, look: &Look) -> String {
    let mut out = format!("{}\n", look.paint("1", "Beside other hands in linked groups"));
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

fn section(out: &mut String, title: &str, changes: &[ChangeReport], look: &Look) {
    if changes.is_empty() {
        return;
    }
    let _ = writeln!(out, "{}", look.paint("1", title));
    let mut people: BTreeMap<String, Vec<&ChangeReport>> = BTreeMap::new();
    for change in changes {
        people.entry(person(&change.person)).or_default().push(change);
    }
    for (who, changes) in people {
        let _ = writeln!(out, "  {who}");
        for change in changes {
            let (mark, code) = mark(&change.change);
            let group = change.group.map(|group| format!(" group {group}")).unwrap_or_default();
            let writes_window = matches!(change.change.as_str(), "added" | "moved");
            let window = match writes_window {
                true => format!(", {}", look.span(change.valid_from, change.valid_until)),
                false => String::new(),
            };
            let line = format!("{mark} {}{group}{window}, for {}", change.change, change.reason);
            let _ = writeln!(out, "    {}", look.paint(code, &line));
        }
    }
    out.push('\n');
}

fn mark(word: &str) -> (&'static str, &'static str) {
    match word {
        "added" | "invited" | "restored" | "adopted" => ("+", "32"),
        "removed" | "suspended" | "deleted" => ("-", "31"),
        _ => ("~", "33"),
    }
}

pub(super) fn person(person: &PersonShown) -> String {
    let email = person.email.as_ref().map_or("no e-mail", |email| email.as_str());
    let customer = person.customer.map(|id| format!(", customer {id}")).unwrap_or_default();
    let user = person.user.map_or(", not in Kisi yet".to_owned(), |id| format!(", Kisi user {id}"));
    format!("{email}{customer}{user}")
}

/// An explanation.
pub fn explanation(told: &Explanation, look: &Look) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}", look.paint("1", &person(&told.person)));
    let clock = if told.clock == "verified" { "" } else { ", by a clock that is not verified" };
    let verdict = if told.allowed { look.paint("32", "may get in") } else { look.paint("31", "may not get in") };
    let _ = writeln!(out, "{verdict} at {}{clock}", look.time(told.at));
    for grant in &told.grants {
        out.push_str(&grant_lines(grant, look));
    }
    for why in &told.why_not {
        let _ = writeln!(out, "  note: {}", why.message);
    }
    out
}

fn grant_lines(grant: &GrantShown, look: &Look) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "\n  group {}: {}, by {}", grant.group, look.span(grant.from, grant.until), grant.reason);
    let doors: Vec<String> = grant.doors.iter().map(|door| format!("{} ({})", door.name, door.id)).collect();
    let doors = if doors.is_empty() { "none known".to_owned() } else { doors.join(", ") };
    let _ = writeln!(out, "    doors: {doors}");
    match &grant.in_kisi {
        None => out.push_str("    in Kisi: nothing\n"),
        Some(row) => {
            let ours = if row.ours { "ours" } else { "not ours" };
            let span = look.span(row.valid_from, row.valid_until);
            let _ = writeln!(out, "    in Kisi: assignment {} ({ours}), {span}", row.assignment);
        }
    }
    if let Some(error) = &grant.error {
        let _ = writeln!(out, "    {}", look.paint("31", error));
    }
    out
}

/// The status.
pub fn status(status: &Status, look: &Look) -> String {
    let mut out = String::new();
    let paused = if status.paused { ", paused: writes nothing to Kisi" } else { "" };
    let _ = writeln!(out, "gatehouse {} since {}{paused}", status.version, look.time(status.started_at));
    for (name, link) in [("nexudus", &status.nexudus), ("kisi", &status.kisi), ("broker", &status.broker)] {
        out.push_str(&connection(name, link, look));
    }
    let trusted = if status.clock.trusted { "Kisi's time is known" } else { "Kisi's time is not known" };
    let offset = status.clock.offset_ms.map(|ms| format!(", this box is {ms} ms from it")).unwrap_or_default();
    let _ = writeln!(out, "{:<10}{trusted}{offset}", "clock");
    let pace = status.pace;
    let _ = writeln!(out, "{:<10}changes every {} s, everything every {} s", "pace", pace.changes_s, pace.refresh_s);
    let c = status.counts;
    let _ = writeln!(
        out,
        "{:<10}{} people, {} grants, {} open now, {} assignments in Kisi",
        "access", c.people, c.grants, c.open_now, c.assignments
    );
    let _ = writeln!(out, "{:<10}{} pending, {} held, {} events to publish", "waiting", c.pending, c.held, c.outbox);
    for (kind, message) in &status.alerts {
        let _ = writeln!(out, "{}", look.paint("31", &format!("alert     {}: {message}", kind.name())));
    }
    if let Some(at) = status.next_change_at {
        let _ = writeln!(out, "{:<10}{}", "next", look.time(at));
    }
    if let Some(last) = &status.last_sync {
        let _ = writeln!(
            out,
            "{:<10}{}: {} added, {} moved, {} removed, {} suspended, {} restored, {} deleted in {} ms",
            "last",
            look.time(last.at),
            last.added,
            last.moved,
            last.removed,
            last.suspended,
            last.restored,
            last.deleted,
            last.took_ms
        );
    }
    out
}

fn connection(name: &str, link: &Connection, look: &Look) -> String {
    let state = format!("{:?}", link.state).to_lowercase();
    let code = if state == "online" { "32" } else { "31" };
    let error = link.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    format!("{name:<10}{} since {}{error}\n", look.paint(code, &state), look.time(link.since))
}

/// One event, on one line.
pub fn event(event: &EventReport, look: &Look) -> String {
    let door = event.door.as_ref().map_or("-".to_owned(), |door| format!("{} ({})", door.name, door.id));
    let who = event.person.as_ref().map_or("-".to_owned(), |person| {
        let name = person.name.clone().unwrap_or_else(|| format!("user {}", person.id));
        person.customer.map_or(name.clone(), |customer| format!("{name}, customer {customer}"))
    });
    let outcome = match (event.success, &event.error) {
        (Some(false), Some(error)) => {
            let text = error.message.clone().or(error.code.clone()).unwrap_or_default();
            look.paint("31", &format!("denied: {text}"))
        }
        (Some(false), None) => look.paint("31", "denied"),
        _ => "ok".to_owned(),
    };
    let late = if event.late { ", late" } else { "" };
    format!("{}  {:<24} {door}  {who}  {outcome}{late}\n", look.time(event.time), event.kind)
}
