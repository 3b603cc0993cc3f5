//! One stretch of a gateway's life in batches, and what a store holds, in one value.

use super::*;
use crate::domain::ledger::Ledger;
use crate::domain::snapshot::{Entity, Shelf, Snapshot};
use crate::simulate::{Disk, Medium};

/// A commit to a store on backends: it waits for nobody.
pub(super) fn now<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(done) => done,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

/// The batches, in order. Each may be committed twice and comes to the same. `bulk`: how many rows the largest has.
pub(super) fn workload(bulk: u64) -> Vec<Batch> {
    let mut shelf = Shelf::default();
    let mut bookings = |batch: &mut Batch, rows: Vec<Booking>, began: i64| {
        let absorbed = shelf.absorb(whole(rows, began));
        batch.shelf(Entity::Bookings, &shelf, &absorbed);
    };
    let mut batches = Vec::new();
    let mut add = |fill: &mut dyn FnMut(&mut Batch)| {
        let mut batch = Batch::new();
        fill(&mut batch);
        batches.push(batch);
    };
    add(&mut |batch| {
        batch.value(Key::Rereads, &"began");
        batch.value(Key::Watermark, &at(0));
    });
    add(&mut |batch| batch.roster(&roster(40, 0)));
    add(&mut |batch| bookings(batch, (1..20).map(|id| booking(id, 10)).collect(), 1));
    for id in 1..=3 {
        add(&mut |batch| batch.intend(&intent(id)));
        add(&mut |batch| {
            batch.own(&owned(id, 50));
            batch.account(&account(id, true));
            batch.settle(id);
            batch.value_along(Key::Guard, &id);
            batch.value_along(Key::TrustedTime, &at(id as i64));
        });
    }
    add(&mut |batch| batch.events((1..=5).map(|n| event(n, n as i64, Some(n % 2))).collect(), at(5)));
    add(&mut |batch| batch.published(&[1, 2]));
    add(&mut |batch| batch.events(Vec::new(), at(6)));
    add(&mut |batch| {
        batch.value(Key::Paused, &true);
        batch.value(Key::KnownCommands, &vec!["a".to_owned()]);
    });
    // Enough to make the file grow.
    add(&mut |batch| {
        (100..100 + bulk).for_each(|id| batch.own(&owned(id, 60)));
        batch.events((4..80).map(|n| event(n, n as i64, Some(3))).collect(), at(80));
    });
    add(&mut |batch| batch.roster(&roster(bulk / 2, 9)));
    add(&mut |batch| {
        bookings(batch, (5..30).map(|id| booking(id, 20)).collect(), 90);
        batch.forget(Entity::Bookings, [BookingId(7)]);
        batch.published(&(3..=70).collect::<Vec<_>>());
    });
    add(&mut |batch| batch.value_along(Key::TrustedTime, &at(100)));
    add(&mut |batch| batch.intend(&intent(9)));
    add(&mut |batch| {
        (100..100 + bulk).for_each(|id| batch.disown(AssignmentId(id)));
        batch.drop_account(UserId(2));
        batch.settle(9);
    });
    add(&mut |batch| batch.prune(at(60), at(20)));
    add(&mut |batch| batch.events((70..90).map(|n| event(n, n as i64, None)).collect(), at(90)));
    add(&mut |batch| batch.published(&(71..=80).collect::<Vec<_>>()));
    add(&mut |batch| batch.value(Key::Paused, &false));
    add(&mut |batch| batch.roster(&roster(10, 99)));
    batches
}

/// What the cache holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cached {
    snapshot: Snapshot,
    roster: Roster,
}

/// What the ledger holds, but for what only goes along.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kept {
    ledger: Ledger,
    events: Vec<(u64, Event)>,
    outbox: Vec<(u64, Event)>,
    seen: std::collections::BTreeSet<String>,
    doors: BTreeMap<LockId, Timestamp>,
    paused: Option<bool>,
    commands: Option<Vec<String>>,
    rereads: Option<String>,
}

/// All that a store holds, and the values that go along.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Held {
    pub(super) cached: Cached,
    pub(super) kept: Kept,
    pub(super) watermark: Option<Timestamp>,
    pub(super) trusted: Option<Timestamp>,
}

