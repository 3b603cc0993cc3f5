//! Which changes of alerts are still to be posted to `alert.url`. Pure.
//!
//! That an alert is raised or cleared is a letter of its own. What only changes its words replaces a letter that still
//! waits, and is held back for a while, so that an error whose text flickers fills nobody's chat. What was told last is
//! kept over a restart: nothing is told twice, and what was raised before is cleared after.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::Mono;
use crate::report::{Alert, AlertKind};

/// How many letters wait at most; beyond that the oldest go.
const WAITING_MAX: usize = 64;
/// Other words of an alert that stands are not told sooner than this after its last letter.
const WORDS_APART: Duration = Duration::from_secs(60);
/// How long after a start an alert of the last run may take to show whether it still stands.
const SETTLED_AFTER: Duration = Duration::from_secs(60);
/// The longest text, in characters: what a chat shows.
const TEXT_MAX: usize = 1_000;
/// The longest letter; one with more detail goes without it.
const BODY_BYTES: usize = 64 << 10;

/// What the receiver knows of an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    active: bool,
    message: String,
}

/// What the receiver knows, by alert.
pub type AllTold = BTreeMap<AlertKind, Told>;

/// One change to be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    /// Which alert.
    pub kind: AlertKind,
    /// As it is now.
    pub alert: Alert,
    /// Not before.
    due: Mono,
}

/// The letters that wait.
#[derive(Clone, Debug, Default)]
pub struct Letters {
    told: AllTold,
    waiting: VecDeque<Letter>,
    posted: BTreeMap<AlertKind, Mono>,
    /// Alerts that the last run raised, until this one knows of them.
    inherited: Vec<AlertKind>,
}

impl Letters {
    /// None waits; the receiver was told that, by this run or the last.
    pub fn new(told: AllTold, now: Mono) -> Letters {
        let inherited: Vec<AlertKind> = told.iter().filter(|(_, told)| told.active).map(|(kind, _)| *kind).collect();
        let posted = inherited.iter().map(|kind| (*kind, now)).collect();
        Letters { told, inherited, posted, ..Letters::default() }
    }

    /// An alert changed.
    pub fn note(&mut self, kind: AlertKind, alert: &Alert, now: Mono) {
        self.inherited.retain(|other| *other != kind);
        // Other words that still wait are overtaken by what is said now.
        let last = self.waiting.iter().rposition(|letter| letter.kind == kind);
        let before = last.map(|at| self.waiting[at].alert.active).or(self.told.get(&kind).map(|told| told.active));
        match last {
            Some(at) if before == Some(alert.active) => self.waiting[at].alert = alert.clone(),
            _ if before.unwrap_or(false) == alert.active => {
                if self.told.get(&kind).is_some_and(|told| alert.active && told.message != alert.message) {
                    let due = self.posted.get(&kind).map_or(now, |posted| posted.plus(WORDS_APART).max(now));
                    self.push(Letter { kind, alert: alert.clone(), due });
                }
            }
            _ => {
                if self.told.get(&kind).is_some_and(|told| told.active) {
                    self.waiting.retain(|letter| letter.kind != kind || !letter.alert.active);
                }
                self.push(Letter { kind, alert: alert.clone(), due: now });
            }
        }
    }

    /// Clears what the last run raised and this one, by now, should know of. `since`: how long it runs and knows both
    /// clouds.
    pub fn settle(&mut self, since: Duration, after: Duration, now: Mono, alerts: &BTreeMap<AlertKind, Alert>) {
        if since < after.saturating_add(SETTLED_AFTER) {
            return;
        }
        for kind in std::mem::take(&mut self.inherited) {
            if let Some(alert) = alerts.get(&kind).filter(|alert| !alert.active) {
                self.push(Letter { kind, alert: alert.clone(), due: now });
            }
        }
    }

    fn push(&mut self, letter: Letter) {
        if self.waiting.len() >= WAITING_MAX {
            self.waiting.pop_front();
        }
        self.waiting.push_back(letter);
    }

    /// The letter to be posted next, and when: now, or later. Each alert's in their order.
    pub fn next(&self, now: Mono) -> Option<(Mono, &Letter)> {
        let mut seen = Vec::new();
        let first_of_each = self.waiting.iter().filter(|letter| {
            let first = !seen.contains(&letter.kind);
            seen.push(letter.kind);
            first
        });
        first_of_each.map(|letter| (letter.due.max(now), letter)).min_by_key(|(due, _)| *due)
    }

    /// That letter was posted: what the receiver knows now.
    pub fn posted(&mut self, letter: &Letter, now: Mono) -> AllTold {
        self.drop(letter);
        self.posted.insert(letter.kind, now);
        let told = Told { active: letter.alert.active, message: letter.alert.message.clone() };
        self.told.insert(letter.kind, told);
        self.told.clone()
    }

    /// The receiver does not want that letter.
    pub fn drop(&mut self, letter: &Letter) {
        let first = self.waiting.iter().position(|waiting| waiting.kind == letter.kind);
        let Some(at) = first.filter(|at| self.waiting[*at].alert.active == letter.alert.active) else { return };
        // Where its words have changed meanwhile, the new ones are still to be told.
        if self.waiting[at].alert == letter.alert {
            self.waiting.remove(at);
        } else {
            self.waiting[at].due = letter.due.plus(WORDS_APART);
        }
    }
}

