//! `check --online`: signs in to both clouds and the broker, follows every link, and names what is missing.

use std::sync::Arc;
use std::time::Duration;

use super::check::{Outcome, RIGHT, Service};
use super::{complain, look, print, run};
use crate::clock::Clock;
use crate::config::Config;
use crate::gateway;
use crate::mqtt::broker::{Broker, Hello, Message};
use crate::report::desk::{self, LedgerReport, Reply, Request};
use crate::store::{Key, Opened, Opening, Part, Store};
use crate::web::socket;

/// Exit status: a service refused, a right is missing, or a link leads nowhere (contract 1).
const MISSING: u8 = 3;
/// Calls a second to Kisi while a gateway runs: its own and these share one quota.
const BESIDE_PER_SECOND: f64 = 0.7;
/// How long the broker may take.
const BROKER_WITHIN: Duration = Duration::from_secs(15);

/// Asks the services. The configuration is right already.
pub fn check_online(config: &Config, json: bool) -> u8 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let asked = match runtime {
        Ok(runtime) => runtime.block_on(ask(config)),
        Err(error) => Err(error.into()),
    };
    let services = match asked {
        Ok(services) => services,
        Err(error) => return complain(&format!("{error:#}")),
    };
    let ok = services.iter().all(|service| service.ok);
    if json {
        match serde_json::to_string(&Outcome { ok, errors: &[], services }) {
            Ok(text) => print(&format!("{text}\n")),
            Err(error) => return complain(&format!("the result can't be written as JSON: {error}")),
        }
    } else {
        let look = look(config);
        for service in &services {
            let verdict = if service.ok { "ok" } else { "WRONG" };
            print(&look.paragraph(&format!("{:<9}{verdict:<6} ", service.name), &service.message));
            service.warnings.iter().for_each(|warning| print(&look.paragraph(&format!("{:<9}note   ", ""), warning)));
        }
    }
    if ok { RIGHT } else { MISSING }
}

async fn ask(config: &Config) -> anyhow::Result<Vec<Service>> {
    let clock = Clock::system();
    // A store of its own, in memory: a gateway may be running.
    let fresh = Opened { cache: Opening::Fresh, ledger: Opening::Fresh, aside: Vec::new() };
    let mut outside = run::reading(&clock, Store::in_memory()?, fresh)?;
    // Two sign-ins of one client id end each other's tokens.
    outside.client_id = Some(format!("gatehouse-{}-check", config.site.id));
    let (running, ledger) = ledger(config, &clock).await;
    let mut slow = config.clone();
    if running {
        slow.kisi.requests_per_second = slow.kisi.requests_per_second.min(BESIDE_PER_SECOND);
    }
    let engine = gateway::engine(&slow, outside)?;
    let found = gateway::examine(&engine, ledger).await;
    let mut services: Vec<Service> = found
        .into_iter()
        .map(|found| Service {
            name: found.name.to_owned(),
            ok: found.wrong.is_empty(),
            message: if found.wrong.is_empty() { found.right } else { found.wrong.join("; ") },
            warnings: found.warnings,
        })
        .collect();
    services.push(broker(config, run::broker(config, &clock)?, &clock).await);
    Ok(services)
}

/// Whether a gateway runs, and what is ours: by its word, else by the store, if there is one. None is made, and nothing
/// of it is touched.
async fn ledger(config: &Config, clock: &Clock) -> (bool, Option<LedgerReport>) {
    let directory = &config.store.directory;
    match socket::ask(directory, &Request::Ledger, clock).await {
        Ok(Reply { outcome: desk::Outcome::Value(value), .. }) => return (true, serde_json::from_value(value).ok()),
        Ok(_) => return (true, None),
        Err(_) => {}
    }
    if !directory.join(Part::Ledger.file_name()).exists() {
        return (false, None);
    }
    let loaded = Store::peek(directory).and_then(|(store, opened)| {
        if let Opening::SetAside { why, .. } = opened.ledger {
            eprintln!(
                "warning: the ledger is damaged, so no assignment is known as ours: {why}; see 'gatehouse store check'"
            );
        }
        let ledger = store.load_ledger()?;
        let hands = store.value(Key::Hands)?.unwrap_or_default();
        let owned = ledger.owned.into_values().collect();
        Ok(LedgerReport { owned, patch_ignored: ledger.patch_ignored, hands })
    });
    if let Err(error) = &loaded {
        eprintln!("warning: the ledger could not be read, so no assignment is known as ours: {error}");
    }
    (false, loaded.ok())
}

/// One connection to the broker, and a goodbye.
pub async fn broker(config: &Config, broker: Arc<dyn Broker>, clock: &Clock) -> Service {
    let hello = Hello {
        client_id: format!("gatehouse-{}-check", config.site.id),
        will: Message::passing(format!("{}/{}/check", config.mqtt.topic_prefix, config.site.id), ""),
    };
    let (ok, message) = match clock.timeout(BROKER_WITHIN, broker.connect(hello)).await {
        Err(_) => (false, "no answer within 15 s".to_owned()),
        Ok(Err(error)) => (false, error.to_string()),
        Ok(Ok(session)) => {
            // The answer is what was asked for; how the goodbye goes says nothing.
            let _ = clock.timeout(BROKER_WITHIN, session.disconnect()).await;
            (true, "it took the connection".to_owned())
        }
    };
    Service { name: "broker".to_owned(), ok, message, warnings: Vec::new() }
}
