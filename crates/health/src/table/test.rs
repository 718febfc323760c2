//! What a rule may ask of an object.
//!
//! | test | holds when |
//! |---|---|
//! | `Ready` | there is a condition of this type |
//! | `Ready=True`, `Ready=False\|Unknown` | it has one of these statuses |
//! | `Ready=False:Failed`, `Ready:Failed\|Broken` | and one of these reasons |
//! | `Ready[severity]=Error` | another field of it is so |
//! | `Accepted=False@.status.parents[*]` | it is among the `conditions` of what lies there, not of `.status` |
//! | `stale:Ready` | it was written for an earlier generation |
//! | `behind`, `behind:.status.lastSeen` | `.status.observedGeneration`, or this, is of an earlier generation |
//! | `.status.phase` | the field is there and neither null, false, 0 nor empty |
//! | `.status.phase=Running\|Done` | it is one of these |
//! | `.status.phase!=Running` | it is none of these, or absent |
//! | `.a<.b`, `.a<=3`, `.a>.b`, `.a>=.b` | numbers compare so; absent ones are 0; texts that are no numbers compare as texts |
//! | `!` before any of these | it does not hold |
//!
//! Types, statuses, reasons and values may hold one `*` at their beginning, end, or both. A path with `[*]` names
//! all items of a list or map: a test holds if it does for any, and they are added up when compared. A value that
//! begins with a dot is a path. `#2` behind a path takes the second number of a text as `1/3`.

use std::cmp::Ordering;

use bowline_model::Object;
use serde_json::Value;

use crate::fields::Condition;

/// Tells whether two sides stand as they should.
type Order = fn(Ordering) -> bool;

/// A claim about an object.
#[derive(Debug, Clone)]
pub(super) struct Test {
    is_negated: bool,
    claim: Claim,
}

#[derive(Debug, Clone)]
enum Claim {
    Condition { kind: String, field: Option<String>, within: Path, statuses: Vec<String>, reasons: Vec<String> },
    Stale { kind: String, within: Path },
    Behind(Path),
    Set(Path),
    Is { path: Path, is_equal: bool, values: Vec<String> },
    Same { path: Path, is_equal: bool, other: Path },
    Compared { left: Operand, by: Order, right: Operand },
}

#[derive(Debug, Clone)]
enum Operand {
    Number(f64),
    /// The number at a path, or the one of this place in the text there, counted from 1.
    At(Path, Option<usize>),
}

/// A place, or many, in an object.
#[derive(Debug, Clone)]
pub(super) struct Path(Vec<Step>);

#[derive(Debug, Clone)]
enum Step {
    Field(String),
    /// Every item of a list, or value of a map.
    Each,
}

impl Test {
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let (is_negated, text) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        Ok(Self { is_negated, claim: Claim::read(text)? })
    }

    /// Tells whether it holds, and by which condition.
    pub(super) fn holds<'o>(&self, object: &'o Object) -> (bool, Option<Condition<'o>>) {
        let value = object.value();
        let (holds, by) = match &self.claim {
            Claim::Condition { kind, field, within, statuses, reasons } => {
                let found = within.conditions(value).find(|condition| {
                    let read = Condition::read(condition);
                    let status = match field {
                        Some(field) => condition.get(field).and_then(Value::as_str).unwrap_or_default(),
                        None => read.status,
                    };
                    fits(kind, read.kind) && any_fits(statuses, status) && any_fits(reasons, read.reason)
                });
                (found.is_some(), found.map(Condition::read))
            }
            Claim::Stale { kind, within } => {
                let stale = within.conditions(value).any(|condition| {
                    let observed = condition.get("observedGeneration").and_then(Value::as_i64);
                    fits(kind, Condition::read(condition).kind)
                        && observed.is_some_and(|observed| observed < object.generation())
                });
                (stale, None)
            }
            Claim::Behind(path) => {
                let observed = path.texts(value).next().and_then(|text| text.parse::<i64>().ok());
                (observed.is_some_and(|observed| observed < object.generation()), None)
            }
            Claim::Set(path) => (path.all(value).into_iter().flatten().any(is_set), None),
            Claim::Is { path, is_equal, values } => {
                let is = |found: Option<&Value>| {
                    found.and_then(text_of).is_some_and(|text| any_fits(values, &text)) == *is_equal
                };
                (path.all(value).into_iter().any(is), None)
            }
            Claim::Same { path, is_equal, other } => {
                let text = |path: &Path| path.texts(value).next();
                ((text(path) == text(other)) == *is_equal, None)
            }
            Claim::Compared { left, by, right } => (compare(left, right, value).is_some_and(by), None),
        };
        (holds != self.is_negated, by)
    }
}

