//! A puppet in the gateway's place: it looks into the twins' memories every few seconds, writes to Kisi over HTTP, and
//! can be told to do wrong. It is no gateway: it has no network, no store and no clock to doubt.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::demo::checker::oracle::{self, Pair};
use crate::demo::checker::time::{EVER, Ms, NEVER, Wall, Windows, ms, seconds};
use crate::demo::checker::{Evidence, Left, Published, Report, check};
use crate::demo::diary::Trouble;
use crate::demo::script::{Agenda, Stage};
use crate::demo::settings::Settings;
use crate::demo::site::{self, Built, KEY_USER, at, start};
use crate::demo::{Moment, Span};
use crate::twin::http::{Cloud as _, Request};
use crate::twin::kisi::{Assignee, Creator, Scope};

/// What the puppet does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    Nothing,
    LateClosing,
    EarlyOpening,
    ForeignRow,
    LostEvent,
    MassRemoval,
    NeverReadsAgain,
    WritesAtAWrongTime,
    TellsASecret,
    LeavesRowsAfterTheKill,
    AsksTooMuch,
    MixesUpADoorsEvents,
    EditsAGroup,
}

pub struct Puppet {
    pub built: Built,
    settings: Settings,
    wrong: Wrong,
    until: Moment,
    stage: Stage,
    published: Vec<Published>,
    sent: BTreeSet<String>,
    latest: BTreeMap<u64, Moment>,
    known: BTreeMap<Pair, Windows>,
    known_at: Option<Moment>,
    wake: Ms,
    granted: BTreeMap<String, Ms>,
    suspended: BTreeSet<String>,
    alerts: BTreeMap<&'static str, bool>,
    call: i64,
    done: bool,
}

impl Puppet {
    /// The day, as far as until then.
    pub fn day(wrong: Wrong, until: Moment) -> Report {
        let mut puppet = Puppet::new(wrong, until);
        puppet.run(Agenda::of(&puppet.built.site));
        puppet.judged()
    }

    pub fn new(wrong: Wrong, until: Moment) -> Puppet {
        Puppet {
            built: site::build().unwrap(),
            settings: site::settings(),
            wrong,
            until,
            stage: Stage::new(),
            published: Vec::new(),
            sent: BTreeSet::new(),
            latest: BTreeMap::new(),
            known: BTreeMap::new(),
            known_at: None,
            wake: 0,
            granted: BTreeMap::new(),
            suspended: BTreeSet::new(),
            alerts: BTreeMap::new(),
            call: 0,
            done: false,
        }
    }

    fn run(&mut self, mut agenda: Agenda) {
        let mut now = start();
        while now < self.until {
            while let Some(step) = agenda.due(now) {
                let twins = (&mut self.built.nexudus, &mut self.built.kisi);
                self.stage.perform(&step, twins.0, twins.1, step.at).unwrap();
            }
            self.built.nexudus.at(now);
            self.look(now);
            now += TimeDelta::seconds(10);
        }
    }

    pub fn judged(&self) -> Report {
        let canaries = site::canaries();
        let left = [Left { name: "the log".to_owned(), bytes: b"signed in as gateway@harbour-house.example".to_vec() }];
        let evidence = Evidence {
            settings: &self.settings,
            day: Span::new(start(), self.until),
            nexudus: self.built.nexudus.history(),
            kisi: &self.built.kisi,
            key_user: KEY_USER,
            ties: &self.built.site.ties,
            readers: &self.built.site.readers,
            diary: self.stage.diary(),
            published: &self.published,
            left: &left,
            canaries: &canaries,
        };
        check(&evidence).unwrap()
    }

    fn stands(&self, trouble: Trouble) -> bool {
        self.stage.diary().stands(trouble)
    }

