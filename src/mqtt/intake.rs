//! Takes commands in, has them carried out and gathers the answers (contract 4).
//!
//! What comes is read by [`super::commands`], bounded here in rate and number, and waits until the broker has told that it is
//! no retained message ([`super::look`]). Then its id is noted and its handler asked.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::sync::{Mutex, oneshot};
use tokio::task::JoinSet;

use super::broker::Message;
use super::commands::{Command, CommandName, Commands, Ids, Request, read};
use super::look::{self, Found, LOOK_LIMIT, Looks};
use super::topics::{Root, Topic};
use crate::clock::{Clock, Mono};
use crate::domain::Timestamp;

/// How many commands may come at once; after that one each [`PER_COMMAND`].
const BURST: u32 = 20;
/// How often a command may come in the long run.
const PER_COMMAND: Duration = Duration::from_secs(1);
/// How many commands are worked on at a time.
const AT_WORK_MAX: usize = 16;
/// How many answers wait for the broker; beyond that the oldest are dropped.
const ANSWERS_MAX: usize = 64;
/// How long a command may take; then it is answered that it goes on.
const WORK_LIMIT: Duration = Duration::from_secs(600);

/// Takes commands in, has them carried out and gathers the answers. It outlives connections: what a lost connection
/// asked for is answered on the next one.
pub(super) struct Intake {
    served: BTreeSet<CommandName>,
    handler: Arc<dyn Commands>,
    ids: Arc<dyn Ids>,
    clock: Clock,
    root: Root,
    rate: Rate,
    looks: Looks,
    at_work: JoinSet<Message>,
    answers: VecDeque<Message>,
    /// Held while an id is claimed.
    claiming: Arc<Mutex<()>>,
    /// Done when the last `pause` or `resume` is: two of them never overtake each other.
    last_switch: Option<oneshot::Receiver<()>>,
}

impl Intake {
    pub(super) fn new(
        served: BTreeSet<CommandName>,
        handler: Arc<dyn Commands>,
        ids: Arc<dyn Ids>,
        clock: Clock,
        root: Root,
    ) -> Intake {
        let (rate, at_work, answers) = (Rate::new(clock.mono()), JoinSet::new(), VecDeque::new());
        let (claiming, looks) = (Arc::default(), Looks::default());
        Intake { served, handler, ids, clock, root, rate, looks, at_work, answers, claiming, last_switch: None }
    }

    /// A message came on a command's topic. `now`: the trusted time.
    pub(super) fn take(&mut self, name: &str, message: &Message, now: Option<Timestamp>) {
        // An empty payload is somebody clearing a retained command.
        if message.payload.is_empty() {
            return self.looks.cleared(name);
        }
        if message.retain {
            if !self.looks.under_way() {
                tracing::info!(command = name, "a retained command lies at the broker and is not obeyed");
            }
            return self.looks.lies(name, &message.payload);
        }
        if self.looks.holds(name, &message.payload) {
            return;
        }
        if !self.rate.admits(self.clock.mono()) {
            let Request { id, .. } = read(name, &message.payload, &self.served, now);
            return self.answer(answer(&self.root, name, id, Err("too many commands: try again later".to_owned())));
        }
        let (id, command) = match read(name, &message.payload, &self.served, now) {
            Request { id: Some(id), command: Ok(command) } => (id, command),
            Request { id, command } => {
                let why = command.err().unwrap_or_else(|| "`id` is missing".to_owned());
                return self.refuse(name, id, why);
            }
        };
        if self.at_work.len() + self.looks.len() >= AT_WORK_MAX {
            let why = format!("{AT_WORK_MAX} commands are still being worked on: try again later");
            return self.answer(answer(&self.root, name, Some(id), Err(why)));
        }
        let until = self.clock.mono().plus(self.clock.scale(LOOK_LIMIT));
        let payload = message.payload.clone();
        self.looks.wait(look::Request { name: name.to_owned(), payload, id, command, until });
    }

    /// Begins a look where one is needed: the names of the commands whose topics are to be asked for.
    pub(super) fn look(&mut self) -> BTreeSet<String> {
        self.looks.begin()
    }

    /// Whether a look is under way.
    pub(super) fn looks(&self) -> bool {
        self.looks.under_way()
    }

    /// When the look is to be given up.
    pub(super) fn look_due(&self) -> Option<Mono> {
        self.looks.due()
    }

    /// The broker has told all that lies on the topics that were asked for.
    pub(super) fn looked(&mut self) {
        let found = self.looks.over();
        self.settle(found, "");
    }

    /// It does not tell, and why: what could do harm is not done.
    pub(super) fn look_failed(&mut self, why: &str) {
        let found = self.looks.give_up();
        self.settle(found, why);
    }

