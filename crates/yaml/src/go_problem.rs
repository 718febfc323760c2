//! Problems in the words of `sigs.k8s.io/yaml`.

use crate::{Problem, ProblemKind};

/// Says what is wrong with a text as `sigs.k8s.io/yaml` says it.
///
/// `text` is the whole text that the problem was found in. go-yaml counts the lines of its parser from 0 and those of its
/// scanner from 1, and never tells of the first one.
pub fn go_words(text: &[u8], problem: &Problem) -> String {
    const BEFORE: &str = "error converting YAML to JSON:";
    if let Some(why) = utf8_problem(text) {
        return format!("{BEFORE} yaml: {why}");
    }
    if let Some(text) = problem.message.strip_prefix("unsupported value: JSON has no `") {
        let value = match text.trim_end_matches('`').to_ascii_lowercase().as_str() {
            ".nan" => "NaN",
            text if text.starts_with('-') => "-Inf",
            _ => "+Inf",
        };
        return format!("{BEFORE} json: unsupported value: {value}");
    }
    if problem.message.starts_with("unsupported map key of type") {
        return format!("{BEFORE} {}", problem.message);
    }
    let message = problem.message.split(" while ").next().unwrap_or(&problem.message);
    // Documents are read one by one here, so that the text of one ends where the next begins.
    let ended = message == "found unexpected end of stream";
    let at = text.split(|byte| *byte == b'\n').nth(problem.line.saturating_sub(1) as usize).unwrap_or_default();
    let message = if ended && problem.line > 1 && problem.column == 1 && at.starts_with(b"---") {
        "found unexpected document indicator"
    } else {
        message
    };
    let by_parser = [
        "did not find expected ',' or",
        "did not find expected '-' indicator",
        "did not find expected <",
        "did not find expected key",
        "did not find expected node content",
        "found duplicate %",
        "found incompatible",
        "found undefined tag handle",
    ];
    let no_place = ["unknown anchor", "anchor '", "control characters", "invalid "];
    let starts = |with: &[&str]| with.iter().any(|start| message.starts_with(start));
    let line = if problem.kind != ProblemKind::Syntax || starts(&no_place) || problem.line <= 1 {
        0
    } else if starts(&by_parser) {
        problem.line - 1
    } else {
        problem.line
    };
    let place = if line == 0 { String::new() } else { format!("line {line}: ") };
    format!("{BEFORE} yaml: {place}{message}")
}

/// Says what is wrong with the first bytes of a text that are not UTF-8, as libyaml's reader does.
fn utf8_problem(text: &[u8]) -> Option<&'static str> {
    let bytes = &text[std::str::from_utf8(text).err()?.valid_up_to()..];
    let width = match bytes[0] {
        0..0x80 => 1,
        0xC0..0xE0 => 2,
        0xE0..0xF0 => 3,
        0xF0..0xF8 => 4,
        _ => return Some("invalid leading UTF-8 octet"),
    };
    let Some(octets) = bytes.get(1..width) else { return Some("incomplete UTF-8 octet sequence") };
    if octets.iter().any(|octet| octet & 0xC0 != 0x80) {
        return Some("invalid trailing UTF-8 octet");
    }
    let first = u32::from(bytes[0]) & (0x7F >> width);
    let value = octets.iter().fold(first, |value, octet| value << 6 | u32::from(octet & 0x3F));
    let least = [0, 0, 0x80, 0x800, 0x1_0000][width];
    Some(if value < least { "invalid length of a UTF-8 sequence" } else { "invalid Unicode character" })
}
