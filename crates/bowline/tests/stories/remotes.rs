//! Git servers that stories put in front of a repository: those that the tests of `bowline-source` use.
#![allow(dead_code, unreachable_pub, reason = "stories use a part of what is there")]

#[path = "../../../source/tests/support/http.rs"]
pub mod http;
#[path = "../../../source/tests/support/ssh.rs"]
pub mod ssh;
#[path = "../../../source/tests/support/web.rs"]
pub mod web;

use std::path::PathBuf;

/// Finds Git's own server program; without it the story is skipped by name, which CI does not allow.
#[expect(clippy::print_stderr, reason = "a story that did not run must say so")]
pub fn git_server(story: &str) -> Option<PathBuf> {
    let mut places = vec![PathBuf::from("/usr/lib/git-core"), "/usr/libexec/git-core".into()];
    if let Ok(output) = std::process::Command::new("git").arg("--exec-path").output() {
        places.insert(0, String::from_utf8_lossy(&output.stdout).trim().into());
    }
    let found = places.into_iter().map(|place| place.join("git-http-backend")).find(|file| file.exists());
    if found.is_none() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{story} needs git's http-backend");
        eprintln!("skipped: {story} needs git's http-backend");
    }
    found
}
