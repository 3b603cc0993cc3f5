//! The script of a run: every step of it, made from the seed before anything runs.

mod life;
mod troubles;

use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;
use serde::{Deserialize, Serialize};

use super::site::{self, Site};
use super::step::{Step, What};
use crate::twin::nexudus::SetupError;

/// A run, whole: the site is that of the seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Script {
    /// The seed of the site, and of everything that is drawn while it runs.
    pub seed: u64,
    /// When the run ends: some hours after its last step, so that all has become quiet.
    pub until: DateTime<Utc>,
    /// The steps, by time.
    pub steps: Vec<Step>,
}

/// How long the quiet at the end is, besides what the site's own settings ask for.
const QUIET: TimeDelta = TimeDelta::minutes(40);

impl Script {
    /// The script of that seed.
    ///
    /// # Errors
    /// When a twin doesn't take the site, which is a fault of this room.
    pub fn of(seed: u64) -> Result<Script, SetupError> {
        let site = site::build(seed)?.site;
        let mut rng = Rng::with_seed(seed ^ 0x5c_21_97);
        let rng = &mut rng;
        let hours = match rng.u8(..20) {
            0 => rng.i64(80..100),
            1..=3 => rng.i64(26..50),
            _ => rng.i64(6..26),
        };
        // Large sites are dear: a few hours of them.
        let hours = if site.people.len() > 400 { hours.min(8) } else { hours };
        let ends = site.start + TimeDelta::hours(hours);
        let mut steps = life::steps(&site, ends, rng);
        steps.extend(troubles::steps(&site, ends, rng));
        let mut script = Script { seed, until: ends, steps };
        script.finish(&site);
        Ok(script)
    }

    /// Puts the steps in order, and appends the quiet, in which somebody approves now and then what the guard holds.
    fn finish(&mut self, site: &Site) {
        self.steps.sort_by_key(|step| step.at);
        let ends = self.steps.iter().map(|step| step.at + step.what.lasts().unwrap_or_default());
        let last = ends.max().unwrap_or(self.until).max(self.until);
        let settings = &site.settings;
        let paces = 4 * settings.refresh_s + 2 * settings.roster_s + settings.no_access_after_s;
        let quiet = QUIET + TimeDelta::seconds(paces);
        for part in 1..6 {
            self.steps.push(Step { at: last + quiet * part / 8, what: What::Approve });
        }
        self.until = last + quiet;
    }
}
