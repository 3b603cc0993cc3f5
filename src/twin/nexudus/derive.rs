//! What Nexudus works out from other records and shows in a record: names, comma strings, the pause that runs now.
//! It changes without `UpdatedOn` of the record moving.

use serde_json::Value;

use super::rows::{Cell, NULL, Row, Table};
use super::shape::{Entity, Shape};
use super::site::Site;
use super::switches::ActiveUntil;

/// Fields that copy those of the record that `reference` names: ours, theirs.
struct Join {
    of: Entity,
    reference: &'static str,
    target: Entity,
    copies: &'static [(&'static str, &'static str)],
}

const JOINS: &[Join] = &[
    Join {
        of: Entity::Booking,
        reference: "ResourceId",
        target: Entity::Resource,
        copies: &[
            ("ResourceName", "Name"),
            ("ResourceResourceTypeId", "ResourceTypeId"),
            ("ResourceResourceTypeName", "ResourceTypeName"),
        ],
    },
    Join {
        of: Entity::Booking,
        reference: "CoworkerId",
        target: Entity::Coworker,
        copies: &[
            ("CoworkerCoworkerType", "CoworkerType"),
            ("CoworkerFullName", "FullName"),
            ("CoworkerMobilePhone", "MobilePhone"),
            ("CoworkerBillingName", "BillingName"),
            ("CoworkerCompanyName", "CompanyName"),
            ("CoworkerTeamNames", "TeamNames"),
        ],
    },
    Join {
        of: Entity::Booking,
        reference: "FloorPlanDeskId",
        target: Entity::FloorPlanDesk,
        copies: &[("FloorPlanDeskName", "Name")],
    },
    Join {
        of: Entity::CoworkerTimePass,
        reference: "TimePassId",
        target: Entity::TimePass,
        copies: &[("TimePassName", "Name")],
    },
    Join {
        of: Entity::TimePass,
        reference: "BusinessId",
        target: Entity::Business,
        copies: &[("BusinessName", "Name")],
    },
    Join {
        of: Entity::CoworkerContract,
        reference: "CoworkerId",
        target: Entity::Coworker,
        copies: &[
            ("CoworkerCoworkerType", "CoworkerType"),
            ("CoworkerFullName", "FullName"),
            ("CoworkerCompanyName", "CompanyName"),
            ("CoworkerBillingName", "BillingName"),
            ("CoworkerEmail", "Email"),
            ("CoworkerActive", "Active"),
        ],
    },
    Join {
        of: Entity::CoworkerContract,
        reference: "TariffId",
        target: Entity::Tariff,
        copies: &[("TariffName", "Name")],
    },
    Join {
        of: Entity::CoworkerContract,
        reference: "IssuedById",
        target: Entity::Business,
        copies: &[("IssuedByName", "Name")],
    },
    Join {
        of: Entity::ContractPausedPeriod,
        reference: "CoworkerContractId",
        target: Entity::CoworkerContract,
        copies: &[
            ("CoworkerContractQuantity", "Quantity"),
            ("CoworkerContractFloorPlanDeskIds", "FloorPlanDeskIds"),
            ("CoworkerContractFloorPlanDeskNames", "FloorPlanDeskNames"),
            ("CoworkerContractTariffName", "TariffName"),
            ("CoworkerContractCoworkerId", "CoworkerId"),
            ("CoworkerContractCoworkerFullName", "CoworkerFullName"),
            ("CoworkerContractCoworkerBillingName", "CoworkerBillingName"),
        ],
    },
    Join {
        of: Entity::FloorPlan,
        reference: "BusinessId",
        target: Entity::Business,
        copies: &[("BusinessName", "Name")],
    },
    Join {
        of: Entity::FloorPlanDesk,
        reference: "FloorPlanId",
        target: Entity::FloorPlan,
        copies: &[("FloorPlanName", "Name"), ("FloorPlanBusinessName", "BusinessName")],
    },
    Join {
        of: Entity::FloorPlanDesk,
        reference: "CoworkerId",
        target: Entity::Coworker,
        copies: &[("CoworkerFullName", "FullName"), ("CoworkerEmail", "Email")],
    },
];

impl Site {
    /// What the record's derived fields must hold now: the field's place and its value.
    pub(super) fn derived(&self, entity: Entity, row: &Row) -> Vec<(usize, Cell)> {
        let shape = entity.shape();
        let mut out = Vec::new();
        for join in JOINS.iter().filter(|j| j.of == entity) {
            let target = row.get(shape, join.reference).int().and_then(|id| self.table(join.target).rows.get(&id));
            for (ours, theirs) in join.copies {
                let blank = || Row::blank(shape).get(shape, ours).clone();
                let value = target.map_or_else(blank, |t| t.get(join.target.shape(), theirs).clone());
                set(&mut out, shape, ours, value);
            }
        }
        match entity {
            Entity::Coworker => self.teams_of(row, &mut out),
            Entity::Team => {
                let members = row.get(shape, "TeamMembers").ids();
                set(&mut out, shape, "CoworkerFullNames", self.names(Entity::Coworker, "FullName", &members));
                set(&mut out, shape, "CoworkerIds", Cell::Value(members.into()));
            }
            Entity::CoworkerContract => self.state_of_contract(row, &mut out),
            Entity::FloorPlanDesk => self.contracts_of_desk(row, &mut out),
            _ => {}
        }
        out
    }

