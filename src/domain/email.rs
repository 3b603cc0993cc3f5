//! E-mail addresses: what ties a Nexudus customer to a Kisi user.

use serde::{Deserialize, Serialize};

/// An address without surrounding space and in lower case, so that two spellings of one address are equal (rules 1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Email(String);

impl Email {
    /// `None` where nothing but space is left, or no `@` stands between two parts: such a customer has no e-mail.
    pub fn parse(text: &str) -> Option<Email> {
        let text = text.trim().to_lowercase();
        let (local, host) = text.rsplit_once('@')?;
        (!local.is_empty() && !host.is_empty() && !text.contains(char::is_whitespace)).then_some(Email(text))
    }

    /// The address in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Email {
    fn from(text: String) -> Email {
        Email(text.trim().to_lowercase())
    }
}

impl From<Email> for String {
    fn from(email: Email) -> String {
        email.0
    }
}

impl std::fmt::Display for Email {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A pattern of `access.never_touch`: an address in which `*` stands for any run of characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmailPattern(String);

impl EmailPattern {
    /// A pattern; letter case and surrounding space do not count.
    pub fn new(pattern: &str) -> EmailPattern {
        EmailPattern(pattern.trim().to_lowercase())
    }

    /// Whether the pattern covers the whole address.
    pub fn matches(&self, email: &Email) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or("");
        let Some(mut rest) = email.0.strip_prefix(first) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email(text: &str) -> Email {
        Email::parse(text).expect("an address")
    }

    #[test]
    fn rule_1_case_and_surrounding_space_do_not_count() {
        assert_eq!(email("  Ada@Example.ORG "), email("ada@example.org"));
        assert_eq!(Email::parse("   "), None);
        assert_eq!(Email::parse("nobody"), None);
    }

    #[test]
    fn never_touch_patterns_cover_the_whole_address() {
        let staff = EmailPattern::new("*@staff.example");
        assert!(staff.matches(&email("ada@staff.example")));
        assert!(!staff.matches(&email("ada@staff.example.org")));
        assert!(EmailPattern::new("a*z@x.y").matches(&email("abcz@x.y")));
        assert!(!EmailPattern::new("ab*ba@x.y").matches(&email("aba@x.y")));
        assert!(EmailPattern::new("ada@x.y").matches(&email("ADA@x.y")));
        assert!(!EmailPattern::new("ada@x.y").matches(&email("1ada@x.y")));
    }
}
