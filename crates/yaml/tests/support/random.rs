//! Random texts of YAML, right and wrong, and random values.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

/// A source of numbers that a seed determines.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d);
        random.below(2);
        random
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound.max(1)
    }

    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

const WORDS: &[&str] = &[
    "a",
    "b",
    "app",
    "web-1",
    "x y",
    "null",
    "Null",
    "NULL",
    "~",
    "true",
    "True",
    "TRUE",
    "tRue",
    "yes",
    "Yes",
    "no",
    "NO",
    "on",
    "On",
    "off",
    "y",
    "Y",
    "n",
    "N",
    "false",
    ".inf",
    "-.Inf",
    "+.INF",
    ".nan",
    ".NaN",
    "nginx:1.25",
    "10m",
    "<<",
    "=",
    "{{ .Values.x }}",
    "a#b",
    "a: b",
    "a:b",
    "é",
    "世界",
    "😀",
    "\u{feff}x",
    "\u{a0}x",
    "x\u{2028}y",
    "x\u{85}y",
    "-",
    "?",
    ":",
    "--",
    "-a",
    "?a",
    ":a",
    "!",
    "&",
    "*",
    "@x",
    "`x`",
    "%x",
    "|x",
    ">x",
    "\"x",
    "'x",
    "#x",
    ",",
    "[",
    "]",
    "{",
    "}",
    "0o17",
    "0b101",
    "0x1F",
    "0777",
    "08",
    "1_000",
    "+1",
    "-0",
    "1e3",
    "1E+3",
    ".5",
    "5.",
    "-.5",
    "1.5e",
    "12345678901234567890",
    "100000000000000000000",
    "-9223372036854775808",
    "9223372036854775807",
    "9223372036854775808",
    "1:30",
    "190:20:30",
    "190:20:30.15",
    "-1:30",
    "1:60",
    "2020-01-01",
    "2020-1-1",
    "2001-12-14t21:59:43.10-05:00",
    "2001-12-14 21:59:43.10 -5",
    "2001-12-15 2:59:43.10",
    "2020-13-01",
    "2020-01-01T00:00:00Z",
    "2020-01-01 00:00:00",
    "12e03",
    "-2E+05",
    "0.1",
    "1e-7",
    "123456789.123",
    "1.0",
    "-0.0",
    "1e400",
    "0x",
    "0b",
    "0o",
    "_1",
    "1_",
    "0_7",
    "+0x1f",
    "-0b1",
    "0b-1",
    "0o-7",
    "+.5",
    "1__0",
    "0x1_f",
    "1e1_0",
    "inf",
    "NaN",
    "0X1F",
    "0B1",
    "0O7",
    "+12:30",
    "00",
    "+",
    "1.2.3",
];

const TAGS: &[&str] = &[
    "!!str",
    "!!int",
    "!!float",
    "!!bool",
    "!!null",
    "!!map",
    "!!seq",
    "!!binary",
    "!!timestamp",
    "!!merge",
    "!!set",
    "!x",
    "!",
    "!!",
    "!<tag:yaml.org,2002:str>",
    "!<tag:yaml.org,2002:int>",
    "!e!x",
    "!a%21b",
    "!x/y:z",
    "!!omap",
    "!<!x>",
    "!<x",
    "!%zz",
];

const ESCAPES: &[&str] = &[
    "\\n",
    "\\t",
    "\\\\",
    "\\\"",
    "\\x41",
    "\\u00e9",
    "\\U0001F600",
    "\\0",
    "\\a",
    "\\b",
    "\\e",
    "\\f",
    "\\r",
    "\\v",
    "\\ ",
    "\\_",
    "\\N",
    "\\L",
    "\\P",
    "\\/",
    "\\q",
    "\\x4",
    "\\uD83D",
    "\\\n  ",
    "\\\t",
];

/// Writes a text; whether it is YAML shows when it is read.
pub(crate) struct Writer<'r> {
    random: &'r mut Random,
    out: String,
    anchors: usize,
    /// Whether mistakes are left out: one of many ends the reading of all else.
    calm: bool,
}

