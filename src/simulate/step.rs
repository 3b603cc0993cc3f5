//! What happens in a run, as plain data: made from the seed before anything runs, written out as a trace, read back.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::power::Side;
use crate::twin::faults::Rule;

/// Something that happens at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// When, by the twins' own clock.
    pub at: DateTime<Utc>,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// Which cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cloud {
    /// Nexudus.
    Nexudus,
    /// Kisi.
    Kisi,
}

/// How the broker behaves for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BrokerMood {
    /// Nobody listens.
    Away,
    /// It says that we may not.
    Refusing,
    /// It acknowledges nothing.
    Mute,
    /// Nothing arrives.
    Deaf,
}

/// What can happen. Spans are whole seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum What {
    /// A record of Nexudus is made, or the named fields of one change.
    Set {
        /// The kind, by Nexudus' name.
        entity: String,
        /// Its id.
        id: i64,
        /// The fields, by Nexudus' names.
        fields: Value,
    },
    /// The same, and `UpdatedOn` doesn't move.
    Slip {
        /// The kind, by Nexudus' name.
        entity: String,
        /// Its id.
        id: i64,
        /// The fields, by Nexudus' names.
        fields: Value,
    },
    /// A record of Nexudus is deleted.
    Delete {
        /// The kind, by Nexudus' name.
        entity: String,
        /// Its id.
        id: i64,
    },
    /// A member cancels a booking.
    Cancel {
        /// The booking.
        id: i64,
    },
    /// A pass is used, by so many minutes.
    UsePass {
        /// The pass.
        id: i64,
        /// How many minutes.
        minutes: i64,
    },
    /// A holder of a pass checks in.
    CheckIn {
        /// The customer.
        customer: i64,
        /// The pass.
        pass: i64,
    },
    /// Somebody holds a card to a door.
    Tap {
        /// Whose, by the e-mail of the Kisi user.
        email: String,
        /// The door.
        lock: u64,
    },
    /// A door tells of something that happened a while ago.
    LateEvent {
        /// The door.
        lock: u64,
        /// How long ago.
        ago_s: i64,
    },
    /// Another hand puts a user into a group.
    HandAdds {
        /// Whose, by e-mail; the user is made where there is none.
        email: String,
        /// The group.
        group: u64,
    },
    /// Another hand removes a row of ours.
    HandRemoves {
        /// Whose, by e-mail.
        email: String,
        /// The group.
        group: u64,
    },
    /// Another hand removes its own row.
    HandDrops {
        /// Whose, by e-mail.
        email: String,
        /// The group.
        group: u64,
    },
    /// Another hand suspends a user.
    HandSuspends {
        /// Whose, by e-mail.
        email: String,
    },
    /// Another hand restores a user.
    HandRestores {
        /// Whose, by e-mail.
        email: String,
    },
    /// Switches of a cloud are turned, for good.
    Turn {
        /// Which.
        cloud: Cloud,
        /// Names and values.
        switches: Value,
    },
    /// Somebody looks at `alert/guard` and approves what it holds.
    Approve,
    /// A command to the gateway: nothing but its `id`, which is the step's.
    Command {
        /// `sync`, `pause`, `resume`.
        name: String,
    },
    /// The broker starts again, and forgets sessions and what was retained.
    BrokerRestarts,
    /// The gateway is ended in order and started again.
    Restart,
    /// The box's own clock goes off by so much more.
    ClockShift {
        /// By how much.
        by_s: i64,
    },
    /// Something that ends by itself.
    For {
        /// After how long.
        for_s: i64,
        /// What.
        trouble: Passing,
    },
}

