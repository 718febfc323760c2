//! What the peers said of an object, beside what we say of it.

use bowline_health::assess;
use bowline_model::{HealthJudge, Object};
use serde_json::Value;

/// Compares one row of the referee: the object, with the verdicts of the peers that have one.
///
/// Returns how many were compared, and what differs.
pub(crate) fn compare(row: &Value) -> (usize, Vec<String>) {
    let object = Object::from_value(row["object"].clone()).expect("is an object");
    let kstatus = row["kstatus"].as_str().and_then(|words| in_our_words(words, object.kind()));
    let argo = row["argo"].as_str().map(str::to_owned);
    let verdicts = [(HealthJudge::Kstatus, kstatus), (HealthJudge::ArgoCd, argo)];
    let mut count = 0;
    let mut different = Vec::new();
    for (judge, want) in verdicts.into_iter().filter_map(|(judge, want)| Some((judge, want?))) {
        count += 1;
        let have = verdict(judge, &object);
        if !is_same(&have, &want) {
            different.push(format!("{judge:?} {}\n  want {want}\n  have {have}", row["object"]));
        }
    }
    (count, different)
}

fn verdict(judge: HealthJudge, object: &Object) -> String {
    assess(judge, object).map_or_else(String::new, |health| format!("{}: {}", health.status.as_str(), health.message))
}

/// kstatus has words of its own for what is called health here. Flux waits until a job is done, for which it reads jobs
/// itself: where plain kstatus takes one that runs for current, there is nothing to compare.
fn in_our_words(kstatus: &str, kind: &str) -> Option<String> {
    let (status, message) = kstatus.split_once(": ").expect("has a status and a message");
    let status = match status {
        "Current" => "Healthy",
        "InProgress" | "Terminating" => "Progressing",
        "Failed" => "Degraded",
        other => other,
    };
    let is_running_job = kind == "Job" && kstatus.starts_with("Current: Job in progress");
    (!is_running_job).then(|| format!("{status}: {message}"))
}

/// What is wrong with JSON is said in the words of each one's library.
fn is_same(have: &str, want: &str) -> bool {
    const BY_LIBRARY: &str = "Unknown: failed to convert conditions annotation to typed: ";
    have == want || (have.starts_with(BY_LIBRARY) && want.starts_with(BY_LIBRARY))
}
