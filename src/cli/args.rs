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
        #[arg(long, value_name = "TIME", value_parser = moment)]
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
    /// Propose links between Nexudus items and Kisi groups, as TOML ready to paste
    #[command(subcommand)]
    Links(LinksVerb),
    /// Write a configuration: ask for what it needs, or take it as flags, and try each answer at once
    Init(Box<InitArgs>),
    /// Look at the store, copy its ledger, or put such a copy back
    #[command(subcommand)]
    Store(StoreVerb),
    /// Print a JSON Schema (2020-12)
    #[command(subcommand)]
    Schema(SchemaVerb),
    /// Print the completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, of gatehouse or of one verb, as roff
    Man {
        /// Which verb
        verb: Option<String>,
    },
}

/// The verbs of `links`.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum LinksVerb {
    /// Pair items and groups whose names are alike, with a score; nothing is taken for granted
    Suggest {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Read the pairs set in the Nexudus dashboard (KisiGroupId, AccessControlGroupId)
    Import {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
}

/// The verbs of `store`.
#[derive(Clone, Debug, Subcommand)]
pub enum StoreVerb {
    /// Look at every row of both files; change nothing
    Check,
    /// Copy the ledger into a new file, while the gateway runs as well
    Backup {
        /// The new file
        file: PathBuf,
    },
    /// Put such a copy in the place of the ledger, which is kept beside it; not while the gateway runs
    Restore {
        /// The copy
        file: PathBuf,
    },
}

/// The verbs of `schema`.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum SchemaVerb {
    /// Of the configuration file
    Config,
    /// Of every payload, by topic
    Mqtt,
}

/// Flags of `init`. What is not given is asked for on a terminal.
#[derive(Clone, Debug, Args)]
pub struct InitArgs {
    /// The site's name in every topic: a-z, 0-9 and -
    #[arg(long, value_name = "ID")]
    pub site: Option<String>,
    /// The site's IANA time zone [default: what Nexudus says of the location]
    #[arg(long, value_name = "ZONE")]
    pub timezone: Option<String>,
    /// The base of Nexudus' API [default: spaces.nexudus.com/api]
    #[arg(long, value_name = "URL")]
    pub nexudus_url: Option<String>,
    /// The Nexudus user's e-mail
    #[arg(long, value_name = "EMAIL")]
    pub nexudus_username: Option<String>,
    /// A file with that user's password; only its owner may read it
    #[arg(long, value_name = "FILE")]
    pub nexudus_password_file: Option<PathBuf>,
    /// The Nexudus location's (business) id [default: the only one there is]
    #[arg(long, value_name = "ID")]
    pub location: Option<u64>,
    /// The base of Kisi's API [default: api.kisi.io]
    #[arg(long, value_name = "URL")]
    pub kisi_url: Option<String>,
    /// A file with the Kisi API key; only its owner may read it
    #[arg(long, value_name = "FILE")]
    pub kisi_api_key_file: Option<PathBuf>,
    /// The Kisi place's id [default: the whole organization]
    #[arg(long, value_name = "ID")]
    pub place: Option<u64>,
    /// The MQTT broker [default: mqtt://127.0.0.1:1883]
    #[arg(long, value_name = "URL")]
    pub mqtt_url: Option<String>,
    /// The user at the broker
    #[arg(long, value_name = "NAME")]
    pub mqtt_username: Option<String>,
    /// A file with that user's password
    #[arg(long, value_name = "FILE")]
    pub mqtt_password_file: Option<PathBuf>,
    /// Where the store goes [default: /var/lib/gatehouse]
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,
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

fn moment(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| "a time as 2026-03-04T07:00:00Z".to_owned())
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
