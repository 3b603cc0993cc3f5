//! What hints may take of the budget: what the paces leave of it, so that a flood of hints slows no reading.

use std::time::Duration;

use crate::clock::Mono;

/// How many calls may be brought forward at once: a hint's own two readings of bookings and one of each other list.
const AT_ONCE: u32 = 10;
/// Of the calls that the budget fills up with, readings and hints together leave this share to tokens and to customers
/// read singly.
const LEFT: f64 = 0.05;

/// A bucket of calls that hints may bring forward.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Share {
    /// When the bucket will be full again.
    full_at: Mono,
}

impl Share {
    /// How many calls a second hints may bring about, where the budget sustains so many and the paces take so many.
    pub(super) fn rate(sustained: f64, taken: f64) -> f64 {
        (sustained * (1.0 - LEFT) - taken).max(sustained * LEFT)
    }

    /// When so many calls may be made, and the bucket once they are taken from it.
    pub(super) fn claim(self, calls: u32, rate: f64, now: Mono) -> (Mono, Share) {
        let gap = Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::from_secs(3600));
        let full_at = self.full_at.max(now).plus(gap.saturating_mul(calls));
        let spare = gap.saturating_mul(AT_ONCE);
        (now.max(Mono(full_at.0.saturating_sub(spare))), Share { full_at })
    }
}
