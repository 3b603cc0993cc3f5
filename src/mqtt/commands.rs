//! Commands that come over the broker (contract 4): what there is, and how one is read. Pure.
//!
//! What a command does, its handler knows. Here is decided only whether it is one: its name is served, its payload is
//! right, it is young enough.

use std::collections::BTreeSet;
use std::str::FromStr;

use chrono::TimeDelta;
use serde_json::{Map, Value};

use super::Boxed;
use crate::domain::{CustomerId, Email, GroupId, LockId, Timestamp, UserId};

/// The longest payload that is read, in bytes.
const PAYLOAD_SIZE_MAX: usize = 8 * 1024;
/// The longest id, in characters.
const ID_LENGTH_MAX: usize = 128;
/// How far the time of an `unlock` may be from now, either way: an old one is not obeyed, and one from the future
/// would still be young when somebody sends it again.
const UNLOCK_AGE_MAX: TimeDelta = TimeDelta::seconds(10);

/// The commands by name, as `mqtt.commands` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CommandName {
    /// A full pass now.
    Sync,
    /// May this person pass here?
    Check,
    /// One try to unlock.
    Unlock,
    /// Releases what the guard holds.
    Approve,
    /// Write nothing to Kisi.
    Pause,
    /// Write again.
    Resume,
}

impl CommandName {
    /// Every command, in the order of the contract.
    pub const ALL: [CommandName; 6] = [
        CommandName::Sync,
        CommandName::Check,
        CommandName::Unlock,
        CommandName::Approve,
        CommandName::Pause,
        CommandName::Resume,
    ];

    /// Its name in the topic.
    pub fn name(self) -> &'static str {
        match self {
            CommandName::Sync => "sync",
            CommandName::Check => "check",
            CommandName::Unlock => "unlock",
            CommandName::Approve => "approve",
            CommandName::Pause => "pause",
            CommandName::Resume => "resume",
        }
    }
}

impl FromStr for CommandName {
    type Err = String;

    fn from_str(name: &str) -> Result<CommandName, String> {
        let found = CommandName::ALL.into_iter().find(|command| command.name() == name);
        found.ok_or_else(|| format!("there is no command {name:?}"))
    }
}

/// Whom `check` asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Person {
    /// An e-mail.
    Email(Email),
    /// A Nexudus customer's id.
    Customer(CustomerId),
    /// A Kisi user's id, written `kisi:ID`.
    User(UserId),
}

/// Where `check` asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A door.
    Door(LockId),
    /// A group.
    Group(GroupId),
}

/// A command that may be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A full pass now.
    Sync,
    /// May this person pass here, now or at that time?
    Check {
        /// Who.
        person: Person,
        /// Where.
        place: Place,
        /// When; now, where absent.
        at: Option<Timestamp>,
    },
    /// One try to unlock, never repeated. Whoever carries it out looks at the time again just before the call.
    Unlock {
        /// Which door.
        door: LockId,
        /// When it was asked for.
        time: Timestamp,
    },
    /// Releases what the guard holds under that id.
    Approve {
        /// The plan's id.
        plan: String,
    },
    /// Write nothing to Kisi until told.
    Pause,
    /// Write again.
    Resume,
}

/// Whether an `unlock` of `time` may still be tried at `now`. Pure, so that it is asked again just before the call.
///
/// # Errors
///
/// What to tell the sender. Without a trusted time nothing is unlocked.
pub fn may_unlock(time: Timestamp, now: Option<Timestamp>) -> Result<(), String> {
    let Some(now) = now else { return Err("the time is not known: nothing is unlocked".to_owned()) };
    let age = now - time;
    if age > UNLOCK_AGE_MAX {
        return Err(format!("it is {} s old, and may be 10 s at most", age.num_seconds()));
    }
    if age < -UNLOCK_AGE_MAX {
        return Err(format!("its time is {} s ahead: check the sender's clock", -age.num_seconds()));
    }
    Ok(())
}

