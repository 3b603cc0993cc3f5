//! `check --online`: asks each service what the gateway would ask, and says what is missing. Writes nothing anywhere.

use std::collections::{BTreeMap, BTreeSet};

use super::engine::{Cloud, Engine};
use super::reading::{check_zone, leads_nowhere};
use super::state::State;
use crate::domain::compare::compare;
use crate::domain::pairing::disagree;
use crate::domain::plan::{Drift, Plan};
use crate::domain::{GroupId, Item, Rules, Timestamp, UserId};
use crate::kisi::roster::{Role, Scope};
use crate::net::pace::Class;
use crate::report::desk::LedgerReport;

/// How the roles of an owner end (Kisi API notes, 1).
const OWNER: &str = "owner";
/// For how many linked items the group that Nexudus names is looked up.
const COMPARED: usize = 20;

/// What was found at one service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// `nexudus`, `kisi`, `links` or `access`.
    pub name: &'static str,
    /// What is wrong, and what to do; nothing where all is right.
    pub wrong: Vec<String>,
    /// What works, but should be known.
    pub warnings: Vec<String>,
    /// What is right.
    pub right: String,
}

/// Signs in to both clouds, reads what the links need, and follows every link. `ledger`: what is ours; `None`: that is
/// not known, so no row is told from others'.
pub async fn examine(engine: &Engine, ledger: Option<LedgerReport>) -> Vec<Found> {
    let has_ledger = ledger.is_some();
    if let Some(ledger) = ledger {
        let mut state = engine.state();
        state.ledger.owned = ledger.owned.into_iter().map(|owned| (owned.id, owned)).collect();
        state.ledger.patch_ignored = ledger.patch_ignored;
        state.hands = ledger.hands;
    }
    let kisi = super::read_roster(engine).await;
    let nexudus = super::read_nexudus(engine).await;
    let plans = plans(engine).await;
    let mut named = Vec::new();
    if nexudus.is_ok() {
        check_zone(engine).await;
        named = groups_named(engine).await;
    }
    let own = engine.state().own_user;
    let roles = match own {
        Some(own) => Some(engine.kisi.all_roles_of(Class::Roster, own).await.map_err(|error| error.to_string())),
        None => None,
    };
    let now = engine.guess();
    let rules = engine.rules();
    let plan = if kisi.is_ok() { engine.preview(now).plan } else { Plan::default() };
    let state = engine.state();
    let (no_nexudus, no_kisi) = (nexudus.is_err(), kisi.is_err());
    let mut found = vec![
        of_nexudus(&state, nexudus),
        of_kisi(&state, kisi, own, roles, &plan, has_ledger),
        of_links(&state, &rules, (plans, named), &plan, now),
        of_access(&plan),
    ];
    // Nothing is called right that could not be looked at.
    for found in found.iter_mut().filter(|found| found.wrong.is_empty()) {
        let needed = match found.name {
            "links" => no_nexudus || no_kisi,
            "access" => no_kisi,
            _ => false,
        };
        if needed {
            let cloud = if no_kisi { "Kisi" } else { "Nexudus" };
            found.wrong.push(format!("not looked at, since {cloud} could not be read"));
        }
    }
    found
}

fn of_nexudus(state: &State, read: Result<(), String>) -> Found {
    let mut wrong: Vec<String> = read.err().into_iter().collect();
    let refused = state.refusals.iter().filter(|((cloud, _), _)| *cloud == Cloud::Nexudus).map(|(_, why)| why);
    let unsaid: Vec<String> = refused.filter(|why| !wrong.iter().any(|said| said.contains(*why))).cloned().collect();
    wrong.extend(unsaid);
    wrong.extend(state.link_notes.get("zone").into_iter().flatten().cloned());
    wrong.dedup();
    let (customers, bookings) = (state.snapshot.customers.len(), state.snapshot.bookings.len());
    let right = format!("signed in, {customers} customers, {bookings} bookings");
    Found { name: "nexudus", wrong, right, ..Found::default() }
}

/// The key: whose it is, what it may, and whether somebody else uses it.
fn of_kisi(
    state: &State,
    read: Result<(), String>,
    own: Option<UserId>,
    roles: Option<Result<Vec<Role>, String>>,
    plan: &Plan,
    has_ledger: bool,
) -> Found {
    let mut warnings: Vec<String> = state.link_notes.get("roster").into_iter().flatten().cloned().collect();
    let mut role = String::new();
    match roles {
        None => {}
        Some(Err(why)) => warnings.push(format!("the roles of the key's user could not be read: {why}")),
        Some(Ok(roles)) => {
            let wide = roles.iter().filter(|role| matches!(role.scope, Scope::Organization)).map(|role| &role.role);
            let wide: BTreeSet<&str> = wide.map(String::as_str).collect();
            let names: Vec<&str> = wide.iter().copied().collect();
            role = if names.is_empty() { String::new() } else { format!(", {}", names.join(" and ")) };
            if names.is_empty() {
                warnings.push(
                    "Kisi shows no role in the organization for the key's user; it needs that of an organization \
                     administrator"
                        .to_owned(),
                );
            }
            if names.iter().any(|role| role.ends_with(OWNER)) {
                warnings.push(
                    "the key belongs to an owner of the organization: that is a person, whose rows can't be told from \
                     Gatehouse's, and who may do more than Gatehouse needs. Make a Kisi user of its own, an organization \
                     administrator, and a key of that user"
                        .to_owned(),
                );
            }
        }
    }
    let candidates = plan.drift.iter().filter(|drift| matches!(drift, Drift::Candidate { .. })).count();
    if candidates > 0 {
        let own = own.map_or_else(|| "ID".to_owned(), |own| own.to_string());
        let why = match has_ledger {
            true => "a person or another program uses it, or the ledger was lost",
            false => "there is no ledger here yet",
        };
        warnings.push(format!(
            "the key's user has made {candidates} assignments in linked groups that are not in the ledger ({why}): they \
             are left alone. To take them over: gatehouse adopt --created-by {own}"
        ));
    }
    if state.ledger.patch_ignored {
        warnings.push(
            "Kisi ignores a changed window of an assignment (learnt by trying): a window in force is taken away and made \
             anew instead, and extended a minute before its end"
                .to_owned(),
        );
    }
    let user = own.map(|user| format!("signed in as user {user}{role}")).unwrap_or_default();
    let right = format!("{user}, {} assignments in linked groups", state.roster.assignments.len());
    Found { name: "kisi", wrong: read.err().into_iter().collect(), warnings, right }
}

