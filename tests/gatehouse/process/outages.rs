//! Outages on the real binary: what is told of them, how little is asked meanwhile, and what comes first after them.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use gatehouse::twin::faults::{Effect, Rule, Says};
use gatehouse::twin::kisi::Assignee;
use serde_json::Value;

use super::rig::{BOARDROOM, Moment, Rig};

/// How long both clouds are away, in seconds.
const AWAY_S: u64 = 16;

/// The most often that a cloud which is away is asked for one and the same thing in [`AWAY_S`]: three tries a second
/// apart, then a pause of at least 2 s, three, 4 s, three, 8 s. At the pace of a second it would be fifteen times.
const ASKED_MAX: usize = 9;

/// How often each cloud was asked for each thing since `from`.
fn asked(rig: &Rig, from: Moment) -> BTreeMap<(&'static str, String), usize> {
    let mut times = BTreeMap::new();
    let mut count = |cloud, at: Moment, path: &str| {
        if at >= from {
            *times.entry((cloud, path.to_owned())).or_default() += 1;
        }
    };
    for request in rig.nexudus.lock().unwrap().history().requests() {
        count("nexudus", request.at, request.target.split('?').next().unwrap_or_default());
    }
    rig.kisi(|kisi, _| kisi.history().requests.iter().for_each(|request| count("kisi", request.at, &request.path)));
    times
}

async fn until_all(rig: &mut Rig, wanted: &str, seconds: u64) -> Value {
    let begun = rig.now();
    loop {
        let status = rig.verb(&["status", "--json"]).await.json();
        if ["nexudus", "kisi", "broker"].iter().all(|link| status[*link]["state"] == wanted) {
            return status;
        }
        assert!(rig.now() - begun < TimeDelta::seconds(seconds.cast_signed()), "not all {wanted}: {status}");
    }
}

/// Both clouds and the broker are away at once: `status` says of each since when, the last success and why; the clouds
/// are asked less and less. On their return all three are online again, and the calls come at the usual pace
/// ([`Rig::finish`] counts them).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_6_with_everything_away_it_is_told_and_hardly_anything_is_asked() {
    let mut rig = Rig::new(|_| ()).await;
    rig.customer(90_210, "Ada");
    rig.customer(90_211, "Ben");
    rig.book(90_210, BOARDROOM, rig.in_min(-5), rig.in_min(60));
    rig.start_ready().await;
    rig.until("Ada's row", 20, |rig| rig.row("Ada", rig.boardroom.group)).await;
    until_all(&mut rig, "online", 20).await;
    let away_at = rig.now();
    rig.gate.close();
    rig.kisi(|kisi, _| kisi.faults.add(Rule::on("", Effect::Refuse)));
    rig.nexudus.lock().unwrap().faults.add(Rule::on("", Effect::Refuse));
    let status = until_all(&mut rig, "offline", 20).await;
    for link in ["nexudus", "kisi", "broker"] {
        let link = &status[link];
        let time = |key: &str| link[key].as_str().unwrap().parse::<Moment>().unwrap();
        assert!(time("since") >= away_at - TimeDelta::seconds(2), "{link}");
        assert!(
            time("last_success") <= time("since") && time("last_success") >= away_at - TimeDelta::seconds(40),
            "{link}"
        );
        assert!(link["error"].as_str().is_some_and(|error| !error.is_empty()), "{link}");
    }
    rig.book(90_211, BOARDROOM, rig.in_min(-5), rig.in_min(60));
    rig.until("the outage to last", 2 * AWAY_S, |rig| {
        (rig.now() >= away_at + TimeDelta::seconds(AWAY_S.cast_signed())).then_some(())
    })
    .await;
    let asked = asked(&rig, away_at + TimeDelta::seconds(1));
    println!("asked in {AWAY_S} s: {asked:?}");
    assert!(!asked.is_empty() && asked.values().all(|times| *times <= ASKED_MAX), "asked too often: {asked:?}");
    assert!(asked.values().sum::<usize>() <= 40, "asked too often in all: {asked:?}");
    rig.kisi(|kisi, _| kisi.faults.clear());
    rig.nexudus.lock().unwrap().faults.clear();
    rig.gate.open();
    until_all(&mut rig, "online", 60).await;
    rig.until("Ben's row", 30, |rig| rig.row("Ben", rig.boardroom.group)).await;
    rig.finish().await;
}

