//! Compares expressions with what kube-apiserver's own libraries say of them: whether they compile, what they may cost, what
//! they are and what that did cost.
//!
//! The answers in `tests/cel` were given by the program in `conformance/cel` and are replayed without it. With
//! `BOWLINE_CEL_JUDGE` naming that program, it is asked about as many random expressions as `CASES` says, from `SEED` on, and
//! with `UPDATE` set it answers the recorded ones anew.

mod grammar;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value as Json, json};

use super::extent::Extent;
use super::types::Type;
use super::value::Value;
use super::{Expression, Variables, declare};

/// What the rules of a custom resource know as `self`: something of each kind.
pub(super) fn schema() -> Json {
    let text = || json!({"type": "string"});
    json!({"type": "object", "properties": {
        "s": text(), "short": {"type": "string", "maxLength": 10}, "choice": {"type": "string", "enum": ["a", "bcd"]},
        "i": {"type": "integer"}, "n": {"type": "number"}, "b": {"type": "boolean"},
        "raw": {"type": "string", "format": "byte"}, "wait": {"type": "string", "format": "duration"},
        "at": {"type": "string", "format": "date-time"}, "port": {"x-kubernetes-int-or-string": true},
        "ints": {"type": "array", "items": {"type": "integer"}},
        "texts": {"type": "array", "maxItems": 4, "items": {"type": "string", "maxLength": 5}},
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": text()},
        "items": {"type": "array", "items": {"type": "object", "required": ["name"], "properties": {
            "name": text(), "count": {"type": "integer"}, "tags": {"type": "array", "items": text()},
        }}},
        "keyed": {"type": "array", "maxItems": 5, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 20}, "v": text()}}},
        "labels": {"type": "object", "additionalProperties": text()},
        "limits": {"type": "object", "maxProperties": 3, "additionalProperties": {"type": "integer"}},
        "deep": {"type": "object", "additionalProperties": {"type": "object", "properties": {
            "list": {"type": "array", "items": {"type": "string", "maxLength": 7}}}}},
        "inner": {"type": "object", "properties": {"p": text(), "q": {"type": "object", "properties": {
            "r": {"type": "integer"}, "t": {"type": "string", "maxLength": 3}}}}},
    }})
}

/// Objects that fit the schema.
pub(super) fn selves() -> [Json; 3] {
    [
        json!({}),
        json!({
            "s": "hello", "short": "ab", "choice": "a", "i": 3, "n": 2.5, "b": true, "raw": "aGk=", "wait": "90s",
            "at": "2024-02-29T12:30:45.5Z", "port": "http", "ints": [3, 1, 2], "texts": ["b", "a"], "set": ["x", "y"],
            "items": [{"name": "one", "count": 1, "tags": ["t", "u"]}, {"name": "two"}],
            "keyed": [{"name": "k", "v": "1"}], "labels": {"app": "web"}, "limits": {"cpu": 4},
            "deep": {"d": {"list": ["q", "w"]}}, "inner": {"p": "pp", "q": {"r": 7, "t": "tt"}},
        }),
        json!({
            "s": "10.0.0.1 ünïcode ✓ text that is somewhat longer than the others", "i": -9, "n": 4, "b": false,
            "port": 80, "ints": [], "texts": ["a", "b", "c"], "items": [], "labels": {}, "inner": {"q": {}},
            "limits": {"memory": 1_000_000}, "set": ["only"],
        }),
    ]
}

