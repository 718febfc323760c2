//! Bounds of one execution.

/// What one execution may use at most. Whatever a template does, it ends within these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Steps: every node walked, every command evaluated and every turn of a loop is one; functions add their own by
    /// [`Context::charge`](crate::Context::charge).
    pub steps: u64,
    /// Bytes written, by the template and by the templates it includes, intermediate texts counted too.
    pub output_bytes: usize,
    /// Templates within templates, whether by `template` or by functions such as `include`. Each takes about a kilobyte of
    /// stack, which grows in pieces and is given back.
    pub depth: usize,
    /// How deep a value may be nested that is printed or compared.
    pub value_depth: usize,
}

impl Default for Limits {
    /// A hundred million steps (a few seconds), 1 GiB of output, Go's own bound of 100,000 templates within each
    /// other, and values 10,000 levels deep.
    fn default() -> Self {
        Self { steps: 100_000_000, output_bytes: 1 << 30, depth: 100_000, value_depth: 10_000 }
    }
}
