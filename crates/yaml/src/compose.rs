//! Events to trees: anchors bound to their nodes, every node with its place.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use libyaml_safer::{
    Encoding, Error, ErrorKind, Event, EventData, MappingStyle, Mark, Parser, ScalarStyle, SequenceStyle,
};

use crate::scanner::{MOST_STAND_INS, Strict, comma_in_tag, misread, stand_in};
use crate::split::Chunk;
use crate::{Problem, ProblemKind, nodes};

/// An index into [`Tree::nodes`].
pub(crate) type Id = usize;

/// One document as it is written. The root is node 0.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
    /// Where each node stands, where that was asked for; empty otherwise.
    pub(crate) spans: Vec<Span>,
    /// The aliases that stand within what their anchor names, with that anchor's name: nothing may follow them.
    pub(crate) endless: BTreeMap<Id, String>,
}

/// Where a node stands in the text of its piece, in bytes, as the parser tells it.
#[derive(Debug)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) anchor: Option<String>,
    pub(crate) style: Style,
}

/// How a node is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Alias,
    Scalar(nodes::Style),
    /// A map or list by indentation.
    Block,
    /// A map or list by brackets.
    Flow,
}

impl Style {
    pub(crate) const PLAIN: Self = Self::Scalar(nodes::Style::Plain);
    pub(crate) const SINGLE: Self = Self::Scalar(nodes::Style::Single);
    pub(crate) const DOUBLE: Self = Self::Scalar(nodes::Style::Double);
    pub(crate) const LITERAL: Self = Self::Scalar(nodes::Style::Literal);
    pub(crate) const FOLDED: Self = Self::Scalar(nodes::Style::Folded);
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) content: Content,
    pub(crate) tag: Option<String>,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

#[derive(Debug)]
pub(crate) enum Content {
    /// `plain` when what it means depends on its text: neither quoted nor a block.
    Scalar {
        text: String,
        plain: bool,
        style: ScalarStyle,
    },
    List(Vec<Id>),
    Map(Vec<(Id, Id)>),
    Alias(Id),
}

impl Tree {
    /// The line of the content, from 1.
    pub(crate) fn line(&self) -> u32 {
        self.nodes.first().map_or(1, |node| node.line)
    }

    pub(crate) fn follow(&self, id: Id) -> Id {
        match self.nodes[id].content {
            // An alias never points at an alias: anchors are set on content only.
            Content::Alias(target) => target,
            _ => id,
        }
    }

    pub(crate) fn line_of(&self, pointer: &str) -> u32 {
        let (mut at, mut line) = (0, self.line());
        for part in pointer.split('/').skip(1) {
            let part = part.replace("~1", "/").replace("~0", "~");
            let found = match &self.nodes[self.follow(at)].content {
                Content::Map(_) => self.entry(self.follow(at), &part),
                Content::List(items) => {
                    part.parse().ok().and_then(|index: usize| items.get(index)).map(|item| (*item, *item))
                }
                _ => None,
            };
            let Some((key, value)) = found else { break };
            (at, line) = (value, self.nodes[key].line);
        }
        line
    }

    /// Finds an entry by its key's text: the last one there is, else one that came by a merge key.
    fn entry(&self, map: Id, name: &str) -> Option<(Id, Id)> {
        let Content::Map(entries) = &self.nodes[map].content else { return None };
        let is = |key: Id, text: &str| matches!(&self.nodes[key].content, Content::Scalar { text: have, .. } if have == text);
        if let Some(entry) = entries.iter().rev().find(|(key, _)| is(self.follow(*key), name)) {
            return Some(*entry);
        }
        let (_, merged) = entries.iter().rev().find(|(key, _)| is(*key, "<<"))?;
        match &self.nodes[self.follow(*merged)].content {
            Content::Map(_) => self.entry(self.follow(*merged), name),
            Content::List(items) => items.iter().find_map(|item| self.entry(self.follow(*item), name)),
            _ => None,
        }
    }
}

/// A map or list whose end has not come yet.
struct Open {
    id: Id,
    is_flow: bool,
    /// The key whose value comes next.
    key: Option<Id>,
}

/// Reads the documents of one piece, up to the first mistake.
pub(crate) fn compose(chunk: &Chunk<'_>, max_depth: usize) -> (Vec<Tree>, Option<Problem>) {
    let composer = Composer { lines_before: chunk.lines_before, max_depth, ..Composer::default() };
    compose_by(composer, chunk)
}

