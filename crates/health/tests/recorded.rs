//! The recorded verdicts of kstatus (Flux's cli-utils v0.37) and of Argo CD's gitops-engine (v0.7.3) on objects
//! made at random; `conformance/health` is the program that asked kstatus.
//!
//! Argo CD's verdict is absent where Argo CD asks a Lua script of its own.

use std::fmt::Write as _;
use std::path::Path;

use bowline_health::assess;
use bowline_model::{HealthJudge, Object};
use serde_json::Value;

fn verdict(judge: HealthJudge, object: &Object) -> String {
    assess(judge, object).map_or_else(String::new, |health| format!("{}: {}", health.status.as_str(), health.message))
}

/// kstatus has words of its own for what is called health here.
fn in_our_words(kstatus: &str) -> String {
    let (status, message) = kstatus.split_once(": ").expect("has a status and a message");
    let status = match status {
        "Current" => "Healthy",
        "InProgress" | "Terminating" => "Progressing",
        "Failed" => "Degraded",
        other => other,
    };
    format!("{status}: {message}")
}

#[test]
fn verdicts_are_those_of_the_peers() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/recorded.jsonl");
    let text = std::fs::read_to_string(file).expect("is readable");
    let mut wrong = String::new();
    let mut count = 0;
    for line in text.lines() {
        let row: Value = serde_json::from_str(line).expect("is JSON");
        let object = Object::from_value(row["object"].clone()).expect("is an object");
        let kstatus = row["kstatus"].as_str().map(in_our_words);
        let argo = row["argo"].as_str().map(str::to_owned);
        for (judge, want) in [(HealthJudge::Kstatus, kstatus), (HealthJudge::ArgoCd, argo)] {
            let Some(want) = want else { continue };
            let have = verdict(judge, &object);
            count += 1;
            if have != want {
                writeln!(wrong, "{judge:?} {}\n  want {want}\n  have {have}", row["object"]).expect("memory takes it");
            }
        }
    }
    assert!(wrong.is_empty() && count > 500, "of {count}:\n{wrong}");
}
