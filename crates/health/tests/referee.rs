//! Random objects of the built-in kinds, and of custom ones with the conditions that kstatus knows, judged by both peers and
//! by us.
//!
//! `BOWLINE_HEALTH` names the program that asks the peers (`conformance/health`); `BOWLINE_CASES` and `BOWLINE_SEED` say how many
//! objects to make. `UPDATE=1` takes down a part of what they said, which `recorded` compares without them.

mod peers;
mod random;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use random::Random;

const CASES: usize = 5_000;

/// One in so many objects is taken down.
const RECORDED: usize = 10;

#[test]
#[expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "the referee is named from outside, and the count is for who runs it"
)]
fn verdicts_on_random_objects_are_those_of_the_peers() {
    let Some(program) = std::env::var_os("BOWLINE_HEALTH") else {
        eprintln!("skipped: verdicts_on_random_objects_are_those_of_the_peers (BOWLINE_HEALTH is not set)");
        return;
    };
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let cases: usize = number("BOWLINE_CASES").unwrap_or(CASES);
    let mut random = Random::new(number("BOWLINE_SEED").unwrap_or(1) as u64);
    let objects: Vec<Value> = (0..cases).map(|_| random.object()).collect();

    let mut referee =
        Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the referee starts");
    let mut input = referee.stdin.take().expect("is piped");
    let output = BufReader::new(referee.stdout.take().expect("is piped"));
    let asked = objects.clone();
    let writer = std::thread::spawn(move || {
        for object in asked {
            writeln!(input, "{object}").expect("the referee reads");
        }
    });
    let (mut count, mut wrong, mut recorded) = (0, Vec::new(), String::new());
    for (at, line) in output.lines().enumerate() {
        let line = line.expect("is a line");
        let row: Value = serde_json::from_str(&line).expect("is JSON");
        let (compared, different) = peers::compare(&row);
        count += compared;
        wrong.extend(different);
        if at % RECORDED == 0 {
            writeln!(recorded, "{line}").expect("memory takes it");
        }
    }
    writer.join().expect("everything was asked");
    referee.wait().expect("the referee ends");
    println!("{count} verdicts on {cases} objects, {} different", wrong.len());
    let some = wrong.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty() && count >= cases, "{} of {count}:\n{some}", wrong.len());
    if std::env::var_os("UPDATE").is_some() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/random.jsonl");
        std::fs::write(file, recorded).expect("is written");
    }
}
