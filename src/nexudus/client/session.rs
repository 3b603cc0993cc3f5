//! How to be somebody: the token, its renewal, and HTTP Basic where there is no token to be had
//! (Nexudus API notes, 1). Nothing here leaves memory.

use std::time::Duration;

use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::{Url, form_urlencoded};

use super::Settings;
use crate::clock::Mono;
use crate::net::{Method, Request, Response, Secretive};
use crate::nexudus::wire::{Lifetime, shortened};

/// A token is renewed this long before it ends, or after nine tenths of a shorter life.
const AHEAD: Duration = Duration::from_secs(3600);
/// The life of a token that does not say.
const LIFE: Duration = Duration::from_secs(3600);
/// No token is believed to live longer: monotonic time would overflow for nonsense.
const LIFE_MAX: Duration = Duration::from_secs(30 * 86_400);

pub(super) enum Session {
    None,
    Token { access: SecretString, refresh: Option<SecretString>, renew_at: Mono },
    Basic { token_again_at: Mono },
}

impl Session {
    /// The `Authorization` header.
    pub(super) fn authorization(&self, settings: &Settings) -> Option<String> {
        match self {
            Session::None => None,
            Session::Token { access, .. } => Some(format!("Bearer {}", access.expose_secret())),
            Session::Basic { .. } => {
                let pair = format!("{}:{}", settings.username, settings.password.expose_secret());
                Some(format!("Basic {}", base64(pair.as_bytes())))
            }
        }
    }

    /// What must not be shown.
    pub(super) fn secrets(&self) -> Vec<&SecretString> {
        match self {
            Session::Token { access, refresh, .. } => [Some(access), refresh.as_ref()].into_iter().flatten().collect(),
            _ => Vec::new(),
        }
    }
}

/// How a token is asked for.
pub(super) enum Grant {
    Password,
    Refresh(SecretString),
}

/// What the token endpoint made of it.
pub(super) enum SignIn {
    Session(Session),
    /// A clean no: the password is wrong, or the user may not use the API.
    Refused(String),
    /// The endpoint gives no tokens here.
    Useless(String),
}

/// The token's request: a form, since JSON is refused (trap 1), with the `client_id` both as a parameter and as a
/// header, since the sources differ.
pub(super) fn token_request(url: &Url, settings: &Settings, grant: &Grant, limit: Duration) -> Request {
    let mut form = form_urlencoded::Serializer::new(String::new());
    match grant {
        Grant::Password => form
            .append_pair("grant_type", "password")
            .append_pair("username", &settings.username)
            .append_pair("password", settings.password.expose_secret()),
        Grant::Refresh(token) => {
            form.append_pair("grant_type", "refresh_token").append_pair("refresh_token", token.expose_secret())
        }
    };
    form.append_pair("client_id", &settings.client_id);
    Request {
        method: Method::Post,
        url: url.clone(),
        headers: vec![
            ("accept", Secretive("application/json".to_owned())),
            ("content-type", Secretive("application/x-www-form-urlencoded".to_owned())),
            ("client_id", Secretive(settings.client_id.clone())),
        ],
        body: Bytes::from(form.finish()),
        limit,
    }
}

pub(super) fn judge_token(answer: &Response, now: Mono) -> SignIn {
    #[derive(Deserialize)]
    struct Given {
        access_token: String,
        refresh_token: Option<String>,
        #[serde(default)]
        expires_in: Lifetime,
    }
    #[derive(Default, Deserialize)]
    struct Fault {
        error: Option<String>,
        error_description: Option<String>,
    }
    if answer.status == 200 {
        return match serde_json::from_slice::<Given>(&answer.body) {
            Ok(given) if !given.access_token.is_empty() => {
                let life = given.expires_in.0.map_or(LIFE, Duration::from_secs).min(LIFE_MAX);
                let renew_at = now.plus(life - AHEAD.min(life / 10));
                let refresh = given.refresh_token.filter(|token| !token.is_empty()).map(SecretString::from);
                SignIn::Session(Session::Token { access: given.access_token.into(), refresh, renew_at })
            }
            // Not the parser's own words: they may hold a piece of the token.
            _ => SignIn::Useless("its answer holds no access_token".to_owned()),
        };
    }
    let fault = serde_json::from_slice::<Fault>(&answer.body);
    let is_json = fault.is_ok();
    let fault = fault.unwrap_or_default();
    let code = fault.error.unwrap_or_default();
    let said = [format!("HTTP {}", answer.status), code.clone(), fault.error_description.unwrap_or_default()];
    let said = said.iter().filter(|part| !part.is_empty()).map(|part| shortened(part)).collect::<Vec<_>>().join(", ");
    match answer.status {
        400 | 401 if code == "invalid_grant" => SignIn::Refused(said),
        401 | 403 if is_json => SignIn::Refused(said),
        _ => SignIn::Useless(said),
    }
}

/// Base64 with padding (RFC 4648, 4).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = (word >> (18 - 6 * place)) & 63;
            out.push(if place <= chunk.len() { char::from(DIGITS[digit as usize]) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_keeps_the_examples_of_rfc_4648() {
        let examples = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        for (plain, coded) in examples {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
