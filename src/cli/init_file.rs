//! What `init` writes: the configuration, and beside it the credentials that it names.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::ask::Trouble;
use crate::config::{Config, Env};

/// The configuration is for the group too: whoever may ask the gateway reads it.
const CONFIG_MODE: u32 = 0o640;
/// Credentials are their owner's alone.
const SECRET_MODE: u32 = 0o600;
const SECRETS_MODE: u32 = 0o700;
/// What packages put where the configuration goes. As it came, nobody wrote it.
const SAMPLE: &str = include_str!("../../config/gatehouse.toml");
/// Where credentials are looked for beside the configuration.
const SECRETS: &str = "credentials";

/// What was answered so far. What was not is taken as something right, so that each answer is judged as it comes.
#[derive(Clone, Default)]
pub struct Answers {
    /// `site.id`.
    pub site: String,
    /// `site.timezone`.
    pub timezone: String,
    /// `nexudus.url`.
    pub nexudus_url: Option<String>,
    /// `nexudus.location`.
    pub location: u64,
    /// `nexudus.username`.
    pub nexudus_username: String,
    /// The password.
    pub nexudus_password: String,
    /// `kisi.url`.
    pub kisi_url: Option<String>,
    /// The key.
    pub kisi_api_key: String,
    /// `kisi.place`.
    pub place: Option<u64>,
    /// `mqtt.url`.
    pub mqtt_url: String,
    /// The user at the broker, and the password.
    pub mqtt: Option<(String, String)>,
    /// `store.directory`.
    pub store: Option<PathBuf>,
}

/// The secrets by the names of their variables.
struct Secrets<'a>(&'a Answers);

impl Env for Secrets<'_> {
    fn var(&self, name: &str) -> Option<OsString> {
        let secrets = self.0.secrets();
        let secret = secrets.iter().find(|(other, _)| variable(other) == name).map(|(_, secret)| *secret);
        // One that was not answered yet is no fault of what was.
        secret.map(|secret| if secret.is_empty() { "-".into() } else { secret.into() })
    }
}

fn variable(name: &str) -> String {
    name.replace('-', "_")
}

impl Answers {
    /// The credentials: their names and what they hold.
    fn secrets(&self) -> Vec<(&'static str, &str)> {
        let mut secrets =
            vec![("nexudus-password", self.nexudus_password.as_str()), ("kisi-api-key", self.kisi_api_key.as_str())];
        secrets.extend(self.mqtt.iter().map(|(_, password)| ("mqtt-password", password.as_str())));
        secrets
    }

    /// The answers as the program reads a configuration, or what is wrong with them.
    pub fn config(&self, path: &Path) -> Result<Config, Trouble> {
        let text = self.toml(|name| format!("{{ env = \"{}\" }}", variable(name)));
        Config::parse(&text, path, &Secrets(self)).map_err(|errors| {
            let told: Vec<String> = errors
                .errors()
                .iter()
                .map(|error| {
                    format!("{}: {}; found {}, allowed is {}", error.key, error.message, error.found, error.allowed)
                })
                .collect();
            Trouble::failed(told.join("\n"))
        })
    }

    /// The file. `secret` says how one is named.
    fn toml(&self, secret: impl Fn(&str) -> String) -> String {
        let or = |text: &str, default: &str| if text.is_empty() { default.to_owned() } else { text.to_owned() };
        let mut out = String::from(
            "# Written by 'gatehouse init'. Every key, with its default and its range, is in the sample file and in\n\
             # 'gatehouse schema config'.\n\n",
        );
        // Writing to a string can't fail.
        let _ = writeln!(out, "[site]\nid = {}", quoted(&or(&self.site, "site")));
        let _ = writeln!(out, "timezone = {}\n", quoted(&or(&self.timezone, "UTC")));
        out.push_str("[nexudus]\n");
        if let Some(url) = &self.nexudus_url {
            let _ = writeln!(out, "url = {}", quoted(url));
        }
        let _ = writeln!(out, "location = {}", self.location.max(1));
        let _ = writeln!(out, "username = {}", quoted(&or(&self.nexudus_username, "nobody@example.org")));
        let _ = writeln!(out, "password = {}\n\n[kisi]", secret("nexudus-password"));
        if let Some(url) = &self.kisi_url {
            let _ = writeln!(out, "url = {}", quoted(url));
        }
        let _ = writeln!(out, "api_key = {}", secret("kisi-api-key"));
        if let Some(place) = self.place {
            let _ = writeln!(out, "place = {place}");
        }
        out.push_str(
            "\n[access]\n# Reads, decides and publishes, and changes nothing in Kisi until this is true.\nwrite = false\n",
        );
        let _ = writeln!(out, "\n[mqtt]\nurl = {}", quoted(&or(&self.mqtt_url, "mqtt://127.0.0.1:1883")));
        if let Some((user, _)) = &self.mqtt {
            let _ = writeln!(out, "username = {}\npassword = {}", quoted(user), secret("mqtt-password"));
        }
        if let Some(store) = &self.store {
            let _ = writeln!(out, "\n[store]\ndirectory = {}", quoted(&store.display().to_string()));
        }
        out.push_str("\n# Links: 'gatehouse links import' and 'gatehouse links suggest' print them ready to paste.\n");
        out
    }
}

