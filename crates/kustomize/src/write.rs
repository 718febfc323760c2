//! Nodes as the text that go-yaml v3 writes of them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bowline_yaml::nodes::{self, Held, Style, Tag};

use crate::node::{Kind, NodeId, Store};

impl Store {
    /// Writes a node as kyaml does: blocks of two spaces, lists not indented under their key.
    pub(crate) fn write(&self, id: NodeId) -> String {
        let mut out = String::new();
        self.write_at(&mut out, id, 0);
        out
    }

    fn write_at(&self, out: &mut String, id: NodeId, indent: usize) {
        let node = &self[id];
        let pad = |out: &mut String| out.extend(std::iter::repeat_n(' ', indent));
        match node.kind {
            Kind::Map if !node.content.is_empty() => {
                for (at, pair) in node.content.chunks_exact(2).enumerate() {
                    if at > 0 {
                        pad(out);
                    }
                    out.push_str(&self.write_scalar(pair[0], indent + 2));
                    out.push(':');
                    let value = &self[pair[1]];
                    if value.content.is_empty() {
                        out.push(' ');
                        self.write_at(out, pair[1], indent + 2);
                        continue;
                    }
                    let inner = if value.kind == Kind::Map { indent + 2 } else { indent };
                    out.push('\n');
                    out.extend(std::iter::repeat_n(' ', inner));
                    self.write_at(out, pair[1], inner);
                }
            }
            Kind::List if !node.content.is_empty() => {
                for (at, item) in node.content.iter().enumerate() {
                    if at > 0 {
                        pad(out);
                    }
                    out.push_str("- ");
                    self.write_at(out, *item, indent + 2);
                }
            }
            Kind::Map => out.push_str("{}\n"),
            Kind::List => out.push_str("[]\n"),
            Kind::Scalar | Kind::Nothing => {
                out.push_str(&self.write_scalar(id, indent.max(2)));
                out.push('\n');
            }
        }
    }

    fn write_scalar(&self, id: NodeId, indent: usize) -> String {
        let node = &self[id];
        let style = match (node.tag, node.style) {
            (Tag::Text, Style::Plain) if nodes::meaning_of(&node.text) != Tag::Text => Style::Double,
            (_, style) => style,
        };
        nodes::scalar_text(&node.text, style, indent)
    }
}

/// Tells of every key that a map in a text has twice, in go-yaml's words.
pub(crate) fn repeated_keys(text: &str) -> Vec<String> {
    let nodes = nodes::read(text.as_bytes(), usize::MAX).unwrap_or_default();
    let mut repeated = Vec::new();
    for node in &nodes {
        let Held::Map(entries) = &node.held else { continue };
        let mut first = BTreeMap::new();
        for (key, _) in entries {
            let Held::Scalar(name, _) = &nodes[*key].held else { continue };
            let line = nodes[*key].line;
            match first.entry(name) {
                Entry::Vacant(entry) => {
                    entry.insert(line);
                }
                Entry::Occupied(entry) => {
                    repeated
                        .push(format!("  line {line}: mapping key {name:?} already defined at line {}", entry.get()));
                }
            }
        }
    }
    repeated
}
