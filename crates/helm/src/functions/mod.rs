//! The functions that templates of charts may call, beside those of Go's `text/template`.

use bowline_gotmpl::Functions;

/// Returns the functions of `text/template`, and those of sprig and Helm.
#[must_use]
pub fn table() -> Functions {
    Functions::builtin()
}
