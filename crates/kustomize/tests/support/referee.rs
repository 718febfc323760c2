//! Kustomize's library in a process of its own, and ours asked the same.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use bowline_kustomize::{Options, Order, build};
use bowline_tree::{MemoryTree, TreePath};
use serde_json::{Value, json};

/// The text that a tree is built to, or why it is not; an error of `panic` is one that Kustomize fell over.
pub(crate) type Answer = Result<String, String>;

/// A tree whose directory `top` is built.
pub(crate) struct Question {
    pub(crate) files: BTreeMap<String, String>,
    pub(crate) order: Order,
}

pub(crate) struct Referee {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Referee {
    /// `None` where `BOWLINE_KUSTOMIZE` names none.
    pub(crate) fn start() -> Option<Self> {
        let program = std::env::var_os("BOWLINE_KUSTOMIZE")?;
        let mut process =
            Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the referee starts");
        let input = process.stdin.take().expect("is piped");
        let output = BufReader::new(process.stdout.take().expect("is piped"));
        Some(Self { process, input, output })
    }

    /// Asks many at once: they are written while answers are read.
    pub(crate) fn ask(&mut self, questions: &[Question]) -> Vec<Answer> {
        let (input, output) = (&mut self.input, &mut self.output);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for Question { files, order } in questions {
                    let order = if *order == Order::Legacy { "legacy" } else { "none" };
                    let question = json!({"files": files, "path": "/top", "order": order});
                    writeln!(input, "{question}").expect("the referee listens");
                }
            });
            let mut line = String::new();
            let answers = questions.iter().map(|question| {
                line.clear();
                output.read_line(&mut line).expect("the referee answers");
                assert!(!line.is_empty(), "the referee died of {}", json!(question.files));
                let answer: Value = serde_json::from_str(&line).expect("the referee answers in JSON");
                match answer["err"].as_str() {
                    Some(why) => Err(why.to_owned()),
                    None => Ok(answer["out"].as_str().unwrap_or_default().to_owned()),
                }
            });
            answers.collect()
        })
    }
}

impl Drop for Referee {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// What we answer.
pub(crate) fn ours(question: &Question) -> Answer {
    let mut tree = MemoryTree::new();
    for (path, content) in &question.files {
        tree.insert(TreePath::parse(path).expect("is inside"), content.clone());
    }
    // As Kustomize calls itself where it is a library.
    let version = "(devel)".to_owned();
    let options = Options { order: question.order, version, ..Options::default() };
    let directory = TreePath::parse("top").expect("is inside");
    build(&tree, &directory, &options).map(|built| built.to_yaml()).map_err(|error| error.to_string())
}
