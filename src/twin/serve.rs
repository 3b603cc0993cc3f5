//! Carries a twin's core over loopback HTTP/1.1, with every fate an answer can have.
//!
//! It knows nothing of what is said. To end a connection at the right byte it wraps the socket below the HTTP library,
//! since an answer that the library itself refuses to finish would depend on how that library fails.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::extract::{Request as HttpRequest, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response as HttpResponse;
use axum::serve::{IncomingStream, Listener};
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::control;
use super::faults::imf_fixdate;
use super::http::{Cloud, Fate, Request, Response};
use crate::clock::Clock;

/// The longest body that is taken; a longer one is answered with 413.
const BODY_BYTES_MAX: usize = 1 << 20;
/// How many connections may be open at once; the next one waits.
const CONNECTIONS_MAX: usize = 1_024;
/// How often, in real time, it is looked whether the twin has gone down.
const LOOK_DOWN: Duration = Duration::from_millis(20);
/// The pause after a connection that couldn't be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// `Line::cut` when nothing is to be cut.
const WHOLE: usize = usize::MAX;

/// A twin that is being carried. It stops when this is dropped.
#[derive(Debug)]
pub struct Carrier {
    address: SocketAddr,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Carrier {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://` and the address, with no slash at the end.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops listening, cuts every connection and waits until the port is free.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            // A carrier that panicked has stopped, too.
            let _ended = task.await;
        }
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Carries `cloud` on `listener` until the [`Carrier`] is shut down or dropped. The core's `now` and the `date` of its
/// answers are `clock.wall()`; delays go by `clock`. While the core is `down`, every connection ends at once, open ones
/// too, but for steering requests (`/_twin/`).
///
/// # Errors
/// When the listener has no local address.
pub async fn serve<C: Cloud>(listener: TcpListener, cloud: Arc<Mutex<C>>, clock: Clock) -> io::Result<Carrier> {
    let address = listener.local_addr()?;
    let stop = CancellationToken::new();
    let lines = Arc::new(Lines { stop: stop.clone(), open: Mutex::new(stop.child_token()) });
    let port = Port {
        listener,
        lines: Arc::clone(&lines),
        room: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        clock: clock.clone(),
    };
    let served = Arc::new(Served { cloud, clock, lines });
    let routes = Router::new().fallback(carry::<C>).with_state(Arc::clone(&served));
    let serving = axum::serve(port, routes.into_make_service_with_connect_info::<Hold>());
    let stopped = stop.clone();
    let task = tokio::spawn(async move {
        tokio::select! {
            () = stopped.cancelled() => {}
            () = served.watch() => {}
            _ = async { serving.await } => {}
        }
    });
    Ok(Carrier { address, stop, task: Some(task) })
}

struct Served<C> {
    cloud: Arc<Mutex<C>>,
    clock: Clock,
    lines: Arc<Lines>,
}

impl<C: Cloud> Served<C> {
    /// Cuts all open connections whenever the core is found down.
    async fn watch(&self) {
        // The clock may be fast; the look is to come at a real pace.
        let a_second = self.clock.unscale(Duration::from_secs(1)).as_secs_f64().max(1e-6);
        let pause = LOOK_DOWN.div_f64(a_second);
        loop {
            self.clock.sleep(pause).await;
            if self.cloud.lock().unwrap_or_else(PoisonError::into_inner).down() {
                self.lines.cut();
            }
        }
    }
}

/// All connections of one carrier.
struct Lines {
    stop: CancellationToken,
    open: Mutex<CancellationToken>,
}

impl Lines {
    fn line(&self) -> Arc<Line> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::new(Line {
            ended: open.child_token(),
            stop: self.stop.clone(),
            cut: AtomicUsize::new(WHOLE),
            steers: AtomicBool::new(false),
        })
    }

    fn cut(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.cancel();
        *open = self.stop.child_token();
    }
}

/// What a request's handler may do to its connection.
struct Line {
    ended: CancellationToken,
    stop: CancellationToken,
    /// After how many bytes of the body the connection ends; [`WHOLE`] for never.
    cut: AtomicUsize,
    /// A steering request is being answered: only the end of the carrier cuts it.
    steers: AtomicBool,
}

impl Line {
    fn is_over(&self) -> bool {
        self.ended.is_cancelled() && (self.stop.is_cancelled() || !self.steers.load(Ordering::Acquire))
    }
}

/// A handler's hold on its connection.
#[derive(Clone)]
struct Hold(Arc<Line>);

impl Connected<IncomingStream<'_, Port>> for Hold {
    fn connect_info(stream: IncomingStream<'_, Port>) -> Self {
        Hold(Arc::clone(&stream.io().line))
    }
}

