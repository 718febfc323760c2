//! Parsed templates: an arena of nodes, and how Go prints them.

use std::sync::Arc;

use bytes::Bytes;

use crate::quote;
use crate::stack;

/// The place of a node in its tree.
pub(crate) type Id = u32;

/// A part of the tree's text: start and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) u32, pub(crate) u32);

/// A run of ids in [`Tree::links`], or of names in [`Tree::names`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    start: u32,
    len: u32,
}

/// So many nodes a template has at least, or nearly: there is room for them from the beginning.
const FEW: usize = 24;

/// The slot of a variable that has no value where it is used.
pub(crate) const NO_SLOT: u32 = u32::MAX;

#[derive(Debug)]
pub(crate) enum Node {
    List(Run),
    Text(Span),
    Action {
        pipe: Id,
    },
    Pipe {
        decls: Run,
        assign: bool,
        commands: Run,
    },
    Command {
        args: Run,
    },
    Bool(bool),
    Dot,
    Nil,
    /// `.a.b`, as names.
    Field(Run),
    /// `$x.a.b`: where `$x` lies among the variables of its template, its name, and the other names.
    Variable {
        slot: u32,
        name: Span,
        fields: Run,
    },
    /// A term followed by fields.
    Chain {
        node: Id,
        fields: Run,
    },
    /// A function, by its place in the function table.
    Identifier {
        name: Span,
        function: u32,
    },
    Number(Box<Number>),
    /// `None` where the text is what stands between the quotes.
    String {
        quoted: Span,
        text: Option<Box<[u8]>>,
    },
    If {
        pipe: Id,
        list: Id,
        otherwise: Option<Id>,
    },
    With {
        pipe: Id,
        list: Id,
        otherwise: Option<Id>,
    },
    Range {
        pipe: Id,
        list: Id,
        otherwise: Option<Id>,
    },
    Template {
        name: Box<[u8]>,
        pipe: Option<Id>,
    },
    Break,
    Continue,
}

/// A number literal under all types that can hold it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Number {
    pub(crate) int: Option<i64>,
    pub(crate) uint: Option<u64>,
    pub(crate) float: Option<f64>,
    pub(crate) complex: Option<(f64, f64)>,
    pub(crate) text: (u32, u32),
    /// Whether the literal, where no type is asked for, is a `float64`.
    pub(crate) looks_like_float: bool,
}

/// One template.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) name: Arc<[u8]>,
    /// The name of the outermost template of the text this one was defined in.
    pub(crate) parse_name: Arc<[u8]>,
    pub(crate) text: Bytes,
    pub(crate) root: Id,
    /// Whether variables must be looked up by name: some are declared in places that may be passed over.
    pub(crate) dynamic: bool,
    nodes: Vec<(Node, u32)>,
    links: Vec<Id>,
    names: Vec<Span>,
}

impl Tree {
    pub(crate) fn new(parse_name: Arc<[u8]>, text: Bytes) -> Self {
        Self {
            name: Arc::clone(&parse_name),
            parse_name,
            text,
            root: 0,
            dynamic: false,
            nodes: Vec::new(),
            links: Vec::new(),
            names: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, node: Node, pos: u32) -> Id {
        if self.nodes.is_empty() {
            self.nodes.reserve(FEW);
            self.links.reserve(FEW);
        }
        self.nodes.push((node, pos));
        self.nodes.len() as Id - 1
    }

    /// Puts another node in the place of the one that was added last.
    pub(crate) fn replace_last(&mut self, node: Node, pos: u32) -> Id {
        self.nodes.pop();
        self.add(node, pos)
    }

    /// Tells whether a node is the one that was added last.
    pub(crate) fn is_last(&self, id: Id) -> bool {
        id as usize + 1 == self.nodes.len()
    }

    pub(crate) fn link(&mut self, ids: &[Id]) -> Run {
        let start = self.links.len() as u32;
        self.links.extend_from_slice(ids);
        Run { start, len: ids.len() as u32 }
    }

    pub(crate) fn name_run(&mut self, names: impl IntoIterator<Item = Span>) -> Run {
        let start = self.names.len() as u32;
        self.names.extend(names);
        Run { start, len: self.names.len() as u32 - start }
    }

    /// Returns a run with more names behind it.
    pub(crate) fn longer_name_run(&mut self, old: Run, more: &[Span]) -> Run {
        let mut start = old.start;
        if (old.start + old.len) as usize != self.names.len() {
            start = self.names.len() as u32;
            self.names.extend_from_within(old.start as usize..(old.start + old.len) as usize);
        }
        self.names.extend_from_slice(more);
        Run { start, len: self.names.len() as u32 - start }
    }

    /// Returns the text of a string, which may be told by its place alone.
    pub(crate) fn string<'n>(&'n self, quoted: Span, text: Option<&'n [u8]>) -> &'n [u8] {
        text.unwrap_or_else(|| self.span(Span(quoted.0 + 1, quoted.1 - 1)))
    }

    pub(crate) fn node(&self, id: Id) -> &Node {
        &self.nodes[id as usize].0
    }

    pub(crate) fn pos(&self, id: Id) -> u32 {
        self.nodes[id as usize].1
    }

    pub(crate) fn ids(&self, run: Run) -> &[Id] {
        &self.links[run.start as usize..(run.start + run.len) as usize]
    }

    pub(crate) fn names(&self, run: Run) -> &[Span] {
        &self.names[run.start as usize..(run.start + run.len) as usize]
    }

    pub(crate) fn span(&self, span: Span) -> &[u8] {
        &self.text[span.0 as usize..span.1 as usize]
    }

    /// Returns an identifier, which consists of letters and digits.
    pub(crate) fn ident(&self, span: Span) -> &str {
        std::str::from_utf8(self.span(span)).unwrap_or_default()
    }

    /// Returns the variables that a pipeline declares or assigns.
    pub(crate) fn declarations(&self, pipe: Id) -> &[Id] {
        match self.node(pipe) {
            Node::Pipe { decls, .. } => self.ids(*decls),
            _ => &[],
        }
    }

    pub(crate) fn declares(&self, pipe: Id) -> bool {
        matches!(self.node(pipe), Node::Pipe { decls, .. } if decls.len > 0)
    }

    pub(crate) fn assigns(&self, pipe: Id) -> bool {
        matches!(self.node(pipe), Node::Pipe { assign: true, .. })
    }

    /// Tells whether there is nothing but white space.
    pub(crate) fn is_empty(&self) -> bool {
        let Node::List(items) = self.node(self.root) else { return false };
        self.ids(*items).iter().all(|id| match self.node(*id) {
            Node::Text(span) => String::from_utf8_lossy(self.span(*span)).trim().is_empty(),
            _ => false,
        })
    }

    /// Returns the line of a node, counted from 1, and its column in bytes, counted as Go does.
    pub(crate) fn line_and_column(&self, id: Id) -> (usize, usize) {
        let before = &self.text[..self.pos(id) as usize];
        let line = 1 + memchr::memchr_iter(b'\n', before).count();
        // On the first line the column counts from 0, on others too: the byte after the newline is column 0.
        let column = memchr::memrchr(b'\n', before).map_or(before.len(), |at| before.len() - at - 1);
        (line, column)
    }

    /// Returns a node as Go prints it.
    pub(crate) fn print(&self, id: Id) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(id, &mut out);
        out
    }

