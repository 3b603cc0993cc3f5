//! The file's text: where in it a byte stands, and how a line of it is shown.
//!
//! Knows nothing of keys and values. Shows no byte that it was told to hide.

use std::ops::Range;

/// The longest piece of a line that is shown, in characters, and how much of it may stand before the caret.
const SHOWN_MAX: usize = 140;
const SHOWN_BEFORE_MAX: usize = 90;

/// A place in the file, both counted from 1; the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// A line as it may be shown, and which of its characters the carets go under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    pub(super) text: String,
    pub(super) carets: Range<usize>,
}

/// Where that byte stands.
pub(super) fn place(text: &str, at: usize) -> Place {
    let before = &text[..text.floor_char_boundary(at)];
    let start = line_start(before);
    let bom = usize::from(before[start..].starts_with('\u{feff}'));
    Place { line: before.matches('\n').count() + 1, column: before[start..].chars().count() - bom + 1 }
}

/// The line on which `span` begins, with the bytes of `hidden` shown as one `…` each, and no comment.
pub(super) fn excerpt(text: &str, span: &Range<usize>, hidden: &[Range<usize>]) -> Excerpt {
    let at = text.floor_char_boundary(span.start);
    let start = line_start(&text[..at]);
    let mut shown: Vec<char> = Vec::new();
    let mut carets: Option<Range<usize>> = None;
    let mut hiding: Option<usize> = None;
    for (offset, c) in text[start..].char_indices().map(|(i, c)| (start + i, c)) {
        if c == '\n' {
            break;
        }
        // What may be a comment may be a secret that was commented out.
        if c == '#' && offset >= span.end.max(at + 1) {
            shown.push('…');
            break;
        }
        let hider = hidden.iter().position(|range| range.contains(&offset));
        let first = hider.is_none() || hider != hiding;
        hiding = hider;
        if first && c != '\r' && c != '\u{feff}' {
            shown.push(match hider {
                Some(_) => '…',
                None if c.is_control() => ' ',
                None => c,
            });
        }
        if (span.contains(&offset) || offset == at) && !shown.is_empty() {
            let last = shown.len() - 1;
            carets = Some(carets.map_or(last, |seen| seen.start)..last + 1);
        }
    }
    let carets = carets.unwrap_or(shown.len()..shown.len() + 1);
    let cut = if shown.len() > SHOWN_MAX { carets.start.saturating_sub(SHOWN_BEFORE_MAX) } else { 0 };
    let text: String = shown.into_iter().skip(cut).take(SHOWN_MAX).collect();
    let end = (carets.end - cut).min(SHOWN_MAX + 1);
    Excerpt { text, carets: carets.start - cut..end }
}

fn line_start(before: &str) -> usize {
    before.rfind('\n').map_or(0, |newline| newline + 1)
}