    fn look(&mut self, now: Moment) {
        if self.stands(Trouble::Gateway) {
            // It comes back with nothing but what it can read.
            self.known_at = None;
            return;
        }
        self.call = 0;
        let shrunken = self.stands(Trouble::ShrunkenList);
        self.alert("clock", self.stands(Trouble::BoxClock) || self.stands(Trouble::KisiDate), now);
        self.alert("guard", shrunken, now);
        self.alert("drift", true, now);
        if !self.stands(Trouble::Internet) {
            // What tells it the time.
            if now.timestamp() % 30 == 0 || self.known_at.is_none() {
                self.ask("GET", "/locks", &Value::Null, now);
            }
            if self.wrong == Wrong::AsksTooMuch && now == at(10, 0) {
                (0..8).for_each(|_| assert!(self.send("GET", "/user", &Value::Null, now) > 0));
            }
            self.read(now);
            if !self.stands(Trouble::KisiDate) || self.wrong == Wrong::WritesAtAWrongTime {
                self.write(now);
            }
            self.misbehave(now);
        }
        if now.timestamp() % 30 == 0 && !self.stands(Trouble::Broker) && !self.stands(Trouble::Internet) {
            self.publish_events(now);
        }
    }

    fn read(&mut self, now: Moment) {
        let torn = self.stands(Trouble::EmptyList) || self.stands(Trouble::ShrunkenList);
        if torn && self.wrong != Wrong::MassRemoval {
            return;
        }
        if self.wrong == Wrong::NeverReadsAgain && self.known_at.is_some_and(|at| at > site::at(9, 0)) {
            return;
        }
        let history = self.built.nexudus.history();
        let changed = match self.known_at {
            Some(last) => {
                !oracle::changes(history, last + TimeDelta::milliseconds(1), now + TimeDelta::milliseconds(1))
                    .is_empty()
            }
            None => true,
        };
        let mass = self.wrong == Wrong::MassRemoval && (at(11, 38)..at(11, 50)).contains(&now);
        if changed || mass {
            let wall = Wall(jiff::tz::TimeZone::get(site::ZONE).unwrap());
            self.known = oracle::entitled(history, now, &self.settings, &wall);
            if mass {
                self.known.retain(|(_, group), _| !(46_101..46_400).contains(group));
            }
            self.wake = 0;
        }
        self.known_at = Some(now);
    }

    fn write(&mut self, now: Moment) {
        let t = ms(now);
        if t < self.wake {
            return;
        }
        let mut wake = NEVER;
        let prestage = seconds(self.settings.prestage_s);
        let mut pairs: BTreeMap<Pair, Windows> = self.known.clone();
        let users = self.built.kisi.users().map(|user| (user.id, user.email.trim().to_lowercase()));
        let emails: BTreeMap<u64, String> = users.collect();
        for row in self.built.kisi.assignments().filter(|row| row.created_by == Creator::User(KEY_USER)) {
            if let (Scope::Group(group), Assignee::User(user)) = (row.scope, row.assignee) {
                pairs.entry((emails[&user].clone(), self.settings.base_group(group))).or_default();
            }
        }
        for (pair, windows) in &pairs {
            for (from, until) in windows.iter() {
                let edges = [from.saturating_sub(prestage), from, until, until.saturating_sub(seconds(60))];
                wake = edges.into_iter().filter(|edge| *edge > t).fold(wake, Ms::min);
            }
            if !self.slots(pair, windows, now) {
                wake = 0;
            }
        }
        if !self.accounts(&pairs, now) {
            wake = 0;
        }
        self.wake = wake.min(t + seconds(60));
    }

