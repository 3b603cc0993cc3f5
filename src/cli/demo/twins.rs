//! `twins`: both twins on loopback, to try `run` and the verbs against.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::Context;
use tokio::net::TcpListener;

use crate::cli::args::TwinsArgs;
use crate::cli::complain;
use crate::clock::Clock;
use crate::demo::site::{self, Addresses};
use crate::twin::http::Cloud;
use crate::twin::serve::{Carrier, serve};

/// `twins`
pub fn twins(args: &TwinsArgs) -> u8 {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(both(args)),
        Err(error) => Err(error.into()),
    };
    match done {
        Ok(()) => crate::cli::WELL,
        Err(error) => complain(&format!("{error:#}")),
    }
}

async fn both(args: &TwinsArgs) -> anyhow::Result<()> {
    // The site's bookings are of its own day, so the twins' clock begins there, and runs at the machine's pace.
    let clock = Clock::starting_at(site::start(), 1.0);
    let built = site::build()?;
    let nexudus = carry(args.nexudus, Arc::new(Mutex::new(built.nexudus)), &clock).await?;
    let kisi = carry(args.kisi, Arc::new(Mutex::new(built.kisi)), &clock).await?;
    crate::cli::print(&format!(
        "Nexudus' twin: {}/api\nKisi's twin:   {}\nBoth are steered under /_twin/. Their clock begins at {}.\n",
        nexudus.base_url(),
        kisi.base_url(),
        site::start()
    ));
    if let Some(directory) = &args.write_config {
        crate::cli::print(&write_config(directory, &nexudus, &kisi)?);
    }
    tokio::signal::ctrl_c().await?;
    nexudus.shutdown().await;
    kisi.shutdown().await;
    Ok(())
}

/// Serves one twin.
pub(super) async fn carry<C: Cloud>(
    address: SocketAddr,
    core: Arc<Mutex<C>>,
    clock: &Clock,
) -> anyhow::Result<Carrier> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("{address} can't be listened on"))?;
    Ok(serve(listener, core, clock.clone()).await?)
}

fn write_config(directory: &Path, nexudus: &Carrier, kisi: &Carrier) -> anyhow::Result<String> {
    // What the file says of places is relative to the file, and this directory to where the verb was called.
    let directory =
        &std::path::absolute(directory).with_context(|| format!("{}: where is it?", directory.display()))?;
    std::fs::create_dir_all(directory).with_context(|| format!("{} can't be made", directory.display()))?;
    let addresses = Addresses {
        nexudus: nexudus.base_url(),
        kisi: kisi.base_url(),
        broker: "mqtt://127.0.0.1:1883".to_owned(),
        web: "127.0.0.1:8480".to_owned(),
        store: directory.join("store"),
    };
    let path = site::write_config(directory, &site::settings(), &addresses)
        .with_context(|| format!("the configuration could not be written into {}", directory.display()))?;
    let path = path.display();
    Ok(format!(
        "A configuration that fits them: {path}\n  gatehouse check --config {path}\n  gatehouse run --config {path}\n"
    ))
}
