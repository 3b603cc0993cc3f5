//! A gate before the demo's broker: shut, the gateway finds no broker, while everybody else still does.
//!
//! It passes bytes on and knows no MQTT. The broker within the process can't be stopped, so this stands for its outages.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// How many connections may pass at once; further ones are turned away.
const CONNECTIONS_MAX: usize = 64;

/// A gate. It ends when it is dropped, with every connection that it let through.
#[derive(Debug)]
pub struct Gate {
    address: SocketAddr,
    open: watch::Sender<bool>,
    stop: CancellationToken,
}

impl Gate {
    /// Listens on a free port of 127.0.0.1, open, and passes on to `broker`.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn before(broker: SocketAddr) -> io::Result<Gate> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (open, is_open) = watch::channel(true);
        let stop = CancellationToken::new();
        let ended = stop.clone();
        tokio::spawn(async move {
            let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
            loop {
                let caller = tokio::select! {
                    () = ended.cancelled() => return,
                    caller = listener.accept() => caller,
                };
                let (Ok((caller, _)), Ok(place)) = (caller, Arc::clone(&places).try_acquire_owned()) else { continue };
                let (is_open, ended) = (is_open.clone(), ended.clone());
                tokio::spawn(async move {
                    let _place = place;
                    tokio::select! {
                        // A shut gate doesn't even knock at the broker's.
                        biased;
                        () = ended.cancelled() => {}
                        () = shut(is_open) => {}
                        // However it ends, the connection is over.
                        _ = pass(caller, broker) => {}
                    }
                });
            }
        });
        Ok(Gate { address, open, stop })
    }

    /// Opens or shuts it. Shutting cuts every connection.
    pub fn set(&self, open: bool) {
        self.open.send_replace(open);
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `mqtt://` and the address.
    pub fn url(&self) -> String {
        format!("mqtt://{}", self.address)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn pass(mut caller: TcpStream, broker: SocketAddr) -> io::Result<()> {
    let mut behind = TcpStream::connect(broker).await?;
    caller.set_nodelay(true)?;
    behind.set_nodelay(true)?;
    copy_bidirectional(&mut caller, &mut behind).await.map(drop)
}

/// Ends as soon as the gate is shut, or gone.
async fn shut(mut is_open: watch::Receiver<bool>) {
    let _gone = is_open.wait_for(|open| !open).await;
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn a_shut_gate_cuts_who_is_through_and_lets_nobody_in_until_it_opens() {
        let behind = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gate = Gate::before(behind.local_addr().unwrap()).await.unwrap();
        let through = async || {
            let mut caller = TcpStream::connect(gate.address()).await.unwrap();
            caller.write_all(b"ping").await.unwrap();
            caller
        };
        let mut first = through().await;
        let (mut heard, _) = behind.accept().await.unwrap();
        let mut word = [0; 4];
        heard.read_exact(&mut word).await.unwrap();
        gate.set(false);
        assert!(matches!(first.read(&mut word).await, Ok(0) | Err(_)));
        let mut second = through().await;
        assert!(matches!(second.read(&mut word).await, Ok(0) | Err(_)));
        gate.set(true);
        let _third = through().await;
        let (mut heard, _) = behind.accept().await.unwrap();
        heard.read_exact(&mut word).await.unwrap();
        assert_eq!(&word, b"ping");
    }
}
