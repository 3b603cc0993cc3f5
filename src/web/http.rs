//! `web.listen`: the status page, the health of the process, what it counts, and where webhooks come in (contract 5).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{Html, IntoResponse, Json, Response};
use axum::routing::{any, get};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::bounded::Bounded;
use super::hooks::{self, Hooks, Secrets};
use super::metrics;
use super::page;
use crate::clock::Clock;
use crate::report::desk::{Desk, Health};

/// How long open connections may take to end, once the gateway stops.
const DRAIN: Duration = Duration::from_secs(2);

/// What is said of a path that leads nowhere.
pub(super) const NO_PAGE: &str = "there is no such page\n";

/// On every answer: nothing is run but the page's own script, nothing framed, guessed at or told on.
const GUARDS: [(HeaderName, HeaderValue); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), microphone=(), geolocation=()"),
    ),
];

/// Why the page is not served.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// The address can't be had.
    #[error("could not listen on {address}: {source}; choose another `web.listen`, or \"off\"")]
    Listen {
        /// `web.listen`.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// The page's server, listening but not answering yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    secrets: Secrets,
}

impl Server {
    /// Takes the address; port 0 takes any that is free.
    pub async fn bind(address: SocketAddr) -> Result<Server, WebError> {
        let failed = |source| WebError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Server { listener, address, secrets: Secrets::default() })
    }

    /// Takes webhooks that are signed with these.
    pub fn with_hooks(self, secrets: Secrets) -> Server {
        Server { secrets, ..self }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop`, and then for two seconds at most.
    pub async fn serve(self, desk: Arc<dyn Desk>, clock: Clock, stop: CancellationToken) {
        let listener = Bounded::new(self.listener, clock.clone());
        let ended = stop.clone();
        let hooks = Hooks::new(self.secrets, desk.clone(), clock.clone());
        let server = axum::serve(listener, router(desk, hooks)).with_graceful_shutdown(stop.cancelled_owned());
        let bound = async {
            ended.cancelled().await;
            clock.sleep(DRAIN).await;
        };
        tokio::select! {
            outcome = std::future::IntoFuture::into_future(server) => {
                if let Err(error) = outcome {
                    tracing::warn!(%error, "the status page has ended");
                }
            }
            () = bound => {}
        }
    }
}

fn router(desk: Arc<dyn Desk>, hooks: Hooks) -> Router {
    let hooks = Router::new().route("/hooks/{name}", any(hooks::receive)).with_state(hooks);
    Router::new()
        .route("/", get(front))
        .route("/style.css", get(style))
        .route("/page.js", get(script))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(counted))
        .with_state(desk)
        .merge(hooks)
        .fallback(|| async { (StatusCode::NOT_FOUND, NO_PAGE) })
        .layer(map_response(guarded))
}

async fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in GUARDS {
        headers.insert(name, value);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn front(State(desk): State<Arc<dyn Desk>>, RawQuery(query): RawQuery) -> Html<String> {
    let still = query.as_deref() == Some(page::STILL);
    Html(page::render(&desk.view(), still).into_string())
}

async fn style() -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=3600")];
    (headers, page::STYLE)
}

async fn script() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::CACHE_CONTROL, "max-age=3600")], page::SCRIPT)
}

async fn counted(State(desk): State<Arc<dyn Desk>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::text(&desk.metrics()))
}

async fn healthz(State(desk): State<Arc<dyn Desk>>) -> Response {
    let health = desk.health();
    answer(health.is_well(), health)
}

async fn readyz(State(desk): State<Arc<dyn Desk>>) -> Response {
    let health = desk.health();
    answer(health.is_well() && health.waiting_for.is_none(), health)
}

fn answer(ok: bool, health: Health) -> Response {
    let code = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::json!({
        "ok": ok, "loops": health.loops, "store_error": health.store_error, "waiting_for": health.waiting_for,
    });
    (code, Json(body)).into_response()
}
