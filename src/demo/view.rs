//! The live view: what is open now, what comes next, how both clouds are, what happened last.
//!
//! On a terminal it draws one screen over and over and puts the terminal back as it was; elsewhere it prints plain
//! lines, each thing once. It shows what it is given and decides nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::process::{Command, Stdio};

/// How good something is: its colour, and a word where there are no colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// As it should be.
    Good,
    /// Worth a look.
    Fair,
    /// Wrong.
    Bad,
    /// Neither.
    Plain,
}

/// How a cloud, the broker or the gateway itself is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// What it is: `Nexudus`, `Kisi`, `broker`, `clock`.
    pub name: String,
    /// In a word, as `online`.
    pub state: String,
    /// Since when, or why.
    pub more: String,
    /// Its colour.
    pub mood: Mood,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// When, on the site's wall.
    pub at: String,
    /// What.
    pub text: String,
    /// Its colour.
    pub mood: Mood,
}

/// Everything that is shown at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// The title: the site, the day.
    pub title: String,
    /// The time on the site's wall.
    pub time: String,
    /// Where to look and what to subscribe to: shown below the title, and first of all as plain lines.
    pub hints: Vec<String>,
    /// Both clouds, the broker, the clock.
    pub health: Vec<Health>,
    /// Counts, as `people 231`.
    pub counts: String,
    /// Who can open what now: one line each, soonest end first.
    pub open: Vec<String>,
    /// What opens or closes next: one line each, soonest first.
    pub next: Vec<String>,
    /// What has happened since the last frame, oldest first.
    pub happened: Vec<Happened>,
}

/// How the terminal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// No terminal: lines.
    Lines,
    /// A terminal of that size.
    Terminal {
        /// Signs in a line.
        columns: usize,
        /// Lines.
        rows: usize,
        /// Whether it may be coloured (<https://no-color.org>).
        colour: bool,
    },
}

impl Screen {
    /// How standard output is: `TERM`, `COLUMNS`, `LINES` and `NO_COLOR` are minded.
    pub fn of_stdout() -> Screen {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        if !io::stdout().is_terminal() || set("TERM").is_none_or(|term| term == "dumb") {
            return Screen::Lines;
        }
        let number = |name: &str| set(name).and_then(|value| value.parse().ok());
        let (rows, columns) = match (number("LINES"), number("COLUMNS")) {
            (Some(rows), Some(columns)) => (rows, columns),
            _ => size().unwrap_or((24, 80)),
        };
        Screen::Terminal { columns: columns.max(40), rows: rows.max(12), colour: set("NO_COLOR").is_none() }
    }
}

