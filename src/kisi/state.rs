//! Doors, controllers and readers as they are now. Kisi has no event for one that goes offline: only asking tells
//! (Kisi API notes, 3.7).

use std::collections::BTreeMap;

use super::client::KisiClient;
use super::error::KisiError;
use super::roster::ROWS;
use super::wire::Row;
use super::wire::hardware::{ControllerRow, LockRow, ReaderRow};
use crate::domain::event::Door;
use crate::domain::hardware::{Controller, Lock, Reader};
use crate::domain::snapshot::Aside;
use crate::domain::{ControllerId, LockId, ReaderId};
use crate::net::pace::Class;

/// What one reading of the hardware brought. A thing that is missing here may have been skipped by the paging.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hardware {
    /// Locks, by id.
    pub locks: BTreeMap<LockId, Lock>,
    /// Controllers, by id.
    pub controllers: BTreeMap<ControllerId, Controller>,
    /// Readers, by id.
    pub readers: BTreeMap<ReaderId, Reader>,
    /// Rows that could not be used.
    pub aside: Vec<Aside>,
    /// Whether some list came short: what is missing here may be there.
    pub short: bool,
}

impl Hardware {
    /// The door of each reader that has one: an event whose object is a reader goes to its lock (contract 3).
    pub fn doors_of_readers(&self) -> BTreeMap<ReaderId, Door> {
        let door = |reader: &Reader| {
            let id = reader.door?;
            let name = self.locks.get(&id).map_or_else(|| format!("door {id}"), |lock| lock.name.clone());
            Some((reader.id, Door { id, name }))
        };
        self.readers.values().filter_map(door).collect()
    }
}

impl KisiClient {
    /// Reads locks, controllers and readers, of the configured place or of the whole organization.
    pub async fn read_hardware(&self, class: Class) -> Result<Hardware, KisiError> {
        let mut hardware = Hardware::default();
        let locks = self.hardware_list::<LockRow>("/locks", class, &mut hardware).await?;
        hardware.locks = by_id(&mut hardware.short, locks, |lock| lock.id);
        let controllers = self.hardware_list::<ControllerRow>("/controllers", class, &mut hardware).await?;
        hardware.controllers = by_id(&mut hardware.short, controllers, |controller| controller.id);
        let readers = self.hardware_list::<ReaderRow>("/readers", class, &mut hardware).await?;
        hardware.readers = by_id(&mut hardware.short, readers, |reader| reader.id);
        Ok(hardware)
    }

    async fn hardware_list<R: Row>(
        &self,
        path: &str,
        class: Class,
        hardware: &mut Hardware,
    ) -> Result<Vec<R::Out>, KisiError> {
        let query: Vec<_> = self.settings.place.map(|place| ("place_id", place.to_string())).into_iter().collect();
        let listed = self.list::<R>(class, path, &query, ROWS).await?;
        let (rows, total) = (listed.rows.len() as u64, listed.total);
        hardware.short |= listed.cut || !listed.aside.is_empty() || total.is_some_and(|total| total != rows);
        hardware
            .aside
            .extend(listed.aside.into_iter().map(|row| Aside { id: row.id, why: format!("{path}: {}", row.why) }));
        Ok(listed.rows)
    }
}

/// Rows by their id. One that came twice may have come in another's place.
fn by_id<I: Ord, T>(short: &mut bool, rows: Vec<T>, id: impl Fn(&T) -> I) -> BTreeMap<I, T> {
    let came = rows.len();
    let all: BTreeMap<I, T> = rows.into_iter().map(|row| (id(&row), row)).collect();
    *short |= all.len() != came;
    all
}
