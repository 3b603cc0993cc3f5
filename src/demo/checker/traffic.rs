//! How much was asked of both clouds, and whether any quota was overrun.

use std::collections::VecDeque;

use serde::Serialize;

use super::time::{Ms, ms, seconds};
use super::{Evidence, Findings};

/// Kisi's quota: calls of one user in any one second (Kisi API notes, 2.2).
const KISI_A_SECOND: usize = 5;
/// Nexudus' quota by the hour (Nexudus API notes, 2.4).
const NEXUDUS_AN_HOUR: usize = 5_000;

/// Calls of the day, and the busiest stretches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Traffic {
    /// Calls that reached Nexudus.
    pub nexudus_calls: usize,
    /// The most of them in any 60 minutes.
    pub nexudus_busiest_hour: usize,
    /// How many were answered with 409.
    pub nexudus_throttled: usize,
    /// Calls that reached Kisi.
    pub kisi_calls: usize,
    /// The most of them in any one second.
    pub kisi_busiest_second: usize,
    /// How many were answered with 429.
    pub kisi_throttled: usize,
    /// Writes of assignments that would have mailed somebody, `notify` not being false.
    pub mails: usize,
}

impl Traffic {
    /// Counts.
    pub(super) fn count(evidence: &Evidence<'_>) -> Traffic {
        let kisi = &evidence.kisi.history().requests;
        Traffic {
            nexudus_calls: evidence.nexudus.requests().len(),
            nexudus_busiest_hour: busiest(evidence.nexudus.requests().map(|call| ms(call.at)), seconds(3_600)),
            nexudus_throttled: evidence.nexudus.requests().filter(|call| call.status == 409).count(),
            kisi_calls: kisi.len(),
            kisi_busiest_second: busiest(kisi.iter().map(|call| ms(call.at)), seconds(1)),
            kisi_throttled: kisi.iter().filter(|call| call.status == 429).count(),
            mails: evidence.kisi.history().notices.iter().filter(|notice| notice.notify != Some(false)).count(),
        }
    }

    /// Quotas that were overrun are breaks: what is refused is late.
    pub(super) fn judge(&self, found: &mut Findings) {
        found.expect(self.kisi_busiest_second <= KISI_A_SECOND, || {
            format!("{} calls to Kisi in one second", self.kisi_busiest_second)
        });
        found.expect(self.nexudus_busiest_hour <= NEXUDUS_AN_HOUR, || {
            format!("{} calls to Nexudus in one hour", self.nexudus_busiest_hour)
        });
        found.note(format!(
            "at most {} calls a second to Kisi ({} refused), {} an hour to Nexudus ({} refused)",
            self.kisi_busiest_second, self.kisi_throttled, self.nexudus_busiest_hour, self.nexudus_throttled
        ));
    }
}

fn busiest(calls: impl Iterator<Item = Ms>, span: Ms) -> usize {
    let mut within: VecDeque<Ms> = VecDeque::new();
    let mut most = 0;
    for at in calls {
        while within.front().is_some_and(|oldest| at - *oldest >= span) {
            within.pop_front();
        }
        within.push_back(at);
        most = most.max(within.len());
    }
    most
}
