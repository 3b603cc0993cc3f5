//! Scalars as Nexudus really sends them: numbers as text, flags as numbers, `null` for nothing
//! (Nexudus API notes, 6, trap 25).
//!
//! No message here repeats text that came: it may be a name or an address.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Any JSON value that is no list and no object.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar<'a> {
    Null,
    Flag(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'a, str>),
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Scalar<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, a flag, text or null")
            }
            fn visit_unit<E>(self) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Null)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Flag(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Int(value))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Scalar<'de>, E> {
                i64::try_from(value).map(Scalar::Int).map_err(|_| E::custom("a number too large"))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Float(value))
            }
            fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Text(Cow::Borrowed(value)))
            }
            fn visit_str<E>(self, value: &str) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Text(Cow::Owned(value.to_owned())))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl Scalar<'_> {
    /// A whole number, also as `3.0` or `"3"`; `None` for null and blank text.
    pub(super) fn int(&self) -> Result<Option<i64>, &'static str> {
        match self {
            Scalar::Null => Ok(None),
            Scalar::Flag(_) => Err("a flag where a number is due"),
            Scalar::Int(value) => Ok(Some(*value)),
            Scalar::Float(value) => whole(*value).map(Some),
            Scalar::Text(text) if text.trim().is_empty() => Ok(None),
            Scalar::Text(text) => match text.trim().parse::<i64>() {
                Ok(value) => Ok(Some(value)),
                Err(_) => match text.trim().parse::<f64>() {
                    Ok(value) => whole(value).map(Some),
                    Err(_) => Err("text that is no number"),
                },
            },
        }
    }

    /// An id: above 0. A relation to nothing comes as null, 0 or blank text.
    pub(super) fn id(&self) -> Result<Option<u64>, &'static str> {
        match self.int()? {
            None | Some(0) => Ok(None),
            Some(id) => u64::try_from(id).map(Some).map_err(|_| "an id below 0"),
        }
    }

    /// A flag, also as 0 and 1 or as text.
    pub(super) fn flag(&self) -> Result<Option<bool>, &'static str> {
        match self {
            Scalar::Null => Ok(None),
            Scalar::Flag(value) => Ok(Some(*value)),
            Scalar::Text(text) if text.trim().is_empty() => Ok(None),
            Scalar::Text(text) if text.trim().eq_ignore_ascii_case("true") => Ok(Some(true)),
            Scalar::Text(text) if text.trim().eq_ignore_ascii_case("false") => Ok(Some(false)),
            other => match other.int()? {
                Some(0) => Ok(Some(false)),
                Some(1) => Ok(Some(true)),
                _ => Err("a number that is no flag"),
            },
        }
    }

    /// Text; a number is taken as written.
    pub(super) fn text(self) -> Option<String> {
        match self {
            Scalar::Null => None,
            Scalar::Flag(value) => Some(value.to_string()),
            Scalar::Int(value) => Some(value.to_string()),
            Scalar::Float(value) => Some(value.to_string()),
            Scalar::Text(text) => Some(text.into_owned()),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "checked: whole and well within what an f64 holds exactly")]
fn whole(value: f64) -> Result<i64, &'static str> {
    if value.fract() == 0.0 && value.abs() < 9e15 { Ok(value as i64) } else { Err("a number that is not whole") }
}

/// An id that must be there.
pub(super) fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    opt_id(deserializer)?.ok_or_else(|| de::Error::custom("no id"))
}

/// The id of a relation that may be to nothing.
pub(super) fn opt_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Scalar::deserialize(deserializer)?.id().map_err(de::Error::custom)
}

/// A whole number that may be absent.
pub(super) fn opt_int<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Scalar::deserialize(deserializer)?.int().map_err(de::Error::custom)
}

/// The same, where it matters whether the field was there at all: `Some(None)` is a null.
pub(super) fn present_int<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<i64>>, D::Error> {
    opt_int(deserializer).map(Some)
}

