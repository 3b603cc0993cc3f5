//! Makes the live view's frames from what anybody could see: the messages on the broker, the script's titles, and what
//! Kisi's twin holds. It asks the gateway nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use serde_json::Value;

use super::Moment;
use super::checker::Published;
use super::checker::time::{Wall, instant, ms};
use super::script::Step;
use super::settings::Settings;
use super::site::{KEY_USER, Site};
use super::view::{Frame, Happened, Health, Mood};
use crate::twin::kisi::{Assignee, Assignment, Creator, KisiTwin, Scope};

/// How many lines each list has at most.
const LISTED: usize = 60;
/// How many happenings wait for the next frame; then the oldest are not shown.
const WAITING: usize = 500;

/// Collects, and gives frames.
#[derive(Debug)]
pub struct Feed {
    root: String,
    wall: Wall,
    title: String,
    hints: Vec<String>,
    groups: BTreeMap<u64, String>,
    doors: BTreeMap<u64, String>,
    health: BTreeMap<&'static str, Health>,
    counts: String,
    /// The alerts that stand, by kind, with what each says. All are said anew after every connection.
    alerts: BTreeMap<String, String>,
    /// The topics that tell Home Assistant of an entity each.
    entities: BTreeSet<String>,
    happened: Vec<Happened>,
}

impl Feed {
    /// A feed for that site. `hints`: where to look and what to subscribe to.
    pub fn new(settings: &Settings, site: &Site, hints: Vec<String>) -> Feed {
        Feed {
            root: settings.root(),
            // Times in UTC are better than none.
            wall: Wall(TimeZone::get(&settings.zone).unwrap_or(TimeZone::UTC)),
            title: format!("Gatehouse demo: {}", settings.site),
            hints,
            groups: site.groups.iter().cloned().collect(),
            doors: site.doors.iter().cloned().collect(),
            health: BTreeMap::new(),
            counts: String::new(),
            alerts: BTreeMap::new(),
            entities: BTreeSet::new(),
            happened: Vec::new(),
        }
    }

    /// A step of the script was performed.
    pub fn performed(&mut self, step: &Step) {
        if let Some(title) = &step.title {
            self.add(step.at, format!("-- {title}"), Mood::Fair);
        }
    }

    /// A message reached the broker. What is not JSON of the gateway's is passed over.
    pub fn heard(&mut self, message: &Published) {
        let Some(rest) = message.topic.strip_prefix(&self.root).and_then(|rest| rest.strip_prefix('/')) else {
            return self.elsewhere(message);
        };
        let value: Value = serde_json::from_slice(&message.payload).unwrap_or_default();
        let parts: Vec<&str> = rest.split('/').collect();
        match parts.as_slice() {
            ["status"] => self.status(&value),
            ["availability"] => {
                let said = String::from_utf8_lossy(&message.payload).into_owned();
                let mood = if said == "online" { Mood::Good } else { Mood::Bad };
                self.be("gateway", &said, String::new(), mood);
            }
            ["door", lock, "event"] => self.door(message.at, lock, &value),
            ["membership"] => self.membership(message.at, &value),
            ["alert", kind] => {
                let text = value["message"].as_str().unwrap_or_default().to_owned();
                let active = value["active"] == true;
                let known = if active {
                    self.alerts.insert((*kind).to_owned(), text.clone())
                } else {
                    self.alerts.remove(*kind)
                };
                match (active, known) {
                    (true, Some(known)) if known == text => {}
                    (true, _) => self.add(message.at, format!("alert {kind} {text}"), Mood::Bad),
                    (false, Some(_)) => self.add(message.at, format!("alert over: {kind}"), Mood::Good),
                    (false, None) => {}
                }
            }
            _ => {}
        }
    }

    /// A message that is not below the site's root: Home Assistant's discovery, told in one line.
    fn elsewhere(&mut self, message: &Published) {
        let levels: Vec<&str> = message.topic.rsplit('/').collect();
        let ["config", _, node, ..] = levels.as_slice() else { return };
        if !node.starts_with("gatehouse_") {
            return;
        }
        match message.payload.is_empty() {
            true => _ = self.entities.remove(&message.topic),
            false => _ = self.entities.insert(message.topic.clone()),
        }
        let more = format!("of {} entities, on homeassistant/#", self.entities.len());
        self.be("Home Assistant", "told", more, Mood::Good);
    }

