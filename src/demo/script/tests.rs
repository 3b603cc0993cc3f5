//! The day can be performed, and does what its titles say.

use std::collections::BTreeSet;

use super::*;
use crate::demo::diary::Trouble;
use crate::demo::site::{self, at, cast, end};
use crate::twin::kisi::JudgedBy;

/// Performs the whole day with no gateway.
fn performed() -> (site::Built, Stage, Vec<(Moment, Action)>) {
    let mut built = site::build().unwrap();
    let steps = day(&built.site);
    let mut stage = Stage::new();
    let mut actions = Vec::new();
    for step in &steps {
        let action = stage.perform(step, &mut built.nexudus, &mut built.kisi, step.at).unwrap();
        actions.extend(action.map(|action| (step.at, action)));
    }
    (built, stage, actions)
}

#[test]
fn every_step_of_the_day_is_taken_by_the_twins() {
    let (built, stage, actions) = performed();
    let site = built.nexudus.history();
    let booking = |id: i64, when: Moment| site.at(Entity::Booking, id, when).cloned();
    let actors = &built.site.actors;
    assert!(booking(actors.cancelled, at(12, 36)).is_none() && booking(actors.deleted, at(15, 21)).is_none());
    assert_eq!(booking(actors.moved, at(13, 6)).unwrap()["FromTime"], "2027-10-28T15:40:00Z");
    // Late, and never.
    let shown = |id: i64| site.cancellations().iter().find(|gone| gone.booking == id).unwrap().shown_at;
    assert_eq!(shown(actors.cancelled), Some(at(12, 35) + chrono::TimeDelta::seconds(45)));
    assert_eq!(shown(actors.deleted), None);
    let pass = site.at(Entity::CoworkerTimePass, actors.used_up, end()).unwrap();
    assert_eq!((&pass["RemainingUses"], &pass["Used"]), (&json!(0), &json!(true)));
    assert!(actors.day_passes.len() >= 3);
    let kinds: BTreeSet<String> = actions.iter().map(|(_, action)| format!("{action:?}")).collect();
    assert_eq!(kinds.len(), 6, "{kinds:?}");
    let outage = stage.diary().spans(Trouble::Internet, end());
    assert_eq!(outage, [crate::demo::Span::new(at(14, 10), at(14, 55))]);
    for trouble in [Trouble::Broker, Trouble::Gateway, Trouble::EmptyList, Trouble::ShrunkenList, Trouble::KisiDate] {
        assert_eq!(stage.diary().spans(trouble, end()).len(), 1, "{trouble:?}");
        assert!(!stage.diary().stands(trouble));
    }
}

/// The outage is worth a table: tries by cache and within windows that begin and end meanwhile.
#[test]
fn doors_are_tried_before_within_and_after_the_outage() {
    let (built, stage, _) = performed();
    let tries = &stage.diary().tries;
    assert!(tries.len() > 500, "{}", tries.len());
    let cached = tries.iter().filter(|tried| tried.decision.judged_by == JudgedBy::Cache).count();
    assert!(cached > 20, "{cached}");
    let steps = day(&built.site);
    assert!(steps.is_sorted_by_key(|step| step.at));
    let newcomer = built.site.people[cast::NEWCOMER].key();
    let mut his = steps.iter().filter(|step| matches!(&step.what, What::Tap { email, .. } if *email == newcomer));
    let first = his.next().unwrap().at;
    assert!(at(14, 10) < first && first < at(14, 55), "the newcomer must not be known to a reader before: {first}");
}

#[test]
fn kisi_tells_a_wrong_time_only_while_the_script_says_so() {
    use crate::twin::http::{Cloud as _, Request};
    let mut built = site::build().unwrap();
    let mut stage = Stage::new();
    let ask = Request { method: "GET".to_owned(), path: "/user".to_owned(), ..Request::default() };
    for (skew, told) in [(-3_600, true), (0, false)] {
        let step = Step { at: at(17, 43), title: None, what: What::KisiDate(skew) };
        stage.perform(&step, &mut built.nexudus, &mut built.kisi, step.at).unwrap();
        let answer = built.kisi.handle(&ask, step.at).response;
        assert_eq!(answer.headers.iter().any(|(name, value)| name == "date" && value.contains("15:43")), told);
    }
}
