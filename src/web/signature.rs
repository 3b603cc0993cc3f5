//! Whether a webhook is signed with our secret, in every form that the clouds' papers leave open. Pure.
//!
//! What is compared is compared by ring, in a time that does not depend on where it differs; and every form is tried,
//! whichever was right.

use ring::hmac;

/// A signature's digits: 32 bytes in hex.
const DIGITS: usize = 64;

/// Whether Nexudus signed that body (Nexudus API notes, 4.1): over the body as it came or with `?` for each UTF-16 unit
/// that is not ASCII, each also as a list of one; the secret likewise.
pub fn nexudus(secret: &str, body: &[u8], header: &str) -> bool {
    let Some(signature) = hex(header.trim()) else { return false };
    let text = String::from_utf8_lossy(body);
    let bodies = [body.to_vec(), ascii(&text)];
    let lists = bodies.iter().map(|body| [b"[", body.as_slice(), b"]"].concat());
    let forms: Vec<Vec<u8>> = bodies.iter().cloned().chain(lists).collect();
    let mut right = false;
    for secret in [secret.as_bytes().to_vec(), ascii(secret)] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        for form in &forms {
            right |= hmac::verify(&key, form, &signature).is_ok();
        }
    }
    right
}

/// Whether Kisi signed that body: `sha256=` before the digits or not (Kisi API notes, 4.2).
pub fn kisi(secret: &str, body: &[u8], header: &str) -> bool {
    let header = header.trim();
    let digits = match header.get(..7) {
        Some(prefix) if prefix.eq_ignore_ascii_case("sha256=") => &header[7..],
        _ => header,
    };
    let Some(signature) = hex(digits) else { return false };
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body, &signature).is_ok()
}

/// As .NET's ASCII encoding: `?` for each UTF-16 unit that is none.
fn ascii(text: &str) -> Vec<u8> {
    text.encode_utf16().map(|unit| u8::try_from(unit).ok().filter(u8::is_ascii).unwrap_or(b'?')).collect()
}

/// The bytes of just as many digits as a signature has, in either case.
fn hex(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.as_bytes();
    if digits.len() != DIGITS {
        return None;
    }
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    digits.chunks_exact(2).map(|pair| Some(value(pair[0])? << 4 | value(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(key: &[u8], message: &[u8]) -> String {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
        tag.as_ref().iter().map(|byte| format!("{byte:02X}")).collect()
    }

    const NAME: &str = r#"{"FullName":"José 🚪"}"#;

    #[test]
    fn contract_5_every_form_in_which_nexudus_may_sign_is_right_and_nothing_else() {
        let secret = "größe";
        let replaced = r#"{"FullName":"Jos? ??"}"#;
        let forms = [NAME.to_owned(), replaced.to_owned(), format!("[{NAME}]"), format!("[{replaced}]")];
        for key in [secret.as_bytes(), b"gr??e"] {
            for form in &forms {
                let signature = signed(key, form.as_bytes());
                assert!(nexudus(secret, NAME.as_bytes(), &signature), "{form}");
                assert!(nexudus(secret, NAME.as_bytes(), &signature.to_lowercase()), "{form}, lower case");
                assert!(!nexudus(secret, b"{}", &signature), "another body");
                assert!(!nexudus("another", NAME.as_bytes(), &signature), "another secret");
                assert!(!nexudus(secret, NAME.as_bytes(), &signature[..62]), "cut short");
                assert!(!nexudus(secret, NAME.as_bytes(), &format!("{signature}00")), "drawn out");
            }
        }
        for wrong in ["", "sha256=", &"0".repeat(64), &"g".repeat(64), &"é".repeat(32)] {
            assert!(!nexudus(secret, NAME.as_bytes(), wrong), "{wrong}");
        }
    }

    #[test]
    fn contract_5_both_forms_in_which_kisi_may_sign_are_right_and_nothing_else() {
        let signature = signed(b"key", NAME.as_bytes());
        for form in [signature.clone(), signature.to_lowercase(), format!("sha256={}", signature.to_lowercase())] {
            assert!(kisi("key", NAME.as_bytes(), &form), "{form}");
            assert!(!kisi("key2", NAME.as_bytes(), &form) && !kisi("key", b"", &form), "{form}");
        }
        for wrong in [format!("sha1={signature}"), format!("sha256=sha256={signature}"), String::new(), "ë".repeat(4)]
        {
            assert!(!kisi("key", NAME.as_bytes(), &wrong), "{wrong}");
        }
        // Known from RFC 4231, test case 2.
        let known = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert!(kisi("Jefe", b"what do ya want for nothing?", known));
    }
}
