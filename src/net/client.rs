//! The real client: HTTP/1.1 over TLS, with a limit on everything.
//!
//! Trusts nothing an answer says about length or place: bodies are counted while they come, redirects are not followed,
//! cookies not kept. Time-outs go by [`Clock`], since the demo's clock runs fast.

use std::error::Error;
use std::io;
use std::sync::Once;
use std::time::Duration;

use bytes::BytesMut;
use rustls::CertificateError;
use url::{Host, Url};

use super::{Boxed, Http, HttpError, Method, Request, Response};
use crate::clock::Clock;

/// How long and how much, beside the limit that each [`Request`] carries.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For a connection with its TLS handshake.
    pub connect: Duration,
    /// Between two pieces of an answer.
    pub idle: Duration,
    /// An unused connection is closed after this: short, so that one that died in a silent outage is not used again.
    pub pooled: Duration,
    /// The longest body that is taken, in bytes.
    pub body_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(20),
            pooled: Duration::from_secs(30),
            body_bytes: 32 * 1024 * 1024,
        }
    }
}

/// Why no client could be built.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client could not be made: {0}; is the package ca-certificates installed?")]
pub struct NoClient(String);

/// Sends requests over the network.
pub struct Client {
    /// Respects the proxy that the environment names.
    outside: reqwest::Client,
    /// Never goes through a proxy: loopback is this box.
    loopback: reqwest::Client,
    clock: Clock,
    limits: Limits,
}

/// A client. Cheap to share, dear to make: one for each cloud.
pub fn client(clock: Clock, limits: Limits) -> Result<Client, NoClient> {
    static RING: Once = Once::new();
    RING.call_once(|| {
        // An error only means that another part of this process has installed a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let outside = builder(&clock, &limits).build().map_err(|e| NoClient(chain(&e)))?;
    let loopback = builder(&clock, &limits).no_proxy().build().map_err(|e| NoClient(chain(&e)))?;
    Ok(Client { outside, loopback, clock, limits })
}

#[expect(clippy::disallowed_methods, reason = "the one place")]
fn builder(clock: &Clock, limits: &Limits) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("gatehouse/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .connect_timeout(clock.unscale(limits.connect))
        .read_timeout(clock.unscale(limits.idle))
        .pool_idle_timeout(clock.unscale(limits.pooled))
        .pool_max_idle_per_host(2)
        .tcp_nodelay(true)
}

impl Http for Client {
    fn send(&self, request: Request) -> Boxed<'_, Result<Response, HttpError>> {
        Box::pin(async move {
            let limit = request.limit;
            match self.clock.timeout(limit, self.exchange(request)).await {
                Ok(result) => result,
                Err(_) => Err(HttpError::TimedOut(limit)),
            }
        })
    }
}

impl Client {
    async fn exchange(&self, request: Request) -> Result<Response, HttpError> {
        let limit = request.limit;
        let at_home = is_loopback(&request.url);
        let verified = at_home || request.url.scheme() == "https";
        let through = if at_home { &self.loopback } else { &self.outside };
        let mut call = through.request(verb(request.method), request.url).body(request.body);
        for (name, value) in request.headers {
            call = call.header(name, value.0);
        }
        let mut answer = call.send().await.map_err(|e| classify(&e, limit))?;
        let headers = answer
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let status = answer.status().as_u16();
        let mut body = BytesMut::new();
        while let Some(piece) = answer.chunk().await.map_err(|e| classify(&e, limit))? {
            if body.len() + piece.len() > self.limits.body_bytes {
                return Err(HttpError::TooLong(self.limits.body_bytes));
            }
            body.extend_from_slice(&piece);
        }
        Ok(Response { status, headers, body: body.freeze(), verified })
    }
}

fn verb(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    }
}

/// Whether the address is this box itself: what it says of the time needs no certificate (rules 4).
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn classify(error: &reqwest::Error, limit: Duration) -> HttpError {
    if let Some(found) = tls_fault(error) {
        return found;
    }
    if error.is_timeout() {
        HttpError::TimedOut(limit)
    } else if error.is_connect() {
        HttpError::Connect(chain(error))
    } else {
        HttpError::Cut(chain(error))
    }
}

