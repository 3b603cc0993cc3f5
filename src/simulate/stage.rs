//! Does steps to the twins and keeps the diary of them. What concerns the box is left to the driver.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::step::{Cloud, Passing, What};
use super::world::World;
use crate::demo::diary::{Diary, Hand, Trouble, Try};
use crate::demo::site::{KEY_USER, KISI_KEY, LOCATION, NEXUDUS_PASSWORD, OFFICE_MANAGER, PLACE};
use crate::twin::faults::{Effect, Faults, Rule};
use crate::twin::kisi::{Assignment, Creator, Happening, KisiTwin};
use crate::twin::nexudus::switches::ListFault;
use crate::twin::nexudus::{Entity, NexudusTwin, SetupError};

/// What was done, and what stands.
#[derive(Debug, Default)]
pub struct Stage {
    /// What the judge may excuse and has to find.
    pub diary: Diary,
    standing: BTreeMap<Trouble, u32>,
    away: [u32; 2],
    internet: u32,
    clock_off_s: i64,
}

impl Stage {
    /// Does what a step asks of the twins, at `now`.
    ///
    /// # Errors
    /// When Nexudus' twin doesn't take a change, as one of a record that a shorter script never made.
    pub fn perform(&mut self, what: &What, world: &World, now: DateTime<Utc>) -> Result<(), SetupError> {
        match what {
            What::Tap { email, lock } => self.tap(email, *lock, &mut world.kisi(), now),
            What::LateEvent { lock, ago_s } => late(&mut world.kisi(), *lock, *ago_s, now),
            What::HandAdds { .. }
            | What::HandRemoves { .. }
            | What::HandDrops { .. }
            | What::HandSuspends { .. }
            | What::HandRestores { .. } => self.hand(what, &mut world.kisi(), now),
            What::Turn { cloud: Cloud::Kisi, switches } => world.kisi().switch(|known| turn(known, switches)),
            What::Turn { cloud: Cloud::Nexudus, switches } => world.nexudus().switch(|known| turn(known, switches)),
            What::ClockShift { by_s } => {
                let was = self.clock_off_s != 0;
                self.clock_off_s += by_s;
                match (was, self.clock_off_s != 0) {
                    (false, true) => self.begins(Trouble::BoxClock, now),
                    (true, false) => self.ends(Trouble::BoxClock, now),
                    _ => {}
                }
            }
            other => return in_nexudus(other, &mut world.nexudus(), now),
        }
        Ok(())
    }

    /// A trouble begins.
    pub fn begin(&mut self, trouble: &Passing, world: &World, now: DateTime<Utc>) {
        match trouble {
            Passing::Away(cloud) => self.away[*cloud as usize] += 1,
            Passing::Internet => self.internet += 1,
            Passing::Fault(cloud, rule) => faults(world, *cloud, |faults| faults.add(rule.clone())),
            Passing::List { entity, fault } => {
                let fault: ListFault = serde_json::from_value(fault.clone()).unwrap_or_default();
                world.nexudus().switch(|known| _ = known.lists.insert(entity.clone(), fault));
            }
            Passing::Date(cloud, seconds) => faults(world, *cloud, |faults| faults.add(skew(*seconds))),
            Passing::KeyRefused(status, writes) => refuse_key(&mut world.kisi(), Some(*status), *writes),
            Passing::PasswordChanged => {
                let mut nexudus = world.nexudus();
                nexudus.set_password("another");
                nexudus.revoke_tokens();
            }
            _ => {}
        }
        self.settle(world, now);
        if let Some(kind) = kind(trouble) {
            self.begins(kind, now);
        }
    }

    /// A trouble ends.
    pub fn end(&mut self, trouble: &Passing, world: &World, now: DateTime<Utc>) {
        match trouble {
            Passing::Away(cloud) => self.away[*cloud as usize] -= 1,
            Passing::Internet => self.internet -= 1,
            Passing::Fault(cloud, rule) => faults(world, *cloud, |faults| take_off(faults, rule)),
            Passing::List { entity, .. } => world.nexudus().switch(|known| _ = known.lists.remove(entity)),
            Passing::Date(cloud, seconds) => faults(world, *cloud, |faults| take_off(faults, &skew(*seconds))),
            Passing::KeyRefused(_, writes) => refuse_key(&mut world.kisi(), None, *writes),
            Passing::PasswordChanged => world.nexudus().set_password(NEXUDUS_PASSWORD),
            _ => {}
        }
        self.settle(world, now);
        if let Some(kind) = kind(trouble) {
            self.ends(kind, now);
        }
    }

