//! Regular expressions: Go's, executed by the `regex` crate.

use std::collections::BTreeMap;

use bowline_gotmpl::{Context, FuncError, Function, List, Str, Type, Value};
use regex::bytes::Regex;

use super::args::{Gives, STRING, boolean, int, string, text};
use super::case::is_letter;
use super::re2;
use super::runes::decode;

/// Where a match and its groups begin and end.
type Groups = Vec<Option<(usize, usize)>>;

const SS: &[Type] = &[STRING, STRING];
const SSI: &[Type] = &[STRING, STRING, Type::INT];
const SSS: &[Type] = &[STRING, STRING, STRING];

pub(super) static TABLE: [Function; 12] = [
    Function::new("mustRegexFind", SS, STRING, |ctx, args| find(ctx, args, false)),
    Function::new("mustRegexFindAll", SSI, Type::STRINGS, |ctx, args| find_all(ctx, args, false)),
    Function::new("mustRegexMatch", SS, Type::Bool, |ctx, args| {
        let regex = compiled(ctx, &args[0], false)?;
        boolean(is_match(&regex, &text(&args[1])))
    }),
    Function::new("mustRegexReplaceAll", SSS, STRING, |ctx, args| replace(ctx, args, false)),
    Function::new("mustRegexReplaceAllLiteral", SSS, STRING, |ctx, args| replace_literal(ctx, args, false)),
    Function::new("mustRegexSplit", SSI, Type::STRINGS, |ctx, args| split(ctx, args, false)),
    Function::new("regexFind", SS, STRING, |ctx, args| find(ctx, args, true)),
    Function::new("regexFindAll", SSI, Type::STRINGS, |ctx, args| find_all(ctx, args, true)),
    Function::new("regexMatch", SS, Type::Bool, |ctx, args| {
        boolean(compiled(ctx, &args[0], false).is_ok_and(|regex| is_match(&regex, &text(&args[1]))))
    }),
    Function::new("regexReplaceAll", SSS, STRING, |ctx, args| replace(ctx, args, true)),
    Function::new("regexReplaceAllLiteral", SSS, STRING, |ctx, args| replace_literal(ctx, args, true)),
    Function::new("regexSplit", SSI, Type::STRINGS, |ctx, args| split(ctx, args, true)),
];

/// The patterns of one rendering, compiled.
///
/// A chart asks a few patterns again and again, with other texts: reading one takes longer than most matches. Patterns
/// that templates make of data would have no end, so those beyond the bound push out all that are there.
#[derive(Debug, Default)]
pub(super) struct Compiled(BTreeMap<Str, Regex>);

impl Compiled {
    /// So many patterns are kept; each may take a few hundred kilobytes.
    const MOST: usize = 64;

    /// Patterns longer than this are not kept.
    const LONGEST: usize = 4096;

    fn get(&mut self, pattern: &Str) -> Result<Regex, String> {
        if let Some(regex) = self.0.get(pattern) {
            return Ok(regex.clone());
        }
        let regex = re2::compile(pattern)?;
        if pattern.len() <= Self::LONGEST {
            if self.0.len() >= Self::MOST {
                self.0.clear();
            }
            self.0.insert(pattern.clone(), regex.clone());
        }
        Ok(regex)
    }
}

/// Compiles a pattern; `panics` is for the functions that compile by `MustCompile`, which words errors otherwise.
fn compiled(ctx: &mut Context<'_, '_>, pattern: &Value, panics: bool) -> Result<Regex, FuncError> {
    let pattern = text(pattern);
    ctx.charge(1 + pattern.len() as u64)?;
    super::host::host(ctx).regexes.get(&pattern).map_err(|error| {
        let error = format!("error parsing regexp: {error}");
        if !panics {
            return FuncError::new(error);
        }
        let quoted = if pattern.as_text().is_none()
            || pattern.contains(&b'`')
            || pattern.iter().any(|byte| *byte < b' ' && *byte != b'\t')
        {
            bowline_gotmpl::quote(&pattern)
        } else {
            format!("`{}`", pattern.to_text())
        };
        FuncError::new(format!("regexp: Compile({quoted}): {error}"))
    })
}

