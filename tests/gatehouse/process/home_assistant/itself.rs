//! Home Assistant itself, of `tests/home-assistant/check.py`: what its own code makes of what lies at the broker.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{NODE, Rig};

/// The process; killed with this.
struct Itself {
    process: Child,
    requests: ChildStdin,
    said: Arc<Mutex<Vec<Value>>>,
}

impl Itself {
    fn start(python: &str, rig: &Rig) -> Itself {
        let directory = rig.directory.path().join("home-assistant");
        std::fs::create_dir_all(&directory).unwrap();
        let check = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/home-assistant/check.py");
        let mut process = Command::new(python)
            .arg(check)
            .arg(rig.broker.port.to_string())
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("GATEHOUSE_HOME_ASSISTANT has to name a Python");
        let said = Arc::new(Mutex::new(Vec::new()));
        let (out, book) = (process.stdout.take().unwrap(), Arc::clone(&said));
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                book.lock().unwrap().push(serde_json::from_str(&line).expect(&line));
            }
        });
        let requests = process.stdin.take().unwrap();
        Itself { process, requests, said }
    }

    fn said(&self) -> Vec<Value> {
        self.said.lock().unwrap().clone()
    }

    /// The answer to a request.
    async fn ask(&mut self, rig: &mut Rig, request: &Value) -> Value {
        let answers =
            |said: Vec<Value>| said.into_iter().filter(|line| line.get("warning").is_none()).collect::<Vec<_>>();
        let before = answers(self.said()).len();
        writeln!(self.requests, "{request}").unwrap();
        rig.until(&format!("Home Assistant's answer to {request}"), 30, |_| {
            answers(self.said()).into_iter().nth(before)
        })
        .await
    }

    async fn until(&mut self, rig: &mut Rig, object: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let begun = rig.now();
        loop {
            let states = self.ask(rig, &json!("states")).await;
            let state = states[format!("{NODE}_{object}")].clone();
            if wanted(&state) {
                return state;
            }
            assert!((rig.now() - begun).num_seconds() < 20, "{object}: {state}; {:?}", self.said());
        }
    }
}

impl Drop for Itself {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// Its own code takes every entity, warns of nothing, shows what the topics carry, and its press of 'unlock' unlocks.
pub async fn looks(rig: &mut Rig) {
    let Ok(python) = std::env::var("GATEHOUSE_HOME_ASSISTANT") else {
        eprintln!("SKIPPED: Home Assistant itself was not asked: GATEHOUSE_HOME_ASSISTANT names no Python that has it");
        return;
    };
    let lock = rig.boardroom.lock;
    let door = |what: &str| format!("door_{lock}_{what}");
    let mut itself = Itself::start(&python, rig);
    rig.until("Home Assistant", 60, |_| itself.said().into_iter().find(|said| said.get("ready").is_some())).await;
    let is = |wanted: &'static str| move |state: &Value| state["state"] == wanted;
    let nexudus = itself.until(rig, "nexudus", is("on")).await;
    assert_eq!(
        (&nexudus["device"], &nexudus["attributes"]["connection"]),
        (&json!("Gatehouse harbour-house"), &json!("online"))
    );
    itself.until(rig, "broker", is("on")).await;
    itself.until(rig, "pending", is("0")).await;
    itself.until(rig, "alert_guard", is("off")).await;
    itself.until(rig, &door("online"), is("on")).await;
    itself.until(rig, &door("opened"), is("unknown")).await;
    let shown = itself.until(rig, &door("lock"), is("locked")).await;
    assert_eq!((&shown["device"], &shown["via"]), (&json!("Boardroom"), &json!("Gatehouse harbour-house")));
    itself.until(rig, "last_sync", |state| state["attributes"]["device_class"] == "timestamp").await;
    let states = itself.ask(rig, &json!("states")).await;
    assert_eq!(states.as_object().unwrap().len(), super::entities(rig).len(), "{states}");

    let user = rig.user("Ada").unwrap();
    rig.kisi(|kisi, now| kisi.tap(user, lock, now));
    let unlocked = |state: &Value| state["attributes"]["event_type"] == "unlocked";
    itself.until(rig, &door("event"), unlocked).await;

    let before = rig.kisi_calls("POST", "/locks/");
    let entity = json!({"entity_id": shown["id"]});
    assert_eq!(itself.ask(rig, &json!(["call", "lock", "unlock", entity])).await, "done");
    let once = |rig: &mut Rig| (rig.kisi_calls("POST", "/locks/") == before + 1).then_some(());
    rig.until("an unlock by Home Assistant", 10, once).await;
    assert_eq!(itself.ask(rig, &json!(["call", "lock", "lock", entity])).await, "done");
    let states = itself.ask(rig, &json!("states")).await;
    let sync = json!({"entity_id": states[format!("{NODE}_sync")]["id"]});
    let asked = |rig: &Rig| rig.watcher.on_topic("gatehouse/harbour-house/command/sync/response");
    let answers = asked(rig).len();
    assert_eq!(itself.ask(rig, &json!(["call", "button", "press", sync])).await, "done");
    let answer = rig.until("an answer", 10, |rig| asked(rig).into_iter().nth(answers)).await.json();
    assert_eq!(answer["ok"], true, "{answer}");
    assert_eq!(rig.kisi_calls("POST", "/locks/"), before + 1, "to lock is not to unlock");

    // What goes here goes there.
    rig.stop().await;
    itself.until(rig, "broker", is("off")).await;
    itself.until(rig, &door("online"), is("unavailable")).await;
    rig.start_ready().await;
    itself.until(rig, "broker", is("on")).await;
    // That of a time which is not known yet older versions warn, and show it as unknown, as they should.
    let known = |text: &str| text.starts_with("Invalid state message") && text.contains(r#""last_sync":null"#);
    let warnings = itself.said().into_iter().filter_map(|said| Some(said.get("warning")?.as_str()?.to_owned()));
    let warnings: Vec<String> = warnings.filter(|text| !known(text)).collect();
    assert!(warnings.is_empty(), "{warnings:#?}");
}
