//! Records as Kisi's JSON: every key that the API notes name, the deprecated ones included (Kisi API notes, 3).

use serde_json::{Value, json};

use super::KisiTwin;
use super::records::{
    Assignee, Assignment, Controller, Creator, Group, GroupLock, Id, Integration, Lock, Moment, Place, Reader, Scope,
    User,
};
use super::reply::{stamp, stamped};

/// When everything that has no date of its own was set up.
const SET_UP: &str = "2025-09-01T07:30:00Z";

impl KisiTwin {
    pub(super) fn stamp(&self, at: Moment) -> String {
        stamp(at, self.switches.dates)
    }

    fn stamped(&self, at: Option<Moment>) -> Value {
        stamped(at, self.switches.dates)
    }

    pub(super) fn user_json(&self, user: &User) -> Value {
        let own = self.assignments.of(Assignee::User(user.id));
        let groups = own.filter(|row| matches!(row.assignment.scope, Scope::Group(_))).count();
        json!({
            "id": user.id, "resource_type": "User", "name": user.name, "email": user.email,
            "created_at": self.stamp(user.created_at), "updated_at": self.stamp(user.updated_at),
            "metadata": user.metadata, "image": null, "otp_required_for_login": false, "password_flow_enabled": true,
            "access_enabled": user.access_enabled, "last_accessed_at": self.stamped(user.last_accessed_at),
            "scim_access_enabled": user.scim_access_enabled, "notes": user.notes,
            "organization_id": self.organization.id, "confirmed": user.confirm, "groups_count": groups,
        })
    }

    pub(super) fn assignment_json(&self, row: &Assignment) -> Value {
        let user = match row.assignee {
            Assignee::User(id) => self.user_ref(id),
            Assignee::Team(_) | Assignee::Guest(_) => Value::Null,
        };
        let (assignee_type, assignee_id, assignee) = match row.assignee {
            Assignee::User(id) => ("User", id, user.clone()),
            Assignee::Team(id) => {
                let name = self.teams.get(&id).map(|team| team.name.as_str());
                ("Team", id, json!({ "id": id, "resource_type": "Team", "name": name }))
            }
            Assignee::Guest(id) => ("Guest", id, json!({ "id": id, "resource_type": "Guest" })),
        };
        let (kind, applies_type, applies_id, applies) = match row.scope {
            Scope::Organization => {
                let whole = &self.organization;
                let shown = json!({ "id": whole.id, "resource_type": "Organization", "name": whole.name });
                ("organization", "Organization", whole.id, shown)
            }
            Scope::Place(id) => ("place", "Place", id, self.place_ref(Some(id))),
            Scope::Group(id) => ("group", "Group", id, self.group_ref(id)),
        };
        let (creator, creator_id) = match row.created_by {
            Creator::Unknown => (None, None),
            Creator::User(id) => (Some("User"), Some(id)),
            Creator::MarketplaceInstallation(id) => (Some("MarketplaceInstallation"), Some(id)),
        };
        let team = if let Assignee::Team(id) = row.assignee { Some(id) } else { None };
        let guest = if let Assignee::Guest(id) = row.assignee { Some(id) } else { None };
        let mut shown = json!({
            "id": row.id, "resource_type": "RoleAssignment", "created_at": self.stamp(row.created_at),
            "updated_at": self.stamp(row.updated_at), "role_id": row.role_id, "notify": row.notify,
            "applies_to_type": applies_type, "applies_to_id": applies_id, "applies_to": applies,
            "assignee_type": assignee_type, "assignee_id": assignee_id, "assignee": assignee,
            "created_by_type": creator, "created_by_id": creator_id, "issued_by_id": creator_id,
            "user_id": user.get("id"), "user": user, "assignee_team_id": team, "guest_id": guest,
            "type": kind, "scope": if team.is_some() { "team" } else { kind },
        });
        match row.scope {
            // Only a group's rows have dates (Kisi API notes, 3.3).
            Scope::Group(id) => {
                shown["group_id"] = json!(id);
                shown["group"] = self.group_ref(id);
                shown["valid_from"] = self.stamped(row.valid_from);
                shown["valid_until"] = self.stamped(row.valid_until);
            }
            Scope::Place(id) => {
                shown["place_id"] = json!(id);
                shown["place"] = self.place_ref(Some(id));
            }
            Scope::Organization => shown["organization_id"] = json!(self.organization.id),
        }
        shown
    }

    fn user_ref(&self, id: Id) -> Value {
        let user = self.users.get(id);
        let (email, name) = (user.map(|u| &u.email), user.and_then(|u| u.name.as_ref()));
        json!({ "id": id, "resource_type": "User", "email": email, "name": name })
    }

    fn group_ref(&self, id: Id) -> Value {
        json!({ "id": id, "resource_type": "Group", "name": self.groups.get(&id).map(|g| &g.name) })
    }

    fn place_ref(&self, id: Option<Id>) -> Value {
        id.map_or(
            Value::Null,
            |id| json!({ "id": id, "resource_type": "Place", "name": self.places.get(&id).map(|p| &p.name) }),
        )
    }

    pub(super) fn place_json(&self, place: &Place) -> Value {
        json!({
            "id": place.id, "resource_type": "Place", "name": place.name, "description": null, "address": null,
            "time_zone": place.time_zone, "latitude": null, "longitude": null, "created_at": SET_UP,
            "updated_at": SET_UP, "organization_id": self.organization.id,
            "locks_count": self.locks.values().filter(|lock| lock.place_id == place.id).count(),
        })
    }

