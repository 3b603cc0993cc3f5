//! A second reading of the rules, from Nexudus' own records: who may use which group when, as things stood at a moment.
//!
//! Written from rules 1 to 3 alone, over the twin's JSON. It shares nothing with the gateway.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde_json::Value;

use super::super::Moment;
use super::super::settings::{Item, Settings};
use super::time::{EVER, Ms, NEVER, Wall, Windows, instant, ms, seconds};
use crate::twin::nexudus::Entity;
use crate::twin::nexudus::history::History;

/// A person, by e-mail in lower case, and a Kisi group.
pub type Pair = (String, u64);

/// The kinds of record on which a grant can rest.
pub const SOURCES: [Entity; 8] = [
    Entity::Booking,
    Entity::Coworker,
    Entity::CoworkerTimePass,
    Entity::TimePass,
    Entity::TimePassTimeSlot,
    Entity::CoworkerContract,
    Entity::ContractPausedPeriod,
    Entity::Team,
];

/// All windows of everybody by what Nexudus held at that moment.
pub fn entitled(history: &History, at: Moment, settings: &Settings, wall: &Wall) -> BTreeMap<Pair, Windows> {
    let state = State::read(history, at, settings, wall);
    let mut all: BTreeMap<Pair, Vec<(Ms, Ms)>> = BTreeMap::new();
    for link in &settings.links {
        let grants = match link.item {
            Item::Resource(id) => {
                let (before, after) =
                    (link.before_s.unwrap_or(settings.before_s), link.after_s.unwrap_or(settings.after_s));
                state.bookings(id, before, after)
            }
            Item::Pass(id) => state.passes(id, link.ignore_slots, link.share_with_team),
            Item::Desk(id) => state.contracts(link.share_with_team, |row| desks(row).contains(&id)),
            Item::Plan(id) => state.contracts(link.share_with_team, |row| int(row, "TariffId") == Some(id)),
        };
        for (email, window) in grants {
            all.entry((email, link.group)).or_default().push(window);
        }
    }
    all.into_iter()
        .map(|(pair, windows)| (pair, Windows::merged(windows)))
        .filter(|(_, windows)| !windows.is_empty())
        .collect()
}

/// What the records held.
struct State<'a> {
    settings: &'a Settings,
    wall: &'a Wall,
    history: &'a History,
    at: Moment,
    /// The e-mail of each customer who may have grants.
    emails: BTreeMap<i64, String>,
    /// Customers who are not suspended and have no e-mail: they hold nothing and share all the same.
    nameless: BTreeSet<i64>,
    /// Members, and whether passes are shared.
    teams: Vec<(BTreeSet<i64>, bool)>,
}

fn int(row: &Value, field: &str) -> Option<i64> {
    row[field].as_i64()
}

fn time(row: &Value, field: &str) -> Option<Ms> {
    row[field].as_str().and_then(instant)
}

fn desks(row: &Value) -> Vec<i64> {
    let listed = row["FloorPlanDeskIds"].as_str().unwrap_or_default();
    listed.split(',').filter_map(|id| id.trim().parse().ok()).collect()
}