/// What goes wrong for a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Passing {
    /// A cloud is away.
    Away(Cloud),
    /// The site's internet is away: both clouds, and the readers'.
    Internet,
    /// Calls to a cloud meet a fault.
    Fault(Cloud, Rule),
    /// Lists of Nexudus lack rows or their order: `ListFault` of the twin, by entity.
    List {
        /// The entity.
        entity: String,
        /// The fault.
        fault: Value,
    },
    /// A cloud's `Date` is wrong by so many seconds.
    Date(Cloud, i64),
    /// Kisi refuses our key, with that status; `true`: writes alone.
    KeyRefused(u16, bool),
    /// Nexudus knows another password, and ends every token.
    PasswordChanged,
    /// The broker behaves so.
    Broker(BrokerMood),
    /// The box has no power.
    Dark,
    /// The box's power goes at a call, counted from then on, and stays away from then until the end.
    DarkAtCall(u64, Side),
    /// The box's power goes at a write to the disk, counted from then on, and stays away until the end.
    DarkAtWrite(u64),
    /// The gateway is told to write nothing.
    Paused,
}

impl What {
    /// The word by which it is counted.
    pub fn word(&self) -> String {
        match self {
            What::For { trouble, .. } => trouble.word(),
            other => word(other, "do"),
        }
    }

    /// How long it lasts.
    pub fn lasts(&self) -> Option<TimeDelta> {
        match self {
            What::For { for_s, .. } => Some(TimeDelta::seconds((*for_s).max(1))),
            _ => None,
        }
    }
}

impl Passing {
    /// The word by which it is counted: its kind and, of faults, what the fault is.
    pub fn word(&self) -> String {
        let text = serde_json::to_value(self).unwrap_or_default();
        let kind = text.as_str().map(str::to_owned);
        let kind = kind.or_else(|| text.as_object().and_then(|map| map.keys().next().cloned())).unwrap_or_default();
        match self {
            Passing::Fault(cloud, rule) => {
                let effect = serde_json::to_value(&rule.effect).unwrap_or_default();
                let status = ["instead", "afterwards"].iter().find_map(|key| effect[*key]["status"].as_u64());
                let name = effect.as_str().map(str::to_owned);
                let name = name.or_else(|| effect.as_object().and_then(|map| map.keys().next().cloned()));
                let status = status.map(|status| format!(" {status}")).unwrap_or_default();
                format!("{}: {}{status}", word(cloud, ""), name.unwrap_or_default())
            }
            Passing::Away(cloud) => format!("{} away", word(cloud, "")),
            Passing::Date(cloud, _) => format!("{}: wrong date", word(cloud, "")),
            Passing::List { fault, .. } => {
                let name = fault.as_object().and_then(|map| map.keys().next().cloned()).unwrap_or_default();
                format!("list: {name}")
            }
            Passing::Broker(mood) => format!("broker {}", word(mood, "")),
            _ => kind,
        }
    }
}

/// How a value names itself in its JSON.
fn word(value: &impl Serialize, tag: &str) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().or_else(|| value[tag].as_str()).unwrap_or_default().to_owned()
}

/// Whole seconds as a span.
pub fn span(seconds: i64) -> Duration {
    Duration::from_secs(seconds.max(0).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twin::faults::{Effect, Says};

    #[test]
    fn a_step_reads_back_as_it_was_written_and_is_counted_by_a_word() {
        let steps = [
            (What::Cancel { id: 7 }, "cancel"),
            (What::Approve, "approve"),
            (What::For { for_s: 5, trouble: Passing::Away(Cloud::Kisi) }, "kisi away"),
            (What::For { for_s: 5, trouble: Passing::DarkAtCall(3, Side::After) }, "dark_at_call"),
            (
                What::For {
                    for_s: 9,
                    trouble: Passing::Fault(Cloud::Nexudus, Rule::on("", Effect::Instead(Says::new(503, "")))),
                },
                "nexudus: instead 503",
            ),
        ];
        for (what, word) in steps {
            assert_eq!(what.word(), word);
            let step = Step { at: DateTime::UNIX_EPOCH, what };
            let text = serde_json::to_string(&step).unwrap();
            assert_eq!(serde_json::from_str::<Step>(&text).unwrap(), step, "{text}");
        }
    }
}
