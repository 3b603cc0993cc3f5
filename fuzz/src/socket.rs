//! The socket's requests: what is read is what was written, and nothing more is in it.

use std::str::FromStr;

use gatehouse::domain::explain::Who;
use gatehouse::report::desk::{Reply, Request};
use serde_json::Value;

/// A line, as a request and as a reply.
pub fn check(data: &[u8]) {
    let Ok(line) = std::str::from_utf8(data) else { return };
    if let Ok(request) = serde_json::from_str::<Request>(line) {
        let again = serde_json::to_string(&request).unwrap();
        assert_eq!(serde_json::from_str::<Request>(&again).unwrap(), request);
        let sent: Value = serde_json::from_str(line).unwrap();
        let (sent, kept): (_, Value) = (sent.as_object().unwrap(), serde_json::from_str(&again).unwrap());
        let unknown = sent.keys().find(|key| kept.get(key.as_str()).is_none());
        assert_eq!(unknown, None, "{line} was taken with a key that plays no part");
        if let Request::Explain { who, .. } = &request {
            let _ = Who::from_str(who);
        }
    }
    let _ = serde_json::from_str::<Reply>(line);
    let _ = Who::from_str(line);
}
