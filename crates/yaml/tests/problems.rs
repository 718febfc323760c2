//! Mistakes and limits: what is told, where, and what is read all the same.

use bowline_yaml::{Limits, ProblemKind, Rules, parse_documents, parse_documents_as, parse_one};
use serde_json::json;

fn problems(text: &str) -> Vec<String> {
    parse_documents(text.as_bytes(), &Limits::default()).1.iter().map(ToString::to_string).collect()
}

#[test]
fn mistakes_have_a_place() {
    let cases: &[(&str, &[&str])] = &[
        ("a: b: c\n", &["line 1, column 5: mapping values are not allowed in this context"]),
        ("a:\n\t- b\n", &["line 2, column 1: found character that cannot start any token"]),
        (
            "a: 1\nb: [1, 2\nc: 3\n",
            &["line 3, column 2: did not find expected ',' or ']' while parsing a flow sequence that starts at line 2"],
        ),
        (
            "a: 1\n---\nb: 1\nb: 2\n---\nc: *x\n",
            &["line 4, column 4: key \"b\" already set in map", "line 6, column 4: unknown anchor 'x' referenced"],
        ),
        (
            "a: 1\na: 2\nb: .inf\nc: !!int x\n",
            &[
                "line 2, column 4: key \"a\" already set in map",
                "line 3, column 4: unsupported value: JSON has no `.inf`",
                "line 4, column 4: cannot decode !!str `x` as a !!int",
            ],
        ),
        (
            "? [a]\n: 1\nnull: 2\n",
            &[
                "line 1, column 3: invalid map key: []interface {}{\"a\"}",
                "line 3, column 1: unsupported map key of type: %!s(<nil>), key: <nil>, value: 2",
            ],
        ),
        ("a: &x [*x]\n", &["line 1, column 8: anchor 'x' value contains itself"]),
        ("a: 1\n<<: 3\n", &["line 2, column 5: map merge requires map or sequence of maps as the value"]),
        ("a: ok\nb: \u{1}\n", &["line 2, column 4: control characters are not allowed"]),
    ];
    for (text, want) in cases {
        assert_eq!(problems(text), *want, "{text}");
    }
}

#[test]
fn what_is_not_text_is_told() {
    let (documents, problems) = parse_documents(b"a: 1\n---\nb: \xff\xfe\n", &Limits::default());
    assert_eq!(documents.len(), 1);
    assert_eq!(problems[0].to_string(), "line 3, column 4: the text is not UTF-8");
}

#[test]
fn a_broken_document_hides_no_other() {
    let text = "a: 1\n---\nb: [\n---\nc: 3\n---\nd: {\n---\ne: 5\n";
    let (documents, problems) = parse_documents(text.as_bytes(), &Limits::default());
    let read: Vec<_> = documents.iter().map(|document| (document.line, document.value.clone())).collect();
    assert_eq!(read, [(1, json!({"a": 1})), (5, json!({"c": 3})), (9, json!({"e": 5}))]);
    assert_eq!(problems.len(), 2, "{problems:?}");
}

#[test]
fn documents_that_say_nothing_are_left_out() {
    let text = "# a comment\n---\n---\n# another\n---\nnull\n---\n~\n...\n---\na: 1\n...\n# end\n";
    let (documents, problems) = parse_documents(text.as_bytes(), &Limits::default());
    assert_eq!(problems, []);
    assert_eq!(documents.len(), 1);
    assert_eq!((documents[0].line, &documents[0].value), (11, &json!({"a": 1})));
}

#[test]
fn twice_the_same_key_is_a_matter_of_rules() {
    let text = b"a: 1\na: 2\n";
    for (rules, is_refused) in [(Rules::Sigs, false), (Rules::SigsStrict, true), (Rules::Kyaml, true)] {
        let (documents, problems) = parse_documents_as(rules, text, &Limits::default());
        assert_eq!(!problems.is_empty(), is_refused, "{rules:?}");
        assert_eq!(documents.first().map(|document| document.value["a"].clone()), (!is_refused).then(|| json!(2)));
    }
}

