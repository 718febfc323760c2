//! One reconcile loop over `App`: resolve, read, render, plan, apply, observe.
//!
//! The engine watches the resources of its dialects and runs one task for each. A task is asleep until
//! something it depends on changes: the resource, what the resource refers to, the revision of its source, a
//! live object it desires or has applied. Then it looks at everything once ([`mod@look`]), decides
//! ([`decide`]), carries the plan out if there is one ([`carry`]), and writes what came of it to the resource
//! ([`publish`]). No task waits for another, and none holds anything while it waits.

mod cache;
mod carry;
mod checks;
mod decide;
mod dependencies;
mod dialect;
mod drifts;
mod events;
mod farewell;
mod happening;
mod index;
mod look;
mod publish;
mod remotes;
mod render;
mod rest;
mod router;
mod settings;
mod shared;
mod standing;
mod task;
mod world;

pub use bowline_helm::build::Locking;
pub use bowline_helm::manifest::install_rank;
pub use bowline_plan::{ExpressionError, check_expression};
pub use cache::CacheOptions;
pub use dependencies::{Pins as ChartPins, Surroundings as ChartSurroundings, complete_chart};
pub use dialect::*;
pub use drifts::{DriftEnd, DriftLine, LedgerOptions, read_ledger};
pub use happening::{Cause, Counters, Happening};
pub use remotes::{Fetched, RemoteFiles};
pub use router::Engine;
pub use settings::read_yaml;
pub use shared::{AppView, Options, Workplace};
