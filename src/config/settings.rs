//! The file as typed values, one struct a section, with the defaults of contract 2.
//!
//! Everything here has been checked: whoever reads it needs no check of its own.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::url::BrokerUrl;
pub use crate::domain::person::People;
use crate::domain::{ContractEnd, EmailPattern, ExistingUsers, Link, NewUsers, NoAccess, Rules, Zone};

/// The whole configuration, checked, with its secrets resolved. Its `Debug` shows none of them.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file that it came from.
    pub file: PathBuf,
    /// `[site]`.
    pub site: Site,
    /// `[nexudus]`.
    pub nexudus: Nexudus,
    /// `[kisi]`.
    pub kisi: Kisi,
    /// `[access]`.
    pub access: Access,
    /// Each `[[link]]`, in the order of the file; none is allowed, with a warning.
    pub links: Vec<Link>,
    /// `[mqtt]`.
    pub mqtt: Mqtt,
    /// `[alert]`.
    pub alert: Alert,
    /// `[hooks]`.
    pub hooks: Hooks,
    /// `[web]`.
    pub web: Web,
    /// `[store]`.
    pub store: Store,
    /// What is allowed but hardly meant, each as `FILE:LINE:COLUMN: …`, for standard error or the log.
    pub warnings: Vec<String>,
}

/// The building.
#[derive(Clone, Debug)]
pub struct Site {
    /// Its name in every topic: a-z, 0-9 and -. Required.
    pub id: String,
    /// The zone of its days and dates. Required.
    pub timezone: Zone,
}

/// The way to Nexudus.
#[derive(Clone, Debug)]
pub struct Nexudus {
    /// The base of its administrators' API, with no slash at its end unless it is a bare host. Default
    /// `https://spaces.nexudus.com/api` (Nexudus API notes, 2.1).
    pub url: Url,
    /// The id of the location (Nexudus: business). Required.
    pub location: u64,
    /// The e-mail of the user that signs in. Required.
    pub username: String,
    /// That user's password. Required.
    pub password: SecretString,
    /// How often updated and cancelled bookings are asked for; the other lists at three times it. Default 5 s.
    pub changes: Duration,
    /// How often the open window is read in full. Default 60 s.
    pub refresh: Duration,
    /// How far ahead bookings are cached. Default 14 days.
    pub horizon: Duration,
    /// The most calls in any 60 minutes, 1 to 5000. Default 4500.
    pub requests_per_hour: u32,
}

/// The way to Kisi.
#[derive(Clone, Debug)]
pub struct Kisi {
    /// The base of its API, with no slash at its end unless it is a bare host. Default `https://api.kisi.io`.
    pub url: Url,
    /// The API key. Required.
    pub api_key: SecretString,
    /// The id of the place; none: the whole organization.
    pub place: Option<u64>,
    /// How often events are asked for. Default 5 s.
    pub events: Duration,
    /// How often doors, controllers and readers are asked for. Default 15 s.
    pub state: Duration,
    /// How often users and assignments are read whole. Default 10 min.
    pub roster: Duration,
    /// The most calls a second, above 0 and up to 5. Default 4.
    pub requests_per_second: f64,
    /// Whether no person and no other program uses our Kisi user. Default false.
    pub key_is_ours_alone: bool,
    /// Whether no one else manages accounts in this Kisi organization (rules 5). Default false.
    pub sole_writer: bool,
}

/// What the rules go by.
#[derive(Clone, Debug)]
pub struct Access {
    /// Whether anything is changed in Kisi. Default true.
    pub write: bool,
    /// How long before a booking its window begins. Default 15 min.
    pub before: Duration,
    /// How long after a booking its window ends. Default 15 min.
    pub after: Duration,
    /// How early a window is written to Kisi. Default 24 h.
    pub prestage: Duration,
    /// What becomes of accounts without access. Default suspend.
    pub no_access: NoAccess,
    /// How long after the last grant that happens. Default 24 h.
    pub no_access_after: Duration,
    /// How users are made. Default regular.
    pub new_users: NewUsers,
    /// How users are treated who were there before. Default assign.
    pub existing_users: ExistingUsers,
    /// Whom nothing here touches. Default nobody.
    pub never_touch: Vec<EmailPattern>,
    /// Whether an unapproved booking opens doors. Default false.
    pub tentative: bool,
    /// When on its last day a contract ends. Default end.
    pub contract_end: ContractEnd,
    /// The guard's count (promise 5). Default 50.
    pub hold_after_removals: u32,
    /// The guard's share, 0 to 1 (promise 5). Default 0.25.
    pub hold_after_share: f64,
}