/// Carries commands out.
pub trait Commands: Send + Sync + 'static {
    /// Carries one out: what the answer says besides `id` and `ok`, an object or null; or why it was not done.
    fn handle(&self, command: Command) -> Boxed<'_, Result<Value, String>>;
}

/// Remembers the ids of commands for 24 hours, over restarts.
pub trait Ids: Send + Sync + 'static {
    /// Notes `id` for good before it returns. False where it was noted in the last 24 hours: the command is not obeyed.
    /// Asked for one id at a time, so that looking and noting need not be one step.
    fn claim(&self, id: String) -> Boxed<'_, Result<bool, String>>;
}

/// A request as read: the id, where it has one that can be sent back, and the command or what is wrong with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The sender's id, as it was sent: a text or a whole number.
    pub id: Option<Value>,
    /// The command.
    pub command: Result<Command, String>,
}

/// Reads a command. `served`: those that are listed. `now`: the trusted time, where there is one.
pub fn read(name: &str, payload: &[u8], served: &BTreeSet<CommandName>, now: Option<Timestamp>) -> Request {
    if payload.len() > PAYLOAD_SIZE_MAX {
        let why = format!("{} bytes are more than the {PAYLOAD_SIZE_MAX} that are read", payload.len());
        return Request { id: None, command: Err(why) };
    }
    let fields = match serde_json::from_slice::<Value>(payload) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) => return Request { id: None, command: Err("it is no JSON object".to_owned()) },
        Err(error) => return Request { id: None, command: Err(format!("it is no JSON object: {error}")) },
    };
    let id = match fields.get("id") {
        Some(Value::String(text)) if !text.is_empty() && text.chars().count() <= ID_LENGTH_MAX => fields.get("id"),
        Some(Value::Number(number)) if number.is_i64() || number.is_u64() => fields.get("id"),
        Some(_) => {
            let why = format!("`id` has to be a text of at most {ID_LENGTH_MAX} characters, or a whole number");
            return Request { id: None, command: Err(why) };
        }
        None => return Request { id: None, command: Err("`id` is missing".to_owned()) },
    };
    Request { id: id.cloned(), command: command(name, &fields, served, now) }
}

fn command(
    name: &str,
    fields: &Map<String, Value>,
    served: &BTreeSet<CommandName>,
    now: Option<Timestamp>,
) -> Result<Command, String> {
    let name: CommandName = name.parse()?;
    if !served.contains(&name) {
        return Err(format!("`{}` is not served: it is not listed in mqtt.commands", name.name()));
    }
    Ok(match name {
        CommandName::Sync => Command::Sync,
        CommandName::Pause => Command::Pause,
        CommandName::Resume => Command::Resume,
        CommandName::Check => {
            let place = match (fields.get("door"), fields.get("group")) {
                (Some(_), None) => Place::Door(LockId(whole(fields, "door")?)),
                (None, Some(_)) => Place::Group(GroupId(whole(fields, "group")?)),
                _ => return Err("one of `door` and `group` is needed".to_owned()),
            };
            let at = if fields.get("at").is_some_and(|at| !at.is_null()) { Some(time(fields, "at")?) } else { None };
            Command::Check { person: person(fields)?, place, at }
        }
        CommandName::Unlock => {
            let (door, time) = (LockId(whole(fields, "door")?), time(fields, "time")?);
            may_unlock(time, now)?;
            Command::Unlock { door, time }
        }
        CommandName::Approve => match fields.get("plan") {
            Some(Value::String(plan)) if !plan.is_empty() => Command::Approve { plan: plan.clone() },
            Some(Value::Number(plan)) => Command::Approve { plan: plan.to_string() },
            _ => return Err("`plan` has to be the id that alert/guard names".to_owned()),
        },
    })
}

fn whole(fields: &Map<String, Value>, key: &str) -> Result<u64, String> {
    let found = match fields.get(key) {
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.parse().ok(),
        _ => None,
    };
    found.ok_or_else(|| format!("`{key}` has to be an id, a whole number"))
}

