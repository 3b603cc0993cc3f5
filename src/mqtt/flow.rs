//! What one connection owes and is owed: pure bookkeeping, thrown away with the connection.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;

use super::broker::{Message, Token, UNACKED_MAX};
use crate::clock::Mono;
use crate::report::Membership;

/// What a message was, so that its acknowledgement means something.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Sent {
    /// The outbox' row of this number.
    Event(u64),
    /// A change, kept until it is acknowledged.
    Membership(Membership),
    /// A retained topic was cleared.
    Cleared(String),
    /// Retained state and answers: the next connection says the first anew, and nobody waits for the second.
    Other,
}

/// The books of one connection.
#[derive(Debug, Default)]
pub(super) struct Flow {
    unacked: BTreeMap<Token, (Sent, Mono)>,
    /// Retained topics as this connection has published them.
    shown: BTreeMap<String, Bytes>,
    /// Acknowledged rows that the outbox was not told of yet, and since when the first of them waits.
    done: Vec<u64>,
    done_since: Option<Mono>,
}

impl Flow {
    /// How many more messages may be sent now.
    pub(super) fn room(&self) -> usize {
        UNACKED_MAX.saturating_sub(self.unacked.len())
    }

    /// Whether all that was sent is acknowledged.
    pub(super) fn is_settled(&self) -> bool {
        self.unacked.is_empty()
    }

    /// A message was queued.
    pub(super) fn sent(&mut self, token: Token, what: Sent, now: Mono) {
        self.unacked.insert(token, (what, now));
    }

    /// A message was acknowledged. The topic, where it cleared one.
    pub(super) fn acked(&mut self, token: Token, now: Mono) -> Option<String> {
        match self.unacked.remove(&token)?.0 {
            Sent::Event(seq) => {
                self.done.push(seq);
                self.done_since.get_or_insert(now);
                None
            }
            Sent::Cleared(topic) => Some(topic),
            Sent::Membership(_) | Sent::Other => None,
        }
    }

    /// Since when the oldest unacknowledged message waits.
    pub(super) fn oldest_unacked(&self) -> Option<Mono> {
        self.unacked.values().map(|(_, at)| *at).min()
    }

    /// When the outbox has to be told of acknowledged rows: at once where nothing more is to come soon or a window
    /// full of them has gathered, else `gather` after the first. One call for many: each costs the disk a sync.
    pub(super) fn due(&self, gather: Duration) -> Option<Mono> {
        let since = self.done_since?;
        let events_open = self.unacked.values().any(|(what, _)| matches!(what, Sent::Event(_)));
        Some(if !events_open || self.done.len() >= UNACKED_MAX { since } else { since.plus(gather) })
    }

    /// The acknowledged rows that the outbox was not told of yet.
    pub(super) fn take_done(&mut self) -> Vec<u64> {
        self.done_since = None;
        std::mem::take(&mut self.done)
    }

    /// The outbox could not be told: it will be told again from `now` on.
    pub(super) fn put_back_done(&mut self, rows: Vec<u64>, now: Mono) {
        self.done.splice(0..0, rows);
        self.done_since = Some(now);
    }

    /// All that is retained is to be said once more.
    pub(super) fn say_all_anew(&mut self) {
        self.shown.clear();
    }

    /// The next retained topic that differs from what this connection has published. `known`: topics that may lie at
    /// the broker; those that are no longer wanted are cleared.
    pub(super) fn next_retained(&self, wanted: &BTreeMap<String, Bytes>, known: &BTreeSet<String>) -> Option<Message> {
        let changed = wanted.iter().find(|(topic, payload)| self.shown.get(*topic) != Some(*payload));
        if let Some((topic, payload)) = changed {
            return Some(Message::retained(topic.clone(), payload.clone()));
        }
        let gone = |topic: &&String| !wanted.contains_key(*topic) && self.shown.get(*topic) != Some(&Bytes::new());
        known.iter().find(gone).map(|topic| Message::retained(topic.clone(), Bytes::new()))
    }

    /// A retained topic was published as this.
    pub(super) fn shown(&mut self, topic: String, payload: Bytes) {
        self.shown.insert(topic, payload);
    }

    /// What was not acknowledged and is kept nowhere else, in the order in which it was sent.
    pub(super) fn unacked_memberships(self) -> Vec<Membership> {
        let membership = |(what, _)| match what {
            Sent::Membership(change) => Some(change),
            _ => None,
        };
        self.unacked.into_values().filter_map(membership).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Mono = Mono(Duration::ZERO);
    const GATHER: Duration = Duration::from_secs(1);

    #[test]
    fn promise_4_only_an_acknowledged_row_is_done() {
        let mut flow = Flow::default();
        flow.sent(Token(1), Sent::Event(10), START);
        flow.sent(Token(2), Sent::Event(11), START);
        flow.acked(Token(2), START);
        flow.acked(Token(9), START);
        assert_eq!(flow.due(GATHER), Some(START.plus(GATHER)));
        assert_eq!(flow.take_done(), [11]);
        assert_eq!(flow.due(GATHER), None);
        flow.acked(Token(1), START);
        assert_eq!(flow.due(GATHER), Some(START));
    }

    #[test]
    fn retained_topics_are_sent_once_and_cleared_when_gone() {
        let mut flow = Flow::default();
        let mut known = BTreeSet::new();
        let mut wanted = BTreeMap::from([("a".to_owned(), Bytes::from("1")), ("b".to_owned(), Bytes::from("2"))]);
        let mut sent = Vec::new();
        let mut send_all = |wanted: &BTreeMap<String, Bytes>, known: &mut BTreeSet<String>| {
            sent.clear();
            while let Some(message) = flow.next_retained(wanted, known) {
                known.insert(message.topic.clone());
                flow.shown(message.topic.clone(), message.payload.clone());
                sent.push((message.topic, message.payload));
            }
            sent.clone()
        };
        assert_eq!(send_all(&wanted, &mut known).len(), 2);
        wanted.insert("a".to_owned(), Bytes::from("3"));
        wanted.remove("b");
        assert_eq!(send_all(&wanted, &mut known), [("a".into(), "3".into()), ("b".into(), Bytes::new())]);
        assert_eq!(send_all(&wanted, &mut known), []);
        // A new connection says all anew, and clears what an earlier one may have left.
        flow = Flow::default();
        let again = flow.next_retained(&BTreeMap::new(), &known);
        assert_eq!(again, Some(Message::retained("a".to_owned(), Bytes::new())));
    }
}