/// A cloud that says for how long it does not want to be asked is not asked for so long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_6_retry_after_is_obeyed() {
    let mut rig = Rig::new(|settings| {
        settings.set("kisi.state", r#""1s""#);
    })
    .await;
    rig.customer(90_210, "Ada");
    rig.start_ready().await;
    let says = |status| Effect::Instead(Says::new(status, "{}").header("retry-after", "6"));
    for status in [429, 503] {
        let before = rig.kisi(|kisi, _| kisi.history().requests.len());
        rig.kisi(|kisi, _| kisi.faults.add(Rule::on("", says(status)).times(1)));
        rig.until("two more calls", 30, |rig| {
            rig.kisi(|kisi, _| {
                let answers: Vec<_> = kisi.history().requests.iter().skip(before).collect();
                let busy = answers.iter().position(|request| request.status == status)?;
                let next = answers.get(busy + 1)?;
                let pause = next.at - answers[busy].at;
                // A call may have been under way.
                assert!(pause >= TimeDelta::milliseconds(5_900), "asked again {pause} after {status}");
                Some(())
            })
        })
        .await;
    }
    rig.until("Kisi to be well", 30, |rig| rig.status().filter(|status| status["kisi"]["state"] == "online")).await;
    rig.kill();
    rig.kisi(|kisi, _| assert!(kisi.history().requests.iter().filter(|request| request.status == 429).count() == 1));
}

/// While Kisi was away two bookings were cancelled, two began, and two were made for later: on its return the rows are
/// shut first, then opened, then written ahead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_6_on_kisis_return_closing_comes_first_then_opening_then_what_begins_later() {
    let mut rig = Rig::new(|_| ()).await;
    let group = rig.boardroom.group;
    rig.settings.unlink().link(&format!("resource = {BOARDROOM}, group = {group}"));
    rig.write_settings();
    let names = ["Ada", "Ben", "Cleo", "Dan", "Eve", "Fay"];
    for (id, name) in (90_210..).zip(names) {
        rig.customer(id, name);
        rig.kisi(|kisi, now| kisi.add_person(&format!("{}@example.org", name.to_lowercase()), name, now));
    }
    let (from, to) = (rig.in_min(-5), rig.in_min(60));
    let ending = [90_210, 90_211].map(|id| rig.book(id, BOARDROOM, from, to));
    rig.start_ready().await;
    rig.until("both rows", 20, |rig| rig.row("Ada", group).and(rig.row("Ben", group))).await;
    rig.kisi(|kisi, _| kisi.faults.down = true);
    rig.until("Kisi to be missed", 20, |rig| rig.status().filter(|status| status["kisi"]["state"] == "offline")).await;
    // The later ones first: what comes first is not a matter of when it was heard of.
    for id in [90_214, 90_215] {
        rig.book(id, BOARDROOM, rig.in_min(120), rig.in_min(180));
    }
    for id in [90_212, 90_213] {
        rig.book(id, BOARDROOM, from, to);
    }
    for booking in ending {
        rig.nexudus(|site| site.cancel_booking(booking)).unwrap();
    }
    let before = rig.nexudus_calls("cancelledbookings");
    let read = |rig: &mut Rig| (rig.nexudus_calls("cancelledbookings") >= before + 3).then_some(());
    rig.until("all of it to be read", 20, read).await;
    let back = rig.clock.wall();
    rig.kisi(|kisi, _| kisi.faults.down = false);
    rig.until("all of it to be done", 60, |rig| {
        let has = |name: &str| rig.row(name, group).is_some();
        (!has("Ada") && !has("Ben") && names[2..].iter().all(|name| has(name))).then_some(())
    })
    .await;
    let mut changes: Vec<(Moment, String)> = Vec::new();
    for name in names {
        let user = rig.user(name).unwrap();
        rig.kisi(|kisi, _| {
            let versions = kisi.history().assignments.iter().filter(|version| version.assignee == Assignee::User(user));
            changes.extend(versions.map(|version| (version.until.unwrap_or(version.since), name.to_owned())));
        });
    }
    changes.retain(|(at, _)| *at >= back);
    changes.sort();
    let kind = |name: &String| names.iter().position(|known| known == name).unwrap() / 2;
    let kinds: Vec<usize> = changes.iter().map(|(_, name)| kind(name)).collect();
    assert_eq!(kinds, [0, 0, 1, 1, 2, 2], "{changes:?}");
    rig.finish().await;
}
