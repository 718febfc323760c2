//! Trees to JSON values, by the rules of `sigs.k8s.io/yaml` or kyaml.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::compose::{Content, Id, Node, Tree};
use crate::go_syntax;
use crate::number::{self, Num};
use crate::resolve::{Meaning, resolve, resolve_tagged, short_tag};
use crate::split::Chunk;
use crate::{Limits, Problem, ProblemKind, Rules};

/// Turns one document into its value, or tells everything that is wrong with it.
pub(crate) fn to_json(tree: &Tree, rules: Rules, limits: &Limits) -> Result<Value, Vec<Problem>> {
    let mut builder = Builder::new(tree, rules, limits);
    let value = if tree.nodes.is_empty() { Ok(Value::Null) } else { builder.value(0, 0) };
    match value {
        Ok(value) if builder.problems.is_empty() => Ok(value),
        Ok(_) => Err(builder.problems),
        Err(Stop) => Err(builder.problems),
    }
}

/// Returns the JSON key that a key of a map becomes by the rules of `sigs.k8s.io/yaml`, and whether it is a merge key.
pub(crate) fn key_name(tree: &Tree, key: Id, limits: &Limits) -> (Option<String>, bool) {
    let mut builder = Builder::new(tree, Rules::Sigs, limits);
    if builder.is_merge(key) { (None, true) } else { (builder.key(key, key), false) }
}

/// The keys of a map that are written, by what makes two of them the same, and where.
type Written = BTreeMap<(Option<Id>, u8, String), Id>;

/// The sort of keys that are texts.
const TEXT: u8 = 5;

/// A limit was passed: there is no use in going on. The problem is noted already.
struct Stop;

struct Builder<'a> {
    tree: &'a Tree,
    rules: Rules,
    limits: &'a Limits,
    problems: Vec<Problem>,
    from_aliases: usize,
    in_alias: bool,
    /// Whether keys stay as they are written: to go-yaml v3 what is merged into a map of texts has texts for its keys.
    are_keys_texts: bool,
}

impl<'a> Builder<'a> {
    fn new(tree: &'a Tree, rules: Rules, limits: &'a Limits) -> Self {
        Self { tree, rules, limits, problems: Vec::new(), from_aliases: 0, in_alias: false, are_keys_texts: false }
    }

    fn value(&mut self, id: Id, depth: usize) -> Result<Value, Stop> {
        let tree = self.tree;
        let node = &tree.nodes[id];
        self.count(node, depth)?;
        if let Some(anchor) = tree.endless.get(&id) {
            self.note(node, ProblemKind::Value, format!("anchor '{anchor}' value contains itself"));
            return Err(Stop);
        }
        match &node.content {
            Content::Alias(target) => self.aliased(|builder| builder.value(*target, depth)),
            Content::Scalar { text, plain, .. } => Ok(self.scalar(node, text, *plain)),
            Content::List(items) => {
                let values = items.iter().map(|item| self.value(*item, depth + 1)).collect::<Result<_, Stop>>()?;
                Ok(Value::Array(values))
            }
            Content::Map(entries) => self.map(entries, depth).map(Value::Object),
        }
    }

