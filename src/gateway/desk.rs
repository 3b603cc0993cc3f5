//! What the gateway answers to the page and to verbs: the one implementation of [`Desk`].

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::engine::Engine;
use super::metrics;
use super::sync;
use super::wires::who;
use crate::domain::entitle::entitle;
use crate::domain::explain::Who;
use crate::domain::person::{Merged, Person, people};
use crate::domain::plan::PersonRef;
use crate::domain::{GroupId, Timestamp, UserId};
use crate::report::desk::{
    Access, Answer, Beat, Desk, EventPage, Health, HeldPlan, Hook, Hooked, LedgerReport, Reply, Request, View,
};
use crate::report::metrics::Family;
use crate::report::{EventReport, Member, MemberPerson};
use crate::store::EventQuery;

/// How long a verb waits for both clouds to be read.
const READ_WITHIN: Duration = Duration::from_secs(60);
/// How long a loop may go without a sign of life. The longest wait of any is a tenth of that.
const ALIVE_WITHIN: Duration = Duration::from_secs(600);

/// The engine behind the counter.
#[derive(Clone)]
pub struct Counter(pub Arc<Engine>);

impl Desk for Counter {
    fn view(&self) -> View {
        let engine = &self.0;
        let status = engine.status();
        let rules = engine.rules();
        let state = engine.state();
        let entitled = entitle(&state.snapshot, &rules, status.time);
        let people = people(&state.snapshot, &entitled);
        let mut windows: Vec<(&Person, GroupId, &Merged)> = Vec::new();
        for person in people.values() {
            for (group, merged) in &person.windows {
                windows.extend(merged.iter().map(|merged| (person, *group, merged)));
            }
        }
        let shown = |(person, group, merged): &(&Person, GroupId, &Merged)| {
            let reference = PersonRef {
                customer: person.customers.first().copied(),
                user: None,
                email: None,
                name: Some(person.name.clone()),
            };
            Access {
                person: MemberPerson::new(&reference, engine.settings.people),
                group: *group,
                group_name: state.roster.groups.get(group).map(|group| group.name.clone()),
                from: merged.window.from(),
                until: merged.window.until(),
                reason: merged.reason(status.time),
            }
        };
        let mut open_now: Vec<Access> =
            windows.iter().filter(|(_, _, merged)| merged.window.contains(status.time)).map(shown).collect();
        open_now.sort_by_key(|access| (access.until.is_none(), access.until));
        let mut coming: Vec<Access> =
            windows.iter().filter(|(_, _, merged)| !merged.window.begun(status.time)).map(shown).collect();
        coming.sort_by_key(|access| access.from);
        let events = state.events.iter().rev();
        let report = |event| EventReport::new(event, customer(&state, event), engine.settings.people);
        View {
            site: rules.site.clone(),
            zone: rules.zone.clone(),
            alerts: state.alerts.all().iter().filter(|(_, alert)| alert.active).map(|(k, a)| (*k, a.clone())).collect(),
            held: held(engine, &state),
            open_now,
            coming,
            doors: state.retained.doors.values().cloned().collect(),
            events: events.map(report).collect(),
            status,
        }
    }

    fn health(&self) -> Health {
        let engine = &self.0;
        let now = engine.clock.mono();
        let beats = engine.beats();
        let loops = beats
            .into_iter()
            .map(|(name, at)| Beat { name: name.to_owned(), alive: now.since(at) < ALIVE_WITHIN })
            .collect();
        let state = engine.state();
        let waiting_for = if !state.read_once {
            Some("Nexudus has not been read yet".to_owned())
        } else if state.roster.read_at.is_none() {
            Some("Kisi has not been read yet".to_owned())
        } else if state.time.now(now.0).is_none() {
            Some("Kisi's time is not known".to_owned())
        } else {
            None
        };
        Health { loops, store_error: state.refused.why().next().map(str::to_owned), waiting_for }
    }

    fn metrics(&self) -> Vec<Family> {
        metrics::families(&self.0)
    }

    fn hook(&self, hook: Hook, hooked: Hooked) {
        self.0.tallies().hook(hook, hooked);
        match (hook, hooked) {
            (_, Hooked::Refused) => {}
            (Hook::Nexudus, Hooked::Taken) => self.0.hint_nexudus.notify_one(),
            (Hook::Kisi, Hooked::Taken) => self.0.hint_kisi.notify_one(),
        }
    }

    fn ask(&self, request: Request) -> Answer<'_> {
        Box::pin(async move { self.answer(request).await })
    }
}

