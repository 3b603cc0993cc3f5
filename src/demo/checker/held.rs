//! What Kisi held: every version of every row, by person and group, and whether the person could use it.

use std::collections::{BTreeMap, BTreeSet};

use super::Evidence;
use super::knowledge::CALLS;
use super::oracle::Pair;
use super::time::{EVER, Ms, NEVER, Windows, ms, seconds};
use crate::demo::diary::Trouble;
use crate::twin::kisi::{Assignee, Creator, Scope};

/// The longest that a row may be missing while it is replaced by DELETE and POST: two calls of up to 400 ms each, and
/// their way through a loop.
const REPLACED: Ms = seconds(3);

/// One version of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The row.
    pub row: u64,
    /// Whose it is.
    pub user: u64,
    /// The group it really is in: the pair's, or an alternate.
    pub group: u64,
    /// Whether the gateway's key made it.
    pub ours: bool,
    /// From when Kisi held it.
    pub since: Ms,
    /// Until when.
    pub until: Ms,
    /// From when it was valid.
    pub valid_from: Ms,
    /// Until when.
    pub valid_until: Ms,
}

impl Held {
    /// When it opened doors.
    pub fn open(&self) -> (Ms, Ms) {
        (self.since.max(self.valid_from), self.until.min(self.valid_until))
    }

    /// Whether Kisi held it at that moment.
    pub fn held_at(&self, at: Ms) -> bool {
        self.since <= at && at < self.until
    }

    /// Whether it opened doors at that moment.
    pub fn opens_at(&self, at: Ms) -> bool {
        let (from, until) = self.open();
        from <= at && at < until
    }
}

/// Everything that Kisi held in linked groups, by person and group. An alternate counts as the group it stands in for.
#[derive(Debug, Default)]
pub struct Roster {
    /// Versions in the order in which they began.
    pub pairs: BTreeMap<Pair, Vec<Held>>,
    /// When each user was not suspended.
    enabled: BTreeMap<u64, Windows>,
    /// Users by e-mail in lower case.
    users: BTreeMap<String, u64>,
    /// The e-mail of every user there ever was, in lower case.
    pub emails: BTreeMap<u64, String>,
    /// When each user held a row of any scope that the gateway's key didn't make, by themself or through a team.
    pub others: BTreeMap<u64, Windows>,
    /// Rows that the gateway's key made.
    pub ours: BTreeSet<u64>,
    /// When the gateway had no power.
    down: Vec<(Ms, Ms)>,
}

impl Roster {
    /// Gathers it from Kisi's history.
    pub fn gather(evidence: &Evidence<'_>) -> Roster {
        let kisi = evidence.kisi;
        let mut roster = Roster::default();
        let every = kisi.history().emails.iter();
        roster.emails = every.map(|(id, email)| (*id, email.trim().to_lowercase())).collect();
        roster.users = kisi.users().map(|user| (user.email.trim().to_lowercase(), user.id)).collect();
        let down = evidence.diary.spans(Trouble::Gateway, evidence.day.until);
        roster.down = down.iter().map(|span| (ms(span.from), ms(span.until))).collect();
        let mut others: BTreeMap<u64, Vec<(Ms, Ms)>> = BTreeMap::new();
        for version in kisi.history().assignments.iter().filter(|row| !evidence.made_by_key(row.created_by)) {
            let span = (ms(version.since), version.until.map_or(NEVER, ms));
            let users = match version.assignee {
                Assignee::User(user) => vec![user],
                Assignee::Team(id) => {
                    kisi.teams().find(|team| team.id == id).map(|team| team.members.clone()).unwrap_or_default()
                }
                Assignee::Guest(_) => Vec::new(),
            };
            users.into_iter().for_each(|user| others.entry(user).or_default().push(span));
        }
        roster.others = others.into_iter().map(|(user, spans)| (user, Windows::merged(spans))).collect();
        for version in &kisi.history().assignments {
            let (Scope::Group(group), Assignee::User(user)) = (version.scope, version.assignee) else { continue };
            let ours = version.created_by == Creator::User(evidence.key_user);
            if ours {
                roster.ours.insert(version.id);
            }
            // A row of ours in a group that no link names is kept, too: nothing entitles to it.
            if !ours && !evidence.settings.is_linked(group) {
                continue;
            }
            let email = roster.emails.get(&user).cloned().unwrap_or_else(|| format!("kisi:{user}"));
            let held = Held {
                row: version.id,
                user,
                group,
                ours,
                since: ms(version.since),
                until: version.until.map_or(NEVER, ms),
                valid_from: version.valid_from.map_or(EVER, ms),
                valid_until: version.valid_until.map_or(NEVER, ms),
            };
            roster.pairs.entry((email, evidence.settings.base_group(group))).or_default().push(held);
        }
        let mut spans: BTreeMap<u64, Vec<(Ms, Ms)>> = BTreeMap::new();
        for span in kisi.history().access.iter().filter(|span| span.enabled) {
            spans.entry(span.user).or_default().push((ms(span.since), span.until.map_or(NEVER, ms)));
        }
        roster.enabled = spans.into_iter().map(|(user, spans)| (user, Windows::merged(spans))).collect();
        roster
    }

    /// The versions of a pair.
    pub fn of(&self, pair: &Pair) -> &[Held] {
        self.pairs.get(pair).map_or(&[], Vec::as_slice)
    }

    /// The user of an e-mail in lower case.
    pub fn user(&self, email: &str) -> Option<u64> {
        self.users.get(email).copied()
    }

    /// Whether a user of that e-mail was enabled at that moment. Who was deleted and made anew has had several.
    pub fn enabled(&self, email: &str, at: Ms) -> bool {
        let users = self.emails.iter().filter(|(_, theirs)| *theirs == email).map(|(user, _)| user);
        users.filter_map(|user| self.enabled.get(user)).any(|spans| spans.contains(at))
    }

    /// When the person could use the group, whoever made the row. The moments in which a row was being replaced are
    /// no gaps.
    pub fn usable(&self, pair: &Pair) -> Windows {
        let users: BTreeSet<u64> = self.of(pair).iter().map(|held| held.user).collect();
        let usable = users.into_iter().flat_map(|user| {
            let rows = self.of(pair).iter().filter(|held| held.user == user);
            let open = Windows::joined(rows.map(Held::open).collect(), |end| self.replaced_by(end));
            let enabled = self.enabled.get(&user).map(|enabled| open.and(enabled)).unwrap_or_default();
            enabled.iter().collect::<Vec<_>>()
        });
        Windows::merged(usable.collect())
    }

    /// By when a row that went at that moment in order to be replaced has to be there again. Where the power goes
    /// between the two calls, the second is the first thing after the start (rules 3).
    pub fn replaced_by(&self, at: Ms) -> Ms {
        let mut down = self.down.iter().filter(|(from, until)| *from <= at.saturating_add(REPLACED) && at <= *until);
        down.next().map_or(at.saturating_add(REPLACED), |(_, until)| until.saturating_add(CALLS))
    }

    /// When a row made by another hand took the pair's slot.
    pub fn foreign(&self, pair: &Pair) -> Windows {
        Windows::merged(self.of(pair).iter().filter(|held| !held.ours).map(|held| (held.since, held.until)).collect())
    }

    /// Every moment at which something about a pair's rows begins or ends.
    pub fn edges(&self, pair: &Pair) -> Vec<Ms> {
        let times = self.of(pair).iter().flat_map(|held| [held.since, held.until, held.valid_from, held.valid_until]);
        times.filter(|at| *at != EVER && *at != NEVER).collect()
    }
}