/// Each byte that is not UTF-8 is U+FFFD to Go.
fn is_match(regex: &Regex, source: &Str) -> bool {
    regex.is_match(source.to_text().as_bytes())
}

fn find(ctx: &mut Context<'_, '_>, args: &mut [Value], panics: bool) -> Gives {
    let regex = compiled(ctx, &args[0], panics)?;
    let source = text(&args[1]);
    let first = matches(ctx, &regex, &source, 1)?.into_iter().flatten().next().flatten();
    string(first.map_or(&b""[..], |(start, end)| &source[start..end]))
}

/// Returns the groups of all matches, as Go finds them: an empty match does not follow another one directly.
fn matches(ctx: &mut Context<'_, '_>, regex: &Regex, source: &[u8], most: usize) -> Result<Vec<Groups>, FuncError> {
    if std::str::from_utf8(source).is_err() {
        return matches_of_bad(ctx, regex, source, most);
    }
    let mut found = Vec::new();
    let mut at = 0;
    let mut previous_end = None;
    while found.len() < most && at <= source.len() {
        ctx.charge(1)?;
        let Some(groups) = regex.captures_at(source, at) else { break };
        let Some(whole) = groups.get(0) else { break };
        if whole.is_empty() && !is_boundary(source, whole.start()) {
            at = whole.start() + 1;
            continue;
        }
        let mut accept = true;
        if whole.end() == at && whole.is_empty() {
            accept = previous_end != Some(whole.start());
            let (_, len) = decode(&source[at..]);
            at += len.max(1);
        } else if whole.end() > at {
            if whole.is_empty() {
                accept = previous_end != Some(whole.start());
            }
            at = whole.end();
        } else {
            at = source.len() + 1;
        }
        previous_end = Some(whole.end());
        if accept {
            found.push(groups.iter().map(|group| group.map(|group| (group.start(), group.end()))).collect());
        }
    }
    Ok(found)
}

/// Finds matches in bytes that are not UTF-8: each bad byte is U+FFFD to Go.
fn matches_of_bad(
    ctx: &mut Context<'_, '_>,
    regex: &Regex,
    source: &[u8],
    most: usize,
) -> Result<Vec<Groups>, FuncError> {
    let mut good = String::new();
    let mut places = Vec::new();
    for (at, c) in super::runes::runes(source) {
        places.resize(places.len() + c.len_utf8(), at);
        good.push(c);
    }
    places.push(source.len());
    let place = |group: Option<(usize, usize)>| group.map(|(start, end)| (places[start], places[end]));
    let found = matches(ctx, regex, good.as_bytes(), most)?;
    Ok(found.into_iter().map(|groups| groups.into_iter().map(place).collect()).collect())
}

/// Tells whether a place is not within a character.
fn is_boundary(source: &[u8], at: usize) -> bool {
    if at >= source.len() || source[at] & 0xC0 != 0x80 {
        return true;
    }
    // A byte that continues a character may be one that belongs to none.
    let start = (1..=3.min(at)).map(|back| at - back).find(|place| source[*place] & 0xC0 != 0x80);
    start.is_none_or(|start| start + decode(&source[start..]).1 <= at)
}

