//! Random documents and random edits: what is untouched stays, and what is edited reads back as it should.

use std::fmt::Write as _;

use bowline_yaml::lossless::{EditError, Path, Step, Text};
use bowline_yaml::{Limits, Rules, parse_documents_as};
use serde_json::{Map, Value, json};

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound.max(1)
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

const PLAIN: &[&str] =
    &["a", "web", "nginx:1.25", "1", "0x1f", "1.50", "yes", "null", "~", "two words", "a#b", "2020-01-01", "é世"];
const QUOTED: &[&str] = &["\"a\"", "'it''s'", "\"x\\ty\\n\"", "\"\"", "'1'", "\"on\"", "'a: b # c'", "\"é\\u4e16\""];
const TEXTS: &[&str] = &[
    "x",
    "new value",
    "yes",
    "12",
    "a: b",
    "a #b",
    "#x",
    "- x",
    "two\nlines",
    "two\nlines\n",
    "  in\nout\n\n",
    "tab\tx",
    "'q'",
    "\"dq\"",
    "",
    " lead",
    "trail ",
    "[x]",
    "{x",
    "a, b",
    "*a",
    "&a",
    "!t",
    "%d",
    "é\u{2028}",
    "\u{1}",
    "---",
    "\n",
    "\nx",
    "x\r\ny",
    "😀",
    "<<",
    "=",
    "null",
    "1:30",
    "x:",
    "? y",
    "|",
    ">",
    "@a",
    "`b`",
    "key: [1]\n  - x\n",
];

/// Writes random documents; those that are not YAML after all are left out by who asks.
struct Writer<'r> {
    random: &'r mut Random,
    out: String,
    anchors: usize,
    with_aliases: bool,
}

