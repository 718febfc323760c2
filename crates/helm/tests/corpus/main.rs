//! Public charts, compared with what Helm printed for them. The corpus is not part of the project: `BOWLINE_CORPUS`
//! names it, and without it nothing is compared.
//!
//! Where `BOWLINE_CLIENTS` names the folder of the real Helm, it is asked once more wherever its recorded answer is not ours:
//! answers were recorded on whole charts, and some of the corpus are not. It is asked about charts that are random, too.

#[path = "../support/mod.rs"]
mod support;

mod documents;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use bowline_helm::values::ValueSources;
use bowline_tree::{MemoryTree, TreePath};
use documents::{Older, departure, documents, older};
use support::{Call, helm_template};

fn corpus() -> Option<PathBuf> {
    let named = std::env::var_os("BOWLINE_CORPUS").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    named.or(Some(beside)).map(|path| path.join("helm")).filter(|path| path.join("cases.tsv").is_file())
}

/// At least so many of the stable cases are equal; raised whenever more are.
const EQUAL: usize = 359;
/// At least so many of the failing cases fail with the same text.
const SAME_ERROR: usize = 71;

/// A chart with values.
struct Case<'c> {
    id: &'c str,
    directory: PathBuf,
    values: Option<&'c str>,
}

/// What came of the comparisons: how many cases came to what, and which.
#[derive(Default)]
struct Tally(BTreeMap<(String, String), Vec<String>>);

impl Tally {
    fn add(&mut self, of: &str, what: &str, case: String) {
        self.0.entry((of.to_owned(), what.to_owned())).or_default().push(case);
    }

    fn count(&self, of: &str, what: &str) -> usize {
        self.0.get(&(of.to_owned(), what.to_owned())).map_or(0, Vec::len)
    }

    /// Prints the counts; of what is not equal, the cases too.
    fn print(&self) {
        let all = std::env::var_os("BOWLINE_ALL").is_some();
        for ((of, what), cases) in &self.0 {
            eprintln!("{of}: {} {what}", cases.len());
            if what.starts_with(EQUAL_WORDS) && !all {
                continue;
            }
            for case in cases {
                let case: String = case.chars().take(if all { 4000 } else { 400 }).collect();
                eprintln!("    {}", case.trim_end().replace('\n', "\n        "));
            }
        }
    }
}

/// What the outcomes that need no more words begin with.
const EQUAL_WORDS: &str = "equal";
/// Outcomes that are as good as equal to what is recorded.
const NOT_WHOLE: &str = "equal to what Helm says now: the chart is not whole in the corpus";

#[test]
fn public_charts_render_as_by_helm() {
    let Some(corpus) = corpus() else {
        eprintln!("skipped: no corpus");
        return;
    };
    let helm = std::env::var_os("BOWLINE_CLIENTS").map(|folder| PathBuf::from(folder).join("helm4"));
    let only = std::env::var("BOWLINE_CASE").ok();
    let cases = std::fs::read_to_string(corpus.join("cases.tsv")).expect("the corpus has cases");
    let mut tally = Tally::default();
    for line in cases.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [id, chart, values, kind, helm3, ..] = fields[..] else { continue };
        if only.as_ref().is_some_and(|only| !id.contains(only.as_str())) {
            continue;
        }
        let case = Case { id, directory: corpus.join(chart), values: (values != "-").then_some(values) };
        let ours = render(&case);
        let recorded =
            |ending: &str| std::fs::read_to_string(corpus.join("expected").join(format!("{id}.{ending}"))).ok();
        let ask = || helm.as_deref().map(|helm| ask(helm, &case));
        match kind {
            "stable" => stable(&case, &ours, &recorded("yaml").unwrap_or_default(), &ask, &mut tally),
            "random" => random(&case, &ours, &recorded("yaml").unwrap_or_default(), &ask, &mut tally),
            _ => failing(&case, &ours, &recorded("error").unwrap_or_default(), &ask, &mut tally),
        }
        if let (Ok(ours), "stable") = (&ours, kind) {
            let difference = match (helm3, recorded("helm3.yaml")) {
                ("differs", Some(text)) => older(&documents(ours), &documents(text.as_bytes())),
                _ => Older::Same,
            };
            let (what, more) = match difference {
                Older::Same => ("equal documents", String::new()),
                Older::Order => ("equal documents in another order: webhooks have a place in Helm 4's", String::new()),
                Older::Nulls => ("differ by nulls of defaults, which Helm 4 leaves out", String::new()),
                Older::Other(more) => ("differ otherwise", format!(": {more}")),
            };
            tally.add("Helm 3", what, format!("{id}{more}"));
        }
    }
    tally.print();
    if only.is_none() {
        let equal = tally.count("stable", EQUAL_WORDS);
        let same = tally.count("failing", EQUAL_WORDS);
        assert!(equal >= EQUAL, "{equal} cases are equal, which were {EQUAL}");
        assert!(same >= SAME_ERROR, "{same} errors are the same, which were {SAME_ERROR}");
        let wrong = tally.count("stable", "differ") + tally.count("random", "differ");
        assert!(helm.is_none() || wrong == 0, "{wrong} cases differ");
    }
}

