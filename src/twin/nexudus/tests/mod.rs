//! Each way in which Nexudus may vary is shown to be there, and to be a switch.

mod records;
mod sending;
mod transport;

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::Value;

use super::{Entity, NexudusTwin, Site};
use crate::twin::http::{Answer, Cloud, Request, Response};

const EMAIL: &str = "gateway@example.org";
const PASSWORD: &str = "päss wörd";
const HARBOUR: i64 = 4711;
const BOARDROOM: i64 = 555;
const ADA: i64 = 90210;

fn utc(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// A twin and one who calls it, once a second and so never too often.
struct Caller {
    twin: NexudusTwin,
    now: DateTime<Utc>,
    token: String,
}

impl Caller {
    /// A site with one location in London, one room, one customer.
    fn new() -> Caller {
        let now = utc("2026-03-02T08:00:00.123Z");
        let mut twin = NexudusTwin::new(EMAIL, PASSWORD);
        let site = twin.at(now);
        site.add_location(HARBOUR, "Harbour House", "Europe/London").unwrap();
        site.add_resource(BOARDROOM, HARBOUR, "Boardroom").unwrap();
        site.add_customer(ADA, "Ada Jones", Some("ada@example.org")).unwrap();
        let mut caller = Caller { twin, now, token: String::new() };
        caller.sign_in("gatehouse-test");
        caller
    }

    fn site(&mut self) -> &mut Site {
        self.twin.at(self.now)
    }

    fn wait(&mut self, span: TimeDelta) {
        self.now += span;
    }

    fn sign_in(&mut self, client: &str) -> (String, String) {
        let form = [("grant_type", "password"), ("username", EMAIL), ("password", PASSWORD), ("client_id", client)];
        let (status, answer) = self.post_form(&form, &[]);
        assert_eq!(status, 200, "{answer}");
        let field = |name: &str| answer[name].as_str().unwrap().to_owned();
        self.token = field("access_token");
        (field("access_token"), field("refresh_token"))
    }

    fn post_form(&mut self, form: &[(&str, &str)], headers: &[(&str, &str)]) -> (u16, Value) {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut headers = headers.to_vec();
        headers.push(("content-type", "application/x-www-form-urlencoded; charset=utf-8"));
        self.json("POST", "/api/token", &body, &headers)
    }

    /// Sends a request in the next second; `target` may have a query.
    fn send(&mut self, method: &str, target: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
        self.wait(TimeDelta::seconds(1));
        self.send_now(method, target, body, headers)
    }

    fn send_now(&mut self, method: &str, target: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pair = |(n, v): (&str, &str)| (n.to_owned(), v.to_owned());
        let request = Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.split('&').filter_map(|p| p.split_once('=')).map(pair).collect(),
            headers: headers.iter().map(|h| pair(*h)).collect(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        };
        self.twin.handle(&request, self.now)
    }

    fn json(&mut self, method: &str, target: &str, body: &str, headers: &[(&str, &str)]) -> (u16, Value) {
        let Response { status, body, .. } = self.send(method, target, body, headers).response;
        (status, serde_json::from_slice(&body).unwrap_or_else(|_| String::from_utf8_lossy(&body).into()))
    }

    fn call(&mut self, method: &str, target: &str, body: &str) -> (u16, Value) {
        let bearer = format!("Bearer {}", self.token);
        self.json(method, target, body, &[("authorization", &bearer)])
    }

    /// A `GET` below `/api/` that must go well.
    fn get(&mut self, target: &str) -> Value {
        let (status, answer) = self.call("GET", &format!("/api/{target}"), "");
        assert_eq!(status, 200, "{target}: {answer}");
        answer
    }

    fn rows(&mut self, target: &str) -> Vec<Value> {
        self.get(target)["Records"].as_array().unwrap().clone()
    }

    fn ids(&mut self, target: &str) -> Vec<i64> {
        self.rows(target).iter().map(|row| row["Id"].as_i64().unwrap()).collect()
    }

    /// What a list shows of one field of its only record.
    fn only(&mut self, target: &str, field: &str) -> Value {
        let rows = self.rows(target);
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows[0].get(field).cloned().unwrap_or_else(|| "left out".into())
    }
}

#[test]
fn the_shapes_stand_in_the_order_of_their_kinds() {
    for (at, shape) in super::entities::SHAPES.iter().enumerate() {
        assert_eq!(shape.entity as usize, at, "{}", shape.name);
        assert_eq!((Entity::named(shape.name), Entity::at_path(shape.path)), (Some(shape.entity), Some(shape.entity)));
        assert!(shape.required.iter().all(|name| shape.index(name).is_some()), "{}", shape.name);
    }
}