impl Writer<'_> {
    /// Says yes once in so many times, where there may be a mistake.
    fn errs(&mut self, count: usize) -> bool {
        !self.calm && self.random.one_in(count)
    }

    fn word(&mut self) -> String {
        if self.random.one_in(6) {
            let alphabet: Vec<char> = "0123456789_.:+-eExobTZ ".chars().collect();
            let word: String =
                (0..=self.random.below(8)).map(|_| alphabet[self.random.below(alphabet.len())]).collect();
            return if self.calm { word.replace([':', ' '], "0") } else { word };
        }
        loop {
            let word = self.random.pick(WORDS);
            // What begins with an indicator is a mistake most of the time, and one is enough.
            let is_odd = word.starts_with(|c: char| c.is_ascii_punctuation() && !"-+._~".contains(c))
                || word == "a: b"
                || word == "-";
            // One within a text is told by columns that nobody relies on.
            if word.contains('\u{feff}') {
                continue;
            }
            if !is_odd || self.errs(40) {
                return word.to_owned();
            }
        }
    }

    fn quoted(&mut self, indent: usize) {
        let quote = if self.random.one_in(2) { '"' } else { '\'' };
        self.out.push(quote);
        for _ in 0..self.random.below(5) {
            match self.random.below(8) {
                0 if quote == '"' => {
                    let known = if self.errs(10) { ESCAPES.len() } else { 19 };
                    let escape = self.random.below(known);
                    self.out.push_str(ESCAPES[escape]);
                }
                0 => self.out.push_str("''"),
                1 => {
                    let breaks = self.random.pick(&["\n", " \n", "\n\n", "\t\n", " \n \n"]);
                    self.out.push_str(breaks);
                    self.pad(indent + 1);
                }
                2 => self.out.push_str(self.random.pick(&[" ", "  ", "\t"])),
                _ => {
                    let word = self.word().replace(['"', '\'', '\\'], "");
                    self.out.push_str(&word);
                }
            }
        }
        if !self.errs(60) {
            self.out.push(quote);
        }
    }

    fn pad(&mut self, indent: usize) {
        let indent = if self.errs(80) { indent + self.random.below(3) } else { indent };
        let indent = if self.errs(120) { indent.saturating_sub(1) } else { indent };
        for _ in 0..indent {
            self.out.push(' ');
        }
        if self.errs(200) {
            self.out.push('\t');
        }
    }

    fn block(&mut self, indent: usize) {
        let header = self.random.pick(&[
            "|", "|", ">", ">", "|-", "|+", ">-", ">+", "|1", "|1-", ">1+", "|-1", "|+1", "|", "|-", ">", ">-", "|+",
            ">1", "|0", "|x", "|10", ">9",
        ]);
        let header = if self.calm && header.contains(['1', '0', 'x', '9']) { "|" } else { header };
        self.out.push_str(header);
        self.comment();
        self.out.push('\n');
        let deeper = indent + 1 + self.random.below(3);
        for _ in 0..self.random.below(5) {
            if self.random.one_in(4) {
                let blank = self.random.pick(&["\n", " \n", "\n", "\n", "   \n", "\t\n"]);
                self.out.push_str(blank);
            }
            self.pad(deeper);
            if self.random.one_in(5) {
                self.out.push_str(self.random.pick(&[" ", "  ", "\t"]));
            }
            let word = self.word();
            self.out.push_str(&word);
            self.out.push_str(self.random.pick(&["", "", "", " ", " # no", ": y"]));
            self.out.push('\n');
        }
        if self.random.one_in(3) {
            self.out.push_str(self.random.pick(&["\n", "\n\n", "  \n", "# c\n", " # c\n"]));
        }
    }

    fn comment(&mut self) {
        if self.random.one_in(6) {
            self.out.push_str(self.random.pick(&[" # note", "  #", "# glued", " #\u{e9}", "\t# tab", " "]));
        }
    }

    fn own_line(&mut self) {
        if self.random.one_in(8) {
            self.out.push_str(self.random.pick(&["\n", "# c\n", "   # far\n", "  \n", "\n", "\r\n"]));
        }
    }

    fn properties(&mut self) {
        if self.random.one_in(10) {
            self.anchors += 1;
            write!(self.out, "&a{} ", self.anchors).expect("memory takes it");
        }
        if self.random.one_in(20) && !self.calm {
            let known = if self.random.one_in(5) { TAGS.len() } else { 12 };
            let tag = self.random.below(known);
            self.out.push_str(TAGS[tag]);
            self.out.push(' ');
        }
        if self.random.one_in(150) {
            self.out.push_str("&late ");
        }
    }

    fn alias(&mut self) {
        let name = if self.errs(40) { 99 } else { 1 + self.random.below(self.anchors) };
        write!(self.out, "*a{name}").expect("memory takes it");
    }

    /// Writes a scalar that ends in its line, or in the lines after it.
    fn scalar(&mut self, indent: usize, in_flow: bool) {
        match self.random.below(12) {
            0 | 1 if self.anchors > 0 && self.random.one_in(2) => self.alias(),
            0 => {}
            1 | 2 => self.quoted(indent),
            3 => {
                let word = self.word();
                self.out.push_str(&word);
                let breaks = self.random.pick(&["\n", " \n", "\n\n", " # c\n"]);
                self.out.push_str(if self.calm { "\n" } else { breaks });
                self.pad(indent + 1);
                let word = self.word();
                self.out.push_str(&word);
            }
            _ => {
                let word = self.word();
                let word = if in_flow && !self.errs(10) { word.replace([',', '[', ']', '{', '}'], "") } else { word };
                self.out.push_str(&word);
            }
        }
    }

    fn flow(&mut self, indent: usize, depth: usize) {
        self.properties();
        let kind = self.random.below(if depth == 0 { 3 } else { 7 });
        if kind < 3 {
            self.scalar(indent, true);
            return;
        }
        let is_map = self.random.one_in(2);
        self.out.push(if is_map { '{' } else { '[' });
        for at in 0..self.random.below(4) {
            if at > 0 {
                let apart = self.random.pick(&[", ", ",", " ,", ",\n", ", # c\n", " "]);
                let apart = if apart == " " && !self.errs(10) { ", " } else { apart };
                self.out.push_str(apart);
                if apart.ends_with('\n') {
                    self.pad(indent + 1);
                }
            }
            if is_map && !self.random.one_in(8) || self.random.one_in(8) {
                if self.random.one_in(12) {
                    self.out.push_str("? ");
                }
                let deeper = usize::from(self.random.one_in(12));
                self.flow(indent, deeper);
                let colon = self.random.pick(&[": ", ": ", ": ", ":", " : ", ":\n   "]);
                self.out.push_str(colon);
            }
            self.flow(indent, depth - 1);
        }
        if self.random.one_in(10) {
            self.out.push(',');
        }
        if !self.errs(40) {
            self.out.push(if is_map { '}' } else { ']' });
        }
    }

    fn value(&mut self, indent: usize, depth: usize, in_list: bool) {
        let kind = self.random.below(if depth == 0 { 7 } else { 14 });
        match kind {
            0..=3 => {
                let apart = self.random.pick(&[" ", " ", " ", "  ", "\t", ""]);
                self.out.push_str(if self.calm { " " } else { apart });
                self.properties();
                self.scalar(indent, false);
                self.comment();
                self.out.push('\n');
            }
            4 => {
                self.out.push(' ');
                self.properties();
                self.block(indent);
            }
            5 | 6 => {
                self.out.push(' ');
                self.flow(indent, 2);
                self.comment();
                self.out.push('\n');
            }
            7 | 8 if in_list => {
                self.out.push(' ');
                if self.random.one_in(3) {
                    self.list(indent + 2, depth - 1, true);
                } else {
                    self.map(indent + 2, depth - 1, true);
                }
            }
            7..=10 => {
                self.out.push(' ');
                self.properties();
                self.comment();
                self.out.push('\n');
                let by = 1 + self.random.below(3);
                self.map(indent + by, depth - 1, false);
            }
            _ => {
                self.out.push(' ');
                self.properties();
                self.comment();
                self.out.push('\n');
                let by = if in_list { 1 + self.random.below(2) } else { self.random.below(3) };
                self.list(indent + by, depth - 1, false);
            }
        }
    }

    fn key(&mut self, indent: usize) {
        self.properties();
        match self.random.below(16) {
            0 if !self.calm => self.quoted(indent),
            1 => {
                let word = self.word();
                self.out.push_str(&word);
            }
            2 if self.anchors > 0 => {
                self.out.push_str("<<: ");
                if self.random.one_in(3) {
                    self.out.push('[');
                    self.alias();
                    self.out.push_str(", ");
                    self.alias();
                    self.out.push(']');
                } else {
                    self.alias();
                }
                self.out.push('\n');
                self.pad(indent);
                self.out.push_str("after");
            }
            3 if self.errs(4) => self.flow(indent, 1),
            4 if self.errs(4) && self.anchors > 0 => {
                self.alias();
                self.out.push(' ');
            }
            _ => {
                let key = self.random.pick(&["a", "b", "c", "k", "key", "x.y/z"]);
                let number = self.random.below(12);
                write!(self.out, "{key}{number}").expect("memory takes it");
            }
        }
    }

    fn map(&mut self, indent: usize, depth: usize, begun: bool) {
        for at in 0..=self.random.below(4) {
            if at > 0 || !begun {
                self.own_line();
                self.pad(indent);
            }
            let is_explicit = self.random.one_in(30);
            if is_explicit {
                self.out.push('?');
                self.value(indent, depth.min(1), true);
                if self.random.one_in(4) {
                    continue;
                }
                self.pad(indent);
            } else {
                self.key(indent);
            }
            if !self.errs(100) {
                self.out.push(':');
            }
            self.value(indent, depth, is_explicit);
        }
    }

    fn list(&mut self, indent: usize, depth: usize, begun: bool) {
        for at in 0..=self.random.below(3) {
            if at > 0 || !begun {
                self.own_line();
                self.pad(indent);
            }
            self.out.push('-');
            self.value(indent, depth, true);
        }
    }

    fn document(&mut self) {
        if self.errs(12) {
            self.out.push_str(self.random.pick(&[
                "%YAML 1.1\n---\n",
                "%YAML 1.2\n---\n",
                "%YAML 1.3\n---\n",
                "%TAG !e! tag:e,2000:\n---\n",
                "%X y\n---\n",
                "%YAML 1.1\n",
                "%TAG ! !y\n---\n",
                "%YAML 1.1\n%YAML 1.1\n---\n",
                "%YAML x\n---\n",
                "%TAG x\n---\n",
                "%YAML 1.1 # c\n---\n",
            ]));
        } else if self.random.one_in(6) {
            self.out.push_str(self.random.pick(&[
                "---\n",
                "--- ",
                "---\t\n",
                "# c\n---\n",
                "--- # c\n",
                "--- !!map\n",
                "---\n---\n",
                "...\n",
            ]));
        }
        match self.random.below(8) {
            0 => self.list(0, 3, false),
            1 => {
                self.flow(0, 3);
                self.out.push('\n');
            }
            2 if self.random.one_in(2) => {
                self.properties();
                if self.random.one_in(2) {
                    self.block(0);
                } else {
                    self.scalar(0, false);
                    self.out.push('\n');
                }
            }
            _ => {
                let indent = if self.random.one_in(12) { 2 } else { 0 };
                self.map(indent, 3, false);
            }
        }
    }
}