fn time(fields: &Map<String, Value>, key: &str) -> Result<Timestamp, String> {
    let found = fields.get(key).and_then(Value::as_str);
    let found = found.and_then(|text| chrono::DateTime::parse_from_rfc3339(text).ok());
    found.map(|time| time.to_utc()).ok_or_else(|| format!("`{key}` has to be a time like 2026-11-24T10:00:00Z"))
}

fn person(fields: &Map<String, Value>) -> Result<Person, String> {
    let found = match fields.get("person") {
        Some(Value::Number(number)) => number.as_u64().map(|id| Person::Customer(CustomerId(id))),
        Some(Value::String(text)) => match (text.strip_prefix("kisi:"), text.parse()) {
            (Some(user), _) => user.parse().ok().map(|id| Person::User(UserId(id))),
            (None, Ok(customer)) => Some(Person::Customer(CustomerId(customer))),
            (None, Err(_)) => Email::parse(text).map(Person::Email),
        },
        _ => None,
    };
    found.ok_or_else(|| "`person` has to be an e-mail, a Nexudus customer's id, or kisi:ID".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-24T10:00:00Z".parse().unwrap()
    }

    fn read_all(name: &str, payload: &str) -> Result<Command, String> {
        read(name, payload.as_bytes(), &CommandName::ALL.into(), Some(now())).command
    }

    #[test]
    fn an_unlock_is_tried_only_while_it_is_young_and_the_time_is_known() {
        let of = |seconds: i64| now() - TimeDelta::milliseconds(seconds * 1000);
        assert_eq!(may_unlock(of(10), Some(now())), Ok(()));
        assert!(may_unlock(of(10) - TimeDelta::milliseconds(1), Some(now())).is_err());
        assert!(may_unlock(of(-11), Some(now())).is_err(), "it would be young again when sent later");
        assert!(may_unlock(now(), None).is_err());
    }

    #[test]
    fn check_names_one_person_and_one_place() {
        let check = |person, place| Ok(Command::Check { person, place, at: None });
        let door = Place::Door(LockId(5));
        let email = Person::Email(Email::parse("ada@example.org").unwrap());
        assert_eq!(read_all("check", r#"{"id":1,"person":"ADA@example.org","door":5}"#), check(email, door));
        let customer = Person::Customer(CustomerId(7));
        assert_eq!(read_all("check", r#"{"id":1,"person":7,"group":6}"#), check(customer, Place::Group(GroupId(6))));
        assert_eq!(read_all("check", r#"{"id":1,"person":"kisi:8","door":"5"}"#), check(Person::User(UserId(8)), door));
        for bad in [
            r#"{"id":1,"person":7}"#,
            r#"{"id":1,"person":7,"door":5,"group":6}"#,
            r#"{"id":1,"person":"kisi:x","door":5}"#,
            r#"{"id":1,"person":"nobody","door":5}"#,
            r#"{"id":1,"person":7,"door":-5}"#,
            r#"{"id":1,"person":7,"door":5,"at":"tomorrow"}"#,
        ] {
            assert!(read_all("check", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_id_is_sent_back_as_it_came_or_not_at_all() {
        let served = CommandName::ALL.into();
        let id = |payload: &[u8]| read("sync", payload, &served, None).id;
        assert_eq!(id(br#"{"id":"7"}"#), Some(json!("7")));
        assert_eq!(id(br#"{"id":7}"#), Some(json!(7)));
        for bad in [r#"{"id":""}"#, r#"{"id":null}"#, r#"{"id":[1]}"#, r#"{"id":1.5}"#, "{", "\"id\"", ""] {
            let read = read("sync", bad.as_bytes(), &served, None);
            assert!(read.id.is_none() && read.command.is_err(), "{bad}");
        }
        assert_eq!(id(format!(r#"{{"id":"{}"}}"#, "x".repeat(129)).as_bytes()), None);
        assert!(read("sync", &[b' '; PAYLOAD_SIZE_MAX + 1], &served, None).command.is_err());
    }
}
