//! The checker: each promise of contract 6, against what the twins themselves remember.
//!
//! It has its own reading of the rules, over the twins' own JSON, and shares no code with the gateway. It walks the day
//! minute by minute, and second by second around every moment at which something begins, ends or falls due. A promise
//! for which nothing could be compared counts as broken: no evidence is no proof.

mod access;
mod ending;
mod events;
mod excuse;
mod held;
mod knowledge;
mod lockout;
mod mass;
mod oracle;
mod outage;
mod ownership;
mod secrets;
pub(super) mod time;
mod traffic;
mod trust;

use chrono::SubsecRound as _;
use serde::Serialize;
use serde_json::Value;

pub use outage::SideBySide;
pub use traffic::Traffic;

use super::diary::{Diary, Trouble};
use super::settings::Settings;
use super::{Moment, Span};
use crate::twin::kisi::{Creator, KisiTwin};
use crate::twin::nexudus::history::History;
use excuse::Excuses;
use held::Roster;
use knowledge::Knowledge;
use time::{Ms, Wall, ms};

/// One message that reached the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// When, by the twins' own clock.
    pub at: Moment,
    /// The topic.
    pub topic: String,
    /// The payload.
    pub payload: Vec<u8>,
    /// Whether it was to be kept.
    pub retained: bool,
}

/// What the gateway left behind: a log, a page, a file of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// What it is, for people.
    pub name: String,
    /// All of it.
    pub bytes: Vec<u8>,
}

/// Everything that the checker goes by.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// What the gateway was told.
    pub settings: &'a Settings,
    /// From the gateway's first start until the end.
    pub day: Span,
    /// What Nexudus held when.
    pub nexudus: &'a History,
    /// What Kisi held when.
    pub kisi: &'a KisiTwin,
    /// The Kisi user of the gateway's key.
    pub key_user: u64,
    /// Which door is in which group: group, door.
    pub ties: &'a [(u64, u64)],
    /// Which reader is at which door: reader, door.
    pub readers: &'a [(u64, u64)],
    /// What was done to the world.
    pub diary: &'a Diary,
    /// What reached the broker, in that order.
    pub published: &'a [Published],
    /// Logs, pages, the store's files.
    pub left: &'a [Left],
    /// Secrets that must be found nowhere: name, secret.
    pub canaries: &'a [(&'static str, String)],
}

impl Evidence<'_> {
    /// When the gateway ran.
    fn runs(&self) -> Vec<Span> {
        let mut runs = Vec::new();
        let mut from = self.day.from;
        for down in self.diary.spans(Trouble::Gateway, self.day.until) {
            runs.push(Span::new(from, down.from));
            from = down.until;
        }
        runs.push(Span::new(from, self.day.until));
        runs.retain(|run| run.from < run.until);
        runs
    }

    /// Whether Kisi had no user of that e-mail when the day began.
    fn user_made_in_the_day(&self, email: &str) -> bool {
        self.kisi.user_by_email(email).is_none_or(|user| user.created_at >= self.day.from)
    }

    /// The JSON that reached the topics that begin so, with its time.
    fn told(&self, beginning: &str) -> impl Iterator<Item = (Ms, &str, Value)> {
        let topic = format!("{}/{beginning}", self.settings.root());
        self.published.iter().filter_map(move |message| {
            let rest = message.topic.strip_prefix(&topic)?;
            Some((ms(message.at), rest, serde_json::from_slice(&message.payload).ok()?))
        })
    }

    /// When an alert stood, as the broker was told.
    fn alert(&self, kind: &str) -> Vec<(Ms, Ms)> {
        let mut spans = Vec::new();
        let mut since = None;
        for (at, rest, alert) in self.told("alert/") {
            match (rest == kind, alert["active"].as_bool(), since) {
                (true, Some(true), None) => since = Some(at),
                (true, Some(false), Some(from)) => {
                    spans.push((from, at));
                    since = None;
                }
                _ => {}
            }
        }
        spans.extend(since.map(|from| (from, ms(self.day.until))));
        spans
    }

    fn made_by_key(&self, created_by: Creator) -> bool {
        created_by == Creator::User(self.key_user)
    }
}

/// What became of one promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Promise {
    /// Its number in contract 6.
    pub number: u8,
    /// Its name there.
    pub name: &'static str,
    /// Whether it was kept.
    pub kept: bool,
    /// How many comparisons were made.
    pub checked: u64,
    /// What was compared, or the first breaks: who, which group, when.
    pub detail: String,
    /// Every break, in words.
    #[serde(skip)]
    pub breaks: Vec<String>,
}

/// All that the checker found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The eight promises.
    pub promises: Vec<Promise>,
    /// Every try at a door during the outage, what Kisi held and what the door did.
    pub outage: Vec<SideBySide>,
    /// How many calls there were, and whether any quota was overrun.
    pub traffic: Traffic,
}

impl Report {
    /// Whether every promise was kept.
    pub fn kept(&self) -> bool {
        self.promises.iter().all(|promise| promise.kept)
    }
}

/// Why nothing could be checked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// The zone is not in this machine's tzdata.
    #[error("the zone {0} is not known here: install tzdata")]
    Zone(String),
}

/// Breaks and comparisons of one promise, while it is being checked.
#[derive(Debug, Default)]
struct Findings {
    checked: u64,
    breaks: Vec<String>,
    notes: Vec<String>,
}

