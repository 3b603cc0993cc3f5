//! Kisi's record of events: how one comes to be, and how it is shown (Kisi API notes, 4.1).

use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::{Value, json};

use super::KisiTwin;
use super::history::{Actor, Event};
use super::records::{Id, Moment};
use super::reply::ok;
use super::webhooks::Delivery;
use crate::twin::http::Response;

/// The event types that the notes name.
const TYPES: [&str; 40] = [
    "card.create",
    "card.destroy",
    "card.update",
    "controller.reboot",
    "controller.tamper",
    "controller.update",
    "group.create",
    "group.destroy",
    "group.update",
    "group_link.create",
    "group_link.destroy",
    "group_lock.create",
    "group_lock.destroy",
    "incident.create",
    "incident.update",
    "integration.disable_due_to_error",
    "integration.warn_due_to_error",
    "lock.cancel_lockdown",
    "lock.closed",
    "lock.forced_open",
    "lock.held_open",
    "lock.lock_down",
    "lock.locked",
    "lock.opened",
    "lock.scheduled_unlock_ended",
    "lock.scheduled_unlock_started",
    "lock.tailgate",
    "lock.unlock",
    "mobile_cache_policy.invalidate",
    "mobile_cache_policy.update",
    "reader.access",
    "reader.reboot",
    "reader.tamper",
    "reader.update",
    "role_assignment.create",
    "role_assignment.destroy",
    "role_assignment.update",
    "user.create",
    "user.destroy",
    "user.update",
];

/// Something that is to become an event.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Happening {
    /// Its type, as `lock.forced_open`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The user who did it.
    pub actor: Option<Id>,
    /// What it was done to: type, id, name.
    pub object: Option<(String, Id, String)>,
    /// Where.
    pub place: Option<Id>,
    /// What it was done with: type, id.
    pub authenticated_by: Option<(String, Id)>,
    /// The role assignment that allowed it, and its role.
    pub authorized_by: Option<(Id, String)>,
    /// Why it failed: Kisi's code and text. It succeeded where absent.
    pub error: Option<(String, String)>,
    /// When it happened, if not now.
    pub created_at: Option<Moment>,
    /// From when it is to be seen, if not as the switches say.
    pub shown_at: Option<Moment>,
    /// Its uuid, if not a fresh one: the same twice is a duplicate in the record.
    pub uuid: Option<String>,
}

impl Happening {
    /// That type, by that user, to that object: type, id, name.
    pub fn of(kind: &str, actor: Option<Id>, object: (&str, Id, &str)) -> Happening {
        let (object_type, id, name) = object;
        Happening {
            kind: kind.to_owned(),
            actor,
            object: Some((object_type.to_owned(), id, name.to_owned())),
            ..Happening::default()
        }
    }
}

/// All event types, as `GET /events/types` lists them.
pub(super) fn types() -> Response {
    ok(200, &json!(TYPES.as_slice()))
}

impl KisiTwin {
    /// Puts an event into Kisi's record; gives its uuid.
    pub fn emit(&mut self, happening: Happening, now: Moment) -> String {
        self.record(happening, now, true)
    }

    /// The same; unless `learnt`, Kisi doesn't know of it until the place's internet is back.
    pub(super) fn record(&mut self, happening: Happening, now: Moment, learnt: bool) -> String {
        let (soonest, latest) = self.switches.event_delay_ms;
        let delay_ms = if latest > soonest { self.rng.u64(soonest..=latest) } else { soonest };
        let created_at = happening.created_at.unwrap_or(now);
        let shown_at = happening.shown_at.unwrap_or(now + millis(delay_ms));
        self.last_sequence += 1;
        let uuid = happening.uuid.unwrap_or_else(|| self.uuid());
        let event = Event {
            uuid: uuid.clone(),
            sequence: self.last_sequence,
            kind: happening.kind,
            created_at,
            shown_at: learnt.then_some(shown_at),
            actor: happening.actor.map(|id| self.actor(id)),
            authenticated_by: happening.authenticated_by,
            authorized_by: happening.authorized_by,
            object: happening.object,
            place: happening.place,
            success: happening.error.is_none(),
            error: happening.error,
        };
        if learnt {
            self.notify(&event, shown_at);
        } else {
            self.offline_events.push((event.created_at, event.sequence));
        }
        self.history.event(event);
        uuid
    }

