use std::collections::BTreeMap;

use super::*;
use crate::domain::{DeskId, GroupId, Item, Link, PassKindId, ResourceId};
use crate::nexudus::limits::Budget;

const PACES: Paces = Paces { changes: Duration::from_secs(5), refresh: Duration::from_secs(60) };
const AWAY: Outcome = Outcome::Failed { all: true, refused: false, retry_after: None };

fn needs(items: &[Item]) -> Needs {
    let link = |item: &Item| Link {
        item: *item,
        group: GroupId(1),
        alternate: None,
        before: Duration::ZERO,
        after: Duration::ZERO,
        share_with_team: true,
        ignore_slots: false,
    };
    Needs::of(&items.iter().map(link).collect::<Vec<_>>())
}

fn everything() -> Needs {
    needs(&[Item::Resource(ResourceId(1)), Item::Pass(PassKindId(2)), Item::Desk(DeskId(3))])
}

fn schedule(needs: &Needs) -> Schedule {
    let per_hour = Budget::new(4_500).sustained_per_hour();
    Schedule::new(needs, PACES, per_hour, Mono::default(), fastrand::Rng::with_seed(7))
}

/// Runs the schedule for that long, one job after another, and says when each job began.
fn run(
    schedule: &mut Schedule,
    mut now: Mono,
    lasting: Duration,
    mut job: impl FnMut(Job, Mono) -> (u32, Outcome),
) -> (Vec<(Mono, Job)>, Mono) {
    let (end, mut budget, mut began) = (now.plus(lasting), Budget::new(4_500), Vec::new());
    while let Some((at, next)) = schedule.next(now).filter(|(at, _)| *at < end) {
        now = now.max(at);
        schedule.begin(next, now);
        began.push((now, next));
        let (calls, outcome) = job(next, now);
        for _ in 0..calls {
            now = budget.next_at(now);
            budget.take(now);
        }
        now = now.plus(Duration::from_millis(50));
        schedule.done(next, now, calls, outcome);
    }
    (began, end)
}

fn read(_: Job, _: Mono) -> (u32, Outcome) {
    (1, Outcome::Read)
}

fn longest_gaps(began: &[(Mono, Job)]) -> BTreeMap<Job, Duration> {
    let mut last: BTreeMap<Job, Mono> = BTreeMap::new();
    let mut gaps: BTreeMap<Job, Duration> = BTreeMap::new();
    for (at, job) in began {
        if let Some(before) = last.insert(*job, *at) {
            let gap = gaps.entry(*job).or_default();
            *gap = (*gap).max(at.since(before));
        }
    }
    gaps
}

fn due(schedule: &Schedule, now: Mono) -> (Mono, Job) {
    schedule.next(now).expect("a job")
}

#[test]
fn at_the_start_every_needed_list_is_read_whole_what_restricts_first() {
    let (began, _) = run(&mut schedule(&everything()), Mono::default(), Duration::from_secs(4), read);
    let jobs: Vec<Job> = began.iter().map(|(_, job)| *job).collect();
    use Entity::*;
    let order = [Customers, PassKinds, PausedPeriods, Teams, Bookings, Passes, Contracts, Resources, Desks];
    assert_eq!(jobs, order.map(Job::Whole));
    let (began, _) =
        run(&mut schedule(&needs(&[Item::Desk(DeskId(3))])), Mono::default(), Duration::from_secs(600), read);
    assert!(began.iter().all(|(_, job)| !matches!(
        job,
        Job::Cancelled | Job::Whole(Bookings | Passes | PassKinds | Resources) | Job::Updated(Bookings | Passes)
    )));
    assert_eq!(schedule(&Needs::default()).next(Mono::default()), None);
}

#[test]
fn promise_2_paces_are_kept_and_names_are_read_rarely() {
    let (began, _) = run(&mut schedule(&everything()), Mono::default(), Duration::from_secs(3600), read);
    let slack = Duration::from_secs(5);
    for (job, gap) in longest_gaps(&began) {
        let pace = match job {
            Job::Updated(Entity::Bookings) | Job::Cancelled => PACES.changes,
            Job::Updated(_) => PACES.changes * 3,
            Job::Whole(Entity::Resources | Entity::Desks) => PACES.refresh * 10,
            Job::Whole(_) => PACES.refresh,
        };
        assert!(gap <= pace + slack && gap + slack >= pace, "{job:?}: {gap:?} for {pace:?}");
    }
}