    /// Everything as it is now. What has happened is given once.
    pub fn frame(&mut self, now: Moment, kisi: &KisiTwin) -> Frame {
        let (open, next) = self.windows(now, kisi);
        Frame {
            title: self.title.clone(),
            time: self.wall.show(ms(now)),
            hints: self.hints.clone(),
            health: self.health.values().cloned().collect(),
            counts: self.counts.clone(),
            open,
            next,
            happened: std::mem::take(&mut self.happened),
        }
    }

    fn add(&mut self, at: Moment, text: String, mood: Mood) {
        if self.happened.len() >= WAITING {
            self.happened.remove(0);
        }
        self.happened.push(Happened { at: self.wall.show(ms(at)), text, mood });
    }

    fn be(&mut self, name: &'static str, state: &str, more: String, mood: Mood) {
        self.health.insert(name, Health { name: name.to_owned(), state: state.to_owned(), more, mood });
    }

    fn status(&mut self, status: &Value) {
        for (name, key) in [("Nexudus", "nexudus"), ("Kisi", "kisi"), ("broker", "broker")] {
            let state = status[key]["state"].as_str().unwrap_or("unknown").to_owned();
            let since = status[key]["since"].as_str().and_then(instant).map(|at| self.wall.show(at));
            let error = status[key]["error"].as_str().unwrap_or_default();
            let more = format!("since {} {error}", since.unwrap_or_default());
            let mood = match state.as_str() {
                "online" => Mood::Good,
                "degraded" => Mood::Fair,
                _ => Mood::Bad,
            };
            self.be(name, &state, more, mood);
        }
        let trusted = status["clock"]["trusted"] == true;
        let off = status["clock"]["offset_ms"].as_i64().map(|off| format!("the box is {} s ahead", off / 1_000));
        let (word, mood) = if trusted { ("trusted", Mood::Good) } else { ("unknown", Mood::Bad) };
        self.be("clock", word, off.unwrap_or_default(), mood);
        let counts = status["counts"].as_object().into_iter().flatten();
        self.counts = counts.map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join("  ");
    }

    fn door(&mut self, at: Moment, lock: &str, event: &Value) {
        let known = lock.parse().ok().and_then(|lock: u64| self.doors.get(&lock)).cloned();
        let door = known.unwrap_or_else(|| format!("door {lock}"));
        let who = event["person"]["id"].as_u64().map_or_else(|| "somebody".to_owned(), |id| format!("user {id}"));
        let (word, mood) = match event["success"].as_bool() {
            Some(true) => ("opened for", Mood::Good),
            Some(false) => ("stayed shut for", Mood::Bad),
            None => ("tells of", Mood::Plain),
        };
        let why = event["error"]["message"].as_str().map(|why| format!(": {why}")).unwrap_or_default();
        let late = if event["late"] == true { " (late)" } else { "" };
        self.add(at, format!("{door} {word} {who}{why}{late}"), mood);
    }

    fn membership(&mut self, at: Moment, change: &Value) {
        let group = change["group"].as_u64().map(|group| self.group(group)).unwrap_or_default();
        let who = change["person"]["user"].as_u64().map_or_else(|| "somebody".to_owned(), |id| format!("user {id}"));
        let word = change["change"].as_str().unwrap_or("changed");
        self.add(at, format!("{word} {who} {group}"), Mood::Plain);
    }

    fn group(&self, group: u64) -> String {
        self.groups.get(&group).cloned().unwrap_or_else(|| format!("group {group}"))
    }

