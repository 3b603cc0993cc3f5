//! Which Nexudus item might belong to which Kisi group: by their names, or by what Nexudus' own integration was told.
//!
//! Nothing here is taken for granted: each pair has a score, what is doubtful is marked so, and an item without a group
//! that is like it gets none.

use std::collections::{BTreeMap, BTreeSet};

use super::roster::Group;
use super::{GroupId, Item, Link};

/// From this score on a pair that has no rival is proposed as it is.
const SURE: f64 = 0.9;
/// Below it two names are not alike.
const ALIKE: f64 = 0.6;
/// A second group that is less than this behind is a rival.
const RIVAL: f64 = 0.05;

/// An item as Nexudus lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Which.
    pub item: Item,
    /// Its name.
    pub name: String,
    /// The Kisi group that Nexudus keeps for it, as text.
    pub group: Option<String>,
}

/// What is proposed for an item.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// The item.
    pub item: Item,
    /// Its name.
    pub name: String,
    /// The group; `None`: no group fits.
    pub group: Option<GroupId>,
    /// Its name; empty where Kisi does not know the group.
    pub group_name: String,
    /// How alike the names are, 0 to 1; absent where Nexudus named the group.
    pub score: Option<f64>,
    /// Whether it may be pasted as it is; else somebody has to look.
    pub sure: bool,
    /// Why it is not sure, or why there is no group.
    pub doubt: Option<String>,
}

/// Pairs by name. Items that have a link already are left out.
pub fn suggest(items: &[Listed], groups: &BTreeMap<GroupId, Group>, links: &[Link]) -> Vec<Proposal> {
    let linked: BTreeSet<Item> = links.iter().map(|link| link.item).collect();
    let alternates = alternates(links);
    let free: Vec<&Group> = groups.values().filter(|group| !alternates.contains(&group.id)).collect();
    items.iter().filter(|item| !linked.contains(&item.item)).map(|item| likest(item, &free)).collect()
}

fn likest(item: &Listed, groups: &[&Group]) -> Proposal {
    let mut scored: Vec<(f64, &&Group)> = groups
        .iter()
        .map(|group| (alike(&item.name, &group.name), group))
        .filter(|(score, _)| *score >= ALIKE)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.id.cmp(&b.1.id)));
    let Some((score, group)) = scored.first().copied() else {
        return Proposal { doubt: Some("no group has a name like it".to_owned()), ..none(item) };
    };
    let rival = scored.get(1).filter(|(other, _)| score - other < RIVAL);
    let doubt = match rival {
        Some((_, rival)) => Some(format!("group {} '{}' is as much like it", rival.id, rival.name)),
        None if score < SURE => Some("the names differ".to_owned()),
        None => None,
    };
    Proposal {
        group: Some(group.id),
        group_name: group.name.clone(),
        score: Some(score),
        sure: doubt.is_none(),
        doubt,
        ..none(item)
    }
}

/// Pairs that Nexudus keeps. Pairs that have a link already are left out.
pub fn import(items: &[Listed], groups: &BTreeMap<GroupId, Group>, links: &[Link]) -> Vec<Proposal> {
    let linked: BTreeSet<(Item, GroupId)> = links.iter().map(|link| (link.item, link.group)).collect();
    let alternates = alternates(links);
    let told = items.iter().filter_map(|item| item.group.as_deref().map(|text| (item, text.trim())));
    let proposals = told.map(|(item, text)| match text.parse::<u64>().ok().filter(|id| *id > 0).map(GroupId) {
        None => Proposal { doubt: Some(format!("Nexudus names '{text}', which is no number")), ..none(item) },
        Some(id) => {
            let group = groups.get(&id);
            let doubt = match group {
                None => Some("Kisi has no such group".to_owned()),
                Some(_) if alternates.contains(&id) => Some("it is the alternate of a link".to_owned()),
                Some(_) => None,
            };
            let group_name = group.map(|group| group.name.clone()).unwrap_or_default();
            Proposal { group: Some(id), group_name, sure: doubt.is_none(), doubt, ..none(item) }
        }
    });
    proposals.filter(|proposal| proposal.group.is_none_or(|group| !linked.contains(&(proposal.item, group)))).collect()
}

/// Where Nexudus names another group for a linked item than its links do. Gatehouse goes by the links alone; Nexudus'
/// own integration would give that other group.
pub fn disagree(items: &[Listed], links: &[Link]) -> Vec<String> {
    let told = items.iter().filter_map(|listed| Some((listed, listed.group.as_deref()?.trim())));
    let notes = told.filter_map(|(listed, text)| {
        let ours: Vec<&Link> = links.iter().filter(|link| link.item == listed.item).collect();
        let named = |group: &GroupId| group.to_string() == text;
        if ours.is_empty() || ours.iter().any(|link| named(&link.group) || link.alternate.as_ref().is_some_and(named)) {
            return None;
        }
        let groups: Vec<String> = ours.iter().map(|link| link.group.to_string()).collect();
        let (item, name, groups) = (listed.item, &listed.name, groups.join(" and "));
        Some(format!(
            "Nexudus names Kisi group {text} for {item} ('{name}'), and the links name {groups}: correct whichever is \
             wrong; 'gatehouse links import' shows all that Nexudus names"
        ))
    });
    notes.collect()
}

fn alternates(links: &[Link]) -> BTreeSet<GroupId> {
    links.iter().filter_map(|link| link.alternate).collect()
}

fn none(item: &Listed) -> Proposal {
    Proposal {
        item: item.item,
        name: item.name.clone(),
        group: None,
        group_name: String::new(),
        score: None,
        sure: false,
        doubt: None,
    }
}

