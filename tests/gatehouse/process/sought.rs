//! The forms in which something that must be said nowhere might be said all the same.

use memchr::memmem;

/// A text as it is, percent-encoded, in hex, in Base64 wherever it begins, and as the bytes that `Debug` lists.
pub fn forms(text: &str) -> Vec<Vec<u8>> {
    let bytes = text.as_bytes();
    let each = |write: fn(u8) -> String| bytes.iter().map(|byte| write(*byte)).collect::<Vec<_>>();
    let percent = |byte: u8| match byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    let mut forms = vec![
        text.to_owned(),
        each(percent).concat(),
        each(|byte| format!("{byte:02x}")).concat(),
        each(|byte| format!("{byte:02X}")).concat(),
        each(|byte| byte.to_string()).join(", "),
    ];
    forms.extend((0..3).map(|skipped| base64(&bytes[skipped..])));
    forms.sort();
    forms.dedup();
    forms.into_iter().map(String::into_bytes).collect()
}

/// The digits of Base64 (RFC 4648, 4) that do not depend on what stands before or after.
fn base64(text: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.chunks_exact(3).flat_map(|three| {
        let word = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
        [18, 12, 6, 0].map(|by| char::from(DIGITS[(word >> by) as usize & 63]))
    });
    digits.collect()
}

/// Whether the text stands there in any form.
pub fn holds(place: &[u8], text: &str) -> bool {
    forms(text).iter().any(|form| memmem::find(place, form).is_some())
}

#[test]
fn a_text_is_found_in_every_form() {
    let text = "pass word/7";
    let shown = [
        "the pass word/7 is".to_owned(),
        "k=pass%20word%2F7&".to_owned(),
        "7061737320776f72642f37".to_owned(),
        format!("{:?}", text.as_bytes()),
        // `user:` and `a:` and `ab:` before it, in Base64.
        "dXNlcjpwYXNzIHdvcmQvNw==".to_owned(),
        "YTpwYXNzIHdvcmQvNw==".to_owned(),
        "YWI6cGFzcyB3b3JkLzc=".to_owned(),
    ];
    for place in shown {
        assert!(holds(place.as_bytes(), text), "{place}");
    }
    assert!(!holds(b"pass words", text));
}
