//! Other hands on linked groups: who makes rows there, and whether again and again (rules 5, promise 3).

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::plan::Drift;
use super::reconcile::Known;
use super::{AssignmentId, GroupId, Timestamp, UserId};

/// At how many moments new rows of one hand make 'again and again'.
const MOMENTS: usize = 3;
/// Within how long.
const WITHIN: TimeDelta = TimeDelta::hours(24);
/// Rows that show up within so long of each other were made in one go.
const ONE_GO: TimeDelta = TimeDelta::minutes(1);
/// How many rows of one hand, each for somebody with a grant just there, can hardly be chance.
const MATCHING: usize = 3;
/// How many hands are remembered, and how many rows of each.
const HANDS_MAX: usize = 20;
const ROWS_MAX: usize = 5_000;

/// What is remembered of other hands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Hands(Vec<(UserId, Hand)>);

/// What is remembered of one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Hand {
    /// Its rows that stand.
    rows: BTreeSet<AssignmentId>,
    /// When rows of it were met for the first time, lately.
    moments: Vec<Timestamp>,
}

/// Somebody else who writes in linked groups as if they were theirs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Writer {
    /// The Kisi user.
    pub created_by: UserId,
    /// It is our key's own user: another program or a person uses it too.
    pub own_key: bool,
    /// The site whose Gatehouse it seems to be: that marked holders of its rows.
    pub site: Option<String>,
    /// How many rows of it stand in linked groups.
    pub assignments: usize,
    /// How many of them are where a grant needs the place.
    pub matching: usize,
    /// In which groups.
    pub groups: BTreeSet<GroupId>,
}

impl Hands {
    /// Takes in which rows of other hands stand at `now`.
    pub fn observe(&mut self, known: &Known<'_>, drift: &[Drift]) {
        let now = known.now;
        let standing = by_hand(known, drift);
        for (_, hand) in &mut self.0 {
            hand.moments.retain(|at| now - *at < WITHIN);
        }
        for (by, rows) in &standing {
            let rows: BTreeSet<AssignmentId> = rows.iter().map(|(row, ..)| *row).take(ROWS_MAX).collect();
            let at = self.0.iter().position(|(of, _)| of == by).unwrap_or_else(|| {
                self.0.push((*by, Hand::default()));
                self.0.len() - 1
            });
            let Some((_, hand)) = self.0.get_mut(at) else { continue };
            let new = rows.difference(&hand.rows).next().is_some();
            if new && hand.moments.last().is_none_or(|last| now - *last >= ONE_GO) {
                hand.moments.push(now);
                let surplus = hand.moments.len().saturating_sub(MOMENTS);
                hand.moments.drain(..surplus);
            }
            hand.rows = rows;
        }
        self.0.retain(|(by, hand)| standing.contains_key(by) || !hand.moments.is_empty());
        for (by, hand) in &mut self.0 {
            if !standing.contains_key(by) {
                hand.rows.clear();
            }
        }
        while self.0.len() > HANDS_MAX {
            let oldest = self.0.iter().enumerate().min_by_key(|(_, (_, hand))| hand.moments.last());
            let Some(at) = oldest.map(|(at, _)| at) else { break };
            self.0.remove(at);
        }
    }

    /// Who writes again and again, or for so many who have a grant just there that it can hardly be by hand.
    pub fn writers(&self, known: &Known<'_>, drift: &[Drift]) -> Vec<Writer> {
        let again = |by: UserId| self.0.iter().any(|(of, hand)| *of == by && hand.moments.len() >= MOMENTS);
        let all = by_hand(known, drift).into_iter().map(|(by, rows)| {
            let site = rows.iter().find_map(|(_, user, ..)| {
                let marked = known.roster.users.get(user)?.marked_site();
                marked.filter(|site| *site != known.rules.site)
            });
            Writer {
                created_by: by,
                own_key: Some(by) == known.own_user,
                site,
                assignments: rows.len(),
                matching: rows.iter().filter(|(.., in_the_way)| *in_the_way).count(),
                groups: rows.iter().map(|(_, _, group, _)| *group).collect(),
            }
        });
        all.filter(|writer| again(writer.created_by) || writer.matching >= MATCHING).collect()
    }
}

type Theirs = (AssignmentId, UserId, GroupId, bool);

fn by_hand(known: &Known<'_>, drift: &[Drift]) -> BTreeMap<UserId, Vec<Theirs>> {
    let mut out: BTreeMap<UserId, Vec<Theirs>> = BTreeMap::new();
    for drift in drift {
        match drift {
            Drift::ForeignRow { row, user, group, created_by: Some(by), in_the_way } => {
                out.entry(*by).or_default().push((*row, *user, *group, *in_the_way));
            }
            Drift::Candidate { row, user, group } => {
                if let Some(own) = known.own_user {
                    out.entry(own).or_default().push((*row, *user, *group, false));
                }
            }
            _ => {}
        }
    }
    out
}

impl std::fmt::Display for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let groups: Vec<String> = self.groups.iter().map(ToString::to_string).collect();
        let (by, groups) = (self.created_by, groups.join(", "));
        match (&self.site, self.own_key) {
            (Some(site), _) => write!(
                f,
                "the Gatehouse of site '{site}' (Kisi user {by}) writes in groups that are linked here too ({groups}): \
                 link each group at one site alone, or the two undo each other"
            ),
            (None, true) => write!(
                f,
                "our key's own Kisi user {by} makes assignments in linked groups ({groups}) that Gatehouse did not make, \
                 again and again: another program or a person uses it. Give Gatehouse a Kisi user of its own; what is \
                 there is taken over by 'gatehouse adopt --created-by {by}'"
            ),
            (None, false) => write!(
                f,
                "Kisi user {by} writes in linked groups ({groups}) again and again: a second writer, such as Nexudus' own \
                 Kisi integration. Two writers undo each other: switch that one off for these groups, then take over \
                 what it made by 'gatehouse adopt --created-by {by}'"
            ),
        }
    }
}
