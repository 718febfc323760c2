//! Random texts and values beside Go's libraries.
//!
//! `BOWLINE_YAML` names the built `conformance/yaml`; `BOWLINE_CASES` says how many texts and values both are given,
//! `BOWLINE_SEED` where they start, `BOWLINE_FROM` at which of them, `BOWLINE_MOST` after how many differences to end.
#![expect(clippy::disallowed_methods, reason = "a test is told from outside what to do")]

#[path = "support/random.rs"]
mod random;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use bowline_yaml::{Limits, Pretty, Rules, go_words, parse_first_as, to_yaml, to_yaml_pretty};
use random::Random;
use serde_json::{Value, json};

/// Go's libraries, in a process of their own.
struct Referee {
    process: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Referee {
    fn start() -> Option<Self> {
        let program = std::env::var_os("BOWLINE_YAML")?;
        let mut process =
            Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the referee starts");
        let questions = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().expect("it has an output"));
        Some(Self { process, questions, answers })
    }

    /// Asks many at once: they are written while answers are read.
    fn ask(&mut self, cases: &[Value]) -> Vec<Value> {
        let mut questions = self.questions.take().expect("it has an input");
        let mut text = String::new();
        for case in cases {
            text.push_str(&case.to_string());
            text.push('\n');
        }
        let writer = std::thread::spawn(move || {
            questions.write_all(text.as_bytes()).expect("the referee reads");
            questions
        });
        let mut line = String::new();
        let answers = cases.iter().map(|case| {
            line.clear();
            self.answers.read_line(&mut line).expect("the referee answers");
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?} of {case}"))
        });
        let answers = answers.collect();
        self.questions = Some(writer.join().expect("the writer ends"));
        answers
    }
}

impl Drop for Referee {
    fn drop(&mut self) {
        drop(self.questions.take());
        self.process.wait().ok();
    }
}

/// Numbers that differ in their last digit are the same: what reads Go's answer is not exact there.
fn same(have: &Value, want: &Value) -> bool {
    match (have, want) {
        (Value::Number(a), Value::Number(b)) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= a.abs() * 1e-15,
            _ => a == b,
        },
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((x, a), (y, b))| x == y && same(a, b))
        }
        _ => have == want,
    }
}

/// Reads a text as the referee was asked to.
fn read(rules: Rules, text: &str) -> Value {
    match parse_first_as(rules, text.as_bytes(), &Limits::default()) {
        Ok(value) => json!({ "json": value }),
        Err(problem) => {
            let words = go_words(text.as_bytes(), &problem);
            json!({ "error": words.strip_prefix("error converting YAML to JSON: ").unwrap_or(&words) })
        }
    }
}

/// Differences that are known, each with its reason.
fn is_known(rules: Rules, text: &str, want: &Value) -> bool {
    let error = want["error"].as_str().unwrap_or_default();
    // go-yaml v3 makes maps of keys that are no texts, and Go's JSON writer refuses those; here the keys become texts.
    error.starts_with("json: unsupported type: map")
        // A negative zero that no reader of Kubernetes tells from zero.
        || want["json"].to_string().contains("-0") && text.contains("-0")
        || error.starts_with("panic: ") && rules == Rules::Kyaml
}

/// Tells how an answer differs; words count where they are of `sigs.k8s.io/yaml`.
fn difference(rules: Rules, have: &Value, want: &Value) -> Option<&'static str> {
    match (have.get("error"), want.get("error")) {
        (None, None) => (!same(&have["json"], &want["json"])).then_some("value"),
        (Some(a), Some(b)) => (rules == Rules::Sigs && a != b).then_some("words"),
        (Some(_), None) => Some("refused here"),
        (None, Some(_)) => Some("refused there"),
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number is asked for"))
}

/// Runs random cases in batches, and tells of the first differences.
fn compare(what: &str, case: impl Fn(&mut Random) -> Value, differ: impl Fn(&Value, &Value) -> Vec<String>) {
    let Some(mut referee) = Referee::start() else {
        eprintln!("skipped: BOWLINE_YAML does not name the referee");
        return;
    };
    let (count, seed, from) = (number("BOWLINE_CASES", 20_000), number("BOWLINE_SEED", 1), number("BOWLINE_FROM", 0));
    let most = number("BOWLINE_MOST", 20) as usize;
    // What the parser is made to panic by is caught there; its words would only fill the output.
    std::panic::set_hook(Box::new(|_| {}));
    let mut wrong = Vec::new();
    let (mut asked, mut refused) = (0, 0);
    for start in (from..from + count).step_by(2000) {
        let cases: Vec<Value> = (start..(start + 2000).min(from + count))
            .map(|at| case(&mut Random::new(seed.wrapping_mul(1 << 32).wrapping_add(at))))
            .collect();
        for (at, (case, want)) in cases.iter().zip(referee.ask(&cases)).enumerate() {
            asked += 1;
            refused += usize::from(want["sigs"].get("error").is_some());
            for story in differ(case, &want) {
                wrong.push(format!("{}: {story}", start + at as u64));
            }
        }
        if wrong.len() >= most {
            break;
        }
    }
    drop(std::panic::take_hook());
    eprintln!("{asked} random {what} from seed {seed}: {} differ; {refused} were refused by both", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong[..wrong.len().min(most)].join("\n"));
}

#[test]
fn random_texts_are_read_alike() {
    compare(
        "texts",
        |random| json!({ "read": random::text(random) }),
        |case, want| {
            let text = case["read"].as_str().expect("is a text");
            let rules = [(Rules::Sigs, "sigs"), (Rules::SigsStrict, "strict"), (Rules::Kyaml, "v3")];
            let stories = rules.into_iter().filter_map(|(rules, name)| {
                let (have, want) = (read(rules, text), &want[name]);
                let how = difference(rules, &have, want).filter(|_| !is_known(rules, text, want))?;
                Some(format!("{how}, {name} {text:?}\n  want {want}\n  have {have}"))
            });
            stories.collect()
        },
    );
}

/// A value as go-yaml v3 is given it.
fn pretty(value: &Value) -> Pretty {
    match value {
        Value::String(text) => Pretty::Text(text.clone()),
        Value::Array(items) => Pretty::List(items.iter().map(pretty).collect()),
        Value::Object(entries) => Pretty::Map {
            entries: entries.iter().map(|(key, value)| (Pretty::Text(key.clone()), pretty(value))).collect(),
            sorted: true,
        },
        other => Pretty::Plain(other.to_string()),
    }
}

/// Tells whether a float is in a value: those of v3 are written by who calls.
fn has_float(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(has_float),
        Value::Object(entries) => entries.values().any(has_float),
        _ => false,
    }
}

#[test]
fn random_values_are_written_alike() {
    compare(
        "values",
        |random| json!({ "write": random::value(random, 3) }),
        |case, want| {
            let value = &case["write"];
            let mut stories = Vec::new();
            let have = to_yaml(value);
            if want["sigs"] != have.as_str() {
                stories.push(format!(
                    "sigs {value}\n--- want\n{}--- have\n{have}",
                    want["sigs"].as_str().unwrap_or_default()
                ));
            }
            if !has_float(value) {
                let have = to_yaml_pretty(pretty(value));
                if want["pretty"] != have.as_str() {
                    let want = want["pretty"].as_str().unwrap_or_default();
                    stories.push(format!("pretty {value}\n--- want\n{want}--- have\n{have}"));
                }
            }
            stories
        },
    );
}
