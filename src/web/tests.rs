//! The page, health and the socket, before a gateway that answers what it is told to.

use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::sync::CancellationToken;

use super::socket::{self, AskError, Socket};
use super::{Server, page};
use crate::clock::Clock;
use crate::domain::event::{Door, Event};
use crate::domain::plan::PersonRef;
use crate::domain::{BookingId, CustomerId, GroupId, LockId, Reason, Timestamp, UserId, Zone};
use crate::report::desk::{Access, Answer, Beat, Desk, Health, HeldPlan, Hook, Hooked, Outcome, Reply, Request, View};
use crate::report::metrics::Family;
use crate::report::{
    Alert, AlertKind, ClockReport, Connection, Counts, DoorState, EventReport, Member, MemberPerson, Pace, People,
    State, Status,
};

const NAME: &str = "Ada <b>Byron</b>";

fn at(second: i64) -> Timestamp {
    DateTime::from_timestamp(1_795_600_000 + second, 0).unwrap()
}

fn view(people: People) -> View {
    let online = || Connection { state: State::Online, since: at(0), last_success: Some(at(0)), error: None };
    let status = Status {
        version: "0.1.0".to_owned(),
        started_at: at(0),
        time: at(60),
        valid_until: at(90),
        paused: false,
        clock: ClockReport { trusted: true, offset_ms: Some(12) },
        nexudus: online(),
        kisi: Connection { state: State::Offline, error: Some("no answer".to_owned()), ..online() },
        broker: online(),
        pace: Pace { changes_s: 5, refresh_s: 60 },
        counts: Counts { people: 41, ..Counts::default() },
        outbox_since: None,
        next_change_at: Some(at(3600)),
        last_sync: None,
        alerts: std::collections::BTreeMap::new(),
    };
    let person = PersonRef {
        customer: Some(CustomerId(31)),
        user: Some(UserId(771_001)),
        email: None,
        name: Some(NAME.to_owned()),
    };
    let access = |from: i64| Access {
        person: MemberPerson::new(&person, people),
        group: GroupId(45_901),
        group_name: Some("Oak & Elm".to_owned()),
        from: Some(at(from)),
        until: Some(at(from + 3600)),
        reason: Reason::Booking(BookingId(9)),
    };
    let event = Event {
        uuid: "u".to_owned(),
        time: at(30),
        kind: "lock.unlock".to_owned(),
        door: Some(Door { id: LockId(1), name: "Oak door".to_owned() }),
        success: Some(false),
        error_code: None,
        error_message: Some("no access".to_owned()),
        actor: Some(UserId(771_001)),
        actor_name: Some(NAME.to_owned()),
        by: Some("card".to_owned()),
        object: None,
        received_at: at(31),
        replayed: false,
        late: false,
    };
    let alert =
        Alert { active: true, since: at(5), message: "Kisi is away: see the line".to_owned(), detail: Value::Null };
    View {
        site: "harbour-house".to_owned(),
        zone: Zone::utc(),
        status,
        alerts: vec![(AlertKind::Kisi, alert)],
        held: Some(HeldPlan {
            plan: "plan-7".to_owned(),
            people: 4,
            removals: vec![Member {
                change: "removed".to_owned(),
                group: Some(GroupId(45_901)),
                person: MemberPerson::new(&person, people),
                reason: Reason::Policy,
            }],
        }),
        open_now: (0..25).map(access).collect(),
        coming: vec![access(7200)],
        doors: vec![DoorState {
            id: LockId(1),
            name: "Oak door".to_owned(),
            online: Some(false),
            unlocked: None,
            open: None,
            locked_down: None,
            last_event: None,
        }],
        events: vec![EventReport::new(&event, Some(CustomerId(31)), people)],
    }
}

fn well() -> Health {
    Health {
        loops: vec![Beat { name: "sync".to_owned(), alive: true }, Beat { name: "events".to_owned(), alive: true }],
        store_error: None,
        waiting_for: None,
    }
}

/// Answers with what it was asked; `Sync` never comes back.
pub(super) struct Fake {
    health: Mutex<Health>,
    pub(super) hooks: Mutex<Vec<(Hook, Hooked)>>,
}

impl Desk for Fake {
    fn view(&self) -> View {
        view(People::Id)
    }

    fn health(&self) -> Health {
        self.health.lock().unwrap().clone()
    }

    fn metrics(&self) -> Vec<Family> {
        Vec::new()
    }

