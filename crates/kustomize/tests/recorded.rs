//! Small trees, and what Kustomize's library makes of them.
//!
//! Each line of `cases/*.jsonl` is a tree whose directory `top` is built, and the answer. With `BOWLINE_KUSTOMIZE` naming the
//! referee (`conformance/kustomize`) Kustomize is asked again, and `UPDATE=1` records its answers.

#[path = "support/referee.rs"]
mod referee;

use std::path::{Path, PathBuf};

use bowline_kustomize::Order;
use referee::{Answer, Question, Referee, ours};
use serde_json::{Value, json};

fn case_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let entries = folder.read_dir().expect("there are cases").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl")).collect();
    files.sort();
    files
}

fn question(line: &Value) -> Question {
    let files = line["files"].as_object().expect("a case has files").iter();
    let files = files.map(|(path, text)| (path.clone(), text.as_str().expect("a file is text").to_owned())).collect();
    Question { files, order: if line["order"] == "legacy" { Order::Legacy } else { Order::None } }
}

fn recorded(answer: &Answer) -> Value {
    match answer {
        Ok(text) => json!({ "out": text }),
        Err(why) => json!({ "err": why }),
    }
}

#[test]
fn recorded_trees_are_built_as_by_kustomize() {
    let mut referee = Referee::start();
    let update = std::env::var_os("UPDATE").is_some();
    let mut count = 0;
    let mut wrong = Vec::new();
    for file in case_files() {
        let text = std::fs::read_to_string(&file).expect("a case file is text");
        let mut lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("a case is JSON")).collect();
        if let Some(referee) = &mut referee {
            let questions: Vec<Question> = lines.iter().map(question).collect();
            for (line, answer) in lines.iter_mut().zip(referee.ask(&questions)) {
                let answer = recorded(&answer);
                assert!(
                    update || line["want"] == answer,
                    "{}: the referee answers otherwise now: {answer}",
                    line["is"]
                );
                line["want"] = answer;
            }
        }
        for line in &lines {
            count += 1;
            let have = recorded(&ours(&question(line)));
            if have != line["want"] {
                wrong.push(format!("{}\n  want {}\n  have {have}", line["is"], line["want"]));
            }
        }
        if update {
            let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
            std::fs::write(&file, lines.join("\n") + "\n").expect("a case file can be written");
        }
    }
    assert!(wrong.is_empty(), "{} of {count} trees differ:\n{}", wrong.len(), wrong.join("\n"));
}
