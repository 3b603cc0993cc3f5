//! The status page: one view as HTML, for a phone first. Pure; every text is escaped. It works without scripts, and keeps
//! itself up to date with one.

use maud::{DOCTYPE, Markup, html};

use crate::domain::{Reason, Timestamp, Zone};
use crate::report::desk::{Access, HeldPlan, View};
use crate::report::{Alert, AlertKind, Connection, DoorState, EventReport, Member, MemberPerson, State, Status};

/// The page's style sheet.
pub(super) const STYLE: &str = include_str!("style.css");
/// The script that keeps it up to date.
pub(super) const SCRIPT: &str = include_str!("page.js");
/// The query of a page that stays as it is: for whoever reads slowly, or listens to it.
pub(super) const STILL: &str = "still";

/// Seconds until a page without scripts loads itself again.
const REFRESH_S: u32 = 30;
/// How many entries of a list are shown.
const SHOWN: usize = 20;

/// The page. `still`: it stays as it is.
pub(super) fn render(view: &View, still: bool) -> Markup {
    let zone = &view.zone;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                @if !still {
                    noscript { meta http-equiv="refresh" content=(REFRESH_S); }
                    script src="/page.js" defer {}
                }
                title { (headline(view).1) " · " (view.site) " · Gatehouse" }
                link rel="stylesheet" href="/style.css";
            }
            body {
                p #lost role="status" {}
                header {
                    h1 { "Gatehouse " (view.site) }
                    @let (class, text) = headline(view);
                    (badge(class, text))
                    @if view.status.paused && text != PAUSED { (badge(WARN, PAUSED)) }
                    span.soft { "as of " (time(view.status.time, zone)) }
                }
                main {
                    (alerts(&view.alerts, zone))
                    @if let Some(held) = &view.held { (held_plan(held)) }
                    (accesses("open", "Open now", "Nobody has access at the moment.", &view.open_now, zone))
                    (accesses("coming", "Coming next", "Nothing is coming.", &view.coming, zone))
                    (doors(&view.doors, zone))
                    (connections(&view.status, zone))
                    (events(&view.events, zone))
                    (counts(&view.status, zone))
                }
                footer {
                    p {
                        "Gatehouse " (view.status.version) ", running since " (time(view.status.started_at, zone))
                        ". Times are those of " (zone.name()) "."
                    }
                    @if still { a href="/" { "Keep this page up to date" } }
                    @else { a href={ "/?" (STILL) } { "Keep this page as it is" } }
                }
            }
        }
    }
}

type Mood = &'static str;
const GOOD: Mood = "good";
const WARN: Mood = "warn";
const BAD: Mood = "bad";

/// Nothing is written to Kisi: said whatever else there is to say.
const PAUSED: &str = "Paused";

fn headline(view: &View) -> (Mood, &'static str) {
    if !view.alerts.is_empty() {
        (BAD, "Needs a look")
    } else if view.status.paused {
        (WARN, PAUSED)
    } else {
        (GOOD, "All is well")
    }
}

fn badge(mood: Mood, text: &str) -> Markup {
    html! { span class={ "badge " (mood) } { (text) } }
}

fn section(id: &str, class: &str, title: &str, content: Markup) -> Markup {
    html! {
        section class=(class) aria-labelledby=(id) {
            h2 id=(id) { (title) }
            (content)
        }
    }
}

fn list<T>(empty: &str, rows: &[T], show: impl Fn(&T) -> Markup) -> Markup {
    html! {
        @if rows.is_empty() { p.soft { (empty) } }
        @else {
            ul { @for row in rows.iter().take(SHOWN) { li { (show(row)) } } }
            @if rows.len() > SHOWN { p.soft { "and " (rows.len() - SHOWN) " more" } }
        }
    }
}

fn alerts(alerts: &[(AlertKind, Alert)], zone: &Zone) -> Markup {
    if alerts.is_empty() {
        return html! {};
    }
    let content = list("", alerts, |(kind, alert)| {
        html! {
            p { (badge(BAD, kind.name())) " " (alert.message) }
            span.soft { "since " (time(alert.since, zone)) }
        }
    });
    section("alerts", "wide bad", "What needs a look", content)
}

fn held_plan(held: &HeldPlan) -> Markup {
    let content = html! {
        p {
            "Removals for " (held.people) @if held.people == 1 { " person" } @else { " people" } " are held, because so many at once may be a mistake. If they are "
            "meant, release them with " code { "gatehouse apply --yes" } ", or over MQTT with " code { "approve" }
            " and the plan " code { (held.plan) } "."
        }
        (list("", &held.removals, |member: &Member| html! {
            div.row {
                span { (person(member.person.as_ref())) ": " (member.change) }
                span.soft { @if let Some(group) = member.group { "group " (group) ", " } (reason(member.reason)) }
            }
        }))
    };
    section("held", "wide warn", "Held by the guard", content)
}

fn accesses(id: &str, title: &str, empty: &str, rows: &[Access], zone: &Zone) -> Markup {
    let content = list(empty, rows, |access| {
        html! {
            div.row {
                strong { (person(access.person.as_ref())) }
                span { (window(access, zone)) }
            }
            span.soft {
                @match &access.group_name { Some(name) => { (name) } None => { "group " (access.group) } }
                ", " (reason(access.reason))
            }
        }
    });
    section(id, "", title, content)
}

