//! One run: a site, its steps, the box, and what came of it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};

use super::boxed::{Box, published};
use super::disk::Disk;
use super::judge::{Run, Verdict, judge};
use super::log::{self, Log};
use super::script::Script;
use super::site::{self, Built};
use super::stage::{Stage, approval};
use super::step::{BrokerMood, Passing, Step, What};
use super::world::World;
use crate::clock::Clock;
use crate::config::{Config, ProcessEnv};
use crate::demo::checker::Left;
use crate::demo::diary::Trouble;
use crate::demo::settings::Settings;
use crate::demo::site::{Addresses, write_config};
use crate::gateway::Sabotage;
use crate::mqtt::broker::Message;
use crate::mqtt::memory::{MemoryBroker, Mood};

/// How often the box is looked at when nothing happens.
const LOOKED_AT: TimeDelta = TimeDelta::minutes(15);
/// How soon a box starts again whose power went by itself.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(2);

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What was found wrong, in words; empty where all is well.
    pub failures: Vec<String>,
    /// What was compared and counted.
    pub verdict: Verdict,
    /// How often each kind of step was done.
    pub done: BTreeMap<String, u64>,
    /// How often the power went at a call or a write.
    pub crash_points: u64,
    /// How long it was, in seconds of its own time.
    pub seconds: i64,
    /// What the gateway logged.
    pub log: Vec<u8>,
    /// A hash of everything that the clouds and the broker saw: the same for the same run.
    pub fingerprint: u64,
}

/// Runs a script on the site of its seed. One thread, virtual time.
///
/// # Errors
/// When the run could not be made: that is a fault of the simulation or of this machine, never of the gateway.
pub fn run(script: &Script, sabotage: Option<Sabotage>) -> anyhow::Result<Outcome> {
    fastrand::seed(script.seed);
    let log = Log::default();
    let _recorded = log.record();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(async { Driver::new(script, sabotage, log.clone())?.all().await })
}

/// What the agenda holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Ends(usize),
    Begins(usize),
    Look,
}

struct Driver<'a> {
    script: &'a Script,
    settings: Settings,
    site: site::Site,
    world: World,
    gatehouse: Box<Disk>,
    stage: Stage,
    agenda: BinaryHeap<Reverse<(DateTime<Utc>, Due)>>,
    /// Steps that keep the box dark.
    dark: Vec<usize>,
    moods: Vec<BrokerMood>,
    outcome: Outcome,
    commands: u64,
    log: Log,
    _directory: tempfile::TempDir,
}

