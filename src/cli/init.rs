//! `init`: from nothing to a configuration that `check` takes. Each answer is tried before the next is asked for; at
//! the end the file and the credentials are written, and nothing that is there is overwritten.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use super::args::InitArgs;
use super::ask::{Trouble, block_on};
use super::init_file::{self, Answers};
use super::{WELL, links, online, print, run};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::gateway;
use crate::store::{Opened, Opening, Store};

/// How often a wrong answer is asked for anew.
const TRIES: usize = 5;

const SITE: &str = "The site's name in topics (a-z, 0-9, -)";
const NEXUDUS_USER: &str = "The Nexudus user's e-mail";
const PASSWORD: &str = "That user's password";
const KISI_KEY: &str = "The Kisi API key";
const BROKER: &str = "mqtt://127.0.0.1:1883";

/// `init`
pub fn init(path: &Path, args: &InitArgs) -> u8 {
    let asker = Asker { terminal: io::stdin().is_terminal() };
    match block_on(whole(path, args, &asker)) {
        Ok(text) => {
            print(&text);
            WELL
        }
        Err(trouble) => trouble.shown(),
    }
}

/// Asks on a terminal; elsewhere says which flag is missing.
struct Asker {
    terminal: bool,
}

impl Asker {
    /// The flag's value, else an answer, else the default.
    fn text(&self, flag: Option<&str>, name: &str, question: &str, default: Option<&str>) -> Result<String, Trouble> {
        if let Some(value) = flag {
            return Ok(value.to_owned());
        }
        if !self.terminal {
            return default.map(str::to_owned).ok_or_else(|| missing(name, question));
        }
        let shown = default.map(|default| format!(" [{default}]")).unwrap_or_default();
        eprint!("{question}{shown}: ");
        let mut line = String::new();
        let read = io::stderr().flush().and_then(|()| io::stdin().lock().read_line(&mut line));
        match (read, line.trim(), default) {
            (Err(error), ..) => Err(Trouble::failed(format!("no answer: {error}"))),
            (Ok(0), ..) => Err(Trouble::failed("no answer: nothing is written")),
            (Ok(_), "", Some(default)) => Ok(default.to_owned()),
            (Ok(_), answer, _) => Ok(answer.to_owned()),
        }
    }

    /// A secret from its file, else typed without an echo.
    fn secret(&self, file: Option<&Path>, name: &str, question: &str) -> Result<String, Trouble> {
        if let Some(file) = file {
            return config::secret_in(file).map_err(Trouble::failed);
        }
        if !self.terminal {
            return Err(missing(name, question));
        }
        let typed = rpassword::prompt_password(format!("{question}: "));
        typed.map_err(|error| Trouble::failed(format!("no answer: {error}")))
    }

    /// Asks until `attempt` is content. A flag, and what no terminal can be asked for, has one try.
    async fn until<T>(&self, asked: bool, mut attempt: impl AsyncFnMut() -> Result<T, Trouble>) -> Result<T, Trouble> {
        let tries = if asked && self.terminal { TRIES } else { 1 };
        for _ in 1..tries {
            match attempt().await {
                Ok(value) => return Ok(value),
                Err(trouble) => eprintln!("{}\n", trouble.text),
            }
        }
        attempt().await
    }
}

fn missing(name: &str, question: &str) -> Trouble {
    let question = question.to_lowercase();
    Trouble::failed(format!("no terminal to ask for {question}: give {name}; 'gatehouse init --help' names every flag"))
}

/// What would be asked for that has no default, all in one go, where there is nobody to ask.
fn unanswered(args: &InitArgs) -> Result<(), Trouble> {
    let lacks_password = args.mqtt_username.as_deref().is_some_and(|user| !user.is_empty());
    let needed = [
        (args.site.is_none(), "--site ID", SITE),
        (args.nexudus_username.is_none(), "--nexudus-username EMAIL", NEXUDUS_USER),
        (args.nexudus_password_file.is_none(), "--nexudus-password-file FILE", PASSWORD),
        (args.kisi_api_key_file.is_none(), "--kisi-api-key-file FILE", KISI_KEY),
        (lacks_password && args.mqtt_password_file.is_none(), "--mqtt-password-file FILE", PASSWORD),
    ];
    let lacking: String = needed
        .iter()
        .filter(|(lacks, ..)| *lacks)
        .map(|(_, flag, question)| format!("  {flag:30}{question}\n"))
        .collect();
    if lacking.is_empty() {
        return Ok(());
    }
    Err(Trouble::failed(format!(
        "no terminal to ask on. Give\n{lacking}Asked for too, with a default: --location (the only one there is), --timezone \
         (as Nexudus has it), --mqtt-url ({BROKER}), --mqtt-username (none)"
    )))
}

async fn whole(path: &Path, args: &InitArgs, asker: &Asker) -> Result<String, Trouble> {
    init_file::free(path)?;
    if !asker.terminal {
        unanswered(args)?;
    }
    let mut answers = Answers { store: args.store.clone(), ..Answers::default() };
    asker
        .until(args.site.is_none(), async || {
            let site = asker.text(args.site.as_deref(), "--site", SITE, None)?;
            answers.site = site;
            answers.config(path).map(drop)
        })
        .await?;
    nexudus(path, args, asker, &mut answers).await?;
    kisi(path, args, asker, &mut answers).await?;
    let note = broker(path, args, asker, &mut answers).await?;
    answers.config(path)?;
    let written = init_file::write(path, &answers)?;
    let links = suggested(&answers.config(path)?).await;
    let config = path.display();
    Ok(format!(
        "{written}{note}\n{links}\nNext, with --config {config} unless it is the default:\n\
         \x20 gatehouse links import     # pairs that Nexudus keeps\n\
         \x20 gatehouse links suggest    # pairs by name, as above\n\
         \x20 gatehouse check --online\n\
         \x20 gatehouse plan\n"
    ))
}