impl Writer<'_> {
    fn comment(&mut self) {
        if self.random.one_in(5) {
            let comment = self.random.pick(&[" # note", "   # it's: \"x\"", "  ", " #"]);
            self.out.push_str(comment);
        }
    }

    fn own_lines(&mut self, indent: usize) {
        if self.random.one_in(6) {
            let line = self.random.pick(&["\n", "# own: line\n", "   \n", "    # far\n"]);
            if line.trim_start().starts_with('#') {
                self.out.push_str(&" ".repeat(indent));
            }
            self.out.push_str(line);
        }
    }

    fn properties(&mut self) -> bool {
        if self.with_aliases && self.random.one_in(6) {
            self.anchors += 1;
            write!(self.out, "&a{} ", self.anchors).expect("memory takes it");
            return true;
        }
        false
    }

    fn flow(&mut self, depth: usize) {
        let count = self.random.below(4);
        match self.random.below(if depth == 0 { 2 } else { 5 }) {
            0 => self.out.push_str(self.random.pick(PLAIN)),
            1 => self.out.push_str(self.random.pick(QUOTED)),
            2 | 3 => {
                let is_map = self.random.one_in(2);
                let apart = self.random.pick(&[", ", ",", " , ", ",\n              ", ", # c\n              "]);
                self.out.push(if is_map { '{' } else { '[' });
                let pad = self.random.pick(&["", " ", "\n              "]);
                self.out.push_str(pad);
                for at in 0..count {
                    if at > 0 {
                        self.out.push_str(apart);
                    }
                    if is_map {
                        let key = self.random.pick(&["", "\""]);
                        write!(self.out, "{key}k{at}{key}").expect("memory takes it");
                        let colon = self.random.pick(&[": ", ": ", ":  "]);
                        self.out.push_str(colon);
                    }
                    self.flow(depth - 1);
                }
                if count > 0 && self.random.one_in(8) {
                    self.out.push(',');
                }
                self.out.push_str(pad);
                self.out.push(if is_map { '}' } else { ']' });
            }
            _ => self.out.push_str("[a: 1, b]"),
        }
    }

    /// Writes what follows a colon or dash, to the end of its lines.
    fn after_indicator(&mut self, indent: usize, depth: usize, in_list: bool) {
        let kinds = if depth == 0 { 8 } else { 16 };
        match self.random.below(kinds) {
            0 => self.end(),
            1 if self.with_aliases && self.anchors > 0 => {
                let anchor = 1 + self.random.below(self.anchors);
                write!(self.out, " *a{anchor}").expect("memory takes it");
                self.end();
            }
            1 | 2 => {
                self.out.push(' ');
                self.properties();
                self.out.push_str(self.random.pick(PLAIN));
                self.end();
            }
            3 => {
                self.out.push_str(self.random.pick(&[" ", "   "]));
                self.properties();
                self.out.push_str(self.random.pick(QUOTED));
                self.end();
            }
            4 => {
                self.out.push(' ');
                self.properties();
                let header = self.random.pick(&["|", "|-", "|+", ">", ">-", ">+"]);
                self.out.push_str(header);
                self.end();
                for _ in 0..=self.random.below(3) {
                    self.out.push_str(&" ".repeat(indent + 2));
                    self.out.push_str(self.random.pick(&["text", "# no comment", "- x: y", "wide   text  "]));
                    self.out.push('\n');
                    if self.random.one_in(4) {
                        self.out.push('\n');
                    }
                }
            }
            5 => {
                self.out.push(' ');
                self.properties();
                let text = self.random.pick(&["one\n", "\"one\n", "'one\n"]);
                self.out.push_str(text);
                self.out.push_str(&" ".repeat(indent + 2));
                self.out.push_str("two");
                self.out.push_str(text[..text.len() - 4].trim_end_matches('o'));
                self.end();
            }
            6 | 7 => {
                self.out.push(' ');
                self.properties();
                self.flow(2);
                self.end();
            }
            8 | 9 if in_list && self.random.one_in(2) => {
                self.out.push(' ');
                self.map(indent + 2, depth - 1, true);
            }
            8..=12 => {
                let named = self.random.one_in(3) && {
                    self.out.push(' ');
                    self.properties()
                };
                if !named {
                    self.comment();
                }
                self.out.push('\n');
                let by = 1 + self.random.below(4);
                self.map(indent + by, depth - 1, false);
            }
            _ => {
                self.comment();
                self.out.push('\n');
                let by = if in_list { 2 } else { self.random.below(3) };
                self.list(indent + by, depth - 1);
            }
        }
    }

    fn end(&mut self) {
        self.comment();
        self.out.push('\n');
    }

    fn map(&mut self, indent: usize, depth: usize, begun: bool) {
        for at in 0..=self.random.below(4) {
            if at > 0 || !begun {
                self.own_lines(indent);
                self.out.push_str(&" ".repeat(indent));
            }
            let key = self.random.pick(&["a", "b", "\"q\"", "long key", "on", "x.y/z"]);
            if key.starts_with('"') {
                write!(self.out, "\"q{at}\":").expect("memory takes it");
            } else {
                write!(self.out, "{key}{at}:").expect("memory takes it");
            }
            self.after_indicator(indent, depth, false);
        }
    }

    fn list(&mut self, indent: usize, depth: usize) {
        for _ in 0..=self.random.below(3) {
            self.own_lines(indent);
            self.out.push_str(&" ".repeat(indent));
            self.out.push('-');
            self.after_indicator(indent, depth, true);
        }
    }
}

fn document(random: &mut Random, with_aliases: bool) -> String {
    let mut writer = Writer { random, out: String::new(), anchors: 0, with_aliases };
    if writer.random.one_in(6) {
        writer.out.push_str("# head\n---\n");
    }
    if writer.random.one_in(5) {
        writer.list(0, 3);
    } else {
        writer.map(0, 3, false);
    }
    let mut text = writer.out;
    if random.one_in(5) {
        text = text.replace('\n', "\r\n");
    }
    if random.one_in(5) {
        text.truncate(text.trim_end_matches(['\r', '\n']).len());
    }
    if random.one_in(8) {
        text.push_str(if text.ends_with('\n') { "---\nother: doc\n" } else { "\n---\nother: doc\n" });
    }
    text
}

