//! The rows, with no field but those that a rule reads (Nexudus API notes, 3).

use chrono::NaiveDateTime;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::date::{instant, opt_instant, opt_local, opt_stamp};
use super::lenient::{
    Scalar, flag, id, opt_flag, opt_id, opt_int, opt_text, present_ids, present_int, said_flag, soft,
};
use crate::domain::Timestamp;
use crate::domain::snapshot::{Aside, Stamp};

/// What every row has, whatever else is wrong with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// `Id`.
    pub id: Option<u64>,
    /// `UpdatedOn`.
    pub updated_on: Option<Timestamp>,
    /// `CancelledOn`, of a cancelled booking.
    pub cancelled_on: Option<Timestamp>,
}

impl Head {
    /// The head of a row; nothing in it can be so wrong that the others are lost.
    pub fn of(row: &RawValue) -> Head {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Keys<'a> {
            #[serde(default, borrow, deserialize_with = "soft")]
            id: Option<Scalar<'a>>,
            #[serde(default, borrow, deserialize_with = "soft")]
            updated_on: Option<Scalar<'a>>,
            #[serde(default, borrow, deserialize_with = "soft")]
            cancelled_on: Option<Scalar<'a>>,
        }
        if !is_object(row) {
            return Head::default();
        }
        let Ok(keys) = serde_json::from_slice::<Keys<'_>>(row.get().as_bytes()) else { return Head::default() };
        let date = |scalar: Option<Scalar<'_>>| {
            scalar.and_then(Scalar::text).and_then(|text| super::parse_date(&text)).map(|stamp| stamp.instant)
        };
        Head {
            id: keys.id.and_then(|id| id.id().ok().flatten()),
            updated_on: date(keys.updated_on),
            cancelled_on: date(keys.cancelled_on),
        }
    }
}

/// Whether it is an object: serde would take a list for a struct, field by field.
fn is_object(row: &RawValue) -> bool {
    row.get().trim_start().starts_with('{')
}

/// A row as its type, or why not, with the path to the fault.
pub fn read_row<'de, T: Deserialize<'de>>(row: &'de RawValue) -> Result<T, Aside> {
    if !is_object(row) {
        return Err(Aside { id: None, why: "a row that is no object".to_owned() });
    }
    // Keeping track of the path costs as much as reading: it is done where there is something to tell.
    if let Ok(read) = serde_json::from_slice(row.get().as_bytes()) {
        return Ok(read);
    }
    let mut json = serde_json::Deserializer::from_slice(row.get().as_bytes());
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let (path, inner) = (error.path().to_string(), error.inner().to_string());
        // The position is one within the row: it says nothing to the operator.
        let what = inner.split(" at line ").next().unwrap_or_default();
        let why = if path == "." { what.to_owned() } else { format!("{path}: {what}") };
        Aside { id: Head::of(row).id, why }
    })
}

/// A booking (3.1).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct BookingRow {
    /// `Id`.
    #[serde(deserialize_with = "id")]
    pub id: u64,
    /// `UniqueId`.
    #[serde(default, deserialize_with = "opt_text")]
    pub unique_id: Option<String>,
    /// `ResourceId`.
    #[serde(default, deserialize_with = "opt_id")]
    pub resource_id: Option<u64>,
    /// `CoworkerId`.
    #[serde(default, deserialize_with = "opt_id")]
    pub coworker_id: Option<u64>,
    /// `FromTime`, UTC.
    #[serde(deserialize_with = "instant")]
    pub from_time: Timestamp,
    /// `ToTime`, UTC.
    #[serde(deserialize_with = "instant")]
    pub to_time: Timestamp,
    /// `FromTimeLocal`: the wall clock, any offset stripped.
    #[serde(default, deserialize_with = "opt_local")]
    pub from_time_local: Option<NaiveDateTime>,
    /// `Tentative`: without it nobody can say that the booking is approved.
    #[serde(deserialize_with = "flag")]
    pub tentative: bool,
}

/// A cancelled booking (3.2).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CancelledRow {
    /// `Id`: of the cancellation, not of the booking.
    #[serde(deserialize_with = "id")]
    pub id: u64,
    /// `OriginalBookingId`: `Id` or `UniqueId` of the booking, which of them is not known.
    #[serde(default, deserialize_with = "opt_text")]
    pub original_booking_id: Option<String>,
    /// `ResourceId`.
    #[serde(default, deserialize_with = "opt_id")]
    pub resource_id: Option<u64>,
    /// `CancelledOn`.
    #[serde(default, deserialize_with = "opt_stamp")]
    pub cancelled_on: Option<Stamp>,
}

/// A customer (3.5).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CustomerRow {
    /// `Id`.
    #[serde(deserialize_with = "id")]
    pub id: u64,
    /// `FullName`.
    #[serde(default, deserialize_with = "opt_text")]
    pub full_name: Option<String>,
    /// `Email`.
    #[serde(default, deserialize_with = "opt_text")]
    pub email: Option<String>,
    /// `Active`.
    #[serde(deserialize_with = "flag")]
    pub active: bool,
    /// `Archived`.
    #[serde(default, deserialize_with = "opt_flag")]
    pub archived: bool,
}

