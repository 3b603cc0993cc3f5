//! Event webhooks: a hint that may come twice, late, wrong or never (Kisi API notes, 4.2).
//!
//! A core opens no connection: it holds what is to be posted until [`super::post_webhooks`] or a test takes it,
//! and is told what was answered.

use ring::hmac;
use serde::Serialize;
use serde_json::json;

use super::KisiTwin;
use super::events::Happening;
use super::history::Event;
use super::records::{Id, Integration, Moment};
use super::switches::Signature;

/// How many deliveries wait at most; the oldest go first.
const WAITING_MAX: usize = 10_000;
/// After how many failures in a row an integration is warned, and after how many disabled.
const WARNED_AFTER: u32 = 10;
const DISABLED_AFTER: u32 = 20;

/// One webhook to be posted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// The integration it belongs to.
    pub integration: Id,
    /// Where it goes.
    pub url: String,
    /// `x-signature`, where there is one.
    pub signature: Option<String>,
    /// The JSON to post.
    pub body: String,
    /// From when it may be posted.
    pub due: Moment,
}

impl Delivery {
    pub(super) fn of(integration: &Integration, event: &Event, twin: &KisiTwin, due: Moment) -> Delivery {
        let actor = event.actor.as_ref();
        let object = event.object.as_ref();
        let mut payload = json!({
            "actor_type": actor.map(|_| "User"), "actor_id": actor.map(|a| a.id),
            "actor_name": actor.map(|a| &a.name), "object_type": object.map(|o| &o.0),
            "object_id": object.map(|o| o.1), "object_name": object.map(|o| &o.2),
            "organization_id": twin.organization.id, "place_id": event.place, "success": event.success,
            "type": event.kind, "error_code": event.error.as_ref().map(|e| &e.0),
            "error_message": event.error.as_ref().map(|e| &e.1),
        });
        if twin.switches.webhook_old_payload {
            payload["action"] = json!(event.kind.split('.').next_back());
            payload["code"] = json!(event.error.as_ref().map_or("ffffff", |e| e.0.as_str()));
            payload["references"] = json!([]);
            payload["created_at"] = json!(event.created_at.format("%Y-%m-%dT%H:%M:%S+00:00").to_string());
        } else {
            payload["uuid"] = json!(event.uuid);
            payload["created_at"] = json!(twin.stamp(event.created_at));
        }
        let body = payload.to_string();
        let signature = signed(&integration.signature_key, &body, twin.switches.webhook_signature);
        Delivery { integration: integration.id, url: integration.url.clone(), signature, body, due }
    }
}

fn signed(key: &str, body: &str, form: Signature) -> Option<String> {
    let key = if form == Signature::Wrong { "another key" } else { key };
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), body.as_bytes());
    let digits: String = mac.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    match form {
        Signature::Missing => None,
        Signature::Bare => Some(digits),
        Signature::Prefixed | Signature::Wrong => Some(format!("sha256={digits}")),
    }
}

impl KisiTwin {
    pub(super) fn deliver(&mut self, delivery: Delivery) {
        for _ in 0..self.switches.webhook_copies {
            if self.deliveries.len() >= WAITING_MAX {
                self.deliveries.pop_front();
            }
            self.deliveries.push_back(delivery.clone());
        }
    }

    /// Takes the webhooks that are due, in the order in which they are to be posted.
    pub fn take_deliveries(&mut self, now: Moment) -> Vec<Delivery> {
        let (mut due, later): (Vec<_>, Vec<_>) = self.deliveries.drain(..).partition(|delivery| delivery.due <= now);
        self.deliveries.extend(later);
        if self.switches.webhook_reversed {
            due.reverse();
        }
        due
    }

    /// What a webhook's receiver answered; 0 for nothing. Too many failures in a row disable the integration.
    pub fn delivered(&mut self, integration: Id, status: u16, now: Moment) {
        let failures = self.failures.entry(integration).or_default();
        *failures = if status == 200 { 0 } else { failures.saturating_add(1) };
        let failures = *failures;
        let Some(known) = self.integrations.get_mut(&integration) else { return };
        let kind = match failures {
            WARNED_AFTER => "integration.warn_due_to_error",
            DISABLED_AFTER => {
                known.disabled_due_to_error_at = Some(now);
                known.enabled = false;
                "integration.disable_due_to_error"
            }
            _ => return,
        };
        let name = known.name.clone();
        self.emit(Happening::of(kind, None, ("Integration", integration, &name)), now);
    }
}
