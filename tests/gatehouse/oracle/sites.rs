//! Sites by chance: few people and items, much that touches, overlaps, crosses midnight or a change of the clock.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::calendar::{DAY, Day, Minute, Table, ZONES, write};
use super::{Site, Tie, What};

/// A site and the minutes to be walked: from the day before a change of daylight saving until the day after.
#[derive(Clone, Debug)]
pub struct Case {
    /// The site.
    pub site: Site,
    /// The first minute.
    pub start: Minute,
    /// The minute after the last.
    pub end: Minute,
}

/// Which sites are wanted.
#[derive(Clone, Copy)]
pub struct Wish {
    /// Whether passes may have been used on days to come, which the minutes before can't foresee.
    pub foreseeable: bool,
    /// Whether links name alternate groups.
    pub alternates: bool,
}

/// A span around one of the changes of one of the zones.
#[derive(Clone, Copy, Debug)]
struct Span {
    zone: &'static Table,
    start: Minute,
    end: Minute,
}

const RESOURCES: [u64; 3] = [551, 552, 553];
const KINDS: [u64; 3] = [31, 32, 33];
const DESKS: [u64; 3] = [801, 802, 803];
const PLANS: [u64; 2] = [11, 12];
const GROUPS: [u64; 4] = [45901, 45902, 45903, 45904];
const CUSTOMERS: std::ops::RangeInclusive<u64> = 90_201..=90_205;
const EMAILS: [Option<&str>; 9] = [
    Some("ada@example.org"),
    Some(" ADA@Example.org "),
    Some("ben@example.org"),
    Some("cleo@example.org"),
    Some("Dora.Émile@example.org"),
    Some("guard@staff.example"),
    Some("  "),
    Some(""),
    None,
];

/// Any site.
pub fn any_case(wish: Wish) -> impl Strategy<Value = Case> {
    span().prop_flat_map(move |span| {
        (settings(span, wish), lists(span, wish, 0)).prop_map(move |(settings, lists)| Case {
            site: lists.on(settings),
            start: span.start,
            end: span.end,
        })
    })
}

/// Any site, and what its records have become at some later minute.
pub fn any_change(wish: Wish) -> impl Strategy<Value = (Case, Minute, Site)> {
    span().prop_flat_map(move |span| {
        let lists = (lists(span, wish, 1), lists(span, wish, 1));
        (settings(span, wish), lists, span.start..span.end).prop_map(move |(settings, (before, after), at)| {
            let later = after.on(settings.clone());
            (Case { site: before.on(settings), start: span.start, end: span.end }, at, later)
        })
    })
}

/// What the operator has set, and no record.
fn settings(span: Span, wish: Wish) -> impl Strategy<Value = Site> {
    (prop::collection::vec(tie(wish), 1..7), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        move |(ties, tentative, last_day_counts, staff)| Site {
            ties: distinct(ties),
            never_touch: if staff { vec!["*@staff.example"] } else { Vec::new() },
            tentative,
            last_day_counts,
            ..empty(span.zone.name)
        },
    )
}

/// The records of a site.
#[derive(Clone, Debug)]
struct Lists {
    coworkers: Vec<Value>,
    bookings: Vec<Value>,
    passes: Vec<Value>,
    slotted: Vec<u64>,
    contracts: Vec<Value>,
    pauses: Vec<(u64, Days)>,
    teams: Vec<Value>,
}

impl Lists {
    /// These records at a site with those settings.
    fn on(self, settings: Site) -> Site {
        let numbered = |first: u64, rows: Vec<Value>| -> Vec<Value> {
            (first..).zip(rows).map(|(id, row)| with(row, &[("Id", json!(id))])).collect()
        };
        let pauses = (600..).zip(self.pauses).map(|(id, (contract, days))| pause(id, 31_000 + contract, &days));
        Site {
            coworkers: numbered(*CUSTOMERS.start(), self.coworkers),
            bookings: numbered(1_400_000, self.bookings),
            passes: numbered(77_000, self.passes),
            kinds: kinds(),
            slots: (1..).zip(self.slotted).map(|(id, kind)| slot(id, kind)).collect(),
            contracts: numbered(31_000, self.contracts),
            pauses: pauses.collect(),
            teams: (5..).zip(self.teams).map(|(id, row)| (id, with(row, &[("Id", json!(id))]))).collect(),
            ..settings
        }
    }
}

