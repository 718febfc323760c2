//! Texts to nodes, as kyaml reads them: documents one by one, aliases and merge keys resolved.

use std::borrow::Cow;

use bowline_yaml::nodes::{self as written, Held, Style, Tag};
use bowline_yaml::{Problem, ProblemKind};
use serde_json::Value;

use crate::error::BuildError;
use crate::node::{Kind, Node, NodeId, Store};

/// Maps and lists inside each other.
const MAX_DEPTH: usize = 200;
/// What aliases and merge keys may add to one document, in nodes.
const MAX_FROM_ALIASES: usize = 1_000_000;

/// Reads every document of a text; lists of objects are taken apart.
pub(crate) fn read_objects(store: &mut Store, text: &[u8]) -> Result<Vec<NodeId>, BuildError> {
    let nodes = read_documents(store, text)?;
    let nodes = without_bad(store, nodes)?;
    expand_lists(store, nodes)
}

/// Reads every document of a text that says something.
pub(crate) fn read_documents(store: &mut Store, text: &[u8]) -> Result<Vec<NodeId>, BuildError> {
    let text = String::from_utf8_lossy(text);
    let text: Cow<'_, str> = if text.contains("\r\n") { text.replace("\r\n", "\n").into() } else { text };
    let pieces = split_documents(&text)?;
    let is_alone = pieces.len() == 1;
    let mut documents = Vec::new();
    for piece in pieces {
        let Some(root) = read_one(store, piece)? else { continue };
        if store[root].is_null() {
            continue;
        }
        let kind = store.field_text(root, "kind");
        let is_list = is_alone && matches!(kind, "List" | "ResourceList");
        match store.field(root, "items") {
            Some(items) if is_list => documents.extend(store[items].content.clone()),
            None if is_list && store.field(root, "functionConfig").is_some() => {}
            _ => documents.push(root),
        }
    }
    Ok(documents)
}

/// Reads the first document of a text; nothing where there is none.
pub(crate) fn read_one(store: &mut Store, text: &str) -> Result<Option<NodeId>, BuildError> {
    let before = store.len();
    if let Some(root) = written::read_usual(text, MAX_DEPTH, &mut Usual { store }) {
        return Ok(Some(root));
    }
    store.forget_from(before);
    let nodes = written::read(text.as_bytes(), MAX_DEPTH)
        .map_err(|problem| BuildError::malformed(format!("MalformedYAMLError: {}", problem_text(&problem))))?;
    if nodes.is_empty() {
        return Ok(None);
    }
    let mut builder = Builder { store, nodes: &nodes, from_aliases: 0, in_alias: false };
    builder.node(0).map(Some)
}

/// Cuts a text at the lines that begin with `---`, but for the first line.
fn split_documents(text: &str) -> Result<Vec<&str>, BuildError> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut from = 0;
    while let Some(at) = text[from..].find("\n---").map(|at| at + from) {
        let Some(end) = text[at + 1..].find('\n').map(|end| end + at + 1) else { break };
        let after = text[at + 4..end].trim();
        if !after.is_empty() && !after.starts_with('#') {
            return Err(BuildError::new(format!("invalid document separator: {}", text[at..end].trim())));
        }
        // The line end before the separator stays with the document.
        pieces.push(&text[start..=at]);
        start = end + 1;
        // The separator's own line end is gone: another separator right after it is not seen.
        from = start;
    }
    if !text.is_empty() {
        pieces.push(&text[start..]);
    }
    Ok(pieces)
}

/// Tells of a problem as go-yaml does.
pub(crate) fn problem_text(problem: &Problem) -> String {
    if problem.kind == ProblemKind::Limit {
        return format!("yaml: line {}: {}", problem.line, problem.message);
    }
    let message = problem.message.split(" while ").next().unwrap_or(&problem.message);
    let by_parser = ["did not find expected", "unknown anchor", "found undefined tag", "found duplicate"];
    let is_of_parser = by_parser.iter().any(|words| message.starts_with(words));
    // go-yaml counts the lines of its parser from 0, and never tells of the first.
    let line = if is_of_parser { problem.line.saturating_sub(1) } else { problem.line };
    if message.starts_with("unknown anchor") || line == 0 {
        return format!("yaml: {message}");
    }
    format!("yaml: line {line}: {message}")
}

/// Makes nodes right away of a text that is as programs write it.
struct Usual<'a> {
    store: &'a mut Store,
}

impl written::Make for Usual<'_> {
    type Made = NodeId;

    fn scalar(&mut self, text: &str, style: Style, tag: Tag) -> NodeId {
        let text = self.store.shared_if_short(text);
        self.store.add(Node { tag, style, text, ..Node::new(Kind::Scalar) })
    }

    fn key(&mut self, text: &str, style: Style, tag: Tag) -> NodeId {
        let text = self.store.word(text);
        self.store.add(Node { tag, style, text, ..Node::new(Kind::Scalar) })
    }

    fn list(&mut self, items: Vec<NodeId>) -> NodeId {
        self.store.add(Node { content: items, tag: Tag::List, ..Node::new(Kind::List) })
    }

    fn map(&mut self, entries: Vec<NodeId>) -> NodeId {
        self.store.add(Node { content: entries, tag: Tag::Map, ..Node::new(Kind::Map) })
    }
}

struct Builder<'a> {
    store: &'a mut Store,
    nodes: &'a [written::Node],
    from_aliases: usize,
    in_alias: bool,
}