/// Reads as [`compose`] does, and keeps where every node stands.
pub(crate) fn compose_with_spans(chunk: &Chunk<'_>, max_depth: usize) -> (Vec<Tree>, Option<Problem>) {
    let composer = Composer { lines_before: chunk.lines_before, max_depth, keeps_spans: true, ..Composer::default() };
    compose_by(composer, chunk)
}

fn compose_by(mut composer: Composer, chunk: &Chunk<'_>) -> (Vec<Tree>, Option<Problem>) {
    let (max_depth, keeps_spans) = (composer.max_depth, composer.keeps_spans);
    let mut text = Cow::Borrowed(chunk.text);
    for _ in 0..MOST_STAND_INS {
        // libyaml-safer panics on some broken texts, `[!,a]` for one. Those come from strangers: they must end in a
        // problem like any other. What the closure leaves behind is only read for the place.
        let parsed = catch_unwind(AssertUnwindSafe(|| parse(&text, &mut composer)));
        let (at, problem) = match parsed {
            Ok(Ok(())) => return (composer.trees, None),
            Ok(Err(Broken::Content(problem))) => return (composer.trees, Some(problem)),
            Ok(Err(Broken::Text(error))) => {
                let problem = composer.before_added_break(syntax_problem(chunk, &error), &error);
                (misread(&error, &text), problem)
            }
            Err(_panic) => {
                let message = "the text cannot be parsed after this place".to_owned();
                let problem = composer.problem(ProblemKind::Syntax, composer.last_mark, message);
                (comma_in_tag(&text, composer.last_mark.index as usize), problem)
            }
        };
        let lines_before = chunk.lines_before;
        let mut stand_ins = std::mem::take(&mut composer.stand_ins);
        let Some(stand_in) = at.and_then(|at| stand_in(&mut stand_ins, &text, at)) else {
            return (composer.trees, Some(problem));
        };
        text.to_mut()[at.unwrap_or_default()] = stand_in;
        composer = Composer { lines_before, max_depth, keeps_spans, stand_ins, ..Composer::default() };
    }
    let message = format!("there are more than {MOST_STAND_INS} colons and commas at the ends of plain texts and tags");
    let problem = composer.problem(ProblemKind::Limit, composer.last_mark, message);
    (composer.trees, Some(problem))
}

/// Returns the signs of a block scalar, after its anchor and tag.
fn block_header(source: &[u8]) -> &[u8] {
    source
        .split(u8::is_ascii_whitespace)
        .find(|part| part.starts_with(b"|") || part.starts_with(b">"))
        .unwrap_or_default()
}

enum Broken {
    Text(Error),
    Content(Problem),
}

