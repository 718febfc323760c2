//! The globs of Argo CD's directory options.
//!
//! The language is that of `gobwas/glob` without separators, which Argo CD uses: `*` and `**` stand for any
//! text, `/` included; `?` for one character; `[a-z]` and `[!a-z]` for one of a class; `{a,b}` for one of
//! several globs; a backslash takes the next character as it is. Crates for globs give `/` and `**` meanings
//! of their own.

use crate::ManifestProblem;

/// A glob, as the alternatives that its braces stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob {
    alternatives: Vec<Vec<Token>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    AnyText,
    AnyCharacter,
    Character(char),
    Class { negated: bool, ranges: Vec<(char, char)> },
}

/// More alternatives than anybody writes by hand.
const MAX_ALTERNATIVES: usize = 1000;

impl Glob {
    pub(crate) fn parse(text: &str) -> Result<Self, ManifestProblem> {
        let mut parser = Parser { rest: text.chars().collect(), at: 0 };
        let parsed = parser.alternatives(0).and_then(|alternatives| match parser.peek() {
            None => Ok(alternatives),
            Some(_) => Err("a `}` closes nothing"),
        });
        parsed
            .map(|alternatives| Self { alternatives })
            .map_err(|why| ManifestProblem::BadGlob { glob: text.to_owned(), why })
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        self.alternatives.iter().any(|tokens| matches(tokens, &text))
    }
}

/// Matches by going back to the last `*` only: each later one makes the earlier ones settled.
fn matches(tokens: &[Token], text: &[char]) -> bool {
    let (mut token, mut at) = (0, 0);
    let mut last_star = None;
    while at < text.len() {
        match tokens.get(token) {
            Some(Token::AnyText) => {
                last_star = Some((token + 1, at));
                token += 1;
            }
            Some(other) if other.takes(text[at]) => {
                token += 1;
                at += 1;
            }
            _ => {
                let Some((after, from)) = last_star else { return false };
                last_star = Some((after, from + 1));
                (token, at) = (after, from + 1);
            }
        }
    }
    tokens[token..].iter().all(|token| *token == Token::AnyText)
}

impl Token {
    fn takes(&self, character: char) -> bool {
        match self {
            Self::AnyText => false,
            Self::AnyCharacter => true,
            Self::Character(want) => *want == character,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&character)) != *negated
            }
        }
    }
}

struct Parser {
    rest: Vec<char>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek();
        self.at += 1;
        next
    }

    /// Reads one glob; inside braces up to a comma or the closing brace.
    fn alternatives(&mut self, depth: usize) -> Result<Vec<Vec<Token>>, &'static str> {
        let mut all = vec![Vec::new()];
        while let Some(character) = self.peek() {
            let choices = match character {
                '}' => return Ok(all),
                ',' if depth > 0 => return Ok(all),
                '{' => self.braces(depth + 1)?,
                _ => vec![vec![self.token()?]],
            };
            if all.len() * choices.len() > MAX_ALTERNATIVES {
                return Err("it stands for too many alternatives");
            }
            all = all
                .iter()
                .flat_map(|before| choices.iter().map(move |choice| [before.as_slice(), choice].concat()))
                .collect();
        }
        Ok(all)
    }

    fn braces(&mut self, depth: usize) -> Result<Vec<Vec<Token>>, &'static str> {
        if depth > 16 {
            return Err("braces are nested too deep");
        }
        let mut choices = Vec::new();
        self.next();
        loop {
            choices.extend(self.alternatives(depth)?);
            match self.next() {
                Some(',') => {}
                Some('}') => return Ok(choices),
                _ => return Err("a `{` is not closed"),
            }
        }
    }

    fn token(&mut self) -> Result<Token, &'static str> {
        Ok(match self.next() {
            Some('*') => Token::AnyText,
            Some('?') => Token::AnyCharacter,
            Some('[') => self.class()?,
            Some('\\') => Token::Character(self.next().ok_or("a `\\` escapes nothing")?),
            Some(character) => Token::Character(character),
            None => return Err("it ends too early"),
        })
    }

    fn class(&mut self) -> Result<Token, &'static str> {
        let negated = self.peek() == Some('!');
        if negated {
            self.next();
        }
        let mut ranges = Vec::new();
        loop {
            let low = match self.next() {
                None => return Err("a `[` is not closed"),
                Some(']') if !ranges.is_empty() => return Ok(Token::Class { negated, ranges }),
                Some(']') => return Err("a class is empty"),
                Some('\\') => self.next().ok_or("a `\\` escapes nothing")?,
                Some(character) => character,
            };
            let is_range = self.peek() == Some('-') && self.rest.get(self.at + 1).is_some_and(|c| *c != ']');
            let high = if is_range {
                self.next();
                self.next().ok_or("a `[` is not closed")?
            } else {
                low
            };
            ranges.push((low, high));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_in_argo_cd() {
        let cases = [
            ("*.yaml", "a.yaml", true),
            ("*.yaml", "dir/a.yaml", true),
            ("*.yaml", "a.yml", false),
            ("**/a.yaml", "a.yaml", false),
            ("**/a.yaml", "x/y/a.yaml", true),
            ("dir/*", "dir/sub/a.yaml", true),
            ("dir/*", "other/a.yaml", false),
            ("{*.yml,*.yaml}", "a.yml", true),
            ("{*.yml,*.yaml}", "a.json", false),
            ("{config,env-{usw2,use1}}/*.yaml", "env-use1/a.yaml", true),
            ("{config,env-{usw2,use1}}/*.yaml", "env-eu/a.yaml", false),
            ("some-file-?.yaml", "some-file-1.yaml", true),
            ("some-file-?.yaml", "some-file-.yaml", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("a,b", "a,b", true),
            ("*a*b*c", "xxaxxbxxbc", true),
            ("", "", true),
        ];
        for (glob, text, want) in cases {
            assert_eq!(Glob::parse(glob).expect("is a glob").matches(text), want, "{glob} on {text}");
        }
    }

    #[test]
    fn broken_globs_are_told() {
        for glob in ["{a", "a}", "[a", "[]", "\\"] {
            assert!(Glob::parse(glob).is_err(), "{glob}");
        }
    }
}
