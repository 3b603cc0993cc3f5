//! Grants: a person, a group, a window, and the reason (rules 1 and 2).

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};

use super::{BookingId, ContractId, CustomerId, GroupId, PassId, Window};

/// Why somebody has access, or why something was done: `kind` and `id` as topics and verbs show it; the `id` of a
/// policy is null.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
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

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (kind, id) = match self {
            Reason::Booking(id) => ("booking", Some(id.0)),
            Reason::Pass(id) => ("pass", Some(id.0)),
            Reason::Contract(id) => ("contract", Some(id.0)),
            Reason::Policy => ("policy", None),
        };
        let mut shown = serializer.serialize_struct("Reason", 2)?;
        shown.serialize_field("kind", kind)?;
        shown.serialize_field("id", &id)?;
        shown.end()
    }
}

impl JsonSchema for Reason {
    fn schema_name() -> Cow<'static, str> {
        "Reason".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Why: `kind`, and the `id` of the record in Nexudus; that of a policy is null.",
            "type": "object",
            "properties": {
                "kind": { "type": "string", "enum": ["booking", "pass", "contract", "policy"] },
                "id": { "type": ["integer", "null"], "minimum": 0 },
            },
            "required": ["kind", "id"],
        })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A subscriber finds both keys in every reason (contract 3), and the store reads what it wrote.
    #[test]
    fn a_reason_has_kind_and_id_and_is_read_back() {
        for (reason, json) in [
            (Reason::Booking(BookingId(7)), r#"{"kind":"booking","id":7}"#),
            (Reason::Policy, r#"{"kind":"policy","id":null}"#),
        ] {
            assert_eq!(serde_json::to_string(&reason).expect("JSON"), json);
            assert_eq!(serde_json::from_str::<Reason>(json).expect("a reason"), reason);
        }
        assert_eq!(serde_json::from_str::<Reason>(r#"{"kind":"policy"}"#).expect("a reason"), Reason::Policy);
    }
}
