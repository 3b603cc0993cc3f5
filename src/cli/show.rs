//! How results look for people: plain lines, local times with their UTC, colours on a terminal alone.

use std::fmt::Write as _;

use crate::domain::explain::PersonShown;
use crate::domain::{Timestamp, Zone};

/// How wide a terminal is taken to be. Through a pipe no line is broken.
const WIDTH: usize = 80;

/// How a text is to be shown.
#[derive(Clone, Debug)]
pub struct Look {
    /// On a terminal: lines are broken between words.
    pub terminal: bool,
    /// With colours.
    pub colour: bool,
    /// In which zone times are told.
    pub zone: Zone,
}

/// Good.
pub const GREEN: &str = "32";
/// Bad.
pub const RED: &str = "31";
/// To be looked at.
pub const YELLOW: &str = "33";
/// A heading.
pub const BOLD: &str = "1";

impl Look {
    /// The text in that colour, where there are colours.
    pub fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// A moment on the site's clock, with its UTC. Seconds are left out where there are none.
    pub fn time(&self, at: Timestamp) -> String {
        format!("{} ({})", self.local(at), self.utc(at))
    }

    /// From and until, on the site's clock and in UTC.
    pub fn span(&self, from: Option<Timestamp>, until: Option<Timestamp>) -> String {
        let (Some(start), Some(end)) = (from, until) else {
            let from = from.map_or_else(|| "always".to_owned(), |at| self.time(at));
            let until = until.map_or_else(|| "without end".to_owned(), |at| self.time(at));
            return format!("{from} → {until}");
        };
        let same_day = self.zone.date_of(start) == self.zone.date_of(end);
        let local = match same_day {
            true => self.zone.wall_clock(end).format(clock(end)).to_string(),
            false => self.local(end),
        };
        format!("{} → {local} ({} → {})", self.local(start), self.utc(start), self.utc(end))
    }

    fn local(&self, at: Timestamp) -> String {
        let wall = self.zone.wall_clock(at);
        format!("{} {}", wall.format("%a %Y-%m-%d"), wall.format(clock(at)))
    }

    fn utc(&self, at: Timestamp) -> String {
        let same_day = self.zone.date_of(at) == at.date_naive();
        let day = if same_day { String::new() } else { at.format("%Y-%m-%d ").to_string() };
        format!("{day}{}Z", at.format(clock(at)))
    }

    /// A paragraph: its first line behind `first`, the others as far in, broken where a terminal would break them.
    pub fn paragraph(&self, first: &str, text: &str) -> String {
        let mut out = first.to_owned();
        let margin = first.chars().count();
        let mut column = margin;
        for (number, word) in text.split(' ').enumerate() {
            let long = word.chars().count();
            if number > 0 && self.terminal && column + 1 + long > WIDTH {
                let _ = write!(out, "\n{}{word}", " ".repeat(margin));
                column = margin + long;
            } else {
                let gap = usize::from(number > 0);
                out.push_str(&" ".repeat(gap));
                out.push_str(word);
                column += gap + long;
            }
        }
        out.push('\n');
        out
    }
}

fn clock(at: Timestamp) -> &'static str {
    if at.timestamp() % 60 == 0 { "%H:%M" } else { "%H:%M:%S" }
}

/// A person on one line.
pub fn person(person: &PersonShown) -> String {
    let email = person.email.as_ref().map_or("no e-mail", |email| email.as_str());
    let customer = person.customer.map(|id| format!(", customer {id}")).unwrap_or_default();
    let user = person.user.map_or(", not in Kisi yet".to_owned(), |id| format!(", Kisi user {id}"));
    format!("{email}{customer}{user}")
}

/// A look for tests: a pipe, in London.
#[cfg(test)]
pub fn plain() -> Look {
    Look { terminal: false, colour: false, zone: Zone::named("Europe/London").unwrap_or_else(|_| Zone::utc()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("RFC 3339")
    }

    /// Summer time is an hour ahead, so shortly after midnight the two dates differ and both are told.
    #[test]
    fn times_are_told_on_the_sites_clock_with_their_utc() {
        let look = plain();
        assert_eq!(look.time(at("2026-03-03T10:00:00Z")), "Tue 2026-03-03 10:00 (10:00Z)");
        assert_eq!(look.time(at("2026-07-03T23:30:05Z")), "Sat 2026-07-04 00:30:05 (2026-07-03 23:30:05Z)");
        let span = look.span(Some(at("2026-07-03T09:00:00Z")), Some(at("2026-07-03T10:00:00Z")));
        assert_eq!(span, "Fri 2026-07-03 10:00 → 11:00 (09:00Z → 10:00Z)");
        assert_eq!(look.span(None, None), "always → without end");
    }

    #[test]
    fn lines_are_broken_on_a_terminal_alone() {
        let text = "word ".repeat(30);
        let terminal = Look { terminal: true, ..plain() }.paragraph("- ", text.trim());
        assert!(terminal.lines().all(|line| line.chars().count() <= WIDTH) && terminal.lines().count() == 2);
        assert!(terminal.lines().nth(1).is_some_and(|line| line.starts_with("  word")));
        assert_eq!(plain().paragraph("- ", text.trim()).lines().count(), 1);
    }
}