    fn write(&self, id: Id, out: &mut Vec<u8>) {
        stack::deeper(32 * 1024, 1024 * 1024, || self.write_node(id, out));
    }

    fn write_node(&self, id: Id, out: &mut Vec<u8>) {
        match self.node(id) {
            Node::List(items) => self.ids(*items).iter().for_each(|id| self.write(*id, out)),
            Node::Text(span) => out.extend_from_slice(self.span(*span)),
            Node::Action { pipe } => {
                out.extend_from_slice(b"{{");
                self.write(*pipe, out);
                out.extend_from_slice(b"}}");
            }
            Node::Pipe { decls, assign, commands } => {
                for (at, decl) in self.ids(*decls).iter().enumerate() {
                    if at > 0 {
                        out.extend_from_slice(b", ");
                    }
                    self.write(*decl, out);
                }
                if decls.len > 0 {
                    out.extend_from_slice(if *assign { b" = " } else { b" := " });
                }
                for (at, command) in self.ids(*commands).iter().enumerate() {
                    if at > 0 {
                        out.extend_from_slice(b" | ");
                    }
                    self.write(*command, out);
                }
            }
            Node::Command { args } => {
                for (at, arg) in self.ids(*args).iter().enumerate() {
                    if at > 0 {
                        out.push(b' ');
                    }
                    self.write_operand(*arg, out);
                }
            }
            Node::Bool(truth) => out.extend_from_slice(if *truth { b"true" } else { b"false" }),
            Node::Dot => out.push(b'.'),
            Node::Nil => out.extend_from_slice(b"nil"),
            Node::Field(names) => self.write_names(*names, out),
            Node::Variable { name, fields, .. } => {
                out.extend_from_slice(self.span(*name));
                self.write_names(*fields, out);
            }
            Node::Chain { node, fields } => {
                self.write_operand(*node, out);
                self.write_names(*fields, out);
            }
            Node::Identifier { name, .. } => out.extend_from_slice(self.span(*name)),
            Node::Number(number) => out.extend_from_slice(self.span(Span(number.text.0, number.text.1))),
            Node::String { quoted, .. } => out.extend_from_slice(self.span(*quoted)),
            Node::If { pipe, list, otherwise } => self.write_branch(b"if", *pipe, *list, *otherwise, out),
            Node::With { pipe, list, otherwise } => self.write_branch(b"with", *pipe, *list, *otherwise, out),
            Node::Range { pipe, list, otherwise } => self.write_branch(b"range", *pipe, *list, *otherwise, out),
            Node::Template { name, pipe } => {
                out.extend_from_slice(b"{{template ");
                quote::quote(out, name, false);
                if let Some(pipe) = pipe {
                    out.push(b' ');
                    self.write(*pipe, out);
                }
                out.extend_from_slice(b"}}");
            }
            Node::Break => out.extend_from_slice(b"{{break}}"),
            Node::Continue => out.extend_from_slice(b"{{continue}}"),
        }
    }

    fn write_operand(&self, id: Id, out: &mut Vec<u8>) {
        if matches!(self.node(id), Node::Pipe { .. }) {
            out.push(b'(');
            self.write(id, out);
            out.push(b')');
        } else {
            self.write(id, out);
        }
    }

    fn write_names(&self, names: Run, out: &mut Vec<u8>) {
        for name in self.names(names) {
            out.push(b'.');
            out.extend_from_slice(self.span(*name));
        }
    }

    fn write_branch(&self, word: &[u8], pipe: Id, list: Id, otherwise: Option<Id>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{{");
        out.extend_from_slice(word);
        out.push(b' ');
        self.write(pipe, out);
        out.extend_from_slice(b"}}");
        self.write(list, out);
        if let Some(otherwise) = otherwise {
            out.extend_from_slice(b"{{else}}");
            self.write(otherwise, out);
        }
        out.extend_from_slice(b"{{end}}");
    }
}

impl Run {
    pub(crate) const EMPTY: Self = Self { start: 0, len: 0 };

    pub(crate) fn len(self) -> usize {
        self.len as usize
    }
}
