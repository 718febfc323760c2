//! Paths from variables to their parts, by which the schema is asked for sizes.

use std::cell::RefCell;
use std::rc::Rc;

use crate::cel::macros::RESULT;

/// A path; empty where a value is no part of a variable.
///
/// Upstream's paths are slices, and two that grow from one may share what is behind it: the later then changes the earlier.
/// Estimates depend on it, so that these do the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Path {
    steps: Rc<RefCell<Vec<Rc<str>>>>,
    length: usize,
    capacity: usize,
}

impl Path {
    /// Returns the path of a variable.
    pub(super) fn of(name: &str) -> Self {
        Self { steps: Rc::new(RefCell::new(vec![Rc::from(name)])), length: 1, capacity: 1 }
    }

    /// Returns the path to a part.
    pub(super) fn then(&self, step: &str) -> Self {
        let step = Rc::from(step);
        if self.length < self.capacity {
            let mut steps = self.steps.borrow_mut();
            match steps.get_mut(self.length) {
                Some(there) => *there = step,
                None => steps.push(step),
            }
            return Self { steps: Rc::clone(&self.steps), length: self.length + 1, capacity: self.capacity };
        }
        let mut steps = self.steps();
        steps.push(step);
        Self { length: steps.len(), capacity: (self.capacity * 2).max(1), steps: Rc::new(RefCell::new(steps)) }
    }

    /// Returns the same path, which shares nothing.
    pub(super) fn apart(&self) -> Self {
        let steps = self.steps();
        Self { length: steps.len(), capacity: steps.len(), steps: Rc::new(RefCell::new(steps)) }
    }

    pub(super) fn steps(&self) -> Vec<Rc<str>> {
        self.steps.borrow().iter().take(self.length).cloned().collect()
    }

    pub(super) fn starts_in_result(&self) -> bool {
        self.length > 0 && self.steps.borrow().first().is_some_and(|first| **first == *RESULT)
    }
}
