//! Posts each change of an alert to `alert.url`. Nothing waits for it, and no log names more of the address than its
//! host: its path often carries a token.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::engine::Engine;
use super::letters::{self, Letter};
use crate::net::backoff::{Backoff, retry_after};
use crate::net::{Http, Method, Request, Response, Secretive};
use crate::store::{Batch, Key};

/// How long the receiver may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// Letters are no closer than this.
const APART: Duration = Duration::from_secs(1);
/// Between two tries of one letter; a `Retry-After` is obeyed up to the last.
const FLOOR: Duration = Duration::from_secs(2);
const CEILING: Duration = Duration::from_secs(5 * 60);
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// How often it is looked whether an alert of the last run is over.
const LOOKED: Duration = Duration::from_secs(5);

/// Whereto, and by what.
pub struct Receiver {
    /// `alert.url`.
    pub url: Url,
    /// Reaches it.
    pub http: Arc<dyn Http>,
}

/// What came of a letter.
enum Fate {
    Posted,
    /// Not now: perhaps later, or when the receiver asked for it.
    Later(String, Option<Duration>),
    /// Never: the receiver is there and does not take it.
    Refused(String),
}

/// Posts until `stop`.
pub async fn run(engine: Arc<Engine>, receiver: Receiver, stop: CancellationToken) {
    let host = receiver.url.host_str().unwrap_or("no host").to_owned();
    let mut pauses = Backoff::new(FLOOR, CEILING, PATIENCE);
    let mut rng = fastrand::Rng::with_seed(engine.clock.mono().0.subsec_nanos().into());
    loop {
        let Some(letter) = stop.run_until_cancelled(next(&engine)).await else { return };
        let Some(fate) = stop.run_until_cancelled(post(&engine, &receiver, &letter)).await else { return };
        let wait = match fate {
            Fate::Posted => {
                pauses.succeeded();
                keep(&engine, &letter).await;
                APART
            }
            Fate::Refused(why) => {
                tracing::warn!(host, alert = letter.kind.name(), why, "alert.url does not take this alert: look at it");
                engine.state().letters.drop(&letter);
                APART
            }
            Fate::Later(why, asked) => {
                if pauses.failures() == 0 {
                    tracing::warn!(
                        host,
                        alert = letter.kind.name(),
                        why,
                        "alert.url can't be reached; it is tried again"
                    );
                }
                pauses.failed(asked, &mut rng)
            }
        };
        if stop.run_until_cancelled(engine.clock.sleep(wait)).await.is_none() {
            return;
        }
    }
}

/// Waits for the next letter.
async fn next(engine: &Engine) -> Letter {
    loop {
        let now = engine.clock.mono();
        let wait = {
            let mut state = engine.state();
            let state = &mut *state;
            let knows = state.read_once && state.roster.read_at.is_some() && state.time.now(now.0).is_some();
            if knows {
                let after = engine.settings.alert_after;
                state.letters.settle(now.since(engine.began), after, now, state.alerts.all());
            }
            match state.letters.next(now) {
                Some((due, letter)) if due <= now => return letter.clone(),
                Some((due, _)) => due.since(now).min(LOOKED),
                None => LOOKED,
            }
        };
        tokio::select! {
            biased;
            () = engine.clock.sleep(wait) => {}
            () = engine.post.notified() => {}
        }
    }
}

async fn post(engine: &Engine, receiver: &Receiver, letter: &Letter) -> Fate {
    let request = Request {
        method: Method::Post,
        url: receiver.url.clone(),
        headers: vec![("content-type", Secretive("application/json".to_owned()))],
        body: Bytes::from(letters::body(&engine.rules().site, letter)),
        limit: ANSWER_WITHIN,
    };
    match receiver.http.send(request).await {
        Ok(answer) => judge(&answer),
        Err(error) => Fate::Later(error.to_string(), None),
    }
}

fn judge(answer: &Response) -> Fate {
    match answer.status {
        200..300 => Fate::Posted,
        408 | 425 | 429 | 500.. => Fate::Later(format!("status {}", answer.status), retry_after(answer)),
        status => Fate::Refused(format!("status {status}")),
    }
}

/// Keeps what the receiver knows, so that a restart tells nothing twice.
async fn keep(engine: &Engine, letter: &Letter) {
    let told = engine.state().letters.posted(letter, engine.clock.mono());
    let mut batch = Batch::new();
    batch.value(Key::Alerts, &told);
    // A failure is told by the commit itself; it costs one alert told twice.
    let _ = engine.commit(batch).await;
}
