//! Many runs, seed by seed, on several threads; and what came of all of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;

use serde_json::{Value, json};

use super::driver::{self, Outcome};
use super::judge::Verdict;
use super::script::Script;
use super::shrink;
use crate::clock::Clock;
use crate::gateway::Sabotage;

/// How much is to be run.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// The first seed.
    pub seed: u64,
    /// How many simulated days, at least.
    pub days: f64,
    /// How many minutes of real time, at most.
    pub minutes: f64,
    /// How many threads.
    pub jobs: usize,
    /// Which rule is broken on purpose.
    pub sabotage: Option<Sabotage>,
    /// How many runs a failing one is shortened with; 0 leaves it as it is.
    pub shorten: usize,
    /// Whether to go on after a failure.
    pub go_on: bool,
}

/// All runs together.
#[derive(Clone, Debug, Default)]
pub struct Total {
    /// How many runs there were.
    pub runs: u64,
    /// Simulated seconds.
    pub seconds: i64,
    /// Real seconds.
    pub took_s: f64,
    /// Steps done, by kind.
    pub done: BTreeMap<String, u64>,
    /// Powers cut at a call or a write.
    pub crash_points: u64,
    /// What was compared and counted.
    pub verdict: Verdict,
    /// The runs that failed.
    pub failed: Vec<Failed>,
}

/// A run that failed.
#[derive(Clone, Debug)]
pub struct Failed {
    /// Its seed.
    pub seed: u64,
    /// What was wrong.
    pub failures: Vec<String>,
    /// The shortest script that was found to fail in the same way.
    pub script: Script,
}

/// A run's script and outcome.
type Ran = (Script, anyhow::Result<Outcome>);

/// Runs seed after seed until enough days are simulated, the time is over, or one fails.
///
/// # Errors
/// When a run could not be made at all.
pub fn run(wish: &Wish, mut tell: impl FnMut(&Total)) -> anyhow::Result<Total> {
    let clock = Clock::system();
    let next = AtomicU64::new(wish.seed);
    let over = AtomicBool::new(false);
    let mut total = Total::default();
    let mut failed: Vec<(Script, Vec<String>)> = Vec::new();
    std::thread::scope(|scope| -> anyhow::Result<()> {
        let (done, ran) = mpsc::sync_channel::<Ran>(wish.jobs.max(1));
        for _ in 0..wish.jobs.max(1) {
            let (next, over, done) = (&next, &over, done.clone());
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let Some(ran) = one(seed, wish.sabotage) else { continue };
                    if done.send(ran).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        for (script, outcome) in ran {
            let outcome = outcome.inspect_err(|_| over.store(true, Ordering::Relaxed))?;
            total.add(&outcome);
            total.took_s = clock.mono().0.as_secs_f64();
            if !outcome.failures.is_empty() {
                failed.push((script, outcome.failures));
            }
            tell(&total);
            let enough = total.days() >= wish.days || total.took_s >= wish.minutes * 60.0;
            if enough || (!failed.is_empty() && !wish.go_on) {
                over.store(true, Ordering::Relaxed);
            }
        }
        Ok(())
    })?;
    failed.sort_by_key(|(script, _)| script.seed);
    for (script, failures) in failed {
        let (script, failures) = shrink::shortest(&script, &failures, wish.sabotage, wish.shorten);
        total.failed.push(Failed { seed: script.seed, failures, script });
    }
    Ok(total)
}

fn one(seed: u64, sabotage: Option<Sabotage>) -> Option<Ran> {
    match Script::of(seed) {
        Ok(script) => {
            let outcome = driver::run(&script, sabotage);
            Some((script, outcome))
        }
        Err(wrong) => {
            let script = Script { seed, until: chrono::DateTime::UNIX_EPOCH, steps: Vec::new() };
            Some((script, Err(anyhow::anyhow!("the site of seed {seed}: {wrong}"))))
        }
    }
}

impl Total {
    fn add(&mut self, outcome: &Outcome) {
        self.runs += 1;
        self.seconds += outcome.seconds;
        self.crash_points += outcome.crash_points;
        self.verdict.add(&outcome.verdict);
        for (word, count) in &outcome.done {
            *self.done.entry(word.clone()).or_default() += count;
        }
    }

    /// Simulated days.
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    pub fn days(&self) -> f64 {
        self.seconds as f64 / 86_400.0
    }

    /// As one JSON object.
    pub fn json(&self) -> Value {
        let failed = self
            .failed
            .iter()
            .map(|failed| json!({"seed": failed.seed, "failures": failed.failures, "script": failed.script}));
        json!({
            "runs": self.runs,
            "days": self.days(),
            "took_s": self.took_s,
            "steps": self.done,
            "crash_points": self.crash_points,
            "compared": self.verdict.checked,
            "calls": {"nexudus": self.verdict.nexudus_calls, "kisi": self.verdict.kisi_calls},
            "events": self.verdict.events,
            "messages": self.verdict.messages,
            "failed": failed.collect::<Vec<_>>(),
        })
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut lines = vec![format!(
            "{:.1} days in {} runs, {:.0} s: {:.0} days a minute",
            self.days(),
            self.runs,
            self.took_s,
            self.days() * 60.0 / self.took_s.max(0.001)
        )];
        lines.push(format!(
            "calls: {} to Nexudus, {} to Kisi; {} events, {} messages; power cut at {} calls and writes",
            self.verdict.nexudus_calls,
            self.verdict.kisi_calls,
            self.verdict.events,
            self.verdict.messages,
            self.crash_points
        ));
        let compared: Vec<String> =
            self.verdict.checked.iter().map(|(promise, count)| format!("{promise}: {count}")).collect();
        lines.push(format!("compared, by promise: {}", compared.join(", ")));
        lines.push("steps:".to_owned());
        lines.extend(self.done.iter().map(|(word, count)| format!("{count:>9}  {word}")));
        for failed in &self.failed {
            lines.push(format!("\nFAILED: seed {}, {} steps:", failed.seed, shrink::length(&failed.script)));
            lines.extend(failed.failures.iter().take(8).map(|failure| format!("  {failure}")));
            lines.push(shrink::written(&failed.script));
        }
        lines.push(match self.failed.len() {
            0 => "all promises kept".to_owned(),
            n => format!("{n} failed"),
        });
        lines.join("\n") + "\n"
    }
}
