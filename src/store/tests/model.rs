//! Random batches against a plain map: what is read back is what was acknowledged, over any number of reopenings.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::backend::Disk;
use super::*;
use crate::domain::ledger::Ledger;
use crate::domain::snapshot::{Entity, Shelf};

#[derive(Clone, Debug)]
enum Step {
    Own(u64, i64),
    Disown(u64),
    Account(u64, bool),
    DropAccount(u64),
    Intend(u64),
    Settle(u64),
    PatchIgnored(bool),
    Bookings(Vec<(u64, i64)>, bool),
    Forget(u64),
    Roster(u64),
    Events(Vec<(u64, i64, Option<u64>)>),
    Published(Vec<u64>),
    Prune(i64, i64),
    Guard(String),
}

fn step() -> impl Strategy<Value = Step> {
    use proptest::collection::vec;
    use proptest::option;
    let (id, second) = (0_u64..6, 0_i64..20);
    prop_oneof![
        (id.clone(), second.clone()).prop_map(|(id, until)| Step::Own(id, until)),
        id.clone().prop_map(Step::Disown),
        (id.clone(), any::<bool>()).prop_map(|(id, managed)| Step::Account(id, managed)),
        id.clone().prop_map(Step::DropAccount),
        id.clone().prop_map(Step::Intend),
        id.clone().prop_map(Step::Settle),
        any::<bool>().prop_map(Step::PatchIgnored),
        (vec((id.clone(), second.clone()), 0..5), any::<bool>()).prop_map(|(rows, whole)| Step::Bookings(rows, whole)),
        id.clone().prop_map(Step::Forget),
        (0_u64..4).prop_map(Step::Roster),
        vec((0_u64..30, second.clone(), option::of(0_u64..3)), 0..6).prop_map(Step::Events),
        vec(0_u64..20, 0..5).prop_map(Step::Published),
        (second.clone(), second).prop_map(|(events, seen)| Step::Prune(events, seen)),
        "[a-zé\"]{0,5}".prop_map(Step::Guard),
    ]
}

#[derive(Default)]
struct Model {
    ledger: Ledger,
    bookings: Shelf<Booking>,
    roster: Roster,
    events: BTreeMap<u64, Event>,
    outbox: BTreeSet<u64>,
    seen: BTreeMap<String, Timestamp>,
    doors: BTreeMap<LockId, Timestamp>,
    last_number: u64,
    guard: Option<String>,
    readings: i64,
}

impl Model {
    fn take(&mut self, step: Step, batch: &mut Batch) {
        match step {
            Step::Own(id, until) => {
                batch.own(&owned(id, until));
                self.ledger.owned.insert(AssignmentId(id), owned(id, until));
            }
            Step::Disown(id) => {
                batch.disown(AssignmentId(id));
                self.ledger.owned.remove(&AssignmentId(id));
            }
            Step::Account(id, managed) => {
                batch.account(&account(id, managed));
                self.ledger.accounts.insert(UserId(id), account(id, managed));
            }
            Step::DropAccount(id) => {
                batch.drop_account(UserId(id));
                self.ledger.accounts.remove(&UserId(id));
            }
            Step::Intend(id) => {
                batch.intend(&intent(id));
                self.ledger.intents.insert(id, intent(id));
            }
            Step::Settle(id) => {
                batch.settle(id);
                self.ledger.intents.remove(&id);
            }
            Step::PatchIgnored(ignored) => {
                batch.patch_ignored(ignored);
                self.ledger.patch_ignored = ignored;
            }
            Step::Bookings(rows, complete) => {
                self.readings += 1;
                let rows: BTreeMap<u64, i64> = rows.into_iter().collect();
                let rows = rows.into_iter().map(|(id, from)| booking(id, from)).collect();
                let mut listing = whole(rows, self.readings);
                listing.whole = listing.whole.filter(|_| complete);
                let absorbed = self.bookings.absorb(listing);
                batch.shelf(Entity::Bookings, &self.bookings, &absorbed);
            }
            Step::Forget(id) => {
                batch.forget(Entity::Bookings, [BookingId(id)]);
                self.bookings.remove(BookingId(id));
            }
            Step::Roster(people) => {
                self.roster = roster(people, self.readings);
                batch.roster(&self.roster);
            }
            Step::Events(events) => {
                let events: Vec<Event> = events.into_iter().map(|(name, time, door)| event(name, time, door)).collect();
                batch.events(events.clone(), at(0));
                for event in events {
                    self.event(event);
                }
            }
            Step::Published(numbers) => {
                batch.published(&numbers);
                self.outbox.retain(|number| !numbers.contains(number));
            }
            Step::Prune(events, seen) => {
                batch.prune(at(events), at(seen));
                self.events.retain(|number, event| self.outbox.contains(number) || event.time >= at(events));
                self.seen.retain(|_, time| *time >= at(seen));
            }
            Step::Guard(memory) => {
                batch.value(Key::Guard, &memory);
                self.guard = Some(memory);
            }
        }
    }

    fn event(&mut self, event: Event) {
        if self.seen.contains_key(&event.uuid) {
            return;
        }
        self.seen.insert(event.uuid.clone(), event.time);
        if let Some(door) = &event.door {
            let last = self.doors.entry(door.id).or_insert(event.time);
            *last = event.time.max(*last);
        }
        self.last_number += 1;
        self.outbox.insert(self.last_number);
        self.events.insert(self.last_number, event);
    }

    fn compare(&self, store: &Store) -> Result<(), TestCaseError> {
        prop_assert_eq!(&store.load_ledger().unwrap(), &self.ledger);
        prop_assert_eq!(&store.load_snapshot().unwrap().bookings, &self.bookings);
        prop_assert_eq!(&store.load_roster().unwrap(), &self.roster);
        let all = EventQuery { after: Some(0), limit: 1000, ..EventQuery::default() };
        prop_assert_eq!(&store.events(&all).unwrap(), &self.events.clone().into_iter().collect::<Vec<_>>());
        let outbox: BTreeSet<u64> = store.outbox(0, 1000).unwrap().into_iter().map(|(number, _)| number).collect();
        prop_assert_eq!(&outbox, &self.outbox);
        prop_assert_eq!(store.seen_all().unwrap(), self.seen.keys().cloned().collect::<BTreeSet<_>>());
        prop_assert_eq!(&store.door_times().unwrap(), &self.doors);
        prop_assert_eq!(&store.value::<String>(Key::Guard).unwrap(), &self.guard);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn promise_7_a_reopened_store_is_what_was_acknowledged(
        batches in proptest::collection::vec((proptest::collection::vec(step(), 0..6), any::<bool>()), 1..14)
    ) {
        let (cache, ledger) = (Disk::default(), Disk::default());
        let open = || Store::on_backends(cache.clone(), ledger.clone()).unwrap();
        let mut store = open().0;
        let mut model = Model::default();
        for (steps, reopen) in batches {
            let mut batch = Batch::new();
            steps.into_iter().for_each(|step| model.take(step, &mut batch));
            block(store.commit(batch)).unwrap();
            if reopen {
                drop(store);
                let (again, opened) = open();
                prop_assert_eq!(&opened.ledger, &Opening::Kept);
                prop_assert!(opened.aside.is_empty());
                store = again;
                model.compare(&store)?;
            }
        }
        drop(store);
        model.compare(&open().0)?;
    }
}