    /// Brings up or down what is away.
    fn settle(&self, world: &World, now: DateTime<Utc>) {
        let mut kisi = world.kisi();
        kisi.set_internet(PLACE, self.internet == 0, now);
        kisi.faults.down = self.internet > 0 || self.away[Cloud::Kisi as usize] > 0;
        drop(kisi);
        world.nexudus().faults.down = self.internet > 0 || self.away[Cloud::Nexudus as usize] > 0;
    }

    /// A trouble stands, perhaps once more.
    pub fn begins(&mut self, trouble: Trouble, now: DateTime<Utc>) {
        *self.standing.entry(trouble).or_default() += 1;
        self.diary.begins(trouble, now);
    }

    /// It stands once less.
    pub fn ends(&mut self, trouble: Trouble, now: DateTime<Utc>) {
        let times = self.standing.entry(trouble).or_default();
        *times = times.saturating_sub(1);
        if *times == 0 {
            self.diary.ends(trouble, now);
        }
    }

    fn tap(&mut self, email: &str, lock: u64, kisi: &mut KisiTwin, now: DateTime<Utc>) {
        // Whom Kisi doesn't know has no card to try.
        let Some(user) = kisi.user_by_email(email).map(|user| user.id) else { return };
        let decision = kisi.tap(user, lock, now);
        self.diary.tries.push(Try { at: now, email: email.to_lowercase(), user, lock, decision });
    }

    fn hand(&mut self, what: &What, kisi: &mut KisiTwin, now: DateTime<Utc>) {
        let user_of = |kisi: &KisiTwin, email: &str| kisi.user_by_email(email).map(|user| user.id);
        let row_of = |kisi: &KisiTwin, email: &str, group: u64, ours: bool| {
            let row = kisi.assignment(user_of(kisi, email)?, group)?;
            ((row.created_by == Creator::User(KEY_USER)) == ours).then_some(row.id)
        };
        match what {
            What::HandAdds { email, group } => {
                let user = user_of(kisi, email).unwrap_or_else(|| kisi.add_person(email, "By hand", now));
                // Kisi would refuse a second row.
                if kisi.assignment(user, *group).is_none() {
                    let row = Assignment::in_group(user, *group, Creator::User(OFFICE_MANAGER));
                    let row = kisi.add_assignment(row, now);
                    self.diary.hands.push(Hand::Made { at: now, row });
                }
            }
            What::HandRemoves { email, group } => {
                if let Some(row) = row_of(kisi, email, *group, true) {
                    kisi.remove_assignment(row, Some(OFFICE_MANAGER), now);
                    self.diary.hands.push(Hand::Removed { at: now, row });
                }
            }
            What::HandDrops { email, group } => {
                if let Some(row) = row_of(kisi, email, *group, false) {
                    kisi.remove_assignment(row, Some(OFFICE_MANAGER), now);
                    self.diary.hands.push(Hand::Dropped { at: now, row });
                }
            }
            What::HandSuspends { email } => self.set_access(kisi, email, false, now),
            What::HandRestores { email } => self.set_access(kisi, email, true, now),
            _ => {}
        }
    }

    /// Another hand suspends or restores a user; nothing where that is so already.
    fn set_access(&mut self, kisi: &mut KisiTwin, email: &str, enabled: bool, now: DateTime<Utc>) {
        let user = kisi.user_by_email(email).filter(|user| user.access_enabled != enabled).map(|user| user.id);
        let Some(user) = user else { return };
        kisi.edit_user(user, Some(OFFICE_MANAGER), now, |user| user.access_enabled = enabled);
        self.diary.hands.push(match enabled {
            true => Hand::Restored { at: now, user },
            false => Hand::Suspended { at: now, user },
        });
    }
}

