//! Both twins in a process of their own, and the way in which they are steered from here.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use gatehouse::clock::{Clock, Mono};
use serde_json::{Value, json};

use super::super::gateway::binary;
use super::super::rig::{Moment, free_port};

/// How long a twin may take to answer.
const ANSWER: Duration = Duration::from_secs(20);

/// `gatehouse twins`; killed with this.
pub struct Twins {
    process: Child,
    pub nexudus: Steer,
    pub kisi: Steer,
}

/// One twin, steered under `/_twin/`.
#[derive(Clone)]
pub struct Steer {
    port: u16,
    clock: Clock,
    /// A moment of this machine, and what the twin's clock said then.
    mark: (Mono, Moment),
}

impl Twins {
    /// Starts them, with the demo's site and the secrets that fit it in `directory`.
    pub async fn start(directory: &Path) -> Twins {
        let (nexudus, kisi) = (free_port(), free_port());
        let at = |port: u16| format!("127.0.0.1:{port}");
        let process = Command::new(binary())
            .args(["twins", "--nexudus", &at(nexudus), "--kisi", &at(kisi), "--write-config"])
            .arg(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary under test");
        let (nexudus, kisi) = (Steer::to(nexudus).await, Steer::to(kisi).await);
        Twins { process, nexudus, kisi }
    }
}

impl Drop for Twins {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

impl Steer {
    /// Waits until the twin answers, and until the second of its clock changes: from then on it is known to some
    /// milliseconds.
    async fn to(port: u16) -> Steer {
        let clock = Clock::system();
        let mut steer = Steer { port, clock: clock.clone(), mark: (clock.mono(), Moment::UNIX_EPOCH) };
        let begun = clock.mono();
        let mut before = None;
        loop {
            let date = steer.exchange("GET", "switches", None).ok().and_then(|answer| answer.date);
            match (before, date) {
                (Some(old), Some(new)) if old != new => {
                    steer.mark = (clock.mono(), new);
                    return steer;
                }
                _ => before = date.or(before),
            }
            assert!(clock.mono().since(begun) < ANSWER, "the twins don't come up");
            clock.sleep(Duration::from_millis(5)).await;
        }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The twin's time.
    pub fn now(&self) -> Moment {
        self.mark.1 + TimeDelta::from_std(self.clock.mono().since(self.mark.0)).unwrap()
    }

    /// Asks or tells it something; it must agree.
    pub fn say(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.exchange(method, path, Some(body)).unwrap_or_else(|why| panic!("{method} {path}: {why}"));
        assert_eq!(answer.status, 200, "{method} {path} {body}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    /// What it shows under that path.
    pub fn get(&self, path: &str) -> Value {
        self.say("GET", path, &json!({}))
    }

    /// Adds a record; its id.
    pub fn add(&self, kind: &str, record: &Value) -> i64 {
        let answer = self.say("POST", kind, record);
        answer.get("id").or(answer.get("Id")).and_then(Value::as_i64).unwrap_or_else(|| panic!("{answer}"))
    }

    fn exchange(&self, method: &str, path: &str, body: Option<&Value>) -> std::io::Result<Answer> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(ANSWER))?;
        let body = body.map(Value::to_string).unwrap_or_default();
        let length = body.len();
        write!(
            stream,
            "{method} /_twin/{path} HTTP/1.1\r\nHost: twin\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| std::io::Error::other("no answer"))?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let header =
            |line: &str| line.to_ascii_lowercase().starts_with("date: ").then(|| line["date: ".len()..].to_owned());
        let date = head.lines().find_map(header);
        let date = date.and_then(|date| DateTime::parse_from_rfc2822(&date).ok()).map(Into::into);
        Ok(Answer { status, date, body: body.to_owned() })
    }
}

struct Answer {
    status: u16,
    date: Option<Moment>,
    body: String,
}
