//! The part of JSONPath that printer columns use: fields, indexes, wildcards and filters.

use serde_json::Value;

/// Returns what a path finds; a path that cannot be read finds nothing.
pub(crate) fn find<'a>(object: &'a Value, path: &str) -> Vec<&'a Value> {
    parse(path).map_or_else(Vec::new, |steps| walk(object, &steps))
}

fn walk<'a>(object: &'a Value, steps: &[Step]) -> Vec<&'a Value> {
    let mut found = vec![object];
    for step in steps {
        found = found.into_iter().flat_map(|value| step.from(value)).collect();
    }
    found.retain(|value| !value.is_null());
    found
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Field(String),
    Index(i64),
    All,
    Filter { path: Vec<Step>, test: Option<(String, Value)> },
}

impl Step {
    fn from<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match self {
            Self::Field(name) => value.get(name).into_iter().collect(),
            Self::Index(at) => {
                let Some(items) = value.as_array() else { return Vec::new() };
                let at = if *at < 0 { items.len() as i64 + at } else { *at };
                usize::try_from(at).ok().and_then(|at| items.get(at)).into_iter().collect()
            }
            Self::All => match value {
                Value::Array(items) => items.iter().collect(),
                Value::Object(map) => map.values().collect(),
                _ => Vec::new(),
            },
            Self::Filter { path, test } => value
                .as_array()
                .into_iter()
                .flatten()
                .filter(|item| {
                    let have = walk(item, path);
                    match test {
                        None => !have.is_empty(),
                        Some((operator, want)) => have.first().is_some_and(|have| compare(have, operator, want)),
                    }
                })
                .collect(),
        }
    }
}

fn compare(have: &Value, operator: &str, want: &Value) -> bool {
    let numbers = have.as_f64().zip(want.as_f64());
    match operator {
        "==" => have == want,
        "!=" => have != want,
        ">" => numbers.is_some_and(|(have, want)| have > want),
        "<" => numbers.is_some_and(|(have, want)| have < want),
        ">=" => numbers.is_some_and(|(have, want)| have >= want),
        "<=" => numbers.is_some_and(|(have, want)| have <= want),
        _ => false,
    }
}

fn parse(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.trim().trim_start_matches('{').trim_end_matches('}').trim_start_matches(['$', '@']);
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let end = closing(inside)?;
            steps.push(bracket(inside[..end].trim())?);
            rest = &inside[end + 1..];
            continue;
        }
        rest = rest.strip_prefix('.').unwrap_or(rest);
        let mut name = String::new();
        let mut length = 0;
        let mut letters = rest.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '.' | '[' => break,
                '\\' => {
                    length += 1;
                    let escaped = letters.next()?;
                    length += escaped.len_utf8();
                    name.push(escaped);
                }
                letter => {
                    length += letter.len_utf8();
                    name.push(letter);
                }
            }
        }
        rest = &rest[length..];
        match name.as_str() {
            "" if rest.is_empty() => {}
            "" => {
                if !rest.starts_with('[') {
                    return None;
                }
            }
            "*" => steps.push(Step::All),
            _ => steps.push(Step::Field(name)),
        }
    }
    Some(steps)
}

/// Finds the end of a bracket, which may hold quoted texts and further brackets.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut quote) = (0, None);
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (Some(mark), letter) if letter == mark => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(letter),
            (None, '[') => depth += 1,
            (None, ']') if depth == 0 => return Some(at),
            (None, ']') => depth -= 1,
            (None, _) => {}
        }
    }
    None
}

fn bracket(text: &str) -> Option<Step> {
    if text == "*" {
        return Some(Step::All);
    }
    if let Some(inside) = text.strip_prefix("?(").and_then(|text| text.strip_suffix(')')) {
        return filter(inside.trim());
    }
    for quote in ['\'', '"'] {
        if let Some(name) = text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote)) {
            return Some(Step::Field(name.to_owned()));
        }
    }
    text.parse().ok().map(Step::Index)
}

fn filter(text: &str) -> Option<Step> {
    for operator in ["==", "!=", ">=", "<=", ">", "<"] {
        if let Some((left, right)) = text.split_once(operator) {
            let right = right.trim();
            let quoted = ['\'', '"'].iter().find_map(|quote| right.strip_prefix(*quote)?.strip_suffix(*quote));
            let want = match quoted {
                Some(text) => Value::String(text.to_owned()),
                None => serde_json::from_str(right).ok()?,
            };
            return Some(Step::Filter { path: parse(left)?, test: Some((operator.to_owned(), want)) });
        }
    }
    Some(Step::Filter { path: parse(text)?, test: None })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_find_what_they_name() {
        let object = json!({
            "metadata": {"annotations": {"a.b/c": "x"}},
            "spec": {"n": 3, "list": [{"name": "a"}, {"name": "b"}]},
            "status": {"conditions": [
                {"type": "Ready", "status": "True", "message": "fine"}, {"type": "Other", "status": "False"},
            ]},
        });
        let rows: [(&str, Vec<Value>); 10] = [
            (".spec.n", vec![json!(3)]),
            ("{.spec.n}", vec![json!(3)]),
            (".spec.list[*].name", vec![json!("a"), json!("b")]),
            (".spec.list[-1].name", vec![json!("b")]),
            (r#".status.conditions[?(@.type=="Ready")].status"#, vec![json!("True")]),
            (r".status.conditions[?(@.type == 'Ready')].message", vec![json!("fine")]),
            (r".metadata.annotations.a\.b/c", vec![json!("x")]),
            (".metadata.annotations['a.b/c']", vec![json!("x")]),
            (".missing.field", vec![]),
            (".status.conditions[?(@.type==", vec![]),
        ];
        for (path, want) in rows {
            let found: Vec<Value> = find(&object, path).into_iter().cloned().collect();
            assert_eq!(found, want, "{path}");
        }
    }
}
