//! Who gets in: by Kisi's judgement, by a reader's memory, and from afar.

use super::*;

fn at(minute: i64) -> Moment {
    noon() + TimeDelta::minutes(minute)
}

fn outcome(decision: &Decision) -> &str {
    if decision.allowed { "open" } else { decision.code.as_deref().unwrap_or("no code") }
}

impl Bench {
    fn tap(&mut self, minute: i64) -> Decision {
        self.twin.tap(self.member, self.lock, at(minute))
    }

    fn give(&mut self, from: Option<Moment>, until: Option<Moment>) -> Id {
        let row = Assignment::in_group(self.member, self.group, Creator::User(self.admin)).window(from, until);
        self.twin.add_assignment(row, noon())
    }
}

#[test]
fn a_door_opens_in_the_window_for_whoever_is_not_suspended_and_says_why_not() {
    let mut bench = Bench::new();
    assert_eq!(outcome(&bench.tap(1)), "fcd8ef");
    bench.give(Some(at(10)), Some(at(20)));
    for (minute, says) in [(9, "f358de"), (10, "open"), (19, "open"), (20, "f35ade")] {
        assert_eq!(outcome(&bench.tap(minute)), says, "minute {minute}");
    }
    bench.twin.switch(|s| s.until_inclusive = true);
    assert_eq!(outcome(&bench.tap(20)), "open");
    // One group that allows is enough.
    let second = bench.twin.add_group(Group { name: "All doors".into(), ..Group::default() });
    bench.twin.add_group_lock(GroupLock { id: 0, group_id: second, lock_id: bench.lock, created_at: noon() });
    let team = bench.twin.add_team(Team { id: 0, name: "Keepers".into(), members: vec![bench.member] });
    let mut row = Assignment::in_group(0, second, Creator::Unknown);
    row.assignee = Assignee::Team(team);
    bench.twin.add_assignment(row, noon());
    assert_eq!(outcome(&bench.tap(25)), "open");
    let member = bench.member;
    bench.twin.edit_user(member, None, at(26), |user| user.scim_access_enabled = false);
    assert_eq!(outcome(&bench.tap(26)), "fcd8ff");
    assert_eq!(outcome(&bench.twin.tap(member, 999_999, at(26))), "fad10e");
}

#[test]
fn a_denied_tap_is_told_of_as_either_type() {
    let mut bench = Bench::new();
    bench.tap(1);
    bench.twin.switch(|s| s.denied_as = DeniedAs::ReaderAccess);
    bench.tap(2);
    let told: Vec<_> = bench.twin.history().events.values().filter(|e| !e.success).collect();
    assert_eq!((told[0].kind.as_str(), told[1].kind.as_str()), ("lock.unlock", "reader.access"));
    assert!(told.iter().all(|e| e.error.as_ref().is_some_and(|(code, _)| code == "fcd8ef")));
    assert_eq!(told[1].object.as_ref().unwrap().0, "Reader");
}

/// Rules 5 and the notes, 9: a revoke may not reach a reader that has lost the internet, and a first visit fails there.
#[test]
fn a_reader_without_internet_opens_for_whom_it_knows_and_tells_of_it_afterwards() {
    let mut bench = Bench::new();
    let row = bench.give(None, Some(at(60)));
    let stranger = bench.twin.add_person("new@keepers.example", "New Comer", noon());
    bench.twin.add_assignment(Assignment::in_group(stranger, bench.group, Creator::Unknown), noon());
    assert_eq!(bench.tap(1).judged_by, JudgedBy::Kisi);
    let (place, lock) = (bench.place, bench.lock);
    bench.twin.set_internet(place, false, at(5));
    assert_eq!(bench.get("/locks").body[0]["online"], false);
    bench.twin.remove_assignment(row, None, at(6));
    let late = bench.tap(90);
    assert_eq!((outcome(&late), late.judged_by), ("open", JudgedBy::Cache));
    assert_eq!(outcome(&bench.twin.tap(stranger, lock, at(91))), "fcd8ef");
    let cache_ends = 5 + 36 * 60;
    assert_eq!(outcome(&bench.tap(cache_ends)), "open");
    assert_eq!(outcome(&bench.tap(cache_ends + 1)), "fcd8ef");
    bench.twin.switch(|s| s.cache_keeps_windows = true);
    assert_eq!(outcome(&bench.tap(92)), "fcd8ef");

    assert!(bench.twin.history().events.values().filter(|e| e.created_at >= at(90)).all(|e| e.shown_at.is_none()));
    let back = cache_ends + 10;
    bench.twin.set_internet(place, true, at(back));
    let told = bench.twin.history().events.values().find(|e| e.uuid == late.event).unwrap();
    assert_eq!((told.created_at, told.shown_at), (at(90), Some(at(back) + TimeDelta::seconds(5))));
    assert_eq!(outcome(&bench.tap(back)), "fcd8ef", "with Kisi in reach the revoke holds");
}

#[test]
fn a_cache_that_syncs_now_and_then_opens_online_after_a_revoke() {
    let mut bench = Bench::new();
    bench.twin.switch(|s| s.cache_sync = CacheSync::Minutes(30));
    let row = bench.give(None, None);
    assert_eq!(bench.tap(1).judged_by, JudgedBy::Kisi);
    bench.twin.remove_assignment(row, None, at(10));
    assert_eq!(outcome(&bench.tap(29)), "open");
    assert_eq!(outcome(&bench.tap(30)), "fcd8ef");
}

#[test]
fn an_unlock_from_afar_opens_once_and_can_be_refused_in_each_way() {
    let mut bench = Bench::new();
    let path = format!("/locks/{}/unlock", bench.lock);
    let said = bench.call("POST", &path, "");
    assert_eq!((said.status, &said.body["message"]), (200, &Value::from("Unlocked!")));
    for (status, code) in [(403, "bbc93f"), (409, "fbc000"), (503, "fac002")] {
        bench.twin.switch(|s| s.unlock = Unlock::Refused { status, code: code.into() });
        assert_eq!(bench.call("POST", &path, "").status_and_code(), (status, code));
    }
    bench.twin.switch(|s| s.unlock = Unlock::Late { ms: 30_000 });
    let request = Request {
        method: "POST".into(),
        path: path.clone(),
        headers: vec![("authorization".into(), format!("KISI-LOGIN {SECRET}"))],
        ..Request::default()
    };
    let now = bench.after(1).now;
    let late = bench.twin.handle(&request, now);
    assert_eq!((late.response.status, late.delay), (200, Duration::from_secs(30)));
    let lock = bench.lock;
    bench.twin.edit_lock(lock, |lock| lock.online = Some(false));
    assert_eq!(bench.call("POST", &path, "").status_and_code(), (503, "fac001"));
    bench.twin.edit_lock(lock, |lock| lock.online = None);
    assert_eq!(bench.get("/locks").body[0]["online"], Value::Null);
    let opened = bench.twin.history().events.values().filter(|e| e.kind == "lock.unlock" && e.success).count();
    assert_eq!(opened, 2);
}
