//! Nexudus' lists: a page of any bytes is read or refused, and a row that can't be used never hides the others.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use gatehouse::clock::Clock;
use gatehouse::domain::snapshot::{Entity, Record};
use gatehouse::domain::{DeskId, GroupId, Item, Link, PassKindId, PlanId, ResourceId, Window, Zone};
use gatehouse::net::{HttpError, Request, Response};
use gatehouse::nexudus::client::{NexudusClient, Settings};
use gatehouse::nexudus::error::NexudusError;
use gatehouse::nexudus::needs::Needs;
use gatehouse::nexudus::read::{Brought, Known, Reader, Reading};
use gatehouse::nexudus::schedule::Job;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::clouds::{Cloud, answer, now, run};

const ENTITIES: [Entity; 9] = [
    Entity::Bookings,
    Entity::Resources,
    Entity::Customers,
    Entity::Passes,
    Entity::PassKinds,
    Entity::Contracts,
    Entity::PausedPeriods,
    Entity::Desks,
    Entity::Teams,
];

fn needs() -> Needs {
    let link = |item| Link {
        item,
        group: GroupId(1),
        alternate: None,
        before: Duration::from_secs(900),
        after: Duration::from_secs(900),
        share_with_team: true,
        ignore_slots: false,
    };
    Needs::of(&[
        link(Item::Resource(ResourceId(555))),
        link(Item::Pass(PassKindId(31))),
        link(Item::Desk(DeskId(801))),
        link(Item::Plan(PlanId(12))),
    ])
}

/// A row of that list that is right, and that a link reaches.
fn good(entity: Entity, id: u64) -> Value {
    match entity {
        Entity::Bookings => json!({
            "Id": id, "ResourceId": 555, "CoworkerId": 90210, "FromTime": "2026-03-05T09:00:00Z",
            "ToTime": "2026-03-05T10:00:00Z", "FromTimeLocal": "2026-03-05T10:00:00", "Tentative": false,
            "UpdatedOn": "2026-03-02T09:30:00Z",
        }),
        Entity::Resources | Entity::Desks => json!({"Id": id, "Name": "Oak", "UpdatedOn": "2026-03-02T09:30:00Z"}),
        Entity::Customers => json!({
            "Id": id, "FullName": "Ada", "Email": "ada@example.org", "Active": true, "Archived": false,
            "UpdatedOn": "2026-03-02T09:30:00Z",
        }),
        Entity::Passes => json!({
            "Id": id, "CoworkerId": 90210, "TimePassId": 31, "Used": false, "ExpireDate": "2026-04-01T00:00:00Z",
            "UpdatedOn": "2026-03-02T09:30:00Z",
        }),
        Entity::PassKinds => json!({"Id": id, "Name": "Day", "MinutesIncluded": null}),
        Entity::Contracts => json!({
            "Id": id, "CoworkerId": 90210, "TariffId": 12, "Active": true, "FloorPlanDeskIds": "801, 802",
            "StartDate": "2025-12-31T23:00:00Z", "CancellationDate": null, "InPausedPeriod": false,
            "UpdatedOn": "2026-03-01T00:05:00Z",
        }),
        Entity::PausedPeriods => json!({
            "Id": id, "CoworkerContractId": 4, "PauseFrom": "2026-03-31T22:00:00Z",
            "PauseUntil": "2026-04-30T22:00:00Z", "UpdatedOn": "2026-03-01T00:05:00Z",
        }),
        Entity::Teams => json!({"Id": id, "Name": "Acme", "ShareTimePasses": true, "CoworkerIds": "5, 6"}),
    }
}

