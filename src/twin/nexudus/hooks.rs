//! What Nexudus sends by itself: webhooks and the calls of its "Custom ACS" (Nexudus API notes, 4).
//!
//! The core opens no connection. What would be sent waits in [`Site::pending_hooks`]; a carrier sends it and tells
//! [`Site::hook_result`] what came of it.

use std::collections::VecDeque;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use ring::hmac;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::rows::Row;
use super::shape::{Entity, UNIQUE_ID};
use super::site::Site;
use super::switches::{HookBody, HookSignature};

/// The most webhooks that wait, and the most whose result is still expected; beyond it the oldest go.
const WAITING_MAX: usize = 1_000;
/// After so many failures in a row a webhook is disabled, silently (notes, 4.1).
const FAILURES_MAX: i64 = 10;

/// Nexudus' numbers of the actions that the twin fires (notes, 4.1).
pub mod action {
    #![expect(missing_docs, reason = "the names are Nexudus' own")]
    pub const COWORKER_UPDATE: i64 = 2;
    pub const COWORKER_CREATE: i64 = 3;
    pub const BOOKING_CREATE: i64 = 6;
    pub const BOOKING_UPDATE: i64 = 7;
    pub const BOOKING_DELETE: i64 = 8;
    pub const CONTRACT_ACTIVATE: i64 = 10;
    pub const CONTRACT_CANCEL: i64 = 11;
    pub const COWORKER_CHECKOUT: i64 = 35;
    pub const COWORKER_CHECKIN: i64 = 36;
    pub const CHECKIN_CREATED: i64 = 47;
    pub const CHECKIN_UPDATED: i64 = 48;
    pub const CHECKIN_DELETED: i64 = 49;
    pub const COWORKER_DELETE: i64 = 50;
    pub const TEAM_CREATED: i64 = 57;
    pub const TEAM_UPDATED: i64 = 58;
    pub const TEAM_DELETED: i64 = 59;
    pub const CONTRACT_UPDATE: i64 = 60;
    pub const ACCESS_CONTROL_UPDATE: i64 = 61;
    pub const CONTRACT_CREATE: i64 = 62;
    pub const DESK_CREATE: i64 = 71;
    pub const DESK_DELETE: i64 = 72;
    pub const DESK_UPDATE: i64 = 73;
    pub const CONTRACT_DELETE: i64 = 77;
    pub const BUSINESS_UPDATE: i64 = 84;
}
use action::*;

/// A call that Nexudus makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outbound {
    /// Its number, for [`Site::hook_result`]. A repeated call keeps it.
    pub delivery: u64,
    /// The `WebHook` record behind it; none for Custom ACS.
    pub hook: Option<i64>,
    /// `POST`, or `GET` for the groups of Custom ACS.
    pub method: &'static str,
    /// Where it goes.
    pub url: String,
    /// Its headers, names as Nexudus writes them.
    pub headers: Vec<(String, String)>,
    /// The body, UTF-8.
    #[serde(serialize_with = "as_text")]
    pub body: Bytes,
}

fn as_text<S: Serializer>(body: &Bytes, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&String::from_utf8_lossy(body))
}

/// The settings of Custom ACS (notes, 4.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomAcs {
    /// The "Access groups API endpoint".
    pub groups_url: String,
    /// Its access token, if one is set.
    pub groups_token: Option<String>,
    /// The "Webhook URL"; nothing is sent where it isn't https.
    pub webhook_url: String,
    /// The "Webhook Bearer".
    pub webhook_bearer: String,
}

/// What waits to be sent, and what was sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Hooks {
    secret: Option<String>,
    waiting: VecDeque<Outbound>,
    sent: VecDeque<(u64, i64)>,
    last_delivery: u64,
}

/// What happened to a record, for choosing actions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Happened {
    Made,
    Changed,
    Gone,
}

impl Site {
    /// Sets the shared secret that webhooks are signed with; without one they carry no signature.
    pub fn set_hook_secret(&mut self, secret: Option<&str>) {
        self.hooks.secret = secret.map(str::to_owned);
    }

