//! Plain manifests: a directory of YAML and JSON becomes objects
