//! Webhooks: a signature is right only where it is the MAC of one of the forms that the papers list.

use gatehouse::web::signature;
use ring::hmac;

const SECRETS: [&str; 2] = ["hook-secret", "größe-€"];

fn mac(key: &[u8], message: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Written otherwise than in the program: character by character.
fn ascii(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for c in text.chars() {
        match c.is_ascii() {
            true => out.push(c as u8),
            false => out.extend(vec![b'?'; c.len_utf16()]),
        }
    }
    out
}

/// The first line is the header, the rest the body.
pub fn check(data: &[u8]) {
    let split = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (header, body) = (&data[..split], data.get(split + 1..).unwrap_or_default());
    let Ok(header) = std::str::from_utf8(header) else { return };
    for secret in SECRETS {
        let plain = ascii(&String::from_utf8_lossy(body));
        let mut right = Vec::new();
        for key in [secret.as_bytes(), &ascii(secret)] {
            for form in [body, &plain] {
                right.push(mac(key, form));
                right.push(mac(key, &[b"[", form, b"]"].concat()));
            }
        }
        let given = header.trim().to_ascii_lowercase();
        assert_eq!(signature::nexudus(secret, body, header), right.contains(&given), "{header:?} {body:?}");
        for form in &right {
            assert!(signature::nexudus(secret, body, &form.to_uppercase()), "{body:?}");
        }
        let kisis = mac(secret.as_bytes(), body);
        let given = given.strip_prefix("sha256=").unwrap_or(&given);
        assert_eq!(signature::kisi(secret, body, header), given == kisis, "{header:?} {body:?}");
        assert!(signature::kisi(secret, body, &format!("sha256={kisis}")));
    }
}