/// A pass that somebody holds (3.6).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PassRow {
    /// `Id`.
    #[serde(deserialize_with = "id")]
    pub id: u64,
    /// `CoworkerId`.
    #[serde(deserialize_with = "id")]
    pub coworker_id: u64,
    /// `TimePassId`.
    #[serde(deserialize_with = "id")]
    pub time_pass_id: u64,
    /// `Used`.
    #[serde(deserialize_with = "flag")]
    pub used: bool,
    /// `UsedDate`.
    #[serde(default, deserialize_with = "opt_stamp")]
    pub used_date: Option<Stamp>,
    /// `RemainingUses`.
    #[serde(default, deserialize_with = "opt_int")]
    pub remaining_uses: Option<i64>,
    /// `ExpireDate`.
    #[serde(default, deserialize_with = "opt_stamp")]
    pub expire_date: Option<Stamp>,
}

/// A kind of pass (3.7).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PassKindRow {
    /// `Id`.
    #[serde(deserialize_with = "id")]
    pub id: u64,
    /// `Name`.
    #[serde(default, deserialize_with = "opt_text")]
    pub name: Option<String>,
    /// `MinutesIncluded`: null makes a day pass, so it matters whether a list row left it out (8, row 3).
    #[serde(default, deserialize_with = "present_int")]
    pub minutes_included: Option<Option<i64>>,
}

/// A time slot of a kind of pass (3, TimePassTimeSlot).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SlotRow {
    /// `TimePassId`.
    #[serde(deserialize_with = "id")]
    pub time_pass_id: u64,
}

/// A contract (3.8).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContractRow {
    /// `Id`.
    #[serde(deserialize_with = "id")]
    pub id: u64,
    /// `UpdatedOn`.
    #[serde(default, deserialize_with = "opt_instant")]
    pub updated_on: Option<Timestamp>,
    /// `CoworkerId`.
    #[serde(deserialize_with = "id")]
    pub coworker_id: u64,
    /// `TariffId`.
    #[serde(default, deserialize_with = "opt_id")]
    pub tariff_id: Option<u64>,
    /// `FloorPlanDeskIds`; `None` where the row left it out.
    #[serde(default, deserialize_with = "present_ids")]
    pub floor_plan_desk_ids: Option<Vec<u64>>,
    /// `Desks`, in a read by id only.
    #[serde(default, deserialize_with = "present_ids")]
    pub desks: Option<Vec<u64>>,
    /// `Active`.
    #[serde(deserialize_with = "flag")]
    pub active: bool,
    /// `StartDate`.
    #[serde(default, deserialize_with = "opt_stamp")]
    pub start_date: Option<Stamp>,
    /// `StartDateLocal`.
    #[serde(default, deserialize_with = "opt_local")]
    pub start_date_local: Option<NaiveDateTime>,
    /// `CancellationDate`.
    #[serde(default, deserialize_with = "opt_stamp")]
    pub cancellation_date: Option<Stamp>,
    /// `CancellationDateLocal`.
    #[serde(default, deserialize_with = "opt_local")]
    pub cancellation_date_local: Option<NaiveDateTime>,
    /// `InPausedPeriod`.
    #[serde(default, deserialize_with = "said_flag")]
    pub in_paused_period: Option<bool>,
    /// `InPausedPeriodFrom`.
    #[serde(default, deserialize_with = "opt_stamp")]
    pub in_paused_period_from: Option<Stamp>,
    /// `InPausedPeriodUntil`.
    #[serde(default, deserialize_with = "opt_stamp")]
    pub in_paused_period_until: Option<Stamp>,
}

/// A paused period of a contract (ContractPausedPeriod).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PausedPeriodRow {
    /// `Id`.
    #[serde(deserialize_with = "id")]
    pub id: u64,
    /// `CoworkerContractId`.
    #[serde(deserialize_with = "id")]
    pub coworker_contract_id: u64,
    /// `PauseFrom`.
    #[serde(default, deserialize_with = "opt_stamp")]
    pub pause_from: Option<Stamp>,
    /// `PauseFromLocal`.
    #[serde(default, deserialize_with = "opt_local")]
    pub pause_from_local: Option<NaiveDateTime>,
    /// `PauseUntil`.
    #[serde(default, deserialize_with = "opt_stamp")]
    pub pause_until: Option<Stamp>,
    /// `PauseUntilLocal`.
    #[serde(default, deserialize_with = "opt_local")]
    pub pause_until_local: Option<NaiveDateTime>,
}

/// Anything of which only the name counts: a resource, a desk, a plan, a zone.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct NamedRow {
    /// `Id`.
    #[serde(deserialize_with = "id")]
    pub id: u64,
    /// `Name`.
    #[serde(default, deserialize_with = "opt_text")]
    pub name: Option<String>,
}