fn at_most(count: i64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn find_all(ctx: &mut Context<'_, '_>, args: &mut [Value], panics: bool) -> Gives {
    let regex = compiled(ctx, &args[0], panics)?;
    let source = text(&args[1]);
    let found = matches(ctx, &regex, &source, at_most(int(&args[2])))?;
    if found.is_empty() {
        return Ok(Value::List(List::nil(&Type::STRINGS)));
    }
    let whole = |groups: Vec<Option<(usize, usize)>>| {
        let (start, end) = groups.into_iter().next().flatten().unwrap_or_default();
        Str::new(&source[start..end])
    };
    Ok(Value::List(List::strings(found.into_iter().map(whole))))
}

fn split(ctx: &mut Context<'_, '_>, args: &mut [Value], panics: bool) -> Gives {
    let regex = compiled(ctx, &args[0], panics)?;
    let (source, count) = (text(&args[1]), int(&args[2]));
    if count == 0 {
        return Ok(Value::List(List::nil(&Type::STRINGS)));
    }
    if !text(&args[0]).is_empty() && source.is_empty() {
        return Ok(Value::List(List::strings([""])));
    }
    let mut parts: Vec<Str> = Vec::new();
    let (mut begin, mut end) = (0, 0);
    for groups in matches(ctx, &regex, &source, at_most(count))? {
        if count > 0 && parts.len() as i64 == count - 1 {
            break;
        }
        let (start, stop) = groups.into_iter().next().flatten().unwrap_or_default();
        end = start;
        if stop != 0 {
            parts.push(source[begin..end].into());
        }
        begin = stop;
    }
    if end != source.len() {
        parts.push(source[begin..].into());
    }
    Ok(Value::List(List::strings(parts)))
}

fn replace(ctx: &mut Context<'_, '_>, args: &mut [Value], panics: bool) -> Gives {
    let regex = compiled(ctx, &args[0], panics)?;
    let template = text(&args[2]);
    let source = text(&args[1]);
    replaced(ctx, &regex, &source, |out, groups| expand(out, &template, &regex, &source, groups))
}

fn replace_literal(ctx: &mut Context<'_, '_>, args: &mut [Value], panics: bool) -> Gives {
    let regex = compiled(ctx, &args[0], panics)?;
    let with = text(&args[2]);
    replaced(ctx, &regex, &text(&args[1]), |out, _| out.extend_from_slice(&with))
}

fn replaced(
    ctx: &mut Context<'_, '_>,
    regex: &Regex,
    source: &[u8],
    mut each: impl FnMut(&mut Vec<u8>, &[Option<(usize, usize)>]),
) -> Gives {
    let mut out = Vec::with_capacity(source.len());
    let mut last = 0;
    for groups in matches(ctx, regex, source, usize::MAX)? {
        let (start, end) = groups.first().copied().flatten().unwrap_or_default();
        out.extend_from_slice(&source[last..start]);
        let before = out.len();
        each(&mut out, &groups);
        ctx.charge_bytes(out.len() - before)?;
        last = end;
    }
    out.extend_from_slice(&source[last..]);
    string(out)
}

/// `Regexp.Expand`: `$1`, `$name` and `${name}` stand for groups, `$$` for a dollar sign.
fn expand(out: &mut Vec<u8>, template: &[u8], regex: &Regex, source: &[u8], groups: &[Option<(usize, usize)>]) {
    let mut rest = template;
    while let Some(dollar) = memchr::memchr(b'$', rest) {
        out.extend_from_slice(&rest[..dollar]);
        rest = &rest[dollar..];
        if rest.get(1) == Some(&b'$') {
            out.push(b'$');
            rest = &rest[2..];
            continue;
        }
        let Some((name, len)) = group_name(rest) else {
            out.push(b'$');
            rest = &rest[1..];
            continue;
        };
        rest = &rest[len..];
        let number = if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) {
            name.parse::<usize>().ok()
        } else {
            regex.capture_names().position(|other| other == Some(name.as_str()))
        };
        if let Some((start, end)) = number.and_then(|number| groups.get(number).copied().flatten()) {
            out.extend_from_slice(&source[start..end]);
        }
    }
    out.extend_from_slice(rest);
}

/// Reads the name after a dollar sign, and how long it is with its signs.
fn group_name(text: &[u8]) -> Option<(String, usize)> {
    let braced = text.get(1) == Some(&b'{');
    let start = if braced { 2 } else { 1 };
    let mut at = start;
    loop {
        let (c, len) = decode(text.get(at..)?);
        if len == 0 || !(c == '_' || is_letter(c) || c.is_ascii_digit()) {
            break;
        }
        at += len;
    }
    if at == start {
        return None;
    }
    let name = String::from_utf8_lossy(&text[start..at]).into_owned();
    if braced {
        return (text.get(at) == Some(&b'}')).then_some((name, at + 1));
    }
    Some((name, at))
}
