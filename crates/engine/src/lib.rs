//! One reconcile loop over `App`: resolve, read, render, plan, apply, observe.

mod dialect;

pub use dialect::*;
