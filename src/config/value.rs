//! What each kind of value may be: one parser a kind, with the words that say what is allowed.
//!
//! Pure: a value of the tree in, a typed value or a refusal out. The places of errors are the reader's business.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use toml::de::DeValue;

use super::keys::near_miss;
use crate::domain::{EmailPattern, Zone};

/// A kind of value: what it may be, and how it is read.
pub(super) struct Kind<T: 'static> {
    pub(super) allowed: &'static str,
    pub(super) parse: fn(&DeValue<'_>) -> Result<T, Refusal>,
}

/// Why a value is none of its kind.
pub(super) struct Refusal {
    pub(super) message: String,
    /// What to say was found, instead of the value itself, which then must not be shown.
    pub(super) instead: Option<String>,
}

impl Refusal {
    pub(super) fn new(message: impl Into<String>) -> Refusal {
        Refusal { message: message.into(), instead: None }
    }

    /// A refusal of what may be or hold a secret.
    pub(super) fn unshown(message: impl Into<String>, instead: impl Into<String>) -> Refusal {
        Refusal { message: message.into(), instead: Some(instead.into()) }
    }
}

/// The longest duration: longer ones are slips, and arithmetic on dates has an end.
const DAYS_MAX: u64 = 3650;
/// The longest text: e-mails, names and topic prefixes are far shorter.
const TEXT_BYTES_MAX: usize = 256;

pub(super) const SITE_ID: Kind<String> = Kind {
    allowed: "1 to 64 of a-z, 0-9 and -, as \"harbour-house\"",
    parse: |value| {
        let id = text(value)?;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        match id {
            "" => Err(Refusal::new("empty")),
            _ if id.len() > 64 => Err(Refusal::new("longer than 64 characters")),
            _ if !id.chars().all(plain) => Err(Refusal::new("a character that may not stand in a site's id")),
            _ => Ok(id.to_owned()),
        }
    },
};

pub(super) const ZONE: Kind<Zone> = Kind {
    allowed: "an IANA name that is in this system's tzdata, as \"Europe/London\"",
    parse: |value| Zone::named(text(value)?).map_err(|e| Refusal::new(e.to_string())),
};

pub(super) const TEXT: Kind<String> = Kind {
    allowed: "a text of 1 to 256 bytes without control characters",
    parse: |value| match text(value)? {
        "" => Err(Refusal::new("empty")),
        text if text.len() > TEXT_BYTES_MAX => Err(Refusal::new("longer than 256 bytes")),
        text if text.contains(char::is_control) => Err(Refusal::new("a control character in it")),
        text => Ok(text.to_owned()),
    },
};

pub(super) const TOPIC: Kind<String> = Kind {
    allowed: "an MQTT topic of 1 to 256 bytes without #, + or NUL, that neither begins nor ends with / nor begins with $",
    parse: |value| {
        let topic = (TEXT.parse)(value)?;
        let wild = |c: char| c == '#' || c == '+';
        match topic.as_str() {
            topic if topic.contains(wild) => Err(Refusal::new("a wildcard in a topic that is published to")),
            topic if topic.starts_with('/') || topic.ends_with('/') => Err(Refusal::new("a / at its edge")),
            topic if topic.starts_with('$') => Err(Refusal::new("topics that begin with $ are the broker's own")),
            _ => Ok(topic),
        }
    },
};

pub(super) const PATTERN: Kind<EmailPattern> = Kind {
    allowed: "an e-mail in which * stands for any characters, as \"*@staff.example\"",
    parse: |value| {
        let pattern = (TEXT.parse)(value)?;
        let could_match = (pattern.contains('@') || pattern.contains('*')) && !pattern.trim().contains(' ');
        could_match.then(|| EmailPattern::new(&pattern)).ok_or_else(|| Refusal::new("no e-mail could match it"))
    },
};

pub(super) const PATH: Kind<PathBuf> = Kind {
    allowed: "a path; a relative one starts at this file's directory",
    parse: |value| match text(value)? {
        "" => Err(Refusal::new("empty")),
        path if path.contains('\0') => Err(Refusal::new("a NUL in a path")),
        path => Ok(PathBuf::from(path)),
    },
};

pub(super) const LISTEN: Kind<Option<SocketAddr>> = Kind {
    allowed: "an address and a port, as \"127.0.0.1:8480\" or \"[::1]:8480\", or \"off\"",
    parse: |value| match text(value)? {
        "off" => Ok(None),
        address => address.parse().map(Some).map_err(|_| Refusal::new("neither an address with a port nor \"off\"")),
    },
};

pub(super) const BOOL: Kind<bool> = Kind {
    allowed: "true or false, without quotes",
    parse: |value| value.as_bool().ok_or_else(|| Refusal::new("wrong type")),
};

pub(super) const ID: Kind<u64> = Kind {
    allowed: "a whole number from 1, without quotes, as the cloud's own dashboard and API show it",
    parse: |value| integer(value, 1, i64::MAX.cast_unsigned()),
};

pub(super) const COUNT: Kind<u32> = Kind {
    allowed: "a whole number from 0 to 4294967295",
    parse: |value| integer(value, 0, u32::MAX.into()).map(|count| u32::try_from(count).unwrap_or(u32::MAX)),
};

