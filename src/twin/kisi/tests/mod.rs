mod api;
mod assignments;
mod doors;
mod events;

use bytes::Bytes;
use chrono::TimeDelta;
use serde_json::Value;

use super::*;

const SECRET: &str = "twin-secret-one";

fn noon() -> Moment {
    "2026-12-01T12:00:00Z".parse().unwrap()
}

/// A twin with one place, a group with a door, an administrator with a key, and a member.
struct Bench {
    twin: KisiTwin,
    now: Moment,
    admin: Id,
    member: Id,
    place: Id,
    group: Id,
    lock: Id,
}

struct Said {
    status: u16,
    headers: Vec<(String, String)>,
    body: Value,
}

impl Said {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    fn ids(&self) -> Vec<Id> {
        self.body.as_array().expect("a list").iter().map(|row| row["id"].as_u64().unwrap()).collect()
    }

    fn status_and_code(&self) -> (u16, &str) {
        (self.status, self.body["code"].as_str().unwrap_or_default())
    }
}

impl Bench {
    fn new() -> Bench {
        let now = noon();
        let whole = Organization { id: 61, name: "Lock Keepers".into(), domain: "lock-keepers".into() };
        let mut twin = KisiTwin::new(whole, 11);
        let admin = twin.add_administrator("gate@keepers.example", SECRET, now);
        let place =
            twin.add_place(Place { name: "Wharf".into(), time_zone: "Europe/Lisbon".into(), ..Place::default() });
        let (group, lock) = twin.add_room(place, "Heron room", now);
        let member = twin.add_person("Ines@keepers.example", "Ines Prado", now);
        Bench { twin, now, admin, member, place, group, lock }
    }

    fn after(&mut self, seconds: i64) -> &mut Bench {
        self.now += TimeDelta::seconds(seconds);
        self
    }

    /// A call a second after the last one, so that no quota is met.
    fn call(&mut self, method: &str, target: &str, body: &str) -> Said {
        self.after(1).call_now(SECRET, method, target, body)
    }

    fn get(&mut self, target: &str) -> Said {
        self.call("GET", target, "")
    }

    fn call_now(&mut self, secret: &str, method: &str, target: &str, body: &str) -> Said {
        self.send(&[("authorization", &format!("KISI-LOGIN {secret}"))], method, target, body)
    }

    fn send(&mut self, headers: &[(&str, &str)], method: &str, target: &str, body: &str) -> Said {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let request = Request {
            method: method.into(),
            path: path.into(),
            query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            headers: headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        };
        let response = self.twin.handle(&request, self.now).response;
        let body = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
        assert_eq!(body.is_null(), response.body.is_empty(), "a body that is no JSON");
        let typed = response.headers.iter().any(|(n, v)| n == "content-type" && v.contains("application/json"));
        assert_eq!(typed, response.status != 204, "JSON bodies carry their type, a 204 carries none");
        Said { status: response.status, headers: response.headers, body }
    }

    /// The new form of a body that gives the member that group.
    fn grant(&self, from: &str, until: &str) -> String {
        format!(
            r#"{{"role_assignment": {{"applies_to_type": "Group", "applies_to_id": {}, "assignee_type": "User",
                "assignee_id": {}, "role_id": "group_basic", "notify": false, "valid_from": {from},
                "valid_until": {until}}}}}"#,
            self.group, self.member
        )
    }
}
