//! What a scalar means: go-yaml's rules, v2's and v3's.
//!
//! The rules are those of `resolve.go` in go-yaml v2.4 and v3.0: a table of words, then numbers by Go's own
//! number syntax, then text. Sexagesimal numbers are text, as there.

use crate::Rules;
use std::borrow::Cow;

use crate::number::{Num, parse_float, parse_int};
use crate::timestamp::Timestamp;

/// What a scalar means.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Meaning {
    Null,
    Bool(bool),
    Number(Num),
    Timestamp(Timestamp),
    Text,
}

impl Meaning {
    /// The tag of this meaning, for messages.
    fn tag(&self) -> &'static str {
        match self {
            Self::Null => "!!null",
            Self::Bool(_) => "!!bool",
            Self::Number(Num::Float(_)) => "!!float",
            Self::Number(_) => "!!int",
            Self::Timestamp(_) => "!!timestamp",
            Self::Text => "!!str",
        }
    }
}

const LONG_PREFIX: &str = "tag:yaml.org,2002:";

/// Returns a tag as `!!int`.
pub(crate) fn short_tag(tag: &str) -> String {
    tag.strip_prefix(LONG_PREFIX).map_or_else(|| tag.to_owned(), |name| format!("!!{name}"))
}

/// Finds the meaning of a scalar with an explicit tag, or says why it has none.
pub(crate) fn resolve_tagged(tag: &str, text: &str, rules: Rules) -> Result<Meaning, String> {
    let short = short_tag(tag);
    match short.as_str() {
        "!!bool" | "!!int" | "!!float" | "!!null" | "!!timestamp" => {}
        // Text, and tags that mean nothing here.
        _ => return Ok(Meaning::Text),
    }
    // With a tag that is not for timestamps, `2020` is never looked at as one.
    let meaning = resolve_with(text, rules, short == "!!timestamp");
    match (&meaning, short.as_str()) {
        (Meaning::Number(Num::Signed(value)), "!!float") => Ok(Meaning::Number(Num::Float(*value as f64))),
        (found, wanted) if found.tag() == wanted => Ok(meaning),
        (found, wanted) => Err(format!("cannot decode {} `{text}` as a {wanted}", found.tag())),
    }
}

/// Finds the meaning of a plain scalar.
pub(crate) fn resolve(text: &str, rules: Rules) -> Meaning {
    resolve_with(text, rules, true)
}

fn resolve_with(text: &str, rules: Rules, with_timestamps: bool) -> Meaning {
    let Some(first) = text.bytes().next() else { return Meaning::Null };
    match first {
        b'0'..=b'9' | b'+' | b'-' => word(text, rules).unwrap_or_else(|| numeric(text, rules, with_timestamps)),
        b'.' => word(text, rules)
            .or_else(|| parse_float(&without_separators(text)?).map(|float| Meaning::Number(Num::Float(float))))
            .unwrap_or(Meaning::Text),
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => {
            word(text, rules).unwrap_or(Meaning::Text)
        }
        _ => Meaning::Text,
    }
}

fn word(text: &str, rules: Rules) -> Option<Meaning> {
    let old_bools = rules != Rules::Kyaml;
    Some(match text {
        "~" | "null" | "Null" | "NULL" => Meaning::Null,
        "true" | "True" | "TRUE" => Meaning::Bool(true),
        "false" | "False" | "FALSE" => Meaning::Bool(false),
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" if old_bools => Meaning::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" if old_bools => Meaning::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Meaning::Number(Num::Float(f64::NAN)),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Meaning::Number(Num::Float(f64::INFINITY)),
        "-.inf" | "-.Inf" | "-.INF" => Meaning::Number(Num::Float(f64::NEG_INFINITY)),
        _ => return None,
    })
}

/// Takes out underscores, which may stand between digits: what begins with a point is read by Go's `ParseFloat` as it is.
fn without_separators(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('_') {
        return Some(text.into());
    }
    let bytes = text.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut underscores = text.match_indices('_');
    underscores.all(|(at, _)| at > 0 && is_digit(at - 1) && is_digit(at + 1)).then(|| text.replace('_', "").into())
}

fn numeric(text: &str, rules: Rules, with_timestamps: bool) -> Meaning {
    if with_timestamps && let Some(timestamp) = Timestamp::parse(text) {
        return Meaning::Timestamp(timestamp);
    }
    let plain = text.replace('_', "");
    if let Some(number) = parse_int(&plain) {
        return Meaning::Number(number);
    }
    if let Some(float) = parse_float(&plain) {
        return Meaning::Number(Num::Float(float));
    }
    // Both versions read `0b` and v3 reads `0o` once more by hand, where a sign may follow the prefix.
    let prefixes: &[(&str, u32)] = if rules == Rules::Kyaml { &[("0b", 2), ("0o", 8)] } else { &[("0b", 2)] };
    for &(prefix, base) in prefixes {
        if let Some(digits) = plain.strip_prefix(prefix)
            && let Ok(value) = i64::from_str_radix(digits, base)
        {
            return Meaning::Number(Num::Signed(value));
        }
    }
    Meaning::Text
}

/// Tells whether a text must be quoted to stay a text: the test of go-yaml v2's writer.
pub(crate) fn needs_quotes(text: &str) -> bool {
    resolve(text, Rules::Sigs) != Meaning::Text || is_sexagesimal(text)
}

/// The same test of go-yaml v3's writer, which quotes what only YAML 1.1 takes for a boolean, too.
pub(crate) fn needs_quotes_to_v3(text: &str) -> bool {
    let is_old_bool = matches!(resolve(text, Rules::Sigs), Meaning::Bool(_));
    resolve(text, Rules::Kyaml) != Meaning::Text || is_old_bool || is_sexagesimal(text)
}

/// `190:20:30`: a number to YAML 1.1, which go-yaml quotes for the sake of other readers.
fn is_sexagesimal(text: &str) -> bool {
    if !text.starts_with(|c: char| c.is_ascii_digit() || c == '+' || c == '-') {
        return false;
    }
    let body = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (body, fraction) = body.split_once('.').unwrap_or((body, ""));
    let mut parts = body.split(':');
    let first_is_good = parts.next().is_some_and(|part| {
        part.starts_with(|c: char| c.is_ascii_digit()) && part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_')
    });
    let mut count = 0;
    let rest_is_good = parts.all(|part| {
        count += 1;
        matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9'])
    });
    first_is_good && rest_is_good && count > 0 && fraction.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_')
}
