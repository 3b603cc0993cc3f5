//! `check --online`: asks each service what the gateway would ask, and says what is missing. Writes nothing anywhere.

use std::collections::BTreeSet;

use super::engine::{Cloud, Engine};
use super::reading::{check_zone, leads_nowhere};
use crate::domain::Item;

/// What was found at one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// `nexudus`, `kisi`, `links` or `access`.
    pub name: &'static str,
    /// What is wrong, and what to do; nothing where all is right.
    pub wrong: Vec<String>,
    /// What is right.
    pub right: String,
}

/// Signs in to both clouds, reads what the links need, and follows every link.
pub async fn examine(engine: &Engine) -> Vec<Found> {
    let kisi = super::read_roster(engine).await;
    let nexudus = super::read_nexudus(engine).await;
    let plans = plans(engine).await;
    if nexudus.is_ok() {
        check_zone(engine).await;
    }
    let now = engine.guess();
    let keeping = kisi.is_ok().then(|| engine.preview(now).plan.keeping).flatten();
    let state = engine.state();
    let refused = state.refusals.iter().filter(|((cloud, _), _)| *cloud == Cloud::Nexudus).map(|(_, why)| why.clone());
    let mut of_nexudus: Vec<String> = nexudus.err().into_iter().chain(refused).collect();
    of_nexudus.extend(state.link_notes.get("zone").into_iter().flatten().cloned());
    of_nexudus.dedup();
    let of_links = state.link_notes.iter().filter(|(of, _)| !matches!(**of, "zone" | "roster" | "events"));
    let mut of_links: Vec<String> = of_links.flat_map(|(_, notes)| notes.iter().cloned()).collect();
    of_links.extend(plans);
    let user = state.own_user.map(|user| format!("signed in as user {user}")).unwrap_or_default();
    let held = state.roster.assignments.len();
    vec![
        Found {
            name: "nexudus",
            wrong: of_nexudus,
            right: format!(
                "signed in, {} customers, {} bookings",
                state.snapshot.customers.len(),
                state.snapshot.bookings.len()
            ),
        },
        Found {
            name: "kisi",
            wrong: kisi.err().into_iter().collect(),
            right: format!("{user}, {held} assignments in linked groups"),
        },
        Found {
            name: "links",
            wrong: of_links,
            right: format!("all {} links lead somewhere", engine.rules().links.len()),
        },
        Found {
            name: "access",
            wrong: keeping
                .map(|why| {
                    format!(
                        "access.no_access is taken as 'keep', since {why}; set kisi.sole_writer = true if nobody else \
                         manages accounts there, or no_access = \"keep\""
                    )
                })
                .into_iter()
                .collect(),
            right: "accounts are managed as configured".to_owned(),
        },
    ]
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
