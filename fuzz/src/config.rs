//! The configuration: whatever its text, it is read or refused, and neither shows a secret.

use std::ffi::OsString;
use std::path::Path;

use gatehouse::config::{Config, Env};
use secrecy::ExposeSecret;

/// What every variable holds that a secret may name.
const SECRET: &str = "zq7-secret-of-the-environment-4f";

/// Every variable is set, but those that name places.
struct Everything;

impl Env for Everything {
    fn var(&self, name: &str) -> Option<OsString> {
        (name != "CREDENTIALS_DIRECTORY").then(|| SECRET.into())
    }
}

/// No panic; no secret in errors, warnings or `Debug`; of `alert.url` no more than its host.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // Files that a text may name are none of this: the directory does not exist.
    match Config::parse(text, Path::new("/nonexistent/gatehouse.toml"), &Everything) {
        Err(errors) => {
            assert!(!errors.errors().is_empty());
            let shown = format!("{errors} {errors:?} {}", serde_json::to_string(&errors).unwrap());
            assert!(!shown.contains(SECRET), "{shown}");
        }
        Ok(config) => {
            let shown = format!("{config:?} {config:#?} {:?} {:?}", config.warnings, config.rules());
            assert_eq!(config.kisi.api_key.expose_secret(), SECRET);
            assert!(!shown.contains(SECRET), "{shown}");
            if let Some(url) = &config.alert.url {
                let rest = &url[url::Position::BeforePath..];
                // Where the text has the same word elsewhere, nothing follows from its being shown.
                let elsewhere = text.matches(rest).count() > 1;
                assert!(rest.len() < 6 || elsewhere || !shown.contains(rest), "{shown} shows {rest}");
                assert!(url.scheme() == "https" || gatehouse::net::client::is_loopback(url), "{url}");
            }
            for url in [&config.kisi.url, &config.nexudus.url] {
                assert!(url.scheme() == "https" || gatehouse::net::client::is_loopback(url), "{url}");
                assert!(url.username().is_empty() && url.password().is_none(), "{url}");
            }
        }
    }
}
