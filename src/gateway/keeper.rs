//! Tells how things are, at once where they change and every half minute where they don't; and tidies the store.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::engine::Engine;
use super::start::prune_before;
use crate::clock::Mono;
use crate::domain::Timestamp;
use crate::mqtt::link::LinkState;
use crate::report::Connection;
use crate::store::{Batch, Key};

/// How often the status is said though nothing changed, a third of how long it holds; and how often a disk that
/// refused something is tried again.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// How often alerts are judged though nothing was learnt: some are a matter of time alone.
const JUDGED: Duration = Duration::from_secs(5);
/// Changes that come together are told together.
const TOGETHER: Duration = Duration::from_millis(100);
/// How often the store is tidied and the trusted time kept, where nothing else was written.
const TIDIED: Duration = Duration::from_secs(3600);
/// The broker's last success is another one where its time differs by more than this: the link tells one in 10 s.
const DRIFT: TimeDelta = TimeDelta::seconds(5);

/// Tells and tidies until `stop`. `link`: how the broker is.
pub async fn run(engine: Arc<Engine>, mut link: watch::Receiver<LinkState>, stop: CancellationToken) {
    let mut said = Mono::default();
    let mut tidied = engine.clock.mono();
    loop {
        engine.beat("keeper");
        note_broker(&engine, &link.borrow_and_update().clone());
        let now = engine.clock.mono();
        let beat = now.since(said) >= HEARTBEAT;
        if beat {
            said = now;
            engine.retry_store().await;
        } else {
            engine.note_store();
        }
        engine.tell(beat);
        if now.since(tidied) >= TIDIED {
            tidied = now;
            tidy(&engine).await;
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = engine.clock.sleep(JUDGED) => {}
            () = engine.told.notified() => engine.clock.sleep(TOGETHER).await,
            changed = link.changed() => if changed.is_err() { return },
        }
    }
}

fn note_broker(engine: &Engine, link: &LinkState) {
    let now = engine.guess();
    let mono = engine.clock.mono();
    let at = |then: Mono| now - TimeDelta::from_std(mono.since(then)).unwrap_or_default();
    let mut state = engine.state();
    state.broker = broker(&state.broker, link, at);
}

/// How the broker stands, after how it stood. What has not happened anew keeps its time, though the guess at the time
/// drifts: an alert that names it would change with each look.
fn broker(before: &Connection, link: &LinkState, at: impl Fn(Mono) -> Timestamp) -> Connection {
    let steady =
        |success: Timestamp| before.last_success.filter(|kept| (success - *kept).abs() < DRIFT).unwrap_or(success);
    Connection {
        state: link.state,
        since: if before.state == link.state { before.since } else { at(link.since) },
        last_success: link.last_success.map(at).map(steady),
        error: link.error.as_ref().map(ToString::to_string),
    }
}

async fn tidy(engine: &Engine) {
    let now = engine.guess();
    let read_to = match engine.store.value(Key::Watermark) {
        Ok(watermark) => watermark,
        // Told by whoever reads the record; nothing is forgotten meanwhile.
        Err(_) => return,
    };
    let (events_before, seen_before) = prune_before(now, read_to, engine.settings.keep_events);
    let mut batch = Batch::new();
    batch.prune(events_before, seen_before);
    // A failure is told by the commit itself.
    let _ = engine.commit(batch).await;
    engine.state().contests.prune(now);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::State;

    #[test]
    fn what_the_broker_did_long_ago_keeps_its_time_while_the_guess_at_the_time_drifts() {
        let told = |s: i64, ms: i64| Timestamp::default() + TimeDelta::seconds(s) + TimeDelta::milliseconds(ms);
        let link =
            LinkState { state: State::Offline, last_success: Some(Mono::default()), ..LinkState::new(Mono::default()) };
        let first = Connection { state: State::Offline, since: told(0, 0), last_success: None, error: None };
        let mut said = broker(&first, &link, |_| told(100, 0));
        for drift in 1..4_000 {
            said = broker(&said, &link, |_| told(100, -drift));
        }
        assert_eq!((said.since, said.last_success), (told(0, 0), Some(told(100, 0))));
        let online = LinkState { state: State::Online, ..link };
        let said = broker(&said, &online, |_| told(110, 0));
        assert_eq!((said.since, said.last_success), (told(110, 0), Some(told(110, 0))), "a new one is told");
    }
}
