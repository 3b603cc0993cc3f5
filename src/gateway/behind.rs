//! After an outage of Nexudus: which lists have not yet said what changed meanwhile.
//!
//! One list lets somebody in again, the next one says why not: until all have been read, nothing is opened by half of
//! it. What should be shut is shut at once, by whichever list says so. Values in, values out; reads nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::clock::Mono;
use crate::nexudus::schedule::Job;

/// The longest that opening waits for the lists: one that hangs keeps nobody out for long.
const WAITS: Duration = Duration::from_secs(60);

/// What is still to be read, and until when it is waited for.
#[derive(Clone, Debug, Default)]
pub struct Behind {
    last: Option<Mono>,
    unread: BTreeSet<Job>,
    until: Mono,
}

impl Behind {
    /// A list was read. Where none had been for longer than `outage`, all `updates` are waited for. Whether the wait
    /// ended by it.
    pub fn read(&mut self, job: Job, now: Mono, outage: Duration, updates: impl IntoIterator<Item = Job>) -> bool {
        if self.last.replace(now).is_some_and(|last| now.since(last) > outage) {
            self.unread = updates.into_iter().collect();
            self.until = now.plus(WAITS);
        }
        self.settle(job)
    }

    /// Nexudus won't show this list: it is not waited for. Whether the wait ended by it.
    pub fn refused(&mut self, job: Job) -> bool {
        self.settle(job)
    }

    fn settle(&mut self, job: Job) -> bool {
        let waited = !self.unread.is_empty();
        self.unread.retain(|other| match (job, *other) {
            (Job::Whole(entity), Job::Updated(other)) => entity != other,
            (job, other) => job != other,
        });
        waited && self.unread.is_empty()
    }

    /// Whether what opens has to wait.
    pub fn waits(&self, now: Mono) -> bool {
        !self.unread.is_empty() && now < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::snapshot::Entity;

    const LISTS: [Job; 4] =
        [Job::Updated(Entity::Bookings), Job::Updated(Entity::Customers), Job::Updated(Entity::Teams), Job::Cancelled];
    const OUTAGE: Duration = Duration::from_secs(60);

    fn at(second: u64) -> Mono {
        Mono(Duration::from_secs(second))
    }

    #[test]
    fn rule_6_after_an_outage_opening_waits_until_every_list_was_read() {
        let mut behind = Behind::default();
        assert!(!behind.read(LISTS[0], at(0), OUTAGE, LISTS) && !behind.waits(at(0)), "the first of all");
        assert!(!behind.read(LISTS[0], at(60), OUTAGE, LISTS) && !behind.waits(at(60)), "no outage");
        assert!(!behind.read(LISTS[1], at(200), OUTAGE, LISTS));
        assert!(behind.waits(at(200)));
        assert!(!behind.read(LISTS[3], at(201), OUTAGE, LISTS));
        assert!(!behind.read(Job::Whole(Entity::Contracts), at(202), OUTAGE, LISTS), "not waited for");
        assert!(!behind.refused(LISTS[2]), "of what can't be read there is nothing to wait for");
        assert!(behind.waits(at(202)));
        assert!(behind.read(Job::Whole(Entity::Bookings), at(203), OUTAGE, LISTS), "whole says more than updates");
        assert!(!behind.waits(at(203)));
    }

    #[test]
    fn rule_6_a_list_that_hangs_keeps_nobody_out_for_long() {
        let mut behind = Behind::default();
        behind.read(LISTS[0], at(0), OUTAGE, LISTS);
        behind.read(LISTS[0], at(100), OUTAGE, LISTS);
        assert!(behind.waits(at(100 + WAITS.as_secs() - 1)));
        assert!(!behind.waits(at(100 + WAITS.as_secs())));
    }
}
