//! How cases are asked: of `conformance/gotemplate`, which is Go, and of this crate in the same form. Shared with the tests
//! of other crates that have more functions.

use std::any::Any;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bowline_gotmpl::{
    Field, FloatKind, Functions, IntKind, Limits, List, Map, MissingKey, Set, Str, Type, UintKind, Value,
};
use serde_json::{Map as JsonMap, Value as Json, json};

use super::host;

/// Go, waiting for cases.
pub(crate) struct Referee {
    process: Child,
    cases: BufWriter<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Referee {
    /// `None` where there is none.
    pub(crate) fn start() -> Option<Self> {
        let program = std::env::var_os("BOWLINE_GOTEMPLATE")?;
        let mut process = Command::new(program)
            // Times of templates are those of one zone, whoever asks.
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the referee starts");
        let cases = BufWriter::new(process.stdin.take().expect("is piped"));
        let answers = BufReader::new(process.stdout.take().expect("is piped"));
        Some(Self { process, cases, answers })
    }

    pub(crate) fn ask(&mut self, cases: &[Json]) -> Vec<Json> {
        // Both at once: neither pipe holds all of it.
        let (input, output) = (&mut self.cases, &mut self.answers);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for case in cases {
                    writeln!(input, "{case}").expect("the referee listens");
                }
                input.flush().expect("the referee listens");
            });
            let answer = |case: &Json| {
                let mut line = String::new();
                output.read_line(&mut line).expect("the referee answers");
                assert!(!line.is_empty(), "the referee died of {case}");
                with_text_errors(serde_json::from_str(&line).expect("the referee answers in JSON"))
            };
            cases.iter().map(answer).collect()
        })
    }
}

impl Drop for Referee {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Answers a case, with these functions and this state of theirs: see `conformance/gotemplate/main.go`.
pub(crate) fn answer(case: &Json, functions: Functions, state: &mut dyn Any) -> Json {
    let mut set = Set::new(functions);
    set.set_name("set");
    set.set_missing_key(match case["missing"].as_str() {
        Some("zero") => MissingKey::Zero,
        Some("error") => MissingKey::Error,
        _ => MissingKey::Default,
    });
    set.set_delims(case["delims"][0].as_str().unwrap_or(""), case["delims"][1].as_str().unwrap_or(""));
    for template in case["templates"].as_array().expect("a case has templates") {
        if let Err(error) = set.parse(raw(&template[0]), raw(&template[1])) {
            return json!({"parse": error.to_string()});
        }
    }
    if case["print"] == json!(true) {
        let print = |name: String| {
            let tree = set.print(&name).expect("holds because the name is the set's own");
            (name, encoded(&tree))
        };
        return json!({"trees": set.names().into_iter().map(print).collect::<JsonMap<_, _>>()});
    }
    let mut out = Vec::new();
    let name = case["run"].as_str().unwrap_or_default();
    match set.execute(name, &decode(&case["data"]), &mut out, Limits::default(), state) {
        Ok(()) => json!({"out": encoded(&out)}),
        Err(error) => json!({"out": encoded(&out), "error": error.to_string()}),
    }
}

/// Makes errors of the referee what ours are: text, with U+FFFD for every byte that is not UTF-8.
fn with_text_errors(mut answer: Json) -> Json {
    for field in ["error", "parse"] {
        if answer[field].is_object() {
            answer[field] = json!(Str::from(raw(&answer[field])).to_text());
        }
    }
    answer
}

/// Reads a text: a string, or `{"64": base64}`.
pub(crate) fn raw(text: &Json) -> Vec<u8> {
    match text.as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => from_base64(&text["64"]),
    }
}

/// Writes a text: a string, or `{"64": base64}`.
pub(crate) fn encoded(text: &[u8]) -> Json {
    match std::str::from_utf8(text) {
        Ok(text) => json!(text),
        Err(_) => json!({"64": BASE64.encode(text)}),
    }
}

fn from_base64(text: &Json) -> Vec<u8> {
    BASE64.decode(text.as_str().expect("base64 is a string")).expect("base64")
}

