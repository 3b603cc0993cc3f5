//! The alerts that stand: one of each kind, told again only when it changes (contract 3).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::domain::Timestamp;
use crate::report::{Alert, AlertKind};

/// What became of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is as before.
    Nothing,
    /// It stands as before, in other words or with another detail.
    Words,
    /// It was raised or cleared, or means something else.
    News,
}

/// While a service is away, what its alert says changes with each call that fails: that is no news, but another state of
/// the connection is.
fn is_news(kind: AlertKind, before: &Alert, after: &Alert) -> bool {
    if before.active != after.active {
        return true;
    }
    match kind {
        AlertKind::Nexudus | AlertKind::Kisi | AlertKind::Broker => before.detail["state"] != after.detail["state"],
        AlertKind::Credentials => false,
        _ => before.message != after.message,
    }
}

/// All alerts, active or not.
#[derive(Clone, Debug)]
pub struct Alerts(BTreeMap<AlertKind, Alert>);

impl Alerts {
    /// None stands.
    pub fn new(now: Timestamp) -> Alerts {
        let quiet = Alert { active: false, since: now, message: String::new(), detail: Value::Null };
        Alerts(AlertKind::ALL.into_iter().map(|kind| (kind, quiet.clone())).collect())
    }

    /// Raises the alert, changes what it says, or clears it (`None`).
    pub fn set(&mut self, kind: AlertKind, what: Option<(String, Value)>, now: Timestamp) -> Change {
        let Some(alert) = self.0.get_mut(&kind) else { return Change::Nothing };
        let (active, message, detail) = match what {
            Some((message, detail)) => (true, message, detail),
            None => (false, String::new(), Value::Null),
        };
        let since = if alert.active == active { alert.since } else { now };
        let next = Alert { active, since, message, detail };
        let change = match *alert != next {
            false => Change::Nothing,
            true if is_news(kind, alert, &next) => Change::News,
            true => Change::Words,
        };
        *alert = next;
        change
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn another_failing_call_is_no_news_but_another_state_or_another_plan_is() {
        let now = "2026-11-24T10:00:00Z".parse().unwrap();
        let mut alerts = Alerts::new(now);
        let mut set = |kind, said: Option<(&str, &str)>| {
            let what = said.map(|(message, state)| (message.to_owned(), json!({ "state": state })));
            alerts.set(kind, what, now)
        };
        use AlertKind::{Guard, Kisi};
        let changes = [
            set(Kisi, None),
            set(Kisi, Some(("no answer to GET /locks", "offline"))),
            set(Kisi, Some(("no answer to GET /locks", "offline"))),
            set(Kisi, Some(("no answer to GET /users", "offline"))),
            set(Kisi, Some(("GET /users: 401", "refused"))),
            set(Kisi, None),
        ];
        use Change::{News, Nothing, Words};
        assert_eq!(changes, [Nothing, News, Nothing, Words, News, News]);
        assert_eq!([set(Guard, Some(("plan a", ""))), set(Guard, Some(("plan b", "")))], [News, News]);
    }
}