impl Claim {
    fn read(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("behind:") {
            return Ok(Self::Behind(Path::read(path)?));
        }
        if text == "behind" {
            return Ok(Self::Behind(Path::read(".status.observedGeneration")?));
        }
        if text.starts_with('.') {
            return Self::read_path(text);
        }
        let (text, within) = match text.split_once('@') {
            Some((text, within)) => (text, Path::read(within)?),
            None => (text, Path::read(".status")?),
        };
        if let Some(kind) = text.strip_prefix("stale:") {
            return Ok(Self::Stale { kind: kind.to_owned(), within });
        }
        let (text, reasons) = match text.split_once(':') {
            Some((text, reasons)) => (text, choices(reasons)),
            None => (text, Vec::new()),
        };
        let (kind, statuses) = match text.split_once('=') {
            Some((kind, statuses)) => (kind, choices(statuses)),
            None => (text, Vec::new()),
        };
        let (kind, field) = match kind.strip_suffix(']').and_then(|kind| kind.split_once('[')) {
            Some((kind, field)) => (kind, Some(field.to_owned())),
            None => (kind, None),
        };
        if kind.is_empty() || !kind.starts_with(|char: char| char == '*' || char.is_ascii_alphabetic()) {
            return Err(format!("`{kind}` is no type of a condition"));
        }
        Ok(Self::Condition { kind: kind.to_owned(), field, within, statuses, reasons })
    }

    fn read_path(text: &str) -> Result<Self, String> {
        let mut is_bracketed = false;
        let end = text.find(|char: char| {
            is_bracketed = (is_bracketed || char == '[') && char != ']';
            !is_bracketed && matches!(char, '=' | '!' | '<' | '>')
        });
        let Some(end) = end else { return Ok(Self::Set(Path::read(text)?)) };
        let (path, rest) = text.split_at(end);
        for (sign, is_equal) in [("=", true), ("!=", false)] {
            let Some(values) = rest.strip_prefix(sign) else { continue };
            let path = Path::read(path)?;
            return Ok(if values.starts_with('.') {
                Self::Same { path, is_equal, other: Path::read(values)? }
            } else {
                Self::Is { path, is_equal, values: choices(values) }
            });
        }
        let signs: [(&str, Order); 4] =
            [("<=", Ordering::is_le), (">=", Ordering::is_ge), ("<", Ordering::is_lt), (">", Ordering::is_gt)];
        let found = signs.into_iter().find_map(|(sign, by)| rest.strip_prefix(sign).map(|right| (by, right)));
        let (by, right) = found.ok_or_else(|| format!("`{rest}` compares nothing"))?;
        Ok(Self::Compared { left: Operand::read(path)?, by, right: Operand::read(right)? })
    }
}

impl Operand {
    fn read(text: &str) -> Result<Self, String> {
        if !text.starts_with('.') {
            return text.parse().map(Self::Number).map_err(|_| format!("`{text}` is no number"));
        }
        let (path, place) = match text.split_once('#') {
            Some((path, place)) => (path, Some(place.parse().map_err(|_| format!("`{place}` is no place"))?)),
            None => (text, None),
        };
        Ok(Self::At(Path::read(path)?, place))
    }

    /// The number, or a text that is none.
    fn evaluate(&self, object: &Value) -> Result<f64, String> {
        let (path, place) = match self {
            Self::Number(number) => return Ok(*number),
            Self::At(path, place) => (path, place),
        };
        let mut sum = 0.0;
        for text in path.texts(object) {
            let text = match place {
                Some(place) => {
                    let mut numbers = text.split(|char: char| !char.is_ascii_digit()).filter(|part| !part.is_empty());
                    numbers.nth(place.saturating_sub(1)).unwrap_or("0").to_owned()
                }
                None => text,
            };
            sum += text.parse::<f64>().map_err(|_| text)?;
        }
        Ok(sum)
    }
}

/// Compares as numbers if both are, else as texts; a text and a number have no order.
fn compare(left: &Operand, right: &Operand, object: &Value) -> Option<Ordering> {
    match (left.evaluate(object), right.evaluate(object)) {
        (Ok(left), Ok(right)) => left.partial_cmp(&right),
        (Err(left), Err(right)) => Some(left.cmp(&right)),
        _ => None,
    }
}

