//! Functions of strings: CEL's own, cel-go's `ext.Strings` (version 2) and Kubernetes' `find`.

use super::super::eval::{Failure, Outcome};
use super::super::value::Value;
use super::{format, regex};

pub(super) fn call(name: &str, is_member: bool, args: &[Value]) -> Option<Outcome> {
    let truth = |flag: bool| Some(Ok(Value::Bool(flag)));
    let text = |text: String| Some(Ok(Value::text(text)));
    match (name, args) {
        ("contains", [Value::String(a), Value::String(b)]) => truth(a.contains(&**b)),
        ("startsWith", [Value::String(a), Value::String(b)]) => truth(a.starts_with(&**b)),
        ("endsWith", [Value::String(a), Value::String(b)]) => truth(a.ends_with(&**b)),
        ("matches", [Value::String(a), Value::String(pattern)]) => {
            Some(regex(pattern).map(|regex| Value::Bool(regex.is_match(a))))
        }
        ("find", [Value::String(a), Value::String(pattern)]) => Some(find(a, pattern)),
        ("findAll", [Value::String(a), Value::String(pattern)]) => Some(find_all(a, pattern, -1)),
        ("findAll", [Value::String(a), Value::String(pattern), Value::Int(most)]) => Some(find_all(a, pattern, *most)),
        ("lowerAscii", [Value::String(a)]) => text(a.to_ascii_lowercase()),
        ("upperAscii", [Value::String(a)]) => text(a.to_ascii_uppercase()),
        ("trim", [Value::String(a)]) => text(a.trim().to_owned()),
        ("replace", [Value::String(a), Value::String(from), Value::String(to)]) => text(a.replace(&**from, to)),
        ("replace", [Value::String(a), Value::String(from), Value::String(to), Value::Int(most)]) => {
            text(usize::try_from(*most).map_or_else(|_| a.replace(&**from, to), |most| a.replacen(&**from, to, most)))
        }
        ("split", [Value::String(a), Value::String(by)]) => Some(Ok(split(a, by, -1))),
        ("split", [Value::String(a), Value::String(by), Value::Int(most)]) => Some(Ok(split(a, by, *most))),
        ("join", [Value::List(list)]) => Some(join(&list.items, "")),
        ("join", [Value::List(list), Value::String(by)]) => Some(join(&list.items, by)),
        ("charAt", [Value::String(a), Value::Int(at)]) => Some(char_at(a, *at)),
        ("substring", [Value::String(a), Value::Int(from)]) => Some(substring(a, *from, None)),
        ("substring", [Value::String(a), Value::Int(from), Value::Int(to)]) => Some(substring(a, *from, Some(*to))),
        ("indexOf", [Value::String(a), Value::String(part)]) => Some(index_of(a, part, 0)),
        ("indexOf", [Value::String(a), Value::String(part), Value::Int(from)]) => Some(index_of(a, part, *from)),
        ("lastIndexOf", [Value::String(a), Value::String(part)]) => Some(last_index_of(a, part, None)),
        ("lastIndexOf", [Value::String(a), Value::String(part), Value::Int(from)]) => {
            Some(last_index_of(a, part, Some(*from)))
        }
        ("strings.quote", [Value::String(a)]) => text(quote(a)),
        ("format", [Value::String(template), Value::List(list)]) if is_member => {
            Some(format::format(template, &list.items).map(Value::text))
        }
        _ => None,
    }
}

/// Compiles the pattern of a function that Kubernetes adds.
fn own_regex(pattern: &str) -> Result<regex::Regex, Failure> {
    regex(pattern).map_err(|failure| Failure(format!("Illegal regex: {}", failure.0)))
}

fn find(text: &str, pattern: &str) -> Outcome {
    Ok(Value::text(own_regex(pattern)?.find(text).map_or("", |found| found.as_str())))
}

fn find_all(text: &str, pattern: &str, most: i64) -> Outcome {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let regex = own_regex(pattern)?;
    Ok(Value::list(regex.find_iter(text).take(most).map(|found| Value::text(found.as_str())).collect()))
}

fn split(text: &str, by: &str, most: i64) -> Value {
    let parts: Vec<String> = if by.is_empty() {
        let letters: Vec<char> = text.chars().collect();
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(letters.len());
        let mut parts: Vec<String> = letters.iter().take(most.saturating_sub(1)).map(char::to_string).collect();
        if most > 0 {
            parts.push(letters[most - 1..].iter().collect::<String>());
        }
        if most == letters.len() { letters.iter().map(char::to_string).collect() } else { parts }
    } else {
        match usize::try_from(most) {
            Ok(most) => text.splitn(most, by).map(str::to_owned).collect(),
            Err(_) => text.split(by).map(str::to_owned).collect(),
        }
    };
    Value::list(parts.iter().map(Value::text).collect())
}

fn join(items: &[Value], by: &str) -> Outcome {
    let mut out = String::new();
    for (at, item) in items.iter().enumerate() {
        let Value::String(text) = item else {
            return Err(Failure::new(format!("join: invalid input: {}", super::show(item))));
        };
        if at > 0 {
            out.push_str(by);
        }
        out.push_str(text);
    }
    Ok(Value::text(out))
}

fn out_of_range(at: i64) -> Failure {
    Failure::new(format!("index out of range: {at}"))
}

fn char_at(text: &str, at: i64) -> Outcome {
    let length = text.chars().count() as i64;
    if at < 0 || at > length {
        return Err(out_of_range(at));
    }
    Ok(Value::text(text.chars().nth(at as usize).map(String::from).unwrap_or_default()))
}

fn substring(text: &str, from: i64, to: Option<i64>) -> Outcome {
    let length = text.chars().count() as i64;
    let Some(to) = to else {
        if from < 0 || from > length {
            return Err(out_of_range(from));
        }
        return Ok(Value::text(text.chars().skip(from as usize).collect::<String>()));
    };
    if from > to {
        return Err(Failure::new(format!("invalid substring range. start: {from}, end: {to}")));
    }
    if from < 0 || from > length {
        return Err(out_of_range(from));
    }
    if to < 0 || to > length {
        return Err(out_of_range(to));
    }
    Ok(Value::text(text.chars().skip(from as usize).take((to - from) as usize).collect::<String>()))
}

fn index_of(text: &str, part: &str, from: i64) -> Outcome {
    let (text, part): (Vec<char>, Vec<char>) = (text.chars().collect(), part.chars().collect());
    if part.is_empty() {
        return Ok(Value::Int(from));
    }
    if from < 0 {
        return Err(out_of_range(from));
    }
    let mut starts = from as usize..text.len();
    let found = starts.find(|at| text[*at..].starts_with(&part));
    Ok(Value::Int(found.map_or(-1, |at| at as i64)))
}

fn last_index_of(text: &str, part: &str, from: Option<i64>) -> Outcome {
    let (text, part): (Vec<char>, Vec<char>) = (text.chars().collect(), part.chars().collect());
    if part.is_empty() {
        return Ok(Value::Int(from.unwrap_or(text.len() as i64)));
    }
    let from = match from {
        Some(from) if from < 0 => return Err(out_of_range(from)),
        Some(from) => from as usize,
        None => text.len(),
    };
    if from >= text.len() && from > text.len() {
        return Ok(Value::Int(-1));
    }
    let found = (0..=from.min(text.len().saturating_sub(1))).rev().find(|at| text[*at..].starts_with(&part));
    Ok(Value::Int(found.map_or(-1, |at| at as i64)))
}

fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