    /// The records whose derived fields look at this one.
    pub(super) fn dependents(&self, entity: Entity, id: i64) -> Vec<(Entity, i64)> {
        let mut out = Vec::new();
        for join in JOINS.iter().filter(|j| j.target == entity) {
            out.extend(self.table(join.of).referring(join.reference, id).into_iter().map(|i| (join.of, i)));
        }
        let shape = entity.shape();
        let Some(row) = self.table(entity).rows.get(&id) else { return out };
        match entity {
            Entity::Team => out.extend(row.get(shape, "TeamMembers").ids().into_iter().map(|m| (Entity::Coworker, m))),
            Entity::Coworker => {
                out.extend(containing(self.table(Entity::Team), "TeamMembers", id).map(|(t, _)| (Entity::Team, t)));
            }
            Entity::CoworkerContract => {
                out.extend(row.get(shape, "Desks").ids().into_iter().map(|d| (Entity::FloorPlanDesk, d)));
            }
            Entity::FloorPlanDesk => {
                let contracts = containing(self.table(Entity::CoworkerContract), "Desks", id);
                out.extend(contracts.map(|(c, _)| (Entity::CoworkerContract, c)));
            }
            Entity::ContractPausedPeriod => {
                let contract = row.get(shape, "CoworkerContractId").int();
                out.extend(contract.map(|c| (Entity::CoworkerContract, c)));
            }
            _ => {}
        }
        out
    }

    fn teams_of(&self, row: &Row, out: &mut Vec<(usize, Cell)>) {
        let shape = Entity::Coworker.shape();
        let Some(id) = row.get(shape, "Id").int() else { return };
        let teams: Vec<i64> = containing(self.table(Entity::Team), "TeamMembers", id).map(|(team, _)| team).collect();
        let names = self.names(Entity::Team, "Name", &teams);
        let joined = match &names {
            Cell::Value(Value::Array(names)) if !names.is_empty() => {
                names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",").into()
            }
            _ => Value::Null,
        };
        set(out, shape, "TeamNames", Cell::Value(joined));
        set(out, shape, "Teams", Cell::Value(teams.into()));
    }

    fn state_of_contract(&self, row: &Row, out: &mut Vec<(usize, Cell)>) {
        let shape = Entity::CoworkerContract.shape();
        let desks = row.get(shape, "Desks").ids();
        set(out, shape, "FloorPlanDeskNames", self.names(Entity::FloorPlanDesk, "Name", &desks));
        set(out, shape, "FloorPlanDeskIds", Cell::Value(desks.into()));

        let ended = match self.switches().active_until {
            ActiveUntil::CancellationDate => {
                row.get(shape, "CancellationDate").at().is_some_and(|end| end <= self.now())
            }
            ActiveUntil::Notice => row.get(shape, "Cancelled").is_true(),
            ActiveUntil::Ever => false,
        };
        if ended {
            set(out, shape, "Active", Cell::Value(false.into()));
        }

        let pauses = self.table(Entity::ContractPausedPeriod);
        let id = row.get(shape, "Id").int().unwrap_or_default();
        let mut spans: Vec<_> = pauses
            .referring("CoworkerContractId", id)
            .iter()
            .filter_map(|p| pauses.rows.get(p))
            .filter_map(|p| Some((p.get(pauses.shape, "PauseFrom").at()?, p.get(pauses.shape, "PauseUntil").at()?)))
            .filter(|(from, until)| self.now() < *until && (*from <= self.now() || self.switches().next_pause_shown))
            .collect();
        spans.sort_unstable();
        let shown = spans.first();
        let runs = shown.is_some_and(|(from, _)| *from <= self.now());
        set(out, shape, "InPausedPeriod", Cell::Value(runs.into()));
        set(out, shape, "InPausedPeriodFrom", shown.map_or(NULL, |(from, _)| Cell::At(*from)));
        set(out, shape, "InPausedPeriodUntil", shown.map_or(NULL, |(_, until)| Cell::At(*until)));
    }

    fn contracts_of_desk(&self, row: &Row, out: &mut Vec<(usize, Cell)>) {
        let shape = Entity::FloorPlanDesk.shape();
        let contracts = self.table(Entity::CoworkerContract);
        let Some(id) = row.get(shape, "Id").int() else { return };
        let active: Vec<i64> = containing(contracts, "Desks", id)
            .filter(|(_, contract)| contract.get(contracts.shape, "Active").is_true())
            .map(|(contract, _)| contract)
            .collect();
        let names = self.names(Entity::CoworkerContract, "CoworkerFullName", &active);
        set(out, shape, "CoworkerContractFullNames", names);
        set(out, shape, "CoworkerContractIds", Cell::Value(active.into()));
    }

    fn names(&self, entity: Entity, field: &str, ids: &[i64]) -> Cell {
        let table = self.table(entity);
        let names = ids.iter().filter_map(|id| table.rows.get(id)?.get(table.shape, field).text());
        Cell::Value(names.collect())
    }
}

fn set(out: &mut Vec<(usize, Cell)>, shape: &Shape, name: &str, value: Cell) {
    out.extend(shape.index(name).map(|i| (i, value)));
}

/// The rows of a table whose array holds that id.
fn containing<'a>(table: &'a Table, field: &str, id: i64) -> impl Iterator<Item = (i64, &'a Row)> {
    let at = table.shape.index(field);
    table.rows.iter().filter_map(move |(key, row)| row.cells.get(at?)?.ids().contains(&id).then_some((*key, row)))
}