pub(super) const PER_HOUR: Kind<u32> = Kind {
    allowed: "a whole number from 1 to 5000, which is Nexudus' own limit",
    parse: |value| integer(value, 1, 5000).map(|count| u32::try_from(count).unwrap_or(5000)),
};

pub(super) const PER_SECOND: Kind<f64> = Kind {
    allowed: "a number above 0 and up to 5, which is Kisi's own limit",
    parse: |value| match number(value)? {
        rate if rate > 0.0 && rate <= 5.0 => Ok(rate),
        _ => Err(Refusal::new("out of range")),
    },
};

pub(super) const SHARE: Kind<f64> = Kind {
    allowed: "a number from 0.0 to 1.0; 1.0 never holds by share",
    parse: |value| match number(value)? {
        share if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err(Refusal::new("out of range")),
    },
};

/// How often something is asked for, or how long it is kept: never zero.
pub(super) const PACE: Kind<Duration> = Kind {
    allowed: "a duration from \"1s\" to \"3650d\": a whole number with s, m, h or d, as \"90s\", \"15m\", \"36h\", \"2d\"",
    parse: |value| match duration(value)? {
        Duration::ZERO => Err(Refusal::new("shorter than 1s")),
        pace => Ok(pace),
    },
};

/// A span of time that may be none.
pub(super) const SPAN: Kind<Duration> = Kind {
    allowed: "a duration from \"0s\" to \"3650d\": a whole number with s, m, h or d, as \"90s\", \"15m\", \"36h\", \"2d\"",
    parse: duration,
};

/// The words that a key may be set to, and what each means: for enums that have a fixed spelling in the file.
pub(super) trait Choice: Copy + 'static {
    const WORDS: &'static [(&'static str, Self)];
    const ALLOWED: &'static str;

    fn kind() -> Kind<Self> {
        Kind { allowed: Self::ALLOWED, parse: choose::<Self> }
    }
}

fn choose<T: Choice>(value: &DeValue<'_>) -> Result<T, Refusal> {
    let typed = text(value)?;
    if let Some((_, choice)) = T::WORDS.iter().find(|(word, _)| *word == typed) {
        return Ok(*choice);
    }
    let words: Vec<&str> = T::WORDS.iter().map(|(word, _)| *word).collect();
    Err(Refusal::new(match near_miss(typed, &words) {
        Some(meant) => format!("none of the words that are allowed; did you mean \"{meant}\"?"),
        None => "none of the words that are allowed".to_owned(),
    }))
}

/// A string, or the refusal of another type.
pub(super) fn text<'v>(value: &'v DeValue<'_>) -> Result<&'v str, Refusal> {
    value.as_str().ok_or_else(|| Refusal::new("wrong type: a string in quotes is needed"))
}

fn integer(value: &DeValue<'_>, min: u64, max: u64) -> Result<u64, Refusal> {
    let integer = value.as_integer().ok_or_else(|| Refusal::new("wrong type: a whole number is needed"))?;
    match i128::from_str_radix(integer.as_str(), integer.radix()).map(u64::try_from) {
        Ok(Ok(number)) if (min..=max).contains(&number) => Ok(number),
        _ => Err(Refusal::new("out of range")),
    }
}

fn number(value: &DeValue<'_>) -> Result<f64, Refusal> {
    let digits = match value {
        DeValue::Integer(_) => return integer(value, 0, 1 << 32).map(|whole| whole as f64),
        DeValue::Float(float) => float.as_str(),
        _ => return Err(Refusal::new("wrong type: a number is needed")),
    };
    f64::from_str(digits).map_err(|_| Refusal::new("not a number"))
}

fn duration(value: &DeValue<'_>) -> Result<Duration, Refusal> {
    let typed = text(value)?;
    let wrong = || Refusal::new("not a duration");
    let unit = typed.chars().next_back().ok_or_else(|| Refusal::new("empty"))?;
    let digits = &typed[..typed.len() - unit.len_utf8()];
    let seconds_each: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        '0'..='9' => return Err(Refusal::new("a duration without its unit")),
        _ => return Err(wrong()),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        let numbers: Vec<&str> = typed.split_terminator(|c| "smhd".contains(c)).collect();
        let joined = numbers.len() > 1 && numbers.iter().all(|number| number.parse::<u64>().is_ok());
        return Err(if joined { Refusal::new("a duration of more than one unit") } else { wrong() });
    }
    let seconds = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(seconds_each));
    match seconds {
        Some(seconds) if seconds <= DAYS_MAX * 86_400 => Ok(Duration::from_secs(seconds)),
        _ => Err(Refusal::new("longer than ten years")),
    }
}

/// A value in words, short: only for values that may be shown.
pub(super) fn describe(value: &DeValue<'_>) -> String {
    let short = |what: &str, shown: &dyn Display| {
        let shown = shown.to_string();
        match shown.char_indices().nth(80) {
            Some((cut, _)) => format!("{what}{}…", &shown[..cut]),
            None => format!("{what}{shown}"),
        }
    };
    match value {
        DeValue::String(text) => short("the string ", &format!("{text:?}")),
        DeValue::Integer(number) => short("the number ", number),
        DeValue::Float(number) => short("the number ", number),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(time) => short("the date or time ", time),
        DeValue::Array(_) => "an array".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