impl Counter {
    async fn answer(&self, request: Request) -> Reply {
        let engine = &self.0;
        match request {
            Request::Status => Reply::value(0, &engine.status()),
            Request::Plan => {
                let unread = self.read_anew().await;
                let decision = engine.preview(engine.guess());
                let mut report = engine.plan_report(&decision);
                let exit = u8::from(unread.is_some());
                report.remarks.extend(unread);
                report.beside = engine.beside(engine.guess());
                Reply::value(exit, &report)
            }
            Request::Apply { yes } => self.apply(yes).await,
            Request::Adopt { created_by, suspended, apply } => match self.read_anew().await {
                // What is not known now is not made ours.
                Some(unread) => Reply::error(1, format!("nothing was adopted: {unread}")),
                None => match engine.adopt(created_by, suspended, apply).await {
                    Ok(report) => Reply::value(0, &report),
                    Err(error) => Reply::error(1, error),
                },
            },
            Request::Ledger => {
                let state = engine.state();
                let owned = state.ledger.owned.values().cloned().collect();
                let (patch_ignored, hands) = (state.ledger.patch_ignored, state.hands.clone());
                Reply::value(0, &LedgerReport { owned, patch_ignored, hands })
            }
            Request::Progress => Reply::value(0, &engine.progress()),
            Request::Explain { who: text, at, door } => match who(&text) {
                Err(wrong) => Reply::error(2, wrong),
                Ok(who) => {
                    engine.decide_once();
                    match engine.explain(&who, at, door, None) {
                        Some(told) => Reply::value(0, &told),
                        None => Reply::error(5, unknown(engine, &who, text.trim())),
                    }
                }
            },
            Request::Pause => acted(engine.pause(true).await),
            Request::Resume => acted(engine.pause(false).await),
            Request::StoreCheck => {
                let store = engine.store.clone();
                match tokio::task::spawn_blocking(move || store.look()).await {
                    Ok(checked) => Reply::value(0, &checked),
                    Err(error) => Reply::error(1, error.to_string()),
                }
            }
            Request::StoreBackup { name } => self.backup(name).await,
            Request::Sync => {
                engine.look_again();
                acted(Ok(()))
            }
            Request::Approve { plan } => acted(engine.approve(&plan).await),
            Request::Events { after, since, door, limit } => self.events(after, since, door, limit),
        }
    }

    /// One pass, and what came of it.
    async fn apply(&self, yes: bool) -> Reply {
        let engine = &self.0;
        let unread = self.read_anew().await;
        match sync::whole_pass(engine, yes).await {
            Err(error) => Reply::error(1, error),
            Ok(mut report) => {
                let exit = match (&unread, report.held.is_empty()) {
                    _ if engine.is_interrupted() => 1,
                    (Some(_), _) => 1,
                    (None, false) => 4,
                    (None, true) => 0,
                };
                report.remarks.extend(unread);
                Reply::value(exit, &report)
            }
        }
    }

    /// Reads both clouds, as far as that is to be done beside the loops. Why it could not be, for people: then what is
    /// known decides.
    async fn read_anew(&self) -> Option<String> {
        let engine = &self.0;
        let read = engine.clock.timeout(READ_WITHIN, super::read_all(engine)).await;
        let why = match read {
            Ok(Ok(())) => return None,
            Ok(Err(why)) => why,
            Err(_) => "it takes longer than a minute, as while Kisi's quota goes to changes under way".to_owned(),
        };
        Some(format!("the clouds could not be read anew ({why}): this goes by what was read before"))
    }

    /// Only beside the store: a name that leads elsewhere is refused.
    async fn backup(&self, name: String) -> Reply {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        if !name.starts_with("backup-") || !name.chars().all(plain) || name.contains("..") {
            return Reply::error(2, "a backup's name is 'backup-' with letters, digits, - and dots");
        }
        let store = self.0.store.clone();
        match tokio::task::spawn_blocking(move || store.backup_beside(&name)).await {
            Ok(Ok(checked)) => Reply::value(0, &checked),
            Ok(Err(error)) => Reply::error(1, error.to_string()),
            Err(error) => Reply::error(1, error.to_string()),
        }
    }

    fn events(
        &self,
        after: Option<u64>,
        since: Option<Timestamp>,
        door: Option<crate::domain::LockId>,
        limit: usize,
    ) -> Reply {
        let engine = &self.0;
        let query = EventQuery { after, since, door, limit };
        match engine.store.events(&query) {
            Err(error) => Reply::error(1, error.to_string()),
            Ok(rows) => {
                let state = engine.state();
                let last = rows.last().map(|(number, _)| *number).or(after);
                let report =
                    |(_, event): &(u64, _)| EventReport::new(event, customer(&state, event), engine.settings.people);
                Reply::value(0, &EventPage { last, events: rows.iter().map(report).collect() })
            }
        }
    }
}

/// That neither cloud knows the person, whom somebody may have meant, and what was not read.
fn unknown(engine: &Engine, who: &Who, text: &str) -> String {
    let near: Vec<String> =
        engine.suggest(who).iter().map(|near| format!("did you mean 'gatehouse explain {near}'?")).collect();
    let more = [Some(near.join(" ")).filter(|near| !near.is_empty()), engine.unread()];
    let more: Vec<String> = more.into_iter().flatten().collect();
    match more.is_empty() {
        true => format!("neither Nexudus nor Kisi knows '{text}', as far as was read"),
        false => format!("neither Nexudus nor Kisi knows '{text}', as far as was read: {}", more.join("; ")),
    }
}

fn acted(result: Result<(), String>) -> Reply {
    match result {
        Ok(()) => Reply::value(0, &json!({ "ok": true })),
        Err(error) => Reply::error(1, error),
    }
}

fn customer(state: &super::state::State, event: &crate::domain::event::Event) -> Option<crate::domain::CustomerId> {
    event.actor.and_then(|user: UserId| state.customer_of(user))
}

fn held(engine: &Engine, state: &super::state::State) -> Option<HeldPlan> {
    let plan = state.decision.held_id.clone()?;
    let held = &state.decision.held;
    let people: std::collections::BTreeSet<_> =
        held.iter().map(|change| (change.person.user, change.person.email.as_ref())).collect();
    Some(HeldPlan {
        plan,
        people: people.len(),
        removals: held.iter().map(|change| Member::new(change, engine.settings.people)).collect(),
    })
}
