//! What stands behind `alert.url`: notes what is posted, and answers what the test wants.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How it answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// With that status.
    Status(u16),
    /// Never.
    Silent,
}

#[derive(Clone)]
pub struct Letter {
    /// The first line and the headers.
    pub head: String,
    pub body: Value,
    /// Whether it was answered with 200.
    pub taken: bool,
}

pub struct Receiver {
    pub port: u16,
    mood: Arc<Mutex<Mood>>,
    letters: Arc<Mutex<Vec<Letter>>>,
    task: JoinHandle<()>,
}

impl Receiver {
    pub async fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mood = Arc::new(Mutex::new(Mood::Status(200)));
        let letters = Arc::new(Mutex::new(Vec::new()));
        let (moods, book) = (mood.clone(), letters.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(take(stream, moods.clone(), book.clone()));
            }
        });
        Receiver { port, mood, letters, task }
    }

    pub fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// What has come, oldest first.
    pub fn letters(&self) -> Vec<Letter> {
        self.letters.lock().unwrap().clone()
    }

    /// What was taken of that alert: whether each raised it.
    pub fn taken(&self, alert: &str) -> Vec<bool> {
        let letters = self.letters();
        let taken = letters.iter().filter(|letter| letter.taken && letter.body["alert"] == alert);
        taken.map(|letter| letter.body["active"].as_bool().unwrap()).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(mut stream: TcpStream, mood: Arc<Mutex<Mood>>, letters: Arc<Mutex<Vec<Letter>>>) -> Option<()> {
    let mut bytes = Vec::new();
    loop {
        let whole = loop {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length =
                    head.to_lowercase().split("content-length: ").nth(1)?.split("\r\n").next()?.parse().ok()?;
                if body.len() >= length {
                    break (head.to_owned(), body.to_owned());
                }
            }
            if stream.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
        };
        bytes.clear();
        let mood = *mood.lock().unwrap();
        let taken = mood == Mood::Status(200);
        let body = serde_json::from_str(&whole.1).unwrap_or(Value::Null);
        letters.lock().unwrap().push(Letter { head: whole.0, body, taken });
        match mood {
            Mood::Status(status) => {
                let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.ok()?;
            }
            Mood::Silent => std::future::pending::<()>().await,
        }
    }
}
