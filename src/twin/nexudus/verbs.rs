//! What people do at a site, by name: the way in which tests and the demo set a site up and change it. All of it goes
//! through [`Site::upsert`], [`Site::set`] and [`Site::delete`], which do for everything else.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::{Value, json};

use super::dates;
use super::rows::{self, SetupError};
use super::shape::Entity;
use super::site::Site;
use super::switches::UsedDate;

/// Nexudus' numbers for why a booking was cancelled (notes, 3.2): no longer needed.
const NO_LONGER_NEEDED: i64 = 1;

fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339()
}

impl Site {
    /// A location in that IANA zone; its `SimpleTimeZone`, of the same id, bears the Windows name.
    pub fn add_location(&mut self, id: i64, name: &str, iana: &str) -> Result<(), SetupError> {
        let windows = dates::windows_name(iana).ok_or_else(|| SetupError::UnknownZone(iana.to_owned()))?;
        self.set_zone(id, iana)?;
        let zone = json!({"Name": windows, "Description": format!("({windows}) {iana}"), "UsesSummerTime": true});
        self.upsert(Entity::SimpleTimeZone, Some(id), zone)?;
        self.upsert(Entity::Business, Some(id), json!({"Name": name, "SimpleTimeZoneId": id}))?;
        Ok(())
    }

    /// A meeting room or the like.
    pub fn add_resource(&mut self, id: i64, location: i64, name: &str) -> Result<(), SetupError> {
        self.upsert(
            Entity::Resource,
            Some(id),
            json!({"BusinessId": location, "Name": name,
            "ResourceTypeId": 1, "ResourceTypeName": "Meeting Room"}),
        )?;
        Ok(())
    }

    /// A customer, active; `email` may be absent.
    pub fn add_customer(&mut self, id: i64, name: &str, email: Option<&str>) -> Result<(), SetupError> {
        self.upsert(Entity::Coworker, Some(id), json!({"FullName": name, "Email": email}))?;
        Ok(())
    }

    /// A kind of pass: without minutes a day pass, with minutes a time pass (notes, 3.7).
    pub fn add_pass_kind(
        &mut self,
        id: i64,
        location: i64,
        name: &str,
        minutes: Option<i64>,
    ) -> Result<(), SetupError> {
        let fields = json!({"BusinessId": location, "Name": name, "MinutesIncluded": minutes});
        self.upsert(Entity::TimePass, Some(id), fields)?;
        Ok(())
    }

    /// A price plan.
    pub fn add_plan(&mut self, id: i64, location: i64, name: &str) -> Result<(), SetupError> {
        self.upsert(Entity::Tariff, Some(id), json!({"BusinessId": location, "Name": name}))?;
        Ok(())
    }

    /// A dedicated desk on the location's one floor plan.
    pub fn add_desk(&mut self, id: i64, location: i64, name: &str) -> Result<(), SetupError> {
        let plans = self.table(Entity::FloorPlan).referring("BusinessId", location);
        let plan = match plans.first() {
            Some(plan) => *plan,
            None => self.upsert(Entity::FloorPlan, None, json!({"BusinessId": location, "Name": "Ground floor"}))?,
        };
        self.upsert(Entity::FloorPlanDesk, Some(id), json!({"FloorPlanId": plan, "Name": name}))?;
        Ok(())
    }

    /// A team and its members.
    pub fn add_team(&mut self, id: i64, name: &str, members: &[i64], shares_passes: bool) -> Result<(), SetupError> {
        let location = self.ids(Entity::Business).first().copied();
        self.upsert(
            Entity::Team,
            Some(id),
            json!({"BusinessId": location, "Name": name, "TeamMembers": members,
            "ShareTimePasses": shares_passes}),
        )?;
        Ok(())
    }

    /// A webhook for one action ([`super::hooks::action`]) of one location.
    pub fn add_webhook(&mut self, location: i64, action: i64, url: &str) -> Result<i64, SetupError> {
        let fields = json!({"BusinessId": location, "Name": format!("hook {action}"), "Action": action, "URL": url});
        self.upsert(Entity::WebHook, None, fields)
    }

