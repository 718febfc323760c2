//! Where go-yaml's scanner and libyaml-safer's take a text otherwise.
//!
//! What libyaml-safer refuses and go-yaml reads is put right by characters that stand for those it stumbles over; what it
//! reads and go-yaml refuses is found in its events.

use libyaml_safer::{Error, Event, EventData, MappingStyle, Mark, ScalarStyle, SequenceStyle};

/// How many characters that libyaml-safer takes for mistakes may be another's: the text is parsed anew for each.
pub(crate) const MOST_STAND_INS: usize = 100;

/// Finds a character that is a mistake to libyaml-safer, and to go-yaml a part of a plain text within brackets, as the
/// colon in `[a:]`, or of a tag, as the comma in `!a,b`.
pub(crate) fn misread(error: &Error, text: &[u8]) -> Option<usize> {
    let at = error.problem_mark()?.index as usize;
    let known: &[u8] = match (error.problem(), error.context()) {
        ("found unexpected ':'", _) => b":",
        ("did not find expected whitespace or line break", Some("while scanning a tag")) => b",[]",
        _ => return None,
    };
    known.contains(text.get(at)?).then_some(at)
}

/// Finds the first comma within a tag, which libyaml-safer panics of within brackets.
pub(crate) fn comma_in_tag(text: &[u8], from: usize) -> Option<usize> {
    let rest = text.get(from..)?;
    let tags = rest.iter().enumerate().filter(|(_, byte)| **byte == b'!');
    let mut ends = tags.filter_map(|(at, _)| {
        let end = rest[at..].iter().position(|byte| byte.is_ascii_whitespace() || b",[]{}".contains(byte))?;
        (rest[at + end] == b',').then_some(from + at + end)
    });
    ends.next()
}

/// Chooses what stands for a character: another that the text does not have, and that means nothing in YAML.
pub(crate) fn stand_in(known: &mut Vec<(char, char)>, text: &[u8], at: usize) -> Option<u8> {
    let original = char::from(*text.get(at)?);
    if let Some((stand_in, _)) = known.iter().find(|(_, of)| *of == original) {
        return Some(*stand_in as u8);
    }
    let mut unused = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').chain(*b"~$;/()=+_");
    let stand_in = unused.find(|byte| !text.contains(byte) && known.iter().all(|(c, _)| *c as u8 != *byte))?;
    known.push((char::from(stand_in), original));
    Some(stand_in)
}

/// Finds the escape of a slash in a text within quotes.
fn escaped_slash(source: &[u8]) -> Option<usize> {
    let mut bytes = source.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        if *byte == b'\\' && bytes.next().is_some_and(|(_, escaped)| *escaped == b'/') {
            return Some(at);
        }
    }
    None
}

/// A map or list in brackets.
#[derive(Debug, Clone, Copy)]
struct Bracket {
    close: char,
    line: u64,
}

/// Finds what go-yaml refuses and libyaml-safer does not.
#[derive(Debug, Default)]
pub(crate) struct Strict {
    /// The maps and lists that are open; `None` of one without brackets.
    open: Vec<Option<Bracket>>,
}

impl Strict {
    /// Looks at an event of a text: returns the mistake, and its place.
    pub(crate) fn refuse(&mut self, event: &Event, text: &[u8], lines_before: u32) -> Option<(Mark, String)> {
        let (start, end) = (event.start_mark.index as usize, event.end_mark.index as usize);
        match &event.data {
            EventData::SequenceStart { style, .. } => {
                let bracket = Bracket { close: ']', line: event.start_mark.line };
                self.open.push((*style == SequenceStyle::Flow).then_some(bracket));
                None
            }
            EventData::MappingStart { style, anchor, tag, .. } => {
                // `[a: b]` holds a map that has no brackets of its own.
                let has_own = text.get(start) == Some(&b'{') || anchor.is_some() || tag.is_some();
                let own = Bracket { close: '}', line: event.start_mark.line };
                let bracket = if has_own { Some(own) } else { self.open.last().copied().flatten() };
                self.open.push(bracket.filter(|_| *style == MappingStyle::Flow));
                None
            }
            EventData::SequenceEnd | EventData::MappingEnd => {
                self.open.pop();
                None
            }
            EventData::Scalar { value, style: ScalarStyle::Plain, .. } if value.contains('?') => {
                let bracket = self.open.last().copied().flatten()?;
                let at = start + text.get(start..end)?.iter().position(|byte| *byte == b'?')?;
                Some(key_within(bracket, place(event.start_mark, text, at), lines_before))
            }
            EventData::Scalar { style: ScalarStyle::DoubleQuoted, .. } => {
                let at = start + escaped_slash(text.get(start..end)?)?;
                Some((place(event.start_mark, text, at), "found unknown escape character".to_owned()))
            }
            EventData::DocumentStart { version_directive: Some(version), .. }
                if (version.major, version.minor) != (1, 1) =>
            {
                Some((event.start_mark, "found incompatible YAML document".to_owned()))
            }
            _ => None,
        }
    }
}

/// A question mark within brackets begins a key to go-yaml, wherever it stands.
fn key_within(bracket: Bracket, at: Mark, lines_before: u32) -> (Mark, String) {
    let mut message = format!("did not find expected ',' or '{}'", bracket.close);
    if bracket.line != at.line {
        let sort = if bracket.close == ']' { "sequence" } else { "mapping" };
        let from = lines_before + bracket.line as u32 + 1;
        message = format!("{message} while parsing a flow {sort} that starts at line {from}");
    }
    (at, message)
}

/// Returns the mark of a byte at or after another.
fn place(mut mark: Mark, text: &[u8], at: usize) -> Mark {
    let passed = String::from_utf8_lossy(&text[mark.index as usize..at]);
    mark.line += passed.matches('\n').count() as u64;
    mark.column = match passed.rsplit_once('\n') {
        Some((_, line)) => line.chars().count() as u64,
        None => mark.column + passed.chars().count() as u64,
    };
    mark.index = at as u64;
    mark
}
