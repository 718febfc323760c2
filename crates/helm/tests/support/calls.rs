//! Random calls of the functions that templates have, from a seed: arguments of the kinds that a function declares, of
//! other kinds now and then, and calls within calls.

use bowline_gotmpl::{Functions, Type, quote};
use serde_json::{Value as Json, json};

use super::chance::Random;
use super::words;

/// Functions whose answers differ each time, or that ask the network: they are called with what they refuse, and by wrong
/// counts.
const BY_CHANCE: [&str; 17] = [
    "bcrypt",
    "encryptAES",
    "genCA",
    "genCAWithKey",
    "genPrivateKey",
    "genSelfSignedCert",
    "genSelfSignedCertWithKey",
    "genSignedCert",
    "genSignedCertWithKey",
    "getHostByName",
    "htpasswd",
    "now",
    "randAlpha",
    "randBytes",
    "randInt",
    "shuffle",
    "uuidv4",
];

/// Functions that are called in ways of their own, those of no text among them.
const LEFT_OUT: [&str; 10] = [
    "ago",
    "block",
    "call",
    "derivePassword",
    "durationRound",
    "lookup",
    "randAlphaNum",
    "randAscii",
    "randNumeric",
    "tpl",
];

/// Functions that make as much as a number says: only small ones are asked for.
const GREEDY: [&str; 8] = ["indent", "nindent", "repeat", "seq", "until", "untilStep", "wrap", "wrapWith"];

/// Functions that change maps: they are given copies, for a map within itself is the end of Go.
const CHANGING: [&str; 6] = ["merge", "mergeOverwrite", "mustMerge", "mustMergeOverwrite", "set", "unset"];

/// Functions that list a map in an order of chance: their lists are sorted.
const UNORDERED: [&str; 2] = ["keys", "values"];

/// Names of data, by their types. An error is not among them: what copying makes of one tells of its insides.
const TEXTS: [&str; 4] = [".s", ".e", ".u", ".bad"];
const NUMBERS: [&str; 12] =
    [".i", ".z", ".n", ".i64", ".f", ".nf", ".big", ".huge", ".u8", ".u64", ".f32", "(int64 3)"];
const LISTS: [&str; 9] = [".l", ".el", ".nl", ".ss", ".ns", ".is", ".ll", ".by", ".nb"];
const MAPS: [&str; 5] = [".m", ".m2", ".em", ".nm", ".m.b"];
const OTHERS: [&str; 14] =
    [".sm", ".vals", ".l", ".str", ".box", ".ptr", ".nbox", ".names", ".yes", ".no", ".nil", ".l", ".m", "nil"];

/// One case, and the calls that it is made of, the smallest first.
pub(crate) struct Case {
    pub(crate) case: Json,
    pub(crate) calls: Vec<(String, &'static str)>,
}

/// Makes one case over some data.
pub(crate) fn case(seed: u64, functions: &Functions, data: &Json) -> Case {
    let names: Vec<&'static str> =
        functions.names().filter(|name| !LEFT_OUT.contains(name) && !BY_CHANCE.contains(name)).collect();
    let mut maker = Maker { random: Random::new(seed), functions, names, calls: Vec::new() };
    let mut template = String::new();
    for _ in 0..=maker.random.below(3) {
        template += &maker.statement();
    }
    let mut calls = maker.calls;
    calls.sort_by_key(|(call, _)| call.len());
    Case { case: whole(&template, data), calls }
}

/// Makes a case of a template.
pub(crate) fn whole(template: &str, data: &Json) -> Json {
    json!({"helm": true, "templates": [["part", "<{{ . }}>"], ["main", template]], "run": "main", "missing": "zero", "data": ["map", data]})
}

struct Maker<'f> {
    random: Random,
    functions: &'f Functions,
    names: Vec<&'static str>,
    calls: Vec<(String, &'static str)>,
}

impl Maker<'_> {
    fn statement(&mut self) -> String {
        let name = self.random.pick(&self.names.clone());
        match self.random.below(9) {
            8 => {
                let call = self.own();
                let printed = self.random.pick(&["", " | quote", " | toJson", " | len"]);
                format!("{{{{ {call}{printed} }}}}|")
            }
            0 => {
                // What changes a map shows in the map later.
                let name = self.random.pick(&CHANGING);
                let changed = self.random.pick(&MAPS[..3]);
                let call = self.call(name, 1);
                let call = call
                    .split_once(" (deepCopy ")
                    .and_then(|(_, rest)| rest.split_once(')'))
                    .map_or_else(|| call.clone(), |(_, rest)| format!("{name} $d{rest}"));
                format!("{{{{ $d := deepCopy {changed} }}}}{{{{ {call} }}}}|{{{{ $d }}}}|")
            }
            1 => {
                let call = self.call(name, 1);
                format!("{{{{ with {call} }}}}{{{{ . }}}}{{{{ else }}}}none{{{{ end }}}}|")
            }
            2 => {
                let call = self.call(name, 1);
                format!("{{{{ range $k, $v := {call} }}}}{{{{ $k }}}}={{{{ $v }}}};{{{{ end }}}}|")
            }
            3 => {
                let (call, printer) =
                    (self.call(name, 1), self.random.pick(&["toJson", "toYaml", "toToml", "quote", "toYamlPretty"]));
                format!("{{{{ {call} | {printer} }}}}|")
            }
            _ => {
                let call = self.call(name, 2);
                format!("{{{{ printf \"%T %v\" ({call}) ({call}) }}}}|")
            }
        }
    }

