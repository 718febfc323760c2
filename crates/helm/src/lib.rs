//! Helm charts, rendered as Helm renders them, byte for byte, in the process that needs them.
//!
//! What templates may call is in [`functions`].
#![warn(missing_docs)]

pub mod functions;