/// Lists of at least `least` rows: one that becomes empty is not believed.
fn lists(span: Span, wish: Wish, least: usize) -> impl Strategy<Value = Lists> {
    let lists = (
        prop::collection::vec(coworker(), 5),
        prop::collection::vec(booking(span), least..8),
        prop::collection::vec(pass(span, wish), least..6),
        prop::collection::vec(select(&KINDS[..]), 0..3),
        prop::collection::vec(contract(span), least..4),
        prop::collection::vec((0u64..4, whole_days(span)), least..3),
        prop::collection::vec(team(), least..3),
    );
    lists.prop_map(|(coworkers, bookings, passes, slotted, contracts, pauses, teams)| Lists {
        coworkers,
        bookings,
        passes,
        slotted,
        contracts,
        pauses,
        teams,
    })
}

/// Bookings of one resource for one customer, back to back, overlapping or apart, and nothing else.
pub fn one_room() -> impl Strategy<Value = Case> {
    let ties = (select(&[0, 15, 30][..]), select(&[0, 15, 30][..]), any::<bool>());
    (span(), ties).prop_flat_map(|(span, (before, after, alternate))| {
        prop::collection::vec(times(span), 1..7).prop_map(move |times| {
            let rows = (1_400_000u64..).zip(times);
            let bookings = rows.map(|(id, (from, to))| booking_row(span.zone, id, 551, Some(90_201), from, to, false, 0));
            let tie = Tie { alternate: alternate.then_some(46_901), before, after, ..plain(What::Resource, 551, 45_901) };
            let ada = json!({ "Id": 90_201, "FullName": "Ada Jones", "Email": "ada@example.org", "Active": true, "Archived": false });
            let site = Site { ties: vec![tie], coworkers: vec![ada], bookings: bookings.collect(), ..empty(span.zone.name) };
            Case { site, start: span.start, end: span.end }
        })
    })
}

/// A site with nothing in it.
pub fn empty(zone: &'static str) -> Site {
    Site {
        zone,
        ties: Vec::new(),
        never_touch: Vec::new(),
        tentative: false,
        last_day_counts: true,
        coworkers: Vec::new(),
        bookings: Vec::new(),
        passes: Vec::new(),
        kinds: Vec::new(),
        slots: Vec::new(),
        contracts: Vec::new(),
        pauses: Vec::new(),
        teams: BTreeMap::new(),
    }
}

/// A link with the settings that a link has by itself.
pub fn plain(what: What, id: u64, group: u64) -> Tie {
    Tie { what, id, group, alternate: None, before: 15, after: 15, team: false, ignore_slots: false }
}

/// The row with those fields set.
pub fn with(mut row: Value, fields: &[(&str, Value)]) -> Value {
    for (name, value) in fields {
        row[*name] = value.clone();
    }
    row
}

fn span() -> impl Strategy<Value = Span> {
    (0..ZONES.len(), 0..2usize, 0..DAY / 60).prop_map(|(zone, change, hour)| {
        let zone = &ZONES[zone];
        let start = zone.changes[change].0 - DAY - hour * 60;
        Span { zone, start, end: start + 2 * DAY + DAY / 2 }
    })
}

/// A moment in the span or half a day outside it; of few, so that many coincide.
fn moment(span: Span) -> impl Strategy<Value = Minute> {
    let quarter = prop_oneof![3 => Just(60), 1 => Just(15), 1 => Just(7)];
    (quarter, 0..100i64).prop_map(move |(step, n)| {
        let length = span.end - span.start + DAY;
        span.start - DAY / 2 + (n * step * length / (60 * 100)) / step * step
    })
}