/// Returns a random text; some are mangled by a mistake or two.
pub(crate) fn text(random: &mut Random) -> String {
    let calm = !random.one_in(3);
    let mut writer = Writer { random, out: String::new(), anchors: 0, calm };
    writer.document();
    if writer.random.one_in(12) {
        writer.out.push_str(if writer.random.one_in(2) { "---\n" } else { "...\n" });
        writer.document();
    }
    let mut text = writer.out;
    if !calm && random.one_in(3) {
        for _ in 0..=random.below(2) {
            text = mangled(random, &text);
        }
    }
    match random.below(16) {
        0 => text = text.replace('\n', "\r\n"),
        1 => text = text.replace('\n', "\r"),
        2 | 3 => text.truncate(text.trim_end_matches('\n').len()),
        4 if random.one_in(3) => text.insert(0, '\u{feff}'),
        _ => {}
    }
    text
}

fn mangled(random: &mut Random, text: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let at = random.below(chars.len() + 1);
    match random.below(5) {
        0 if at < chars.len() => drop(chars.remove(at)),
        1 => chars.truncate(at),
        2 if at < chars.len() => chars[at] = char::from(b" \n\t:-[]{}'\"#&*!|>%@`,?"[random.below(22)]),
        3 => {
            let from = random.below(chars.len());
            let part: Vec<char> = chars[from..(from + random.below(30)).min(chars.len())].to_vec();
            chars.splice(at..at, part);
        }
        _ => {
            let what = random.pick(&[
                ": ", "\n", "- ", "&a1 ", "*a1", "{", "]", "|2-\n", "\"", "? ", "\t", "%", "!!", "<<: ", "#", " #",
                "\u{1}", "\u{7f}", "\u{2029}", "\r", "---\n", "...\n", "'", "}", ",", "  ",
            ]);
            chars.splice(at..at, what.chars());
        }
    }
    chars.into_iter().collect()
}

