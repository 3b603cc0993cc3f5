//! What becomes of users: rules 5.

use gatehouse::twin::kisi::{Assignee, Assignment, Creator, Scope, Team, User};
use gatehouse::twin::nexudus::Entity;
use serde_json::json;

use super::rig::{BOARDROOM, DAY_PASS, DESK, DESK_PLAN, Rig};
use super::settings::Settings;

fn kisi_user(rig: &Rig, name: &str) -> Option<User> {
    let email = format!("{}@example.org", name.to_lowercase());
    rig.kisi(|kisi, _| kisi.user_by_email(&email).cloned())
}

async fn one_room(settle: impl FnOnce(&mut Settings)) -> Rig {
    let mut rig = Rig::new(settle).await;
    rig.settings.unlink().link(&format!("resource = {BOARDROOM}, group = {}", rig.boardroom.group));
    rig.write_settings();
    rig
}

/// With `delete`, who has no grant left goes from Kisi and is made anew with the next; whoever holds a role, a right
/// through a team or another's row, and whoever was there before, does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_5_delete_takes_its_own_users_alone_and_makes_them_anew() {
    let mut rig = one_room(|settings| {
        settings.set("access.no_access", r#""delete""#).set("access.no_access_after", r#""0s""#);
    })
    .await;
    let people = ["Ada", "Ben", "Cleo", "Dan", "Eve"];
    let group = rig.boardroom.group;
    let eve = rig.kisi(|kisi, now| kisi.add_person("eve@example.org", "Eve", now));
    let (from, to) = (rig.in_min(-10), rig.in_min(60));
    let bookings: Vec<i64> = (1..)
        .zip(people)
        .map(|(id, name)| {
            rig.customer(id, name);
            rig.book(id, BOARDROOM, from, to)
        })
        .collect();
    rig.start_ready().await;
    rig.until("five rows", 30, |rig| people.iter().all(|name| rig.row(name, group).is_some()).then_some(())).await;
    let [ada, ben, cleo, dan] = ["Ada", "Ben", "Cleo", "Dan"].map(|name| rig.user(name).unwrap());
    let (oak, office) = (rig.oak.group, rig.office);
    rig.kisi(|kisi, now| {
        // Ben gets a role, Cleo a row of another hand in a group that no link names, Dan a right through a team.
        let mut role = Assignment::in_group(ben, 0, Creator::User(office));
        role.scope = Scope::Organization;
        "organization_administrator".clone_into(&mut role.role_id);
        kisi.add_assignment(role, now);
        kisi.add_assignment(Assignment::in_group(cleo, oak, Creator::User(office)), now);
        let team = kisi.add_team(Team { name: "Crew".to_owned(), members: vec![dan], ..Team::default() });
        let mut right = Assignment::in_group(0, oak, Creator::User(office));
        right.assignee = Assignee::Team(team);
        kisi.add_assignment(right, now);
    });
    // One after the other, so that the guard has nothing to say.
    for booking in &bookings {
        rig.nexudus(|site| site.cancel_booking(*booking)).unwrap();
    }
    let held = rig.until_alert("guard", true, 20).await;
    assert!(held["detail"]["people"].as_u64() >= Some(3), "all at once is held: {held}");
    let yes = rig.verb(&["apply", "--yes", "--json"]).await;
    assert!(yes.exit == 0 || yes.exit == 4, "{yes:?}");
    rig.until("Ada to be gone", 60, |rig| {
        // What comes after the rows are gone may be held anew: it is approved as it comes.
        kisi_user(rig, "Ada").is_none().then_some(())
    })
    .await;
    rig.until_roster_read(3, 40).await;
    for (name, id) in [("Ben", ben), ("Cleo", cleo), ("Dan", dan), ("Eve", eve)] {
        let user = kisi_user(&rig, name).unwrap_or_else(|| panic!("{name} is gone"));
        assert!(user.id == id && user.access_enabled, "{name} is left as they are: {user:?}");
    }
    let deleted = |rig: &Rig| rig.kisi_calls("DELETE", "/users");
    assert_eq!(deleted(&rig), 1);
    rig.book(1, BOARDROOM, from, to);
    let again = rig.until("Ada to be made anew", 20, |rig| rig.row("Ada", group).and(rig.user("Ada"))).await;
    assert_ne!(again, ada);
    rig.finish().await;
}

