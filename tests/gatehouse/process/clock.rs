//! Wrong clocks, on the real binary: the system's by libfaketime, Kisi's and Nexudus' by their twins (rules 4,
//! promise 6). The monotonic clock stays honest, as the kernel's is.

use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use gatehouse::twin::faults::{Effect, Rule};
use serde_json::{Value, json};

use super::rig::{BOARDROOM, Moment, ROOT, Rig};

/// How long after its moment a change may be in Kisi.
const SLACK: TimeDelta = TimeDelta::milliseconds(2_500);

/// The system clock that a process believes in.
pub struct Fake {
    file: PathBuf,
}

impl Fake {
    /// Puts the rig's processes, from the next one on, under a clock that says `first`.
    pub fn on(rig: &mut Rig, first: &str) -> Fake {
        let fake = Fake { file: rig.directory.path().join("faketime") };
        fake.set(first);
        let file = fake.file.display().to_string();
        let library = library().display().to_string();
        for (name, value) in [
            ("LD_PRELOAD", library.as_str()),
            ("FAKETIME_TIMESTAMP_FILE", file.as_str()),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ] {
            rig.world.env.push((name.to_owned(), value.to_owned()));
        }
        fake
    }

    /// From now on it says that: `-1d`, `+0 x10`, `@1970-01-01 00:00:10` at the process' start.
    pub fn set(&self, what: &str) {
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{what}\n")).unwrap();
        std::fs::rename(&new, &self.file).unwrap();
    }
}

fn library() -> PathBuf {
    let below = |directory: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(directory).map(|entries| entries.flatten().map(|entry| entry.path()).collect());
        entries.unwrap_or_default()
    };
    let name = "faketime/libfaketimeMT.so.1";
    let places = below(Path::new("/usr/lib")).into_iter().map(|place| place.join(name));
    places.into_iter().find(|path| path.exists()).expect("libfaketime is needed: apt-get install faketime")
}

fn offset_ms(rig: &Rig) -> Option<i64> {
    rig.status()?["clock"]["offset_ms"].as_i64()
}

fn never_alerted(rig: &Rig, kind: &str) {
    let told = rig.watcher.on_topic(&format!("{ROOT}/alert/{kind}"));
    let raised: Vec<_> = told.iter().map(|message| message.json()).filter(|alert| alert["active"] == true).collect();
    assert_eq!(raised, Vec::<Value>::new(), "alert/{kind}");
}

