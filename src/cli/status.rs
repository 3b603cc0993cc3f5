//! `status`: what `run` is doing now. `pause` and `resume`: whether it writes to Kisi.

use std::fmt::Write as _;

use serde_json::Value;

use super::ask::{Needs, answered, ask_running, block_on, value};
use super::show::{BOLD, GREEN, Look, RED, YELLOW};
use super::{complain, look, print};
use crate::config::Config;
use crate::report::desk::Request;
use crate::report::{Connection, State, Status};

/// `status`: nobody runs.
const NOT_RUNNING: u8 = 3;

/// `status`
pub fn status(config: &Config, json: bool) -> u8 {
    let asked = block_on(ask_running(config, &Request::Status));
    let answer = match asked {
        Ok(None) => {
            let socket = config.store.directory.join(crate::web::socket::NAME);
            complain(&format!(
                "not running: nobody answers at {}; start it with 'systemctl start gatehouse', or 'gatehouse run'",
                socket.display()
            ));
            return NOT_RUNNING;
        }
        Ok(Some(reply)) => value::<Status>(reply),
        Err(trouble) => Err(trouble),
    };
    match answer {
        Ok((exit, value, status)) => {
            match json {
                true => print(&format!("{value}\n")),
                false => print(&text(&status, &look(config))),
            }
            exit
        }
        Err(trouble) => trouble.shown(),
    }
}

/// `pause` and `resume`. Where no gateway runs, the next one begins so.
pub fn pause(config: &Config, paused: bool) -> u8 {
    let request = if paused { Request::Pause } else { Request::Resume };
    match answered::<Value>(config, request, Needs::Store) {
        Ok((exit, ..)) => {
            print(match paused {
                true => "Paused: nothing is written to Kisi until 'gatehouse resume'.\n",
                false => "Resumed: Kisi is written again.\n",
            });
            exit
        }
        Err(trouble) => trouble.shown(),
    }
}

/// The status for people.
/// How far a clock is off, as one reads it.
fn beside(ms: i64) -> String {
    let off = chrono::TimeDelta::milliseconds(ms).abs();
    let far = match (off.num_days(), off.num_hours(), off.num_minutes(), off.num_seconds()) {
        (2.., ..) => format!("{} days", off.num_days()),
        (_, 2.., ..) => format!("{} h", off.num_hours()),
        (_, _, 2.., _) => format!("{} min", off.num_minutes()),
        (_, _, _, 2..) => format!("{} s", off.num_seconds()),
        _ => format!("{} ms", off.num_milliseconds()),
    };
    format!("{far} {}", if ms < 0 { "behind it" } else { "ahead of it" })
}

fn text(status: &Status, look: &Look) -> String {
    let mut out = String::new();
    let title = format!("gatehouse {} since {}", status.version, look.time(status.started_at));
    let _ = writeln!(out, "{}", look.paint(BOLD, &title));
    if status.paused {
        let paused = "paused    nothing is written to Kisi until 'gatehouse resume'";
        let _ = writeln!(out, "{}", look.paint(YELLOW, paused));
    }
    for (name, link) in [("nexudus", &status.nexudus), ("kisi", &status.kisi), ("broker", &status.broker)] {
        out.push_str(&connection(name, link, look));
    }
    let mut line = |name: &str, text: &str| out.push_str(&look.paragraph(&format!("{name:<10}"), text));
    let offset = status.clock.offset_ms.map(|ms| format!(", this machine's clock is {}", beside(ms)));
    line(
        "clock",
        &match status.clock.trusted {
            true => format!("Kisi's time is known{}", offset.unwrap_or_default()),
            false => "Kisi's time is not known: nothing is written to Kisi".to_owned(),
        },
    );
    line("pace", &format!("changes every {} s, everything every {} s", status.pace.changes_s, status.pace.refresh_s));
    let c = status.counts;
    line(
        "access",
        &format!(
            "{} people, {} grants, {} open now, {} assignments in Kisi",
            c.people, c.grants, c.open_now, c.assignments
        ),
    );
    let held = if c.held > 0 { " (see 'gatehouse plan')" } else { "" };
    line("waiting", &format!("{} pending, {} held{held}, {} events to publish", c.pending, c.held, c.outbox));
    if let Some(at) = status.next_change_at {
        line("next", &look.time(at));
    }
    if let Some(last) = &status.last_sync {
        let words = [
            (last.added, "added"),
            (last.moved, "moved"),
            (last.removed, "removed"),
            (last.suspended, "suspended"),
            (last.restored, "restored"),
            (last.deleted, "deleted"),
        ];
        let done: Vec<String> = words.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
        let done = if done.is_empty() { "accounts alone".to_owned() } else { done.join(", ") };
        line("last", &format!("{}: {done} in {} ms", look.time(last.at), last.took_ms));
    }
    for (kind, message) in &status.alerts {
        out.push_str(
            &look.paint(
                RED,
                look.paragraph("alert     ", &format!("{}: {message}", kind.name())).trim_end_matches('\n'),
            ),
        );
        out.push('\n');
    }
    out
}