impl<'a> State<'a> {
    fn read(history: &'a History, at: Moment, settings: &'a Settings, wall: &'a Wall) -> State<'a> {
        let active = |row: &Value| row["Active"] == true && row["Archived"] != true;
        let email = |row: &Value| row["Email"].as_str().unwrap_or_default().trim().to_lowercase();
        let customers = || history.all_at(Entity::Coworker, at).filter(|(_, row)| active(row));
        let emails = customers().map(|(id, row)| (id, email(row)));
        let emails = emails.filter(|(_, email)| !email.is_empty() && !never(settings, email));
        let nameless = customers().filter(|(_, row)| email(row).is_empty()).map(|(id, _)| id);
        let members =
            |row: &Value| row["TeamMembers"].as_array().into_iter().flatten().filter_map(Value::as_i64).collect();
        let teams = history.all_at(Entity::Team, at);
        State {
            settings,
            wall,
            history,
            at,
            emails: emails.collect(),
            nameless: nameless.collect(),
            teams: teams.map(|(_, row)| (members(row), row["ShareTimePasses"] == true)).collect(),
        }
    }

    fn bookings(&self, resource: i64, before_s: i64, after_s: i64) -> Vec<(String, (Ms, Ms))> {
        let rows = self.history.all_at(Entity::Booking, self.at).map(|(_, row)| row);
        rows.filter(|row| int(row, "ResourceId") == Some(resource))
            .filter(|row| self.settings.tentative || row["Tentative"] != true)
            .filter_map(|row| {
                let email = self.emails.get(&int(row, "CoworkerId")?)?;
                let from = time(row, "FromTime")? - seconds(before_s);
                let until = time(row, "ToTime")? + seconds(after_s);
                Some((email.clone(), (from, until)))
            })
            .collect()
    }

    fn passes(&self, kind: i64, ignore_slots: bool, team: bool) -> Vec<(String, (Ms, Ms))> {
        let mut slots = self.history.all_at(Entity::TimePassTimeSlot, self.at);
        if !ignore_slots && slots.any(|(_, row)| int(row, "TimePassId") == Some(kind)) {
            return Vec::new();
        }
        let Some(definition) = self.history.at(Entity::TimePass, kind, self.at) else { return Vec::new() };
        let of_minutes = int(definition, "MinutesIncluded").is_some();
        let rows = self.history.all_at(Entity::CoworkerTimePass, self.at).map(|(_, row)| row);
        let mut out = Vec::new();
        for row in rows.filter(|row| int(row, "TimePassId") == Some(kind)) {
            let until = if of_minutes { self.minutes_left(row) } else { self.day_pass(row) };
            let (Some(until), Some(holder)) = (until, int(row, "CoworkerId")) else { continue };
            let until = until.min(time(row, "ExpireDate").unwrap_or(NEVER));
            out.extend(self.holders(holder, team, true).into_iter().map(|email| (email, (EVER, until))));
        }
        out
    }

    /// Until when a time pass opens, whatever its expiry; `None` where it is spent.
    fn minutes_left(&self, row: &Value) -> Option<Ms> {
        let left = int(row, "RemainingUses").map_or(row["Used"] != true, |left| left > 0);
        left.then_some(NEVER)
    }

    /// Until when a day pass opens, whatever its expiry: an unused one always, a used one until the end of its day.
    fn day_pass(&self, row: &Value) -> Option<Ms> {
        if row["Used"] != true {
            return Some(NEVER);
        }
        let written = row["UsedDate"].as_str()?;
        let literal = written.get(..10).and_then(|day| day.parse::<NaiveDate>().ok());
        let of_instant = instant(written).and_then(|at| self.wall.date(at));
        [literal, of_instant].into_iter().flatten().filter_map(|day| self.wall.midnight(day.succ_opt()?)).max()
    }

    fn contracts(&self, team: bool, linked: impl Fn(&Value) -> bool) -> Vec<(String, (Ms, Ms))> {
        let mut out = Vec::new();
        for (id, row) in self.history.all_at(Entity::CoworkerContract, self.at) {
            let Some(holder) = int(row, "CoworkerId").filter(|_| row["Active"] == true && linked(row)) else {
                continue;
            };
            let windows = self.contract(id, row);
            for email in self.holders(holder, team, false) {
                out.extend(windows.iter().map(|window| (email.clone(), *window)));
            }
        }
        out
    }

    /// A contract's days, less those of its pauses: its own, and those of the list of paused periods.
    fn contract(&self, id: i64, row: &Value) -> Vec<(Ms, Ms)> {
        let local = |field: &str| row[field].as_str()?.get(..10)?.parse::<NaiveDate>().ok();
        let from = local("StartDateLocal").and_then(|day| self.wall.midnight(day)).unwrap_or(EVER);
        let last = local("CancellationDateLocal").and_then(|day| match self.settings.contract_ends_at_start {
            true => self.wall.midnight(day),
            false => self.wall.midnight(day.succ_opt()?),
        });
        let until = last.unwrap_or(NEVER);
        let day_of = |row: &Value, field: &str| self.wall.midnight(self.wall.date(time(row, field)?)?);
        let own = [(day_of(row, "InPausedPeriodFrom"), day_of(row, "InPausedPeriodUntil"))];
        let listed = self.history.all_at(Entity::ContractPausedPeriod, self.at).map(|(_, pause)| pause);
        let listed = listed.filter(|pause| int(pause, "CoworkerContractId") == Some(id));
        let listed = listed.map(|pause| (day_of(pause, "PauseFrom"), day_of(pause, "PauseUntil")));
        let pauses = own.into_iter().filter(|pause| *pause != (None, None)).chain(listed);
        // A side that is missing is open.
        let pauses = Windows::merged(pauses.map(|(from, on)| (from.unwrap_or(EVER), on.unwrap_or(NEVER))).collect());
        let mut open = Vec::new();
        let mut begins = from;
        for (pause, goes_on) in pauses.iter() {
            open.push((begins, until.min(pause)));
            begins = begins.max(goes_on);
        }
        open.push((begins, until));
        open
    }

    /// The customer's e-mail, and those of the team's members where it is shared. Who is suspended shares nothing.
    fn holders(&self, customer: i64, team: bool, of_pass: bool) -> BTreeSet<String> {
        let own = self.emails.get(&customer);
        if own.is_none() && !self.nameless.contains(&customer) {
            return BTreeSet::new();
        }
        let teams =
            self.teams.iter().filter(|(members, shares)| team && members.contains(&customer) && (*shares || !of_pass));
        let others = teams.flat_map(|(members, _)| members).filter_map(|member| self.emails.get(member));
        others.chain(own).cloned().collect()
    }
}

/// Whether somebody is never to be touched.
pub fn never(settings: &Settings, email: &str) -> bool {
    settings.never_touch.iter().any(|pattern| match pattern.strip_prefix('*') {
        Some(ending) => email.ends_with(&ending.to_lowercase()),
        None => email == pattern.to_lowercase(),
    })
}

/// Every moment within `[from, until)` at which a record changed on which a grant can rest.
pub fn changes(history: &History, from: Moment, until: Moment) -> BTreeSet<Moment> {
    let mut all = BTreeSet::new();
    for entity in SOURCES {
        for (_, versions) in history.records(entity) {
            all.extend(versions.iter().flat_map(|version| [Some(version.from), version.until]).flatten());
        }
    }
    all.retain(|at| from <= *at && *at < until);
    all
}

/// The fewest seconds within which a change of that moment has to be in Kisi (promise 2), as a multiple of each pace,
/// the slowest of all records that changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Notice {
    /// A booking that Nexudus marks: within `changes`.
    Marked,
    /// A pass, contract or customer that it marks: within three times that.
    Slower,
    /// Any other change: within `refresh`.
    Silent,
    /// A disappearance: within two, or once `cancelledbookings` has shown it, if that is sooner.
    Gone {
        /// When it is shown there; [`NEVER`] where it isn't.
        shown: Ms,
        /// From when on the list holds anything: an empty one confirms nothing (rules 6).
        listed: Ms,
    },
}

