//! Edits in place: what changes, what stays, and what is refused.

use bowline_yaml::Limits;
use bowline_yaml::lossless::{EditError, Path, Text};
use serde_json::{Value, json};

fn path(text: &str) -> Path {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn text(from: &str) -> Text {
    Text::parse(from.as_bytes(), &Limits::default()).unwrap_or_else(|problems| panic!("{from:?}: {problems:?}"))
}

#[test]
fn scalars_are_set_in_their_style() {
    let cases: &[(&str, &str, Value, &str)] = &[
        ("a: 1\n", "a", json!(2), "a: 2\n"),
        ("a:   'x'   # why\nb: 1\n", "a", json!("it's"), "a:   'it''s'   # why\nb: 1\n"),
        ("a: \"x\"\n", "a", json!("y\n\u{1}"), "a: \"y\\n\\u0001\"\n"),
        ("a: x\n", "a", json!("yes"), "a: \"yes\"\n"),
        ("a: x\nb: 'y'\n", "a", json!("1.10"), "a: '1.10'\nb: 'y'\n"),
        ("a: \"2\"\n", "a", json!(3), "a: 3\n"),
        ("a: 3\n", "a", json!("3"), "a: \"3\"\n"),
        ("a: x # c\n", "a", json!("1\n2\n"), "a: | # c\n  1\n  2\n"),
        ("a:\nb: 1\n", "a", json!("x"), "a: x\nb: 1\n"),
        ("a: # none\nb: 1\n", "a", json!(true), "a: true # none\nb: 1\n"),
        ("a: &x\nb: 1\n", "a", json!(true), "a: &x true\nb: 1\n"),
        ("a: !!str 5\n", "a", json!("x"), "a: !!str x\n"),
        ("a: !!int \"5\"\n", "a", json!("x"), "a: \"x\"\n"),
        ("a: one\n  two\nb: 1\n", "a", json!("three"), "a: three\nb: 1\n"),
        ("a:\n  one # c\nb: 1\n", "a", json!("two"), "a:\n  two # c\nb: 1\n"),
        ("- a\n-\n- c\n", "[1]", json!("b"), "- a\n- b\n- c\n"),
        ("[a, b: , {c}]\n", "[1].b", json!(1), "[a, b: 1, {c}]\n"),
        ("{a, b: 1}\n", "a", json!("[x]"), "{a: \"[x]\", b: 1}\n"),
        ("{\"a\":1}\n", "a", json!([1, {"b": "c"}]), "{\"a\":[1, {\"b\":\"c\"}]}\n"),
        ("just a text\n", "", json!("another"), "another\n"),
        ("--- x # c\n", "", json!({"a": 1}), "--- # c\na: 1\n"),
        ("a: 1.5\n", "a", json!(2.0), "a: 2\n"),
    ];
    for (from, at, value, want) in cases {
        let mut edited = text(from);
        edited.set(0, &path(at), value).unwrap_or_else(|error| panic!("{from:?}: {error}"));
        assert_eq!(edited.to_string(), *want, "{from:?}");
    }
}

#[test]
fn block_scalars_change_by_lines() {
    let cases: &[(&str, &str, &str)] = &[
        ("a: |  # sh\n   one\n   two\n\nb: 1\n", "one\n2\n", "a: |  # sh\n   one\n   2\n\nb: 1\n"),
        ("a: |\n  one\n   \n  two\n", "one\n \ntwo\nthree\n", "a: |\n  one\n   \n  two\n  three\n"),
        ("a: |-\n  one\n", "one\n", "a: |\n  one\n"),
        ("a: |\n  one\nb: 1\n", "one", "a: |-\n  one\nb: 1\n"),
        ("a: |\n  one\nb: 1\n", "one\n\n\n", "a: |+\n  one\n\n\nb: 1\n"),
        ("a: |\n  one\nb: 1\n", "  in\nout\n", "a: |2\n    in\n  out\nb: 1\n"),
        (
            "a: >\n  a long\n  line\n\n  next\nb: 1\n",
            "a long line\nanother\n",
            "a: >\n  a long\n  line\n\n  another\nb: 1\n",
        ),
        ("a: >-\n  x\nb: 1\n", "x\n y", "a: >-\n  x\n   y\nb: 1\n"),
        ("a: |\n  one", "two", "a: |\n  two"),
        ("a: |\n  one\nb: 1\n", "", "a: \"\"\nb: 1\n"),
    ];
    for (from, value, want) in cases {
        let mut edited = text(from);
        edited.set(0, &path("a"), &json!(value)).unwrap_or_else(|error| panic!("{from:?}: {error}"));
        assert_eq!(edited.to_string(), *want, "{from:?}");
    }
}

#[test]
fn maps_and_lists_change_where_they_differ() {
    let cases: &[(&str, &str, Value, &str)] = &[
        ("a: x # c\nb: 1\n", "a", json!({"k": [1]}), "a: # c\n  k:\n  - 1\nb: 1\n"),
        ("a: # c\n  k: 1 # d\nb: 1\n", "a", json!(5), "a: 5 # c # d\nb: 1\n"),
        ("l:\n    - x\na: {}\n", "a", json!({"k": [1]}), "l:\n    - x\na:\n  k:\n      - 1\n"),
        ("- x # c\n- y\n", "[0]", json!({"a": 1, "b": 2}), "- a: 1 # c\n  b: 2\n- y\n"),
        ("-   x\n", "[0]", json!({"a": 1, "b": 2}), "-   a: 1\n    b: 2\n"),
        ("a: 1 # one\nb: 2 # two\n", "", json!({"b": 3, "c": 4}), "b: 3 # two\nc: 4\n"),
        ("[a, b, c]\n", "", json!(["a", "c"]), "[a, c]\n"),
        ("- a\n# about b\n- b\n- c\n", "", json!(["a", "x", "z", "c"]), "- a\n# about b\n- x\n- z\n- c\n"),
        ("a:\n  # c\n  k: 1\n", "a", json!([1]), "a:\n  # c\n- 1\n"),
        ("a: &x {b: 1}\n", "a", json!([1]), "a: &x [1]\n"),
        ("- &x\n  b: 1\n", "[0]", json!([1]), "- &x\n  - 1\n"),
    ];
    for (from, at, value, want) in cases {
        let mut edited = text(from);
        edited.set(0, &path(at), value).unwrap_or_else(|error| panic!("{from:?}: {error}"));
        assert_eq!(edited.to_string(), *want, "{from:?}");
    }
}

#[test]
fn what_is_new_looks_like_its_neighbours() {
    let cases: &[(&str, &str, Value, &str)] = &[
        ("a: 1\nb: 2 # two\n\n# end\n", "c", json!(3), "a: 1\nb: 2 # two\nc: 3\n\n# end\n"),
        ("a: 1", "b.c.d", json!(3), "a: 1\nb:\n  c:\n    d: 3"),
        ("a:\n", "a.b", json!(1), "a:\n  b: 1\n"),
        (
            "a:\n    b:\n    -   x: 1\n",
            "a.b[1]",
            json!({"x": 2, "z": 3}),
            "a:\n    b:\n    -   x: 1\n    -   x: 2\n        z: 3\n",
        ),
        ("- a\n- b\n", "[0]", json!("c"), "- c\n- a\n- b\n"),
        ("- - a\n- b\n", "[0][0]", json!("c"), "- - c\n  - a\n- b\n"),
        ("- a\n\n- b\n", "[1]", json!("c"), "- a\n- c\n\n- b\n"),
        ("l: []\n", "l[0]", json!("c"), "l:\n- c\n"),
        ("{a: [1]}\n", "a[0]", json!("c"), "{a: [c, 1]}\n"),
        ("{a: {}}\n", "a.b", json!("c"), "{a: {b: c}}\n"),
        (
            "{\n  \"a\": 1,\n  \"b\": \"x\"\n}\n",
            "c",
            json!({"d": "y"}),
            "{\n  \"a\": 1,\n  \"b\": \"x\",\n  \"c\": {\"d\": \"y\"}\n}\n",
        ),
        ("[\n  a, # one\n  b, # two\n]\n", "[2]", json!("c"), "[\n  a, # one\n  b, # two\n  c,\n]\n"),
        ("[a: 1]\n", "[0].b", json!(2), "[{a: 1, b: 2}]\n"),
        (
            "env:\n- name: \"a\"\n  value: \"x\"\n",
            "env[0].other",
            json!("y"),
            "env:\n- name: \"a\"\n  value: \"x\"\n  other: \"y\"\n",
        ),
        ("a: |\n  x", "b", json!(1), "a: |-\n  x\nb: 1"),
        ("a: |+\n  x\n\n", "b", json!(1), "a: |+\n  x\n\nb: 1\n"),
        ("a: b\r\nc: d\r\n", "e", json!("1\n2\n"), "a: b\r\nc: d\r\ne: |\r\n  1\r\n  2\r\n"),
        ("\u{feff}a: b\n", "c", json!(1), "\u{feff}a: b\nc: 1\n"),
        ("a:\tb\t# c\n", "d", json!(1), "a:\tb\t# c\nd: 1\n"),
        ("base: &b {x: 1}\na:\n  <<: *b\n", "a.x", json!(2), "base: &b {x: 1}\na:\n  <<: *b\n  x: 2\n"),
        ("a: 1\n", "<<", json!(2), "a: 1\n\"<<\": 2\n"),
        ("a: 1\n", "true", json!(2), "a: 1\n\"true\": 2\n"),
    ];
    for (from, at, value, want) in cases {
        let mut edited = text(from);
        edited.insert_or_set(&path(at), value).unwrap_or_else(|error| panic!("{from:?}: {error}"));
        assert_eq!(edited.to_string(), *want, "{from:?}");
    }
}

trait InsertOrSet {
    fn insert_or_set(&mut self, at: &Path, value: &Value) -> Result<(), EditError>;
}

impl InsertOrSet for Text {
    /// Inserts; maps on the way are made by setting.
    fn insert_or_set(&mut self, at: &Path, value: &Value) -> Result<(), EditError> {
        match self.insert(0, at, value) {
            Err(EditError::Missing { .. } | EditError::Exists { .. }) => self.set(0, at, value),
            other => other,
        }
    }
}

#[test]
fn what_goes_takes_only_its_own_lines() {
    let cases: &[(&str, &str, &str)] = &[
        ("a: 1\n# about b\nb: 2 # two\nc: 3\n", "b", "a: 1\n# about b\nc: 3\n"),
        ("a: 1\nb: 2", "b", "a: 1"),
        ("a: 1\nb:\n  c: 1\n  d: 2\n\ne: 1\n", "b", "a: 1\n\ne: 1\n"),
        ("- a: 1\n  b: 2\n", "[0].a", "- b: 2\n"),
        ("- a: 1\n  # about b\n  b: 2\n", "[0].a", "- # about b\n  b: 2\n"),
        ("- a: 1\n- b\n", "[0].a", "- {}\n- b\n"),
        ("x:\n  a: 1\n", "x.a", "x: {}\n"),
        ("x:\n# c\n- 1\n", "x[0]", "x: []\n# c\n"),
        ("x:\n- 1\n", "x[0]", "x: []\n"),
        ("- - a\n  - b\n", "[0][0]", "- - b\n"),
        ("{a: 1, b: 2, c: 3}\n", "a", "{b: 2, c: 3}\n"),
        ("{a: 1, b: 2, c: 3}\n", "c", "{a: 1, b: 2}\n"),
        ("{\n  \"a\": 1,\n  \"b\": 2\n}\n", "b", "{\n  \"a\": 1\n}\n"),
        ("{\n  \"a\": 1,\n  \"b\": 2\n}\n", "a", "{\n  \"b\": 2\n}\n"),
        ("[a, # one\n b, c]\n", "[0]", "[ # one\n b, c]\n"),
        ("[a, # one\n b]\n", "[1]", "[a # one\n ]\n"),
        ("a:\nb:\n", "a", "b:\n"),
        ("a: 1\r\nb: 2\r\n", "a", "b: 2\r\n"),
        ("a: 1\n? b\n: 2\nc: 3\n", "b", "a: 1\nc: 3\n"),
    ];
    for (from, at, want) in cases {
        let mut edited = text(from);
        edited.remove(0, &path(at)).unwrap_or_else(|error| panic!("{from:?}: {error}"));
        assert_eq!(edited.to_string(), *want, "{from:?}");
    }
}

#[test]
fn items_are_found_by_name() {
    let from = "spec:\n  containers:\n  - name: web # main\n    image: a:1\n  - name: side\n    image: b:1\n";
    let mut edited = text(from);
    edited.set(0, &path("spec.containers[name=side].image"), &json!("b:2")).expect("is there");
    assert_eq!(edited.to_string(), from.replace("b:1", "b:2"));
    let edited = text(from);
    let found = edited.get(0, &path("spec.containers[name=web]")).expect("is there");
    assert_eq!((found.line, found.column, found.text), (3, 5, "name: web # main\n    image: a:1"));
    assert_eq!(found.value, &json!({"name": "web", "image": "a:1"}));
    let twice = text("- a: 1\n- a: 1\n");
    let error = twice.get(0, &path("[a=1]")).expect_err("are two");
    assert_eq!(error, EditError::Ambiguous { path: "[a=1]".to_owned(), line: 2 });
}

#[test]
fn documents_stand_alone() {
    let from = "# head\n---\na: 1\n...\n---\n# none\n---\nb: 2 # b\n--- {c: 3}\n";
    let mut edited = text(from);
    assert_eq!(edited.documents(), 3);
    edited.set(0, &path("a"), &json!("x\ny\n")).expect("is there");
    edited.set(1, &path("b"), &json!(3)).expect("is there");
    edited.set(2, &path("d"), &json!([])).expect("is there");
    assert_eq!(edited.to_string(), "# head\n---\na: |\n  x\n  y\n...\n---\n# none\n---\nb: 3 # b\n--- {c: 3, d: []}\n");
    assert_eq!(edited.get(1, &path("b")).map(|found| (found.line, found.column)), Ok((10, 4)));
    assert_eq!(edited.set(3, &path("a"), &json!(1)), Err(EditError::NoDocument { document: 3, count: 3 }));
}

#[test]
fn what_would_change_elsewhere_too_is_refused() {
    let from = "a: &x\n  k: 1\nb: *x\nc:\n  <<: *x\nd: &unused {k: 1}\n";
    let refused: &[(&str, &str)] = &[
        ("a.k", "line 1, column 4: `&x` is used in line 3, which the edit would change along"),
        ("a", "line 1, column 4: `&x` is used in line 3, which the edit would change along"),
        ("b.k", "line 3, column 4: `b` is written elsewhere, and only referred to here"),
        ("b.new", "line 3, column 4: `b` is written elsewhere, and only referred to here"),
    ];
    for (at, want) in refused {
        let mut edited = text(from);
        let error = edited.set(0, &path(at), &json!(2)).expect_err(at);
        assert_eq!(error.to_string(), *want, "{at}");
        assert_eq!(edited.to_string(), from, "{at}");
    }
    for (at, want) in [("b", "b: 2"), ("d.k", "d: &unused {k: 2}"), ("c.k", "  <<: *x\n  k: 2")] {
        let mut edited = text(from);
        edited.set(0, &path(at), &json!(2)).unwrap_or_else(|error| panic!("{at}: {error}"));
        assert!(edited.to_string().contains(want), "{edited}");
    }
    let found = text(from).get(0, &path("c.k")).map(|found| found.line);
    assert_eq!(found, Ok(2));
    let mut edited = text(from);
    assert!(matches!(edited.remove(0, &path("c.k")), Err(EditError::Aliased { line: 5, .. })));
    let mut edited = text("a: 1\na: 2\n");
    assert!(matches!(edited.remove(0, &path("a")), Err(EditError::Unwritable { line: 2, .. })));
}

#[test]
fn what_is_not_there_is_told() {
    let mut edited = text("a:\n  b: [1]\n");
    let cases = [("a.c", "line 2: there is no `a.c`"), ("a.b[1]", "line 2: there is no `a.b[1]`")];
    for (at, want) in cases {
        assert_eq!(edited.remove(0, &path(at)).expect_err(at).to_string(), want);
    }
    let error = edited.set(0, &path("a.b.c"), &json!(1)).expect_err("is a list");
    assert_eq!(error.to_string(), "line 2: there is no `a.b.c`");
    let error = edited.insert(0, &path("a.b"), &json!(1)).expect_err("is there");
    assert_eq!(error.to_string(), "line 2: `a.b` is there already");
    assert!(Text::parse(b"a: [", &Limits::default()).is_err());
}

#[test]
fn edits_are_bounded() {
    let limits = Limits { max_bytes: 100, max_depth: 3, max_alias_bytes: 100 };
    let mut edited = Text::parse(b"a: 1\n", &limits).expect("is YAML");
    let long = edited.set(0, &path("a"), &json!("x".repeat(200))).expect_err("is too long");
    assert_eq!(long, EditError::Limit { limit: 100, unit: "bytes" });
    assert!(edited.set(0, &path("a"), &json!([[[[1]]]])).is_err());
    assert_eq!(edited.to_string(), "a: 1\n");
    assert!(Text::parse(b"[[[[1]]]]", &limits).is_err());
}

#[test]
fn paths_are_texts() {
    for (from, want) in [
        ("", ""),
        ("a.b[0][name=web].c", "a.b[0][name=web].c"),
        ("a[\"b.c\"]", "a[\"b.c\"]"),
        ("a\\.b", "[\"a.b\"]"),
        ("[\"k\"=\"v]\"]", "[\"k\"=\"v]\"]"),
    ] {
        assert_eq!(path(from).to_string(), want);
        assert_eq!(path(want), path(from));
    }
    for (from, want) in [
        ("a..b", "`a..b` is no path: a key expected at character 3"),
        ("a[", "`a[` is no path: a key expected at character 3"),
        ("a[x]", "`a[x]` is no path: a number, `key=value` or a text in quotes expected at character 4"),
        ("a[0", "`a[0` is no path: `]` expected at character 4"),
        ("a[0]b", "`a[0]b` is no path: `.` or `[` expected at character 5"),
    ] {
        assert_eq!(from.parse::<Path>().expect_err(from).to_string(), want);
    }
}
