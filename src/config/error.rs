//! What is wrong with a configuration: each complaint with its place, gathered over the whole file.
//!
//! Two readers: the operator, who sees the line with a caret under what is wrong, and a script, which reads the same
//! as JSON. Neither ever sees a secret: what may be one is hidden before a line is kept.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::ops::Range;

use serde::{Serialize, Serializer};

use super::source::{Excerpt, Place, excerpt, place};

/// The most errors of one file that are shown. Whoever made more has named the wrong file.
const ERRORS_MAX: usize = 500;

/// One thing wrong with the configuration file. As JSON: `{file, line, column, key, found, allowed, message}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigError {
    /// The file, as it was named.
    pub file: String,
    /// The line, counted from 1; 0 where the file itself could not be read.
    pub line: usize,
    /// The column in characters, counted from 1; 0 where the file itself could not be read.
    pub column: usize,
    /// The key with its path, as `link[2].group`; elements are counted from 0. Empty where TOML itself is broken.
    pub key: String,
    /// What stands there. Never a secret.
    pub found: String,
    /// What may stand there.
    pub allowed: String,
    /// What is wrong, in a phrase.
    pub message: String,
    #[serde(skip)]
    excerpt: Option<Excerpt>,
}

impl ConfigError {
    /// The file could not be read as text: there is no line to show.
    pub(super) fn unreadable(file: &str, message: String, found: &str, place: Option<Place>) -> ConfigError {
        let Place { line, column } = place.unwrap_or(Place { line: 0, column: 0 });
        ConfigError {
            file: file.to_owned(),
            line,
            column,
            key: String::new(),
            found: found.to_owned(),
            allowed: "a TOML file that this user may read".to_owned(),
            message,
            excerpt: None,
        }
    }
}

/// As rustc shows an error: the place, the line, a caret under what is wrong, and what is allowed.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => writeln!(f, "error: {}", self.message)?,
            key => writeln!(f, "error: {key}: {}", self.message)?,
        }
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        if self.line == 0 {
            writeln!(f, "{margin}--> {}", self.file)?;
        } else {
            writeln!(f, "{margin}--> {}:{}:{}", self.file, self.line, self.column)?;
        }
        if let Some(Excerpt { text, carets }) = &self.excerpt {
            let (gap, marks) = (" ".repeat(carets.start), "^".repeat(carets.len().max(1)));
            writeln!(f, "{margin} |")?;
            writeln!(f, "{number} | {text}")?;
            writeln!(f, "{margin} | {gap}{marks} found {}", self.found)?;
            writeln!(f, "{margin} |")?;
        } else {
            writeln!(f, "{margin} = found: {}", self.found)?;
        }
        write!(f, "{margin} = allowed: {}", self.allowed)
    }
}

/// All that is wrong with the configuration file, in the order of the file; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors {
    errors: Vec<ConfigError>,
    left_out: usize,
}

impl ConfigErrors {
    pub(super) fn one(error: ConfigError) -> ConfigErrors {
        ConfigErrors { errors: vec![error], left_out: 0 }
    }

    /// Each error, in the order of the file; of a file with very many, the first.
    pub fn errors(&self) -> &[ConfigError] {
        &self.errors
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for error in &self.errors {
            write!(f, "{error}\n\n")?;
        }
        match (self.errors.len(), self.left_out) {
            (1, 0) => write!(f, "1 error in the configuration"),
            (count, 0) => write!(f, "{count} errors in the configuration"),
            (count, more) => write!(f, "{count} errors in the configuration, and {more} more that are not shown"),
        }
    }
}

/// The list alone: the `errors` of `check --json`.
impl Serialize for ConfigErrors {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.errors.serialize(serializer)
    }
}

/// Gathers what is wrong with one file while it is read.
pub(super) struct Report<'t> {
    file: String,
    text: &'t str,
    complaints: RefCell<Vec<Complaint>>,
    hidden: RefCell<Vec<Range<usize>>>,
    warnings: RefCell<Vec<String>>,
    torn: Cell<bool>,
}

/// What is wrong, before its line is shown: only once the whole file is read is it known what to hide.
pub(super) struct Complaint {
    pub(super) span: Range<usize>,
    pub(super) key: String,
    pub(super) found: String,
    pub(super) allowed: String,
    pub(super) message: String,
}

impl<'t> Report<'t> {
    pub(super) fn new(file: String, text: &'t str) -> Report<'t> {
        Report {
            file,
            text,
            complaints: RefCell::default(),
            hidden: RefCell::default(),
            warnings: RefCell::default(),
            torn: Cell::new(false),
        }
    }

    pub(super) fn error(&self, complaint: Complaint) {
        self.complaints.borrow_mut().push(complaint);
    }

    /// No error shows those bytes.
    pub(super) fn hide(&self, span: Range<usize>) {
        self.hidden.borrow_mut().push(span);
    }

    pub(super) fn warn(&self, span: &Range<usize>, message: &str) {
        let place = place(self.text, span.start);
        self.warnings.borrow_mut().push(format!("{}:{}:{}: {message}", self.file, place.line, place.column));
    }

    /// Parts of the file could not be read as TOML: what seems to be missing may stand there.
    pub(super) fn tear(&self) {
        self.torn.set(true);
    }

    pub(super) fn torn(&self) -> bool {
        self.torn.get()
    }

    pub(super) fn line_of(&self, at: usize) -> usize {
        place(self.text, at).line
    }

    /// The value and the warnings, or all the errors.
    pub(super) fn finish<T>(self, value: Option<T>) -> Result<(T, Vec<String>), ConfigErrors> {
        let mut complaints = self.complaints.into_inner();
        complaints.sort_by_key(|complaint| complaint.span.start);
        let left_out = complaints.len().saturating_sub(ERRORS_MAX);
        complaints.truncate(ERRORS_MAX);
        let hidden = self.hidden.into_inner();
        let errors: Vec<ConfigError> = complaints
            .into_iter()
            .map(|Complaint { span, key, found, allowed, message }| {
                let place = place(self.text, span.start);
                // Of a section that is not there no line can be shown.
                let excerpt = (span != (0..0)).then(|| excerpt(self.text, &span, &hidden));
                let (line, column) = (place.line, place.column);
                ConfigError { file: self.file.clone(), line, column, key, found, allowed, message, excerpt }
            })
            .collect();
        match value {
            Some(value) if errors.is_empty() => Ok((value, self.warnings.into_inner())),
            _ => Err(ConfigErrors { errors, left_out }),
        }
    }
}
