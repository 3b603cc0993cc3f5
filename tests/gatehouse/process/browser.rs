//! Debian's Chromium without a window, spoken to by its DevTools protocol over two pipes: JSON that ends with a zero.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use serde_json::{Value, json};

/// How long Chromium may take for one answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many messages of its wait to be read.
const QUEUE: usize = 1000;

/// One browser with one page; killed with this.
pub struct Browser {
    process: Child,
    requests: ChildStdin,
    messages: Receiver<Value>,
    session: String,
    last: u64,
    /// Whatever the page put on its console, and every error it did not catch.
    pub complaints: Vec<Value>,
}

impl Browser {
    /// Starts it; an error is why it can't be had.
    pub fn start(directory: &Path) -> Result<Browser, String> {
        let profile = directory.join("chromium");
        // The protocol is spoken on the descriptors 3 and 4. As root there is no sandbox; it sees loopback alone.
        let mut process = Command::new("sh")
            .arg("-c")
            .arg(r#"exec chromium "$@" 3<&0 4>&1 >/dev/null"#)
            .args([
                "sh",
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--remote-debugging-pipe",
                "--no-first-run",
            ])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .env("HOME", directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|why| why.to_string())?;
        let (sender, messages) = sync_channel(QUEUE);
        let mut answers = BufReader::new(process.stdout.take().unwrap());
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            while answers.read_until(0, &mut bytes).is_ok_and(|read| read > 0) {
                let Ok(message) = serde_json::from_slice(bytes.strip_suffix(&[0]).unwrap_or(&bytes)) else { return };
                if sender.send(message).is_err() {
                    return;
                }
                bytes.clear();
            }
        });
        let requests = process.stdin.take().unwrap();
        let (session, complaints) = (String::new(), Vec::new());
        let mut browser = Browser { process, requests, messages, session, last: 0, complaints };
        let target = browser.ask("Target.createTarget", json!({"url": "about:blank"}))?;
        let attached =
            browser.ask("Target.attachToTarget", json!({"targetId": target["targetId"], "flatten": true}))?;
        attached["sessionId"].as_str().unwrap().clone_into(&mut browser.session);
        for domain in ["Page", "Runtime", "Log", "Accessibility"] {
            browser.ask(&format!("{domain}.enable"), json!({}))?;
        }
        Ok(browser)
    }

    /// One request and its answer; what is told meanwhile is kept where it is a complaint.
    pub fn ask(&mut self, method: &str, parameters: Value) -> Result<Value, String> {
        self.last += 1;
        let mut request = json!({"id": self.last, "method": method, "params": parameters});
        if !self.session.is_empty() {
            request["sessionId"] = self.session.clone().into();
        }
        let sent = self.requests.write_all(format!("{request}\0").as_bytes()).and_then(|()| self.requests.flush());
        sent.map_err(|why| format!("chromium: {why}"))?;
        loop {
            let message = self.messages.recv_timeout(PATIENCE).map_err(|why| format!("chromium, {method}: {why}"))?;
            if message["id"] == self.last {
                return match message.get("error") {
                    None => Ok(message["result"].clone()),
                    Some(error) => Err(format!("{method}: {error}")),
                };
            }
            let told = message["method"].as_str().unwrap_or_default();
            if ["Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"].contains(&told) {
                self.complaints.push(message);
            }
        }
    }

    /// Opens a page and waits until it is there.
    pub fn open(&mut self, url: &str) {
        self.ask("Page.navigate", json!({"url": url})).unwrap();
        self.run("new Promise(done => document.readyState == 'complete' ? done() : addEventListener('load', done))");
    }

    /// What an expression gives on the page.
    pub fn run(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let answer = self.ask("Runtime.evaluate", asked).unwrap();
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// As a screen of that size, in that scheme of colours.
    pub fn screen(&mut self, width: u32, height: u32, scheme: &str) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.ask("Emulation.setDeviceMetricsOverride", size).unwrap();
        let scheme = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.ask("Emulation.setEmulatedMedia", scheme).unwrap();
    }

    /// Saves what is seen, for a person to look at, where `GATEHOUSE_SCREENSHOTS` names a directory.
    pub fn picture(&mut self, name: &str) {
        let Some(directory) = std::env::var_os("GATEHOUSE_SCREENSHOTS") else { return };
        let shot = self.ask("Page.captureScreenshot", json!({"captureBeyondViewport": true})).unwrap();
        let mut decode = Command::new("base64");
        let mut decode = decode
            .arg("-d")
            .stdin(Stdio::piped())
            .stdout(std::fs::File::create(Path::new(&directory).join(name)).unwrap())
            .spawn()
            .unwrap();
        decode.stdin.take().unwrap().write_all(shot["data"].as_str().unwrap().as_bytes()).unwrap();
        assert!(decode.wait().unwrap().success());
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        _ = self.ask("Browser.close", json!({}));
        _ = self.process.kill();
        _ = self.process.wait();
    }
}
