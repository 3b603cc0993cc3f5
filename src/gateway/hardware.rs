//! Doors, controllers and readers: Kisi tells no change of theirs, so they are asked for at their own pace.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::engine::{Cloud, Engine};
use super::events::fault_of;
use crate::domain::LockId;
use crate::kisi::state::Hardware;
use crate::net::pace::Class;
use crate::report::DoorState;

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
    let mut state = engine.state();
    let last: BTreeMap<LockId, _> = state.retained.doors.iter().map(|(id, door)| (*id, door.last_event)).collect();
    let doors = hardware.locks.values().map(|lock| {
        let door = DoorState {
            id: lock.id,
            name: lock.name.clone(),
            online: lock.online,
            unlocked: lock.unlocked,
            open: lock.open,
            locked_down: lock.locked_down,
            last_event: last.get(&lock.id).copied().flatten(),
        };
        (lock.id, door)
    });
    state.retained.doors = doors.collect();
    state.doors_of_readers = hardware.doors_of_readers();
    state.retained.controllers = hardware.controllers;
    state.retained.readers = hardware.readers;
    drop(state);
    engine.told.notify_one();
}
