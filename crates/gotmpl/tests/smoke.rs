//! What a user of the crate does first.

use bowline_gotmpl::{Functions, MissingKey, Set, Value};
use serde_json::json;

fn render(text: &str, data: serde_json::Value) -> String {
    let mut set = Set::new(Functions::builtin());
    if let Err(error) = set.parse("t", text) {
        return error.to_string();
    }
    match set.render("t", &Value::from_json(&data)) {
        Ok(out) => String::from_utf8_lossy(&out).into_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn templates_render() {
    let cases = [
        ("{{.a.b}}-{{index .l 1}}", json!({"a": {"b": 1e6}, "l": ["x", "y"]}), "1e+06-y"),
        ("{{range $i, $e := .l}}{{$i}}={{$e}};{{else}}none{{end}}", json!({"l": ["x", "y"]}), "0=x;1=y;"),
        ("{{range 3}}{{if eq . 1}}{{continue}}{{end}}{{.}}{{end}}", json!({}), "02"),
        ("{{define \"x\"}}<{{.}}>{{end}}{{template \"x\" .a}}", json!({"a": 1}), "<1>"),
        ("a {{- \" b \" -}} c", json!({}), "a b c"),
        (
            "{{printf \"%05.1f|%-5s|%q|%v\" .f \"ab\" \"x\" .m}}",
            json!({"f": 2.71, "m": {"k": [1, null]}}),
            "002.7|ab   |\"x\"|map[k:[1 <nil>]]",
        ),
        ("{{.missing}} {{.missing.too}}", json!({}), "<no value> <no value>"),
        ("{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}", json!({}), "2"),
        ("{{and 1 0 (fail)}}", json!({}), "template: t:1: function \"fail\" not defined"),
        (
            "ab\n{{ .a.b.c }}",
            json!({"a": {"b": 1}}),
            "template: t:2:5: executing \"t\" at <.a.b.c>: can't evaluate field c in type interface {}",
        ),
        (
            "{{ index .a 5 }}",
            json!({"a": [1]}),
            "template: t:1:3: executing \"t\" at <index .a 5>: error calling index: index out of range: 5",
        ),
    ];
    for (text, data, want) in cases {
        assert_eq!(render(text, data), want, "{text}");
    }
}

#[test]
fn clones_learn_by_themselves() {
    let mut set = Set::new(Functions::builtin());
    set.parse("a", "old").expect("parses");
    let mut clone = set.clone();
    clone.parse("a", "new").expect("parses");
    clone.parse("b", "{{template \"a\"}}").expect("parses");
    assert_eq!(clone.render("b", &Value::Nil).expect("renders"), b"new");
    assert_eq!(set.render("a", &Value::Nil).expect("renders"), b"old");
    assert!(!set.contains("b"));
}

#[test]
fn missing_keys_are_told_when_asked() {
    let mut set = Set::new(Functions::builtin());
    set.set_missing_key(MissingKey::Error);
    set.parse("t", "{{.a}}").expect("parses");
    let error = set.render("t", &Value::from_json(&json!({}))).expect_err("is an error");
    assert_eq!(error.to_string(), "template: t:1:2: executing \"t\" at <.a>: map has no entry for key \"a\"");
}
