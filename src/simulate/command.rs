//! The simulation's command line.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Parser, ValueEnum};

use super::campaign::{self, Wish};
use super::script::Script;
use super::{crash, driver, shrink, site};
use crate::gateway::Sabotage;

/// The whole gateway over virtual time, one seed a run: sites, days and troubles by chance.
#[derive(Debug, Parser)]
#[command(name = "simulate")]
pub struct Args {
    /// How many days to simulate, at least
    #[arg(long, default_value_t = 30.0, value_name = "N")]
    days: f64,
    /// The first seed
    #[arg(long, default_value_t = 1, value_name = "S")]
    seed: u64,
    /// Run as many days as fit into so many minutes instead
    #[arg(long, value_name = "M", conflicts_with = "days")]
    minutes: Option<f64>,
    /// How many runs at once [default: one for each core]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Go on after a run that failed
    #[arg(long)]
    go_on: bool,
    /// With how many runs a failing one is made shorter; 0 leaves it as it is
    #[arg(long, default_value_t = 300, value_name = "N")]
    shorten: usize,
    /// Run the steps of a file, as they were printed, and nothing else
    #[arg(long, value_name = "FILE")]
    steps: Option<PathBuf>,
    /// With --steps: print what the gateway logged, too, with the seconds since its first start
    #[arg(long, requires = "steps")]
    log: bool,
    /// Print the steps of the seed and run nothing
    #[arg(long, conflicts_with = "steps")]
    show: bool,
    /// Instead of days: cut the power and fail the disk at every step of a short run, and at every call of it
    #[arg(long, conflicts_with_all = ["days", "minutes", "steps", "show"])]
    crash_points: bool,
    /// Of the crash points, only one in so many
    #[arg(long, default_value_t = 1, value_name = "N", requires = "crash_points")]
    every: usize,
    /// Break a rule on purpose: some seed must find it
    #[arg(long = "break", value_enum, value_name = "RULE")]
    sabotage: Option<Rule>,
}

/// Which rule is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Rule {
    LateClosing,
    EarlyOpening,
    ForeignRow,
    LostEvent,
    MassRemoval,
}

impl Rule {
    fn sabotage(self) -> Sabotage {
        match self {
            Rule::LateClosing => Sabotage::LateClosing,
            Rule::EarlyOpening => Sabotage::EarlyOpening,
            Rule::ForeignRow => Sabotage::ForeignRow,
            Rule::LostEvent => Sabotage::LostEvent,
            Rule::MassRemoval => Sabotage::MassRemoval,
        }
    }
}

/// Runs what was asked for. Gives the text for standard output, and whether all promises were kept.
///
/// # Errors
/// When a file can't be read or a run can't be made.
pub fn command(args: &Args) -> anyhow::Result<(String, bool)> {
    let sabotage = args.sabotage.map(Rule::sabotage);
    if args.show {
        return Ok((shrink::written(&Script::of(args.seed)?), true));
    }
    if let Some(path) = &args.steps {
        return replay(path, sabotage, args.log);
    }
    let jobs = args.jobs.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1);
    if args.crash_points {
        let report = crash::all(args.seed, jobs, args.every)?;
        let text = if args.json { format!("{}\n", report.json()) } else { report.to_string() };
        return Ok((text, report.failures.is_empty()));
    }
    let wish = Wish {
        seed: args.seed,
        days: if args.minutes.is_some() { f64::MAX } else { args.days },
        minutes: args.minutes.unwrap_or(f64::MAX),
        jobs,
        sabotage,
        shorten: args.shorten,
        go_on: args.go_on,
    };
    let total = campaign::run(&wish, |_| {})?;
    let text = if args.json { format!("{}\n", total.json()) } else { total.text() };
    Ok((text, total.failed.is_empty()))
}

/// A script that was kept in a file.
///
/// # Errors
/// When it can't be read.
pub fn read(path: &Path) -> anyhow::Result<Script> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} can't be read", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no script of the simulation", path.display()))
}

fn replay(path: &Path, sabotage: Option<Sabotage>, log: bool) -> anyhow::Result<(String, bool)> {
    let script = read(path)?;
    let outcome = driver::run(&script, sabotage)?;
    let mut text = String::new();
    if log {
        let site = site::build(script.seed)?.site;
        text.push_str(&format!("{site:#?}\n{}\n", String::from_utf8_lossy(&outcome.log)));
    }
    for failure in &outcome.failures {
        text.push_str(failure);
        text.push('\n');
    }
    let kept = outcome.failures.is_empty();
    if kept {
        text.push_str("all promises kept\n");
    }
    Ok((text, kept))
}