    fn settle(&mut self, found: Vec<(look::Request, Found)>, why: &str) {
        for (request, found) in found {
            let harmless = matches!(request.command, Command::Sync | Command::Check { .. });
            match found {
                Found::Retained => {
                    let why = "a retained message is never obeyed: send it again without the retain flag, under a \
                               new `id`, and clear the one that lies at the broker";
                    self.refuse(&request.name, Some(request.id), why.to_owned());
                }
                Found::Unknown if !harmless => {
                    let why = format!(
                        "nothing is done, since the broker did not tell whether this is a retained message: {why}"
                    );
                    self.refuse(&request.name, Some(request.id), why);
                }
                Found::Passing | Found::Unknown => {
                    tracing::info!(command = request.name, id = %request.id, "a command is taken");
                    self.carry_out(request.name, request.id, request.command);
                }
            }
        }
    }

    fn refuse(&mut self, name: &str, id: Option<Value>, why: String) {
        tracing::info!(command = name, why, "a command is refused");
        self.answer(answer(&self.root, name, id, Err(why)));
    }

    fn carry_out(&mut self, name: String, id: Value, command: Command) {
        let (handler, ids, clock, root) =
            (Arc::clone(&self.handler), Arc::clone(&self.ids), self.clock.clone(), self.root.clone());
        let claiming = Arc::clone(&self.claiming);
        let mut before = None;
        let mut done = None;
        if matches!(command, Command::Pause | Command::Resume) {
            let (tell, told) = oneshot::channel();
            before = self.last_switch.replace(told);
            done = Some(tell);
        }
        self.at_work.spawn(async move {
            if let Some(before) = before {
                _ = before.await;
            }
            let claim = {
                let _alone = claiming.lock().await;
                ids.claim(id.to_string()).await
            };
            let result = match claim {
                Ok(true) => match clock.timeout(WORK_LIMIT, handler.handle(command)).await {
                    Ok(result) => result,
                    Err(_) => Err(format!("not done within {WORK_LIMIT:?}: `status` tells how it goes on")),
                },
                Ok(false) => Err("this `id` was used in the last 24 hours: nothing is done twice".to_owned()),
                Err(error) => Err(format!("nothing was done, since the `id` could not be noted: {error}")),
            };
            drop(done);
            answer(&root, &name, Some(id), result)
        });
    }

    fn answer(&mut self, answer: Message) {
        if self.answers.len() == ANSWERS_MAX {
            self.answers.pop_front();
        }
        self.answers.push_back(answer);
    }

    /// The next answer to be published.
    pub(super) fn next_answer(&mut self) -> Option<Message> {
        self.answers.pop_front()
    }

    /// Waits until a command has been carried out; for ever where none is being worked on.
    pub(super) async fn work(&mut self) {
        match self.at_work.join_next().await {
            None => std::future::pending().await,
            Some(Ok(answer)) => self.answer(answer),
            Some(Err(error)) => tracing::error!(%error, "a command's handler failed"),
        }
    }
}

fn answer(root: &Root, name: &str, id: Option<Value>, result: Result<Value, String>) -> Message {
    let mut fields = match result {
        Ok(Value::Object(mut fields)) => {
            fields.insert("ok".to_owned(), true.into());
            fields
        }
        Ok(Value::Null) => Map::from_iter([("ok".to_owned(), true.into())]),
        Ok(other) => Map::from_iter([("ok".to_owned(), true.into()), ("result".to_owned(), other)]),
        Err(why) => Map::from_iter([("ok".to_owned(), false.into()), ("error".to_owned(), json!(why))]),
    };
    if let Some(id) = id {
        fields.insert("id".to_owned(), id);
    }
    Message::passing(root.topic(&Topic::Response(name)), Bytes::from(Value::Object(fields).to_string()))
}

/// A bucket of [`BURST`] commands that fills by one each [`PER_COMMAND`].
#[derive(Debug)]
struct Rate {
    left: u32,
    filled: Mono,
}

impl Rate {
    fn new(now: Mono) -> Rate {
        Rate { left: BURST, filled: now }
    }

    fn admits(&mut self, now: Mono) -> bool {
        let gained = u32::try_from(now.since(self.filled).as_nanos() / PER_COMMAND.as_nanos()).unwrap_or(u32::MAX);
        if self.left.saturating_add(gained) >= BURST {
            (self.left, self.filled) = (BURST, now);
        } else {
            self.left += gained;
            self.filled = self.filled.plus(PER_COMMAND * gained);
        }
        let admitted = self.left > 0;
        self.left = self.left.saturating_sub(1);
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_commands_may_come_at_once_and_then_one_a_second() {
        let at = |ms| Mono(Duration::from_millis(ms));
        let mut rate = Rate::new(at(0));
        let mut admitted = |ms| (0..100).filter(|_| rate.admits(at(ms))).count();
        assert_eq!([admitted(0), admitted(999), admitted(1000), admitted(3500)], [20, 0, 1, 2]);
        assert_eq!(admitted(3_600_000), 20);
    }
}
