//! Go-compatible YAML: what Kubernetes tools read is read the same here, with the place of every mistake.
//!
//! [`parse_documents`] reads a stream as `sigs.k8s.io/yaml` does (YAML 1.1 scalars, merge keys, anchors), or as
//! kyaml does when asked, and reports every broken document of the stream together. [`to_yaml`] writes in the
//! style of `sigs.k8s.io/yaml`. [`lossless`] edits a text in place and leaves all else as it stands.
//!
//! Scanning and parsing are `libyaml-safer`'s; what scalars mean, what limits hold and how values are written
//! is decided here. What the values mean to Kubernetes is left to others.
#![warn(missing_docs)]

mod compose;
mod emit;
mod go_problem;
mod go_syntax;
pub mod lossless;
pub mod nodes;
mod number;
mod pretty;
mod problem;
mod quick;
mod resolve;
mod scanner;
mod sort;
mod split;
mod timestamp;
mod value;

pub use emit::to_yaml;
pub use go_problem::go_words;
pub use pretty::{Pretty, to_yaml_pretty};
pub use problem::{Problem, ProblemKind};

use serde_json::Value;

/// How much of a text is read before it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one text.
    pub max_bytes: usize,
    /// Maps and lists inside each other.
    pub max_depth: usize,
    /// What aliases and merge keys may add to one document, in bytes of text plus one for each value: an
    /// alias bomb is a few lines that stand for gigabytes.
    pub max_alias_bytes: usize,
}

impl Default for Limits {
    /// 10 MiB of text (Argo CD's cap on the manifests of an app), 200 levels, 10 MiB from aliases.
    fn default() -> Self {
        Self { max_bytes: 10 << 20, max_depth: 200, max_alias_bytes: 10 << 20 }
    }
}

/// Whose reading of YAML is followed where Go's libraries disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// `sigs.k8s.io/yaml`, as kubectl, Argo CD and Helm read: `yes`, `on` and `y` are booleans, timestamps
    /// stay as written, and of a key that is there twice the last counts.
    Sigs,
    /// The same, but a key that is there twice is an error.
    SigsStrict,
    /// kyaml (go-yaml v3), as Kustomize and so Flux read: only `true` and `false` are booleans, timestamps
    /// are put into RFC 3339, and a key that is there twice is an error.
    Kyaml,
}

/// One document of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Document<'t> {
    /// What it says.
    pub value: Value,
    /// The line its content begins at, from 1.
    pub line: u32,
    /// The part of the stream it was read from, and its place there: enough to read it again.
    chunk: split::Chunk<'t>,
    index: usize,
}

impl Document<'_> {
    /// Returns the line of what a JSON pointer (`/spec/replicas`) names, from 1.
    ///
    /// Of a map entry that is the line of its key; an entry that came by an alias or a merge key has the line
    /// where it is written. What is not in the document has the line of the nearest parent that is. Reads the
    /// document again: meant for problems, not for every object.
    pub fn line_of(&self, pointer: &str) -> u32 {
        let (trees, _) = compose::compose(&self.chunk, usize::MAX);
        trees.get(self.index).map_or(self.line, |tree| tree.line_of(pointer))
    }
}

/// Reads every document of `text`, as `sigs.k8s.io/yaml` does in its strict form.
///
/// Documents are separated by `---` and stand alone: a broken one does not hide those before and after it.
/// Documents that say nothing (comments, `null`) are left out. The problems are in the order of the text.
pub fn parse_documents<'t>(text: &'t [u8], limits: &Limits) -> (Vec<Document<'t>>, Vec<Problem>) {
    parse_documents_as(Rules::SigsStrict, text, limits)
}

