//! How verbs ask: the running gateway over its socket, else an engine of their own over the same store.
//!
//! Who may ask the gateway need not be one who may read the secrets: those are read only where clouds are called.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{FAILED, WRONG, run};
use crate::clock::Clock;
use crate::config::{Config, ProcessEnv};
use crate::gateway::{self, Counter, Engine};
use crate::report::desk::{Desk, Outcome, Reply, Request};
use crate::store::{Store, StoreError};
use crate::web::socket::{self, AskError};

/// What an engine of our own must have before it can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// What the store kept.
    Store,
    /// Reads of both clouds, and so the secrets.
    Clouds,
    /// The same, and writes to Kisi: `apply` alone.
    Writes,
}

/// Why a verb came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Its exit status.
    pub exit: u8,
    /// What happened to what, and what to do.
    pub text: String,
}

impl Trouble {
    /// It failed.
    pub fn failed(text: impl ToString) -> Trouble {
        Trouble { exit: FAILED, text: text.to_string() }
    }

    /// The same, with a wrong argument or configuration.
    pub fn wrong(text: impl ToString) -> Trouble {
        Trouble { exit: WRONG, text: text.to_string() }
    }

    /// Shows it, and is its exit status.
    pub fn shown(&self) -> u8 {
        match self.text.starts_with("error: ") {
            true => eprintln!("{}", self.text),
            false => eprintln!("gatehouse: {}", self.text),
        }
        self.exit
    }
}

/// An answer: its exit status, its JSON, and the same as a type.
pub type Answer<T> = Result<(u8, Value, T), Trouble>;

/// One runtime for a verb.
pub fn block_on<T>(future: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Trouble::failed(format!("no runtime: {error}")))?.block_on(future)
}

/// Asks the running gateway alone; `None` where none runs.
pub async fn ask_running(config: &Config, request: &Request) -> Result<Option<Reply>, Trouble> {
    match socket::ask(&config.store.directory, request, &Clock::system()).await {
        Err(AskError::NotRunning { .. }) => Ok(None),
        other => other.map(Some).map_err(Trouble::failed),
    }
}

/// Asks the running gateway, else an engine of our own.
pub async fn ask(config: &Config, request: Request, needs: Needs) -> Result<Reply, Trouble> {
    if let Some(reply) = ask_running(config, &request).await? {
        return Ok(reply);
    }
    let engine = own_engine(config, needs)?;
    let reply = Counter(engine.clone()).ask(request).await;
    gateway::settle(&engine).await;
    Ok(reply)
}

/// An engine over the store, where no gateway holds it.
pub fn own_engine(config: &Config, needs: Needs) -> Result<Arc<Engine>, Trouble> {
    let whole = match needs {
        Needs::Store => None,
        Needs::Clouds | Needs::Writes => Some(Config::load(&config.file, &ProcessEnv).map_err(Trouble::wrong)?),
    };
    let (store, opened) = Store::open(&config.store.directory).map_err(|error| match error {
        StoreError::InUse { dir } => Trouble::failed(format!(
            "the store in {} is in use, but the gateway there does not answer: it is starting or stopping; try again",
            dir.display()
        )),
        error => Trouble::failed(error),
    })?;
    let clock = Clock::system();
    let outside = match needs {
        Needs::Writes => run::outside(&clock, store, opened),
        Needs::Store | Needs::Clouds => run::reading(&clock, store, opened),
    };
    let outside = outside.map_err(Trouble::failed)?;
    gateway::engine(whole.as_ref().unwrap_or(config), outside).map_err(Trouble::failed)
}

/// The value of a reply as a type.
pub fn value<T: DeserializeOwned>(reply: Reply) -> Answer<T> {
    let value = match reply.outcome {
        Outcome::Error(text) => return Err(Trouble { exit: reply.exit, text }),
        Outcome::Value(value) => value,
    };
    match serde_json::from_value(value.clone()) {
        Ok(typed) => Ok((reply.exit, value, typed)),
        Err(error) => Err(Trouble::failed(format!(
            "the gateway's answer is of another version ({error}): restart it with this one, 'systemctl restart gatehouse'"
        ))),
    }
}

/// Asks and waits.
pub fn answered<T: DeserializeOwned>(config: &Config, request: Request, needs: Needs) -> Answer<T> {
    block_on(ask(config, request, needs)).and_then(value)
}
