//! What the functions of [`super::functions`] do.

mod convert;
mod format;
mod formats;
mod lists;
mod net;
mod strings;
pub(super) mod times;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, Mutex};

use regex::Regex;

pub(super) use convert::show;
pub(super) use format::check as check_format;
pub(super) use formats::pattern_size as format_pattern_size;

use super::authorizer::Step;
use super::eval::{Failure, Outcome};
use super::quantity::Quantity;
use super::semver::Version;
use super::urls::Url;
use super::value::{Key, Value};
use crate::cluster::lock;

/// Calls a function; the target of a method is its first argument.
pub(super) fn call(name: &str, is_member: bool, args: &[Value]) -> Outcome {
    let found = if let Some(Value::Authorizer(step)) = args.first() {
        authorize(name, step, &args[1..])
    } else {
        general(name, args)
            .or_else(|| convert::call(name, args))
            .or_else(|| strings::call(name, is_member, args))
            .or_else(|| lists::call(name, args))
            .or_else(|| times::call(name, args))
            .or_else(|| net::call(name, args))
            .or_else(|| library_types(name, args))
            .or_else(|| formats::call(name, args))
    };
    found.unwrap_or_else(|| Err(Failure::no_overload()))
}

fn general(name: &str, args: &[Value]) -> Option<Outcome> {
    Some(match (name, args) {
        ("size", [Value::String(text)]) => Ok(Value::Int(text.chars().count() as i64)),
        ("size", [Value::Bytes(bytes)]) => Ok(Value::Int(bytes.len() as i64)),
        ("size", [Value::List(list)]) => Ok(Value::Int(list.items.len() as i64)),
        ("size", [Value::Map(map)]) => Ok(Value::Int(map.len() as i64)),
        ("type", [value]) => Ok(Value::Type(value.type_name().to_owned())),
        ("dyn", [value]) => Ok(value.clone()),
        ("optional.of", [value]) => Ok(Value::some(value.clone())),
        ("optional.ofNonZeroValue", [value]) if value.is_zero() => Ok(Value::Optional(None)),
        ("optional.ofNonZeroValue", [value]) => Ok(Value::some(value.clone())),
        ("optional.none", []) => Ok(Value::Optional(None)),
        ("hasValue", [Value::Optional(inner)]) => Ok(Value::Bool(inner.is_some())),
        ("value", [Value::Optional(Some(inner))]) => Ok((**inner).clone()),
        ("value", [Value::Optional(None)]) => Err(Failure::new("optional.none() dereference")),
        ("optional.unwrap" | "unwrapOpt", [Value::List(list)]) => {
            let mut present = Vec::new();
            for item in &list.items {
                match item {
                    Value::Optional(inner) => present.extend(inner.as_deref().cloned()),
                    other => return Some(Err(Failure::new(format!("value {} is not optional", show(other))))),
                }
            }
            Ok(Value::list(present))
        }
        ("cel.@mapInsert", [Value::Map(map), rest @ ..]) => {
            let mut map = (**map).clone();
            insert(&mut map, rest).map(|()| Value::Map(Arc::new(map)))
        }
        _ => return None,
    })
}

/// Adds a key and value, or the entries of another map, to a map that has none of them.
pub(super) fn insert(map: &mut BTreeMap<Key, Value>, rest: &[Value]) -> Result<(), Failure> {
    let mut put = |key: Key, value: Value| {
        if map.contains_key(&key) {
            return Err(Failure::new(format!("insert failed: key {} already exists", show(&key.to_value()))));
        }
        map.insert(key, value);
        Ok(())
    };
    match rest {
        [key, value] => put(Key::new(key), value.clone()),
        [Value::Map(more)] => more.iter().try_for_each(|(key, value)| put(key.clone(), value.clone())),
        _ => Err(Failure::no_overload()),
    }
}

fn authorize(name: &str, step: &Step, args: &[Value]) -> Option<Outcome> {
    if let Step::Decision { allowed, reason } = step {
        return Some(Ok(match name {
            "allowed" => Value::Bool(*allowed),
            "reason" => Value::text(reason),
            "errored" => Value::Bool(false),
            "error" => Value::text(""),
            _ => return None,
        }));
    }
    let texts: Vec<&str> = args
        .iter()
        .map(|arg| match arg {
            Value::String(text) => Some(&**text),
            _ => None,
        })
        .collect::<Option<_>>()?;
    let is_empty = texts.first().is_some_and(|text| text.is_empty());
    let refusal = match name {
        "path" if is_empty => Some("path must not be empty"),
        "resource" if is_empty => Some("resource must not be empty"),
        _ => None,
    };
    if let Some(why) = refusal {
        return Some(Err(Failure::new(why)));
    }
    step.next(name, &texts).map(|next| Ok(Value::Authorizer(Arc::new(next))))
}

