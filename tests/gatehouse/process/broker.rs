//! The broker as it should be: over TLS, with accounts, and with the access list that `config/mosquitto.acl` proposes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::super::mosquitto::Mosquitto;
use super::rig::{ROOT, Rig};

const ACL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/mosquitto.acl");
/// The accounts of the list, and one who sees all.
const ACCOUNTS: [&str; 5] = ["gateway", "homeassistant", "reader", "desk", "watcher"];

/// An authority (`ca.pem`), and its certificate for localhost (`server.pem`, `server.key`).
pub fn certificates(directory: &Path) {
    let script = "set -e
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=ca -days 2
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj /CN=server
        printf 'subjectAltName=DNS:localhost' > ext
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile ext -days 2 -out server.pem";
    let made = Command::new("sh").args(["-c", script]).current_dir(directory).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// A file `passwords` with these accounts. Each one's password is its name backwards.
pub fn accounts(directory: &Path, accounts: &[&str]) {
    let made =
        Command::new("sh").args(["-c", "touch passwords && chmod 600 passwords"]).current_dir(directory).status();
    assert!(made.unwrap().success());
    for account in accounts {
        let mut passwd = Command::new("mosquitto_passwd");
        passwd.args(["-b", "passwords", account, &password(account)]).current_dir(directory);
        assert!(passwd.status().unwrap().success());
    }
}

fn prepare(directory: &Path) {
    certificates(directory);
    accounts(directory, &ACCOUNTS);
    let acl = std::fs::read_to_string(ACL).unwrap() + "\nuser watcher\ntopic read #\n";
    std::fs::write(directory.join("acl"), acl).unwrap();
}

pub fn password(account: &str) -> String {
    account.chars().rev().collect()
}

/// Somebody with an account.
pub struct Party<'a> {
    pub broker: &'a Mosquitto,
    pub account: &'static str,
}

impl Party<'_> {
    pub fn client(&self, program: &str) -> Command {
        let mut client = Command::new(program);
        client.args(["-h", "localhost", "-p", &self.broker.port.to_string(), "-q", "1", "-u", self.account, "-P"]);
        client.arg(password(self.account));
        let authority = self.broker.directory.path().join("ca.pem");
        if authority.exists() {
            client.arg("--cafile").arg(authority);
        }
        client
    }

    pub fn publish(&self, topic: &str, payload: &Value, retained: bool) {
        let mut client = self.client("mosquitto_pub");
        client.args(["-t", topic, "-m", &payload.to_string()]);
        if retained {
            client.arg("-r");
        }
        assert!(client.status().unwrap().success());
    }

    /// What this party sees of everything.
    pub fn hears(&self) -> Ear {
        let file = self.broker.directory.path().join(format!("heard-{}-{}", self.account, fastrand::u64(..)));
        let mut client = self.client("mosquitto_sub");
        client.args(["-v", "-t", "#"]).stdout(std::fs::File::create(&file).unwrap()).stderr(Stdio::null());
        Ear { file, process: client.spawn().unwrap() }
    }
}

pub struct Ear {
    file: PathBuf,
    process: std::process::Child,
}

impl Ear {
    /// Each topic and payload, oldest first.
    pub fn heard(&self) -> Vec<(String, String)> {
        let text = std::fs::read_to_string(&self.file).unwrap();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().filter_map(|line| line.split_once(' ')).map(|(t, p)| (t.to_owned(), p.to_owned())).collect()
    }

