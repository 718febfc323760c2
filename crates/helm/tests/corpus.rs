//! Public charts, compared with what Helm printed for them. The corpus is not part of the project: `BOWLINE_CORPUS`
//! names it, and without it nothing is compared.

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bowline_helm::values::ValueSources;
use bowline_tree::{MemoryTree, TreePath};
use support::{Call, helm_template};

fn corpus() -> Option<PathBuf> {
    let named = std::env::var_os("BOWLINE_CORPUS").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    named.or(Some(beside)).map(|path| path.join("helm")).filter(|path| path.join("cases.tsv").is_file())
}

/// At least so many of the stable cases are equal; raised whenever more are.
const EQUAL: usize = 359;
/// At least so many of the failing cases fail with the same text.
const SAME_ERROR: usize = 68;

#[test]
fn public_charts_render_as_by_helm() {
    let Some(corpus) = corpus() else {
        eprintln!("skipped: no corpus");
        return;
    };
    let only = std::env::var("BOWLINE_CASE").ok();
    let cases = std::fs::read_to_string(corpus.join("cases.tsv")).expect("the corpus has cases");
    let mut results: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut stable, mut equal, mut errors, mut same) = (0, 0, 0, 0);
    for line in cases.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [id, chart, values, kind, ..] = fields[..] else { continue };
        if only.as_ref().is_some_and(|only| !id.contains(only.as_str())) {
            continue;
        }
        let directory = corpus.join(chart);
        let tree = read_tree(&directory).expect("the corpus can be read");
        let call = Call {
            name: "rel".to_owned(),
            namespace: "ns".to_owned(),
            kube_version: Some("1.34.0".to_owned()),
            values: ValueSources {
                files: if values == "-" { Vec::new() } else { vec![values.to_owned()] },
                ..ValueSources::default()
            },
            ..Call::default()
        };
        let read = |name: &str| std::fs::read(directory.join(name)).map_err(|error| error.to_string());
        let answer = match kind {
            "stable" | "error" => helm_template(&tree, &TreePath::root(), &call, &read),
            _ => continue,
        };
        if kind == "stable" {
            stable += 1;
            let want = std::fs::read(corpus.join("expected").join(format!("{id}.yaml"))).expect("has an answer");
            match answer {
                Ok(text) if text == want => equal += 1,
                Ok(text) => {
                    let difference = first_difference(&text, &want);
                    if only.is_some() {
                        eprintln!("{id}: {difference}");
                    }
                    results.entry("output differs".to_owned()).or_default().push(format!("{id}: {difference}"));
                }
                Err(error) => {
                    if only.is_some() {
                        eprintln!("{id}: {error}");
                    }
                    results.entry(sort_of(&error)).or_default().push(format!("{id}: {error}"));
                }
            }
        } else {
            errors += 1;
            let want = std::fs::read_to_string(corpus.join("expected").join(format!("{id}.error"))).expect("has one");
            // What Helm logs is no part of its error.
            let want: String = want.split_inclusive('\n').filter(|line| !line.starts_with("level=")).collect();
            match answer {
                Err(error) if format!("Error: {error}\n") == want || format!("Error: {error}") == want => same += 1,
                Err(error) => results
                    .entry("another error".to_owned())
                    .or_default()
                    .push(format!("{id}:\n      got:  {error:?}\n      want: {want:?}")),
                Ok(_) => results.entry("no error".to_owned()).or_default().push(format!("{id}: {want}")),
            }
        }
    }
    for (sort, cases) in &results {
        eprintln!("{} × {sort}", cases.len());
        for case in cases.iter().take(if std::env::var_os("BOWLINE_ALL").is_some() { usize::MAX } else { 3 }) {
            let text: String = case.chars().take(700).collect();
            eprintln!("    {text}");
        }
    }
    eprintln!("{equal} of {stable} equal; {same} of {errors} errors the same");
    if only.is_none() {
        assert!(equal >= EQUAL, "{equal} cases are equal, which were {EQUAL}");
        assert!(same >= SAME_ERROR, "{same} errors are the same, which were {SAME_ERROR}");
    }
}

/// Names what is wrong in a word or two, so that cases with one cause are counted together.
fn sort_of(error: &str) -> String {
    match error.split_once("function \"") {
        Some((_, rest)) if rest.contains("not defined") => {
            format!("function {} not defined", rest.split('"').next().unwrap_or(rest))
        }
        _ => error.split([':', '(']).next().unwrap_or(error).to_owned(),
    }
}

fn first_difference(got: &[u8], want: &[u8]) -> String {
    let (mut got_lines, mut want_lines) = (got.split(|byte| *byte == b'\n'), want.split(|byte| *byte == b'\n'));
    for number in 1.. {
        let (got, want) = (got_lines.next(), want_lines.next());
        if got != want {
            let show = |line: Option<&[u8]>| {
                line.map_or("(end)".to_owned(), |line| format!("{:?}", String::from_utf8_lossy(line)))
            };
            return format!("line {number}: got {}, want {}", show(got), show(want));
        }
        if got.is_none() {
            break;
        }
    }
    "nothing".to_owned()
}

/// Reads a directory into a tree, links followed.
fn read_tree(directory: &Path) -> std::io::Result<MemoryTree> {
    let mut tree = MemoryTree::new();
    let mut todo = vec![(directory.to_owned(), TreePath::root())];
    while let Some((from, to)) = todo.pop() {
        for entry in std::fs::read_dir(&from)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let (from, to) = (entry.path(), to.child(&name));
            if from.is_dir() {
                todo.push((from, to));
            } else if from.is_file() {
                tree.insert(to, std::fs::read(&from)?);
            }
        }
    }
    Ok(tree)
}
