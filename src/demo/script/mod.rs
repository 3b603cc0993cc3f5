//! The scripted day: what happens when, as data, and how one step of it is done to the twins.
//!
//! A step that concerns the gateway, its broker or its box is handed to the driver as an [`Action`]; all others are
//! done here. Everything that the checker must know of is noted in the [`Diary`].

mod day;
mod doors;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde_json::json;

pub use day::day;

use super::Moment;
use super::diary::{Diary, Hand, Trouble, Try};
use super::site::{KEY_USER, OFFICE_MANAGER, PLACE, Site};
use crate::twin::faults::{Effect, Rule};
use crate::twin::kisi::{Assignment, Creator, KisiTwin};
use crate::twin::nexudus::switches::ListFault;
use crate::twin::nexudus::{Entity, NexudusTwin, SetupError};

/// Something that happens at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// When.
    pub at: Moment,
    /// What people are told of it; nothing where it is everyday life.
    pub title: Option<String>,
    /// What happens.
    pub what: What,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Somebody holds a card or a phone to a door's reader.
    Tap {
        /// Whose, by e-mail, whatever its capitals.
        email: String,
        /// The door.
        lock: u64,
    },
    /// Somebody books a room.
    Book {
        /// The customer.
        customer: i64,
        /// The resource.
        resource: i64,
        /// From when.
        from: Moment,
        /// Until when.
        to: Moment,
    },
    /// A booking's times or room change.
    Change {
        /// The booking.
        booking: i64,
        /// Another resource.
        resource: Option<i64>,
        /// From when.
        from: Moment,
        /// Until when.
        to: Moment,
    },
    /// A member cancels a booking.
    Cancel(i64),
    /// An administrator deletes a booking.
    Delete(i64),
    /// An administrator approves a booking.
    Approve(i64),
    /// A customer is suspended.
    Suspend(i64),
    /// A customer's e-mail changes.
    Rename {
        /// The customer.
        customer: i64,
        /// The new e-mail.
        email: String,
    },
    /// A holder of a pass checks in.
    CheckIn {
        /// The customer.
        customer: i64,
        /// The pass.
        pass: i64,
    },
    /// A pass is used, by so many minutes.
    UsePass {
        /// The pass.
        pass: i64,
        /// How many minutes.
        minutes: i64,
    },
    /// A contract is ended at once.
    EndContract(i64),
    /// A pause of a contract is lifted.
    LiftPause(i64),
    /// A contract is to end on that day.
    GiveNotice {
        /// The contract.
        contract: i64,
        /// The day.
        day: NaiveDate,
    },
    /// Somebody puts a user into a group, by hand, in Kisi.
    AddByHand {
        /// The user.
        user: u64,
        /// The group.
        group: u64,
    },
    /// Somebody removes a row of the gateway's, by hand, in Kisi.
    RemoveByHand {
        /// Whose, by e-mail.
        email: String,
        /// The group.
        group: u64,
    },
    /// The site's internet goes or comes back: the readers', and the gateway's to both clouds.
    Internet(bool),
    /// A list of Nexudus keeps only so many rows, or is whole again.
    List {
        /// The entity.
        entity: &'static str,
        /// How many rows are left; `None` for all.
        keep: Option<usize>,
    },
    /// Kisi's `Date` is off by so many seconds; 0 mends it.
    KisiDate(i64),
    /// For the driver.
    Drive(Action),
}

/// What the driver has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Take the gateway's power: drop it where it stands, with no shutdown.
    GatewayDown,
    /// Start it again, with the same store and a monotonic clock that begins anew.
    GatewayUp,
    /// The broker is gone.
    BrokerDown,
    /// The broker is back.
    BrokerUp,
    /// Put the box's own clock off by so many seconds more, with no effect on the twins' clock.
    WallClockShift(i64),
}

/// The steps that are still to come, in order.
#[derive(Clone, Debug)]
pub struct Agenda {
    steps: std::collections::VecDeque<Step>,
}

impl Agenda {
    /// The whole day of a site.
    pub fn of(site: &Site) -> Agenda {
        Agenda { steps: day(site).into() }
    }

    /// When the next step is to be performed; `None` where all are done.
    pub fn next_at(&self) -> Option<Moment> {
        self.steps.front().map(|step| step.at)
    }

    /// The next step, if its time has come.
    pub fn due(&mut self, now: Moment) -> Option<Step> {
        self.steps.pop_front_if(|step| step.at <= now)
    }
}

/// The twins' world during the day, and what was done to it.
#[derive(Clone, Debug, Default)]
pub struct Stage {
    diary: Diary,
    box_clock_off_s: i64,
    /// What stood in the twins before a fault: by entity.
    torn: BTreeMap<&'static str, Trouble>,
}

impl Stage {
    /// A stage on which nothing has happened.
    pub fn new() -> Stage {
        Stage::default()
    }

    /// What was done.
    pub fn diary(&self) -> &Diary {
        &self.diary
    }

