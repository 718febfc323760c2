//! One document as it stands in its text: which bytes are a node's, an entry's, an item's.

use serde_json::Value;

use super::scan::{after_break, before_break, column, is_break, line_end, line_start, skip_blank};
use crate::Limits;
use crate::compose::{Content, Id, Style, Tree};
use crate::value::key_name;

/// Where a node stands, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// With its anchor and tag.
    pub(super) start: usize,
    /// Where its anchor and tag end; its start, where it has none.
    pub(super) named: usize,
    /// Without them.
    pub(super) content: usize,
    /// Before the last line break of a block scalar; that of a map or list by indentation is the end of its last part.
    pub(super) end: usize,
}

#[derive(Debug)]
pub(super) struct Layout {
    pub(super) tree: Tree,
    pub(super) value: Value,
    pub(super) extents: Vec<Extent>,
}

/// What holds a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    Root,
    /// The value of an entry, by its number.
    Entry(Id, usize),
    Item(Id, usize),
}

impl Layout {
    pub(super) fn new(text: &str, tree: Tree, value: Value) -> Self {
        let mut layout = Self { extents: Vec::with_capacity(tree.nodes.len()), tree, value };
        for id in 0..layout.tree.nodes.len() {
            let extent = layout.told(text, id);
            layout.extents.push(extent);
        }
        // Parents come before what they hold.
        for id in (0..layout.tree.nodes.len()).rev() {
            layout.settle(text, id);
        }
        layout
    }

    pub(super) fn style(&self, id: Id) -> Style {
        self.tree.spans[id].style
    }

    /// Tells whether a node is a scalar of no characters at all.
    pub(super) fn is_empty(&self, id: Id) -> bool {
        self.style(id) == Style::PLAIN && self.extents[id].content == self.extents[id].end
    }

    /// Tells whether the document is one only by its `---`.
    pub(super) fn says_nothing(&self) -> bool {
        self.extents.first().is_none_or(|root| root.start == root.end)
    }

    /// What the parser tells; ends of blocks are put right.
    fn told(&self, text: &str, id: Id) -> Extent {
        let span = &self.tree.spans[id];
        let (start, end) = (span.start.min(text.len()), span.end.min(text.len()));
        let (named, content) = after_properties(text, start, span.anchor.is_some(), self.tree.nodes[id].tag.is_some());
        match span.style {
            Style::LITERAL | Style::FOLDED => Extent { start, named, content, end: block_end(text, content, end) },
            Style::Block => Extent { start, named, content, end: content },
            // Of nothing but an anchor or tag, what follows them is not its.
            _ => Extent { start, named, content: content.min(end), end },
        }
    }

    /// Gives a map or list by indentation its end, and what is empty its place.
    fn settle(&mut self, text: &str, id: Id) {
        let parts: Vec<Id> = match &self.tree.nodes[id].content {
            Content::Map(entries) => {
                let mut parts = Vec::new();
                for &(key, value) in entries {
                    parts.extend([key, value]);
                    if self.is_empty(value) && self.extents[value].start == self.extents[value].end {
                        let at = self.after_colon(text, key, value).unwrap_or(self.extents[key].end);
                        self.extents[value] = Extent { start: at, named: at, content: at, end: at };
                    }
                }
                parts
            }
            Content::List(items) => items.clone(),
            Content::Scalar { .. } | Content::Alias(_) => return,
        };
        let content = self.extents[id].content;
        let has_brackets = self.style(id) == Style::Flow && text[content..].starts_with(['{', '[']);
        if !has_brackets {
            let last = parts.iter().map(|part| self.extents[*part].end).max();
            self.extents[id].end = last.unwrap_or(self.extents[id].end);
        }
    }

    /// Returns the place after the colon between a key and its value, if there is one.
    pub(super) fn after_colon(&self, text: &str, key: Id, value: Id) -> Option<usize> {
        let from = self.extents[key].end;
        let at = skip_blank(text, from);
        let limit = self.extents[value].start.max(from);
        (text[at..].starts_with(':') && at <= limit).then_some(at + 1)
    }

    /// Returns where the `at`th entry of a map, or item of a list, begins: at its key or `?`, or at its dash if the list
    /// is one by indentation.
    pub(super) fn part_start(&self, text: &str, of: Id, at: usize) -> usize {
        let first = self.part_bounds(of, at).0;
        let is_flow = self.style(of) == Style::Flow;
        if at == 0 {
            let content = self.extents[of].content;
            let opened = is_flow && text[content..].starts_with(['{', '[']);
            return skip_blank(text, content + usize::from(opened)).min(first);
        }
        let mut from = skip_blank(text, self.part_bounds(of, at - 1).1);
        if is_flow && text[from..].starts_with(',') {
            from = skip_blank(text, from + 1);
        }
        from.min(first)
    }

