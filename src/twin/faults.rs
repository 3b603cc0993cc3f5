//! The faults that both twins can have: slow, refused, hung, cut, lost, other answers, wrong dates.
//!
//! A core asks [`Faults::meet`] what a request runs into, and lets [`Encounter::answer`] do or skip the work. The rest
//! of what a cloud may do in one way or another is in each twin's own switches. Everything here is a value that can be
//! written as JSON, so that a twin is steered alike from Rust and, through [`super::control`], from a shell.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::http::{Answer, Fate, Request, Response};

/// The most rules that may stand at once.
const RULES_MAX: usize = 1_000;

/// One fault: whom it meets, how often, and what it does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Only requests of this method; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Only requests whose path begins so; all when empty.
    #[serde(default)]
    pub path: String,
    /// How many matching requests pass unharmed first.
    #[serde(default)]
    pub skip: u32,
    /// How many requests it meets before it is gone; until taken off when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// What it does.
    pub effect: Effect,
}

/// What a fault does to a request or its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Says this instead; the work isn't done.
    Instead(Says),
    /// Does the work, then says this: a gateway's 502 in front of a write that went through.
    Afterwards(Says),
    /// Changes the rows of a JSON answer.
    Tamper(Tamper),
    /// Never works on the request and never answers. (An answer that comes too late is a `delay_ms`.)
    Hang,
    /// Does the work, ends the connection after so many bytes of the body.
    Cut(usize),
    /// Does the work, ends the connection without an answer.
    Lose,
    /// Ends the connection at once; the work isn't done.
    Refuse,
    /// Answers so much later, in milliseconds. Delays add up.
    DelayMs(u64),
    /// Puts the `date` header wrong by so many milliseconds. Skews add up.
    DateSkewMs(i64),
}

/// An answer as it is told to a twin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Says {
    /// The status code.
    pub status: u16,
    /// Headers; a body without a `content-type` among them goes as `application/json`.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The body as it is, which may be no JSON at all.
    #[serde(default)]
    pub body: String,
}

/// A change of the rows of an answer: the objects of a bare array or of an array within the top object, else the top
/// object itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tamper {
    /// Keys that every row gets.
    #[serde(default)]
    pub set: serde_json::Map<String, serde_json::Value>,
    /// Keys that every row loses.
    #[serde(default)]
    pub remove: Vec<String>,
    /// Only this row, counted from 0; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<usize>,
}

/// All faults of one twin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// Nothing listens: every connection is refused and open ones are cut.
    pub down: bool,
    /// Every answer takes a time between these two, in milliseconds, drawn from `seed`.
    pub latency_ms: (u64, u64),
    /// Where the draws stand; the same seed gives the same run.
    pub seed: u64,
    /// Tried in this order. All that match are met; of answers and of fates only the first.
    pub rules: Vec<Rule>,
}

/// What one request runs into.
#[derive(Clone, Debug)]
pub struct Encounter {
    instead: Option<Says>,
    afterwards: Option<Says>,
    tamper: Vec<Tamper>,
    fate: Fate,
    delay: Duration,
    skew: TimeDelta,
}

impl Rule {
    /// A rule for every request whose path begins with `path`, until it is taken off.
    pub fn on(path: &str, effect: Effect) -> Rule {
        Rule { method: None, path: path.to_owned(), skip: 0, times: None, effect }
    }

    /// The same rule for one method only.
    pub fn method(mut self, method: &str) -> Rule {
        self.method = Some(method.to_owned());
        self
    }

    /// The same rule for so many requests only.
    pub fn times(mut self, times: u32) -> Rule {
        self.times = Some(times);
        self
    }

    /// The same rule after so many matching requests have passed.
    pub fn skip(mut self, skip: u32) -> Rule {
        self.skip = skip;
        self
    }

    fn matches(&self, request: &Request) -> bool {
        self.times != Some(0)
            && self.method.as_ref().is_none_or(|m| m.eq_ignore_ascii_case(&request.method))
            && request.path.starts_with(&self.path)
    }
}

impl Says {
    /// That status with that body.
    pub fn new(status: u16, body: &str) -> Says {
        Says { status, headers: Vec::new(), body: body.to_owned() }
    }

