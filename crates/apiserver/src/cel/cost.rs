//! What calls cost, told from their arguments (cel-go: `interpreter/runtimecost.go`, `ext/{lists,sets}.go`;
//! k8s: `apiserver/pkg/cel/library/cost.go`).

use super::plan::Call;
use super::value::Value;

/// What making a list or a map costs.
pub(super) const LIST: u64 = 10;
pub(super) const MAP: u64 = 30;

/// What going through a text costs for each letter.
pub(super) const LETTER: f64 = 0.1;
/// What each letter of a regular expression costs for each unit of text.
pub(super) const PATTERN: f64 = 0.25;

/// What asking the authorizer costs: two questions are the most an expression may ask.
pub(super) const CHECK: u64 = 350_000;

/// A value, or `None` for a failure.
type Argument = Option<Value>;

/// What only reads a part of an address, a quantity, a version or a URL, or reckons with it: one unit, whatever the size.
pub(super) const LOOK_UPS: [&str; 27] = [
    "masked",
    "prefixLength",
    "family",
    "isUnspecified",
    "isLoopback",
    "isLinkLocalMulticast",
    "isLinkLocalUnicast",
    "isGlobalUnicast",
    "format.named",
    "sign",
    "asInteger",
    "isInteger",
    "asApproximateFloat",
    "isGreaterThan",
    "isLessThan",
    "compareTo",
    "add",
    "sub",
    "major",
    "minor",
    "patch",
    "getScheme",
    "getHostname",
    "getHost",
    "getPort",
    "getEscapedPath",
    "getQuery",
];

/// Returns the size of a value, as `size()` does where it can.
fn size(value: &Argument) -> u64 {
    match value {
        Some(Value::String(text)) => text.chars().count() as u64,
        Some(Value::Bytes(bytes)) => bytes.len() as u64,
        Some(Value::List(list)) => list.items.len() as u64,
        Some(Value::Map(map)) => map.len() as u64,
        Some(Value::Ip(ip)) => {
            if ip.is_ipv4() {
                4
            } else {
                16
            }
        }
        Some(Value::Cidr(_, bits)) => u64::from(bits.div_ceil(8)),
        _ => 1,
    }
}

/// Returns the size of a value, or of what an optional holds.
fn inner_size(value: &Argument) -> u64 {
    match value {
        Some(Value::Optional(Some(inner))) => inner_size(&Some((**inner).clone())),
        other => size(other),
    }
}

fn scaled(size: u64, factor: f64) -> u64 {
    (size as f64 * factor).ceil() as u64
}

/// Returns what a regular expression costs for a text.
fn matching(text: u64, pattern: u64) -> u64 {
    ((1.0 + text as f64) * LETTER).ceil() as u64 * scaled(pattern, PATTERN)
}

/// Returns what a call has cost; the error is upstream's panic.
pub(super) fn of_call(call: &Call, args: &[Argument], result: Option<&Value>) -> Result<u64, String> {
    let result = result.cloned();
    if let Some(cost) = of_overload(call, args, &result) {
        return cost;
    }
    Ok(of_function(call, args, &result).unwrap_or_else(|| of_standard(call, args)))
}

/// Functions of cel-go's extensions.
fn of_overload(call: &Call, args: &[Argument], result: &Argument) -> Option<Result<u64, String>> {
    let made = |factor: f64, size: u64| Ok((size as f64 * factor) as u64 + 1 + LIST);
    let compared = |of: &Argument| match of {
        Some(Value::List(list)) => {
            let is_text = matches!(list.items.first(), Some(Value::String(_) | Value::Bytes(_)));
            let count = list.items.len() as u64;
            made(if is_text { 2.0 + LETTER } else { 2.0 }, count * count)
        }
        _ => Err("interface conversion: *types.Err is not traits.Lister: missing method Add".to_owned()),
    };
    let sets = |factor: f64| Ok(1 + ((size(&args[0]) * size(&args[1])) as f64 * factor) as u64);
    Some(match call.overload {
        "list_slice" | "lists_range" | "list_reverse" => made(1.0, size(result)),
        "list_flatten" => match args {
            [of] => made(1.0, size(of)),
            [of, Some(Value::Int(depth))] => made(*depth as f64, size(of)),
            _ => Err("interface conversion: ref.Val is *types.Err, not types.Int".to_owned()),
        },
        "list_distinct" | "list_sort" | "list_sort_texts" => compared(&args[0]),
        "list_sort_by" | "list_sort_by_texts" => compared(&args[1]),
        "list_sets_contains_list" | "list_sets_intersects_list" => sets(1.0),
        "list_sets_equivalent_list" => sets(2.0),
        _ => return None,
    })
}

