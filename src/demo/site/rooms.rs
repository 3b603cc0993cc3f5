//! Who has booked which room today and in the days to come, and the bookings with which the script does something.

use chrono::TimeDelta;
use serde_json::json;

use super::people::Person;
use super::{ROOMS, at, date, room};
use crate::demo::Moment;
use crate::twin::nexudus::{Entity, SetupError, Site as Nexudus};

/// One of today's bookings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Booked {
    /// Its id.
    pub booking: i64,
    /// Whose, as a place in the list of people.
    pub person: usize,
    /// The room's number, from 1.
    pub room: i64,
    /// When it begins.
    pub from: Moment,
    /// When it ends.
    pub to: Moment,
}

/// The bookings, passes and contracts with which the script does something, named after what will happen. Each person
/// is a place in the list of people.
#[derive(Clone, Debug, Default)]
pub struct Actors {
    /// Extended while it runs.
    pub extended: i64,
    /// Moved to another room and time.
    pub moved: i64,
    /// Cancelled before it begins.
    pub cancelled: i64,
    /// Cancelled while it runs.
    pub cut_off: i64,
    /// Deleted by an administrator, so that no snapshot tells of it.
    pub deleted: i64,
    /// Shortened while it runs.
    pub shortened: i64,
    /// Approved in time.
    pub tentative: i64,
    /// Cancelled during the outage.
    pub cancelled_offline: i64,
    /// The pass that is used up.
    pub used_up: i64,
    /// The day passes that are used today.
    pub day_passes: Vec<(usize, i64)>,
    /// The contract that is ended at once.
    pub ended: i64,
    /// The pause that is lifted.
    pub pause: i64,
    /// A desk's holder whose row somebody removes by hand.
    pub row_removed: usize,
}

/// Places in the list of people: who does what in the script.
pub(in crate::demo) mod cast {
    /// Extends a booking.
    pub const EXTENDS: usize = 0;
    /// Moves one.
    pub const MOVES: usize = 1;
    /// Cancels one before it begins.
    pub const CANCELS: usize = 2;
    /// Cancels one while it runs.
    pub const CUT_OFF: usize = 4;
    /// Books at the last minute.
    pub const LAST_MINUTE: usize = 5;
    /// Has one deleted.
    pub const DELETED: usize = 6;
    /// Shortens one.
    pub const SHORTENS: usize = 8;
    /// Waits for approval.
    pub const TENTATIVE: usize = 9;
    /// Has two bookings in a group with an alternate.
    pub const ALTERNATE: usize = 10;
    /// Has two bookings with a gap in a group without one.
    pub const GAP: usize = 12;
    /// Comes each week.
    pub const SERIES: usize = 13;
    /// Is suspended.
    pub const SUSPENDED: usize = 14;
    /// Has a new e-mail.
    pub const RENAMED: usize = 16;
    /// Comes for the first time in the outage.
    pub const NEWCOMER: usize = 17;
    /// Stays on in the outage.
    pub const STAYS: usize = 18;
    /// Books in the outage.
    pub const BOOKS_OFFLINE: usize = 20;
    /// Cancels in the outage.
    pub const CANCELS_OFFLINE: usize = 21;
    /// Books while the gateway has no power.
    pub const BOOKS_DARK: usize = 22;
    /// A desk's holder whose row is removed by hand.
    pub const ROW_REMOVED: usize = 64;
    /// A desk's holder whose contract ends today.
    pub const CONTRACT_ENDS: usize = 66;
    /// A desk's holder whose contract is ended at once.
    pub const ENDED: usize = 68;
    /// A desk's holder whose contract is paused.
    pub const PAUSED: usize = 70;
    /// A pass holder whose pass runs out at a moment.
    pub const RUNS_OUT: usize = 180;
    /// A pass holder whose hours are used up.
    pub const USED_UP: usize = 181;
}

/// The bookings of a day in one room: begin and end, in minutes of the wall clock. Some touch, some overlap with the
/// quarter of an hour on either side, some last all day.
const PATTERNS: [&[(i64, i64)]; 5] = [
    &[(480, 540), (540, 630), (660, 720), (840, 900), (960, 1050)],
    &[(510, 600), (600, 660), (780, 855), (870, 930), (1080, 1200)],
    &[(540, 720), (810, 870), (870, 960), (1020, 1080)],
    &[(450, 510), (570, 600), (620, 680), (900, 1005), (1140, 1230)],
    &[(600, 1080), (1095, 1155)],
];

/// Who books the slot of that number in a room: neither an actor nor somebody who is there by contract alone. Two slots
/// in a row of pattern 1 and 3 are one person's, so that windows touch and overlap.
fn booker(number: i64, slot: usize) -> usize {
    let pattern = usize::try_from(number).unwrap_or(0) % PATTERNS.len();
    let same_as_before = (pattern == 1 && slot == 1) || (pattern == 3 && slot == 2);
    let slot = if same_as_before { slot - 1 } else { slot };
    let step = usize::try_from(number).unwrap_or(0) * 13 + slot * 29;
    match step % 5 {
        // Those who have a desk, an office or a plan book rooms, too.
        0 => 72 + step % 100,
        1 => 240 + step % 50,
        _ => 24 + step % 36,
    }
}

