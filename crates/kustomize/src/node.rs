//! The nodes of all documents of a build, each with its own identity.
//!
//! Kustomize changes a tree of pointers in place, and where one node hangs in two places a change of it is seen in
//! both: a label that `commonLabels` set in `metadata` and in a selector is one node. So nodes are kept by number, and
//! maps and lists hold numbers.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use bowline_yaml::nodes::{self, Style, Tag};
use serde_json::{Map, Value};

/// The number of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId(u32);

/// What a node holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing at all: a node that was made and never written.
    Nothing,
    Scalar,
    List,
    Map,
}

impl Kind {
    /// Kustomize's name of the kind, for messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Scalar => "ScalarNode",
            Self::List => "SequenceNode",
            Self::Map => "MappingNode",
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) tag: Tag,
    pub(crate) style: Style,
    /// Whether the tag is to be written, whatever the text means.
    pub(crate) is_tagged: bool,
    pub(crate) text: Rc<str>,
    /// The items of a list; the keys and values of a map in turn.
    pub(crate) content: Vec<NodeId>,
}

impl Node {
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            tag: Tag::Implicit,
            style: Style::Plain,
            is_tagged: false,
            text: Rc::default(),
            content: Vec::new(),
        }
    }

    /// A scalar whose text decides what it means.
    pub(crate) fn scalar(text: &str) -> Self {
        Self { text: text.into(), ..Self::new(Kind::Scalar) }
    }

    /// A scalar that is a text.
    pub(crate) fn text(text: &str) -> Self {
        let style = if text.contains('\n') { Style::Literal } else { Style::Plain };
        Self { tag: Tag::Text, style, ..Self::scalar(text) }
    }

    pub(crate) fn is_null(&self) -> bool {
        self.tag == Tag::Null
    }

    fn is_zero(&self) -> bool {
        self.kind == Kind::Nothing && self.tag == Tag::Implicit && self.text.is_empty() && self.content.is_empty()
    }

    /// Tells whether a node says nothing: null, or without entries.
    pub(crate) fn is_empty(&self) -> bool {
        self.is_null() || (matches!(self.kind, Kind::Map | Kind::List) && self.content.is_empty()) || self.is_zero()
    }

    pub(crate) fn is_text(&self) -> bool {
        self.kind == Kind::Scalar && matches!(self.tag, Tag::Text | Tag::Implicit)
    }
}

/// How many nodes lie together. They do not all lie in one place: that would be copied, and be there twice, as it grows.
const PAGE: usize = 1 << 10;

/// All nodes of a build.
#[derive(Debug, Default)]
pub(crate) struct Store {
    /// All but the last are full.
    pages: Vec<Vec<Node>>,
    /// Texts of keys and short values, which are few and everywhere.
    words: HashSet<Rc<str>>,
}

impl std::ops::Index<NodeId> for Store {
    type Output = Node;
    fn index(&self, id: NodeId) -> &Node {
        &self.pages[id.0 as usize / PAGE][id.0 as usize % PAGE]
    }
}

impl std::ops::IndexMut<NodeId> for Store {
    fn index_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.pages[id.0 as usize / PAGE][id.0 as usize % PAGE]
    }
}

impl Store {
    pub(crate) fn add(&mut self, node: Node) -> NodeId {
        let id =
            u32::try_from(self.len()).expect("holds because a build has a limit far below four milliards of nodes");
        match self.pages.last_mut().filter(|page| page.len() < PAGE) {
            Some(page) => page.push(node),
            None => {
                // Small builds have few nodes.
                let mut page = Vec::with_capacity(if self.pages.is_empty() { PAGE / 8 } else { PAGE });
                page.push(node);
                self.pages.push(page);
            }
        }
        NodeId(id)
    }

    /// The number of nodes there are, used or not.
    pub(crate) fn len(&self) -> usize {
        self.pages.last().map_or(0, |last| (self.pages.len() - 1) * PAGE + last.len())
    }

    /// Forgets the nodes that were made last, which hang nowhere.
    pub(crate) fn forget_from(&mut self, len: usize) {
        self.pages.truncate(len.div_ceil(PAGE));
        if let Some(last) = self.pages.last_mut() {
            last.truncate(len - (len - 1) / PAGE * PAGE);
        }
    }

    /// Returns a text of a value: short ones are there many times (`string`, `true`, `80`).
    pub(crate) fn shared_if_short(&mut self, text: &str) -> Rc<str> {
        const SHORT: usize = 16;
        if text.len() <= SHORT { self.word(text) } else { text.into() }
    }

    /// Returns a text that many nodes share.
    pub(crate) fn word(&mut self, text: &str) -> Rc<str> {
        if let Some(word) = self.words.get(text) {
            return Rc::clone(word);
        }
        let word: Rc<str> = text.into();
        self.words.insert(Rc::clone(&word));
        word
    }

    /// A key of a map.
    pub(crate) fn key(&mut self, text: &str) -> NodeId {
        let text = self.word(text);
        self.add(Node { text, ..Node::new(Kind::Scalar) })
    }

    /// Copies a node and all below it; what hangs in two places below it hangs there once for each.
    pub(crate) fn copy(&mut self, id: NodeId) -> NodeId {
        let mut node = self[id].clone();
        for child in &mut node.content {
            *child = self.copy(*child);
        }
        self.add(node)
    }

