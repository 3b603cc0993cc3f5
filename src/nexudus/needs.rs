//! Which lists and which rows the links need: what no link reaches is not read, or not kept.

use std::collections::BTreeSet;

use crate::domain::snapshot::Entity;
use crate::domain::{DeskId, Item, Link, PassKindId, PlanId, ResourceId};

/// What the links name on the Nexudus side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Linked resources.
    pub resources: BTreeSet<ResourceId>,
    /// Linked kinds of pass.
    pub pass_kinds: BTreeSet<PassKindId>,
    /// Linked desks and offices.
    pub desks: BTreeSet<DeskId>,
    /// Linked plans.
    pub plans: BTreeSet<PlanId>,
    /// Whether some link shares with the members of a team.
    pub teams: bool,
    /// Whether it matters if a kind of pass has time slots: not where every link of a pass ignores them.
    pub slots: bool,
}

impl Needs {
    /// What these links need.
    pub fn of(links: &[Link]) -> Needs {
        let mut needs = Needs::default();
        for link in links {
            match link.item {
                Item::Resource(id) => drop(needs.resources.insert(id)),
                Item::Pass(id) => {
                    needs.pass_kinds.insert(id);
                    needs.slots |= !link.ignore_slots;
                }
                Item::Desk(id) => drop(needs.desks.insert(id)),
                Item::Plan(id) => drop(needs.plans.insert(id)),
            }
            needs.teams |= link.share_with_team && !matches!(link.item, Item::Resource(_));
        }
        needs
    }

    /// Whether some link goes through contracts.
    pub fn contracts(&self) -> bool {
        !self.desks.is_empty() || !self.plans.is_empty()
    }

    /// The lists to read, what restricts before what it restricts: who is suspended, which pass is of which kind and
    /// which contract is paused should be known before they grant anything.
    pub fn entities(&self) -> Vec<Entity> {
        let passes = !self.pass_kinds.is_empty();
        let bookings = !self.resources.is_empty();
        let wanted = [
            (Entity::Customers, bookings || passes || self.contracts()),
            (Entity::PassKinds, passes),
            (Entity::PausedPeriods, self.contracts()),
            (Entity::Teams, self.teams),
            (Entity::Bookings, bookings),
            (Entity::Passes, passes),
            (Entity::Contracts, self.contracts()),
            (Entity::Resources, bookings),
            (Entity::Desks, !self.desks.is_empty()),
        ];
        wanted.into_iter().filter(|(_, wanted)| *wanted).map(|(entity, _)| entity).collect()
    }
}
