//! Contracts and teams: lists whose rows may lack what a rule needs, so that it is read by id and kept
//! (Nexudus API notes, 2.2 and 8, row 3).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

use super::paging::{Each, Pile, read_all};
use super::whole::sifted;
use super::{CONTRACTS, Known, List, Reader, Reading, TEAMS, convert};
use crate::domain::snapshot::{Aside, Contract, Team};
use crate::domain::{ContractId, DeskId, PlanId, Timestamp, Window};
use crate::nexudus::error::{NexudusError, Passing};
use crate::nexudus::wire::{ContractRow, TeamRow, read_row};

/// The most records that one reading reads by id: the next ones follow in the readings after it.
const READ_BY_ID: usize = 100;

/// What was read by id, so that it is not read again with each reading.
#[derive(Default)]
pub(super) struct Details {
    kept: BTreeMap<u64, Detail>,
    /// How many readings there were.
    round: u64,
}

struct Detail {
    updated_on: Option<Timestamp>,
    ids: Vec<u64>,
    round: u64,
}

/// What reading one record by id came to.
enum Found {
    Ids(Vec<u64>),
    Aside(String),
}

impl Details {
    /// Which of `wanted` to read by id now: first those that are new or were updated, then the ones read longest ago.
    /// Where `again` is false, what was read stands until it is updated.
    fn due(&self, wanted: &[(u64, Option<Timestamp>)], again: bool) -> Vec<(u64, Option<Timestamp>)> {
        let mut due: Vec<(u64, (u64, Option<Timestamp>))> = wanted
            .iter()
            .filter_map(|(id, updated_on)| match self.kept.get(id) {
                Some(detail) if detail.updated_on == *updated_on => {
                    again.then_some((detail.round + 1, (*id, *updated_on)))
                }
                _ => Some((0, (*id, *updated_on))),
            })
            .collect();
        due.sort_by_key(|(round, _)| *round);
        due.truncate(READ_BY_ID);
        due.into_iter().map(|(_, record)| record).collect()
    }

    /// What was read, where the record has not been updated since.
    fn of(&self, id: u64, updated_on: Option<Timestamp>) -> Option<Vec<u64>> {
        self.kept.get(&id).filter(|detail| detail.updated_on == updated_on).map(|detail| detail.ids.clone())
    }

    /// Forgets all but these.
    fn keep(&mut self, wanted: &[(u64, Option<Timestamp>)]) {
        let wanted: BTreeSet<u64> = wanted.iter().map(|(id, _)| *id).collect();
        self.kept.retain(|id, _| wanted.contains(id));
    }
}

impl Reader {
    /// All contracts that name a linked desk or plan, active or not, and those that are held.
    pub async fn contracts(&self, known: &Known, began: Timestamp) -> Result<Reading<Contract>, NexudusError> {
        let sieve = || Each(|row: &RawValue| sifted(read_row::<ContractRow>(row)));
        let (pile, _) = read_all(&self.client, &CONTRACTS, began, sieve).await?;
        let pile = self.finish_contracts(pile, known, true).await?;
        Ok(Reader::reading(pile, Window::ALWAYS, began))
    }

    /// Makes contracts of rows. `all`: the pile is the whole list, so what was kept of other rows can go.
    pub(super) async fn finish_contracts(
        &self,
        mut pile: Pile<ContractRow>,
        known: &Known,
        all: bool,
    ) -> Result<Pile<Contract>, NexudusError> {
        let rows = std::mem::take(&mut pile.rows);
        let lacking = |row: &ContractRow| {
            let matters = row.active || known.contracts.contains(&ContractId(row.id));
            row.floor_plan_desk_ids.is_none() && matters && !self.needs().desks.is_empty()
        };
        let wanted: Vec<_> = rows.iter().filter(|row| lacking(row)).map(|row| (row.id, row.updated_on)).collect();
        let mut details = self.desks_of_contracts.lock().await;
        let faults = self.look_up(&mut details, &CONTRACTS, &wanted, false, &mut pile.calls, desks_of).await?;
        if all {
            details.keep(&wanted);
        }
        let mut contracts = Vec::new();
        let mut witness = None;
        for mut row in rows {
            let (id, updated_on, needs_more) = (row.id, row.updated_on, lacking(&row));
            let desks = match row.floor_plan_desk_ids.take() {
                Some(desks) => desks,
                None if !needs_more => Vec::new(),
                None => match details.of(id, updated_on) {
                    Some(desks) if !faults.contains_key(&id) => desks,
                    _ => {
                        pile.aside.push(lack(id, &faults, "FloorPlanDeskIds"));
                        continue;
                    }
                },
            };
            let contract = convert::contract(row, desks, &self.zone);
            if self.reaches(&contract) || known.contracts.contains(&contract.id) {
                contracts.push(contract);
            } else {
                witness.get_or_insert(contract);
            }
        }
        Ok(Pile { witness, ..pile.with_rows(contracts) })
    }