/// Reads every document of `text` by the given rules; see [`parse_documents`].
pub fn parse_documents_as<'t>(rules: Rules, text: &'t [u8], limits: &Limits) -> (Vec<Document<'t>>, Vec<Problem>) {
    let mut documents = Vec::new();
    let mut problems = Vec::new();
    if text.len() > limits.max_bytes {
        let message = format!("the text is {} bytes, more than the limit of {}", text.len(), limits.max_bytes);
        problems.push(Problem::new(ProblemKind::Limit, 1, 1, message));
        return (documents, problems);
    }
    for chunk in split::chunks(text) {
        match quick::read(&chunk, rules, limits.max_depth, &|_| true) {
            Some(quick::Read::Document(value, line)) => documents.push(Document { value, line, chunk, index: 0 }),
            Some(quick::Read::Nothing) => {}
            None => read_fully(rules, chunk, limits, &mut documents, &mut problems),
        }
    }
    problems.sort();
    (documents, problems)
}

/// Reads the documents of a piece of a stream, whatever is in it.
fn read_fully<'t>(
    rules: Rules,
    chunk: split::Chunk<'t>,
    limits: &Limits,
    documents: &mut Vec<Document<'t>>,
    problems: &mut Vec<Problem>,
) {
    let (trees, broken) = compose::compose(&chunk, limits.max_depth);
    if let Some(problem) = broken {
        if let Some(values) = value::json_stream(&chunk) {
            // JSON that YAML cannot read (surrogate escapes, values one after the other) is JSON all the same.
            documents.extend(values.into_iter().map(|(value, line)| Document { value, line, chunk, index: 0 }));
            return;
        }
        problems.push(problem);
    }
    for (index, tree) in trees.iter().enumerate() {
        match value::to_json(tree, rules, limits) {
            Ok(Value::Null) => {}
            Ok(value) => documents.push(Document { value, line: tree.line(), chunk, index }),
            Err(found) => problems.extend(found),
        }
    }
}

/// Reads the first document of a text, whatever follows it, as Go's `yaml.Unmarshal` does; an empty one is `null`.
///
/// # Errors
///
/// The first problem of the document.
pub fn parse_first_as(rules: Rules, text: &[u8], limits: &Limits) -> Result<Value, Problem> {
    parse_first_of(rules, text, limits, &|_| true)
}

/// Reads the first document of a text as [`parse_first_as`] does, for those who ask for a few entries of the map at its
/// top: the others may be missing from it, and are checked all the same.
///
/// # Errors
///
/// The first problem of the document.
pub fn parse_first_of(
    rules: Rules,
    text: &[u8],
    limits: &Limits,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Value, Problem> {
    if text.len() > limits.max_bytes {
        let message = format!("the text is {} bytes, more than the limit of {}", text.len(), limits.max_bytes);
        return Err(Problem::new(ProblemKind::Limit, 1, 1, message));
    }
    let Some(chunk) = split::chunks(text).into_iter().next() else { return Ok(Value::Null) };
    match quick::read(&chunk, rules, limits.max_depth, wanted) {
        Some(quick::Read::Document(value, _)) => return Ok(value),
        Some(quick::Read::Nothing) => return Ok(Value::Null),
        None => {}
    }
    let (trees, broken) = compose::compose(&chunk, limits.max_depth);
    match (trees.first(), broken) {
        (Some(tree), _) => value::to_json(tree, rules, limits).map_err(|mut problems| {
            problems.sort();
            problems.swap_remove(0)
        }),
        (None, Some(problem)) => Err(problem),
        (None, None) => Ok(Value::Null),
    }
}

/// Reads a text that must hold exactly one document, by the rules of [`parse_documents`].
///
/// An empty text is `null`, as it is to Go.
pub fn parse_one(text: &[u8], limits: &Limits) -> Result<Value, Vec<Problem>> {
    let (documents, mut problems) = parse_documents(text, limits);
    if let Some(second) = documents.get(1) {
        problems.push(Problem::new(ProblemKind::Syntax, second.line, 1, "expected a single document".to_owned()));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(documents.into_iter().next().map_or(Value::Null, |document| document.value))
}
