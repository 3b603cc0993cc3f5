//! Promise 8: no secret in an error, a warning, a `Debug` or JSON, however the file is mistaken.

use std::path::Path;

use secrecy::ExposeSecret;

use super::super::{Config, ConfigErrors};
use super::good::chmod;
use super::{LEAST, Variables, parse, with};

const SECRET: &str = "hunter2";

fn silent(text: &str, errors: &ConfigErrors) {
    let json = serde_json::to_string(errors).expect("JSON");
    for shown in [errors.to_string(), format!("{errors:?}"), json] {
        assert!(!shown.contains(SECRET), "of\n{text}\nthis shows the secret:\n{shown}");
    }
}

#[test]
fn promise_8_a_secret_in_clear_is_refused_and_never_shown() {
    let of_nexudus = |line: &str| LEAST.replace("password = { env = 'NEXUDUS' }", line);
    let first = |line: &str| format!("{line}\n{LEAST}");
    let mistaken = [
        of_nexudus("password = 'hunter2'"),
        of_nexudus("password = \"\"\"\nhunter2\"\"\""),
        of_nexudus("password = ['hunter2']"),
        of_nexudus("password = { clear = 'hunter2' }"),
        of_nexudus("password = { env = 'NEXUDUS', file = 'hunter2' }"),
        of_nexudus("password = { env = 'hunter2!' }"),
        of_nexudus("password = { env = ['hunter2'] }"),
        of_nexudus("pasword = 'hunter2'"),
        of_nexudus("password.text.is = 'hunter2'"),
        of_nexudus("password = 'hunter2"),
        of_nexudus("password = hunter2"),
        of_nexudus("password = \"\"\"hunter2"),
        of_nexudus("passwort.nexudus = \"hunter2"),
        of_nexudus("password 'hunter2'"),
        of_nexudus("password = { env = 'NEXUDUS' }\npassword = 'hunter2'"),
        of_nexudus("url = 'https://gateway:hunter2@spaces.nexudus.com/api'\npassword = { env = 'NEXUDUS' }"),
        of_nexudus("url = 'gateway:hunter2@spaces.nexudus.com:x/api'\npassword = { env = 'NEXUDUS' }"),
        first("mqtt = { password = 'hunter2', people = 'all' }"),
        first("mqtt = { pass = { word = 'hunter2' }, people = 'all' }"),
        first("mqtt = { people = 'all', password = 'hunter2'"),
        with("[mqtt]\nurl = 'mqtt://gateway:hunter2@broker'\n"),
        with("[mqtt]\nurl = 'mqtt://broker'\npassword = 'hunter2'\n"),
        with("[alert]\nurl = 'http://hooks.example/hunter2'\n"),
        with("[alert]\nurl = 'hooks.example/hunter2'\n"),
        first("alert = { url = 'https://hooks.example/hunter2', after = 5 }"),
        with("[hooks]\nkisi = 'hunter2'\n"),
        first("hooks = 'hunter2'"),
        with("[[hooks]]\nkisi_secret = 'hunter2'\n"),
    ];
    for text in mistaken {
        let errors = parse(&text).expect_err(&text);
        silent(&text, &errors);
    }
    let clear = parse(&of_nexudus("password = 'hunter2'")).expect_err("in clear");
    let [error] = clear.errors() else { panic!("{clear}") };
    assert_eq!((error.line, error.column, error.key.as_str()), (7, 12, "nexudus.password"));
    for form in ["{ env = \"NAME\" }", "{ file = \"PATH\" }", "{ credential = \"NAME\" }"] {
        assert!(error.allowed.contains(form), "{}", error.allowed);
    }
}