/// How many breaks a detail names.
const NAMED: usize = 4;

impl Findings {
    /// Notes one comparison, and a break where it failed.
    fn expect(&mut self, right: bool, otherwise: impl FnOnce() -> String) {
        self.checked += 1;
        if !right {
            self.breaks.push(otherwise());
        }
    }

    /// A break that rests on no single comparison.
    fn breach(&mut self, what: String) {
        self.breaks.push(what);
    }

    /// Says what was compared.
    fn note(&mut self, what: String) {
        self.notes.push(what);
    }

    fn promise(self, number: u8, name: &'static str) -> Promise {
        let more = self.breaks.len().saturating_sub(NAMED);
        let mut lines: Vec<String> = self.breaks.iter().take(NAMED).cloned().collect();
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        let found = !lines.is_empty();
        if self.checked == 0 {
            lines.push("nothing could be compared".to_owned());
        }
        let kept = !found && self.checked > 0;
        lines.extend(self.notes);
        Promise { number, name, kept, checked: self.checked, detail: lines.join("; "), breaks: self.breaks }
    }
}

/// Checks every promise.
///
/// # Errors
/// When the site's zone is not known on this machine.
pub fn check(evidence: &Evidence<'_>) -> Result<Report, CheckError> {
    let unknown = |_| CheckError::Zone(evidence.settings.zone.clone());
    let wall = Wall(jiff::tz::TimeZone::get(&evidence.settings.zone).map_err(unknown)?);
    let paces: Vec<(Ms, i64, i64)> = evidence
        .told("status")
        .filter_map(|(at, _, status)| {
            let pace = &status["pace"];
            Some((at, pace["changes_s"].as_i64()?, pace["refresh_s"].as_i64()?))
        })
        .collect();
    let knowledge = Knowledge::gather(evidence, &wall, &paces);
    let roster = Roster::gather(evidence);
    let excuses = Excuses::gather(evidence, &roster, &knowledge.calendar);
    let case = Case { evidence, wall: &wall, knowledge: &knowledge, roster: &roster, excuses: &excuses };
    let traffic = Traffic::count(evidence);
    let promises = vec![
        access::only_while_entitled(&case).promise(1, "Only while entitled"),
        access::in_time(&case, &traffic).promise(2, "In time"),
        ownership::only_its_own(&case).promise(3, "Only its own"),
        events::none_lost(&case).promise(4, "No event lost"),
        lockout::none_by_mistake(&case).promise(5, "No mass lock-out by mistake"),
        trust::no_wrong_clock(&case).promise(6, "No decision on a wrong clock"),
        ending::any_moment(&case).promise(7, "Any moment may be the last"),
        secrets::stay_secret(&case).promise(8, "Secrets stay secret"),
    ];
    Ok(Report { promises, outage: outage::side_by_side(&case), traffic })
}

/// The evidence, and what was made of it.
struct Case<'a> {
    evidence: &'a Evidence<'a>,
    wall: &'a Wall,
    knowledge: &'a Knowledge,
    roster: &'a Roster,
    excuses: &'a Excuses,
}

impl Case<'_> {
    fn begins(&self) -> Ms {
        ms(self.evidence.day.from)
    }

    fn ends(&self) -> Ms {
        ms(self.evidence.day.until.trunc_subsecs(0))
    }

    /// When a trouble stood.
    fn spans(&self, trouble: Trouble) -> Vec<(Ms, Ms)> {
        let spans = self.evidence.diary.spans(trouble, self.evidence.day.until);
        spans.iter().map(|span| (ms(span.from), ms(span.until))).collect()
    }

    /// Every person and group of whom anything is known on either side.
    fn pairs(&self) -> std::collections::BTreeSet<&oracle::Pair> {
        self.knowledge.pairs.keys().chain(self.roster.pairs.keys()).collect()
    }

    /// Whether the gateway's key made that user, by that moment.
    fn made_user(&self, user: u64, by: Ms) -> bool {
        self.evidence.kisi.history().events.values().any(|event| {
            event.kind == "user.create"
                && event.actor.as_ref().is_some_and(|actor| actor.id == self.evidence.key_user)
                && event.object.as_ref().is_some_and(|object| object.1 == user)
                && ms(event.created_at) <= by
        })
    }

    /// The Kisi users whose e-mail a customer ever had who may be touched.
    fn customers(&self) -> std::collections::BTreeSet<u64> {
        let records = self.evidence.nexudus.records(crate::twin::nexudus::Entity::Coworker);
        let rows = records.flat_map(|(_, versions)| versions).map(|version| &version.row);
        let emails = rows.map(|row| row["Email"].as_str().unwrap_or_default().trim().to_lowercase());
        let emails: std::collections::BTreeSet<String> =
            emails.filter(|email| !oracle::never(self.evidence.settings, email)).collect();
        let users = self.roster.emails.iter();
        users.filter(|(_, email)| emails.contains(*email)).map(|(user, _)| *user).collect()
    }

    fn show(&self, at: Ms) -> String {
        // Of a day alone the time says enough.
        match self.ends() - self.begins() > time::seconds(20 * 3_600) {
            true => self.wall.show_dated(at),
            false => self.wall.show(at),
        }
    }
}

#[cfg(test)]
mod tests;