/// How alike two names are, 0 to 1. Case, accents' case, punctuation and words that say nothing do not count; numbers
/// must be the same ones, since 'Office 1' and 'Office 11' are two offices.
pub fn alike(a: &str, b: &str) -> f64 {
    let (a, b) = (words(a), words(b));
    if a.is_empty() || b.is_empty() {
        return 0.0;
    }
    let numbers = |words: &[String]| -> BTreeSet<String> {
        let digits = words.iter().filter(|word| word.chars().any(|c| c.is_ascii_digit()));
        digits.map(|word| word.trim_start_matches('0').to_owned()).collect()
    };
    if numbers(&a) != numbers(&b) {
        return 0.0;
    }
    let as_written = strsim::normalized_damerau_levenshtein(&a.join(" "), &b.join(" "));
    let sorted = |words: &[String]| {
        let mut words = words.to_vec();
        words.sort();
        words.join(" ")
    };
    // The order of words says little: that costs a little.
    let by_words = 0.98 * strsim::normalized_damerau_levenshtein(&sorted(&a), &sorted(&b));
    as_written.max(by_words)
}

/// Words that rooms, groups and plans are often called by beside their names.
const SAY_NOTHING: [&str; 9] = ["the", "room", "door", "doors", "access", "group", "kisi", "meeting", "plan"];

fn words(name: &str) -> Vec<String> {
    let lower = name.to_lowercase();
    let all: Vec<String> =
        lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    let telling: Vec<String> = all.iter().filter(|word| !SAY_NOTHING.contains(&word.as_str())).cloned().collect();
    // 'Meeting room' is called by nothing else.
    if telling.is_empty() { all } else { telling }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ResourceId;

    fn group(id: u64, name: &str) -> (GroupId, Group) {
        let id = GroupId(id);
        (id, Group { id, name: name.to_owned(), time_restricted: false, doors: vec![] })
    }

    fn item(id: u64, name: &str, group: Option<&str>) -> Listed {
        Listed { item: Item::Resource(ResourceId(id)), name: name.to_owned(), group: group.map(str::to_owned) }
    }

    #[test]
    fn names_are_compared_sensibly() {
        assert!(alike("Boardroom", "boardroom ") > 0.99);
        assert!(alike("The Oak Room", "Room: Oak") > 0.9);
        assert!(alike("Boardroom", "Bordroom") > 0.85);
        assert_eq!(alike("Office 1", "Office 11"), 0.0, "two offices");
        assert!(alike("Office 07", "Office 7") > 0.8);
        assert!(alike("Oak", "Harbour hall") < ALIKE);
    }

    /// What has a rival or differs is not sure, and what has nothing like it gets no group at all.
    #[test]
    fn nothing_is_taken_for_granted() {
        let groups = [group(1, "Boardroom"), group(2, "Oak east"), group(3, "Oak west")].into();
        let items = [item(10, "Boardroom", None), item(11, "Oak", None), item(12, "Pool", None)];
        let told = suggest(&items, &groups, &[]);
        let shown: Vec<(Option<GroupId>, bool)> = told.iter().map(|one| (one.group, one.sure)).collect();
        assert_eq!((shown[0], shown[2]), ((Some(GroupId(1)), true), (None, false)));
        assert!(!shown[1].1, "{told:?}");
    }

    /// Told where Nexudus names another group than every link of the item; not where it names one of them or none, nor
    /// of an item that has no link.
    #[test]
    fn where_nexudus_names_another_group_than_the_links_it_is_told() {
        let link = |id: u64, group: u64, alternate: Option<u64>| Link {
            item: Item::Resource(ResourceId(id)),
            group: GroupId(group),
            alternate: alternate.map(GroupId),
            before: Default::default(),
            after: Default::default(),
            share_with_team: false,
            ignore_slots: false,
        };
        let links = [link(10, 1, None), link(10, 2, None), link(11, 1, Some(3)), link(12, 1, None)];
        let told = |id, group| disagree(&[item(id, "Oak", group)], &links);
        for (id, group) in [(10, Some(" 2 ")), (11, Some("3")), (12, None), (13, Some("9"))] {
            assert_eq!(told(id, group), [""; 0], "{id} {group:?}");
        }
        for (id, group) in [(10, "3"), (11, "12"), (12, "Oak")] {
            let notes = told(id, Some(group));
            assert!(notes.len() == 1 && notes[0].contains(&format!("Kisi group {group} for resource {id} ('Oak')")));
        }
        assert!(told(10, Some("3"))[0].contains("the links name 1 and 2"));
    }

    /// What is pasted must pass `check`: no pair twice, no alternate, no group that is not there.
    #[test]
    fn what_is_imported_can_be_pasted() {
        let groups = [group(1, "Boardroom"), group(2, "Oak")].into();
        let items = [
            item(10, "Boardroom", Some("1")),
            item(11, "Oak", Some("2")),
            item(12, "Elm", Some("77")),
            item(13, "Ash", Some("default")),
            item(14, "Fir", None),
        ];
        let link = Link {
            item: items[0].item,
            group: GroupId(1),
            alternate: None,
            before: std::time::Duration::ZERO,
            after: std::time::Duration::ZERO,
            share_with_team: false,
            ignore_slots: false,
        };
        let told = import(&items, &groups, &[link]);
        let shown: Vec<(u64, bool)> = told
            .iter()
            .map(|one| match one.item {
                Item::Resource(id) => (id.0, one.sure),
                _ => (0, false),
            })
            .collect();
        assert_eq!(shown, [(11, true), (12, false), (13, false)]);
    }
}
