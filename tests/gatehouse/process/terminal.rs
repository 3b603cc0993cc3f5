//! The binary on a terminal of 80 columns, where somebody reads and types: `script` of util-linux holds the other end.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatehouse::clock::Clock;

use super::gateway::{KISI_KEY, binary};
use super::rig::Rig;

/// How long whoever types waits to be asked.
const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal with the binary on it; killed with this.
pub struct Terminal {
    process: Child,
    keyboard: Option<ChildStdin>,
    shown: Arc<Mutex<Vec<u8>>>,
    read: usize,
    clock: Clock,
}

impl Terminal {
    /// Runs the binary with these arguments in the rig's directory; `env` stands before it, as in a shell.
    pub fn run(rig: &Rig, env: &str, arguments: &[&str]) -> Terminal {
        let words: Vec<String> = arguments.iter().map(|word| format!("'{word}'")).collect();
        let binary = binary().into_string().unwrap();
        let line = format!("stty cols 80 rows 24; TERM=xterm {env} exec '{binary}' {}", words.join(" "));
        let mut process = Command::new("script")
            .args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"])
            .current_dir(rig.directory.path())
            .env("GATEHOUSE_CONFIG", rig.directory.path().join("gatehouse.toml"))
            .env("KISI_KEY", KISI_KEY)
            .env("SHELL", "/bin/sh")
            .env_remove("NO_COLOR")
            .env_remove("RUST_LOG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("script is needed: apt-get install bsdutils");
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (mut screen, copy) = (process.stdout.take().unwrap(), shown.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = screen.read(&mut bytes) {
                copy.lock().unwrap().extend_from_slice(&bytes[..length]);
            }
        });
        let keyboard = process.stdin.take();
        Terminal { process, keyboard, shown, read: 0, clock: Clock::system() }
    }

    /// All that was shown, as it was sent to the terminal.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    /// Waits until that is shown, after what was waited for before.
    pub async fn until(&mut self, text: &str) {
        let begun = self.clock.mono();
        loop {
            let shown = self.shown();
            if let Some(at) = shown[self.read..].find(text) {
                self.read += at + text.len();
                return;
            }
            assert!(self.clock.mono().since(begun) < PATIENCE, "waited in vain for {text:?}:\n{shown}");
            self.clock.sleep(Duration::from_millis(20)).await;
        }
    }

    /// Types that.
    pub fn keys(&mut self, keys: &str) {
        self.keyboard.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for that, and types an answer.
    pub async fn answer(&mut self, asked: &str, answer: &str) {
        self.until(asked).await;
        self.keys(&format!("{answer}\n"));
    }

    /// Waits for the end: the exit status, and what was shown.
    pub async fn end(mut self) -> (i32, String) {
        let begun = self.clock.mono();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                // The last bytes may be on their way still.
                self.clock.sleep(Duration::from_millis(100)).await;
                return (status.code().unwrap(), self.shown());
            }
            assert!(self.clock.mono().since(begun) < PATIENCE, "it does not end:\n{}", self.shown());
            self.clock.sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// Lines as they stand on the screen, without colours; what was written over on one line counts as lines of its own.
pub fn lines(shown: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut rest = shown;
    while let Some(at) = rest.find('\x1b') {
        plain.push_str(&rest[..at]);
        let code = &rest[at..];
        let end = code.find(|c: char| c.is_ascii_alphabetic()).map_or(code.len(), |end| end + 1);
        rest = &code[end..];
    }
    plain.push_str(rest);
    plain.split(['\r', '\n']).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}