/// Compiles and evaluates an expression; the answer has the form of the judge's.
fn answer(question: &Json) -> Json {
    let source = question["source"].as_str().unwrap_or_default();
    let schema = question.get("schema").filter(|schema| schema.is_object());
    let extent = schema.and_then(|schema| Extent::of(schema, false));
    let ty = schema.and_then(|schema| declare::type_of(schema, false));
    let known: Vec<(&str, Type)> = ty.into_iter().map(|ty| ("self", ty)).collect();
    let expression = match Expression::compile_within(source, &known, extent.as_ref()) {
        Ok(expression) => expression,
        Err(why) => return json!({"refused": why, "estimate": 0, "cost": 0}),
    };
    let mut out = json!({"type": super::types::go_name(&expression.ty), "estimate": 0, "cost": 0});
    if let Some(why) = expression.unplannable() {
        out["unplannable"] = json!(why);
        return out;
    }
    out["estimate"] = json!(expression.estimate);
    let variables = match schema {
        Some(schema) => Variables::default().with("self", declare::value_of(&question["self"], schema, false)),
        None => Variables::default(),
    };
    let (outcome, cost) = expression.evaluate(&variables);
    out["cost"] = json!(cost);
    match outcome {
        Ok(value) => out["value"] = json!(show(&value)),
        Err(failure) => out["failure"] = json!(failure.0),
    }
    out
}

/// Prints a value as the judge does.
fn show(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Uint(number) => format!("{number}u"),
        Value::Double(number) if number.is_nan() => "double:NaN".to_owned(),
        Value::Double(number) if number.is_infinite() => {
            if *number > 0.0 {
                "double:+Inf".to_owned()
            } else {
                "double:-Inf".to_owned()
            }
        }
        Value::Double(number) => {
            let text = format!("{number:.17e}");
            let (digits, exponent) = text.split_once('e').expect("holds because the format writes an exponent");
            let exponent: i32 = exponent.parse().expect("holds because the format writes a number");
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("double:{digits}e{sign}{:02}", exponent.abs())
        }
        Value::String(text) => crate::error::go_json(&json!(&**text)),
        Value::Bytes(bytes) => format!("bytes:{}", hex::encode(bytes)),
        Value::Duration(nanos) => format!("duration:{nanos}"),
        Value::Timestamp(at, _) => {
            let nanos = at.as_nanosecond();
            format!("timestamp:{}.{:09}", nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000))
        }
        Value::Type(name) => format!("type:{name}"),
        Value::Optional(None) => "none".to_owned(),
        Value::Optional(Some(inner)) => format!("some({})", show(inner)),
        Value::List(list) => {
            let items: Vec<String> = list.items.iter().map(show).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(map) => {
            let mut entries: Vec<String> =
                map.iter().map(|(key, value)| format!("{}: {}", show(&key.to_value()), show(value))).collect();
            entries.sort();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Ip(ip) => format!("net.IP:{ip}"),
        other => other.type_name().to_owned(),
    }
}

/// The program that knows.
struct Judge {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Judge {
    fn start() -> Option<Self> {
        let program = std::env::var_os("BOWLINE_CEL_JUDGE")?;
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("holds because the judge was named");
        let to = child.stdin.take().expect("holds because it is piped");
        let from = BufReader::new(child.stdout.take().expect("holds because it is piped"));
        Some(Self { child, to, from })
    }

    fn ask(&mut self, question: &Json) -> Json {
        writeln!(self.to, "{question}").expect("holds because the judge reads");
        let mut line = String::new();
        self.from.read_line(&mut line).expect("holds because the judge answers");
        serde_json::from_str(&line).expect("holds because the judge answers in JSON")
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Takes from both answers what is not compared: how values of libraries are printed.
fn comparable(mut answer: Json) -> Json {
    const BY_TYPE: [&str; 7] = [
        "kubernetes.Quantity",
        "kubernetes.URL",
        "kubernetes.Semver",
        "net.CIDR",
        "kubernetes.NamedFormat",
        "kubernetes.authorization",
        "*",
    ];
    const NO_VALUE: &str = "unsupported conversion to ref.Val: ";
    if answer["failure"].as_str().is_some_and(|failure| failure.starts_with(NO_VALUE)) {
        answer["failure"] = json!(NO_VALUE);
    }
    // Within lists and maps quantities are printed by value, or as what they were computed.
    static QUANTITY: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\b(quantity|kubernetes\.Quantity):[-+.0-9a-zA-Z]+").expect("holds because the pattern is constant")
    });
    if let Some(text) = answer["value"].as_str() {
        answer["value"] = json!(QUANTITY.replace_all(text, "kubernetes.Quantity"));
    }
    let text = answer["value"].as_str().unwrap_or_default().to_owned();
    if let Some(kind) = BY_TYPE.iter().find(|kind| text.starts_with(**kind)) {
        answer["value"] = json!(kind);
    }
    answer
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cel")
}

fn read(file: &Path) -> Vec<Json> {
    let text = std::fs::read_to_string(file).expect("holds because the folder lists it");
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_str(line).expect("holds because cases are JSON")).collect()
}