/// When something begins and ends, at least a quarter of an hour later.
fn times(span: Span) -> impl Strategy<Value = (Minute, Minute)> {
    (moment(span), select(&[15, 30, 45, 60, 120, 600, 26 * 60][..])).prop_map(|(from, length)| (from, from + length))
}

/// A date of the span, some days before it or after it.
fn day(span: Span) -> impl Strategy<Value = Day> {
    let first = span.zone.day(span.start);
    prop_oneof![4 => first - 1..first + 5, 1 => first - 40..first - 30, 1 => first + 30..first + 40]
}

/// A date in one of the ways in which Nexudus may write it: local midnight or UTC midnight, with or without its twin.
/// UTC's midnight without a twin is, west of Greenwich, the day before.
#[derive(Clone, Copy, Debug)]
struct Date {
    day: Day,
    way: usize,
}

impl Date {
    fn fields(self, zone: &Table, name: &'static str) -> Vec<(String, Value)> {
        let at = if self.way.is_multiple_of(2) { zone.first_minute_of(self.day) } else { self.day * DAY };
        let twin = match self.way / 2 {
            0 => Value::Null,
            1 => json!(format!("{}:00", write(self.day * DAY))),
            2 => json!(format!("{}:00Z", write(self.day * DAY))),
            _ => json!(format!("{}:00+00:00", write(self.day * DAY))),
        };
        vec![(name.to_owned(), json!(format!("{}:00Z", write(at)))), (format!("{name}Local"), twin)]
    }
}

fn date(span: Span) -> impl Strategy<Value = Date> {
    (day(span), 0..8usize).prop_map(|(day, way)| Date { day, way })
}

/// The days of a pause; one side may be missing, not both.
#[derive(Clone, Debug)]
struct Days {
    zone: &'static Table,
    from: Option<Date>,
    until: Option<Date>,
}

fn days_between(span: Span) -> impl Strategy<Value = Days> {
    (date(span), prop::option::weighted(0.9, 0i64..4), prop::bool::weighted(0.9)).prop_map(
        move |(from, length, begins)| {
            let until = length.map(|length| Date { day: from.day + length, ..from });
            let begins = begins || until.is_none();
            Days { zone: span.zone, from: begins.then_some(from), until }
        },
    )
}

/// The same, with both sides: the list of pauses must have them.
fn whole_days(span: Span) -> impl Strategy<Value = Days> {
    days_between(span).prop_filter("both sides", |days| days.from.is_some() && days.until.is_some())
}

/// The moment in UTC as one of the shapes that Nexudus' dates come in.
fn utc(at: Minute, shape: usize) -> Value {
    let digits = write(at);
    json!(match shape {
        0 => format!("{digits}:00Z"),
        1 => format!("{digits}:00"),
        2 => format!("{digits}:00.0000000Z"),
        _ => format!("{}:00+01:00", write(at + 60)),
    })
}

fn coworker() -> impl Strategy<Value = Value> {
    (select(&EMAILS[..]), prop::bool::weighted(0.9), prop::bool::weighted(0.1)).prop_map(|(email, active, archived)| {
        json!({
            "UniqueId": "7c9e6679-7425-40de-944b-e07fc1f90ae7", "CoworkerType": 1, "FullName": "Ada Jones", "Email": email,
            "Active": active, "Archived": archived, "TeamNames": "Acme", "UpdatedOn": "2026-03-02T09:30:00Z",
        })
    })
}

/// A customer of the site, now and then one that no list shows.
fn someone() -> impl Strategy<Value = u64> {
    prop_oneof![15 => CUSTOMERS, 1 => Just(90_999u64)]
}