fn parse(text: &[u8], composer: &mut Composer) -> Result<(), Broken> {
    // libyaml-safer panics where a text ends without a line break inside a block scalar. So the break is added, and
    // taken off the scalar again.
    let last_line = text.rsplit(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    let has_old_break = ["\u{85}", "\u{2028}", "\u{2029}"].iter().any(|end| text.ends_with(end.as_bytes()));
    let last_line = if has_old_break { b"" } else { last_line };
    let line_break: &[u8] = if last_line.is_empty() { b"" } else { b"\n" };
    composer.unbroken_end = (!last_line.is_empty()).then_some(text.len() as u64);
    composer.blank_end = last_line.iter().all(|byte| *byte == b' ').then_some(last_line.len());

    let mut parser = Parser::new();
    // Set, so that the parser does not guess from the first bytes.
    parser.set_encoding(Encoding::Utf8);
    parser.set_input(text.chain(line_break));
    loop {
        let event = parser.parse().map_err(Broken::Text)?;
        composer.last_mark = event.end_mark;
        if event.data == EventData::StreamEnd {
            return Ok(());
        }
        if let Some((at, message)) = composer.strict.refuse(&event, text, composer.lines_before) {
            return Err(Broken::Content(composer.problem(ProblemKind::Syntax, at, message)));
        }
        composer.take(event, text).map_err(Broken::Content)?;
    }
}

#[derive(Default)]
struct Composer {
    /// The documents that are whole.
    trees: Vec<Tree>,
    /// The document being read.
    tree: Tree,
    open: Vec<Open>,
    anchors: BTreeMap<String, Id>,
    lines_before: u32,
    max_depth: usize,
    keeps_spans: bool,
    /// What stands for which characters in plain texts and tags.
    stand_ins: Vec<(char, char)>,
    strict: Strict,
    last_mark: Mark,
    /// Where the text ends without a line break, in bytes.
    unbroken_end: Option<u64>,
    /// How many blanks the last line is that has nothing else.
    blank_end: Option<usize>,
}

impl Composer {
    fn finish(&mut self) {
        self.anchors.clear();
        self.trees.push(std::mem::take(&mut self.tree));
    }

    /// Takes the line break that was added to the text off a block scalar that runs to its end.
    fn without_added_break(&self, mut text: String, event: (Mark, Mark), style: ScalarStyle, source: &[u8]) -> String {
        let (start, end) = event;
        let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        if !is_block || self.unbroken_end.is_none_or(|unbroken| end.index < unbroken) || !text.ends_with('\n') {
            return text;
        }
        let source = source.get(start.index as usize..).unwrap_or_default();
        // Blanks alone are no line of the text unless they are deeper than it is indented, or all is kept.
        if self
            .blank_end
            .is_none_or(|blanks| blanks > self.block_indent(source) || block_header(source).contains(&b'+'))
        {
            text.pop();
        }
        text
    }

    /// Returns how far the lines of a block scalar are indented, by its header or else by the first that says something.
    fn block_indent(&self, source: &[u8]) -> usize {
        if let Some(digit) = block_header(source).iter().find(|byte| byte.is_ascii_digit()) {
            let around = self.open.iter().rev().find(|open| !open.is_flow);
            let around = around.map_or(0, |open| self.tree.nodes[open.id].column as usize - 1);
            return around + usize::from(digit - b'0');
        }
        let blanks = |line: &[u8]| line.iter().take_while(|byte| **byte == b' ').count();
        let mut lines = source.split(|byte| matches!(byte, b'\n' | b'\r')).skip(1);
        lines.find(|line| blanks(line) < line.len()).map_or(usize::MAX, blanks)
    }

    /// Puts a problem that is found after the line break that was added to the text where the text ends.
    fn before_added_break(&self, mut problem: Problem, error: &Error) -> Problem {
        let is_after = |mark: Mark| self.unbroken_end.is_some_and(|unbroken| mark.index > unbroken);
        // What is told of the end of the stream itself comes after a line end in Go, too: it makes one there.
        let is_of_the_end = error.kind() != ErrorKind::Scanner || error.problem() == "could not find expected ':'";
        if !is_of_the_end && error.problem_mark().is_some_and(|mark| is_after(mark) && mark.column == 0) {
            problem.line = problem.line.saturating_sub(1).max(1);
        }
        problem
    }

    fn take(&mut self, event: Event, text: &[u8]) -> Result<(), Problem> {
        let at = event.start_mark;
        let end = event.end_mark.index as usize;
        let span = if self.keeps_spans { span_of(&event) } else { None };
        match event.data {
            EventData::Scalar { anchor, tag, value, plain_implicit, style, .. } => {
                // Of a bare `!` before nothing libyaml says that its tag counts, and go-yaml v3 that it does not.
                let is_plain = style == ScalarStyle::Plain && (plain_implicit || tag.as_deref() == Some("!"));
                let mut value = self.without_added_break(value, (at, event.end_mark), style, text);
                for &(stand_in, original) in &self.stand_ins {
                    value = value.replace(stand_in, original.encode_utf8(&mut [0; 4]));
                }
                self.add(at, anchor, tag, Content::Scalar { text: value, plain: is_plain, style });
            }
            EventData::SequenceStart { anchor, tag, style, .. } => {
                self.begin(at, anchor, tag, Content::List(Vec::new()), style == SequenceStyle::Flow)?;
            }
            EventData::MappingStart { anchor, tag, style, .. } => {
                self.begin(at, anchor, tag, Content::Map(Vec::new()), style == MappingStyle::Flow)?;
            }
            EventData::SequenceEnd | EventData::MappingEnd => {
                let closed = self.open.pop().map(|open| open.id);
                if let Some(span) = closed.and_then(|id| self.tree.spans.get_mut(id)) {
                    span.end = end;
                }
            }
            EventData::Alias { anchor } => self.alias(at, &anchor)?,
            EventData::DocumentEnd { .. } => self.finish(),
            EventData::StreamStart { .. } | EventData::StreamEnd | EventData::DocumentStart { .. } => {}
        }
        self.tree.spans.extend(span);
        Ok(())
    }

    fn alias(&mut self, at: Mark, anchor: &str) -> Result<(), Problem> {
        let Some(&target) = self.anchors.get(anchor) else {
            return Err(self.problem(ProblemKind::Syntax, at, format!("unknown anchor '{anchor}' referenced")));
        };
        let is_endless = self.open.iter().any(|open| open.id == target);
        let id = self.add(at, None, None, Content::Alias(target));
        if is_endless {
            self.tree.endless.insert(id, anchor.to_owned());
        }
        Ok(())
    }

    fn begin(
        &mut self,
        at: Mark,
        anchor: Option<String>,
        tag: Option<String>,
        content: Content,
        is_flow: bool,
    ) -> Result<(), Problem> {
        if self.open.len() >= self.max_depth {
            let message = format!("maps and lists are nested deeper than the limit of {}", self.max_depth);
            return Err(self.problem(ProblemKind::Limit, at, message));
        }
        let id = self.add(at, anchor, tag, content);
        self.open.push(Open { id, is_flow, key: None });
        Ok(())
    }

    /// Adds a node where the innermost open map or list expects one.
    fn add(&mut self, at: Mark, anchor: Option<String>, tag: Option<String>, content: Content) -> Id {
        let id = self.tree.nodes.len();
        let line = self.lines_before + at.line as u32 + 1;
        let restored = |tag: String| {
            let originals = self.stand_ins.iter();
            originals.fold(tag, |tag, (stand_in, of)| tag.replace(*stand_in, of.encode_utf8(&mut [0; 4])))
        };
        let tag = tag.map(restored);
        self.tree.nodes.push(Node { content, tag, line, column: at.column as u32 + 1 });
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, id);
        }
        if let Some(open) = self.open.last_mut() {
            match &mut self.tree.nodes[open.id].content {
                Content::List(items) => items.push(id),
                Content::Map(entries) => match open.key.take() {
                    None => open.key = Some(id),
                    Some(key) => entries.push((key, id)),
                },
                Content::Scalar { .. } | Content::Alias(_) => {}
            }
        }
        id
    }

    fn problem(&self, kind: ProblemKind, at: Mark, message: String) -> Problem {
        Problem::new(kind, self.lines_before + at.line as u32 + 1, at.column as u32 + 1, message)
    }
}