fn value(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth == 0 { 6 } else { 9 }) {
        0 => json!(random.below(100)),
        1 => json!(random.one_in(2)),
        2 => json!(1.25),
        3..=5 => json!(random.pick(TEXTS)),
        6 => Value::Null,
        7 => (0..random.below(3)).map(|_| value(random, depth - 1)).collect(),
        _ => (0..random.below(3))
            .map(|_| (random.pick(TEXTS).to_owned(), value(random, depth - 1)))
            .collect::<Map<_, _>>()
            .into(),
    }
}

/// Walks to something at random.
fn somewhere(random: &mut Random, root: &Value) -> (Vec<Step>, Value) {
    let (mut path, mut at) = (Vec::new(), root);
    while !random.one_in(4) {
        match at {
            Value::Object(entries) if !entries.is_empty() => {
                let (key, next) = entries.iter().nth(random.below(entries.len())).expect("is within");
                path.push(Step::Key(key.clone()));
                at = next;
            }
            Value::Array(items) if !items.is_empty() => {
                let index = random.below(items.len());
                path.push(Step::Index(index));
                at = &items[index];
            }
            _ => break,
        }
    }
    (path, at.clone())
}

fn at_mut<'v>(root: &'v mut Value, path: &[Step]) -> &'v mut Value {
    path.iter().fold(root, |value, step| match step {
        Step::Key(key) => &mut value[key],
        Step::Index(at) => &mut value[*at],
        Step::Item { .. } => value,
    })
}

fn read(text: &str) -> Vec<Value> {
    let (documents, problems) = parse_documents_as(Rules::Sigs, text.as_bytes(), &Limits::default());
    assert_eq!(problems, [], "{text}");
    documents.into_iter().map(|document| document.value).collect()
}

/// The lines that are not the same at both ends: of the old text, from 0.
fn changed(before: &str, after: &str) -> (usize, usize) {
    let (before, after): (Vec<_>, Vec<_>) = (before.split('\n').collect(), after.split('\n').collect());
    let same = |pair: &(&&str, &&str)| pair.0 == pair.1;
    let start = before.iter().zip(&after).take_while(same).count();
    let rest = before.len().min(after.len()) - start;
    let end = before.iter().rev().zip(after.iter().rev()).take(rest).take_while(same).count();
    (start, before.len() - end)
}

#[derive(Default)]
struct Count {
    edits: usize,
    unwritable: usize,
    shared: usize,
}