    fn reaches(&self, contract: &Contract) -> bool {
        let by_plan = contract.plan.is_some_and(|plan: PlanId| self.needs().plans.contains(&plan));
        by_plan || contract.desks.iter().any(|desk: &DeskId| self.needs().desks.contains(desk))
    }

    /// All teams with their members. Members that the list does not show are read by id, in turns where there are many,
    /// again and again: whether a team's `UpdatedOn` moves with its members is not known.
    pub async fn teams(&self, began: Timestamp) -> Result<Reading<Team>, NexudusError> {
        let sieve = || Each(|row: &RawValue| sifted(read_row::<TeamRow>(row)));
        let (pile, _) = read_all(&self.client, &TEAMS, began, sieve).await?;
        let pile = self.finish_teams(pile, true).await?;
        Ok(Reader::reading(pile, Window::ALWAYS, began))
    }

    /// Makes teams of rows. `all`: the pile is the whole list, so what was kept of other rows can go.
    pub(super) async fn finish_teams(&self, mut pile: Pile<TeamRow>, all: bool) -> Result<Pile<Team>, NexudusError> {
        let rows = std::mem::take(&mut pile.rows);
        let lacking = |row: &TeamRow| row.team_members.is_none() && row.coworker_ids.is_none();
        let wanted: Vec<_> = rows.iter().filter(|row| lacking(row)).map(|row| (row.id, row.updated_on)).collect();
        let mut details = self.members_of_teams.lock().await;
        let faults = self.look_up(&mut details, &TEAMS, &wanted, true, &mut pile.calls, members_of).await?;
        if all {
            details.keep(&wanted);
        }
        let mut teams = Vec::new();
        for mut row in rows {
            let (id, updated_on) = (row.id, row.updated_on);
            let members = row.team_members.take().or_else(|| row.coworker_ids.take());
            let kept = || details.of(id, updated_on).filter(|_| !faults.contains_key(&id));
            match members.or_else(kept) {
                Some(members) => teams.push(convert::team(row, members)),
                None => pile.aside.push(lack(id, &faults, "TeamMembers")),
            }
        }
        Ok(pile.with_rows(teams))
    }

    /// Reads by id what is due of `wanted`, and says which records could not be read. A failure that concerns more than
    /// the one record fails the reading.
    async fn look_up<T: for<'de> serde::Deserialize<'de>>(
        &self,
        details: &mut Details,
        list: &List,
        wanted: &[(u64, Option<Timestamp>)],
        again: bool,
        calls: &mut u32,
        ids_of: fn(T) -> Option<Vec<u64>>,
    ) -> Result<BTreeMap<u64, String>, NexudusError> {
        details.round += 1;
        let round = details.round;
        let mut faults = BTreeMap::new();
        for (id, updated_on) in details.due(wanted, again) {
            *calls += 1;
            let found = match self.by_id::<T>(list, id).await {
                Ok(Some(record)) => match ids_of(record) {
                    Some(ids) => Found::Ids(ids),
                    None => Found::Aside("a read by id does not show them either".to_owned()),
                },
                Ok(None) => Found::Aside("the record was gone when it was read by id".to_owned()),
                // A dead id may fail like that: it is neither there nor gone.
                Err(
                    error @ (NexudusError::Broken { .. } | NexudusError::Passing { why: Passing::Failed { .. }, .. }),
                ) => Found::Aside(error.to_string()),
                Err(error) => return Err(error),
            };
            match found {
                Found::Ids(ids) => drop(details.kept.insert(id, Detail { updated_on, ids, round })),
                Found::Aside(why) => drop(faults.insert(id, why)),
            }
        }
        Ok(faults)
    }
}

fn desks_of(row: ContractRow) -> Option<Vec<u64>> {
    // A contract without a desk may show neither.
    Some(row.floor_plan_desk_ids.or(row.desks).unwrap_or_default())
}

fn members_of(row: TeamRow) -> Option<Vec<u64>> {
    row.team_members.or(row.coworker_ids)
}

fn lack(id: u64, faults: &BTreeMap<u64, String>, field: &str) -> Aside {
    let why = match faults.get(&id) {
        Some(why) => format!("{field}: {why}"),
        None => format!("{field}: not in the list, and not read by id yet; a later reading does it"),
    };
    Aside { id: Some(id), why }
}
