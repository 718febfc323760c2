//! The parser: tokens to trees, by the rules of Go's `text/template/parse`.

mod pipeline;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::ParseError;
use crate::function::Functions;
use crate::lex::{Item, Kind, Lexer};
use crate::quote;
use crate::stack;
use crate::tree::{Id, Node, Run, Span, Tree};

/// How deep parenthesized expressions may nest: Go's own bound.
const MAX_PARENS: usize = 10_000;
/// How deep actions may nest. Go has no bound but its stack; real templates stay below 20.
const MAX_NESTING: usize = 10_000;

type Parsed<T> = Result<T, ParseError>;

/// Parses a text into the templates it defines, the outermost one among them.
pub(crate) fn parse(
    name: &[u8],
    text: &Bytes,
    delims: (&[u8], &[u8]),
    functions: &Functions,
) -> Parsed<BTreeMap<Arc<[u8]>, Tree>> {
    let name: Arc<[u8]> = name.into();
    if u32::try_from(text.len()).is_err() {
        return Err(ParseError::new(&name, 0, "text is larger than 4 GiB"));
    }
    let mut lexer = Lexer::new(text, delims.0, delims.1);
    lexer.break_is_keyword = functions.find("break").is_none();
    lexer.continue_is_keyword = functions.find("continue").is_none();
    let state = State::new(Tree::new(Arc::clone(&name), text.clone()));
    let mut parser =
        Parser { lexer, functions, name, state, nesting: 0, trees: BTreeMap::new(), pending: Vec::with_capacity(64) };
    parser.top()?;
    parser.add_tree()?;
    Ok(parser.trees)
}

struct Parser<'t, 'f> {
    lexer: Lexer<'t>,
    functions: &'f Functions,
    name: Arc<[u8]>,
    state: State<'t>,
    nesting: usize,
    trees: BTreeMap<Arc<[u8]>, Tree>,
    /// The nodes of lists, pipelines and commands that are not whole yet; each knows where its own begin.
    pending: Vec<Id>,
}

/// What belongs to the template being parsed; the outer one waits while an inner one is defined.
struct State<'t> {
    tree: Tree,
    token: [Item; 3],
    peeked: usize,
    /// Variables that may be named from here on, by the parser's loose rule.
    vars: Vec<&'t [u8]>,
    /// Variables that have a value here when the template runs, in the order of their slots.
    slots: Vec<&'t [u8]>,
    action_line: u32,
    range_depth: usize,
    parens: usize,
}

impl State<'_> {
    fn new(tree: Tree) -> Self {
        Self {
            tree,
            token: [Item::NONE; 3],
            peeked: 0,
            vars: vec![b"$"],
            slots: vec![b"$"],
            action_line: 0,
            range_depth: 0,
            parens: 0,
        }
    }
}

/// What a list of nodes ended with.
enum Ended {
    End,
    /// `else`, at this place.
    Else(u32),
}

impl Ended {
    fn text(&self) -> &'static str {
        match self {
            Self::End => "{{end}}",
            Self::Else(_) => "{{else}}",
        }
    }
}

/// A node, or the end of the list of nodes.
enum Step {
    Node(Id),
    Ended(Ended),
}

