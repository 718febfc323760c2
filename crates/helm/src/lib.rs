//! Helm charts, rendered as Helm renders them, byte for byte, in the process that needs them.
//!
//! What templates may call is in [`functions`].
#![warn(missing_docs)]

pub mod build;
pub mod capabilities;
pub mod chart;
pub mod dependencies;
pub mod engine;
mod explain;
pub mod functions;
pub mod manifest;
pub mod schema;
mod show;
pub mod template;
mod value;
pub mod values;
mod yaml;

pub use explain::Explained;
pub use show::{NotInChart, release_name, show_only};
pub use yaml::Table;