    /// Brings one pair's rows in line; false where the calls of this look are used up.
    fn slots(&mut self, pair: &Pair, windows: &Windows, now: Moment) -> bool {
        let t = ms(now);
        let (email, group) = pair;
        let alternate = self.settings.links.iter().find(|link| link.group == *group).and_then(|link| link.alternate);
        let slots: Vec<u64> = std::iter::once(*group).chain(alternate).collect();
        let prestage = seconds(self.settings.prestage_s);
        let wanted: Vec<(Ms, Ms)> = windows
            .iter()
            .filter(|(from, until)| *until > t && from.saturating_sub(prestage) <= t)
            .take(slots.len())
            .collect();
        let Some(user) = self.built.kisi.user_by_email(email).map(|user| user.id) else {
            if wanted.is_empty() {
                return true;
            }
            let body = json!({"user": {"email": email, "send_emails": true}});
            return self.ask("POST", "/users", &body, now).is_some() && self.slots(pair, windows, now);
        };
        let mut free = Vec::new();
        let mut missing = wanted.clone();
        for slot in slots {
            let Some(row) = self.built.kisi.assignment(user, slot).cloned() else {
                free.push(slot);
                continue;
            };
            if row.created_by != Creator::User(KEY_USER) {
                return true;
            }
            let held = (row.valid_from.map_or(EVER, ms), row.valid_until.map_or(NEVER, ms));
            let fits = |(from, until): &(Ms, Ms)| {
                let written = self.bent((*from, *until));
                held.1 == written.1 && (held.0 == written.0 || (held.0 <= t && *from <= t))
            };
            let in_force = held.0 <= t && t < held.1.saturating_sub(seconds(60));
            let grows = |(from, until): &(Ms, Ms)| in_force && *from <= t && held.1 < *until;
            if let Some(n) = missing.iter().position(|window| fits(window) || grows(window)) {
                missing.remove(n);
                continue;
            }
            if self.wrong == Wrong::LeavesRowsAfterTheKill && now > at(16, 10) {
                continue;
            }
            // Both calls or neither.
            if self.call + 2 > 16
                || self.ask("DELETE", &format!("/role_assignments/{}", row.id), &Value::Null, now).is_none()
            {
                return false;
            }
            free.push(slot);
        }
        for (window, slot) in missing.into_iter().zip(free) {
            let (from, until) = self.bent(window);
            let text = |at: Ms| match at {
                EVER | NEVER => Value::Null,
                at => json!(chrono::DateTime::from_timestamp_millis(at).unwrap().to_rfc3339()),
            };
            let body = json!({"role_assignment": {"user_id": user, "group_id": slot, "role_id": "group_basic",
                "notify": false, "valid_from": text(from), "valid_until": text(until)}});
            if self.ask("POST", "/role_assignments", &body, now).is_none() {
                return false;
            }
        }
        true
    }

    /// A window as it is written, right or wrong.
    fn bent(&self, (from, until): (Ms, Ms)) -> (Ms, Ms) {
        let off = seconds(600);
        match self.wrong {
            Wrong::LateClosing if until != NEVER => (from, until + off),
            Wrong::EarlyOpening if from > EVER => (from - off, until),
            _ => (from, until),
        }
    }

    fn accounts(&mut self, pairs: &BTreeMap<Pair, Windows>, now: Moment) -> bool {
        let t = ms(now);
        let horizon = t + seconds(self.settings.horizon_s);
        let mut idle: BTreeMap<&str, bool> = BTreeMap::new();
        for ((email, _), windows) in pairs {
            *idle.entry(email).or_insert(true) &= !windows.meets(t, horizon);
        }
        for (email, idle) in idle {
            if !idle {
                self.granted.insert(email.to_owned(), t);
            }
            let Some(user) = self.built.kisi.user_by_email(email) else { continue };
            let made = user.created_at >= start();
            let id = user.id;
            let since = *self.granted.entry(email.to_owned()).or_insert(t);
            let out = made && idle && t - since > seconds(self.settings.no_access_after_s);
            if out != self.suspended.contains(email) {
                let body = json!({"user": {"access_enabled": !out}});
                if self.ask("PATCH", &format!("/users/{id}"), &body, now).is_none() {
                    return false;
                }
                if out {
                    self.suspended.insert(email.to_owned());
                } else {
                    self.suspended.remove(email);
                }
            }
        }
        true
    }

