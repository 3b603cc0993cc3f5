//! `gatehouse.sock`: how the verbs ask the running gateway, and the client of it.
//!
//! A connection is one request: a line with a JSON [`Request`], answered by a line with a JSON [`Reply`]. To follow
//! events a verb asks again with the number of the last one it saw. The socket is 0660: whoever is in its group may
//! ask everything.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::report::desk::{Desk, Reply, Request};

/// The socket's name in `store.directory`.
pub const NAME: &str = "gatehouse.sock";

/// How long a request may be.
const REQUEST_BYTES: u64 = 64 << 10;
/// How long a reply may be: a plan over some ten thousand people.
const REPLY_BYTES: u64 = 32 << 20;
/// How many may ask at a time.
const CONNECTIONS: usize = 16;
/// How long a request may take to arrive, and a reply to be taken.
const TRANSFER: Duration = Duration::from_secs(10);
/// How long an answer may take: `apply` is a whole pass, as long as the clouds' rate limits make it.
const ANSWER: Duration = Duration::from_secs(15 * 60);
/// How long to wait where the system has no room for another connection.
const FULL: Duration = Duration::from_secs(1);
/// Who may ask: the gateway's user and the directory's group.
const MODE: u32 = 0o660;

/// Why the socket is not there.
#[derive(Debug, thiserror::Error)]
#[error(
    "could not make the socket {path}: {source}; its directory must be gatehouse's own and its path below 108 bytes"
)]
pub struct SocketError {
    /// Which.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl SocketError {
    /// Whether the disk is full or read-only: it may have room later.
    pub fn is_of_disk(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        matches!(self.source.kind(), StorageFull | QuotaExceeded | ReadOnlyFilesystem)
    }
}

/// The socket, listening but not answering yet. It is removed when this goes.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Makes the socket in the store's directory, in place of one that an earlier run left. Whoever calls this holds
    /// the store, so no other gateway answers there. It is bound under another name and then renamed: nobody sees it
    /// with rights that are not its own.
    pub fn bind(dir: &Path) -> Result<Socket, SocketError> {
        let path = dir.join(NAME);
        let new = path.with_extension("new");
        let bound = || {
            match fs::remove_file(&new) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let listener = UnixListener::bind(&new)?;
            fs::set_permissions(&new, fs::Permissions::from_mode(MODE))?;
            fs::rename(&new, &path)?;
            Ok(listener)
        };
        match bound() {
            Ok(listener) => Ok(Socket { listener, path }),
            Err(source) => Err(SocketError { path, source }),
        }
    }

    /// Answers until `stop`. Answers that are under way then are not waited for: what they began goes on.
    pub async fn serve(self, desk: Arc<dyn Desk>, clock: Clock, stop: CancellationToken) {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let accepting = async {
            // The room is never closed.
            while let Ok(permit) = room.clone().acquire_owned().await {
                match self.listener.accept().await {
                    Ok((stream, _)) => {
                        let (desk, clock, stop) = (desk.clone(), clock.clone(), stop.clone());
                        tokio::spawn(async move {
                            let answered = stop.run_until_cancelled(answer(stream, desk.as_ref(), &clock)).await;
                            if let Some(Err(error)) = answered {
                                tracing::debug!(%error, "a request on the socket came to nothing");
                            }
                            drop(permit);
                        });
                    }
                    Err(error) => {
                        tracing::debug!(%error, "a connection to the socket could not be taken");
                        clock.sleep(FULL).await;
                    }
                }
            }
        };
        stop.run_until_cancelled(accepting).await;
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // One that stays is replaced at the next start.
        let _ = fs::remove_file(&self.path);
    }
}

async fn answer(mut stream: UnixStream, desk: &dyn Desk, clock: &Clock) -> io::Result<()> {
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    let line = clock.timeout(TRANSFER, line(&mut stream, REQUEST_BYTES)).await.map_err(late)??;
    let reply = match line.as_deref().map(|line| serde_json::from_slice::<Request>(line.as_bytes())) {
        None => Reply::error(2, format!("a request is one line of JSON of at most {REQUEST_BYTES} bytes")),
        Some(Err(error)) => Reply::error(2, format!("not a request that this gatehouse knows: {error}")),
        Some(Ok(request)) => clock.timeout(ANSWER, desk.ask(request)).await.unwrap_or_else(|_| {
            Reply::error(1, "no answer within 15 minutes; what was begun goes on, `gatehouse status` shows it")
        }),
    };
    let mut text = serde_json::to_vec(&reply)?;
    text.push(b'\n');
    clock.timeout(TRANSFER, stream.write_all(&text)).await.map_err(late)??;
    stream.shutdown().await
}

/// One line without its end; `None` where it is longer than `limit`, is no text, or is cut off.
async fn line(stream: &mut UnixStream, limit: u64) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    BufReader::new(stream.take(limit)).read_until(b'\n', &mut bytes).await?;
    let whole = bytes.pop() == Some(b'\n');
    Ok(String::from_utf8(bytes).ok().filter(|_| whole))
}

/// Why the running gateway could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No gateway answers there.
    #[error("gatehouse is not running: nobody answers at {path}; start it with `gatehouse run`")]
    NotRunning {
        /// The socket.
        path: PathBuf,
    },
    /// The socket may not be used.
    #[error("{path} may not be used by this user; join the group of its directory, or ask as root")]
    Refused {
        /// The socket.
        path: PathBuf,
    },
    /// It was asked and gave no answer that could be read.
    #[error("gatehouse at {path} gave no answer: {why}; `gatehouse status` shows whether it still runs")]
    NoAnswer {
        /// The socket.
        path: PathBuf,
        /// What came instead.
        why: String,
    },
}

/// Asks the gateway that holds the store in `dir`, and waits for its answer.
pub async fn ask(dir: &Path, request: &Request, clock: &Clock) -> Result<Reply, AskError> {
    let path = dir.join(NAME);
    let mut stream = match UnixStream::connect(&path).await {
        Ok(stream) => stream,
        Err(error) => {
            return Err(match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => AskError::NotRunning { path },
                io::ErrorKind::PermissionDenied => AskError::Refused { path },
                _ => AskError::NoAnswer { path, why: error.to_string() },
            });
        }
    };
    let asked = async {
        let mut text = serde_json::to_vec(request)?;
        text.push(b'\n');
        stream.write_all(&text).await?;
        line(&mut stream, REPLY_BYTES).await
    };
    let why = match clock.timeout(ANSWER + TRANSFER, asked).await {
        Ok(Ok(Some(line))) => match serde_json::from_slice(line.as_bytes()) {
            Ok(reply) => return Ok(reply),
            Err(error) => format!("not a reply ({error})"),
        },
        Ok(Ok(None)) => "the connection ended without one".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "none in 15 minutes".to_owned(),
    };
    Err(AskError::NoAnswer { path, why })
}
