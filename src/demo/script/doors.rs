//! People at doors: the everyday traffic, and tries at the very edges of windows.

use chrono::TimeDelta;

use super::{Step, What};
use crate::demo::Moment;
use crate::demo::site::people::Role;
use crate::demo::site::{
    DESK_GROUPS, FLOOR_GROUP, LOUNGE_GROUP, Site, at, cast, main_entrance, office_group, room_group,
};

/// Whoever comes and goes.
pub(super) fn life(site: &Site, steps: &mut Vec<Step>) {
    for (place, person) in site.people.iter().enumerate() {
        let group = match person.role {
            Role::Desk(number) => DESK_GROUPS[usize::from(number > 20)],
            Role::Office { number, .. } => office_group(number),
            Role::Resident => LOUNGE_GROUP,
            Role::Pass(_) => FLOOR_GROUP,
            // A few who have no right to be here try the front door.
            Role::Community if place % 6 == 0 => FLOOR_GROUP,
            _ => continue,
        };
        let n = i64::try_from(place).unwrap_or(0);
        let mut tap = |when: Moment, lock: u64| {
            steps.push(Step { at: when, title: None, what: What::Tap { email: person.key(), lock } });
        };
        let arrives = at(7, 45) + TimeDelta::seconds(n * 26);
        tap(arrives, main_entrance());
        tap(arrives + TimeDelta::seconds(50), site.door_of(group));
        if n % 2 == 0 {
            tap(at(12, 5) + TimeDelta::seconds(n * 19), main_entrance());
        }
        if n % 4 == 1 {
            // In the outage, some of them at a door where they have not been today.
            let lock = if n % 8 == 1 { site.door_of(LOUNGE_GROUP) } else { main_entrance() };
            tap(at(14, 12) + TimeDelta::seconds(n * 11), lock);
        }
        if n % 5 == 2 {
            tap(at(16, 5) + TimeDelta::seconds(n * 13), main_entrance());
        }
        if n % 6 == 3 {
            tap(at(19, 0) + TimeDelta::seconds(n * 31), site.door_of(group));
        }
    }
}

/// Those who booked a room, some of them to the second: just before a window opens, as it does, just before it closes,
/// as it does.
pub(super) fn edges(site: &Site, steps: &mut Vec<Step>) {
    let quarter = TimeDelta::minutes(15);
    let second = TimeDelta::seconds(1);
    let mut tap = |who: usize, when: Moment, lock: u64| {
        steps.push(Step { at: when, title: None, what: What::Tap { email: site.people[who].key(), lock } });
    };
    for (n, booked) in site.booked.iter().enumerate() {
        let door = site.door_of(room_group(booked.room));
        tap(booked.person, booked.from - TimeDelta::minutes(4), main_entrance());
        tap(booked.person, booked.from - TimeDelta::minutes(3), door);
        tap(booked.person, booked.from + (booked.to - booked.from) / 2, door);
        match n % 4 {
            0 => {
                tap(booked.person, booked.from - quarter - second, door);
                tap(booked.person, booked.from - quarter, door);
            }
            1 => {
                tap(booked.person, booked.to + quarter - second, door);
                tap(booked.person, booked.to + quarter, door);
            }
            2 => tap(booked.person, booked.to + quarter + TimeDelta::minutes(7), door),
            _ => tap(booked.person, booked.from, site.door_of(room_group(booked.room % 21 + 1))),
        }
    }
    for (who, number, when) in [
        (cast::EXTENDS, 22, at(9, 5)),
        (cast::EXTENDS, 22, at(10, 50)),
        (cast::CUT_OFF, 23, at(10, 10)),
        (cast::CUT_OFF, 23, at(11, 30)),
        (cast::LAST_MINUTE, 24, at(10, 58)),
        (cast::CANCELS, 23, at(12, 50)),
        (cast::SHORTENS, 24, at(13, 2)),
        (cast::SHORTENS, 24, at(14, 5)),
        (cast::MOVES, 23, at(16, 35)),
        (cast::MOVES, 22, at(15, 40)),
        (cast::TENTATIVE, 25, at(9, 31)),
        (cast::ALTERNATE, 25, at(11, 1)),
        (cast::ALTERNATE, 25, at(12, 41)),
        (cast::GAP, 22, at(11, 29)),
        (cast::GAP, 22, at(12, 26)),
        (cast::SUSPENDED, 25, at(16, 5)),
        (cast::RENAMED, 23, at(13, 58)),
        (cast::SERIES, 23, at(18, 28)),
        (cast::BOOKS_DARK, 22, at(16, 22)),
        // What the readers remember, and what they never learnt.
        (cast::STAYS, 24, at(12, 3)),
        (cast::STAYS, 24, at(14, 20)),
        (cast::STAYS, 24, at(14, 40)),
        (cast::NEWCOMER, 22, at(14, 28)),
        (cast::NEWCOMER, 22, at(15, 1)),
        (cast::BOOKS_OFFLINE, 25, at(14, 44)),
        (cast::BOOKS_OFFLINE, 25, at(15, 2)),
        (cast::CANCELS_OFFLINE, 25, at(13, 58)),
        (cast::CANCELS_OFFLINE, 25, at(14, 30)),
        (cast::CANCELS_OFFLINE, 25, at(15, 10)),
    ] {
        tap(who, when, site.door_of(room_group(number)));
    }
}
