//! The configuration: `gatehouse.toml` as typed values, its secrets resolved, or everything that is wrong with it.
//!
//! Knows the values of `domain` and nothing of clouds, broker or store: it says where they are, it never asks them.
//! The way in: text → [`syntax`] (a tree that knows its bytes) → [`section`] (the typed reader, which gathers errors)
//! → [`read`] and [`link`] (each key, its default, what must hold together) → [`Config`], or [`ConfigErrors`].

mod error;
mod keys;
mod link;
mod read;
mod reload;
mod schema;
mod secret;
mod section;
mod settings;
mod source;
mod syntax;
#[cfg(test)]
mod tests;
mod url;
mod value;

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

pub use self::error::{ConfigError, ConfigErrors};
pub use self::reload::waits_for_restart;
pub use self::schema::schema;
pub use self::secret::secret_in;
pub use self::settings::{
    Access, Alert, ClientCertificate, Command, Config, Hooks, Kisi, Mqtt, Nexudus, People, Site, Store, Web,
};
pub use self::url::BrokerUrl;

use self::error::Report;
use self::secret::Vault;
use self::section::Section;
use self::source::place;

/// Where the configuration is looked for at last.
pub const DEFAULT_PATH: &str = "/etc/gatehouse/gatehouse.toml";
/// The environment variable that names the configuration file.
pub const PATH_VARIABLE: &str = "GATEHOUSE_CONFIG";
/// The largest configuration file: thousands of links fit.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Where environment variables are looked up, so that tests need not touch the process's own.
pub trait Env {
    /// The variable's value; `None` where it is not set.
    fn var(&self, name: &str) -> Option<OsString>;
}

/// The environment of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessEnv;

impl Env for ProcessEnv {
    fn var(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }
}

/// The configuration file to use: `--config`, else `GATEHOUSE_CONFIG`, else [`DEFAULT_PATH`].
pub fn resolve_path(cli: Option<PathBuf>, env: &dyn Env) -> PathBuf {
    let from_env = || env.var(PATH_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    cli.or_else(from_env).unwrap_or_else(|| PathBuf::from(DEFAULT_PATH))
}

impl Config {
    /// Reads and checks the file and resolves its secrets. All that is wrong comes back at once.
    pub fn load(path: &Path, env: &dyn Env) -> Result<Config, ConfigErrors> {
        let text = text_of(path)?;
        let mut config = Config::parse(&text, path, env)?;
        if config.alert.url.is_some() && others_may_read(path) {
            let shown = path.display();
            config.warnings.push(format!(
                "{shown}: alert.url often holds a token, and others may read this file: run chmod o-rwx {shown}"
            ));
        }
        Ok(config)
    }

    /// The same for who asks the running gateway or the store alone: secrets are looked at for their form and not
    /// read, since those who may ask need not be those who may read them. Each is empty in what comes back.
    pub fn load_without_secrets(path: &Path, env: &dyn Env) -> Result<Config, ConfigErrors> {
        let text = text_of(path)?;
        Config::read(&text, path, env, false)
    }

    /// Checks a text as the content of the file at `path`: relative paths start at that file's directory.
    pub fn parse(text: &str, path: &Path, env: &dyn Env) -> Result<Config, ConfigErrors> {
        Config::read(text, path, env, true)
    }

    fn read(text: &str, path: &Path, env: &dyn Env, secrets: bool) -> Result<Config, ConfigErrors> {
        let report = Report::new(path.display().to_string(), text);
        let mended = syntax::mend(text, &report);
        let (tree, _) = DeTable::parse_recoverable(&mended);
        let base = path.parent().unwrap_or(Path::new(""));
        let config = read::config(&Section::root(tree.get_ref(), &report), path, &Vault { base, env, open: secrets });
        let (config, warnings) = report.finish(config)?;
        Ok(Config { warnings, ..config })
    }
}

fn others_may_read(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.permissions().mode() & 0o007 != 0)
}

fn text_of(path: &Path) -> Result<String, ConfigErrors> {
    let shown = path.display().to_string();
    let unreadable =
        |message: String, found: &str, place| ConfigErrors::one(ConfigError::unreadable(&shown, message, found, place));
    let failed = |e: std::io::Error| {
        let hint = match e.kind() {
            std::io::ErrorKind::NotFound => ": copy the sample there, or name another with --config",
            _ => "",
        };
        unreadable(format!("the configuration can't be read: {e}{hint}"), "no readable file", None)
    };
    if path.metadata().map_err(failed)?.is_dir() {
        return Err(unreadable("the configuration is a directory".to_owned(), "a directory", None));
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
        let message = format!("the configuration is larger than {FILE_BYTES_MAX} bytes");
        return Err(unreadable(message, "a larger file", None));
    }
    String::from_utf8(bytes).map_err(|e| {
        let good = String::from_utf8_lossy(&e.as_bytes()[..e.utf8_error().valid_up_to()]);
        let place = place(&good, good.len());
        unreadable("the configuration is not UTF-8".to_owned(), "a byte that is no UTF-8", Some(place))
    })
}
