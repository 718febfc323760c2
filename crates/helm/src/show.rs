//! What else `helm template` is asked for: some of the documents, and names that are templates.

use std::any::Any;

use bowline_gotmpl::{Functions, Limits, Set, Value};

use crate::chart::go_match;
use crate::manifest::split_manifests;

/// `--show-only` names a file that the chart has no document of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("could not find template {0} in chart")]
pub struct NotInChart(pub String);

/// Returns the documents of a printed chart whose files match, pattern after pattern.
///
/// Patterns begin below the chart's name, as in `templates/*.yaml`, and match as Go's `filepath.Match` does.
pub fn show_only(printed: &str, patterns: &[String]) -> Result<String, NotInChart> {
    let documents = split_manifests(printed);
    let mut text = String::new();
    for pattern in patterns {
        let mut missing = true;
        for document in &documents {
            if source(document).is_some_and(|file| go_match(pattern, file) == Ok(true)) {
                text.push_str("---\n");
                text.push_str(document);
                text.push('\n');
                missing = false;
            }
        }
        if missing {
            return Err(NotInChart(pattern.clone()));
        }
    }
    Ok(text)
}

/// Returns the file that a document says to come from, below the chart's name.
fn source(document: &str) -> Option<&str> {
    const MARK: &str = "# Source: ";
    document.match_indices(MARK).find_map(|(at, _)| {
        let rest = &document[at + MARK.len()..];
        let (chart, file) = rest.split_once('/')?;
        let line = file.lines().next().unwrap_or(file);
        // A chart's name may be anything but empty, also lines; a file's may not.
        (!chart.is_empty() && !line.is_empty()).then_some(line)
    })
}

/// Makes a release's name of `--name-template`.
pub fn release_name(template: &str, functions: Functions, host: &mut dyn Any) -> Result<String, String> {
    const NAME: &str = "name-template";
    let mut set = Set::new(functions);
    set.set_name(NAME);
    set.parse(NAME, template).map_err(|error| error.to_string())?;
    let mut out = Vec::new();
    set.execute(NAME, &Value::Nil, &mut out, Limits::default(), host).map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::show_only;

    #[test]
    fn documents_are_chosen_by_their_files() {
        let text = "---\n# Source: c/templates/a.yaml\na: 1\n---\n# Source: c/templates/b.yaml\nb: 1\n\
                    ---\n# Source: c/templates/a.yaml\na: 2\n---\nno: file\n";
        let shown = |patterns: &[&str]| {
            show_only(text, &patterns.iter().map(|pattern| (*pattern).to_owned()).collect::<Vec<_>>())
        };
        let a = "---\n# Source: c/templates/a.yaml\na: 1\n\n---\n# Source: c/templates/a.yaml\na: 2\n\n";
        assert_eq!(shown(&["templates/a.yaml"]).expect("is there"), a);
        assert_eq!(shown(&["templates/b*", "templates/a.yaml"]).expect("are there").matches("---").count(), 3);
        assert_eq!(
            shown(&["a.yaml"]).expect_err("is not there").to_string(),
            "could not find template a.yaml in chart"
        );
    }
}
