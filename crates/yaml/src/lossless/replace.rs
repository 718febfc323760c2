//! A node replaced by a new value, in the places and styles that the old one leaves.

use serde_json::Value;

use super::block_scalar;
use super::edit::{Place, Site, Splice};
use super::layout::Slot;
use super::scan::{begins_line, column, is_break, line_end, line_start};
use super::write::{self, Manner, block_lines, inline, is_nested, literal};
use crate::compose::Style;

/// Where the old value stood, and what is kept in front of the new one.
struct Hole {
    /// Where the new value begins; an anchor or tag before it stays.
    from: usize,
    /// What stays of an anchor and tag that do not.
    prefix: String,
}

impl Site<'_> {
    /// Ways of writing a value where a node is, the least change first.
    pub(super) fn replacements(&self, place: &Place, value: &Value) -> Vec<Vec<Splice>> {
        let manner = self.manner(place);
        let extent = self.layout.extents[place.node];
        let mut ways = Vec::new();
        if let (Style::LITERAL | Style::FOLDED, Value::String(text)) = (self.layout.style(place.node), value) {
            ways.extend(block_scalar::edits(self, place, text));
        }
        let mut holes = vec![Hole { from: extent.content, prefix: String::new() }];
        if self.layout.tree.nodes[place.node].tag.is_some() {
            let anchor = self.layout.tree.spans[place.node].anchor.as_ref();
            let prefix = anchor.map_or_else(String::new, |anchor| format!("&{anchor} "));
            holes.push(Hole { from: extent.start, prefix });
        }
        for hole in &holes {
            self.add_replacements(&mut ways, place, hole, value, &manner);
        }
        for hole in &holes {
            ways.push(self.put(place, hole, Some(inline(value, &manner.careful(), place.in_flow)), &[]));
        }
        ways
    }

    fn add_replacements(
        &self,
        ways: &mut Vec<Vec<Splice>>,
        place: &Place,
        hole: &Hole,
        value: &Value,
        manner: &Manner,
    ) {
        let old = self.layout.style(place.node);
        if is_nested(value) && !place.in_flow {
            let stays_in_brackets = old == Style::Flow && self.layout.parts(place.node) > 0;
            if stays_in_brackets {
                ways.push(self.put(place, hole, Some(inline(value, manner, false)), &[]));
            }
            ways.push(self.put_block(place, hole, value, manner));
            return;
        }
        if let Value::String(text) = value {
            let of_old = match old {
                Style::SINGLE | Style::DOUBLE => old,
                _ => Style::PLAIN,
            };
            let line = write::styled(text, of_old, manner.quotes, place.in_flow);
            if of_old == Style::PLAIN && !place.in_flow {
                let (base, offset) = self.block_base(place, manner);
                if let Some(block) = literal(text, offset, base + offset) {
                    ways.push(self.put(place, hole, Some(block.header), &block.lines));
                }
            }
            ways.push(self.put(place, hole, Some(line), &[]));
            return;
        }
        ways.push(self.put(place, hole, Some(inline(value, manner, place.in_flow)), &[]));
    }

    /// Returns the column that counts for what is indented in a place, and how much deeper its lines begin.
    pub(super) fn block_base(&self, place: &Place, manner: &Manner) -> (usize, usize) {
        match place.slot {
            Slot::Root => (0, manner.step),
            Slot::Entry(map, _) => (self.layout.block_column(self.text, map), manner.step),
            Slot::Item(list, _) => (self.layout.block_column(self.text, list), 2),
        }
    }

    /// Puts a map or list by indentation in a place.
    fn put_block(&self, place: &Place, hole: &Hole, value: &Value, manner: &Manner) -> Vec<Splice> {
        let extent = self.layout.extents[place.node];
        let has_properties = extent.named > extent.start;
        let (base, mut offset) = self.block_base(place, manner);
        let begins_anew = match place.slot {
            Slot::Root => {
                offset = 0;
                has_properties || !begins_line(self.text, extent.start)
            }
            Slot::Entry(..) => {
                offset = if value.is_array() { manner.list_offset } else { manner.step };
                true
            }
            Slot::Item(list, at) => {
                let dash = self.layout.part_start(self.text, list, at);
                if extent.end > extent.content && line_start(self.text, extent.content) <= dash {
                    offset = column(self.text, extent.content).saturating_sub(column(self.text, dash)).max(2);
                }
                has_properties
            }
        };
        let mut lines = block_lines(value, base + offset, manner);
        let first = if begins_anew {
            lines[0].insert_str(0, &" ".repeat(base + offset));
            None
        } else {
            Some(lines.remove(0))
        };
        self.put(place, hole, first, &lines)
    }

    /// Puts what goes on in the line of the old value, and lines of their own after that.
    fn put(&self, place: &Place, hole: &Hole, line: Option<String>, lines: &[String]) -> Vec<Splice> {
        let extent = self.layout.extents[place.node];
        let before = self.before_value(place);
        // What stays before the new value has no blank after it yet: a key's colon, a dash or an anchor.
        let has_properties = extent.named > extent.start;
        let kept = if has_properties { extent.named } else { before };
        let goes_on_below =
            matches!(self.layout.style(place.node), Style::Block) && line_start(self.text, extent.content) > kept;
        let mut below = String::new();
        for line in lines {
            below.push_str(self.line_break);
            below.push_str(line);
        }
        let mut splices = Vec::new();
        if goes_on_below {
            // Comments between stay.
            let last = self.text[..extent.content].trim_end_matches(|c| is_break(c) || matches!(c, ' ' | '\t')).len();
            let end_of_line = line_end(self.text, last.max(kept));
            let line = line.map_or_else(String::new, |line| format!(" {}{line}", hole.prefix));
            // An anchor or tag that goes stands between.
            let from = if hole.from < kept { before } else { kept };
            splices.push(Splice::new(from, kept, line));
            splices.push(Splice::new(end_of_line, extent.end, below));
            return splices;
        }
        let old_line_end = match self.layout.style(place.node) {
            Style::LITERAL | Style::FOLDED => {
                let header_end = line_end(self.text, extent.content);
                let header = &self.text[extent.content..header_end];
                extent.content + header.find([' ', '\t']).unwrap_or(header.len())
            }
            _ => extent.end,
        };
        match line {
            Some(line) => {
                let is_new = extent.content == extent.end && extent.start == extent.end;
                let needs_colon = is_new && place.in_flow && !self.has_colon(place);
                let needs_blank = is_new && !matches!(place.slot, Slot::Root);
                let blank = if needs_colon {
                    ": "
                } else if needs_blank || extent.content == extent.end && extent.start < extent.end {
                    " "
                } else {
                    ""
                };
                let from = if is_new { extent.start } else { hole.from };
                let blanks = self.text[old_line_end..].len() - self.text[old_line_end..].trim_start_matches(' ').len();
                let is_before_comment = self.text[old_line_end + blanks..].starts_with('#');
                let to = old_line_end + if blank.is_empty() || is_before_comment { 0 } else { blanks };
                splices.push(Splice::new(from, to, format!("{blank}{}{line}", hole.prefix)));
            }
            None => {
                let prefix =
                    if hole.prefix.is_empty() { String::new() } else { format!(" {}", hole.prefix.trim_end()) };
                let from = if hole.from < kept { before } else { kept };
                splices.push(Splice::new(from, old_line_end, prefix));
            }
        }
        let end_of_line = match self.layout.style(place.node) {
            Style::LITERAL | Style::FOLDED => line_end(self.text, extent.content),
            _ if lines.is_empty() => return splices,
            _ => line_end(self.text, extent.end),
        };
        splices.push(Splice::new(end_of_line, extent.end.max(end_of_line), below));
        splices
    }

    /// Returns the place after what announces a value: a colon or a dash.
    fn before_value(&self, place: &Place) -> usize {
        match place.slot {
            // A root may stand beside `---`.
            Slot::Root => {
                let start = self.layout.extents[place.node].start;
                let line = line_start(self.text, start);
                line + self.text[line..start].trim_end_matches([' ', '\t']).len()
            }
            Slot::Entry(map, at) => self.after_key(map, at).unwrap_or(0),
            Slot::Item(list, at) => {
                let start = self.layout.part_start(self.text, list, at);
                if place.in_flow { start } else { start + 1 }
            }
        }
    }

    fn has_colon(&self, place: &Place) -> bool {
        match place.slot {
            Slot::Entry(map, at) => self.after_key(map, at).is_some(),
            Slot::Root | Slot::Item(..) => true,
        }
    }
}
