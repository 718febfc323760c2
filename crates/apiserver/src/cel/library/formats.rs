//! Named formats: `format.dns1123Label().validate('x')`.

use super::super::eval::Outcome;
use super::super::value::Value;
use crate::crd::format_fits;
use crate::crd::names::{dns_1035_label, dns_1123_label, dns_1123_subdomain, label_value, qualified_name};

/// The formats there are; those of names have a variant for the beginnings of generated ones.
const NAMES: [&str; 13] = [
    "byte",
    "date",
    "datetime",
    "dns1035Label",
    "dns1035LabelPrefix",
    "dns1123Label",
    "dns1123LabelPrefix",
    "dns1123Subdomain",
    "dns1123SubdomainPrefix",
    "labelValue",
    "qualifiedName",
    "uri",
    "uuid",
];

pub(super) fn call(name: &str, args: &[Value]) -> Option<Outcome> {
    let known = |name: &str| NAMES.into_iter().find(|have| *have == name);
    Some(Ok(match (name, args) {
        ("format.named", [Value::String(name)]) => {
            Value::Optional(known(name).map(|name| Box::new(Value::Format(name))))
        }
        ("validate", [Value::Format(format), Value::String(text)]) => {
            let wrong = validate(format, text);
            if wrong.is_empty() {
                Value::Optional(None)
            } else {
                Value::some(Value::list(wrong.iter().map(Value::text).collect()))
            }
        }
        (name, []) => Value::Format(known(name.strip_prefix("format.")?)?),
        _ => return None,
    }))
}

/// Returns the length upstream takes the regular expression of a format to have.
pub(in crate::cel) fn pattern_size(format: &str) -> u64 {
    match format {
        "dns1123Label" | "dns1123LabelPrefix" | "dns1035Label" | "dns1035LabelPrefix" => 30,
        "labelValue" => 40,
        "byte" => 84,
        "date" | "datetime" => 71,
        "uri" => 1103,
        "uuid" => 70,
        _ => 60,
    }
}

fn validate(format: &str, text: &str) -> Vec<String> {
    // A generated name goes on with other letters, so that its beginning may end in a dash.
    let unfinished = text.strip_suffix('-').map_or_else(|| text.to_owned(), |text| format!("{text}a"));
    let one = |wrong: Option<String>| wrong.into_iter().collect::<Vec<_>>();
    let described = |format: &str, why: &str| {
        if format_fits(format, text) { Vec::new() } else { vec![why.to_owned()] }
    };
    match format {
        "dns1123Label" => dns_1123_label(text),
        "dns1123LabelPrefix" => dns_1123_label(&unfinished),
        "dns1123Subdomain" => dns_1123_subdomain(text),
        "dns1123SubdomainPrefix" => dns_1123_subdomain(&unfinished),
        "dns1035Label" => one(dns_1035_label(text)),
        "dns1035LabelPrefix" => one(dns_1035_label(&unfinished)),
        "qualifiedName" => qualified_name(text),
        "labelValue" => label_value(text),
        "uri" => match super::super::urls::Url::parse(text) {
            Ok(_) => Vec::new(),
            Err(why) => vec![why],
        },
        "uuid" => described("uuid", "does not match the UUID format"),
        "byte" => described("byte", "invalid base64"),
        "date" => described("date", "invalid date"),
        "datetime" => described("date-time", "invalid datetime"),
        _ => Vec::new(),
    }
}