impl<'a> Driver<'a> {
    fn new(script: &'a Script, sabotage: Option<Sabotage>, log: Log) -> anyhow::Result<Driver<'a>> {
        let Built { nexudus, kisi, site } = site::build(script.seed)?;
        let clock = Clock::starting_at(site.start, 1.0);
        log::begin();
        let world = World::new(nexudus, kisi, clock.clone());
        let directory = tempfile::tempdir().context("a directory for the configuration could not be made")?;
        let config = configuration(directory.path(), &site.settings)?;
        let broker = MemoryBroker::new(clock);
        let mut gatehouse = Box::new(world.clone(), config, broker, (Disk::new(), Disk::new()));
        gatehouse.sabotage = sabotage;
        gatehouse.seed = script.seed;
        let mut agenda = BinaryHeap::new();
        for (n, step) in script.steps.iter().enumerate() {
            agenda.push(Reverse((step.at.max(site.start), Due::Begins(n))));
        }
        agenda.push(Reverse((site.start + LOOKED_AT, Due::Look)));
        Ok(Driver {
            script,
            settings: site.settings.clone(),
            site,
            world,
            gatehouse,
            stage: Stage::default(),
            agenda,
            dark: Vec::new(),
            moods: Vec::new(),
            outcome: Outcome::default(),
            commands: 0,
            log,
            _directory: directory,
        })
    }

    async fn all(mut self) -> anyhow::Result<Outcome> {
        self.gatehouse.power_on()?;
        while let Some(Reverse((at, due))) = self.agenda.peek().copied().filter(|next| next.0.0 < self.script.until) {
            if self.wait(at).await? {
                self.agenda.pop();
                self.perform(at, due).await?;
            }
        }
        while !self.wait(self.script.until).await? {}
        if let Err(dead) = self.gatehouse.is_live() {
            self.outcome.failures.push(dead.to_string());
        }
        self.gatehouse.stop().await;
        self.conclude()
    }

    /// Waits for a moment; false where the power went before.
    async fn wait(&mut self, until: DateTime<Utc>) -> anyhow::Result<bool> {
        let span = (until - self.world.clock.wall()).to_std().unwrap_or_default();
        let power = self.gatehouse.power.clone();
        let running = self.gatehouse.gateway().is_some();
        let went = tokio::select! {
            biased;
            () = power.gone(), if running => true,
            () = self.world.clock.sleep(span) => false,
        };
        if went {
            self.outcome.crash_points += 1;
            self.goes_dark().await;
            if self.dark.is_empty() {
                self.world.clock.sleep(AGAIN).await;
                self.power_on()?;
            }
        }
        Ok(!went)
    }

    async fn goes_dark(&mut self) {
        if self.gatehouse.gateway().is_some() {
            self.gatehouse.power_off().await;
            self.stage.begins(Trouble::Gateway, self.world.clock.wall());
        }
    }

    fn power_on(&mut self) -> anyhow::Result<()> {
        if self.gatehouse.gateway().is_none() && self.dark.is_empty() {
            self.gatehouse.power_on()?;
            self.stage.ends(Trouble::Gateway, self.world.clock.wall());
        }
        Ok(())
    }

    async fn perform(&mut self, at: DateTime<Utc>, due: Due) -> anyhow::Result<()> {
        let now = self.world.clock.wall();
        match due {
            Due::Look => {
                self.agenda.push(Reverse((at + LOOKED_AT, Due::Look)));
                if let Err(dead) = self.gatehouse.is_live() {
                    self.outcome.failures.push(dead.to_string());
                }
            }
            Due::Begins(n) => {
                let Step { what, .. } = &self.script.steps[n];
                *self.outcome.done.entry(what.word()).or_default() += 1;
                match what {
                    What::For { trouble, .. } => {
                        self.agenda.push(Reverse((at + what.lasts().unwrap_or_default(), Due::Ends(n))));
                        self.begin(n, trouble, now).await;
                    }
                    What::Approve => self.approve(),
                    What::Command { name } => self.command(name),
                    What::BrokerRestarts => self.gatehouse.broker.restart(),
                    What::Restart => {
                        if self.gatehouse.gateway().is_some() {
                            self.gatehouse.stop().await;
                            self.stage.begins(Trouble::Gateway, now);
                            self.power_on()?;
                        }
                    }
                    other => {
                        if let What::ClockShift { by_s } = other {
                            self.gatehouse.shift_clock(TimeDelta::seconds(*by_s));
                        }
                        // A record that a shorter script never made is no fault.
                        if self.stage.perform(other, &self.world, now).is_err() {
                            *self.outcome.done.entry("(not taken)".to_owned()).or_default() += 1;
                        }
                    }
                }
            }
            Due::Ends(n) => {
                if let What::For { trouble, .. } = &self.script.steps[n].what {
                    self.end(n, trouble, now)?;
                }
            }
        }
        Ok(())
    }

    async fn begin(&mut self, n: usize, trouble: &Passing, now: DateTime<Utc>) {
        self.stage.begin(trouble, &self.world, now);
        match trouble {
            Passing::Dark => {
                self.dark.push(n);
                self.goes_dark().await;
            }
            Passing::DarkAtCall(nth, side) => {
                self.dark.push(n);
                self.gatehouse.power.cut_at_call(*nth, *side);
            }
            Passing::DarkAtWrite(nth) => {
                self.dark.push(n);
                self.gatehouse.power.cut_at_write(*nth);
            }
            Passing::Broker(mood) => {
                self.moods.push(*mood);
                self.set_mood();
            }
            Passing::Paused => self.command("pause"),
            _ => {}
        }
    }

    fn end(&mut self, n: usize, trouble: &Passing, now: DateTime<Utc>) -> anyhow::Result<()> {
        self.stage.end(trouble, &self.world, now);
        match trouble {
            Passing::Dark | Passing::DarkAtCall(..) | Passing::DarkAtWrite(_) => {
                self.dark.retain(|other| *other != n);
                self.gatehouse.power.never_mind();
                self.power_on()?;
            }
            Passing::Broker(mood) => {
                if let Some(at) = self.moods.iter().position(|other| other == mood) {
                    self.moods.remove(at);
                }
                self.set_mood();
            }
            Passing::Paused => self.command("resume"),
            _ => {}
        }
        Ok(())
    }

    fn set_mood(&self) {
        self.gatehouse.broker.set_mood(match self.moods.last() {
            None => Mood::Well,
            Some(BrokerMood::Away) => Mood::Away,
            Some(BrokerMood::Refusing) => Mood::Refusing,
            Some(BrokerMood::Mute) => Mood::Mute,
            Some(BrokerMood::Deaf) => Mood::Deaf,
        });
    }

    fn command_id(&mut self) -> String {
        self.commands += 1;
        format!("step-{}", self.commands)
    }

    fn say(&self, name: &str, payload: &serde_json::Value) {
        let topic = format!("{}/command/{name}", self.settings.root());
        self.gatehouse.broker.say(Message::passing(topic, payload.to_string()));
    }

    fn command(&mut self, name: &str) {
        let id = self.command_id();
        self.say(name, &serde_json::json!({ "id": id }));
    }

    fn approve(&mut self) {
        let id = self.command_id();
        let approval = approval(&self.gatehouse.broker.retained(), &self.settings.root(), &id);
        if let Some(payload) = approval {
            self.say("approve", &payload);
        }
    }

    fn conclude(mut self) -> anyhow::Result<Outcome> {
        let broker = &self.gatehouse.broker;
        let bytes = |disk: &Disk| -> io::Result<Vec<u8>> { disk.bytes() };
        let left = [
            Left { name: "the log".to_owned(), bytes: self.log.bytes() },
            Left { name: "cache.redb".to_owned(), bytes: bytes(&self.gatehouse.cache)? },
            Left { name: "ledger.redb".to_owned(), bytes: bytes(&self.gatehouse.ledger)? },
        ];
        let messages = published(broker, self.site.start);
        let run = Run {
            site: &self.site,
            world: &self.world,
            until: self.script.until,
            diary: &self.stage.diary,
            published: &messages,
            left: &left,
            forgotten: broker.forgotten(),
        };
        let (verdict, failures) = judge(&run)?;
        self.outcome.failures.extend(failures);
        self.outcome.seconds = (self.script.until - self.site.start).num_seconds();
        self.outcome.fingerprint = run.fingerprint();
        self.outcome.verdict = verdict;
        self.outcome.log = self.log.bytes();
        Ok(self.outcome)
    }
}

/// The configuration of a site, written out and read as any other. Nothing listens anywhere.
pub(super) fn configuration(directory: &std::path::Path, settings: &Settings) -> anyhow::Result<Config> {
    let addresses = Addresses {
        nexudus: "http://127.0.0.1:1".to_owned(),
        kisi: "http://127.0.0.1:2".to_owned(),
        broker: "mqtt://127.0.0.1:3".to_owned(),
        web: "off".to_owned(),
        store: directory.join("store"),
    };
    let path = write_config(directory, settings, &addresses)?;
    Config::load(&path, &ProcessEnv)
        .map_err(|errors| anyhow::anyhow!("the configuration of the simulated site is wrong:\n{errors}"))
}
