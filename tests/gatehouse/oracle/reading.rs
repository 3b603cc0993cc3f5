//! From a [`Site`] to what the program decides by: the site's rows are served as Nexudus' lists, and the program's own
//! reader reads them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use gatehouse::clock::Clock;
use gatehouse::domain::snapshot::{Record, Shelf, Snapshot};
use gatehouse::domain::{
    ContractEnd, EmailPattern, ExistingUsers, Item, Link, NewUsers, NoAccess, Rules, Timestamp, Window, Zone,
};
use gatehouse::net::{Boxed, Http, HttpError, Request, Response};
use gatehouse::nexudus::client::{NexudusClient, Settings};
use gatehouse::nexudus::needs::Needs;
use gatehouse::nexudus::read::{Known, Reader, Reading};
use serde_json::{Value, json};

use super::calendar::Minute;
use super::{Site, Tie, What};

/// That minute as the program's moment.
pub fn moment(minute: Minute) -> Timestamp {
    DateTime::from_timestamp(minute * 60, 0).expect("in range")
}

/// What complete readings of every list leave behind.
pub fn snapshot(site: &Site) -> Snapshot {
    let mut snapshot = Snapshot::default();
    read_again(&mut snapshot, site, 0);
    snapshot
}

/// Reads every list twice over from that minute on, a `refresh` apart, so that absences are believed. A list that was
/// not empty must not have become empty: that is never believed (rules 6).
pub fn read_again(snapshot: &mut Snapshot, site: &Site, from: Minute) {
    // Time is paused: where the budget makes the reader wait, nobody does.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let clock = Clock::starting_at(moment(from), 1.0);
        let client = NexudusClient::new(Arc::new(Served::of(site)), clock, settings()).expect("an address");
        let rules = rules(site);
        let reader = Reader::new(Arc::new(client), rules.zone.clone(), 4711, Needs::of(&rules.links));
        for began in [moment(from), moment(from + 1)] {
            let known = Known::of(snapshot);
            fill(&mut snapshot.customers, reader.customers(began).await);
            fill(&mut snapshot.pass_kinds, reader.pass_kinds(began).await);
            fill(&mut snapshot.paused_periods, reader.paused_periods(began).await);
            fill(&mut snapshot.teams, reader.teams(began).await);
            fill(&mut snapshot.bookings, reader.bookings(Window::ALWAYS, &known, began).await);
            fill(&mut snapshot.passes, reader.passes(&known, began).await);
            fill(&mut snapshot.contracts, reader.contracts(&known, began).await);
        }
    });
}

fn fill<T: Record, E: std::fmt::Debug>(shelf: &mut Shelf<T>, reading: Result<Reading<T>, E>) {
    let reading = reading.expect("a site that answers");
    assert_eq!(reading.incomplete, None, "every page came");
    assert_eq!(reading.listing.aside, [], "every row of a test is right");
    assert_eq!(shelf.absorb(reading.listing).refused, None, "the lists of a test are whole");
}

fn settings() -> Settings {
    Settings {
        url: "http://127.0.0.1/api".parse().expect("a URL"),
        username: "gateway@example.org".to_owned(),
        password: "not-a-password".to_owned().into(),
        client_id: "gatehouse-harbour-house".to_owned(),
        requests_per_hour: 4_500,
    }
}

/// A Nexudus that shows the site's rows and ignores every filter, as it may.
struct Served {
    lists: BTreeMap<&'static str, Vec<Value>>,
}

impl Served {
    fn of(site: &Site) -> Served {
        let lists = [
            ("spaces/coworkers", site.coworkers.clone()),
            ("spaces/bookings", site.bookings.clone()),
            ("billing/coworkertimepasses", site.passes.clone()),
            ("billing/timepasses", site.kinds.clone()),
            ("billing/timepasstimeslots", site.slots.clone()),
            ("billing/coworkercontracts", site.contracts.clone()),
            ("billing/contractpausedperiods", site.pauses.clone()),
            ("spaces/teams", site.teams.values().cloned().collect()),
        ];
        Served { lists: lists.into_iter().collect() }
    }

    fn answer(&self, path: &str) -> Option<Value> {
        if path == "token" {
            return Some(json!({ "access_token": "t", "token_type": "bearer", "expires_in": 604_799 }));
        }
        if let Some(rows) = self.lists.get(path) {
            // Lists leave collections out (Nexudus API notes, 2.2).
            let row = |row: &Value| {
                let mut row = row.clone();
                row.as_object_mut().expect("an object").remove("TeamMembers");
                row
            };
            let rows: Vec<Value> = rows.iter().map(row).collect();
            return Some(json!({ "TotalItems": rows.len(), "HasNextPage": false, "Records": rows }));
        }
        let (list, id) = path.rsplit_once('/')?;
        let id: u64 = id.parse().ok()?;
        self.lists.get(list)?.iter().find(|row| row["Id"] == id).cloned()
    }
}

impl Http for Served {
    fn send(&self, request: Request) -> Boxed<'_, Result<Response, HttpError>> {
        let answer = self.answer(request.url.path().trim_start_matches("/api/"));
        let (status, body) = answer.map_or((404, json!("Not found")), |body| (200, body));
        let response = Response { status, headers: Vec::new(), body: body.to_string().into(), verified: true };
        Box::pin(async move { Ok(response) })
    }
}

/// The operator's settings.
pub fn rules(site: &Site) -> Rules {
    Rules {
        site: "harbour-house".to_owned(),
        zone: Zone::named(site.zone).expect("in tzdata"),
        links: site.ties.iter().map(link).collect(),
        prestage: Duration::from_secs(24 * 3600),
        horizon: Duration::from_secs(14 * 24 * 3600),
        refresh: Duration::from_secs(60),
        tentative: site.tentative,
        contract_end: if site.last_day_counts { ContractEnd::End } else { ContractEnd::Start },
        never_touch: site.never_touch.iter().map(|pattern| EmailPattern::new(pattern)).collect(),
        no_access: NoAccess::Suspend,
        no_access_after: Duration::from_secs(24 * 3600),
        new_users: NewUsers::Regular,
        existing_users: ExistingUsers::Assign,
        sole_writer: false,
        key_is_ours_alone: false,
        hold_after_removals: 50,
        hold_after_share: 0.25,
    }
}

fn link(tie: &Tie) -> Link {
    let minutes = |n: Minute| Duration::from_secs(u64::try_from(n * 60).expect("not negative"));
    Link {
        item: match tie.what {
            What::Resource => Item::Resource(tie.id.into()),
            What::Pass => Item::Pass(tie.id.into()),
            What::Desk => Item::Desk(tie.id.into()),
            What::Plan => Item::Plan(tie.id.into()),
        },
        group: tie.group.into(),
        alternate: tie.alternate.map(Into::into),
        before: minutes(tie.before),
        after: minutes(tie.after),
        share_with_team: tie.team,
        ignore_slots: tie.ignore_slots,
    }
}
