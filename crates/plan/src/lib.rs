//! Decides what must change for live state to match desired state
