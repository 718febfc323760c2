//! Documents as they are written: nodes with their tags and styles, by the rules of go-yaml v3.
//!
//! What is changed before it is written again needs more than values: whether a text was quoted, which nodes an
//! alias stands for, that a key is there twice. [`read`] tells all of it.

use std::borrow::Cow;

use libyaml_safer::ScalarStyle;
use serde_json::Value;

use crate::compose::{self, Content};
use crate::number::{self, Num};
use crate::resolve::{Meaning, resolve, resolve_tagged, short_tag};
use crate::split::Chunk;
use crate::{Problem, Rules, quick};

/// What a node is said to be, or means by its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// Nothing is said: the text of a scalar decides.
    Implicit,
    /// `!!str`
    Text,
    /// `!!int`
    Int,
    /// `!!float`
    Float,
    /// `!!bool`
    Bool,
    /// `!!null`
    Null,
    /// `!!timestamp`
    Timestamp,
    /// `!!binary`
    Binary,
    /// `!!merge`: the key `<<`.
    Merge,
    /// `!!map`
    Map,
    /// `!!seq`
    List,
    /// Any other.
    Other,
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// As it is.
    Plain,
    /// `'…'`
    Single,
    /// `"…"`
    Double,
    /// `|`
    Literal,
    /// `>`
    Folded,
}

impl Style {
    pub(crate) fn of(style: ScalarStyle) -> Self {
        match style {
            ScalarStyle::SingleQuoted => Self::Single,
            ScalarStyle::DoubleQuoted => Self::Double,
            ScalarStyle::Literal => Self::Literal,
            ScalarStyle::Folded => Self::Folded,
            _ => Self::Plain,
        }
    }

    /// The style of what begins with a quote.
    pub(crate) fn of_quote(quote: u8) -> Self {
        if quote == b'"' { Self::Double } else { Self::Single }
    }
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// A text, and how it is written.
    Scalar(String, Style),
    /// Items.
    List(Vec<usize>),
    /// Keys and values, as often as they are written.
    Map(Vec<(usize, usize)>),
    /// The node that an alias stands for.
    Alias(usize),
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it holds.
    pub held: Held,
    /// What it is: of a plain scalar without a tag, what its text means.
    pub tag: Tag,
    /// Whether the tag is written.
    pub is_tagged: bool,
    /// From 1.
    pub line: u32,
}

/// Reads the first document of a text; no nodes where there is none, else the root is node 0.
///
/// # Errors
///
/// The first problem, where the first document is broken.
pub fn read(text: &[u8], max_depth: usize) -> Result<Vec<Node>, Problem> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let chunk = Chunk { text, lines_before: 0 };
    let (mut trees, problem) = compose::compose(&chunk, max_depth);
    if trees.is_empty() {
        return problem.map_or(Ok(Vec::new()), Err);
    }
    Ok(trees.swap_remove(0).nodes.into_iter().map(node).collect())
}

/// Makes nodes of one's own of what is read, without the ones in between.
pub trait Make {
    /// A node that was made.
    type Made;

    /// Makes a scalar without a tag.
    fn scalar(&mut self, text: &str, style: Style, tag: Tag) -> Self::Made;

    /// Makes a scalar without a tag that is a key.
    fn key(&mut self, text: &str, style: Style, tag: Tag) -> Self::Made;

    /// Makes a list.
    fn list(&mut self, items: Vec<Self::Made>) -> Self::Made;

    /// Makes a map of keys and values in turn; a key may be there twice.
    fn map(&mut self, entries: Vec<Self::Made>) -> Self::Made;
}

/// Reads a text that holds one document, if it is as programs write it: without anchors, tags, merge keys, and mistakes.
///
/// Gives what [`read`] gives, or declines; what was made until then is of no use.
pub fn read_usual<M: Make>(text: &str, max_depth: usize, maker: &mut M) -> Option<M::Made> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match quick::read_by(Maker(maker), text, max_depth)? {
        quick::Read::Document(made, _) => Some(made),
        quick::Read::Nothing => None,
    }
}

/// What makes nodes, as the quick reader asks for it.
struct Maker<'m, M>(&'m mut M);

impl<M: Make> quick::Make for Maker<'_, M> {
    type Made = M::Made;
    type Key<'t> = M::Made;
    type List = Vec<M::Made>;
    type Map = Vec<M::Made>;

    fn key(&mut self, name: quick::Name<'_>) -> Option<M::Made> {
        if name.style != Style::Plain {
            return Some(self.0.key(&name.text, name.style, Tag::Text));
        }
        let tag = meaning_of(&name.text);
        (tag != Tag::Merge).then(|| self.0.key(&name.text, Style::Plain, tag))
    }

    fn nothing(&mut self) -> M::Made {
        self.0.scalar("", Style::Plain, Tag::Null)
    }

    fn plain(&mut self, text: &str, _keep: bool) -> Option<M::Made> {
        Some(self.0.scalar(text, Style::Plain, meaning_of(text)))
    }

    fn text(&mut self, text: Cow<'_, str>, style: Style, _keep: bool) -> M::Made {
        self.0.scalar(&text, style, Tag::Text)
    }

    fn add_item(&mut self, list: &mut Vec<M::Made>, item: M::Made) {
        list.push(item);
    }

    fn list(&mut self, list: Vec<M::Made>) -> M::Made {
        self.0.list(list)
    }

    fn add_entry(&mut self, map: &mut Vec<M::Made>, key: M::Made, value: M::Made) -> Option<()> {
        map.push(key);
        map.push(value);
        Some(())
    }

    fn map(&mut self, map: Vec<M::Made>) -> M::Made {
        self.0.map(map)
    }
}

