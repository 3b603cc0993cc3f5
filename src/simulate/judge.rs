//! Puts the evidence of a run before the checker of the promises, and says what it found.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use chrono::{DateTime, Utc};

use super::site::Site;
use super::world::World;
use crate::demo::Span;
use crate::demo::checker::{self, CheckError, Evidence, Left, Published};
use crate::demo::diary::Diary;
use crate::demo::site::{KEY_USER, canaries};

/// What a run left to be judged.
pub struct Run<'a> {
    /// The site.
    pub site: &'a Site,
    /// The clouds, as they stand now.
    pub world: &'a World,
    /// When it ended.
    pub until: DateTime<Utc>,
    /// What was done.
    pub diary: &'a Diary,
    /// What reached the broker.
    pub published: &'a [Published],
    /// Logs and the store's files.
    pub left: &'a [Left],
    /// How many messages the broker's record has lost for want of room.
    pub forgotten: usize,
}

/// What was compared and counted in one run or in many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Comparisons, by promise.
    pub checked: BTreeMap<u8, u64>,
    /// Calls that reached Nexudus.
    pub nexudus_calls: u64,
    /// Calls that reached Kisi.
    pub kisi_calls: u64,
    /// Events of Kisi's record.
    pub events: u64,
    /// Messages that reached the broker.
    pub messages: u64,
}

impl Verdict {
    /// Adds another run's.
    pub fn add(&mut self, other: &Verdict) {
        for (promise, checked) in &other.checked {
            *self.checked.entry(*promise).or_default() += checked;
        }
        self.nexudus_calls += other.nexudus_calls;
        self.kisi_calls += other.kisi_calls;
        self.events += other.events;
        self.messages += other.messages;
    }
}

impl Run<'_> {
    /// A hash of everything that the clouds and the broker saw, with its times.
    pub fn fingerprint(&self) -> u64 {
        let mut hash = DefaultHasher::new();
        for call in &self.world.kisi().history().requests {
            (call.at, &call.method, &call.path, call.status).hash(&mut hash);
        }
        for call in self.world.nexudus().history().requests() {
            (call.at, &call.method, &call.target, call.status).hash(&mut hash);
        }
        for message in self.published {
            (message.at, &message.topic, &message.payload).hash(&mut hash);
        }
        hash.finish()
    }
}

/// What was compared, and everything that is wrong, in words.
///
/// # Errors
/// When the site's zone is not known on this machine.
pub fn judge(run: &Run<'_>) -> Result<(Verdict, Vec<String>), CheckError> {
    let (kisi, nexudus) = (run.world.kisi(), run.world.nexudus());
    let evidence = Evidence {
        settings: &run.site.settings,
        day: Span::new(run.site.start, run.until),
        nexudus: nexudus.history(),
        kisi: &kisi,
        key_user: KEY_USER,
        ties: &run.site.ties,
        readers: &run.site.readers,
        diary: run.diary,
        published: run.published,
        left: run.left,
        canaries: &canaries(),
    };
    let report = checker::check(&evidence)?;
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let verdict = Verdict {
        checked: report.promises.iter().map(|promise| (promise.number, promise.checked)).collect(),
        nexudus_calls: count(report.traffic.nexudus_calls) + nexudus.history().requests_dropped(),
        kisi_calls: count(report.traffic.kisi_calls),
        events: count(kisi.history().events.len()),
        messages: count(run.published.len()),
    };
    let mut failures: Vec<String> = Vec::new();
    for promise in &report.promises {
        failures.extend(promise.breaks.iter().map(|what| format!("promise {}: {what}", promise.number)));
    }
    // A judge who saw nothing has found nothing.
    if [1, 2, 3, 4].iter().all(|promise| verdict.checked.get(promise).copied().unwrap_or_default() == 0) {
        failures.push("the simulation itself: nothing could be compared".to_owned());
    }
    if run.forgotten > 0 || nexudus.history().requests_dropped() > 0 {
        failures.push("the simulation itself: its records ran over, so that not all could be compared".to_owned());
    }
    Ok((verdict, failures))
}