fn booking(span: Span) -> impl Strategy<Value = Value> {
    let who = prop::option::weighted(0.9, someone());
    (select(&RESOURCES[..]), who, times(span), prop::bool::weighted(0.15), 0..4usize).prop_map(
        move |(resource, who, (from, to), tentative, shape)| {
            booking_row(span.zone, 0, resource, who, from, to, tentative, shape)
        },
    )
}

/// A booking as the list shows it; `shape` is how its dates are written.
#[expect(clippy::too_many_arguments, reason = "a row has as many fields")]
pub fn booking_row(
    zone: &Table,
    id: u64,
    resource: u64,
    who: Option<u64>,
    from: Minute,
    to: Minute,
    tentative: bool,
    shape: usize,
) -> Value {
    let local = |at: Minute| format!("{}:00{}", write(zone.wall(at)), ["", "Z", "+00:00", ""][shape]);
    json!({
        "Id": id, "UniqueId": format!("1b4e28ba-2fa1-41d2-883f-{id:012}"), "ResourceId": resource, "ResourceName": "Boardroom",
        "ResourceResourceTypeName": "Meeting Room", "FloorPlanDeskId": null, "CoworkerId": who, "CoworkerFullName": "Ada Jones",
        "FromTime": utc(from, shape), "ToTime": utc(to, shape), "FromTimeLocal": local(from), "ToTimeLocal": local(to),
        "Tentative": tentative, "Online": true, "BookingNumber": 8123, "KisiKeyId": null, "RepeatSeriesUniqueId": null,
        "UpdatedOn": "2026-03-02T09:30:00Z", "IsNew": false, "SystemId": null,
    })
}

fn pass(span: Span, wish: Wish) -> impl Strategy<Value = Value> {
    let used_on = if wish.foreseeable {
        // The literal date is the day at the start and so is the instant's, or both are long gone.
        let noon = span.zone.first_minute_of(span.zone.day(span.start)) + 12 * 60;
        select(vec![noon, noon - 3 * DAY])
            .prop_filter_map("two dates", move |at| (at.div_euclid(DAY) == span.zone.day(at)).then_some(at))
            .boxed()
    } else {
        moment(span).boxed()
    };
    (
        (someone(), select(&KINDS[..]), any::<bool>(), prop::option::weighted(0.8, used_on)),
        (prop::option::of(select(&[-1i64, 0, 1, 90][..])), prop::option::of(moment(span)), 0..4usize),
    )
        .prop_map(|((who, kind, used, used_on), (left, expires, shape))| {
            let used_on = used_on.filter(|_| used);
            json!({
                "CoworkerId": who, "BusinessId": 4712, "TimePassId": kind, "TimePassName": "Pass", "Used": used,
                "CheckedIn": false, "UsedDate": used_on.map(|at| utc(at, shape)), "RemainingUses": left, "TotalUses": left,
                "Free": false, "ExpireDate": expires.map(|at| utc(at, shape)), "IsFromTariff": true,
                "UpdatedOn": "2026-03-01T00:05:00Z",
            })
        })
}

/// Kinds of pass: two for a day, one with minutes.
fn kinds() -> Vec<Value> {
    let minutes = [None, None, Some(300)];
    let row = |(id, minutes)| json!({ "Id": id, "BusinessId": 4711, "Name": "Pass", "MinutesIncluded": minutes, "Archived": false });
    KINDS.into_iter().zip(minutes).map(row).collect()
}

fn slot(id: u64, kind: u64) -> Value {
    json!({ "Id": id, "TimePassId": kind, "DayOfWeek": 1, "FromTime": "1976-01-01T09:00:00Z", "ToTime": "1976-01-01T17:00:00Z" })
}

