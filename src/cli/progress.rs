//! How far `apply` has come: told on standard error while it works, at Kisi's pace.
//!
//! Kisi's quota makes hundreds of changes last minutes, so whoever waits sees how many are left and for how long. It
//! may be stopped at any moment: what was done is done and in the ledger, and the next `apply` goes on from there.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::ask::{Answer, Needs, Trouble, ask_running, block_on, own_engine, value};
use crate::clock::{Clock, Mono};
use crate::config::Config;
use crate::gateway::{self, Counter};
use crate::report::desk::{Desk, Reply, Request};
use crate::report::plan::{PlanReport, Progress};

/// How often a terminal is told.
const LIVE: Duration = Duration::from_millis(500);
/// How often a pipe or a log is told.
const QUIET: Duration = Duration::from_secs(10);
/// Before, a rate says nothing.
const RATE_AFTER: Duration = Duration::from_secs(2);
/// How long the change under way may take to end after Ctrl-C.
const END_WITHIN: Duration = Duration::from_secs(3);

/// Asks for one pass, tells how it goes, and lets itself be stopped.
pub fn apply(config: &Config, yes: bool) -> Answer<PlanReport> {
    asked(config, Request::Apply { yes }, true)
}

/// Asks what would be done, and tells that both clouds are being read.
pub fn plan(config: &Config) -> Answer<PlanReport> {
    asked(config, Request::Plan, false)
}

fn asked(config: &Config, request: Request, applies: bool) -> Answer<PlanReport> {
    block_on(async {
        let clock = Clock::system();
        let mut stop = Stop::new()?;
        let ticker = Ticker::new(&clock, applies);
        if let Some(at_first) = ask_running(config, &Request::Progress).await? {
            let asked = ask_running(config, &request);
            let told = ticker.tell(at_first, async || ask_running(config, &Request::Progress).await.ok().flatten());
            let reply = tokio::select! {
                reply = asked => reply?,
                () = told => None,
                () = stop.wait() => return Err(Trouble::failed(
                    "no longer waited for: what the running gateway does goes on; 'gatehouse pause' makes it stop",
                )),
            };
            let gone = "the gateway ended before it answered; see 'gatehouse status', and run 'gatehouse apply' again";
            return value(reply.ok_or_else(|| Trouble::failed(gone))?);
        }
        let engine = own_engine(config, if applies { Needs::Writes } else { Needs::Clouds })?;
        let counter = Counter(engine.clone());
        let mut asked = counter.ask(request);
        let told =
            ticker.tell(counter.ask(Request::Progress).await, async || Some(counter.ask(Request::Progress).await));
        let reply = tokio::select! {
            reply = &mut asked => Some(reply),
            () = told => None,
            () = stop.wait() => {
                engine.interrupt();
                clock.timeout(END_WITHIN, asked).await.ok()
            }
        };
        gateway::settle(&engine).await;
        let made = engine.progress().made;
        let cut = format!(
            "interrupted after {made} changes; what was under way is looked up when 'gatehouse apply' runs again"
        );
        value(reply.ok_or_else(|| Trouble::failed(cut))?)
    })
}

/// Ctrl-C, or the end of the session.
struct Stop([Signal; 2]);

impl Stop {
    fn new() -> Result<Stop, Trouble> {
        let on = |kind| signal(kind).map_err(|error| Trouble::failed(format!("signals can't be heard: {error}")));
        Ok(Stop([on(SignalKind::interrupt())?, on(SignalKind::terminate())?]))
    }

    async fn wait(&mut self) {
        let [int, term] = &mut self.0;
        tokio::select! {
            _ = int.recv() => {}
            _ = term.recv() => {}
        }
    }
}

/// Tells how many changes are made and left, and how long it will take.
struct Ticker<'a> {
    clock: &'a Clock,
    began: Mono,
    live: bool,
    applies: bool,
}

impl Ticker<'_> {
    fn new(clock: &Clock, applies: bool) -> Ticker<'_> {
        Ticker { clock, began: clock.mono(), live: std::io::stderr().is_terminal() && !super::is_dumb(), applies }
    }

    /// Tells until it is dropped, or nobody answers any more.
    async fn tell(&self, at_first: Reply, ask: impl AsyncFn() -> Option<Reply>) {
        let Ok((_, _, first)) = value::<Progress>(at_first) else { return std::future::pending().await };
        let mut line = Line { live: self.live };
        let mut first_made: Option<(Mono, u64)> = None;
        loop {
            self.clock.sleep(if self.live { LIVE } else { QUIET }).await;
            let Some(Ok((_, _, now))) = ask().await.map(value::<Progress>) else { continue };
            let made = now.made.saturating_sub(first.made);
            if !self.applies || made == 0 {
                line.show(&format!("reading both clouds, {} s", self.clock.mono().since(self.began).as_secs()));
                continue;
            }
            let at = self.clock.mono();
            let (since, already) = *first_made.get_or_insert((at, made));
            line.show(&told(made, now.left, made - already.min(made), at.since(since)));
        }
    }
}

/// What is made, at which rate, and how long the rest will take at it.
fn told(made: u64, left: usize, lately: u64, took: Duration) -> String {
    let rate = lately as f64 / took.as_secs_f64();
    if took < RATE_AFTER || rate <= 0.0 {
        return format!("{made} changes made, {left} left");
    }
    let seconds = (left as f64 / rate).ceil();
    format!("{made} changes made, {left} left, {rate:.1} a second: about {seconds:.0} s more")
}

/// A line that is written over on a terminal. It is cleared when this goes.
struct Line {
    live: bool,
}

impl Line {
    fn show(&mut self, text: &str) {
        let mut err = std::io::stderr().lock();
        let _ = match self.live {
            true => write!(err, "\r\x1b[K{text}").and_then(|()| err.flush()),
            false => writeln!(err, "{text}"),
        };
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.live {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 450 changes at 5 a second are 90 seconds: told from what was made, not from what was hoped.
    #[test]
    fn the_rest_is_estimated_by_the_rate_so_far() {
        assert_eq!(told(3, 447, 0, Duration::ZERO), "3 changes made, 447 left");
        let later = told(53, 397, 50, Duration::from_secs(10));
        assert_eq!(later, "53 changes made, 397 left, 5.0 a second: about 80 s more");
    }
}
