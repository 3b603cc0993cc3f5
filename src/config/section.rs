//! The typed reader: walks one section of the tree, takes each key as its kind, and reports whatever is wrong.
//!
//! A bad or missing value never stops the reading: the caller gets `None` or the default and goes on, and the whole
//! file's errors come in one go.

use std::cell::RefCell;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Complaint, Report};
use super::keys;
use super::value::{Kind, Refusal, describe};

/// A section of the file: the whole of it, `[mqtt]`, or one `[[link]]`.
pub(super) struct Section<'t> {
    /// With its dot: `mqtt.`, `link[2].`; empty for the whole file.
    prefix: String,
    table: Option<&'t DeTable<'t>>,
    /// Its header; for a section that is not there, the start of the file.
    pub(super) header: Range<usize>,
    /// Keys that an unknown one was most likely meant to be: they are not reported as missing too.
    misspelt: RefCell<Vec<&'static str>>,
    pub(super) report: &'t Report<'t>,
}

/// A key with its value, as it stands in the file.
pub(super) struct Entry<'t> {
    /// The dotted path.
    pub(super) path: String,
    /// Where the key itself stands; for an element of an array, the element.
    pub(super) key: Range<usize>,
    pub(super) value: &'t Spanned<DeValue<'t>>,
    report: &'t Report<'t>,
}

