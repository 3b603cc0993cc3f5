//! `events`: the door events kept on the box, newest last.

use std::time::Duration;

use super::args::Since;
use super::ask::{Needs, ask, ask_running, block_on, value};
use super::show::{Look, RED};
use super::{WELL, look, printed};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::LockId;
use crate::report::EventReport;
use crate::report::desk::{EventPage, Request};

/// How many events are shown without `--since`.
const SHOWN: usize = 100;
/// How many events are asked for at a time.
const PAGE: usize = 1_000;
/// How often `--follow` looks.
const FOLLOW: Duration = Duration::from_millis(500);

/// `events`
pub fn events(config: &Config, since: Option<Since>, follow: bool, door: Option<LockId>, json: bool) -> u8 {
    let clock = Clock::system();
    let since = since.map(|since| match since {
        Since::At(at) => at,
        Since::Ago(span) => clock.wall() - chrono::TimeDelta::from_std(span).unwrap_or_default(),
    });
    let look = look(config);
    let show = |page: &EventPage| {
        let line = |event: &EventReport| match json {
            true => serde_json::to_string(event).map(|line| line + "\n").unwrap_or_default(),
            false => text(event, &look),
        };
        page.events.iter().all(|event| printed(&line(event)))
    };
    // With `since`, everything from then on, page by page; else the newest few.
    let mut after = since.is_some().then_some(0);
    let mut began = false;
    let all = async {
        loop {
            let limit = if after.is_some() { PAGE } else { SHOWN };
            let request = Request::Events { after, since, door, limit };
            // To follow is to ask the gateway: without one nothing comes, and the store is left for it to open.
            let reply = match began {
                false => Some(ask(config, request, Needs::Store).await?),
                true => ask_running(config, &request).await?,
            };
            let Some(reply) = reply else {
                clock.sleep(FOLLOW).await;
                continue;
            };
            let (_, _, page) = value::<EventPage>(reply)?;
            if !show(&page) {
                return Ok(WELL);
            }
            began = true;
            let full = page.events.len() >= limit && after.is_some();
            after = page.last.or(after).or(Some(0));
            match (full, follow) {
                (true, _) => {}
                (false, true) => clock.sleep(FOLLOW).await,
                (false, false) => return Ok(WELL),
            }
        }
    };
    block_on(all).unwrap_or_else(|trouble| trouble.shown())
}

/// One event, on one line.
fn text(event: &EventReport, look: &Look) -> String {
    let door = event.door.as_ref().map_or("-".to_owned(), |door| format!("{} ({})", door.name, door.id));
    let who = event.person.as_ref().map_or("-".to_owned(), |person| {
        let name = person.name.clone().unwrap_or_else(|| format!("user {}", person.id));
        person.customer.map_or(name.clone(), |customer| format!("{name}, customer {customer}"))
    });
    let outcome = match (event.success, &event.error) {
        (Some(false), Some(error)) => {
            let text = error.message.clone().or(error.code.clone()).unwrap_or_default();
            look.paint(RED, &format!("denied: {text}"))
        }
        (Some(false), None) => look.paint(RED, "denied"),
        _ => "ok".to_owned(),
    };
    let late = if event.late { ", late" } else { "" };
    format!("{}  {:<24} {door}  {who}  {outcome}{late}\n", look.time(event.time), event.kind)
}
