//! The globs of `.Files.Glob`: those of `github.com/gobwas/glob`, with `/` as what separates names.

/// A pattern: `*` and `?` stay within a name, `**` does not, `[a-z]` and `[!a-z]` are one character, `{a,b}` is one of
/// several patterns, and a backslash takes away what the next character means.
pub(super) struct Glob(Vec<Part>);

enum Part {
    Char(char),
    One,
    Within,
    Across,
    Set { negated: bool, ranges: Vec<(char, char)> },
    AnyOf(Vec<Vec<Part>>),
}

/// Patterns within patterns.
const MAX_DEPTH: usize = 20;
/// Steps that one name may take: patterns can be written that take exponential time.
const MAX_STEPS: usize = 1_000_000;

impl Glob {
    /// Reads a pattern; one that is none matches everything, as in Helm.
    pub(super) fn new(pattern: &str) -> Self {
        let chars: Vec<char> = pattern.chars().collect();
        let mut at = 0;
        match parts(&chars, &mut at, 0) {
            Some(parts) if at == chars.len() => Self(parts),
            _ => Self(vec![Part::Across]),
        }
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        let mut steps = 0;
        let parts: Vec<&Part> = self.0.iter().collect();
        matches(&parts, &name, &mut steps)
    }
}

/// Reads parts up to the end, or to a comma or brace if within braces.
fn parts(chars: &[char], at: &mut usize, depth: usize) -> Option<Vec<Part>> {
    let mut found = Vec::new();
    while let Some(c) = chars.get(*at) {
        match c {
            ',' | '}' if depth > 0 => break,
            '*' if chars.get(*at + 1) == Some(&'*') => {
                *at += 1;
                found.push(Part::Across);
            }
            '*' => found.push(Part::Within),
            '?' => found.push(Part::One),
            '[' => {
                found.push(set(chars, at)?);
                continue;
            }
            '{' => {
                if depth >= MAX_DEPTH {
                    return None;
                }
                let mut choices = Vec::new();
                loop {
                    *at += 1;
                    choices.push(parts(chars, at, depth + 1)?);
                    match chars.get(*at)? {
                        ',' => {}
                        _ => break,
                    }
                }
                found.push(Part::AnyOf(choices));
            }
            '\\' => {
                *at += 1;
                found.push(Part::Char(*chars.get(*at)?));
            }
            other => found.push(Part::Char(*other)),
        }
        *at += 1;
    }
    Some(found)
}

fn set(chars: &[char], at: &mut usize) -> Option<Part> {
    *at += 1;
    let negated = chars.get(*at) == Some(&'!');
    *at += usize::from(negated);
    let mut ranges = Vec::new();
    while *chars.get(*at)? != ']' {
        let escaped = usize::from(chars[*at] == '\\');
        let low = *chars.get(*at + escaped)?;
        *at += escaped + 1;
        if chars.get(*at) == Some(&'-') && chars.get(*at + 1).is_some_and(|next| *next != ']') {
            ranges.push((low, chars[*at + 1]));
            *at += 2;
        } else {
            ranges.push((low, low));
        }
    }
    *at += 1;
    if ranges.is_empty() { None } else { Some(Part::Set { negated, ranges }) }
}

fn matches(parts: &[&Part], name: &[char], steps: &mut usize) -> bool {
    *steps += 1;
    if *steps > MAX_STEPS {
        return false;
    }
    let Some((part, rest)) = parts.split_first() else { return name.is_empty() };
    let first = name.first();
    match part {
        Part::Char(c) => first == Some(c) && matches(rest, &name[1..], steps),
        Part::One => first.is_some_and(|c| *c != '/') && matches(rest, &name[1..], steps),
        Part::Set { negated, ranges } => {
            first.is_some_and(|c| ranges.iter().any(|(low, high)| low <= c && c <= high) != *negated)
                && matches(rest, &name[1..], steps)
        }
        Part::Within | Part::Across => {
            for taken in 0..=name.len() {
                if matches(rest, &name[taken..], steps) {
                    return true;
                }
                if matches!(part, Part::Within) && name.get(taken) == Some(&'/') {
                    break;
                }
            }
            false
        }
        Part::AnyOf(choices) => choices.iter().any(|choice| {
            let whole: Vec<&Part> = choice.iter().chain(rest.iter().copied()).collect();
            matches(&whole, name, steps)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[test]
    fn globs_match_names() {
        let cases = [
            ("**", "a/b/c", true),
            ("*", "a/b", false),
            ("*.yaml", "a.yaml", true),
            ("config/**", "config/a/b", true),
            ("config/*", "config/a/b", false),
            ("{a,b}/*.txt", "b/x.txt", true),
            ("{a,b}/*.txt", "c/x.txt", false),
            ("[a-c]?", "bz", true),
            ("[!a-c]?", "bz", false),
            ("a\\*", "a*", true),
            ("**.conf", "x/y.conf", true),
            ("**/*.conf", "y.conf", false),
            ("[", "anything", true),
        ];
        for (pattern, name, want) in cases {
            assert_eq!(Glob::new(pattern).matches(name), want, "{pattern} {name}");
        }
    }
}