    pub(super) fn group_json(&self, group: &Group) -> Value {
        let holders = self.assignments.within(Scope::Group(group.id)).count();
        json!({
            "id": group.id, "resource_type": "Group", "name": group.name, "description": null, "created_at": SET_UP,
            "updated_at": SET_UP, "geofence_restriction_enabled": group.geofence_restriction_enabled,
            "geofence_restriction_radius": 250, "primary_device_restriction_enabled": false,
            "managed_device_restriction_enabled": false,
            "reader_restriction_enabled": group.reader_restriction_enabled,
            "time_restriction_enabled": group.time_restriction_enabled, "tap_to_access_restriction_enabled": false,
            "login_enabled": group.login_enabled, "users_count": holders, "members_count": holders,
            "locks_count": self.group_locks.values().filter(|tie| tie.group_id == group.id).count(),
            "elevator_stops_count": 0, "place_id": group.place_id, "place": self.place_ref(group.place_id),
            "time_restriction_time_zone": null,
        })
    }

    pub(super) fn group_lock_json(&self, tie: &GroupLock) -> Value {
        let lock = self.locks.get(&tie.lock_id);
        let place = lock.map(|lock| lock.place_id);
        json!({
            "id": tie.id, "resource_type": "GroupLock", "created_at": self.stamp(tie.created_at),
            "updated_at": self.stamp(tie.created_at), "group_id": tie.group_id, "group": self.group_ref(tie.group_id),
            "lock_id": tie.lock_id,
            "lock": { "id": tie.lock_id, "description": null, "name": lock.map(|lock| &lock.name) },
            "place_id": place, "place": self.place_ref(place),
        })
    }

    pub(super) fn lock_json(&self, lock: &Lock) -> Value {
        let place = self.places.get(&lock.place_id);
        json!({
            "id": lock.id, "resource_type": "Lock", "created_at": SET_UP, "updated_at": SET_UP,
            "configured": lock.configured, "description": null, "first_to_arrive_required_until": null,
            "first_to_arrive_satisfied": false, "latitude": null, "longitude": null,
            "locked_down": lock.locked_down, "locked_down_since": null, "name": lock.name,
            "on_scheduled_unlock": false, "online": self.lock_online(lock), "open": lock.open, "order_id": null,
            "unlocked": lock.unlocked, "geofence_restriction_enabled": lock.geofence_restriction_enabled,
            "geofence_restriction_radius": 250, "reader_restriction_enabled": null, "time_restriction_enabled": null,
            "time_restriction_time_zone": place.map(|p| &p.time_zone), "place_id": lock.place_id,
            "place": {
                "id": lock.place_id, "name": place.map(|p| &p.name), "latitude": null, "longitude": null
            },
            "floor_id": null, "unlocked_until": null,
            "groups_count": self.group_locks.values().filter(|tie| tie.lock_id == lock.id).count(),
        })
    }

    pub(super) fn lock_online(&self, lock: &Lock) -> Option<bool> {
        lock.online.map(|online| online && self.reached(lock.place_id))
    }

    /// Whether Kisi reaches that place at all.
    pub(super) fn reached(&self, place: Id) -> bool {
        self.places.get(&place).is_none_or(|place| place.offline_since.is_none())
    }

    pub(super) fn controller_json(&self, controller: &Controller) -> Value {
        let id = controller.id;
        json!({
            "id": id, "resource_type": "Controller", "name": controller.name, "description": null,
            "created_at": SET_UP, "updated_at": SET_UP, "broadcast_ip_address": "192.0.2.255", "configured": true,
            "device_id": format!("c0{id:014x}"), "ethernet_mac": null, "gateway_ip_address": "192.0.2.1",
            "ip_address": "192.0.2.40", "model": controller.model, "network_interface": "ethernet", "network": null,
            "online": controller.online && self.reached(controller.place_id), "revision": "560000004",
            "token": format!("twin-token-{id}"), "wifi_mac": null, "zone_controller": false,
            "place_id": controller.place_id, "place": self.place_ref(Some(controller.place_id)),
        })
    }

    pub(super) fn reader_json(&self, reader: &Reader) -> Value {
        let id = reader.id;
        let lock = reader.lock_id.and_then(|lock| self.locks.get(&lock));
        json!({
            "id": id, "resource_type": "Reader", "name": reader.name, "description": null, "created_at": SET_UP,
            "updated_at": SET_UP, "configured": true, "device_id": format!("d0{id:014x}"), "model": reader.model,
            "online": reader.online && self.reached(reader.place_id), "revision": "560000009",
            "token": format!("twin-token-{id}"), "tampered": reader.tampered, "backplate": true,
            "cards_enabled": true, "checkout": false, "lock_id": reader.lock_id,
            "lock": lock.map(|lock| json!({ "id": lock.id, "name": lock.name })), "elevator_id": null,
            "zone_id": null, "terminal_id": null, "place_id": reader.place_id,
            "place": self.place_ref(Some(reader.place_id)),
        })
    }

    pub(super) fn integration_json(&self, integration: &Integration) -> Value {
        json!({
            "id": integration.id, "resource_type": "Integration", "name": integration.name,
            "type": integration.kind, "enabled": integration.enabled, "url": integration.url,
            "enabled_events": integration.enabled_events, "signature_key": integration.signature_key,
            "disabled_due_to_error": integration.disabled_due_to_error_at.is_some(),
            "disabled_due_to_error_at": self.stamped(integration.disabled_due_to_error_at),
            "organization_id": self.organization.id, "place_id": null,
        })
    }
}