    /// Takes what waits to be sent, repeated and reordered by the switches.
    pub fn pending_hooks(&mut self) -> Vec<Outbound> {
        let mut out = Vec::new();
        for call in std::mem::take(&mut self.hooks.waiting) {
            if let Some(hook) = call.hook {
                if self.hooks.sent.len() >= WAITING_MAX {
                    self.hooks.sent.pop_front();
                }
                self.hooks.sent.push_back((call.delivery, hook));
            }
            for _ in 0..=self.switches().hook_repeats {
                out.push(call.clone());
            }
        }
        if self.switches().hooks_reversed {
            out.reverse();
        }
        out
    }

    /// Says what came of a delivery: `Err` with what its `LastError` shall be for anything but a 2xx.
    pub fn hook_result(&mut self, delivery: u64, result: Result<(), &str>) {
        let Some(at) = self.hooks.sent.iter().position(|(d, _)| *d == delivery) else { return };
        let Some((_, hook)) = self.hooks.sent.remove(at) else { return };
        let fields = match result {
            Ok(()) => json!({"ErrorCount": 0}),
            Err(why) => {
                let errors = self.get(Entity::WebHook, hook, "ErrorCount").int().unwrap_or(0) + 1;
                json!({"ErrorCount": errors, "LastError": why, "Active": errors < FAILURES_MAX})
            }
        };
        let disabled = fields["Active"] == json!(false);
        // A hook deleted meanwhile has nothing to note.
        let _ = self.slip(Entity::WebHook, hook, fields);
        if disabled {
            self.hooks.waiting.retain(|call| call.hook != Some(hook));
        }
    }

    /// The call by which Custom ACS asks for the groups there are.
    pub fn acs_groups_call(&self, acs: &CustomAcs, location: i64) -> Outbound {
        let unique = |entity, id| self.get(entity, id, "UniqueId").text().unwrap_or_default().to_owned();
        let mut headers = vec![
            ("X-Nexudus-Business-UniqueId".to_owned(), unique(Entity::Business, location)),
            ("X-Nexudus-User-UniqueId".to_owned(), super::rows::unique_id(Entity::Coworker, 1)),
        ];
        headers.extend(acs.groups_token.iter().map(|t| ("Authorization".to_owned(), format!("Bearer {t}"))));
        let (url, body) = (acs.groups_url.clone(), Bytes::new());
        Outbound { delivery: 0, hook: None, method: "GET", url, headers, body }
    }

    /// The call by which Custom ACS tells the whole set of a customer's groups, empty for no access. `time` may be
    /// stale. `None` where the URL isn't https.
    pub fn acs_notice(
        &self,
        acs: &CustomAcs,
        customer: i64,
        groups: &[&str],
        schedule: &[(&str, DateTime<Utc>)],
        time: DateTime<Utc>,
    ) -> Option<Outbound> {
        if !acs.webhook_url.starts_with("https://") {
            return None;
        }
        let row = self.table(Entity::Coworker).rows.get(&customer)?;
        let of = |field| row.get(Entity::Coworker.shape(), field).text().map(str::to_owned);
        let business = self.business_of(Entity::Coworker, row);
        let business = business.or_else(|| self.ids(Entity::Business).first().copied()).unwrap_or_default();
        let named = |field| self.get(Entity::Business, business, field).text().map(str::to_owned);
        let schedule: Vec<Value> = schedule
            .iter()
            .map(|(group, at)| json!({"group": group, "expires_on": at.format("%Y-%m-%dT%H:%M:%SZ").to_string()}))
            .collect();
        let ticks = time.timestamp_subsec_nanos() / 100;
        let body = json!({
            "time": format!("{}.{ticks:07}Z", time.format("%Y-%m-%dT%H:%M:%S")),
            "business": {"id": business, "name": named("Name"), "uniqueId": named("UniqueId")},
            "coworker": {"id": customer, "email": of("Email"), "fullName": of("FullName"),
                "uniqueId": row.cells[UNIQUE_ID].text(), "accessCardId": of("AccessCardId"),
                "keyFobNumber": of("KeyFobNumber"), "accessPincode": of("AccessPincode")},
            "groups": groups,
            "schedule": schedule,
        });
        let headers = vec![
            ("Authorization".to_owned(), format!("Bearer {}", acs.webhook_bearer)),
            ("Content-Type".to_owned(), "application/json".to_owned()),
        ];
        let (url, body) = (acs.webhook_url.clone(), Bytes::from(body.to_string()));
        Some(Outbound { delivery: 0, hook: None, method: "POST", url, headers, body })
    }