    pub fn last(&self, topic: &str) -> Option<String> {
        self.heard().into_iter().rfind(|(on, _)| on == topic).map(|(_, payload)| payload)
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// Issue 6.2 and 6.7: over TLS with an authority of its own and a password, the gateway can do all that it does with
/// the rights of the list, its last will too; others do and see what the list gives them, and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_4_the_access_list_gives_each_what_it_needs_and_no_more() {
    let lines = "allow_anonymous false\npassword_file {dir}/passwords\nacl_file {dir}/acl\ncafile {dir}/ca.pem\n\
                 certfile {dir}/server.pem\nkeyfile {dir}/server.key\n";
    let broker = Mosquitto::start_with(lines, prepare).await;
    let directory = broker.directory.path().to_owned();
    let mut rig = Rig::new(|settings| {
        settings.set("mqtt.url", &format!("\"mqtts://localhost:{}\"", broker.port));
        settings.set("mqtt.ca_file", &format!("{:?}", directory.join("ca.pem")));
        settings.set("mqtt.username", r#""gateway""#).set("mqtt.password", r#"{ file = "mqtt-password" }"#);
        settings.set("mqtt.home_assistant", "true");
        settings.set("mqtt.commands", r#"["sync", "check", "unlock", "approve", "pause"]"#);
    })
    .await;
    rig.write("mqtt-password", &password("gateway"));
    rig.secrets.push(password("gateway"));
    let party = |account| Party { broker: &broker, account };
    let (watcher, reader, desk) = (party("watcher").hears(), party("reader").hears(), party("desk").hears());
    rig.start_ready().await;
    let topic = |name: &str| format!("{ROOT}/{name}");
    rig.until("online", 10, |_| watcher.last(&topic("availability")).filter(|said| said == "online")).await;
    let lock = rig.boardroom.lock;
    let state = topic(&format!("door/{lock}/state"));
    let discovered = format!("homeassistant/lock/gatehouse_harbour-house/door_{lock}_lock/config");
    for topic in [&state, &discovered, &topic("alert/guard"), &topic("status")] {
        rig.until(topic, 15, |_| watcher.last(topic)).await;
    }
    rig.until("a status for who only reads", 5, |_| reader.last(&topic("status"))).await;

    // What is not allowed is swallowed by the broker; what is allowed, sent after it, is answered.
    let now = rig.clock.wall().to_rfc3339();
    for (account, name) in
        [("reader", "sync"), ("reader", "unlock"), ("desk", "pause"), ("desk", "unlock"), ("homeassistant", "unlock")]
    {
        let id = format!("{account} {name}");
        party(account).publish(
            &topic(&format!("command/{name}")),
            &json!({"id": id, "door": lock, "time": now}),
            false,
        );
    }
    party("reader").publish(&topic("availability"), &json!("forged"), true);
    party("desk").publish(&state, &json!({"forged": true}), true);
    party("gateway").publish(&topic("command/pause"), &json!({"id": "by itself"}), false);
    let check = json!({"id": "allowed", "person": "nobody@example.org", "door": lock});
    party("desk").publish(&topic("command/check"), &check, false);
    party("homeassistant").publish(&topic("command/sync"), &json!({"id": "allowed"}), false);
    for name in ["check", "sync"] {
        let answer = topic(&format!("command/{name}/response"));
        let answer = rig.until(&answer, 15, |_| watcher.last(&answer)).await;
        assert!(answer.contains("\"allowed\""), "{answer}");
    }
    let answers: Vec<_> = watcher.heard().into_iter().filter(|(topic, _)| topic.ends_with("/response")).collect();
    assert_eq!(answers.len(), 2, "{answers:?}");
    assert!(!watcher.heard().iter().any(|(_, payload)| payload.contains("forged")));
    assert_eq!(rig.kisi_calls("POST", "/locks/"), 0);

    // Requests name people: the desk sees the answers, those who only read see neither.
    let answered = topic("command/check/response");
    rig.until("the desk's answer", 5, |_| desk.last(&answered)).await;
    assert!(watcher.last(&topic("command/check")).is_some() && reader.last(&answered).is_none());
    assert!(!reader.heard().iter().any(|(topic, _)| topic.contains("/command/")), "{:?}", reader.heard());

    rig.kill();
    rig.until("the last will", 10, |_| watcher.last(&topic("availability")).filter(|said| said == "offline")).await;
    rig.finish().await;
}
