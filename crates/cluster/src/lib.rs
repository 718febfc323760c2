//! The Kubernetes API: discovery, watch cache, apply, delete