/// As what the checker knows it.
fn kind(trouble: &Passing) -> Option<Trouble> {
    let refusing = |rule: &Rule| matches!(&rule.effect, Effect::Instead(says) if matches!(says.status, 401 | 403));
    Some(match trouble {
        Passing::Fault(_, rule) if refusing(rule) => Trouble::Refused,
        Passing::Away(Cloud::Nexudus) | Passing::Fault(Cloud::Nexudus, _) | Passing::Date(Cloud::Nexudus, _) => {
            Trouble::Nexudus
        }
        Passing::Away(Cloud::Kisi) | Passing::Fault(Cloud::Kisi, _) => Trouble::Kisi,
        Passing::Internet => Trouble::Internet,
        Passing::List { fault, .. } => match fault["keep"].as_u64() {
            Some(0) => Trouble::EmptyList,
            Some(_) => Trouble::ThinnedList,
            None => Trouble::Nexudus,
        },
        Passing::Date(Cloud::Kisi, _) => Trouble::KisiDate,
        Passing::KeyRefused(..) | Passing::PasswordChanged => Trouble::Refused,
        Passing::Broker(_) => Trouble::Broker,
        Passing::Paused => Trouble::Paused,
        // The driver knows when the power really goes.
        Passing::Dark | Passing::DarkAtCall(..) | Passing::DarkAtWrite(_) => return None,
    })
}

fn faults(world: &World, cloud: Cloud, change: impl FnOnce(&mut Faults)) {
    match cloud {
        Cloud::Nexudus => change(&mut world.nexudus().faults),
        Cloud::Kisi => change(&mut world.kisi().faults),
    }
}

/// Takes a rule off, unless it has been used up.
fn take_off(faults: &mut Faults, rule: &Rule) {
    let same = |known: &Rule| (&known.method, &known.path, &known.effect) == (&rule.method, &rule.path, &rule.effect);
    if let Some(at) = faults.rules.iter().position(same) {
        faults.rules.remove(at);
    }
}

fn skew(seconds: i64) -> Rule {
    Rule::on("", Effect::DateSkewMs(seconds.saturating_mul(1_000)))
}

fn refuse_key(kisi: &mut KisiTwin, status: Option<u16>, writes: bool) {
    match writes {
        true => kisi.turn_key(KISI_KEY, None, status),
        false => kisi.turn_key(KISI_KEY, status, None),
    }
}

/// Sets the named switches; what names none is left out.
fn turn<S: serde::Serialize + serde::de::DeserializeOwned>(known: &mut S, named: &Value) {
    let Ok(mut all) = serde_json::to_value(&*known) else { return };
    for (name, value) in named.as_object().into_iter().flatten() {
        all[name.as_str()] = value.clone();
    }
    if let Ok(turned) = serde_json::from_value(all) {
        *known = turned;
    }
}

fn late(kisi: &mut KisiTwin, lock: u64, ago_s: i64, now: DateTime<Utc>) {
    let mut happening = Happening::of("lock.forced_open", None, ("Lock", lock, &format!("Door {lock}")));
    happening.place = Some(PLACE);
    happening.created_at = Some(now - TimeDelta::seconds(ago_s));
    happening.shown_at = Some(now);
    kisi.emit(happening, now);
}

/// A change that people make in Nexudus.
fn in_nexudus(what: &What, nexudus: &mut NexudusTwin, now: DateTime<Utc>) -> Result<(), SetupError> {
    let site = nexudus.at(now);
    let named = |entity: &str| Entity::named(entity).unwrap_or(Entity::Booking);
    match what {
        What::Set { entity, id, fields } => site.upsert(named(entity), Some(*id), fields.clone()).map(drop),
        What::Slip { entity, id, fields } => site.slip(named(entity), *id, fields.clone()),
        What::Delete { entity, id } => site.delete(named(entity), *id),
        What::Cancel { id } => site.cancel_booking(*id),
        What::UsePass { id, minutes } if site.record(Entity::CoworkerTimePass, *id).is_some() => {
            site.use_pass(*id, *minutes)
        }
        What::CheckIn { customer, pass } if site.record(Entity::CoworkerTimePass, *pass).is_some() => {
            site.check_in(*customer, LOCATION, Some(*pass)).map(drop)
        }
        // All others are not Nexudus'.
        _ => Ok(()),
    }
}

/// The payload of `approve` for what the guard says that it holds, by the topic's retained message.
pub fn approval(retained: &BTreeMap<String, bytes::Bytes>, root: &str, id: &str) -> Option<Value> {
    let alert: Value = serde_json::from_slice(retained.get(&format!("{root}/alert/guard"))?).ok()?;
    let plan = alert["detail"]["plan"].as_str().filter(|_| alert["active"] == true)?;
    Some(json!({"id": id, "plan": plan}))
}