fn node(node: compose::Node) -> Node {
    let tag = node.tag.as_deref().filter(|tag| *tag != "!");
    let (held, own) = match node.content {
        Content::List(items) => (Held::List(items), Tag::List),
        Content::Map(entries) => (Held::Map(entries), Tag::Map),
        Content::Alias(target) => (Held::Alias(target), Tag::Implicit),
        Content::Scalar { text, style, .. } => {
            let style = Style::of(style);
            let own = if style == Style::Plain { meaning_of(&text) } else { Tag::Text };
            (Held::Scalar(text, style), own)
        }
    };
    Node { held, tag: tag.map_or(own, named), is_tagged: tag.is_some(), line: node.line }
}

fn named(tag: &str) -> Tag {
    match short_tag(tag).as_str() {
        "!!str" => Tag::Text,
        "!!int" => Tag::Int,
        "!!float" => Tag::Float,
        "!!bool" => Tag::Bool,
        "!!null" => Tag::Null,
        "!!timestamp" => Tag::Timestamp,
        "!!binary" => Tag::Binary,
        "!!merge" => Tag::Merge,
        "!!map" => Tag::Map,
        "!!seq" => Tag::List,
        _ => Tag::Other,
    }
}

/// Tells what a plain scalar without a tag is.
pub fn meaning_of(text: &str) -> Tag {
    if text == "<<" {
        return Tag::Merge;
    }
    match resolve(text, Rules::Kyaml) {
        Meaning::Null => Tag::Null,
        Meaning::Bool(_) => Tag::Bool,
        Meaning::Number(Num::Float(_)) => Tag::Float,
        Meaning::Number(_) => Tag::Int,
        Meaning::Timestamp(_) => Tag::Timestamp,
        Meaning::Text => Tag::Text,
    }
}

/// Tells whether YAML 1.1 takes a text, written plain, for something other than a text.
pub fn is_other_to_yaml_1_1(text: &str) -> bool {
    !matches!(resolve(text, Rules::Sigs), Meaning::Text | Meaning::Timestamp(_))
}

/// Returns the value of a scalar that is written with a tag, or plain where there is none.
///
/// # Errors
///
/// What go-yaml says of a text that is not what its tag says, or of a number that JSON does not have.
pub fn value_of(tag: Tag, text: &str) -> Result<Value, String> {
    let meaning = match tag {
        Tag::Implicit => resolve(text, Rules::Kyaml),
        Tag::Int => resolve_tagged("!!int", text, Rules::Kyaml)?,
        Tag::Float => resolve_tagged("!!float", text, Rules::Kyaml)?,
        Tag::Bool => resolve_tagged("!!bool", text, Rules::Kyaml)?,
        Tag::Null => resolve_tagged("!!null", text, Rules::Kyaml)?,
        Tag::Timestamp => resolve_tagged("!!timestamp", text, Rules::Kyaml)?,
        Tag::Binary => {
            return match crate::value::decode_base64(text) {
                Some(bytes) => Ok(Value::String(String::from_utf8_lossy(&bytes).into_owned())),
                None => Err("!!binary value contains invalid base64 data".to_owned()),
            };
        }
        Tag::Text | Tag::Merge | Tag::Map | Tag::List | Tag::Other => Meaning::Text,
    };
    Ok(match meaning {
        Meaning::Null => Value::Null,
        Meaning::Bool(value) => Value::Bool(value),
        Meaning::Timestamp(time) => Value::String(time.to_rfc3339()),
        Meaning::Text => Value::String(text.to_owned()),
        Meaning::Number(number) => {
            number::to_json(number).ok_or_else(|| format!("json: unsupported value: {}", infinite(number)))?
        }
    })
}

fn infinite(number: Num) -> &'static str {
    match number {
        Num::Float(float) if float.is_nan() => "NaN",
        Num::Float(float) if float < 0.0 => "-Inf",
        _ => "+Inf",
    }
}

/// Sorts keys as go-yaml v3 does before it writes a map.
pub fn sort_keys(keys: &mut Vec<&String>) {
    crate::sort::sort_by(keys, &|a, b| crate::sort::is_less_to_v3(a, b));
}

/// Writes a float as go-yaml v3 does.
pub fn float_text(float: f64) -> String {
    number::format_float(float)
}

/// Writes a scalar as go-yaml v3 does, without a line end; the lines of a block begin at the indentation.
pub fn scalar_text(text: &str, style: Style, indent: usize) -> String {
    let style = match style {
        Style::Plain if text.contains('\n') => ScalarStyle::Literal,
        Style::Plain => ScalarStyle::Plain,
        Style::Single => ScalarStyle::SingleQuoted,
        Style::Double => ScalarStyle::DoubleQuoted,
        Style::Literal => ScalarStyle::Literal,
        Style::Folded => ScalarStyle::Folded,
    };
    crate::pretty::scalar(text, style, indent)
}
