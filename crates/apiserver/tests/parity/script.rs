//! Scripts: what is asked, step by step, and the file of answers beside it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// Which control plane a case is played on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plane {
    /// Only housekeeping goes on by itself.
    Quiet,
    /// All controllers run, and nodes.
    Busy,
}

/// One script.
pub(super) struct Case {
    /// `AREA/CASE`.
    pub(super) name: String,
    pub(super) plane: Plane,
    pub(super) steps: Vec<Step>,
    /// Whether it needs webhooks.
    pub(super) has_hooks: bool,
    path: PathBuf,
}

/// One step: a request and what is kept of its answer, or events of a watch.
pub(super) struct Step {
    /// The line of the file, from 1.
    pub(super) line: usize,
    /// What a report calls it.
    pub(super) title: String,
    pub(super) act: Act,
    /// Parts of the answer that are not compared.
    pub(super) ignore: Vec<String>,
    /// The only parts of the body that are compared.
    pub(super) only: Option<Vec<String>>,
    /// Why this step may differ.
    pub(super) waive: Option<String>,
    /// Parts of the answer that later steps use.
    pub(super) save: BTreeMap<String, String>,
    /// Whether the real server takes a while to act on what this step writes.
    pub(super) settle: bool,
}

pub(super) enum Act {
    Request {
        /// The whole step; its texts hold `${name}`s.
        raw: Value,
        /// The name of the watch it opens.
        watch: Option<String>,
    },
    Collect {
        watch: String,
        count: usize,
    },
    /// Tells the webhook at a path how to answer from now on.
    Hook {
        path: String,
        raw: Value,
    },
    /// Compares what webhooks were asked since the last such step.
    Reviews,
}

const KEYS: [&str; 22] = [
    "do",
    "headers",
    "body",
    "body64",
    "as",
    "save",
    "until",
    "until_len",
    "until_status",
    "watch",
    "collect",
    "count",
    "ignore",
    "because",
    "only",
    "waive",
    "plane",
    "why",
    "hook",
    "answer",
    "reviews",
    "settle",
];

impl Case {
    /// Reads a script; `name` is `AREA/CASE`.
    pub(super) fn read(name: &str, path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        let mut case = Self {
            name: name.to_owned(),
            plane: Plane::Quiet,
            steps: Vec::new(),
            has_hooks: text.contains("${hook"),
            path: path.to_owned(),
        };
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let line_number = index + 1;
            let raw: Value = serde_json::from_str(line).map_err(|error| format!("line {line_number}: {error}"))?;
            if let Some(plane) = raw["plane"].as_str() {
                case.plane = if plane == "busy" { Plane::Busy } else { Plane::Quiet };
                continue;
            }
            case.steps.push(Step::read(line_number, raw).map_err(|error| format!("line {line_number}: {error}"))?);
        }
        Ok(case)
    }

    fn answers(&self) -> PathBuf {
        self.path.with_extension("answers.jsonl")
    }

    /// Returns the recorded answers, one a step.
    pub(super) fn recorded(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.answers()).unwrap_or_default();
        let mut all: Vec<Value> =
            text.lines().skip(1).map(|line| serde_json::from_str(line).expect("a recorded answer is JSON")).collect();
        all.iter_mut().for_each(super::normal::sort_owners);
        all
    }

    /// Writes the answers beside the script.
    pub(super) fn record(&self, answers: &[Value]) {
        let mut text = format!("{}\n", json!({ "answered by": "kube-apiserver v1.35.4" }));
        for answer in answers {
            let _ = writeln!(text, "{answer}");
        }
        std::fs::write(self.answers(), text).expect("answers can be written");
    }
}

impl Step {
    fn read(line: usize, raw: Value) -> Result<Self, String> {
        for key in raw.as_object().ok_or("a step is an object")?.keys() {
            if !KEYS.contains(&key.as_str()) {
                return Err(format!("a step has no `{key}`"));
            }
        }
        let texts = |key: &str| -> Option<Vec<String>> {
            Some(raw[key].as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        };
        let ignore = texts("ignore").unwrap_or_default();
        if !ignore.is_empty() && !raw["because"].is_string() {
            return Err("`ignore` needs `because`".to_owned());
        }
        let save = raw["save"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, pointer)| (name.clone(), pointer.as_str().unwrap_or_default().to_owned()))
            .collect();
        let (title, act) = if let Some(watch) = raw["collect"].as_str() {
            let count = raw["count"].as_u64().ok_or("`collect` needs `count`")? as usize;
            (format!("collect {count} of {watch}"), Act::Collect { watch: watch.to_owned(), count })
        } else if let Some(path) = raw["hook"].as_str() {
            (format!("hook {path}"), Act::Hook { path: path.to_owned(), raw: raw["answer"].clone() })
        } else if raw["reviews"] == true {
            ("reviews".to_owned(), Act::Reviews)
        } else {
            let title = raw["do"].as_str().filter(|text| text.contains(' ')).ok_or("`do` is missing")?.to_owned();
            (title, Act::Request { watch: raw["watch"].as_str().map(str::to_owned), raw: raw.clone() })
        };
        let only = texts("only");
        let waive = raw["waive"].as_str().map(str::to_owned);
        let settle = raw["settle"] == true;
        Ok(Self { line, title, act, ignore, only, waive, save, settle })
    }
}