    /// Returns where the node of the `at`th entry or item begins, and where it ends.
    pub(super) fn part_bounds(&self, of: Id, at: usize) -> (usize, usize) {
        match &self.tree.nodes[of].content {
            Content::Map(entries) => {
                let (key, value) = entries[at];
                (self.extents[key].start, self.extents[value].end.max(self.extents[key].end))
            }
            Content::List(items) => (self.extents[items[at]].start, self.extents[items[at]].end),
            Content::Scalar { .. } | Content::Alias(_) => (self.extents[of].start, self.extents[of].end),
        }
    }

    /// How many entries or items a node has.
    pub(super) fn parts(&self, of: Id) -> usize {
        match &self.tree.nodes[of].content {
            Content::Map(entries) => entries.len(),
            Content::List(items) => items.len(),
            Content::Scalar { .. } | Content::Alias(_) => 0,
        }
    }

    /// Returns the column, from 0, of the entries or dashes of a map or list by indentation.
    pub(super) fn block_column(&self, text: &str, of: Id) -> usize {
        column(text, self.part_start(text, of, 0))
    }

    /// Finds the entry that counts: the last by this name. The second is whether one may come by a merge key.
    pub(super) fn entry(&self, map: Id, name: &str, limits: &Limits) -> (Option<usize>, bool) {
        let Content::Map(entries) = &self.tree.nodes[map].content else { return (None, false) };
        let mut merges = false;
        for (at, (key, _)) in entries.iter().enumerate().rev() {
            let (have, is_merge) = key_name(&self.tree, *key, limits);
            if have.as_deref() == Some(name) {
                return (Some(at), merges);
            }
            merges |= is_merge;
        }
        (None, merges)
    }

    /// Returns the node that a slot holds.
    pub(super) fn held(&self, slot: Slot) -> Id {
        match slot {
            Slot::Root => 0,
            Slot::Entry(map, at) => match &self.tree.nodes[map].content {
                Content::Map(entries) => entries[at].1,
                _ => map,
            },
            Slot::Item(list, at) => match &self.tree.nodes[list].content {
                Content::List(items) => items[at],
                _ => list,
            },
        }
    }
}

/// Passes one anchor and one tag, in any order; returns where the last of them ends, and where what they name begins.
fn after_properties(text: &str, start: usize, mut anchored: bool, mut tagged: bool) -> (usize, usize) {
    let (mut named, mut at) = (start, start);
    loop {
        let expected = match text[at..].chars().next() {
            Some('&') => &mut anchored,
            Some('!') => &mut tagged,
            _ => return (named, at),
        };
        if !std::mem::take(expected) {
            return (named, at);
        }
        // A tag may hold the characters of brackets; one that is cut short here is found out by reading back.
        let ends = |c: char| is_break(c) || " \t,]}".contains(c);
        named = at + text[at..].find(ends).unwrap_or(text.len() - at);
        at = skip_blank(text, named);
    }
}

/// Returns where a block scalar ends: before its last line break, and before blank lines that it does not keep.
fn block_end(text: &str, content: usize, end: usize) -> usize {
    let header_end = line_end(text, content);
    let keeps = text[content..header_end].split(['#', ' ', '\t']).next().is_some_and(|header| header.contains('+'));
    let mut end = end.max(header_end);
    // What the parser told ends after the break of the last line; it may lie in the blanks that begin the next one.
    let start = line_start(text, end);
    if start > header_end && start < end && text[start..end].chars().all(|c| c == ' ') && end < text.len() {
        end = start;
    }
    if line_start(text, end) == end && end > header_end {
        end = before_break(text, end);
    }
    while !keeps && end > header_end {
        let start = line_start(text, end);
        if start <= header_end || !text[start..end].chars().all(|c| c == ' ') {
            break;
        }
        end = before_break(text, start);
    }
    end.max(header_end)
}

/// Returns the place after the break of the line that `at` is in, and whether there is one.
pub(super) fn next_line(text: &str, at: usize) -> (usize, bool) {
    let end = line_end(text, at);
    (after_break(text, end), end < text.len())
}
