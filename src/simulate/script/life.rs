//! What people do at a site by chance: they book, move and cancel, buy and use up, sign, pause and end, and hold cards to
//! doors; and others work in Kisi by hand.

use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;
use serde_json::{Value, json};

use crate::demo::site::LOCATION;
use crate::simulate::site::{Booked, LATER, Person, Site, some_time};
use crate::simulate::step::{Step, What};

/// The most steps of one run.
const STEPS_MAX: i64 = 900;

/// What stands while the script is being made.
struct Life<'a> {
    site: &'a Site,
    rng: &'a mut Rng,
    now: DateTime<Utc>,
    ends: DateTime<Utc>,
    last_id: i64,
    people: Vec<Person>,
    bookings: Vec<Booked>,
    passes: Vec<(i64, i64)>,
    contracts: Vec<(i64, i64)>,
    pauses: Vec<i64>,
    suspended: Vec<String>,
    steps: Vec<Step>,
}

/// What people do until `ends`.
pub(super) fn steps(site: &Site, ends: DateTime<Utc>, rng: &mut Rng) -> Vec<Step> {
    let hours = (ends - site.start).num_hours().max(1);
    let people = i64::try_from(site.people.len()).unwrap_or(i64::MAX);
    let count = (hours * (people / 12 + 3)).min(STEPS_MAX);
    let mut life = Life {
        site,
        now: site.start,
        ends,
        last_id: LATER,
        people: site.people.clone(),
        bookings: site.bookings.clone(),
        passes: site.passes.iter().map(|(id, customer, _)| (*id, *customer)).collect(),
        contracts: site.contracts.clone(),
        pauses: Vec::new(),
        suspended: Vec::new(),
        steps: Vec::new(),
        rng,
    };
    let span_s = (ends - site.start).num_seconds().max(1);
    let mut moments: Vec<i64> = (0..count).map(|_| life.rng.i64(20..span_s.max(21))).collect();
    moments.sort_unstable();
    for at in moments {
        life.now = site.start + TimeDelta::seconds(at);
        life.one();
    }
    life.steps
}

