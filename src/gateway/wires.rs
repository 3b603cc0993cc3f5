//! What the MQTT room asks of the gateway: the outbox, the commands, and the memory of command ids.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::engine::Engine;
use crate::domain::event::Event;
use crate::domain::explain::Who;
use crate::domain::{GroupId, LockId, Timestamp};
use crate::mqtt::commands::{Command, Commands, Ids, Person, Place, may_unlock};
use crate::mqtt::link::{Names, Outbox, OutboxError};
use crate::net::Boxed;
use crate::store::{Batch, Key};

/// How long an id is remembered (contract 4).
const REMEMBERED: TimeDelta = TimeDelta::hours(24);
/// How many ids at most; beyond that the oldest are forgotten.
const IDS_MAX: usize = 10_000;

/// How long an unlock may wait for its turn.
const UNLOCK_WITHIN: Duration = Duration::from_secs(5);

/// The engine as the MQTT room sees it.
#[derive(Clone)]
pub struct Wires {
    engine: Arc<Engine>,
    /// Held while an id is looked up and noted, so that two commands can't both find it new.
    claiming: Arc<tokio::sync::Mutex<()>>,
}

impl Wires {
    /// Over that engine.
    pub fn new(engine: Arc<Engine>) -> Wires {
        Wires { engine, claiming: Arc::default() }
    }
}

impl Outbox for Wires {
    fn next(&self, after: u64, limit: usize) -> Boxed<'_, Result<Vec<(u64, Event)>, OutboxError>> {
        Box::pin(async move {
            let rows = self.engine.store.outbox(after, limit).map_err(|error| OutboxError(error.to_string()))?;
            let mut tallies = self.engine.tallies();
            rows.iter().for_each(|(row, event)| tallies.handed(*row, event.time));
            drop(tallies);
            Ok(rows)
        })
    }

    fn published(&self, rows: Vec<u64>) -> Boxed<'_, Result<(), OutboxError>> {
        Box::pin(async move {
            let mut batch = Batch::new();
            batch.published(&rows);
            self.engine.commit(batch).await.map_err(|error| OutboxError(error.to_string()))?;
            let now = self.engine.guess();
            rows.iter().for_each(|row| self.engine.tallies().published(*row, now));
            self.engine.count_outbox();
            self.engine.told.notify_one();
            Ok(())
        })
    }

    fn set_aside(&self, row: u64, why: String) -> Boxed<'_, Result<(), OutboxError>> {
        Box::pin(async move {
            tracing::error!(row, why, "an event can't be published and is set aside");
            self.engine.state().note_store(format!("event {row} can't be published: {why}"));
            self.published(vec![row]).await
        })
    }

    fn notified(&self) -> Boxed<'_, ()> {
        Box::pin(self.engine.outbox.notified())
    }
}

impl Names for Wires {
    fn load(&self) -> Boxed<'_, Result<BTreeSet<String>, OutboxError>> {
        Box::pin(async move {
            let names = self.engine.store.value(Key::Topics).map_err(|error| OutboxError(error.to_string()))?;
            Ok(names.unwrap_or_default())
        })
    }

    fn keep(&self, topics: BTreeSet<String>) -> Boxed<'_, Result<(), OutboxError>> {
        Box::pin(async move {
            let mut batch = Batch::new();
            batch.value(Key::Topics, &topics);
            self.engine.commit(batch).await.map_err(|error| OutboxError(error.to_string()))
        })
    }
}

impl Ids for Wires {
    fn claim(&self, id: String) -> Boxed<'_, Result<bool, String>> {
        Box::pin(async move {
            let _claiming = self.claiming.lock().await;
            let now = self.engine.guess();
            let known = self.engine.store.value::<BTreeMap<String, Timestamp>>(Key::KnownCommands);
            let mut known = known.map_err(|error| error.to_string())?.unwrap_or_default();
            known.retain(|_, at| now - *at < REMEMBERED);
            if known.contains_key(&id) {
                return Ok(false);
            }
            while known.len() >= IDS_MAX {
                let Some(oldest) = known.iter().min_by_key(|(_, at)| **at).map(|(id, _)| id.clone()) else { break };
                known.remove(&oldest);
            }
            known.insert(id, now);
            let mut batch = Batch::new();
            batch.value(Key::KnownCommands, &known);
            self.engine.commit(batch).await.map(|()| true).map_err(|error| error.to_string())
        })
    }
}

impl Commands for Wires {
    fn handle(&self, command: Command) -> Boxed<'_, Result<Value, String>> {
        Box::pin(async move {
            match command {
                Command::Sync => {
                    self.engine.look_again();
                    Ok(Value::Null)
                }
                Command::Check { person, place, at } => self.check(&person, place, at),
                Command::Unlock { door, time } => {
                    may_unlock(time, self.engine.trusted_now())?;
                    tracing::warn!(door = %door, "unlocking at a command's request");
                    let deadline = self.engine.clock.mono().plus(UNLOCK_WITHIN);
                    let unlocked = self.engine.kisi.unlock(door, deadline).await;
                    unlocked.map(|()| Value::Null).map_err(|error| error.to_string())
                }
                Command::Approve { plan } => self.engine.approve(&plan).await.map(|()| Value::Null),
                Command::Pause => self.engine.pause(true).await.map(|()| Value::Null),
                Command::Resume => self.engine.pause(false).await.map(|()| Value::Null),
            }
        })
    }
}

impl Wires {
    fn check(&self, person: &Person, place: Place, at: Option<Timestamp>) -> Result<Value, String> {
        let who = match person {
            Person::Email(email) => Who::Email(email.clone()),
            Person::Customer(id) => Who::Customer(*id),
            Person::User(id) => Who::User(*id),
        };
        let (door, group): (Option<LockId>, Option<GroupId>) = match place {
            Place::Door(door) => (Some(door), None),
            Place::Group(group) => (None, Some(group)),
        };
        let told = self.engine.explain(&who, at, door, group).ok_or("neither cloud knows this person")?;
        let open = told.grants.iter().filter(|grant| {
            grant.from.is_none_or(|from| from <= told.at) && grant.until.is_none_or(|until| told.at < until)
        });
        let longest = open.max_by_key(|grant| (grant.until.is_none(), grant.until)).filter(|_| told.allowed);
        let reason = match longest {
            Some(grant) => json!(grant.reason),
            None => json!(told.why_not.first().map(|why| why.message.clone())),
        };
        Ok(json!({
            "allowed": told.allowed,
            "reason": reason,
            "until": longest.and_then(|grant| grant.until),
            "as_of": told.at,
            "clock": told.clock,
        }))
    }
}

/// A person as verbs name one.
pub fn who(text: &str) -> Result<Who, String> {
    Who::from_str(text)
}
