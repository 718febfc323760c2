//! Paths to fields as rules and selectable fields give them: `.spec.a['b-c']` (k8s: `schema/cel`, `ValidFieldPath`).

use serde_json::Value;

/// Where a path leads.
#[derive(Debug)]
pub(crate) struct FoundField<'a> {
    /// The first step.
    pub(crate) root: String,
    /// The path as messages print it.
    pub(crate) path: String,
    pub(crate) schema: &'a Value,
}

/// Follows a path through a schema, or says why it cannot be followed.
pub(crate) fn find<'a>(path: &str, schema: &'a Value, allow_brackets: bool) -> Result<FoundField<'a>, String> {
    let mut found = FoundField { root: String::new(), path: String::new(), schema };
    let tokens = tokens(path);
    let mut rest = tokens.iter();
    while let Some(token) = rest.next() {
        match token.as_str() {
            "[" => {
                if !allow_brackets {
                    return Err("array notation is not allowed".to_owned());
                }
                let quoted = rest.next().ok_or("unexpected end of JSON path")?;
                let inner = quoted
                    .strip_prefix('\'')
                    .and_then(|text| text.strip_suffix('\''))
                    .filter(|_| quoted.len() >= 2)
                    .ok_or_else(|| format!("expected single quoted string but got {quoted}"))?;
                let name = unescape(inner).map_err(|why| format!("invalid string literal: {why}"))?;
                step(&mut found, &name)?;
                let close = rest.next().ok_or("unexpected end of JSON path")?;
                if close != "]" {
                    return Err(format!("expected ] but got {close}"));
                }
            }
            "." => {
                let name = rest.next().ok_or("unexpected end of JSON path")?;
                step(&mut found, name)?;
            }
            other => return Err(format!("expected [ or . but got: {other}")),
        }
    }
    Ok(found)
}

fn step(found: &mut FoundField<'_>, name: &str) -> Result<(), String> {
    let missing = || "does not refer to a valid field".to_owned();
    let schema = found.schema;
    if schema["properties"].is_object() {
        found.schema = schema["properties"].get(name).ok_or_else(missing)?;
        if !found.path.is_empty() {
            found.path.push('.');
        }
        found.path.push_str(name);
    } else if let Some(additional) = schema.get("additionalProperties") {
        found.schema = additional;
        found.path.extend(["[", name, "]"]);
    } else {
        return Err(missing());
    }
    if found.root.is_empty() {
        name.clone_into(&mut found.root);
    }
    Ok(())
}

fn tokens(path: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut word = String::new();
    for letter in path.chars() {
        if word.starts_with('\'') {
            word.push(letter);
            if letter == '\'' && !word[..word.len() - 1].ends_with('\\') {
                out.push(std::mem::take(&mut word));
            }
        } else if matches!(letter, '.' | '[' | ']') {
            if !word.is_empty() {
                out.push(std::mem::take(&mut word));
            }
            out.push(letter.to_string());
        } else {
            word.push(letter);
        }
    }
    if !word.is_empty() {
        out.push(word);
    }
    out
}

fn unescape(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        out.push(match letters.next() {
            Some('a') => '\u{7}',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('v') => '\u{b}',
            Some(same @ ('\'' | '\\')) => same,
            other => return Err(format!("invalid escape char \\{}", other.map(String::from).unwrap_or_default())),
        });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_lead_to_fields_or_say_why_not() {
        let schema = json!({"properties": {"spec": {"properties": {
            "a": {"type": "string"}, "m": {"additionalProperties": {"type": "string"}}, "x.y": {"type": "integer"},
        }}}});
        let rows = [
            (".spec.a", Ok("spec.a")),
            (".spec.m['k']", Ok("spec.m[k]")),
            (".spec['x.y']", Ok("spec.x.y")),
            (".spec.b", Err("does not refer to a valid field")),
            ("spec", Err("expected [ or . but got: spec")),
            (".spec[0]", Err("expected single quoted string but got 0")),
            (".spec.", Err("unexpected end of JSON path")),
            (".spec.a.b", Err("does not refer to a valid field")),
        ];
        for (path, want) in rows {
            let have = find(path, &schema, true).map(|found| found.path);
            assert_eq!(have, want.map(str::to_owned).map_err(str::to_owned), "{path}");
        }
        assert_eq!(find(".spec['a']", &schema, false).map(|_| ()), Err("array notation is not allowed".to_owned()));
    }
}
