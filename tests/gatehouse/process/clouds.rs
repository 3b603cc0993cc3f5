//! Clouds that go away, refuse, or tell the wrong time: promises 2, 6, rules 6 and 8.

use chrono::TimeDelta;
use gatehouse::twin::faults::{Effect, Rule};
use serde_json::Value;

use super::gateway::KISI_KEY;
use super::rig::{BOARDROOM, Rig};

fn state(rig: &Rig, cloud: &str) -> Option<String> {
    Some(rig.status()?[cloud]["state"].as_str()?.to_owned())
}

async fn until_state(rig: &mut Rig, cloud: &str, wanted: &str, seconds: u64) {
    let is = |rig: &mut Rig| (state(rig, cloud)? == wanted).then_some(());
    rig.until(&format!("{cloud} to be {wanted}"), seconds, is).await;
}

/// Kisi away: said in `status`, after `alert.after` in an alert, and made up for on its return with the newest intent
/// alone. Then its key is refused: nothing more is written, and hardly anything asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_6_changes_wait_for_kisi_and_are_made_on_its_return() {
    let mut rig = Rig::new(|settings| {
        settings.set("kisi.state", r#""2s""#);
    })
    .await;
    let group = rig.boardroom.group;
    rig.customer(90_210, "Ada");
    rig.customer(90_211, "Ben");
    rig.start_ready().await;
    until_state(&mut rig, "kisi", "online", 10).await;
    rig.kisi(|kisi, _| kisi.faults.down = true);
    until_state(&mut rig, "kisi", "offline", 20).await;
    let alert = rig.until_alert("kisi", true, 15).await;
    assert!(alert["message"].as_str().is_some_and(|message| !message.is_empty()), "{alert}");
    assert_eq!(rig.get("/healthz").unwrap().0, 200, "no restart brings a cloud back");
    // A booking that comes and one that comes and goes: only the first is made up for.
    let (from, to) = (rig.in_min(60), rig.in_min(120));
    rig.book(90_210, BOARDROOM, from, to);
    let fleeting = rig.book(90_211, BOARDROOM, from, to);
    let before = rig.nexudus_calls("UpdatedOn");
    rig.until("the bookings to be read", 20, |rig| (rig.nexudus_calls("UpdatedOn") >= before + 3).then_some(())).await;
    rig.nexudus(|site| site.cancel_booking(fleeting)).unwrap();
    let before = rig.nexudus_calls("cancelledbookings");
    let read = |rig: &mut Rig| (rig.nexudus_calls("cancelledbookings") >= before + 2).then_some(());
    rig.until("the cancellation to be read", 20, read).await;
    rig.kisi(|kisi, _| kisi.faults.down = false);
    let quarter = TimeDelta::minutes(15);
    rig.until_window("Ada", group, from - quarter, to + quarter, 30).await;
    until_state(&mut rig, "kisi", "online", 20).await;
    rig.until_alert("kisi", false, 10).await;
    let bens = rig.kisi(|kisi, _| kisi.history().assignments.len());
    assert_eq!(bens, 3, "two administrators' and Ada's; never one of Ben's");

    rig.kisi(|kisi, _| kisi.turn_key(KISI_KEY, Some(403), None));
    until_state(&mut rig, "kisi", "refused", 20).await;
    rig.until_alert("credentials", true, 10).await;
    let writes = rig.kisi_writes();
    rig.book(90_211, BOARDROOM, from, to);
    let asked = rig.kisi(|kisi, _| kisi.history().requests.len());
    let since = rig.now();
    let before = rig.nexudus_calls("UpdatedOn");
    rig.until("the booking to be read", 20, |rig| (rig.nexudus_calls("UpdatedOn") >= before + 3).then_some(())).await;
    assert_eq!(rig.kisi_writes(), writes, "nothing is written after a refusal");
    let tries = rig.kisi(|kisi, _| kisi.history().requests.len()) - asked;
    let allowed = 2 + (rig.now() - since).num_seconds() / 10;
    assert!(tries as i64 <= allowed, "{tries} tries in {}", rig.now() - since);
    rig.kisi(|kisi, _| kisi.turn_key(KISI_KEY, None, None));
    // SIGHUP tries at once.
    rig.gateway.as_ref().unwrap().signal("HUP");
    rig.until("Ben's row", 20, |rig| rig.row("Ben", group)).await;
    rig.until_alert("credentials", false, 10).await;
    rig.finish().await;
}