/// Adds the schema and the object that a case names by a number.
fn question(case: &Json) -> Json {
    match case["self"].as_u64() {
        Some(at) => json!({"source": case["source"], "schema": schema(), "self": selves()[at as usize % 3]}),
        None => json!({"source": case["source"]}),
    }
}

fn files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder()).expect("holds because the folder is in the tree");
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    files
}

#[test]
fn recorded_expressions_compile_cost_and_evaluate_as_upstream() {
    let mut judge = Judge::start().filter(|_| std::env::var_os("UPDATE").is_some());
    let (mut wrong, mut count) = (Vec::new(), 0);
    for file in files() {
        let mut cases = read(&file);
        for case in &mut cases {
            let question = question(case);
            if let Some(judge) = &mut judge {
                case["answer"] = judge.ask(&question);
            }
            let (have, want) = (comparable(answer(&question)), comparable(case["answer"].clone()));
            count += 1;
            if have != want {
                wrong.push(format!("{}\n  have {have}\n  want {want}", case["source"]));
            }
        }
        if judge.is_some() {
            let lines: Vec<String> = cases.iter().map(Json::to_string).collect();
            std::fs::write(&file, lines.join("\n") + "\n").expect("holds because the folder is writable");
        }
    }
    assert!(count > 0, "no cases in {}", folder().display());
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Asks the judge about random expressions; without it there is nothing to compare.
#[test]
fn random_expressions_compile_cost_and_evaluate_as_upstream() {
    let Some(mut judge) = Judge::start() else { return };
    let number =
        |name: &str, otherwise: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let (count, seed) = (number("CASES", 2_000), number("SEED", 1));
    let mut recorded = String::new();
    let (mut wrong, mut accepted, mut panics) = (Vec::new(), 0_u64, 0_u64);
    for at in seed..seed + count {
        let case = grammar::random(at);
        let question = question(&case);
        let want = judge.ask(&question);
        accepted += u64::from(want["refused"].is_null());
        let (have, told) = (comparable(answer(&question)), comparable(want.clone()));
        // Where Go panics, there is nothing to be equal to.
        let panicked = want["failure"].as_str().is_some_and(|failure| failure.starts_with("panic: "));
        panics += u64::from(panicked);
        if panicked {
            continue;
        }
        if have != told {
            wrong.push(format!("{at}: {} self {}\n  have {have}\n  want {told}", case["source"], case["self"]));
        } else if at % 40 == 0 {
            let mut case = case;
            case["answer"] = want;
            recorded.push_str(&case.to_string());
            recorded.push('\n');
        }
    }
    if let Some(file) = std::env::var_os("RECORD") {
        std::fs::write(file, recorded).expect("holds because the file was named");
    }
    let summary = format!(
        "expressions: {} of {count} are answered alike ({accepted} accepted, {panics} panic upstream, seeds from {seed})",
        count - wrong.len() as u64,
    );
    eprintln!("{summary}");
    let shown: Vec<String> = wrong.iter().take(60).cloned().collect();
    assert!(wrong.is_empty(), "{summary}:\n{}", shown.join("\n"));
}