#[test]
fn a_key_that_is_merged_counts_as_written() {
    let texts = [
        "x: &x {a: 1}\ny:\n  <<: *x\n  a: 2\n",
        "x: &x {a: 1}\ny:\n  a: 2\n  <<: *x\n",
        "x: &x {a: 1}\ny: &y {a: 2}\nz:\n  <<: [*x, *y]\n",
        "a: 1\n\"1\": 2\n1: 3\n\"1\": 4\n",
    ];
    for text in texts {
        for (rules, is_refused) in [(Rules::Sigs, false), (Rules::SigsStrict, true)] {
            let (_, problems) = parse_documents_as(rules, text.as_bytes(), &Limits::default());
            assert_eq!(!problems.is_empty(), is_refused, "{rules:?} {text:?}");
        }
    }
    let apart = "x: &x {1: 1}\ny:\n  <<: *x\n  \"1\": 2\n";
    assert_eq!(parse_documents(apart.as_bytes(), &Limits::default()).1, []);
}

#[test]
fn a_value_that_json_has_not_counts_beside_a_key_of_another_type() {
    let refused = |text: &str| !parse_documents_as(Rules::Sigs, text.as_bytes(), &Limits::default()).1.is_empty();
    assert!(refused("{1.0: {null: a}, 1: b}"));
    assert!(!refused("{1: {null: a}, 1: b}"));
}

#[test]
fn underscores_stand_between_digits_where_a_point_is_first() {
    for (text, want) in [
        (".96_007", json!(0.96007)),
        (".5e1_0", json!(5_000_000_000_u64)),
        ("._5", json!("._5")),
        (".5_", json!(".5_")),
    ] {
        assert_eq!(parse_one(text.as_bytes(), &Limits::default()), Ok(want), "{text}");
    }
}

#[test]
fn what_is_merged_into_texts_keeps_its_keys_to_kyaml() {
    let read = |text: &str| parse_documents_as(Rules::Kyaml, text.as_bytes(), &Limits::default()).0[0].value.clone();
    assert_eq!(read("<<: {+1: x, 0x1F: y}\na: z\n"), json!({"+1": "x", "0x1F": "y", "a": "z"}));
    assert_eq!(read("<<: {+1: x}\n2: z\n"), json!({"1": "x", "2": "z"}));
}

#[test]
fn pointers_have_lines() {
    let text = "# first\n---\nspec: &spec\n  ports:\n  - 1\n  - name: a\n    port: 2\nother:\n  <<: *spec\n  a/b: {c: 1,\n    d: 2}\n";
    let (documents, _) = parse_documents(text.as_bytes(), &Limits::default());
    let cases = [
        ("", 3),
        ("/spec", 3),
        ("/spec/ports", 4),
        ("/spec/ports/1", 6),
        ("/spec/ports/1/port", 7),
        ("/other", 8),
        ("/other/ports/0", 5),
        ("/other/a~1b/d", 11),
        ("/other/absent/deep", 8),
    ];
    for (pointer, want) in cases {
        assert_eq!(documents[0].line_of(pointer), want, "{pointer}");
    }
}

#[test]
fn json_that_yaml_cannot_read_is_read_as_json() {
    let text = b"{\"a\": \"\\ud83d\\ude00\"}\n{\"b\": 1}\n";
    let (documents, problems) = parse_documents(text, &Limits::default());
    assert_eq!(problems, []);
    let read: Vec<_> = documents.iter().map(|document| (document.line, document.value.clone())).collect();
    assert_eq!(read, [(1, json!({"a": "😀"})), (2, json!({"b": 1}))]);
    assert_eq!(documents[1].line_of("/b"), 2);
}

