//! Role assignments, found by holder, by scope and by end, each with its JSON kept once it has been written.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use super::records::{Assignee, Assignment, Id, Moment, Scope};

/// One role assignment and its JSON.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) assignment: Assignment,
    written: OnceCell<Box<str>>,
}

impl Row {
    /// Its JSON, written by `write` where it hasn't been yet.
    pub(super) fn written(&self, write: impl FnOnce(&Assignment) -> String) -> &str {
        self.written.get_or_init(|| write(&self.assignment).into_boxed_str())
    }
}

/// All role assignments.
#[derive(Debug, Default)]
pub(super) struct Rows {
    rows: BTreeMap<Id, Row>,
    by_assignee: BTreeSet<(Assignee, Id)>,
    by_scope: BTreeSet<(Scope, Id)>,
    by_end: BTreeSet<(Moment, Id)>,
}

impl Rows {
    pub(super) fn insert(&mut self, assignment: Assignment) {
        self.remove(assignment.id);
        let id = assignment.id;
        self.by_assignee.insert((assignment.assignee, id));
        self.by_scope.insert((assignment.scope, id));
        self.by_end.extend(assignment.valid_until.map(|until| (until, id)));
        self.rows.insert(id, Row { assignment, written: OnceCell::new() });
    }

    pub(super) fn remove(&mut self, id: Id) -> Option<Assignment> {
        let gone = self.rows.remove(&id)?.assignment;
        self.by_assignee.remove(&(gone.assignee, id));
        self.by_scope.remove(&(gone.scope, id));
        if let Some(until) = gone.valid_until {
            self.by_end.remove(&(until, id));
        }
        Some(gone)
    }

    pub(super) fn get(&self, id: Id) -> Option<&Row> {
        self.rows.get(&id)
    }

    /// All rows by id.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Row> {
        self.rows.values()
    }

    /// The rows that this one holds itself, by id.
    pub(super) fn of(&self, assignee: Assignee) -> impl DoubleEndedIterator<Item = &Row> {
        self.by_assignee.range((assignee, 0)..=(assignee, Id::MAX)).filter_map(|(_, id)| self.rows.get(id))
    }

    /// The rows of this scope, by id.
    pub(super) fn within(&self, scope: Scope) -> impl DoubleEndedIterator<Item = &Row> {
        self.by_scope.range((scope, 0)..=(scope, Id::MAX)).filter_map(|(_, id)| self.rows.get(id))
    }

    /// The one row that this one holds in this scope.
    pub(super) fn find(&self, assignee: Assignee, scope: Scope) -> Option<&Assignment> {
        self.of(assignee).map(|row| &row.assignment).find(|a| a.scope == scope)
    }

    /// The rows whose `valid_until` is at or before that moment.
    pub(super) fn ended(&self, by: Moment) -> Vec<Id> {
        self.by_end.range(..=(by, Id::MAX)).map(|(_, id)| *id).collect()
    }

    pub(super) fn forget_written(&mut self) {
        self.rows.values_mut().for_each(|row| row.written = OnceCell::new());
    }

    /// A name that these rows show has changed.
    pub(super) fn forget_written_of(&mut self, assignee: Assignee) {
        let ids: Vec<_> = self.of(assignee).map(|row| row.assignment.id).collect();
        self.forget(&ids);
    }

    /// A name that these rows show has changed.
    pub(super) fn forget_written_within(&mut self, scope: Scope) {
        let ids: Vec<_> = self.within(scope).map(|row| row.assignment.id).collect();
        self.forget(&ids);
    }

    fn forget(&mut self, ids: &[Id]) {
        for id in ids {
            if let Some(row) = self.rows.get_mut(id) {
                row.written = OnceCell::new();
            }
        }
    }
}
