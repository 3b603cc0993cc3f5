//! `demo --once`: the day on virtual time, in one thread, with no socket and no disk.

use anyhow::Context;
use chrono::TimeDelta;

use super::record;
use super::{World, conclude, load, sabotage};
use crate::cli::args::DemoArgs;
use crate::clock::Clock;
use crate::demo::checker::Left;
use crate::demo::kept::Kept;
use crate::demo::script::{Action, Agenda, Stage};
use crate::demo::site::{self, Addresses};
use crate::mqtt::memory::{MemoryBroker, Mood};
use crate::simulate::{Box, Disk, published};

/// Runs the day and judges it.
pub fn once(args: &DemoArgs) -> anyhow::Result<u8> {
    let record = record::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(day(args, &record))
}

/// Does what a step asks of the box.
async fn obey(gatehouse: &mut Box<Disk>, action: Action) -> anyhow::Result<()> {
    match action {
        Action::GatewayDown => gatehouse.power_off().await,
        Action::GatewayUp => gatehouse.power_on()?,
        Action::BrokerDown => gatehouse.broker.set_mood(Mood::Away),
        Action::BrokerUp => gatehouse.broker.set_mood(Mood::Well),
        Action::WallClockShift(seconds) => gatehouse.shift_clock(TimeDelta::seconds(seconds)),
    }
    Ok(())
}

async fn day(args: &DemoArgs, record: &Kept) -> anyhow::Result<u8> {
    let clock = Clock::starting_at(site::start(), 1.0);
    let world = World::build(clock.clone())?;
    let directory = tempfile::tempdir().context("a directory for the demo's configuration could not be made")?;
    // Nothing listens anywhere: the twins are carried within the process.
    let addresses = Addresses {
        nexudus: "http://127.0.0.1:1".to_owned(),
        kisi: "http://127.0.0.1:2".to_owned(),
        broker: "mqtt://127.0.0.1:3".to_owned(),
        web: "off".to_owned(),
        store: directory.path().join("store"),
    };
    let config = load(&site::write_config(directory.path(), &world.settings, &addresses)?)?;
    let broker = MemoryBroker::new(clock.clone());
    let (cache, ledger) = (Disk::new(), Disk::new());
    let mut gatehouse = Box::new(world.clouds.clone(), config, broker.clone(), (cache.clone(), ledger.clone()));
    gatehouse.sabotage = args.sabotage.map(sabotage);
    gatehouse.power_on()?;
    let (mut agenda, mut stage) = (Agenda::of(&world.site), Stage::new());
    let end = site::end();
    let until = |at: crate::demo::Moment| (at - clock.wall()).to_std().unwrap_or_default();
    while let Some(next) = agenda.next_at().filter(|next| *next < end) {
        clock.sleep(until(next)).await;
        gatehouse.is_live()?;
        while let Some(step) = agenda.due(clock.wall()) {
            let action = stage.perform(&step, &mut world.clouds.nexudus(), &mut world.clouds.kisi(), clock.wall())?;
            if let Some(action) = action {
                obey(&mut gatehouse, action).await?;
            }
        }
    }
    clock.sleep(until(end)).await;
    gatehouse.stop().await;
    let left = [
        Left { name: "the log".to_owned(), bytes: record.bytes() },
        Left { name: "cache.redb".to_owned(), bytes: cache.bytes()? },
        Left { name: "ledger.redb".to_owned(), bytes: ledger.bytes()? },
    ];
    let report = world.judge(stage.diary(), &published(&broker, site::start()), &left)?;
    Ok(conclude(&report, args))
}