/// Lists answer with `list`, records by id with `record`.
fn reader(
    clock: &Clock,
    mut script: impl FnMut(&str, &Request) -> Result<Response, HttpError> + Send + 'static,
) -> Reader {
    let cloud = move |request: &Request| match request.url.path().trim_start_matches("/api/") {
        "token" => Ok(answer(200, &[], r#"{"access_token":"t","token_type":"bearer","expires_in":604799}"#)),
        path => script(path, request),
    };
    let settings = Settings {
        url: "https://spaces.nexudus.example/api".parse().unwrap(),
        username: "gateway@example.org".to_owned(),
        password: "hunter-2".to_owned().into(),
        client_id: "gatehouse-harbour".to_owned(),
        requests_per_hour: 5_000,
    };
    let client = NexudusClient::new(Arc::new(Cloud(Mutex::new(cloud))), clock.clone(), settings).unwrap();
    Reader::new(Arc::new(client), Zone::named("Europe/Berlin").unwrap(), 4711, needs())
}

fn read(reader: &Reader, job: Job) -> impl Future<Output = Result<Brought, NexudusError>> {
    let window = Window::new(Some(now()), Some(now() + TimeDelta::days(14))).unwrap();
    async move { reader.perform(job, window, &Known::default(), now()).await }
}

fn ids<T: Record<Id: Into<u64>>>(reading: &Reading<T>) -> Vec<u64> {
    reading.listing.rows.iter().map(|row| row.id().into()).collect()
}

/// The first byte says which list; the rest is one row, put between two that are right.
pub fn check_row(data: &[u8]) {
    let Some((choice, row)) = data.split_first() else { return };
    let entity = ENTITIES[usize::from(*choice) % ENTITIES.len()];
    let Ok(row) = serde_json::from_slice::<&RawValue>(row) else { return };
    let row = row.get().to_owned();
    // One that takes another's id, or whose date lies in the future, is another matter.
    let id = serde_json::from_str::<Value>(&row).ok().and_then(|row| row.get("Id").map(ToString::to_string));
    if id.is_some_and(|id| id.contains("9001") || id.contains("9002")) {
        return;
    }
    run(async |clock| {
        let (first, last) = (good(entity, 9001), good(entity, 9002));
        let page = format!(r#"{{"Records":[{first},{row},{last}],"TotalItems":3,"WasSuccessful":true}}"#);
        let reader = reader(&clock, move |path, _| {
            let by_id = path.rsplit('/').next().is_some_and(|id| id.parse::<u64>().is_ok());
            Ok(match (by_id, path) {
                (true, _) => answer(404, &[], "\"Not found\""),
                (false, "billing/timepasstimeslots") => answer(200, &[], r#"{"Records":[],"TotalItems":0}"#),
                (false, _) => answer(200, &[], page.clone()),
            })
        });
        let brought = read(&reader, Job::Whole(entity)).await;
        let brought = brought.unwrap_or_else(|why| panic!("{entity:?}: the row {row} hides the others: {why}"));
        let ids = match &brought {
            Brought::Bookings(reading) => ids(reading),
            Brought::Resources(reading) | Brought::Desks(reading) => ids(reading),
            Brought::Customers(reading) => ids(reading),
            Brought::Passes(reading) => ids(reading),
            Brought::PassKinds(reading) => ids(reading),
            Brought::Contracts(reading) => ids(reading),
            Brought::PausedPeriods(reading) => ids(reading),
            Brought::Teams(reading) => ids(reading),
            Brought::Cancelled(_) => unreachable!("a list was asked for"),
        };
        assert!(ids.contains(&9001) && ids.contains(&9002), "{entity:?}: the row {row} hides the others: {ids:?}");
    });
}

/// The first byte says which job, the second the status; the rest is the body of every answer but the token's.
pub fn check_page(data: &[u8]) {
    let [choice, status, body @ ..] = data else { return };
    let entity = ENTITIES[usize::from(*choice) % ENTITIES.len()];
    let job = match choice / 64 {
        0 | 1 => Job::Whole(entity),
        2 => Job::Updated(entity),
        _ => Job::Cancelled,
    };
    let status = [200, 200, 200, 200, 500, 404, 403, 401, 409, 429, 302][usize::from(*status) % 11];
    let body = body.to_vec();
    run(async |clock| {
        let reader = reader(&clock, move |_, _| Ok(answer(status, &[("retry-after", "1")], body.clone())));
        for job in [job, Job::Updated(entity)] {
            // Not every account has paused periods: where there is no such list, there are none.
            let none_there =
                status == 404 && matches!(job, Job::Whole(Entity::PausedPeriods) | Job::Updated(Entity::PausedPeriods));
            match read(&reader, job).await {
                Ok(_) => assert!(status == 200 || none_there, "a list out of an answer of {status} to {job:?}"),
                Err(why) => assert!(why.to_string().len() < 2_000, "{why}"),
            }
        }
    });
}
