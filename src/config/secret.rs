//! Secrets: named in the file, never written in it (promise 8).
//!
//! Resolved once, as the file is loaded. What is read here leaves only as a `SecretString`, which prints as nothing.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use toml::de::DeValue;

use super::Env;
use super::section::{Entry, Section};
use super::value::{Refusal, text};

/// The three forms of a secret.
pub(super) const FORMS: &str = "{ env = \"NAME\" }, { file = \"PATH\" } or { credential = \"NAME\" }";

/// The longest secret: keys and passwords are far shorter.
const SECRET_BYTES_MAX: u64 = 4096;
/// Where systemd says that it put the credentials of `LoadCredential`.
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// What secrets are resolved against.
pub(super) struct Vault<'a> {
    /// The directory of the configuration file.
    pub(super) base: &'a Path,
    pub(super) env: &'a dyn Env,
    /// Whether secrets are read; else only how they are named is looked at.
    pub(super) open: bool,
}

impl Vault<'_> {
    /// The secret that a key names; `None` where the key is not set, or with a complaint.
    pub(super) fn optional(&self, section: &Section<'_>, key: &str) -> Option<SecretString> {
        let entry = section.get(key)?;
        let result = match entry.value.get_ref() {
            DeValue::Table(_) => self.resolve(&entry),
            DeValue::String(_) => {
                let message = "a secret in clear: this file is no place for it";
                entry.refuse(Refusal::unshown(message, "a string (not shown)"), FORMS);
                None
            }
            other => {
                let instead = format!("a value of type {} (not shown)", other.type_str());
                entry.refuse(Refusal::unshown("wrong type: a secret is named by a table", instead), FORMS);
                None
            }
        };
        result.map(SecretString::from)
    }

    /// The same; that the key is missing is an error.
    pub(super) fn required(&self, section: &Section<'_>, key: &'static str) -> Option<SecretString> {
        if section.get(key).is_none() {
            section.missing(key, FORMS);
        }
        self.optional(section, key)
    }

    fn resolve(&self, entry: &Entry<'_>) -> Option<String> {
        let forms = ["env", "file", "credential"];
        let keys: Vec<&str> = entry.value.get_ref().as_table()?.keys().map(|key| key.get_ref().as_ref()).collect();
        let [form] = keys[..] else {
            entry.refuse(
                Refusal::unshown("a secret is named in exactly one way", format!("{} keys", keys.len())),
                FORMS,
            );
            return None;
        };
        let named = entry.inner(form)?;
        if !forms.contains(&form) {
            entry.refuse(Refusal::unshown("not one of the ways to name a secret", format!("`{form}`")), FORMS);
            return None;
        }
        let read = match text(named.value.get_ref()) {
            Ok("") => Err(Refusal::new("empty")),
            Ok(name) if form == "env" && !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => {
                // More likely the secret itself, put where its name belongs.
                Err(Refusal::unshown("not the name of an environment variable", "a string (not shown)"))
            }
            Ok(_) if !self.open => return Some(String::new()),
            Ok(name) => match form {
                "env" => self.variable(name),
                "file" => content(&self.base.join(name), true),
                _ => self.credential(name),
            }
            .and_then(checked)
            .map_err(Refusal::new),
            Err(refusal) => Err(Refusal { instead: Some("no string (not shown)".to_owned()), ..refusal }),
        };
        let allowed = match form {
            "env" => "the name of an environment variable that holds the secret",
            "file" => "the path of a file that holds the secret, and that only its owner and group may read",
            _ => "the name of a credential, as in LoadCredential=NAME:PATH of the systemd unit",
        };
        read.map_err(|refusal| named.refuse(refusal, allowed)).ok()
    }

    fn variable(&self, name: &str) -> Result<Vec<u8>, String> {
        match self.env.var(name) {
            Some(value) => Ok(value.into_encoded_bytes()),
            None => Err("this environment variable is not set".to_owned()),
        }
    }

    /// From the directory that systemd names; where it names none, as for a verb run from a shell, from `credentials/`
    /// beside the configuration file, where the packaged unit loads them from.
    fn credential(&self, name: &str) -> Result<Vec<u8>, String> {
        if name.contains('/') || name == "." || name == ".." {
            return Err("a credential is named, not given by its path".to_owned());
        }
        match self.env.var(CREDENTIALS_DIRECTORY).filter(|directory| !directory.is_empty()) {
            Some(directory) => {
                let given = content(&PathBuf::from(directory).join(name), false)?;
                // The packaged unit gives an empty one where it finds no file.
                if given.trim_ascii().is_empty() {
                    let usual = self.base.join("credentials").join(name);
                    return Err(format!(
                        "systemd gave an empty one: put the secret into {}, or where LoadCredential= of the unit says",
                        usual.display()
                    ));
                }
                Ok(given)
            }
            None => content(&self.base.join("credentials").join(name), true)
                .map_err(|why| format!("not started by systemd with credentials, and {why}")),
        }
    }
}

/// The secret in a file that only its owner and group may read, or what is wrong.
pub fn secret_in(path: &Path) -> Result<String, String> {
    content(path, true).and_then(checked)
}

/// Opens a file. `guarded`: refused where others than its owner and group have access to it.
pub(super) fn open(path: &Path, guarded: bool) -> Result<File, String> {
    let shown = path.display();
    let failed = |e: std::io::Error| format!("{shown} can't be read: {e}");
    // Asked before it is opened: opening a pipe would wait for its writer.
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(format!("{shown} is not a file"));
    }
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if guarded && mode & 0o007 != 0 {
        return Err(format!("{shown} has mode {mode:04o}, so others have access to it: run chmod 600 {shown}"));
    }
    Ok(file)
}

fn content(path: &Path, guarded: bool) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = open(path, guarded)?.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map(|_| bytes).map_err(|e| format!("{} can't be read: {e}", path.display()))
}

/// The secret without the line end that editors put behind it.
fn checked(bytes: Vec<u8>) -> Result<String, String> {
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > SECRET_BYTES_MAX {
        return Err(format!("the secret is longer than {SECRET_BYTES_MAX} bytes"));
    }
    let Ok(mut secret) = String::from_utf8(bytes) else { return Err("the secret is not UTF-8".to_owned()) };
    if secret.ends_with('\n') {
        secret.pop();
        if secret.ends_with('\r') {
            secret.pop();
        }
    }
    if secret.is_empty() {
        return Err("the secret is empty".to_owned());
    }
    if secret.contains(char::is_control) {
        return Err("the secret holds a line end or another control character".to_owned());
    }
    Ok(secret)
}