#[test]
fn promise_2_where_the_budget_is_short_paces_are_stretched_evenly_and_said() {
    let mut schedule = schedule(&everything());
    let pages = |job: Job| if job == Job::Whole(Entity::Customers) { 60 } else { 1 };
    let (began, end) =
        run(&mut schedule, Mono::default(), Duration::from_secs(3 * 3600), |job, _| (pages(job), Outcome::Read));
    let paces = schedule.paces();
    let by = paces.changes.as_secs_f64() / 5.0;
    assert!((1.3..2.5).contains(&by) && (paces.refresh.as_secs_f64() / 60.0 - by).abs() < 1e-6, "{paces:?}");
    let steady: Vec<_> = began.into_iter().filter(|(at, _)| at.since(Mono::default()).as_secs() > 900).collect();
    // One job after another: the long reading holds up the others for as long as it lasts.
    let longest = Duration::from_secs(60);
    for (job, gap) in longest_gaps(&steady) {
        let pace = match job {
            Job::Updated(Entity::Bookings) | Job::Cancelled => paces.changes,
            Job::Updated(_) => paces.changes * 3,
            Job::Whole(Entity::Resources | Entity::Desks) => paces.refresh * 10,
            Job::Whole(_) => paces.refresh,
        };
        assert!(gap <= pace + longest, "{job:?}: {gap:?} for {pace:?}");
    }
    let last_hour = steady.iter().filter(|(at, _)| end.since(*at).as_secs() < 3600);
    assert!(last_hour.map(|(_, job)| pages(*job)).sum::<u32>() <= 4_500);
}

#[test]
fn a_list_that_fails_backs_off_alone_and_a_refused_one_as_rules_8_say() {
    let mut schedule = schedule(&everything());
    let refused = Outcome::Failed { all: false, refused: true, retry_after: None };
    let (began, _) = run(&mut schedule, Mono::default(), Duration::from_secs(1_200), |job, _| match job {
        Job::Whole(Entity::Passes) => (1, refused),
        _ => (1, Outcome::Read),
    });
    let tries: Vec<Mono> =
        began.iter().filter(|(_, job)| *job == Job::Whole(Entity::Passes)).map(|(at, _)| *at).collect();
    let pauses: Vec<u64> = tries.windows(2).map(|pair| pair[1].since(pair[0]).as_secs()).collect();
    assert_eq!(pauses.len(), 7, "{pauses:?}");
    for (pause, promised) in pauses.iter().zip([10, 20, 40, 80, 160, 300, 300]) {
        assert!((promised..promised + 5).contains(pause), "{pauses:?}");
    }
    assert!(longest_gaps(&began)[&Job::Cancelled] < Duration::from_secs(9));
}

#[test]
fn an_outage_holds_all_lanes_one_job_tries_and_its_end_is_seen_within_a_minute() {
    let mut schedule = schedule(&everything());
    let (_, now) = run(&mut schedule, Mono::default(), Duration::from_secs(300), read);
    let (tries, now) = run(&mut schedule, now, Duration::from_secs(3_600), |_, _| (1, AWAY));
    assert!((60..400).contains(&tries.len()), "{}", tries.len());
    let (began, _) = run(&mut schedule, now, Duration::from_secs(120), read);
    assert!(began[0].0.since(now) <= CEILING);
    // Once one got through, all go at once, those that should come most often first.
    assert!(began[14].0.since(began[0].0) < Duration::from_secs(15));
    assert!(began[..2].iter().all(|(_, job)| matches!(job, Job::Updated(Entity::Bookings) | Job::Cancelled)));
}

#[test]
fn rule_6_a_new_cancellation_asks_for_a_whole_reading_of_bookings_at_once() {
    let mut schedule = schedule(&everything());
    let (_, now) = run(&mut schedule, Mono::default(), Duration::from_secs(90), read);
    schedule.begin(Job::Cancelled, now);
    schedule.done(Job::Cancelled, now, 1, Outcome::Read);
    assert_ne!(due(&schedule, now).1, Job::Whole(Entity::Bookings));
    schedule.begin(Job::Cancelled, now);
    schedule.done(Job::Cancelled, now, 1, Outcome::Cancellations);
    let mut before = Vec::new();
    while due(&schedule, now).1 != Job::Whole(Entity::Bookings) {
        let (at, job) = due(&schedule, now);
        assert!(at <= now, "only what is due already may come before: {job:?}");
        schedule.begin(job, now);
        before.push(job);
    }
    assert!(due(&schedule, now).0 <= now && before.len() < 6, "{before:?}");
}

