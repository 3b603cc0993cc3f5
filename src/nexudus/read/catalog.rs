//! What a link can name, by name, and the Kisi groups that Nexudus' own integration was told of: for `links`, not for
//! the rules (Nexudus API notes, 3.12).

use serde_json::value::RawValue;

use super::paging::{Each, read_all};
use super::whole::sifted;
use super::{DESKS, List, PASS_KINDS, PLANS, RESOURCES, Reader};
use crate::domain::pairing::Listed;
use crate::domain::{DeskId, Item, PassKindId, PlanId, ResourceId, Timestamp};
use crate::nexudus::error::NexudusError;
use crate::nexudus::wire::{ItemRow, read_row};

/// What an id of a list names.
type Named = fn(u64) -> Item;

impl Reader {
    /// Every resource, kind of pass, desk or office, and price plan of the location that is not archived. `groups`:
    /// with the Kisi groups that Nexudus keeps, read by id where the list leaves them out.
    pub async fn catalog(&self, groups: bool, began: Timestamp) -> Result<Vec<Listed>, NexudusError> {
        let kinds: [(&List, Named); 4] = [
            (&RESOURCES, |id| Item::Resource(ResourceId(id))),
            (&PASS_KINDS, |id| Item::Pass(PassKindId(id))),
            (&DESKS, |id| Item::Desk(DeskId(id))),
            (&PLANS, |id| Item::Plan(PlanId(id))),
        ];
        let mut all = Vec::new();
        for (list, item) in kinds {
            let sieve = || Each(|row: &RawValue| sifted(read_row::<ItemRow>(row)));
            let (pile, _) = read_all(&self.client, list, began, sieve).await?;
            for row in pile.rows {
                let item = item(row.id);
                let elsewhere = row.business_id.is_some_and(|business| business != self.location);
                if row.archived || elsewhere {
                    continue;
                }
                let group = match groups {
                    true => self.group_of(list, item, &row).await?,
                    false => None,
                };
                all.push(Listed { item, name: row.name.unwrap_or_default(), group });
            }
        }
        Ok(all)
    }

    /// These items with the groups that Nexudus keeps for them, each read by its id. Price plans have none and are left
    /// out, as is what is not there.
    pub async fn listed(&self, items: &[Item]) -> Result<Vec<Listed>, NexudusError> {
        let mut all = Vec::new();
        for item in items {
            let (list, id) = match item {
                Item::Resource(id) => (&RESOURCES, id.0),
                Item::Pass(id) => (&PASS_KINDS, id.0),
                Item::Desk(id) => (&DESKS, id.0),
                Item::Plan(_) => continue,
            };
            let Some(row) = self.by_id::<ItemRow>(list, id).await? else { continue };
            all.push(Listed { item: *item, group: named(&row), name: row.name.unwrap_or_default() });
        }
        Ok(all)
    }

    /// The text that Nexudus keeps for the item's group; price plans have none, desks `AccessControlGroupId` alone.
    async fn group_of(&self, list: &List, item: Item, row: &ItemRow) -> Result<Option<String>, NexudusError> {
        let complete = match item {
            Item::Plan(_) => return Ok(None),
            Item::Desk(_) => row.access_control_group_id.is_some(),
            _ => row.kisi_group_id.is_some() && row.access_control_group_id.is_some(),
        };
        if complete {
            return Ok(named(row));
        }
        Ok(self.by_id::<ItemRow>(list, row.id).await?.as_ref().and_then(named).or_else(|| named(row)))
    }
}

fn named(row: &ItemRow) -> Option<String> {
    let of = |field: &Option<Option<String>>| field.clone().flatten().filter(|text| !text.trim().is_empty());
    of(&row.kisi_group_id).or_else(|| of(&row.access_control_group_id))
}
