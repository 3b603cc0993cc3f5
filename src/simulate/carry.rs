//! Carries a twin's core within the process: virtual time has no sockets.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::power::{Power, Side};
use crate::clock::Clock;
use crate::net::{Boxed, Http, HttpError, Method, Request, Response};
use crate::twin::faults::imf_fixdate;
use crate::twin::http::{self as twin, Cloud, Fate};

/// A twin's core as an [`Http`]. Every answer counts as verified, as those from loopback do.
pub struct Carried<C> {
    core: Arc<Mutex<C>>,
    clock: Clock,
    power: Power,
}

impl<C: Cloud> Carried<C> {
    /// Carries that core to a box of that power. The clock is the twins' own, which the gateway never sees but in
    /// answers.
    pub fn new(core: Arc<Mutex<C>>, clock: Clock, power: Power) -> Carried<C> {
        Carried { core, clock, power }
    }

    /// Goes on while there is power: where it is gone, nothing ever comes back.
    async fn powered(&self) {
        if self.power.is_gone() {
            std::future::pending().await
        }
    }

    async fn carry(&self, request: Request) -> Result<Response, HttpError> {
        let asked = as_twin(&request);
        let call = self.power.call();
        self.powered().await;
        let (answer, down) = {
            let mut core = self.core.lock().unwrap_or_else(PoisonError::into_inner);
            match core.down() {
                true => (None, true),
                false => (Some(core.handle(&asked, self.clock.wall())), false),
            }
        };
        let Some(answer) = answer.filter(|answer| answer.fate != Fate::Refuse && !down) else {
            return Err(HttpError::Connect("refused".to_owned()));
        };
        self.power.reach(call, Side::After);
        self.powered().await;
        self.clock.sleep(answer.delay).await;
        // The internet may have gone while the answer was on its way.
        if self.core.lock().unwrap_or_else(PoisonError::into_inner).down() {
            return Err(HttpError::Cut("the connection ended".to_owned()));
        }
        match answer.fate {
            Fate::Hang => {
                self.clock.sleep(Duration::from_secs(24 * 3600)).await;
                Err(HttpError::Cut("the connection ended".to_owned()))
            }
            Fate::Lose | Fate::Cut(_) => Err(HttpError::Cut("the connection ended".to_owned())),
            Fate::Deliver | Fate::Refuse => Ok(self.delivered(answer.response)),
        }
    }

    fn delivered(&self, response: twin::Response) -> Response {
        let mut headers = response.headers;
        if !headers.iter().any(|(name, _)| name == "date") {
            headers.push(("date".to_owned(), imf_fixdate(self.clock.wall())));
        }
        Response { status: response.status, headers, body: response.body, verified: true }
    }
}

impl<C: Cloud> Http for Carried<C> {
    fn send(&self, request: Request) -> Boxed<'_, Result<Response, HttpError>> {
        Box::pin(async move {
            let limit = request.limit;
            self.clock.timeout(limit, self.carry(request)).await.unwrap_or(Err(HttpError::TimedOut(limit)))
        })
    }
}

fn as_twin(request: &Request) -> twin::Request {
    let method = match request.method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Patch => "PATCH",
        Method::Delete => "DELETE",
    };
    twin::Request {
        method: method.to_owned(),
        path: request.url.path().to_owned(),
        query: request.url.query_pairs().map(|(key, value)| (key.into_owned(), value.into_owned())).collect(),
        headers: request.headers.iter().map(|(name, value)| ((*name).to_owned(), value.0.clone())).collect(),
        body: Bytes::clone(&request.body),
    }
}
