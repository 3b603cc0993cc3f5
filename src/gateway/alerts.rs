//! The alerts that stand: one of each kind, told again only when it changes (contract 3).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::domain::Timestamp;
use crate::report::{Alert, AlertKind};

/// All alerts, active or not.
#[derive(Clone, Debug)]
pub struct Alerts(BTreeMap<AlertKind, Alert>);

impl Alerts {
    /// None stands.
    pub fn new(now: Timestamp) -> Alerts {
        let quiet = Alert { active: false, since: now, message: String::new(), detail: Value::Null };
        Alerts(AlertKind::ALL.into_iter().map(|kind| (kind, quiet.clone())).collect())
    }

    /// Raises the alert, changes what it says, or clears it (`None`). Whether anything changed.
    pub fn set(&mut self, kind: AlertKind, what: Option<(String, Value)>, now: Timestamp) -> bool {
        let Some(alert) = self.0.get_mut(&kind) else { return false };
        let (active, message, detail) = match what {
            Some((message, detail)) => (true, message, detail),
            None => (false, String::new(), Value::Null),
        };
        let since = if alert.active == active { alert.since } else { now };
        let next = Alert { active, since, message, detail };
        let changed = *alert != next;
        *alert = next;
        changed
    }

    /// Those that stand, and what each says.
    pub fn told(&self) -> BTreeMap<AlertKind, String> {
        let active = self.0.iter().filter(|(_, alert)| alert.active);
        active.map(|(kind, alert)| (*kind, alert.message.clone())).collect()
    }

    /// All, active or not.
    pub fn all(&self) -> &BTreeMap<AlertKind, Alert> {
        &self.0
    }
}
