//! Whole worlds in one thread: engines of both dialects, embedded API servers and Git, on a paused clock.
//!
//! A [`Script`] says what people do, what goes wrong and when; [`play`] acts it out and judges every request by the six
//! promises, from a book of its own about what is desired. All chance comes from the seed, so a run that broke a promise
//! can be repeated to the last byte of its trace, and [`shrink`] makes it shorter.

mod dice;
mod git;
mod model;
mod play;
mod promises;
mod scenarios;
mod script;
mod shrink;
mod stage;
mod summary;
mod trace;
mod wire;

pub use model::Dialect;
pub use play::{Outcome, Settings, play};
pub use promises::{Broken, Promise};
pub use scenarios::{Scenario, Swept, scenarios, sweep};
pub use script::{Act, AppSpec, FAULTS, Fault, Script, Step, Trouble};
pub use shrink::shrink;
pub use summary::Summary;
pub use wire::{Cut, Moment};
