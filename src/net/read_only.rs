//! A wire that carries reads alone: for verbs that must not be able to change anything, whatever is asked of them.

use std::sync::Arc;

use super::{Boxed, Http, HttpError, Method, Request, Response};

/// Sends what reads, and nothing else.
pub struct ReadOnly(Arc<dyn Http>);

impl ReadOnly {
    /// The reading half of that wire.
    pub fn of(http: Arc<dyn Http>) -> Arc<dyn Http> {
        Arc::new(ReadOnly(http))
    }
}

impl Http for ReadOnly {
    fn send(&self, request: Request) -> Boxed<'_, Result<Response, HttpError>> {
        match request.method {
            Method::Get => self.0.send(request),
            method => {
                let why = format!("this verb only reads, and does not send a {method:?}");
                Box::pin(std::future::ready(Err(HttpError::Connect(why))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Http for Counted {
        fn send(&self, _: Request) -> Boxed<'_, Result<Response, HttpError>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            let answer = Response { status: 200, headers: Vec::new(), body: Default::default(), verified: true };
            Box::pin(std::future::ready(Ok(answer)))
        }
    }

    #[tokio::test]
    async fn contract_1_what_only_reads_can_send_no_write() {
        let counted = Arc::new(Counted::default());
        let wire = ReadOnly::of(counted.clone());
        let send = |method| {
            let url = "https://api.kisi.example/role_assignments".parse().expect("an address");
            let limit = Duration::from_secs(1);
            wire.send(Request { method, url, headers: Vec::new(), body: Default::default(), limit })
        };
        for method in [Method::Post, Method::Patch, Method::Delete] {
            assert!(send(method).await.is_err(), "{method:?}");
        }
        assert_eq!(counted.0.load(Ordering::Relaxed), 0, "none of them was sent");
        assert!(send(Method::Get).await.is_ok());
        assert_eq!(counted.0.load(Ordering::Relaxed), 1);
    }
}
