//! The binary as a process: `run` in the background, and the verbs.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use gatehouse::clock::Clock;
use serde_json::Value;

/// Kisi's API key: nothing that is written or said may hold it.
pub const KISI_KEY: &str = "kisi-key-8f3a61c0d94e";
/// How long a verb may take: a first pass over both clouds, at the clouds' pace.
const VERB: Duration = Duration::from_secs(60);

/// What surrounds the binary beside its files: another clock, another file system, another list of authorities.
#[derive(Clone, Default)]
pub struct World {
    /// A program, with its arguments, that becomes the binary in the end.
    pub within: Vec<String>,
    /// More of the environment.
    pub env: Vec<(String, String)>,
}

/// `gatehouse run`; killed with this.
pub struct Gateway {
    process: Child,
}

impl Gateway {
    /// Starts it in that world; what it logs is added to `stderr` of that directory.
    pub fn start(directory: &Path, logs: &str, world: &World) -> Gateway {
        let stderr = OpenOptions::new().create(true).append(true).open(directory.join("stderr")).unwrap();
        let process = command(directory, &["run"], world)
            .env("RUST_LOG", logs)
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .expect("the binary under test");
        Gateway { process }
    }

    /// Sends a signal, as `TERM`.
    pub fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().unwrap()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// What a verb did.
#[derive(Debug)]
pub struct Output {
    /// Its exit status.
    pub exit: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// Standard output, which must be one JSON document and nothing else.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|why| panic!("not one JSON document: {why}: {self:?}"))
    }
}

/// Runs a verb to its end.
pub async fn verb(directory: &Path, arguments: &[&str], world: &World) -> Output {
    let log = |name: &str| -> (PathBuf, File) {
        let path = directory.join(format!("verb-{name}-{}", fastrand::u64(..)));
        let file = File::create(&path).unwrap();
        (path, file)
    };
    let ((out, stdout), (err, stderr)) = (log("stdout"), log("stderr"));
    let mut process = command(directory, arguments, world).stdout(stdout).stderr(stderr).spawn().unwrap();
    let clock = Clock::system();
    let begun = clock.mono();
    let status = loop {
        if let Some(status) = process.try_wait().unwrap() {
            break status;
        }
        if clock.mono().since(begun) > VERB {
            process.kill().unwrap();
            panic!("{arguments:?} did not end: {}", std::fs::read_to_string(&err).unwrap());
        }
        clock.sleep(Duration::from_millis(10)).await;
    };
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let exit = status.code().unwrap_or_else(|| panic!("{arguments:?} died: {status}"));
    let output = Output { exit, stdout: read(&out), stderr: read(&err) };
    assert!(!output.stderr.contains("panicked at"), "{arguments:?}: {output:?}");
    output
}

/// The binary under test: the one that was built with the tests, unless `GATEHOUSE_BINARY` names another, as a release.
pub fn binary() -> std::ffi::OsString {
    std::env::var_os("GATEHOUSE_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_gatehouse").into())
}

fn command(directory: &Path, arguments: &[&str], world: &World) -> Command {
    let binary = binary();
    let mut command = match world.within.split_first() {
        None => Command::new(binary),
        Some((outer, rest)) => {
            let mut command = Command::new(outer);
            command.args(rest).arg(binary);
            command
        }
    };
    command
        .args(arguments)
        .env("GATEHOUSE_CONFIG", directory.join("gatehouse.toml"))
        .env("KISI_KEY", KISI_KEY)
        .env_remove("RUST_LOG")
        .env_remove("NOTIFY_SOCKET")
        .envs(world.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null());
    command
}