    fn misbehave(&mut self, now: Moment) {
        if self.done || now < at(12, 0) {
            return;
        }
        self.done = true;
        match self.wrong {
            Wrong::ForeignRow => {
                let cleaner = self.built.site.cleaner;
                let row = self.built.kisi.assignment(cleaner, site::room_group(1)).unwrap().id;
                self.ask("DELETE", &format!("/role_assignments/{row}"), &Value::Null, now);
            }
            Wrong::EditsAGroup => {
                self.ask("POST", "/group_locks", &json!({"group_lock": {"group_id": 45_901, "lock_id": 3_302}}), now);
            }
            Wrong::TellsASecret => {
                let secret = &site::canaries()[1].1;
                self.publish("status".to_owned(), &json!({"error": format!("refused: KISI-LOGIN {secret}")}), now);
            }
            _ => {}
        }
        if self.wrong == Wrong::WritesAtAWrongTime {
            self.done = now > at(17, 45);
            if self.done {
                self.ask("PATCH", "/role_assignments/1", &json!({"role_assignment": {}}), now);
            }
        }
    }

    /// A call, a quarter of a second after the one before; `None` where this look has had all it may have.
    fn ask(&mut self, method: &str, path: &str, body: &Value, now: Moment) -> Option<u16> {
        if self.call >= 16 {
            return None;
        }
        let when = now + TimeDelta::milliseconds(300 * self.call);
        self.call += 1;
        Some(self.send(method, path, body, when))
    }

    fn send(&mut self, method: &str, path: &str, body: &Value, when: Moment) -> u16 {
        let key = &site::canaries()[1].1;
        let request = Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: Vec::new(),
            headers: vec![("authorization".to_owned(), format!("KISI-LOGIN {key}"))],
            body: Bytes::from(body.to_string()),
        };
        self.built.kisi.handle(&request, when).response.status
    }

    fn publish(&mut self, topic: String, payload: &Value, now: Moment) {
        let topic = format!("{}/{topic}", self.settings.root());
        self.published.push(Published { at: now, topic, payload: payload.to_string().into_bytes(), retained: false });
    }

    fn alert(&mut self, kind: &'static str, active: bool, now: Moment) {
        if self.stands(Trouble::Broker) || self.alerts.insert(kind, active) == Some(active) {
            return;
        }
        let detail = match (kind, active) {
            ("guard", true) => json!({"plan": "7f", "people": 90, "removals": [{"change": "removed"}]}),
            _ => Value::Null,
        };
        self.publish(format!("alert/{kind}"), &json!({"active": active, "detail": detail}), now);
    }

    fn publish_events(&mut self, now: Moment) {
        let since = now - TimeDelta::minutes(70);
        let mut new: Vec<crate::twin::kisi::Event> = Vec::new();
        for event in self.built.kisi.history().events.range((since, 0)..).map(|(_, event)| event) {
            if event.created_at >= start()
                && event.shown_at.is_some_and(|shown| shown <= now)
                && !self.sent.contains(&event.uuid)
            {
                new.push(event.clone());
            }
        }
        if self.wrong == Wrong::MixesUpADoorsEvents {
            new.reverse();
        }
        for event in new {
            self.sent.insert(event.uuid.clone());
            if self.wrong == Wrong::LostEvent && self.sent.len() == 700 {
                continue;
            }
            let door = event.object.as_ref().and_then(|(kind, id, _)| match kind.as_str() {
                "Lock" => Some(*id),
                "Reader" => Some(id - 2_000),
                _ => None,
            });
            let late = match door {
                Some(door) => {
                    let latest = self.latest.entry(door).or_insert(event.created_at);
                    let late = event.created_at < *latest;
                    *latest = event.created_at.max(*latest);
                    late && self.wrong != Wrong::MixesUpADoorsEvents
                }
                None => false,
            };
            let topic = door.map_or_else(|| format!("event/{}", event.kind), |door| format!("door/{door}/event"));
            let time = event.created_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
            self.publish(topic, &json!({"uuid": event.uuid, "time": time, "type": event.kind, "late": late}), now);
        }
    }
}
