//! `adopt`: lists what another hand made in linked groups, and makes it ours.

use std::fmt::Write as _;

use super::ask::{Needs, answered};
use super::show::{Look, person};
use super::{look, print};
use crate::config::Config;
use crate::domain::{Reason, UserId};
use crate::report::adopt::AdoptReport;
use crate::report::desk::Request;

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Whose hand.
    pub created_by: UserId,
    /// With the users suspended while they held no grant.
    pub suspended: bool,
    /// Not only listed.
    pub apply: bool,
}

/// `adopt`
pub fn adopt(config: &Config, asked: Asked, json: bool) -> u8 {
    let Asked { created_by, suspended, apply } = asked;
    let request = Request::Adopt { created_by, suspended, apply };
    match answered::<AdoptReport>(config, request, Needs::Clouds) {
        Ok((exit, value, report)) => {
            match json {
                true => print(&format!("{value}\n")),
                false => print(&text(&report, asked, &look(config))),
            }
            exit
        }
        Err(trouble) => trouble.shown(),
    }
}

fn text(report: &AdoptReport, asked: Asked, look: &Look) -> String {
    let mut out = String::new();
    let by = report.created_by;
    for group in &report.groups {
        let name = group.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        let _ = writeln!(out, "{}", look.paint("1", &format!("Group {}{name}, made by Kisi user {by}", group.group)));
        for row in &group.assignments {
            let _ = writeln!(out, "  {}", person(&row.person));
            let why = match row.reason {
                Reason::Policy => look.paint("33", "no grant"),
                reason => format!("for {reason}"),
            };
            let span = look.span(row.valid_from, row.valid_until);
            let _ = writeln!(out, "    assignment {}: {why}\n      {span}", row.assignment);
        }
        out.push('\n');
    }
    if !report.suspended.is_empty() {
        let _ = writeln!(out, "{}", look.paint("1", "Suspended while they hold no grant"));
        for user in &report.suspended {
            let _ = writeln!(out, "  {}", person(user));
        }
        out.push('\n');
    }
    for remark in &report.remarks {
        let _ = writeln!(out, "{}", look.paint("33", &format!("note: {remark}")));
    }
    let (rows, users) = (report.assignments(), report.suspended.len());
    let what = match asked.suspended {
        true => format!("{rows} assignments and {users} suspended users"),
        false => format!("{rows} assignments"),
    };
    match (report.adopted, rows + users) {
        (_, 0) => {
            let _ = writeln!(out, "Nothing to adopt: Kisi user {by} made nothing in linked groups that is not ours.");
        }
        (true, _) => {
            let _ = writeln!(out, "Adopted: {what} are ours now. Next: gatehouse plan");
        }
        (false, _) => {
            let suspended = if asked.suspended { " --suspended" } else { "" };
            let _ = writeln!(out, "{what}. To adopt them: gatehouse adopt --created-by {by}{suspended} --apply");
        }
    }
    out
}