impl Builder<'_> {
    fn node(&mut self, id: usize) -> Result<NodeId, BuildError> {
        let nodes = self.nodes;
        let from = &nodes[id];
        if self.in_alias {
            self.from_aliases += 1;
            if self.from_aliases > MAX_FROM_ALIASES {
                return Err(BuildError::limit(
                    format!("yaml: line {}: document contains excessive aliasing", from.line),
                    "write out what the aliases stand for: they may not add more than a million values",
                ));
            }
        }
        match &from.held {
            Held::Alias(target) => {
                let before = std::mem::replace(&mut self.in_alias, true);
                let made = self.node(*target);
                self.in_alias = before;
                made
            }
            Held::Scalar(text, style) => {
                let text = self.store.shared_if_short(text);
                let node =
                    Node { text, style: *style, tag: from.tag, is_tagged: from.is_tagged, ..Node::new(Kind::Scalar) };
                Ok(self.store.add(node))
            }
            Held::List(items) => {
                let content = items.iter().map(|item| self.node(*item)).collect::<Result<_, _>>()?;
                Ok(self.store.add(Node { content, tag: from.tag, ..Node::new(Kind::List) }))
            }
            Held::Map(entries) => self.map(from, entries),
        }
    }

    fn map(&mut self, from: &written::Node, entries: &[(usize, usize)]) -> Result<NodeId, BuildError> {
        let mut content = Vec::with_capacity(entries.len() * 2);
        let mut merged = None;
        for &(key, value) in entries {
            if self.nodes[key].tag == Tag::Merge {
                if merged.replace(value).is_some() {
                    return Err(BuildError::new("duplicate merge key".to_owned()));
                }
                continue;
            }
            let key = self.key(key)?;
            let value = self.node(value)?;
            content.extend([key, value]);
        }
        let map = self.store.add(Node { content, tag: from.tag, ..Node::new(Kind::Map) });
        if let Some(merged) = merged {
            let own = self.store[map].content.len();
            for source in self.merge_sources(merged)? {
                self.merge(map, source, own)?;
            }
        }
        Ok(map)
    }

    fn key(&mut self, id: usize) -> Result<NodeId, BuildError> {
        match &self.nodes[id].held {
            Held::Scalar(text, style) => {
                let text = self.store.word(text);
                let (tag, style) = (self.nodes[id].tag, *style);
                Ok(self.store.add(Node { tag, style, text, ..Node::new(Kind::Scalar) }))
            }
            _ => self.node(id),
        }
    }

    /// The maps that a merge key names, the last first: what comes later in the result wins.
    fn merge_sources(&self, value: usize) -> Result<Vec<usize>, BuildError> {
        let refused = |message: &str| Err(BuildError::new(message.to_owned()));
        match &self.nodes[value].held {
            Held::Map(_) => Ok(vec![value]),
            Held::Alias(target) => match self.nodes[*target].held {
                Held::Map(_) => Ok(vec![*target]),
                _ => refused("invalid map merge: received alias for a non-map value"),
            },
            Held::List(items) => {
                let mut sources = Vec::new();
                for item in items.iter().rev() {
                    if matches!(self.nodes[*item].held, Held::List(_)) {
                        return refused("invalid map merge: received a nested sequence");
                    }
                    sources.extend(self.merge_sources(*item)?);
                }
                Ok(sources)
            }
            Held::Scalar(..) => refused("map merge requires map or sequence of maps as the value"),
        }
    }

    /// Adds the entries of a map to another, whose first entries are its own and stay.
    fn merge(&mut self, map: NodeId, source: usize, own: usize) -> Result<(), BuildError> {
        let before = std::mem::replace(&mut self.in_alias, true);
        let source = self.node(source);
        self.in_alias = before;
        for pair in self.store[source?].content.clone().chunks_exact(2) {
            let content = &self.store[map].content;
            let name = &self.store[pair[0]].text;
            match (0..content.len()).step_by(2).find(|at| self.store[content[*at]].text == *name) {
                Some(at) if at < own => {}
                Some(at) => self.store[map].content[at + 1] = pair[1],
                None => self.store[map].content.extend_from_slice(pair),
            }
        }
        Ok(())
    }
}

/// Leaves out what says nothing, and refuses what is no object.
fn without_bad(store: &Store, nodes: Vec<NodeId>) -> Result<Vec<NodeId>, BuildError> {
    let mut good = Vec::with_capacity(nodes.len());
    for node in nodes {
        if store[node].is_empty() {
            continue;
        }
        store.validate_metadata(node)?;
        good.push(node);
    }
    Ok(good)
}

/// Puts the items of a list of objects (`ConfigMapList`) at the end of all.
fn expand_lists(store: &mut Store, nodes: Vec<NodeId>) -> Result<Vec<NodeId>, BuildError> {
    if !nodes.iter().any(|node| store.field_text(*node, "kind").ends_with("List")) {
        return Ok(nodes);
    }
    let mut queue = std::collections::VecDeque::from(nodes);
    let mut result = Vec::new();
    while let Some(node) = queue.pop_front() {
        let kind = store.field_text(node, "kind").to_owned();
        if !kind.ends_with("List") || store.field(node, "items").is_none() {
            result.push(node);
            continue;
        }
        let map = store.value(node).map_err(|why| {
            let text = store.write(node);
            BuildError::new(format!(
                "trouble expanding list of {kind}; received error {why} for the following resource:\n{text}"
            ))
        })?;
        match &map["items"] {
            Value::Null => {}
            Value::Array(items) => {
                for item in items {
                    let inner = read_documents(store, crate::build::go_json(item).as_bytes())?;
                    queue.extend(without_bad(store, inner)?);
                }
            }
            other => {
                let found = go_type(other);
                return Err(BuildError::new(format!("expected array in {kind}/items, but found {found}")));
            }
        }
    }
    Ok(result)
}

/// The Go type that a value is decoded into.
pub(crate) fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}