/// Tells where the node stands that an event begins; `None` of an event that begins none.
fn span_of(event: &Event) -> Option<Span> {
    let (anchor, style) = match &event.data {
        EventData::Alias { .. } => (None, Style::Alias),
        EventData::Scalar { anchor, style, .. } => (anchor.clone(), Style::Scalar(nodes::Style::of(*style))),
        EventData::SequenceStart { anchor, style, .. } => {
            (anchor.clone(), if *style == SequenceStyle::Flow { Style::Flow } else { Style::Block })
        }
        EventData::MappingStart { anchor, style, .. } => {
            (anchor.clone(), if *style == MappingStyle::Flow { Style::Flow } else { Style::Block })
        }
        _ => return None,
    };
    Some(Span { start: event.start_mark.index as usize, end: event.end_mark.index as usize, anchor, style })
}

fn syntax_problem(chunk: &Chunk<'_>, error: &Error) -> Problem {
    let line = |mark: Mark| chunk.lines_before + mark.line as u32 + 1;
    if let Some(mark) = error.problem_mark() {
        let message = match (error.context(), error.context_mark()) {
            (Some(context), Some(from)) if from.line != mark.line => {
                format!("{} {context} that starts at line {}", error.problem(), line(from))
            }
            _ => error.problem().to_owned(),
        };
        return Problem::new(ProblemKind::Syntax, line(mark), mark.column as u32 + 1, message);
    }
    // The reader tells no place: it is the first byte that is no text, or a character YAML does not allow.
    let valid = match std::str::from_utf8(chunk.text) {
        Ok(text) => text.find(|c: char| !is_allowed(c)).unwrap_or(0),
        Err(error) => error.valid_up_to(),
    };
    let before = String::from_utf8_lossy(&chunk.text[..valid]);
    let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) as u32 + 1;
    let lines = before.matches('\n').count() as u32;
    let message = if error.kind() == ErrorKind::Reader && error.problem() != "invalid UTF-8" {
        error.problem().to_owned()
    } else {
        "the text is not UTF-8".to_owned()
    };
    Problem::new(ProblemKind::Syntax, chunk.lines_before + lines + 1, column, message)
}

/// The characters a YAML text may hold (YAML 1.1, `c-printable`).
fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}
