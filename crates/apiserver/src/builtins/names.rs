//! The syntax of names, labels and ports, with upstream's messages (`apimachinery/pkg/util/validation`, v0.35).

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const QUALIFIED: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";

fn too_long(text: &str, limit: usize) -> Option<String> {
    (text.len() > limit).then(|| format!("must be no more than {limit} characters"))
}

/// The newer checks of upstream say bytes where the older ones say characters.
fn too_many_bytes(text: &str, limit: usize) -> Option<String> {
    (text.len() > limit).then(|| format!("must be no more than {limit} bytes"))
}

fn edges(text: &str, edge: fn(&u8) -> bool, middle: fn(&u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    matches!((bytes.first(), bytes.last()), (Some(first), Some(last)) if edge(first) && edge(last))
        && bytes.iter().all(|byte| edge(byte) || middle(byte))
}

fn is_lower(byte: &u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// Tells whether a text is a label of DNS (RFC 1123), of any length.
pub(crate) fn is_dns_label(text: &str) -> bool {
    edges(text, is_lower, |byte| *byte == b'-')
}

fn is_dns_subdomain(text: &str) -> bool {
    text.split('.').all(is_dns_label)
}

/// Tells whether a text is the part of a qualified name after the slash, of any length.
pub(crate) fn is_qualified(text: &str) -> bool {
    edges(text, u8::is_ascii_alphanumeric, |byte| b"-_.".contains(byte))
}

/// Checks a label of DNS (RFC 1123), the name of most things within a pod.
pub(crate) fn dns_label(text: &str) -> Vec<String> {
    let mut problems: Vec<String> = too_long(text, 63).into_iter().collect();
    if !is_dns_label(text) {
        problems.push(if is_dns_subdomain(text) {
            "must not contain dots".to_owned()
        } else {
            format!(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end \
                 with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{LABEL}')"
            )
        });
    }
    problems
}

/// Checks a subdomain of DNS (RFC 1123), the name of most objects.
pub(crate) fn dns_subdomain(text: &str) -> Vec<String> {
    too_long(text, 253).into_iter().chain(dns_subdomain_pattern(text)).collect()
}

fn dns_subdomain_pattern(text: &str) -> Option<String> {
    (!is_dns_subdomain(text)).then(|| {
        format!(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and \
             end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{LABEL}(\\.{LABEL})*')"
        )
    })
}

/// Checks a search domain, in whose labels underscores are allowed.
pub(crate) fn search_domain(text: &str) -> Vec<String> {
    let label = |label: &str| {
        let bytes = label.strip_prefix('_').unwrap_or(label).as_bytes();
        matches!((bytes.first(), bytes.last()), (Some(first), Some(last)) if is_lower(first) && is_lower(last))
            && bytes.iter().all(|byte| is_lower(byte) || b"-_".contains(byte))
    };
    let mut problems: Vec<String> = too_long(text, 253).into_iter().collect();
    if !text.split('.').all(label) {
        const UNDERSCORED: &str = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?";
        problems.push(format!(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start \
             and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
             '{UNDERSCORED}(\\.{UNDERSCORED})*')"
        ));
    }
    problems
}

/// Checks a host of an Ingress that begins with `*.`.
pub(crate) fn wildcard_subdomain(text: &str) -> Vec<String> {
    let mut problems: Vec<String> = too_long(text, 253).into_iter().collect();
    if !text.strip_prefix("*.").is_some_and(is_dns_subdomain) {
        problems.push(format!(
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower \
             case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used \
             for validation is '\\*\\.{LABEL}(\\.{LABEL})*')"
        ));
    }
    problems
}

/// Checks an identifier of C.
pub(crate) fn c_identifier(text: &str) -> Vec<String> {
    let first = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    let bytes = text.as_bytes();
    if bytes.first().is_some_and(first) && bytes.iter().all(|byte| first(byte) || byte.is_ascii_digit()) {
        return Vec::new();
    }
    vec![
        "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or \
         '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')"
            .to_owned(),
    ]
}

/// Checks a percentage.
pub(crate) fn percent(text: &str) -> Vec<String> {
    let digits = text.strip_suffix('%').unwrap_or_default();
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Vec::new();
    }
    vec![
        "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for \
         validation is '[0-9]+%')"
            .to_owned(),
    ]
}

/// Checks the name of an HTTP header.
pub(crate) fn header_name(text: &str) -> Vec<String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Vec::new();
    }
    vec![
        "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is \
         '[-A-Za-z0-9]+')"
            .to_owned(),
    ]
}

/// Checks a number against its bounds.
pub(crate) fn in_range(number: i64, least: i64, most: i64) -> Vec<String> {
    if (least..=most).contains(&number) {
        return Vec::new();
    }
    vec![format!("must be between {least} and {most}, inclusive")]
}

/// Checks the number of a user or group.
pub(crate) fn user_id(number: i64) -> Vec<String> {
    in_range(number, 0, i64::from(i32::MAX))
}