    /// The same with one more header, its name in lower case.
    pub fn header(mut self, name: &str, value: &str) -> Says {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn response(self) -> Response {
        let mut headers: Vec<_> = self.headers.into_iter().map(|(n, v)| (n.to_ascii_lowercase(), v)).collect();
        if !self.body.is_empty() && !headers.iter().any(|(n, _)| n == "content-type") {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        Response { status: self.status, headers, body: Bytes::from(self.body) }
    }
}

impl Faults {
    /// Adds a rule behind those that stand. Beyond 1,000 rules the oldest goes.
    pub fn add(&mut self, rule: Rule) {
        if self.rules.len() >= RULES_MAX {
            self.rules.remove(0);
        }
        self.rules.push(rule);
    }

    /// Takes every rule off; latency and `down` stay.
    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// What this request runs into; rules with a count are used up by it.
    pub fn meet(&mut self, request: &Request) -> Encounter {
        let mut met = Encounter {
            instead: None,
            afterwards: None,
            tamper: Vec::new(),
            fate: Fate::Deliver,
            delay: Duration::from_millis(self.draw()),
            skew: TimeDelta::zero(),
        };
        if self.rules.is_empty() {
            return met;
        }
        for rule in self.rules.iter_mut().filter(|r| r.matches(request)) {
            if rule.skip > 0 {
                rule.skip -= 1;
            } else if met.take(&rule.effect)
                && let Some(times) = &mut rule.times
            {
                *times -= 1;
            }
        }
        self.rules.retain(|r| r.times != Some(0));
        met
    }

    fn draw(&mut self) -> u64 {
        let (least, most) = self.latency_ms;
        if most <= least {
            return least;
        }
        let mut rng = fastrand::Rng::with_seed(self.seed);
        let drawn = rng.u64(least..=most);
        self.seed = rng.get_seed();
        drawn
    }
}

impl Encounter {
    /// Notes what a rule does. False where an earlier rule has taken that place already.
    fn take(&mut self, effect: &Effect) -> bool {
        let said = self.instead.is_some() || self.afterwards.is_some();
        match effect {
            Effect::Instead(says) if !said => self.instead = Some(says.clone()),
            Effect::Afterwards(says) if !said => self.afterwards = Some(says.clone()),
            Effect::Instead(_) | Effect::Afterwards(_) => return false,
            Effect::Tamper(tamper) => self.tamper.push(tamper.clone()),
            Effect::DelayMs(ms) => self.delay = self.delay.saturating_add(Duration::from_millis(*ms)),
            Effect::DateSkewMs(ms) => self.skew += TimeDelta::try_milliseconds(*ms).unwrap_or_default(),
            _ if self.fate != Fate::Deliver => return false,
            Effect::Hang => self.fate = Fate::Hang,
            Effect::Cut(bytes) => self.fate = Fate::Cut(*bytes),
            Effect::Lose => self.fate = Fate::Lose,
            Effect::Refuse => self.fate = Fate::Refuse,
        }
        true
    }

    /// Does `work` unless a fault keeps it from being done, and gives what comes of it.
    pub fn answer(self, now: DateTime<Utc>, work: impl FnOnce() -> Response) -> Answer {
        let mut response = match (self.instead, self.fate) {
            (Some(says), _) => says.response(),
            (None, Fate::Hang | Fate::Refuse) => Response { status: 503, headers: Vec::new(), body: Bytes::new() },
            (None, _) => work(),
        };
        if let Some(says) = self.afterwards {
            response = says.response();
        }
        for tamper in &self.tamper {
            tamper.apply(&mut response);
        }
        if !self.skew.is_zero() {
            let at = now + TimeDelta::from_std(self.delay).unwrap_or_default() + self.skew;
            response.headers.push(("date".to_owned(), imf_fixdate(at)));
        }
        Answer { response, delay: self.delay, fate: self.fate }
    }
}

impl Tamper {
    fn apply(&self, response: &mut Response) {
        let Ok(mut value) = serde_json::from_slice::<serde_json::Value>(&response.body) else { return };
        for (at, row) in rows(&mut value).into_iter().enumerate() {
            if self.row.is_none_or(|only| only == at) {
                row.retain(|key, _| !self.remove.contains(key));
                row.extend(self.set.clone());
            }
        }
        response.body = Bytes::from(value.to_string());
    }
}

/// The objects that an answer lists.
fn rows(value: &mut serde_json::Value) -> Vec<&mut serde_json::Map<String, serde_json::Value>> {
    use serde_json::Value;
    let within = value.as_object().is_some_and(|top| top.values().any(Value::is_array));
    let listed: Vec<&mut Value> = if within {
        let fields = value.as_object_mut().into_iter().flat_map(serde_json::Map::values_mut);
        fields.filter_map(Value::as_array_mut).flatten().collect()
    } else if value.is_array() {
        value.as_array_mut().into_iter().flatten().collect()
    } else {
        vec![value]
    };
    listed.into_iter().filter_map(Value::as_object_mut).collect()
}

/// A moment as HTTP's `Date` writes it (RFC 9110, 5.6.7).
pub fn imf_fixdate(at: DateTime<Utc>) -> String {
    at.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str) -> Request {
        Request { method: "GET".into(), path: path.into(), ..Request::default() }
    }

    fn done() -> Response {
        Response { status: 200, headers: vec![], body: Bytes::from_static(br#"{"Records":[{"a":1},{"a":2}]}"#) }
    }

    /// The counts are what a test of retries leans on: used up only by requests that they met, in the order given.
    #[test]
    fn a_rule_meets_as_many_requests_as_it_says_and_the_work_behind_instead_is_not_done() {
        let mut faults = Faults::default();
        faults.add(Rule::on("/a", Effect::Instead(Says::new(503, ""))).method("get").skip(1).times(2));
        faults.add(Rule::on("", Effect::DelayMs(7)));
        let mut worked = Vec::new();
        for path in ["/a/1", "/b", "/a/2", "/a/3", "/a/4"] {
            let answer = faults.meet(&get(path)).answer(DateTime::UNIX_EPOCH, || {
                worked.push(path);
                done()
            });
            assert_eq!(answer.delay, Duration::from_millis(7));
            assert_eq!(answer.response.status, if worked.contains(&path) { 200 } else { 503 });
        }
        assert_eq!(worked, ["/a/1", "/b", "/a/4"]);
        assert_eq!(faults.rules.len(), 1);
    }

    #[test]
    fn lost_work_is_done_and_hung_work_is_not() {
        for (effect, fate, expected) in [
            (Effect::Lose, Fate::Lose, true),
            (Effect::Cut(3), Fate::Cut(3), true),
            (Effect::Hang, Fate::Hang, false),
            (Effect::Refuse, Fate::Refuse, false),
        ] {
            let mut faults = Faults::default();
            faults.add(Rule::on("/", effect));
            let mut worked = false;
            let answer = faults.meet(&get("/x")).answer(DateTime::UNIX_EPOCH, || {
                worked = true;
                done()
            });
            assert_eq!((answer.fate, worked), (fate, expected));
        }
    }

    #[test]
    fn rows_are_tampered_with_and_the_date_is_skewed() {
        let mut faults: Faults = serde_json::from_str(
            r#"{"latency_ms":[5,50],"seed":7,"rules":[{"effect":{"tamper":{"set":{"new":true},"remove":["a"],"row":1}}},
                {"effect":{"date_skew_ms":-3600000}}]}"#,
        )
        .unwrap();
        let mut again = faults.clone();
        let answer = faults.meet(&get("/x")).answer(DateTime::UNIX_EPOCH + TimeDelta::hours(2), done);
        assert_eq!(answer.response.body, r#"{"Records":[{"a":1},{"new":true}]}"#);
        assert!(answer.response.headers.iter().any(|(_, v)| v == "Thu, 01 Jan 1970 01:00:00 GMT"));
        assert!((5..=50).contains(&(answer.delay.as_millis() as u64)));
        assert_eq!(again.meet(&get("/x")).answer(DateTime::UNIX_EPOCH, done).delay, answer.delay);
    }
}
