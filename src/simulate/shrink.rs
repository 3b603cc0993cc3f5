//! A failing run made short: steps are left out as long as it still fails in the same way.

use super::driver;
use super::script::Script;
use super::step::What;
use crate::gateway::Sabotage;

/// What kind of failure it is: what stands before the first colon, as the promise.
pub fn kind(failure: &str) -> &str {
    failure.split(':').next().unwrap_or_default()
}

/// A shorter script that fails in the same way, and how it fails. `tries` bounds the runs.
pub fn shortest(
    script: &Script,
    failures: &[String],
    sabotage: Option<Sabotage>,
    tries: usize,
) -> (Script, Vec<String>) {
    let mut best = (script.clone(), failures.to_vec());
    let Some(wanted) = failures.first().map(|failure| kind(failure).to_owned()) else { return best };
    let mut left = tries;
    let mut part = best.0.steps.len().div_ceil(2);
    while part > 0 && left > 0 {
        let mut from = 0;
        let mut shorter = false;
        while from < best.0.steps.len() && left > 0 {
            let until = (from + part).min(best.0.steps.len());
            let mut tried = best.0.clone();
            tried.steps.drain(from..until);
            left -= 1;
            let failures = driver::run(&tried, sabotage).map(|outcome| outcome.failures).unwrap_or_default();
            if failures.iter().any(|failure| kind(failure) == wanted) {
                best = (tried, failures);
                shorter = true;
            } else {
                from = until;
            }
        }
        // A pass over single steps is made again while it finds any.
        if part > 1 {
            part = part.div_ceil(2).min(part - 1);
        } else if !shorter {
            break;
        }
    }
    best.1.sort_by_key(|failure| kind(failure) != wanted);
    best
}

/// A script as it is kept and shown: one step a line.
pub fn written(script: &Script) -> String {
    let line = |step| serde_json::to_string(step).unwrap_or_default();
    let steps: Vec<String> = script.steps.iter().map(line).collect();
    let until = serde_json::to_string(&script.until).unwrap_or_default();
    format!("{{\"seed\":{},\"until\":{until},\"steps\":[\n{}\n]}}\n", script.seed, steps.join(",\n"))
}

/// How many steps there are besides the approvals of the quiet at the end.
pub fn length(script: &Script) -> usize {
    script.steps.iter().filter(|step| step.what != What::Approve).count()
}
