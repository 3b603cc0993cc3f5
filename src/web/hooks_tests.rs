//! Webhooks, and those who tie up connections, before a gateway that only notes what it is told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ring::hmac;
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::sync::CancellationToken;

use super::socket::{self, Socket};
use super::tests::{Fake, fake};
use super::{Secrets, Server};
use crate::clock::Clock;
use crate::report::desk::{Hook, Hooked, Reply, Request};

async fn serve(nexudus: Option<&str>, kisi: Option<&str>) -> (Arc<Fake>, SocketAddr, CancellationToken) {
    let desk = fake();
    let stop = CancellationToken::new();
    let secret = |text: Option<&str>| text.map(SecretString::from);
    let server = Server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let server = server.with_hooks(Secrets { nexudus: secret(nexudus), kisi: secret(kisi) });
    let address = server.address();
    tokio::spawn(server.serve(desk.clone(), Clock::system(), stop.clone()));
    (desk, address, stop)
}

async fn post(server: SocketAddr, path: &str, headers: &str, body: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: box\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    // An answer may come before all of it is sent.
    let _ = stream.write_all(&[head.as_bytes(), body].concat()).await;
    status(&mut stream).await
}

async fn status(stream: &mut TcpStream) -> u16 {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

fn signed(key: &str, body: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), body);
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn contract_5_a_hook_is_taken_with_its_signature_refused_without_and_not_there_without_a_secret() {
    let (desk, server, _stop) = serve(Some("ours"), None).await;
    let body = br#"[{"Id":1}]"#;
    let header = |key: &str| format!("X-Nexudus-Hook-Signature: {}\r\n", signed(key, body));
    assert_eq!(post(server, "/hooks/nexudus", &header("ours"), body).await, 200);
    assert_eq!(*desk.hooks.lock().unwrap(), [(Hook::Nexudus, Hooked::Taken)]);
    assert_eq!(post(server, "/hooks/nexudus", &header("theirs"), body).await, 401);
    assert_eq!(post(server, "/hooks/nexudus", "", body).await, 401);
    assert_eq!(post(server, "/hooks/nexudus", &header("ours").repeat(2), body).await, 401, "two signatures");
    assert_eq!(post(server, "/hooks/nexudus", &header("ours"), b"[]").await, 401, "another body");
    let kisis = header("ours").replace("Nexudus-Hook-", "");
    for path in ["/hooks/kisi", "/hooks/other", "/hooks/", "/hooks/nexudus/", "/hooks"] {
        assert_eq!(post(server, path, &kisis, body).await, 404, "{path}");
    }
    let hooks = desk.hooks.lock().unwrap().clone();
    assert_eq!(hooks[1..], [(Hook::Nexudus, Hooked::Refused); 4]);
}

#[tokio::test]
async fn a_hooks_body_and_rate_have_a_limit() {
    let (desk, server, _stop) = serve(None, Some("ours")).await;
    let long = vec![b'x'; (256 << 10) + 1];
    let header = format!("X-Signature: sha256={}\r\n", signed("ours", &long));
    assert_eq!(post(server, "/hooks/kisi", &header, &long).await, 413);
    let whole = &long[1..];
    let header = format!("X-Signature: sha256={}\r\n", signed("ours", whole));
    assert_eq!(post(server, "/hooks/kisi", &header, whole).await, 200, "as long as it may be");
    let header = format!("X-Signature: {}\r\n", signed("ours", b"{}"));
    let mut codes = Vec::new();
    for _ in 0..400 {
        codes.push(post(server, "/hooks/kisi", &header, b"{}").await);
    }
    assert!(codes.contains(&429), "a flood is cut");
    assert!(codes[..90].iter().all(|code| *code == 200), "a burst is not: {codes:?}");
    assert!(desk.hooks.lock().unwrap().contains(&(Hook::Kisi, Hooked::Refused)));
}

/// Whoever opens connections and says nothing gets no more than half of them, and each only for a while: the page
/// answers another address at once, and the same one soon.
#[tokio::test]
async fn slow_guests_do_not_take_the_page_from_others() {
    let (_desk, server, _stop) = serve(None, None).await;
    let clock = Clock::system();
    let mut slow = Vec::new();
    for _ in 0..40 {
        let mut stream = TcpStream::connect(server).await.unwrap();
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nhost: b").await;
        slow.push(stream);
    }
    let from_elsewhere = async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let mut stream = socket.connect(server).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: box\r\nconnection: close\r\n\r\n").await.unwrap();
        status(&mut stream).await
    };
    assert_eq!(clock.timeout(Duration::from_secs(5), from_elsewhere).await.unwrap(), 200);
    let began = clock.mono();
    let soon = async {
        loop {
            let Ok(mut stream) = TcpStream::connect(server).await else { continue };
            let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: box\r\nconnection: close\r\n\r\n").await;
            if status(&mut stream).await == 200 {
                return;
            }
            clock.sleep(Duration::from_millis(100)).await;
        }
    };
    clock.timeout(Duration::from_secs(20), soon).await.unwrap();
    assert!(clock.mono().since(began) > Duration::from_secs(5), "the silent ones were let go of too soon");
    drop(slow);
}

#[tokio::test]
async fn a_request_without_end_is_refused() {
    let (_desk, server, _stop) = serve(None, None).await;
    let mut stream = TcpStream::connect(server).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let endless = async {
        writing.write_all(b"GET / HTTP/1.1\r\nhost: box\r\nx: ").await?;
        for _ in 0..64 {
            writing.write_all(&[b'x'; 64 << 10]).await?;
        }
        Ok::<(), std::io::Error>(())
    };
    let mut answer = Vec::new();
    let (sent, _) = tokio::join!(endless, reading.read_to_end(&mut answer));
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(sent.is_err() || answer.starts_with("HTTP/1.1 431"), "4 MiB of header were taken: {answer}");
}

/// Who takes every place at the socket and says nothing holds a verb up for as long as a request may take, no longer.
#[tokio::test]
async fn silent_ones_at_the_socket_make_way() {
    let dir = tempfile::tempdir().unwrap();
    let (clock, stop) = (Clock::system(), CancellationToken::new());
    tokio::spawn(Socket::bind(dir.path()).unwrap().serve(fake(), clock.clone(), stop.clone()));
    let mut silent = Vec::new();
    for _ in 0..16 {
        let mut stream = UnixStream::connect(dir.path().join(socket::NAME)).await.unwrap();
        stream.write_all(b"{\"verb\"").await.unwrap();
        silent.push(stream);
    }
    let asked = socket::ask(dir.path(), &Request::Status, &clock);
    let reply = clock.timeout(Duration::from_secs(20), asked).await.unwrap().unwrap();
    assert_eq!(reply, Reply::value(0, &Request::Status));
    drop(silent);
    stop.cancel();
}
