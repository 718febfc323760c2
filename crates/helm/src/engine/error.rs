//! Errors of templates, told as Helm 4 tells them.

use std::error::Error;

use bowline_gotmpl::{ExecError, ParseError};

/// Why a chart's templates could not be rendered, in Helm's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RenderError {
    /// The file that was being rendered.
    pub file: String,
    /// The whole text, of several lines if templates were within each other.
    pub message: String,
    /// The innermost place, which may be in a file that the rendered one includes.
    pub place: Place,
}

/// Where in a chart's templates something is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The file.
    pub file: String,
    /// The line, counted from 1; 0 where none is known.
    pub line: usize,
    /// The column in bytes, counted from 0 as Go does.
    pub column: Option<usize>,
    /// The part of the template, as Go prints it; empty where a text is no template.
    pub expression: String,
}

impl Place {
    /// Finds the innermost place of an error that is in a file of the chart, and the innermost expression.
    fn innermost(file: &str, error: &ExecError) -> Self {
        let mut place = Self { file: file.to_owned(), ..Self::default() };
        let mut current: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(one) = current {
            if let Some(at) = one.downcast_ref::<ExecError>().and_then(|error| error.at.as_deref()) {
                place.expression.clone_from(&at.context);
                // Texts of values have the name of the whole set.
                if at.name.contains('/') {
                    place = Self { file: at.name.clone(), line: at.line, column: Some(at.column), ..place };
                }
            }
            current = one.source();
        }
        place
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if let Some(column) = self.column {
            write!(f, ":{column}")?;
        }
        if self.expression.is_empty() { Ok(()) } else { write!(f, ", at <{}>", self.expression) }
    }
}

impl RenderError {
    /// Tells of a file that is no template.
    pub(super) fn parse(file: &str, error: &ParseError) -> Self {
        let text = error.to_string();
        let tokens: Vec<&str> = text.split(": ").collect();
        let message = match tokens.as_slice() {
            [_, location, .., last] => format!("parse error at ({location}): {last}"),
            _ => format!("parse error in ({file}): {text}"),
        };
        let place = Place { file: error.name.clone(), line: error.line as usize, ..Place::default() };
        Self { file: file.to_owned(), message, place }
    }

    /// Tells of a template that failed.
    pub(super) fn exec(file: &str, error: &ExecError) -> Self {
        Self { file: file.to_owned(), message: reformat(file, error), place: Place::innermost(file, error) }
    }
}

fn reformat(file: &str, error: &ExecError) -> String {
    let text = error.to_string();
    // What was not executed at all is told as it is.
    if error.template.is_empty() {
        return text;
    }
    let mut tokens = text.splitn(3, ": ");
    let (Some(_), Some(location), Some(rest)) = (tokens.next(), tokens.next(), tokens.next()) else {
        return format!("execution error in ({file}): {text}");
    };
    // `fail` and `required` mark what they say.
    if let Some((_, marked)) = rest.split_once("HELM_ERR_START")
        && let Some((message, _)) = marked.rsplit_once("HELM_ERR_END")
    {
        return format!("execution error at ({location}): {message}");
    }
    let mut traced: Vec<Traced> = Vec::new();
    let mut current: &ExecError = error;
    loop {
        let Some(one) = Traced::parse(&current.to_string()) else { return text };
        if traced.last() != Some(&one) {
            traced.push(one);
        }
        match current.cause.as_deref() {
            // A function's own error is a link of the chain that says no place.
            None if current.at.is_some() && current.message.starts_with("error calling ") => return text,
            None => break,
            Some(cause) => match (cause as &(dyn Error + 'static)).downcast_ref::<ExecError>() {
                // What `tpl` says between the two is a link of the chain as well.
                Some(inner) if !says_no_more(&current.message, inner) => return text,
                Some(inner) => current = inner,
                None => return text,
            },
        }
    }
    let lines: String = traced.iter().map(Traced::text).collect();
    lines.trim().to_owned()
}

/// Tells whether a function's error is but the one of the template that it executed.
fn says_no_more(message: &str, inner: &ExecError) -> bool {
    let said = message.strip_prefix("error calling ").and_then(|rest| rest.split_once(": "));
    said.is_some_and(|(_, said)| said == inner.to_string())
}

/// One level of templates within each other.
#[derive(PartialEq)]
struct Traced {
    location: String,
    function: String,
    message: String,
}

impl Traced {
    fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("template: ")?;
        let without_next = |message: &str| match message.find(" template:") {
            Some(cut) => message[..cut].to_owned(),
            None => message.to_owned(),
        };
        if rest.starts_with("no template ") {
            return Some(Self { location: String::new(), function: String::new(), message: text.to_owned() });
        }
        if let Some(one) = rest.split_once(": executing \"").and_then(|(location, after)| {
            let (name, after) = after.split_once('"')?;
            let (context, message) = after.strip_prefix(" at <")?.split_once(">: ")?;
            let function = format!("executing \"{name}\" at <{context}>:");
            Some(Self { location: location.to_owned(), function, message: without_next(message) })
        }) {
            return Some(one);
        }
        let (location, message) = rest.rsplit_once(": ")?;
        Some(Self { location: location.to_owned(), function: String::new(), message: without_next(message) })
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (part, after) in [(&self.location, "\n  "), (&self.function, "\n    "), (&self.message, "\n")] {
            if !part.is_empty() {
                text.push_str(part);
                text.push_str(after);
            }
        }
        text
    }
}