    fn hook(&self, hook: Hook, hooked: Hooked) {
        self.hooks.lock().unwrap().push((hook, hooked));
    }

    fn ask(&self, request: Request) -> Answer<'_> {
        Box::pin(async move {
            match request {
                Request::Sync => std::future::pending().await,
                Request::Apply { yes: false } => Reply::value(4, &json!({"held": 3})),
                Request::Explain { who, .. } if who == "nobody" => Reply::error(5, "nobody of that name"),
                // More than one read of a pipe brings.
                Request::Plan => Reply::value(0, &"x".repeat(3 << 20)),
                other => Reply::value(0, &other),
            }
        })
    }
}

pub(super) fn fake() -> Arc<Fake> {
    Arc::new(Fake { health: Mutex::new(well()), hooks: Mutex::default() })
}

#[test]
fn the_page_says_of_people_what_it_is_given_and_escapes_it() {
    let page = |people| page::render(&view(people), false).into_string();
    let (none, id, name) = (page(People::None), page(People::Id), page(People::Name));
    for secret in ["Byron", "771001", "Customer 31"] {
        assert!(!none.contains(secret), "{secret}");
    }
    assert!(id.contains("Customer 31") && id.contains("Kisi user 771001") && !id.contains("Byron"));
    assert!(name.contains("Ada &lt;b&gt;Byron&lt;/b&gt;") && !name.contains("<b>"));
    assert!(name.contains("Oak &amp; Elm"));
}

