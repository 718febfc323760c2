//! How the program is linked.

use std::env::var;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| var(name).is_ok_and(|found| found == value);
    if !is("CARGO_CFG_TARGET_OS", "linux") || !is("CARGO_CFG_TARGET_ENV", "gnu") {
        return;
    }
    // At a place of its own the program needs no 97,000 addresses put right before it begins, which costs 2 ms and 4 MiB
    // each time that a chart is rendered. Libraries, heap and stacks lie elsewhere at each start all the same.
    println!("cargo::rustc-link-arg-bins=-no-pie");
    // What unwinds the stack of a panic is built in: a library less to be found and mapped at each start. Where the compiler
    // has it only as a library, that is taken.
    if is("CARGO_CFG_TARGET_ARCH", "x86_64")
        && let Some(folder) = folder_of("libgcc_eh.a")
    {
        println!("cargo::rustc-link-search=native={}", folder.display());
        println!("cargo::rustc-link-lib=static:-bundle=gcc_eh");
    }
}

/// Asks the compiler that links where it has an archive; `None` if it has none, or is none that can be asked.
fn folder_of(archive: &str) -> Option<PathBuf> {
    // For another machine another compiler links.
    if var("HOST") != var("TARGET") {
        return None;
    }
    let output = Command::new("cc").arg(format!("-print-file-name={archive}")).output().ok()?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim_end());
    if path.is_absolute() { Some(path.parent()?.to_owned()) } else { None }
}