/// Returns a random text to be written.
fn string(random: &mut Random) -> String {
    let mut made = String::new();
    for _ in 0..=random.below(4) {
        made.push_str(random.pick(WORDS));
        made.push_str(random.pick(&[
            "",
            "",
            " ",
            " ",
            "\n",
            "\n\n",
            ": ",
            " #",
            "\t",
            "  ",
            "\r\n",
            "\u{1}",
            "\u{7f}",
            "\"",
            "'",
            "\\",
            " the quick brown fox jumps over",
            "averylongwordwithoutanyblankinit",
            "\n  ",
            "\u{2028}",
            "\u{feff}",
            "😀",
            "-",
            "\u{85}",
            "\u{fffe}",
            "\u{e000}",
        ]));
    }
    if random.one_in(4) { made.trim().to_owned() } else { made }
}

/// Returns a random value to be written.
pub(crate) fn value(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth == 0 { 8 } else { 14 }) {
        0 => Value::Null,
        1 => json!(random.one_in(2)),
        2 => {
            let wide = (random.below(1 << 31) as i64) << 32 | random.below(1 << 31) as i64;
            let whole = wide >> random.below(63);
            json!(if random.one_in(3) { -whole } else { whole })
        }
        3 => {
            let float = random.below(1_000_000) as f64 / 1000.0 * 10_f64.powi(random.below(44) as i32 - 22);
            json!(if random.one_in(3) { -float } else { float })
        }
        4..=7 => json!(string(random)),
        8..=10 => (0..random.below(4)).map(|_| value(random, depth - 1)).collect(),
        _ => {
            let mut entries = Map::new();
            for _ in 0..random.below(5) {
                let key = if random.one_in(3) {
                    let number = random.below(20);
                    format!("{}{number}{}", random.pick(&["a", "b-", "A", "a0", ""]), random.pick(&["", "x", ".", "-"]))
                } else {
                    string(random)
                };
                // Numbers that overflow are in no order to Go.
                entries.insert(key.replace("12345678901234567890", "big"), value(random, depth - 1));
            }
            Value::Object(entries)
        }
    }
}