    /// Fires what a change of a record fires. `before` is the record as it was.
    pub(super) fn announce(&mut self, entity: Entity, id: i64, before: Option<&Row>) {
        if entity == Entity::WebHook || self.table(Entity::WebHook).rows.is_empty() {
            return;
        }
        let after = self.table(entity).rows.get(&id).cloned();
        let (happened, Some(row)) = (
            match (before, &after) {
                (None, _) => Happened::Made,
                (Some(_), Some(_)) => Happened::Changed,
                (Some(_), None) => Happened::Gone,
            },
            after.as_ref().or(before),
        ) else {
            return;
        };
        let business = self.business_of(entity, row);
        for action in actions(entity, happened, before, row) {
            self.fire(action, entity, row, business);
        }
        for customer in concerned(entity, happened, before, row) {
            self.access_changed(customer);
        }
        if entity == Entity::ContractPausedPeriod
            && let Some(contract) = row.get(entity.shape(), "CoworkerContractId").int()
            && let Some(contract) = self.table(Entity::CoworkerContract).rows.get(&contract).cloned()
        {
            self.fire(CONTRACT_UPDATE, Entity::CoworkerContract, &contract, business);
        }
    }

    /// Fires `AccessControlUpdate` for a customer (notes, 4.2).
    pub(super) fn access_changed(&mut self, customer: i64) {
        if let Some(row) = self.table(Entity::Coworker).rows.get(&customer).cloned() {
            let business = self.business_of(Entity::Coworker, &row);
            self.fire(ACCESS_CONTROL_UPDATE, Entity::Coworker, &row, business);
        }
    }

    fn fire(&mut self, action: i64, entity: Entity, row: &Row, business: Option<i64>) {
        let shape = Entity::WebHook.shape();
        let listens = |hook: &Row| {
            let at = hook.get(shape, "BusinessId").int();
            hook.get(shape, "Active").is_true()
                && hook.get(shape, "Action").int() == Some(action)
                && (business.is_none() || at == business)
        };
        let hooks = &self.table(Entity::WebHook).rows;
        let hooks: Vec<i64> = hooks.iter().filter(|(_, hook)| listens(hook)).map(|(id, _)| *id).collect();
        if hooks.is_empty() {
            return;
        }
        let record = Value::Object(row.written(entity.shape(), self.zone_of(entity, row), self.switches(), false));
        let array = Value::Array(vec![record.clone()]).to_string();
        let signature = self.signature(&array);
        let body = match self.switches().hook_body {
            HookBody::Array => Bytes::from(array),
            HookBody::Object => Bytes::from(record.to_string()),
        };
        let now = self.now().to_rfc3339();
        for hook in hooks {
            let url = self.get(Entity::WebHook, hook, "URL").text().unwrap_or_default().to_owned();
            let mut headers = vec![("Content-Type".to_owned(), "application/json; charset=utf-8".to_owned())];
            headers.extend(signature.iter().map(|s| ("X-Nexudus-Hook-Signature".to_owned(), s.clone())));
            self.hooks.last_delivery += 1;
            let delivery = self.hooks.last_delivery;
            if self.hooks.waiting.len() >= WAITING_MAX {
                self.hooks.waiting.pop_front();
            }
            let body = body.clone();
            self.hooks.waiting.push_back(Outbound { delivery, hook: Some(hook), method: "POST", url, headers, body });
            // The hook is there: it was found a moment ago.
            let _ = self.slip(Entity::WebHook, hook, json!({"LastTrigger": now}));
        }
    }

    fn signature(&self, message: &str) -> Option<String> {
        let secret = self.hooks.secret.as_ref()?;
        let secret = match self.switches().hook_signature {
            HookSignature::Right => secret.clone(),
            HookSignature::Wrong => format!("{secret}-not"),
            HookSignature::Absent => return None,
        };
        let key = hmac::Key::new(hmac::HMAC_SHA256, &ascii(&secret));
        let tag = hmac::sign(&key, &ascii(message));
        Some(tag.as_ref().iter().map(|byte| format!("{byte:02X}")).collect())
    }
}

