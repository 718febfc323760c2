//! Fields of another manager that an apply would change.

use std::fmt;

use super::Operation;
use super::owners::ManagerId;
use crate::go;
use crate::path::Path;

/// One field somebody else owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The owner's name.
    pub manager: String,
    /// How it came to own the field.
    pub operation: Operation,
    /// The version it wrote; empty for appliers.
    pub api_version: String,
    /// The subresource it wrote through; empty for the object itself.
    pub subresource: String,
    /// The field.
    pub path: Path,
}

impl Conflict {
    pub(super) fn new(id: &ManagerId, path: Path) -> Self {
        Self {
            manager: id.manager.clone(),
            operation: id.operation,
            api_version: id.api_version.clone(),
            subresource: id.subresource.clone(),
            path,
        }
    }

    /// The owner as messages name it: `"kubectl-edit" with subresource "scale" using apps/v1`.
    pub fn owner(&self) -> String {
        let mut text = go::quote(&self.manager);
        if !self.subresource.is_empty() {
            text = format!("{text} with subresource {}", go::quote(&self.subresource));
        }
        if self.operation == Operation::Update {
            text = format!("{text} using {}", self.api_version);
        }
        text
    }

    /// The message of the status cause, whose reason is `FieldManagerConflict` and whose field is the path.
    pub fn cause(&self) -> String {
        format!("conflict with {}", self.owner())
    }

    fn is_of(&self, other: &Self) -> bool {
        (&self.manager, self.operation, &self.api_version, &self.subresource)
            == (&other.manager, other.operation, &other.api_version, &other.subresource)
    }
}

/// What stands in an apply's way; never empty. Sorted by owner, then in the order of [`Set::paths`](crate::Set::paths).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflicts(pub Vec<Conflict>);

impl fmt::Display for Conflicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = &self.0[..] {
            return write!(f, "Apply failed with 1 conflict: {}: {}", only.cause(), only.path);
        }
        write!(f, "Apply failed with {} conflicts: ", self.0.len())?;
        let mut last: Option<&Conflict> = None;
        for conflict in &self.0 {
            if !last.is_some_and(|last| last.is_of(conflict)) {
                let newline = if last.is_some() { "\n" } else { "" };
                write!(f, "{newline}conflicts with {}:", conflict.owner())?;
            }
            write!(f, "\n- {}", conflict.path)?;
            last = Some(conflict);
        }
        Ok(())
    }
}

impl std::error::Error for Conflicts {}
