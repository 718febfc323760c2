//! `.helmignore`: which files of a directory do not belong to the chart.

use super::LoadError;
use super::gomatch::go_match;

/// The rules of a `.helmignore`, in their order.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
struct Rule {
    pattern: String,
    /// What every name begins and ends with that matches, in bytes of the pattern.
    prefix: usize,
    suffix: usize,
    /// Whether the whole path is matched, or only its last part.
    whole: bool,
    negated: bool,
    only_directories: bool,
}

impl Rules {
    /// Reads a `.helmignore`, and adds the rule that every chart has.
    pub fn parse(text: &[u8]) -> Result<Self, LoadError> {
        let text = String::from_utf8_lossy(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text));
        let mut rules = Self::default();
        for line in text.lines() {
            rules.add(line)?;
        }
        rules.add("templates/.?*")?;
        Ok(rules)
    }

    fn add(&mut self, line: &str) -> Result<(), LoadError> {
        let rule = line.trim();
        if rule.is_empty() || rule.starts_with('#') {
            return Ok(());
        }
        if rule.contains("**") {
            return Err(LoadError::Ignore("double-star (**) syntax is not supported".to_owned()));
        }
        go_match(rule, "abc").map_err(|error| LoadError::Ignore(error.to_string()))?;
        let (negated, rule) = rule.strip_prefix('!').map_or((false, rule), |rest| (true, rest));
        let (only_directories, rule) = rule.strip_suffix('/').map_or((false, rule), |rest| (true, rest));
        let (whole, pattern) = rule.strip_prefix('/').map_or((rule.contains('/'), rule), |rest| (true, rest));
        let is_special = |c: char| matches!(c, '*' | '?' | '[' | ']' | '\\');
        let prefix = pattern.find(is_special).unwrap_or(pattern.len());
        let suffix = pattern.rfind(is_special).map_or(0, |at| at + 1);
        self.rules.push(Rule { pattern: pattern.to_owned(), prefix, suffix, whole, negated, only_directories });
        Ok(())
    }

    /// Tells whether what is at `path`, seen from the chart's top, is to be left out.
    ///
    /// A rule with `!` leaves out everything that it does not match: so it is in Helm.
    pub fn ignores(&self, path: &str, is_directory: bool) -> bool {
        if matches!(path, "" | "." | "./") {
            return false;
        }
        for rule in &self.rules {
            let name = if rule.whole { path } else { path.rsplit('/').next().unwrap_or(path) };
            let matches = || rule.matches(name);
            if rule.negated {
                if (rule.only_directories && !is_directory) || !matches() {
                    return true;
                }
            } else if (is_directory || !rule.only_directories) && matches() {
                return true;
            }
        }
        false
    }
}

impl Rule {
    fn matches(&self, name: &str) -> bool {
        // Most names are told apart by what the pattern says literally.
        let may = name.starts_with(&self.pattern[..self.prefix]) && name.ends_with(&self.pattern[self.suffix..]);
        may && go_match(&self.pattern, name).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::Rules;

    #[test]
    fn rules_leave_out_what_helm_leaves_out() {
        let cases = [
            ("*.txt", "a/b.txt", false, true),
            ("*.txt", "a/b.yaml", false, false),
            ("/a.txt", "a.txt", false, true),
            ("/a.txt", "b/a.txt", false, false),
            ("docs/", "docs", true, true),
            ("docs/", "docs", false, false),
            ("a/*.md", "a/x.md", false, true),
            ("a/*.md", "b/a/x.md", false, false),
            ("!keep.yaml", "other.yaml", false, true),
            ("!keep.yaml", "keep.yaml", false, false),
            ("!docs/", "docs", false, true),
            ("# *.txt", "a.txt", false, false),
            ("", "templates/.hidden", false, true),
            ("", "templates/.", false, false),
            ("", "templates/x.yaml", false, false),
        ];
        for (text, path, is_directory, want) in cases {
            let rules = Rules::parse(text.as_bytes()).expect("are rules");
            assert_eq!(rules.ignores(path, is_directory), want, "{text} {path}");
        }
        assert!(Rules::parse(b"a/**/b").is_err());
        assert!(Rules::parse(b"[").is_err());
    }
}
