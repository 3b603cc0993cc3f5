//! Each change against a Kisi that loses, ignores and refuses.

use serde_json::{Value, json};

use super::*;
use crate::domain::ledger::Fact;
use crate::domain::roster::mark;
use crate::domain::{CustomerId, Window};
use crate::kisi::fake::*;

fn added(window: Window) -> Change {
    change(Action::Added { group: OAK, window }, Urgency::Open)
}

fn moved(window: Window) -> Change {
    change(Action::Moved { group: OAK, row: AssignmentId(1), window }, Urgency::Open)
}

fn removed() -> Change {
    change(Action::Removed { group: OAK, row: AssignmentId(1) }, Urgency::Close)
}

fn ada() -> (Fake, std::sync::Arc<KisiClient>) {
    let (fake, kisi) = Fake::new();
    fake.user(ADA, "ada@example.org", true, json!({"badge": "blue", "floor": 3}));
    (fake, kisi)
}

fn marks() -> Value {
    json!({"gatehouse_site": "mill-house", "gatehouse_customer": "90210"})
}

fn written(outcome: &Outcome) -> Vec<Option<Window>> {
    let rows = outcome.facts.iter().filter_map(|fact| match fact {
        Fact::RowWritten { row, .. } => Some(row.window()),
        _ => None,
    });
    rows.collect()
}

fn gone(outcome: &Outcome) -> Vec<u64> {
    let rows = outcome.facts.iter().filter_map(|fact| match fact {
        Fact::RowGone { row } => Some(row.0),
        _ => None,
    });
    rows.collect()
}

#[tokio::test(start_paused = true)]
async fn trap_14_whatever_is_written_says_notify_false_and_whole_seconds_in_utc() {
    let (fake, kisi) = ada();
    let outcome = kisi.carry_out(&added(window(0, 60)), &ctx()).await;
    assert_eq!(outcome.result, Ok(Done { wrote: true, form: Some(Form::New) }));
    assert_eq!(written(&outcome), [Some(window(0, 60))]);
    let sent = fake.state().seen[0].body["role_assignment"].clone();
    let asked = json!({"applies_to_type": "Group", "applies_to_id": OAK.0, "assignee_type": "User",
                       "assignee_id": ADA.0, "role_id": "group_basic", "notify": false,
                       "valid_from": "2026-12-01T09:00:00Z", "valid_until": "2026-12-01T10:00:00Z"});
    assert_eq!(sent, asked);
}

