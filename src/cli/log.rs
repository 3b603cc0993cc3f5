//! Logs: to standard error, and never a secret in them.

use std::io::IsTerminal;
use std::os::unix::fs::MetadataExt;

use tracing::Level;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use super::args::LogFormat;

/// Starts logging. `RUST_LOG` says how much; without it, what an operator needs. `quiet`: for a verb, whose result is
/// what is looked for.
pub fn start(format: LogFormat, quiet: bool) {
    let logs = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let logs = match format {
        LogFormat::Json => logs.json().flatten_event(true).boxed(),
        LogFormat::Text if is_journal() => logs.event_format(Journal).boxed(),
        LogFormat::Text => logs.with_ansi(super::coloured(std::io::stderr().is_terminal())).with_target(false).boxed(),
    };
    if let Err(error) = tracing_subscriber::registry().with(logs.with_filter(filter(quiet))).try_init() {
        eprintln!("gatehouse: logs could not be started: {error}");
    }
}

/// What `RUST_LOG` asks for, as `info` or `gatehouse=debug,info`; what it may say of spans and fields is not understood,
/// since that takes a regular expression engine, a tenth of the program's size.
pub fn filter(quiet: bool) -> Targets {
    let asked = std::env::var("RUST_LOG").ok().filter(|asked| !asked.trim().is_empty());
    let level = if quiet { Level::ERROR } else { Level::INFO };
    let usual = || Targets::new().with_default(level).with_target("rumqttd", tracing::level_filters::LevelFilter::OFF);
    asked.and_then(|asked| asked.parse().ok()).unwrap_or_else(usual)
}

/// Whether standard error is the journal's, which has times of its own. systemd names its device and inode: what a
/// service starts inherits the variable, but may have another standard error.
fn is_journal() -> bool {
    let Ok(named) = std::env::var("JOURNAL_STREAM") else { return false };
    std::fs::metadata("/proc/self/fd/2").is_ok_and(|stderr| named == format!("{}:{}", stderr.dev(), stderr.ino()))
}

/// A line for the journal: its priority in front, and no time.
struct Journal;

impl<S, N> FormatEvent<S, N> for Journal
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> std::fmt::Result {
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            _ => 7,
        };
        write!(writer, "<{priority}>")?;
        ctx.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}