/// Functions of Kubernetes' libraries; some names are those of others, too.
fn of_function(call: &Call, args: &[Argument], result: &Argument) -> Option<u64> {
    let first = || args.first().map_or(1, size);
    Some(match call.name.as_str() {
        "check" => CHECK,
        "serviceAccount" | "path" | "group" | "resource" | "subresource" | "namespace" | "name" | "allowed"
        | "reason" | "error" | "errored" => 1,
        "fieldSelector" | "labelSelector" => {
            let length = size(args.get(1)?);
            LIST + scaled(length, LETTER) + scaled(scaled(length, 0.5), 50.0)
        }
        "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" => args.first().map_or(0, traversal),
        "url" | "lowerAscii" | "upperAscii" | "substring" | "trim" | "cidr" | "isIP" | "isCIDR" | "quantity"
        | "isQuantity" | "semver" | "isSemver" => scaled(first(), LETTER),
        "jsonpatch.escapeKey" => scaled(first(), LETTER),
        "replace" | "split" => (first() as f64 * 2.0 * LETTER).ceil() as u64,
        "join" => (size(result) as f64 * 2.0 * LETTER).ceil() as u64,
        "find" | "findAll" => matching(first(), size(args.get(1)?)),
        "ip" if call.overload == "cidr_ip" => 1,
        "ip" => scaled(first(), LETTER),
        "ip.isCanonical" => (first() as f64 * 2.0 * LETTER).ceil() as u64,
        name if LOOK_UPS.contains(&name) => 1,
        "containsIP" => {
            let of_text =
                if call.overload == "cidr_contains_ip_string" { scaled(size(args.get(1)?), LETTER) } else { 0 };
            scaled(first() * 2, LETTER) + of_text
        }
        "containsCIDR" => {
            let is_text = call.overload == "cidr_contains_cidr_string";
            let of_text = if is_text { scaled(size(args.get(1)?), LETTER) } else { 0 };
            scaled(first() * 2, LETTER) + scaled(first(), LETTER) + 1 + of_text
        }
        "validate" => match args {
            [Some(Value::Format(format)), text] => matching(size(text), super::library::format_pattern_size(format)),
            _ => return None,
        },
        "_==_" => match args {
            [
                Some(
                    Value::Quantity(_)
                    | Value::Ip(_)
                    | Value::Cidr(..)
                    | Value::Format(_)
                    | Value::Url(_)
                    | Value::Semver(_)
                    | Value::Authorizer(_),
                ),
                _,
            ] => 1,
            _ => return None,
        },
        _ => return None,
    })
}

/// Returns what going through all of a value costs.
fn traversal(value: &Argument) -> u64 {
    match value {
        Some(Value::String(text)) => (text.len() as f64 * LETTER) as u64,
        Some(Value::Bytes(bytes)) => (bytes.len() as f64 * LETTER) as u64,
        Some(Value::List(list)) => list.items.iter().map(|item| traversal(&Some(item.clone()))).sum(),
        Some(Value::Map(map)) => {
            map.iter().map(|(key, value)| traversal(&Some(key.to_value())) + traversal(&Some(value.clone()))).sum()
        }
        _ => 1,
    }
}

/// CEL's own functions.
fn of_standard(call: &Call, args: &[Argument]) -> u64 {
    let overload = match call.name.as_str() {
        "_==_" => "equals",
        "_!=_" => "not_equals",
        _ => call.overload,
    };
    let size = |at: usize| args.get(at).map_or(1, inner_size);
    match overload {
        "starts_with_string" | "ends_with_string" | "string_to_bytes" | "bytes_to_string" | "strings_quote"
        | "string_format" => scaled(size(0), LETTER),
        "in_list" => size(1),
        "less_string"
        | "greater_string"
        | "less_equals_string"
        | "greater_equals_string"
        | "less_bytes"
        | "greater_bytes"
        | "less_equals_bytes"
        | "greater_equals_bytes"
        | "equals"
        | "not_equals" => scaled(size(0).min(size(1)), LETTER),
        "add_string" | "add_bytes" => scaled(size(0) + size(1), LETTER),
        "matches_string" => matching(size(0), size(1)),
        "contains_string" => scaled(size(0), LETTER) * scaled(size(1), LETTER),
        _ => 1,
    }
}
