//! `[[link]]`: one Nexudus item tied to one Kisi group (rules 1), and what links must hold together.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

use super::section::Section;
use super::settings::Access;
use super::value::{BOOL, ID, Refusal, SPAN};
use crate::domain::{DeskId, GroupId, Item, Link, PassKindId, PlanId, ResourceId};

const ITEMS: [&str; 4] = ["resource", "pass", "desk", "plan"];
const ONE_ITEM: &str = "exactly one of resource, pass, desk and plan";

/// A link as far as it could be read.
struct Drawn<'s> {
    section: &'s Section<'s>,
    item: Option<Item>,
    group: Option<GroupId>,
    alternate: Option<GroupId>,
}

/// The right links, in the order of the file.
pub(super) fn links(root: &Section<'_>, access: &Access) -> Vec<Link> {
    let sections = root.sections("link");
    let drawn: Vec<Drawn<'_>> = sections.iter().map(draw).collect();
    refuse_twice(&drawn);
    refuse_alternates(&drawn);
    drawn.iter().filter_map(|drawn| link(drawn, access)).collect()
}

fn draw<'s>(section: &'s Section<'s>) -> Drawn<'s> {
    Drawn {
        section,
        item: item(section),
        group: section.required("group", &ID).map(GroupId),
        alternate: section.optional("alternate", &ID).map(GroupId),
    }
}

fn link(&Drawn { section, item, group, alternate }: &Drawn<'_>, access: &Access) -> Option<Link> {
    let before = section.or("before", &SPAN, access.before);
    let after = section.or("after", &SPAN, access.after);
    let share_with_team = section.or("share_with_team", &BOOL, false);
    let ignore_slots = section.or("ignore_slots", &BOOL, false);
    let item = item?;
    let resource = matches!(item, Item::Resource(_));
    let fitting = [
        ("before", resource, "a link of a resource"),
        ("after", resource, "a link of a resource"),
        ("share_with_team", !resource, "a link of a pass, a desk or a plan"),
        ("ignore_slots", matches!(item, Item::Pass(_)), "a link of a pass"),
    ];
    for (key, fits, allowed) in fitting {
        if let (Some(entry), false) = (section.get(key), fits) {
            entry.refuse_key(&format!("this key means nothing for a {}", kind(item)), &format!("only in {allowed}"));
        }
    }
    Some(Link { item, group: group?, alternate, before, after, share_with_team, ignore_slots })
}

fn item(section: &Section<'_>) -> Option<Item> {
    let mut named = ITEMS.into_iter().filter(|key| section.get(key).is_some());
    let Some(key) = named.next() else {
        section.missing_any(&ITEMS, ONE_ITEM);
        return None;
    };
    for second in named {
        if let Some(entry) = section.get(second) {
            entry.refuse_key(&format!("a second item: this link already names a {key}"), ONE_ITEM);
        }
    }
    let id = section.optional(key, &ID)?;
    Some(match key {
        "resource" => Item::Resource(ResourceId(id)),
        "pass" => Item::Pass(PassKindId(id)),
        "desk" => Item::Desk(DeskId(id)),
        _ => Item::Plan(PlanId(id)),
    })
}

fn kind(item: Item) -> &'static str {
    match item {
        Item::Resource(_) => "resource",
        Item::Pass(_) => "pass",
        Item::Desk(_) => "desk",
        Item::Plan(_) => "plan",
    }
}

/// The same item and the same group may stand in one link alone.
fn refuse_twice(links: &[Drawn<'_>]) {
    let mut seen: BTreeMap<(Item, GroupId), usize> = BTreeMap::new();
    for Drawn { section, item, group, .. } in links {
        let (Some(item), Some(group), Some(entry)) = (*item, *group, section.get("group")) else { continue };
        match seen.entry((item, group)) {
            Slot::Vacant(slot) => _ = slot.insert(section.line()),
            Slot::Occupied(first) => {
                let message =
                    format!("a duplicate of the link on line {}: the same item and the same group", first.get());
                entry.refuse(Refusal::new(message), &format!("{item} with group {group} in one link alone"));
            }
        }
    }
}

/// An alternate takes a group's next window, so no link may give windows of its own to it (rules 3).
fn refuse_alternates(links: &[Drawn<'_>]) {
    let mut served: BTreeMap<GroupId, GroupId> = BTreeMap::new();
    let mut alternates: BTreeMap<GroupId, GroupId> = BTreeMap::new();
    for Drawn { section, group, alternate, .. } in links {
        let (Some(alternate), Some(entry)) = (*alternate, section.get("alternate")) else { continue };
        let allowed = "a group with the same doors that no link names as its group";
        if *group == Some(alternate) {
            entry.refuse(Refusal::new("the link's own group"), allowed);
        } else if let Some(other) = links.iter().find(|other| other.group == Some(alternate)) {
            let message = format!("this is the group of the link on line {}", other.section.line());
            entry.refuse(Refusal::new(message), allowed);
        }
        let Some(group) = *group else { continue };
        if *alternates.entry(group).or_insert(alternate) != alternate {
            section.report.warn(&entry.key, "another link gives this group another alternate: the first one counts");
        }
        if *served.entry(alternate).or_insert(group) != group {
            section.report.warn(&entry.key, "two groups share this alternate: a person has one slot there for both");
        }
    }
}