/// The system clock wakes in 1970, jumps a day ahead, a day back, and then runs ten times too fast, all in one run:
/// each window opens and closes at its second by Kisi's clock, and it is told that the system's is wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_6_whatever_the_systems_clock_does_windows_go_by_kisis() {
    let mut rig = Rig::new(|settings| {
        settings.set("access.before", r#""0s""#).set("access.after", r#""0s""#).set("access.prestage", r#""0s""#);
        settings.set("kisi.roster", r#""30s""#);
    })
    .await;
    let group = rig.boardroom.group;
    rig.settings.unlink().link(&format!("resource = {BOARDROOM}, group = {group}"));
    rig.write_settings();
    let fake = Fake::on(&mut rig, "@1970-01-01 00:00:10");
    let clocks = [("Ada", None), ("Ben", Some("+1d")), ("Cleo", Some("-1d")), ("Dan", Some("+0 x10"))];
    for (id, (name, _)) in (90_210..).zip(clocks) {
        rig.customer(id, name);
        rig.kisi(|kisi, now| kisi.add_person(&format!("{}@example.org", name.to_lowercase()), name, now));
    }
    let first = rig.in_s(9);
    let window = |at: i64| (first + TimeDelta::seconds(at * 6), first + TimeDelta::seconds(at * 6 + 4));
    for (at, id) in (0..4).zip(90_210..) {
        let (from, to) = window(at);
        rig.book(id, BOARDROOM, from, to);
    }
    rig.start_ready().await;
    let mut offsets = Vec::new();
    for (at, (name, clock)) in (0..4).zip(clocks) {
        if let Some(clock) = clock {
            fake.set(clock);
        }
        let (from, to) = window(at);
        let row = rig.until(&format!("{name}'s window"), 20, |rig| rig.row(name, group)).await;
        let late = row.created_at - from;
        assert!(late >= TimeDelta::zero() && late < SLACK, "{name}'s opening is {late} off, with {clock:?}");
        rig.until_no_row(name, group, 10).await;
        let late = rig.now() - to;
        assert!(late >= TimeDelta::seconds(-1) && late < SLACK, "{name}'s closing is {late} off, with {clock:?}");
        offsets.push(offset_ms(&rig));
    }
    let alert = rig.until_alert("clock", true, 10).await;
    assert_eq!(rig.status().unwrap()["clock"]["trusted"], true, "Kisi's time is known all the while: {alert}");
    let wrong = |at: usize| offsets[at].unwrap().abs() > 3_600_000;
    assert!(wrong(0) && wrong(1) && wrong(2), "the system's clock was not what it was to be: {offsets:?}");
    rig.finish().await;
}

/// The last trusted time outlives the run: where Kisi then tells an earlier one, nothing is written and it is told;
/// with no time at all, and a system clock in 1970, `explain` goes by the ledger's and says that it is not verified.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_6_kisis_time_is_never_believed_to_be_earlier_than_the_ledgers() {
    let mut rig = Rig::new(|settings| {
        settings.set("mqtt.commands", r#"["check"]"#);
    })
    .await;
    rig.customer(90_210, "Ada");
    rig.customer(90_211, "Ben");
    rig.book(90_210, BOARDROOM, rig.in_min(-5), rig.in_min(60));
    rig.start_ready().await;
    rig.until("Ada's row", 20, |rig| rig.row("Ada", rig.boardroom.group)).await;
    rig.stop().await;
    let stopped = rig.now();

    // Both clouds agree, so that only the ledger knows better.
    let earlier = || Rule::on("", Effect::DateSkewMs(-3 * 86_400_000));
    rig.kisi(|kisi, _| kisi.faults.add(earlier()));
    rig.nexudus.lock().unwrap().faults.add(earlier());
    rig.book(90_211, BOARDROOM, rig.in_min(-5), rig.in_min(60));
    let _fake = Fake::on(&mut rig, "@1970-01-01 00:00:10");
    rig.watch_anew().await;
    let writes = rig.kisi_writes();
    rig.start();
    let alert = rig.until_alert("clock", true, 20).await;
    assert!(alert["message"].as_str().unwrap().contains("earlier"), "{alert}");
    rig.until("Nexudus to be read", 20, |rig| (rig.nexudus_calls("from_Booking_UpdatedOn") > 0).then_some(())).await;
    let explained = rig.until_verb(&["explain", "ben@example.org", "--json"], |told| told["allowed"] == true).await;
    assert_eq!(explained["clock"], "unverified");
    let at: Moment = explained["at"].as_str().unwrap().parse().unwrap();
    assert!((at - stopped).abs() < TimeDelta::minutes(1), "by the ledger's time, not 1970: {at}, stopped at {stopped}");
    let asked = json!({"id": "is-it", "person": "ben@example.org", "group": rig.boardroom.group});
    rig.broker.publish(&format!("{ROOT}/command/check"), &asked.to_string(), &[]);
    let checked = rig.until("the answer to check", 10, |rig| rig.said("command/check/response")).await;
    assert_eq!(
        (&checked["ok"], &checked["allowed"], &checked["clock"]),
        (&json!(true), &json!(true), &json!("unverified"))
    );
    assert_eq!(rig.kisi_writes(), writes, "nothing is written while Kisi's time is not believed");
    assert_eq!(rig.status().unwrap()["clock"]["trusted"], false);

    rig.kisi(|kisi, _| kisi.faults.clear());
    rig.nexudus.lock().unwrap().faults.clear();
    rig.until("Ben's row once Kisi's time is right", 25, |rig| rig.row("Ben", rig.boardroom.group)).await;
    rig.finish().await;
}

/// One answer whose `Date` is a day off is no reason for an alert and changes nothing; one that has jumped counts as
/// soon as a second one agrees, and the doors follow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_6_a_single_wrong_date_is_passed_over_and_a_jump_counts_when_a_second_answer_agrees() {
    let mut rig = Rig::new(|settings| {
        settings.set("access.before", r#""0s""#).set("access.after", r#""0s""#).set("access.prestage", r#""0s""#);
    })
    .await;
    let group = rig.boardroom.group;
    rig.settings.unlink().link(&format!("resource = {BOARDROOM}, group = {group}"));
    rig.write_settings();
    for (id, name) in [(90_210, "Ada"), (90_211, "Ben")] {
        rig.customer(id, name);
        rig.kisi(|kisi, now| kisi.add_person(&format!("{}@example.org", name.to_lowercase()), name, now));
    }
    rig.book(90_210, BOARDROOM, rig.in_min(-5), rig.in_min(60));
    rig.start_ready().await;
    rig.until("Ada's row", 20, |rig| rig.row("Ada", group)).await;
    for off in [86_400_000, -86_400_000, 60_000] {
        let before = rig.kisi(|kisi, _| kisi.history().requests.len());
        rig.kisi(|kisi, _| kisi.faults.add(Rule::on("", Effect::DateSkewMs(off)).times(1)));
        let asked = |rig: &mut Rig| rig.kisi(|kisi, _| (kisi.history().requests.len() >= before + 6).then_some(()));
        rig.until("some more answers", 15, asked).await;
    }
    rig.until("trust", 10, |rig| rig.status().filter(|status| status["clock"]["trusted"] == true)).await;
    assert!(rig.row("Ada", group).is_some(), "nobody is shut out by it");

    // Less than two minutes from Nexudus' time, so that the jump alone is in doubt.
    let (from, to) = (rig.in_s(95), rig.in_min(30));
    rig.book(90_211, BOARDROOM, from, to);
    let before = rig.nexudus_calls("UpdatedOn");
    rig.until("the booking to be read", 20, |rig| (rig.nexudus_calls("UpdatedOn") >= before + 3).then_some(())).await;
    assert_eq!(rig.row("Ben", group), None, "not yet");
    rig.kisi(|kisi, _| kisi.faults.add(Rule::on("", Effect::DateSkewMs(100_000))));
    let row = rig.until("Ben's window by Kisi's new time", 15, |rig| rig.row("Ben", group)).await;
    assert!(row.created_at < from - TimeDelta::seconds(20), "by this machine's time it is not open yet");
    never_alerted(&rig, "clock");
    rig.finish().await;
}
