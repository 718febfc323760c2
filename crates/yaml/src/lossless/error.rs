//! Why an edit is refused.

/// Why something is not found, or an edit not made; the text is then as it was.
///
/// Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// There are fewer documents.
    #[error("there is no document {document}: the text has {count}")]
    NoDocument {
        /// The one that was asked for, from 0.
        document: usize,
        /// How many there are.
        count: usize,
    },
    /// Nothing is there.
    #[error("line {line}: there is no `{path}`")]
    Missing {
        /// The part of the path that is not there.
        path: String,
        /// The line of the nearest parent that is.
        line: u32,
    },
    /// Several items of a list answer to one step.
    #[error("line {line}: `{path}` is there more than once")]
    Ambiguous {
        /// The path up to that step.
        path: String,
        /// The line of the second.
        line: u32,
    },
    /// What should be new is there already.
    #[error("line {line}: `{path}` is there already")]
    Exists {
        /// The path.
        path: String,
        /// The line where it is.
        line: u32,
    },
    /// The path leads through an alias or a merge key: what it names is written elsewhere, for others too.
    #[error("line {line}, column {column}: `{path}` is written elsewhere, and only referred to here")]
    Aliased {
        /// The path up to what is referred to.
        path: String,
        /// Where the alias is, or the map whose entry was merged.
        line: u32,
        /// Where the alias is, or the map whose entry was merged.
        column: u32,
    },
    /// The path leads into what an anchor names, and an alias would change along.
    #[error("line {line}, column {column}: `&{anchor}` is used in line {used}, which the edit would change along")]
    Shared {
        /// The anchor.
        anchor: String,
        /// Where it is set.
        line: u32,
        /// Where it is set.
        column: u32,
        /// The line of its first use.
        used: u32,
    },
    /// No way of writing was found that reads back as exactly the edited value.
    #[error("line {line}, column {column}: `{path}` cannot be written there so that it reads back the same")]
    Unwritable {
        /// The path.
        path: String,
        /// Where it would stand.
        line: u32,
        /// Where it would stand.
        column: u32,
    },
    /// The new value, or the text with it, is beyond a limit.
    #[error("the edit passes the limit of {limit} {unit}")]
    Limit {
        /// The limit.
        limit: usize,
        /// Of what.
        unit: &'static str,
    },
}
