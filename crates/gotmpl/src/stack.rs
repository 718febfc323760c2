//! Room for what calls itself.

use std::cell::Cell;

/// So deep every thread has room: the smallest have 2 MiB, and a step takes less than the red zone of the largest.
const SHALLOW: usize = 16;

thread_local! {
    /// How many steps this thread is in.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// A step that ends when this goes, also by a panic.
struct Step;

impl Drop for Step {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

/// Calls something that may come back here, on a new stack of `more` bytes if fewer than `red_zone` are left.
///
/// Where a thread's stack ends is asked only from some depth on: that is known by reading all that the process has mapped,
/// which takes a short process longer than most of its templates.
pub(crate) fn deeper<R>(red_zone: usize, more: usize, work: impl FnOnce() -> R) -> R {
    let depth = DEPTH.get();
    DEPTH.set(depth + 1);
    let _step = Step;
    if depth < SHALLOW { work() } else { stacker::maybe_grow(red_zone, more, work) }
}
