//! Promise 8: what was planted as a secret is found nowhere.

use super::{Case, Findings};

/// Promise 8.
pub(super) fn stay_secret(case: &Case<'_>) -> Findings {
    let mut found = Findings::default();
    let evidence = case.evidence;
    let mut bytes = 0;
    for (name, secret) in evidence.canaries {
        let forms = [secret.as_bytes().to_vec(), base64_within(secret.as_bytes())];
        let mut seek = |place: &str, haystack: &[u8]| {
            bytes += haystack.len();
            found.expect(!forms.iter().any(|form| contains(haystack, form)), || format!("{name} was found in {place}"));
        };
        for left in evidence.left {
            seek(&left.name, &left.bytes);
        }
        for message in evidence.published {
            seek(&message.topic, message.topic.as_bytes());
            seek(&message.topic, &message.payload);
        }
    }
    if evidence.left.is_empty() || evidence.published.is_empty() || evidence.canaries.is_empty() {
        // Looking through nothing shows nothing.
        found.checked = 0;
    }
    found.note(format!("{} secrets sought in {} kB", evidence.canaries.len(), bytes / 1_000));
    found
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    let Some((first, rest)) = needle.split_first() else { return false };
    let mut from = 0;
    while let Some(at) = haystack[from..].iter().position(|byte| byte == first) {
        let at = from + at;
        if haystack[at + 1..].starts_with(rest) {
            return true;
        }
        from = at + 1;
    }
    false
}

/// Those digits of a text's Base64 (RFC 4648, 4) that don't depend on what stands before or after it, where it begins
/// at a multiple of three bytes.
fn base64_within(text: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.chunks_exact(3).flat_map(|three| {
        let word = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
        [18, 12, 6, 0].map(|by| DIGITS[(word >> by) as usize & 63])
    });
    digits.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_wherever_it_stands() {
        assert!(contains(b"aab", b"ab") && contains(b"xyz", b"z") && !contains(b"xyz", b"zz"));
        assert_eq!(base64_within(b"canary!"), b"Y2FuYXJ5");
    }
}