/// As .NET's ASCII encoding: `?` for each UTF-16 unit that is none.
fn ascii(text: &str) -> Vec<u8> {
    text.encode_utf16().map(|unit| u8::try_from(unit).ok().filter(u8::is_ascii).unwrap_or(b'?')).collect()
}

fn actions(entity: Entity, happened: Happened, before: Option<&Row>, row: &Row) -> Vec<i64> {
    use Happened::{Changed, Gone, Made};
    let is = |row: Option<&Row>, field| row.is_some_and(|r| r.get(entity.shape(), field).is_true());
    let turned = |field| is(Some(row), field) && !is(before, field);
    match (entity, happened) {
        (Entity::Coworker, Made) => vec![COWORKER_CREATE],
        (Entity::Coworker, Changed) => vec![COWORKER_UPDATE],
        (Entity::Coworker, Gone) => vec![COWORKER_DELETE],
        (Entity::Booking, Made) => vec![BOOKING_CREATE],
        (Entity::Booking, Changed) => vec![BOOKING_UPDATE],
        (Entity::Booking, Gone) => vec![BOOKING_DELETE],
        (Entity::CoworkerContract, Gone) => vec![CONTRACT_DELETE],
        (Entity::CoworkerContract, _) => {
            let mut out = vec![if happened == Made { CONTRACT_CREATE } else { CONTRACT_UPDATE }];
            out.extend(turned("Active").then_some(CONTRACT_ACTIVATE));
            out.extend(turned("Cancelled").then_some(CONTRACT_CANCEL));
            out
        }
        (Entity::Checkin, Made) => vec![CHECKIN_CREATED, COWORKER_CHECKIN],
        (Entity::Checkin, Changed) => vec![CHECKIN_UPDATED, COWORKER_CHECKOUT],
        (Entity::Checkin, Gone) => vec![CHECKIN_DELETED],
        (Entity::Team, Made) => vec![TEAM_CREATED],
        (Entity::Team, Changed) => vec![TEAM_UPDATED],
        (Entity::Team, Gone) => vec![TEAM_DELETED],
        (Entity::FloorPlanDesk, Made) => vec![DESK_CREATE],
        (Entity::FloorPlanDesk, Changed) => vec![DESK_UPDATE],
        (Entity::FloorPlanDesk, Gone) => vec![DESK_DELETE],
        (Entity::Business, Changed) => vec![BUSINESS_UPDATE],
        _ => Vec::new(),
    }
}

/// The customers whose access Nexudus evaluates again after a change (notes, 4.2).
fn concerned(entity: Entity, happened: Happened, before: Option<&Row>, row: &Row) -> Vec<i64> {
    let shape = entity.shape();
    match entity {
        Entity::CoworkerContract | Entity::CoworkerTimePass | Entity::Checkin => {
            row.get(shape, "CoworkerId").int().into_iter().collect()
        }
        Entity::ContractPausedPeriod => row.get(shape, "CoworkerContractCoworkerId").int().into_iter().collect(),
        Entity::Booking if happened == Happened::Gone => row.get(shape, "CoworkerId").int().into_iter().collect(),
        Entity::Coworker => {
            const WATCHED: [&str; 4] = ["Active", "AccessCardId", "KeyFobNumber", "AccessPincode"];
            let differs = |field: &&str| before.is_none_or(|b| b.get(shape, field) != row.get(shape, field));
            let changed = happened != Happened::Gone && WATCHED.iter().any(differs);
            changed.then(|| row.get(shape, "Id").int()).flatten().into_iter().collect()
        }
        Entity::Team => {
            let members = |row: Option<&Row>| row.map(|r| r.get(shape, "TeamMembers").ids()).unwrap_or_default();
            let (old, new) = (members(before), members((happened != Happened::Gone).then_some(row)));
            let apart = |a: &[i64], b: &[i64]| a.iter().filter(|m| !b.contains(m)).copied().collect::<Vec<_>>();
            [apart(&new, &old), apart(&old, &new)].concat()
        }
        _ => Vec::new(),
    }
}
