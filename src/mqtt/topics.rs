//! The topic of everything that is published or obeyed (contract 3 and 4), in one place.

use std::borrow::Cow;

use crate::domain::event::Event;
use crate::domain::{ControllerId, LockId, ReaderId};
use crate::report::AlertKind;

/// The longest topic level made of words that others chose: an event's type, a command's name.
const LEVEL_LENGTH_MAX: usize = 64;

/// What a topic is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topic<'a> {
    /// `online` or `offline`, retained; the last will.
    Availability,
    /// The status, retained.
    Status,
    /// How a door is, retained.
    DoorState(LockId),
    /// What happened at a door.
    DoorEvent(LockId),
    /// What happened elsewhere, by Kisi's type. The type is made safe for a topic: see [`level`].
    OtherEvent(&'a str),
    /// How a controller is, retained.
    ControllerState(ControllerId),
    /// How a reader is, retained.
    ReaderState(ReaderId),
    /// Changes made in Kisi.
    Membership,
    /// An alert, retained.
    Alert(AlertKind),
    /// The answers to a command.
    Response(&'a str),
}

impl Topic<'_> {
    /// The topic of an event: its door's, or by its type where it has none.
    pub fn of_event(event: &Event) -> Topic<'_> {
        match &event.door {
            Some(door) => Topic::DoorEvent(door.id),
            None => Topic::OtherEvent(&event.kind),
        }
    }
}

/// The root of a site's topics, `<topic_prefix>/<site.id>`, and the topics under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root(String);

impl Root {
    /// The root of `site` under `prefix`. Both were checked with the configuration.
    pub fn new(prefix: &str, site: &str) -> Root {
        Root(format!("{prefix}/{site}"))
    }

    /// The full topic.
    pub fn topic(&self, topic: &Topic<'_>) -> String {
        let root = &self.0;
        match topic {
            Topic::Availability => format!("{root}/availability"),
            Topic::Status => format!("{root}/status"),
            Topic::DoorState(id) => format!("{root}/door/{id}/state"),
            Topic::DoorEvent(id) => format!("{root}/door/{id}/event"),
            Topic::OtherEvent(kind) => format!("{root}/event/{}", level(kind)),
            Topic::ControllerState(id) => format!("{root}/controller/{id}/state"),
            Topic::ReaderState(id) => format!("{root}/reader/{id}/state"),
            Topic::Membership => format!("{root}/membership"),
            Topic::Alert(kind) => format!("{root}/alert/{}", kind.name()),
            Topic::Response(name) => format!("{root}/command/{name}/response"),
        }
    }

    /// The topic that commands of that name are sent to.
    pub fn command_topic(&self, name: &str) -> String {
        format!("{}/command/{name}", self.0)
    }

    /// The filter that commands are subscribed with. Their answers are one level deeper and don't match it.
    pub fn command_filter(&self) -> String {
        format!("{}/command/+", self.0)
    }

    /// The name of the command that came on `topic`; `None` where it is no command's topic, or its name is none that
    /// an answer could be sent for.
    pub fn command<'a>(&self, topic: &'a str) -> Option<&'a str> {
        let name = topic.strip_prefix(&self.0)?.strip_prefix("/command/")?;
        (!name.is_empty() && level(name) == name).then_some(name)
    }
}

/// `word` as one level of a topic: letters, digits, `.`, `_` and `-` stay, everything else (`/`, `+`, `#`, controls)
/// becomes `_`, and it is cut at 64 characters. Whoever needs the word itself finds it in the payload.
pub fn level(word: &str) -> Cow<'_, str> {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if !word.is_empty() && word.len() <= LEVEL_LENGTH_MAX && word.chars().all(safe) {
        return Cow::Borrowed(word);
    }
    let made: String = word.chars().take(LEVEL_LENGTH_MAX).map(|c| if safe(c) { c } else { '_' }).collect();
    Cow::Owned(if made.is_empty() { "_".to_owned() } else { made })
}

/// Whether `topic` matches `filter`, with `+` and `#` as MQTT has them (MQTT 3.1.1, 4.7).
pub fn matches(filter: &str, topic: &str) -> bool {
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        match (wanted, levels.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (word, Some(level)) if word == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_type_cannot_leave_its_level_of_the_topic() {
        let root = Root::new("gatehouse", "house");
        let topic = |kind| root.topic(&Topic::OtherEvent(kind));
        assert_eq!(topic("user.sign_in"), "gatehouse/house/event/user.sign_in");
        assert_eq!(topic("a/b"), "gatehouse/house/event/a_b");
        assert_eq!(topic("#"), "gatehouse/house/event/_");
        assert_eq!(topic(""), "gatehouse/house/event/_");
        assert_eq!(topic("é\0+"), "gatehouse/house/event/___");
        assert_eq!(topic(&"x".repeat(70_000)).len(), "gatehouse/house/event/".len() + 64);
    }

    #[test]
    fn an_answer_is_never_taken_for_a_command() {
        let root = Root::new("gatehouse", "house");
        assert!(matches(&root.command_filter(), "gatehouse/house/command/sync"));
        assert!(!matches(&root.command_filter(), &root.topic(&Topic::Response("sync"))));
        assert_eq!(root.command("gatehouse/house/command/sync"), Some("sync"));
        assert_eq!(root.command("gatehouse/house/command/sync/response"), None);
        assert_eq!(root.command("gatehouse/house/command/"), None);
        assert_eq!(root.command("gatehouse/other/command/sync"), None);
    }

    #[test]
    fn filters_match_as_in_the_standard() {
        for (filter, topic, is) in [
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("a/+", "a", false),
            ("a/+", "a/", true),
            ("a/+/c", "a/b/c", true),
            ("a/b", "a/b/c", false),
            ("#", "x", true),
        ] {
            assert_eq!(matches(filter, topic), is, "{filter} on {topic}");
        }
    }
}