/// A refused sign-in is no 'nobody has access': windows that are known go on, open and close, and it is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_6_known_windows_go_on_while_nexudus_refuses() {
    let mut rig = Rig::new(|settings| {
        settings.set("access.before", r#""0s""#).set("access.after", r#""0s""#).set("access.prestage", r#""0s""#);
    })
    .await;
    let group = rig.boardroom.group;
    for (id, name) in [(90_210, "Ada"), (90_211, "Ben")] {
        rig.customer(id, name);
        rig.kisi(|kisi, now| kisi.add_person(&format!("{}@example.org", name.to_lowercase()), name, now));
    }
    let opens = rig.in_s(18);
    rig.book(90_210, BOARDROOM, opens, rig.in_min(60));
    rig.book(90_211, BOARDROOM, rig.in_min(-60), opens);
    rig.start_ready().await;
    rig.until("Ben's row", 10, |rig| rig.row("Ben", group)).await;
    rig.nexudus.lock().unwrap().switch(|switches| switches.api_access = false);
    rig.nexudus.lock().unwrap().revoke_tokens();
    until_state(&mut rig, "nexudus", "refused", 15).await;
    let alert = rig.until_alert("credentials", true, 10).await;
    assert!(alert["message"].as_str().unwrap().contains("Nexudus"), "{alert}");
    rig.until("Ada's row at its second", 25, |rig| rig.row("Ada", group)).await;
    rig.until_no_row("Ben", group, 5).await;
    assert!(rig.now() - opens < TimeDelta::seconds(6));
    let tokens = rig.nexudus_calls("/api/token");
    assert!(tokens <= 5, "a refused sign-in is not hammered: {tokens}");
    rig.nexudus.lock().unwrap().switch(|switches| switches.api_access = true);
    rig.gateway.as_ref().unwrap().signal("HUP");
    until_state(&mut rig, "nexudus", "online", 20).await;
    rig.until_alert("credentials", false, 10).await;
    rig.finish().await;
}

/// Kisi's `Date` a day from Nexudus': no time is to be trusted, nothing is written, and it is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_6_nothing_is_written_while_the_clouds_disagree_about_the_time() {
    let mut rig = Rig::new(|_| ()).await;
    rig.customer(90_210, "Ada");
    rig.book(90_210, BOARDROOM, rig.in_min(60), rig.in_min(120));
    rig.kisi(|kisi, _| kisi.faults.add(Rule::on("", Effect::DateSkewMs(86_400_000))));
    rig.start();
    let alert = rig.until_alert("clock", true, 20).await;
    assert!(alert["message"].is_string());
    assert_eq!(rig.kisi_writes(), 0, "before it is told");
    rig.until("Nexudus to be read", 15, |rig| (rig.nexudus_calls("from_Booking_UpdatedOn") > 0).then_some(())).await;
    let explained = rig.verb(&["explain", "ada@example.org", "--json"]).await;
    assert_eq!((explained.exit, &explained.json()["clock"]), (0, &Value::from("unverified")), "{explained:?}");
    assert_eq!(rig.kisi_writes(), 0, "while the clouds disagree");
    rig.kisi(|kisi, _| kisi.faults.clear());
    rig.until("Ada's row once the clouds agree", 30, |rig| rig.row("Ada", rig.boardroom.group)).await;
    rig.until_alert("clock", false, 15).await;
    rig.finish().await;
}

/// Both clouds live a day and an hour ahead of this machine: the doors go by Kisi's time, and so does the gateway. Its
/// own clock is reported wrong and used for nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_6_a_box_whose_clock_is_a_day_off_opens_and_closes_at_kisis_seconds() {
    let mut rig = Rig::new(|settings| {
        settings.set("access.before", r#""0s""#).set("access.after", r#""0s""#).set("access.prestage", r#""0s""#);
    })
    .await;
    rig.clock.shift_wall(TimeDelta::hours(25));
    rig.customer(90_210, "Ada");
    rig.kisi(|kisi, now| kisi.add_person("ada@example.org", "Ada", now));
    let (from, to) = (rig.in_s(10), rig.in_s(14));
    rig.book(90_210, BOARDROOM, from, to);
    rig.start_ready().await;
    let alert = rig.until_alert("clock", true, 10).await;
    assert!(rig.status().unwrap()["clock"]["trusted"] == true, "Kisi's time is known: {alert}");
    let row = rig.until("the window to open", 20, |rig| rig.row("Ada", rig.boardroom.group)).await;
    assert!(row.created_at >= from && row.created_at - from < TimeDelta::seconds(3), "{row:?}");
    assert_eq!((row.valid_from, row.valid_until), (Some(from), Some(to)));
    rig.until_no_row("Ada", rig.boardroom.group, 10).await;
    assert!(rig.now() >= to && rig.now() - to < TimeDelta::seconds(4), "closed at {}", rig.now());
    rig.finish().await;
}
