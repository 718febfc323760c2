//! One reconcile loop over App: resolve, read, render, plan, apply, observe
