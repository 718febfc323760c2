//! Random trees of overlays: a seed is a tree.

mod chance;
mod extras;
mod objects;
mod overlays;

use std::collections::BTreeMap;
use std::fmt::Write as _;

pub(crate) use chance::Chance;

/// Files by their paths.
pub(crate) type Files = BTreeMap<String, String>;

pub(crate) const NAMES: [&str; 5] = ["web", "db", "cache", "a", "0"];
const KEYS: [&str; 6] = ["app", "tier", "a/b", "x.y", "1", "null"];

/// A scalar as it stands in YAML: harmless ones, and those that mean something else to somebody.
pub(crate) fn scalar(chance: &mut Chance) -> &'static str {
    const PLAIN: [&str; 8] = ["v1", "hello", "a b", "x-y", "web", "db", "one", "prod"];
    const ODD: [&str; 36] = [
        "yes",
        "\"yes\"",
        "on",
        "\"true\"",
        "true",
        "5",
        "\"5\"",
        "'0x1F'",
        "0x1F",
        "1e3",
        "1.50",
        "\"1.50\"",
        "null",
        "~",
        "\"\"",
        "''",
        "2020-01-01",
        "\"2020-01-01\"",
        "1:30",
        "012",
        "0o17",
        "1_000",
        ".5",
        "+1",
        "\"a: b\"",
        "'#c'",
        "a#b",
        "\"\\n\"",
        "\"é\\t😀\"",
        "99999999999999999999",
        "123456789012345678",
        "=",
        "\"<<\"",
        "!!str 5",
        "-",
        "\"line one\\nline two\\n\"",
    ];
    match if chance.once_in(3) { chance.pick(&ODD) } else { chance.pick(&PLAIN) } {
        // A mistake in most places, and one is enough.
        "-" if !chance.once_in(20) => "\"-\"",
        scalar => scalar,
    }
}

/// A text that is one in YAML, whatever it looks like.
pub(crate) fn text(chance: &mut Chance) -> &'static str {
    chance.pick(&[
        "v1",
        "hello",
        "\"true\"",
        "\"5\"",
        "web",
        "\"1.50\"",
        "\"\"",
        "'a b'",
        "\"on\"",
        "\"null\"",
        "\"2020-01-01\"",
        "prod",
    ])
}

/// Entries of a map, indented.
pub(crate) fn entries(chance: &mut Chance, indent: usize, value: fn(&mut Chance) -> &'static str) -> String {
    let mut lines = String::new();
    let start = chance.below(KEYS.len() as u64) as usize;
    for at in 0..=chance.below(2) as usize {
        let usual = KEYS.len() - if chance.once_in(40) { 0 } else { 2 };
        let key = KEYS[(start + at) % usual];
        let key = if matches!(key, "1" | "null") { format!("\"{key}\"") } else { key.to_owned() };
        let _ = writeln!(lines, "{:indent$}{key}: {}", "", value(chance));
    }
    lines
}

/// Makes the tree of a seed; the directory to build is `top`.
pub(crate) fn tree(seed: u64) -> Files {
    let mut chance = Chance::new(seed);
    let mut files = Files::new();
    let mut made = Vec::new();
    let bases = 1 + chance.below(2);
    for at in 0..bases {
        overlays::kustomization(&mut chance, &mut files, &format!("base{at}"), &[], &mut made, false);
    }
    let names: Vec<String> = (0..bases).map(|at| format!("../base{at}")).collect();
    let mut below = names.clone();
    if chance.once_in(2) {
        overlays::kustomization(&mut chance, &mut files, "middle", &names, &mut made, false);
        below = vec!["../middle".to_owned()];
        if chance.once_in(5) {
            overlays::kustomization(&mut chance, &mut files, "upper", &below, &mut made, false);
            below = vec!["../upper".to_owned()];
        }
        if chance.once_in(16) {
            below.extend(names);
        }
    }
    overlays::kustomization(&mut chance, &mut files, "top", &below, &mut made, true);
    files
}
