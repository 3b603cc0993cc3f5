//! What stands in Kisi for a person, beside what should.

use std::collections::BTreeSet;

use super::super::reconcile::cross_checked;
use super::super::roster::Assignment;
use super::super::slot::{due_at, same_from};
use super::super::{AssignmentId, GroupId, Window};
use super::{Code, GrantShown, InKisi, Telling, when};

impl Telling<'_> {
    /// What Kisi holds for a window of that group, in its slot or in the alternate's.
    pub(super) fn held(&self, group: GroupId, window: &Window) -> Option<InKisi> {
        let row = self.row(group, window)?;
        Some(InKisi {
            assignment: row.id,
            valid_from: row.valid_from,
            valid_until: row.valid_until,
            ours: self.ours(row),
        })
    }

    fn row(&self, group: GroupId, window: &Window) -> Option<&Assignment> {
        let user = self.found.user?;
        let slots = [Some(group), self.known.rules.alternate_of(group)];
        let rows = slots.into_iter().flatten().filter_map(|group| self.known.roster.slot(user, group));
        rows.max_by_key(|row| row.window().is_some_and(|held| held.and(window).is_some()))
    }

    fn ours(&self, row: &Assignment) -> bool {
        let owned = self.known.ledger.owned.get(&row.id);
        owned.is_some_and(|owned| cross_checked(owned, row, self.known.own_user))
    }

    /// Where Kisi does not hold what it should, and where it holds what it should not.
    pub(super) fn in_kisi(&mut self, grants: &[GrantShown]) {
        for grant in grants {
            if let Some(window) = Window::new(grant.from, grant.until) {
                self.of_window(grant.group, &window);
            }
        }
        let shown: BTreeSet<AssignmentId> =
            grants.iter().filter_map(|grant| grant.in_kisi.as_ref()).map(|row| row.assignment).collect();
        let rows = self.known.roster.assignments.values().filter(|row| Some(row.user) == self.found.user);
        let linked = self.known.rules.groups();
        let rows: Vec<&Assignment> = rows
            .filter(|row| linked.contains(&row.group) && self.asked(row.group) && !shown.contains(&row.id))
            .filter(|row| row.window().is_some_and(|window| !window.ended(self.known.now)))
            .collect();
        for row in rows {
            let (id, group) = (row.id, row.group);
            let until =
                row.valid_until.map_or("without end".to_owned(), |at| format!("until {}", when(self.known.rules, at)));
            match self.ours(row) {
                true => self.tell(
                    Code::NotRemovedYet,
                    format!("Kisi still holds our assignment {id} in group {group}, {until}"),
                ),
                false => self.tell(
                    Code::ForeignRow,
                    format!("Kisi holds assignment {id} in group {group}, made by another hand, {until}"),
                ),
            }
        }
    }

    /// Why the window does not stand in Kisi as it should, if it does not.
    fn of_window(&mut self, group: GroupId, window: &Window) {
        let (now, rules) = (self.known.now, self.known.rules);
        let row = self.row(group, window).cloned();
        if let Some(row) = &row {
            if !self.ours(row) {
                let text = format!("assignment {} of another hand takes the slot in group {group}", row.id);
                self.tell(Code::SlotOfAnother, text);
                return;
            }
            if same_from(row.window(), window, now) {
                return;
            }
        }
        if let Some(due) = due_at(window, rules.prestage).filter(|due| *due > now) {
            self.tell(Code::NotDue, format!("group {group} is written to Kisi at {}", when(rules, due)));
            return;
        }
        let earlier = row.and_then(|row| row.window()).filter(|held| !held.ended(now) && held.and(window).is_none());
        if let Some(until) = earlier.and_then(|held| held.until()) {
            let text = format!("group {group} is not written ahead: slot taken until {}", when(rules, until));
            self.tell(Code::SlotTaken, text);
        } else if !window.ended(now) {
            self.tell(Code::BeingWritten, format!("group {group} is due, and not in Kisi as it should be"));
        }
    }
}
