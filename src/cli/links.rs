//! `links`: proposals for `[[link]]`, as TOML ready to paste with the names as comments.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::args::LinksVerb;
use super::ask::{Trouble, ask_running, block_on};
use super::{WELL, print, run};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::pairing::{Listed, Proposal, import, suggest};
use crate::domain::roster::Group;
use crate::domain::{GroupId, Item};
use crate::gateway::{self, Engine};
use crate::report::desk::Request;
use crate::store::{Opened, Opening, Store};

/// Calls a second to Kisi while a gateway runs: its own and these share one quota.
const BESIDE_PER_SECOND: f64 = 0.7;

/// `links`
pub fn links(config: &Config, verb: LinksVerb) -> u8 {
    let (groups_too, json) = match verb {
        LinksVerb::Suggest { json } => (false, json),
        LinksVerb::Import { json } => (true, json),
    };
    let (items, groups) = match block_on(read(config, groups_too)) {
        Ok(read) => read,
        Err(trouble) => return trouble.shown(),
    };
    let proposals = match verb {
        LinksVerb::Suggest { .. } => suggest(&items, &groups, &config.links),
        LinksVerb::Import { .. } => import(&items, &groups, &config.links),
    };
    match json {
        true => print(&format!("{}\n", as_json(&proposals))),
        false => print(&toml(&proposals)),
    }
    WELL
}

/// What `links suggest` prints, read by an engine that is there.
pub(super) async fn suggested(config: &Config, engine: &Engine) -> Result<String, Trouble> {
    let (items, groups) = gateway::catalog(engine, false).await.map_err(Trouble::failed)?;
    Ok(toml(&suggest(&items, &groups, &config.links)))
}

type Read = (Vec<Listed>, BTreeMap<GroupId, Group>);

/// Reads both clouds with clients of its own, beside a gateway that may run; nothing is written or kept.
async fn read(config: &Config, groups_too: bool) -> Result<Read, Trouble> {
    let clock = Clock::system();
    let fresh = Opened { cache: Opening::Fresh, ledger: Opening::Fresh, aside: Vec::new() };
    let store = Store::in_memory().map_err(Trouble::failed)?;
    let mut outside = run::reading(&clock, store, fresh).map_err(Trouble::failed)?;
    // Two sign-ins of one client id end each other's tokens.
    outside.client_id = Some(format!("gatehouse-{}-links", config.site.id));
    let mut slow = config.clone();
    if ask_running(config, &Request::Status).await?.is_some() {
        slow.kisi.requests_per_second = slow.kisi.requests_per_second.min(BESIDE_PER_SECOND);
    }
    let engine = gateway::engine(&slow, outside).map_err(Trouble::failed)?;
    gateway::catalog(&engine, groups_too).await.map_err(Trouble::failed)
}

fn key(item: Item) -> (&'static str, u64) {
    match item {
        Item::Resource(id) => ("resource", id.0),
        Item::Pass(id) => ("pass", id.0),
        Item::Desk(id) => ("desk", id.0),
        Item::Plan(id) => ("plan", id.0),
    }
}

fn as_json(proposals: &[Proposal]) -> Value {
    let one = |proposal: &Proposal| {
        let (kind, id) = key(proposal.item);
        json!({
            "item": { "kind": kind, "id": id, "name": proposal.name },
            "group": proposal.group.map(|id| json!({ "id": id, "name": proposal.group_name })),
            "score": proposal.score,
            "sure": proposal.sure,
            "doubt": proposal.doubt,
        })
    };
    json!({ "links": proposals.iter().map(one).collect::<Vec<_>>() })
}

/// What is sure as it is, what is doubtful commented out, what has no group named in a comment.
fn toml(proposals: &[Proposal]) -> String {
    let mut out = String::new();
    let (mut sure, mut doubtful) = (0, 0);
    for proposal in proposals {
        let (kind, id) = key(proposal.item);
        let name = comment(&proposal.name);
        let doubt = proposal.doubt.as_deref().map(comment).unwrap_or_default();
        let Some(group) = proposal.group else {
            let _ = writeln!(out, "# {kind} {id} '{name}': {doubt}\n");
            continue;
        };
        let mark = if proposal.sure { "" } else { "# " };
        let score = proposal.score.map(|score| format!(", alike by {score:.2}")).unwrap_or_default();
        if !proposal.sure {
            let _ = writeln!(out, "# to be looked at: {doubt}");
        }
        let group_name = comment(&proposal.group_name);
        let _ = writeln!(out, "{mark}[[link]]\n{mark}{kind} = {id}  # {name}");
        let _ = writeln!(out, "{mark}group = {group}  # {group_name}{score}\n");
        if proposal.sure { sure += 1 } else { doubtful += 1 }
    }
    let without = proposals.len() - sure - doubtful;
    let _ = writeln!(out, "# {sure} proposed, {doubtful} to be looked at, {without} without a group.");
    out.push_str("# Paste what is right into the configuration, then: gatehouse check --online\n");
    out
}

/// A name within a comment: it ends with its line.
fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ResourceId;

    /// A name can't break out of its comment, and what is doubtful is no link.
    #[test]
    fn what_is_printed_is_toml_whatever_the_names_are() {
        let proposal = |id: u64, sure: bool| Proposal {
            item: Item::Resource(ResourceId(id)),
            name: "Board\nroom = 1 # \"x".to_owned(),
            group: Some(GroupId(45901)),
            group_name: "Board\u{7}room".to_owned(),
            score: Some(0.5),
            sure,
            doubt: Some("the names\ndiffer".to_owned()),
        };
        let text = toml(&[proposal(555, true), proposal(556, false)]);
        let table: toml::Table = toml::from_str(&text).expect(&text);
        let expected: toml::Table = toml::from_str("[[link]]\nresource = 555\ngroup = 45901").expect("TOML");
        assert_eq!(table, expected);
    }
}