/// The terminal's rows and columns, from `stty`.
fn size() -> Option<(usize, usize)> {
    let asked = Command::new("stty").arg("size").stdin(Stdio::inherit()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(asked.stdout).ok()?;
    let (rows, columns) = text.trim().split_once(' ')?;
    Some((rows.parse().ok()?, columns.parse().ok()?)).filter(|(rows, columns)| *rows > 0 && *columns > 0)
}

/// How many of the last happenings are kept.
const KEPT: usize = 200;
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
const HOME: &str = "\x1b[H";
const REST_OF_LINE: &str = "\x1b[K";
const REST_OF_SCREEN: &str = "\x1b[J";

/// The view. The terminal is as before once this is dropped.
#[derive(Debug)]
pub struct View<W: Write> {
    out: W,
    screen: Screen,
    last: Vec<Happened>,
    told: BTreeMap<String, String>,
    hinted: bool,
}

impl<W: Write> View<W> {
    /// Begins to show.
    ///
    /// # Errors
    /// When nothing can be written.
    pub fn new(mut out: W, screen: Screen) -> io::Result<View<W>> {
        if screen != Screen::Lines {
            out.write_all(ENTER.as_bytes())?;
            out.flush()?;
        }
        Ok(View { out, screen, last: Vec::new(), told: BTreeMap::new(), hinted: false })
    }

    /// Shows the world as it is.
    ///
    /// # Errors
    /// When nothing can be written: whoever reads may have gone.
    pub fn show(&mut self, frame: &Frame) -> io::Result<()> {
        let text = match self.screen {
            Screen::Lines => self.lines(frame),
            Screen::Terminal { columns, rows, colour } => {
                self.last.extend(frame.happened.iter().cloned());
                let old = self.last.len().saturating_sub(KEPT);
                self.last.drain(..old);
                drawn(frame, &self.last, (columns, rows), colour)
            }
        };
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    /// Plain lines: hints once, each state as it changes, each happening.
    fn lines(&mut self, frame: &Frame) -> String {
        let mut text = String::new();
        if !self.hinted {
            self.hinted = true;
            let all = std::iter::once(&frame.title).chain(&frame.hints);
            all.for_each(|hint| put(&mut text, hint));
        }
        for health in &frame.health {
            let told = self.told.get(&health.name);
            if told != Some(&health.state) {
                put(&mut text, &format!("{}  {} is {} {}", frame.time, health.name, health.state, health.more));
                self.told.insert(health.name.clone(), health.state.clone());
            }
        }
        for happened in &frame.happened {
            put(&mut text, &format!("{}  {}", happened.at, happened.text));
        }
        text
    }
}

impl<W: Write> Drop for View<W> {
    fn drop(&mut self) {
        if self.screen != Screen::Lines {
            // Whoever reads may have gone; there is nobody left to be told.
            let _left = self.out.write_all(LEAVE.as_bytes()).and_then(|()| self.out.flush());
        }
    }
}

fn put(text: &mut String, line: &str) {
    // Writing to a string can't fail.
    let _written = writeln!(text, "{}", clean(line).trim_end());
}

/// What comes from outside must not steer the terminal.
fn clean(text: &str) -> String {
    text.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).collect()
}

fn cut(text: &str, width: usize) -> String {
    let text = clean(text);
    if text.chars().count() <= width {
        return text;
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

fn painted(text: &str, mood: Mood, colour: bool) -> String {
    let code = match mood {
        Mood::Good => "32",
        Mood::Fair => "33",
        Mood::Bad => "31",
        Mood::Plain => return text.to_owned(),
    };
    if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// The whole screen: as many rows as fit, the last happenings getting what is left.
fn drawn(frame: &Frame, last: &[Happened], (columns, rows): (usize, usize), colour: bool) -> String {
    let mut lines: Vec<String> = Vec::new();
    let heading = |text: &str| if colour { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() };
    lines.push(heading(&cut(&format!("{}   {}", frame.title, frame.time), columns)));
    lines.extend(frame.hints.iter().map(|hint| cut(hint, columns)));
    for health in &frame.health {
        let line = cut(&format!("{:10} {:10} {}", health.name, health.state, health.more), columns);
        lines.push(painted(&line, health.mood, colour));
    }
    lines.push(cut(&frame.counts, columns));
    // The two lists share a third of what is left each, side by side where there is room.
    let room = rows.saturating_sub(lines.len() + 4);
    let listed = (room / 2).max(2);
    if columns >= 100 {
        let half = columns / 2 - 1;
        lines.push(heading(&format!("{:half$}  {}", "open now", "next")));
        for n in 0..listed {
            let side = |list: &[String]| list.get(n).map_or_else(String::new, |line| cut(line, half));
            lines.push(format!("{:half$}  {}", side(&frame.open), side(&frame.next)));
        }
    } else {
        for (title, list) in [("open now", &frame.open), ("next", &frame.next)] {
            lines.push(heading(title));
            lines.extend(list.iter().take((listed / 2).max(1)).map(|line| cut(line, columns)));
        }
    }
    lines.push(heading("last"));
    let left = rows.saturating_sub(lines.len() + 1);
    for happened in &last[last.len().saturating_sub(left)..] {
        let line = cut(&format!("{}  {}", happened.at, happened.text), columns);
        lines.push(painted(&line, happened.mood, colour));
    }
    lines.truncate(rows.saturating_sub(1));
    let mut text = HOME.to_owned();
    for line in lines {
        text.push_str(&line);
        text.push_str(REST_OF_LINE);
        text.push_str("\r\n");
    }
    text.push_str(REST_OF_SCREEN);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        let health = Health {
            name: "Kisi".to_owned(),
            state: "offline".to_owned(),
            more: "since 14:10".to_owned(),
            mood: Mood::Bad,
        };
        let happened = Happened {
            at: "14:12:03".to_owned(),
            text: "Anchor door opened \x1b[2J for somebody".to_owned(),
            mood: Mood::Good,
        };
        Frame {
            title: "Harbour House".to_owned(),
            time: "14:12:05".to_owned(),
            hints: vec!["mosquitto_sub -t 'gatehouse/#' -v".to_owned()],
            health: vec![health],
            counts: "people 231".to_owned(),
            open: (0..50).map(|n| format!("Room {n} until 15:00 {}", "x".repeat(200))).collect(),
            next: vec!["14:15 Room Wharf opens".to_owned()],
            happened: vec![happened],
        }
    }

    /// Without a terminal nothing steers one, and nothing is said twice.
    #[test]
    fn plain_lines_say_each_thing_once() {
        let mut out = Vec::new();
        let mut view = View::new(&mut out, Screen::Lines).unwrap();
        view.show(&frame()).unwrap();
        view.show(&Frame { happened: Vec::new(), ..frame() }).unwrap();
        drop(view);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.matches("mosquitto_sub").count(), 1);
        assert_eq!(text.matches("Kisi is offline").count(), 1);
        assert_eq!(text.matches("Anchor door opened").count(), 1);
        assert!(!text.contains('\x1b'));
    }

    #[test]
    fn a_screen_fits_its_terminal_and_leaves_it_as_it_was() {
        for (columns, rows, colour) in [(40, 12, true), (80, 24, false), (160, 50, true)] {
            let mut out = Vec::new();
            let mut view = View::new(&mut out, Screen::Terminal { columns, rows, colour }).unwrap();
            view.show(&frame()).unwrap();
            drop(view);
            let text = String::from_utf8(out).unwrap();
            assert!(text.starts_with(ENTER) && text.ends_with(LEAVE));
            assert_eq!(text.contains("\x1b[31m"), colour);
            assert!(!text.contains("\x1b[2J"), "what comes from outside steered the terminal");
            let screen: Vec<&str> = text.split("\r\n").collect();
            assert!(screen.len() <= rows, "{} lines of {rows}", screen.len());
            for line in screen {
                let bare: String = line.split('\x1b').enumerate().map(|(n, part)| bare(n, part)).collect();
                assert!(bare.chars().count() <= columns, "{bare}");
            }
            assert!(text.contains("Anchor door opened") && text.contains("Wharf"));
        }
    }

    /// What is left of a part after its escape sequence.
    fn bare(n: usize, part: &str) -> &str {
        if n == 0 {
            part
        } else {
            part.split_once(|sign: char| sign.is_ascii_alphabetic()).map_or("", |(_, rest)| rest)
        }
    }
}