impl Path {
    /// Reads `.a.b[*].c["d/e.f"]`.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is no path");
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix("[*]") {
                steps.push(Step::Each);
                rest = after;
            } else if let Some(after) = rest.strip_prefix("[\"") {
                let (field, after) = after.split_once("\"]").ok_or_else(bad)?;
                steps.push(Step::Field(field.to_owned()));
                rest = after;
            } else {
                let after = rest.strip_prefix('.').ok_or_else(bad)?;
                let end = after.find(['.', '[']).unwrap_or(after.len());
                let (field, after) = after.split_at(end);
                if field.is_empty() {
                    return Err(bad());
                }
                steps.push(Step::Field(field.to_owned()));
                rest = after;
            }
        }
        Ok(Self(steps))
    }

    /// Returns what lies there: one value, or none, for each item that `[*]` names.
    fn all<'v>(&self, value: &'v Value) -> Vec<Option<&'v Value>> {
        let mut found = vec![Some(value)];
        for step in &self.0 {
            found = match step {
                Step::Field(field) => found.into_iter().map(|value| value.and_then(|value| value.get(field))).collect(),
                Step::Each => found.into_iter().flatten().flat_map(items).map(Some).collect(),
            };
        }
        found
    }

    /// Returns the texts, numbers and truth values there.
    pub(super) fn texts<'v>(&self, value: &'v Value) -> impl Iterator<Item = String> + use<'v> {
        self.all(value).into_iter().flatten().filter_map(text_of)
    }

    fn conditions<'v>(&self, value: &'v Value) -> impl Iterator<Item = &'v Value> + use<'v> {
        let all = self.all(value).into_iter().flatten();
        all.filter_map(|value| value.get("conditions").and_then(Value::as_array)).flatten()
    }
}

fn items(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        _ => Vec::new(),
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn is_set(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(is) => *is,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

fn choices(text: &str) -> Vec<String> {
    text.split('|').map(|choice| choice.trim_matches('"').to_owned()).collect()
}

/// No pattern fits everything.
fn any_fits(patterns: &[String], text: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| fits(pattern, text))
}

fn fits(pattern: &str, text: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(""), _) => true,
        (Some(rest), Some(_)) => text.contains(rest.trim_end_matches('*')),
        (Some(end), None) => text.ends_with(end),
        (None, Some(start)) => text.starts_with(start),
        (None, None) => pattern == text,
    }
}

#[cfg(test)]
mod tests {
    use bowline_model::Object;
    use serde_json::json;

    use super::Test;

    #[test]
    fn tests_hold_as_the_table_above_says() {
        let object = Object::from_value(json!({
            "apiVersion": "example.org/v1", "kind": "Thing",
            "metadata": {"name": "a", "generation": 3, "annotations": {"example.org/mode": "on"}},
            "spec": {"sets": [{"count": 2}, {"count": 3}], "empty": "", "off": false, "zero": 0},
            "status": {
                "observedGeneration": "2", "available": 4, "scale": "1/3", "phase": "Failing over",
                "early": "2024-01-01T00:00:00Z", "late": "2024-01-02T00:00:00Z",
                "conditions": [{"type": "a/Ready", "status": "False", "reason": "NodeError", "severity": "Warning"}],
                "parents": [{"conditions": []}, {"conditions": [
                    {"type": "Accepted", "status": "True", "observedGeneration": 2},
                ]}],
                "items": [{"applied": true}, {}],
            },
        }))
        .expect("is an object");
        let holding = [
            "a/Ready",
            "*Ready=False",
            "a/Ready=True|False",
            "a/Ready=False:*Error",
            "a/Ready:NodeError|X",
            "a/Ready[severity]=Warning",
            "Accepted=True@.status.parents[*]",
            "stale:Accepted@.status.parents[*]",
            "behind",
            ".status.phase",
            ".status.phase=\"Failing over\"",
            ".status.phase!=Running",
            ".spec.absent!=x",
            ".status.available<.spec.sets[*].count",
            ".status.available>=4",
            ".status.scale#1<.status.scale#2",
            ".status.early<.status.late",
            ".metadata.annotations[\"example.org/mode\"]=on",
            ".status.items[*].applied!=true",
            ".status.observedGeneration!=.metadata.generation",
            ".spec.absent<=0",
        ];
        let failing = [
            "Ready",
            "a/Ready=True",
            "a/Ready:Other",
            "Accepted",
            "stale:a/Ready",
            "behind:.metadata.generation",
            ".spec.empty",
            ".spec.off",
            ".spec.zero",
            ".spec.absent",
            ".spec.absent=",
            ".status.phase=Failing",
            ".spec.sets[*].count=4",
            ".status.none[*].applied!=true",
            ".status.phase<3",
            ".status.late<.status.early",
        ];
        for (tests, want) in [(&holding[..], true), (&failing[..], false)] {
            for text in tests {
                let test = Test::read(text).expect("is a test");
                assert_eq!(test.holds(&object).0, want, "{text}");
                let negated = Test::read(&format!("!{text}")).expect("is a test");
                assert_ne!(negated.holds(&object).0, want, "!{text}");
            }
        }
    }

    #[test]
    fn what_is_no_test_is_refused() {
        for text in ["", "=True", ".", ".a..b", ".a[", ".a<b", ".a#x<1", "3=4"] {
            assert!(Test::read(text).is_err(), "{text}");
        }
    }
}
