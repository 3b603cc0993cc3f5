//! Doors, controllers and readers: Kisi tells no change of theirs, so they are asked for at their own pace.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::engine::{Cloud, Engine};
use super::events::fault_of;
use crate::domain::event::Door;
use crate::domain::{ControllerId, LockId, ReaderId};
use crate::kisi::state::Hardware;
use crate::net::pace::Class;
use crate::report::{DoorState, Retained};

/// The kind of call that connections and errors name.
const CALL: &str = "state of doors";

/// Reads them until `stop`.
pub async fn run(engine: Arc<Engine>, stop: CancellationToken) {
    loop {
        engine.beat("state");
        let round = async {
            read(&engine, Class::State).await;
            engine.rest("state", engine.settings.hardware).await;
        };
        if stop.run_until_cancelled(round).await.is_none() {
            return;
        }
    }
}

/// Reads them once, in that class's turn.
pub async fn read(engine: &Engine, class: Class) {
    match engine.kisi.read_hardware(class).await {
        Ok(hardware) => {
            engine.succeeded(Cloud::Kisi, CALL);
            take(engine, hardware);
        }
        Err(error) => engine.failed(Cloud::Kisi, CALL, fault_of(&error), error.to_string()),
    }
}

fn take(engine: &Engine, hardware: Hardware) {
    let mut guarded = engine.state();
    let state = &mut *guarded;
    learn(&mut state.retained, &mut state.doors_of_readers, &mut state.hardware_seen, hardware);
    drop(guarded);
    engine.told.notify_one();
}

/// What the last reading showed that came whole: a thing is gone once a second such reading lacks it too.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    doors: BTreeSet<LockId>,
    controllers: BTreeSet<ControllerId>,
    readers: BTreeSet<ReaderId>,
}

/// Takes a reading in. What is missing in it stays as it was last known, until the one before, and this one, came whole
/// without it.
fn learn(
    told: &mut Retained,
    doors_of_readers: &mut BTreeMap<ReaderId, Door>,
    seen: &mut Option<Seen>,
    hardware: Hardware,
) {
    let before = seen.clone().unwrap_or_default();
    let sure = seen.is_some() && !hardware.short;
    if !hardware.short {
        *seen = Some(Seen {
            doors: hardware.locks.keys().copied().collect(),
            controllers: hardware.controllers.keys().copied().collect(),
            readers: hardware.readers.keys().copied().collect(),
        });
    }
    let doors_now = hardware.doors_of_readers();
    let doors = hardware.locks.into_values().map(|lock| {
        let last_event = told.doors.get(&lock.id).and_then(|door| door.last_event);
        let door = DoorState {
            id: lock.id,
            name: lock.name,
            online: lock.online,
            unlocked: lock.unlocked,
            open: lock.open,
            locked_down: lock.locked_down,
            last_event,
        };
        (lock.id, door)
    });
    let doors = doors.collect();
    merge(&mut told.doors, doors, |id| sure && !before.doors.contains(id));
    merge(&mut told.controllers, hardware.controllers, |id| sure && !before.controllers.contains(id));
    merge(&mut told.readers, hardware.readers, |id| sure && !before.readers.contains(id));
    merge(doors_of_readers, doors_now, |id| sure && !before.readers.contains(id));
    told.whole |= sure;
}

/// Takes in what is there now. What is missing stays as it was last known, until it is `gone`.
fn merge<I: Ord, T>(told: &mut BTreeMap<I, T>, now: BTreeMap<I, T>, gone: impl Fn(&I) -> bool) {
    told.retain(|id, _| now.contains_key(id) || !gone(id));
    told.extend(now);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::hardware::Lock;

    fn reading(doors: &[u64], short: bool) -> Hardware {
        let lock = |id: &u64| Lock {
            id: LockId(*id),
            name: format!("Door {id}"),
            online: None,
            unlocked: None,
            open: None,
            locked_down: None,
        };
        Hardware { locks: doors.iter().map(|id| (LockId(*id), lock(id))).collect(), short, ..Hardware::default() }
    }

    #[test]
    fn a_door_is_gone_once_two_whole_readings_in_a_row_lack_it() {
        let (mut told, mut readers, mut seen) = (Retained::default(), BTreeMap::new(), None);
        let mut after = |doors: &[u64], short| {
            learn(&mut told, &mut readers, &mut seen, reading(doors, short));
            (told.doors.keys().map(|id| id.0).collect::<Vec<_>>(), told.whole)
        };
        assert_eq!(after(&[1, 2], true), (vec![1, 2], false));
        assert_eq!(
            after(&[1, 2], false),
            (vec![1, 2], false),
            "one reading says little of what else lies at the broker"
        );
        assert_eq!(after(&[1], true), (vec![1, 2], false), "it came short");
        assert_eq!(after(&[1], false), (vec![1, 2], true), "the first that lacks it");
        assert_eq!(after(&[], true), (vec![1, 2], true));
        assert_eq!(after(&[1, 3], false), (vec![1, 3], true));
        assert_eq!(after(&[], false), (vec![1, 3], true));
        assert_eq!(after(&[1], false), (vec![1], true), "a reading may lack one that the next has");
    }
}