/// `read`: what is wrong with links of plans, and where Nexudus names other groups.
fn of_links(state: &State, rules: &Rules, read: (Vec<String>, Vec<String>), plan: &Plan, now: Timestamp) -> Found {
    let (plans, named) = read;
    let notes = state.link_notes.iter().filter(|(of, _)| !matches!(**of, "zone" | "roster" | "events"));
    let mut wrong: Vec<String> = notes.flat_map(|(_, notes)| notes.iter().cloned()).collect();
    wrong.extend(plans);
    let restricted = state.roster.groups.values().filter(|group| group.time_restricted);
    let mut warnings: Vec<String> = restricted
        .map(|group| {
            format!(
                "group {} ('{}') has a time restriction of its own in Kisi: outside those hours it opens nothing, \
                 whatever Nexudus says",
                group.id, group.name
            )
        })
        .collect();
    warnings.extend(shared(state, plan));
    warnings.extend(named);
    let comparison = compare(&state.known(rules, now));
    let writers = state.hands.writers(&state.known(rules, now), &plan.drift);
    warnings.extend(writers.iter().map(|writer| {
        let same = comparison.same;
        format!("{writer}. Of what other hands made there, {same} give just what Gatehouse would give")
    }));
    Found { name: "links", wrong, warnings, right: format!("all {} links lead somewhere", rules.links.len()) }
}

/// Linked groups in which other hands have rows, too.
fn shared(state: &State, plan: &Plan) -> Vec<String> {
    let mut by_group: BTreeMap<GroupId, BTreeMap<Option<UserId>, usize>> = BTreeMap::new();
    for drift in &plan.drift {
        if let Drift::ForeignRow { group, created_by, .. } = drift {
            *by_group.entry(*group).or_default().entry(*created_by).or_default() += 1;
        }
    }
    let hands = |by: &BTreeMap<Option<UserId>, usize>| {
        let of = |(by, n): (&Option<UserId>, &usize)| match by {
            Some(by) => format!("{n} of Kisi user {by}"),
            None => format!("{n} of nobody who can be told"),
        };
        by.iter().map(of).collect::<Vec<_>>().join(", ")
    };
    let name = |group| state.roster.groups.get(group).map(|group| format!(" ('{}')", group.name)).unwrap_or_default();
    let told = by_group.iter().map(|(group, by)| {
        let name = name(group);
        format!("group {group}{name} is shared with assignments of other hands: {}; they are left alone", hands(by))
    });
    told.collect()
}

fn of_access(plan: &Plan) -> Found {
    let keeping = plan.keeping.map(|why| {
        format!(
            "access.no_access is taken as 'keep', since {why}; set kisi.sole_writer = true if nobody else manages \
             accounts there, or no_access = \"keep\""
        )
    });
    let right = "accounts are managed as configured".to_owned();
    Found { name: "access", wrong: keeping.into_iter().collect(), right, ..Found::default() }
}

/// Where Nexudus names another group than the links, for as many items as there are calls for: each costs one.
async fn groups_named(engine: &Engine) -> Vec<String> {
    let rules = engine.rules();
    let items: BTreeSet<Item> = rules.links.iter().map(|link| link.item).collect();
    let items: Vec<Item> = items.into_iter().filter(|item| !matches!(item, Item::Plan(_))).collect();
    let read = &items[..items.len().min(COMPARED)];
    let mut notes = match engine.nexudus.listed(read).await {
        Ok(listed) => disagree(&listed, &rules.links),
        Err(error) => vec![format!("the Kisi groups that Nexudus names could not be read: {error}")],
    };
    if read.len() < items.len() {
        notes.push(format!(
            "the Kisi groups that Nexudus names were compared for {} of {} linked items; 'gatehouse links import' reads \
             them all",
            read.len(),
            items.len()
        ));
    }
    notes
}

/// Price plans are read for their names alone, so here only.
async fn plans(engine: &Engine) -> Vec<String> {
    let rules = engine.rules();
    if !rules.links.iter().any(|link| matches!(link.item, Item::Plan(_))) {
        return Vec::new();
    }
    match engine.nexudus.plans(engine.guess()).await {
        Err(error) => vec![format!("price plans could not be read, so links of plans were not followed: {error}")],
        Ok(reading) if reading.listing.whole.is_none() => Vec::new(),
        Ok(reading) => {
            let there: BTreeSet<u64> = reading.listing.rows.iter().map(|row| row.id).collect();
            leads_nowhere(&rules, &there, |item| match item {
                Item::Plan(id) => Some(id.0),
                _ => None,
            })
        }
    }
}
