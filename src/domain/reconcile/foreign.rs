//! Rows in linked groups that are not ours: reported, or with a key that nobody else uses, taken as ours.

use super::super::plan::{Action, Drift, PersonRef};
use super::super::roster::Assignment;
use super::super::{Reason, Window};
use super::Planner;

impl Planner<'_> {
    pub(super) fn foreign(&mut self) {
        for row in self.slots.values().copied().collect::<Vec<_>>() {
            if !self.groups.contains(&row.group) || self.ours(row).is_some() {
                continue;
            }
            let in_the_way = self.in_the_way.contains(&row.id);
            let by_us = row.created_by.is_some() && row.created_by == self.known.own_user;
            let (user, group, created_by) = (row.user, row.group, row.created_by);
            if self.known.ledger.owned.contains_key(&row.id) {
                self.plan.drift.push(Drift::OtherMaker { row: row.id, user, group, created_by });
            } else if by_us && self.known.rules.key_is_ours_alone && !self.of_another_site(row) {
                self.take_back(row);
            } else if by_us {
                self.plan.drift.push(Drift::Candidate { row: row.id, user, group });
            } else {
                self.plan.drift.push(Drift::ForeignRow { row: row.id, user, group, created_by, in_the_way });
            }
        }
    }

    /// A row of our key that the ledger has lost.
    fn take_back(&mut self, row: &Assignment) {
        let person = self.persons.get(&row.user).copied();
        let merged = person.and_then(|person| person.windows.get(&self.main_group(row.group))).into_iter().flatten();
        let reason = merged.into_iter().find(|merged| !merged.window.ended(self.known.now));
        let reason = reason.map_or(Reason::Policy, |merged| merged.reason(self.known.now));
        let customer = person.and_then(|person| person.customers.first().copied());
        let who = PersonRef { customer, ..self.user_ref(row.user) };
        let action = Action::Adopted { group: Some(row.group), row: Some(row.id) };
        self.change(action, who, reason, Window::ALWAYS);
    }

    /// Whether another site's Gatehouse made the row's holder: then the key is not ours alone, whatever is configured.
    fn of_another_site(&self, row: &Assignment) -> bool {
        let user = self.known.roster.users.get(&row.user);
        user.and_then(|user| user.marked_site()).is_some_and(|site| site != self.known.rules.site)
    }
}
