//! Entries and items put in and taken out, as changes of the text.

use serde_json::{Map, Value};

use super::layout::{Layout, Slot, next_line};
use super::scan::{begins_line, column, ends_line, line_end, line_start, skip_blank};
use super::write::{self, Manner, entry_lines, flow_entry, inline, item_lines};
use crate::compose::{Content, Id, Style};
use crate::resolve::needs_quotes;

/// A part of a text and what takes its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Splice {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) text: String,
}

impl Splice {
    pub(super) fn new(from: usize, to: usize, text: String) -> Self {
        Self { from, to: to.max(from), text }
    }
}

/// Where a node is in its document.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) node: Id,
    pub(super) slot: Slot,
    /// Whether it stands within brackets.
    pub(super) in_flow: bool,
}

/// The text that is edited.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site<'a> {
    pub(super) text: &'a str,
    pub(super) layout: &'a Layout,
    pub(super) line_break: &'static str,
}

impl Site<'_> {
    pub(super) fn after_key(&self, map: Id, at: usize) -> Option<usize> {
        let Content::Map(entries) = &self.layout.tree.nodes[map].content else { return None };
        let (key, value) = entries[at];
        self.layout.after_colon(self.text, key, value)
    }

    /// Tells how neighbours are written, so that what is new is written so, too.
    pub(super) fn manner(&self, place: &Place) -> Manner {
        match place.slot {
            Slot::Root => self.manner_within(place.node),
            Slot::Entry(of, _) | Slot::Item(of, _) => self.manner_within(of),
        }
    }

    fn manner_within(&self, of: Id) -> Manner {
        let (mut keys, mut texts, mut spaced) = (None, None, true);
        match &self.layout.tree.nodes[of].content {
            Content::Map(entries) => {
                for (key, value) in entries.iter().rev() {
                    keys = keys.or_else(|| self.habit(*key));
                    texts = texts.or_else(|| self.habit(*value));
                    let colon = self.layout.after_colon(self.text, *key, *value);
                    spaced &= colon.is_none_or(|colon| {
                        !self.text[colon..].starts_with(|c: char| c.is_alphanumeric() || "\"[{-".contains(c))
                    });
                }
            }
            Content::List(items) => texts = items.iter().rev().find_map(|item| self.habit(*item)),
            Content::Scalar { .. } | Content::Alias(_) => {}
        }
        let keys = keys.unwrap_or(Style::PLAIN);
        let texts = texts.unwrap_or(if keys == Style::DOUBLE { keys } else { Style::PLAIN });
        let (step, list_offset) = self.indentation();
        Manner { step, list_offset, keys, texts, quotes: self.quotes(), spaced }
    }

    /// Tells whether a text that needs no quotes has some; `None` of what tells nothing.
    fn habit(&self, id: Id) -> Option<Style> {
        let Content::Scalar { text, plain, .. } = &self.layout.tree.nodes[id].content else { return None };
        match self.layout.style(id) {
            Style::PLAIN if *plain && !text.is_empty() && !needs_quotes(text) => Some(Style::PLAIN),
            style @ (Style::SINGLE | Style::DOUBLE) => {
                (write::styled(text, Style::PLAIN, style, false) == *text).then_some(style)
            }
            _ => None,
        }
    }

    /// The quotes that are there most.
    fn quotes(&self) -> Style {
        let count = |style| self.layout.tree.spans.iter().filter(|span| span.style == style).count();
        if count(Style::SINGLE) > count(Style::DOUBLE) { Style::SINGLE } else { Style::DOUBLE }
    }

    /// Returns how far maps are indented in this document, and lists under their keys.
    fn indentation(&self) -> (usize, usize) {
        let (mut step, mut offset) = (None, None);
        for (id, node) in self.layout.tree.nodes.iter().enumerate() {
            let Content::Map(entries) = &node.content else { continue };
            if self.layout.style(id) != Style::Block {
                continue;
            }
            let outer = self.layout.block_column(self.text, id);
            for (_, value) in entries {
                if self.layout.style(*value) != Style::Block {
                    continue;
                }
                let inner = self.layout.block_column(self.text, *value);
                let by = inner.checked_sub(outer).filter(|by| *by <= 9);
                match self.layout.tree.nodes[*value].content {
                    Content::Map(_) => step = step.or(by.filter(|by| *by > 0)),
                    _ => offset = offset.or(by),
                }
            }
            if step.is_some() && offset.is_some() {
                break;
            }
        }
        (step.unwrap_or(2), offset.unwrap_or(0))
    }

    /// Ways of adding an entry to a map, after all others.
    pub(super) fn entries_added(&self, map: &Place, key: &str, value: &Value) -> Vec<Vec<Splice>> {
        let count = self.layout.parts(map.node);
        if count == 0 && !map.in_flow {
            let only = Value::Object(Map::from_iter([(key.to_owned(), value.clone())]));
            return self.replacements(map, &only);
        }
        let usual = self.manner_within(map.node);
        let mut ways = Vec::new();
        for manner in [usual, usual.careful()] {
            if self.layout.style(map.node) == Style::Flow {
                ways.extend(self.added_in_flow(map.node, count, &flow_entry(key, value, &manner)));
                continue;
            }
            let column = self.layout.block_column(self.text, map.node);
            let lines = entry_lines(key, value, &manner);
            ways.extend(self.added_after(map.node, count - 1, &lines, column));
        }
        ways
    }

    /// Ways of adding an item to a list, before the item that has its number.
    pub(super) fn items_added(&self, list: &Place, at: usize, value: &Value) -> Vec<Vec<Splice>> {
        let count = self.layout.parts(list.node);
        if count == 0 && !list.in_flow {
            return self.replacements(list, &Value::Array(vec![value.clone()]));
        }
        let usual = self.manner_within(list.node);
        let mut ways = Vec::new();
        for manner in [usual, usual.careful()] {
            if self.layout.style(list.node) == Style::Flow {
                ways.extend(self.added_in_flow(list.node, at, &inline(value, &manner, true)));
                continue;
            }
            let column = self.layout.block_column(self.text, list.node);
            let lines = item_lines(value, &manner, self.gap(list.node));
            if at > 0 {
                ways.extend(self.added_after(list.node, at - 1, &lines, column));
                continue;
            }
            let start = self.layout.part_start(self.text, list.node, 0);
            let mut text = lines.join(&self.pad(column));
            text.push_str(&self.pad(column));
            ways.push(vec![Splice::new(start, start, text)]);
        }
        ways
    }

    /// A line break and an indentation.
    fn pad(&self, column: usize) -> String {
        format!("{}{}", self.line_break, " ".repeat(column))
    }

    /// The columns from the dash of the first item to what follows it.
    fn gap(&self, list: Id) -> usize {
        let dash = self.layout.part_start(self.text, list, 0);
        let content = self.layout.part_bounds(list, 0).0;
        let is_beside = content > dash + 1 && line_start(self.text, content) <= dash;
        if is_beside { column(self.text, content).saturating_sub(column(self.text, dash)) } else { 2 }
    }

    /// Adds lines after an entry or item of a block.
    fn added_after(&self, of: Id, after: usize, lines: &[String], column: usize) -> Vec<Vec<Splice>> {
        let last = self.layout.part_bounds(of, after).1.max(self.indicator_end(of, after));
        let at = line_end(self.text, last);
        let mut text = String::new();
        for line in lines {
            if line.is_empty() {
                text.push_str(self.line_break);
            } else {
                text.push_str(&self.pad(column));
                text.push_str(line);
            }
        }
        let splice = Splice::new(at, at, text);
        // A block scalar that ends where the text does has no line break, and must have none when one comes after it.
        let without_break = self.without_break(at).map(|sign| vec![sign, splice.clone()]);
        std::iter::once(vec![splice]).chain(without_break).collect()
    }

    /// Makes the block scalar that ends where the text does, without a line break, one that has none.
    fn without_break(&self, at: usize) -> Option<Splice> {
        let is_block = |id: &Id| matches!(self.layout.style(*id), Style::LITERAL | Style::FOLDED);
        let ends_here = |id: &Id| self.layout.extents[*id].end == at && at == self.text.len();
        let id = (0..self.layout.extents.len()).rev().find(|id| is_block(id) && ends_here(id))?;
        let content = self.layout.extents[id].content;
        let header = &self.text[content..line_end(self.text, content)];
        let header = &header[..header.find([' ', '\t']).unwrap_or(header.len())];
        let sign = header.find('+').map_or((header.len(), header.len()), |sign| (sign, sign + 1));
        Some(Splice::new(content + sign.0, content + sign.1, "-".to_owned()))
    }

    /// Returns the place after the dash or colon of a part, which counts where that part is empty.
    fn indicator_end(&self, of: Id, at: usize) -> usize {
        match self.layout.tree.nodes[of].content {
            Content::Map(_) => self.after_key(of, at).unwrap_or(0),
            _ => self.layout.part_start(self.text, of, at) + 1,
        }
    }

    fn added_in_flow(&self, of: Id, at: usize, text: &str) -> Vec<Vec<Splice>> {
        let extent = self.layout.extents[of];
        let count = self.layout.parts(of);
        // `[a: b]` holds a map that has no brackets of its own.
        if !self.text[extent.content..].starts_with(['{', '[']) {
            let around = vec![
                Splice::new(extent.content, extent.content, "{".to_owned()),
                Splice::new(extent.end, extent.end, format!(", {text}}}")),
            ];
            return vec![around];
        }
        if count == 0 {
            return vec![vec![Splice::new(extent.content + 1, extent.content + 1, text.to_owned())]];
        }
        if at < count {
            let start = self.layout.part_start(self.text, of, at);
            return vec![vec![Splice::new(start, start, format!("{text}, "))]];
        }
        let last_start = self.layout.part_start(self.text, of, count - 1);
        let last_end = self.layout.part_bounds(of, count - 1).1;
        let after = skip_blank(self.text, last_end);
        let comma = self.text[after..].starts_with(',').then_some(after + 1);
        let beside = vec![Splice::new(last_end, last_end, format!(", {text}"))];
        let from = comma.unwrap_or(last_end);
        if !begins_line(self.text, last_start)
            || !ends_line(self.text, from)
            || line_end(self.text, from) == self.text.len()
        {
            return vec![beside];
        }
        let indentation = &self.text[line_start(self.text, last_start)..last_start];
        let at = line_end(self.text, from);
        let trailing = if comma.is_some() { "," } else { "" };
        let below = Splice::new(at, at, format!("{}{indentation}{text}{trailing}", self.line_break));
        match comma {
            Some(_) => vec![vec![below], beside],
            None => vec![vec![Splice::new(last_end, last_end, ",".to_owned()), below], beside],
        }
    }

    /// Ways of taking an entry or item out. Comments in lines of their own stay.
    pub(super) fn removals(&self, of: &Place, at: usize) -> Vec<Vec<Splice>> {
        let count = self.layout.parts(of.node);
        if count == 1 {
            let is_map = matches!(self.layout.tree.nodes[of.node].content, Content::Map(_));
            let nothing = if is_map { Value::Object(Map::new()) } else { Value::Array(Vec::new()) };
            return self.replacements(of, &nothing);
        }
        if self.layout.style(of.node) == Style::Flow {
            return self.removals_in_flow(of.node, at, count);
        }
        let start = self.layout.part_start(self.text, of.node, at);
        let end = self.layout.part_bounds(of.node, at).1.max(self.indicator_end(of.node, at));
        let (next, has_next) = next_line(self.text, end);
        if !begins_line(self.text, start) {
            let blanks = self.text[next..].len() - self.text[next..].trim_start_matches(' ').len();
            return vec![vec![Splice::new(start, next + blanks, String::new())]];
        }
        let from = line_start(self.text, start);
        let usual = vec![Splice::new(from, next, String::new())];
        if has_next {
            let column = column(self.text, start);
            let kept = [true, false].map(|blanks| self.comments_moved(from, next, column, blanks));
            return std::iter::once(usual).chain(kept).collect();
        }
        // The text ends without a line break, and goes on doing so.
        let before = super::scan::before_break(self.text, from);
        vec![vec![Splice::new(before, next, String::new())], usual]
    }

    /// Takes out lines where what follows would become part of a block scalar before them: comments are moved to a
    /// column, and blank lines go where that is asked for.
    fn comments_moved(&self, from: usize, mut next: usize, column: usize, keeps_blanks: bool) -> Vec<Splice> {
        let mut text = String::new();
        while next < self.text.len() {
            let end = line_end(self.text, next);
            let line = self.text[next..end].trim_matches([' ', '\t']);
            if !line.is_empty() && !line.starts_with('#') {
                break;
            }
            let after = super::scan::after_break(self.text, end);
            if !line.is_empty() {
                text.push_str(&" ".repeat(column));
                text.push_str(self.text[next..after].trim_start_matches([' ', '\t']));
            } else if keeps_blanks {
                text.push_str(&self.text[end..after]);
            }
            next = after;
        }
        vec![Splice::new(from, next, text)]
    }

    fn removals_in_flow(&self, of: Id, at: usize, count: usize) -> Vec<Vec<Splice>> {
        let start = self.layout.part_start(self.text, of, at);
        let end = self.layout.part_bounds(of, at).1.max(if self.is_map(of) { self.indicator_end(of, at) } else { 0 });
        let is_blank = |from: usize, to: usize| self.text[from..to].chars().all(|c| c.is_whitespace() || c == ',');
        if at + 1 < count {
            let next = self.layout.part_start(self.text, of, at + 1);
            if is_blank(end, next) {
                return vec![vec![Splice::new(start, next, String::new())]];
            }
            let comma = skip_blank(self.text, end);
            return vec![vec![Splice::new(start, end, String::new()), Splice::new(comma, comma + 1, String::new())]];
        }
        let before =
            self.layout.part_bounds(of, at - 1).1.max(if self.is_map(of) { self.indicator_end(of, at - 1) } else { 0 });
        let before = before.min(start);
        if is_blank(before, start) {
            return vec![vec![Splice::new(before, end, String::new())]];
        }
        let comma = skip_blank(self.text, before);
        vec![vec![Splice::new(comma, comma + 1, String::new()), Splice::new(start, end, String::new())]]
    }

    fn is_map(&self, of: Id) -> bool {
        matches!(self.layout.tree.nodes[of].content, Content::Map(_))
    }
}
