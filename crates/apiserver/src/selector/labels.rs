//! Label selectors: `app=web,tier in (front, back),!old`, with upstream's words for what is wrong with one.
//!
//! Follows the lexer and parser of `apimachinery/pkg/labels`, v0.35, token by token, since the words depend on how far it came.

use std::collections::BTreeSet;

use crate::builtins::names;
use crate::error::show;

/// One condition on one label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
    Exists,
    Absent,
    Greater(i64),
    Less(i64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Close,
    Comma,
    Not,
    DoubleEqual,
    Equal,
    Greater,
    Word,
    In,
    Less,
    NotEqual,
    NotIn,
    Open,
    End,
}

fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\r' | '\n')
}

fn is_special(letter: char) -> bool {
    matches!(letter, '=' | '!' | '(' | ')' | ',' | '>' | '<')
}

/// Splits a selector into tokens; the last one is [`Token::End`].
fn scan(text: &str) -> Vec<(Token, &str)> {
    const SPECIAL: [(&str, Token); 9] = [
        ("==", Token::DoubleEqual),
        ("!=", Token::NotEqual),
        (")", Token::Close),
        (",", Token::Comma),
        ("!", Token::Not),
        ("=", Token::Equal),
        (">", Token::Greater),
        ("<", Token::Less),
        ("(", Token::Open),
    ];
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(is_space);
        // A zero byte ends the text, as it does for the lexer that is followed.
        if rest.is_empty() || rest.starts_with('\0') {
            tokens.push((Token::End, ""));
            return tokens;
        }
        let (token, word) = if let Some((word, token)) = SPECIAL.iter().find(|(word, _)| rest.starts_with(word)) {
            (*token, &rest[..word.len()])
        } else {
            let end =
                rest.find(|letter| is_special(letter) || is_space(letter) || letter == '\0').unwrap_or(rest.len());
            let word = &rest[..end];
            let token = match word {
                "in" => Token::In,
                "notin" => Token::NotIn,
                _ => Token::Word,
            };
            (token, word)
        };
        tokens.push((token, word));
        rest = &rest[word.len()..];
    }
}

/// Reads a selector; the error is the whole message.
pub(super) fn parse(text: &str) -> Result<Vec<Requirement>, String> {
    let mut parser = Parser { tokens: scan(text), at: 0 };
    let mut out = Vec::new();
    loop {
        match parser.look() {
            (Token::Word | Token::Not, _) => {
                let requirement = parser.requirement().map_err(|why| format!("unable to parse requirement: {why}"))?;
                out.push(requirement);
                match parser.take() {
                    (Token::End, _) => return Ok(out),
                    (Token::Comma, _) => match parser.look() {
                        (Token::Word | Token::Not, _) => {}
                        (_, word) => return Err(format!("found '{word}', expected: identifier after ','")),
                    },
                    (_, word) => return Err(format!("found '{word}', expected: ',' or 'end of string'")),
                }
            }
            (Token::End, _) => return Ok(out),
            (_, word) => return Err(format!("found '{word}', expected: !, identifier, or 'end of string'")),
        }
    }
}

struct Parser<'a> {
    tokens: Vec<(Token, &'a str)>,
    at: usize,
}

impl<'a> Parser<'a> {
    /// Returns the next token; past the end it stays the end.
    fn raw(&self) -> (Token, &'a str) {
        self.tokens.get(self.at).copied().unwrap_or((Token::End, ""))
    }

    /// Returns the next token where keys and values stand: `in` and `notin` are words there.
    fn look(&self) -> (Token, &'a str) {
        match self.raw() {
            (Token::In | Token::NotIn, word) => (Token::Word, word),
            other => other,
        }
    }

    fn take(&mut self) -> (Token, &'a str) {
        let found = self.look();
        self.at += 1;
        found
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let mut token = self.take();
        let is_negated = token.0 == Token::Not;
        if is_negated {
            token = self.take();
        }
        let (Token::Word, key) = token else { return Err(format!("found '{}', expected: identifier", token.1)) };
        let problems = names::label_key(key);
        if !problems.is_empty() {
            return Err(format!("<nil>: Invalid value: {}: {}", show(&key.into()), problems.join("; ")));
        }
        let make = |test| Ok(Requirement { key: key.to_owned(), test });
        if is_negated {
            return make(Test::Absent);
        }
        if matches!(self.look().0, Token::End | Token::Comma) {
            return make(Test::Exists);
        }
        let (operator, word) = self.raw();
        self.at += 1;
        let values = match operator {
            Token::In | Token::NotIn => self.values()?,
            Token::Equal | Token::DoubleEqual | Token::NotEqual | Token::Greater | Token::Less => self.exact_value()?,
            _ => return Err(format!("found '{word}', expected: in, notin, =, ==, !=, gt, lt")),
        };
        let is_bound = matches!(operator, Token::Greater | Token::Less);
        check_values(key, &values, is_bound)?;
        let bound = || values.first().and_then(|value| value.parse().ok()).unwrap_or_default();
        match operator {
            Token::NotIn | Token::NotEqual => make(Test::NotIn(values)),
            Token::Greater => make(Test::Greater(bound())),
            Token::Less => make(Test::Less(bound())),
            _ => make(Test::In(values)),
        }
    }

