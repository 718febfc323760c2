//! Paths to fields, taken apart.

use std::borrow::Cow;

/// Takes a path apart at its delimiter, which a backslash makes a part of a name; one in front of all is left out.
pub(crate) fn split(path: &str, delimiter: char) -> Vec<String> {
    let mut parts: Vec<&str> = path.split(delimiter).collect();
    if parts.len() > 1 && parts[0].is_empty() {
        parts.remove(0);
    }
    let mut result: Vec<String> = Vec::with_capacity(parts.len());
    for part in parts {
        match result.last_mut().filter(|last| last.ends_with('\\')) {
            Some(last) => {
                last.pop();
                last.push(delimiter);
                last.push_str(part);
            }
            None => result.push(part.to_owned()),
        }
    }
    result
}

/// Takes the first part off a path, as [`split`] does of a path that begins with no delimiter.
pub(crate) fn first(path: &str, delimiter: char) -> (Cow<'_, str>, Option<&str>) {
    let is_end = |at: &usize| !path[..*at].ends_with('\\');
    let end = path.match_indices(delimiter).map(|(at, _)| at).find(is_end);
    let (part, rest) = end.map_or((path, None), |at| (&path[..at], Some(&path[at + delimiter.len_utf8()..])));
    if part.contains('\\') {
        return (part.replace(&format!("\\{delimiter}"), delimiter.encode_utf8(&mut [0; 4])).into(), rest);
    }
    (part.into(), rest)
}

/// The same, but what is in brackets stays together: `[name=a.b]`; without a `=` it is a name, as in `[a.b]`.
pub(crate) fn split_with_brackets(path: &str, delimiter: char) -> Vec<String> {
    let mut result = Vec::new();
    let mut parts = split(path, delimiter).into_iter();
    while let Some(part) = parts.next() {
        if !part.starts_with('[') || part.ends_with(']') {
            result.push(part);
            continue;
        }
        let mut whole = part;
        for part in parts.by_ref() {
            whole.push(delimiter);
            whole.push_str(&part);
            if part.ends_with(']') {
                break;
            }
        }
        result.push(if whole.contains('=') { whole } else { whole.trim_matches(['[', ']']).to_owned() });
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backslash_keeps_a_delimiter() {
        assert_eq!(split("metadata/annotations/a\\/b", '/'), ["metadata", "annotations", "a/b"]);
        assert_eq!(split("/spec/x", '/'), ["spec", "x"]);
        assert_eq!(split("", '/'), [""]);
    }

    #[test]
    fn parts_are_taken_off_as_they_are_split() {
        for path in ["a/b/c", "a", "", "a/", "a//b", "metadata/annotations/a\\/b/c", "a\\", "\\/a", "a\\/\\/b", "é/ü"]
        {
            let (mut parts, mut rest) = (Vec::new(), Some(path));
            while let Some(path) = rest {
                let (part, next) = first(path, '/');
                parts.push(part.into_owned());
                rest = next;
            }
            assert_eq!(parts, split(path, '/'), "{path}");
        }
    }

    #[test]
    fn brackets_keep_together() {
        assert_eq!(split_with_brackets("a.[name=x.y].b", '.'), ["a", "[name=x.y]", "b"]);
        assert_eq!(split_with_brackets("metadata.[a.b/c].d", '.'), ["metadata", "a.b/c", "d"]);
        assert_eq!(split_with_brackets("a.[b=c]", '.'), ["a", "[b=c]"]);
    }
}