    /// Books a resource. Gives the booking's id.
    pub fn book(
        &mut self,
        customer: Option<i64>,
        resource: i64,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<i64, SetupError> {
        self.upsert(
            Entity::Booking,
            None,
            json!({"CoworkerId": customer, "ResourceId": resource,
            "FromTime": text(from), "ToTime": text(to), "Online": true}),
        )
    }

    /// Books a resource on `count` days at the same time of the wall clock, every `days` days: single bookings with
    /// one `RepeatSeriesUniqueId`. Gives their ids.
    pub fn book_series(
        &mut self,
        customer: i64,
        resource: i64,
        (from, to): (DateTime<Utc>, DateTime<Utc>),
        days: u32,
        count: u32,
    ) -> Result<Vec<i64>, SetupError> {
        let zone = self.zone(self.get(Entity::Resource, resource, "BusinessId").int()).clone();
        let mut series = None;
        let mut out = Vec::new();
        for n in 0..count {
            let later = TimeDelta::days(i64::from(n * days));
            let moved = |at| dates::instant(&zone, dates::wall(&zone, at) + later);
            let id = self.book(Some(customer), resource, moved(from), moved(to))?;
            let series = series.get_or_insert_with(|| rows::unique_id(Entity::Booking, -id));
            self.set(Entity::Booking, id, json!({"RepeatSeriesUniqueId": series, "RepeatBooking": true}))?;
            out.push(id);
        }
        Ok(out)
    }

    /// Moves a booking in time; it keeps its id.
    pub fn move_booking(&mut self, id: i64, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<(), SetupError> {
        self.set(Entity::Booking, id, json!({"FromTime": text(from), "ToTime": text(to)}))
    }

    /// Cancels a booking: it is gone from the list, and leaves what the switch `snapshot` says.
    pub fn cancel_booking(&mut self, id: i64) -> Result<(), SetupError> {
        self.drop_booking(id, self.switches().snapshot, NO_LONGER_NEEDED)
    }

    /// Gives a customer a pass, unused, until the day `expires` (its midnight, by the switch `days`).
    pub fn give_pass(&mut self, customer: i64, kind: i64, expires: Option<NaiveDate>) -> Result<i64, SetupError> {
        let location = self.get(Entity::TimePass, kind, "BusinessId").int();
        let minutes = self.get(Entity::TimePass, kind, "MinutesIncluded").int();
        let expires = expires.map(|day| text(dates::midnight(self.zone(location), day, self.switches().days)));
        self.upsert(
            Entity::CoworkerTimePass,
            None,
            json!({"CoworkerId": customer, "TimePassId": kind,
            "BusinessId": location, "ExpireDate": expires, "RemainingUses": minutes, "TotalUses": minutes}),
        )
    }

    /// Uses a pass, a time pass by so many minutes. `UpdatedOn` moves, unless the switch says that it doesn't.
    pub fn use_pass(&mut self, pass: i64, minutes: i64) -> Result<(), SetupError> {
        let fields = self.used(pass, minutes);
        self.change_pass(pass, fields)
    }

    /// A customer comes in, on a pass or without one. Gives the check-in's id.
    pub fn check_in(&mut self, customer: i64, location: i64, pass: Option<i64>) -> Result<i64, SetupError> {
        if let Some(pass) = pass {
            let mut fields = self.used(pass, 0);
            fields["CheckedIn"] = json!(true);
            self.change_pass(pass, fields)?;
        }
        let guid = pass.and_then(|p| self.get(Entity::CoworkerTimePass, p, "UniqueId").text().map(str::to_owned));
        self.upsert(
            Entity::Checkin,
            None,
            json!({"CoworkerId": customer, "BusinessId": location, "Source": 1,
            "FromTime": text(self.now()), "CoworkerTimePassGuid": guid}),
        )
    }

    /// A customer goes. A time pass is charged the minutes since the check-in.
    pub fn check_out(&mut self, checkin: i64) -> Result<(), SetupError> {
        let guid = self.get(Entity::Checkin, checkin, "CoworkerTimePassGuid");
        let since = self.get(Entity::Checkin, checkin, "FromTime").at().unwrap_or(self.now());
        self.set(Entity::Checkin, checkin, json!({"ToTime": text(self.now())}))?;
        let passes = self.table(Entity::CoworkerTimePass);
        let pass = passes.rows.iter().find(|(_, p)| guid.text().is_some() && *p.get(passes.shape, "UniqueId") == guid);
        let Some(pass) = pass.map(|(id, _)| *id) else { return Ok(()) };
        let mut fields = self.used(pass, (self.now() - since).num_minutes());
        fields["CheckedIn"] = json!(false);
        self.change_pass(pass, fields)
    }

    fn change_pass(&mut self, pass: i64, fields: Value) -> Result<(), SetupError> {
        if self.switches().check_in_updates_pass {
            self.set(Entity::CoworkerTimePass, pass, fields)
        } else {
            self.slip(Entity::CoworkerTimePass, pass, fields)
        }
    }

    /// The fields of a pass after a use of so many minutes.
    fn used(&self, pass: i64, minutes: i64) -> Value {
        let zone = self.zone(self.get(Entity::CoworkerTimePass, pass, "BusinessId").int());
        let today = match self.switches().used_date {
            UsedDate::Instant => self.now(),
            UsedDate::Day => dates::midnight(zone, dates::wall(zone, self.now()).date(), self.switches().days),
        };
        let first = self.get(Entity::CoworkerTimePass, pass, "UsedDate").at().unwrap_or(today);
        match self.get(Entity::CoworkerTimePass, pass, "RemainingUses").int() {
            None => json!({"Used": true, "UsedDate": text(first)}),
            Some(left) => {
                let left = (left - minutes).max(0);
                json!({"Used": left == 0, "UsedDate": text(first), "RemainingUses": left})
            }
        }
    }

    /// Signs a contract that begins on that day (its midnight, by the switch `days`). Gives its id.
    pub fn sign_contract(
        &mut self,
        customer: i64,
        plan: i64,
        start: NaiveDate,
        desks: &[i64],
    ) -> Result<i64, SetupError> {
        let location = self.get(Entity::Tariff, plan, "BusinessId").int();
        let start = dates::midnight(self.zone(location), start, self.switches().days);
        self.upsert(
            Entity::CoworkerContract,
            None,
            json!({"IssuedById": location, "CoworkerId": customer,
            "TariffId": plan, "StartDate": text(start), "Desks": desks}),
        )
    }

    /// Gives notice: the contract ends on that day, `Active` by the switch `active_until`.
    pub fn give_notice(&mut self, contract: i64, end: NaiveDate) -> Result<(), SetupError> {
        let end = self.day_of_contract(contract, end);
        self.set(Entity::CoworkerContract, contract, json!({"Cancelled": true, "CancellationDate": text(end)}))
    }

    /// Ends a contract at once, whatever its dates say.
    pub fn end_contract(&mut self, contract: i64) -> Result<(), SetupError> {
        self.set(Entity::CoworkerContract, contract, json!({"Active": false}))
    }

    /// Pauses a contract from the first day until before the second. Gives the `ContractPausedPeriod`'s id; deleting
    /// it lifts the pause.
    pub fn pause_contract(&mut self, contract: i64, from: NaiveDate, until: NaiveDate) -> Result<i64, SetupError> {
        let (from, until) = (self.day_of_contract(contract, from), self.day_of_contract(contract, until));
        self.upsert(
            Entity::ContractPausedPeriod,
            None,
            json!({"CoworkerContractId": contract,
            "PauseFrom": text(from), "PauseUntil": text(until)}),
        )
    }

    fn day_of_contract(&self, contract: i64, day: NaiveDate) -> DateTime<Utc> {
        let zone = self.zone(self.get(Entity::CoworkerContract, contract, "IssuedById").int());
        dates::midnight(zone, day, self.switches().days)
    }
}