/// A text as TOML has it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn secrets_beside(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).join(SECRETS)
}

/// Whether that is a package's sample, unchanged.
fn is_sample(path: &Path) -> bool {
    fs::read(path).is_ok_and(|there| there == SAMPLE.as_bytes())
}

/// Nothing of what will be written is there, but for a package's sample.
pub fn free(path: &Path) -> Result<(), Trouble> {
    let secrets = ["nexudus-password", "kisi-api-key", "mqtt-password"].map(|name| secrets_beside(path).join(name));
    for there in [path.to_owned()].into_iter().chain(secrets) {
        if fs::symlink_metadata(&there).is_ok() && !is_sample(&there) {
            return Err(Trouble::failed(format!(
                "{} is there already and is left alone: move it away, or name another file with --config",
                there.display()
            )));
        }
    }
    Ok(())
}

/// Writes everything, or nothing. What was written, for people.
pub fn write(path: &Path, answers: &Answers) -> Result<String, Trouble> {
    let directory = secrets_beside(path);
    let mut made: Vec<PathBuf> = Vec::new();
    let done = (|| {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        for (directory, mode) in [(parent, 0o750), (Some(directory.as_path()), SECRETS_MODE)] {
            let Some(directory) = directory else { continue };
            let built = DirBuilder::new().recursive(true).mode(mode).create(directory);
            built.map_err(|error| (directory.to_owned(), error))?;
        }
        for (name, secret) in answers.secrets() {
            new_file(&directory.join(name), SECRET_MODE, secret, &mut made)?;
        }
        let text = answers.toml(|name| format!("{{ credential = \"{name}\" }}"));
        if !is_sample(path) {
            new_file(path, CONFIG_MODE, &text, &mut made)?;
        } else {
            let new = path.with_extension("toml.new");
            new_file(&new, CONFIG_MODE, &text, &mut made)?;
            fs::rename(&new, path).map_err(|error| (path.to_owned(), error))?;
            made.pop();
            made.push(path.to_owned());
        }
        give_to_group(path);
        Ok(())
    })();
    if let Err((failed, error)) = done {
        for file in made {
            let _ = fs::remove_file(file);
        }
        let failed = failed.display();
        return Err(Trouble::failed(format!("{failed} could not be written: {error}; nothing is written")));
    }
    let files: String = made.iter().map(|file| format!("Written: {}\n", file.display())).collect();
    Ok(files)
}

/// The service runs as another user, and reads the configuration by its group: that of the directory. Whoever may not
/// give it away runs the service too.
fn give_to_group(path: &Path) {
    let group = path.parent().and_then(|directory| directory.metadata().ok()).map(|directory| directory.gid());
    if let Err(error) = std::os::unix::fs::chown(path, None, group) {
        tracing::debug!(%error, path = %path.display(), "the configuration keeps its group");
    }
}

fn new_file(path: &Path, mode: u32, text: &str, made: &mut Vec<PathBuf>) -> Result<(), (PathBuf, io::Error)> {
    let written = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).and_then(|mut file| {
        made.push(path.to_owned());
        // Whatever the umask says.
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| (path.to_owned(), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As after `apt install`: the sample is there, in a directory of the service's group. That the group follows is
    /// proved only where root runs the tests.
    #[test]
    fn the_sample_of_a_package_gives_way_and_a_changed_one_does_not() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("gatehouse.toml");
        let _ = std::os::unix::fs::chown(directory.path(), None, Some(64_002));
        let group = directory.path().metadata().expect("there").gid();
        fs::write(&path, format!("{SAMPLE}# mine\n")).expect("written");
        assert!(free(&path).expect_err("somebody's").text.contains("is there already"));
        fs::write(&path, SAMPLE).expect("written");
        free(&path).expect("nobody's");
        let answers = Answers { site: "harbour-house".to_owned(), ..Answers::default() };
        write(&path, &answers).expect("written");
        assert!(fs::read_to_string(&path).expect("read").contains("id = \"harbour-house\""));
        let file = path.metadata().expect("there");
        assert_eq!((file.gid(), file.permissions().mode() & 0o777), (group, 0o640));
        assert_eq!(fs::read_dir(directory.path()).expect("read").count(), 2, "the file and its credentials");
        assert!(free(&path).is_err());
    }

    /// What is asked for first is judged before what comes later is known; and quotes in an answer stay in it.
    #[test]
    fn each_answer_is_judged_as_it_comes() {
        let path = Path::new("/nowhere/gatehouse.toml");
        let good = Answers { site: "harbour-house".to_owned(), ..Answers::default() };
        assert!(good.config(path).is_ok());
        let bad = Answers { site: "Harbour \"House\"\n[kisi]".to_owned(), ..Answers::default() };
        let why = bad.config(path).expect_err("no site's id").text;
        assert!(why.starts_with("site.id: "), "{why}");
        let zone = Answers { timezone: "Mars/Olympus".to_owned(), ..good };
        assert!(zone.config(path).expect_err("no zone").text.starts_with("site.timezone: "));
    }
}
