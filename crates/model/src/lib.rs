//! The values every other crate speaks of: App, Object, keys, revisions, failures