fn stable(
    case: &Case<'_>,
    ours: &Result<Vec<u8>, String>,
    want: &str,
    ask: &dyn Fn() -> Option<Result<String, String>>,
    tally: &mut Tally,
) {
    let (what, more) = match ours {
        Ok(text) if text == want.as_bytes() => (EQUAL_WORDS, String::new()),
        ours => match ask() {
            Some(now) if same(ours, &now) => (NOT_WHOLE, String::new()),
            _ => match ours {
                Ok(text) => ("differ", first_difference(text, want.as_bytes())),
                Err(error) => ("differ", error.clone()),
            },
        },
    };
    tally.add("stable", what, format!("{}: {more}", case.id));
}

fn random(
    case: &Case<'_>,
    ours: &Result<Vec<u8>, String>,
    want: &str,
    ask: &dyn Fn() -> Option<Result<String, String>>,
    tally: &mut Tally,
) {
    let (what, more) = match (ours, ask()) {
        (Ok(ours), Some(Ok(now))) => {
            let differs =
                |other: &str| departure(&documents(ours), &documents(other.as_bytes()), &documents(now.as_bytes()));
            match differs(want) {
                None => ("equal but for what changes from run to run", String::new()),
                // Two answers of today tell what changes, where the recorded one is of other files.
                Some(place) => match ask() {
                    Some(Ok(again)) if differs(&again).is_none() => (NOT_WHOLE, String::new()),
                    _ => ("differ", place),
                },
            }
        }
        (ours, Some(now)) if same(ours, &now) => (NOT_WHOLE, String::new()),
        (Ok(_), Some(Err(error))) => ("differ", error),
        (Ok(_), None) => ("rendered; only Helm itself tells what changes from run to run", String::new()),
        (Err(error), _) => ("differ", error.clone()),
    };
    tally.add("random", what, format!("{}: {more}", case.id));
}

fn failing(
    case: &Case<'_>,
    ours: &Result<Vec<u8>, String>,
    want: &str,
    ask: &dyn Fn() -> Option<Result<String, String>>,
    tally: &mut Tally,
) {
    let want = error_text(want);
    let (what, more) = match ours {
        Err(error) if error.trim_end() == want => (EQUAL_WORDS, String::new()),
        ours => match (ours, ask()) {
            (ours, Some(now)) if same(ours, &now) => (NOT_WHOLE, String::new()),
            (Err(_), _) if want.starts_with("panic: ") => ("failed in both: Helm crashes", String::new()),
            (Err(error), _) if want.contains("HTTP request failed") => {
                ("failed in both: a schema elsewhere is refused, not fetched", error.clone())
            }
            (Err(error), _) => ("failed in both, in other words", format!("\ngot:  {error:?}\nwant: {want:?}")),
            (Ok(_), _) => ("differ", want.clone()),
        },
    };
    tally.add("failing", what, format!("{}: {more}", case.id));
}

fn same(ours: &Result<Vec<u8>, String>, now: &Result<String, String>) -> bool {
    match (ours, now) {
        (Ok(ours), Ok(now)) => ours == now.as_bytes(),
        (Err(ours), Err(now)) => ours.trim_end() == now,
        _ => false,
    }
}

fn render(case: &Case<'_>) -> Result<Vec<u8>, String> {
    let tree = read_tree(&case.directory).expect("the corpus can be read");
    let call = Call {
        name: "rel".to_owned(),
        namespace: "ns".to_owned(),
        kube_version: Some("1.34.0".to_owned()),
        values: ValueSources { files: case.values.map(str::to_owned).into_iter().collect(), ..ValueSources::default() },
        ..Call::default()
    };
    let read = |name: &str| std::fs::read(case.directory.join(name)).map_err(|error| error.to_string());
    helm_template(&tree, &TreePath::root(), &call, &read)
}

/// Asks the real Helm about the files that are there now.
fn ask(helm: &Path, case: &Case<'_>) -> Result<String, String> {
    let mut command = Command::new(helm);
    command.args(["template", "rel"]).arg(&case.directory);
    command.args(["--namespace", "ns", "--include-crds", "--kube-version", "1.34.0"]);
    if let Some(values) = case.values {
        command.arg("-f").arg(case.directory.join(values));
    }
    let output = command.output().expect("helm runs");
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(error_text(&String::from_utf8_lossy(&output.stderr)))
}

/// What Helm logs is no part of its error.
fn error_text(text: &str) -> String {
    let text: String = text.split_inclusive('\n').filter(|line| !line.starts_with("level=")).collect();
    text.strip_prefix("Error: ").unwrap_or(&text).trim_end().to_owned()
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
