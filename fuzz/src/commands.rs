//! Commands over MQTT: none acts without an id, without being listed, or late.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta};
use gatehouse::mqtt::commands::{Command, CommandName, read};
use serde_json::Value;

/// The first byte says which command; the rest is the payload.
pub fn check(data: &[u8]) {
    let Some((choice, payload)) = data.split_first() else { return };
    let now = DateTime::from_timestamp(1_796_115_600, 0).unwrap();
    let name = CommandName::ALL[usize::from(*choice) % CommandName::ALL.len()];
    let all: BTreeSet<CommandName> = CommandName::ALL.into();
    for (served, time) in [(all.clone(), Some(now)), (all, None), (BTreeSet::new(), Some(now))] {
        let request = read(name.name(), payload, &served, time);
        let Ok(command) = request.command else { continue };
        assert!(served.contains(&name), "{name:?} is not listed");
        // `read` may have an opinion on a command without an id; whoever takes it in obeys none: both are needed.
        let Some(id) = request.id else { panic!("{command:?} without an id") };
        assert!(matches!(&id, Value::String(text) if !text.is_empty()) || id.is_i64() || id.is_u64(), "{id}");
        let sent: Value = serde_json::from_slice(payload).unwrap();
        assert_eq!(sent.get("id"), Some(&id));
        match (name, command) {
            (CommandName::Unlock, Command::Unlock { time: asked, .. }) => {
                assert!(time.is_some() && (now - asked).abs() <= TimeDelta::seconds(10), "{asked}");
            }
            (CommandName::Approve, Command::Approve { plan }) => assert!(!plan.is_empty()),
            (CommandName::Check, Command::Check { .. })
            | (CommandName::Sync, Command::Sync)
            | (CommandName::Pause, Command::Pause)
            | (CommandName::Resume, Command::Resume) => {}
            (name, command) => panic!("{name:?} became {command:?}"),
        }
    }
    // A name that no topic of ours has.
    let made_up = String::from_utf8_lossy(&payload[..payload.len().min(16)]).into_owned();
    let named: Vec<&str> = CommandName::ALL.iter().map(|name| name.name()).collect();
    if !named.contains(&made_up.as_str()) {
        assert!(read(&made_up, payload, &CommandName::ALL.into(), Some(now)).command.is_err());
    }
}