    /// Makes a call that is answered the same each time of a function that is not, or of one called in ways of its own.
    fn own(&mut self) -> String {
        if self.random.once_in(3) {
            // As many arguments as it does not take.
            let names = [&BY_CHANCE[..], &["ago", "durationRound", "lookup", "tpl", "derivePassword"]].concat();
            let name = self.random.pick(&names);
            let Some(function) = self.functions.get(name) else { return "nil".to_owned() };
            let count = function.signature().params.len();
            let other = if count > 0 && self.random.once_in(2) { self.random.below(count) } else { count + 1 };
            let args: Vec<String> = (0..other).map(|_| self.any(name, 0)).collect();
            return format!("{name} {}", args.join(" ")).trim_end().to_owned();
        }
        let call = words::own(&mut self.random);
        self.calls.push((call.clone(), "of its own"));
        call
    }

    /// Makes a call, not in parentheses.
    fn call(&mut self, name: &'static str, depth: usize) -> String {
        let Some(function) = self.functions.get(name) else { return "nil".to_owned() };
        let signature = *function.signature();
        let mut args = Vec::new();
        let count = if self.random.once_in(60) {
            self.random.below(4)
        } else if signature.variadic {
            let least = signature.params.len() - 1;
            least + self.random.below(4)
        } else {
            signature.params.len()
        };
        for at in 0..count {
            let ty = signature.params.get(at).or(signature.params.last()).copied().unwrap_or(Type::Any);
            if CHANGING.contains(&name) && !matches!(ty, Type::String) && (at == 0 || name != "set") {
                args.push(format!("(deepCopy {})", self.random.pick(&MAPS)));
                continue;
            }
            args.push(if GREEDY.contains(&name) && !matches!(ty, Type::String) {
                self.random.pick(&["0", "1", "3", "7", "-2", "2"]).to_owned()
            } else if let Some(text) = words::special(&mut self.random, name, at) {
                text
            } else if self.random.once_in(12) {
                self.any(name, 0)
            } else {
                self.typed(&ty, name, depth)
            });
        }
        let mut call = if args.len() > 1 && self.random.once_in(6) {
            let last = args.pop().unwrap_or_default();
            format!("{last} | {name} {}", args.join(" "))
        } else {
            format!("{name} {}", args.join(" ")).trim_end().to_owned()
        };
        if UNORDERED.contains(&name) {
            call += " | sortAlpha";
        }
        self.calls.push((call.clone(), name));
        call
    }

    /// Makes an argument of a type.
    fn typed(&mut self, ty: &Type, name: &'static str, depth: usize) -> String {
        if depth > 0 && self.random.once_in(4) {
            let wanted = *ty;
            let fitting: Vec<&'static str> = self
                .names
                .iter()
                .copied()
                .filter(|name| {
                    let result = self.functions.get(name).map(|function| function.signature().result);
                    result == Some(wanted) || result == Some(Type::Any) && self.random_free(name)
                })
                .collect();
            if !fitting.is_empty() {
                let inner = self.random.pick(&fitting);
                return format!("({})", self.call(inner, depth - 1));
            }
        }
        match ty {
            Type::String => self.text(name),
            Type::Bool => self.random.pick(&["true", "false", ".yes", ".no"]).to_owned(),
            Type::Int(_) | Type::Uint(_) | Type::Float(_) => self.number(),
            Type::Slice(_) => self.list(depth),
            Type::Map(_) | Type::Named(_) => self.map(depth),
            Type::Host("time.Time") => words::time(&mut self.random),
            _ => self.any(name, depth),
        }
    }

    /// Tells whether a function may stand where anything may.
    fn random_free(&self, name: &str) -> bool {
        self.functions.get(name).is_some_and(|function| !function.signature().params.is_empty())
    }

    fn any(&mut self, name: &'static str, depth: usize) -> String {
        match self.random.below(10) {
            0..3 => self.text(name),
            3..5 => self.number(),
            5 => self.list(depth),
            6 => self.map(depth),
            7 => self.random.pick(&OTHERS).to_owned(),
            8 if depth > 0 => {
                let inner = self.random.pick(&self.names.clone());
                format!("({})", self.call(inner, depth - 1))
            }
            _ => self.random.pick(&[".yes", ".no", ".nil", ".f", ".i", ".s"]).to_owned(),
        }
    }

    fn text(&mut self, name: &'static str) -> String {
        if self.random.once_in(6) {
            return self.random.pick(&TEXTS).to_owned();
        }
        quote(words::text(&mut self.random, name))
    }

    fn number(&mut self) -> String {
        match self.random.below(4) {
            0 => self.random.pick(&NUMBERS).to_owned(),
            1 => self.random.pick(&["0", "1", "-1", "2", "3", "10", "100", "255"]).to_owned(),
            2 => (self.random.below(20) as i64 - 5).to_string(),
            _ => self
                .random
                .pick(&["1.5", "-0.5", "0.1", "2.675", "1e3", "1e21", "123456789", "1e-7", "0x1F", "'a'"])
                .to_owned(),
        }
    }

    fn list(&mut self, depth: usize) -> String {
        if depth == 0 || self.random.once_in(2) {
            return self.random.pick(&LISTS).to_owned();
        }
        let items: Vec<String> = (0..self.random.below(4)).map(|_| self.any("list", depth - 1)).collect();
        format!("(list {})", items.join(" ")).replace("(list )", "(list)")
    }

    fn map(&mut self, depth: usize) -> String {
        if depth == 0 || self.random.once_in(2) {
            return self.random.pick(&MAPS).to_owned();
        }
        let mut out = "(dict".to_owned();
        for _ in 0..self.random.below(4) {
            let key = self.random.pick(&["a", "b", "c", "k", "n", "x y", "", "é"]);
            out += " ";
            out += &quote(key);
            out += " ";
            out += &self.any("dict", depth - 1);
        }
        out + ")"
    }
}