#[test]
fn promise_8_what_is_loaded_prints_without_its_secrets() {
    let text = with("[alert]\nurl = 'https://hooks.example/hunter2'\n[hooks]\nkisi_secret = { env = 'KISI' }\n");
    let config = parse(&text).expect("right");
    let shown = format!("{config:?} {config:#?} {:?}", config.warnings);
    for secret in [SECRET, "correct horse", "battery staple"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert_eq!(config.hooks.kisi_secret.expect("set").expose_secret(), "battery staple");
}

/// A secret file or variable that can't serve: what is wrong, and in which place.
#[test]
fn a_secret_that_can_not_be_had_is_an_error_at_its_name() {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, bytes: &[u8], mode: u32| {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        chmod(&path, mode);
    };
    write("open", b"hunter2", 0o644);
    write("empty", b"\n", 0o600);
    write("latin", b"hunter2\xe9", 0o600);
    write("lines", b"hunter2\nhunter2\n", 0o600);
    write("long", &[b'x'; 5000], 0o600);
    write("group", b"hunter2\n", 0o640);
    std::fs::create_dir(directory.path().join("credentials")).expect("made");
    write("credentials/kept", b"hunter2", 0o600);
    let env = Variables::usual().with("EMPTY", "");
    let cases = [
        ("{ env = 'NONE' }", "api_key.env", 19, "not set"),
        ("{ env = 'EMPTY' }", "api_key.env", 19, "empty"),
        ("{ env = '' }", "api_key.env", 19, "empty"),
        ("{ file = 'none' }", "api_key.file", 20, "can't be read"),
        ("{ file = '.' }", "api_key.file", 20, "not a file"),
        ("{ file = 'open' }", "api_key.file", 20, "run chmod 600"),
        ("{ file = 'empty' }", "api_key.file", 20, "empty"),
        ("{ file = 'latin' }", "api_key.file", 20, "not UTF-8"),
        ("{ file = 'lines' }", "api_key.file", 20, "line end"),
        ("{ file = 'long' }", "api_key.file", 20, "longer than"),
        ("{ credential = 'none' }", "api_key.credential", 26, "not started by systemd with credentials"),
        ("{ credential = '../open' }", "api_key.credential", 26, "named, not given by its path"),
        ("{ credentials = 'none' }", "api_key", 11, "not one of the ways"),
        ("{}", "api_key", 11, "exactly one way"),
        ("7", "api_key", 11, "wrong type"),
    ];
    let load = |form: &str| {
        let text = LEAST.replace("{ env = 'KISI' }", form);
        (Config::parse(&text, &directory.path().join("gatehouse.toml"), &env), text)
    };
    for (form, key, column, message) in cases {
        let (result, text) = load(form);
        let errors = result.expect_err(form);
        silent(&text, &errors);
        let [error] = errors.errors() else { panic!("{form}: {errors}") };
        assert_eq!((error.line, error.column), (9, column), "{form}: {error}");
        assert_eq!(error.key, format!("kisi.{key}"));
        assert!(error.message.contains(message), "{form}: {}", error.message);
    }
    for form in ["{ file = 'group' }", "{ credential = 'kept' }"] {
        assert_eq!(load(form).0.expect(form).kisi.api_key.expose_secret(), SECRET);
    }
}

/// As the packaged unit gives it where the file is missing.
#[test]
fn an_empty_credential_names_the_file_to_fill() {
    let given = tempfile::tempdir().expect("a directory");
    std::fs::write(given.path().join("kisi-api-key"), "\n").expect("written");
    let env = Variables::usual().with("CREDENTIALS_DIRECTORY", given.path());
    let text = LEAST.replace("{ env = 'KISI' }", "{ credential = 'kisi-api-key' }");
    let errors = Config::parse(&text, Path::new("/etc/gatehouse/gatehouse.toml"), &env).expect_err("empty");
    let [error] = errors.errors() else { panic!("{errors}") };
    assert!(error.message.contains("/etc/gatehouse/credentials/kisi-api-key"), "{}", error.message);
}

#[cfg(unix)]
#[test]
fn a_secret_that_is_no_utf_8_is_refused() {
    let bytes: std::ffi::OsString = std::os::unix::ffi::OsStringExt::from_vec(vec![b'a', 0xff]);
    let env = Variables::usual().with("KISI", bytes);
    let errors = Config::parse(LEAST, Path::new("gatehouse.toml"), &env).expect_err("not UTF-8");
    assert!(errors.to_string().contains("the secret is not UTF-8"), "{errors}");
}

#[test]
fn the_files_of_tls_must_be_there_and_the_key_is_for_no_stranger() {
    let directory = tempfile::tempdir().expect("a directory");
    for name in ["client.pem", "client.key"] {
        std::fs::write(directory.path().join(name), "PEM").expect("written");
        chmod(&directory.path().join(name), 0o644);
    }
    let text = with(
        "[mqtt]\nurl = 'mqtts://broker'\nca_file = 'ca.pem'\nclient_cert = 'client.pem'\nclient_key = 'client.key'\n",
    );
    let errors = Config::parse(&text, &directory.path().join("gatehouse.toml"), &Variables::usual()).expect_err("no");
    let keys: Vec<&str> = errors.errors().iter().map(|error| error.key.as_str()).collect();
    assert_eq!(keys, ["mqtt.ca_file", "mqtt.client_key"], "{errors}");
}
