//! The quick reader beside the full one.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Read, read, write};
use crate::emit::write_fully;
use crate::nodes::{self, Held, Make, Style, Tag};
use crate::split::chunks;
use crate::{Document, Limits, Problem, Rules, parse_first_of, read_fully};

const RULES: [Rules; 3] = [Rules::Sigs, Rules::SigsStrict, Rules::Kyaml];

/// Checks that the quick reader gives what the full one does, or declines; returns how many pieces it read, and of how
/// many.
fn compare(text: &[u8], all_rules: &[Rules]) -> (usize, usize) {
    let limits = Limits::default();
    let (mut taken, mut all) = (0, 0);
    for chunk in chunks(text) {
        let has_nodes = std::str::from_utf8(chunk.text).is_ok_and(compare_nodes);
        for &rules in all_rules {
            all += 1;
            let Some(quick) = read(&chunk, rules, limits.max_depth, &|_| true) else { continue };
            taken += 1;
            assert!(has_nodes || quick == Read::Nothing, "values are read of it, and nodes are not");
            let (mut documents, mut problems): (Vec<Document<'_>>, Vec<Problem>) = (Vec::new(), Vec::new());
            read_fully(rules, chunk, &limits, &mut documents, &mut problems);
            let shown = String::from_utf8_lossy(chunk.text);
            assert!(problems.is_empty(), "{rules:?}: {problems:?}\n{shown}");
            let mut documents = documents.into_iter().map(|document| Read::Document(document.value, document.line));
            assert_eq!(quick, documents.next().unwrap_or(Read::Nothing), "{rules:?}\n{shown}\n{shown:?}");
            assert_eq!(documents.next(), None, "{rules:?}\n{shown}");
            if let (Read::Document(value, _), Rules::Sigs) = (&quick, rules) {
                compare_written(value);
            }
        }
    }
    (taken, all)
}

/// A node as both readers tell of it.
#[derive(Debug, PartialEq)]
enum Told {
    Scalar(String, Style, Tag),
    List(Vec<Told>),
    Map(Vec<Told>),
}

struct Tell;

impl Make for Tell {
    type Made = Told;

    fn scalar(&mut self, text: &str, style: Style, tag: Tag) -> Told {
        Told::Scalar(text.to_owned(), style, tag)
    }

    fn key(&mut self, text: &str, style: Style, tag: Tag) -> Told {
        self.scalar(text, style, tag)
    }

    fn list(&mut self, items: Vec<Told>) -> Told {
        Told::List(items)
    }

    fn map(&mut self, entries: Vec<Told>) -> Told {
        Told::Map(entries)
    }
}

fn told(nodes: &[nodes::Node], at: usize) -> Told {
    let node = &nodes[at];
    assert!(!node.is_tagged);
    match &node.held {
        Held::Scalar(text, style) => Told::Scalar(text.clone(), *style, node.tag),
        Held::List(items) => Told::List(items.iter().map(|item| told(nodes, *item)).collect()),
        Held::Map(entries) => {
            Told::Map(entries.iter().flat_map(|(key, value)| [told(nodes, *key), told(nodes, *value)]).collect())
        }
        Held::Alias(_) => panic!("the quick reader takes no aliases"),
    }
}

/// Checks that the nodes that are made quickly are those of the full reader.
fn compare_nodes(text: &str) -> bool {
    let limits = Limits::default();
    let Some(quick) = nodes::read_usual(text, limits.max_depth, &mut Tell) else { return false };
    let full = nodes::read(text.as_bytes(), limits.max_depth);
    let full = full.unwrap_or_else(|problem| panic!("{problem:?}\n{text}\n{text:?}"));
    assert_eq!(quick, told(&full, 0), "{text}\n{text:?}");
    true
}

/// Checks that the quick writer writes what the full one does, or declines; tells whether it wrote.
fn compare_written(value: &Value) -> bool {
    let quick = write(value);
    if let Some(quick) = &quick {
        assert_eq!(*quick, write_fully(value), "{value}");
    }
    quick.is_some()
}

/// Checks that the entries that are asked for are those of the whole document, and that both fail alike.
fn compare_part(text: &[u8]) {
    let is_wanted = |key: &str| matches!(key, "kind" | "metadata" | "a");
    let limits = Limits::default();
    let whole = parse_first_of(Rules::Sigs, text, &limits, &|_| true);
    let part = parse_first_of(Rules::Sigs, text, &limits, &is_wanted);
    match (whole, part) {
        (Ok(whole), Ok(part)) => {
            for key in ["kind", "metadata", "a"] {
                assert_eq!(whole.get(key), part.get(key), "{:?}", String::from_utf8_lossy(text));
            }
            assert_eq!(whole.is_object(), part.is_object());
        }
        (whole, part) => assert_eq!(whole.err(), part.err()),
    }
}

/// Texts that are read quickly.
const TAKEN: &[&str] = &[
    "",
    "# nothing\n---\n",
    "a: 1\nb: two\nc: true\nd:\ne: ~\n",
    "---\n# note\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n  labels: {}\ndata: {a: b, \"c\": 'd', e: [1, 2.5, yes]}\n",
    "a:\n- b\n- c: d\n  e: f\n-   g: h\n    i: j\n- - k\n  - l\n-\n  m: n\n-\n- # note\n  o\nb: c\n",
    "a: |\n  text\n    more\n\n  end\nb: >-\n  folded\n  text\n\n  new\n   deep\n  end\nc: |+\n  kept\n\nd: |2\n   x\n",
    "a: |\n  no line end",
    "a: |-\n  x\n  \ttab",
    "a: some text\n  that goes on\n\n  and on # note\nb: c#d\nc: \"quoted\n  text\\n \\\n   goes \\\n  \\ on\"\nd: 'it''s\n\n\n  it'\n",
    "'a': b\n\"c d\" : e\nf g: h\n1: one\nyes: no\n1.5: x\n2020-01-02: 2020-01-02\n",
    "[1,\n a,\n \"b\"]\n",
    "{\"a\":1,\n\"b\":{\"c\":[]}}\n",
    "  a: indented\n  b: too\n   \n",
    "a:\n  - b\n# note\n  - c\n    # note\nd: \"\"\ne: ''\nf: '#'\ng: a:b\nh: -1\ni: -x\n",
    "ä: ö\nb: \"\\u00e4\\x41\"\nc: |\n  ü\n",
];

/// Texts that are left to the full reader.
const DECLINED: &[&str] = &[
    "a: &x 1\nb: *x\n",
    "a: !!str 1\n",
    "<<: {a: b}\n",
    "a: b: c\n",
    "a:\n  b: c\n d: e\n",
    "a: 1\n  b: 2\n",
    "a: \"b\" c\n",
    "a: [b\n",
    "? a\n: b\n",
    "a:\tb\n",
    "a: 1\n---\nb: 1\n...\nc: 1\n",
    "%YAML 1.1\n---\na: 1\n",
    "text\n",
    "a: .nan\n",
    "~: a\n",
    "a: 'b\n--- c'\n",
    "a: \u{85}\n",
    "a: b\r\nc: d\r\n",
    "a: |\n\tb\n",
    "- a\nb: c\n",
    "a: @b\n",
    "a: - b\n",
];

#[test]
fn usual_texts_are_read_quickly_and_others_are_not() {
    for text in TAKEN {
        let (taken, all) = compare(text.as_bytes(), &RULES);
        assert_eq!(taken, all, "{text:?} is not read");
        compare_part(text.as_bytes());
    }
    for text in DECLINED {
        let chunk = chunks(text.as_bytes()).pop().expect("there is one always");
        let limits = Limits::default();
        assert_eq!(read(&chunk, Rules::Sigs, limits.max_depth, &|_| true), None, "{text:?}");
    }
}

#[test]
fn a_key_that_is_there_twice_is_told_by_the_full_reader_where_it_is_refused() {
    let chunk = chunks(b"a: 1\nb: {c: 1, c: 2}\na: 2\n").pop().expect("there is one always");
    let took = |rules| read(&chunk, rules, 9, &|_| true).is_some();
    assert!(took(Rules::Sigs));
    assert!(!took(Rules::SigsStrict));
    assert!(!took(Rules::Kyaml));
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the corpus is found by it")]
fn public_files_are_read_alike() {
    let named = std::env::var_os("BOWLINE_CORPUS").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let mut folders = vec![named.unwrap_or(beside)];
    let (mut taken, mut all) = (0, 0);
    // The full reader takes its time: of each file by one of the rules, and of some files, unless all are asked for.
    let step = if std::env::var_os("BOWLINE_ALL").is_some() { 1 } else { 10 };
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "yaml" || end == "yml" || end == "tpl" || end == "txt")
                && let Ok(text) = std::fs::read(&path)
            {
                if text.len() % step != 0 {
                    continue;
                }
                let found = compare(&text, &RULES[text.len() / step % 3..][..1]);
                taken += found.0;
                all += found.1;
            }
        }
    }
    if all == 0 {
        eprintln!("skipped: no corpus");
        return;
    }
    eprintln!("{taken} of {all} pieces are read quickly");
    // Templates are among them, which are no YAML.
    assert!(taken * 2 > all);
}