    fn aliased<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.in_alias, true);
        let result = work(self);
        self.in_alias = before;
        result
    }

    fn count(&mut self, node: &Node, depth: usize) -> Result<(), Stop> {
        // Aliases can nest deeper than the text does.
        if depth > self.limits.max_depth {
            let message = format!("maps and lists are nested deeper than the limit of {}", self.limits.max_depth);
            self.note(node, ProblemKind::Limit, message);
            return Err(Stop);
        }
        if self.in_alias {
            self.from_aliases += 1;
            if let Content::Scalar { text, .. } = &node.content {
                self.from_aliases += text.len();
            }
        }
        if self.from_aliases > self.limits.max_alias_bytes {
            let limit = self.limits.max_alias_bytes;
            let message =
                format!("document contains excessive aliasing: aliases stand for more than the limit of {limit} bytes");
            self.note(node, ProblemKind::Limit, message);
            return Err(Stop);
        }
        Ok(())
    }

    fn map(&mut self, entries: &[(Id, Id)], depth: usize) -> Result<Map<String, Value>, Stop> {
        let mut map = Map::new();
        let are_texts = self.rules == Rules::Kyaml
            && entries.iter().all(|(key, _)| {
                let is_plain_text = matches!(self.tree.nodes[*key].content, Content::Scalar { .. });
                is_plain_text && (self.is_merge(*key) || self.sort_of(*key) == TEXT)
            });
        let before = std::mem::replace(&mut self.are_keys_texts, are_texts);
        let done = self.add_entries(&mut map, &mut Written::new(), entries, depth);
        self.are_keys_texts = before;
        done.map(|()| map)
    }

    /// Puts entries into a map, of which some keys are written already.
    fn add_entries(
        &mut self,
        map: &mut Map<String, Value>,
        written: &mut Written,
        entries: &[(Id, Id)],
        depth: usize,
    ) -> Result<(), Stop> {
        let mut late: BTreeMap<(u8, String), Vec<Problem>> = BTreeMap::new();
        let mut merged = Vec::new();
        for &(key, value) in entries {
            if self.is_merge(key) {
                if self.rules == Rules::Kyaml {
                    merged.push(value);
                } else {
                    // go-yaml v2 merges at this very place: entries before it lose, those after it win. Its strict form
                    // takes neither: a key that is merged counts as written.
                    self.merge(map, Some(written), value, depth)?;
                }
                continue;
            }
            let node = &self.tree.nodes[key];
            let Some(name) = self.key(key, value) else { continue };
            // To go-yaml v3 keys are the same that are written alike; an alias is another, whatever it names.
            let same = match &node.content {
                Content::Alias(target) if self.rules == Rules::Kyaml => (Some(*target), 0, String::new()),
                Content::Scalar { text, .. } if self.rules == Rules::Kyaml => (None, 0, text.clone()),
                _ => (None, self.sort_of(key), name.clone()),
            };
            if let Some(first) = written.insert(same, key)
                && self.rules != Rules::Sigs
            {
                if self.rules == Rules::Kyaml {
                    let first = self.tree.nodes[first].line;
                    let message = format!("mapping key {name:?} already defined at line {first}");
                    self.note(node, ProblemKind::Value, message);
                } else {
                    // go-yaml v2 tells the line of the value.
                    let key = go_syntax::shown(self.tree, key, self.rules);
                    let at = &self.tree.nodes[value];
                    self.note(at, ProblemKind::Value, format!("key {key} already set in map"));
                }
            }
            let before = self.problems.len();
            let value = self.value(value, depth + 1)?;
            // What JSON does not have counts only where no later entry takes its place.
            let typed = (self.sort_of(key), name.clone());
            late.remove(&typed);
            if self.problems.len() > before {
                let found = self.problems.split_off(before);
                let (of_json, others): (Vec<_>, Vec<_>) =
                    found.into_iter().partition(|problem| problem.message.starts_with("unsupported "));
                self.problems.extend(others);
                late.insert(typed, of_json);
            }
            map.insert(name, value);
        }
        self.problems.extend(late.into_values().flatten());
        // go-yaml v3 merges at the end, and only what is not there.
        for value in merged {
            self.merge(map, None, value, depth)?;
        }
        Ok(())
    }

    /// Tells apart what Go has different types for: `"1"`, `1` and `1.0` are three keys to it.
    fn sort_of(&mut self, key: Id) -> u8 {
        let node = &self.tree.nodes[self.tree.follow(key)];
        let Content::Scalar { text, plain, .. } = &node.content else { return 0 };
        match self.meaning(node, text, *plain) {
            None | Some(Meaning::Null) => 1,
            Some(Meaning::Bool(_)) => 2,
            Some(Meaning::Number(Num::Float(_))) => 3,
            Some(Meaning::Number(_)) => 4,
            // To go-yaml v2 a key that is a time is the text that was written.
            Some(Meaning::Timestamp(_)) if self.rules == Rules::Kyaml => 6,
            Some(Meaning::Timestamp(_) | Meaning::Text) => TEXT,
        }
    }

    fn is_merge(&self, key: Id) -> bool {
        let node = &self.tree.nodes[key];
        match &node.content {
            Content::Scalar { text, plain, .. } if text == "<<" => {
                *plain || node.tag.as_deref().is_some_and(|tag| short_tag(tag) == "!!merge")
            }
            _ => false,
        }
    }

    /// Merges maps into one: over what is there where the keys that are written are told, else under it.
    fn merge(
        &mut self,
        map: &mut Map<String, Value>,
        mut written: Option<&mut Written>,
        from: Id,
        depth: usize,
    ) -> Result<(), Stop> {
        let tree = self.tree;
        let target = tree.follow(from);
        let sources: Vec<Id> = match &tree.nodes[target].content {
            Content::Map(_) => vec![target],
            // Earlier ones take precedence. An alias to a list is refused by go-yaml; so it is here.
            Content::List(items) if target == from => items.iter().map(|item| tree.follow(*item)).collect(),
            _ => Vec::new(),
        };
        let are_maps = sources.iter().all(|source| matches!(tree.nodes[*source].content, Content::Map(_)));
        let is_empty_list = matches!(&tree.nodes[from].content, Content::List(items) if items.is_empty());
        if !are_maps || (sources.is_empty() && !is_empty_list) {
            let message = "map merge requires map or sequence of maps as the value".to_owned();
            self.note(&tree.nodes[from], ProblemKind::Value, message);
            return Ok(());
        }
        let named = match &tree.nodes[from].content {
            Content::List(items) => items.as_slice(),
            _ => &[from],
        };
        if let Some((at, anchor)) = named.iter().find_map(|id| Some((*id, tree.endless.get(id)?))) {
            self.note(&tree.nodes[at], ProblemKind::Value, format!("anchor '{anchor}' value contains itself"));
            return Err(Stop);
        }
        let mut gathered = Map::new();
        for source in sources.into_iter().rev() {
            let Content::Map(entries) = &tree.nodes[source].content else { continue };
            self.count(&tree.nodes[source], depth)?;
            match &mut written {
                Some(written) => self.aliased(|builder| builder.add_entries(map, written, entries, depth))?,
                None => {
                    self.aliased(|builder| builder.add_entries(&mut gathered, &mut Written::new(), entries, depth))?;
                }
            }
        }
        for (key, value) in gathered {
            if !map.contains_key(&key) {
                map.insert(key, value);
            }
        }
        Ok(())
    }

    /// Returns the JSON key of a map key: numbers and booleans become their text, as in `sigs.k8s.io/yaml`.
    fn key(&mut self, id: Id, value: Id) -> Option<String> {
        let tree = self.tree;
        let node = &tree.nodes[tree.follow(id)];
        let Content::Scalar { text, plain, .. } = &node.content else {
            // A key within the key comes first.
            let before = self.problems.len();
            if self.value(id, 0).is_err() {
                return None;
            }
            // What JSON does not have is found only once all is read.
            let mut within = self.problems.split_off(before);
            within.retain(|problem| !problem.message.starts_with("unsupported "));
            if !within.is_empty() {
                self.problems.extend(within);
                return None;
            }
            let key = go_syntax::shown(self.tree, id, self.rules);
            self.note(&tree.nodes[id], ProblemKind::Value, format!("invalid map key: {key}"));
            return None;
        };
        let name = match self.meaning(node, text, *plain)? {
            _ if self.are_keys_texts => text.clone(),
            Meaning::Text => return self.text(node, text),
            Meaning::Timestamp(timestamp) if self.rules == Rules::Kyaml => timestamp.to_rfc3339(),
            Meaning::Timestamp(_) => text.clone(),
            Meaning::Bool(value) => value.to_string(),
            Meaning::Number(Num::Signed(value)) => value.to_string(),
            Meaning::Number(Num::Float(value)) => number::format_float_key(value),
            Meaning::Number(Num::Unsigned(key)) if self.rules != Rules::Kyaml => {
                let value = go_syntax::shown_alone(tree, value, self.rules);
                let message = format!("unsupported map key of type: uint64, key: {key:#x}, value: {value}");
                self.note(&tree.nodes[id], ProblemKind::Value, message);
                return None;
            }
            Meaning::Number(Num::Unsigned(value)) => value.to_string(),
            Meaning::Null => {
                let value = go_syntax::shown_alone(tree, value, self.rules);
                let message = format!("unsupported map key of type: %!s(<nil>), key: <nil>, value: {value}");
                self.note(&tree.nodes[id], ProblemKind::Value, message);
                return None;
            }
        };
        Some(name)
    }

    fn scalar(&mut self, node: &Node, text: &str, plain: bool) -> Value {
        match self.meaning(node, text, plain) {
            None | Some(Meaning::Null) => Value::Null,
            Some(Meaning::Bool(value)) => Value::Bool(value),
            Some(Meaning::Number(value)) => number::to_json(value).unwrap_or_else(|| {
                self.note(node, ProblemKind::Value, format!("unsupported value: JSON has no `{text}`"));
                Value::Null
            }),
            Some(Meaning::Timestamp(timestamp)) if self.rules == Rules::Kyaml => Value::String(timestamp.to_rfc3339()),
            Some(Meaning::Timestamp(_)) => Value::String(text.to_owned()),
            Some(Meaning::Text) => self.text(node, text).map_or(Value::Null, Value::String),
        }
    }

    fn meaning(&mut self, node: &Node, text: &str, plain: bool) -> Option<Meaning> {
        match &node.tag {
            // To go-yaml v3 the bare `!` says nothing; to v2 it makes a text.
            Some(tag) if tag == "!" && self.rules == Rules::Kyaml && plain => Some(resolve(text, self.rules)),
            Some(tag) => match resolve_tagged(tag, text, self.rules) {
                Ok(meaning) => Some(meaning),
                Err(message) => {
                    self.note(node, ProblemKind::Value, message);
                    None
                }
            },
            None if plain => Some(resolve(text, self.rules)),
            None => Some(Meaning::Text),
        }
    }

    /// Returns a text scalar's text; what is tagged `!!binary` is decoded.
    fn text(&mut self, node: &Node, text: &str) -> Option<String> {
        if node.tag.as_deref().is_none_or(|tag| short_tag(tag) != "!!binary") {
            return Some(text.to_owned());
        }
        let Some(bytes) = decode_base64(text) else {
            self.note(node, ProblemKind::Value, "!!binary value contains invalid base64 data".to_owned());
            return None;
        };
        // Go keeps any bytes in a string, and its JSON writer replaces what is not UTF-8.
        let mut text = String::with_capacity(bytes.len());
        for part in bytes.utf8_chunks() {
            text.push_str(part.valid());
            text.extend(part.invalid().iter().map(|_| '\u{fffd}'));
        }
        Some(text)
    }

    fn note(&mut self, node: &Node, kind: ProblemKind, message: String) {
        let problem = Problem::new(kind, node.line, node.column, message);
        // A node that several aliases stand for is wrong once.
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}