/// The letter as JSON: a text that a chat shows (`text` for most, `content` for Discord), and the alert's own fields.
pub fn body(site: &str, letter: &Letter) -> Vec<u8> {
    let (name, alert) = (letter.kind.name(), &letter.alert);
    let text = match alert.active {
        true => format!("Gatehouse {site}, {name}: {}", alert.message),
        false => format!("Gatehouse {site}, {name}: all well again"),
    };
    // Chats read these as links and calls to everybody.
    let text: String = text.replace('<', "‹").replace('>', "›").chars().take(TEXT_MAX).collect();
    let whole = |detail: &Value| {
        json!({
            "text": text, "content": text, "allowed_mentions": {"parse": []},
            "site": site, "alert": name, "active": alert.active, "since": alert.since, "message": alert.message,
            "detail": detail,
        })
        .to_string()
        .into_bytes()
    };
    let body = whole(&alert.detail);
    if body.len() <= BODY_BYTES { body } else { whole(&Value::Null) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Mono {
        Mono(Duration::from_secs(second))
    }

    fn alert(active: bool, message: &str) -> Alert {
        let since = chrono::DateTime::from_timestamp(1_795_600_000, 0).expect("a time");
        Alert { active, since, message: message.to_owned(), detail: Value::Null }
    }

    /// Posts whatever is due at that second.
    fn post(letters: &mut Letters, second: u64) -> Vec<(AlertKind, bool, String)> {
        let mut out = Vec::new();
        while let Some((_, letter)) = letters.next(at(second)).filter(|(due, _)| *due <= at(second)) {
            let letter = letter.clone();
            letters.posted(&letter, at(second));
            out.push((letter.kind, letter.alert.active, letter.alert.message));
        }
        out
    }

    const KISI: AlertKind = AlertKind::Kisi;

    #[test]
    fn each_raising_and_clearing_is_told_once_in_its_order_though_the_receiver_was_away() {
        let mut letters = Letters::default();
        for (second, active) in [(1, true), (2, false), (3, true), (4, false)] {
            letters.note(KISI, &alert(active, if active { "away" } else { "" }), at(second));
        }
        letters.note(AlertKind::Guard, &alert(true, "held"), at(5));
        let told: Vec<_> = post(&mut letters, 9).into_iter().map(|(kind, active, _)| (kind, active)).collect();
        let kisis: Vec<bool> = told.iter().filter(|(kind, _)| *kind == KISI).map(|(_, active)| *active).collect();
        assert_eq!(kisis, [true, false, true, false]);
        assert!(told.contains(&(AlertKind::Guard, true)) && post(&mut letters, 10).is_empty());
    }

    #[test]
    fn other_words_are_told_a_minute_apart_the_newest_alone() {
        let mut letters = Letters::default();
        letters.note(KISI, &alert(true, "refused"), at(0));
        assert_eq!(post(&mut letters, 0).len(), 1);
        for second in 1..50 {
            letters.note(KISI, &alert(true, &format!("no answer {second}")), at(second));
            assert!(post(&mut letters, second).is_empty(), "{second}");
        }
        assert_eq!(post(&mut letters, 60), [(KISI, true, "no answer 49".to_owned())]);
        // Words that still wait are overtaken by the clearing, which waits for nothing; also where they are just on
        // their way.
        letters.note(KISI, &alert(true, "again"), at(61));
        let on_its_way = letters.next(at(120)).map(|(_, letter)| letter.clone()).expect("a letter");
        letters.note(KISI, &alert(false, ""), at(121));
        letters.posted(&on_its_way, at(121));
        assert_eq!(post(&mut letters, 121), [(KISI, false, String::new())]);
    }

    #[test]
    fn over_a_restart_nothing_is_told_twice_and_what_was_raised_is_cleared() {
        let mut letters = Letters::default();
        letters.note(KISI, &alert(true, "away"), at(0));
        letters.note(AlertKind::Links, &alert(true, "no e-mail"), at(0));
        let letter = letters.next(at(0)).map(|(_, letter)| letter.clone()).expect("a letter");
        letters.posted(&letter, at(0));
        let letter = letters.next(at(0)).map(|(_, letter)| letter.clone()).expect("a letter");
        let told = letters.posted(&letter, at(0));

        let mut letters = Letters::new(told, at(0));
        letters.note(AlertKind::Links, &alert(true, "no e-mail"), at(1));
        let well = BTreeMap::from([(KISI, alert(false, ""))]);
        letters.settle(Duration::from_secs(100), Duration::from_secs(60), at(100), &well);
        assert!(post(&mut letters, 100).is_empty(), "too early to say");
        letters.settle(Duration::from_secs(130), Duration::from_secs(60), at(130), &well);
        assert_eq!(post(&mut letters, 130), [(KISI, false, String::new())]);
    }

    #[test]
    fn letters_have_a_limit_in_number_and_in_length() {
        let mut letters = Letters::default();
        for n in 0..1_000 {
            letters.note(KISI, &alert(n % 2 == 0, "x"), at(n));
        }
        assert_eq!(letters.waiting.len(), WAITING_MAX);
        let long = Alert { detail: json!("x".repeat(100_000)), ..alert(true, &"<!everyone> ".repeat(1_000)) };
        let body = body("harbour-house", &Letter { kind: KISI, alert: long, due: at(0) });
        assert!(body.len() < BODY_BYTES);
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        let text = body["text"].as_str().expect("a text");
        assert!(text.chars().count() == TEXT_MAX && !text.contains('<') && body["content"] == body["text"]);
        assert_eq!((&body["alert"], &body["active"]), (&json!("kisi"), &json!(true)));
    }
}
