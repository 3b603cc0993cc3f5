//! `demo` and `twins`: starts the gateway in the demo's world. What that world is, `demo` knows; what happened, its
//! checker.

mod live;
mod once;
mod record;
mod twins;

use std::path::Path;
use std::sync::Arc;

pub use twins::twins;

use super::args::{DemoArgs, Sabotage as Asked};
use super::complain;
use crate::clock::Clock;
use crate::config::{Config, ProcessEnv};
use crate::demo::checker::{self, Evidence, Left, Published, Report};
use crate::demo::diary::Diary;
use crate::demo::settings::Settings;
use crate::demo::site::{self, Site};
use crate::demo::{Span, summary};
use crate::gateway::Sabotage;
use crate::simulate;

/// `demo`
pub fn demo(args: &DemoArgs) -> u8 {
    let done = match args.once {
        true => once::once(args),
        false => live::live(args),
    };
    match done {
        Ok(status) => status,
        Err(error) => complain(&format!("{error:#}")),
    }
}

/// Both twins and the site that is in them.
#[derive(Clone)]
struct World {
    clouds: simulate::World,
    site: Arc<Site>,
    settings: Arc<Settings>,
}

impl World {
    fn build(clock: Clock) -> anyhow::Result<World> {
        let built = site::build()?;
        Ok(World {
            clouds: simulate::World::new(built.nexudus, built.kisi, clock),
            site: Arc::new(built.site),
            settings: Arc::new(site::settings()),
        })
    }

    /// What the checker says of the day until now.
    fn judge(&self, diary: &Diary, published: &[Published], left: &[Left]) -> anyhow::Result<Report> {
        let kisi = self.clouds.kisi();
        let nexudus = self.clouds.nexudus();
        let evidence = Evidence {
            settings: &self.settings,
            day: Span::new(site::start(), self.clouds.clock.wall()),
            nexudus: nexudus.history(),
            kisi: &kisi,
            key_user: site::KEY_USER,
            ties: &self.site.ties,
            readers: &self.site.readers,
            diary,
            published,
            left,
            canaries: &site::canaries(),
        };
        Ok(checker::check(&evidence)?)
    }
}

/// Shows the report. 1 where a promise broke.
fn conclude(report: &Report, args: &DemoArgs) -> u8 {
    let broken = args.sabotage.map(name);
    let text = match args.json {
        true => format!("{}\n", summary::json(report, broken.as_deref())),
        false => summary::text(report, broken.as_deref(), 110),
    };
    super::print(&text);
    if report.kept() { super::WELL } else { super::FAILED }
}

/// A rule's name on the command line.
fn name(sabotage: Asked) -> String {
    use clap::ValueEnum;
    sabotage.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn sabotage(asked: Asked) -> Sabotage {
    match asked {
        Asked::LateClosing => Sabotage::LateClosing,
        Asked::EarlyOpening => Sabotage::EarlyOpening,
        Asked::ForeignRow => Sabotage::ForeignRow,
        Asked::LostEvent => Sabotage::LostEvent,
        Asked::MassRemoval => Sabotage::MassRemoval,
    }
}

/// The configuration that was written for the demo.
fn load(path: &Path) -> anyhow::Result<Config> {
    Config::load(path, &ProcessEnv)
        .map_err(|errors| anyhow::anyhow!("the demo's own configuration is wrong:\n{errors}"))
}