/// With `manage`, who was there before is treated like its own, but suspended where others would be deleted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_5_managed_users_of_before_are_suspended_even_where_others_are_deleted() {
    let mut rig = one_room(|settings| {
        settings
            .set("access.no_access", r#""delete""#)
            .set("access.no_access_after", r#""0s""#)
            .set("access.existing_users", r#""manage""#);
    })
    .await;
    let group = rig.boardroom.group;
    let ada = rig.kisi(|kisi, now| {
        let mut ada = User { email: "ada@example.org".to_owned(), name: Some("Ada".to_owned()), ..User::default() };
        ada.metadata.insert("badge".to_owned(), "17".into());
        kisi.add_user(ada, now)
    });
    rig.customer(1, "Ada");
    rig.customer(2, "Ben");
    let (from, to) = (rig.in_min(-10), rig.in_min(60));
    let bookings = [rig.book(1, BOARDROOM, from, to), rig.book(2, BOARDROOM, from, to)];
    rig.start_ready().await;
    rig.until("both rows", 20, |rig| rig.row("Ada", group).and(rig.row("Ben", group))).await;
    for booking in bookings {
        rig.nexudus(|site| site.cancel_booking(booking)).unwrap();
    }
    let suspended = |rig: &mut Rig| kisi_user(rig, "Ada").filter(|ada| !ada.access_enabled);
    let user = rig.until("Ada to be suspended", 40, suspended).await;
    assert_eq!((user.id, &user.metadata["badge"]), (ada, &json!("17")), "what others put there is kept");
    assert_eq!(user.metadata["gatehouse_site"], "harbour-house");
    rig.book(1, BOARDROOM, from, to);
    rig.until("Ada to be enabled", 30, |rig| kisi_user(rig, "Ada").filter(|ada| ada.access_enabled)).await;
    rig.finish().await;
}

/// A user who is deleted by hand while the grant stands is made anew and given the rows again; it is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_5_a_user_deleted_by_hand_is_made_anew_while_the_grant_stands() {
    let mut rig = one_room(|_| ()).await;
    let group = rig.boardroom.group;
    rig.customer(1, "Ada");
    rig.book(1, BOARDROOM, rig.in_min(-10), rig.in_min(60));
    rig.start_ready().await;
    let row = rig.until("Ada's row", 20, |rig| rig.row("Ada", group)).await;
    let ada = rig.user("Ada").unwrap();
    let office = rig.office;
    rig.kisi(|kisi, now| kisi.remove_user(ada, Some(office), now)).unwrap();
    let again = rig.until("Ada's row again", 20, |rig| rig.row("Ada", group)).await;
    assert_ne!((again.id, rig.user("Ada").unwrap()), (row.id, ada));
    let alert = rig.until_alert("drift", true, 10).await;
    assert!(alert["message"].as_str().unwrap().contains("removed by another hand"), "{alert}");
    let user = kisi_user(&rig, "Ada").unwrap();
    assert_eq!(user.metadata["gatehouse_customer"].to_string().trim_matches('"'), "1");
    rig.finish().await;
}

/// Rules 2, Team, and rules 3, the alternate, from Nexudus to Kisi.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_2_and_3_a_team_shares_and_an_alternate_takes_the_next_window() {
    let mut rig = Rig::new(|_| ()).await;
    let (boardroom, oak, club, desks) = (rig.boardroom.group, rig.oak.group, rig.club.group, rig.desks.group);
    rig.settings
        .unlink()
        .link(&format!("resource = {BOARDROOM}, group = {boardroom}, alternate = {oak}"))
        .link(&format!("pass = {DAY_PASS}, group = {club}, share_with_team = true"))
        .link(&format!("desk = {DESK}, group = {desks}, share_with_team = true"));
    rig.write_settings();
    for (id, name) in (1..).zip(["Ada", "Ben", "Cleo"]) {
        rig.customer(id, name);
    }
    let started = rig.now().date_naive() - chrono::TimeDelta::days(3);
    rig.nexudus(|site| {
        site.add_team(901, "Crew", &[1, 2], true).unwrap();
        site.add_team(902, "Others", &[2, 3], false).unwrap();
        site.give_pass(1, DAY_PASS, None).unwrap();
        site.sign_contract(3, DESK_PLAN, started, &[DESK]).unwrap();
    });
    let (from, to) = (rig.in_min(-10), rig.in_min(60));
    rig.book(1, BOARDROOM, from, to);
    rig.book(1, BOARDROOM, rig.in_min(240), rig.in_min(300));
    rig.start_ready().await;
    let there = |rig: &mut Rig| {
        let rows = [("Ada", club), ("Ben", club), ("Cleo", desks), ("Ben", desks), ("Ada", boardroom), ("Ada", oak)];
        rows.iter().all(|(name, group)| rig.row(name, *group).is_some()).then_some(())
    };
    rig.until("what the teams share, and the next window in the alternate", 40, there).await;
    rig.until_roster_read(2, 20).await;
    assert_eq!(rig.row("Cleo", club), None, "her team shares no passes, and she is not of Ada's");
    assert_eq!(rig.row("Ada", desks), None, "she is not of Cleo's team");
    let quarter = chrono::TimeDelta::minutes(15);
    let next = rig.row("Ada", oak).unwrap();
    let ends = rig.row("Ada", boardroom).unwrap().valid_until;
    assert_eq!(ends, Some(to + quarter));
    assert!(next.valid_from > ends, "{next:?}");
    // Ben leaves the team.
    rig.nexudus(|site| site.set(Entity::Team, 901, json!({"TeamMembers": [1]}))).unwrap();
    rig.until_no_row("Ben", club, 60).await;
    assert!(rig.row("Ben", desks).is_some() && rig.row("Ada", club).is_some());
    rig.finish().await;
}
