//! Reads what Kisi holds: whole, at its slow pace, and singly where an event or a doubt names a row or a user.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::engine::{Cloud, Engine};
use super::events::fault_of;
use crate::domain::ledger::Fact;
use crate::domain::{AssignmentId, GroupId, Timestamp, UserId};
use crate::kisi::error::KisiError;
use crate::kisi::roster::Reading;
use crate::net::backoff::{doubled, spread};
use crate::net::pace::Class;
use crate::store::Batch;

/// The kind of call that connections and errors name.
const CALL: &str = "roster";
const PAUSE: std::time::Duration = std::time::Duration::from_secs(2);
const PAUSE_MAX: std::time::Duration = std::time::Duration::from_secs(60);

/// Reads whole rosters until `stop`.
pub async fn run(engine: Arc<Engine>, stop: CancellationToken) {
    let mut failures = 0;
    loop {
        engine.beat("roster");
        // What is half read is read again at the next start: the end does not wait for it.
        let Some(done) = stop.run_until_cancelled(read(&engine)).await else { return };
        let wait = match done {
            Ok(()) => {
                failures = 0;
                engine.settings.roster
            }
            Err(error) => {
                tracing::debug!(error, "the roster could not be read");
                failures += 1;
                spread(doubled(PAUSE, PAUSE_MAX, failures), engine.clock.mono())
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = engine.rest("roster", wait) => {}
            () = engine.read_roster.notified() => {}
        }
    }
}

/// One whole reading, and a look at every row and user of the ledger that it did not show.
pub async fn read(engine: &Engine) -> Result<(), String> {
    let failed = |error: KisiError| {
        engine.failed(Cloud::Kisi, CALL, fault_of(&error), error.to_string());
        error.to_string()
    };
    if engine.state().own_user.is_none() {
        let own = engine.kisi.own_user().await.map_err(failed)?;
        engine.state().own_user = Some(own.id);
    }
    let groups = wanted_groups(engine);
    engine.state().since_roster.clear();
    let began = engine.guess();
    let reading = engine.kisi.read_roster(&groups, began).await.map_err(failed)?;
    let mut batch = Batch::new();
    take(engine, reading, &groups, &mut batch);
    // What is told of another hand is told; that it is told once more after a restart does no harm.
    let _ = engine.commit(batch).await;
    let doubts = engine.state().unseen();
    look_at(engine, &doubts.0, &doubts.1, Class::Roster).await.map_err(failed)?;
    engine.succeeded(Cloud::Kisi, CALL);
    let mut batch = Batch::new();
    batch.roster(&engine.state().roster);
    // The cache is rebuilt from the clouds: where it can't be written, memory goes on.
    let _ = engine.commit(batch).await;
    engine.sync.notify_one();
    engine.told.notify_one();
    Ok(())
}

/// The linked groups, and those in which the ledger has rows of ours.
fn wanted_groups(engine: &Engine) -> BTreeSet<GroupId> {
    let mut groups = engine.rules().groups();
    groups.extend(engine.state().ledger.owned.values().map(|owned| owned.group));
    groups
}

fn take(engine: &Engine, reading: Reading, groups: &BTreeSet<GroupId>, batch: &mut Batch) {
    let linked = engine.rules().groups();
    let now = engine.guess();
    let mut state = engine.state();
    let missing: Vec<String> = reading
        .missing
        .iter()
        .filter(|group| linked.contains(group))
        .map(|group| format!("Kisi has no group {group}, to which a [[link]] leads: correct the link"))
        .collect();
    state.link_notes.insert("groups", missing);
    let asides = reading.aside.iter().map(|aside| format!("a row of Kisi is set aside: {}", aside.why)).collect();
    state.link_notes.insert("roster", asides);
    let mut roster = reading.roster;
    roster.assignments.retain(|_, row| groups.contains(&row.group));
    state.altered_in(&roster, now, batch);
    state.take_roster(roster);
}

/// Reads these rows and users singly. One of ours that is gone without our doing is drift.
pub async fn look_at(engine: &Engine, rows: &[AssignmentId], users: &[UserId], class: Class) -> Result<(), KisiError> {
    for row in rows {
        let fact = match engine.kisi.assignment(class, *row).await? {
            Some(row) => Fact::RowSeen { row },
            None => Fact::RowGone { row: *row },
        };
        learn(engine, &fact).await;
    }
    for user in users {
        let fact = match engine.kisi.user_by_id(class, *user).await? {
            Some(user) => Fact::UserSeen { user },
            None => Fact::UserGone { user: *user },
        };
        learn(engine, &fact).await;
    }
    Ok(())
}

async fn learn(engine: &Engine, fact: &Fact) {
    let now: Timestamp = engine.guess();
    let rules = engine.rules();
    let mut batch = Batch::new();
    {
        let mut state = engine.state();
        match fact {
            Fact::RowGone { row } => state.missed(*row, now),
            Fact::UserGone { user } => {
                let rows: Vec<AssignmentId> =
                    state.ledger.owned.values().filter(|owned| owned.user == *user).map(|owned| owned.id).collect();
                for row in rows {
                    state.missed(row, now);
                }
            }
            Fact::RowSeen { row } => state.altered(row, now, &mut batch),
            _ => {}
        }
        state.learn(fact, &rules.site, now, &mut batch);
        state.dirty = true;
    }
    let _ = engine.commit(batch).await;
}
