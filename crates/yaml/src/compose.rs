//! Events to trees: anchors bound to their nodes, every node with its place.

use std::collections::BTreeMap;

use libyaml_safer::{Encoding, Error, ErrorKind, Event, EventData, Mark, Parser};

use crate::split::Chunk;
use crate::{Problem, ProblemKind};

/// An index into [`Tree::nodes`].
pub(crate) type Id = usize;

/// One document as it is written. The root is node 0.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
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
    /// The key whose value comes next.
    key: Option<Id>,
}

/// Reads the documents of one piece, up to the first mistake.
pub(crate) fn compose(chunk: &Chunk<'_>, max_depth: usize) -> (Vec<Tree>, Option<Problem>) {
    let mut text = chunk.text;
    let mut parser = Parser::new();
    // Set, so that the parser does not guess from the first bytes.
    parser.set_encoding(Encoding::Utf8);
    parser.set_input_string(&mut text);

    let mut trees = Vec::new();
    let mut composer = Composer { lines_before: chunk.lines_before, max_depth, ..Composer::default() };
    loop {
        let event = match parser.parse() {
            Ok(event) => event,
            Err(error) => return (trees, Some(syntax_problem(chunk, &error))),
        };
        match event.data {
            EventData::StreamEnd => return (trees, None),
            EventData::DocumentEnd { .. } => trees.push(composer.finish()),
            _ => {
                if let Err(problem) = composer.take(event) {
                    return (trees, Some(problem));
                }
            }
        }
    }
}

#[derive(Default)]
struct Composer {
    tree: Tree,
    open: Vec<Open>,
    anchors: BTreeMap<String, Id>,
    lines_before: u32,
    max_depth: usize,
}

impl Composer {
    fn finish(&mut self) -> Tree {
        self.anchors.clear();
        std::mem::take(&mut self.tree)
    }

    fn take(&mut self, event: Event) -> Result<(), Problem> {
        let at = event.start_mark;
        match event.data {
            EventData::Scalar { anchor, tag, value, plain_implicit, .. } => {
                self.add(at, anchor, tag, Content::Scalar { text: value, plain: plain_implicit });
            }
            EventData::SequenceStart { anchor, tag, .. } => self.begin(at, anchor, tag, Content::List(Vec::new()))?,
            EventData::MappingStart { anchor, tag, .. } => self.begin(at, anchor, tag, Content::Map(Vec::new()))?,
            EventData::SequenceEnd | EventData::MappingEnd => {
                self.open.pop();
            }
            EventData::Alias { anchor } => self.alias(at, &anchor)?,
            EventData::StreamStart { .. }
            | EventData::StreamEnd
            | EventData::DocumentStart { .. }
            | EventData::DocumentEnd { .. } => {}
        }
        Ok(())
    }

    fn alias(&mut self, at: Mark, anchor: &str) -> Result<(), Problem> {
        let Some(&target) = self.anchors.get(anchor) else {
            return Err(self.problem(ProblemKind::Syntax, at, format!("unknown anchor '{anchor}' referenced")));
        };
        if self.open.iter().any(|open| open.id == target) {
            return Err(self.problem(ProblemKind::Value, at, format!("anchor '{anchor}' value contains itself")));
        }
        self.add(at, None, None, Content::Alias(target));
        Ok(())
    }

    fn begin(
        &mut self,
        at: Mark,
        anchor: Option<String>,
        tag: Option<String>,
        content: Content,
    ) -> Result<(), Problem> {
        if self.open.len() >= self.max_depth {
            let message = format!("maps and lists are nested deeper than the limit of {}", self.max_depth);
            return Err(self.problem(ProblemKind::Limit, at, message));
        }
        let id = self.add(at, anchor, tag, content);
        self.open.push(Open { id, key: None });
        Ok(())
    }

    /// Adds a node where the innermost open map or list expects one.
    fn add(&mut self, at: Mark, anchor: Option<String>, tag: Option<String>, content: Content) -> Id {
        let id = self.tree.nodes.len();
        let line = self.lines_before + at.line as u32 + 1;
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

fn syntax_problem(chunk: &Chunk<'_>, error: &Error) -> Problem {
    let line = |mark: Mark| chunk.lines_before + mark.line as u32 + 1;
    if let Some(mark) = error.problem_mark() {
        let message = match (error.context(), error.context_mark()) {
            (Some(context), Some(from)) if from.line != mark.line => {
                format!("{} {context} that starts at line {}", error.problem(), line(from))
            }
            (Some(context), _) => format!("{} {context}", error.problem()),
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