    /// Reads what stands in parentheses.
    fn values(&mut self) -> Result<BTreeSet<String>, String> {
        let (token, word) = self.take();
        if token != Token::Open {
            return Err(format!("found '{word}' expected: '('"));
        }
        match self.look() {
            (Token::Word | Token::Comma, first) => {
                let values = self.identifiers()?;
                match self.take() {
                    (Token::Close, _) => Ok(values),
                    _ => Err(format!("found '{first}', expected: ')'")),
                }
            }
            (Token::Close, _) => {
                self.at += 1;
                Ok(BTreeSet::from([String::new()]))
            }
            (_, word) => Err(format!("found '{word}', expected: ',', ')' or identifier")),
        }
    }

    fn identifiers(&mut self) -> Result<BTreeSet<String>, String> {
        let mut values = BTreeSet::new();
        loop {
            match self.take() {
                (Token::Word, word) => {
                    values.insert(word.to_owned());
                    match self.look() {
                        (Token::Comma, _) => {}
                        (Token::Close, _) => return Ok(values),
                        (_, word) => return Err(format!("found '{word}', expected: ',' or ')'")),
                    }
                }
                (Token::Comma, _) => {
                    if values.is_empty() {
                        values.insert(String::new());
                    }
                    match self.look().0 {
                        Token::Close => {
                            values.insert(String::new());
                            return Ok(values);
                        }
                        Token::Comma => drop(values.insert(String::new())),
                        _ => {}
                    }
                }
                (_, word) => return Err(format!("found '{word}', expected: ',', or identifier")),
            }
        }
    }

    fn exact_value(&mut self) -> Result<BTreeSet<String>, String> {
        if matches!(self.look().0, Token::End | Token::Comma) {
            return Ok(BTreeSet::from([String::new()]));
        }
        match self.take() {
            (Token::Word, word) => Ok(BTreeSet::from([word.to_owned()])),
            (_, word) => Err(format!("found '{word}', expected: identifier")),
        }
    }
}

/// Checks the values a label is compared with; all mistakes are told together.
fn check_values(key: &str, values: &BTreeSet<String>, is_bound: bool) -> Result<(), String> {
    let mut mistakes = Vec::new();
    if is_bound {
        let no_numbers = values.iter().enumerate().filter(|(_, value)| value.parse::<i64>().is_err());
        mistakes.extend(no_numbers.map(|(at, value)| {
            let shown = show(&value.as_str().into());
            format!("values[{at}]: Invalid value: {shown}: for 'Gt', 'Lt' operators, the value must be an integer")
        }));
    }
    for (at, value) in values.iter().enumerate() {
        let problems = names::label_value(value);
        if !problems.is_empty() {
            let shown = show(&value.as_str().into());
            mistakes.push(format!("values[{at}][{key}]: Invalid value: {shown}: {}", problems.join("; ")));
        }
    }
    match mistakes.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        more => Err(format!("[{}]", more.join(", "))),
    }
}

impl Requirement {
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Returns whether an object with this value of the label, or without it, is meant.
    pub(super) fn holds(&self, label: Option<&str>) -> bool {
        match (&self.test, label) {
            (Test::In(values), Some(label)) => values.contains(label),
            (Test::NotIn(values), Some(label)) => !values.contains(label),
            (Test::Exists, label) => label.is_some(),
            (Test::Absent, label) => label.is_none(),
            (Test::Greater(bound), Some(label)) => label.parse::<i64>().is_ok_and(|number| number > *bound),
            (Test::Less(bound), Some(label)) => label.parse::<i64>().is_ok_and(|number| number < *bound),
            (Test::NotIn(_), None) => true,
            (Test::In(_) | Test::Greater(_) | Test::Less(_), None) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn chooses(selector: &str, labels: &Value) -> bool {
        let parsed = parse(selector).expect("a valid selector");
        parsed.iter().all(|requirement| requirement.holds(labels[requirement.key()].as_str()))
    }

    #[test]
    fn label_selectors_choose_as_kubernetes_does() {
        let labels = json!({"app": "web", "tier": "front", "n": "7"});
        let rows = [
            ("", true),
            ("app=web", true),
            ("app==web,tier=front", true),
            ("app!=web", false),
            ("missing!=web", true),
            ("app in (web, db)", true),
            ("app notin (web,db)", false),
            ("missing notin (x)", true),
            ("tier", true),
            ("!tier", false),
            ("!missing", true),
            ("n>6,n<8", true),
            ("n>7", false),
            ("app=", false),
        ];
        for (selector, want) in rows {
            assert_eq!(chooses(selector, &labels), want, "{selector}");
        }
        for bad in ["app in web)", "app in (web", "a b", "=x"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