impl<'t> Parser<'t, '_> {
    // Tokens.

    fn next(&mut self) -> Item {
        let state = &mut self.state;
        if state.peeked > 0 {
            state.peeked -= 1;
        } else {
            state.token[0] = self.lexer.next_item();
        }
        state.token[state.peeked]
    }

    fn backup(&mut self) {
        self.state.peeked += 1;
    }

    fn peek(&mut self) -> Item {
        let item = self.next();
        self.backup();
        item
    }

    fn next_non_space(&mut self) -> Item {
        loop {
            let item = self.next();
            if item.kind != Kind::Space {
                return item;
            }
        }
    }

    fn peek_non_space(&mut self) -> Item {
        let item = self.next_non_space();
        self.backup();
        item
    }

    fn text_of(&self, item: Item) -> &'t [u8] {
        self.lexer.text_of(item)
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Parsed<Item> {
        let item = self.next_non_space();
        if item.kind == kind { Ok(item) } else { Err(self.unexpected(item, context)) }
    }

    fn error(&self, message: impl Into<String>) -> ParseError {
        ParseError::new(&self.name, self.state.token[0].line, message)
    }

    fn unexpected(&self, item: Item, context: &str) -> ParseError {
        let what = self.lexer.describe(item);
        if item.kind == Kind::Error {
            let mut message = what;
            let line = self.state.action_line;
            if line != 0 && line != item.line {
                let in_action = if message.ends_with(" action") { "" } else { " in action" };
                let name = String::from_utf8_lossy(&self.name);
                message = format!("{message}{in_action} started at {name}:{line}");
            }
            return self.error(message);
        }
        self.error(format!("unexpected {what} in {context}"))
    }

    // Trees.

    fn add_tree(&mut self) -> Parsed<()> {
        let empty = Tree::new(Arc::clone(&self.name), self.state.tree.text.clone());
        let tree = std::mem::replace(&mut self.state.tree, empty);
        match self.trees.get(&tree.name) {
            Some(old) if !old.is_empty() => {
                if !tree.is_empty() {
                    let name = quote::quoted(&tree.name);
                    return Err(self.error(format!("template: multiple definition of template {name}")));
                }
            }
            _ => {
                self.trees.insert(Arc::clone(&tree.name), tree);
            }
        }
        Ok(())
    }

    /// Parses the body of another template, up to its end, and adds it.
    fn inner(&mut self, body: impl FnOnce(&mut Self) -> Parsed<()>) -> Parsed<()> {
        let tree = Tree::new(Arc::clone(&self.name), self.state.tree.text.clone());
        let outer = std::mem::replace(&mut self.state, State::new(tree));
        body(self)?;
        self.add_tree()?;
        self.state = outer;
        Ok(())
    }

    fn top(&mut self) -> Parsed<()> {
        let start = self.peek().start;
        let from = self.pending.len();
        loop {
            match self.peek().kind {
                Kind::Eof => break,
                Kind::LeftDelim => {
                    let delim = self.next();
                    if self.next_non_space().kind == Kind::Define {
                        self.inner(Self::definition)?;
                        continue;
                    }
                    self.state.token[1] = delim;
                    self.state.peeked = 2;
                }
                _ => {}
            }
            match self.text_or_action()? {
                Step::Node(id) => self.pending.push(id),
                Step::Ended(ended) => return Err(self.error(format!("unexpected {}", ended.text()))),
            }
        }
        self.state.tree.root = self.list(from, start);
        Ok(())
    }

    fn definition(&mut self) -> Parsed<()> {
        const CONTEXT: &str = "define clause";
        let item = self.next_non_space();
        let name = self.template_name(item, CONTEXT)?;
        self.state.tree.name = name.into();
        self.expect(Kind::RightDelim, CONTEXT)?;
        let (root, ended) = self.item_list()?;
        self.state.tree.root = root;
        match ended {
            Ended::End => Ok(()),
            Ended::Else(_) => Err(self.error(format!("unexpected {} in {CONTEXT}", ended.text()))),
        }
    }

    // Lists and actions.

    /// Makes a list of the nodes that are pending from a place on.
    fn list(&mut self, from: usize, pos: u32) -> Id {
        let run = self.linked(from);
        self.state.tree.add(Node::List(run), pos)
    }

    /// Takes the nodes that are pending from a place on.
    fn linked(&mut self, from: usize) -> Run {
        let run = self.state.tree.link(&self.pending[from..]);
        self.pending.truncate(from);
        run
    }

    fn item_list(&mut self) -> Parsed<(Id, Ended)> {
        let start = self.peek_non_space().start;
        let from = self.pending.len();
        while self.peek_non_space().kind != Kind::Eof {
            match self.text_or_action()? {
                Step::Node(id) => self.pending.push(id),
                Step::Ended(ended) => return Ok((self.list(from, start), ended)),
            }
        }
        Err(self.error("unexpected EOF"))
    }

    fn text_or_action(&mut self) -> Parsed<Step> {
        let item = self.next_non_space();
        match item.kind {
            Kind::Text => {
                let node = Node::Text(Span(item.start, item.end));
                Ok(Step::Node(self.state.tree.add(node, item.start)))
            }
            Kind::LeftDelim => {
                self.state.action_line = item.line;
                self.nesting += 1;
                if self.nesting > MAX_NESTING {
                    return Err(self.error("max action depth exceeded"));
                }
                let step = stack::deeper(64 * 1024, 1024 * 1024, || self.action());
                self.nesting -= 1;
                // Only now: an error in the action is told with the line it started on.
                let step = step?;
                self.state.action_line = 0;
                Ok(step)
            }
            _ => Err(self.unexpected(item, "input")),
        }
    }

    fn action(&mut self) -> Parsed<Step> {
        let item = self.next_non_space();
        match item.kind {
            Kind::Block => self.block().map(Step::Node),
            Kind::Break => self.jump(item, "{{break}}", Node::Break),
            Kind::Continue => self.jump(item, "{{continue}}", Node::Continue),
            Kind::Else => {
                let next = self.peek_non_space();
                // "else if" and "else with" are told by the token left pending.
                if matches!(next.kind, Kind::If | Kind::With) {
                    return Ok(Step::Ended(Ended::Else(next.start)));
                }
                let item = self.expect(Kind::RightDelim, "else")?;
                Ok(Step::Ended(Ended::Else(item.start)))
            }
            Kind::End => {
                self.expect(Kind::RightDelim, "end")?;
                Ok(Step::Ended(Ended::End))
            }
            Kind::If | Kind::Range | Kind::With => self.control(item.kind).map(Step::Node),
            Kind::Template => self.template().map(Step::Node),
            _ => {
                self.backup();
                let item = self.peek();
                // Variables declared here stay until the enclosing end.
                let pipe = self.pipeline("command", Kind::RightDelim)?;
                Ok(Step::Node(self.state.tree.add(Node::Action { pipe }, item.start)))
            }
        }
    }

    fn jump(&mut self, item: Item, text: &str, node: Node) -> Parsed<Step> {
        let next = self.next_non_space();
        if next.kind != Kind::RightDelim {
            return Err(self.unexpected(next, text));
        }
        if self.state.range_depth == 0 {
            return Err(self.error(format!("{text} outside {{{{range}}}}")));
        }
        Ok(Step::Node(self.state.tree.add(node, item.start)))
    }

    /// `if`, `with` and `range`.
    fn control(&mut self, kind: Kind) -> Parsed<Id> {
        let (vars, slots) = (self.state.vars.len(), self.state.slots.len());
        let word = match kind {
            Kind::Range => "range",
            Kind::With => "with",
            _ => "if",
        };
        let pipe = self.pipeline(word, Kind::RightDelim)?;
        let declared = self.state.slots.len();
        let depth = usize::from(kind == Kind::Range);
        self.state.range_depth += depth;
        let (list, ended) = self.item_list()?;
        self.state.range_depth -= depth;
        self.state.slots.truncate(declared);
        let otherwise = match ended {
            Ended::End => None,
            Ended::Else(pos) => Some(self.otherwise(kind, pos)?),
        };
        self.state.vars.truncate(vars);
        self.state.slots.truncate(slots);
        let pos = self.state.tree.pos(pipe);
        let node = match kind {
            Kind::Range => Node::Range { pipe, list, otherwise },
            Kind::With => Node::With { pipe, list, otherwise },
            _ => Node::If { pipe, list, otherwise },
        };
        Ok(self.state.tree.add(node, pos))
    }

    fn otherwise(&mut self, kind: Kind, pos: u32) -> Parsed<Id> {
        if matches!(kind, Kind::If | Kind::With) && self.peek().kind == kind {
            self.next();
            self.nesting += 1;
            if self.nesting > MAX_NESTING {
                return Err(self.error("max action depth exceeded"));
            }
            let nested = stack::deeper(64 * 1024, 1024 * 1024, || self.control(kind));
            self.nesting -= 1;
            let nested = nested?;
            self.pending.push(nested);
            return Ok(self.list(self.pending.len() - 1, pos));
        }
        let (list, ended) = self.item_list()?;
        match ended {
            Ended::End => Ok(list),
            Ended::Else(_) => Err(self.error(format!("expected end; found {}", ended.text()))),
        }
    }

    fn block(&mut self) -> Parsed<Id> {
        const CONTEXT: &str = "block clause";
        let item = self.next_non_space();
        let name = self.template_name(item, CONTEXT)?;
        let pipe = self.pipeline(CONTEXT, Kind::RightDelim)?;
        let last = self.state.token[0].line;
        let outer = Arc::clone(&self.name);
        self.inner(|parser| {
            parser.state.tree.name = name.as_slice().into();
            let (root, ended) = parser.item_list()?;
            parser.state.tree.root = root;
            match ended {
                Ended::End => Ok(()),
                // The outer template complains, on the line it has come to.
                Ended::Else(_) => {
                    Err(ParseError::new(&outer, last, format!("unexpected {} in {CONTEXT}", ended.text())))
                }
            }
        })?;
        let node = Node::Template { name: name.into(), pipe: Some(pipe) };
        Ok(self.state.tree.add(node, item.start))
    }

    fn template(&mut self) -> Parsed<Id> {
        const CONTEXT: &str = "template clause";
        let item = self.next_non_space();
        let name = self.template_name(item, CONTEXT)?;
        let mut pipe = None;
        if self.next_non_space().kind != Kind::RightDelim {
            self.backup();
            pipe = Some(self.pipeline(CONTEXT, Kind::RightDelim)?);
        }
        Ok(self.state.tree.add(Node::Template { name: name.into(), pipe }, item.start))
    }

    fn template_name(&mut self, item: Item, context: &str) -> Parsed<Vec<u8>> {
        if matches!(item.kind, Kind::String | Kind::RawString) {
            return quote::unquote(self.text_of(item)).ok_or_else(|| self.error("invalid syntax"));
        }
        Err(self.unexpected(item, context))
    }
}
