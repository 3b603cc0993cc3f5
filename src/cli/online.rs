//! `check --online`: signs in to both clouds and the broker, follows every link, and names what is missing.

use std::sync::Arc;
use std::time::Duration;

use super::check::{Outcome, RIGHT, Service};
use super::{complain, print, run};
use crate::clock::Clock;
use crate::config::Config;
use crate::gateway;
use crate::mqtt::broker::{Broker, Hello, Message};
use crate::store::{Opened, Opening, Store};

/// Exit status: a service refused, a right is missing, or a link leads nowhere (contract 1).
const MISSING: u8 = 3;
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
        for service in &services {
            let verdict = if service.ok { "ok" } else { "WRONG" };
            print(&format!("{:<9}{verdict:<6} {}\n", service.name, service.message));
        }
    }
    if ok { RIGHT } else { MISSING }
}

async fn ask(config: &Config) -> anyhow::Result<Vec<Service>> {
    let clock = Clock::system();
    // A store of its own, in memory: a gateway may be running.
    let fresh = Opened { cache: Opening::Fresh, ledger: Opening::Fresh, aside: Vec::new() };
    let mut outside = run::outside(&clock, Store::in_memory()?, fresh)?;
    // Two sign-ins of one client id end each other's tokens.
    outside.client_id = Some(format!("gatehouse-{}-check", config.site.id));
    let engine = gateway::engine(config, outside)?;
    let found = gateway::examine(&engine).await;
    let mut services: Vec<Service> = found
        .into_iter()
        .map(|found| Service {
            name: found.name.to_owned(),
            ok: found.wrong.is_empty(),
            message: if found.wrong.is_empty() { found.right } else { found.wrong.join("; ") },
        })
        .collect();
    services.push(broker(config, run::broker(config, &clock)?, &clock).await);
    Ok(services)
}

/// One connection to the broker, and a goodbye.
async fn broker(config: &Config, broker: Arc<dyn Broker>, clock: &Clock) -> Service {
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
    Service { name: "broker".to_owned(), ok, message }
}
