//! What Go would not survive, or not answer twice alike, ends in an error here.

use bowline_gotmpl::{Limits, Set, Value};
use bowline_helm::functions::{Host, table};

fn render(template: &str) -> Result<String, String> {
    let mut set = Set::new(table());
    set.parse("main", template).map_err(|error| error.to_string())?;
    let mut host = Host::new((0, 0), Box::new(|bytes: &mut [u8]| bytes.fill(7)));
    let mut out = Vec::new();
    match set.execute("main", &Value::Nil, &mut out, Limits { steps: 1_000_000, ..Limits::default() }, &mut host) {
        Ok(()) => Ok(String::from_utf8_lossy(&out).into_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn a_table_within_itself_is_refused() {
    let error = render(r#"{{ $d := dict }}{{ $_ := set $d "a" $d }}{{ toToml $d }}"#).expect_err("no end");
    assert!(error.contains("a value contains itself"), "{error}");
    let error =
        render(r#"{{ $d := dict }}{{ $_ := set $d "a" (list (list $d)) }}{{ toToml $d }}"#).expect_err("no end");
    assert!(error.contains("a value contains itself"), "{error}");
}

#[test]
fn lists_that_share_lists_are_counted_each_time() {
    let doubled =
        r#"{{ $l := list 1 }}{{ range until 60 }}{{ $l = list $l $l }}{{ end }}{{ toToml (dict "l" $l) | len }}"#;
    assert!(render(doubled).is_err());
}

#[test]
fn deep_texts_are_refused() {
    for text in [r#"(print "a = " (repeat 100000 "["))"#, r#"(print (repeat 100000 "a.") "a = 1")"#] {
        let out = render(&format!("{{{{ (fromToml {text}).Error }}}}")).expect("errors are values");
        assert!(out.contains("too deeply") || out.contains("too many parts"), "{out}");
    }
}