#[test]
fn usual_values_are_written_quickly_and_others_are_not() {
    let long = "words ".repeat(30);
    let written = json!({
        "a": null, "b": [true, 1, -2.5, 1e30, "x", "", "two words", " y", "z ", "1", "yes", "a: b", "a #b", "#", "- x", "-", "--- a", "1:20"],
        "c": {}, "d": [], "e": [[1, [2]], {"f": {"g": [{}], "h": 1}}, [[]], []], "1": 2, "": 3, "k 1": 4, "k 10": 5, "k 9": 6, "yes": "it's",
        "lines": ["a\nb", "a\nb\n", "a\n\n", " a\nb", "\n", "a \nb", "a\n b", "a\nb ", "a\tb\nc", "\u{e4}\n\u{df}"],
        "long": [long, format!("{long}x"), format!("{long}: x"), format!("'{long}'"), format!("{long}\t"), format!("1\t {}", "x  ".repeat(40))],
        "deep": {"deeper": {"deepest": "\u{e4} ".repeat(70)}}, "tab\tbed": "\\ \""
    });
    assert!(compare_written(&written));
    for value in written.as_object().expect("it is one").values() {
        compare_written(value);
        for value in value.as_array().into_iter().flatten() {
            compare_written(value);
        }
    }
    for value in [
        json!("\u{7}"),
        json!({"a\nb": 1}),
        json!({"k".repeat(129): 1}),
        json!("\u{1f600}"),
        json!("\u{feff}"),
        json!("a\r"),
    ] {
        assert_eq!(write(&value), None, "{value}");
    }
}