    /// Copies a node and all below it; what hangs in two places is one node in the copy, too.
    pub(crate) fn copy_exactly(&mut self, id: NodeId, copies: &mut HashMap<NodeId, NodeId>) -> NodeId {
        if let Some(copy) = copies.get(&id) {
            return *copy;
        }
        let mut node = self[id].clone();
        for child in &mut node.content {
            *child = self.copy_exactly(*child, copies);
        }
        let copy = self.add(node);
        copies.insert(id, copy);
        copy
    }

    /// Writes one node over another: all places where the other hangs see it.
    pub(crate) fn overwrite(&mut self, id: NodeId, by: NodeId) {
        if id != by {
            self[id] = self[by].clone();
        }
    }

    /// Makes nodes of a value, as if its text had been read.
    pub(crate) fn add_value(&mut self, value: &Value) -> NodeId {
        match value {
            Value::Null => self.add(Node { tag: Tag::Null, ..Node::scalar("null") }),
            Value::Bool(value) => self.add(Node { tag: Tag::Bool, ..Node::scalar(&value.to_string()) }),
            Value::Number(number) => {
                let text = nodes::float_text(number.as_f64().unwrap_or_default());
                let tag = nodes::meaning_of(&text);
                self.add(Node { tag, ..Node::scalar(&text) })
            }
            // A text to the writer, and a merge key to the reader.
            Value::String(text) if text == "<<" => self.add(Node { tag: Tag::Merge, ..Node::scalar(text) }),
            Value::String(text) => {
                let style = if text.contains('\n') {
                    Style::Literal
                } else if nodes::meaning_of(text) != Tag::Text || nodes::is_other_to_yaml_1_1(text) {
                    Style::Double
                } else {
                    style_of_text(text)
                };
                self.add(Node { tag: Tag::Text, style, ..Node::scalar(text) })
            }
            Value::Array(items) => {
                let content = items.iter().map(|item| self.add_value(item)).collect();
                self.add(Node { tag: Tag::List, content, ..Node::new(Kind::List) })
            }
            Value::Object(map) => self.add_map(map),
        }
    }

    fn add_map(&mut self, map: &Map<String, Value>) -> NodeId {
        let mut keys: Vec<&String> = map.keys().collect();
        bowline_yaml::nodes::sort_keys(&mut keys);
        let mut content = Vec::with_capacity(map.len() * 2);
        for key in keys {
            let text = self.word(key);
            content.push(self.add(Node { tag: Tag::Text, text, ..Node::new(Kind::Scalar) }));
            content.push(self.add_value(&map[key.as_str()]));
        }
        self.add(Node { tag: Tag::Map, content, ..Node::new(Kind::Map) })
    }

    /// Returns the value that a node is written as.
    ///
    /// # Errors
    ///
    /// What go-yaml and Go's JSON say of what cannot be read back.
    pub(crate) fn value(&self, id: NodeId) -> Result<Value, String> {
        self.value_at(id, true)
    }

    fn value_at(&self, id: NodeId, is_top: bool) -> Result<Value, String> {
        let node = &self[id];
        match node.kind {
            Kind::Nothing => Ok(Value::Null),
            Kind::Scalar => scalar_value(node),
            Kind::List => {
                let items = node.content.iter().map(|item| self.value_at(*item, false));
                Ok(Value::Array(items.collect::<Result<_, _>>()?))
            }
            Kind::Map => {
                let mut map = Map::new();
                for pair in node.content.chunks_exact(2) {
                    let key = &self[pair[0]];
                    // Only at the top are keys texts whatever they look like: what was quoted and is not any more is a
                    // number, and JSON has no such keys.
                    if key.kind != Kind::Scalar || !(is_top || is_text_key(key)) {
                        return Err("json: unsupported type: map[interface {}]interface {}".to_owned());
                    }
                    if map.insert(key.text.to_string(), self.value_at(pair[1], false)?).is_some() {
                        return Err(format!("mapping key {:?} already defined", &*key.text));
                    }
                }
                Ok(Value::Object(map))
            }
        }
    }
}

/// Tells whether a key is read back as a text.
fn is_text_key(key: &Node) -> bool {
    match key.tag {
        Tag::Text => true,
        _ if key.style != Style::Plain => true,
        _ => nodes::meaning_of(&key.text) == Tag::Text,
    }
}

/// Returns what a scalar is read back as once it is written: go-yaml v3 drops a tag that the text has anyway, quotes a
/// text that would be something else, and writes any other tag.
pub(crate) fn scalar_value(node: &Node) -> Result<Value, String> {
    let quoted = node.style != Style::Plain || node.text.contains('\n');
    if node.is_tagged && node.tag != Tag::Implicit {
        return nodes::value_of(node.tag, &node.text);
    }
    match node.tag {
        Tag::Text => Ok(Value::String(node.text.to_string())),
        Tag::Implicit if quoted => Ok(Value::String(node.text.to_string())),
        Tag::Implicit => nodes::value_of(Tag::Implicit, &node.text),
        tag if nodes::meaning_of(&node.text) == tag => {
            if quoted {
                Ok(Value::String(node.text.to_string()))
            } else {
                nodes::value_of(tag, &node.text)
            }
        }
        tag => nodes::value_of(tag, &node.text),
    }
}

/// How a text is written that is one in any case: plainly, unless it holds what means something else there.
fn style_of_text(text: &str) -> Style {
    let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'/');
    if text.bytes().all(is_usual) {
        return Style::Plain;
    }
    match nodes::scalar_text(text, Style::Plain, 0).as_bytes().first() {
        Some(b'\'') => Style::Single,
        Some(b'"') => Style::Double,
        _ => Style::Plain,
    }
}