/// Puts all bookings into Nexudus.
pub(super) fn book(site: &mut Nexudus, people: &[Person]) -> Result<(Vec<Booked>, Actors), SetupError> {
    let mut booked = Vec::new();
    for number in 1..=ROOMS - 4 {
        for (slot, (from, to)) in PATTERNS[usize::try_from(number).unwrap_or(0) % PATTERNS.len()].iter().enumerate() {
            let person = booker(number, slot);
            let (from, to) = (at(0, *from), at(0, *to));
            let booking = site.book(Some(people[person].customer), room(number), from, to)?;
            booked.push(Booked { booking, person, room: number, from, to });
        }
        for (ahead, hour) in [(1, 9), (1, 13), (5, 10), (9, 15)] {
            let from = at(24 * ahead + hour, 0);
            let person = booker(number, usize::try_from(hour).unwrap_or(0));
            // Those of the fifth and ninth day are after the clocks change.
            let from = if ahead > 2 { from + TimeDelta::hours(1) } else { from };
            site.book(Some(people[person].customer), room(number), from, from + TimeDelta::hours(2))?;
        }
    }
    // A room may stand booked for nobody.
    site.book(None, room(2), at(12, 0), at(12, 30))?;
    Ok((booked, actors(site, people)?))
}

fn actors(site: &mut Nexudus, people: &[Person]) -> Result<Actors, SetupError> {
    let mut book = |who: usize, number: i64, from: (i64, i64), to: (i64, i64)| {
        site.book(Some(people[who].customer), room(number), at(from.0, from.1), at(to.0, to.1))
    };
    let mut all = Actors {
        extended: book(cast::EXTENDS, 22, (9, 0), (10, 0))?,
        moved: book(cast::MOVES, 22, (15, 40), (16, 30))?,
        cancelled: book(cast::CANCELS, 23, (13, 0), (14, 0))?,
        cut_off: book(cast::CUT_OFF, 23, (10, 0), (12, 0))?,
        deleted: book(cast::DELETED, 24, (16, 0), (18, 0))?,
        shortened: book(cast::SHORTENS, 24, (13, 0), (15, 50))?,
        cancelled_offline: book(cast::CANCELS_OFFLINE, 25, (14, 0), (16, 0))?,
        row_removed: cast::ROW_REMOVED,
        ..Actors::default()
    };
    book(cast::ALTERNATE, 25, (11, 0), (12, 0))?;
    book(cast::ALTERNATE, 25, (12, 40), (13, 40))?;
    book(cast::GAP, 22, (11, 30), (12, 0))?;
    book(cast::GAP, 22, (12, 40), (13, 30))?;
    book(cast::SUSPENDED, 25, (16, 10), (17, 0))?;
    book(cast::SUSPENDED, 24, (10, 0), (10, 40))?;
    book(cast::RENAMED, 23, (14, 0), (15, 0))?;
    book(cast::NEWCOMER, 22, (14, 30), (15, 30))?;
    book(cast::STAYS, 24, (12, 0), (14, 10))?;
    let tentative = book(cast::TENTATIVE, 25, (9, 30), (10, 30))?;
    site.set(Entity::Booking, tentative, json!({"Tentative": true}))?;
    all.tentative = tentative;
    site.book_series(people[cast::SERIES].customer, room(23), (at(18, 30), at(19, 30)), 7, 3)?;
    Ok(all)
}

/// Puts all contracts and passes into Nexudus.
pub(super) fn sign(site: &mut Nexudus, people: &[Person], all: &mut Actors) -> Result<(), SetupError> {
    use super::people::Role;
    let began = date() - TimeDelta::days(200);
    let next_month = date() + TimeDelta::days(20);
    let mut pass_holders = 0;
    for (place, person) in people.iter().enumerate() {
        match person.role {
            Role::Desk(number) => {
                let contract = site.sign_contract(person.customer, super::PLAIN_PLAN, began, &[super::desk(number)])?;
                match place {
                    cast::CONTRACT_ENDS => site.give_notice(contract, date())?,
                    cast::ENDED => all.ended = contract,
                    cast::PAUSED => {
                        let (from, until) = (date() - TimeDelta::days(3), date() + TimeDelta::days(10));
                        all.pause = site.pause_contract(contract, from, until)?;
                    }
                    _ => {}
                }
            }
            Role::Office { number, signed: true } => {
                let office = super::office(number);
                site.sign_contract(person.customer, super::PLAIN_PLAN, began, &[office])?;
            }
            Role::Resident => {
                site.sign_contract(person.customer, super::RESIDENT_PLAN, began, &[])?;
            }
            Role::Pass(kind) => {
                let pass = site.give_pass(person.customer, kind, Some(next_month))?;
                pass_holders += 1;
                match place {
                    cast::RUNS_OUT => {
                        let end = json!({"ExpireDate": at(13, 0).to_rfc3339()});
                        site.set(Entity::CoworkerTimePass, pass, end)?;
                    }
                    cast::USED_UP => all.used_up = pass,
                    _ if kind == super::PASSES[0] && pass_holders % 8 == 5 => all.day_passes.push((place, pass)),
                    // Used yesterday: it opens nothing any more.
                    _ if kind == super::PASSES[0] && pass_holders % 8 == 1 => {
                        let yesterday = (at(0, 0) - TimeDelta::hours(9)).to_rfc3339();
                        site.set(Entity::CoworkerTimePass, pass, json!({"Used": true, "UsedDate": yesterday}))?;
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
    // The one who is suspended has a pass besides the booking.
    site.give_pass(people[cast::SUSPENDED].customer, super::PASSES[1], None)?;
    Ok(())
}