#[test]
fn every_limit_holds() {
    let limits = Limits { max_bytes: 1000, max_depth: 5, max_alias_bytes: 100 };
    let bomb = "a: &a [x, x, x, x]\nb: &b [*a, *a, *a, *a]\nc: &c [*b, *b, *b, *b]\nd: [*c, *c, *c, *c]\n";
    let merges = "a: &a {x: 1, y: 2}\nb: &b {<<: [*a, *a, *a, *a, *a, *a]}\nc: {<<: [*b, *b, *b, *b, *b]}\n";
    let deep_alias = "a: &a [[[x]]]\nb: [[[*a]]]\n";
    for text in ["[[[[[[1]]]]]]", bomb, merges, deep_alias, &"x".repeat(1001)] {
        let (documents, problems) = parse_documents_as(Rules::Sigs, text.as_bytes(), &limits);
        assert!(documents.is_empty(), "{text}");
        assert_eq!(problems.iter().map(|problem| problem.kind).collect::<Vec<_>>(), [ProblemKind::Limit], "{text}");
    }
    assert!(parse_documents(b"[[[[[1]]]]]", &limits).1.is_empty());
}

#[test]
fn one_document_is_one() {
    let limits = Limits::default();
    assert_eq!(parse_one(b"a: 1\n", &limits), Ok(json!({"a": 1})));
    assert_eq!(parse_one(b"", &limits), Ok(json!(null)));
    let problems = parse_one(b"a: 1\n---\nb: 1\n", &limits).expect_err("are two");
    assert_eq!(problems[0].to_string(), "line 3, column 1: expected a single document");
}

#[test]
fn a_text_may_end_without_a_line_break() {
    for (text, want) in [
        ("a: |\n  x", "x"),
        ("a: |+\n  x", "x"),
        ("a: |+\n  x\n", "x\n"),
        ("a: |\n  x\n  ", "x\n"),
        ("a: |\n  x\n# c", "x\n"),
        ("a: >\n  x\n  y", "x y"),
        ("a: |-\n  x", "x"),
        ("a: x", "x"),
    ] {
        assert_eq!(parse_one(text.as_bytes(), &Limits::default()), Ok(json!({ "a": want })), "{text:?}");
    }
    assert_eq!(problems("a: \"\\").len(), 1);
}

#[test]
fn commas_are_part_of_tags_and_colons_of_plain_texts() {
    assert_eq!(problems("a: 1\nb: [!,x]\n").len(), 1);
    let read = |text: &str| parse_one(text.as_bytes(), &Limits::default());
    assert_eq!(read("a: [!x,y z, b]"), Ok(json!({"a": ["z", "b"]})));
    assert_eq!(read("[a:, b:c, {d:}]"), Ok(json!(["a:", "b:c", {"d:": null}])));
}

/// Cuts and joins pieces of the case files at random (from a fixed seed) and reads them: nothing may panic.
#[test]
fn no_text_panics() {
    let cases = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<_> = std::fs::read_dir(cases)
        .expect("the case folder is there")
        .map(|entry| entry.expect("is readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml" || extension == "txt"))
        .collect();
    files.sort();
    let texts: Vec<Vec<u8>> = files.iter().map(|path| std::fs::read(path).expect("is readable")).collect();
    let mut seed = 1_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below.max(1)
    };
    // The parser's own panics are caught; their words would only fill the output.
    std::panic::set_hook(Box::new(|_| {}));
    let mut texts_read = Vec::new();
    for _ in 0..3000 {
        let mut text = Vec::new();
        for _ in 0..=random(4) {
            let from = &texts[random(texts.len())];
            let start = random(from.len());
            text.extend_from_slice(&from[start..(start + random(60)).min(from.len())]);
            text.extend_from_slice(
                [": ", "\n", "- ", "&a ", "*a", "{", "]", "|2-\n", "\"", "? ", "\t", "%", "!!", "<<: "][random(14)]
                    .as_bytes(),
            );
        }
        for rules in [Rules::Sigs, Rules::SigsStrict, Rules::Kyaml] {
            let (documents, _) = parse_documents_as(rules, &text, &Limits::default());
            for document in documents {
                document.line_of("/a/0");
                let written = bowline_yaml::to_yaml(&document.value);
                texts_read.push(written);
            }
        }
    }
    drop(std::panic::take_hook());
    assert!(texts_read.len() > 1000, "{}", texts_read.len());
    assert!(texts_read.iter().all(|text| text.ends_with('\n')));
}
