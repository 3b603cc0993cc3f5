//! The gate that shuts after a refusal, as a pure value (rules 8).
//!
//! After a 401 or 403 nothing is written. One read tries again after 10 s, then at doubling pauses up to 5 minutes;
//! the first read that succeeds opens the gate. A key that reads but may not write would flap: its pauses go on
//! doubling until a write has succeeded.

use std::time::Duration;

use super::error::ApiError;
use crate::clock::Mono;

const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Why the gate is shut, and when it is tried next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What Kisi said first.
    pub why: ApiError,
    /// Since when.
    pub since: Mono,
    /// When one read may try again.
    pub next_read: Mono,
}

/// Open, or shut by a refusal.
#[derive(Clone, Debug)]
pub struct Gate {
    shut: Option<Refusal>,
    /// How long the next refusal shuts reads out.
    pause: Duration,
    /// A write was refused, and none has succeeded since.
    write_refused: bool,
}

impl Default for Gate {
    fn default() -> Gate {
        Gate { shut: None, pause: FIRST_PAUSE, write_refused: false }
    }
}

impl Gate {
    /// Whether a write may be sent.
    pub fn may_write(&self) -> Result<(), ApiError> {
        self.shut.as_ref().map_or(Ok(()), |refusal| Err(refusal.why.clone()))
    }

    /// Whether it is worth waiting for a turn to read.
    pub fn may_read_soon(&self, now: Mono) -> Result<(), ApiError> {
        match &self.shut {
            Some(refusal) if now < refusal.next_read => Err(refusal.why.clone()),
            _ => Ok(()),
        }
    }

    /// Whether a read may be sent now. While the gate is shut this uses up the one try that is due.
    pub fn may_read(&mut self, now: Mono) -> Result<(), ApiError> {
        self.may_read_soon(now)?;
        if let Some(refusal) = &mut self.shut {
            refusal.next_read = now.plus(self.pause);
        }
        Ok(())
    }

    /// Kisi refused a call that was sent at `sent`. What was under way when the gate shut says nothing new.
    pub fn refused(&mut self, why: ApiError, read: bool, sent: Mono, now: Mono) {
        if self.shut.as_ref().is_some_and(|refusal| sent < refusal.since || !read) {
            return;
        }
        self.write_refused |= !read;
        let next_read = now.plus(self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        match &mut self.shut {
            Some(refusal) => refusal.next_read = next_read,
            None => self.shut = Some(Refusal { why, since: now, next_read }),
        }
    }

    /// A call that was sent at `sent` succeeded.
    pub fn succeeded(&mut self, read: bool, sent: Mono) {
        if self.shut.as_ref().is_some_and(|refusal| sent < refusal.since || !read) {
            return;
        }
        self.shut = None;
        self.write_refused &= read;
        if !self.write_refused {
            self.pause = FIRST_PAUSE;
        }
    }

    /// The operator says that things have changed: the next read tries at once, and writes wait for it.
    pub fn reset(&mut self, now: Mono) {
        self.pause = FIRST_PAUSE;
        if let Some(refusal) = &mut self.shut {
            refusal.next_read = now;
        }
    }

    /// Why it is shut, if it is.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.shut.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono(Duration::from_secs(seconds))
    }

    fn no() -> ApiError {
        ApiError { status: 401, code: None, text: String::new() }
    }

    #[test]
    fn rule_8_one_read_tries_after_10_s_then_at_doubling_pauses_up_to_5_minutes() {
        let mut gate = Gate::default();
        gate.refused(no(), true, at(0), at(0));
        let mut tries = Vec::new();
        for second in 0..1500 {
            assert!(gate.may_write().is_err());
            if gate.may_read(at(second)).is_ok() {
                assert!(gate.may_read(at(second)).is_err(), "two reads tried at once");
                tries.push(second);
                gate.refused(no(), true, at(second), at(second));
            }
        }
        assert_eq!(tries, [10, 30, 70, 150, 310, 610, 910, 1210]);
        gate.reset(at(1500));
        assert!(gate.may_write().is_err(), "writes wait for a read that succeeds");
        assert!(gate.may_read(at(1500)).is_ok());
        gate.succeeded(true, at(1500));
        assert!(gate.may_write().is_ok());
    }

    #[test]
    fn rule_8_what_was_under_way_when_the_gate_shut_does_not_open_it() {
        let mut gate = Gate::default();
        gate.refused(no(), false, at(4), at(5));
        gate.succeeded(true, at(4));
        assert!(gate.may_write().is_err());
    }

    #[test]
    fn rule_8_a_key_that_reads_but_may_not_write_is_tried_ever_more_rarely() {
        let (mut gate, mut tries, mut now) = (Gate::default(), 0, 0);
        while now < 3600 {
            if gate.may_write().is_ok() {
                tries += 1;
                gate.refused(no(), false, at(now), at(now));
            } else if gate.may_read(at(now)).is_ok() {
                gate.succeeded(true, at(now));
            }
            now += 1;
        }
        assert!(tries < 20, "{tries} refused writes in an hour");
    }
}
