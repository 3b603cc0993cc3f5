//! The command line: one file a verb. Results go to standard output, logs and notes to standard error.
//!
//! A verb asks the running gateway over its socket; where none runs it opens the store itself. There is never a
//! second writer. Nothing is decided here.

pub mod adopt;
pub mod args;
pub mod ask;
pub mod check;
#[cfg(feature = "demo")]
pub mod demo;
pub mod events;
pub mod explain;
pub mod init;
mod init_file;
pub mod links;
pub mod log;
pub mod manual;
pub mod online;
pub mod plan;
mod progress;
pub mod run;
pub mod schema;
pub mod show;
pub mod status;
pub mod store;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::Path;

use args::{Cli, Verb};
use clap::Parser;

use crate::config::{Config, Env, ProcessEnv, resolve_path};

/// All is well.
pub const WELL: u8 = 0;
/// It failed.
pub const FAILED: u8 = 1;
/// A wrong argument or configuration.
pub const WRONG: u8 = 2;

/// What nobody else may do with a file that is made, unless its mode is set.
const UMASK: u32 = 0o077;

/// Reads the arguments, does what they say, and returns the exit status (contract 1).
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let wrong = error.use_stderr();
            let _ = error.print();
            return if wrong { WRONG } else { WELL };
        }
    };
    #[cfg(feature = "demo")]
    if let Verb::Demo(demo) = &cli.verb {
        return demo::demo(demo);
    }
    // What is made here is for its owner; what its group may reach is given to it by name.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(UMASK));
    log::start(cli.common.log_format, !matches!(cli.verb, Verb::Run));
    let path = resolve_path(cli.common.config, &ProcessEnv);
    match cli.verb {
        #[cfg(feature = "demo")]
        Verb::Demo(demo) => demo::demo(&demo),
        #[cfg(feature = "demo")]
        Verb::Twins(twins) => demo::twins(&twins),
        Verb::Run => configured(&path, WRONG, run::run),
        Verb::Check { online: true, json } => configured_for_check(&path, json),
        Verb::Check { online: false, json } => check(&path, json),
        Verb::Plan { json, detailed_exitcode } => {
            asking(&path, if detailed_exitcode { FAILED } else { WRONG }, |config| {
                plan::plan(&config, json, detailed_exitcode)
            })
        }
        Verb::Apply { json, yes } => asking(&path, WRONG, |config| plan::apply(&config, json, yes)),
        Verb::Adopt { created_by, suspended, apply, json } => {
            let asked = adopt::Asked { created_by, suspended, apply };
            asking(&path, WRONG, |config| adopt::adopt(&config, asked, json))
        }
        Verb::Explain { who, at, door, json } => {
            asking(&path, WRONG, |config| explain::explain(&config, who, at, door, json))
        }
        Verb::Status { json } => asking(&path, WRONG, |config| status::status(&config, json)),
        Verb::Events { since, follow, door, json } => {
            asking(&path, WRONG, |config| events::events(&config, since, follow, door, json))
        }
        Verb::Pause => asking(&path, WRONG, |config| status::pause(&config, true)),
        Verb::Resume => asking(&path, WRONG, |config| status::pause(&config, false)),
        Verb::Store(verb) => asking(&path, WRONG, |config| store::store(&config, &verb)),
        Verb::Schema(verb) => schema::schema(verb),
        Verb::Completions { shell } => manual::completions(shell),
        Verb::Man { verb } => manual::man(verb.as_deref()),
        Verb::Links(verb) => configured(&path, WRONG, |config| links::links(&config, verb)),
        Verb::Init(args) => init::init(&path, &args),
    }
}

fn check(path: &Path, json: bool) -> u8 {
    match check::check_offline(path, json, &ProcessEnv, &mut std::io::stdout(), &mut std::io::stderr()) {
        Ok(status) => status,
        Err(error) => complain(&format!("the result could not be written: {error}")),
    }
}

/// `check --online`: what is wrong with the file comes first.
fn configured_for_check(path: &Path, json: bool) -> u8 {
    match Config::load(path, &ProcessEnv) {
        Ok(config) => {
            config.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
            online::check_online(&config, json)
        }
        Err(_) => check(path, json),
    }
}

/// The same for a verb that asks the running gateway first: it needs no secret for that.
fn asking(path: &Path, wrong: u8, verb: impl FnOnce(Config) -> u8) -> u8 {
    match Config::load_without_secrets(path, &ProcessEnv) {
        Ok(config) => verb(config),
        Err(errors) => {
            eprintln!("{errors}");
            wrong
        }
    }
}

/// Runs a verb with its configuration, or shows what is wrong with that and returns `wrong`.
fn configured(path: &Path, wrong: u8, verb: impl FnOnce(Config) -> u8) -> u8 {
    match Config::load(path, &ProcessEnv) {
        Ok(config) => verb(config),
        Err(errors) => {
            eprintln!("{errors}");
            wrong
        }
    }
}

/// Says on standard error what went wrong.
fn complain(what: &str) -> u8 {
    eprintln!("gatehouse: {what}");
    FAILED
}

/// Prints a result. A reader that has gone away ends it quietly.
fn print(text: &str) {
    let _ = printed(text);
}

/// The same. Whether anybody is still reading.
fn printed(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
}

/// How results look here: colours on a terminal that has them.
fn look(config: &Config) -> show::Look {
    let terminal = std::io::stdout().is_terminal();
    show::Look { terminal, colour: coloured(terminal), zone: config.site.timezone.clone() }
}

/// Whether colours are wanted there: not through a pipe, not where `NO_COLOR` is set, not on a terminal that has none.
fn coloured(terminal: bool) -> bool {
    terminal && !is_dumb() && ProcessEnv.var("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A terminal that knows no more than lines.
fn is_dumb() -> bool {
    ProcessEnv.var("TERM").is_some_and(|term| term == "dumb")
}
