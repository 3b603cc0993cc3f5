//! The day as it is written: who does what when. Each happening tries one promise or one rule, as its title says.

use chrono::TimeDelta;

use super::{Action, Step, What, doors};
use crate::demo::Moment;
use crate::demo::site::{ALTERNATE_GROUP, DESK_GROUPS, Site, at, cast, end, room, room_group};

/// The whole day, sorted by time.
pub fn day(site: &Site) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut add = |at: Moment, title: &str, what: What| {
        steps.push(Step { at, title: Some(title.to_owned()), what });
    };
    bookings(site, &mut add);
    people(site, &mut add);
    troubles(site, &mut add);
    doors::life(site, &mut steps);
    doors::edges(site, &mut steps);
    steps.retain(|step| step.at < end());
    // Stable: what is written first happens first.
    steps.sort_by_key(|step| step.at);
    steps
}

/// What is done to bookings.
fn bookings(site: &Site, add: &mut impl FnMut(Moment, &str, What)) {
    let all = &site.actors;
    let customer = |who: usize| site.people[who].customer;
    let change = |booking, resource, from, to| What::Change { booking, resource, from, to };
    let book =
        |who: usize, number: i64, from, to| What::Book { customer: customer(who), resource: room(number), from, to };
    add(at(9, 10), "a tentative booking is approved", What::Approve(all.tentative));
    add(at(9, 40), "a running booking is extended by an hour", change(all.extended, None, at(9, 0), at(11, 0)));
    add(at(10, 50), "a running booking is cancelled; Nexudus shows it late", What::Cancel(all.cut_off));
    add(at(10, 52), "a room is booked for eight minutes from now", book(cast::LAST_MINUTE, 24, at(11, 0), at(12, 0)));
    add(at(12, 35), "a booking is cancelled before it begins", What::Cancel(all.cancelled));
    add(
        at(13, 5),
        "a booking moves to another room and hour",
        change(all.moved, Some(room(23)), at(16, 40), at(17, 40)),
    );
    add(at(13, 20), "a running booking is shortened", change(all.shortened, None, at(13, 0), at(13, 30)));
    add(at(14, 20), "in the outage: a room is booked by phone", book(cast::BOOKS_OFFLINE, 25, at(14, 45), at(15, 45)));
    add(at(14, 25), "in the outage: a running booking is cancelled", What::Cancel(all.cancelled_offline));
    add(at(15, 20), "an administrator deletes a booking; no trace of it is left", What::Delete(all.deleted));
    add(at(16, 11), "while the box has no power: a room is booked", book(cast::BOOKS_DARK, 22, at(16, 25), at(17, 25)));
}

/// What becomes of customers, passes and contracts.
fn people(site: &Site, add: &mut impl FnMut(Moment, &str, What)) {
    let all = &site.actors;
    let customer = |who: usize| site.people[who].customer;
    for (minutes, (who, pass)) in (0..).step_by(9).zip(&all.day_passes) {
        let (when, who) = (at(8, 5) + TimeDelta::minutes(minutes), *who);
        add(when, "a day pass is used", What::CheckIn { customer: customer(who), pass: *pass });
    }
    add(at(10, 5), "hours of a pass are used", What::UsePass { pass: all.used_up, minutes: 120 });
    add(at(11, 20), "a pass is used up", What::UsePass { pass: all.used_up, minutes: 480 });
    add(at(10, 25), "a customer is suspended", What::Suspend(customer(cast::SUSPENDED)));
    let renamed = &site.people[cast::RENAMED];
    let email = renamed.key().replace("@members.example", "@newname.example");
    add(at(11, 5), "a customer's e-mail changes", What::Rename { customer: renamed.customer, email });
    add(at(15, 5), "a contract's pause is lifted", What::LiftPause(all.pause));
    add(at(16, 40), "a contract is ended at once", What::EndContract(all.ended));
    add(
        at(9, 50),
        "the cleaner is put into a linked group by hand",
        What::AddByHand { user: site.cleaner, group: room_group(3) },
    );
    let email = site.people[all.row_removed].key();
    let group = DESK_GROUPS[0];
    add(at(13, 25), "somebody removes a row of the gateway's in Kisi", What::RemoveByHand { email, group });
    add(
        at(17, 10),
        "the cleaner is put into a room's second group by hand",
        What::AddByHand { user: site.cleaner, group: ALTERNATE_GROUP },
    );
}

/// What goes wrong.
fn troubles(_site: &Site, add: &mut impl FnMut(Moment, &str, What)) {
    let drive = What::Drive;
    add(at(8, 52), "the box's own clock jumps by a day and two hours", drive(Action::WallClockShift(93_600)));
    add(at(9, 0), "Nexudus' list of bookings comes back empty", What::List { entity: "Booking", keep: Some(0) });
    add(at(9, 6), "Nexudus' list of bookings is back", What::List { entity: "Booking", keep: None });
    add(
        at(11, 35),
        "Nexudus' list of contracts shrinks to four",
        What::List { entity: "CoworkerContract", keep: Some(4) },
    );
    add(at(11, 47), "Nexudus' list of contracts is whole again", What::List { entity: "CoworkerContract", keep: None });
    add(at(12, 20), "the broker goes", drive(Action::BrokerDown));
    add(at(12, 30), "the broker is back", drive(Action::BrokerUp));
    add(at(14, 10), "the internet goes", What::Internet(false));
    add(at(14, 55), "the internet is back", What::Internet(true));
    add(at(16, 10), "the box loses its power", drive(Action::GatewayDown));
    add(at(16, 13), "the box has power again", drive(Action::GatewayUp));
    add(at(17, 43), "Kisi's answers bear a time an hour off", What::KisiDate(-3_600));
    add(at(17, 47), "Kisi's time is right again", What::KisiDate(0));
    add(at(18, 50), "the box's own clock is put right", drive(Action::WallClockShift(-93_600)));
}
