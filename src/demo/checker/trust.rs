//! Promise 6: no write while the time is not to be believed, and no effect of the box's own clock.

use super::super::diary::Trouble;
use super::ownership::is_write;
use super::time::{Ms, ms, seconds};
use super::{Case, Findings};

/// A write may be on its way while the first answer with a wrong time is.
const ON_ITS_WAY: Ms = seconds(1);
/// How long an alert may take to be raised: a second answer, and the way to the broker.
const RAISED: Ms = seconds(120);

/// Promise 6.
pub(super) fn no_wrong_clock(case: &Case<'_>) -> Findings {
    let mut found = Findings::default();
    let requests = &case.evidence.kisi.history().requests;
    let writes: Vec<Ms> = requests.iter().filter(|call| is_write(call)).map(|call| ms(call.at)).collect();
    let answered = |from: Ms, until: Ms| {
        let answers = requests.iter().filter(|call| call.delivered && call.status < 300);
        answers.map(|call| ms(call.at)).find(|at| from <= *at && *at < until)
    };
    for run in case.evidence.runs() {
        let (from, until) = (ms(run.from), ms(run.until));
        let known = answered(from, until).unwrap_or(until);
        for at in writes.iter().filter(|at| from <= **at && **at < until) {
            found.expect(*at > known, || {
                format!(
                    "a write reached Kisi at {}, before the run of {} knew the time",
                    case.show(*at),
                    case.show(from)
                )
            });
        }
    }
    for (from, until) in case.spans(Trouble::KisiDate) {
        let seen = answered(from, until).unwrap_or(from) + ON_ITS_WAY;
        let wrong = writes.iter().filter(|at| seen <= **at && **at < until);
        found.checked += 1;
        for at in wrong {
            found.breach(format!("a write reached Kisi at {}, while its time was wrong", case.show(*at)));
        }
        raised(case, &mut found, from, until, "Kisi's time was wrong");
    }
    for (from, until) in case.spans(Trouble::BoxClock) {
        raised(case, &mut found, from, until, "the box's clock was wrong");
        let meanwhile = writes.iter().filter(|at| from <= **at && **at < until).count();
        found.note(format!("{meanwhile} writes while the box's own clock was wrong, all judged by promises 1 and 2"));
    }
    found
}

/// `alert/clock` stood at some time while something was wrong with a clock.
fn raised(case: &Case<'_>, found: &mut Findings, from: Ms, until: Ms, why: &str) {
    let alerts = case.evidence.alert("clock");
    if !case.excuses.told(from, until) {
        return;
    }
    let by = until.min(case.knowledge.calendar.after(from, RAISED)).max(from + seconds(1));
    found.expect(alerts.iter().any(|(since, over)| *since < by && from < *over), || {
        format!("{why} from {}, and no alert/clock by {}", case.show(from), case.show(by))
    });
}