async fn carry<C: Cloud>(
    State(served): State<Arc<Served<C>>>,
    ConnectInfo(Hold(line)): ConnectInfo<Hold>,
    request: HttpRequest,
) -> HttpResponse {
    let (parts, body) = request.into_parts();
    let steers = parts.uri.path().starts_with(control::PREFIX);
    line.steers.store(steers, Ordering::Release);
    let Some(body) = bounded(body).await else {
        return status_only(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let request = Request {
        method: parts.method.as_str().to_owned(),
        path: percent_decoded(parts.uri.path()),
        query: url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect(),
        headers: (parts.headers.iter())
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
        body,
    };
    let answer = {
        let mut cloud = served.cloud.lock().unwrap_or_else(PoisonError::into_inner);
        if !steers && cloud.down() { None } else { Some(cloud.handle(&request, served.clock.wall())) }
    };
    let Some(answer) = answer.filter(|a| a.fate != Fate::Refuse) else {
        return end(&line);
    };
    if answer.fate == Fate::Hang {
        line.ended.cancelled().await;
        return end(&line);
    }
    if !answer.delay.is_zero() {
        served.clock.sleep(answer.delay).await;
    }
    match answer.fate {
        Fate::Cut(bytes) if !answer.response.body.is_empty() => {
            line.cut.store(bytes.min(answer.response.body.len() - 1), Ordering::Release);
        }
        Fate::Cut(_) | Fate::Lose => return end(&line),
        Fate::Deliver | Fate::Hang | Fate::Refuse => {}
    }
    deliver(answer.response, &served.clock, steers)
}

/// The body, unless it is longer than is taken: as announced, or as it turns out.
async fn bounded(body: Body) -> Option<Bytes> {
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        return None;
    }
    axum::body::to_bytes(body, BODY_BYTES_MAX).await.ok()
}

/// Ends the connection. What is returned never reaches the caller.
fn end(line: &Line) -> HttpResponse {
    line.ended.cancel();
    status_only(StatusCode::SERVICE_UNAVAILABLE)
}

fn status_only(status: StatusCode) -> HttpResponse {
    let mut response = HttpResponse::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn deliver(said: Response, clock: &Clock, steers: bool) -> HttpResponse {
    let mut response = status_only(StatusCode::from_u16(said.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    let bodiless = matches!(said.status, 204 | 304);
    let headers = response.headers_mut();
    for (name, value) in said.headers {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else { continue };
        if !(bodiless && name == header::CONTENT_TYPE) {
            headers.append(name, value);
        }
    }
    if !headers.contains_key(header::DATE)
        && let Ok(date) = HeaderValue::try_from(imf_fixdate(clock.wall()))
    {
        headers.insert(header::DATE, date);
    }
    if steers {
        // Whoever steers with the client under test must not find this connection in its pool when the twin goes down.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if !bodiless {
        *response.body_mut() = Body::from(said.body);
    }
    response
}

fn percent_decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match hex.filter(|_| *first == b'%').and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The listening port.
struct Port {
    listener: TcpListener,
    lines: Arc<Lines>,
    room: Arc<Semaphore>,
    clock: Clock,
}

impl Listener for Port {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        loop {
            let place = Arc::clone(&self.room).acquire_owned().await.ok();
            match self.listener.accept().await {
                // Without `nodelay` small answers wait for the caller's acknowledgement.
                Ok((socket, from)) if socket.set_nodelay(true).is_ok() => {
                    let line = self.lines.line();
                    let over = Box::pin(line.ended.clone().cancelled_owned());
                    return (Wire { socket, line, over: Some(over), head: Head::default(), _place: place }, from);
                }
                _ => self.clock.sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A socket that can be ended from outside, at once or at a byte of an answer's body.
struct Wire {
    socket: TcpStream,
    line: Arc<Line>,
    /// Wakes the reader when the line ends; gone once it has.
    over: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    head: Head,
    _place: Option<OwnedSemaphorePermit>,
}

/// How far an answer that is to be cut has gone out.
#[derive(Clone, Copy, Default)]
struct Head {
    /// How much of the empty line that ends the head has been seen, 4 when all of it.
    seen: usize,
    /// How many bytes of the body have gone out.
    body: usize,
}

impl Head {
    /// How many of these bytes may go out if the body ends after `cut` bytes, and where that leads.
    fn admit(mut self, bytes: &[u8], cut: usize) -> (usize, Head) {
        const END: &[u8; 4] = b"\r\n\r\n";
        for (at, byte) in bytes.iter().enumerate() {
            if self.seen == END.len() {
                let more = (bytes.len() - at).min(cut - self.body);
                self.body += more;
                return (at + more, self);
            }
            self.seen = if *byte == END[self.seen] { self.seen + 1 } else { usize::from(*byte == END[0]) };
        }
        (bytes.len(), self)
    }
}

fn ended() -> io::Error {
    io::Error::from(io::ErrorKind::ConnectionAborted)
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(over) = &mut self.over
            && over.as_mut().poll(cx).is_ready()
        {
            self.over = None;
        }
        if self.line.is_over() {
            return Poll::Ready(Err(ended()));
        }
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.line.is_over() {
            return Poll::Ready(Err(ended()));
        }
        let cut = self.line.cut.load(Ordering::Acquire);
        if cut == WHOLE {
            return Pin::new(&mut self.socket).poll_write(cx, bytes);
        }
        let (admitted, _) = self.head.admit(bytes, cut);
        if admitted == 0 && !bytes.is_empty() {
            self.line.ended.cancel();
            return Poll::Ready(Err(ended()));
        }
        let written = ready!(Pin::new(&mut self.socket).poll_write(cx, &bytes[..admitted]))?;
        self.head = self.head.admit(&bytes[..written], cut).1;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
#[path = "serve_tests.rs"]
mod tests;