impl<'t> Section<'t> {
    /// The whole file.
    pub(super) fn root(table: &'t DeTable<'t>, report: &'t Report<'t>) -> Section<'t> {
        let names: Vec<&str> = keys::SECTIONS.iter().map(|(name, _)| *name).collect();
        Section::new(String::new(), Some(table), 0..0, &names, report)
    }

    fn new(
        prefix: String,
        table: Option<&'t DeTable<'t>>,
        header: Range<usize>,
        known: &[&'static str],
        report: &'t Report<'t>,
    ) -> Section<'t> {
        let section = Section { prefix, table, header, misspelt: RefCell::default(), report };
        section.refuse_unknown(known);
        section
    }

    /// The section of that name; one that is not there reads as empty.
    pub(super) fn section(&self, name: &'static str) -> Section<'t> {
        let keys = keys::of(name);
        let prefix = format!("{name}.");
        let Some(entry) = self.get(name) else {
            let section = Section::new(prefix, None, 0..0, keys, self.report);
            if self.misspelt.borrow().contains(&name) {
                section.misspelt.borrow_mut().extend(keys);
            }
            return section;
        };
        let table = entry.value.get_ref().as_table();
        if table.is_none() {
            entry.refuse(no_section(&entry), &format!("[{name}], with its keys below"));
        }
        let section = Section::new(prefix, table, entry.key, keys, self.report);
        if table.is_none() {
            section.misspelt.borrow_mut().extend(keys);
        }
        section
    }

    /// The sections of that name, each under a header in double brackets.
    pub(super) fn sections(&self, name: &'static str) -> Vec<Section<'t>> {
        let Some(entry) = self.get(name) else { return Vec::new() };
        let allowed = format!("[[{name}]] in double brackets, once for each");
        let Some(array) = entry.value.get_ref().as_array() else {
            entry.refuse(no_section(&entry), &allowed);
            return Vec::new();
        };
        let section = |(index, element): (usize, &'t Spanned<DeValue<'t>>)| {
            let element = entry.element(index, element);
            let Some(table) = element.value.get_ref().as_table() else {
                element.refuse(no_section(&element), &allowed);
                return None;
            };
            let prefix = format!("{}.", element.path);
            Some(Section::new(prefix, Some(table), element.key, keys::of(name), self.report))
        };
        array.iter().enumerate().filter_map(section).collect()
    }

    /// The key's value, as it stands.
    pub(super) fn get(&self, key: &str) -> Option<Entry<'t>> {
        let (name, value) = self.table?.get_key_value(key)?;
        Some(Entry { path: self.path(key), key: name.span(), value, report: self.report })
    }

    /// The key's value where it is set and right.
    pub(super) fn optional<T>(&self, key: &str, kind: &Kind<T>) -> Option<T> {
        self.get(key)?.read(kind)
    }

    /// The key's value, or the default where it is not set.
    pub(super) fn or<T>(&self, key: &str, kind: &Kind<T>, default: T) -> T {
        self.optional(key, kind).unwrap_or(default)
    }

    /// The key's value; that it is missing is an error.
    pub(super) fn required<T>(&self, key: &'static str, kind: &Kind<T>) -> Option<T> {
        match self.get(key) {
            Some(entry) => entry.read(kind),
            None => {
                self.missing(key, kind.allowed);
                None
            }
        }
    }

    /// The right elements of an array; `None` where the key is not set.
    pub(super) fn list<T>(&self, key: &str, kind: &Kind<T>) -> Option<Vec<T>> {
        let entry = self.get(key)?;
        let Some(array) = entry.value.get_ref().as_array() else {
            let allowed = format!("an array in brackets, each element {}", kind.allowed);
            entry.refuse(Refusal::new("wrong type: an array is needed"), &allowed);
            return None;
        };
        let elements = array.iter().enumerate();
        Some(elements.filter_map(|(index, element)| entry.element(index, element).read(kind)).collect())
    }

    /// Reports a required key as missing, unless a misspelt or broken one was most likely meant to be it.
    pub(super) fn missing(&self, key: &'static str, allowed: &str) {
        self.lacking(&[key], self.path(key), "this key is required", allowed);
    }

    /// The same where one of several keys is required.
    pub(super) fn missing_any(&self, keys: &[&'static str], allowed: &str) {
        self.lacking(keys, self.prefix.trim_end_matches('.').to_owned(), "one of several keys is required", allowed);
    }

    fn lacking(&self, keys: &[&'static str], key: String, message: &str, allowed: &str) {
        if self.report.torn() || self.misspelt.borrow().iter().any(|meant| keys.contains(meant)) {
            return;
        }
        self.report.error(Complaint {
            span: self.header.clone(),
            key,
            found: "nothing".to_owned(),
            allowed: allowed.to_owned(),
            message: message.to_owned(),
        });
    }

    /// The line of its header.
    pub(super) fn line(&self) -> usize {
        self.report.line_of(self.header.start)
    }

    /// The dotted path of that key.
    fn path(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn refuse_unknown(&self, known: &[&'static str]) {
        for (key, value) in self.table.into_iter().flatten() {
            let name = key.get_ref().as_ref();
            if known.contains(&name) {
                continue;
            }
            // A secret may stand behind a misspelt key.
            hide(value, self.report);
            let message = match (keys::near_miss(name, known), keys::section_with(name)) {
                (Some(meant), _) => {
                    self.misspelt.borrow_mut().push(meant);
                    format!("unknown key; did you mean `{meant}`?")
                }
                (None, Some(section)) => format!("unknown key; it belongs to [{section}]"),
                (None, None) => "unknown key".to_owned(),
            };
            let found = format!("`{}`", name.chars().take(80).collect::<String>());
            let (span, key, allowed) = (key.span(), self.path(name), known.join(", "));
            self.report.error(Complaint { span, key, found, allowed, message });
        }
    }
}

impl<'t> Entry<'t> {
    /// The value as its kind, or a complaint.
    pub(super) fn read<T>(&self, kind: &Kind<T>) -> Option<T> {
        match (kind.parse)(self.value.get_ref()) {
            Ok(value) => Some(value),
            Err(refusal) => {
                self.refuse(refusal, kind.allowed);
                None
            }
        }
    }

    /// Reports the value as refused; it is shown unless the refusal says what to show instead.
    pub(super) fn refuse(&self, refusal: Refusal, allowed: &str) {
        let span = self.value.span();
        if refusal.instead.is_some() {
            self.hide();
        }
        let found = refusal.instead.unwrap_or_else(|| describe(self.value.get_ref()));
        let (key, allowed) = (self.path.clone(), allowed.to_owned());
        self.report.error(Complaint { span, key, found, allowed, message: refusal.message });
    }

    /// Reports the key as one that may not stand here, whatever its value.
    pub(super) fn refuse_key(&self, message: &str, allowed: &str) {
        self.report.error(Complaint {
            span: self.key.clone(),
            key: self.path.clone(),
            found: "this key".to_owned(),
            allowed: allowed.to_owned(),
            message: message.to_owned(),
        });
    }

    /// No error shows this value.
    pub(super) fn hide(&self) {
        hide(self.value, self.report);
    }

    /// An element of this array.
    fn element(&self, index: usize, value: &'t Spanned<DeValue<'t>>) -> Entry<'t> {
        Entry { path: format!("{}[{index}]", self.path), key: value.span(), value, report: self.report }
    }

    /// The value of a key of this table.
    pub(super) fn inner(&self, key: &str) -> Option<Entry<'t>> {
        let (name, value) = self.value.get_ref().as_table()?.get_key_value(key)?;
        Some(Entry { path: format!("{}.{key}", self.path), key: name.span(), value, report: self.report })
    }
}

/// Something else where a section belongs. Who mistook the form may have put a secret there.
fn no_section(entry: &Entry<'_>) -> Refusal {
    let instead = match entry.value.get_ref() {
        DeValue::Table(_) => "a single section".to_owned(),
        other => format!("a value of type {} (not shown)", other.type_str()),
    };
    Refusal::unshown("wrong type: a section is needed", instead)
}

/// Hides every plain value within that one, but none of the keys: those may have to be pointed at.
fn hide(value: &Spanned<DeValue<'_>>, report: &Report<'_>) {
    match value.get_ref() {
        DeValue::Table(table) => table.iter().for_each(|(_, inner)| hide(inner, report)),
        DeValue::Array(array) => array.iter().for_each(|inner| hide(inner, report)),
        _ => report.hide(value.span()),
    }
}
