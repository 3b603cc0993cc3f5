//! A gate before the broker: it lets a test decide whether the gateway reaches the broker, and first put a subscriber
//! in its place, since what is not retained is gone for whoever subscribes too late.

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Passes connections on while it is open. What is under way ends when it closes.
pub struct Gate {
    pub port: u16,
    open: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Gate {
    /// An open gate before that port.
    pub async fn before(port: u16) -> Gate {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (open, state) = watch::channel(true);
        let gate = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            while let Ok((outside, _)) = listener.accept().await {
                let mut state = state.clone();
                if *state.borrow_and_update() {
                    tokio::spawn(async move {
                        tokio::select! {
                            () = pass(outside, port) => {}
                            _ = state.wait_for(|open| !open) => {}
                        }
                    });
                }
            }
        });
        Gate { port: gate, open, task }
    }

    pub fn close(&self) {
        self.open.send_replace(false);
    }

    pub fn open(&self) {
        self.open.send_replace(true);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(mut outside: TcpStream, port: u16) {
    if let Ok(mut inside) = TcpStream::connect(("127.0.0.1", port)).await {
        _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
    }
}
