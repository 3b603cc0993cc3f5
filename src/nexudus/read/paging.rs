//! One list, whole: page after page, with proof that nothing slipped between two of them.
//!
//! Paging is by offset, so a row deleted before the offset moves the next ones up and one of them is never shown
//! (Nexudus API notes, 2.2). `TotalItems` does not betray it where another row was added meanwhile. So each page is one
//! row shorter than the one before: page `p` of size `s − (p − 1)` begins before page `p − 1` ended, and the rows that
//! both show must be the same. A shift of the offset shows there, whatever the order of the rows, as long as it stays
//! the same during the reading. What stands behind the offset has not been read yet, so it can't have been missed.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::value::RawValue;

use super::{List, Stamped};
use crate::domain::Timestamp;
use crate::domain::snapshot::Aside;
use crate::nexudus::client::{Ask, NexudusClient, Right};
use crate::nexudus::error::NexudusError;
use crate::nexudus::wire::{Head, Page, read_page};

/// Rows of a page; more is never asked for (Nexudus API notes, 8, row 16).
const PAGE: usize = 1_000;
/// How often a list that moved while it was read is read again at once.
const ATTEMPTS: usize = 3;
/// The longest list that is read.
const MAX_ROWS: usize = 200_000;
/// How long to wait before a page that failed is asked for once more, and the longest that Nexudus may ask for.
const PAGE_AGAIN: Duration = Duration::from_secs(2);
const PAGE_AGAIN_MAX: Duration = Duration::from_secs(30);

/// What became of one row.
pub(super) enum Sifted<T> {
    /// It plays a part.
    Kept(T),
    /// It is well, but no link reaches it.
    Passed(T),
    /// It can't be used.
    Aside(Aside),
}

/// Looks at the rows of one attempt, each once, and may count what it sees.
pub(super) trait Sift: Send {
    /// What is made of a row.
    type Row: Send;
    fn sift(&mut self, row: &RawValue) -> Sifted<Self::Row>;
}

/// A sieve that counts nothing.
pub(super) struct Each<F>(pub(super) F);

impl<T: Send, F: Fn(&RawValue) -> Sifted<T> + Send> Sift for Each<F> {
    type Row = T;
    fn sift(&mut self, row: &RawValue) -> Sifted<T> {
        (self.0)(row)
    }
}

/// What a list brought.
pub(super) struct Pile<T> {
    pub(super) rows: Vec<T>,
    pub(super) aside: Vec<Aside>,
    /// The first row that was passed over: it stands for the list where nothing was kept, since a list that is not
    /// empty must not look as if it were (rules 6).
    pub(super) witness: Option<T>,
    /// The latest stamp that is not after the reading began.
    pub(super) newest: Option<Timestamp>,
    /// The latest and the earliest stamp of all.
    pub(super) latest: Option<Timestamp>,
    pub(super) oldest: Option<Timestamp>,
    /// How many rows the list has.
    pub(super) table_rows: usize,
    /// Why it is not complete, where it is not.
    pub(super) incomplete: Option<String>,
    pub(super) calls: u32,
}

impl<T> Pile<T> {
    pub(super) fn empty() -> Pile<T> {
        Pile {
            rows: Vec::new(),
            aside: Vec::new(),
            witness: None,
            newest: None,
            latest: None,
            oldest: None,
            table_rows: 0,
            incomplete: None,
            calls: 0,
        }
    }

    fn add(&mut self, sifted: Sifted<T>) {
        match sifted {
            Sifted::Kept(row) => self.rows.push(row),
            Sifted::Passed(row) => drop(self.witness.get_or_insert(row)),
            Sifted::Aside(aside) => self.aside.push(aside),
        }
    }

    fn stamp(&mut self, at: Option<Timestamp>, began: Timestamp) {
        let Some(at) = at else { return };
        self.oldest = Some(self.oldest.map_or(at, |oldest| oldest.min(at)));
        self.latest = self.latest.max(Some(at));
        if at <= began {
            self.newest = self.newest.max(Some(at));
        }
    }
}

/// Reads the list with a sieve that is made anew for each attempt, and hands back the last one's.
/// A list that moved each time is returned as incomplete; a page that failed fails the reading.
pub(super) async fn read_all<S: Sift>(
    client: &NexudusClient,
    list: &List,
    began: Timestamp,
    sieve: impl Fn() -> S + Send,
) -> Result<(Pile<S::Row>, S), NexudusError> {
    let mut calls = 0;
    let mut attempts = 0;
    loop {
        attempts += 1;
        let mut sift = sieve();
        let mut pile = attempt(client, list, began, &mut sift).await?;
        calls += pile.calls;
        if pile.incomplete.is_none() || attempts == ATTEMPTS {
            pile.calls = calls;
            return Ok((pile, sift));
        }
    }
}

