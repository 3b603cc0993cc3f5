//! A real mosquitto on a free port, with nothing kept over a restart, and its own clients: what is tested is never
//! asked about itself. Needs Debian's `mosquitto` and `mosquitto-clients`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gatehouse::clock::Clock;

/// How long anything that is waited for may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `found` finds something.
pub async fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let clock = Clock::system();
    let begun = clock.mono();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(clock.mono().since(begun) < PATIENCE, "waited in vain for {what}");
        clock.sleep(Duration::from_millis(10)).await;
    }
}

/// The broker's process; killed with this.
pub struct Mosquitto {
    pub directory: tempfile::TempDir,
    pub port: u16,
    process: Option<Child>,
}

impl Mosquitto {
    /// A broker that lets everybody in.
    pub async fn start() -> Mosquitto {
        Mosquitto::start_with("allow_anonymous true\n", |_| ()).await
    }

    /// A broker with these lines in its configuration, in which `{dir}` is its directory; `prepare` may put files
    /// there first.
    pub async fn start_with(lines: &str, prepare: impl FnOnce(&Path)) -> Mosquitto {
        let directory = tempfile::tempdir().unwrap();
        prepare(directory.path());
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let lines = lines.replace("{dir}", directory.path().to_str().unwrap());
        // As root, mosquitto becomes another user, who may not read the test's files.
        let config = format!("user root\npersistence false\nlog_type all\nlistener {port} 127.0.0.1\n{lines}");
        std::fs::write(directory.path().join("mosquitto.conf"), config).unwrap();
        let mut broker = Mosquitto { directory, port, process: None };
        broker.run().await;
        broker
    }

    /// Starts the process, again after [`Mosquitto::kill`].
    pub async fn run(&mut self) {
        let log = OpenOptions::new().create(true).append(true).open(self.log_file()).unwrap();
        let process = Command::new("mosquitto")
            .arg("-c")
            .arg(self.directory.path().join("mosquitto.conf"))
            .arg("-v")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("mosquitto is needed: apt-get install mosquitto mosquitto-clients");
        self.process = Some(process);
        let port = self.port;
        wait_for("mosquitto to listen", || std::net::TcpStream::connect(("127.0.0.1", port)).ok()).await;
    }

    /// `kill -9`: nothing is said, nothing is kept.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    /// Sends the process a signal, as `STOP` or `CONT`.
    pub fn signal(&self, name: &str) {
        let id = self.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// The topics of all that `client` has published, over all runs of the process, as the broker itself says.
    pub fn received_from(&self, client: &str) -> Vec<String> {
        let log = std::fs::read_to_string(self.log_file()).unwrap();
        let from = format!("Received PUBLISH from {client} ");
        log.lines()
            .filter(|line| line.contains(&from))
            .filter_map(|line| line.split('\'').nth(1))
            .map(str::to_owned)
            .collect()
    }

    /// A subscriber to everything, and the file it writes: one `topic payload` a line.
    pub async fn subscriber(&self) -> Subscriber {
        let subscriptions = || std::fs::read_to_string(self.log_file()).unwrap().matches("Sending SUBACK").count();
        let before = subscriptions();
        let file = self.directory.path().join(format!("seen-{}", fastrand::u64(..)));
        let process = Command::new("mosquitto_sub")
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-q", "1", "-v", "-t", "#"])
            .stdout(File::create(&file).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto_sub is needed: apt-get install mosquitto-clients");
        wait_for("the subscription", || (subscriptions() > before).then_some(())).await;
        Subscriber { file, process }
    }

    /// Another client publishes.
    pub fn publish(&self, topic: &str, payload: &str, more: &[&str]) {
        let port = self.port.to_string();
        let status = Command::new("mosquitto_pub")
            .args(["-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", topic, "-m", payload])
            .args(more)
            .status()
            .expect("mosquitto_pub is needed: apt-get install mosquitto-clients");
        assert!(status.success());
    }

    fn log_file(&self) -> PathBuf {
        self.directory.path().join("log")
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A `mosquitto_sub`; killed with this.
pub struct Subscriber {
    file: PathBuf,
    process: Child,
}

impl Subscriber {
    /// What has come, oldest first: topic and payload; `(null)` where that was empty.
    pub fn seen(&self) -> Vec<(String, String)> {
        let text = std::fs::read_to_string(&self.file).unwrap();
        // The last line may still be being written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().filter_map(|line| line.split_once(' ')).map(|(t, p)| (t.to_owned(), p.to_owned())).collect()
    }

    /// The last payload on `topic`.
    pub fn last(&self, topic: &str) -> Option<String> {
        self.seen().into_iter().rfind(|(on, _)| on == topic).map(|(_, payload)| payload)
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}