pub(super) fn held(store: &Store) -> Held {
    let all = EventQuery { after: Some(0), limit: 10_000, ..EventQuery::default() };
    let mut roster = store.load_roster().unwrap();
    // When it was read goes along.
    roster.read_at = None;
    let mut snapshot = store.load_snapshot().unwrap();
    // So does the time of the last complete reading.
    let rows = snapshot.bookings.iter().map(|row| snapshot.bookings.held(row.id).unwrap().clone());
    let first = snapshot.bookings.whole().map(|(first, _)| (first, first));
    snapshot.bookings = Shelf::restore(rows.collect::<Vec<_>>(), first, snapshot.bookings.ever_filled());
    Held {
        cached: Cached { snapshot, roster },
        kept: Kept {
            ledger: store.load_ledger().unwrap(),
            events: store.events(&all).unwrap(),
            outbox: store.outbox(0, 10_000).unwrap(),
            seen: store.seen_all().unwrap(),
            doors: store.door_times().unwrap(),
            paused: store.value(Key::Paused).unwrap(),
            commands: store.value(Key::KnownCommands).unwrap(),
            rereads: store.value(Key::Rereads).unwrap(),
        },
        watermark: store.value(Key::Watermark).unwrap(),
        trusted: store.value(Key::TrustedTime).unwrap(),
    }
}

/// A box's two disks.
#[derive(Clone)]
pub(super) struct Disks {
    pub(super) medium: Medium,
    pub(super) cache: Disk,
    pub(super) ledger: Disk,
}

impl Disks {
    pub(super) fn holding((cache, ledger): (Vec<u8>, Vec<u8>)) -> Disks {
        let medium = Medium::new();
        Disks { cache: Disk::holding(cache, &medium), ledger: Disk::holding(ledger, &medium), medium }
    }

    pub(super) fn new() -> Disks {
        Disks::holding((Vec::new(), Vec::new()))
    }

    /// What a reader sees of both.
    pub(super) fn copy(&self) -> Disks {
        Disks::holding((self.cache.bytes().unwrap(), self.ledger.bytes().unwrap()))
    }

    /// Both as a power cut leaves them.
    pub(super) fn cut(&self, rng: &mut fastrand::Rng) -> Disks {
        Disks::holding((self.cache.cut(rng), self.ledger.cut(rng)))
    }

    pub(super) fn open(&self) -> Result<(Store, Opened), StoreError> {
        Store::on_backends(self.cache.clone(), self.ledger.clone())
    }
}

/// What is held before the first batch and after each.
pub(super) fn states(batches: &[Batch]) -> Vec<Held> {
    let disks = Disks::new();
    let (store, _) = disks.open().unwrap();
    let mut states = vec![held(&disks.copy().open().unwrap().0)];
    for batch in batches {
        now(store.commit(batch.clone())).unwrap();
        states.push(held(&disks.copy().open().unwrap().0));
    }
    states
}

/// A disk that somebody looks at between its steps.
pub(super) struct Watched {
    disk: Disk,
    look: std::sync::Arc<dyn Fn() + Send + Sync>,
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.disk.fmt(f)
    }
}

impl Disks {
    /// Opens a store on both, and looks before and after each sync, and after each write.
    pub(super) fn open_watched(&self, look: impl Fn() + Send + Sync + 'static) -> Result<(Store, Opened), StoreError> {
        // A panic within the database would be taken for one of its own.
        let look = std::sync::Arc::new(move || {
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(&look)).is_err() {
                std::process::abort();
            }
        });
        let watch = |disk: &Disk| Watched { disk: disk.clone(), look: look.clone() };
        Store::on_backends(watch(&self.cache), watch(&self.ledger))
    }
}

impl StorageBackend for Watched {
    fn len(&self) -> std::io::Result<u64> {
        self.disk.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.disk.read(offset, out)
    }
    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.disk.set_len(len)?;
        (self.look)();
        Ok(())
    }
    fn sync_data(&self) -> std::io::Result<()> {
        (self.look)();
        self.disk.sync_data()?;
        (self.look)();
        Ok(())
    }
    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.disk.write(offset, data)?;
        (self.look)();
        Ok(())
    }
}