/// A team (3.10).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TeamRow {
    /// `Id`.
    #[serde(deserialize_with = "id")]
    pub id: u64,
    /// `Name`.
    #[serde(default, deserialize_with = "opt_text")]
    pub name: Option<String>,
    /// `UpdatedOn`.
    #[serde(default, deserialize_with = "opt_instant")]
    pub updated_on: Option<Timestamp>,
    /// `ShareTimePasses`.
    #[serde(default, deserialize_with = "opt_flag")]
    pub share_time_passes: bool,
    /// `CoworkerIds`: in lists, by the older text.
    #[serde(default, deserialize_with = "present_ids")]
    pub coworker_ids: Option<Vec<u64>>,
    /// `TeamMembers`: in a read by id.
    #[serde(default, deserialize_with = "present_ids")]
    pub team_members: Option<Vec<u64>>,
}

/// A location (3.11).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct BusinessRow {
    /// `Id`.
    #[serde(default, deserialize_with = "opt_id")]
    pub id: Option<u64>,
    /// `Name`.
    #[serde(default, deserialize_with = "opt_text")]
    pub name: Option<String>,
    /// `SimpleTimeZoneId`.
    #[serde(default, deserialize_with = "opt_id")]
    pub simple_time_zone_id: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row<T: for<'de> Deserialize<'de>>(json: &str) -> Result<T, Aside> {
        let raw: Box<RawValue> = RawValue::from_string(json.to_owned()).expect("JSON");
        // The box dies here, so nothing borrowed may remain.
        read_row::<T>(&raw)
    }

    #[test]
    fn trap_25_ids_flags_and_numbers_come_in_every_type() {
        for json in [
            r#"{"Id":7,"CoworkerId":9,"TimePassId":3,"Used":false,"RemainingUses":100}"#,
            r#"{"Id":"7","CoworkerId":9.0,"TimePassId":" 3 ","Used":"False","RemainingUses":"100.0"}"#,
            r#"{"Id":7.0,"CoworkerId":"9","TimePassId":3,"Used":0,"RemainingUses":100.0,"ExpireDate":null}"#,
        ] {
            let pass: PassRow = row(json).expect("a pass");
            assert_eq!(
                (pass.id, pass.coworker_id, pass.time_pass_id, pass.used, pass.remaining_uses),
                (7, 9, 3, false, Some(100))
            );
        }
    }

    #[test]
    fn a_bad_row_names_its_id_and_the_path_but_not_the_value() {
        let aside = row::<PassRow>(r#"{"Id":"77","CoworkerId":9,"TimePassId":3,"Used":"ada@example.org"}"#);
        let aside = aside.expect_err("aside");
        assert_eq!(aside.id, Some(77));
        assert!(aside.why.contains("Used") && !aside.why.contains("ada"), "{}", aside.why);
        let missing = row::<BookingRow>(r#"{"Id":5,"FromTime":"2026-03-04T11:00Z","ToTime":"2026-03-04T12:00Z"}"#);
        assert!(missing.expect_err("aside").why.contains("Tentative"));
        assert_eq!(row::<PassRow>("[1]").expect_err("aside").id, None);
    }

    #[test]
    fn trap_17_ids_in_one_field_come_as_text_numbers_or_objects() {
        let desks = |value: &str| {
            let json = format!(r#"{{"Id":1,"CoworkerId":2,"Active":true{value}}}"#);
            row::<ContractRow>(&json).expect("a contract").floor_plan_desk_ids
        };
        assert_eq!(desks(""), None);
        assert_eq!(desks(r#","FloorPlanDeskIds":null"#), Some(vec![]));
        assert_eq!(desks(r#","FloorPlanDeskIds":"801,802""#), Some(vec![801, 802]));
        assert_eq!(desks(r#","FloorPlanDeskIds":" 801, 802 ,""#), Some(vec![801, 802]));
        assert_eq!(desks(r#","FloorPlanDeskIds":801"#), Some(vec![801]));
        let team: TeamRow = row(r#"{"Id":1,"TeamMembers":[1,"2",{"FullName":"Ada","Id":3}]}"#).expect("a team");
        assert_eq!(team.team_members, Some(vec![1, 2, 3]));
    }

    #[test]
    fn trap_19_the_offset_of_a_local_date_is_stripped_and_never_converted() {
        for local in ["2026-03-04T12:00:00", "2026-03-04T12:00:00Z", "2026-03-04T12:00:00.0000000+00:00"] {
            let json = format!(
                r#"{{"Id":1,"FromTime":"2026-03-04T11:00:00Z","ToTime":"2026-03-04T12:00:00Z","Tentative":false,
                    "FromTimeLocal":"{local}"}}"#
            );
            let booking: BookingRow = row(&json).expect("a booking");
            assert_eq!(booking.from_time_local, "2026-03-04T12:00:00".parse().ok());
        }
    }
}
