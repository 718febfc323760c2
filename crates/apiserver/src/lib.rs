//! A Kubernetes-compatible API server in memory; knows nothing of Bowline