#[tokio::test(start_paused = true)]
async fn trap_4_a_row_of_another_hand_in_the_slot_is_never_taken_for_ours() {
    for conflict in [409, 422] {
        let (fake, kisi) = ada();
        fake.row(77, ADA, OAK, window(0, 60), UserId(5));
        fake.fate("POST", 0, Fate::Answer(conflict, Value::Null));
        let outcome = kisi.carry_out(&added(window(0, 60)), &ctx()).await;
        assert_eq!(outcome.result, Err(Failure::SlotTaken { row: AssignmentId(77) }));
        assert!(written(&outcome).is_empty());
        assert_eq!(fake.writes().len(), 1);
        // Nor is one that our user made before this was wanted: it may be somebody's who works with our key.
        fake.row(77, ADA, OAK, window(0, 60), US);
        let outcome = kisi.carry_out(&added(window(0, 60)), &ctx()).await;
        assert_eq!(outcome.result, Err(Failure::SlotTaken { row: AssignmentId(77) }));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_lost_after_the_row_was_made_is_found_in_its_slot() {
    let (fake, kisi) = ada();
    fake.fate("POST", 0, Fate::DoneAndLost);
    let outcome = kisi.carry_out(&added(window(0, 60)), &ctx()).await;
    assert!(outcome.result.is_ok());
    assert_eq!(written(&outcome), [Some(window(0, 60))]);
    assert_eq!(fake.writes(), ["POST /role_assignments"]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_and_an_empty_slot_may_yet_be_done_so_the_intent_stays() {
    let (fake, kisi) = ada();
    fake.fate("POST", 0, Fate::Lost);
    let outcome = kisi.carry_out(&added(window(0, 60)), &ctx()).await;
    assert!(matches!(outcome.result, Err(Failure::Unknown(_))));
    // It is done late: the next try finds it, and makes no second row.
    let again = Ctx { tried: true, ..ctx() };
    kisi.carry_out(&added(window(0, 60)), &ctx()).await;
    let outcome = kisi.carry_out(&added(window(0, 60)), &again).await;
    assert_eq!(written(&outcome), [Some(window(0, 60))]);
    assert_eq!(fake.state().rows.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_deprecated_form_is_tried_once_where_no_row_explains_a_422() {
    let (fake, kisi) = ada();
    fake.state().only_old_form = true;
    let outcome = kisi.carry_out(&added(window(0, 60)), &ctx()).await;
    assert_eq!(outcome.result, Ok(Done { wrote: true, form: Some(Form::Old) }));
    assert_eq!(fake.writes().len(), 2);
    // Trap 5: a 422 that nothing explains is set aside, not repeated.
    let (fake, kisi) = ada();
    for nth in 0..5 {
        fake.fate("POST", nth, Fate::Answer(422, Value::Null));
    }
    let outcome = kisi.carry_out(&added(window(0, 60)), &ctx()).await;
    assert!(matches!(outcome.result, Err(Failure::Item(_))));
    assert_eq!(fake.writes().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_user_that_is_gone_is_noticed_when_its_row_can_not_be_made() {
    let (_fake, kisi) = Fake::new();
    let outcome = kisi.carry_out(&added(window(0, 60)), &ctx()).await;
    assert_eq!(outcome.result, Err(Failure::UserGone { user: ADA }));
    assert!(outcome.facts.contains(&Fact::UserGone { user: ADA }));
}

#[tokio::test(start_paused = true)]
async fn rule_3_a_patch_counts_as_ignored_after_two_reads_2_s_apart() {
    let (fake, kisi) = ada();
    fake.row(1, ADA, OAK, window(0, 60), US);
    let ctx = Ctx { owned: vec![owned(1, window(0, 60))], ..ctx() };
    let outcome = kisi.carry_out(&moved(window(0, 90)), &ctx).await;
    assert_eq!(outcome.result, Ok(Done::WROTE));
    assert_eq!(written(&outcome), [Some(window(0, 90))]);
    fake.state().patch_ignored = true;
    let ctx = Ctx { owned: vec![owned(1, window(0, 90))], ..ctx };
    let from = kisi.clock.mono();
    let outcome = kisi.carry_out(&moved(window(0, 120)), &ctx).await;
    assert_eq!(outcome.result, Err(Failure::PatchIgnored { row: AssignmentId(1) }));
    assert!(outcome.facts.contains(&Fact::PatchIgnored) && written(&outcome).is_empty());
    assert!(kisi.clock.mono().since(from) >= std::time::Duration::from_secs(2));
    assert!(fake.writes().iter().all(|call| call.starts_with("PATCH")), "nothing else is done");
}

#[tokio::test(start_paused = true)]
async fn rule_3_a_row_is_replaced_only_with_both_calls_free_to_go_at_once() {
    let (fake, kisi) = ada();
    fake.row(1, ADA, OAK, window(0, 60), US);
    let ctx = Ctx { owned: vec![owned(1, window(0, 60))], patch_ignored: true, ..ctx() };
    let mut others = tokio::task::JoinSet::new();
    for _ in 0..30 {
        let kisi = std::sync::Arc::clone(&kisi);
        others.spawn(async move { kisi.pace.claim(Class::Close).await });
    }
    let outcome = kisi.carry_out(&moved(window(0, 90)), &ctx).await;
    assert!(outcome.result.is_ok());
    assert_eq!((gone(&outcome), written(&outcome)), (vec![1], vec![Some(window(0, 90))]));
    let seen = fake.state().seen.clone();
    let [.., look, delete, post] = &seen[..] else { panic!("{seen:?}") };
    let calls = [&look.call, &delete.call, &post.call];
    assert_eq!(calls, ["GET /role_assignments/1", "DELETE /role_assignments/1", "POST /role_assignments"]);
    assert_eq!(post.at, delete.at);
    let late = delete.at.since(look.at);
    assert!(late <= std::time::Duration::from_secs(5), "Kisi last answered {late:?} before: the row is read anew");
}

#[tokio::test(start_paused = true)]
async fn rule_3_a_replacement_whose_post_fails_says_what_is_missing() {
    for post in [Fate::Lost, Fate::Answer(429, Value::Null), Fate::Answer(403, Value::Null)] {
        let (fake, kisi) = ada();
        fake.row(1, ADA, OAK, window(0, 60), US);
        let ctx = Ctx { owned: vec![owned(1, window(0, 60))], patch_ignored: true, ..ctx() };
        fake.fate("POST", 0, post);
        let outcome = kisi.carry_out(&moved(window(0, 90)), &ctx).await;
        assert!(matches!(outcome.result, Err(Failure::Replacing(_))), "{outcome:?}");
        assert_eq!(gone(&outcome), [1]);
        // What a restart finds, before and after it was mended.
        kisi.clock.sleep(std::time::Duration::from_secs(11)).await;
        let intent = Intent { id: 1, change: moved(window(0, 90)), at: start(), replacing: true };
        let found = kisi.recover(&intent, &ctx).await;
        assert!(matches!(found.result, Err(Failure::Replacing(_))), "{found:?}");
        let mend = Change { urgency: Urgency::Mend, ..added(window(0, 90)) };
        assert!(kisi.carry_out(&mend, &Ctx { tried: true, ..ctx.clone() }).await.result.is_ok());
        assert_eq!(written(&kisi.recover(&intent, &ctx).await), [Some(window(0, 90))]);
        assert_eq!(fake.state().rows.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn rule_3_a_delete_whose_answer_is_lost_leaves_the_slot_filled_either_way() {
    for (delete, until) in [(Fate::DoneAndLost, 90), (Fate::Lost, 60)] {
        let (fake, kisi) = ada();
        fake.row(1, ADA, OAK, window(0, 60), US);
        let ctx = Ctx { owned: vec![owned(1, window(0, 60))], patch_ignored: true, ..ctx() };
        fake.fate("DELETE", 0, delete);
        let outcome = kisi.carry_out(&moved(window(0, 90)), &ctx).await;
        assert_eq!(outcome.result.is_ok(), until == 90, "{outcome:?}");
        assert_eq!(gone(&outcome).is_empty(), until == 60);
        let rows = &fake.state().rows;
        let [row] = rows.values().collect::<Vec<_>>()[..] else { panic!("{rows:?}") };
        assert_eq!(row["valid_until"], crate::kisi::body::instant(minute(until)));
    }
}

#[tokio::test(start_paused = true)]
async fn promise_3_only_a_row_that_ledger_and_kisi_agree_on_is_removed() {
    let not_ours = |result: &Result<Done, Failure>| matches!(result, Err(Failure::NotOurs { .. }));
    let (fake, kisi) = ada();
    fake.row(1, ADA, OAK, window(0, 60), UserId(5));
    let ours = Ctx { owned: vec![owned(1, window(0, 60))], ..ctx() };
    assert!(not_ours(&kisi.carry_out(&removed(), &ctx()).await.result), "not in the ledger");
    assert!(not_ours(&kisi.carry_out(&removed(), &ours).await.result), "made by another hand");
    fake.row(1, UserId(9), OAK, window(0, 60), US);
    assert!(not_ours(&kisi.carry_out(&removed(), &ours).await.result), "another user's");
    assert_eq!(fake.writes(), Vec::<String>::new());
    let mut adopted = ours.clone();
    adopted.owned[0].adopted_from = Some(UserId(5));
    fake.row(1, ADA, OAK, window(0, 60), UserId(5));
    assert_eq!(gone(&kisi.carry_out(&removed(), &adopted).await), [1]);
    // Gone already, by whatever hand: success.
    let outcome = kisi.carry_out(&removed(), &ours).await;
    assert_eq!((gone(&outcome), outcome.result), (vec![1], Ok(Done::ALREADY)));
}

#[tokio::test(start_paused = true)]
async fn rule_5_an_account_with_another_right_is_left_alone() {
    let row = |extra: Value| {
        let mut row = json!({"id": 50, "user_id": ADA.0, "role_id": "r", "assignee_type": "User", "scope": "group",
                             "group_id": 3, "assignee_id": ADA.0});
        for (key, value) in extra.as_object().expect("a map") {
            row[key] = value.clone();
        }
        row
    };
    let rights = [
        row(json!({"scope": "organization", "applies_to_type": "Organization"})),
        row(json!({"scope": "place", "applies_to_type": "Place"})),
        row(json!({"assignee_type": "Team", "assignee_id": 8})),
        row(json!({"assignee_team_id": 8})),
        row(json!({})),
        row(json!({"valid_from": "unreadable"})),
    ];
    for right in rights {
        for action in [Action::Suspended, Action::Deleted] {
            let (fake, kisi) = ada();
            fake.row(1, ADA, OAK, window(0, 60), US);
            fake.state().rows.insert(50, right.clone());
            let ctx = Ctx { owned: vec![owned(1, window(0, 60))], ..ctx() };
            let outcome = kisi.carry_out(&change(action, Urgency::Later), &ctx).await;
            assert!(outcome.result.is_err(), "{right}");
            assert_eq!(fake.writes(), Vec::<String>::new(), "{right}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn rule_5_suspending_and_restoring_keep_what_others_put_into_metadata() {
    let (fake, kisi) = ada();
    let outcome = kisi.carry_out(&change(Action::Suspended, Urgency::Later), &ctx()).await;
    assert_eq!(outcome.result, Ok(Done::WROTE));
    let user = fake.state().users[&ADA.0].clone();
    assert_eq!(user["access_enabled"], false);
    assert_eq!(
        user["metadata"],
        json!({"badge": "blue", "floor": 3, "gatehouse_site": "mill-house", "gatehouse_customer": "90210",
               "gatehouse_suspended_at": "2026-12-01T09:00:00Z"})
    );
    assert_eq!(fake.writes().len(), 1, "all in one call");
    let outcome = kisi.carry_out(&change(Action::Restored, Urgency::Open), &ctx()).await;
    assert_eq!(outcome.result, Ok(Done::WROTE));
    let user = fake.state().users[&ADA.0].clone();
    assert_eq!((&user["access_enabled"], &user["metadata"][mark::SUSPENDED_AT]), (&json!(true), &json!("")));
    assert_eq!(user["metadata"]["badge"], "blue");
}

#[tokio::test(start_paused = true)]
async fn rule_5_one_suspended_by_another_hand_is_not_enabled() {
    let (fake, kisi) = Fake::new();
    for metadata in [json!({}), json!({"gatehouse_suspended_at": ""})] {
        fake.user(ADA, "ada@example.org", false, metadata);
        let outcome = kisi.carry_out(&change(Action::Restored, Urgency::Open), &ctx()).await;
        assert_eq!(outcome.result, Err(Failure::SuspendedByOther { user: ADA }));
    }
    assert_eq!(fake.writes(), Vec::<String>::new());
    let adopted = Ctx { adopted_suspended: true, ..ctx() };
    assert!(kisi.carry_out(&change(Action::Restored, Urgency::Open), &adopted).await.result.is_ok());
}

fn made(outcome: &Outcome) -> Option<&str> {
    outcome.facts.iter().find_map(|fact| match fact {
        Fact::UserMade { user } => Some(user.name.as_str()),
        _ => None,
    })
}

#[tokio::test(start_paused = true)]
async fn rule_5_a_user_who_was_there_before_does_not_become_ours() {
    let invite = change(Action::Invited, Urgency::Open);
    let (fake, kisi) = Fake::new();
    fake.user(ADA, "ADA@Example.org", true, marks());
    let outcome = kisi.carry_out(&invite, &ctx()).await;
    assert_eq!((made(&outcome), &outcome.result), (None, &Ok(Done::ALREADY)));
    assert_eq!(fake.writes(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_user_is_made_once_named_and_marked_though_answers_are_lost() {
    let invite = change(Action::Invited, Urgency::Open);
    for (lost, regular) in [(false, true), (true, true), (true, false)] {
        let (fake, kisi) = Fake::new();
        fake.state().ignores_name = true;
        if lost {
            fake.fate("POST", 0, Fate::DoneAndLost);
        }
        let new_users = if regular { NewUsers::Regular } else { NewUsers::Managed };
        let outcome = kisi.carry_out(&invite, &Ctx { new_users, ..ctx() }).await;
        assert_eq!(made(&outcome), Some("Ada Byron"), "{outcome:?}");
        let sent = fake.state().seen.iter().find(|seen| seen.call == "POST /users").expect("a POST").body.clone();
        assert_eq!(sent["user"]["send_emails"], regular);
        assert_eq!(sent["user"]["confirm"], !regular);
        assert_eq!(sent["user"]["metadata"], marks());
        let users: Vec<Value> = fake.state().users.values().cloned().collect();
        assert_eq!((users.len(), &users[0]["name"]), (1, &json!("Ada Byron")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_try_recognises_the_user_that_the_first_one_made() {
    let invite = change(Action::Invited, Urgency::Open);
    let (fake, kisi) = Fake::new();
    fake.user(ADA, "ada@example.org", true, marks());
    let intent = Intent { id: 1, change: invite.clone(), at: start(), replacing: false };
    assert_eq!(made(&kisi.recover(&intent, &ctx()).await), Some("Ada Byron"));
    let mut other = intent.clone();
    other.change.person.customer = Some(CustomerId(1));
    assert_eq!(made(&kisi.recover(&other, &ctx()).await), None, "another customer's");
}
