//! How each connection is: what came of the last try of every kind of call, folded into one state (contract 3).

use std::collections::BTreeMap;

use crate::domain::Timestamp;
use crate::report::{Connection, State};

/// How a try failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// An answer came, but not what was asked for, or not in time for the pace.
    Poor,
    /// No answer.
    Silent,
    /// We may not.
    Refused,
}

/// One connection's state machine. Each kind of call stands for itself: one that fails while others succeed degrades
/// the connection, and only its own success clears it.
#[derive(Clone, Debug)]
pub struct Link {
    failing: BTreeMap<&'static str, (Fault, String)>,
    last_success: Option<Timestamp>,
    last_failed: bool,
    state: State,
    since: Timestamp,
}

impl Link {
    /// Nothing has been tried yet: not online.
    pub fn new(now: Timestamp) -> Link {
        let failing = BTreeMap::new();
        Link { failing, last_success: None, last_failed: true, state: State::Offline, since: now }
    }

    /// That kind of call succeeded.
    pub fn succeeded(&mut self, call: &'static str, now: Timestamp) {
        self.failing.remove(call);
        self.last_success = Some(now);
        self.last_failed = false;
        self.settle(now);
    }

    /// That kind of call failed.
    pub fn failed(&mut self, call: &'static str, fault: Fault, why: String, now: Timestamp) {
        self.failing.insert(call, (fault, why));
        self.last_failed = true;
        self.settle(now);
    }

    fn settle(&mut self, now: Timestamp) {
        let worst = self.failing.values().map(|(fault, _)| *fault).max();
        let state = match worst {
            Some(Fault::Refused) => State::Refused,
            None if self.last_success.is_some() => State::Online,
            Some(Fault::Silent) | None if self.last_failed => State::Offline,
            _ => State::Degraded,
        };
        if state != self.state {
            (self.state, self.since) = (state, now);
        }
    }

    /// How it is.
    pub fn state(&self) -> State {
        self.state
    }

    /// What is wrong, the worst first.
    pub fn error(&self) -> Option<String> {
        self.failing.values().max_by_key(|(fault, _)| *fault).map(|(_, why)| why.clone())
    }

    /// As `status` shows it.
    pub fn report(&self) -> Connection {
        Connection { state: self.state, since: self.since, last_success: self.last_success, error: self.error() }
    }
}

/// Since when the connection has not been online; `None` while it is. Going from one trouble to another is one
/// trouble: the last success says when it began.
pub fn troubled_since(connection: &Connection) -> Option<Timestamp> {
    let since = connection.last_success.map_or(connection.since, |success| success.min(connection.since));
    (connection.state != State::Online).then_some(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_timestamp(1_800_000_000 + second, 0).expect("in range")
    }

    #[test]
    fn a_call_that_fails_while_others_succeed_degrades_until_it_succeeds_itself() {
        let mut link = Link::new(at(0));
        assert_eq!(link.state(), State::Offline);
        link.succeeded("bookings", at(1));
        assert_eq!(link.state(), State::Online);
        link.failed("teams", Fault::Poor, "HTML".into(), at(2));
        link.succeeded("bookings", at(3));
        assert_eq!((link.state(), link.error().as_deref()), (State::Degraded, Some("HTML")));
        link.succeeded("teams", at(4));
        assert_eq!(link.state(), State::Online);
    }

    #[test]
    fn silence_is_offline_and_a_refusal_outweighs_it() {
        let mut link = Link::new(at(0));
        link.succeeded("users", at(1));
        link.failed("users", Fault::Silent, "no answer".into(), at(10));
        assert_eq!((link.state(), troubled_since(&link.report())), (State::Offline, Some(at(1))));
        link.failed("events", Fault::Refused, "401".into(), at(11));
        assert_eq!(link.state(), State::Refused);
        link.succeeded("events", at(12));
        link.succeeded("users", at(13));
        assert_eq!(troubled_since(&link.report()), None);
    }
}
