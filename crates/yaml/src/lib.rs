//! Go-compatible YAML: reading what Kubernetes tools read, with places