    /// Who can open what by the gateway's doing, soonest end first, and what begins or ends next.
    fn windows(&self, now: Moment, kisi: &KisiTwin) -> (Vec<String>, Vec<String>) {
        let names: BTreeMap<u64, &str> =
            kisi.users().map(|user| (user.id, user.name.as_deref().unwrap_or(&user.email))).collect();
        let mut open: Vec<(Option<Moment>, String)> = Vec::new();
        let mut edges: BTreeMap<(Moment, bool, u64), Vec<&str>> = BTreeMap::new();
        for row in kisi.assignments().filter(|row| row.created_by == Creator::User(KEY_USER)) {
            let (Scope::Group(group), Assignee::User(user)) = (row.scope, row.assignee) else { continue };
            let name = names.get(&user).copied().unwrap_or("?");
            let Assignment { valid_from, valid_until, .. } = row;
            let begun = valid_from.is_none_or(|from| from <= now);
            if let Some(from) = valid_from.filter(|from| *from > now) {
                edges.entry((from, true, group)).or_default().push(name);
            }
            if let Some(until) = valid_until.filter(|until| begun && *until > now) {
                edges.entry((until, false, group)).or_default().push(name);
            }
            if begun && valid_until.is_none_or(|until| until > now) {
                let end = valid_until.map_or_else(|| "no end".to_owned(), |until| self.wall.show(ms(until)));
                open.push((*valid_until, format!("{:26} {name:20} until {end}", self.group(group))));
            }
        }
        open.sort_by(|a, b| (a.0.is_none(), a.0, &a.1).cmp(&(b.0.is_none(), b.0, &b.1)));
        let next = edges.into_iter().take(LISTED).map(|((at, opens, group), who)| {
            let word = if opens { "opens for" } else { "closes for" };
            let more = if who.len() > 1 { format!(" and {} more", who.len() - 1) } else { String::new() };
            format!("{} {} {word} {}{more}", self.wall.show(ms(at)), self.group(group), who[0])
        });
        (open.into_iter().take(LISTED).map(|(_, line)| line).collect(), next.collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::demo::site;

    #[test]
    fn a_frame_tells_what_the_broker_heard_and_what_kisi_holds() {
        let mut built = site::build().unwrap();
        let settings = site::settings();
        let user = built.site.people[0].user.unwrap();
        let key = Creator::User(KEY_USER);
        let (now, soon) = (site::at(9, 0), site::at(10, 15));
        for (group, from, until) in [(45_901, site::at(8, 45), soon), (45_902, soon, site::at(12, 0))] {
            let row = Assignment::in_group(user, group, key).window(Some(from), Some(until));
            built.kisi.add_assignment(row, now);
        }
        let mut feed = Feed::new(&settings, &built.site, Vec::new());
        let mut hear = |topic: &str, payload: Value| {
            let topic = format!("gatehouse/harbour-house/{topic}");
            feed.heard(&Published { at: now, topic, payload: payload.to_string().into_bytes(), retained: false });
        };
        hear(
            "status",
            json!({"kisi": {"state": "offline", "since": "2027-10-28T07:59:00Z", "error": "no connection"},
            "clock": {"trusted": true}, "counts": {"people": 231}}),
        );
        hear("door/3306/event", json!({"success": false, "person": {"id": user}, "error": {"message": "not yet"}}));
        hear("alert/store", json!({"active": false, "message": ""}));
        for _ in 0..2 {
            hear("alert/guard", json!({"active": true, "message": "90 removals are held"}));
        }
        hear("alert/guard", json!({"active": false, "message": ""}));
        for (object, payload) in [("a", "{}"), ("b", "{}"), ("a", "{}"), ("b", "")] {
            let topic = format!("homeassistant/lock/gatehouse_harbour-house/{object}/config");
            feed.heard(&Published { at: now, topic, payload: payload.into(), retained: true });
        }
        let frame = feed.frame(now, &built.kisi);
        let kisi = frame.health.iter().find(|health| health.name == "Kisi").unwrap();
        assert_eq!((kisi.state.as_str(), kisi.mood), ("offline", Mood::Bad));
        assert!(kisi.more.contains("08:59:00") && kisi.more.contains("no connection"), "{}", kisi.more);
        assert_eq!(frame.counts, "people 231");
        assert!(frame.open[0].contains("Room Anchor") && frame.open[0].contains("10:15:00"), "{:?}", frame.open);
        assert!(frame.next.iter().any(|line| line.contains("Room Beacon opens")), "{:?}", frame.next);
        let told: Vec<&str> = frame.happened.iter().map(|happened| happened.text.as_str()).collect();
        assert!(told[0].starts_with("Anchor door stayed shut") && told[1].contains("90 removals"), "{told:?}");
        assert_eq!(told[2..], ["alert over: guard"], "an alert that stood, once");
        let discovery = frame.health.iter().find(|health| health.name == "Home Assistant").unwrap();
        assert!(discovery.more.starts_with("of 1 entities"), "{}", discovery.more);
        assert!(feed.frame(now, &built.kisi).happened.is_empty());
    }
}