/// A command of contract 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Command {
    /// A full pass now.
    Sync,
    /// May this person open that door?
    Check,
    /// Opens a door once.
    Unlock,
    /// Releases what the guard holds.
    Approve,
    /// Writes nothing to Kisi until `resume`.
    Pause,
    /// Writes again.
    Resume,
}

/// The way to the broker. The whole section may be left out.
#[derive(Clone, Debug)]
pub struct Mqtt {
    /// Where it is. Default `mqtt://127.0.0.1:1883`.
    pub url: BrokerUrl,
    /// What every topic begins with, before `site.id`. Default `gatehouse`.
    pub topic_prefix: String,
    /// The user at the broker.
    pub username: Option<String>,
    /// That user's password; never without a username.
    pub password: Option<SecretString>,
    /// The PEM file of the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The PEM files by which the broker knows us.
    pub client: Option<ClientCertificate>,
    /// Whether Home Assistant's discovery is published. Default true.
    pub home_assistant: bool,
    /// The topic that Home Assistant discovers below. Default `homeassistant`.
    pub discovery_prefix: String,
    /// What events say about a person. Default ids.
    pub people: People,
    /// The commands that are served. Default `sync` alone.
    pub commands: BTreeSet<Command>,
}

/// How the broker knows us over TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// `client_cert`: the certificate's PEM file.
    pub certificate: PathBuf,
    /// `client_key`: its private key's PEM file.
    pub key: PathBuf,
}

/// When and whereto alerts go.
#[derive(Clone)]
pub struct Alert {
    /// How long a connection is not online before its alert. Default 60 s.
    pub after: Duration,
    /// Where each change of an alert is posted. Such URLs often carry a token, so no log may show more than the host.
    pub url: Option<Url>,
}

impl fmt::Debug for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.as_ref().and_then(Url::host_str);
        f.debug_struct("Alert").field("after", &self.after).field("url_host", &host).finish()
    }
}

/// The secrets that webhooks are signed with; without one its path answers 404.
#[derive(Clone, Debug, Default)]
pub struct Hooks {
    /// For `/hooks/nexudus`.
    pub nexudus_secret: Option<SecretString>,
    /// For `/hooks/kisi`.
    pub kisi_secret: Option<SecretString>,
}

/// The local HTTP of contract 5.
#[derive(Clone, Debug)]
pub struct Web {
    /// Where it listens; `None` for "off". Default 127.0.0.1:8480.
    pub listen: Option<SocketAddr>,
}

/// What is kept on the box.
#[derive(Clone, Debug)]
pub struct Store {
    /// Where. Default `/var/lib/gatehouse`. It need not exist yet.
    pub directory: PathBuf,
    /// How long door events are kept. Default 30 days.
    pub keep_events: Duration,
}

impl Config {
    /// What the rules of access ask of the configuration.
    pub fn rules(&self) -> Rules {
        Rules {
            site: self.site.id.clone(),
            zone: self.site.timezone.clone(),
            links: self.links.clone(),
            prestage: self.access.prestage,
            horizon: self.nexudus.horizon,
            refresh: self.nexudus.refresh,
            tentative: self.access.tentative,
            contract_end: self.access.contract_end,
            never_touch: self.access.never_touch.clone(),
            no_access: self.access.no_access,
            no_access_after: self.access.no_access_after,
            new_users: self.access.new_users,
            existing_users: self.access.existing_users,
            sole_writer: self.kisi.sole_writer,
            key_is_ours_alone: self.kisi.key_is_ours_alone,
            hold_after_removals: self.access.hold_after_removals,
            hold_after_share: self.access.hold_after_share,
        }
    }
}