/// The fault of TLS somewhere under `error`. `io::Error` hides what it carries from `source`, so it is opened here.
fn tls_fault(error: &(dyn Error + 'static)) -> Option<HttpError> {
    let mut next = Some(error);
    while let Some(here) = next {
        let carried = here.downcast_ref::<io::Error>().and_then(|e| e.get_ref()).map(|e| e as &(dyn Error + 'static));
        if let Some(fault) = carried.and_then(tls_fault) {
            return Some(fault);
        }
        if let Some(fault) = here.downcast_ref::<rustls::Error>() {
            return Some(match fault {
                rustls::Error::InvalidCertificate(
                    CertificateError::Expired
                    | CertificateError::ExpiredContext { .. }
                    | CertificateError::NotValidYet
                    | CertificateError::NotValidYetContext { .. },
                ) => HttpError::CertificateTime(fault.to_string()),
                _ => HttpError::Tls(fault.to_string()),
            });
        }
        next = here.source();
    }
    None
}

/// The error and what caused it, without the address, whose query may name people.
fn chain(error: &reqwest::Error) -> String {
    let mut parts = Vec::new();
    let mut next: Option<&dyn Error> = error.source();
    while let Some(here) = next {
        parts.push(here.to_string());
        next = here.source();
    }
    parts.dedup();
    if parts.is_empty() { "no cause given".to_owned() } else { parts.join(": ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// Serves one connection with those bytes, then closes it, or keeps it open and says no more.
    async fn serve(bytes: Vec<u8>, keep_open: bool) -> Url {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut asked = vec![0; 4096];
            let _ = stream.read(&mut asked).await;
            let _ = stream.write_all(&bytes).await;
            if keep_open {
                std::future::pending::<()>().await;
            }
        });
        Url::parse(&format!("http://{address}/")).expect("a URL")
    }

    async fn get(url: Url, limit: Duration, body_bytes: usize) -> Result<Response, HttpError> {
        let client = client(Clock::system(), Limits { body_bytes, ..Limits::default() }).expect("a client");
        let request = Request { method: Method::Get, url, headers: vec![], body: bytes::Bytes::new(), limit };
        client.send(request).await
    }

    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_body_is_counted_while_it_comes_whatever_its_length_says() {
        let mut chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        for _ in 0..64 {
            chunked.extend_from_slice(format!("400\r\n{}\r\n", "x".repeat(0x400)).as_bytes());
        }
        let url = serve(chunked, true).await;
        assert_eq!(get(url, LONG, 10_000).await.expect_err("too long"), HttpError::TooLong(10_000));
    }

    /// Proves that what is packed stays packed: a small body can't become a large one here.
    #[tokio::test]
    async fn a_packed_answer_is_neither_asked_for_nor_unpacked() {
        let packed = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03";
        let head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 10\r\n\r\n";
        let url = serve([&head[..], packed].concat(), false).await;
        assert_eq!(get(url, LONG, 100).await.expect("an answer").body, &packed[..]);
    }

    #[tokio::test]
    async fn a_silent_service_a_cut_answer_and_a_closed_port_are_told_apart() {
        let silent = serve(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab".to_vec(), true).await;
        let limit = Duration::from_millis(200);
        assert_eq!(get(silent, limit, 100).await.expect_err("silent"), HttpError::TimedOut(limit));
        let cut = serve(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab".to_vec(), false).await;
        assert!(matches!(get(cut, LONG, 100).await, Err(HttpError::Cut(_))));
        let closed = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            Url::parse(&format!("http://{}/", listener.local_addr().expect("an address"))).expect("a URL")
        };
        assert!(matches!(get(closed, LONG, 100).await, Err(HttpError::Connect(_))));
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_is_not_followed() {
        let url =
            serve(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\ncontent-length: 0\r\n\r\n".to_vec(), false).await;
        let answer = get(url, LONG, 100).await.expect("an answer");
        assert_eq!((answer.status, answer.header("location"), answer.verified), (302, Some("/elsewhere"), true));
    }

    #[test]
    fn rule_4_a_certificate_out_of_its_time_is_found_under_every_wrapping() {
        let wrapped =
            |error: CertificateError| io::Error::other(io::Error::other(rustls::Error::InvalidCertificate(error)));
        for error in [CertificateError::Expired, CertificateError::NotValidYet] {
            assert!(matches!(tls_fault(&wrapped(error)), Some(HttpError::CertificateTime(_))));
        }
        assert!(matches!(tls_fault(&wrapped(CertificateError::UnknownIssuer)), Some(HttpError::Tls(_))));
        assert_eq!(tls_fault(&io::Error::other("refused")), None);
    }

    #[test]
    fn rule_4_plain_http_counts_only_on_loopback() {
        let at = |text: &str| is_loopback(&Url::parse(text).expect("a URL"));
        assert!(at("http://127.0.0.1:9000/x") && at("http://[::1]/") && at("http://localhost/"));
        assert!(!at("http://127.0.0.1.example.org/") && !at("http://192.168.1.5/"));
    }
}
