//! `store`: look at what is kept on the box, copy its ledger, or put such a copy back.

use std::fmt::Write as _;
use std::path::Path;

use super::args::StoreVerb;
use super::ask::{Trouble, ask_running, block_on, value};
use super::{FAILED, WELL, print};
use crate::config::Config;
use crate::report::desk::Request;
use crate::store::StoreError;
use crate::store::backup::{self, Checked};

/// `store`
pub fn store(config: &Config, verb: &StoreVerb) -> u8 {
    let done = match verb {
        StoreVerb::Check => check(config),
        StoreVerb::Backup { file } => make(config, file),
        StoreVerb::Restore { file } => restore(config, file),
    };
    match done {
        Ok((exit, text)) => {
            print(&text);
            exit
        }
        Err(trouble) => trouble.shown(),
    }
}

type Done = Result<(u8, String), Trouble>;

fn check(config: &Config) -> Done {
    let directory = &config.store.directory;
    let checked = match block_on(ask_running(config, &Request::StoreCheck))? {
        Some(reply) => value::<Vec<Checked>>(reply)?.2,
        None if !directory.exists() => {
            let directory = directory.display();
            return Err(Trouble::failed(format!("there is no store in {directory} yet: 'gatehouse run' makes one")));
        }
        None => backup::check(directory).map_err(|error| held(&error))?,
    };
    let well = checked.iter().all(|file| file.wrong.is_empty());
    let mut text = String::new();
    for file in &checked {
        let path = directory.join(file.part.file_name());
        let rows = file.rows.map(|rows| format!("{rows} rows")).unwrap_or_default();
        let verdict = if file.wrong.is_empty() { format!("right, {rows}") } else { file.wrong.join("; ") };
        let _ = writeln!(text, "{}: {verdict}", path.display());
    }
    if !well {
        text.push_str(
            "What is damaged is set aside, never deleted, when the gateway starts. A ledger comes back with \
             'gatehouse store restore FILE'; the cache is read anew.\n",
        );
    }
    Ok((if well { WELL } else { FAILED }, text))
}

fn make(config: &Config, file: &Path) -> Done {
    let directory = &config.store.directory;
    // Told before anything is written: the gateway may write beside its store alone, and the copy is fetched from there.
    if std::fs::symlink_metadata(file).is_ok() {
        return Err(Trouble::failed(format!("{} is there already and is left alone: name a new file", file.display())));
    }
    let name = format!("backup-{:08x}.redb", fastrand::u32(..));
    let checked = match block_on(ask_running(config, &Request::StoreBackup { name: name.clone() }))? {
        Some(reply) => {
            value::<Checked>(reply)?;
            backup::fetch(&directory.join(name), file).map_err(Trouble::failed)?
        }
        None => backup::backup_at_rest(directory, file).map_err(|error| held(&error))?,
    };
    let rows = checked.rows.unwrap_or_default();
    let mut text = format!("{}: {rows} rows of the ledger, read back and right.\n", file.display());
    for wrong in &checked.wrong {
        let _ = writeln!(text, "note: {wrong}");
    }
    text.push_str("It names people: keep it as you keep passwords.\n");
    Ok((WELL, text))
}

fn restore(config: &Config, file: &Path) -> Done {
    let directory = &config.store.directory;
    let restored = backup::restore(directory, file).map_err(|error| held(&error))?;
    let mut text = format!(
        "The ledger in {} is the one of {} now, {} rows.\n",
        directory.display(),
        file.display(),
        restored.rows
    );
    if let Some(kept) = restored.kept {
        let _ = writeln!(text, "The one before is kept as {}.", kept.display());
    }
    text.push_str(
        "Assignments made since that backup are not in it: they are left in Kisi and reported until 'gatehouse adopt'.\n",
    );
    if restored.paused {
        text.push_str("Writing to Kisi is paused, as it was: 'gatehouse resume' lets it go on.\n");
    }
    text.push_str("Look at it first: gatehouse plan\n");
    Ok((WELL, text))
}

/// With what to do where the gateway is in the way.
fn held(error: &StoreError) -> Trouble {
    match error {
        StoreError::InUse { dir } => Trouble::failed(format!(
            "the store in {} is held by the running gateway: stop it first, 'systemctl stop gatehouse'",
            dir.display()
        )),
        error => Trouble::failed(error),
    }
}
