//! Pipelines: declarations, commands and operands.

use smallvec::SmallVec;

use super::{MAX_PARENS, Parsed, Parser};
use crate::lex::{Item, Kind};
use crate::number;
use crate::quote;
use crate::stack;
use crate::tree::{Id, NO_SLOT, Node, Run, Span};

/// The variables before `:=` or `=`, as tokens and names.
type Declarations<'t> = Vec<(Item, &'t [u8])>;

impl<'t> Parser<'t, '_> {
    pub(super) fn pipeline(&mut self, context: &str, end: Kind) -> Parsed<Id> {
        let pos = self.peek_non_space().start;
        let (decls, assign) = self.declarations(context)?;
        let from = self.pending.len();
        loop {
            let item = self.next_non_space();
            match item.kind {
                kind if kind == end => break,
                Kind::Bool
                | Kind::CharConstant
                | Kind::Complex
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawString
                | Kind::String
                | Kind::Variable
                | Kind::LeftParen => {
                    self.backup();
                    let command = self.command()?;
                    self.pending.push(command);
                }
                _ => return Err(self.unexpected(item, context)),
            }
        }
        self.check(&self.pending[from..], context)?;
        let mut variables = Vec::with_capacity(decls.len());
        for (item, name) in decls {
            let slot = if assign { self.slot(name) } else { self.state.slots.len() as u32 };
            if !assign {
                self.state.slots.push(name);
                // A declaration inside parentheses may be passed over, by `and` and `or`: its slot is not certain.
                self.state.tree.dynamic |= end == Kind::RightParen;
            }
            let node = Node::Variable { slot, name: Span(item.start, item.end), fields: Run::EMPTY };
            variables.push(self.state.tree.add(node, item.start));
        }
        let decls = self.state.tree.link(&variables);
        let commands = self.linked(from);
        Ok(self.state.tree.add(Node::Pipe { decls, assign, commands }, pos))
    }

    fn declarations(&mut self, context: &str) -> Parsed<(Declarations<'t>, bool)> {
        let mut decls = Vec::new();
        loop {
            let variable = self.peek_non_space();
            if variable.kind != Kind::Variable {
                return Ok((decls, false));
            }
            self.next();
            // "$x foo" must read "foo" to know that $x is an argument, and put back all three tokens.
            let after = self.peek();
            let next = self.peek_non_space();
            let name = self.text_of(variable);
            match next.kind {
                Kind::Assign | Kind::Declare => {
                    self.next_non_space();
                    decls.push((variable, name));
                    self.state.vars.push(name);
                    return Ok((decls, next.kind == Kind::Assign));
                }
                Kind::Char if self.text_of(next) == b"," => {
                    self.next_non_space();
                    decls.push((variable, name));
                    self.state.vars.push(name);
                    if context == "range" && decls.len() < 2 {
                        match self.peek_non_space().kind {
                            // The second variable of a range.
                            Kind::Variable | Kind::RightDelim | Kind::RightParen => continue,
                            _ => return Err(self.error("range can only initialize variables")),
                        }
                    }
                    return Err(self.error(format!("too many declarations in {context}")));
                }
                _ if after.kind == Kind::Space => {
                    self.state.token[1] = after;
                    self.state.token[2] = variable;
                    self.state.peeked = 3;
                    return Ok((decls, false));
                }
                _ => {
                    self.state.token[1] = variable;
                    self.state.peeked = 2;
                    return Ok((decls, false));
                }
            }
        }
    }

    fn check(&self, commands: &[Id], context: &str) -> Parsed<()> {
        if commands.is_empty() {
            return Err(self.error(format!("missing value for {context}")));
        }
        for (stage, command) in commands.iter().enumerate().skip(1) {
            let tree = &self.state.tree;
            let Node::Command { args } = tree.node(*command) else { continue };
            if let Some(first) = tree.ids(*args).first()
                && matches!(
                    tree.node(*first),
                    Node::Bool(_) | Node::Dot | Node::Nil | Node::Number(_) | Node::String { .. }
                )
            {
                return Err(self.error(format!("non executable command in pipeline stage {}", stage + 1)));
            }
        }
        Ok(())
    }

    fn command(&mut self) -> Parsed<Id> {
        let pos = self.peek_non_space().start;
        let from = self.pending.len();
        loop {
            self.peek_non_space();
            if let Some(operand) = self.operand()? {
                self.pending.push(operand);
            }
            let item = self.next();
            match item.kind {
                Kind::Space => {}
                Kind::RightDelim | Kind::RightParen => {
                    self.backup();
                    break;
                }
                Kind::Pipe => break,
                _ => return Err(self.unexpected(item, "operand")),
            }
        }
        if self.pending.len() == from {
            return Err(self.error("empty command"));
        }
        let args = self.linked(from);
        Ok(self.state.tree.add(Node::Command { args }, pos))
    }

    fn operand(&mut self) -> Parsed<Option<Id>> {
        let Some(node) = self.term()? else { return Ok(None) };
        if self.peek().kind != Kind::Field {
            return Ok(Some(node));
        }
        let pos = self.peek().start;
        let mut added: SmallVec<[Span; 8]> = SmallVec::new();
        while self.peek().kind == Kind::Field {
            let item = self.next();
            added.push(Span(item.start + 1, item.end));
        }
        let tree = &mut self.state.tree;
        let joined = match *tree.node(node) {
            Node::Field(old) => Node::Field(tree.longer_name_run(old, &added)),
            Node::Variable { slot, name, fields } => {
                Node::Variable { slot, name, fields: tree.longer_name_run(fields, &added) }
            }
            Node::Bool(_) | Node::String { .. } | Node::Number(_) | Node::Nil | Node::Dot => {
                let text = quote::quoted(&tree.print(node));
                return Err(self.error(format!("unexpected . after term {text}")));
            }
            _ => {
                let fields = tree.name_run(added);
                return Ok(Some(tree.add(Node::Chain { node, fields }, pos)));
            }
        };
        Ok(Some(if tree.is_last(node) { tree.replace_last(joined, pos) } else { tree.add(joined, pos) }))
    }

    fn term(&mut self) -> Parsed<Option<Id>> {
        let item = self.next_non_space();
        let span = Span(item.start, item.end);
        let node = match item.kind {
            Kind::Identifier => {
                let name = String::from_utf8_lossy(self.text_of(item));
                let Some(function) = self.functions.find(&name) else {
                    let name = quote::quoted(name.as_bytes());
                    return Err(self.error(format!("function {name} not defined")));
                };
                Node::Identifier { name: span, function }
            }
            Kind::Dot => Node::Dot,
            Kind::Nil => Node::Nil,
            Kind::Variable => {
                let name = self.text_of(item);
                if !self.state.vars.contains(&name) {
                    return Err(self.error(format!("undefined variable {}", quote::quoted(name))));
                }
                Node::Variable { slot: self.slot(name), name: span, fields: Run::EMPTY }
            }
            Kind::Field => {
                let names = self.state.tree.name_run([Span(item.start + 1, item.end)]);
                Node::Field(names)
            }
            Kind::Bool => Node::Bool(self.text_of(item) == b"true"),
            Kind::CharConstant | Kind::Complex | Kind::Number => {
                let text = self.text_of(item);
                // Only character constants can hold anything but ASCII, and then only characters matter.
                let text = String::from_utf8_lossy(text);
                let mut number = number::parse(&text, item.kind).map_err(|message| self.error(message))?;
                number.text = (item.start, item.end);
                Node::Number(Box::new(number))
            }
            Kind::LeftParen => {
                if self.state.parens >= MAX_PARENS {
                    return Err(self.error("max expression depth exceeded"));
                }
                self.state.parens += 1;
                let pipe =
                    stack::deeper(64 * 1024, 1024 * 1024, || self.pipeline("parenthesized pipeline", Kind::RightParen));
                self.state.parens -= 1;
                return pipe.map(Some);
            }
            Kind::String | Kind::RawString => {
                let quoted = self.text_of(item);
                // Most strings mean what they say.
                let text = if quote::is_literal(quoted) {
                    None
                } else {
                    Some(quote::unquote(quoted).ok_or_else(|| self.error("invalid syntax"))?.into())
                };
                Node::String { quoted: span, text }
            }
            _ => {
                self.backup();
                return Ok(None);
            }
        };
        Ok(Some(self.state.tree.add(node, item.start)))
    }

    fn slot(&self, name: &[u8]) -> u32 {
        self.state.slots.iter().rposition(|slot| *slot == name).map_or(NO_SLOT, |slot| slot as u32)
    }
}
