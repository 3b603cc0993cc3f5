//! Posts the twin's webhooks, as Kisi would: the one part of it that opens a connection.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Delivery, KisiTwin};
use crate::clock::Clock;

/// How long a receiver has to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much of an answer is read: its status is in the first line.
const READ_MAX: usize = 256;

/// Looks every `pause` what is due, posts it in order and notes what was answered, until it is dropped. Only plain
/// `http://` is spoken. The twin isn't locked meanwhile.
pub async fn post_webhooks(twin: Arc<Mutex<KisiTwin>>, clock: Clock, pause: Duration) {
    loop {
        clock.sleep(pause).await;
        let due = twin.lock().unwrap_or_else(PoisonError::into_inner).take_deliveries(clock.wall());
        for delivery in due {
            let status = clock.timeout(PATIENCE, post(&delivery)).await.ok().flatten().unwrap_or(0);
            let mut twin = twin.lock().unwrap_or_else(PoisonError::into_inner);
            twin.delivered(delivery.integration, status, clock.wall());
        }
    }
}

/// The status of the answer; `None` for no answer at all.
async fn post(delivery: &Delivery) -> Option<u16> {
    let url = url::Url::parse(&delivery.url).ok().filter(|url| url.scheme() == "http")?;
    let (host, port) = (url.host_str()?, url.port_or_known_default()?);
    let mut socket = TcpStream::connect((host, port)).await.ok()?;
    let signature = delivery.signature.as_ref().map(|value| format!("x-signature: {value}\r\n")).unwrap_or_default();
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: {host}:{port}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         {signature}connection: close\r\n\r\n",
        url.path(),
        delivery.body.len()
    );
    socket.write_all(head.as_bytes()).await.ok()?;
    socket.write_all(delivery.body.as_bytes()).await.ok()?;
    let mut answer = [0; READ_MAX];
    let mut got = 0;
    while got < READ_MAX && !answer[..got].contains(&b'\n') {
        match socket.read(&mut answer[got..]).await.ok()? {
            0 => break,
            more => got += more,
        }
    }
    std::str::from_utf8(&answer[..got]).ok()?.split(' ').nth(1)?.parse().ok()
}