impl Life<'_> {
    fn add(&mut self, what: What) {
        self.add_at(self.now, what);
    }

    fn add_at(&mut self, at: DateTime<Utc>, what: What) {
        self.steps.push(Step { at, what });
    }

    fn set(&mut self, entity: &str, id: i64, fields: Value) {
        self.add(What::Set { entity: entity.to_owned(), id, fields });
    }

    fn delete(&mut self, entity: &str, id: i64) {
        self.add(What::Delete { entity: entity.to_owned(), id });
    }

    fn id(&mut self) -> i64 {
        self.last_id += 1;
        self.last_id
    }

    fn some<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        (!of.is_empty()).then(|| of[self.rng.usize(..of.len())].clone())
    }

    fn person(&mut self) -> Person {
        self.people[self.rng.usize(..self.people.len())].clone()
    }

    /// Midnight on the site's wall, so many days from now, as near as an hour: dates are what is meant.
    fn day(&mut self, from: i64, until: i64) -> String {
        let day = self.now.date_naive() + TimeDelta::days(self.rng.i64(from..until));
        format!("{day}T{}", ["00:00:00Z", "12:00:00Z"][self.rng.usize(..2)])
    }

    fn one(&mut self) {
        match self.rng.u8(..100) {
            0..=23 => self.book(),
            24..=35 => self.change(),
            36..=43 => self.cancel(),
            44..=55 => self.pass(),
            56..=64 => self.contract(),
            65..=72 => self.customer(),
            73..=74 => self.team(),
            75..=80 => self.hand(),
            81..=82 => {
                let lock = self.site.readers[self.rng.usize(..self.site.readers.len())].1;
                let ago_s = [5, 300, 7_200, 40 * 3_600][self.rng.usize(..4)];
                self.add(What::LateEvent { lock, ago_s });
            }
            83 => self.add(What::Command { name: "sync".to_owned() }),
            84 => self.bulk(),
            _ => self.tap(),
        }
    }

    fn tap(&mut self) {
        let lock = self.site.readers[self.rng.usize(..self.site.readers.len())].1;
        let email = self.person().email.trim().to_lowercase();
        for _ in 0..self.rng.usize(1..4) {
            let at = self.now + TimeDelta::seconds(self.rng.i64(0..60));
            self.add_at(at, What::Tap { email: email.clone(), lock });
        }
    }

    fn book(&mut self) {
        let person = self.person();
        let hours = if self.rng.bool() { (-1, 5) } else { (0, 60) };
        let hour = i64::from(chrono::Timelike::hour(&self.now));
        let mut from = some_time(self.now, (hour + hours.0, hour + hours.1), self.rng);
        let mut resource = self.site.resources[self.rng.usize(..self.site.resources.len())];
        let length = [5, 15, 30, 60, 60, 120, 480][self.rng.usize(..7)];
        // Back to back, or almost, with another one of the same person.
        let own: Vec<Booked> =
            self.bookings.iter().copied().filter(|booked| booked.customer == Some(person.customer)).collect();
        if let Some(other) = self.some(&own).filter(|_| self.rng.u8(..3) == 0) {
            from = other.to + TimeDelta::minutes([0, 0, 5, 29, 30, 31, 45][self.rng.usize(..7)]);
            resource = other.resource;
        }
        let count = if self.rng.u8(..12) == 0 { self.rng.i64(2..6) } else { 1 };
        let first = self.last_id + 1;
        for n in 0..count {
            let id = self.id();
            let from = from + TimeDelta::days(n);
            let to = from + TimeDelta::minutes(length);
            let customer = (self.rng.u8(..40) > 0).then_some(person.customer);
            let mut fields = json!({"ResourceId": resource, "CoworkerId": customer, "FromTime": from.to_rfc3339(),
                "ToTime": to.to_rfc3339(), "Online": true, "Tentative": self.rng.u8(..12) == 0});
            if count > 1 {
                fields["RepeatSeriesUniqueId"] = json!(format!("series-{first}"));
                fields["RepeatBooking"] = json!(true);
            }
            self.set("Booking", id, fields);
            self.bookings.push(Booked { id, customer, resource, from, to });
        }
    }

    /// A booking, rather one that is on or near.
    fn near(&mut self) -> Option<usize> {
        if self.bookings.is_empty() {
            return None;
        }
        for _ in 0..6 {
            let n = self.rng.usize(..self.bookings.len());
            let booked = self.bookings[n];
            if booked.from - TimeDelta::hours(3) < self.now && self.now < booked.to {
                return Some(n);
            }
        }
        Some(self.rng.usize(..self.bookings.len()))
    }

    fn change(&mut self) {
        let Some(n) = self.near() else { return };
        let mut booked = self.bookings[n];
        let by = TimeDelta::minutes([-120, -45, -15, 5, 15, 15, 30, 90, 1_440][self.rng.usize(..9)]);
        let mut fields = json!({});
        match self.rng.u8(..10) {
            0..=2 => (booked.from, booked.to) = (booked.from + by, booked.to + by),
            3..=5 => booked.to = (booked.to + by).max(booked.from + TimeDelta::minutes(5)),
            6 => booked.from = (booked.from + by).min(booked.to - TimeDelta::minutes(5)),
            7 => booked.resource = self.site.resources[self.rng.usize(..self.site.resources.len())],
            8 => booked.customer = Some(self.person().customer),
            _ => fields["Tentative"] = json!(self.rng.bool()),
        }
        fields["FromTime"] = json!(booked.from.to_rfc3339());
        fields["ToTime"] = json!(booked.to.to_rfc3339());
        fields["ResourceId"] = json!(booked.resource);
        fields["CoworkerId"] = json!(booked.customer);
        self.bookings[n] = booked;
        match self.rng.u8(..8) {
            0 => self.add(What::Slip { entity: "Booking".to_owned(), id: booked.id, fields }),
            _ => self.set("Booking", booked.id, fields),
        }
    }

    fn cancel(&mut self) {
        let Some(n) = self.near() else { return };
        let id = self.bookings.swap_remove(n).id;
        match self.rng.u8(..3) {
            0 => self.delete("Booking", id),
            _ => self.add(What::Cancel { id }),
        }
    }

    fn pass(&mut self) {
        let held = self.passes.clone();
        match (self.rng.u8(..10), self.some(&held), self.some(&self.site.kinds)) {
            (0..=2, _, Some(kind)) => {
                let (id, customer) = (self.id(), self.person().customer);
                let expires = (self.rng.u8(..3) > 0).then(|| self.day(-1, 5));
                let fields = json!({"CoworkerId": customer, "TimePassId": kind.id, "BusinessId": LOCATION,
                    "ExpireDate": expires, "RemainingUses": kind.minutes, "TotalUses": kind.minutes});
                self.set("CoworkerTimePass", id, fields);
                self.passes.push((id, customer));
            }
            (3..=5, Some((id, _)), _) => {
                let minutes = [10, 60, 600][self.rng.usize(..3)];
                self.add(What::UsePass { id, minutes });
            }
            (6..=7, Some((pass, customer)), _) => self.add(What::CheckIn { customer, pass }),
            (8, Some((id, _)), _) => {
                let expires = (self.rng.u8(..3) > 0).then(|| self.day(-1, 3));
                self.set("CoworkerTimePass", id, json!({ "ExpireDate": expires }));
            }
            (9, Some((id, _)), _) => {
                self.passes.retain(|(pass, _)| *pass != id);
                self.delete("CoworkerTimePass", id);
            }
            _ => self.book(),
        }
    }

    fn contract(&mut self) {
        let signed = self.contracts.clone();
        match (self.rng.u8(..12), self.some(&signed)) {
            (0..=2, _) | (_, None) => {
                let (id, customer) = (self.id(), self.person().customer);
                let plan = self.site.plans[self.rng.usize(..self.site.plans.len())];
                let desks: Vec<i64> = self.site.desks.iter().copied().filter(|_| self.rng.u8(..3) == 0).collect();
                let fields = json!({"IssuedById": LOCATION, "CoworkerId": customer, "TariffId": plan,
                    "StartDate": self.day(-2, 3), "Desks": desks});
                self.set("CoworkerContract", id, fields);
                self.contracts.push((id, customer));
            }
            (3..=4, Some((id, _))) => {
                let day = self.day(-1, 3);
                self.set("CoworkerContract", id, json!({"Cancelled": true, "CancellationDate": day}));
            }
            (5, Some((id, _))) => {
                self.set("CoworkerContract", id, json!({"Cancelled": false, "CancellationDate": null, "Active": true}));
            }
            (6, Some((id, _))) => self.set("CoworkerContract", id, json!({ "Active": false })),
            (7..=8, Some((id, _))) => {
                let pause = self.id();
                let (from, until) = (self.day(-1, 2), self.day(2, 5));
                let fields = json!({"CoworkerContractId": id, "PauseFrom": from, "PauseUntil": until});
                self.set("ContractPausedPeriod", pause, fields);
                self.pauses.push(pause);
            }
            (9, Some(_)) => {
                if let Some(pause) = self.pauses.pop() {
                    self.delete("ContractPausedPeriod", pause);
                }
            }
            (10, Some((id, _))) => {
                let desks: Vec<i64> = self.site.desks.iter().copied().filter(|_| self.rng.bool()).collect();
                self.set("CoworkerContract", id, json!({ "Desks": desks }));
            }
            (_, Some((id, _))) => {
                self.contracts.retain(|(contract, _)| *contract != id);
                self.delete("CoworkerContract", id);
            }
        }
    }

    fn customer(&mut self) {
        let n = self.rng.usize(..self.people.len());
        let customer = self.people[n].customer;
        match self.rng.u8(..10) {
            0..=1 => {
                self.people[n].shut = true;
                self.set("Coworker", customer, json!({ "Active": false }));
            }
            2 => {
                self.people[n].shut = true;
                self.set("Coworker", customer, json!({ "Archived": true }));
            }
            3..=6 => {
                let shut: Vec<usize> = (0..self.people.len()).filter(|n| self.people[*n].shut).collect();
                if let Some(n) = self.some(&shut) {
                    self.people[n].shut = false;
                    let customer = self.people[n].customer;
                    self.set("Coworker", customer, json!({"Active": true, "Archived": false}));
                }
            }
            7..=8 => {
                // Another address, or one that somebody else had before.
                let email = match self.rng.u8(..4) {
                    0 => String::new(),
                    1 => format!("p{}@members.example", self.rng.usize(..self.people.len())),
                    _ => format!("renamed{}@members.example", self.id()),
                };
                let taken = self.people.iter().any(|other| other.email.trim().to_lowercase() == email);
                if !taken {
                    self.people[n].email.clone_from(&email);
                    self.set("Coworker", customer, json!({ "Email": email }));
                }
            }
            _ => {
                let id = self.id();
                let email = format!("new{id}@members.example");
                let fields =
                    json!({"FullName": format!("Person {id}"), "Email": email, "InvoicingBusinessId": LOCATION});
                self.set("Coworker", id, fields);
                self.people.push(Person { customer: id, email, user: None, shut: false });
            }
        }
    }

    fn team(&mut self) {
        let Some((id, members)) = self.some(&self.site.teams) else { return };
        let fields = match self.rng.u8(..3) {
            0 => json!({ "ShareTimePasses": self.rng.bool() }),
            _ => {
                let mut members: Vec<i64> = members.into_iter().filter(|_| self.rng.u8(..4) > 0).collect();
                members.push(self.person().customer);
                json!({ "TeamMembers": members })
            }
        };
        self.set("Team", id, fields);
    }

    fn hand(&mut self) {
        let email = self.person().email.trim().to_lowercase();
        let group = self.site.groups[self.rng.usize(..self.site.groups.len())];
        if email.is_empty() {
            return;
        }
        match self.rng.u8(..8) {
            0..=1 => self.add(What::HandAdds { email, group }),
            2..=3 => {
                for group in self.site.groups.clone() {
                    self.add(What::HandRemoves { email: email.clone(), group });
                }
            }
            4 => self.add(What::HandDrops { email, group }),
            5 => {
                self.suspended.push(email.clone());
                self.add(What::HandSuspends { email });
            }
            _ => {
                if let Some(email) = self.suspended.pop() {
                    self.add(What::HandRestores { email });
                }
            }
        }
    }

    /// Somebody changes many records at once, by mistake or because it is meant; often somebody approves what comes
    /// of it.
    fn bulk(&mut self) {
        match self.rng.u8(..3) {
            0 => {
                let kept = self.rng.usize(..self.bookings.len().max(1));
                for booked in self.bookings.split_off(kept) {
                    self.add(What::Cancel { id: booked.id });
                }
            }
            1 => {
                for n in 0..self.people.len() {
                    if self.rng.bool() {
                        self.people[n].shut = true;
                        self.set("Coworker", self.people[n].customer, json!({ "Active": false }));
                    }
                }
            }
            _ => {
                for (id, _) in self.contracts.clone() {
                    if self.rng.bool() {
                        self.set("CoworkerContract", id, json!({ "Active": false }));
                    }
                }
            }
        }
        if self.rng.u8(..3) > 0 {
            let later = self.now + TimeDelta::minutes(self.rng.i64(1..120));
            self.add_at(later.min(self.ends), What::Approve);
        }
    }
}
