//! Grants: a person, a group, a window, and the reason (rules 1 and 2).

use serde::{Deserialize, Serialize};

use super::{BookingId, ContractId, CustomerId, GroupId, PassId, Window};

/// Why somebody has access, or why something was done: `kind` and `id` as topics and verbs show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "lowercase")]
pub enum Reason {
    /// A booking of a linked resource.
    Booking(BookingId),
    /// A pass of a linked kind.
    Pass(PassId),
    /// A contract with a linked desk, office or plan.
    Contract(ContractId),
    /// No record of its own: a setting or a rule of Gatehouse (nobody's grant is left, for instance).
    Policy,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Reason::Booking(id) => write!(f, "booking {id}"),
            Reason::Pass(id) => write!(f, "pass {id}"),
            Reason::Contract(id) => write!(f, "contract {id}"),
            Reason::Policy => f.write_str("policy"),
        }
    }
}

/// One customer's right to one group for one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Grant {
    /// Who holds it.
    pub customer: CustomerId,
    /// The Kisi group.
    pub group: GroupId,
    /// When.
    pub window: Window,
    /// What it follows from.
    pub reason: Reason,
}