fn library_types(name: &str, args: &[Value]) -> Option<Outcome> {
    use std::cmp::Ordering;
    let truth = |flag: bool| Ok(Value::Bool(flag));
    Some(match (name, args) {
        ("quantity", [Value::String(text)]) => Quantity::parse(text).map(Value::Quantity).map_err(Failure),
        ("isQuantity", [Value::String(text)]) => truth(Quantity::parse(text).is_ok()),
        ("sign", [Value::Quantity(it)]) => Ok(Value::Int(it.sign())),
        ("isInteger", [Value::Quantity(it)]) => truth(it.as_integer().is_some()),
        ("asInteger", [Value::Quantity(it)]) => {
            it.as_integer().map(Value::Int).ok_or_else(|| Failure::new("cannot convert value to integer"))
        }
        ("asApproximateFloat", [Value::Quantity(it)]) => Ok(Value::Double(it.as_float())),
        ("add", [Value::Quantity(a), Value::Quantity(b)]) => Ok(Value::Quantity(a.add(*b))),
        ("add", [Value::Quantity(a), Value::Int(b)]) => Ok(Value::Quantity(a.add(Quantity::of_int(*b)))),
        ("sub", [Value::Quantity(a), Value::Quantity(b)]) => Ok(Value::Quantity(a.sub(*b))),
        ("sub", [Value::Quantity(a), Value::Int(b)]) => Ok(Value::Quantity(a.sub(Quantity::of_int(*b)))),
        ("isGreaterThan", [a, b]) => truth(order(a, b)? == Ordering::Greater),
        ("isLessThan", [a, b]) => truth(order(a, b)? == Ordering::Less),
        ("compareTo", [a, b]) => Ok(Value::Int(order(a, b)? as i64)),
        ("semver", [Value::String(text)]) => semver(text, false),
        ("semver", [Value::String(text), Value::Bool(loose)]) => semver(text, *loose),
        ("isSemver", [Value::String(text)]) => truth(semver(text, false).is_ok()),
        ("isSemver", [Value::String(text), Value::Bool(loose)]) => truth(semver(text, *loose).is_ok()),
        ("major", [Value::Semver(it)]) => Ok(Value::Int(it.numbers[0] as i64)),
        ("minor", [Value::Semver(it)]) => Ok(Value::Int(it.numbers[1] as i64)),
        ("patch", [Value::Semver(it)]) => Ok(Value::Int(it.numbers[2] as i64)),
        ("url", [Value::String(text)]) => Url::parse(text)
            .map(|url| Value::Url(Arc::new(url)))
            .map_err(|why| Failure::new(format!("URL parse error during conversion from string: {why}"))),
        ("isURL", [Value::String(text)]) => truth(Url::parse(text).is_ok()),
        ("getScheme", [Value::Url(it)]) => Ok(Value::text(&it.scheme)),
        ("getHost", [Value::Url(it)]) => Ok(Value::text(&it.host)),
        ("getHostname", [Value::Url(it)]) => Ok(Value::text(it.hostname())),
        ("getPort", [Value::Url(it)]) => Ok(Value::text(it.port())),
        ("getEscapedPath", [Value::Url(it)]) => Ok(Value::text(it.escaped_path())),
        ("getQuery", [Value::Url(it)]) => {
            let values = it.query_values().into_iter().map(|(key, values)| {
                (Key::String(Arc::from(key)), Value::list(values.iter().map(Value::text).collect()))
            });
            Ok(Value::map(values))
        }
        _ => return None,
    })
}

fn order(a: &Value, b: &Value) -> Option<std::cmp::Ordering> {
    match (a, b) {
        (Value::Quantity(a), Value::Quantity(b)) => Some(a.compare(*b)),
        (Value::Semver(a), Value::Semver(b)) => Some(a.compare(b)),
        _ => None,
    }
}

fn semver(text: &str, loose: bool) -> Outcome {
    let version = if loose { Version::parse_loosely(text) } else { Version::parse(text) };
    version.map(|version| Value::Semver(Arc::new(version))).map_err(Failure)
}

/// Escapes the braces that repeat nothing, which Go takes for letters.
fn literal_braces(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(at) = rest.find(['\\', '{']) {
        out.push_str(&rest[..at]);
        let tail = &rest[at..];
        let end = if let Some(escaped) = tail.strip_prefix('\\') {
            // Of what is escaped, classes and letters by number have braces.
            let length = tail.chars().take(2).map(char::len_utf8).sum();
            let has_braces = escaped.starts_with(['p', 'P', 'x']) && tail[2.min(tail.len())..].starts_with('{');
            if has_braces { tail.find('}').map_or(length, |end| end + 1) } else { length }
        } else {
            let inner = tail[1..].split('}').next().unwrap_or_default();
            let (least, most) = inner.split_once(',').unwrap_or((inner, ""));
            let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            let repeats = tail.contains('}') && !least.is_empty() && is_number(least) && is_number(most);
            if !repeats {
                out.push('\\');
            }
            1
        };
        out.push_str(&tail[..end]);
        rest = &tail[end..];
    }
    out + rest
}

/// Compiles a regular expression, once.
pub(super) fn regex(pattern: &str) -> Result<Regex, Failure> {
    static COMPILED: LazyLock<Mutex<HashMap<String, Regex>>> = LazyLock::new(Mutex::default);
    /// Patterns may come from objects; beyond this many they are forgotten.
    const MOST: usize = 1024;
    let mut compiled = lock(&COMPILED);
    if let Some(found) = compiled.get(pattern) {
        return Ok(found.clone());
    }
    let regex = Regex::new(&literal_braces(pattern))
        .map_err(|error| Failure::new(crate::crd::explain_regex(&error, pattern)))?;
    if compiled.len() >= MOST {
        compiled.clear();
    }
    compiled.insert(pattern.to_owned(), regex.clone());
    Ok(regex)
}
