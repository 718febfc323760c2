//! Paths into a document.

use std::fmt;
use std::str::FromStr;

/// One step of a [`Path`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The entry of a map, by its key as JSON has it: that of `on: push` is `true`.
    Key(String),
    /// The item of a list, from 0.
    Index(usize),
    /// The one item of a list that is a map in which `key` has this scalar: `[name=web]`.
    Item {
        /// The key within the item.
        key: String,
        /// The scalar, as text.
        value: String,
    },
}

/// Where something is in a document: steps from its root.
///
/// As text: keys are separated by dots, `[0]` is an item of a list, `[name=web]` the item with that name, `["a.b"]` a key
/// in quotes (those of JSON). A backslash before a character of a bare key takes it as it is: `a\.b`. The empty text is
/// the root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Path(pub Vec<Step>);

/// A text that is no [`Path`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no path: {expected} expected at character {at}")]
pub struct PathError {
    /// The text.
    pub text: String,
    /// What was expected.
    pub expected: &'static str,
    /// Where, in characters from 1.
    pub at: usize,
}

impl From<Vec<Step>> for Path {
    fn from(steps: Vec<Step>) -> Self {
        Self(steps)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let is_bare = |text: &str| !text.is_empty() && !text.contains(['.', '[', ']', '\\', '"', '=']);
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if is_bare(key) && at == 0 => f.write_str(key)?,
                Step::Key(key) if is_bare(key) => write!(f, ".{key}")?,
                Step::Key(key) => write!(f, "[{}]", quoted(key))?,
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Item { key, value } if is_bare(key) && is_bare(value) => write!(f, "[{key}={value}]")?,
                Step::Item { key, value } => write!(f, "[{}={}]", quoted(key), quoted(value))?,
            }
        }
        Ok(())
    }
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let mut reader = Reader { text, at: 0 };
        let mut steps = Vec::new();
        while let Some(c) = reader.peek() {
            match c {
                '[' => {
                    reader.at += 1;
                    steps.push(reader.bracket()?);
                }
                '.' if !steps.is_empty() => {
                    reader.at += 1;
                    steps.push(Step::Key(reader.word(&['.', '['])?));
                }
                _ if steps.is_empty() => steps.push(Step::Key(reader.word(&['.', '['])?)),
                _ => return Err(reader.expected("`.` or `[`")),
            }
        }
        Ok(Self(steps))
    }
}

struct Reader<'t> {
    text: &'t str,
    /// In bytes.
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn expected(&self, expected: &'static str) -> PathError {
        let at = self.text[..self.at].chars().count() + 1;
        PathError { text: self.text.to_owned(), expected, at }
    }

    /// Reads a text in quotes, or one that ends before any of the given characters.
    fn word(&mut self, ends: &[char]) -> Result<String, PathError> {
        if self.peek() == Some('"') {
            let mut stream = serde_json::Deserializer::from_str(&self.text[self.at..]).into_iter::<String>();
            let Some(Ok(word)) = stream.next() else { return Err(self.expected("a text in quotes")) };
            self.at += stream.byte_offset();
            return Ok(word);
        }
        let mut word = String::new();
        while let Some(c) = self.peek().filter(|c| !ends.contains(c)) {
            self.at += c.len_utf8();
            if c != '\\' {
                word.push(c);
                continue;
            }
            let Some(escaped) = self.peek() else { return Err(self.expected("a character after `\\`")) };
            self.at += escaped.len_utf8();
            word.push(escaped);
        }
        if word.is_empty() { Err(self.expected("a key")) } else { Ok(word) }
    }

    /// Reads what stands in brackets, and the closing one.
    fn bracket(&mut self) -> Result<Step, PathError> {
        let is_quoted = self.peek() == Some('"');
        let word = self.word(&['=', ']'])?;
        let step = if self.peek() == Some('=') {
            self.at += 1;
            Step::Item { key: word, value: self.word(&[']'])? }
        } else if is_quoted {
            Step::Key(word)
        } else {
            let index = word.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.parse().ok()).flatten();
            Step::Index(index.ok_or_else(|| self.expected("a number, `key=value` or a text in quotes"))?)
        };
        if self.peek() != Some(']') {
            return Err(self.expected("`]`"));
        }
        self.at += 1;
        Ok(step)
    }
}
