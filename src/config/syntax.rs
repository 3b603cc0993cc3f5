//! TOML itself: the file as a tree in which every key and value knows its bytes.
//!
//! A file that is broken in one place is still read in all others, so that all its errors come in one go: the
//! statement that holds a syntax error is reported, blanked (so that every byte keeps its place) and the rest is read
//! anew.

use std::ops::Range;

use toml::de::DeTable;

use super::error::{Complaint, Report};
use super::keys;

/// How many syntax errors of one file are reported before the rest of it is left unread.
const SYNTAX_ERRORS_MAX: usize = 20;

/// The file with its broken statements blanked: the same length, so that spans hold for both. Each is reported.
pub(super) fn mend(text: &str, report: &Report<'_>) -> String {
    let mut mended = text.to_owned();
    for _ in 0..SYNTAX_ERRORS_MAX {
        let (_, errors) = DeTable::parse_recoverable(&mended);
        let at = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
        let (twice, broken): (Vec<_>, Vec<_>) = errors.iter().partition(|error| error.message() == "duplicate key");
        let Some(first) = broken.into_iter().min_by_key(|error| at(error)) else {
            twice.into_iter().for_each(|error| complain(text, error, report));
            return mended;
        };
        report.tear();
        complain(text, first, report);
        let broken = statement(&mended, at(first), first.message());
        if broken.is_empty() {
            break;
        }
        mended = blank(&mended, broken);
    }
    blank(text, 0..text.len())
}

fn complain(text: &str, error: &toml::de::Error, report: &Report<'_>) {
    let span = error.span().unwrap_or(0..0);
    let line = line_around(text, span.start);
    let harmless = harmless(&text[line.clone()]);
    if !harmless {
        let shown = text[line.clone()].find('=').map_or(0, |equals| equals + 1);
        report.hide(line.start + shown..line.end);
    }
    let twice = error.message() == "duplicate key";
    let (message, allowed) = match error.message().split_once(", expected ") {
        _ if twice => ("this key stands here a second time", "each key once in its section"),
        Some((message, expected)) => (message, expected),
        None => (error.message(), "TOML 1.0: https://toml.io"),
    };
    let found = match text.get(span.clone()) {
        Some(piece) if (twice || harmless) && !piece.is_empty() && !piece.contains('\n') => format!("`{piece}`"),
        _ if span.start >= line.end => "the end of the line".to_owned(),
        _ => "what TOML does not allow here".to_owned(),
    };
    let allowed = allowed.to_owned();
    report.error(Complaint { span, key: String::new(), found, allowed, message: format!("not valid TOML: {message}") });
}

/// Whether a broken line may be shown: it sets a key that is known and no secret, or is a header. Of any other, such
/// as `password = "…` with its quote missing, nothing behind the `=` is shown.
fn harmless(line: &str) -> bool {
    let line = line.trim();
    if line.starts_with('[') && !line.contains('=') {
        return true;
    }
    let Some((key, value)) = line.split_once('=') else { return false };
    !value.contains(['=', '#']) && key.split('.').all(|part| keys::is_known_and_no_secret(part.trim()))
}

/// The bytes to blank for a syntax error at `at`: the statement around it, the whole section where its header is
/// broken, and the statement before where an array or string that began there was not closed.
fn statement(text: &str, at: usize, message: &str) -> Range<usize> {
    let starts: Vec<(usize, bool)> = lines(text).filter_map(|line| Some((line.start, header(&text[line])?))).collect();
    let Some(mut index) = starts.iter().rposition(|(start, _)| *start <= at) else {
        return 0..starts.first().map_or(text.len(), |(start, _)| *start);
    };
    let unclosed = ["array", "table", "multi-line"].iter().any(|kind| message.contains(kind));
    let leads = text[starts[index].0..at.min(text.len())].trim().is_empty();
    if unclosed && leads && index > 0 && !starts[index].1 {
        index -= 1;
    }
    let (start, is_header) = starts[index];
    let next = starts[index + 1..].iter().find(|(_, header)| *header || !is_header);
    start..next.map_or(text.len(), |(start, _)| *start)
}

/// Whether a line begins a section (`true`) or sets a key (`false`); `None` where it does neither.
fn header(line: &str) -> Option<bool> {
    let line = line.trim();
    if line.starts_with('[') {
        // An element of an array of arrays, which no key of ours takes, would look the same.
        return Some(true);
    }
    let bare = |c: char| c.is_ascii_alphanumeric() || "_-.\"' \t".contains(c);
    let (key, _) = line.split_once('=')?;
    (!key.is_empty() && key.chars().all(bare)).then_some(false)
}

fn lines(text: &str) -> impl Iterator<Item = Range<usize>> {
    text.split_inclusive('\n').scan(0, |start, line| {
        let range = *start..*start + line.len();
        *start = range.end;
        Some(range)
    })
}

fn line_around(text: &str, at: usize) -> Range<usize> {
    let line = lines(text).find(|line| line.contains(&at)).or_else(|| lines(text).last()).unwrap_or(0..0);
    line.start..line.start + text[line].trim_end_matches(['\n', '\r']).len()
}

/// `text` with every character of `range` but line ends replaced by as many spaces as it has bytes.
fn blank(text: &str, range: Range<usize>) -> String {
    let mut blanked = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if range.contains(&at) && c != '\n' {
            blanked.extend(std::iter::repeat_n(' ', c.len_utf8()));
        } else {
            blanked.push(c);
        }
    }
    blanked
}