async fn attempt<S: Sift>(
    client: &NexudusClient,
    list: &List,
    began: Timestamp,
    sift: &mut S,
) -> Result<Pile<S::Row>, NexudusError> {
    let mut pile = Pile::empty();
    let mut course = Course::new();
    loop {
        let (number, size) = course.next_page();
        let ask = list.page(number, size);
        let body = page_body(client, &ask, &mut pile.calls).await?;
        let mut heads = Vec::new();
        let overlap = course.overlap();
        let read = read_page(&body, &mut |row| {
            let head = Head::of(row);
            // Rows of the overlap have been sifted with the page before.
            if heads.len() >= overlap {
                pile.stamp(list.stamped.of(&head), began);
                pile.add(sift.sift(row));
            }
            heads.push(head.id);
        });
        let page = read.map_err(|bad| list.broken(number, bad.to_string()))?;
        if let (Some(oldest), Some(due)) = (pile.oldest, list.not_before)
            && oldest < due
        {
            // An unknown filter is ignored and the whole table comes (trap 7): page after page for nothing.
            let why = format!("rows older than was asked for came ({oldest}): Nexudus ignores the filter");
            return Err(list.broken(number, why));
        }
        match course.turn(&page, &heads) {
            Turn::Next => {}
            Turn::End(incomplete) => {
                pile.incomplete = incomplete;
                pile.table_rows = course.total.unwrap_or(course.ids.len());
                return Ok(pile);
            }
            Turn::TooLong(total) => {
                let why = format!("the list has {total} rows, more than the {MAX_ROWS} that are read");
                return Err(list.broken(number, why));
            }
        }
    }
}

/// A page; one that fails in the middle of a list is asked for once more, or a long list might never come to its end.
async fn page_body(client: &NexudusClient, ask: &Ask, calls: &mut u32) -> Result<bytes::Bytes, NexudusError> {
    *calls += 1;
    let first = client.list(ask).await;
    match first {
        Err(error @ NexudusError::Passing { .. }) if ask_number(ask) > 1 && !error.is_no_answer() => {
            let pause = error.retry_after().unwrap_or(PAGE_AGAIN);
            if pause > PAGE_AGAIN_MAX {
                return Err(error);
            }
            client.clock().sleep(pause).await;
            *calls += 1;
            client.list(ask).await
        }
        other => other,
    }
}

fn ask_number(ask: &Ask) -> usize {
    ask.query.iter().find(|(key, _)| key == "page").and_then(|(_, number)| number.parse().ok()).unwrap_or(1)
}

impl List {
    /// One page of it. The order is asked for and never relied on: `dir` is documented in three ways
    /// (Nexudus API notes, 2.2).
    fn page(&self, number: usize, size: usize) -> Ask {
        let mut query = vec![
            ("page".to_owned(), number.to_string()),
            ("size".to_owned(), size.to_string()),
            ("orderBy".to_owned(), "Id".to_owned()),
            ("dir".to_owned(), "Ascending".to_owned()),
        ];
        query.extend(self.filters.iter().cloned());
        Ask { path: self.path.to_owned(), query, entity: self.entity, right: Right::List }
    }

    pub(super) fn broken(&self, page: usize, why: String) -> NexudusError {
        NexudusError::Broken { asked: format!("GET {} (page {page})", self.path), why }
    }
}

impl Stamped {
    fn of(self, head: &Head) -> Option<Timestamp> {
        match self {
            Stamped::Updated => head.updated_on,
            Stamped::Cancelled => head.cancelled_on,
        }
    }
}

/// The way through the pages, and whether they fit together: no I/O.
struct Course {
    /// The size of the first page: what was asked for, or what Nexudus gives at most.
    base: usize,
    page: usize,
    total: Option<usize>,
    /// The ids in the order in which they stand in the list.
    ids: Vec<Option<u64>>,
}

enum Turn {
    Next,
    End(Option<String>),
    TooLong(usize),
}

impl Course {
    fn new() -> Course {
        Course { base: PAGE, page: 1, total: None, ids: Vec::new() }
    }

    /// Whether pages can shrink by one each and still reach the end: `p` pages hold `p · (base + 1 − p)` rows.
    fn shrinks(&self) -> bool {
        let half = self.base.div_ceil(2);
        self.total.unwrap_or(0) <= half * (self.base + 1 - half)
    }

    fn next_page(&self) -> (usize, usize) {
        let size = if self.shrinks() { self.base + 1 - self.page } else { self.base };
        (self.page, size)
    }

    /// How many rows of the next page have been seen already.
    fn overlap(&self) -> usize {
        let (page, size) = self.next_page();
        self.ids.len().saturating_sub((page - 1) * size)
    }

    fn turn(&mut self, page: &Page, heads: &[Option<u64>]) -> Turn {
        let Some(total) = page.total.and_then(|total| usize::try_from(total).ok()) else {
            return Turn::End(Some("the answer has no TotalItems".to_owned()));
        };
        if total > MAX_ROWS {
            return Turn::TooLong(total);
        }
        if *self.total.get_or_insert(total) != total {
            return self.moved("TotalItems changed between two pages");
        }
        let overlap = self.overlap();
        let seen = &self.ids[self.ids.len() - overlap..];
        if !heads.starts_with(seen) {
            return self.moved("rows moved between two pages");
        }
        self.ids.extend_from_slice(&heads[overlap..]);
        if self.ids.len() > total {
            return self.moved("more rows came than TotalItems says");
        }
        if self.ids.len() == total {
            return Turn::End(self.repeats().then(|| "an id came twice".to_owned()));
        }
        if heads.len() == overlap {
            return self.moved("a page came without rows before the end of the list");
        }
        if self.page == 1 {
            self.base = heads.len();
        } else if heads.len() < self.next_page().1 {
            return self.moved("a page came short before the end of the list");
        }
        self.page += 1;
        Turn::Next
    }

    fn moved(&self, how: &str) -> Turn {
        Turn::End(Some(format!("the list moved while it was read: {how} (page {})", self.page)))
    }

    /// Rows without a readable id are not told apart here: whoever keeps the list refuses it because of them.
    fn repeats(&self) -> bool {
        let named = self.ids.iter().flatten().count();
        self.ids.iter().flatten().collect::<BTreeSet<_>>().len() != named
    }
}