/// Checks a label of DNS as RFC 1035 had it, the name of a Service.
pub(crate) fn dns_1035_label(text: &str) -> Vec<String> {
    let mut problems: Vec<String> = too_long(text, 63).into_iter().collect();
    if !is_dns_label(text) || text.as_bytes()[0].is_ascii_digit() {
        problems.push(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and \
             end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is \
             '[a-z]([-a-z0-9]*[a-z0-9])?')"
                .to_owned(),
        );
    }
    problems
}

/// Checks a path segment, the name of roles and bindings.
pub(crate) fn path_segment(text: &str) -> Vec<String> {
    if [".", ".."].contains(&text) {
        return vec![format!("may not be '{text}'")];
    }
    let bad = ['/', '%'].into_iter().filter(|bad| text.contains(*bad));
    bad.map(|bad| format!("may not contain '{bad}'")).collect()
}

/// Checks the key of a label or annotation.
pub(crate) fn label_key(text: &str) -> Vec<String> {
    let rule = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character \
                (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is";
    let mut problems = Vec::new();
    let parts: Vec<&str> = text.split('/').collect();
    let name = match parts.as_slice() {
        [name] => name,
        [prefix, name] => {
            if prefix.is_empty() {
                problems.push("prefix part must be non-empty".to_owned());
            } else {
                let prefix_problems = too_many_bytes(prefix, 253).into_iter().chain(dns_subdomain_pattern(prefix));
                problems.extend(prefix_problems.map(|problem| format!("prefix part {problem}")));
            }
            name
        }
        _ => {
            return vec![format!(
                "a valid label key {rule} '{QUALIFIED}') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        problems.push("name part must be non-empty".to_owned());
    } else if let Some(problem) = too_many_bytes(name, 63) {
        problems.push(format!("name part {problem}"));
    }
    if !is_qualified(name) {
        problems.push(format!("name part {rule} '{QUALIFIED}')"));
    }
    problems
}

/// Checks the value of a label.
pub(crate) fn label_value(text: &str) -> Vec<String> {
    let mut problems: Vec<String> = too_many_bytes(text, 63).into_iter().collect();
    if !text.is_empty() && !is_qualified(text) {
        problems.push(format!(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end \
             with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is \
             '({QUALIFIED})?')"
        ));
    }
    problems
}

/// Checks the name of a port.
pub(crate) fn port_name(text: &str) -> Vec<String> {
    let mut problems: Vec<String> = too_long(text, 15).into_iter().collect();
    if !text.bytes().all(|byte| is_lower(&byte) || byte == b'-') {
        problems.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned());
    }
    if !text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        problems.push("must contain at least one letter (a-z)".to_owned());
    }
    if text.contains("--") {
        problems.push("must not contain consecutive hyphens".to_owned());
    }
    if text.starts_with('-') || text.ends_with('-') {
        problems.push("must not begin or end with a hyphen".to_owned());
    }
    problems
}

/// Checks a port number.
pub(crate) fn port_number(port: i64) -> Vec<String> {
    if (1..=65535).contains(&port) { Vec::new() } else { vec!["must be between 1 and 65535, inclusive".to_owned()] }
}

/// Checks a key of a ConfigMap or Secret.
pub(crate) fn config_key(text: &str) -> Vec<String> {
    let mut problems: Vec<String> = too_long(text, 253).into_iter().collect();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
        problems.push(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or \
             'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
                .to_owned(),
        );
    }
    match text {
        "." => problems.push("must not be '.'".to_owned()),
        ".." => problems.push("must not be '..'".to_owned()),
        _ if text.starts_with("..") => problems.push("must not start with '..'".to_owned()),
        _ => {}
    }
    problems
}

/// Checks the name of an environment variable.
pub(crate) fn env_name(text: &str) -> Vec<String> {
    if text.is_empty() {
        return vec!["environment variable name must be non-empty".to_owned()];
    }
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'=') {
        return Vec::new();
    }
    vec!["a valid environment variable name must consist only of printable ASCII characters other than '='".to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A check, what it takes and what it refuses.
    type Row = (fn(&str) -> Vec<String>, &'static [&'static str], &'static [&'static str]);

    #[test]
    fn names_are_judged_as_upstream_judges_them() {
        let table: [Row; 8] = [
            (dns_label, &["a", "a-b", "1"], &["", "-a", "a-", "A", "a.b", "a_b"]),
            (dns_subdomain, &["a", "a.b", "a-b.c"], &["", "a..b", ".a", "a.", "A"]),
            (dns_1035_label, &["a", "a-1"], &["", "1a", "a.b"]),
            (path_segment, &["system:node", "a b"], &[".", "a/b", "a%b"]),
            (label_key, &["a", "A", "a.b/C_d"], &["", "/a", "a/", "a/b/c", "-a", "A/b"]),
            (label_value, &["", "a", "A_b.c-1"], &["-a", "a b", "é"]),
            (port_name, &["http", "a1"], &["1", "a--b", "-a", "A"]),
            (config_key, &["a", "A.b_c-d"], &["", "..", ".", "..a", "a/b"]),
        ];
        for (check, good, bad) in table {
            for text in good {
                assert_eq!(check(text), Vec::<String>::new(), "{text}");
            }
            for text in bad {
                assert!(!check(text).is_empty(), "{text}");
            }
        }
        assert_eq!(dns_label(&"a".repeat(64)), ["must be no more than 63 characters"]);
    }
}