fn connection(name: &str, link: &Connection, look: &Look) -> String {
    let (state, code) = match link.state {
        State::Online => ("online", GREEN),
        State::Degraded => ("degraded", YELLOW),
        State::Offline => ("offline", RED),
        State::Refused => ("refused", RED),
    };
    let mut out = format!("{name:<10}{} since {}\n", look.paint(code, state), look.time(link.since));
    if let Some(error) = &link.error {
        out.push_str(&look.paragraph(&" ".repeat(10), error));
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::show::plain;

    /// Whoever looks at the status sees at once that nothing is written, and how to change it.
    #[test]
    fn a_pause_is_shown_in_the_status() {
        let link = json!({"state": "online", "since": "2026-03-03T07:00:00Z", "last_success": null, "error": null});
        let status: Status = serde_json::from_value(json!({
            "version": "0.1.0", "started_at": "2026-03-03T07:00:00Z", "time": "2026-03-03T10:00:00Z",
            "valid_until": "2026-03-03T10:01:30Z", "paused": true, "clock": {"trusted": true, "offset_ms": 12},
            "nexudus": link, "kisi": link, "broker": link, "pace": {"changes_s": 5, "refresh_s": 60},
            "counts": {
                "people": 3, "grants": 4, "open_now": 1, "assignments": 2, "pending": 1, "held": 0, "outbox": 0,
            },
            "next_change_at": "2026-03-03T10:15:00Z",
            "last_sync": {
                "at": "2026-03-03T09:45:00Z", "took_ms": 900, "added": 1, "moved": 0, "removed": 2, "suspended": 0,
                "restored": 0, "deleted": 0,
            },
        }))
        .expect("a status");
        let expected = "\
gatehouse 0.1.0 since Tue 2026-03-03 07:00 (07:00Z)
paused    nothing is written to Kisi until 'gatehouse resume'
nexudus   online since Tue 2026-03-03 07:00 (07:00Z)
kisi      online since Tue 2026-03-03 07:00 (07:00Z)
broker    online since Tue 2026-03-03 07:00 (07:00Z)
clock     Kisi's time is known, this machine's clock is 12 ms ahead of it
pace      changes every 5 s, everything every 60 s
access    3 people, 4 grants, 1 open now, 2 assignments in Kisi
waiting   1 pending, 0 held, 0 events to publish
next      Tue 2026-03-03 10:15 (10:15Z)
last      Tue 2026-03-03 09:45 (09:45Z): 1 added, 2 removed in 900 ms
";
        assert_eq!(text(&status, &plain()), expected);
    }

    #[test]
    fn a_clock_that_is_off_is_told_in_what_one_reads() {
        let told = [12, -1_500, 90_000, -7_200_000, -29_121_681_860].map(beside);
        let expected =
            ["12 ms ahead of it", "1500 ms behind it", "90 s ahead of it", "2 h behind it", "337 days behind it"];
        assert_eq!(told, expected);
    }
}
