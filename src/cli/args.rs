//! The command line, as contract 1 has it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::domain::{LockId, Timestamp, UserId};

/// Keeps Kisi door access right from Nexudus bookings, passes and contracts, on a box in the building.
#[derive(Debug, Parser)]
#[command(name = "gatehouse", version, max_term_width = 100)]
pub struct Cli {
    /// What holds for every verb.
    #[command(flatten)]
    pub common: Common,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Flags that every verb takes.
#[derive(Debug, Args)]
pub struct Common {
    /// The configuration file [default: /etc/gatehouse/gatehouse.toml]
    #[arg(long, global = true, env = "GATEHOUSE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How logs are written, on standard error
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    pub log_format: LogFormat,
}

/// How logs look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people, or for the journal under systemd.
    Text,
    /// One JSON object a line.
    Json,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show the whole system on this machine, with twins of both clouds and a broker inside
    #[cfg(feature = "demo")]
    Demo(DemoArgs),
    /// Serve the twins of both clouds on loopback, to try `run` against
    #[cfg(feature = "demo")]
    Twins(TwinsArgs),
    /// Be the gateway, until SIGTERM or SIGINT; SIGHUP reads the configuration anew
    Run,
    /// Validate the configuration
    Check {
        /// Sign in to both clouds and the broker too, follow every link, and name each right that is missing
        #[arg(long)]
        online: bool,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Read both clouds and print what would change and why; change nothing
    Plan {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
        /// Exit with 0 for nothing to do, 2 for changes, 1 for any error
        #[arg(long)]
        detailed_exitcode: bool,
    },
    /// Make one pass of the plan, then end
    Apply {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
        /// Take removals that the guard holds past it
        #[arg(long)]
        yes: bool,
    },
    /// List what another Kisi user made in linked groups, and make it Gatehouse's own
    Adopt {
        /// The Kisi user whose assignments are meant: its id
        #[arg(long, value_name = "ID", value_parser = user)]
        created_by: UserId,
        /// The users too who were suspended while they held no grant: they are enabled when one comes
        #[arg(long)]
        suspended: bool,
        /// Do it: note them as Gatehouse's own; nothing is written to Kisi
        #[arg(long)]
        apply: bool,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Say who may get in where, from when until when, why, and why not
    Explain {
        /// An e-mail, a Nexudus customer's id, or kisi:ID
        who: String,
        /// For that moment instead of now, RFC 3339
        #[arg(long, value_name = "TIME")]
        at: Option<Timestamp>,
        /// For that door alone: a Kisi lock's id
        #[arg(long, value_name = "ID", value_parser = lock)]
        door: Option<LockId>,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Show what `run` is doing now
    Status {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Show the door events kept on the box, newest last
    Events {
        /// Only those from that moment on, RFC 3339, or of so long back, as 2h
        #[arg(long, value_name = "TIME", value_parser = since)]
        since: Option<Since>,
        /// Go on as they come
        #[arg(long)]
        follow: bool,
        /// Only those of that door: a Kisi lock's id
        #[arg(long, value_name = "ID", value_parser = lock)]
        door: Option<LockId>,
        /// Print one JSON document a line
        #[arg(long)]
        json: bool,
    },
    /// Let the running gateway write nothing to Kisi until `resume`
    Pause,
    /// Let the running gateway write to Kisi again
    Resume,
}

/// Flags of `demo`.
#[cfg(feature = "demo")]
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// How many times faster than the clock the day runs
    #[arg(long, default_value_t = 60.0, value_name = "N", value_parser = speed, conflicts_with = "once")]
    pub speed: f64,
    /// Run the day on virtual time, as fast as the gateway keeps up, and end with a summary
    #[arg(long)]
    pub once: bool,
    /// Print the summary as one JSON document
    #[arg(long, requires = "once")]
    pub json: bool,
    /// Break a rule on purpose: the summary must say so
    #[arg(long = "break", value_enum, value_name = "RULE")]
    pub sabotage: Option<Sabotage>,
    /// The broker's port on 127.0.0.1 [default: 1883, or one that is free]
    #[arg(long, value_name = "PORT", conflicts_with = "once")]
    pub mqtt_port: Option<u16>,
    /// The status page's port on 127.0.0.1 [default: 8480, or one that is free]
    #[arg(long, value_name = "PORT", conflicts_with = "once")]
    pub web_port: Option<u16>,
}

/// Which rule the demo breaks on purpose.
#[cfg(feature = "demo")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sabotage {
    /// Windows end late.
    LateClosing,
    /// Windows begin early.
    EarlyOpening,
    /// A row of another hand is removed.
    ForeignRow,
    /// Events are dropped on their way to the broker.
    LostEvent,
    /// The guard lets everything through, and one absence is believed.
    MassRemoval,
}

/// Flags of `twins`.
#[cfg(feature = "demo")]
#[derive(Debug, Args)]
pub struct TwinsArgs {
    /// Where the Nexudus twin listens
    #[arg(long, default_value = "127.0.0.1:8471", value_name = "ADDRESS")]
    pub nexudus: std::net::SocketAddr,
    /// Where the Kisi twin listens
    #[arg(long, default_value = "127.0.0.1:8472", value_name = "ADDRESS")]
    pub kisi: std::net::SocketAddr,
    /// Write a configuration that fits them, with its credentials, into that directory
    #[arg(long, value_name = "DIR")]
    pub write_config: Option<PathBuf>,
}

/// From when events are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// From that moment.
    At(Timestamp),
    /// From so long ago.
    Ago(std::time::Duration),
}

fn lock(text: &str) -> Result<LockId, String> {
    text.parse().map(LockId).map_err(|_| "a Kisi lock's id is a number".to_owned())
}

fn user(text: &str) -> Result<UserId, String> {
    let id = text.strip_prefix("kisi:").unwrap_or(text);
    id.parse().map(UserId).map_err(|_| "a Kisi user's id is a number".to_owned())
}

fn since(text: &str) -> Result<Since, String> {
    if let Ok(at) = text.parse() {
        return Ok(Since::At(at));
    }
    let wrong = || "a time as 2026-03-04T07:00:00Z, or a span as 90s, 15m, 36h or 2d".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86400,
        _ => return Err(wrong()),
    };
    let count: u32 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| wrong())?;
    Ok(Since::Ago(std::time::Duration::from_secs(u64::from(count) * seconds)))
}

#[cfg(feature = "demo")]
fn speed(text: &str) -> Result<f64, String> {
    let speed: f64 = text.parse().map_err(|_| "a number".to_owned())?;
    (0.1..=1000.0).contains(&speed).then_some(speed).ok_or_else(|| "a number from 0.1 to 1000".to_owned())
}
