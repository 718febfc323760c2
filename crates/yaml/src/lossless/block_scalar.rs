//! Block scalars changed line by line: lines that stay are not written anew.

use std::collections::BTreeMap;

use super::edit::{Place, Site, Splice};
use super::scan::{after_break, line_end, lines};
use super::write::chomping;
use crate::compose::{Content, Style};

/// A block scalar as it is written.
struct Written<'t> {
    /// `|` or `>`.
    sign: char,
    /// The indicator of indentation, where one is there.
    indicator: Option<char>,
    /// Where its indicators end.
    header_end: usize,
    /// Its lines, indentation and all.
    lines: Vec<&'t str>,
}

/// Ways of giving a block scalar a new text, without other lines than those of the change.
pub(super) fn edits(site: &Site<'_>, place: &Place, text: &str) -> Vec<Vec<Splice>> {
    let extent = site.layout.extents[place.node];
    let Content::Scalar { text: old, .. } = &site.layout.tree.nodes[place.node].content else { return Vec::new() };
    let header_line_end = line_end(site.text, extent.content);
    let header = &site.text[extent.content..header_line_end];
    let header_length = header.find([' ', '\t']).unwrap_or(header.len());
    let lines_start = after_break(site.text, header_line_end).min(extent.end.max(header_line_end));
    let written = Written {
        sign: if site.layout.style(place.node) == Style::FOLDED { '>' } else { '|' },
        indicator: header[..header_length].chars().find(char::is_ascii_digit),
        header_end: extent.content + header_length,
        lines: if lines_start < extent.end { lines(&site.text[lines_start..extent.end]) } else { Vec::new() },
    };
    if text.is_empty() || text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Vec::new();
    }
    let (base, offset) = site.block_base(place, &site.manner(place));
    let first = written.lines.iter().find(|line| !line.trim_start_matches(' ').is_empty());
    let of_first = first.map_or(0, |line| line.len() - line.trim_start_matches(' ').len());
    let column = match written.indicator.and_then(|digit| digit.to_digit(10)) {
        Some(by) => base + by as usize,
        None if of_first > 0 => of_first,
        None => base + offset,
    };
    let made = if written.sign == '>' { folded(&written, text, column) } else { None };
    let made_lines = made.unwrap_or_else(|| literal(&written, old, text, column));
    let needs_indicator = text.starts_with([' ', '\t', '\n']);
    let indicator = match written.indicator {
        Some(digit) => digit.to_string(),
        None if needs_indicator => column.saturating_sub(base).to_string(),
        None => String::new(),
    };
    let mut below = String::new();
    for line in &made_lines {
        below.push_str(site.line_break);
        below.push_str(line);
    }
    let ends_text = extent.end == site.text.len();
    let signs: &[&str] = if ends_text { &["", chomping(text)] } else { &[chomping(text)] };
    let signs = signs.iter().flat_map(|sign| [(written.sign, *sign), ('|', *sign)]);
    signs
        .map(|(kind, sign)| {
            let header = format!("{kind}{indicator}{sign}");
            let below = Splice::new(header_line_end, extent.end.max(header_line_end), below.clone());
            vec![Splice::new(extent.content, written.header_end, header), below]
        })
        .collect()
}

/// The lines of a literal text: those at both ends that are as before stay as they are.
fn literal(written: &Written<'_>, old: &str, text: &str, column: usize) -> Vec<String> {
    let split = |text: &'_ str| -> Vec<String> {
        text.strip_suffix('\n').unwrap_or(text).split('\n').map(str::to_owned).collect()
    };
    let (old, new) = (split(old), split(text));
    let pad = " ".repeat(column);
    let fresh = |line: &String| if line.is_empty() { String::new() } else { format!("{pad}{line}") };
    if written.sign != '|' || old.len() != written.lines.len() {
        return new.iter().map(fresh).collect();
    }
    let same = |pair: &(&String, &String)| pair.0 == pair.1;
    let before = old.iter().zip(&new).take_while(same).count();
    let rest = old.len().min(new.len()) - before;
    let after = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(same).count();
    let kept = |line: &&str| (*line).to_owned();
    let mut made: Vec<String> = written.lines[..before].iter().map(kept).collect();
    made.extend(new[before..new.len() - after].iter().map(fresh));
    made.extend(written.lines[old.len() - after..].iter().map(kept));
    made
}

/// The lines of a folded text: paragraphs that are as before stay folded where they were, new ones are one line.
///
/// `None` of a text that folding would change.
fn folded(written: &Written<'_>, text: &str, column: usize) -> Option<Vec<String>> {
    let body = text.trim_end_matches('\n');
    if body.is_empty() || body.split('\n').any(|line| line.starts_with([' ', '\t'])) || body.starts_with('\n') {
        return None;
    }
    let mut known: BTreeMap<String, &[&str]> = BTreeMap::new();
    for group in written.lines.split(|line| line.trim_matches(' ').is_empty()) {
        let joined: Vec<&str> = group.iter().map(|line| line.get(column..).unwrap_or_default()).collect();
        known.insert(joined.join(" "), group);
    }
    let pad = " ".repeat(column);
    let mut made = Vec::new();
    for (at, paragraph) in body.split('\n').enumerate() {
        // One break is a blank line more; each further one is another.
        if at > 0 {
            made.push(String::new());
        }
        match known.get(paragraph) {
            _ if paragraph.is_empty() => {}
            Some(group) => made.extend(group.iter().map(|line| (*line).to_owned())),
            None => made.push(format!("{pad}{paragraph}")),
        }
    }
    let trailing = text.len() - body.len();
    made.extend(std::iter::repeat_n(String::new(), trailing.saturating_sub(1)));
    Some(made)
}
