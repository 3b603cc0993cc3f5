//! What a subscriber sees: mosquitto's own, which knows of every message whether it was retained.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// One message that came.
#[derive(Clone, Debug)]
pub struct Message {
    /// It had lain at the broker when this subscriber came.
    pub retained: bool,
    pub topic: String,
    pub payload: String,
}

impl Message {
    /// The payload, which must be JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.payload).unwrap_or_else(|why| panic!("{}: {why}: {}", self.topic, self.payload))
    }
}

/// A `mosquitto_sub` on everything; killed with this.
pub struct Watcher {
    file: PathBuf,
    process: Child,
}

impl Watcher {
    /// Subscribes. It has its place as soon as its first line is there, for which a test waits with [`Watcher::is_there`].
    pub fn on(port: u16, file: PathBuf) -> Watcher {
        let process = Command::new("mosquitto_sub")
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-q", "1", "-F", "%r\t%t\t%p"])
            .args(["-t", "#", "-t", "$SYS/broker/version"])
            .stdout(File::create(&file).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto_sub is needed: apt-get install mosquitto-clients");
        Watcher { file, process }
    }

    /// Whether both subscriptions stand: the broker's own retained message of the second has come.
    pub fn is_there(&self) -> bool {
        std::fs::read_to_string(&self.file).unwrap().contains("$SYS/broker/version")
    }

    /// What has come, oldest first.
    pub fn seen(&self) -> Vec<Message> {
        let text = String::from_utf8_lossy(&std::fs::read(&self.file).unwrap()).into_owned();
        // The last line may still be being written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let read = |line: &str| {
            let mut parts = line.splitn(3, '\t');
            let retained = parts.next()? == "1";
            let (topic, payload) = (parts.next()?.to_owned(), parts.next()?.to_owned());
            Some(Message { retained, topic, payload })
        };
        whole.lines().filter_map(read).filter(|message| !message.topic.starts_with("$SYS")).collect()
    }

    /// How many bytes have come.
    pub fn length(&self) -> u64 {
        std::fs::metadata(&self.file).unwrap().len()
    }

    /// What has come after so many bytes, as it stands in the file.
    pub fn since(&self, length: u64) -> String {
        let mut file = File::open(&self.file).unwrap();
        file.seek(SeekFrom::Start(length)).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// All on that topic, oldest first.
    pub fn on_topic(&self, topic: &str) -> Vec<Message> {
        self.seen().into_iter().filter(|message| message.topic == topic).collect()
    }

    /// The last on that topic.
    pub fn last(&self, topic: &str) -> Option<Message> {
        self.on_topic(topic).pop()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}
