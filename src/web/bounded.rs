//! A listener that takes so many connections at a time and none for ever: nobody can tie up the page by being slow.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock::{Clock, Mono};

/// How many connections are served at a time, and how many of one address: one machine can't take them all.
const CONNECTIONS: usize = 32;
const OF_ONE_ADDRESS: usize = 16;
/// How long one may last, kept alive or not, and how long it may be silent.
const LIFE: Duration = Duration::from_secs(60);
const SILENCE: Duration = Duration::from_secs(10);
/// How long to wait where the system has no room for another connection.
const FULL: Duration = Duration::from_secs(1);

pub(super) struct Bounded {
    listener: TcpListener,
    room: Arc<Semaphore>,
    guests: Guests,
    clock: Clock,
}

/// How many connections each address has.
#[derive(Clone, Default)]
struct Guests(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

impl Guests {
    fn book(&self) -> MutexGuard<'_, BTreeMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more of that address, unless it has as many as it may.
    fn admit(&self, from: IpAddr) -> Option<Seat> {
        let mut book = self.book();
        let count = book.entry(from).or_default();
        if *count >= OF_ONE_ADDRESS {
            return None;
        }
        *count += 1;
        Some(Seat { guests: self.clone(), from })
    }
}

/// One connection in the book.
struct Seat {
    guests: Guests,
    from: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut book = self.guests.book();
        if let Some(count) = book.get_mut(&self.from) {
            *count -= 1;
            if *count == 0 {
                book.remove(&self.from);
            }
        }
    }
}

impl Bounded {
    pub(super) fn new(listener: TcpListener, clock: Clock) -> Bounded {
        Bounded { listener, room: Arc::new(Semaphore::new(CONNECTIONS)), guests: Guests::default(), clock }
    }
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            // The room is never closed, so there is always a permit to come.
            let Ok(permit) = self.room.clone().acquire_owned().await else {
                std::future::pending::<()>().await;
                continue;
            };
            match self.listener.accept().await {
                // One too many of its address is closed at once.
                Ok((stream, from)) => {
                    if let Some(seat) = self.guests.admit(from.ip()) {
                        return (Connection::new(stream, self.clock.clone(), (permit, seat)), from);
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "a connection to the status page could not be taken");
                    self.clock.sleep(FULL).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection with an end.
pub(super) struct Connection {
    stream: TcpStream,
    clock: Clock,
    began: Mono,
    heard: Mono,
    /// The next moment at which it may be over.
    timer: Pin<Box<dyn Future<Output = ()> + Send>>,
    _place: (OwnedSemaphorePermit, Seat),
}

impl Connection {
    fn new(stream: TcpStream, clock: Clock, place: (OwnedSemaphorePermit, Seat)) -> Connection {
        let began = clock.mono();
        let timer = Box::pin(std::future::ready(()));
        Connection { stream, clock, began, heard: began, timer, _place: place }
    }

    /// When it is over, if nothing more is heard or sent.
    fn end(&self) -> Mono {
        self.began.plus(LIFE).min(self.heard.plus(SILENCE))
    }

    fn is_over(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.timer.as_mut().poll(cx).is_ready() {
            let (clock, end) = (self.clock.clone(), self.end());
            if clock.mono() >= end {
                self.timer = Box::pin(std::future::ready(()));
                return Err(io::Error::from(io::ErrorKind::TimedOut));
            }
            self.timer = Box::pin(async move { clock.sleep_until(end).await });
        }
        Ok(())
    }

    fn heard_or_sent(&mut self) {
        self.heard = self.clock.mono();
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.is_over(cx)?;
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_ready() {
            self.heard_or_sent();
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.is_over(cx)?;
        let written = Pin::new(&mut self.stream).poll_write(cx, data);
        if written.is_ready() {
            self.heard_or_sent();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
