//! A listener that takes so many connections at a time and none for ever: nobody can tie up the page by being slow.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock::Clock;

/// How many connections are served at a time.
const CONNECTIONS: usize = 32;
/// How long one may last, kept alive or not.
const LIFE: Duration = Duration::from_secs(60);
/// How long to wait where the system has no room for another connection.
const FULL: Duration = Duration::from_secs(1);

pub(super) struct Bounded {
    listener: TcpListener,
    room: Arc<Semaphore>,
    clock: Clock,
}

impl Bounded {
    pub(super) fn new(listener: TcpListener, clock: Clock) -> Bounded {
        Bounded { listener, room: Arc::new(Semaphore::new(CONNECTIONS)), clock }
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
                Ok((stream, from)) => {
                    let clock = self.clock.clone();
                    let end: Pin<Box<dyn Future<Output = ()> + Send>> =
                        Box::pin(async move { clock.sleep(LIFE).await });
                    return (Connection { stream, end, _permit: permit }, from);
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
    end: Pin<Box<dyn Future<Output = ()> + Send>>,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    fn is_over(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.end.as_mut().poll(cx) {
            Poll::Ready(()) => {
                self.end = Box::pin(std::future::ready(()));
                Err(io::Error::from(io::ErrorKind::TimedOut))
            }
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.is_over(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.is_over(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
