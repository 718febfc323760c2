//! Random texts and values beside Go's libraries.
//!
//! `BOWLINE_YAML` names the built `conformance/yaml`; `BOWLINE_CASES` says how many texts and values both are given,
//! `BOWLINE_SEED` where they start, `BOWLINE_FROM` at which of them, `BOWLINE_MOST` after how many differences to end.
#![expect(clippy::disallowed_methods, reason = "a test is told from outside what to do")]

#[path = "support/random.rs"]
mod random;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use bowline_yaml::{Limits, Pretty, Problem, Rules, go_words, parse_first_as, to_yaml, to_yaml_pretty};
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
        Err(problem) => json!({ "error": words(text, &problem) }),
    }
}

/// Differences that are known, each with its reason.
fn is_known(rules: Rules, text: &str, have: &Value, want: &Value) -> bool {
    let error = want["error"].as_str().unwrap_or_default();
    let told = have["error"].as_str().unwrap_or_default();
    // go-yaml v3 makes maps of keys that are no texts, and Go's JSON writer refuses those; here the keys become texts.
    error.starts_with("json: unsupported type: map")
        // A negative zero that no reader of Kubernetes tells from zero.
        || want["json"].to_string().contains("-0") && text.contains("-0")
        // go-yaml v3 looks for comments beyond the end of the first document, where a mistake may stand, and refuses
        // more than v2 does where tabs and keys of several lines meet.
        || rules == Rules::Kyaml && want.get("error").is_some()
        // It takes tabs between the mark of a value and a comment, too.
        || rules == Rules::Kyaml && text.contains("\t#")
        // To go-yaml a map or list of nothing is no key; it is refused either way, but for one at the root.
        || has_empty_key(text)
        // A key that is no number is another each time to Go.
        || (told.contains("already defined") || told.contains("already set")) && text.to_lowercase().contains(".nan")
        // Go reads ahead, beyond the first document.
        || error.contains("control characters")
        || told.contains("control characters")
        // A handle of a tag that has brackets in it is one to Go.
        || told.contains("undefined tag handle") || told.contains("expected tag URI")
}

fn has_empty_key(text: &str) -> bool {
    let ends = |part: &str| part.trim_start_matches([' ', '\t']).starts_with(':');
    let is_key = |(at, _): (usize, &str)| {
        text[at..].lines().next().is_some_and(|line| line.contains(':')) || ends(&text[at + 2..])
    };
    let closes = ["{}", "[]"].iter().any(|empty| text.match_indices(empty).any(is_key));
    let opens = |at: usize| text[..at].trim_end().ends_with(['[', '{', ',']);
    closes || text.match_indices('?').any(|(at, _)| opens(at)) || text.contains("[,") || text.contains("{,")
}

/// What the referee says, which does not tell that it was converting.
fn words(text: &str, problem: &Problem) -> String {
    let words = go_words(text.as_bytes(), problem);
    words.strip_prefix("error converting YAML to JSON: ").unwrap_or(&words).to_owned()
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

/// How often a question is asked again whose answer may be a matter of chance: of two keys that become one, Go takes
/// either.
const AGAIN: usize = 24;

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
    let (mut wrong, mut otherwise) = (Vec::new(), Vec::new());
    let (mut asked, mut refused) = (0, 0);
    for start in (from..from + count).step_by(2000) {
        let cases: Vec<Value> = (start..(start + 2000).min(from + count))
            .map(|at| case(&mut Random::new(seed.wrapping_mul(1 << 32).wrapping_add(at))))
            .collect();
        for (at, (case, want)) in cases.iter().zip(referee.ask(&cases)).enumerate() {
            asked += 1;
            refused += usize::from(want["sigs"].get("error").is_some());
            let mut stories = differ(case, &want);
            if !stories.is_empty() {
                let again = referee.ask(&vec![case.clone(); AGAIN]);
                if again.iter().any(|want| differ(case, want).is_empty()) {
                    stories.clear();
                }
            }
            for story in stories {
                let told = format!("{}: {story}", start + at as u64);
                if story.starts_with("words") { otherwise.push(told) } else { wrong.push(told) }
            }
        }
        if wrong.len() >= most {
            break;
        }
    }
    drop(std::panic::take_hook());
    eprintln!(
        "{asked} random {what} from seed {seed}: {} differ; {refused} were refused by both, {} of them in other words",
        wrong.len(),
        otherwise.len()
    );
    let shown = |stories: &[String]| stories[..stories.len().min(most)].join("\n");
    assert!(wrong.is_empty(), "{}", shown(&wrong));
    // Of several mistakes in a text, which Go tells of is a matter of chance, or of how far ahead its scanner looks.
    assert!(otherwise.len() * 100 <= asked, "{}", shown(&otherwise));
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
                let how = difference(rules, &have, want).filter(|_| !is_known(rules, text, &have, want))?;
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
            // Go writes JSON first and reads that as YAML, which fails of some characters.
            // Go closes a quoted text right after a break that only YAML 1.1 has, libyaml indents first.
            // And an escape counts for more bytes here than in Go, which moves the border of 128 bytes for simple keys.
            let ends_in_break = have.contains(['\u{2028}', '\u{2029}']) || have.contains("? \"");
            if !want["sigs"].is_null() && want["sigs"] != have.as_str() && !ends_in_break {
                stories.push(format!(
                    "sigs {value}\n--- want\n{}--- have\n{have}",
                    want["sigs"].as_str().unwrap_or_default()
                ));
            }
            // At the end of a text libyaml indents after breaks that only YAML 1.1 has, and go-yaml does not.
            let has_old_breaks = value.to_string().contains(['\u{85}', '\u{2028}', '\u{2029}']);
            if !has_float(value) && !has_old_breaks {
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
