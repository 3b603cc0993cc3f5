//! Whether a request is a retained message (contract 4): pure books on what waits until the broker has told.
//!
//! MQTT 3.1.1 takes the retain flag off for a subscription that stands (3.3.1.3), so that a request published with it
//! looks like any other. But whoever subscribes is sent what is retained there, with the flag (3.8.4). So each request
//! waits for a *look*: its topic is subscribed to once more, by its own name, and after it a topic on which something
//! always is retained, our own availability. When that comes, whatever lies on the topics asked for before has come.
//! It rests on a broker that keeps a message no later than it passes it on, and sends what it keeps in the order in
//! which it was asked; `docs/topics.md` says which do.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::commands::Command;
use crate::clock::Mono;

/// How long a request waits for the broker to tell whether it is retained. Of the machine's time: in a demo that runs
/// faster the broker does not.
pub(super) const LOOK_LIMIT: Duration = Duration::from_secs(3);

/// A request that is right and waits.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Request {
    /// The command's name in the topic.
    pub(super) name: String,
    /// The payload as it came.
    pub(super) payload: Bytes,
    /// The sender's id.
    pub(super) id: Value,
    /// What it asks for.
    pub(super) command: Command,
    /// How long it waits at most.
    pub(super) until: Mono,
}

/// What became of a request's wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It does not lie at the broker.
    Passing,
    /// It lies, or lay, at the broker.
    Retained,
    /// The broker did not tell.
    Unknown,
}

#[derive(Debug)]
struct Entry {
    request: Request,
    /// The look that is under way covers it: the topic was asked for after it had come.
    asked: bool,
    retained: bool,
}

/// The requests that wait, oldest first.
#[derive(Debug, Default)]
pub(super) struct Looks {
    waiting: VecDeque<Entry>,
}

impl Looks {
    /// How many requests wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether a look is under way.
    pub(super) fn under_way(&self) -> bool {
        self.waiting.iter().any(|entry| entry.asked)
    }

    /// Whether this very message waits already: while a topic is looked at, two subscriptions match, and a broker may
    /// send a copy for each (MQTT 3.1.1, 3.3.5).
    pub(super) fn holds(&self, name: &str, payload: &Bytes) -> bool {
        self.waiting.iter().any(|entry| entry.request.name == name && entry.request.payload == *payload)
    }

    /// Adds a request.
    pub(super) fn wait(&mut self, request: Request) {
        self.waiting.push_back(Entry { request, asked: false, retained: false });
    }

    /// Begins a look where requests wait and none is under way: the names of the commands to ask for, else none.
    pub(super) fn begin(&mut self) -> BTreeSet<String> {
        if self.under_way() {
            return BTreeSet::new();
        }
        self.waiting.iter_mut().for_each(|entry| entry.asked = true);
        self.waiting.iter().map(|entry| entry.request.name.clone()).collect()
    }

    /// A retained message came. Where it is one that waits, those before it on that topic may have been retained too,
    /// each until the next.
    pub(super) fn lies(&mut self, name: &str, payload: &Bytes) {
        let same = |entry: &Entry| entry.request.name == name && entry.request.payload == *payload;
        let upto = self.waiting.iter().rposition(same).map_or(0, |at| at + 1);
        self.mark(name, upto);
    }

    /// What was retained on that topic was cleared: perhaps one that waits.
    pub(super) fn cleared(&mut self, name: &str) {
        self.mark(name, self.waiting.len());
    }

    fn mark(&mut self, name: &str, upto: usize) {
        let those = self.waiting.iter_mut().take(upto).filter(|entry| entry.request.name == name);
        those.for_each(|entry| entry.retained = true);
    }

    /// The look is over: what it covered, in the order in which it came. The rest waits for the next one.
    pub(super) fn over(&mut self) -> Vec<(Request, Found)> {
        let (covered, rest): (Vec<Entry>, Vec<Entry>) = self.waiting.drain(..).partition(|entry| entry.asked);
        self.waiting = rest.into();
        let found = |entry: &Entry| if entry.retained { Found::Retained } else { Found::Passing };
        covered.into_iter().map(|entry| (found(&entry), entry.request)).map(|(found, it)| (it, found)).collect()
    }

    /// The broker does not tell: all that waits, in the order in which it came.
    pub(super) fn give_up(&mut self) -> Vec<(Request, Found)> {
        let found = |entry: &Entry| if entry.retained { Found::Retained } else { Found::Unknown };
        self.waiting.drain(..).map(|entry| (found(&entry), entry.request)).map(|(found, it)| (it, found)).collect()
    }

    /// When the oldest has waited for too long.
    pub(super) fn due(&self) -> Option<Mono> {
        self.waiting.iter().map(|entry| entry.request.until).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(requests: &[(&str, &str)]) -> Looks {
        let mut looks = Looks::default();
        for (name, payload) in requests {
            looks.wait(request(name, payload));
        }
        looks
    }

    fn request(name: &str, payload: &str) -> Request {
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        Request { name: name.to_owned(), payload, id: Value::Null, command: Command::Pause, until: Mono(LOOK_LIMIT) }
    }

    fn told(found: Vec<(Request, Found)>) -> Vec<(String, Found)> {
        found.into_iter().map(|(it, found)| (String::from_utf8(it.payload.to_vec()).unwrap(), found)).collect()
    }

    fn of(payload: &str, found: Found) -> (String, Found) {
        (payload.to_owned(), found)
    }

    /// A retained one that another replaced was retained too; one that came after it, or on another topic, was not.
    #[test]
    fn contract_4_what_lies_at_the_broker_taints_what_came_before_it_on_its_topic() {
        let mut waiting = looks(&[("pause", "a"), ("unlock", "b"), ("pause", "c"), ("pause", "d")]);
        assert_eq!(waiting.begin(), ["pause".to_owned(), "unlock".to_owned()].into());
        waiting.lies("pause", &Bytes::from("c"));
        waiting.lies("unlock", &Bytes::from("old"));
        let [a, c] = ["a", "c"].map(|payload| of(payload, Found::Retained));
        let [b, d] = ["b", "d"].map(|payload| of(payload, Found::Passing));
        assert_eq!(told(waiting.over()), [a, b, c, d]);

        let mut waiting = looks(&[("pause", "a"), ("unlock", "b")]);
        waiting.begin();
        waiting.cleared("pause");
        assert_eq!(told(waiting.over()), [of("a", Found::Retained), of("b", Found::Passing)]);
    }

    /// A look tells nothing of what came after it was begun.
    #[test]
    fn contract_4_what_comes_during_a_look_waits_for_the_next() {
        let mut waiting = looks(&[("pause", "a")]);
        waiting.begin();
        waiting.wait(request("pause", "b"));
        assert!(waiting.begin().is_empty());
        assert_eq!(told(waiting.over()), [of("a", Found::Passing)]);
        assert_eq!((waiting.begin().len(), waiting.due()), (1, Some(Mono(LOOK_LIMIT))));
        assert_eq!(told(waiting.give_up()), [of("b", Found::Unknown)]);
        assert_eq!((waiting.begin().len(), waiting.due()), (0, None));
    }
}
