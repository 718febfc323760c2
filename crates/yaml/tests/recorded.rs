//! The recorded answers of `sigs.k8s.io/yaml` and go-yaml v3: see `conformance/yaml` for the program that asked.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bowline_yaml::{Limits, Rules, parse_documents_as, to_yaml};
use serde_json::{Value, json};

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What this crate makes of a text, in the shape of a recorded answer; problems keep no words.
fn ask(rules: Rules, text: &str) -> Value {
    let (documents, problems) = parse_documents_as(rules, text.as_bytes(), &Limits::default());
    match problems.first() {
        Some(problem) => json!({ "error": problem.to_string() }),
        None => json!({ "json": documents.first().map_or(Value::Null, |document| document.value.clone()) }),
    }
}

/// A float without a fraction is an integer to both sides: Go's JSON says `1000`, and `1e21` where that is shorter.
fn same(have: &Value, want: &Value) -> bool {
    match (have.get("error"), want.get("error")) {
        (Some(_), Some(_)) => true,
        (None, None) => have["json"] == want["json"],
        _ => false,
    }
}

/// Go's answers that are not followed, each with the reason.
const KNOWN_DIFFERENCES: &[(&str, &str)] =
    &[("a: -0.0\n", "Go writes `-0`, which every reader of Kubernetes takes for 0")];

/// go-yaml v3 makes maps of keys that are no texts, and Go's JSON writer refuses those; here the keys become texts.
fn is_refused_for_its_keys(answer: &Value) -> bool {
    answer["error"].as_str().is_some_and(|error| error.starts_with("json: unsupported type: map"))
}

/// Go closes a quoted text right after a trailing U+2028, libyaml indents first; and a long key's characters beyond
/// the basic plane count for more bytes here than in Go, which moves the border of 128 bytes for simple keys.
fn is_written_otherwise(text: &str) -> bool {
    text.contains('\u{2028}') || text.lines().any(|line| line.len() > 120 && line.contains("\\U"))
}

#[test]
fn files_read_as_sigs_reads_them() {
    let mut wrong = String::new();
    let mut count = 0;
    for entry in std::fs::read_dir(cases()).expect("the case folder is there") {
        let path = entry.expect("is readable").path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let want: Value = serde_json::from_str(&read(&path.with_extension("json"))).expect("the answer is JSON");
        let have = ask(Rules::Sigs, &read(&path));
        count += 1;
        if !same(&have, &want) {
            writeln!(wrong, "{}\n  want {want}\n  have {have}", path.display()).expect("memory takes it");
        }
    }
    assert!(wrong.is_empty() && count > 10, "of {count}:\n{wrong}");
}

#[test]
fn scalars_mean_what_they_mean_to_go() {
    let mut wrong = String::new();
    let mut count = 0;
    for line in read(&cases().join("scalars.jsonl")).lines() {
        let row: Value = serde_json::from_str(line).expect("is JSON");
        let text = row["yaml"].as_str().expect("is a text");
        if KNOWN_DIFFERENCES.iter().any(|(known, _)| *known == text) {
            continue;
        }
        for (rules, want) in [(Rules::Sigs, &row["sigs"]), (Rules::Kyaml, &row["v3"])] {
            if is_refused_for_its_keys(want) {
                continue;
            }
            let have = ask(rules, text);
            count += 1;
            if !same(&have, want) {
                writeln!(wrong, "{rules:?} {text:?}\n  want {want}\n  have {have}").expect("memory takes it");
            }
        }
    }
    assert!(wrong.is_empty() && count > 300, "of {count}:\n{wrong}");
}

#[test]
fn values_are_written_as_sigs_writes_them() {
    let mut wrong = String::new();
    let (mut count, mut bad) = (0, 0);
    for line in read(&cases().join("emit.jsonl")).lines() {
        let row: Value = serde_json::from_str(line).expect("is JSON");
        let want = row["yaml"].as_str().expect("is a text");
        if is_written_otherwise(want) {
            continue;
        }
        let have = to_yaml(&value_of(line));
        count += 1;
        if have != want {
            bad += 1;
            writeln!(wrong, "{}\n--- want\n{want}--- have\n{have}", row["value"]).expect("memory takes it");
        }
    }
    assert!(bad == 0 && count > 350, "{bad} of {count} differ:\n{wrong}");
}

#[test]
fn what_is_written_reads_back_the_same() {
    for line in read(&cases().join("emit.jsonl")).lines() {
        let row: Value = serde_json::from_str(line).expect("is JSON");
        let want = value_of(line);
        if row["yaml"].as_str().is_some_and(|text| text.contains("<<:")) {
            // Go writes the key `<<` plain, and so reads it back as a merge key.
            continue;
        }
        let text = to_yaml(&want);
        assert_eq!(ask(Rules::SigsStrict, &text), json!({ "json": want }), "{text}");
    }
}

/// The value of a row, read by this crate: serde_json does not read the last digit of every float.
fn value_of(row: &str) -> Value {
    ask(Rules::SigsStrict, row)["json"]["value"].clone()
}
