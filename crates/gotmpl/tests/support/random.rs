//! Random templates and data, from a seed.

use serde_json::{Map as JsonMap, Value as Json, json};

use super::chance::Random;

const KEYS: [&str; 12] = ["a", "b", "c", "d", "e", "k", "Name", "Count", "Map", "List", "Any", "Next"];
const METHODS: [&str; 9] = ["Greet", "Sum", "Fail", "Same", "Size", "Get", "Raw", "Has", "String"];
const VARIABLES: [&str; 4] = ["$", "$x", "$y", "$i"];
const TEXTS: [&str; 22] = [
    "",
    "a",
    "b",
    "hello",
    "two words",
    "1",
    "-5",
    "1.5",
    "true",
    "é",
    "日本語",
    "\u{7f}\u{1}",
    "a\nb",
    "<b>&'\"",
    "`",
    "\\",
    "x=y",
    "a b/c?d",
    "%d",
    "\u{200b}\u{feff}",
    "A longer string, beyond what is held in place",
    "😀",
];
/// The last four are huge.
const INTS: [i64; 16] = [0, 1, 2, 3, 5, -1, -2, 7, 10, 42, 65, 255, 0x1F600, 1_000_000, i64::MAX, i64::MIN];
const FLOATS: [&str; 20] = [
    "0",
    "1",
    "-1",
    "1.5",
    "3.14159",
    "1000000",
    "1e6",
    "123456789",
    "1e20",
    "1e21",
    "1e-5",
    "0.0001",
    "2.5",
    "1e100",
    "-0",
    "5e-324",
    "1.7976931348623157e308",
    "NaN",
    "Inf",
    "-Inf",
];
/// A list that many functions take as their argument, so that errors and successes are about as frequent.
const FUNCTIONS: [(&str, usize, usize); 43] = [
    ("and", 1, 3),
    ("or", 1, 3),
    ("not", 1, 1),
    ("len", 1, 1),
    ("index", 1, 3),
    ("slice", 1, 4),
    ("eq", 1, 3),
    ("ne", 2, 2),
    ("lt", 2, 2),
    ("le", 2, 2),
    ("gt", 2, 2),
    ("ge", 2, 2),
    ("print", 0, 3),
    ("println", 0, 3),
    ("printf", 1, 4),
    ("html", 0, 2),
    ("js", 0, 2),
    ("urlquery", 0, 2),
    ("call", 1, 3),
    ("fany", 1, 1),
    ("fstr", 1, 1),
    ("fint", 1, 1),
    ("fint64", 1, 1),
    ("fint8", 1, 1),
    ("fuint", 1, 1),
    ("ffloat", 1, 1),
    ("fbool", 1, 1),
    ("fmap", 1, 1),
    ("flist", 1, 1),
    ("fstrings", 1, 1),
    ("fbytes", 1, 1),
    ("ferror", 1, 1),
    ("fjoin", 1, 4),
    ("fsum", 0, 3),
    ("fboom", 1, 1),
    ("fnone", 0, 0),
    ("fnil", 0, 0),
    ("flist0", 0, 3),
    ("fdict", 0, 4),
    ("fset", 3, 3),
    ("fvalues", 1, 1),
    ("ftype", 1, 1),
    ("finclude", 2, 2),
];

/// Makes one case.
pub(crate) fn case(seed: u64) -> Json {
    let mut random = Random::new(seed);
    let pointers = random.once_in(12);
    let huge = random.once_in(3);
    let mut writer = Writer {
        random,
        out: String::new(),
        depth: 0,
        loops: 0,
        pointers,
        callable: 0,
        huge,
        inner: true,
        scope: Vec::new(),
        calm: false,
    };
    writer.calm = writer.random.once_in(3);
    let mut templates = Vec::new();
    // Templates invoke only those before them, so that none goes on forever.
    for name in ["t1", "t2"] {
        if writer.random.once_in(3) {
            templates.push(json!([name, writer.template()]));
            writer.callable += 1;
        }
    }
    writer.inner = false;
    templates.push(json!(["main", writer.template()]));
    let missing = writer.random.pick(&["", "", "zero", "error", "default"]);
    let mut case = json!({"templates": templates, "run": "main", "data": writer.data(), "missing": missing});
    if writer.random.once_in(40) {
        case["print"] = json!(true);
    }
    if writer.random.once_in(40) {
        let (left, right) =
            writer.random.pick(&[("<<", ">>"), ("[[", "]]"), ("{%", "%}"), ("(", ")"), ("<", "<"), ("", "|")]);
        for template in case["templates"].as_array_mut().expect("a case has templates") {
            let text = template[1].as_str().expect("a template is text");
            let opened = if left.is_empty() { text.to_owned() } else { text.replace("{{", left) };
            template[1] = json!(opened.replace("}}", right));
        }
        case["delims"] = json!([left, right]);
    }
    case
}