/// Whether two versions of a record give the same grants.
fn same(entity: Entity, one: &Value, other: &Value) -> bool {
    let fields: &[&str] = match entity {
        Entity::Booking => &["ResourceId", "CoworkerId", "FromTime", "ToTime", "Tentative"],
        Entity::Coworker => &["Email", "Active", "Archived"],
        Entity::CoworkerTimePass => &["CoworkerId", "TimePassId", "Used", "UsedDate", "RemainingUses", "ExpireDate"],
        Entity::CoworkerContract => &[
            "CoworkerId",
            "TariffId",
            "StartDateLocal",
            "CancellationDateLocal",
            "Active",
            "FloorPlanDeskIds",
            "InPausedPeriodFrom",
            "InPausedPeriodUntil",
        ],
        Entity::Team => &["TeamMembers", "ShareTimePasses"],
        _ => return one == other,
    };
    fields.iter().all(|field| one[*field] == other[*field])
}

/// How Nexudus shows the changes of that moment.
pub fn notice(history: &History, at: Moment, settings: &Settings) -> Notice {
    let mut slowest = Notice::Marked;
    for entity in SOURCES {
        for (id, versions) in history.records(entity) {
            if let Some(n) = versions.iter().position(|version| version.from == at) {
                let version = &versions[n];
                let before = n.checked_sub(1).map(|n| &versions[n]).filter(|before| before.until == Some(at));
                if before.is_some_and(|before| same(entity, &before.row, &version.row)) {
                    continue;
                }
                let marked = time(&version.row, "UpdatedOn").is_some_and(|told| told == ms(at) / 1_000 * 1_000);
                slowest = slowest.max(match entity {
                    Entity::Booking if marked => Notice::Marked,
                    Entity::Coworker | Entity::CoworkerTimePass | Entity::CoworkerContract if marked => Notice::Slower,
                    _ => Notice::Silent,
                });
            } else if versions.iter().any(|version| version.until == Some(at)) {
                let told = history.cancellations().iter().find(|gone| entity == Entity::Booking && gone.booking == id);
                let shown = told.and_then(|gone| gone.shown_at).map_or(NEVER, ms);
                slowest = slowest.max(Notice::Gone { shown, listed: listed(history, entity, at, settings) });
            }
        }
    }
    slowest
}

/// The first moment from that one on at which a list holds anything. Bookings are asked for from now until `horizon`;
/// what lies beside that may be in the answer or not.
fn listed(history: &History, entity: Entity, at: Moment, settings: &Settings) -> Ms {
    let at = ms(at);
    let inside = |row: &Value| match entity {
        Entity::Booking => {
            time(row, "ToTime").is_some_and(|until| until > at)
                && time(row, "FromTime").is_some_and(|from| from < at + seconds(settings.horizon_s))
        }
        _ => true,
    };
    let versions = history.records(entity).flat_map(|(_, versions)| versions).filter(|version| inside(&version.row));
    let standing = versions.filter(|version| version.until.is_none_or(|until| ms(until) > at));
    standing.map(|version| ms(version.from).max(at)).min().unwrap_or(NEVER)
}