fn window(access: &Access, zone: &Zone) -> Markup {
    html! {
        @match (access.from, access.until) {
            (None, None) => { "without end" }
            (Some(from), None) => { "from " (time(from, zone)) " without end" }
            (None, Some(until)) => { "until " (time(until, zone)) }
            (Some(from), Some(until)) => { (time(from, zone)) " to " (end(from, until, zone)) }
        }
    }
}

fn doors(doors: &[DoorState], zone: &Zone) -> Markup {
    let content = list("No doors are known yet.", doors, |door| {
        html! {
            div.row {
                strong { (door.name) }
                span {
                    @match door.online {
                        Some(true) => { (badge(GOOD, "online")) }
                        Some(false) => { (badge(BAD, "offline")) }
                        None => { (badge(WARN, "not known")) }
                    }
                    @if door.locked_down == Some(true) { " " (badge(BAD, "locked down")) }
                    @if door.unlocked == Some(true) { " " (badge(WARN, "unlocked")) }
                    @if door.open == Some(true) { " " (badge(WARN, "stands open")) }
                }
            }
            @if let Some(last) = door.last_event { span.soft { "last event " (time(last, zone)) } }
        }
    });
    section("doors", "", "Doors", content)
}

fn connections(status: &Status, zone: &Zone) -> Markup {
    let line = |name: &str, connection: &Connection| {
        let (mood, text) = match connection.state {
            State::Online => (GOOD, "online"),
            State::Degraded => (WARN, "degraded"),
            State::Offline => (BAD, "offline"),
            State::Refused => (BAD, "refused"),
        };
        html! {
            div {
                dt { (name) }
                dd { (badge(mood, text)) " " span.soft { "since " (time(connection.since, zone)) } }
                @if let Some(error) = &connection.error { dd.soft { (error) } }
            }
        }
    };
    let content = html! {
        dl {
            (line("Nexudus", &status.nexudus))
            (line("Kisi", &status.kisi))
            (line("MQTT broker", &status.broker))
            div {
                dt { "Clock" }
                dd {
                    @if status.clock.trusted { (badge(GOOD, "trusted")) } @else { (badge(BAD, "not trusted")) }
                    @if let Some(ahead) = status.clock.offset_ms { " " span.soft { "this box is " (ahead) " ms ahead" } }
                }
            }
        }
    };
    section("connections", "", "Connections", content)
}

fn events(events: &[EventReport], zone: &Zone) -> Markup {
    let content = list("No events yet.", events, |event| {
        html! {
            div.row {
                strong { @match &event.door { Some(door) => { (door.name) } None => { (event.kind) } } }
                span { (time(event.time, zone)) }
            }
            span.soft { (about(event)) }
            @if event.success == Some(false) {
                " " (badge(BAD, "refused"))
                @if let Some(message) = event.error.as_ref().and_then(|error| error.message.as_ref()) {
                    " " span.soft { (message) }
                }
            }
        }
    });
    section("events", "", "Last events", content)
}

/// What an event was, by whom and by what, as far as that is known and not said above it.
fn about(event: &EventReport) -> String {
    let kind = event.door.as_ref().map(|_| event.kind.clone());
    let who = event.person.as_ref().map(|who| who.name.clone().unwrap_or_else(|| format!("Kisi user {}", who.id)));
    let by = event.by.as_ref().map(|by| format!("by {by}"));
    [kind, who, by].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn counts(status: &Status, zone: &Zone) -> Markup {
    let counts = &status.counts;
    let lines = [
        ("People with access now or to come", counts.people),
        ("Open now", counts.open_now),
        ("Assignments of ours in Kisi", counts.assignments),
        ("Changes waiting", counts.pending),
        ("Changes held", counts.held),
        ("Events waiting for the broker", counts.outbox),
    ];
    let content = html! {
        dl {
            @for (name, count) in lines { div { dt { (name) } dd { (count) } } }
            @if let Some(next) = status.next_change_at { div { dt { "Next change" } dd { (time(next, zone)) } } }
            @if let Some(sync) = &status.last_sync { div { dt { "Last sync" } dd { (time(sync.at, zone)) } } }
        }
    };
    section("counts", "", "Numbers", content)
}

fn person(person: Option<&MemberPerson>) -> String {
    let Some(person) = person else { return "Somebody".to_owned() };
    match (&person.name, person.customer, person.user) {
        (Some(name), _, _) => name.clone(),
        (None, Some(customer), _) => format!("Customer {customer}"),
        (None, None, Some(user)) => format!("Kisi user {user}"),
        (None, None, None) => "Somebody".to_owned(),
    }
}

fn reason(reason: Reason) -> String {
    reason.to_string()
}

/// A moment on the site's wall clock, and as a machine reads it.
fn time(at: Timestamp, zone: &Zone) -> Markup {
    moment(at, zone, "%a %-d %b, %H:%M")
}

/// The end of what begins at `from`: without its day, where that is the same.
fn end(from: Timestamp, until: Timestamp, zone: &Zone) -> Markup {
    let same = zone.wall_clock(from).date() == zone.wall_clock(until).date();
    if same { moment(until, zone, "%H:%M") } else { time(until, zone) }
}

fn moment(at: Timestamp, zone: &Zone, format: &str) -> Markup {
    let machine = at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    html! { time datetime=(machine) { (zone.wall_clock(at).format(format)) } }
}