/// Reads standard base64 with padding; line breaks may stand anywhere, as in Go's decoder.
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let symbols: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect();
    let mut bytes = Vec::with_capacity(symbols.len() / 4 * 3);
    let mut quads = symbols.chunks(4).peekable();
    while let Some(quad) = quads.next() {
        let padding = quad.iter().rev().take_while(|byte| **byte == b'=').count();
        if quad.len() != 4 || padding > 2 || (padding > 0 && quads.peek().is_some()) {
            return None;
        }
        let mut bits = 0_u32;
        for &symbol in &quad[..4 - padding] {
            let six = match symbol {
                b'A'..=b'Z' => symbol - b'A',
                b'a'..=b'z' => symbol - b'a' + 26,
                b'0'..=b'9' => symbol - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(six);
        }
        bits <<= 6 * padding;
        bytes.extend_from_slice(&bits.to_be_bytes()[1..4 - padding]);
    }
    Some(bytes)
}

/// Reads a piece as JSON values one after the other, each with its line; `None` when it is not JSON.
pub(crate) fn json_stream(chunk: &Chunk<'_>) -> Option<Vec<(Value, u32)>> {
    if !chunk.text.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    let mut stream = serde_json::Deserializer::from_slice(chunk.text).into_iter::<Value>();
    let mut values = Vec::new();
    loop {
        let rest = &chunk.text[stream.byte_offset()..];
        let blank = rest.len() - rest.trim_ascii_start().len();
        let before = &chunk.text[..stream.byte_offset() + blank];
        let line = chunk.lines_before + before.split(|byte| *byte == b'\n').count() as u32;
        match stream.next() {
            None => return Some(values),
            Some(value) => values.push((value.ok()?, line)),
        }
    }
}