/// The links that names suggest, or why they can't be told: what is written stands without them.
async fn suggested(config: &Config) -> String {
    let told = async { links::suggested(config, &*engine(config)?).await };
    match told.await {
        Ok(toml) => toml,
        Err(trouble) => format!("note: no links could be suggested: {}\n", trouble.text),
    }
}

/// Signs in, and finds the location and its zone.
async fn nexudus(path: &Path, args: &InitArgs, asker: &Asker, answers: &mut Answers) -> Result<(), Trouble> {
    answers.nexudus_url = args.nexudus_url.clone();
    let asked = args.nexudus_username.is_none() || args.nexudus_password_file.is_none();
    let locations = asker
        .until(asked, async || {
            let flag = args.nexudus_username.as_deref();
            answers.nexudus_username = asker.text(flag, "--nexudus-username", NEXUDUS_USER, None)?;
            let file = args.nexudus_password_file.as_deref();
            answers.nexudus_password = asker.secret(file, "--nexudus-password-file", PASSWORD)?;
            let engine = engine(&answers.config(path)?)?;
            let read = engine.nexudus.locations(engine.guess()).await;
            read.map_err(|error| Trouble::failed(format!("Nexudus does not take it: {error}")))
        })
        .await?;
    eprintln!("Nexudus: signed in.");
    for location in locations.iter().filter(|_| args.location.is_none() && locations.len() > 1) {
        eprintln!("  {}  {}", location.id, location.name);
    }
    let only = match &locations[..] {
        [only] => Some(only.id.to_string()),
        _ => None,
    };
    let location = asker
        .until(args.location.is_none(), async || {
            let flag = args.location.map(|id| id.to_string());
            let id = asker.text(flag.as_deref(), "--location", "The location's id", only.as_deref())?;
            let known = locations.iter().find(|location| location.id.to_string() == id);
            known.cloned().ok_or_else(|| Trouble::failed(format!("Nexudus shows this user no location {id}")))
        })
        .await?;
    answers.location = location.id;
    let asked = args.timezone.is_none();
    let zone = location.zone.as_deref();
    asker
        .until(asked, async || {
            let flag = args.timezone.as_deref();
            answers.timezone = asker.text(flag, "--timezone", "The site's IANA time zone", zone)?;
            answers.config(path).map(drop)
        })
        .await?;
    eprintln!("Location {} '{}', {}.", location.id, location.name, answers.timezone);
    Ok(())
}

async fn kisi(path: &Path, args: &InitArgs, asker: &Asker, answers: &mut Answers) -> Result<(), Trouble> {
    (answers.kisi_url, answers.place) = (args.kisi_url.clone(), args.place);
    let (user, places) = asker
        .until(args.kisi_api_key_file.is_none(), async || {
            let file = args.kisi_api_key_file.as_deref();
            answers.kisi_api_key = asker.secret(file, "--kisi-api-key-file", KISI_KEY)?;
            let engine = engine(&answers.config(path)?)?;
            let refused = |error| Trouble::failed(format!("Kisi does not take it: {error}"));
            let user = engine.kisi.own_user().await.map_err(refused)?;
            Ok((user, engine.kisi.places().await.map_err(refused)?))
        })
        .await?;
    if let Some(place) = args.place.filter(|place| !places.contains(place)) {
        return Err(Trouble::failed(format!("Kisi shows this key no place {place}: leave --place out, or correct it")));
    }
    eprintln!("Kisi: signed in as user {}.", user.id);
    Ok(())
}

/// A broker that was named must answer; the default one may come later.
async fn broker(path: &Path, args: &InitArgs, asker: &Asker, answers: &mut Answers) -> Result<String, Trouble> {
    let asked = args.mqtt_url.is_none();
    asker
        .until(asked, async || {
            answers.mqtt_url = asker.text(args.mqtt_url.as_deref(), "--mqtt-url", "The MQTT broker", Some(BROKER))?;
            let user =
                asker.text(args.mqtt_username.as_deref(), "--mqtt-username", "The user at the broker", Some(""))?;
            answers.mqtt = match user.as_str() {
                "" => None,
                _ => {
                    let file = args.mqtt_password_file.as_deref();
                    Some((user.clone(), asker.secret(file, "--mqtt-password-file", PASSWORD)?))
                }
            };
            let config = answers.config(path)?;
            let clock = Clock::system();
            let broker = run::broker(&config, &clock).map_err(|error| Trouble::failed(format!("{error:#}")))?;
            let answer = online::broker(&config, broker, &clock).await;
            let url = &answers.mqtt_url;
            match (answer.ok, asked && *url == BROKER && answers.mqtt.is_none()) {
                (true, _) => {
                    eprintln!("Broker: {}.", answer.message);
                    Ok(String::new())
                }
                (false, true) => Ok(format!("note: no broker at {url} yet ({}): start one first\n", answer.message)),
                (false, false) => Err(Trouble::failed(format!("the broker at {url}: {}", answer.message))),
            }
        })
        .await
}

/// An engine of which the clients alone are used.
fn engine(config: &Config) -> Result<std::sync::Arc<gateway::Engine>, Trouble> {
    let fresh = Opened { cache: Opening::Fresh, ledger: Opening::Fresh, aside: Vec::new() };
    let store = Store::in_memory().map_err(Trouble::failed)?;
    let mut outside = run::reading(&Clock::system(), store, fresh).map_err(Trouble::failed)?;
    outside.client_id = Some(format!("gatehouse-{}-init", config.site.id));
    gateway::engine(config, outside).map_err(Trouble::failed)
}
