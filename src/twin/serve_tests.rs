use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::twin::faults::{Effect, Faults, Rule};
use crate::twin::http::Answer;

const PATIENCE: Duration = Duration::from_secs(10);

/// A core that says what it was asked, with faults.
#[derive(Default)]
struct Echo {
    faults: Faults,
    worked: Vec<String>,
}

impl Cloud for Echo {
    fn handle(&mut self, request: &Request, now: DateTime<Utc>) -> Answer {
        let met = self.faults.meet(request);
        let (status, body) = match request.path.as_str() {
            "/nothing" => (204, Bytes::new()),
            _ => (200, Bytes::from(format!("{} {:?} {}", request.path, request.query, request.body.len()))),
        };
        met.answer(now, || {
            self.worked.push(request.path.clone());
            Response { status, headers: vec![("content-type".into(), "text/plain".into())], body }
        })
    }

    fn down(&self) -> bool {
        self.faults.down
    }
}

struct Bench {
    carrier: Carrier,
    cloud: Arc<Mutex<Echo>>,
}

impl Bench {
    async fn new() -> Bench {
        let cloud = Arc::new(Mutex::new(Echo::default()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let noon = "2026-12-01T12:00:00Z".parse().unwrap();
        let carrier = serve(listener, Arc::clone(&cloud), Clock::starting_at(noon, 1.0)).await.unwrap();
        Bench { carrier, cloud }
    }

    fn fault(&self, path: &str, effect: Effect) {
        self.cloud.lock().unwrap().faults.add(Rule::on(path, effect));
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.carrier.address()).await.unwrap()
    }
}

/// Sends a GET and gives all that comes until the connection ends or, with no end, until the answer is whole.
async fn get(socket: &mut TcpStream, target: &str) -> String {
    let wrote = socket.write_all(format!("GET {target} HTTP/1.1\r\nhost: twin\r\n\r\n").as_bytes()).await;
    let mut got = Vec::new();
    let mut piece = [0; 1024];
    while wrote.is_ok() && !is_whole(&got) {
        match Clock::system().timeout(PATIENCE, socket.read(&mut piece)).await.expect("neither an answer nor an end") {
            Ok(0) | Err(_) => break,
            Ok(bytes) => got.extend_from_slice(&piece[..bytes]),
        }
    }
    String::from_utf8(got).unwrap()
}

fn is_whole(got: &[u8]) -> bool {
    let text = String::from_utf8_lossy(got);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")).map_or(0, |l| l.parse().unwrap());
    body.len() >= length
}

#[tokio::test]
async fn an_answer_arrives_with_the_twins_date_and_a_204_carries_nothing() {
    let bench = Bench::new().await;
    let mut socket = bench.connect().await;
    let said = get(&mut socket, "/a%20b/c+d?x=%2B1&y=a+b").await;
    assert!(said.ends_with(r#"/a b/c+d [("x", "+1"), ("y", "a b")] 0"#), "{said}");
    assert!(said.contains("date: Tue, 01 Dec 2026 12:00:0"), "{said}");
    let said = get(&mut socket, "/nothing").await;
    assert!(said.starts_with("HTTP/1.1 204") && !said.contains("content-"), "{said}");
}

#[tokio::test]
async fn a_cut_answer_ends_at_that_byte_and_a_lost_one_says_nothing_after_the_work() {
    let bench = Bench::new().await;
    bench.fault("/cut", Effect::Cut(4));
    bench.fault("/lost", Effect::Lose);
    bench.fault("/refused", Effect::Refuse);
    let mut socket = bench.connect().await;
    assert!(get(&mut socket, "/whole").await.ends_with(" 0"));
    let said = get(&mut socket, "/cut").await;
    assert!(said.contains("content-length: 9") && said.ends_with("\r\n\r\n/cut"), "{said}");
    assert_eq!(get(&mut bench.connect().await, "/lost").await, "");
    assert_eq!(get(&mut bench.connect().await, "/refused").await, "");
    assert_eq!(bench.cloud.lock().unwrap().worked, ["/whole", "/cut", "/lost"]);
}

#[tokio::test]
async fn a_delay_goes_by_the_twins_clock_and_the_date_is_that_of_the_delivery() {
    let cloud = Arc::new(Mutex::new(Echo::default()));
    cloud.lock().unwrap().faults.add(Rule::on("/late", Effect::DelayMs(3_600_000)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let noon = "2026-12-01T12:00:00Z".parse::<DateTime<Utc>>().unwrap();
    let clock = Clock::starting_at(noon, 36_000.0);
    let carrier = serve(listener, cloud, clock.clone()).await.unwrap();
    let mut socket = TcpStream::connect(carrier.address()).await.unwrap();
    let said = get(&mut socket, "/late").await;
    assert!(clock.wall() - noon >= TimeDelta::hours(1));
    assert!(!said.contains(" 12:") && said.contains("date: Tue, 01 Dec 2026 1"), "{said}");
}

#[tokio::test]
async fn going_down_cuts_open_connections_hung_ones_too_and_steering_still_works() {
    let bench = Bench::new().await;
    bench.fault("/hung", Effect::Hang);
    let (mut idle, mut hung) = (bench.connect().await, bench.connect().await);
    assert!(get(&mut idle, "/a").await.starts_with("HTTP/1.1 200"));
    let cloud = Arc::clone(&bench.cloud);
    let waiting = tokio::spawn(async move { get(&mut hung, "/hung").await });
    cloud.lock().unwrap().faults.down = true;
    assert_eq!(waiting.await.unwrap(), "");
    let ended = Clock::system().timeout(PATIENCE, idle.read(&mut [0; 8])).await.expect("still open");
    assert!(matches!(ended, Ok(0) | Err(_)));
    assert_eq!(get(&mut bench.connect().await, "/a").await, "");
    assert!(get(&mut bench.connect().await, "/_twin/state").await.starts_with("HTTP/1.1 200"));
    cloud.lock().unwrap().faults.down = false;
    assert!(get(&mut bench.connect().await, "/a").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn after_the_shutdown_the_port_is_free_and_nobody_is_connected() {
    let bench = Bench::new().await;
    let mut socket = bench.connect().await;
    assert!(get(&mut socket, "/a").await.starts_with("HTTP/1.1 200"));
    let address = bench.carrier.address();
    bench.carrier.shutdown().await;
    assert_eq!(get(&mut socket, "/a").await, "");
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_not_taken() {
    let bench = Bench::new().await;
    let mut socket = bench.connect().await;
    let head = format!("POST /a HTTP/1.1\r\nhost: twin\r\ncontent-length: {}\r\n\r\n", BODY_BYTES_MAX + 1);
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    Clock::system().timeout(PATIENCE, socket.read_exact(&mut status)).await.unwrap().unwrap();
    assert_eq!(&status, b"HTTP/1.1 413");
    assert!(bench.cloud.lock().unwrap().worked.is_empty());
}
