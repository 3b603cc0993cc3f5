//! The addresses of others: the clouds, the alert's receiver, the broker.

use url::{Host, ParseError, Url};

use super::value::{Kind, Refusal, text};

/// Where the broker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerUrl {
    /// `mqtts://`: over TLS.
    pub tls: bool,
    /// A name or an address, an IPv6 one without its brackets.
    pub host: String,
    /// 1883, or 8883 with TLS, where the URL names none.
    pub port: u16,
    /// Whether the host is this machine itself.
    pub loopback: bool,
}

impl Default for BrokerUrl {
    fn default() -> BrokerUrl {
        BrokerUrl { tls: false, host: "127.0.0.1".to_owned(), port: 1883, loopback: true }
    }
}

pub(super) const KISI_URL: Kind<Url> = Kind {
    allowed: "an https URL, as \"https://api.kisi.io\"; http only on loopback",
    parse: |value| shy(text(value)?, cloud),
};

pub(super) const NEXUDUS_URL: Kind<Url> = Kind {
    allowed: "an https URL of the administrators' API, as \"https://spaces.nexudus.com/api\"; http only on loopback",
    parse: |value| shy(text(value)?, nexudus),
};

/// Its path often carries a token, so no refusal shows more than the host.
pub(super) const ALERT_URL: Kind<Url> = Kind {
    allowed: "an https URL; http only on loopback",
    parse: |value| {
        let typed = text(value)?;
        let parsed = web(typed).and_then(|url| no_user(&url).map(|()| url));
        parsed.map_err(|refusal| {
            let instead = match Url::parse(typed) {
                Ok(url) => {
                    let host = url.host_str().unwrap_or("no host");
                    format!("a {} URL on {host} (the rest is not shown)", url.scheme())
                }
                Err(_) => "a string that is no URL (not shown)".to_owned(),
            };
            Refusal::unshown(refusal.message, instead)
        })
    },
};

pub(super) const MQTT_URL: Kind<BrokerUrl> = Kind {
    allowed: "\"mqtt://HOST[:PORT]\" or, for TLS, \"mqtts://HOST[:PORT]\"",
    parse: |value| shy(text(value)?, broker),
};

/// Reads a URL; one that is refused is not shown where a password or a token may stand in it.
fn shy<T>(typed: &str, read: fn(&str) -> Result<T, Refusal>) -> Result<T, Refusal> {
    read(typed).map_err(|refusal| match typed.contains(['@', '?']) {
        true => Refusal::unshown(refusal.message, "a URL with an @ or a ? in it (not shown)"),
        false => refusal,
    })
}

fn broker(typed: &str) -> Result<BrokerUrl, Refusal> {
    let url = parse(typed)?;
    no_user(&url)?;
    let tls = match url.scheme() {
        "mqtt" => false,
        "mqtts" => true,
        _ => return Err(Refusal::new("neither mqtt:// nor mqtts://")),
    };
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| Refusal::new("a URL without a host"))?;
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(Refusal::new("a broker's URL ends with its host and port"));
    }
    Ok(BrokerUrl {
        tls,
        host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
        port: url.port().unwrap_or(if tls { 8883 } else { 1883 }),
        loopback: on_loopback(&url),
    })
}

fn nexudus(typed: &str) -> Result<Url, Refusal> {
    let url = cloud(typed)?;
    let tenant = url.host_str().is_some_and(|host| host.trim_end_matches('.').ends_with(".spaces.nexudus.com"));
    let mut parts = url.path().split('/').filter(|part| !part.is_empty());
    let first = parts.next();
    let portal = first == Some("en") || (first == Some("api") && parts.next() == Some("public"));
    if tenant || portal {
        return Err(Refusal::new(
            "the address of a space's member portal: that API shows one customer's data, and gives local times as if \
             they were UTC, so that every door would open at the wrong hour",
        ));
    }
    Ok(url)
}

/// A cloud's base address; without the slashes at its end, but for a bare host, which a `Url` always ends with one.
fn cloud(typed: &str) -> Result<Url, Refusal> {
    let mut url = web(typed)?;
    no_user(&url)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Refusal::new("a base address has neither ? nor #"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

fn web(typed: &str) -> Result<Url, Refusal> {
    let url = parse(typed)?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if on_loopback(&url) => Ok(url),
        "http" => Err(Refusal::new("http would send secrets in clear: it is allowed only on loopback")),
        _ => Err(Refusal::new("not an https URL")),
    }
}

fn parse(typed: &str) -> Result<Url, Refusal> {
    let parsed = match Url::parse(typed) {
        // A scheme that is not the web's keeps what it can't read as %XX.
        Ok(url) if url.host_str().is_some_and(|host| host.contains('%')) => Err(ParseError::IdnaError),
        parsed => parsed,
    };
    parsed.map_err(|error| match error {
        // No tables of other scripts are in the program: Cargo.toml, idna_adapter.
        ParseError::IdnaError => Refusal::new(
            "a host name that is not as DNS has it: one with other letters than a-z is written in its ASCII form, \
             xn--…",
        ),
        error => Refusal::new(format!("not a URL: {error}")),
    })
}

/// A secret is never written in the file in clear, so not in a URL either.
fn no_user(url: &Url) -> Result<(), Refusal> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(());
    }
    Err(Refusal::new("a URL with a user or a password in it: these are no part of an address here"))
}

/// 127.0.0.0/8, ::1 or localhost.
fn on_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        // For a scheme that is not the web's, `Url` leaves an IPv4 address as it was typed.
        Some(Host::Domain(name)) => {
            name.eq_ignore_ascii_case("localhost")
                || name.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        }
        None => false,
    }
}
