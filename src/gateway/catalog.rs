//! What links could name, on both sides: for `links`.

use std::collections::BTreeMap;

use super::engine::Engine;
use crate::domain::GroupId;
use crate::domain::pairing::Listed;
use crate::domain::roster::Group;

/// The items of Nexudus and the groups of Kisi. `groups_too`: with the groups that Nexudus keeps for its items.
pub async fn catalog(engine: &Engine, groups_too: bool) -> Result<(Vec<Listed>, BTreeMap<GroupId, Group>), String> {
    let groups = engine.kisi.all_groups().await.map_err(|error| format!("Kisi's groups could not be read: {error}"))?;
    let items = engine.nexudus.catalog(groups_too, engine.guess()).await;
    Ok((items.map_err(|error| format!("Nexudus could not be read: {error}"))?, groups))
}