    /// Kisi learns of everything that its doors did meanwhile at that place.
    pub(super) fn upload(&mut self, place: Id, shown_at: Moment) {
        let mut told = Vec::new();
        let events = &mut self.history.events;
        self.offline_events.retain(|key| match events.get_mut(key) {
            Some(event) if event.place == Some(place) => {
                event.shown_at = Some(shown_at);
                told.push(event.clone());
                false
            }
            found => found.is_some(),
        });
        for event in told {
            self.notify(&event, shown_at);
        }
    }

    fn actor(&self, id: Id) -> Actor {
        let user = self.users.get(id);
        Actor { id, name: user.and_then(|u| u.name.clone()), email: user.map(|u| u.email.clone()).unwrap_or_default() }
    }

    fn uuid(&mut self) -> String {
        let (high, low) = (self.rng.u64(..), self.rng.u64(..));
        let variant = 0x8000 | (low >> 48) & 0x3fff;
        let (first, second) = (high >> 32, (high >> 16) & 0xffff);
        format!("{first:08x}-{second:04x}-4{:03x}-{variant:04x}-{:012x}", high & 0xfff, low & 0xffff_ffff_ffff)
    }

    fn notify(&mut self, event: &Event, due: Moment) {
        let told =
            |i: &&super::Integration| i.enabled && i.kind == "event_webhook" && i.disabled_due_to_error_at.is_none();
        let integrations = self.integrations.values().filter(told).filter(|i| i.enabled_events.contains(&event.kind));
        let new: Vec<Delivery> = integrations.map(|i| Delivery::of(i, event, self, due)).collect();
        for delivery in new {
            self.deliver(delivery);
        }
    }

    pub(super) fn event_json(&self, event: &Event) -> Value {
        let actor = event.actor.as_ref();
        let object = event.object.as_ref();
        let error = event.error.as_ref();
        json!({
            "uuid": event.uuid, "type": event.kind, "actor_type": actor.map(|_| "User"),
            "actor_id": actor.map(|a| a.id), "actor_name": actor.map(|a| &a.name),
            "actor_email": actor.map(|a| &a.email),
            "authenticated_by_type": event.authenticated_by.as_ref().map(|by| &by.0),
            "authenticated_by_id": event.authenticated_by.as_ref().map(|by| by.1),
            "authorized_by_type": event.authorized_by.as_ref().map(|_| "RoleAssignment"),
            "authorized_by_id": event.authorized_by.as_ref().map(|by| by.0),
            "authorized_by_role_id": event.authorized_by.as_ref().map(|by| &by.1),
            "object_type": object.map(|o| &o.0), "object_id": object.map(|o| o.1),
            "object_name": object.map(|o| &o.2), "action": event.kind.split('.').next_back(),
            "created_at": self.stamp(event.created_at), "message": message(event), "success": event.success,
            "code": error.map_or("ffffff", |e| e.0.as_str()), "sequence": format!("{:x}", event.sequence),
            "organization_id": self.organization.id, "place_id": event.place,
            "error_code": error.map(|e| &e.0), "error_message": error.map(|e| &e.1), "details": {}, "via": {},
        })
    }
}

fn message(event: &Event) -> String {
    let who = event.actor.as_ref().and_then(|a| a.name.as_deref()).unwrap_or("Somebody");
    let what = event.object.as_ref().map_or("something", |o| o.2.as_str());
    let did = if event.success { "did" } else { "tried" };
    format!("{who} {did} {} on {what}.", event.kind)
}

/// A span in milliseconds.
pub(super) fn millis(ms: u64) -> TimeDelta {
    i64::try_from(ms).ok().and_then(TimeDelta::try_milliseconds).unwrap_or(TimeDelta::MAX)
}
