//! Where a walk is: borrowed, so that a path is only built for what is reported.

use serde_json::Value;

use crate::path::{Path, PathElement};
use crate::schema::ListTy;
use crate::typed::element_of;

/// One step and those before it.
pub(super) enum Step<'a> {
    Field { parent: Option<&'a Step<'a>>, name: &'a str },
    Item { parent: &'a Step<'a>, list: ListTy<'a>, item: &'a Value, position: usize },
}

impl Step<'_> {
    pub(super) fn path(&self) -> Path {
        let mut elements = Vec::new();
        let mut at = Some(self);
        while let Some(step) = at {
            elements.push(step.element());
            at = step.parent();
        }
        elements.reverse();
        Path(elements)
    }

    fn parent(&self) -> Option<&Self> {
        match self {
            Self::Field { parent, .. } => *parent,
            Self::Item { parent, .. } => Some(parent),
        }
    }

    fn element(&self) -> PathElement {
        match self {
            Self::Field { name, .. } => PathElement::field(*name),
            // An item that cannot be named is known by its place.
            Self::Item { list, item, position, .. } => {
                element_of(*list, item).unwrap_or(PathElement::Index(*position as i64))
            }
        }
    }
}
