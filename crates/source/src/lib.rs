//! Remotes become trees: Git over file, HTTP and SSH
