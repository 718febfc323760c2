use std::fmt;

/// A place in the user's own files.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The path inside the source.
    pub file: String,
    /// Counted from 1; `None` when only the file is known.
    pub line: Option<u32>,
    /// Counted from 1, in characters.
    pub column: Option<u32>,
}

impl Location {
    /// Names a file and a line of it.
    pub fn line(file: impl Into<String>, line: u32) -> Self {
        Self { file: file.into(), line: Some(line), column: None }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
            if let Some(column) = self.column {
                write!(f, ":{column}")?;
            }
        }
        Ok(())
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The word for a kind of failure: in conditions, metric labels and documentation alike.
        ///
        /// Released words are never renamed. Dialects translate them to the peer's own words where the
        /// peer has one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason { $($(#[$doc])* $name,)* }

        impl Reason {
            /// Every reason, in order.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Returns the word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }
    };
}

reasons! {
    /// A controller of somebody else is doing this work.
    AccessDenied,
    /// The remote wants credentials, or refused those it got.
    AuthenticationFailed,
    /// The cluster cannot be reached.
    ClusterUnreachable,
    /// Another writer changed the object at the same time, too often.
    Conflict,
    /// The dependencies of the app are not ready.
    DependencyNotReady,
    /// Two apps claim one object.
    DuplicateOwner,
    /// The render has no objects, and pruning would delete all.
    EmptyRender,
    /// The SSH host key is not the one on record.
    HostKeyMismatch,
    /// No SSH host key is on record for the host.
    HostKeyUnknown,
    /// A field cannot be changed on a live object.
    Immutable,
    /// A bug in Bowline.
    Internal,
    /// A file is not what it should be.
    InvalidManifest,
    /// The resource itself says something impossible.
    InvalidSpec,
    /// The URL of a source cannot be used.
    InvalidUrl,
    /// The namespace is being deleted.
    NamespaceTerminating,
    /// The path is not in the source.
    PathNotFound,
    /// The branch, tag or commit is not in the repository.
    ReferenceNotFound,
    /// The API server refused an object.
    Rejected,
    /// The repository is not there.
    RepositoryNotFound,
    /// What the source says cannot be read.
    SourceUnreadable,
    /// Something took longer than its deadline.
    TimedOut,
    /// A named limit was passed.
    TooLarge,
    /// Objects did not become healthy.
    Unhealthy,
    /// The cluster has no such kind.
    UnknownKind,
    /// The remote cannot be reached.
    Unreachable,
    /// The resource uses something that Bowline does not do.
    Unsupported,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a person needs to know of a failure, whichever surface shows it.
pub trait Explain: std::error::Error {
    /// The kind of failure, as one word.
    fn reason(&self) -> Reason;

    /// The place in the user's own files.
    fn at(&self) -> Option<&Location> {
        None
    }

    /// One thing to do next, as an imperative.
    fn help(&self) -> Option<String> {
        None
    }
}

/// A failure as a value that can be kept, compared and shown: what [`Explain`] tells, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The kind of failure.
    pub reason: Reason,
    /// What is wrong, with its causes: lower case, no full stop.
    pub message: String,
    /// The place in the user's own files.
    pub at: Option<Location>,
    /// One thing to do next.
    pub help: Option<String>,
    /// Whether the same attempt may succeed later without any change: the network, a conflict, a wait.
    pub transient: bool,
}

impl Failure {
    /// Makes a failure that only a change of the user's files or resources can mend.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), at: None, help: None, transient: false }
    }

    /// Takes over an error's facts; causes follow the message, separated by colons.
    pub fn of(error: &(impl Explain + ?Sized)) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            cause = error.source();
        }
        Self { reason: error.reason(), message, at: error.at().cloned(), help: error.help(), transient: false }
    }

    /// Says that trying again may help.
    pub fn transient(mut self) -> Self {
        self.transient = true;
        self
    }

    /// Adds the place.
    pub fn at(mut self, at: Location) -> Self {
        self.at = Some(at);
        self
    }

    /// Adds what to do.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Returns the failure in one line, as conditions hold it: place, message, help.
    pub fn one_line(&self) -> String {
        let at = self.at.as_ref().map(|at| format!("{at}: ")).unwrap_or_default();
        let help = self.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{at}{}{help}", self.message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.one_line())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_sorted() {
        assert!(Reason::ALL.is_sorted_by_key(|reason| reason.as_str()), "{:?}", Reason::ALL);
    }

    #[test]
    fn one_line_has_place_message_and_help() {
        let failure = Failure::new(Reason::InvalidManifest, "`kind` is missing")
            .at(Location::line("a.yaml", 3))
            .help("add a `kind`");
        assert_eq!(failure.one_line(), "a.yaml:3: `kind` is missing (add a `kind`)");
    }
}