fn edit_at_random(random: &mut Random, from: &str, count: &mut Count) {
    let limits = Limits::default();
    let Ok(mut text) = Text::parse(from.as_bytes(), &limits) else { return };
    assert_eq!(text.to_string(), from, "is not kept");
    let Some(root) = text.value(0).cloned() else { return };
    let (mut steps, there) = somewhere(random, &root);
    let new = value(random, 2);
    let mut want = root.clone();
    let lines_of = |text: &Text, steps: &[Step]| {
        let found = text.get(0, &Path(steps.to_vec())).expect("is there");
        let first = found.line as usize - 1;
        (first, first + found.text.split('\n').count())
    };
    let own = lines_of(&text, &steps);
    let around = if steps.is_empty() { own } else { lines_of(&text, &steps[..steps.len() - 1]) };
    let was_scalar = !there.is_array() && !there.is_object() && !there.is_null();
    let (what, made, allowed) = match (random.below(4), &there) {
        (0, Value::Object(entries)) if !entries.contains_key("fresh") => {
            steps.push(Step::Key("fresh".to_owned()));
            at_mut(&mut want, &steps[..steps.len() - 1])
                .as_object_mut()
                .expect("is a map")
                .insert("fresh".to_owned(), new.clone());
            ("insert", text.insert(0, &Path(steps.clone()), &new), around)
        }
        (0 | 1, Value::Array(items)) => {
            let at = random.below(items.len() + 1);
            at_mut(&mut want, &steps).as_array_mut().expect("is a list").insert(at, new.clone());
            steps.push(Step::Index(at));
            ("insert", text.insert(0, &Path(steps.clone()), &new), around)
        }
        (1, _) if !steps.is_empty() => {
            match (at_mut(&mut want, &steps[..steps.len() - 1]), steps.last()) {
                (Value::Object(entries), Some(Step::Key(key))) => drop(entries.remove(key)),
                (Value::Array(items), Some(Step::Index(at))) => drop(items.remove(*at)),
                _ => {}
            }
            ("remove", text.remove(0, &Path(steps.clone())), around)
        }
        _ => {
            *at_mut(&mut want, &steps) = new.clone();
            // A scalar that has no lines of its own before keeps to its own lines when it is one again.
            let is_scalar = !new.is_array() && !new.is_object();
            ("set", text.set(0, &Path(steps.clone()), &new), if was_scalar && is_scalar { own } else { around })
        }
    };
    count.edits += 1;
    let path = Path(steps);
    match made {
        Ok(()) => {
            let after = text.to_string();
            let (old, mut have) = (read(from), read(&after));
            if want.is_null() {
                assert_eq!(have, &old[1..], "{what} {path} {new}\n{from}\n---- became\n{after}");
            } else {
                assert!(!have.is_empty(), "{what} {path} {new}\n{from}\n---- became\n{after}");
                let first = have.remove(0);
                assert_eq!(first, want, "{what} {path} {new}\n{from}\n---- became\n{after}");
                assert_eq!(
                    have,
                    &old[usize::from(!root.is_null())..],
                    "{what} {path} {new}\n{from}\n---- became\n{after}"
                );
            }
            let (start, end) = changed(from, &after);
            // Empty nodes, and what is added after a part, may stand one line further on, and a key before its value.
            let is_blank = |line: &&str| line.trim().is_empty() || line.trim_start().starts_with('#');
            let before: Vec<&str> = from.split('\n').take(allowed.0).collect();
            let allowed = (allowed.0 - before.iter().rev().take_while(|line| is_blank(line)).count(), allowed.1);
            assert!(
                start + 1 >= allowed.0 && end <= allowed.1 + 1 || start >= end,
                "{what} {path} {new}: lines {start}..{end} are beyond {allowed:?}\n{from}\n---- became\n{after}"
            );
            // What ends the text after its last part is gone may be a line that ended with a break.
            let keeps_end = after.ends_with('\n') == from.ends_with('\n')
                || what == "remove"
                || (what == "set" && !(was_scalar && !new.is_array() && !new.is_object()));
            assert!(keeps_end, "{what} {path} {new}\n{from}\n---- became\n{after}");
        }
        Err(EditError::Unwritable { .. }) => {
            count.unwritable += 1;
            assert!(from.contains(['&', '*']), "{what} {path} {new}\n{from}");
        }
        Err(EditError::Shared { .. } | EditError::Aliased { .. }) => count.shared += 1,
        Err(error) => panic!("{what} {path} {new}: {error}\n{from}"),
    }
    if text.to_string() == from && count.unwritable + count.shared > 0 {
        assert_eq!(text.value(0), read(from).first().or(Some(&Value::Null)).filter(|_| text.documents() > 0));
    }
}

#[expect(clippy::disallowed_methods, reason = "a test is told from outside how many cases it takes")]
fn rounds() -> u64 {
    std::env::var("BOWLINE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1500)
}

#[test]
fn edits_of_random_documents_are_exact() {
    let mut count = Count::default();
    for seed in 0..rounds() {
        let mut random = Random(seed);
        let from = document(&mut random, false);
        edit_at_random(&mut random, &from, &mut count);
    }
    eprintln!("{} edits, {} refused", count.edits, count.unwritable + count.shared);
    assert!(count.edits as u64 > rounds() / 2, "only {} edits", count.edits);
    assert_eq!(count.unwritable + count.shared, 0);
}

#[test]
fn edits_beside_aliases_are_exact_or_refused() {
    let mut count = Count::default();
    for seed in 0..rounds() {
        let mut random = Random(seed + 1_000_000_000);
        let from = document(&mut random, true);
        edit_at_random(&mut random, &from, &mut count);
    }
    eprintln!("{} edits, {} refused, {} for aliases", count.edits, count.unwritable, count.shared);
    assert!(count.edits as u64 > rounds() / 3, "only {} edits", count.edits);
}