/// What texts are made of at random.
const PIECES: &[&str] = &[
    "a",
    "b:",
    "c: ",
    ": ",
    "- ",
    "-",
    "\n",
    "\n",
    "\n  ",
    "\n  ",
    "\n    ",
    "\n- ",
    "\na: ",
    "\nb:\n  ",
    "\n  c: ",
    "\n---\n",
    " ",
    "  ",
    "#",
    " # x",
    "|",
    ">",
    "|-",
    ">+",
    "|2",
    " |\n",
    " >-\n    ",
    "\"",
    "'",
    "''",
    "\"x\"",
    "'y'",
    "\\n",
    "\\",
    "\\u0041",
    "[",
    "]",
    "{",
    "}",
    ", ",
    ",",
    "{}",
    "[]",
    "1",
    "2.50",
    "-3",
    "0x1f",
    "1e3",
    ".inf",
    "true",
    "no",
    "~",
    "null",
    "<<",
    "2001-02-03",
    "a b",
    "a:b",
    "x#y",
    "\t",
    "?",
    "? ",
    "&x ",
    "*x",
    "!t ",
    "%",
    "@",
    "`",
    "...",
    "\u{e4}",
    "\u{2028}",
    "\r\n",
    "text that goes on",
    "=",
    "+",
    "\n\n",
    "\n   \n",
];

