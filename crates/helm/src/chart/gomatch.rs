//! Go's `filepath.Match`.

/// A pattern that is none: a bracket that is not closed, or a lone backslash at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("syntax error in pattern")]
pub struct PatternError;

/// Tells whether the whole of `name` matches: `*` and `?` stand for everything but slashes, `[a-z]` and `[^a-z]` for one
/// character, and a backslash takes away what the next character means.
pub fn go_match(pattern: &str, name: &str) -> Result<bool, PatternError> {
    let (mut pattern, mut name) = (pattern, name);
    'pattern: while !pattern.is_empty() {
        let (star, chunk, rest) = scan_chunk(pattern);
        pattern = rest;
        if star && chunk.is_empty() {
            return Ok(!name.contains('/'));
        }
        match match_chunk(chunk, name)? {
            Some(left) if left.is_empty() || !pattern.is_empty() => {
                name = left;
                continue;
            }
            _ => {}
        }
        if star {
            let mut places = name.char_indices();
            while let Some((_, c)) = places.next() {
                if c == '/' {
                    break;
                }
                let after = places.as_str();
                if let Some(left) = match_chunk(chunk, after)? {
                    if pattern.is_empty() && !left.is_empty() {
                        continue;
                    }
                    name = left;
                    continue 'pattern;
                }
            }
        }
        // The rest of the pattern is looked at for mistakes before the answer is no.
        while !pattern.is_empty() {
            let (_, chunk, rest) = scan_chunk(pattern);
            pattern = rest;
            match_chunk(chunk, "")?;
        }
        return Ok(false);
    }
    Ok(name.is_empty())
}

/// Cuts off stars, and what stands before the next one.
fn scan_chunk(pattern: &str) -> (bool, &str, &str) {
    let trimmed = pattern.trim_start_matches('*');
    let star = trimmed.len() < pattern.len();
    let (mut in_range, mut escaped) = (false, false);
    for (at, c) in trimmed.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => in_range = true,
            ']' => in_range = false,
            '*' if !in_range => return (star, &trimmed[..at], &trimmed[at..]),
            _ => {}
        }
    }
    (star, trimmed, "")
}

/// Matches a piece without stars at the beginning of `text`, and returns what is left.
fn match_chunk<'t>(chunk: &str, text: &'t str) -> Result<Option<&'t str>, PatternError> {
    let (mut chunk, mut text) = (chunk, text);
    // After a mismatch the pattern is still read to its end.
    let mut failed = false;
    while let Some(c) = chunk.chars().next() {
        failed = failed || text.is_empty();
        let first = text.chars().next();
        let next_text = first.map_or(text, |first| &text[first.len_utf8()..]);
        match c {
            '[' => {
                if !failed {
                    text = next_text;
                }
                chunk = &chunk[1..];
                let negated = chunk.starts_with('^');
                if negated {
                    chunk = &chunk[1..];
                }
                let (mut matched, mut ranges) = (false, 0);
                loop {
                    if chunk.starts_with(']') && ranges > 0 {
                        chunk = &chunk[1..];
                        break;
                    }
                    let (low, rest) = escaped_char(chunk)?;
                    chunk = rest;
                    let mut high = low;
                    if let Some(after) = chunk.strip_prefix('-') {
                        (high, chunk) = escaped_char(after)?;
                    }
                    matched = matched || first.is_some_and(|first| low <= first && first <= high);
                    ranges += 1;
                }
                failed = failed || matched == negated;
            }
            '?' => {
                if !failed {
                    failed = first == Some('/');
                    text = next_text;
                }
                chunk = &chunk[1..];
            }
            _ => {
                if c == '\\' {
                    chunk = &chunk[1..];
                }
                let Some(literal) = chunk.chars().next() else { return Err(PatternError) };
                if !failed {
                    failed = first != Some(literal);
                    text = next_text;
                }
                chunk = &chunk[literal.len_utf8()..];
            }
        }
    }
    Ok((!failed).then_some(text))
}

/// Takes one character of a range, which must not be its last.
fn escaped_char(chunk: &str) -> Result<(char, &str), PatternError> {
    let rest = match chunk.chars().next() {
        None | Some('-' | ']') => return Err(PatternError),
        Some('\\') => &chunk[1..],
        Some(_) => chunk,
    };
    let c = rest.chars().next().ok_or(PatternError)?;
    let rest = &rest[c.len_utf8()..];
    if rest.is_empty() { Err(PatternError) } else { Ok((c, rest)) }
}

#[cfg(test)]
mod tests {
    use super::{PatternError, go_match};

    #[test]
    fn patterns_match_as_in_go() {
        let cases = [
            ("abc", "abc", Ok(true)),
            ("*", "a/b", Ok(false)),
            ("*.txt", "a.txt", Ok(true)),
            ("a*b*c", "axxbyyc", Ok(true)),
            ("a*/b", "a/c/b", Ok(false)),
            ("a*/b", "axyz/b", Ok(true)),
            ("t?st", "test", Ok(true)),
            ("t?st", "t/st", Ok(false)),
            ("[a-c]x", "bx", Ok(true)),
            ("[^a-c]x", "bx", Ok(false)),
            ("[^a-c]*", "d", Ok(true)),
            ("a\\*b", "a*b", Ok(true)),
            ("a\\*b", "axb", Ok(false)),
            ("[]a]", "]", Err(PatternError)),
            ("[-]", "-", Err(PatternError)),
            ("[x-]", "x", Err(PatternError)),
            ("[", "a", Err(PatternError)),
            ("a[", "a", Err(PatternError)),
            ("a[", "b", Err(PatternError)),
            ("*[", "x", Err(PatternError)),
            ("a\\", "a", Err(PatternError)),
            ("*x", "xxx", Ok(true)),
            ("é?", "éé", Ok(true)),
            ("", "", Ok(true)),
            ("", "a", Ok(false)),
            ("**", "a", Ok(true)),
            ("a*", "a", Ok(true)),
        ];
        for (pattern, name, want) in cases {
            assert_eq!(go_match(pattern, name), want, "{pattern} {name}");
        }
    }
}
