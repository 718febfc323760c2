//! What a person needs to know of a failed rendering beside Helm's words: where, and what to do.

use crate::engine::{Place, RenderError};
use crate::template::TemplateError;

/// A failure, as a person is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// What is wrong, in Helm's words.
    pub why: String,
    /// The file, line, column and expression.
    pub at: Option<String>,
    /// What to do.
    pub help: Option<String>,
}

impl TemplateError {
    /// Tells the failure with its place and a way out.
    pub fn explain(&self) -> Explained {
        let (why, at, help) = match self {
            Self::Render(error) => (error.message.clone(), Some(error.place.to_string()), what_to_set(error)),
            Self::Manifest(error) => {
                let help = "what the template renders to is no YAML there; the line is one of the rendered document";
                (error.to_string(), Some(place_of_document(&error.path, &error.why)), Some(help.to_owned()))
            }
            Self::KubeVersion { wanted, version } => {
                let why =
                    format!("chart requires kubeVersion: {wanted} which is incompatible with Kubernetes {version}");
                let help = "name the cluster's version with `--kube-version`, or take another version of the chart";
                (why, None, Some(help.to_owned()))
            }
            Self::Missing(_) => {
                (self.to_string(), None, Some("put the named charts into the chart's `charts/`".to_owned()))
            }
            Self::Schema(error) => (self.to_string(), None, schema_help(&error.0)),
            Self::Name { .. } => (self.to_string(), None, Some("give another name with `--name`".to_owned())),
            Self::NotInstallable(_) => {
                let help = "library charts only serve others: render a chart that depends on it";
                (self.to_string(), None, Some(help.to_owned()))
            }
            Self::Dependencies(error) | Self::Values(error) => {
                let help = format!("`{}` holds the values of a chart of that name: make it a table", error.name);
                (self.to_string(), None, Some(help))
            }
        };
        Explained { why, at, help }
    }
}

/// Names the value that the failing expression is about, as the user of the outermost chart writes it.
fn what_to_set(error: &RenderError) -> Option<String> {
    let Place { expression, .. } = &error.place;
    let path = value_path(expression)?;
    let whole: String = subcharts(&error.file).map(|name| format!("{name}.")).chain([path]).collect();
    Some(format!(
        "set `{whole}` in the values, for example with `--set {whole}=…`, or give it a default in the template"
    ))
}

/// Finds the first value that an expression names: `.Values.image.tag` is `image.tag`.
fn value_path(expression: &str) -> Option<String> {
    const VALUES: &str = ".Values.";
    let (_, rest) = expression.split_once(VALUES)?;
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '.').unwrap_or(rest.len());
    let path = rest[..end].trim_end_matches('.');
    (!path.is_empty()).then(|| path.to_owned())
}

/// Returns the charts within the chart that a file is in: `a/charts/b/templates/c.yaml` is in `b`.
fn subcharts(file: &str) -> impl Iterator<Item = &str> {
    let mut parts = file.split('/').skip(1);
    std::iter::from_fn(move || if parts.next() == Some("charts") { parts.next() } else { None })
}

/// The line is one of the document that was rendered, not of the template.
fn place_of_document(path: &str, why: &str) -> String {
    let line = why.split("line ").nth(1).and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
    match line.filter(|line| !line.is_empty()) {
        Some(line) => format!("{path}, line {line} of a document"),
        None => path.to_owned(),
    }
}

/// Names the first value that a schema refuses.
fn schema_help(text: &str) -> Option<String> {
    let chart = text.lines().next()?.strip_suffix(':')?;
    let (_, rest) = text.split_once("at '")?;
    let (pointer, rest) = rest.split_once('\'')?;
    let mut path = pointer.trim_start_matches('/').replace('/', ".");
    // What is missing is named behind, what must not be there too.
    let said = rest.lines().next().unwrap_or(rest);
    let named = said.split_once('\'').and_then(|(before, rest)| {
        (before.contains("missing propert") || before.contains("additional propert"))
            .then_some(rest)?
            .split('\'')
            .next()
    });
    if let Some(named) = named {
        path = if path.is_empty() { named.to_owned() } else { format!("{path}.{named}") };
    }
    if path.is_empty() {
        return None;
    }
    let verb = if said.contains("additional propert") { "leave out" } else { "set" };
    Some(format!("{verb} `{path}` in the values of chart `{chart}` as its values.schema.json wants it"))
}

#[cfg(test)]
mod tests {
    use super::{schema_help, subcharts, value_path};

    #[test]
    fn the_value_is_named() {
        assert_eq!(value_path("required \"say it\" .Values.image.tag"), Some("image.tag".to_owned()));
        assert_eq!(value_path("$.Values.a_b.c | quote"), Some("a_b.c".to_owned()));
        assert_eq!(value_path("include \"x\" ."), None);
        assert_eq!(subcharts("a/charts/b/charts/c/templates/x.yaml").collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!(subcharts("a/templates/x.yaml").count(), 0);
    }

    #[test]
    fn the_refused_value_is_named() {
        let help = |text: &str| schema_help(text).unwrap_or_default();
        assert!(help("web:\n- at '/image/tag': got number, want string\n").starts_with("set `image.tag` in"));
        assert!(
            help("web:\n- at '': missing property 'host'\n").starts_with("set `host` in the values of chart `web`")
        );
        let extra = help("web:\n- at '/a': additional properties 'b' not allowed\n");
        assert!(extra.starts_with("leave out `a.b`"), "{extra}");
    }
}