fn random_text() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES), 0..40).prop_map(|pieces| pieces.concat())
}

/// A text as programs write it.
fn block(depth: u32) -> BoxedStrategy<Vec<String>> {
    let scalar = prop::sample::select(vec![
        "plain",
        "two words",
        "1",
        "true",
        "\"quoted\"",
        "'it''s'",
        "\"a\\nb\"",
        "{}",
        "[]",
        "[a, 'b', 1]",
        "{a: b, \"c\": [d]}",
        "",
        "~",
        "-1.5",
        "a # note",
        "http://x:80/y",
        "|\n  text\n    deep\n\n  end",
        ">\n  some\n  text\n\n  more",
        "|-\n  x",
        "|+\n  y\n",
        "text\n  goes on\n\n  so",
        "\"more\n  of it \\\n  \\ x\"",
        "'a\n\n  b'",
        "# note",
        "2020-01-02",
        "y",
        "0o17",
        "012",
        "1_000",
    ])
    .prop_map(|text| text.split('\n').map(str::to_owned).collect::<Vec<_>>());
    if depth == 0 {
        return scalar.boxed();
    }
    let key =
        prop::sample::select(vec!["a", "b", "kind", "metadata", "'q'", "\"r\"", "two words", "1", "yes", "x/y.z-1"]);
    let under = |lines: Vec<String>, begin: String, indent: usize, inline: bool| {
        let mut made = Vec::new();
        let mut lines = lines.into_iter();
        if inline {
            made.push(format!("{begin} {}", lines.next().unwrap_or_default()));
        } else {
            made.push(begin);
        }
        made.extend(lines.map(|line| if line.is_empty() { line } else { format!("{}{line}", " ".repeat(indent)) }));
        made
    };
    let map = prop::collection::vec((key, 0..=3_usize, block(depth - 1), scalar.clone(), any::<bool>()), 1..4)
        .prop_map(move |entries| {
            let entries = entries.into_iter().flat_map(|(key, indent, value, scalar, is_scalar)| {
                let value = if is_scalar { scalar } else { value };
                under(value, format!("{key}:"), indent, is_scalar)
            });
            entries.collect::<Vec<_>>()
        });
    let list = prop::collection::vec(block(depth - 1), 1..4).prop_map(move |items| {
        items.into_iter().flat_map(|item| under(item, "-".to_owned(), 2, true)).collect::<Vec<_>>()
    });
    prop_oneof![3 => map, 1 => list, 1 => scalar].boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_texts_are_read_alike(text in random_text()) {
        compare(text.as_bytes(), &RULES);
        compare_part(text.as_bytes());
    }

    #[test]
    fn texts_as_programs_write_them_are_read_alike(
        lines in block(3),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..3_usize, prop::sample::select(PIECES)), 0..3),
        ended in any::<bool>(),
    ) {
        let mut text: Vec<char> = lines.join("\n").chars().collect();
        for (place, deleted, piece) in edits {
            let at = if text.is_empty() { 0 } else { place.index(text.len()) };
            let end = (at + deleted).min(text.len());
            text.splice(at..end, piece.chars());
        }
        let mut text: String = text.into_iter().collect();
        if ended {
            text.push('\n');
        }
        compare(text.as_bytes(), &RULES);
        compare_part(text.as_bytes());
    }

    #[test]
    fn random_values_are_written_alike(
        texts in prop::collection::vec(random_text(), 1..8),
        words in prop::collection::vec((prop::sample::select(vec!["word", "longer-word", " ", "  ", "'", "x:", "\u{e4}"]), 0..40_usize), 1..4),
    ) {
        let long: String = words.iter().map(|(word, times)| format!("{word} ").repeat(*times)).collect();
        let mut value = json!([long, long.trim(), {"a": long.trim()}]);
        for (at, text) in texts.into_iter().enumerate() {
            compare_written(&json!(text));
            value = if at % 2 == 0 { json!({text: value, "z": 1}) } else { json!([text, value]) };
        }
        compare_written(&value);
    }
}