fn contract(span: Span) -> impl Strategy<Value = Value> {
    let desks = select(&["801", "801,802", "801, 803", "802 ,803", "8010", ""][..]);
    (
        (someone(), prop::option::of(desks), prop::option::of(select(&PLANS[..])), prop::bool::weighted(0.9)),
        (date(span), prop::option::of(date(span)), prop::option::of(days_between(span)), any::<bool>()),
    )
        .prop_map(move |((who, desks, plan, active), (start, end, pause, in_pause))| {
            let mut row = json!({
                "IssuedById": 4712, "CoworkerId": who, "CoworkerEmail": "ada@example.org", "CoworkerActive": true,
                "TariffId": plan, "TariffName": "Dedicated desk", "Active": active, "MainContract": true,
                "Cancelled": end.is_some(), "CancellationDate": null, "FloorPlanDeskIds": desks, "FloorPlanDeskNames": "D1",
                "InPausedPeriod": pause.is_some() && in_pause, "InPausedPeriodFrom": null, "InPausedPeriodUntil": null,
                "UpdatedOn": "2026-03-01T00:05:00Z",
            });
            // The paused dates of a contract have no twins (Nexudus API notes, 3.8).
            let twinless = |date: Date| Date { way: date.way % 2, ..date };
            let pause_from = pause.as_ref().and_then(|days| days.from).map(twinless);
            let pause_until = pause.as_ref().and_then(|days| days.until).map(twinless);
            for (name, date) in [
                ("StartDate", Some(start)),
                ("CancellationDate", end),
                ("InPausedPeriodFrom", pause_from),
                ("InPausedPeriodUntil", pause_until),
            ] {
                for (field, value) in date.map(|date| date.fields(span.zone, name)).unwrap_or_default() {
                    row[field] = value;
                }
            }
            row
        })
}

fn pause(id: u64, contract: u64, days: &Days) -> Value {
    let mut row =
        json!({ "Id": id, "CoworkerContractId": contract, "PauseFrom": null, "PauseUntil": null, "Notes": null });
    for (name, date) in [("PauseFrom", days.from), ("PauseUntil", days.until)] {
        for (field, value) in date.map(|date| date.fields(days.zone, name)).unwrap_or_default() {
            row[field] = value;
        }
    }
    row
}

fn team() -> impl Strategy<Value = Value> {
    (prop::collection::btree_set(someone(), 0..4), any::<bool>(), any::<bool>()).prop_map(|(members, shares, whole)| {
        let member = |id: u64| if whole { json!({ "Id": id, "FullName": "Ada Jones" }) } else { json!(id) };
        let members: Vec<Value> = members.into_iter().map(member).collect();
        json!({ "Name": "Acme", "ShareTimePasses": shares, "TeamMembers": members, "TeamAdministrators": [] })
    })
}

fn tie(wish: Wish) -> impl Strategy<Value = Tie> {
    let item = prop_oneof![
        3 => select(&RESOURCES[..]).prop_map(|id| (What::Resource, id)),
        3 => select(&KINDS[..]).prop_map(|id| (What::Pass, id)),
        2 => select(&DESKS[..]).prop_map(|id| (What::Desk, id)),
        1 => select(&PLANS[..]).prop_map(|id| (What::Plan, id)),
    ];
    let sides = select(&[0, 15, 30, 120][..]);
    (item, select(&GROUPS[..]), sides.clone(), sides, any::<bool>(), any::<bool>()).prop_map(
        move |((what, id), group, before, after, team, ignore_slots)| {
            // One alternate to a group, whatever link names it.
            let alternate = (wish.alternates && group % 2 == 0).then_some(group + 1000);
            let team = team && what != What::Resource;
            Tie { what, id, group, alternate, before, after, team, ignore_slots }
        },
    )
}

/// A duplicate link, the same item and the same group, is refused by the configuration.
fn distinct(ties: Vec<Tie>) -> Vec<Tie> {
    let mut kept: Vec<Tie> = Vec::new();
    for tie in ties {
        if !kept.iter().any(|other| (other.what, other.id, other.group) == (tie.what, tie.id, tie.group)) {
            kept.push(tie);
        }
    }
    kept
}