struct Writer {
    random: Random,
    out: String,
    depth: usize,
    loops: usize,
    /// Whether the data may hold pointers and functions, whose addresses differ from run to run.
    pointers: bool,
    callable: usize,
    /// Whether there are huge integers; then nothing ranges over what may be one.
    huge: bool,
    /// Whether the template being written is one that others invoke.
    inner: bool,
    /// Variables declared so far, where they can be seen.
    scope: Vec<&'static str>,
    /// Whether mistakes are left out: the first of many ends all.
    calm: bool,
}

/// Functions that take anything.
const TAKERS: [(&str, usize, usize); 14] = [
    ("and", 1, 3),
    ("or", 1, 3),
    ("not", 1, 1),
    ("print", 0, 3),
    ("println", 0, 3),
    ("printf", 1, 4),
    ("printf", 2, 4),
    ("html", 0, 2),
    ("js", 0, 2),
    ("urlquery", 0, 2),
    ("fany", 1, 1),
    ("ftype", 1, 1),
    ("flist0", 0, 3),
    ("fdict", 0, 4),
];

impl Writer {
    /// A variable that is declared, mostly.
    fn variable(&mut self) -> &'static str {
        if !self.calm && self.random.once_in(60) {
            return self.random.pick(&VARIABLES);
        }
        let at = self.random.below(self.scope.len() + 1);
        self.scope.get(at).copied().unwrap_or("$")
    }

    fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    // Data.

    fn data(&mut self) -> Json {
        if self.random.once_in(12) {
            return self.value(3);
        }
        self.map_of(&KEYS[..6], 3, true)
    }

    fn int(&mut self) -> String {
        let all = if self.huge { INTS.len() } else { INTS.len() - 4 };
        self.random.pick(&INTS[..all]).to_string()
    }

    fn map_of(&mut self, keys: &[&str], depth: usize, full: bool) -> Json {
        let mut map = JsonMap::new();
        for key in keys {
            if full || self.random.once_in(2) {
                map.insert((*key).to_owned(), self.value(depth - 1));
            }
        }
        json!(["map", map])
    }

    fn text(&mut self) -> Json {
        if self.random.once_in(40) {
            return json!({"64": "YeH/w2I="});
        }
        json!(self.random.pick(&TEXTS))
    }

    fn value(&mut self, depth: usize) -> Json {
        let containers = if depth == 0 { 0 } else { 18 };
        match self.random.below(22 + containers) {
            0 => json!(["nil"]),
            1 | 2 => json!(["bool", self.random.once_in(2)]),
            3..=6 => json!(["int", self.int()]),
            7 | 8 => {
                let kind = self
                    .random
                    .pick(&["int8", "int16", "int32", "int64", "uint", "uint8", "uint16", "uint32", "uint64"]);
                json!([kind, self.random.pick(&["0", "1", "2", "3", "65", "100", "127"])])
            }
            9 => json!([
                "uint64",
                if self.huge { self.random.pick(&["18446744073709551615", "9223372036854775808"]) } else { "5" }
            ]),
            10..=13 => json!(["float64", self.random.pick(&FLOATS)]),
            14 => json!(["float32", self.random.pick(&["0.1", "1.5", "16777216", "1e10", "-2"])]),
            15 => json!(["bytes", self.random.pick(&["", "aGVsbG8=", "/wA=", "w6k="])]),
            16..=20 => json!(["string", self.text()]),
            21 if self.pointers => match self.random.below(4) {
                0 => json!(["func", self.random.pick(&["upper", "add", "any", "seq", "seq2", "empty"])]),
                1 => json!(["nilbox"]),
                _ => {
                    let Json::Array(mut parts) = self.map_of(&KEYS[6..], depth.max(1), false) else {
                        return json!(["nil"]);
                    };
                    json!(["boxptr", parts.remove(1)])
                }
            },
            21 => self.random.pick(&["nilmap", "nillist", "nilstrings", "nilbytes"]).to_owned().into_array(),
            22..=26 => self.map_of(&KEYS, depth, false),
            27..=30 => {
                let items: Vec<Json> = (0..self.random.below(4)).map(|_| self.value(depth - 1)).collect();
                json!(["list", items])
            }
            31 => json!(["strings", (0..self.random.below(3)).map(|_| self.text()).collect::<Vec<_>>()]),
            32 => json!(["ints", (0..self.random.below(4)).map(|_| self.int()).collect::<Vec<_>>()]),
            33 => {
                let map: JsonMap<_, _> =
                    ["a", "b", "Name"].iter().map(|key| ((*key).to_owned(), self.text())).collect();
                json!(["smap", map])
            }
            34 => {
                let Json::Array(mut parts) = self.map_of(&KEYS[..4], depth, false) else { return json!(["nil"]) };
                json!(["values", parts.remove(1)])
            }
            35 => json!(["imap", {"a": "1", "b": "-2"}]),
            36 => {
                let Json::Array(mut parts) = self.map_of(&KEYS[6..11], depth, false) else { return json!(["nil"]) };
                json!(["box", parts.remove(1)])
            }
            37 => json!(["files", {"a": "aGk=", "b": ""}]),
            38 => json!(["names", ["v1", "a"]]),
            _ => match self.random.below(4) {
                0 => json!(["stringer", self.text()]),
                1 => json!(["error", self.text()]),
                2 => json!(["mmap", {"a": {"b": ["int", "1"]}}]),
                _ => json!(["lists", [[["int", "1"]], []]]),
            },
        }
    }

    // Templates.

    fn template(&mut self) -> String {
        self.out.clear();
        self.depth = 0;
        self.loops = 0;
        self.scope.clear();
        if self.random.once_in(10) {
            self.push("{{define \"d\"}}");
            self.nodes(2);
            self.scope.clear();
            self.push("{{end}}");
        }
        self.nodes(4);
        let mut text = std::mem::take(&mut self.out);
        if !self.calm && self.random.once_in(16) {
            text = self.broken(&text);
        }
        text
    }

    /// Takes something out of a template, or puts something in.
    fn broken(&mut self, text: &str) -> String {
        let mut chars: Vec<char> = text.chars().collect();
        for _ in 0..=self.random.below(2) {
            let at = self.random.below(chars.len() + 1);
            if self.random.once_in(2) && at < chars.len() {
                chars.remove(at);
            } else {
                let piece = self.random.pick(&[
                    "{{",
                    "}}",
                    "(",
                    ")",
                    "\"",
                    "'",
                    "`",
                    "|",
                    ".",
                    ",",
                    ":=",
                    "=",
                    "$",
                    "$x",
                    "{{end}}",
                    "{{else}}",
                    " ",
                    "\n",
                    "-",
                    "1",
                    "é",
                    "@",
                    "#",
                    "nil",
                    "/*",
                    "*/",
                    "{{/* c */}}",
                    "{{break}}",
                    "{{- ",
                    " -}}",
                    "\u{0}",
                    "0x",
                    "1i",
                    "_",
                    "{{else if}}",
                    "{{else with .a}}",
                    "{{else}}",
                    "{{continue}}",
                    "{{define \"q\"}}",
                    "{{template \"q\"}}",
                    "{{template \"q\" .}}",
                    "{{template q}}",
                    "{{block \"q\"}}",
                    "{{range}}",
                    "{{if}}",
                    "{{if .a}}",
                    "{{with $q := 1}}",
                    "{{range $a, $b, $c := .}}",
                    "{{-1}}",
                    "{{- -}}",
                    "{{-}}",
                    "{{}}",
                    "{{.}}",
                    "{{nofunc}}",
                    "{{nil}}",
                    "{{nil.a}}",
                    "{{\"a\".b}}",
                    "{{1.2.3}}",
                    "{{08}}",
                    "{{0b2}}",
                    "{{1__0}}",
                    "{{'ab'}}",
                    "{{'\\'}}",
                    "{{\"\\q\"}}",
                    "{{`a",
                    "{{.a | 1}}",
                    "{{. | .a}}",
                    "{{$x = 1}}",
                    "{{$x := 1}}",
                    "{{(1).a}}",
                    "{{(.a)",
                    "{{.a.}}",
                    "{{..}}",
                    "{{$}}",
                    "{{$.}}",
                    "{{true.x}}",
                    "{{/* c */ }}",
                    "{{ /* c */}}",
                    "{{/*",
                    "{{end .a}}",
                    "{{break .a}}",
                    "\r\n",
                    "\t",
                    "..",
                    "\\",
                    "&",
                    "1e",
                    "0x1p",
                    "'\\400'",
                    "\u{a0}",
                ]);
                chars.splice(at..at, piece.chars());
            }
        }
        chars.into_iter().collect()
    }

    fn open(&mut self) {
        let text = self.random.pick(&["{{", "{{", "{{", "{{ ", "{{- ", "{{-\n"]);
        self.push(text);
    }

    fn close(&mut self) {
        let text = self.random.pick(&["}}", "}}", "}}", " }}", " -}}", "\n-}}"]);
        self.push(text);
    }

    fn nodes(&mut self, most: usize) {
        for _ in 0..=self.random.below(most) {
            self.node();
        }
    }

    fn node(&mut self) {
        let text = self.random.pick(&["", "", "|", " ", "\n", "x", " y\n ", "é", "{ ", "}", "%"]);
        self.push(text);
        if self.depth > 3 {
            return self.action();
        }
        self.depth += 1;
        match self.random.below(22) {
            0..=10 => self.action(),
            11 | 12 => self.control("if"),
            13 | 14 => self.control("with"),
            15..=17 => self.range(),
            18 if self.callable > 0 => {
                self.open();
                let name = if self.callable > 1 && self.random.once_in(2) { "t2" } else { "t1" };
                let name = if !self.calm && self.random.once_in(20) { "none" } else { name };
                let name = if self.random.once_in(8) { format!("`{name}`") } else { format!("\"{name}\"") };
                self.push(&format!("template {name} "));
                if !self.random.once_in(5) {
                    self.pipeline(1);
                }
                self.close();
            }
            19 if self.loops > 0 => {
                self.open();
                let word = self.random.pick(&["break", "continue"]);
                self.push(word);
                self.close();
            }
            20 => {
                self.open();
                let name = self.random.pick(&["b1", "b2", "b3", "b4", "b5"]);
                self.push(&format!("block \"{name}\" "));
                self.pipeline(1);
                self.close();
                let loops = std::mem::take(&mut self.loops);
                let scope = std::mem::take(&mut self.scope);
                self.nodes(2);
                self.loops = loops;
                self.scope = scope;
                self.push("{{end}}");
            }
            21 => {
                let text = self.random.pick(&["{{/* c */}}", "{{- /* c\n */ -}}"]);
                self.push(text);
            }
            _ => self.action(),
        }
        self.depth -= 1;
    }

    fn action(&mut self) {
        self.open();
        let mut declared = None;
        if self.random.once_in(5) {
            let declares = self.scope.is_empty() || self.random.once_in(2);
            let variable = if declares { self.random.pick(&VARIABLES[1..]) } else { self.variable() };
            let operator = if declares { ":=" } else { "=" };
            self.push(&format!("{variable} {operator} "));
            declared = declares.then_some(variable);
        }
        self.pipeline(2);
        self.close();
        self.scope.extend(declared);
    }

    fn control(&mut self, word: &str) {
        self.open();
        self.push(word);
        self.push(" ");
        let outer = self.scope.len();
        let mut declared = None;
        if self.random.once_in(5) {
            let variable = self.random.pick(&VARIABLES[1..]);
            self.push(&format!("{variable} := "));
            declared = Some(variable);
        }
        self.pipeline(2);
        self.close();
        self.scope.extend(declared);
        self.nodes(2);
        if self.random.once_in(4) {
            self.open();
            self.push("else ");
            let other = if word == "if" { "with" } else { "if" };
            let odd = !self.calm && self.random.once_in(8);
            self.push(if odd { other } else { word });
            self.push(" ");
            self.pipeline(1);
            self.close();
            self.nodes(1);
        }
        if self.random.once_in(3) {
            self.push("{{else}}");
            self.nodes(1);
        }
        self.push("{{end}}");
        self.scope.truncate(outer);
    }

    fn range(&mut self) {
        self.open();
        self.push("range ");
        let outer = self.scope.len();
        let mut choices: Vec<(&str, &[&'static str])> =
            vec![("", &[]), ("", &[]), ("$x := ", &["$x"]), ("$i, $x := ", &["$i", "$x"])];
        if self.scope.contains(&"$y") {
            choices.push(("$y = ", &[]));
            choices.push(("$y, $y = ", &[]));
        }
        let (declarations, declared) = self.random.pick(&choices);
        self.push(declarations);
        // Loops in loops, and in templates that loops invoke, would multiply.
        if self.huge || self.loops > 0 || self.inner || self.random.once_in(4) {
            let end = self.random.pick(&[
                "3",
                "0",
                "-1",
                "2",
                "1",
                "(flist0 1 \"a\" .)",
                "(fdict \"b\" 1 \"a\" 2)",
                "(fint64 1)",
                "(fint8 2)",
                "(fuint 2)",
                "fnil",
                "(flist0 | len)",
                "nil",
                "\"ab\"",
                "1.5",
                "true",
                "(slice (flist0 1 2 3) 1)",
            ]);
            self.push(end);
        } else {
            self.pipeline(1);
        }
        self.close();
        self.scope.extend(declared);
        self.loops += 1;
        self.nodes(2);
        self.loops -= 1;
        if self.random.once_in(3) {
            self.push("{{else}}");
            self.nodes(1);
        }
        self.push("{{end}}");
        self.scope.truncate(outer);
    }

    fn pipeline(&mut self, depth: usize) {
        self.command(depth);
        while self.random.once_in(4) {
            let bar = self.random.pick(&[" | ", "|", " |\n"]);
            self.push(bar);
            if !self.calm && self.random.once_in(80) { self.operand(0) } else { self.call(depth) }
        }
    }

    fn command(&mut self, depth: usize) {
        match self.random.below(5) {
            0 | 1 => self.call(depth),
            2 if self.random.once_in(if self.calm { 10 } else { 2 }) => {
                // A method, or what looks like one.
                self.field();
                let method = self.random.pick(&METHODS);
                self.push(&format!(".{method}"));
                for _ in 0..self.random.below(3) {
                    self.push(" ");
                    self.operand(depth);
                }
            }
            _ => self.operand(depth),
        }
    }

    fn call(&mut self, depth: usize) {
        let (name, least, most) =
            if self.calm && !self.random.once_in(6) { self.random.pick(&TAKERS) } else { self.random.pick(&FUNCTIONS) };
        self.push(name);
        let mut count = least + self.random.below(most - least + 1);
        if !self.calm && self.random.once_in(15) && name != "fset" {
            count = self.random.below(5);
        }
        for at in 0..count {
            self.push(" ");
            match (name, at) {
                ("printf", 0) => self.format(),
                ("finclude", 0) => {
                    let name = self.random.pick(&["\"t1\"", "\"none\""]);
                    // A template may not include itself.
                    self.push(if self.callable > 0 { name } else { "\"none\"" });
                }
                // A map that contains itself is the end of Go when it is printed.
                ("fset", 2) => {
                    let value = self.random.pick(&["1", "\"a\"", "nil", "2.5", "true"]);
                    self.push(value);
                }
                _ => self.operand(depth),
            }
        }
    }

    fn format(&mut self) {
        let mut format = String::from("\"");
        for _ in 0..=self.random.below(3) {
            format.push_str(self.random.pick(&["", "", "a", " ", "é", "%%", ":"]));
            format.push('%');
            for _ in 0..self.random.below(3) {
                format.push_str(self.random.pick(&["", "", "+", "-", "#", "0", " "]));
            }
            format.push_str(
                self.random.pick(&["", "", "", "5", "12", "*", "[1]", "[2]", "[3]*", "[x]", "[9]", "2000000"]),
            );
            format.push_str(self.random.pick(&["", "", "", ".", ".2", ".0", ".*", ".[1]*", ".10"]));
            format.push_str(self.random.pick(&["", "", "", "", "[2]", "l", "-"]));
            let verb = if self.pointers {
                self.random.pick(&["v", "T", "s", "q", "+v", "#v"])
            } else {
                self.random.pick(&[
                    "v", "v", "v", "s", "s", "d", "d", "q", "x", "X", "o", "O", "b", "c", "U", "e", "E", "f", "F", "g",
                    "G", "t", "T", "w", "z", "!", "é", "",
                ])
            };
            format.push_str(verb);
        }
        format.push('"');
        self.push(&format);
    }

    fn field(&mut self) {
        if self.random.once_in(5) {
            let variable = self.variable();
            self.push(variable);
        }
        let key = self.random.pick(&KEYS[..6]);
        self.push(&format!(".{key}"));
        while self.random.once_in(if self.calm { 16 } else { 4 }) {
            let key = self.random.pick(&KEYS);
            self.push(&format!(".{key}"));
        }
    }

    fn operand(&mut self, depth: usize) {
        match self.random.below(if depth == 0 { 24 } else { 30 }) {
            0..=8 => self.field(),
            9 | 10 => self.push("."),
            11 => {
                let variable = self.variable();
                self.push(variable);
            }
            12..=15 => {
                let number = self.random.pick(&[
                    "1e3i",
                    "0i",
                    "0x1.8p1",
                    "0X1F",
                    "'\\u00e9'",
                    "'\\x41'",
                    "'\\''",
                    "1e-400",
                    "1.0",
                    "0b1i",
                    "0",
                    "1",
                    "2",
                    "3",
                    "-1",
                    "5",
                    "0x10",
                    "0b11",
                    "0o17",
                    "017",
                    "1_000",
                    "'a'",
                    "'\\n'",
                    "1.5",
                    "1e3",
                    "-2.5e-3",
                    "0x1p4",
                    "1i",
                    "1+2i",
                    "9223372036854775807",
                    "18446744073709551615",
                    "+3",
                    "1e19",
                    ".5",
                    "5.",
                    "'é'",
                    "-0",
                ]);
                self.push(if number.len() > 18 && !self.huge { "4" } else { number });
            }
            16..=19 => {
                let text = self.random.pick(&[
                    "\"\"",
                    "\"a\"",
                    "\"b\"",
                    "\"Name\"",
                    "\"hello\"",
                    "\"é\\n\"",
                    "`raw`",
                    "\"\\xff\\u00e9\"",
                    "\"1\"",
                    "\"<&>\"",
                    "`a\\b`",
                    "\"v1\"",
                    "\"k\"",
                ]);
                self.push(text);
            }
            20 => {
                let truth = self.random.pick(&["true", "false"]);
                self.push(truth);
            }
            21 => self.push("nil"),
            22 => {
                let name = self.random.pick(&["fnone", "fnil", "flist0", "fdict"]);
                self.push(name);
            }
            23 if self.calm => self.push("\"x\""),
            23 => {
                self.field();
                let method = self.random.pick(&METHODS);
                self.push(&format!(".{method}"));
            }
            _ => {
                self.push("(");
                if self.random.once_in(30) {
                    self.push("$x := ");
                }
                self.pipeline(depth - 1);
                self.push(")");
                if self.random.once_in(4) {
                    let key = self.random.pick(&KEYS);
                    self.push(&format!(".{key}"));
                }
            }
        }
    }
}

trait IntoArray {
    fn into_array(self) -> Json;
}

impl IntoArray for String {
    fn into_array(self) -> Json {
        json!([self])
    }
}
