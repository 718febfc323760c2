//! Patches computed on the client's side and applied as the server does, judged by the Go libraries that kubectl, Helm
//! and the API server use (`conformance/patches`).
//!
//! `stories.jsonl` holds questions somebody thought of, `recorded.jsonl.zst` random ones, both with the answers of Go;
//! they are replayed without it. With `BOWLINE_PATCHES` naming the program, it is asked anew, along with
//! `PATCHES=20000` random questions of each sort from `SEED=0` on; `UPDATE=1` records its answers.

mod generate;
mod judge;
mod ours;
#[path = "../objects/rng.rs"]
mod rng;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use generate::Generator;
use judge::Judge;

/// A question and what Go answers; it may answer differently each time, as it walks its maps.
#[derive(Serialize, Deserialize)]
struct Record {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    why: String,
    ask: Value,
    #[serde(default)]
    answers: Vec<Value>,
}

/// How often Go is asked the same, to see all its answers.
const RUNS: usize = 200;

/// How many random questions of each sort are recorded.
const RECORDED: usize = 150;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/patches").join(name)
}

fn number(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn updates() -> bool {
    std::env::var("UPDATE").is_ok_and(|update| update == "1")
}

/// Tells whether our answer is one of Go's. Where Go panics, there is nothing to be equal to.
fn agrees(have: &Value, answers: &[Value]) -> bool {
    answers.iter().any(|answer| answer == have || answer.get("panic").is_some())
}

fn told(ask: &Value, answers: &[Value], have: &Value) -> String {
    let want: Vec<String> = answers.iter().take(4).map(ToString::to_string).collect();
    let at = first_difference(&answers[0], have, String::new());
    format!("{ask}\n  want {}\n  have {have}\n  at {at}", want.join("\n    or "))
}

/// Where two answers part, with what both have there.
fn first_difference(want: &Value, have: &Value, at: String) -> String {
    match (want, have) {
        (Value::Object(wants), Value::Object(haves)) if wants.keys().eq(haves.keys()) => {
            let differs = wants.iter().find(|(name, want)| haves[*name] != **want);
            differs.map_or(at.clone(), |(name, want)| first_difference(want, &haves[name], format!("{at}/{name}")))
        }
        (Value::Array(wants), Value::Array(haves)) if wants.len() == haves.len() => {
            let differs = (0..wants.len()).find(|index| wants[*index] != haves[*index]);
            differs.map_or(at.clone(), |i| first_difference(&wants[i], &haves[i], format!("{at}/{i}")))
        }
        _ => format!("{at}: want {want}, have {have}"),
    }
}

fn assert_none(differences: &[String], count: usize) {
    let shown: Vec<&str> = differences.iter().take(number("SHOW", 5)).map(String::as_str).collect();
    assert!(differences.is_empty(), "{} of {count} answers differ:\n{}", differences.len(), shown.join("\n"));
}

#[test]
fn stories_end_as_go_ends_them() {
    let text = std::fs::read_to_string(file("stories.jsonl")).expect("the stories are there");
    let mut records: Vec<Record> =
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect();
    if let Some(mut judge) = Judge::from_environment() {
        judge.teach(Generator::new().documents());
        let asks: Vec<Value> = records.iter().map(|record| often(&record.ask)).collect();
        let answers = judge.ask(&asks);
        for (record, answers) in records.iter_mut().zip(answers) {
            if updates() {
                record.answers = answers;
            } else {
                assert_eq!(record.answers, answers, "Go answers otherwise than recorded: {}", record.why);
            }
        }
    }
    if updates() {
        let lines: Vec<String> = records.iter().map(line).collect();
        std::fs::write(file("stories.jsonl"), lines.join("\n") + "\n").expect("the tests' folder can be written");
    }
    replay(&records);
}

#[test]
fn recorded_questions_are_answered_as_go_did() {
    let packed = std::fs::read(file("recorded.jsonl.zst")).expect("the recorded sample is there");
    let text = zstd::stream::decode_all(packed.as_slice()).expect("the sample is zstd");
    let text = String::from_utf8(text).expect("the sample is text");
    let records: Vec<Record> =
        text.lines().map(|line| serde_json::from_str(line).expect("a line is a record")).collect();
    assert!(!records.is_empty());
    replay(&records);
}

fn replay(records: &[Record]) {
    let mut differences = Vec::new();
    for Record { why, ask, answers } in records {
        let have = ours::answer(ask);
        if !agrees(&have, answers) {
            differences.push(format!("{why}\n{}", told(ask, answers, &have)));
        }
    }
    assert_none(&differences, records.len());
}

#[test]
fn random_questions_are_answered_as_go_does() {
    let Some(mut judge) = Judge::from_environment() else { return };
    let generator = Generator::new();
    judge.teach(generator.documents());
    let (first, total) = (number("SEED", 0), number("PATCHES", 20_000));
    let mut tally = BTreeMap::<String, Tally>::new();
    let mut records = Vec::new();
    let mut differences = Vec::new();
    for chunk in (first..first + total).collect::<Vec<_>>().chunks(250) {
        let triples: Vec<Value> = chunk.iter().flat_map(|seed| generator.questions(*seed)).collect();
        let answers = judge.ask(&triples);
        // What comes of a patch is asked in a second round.
        let applied: Vec<Value> =
            triples.iter().zip(&answers).filter_map(|(ask, answers)| applied(ask, answers)).collect();
        let applied_answers = judge.ask(&applied);
        let asked = triples.into_iter().chain(applied).zip(answers.into_iter().chain(applied_answers));
        for (ask, answers) in asked {
            compare(&mut judge, ask, answers, &mut tally, &mut records, &mut differences);
        }
    }
    for (sort, tally) in &tally {
        eprintln!("patches: {sort}: {tally:?}");
    }
    if updates() {
        record(&mut judge, records);
    }
    assert_none(&differences, tally.values().map(|tally| tally.asked).sum());
}

/// What was asked of one sort.
#[derive(Debug, Default)]
struct Tally {
    asked: usize,
    refused: usize,
    unlike_from_run_to_run: usize,
    panicked: usize,
    differ: usize,
}

fn sort_of(ask: &Value) -> String {
    let mut sort = ask["do"].as_str().unwrap_or_default().to_owned();
    if ask["schema"] == "openapi" {
        sort.push_str(" (OpenAPI)");
    }
    if ask["overwrite"] == false {
        sort.push_str(" (no overwrite)");
    }
    sort
}

fn compare(
    judge: &mut Judge,
    ask: Value,
    mut answers: Vec<Value>,
    tally: &mut BTreeMap<String, Tally>,
    records: &mut Vec<Record>,
    differences: &mut Vec<String>,
) {
    let tally = tally.entry(sort_of(&ask)).or_default();
    let have = ours::answer(&ask);
    tally.asked += 1;
    if !agrees(&have, &answers) {
        answers = judge.ask(&[often(&ask)]).remove(0);
        tally.unlike_from_run_to_run += usize::from(answers.len() > 1);
    }
    tally.refused += usize::from(answers[0].get("error").is_some());
    tally.panicked += usize::from(answers.iter().any(|answer| answer.get("panic").is_some()));
    if !agrees(&have, &answers) {
        tally.differ += 1;
        differences.push(told(&ask, &answers, &have));
    } else if tally.asked.is_multiple_of(7) && tally.asked / 7 < RECORDED {
        records.push(Record { why: String::new(), ask, answers });
    }
}

/// The question what a computed patch makes of the object it was computed for.
fn applied(ask: &Value, answers: &[Value]) -> Option<Value> {
    let onto = match ask["do"].as_str()? {
        "two-way" => "original",
        "three-way" if ask["schema"] != "openapi" => "current",
        _ => return None,
    };
    let patch = answers.first()?.get("value")?;
    Some(json!({ "do": "apply", "kind": ask["kind"], "original": ask[onto], "patch": patch }))
}

fn often(ask: &Value) -> Value {
    let mut ask = ask.clone();
    ask["runs"] = json!(RUNS);
    ask
}

fn line(record: &Record) -> String {
    serde_json::to_string(record).expect("records are plain JSON")
}

fn record(judge: &mut Judge, mut records: Vec<Record>) {
    for record in &mut records {
        record.answers = judge.ask(&[often(&record.ask)]).remove(0);
    }
    let lines: Vec<String> = records.iter().map(line).collect();
    let packed = zstd::stream::encode_all(lines.join("\n").as_bytes(), 19).expect("zstd can allocate a context");
    std::fs::write(file("recorded.jsonl.zst"), packed).expect("the tests' folder can be written");
}
