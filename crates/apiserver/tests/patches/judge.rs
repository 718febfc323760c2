//! The Go program, asked over its standard streams.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;

use serde_json::{Value, json};

/// A running `conformance/patches`.
pub(crate) struct Judge {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Judge {
    /// Starts the program that `BOWLINE_PATCHES` names; `None` when it names none.
    pub(crate) fn from_environment() -> Option<Self> {
        let program = std::env::var_os("BOWLINE_PATCHES")?;
        let mut child = Command::new(&program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("holds because it is piped"));
        Some(Self { child, input, output })
    }

    /// Gives it OpenAPI documents.
    pub(crate) fn teach<'a>(&mut self, documents: impl IntoIterator<Item = &'a Value>) {
        let input = self.input.as_mut().expect("holds because it is put back after every use");
        for document in documents {
            writeln!(input, "{}", json!({ "openapi": document })).expect("the program listens");
        }
    }

    /// Asks several questions; returns the answers to each.
    pub(crate) fn ask(&mut self, questions: &[Value]) -> Vec<Vec<Value>> {
        let mut input = self.input.take().expect("holds because it is put back after every use");
        thread::scope(|scope| {
            // It answers while it is asked, so somebody must listen meanwhile.
            let asking = scope.spawn(move || {
                for question in questions {
                    writeln!(input, "{question}").expect("the program listens");
                }
                input.flush().expect("the program listens");
                input
            });
            let answers = questions
                .iter()
                .map(|question| {
                    let mut line = String::new();
                    self.output.read_line(&mut line).expect("the program answers");
                    let reply: Value =
                        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}\nafter {question}"));
                    reply["answers"].as_array().cloned().unwrap_or_default()
                })
                .collect();
            self.input = Some(asking.join().expect("the asking thread does not panic"));
            answers
        })
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        self.input = None;
        self.child.wait().ok();
    }
}