    /// Does one step at `now`, which is the twins' own clock; gives what the driver has to do.
    ///
    /// # Errors
    /// When Nexudus' twin doesn't take a change, which is a fault of the script.
    pub fn perform(
        &mut self,
        step: &Step,
        nexudus: &mut NexudusTwin,
        kisi: &mut KisiTwin,
        now: Moment,
    ) -> Result<Option<Action>, SetupError> {
        match &step.what {
            What::Tap { email, lock } => self.tap(email, *lock, kisi, now),
            What::AddByHand { user, group } => {
                let row = Assignment::in_group(*user, *group, Creator::User(OFFICE_MANAGER));
                let row = kisi.add_assignment(row, now);
                self.diary.hands.push(Hand::Made { at: now, row });
            }
            What::RemoveByHand { email, group } => {
                let user = kisi.user_by_email(email).map(|user| user.id);
                let row = user.and_then(|user| kisi.assignment(user, *group));
                // Only a row of the gateway's: there is none if the gateway failed to make it.
                if let Some(row) = row.filter(|row| row.created_by == Creator::User(KEY_USER)).map(|row| row.id) {
                    kisi.remove_assignment(row, Some(OFFICE_MANAGER), now);
                    self.diary.hands.push(Hand::Removed { at: now, row });
                }
            }
            What::Internet(up) => {
                kisi.set_internet(PLACE, *up, now);
                nexudus.faults.down = !up;
                kisi.faults.down = !up;
                self.trouble(Trouble::Internet, !up, now);
            }
            What::List { entity, keep } => self.tear(entity, *keep, nexudus, now),
            What::KisiDate(seconds) => {
                let skewed = |rule: &Rule| matches!(rule.effect, Effect::DateSkewMs(_));
                kisi.faults.rules.retain(|rule| !skewed(rule));
                if *seconds != 0 {
                    kisi.faults.add(Rule::on("", Effect::DateSkewMs(seconds.saturating_mul(1_000))));
                }
                self.trouble(Trouble::KisiDate, *seconds != 0, now);
            }
            What::Drive(action) => {
                self.note(*action, now);
                return Ok(Some(*action));
            }
            other => in_nexudus(other, nexudus, now)?,
        }
        Ok(None)
    }

    fn tap(&mut self, email: &str, lock: u64, kisi: &mut KisiTwin, now: Moment) {
        // Whom Kisi doesn't know has no card to try.
        let Some(user) = kisi.user_by_email(email).map(|user| user.id) else { return };
        let decision = kisi.tap(user, lock, now);
        self.diary.tries.push(Try { at: now, email: email.to_lowercase(), user, lock, decision });
    }

    fn tear(&mut self, entity: &'static str, keep: Option<usize>, nexudus: &mut NexudusTwin, now: Moment) {
        nexudus.switch(|switches| match keep {
            Some(keep) => {
                let fault = ListFault { keep: Some(keep), ..ListFault::default() };
                switches.lists.insert(entity.to_owned(), fault);
            }
            None => {
                switches.lists.remove(entity);
            }
        });
        match keep {
            Some(keep) => {
                let trouble = if keep == 0 { Trouble::EmptyList } else { Trouble::ShrunkenList };
                self.torn.insert(entity, trouble);
                self.diary.begins(trouble, now);
            }
            None => {
                if let Some(trouble) = self.torn.remove(entity) {
                    self.diary.ends(trouble, now);
                }
            }
        }
    }

    fn note(&mut self, action: Action, now: Moment) {
        match action {
            Action::GatewayDown => self.trouble(Trouble::Gateway, true, now),
            Action::GatewayUp => self.trouble(Trouble::Gateway, false, now),
            Action::BrokerDown => self.trouble(Trouble::Broker, true, now),
            Action::BrokerUp => self.trouble(Trouble::Broker, false, now),
            Action::WallClockShift(seconds) => {
                self.box_clock_off_s += seconds;
                self.trouble(Trouble::BoxClock, self.box_clock_off_s != 0, now);
            }
        }
    }

    fn trouble(&mut self, trouble: Trouble, stands: bool, now: Moment) {
        if stands {
            self.diary.begins(trouble, now);
        } else {
            self.diary.ends(trouble, now);
        }
    }
}

/// A change that people make in Nexudus.
fn in_nexudus(what: &What, nexudus: &mut NexudusTwin, now: Moment) -> Result<(), SetupError> {
    let site = nexudus.at(now);
    match what {
        What::Book { customer, resource, from, to } => site.book(Some(*customer), *resource, *from, *to).map(drop),
        What::Change { booking, resource, from, to } => {
            let mut fields = json!({"FromTime": from.to_rfc3339(), "ToTime": to.to_rfc3339()});
            if let Some(resource) = resource {
                fields["ResourceId"] = json!(resource);
            }
            site.set(Entity::Booking, *booking, fields)
        }
        What::Cancel(booking) => site.cancel_booking(*booking),
        What::Delete(booking) => site.delete(Entity::Booking, *booking),
        What::Approve(booking) => site.set(Entity::Booking, *booking, json!({"Tentative": false})),
        What::Suspend(customer) => site.set(Entity::Coworker, *customer, json!({"Active": false})),
        What::Rename { customer, email } => site.set(Entity::Coworker, *customer, json!({"Email": email})),
        What::CheckIn { customer, pass } => site.check_in(*customer, super::site::LOCATION, Some(*pass)).map(drop),
        What::UsePass { pass, minutes } => site.use_pass(*pass, *minutes),
        What::EndContract(contract) => site.end_contract(*contract),
        What::LiftPause(pause) => site.delete(Entity::ContractPausedPeriod, *pause),
        What::GiveNotice { contract, day } => site.give_notice(*contract, *day),
        // All others are not Nexudus'.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