/// A flag that must be there.
pub(super) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let flag = Scalar::deserialize(deserializer)?.flag().map_err(de::Error::custom)?;
    flag.ok_or_else(|| de::Error::custom("null where a flag is due"))
}

/// A flag whose absence means no.
pub(super) fn opt_flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Scalar::deserialize(deserializer)?.flag().map_err(de::Error::custom)?.unwrap_or(false))
}

/// A flag, where it is said.
pub(super) fn said_flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    Scalar::deserialize(deserializer)?.flag().map_err(de::Error::custom)
}

/// Text that may be absent.
pub(super) fn opt_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Scalar::deserialize(deserializer)?.text())
}

/// A value that helps but is not worth a row: whatever is wrong with it, it is absent.
pub(super) fn soft<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Scalar<'de>>, D::Error> {
    struct Soft;
    impl<'de> Visitor<'de> for Soft {
        type Value = Option<Scalar<'de>>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("anything")
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
            Ok(Some(Scalar::Flag(value)))
        }
        fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
            Ok(Some(Scalar::Int(value)))
        }
        fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
            Ok(i64::try_from(value).ok().map(Scalar::Int))
        }
        fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
            Ok(Some(Scalar::Float(value)))
        }
        fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
            Ok(Some(Scalar::Text(Cow::Borrowed(value))))
        }
        fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
            Ok(Some(Scalar::Text(Cow::Owned(value.to_owned()))))
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            while list.next_element::<IgnoredAny>()?.is_some() {}
            Ok(None)
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok(None)
        }
    }
    deserializer.deserialize_any(Soft)
}

/// Ids in any of the shapes in which they come: text with commas, with or without blanks; one number; a list of
/// numbers; a list of objects with an `Id` (Nexudus API notes, 3.8, 3.10 and 8, row 13). `Some`: the field was there.
pub(super) fn present_ids<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u64>>, D::Error> {
    struct Ids;
    impl<'de> Visitor<'de> for Ids {
        type Value = Vec<u64>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("ids as text with commas or as a list")
        }
        fn visit_unit<E>(self) -> Result<Vec<u64>, E> {
            Ok(Vec::new())
        }
        fn visit_u64<E>(self, value: u64) -> Result<Vec<u64>, E> {
            Ok(if value == 0 { vec![] } else { vec![value] })
        }
        fn visit_str<E: de::Error>(self, value: &str) -> Result<Vec<u64>, E> {
            let parts = value.split(',').map(str::trim).filter(|part| !part.is_empty());
            parts.map(|part| part.parse().map_err(|_| E::custom("an id in a list that is no number"))).collect()
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<u64>, A::Error> {
            let mut ids = Vec::new();
            while let Some(Member(id)) = list.next_element()? {
                ids.push(id);
            }
            Ok(ids)
        }
    }
    deserializer.deserialize_any(Ids).map(Some)
}

/// Seconds for which a token lives, where they can be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lifetime(pub Option<u64>);

impl<'de> Deserialize<'de> for Lifetime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = soft(deserializer)?.and_then(|scalar| scalar.int().ok().flatten());
        Ok(Lifetime(seconds.and_then(|seconds| u64::try_from(seconds).ok())))
    }
}

/// One member of a list of ids: a number, or an object with an `Id`.
struct Member(u64);

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Member;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id or an object with an Id")
            }
            fn visit_u64<E>(self, value: u64) -> Result<Member, E> {
                Ok(Member(value))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Member, E> {
                value.trim().parse().map(Member).map_err(|_| E::custom("an id in a list that is no number"))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Member, A::Error> {
                let mut found = None;
                while let Some(key) = map.next_key::<Cow<'_, str>>()? {
                    if key == "Id" {
                        found = map.next_value::<Scalar<'_>>()?.id().map_err(de::Error::custom)?;
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                found.map(Member).ok_or_else(|| de::Error::custom("a member without an Id"))
            }
        }
        deserializer.deserialize_any(Any)
    }
}