/// Reads a typed value: see `conformance/gotemplate/values.go`.
pub(crate) fn decode(value: &Json) -> Value {
    static LISTS: Type = Type::Slice(&Type::LIST);
    static MAPS: Type = Type::Slice(&Type::MAP);
    static INTS: Type = Type::Slice(&Type::INT);
    static FLOATS: Type = Type::Slice(&Type::FLOAT64);
    static INT_MAP: Type = Type::Map(&Type::INT);
    static MAP_MAP: Type = Type::Map(&Type::MAP);
    if value.is_null() {
        return Value::Nil;
    }
    let held = &value[1];
    let int = |kind| Value::Int(kind, parsed(held));
    let uint = |kind| Value::Uint(kind, parsed(held));
    match value[0].as_str().expect("a value has a type") {
        "nil" => Value::Nil,
        "bool" => Value::Bool(held.as_bool().expect("a truth")),
        "int" => int(IntKind::Int),
        "int8" => int(IntKind::Int8),
        "int16" => int(IntKind::Int16),
        "int32" => int(IntKind::Int32),
        "int64" => int(IntKind::Int64),
        "uint" => uint(UintKind::Uint),
        "uint8" => uint(UintKind::Uint8),
        "uint16" => uint(UintKind::Uint16),
        "uint32" => uint(UintKind::Uint32),
        "uint64" => uint(UintKind::Uint64),
        "uintptr" => uint(UintKind::Uintptr),
        "float64" => Value::float(parsed(held)),
        "float32" => Value::Float(FloatKind::Float32, f64::from(parsed::<f64>(held) as f32)),
        "string" => Value::str(raw(held)),
        "bytes" => Value::bytes(&from_base64(held)),
        "list" => Value::List(list(held)),
        "strings" => Value::List(List::strings(items(held).map(raw))),
        "ints" => Value::List(List::typed(&INTS, items(held).map(|item| Value::int(parsed(item))).collect())),
        "floats" => Value::List(List::typed(&FLOATS, items(held).map(|item| Value::float(parsed(item))).collect())),
        "lists" => Value::List(List::typed(&LISTS, items(held).map(|item| Value::List(list(item))).collect())),
        "maps" => Value::List(List::typed(&MAPS, items(held).map(|item| Value::Map(map(item))).collect())),
        "map" => Value::Map(map(held)),
        "values" => Value::Map(map(held).retyped(&host::VALUES_TYPE)),
        "smap" => Value::Map(typed_map(&Type::STRING_MAP, held, |item| Value::str(raw(item)))),
        "imap" => Value::Map(typed_map(&INT_MAP, held, |item| Value::int(parsed(item)))),
        "mmap" => Value::Map(typed_map(&MAP_MAP, held, |item| Value::Map(map(item)))),
        "nilmap" => Value::Map(Map::nil(&Type::MAP)),
        "nillist" => Value::List(List::nil(&Type::LIST)),
        "nilstrings" => Value::List(List::nil(&host::STRINGS)),
        "nilbytes" => Value::Bytes(None),
        "box" => Value::object(host::Boxed { fields: fields(held), pointer: false }),
        "boxptr" => Value::object(host::Boxed { fields: fields(held), pointer: true }),
        "nilbox" => Value::object(host::NilBox),
        "files" => {
            static FILES: Type = Type::Map(&Type::BYTES);
            Value::object(host::Files(typed_map(&FILES, held, |item| Value::bytes(&from_base64(item)))))
        }
        "names" => Value::object(host::Names(List::strings(items(held).map(raw)))),
        "error" => Value::object(host::Failure(raw(held).into())),
        "stringer" => Value::object(host::Stringer(raw(held).into())),
        "func" => host::function_value(held.as_str().expect("a name")),
        other => panic!("no value: {other}"),
    }
}

fn items(held: &Json) -> impl Iterator<Item = &Json> {
    held.as_array().expect("a list").iter()
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Debug>>(digits: &Json) -> T {
    digits.as_str().expect("a number is a string").parse().expect("a number")
}

fn list(held: &Json) -> List {
    items(held).map(decode).collect()
}

fn map(held: &Json) -> Map {
    typed_map(&Type::MAP, held, decode)
}

fn typed_map(ty: &'static Type, held: &Json, value: impl Fn(&Json) -> Value) -> Map {
    let map = Map::typed(ty);
    for (key, item) in held.as_object().expect("a map") {
        map.insert(Str::from(key), value(item));
    }
    map
}

fn fields(held: &Json) -> Vec<Field> {
    let given = map(held);
    let field = |name: &'static str, ty: Type, zero: Value| {
        let value = given.get(name).unwrap_or_default();
        let fits = match (&ty, &value) {
            (Type::Any, _) => true,
            (Type::Host(_), Value::Object(object)) => object.type_name() == "*main.Box",
            (_, value) => value.type_name() == ty.to_string(),
        };
        Field { name, ty, value: if fits { value } else { zero } }
    };
    vec![
        field("Name", Type::String, "".into()),
        field("Count", Type::INT, Value::int(0)),
        field("Any", Type::Any, Value::Nil),
        field("Map", Type::MAP, Value::Map(Map::nil(&Type::MAP))),
        field("List", Type::LIST, Value::List(List::nil(&Type::LIST))),
        field("Next", Type::Host("*main.Box"), Value::object(host::NilBox)),
    ]
}
