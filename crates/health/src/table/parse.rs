//! The form of the tables.
//!
//! ```text
//! # Project: what is read of it.
//! define NAME                        a rule to be used by others; $1, $2 … stand for what is given to it
//! GROUP KIND KIND …                  begins the rule of these kinds; `*.example.org` and `*` are patterns
//!     STATUS if TEST and TEST say PART PART …
//!     use NAME ARGUMENT …
//! ```
//!
//! Lines are tried in their order; where none holds, the object is on its way. A rule may have several headings,
//! one a line. Texts with spaces stand in double quotes.

use std::collections::BTreeMap;

use bowline_model::HealthStatus;

use super::test::{Path, Test};
use super::{Line, Part, Table};

/// Reads one table into another. The error names the line.
pub(super) fn read(text: &str, table: &mut Table) -> Result<(), String> {
    let mut definition: Option<String> = None;
    let mut is_heading = false;
    for (at, line) in text.lines().enumerate() {
        let fail = |what: String| format!("line {}: {what}", at + 1);
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if !line.starts_with(' ') {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let ["define", name] = words[..] {
                definition = Some(name.to_owned());
                table.defined.insert(name.to_owned(), Vec::new());
                continue;
            }
            definition = None;
            if !is_heading {
                table.rules.push(Vec::new());
            }
            is_heading = true;
            let rule = table.rules.len() - 1;
            let (group, kinds) = words.split_first().expect("a line that is not blank has a word");
            if kinds.is_empty() {
                return Err(fail(format!("`{group}` names no kind")));
            }
            for kind in kinds {
                if table.kinds.insert(((*group).to_owned(), (*kind).to_owned()), rule).is_some() {
                    return Err(fail(format!("`{group}` `{kind}` is there twice")));
                }
            }
            continue;
        }
        if let Some(name) = &definition {
            table.defined.entry(name.clone()).or_default().push(line.trim().to_owned());
            continue;
        }
        is_heading = false;
        let plain = expand(line.trim(), &table.defined).map_err(fail)?;
        let rule = table.rules.last_mut().ok_or_else(|| fail("a rule of no kind".to_owned()))?;
        for line in plain {
            rule.push(read_line(&line).map_err(fail)?);
        }
    }
    Ok(())
}

/// Puts the lines of a definition in the place of its use.
fn expand(line: &str, defined: &BTreeMap<String, Vec<String>>) -> Result<Vec<String>, String> {
    let Some(used) = line.strip_prefix("use ") else { return Ok(vec![line.to_owned()]) };
    let words = split(used);
    let (name, arguments) = words.split_first().ok_or("nothing is used")?;
    let lines = defined.get(name).ok_or_else(|| format!("`{name}` is not defined"))?;
    let filled = lines.iter().map(|line| {
        arguments
            .iter()
            .enumerate()
            .fold(line.clone(), |line, (at, argument)| line.replace(&format!("${}", at + 1), argument))
    });
    let mut all = Vec::new();
    for line in filled {
        if line.contains('$') {
            return Err(format!("`{name}` is given too little"));
        }
        all.extend(expand(&line, defined)?);
    }
    Ok(all)
}

fn read_line(line: &str) -> Result<Line, String> {
    let words = split(line);
    let (status, rest) = words.split_first().ok_or("an empty line")?;
    let status = match status.as_str() {
        "Healthy" => HealthStatus::Healthy,
        "Progressing" => HealthStatus::Progressing,
        "Degraded" => HealthStatus::Degraded,
        "Suspended" => HealthStatus::Suspended,
        "Missing" => HealthStatus::Missing,
        "Unknown" => HealthStatus::Unknown,
        other => return Err(format!("`{other}` is no health")),
    };
    let (tests, parts) = match rest.iter().position(|word| word == "say") {
        Some(at) => (&rest[..at], &rest[at + 1..]),
        None => (rest, &rest[rest.len()..]),
    };
    let mut when = Vec::new();
    for (at, word) in tests.iter().enumerate() {
        let is_joint = at % 2 == 0;
        match word.as_str() {
            "if" if at == 0 => {}
            "and" if is_joint && at > 0 => {}
            _ if is_joint => return Err(format!("`{word}` stands where `if` or `and` belongs")),
            test => when.push(Test::read(test)?),
        }
    }
    if tests.len() % 2 == 1 {
        return Err("a test is missing".to_owned());
    }
    let say = parts.iter().map(|part| read_part(part)).collect::<Result<_, _>>()?;
    Ok(Line { status, when, say })
}

fn read_part(part: &str) -> Result<Part, String> {
    if let Some(text) = part.strip_prefix('"') {
        return Ok(Part::Text(text.trim_end_matches('"').to_owned()));
    }
    if part.starts_with('.') {
        return Ok(Part::At(Path::read(part)?));
    }
    let (kind, only_reason) = match part.strip_suffix(":reason") {
        Some(kind) => (kind, true),
        None => (part, false),
    };
    Ok(Part::Condition { kind: kind.to_owned(), only_reason })
}

/// Splits at spaces outside of double quotes. The quotes stay.
fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut is_quoted = false;
    for char in line.chars() {
        match char {
            ' ' if !is_quoted => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            _ => {
                is_quoted ^= char == '"';
                word.push(char);
            }
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}
