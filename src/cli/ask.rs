//! The verbs that ask: of the running gateway, or of an engine of their own over the same store.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::args::Since;
use super::{FAILED, WELL, WRONG, complain, look, print, show};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::explain::Explanation;
use crate::domain::{LockId, Timestamp};
use crate::gateway::{self, Counter};
use crate::report::Status;
use crate::report::desk::{Desk, EventPage, Outcome, Reply, Request};
use crate::report::plan::PlanReport;
use crate::store::{Store, StoreError};
use crate::web::socket::{self, AskError};

/// `status`: nobody runs.
const NOT_RUNNING: u8 = 3;
/// How many events are shown without `--since`.
const SHOWN: usize = 100;
/// How many events are asked for at a time.
const PAGE: usize = 1_000;
/// How often `--follow` looks.
const FOLLOW: Duration = Duration::from_millis(500);

/// What an engine of our own must have read before it can answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// What the store kept.
    Store,
    /// Both clouds, whole.
    Clouds,
}

/// One runtime for a verb.
fn block_on<T>(future: impl Future<Output = T>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map(|runtime| runtime.block_on(future)).map_err(|error| format!("no runtime: {error}"))
}

/// Asks the running gateway, else an engine of our own.
async fn ask(config: &Config, request: Request, needs: Needs) -> Result<Reply, String> {
    let clock = Clock::system();
    match socket::ask(&config.store.directory, &request, &clock).await {
        Err(AskError::NotRunning { .. }) => {}
        other => return other.map_err(|error| error.to_string()),
    }
    let (store, opened) = match Store::open(&config.store.directory) {
        Ok(found) => found,
        Err(StoreError::InUse { dir }) => {
            return Err(format!(
                "the store in {} is in use, but the gateway there does not answer: it is starting or stopping; try again",
                dir.display()
            ));
        }
        Err(error) => return Err(error.to_string()),
    };
    let outside = super::run::outside(&clock, store, opened).map_err(|error| error.to_string())?;
    let engine = gateway::engine(config, outside).map_err(|error| error.to_string())?;
    if needs == Needs::Clouds {
        gateway::read_all(&engine).await?;
    }
    let reply = Counter(engine.clone()).ask(request).await;
    gateway::settle(&engine).await;
    Ok(reply)
}

/// The value of a reply, or its exit status after its error was shown.
fn value<T: DeserializeOwned>(reply: Result<Reply, String>) -> Result<(u8, Value, T), u8> {
    let reply = reply.map_err(|error| complain(&error))?;
    let value = match reply.outcome {
        Outcome::Error(error) => {
            complain(&error);
            return Err(reply.exit);
        }
        Outcome::Value(value) => value,
    };
    match serde_json::from_value(value.clone()) {
        Ok(typed) => Ok((reply.exit, value, typed)),
        Err(error) => Err(complain(&format!("the gateway's answer is of another version: {error}"))),
    }
}

pub(super) fn answered<T: DeserializeOwned>(
    config: &Config,
    request: Request,
    needs: Needs,
) -> Result<(u8, Value, T), u8> {
    let reply = block_on(ask(config, request, needs)).unwrap_or_else(Err);
    value(reply)
}

pub(super) fn show_as(json: bool, value: &Value, text: impl FnOnce() -> String) {
    match json {
        true => print(&format!("{value}\n")),
        false => print(&text()),
    }
}

/// `plan`
pub fn plan(config: &Config, json: bool, detailed: bool) -> u8 {
    match answered::<PlanReport>(config, Request::Plan, Needs::Clouds) {
        Ok((exit, value, report)) => {
            show_as(json, &value, || show::plan(&report, &look(config), false));
            let changes = !report.changes.is_empty() || !report.held.is_empty();
            if detailed && exit == WELL && changes { 2 } else { exit }
        }
        Err(_) if detailed => FAILED,
        Err(exit) => exit,
    }
}

/// `apply`
pub fn apply(config: &Config, json: bool, yes: bool) -> u8 {
    if !config.access.write {
        complain("access.write is false in the configuration: nothing is written to Kisi; see 'gatehouse plan'");
        return WRONG;
    }
    match answered::<PlanReport>(config, Request::Apply { yes }, Needs::Clouds) {
        Ok((exit, value, report)) => {
            show_as(json, &value, || show::plan(&report, &look(config), true));
            exit
        }
        Err(exit) => exit,
    }
}

/// `explain`
pub fn explain(config: &Config, who: String, at: Option<Timestamp>, door: Option<LockId>, json: bool) -> u8 {
    match answered::<Explanation>(config, Request::Explain { who, at, door }, Needs::Store) {
        Ok((exit, value, told)) => {
            show_as(json, &value, || show::explanation(&told, &look(config)));
            exit
        }
        Err(exit) => exit,
    }
}

/// `status`
pub fn status(config: &Config, json: bool) -> u8 {
    let asked = async { socket::ask(&config.store.directory, &Request::Status, &Clock::system()).await };
    let reply = match block_on(asked) {
        Ok(Err(error @ AskError::NotRunning { .. })) => {
            complain(&error.to_string());
            return NOT_RUNNING;
        }
        Ok(reply) => reply.map_err(|error| error.to_string()),
        Err(error) => Err(error),
    };
    match value::<Status>(reply) {
        Ok((exit, value, status)) => {
            show_as(json, &value, || show::status(&status, &look(config)));
            exit
        }
        Err(exit) => exit,
    }
}

/// `pause` and `resume`. Where no gateway runs, the next one begins so.
pub fn pause(config: &Config, paused: bool) -> u8 {
    let request = if paused { Request::Pause } else { Request::Resume };
    match answered::<Value>(config, request, Needs::Store) {
        Ok((exit, ..)) => {
            print(match paused {
                true => "Paused: nothing is written to Kisi until 'gatehouse resume'.\n",
                false => "Resumed: Kisi is written again.\n",
            });
            exit
        }
        Err(exit) => exit,
    }
}

/// `events`
pub fn events(config: &Config, since: Option<Since>, follow: bool, door: Option<LockId>, json: bool) -> u8 {
    let clock = Clock::system();
    let since = since.map(|since| match since {
        Since::At(at) => at,
        Since::Ago(span) => clock.wall() - chrono::TimeDelta::from_std(span).unwrap_or_default(),
    });
    let look = look(config);
    let show = |page: &EventPage| {
        for event in &page.events {
            let line = match json {
                true => serde_json::to_string(event).map(|line| line + "\n").unwrap_or_default(),
                false => show::event(event, &look),
            };
            print(&line);
        }
    };
    // With `since`, everything from then on, page by page; else the newest few.
    let mut after = since.is_some().then_some(0);
    let all = async {
        loop {
            let limit = if after.is_some() { PAGE } else { SHOWN };
            let request = Request::Events { after, since, door, limit };
            let reply = ask(config, request, Needs::Store).await;
            let (_, _, page) = value::<EventPage>(reply)?;
            show(&page);
            let full = page.events.len() >= limit && after.is_some();
            after = page.last.or(after).or(Some(0));
            match (full, follow) {
                (true, _) => {}
                (false, true) => clock.sleep(FOLLOW).await,
                (false, false) => return Ok::<u8, u8>(WELL),
            }
        }
    };
    match block_on(all) {
        Ok(Ok(exit) | Err(exit)) => exit,
        Err(error) => complain(&error),
    }
}