#[test]
fn the_page_shows_what_to_do_and_works_without_scripts_for_everybody() {
    let page = page::render(&view(People::Id), false).into_string();
    for text in ["Kisi is away: see the line", "gatehouse apply --yes", "plan-7", "and 5 more", "no access", "offline"]
    {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains("style=") && !page.contains("javascript:") && !page.contains("onload"));
    assert_eq!(page.matches("<script").count(), 1, "its own, and nothing written within the page");
    assert!(page.contains(r#"<script src="/page.js" defer></script>"#));
    assert!(page.contains(r#"<html lang="en">"#) && page.contains(r#"name="viewport""#));
    for landmark in ["<header>", "<main>", "<footer>"] {
        assert_eq!(page.matches(landmark).count(), 1, "{landmark}");
    }
    for part in page.split("aria-labelledby=\"").skip(1) {
        let id = part.split('"').next().unwrap();
        assert_eq!(page.matches(&format!(" id=\"{id}\"")).count(), 1, "{id}");
    }
    let mut paused = view(People::Id);
    assert!(!page.contains("Paused"));
    paused.status.paused = true;
    assert!(page::render(&paused, false).into_string().contains("Paused"), "beside an alert too");
    assert!(page.contains("<noscript><meta http-equiv=\"refresh\""));
    let still = page::render(&view(People::Id), true).into_string();
    assert!(!still.contains("http-equiv") && !still.contains("<script"));
}

async fn get(server: std::net::SocketAddr, path: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: box\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), body.to_owned())
}

#[tokio::test]
async fn contract_5_health_says_503_when_a_loop_or_the_store_is_dead() {
    let desk = fake();
    let stop = CancellationToken::new();
    let server = Server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = server.address();
    let serving = tokio::spawn(server.serve(desk.clone(), Clock::system(), stop.clone()));

    let (code, head, body) = get(address, "/").await;
    assert_eq!(code, 200);
    assert!(body.contains("harbour-house"));
    for header in ["content-security-policy: default-src 'none'", "x-content-type-options: nosniff", "no-store"] {
        assert!(head.contains(header), "{header} in {head}");
    }
    assert!(get(address, "/?still").await.2.contains("Keep this page up to date"));
    assert!(get(address, "/page.js").await.1.contains("text/javascript"));
    assert!(get(address, "/style.css").await.1.contains("text/css"));
    assert_eq!(get(address, "/healthz").await.0, 200);
    assert_eq!(get(address, "/readyz").await.0, 200);
    let (code, head, _) = get(address, "/metrics/../etc").await;
    assert_eq!(code, 404);
    assert!(head.contains("nosniff"));

    desk.health.lock().unwrap().waiting_for = Some("Kisi's time".to_owned());
    assert_eq!(get(address, "/healthz").await.0, 200);
    assert_eq!(get(address, "/readyz").await.0, 503);
    desk.health.lock().unwrap().loops[1].alive = false;
    let (code, _, body) = get(address, "/healthz").await;
    assert_eq!((code, serde_json::from_str::<Value>(&body).unwrap()["loops"][1]["alive"].clone()), (503, json!(false)));
    *desk.health.lock().unwrap() = Health { store_error: Some("disk full".to_owned()), ..well() };
    assert_eq!(get(address, "/healthz").await.0, 503);
    assert!(desk.health().is_live(), "a restart makes no room: systemd must not be led to one after the other");

    // A connection that says nothing does not hold up the end.
    let _idle = TcpStream::connect(address).await.unwrap();
    stop.cancel();
    Clock::system().timeout(Duration::from_secs(20), serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn contract_5_the_socket_answers_each_verb_and_is_its_groups() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    std::os::unix::net::UnixListener::bind(dir.path().join(socket::NAME)).unwrap();
    let status = socket::ask(dir.path(), &Request::Status, &clock).await;
    assert!(matches!(status, Err(AskError::NotRunning { .. })), "a socket that a dead run left");

    let stop = CancellationToken::new();
    let socket = Socket::bind(dir.path()).unwrap();
    let mode = std::fs::metadata(dir.path().join(socket::NAME)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let serving = tokio::spawn(socket.serve(fake(), clock.clone(), stop.clone()));

    let requests = [
        Request::Status,
        Request::Pause,
        Request::Resume,
        Request::Apply { yes: true },
        Request::Explain { who: "ada@example.org".to_owned(), at: Some(at(0)), door: Some(LockId(1)) },
        Request::Events { after: Some(4), since: Some(at(0) - TimeDelta::days(1)), door: None, limit: 100 },
        Request::Approve { plan: "plan-7".to_owned() },
    ];
    for request in requests {
        let reply = socket::ask(dir.path(), &request, &clock).await.unwrap();
        assert_eq!(reply, Reply::value(0, &request));
    }
    let held = socket::ask(dir.path(), &Request::Apply { yes: false }, &clock).await.unwrap();
    assert_eq!(held, Reply { exit: 4, outcome: Outcome::Value(json!({"held": 3})) });
    let nobody = Request::Explain { who: "nobody".to_owned(), at: None, door: None };
    assert_eq!(socket::ask(dir.path(), &nobody, &clock).await.unwrap(), Reply::error(5, "nobody of that name"));
    let Outcome::Value(Value::String(long)) = socket::ask(dir.path(), &Request::Plan, &clock).await.unwrap().outcome
    else {
        panic!("no text");
    };
    assert_eq!(long.len(), 3 << 20);

    stop.cancel();
    clock.timeout(Duration::from_secs(20), serving).await.unwrap().unwrap();
    let gone = socket::ask(dir.path(), &Request::Status, &clock).await;
    assert!(matches!(gone, Err(AskError::NotRunning { .. })));
    assert!(!dir.path().join(socket::NAME).exists());
}

#[tokio::test]
async fn the_socket_refuses_what_it_does_not_know_and_ends_while_an_answer_is_under_way() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(Socket::bind(dir.path()).unwrap().serve(fake(), clock.clone(), stop.clone()));
    let long = [vec![b'x'; 70 << 10], b"\n".to_vec()].concat();
    let strange: [&[u8]; 5] = [
        b"\n",
        b"{\"verb\":\"open\"}\n",
        b"{\"verb\":\"approve\",\"plan\":\"p\",\"force\":true}\n",
        b"\xff\xfe\n",
        &long,
    ];
    for request in strange {
        let mut stream = UnixStream::connect(dir.path().join(socket::NAME)).await.unwrap();
        // A refusal may come before all of it is sent.
        let _ = stream.write_all(request).await;
        let _ = stream.shutdown().await;
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text).await;
        let reply: Reply = serde_json::from_slice(&text).unwrap();
        assert!(matches!(reply, Reply { exit: 2, outcome: Outcome::Error(_) }), "{reply:?}");
    }
    let asking = {
        let (dir, clock) = (dir.path().to_owned(), clock.clone());
        tokio::spawn(async move { socket::ask(&dir, &Request::Sync, &clock).await })
    };
    socket::ask(dir.path(), &Request::Status, &clock).await.unwrap();
    stop.cancel();
    clock.timeout(Duration::from_secs(20), serving).await.unwrap().unwrap();
    let outcome = clock.timeout(Duration::from_secs(20), asking).await.unwrap().unwrap();
    assert!(matches!(outcome, Err(AskError::NoAnswer { .. } | AskError::NotRunning { .. })), "{outcome:?}");
}