/// Proves that hints, however many, come out of what the paces leave: nothing is read later for them, and the bucket
/// never runs dry.
#[test]
fn rule_8_a_hint_reads_bookings_at_once_and_a_flood_of_hints_slows_nothing_else() {
    let mut schedule = schedule(&everything());
    let (_, mut now) = run(&mut schedule, Mono::default(), Duration::from_secs(90), read);
    schedule.hint(now);
    let first = due(&schedule, now);
    assert!(first.0 <= now.plus(HINTED_APART), "{first:?}");
    assert!(matches!(first.1, Job::Updated(Entity::Bookings) | Job::Cancelled), "{first:?}");
    let mut began: Vec<(Mono, Job)> = Vec::new();
    let flooded = now;
    while now.since(flooded) < Duration::from_secs(600) {
        schedule.hint(now);
        let (runs, end) = run(&mut schedule, now, Duration::from_millis(100), read);
        began.extend(runs);
        now = end;
    }
    let count = |wanted: Job| began.iter().filter(|(_, job)| *job == wanted).count();
    assert!(began.len() > 600, "hints bring readings forward: {} of them, 512 by pace alone", began.len());
    assert!(count(Job::Whole(Entity::Bookings)) <= 41, "{}", count(Job::Whole(Entity::Bookings)));
    assert!(count(Job::Whole(Entity::Customers)) <= 11);
    let sustained = Budget::new(4_500).sustained_per_hour() / 6.0;
    assert!((began.len() as f64) < sustained * 0.96 + f64::from(20), "{} calls in ten minutes", began.len());
    for (job, gap) in longest_gaps(&began) {
        let pace = match job {
            Job::Updated(Entity::Bookings) | Job::Cancelled => PACES.changes,
            Job::Updated(_) => PACES.changes * 3,
            Job::Whole(Entity::Resources | Entity::Desks) => PACES.refresh * 10,
            Job::Whole(_) => PACES.refresh,
        };
        assert!(gap <= pace + Duration::from_secs(5), "{job:?}: {gap:?} for {pace:?}");
    }
}

/// A hint that comes while the reading runs is not lost: the reading may have been too early for it. But a reading
/// does not follow at the heels of the one before.
#[test]
fn a_hint_during_a_reading_brings_one_more_a_second_after_it_began() {
    let mut schedule = schedule(&everything());
    let (_, now) = run(&mut schedule, Mono::default(), Duration::from_secs(90), read);
    let job = Job::Updated(Entity::Customers);
    schedule.begin(job, now);
    schedule.hint(now);
    schedule.hint(now);
    schedule.done(job, now.plus(Duration::from_millis(50)), 1, Outcome::Read);
    assert_eq!(schedule.lane(job).expect("a lane").due, now.plus(HINTED_APART));
}

/// At slow paces too, and after an hour without any.
#[test]
fn a_hint_at_slow_paces_is_read_within_a_second() {
    let slow = Paces { changes: Duration::from_secs(60), refresh: Duration::from_secs(600) };
    let per_hour = Budget::new(4_500).sustained_per_hour();
    let rng = fastrand::Rng::with_seed(7);
    let mut schedule = Schedule::new(&everything(), slow, per_hour, Mono::default(), rng);
    let (_, now) = run(&mut schedule, Mono::default(), Duration::from_secs(3_600), read);
    schedule.hint(now);
    let (began, _) = run(&mut schedule, now, Duration::from_secs(2), read);
    let of_bookings = |job: &Job| matches!(job, Job::Updated(Entity::Bookings) | Job::Cancelled);
    assert!(began.len() >= 2 && began[..2].iter().all(|(_, job)| of_bookings(job)), "{began:?}");
    assert!(began[1].0.since(now) <= Duration::from_secs(1), "{began:?}");
}
